"""The redshift in a run: cards, MPDAF's table, the summary, notes; and nothing of it without
REDSHIFT."""

import shutil
import subprocess
import sys
from dataclasses import replace

import known_spectra as spectra
import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from builders import DEC, PIXEL, RA, cube_header, gaussian, process, write_cube
from mpdaf.sdetect import Source

from autospec_lib.cli.command import main
from autospec_lib.core.products import Group, Products
from autospec_lib.core.types import Cutout, Grid, Target, Voxels
from autospec_lib.demo import folders
from autospec_lib.output import source_file, summary
from autospec_lib.redshift.axis import to_vacuum
from autospec_lib.redshift.cards import cards
from autospec_lib.redshift.estimate import Candidate, Redshift
from autospec_lib.redshift.hypotheses import Kind

Z = 0.31
WAVE = spectra.MUSE[:2600]
SHAPE = 15, 17


def field(clean, unit='Angstrom', medium='vacuum', z=None):
    """A source with this spectrum on noise of variance 1."""
    rng = np.random.default_rng(2)
    data = clean[:, None, None] * gaussian(7, 8, 1.5, SHAPE) + rng.normal(size=(clean.size, *SHAPE))
    wave = WAVE / {'Angstrom': 1, 'nm': 10, 'um': 1e4}[unit]
    grid = Grid({}, {}, wave_unit=unit, medium=medium)
    return Cutout(
        Target(5, 0, 0, 3, z=z), Voxels(data, np.ones(data.shape)), wave, (7, 8), (0.2, 0.2), grid
    )


def facts(cutout, **params):
    """The values of cards, and the notes."""
    products = process(cutout, redshift=True, xcor=False, **params)
    return {card: value for card, (value, _) in products.facts.items()}, products.notes


GALAXY = spectra.emission(WAVE, Z, {**spectra.STAR_FORMING}, 120) + 20


@pytest.mark.parametrize('unit', ['Angstrom', 'nm', 'um'])
def test_cards_hold_redshift_probability_kind_and_spectrum(unit):
    held, notes = facts(field(GALAXY, unit), lsf=(5.866e-8, -9.187e-4, 6.04))
    assert held['ZAUTO'] == pytest.approx(Z, abs=5e-4)
    assert (held['ZQUAL'], held['ZTYPE'], held['ZSPEC']) == (3, 'gal', held['REFSPEC'])
    assert held['ZPROB'] > 0.95
    assert held['ZNLINE'] >= 4
    assert not notes


@pytest.mark.parametrize(('medium', 'offset'), [('vacuum', 0), ('air', 0), ('', 0)])
def test_the_medium_of_the_wavelengths_counts(medium, offset):
    wave = WAVE if medium == 'vacuum' else to_vacuum(WAVE)
    held, notes = facts(
        field(spectra.emission(wave, Z, spectra.STAR_FORMING, 120) + 20, medium=medium)
    )
    assert held['ZAUTO'] == pytest.approx(Z + offset, abs=2e-4)
    assert len(notes) == (medium == '')


def test_noise_has_quality_zero_and_no_redshift():
    held, _ = facts(field(np.full(WAVE.size, 20.0)))
    assert held['ZQUAL'] == 0
    assert 'ZAUTO' not in held
    assert held['ZPROB'] < 0.5


@pytest.mark.parametrize(('z', 'number'), [(None, 0), (Z, 0), (Z + 0.001, 0), (0.5, 1)])
def test_a_sure_redshift_that_is_not_the_catalogues_is_a_note(z, number):
    _, notes = facts(field(GALAXY, z=z))
    assert len(notes) == number
    assert all(f'{z:.4f}' in note for note in notes)


