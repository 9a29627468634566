"""``--verdicts``: what people decided comes into every result, once, and stays there."""

import csv

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders import DEC, PIXEL, RA
from mpdaf.sdetect import Source

from autospec_lib.cli.command import main
from autospec_lib.run import feedback

HEAD = 'ID,RA,DEC,VERDICT,REDSHIFT,ORIGIN,QUALITY,CLASS,COMMENT,CHANGED'


@pytest.fixture
def three(folder, ran):
    """A folder with a finished run over three sources."""
    rows = [f'{n} {RA - dx * PIXEL / 3600:.7f} {DEC:.7f}\n' for n, dx in ((5, 0), (3, 1), (4, 2))]
    (folder / 'catalog.txt').write_text(''.join(rows))
    ran(folder)
    return folder


def saved(folder, *rows, name='saved.csv'):
    path = folder / name
    path.write_text('\n'.join((HEAD, *rows)) + '\n')
    return str(path)


def take(folder, *paths):
    return main(['--verdicts', *paths, str(folder), '-q'])


def rows_of(folder):
    table = Table.read(folder / 'output' / 'summary.ecsv')
    return {
        row['ID']: {
            name: None if np.ma.is_masked(row[name]) else row[name] for name in table.colnames
        }
        for row in table
    }


def visual(folder, ident):
    """The accepted redshifts in a source's file, by their names."""
    with fits.open(folder / 'output' / f'Source_{ident}.fits') as hdus:
        data = hdus['Z'].data if 'Z' in hdus else []
        return {row['Z_DESC']: row['Z'] for row in data if row['Z_DESC'].startswith('VISUAL')}


def test_a_verdict_is_in_summary_file_and_folder(three):
    row = '5,,,good,0.42,Z_CATALOG,3,galaxy,"two, words",2026-01-01T00:00:00Z'
    assert take(three, saved(three, row, '3,,,bad,,,,,,')) == 0
    rows = rows_of(three)
    names = (
        'VERDICT',
        'Z_VISUAL',
        'ZQUAL_VISUAL',
        'CLASS_VISUAL',
        'ORIGIN_VISUAL',
        'COMMENT_VISUAL',
    )
    assert [rows[5][name] for name in names] == [
        'good',
        0.42,
        3,
        'galaxy',
        'Z_CATALOG',
        'two, words',
    ]
    assert (rows[3]['VERDICT'], rows[3]['Z_VISUAL'], rows[4]['Z_VISUAL']) == ('bad', None, None)
    assert rows[5]['STATUS'] == 'extracted'
    counting = Table.read(three / 'output' / 'redshifts.ecsv')
    assert counting['Z'].tolist() == [0.42, None, None]
    assert counting['Z_FROM'].tolist() == ['VISUAL', 'VISUAL', None]
    assert counting['QUALITY'].tolist() == [3, 0, 0]
    assert visual(three, 5) == {'VISUAL': 0.42}
    assert visual(three, 3) == {}
    with (three / 'output' / 'verdicts.csv').open() as file:
        assert [row['ID'] for row in csv.DictReader(file)] == ['5', '3']


def test_only_the_table_of_redshifts_of_a_file_changes(three):
    path = three / 'output' / 'Source_5.fits'
    with fits.open(path, memmap=False) as hdus:
        before = {hdu.name: (str(hdu.header), hdu.data.tobytes()) for hdu in hdus[1:]}
        names = [hdu.name for hdu in hdus]
    assert take(three, saved(three, '5,,,good,0.42,user,3,,,')) == 0
    with fits.open(path, memmap=False) as hdus:
        after = {
            hdu.name: (str(hdu.header), hdu.data.tobytes()) for hdu in hdus[1:] if hdu.name != 'Z'
        }
        assert after == before
        assert [hdu.name for hdu in hdus if hdu.name != 'Z'] == names
        hdus.verify('exception')
    source = Source.from_file(str(path))
    assert source.z['Z_DESC'].tolist() == ['VISUAL']
    assert main([str(three), '-q', '--resume']) == 0
    assert rows_of(three)[5]['STATUS'] == 'kept'


def test_loading_twice_changes_nothing_and_another_file_changes_its_own_sources(three):
    first = saved(three, '5,,,good,0.42,user,3,,,', '3,,,doubtful,1.1,user,1,,,')
    assert take(three, first) == 0
    before, content = rows_of(three), (three / 'output' / 'Source_5.fits').read_bytes()
    assert take(three, first) == 0
    assert rows_of(three) == before
    assert (three / 'output' / 'Source_5.fits').read_bytes() == content
    assert take(three, saved(three, '5,,,good,0.5,user,2,,,')) == 0
    rows = rows_of(three)
    assert (rows[5]['Z_VISUAL'], rows[3]['Z_VISUAL']) == (0.5, 1.1)
    assert visual(three, 5) == {'VISUAL': 0.5}


