"""Collects the outcomes of all sources and keeps summary and report up to date."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from autospec_lib.core import file_names
from autospec_lib.core.products import Group
from autospec_lib.core.types import Target
from autospec_lib.inputs.marz_results import Redshift
from autospec_lib.output import marz, source_file, summary
from autospec_lib.output.summary import Row
from autospec_lib.run import exports, resume
from autospec_lib.run.job import Job
from autospec_lib.run.pages import Pages, writing
from autospec_lib.run.report import Outcome

INTERVAL = 15.0  # shortest time between two writes during a run, in seconds
SHARE = 0.02  # largest share of a run's time that is spent on them
EXTRACTED, KEPT, FAILED, NOT_REACHED = 'extracted', 'kept', 'failed', 'not reached'


class Results:
    """The rows of the summary, one for each source of the catalogue, and the files that are made from them.

    Parameters
    ----------
    job : Job
        What all sources share.
    chosen : sequence of Target
        The sources of this run. Rows of other sources stay as an earlier run wrote them.
    pages : Pages
        The report, which shows the same rows.
    """

    def __init__(self, job: Job, chosen: Sequence[Target], pages: Pages) -> None:
        self._job, self._targets = job, {target.id: target for target in job.catalogue}
        self._output = job.output
        mine = {target.id for target in chosen}
        others = [target for target in job.catalogue if target.id not in mine]
        self._earlier = self._read()
        self._rows = {target.id: self._identity(target) | {'STATUS': NOT_REACHED} for target in job.catalogue}
        for target in others:
            self._rows[target.id] |= self._from_before(target)
        self._due, self._pages = time.monotonic() + INTERVAL, pages

    def begin(self) -> None:
        """Write the summary in which no chosen source is done yet, and remove files of an earlier run.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        with writing(self._output / marz.NAME):
            (self._output / marz.NAME).unlink(missing_ok=True)
        self.write()

    def finish(self) -> None:
        """Write all files that are made at the end of a run; after an interruption there is only time for `write`.

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
        """Add the redshifts of MARZ to the rows; return the names that are not in the catalogue."""
        names = {file_names.file_stem(ident): ident for ident in self._rows}
        for name in redshifts.keys() & names.keys():
            one = redshifts[name]
            found = {'Z_MARZ': one.z, 'QOP_MARZ': one.quality}
            self._rows[names[name]] |= found | {'TEMPLATE_MARZ': one.template, 'COMMENT_MARZ': one.comment}
        return [name for name in redshifts if name not in names]

    @property
    def rows(self) -> list[Row]:
        """One dictionary for each source, in the catalogue's order, also during a run."""
        return list(self._rows.values())

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of a source; from time to time write the results so far.

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
            State of the run: 'running', 'finished' or 'interrupted'.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        start = time.monotonic()
        with writing(self._output / summary.NAMES[0]):
            summary.write(self._output, self.rows, self._job.cube.grid.unit)
        took = time.monotonic() - start
        self._due = start + max(INTERVAL, took / SHARE)
        self._pages.write(self.rows, state)

    def _identity(self, target: Target) -> Row:
        """The columns that are known before the extraction; a redshift of MARZ is kept even if the source fails."""
        row = self._earlier.get(str(target.id), {})
        redshift = {one.name: row[one.name] for one in summary.MARZ if one.name in row and self._same(row, target)}
        return {'ID': target.id, 'RA': target.ra, 'DEC': target.dec} | redshift

    def _read(self) -> dict[str, Row]:
        """The rows of the existing summary, by ID as text; none if it cannot be read."""
        try:
            rows = summary.read(self._output / summary.NAMES[0], self._job.cube.grid.unit)
            return {str(row['ID']): row for row in rows}
        except Exception:  # astropy has many kinds for a file that is no table, and nothing hangs on this one
            return {}

    def _from_before(self, target: Target) -> Row:
        """A source's row from an earlier run: from the old summary if it fits the file, else measured in the file."""
        path, row = self._job.path(target), self._earlier.get(str(target.id))
        fingerprint = _fingerprint(path)
        if row is not None and self._same(row, target) and row.get('FINGERPRINT') == fingerprint:
            return row | self._identity(target)
        if fingerprint is None:
            return {}
        with suppress(OSError, KeyError, ValueError):
            found = {'STATUS': KEPT, 'FILE': path.name, 'FINGERPRINT': fingerprint}
            return summary.measure(source_file.read(path, Group.MASK), source_file.read_cutout(path)) | found
        return {}

    def _same(self, row: Row, target: Target) -> bool:
        """Whether a row is about this position of the catalogue."""
        return (row.get('RA'), row.get('DEC')) == (target.ra, target.dec)


def _fingerprint(path: Path) -> str | None:
    """The fingerprint in a source's file; None if there is no such file."""
    try:
        return str(source_file.read_header(path)[resume.CARD])
    except (OSError, KeyError, ValueError):
        return None
