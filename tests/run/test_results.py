"""The summary of a run: a row for every source, whatever becomes of it, in every kind of run."""

import re
import time
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders import DEC, PIXEL, PLAIN, RA, with_hole

from autospec_lib import pipeline
from autospec_lib.cli.command import main
from autospec_lib.config.params import Params
from autospec_lib.core.errors import OutputError
from autospec_lib.core.types import Grid, Target
from autospec_lib.output import summary
from autospec_lib.run import results as listener
from autospec_lib.run.closing_sentence import sentence
from autospec_lib.run.job import Job
from autospec_lib.run.results import Outcome, Results


@pytest.fixture
def four(folder):
    """The working folder with four sources, not in the order of their IDs; 9 lies where the cube is
    NaN."""
    rows = [f'{n} {RA - dx * PIXEL / 3600:.7f} {DEC:.7f}\n' for n, dx in ((5, 0), (3, 1), (4, 2))]
    rows.insert(1, f'9 {with_hole(folder)}\n')
    (folder / 'catalog.txt').write_text(''.join(rows))
    return folder


def table_of(folder):
    return Table.read(folder / 'output' / 'summary.ecsv')


def stated(folder):
    return dict(zip(*(table_of(folder)[name].tolist() for name in ('ID', 'STATUS')), strict=True))


def without(table, *names):
    """The rows as dictionaries without some columns, masked values as None."""
    return [
        {
            name: None if np.ma.is_masked(row[name]) else row[name]
            for name in table.colnames
            if name not in names
        }
        for row in table
    ]


@pytest.mark.parametrize('cores', ['1', '2'])
@pytest.mark.filterwarnings('ignore::DeprecationWarning')  # from Python 3.12 on, of forking
def test_every_source_has_its_row_in_the_order_of_the_catalogue(four, cores):
    assert main([str(four), '-q', '--cores', cores]) == 1
    table = table_of(four)
    assert table['ID'].tolist() == [5, 9, 3, 4]
    assert table['STATUS'].tolist() == ['extracted', 'failed', 'extracted', 'extracted']
    assert table['FILE'].tolist() == ['Source_5.fits', None, 'Source_3.fits', 'Source_4.fits']
    assert table['ERROR'][1].startswith('no usable voxel in its subcube')
    with fits.open(four / 'output' / 'Source_3.fits') as hdus:
        cards, total = hdus[0].header, hdus['SPE_MUSE_TOT_SKYSUB_DATA'].data
    row = table[2]
    assert (row['MASK'], row['MASK_NPIX'], row['FINGERPRINT']) == (
        cards['OBJMASK'],
        cards['OBJNPIX'],
        cards['FPRINT'],
    )
    assert row['FLUX_MUSE_TOT'] == pytest.approx(np.median(total), rel=1e-5)
    assert (table['SECONDS'] >= 0).all()
    assert len(Table.read(four / 'output' / 'summary.fits')) == 4


def test_kept_sources_keep_their_rows(four, ran):
    ran(four, 1)
    before = table_of(four)
    assert main([str(four), '-q', '--resume']) == 1
    assert stated(four) == {5: 'kept', 9: 'failed', 3: 'kept', 4: 'kept'}
    kept = [0, 2, 3]
    assert without(table_of(four)[kept], 'STATUS') == without(before[kept], 'STATUS')


@pytest.mark.long
@pytest.mark.parametrize('prefix', ['', 'KCWI'])
def test_a_source_that_the_summary_does_not_know_is_measured_in_its_file(four, prefix, ran):
    with (four / 'param.py').open('a') as file:
        file.write(f'APER = 0.6\nDEBLEND = True\nPREFIX = {prefix!r}\n')
    ran(four, 1)
    before = table_of(four)
    assert {f'SN_{prefix or "MUSE"}_TOT', f'SN_{prefix or "MUSE"}_APER_0.6', 'SN_DEBLEND'} < {
        *before.colnames
    }
    assert not before['MAG_WHITE'].mask[[0, 2, 3]].any()
    assert not before['FWHM_WHITE'].mask[[0, 2, 3]].any()
    (four / 'output' / 'summary.ecsv').unlink()
    assert main([str(four), '-q', '--resume']) == 1
    after = table_of(four)
    for name in set(after.colnames) - {'SECONDS', 'STATUS'}:
        if after[name].dtype.kind == 'f':
            np.testing.assert_array_equal(
                np.ma.filled(after[name], np.nan), np.ma.filled(before[name], np.nan), err_msg=name
            )
        else:
            assert list(after[name]) == list(before[name])
    assert stated(four)[5] == 'kept'


