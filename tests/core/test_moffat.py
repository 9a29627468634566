"""Moffat functions on pixels: their analytic total, width, shape and derivatives."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from autospec_lib.core.moffat import images, moffat, moffat_slopes, shape_matrix, shifted
from autospec_lib.core.types import Psf

SHAPE = (31, 27)
ROUND = np.eye(2)[None]


@pytest.mark.parametrize('beta', [1.6, 2.8, 4.5])
def test_the_light_within_a_radius_is_the_analytic_one(beta):
    fwhm, radius = 9.0, 40.0
    values = moffat((161, 151), (80.0, 75.0), ROUND * fwhm**2, beta)[0]
    y, x = np.indices(values.shape)
    inside = values[np.hypot(y - 80, x - 75) < radius].sum()
    alpha2 = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
    assert_allclose(inside, 1 - (1 + radius**2 / alpha2) ** (1 - beta), atol=2e-3)


def test_total_over_a_wide_image_is_one_for_an_ellipse():
    matrices = np.array([shape_matrix(4.0, 0.5, -0.3), shape_matrix(3.0, 0.0, 0.2)])
    assert_allclose(
        moffat((401, 411), (200.3, 205.1), matrices, 3.5).sum(axis=(1, 2)), 1, atol=1e-5
    )


def test_half_the_peak_is_reached_at_half_the_width_along_each_axis():
    long, short = 20.0, 10.0
    e1 = np.log(long / short)
    values = moffat(
        (61, 51), (30.0, 25.0), shape_matrix(np.sqrt(long * short), e1, 0.0)[None], 2.5
    )[0]
    peak = values[30, 25]
    assert_allclose(values[40, 25] / peak, 0.5, rtol=0.01)
    assert_allclose(values[30, 30] / peak, 0.5, rtol=0.01)


def test_a_pixel_holds_the_integral_over_it():
    beta, fwhm = 2.8, 3.0
    fine = moffat((31 * 9, 27 * 9), (9 * 15.2 + 4, 9 * 13.4 + 4), ROUND * (9 * fwhm) ** 2, beta)[0]
    summed = fine.reshape(31, 9, 27, 9).sum(axis=(1, 3))
    assert_allclose(
        moffat(SHAPE, (15.2, 13.4), ROUND * fwhm**2, beta)[0], summed, atol=7e-4 * summed.max()
    )


@pytest.mark.parametrize('fwhm', [0.2, 0.5, 1.0, 1.4, 2.4])
@pytest.mark.parametrize('beta', [1.6, 2.8, 4.5])
@pytest.mark.parametrize('pixel', [(1.0, 1.0), (0.46, 1 / 0.46)])
def test_narrow_profiles_and_rectangular_pixels_hold_the_integral_over_them(fwhm, beta, pixel):
    """Against the mean of 101 x 101 points in each pixel."""
    centre, parts = (3.1, 4.3), 101
    fine = (np.arange(parts) + 0.5) / parts - 0.5
    y, x = (np.add.outer(np.arange(n), fine) - c for n, c in zip((7, 9), centre, strict=True))
    k = 4 * (2 ** (1 / beta) - 1) / fwhm**2
    radius2 = (y[:, None, :, None] * pixel[0]) ** 2 + (x[None, :, None, :] * pixel[1]) ** 2
    expected = ((beta - 1) * k / np.pi * (1 + k * radius2) ** -beta).mean(axis=(2, 3))
    made = moffat((7, 9), centre, ROUND * fwhm**2, beta, pixel)[0]
    assert_allclose(made, expected, atol=2e-3 * expected.max())


def test_what_is_round_on_the_sky_is_an_ellipse_in_rectangular_pixels():
    centre, sizes = (15.2, 13.4), np.array([0.5, 2.0])
    matrix = np.diag(1 / sizes**2)[None] * 4.0**2
    assert_allclose(
        moffat(SHAPE, centre, ROUND * 4.0**2, 2.8, tuple(sizes)), moffat(SHAPE, centre, matrix, 2.8)
    )


@pytest.mark.parametrize('pixel', [(1.0, 1.0), (0.8, 1.25)])
def test_derivatives_are_those_of_the_function(pixel):
    matrices = np.array([shape_matrix(4.0, 0.3, -0.2), shape_matrix(3.0, 0.1, 0.2)])
    centre, beta, step = np.array([14.2, 13.4]), 2.6, 1e-5
    values, slopes = moffat_slopes(SHAPE, tuple(centre), matrices, beta, pixel)

    def difference(move):
        return (move(step) - move(-step)) / (2 * step)

    bends = [
        np.array(bend, float) for bend in ([[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [1, 0]])
    ]
    expected = [
        difference(lambda e: moffat(SHAPE, (centre[0] + e, centre[1]), matrices, beta, pixel)),
        difference(lambda e: moffat(SHAPE, (centre[0], centre[1] + e), matrices, beta, pixel)),
        *(
            difference(
                lambda e, b=bend: moffat(SHAPE, tuple(centre), matrices + e * b, beta, pixel)
            )
            for bend in bends
        ),
        difference(lambda e: moffat(SHAPE, tuple(centre), matrices, beta + e, pixel)),
    ]
    assert_allclose(values, moffat(SHAPE, tuple(centre), matrices, beta, pixel))
    assert_allclose(slopes, expected, atol=1e-9)


def test_many_functions_at_once_are_those_one_by_one():
    matrices = np.array([shape_matrix(4.0, 0.3, -0.2), shape_matrix(3.0, 0.0, 0.0)])
    assert_allclose(
        shape_matrix(np.array([4.0, 3.0]), np.array([0.3, 0.0]), np.array([-0.2, 0.0])), matrices
    )
    centres, betas = np.array([[14.2, 13.4], [3.3, 20.1]]), np.array([2.6, 4.0])
    values, slopes = moffat_slopes(SHAPE, centres, matrices, betas)
    assert_allclose(values, moffat(SHAPE, centres, matrices, betas))
    for number, (centre, beta) in enumerate(zip(centres, betas, strict=True)):
        one, its_slopes = moffat_slopes(SHAPE, tuple(centre), matrices[[number]], beta)
        assert_allclose(values[number], one[0], rtol=1e-12)
        assert_allclose(slopes[:, number], its_slopes[:, 0], atol=1e-15)


def test_shifted_is_moffat_at_every_place():
    places = np.array([[3, 20], [-2, 5], [33, 11]], np.int32)
    matrices = np.array([shape_matrix(4.0, 0.3, -0.2), shape_matrix(3.0, 0.1, 0.2)])
    expected = [moffat(SHAPE, (float(y), float(x)), matrices, 3.0) for y, x in places]
    assert_allclose(shifted(SHAPE, places, matrices, 3.0), expected, rtol=1e-12)


def test_psf_runs_linearly_and_its_images_follow():
    psf = Psf((4.5, 3.25), (2.8,))
    assert_allclose(psf.fwhm(np.array([0, 0.5, 1])), [4.5, 3.875, 3.25])
    made = images(SHAPE, (15.0, 13.0), psf, np.array([0.0, 1.0]))
    assert_allclose(made[1], moffat(SHAPE, (15.0, 13.0), ROUND * 3.25**2, 2.8)[0])
    assert made[0].max() < made[1].max()


def test_psf_images_follow_width_and_exponent_between_their_wavelengths():
    psf = Psf((4.5, 3.0, 3.5), (2.0, 4.0))
    where = np.array([0.0, 0.25, 0.5, 1.0])
    widths, exponents = [4.5, 3.75, 3.0, 3.5], [2.0, 2.5, 3.0, 4.0]
    assert_allclose(psf.fwhm(where), widths)
    assert_allclose(psf.beta(where), exponents)
    made = images(SHAPE, (15.0, 13.0), psf, where)
    for image, width, exponent in zip(made, widths, exponents, strict=True):
        assert_allclose(
            image, moffat(SHAPE, (15.0, 13.0), ROUND * width**2, exponent)[0], atol=1e-6
        )


@pytest.mark.parametrize(('e1', 'e2'), [(0.0, 0.0), (0.4, 0.3), (-1.0, 0.2)])
def test_shape_matrix_keeps_the_area_and_gives_the_axis_ratio(e1, e2):
    matrix = shape_matrix(3.0, e1, e2)
    low, high = np.sqrt(np.linalg.eigvalsh(matrix))
    assert_allclose([low * high, low / high], [9.0, np.exp(-np.hypot(e1, e2))])
