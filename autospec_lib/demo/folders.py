"""The two demonstration folders: the real MUSE cube of Abell 478 that mpdaf ships, and a simulated
field."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from autospec_lib.core.atomic import complete_file, write_new
from autospec_lib.core.errors import InputError

# The sources are knots of ionised gas on the halo of the brightest cluster galaxy. A background
# mesh of a few pixels follows the halo, so that the knots stand out; threshold and contrast are low
# because the knots are faint.
ABELL_SEX = """\
# Segmentation settings of the demonstration: knots on the halo of the brightest galaxy of Abell 478.
DETECT_MINAREA   5
THRESH_TYPE      RELATIVE
DETECT_THRESH    1.0
ANALYSIS_THRESH  1.0
FILTER           Y
FILTER_NAME      gauss_5.0_9x9.conv
DEBLEND_NTHRESH  64
DEBLEND_MINCONT  0.0005
CLEAN            Y
CLEAN_PARAM      1.0
BACK_TYPE        AUTO
BACK_SIZE        4
BACK_FILTERSIZE  5
"""

ABELL_PARAM = """\
# Demonstration: 8 sources in the core of Abell 478 (z = 0.086), MUSE and HST.
# AutoSpec --init writes a file with all parameters; docs/parameters.md explains each.
REF = 'NB_7095_7180'                # the H-alpha image weighs the reference spectrum
DATACUBE = 'abell478.fits'
CATALOG = 'catalog.txt'
APER = 0.6, 1.0                     # arcsec
IMG = 'hst.fits'
NARROWBAND = 7095, 7180             # Angstrom: H-alpha and [N II] at this redshift, without continuum
SIZE = 5                            # arcsec
"""

SIMULATED_PARAM = """\
# Demonstration: a simulated MUSE field with known spectra (truth.fits).
REF = ''                       # the white light weighs the reference spectrum
DATACUBE = 'datacube.fits'
CATALOG = 'catalog.txt'
APER = 0.6, 1.0                # arcsec
IMG = 'deep.fits'
SIZE = 5                       # arcsec
"""


def make_abell(folder: Path) -> None:
    """Write a working folder from the MUSE cube, the HST image and the catalogue inside the mpdaf
    package.

    The HST image is shifted by the 1.3 arcsec that its coordinates differ from the cube's.

    Raises
    ------
    InputError
        If mpdaf was installed without its data.
    OSError
        If the folder cannot be written.
    """
    spec = find_spec('mpdaf')
    if spec is None or not spec.submodule_search_locations:
        raise InputError('mpdaf is not installed; install it with: pip install mpdaf')
    package = Path(spec.submodule_search_locations[0])
    shipped = package / 'data' / 'sdetect'
    copies = {
        'abell478.fits': shipped / 'minicube.fits',
        'catalog.txt': shipped / 'cat.txt',
        'gauss_5.0_9x9.conv': package / 'sdetect' / 'sea_data' / 'gauss_5.0_9x9.conv',
    }
    hst = shipped / 'a478hst-cutout.fits'
    missing = [str(path) for path in (*copies.values(), hst) if not path.exists()]
    if missing:
        raise InputError(
            f'mpdaf has no {missing[0]}; reinstall it with: pip install --force-reinstall mpdaf'
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in copies.items():
        if not (folder / name).exists():
            with complete_file(folder / name) as temporary:
                shutil.copyfile(path, temporary)
    write_new(folder / 'default.sex', ABELL_SEX)
    write_new(folder / 'param.py', ABELL_PARAM)
    if not (folder / 'hst.fits').exists():
        _write_image(folder, hst)


def _write_image(folder: Path, hst: Path) -> None:
    """The HST image, registered to the cube by the position of the galaxy's brightest pixel."""
    import numpy as np
    from astropy.io import fits

    from autospec_lib.inputs import cube, images

    opened = cube.open_cube(folder / 'abell478.fits')
    shape = opened.shape
    data = opened.data.read(slice(0, shape[0]), slice(0, shape[1]))

    aligned = images.align(hst, opened.sky, shape).data
    peaks = [
        np.unravel_index(np.nanargmax(image), shape)
        for image in (np.nanmean(data, axis=0), aligned)
    ]
    cube_peak, hst_peak = (opened.sky.to_icrs(*peak) for peak in peaks)
    with images.open_images(hst) as (image, *_), complete_file(folder / 'hst.fits') as temporary:
        header = image.sky.wcs.to_header(relax=True)
        header['CRVAL1'] += float(cube_peak[0] - hst_peak[0])
        header['CRVAL2'] += float(cube_peak[1] - hst_peak[1])
        fits.PrimaryHDU(image.hdu.data, header).writeto(temporary)


def make_simulated(folder: Path) -> None:
    """Write a working folder with the simulated field of `simulation.easy` and its true spectra.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    from autospec_lib.demo import field_files, simulation

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / 'datacube.fits').exists():
        field_files.write_folder(simulation.easy(1).make(), folder)
    write_new(folder / 'param.py', SIMULATED_PARAM)


def what_to_look_at(folder: Path, simulated: bool) -> str:
    """Where the results are and what they show.

    Parameters
    ----------
    folder : Path
        The working folder.
    simulated : bool
        Whether it holds the simulated field.
    """
    output = folder / 'output'
    if simulated:
        return (
            f'results: {output}\n'
            f'look at: {output}/index.html, all sources in the browser (or AutoSpec --view {folder})\n'
            f'         {output}/images/11/11_IMAGES.jpg and 11_SPECTRA.jpg, one of a blended pair (the other is 12)\n'
            f'         {output}/images/23/23_MASKS.jpg, a position where nothing was detected\n'
            f'compare: the spectra with the true ones in {folder}/truth.fits (see docs/running.md)'
        )
    return (
        f'results: {output}\n'
        f'look at: {output}/index.html, all sources in the browser (or AutoSpec --view {folder})\n'
        f'         {output}/images/6/6_IMAGES.jpg, a knot of gas that is visible in H-alpha but not in white light\n'
        f'         {output}/images/6/6_SPECTRA.jpg, its emission lines without the brighter galaxy behind it\n'
        f'         {output}/images/6/6_XCOR.jpg, which spaxels have a similar spectrum, with and without continuum\n'
        f"load:    from mpdaf.sdetect import Source; s = Source.from_file('{output}/Source_6.fits'); s.info()\n"
        f'next:    edit {folder}/param.py or {folder}/default.sex and run: AutoSpec {folder}'
    )