@pytest.mark.parametrize('resume', [[], ['--resume']])
def test_verdicts_stay_through_later_runs(three, resume):
    assert take(three, saved(three, '5,,,good,0.42,user,3,star,,')) == 0
    (three / 'output' / 'summary.ecsv').unlink()
    assert main([str(three), '-q', *resume]) == 0
    assert rows_of(three)[5]['Z_VISUAL'] == 0.42
    assert visual(three, 5) == {'VISUAL': 0.42}


def test_where_two_people_differ_both_redshifts_are_kept_and_said(three, capsys):
    anna = saved(three, '5,,,good,0.42,user,3,,,', '3,,,good,0.3,user,3,,,', name='anna.csv')
    ben = saved(three, '5,,,good,1.4,user,3,,,', '3,,,good,0.3,user,2,,,', name='ben.csv')
    assert main(['--verdicts', anna, ben, str(three)]) == 0
    warned = capsys.readouterr().err
    assert all(fact in warned for fact in ('source 5', 'source 3', 'anna.csv', 'ben.csv', '1.4'))
    assert visual(three, 5) == {'VISUAL': 0.42, 'VISUAL_2': 1.4}
    rows = rows_of(three)
    assert (rows[5]['Z_VISUAL'], rows[3]['Z_VISUAL'], rows[3]['ZQUAL_VISUAL']) == (None, 0.3, 2)
    assert 'ben.csv' in rows[5]['DIFFERS_VISUAL']


def test_a_redshift_that_another_person_denies_is_not_in_the_file(three):
    anna = saved(three, '5,,,good,0.42,user,3,,,', name='anna.csv')
    assert take(three, anna) == 0
    assert take(three, anna, saved(three, '5,,,bad,,,0,,,', name='ben.csv')) == 0
    assert visual(three, 5) == {}
    assert rows_of(three)[5]['Z_VISUAL'] is None


@pytest.mark.parametrize('options', [[], ['-q']])
def test_unknown_sources_and_those_elsewhere_are_named_and_left_out(three, capsys, options):
    rows = f'77,{RA},{DEC},good,0.4,user,3,,,', f'5,{RA + 0.01},{DEC},good,0.4,user,3,,,'
    assert main(['--verdicts', saved(three, *rows), str(three), *options]) == 0
    warned = capsys.readouterr().err.splitlines()
    assert any('77' in line and 'catalog.txt' in line for line in warned)
    assert any('5' in line and 'arcsec' in line for line in warned)
    assert visual(three, 5) == {}


def test_a_faulty_file_changes_nothing(three, capsys):
    before = {path.name: path.read_bytes() for path in (three / 'output').glob('*.*')}
    assert take(three, saved(three, '5,,,good,0.42,user,3,,,', '3,,,good,x,user,3,,,')) == 2
    told = capsys.readouterr().err
    assert all(fact in told for fact in ('saved.csv', 'row 2', 'ID 3', 'REDSHIFT'))
    assert {path.name: path.read_bytes() for path in (three / 'output').glob('*.*')} == before


def test_a_folder_without_results_keeps_the_verdicts_for_its_first_run(folder):
    (folder / 'catalog.txt').write_text(f'5 {RA} {DEC}\n')
    assert take(folder, saved(folder, '5,,,good,0.42,user,3,,,')) == 0
    assert main([str(folder), '-q']) == 0
    assert visual(folder, 5) == {'VISUAL': 0.42}


@pytest.mark.parametrize('size', [0, 2880, 60000])
def test_a_truncated_file_of_a_source_is_named_and_the_others_have_their_verdicts(
    three, capsys, size
):
    broken = three / 'output' / 'Source_5.fits'
    broken.write_bytes(broken.read_bytes()[:size])
    rows = '5,,,good,0.42,user,3,,,', '4,,,good,1.1,user,3,,,'
    assert take(three, saved(three, *rows)) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert all(fact in told for fact in ('Source_5.fits', '--resume'))
    assert broken.stat().st_size == size
    assert visual(three, 4) == {'VISUAL': 1.1}
    assert rows_of(three)[5]['Z_VISUAL'] == 0.42
    assert main([str(three), '-q', '--resume']) == 0
    assert [rows_of(three)[ident]['STATUS'] for ident in (5, 4)] == ['extracted', 'kept']
    assert visual(three, 5) == {'VISUAL': 0.42}


def test_verdicts_on_sources_that_the_catalogue_lacks_today_are_kept(three):
    assert take(three, saved(three, '3,,,good,0.3,user,3,,,', '5,,,good,0.42,user,3,,,')) == 0
    rows = (three / 'catalog.txt').read_text().splitlines(keepends=True)
    (three / 'catalog.txt').write_text(rows[0])
    assert take(three, saved(three, '5,,,good,0.5,user,3,,,')) == 0
    (three / 'catalog.txt').write_text(''.join(rows))
    assert main([str(three), '-q']) == 0
    assert [rows_of(three)[ident]['Z_VISUAL'] for ident in (5, 3)] == [0.5, 0.3]


