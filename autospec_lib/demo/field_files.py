"""A simulated field as a working folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from autospec_lib.core.atomic import complete_file
from autospec_lib.demo.rendering import PIXEL
from autospec_lib.demo.simulation import Field

_CENTRE = (53.16, -27.78)  # degrees
_UNIT = '10**(-20)*erg/s/cm**2/Angstrom'
# The mesh is larger than the subcube: a finer one would take extended sources for background. The
# filter is narrow: a wide one would merge the pairs and detect nothing near the edge of the field.
_SEX = """\
# Segmentation settings of the simulated field: sources on an empty sky, some of them overlapping.
DETECT_MINAREA   5
THRESH_TYPE      RELATIVE
DETECT_THRESH    3.0
ANALYSIS_THRESH  3.0
FILTER           Y
FILTER_NAME      gauss_2.0_3x3.conv
DEBLEND_NTHRESH  64
DEBLEND_MINCONT  0.0001
CLEAN            Y
CLEAN_PARAM      1.0
BACK_TYPE        AUTO
BACK_SIZE        32
BACK_FILTERSIZE  1
"""


def write_folder(field: Field, folder: Path) -> None:
    """Write a field as a working folder.

    ``datacube.fits`` (DATA and STAT, as MUSE writes them), ``deep.fits``, ``catalog.txt``,
    ``default.sex`` with its filter, and ``truth.fits``: a table with one row per catalogued source
    and the columns ID, FLUX (total flux at every wavelength, in the cube's unit), and the table
    WAVE.

    Parameters
    ----------
    field : Field
        The simulated field.
    folder : Path
        The working folder, which is made.
    """
    from astropy.io import fits
    from astropy.table import Table
    from astropy.wcs import WCS

    folder.mkdir(parents=True, exist_ok=True)
    sky = _sky_cards(field.cube.shape[1:], PIXEL)
    spectral = {'CTYPE3': 'AWAV', 'CUNIT3': 'Angstrom', 'CRPIX3': 1.0, 'CRVAL3': field.wave[0]}
    spectral |= {
        'CD3_3': field.wave[1] - field.wave[0],
        'CD1_3': 0.0,
        'CD2_3': 0.0,
        'CD3_1': 0.0,
        'CD3_2': 0.0,
    }
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for name, array, unit in (
        ('DATA', field.cube, _UNIT),
        ('STAT', field.variance, f'({_UNIT})**2'),
    ):
        header = fits.Header(sky | spectral | {'BUNIT': unit})
        hdus.append(fits.ImageHDU(array, header, name=name))
    deep = fits.Header(_sky_cards(field.deep.shape, field.deep_pixel) | {'BUNIT': _UNIT})
    files: dict[str, Any] = {'deep.fits': fits.PrimaryHDU(field.deep.astype(np.float32), deep)}
    ra, dec = WCS(fits.Header(sky)).all_pix2world(field.positions[:, 1], field.positions[:, 0], 0)
    rows = [
        f'{number} {a:.7f} {d:.7f}'
        for number, (a, d) in enumerate(zip(ra, dec, strict=True), start=1)
    ]
    files['catalog.txt'] = '\n'.join(['# id ra dec', *rows, ''])
    listed = [index for index, one in enumerate(field.galaxies) if one.catalogued]
    truth = fits.BinTableHDU(
        Table({'ID': np.array(listed) + 1, 'FLUX': field.spectra[listed]}), name='TRUTH'
    )
    wave = fits.BinTableHDU(Table({'WAVE': field.wave}), name='WAVE')
    files['truth.fits'] = fits.HDUList([fits.PrimaryHDU(), truth, wave])
    files['default.sex'] = _SEX
    distance2 = np.arange(-1, 2)[:, None] ** 2 + np.arange(-1, 2)[None, :] ** 2
    kernel = [
        ' '.join(f'{value:.6f}' for value in row) for row in np.exp(-4 * np.log(2) * distance2 / 4)
    ]
    files['gauss_2.0_3x3.conv'] = '\n'.join(['CONV NORM', *kernel, ''])
    # The cube last: where it is there, everything is.
    for name, content in {**files, 'datacube.fits': hdus}.items():
        with complete_file(folder / name) as temporary:
            temporary.write_text(content) if isinstance(content, str) else content.writeto(
                temporary
            )


def _sky_cards(shape: tuple[int, ...], pixel: float) -> dict[str, str | float]:
    """A tangential projection, north up and east left, with the field's centre in the image's
    centre."""
    return {
        'CTYPE1': 'RA---TAN',
        'CTYPE2': 'DEC--TAN',
        'CUNIT1': 'deg',
        'CUNIT2': 'deg',
        'CRVAL1': _CENTRE[0],
        'CRVAL2': _CENTRE[1],
        'CRPIX1': shape[1] / 2 + 0.5,
        'CRPIX2': shape[0] / 2 + 0.5,
        'CD1_1': -pixel / 3600,
        'CD1_2': 0.0,
        'CD2_1': 0.0,
        'CD2_2': pixel / 3600,
    }
