"""What has become of every source: hears each outcome, and passes it on to the log, the summary and
the report.

To send results somewhere else, add a function to one of the two lists that `Results` is made with.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from autospec_lib.core import file_names
from autospec_lib.core.errors import OutputError, writing
from autospec_lib.core.products import Group, Spectrum
from autospec_lib.core.types import Ident, Target
from autospec_lib.inputs.coordinates import open_sky
from autospec_lib.output import marz, redshift_catalogue, source_file, summary
from autospec_lib.output.redshift_catalogue import counting
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
        The spectrum for MARZ as it stands in the file; None if it is not wanted, or an earlier run
        wrote the file.
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
        Each writes the results so far into a file about all sources. It is called at the beginning,
        from time to time, and at the end; ``state`` tells those that wait for the end. They raise
        OutputError if the file cannot be written.

    Attributes
    ----------
    rows : dict of int or str to dict
        The rows of the summary by ID, in the catalogue's order, also during a run.
    previews : dict of int or str to mapping
        The previews of the sources that are done.
    spectra : dict of int or str to Spectrum
        The spectra for MARZ of the sources that are done: reading thousands of files at the end
        takes a minute.
    bugs : int
        How many sources failed because of a bug in AutoSpec.
    state : {'running', 'finished', 'interrupted'}
        The state of the run.
    why : str
        Why it was interrupted.
    chosen : set of int or str
        The IDs of the sources of this run.
    """

    def __init__(
        self,
        job: Job,
        chosen: Sequence[Target],
        on_outcome: Iterable[Callable[[Outcome], None]] = (),
        files: Iterable[Callable[[Results], None]] = (),
    ) -> None:
        self.job, self._on_outcome = job, tuple(on_outcome)
        self._due = dict.fromkeys(files, 0.0)  # when each is to be written again
        self._targets = {target.id: target for target in job.catalogue}
        self.chosen = {target.id for target in chosen}
        earlier: dict[tuple[Any, ...], Row] = {}  # by place: sources that have moved are others
        # Of many kinds in astropy; without the old summary, rows are measured in the files.
        with suppress(Exception):
            for row in summary.read(job.output / file_names.SUMMARY[0], job.cube.grid.unit):
                for column in summary.VISUAL:  # those are of the verdicts that there are now
                    row.pop(column.name, None)
                earlier[str(row['ID']), row['RA'], row['DEC']] = row
        self._earlier: dict[Ident, Row] = {}
        self.rows: dict[Ident, Row] = {}
        for ident, target in self._targets.items():
            self._earlier[ident] = earlier.get((str(ident), target.ra, target.dec), {})
            self.rows[ident] = self._identity(target) | {'STATUS': NOT_REACHED}
            if ident not in self.chosen:
                self.rows[ident] |= self._from_before(target)
        self.previews: dict[Ident, Preview] = {}
        self.spectra: dict[Ident, Spectrum] = {}
        self.bugs = 0
        self.state: Literal['running', 'finished', 'interrupted'] = 'running'
        self.why = ''

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
            row |= {'NOTES': '; '.join(outcome.notes), 'FILE': self.job.files(target)['file'].name}
        self.rows[outcome.ident] = row
        self.previews[outcome.ident] = outcome.preview
        if outcome.spectrum is not None:
            self.spectra[outcome.ident] = outcome.spectrum
        for tell in self._on_outcome:
            tell(outcome)
        self.write(time.monotonic())

    def finish(self, why: str = '') -> None:
        """Write everything at the end of a run. Sources whose file is gone fail: what counts as
        extracted is there.

        Parameters
        ----------
        why : str
            Why the run did not reach all sources, if it did not. Then what can be written is
            written, and nothing is raised.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        output = self.job.output
        ignored = (OutputError,) if why else ()
        with suppress(*ignored):
            with writing(output):
                there = set(os.listdir(output)) if output.is_dir() else set()
            for ident in self.chosen:
                row = self.rows[ident]
                if row['STATUS'] in (EXTRACTED, KEPT) and row.get('FILE') not in there:
                    self.add(Outcome(ident, 0.0, error=GONE))
        self.state, self.why = 'interrupted' if why else 'finished', why
        for write in self._due:
            with suppress(*ignored):
                write(self)

    def write(self, now: float = math.inf) -> None:
        """Write the files about all sources, or those that are due at a time."""
        for write, due in self._due.items():
            if due < now:
                start = time.monotonic()
                write(self)
                self._due[write] = start + max(INTERVAL, (time.monotonic() - start) / SHARE)

    @property
    def exit_code(self) -> int:
        """0 if every source of this run is done, else 1."""
        return int(
            any(self.rows[ident]['STATUS'] in (FAILED, NOT_REACHED) for ident in self.chosen)
        )

    def _identity(self, target: Target) -> Row:
        """The columns that are known before the extraction; what people decided is kept even if the
        source fails."""
        row = self._earlier[target.id]
        redshift = {one.name: row[one.name] for one in summary.MARZ if one.name in row}
        verdict = self.job.verdicts.get(str(target.id))
        if verdict is not None:
            redshift |= summary.visual(verdict)
        return {'ID': target.id, 'RA': target.ra, 'DEC': target.dec} | redshift

    def _from_before(self, target: Target) -> Row:
        """A source's row from an earlier run: from the old summary if it fits the file, else
        measured in the file."""
        path, row = self.job.files(target)['file'], self._earlier[target.id]
        fingerprint = None  # there is no such file
        with suppress(*source_file.BROKEN):
            fingerprint = str(source_file.read_header(path)[resume.FINGERPRINT_CARD])
        if row.get('FINGERPRINT') == fingerprint:
            return row | self._identity(target)
        if fingerprint is not None:
            with suppress(*source_file.BROKEN):
                file = {'STATUS': KEPT, 'FILE': path.name, 'FINGERPRINT': fingerprint}
                cutout = source_file.read_cutout(path, open_sky)
                return summary.measure(source_file.read(path, Group.MASK), cutout) | file
        return {}


def write_summary(results: Results) -> None:
    """Write the summary: a table of all sources."""
    with writing(results.job.output / file_names.SUMMARY[0]):
        summary.write(results.job.output, [*results.rows.values()], results.job.cube.grid.unit)


def write_redshifts(results: Results) -> None:
    """Write the catalogue of redshifts, where they are measured or accepted; else remove that of an
    earlier run."""
    job = results.job
    with writing(job.output / file_names.REDSHIFTS):
        if job.params.redshift or job.verdicts:
            catalogued = {target.id: target.z for target in job.catalogue if target.z is not None}
            redshift_catalogue.write(
                job.output, [*results.rows.values()], job.cube.grid.unit, catalogued, job.verdicts
            )
        else:
            (job.output / file_names.REDSHIFTS).unlink(missing_ok=True)


def write_marz(results: Results) -> None:
    """Write the file for MARZ at the end of a run, with a row for every source that has a file.

    Before the end, a file of an earlier run is removed. No file is written if no source has one.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    job, path = results.job, results.job.output / file_names.MARZ
    with writing(path):
        if results.state == 'running':
            path.unlink(missing_ok=True)
        elif results.state == 'finished' and job.params.marz:
            entries = list(_entries(results))
            if entries:
                marz.write(path, entries, job.cube.wave, job.cube.grid)


def _entries(results: Results) -> Iterator[marz.Entry]:
    catalogued = {target.id: target.z for target in results.job.catalogue}
    for row in results.rows.values():
        if not row.get('FILE'):
            continue
        try:
            spectrum = results.spectra.get(row['ID']) or marz.spectrum_of(
                source_file.read(results.job.output / row['FILE'], last=Group.SPECTRUM)
            )
        except source_file.BROKEN:  # it has been removed or replaced meanwhile
            continue
        if len(spectrum.data) == len(results.job.cube.wave) and np.isfinite(spectrum.data).any():
            # MARZ drops blanks and commas of a name; those that are files' names come back as they
            # are.
            name = file_names.file_stem(row['ID'])
            verdict = results.job.verdicts.get(str(row['ID']))
            yield marz.Entry(
                name,
                row['RA'],
                row['DEC'],
                row.get('MAG_WHITE'),
                spectrum.key,
                spectrum,
                None if row.get('ZQUAL') is None and verdict is None else counting(row, verdict),
                row.get('ZPROB'),
                catalogued[row['ID']],
            )
