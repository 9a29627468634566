"""The spectrum weighted by the PSF has the flux of a point source, whatever the shape and size of
the spaxels."""

from dataclasses import replace

import numpy as np
import pytest
from builders import CUTOUT, SPECTRUM, make_cutout, process
from numpy.testing import assert_allclose

from autospec_lib.core.geometry import scale
from autospec_lib.core.types import Psf, Voxels

BETA = 2.8


def point_source(shape, centre, fwhm, pixel, parts=61):
    """A Moffat function (ny, nx) of flux 1 and this FWHM [arcsec], averaged over 61 x 61 points in
    each spaxel."""
    fine = (np.arange(parts) + 0.5) / parts - 0.5
    y, x = (np.add.outer(np.arange(n), fine) - c for n, c in zip(shape, centre, strict=True))
    k = 4 * (2 ** (1 / BETA) - 1) / fwhm**2
    radius2 = (y[:, None, :, None] * pixel[0]) ** 2 + (x[None, :, None, :] * pixel[1]) ** 2
    return (
        ((BETA - 1) * k / np.pi * (1 + k * radius2) ** -BETA).mean(axis=(2, 3))
        * pixel[0]
        * pixel[1]
    )


@pytest.mark.parametrize(
    ('pixel', 'fwhm'),
    [
        ((0.2, 0.2), 0.7),
        ((0.29, 1.35), 0.8),
        ((1.35, 0.29), 0.8),
        ((0.69, 0.29), 0.6),
        ((0.5, 0.5), 0.3),
    ],
)
def test_flux_of_a_point_source(pixel, fwhm):
    cutout, centre = make_cutout(), (10.2, 11.3)
    image = point_source(CUTOUT[1:], centre, fwhm, pixel)
    psf = Psf((fwhm / scale(pixel),), (BETA,))
    cube = SPECTRUM[:, None, None] * image
    cutout = replace(
        cutout, voxels=Voxels(cube, np.ones(CUTOUT)), pixel=pixel, psf=psf, centre=centre
    )
    made = process(cutout, psf=(fwhm,), sky_sub=False, xcor=False)
    assert_allclose(made.spectra['MUSE_PSF'].data, SPECTRUM, rtol=1e-3)
