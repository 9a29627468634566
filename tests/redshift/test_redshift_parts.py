"""The parts of the redshift engine against direct computations."""

import known_spectra as spectra
import numpy as np
import pytest

from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.redshift.axis import Axis, to_vacuum
from autospec_lib.redshift.engine import Engine
from autospec_lib.redshift.hypotheses import _climbed, _peaks
from autospec_lib.redshift.line_search import GALAXY_LINES, LINE_WIDTHS, OII, Filters, archetypes
from autospec_lib.redshift.prepare import prepare
from autospec_lib.redshift.scan import LogGrid, Scanner

WAVE = spectra.MUSE
AXIS = Axis.of(WAVE, (), False)
NO_BAD = np.zeros(WAVE.size, bool)


@pytest.mark.parametrize(
    ('air', 'vacuum'), [(5006.843, 5008.240), (6562.80, 6564.614), (3933.663, 3934.777)]
)
def test_air_becomes_vacuum(air, vacuum):
    assert to_vacuum(np.array([air]))[0] == pytest.approx(vacuum, abs=0.02)


def test_resolution_is_that_of_muse_given_or_two_and_a_half_channels():
    assert AXIS.fwhm[WAVE == 7000] == pytest.approx(2.483, abs=1e-3)
    np.testing.assert_allclose(Axis.of(WAVE, (3.0,), False).fwhm, 3)
    np.testing.assert_allclose(Axis.of(WAVE, (1e-4, 2.0), False).fwhm, 2 + 1e-4 * WAVE)
    coarse = np.arange(10000.0, 20000.0, 4.0)
    np.testing.assert_allclose(Axis.of(coarse, (), False).fwhm, 10)


def test_archetypes_have_the_ratios_of_atomic_physics_without_reddening():
    rows = archetypes()[::3]
    names = GALAXY_LINES
    ratio = rows[:, names.index('OIII5007')] / rows[:, names.index('OIII4959')]
    np.testing.assert_allclose(ratio, 2.98)
    np.testing.assert_allclose(rows[:, names.index('HALPHA')] / rows[:, names.index('HBETA')], 2.86)


def test_errors_are_scaled_to_the_scatter():
    flux, variance = spectra.noisy(np.zeros(WAVE.size), sigma=3.0)
    prepared = prepare(AXIS, flux, variance / 9, NO_BAD)
    normalised = prepared.flux * np.sqrt(prepared.weight)
    assert 1.4826 * np.median(np.abs(normalised)) == pytest.approx(1, abs=0.05)


def test_bright_channels_weigh_no_more_than_models_are_good():
    flux, variance = spectra.noisy(np.full(WAVE.size, 1000.0))
    prepared = prepare(AXIS, flux, variance, NO_BAD)
    ratio = prepared.flux * np.sqrt(prepared.weight)
    np.testing.assert_allclose(ratio, 1 / 0.04, rtol=1e-3)


def test_larger_scatter_in_sky_lines_is_measured_apart():
    rng = np.random.default_rng(1)
    sky = np.arange(WAVE.size) % 40 < 6
    stated = np.where(sky, 2.0, 1.0)
    flux = rng.normal(size=WAVE.size) * stated * np.where(sky, 3.0, 1.0)
    prepared = prepare(AXIS, flux, stated**2, NO_BAD)
    np.testing.assert_array_equal(prepared.sky, sky)
    normalised = prepared.flux * np.sqrt(prepared.weight)
    assert normalised[~sky].std() == pytest.approx(1, abs=0.06)
    assert normalised[sky].std() == pytest.approx(1 / 1.1, abs=0.15)


def test_a_cosmic_ray_is_masked_and_a_line_is_not():
    flux, variance = spectra.noisy(spectra.emission(WAVE, 0.2, {5008.24: 1.0}, 20.0))
    flux[1000] += 15
    prepared = prepare(AXIS, flux, variance, NO_BAD)
    assert not prepared.good[999:1002].any()
    assert prepared.good.sum() == WAVE.size - 3


