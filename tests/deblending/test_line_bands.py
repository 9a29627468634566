"""A band of lines shows one source without the other, has the noise that it says, and is there only
for true lines."""

import numpy as np
import pytest
from blends import FRACTION, SKY, VARIANCE, images, light, same_colour, voxels, weighted
from numpy.testing import assert_allclose

from autospec_lib.core.types import Voxels
from autospec_lib.deblending.line_bands import with_line_bands
from autospec_lib.deblending.linear_system import project, solve
from autospec_lib.deblending.weighted_data import WeightedCube, bin_cube


def bands_of(cube):
    """The bands of a weighted cube, with those for the lines of two sources with the true
    profiles."""
    return with_line_bands(bin_cube(cube), cube, solve(cube, images()[:, None]))


def test_a_band_of_lines_shows_one_source_without_the_other():
    cube = weighted(light(same_colour(), images()) + SKY)
    bands = bands_of(cube)
    assert len(bands.data) == 18
    assert_allclose(bands.data[:16], bin_cube(cube).data)
    assert_allclose(bands.fraction[16:], FRACTION[[44, 115]], atol=0.01)
    profiles = np.repeat(images().reshape(2, 1, -1), 18, axis=1)
    assert_allclose(project(bands, profiles).flux[16:, :2], np.eye(2), atol=1e-9)


def test_bands_have_the_noise_that_they_say_and_share_none():
    solution = solve(weighted(light(same_colour(), images())), images()[:, None])
    noise = []
    for seed in range(20):
        cube = weighted(np.zeros_like(VARIANCE), seed)
        bands = with_line_bands(bin_cube(cube), cube, solution)
        noise.append(bands.data * bands.root_weight)
    # 20 x 675 draws: one correlation is good to 0.009.
    assert_allclose(np.cov(np.concatenate(noise, axis=1)), np.eye(18), atol=0.05)


@pytest.mark.parametrize(
    ('spectra', 'number'), [(np.full((2, 160), 400.0), 0), (same_colour()[[0, 0]], 1)]
)
def test_sources_without_lines_add_no_band_and_those_of_one_spectrum_share_it(spectra, number):
    assert len(bands_of(weighted(light(spectra, images()))).data) == 16 + number


def test_noise_beyond_the_quoted_errors_is_no_line():
    noisy = voxels(light(np.full((2, 160), 400.0), images()), 22).data
    assert len(bands_of(WeightedCube.of(Voxels(noisy, VARIANCE / 4), FRACTION)).data) == 16
