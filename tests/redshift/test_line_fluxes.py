"""Line fluxes against the fluxes that went in."""

import known_spectra as spectra
import numpy as np
import pytest

from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.redshift import line_fluxes
from autospec_lib.redshift.axis import to_vacuum
from autospec_lib.redshift.cards import line_rows
from autospec_lib.redshift.estimate import estimate

WAVE = spectra.MUSE
Z = 0.31
SIGMA = 80.0  # km/s
TRUE = {  # rest wavelength: flux
    **{
        3727.092: 90.0,
        3729.875: 110.0,
        4341.684: 40.0,
        4862.683: 90.0,
        4960.295: 150 / 2.98,
        5008.24: 150.0,
    },
    **{6549.85: 60 / 3.05, 6564.614: 250.0, 6585.27: 60.0, 6718.29: 45.0, 6732.67: 35.0},
}


def galaxy(scale=1.0):
    """Lines of known flux, integrated finely, on a sloping continuum."""
    fine = np.linspace(-0.5, 0.5, 9)[:, None] * 1.25 + WAVE
    flux = 5 + (WAVE - 7000) / 2000
    for rest, line in TRUE.items():
        centre = rest * (1 + Z)
        sigma = np.hypot(
            np.interp(centre, WAVE, spectra.fwhm(WAVE)) / 2.3548, centre * SIGMA / SPEED_OF_LIGHT
        )
        shape = np.exp(-0.5 * ((fine - centre) / sigma) ** 2).mean(axis=0)
        flux = flux + line * shape / (np.sqrt(2 * np.pi) * sigma)
    return flux * scale


def fit(clean, z=Z, seed=1, sigma=1.0):
    """The lines of a noisy spectrum."""
    return line_fluxes.measure(estimate(WAVE, *spectra.noisy(clean, seed, sigma)).evidence, z)


@pytest.mark.parametrize('scale', [1, 1e-18])
def test_fluxes_and_dispersion_are_those_that_went_in(scale):
    made = fit(galaxy(scale), Z + 2e-4, sigma=0.05 * scale)
    measured = {line.rest: line.flux / scale for line in made.lines}
    assert made.z == pytest.approx(Z, abs=3e-5)
    assert made.dispersion == pytest.approx(SIGMA, rel=0.05)
    for rest, flux in TRUE.items():
        assert measured[rest] == pytest.approx(flux, rel=0.05)
    names = [line.name for line in made.lines]
    by_name = dict(zip(names, made.lines, strict=True))
    assert by_name['OIII5008'].flux / by_name['OIII4960'].flux == pytest.approx(2.98)
    assert by_name['NII6585'].flux / by_name['NII6550'].flux == pytest.approx(3.05)
    assert by_name['HBETA'].continuum == pytest.approx(
        galaxy(scale)[2500] * 0 + (5 - 0.315) * scale, rel=0.05
    )


def test_errors_match_the_scatter():
    pulls = []
    for seed in range(12):
        for line in fit(galaxy(), seed=seed).lines:
            if line.rest in TRUE:
                pulls.append((line.flux - TRUE[line.rest]) / line.flux_error)
    assert 0.8 < np.std(pulls) < 1.25
    assert abs(np.mean(pulls)) < 0.3


def test_the_error_of_a_flux_has_those_of_redshift_and_dispersion_in_it():
    z, sigma = 1.0, 200.0
    centre = 4341.684 * (1 + z)

    def line(z=z, sigma=sigma):
        return spectra.emission(WAVE, z, {4341.684: 1.0}, 30, velocity=sigma)

    (hgamma,) = (one for one in fit(line(), z).lines if one.name == 'HGAMMA')
    # The inverse of the normal matrix of flux, redshift, dispersion and continuum, by differences.
    profile = line() / line().sum()
    wider = line(sigma=sigma + 1) / line(sigma=sigma + 1).sum()
    moved = line(z + 1e-5) / line(z + 1e-5).sum()
    flux = line().sum()
    columns = [
        profile,
        flux * (moved - profile),
        flux * (wider - profile),
        np.ones(WAVE.size),
        (WAVE - centre) / 70,
    ]
    design = np.array(columns)[:, np.abs(WAVE - centre) < 70]
    error = 1.25 * np.sqrt(np.linalg.inv(design @ design.T)[0, 0])
    assert hgamma.flux_error == pytest.approx(error, rel=0.1)


def test_correlated_noise_has_larger_errors():
    rng = np.random.default_rng(3)
    white = rng.normal(size=WAVE.size + 2)
    smooth = (white[1:-1] + 0.5 * (white[2:] + white[:-2])) / np.sqrt(1.5)
    clean, ones = galaxy(), np.ones(WAVE.size)
    errors = [
        line_fluxes.measure(estimate(WAVE, clean + noise, ones).evidence, Z).lines[0].flux_error
        for noise in (white[1:-1], smooth)
    ]
    assert errors[1] > 1.3 * errors[0]


def test_flags_tell_sky_gap_blend_and_tied_lines():
    flux, variance = spectra.noisy(galaxy())
    halpha, hbeta = (int(np.abs(WAVE - rest * (1 + Z)).argmin()) for rest in (6564.614, 4862.683))
    flux[hbeta + 2] = np.nan
    variance[halpha - 3 : halpha + 4] *= 4
    lines = line_fluxes.measure(estimate(WAVE, flux, variance).evidence, Z).lines
    flags = {line.name: line.flags for line in lines}
    assert flags['HBETA'] == line_fluxes.AT_EDGE
    assert flags['HALPHA'] == line_fluxes.ON_SKY
    assert flags['OII3727'] & line_fluxes.BLENDED
    assert flags['OIII4960'] & line_fluxes.TIED_FLUX
    assert flags['HGAMMA'] == 0


def test_lyman_alpha_is_fitted_by_its_asymmetric_profile():
    clean = spectra.lyman_alpha(WAVE, 4.2, 20)
    made = fit(clean, 4.2)
    (line,) = made.lines
    assert (line.name, line.family) == ('LYALPHA', 'lyalpha')
    assert line.flux == pytest.approx(clean.sum() * 1.25, rel=0.1)
    assert line.skew > 0.1
    assert made.z == pytest.approx(4.2, abs=3e-3)


def test_a_redshift_without_lines_on_the_axis_has_no_fit():
    assert fit(galaxy(), 2.0) is None


def test_rows_have_the_wavelengths_of_the_cube_and_upper_limits():
    air = WAVE / 1.000277
    vacuum = to_vacuum(air)
    made = fit(galaxy())
    rows = {row['LINE']: row for row in line_rows(made, Z, vacuum, air)}
    halpha = rows['HALPHA']
    assert halpha['LBDA_OBS'] == pytest.approx(6564.614 * (1 + made.z) / 1.000277, abs=0.05)
    assert halpha['EQW'] == pytest.approx(-halpha['FLUX'] / halpha['CONT'] / (1 + Z))
    assert halpha['EQW'] < 0
    assert halpha['VEL'] == pytest.approx((made.z - Z) / (1 + Z) * SPEED_OF_LIGHT)
    for row in rows.values():
        assert np.isnan(row['FLUX_UL']) == (row['SNR'] >= 3)
