"""The report over the life of a run: begun, kept, broken off, resumed, switched off."""

import base64
import errno
import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import DEC, RA, with_hole
from report_reading import content, spectra_of

from autospec_lib.cli import main
from autospec_lib.inputs import cube
from autospec_lib.output.report import page, source_data
from autospec_lib.run import results, source

INSIDE = f'7 {RA:.7f} {DEC:.7f}\n8 {RA - 1 / 3600:.7f} {DEC:.7f}\n'


@pytest.fixture
def field(folder):
    """A working folder with two sources that are extracted and one where the cube is NaN."""
    (folder / 'catalog.txt').write_text(f'{INSIDE}9 {with_hole(folder)}\n')
    settings(folder, REPORT=True)
    return folder


def settings(folder, **values):
    """Add lines to param.py."""
    with (folder / 'param.py').open('a') as file:
        file.writelines(f'{name} = {value!r}\n' for name, value in values.items())


def table(folder):
    """The run as the page is told of it, and its rows as dictionaries."""
    name, held = content(folder / 'output' / 'report' / 'sources.js')
    assert name == page.TABLE_FUNCTION
    names = [column[0] for column in held['columns']]
    return (
        held['run'],
        [dict(zip(names, row, strict=True)) for row in held['rows']],
        held['previews'],
    )


def data_of(folder, ident):
    """What the page is told of a source."""
    return content(folder / 'output' / 'report' / 'data' / f'{ident}.js')[1]


def files(folder):
    """What lies in the report's folder for the sources."""
    return sorted(path.name for path in (folder / 'output' / 'report' / 'data').iterdir())


def test_a_run_writes_page_table_and_data(field, ran):
    ran(field, 1)
    run, rows, previews = table(field)
    assert [(row['ID'], row['STATUS']) for row in rows] == [
        (7, 'extracted'),
        (8, 'extracted'),
        (9, 'failed'),
    ]
    assert 'no usable voxel' in rows[2]['ERROR']
    assert [bool(thumb) and bool(outline) for thumb, outline, _ in previews] == [True, True, False]
    assert (run['running'], run['total'], run['done']) == (False, 3, 3)
    assert re.findall(r'\d+', run['summary']) == ['2', '3', '1', '9']
    assert files(field) == ['7.js', '8.js']
    with fits.open(field / 'output' / 'Source_7.fits') as hdus:
        for key, (flux, _) in spectra_of(data_of(field, 7)).items():
            np.testing.assert_array_equal(flux, hdus[f'SPE_{key}_DATA'].data.astype('f4'))
    assert {path.name for path in (field / 'output').glob('*.html')} == {'index.html'}
    assert not list(field.rglob('.*.tmp'))


def test_ids_may_be_text_and_catalogues_have_redshifts(field, ran):
    evil = '<script>alert(1)<script> & a'
    rows = [f'"{evil}",{RA},{DEC},0.5\n', f'J1000+0200,{RA},{DEC},\n', f'<script>,{RA},{DEC},1.5\n']
    (field / 'catalog.txt').write_text('ID,RA,DEC,Z\n' + ''.join(rows))
    ran(field)
    _, rows, previews = table(field)
    assert [row['ID'] for row in rows] == [evil, 'J1000+0200', '<script>']
    assert [row['Z_CATALOG'] for row in rows] == [0.5, None, 1.5]
    for _, _, name in previews:
        assert content(field / 'output' / 'report' / 'data' / name)[1]['id'] in [
            row['ID'] for row in rows
        ]
    assert main([str(field), '-q', '--resume']) == 0
    assert [row['STATUS'] for row in table(field)[1]] == ['kept'] * 3
    assert [row['SN'] for row in table(field)[1]] == [row['SN'] for row in rows]


def test_the_reference_spectrums_signal_to_noise_stands_in_the_table(field, ran):
    ran(field, 1)
    _, rows, _ = table(field)
    assert rows[0]['REFERENCE'] == 'MUSE_WHITE_SKYSUB'
    assert rows[0]['SN'] == rows[0]['SN_MUSE_WHITE'] > 0
    assert rows[2]['SN'] is None


