"""Redshifts of spectra whose truth is known, and the answer where there is none."""

import known_spectra as spectra
import numpy as np
import pytest

from autospec_lib.redshift import estimate as engine
from autospec_lib.redshift.axis import to_vacuum
from autospec_lib.redshift.engine import Engine
from autospec_lib.redshift.estimate import Candidate, Redshift, estimate
from autospec_lib.redshift.hypotheses import Kind
from autospec_lib.redshift.probability import calibration

WAVE = spectra.MUSE


def first(clean, wave=WAVE, **more):
    """The first candidate for a noisy spectrum."""
    return estimate(wave, *spectra.noisy(clean), **more).candidates[0]


@pytest.mark.parametrize('z', [0.05, 0.31, 0.6, 1.1])
def test_a_galaxy_with_several_lines_is_sure_at_its_redshift(z):
    lines = {
        rest: flux
        for rest, flux in spectra.STAR_FORMING.items()
        if WAVE[9] < rest * (1 + z) < WAVE[-9]
    }
    found = first(spectra.emission(WAVE, z, lines, 15))
    assert found.kind is Kind.GALAXY
    assert found.z == pytest.approx(z, abs=5e-4)
    if len(lines) > 2:
        assert found.probability > engine.SURE
        assert not found.single_line


def test_bright_lines_with_unusual_profiles_and_ratios_give_the_redshift_too():
    # One broad line for [OII].
    lines = {3727.4: 1.0, 4341.684: 0.4, 4862.683: 0.5, 4960.295: 0.2, 5008.24: 0.6}
    found = first(spectra.emission(WAVE, 0.6, lines, 400, velocity=160) + 15)
    assert found.kind is Kind.GALAXY
    assert found.z == pytest.approx(0.6, abs=5e-4)
    assert found.probability > engine.SURE


@pytest.mark.parametrize('z', [0.1, 0.45, 0.8])
def test_an_old_galaxy_without_lines_is_sure_by_its_continuum(z):
    found = first(spectra.template(WAVE, 'galaxies', 2, z) * 8)
    assert found.kind is Kind.GALAXY
    assert found.z == pytest.approx(z, abs=1e-3)
    assert found.probability > engine.SURE


def test_a_star_has_the_redshift_of_its_velocity():
    z = 150 / 299792.458
    found = first(spectra.template(WAVE, 'stars', 20, z) * 15)
    assert found.kind is Kind.STAR
    assert found.z == pytest.approx(z, abs=2e-4)


def test_a_quasar_with_two_broad_lines_is_found():
    found = first(spectra.template(WAVE, 'quasar', None, 2.2) * 8)
    assert found.kind is Kind.QUASAR
    assert found.z == pytest.approx(2.2, abs=0.02)


def test_an_asymmetric_line_without_continuum_is_lyman_alpha():
    found = first(spectra.lyman_alpha(WAVE, 4.2, 20))
    assert found.kind is Kind.LYMAN_ALPHA
    assert found.single_line
    assert found.z == pytest.approx(4.2, abs=3e-3)


def test_a_resolved_doublet_is_oii_and_not_lyman_alpha():
    found = first(spectra.emission(WAVE, 1.2, spectra.OII, 20, velocity=25))
    assert found.kind is Kind.GALAXY
    assert found.z == pytest.approx(1.2, abs=5e-4)


@pytest.mark.parametrize('seed', range(6))
def test_noise_has_no_redshift(seed):
    result = estimate(WAVE, *spectra.noisy(np.zeros(WAVE.size), seed))
    assert result.quality < 2
    assert not result.sure


