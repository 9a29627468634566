"""Sums, means and weighted spectra: answers done in the head, and statistics against many noise
draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from autospec_lib.core.types import Measured, Voxels
from autospec_lib.extraction import sums_and_means, weights

NL, NY, NX = 11, 4, 5


def spaxels(data=None, variance=None, bad=None):
    shape = (NL, NY, NX)
    data = np.ones(shape) if data is None else np.asarray(data, float)
    return Voxels.of(data, variance, bad).columns


def random_cube(seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(5, 2, (NL, NY, NX)), rng.uniform(0.5, 2, (NL, NY, NX))


@pytest.fixture
def bad():
    flags = np.zeros((NL, NY, NX), bool)
    flags[3, 1, 2] = flags[7, :, 0] = True
    return flags


def test_a_cube_of_ones_sums_to_the_number_of_pixels():
    masks = np.zeros((2, NY * NX), bool)
    masks[0, :7] = masks[1, 3:4] = True
    total, single = sums_and_means.sums(spaxels(variance=np.full((NL, NY, NX), 4.0)), masks)
    assert_allclose(total.data, 7)
    assert_allclose(total.variance, 28)
    assert_allclose(single.data, 1)
    assert_allclose(single.variance, 4)


def test_mean_and_its_variance_count_usable_voxels_only(bad):
    everything = np.ones((1, NY * NX), bool)
    cube = spaxels(np.full((NL, NY, NX), 3.0), np.full((NL, NY, NX), 4.0), bad)
    mean = sums_and_means.sums(cube, everything, mean=True)[0]
    assert_allclose(mean.data, 3)
    number = NY * NX - bad.sum(axis=(1, 2))
    assert_allclose(mean.variance, 4 / number)


@pytest.mark.parametrize('junk', [1e30, np.nan, np.inf])
def test_a_bad_voxel_changes_nothing(bad, junk):
    data, variance = random_cube()
    masks = np.random.default_rng(2).random((3, NY * NX)) < 0.5
    profiles = masks / masks.sum(axis=1, keepdims=True)
    spoilt = np.where(bad, junk, data), np.where(bad, junk, variance)

    def everything(pair):
        cube = spaxels(*pair, bad)
        return [
            sums_and_means.white_light(cube),
            *sums_and_means.sums(cube, masks),
            *weights.weighted(cube, profiles),
        ]

    for clean, dirty in zip(everything((data, variance)), everything(spoilt), strict=True):
        assert_allclose(clean.data, dirty.data)
        assert_allclose(clean.variance, dirty.variance)


def test_channels_without_usable_voxel_have_no_value(bad):
    mask = np.zeros((1, NY, NX), bool)
    mask[0, :, 0] = True
    flat = mask.reshape(1, -1)
    cube = spaxels(variance=np.ones((NL, NY, NX)), bad=bad)
    results = [
        *sums_and_means.sums(cube, flat),
        *sums_and_means.sums(cube, flat, mean=True),
        *weights.weighted(cube, flat / 4),
    ]
    for spectrum in results:
        assert np.isnan(spectrum.data).nonzero()[0].tolist() == [7]
        assert np.isnan(spectrum.variance).nonzero()[0].tolist() == [7]


def test_white_light_is_the_mean_over_wavelength_with_its_variance(bad):
    data, variance = random_cube()
    white = sums_and_means.white_light(spaxels(data, variance, bad))
    good = ~bad
    assert_allclose(white.data, ((data * good).sum(0) / good.sum(0)).ravel())
    assert_allclose(white.variance, ((variance * good).sum(0) / good.sum(0) ** 2).ravel())


def test_white_light_of_a_spaxel_without_usable_voxel_is_nan():
    bad = np.zeros((NL, NY, NX), bool)
    bad[:, 2, 3] = True
    white = sums_and_means.white_light(spaxels(bad=bad)).data.reshape(NY, NX)
    assert np.isnan(white[2, 3])
    assert np.isfinite(np.delete(white.ravel(), 2 * NX + 3)).all()


def test_without_variance_none_comes_out():
    mask = np.ones((1, NY * NX), bool)
    cube = spaxels()
    results = [
        sums_and_means.white_light(cube),
        *sums_and_means.sums(cube, mask),
        *weights.weighted(cube, mask / mask.sum()),
    ]
    assert all(result.variance is None for result in results)
    assert_allclose(results[-1].data, NY * NX)


def test_no_variance_weighs_like_equal_variance(bad):
    data, _ = random_cube()
    profiles = np.random.default_rng(3).dirichlet(np.ones(NY * NX), 2)
    with_it = weights.weighted(spaxels(data, np.full(data.shape, 7.0), bad), profiles)
    without = weights.weighted(spaxels(data, None, bad), profiles)
    for one, other in zip(with_it, without, strict=True):
        assert_allclose(one.data, other.data)


def test_subtracting_the_sky_adds_its_variance_and_marks_channels_without_sky():
    data, variance = random_cube()
    sky = Measured(np.arange(NL, dtype=float), np.full(NL, 0.25))
    sky.data[4] = np.nan
    rest = spaxels(data, variance).minus(sky)
    clean = np.delete(np.arange(NL), 4)
    assert_allclose(rest.data[clean], data.reshape(NL, -1)[clean] - clean[:, None])
    assert_allclose(rest.variance[clean], variance.reshape(NL, -1)[clean] + 0.25)
    assert rest.bad[4].all()
    assert not rest.bad[clean].any()


def test_subtracting_the_sky_keeps_bad_voxels_bad(bad):
    rest = spaxels(bad=bad).minus(Measured(np.ones(NL)))
    np.testing.assert_array_equal(rest.bad, bad.reshape(NL, -1))
    assert (rest.data[rest.bad] == 0).all()
    assert rest.variance is None


@pytest.mark.parametrize('scale', [1e-6, 1.0, 250.0])
def test_a_noise_free_spectrum_times_profile_comes_back_for_any_scale_of_the_weights(scale, bad):
    weight = np.random.default_rng(4).random((NY, NX))
    profile = weights.profile(weight * scale)
    spectrum = np.linspace(10, 30, NL)
    cube = spectrum[:, None, None] * profile
    got = weights.weighted(spaxels(cube, random_cube()[1], bad), profile.reshape(1, -1))[0]
    assert_allclose(got.data, spectrum)


def test_profile_is_the_weights_minus_the_least_of_them():
    assert_allclose(weights.profile(np.array([5.0, 7.0, np.nan, 6.0])), [0, 2 / 3, 0, 1 / 3])


@pytest.mark.parametrize('weight', [np.full(6, 4.0), np.full(6, np.nan), np.zeros(0)])
def test_weights_that_cannot_tell_pixels_apart_give_no_profile(weight):
    assert weights.profile(weight) is None


def test_quoted_variance_is_the_scatter_of_many_draws():
    rng = np.random.default_rng(6)
    variance = random_cube()[1]
    bad = rng.random(variance.shape) < 0.2
    profile = rng.dirichlet(np.ones(NY * NX))
    truth = 40 * profile.reshape(NY, NX) * np.ones((NL, 1, 1))
    mask = np.ones((1, NY * NX), bool)
    draws = 4000
    got = np.empty((2, draws, NL))
    for k in range(draws):
        cube = spaxels(truth + rng.normal(size=truth.shape) * np.sqrt(variance), variance, bad)
        total, optimal = (
            sums_and_means.sums(cube, mask)[0],
            weights.weighted(cube, profile.reshape(1, -1))[0],
        )
        got[:, k] = total.data, optimal.data
    for sample, quoted in zip(got, (total.variance, optimal.variance), strict=True):
        assert_allclose(sample.var(axis=0), quoted, rtol=5 * np.sqrt(2 / draws))
    assert_allclose(got[1].mean(axis=0), 40, atol=5 * np.sqrt(optimal.variance.max() / draws))


def test_arguments_are_left_as_they_were(bad):
    data, variance = random_cube()
    before = data.copy(), variance.copy(), bad.copy()
    cube = spaxels(data, variance, bad)
    weights.weighted(
        cube.minus(Measured(np.ones(NL), np.ones(NL))), np.ones((1, NY * NX)) / NY / NX
    )
    for was, now in zip(before, (data, variance, bad), strict=True):
        np.testing.assert_array_equal(was, now)