def test_while_a_run_goes_on_the_page_shows_what_is_done(field, monkeypatch):
    seen = []
    monkeypatch.setattr(results, 'INTERVAL', 0.0)
    monkeypatch.setattr(results, 'SHARE', 1e9)
    original = source.attempt

    def attempt(job, target):
        if (field / 'output' / 'report' / 'sources.js').exists():
            assert (field / 'output' / 'index.html').exists()
            run, rows, _ = table(field)
            seen.append((run['running'], run['done'], [row['STATUS'] for row in rows]))
        return original(job, target)

    monkeypatch.setattr('autospec_lib.run.schedule.attempt', attempt)
    assert main([str(field), '-q']) == 1
    waiting, done = 'not reached', 'extracted'
    assert seen == [
        (True, 0, [waiting] * 3),
        (True, 1, [done, waiting, waiting]),
        (True, 2, [done, done, waiting]),
    ]


def test_a_run_that_is_broken_off_says_so(field, monkeypatch):
    def attempt(_job, _target):
        raise KeyboardInterrupt

    monkeypatch.setattr('autospec_lib.run.schedule.attempt', attempt)
    assert main([str(field), '-q']) == 130
    run, rows, _ = table(field)
    assert not run['running']
    assert 'interrupted' in run['summary']
    assert {row['STATUS'] for row in rows} == {'not reached'}


def test_sources_of_earlier_runs_stay_with_id(field, ran):
    ran(field, 1)
    before = data_of(field, 8)
    assert main([str(field), '-q', '--id', '7']) == 0
    _, rows, previews = table(field)
    assert [row.get('FILE') for row in rows] == ['Source_7.fits', 'Source_8.fits', None]
    assert all(previews[1])
    assert data_of(field, 8) == before


def test_data_of_kept_sources_are_made_anew_from_their_files_where_they_are_missing(field, ran):
    (field / 'catalog.txt').write_text(INSIDE)
    ran(field)
    before, (_, _, previews) = data_of(field, 7), table(field)
    (field / 'output' / 'report' / 'data' / '7.js').unlink()
    torn = field / 'output' / 'report' / 'data' / '8.js'
    torn.write_text(torn.read_text()[:1000])
    stamp = (field / 'output' / 'Source_7.fits').stat().st_mtime_ns
    assert main([str(field), '-q', '--resume']) == 0
    assert (field / 'output' / 'Source_7.fits').stat().st_mtime_ns == stamp
    after = data_of(field, 7)
    for part in (
        'spectra',
        'wave',
        'medium',
        'angstrom',
        'unit',
        'reference',
        'sky',
        'links',
        'notes',
        'facts',
    ):
        assert after[part] == before[part]
    for key, (flux, _) in spectra_of(after).items():
        np.testing.assert_array_equal(flux, spectra_of(before)[key][0])
    assert source_data.read_preview(torn) is not None
    _, rows, again = table(field)
    assert [row['STATUS'] for row in rows] == ['kept', 'kept']
    assert again == previews


def test_data_are_made_anew_from_files_without_images(field, ran):
    (field / 'catalog.txt').write_text(INSIDE)
    with (field / 'param.py').open('a') as file:
        file.write('OUT_IMG = OUT_XCOR = False\n')
    ran(field)
    before = data_of(field, 7)
    (field / 'output' / 'report' / 'data' / '7.js').unlink()
    assert main([str(field), '-q', '--resume']) == 0
    assert [one['key'] for one in data_of(field, 7)['spectra']] == [
        one['key'] for one in before['spectra']
    ]
    assert all(outline for _, outline, _ in table(field)[2])