@pytest.mark.parametrize(
    ('clean', 'z', 'measured'),
    [
        (GALAXY, None, True),
        (np.full(WAVE.size, 20.0), None, False),
        (np.full(WAVE.size, 20.0), 0.3, True),
    ],
)
def test_lines_are_measured_at_a_sure_redshift_or_at_the_catalogues(clean, z, measured):
    lines = process(field(clean, z=z), redshift=True, xcor=False).lines
    assert bool(lines) == measured
    if z is not None:
        assert all(row['FLUX_UL'] > 0 for row in lines if abs(row['SNR']) < 3)


def test_without_redshift_there_is_no_card():
    assert not [card for card in process(field(GALAXY), xcor=False).facts if card.startswith('Z')]


@pytest.mark.parametrize(
    ('p', 'catalogued', 'rows'),
    [
        (0.99, None, {'AUTOSPEC': 0.3, 'AUTOSPEC_2': 1.1, 'AUTOSPEC_3': 2.2, 'AUTOSPEC_4': 0.1}),
        (
            0.85,
            0.2,
            {
                'CATALOG': 0.2,
                'AUTOSPEC': 0.3,
                'AUTOSPEC_2': 1.1,
                'AUTOSPEC_3': 2.2,
                'AUTOSPEC_4': 0.1,
            },
        ),
        (0.6, 0.2, {'CATALOG': 0.2}),
        (0.6, None, {}),
    ],
)
def test_the_table_of_redshifts_holds_probable_ones(tmp_path, p, catalogued, rows):
    several = tuple(
        Candidate(z, 0.001, Kind.GALAXY, share, 3, False, 0.0)
        for z, share in ((0.3, p), *((z, (1 - p) / 4) for z in (1.1, 2.2, 0.1)))
    )
    cutout = field(GALAXY, z=catalogued)
    spectrum = process(cutout, xcor=False).spectra
    key = next(iter(spectrum))
    products = Products({Group.SPECTRUM: {key: spectrum[key]}}, key, (), cards(Redshift(several)))
    path = tmp_path / 'source.fits'
    source_file.write_source(path, products, cutout, {})
    with fits.open(path) as hdus:
        table = hdus['Z'].data if 'Z' in hdus else []
        assert {row['Z_DESC']: row['Z'] for row in table} == rows
        for row in table:
            half = 0 if row['Z_DESC'] == 'CATALOG' else 0.001
            assert row['Z_MAX'] - row['Z'] == pytest.approx(half)
            assert row['Z'] - row['Z_MIN'] == pytest.approx(half)


def measured(cutout):
    """The products with a redshift, and the spectrum that it is from."""
    products = process(cutout, redshift=True, xcor=False)
    return products, products.spectra[products.facts['ZSPEC'][0]]


@pytest.mark.parametrize('order', [1, -1])
def test_the_first_model_is_the_spectrum_without_its_noise(order):
    cutout = field(GALAXY)
    if order < 0:
        voxels = Voxels(cutout.voxels.data[::-1].copy(), cutout.voxels.variance[::-1].copy())
        cutout = replace(cutout, voxels=voxels, wave=cutout.wave[::-1].copy())
    products, spectrum = measured(cutout)
    first = products.models[0]
    assert 1 < len(products.models) <= 4
    facts = {card: value for card, (value, _) in products.facts.items()}
    assert (round(first.z, 6), first.kind) == (facts['ZAUTO'], 'gal')
    assert round(products.models[1].probability, 3) == facts['Z2PROB']
    pull = (spectrum.data - first.flux) / spectrum.error
    assert np.isfinite(pull).all()
    assert pull.std() == pytest.approx(1, abs=0.07)
    lines = pull[np.abs(cutout.wave / (1 + Z) - 5008.24) < 6]
    assert np.abs(lines).max() < 4.5
    assert ((spectrum.data - products.models[1].flux) / spectrum.error).std() > pull.std() + 0.15


