"""Writes the report: the data of a source in the process that extracts it, page and table in the main process."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from autospec_lib import __version__
from autospec_lib.config import params as parameters
from autospec_lib.core import file_names, keys
from autospec_lib.core.errors import OutputError
from autospec_lib.core.products import Group, Products
from autospec_lib.core.types import Cutout, Ident, Target
from autospec_lib.core.wording import after
from autospec_lib.output import source_file, summary
from autospec_lib.output.report import page
from autospec_lib.run.job import Job

INTERVAL = 3.0  # shortest time between two writes during a run, in seconds
SHARE = 0.02  # largest share of a run's time that is spent on them
NOT_SHOWN = ('FINGERPRINT',)  # columns of the summary that are not useful to a reader
SN = ('SN', '', 'median signal-to-noise ratio per pixel of the reference spectrum', True)
Z = ('Z', '', 'redshift in the catalogue', True)
Preview = Mapping[str, str]


def write_data(job: Job, products: Products, cutout: Cutout) -> Preview:
    """Write the report's file on a source, after its plots; return the preview for the table.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from autospec_lib.output.report import source_data

    shown = products.select(tuple(Group), job.params.out_spec)
    path, links = job.data(cutout.target), _links(job, cutout.target)
    with writing(path):
        return source_data.write(path, shown, cutout, job.params.cmap, links)


def keep_data(job: Job, target: Target) -> Preview:
    """The preview of a source that is kept; if its data for the report are missing, they are made from its FITS file.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    from autospec_lib.output.report import source_data

    found = source_data.read_preview(job.data(target))
    if found is not None:
        return found
    path = job.path(target)
    try:
        products, cutout = source_file.read(path, Group.MAP), source_file.read_cutout(path)
    except (OSError, KeyError, ValueError):  # it was removed after it had been found complete
        return {}
    cutout = replace(cutout, target=target, wave=job.cube.wave, grid=job.cube.grid)
    with writing(job.data(target)):
        return source_data.write(job.data(target), products, cutout, job.params.cmap, _links(job, target))


def remove_data(job: Job, target: Target) -> None:
    """Remove the report's file on a source from an earlier run.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    with writing(job.data(target)):
        job.data(target).unlink(missing_ok=True)


def _links(job: Job, target: Target) -> dict[str, str]:
    """The addresses of a source's file and plots, relative to the page."""
    plots = {key: job.picture(target, key) for key in file_names.PICTURES}
    paths = {'file': job.path(target)} | {key: path for key, path in plots.items() if path.exists()}
    return {key: path.relative_to(job.output).as_posix() for key, path in paths.items()}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error in writing ``path`` into an OutputError, which stops the run: further sources would fail too."""
    try:
        yield
    except OSError as error:
        raise OutputError(f'{path}: {error.strerror or error}; {after(error)}') from error


class Pages:
    """The page and the table of all sources, kept up to date while a run goes on.

    Parameters
    ----------
    job : Job
        What all sources share. If `Params.report` is off, the report of an earlier run is removed.
    command : str
        The command line of the run.
    """

    def __init__(self, job: Job, command: str) -> None:
        self._job, self._command = job, command
        self._previews: dict[str, Preview] = {}
        self._due = 0.0
        self._begun = False

    def add(self, ident: Ident, preview: Preview) -> None:
        """Add the preview of a source."""
        self._previews[str(ident)] = preview

    @property
    def are_due(self) -> bool:
        """Whether it is time to write the table again."""
        return self._job.params.report and time.monotonic() > self._due

    def write(self, rows: Sequence[Mapping[str, Any]], state: str) -> None:
        """Write the table, and the first time also the page.

        Parameters
        ----------
        rows : sequence of mapping
            The rows of the summary.
        state : str
            'running', 'finished' or 'interrupted'.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        output, start = self._job.output, time.monotonic()
        with writing(output / page.PAGE):
            if not self._job.params.report:
                page.remove(output)
                return
            if not self._begun:
                self._recall(rows)
            page.write_table(output, self._run(rows, state), *_table(rows, self._job), self._previews)
            if not self._begun:
                page.install(output)  # it looks for the table as soon as it is opened
        self._begun = True
        self._due = start + max(INTERVAL, (time.monotonic() - start) / SHARE)

    def _recall(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Read the previews of sources that this run does not extract, from files of earlier runs."""
        from autospec_lib.output.report import source_data

        for ident in (row['ID'] for row in rows if row.get('FILE')):
            found = source_data.read_preview(
                self._job.output / file_names.REPORT / 'data' / file_names.report_data(ident)
            )
            if found:
                self._previews.setdefault(str(ident), found)

    def _run(self, rows: Sequence[Mapping[str, Any]], state: str) -> page.Run:
        params, folder = self._job.params, self._job.folder
        reached = sum(row['STATUS'] != 'not reached' for row in rows)
        return page.Run(
            key=hashlib.sha256(str(self._job.output.resolve()).encode(errors='replace')).hexdigest()[:16],
            name=folder.name,
            version=__version__,
            command=self._command,
            folder=str(folder),
            cube=params.datacube,
            catalogue=params.catalog,
            settings=parameters.describe(params),
            written=time.strftime('%Y-%m-%d %H:%M:%S'),
            stamp=int(time.time()),
            running=state == 'running',
            total=len(rows),
            done=reached,
            summary=_words(rows, state),
        )


def _table(
    rows: Sequence[Mapping[str, Any]], job: Job
) -> tuple[list[tuple[str, str, str, bool]], list[Mapping[str, Any]]]:
    """Columns and rows of the page's table: the summary's, the reference's S/N, the catalogue's redshifts."""
    from autospec_lib.output.units import in_words

    unit = job.cube.grid.unit
    redshifts = {target.id: target.z for target in job.catalogue if target.z is not None}
    units = {'': '', summary.FLUX: in_words(unit)}
    columns = [
        (one.name, units.get(one.unit, one.unit), one.text, one.kind is not str)
        for one in summary.columns(rows)
        if one.name not in NOT_SHOWN
    ]
    place = [name for name, *_ in columns].index('MAG_WHITE')
    columns = [*columns[:place], SN, *columns[place:], *[Z] * bool(redshifts)]
    return columns, [{**row, 'SN': _ratio(row), 'Z': redshifts.get(row['ID'])} for row in rows]


def _ratio(row: Mapping[str, Any]) -> Any:
    reference = row.get('REFERENCE') or ''
    return row.get(f'SN_{reference.removesuffix(keys.SKYSUB)}')


def _words(rows: Sequence[Mapping[str, Any]], state: str) -> str:
    """The numbers of sources by result, in one line."""
    count = {status: sum(row['STATUS'] == status for row in rows) for status in ('failed', 'not reached')}
    noted = sum(bool(row.get('NOTES')) for row in rows)
    done = len(rows) - sum(count.values())
    parts = [f'{done} of {len(rows)} sources' + ('' if state == 'running' else ' extracted')]
    parts += [f'{count["failed"]} failed'] if count['failed'] else []
    parts += [f'{noted} with notes'] if noted else []
    return ', '.join(parts) + {'running': '; the run goes on', 'interrupted': '; the run was interrupted'}.get(
        state, ''
    )
