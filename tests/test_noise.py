"""The empirical noise factor: 1 for white noise, the true one for noise that resampling has correlated."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from autospec_lib.noise import empirical_factor
from autospec_lib.psf import Psf, images

NL, NY, NX = 900, 33, 31
SHARE = 0.1


@pytest.fixture
def weights():
    return images((NY, NX), (16.0, 15.0), Psf(4.0, 4.0), np.array([0.5]))[0]


@pytest.fixture
def blank():
    y, x = np.indices((NY, NX))
    return np.hypot(y - 16, x - 15) > 5


def correlated(rng, share, variance):
    """Noise of this variance in each voxel, of which resampling gave a share to each neighbour."""
    noise = rng.normal(size=variance.shape)
    kernel = np.array([share, 1 - 2 * share, share])
    for axis in (1, 2):
        noise = sum(part * np.roll(noise, step, axis) for part, step in zip(kernel, (-1, 0, 1), strict=True))
    return noise / np.square(kernel).sum() * np.sqrt(variance)


def true_factor(weights, share):
    """Variance of the weighted sum of such noise, over that of independent noise."""
    kernel = np.array([share, 1 - 2 * share, share]) / np.sqrt(share**2 * 2 + (1 - 2 * share) ** 2)
    wide = np.pad(weights, 1)
    for axis in (0, 1):
        wide = sum(part * np.roll(wide, step, axis) for part, step in zip(kernel, (-1, 0, 1), strict=True))
    return np.square(wide).sum() / np.square(weights).sum()


@pytest.mark.parametrize('share', [0.0, SHARE])
def test_errors_match_the_scatter_within_five_per_cent(weights, blank, share):
    rng = np.random.default_rng(5)
    variance = rng.uniform(1, 2, (NL, 1, 1)) * np.ones((NL, NY, NX))
    data = correlated(rng, share, variance) + rng.normal(0, 50, (NL, 1, 1))
    found = empirical_factor(data, variance, np.zeros(data.shape, bool), weights, blank)
    assert_allclose(np.sqrt(found.factor / true_factor(weights, share)), 1, atol=0.05)
    assert_allclose(np.sqrt(found.median / true_factor(weights, share)), 1, atol=0.03)
    assert found.note == ''


def test_a_variance_that_is_four_times_too_small_gives_four(weights, blank):
    rng = np.random.default_rng(6)
    variance = np.ones((NL, NY, NX))
    found = empirical_factor(2 * correlated(rng, 0.0, variance), variance, variance < 0, weights, blank)
    assert_allclose(found.median, 4, rtol=0.06)


def test_a_factor_that_runs_with_wavelength_is_followed(weights, blank):
    rng = np.random.default_rng(7)
    scale = np.linspace(1, 2, NL)
    variance = np.ones((NL, NY, NX))
    data = correlated(rng, 0.0, variance) * scale[:, None, None]
    found = empirical_factor(data, variance, variance < 0, weights, blank)
    assert_allclose(found.factor[[150, 450, 750]], scale[[150, 450, 750]] ** 2, rtol=0.12)


def test_bad_voxels_and_the_scale_of_the_weights_have_no_say(weights, blank):
    rng = np.random.default_rng(8)
    variance = np.ones((NL, NY, NX))
    data = correlated(rng, SHARE, variance)
    bad = np.zeros(data.shape, bool)
    clean = empirical_factor(data, variance, bad, weights, blank)
    bad[:, 3, 4] = True
    dirty = np.where(bad, 1e30, data)
    one, two = (empirical_factor(cube, variance, bad, 7 * weights, blank) for cube in (data, dirty))
    assert_allclose(one.factor, two.factor)
    assert_allclose(one.median, clean.median, rtol=0.03)


def test_too_few_blank_spaxels_are_said_to_be_too_few(weights, blank):
    narrow = blank & (np.arange(NX) > 27)
    data = np.ones((NL, NY, NX))
    found = empirical_factor(data, data, data < 0, weights, narrow)
    assert found.factor is None
    assert found.median is None
    assert 'empty places for the weights' in found.note
    assert empirical_factor(data, data, data < 0, 0 * weights, blank).placements == 0
