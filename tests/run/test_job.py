"""Checks before the first source: what lies where a run would write; where a job's files are."""

import pytest

from autospec_lib.cli.command import main
from autospec_lib.config import param_file
from autospec_lib.run import schedule
from autospec_lib.run.interruption import Interruption
from autospec_lib.run.job import Request, prepare


@pytest.mark.parametrize('link', ['symlink_to', 'hardlink_to', None])
def test_an_input_where_a_source_would_be_written_is_refused(folder, capsys, link):
    (folder / 'output').mkdir()
    place = folder / 'output' / 'Source_7.fits'
    if link is None:
        (folder / 'datacube.fits').rename(place)
    else:
        getattr(place, link)(folder / 'datacube.fits')
    with (folder / 'param.py').open('a') as file:
        file.write("DATACUBE = 'output/Source_7.fits'\n" if link is None else '')
    before = place.read_bytes()
    for options in ([], ['--check']):
        assert main([str(folder), *options]) == 2
        assert f'{place}: is the input' in capsys.readouterr().err
    assert place.read_bytes() == before


def test_logs_being_a_file_is_found_by_check_too(folder, capsys):
    (folder / 'logs').write_text('')
    assert main([str(folder), '--check']) == 2
    assert 'logs: is a file' in capsys.readouterr().err


def test_an_input_that_no_source_is_called_may_lie_in_the_output_folder(folder):
    (folder / 'datacube.fits').rename(folder / '77.fits')
    with (folder / 'param.py').open('a') as file:
        file.write("DATACUBE = '77.fits'\nOUTPUT = '.'\nPRE_OUT = ''\n")
    assert main([str(folder), '-q']) == 0
    assert (folder / '7.fits').exists()
    with (folder / 'catalog.txt').open('a') as file:
        file.write('77 150.0 2.0\n')
    assert main([str(folder), '-q', '--id', '7']) == 0
    assert main([str(folder), '-q']) == 2


def test_a_job_holds_where_its_files_are_wherever_it_is_worked_on(folder, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(folder)
    (folder / 'output').mkdir()
    params, _ = param_file.load(folder / 'param.py')
    job, targets, _ = prepare(folder.relative_to(folder), params, Request())
    monkeypatch.chdir(tmp_path_factory.mktemp('elsewhere'))
    assert next(iter(schedule.serial(job, targets, Interruption()))).error is None
    assert (folder / 'output' / 'Source_7.fits').exists()
