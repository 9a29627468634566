"""What has become of every source: hears each outcome, and passes it on to the log, the summary and the report.

To send results somewhere else, add a function to one of the two lists that `Results` is made with.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from autospec_lib.core import file_names
from autospec_lib.core.errors import OutputError, writing
from autospec_lib.core.products import Group, Spectrum
from autospec_lib.core.types import Ident, Target
from autospec_lib.inputs.coordinates import open_sky
from autospec_lib.inputs.marz_results import Redshift
from autospec_lib.output import redshifts, source_file, summary
from autospec_lib.output.summary import Row
from autospec_lib.run import resume
from autospec_lib.run.job import Job

INTERVAL = 3.0  # shortest time in seconds between two writes of a file during a run
SHARE = 0.01  # largest share of a run's time that is spent on them
GONE = 'its file was removed during the run; extract it again with: AutoSpec --resume'
EXTRACTED, KEPT, FAILED, NOT_REACHED = 'extracted', 'kept', 'failed', 'not reached'
Preview: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one source.

    Attributes
    ----------
    ident : int or str
        Its ID.
    seconds : float
        How long it took.
    notes : tuple of str
        Fall-backs and warnings, one line each.
    error : str or None
        Why it failed; None if its file was written.
    trace : str or None
        The traceback of a bug.
    kept : bool
        Whether an earlier run wrote the file.
    measured : mapping
        Its row of the summary, see `summary.measure`.
    preview : mapping of str to str
        Its preview in the report's table, see `output.report.source_data.write`.
    spectrum : Spectrum or None
        The spectrum for MARZ as it stands in the file; None if it is not wanted, or an earlier run wrote the file.
    """

    ident: Ident
    seconds: float
    notes: tuple[str, ...] = ()
    error: str | None = None
    trace: str | None = None
    kept: bool = False
    measured: Mapping[str, Any] = field(default_factory=dict)
    preview: Preview = field(default_factory=dict)
    spectrum: Spectrum | None = None

    @property
    def line(self) -> str:
        """The line for the log, in the words of v1.1.2."""
        if self.kept:
            return f'{self.ident}: Kept, complete since an earlier run'
        if self.error is None:
            return f'{self.ident}: Extracted Successfully in {self.seconds:.2f}s'
        return f'{self.ident}: Error, {self.error}'


class Results:
    """Hears the outcome of every source.

    Parameters
    ----------
    job : Job
        What all sources share.
    chosen : sequence of Target
        The sources of this run. Rows of other sources stay as an earlier run wrote them.
    on_outcome : iterable of function
        Each is told of every outcome at once.
    files : iterable of function
        Each writes the results so far into a file about all sources: at the beginning, from time to time, and at the
        end. They raise OutputError if the file cannot be written.

    Attributes
    ----------
    rows : dict of int or str to dict
        The rows of the summary by ID, in the catalogue's order, also during a run.
    previews : dict of int or str to mapping
        The previews of the sources that are done.
    spectra : dict of int or str to Spectrum
        The spectra for MARZ of the sources that are done: reading thousands of files at the end takes a minute.
    bugs : int
        How many sources failed because of a bug in AutoSpec.
    state : {'running', 'finished', 'interrupted'}
        The state of the run.
    why : str
        Why it was interrupted.
    """

    def __init__(
        self,
        job: Job,
        chosen: Sequence[Target],
        on_outcome: Iterable[Callable[[Outcome], None]] = (),
        files: Iterable[Callable[[Results], None]] = (),
    ) -> None:
        self.job, self._on_outcome, self._files = job, tuple(on_outcome), tuple(files)
        self._targets = {target.id: target for target in job.catalogue}
        self._chosen = {target.id for target in chosen}
        self._earlier = _earlier_rows(job)
        self.rows = {target.id: self._row(target) for target in job.catalogue}
        self.previews: dict[Ident, Preview] = {}
        self.spectra: dict[Ident, Spectrum] = {}
        self.bugs = 0
        self.state: Literal['running', 'finished', 'interrupted'] = 'running'
        self.why = ''
        self._due = dict.fromkeys(self._files, 0.0)

    def begin(self) -> None:
        """Write the results in which no chosen source is done yet."""
        self._write(self._files)

    def add(self, outcome: Outcome) -> None:
        """Hear the outcome of a source, and pass it on."""
        target = self._targets[outcome.ident]
        row = self._identity(target)
        if outcome.error is not None:
            row |= {'STATUS': FAILED, 'ERROR': outcome.error, 'SECONDS': round(outcome.seconds, 3)}
            self.bugs += outcome.trace is not None
        elif outcome.kept:
            row |= self._from_before(target) | {'STATUS': KEPT}
        else:
            row |= {'STATUS': EXTRACTED, 'SECONDS': round(outcome.seconds, 3), **outcome.measured}
            row |= {'NOTES': '; '.join(outcome.notes), 'FILE': self.job.path(target).name}
        self.rows[outcome.ident] = row
        self.previews[outcome.ident] = outcome.preview
        if outcome.spectrum is not None:
            self.spectra[outcome.ident] = outcome.spectrum
        for tell in self._on_outcome:
            tell(outcome)
        now = time.monotonic()
        self._write([write for write, due in self._due.items() if now > due])

    def finish(self) -> None:
        """Write everything at the end of a run."""
        self._check_files()
        self.state = 'finished'
        self._write(self._files)

    def interrupted(self, why: str = 'interrupted') -> None:
        """Write what can be written at the end of a run that did not reach all sources; nothing is raised."""
        with suppress(OutputError):
            self._check_files()
        self.state, self.why = 'interrupted', why
        for write in self._files:
            with suppress(OutputError):
                write(self)

    def _check_files(self) -> None:
        """Let sources fail whose file is gone: what counts as extracted is there at the end."""
        output = self.job.output
        with writing(output):
            there = set(os.listdir(output)) if output.is_dir() else set()
        for ident in self._chosen:
            row = self.rows[ident]
            if row['STATUS'] in (EXTRACTED, KEPT) and row.get('FILE') not in there:
                self.add(Outcome(ident, 0.0, error=GONE))

    def _write(self, files: Iterable[Callable[[Results], None]]) -> None:
        for write in files:
            start = time.monotonic()
            write(self)
            self._due[write] = start + max(INTERVAL, (time.monotonic() - start) / SHARE)

    @property
    def exit_code(self) -> int:
        """0 if every source of this run is done, else 1."""
        return int(any(self.rows[ident]['STATUS'] in (FAILED, NOT_REACHED) for ident in self._chosen))

    @property
    def sentence(self) -> str:
        """The results of this run in one line."""
        return _sentence([row for ident, row in self.rows.items() if ident in self._chosen])

    @property
    def sentence_on_all(self) -> str:
        """The same of all sources of the catalogue, of earlier runs too."""
        return _sentence(self.rows.values())

    def set_redshifts(self, by_name: Mapping[str, Redshift]) -> list[str]:
        """Add the redshifts of MARZ to the rows; return the names that are not in the catalogue."""
        idents = {file_names.file_stem(ident): ident for ident in self.rows}
        for name in by_name.keys() & idents.keys():
            one = by_name[name]
            self.rows[idents[name]] |= {
                'Z_MARZ': one.z,
                'QOP_MARZ': one.quality,
                'TEMPLATE_MARZ': one.template,
                'COMMENT_MARZ': one.comment,
            }
        return [name for name in by_name if name not in idents]

    def _row(self, target: Target) -> Row:
        """A source's row at the beginning of the run."""
        row = self._identity(target) | {'STATUS': NOT_REACHED}
        return row if target.id in self._chosen else row | self._from_before(target)

    def _identity(self, target: Target) -> Row:
        """The columns that are known before the extraction; what people decided is kept even if the source fails."""
        row = self._earlier.get(target.id, {})
        redshift = {one.name: row[one.name] for one in summary.MARZ if one.name in row}
        verdict = self.job.verdicts.get(str(target.id))
        if verdict is not None:
            redshift |= summary.visual(verdict)
        return {'ID': target.id, 'RA': target.ra, 'DEC': target.dec} | redshift

    def _from_before(self, target: Target) -> Row:
        """A source's row from an earlier run: from the old summary if it fits the file, else measured in the file."""
        path, row = self.job.path(target), self._earlier.get(target.id)
        fingerprint = _fingerprint(path)
        if row is not None and row.get('FINGERPRINT') == fingerprint:
            return row | self._identity(target)
        if fingerprint is not None:
            with suppress(*source_file.BROKEN):
                file = {'STATUS': KEPT, 'FILE': path.name, 'FINGERPRINT': fingerprint}
                cutout = source_file.read_cutout(path, open_sky)
                return summary.measure(source_file.read(path, Group.MASK), cutout) | file
        return {}


