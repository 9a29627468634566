"""The report: the data of a source, in the process that extracts it; page and table of all sources."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from autospec_lib import __version__
from autospec_lib.config import params as parameters
from autospec_lib.core import file_names, keys
from autospec_lib.core.errors import SourceError, writing
from autospec_lib.core.products import Group, Products
from autospec_lib.core.types import Cutout, Ident, Target
from autospec_lib.inputs import cube as cutouts
from autospec_lib.output import source_file, summary
from autospec_lib.output.report import page
from autospec_lib.output.summary import Row
from autospec_lib.run.job import Job
from autospec_lib.run.results import NOT_REACHED, Preview, Results

# Columns of the summary that are not useful to a reader, or that the page has of its own.
HIDDEN_COLUMNS = {'FINGERPRINT', *(column.name for column in summary.VISUAL)} - {'DIFFERS_VISUAL'}
SN = ('SN', '', 'median signal-to-noise ratio per pixel of the reference spectrum', True)
PLACE = (
    ('X_CUBE', 'pixel', 'position in the cube, the first pixel is 1', True),
    ('Y_CUBE', 'pixel', 'position in the cube, the first pixel is 1', True),
)
CATALOGUED = ('Z_CATALOG', '', 'redshift in the catalogue', True)
STATE = {'running': '; the run goes on', 'interrupted': '; the run was interrupted', 'finished': ''}


def write_data(job: Job, products: Products, cutout: Cutout) -> Preview:
    """Write the report's file on a source, after its plots.

    Parameters
    ----------
    job : Job
        What all sources share.
    products : Products
        All that was made of the source.
    cutout : Cutout
        What it was made from.

    Returns
    -------
    mapping of str to str
        The preview for the table.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    return _write_data(job, products.select(tuple(Group), job.params.out_spec), cutout)


def kept_preview(job: Job, target: Target) -> Preview:
    """The preview of a source that is kept; if its data for the report are missing, they are made from file and cube.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.

    Raises
    ------
    InputError
        If the cube cannot be read any more.
    OutputError
        If they cannot be written.
    """
    from autospec_lib.output.report import source_data

    preview = source_data.read_preview(job.data(target))
    if preview is not None and (job.binned_cube(target).exists() or not job.params.report_cube):
        return preview
    try:
        products, cutout = source_file.read(job.path(target), Group.MAP), cutouts.cut(job.cube, target, job.sources)
    except (*source_file.BROKEN, SourceError):  # it was removed after it had been found complete
        return {}
    return _write_data(job, products, cutout)


def _write_data(job: Job, products: Products, cutout: Cutout) -> Preview:
    from autospec_lib.output.report import binned_cube, source_data

    target = cutout.target
    plots = {key: job.picture(target, key) for key in file_names.PICTURES}
    paths = {'file': job.path(target)} | {key: path for key, path in plots.items() if path.exists()}
    links = {key: path.relative_to(job.output).as_posix() for key, path in paths.items()}
    if job.params.report_cube:
        with writing(job.binned_cube(target)):
            binned_cube.write(job.binned_cube(target), products, cutout)
    with writing(job.data(target)):
        return source_data.write(job.data(target), products, cutout, job.params.cmap, links, job.params.report_cube)


