"""What --check forecasts is what a run takes."""

import shutil
from collections import namedtuple
from dataclasses import replace

import pytest
from builders import DEC, PIXEL, RA, with_hole

from autospec_lib.cli.command import main
from autospec_lib.config import param_file
from autospec_lib.run import check_text
from autospec_lib.run.job import prepare


def job_of(folder):
    """A run's job and its targets."""
    params, _ = param_file.load(folder / 'param.py')
    return prepare(folder, params)[:2]


@pytest.mark.parametrize(
    'lines',
    ['', 'OUT_SUB = True\nAPER = 0.6, 1.0\n', 'XCOR = False\n', 'OUT_1D = True\nAPER = 0.6\n'],
)
def test_disk_is_that_of_the_files(folder, lines):
    with (folder / 'param.py').open('a') as file:
        file.write(lines)
    assert main([str(folder), '-q']) == 0
    job, targets = job_of(folder)
    size = sum(path.stat().st_size for path in (folder / 'output').rglob('*') if path.is_file())
    forecasted = check_text.file_size(job, 15 * 15)
    assert forecasted == pytest.approx(size, rel=0.2)
    assert any(
        f'disk: about {99 * forecasted / 1e6:.0f} MB' in line
        for line in check_text.describe(job, 99 * targets)
    )


def test_disk_and_files_are_those_of_the_sources_that_are_extracted(folder, ran):
    hole = with_hole(folder)
    rows = [f'{n} {RA - n * PIXEL / 3600:.7f} {DEC:.7f}\n' for n in (1, 2, 3)]
    (folder / 'catalog.txt').write_text(''.join(rows))
    ran(folder)
    # 1 is complete, the file of 2 is to be replaced, and 3 has a file and will fail.
    (folder / 'output' / 'Source_2.fits').write_text('of another program')
    (folder / 'catalog.txt').write_text(f'{rows[0]}{rows[1]}3 {hole}\n')
    job, targets = job_of(folder)
    size = check_text.file_size(job, 15 * 15)
    *_, disk, resumed = check_text.describe(replace(job, resume=True), 99 * targets)
    assert f'about {99 * size / 1e6:.0f} MB' in disk
    assert '99, replacing 99 files, keeping 99 ' in resumed
    *_, disk, anew = check_text.describe(job, 99 * targets)
    assert f'about {2 * 99 * size / 1e6:.0f} MB' in disk
    assert '198, replacing 198 files' in anew


def test_disk_holds_the_binned_cubes_of_the_report(folder):
    with (folder / 'param.py').open('a') as file:
        file.write('REPORT = True\n')
    assert main([str(folder), '-q']) == 0
    job, _ = job_of(folder)
    without = replace(job, params=replace(job.params, report_cube=False))
    size = (folder / 'output' / 'report' / 'cubes' / '7.js').stat().st_size
    assert check_text.file_size(job, 15 * 15) - check_text.file_size(
        without, 15 * 15
    ) == pytest.approx(size, rel=0.5)


def test_memory_holds_the_largest_subcube_in_every_process(folder):
    job, targets = job_of(folder)
    one, two = (check_text.memory(job, 15 * 15, processes) for processes in (1, 2))
    voxels = 31 * 15 * 15
    # Data and variance in double precision and one byte of flags, and not many times that.
    assert 17 * voxels < one - check_text.memory(job, 0, 1) < 100 * voxels
    assert two - one == pytest.approx(
        check_text.PROCESS_MEMORY + one - check_text.memory(job, 0, 1)
    )
    assert f'memory: about {two / 1e6:.0f} MB' in check_text.describe(job, targets, 2)


def test_check_counts_processes(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(
        check_text, 'describe', lambda job, targets, processes: seen.append(processes) or ()
    )
    (folder / 'catalog.txt').write_text(''.join(f'{n} 150.0 2.0\n' for n in range(3)))
    for options in ([], ['--cores', '2'], ['--cores', '9'], ['--scheduler', 'tcp://127.0.0.1:1']):
        assert main([str(folder), '--check', *options]) == 0
    assert seen == [1, 2, 3, 1]


def test_free_space_is_that_of_the_disk_of_the_output(folder, monkeypatch, capsys):
    Usage = namedtuple('Usage', 'free')
    elsewhere = folder / 'elsewhere'
    elsewhere.mkdir()
    monkeypatch.setattr(
        shutil, 'disk_usage', lambda path: Usage(77e6 if path == elsewhere else 1e6)
    )
    with (folder / 'param.py').open('a') as file:
        file.write(f'OUTPUT = {str(elsewhere / "new" / "deep")!r}\n')
    assert main([str(folder), '--check']) == 0
    assert ', 77 MB are free' in capsys.readouterr().out