def test_a_model_has_no_value_outside_the_spectrum():
    cutout = field(GALAXY)
    bad = np.zeros(cutout.voxels.data.shape, bool)
    bad[:40] = bad[-25:] = bad[900:905] = True
    cutout = replace(cutout, voxels=Voxels.of(cutout.voxels.data, cutout.voxels.variance, bad))
    products, _ = measured(cutout)
    for one in products.models:
        assert np.flatnonzero(np.isnan(one.flux)).tolist() == [
            *range(40),
            *range(WAVE.size - 25, WAVE.size),
        ]


def unnamed(products):
    return [row for row in products.lines if row['LINE'] == '']


@pytest.mark.parametrize(('z', 'named'), [(None, True), (0.42, True)])
def test_a_line_that_the_redshift_does_not_explain_has_no_name(z, named):
    foreign = spectra.emission(WAVE, 0, {5890.0: 1}, 70)
    products, spectrum = measured(field(GALAXY + foreign, z=z))
    (row,) = unnamed(products)
    assert row['LBDA_OBS'] == pytest.approx(5890, abs=1.3)
    share = (spectrum.data - products.models[0].flux)[np.abs(WAVE - 5890) < 8].sum() * 1.25
    assert row['FLUX'] == pytest.approx(share, rel=0.15)
    assert row['SNR'] == pytest.approx(row['FLUX'] / row['FLUX_ERR'])
    assert row['SNR'] > 10
    assert bool(len(products.lines) > 1) == named
    assert not unnamed(measured(field(GALAXY))[0])


def test_a_faint_line_of_the_source_is_explained():
    # [NI].
    assert not unnamed(measured(field(GALAXY + spectra.emission(WAVE, Z, {5201.7: 1}, 70)))[0])


def test_lines_without_a_name_are_twelve_at_most_the_strongest_first():
    waves = WAVE[60] + 150 * np.arange(20) + 2.0 * np.arange(20) ** 1.5
    comb = sum(
        spectra.emission(WAVE, 0, {wave: 1}, 50 + 2 * number) for number, wave in enumerate(waves)
    )
    products, _ = measured(field(comb + 20))
    rows = unnamed(products)
    assert len(rows) == 12
    assert [row['SNR'] for row in rows] == sorted((row['SNR'] for row in rows), reverse=True)
    assert all(np.abs(waves - row['LBDA_OBS']).min() < 2 for row in rows)


@pytest.mark.parametrize(('on_sky', 'number'), [(True, 0), (False, 1)])
def test_residuals_of_sky_lines_are_no_lines(on_sky, number):
    residual = spectra.emission(WAVE, 0, {5890.0 if on_sky else 5940.0: 1}, 115)
    cutout = field(GALAXY + residual)
    sky = np.abs((WAVE - 5890) % 180 - 90) > 84  # within 6 Angstrom of 5890 + 180 n
    rng = np.random.default_rng(5)
    data = cutout.voxels.data + 3 * sky[:, None, None] * rng.normal(size=cutout.voxels.data.shape)
    variance = np.broadcast_to(np.where(sky, 10.0, 1.0)[:, None, None], data.shape).copy()
    products, _ = measured(replace(cutout, voxels=Voxels(data, variance)))
    assert len(unnamed(products)) == number