def _earlier_rows(job: Job) -> dict[Ident, Row]:
    """The rows of the existing summary, except of sources that have moved; none if it cannot be read."""
    try:
        rows = summary.read(job.output / summary.NAMES[0], job.cube.grid.unit)
        by_place = {(str(row['ID']), row['RA'], row['DEC']): row for row in rows}
    except Exception:  # astropy has many kinds for a file that is no table, and nothing hangs on this one
        return {}
    places = {target.id: (str(target.id), target.ra, target.dec) for target in job.catalogue}
    return {ident: by_place[place] for ident, place in places.items() if place in by_place}


def _fingerprint(path: Path) -> str | None:
    """The fingerprint in a source's file; None if there is no such file."""
    try:
        return str(source_file.read_header(path)[resume.FINGERPRINT_CARD])
    except source_file.BROKEN:
        return None


def _sentence(rows: Collection[Row]) -> str:
    """The numbers of sources by status, and the IDs of those that failed or have notes."""
    number = Counter(row['STATUS'] for row in rows)
    parts = [f'{number[EXTRACTED] + number[KEPT]} of {len(rows)} sources extracted']
    if number[KEPT]:
        parts[0] += f', {number[KEPT]} of them by an earlier run'
    if number[FAILED]:
        parts.append(f'{number[FAILED]} failed ({_idents(row for row in rows if row["STATUS"] == FAILED)})')
    noted = [row for row in rows if row['STATUS'] == EXTRACTED and row.get('NOTES')]
    if noted:
        parts.append(f'{len(noted)} with notes ({_idents(noted)})')
    if number[NOT_REACHED]:
        parts.append(f'{number[NOT_REACHED]} not reached')
    return '; '.join(parts)


def _idents(rows: Iterable[Row], most: int = 10) -> str:
    idents = [str(row['ID']) for row in rows]
    text = ', '.join(idents[:most])
    return f'{text} and {len(idents) - most} more' if len(idents) > most else text


def write_summary(results: Results) -> None:
    """Write the summary: a table of all sources."""
    with writing(results.job.output / summary.NAMES[0]):
        summary.write(results.job.output, [*results.rows.values()], results.job.cube.grid.unit)


def write_redshifts(results: Results) -> None:
    """Write the catalogue of redshifts, where they are measured or accepted; else remove that of an earlier run."""
    job = results.job
    with writing(job.output / redshifts.NAME):
        if job.params.redshift or job.verdicts:
            catalogued = {target.id: target.z for target in job.catalogue if target.z is not None}
            redshifts.write(job.output, [*results.rows.values()], job.cube.grid.unit, catalogued, job.verdicts)
        else:
            (job.output / redshifts.NAME).unlink(missing_ok=True)
