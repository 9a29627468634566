"""Sources of one shape, that of the PSF, are points: only their positions are fitted."""

import numpy as np
import pytest
from blends import FRACTION, SKY, light, round_image, weighted
from numpy.testing import assert_allclose

from autospec_lib.core.types import Psf
from autospec_lib.deblending.joint_fit import fit_sources
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.point_sources import with_points
from autospec_lib.deblending.weighted_data import bin_cube

STARS = np.array([[6.2, 5.4], [18.7, 9.1], [12.4, 18.3]])


def stars(widths):
    """Round sources of these FWHM in pixels, and a fit of them."""
    spectra = 600 + 300 * np.array([FRACTION, -FRACTION, 0 * FRACTION])
    cube = (
        light(
            spectra, [round_image(place, fwhm) for place, fwhm in zip(STARS, widths, strict=True)]
        )
        + SKY
    )
    return weighted(cube, 5)


def narrow_fit(cube, psf=None):
    bands = bin_cube(cube)
    return bands, fit(bands, Model.of(STARS + 0.2, 4.0, psf), narrow=True)


def test_three_sources_of_one_width_share_a_shape_and_are_points():
    cube = stars((4.0, 4.0, 4.0))
    model = with_points(*narrow_fit(cube))
    assert_allclose(model.prior.free, np.tile([True] * 2 + [False] * 4, (3, 1)))
    assert_allclose(model.shapes[:, :2], STARS, atol=0.02)
    assert_allclose(np.ptp(model.shapes[:, 2:], axis=0), 0)
    assert_allclose(np.exp(model.shapes[0, 2]), 4.0, rtol=0.01)
    assert_allclose(1 + np.exp(model.shapes[0, 5]), 2.8, rtol=0.05)
    sources = fit_sources(cube, dict(enumerate(STARS + 0.2)), 4.0)
    assert not sources.model.clump_flux.any()


@pytest.mark.parametrize('widths', [(4.0, 4.0, 4.6), (3.6, 4.0, 4.4)])
def test_fewer_than_three_sources_of_one_width_keep_shapes_of_their_own(widths):
    bands, model = narrow_fit(stars(widths))
    assert with_points(bands, model) is model


def test_with_a_psf_what_is_as_narrow_is_a_point_and_a_galaxy_is_none():
    bands, model = narrow_fit(stars((4.0, 4.6, 5.5)), Psf((4.0,), (2.8,)))
    assert_allclose(with_points(bands, model).prior.free[:, 2], [False, True, True])


def test_a_psf_that_is_too_wide_makes_no_points():
    bands, model = narrow_fit(stars((4.0, 4.0, 4.0)), Psf((4.6,), (2.8,)))
    assert with_points(bands, model) is model