def test_models_and_lines_are_read_back_and_read_by_mpdaf(tmp_path):
    cutout = field(GALAXY + spectra.emission(WAVE, 0, {5890.0: 1}, 70))
    cutout = replace(cutout, grid=replace(cutout.grid, unit='10**-20 erg s-1 cm-2 Angstrom-1'))
    products, _ = measured(cutout)
    path = tmp_path / 'source.fits'
    source_file.write_source(path, products, cutout, {})
    back = source_file.read(path, Group.SPECTRUM)
    assert len(back.models) == len(products.models)
    for one, other in zip(back.models, products.models, strict=True):
        assert one.kind == other.kind
        held, expected = ((each.z, each.error, each.probability) for each in (one, other))
        assert held == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(one.flux, other.flux, rtol=1e-6)
    assert [row.keys() for row in back.lines] == [row.keys() for row in products.lines]
    for row, other in zip(back.lines, products.lines, strict=True):
        assert all(row[name] == other[name] or other[name] != other[name] for name in row)
    table = Source.from_file(str(path)).tables['ZMODELS']
    assert table.colnames == [f'MODEL{number}' for number in range(1, len(products.models) + 1)]
    assert table.meta['Z1'] == products.models[0].z
    assert table.meta['ZTYPE1'] == 'gal'
    assert len(table) == WAVE.size
    assert table['MODEL1'].unit.to('erg s-1 cm-2 Angstrom-1') == pytest.approx(1e-20)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """The output of a run on a cube with one galaxy, with the cube's wavelengths in air."""
    folder = tmp_path_factory.mktemp('redshift')
    rng = np.random.default_rng(4)
    clean = spectra.emission(to_vacuum(WAVE), Z, spectra.STAR_FORMING, 120) + 20
    data = clean[:, None, None] * gaussian(11, 13) + rng.normal(size=(WAVE.size, 24, 27))
    write_cube(
        folder / 'datacube.fits', data.astype('f4'), np.ones(data.shape, 'f4'), cube_header()
    )
    (folder / 'catalog.txt').write_text(
        f'ID,RA,DEC,Z\n1,{RA},{DEC},0.3\nblank,{RA + 8 * PIXEL / 3600},{DEC},\n'
    )
    params = 'SIZE = 4\nREDSHIFT = True\nMARZ = True\nREPORT = False\nXCOR = False\nCORES = 2\n'
    (folder / 'param.py').write_text(params)
    assert main([str(folder), '-q']) == 0
    return folder / 'output'


@pytest.fixture
def own(finished, tmp_path):
    """A copy of it, to be changed."""
    shutil.copytree(finished.parent, tmp_path / 'field')
    return tmp_path / 'field' / 'output'


def test_a_run_writes_the_redshift_to_file_and_summary(finished):
    source = Source.from_file(str(finished / 'Source_1.fits'))
    assert source.header['ZAUTO'] == pytest.approx(Z, abs=3e-4)
    row = source.z[source.z['Z_DESC'] == 'AUTOSPEC'][0]
    assert row['Z_MIN'] < row['Z'] < row['Z_MAX']
    lines = {row['LINE']: row for row in source.lines}
    assert lines['OIII5008']['LBDA_OBS'] == pytest.approx(5006.84 * (1 + Z), abs=0.5)  # in air
    assert lines['OIII5008']['SNR'] > 10
    assert lines['OIII5008']['FLUX'] / lines['HBETA']['FLUX'] == pytest.approx(2.1, rel=0.2)
    assert source.lines['FLUX'].unit is not None
    table = Table.read(finished / 'summary.ecsv')
    assert table['Z'][0] == pytest.approx(Z, abs=3e-4)
    assert table['ZQUAL'][0] == 3
    assert table['ZTYPE'][0] == 'gal'
    assert table['ZSPEC'][0] == source.header['ZSPEC']
    for line in summary.MAIN_LINES:
        flux, error = table[f'{line}_FLUX'], table[f'{line}_FLUX_ERR']
        assert flux.unit == error.unit == units.Unit('1e-20 erg s-1 cm-2')
        if line in ('LYALPHA', 'HALPHA', 'NII6585'):  # outside the axis
            assert flux.mask[0]
        else:
            assert (flux[0], error[0]) == pytest.approx(
                (lines[line]['FLUX'], lines[line]['FLUX_ERR']), rel=1e-5
            )
    assert len(Table.read(finished / 'summary.fits').columns) == len(table.columns)


def test_a_run_writes_the_catalogue_of_redshifts(finished):
    table, row = (Table.read(finished / name) for name in ('redshifts.ecsv', 'summary.ecsv'))
    assert table['ID'].tolist() == ['1', 'blank']
    assert table['Z'].tolist() == [row['Z'][0], None]
    assert table['Z_FROM'].tolist() == ['AUTOSPEC', None]
    assert table['QUALITY'].tolist() == [3, 0]
    assert table['Z_CATALOG'].tolist() == [0.3, None]
    assert table['P'].tolist() == row['ZPROB'].tolist()
    assert table['HBETA_FLUX'].tolist() == row['HBETA_FLUX'].tolist()
    assert '0.3000' in table['NOTES'][0]