def test_positions_in_the_cube_and_the_map_of_the_field_are_written(field, ran):
    ran(field, 1)
    _, rows, _ = table(field)
    with fits.open(field / 'datacube.fits') as hdus:
        wcs, data = WCS(hdus['DATA'].header).celestial, hdus['DATA'].data
    x, y = wcs.wcs_world2pix([[row['RA'], row['DEC']] for row in rows], 1).T
    np.testing.assert_allclose(
        [(row['X_CUBE'], row['Y_CUBE']) for row in rows], np.transpose([x, y]), atol=2e-3
    )
    name, held = content(field / 'output' / 'report' / 'white.js')
    assert name == page.FIELD_FUNCTION
    image = np.frombuffer(base64.b64decode(held['image']), '<f4').reshape(data.shape[1:])
    known = np.isfinite(image)
    np.testing.assert_array_equal(known, np.isfinite(data).any(axis=0))
    np.testing.assert_allclose(
        image[known], np.nanmean(data[:, known], axis=0), rtol=1e-3, atol=1e-3
    )
    assert held['channels'] == [len(data), len(data)]


def test_without_channels_the_map_has_the_sizes_of_the_cut_outs(field, monkeypatch):
    monkeypatch.setattr(cube, 'MOST_BYTES', 1)
    assert main([str(field), '-q']) == 1
    held = content(field / 'output' / 'report' / 'white.js')[1]
    assert held['image'] == ''
    assert set(held['sizes']) == {'7', '8', '9'}


def test_binned_cubes_are_made_for_kept_sources_and_go_with_failed_ones(field, ran):
    (field / 'catalog.txt').write_text(INSIDE)
    settings(field, REPORT_CUBE=False)
    folder = field / 'output' / 'report' / 'cubes'
    ran(field)
    assert not folder.exists()
    assert data_of(field, 7)['cube'] is False
    settings(field, REPORT_CUBE=True)
    assert main([str(field), '-q', '--resume']) == 0
    assert [row['STATUS'] for row in table(field)[1]] == ['kept', 'kept']
    assert sorted(path.name for path in folder.iterdir()) == ['7.js', '8.js']
    assert data_of(field, 7)['cube'] is True
    before = (folder / '7.js').read_text()
    assert main([str(field), '-q']) == 0
    assert (folder / '7.js').read_text() == before
    (field / 'catalog.txt').write_text(f'{INSIDE.splitlines()[0]}\n8 {with_hole(field)}\n')
    assert main([str(field), '-q']) == 1
    assert [path.name for path in folder.iterdir()] == ['7.js']


def test_data_of_kept_sources_that_are_there_stay(field, ran):
    ran(field, 1)
    path = field / 'output' / 'report' / 'data' / '7.js'
    before = path.read_bytes(), path.stat().st_ino
    assert main([str(field), '-q', '--resume']) == 1
    assert (path.read_bytes(), path.stat().st_ino) == before
    assert all(table(field)[2][0])


def test_a_source_that_fails_now_loses_its_data(field, ran):
    (field / 'catalog.txt').write_text(INSIDE)
    ran(field)
    (field / 'catalog.txt').write_text(f'{INSIDE.splitlines()[0]}\n8 {with_hole(field)}\n')
    assert main([str(field), '-q']) == 1
    assert files(field) == ['7.js']


def test_without_report_nothing_is_written_and_what_was_there_goes(field, ran):
    ran(field, 1)
    settings(field, REPORT=False)
    assert main([str(field), '-q']) == 1
    assert not (field / 'output' / 'index.html').exists()
    assert not (field / 'output' / 'report' / 'sources.js').exists()
    assert files(field) == []
    assert (field / 'output' / 'Source_7.fits').exists()


def test_report_may_be_switched_on_with_resume(field, ran):
    settings(field, REPORT=False)
    ran(field, 1)
    settings(field, REPORT=True)
    assert main([str(field), '-q', '--resume']) == 1
    assert [row['STATUS'] for row in table(field)[1]] == ['kept', 'kept', 'failed']
    assert files(field) == ['7.js', '8.js']


def test_only_what_is_written_is_shown_and_pictures_that_are_there(field, ran):
    settings(field, OUT_SPEC=False, PLOTS=True, XCOR=False, PRE_OUT='S_')
    ran(field, 1)
    held = data_of(field, 7)
    with fits.open(field / 'output' / 'S_7.fits') as hdus:
        written = [
            hdu.name[4:-5]
            for hdu in hdus[1:]
            if hdu.name.startswith('SPE_') and hdu.name.endswith('_DATA')
        ]
    assert [one['key'] for one in held['spectra']] == written
    links = held['links']
    assert links.pop('file') == 'S_7.fits'
    assert links == {key: f'images/7/7_{key}.jpg' for key in ('IMAGES', 'MASKS', 'SPECTRA')}
    assert all((field / 'output' / path).exists() for path in links.values())