@pytest.mark.parametrize('channel', [5, 1800, 3670])
def test_a_filter_measures_the_flux_and_significance_of_its_line(channel):
    flux, variance = spectra.noisy(np.zeros(WAVE.size))
    prepared = prepare(AXIS, flux, variance, NO_BAD)
    sigma = AXIS.width(LINE_WIDTHS[1])[channel]
    line = 9 / (np.sqrt(2 * np.pi) * sigma) * np.exp(-0.5 * ((WAVE - WAVE[channel]) / sigma) ** 2)
    filters = Filters(AXIS)
    without, with_line = (filters.search(prepared, -extra) for extra in (0 * line, line))
    added = [
        search.single.signal[1, channel] / search.single.norm[1, channel]
        for search in (without, with_line)
    ]
    assert added[1] - added[0] == pytest.approx(9, rel=0.05 if channel == 1800 else 0.5)


def test_ratios_of_noise_have_unit_scatter_also_if_it_is_correlated():
    white = np.random.default_rng(3).normal(size=WAVE.size + 2)
    flux = white[1:-1] + 0.5 * (white[2:] + white[:-2])
    prepared = prepare(AXIS, flux, np.ones(WAVE.size), NO_BAD)
    ratio = Filters(AXIS).search(prepared, np.zeros(WAVE.size)).single.ratio[1]
    assert ratio[50:-50].std() == pytest.approx(1, abs=0.12)


def test_the_scan_agrees_with_a_direct_fit():
    rng = np.random.default_rng(5)
    grid = LogGrid(AXIS)
    templates = 1 + 0.3 * rng.normal(size=(2, 9000)).cumsum(axis=1) / 30
    scanner = Scanner(grid, templates, np.log10(1500), (0.3, 0.9))
    weight = rng.uniform(0.5, 2, WAVE.size)
    weight[500:600] = 0
    binned = grid.binned(rng.normal(size=WAVE.size) + scanner_shape(scanner, 0.6), weight)
    curve = scanner.scan(binned)
    positive = np.flatnonzero(curve.gain > 0)
    for place in (positive[10], curve.best, positive[-10]):
        template = scanner.at(curve.z[place], curve.template[place])
        with_template = binned.weight @ (binned.flux - binned.model(template)) ** 2
        assert curve.gain[place] == pytest.approx(binned.chi2 - with_template, rel=0.02, abs=0.05)
    assert curve.z[curve.best] == pytest.approx(0.6, abs=3e-4)


def scanner_shape(scanner, z):
    """The first template at a redshift on the wavelengths of the spectrum."""
    return 5 * np.interp(WAVE, scanner.grid.wave, scanner.at(z, 0))


def test_binning_keeps_flux_and_weight():
    grid = LogGrid(AXIS)
    binned = grid.binned(np.full(WAVE.size, 7.0), np.ones(WAVE.size))
    np.testing.assert_allclose(binned.flux, 7)
    assert binned.weight[5:-5].sum() == pytest.approx(WAVE.size, rel=0.01)


def test_redshift_grids_end_where_no_line_is_left():
    engine = Engine(AXIS)
    z = engine.galaxy_lines.z
    assert 3728.96 * (1 + z[-1]) == pytest.approx(WAVE[-1], rel=0.01)
    assert 1215.67 * (1 + engine.lyman_z[0]) == pytest.approx(WAVE[0], rel=1e-3)
    assert np.diff(np.log1p(z)).max() * SPEED_OF_LIGHT <= 20.001
    assert engine.galaxy_lines.inside[:, OII].any()


def test_peaks_are_apart_and_a_parabola_gives_place_and_width():
    z = np.linspace(0, 1, 10001)
    gain = 50 - ((z - 0.30003) / 4e-4) ** 2
    gain = np.maximum(gain, 0) + np.maximum(20 - ((z - 0.7) / 4e-4) ** 2, 0)
    assert [round(float(z[place]), 3) for place in _peaks(z, gain, 2)] == [0.3, 0.7]
    centre, error = _climbed(z, gain, int(gain.argmax()), AXIS)
    assert centre == pytest.approx(0.30003, abs=1e-6)
    assert error == pytest.approx(4e-4, rel=0.01)
    coarse = Axis.of(np.linspace(5000, 10000, 500), (), False)
    _, error = _climbed(z, gain, int(gain.argmax()), coarse)
    assert error == pytest.approx(np.median(10.02 / coarse.wave) / np.sqrt(12) * 1.3, rel=0.01)
