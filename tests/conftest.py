"""Small working folders whose answers are done in the head."""

import os

for library in ('OPENBLAS', 'MKL', 'OMP'):  # as the command does, and before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np
import pytest
from astropy.io import fits

RA, DEC = 150.0, 2.0
PIXEL = 0.2  # arcsec
NL, NY, NX = 31, 24, 27
WAVE0, STEP = 4750.0, 1.25
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
    """One source of spectrum 1000 + a line at pixel (y, x) = (11, 13) on white noise of variance 1."""
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


@pytest.fixture
def folder(tmp_path):
    """A working folder: the small cube, its one source with ID 7, a param.py without plots."""
    write_cube(tmp_path / 'datacube.fits', *small_cube())
    (tmp_path / 'catalog.txt').write_text(f'# id ra dec\n7 {RA:.7f} {DEC:.7f}\n')
    (tmp_path / 'param.py').write_text("DATACUBE = 'datacube.fits'\nCATALOG = 'catalog.txt'\nSIZE = 3\nPLOTS = False\n")
    return tmp_path