@pytest.mark.parametrize(
    ('flux', 'variance'),
    [
        (np.full(WAVE.size, np.nan), np.ones(WAVE.size)),
        (np.full(WAVE.size, 3.0), np.ones(WAVE.size)),
        (np.zeros(WAVE.size), None),
        (np.random.default_rng(1).normal(size=WAVE.size), np.full(WAVE.size, -1.0)),
        (np.random.default_rng(1).normal(size=WAVE.size), np.full(WAVE.size, np.nan)),
        (np.random.default_rng(1).normal(size=WAVE.size), np.zeros(WAVE.size)),
    ],
)
def test_a_spectrum_without_information_has_no_candidate(flux, variance):
    assert estimate(WAVE, flux, variance) == Redshift()


@pytest.mark.parametrize('channels', [1, 2, 9, 200])
def test_a_short_spectrum_has_no_redshift(channels):
    assert estimate(WAVE[:channels], *spectra.noisy(np.zeros(channels))).best is None


def test_bad_channels_have_no_say():
    clean = spectra.emission(WAVE, 0.31, spectra.STAR_FORMING, 15)
    flux, variance = spectra.noisy(clean)
    bad = np.zeros(WAVE.size, bool)
    bad[1500:1510] = True
    spoiled = np.where(bad, 1e30, flux)
    assert estimate(WAVE, spoiled, variance, bad) == estimate(
        WAVE, np.where(bad, np.nan, flux), variance
    )


@pytest.mark.parametrize('factor', [1e-20, 1e8])
def test_results_do_not_depend_on_the_unit(factor):
    flux, variance = spectra.noisy(spectra.emission(WAVE, 0.31, spectra.STAR_FORMING, 8))
    one, other = estimate(WAVE, flux, variance), estimate(WAVE, flux * factor, variance * factor**2)
    for a, b in zip(one.candidates, other.candidates, strict=True):
        assert a.kind is b.kind
        assert a.z == pytest.approx(b.z, abs=1e-6)
        assert a.probability == pytest.approx(b.probability, abs=1e-3)


@pytest.mark.parametrize('factor', [0.3, 1, 4])
def test_errors_that_are_wrong_by_a_factor_do_not_matter(factor):
    flux, variance = spectra.noisy(spectra.emission(WAVE, 0.31, spectra.STAR_FORMING, 8))
    right, wrong = (
        estimate(WAVE, flux, variance).candidates[0],
        estimate(WAVE, flux, variance * factor**2).candidates[0],
    )
    assert wrong.z == pytest.approx(right.z, abs=1e-5)
    assert wrong.probability == pytest.approx(right.probability, abs=1e-3)


def test_templates_and_filters_are_made_once_for_an_axis(monkeypatch):
    made = []
    monkeypatch.setattr(engine, 'Engine', lambda axis: made.append(axis) or Engine(axis))
    wave = WAVE[:1000] + 0.5  # of no other test
    for seed in range(2):
        estimate(wave, *spectra.noisy(np.zeros(wave.size), seed))
    assert len(made) == 1


def test_a_spectrum_without_variance_is_searched_too():
    flux, _ = spectra.noisy(spectra.emission(WAVE, 0.31, spectra.STAR_FORMING, 15))
    assert estimate(WAVE, flux).candidates[0].z == pytest.approx(0.31, abs=5e-4)


def test_arguments_are_not_changed():
    flux, variance = spectra.noisy(spectra.emission(WAVE, 0.31, spectra.STAR_FORMING, 8))
    flux[100:120] = np.nan
    before = flux.copy(), variance.copy()
    estimate(WAVE, flux, variance)
    np.testing.assert_array_equal(flux, before[0])
    np.testing.assert_array_equal(variance, before[1])


def test_wavelengths_in_air_give_the_same_redshift_as_in_vacuum():
    clean = spectra.emission(to_vacuum(WAVE), 0.31, spectra.STAR_FORMING, 15)
    assert first(clean, air=True).z == pytest.approx(0.31, abs=2e-4)
    # Air wavelengths taken for vacuum are 83 km/s off.
    assert first(clean).z == pytest.approx(0.31 - 2.77e-4 * 1.31, abs=1e-4)


