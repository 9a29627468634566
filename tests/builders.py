"""Small working folders whose answers are done in the head."""

import os

for library in ('OPENBLAS', 'MKL', 'OMP'):  # as the command does, and before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

from dataclasses import replace

import numpy as np
from astropy.io import fits

from autospec_lib import pipeline
from autospec_lib.config.params import Params
from autospec_lib.core.noise_kind import Extension
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import Cutout, Grid, Target, Voxels

RA, DEC = 150.0, 2.0
PIXEL = 0.2  # arcsec
NL, NY, NX = 31, 24, 27
WAVE0, STEP = 4750.0, 1.25
CUTOUT = 41, 21, 23  # (nl, ny, nx) of a cut-out
SPECTRUM = 800 + 1500 * np.exp(-0.5 * ((np.arange(CUTOUT[0]) - 20) / 2) ** 2)
PLAIN = SegmentationSettings(detect_thresh=(5.0,), kernel=None, back_size=(64, 64))
SUMMARY = ['summary.ecsv', 'summary.fits']
UNIT = '10**(-20)*erg/s/cm**2/Angstrom'


def sky_header(crpix=(14.0, 12.0), pixel=PIXEL, angle=0.0):
    """TAN cards with (RA, DEC) at ``crpix`` (x, y, 1-based), rotated by ``angle`` degrees."""
    step, turn = pixel / 3600, np.radians(angle)
    header = fits.Header()
    header['CTYPE1'], header['CTYPE2'] = 'RA---TAN', 'DEC--TAN'
    header['CUNIT1'] = header['CUNIT2'] = 'deg'
    header['CRVAL1'], header['CRVAL2'] = RA, DEC
    header['CRPIX1'], header['CRPIX2'] = crpix
    header['CD1_1'], header['CD1_2'] = -step * np.cos(turn), step * np.sin(turn)
    header['CD2_1'], header['CD2_2'] = step * np.sin(turn), step * np.cos(turn)
    return header


def cube_header():
    """A MUSE-like cube's cards."""
    header = sky_header()
    header['CTYPE3'], header['CUNIT3'] = 'AWAV', 'Angstrom'
    header['CRPIX3'], header['CRVAL3'], header['CD3_3'] = 1.0, WAVE0, STEP
    header['BUNIT'] = UNIT
    return header


def gaussian(y, x, sigma=2.0, shape=(NY, NX)):
    """A round Gaussian of sum 1 at pixel (y, x)."""
    yy, xx = np.indices(shape)
    return np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def small_cube(seed=1):
    """One source of spectrum 1000 + a line at pixel (y, x) = (11, 13) on white noise of variance
    1."""
    rng = np.random.default_rng(seed)
    spectrum = 1000 + 2000 * np.exp(-0.5 * ((np.arange(NL) - 15) / 1.5) ** 2)
    data = spectrum[:, None, None] * gaussian(11, 13) + rng.normal(size=(NL, NY, NX))
    return data.astype(np.float32), np.ones((NL, NY, NX), np.float32)


def write_cube(path, data, variance=None, header=None, **extra):
    """DATA, STAT and whatever else is given, as MUSE cubes have it."""
    header = header or cube_header()
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, header, name='DATA')]
    if variance is not None:
        hdus.append(fits.ImageHDU(variance, header, name='STAT'))
    hdus += [fits.ImageHDU(array, header, name=name) for name, array in extra.items()]
    fits.HDUList(hdus).writeto(path, overwrite=True)


def with_hole(folder, size=18):
    """Put a hole above the field of the folder's small cube, with a row of spaxels behind it; RA
    and Dec of its middle.

    A source there fails: its subcube holds no usable voxel. Without the row it would lie outside
    the field.
    """
    arrays = [np.pad(part, ((0, 0), (0, size + 2), (0, 0)), mode='wrap') for part in small_cube()]
    ny = arrays[0].shape[1]
    arrays[0][:, ny - 1 - size : ny - 1, 1:-1] = np.nan
    write_cube(folder / 'datacube.fits', *arrays)
    return f'{RA:.7f} {DEC + (ny - 2 - size / 2 - 11) * PIXEL / 3600:.7f}'


def data_ext(*entries):
    """DATA_EXT as the parameters hold it, from what users write."""
    return tuple(map(Extension.parse, entries))


def make_cutout(images=None, segmaps=None, ref='', seed=1, flux=1.0):
    """One source at (10, 11) with the spectrum `SPECTRUM` on noise of variance 1."""
    rng = np.random.default_rng(seed)
    nl, ny, nx = CUTOUT
    data = flux * SPECTRUM[:, None, None] * gaussian(10, 11, 1.5, (ny, nx)) + rng.normal(
        size=CUTOUT
    )
    images = images or {}
    return Cutout(
        target=Target(5, 0.0, 0.0, 4.0, ref),
        voxels=Voxels(data, np.ones(CUTOUT)),
        wave=WAVE0 + STEP * np.arange(nl),
        centre=(10.0, 11.0),
        pixel=(PIXEL, PIXEL),
        grid=Grid({}, {}),
        images=images,
        detection=images,
        segmaps=segmaps or {},
    )


def changed(cutout, **arrays):
    """The cut-out with other data, variance or bad voxels."""
    return replace(cutout, voxels=Voxels.of(**{**vars(cutout.voxels), **arrays}))


def process(cutout, **params):
    """What the pipeline makes of a cut-out; objects are the pixels above 5 sigma of an image
    without filter or mesh."""
    return pipeline.process(cutout, Params(**params), PLAIN)