@pytest.mark.parametrize('options', [[], ['--resume'], ['--id', '4']])
def test_a_verdict_that_is_removed_from_the_folder_is_in_no_result(three, options):
    assert take(three, saved(three, '3,,,bad,,,,,,', '5,,,good,0.42,user,3,,,')) == 0
    stored = three / 'output' / 'verdicts.csv'
    kept = [line for line in stored.read_text().splitlines() if not line.startswith('3,')]
    stored.write_text('\n'.join(kept) + '\n')
    assert main([str(three), '-q', *options]) == 0
    rows = rows_of(three)
    assert [rows[ident]['VERDICT'] for ident in (5, 3, 4)] == ['good', None, None]
    assert (rows[5]['Z_VISUAL'], rows[5]['ZQUAL_VISUAL']) == (0.42, 3)
    table = Table.read(three / 'output' / 'redshifts.ecsv')
    assert dict(zip(table['ID'], table['Z_FROM'], strict=True))[5] == 'VISUAL'
    assert not any(row['Z_FROM'] == 'VISUAL' for row in table if row['ID'] == 3)


def test_a_verdict_on_the_source_that_had_an_id_before_is_not_used_and_not_lost(three, capsys):
    assert take(three, saved(three, '5,,,good,0.42,user,3,,,')) == 0
    rows = (three / 'catalog.txt').read_text().splitlines(keepends=True)
    (three / 'catalog.txt').write_text(f'5 {RA - 2 / 3600:.7f} {DEC:.7f}\n')
    assert main([str(three)]) == 0
    assert any(
        'verdicts.csv' in line and ': 5' in line for line in capsys.readouterr().err.splitlines()
    )
    assert visual(three, 5) == {}
    (three / 'catalog.txt').write_text(''.join(rows))
    assert main([str(three), '-q']) == 0
    assert visual(three, 5) == {'VISUAL': 0.42}


def test_each_file_has_its_own_positions(three):
    anna = saved(three, f'5,{RA + 0.01},{DEC},good,1.4,user,3,,,', name='anna.csv')
    ben = saved(three, f'5,{RA},{DEC},good,0.42,user,3,,,', name='ben.csv')
    assert take(three, anna, ben) == 0
    assert visual(three, 5) == {'VISUAL': 0.42}


def test_verdicts_that_another_call_writes_meanwhile_are_kept(three, monkeypatch):
    def late(folder):
        (folder / 'verdicts.csv').write_text(f'{HEAD}\n3,,,good,0.3,user,3,,,\n')
        return locked(folder)

    locked = feedback.locked
    monkeypatch.setattr(feedback, 'locked', late)
    assert take(three, saved(three, '5,,,good,0.42,user,3,,,')) == 0
    assert [rows_of(three)[ident]['Z_VISUAL'] for ident in (5, 3)] == [0.42, 0.3]


def test_verdicts_that_did_not_reach_a_file_come_into_it_with_resume(three):
    (three / 'output' / 'verdicts.csv').write_text(f'{HEAD}\n5,,,good,0.42,user,3,,,\n')
    assert main([str(three), '-q', '--resume']) == 0
    assert visual(three, 5) == {'VISUAL': 0.42}
    assert rows_of(three)[3]['STATUS'] == 'kept'


def test_a_redshift_that_somebody_denies_is_not_in_the_file_of_the_source(three):
    anna = saved(three, '5,,,good,0.42,user,3,,,', name='anna.csv')
    ben = saved(three, '5,,,bad,,,0,,,', name='ben.csv')
    assert take(three, anna, ben) == 0
    assert visual(three, 5) == {}
    assert '0.42' in (three / 'output' / 'verdicts.csv').read_text()


@pytest.mark.parametrize('options', [['--id', '5'], ['--radec', f'{RA} {DEC}']])
def test_verdicts_of_some_sources_only_are_refused(three, options, capsys):
    before = (three / 'output' / 'summary.ecsv').read_bytes()
    with pytest.raises(SystemExit) as end:
        main([str(three), '--verdicts', saved(three, '5,,,good,0.42,user,3,,,'), *options])
    assert end.value.code == 2
    assert options[0] in capsys.readouterr().err
    assert (three / 'output' / 'summary.ecsv').read_bytes() == before


def test_a_corrupted_file_of_a_source_is_named(three, capsys):
    broken = three / 'output' / 'Source_5.fits'
    content = broken.read_bytes()
    assert b"XTENSION= 'IMAGE" in content
    broken.write_bytes(content.replace(b"XTENSION= 'IMAGE", b"XTENSION= 'IM\0GE", 1))
    assert take(three, saved(three, '5,,,good,0.42,user,3,,,', '4,,,good,1.1,user,3,,,')) == 1
    assert 'Source_5.fits' in capsys.readouterr().err
    assert visual(three, 4) == {'VISUAL': 1.1}