def test_descending_wavelengths_give_the_same():
    flux, variance = spectra.noisy(spectra.emission(WAVE, 0.31, spectra.STAR_FORMING, 8))
    assert estimate(WAVE[::-1], flux[::-1], variance[::-1]) == estimate(WAVE, flux, variance)


@pytest.mark.parametrize(
    ('wave', 'z'),
    [
        (10 ** (np.log10(3622) + 1e-4 * np.arange(4563)), 0.03),  # MaNGA: logarithmic
        (np.arange(3750.0, 7500.0, 2.0), 0.02),  # CALIFA: coarser, and [OII] to [OIII] alone
        (np.arange(9700.0, 18900.0, 2.35), 1.5),  # NIRSpec G140: Hbeta to [SII]
        (np.arange(16600.0, 31700.0, 6.5), 3.0),  # NIRSpec G235
    ],
)
def test_axes_of_other_instruments_give_the_redshift(wave, z):
    found = first(spectra.emission(wave, z, spectra.STAR_FORMING, 15), wave)
    assert found.kind is Kind.GALAXY
    assert found.z == pytest.approx(z, abs=2e-3)
    assert found.lines > 2


def test_kinds_that_the_axis_does_not_cover_are_not_searched():
    # NIRSpec G395: no Lyman-alpha below z = 22, no templates of stars.
    wave = np.arange(28700.0, 52700.0, 6.6)
    result = estimate(wave, *spectra.noisy(np.zeros(wave.size)))
    assert {one.kind for one in result.candidates} <= {Kind.GALAXY, Kind.QUASAR}


def test_probabilities_are_in_order_and_add_up_to_one_at_most():
    result = estimate(WAVE, *spectra.noisy(spectra.lyman_alpha(WAVE, 4.2, 5)))
    p = [one.probability for one in result.candidates]
    assert len(p) == 4
    assert sum(p) <= 1
    assert min(p) >= 0
    assert p[1:] == sorted(p[1:], reverse=True)


def test_a_second_galaxy_in_the_spectrum_is_named():
    both = spectra.emission(WAVE, 0.31, spectra.STAR_FORMING, 20) + spectra.emission(
        WAVE, 0.4, spectra.STAR_FORMING, 8
    )
    result = estimate(WAVE, *spectra.noisy(both))
    assert result.candidates[0].z == pytest.approx(0.31, abs=5e-4)
    assert result.second_source == pytest.approx(0.4, abs=1e-3)


def test_the_error_covers_the_scatter_of_redshifts():
    clean = spectra.emission(WAVE, 0.31, spectra.STAR_FORMING, 8)
    several = [estimate(WAVE, *spectra.noisy(clean, seed)).candidates[0] for seed in range(12)]
    pulls = [(one.z - 0.31) / one.error for one in several]
    assert 0.2 < np.std(pulls) < 1.5
    assert abs(np.mean(pulls)) < 1


@pytest.mark.parametrize(
    ('p', 'lines', 'gain', 'quality'),
    [
        (0.99, 2, 0, 3),
        (0.99, 1, 50, 3),
        (0.99, 1, 10, 2),
        (0.9, 5, 99, 2),
        (0.6, 5, 99, 1),
        (0.4, 5, 99, 0),
    ],
)
def test_quality_follows_from_probability_and_lines(p, lines, gain, quality):
    assert Redshift((Candidate(0.3, 1e-4, Kind.GALAXY, p, lines, False, gain),)).quality == quality


def test_candidates_are_as_many_as_there_are_shares_and_never_fewer_unnoticed(monkeypatch):
    flux, variance = spectra.noisy(np.zeros(WAVE.size))
    assert len(calibration()['shares']) == engine.CANDIDATES - 1
    assert len(estimate(WAVE, flux, variance).candidates) == engine.CANDIDATES
    monkeypatch.setattr(engine, 'CANDIDATES', 5)
    with pytest.raises(ValueError, match='shorter'):
        estimate(WAVE, flux, variance)
