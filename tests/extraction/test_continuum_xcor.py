"""Continuum and cross-correlation: polynomials leave nothing, and the maps equal their
definition."""

import numpy as np
import pytest
from builders import CUTOUT, changed, make_cutout, process
from numpy.testing import assert_allclose

from autospec_lib.core.types import Measured, Voxels
from autospec_lib.extraction import continuum, cross_correlation

WAVE = np.linspace(4750.0, 9350.0, 61)


def cubes(seed=1, bad_fraction=0.0):
    rng = np.random.default_rng(seed)
    shape = (len(WAVE), 3, 4)
    return rng.normal(10, 3, shape), rng.uniform(0.5, 2, shape), rng.random(shape) < bad_fraction


@pytest.mark.parametrize('degree', [0, 1, 5, 12])
def test_basis_is_orthonormal_and_spans_the_polynomials(degree):
    q = continuum.basis(WAVE, degree)
    assert_allclose(q.T @ q, np.eye(degree + 1), atol=1e-12)
    power = ((WAVE - 7000) / 3000) ** degree
    assert_allclose(q @ (q.T @ power), power, atol=1e-9)


def test_basis_of_a_single_wavelength():
    assert_allclose(np.abs(continuum.basis(WAVE[:1], 0)), [[1.0]])


@pytest.mark.parametrize('degree', [0, 3, 5])
def test_a_polynomial_leaves_zero(degree):
    spectrum = np.polynomial.Polynomial(np.arange(1.0, degree + 2))((WAVE - 7000) / 1000)
    q = continuum.basis(WAVE, degree)
    scale = np.abs(spectrum).max()
    assert_allclose(
        spectrum - continuum.fit(Measured(spectrum, np.linspace(1, 4, 61)), q),
        0,
        atol=1e-11 * scale,
    )
    assert_allclose(continuum.subtract(np.outer(spectrum, [1.0, -2.0]), q), 0, atol=1e-11 * scale)


def test_channels_without_value_or_usable_variance_have_no_say():
    q = continuum.basis(WAVE, 2)
    spectrum = 3 + 0.01 * (WAVE - 7000)
    spoilt, variance = spectrum.copy(), np.ones(61)
    spoilt[[5, 20]] = np.nan, 1e20
    variance[[20, 30, 31]] = np.inf, 0.0, np.nan
    assert_allclose(continuum.fit(Measured(spoilt, variance), q), spectrum, rtol=1e-10)


def test_weights_are_one_over_sigma():
    data, variance, _ = cubes()
    spectrum, var = data[:, 1, 2], variance[:, 1, 2]
    expected = np.polynomial.Polynomial.fit(WAVE, spectrum, 4, w=1 / np.sqrt(var))(WAVE)
    assert_allclose(
        continuum.fit(Measured(spectrum, var), continuum.basis(WAVE, 4)), expected, rtol=1e-9
    )


def test_nothing_to_fit_gives_a_continuum_of_zero():
    assert not continuum.fit(Measured(np.full(61, np.nan)), continuum.basis(WAVE, 2)).any()


@pytest.mark.parametrize('bad_fraction', [0.0, 0.1])
@pytest.mark.parametrize('degree', [None, 3])
def test_map_equals_its_definition(bad_fraction, degree):
    data, variance, bad = cubes(bad_fraction=bad_fraction)
    reference = np.random.default_rng(9).normal(size=len(WAVE))
    reference[17] = np.nan
    polynomials = None if degree is None else continuum.basis(WAVE, degree)
    got = cross_correlation.cross_correlate(
        reference, Voxels.of(data, variance, bad).columns, polynomials
    )
    ref = np.nan_to_num(reference)
    flat, good = np.where(bad, 0, data).reshape(len(WAVE), -1), ~bad.reshape(len(WAVE), -1)
    if degree is not None:
        x = np.arange(len(WAVE))
        flat = (
            flat
            - np.polynomial.polynomial.polyval(
                x, np.polynomial.polynomial.polyfit(x, flat, degree)
            ).T
        )
    assert_allclose(got.data, (ref[:, None] * flat * good).sum(0), atol=1e-9)
    assert_allclose(
        got.variance, (ref[:, None] ** 2 * variance.reshape(len(WAVE), -1) * good).sum(0)
    )


@pytest.mark.parametrize('degree', [None, 2])
def test_one_bad_voxel_does_not_blank_its_spaxel_and_an_empty_spaxel_has_no_value(degree):
    data, variance, bad = cubes()
    bad[10, 0, 1] = bad[:, 2, 2] = True
    data[bad] = np.nan
    polynomials = None if degree is None else continuum.basis(WAVE, degree)
    got = cross_correlation.cross_correlate(
        np.ones(len(WAVE)), Voxels.of(data, variance, bad).columns, polynomials
    )
    assert np.isnan(got.data).nonzero()[0].tolist() == [2 * 4 + 2]
    assert np.isnan(got.variance).nonzero()[0].tolist() == [2 * 4 + 2]