class Page:
    """The page and the table of all sources.

    Parameters
    ----------
    job : Job
        What all sources share. If `Params.report` is off, the report of an earlier run is removed.
    command : str
        The command line of the run.
    """

    def __init__(self, job: Job, command: str) -> None:
        self._job, self._command = job, command
        self._earlier: dict[str, Preview] | None = None  # previews that earlier runs have left
        self._places: dict[Ident, dict[str, float]] | None = None  # positions in the cube, computed once

    def write(self, results: Results) -> None:
        """Write the table, and the first time also the page.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        output = self._job.output
        with writing(output / page.PAGE):
            if not self._job.params.report:
                page.remove(output)
                return
            is_new = self._earlier is None
            if self._earlier is None:
                self._earlier = self._read_previews(results)
            previews = self._earlier | {str(ident): preview for ident, preview in results.previews.items()}
            columns, rows = self._table(results.rows.values())
            page.write_table(output, self._run(results), columns, rows, previews, self._verdicts())
            if is_new:
                self._write_field()
                page.install(output)  # it looks for the table as soon as it is opened

    def _write_field(self) -> None:
        """Write the map of the field, in white light if channels were read before the first source."""
        from autospec_lib.output.report import source_data
        from autospec_lib.output.units import in_words

        cube = self._job.cube
        middle = (cube.shape[0] - 1) / 2, (cube.shape[1] - 1) / 2
        arcsec = cube.sky.arcsec_per_pixel(middle).T
        about: dict[str, Any] = {
            'shape': cube.shape,
            'pixel': cube.pixel,
            'palette': page.binary(source_data.colour_table(self._job.params.cmap), 'u1'),
            'channels': [self._job.white_channels, len(cube.wave)],
            'unit': in_words(cube.grid.unit),
            **page.compass(arcsec),
        }
        if self._job.white is None:  # the page puts the cut-outs of the sources, so large in arcsec, at their places
            about['sizes'] = {str(target.id): target.size for target in self._job.catalogue}
        page.write_field(self._job.output, self._job.white, about)

    def _read_previews(self, results: Results) -> dict[str, Preview]:
        """The previews of sources that have a file, from the data that earlier runs have left."""
        from autospec_lib.output.report import source_data

        files = [target for target in self._job.catalogue if results.rows[target.id].get('FILE')]
        previews = {str(target.id): source_data.read_preview(self._job.data(target)) for target in files}
        return {ident: preview for ident, preview in previews.items() if preview}

    def _run(self, results: Results) -> dict[str, Any]:
        params, folder = self._job.params, self._job.folder
        return {
            'key': hashlib.sha256(str(self._job.output.resolve()).encode(errors='replace')).hexdigest()[:16],
            'name': folder.name,
            'version': __version__,
            'command': self._command,
            'folder': str(folder),
            'cube': params.datacube,
            'catalogue': params.catalog,
            'settings': parameters.describe(params),
            'written': time.strftime('%Y-%m-%d %H:%M:%S'),
            'stamp': int(time.time()),
            'running': results.state == 'running',
            'total': len(results.rows),
            'done': sum(row['STATUS'] != NOT_REACHED for row in results.rows.values()),
            'summary': results.sentence_on_all + STATE[results.state],
        }

    def _verdicts(self) -> dict[str, dict[str, Any]]:
        """What people have decided on sources, by ID as text, with the names of the page."""
        names = ('verdict', 'z', 'origin', 'quality', 'kind', 'comment', 'changed')
        return {ident: {name: getattr(one, name) for name in names} for ident, one in self._job.verdicts.items()}

    def _table(self, rows: Iterable[Row]) -> tuple[list[tuple[str, str, str, bool]], list[Row]]:
        """Columns and rows of the page's table: the summary's, the reference's S/N, the catalogue's redshifts."""
        from autospec_lib.output.units import in_words, of_lines

        rows, unit = list(rows), self._job.cube.grid.unit
        redshifts = {target.id: target.z for target in self._job.catalogue if target.z is not None}
        units = {'': '', summary.FLUX: in_words(unit), summary.LINE_FLUX: in_words(of_lines(unit))}
        columns = [
            (one.name, units.get(one.unit, one.unit), one.text, one.kind is not str)
            for one in summary.columns(rows)
            if one.name not in HIDDEN_COLUMNS
        ]
        columns.insert([name for name, *_ in columns].index('MAG_WHITE'), SN)
        columns.extend(PLACE)
        if redshifts:
            columns.append(CATALOGUED)
        if self._places is None:
            places = 1 + cutouts.positions(self._job.cube, self._job.catalogue)[:, ::-1].round(3)
            names = [name for name, *_ in PLACE]
            self._places = {
                target.id: dict(zip(names, place, strict=True))
                for target, place in zip(self._job.catalogue, places.tolist(), strict=True)
            }
        return columns, [
            row | self._places[row['ID']] | {'SN': _ratio(row), CATALOGUED[0]: redshifts.get(row['ID'])} for row in rows
        ]


def _ratio(row: Mapping[str, Any]) -> Any:
    """The signal-to-noise ratio of the reference spectrum."""
    reference = row.get('REFERENCE') or ''
    return row.get(f'SN_{reference.removesuffix(keys.SKYSUB)}')
