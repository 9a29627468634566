"""Narrow-band images hold the flux of a line on a sloped continuum, with the right error, on every
kind of axis."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from autospec_lib import pipeline
from autospec_lib.core.emission_lines import LINES, find
from autospec_lib.core.types import Grid, Voxels
from autospec_lib.extraction import narrow_band
from autospec_lib.redshift import line_fluxes
from autospec_lib.redshift.axis import FWHM_PER_SIGMA, to_vacuum

MUSE_WAVE = 4750.0 + 1.25 * np.arange(1600)
LINE = 5500.0
FLUX = np.array([100.0, 0.0, -30.0, 2000.0, 5.0, 1.0, 8.0])


def gaussian(wave, centre, sigma):
    return np.exp(-0.5 * ((wave - centre) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def observed(wave, centre, sigma=3.0, flux=FLUX):
    """Spaxels (nl, 7) with a line of the fluxes on continua of different slopes."""
    slopes = np.linspace(-0.01, 0.02, flux.size)
    return 50 + slopes * (wave[:, None] - 5000) + flux * gaussian(wave, centre, sigma)[:, None]


def image(entry, wave, voxels, grid=None, z=None):
    """The image of a band, with wavelengths in the unit of the grid."""
    grid = grid or Grid({}, {}, medium='air')
    channels = pipeline.cube_channels(wave, grid, ())
    band = narrow_band.band(entry, z, channels)
    assert band.fault == ''
    return narrow_band.image(voxels, channels.wave, band)


@pytest.mark.parametrize(
    ('wave', 'unit', 'entry'),
    [
        (MUSE_WAVE, 'Angstrom', (5480, 5520)),
        (MUSE_WAVE[::-1], 'Angstrom', (5480, 5520)),
        (10 ** np.arange(3.6, 4.0, 1e-4), 'Angstrom', (5480, 5520)),
        (MUSE_WAVE / 10, 'nm', (548, 552)),
        (MUSE_WAVE / 10, 'nm', (5480, 5520)),
        (MUSE_WAVE / 1e4, 'um', (0.548, 0.552)),
        (MUSE_WAVE / 1e4, 'um', (5480, 5520)),
    ],
)
def test_a_band_holds_the_flux_of_a_line_on_a_sloped_continuum_on_every_axis(wave, unit, entry):
    grid = Grid({}, {}, wave_unit=unit)
    found = image(entry, wave, Voxels(observed(wave * grid.angstrom, LINE)), grid)
    assert_allclose(found.data, FLUX, rtol=1e-4, atol=1e-6)
    assert found.variance is None


def test_the_error_is_that_of_many_draws_where_the_variance_depends_on_wavelength_and_spaxel():
    rng = np.random.default_rng(4)
    data = observed(MUSE_WAVE, LINE)
    variance = 4.0 + 60 * gaussian(MUSE_WAVE, 5560, 2)[:, None] + np.arange(7.0)
    bad = rng.random(data.shape) < 0.01
    bad[np.abs(MUSE_WAVE - LINE) < 25] = False
    draws = [
        image(
            (5480, 5520),
            MUSE_WAVE,
            Voxels.of(data + rng.normal(size=data.shape) * np.sqrt(variance), variance, bad),
        )
        for _ in range(400)
    ]
    pulls = np.array([(one.data - FLUX) / np.sqrt(one.variance) for one in draws])
    assert abs(pulls.mean()) < 4 / np.sqrt(pulls.size)
    assert pulls.std() == pytest.approx(1, abs=4 / np.sqrt(2 * pulls.size))


def test_a_noisy_channel_beside_the_line_hardly_counts():
    variance = np.ones((MUSE_WAVE.size, 7))
    quiet = image((5480, 5520), MUSE_WAVE, Voxels(observed(MUSE_WAVE, LINE), variance)).variance
    variance[np.abs(MUSE_WAVE - 5545) < 3] = 1e4
    noisy = image((5480, 5520), MUSE_WAVE, Voxels(observed(MUSE_WAVE, LINE), variance)).variance
    assert (noisy < 1.2 * quiet).all()


def test_bad_voxels_change_nothing_beside_the_line_and_leave_no_value_in_it():
    data, bad = observed(MUSE_WAVE, LINE), np.zeros((MUSE_WAVE.size, 7), bool)
    band = np.flatnonzero(np.abs(MUSE_WAVE - LINE) < 20)
    beside = np.flatnonzero((MUSE_WAVE > 5535) & (MUSE_WAVE < 5545))
    bad[beside, 1] = True
    bad[band[:1], 2] = True  # one of 32 channels, without light of the line
    bad[band[10:20], 3] = True
    bad[MUSE_WAVE > 5520, 4] = True  # no continuum on one side
    bad[:, 5] = True
    found = image(
        (5480, 5520), MUSE_WAVE, Voxels.of(np.where(bad, 1e30, data), np.ones(data.shape), bad)
    )
    expected = np.where([0, 0, 0, 1, 1, 1, 0], np.nan, FLUX)
    expected[2] *= 40 / 38.75  # the channel is taken to be as the others
    assert_allclose(found.data, expected, rtol=1e-4, atol=1e-6)
    assert (np.isnan(found.variance) == np.isnan(expected)).all()


@pytest.mark.parametrize('medium', ['air', 'vacuum'])
@pytest.mark.parametrize('direction', [1, -1])
def test_the_band_of_a_line_is_at_its_redshift_in_air_and_vacuum(medium, direction):
    z, wave = 0.02, (6400 + 1.25 * np.arange(800))[::direction]
    vacuum = to_vacuum(wave) if medium == 'air' else wave
    sigma = 2.5 / FWHM_PER_SIGMA
    rest = {name: LINES[name][0] for name in ('HALPHA', 'NII6583', 'NII6548', 'SII6716', 'SII6731')}
    data = sum(
        strength * gaussian(vacuum, rest[name] * (1 + z), sigma)
        for name, strength in zip(rest, (90, 60, 20, 30, 20), strict=True)
    )
    data = np.repeat((data + 0.01 * wave)[:, None], 3, axis=1)
    grid = Grid({}, {}, medium=medium)
    for name, flux in (('HALPHA', 90), ('NII6583', 60), ('SII', 50)):
        assert_allclose(image(name, wave, Voxels(data), grid, z).data, flux, rtol=0.01)


def test_the_width_of_a_band_grows_with_the_line_spread_function():
    grid = Grid({}, {}, medium='vacuum')
    widths = []
    for fwhm in (1.0, 30.0):
        low, high = pipeline.cube_channels(MUSE_WAVE, grid, (fwhm,)).of_line('OIII5007', 0.1)
        assert (low + high) / 2 == pytest.approx(5008.24 * 1.1)
        widths.append((high - low) / (5008.24 * 1.1) * narrow_band.SPEED_OF_LIGHT)
    assert 500 < widths[0] < 520
    assert widths[1] == pytest.approx(
        np.hypot(500, 60 / (5008.24 * 1.1) * narrow_band.SPEED_OF_LIGHT), rel=1e-3
    )


@pytest.mark.parametrize(
    ('entry', 'z', 'facts'),
    [
        ('HALPHA', None, ['redshift']),
        ('HALPHA', 3.0, ['outside', 'Angstrom']),
        ((4700, 4760), None, ['outside', 'Angstrom']),
        ((6740, 6748), None, ['outside']),
        ((5000.1, 5000.2), None, ['narrower', 'channel']),
    ],
)
def test_a_band_that_cannot_be_made_says_why(entry, z, facts):
    channels = pipeline.cube_channels(MUSE_WAVE, Grid({}, {}, medium='air'), ())
    fault = narrow_band.band(entry, z, channels).fault
    assert all(fact in fault for fact in facts)


def test_the_range_that_a_message_allows_is_allowed():
    channels = pipeline.cube_channels(MUSE_WAVE, Grid({}, {}, medium='air'), ())
    words = narrow_band.band((4740, 4760), None, channels).fault.split()
    low, high = (float(words[words.index('fits') + step]) for step in (2, 4))
    for entry in ((low + 0.01, low + 20), (high - 20, high - 0.01)):
        assert narrow_band.band(entry, None, channels).fault == ''


@pytest.mark.parametrize(
    ('key', 'spellings'),
    [
        ('HALPHA', 'Ha;H-alpha;Halpha;H_alpha;h alpha;Hα;HALPHA;Ha 6563;Hα λ6563 Å'),
        ('LYALPHA', 'Lya;LyA;Ly-alpha;Lyalpha;Lyman alpha;Lyα;Lya1216'),
        ('OIII5007', '[OIII]5007;[O III] 5007;[OIII]λ5007;[OIII]5008;OIII;OIII5007;[oiii]'),
        ('OIII4959', '[OIII]4959;[OIII]4960'),
        ('NII6583', '[NII];[NII]6583;[NII]6584;[N II]6585'),
        ('OII', '[OII];[OII]3727;[OII]3729;OII'),
        ('SII', '[SII];SII'),
        ('SII6731', '[SII]6731;[SII]6733'),
        ('CIV1549', 'CIV;C IV 1550'),
        ('NEII128136', '[NeII]12.8;[Ne II] 12.81 um;[NeII]12.8 µm'),
        ('PABETA', 'Pab;Paβ;Paschen beta'),
        (None, 'HeII;[OIII]5100;foo;;6563;..'),
    ],
)
def test_a_line_is_known_by_every_usual_spelling(key, spellings):
    assert {find(name) for name in spellings.split(';')} == {key}


def test_wavelengths_are_those_of_the_redshifts():
    for name, _, wave in line_fluxes.LINES:
        assert np.abs(np.array(LINES[find(name)]) - wave).min() < 1e-6
