"""The report: the data of a source, in the process that extracts it; page and table of all
sources."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
from autospec_lib.run.closing_sentence import sentence
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
        What is kept of the source.
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
    from autospec_lib.output.report import binned_cube, source_data

    files, with_cube = job.files(cutout.target), job.params.report_cube
    linked = [key for key in ('file', *file_names.PICTURES) if files[key].exists()]
    links = {key: files[key].relative_to(job.output).as_posix() for key in linked}
    if with_cube:
        with writing(files['cube']):
            binned_cube.write(files['cube'], products, cutout)
    with writing(files['data']):
        return source_data.write(files['data'], products, cutout, job.params.cmap, links, with_cube)


def kept_preview(job: Job, target: Target) -> Preview:
    """The preview of a source that is kept; if its data for the report are missing, they are made
    from file and cube.

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

    files = job.files(target)
    preview = source_data.read_preview(files['data'])
    if preview is not None and (files['cube'].exists() or not job.params.report_cube):
        return preview
    try:
        products, cutout = (
            source_file.read(files['file'], Group.MAP),
            cutouts.cut(job.cube, target, job.sources),
        )
    except (*source_file.BROKEN, SourceError):  # it was removed after it had been found complete
        return {}
    return write_data(job, products, cutout)


@dataclass(eq=False)
class Page:
    """The page and the table of all sources.

    Parameters
    ----------
    job : Job
        What all sources share. If `Params.report` is off, the report of an earlier run is removed.
    command : str
        The command line of the run.
    """

    job: Job
    command: str
    # Previews that earlier runs have left.
    _earlier: dict[str, Preview] = field(default_factory=dict, init=False)
    # What the table has of each source beside the summary's columns.
    _known: dict[Ident, Row] = field(default_factory=dict, init=False)

    def write(self, results: Results) -> None:
        """Write the table, and the first time also the page.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        job, output = self.job, self.job.output
        with writing(output / file_names.PAGE):
            if not job.params.report:
                page.remove(output)
                return
            is_new = not self._known
            if is_new:
                self._begin(results)
            place = str(output.resolve()).encode(errors='replace')
            run: dict[str, Any] = {
                'key': hashlib.sha256(place).hexdigest()[:16],
                'name': job.folder.name,
                'version': __version__,
                'command': self.command,
                'folder': str(job.folder),
                'cube': job.params.datacube,
                'catalogue': job.params.catalog,
                'settings': parameters.describe(job.params),
                'written': time.strftime('%Y-%m-%d %H:%M:%S'),
                'stamp': int(time.time()),
                'running': results.state == 'running',
                'total': len(results.rows),
                'done': sum(row['STATUS'] != NOT_REACHED for row in results.rows.values()),
                'summary': sentence(results, on_all=True) + STATE[results.state],
            }
            previews = self._earlier | {
                str(ident): preview for ident, preview in results.previews.items()
            }
            names = ('verdict', 'z', 'origin', 'quality', 'kind', 'comment', 'changed')
            verdicts = {
                ident: {name: getattr(one, name) for name in names}
                for ident, one in job.verdicts.items()
            }
            page.write_table(output, run, *self._table(results.rows.values()), previews, verdicts)
            if is_new:
                page.install(output)  # it looks for the table as soon as it is opened

    def _begin(self, results: Results) -> None:
        """Read what earlier runs have left, and write the map of the field, in white light if
        channels were read."""
        from autospec_lib.output.report import source_data
        from autospec_lib.output.unit_texts import in_words

        job, cube = self.job, self.job.cube
        places = 1 + cutouts.positions(cube, job.catalogue)[:, ::-1].round(3)
        for target, place in zip(job.catalogue, places.tolist(), strict=True):
            self._known[target.id] = dict(
                zip(('X_CUBE', 'Y_CUBE'), place, strict=True), Z_CATALOG=target.z
            )
            if results.rows[target.id].get('FILE'):
                preview = source_data.read_preview(job.files(target)['data'])
                if preview:
                    self._earlier[str(target.id)] = preview
        about: dict[str, Any] = {
            'shape': cube.shape,
            'pixel': cube.pixel,
            'palette': page.binary(source_data.colour_table(job.params.cmap), 'u1'),
            'channels': [job.white_channels, len(cube.wave)],
            'unit': in_words(cube.grid.unit),
            **page.compass(cube.sky.arcsec_per_pixel(np.subtract(cube.shape, 1) / 2).T),
        }
        # The page puts the cut-outs of the sources, so large in arcsec, at their places.
        if job.white is None:
            about['sizes'] = {str(target.id): target.size for target in job.catalogue}
        page.write_field(job.output, job.white, about)

    def _table(self, rows: Collection[Row]) -> tuple[list[tuple[str, str, str, bool]], list[Row]]:
        """Columns and rows of the page's table: the summary's, the reference's S/N, the catalogue's
        redshifts."""
        from autospec_lib.output.unit_texts import in_words, of_lines

        unit = self.job.cube.grid.unit
        units = {'': '', summary.FLUX: in_words(unit), summary.LINE_FLUX: in_words(of_lines(unit))}
        columns = [
            (one.name, units.get(one.unit, one.unit), one.text, one.kind is not str)
            for one in summary.columns(rows)
            if one.name not in HIDDEN_COLUMNS
        ]
        columns.insert([name for name, *_ in columns].index('MAG_WHITE'), SN)
        columns.extend(PLACE)
        if any(target.z is not None for target in self.job.catalogue):
            columns.append(CATALOGUED)
        # Columns have the `Spectrum.short_key`; rows of earlier runs have no spectra, but their keys.
        references = [(row.get('REFERENCE') or '').removesuffix(keys.SKYSUB) for row in rows]
        return columns, [
            row | self._known[row['ID']] | {'SN': row.get(f'SN_{reference}')}
            for row, reference in zip(rows, references, strict=True)
        ]
