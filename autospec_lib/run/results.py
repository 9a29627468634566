"""What a run tells about all of its sources together: collects outcomes and keeps the summary up to date."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from astropy.io import fits

from autospec_lib.core import keys
from autospec_lib.core.types import Target
from autospec_lib.inputs.marz_results import Redshift
from autospec_lib.output import marz, read_back, summary, summary_table
from autospec_lib.output.summary import Row
from autospec_lib.run import exports, resume
from autospec_lib.run.job import Job
from autospec_lib.run.pages import Pages, writing
from autospec_lib.run.report import Outcome

INTERVAL = 15.0  # seconds at least between two writes while a run goes on
SHARE = 0.02  # of a run's time at most that goes into them
EXTRACTED, KEPT, FAILED, NOT_REACHED = 'extracted', 'kept', 'failed', 'not reached'


class Results:
    """The rows of the summary, one for each source of the catalogue, and the files that are made of them.

    Parameters
    ----------
    job : Job
        What all sources share.
    chosen : sequence of Target
        The sources of this run. Rows of the others stay as an earlier run left them.
    pages : Pages
        The report, which shows the same rows.
    """

    def __init__(self, job: Job, chosen: Sequence[Target], pages: Pages) -> None:
        self._job, self._targets = job, {target.id: target for target in job.catalogue}
        self._output = job.folder / job.params.output
        mine = {target.id for target in chosen}
        others = [target for target in job.catalogue if target.id not in mine]
        self._earlier = self._read()
        self._rows = {target.id: self._identity(target) | {'STATUS': NOT_REACHED} for target in job.catalogue}
        for target in others:
            self._rows[target.id] |= self._from_before(target)
        self._due, self._pages = time.monotonic() + INTERVAL, pages

    def begin(self) -> None:
        """Write the summary in which no chosen source is done yet, and remove what would be of an earlier run.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        with writing(self._output / marz.NAME):
            (self._output / marz.NAME).unlink(missing_ok=True)
        self.write()

    def finish(self) -> None:
        """Write all that is made when every source is done; after an interruption `write` is all there is time for.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        self.write('finished')
        if self._job.params.marz:
            with writing(self._output / marz.NAME):
                exports.write_marz(self._job, self.rows)

    def set_redshifts(self, redshifts: Mapping[str, Redshift]) -> list[str]:
        """Take in what MARZ says of sources; the names that are not in the catalogue."""
        names = {keys.file_stem(ident): ident for ident in self._rows}
        for name in redshifts.keys() & names.keys():
            one = redshifts[name]
            found = {'Z_MARZ': one.z, 'QOP_MARZ': one.quality}
            self._rows[names[name]] |= found | {'TEMPLATE_MARZ': one.template, 'COMMENT_MARZ': one.comment}
        return [name for name in redshifts if name not in names]

    @property
    def rows(self) -> list[Row]:
        """One dictionary for each source, in the catalogue's order also while the run goes on."""
        return list(self._rows.values())

    def add(self, outcome: Outcome) -> None:
        """Take in what became of a source; now and then write what is known so far.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        target = self._targets[outcome.ident]
        row = self._identity(target)
        if outcome.error is not None:
            row |= {'STATUS': FAILED, 'ERROR': outcome.error, 'SECONDS': round(outcome.seconds, 3)}
        elif outcome.kept:
            row |= self._from_before(target) | {'STATUS': KEPT}
        else:
            row |= {'STATUS': EXTRACTED, 'SECONDS': round(outcome.seconds, 3), **outcome.measured}
            row |= {'NOTES': '; '.join(outcome.notes), 'FILE': self._job.path(target).name}
        self._rows[outcome.ident] = row
        self._pages.add(outcome.ident, outcome.preview)
        if time.monotonic() > self._due:
            self.write()
        elif self._pages.are_due:
            self._pages.write(self.rows, 'running')

    def write(self, state: str = 'running') -> None:
        """Write the summary and the report's table as they are now.

        Parameters
        ----------
        state : str
            Of the run: 'running', 'finished' or 'interrupted'.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        start = time.monotonic()
        with writing(self._output / summary_table.NAMES[0]):
            summary_table.write(self._output, self.rows, self._job.cube.grid.unit)
        took = time.monotonic() - start
        self._due = start + max(INTERVAL, took / SHARE)
        self._pages.write(self.rows, state)

    def _identity(self, target: Target) -> Row:
        """What is known before the extraction; a redshift stays whatever becomes of the spectrum."""
        row = self._earlier.get(str(target.id), {})
        redshift = {one.name: row[one.name] for one in summary.MARZ if one.name in row and self._same(row, target)}
        return {'ID': target.id, 'RA': target.ra, 'DEC': target.dec} | redshift

    def _read(self) -> dict[str, Row]:
        """The rows of the summary that is there, by ID as text; none where it cannot be read."""
        try:
            rows = summary_table.read(self._output / summary_table.NAMES[0], self._job.cube.grid.unit)
            return {str(row['ID']): row for row in rows}
        except Exception:  # astropy has many kinds for a file that is no table, and nothing hangs on this one
            return {}

    def _from_before(self, target: Target) -> Row:
        """What an earlier run found: its row where that belongs to the file, else measured in the file."""
        path, row = self._job.path(target), self._earlier.get(str(target.id))
        fingerprint = _fingerprint(path)
        if row is not None and self._same(row, target) and row.get('FINGERPRINT') == fingerprint:
            return row | self._identity(target)
        if fingerprint is None:
            return {}
        with suppress(OSError, KeyError, ValueError):
            products, cutout = read_back.read_source(path)
            found = {'STATUS': KEPT, 'FILE': path.name, 'FINGERPRINT': fingerprint}
            return summary.measure(products, cutout) | found
        return {}

    def _same(self, row: Row, target: Target) -> bool:
        """Whether a row is about this position of the catalogue."""
        return (row.get('RA'), row.get('DEC')) == (target.ra, target.dec)


def _fingerprint(path: Path) -> str | None:
    """That in a source's file; None where there is no such file."""
    try:
        found: Any = fits.getheader(path)[resume.CARD]
        return str(found)
    except (OSError, KeyError, ValueError):
        return None