def test_rows_of_sources_that_are_not_chosen_stay(four, ran):
    ran(four, 1)
    before = table_of(four)
    with (four / 'param.py').open('a') as file:
        file.write('APER = 0.6\n')
    assert main([str(four), '-q', '--id', '3']) == 0
    after = table_of(four)
    names = before.colnames
    assert without(after[names][[0, 1, 3]]) == without(before[[0, 1, 3]])
    assert after['SN_MUSE_APER_0.6'].mask.tolist() == [True, True, False, True]
    assert after['FINGERPRINT'][2] != before['FINGERPRINT'][2]


def test_a_row_that_its_file_has_outlived_is_measured_again(four, ran):
    ran(four, 1)
    old = (four / 'output' / 'summary.ecsv').read_text()
    with (four / 'param.py').open('a') as file:
        file.write('SIZE = 2.4\n')
    assert main([str(four), '-q', '--id', '3', '4']) == 0
    now = table_of(four)
    # As of a run that was killed before it wrote its own.
    (four / 'output' / 'summary.ecsv').write_text(old)
    (four / 'output' / 'Source_4.fits').unlink()
    assert main([str(four), '-q', '--id', '5']) == 0
    table = table_of(four)
    assert stated(four) == {5: 'extracted', 9: 'failed', 3: 'kept', 4: 'not reached'}
    assert table['FINGERPRINT'][2] == now['FINGERPRINT'][2]
    assert table['FLUX_MUSE_TOT'][2] == pytest.approx(now['FLUX_MUSE_TOT'][2], rel=1e-4)


@pytest.mark.parametrize(
    'text',
    ['', 'not a table', '# %ECSV 1.0\n# ---\n# datatype:\n# - {name: x, datatype: int64}\nx\n1\n'],
)
def test_a_summary_that_cannot_be_read_is_written_anew(four, text, ran):
    ran(four, 1)
    (four / 'output' / 'summary.ecsv').write_text(text)
    assert main([str(four), '-q', '--id', '3']) == 0
    assert stated(four) == {5: 'kept', 9: 'not reached', 3: 'extracted', 4: 'kept'}


@pytest.mark.parametrize('options', [[], ['--resume']])
def test_a_source_whose_file_is_removed_during_the_run_is_not_counted(
    four, monkeypatch, capsys, options
):
    assert main([str(four), '-q', '--id', '5']) == 0
    process = pipeline.process

    def removing(cutout, params, sex):
        if cutout.target.id == 4:
            (four / 'output' / 'Source_5.fits').unlink()
        return process(cutout, params, sex)

    monkeypatch.setattr(pipeline, 'process', removing)
    assert main([str(four), '-q', *options]) == 1
    assert stated(four) == {5: 'failed', 9: 'failed', 3: 'extracted', 4: 'extracted'}
    said = capsys.readouterr().err
    assert re.search(r'5: Error, .*removed during the run.*--resume', said)
    assert '2 of 4 sources extracted; 2 failed (5, 9)' in said
    monkeypatch.undo()
    assert main([str(four), '-q', '--resume']) == 1
    assert stated(four) == {5: 'extracted', 9: 'failed', 3: 'kept', 4: 'kept'}


def test_an_interrupted_run_leaves_the_rows_of_what_is_done(four, monkeypatch):
    process = pipeline.process

    def interrupted(cutout, params, sex):
        if cutout.target.id == 3:
            raise KeyboardInterrupt
        return process(cutout, params, sex)

    monkeypatch.setattr(pipeline, 'process', interrupted)
    assert main([str(four), '-q']) == 130
    assert stated(four) == {5: 'extracted', 9: 'failed', 3: 'not reached', 4: 'not reached'}


def test_a_killed_run_leaves_what_was_written_on_the_way(four, monkeypatch):
    seen = []
    process = pipeline.process

    def looking(cutout, params, sex):
        seen.append(stated(four))
        return process(cutout, params, sex)

    monkeypatch.setattr(pipeline, 'process', looking)
    monkeypatch.setattr(listener, 'INTERVAL', 0.0)
    monkeypatch.setattr(listener, 'SHARE', 1e9)
    assert main([str(four), '-q']) == 1
    assert set(seen[0].values()) == {'not reached'}
    assert seen[-1] == {5: 'extracted', 9: 'failed', 3: 'extracted', 4: 'not reached'}


def hearing(folder, number, **outlets):
    """The results of a run with so many sources, of which none is done yet; its folder need not
    exist."""
    targets = [Target(n, 0.0, 0.0, 1.0) for n in range(number)]
    job = Job(folder, Params(), PLAIN, SimpleNamespace(grid=Grid({}, {})), catalogue=tuple(targets))
    return Results(job, targets, **outlets)