def test_without_plots_there_are_no_pictures_but_small_images(field, ran):
    ran(field, 1)
    assert set(data_of(field, 7)['links']) == {'file'}
    assert table(field)[2][0][0].startswith('data:image/png;base64,')


def test_without_plotly_a_run_warns_and_goes_on(field, monkeypatch, capsys):
    monkeypatch.setattr(page, 'find_spec', lambda _: None)
    assert main([str(field)]) == 1
    said = capsys.readouterr().err
    assert 'plotly is not installed' in said
    assert not (field / 'output' / 'index.html').exists()
    assert (field / 'output' / 'Source_7.fits').exists()


def test_a_page_of_the_users_own_stays(field, capsys):
    (field / 'output').mkdir()
    (field / 'output' / 'index.html').write_text('<h1>mine</h1>')
    assert main([str(field)]) == 1
    assert 'index.html or' in capsys.readouterr().err
    assert (field / 'output' / 'index.html').read_text() == '<h1>mine</h1>'
    assert not (field / 'output' / 'report').exists()


def test_a_folder_of_the_users_own_stays(field, capsys):
    mine = field / 'output' / 'report'
    mine.mkdir(parents=True)
    for name in ('sources.js', 'paper.tex'):
        (mine / name).write_text('mine')
    assert main([str(field)]) == 1
    assert f'{mine} is not from AutoSpec' in capsys.readouterr().err
    assert {path.name: path.read_text() for path in mine.iterdir()} == {
        'sources.js': 'mine',
        'paper.tex': 'mine',
    }
    (mine / 'paper.tex').unlink()  # what a run that was killed at its start leaves is no obstacle
    assert main([str(field), '-q']) == 1
    assert (field / 'output' / 'index.html').exists()


def test_an_input_where_the_report_would_be_written_is_a_fault(field, capsys):
    folder = field / 'output' / 'report'
    folder.mkdir(parents=True)
    (field / 'datacube.fits').rename(folder / 'report.css')
    (field / 'datacube.fits').symlink_to(folder / 'report.css')
    assert main([str(field), '-q']) == 2
    assert 'is the input datacube.fits' in capsys.readouterr().err


def test_report_data_that_fail_are_a_note_and_the_source_is_kept(field, monkeypatch, capsys):
    def write(*_):
        raise ValueError('no such thing')

    monkeypatch.setattr(source_data, 'write', write)
    main([str(field)])
    assert (field / 'output' / 'Source_7.fits').exists()
    assert [row['NOTES'] for row in table(field)[1]][:2] == [
        'report failed: ValueError: no such thing'
    ] * 2
    assert '2 with notes' in capsys.readouterr().err


@pytest.mark.parametrize('what', ['data', 'table'])
def test_a_full_disk_stops_the_run_with_the_way_out(field, monkeypatch, capsys, what):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(
        *((source_data, 'write', full) if what == 'data' else (page, 'write_table', full))
    )
    assert main([str(field), '-q']) == 1
    said = capsys.readouterr().err
    assert 'No space left' in said
    assert '--resume' in said


def test_two_processes_write_the_same_report(field, ran):
    settings(field, PLOTS=False)
    ran(field, 1)
    before = {name: data_of(field, name[:-3]) for name in files(field)}, table(field)[2]
    assert main([str(field), '-q', '--cores', '2']) == 1
    assert ({name: data_of(field, name[:-3]) for name in files(field)}, table(field)[2]) == before


def test_verdicts_belong_to_the_output_folder(field):
    assert main([str(field), '-q']) == 1
    first = table(field)[0]
    assert main([str(field), '-q']) == 1
    assert table(field)[0]['key'] == first['key']
    settings(field, OUTPUT='other')
    assert main([str(field), '-q']) == 1
    assert content(field / 'other' / 'report' / 'sources.js')[1]['run']['key'] != first['key']
    assert first['name'] == field.name
