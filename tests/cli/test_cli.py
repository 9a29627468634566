"""The real command in temporary folders: exit codes, what it says, and the files it leaves."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from builders import (
    DEC,
    PIXEL,
    RA,
    SUMMARY,
    gaussian,
    sky_header,
    small_cube,
    with_hole,
    write_cube,
)

from autospec_lib import __version__
from autospec_lib.cli.command import main


def catalogue(folder, rows):
    """Write rows (id, dx, dy) with offsets in pixels from the source, x to the right."""
    lines = [
        f'{ident} {RA - dx * PIXEL / 3600:.7f} {DEC + dy * PIXEL / 3600:.7f}\n'
        for ident, dx, dy in rows
    ]
    (folder / 'catalog.txt').write_text('# id ra dec\n' + ''.join(lines))


def parameters(folder, **values):
    """Add lines to param.py."""
    with (folder / 'param.py').open('a') as file:
        file.writelines(f'{name} = {value!r}\n' for name, value in values.items())


def log_of(folder):
    """The text of the only log."""
    (path,) = (folder / 'logs').glob('*.log')
    return path.read_text()


def test_a_run_writes_file_and_log_and_says_so(folder, capsys):
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == '1 of 1 sources extracted\n'
    assert sorted(path.name for path in (folder / 'output').iterdir()) == [
        'Source_7.fits',
        *SUMMARY,
    ]
    log = log_of(folder)
    assert '\n7: Extracted Successfully in ' in log
    for part in (
        f'# AutoSpec {__version__}',
        'numpy',
        'SIZE',
        '#   BACK_SIZE ',
        '#   CONV NORM\n#   ',
        '# input datacube.fits: ',
        '# 1 of 1 sources extracted',
    ):
        assert part in log


def test_default_sex_is_written_for_the_user_to_tune(folder):
    assert main([str(folder), '-q']) == 0
    assert 'DETECT_THRESH' in (folder / 'default.sex').read_text()
    assert (folder / 'gauss_5.0_9x9.conv').exists()


def test_plots_are_written(folder):
    parameters(folder, PLOTS=True)
    assert main([str(folder), '-q']) == 0
    names = sorted(path.name for path in (folder / 'output' / 'images' / '7').iterdir())
    assert names == ['7_IMAGES.jpg', '7_MASKS.jpg', '7_SPECTRA.jpg', '7_XCOR.jpg']


def test_one_failing_source_leaves_the_others_untouched_and_is_named(folder, capsys):
    with_hole(folder)
    catalogue(folder, [(1, 0, 0), (2, 0, 22), (3, 1, 1)])
    assert main([str(folder)]) == 1
    screen = capsys.readouterr()
    assert '2: Error, no usable voxel in its subcube' in screen.err
    assert '2 of 3 sources extracted; 1 failed (2)' in screen.err
    assert '2: Error, no usable voxel in its subcube' in log_of(folder)
    assert sorted(path.name for path in (folder / 'output').iterdir()) == [
        'Source_1.fits',
        'Source_3.fits',
        *SUMMARY,
    ]


def test_a_failing_source_does_not_keep_the_file_and_plots_of_an_earlier_run(folder):
    parameters(folder, PLOTS=True)
    with_hole(folder)
    catalogue(folder, [(1, 0, 0), (2, 0, 0)])
    assert main([str(folder), '-q']) == 0
    (folder / 'output' / 'images' / '2' / 'mine.txt').write_text('')
    catalogue(folder, [(1, 0, 0), (2, 0, 22)])
    assert main([str(folder), '-q']) == 1
    left = sorted(path.name for path in (folder / 'output').rglob('*') if path.is_file())
    own = ['1_IMAGES.jpg', '1_MASKS.jpg', '1_SPECTRA.jpg', '1_XCOR.jpg']
    assert left == [*own, 'Source_1.fits', 'mine.txt', *SUMMARY]


@pytest.mark.parametrize(
    ('later', 'drawn'),
    [
        ({'DEBLEND': False}, ['7_IMAGES.jpg', '7_MASKS.jpg', '7_SPECTRA.jpg', '7_XCOR.jpg']),
        ({'DEBLEND': False, 'XCOR': False}, ['7_IMAGES.jpg', '7_MASKS.jpg', '7_SPECTRA.jpg']),
        ({'PLOTS': False}, []),
    ],
)
def test_plots_that_a_later_run_does_not_draw_go(folder, ran, later, drawn):
    from autospec_lib.core import file_names

    parameters(folder, PLOTS=True, DEBLEND=True)
    ran(folder)
    pictures = folder / 'output' / 'images' / '7'
    assert {path.name for path in pictures.iterdir()} == {
        f'7_{key}.jpg' for key in file_names.pictures(True, True, False)
    }
    parameters(folder, **later)
    assert main([str(folder), '-q']) == 0
    assert sorted(path.name for path in pictures.iterdir()) == drawn


def test_a_source_without_detection_has_a_note_and_one_of_nan_fails(folder, capsys):
    with_hole(folder)
    catalogue(folder, [(1, 0, 0), (2, 0, 22), (3, 11, 8)])
    parameters(folder, SIZE=2)
    assert main([str(folder)]) == 1
    assert '2 of 3 sources extracted; 1 failed (2); 1 with notes (3)' in capsys.readouterr().err
    log = log_of(folder)
    assert '2: Error, no usable voxel in its subcube' in log
    assert '3: Note, no detection: a circle of radius 1 arcsec is the object mask' in log
    assert fits.getheader(folder / 'output' / 'Source_3.fits')['NOTE1'].startswith('no detection')


def test_odd_sizes_are_extracted_with_a_note(folder):
    catalogue(folder, [(1, 0, 0)])
    (folder / 'param.py').write_text("MODE = 'cat'\nPLOTS = REPORT = False\n")
    rows = [f'{n},{RA:.7f},{DEC:.7f},{size},' for n, size in enumerate((0.2, 0.4, 0.6, 90))]
    (folder / 'catalog.txt').write_text('\n'.join(rows))
    assert main([str(folder), '-q']) in (0, 1)
    log = log_of(folder)
    assert 'SIZE = 0.4 gives a subcube of only 2 x 2 spaxels' in log
    assert '3: Note, SIZE = 90 is larger than the cube: all of it is used' in log
    assert all(f'\n{n}: Extracted' in log or f'\n{n}: Error, ' in log for n in range(4))
    assert 'bug' not in log


@pytest.mark.parametrize(
    ('bad', 'code'), [((slice(None), 11, 13), 0), ((7, 11, 13), 0), ((7,), 0), ((), 1)]
)
def test_nan_voxels_spaxels_planes_and_cubes_do_not_spread(folder, bad, code):
    data, variance = small_cube()
    data[bad] = np.nan
    write_cube(folder / 'datacube.fits', data, variance)
    assert main([str(folder), '-q']) == code
    if code == 0:
        with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
            missing = np.isnan(data[:, 4:19, 6:21]).all(axis=(1, 2))
            for hdu in hdus:
                if hdu.name.startswith('SPE_'):
                    np.testing.assert_array_equal(np.isnan(hdu.data), missing)
                if hdu.name.startswith('IMA_CROSS'):
                    np.testing.assert_array_equal(
                        np.isnan(hdu.data), np.isnan(data[:, 4:19, 6:21]).all(axis=0)
                    )


def test_a_bug_in_one_source_is_named_with_its_traceback_and_the_others_go_on(
    folder, capsys, monkeypatch
):
    from autospec_lib import pipeline

    catalogue(folder, [(1, 0, 0), (2, 1, 0)])
    process = pipeline.process

    def flawed(cutout, params, sex):
        if cutout.target.id == 1:
            raise KeyError('oops')
        return process(cutout, params, sex)

    monkeypatch.setattr(pipeline, 'process', flawed)
    assert main([str(folder)]) == 3
    assert "1: Error, bug: KeyError: 'oops'" in capsys.readouterr().err
    assert '# Traceback' in log_of(folder)
    assert (folder / 'output' / 'Source_2.fits').exists()


def test_a_bug_before_the_loop_exits_3_and_says_where(folder, capsys, monkeypatch):
    from autospec_lib.run import job

    monkeypatch.setattr(job, 'open_all', lambda *_: 1 / 0)
    assert main([str(folder)]) == 3
    assert 'has a bug: ZeroDivisionError' in capsys.readouterr().err
    assert 'ZeroDivisionError' in log_of(folder)


@pytest.mark.long
def test_a_missing_package_is_named_with_the_way_out(folder):
    code = (
        'import sys; sys.modules["sep"] = None; from autospec_lib.cli import main; '
        f'sys.exit(main([{str(folder)!r}]))'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert (
        result.stderr
        == 'the Python package sep is not installed; install AutoSpec with: pip install .\n'
    )


def test_a_failed_plot_is_a_note_not_a_lost_source(folder, capsys, monkeypatch):
    from autospec_lib.output import plots

    def fail(*_):
        raise ValueError('no ink')

    parameters(folder, PLOTS=True)
    monkeypatch.setattr(plots, 'render', fail)
    assert main([str(folder)]) == 0
    assert '1 with notes (7)' in capsys.readouterr().out
    log = log_of(folder)
    assert '7: Note, plots failed: ValueError: no ink' in log
    assert '# Traceback' in log
    assert '# ValueError: no ink' in log


def test_a_write_error_of_plots_names_their_folder(folder, capsys, monkeypatch):
    from autospec_lib.output import plots

    def full(*_):
        raise OSError(28, 'No space left on device')

    parameters(folder, PLOTS=True)
    monkeypatch.setattr(plots, 'save', full)
    assert main([str(folder)]) == 1
    assert 'output/images/7: No space left on device; free some space' in capsys.readouterr().err


def test_a_file_in_the_place_of_the_logs_is_named(folder, capsys):
    (folder / 'logs').write_text('')
    assert main([str(folder)]) == 2
    said = f'{folder / "logs"}: is a file, but must be the folder of the logs; rename it\n'
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(('first', 'left'), [('Source_1.fits', SUMMARY), ('summary.ecsv', [])])
def test_a_full_disk_stops_the_run_with_one_line(folder, capsys, monkeypatch, first, left):
    from autospec_lib.config import sextractor
    from autospec_lib.core import atomic

    catalogue(folder, [(1, 0, 0), (2, 1, 0)])

    sextractor.install_defaults(folder)  # so that the disk is full only when a source is written

    def full(path):
        if left == [] or first in path.name:
            raise OSError(28, 'No space left on device')

    monkeypatch.setattr(atomic, '_flush', full)
    assert main([str(folder)]) == 1
    said = capsys.readouterr().err
    assert said.count('stopped: ') == 1
    assert (
        f'{first}: No space left on device; free some space, or set another OUTPUT; go on with: '
        in said
    )
    assert '0 of 2 sources extracted; 2 not reached' in said
    assert sorted(path.name for path in (folder / 'output').iterdir()) == left


def test_ctrl_c_keeps_what_is_done_and_exits_130(folder, capsys, monkeypatch):
    from autospec_lib import pipeline

    catalogue(folder, [(1, 0, 0), (2, 1, 0), (3, 2, 0)])
    process = pipeline.process

    def interrupted(cutout, params, sex):
        if cutout.target.id == 2:
            raise KeyboardInterrupt
        return process(cutout, params, sex)

    monkeypatch.setattr(pipeline, 'process', interrupted)
    assert main([str(folder)]) == 130
    assert '1 of 3 sources extracted; 2 not reached' in capsys.readouterr().err
    assert sorted(path.name for path in (folder / 'output').iterdir()) == [
        'Source_1.fits',
        *SUMMARY,
    ]


def test_faults_of_parameters_are_all_said_and_nothing_is_started(folder, capsys):
    parameters(folder, SKYSUB=True, SIZE=-1, OBJ_MASK='BOTH')
    assert main([str(folder)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert any('did you mean SKY_SUB?' in line for line in said)
    assert sorted(path.name for path in folder.iterdir()) == [
        'catalog.txt',
        'datacube.fits',
        'param.py',
    ]


def test_a_folder_without_param_py_says_how_to_begin(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 2
    assert capsys.readouterr().err.endswith('write one with: AutoSpec --init\n')
    assert main(['my field']) == 2
    assert capsys.readouterr().err.endswith("write one with: AutoSpec --init 'my field'\n")


def test_a_folder_behind_id_is_told_where_it_belongs(folder, capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['--id', '7', str(folder)])
    assert 'is a working folder; a folder comes before --id' in capsys.readouterr().err


def test_id_without_a_folder_where_there_is_none_gets_the_hint(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match='2'):
        main(['--id', '120', '141', 'my_field'])
    said = capsys.readouterr().err
    assert f'no param.py in {tmp_path}; a folder comes before --id' in said


def test_images_and_maps_take_part(folder):
    picture = 1e4 * gaussian(11, 13) + np.random.default_rng(1).normal(size=(24, 27))
    fits.PrimaryHDU(picture, sky_header()).writeto(folder / 'hst.fits')
    fits.PrimaryHDU((picture > 100).astype(np.int16), sky_header()).writeto(folder / 'mine.fits')
    parameters(folder, IMG='hst.fits', SEG='mine.fits', REF='hst', APER=(0.6, 1.0))
    assert main([str(folder), '-q']) == 0
    with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
        names = [hdu.name for hdu in hdus]
    for name in (
        'SPE_HST_CONTSUB_SKYSUB_DATA',
        'IMA_SEG_MINE_DATA',
        'IMA_SEG_HST_DATA',
        'SPE_MUSE_APER_0.6_SKYSUB_STAT',
    ):
        assert name in names


def test_continuum_of_too_high_degree_is_a_fault(folder, capsys):
    parameters(folder, CONT_POLY=31)
    assert main([str(folder)]) == 2
    assert (
        'CONT_POLY = 31 needs more wavelengths than the 31 of datacube.fits'
        in capsys.readouterr().err
    )


def test_id_selects_and_an_unknown_one_is_a_fault(folder, capsys):
    catalogue(folder, [(1, 0, 0), (2, 1, 0), (3, 2, 0)])
    assert main([str(folder), '-q', '--id', '3', '1']) == 0
    assert sorted(path.name for path in (folder / 'output').iterdir()) == [
        'Source_1.fits',
        'Source_3.fits',
        *SUMMARY,
    ]
    assert main([str(folder), '--id', '9']) == 2
    assert '--id 9: not in catalog.txt; its IDs run from 1 to 3' in capsys.readouterr().err


def test_check_says_what_a_run_would_do_and_writes_nothing(folder, capsys):
    catalogue(folder, [(1, 0, 0), (2, 400, 0)])
    before = sorted(folder.iterdir())
    assert main([str(folder), '--check', '--id', '1', '2']) == 0
    said = capsys.readouterr().out
    for part in (
        '31 x 24 x 27 voxels',
        'variance in STAT',
        'source 1: 15 x 15 spaxels, reference MUSE_WHITE',
        'memory',
        'disk',
    ):
        assert part in said
    assert 'source 2: will fail: 77.3 arcsec outside' in said
    assert 'sources to extract: 1\n' in said
    assert sorted(folder.iterdir()) == before


def test_check_knows_what_resume_keeps_and_what_a_run_replaces(folder, capsys):
    catalogue(folder, [(1, 0, 0), (2, 1, 0), (3, 1, 1)])
    assert main([str(folder), '-q', '--id', '1', '2']) == 0
    assert main([str(folder), '--check']) == 0
    assert 'sources to extract: 3, replacing 2 files\n' in capsys.readouterr().out
    catalogue(folder, [(1, 0, 0), (2, 2, 0), (3, 1, 1)])
    assert main([str(folder), '--check', '--resume']) == 0
    assert (
        'sources to extract: 2, replacing 1 file, keeping 1 that are complete\n'
        in capsys.readouterr().out
    )


def test_check_takes_the_whole_cube_where_size_is_larger(folder, capsys):
    parameters(folder, SIZE=1000)
    assert main([str(folder), '--check']) == 0
    assert (
        'source 7: 24 x 27 spaxels, reference MUSE_WHITE; SIZE = 1000 is larger'
        in capsys.readouterr().out
    )


def test_init_writes_templates_and_never_overwrites(tmp_path, capsys):
    folder = tmp_path / 'new'
    assert main([str(folder), '--init']) == 0
    (folder / 'param.py').write_text('# mine')
    assert main([str(folder), '--init']) == 0
    assert 'is there already; kept' in capsys.readouterr().out
    assert (folder / 'param.py').read_text() == '# mine'
    assert (folder / 'catalog.txt').exists()


def test_bad_rows_can_be_skipped(folder, capsys):
    with (folder / 'catalog.txt').open('a') as file:
        file.write('8 abc 2.0\n')
    assert main([str(folder)]) == 2
    assert 'catalog.txt, line 3' in capsys.readouterr().err
    assert main([str(folder), '--skip-bad-rows']) == 0
    assert 'warning: catalog.txt, line 3' in capsys.readouterr().err
    assert 'line 3' in log_of(folder)


def test_verbose_names_every_source_and_quiet_says_nothing(folder, capsys):
    assert main([str(folder), '-v']) == 0
    assert '7: Extracted Successfully' in capsys.readouterr().out
    parameters(folder, REF='nothing')  # which is worth a warning
    assert main([str(folder), '-q']) == 0
    assert capsys.readouterr() == ('', '')
    assert any('# warning: ' in path.read_text() for path in (folder / 'logs').iterdir())


@pytest.mark.long
@pytest.mark.skipif(os.name != 'posix', reason='pipes of POSIX')
@pytest.mark.parametrize('options', [('--check',), ('-v',)])
def test_a_reader_that_has_gone_does_not_end_a_run(folder, options):
    catalogue(folder, [(1, 0, 0), (2, 1, 0)])
    code = 'import sys; from autospec_lib.cli import main; sys.exit(main())'
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, '-c', code, folder, *options]
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, '')
    if '-v' in options:
        assert '# 2 of 2 sources extracted' in log_of(folder)
    else:
        assert not (folder / 'logs').exists()


def test_one_thread_is_asked_for_before_param_py_can_import_numpy(folder, monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS')
    with (folder / 'param.py').open('a') as file:
        file.write("import os\nassert os.environ['OMP_NUM_THREADS'] == '1'\n")
    assert main([str(folder), '--check']) == 0


@pytest.mark.parametrize('argument', ['--help', '--version'])
def test_help_and_version_import_nothing_heavy(argument):
    code = (
        'import sys; from autospec_lib.cli import main\n'
        f'try: main([{argument!r}])\nexcept SystemExit: pass\n'
        'print(sorted({"numpy", "astropy", "mpdaf", "matplotlib", "sep"} & set(sys.modules)))'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith('[]\n')


def test_a_fault_in_param_py_is_found_before_anything_heavy_is_imported(folder):
    parameters(folder, SKYSUB=True)
    code = (
        'import sys; from autospec_lib.cli import main\n'
        f'code = main([{str(folder)!r}])\n'
        'print(code, sorted({"numpy", "astropy", "mpdaf", "matplotlib", "sep"} & set(sys.modules)))'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert result.stdout == '2 []\n'


@pytest.mark.long
def test_a_run_with_images_and_the_psf_of_the_header_does_not_import_mpdaf(folder):
    parameters(folder, IMG='fine.fits', PSF='header', PLOTS=True, REPORT=True)
    header = sky_header((34.0, 34.0), 0.08, 20.0)
    fits.PrimaryHDU(gaussian(33, 33, 5.0, (70, 75)), header).writeto(folder / 'fine.fits')
    with fits.open(folder / 'datacube.fits', mode='update') as hdus:
        hdus[0].header.update(FSFMODE='MOFFAT1', FSF00BET=2.5, FSF00FWA=0.9, FSF00FWB=-3e-5)
    code = (
        'import sys; from autospec_lib.cli import main\n'
        'for options in ["--check"], []:\n'
        f'    code = main([{str(folder)!r}, "-q", *options])\n'
        '    print(code, "mpdaf" in sys.modules)'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.endswith(('True', 'False'))] == ['0 False', '0 False']
    with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
        assert {'SPE_FINE_SKYSUB_DATA', 'SPE_MUSE_PSF_SKYSUB_DATA'} <= {hdu.name for hdu in hdus}


@pytest.mark.long
def test_the_executable_of_a_clone_runs_here_by_default_and_is_silent_off_a_terminal(folder):
    executable = Path(__file__).resolve().parents[2] / 'autospec'
    command = [sys.executable, executable]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        '1 of 1 sources extracted\n',
        '',
    )
