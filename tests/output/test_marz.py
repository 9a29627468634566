"""The file for MARZ field by field, the redshifts that come back, and the command that does
both."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from builders import DEC, NL, PIXEL, RA, STEP, WAVE0, with_hole
from numpy.testing import assert_allclose, assert_array_equal

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Grid, Measured
from autospec_lib.inputs import marz_results
from autospec_lib.output import marz, source_file
from autospec_lib.output.redshift_catalogue import Counting

LENGTH = 200
WAVE = np.linspace(4750.0, 9350.0, LENGTH)
CGS = 'erg s-1 cm-2 Angstrom-1'


def flat(level=100.0, sigma=3.0, unit=f'10**-20 {CGS}', seed=1):
    """A noisy spectrum of constant flux."""
    noise = np.random.default_rng(seed).normal(size=LENGTH)
    return Measured(level + sigma * noise, np.full(LENGTH, sigma**2), unit)


def written(folder, *spectra, wave=WAVE, wave_unit='Angstrom', medium='air'):
    """The open file with these spectra, as sources 1, 2, ..."""
    entries = [
        marz.Entry(str(n), 10.0 * n, -2.0 * n, 20.5, 'MUSE_WHITE', one)
        for n, one in enumerate(spectra, 1)
    ]
    marz.write(
        folder / 'marz.fits', entries, wave, Grid({}, {}, wave_unit=wave_unit, medium=medium)
    )
    return fits.open(folder / 'marz.fits', memmap=False)


def acceptable(hdus):
    """What MARZ takes without replacing anything."""
    flux, variance = hdus[0].data, hdus['VARIANCE'].data
    assert flux.shape == variance.shape
    assert np.isfinite(flux).all()
    assert np.isfinite(variance).all()
    assert (variance > 0).all()
    assert flux.max() < 1e6
    assert flux.min() > -1e4


def test_the_layout_is_that_of_the_loader(tmp_path):
    one, two = flat(), flat(50.0, seed=2)
    with written(tmp_path, one, two) as hdus:
        assert [hdu.name for hdu in hdus] == ['PRIMARY', 'VARIANCE', 'WAVELENGTH', 'FIBRES']
        acceptable(hdus)
        assert hdus[0].data.shape == (2, LENGTH)
        assert hdus[0].header['BITPIX'] == hdus['VARIANCE'].header['BITPIX'] == -32
        assert hdus[0].header['VACUUM'] is False
        assert_allclose(hdus[0].data, [one.data, two.data], rtol=1e-6)
        assert_allclose(hdus['VARIANCE'].data, 9, rtol=1e-6)
        assert_allclose(hdus['WAVELENGTH'].data, WAVE, rtol=1e-12)
        fibres = hdus['FIBRES']
        formats = dict(zip(fibres.columns.names, fibres.columns.formats, strict=True))
        assert formats == {
            'NAME': '1A',
            'RA': 'D',
            'DEC': 'D',
            'TYPE': '1A',
            'MAGNITUDE': 'D',
            'COMMENT': '10A',
            'SCALE': 'D',
        }
        assert fibres.data['NAME'].tolist() == ['1', '2']
        assert fibres.data['TYPE'].tolist() == ['P', 'P']
        assert_allclose(fibres.data['RA'], np.radians([10.0, 20.0]))
        assert_allclose(fibres.data['DEC'], np.radians([-2.0, -4.0]))
        assert_allclose(fibres.data['MAGNITUDE'], 20.5)
        assert_allclose(fibres.data['SCALE'], 1.0)


@pytest.mark.parametrize(
    ('one', 'p', 'quality'),
    [
        (Counting(0.4, 1e-4, 'AUTOSPEC', 3, 'gal'), 0.99, 4),
        (Counting(0.4, 1e-4, 'AUTOSPEC', 3, 'gal'), 0.989, 3),
        (Counting(0.4, 1e-4, 'AUTOSPEC', 1, 'gal'), 0.999, 2),
        (Counting(0.0, 1e-4, 'AUTOSPEC', 3, 'star'), 0.96, 6),
        (Counting(0.4, None, 'VISUAL', 3, 'gal'), 0.2, 4),
        (Counting(0.4, None, 'VISUAL', 2, 'gal'), 0.99, 3),
        (Counting(0.4, None, 'VISUAL', 1, 'LAE'), None, 2),
        (Counting(0.0, None, 'VISUAL', 2, 'star'), None, 6),
        (Counting(), 0.8, 1),
        (Counting(origin='VISUAL'), 0.99, 1),
    ],
)
def test_the_quality_in_marz_follows_from_probability_or_verdict(one, p, quality):
    entry = marz.Entry('1', 10.0, 2.0, None, 'MUSE_WHITE', flat(), one, p)
    assert entry.quality == quality
    assert entry.comment.split()[0] == 'MUSE_WHITE'
    assert (f'QOP={quality}' in entry.comment.split()) == (one.z is not None)


@pytest.mark.parametrize(('medium', 'vacuum'), [('air', False), ('vacuum', True), ('', False)])
def test_wavelengths_are_in_air_or_in_vacuum(tmp_path, medium, vacuum):
    with written(tmp_path, flat(), medium=medium) as hdus:
        assert hdus[0].header['VACUUM'] is vacuum


@pytest.mark.parametrize(
    ('wave', 'unit'), [(WAVE / 1e4, 'um'), (WAVE / 10, 'nm'), (WAVE[::-1], 'Angstrom')]
)
def test_wavelengths_are_ascending_and_in_angstrom(tmp_path, wave, unit):
    ramp = Measured(np.arange(1.0, LENGTH + 1), np.arange(1.0, LENGTH + 1) ** 2, f'10**-20 {CGS}')
    with written(tmp_path, ramp, wave=wave, wave_unit=unit) as hdus:
        found = hdus['WAVELENGTH'].data
        assert (np.diff(found) > 0).all()
        assert_allclose(found, WAVE, rtol=1e-12)
        assert_allclose(
            hdus[0].data[0], ramp.data[::-1] if wave[0] > wave[-1] else ramp.data, rtol=1e-6
        )
        assert_allclose(hdus['VARIANCE'].data, hdus[0].data ** 2, rtol=1e-5)


@pytest.mark.parametrize(
    'unit', [CGS, 'W m-2 um-1', '10**-17 erg s-1 cm-2 Angstrom-1', 'Jy', 'uJy']
)
def test_fluxes_are_in_units_of_1e_20(tmp_path, unit):
    per = units.spectral_density(WAVE * units.Angstrom)
    true = (
        (np.linspace(50, 200, LENGTH) * 1e-20 * units.Unit(CGS)).to(unit, equivalencies=per).value
    )
    with written(tmp_path, Measured(true, (0.1 * true) ** 2, unit)) as hdus:
        assert_allclose(hdus[0].data[0], np.linspace(50, 200, LENGTH), rtol=1e-5)
        assert_allclose(hdus['VARIANCE'].data[0], np.linspace(5, 20, LENGTH) ** 2, rtol=1e-5)


@pytest.mark.parametrize('level', [1e-30, 1e-18, 1e-4, 1.0, 1e5, 1e7, 1e20, -1e6])
@pytest.mark.parametrize('unit', ['', 'adu', f'10**-20 {CGS}', 'MJy sr-1'])
def test_fluxes_of_any_size_come_within_its_limits(tmp_path, level, unit):
    spectrum = flat(level, abs(level) / 10, unit)
    with written(tmp_path, spectrum) as hdus:
        acceptable(hdus)
        scale = hdus['FIBRES'].data['SCALE'][0]
        assert_allclose(hdus[0].data[0] / scale, spectrum.data, rtol=1e-5)
        ratio = spectrum.data / np.sqrt(spectrum.variance)
        assert_allclose(hdus[0].data[0] / np.sqrt(hdus['VARIANCE'].data[0]), ratio, rtol=1e-5)


def test_gaps_are_bridged_and_weigh_nothing(tmp_path):
    data, variance = 100 + 2.0 * np.arange(LENGTH), np.full(LENGTH, 9.0)
    data[50:60], variance[100], variance[110], variance[0] = np.nan, np.inf, 0.0, np.nan
    with written(
        tmp_path, Measured(data, variance, f'10**-20 {CGS}'), Measured(data * np.nan, variance)
    ) as hdus:
        acceptable(hdus)
        line = 100 + 2.0 * np.arange(LENGTH)
        line[0] = line[1]
        assert_allclose(hdus[0].data[0], line, rtol=1e-6)
        gap = np.isin(np.arange(LENGTH), [0, *range(50, 60), 100, 110])
        assert_array_equal(hdus['VARIANCE'].data[0] > 1e4, gap)


def test_without_variance_it_is_the_scatter(tmp_path):
    sharp = Measured(flat(100.0, 3.0).data + 0.5 * np.arange(LENGTH), None, f'10**-20 {CGS}')
    with written(tmp_path, sharp, Measured(np.full(LENGTH, 5.0))) as hdus:
        acceptable(hdus)
        assert_allclose(np.sqrt(hdus['VARIANCE'].data[0]), 3.0, rtol=0.2)


def test_a_magnitude_that_is_not_known_is_a_number(tmp_path):
    entry = marz.Entry('7', 1.0, 2.0, None, 'MUSE_WHITE', flat())
    marz.write(tmp_path / 'marz.fits', [entry], WAVE, Grid({}, {}))
    assert fits.getdata(tmp_path / 'marz.fits', 'FIBRES')['MAGNITUDE'][0] == 99


HEADER = (
    '# Results generated by me for file [[marz]] at today, now (JSON: "x") at version {{1.3.9}}\n'
    '# Redshift quality > 2 for 1 out of 2 targets\n'
)
AUTO = HEADER + (
    '#ID  ,  Name,  RA      ,  Mag  ,  AutoTID,  AutoTN                   ,  AutoZ  ,  QOP,  Comment\n'
    ' 0001,  3   ,  1.105773,  21.77,  8      ,  Late Type Emission Galaxy,  0.08581,  4  ,         \n'
    ' 0002,  77  ,  1.105760,       ,  8      ,  Late Type Emission Galaxy,  0.08570,  1  ,  so so  \n'
)
FINAL = HEADER + (
    '#ID  ,  Name,  RA      ,  AutoTID,  AutoTN,  AutoZ  ,  FinTID,  FinTN ,  FinZ   ,  QOP,  Comment\n'
    ' 0001,  3   ,  1.105773,  8      ,  Late  ,  0.08581,  12    ,  Quasar,  2.10000,  4  ,  # 1 of 2\n'
    ' 0002,  5   ,  1.105773,  8      ,  Late  ,  0.08581,  0     ,        ,  0.00000,  6  ,  \n'
)  # fmt: skip


def test_what_marz_saves_is_read(tmp_path):
    (tmp_path / 'x.mz').write_text(AUTO)
    found = marz_results.read(tmp_path / 'x.mz')
    assert found['3'] == marz_results.Redshift(0.08581, 4, 'Late Type Emission Galaxy', '')
    assert found['77'] == marz_results.Redshift(0.0857, 1, 'Late Type Emission Galaxy', 'so so')


def test_the_users_redshift_counts_before_the_automatic_one(tmp_path):
    (tmp_path / 'x.mz').write_text(FINAL)
    found = marz_results.read(tmp_path / 'x.mz')
    assert found == {
        '3': marz_results.Redshift(2.1, 4, 'Quasar', '# 1 of 2'),
        '5': marz_results.Redshift(0.0, 6, '', ''),
    }


@pytest.mark.parametrize('comment', ['"blue" knot', '"so so', "'so so", '5" away', '# 2'])
def test_comments_are_as_they_were_typed(tmp_path, comment):
    """MARZ quotes nothing; an editor may have put a mark at the beginning of the file."""
    rows = [*AUTO.splitlines(), AUTO.splitlines()[-1].replace('77', '78')]
    (tmp_path / 'x.mz').write_text(
        '\ufeff' + '\n'.join(rows).replace('so so', comment), encoding='utf-8'
    )
    found = marz_results.read(tmp_path / 'x.mz')
    assert [*found] == ['3', '77', '78']
    assert found['77'].comment == found['78'].comment == comment


@pytest.mark.parametrize('z', ['NaN', 'Infinity', '1e400'])
def test_what_is_no_finite_redshift_is_none(tmp_path, z):
    (tmp_path / 'x.mz').write_text(AUTO.replace('0.08581', z))
    assert marz_results.read(tmp_path / 'x.mz')['3'].z is None


def test_a_file_that_is_cut_is_told_from_one_of_another_kind(tmp_path):
    (tmp_path / 'x.mz').write_text(AUTO[:-40])
    with pytest.raises(InputError, match=r'x\.mz: a row has .* save it in MARZ again'):
        marz_results.read(tmp_path / 'x.mz')


@pytest.mark.parametrize(
    'content',
    [
        b'',
        b'\xff\xfe\0',
        b'ID,Name\n1,2\n',
        AUTO.replace('AutoZ', 'Redshift').encode(),
        AUTO.replace('0.08581', 'much').encode(),
        AUTO.replace('  4  ,', '  ?  ,').encode(),
        AUTO.replace('  4  ,', f'  {10**20}  ,').encode(),
        AUTO.replace('QOP', 'Q').encode(),
        None,
    ],
)
def test_another_file_is_named_in_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / 'x.mz').write_bytes(content)
    with pytest.raises(InputError, match=r'x\.mz: .*expected a \.mz file of MARZ') as caught:
        marz_results.read(tmp_path / 'x.mz')
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def three(folder):
    """The working folder with three sources, one where the cube is NaN, and MARZ = True."""
    rows = [f'{n} {RA - dx * PIXEL / 3600:.7f} {DEC:.7f}\n' for n, dx in ((5, 0), (3, 1))]
    rows.insert(1, f'9 {with_hole(folder)}\n')
    (folder / 'catalog.txt').write_text(''.join(rows))
    with (folder / 'param.py').open('a') as file:
        file.write('MARZ = True\n')
    return folder


def listed(folder):
    return fits.getdata(folder / 'output' / 'marz.fits', 'FIBRES')['NAME'].tolist()


def test_the_command_writes_a_row_for_each_source_that_is_extracted(three, ran):
    ran(three, 1)
    with fits.open(three / 'output' / 'marz.fits') as hdus:
        acceptable(hdus)
        assert hdus['FIBRES'].data['NAME'].tolist() == ['5', '3']
        assert_allclose(hdus['FIBRES'].data['RA'], np.radians([RA, RA - PIXEL / 3600]), atol=1e-9)
        assert hdus['FIBRES'].data['COMMENT'][0] == 'MUSE_WHITE_SKYSUB'
        assert_allclose(hdus['WAVELENGTH'].data, WAVE0 + STEP * np.arange(NL))
        assert_array_equal(
            hdus[0].data[1],
            fits.getdata(three / 'output' / 'Source_3.fits', 'SPE_MUSE_WHITE_SKYSUB_DATA'),
        )


@pytest.mark.parametrize('out_spec', [True, False])
def test_the_joint_extraction_goes_first_and_is_in_every_output(three, out_spec):
    with (three / 'param.py').open('a') as file:
        file.write(
            f'DEBLEND = True\nPSF = 0.94\nSIZE = 8\nREDSHIFT = True\nOUT_SPEC = {out_spec}\n'
        )
    assert main([str(three), '-q', '--id', '5']) == 0
    (comment,) = fits.getdata(three / 'output' / 'marz.fits', 'FIBRES')['COMMENT']
    assert comment.split()[0] == 'DEBLEND_SKYSUB'
    assert fits.getval(three / 'output' / 'Source_5.fits', 'ZSPEC') == 'DEBLEND_SKYSUB'
    best = Table.read(three / 'output' / 'summary.ecsv')['BEST'][0]
    assert best.startswith('DEBLEND: grade')
    flux = fits.getdata(three / 'output' / 'Source_5.fits', 'SPE_DEBLEND_SKYSUB_DATA')
    assert_array_equal(fits.getdata(three / 'output' / 'marz.fits')[0], flux)


def test_spectra_of_this_run_are_not_read_from_their_files(three, monkeypatch, ran):
    ran(three, 1)
    before = (three / 'output' / 'marz.fits').read_bytes()
    read, paths = source_file.read, []
    monkeypatch.setattr(
        source_file, 'read', lambda path, last: paths.append(path.name) or read(path, last)
    )
    assert main([str(three), '-q']) == 1
    assert paths == []
    assert (three / 'output' / 'marz.fits').read_bytes() == before
    assert main([str(three), '-q', '--resume']) == 1
    assert set(paths) == {'Source_5.fits', 'Source_3.fits'}
    assert (three / 'output' / 'marz.fits').read_bytes() == before


def test_resumed_and_chosen_sources_are_all_in_it(three):
    assert main([str(three), '-q', '--id', '3']) == 0
    assert listed(three) == ['3']
    assert main([str(three), '-q', '--resume']) == 1
    assert listed(three) == ['5', '3']
    assert main([str(three), '-q', '--id', '5']) == 0
    assert listed(three) == ['5', '3']
    with (three / 'param.py').open('a') as file:
        file.write('MARZ = False\n')
    assert main([str(three), '-q', '--resume']) == 1
    assert not (three / 'output' / 'marz.fits').exists()


def test_a_source_with_a_redshift_of_the_catalogue_is_in_it_as_well(three, ran):
    (three / 'catalog.txt').write_text(
        f'ID,RA,DEC,Z\n5,{RA},{DEC},0.3\n3,{RA - PIXEL / 3600:.7f},{DEC},\n'
    )
    ran(three)
    assert listed(three) == ['5', '3']
    fits.setval(three / 'output' / 'Source_5.fits', 'REFSPEC', value='GONE')
    (three / 'catalog.txt').write_text(f'3 {RA} {DEC}\n')
    assert main([str(three), '-q', '--id', '3']) == 0
    assert listed(three) == ['3']


def test_no_source_no_file(three):
    assert main([str(three), '-q', '--id', '9']) == 1
    assert not (three / 'output' / 'marz.fits').exists()


def redshifts(folder):
    table = Table.read(folder / 'output' / 'summary.ecsv')
    return (
        {}
        if 'Z_MARZ' not in table.colnames
        else dict(zip(table['ID'].tolist(), table['Z_MARZ'].tolist(), strict=True))
    )


def test_redshifts_come_into_the_summary_and_stay(three, tmp_path, capsys, ran):
    ran(three, 1)
    (tmp_path / 'x.mz').write_text(AUTO)
    capsys.readouterr()
    assert main([str(three), '--marz-results', str(tmp_path / 'x.mz')]) == 0
    said = capsys.readouterr()
    assert 'redshift of 1 source is in ' in said.out
    assert 'not in catalog.txt: 77' in said.err
    table = Table.read(three / 'output' / 'summary.ecsv')
    assert table['STATUS'].tolist() == ['extracted', 'failed', 'extracted']
    assert redshifts(three) == {5: None, 9: None, 3: 0.08581}
    assert table['QOP_MARZ'].tolist() == [None, None, 4]
    assert table['TEMPLATE_MARZ'][2] == 'Late Type Emission Galaxy'
    assert 'Z_MARZ' in Table.read(three / 'output' / 'summary.fits').colnames
    for options in (['--resume'], ['--id', '5'], []):
        main([str(three), '-q', *options])
        assert redshifts(three) == {5: None, 9: None, 3: 0.08581}
    (three / 'catalog.txt').write_text(f'3 {RA:.7f} {DEC:.7f}\n')  # another place: another object
    assert main([str(three), '-q']) == 0
    assert redshifts(three) == {}


def test_redshifts_from_another_file_are_a_fault_of_the_input(three, capsys):
    assert main([str(three), '--marz-results', str(three / 'param.py')]) == 2
    assert 'param.py: no columns Name' in capsys.readouterr().err
    assert not (three / 'output').exists()


@pytest.mark.skipif(
    not os.environ.get('AUTOSPEC_MARZ') or not shutil.which('node'), reason='needs MARZ and node'
)
def test_marz_itself_finds_the_redshift_of_the_demonstration(tmp_path):
    """With AUTOSPEC_MARZ = the folder of MARZ, in which ``npm install minimist q progress`` was
    run."""
    assert main(['--demo', str(tmp_path / 'demo'), '-q']) == 0
    with (tmp_path / 'demo' / 'param.py').open('a') as file:
        file.write('MARZ = True\n')
    assert main([str(tmp_path / 'demo'), '-q', '--resume']) == 0
    command = [
        'node',
        'autoMarz.js',
        str(tmp_path / 'demo' / 'output' / 'marz.fits'),
        '--outFile=x.mz',
        f'--dir={tmp_path}',
    ]
    subprocess.run(
        command, cwd=Path(os.environ['AUTOSPEC_MARZ']), check=True, capture_output=True, timeout=100
    )
    found = marz_results.read(tmp_path / 'x.mz')
    assert sorted(found, key=int) == [str(n) for n in range(1, 9)]
    assert all(abs(one.z - 0.0858) < 0.0003 and one.quality >= 3 for one in found.values())