@pytest.mark.parametrize(
    ('total', 'outcomes', 'words', 'numbers', 'code'),
    [
        (1, [Outcome(0, 0.1)], '', [1, 1], 0),
        (2, [Outcome(0, 0.1), Outcome(1, 0.1, error='x')], 'failed', [1, 2, 1, 1], 1),
        (3, [Outcome(0, 0.1, ('n',))], 'notes not reached', [1, 3, 1, 0, 2], 1),
        (
            12,
            [Outcome(n, 0.1, error='x') for n in range(12)],
            'failed',
            [0, 12, 12, *range(10), 2],
            1,
        ),
        (2, [Outcome(1, 0.1, kept=True), Outcome(0, 0.1)], 'earlier', [2, 2, 1], 0),
    ],
)
def test_sentence_and_exit_code_follow_from_the_outcomes(
    tmp_path, total, outcomes, words, numbers, code
):
    """Numbers: how many of how many are extracted, by an earlier run, failed (IDs), with notes
    (IDs), not reached."""
    results = hearing(tmp_path, total)
    for outcome in outcomes:
        results.add(outcome)
    assert [int(number) for number in re.findall(r'\d+', sentence(results))] == numbers
    for word in ('failed', 'notes', 'not reached', 'earlier'):
        assert (word in sentence(results)) == (word in words)
    assert sentence(results, on_all=True) == sentence(results)
    assert results.exit_code == code
    assert results.bugs == 0


def test_the_sentence_of_a_run_is_about_its_own_sources(tmp_path):
    targets = [Target(n, 0.0, 0.0, 1.0) for n in range(3)]
    job = Job(
        tmp_path, Params(), PLAIN, SimpleNamespace(grid=Grid({}, {})), catalogue=tuple(targets)
    )
    results = Results(job, targets[:1])
    results.add(Outcome(0, 0.1))
    assert re.findall(r'\d+', sentence(results)) == ['1', '1']
    assert re.findall(r'\d+', sentence(results, on_all=True)) == ['1', '3', '2']
    assert results.exit_code == 0


def test_only_failures_with_a_traceback_are_bugs(tmp_path):
    results = hearing(tmp_path, 3)
    results.add(Outcome(0, 0.1, error='bug: KeyError', trace='Traceback'))
    results.add(Outcome(1, 0.1, error='outside the cube'))
    results.add(Outcome(2, 0.1, ('plots failed',), trace='Traceback'))
    assert results.bugs == 1


def test_writing_on_the_way_takes_a_small_part_of_the_time(monkeypatch, tmp_path):
    clock, writes = [0.0], []

    def write(_):
        clock[0] += 0.5
        writes.append(clock[0])

    monkeypatch.setattr(time, 'monotonic', lambda: clock[0])
    heard = []
    results = hearing(tmp_path, 1000, on_outcome=[heard.append], files=[write])
    results.write()
    for ident in results.rows:
        clock[0] += 1.0
        results.add(Outcome(ident, 1.0, error='none'))
    assert [outcome.ident for outcome in heard] == [*results.rows]
    assert len(writes) > 5
    assert 0.5 * len(writes) <= 1.1 * listener.SHARE * clock[0]


def test_after_an_interruption_each_file_is_written_that_can_be(tmp_path):
    written = []

    def full(_):
        raise OutputError('the disk is full')

    results = hearing(
        tmp_path, 2, files=[full, lambda results: written.append((results.state, results.why))]
    )
    results.finish('stopped')
    assert written == [('interrupted', 'stopped')]
    with pytest.raises(OutputError):
        results.finish()


def test_a_thousand_rows_are_written_fast(tmp_path):
    row = {'STATUS': 'extracted', 'NOTES': 'a note of some length ' * 3, 'FILE': 'Source_1.fits'}
    row |= {f'{kind}_SPECTRUM_{n}': 1.5 for n in range(12) for kind in ('SN', 'FLUX')}
    rows = [{'ID': n, 'RA': 1.0 * n, 'DEC': 0.1 * n, **row} for n in range(1000)]
    summary.write(tmp_path, rows[:1], '')
    start = time.process_time()
    summary.write(tmp_path, rows, '')
    assert time.process_time() - start < 1.5


def test_an_input_under_the_name_of_the_summary_is_not_written_over(four, capsys):
    (four / 'output').mkdir()
    (four / 'datacube.fits').rename(four / 'output' / 'summary.fits')
    with (four / 'param.py').open('a') as file:
        file.write("DATACUBE = 'output/summary.fits'\n")
    assert main([str(four)]) == 2
    assert 'summary.fits: is the input output/summary.fits' in capsys.readouterr().err