def test_every_source_has_its_plot(finished):
    for ident in ('1', 'blank'):
        assert (finished / 'images' / ident / f'{ident}_REDSHIFT.jpg').stat().st_size > 10_000


def test_the_file_for_marz_has_the_redshift_that_counts_beside_that_of_the_catalogue(finished):
    fibres = Table.read(finished / 'marz.fits', hdu='FIBRES')
    assert fibres['NAME'].tolist() == ['1', 'blank']
    assert fibres['Z'][0] == pytest.approx(Z, abs=3e-4)
    assert fibres['Z_ERR'][0] < 1e-3
    assert np.ma.getmaskarray(np.ma.masked_invalid(fibres['Z'])).tolist() == [False, True]
    assert fibres['ZTYPE'].tolist() == ['gal', '']
    assert fibres['QOP'].tolist() == [4, 1]
    assert fibres['Z_CATALOG'][0] == 0.3
    first, *rest = fibres['COMMENT'][0].split()
    assert first == 'MUSE_WHITE_SKYSUB'
    assert f'z={fibres["Z"][0]:.5f}' in rest
    assert fits.getheader(finished / 'marz.fits', 'FIBRES')['TFORM4'] == '1A'  # TYPE


def test_the_summary_keeps_redshifts_of_sources_that_are_kept(own):
    before = Table.read(own / 'summary.ecsv')[0]
    for number in range(2):  # the second time from the summary itself
        if number == 0:
            (own / 'summary.ecsv').unlink()
        assert main([str(own.parent), '-q', '--resume']) == 0
        row = Table.read(own / 'summary.ecsv')[0]
        assert row['STATUS'] == 'kept'
        assert Table.read(own / 'redshifts.ecsv')['Z'][0] == before['Z']
        for name in ('Z', 'ZSPEC', 'HBETA_FLUX', 'HBETA_FLUX_ERR'):
            assert row[name] == before[name]


@pytest.mark.long
def test_the_engine_is_not_imported_without_redshift():
    code = 'import sys, autospec_lib.pipeline, autospec_lib.run.source\nprint("autospec_lib.redshift" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'False'


def pair(share):
    """Two sources 1.2 arcsec apart: 5 with this share of the lines of 9, which is a galaxy with
    lines."""
    shape = 27, 29
    rng = np.random.default_rng(3)
    clean = GALAXY[:, None, None] * 3 * gaussian(13, 17, 2.0, shape)
    clean = clean + (share * 3 * (GALAXY - 20) + 30)[:, None, None] * gaussian(13, 11, 2.0, shape)
    data = clean + rng.normal(size=(WAVE.size, *shape))
    grid = Grid({}, {}, wave_unit='Angstrom', medium='vacuum')
    first = Cutout(
        Target(5, 0, 0, 5), Voxels(data, np.ones(data.shape)), WAVE, (13, 11), (0.2, 0.2), grid
    )
    second = replace(first, target=Target(9, 0, 0, 5), centre=(13, 17), neighbours={5: (13, 11)})
    return replace(first, neighbours={9: (13, 17)}), second


@pytest.mark.long
def test_a_redshift_that_a_neighbours_light_explains_is_not_sure():
    blended, bright = pair(0)
    held, notes = facts(blended)
    assert held['ZAUTO'] == pytest.approx(Z, abs=1e-3)
    assert held['ZPROB'] > 0.95
    assert (held['ZQUAL'], held['ZNEIGHB']) == (1, 9)
    (note,) = (note for note in notes if 'source 9' in note)
    assert '1.2 arcsec' in note
    held, notes = facts(bright)
    assert held['ZQUAL'] == 3
    assert not any('explains' in note for note in notes)


