"""Redshifts and narrow bands of cubes of other instruments: right wavelengths, and no source that
cannot be seen."""

import importlib.util

import layouts
import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from builders import DEC, NX, NY, RA, gaussian, sky_header, write_cube

from autospec_lib.cli.command import main
from autospec_lib.core.emission_lines import LINES
from autospec_lib.redshift.axis import Axis, to_vacuum
from autospec_lib.redshift.engine import Engine

CHANNELS = 450
STRENGTHS = {
    'HBETA': 1.0,
    'OIII4959': 1.0,
    'OIII5007': 3.0,
    'NII6548': 0.3,
    'HALPHA': 3.0,
    'NII6583': 1.0,
    'SII': 0.8,
}


@pytest.mark.parametrize(
    'name', ['manga_logcube', 'kcwi', 'califa', 'jwst_nirspec', 'jwst_miri', 'sinfoni']
)
def test_the_redshift_of_a_galaxy_is_right_in_the_layout_of_an_instrument(
    tmp_path, monkeypatch, name
):
    if name.startswith('jwst') and importlib.util.find_spec('stdatamodels') is None:
        pytest.skip('needs stdatamodels')
    monkeypatch.setattr(layouts, 'NL', CHANNELS)
    monkeypatch.setattr(layouts, 'WAVE', 4750 + 1.25 * np.arange(CHANNELS))
    monkeypatch.setattr(layouts, 'MICRON', 4.9 + 0.001 * np.arange(CHANNELS))
    shape, rng = (CHANNELS, NY, NX), np.random.default_rng(5)
    path = tmp_path / layouts.NAMES.get(name, 'c.fits')
    write = getattr(layouts, name)
    truth = write(path, layouts.Field(np.ones(shape), np.ones(shape), np.zeros(shape, bool)))
    path.unlink()
    vacuum = truth.wave if truth.medium == 'vacuum' else to_vacuum(truth.wave)
    line = 'OIII5007' if vacuum[-1] < 2e4 else 'HALPHA'
    z = vacuum[CHANNELS // 2] / LINES[line][0] - 1
    step = np.gradient(vacuum)
    spectrum = np.full(CHANNELS, 500.0)
    for key, strength in STRENGTHS.items():
        for wave in LINES[key]:
            spectrum += (
                3000
                * strength
                / len(LINES[key])
                * np.exp(-0.5 * ((vacuum - wave * (1 + z)) / (1.2 * step)) ** 2)
            )
    flux = spectrum[:, None, None] * gaussian(11, 13) + rng.normal(size=shape)
    write(path, layouts.Field(flux, np.ones(shape), np.zeros(shape, bool)))
    (tmp_path / 'catalog.txt').write_text(f'ID RA DEC Z\n7 {RA} {DEC} {z}\n')
    lines = (
        f'DATACUBE = {path.name!r}',
        f'SIZE = {14 * min(truth.pixel)}',
        f'NARROWBAND = {line!r}',
        'REDSHIFT = True',
    )
    (tmp_path / 'param.py').write_text('\n'.join((*lines, 'PLOTS = REPORT = XCOR = False', '')))
    assert main([str(tmp_path), '-q']) == 0
    with fits.open(tmp_path / 'output' / 'Source_7.fits') as hdus:
        header, band = hdus[0].header, hdus[f'IMA_NB_{line}_DATA'].data
    assert header['ZQUAL'] == 3
    assert header['ZTYPE'] == 'gal'
    assert abs(header['ZAUTO'] - z) < 4 * header['ZAUTOERR'] < 0.002 * (1 + z)
    peak = 3000 * 3.0 * 1.2 * step[CHANNELS // 2] * np.sqrt(2 * np.pi)
    # In uJy, of which this is the flux per wavelength, in 1e-20 erg s-1 cm-2 Angstrom-1.
    if name.startswith('jwst'):
        peak *= 2.99792458e-11 / 1e-20 / vacuum[CHANNELS // 2] ** 2
    assert np.nansum(band) == pytest.approx(peak, rel=0.15)


@pytest.mark.parametrize(
    ('wave', 'searched'),
    [
        ((3600, 10300), {'galaxies', 'quasars', 'stars', 'lyman'}),
        ((4750, 9350), {'galaxies', 'quasars', 'stars', 'lyman'}),
        ((20000, 24000), {'galaxies', 'quasars'}),
        ((49000, 65000), {'galaxies', 'quasars'}),
        ((130000, 180000), set()),
    ],
)
def test_what_the_wavelengths_do_not_show_is_not_searched(wave, searched):
    engine = Engine(Axis.of(np.linspace(*wave, 800), (), air=False))
    there = {kind for kind in ('galaxies', 'quasars', 'stars') if getattr(engine, kind) is not None}
    assert there | ({'lyman'} if engine.lyman_z.size else set()) == searched


def test_line_fluxes_of_a_cube_in_jansky_are_fluxes(tmp_path):
    # NIRSpec's wavelengths; a line of 5e-18 erg/s/cm2 on a continuum that is flat per frequency.
    rng, number, z = np.random.default_rng(3), 1200, 2.2
    wave = 1.9e4 + 4.0 * np.arange(number)
    header = sky_header()
    header['CTYPE3'], header['CUNIT3'], header['CRPIX3'] = 'WAVE', 'um', 1.0
    header['CRVAL3'], header['CD3_3'], header['BUNIT'] = wave[0] / 1e4, 4e-4, 'uJy'
    spectrum = np.full(number, 0.3)
    for key, flux in (
        ('HALPHA', 5e-18),
        ('NII6583', 1.5e-18),
        ('NII6548', 0.5e-18),
        ('SII', 1e-18),
    ):
        for rest in LINES[key]:
            profile = np.exp(-0.5 * ((wave - rest * (1 + z)) / 9.0) ** 2) / (
                9.0 * np.sqrt(2 * np.pi)
            )
            spectrum += flux / len(LINES[key]) * profile * wave**2 / 2.99792458e18 / 1e-29
    sigma = 0.002
    data = spectrum[:, None, None] * gaussian(11, 13) + sigma * rng.normal(size=(number, NY, NX))
    write_cube(
        tmp_path / 'datacube.fits', data.astype('f4'), np.full(data.shape, sigma**2, 'f4'), header
    )
    (tmp_path / 'catalog.txt').write_text(f'ID RA DEC Z\n7 {RA} {DEC} {z}\n')
    lines = (
        'SIZE = 4',
        'REDSHIFT = True',
        "NARROWBAND = 'Ha'",
        'REF = 2.0',
        'APER = 2.0',
        'PLOTS = REPORT = XCOR = False',
    )
    (tmp_path / 'param.py').write_text('\n'.join((*lines, '')))
    assert main([str(tmp_path), '-q']) == 0
    with fits.open(tmp_path / 'output' / 'Source_7.fits') as hdus:
        rows, band, models = hdus['LINES'], hdus['IMA_NB_HALPHA_DATA'], hdus['TAB_ZMODELS']
        measured = {row['LINE']: row for row in rows.data}
        unit, continuum = (units.Unit(rows.columns[name].unit) for name in ('FLUX', 'CONT'))
        total = np.nansum(band.data) * units.Unit(band.header['BUNIT'])
        flux = hdus[f'SPE_{hdus[0].header["ZSPEC"]}_DATA']
        assert np.nanmedian(models.data['MODEL1'] / flux.data) == pytest.approx(1, abs=0.02)
        assert flux.header['BUNIT'] == models.columns['MODEL1'].unit == 'uJy'
    halpha = (measured['HALPHA']['FLUX'] * unit).to_value('erg s-1 cm-2')
    error = (measured['HALPHA']['FLUX_ERR'] * unit).to_value('erg s-1 cm-2')
    assert halpha == pytest.approx(5e-18, rel=0.05)
    assert 0 < error < 0.05 * halpha
    expected = (0.3 * units.uJy).to(
        'erg s-1 cm-2 Angstrom-1', units.spectral_density(6564.6 * (1 + z) * units.AA)
    )
    assert (measured['HALPHA']['CONT'] * continuum).to_value(expected.unit) == pytest.approx(
        expected.value, rel=0.1
    )
    assert total.to_value('erg s-1 cm-2') == pytest.approx(5e-18, rel=0.1)
    table = Table.read(tmp_path / 'output' / 'redshifts.ecsv')
    assert table['HALPHA_FLUX'].quantity[0].to_value('erg s-1 cm-2') == pytest.approx(
        halpha, rel=1e-4
    )