def test_without_variance_the_map_has_none():
    data, _, bad = cubes()
    assert (
        cross_correlation.cross_correlate(
            np.ones(len(WAVE)), Voxels.of(data, None, bad).columns
        ).variance
        is None
    )


def test_the_map_variance_is_the_scatter_of_many_draws():
    rng = np.random.default_rng(2)
    data, variance, bad = cubes()
    reference = rng.normal(size=len(WAVE))
    draws = np.array(
        [
            cross_correlation.cross_correlate(
                reference, Voxels.of(rng.normal(data, np.sqrt(variance)), variance, bad).columns
            ).data
            for _ in range(3000)
        ]
    )
    quoted = cross_correlation.cross_correlate(
        reference, Voxels.of(data, variance, bad).columns
    ).variance
    assert_allclose(draws.var(axis=0), quoted, rtol=5 * np.sqrt(2 / 3000))


def variance_of(cutout, factor):
    """The cutout with the upper half of its channels noisier by a factor in variance."""
    noisy = np.arange(CUTOUT[0]) >= CUTOUT[0] // 2
    scale = np.where(noisy, factor, 1.0)[:, None, None]
    noise = np.random.default_rng(4).normal(size=cutout.voxels.data.shape)
    return changed(
        cutout,
        data=cutout.voxels.data + noise * np.sqrt(scale - 1),
        variance=np.ones(CUTOUT) * scale,
    )


def test_noisy_wavelengths_weigh_less_and_the_map_gains():
    cutout = variance_of(make_cutout(flux=0.3), 400.0)
    plain, weighted = (
        process(cutout, xcor_weight=kind, cont_sub=False) for kind in ('none', 'variance')
    )

    def contrast(products):
        image = products.maps['CROSS_CORRELATION'].data
        far = np.hypot(*np.indices(image.shape) - np.array([10, 11])[:, None, None]) > 6
        return image[10, 11] / image[far].std()

    assert contrast(weighted) > 1.5 * contrast(plain)
    quoted = weighted.maps['CROSS_CORRELATION']
    assert (quoted.data / np.sqrt(quoted.variance))[:5].std() == pytest.approx(1, abs=0.3)


def test_channel_weights_are_one_over_the_mean_variance_of_usable_voxels():
    rng = np.random.default_rng(3)
    variance, bad = rng.uniform(1, 4, (6, 4, 5)), rng.random((6, 4, 5)) < 0.2
    bad[2] = True
    found = cross_correlation.channel_weights(Voxels.of(variance, variance, bad).columns)
    kept = [0, 1, 3, 4, 5]
    assert found[2] == 0
    assert found.mean() == pytest.approx(1)
    expected = np.array([1 / variance[k][~bad[k]].mean() for k in kept])
    assert_allclose(found[kept] / expected, found[0] / expected[0])
    assert_allclose(cross_correlation.channel_weights(Voxels.of(variance, None, bad).columns), 1)


def test_equal_noise_makes_the_weights_one():
    plain, weighted = (process(make_cutout(), xcor_weight=kind) for kind in ('none', 'variance'))
    for key, image in plain.maps.items():
        assert_allclose(weighted.maps[key].data, image.data, rtol=1e-9)


def test_iteration_ends_when_the_weights_stand_still():
    once, often = process(make_cutout()), process(make_cutout(), xcor_iter=50)
    assert not {'XCITER', 'XCITERC'} & once.facts.keys()
    assert 1 < often.facts['XCITER'][0] < 50
    further = process(make_cutout(), xcor_iter=often.facts['XCITER'][0] + 1)
    assert_allclose(further.maps['CROSS_CORRELATION'].data, often.maps['CROSS_CORRELATION'].data)
    assert process(make_cutout(), xcor_iter=2, cont_sub=False).facts['XCITER'][0] == 2


def test_iteration_calls_itself_with_what_it_has_found():
    seen = []

    def correlate(reference):
        seen.append(float(reference[0]))
        return Measured(np.array([1.0, 2.0, 5.0]) + reference[0])

    mask = np.array([True, True, True])
    result, number = cross_correlation.iterate(
        correlate, lambda weights: weights[2:] * 10, np.array([7.0]), mask, 9
    )
    assert seen == [7.0, 8.0]
    assert number == 2
    _, number = cross_correlation.iterate(
        lambda r: Measured(np.ones(3)), lambda w: w, np.array([7.0]), mask, 9
    )
    assert number == 1
    assert_allclose(result.data, [9, 10, 13])