@pytest.mark.long
def test_a_source_with_lines_of_its_own_is_sure_beside_one_of_its_redshift():
    for cutout, other in zip(pair(1), (9, 5), strict=True):
        held, notes = facts(cutout)
        assert (held['ZQUAL'], held['ZNEIGHB']) == (3, other)
        assert any(f'source {other}' in note for note in notes)


@pytest.mark.long
def test_an_accepted_redshift_brings_the_lines_there(own):
    folder = own.parent
    (folder / 'a.csv').write_text('ID,VERDICT,REDSHIFT\n1,good,0.45\n')
    assert main([str(folder), '-q', '--verdicts', str(folder / 'a.csv')]) == 0
    source = Source.from_file(str(folder / 'output' / 'Source_1.fits'))
    lines = {row['LINE']: row for row in source.lines}
    assert lines['HBETA']['LBDA_OBS'] == pytest.approx(4861.33 * (1 + 0.45), abs=15)
    # What is there are the lines of the first redshift, which have no name at this one.
    unnamed = source.lines['LBDA_OBS'][source.lines['LINE'] == '']
    assert np.abs(unnamed - 5006.84 * (1 + Z)).min() < 1
    assert source.z['Z'][source.z['Z_DESC'] == 'VISUAL'] == 0.45
    for name in ('summary.ecsv', 'redshifts.ecsv'):
        flux = Table.read(folder / 'output' / name)['HBETA_FLUX'][0]
        assert flux == pytest.approx(lines['HBETA']['FLUX'], rel=1e-5)
    # A later run measures there too.
    kept = source.lines['LBDA_OBS'].tolist()
    assert main([str(folder), '-q', '--id', '1']) == 0
    assert Source.from_file(str(folder / 'output' / 'Source_1.fits')).lines[
        'LBDA_OBS'
    ].tolist() == pytest.approx(kept)
    # Taken back, they are measured at the sure redshift again.
    (folder / 'a.csv').write_text('ID,VERDICT,REDSHIFT,COMMENT\n1,,,a second look\n')
    assert main([str(folder), '-q', '--verdicts', str(folder / 'a.csv')]) == 0
    source = Source.from_file(str(folder / 'output' / 'Source_1.fits'))
    assert 'VISUAL' not in source.z['Z_DESC']
    assert {row['LINE']: row['LBDA_OBS'] for row in source.lines}['OIII5008'] == pytest.approx(
        5006.84 * (1 + Z), abs=1
    )


@pytest.mark.long
def test_the_knots_of_abell_478_have_its_redshift(tmp_path):
    # The sky of two knots has as much gas as they have: without it subtracted, all have lines.
    folders.make_abell(tmp_path)
    param = (tmp_path / 'param.py').read_text()
    more = 'SKY_SUB = False\nREDSHIFT = True\nIMG = ()\nNARROWBAND = ()\nPLOTS = False\nREPORT = False\nXCOR = False\n'
    (tmp_path / 'param.py').write_text(param + more)
    assert main([str(tmp_path), '-q']) == 0
    table = Table.read(tmp_path / 'output' / 'summary.ecsv')
    assert len(table) == 8
    assert (np.abs(table['Z'] - 0.0858) < 4e-4).all()
    assert (table['ZPROB'] > 0.95).all()
    # Two are beside brighter knots, whose light may be all that shows the redshift.
    assert np.sum(table['ZQUAL'] == 3) >= 6


def test_without_redshift_there_is_no_catalogue_of_redshifts(own):
    with (own.parent / 'param.py').open('a') as file:
        file.write('REDSHIFT = False\n')
    assert main([str(own.parent), '-q', '--resume']) == 0
    assert not (own / 'redshifts.ecsv').exists()
    assert not [*own.rglob('*_REDSHIFT.jpg')]
    assert 'QOP' not in Table.read(own / 'marz.fits', hdu='FIBRES').colnames
