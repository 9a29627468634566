"""One run at a time in an output folder: the lock, who holds it, and what becomes of it when its
process dies."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autospec_lib.cli.command import main
from autospec_lib.run import output_folder

fcntl = pytest.importorskip('fcntl')
ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import os, sys, time
from pathlib import Path
from autospec_lib.run.output_folder import locked
with locked(Path(sys.argv[1])):
    child = os.fork()
    if child:
        print(child, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(folder):
    """A process that holds the lock of the output folder, and the process that it has forked."""
    process = subprocess.Popen(
        [sys.executable, '-c', HOLD, folder / 'output'],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(process.stdout.readline())
    yield process
    os.kill(child, signal.SIGKILL)
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_and_told_whose_the_first_is(folder, capsys, holder):
    assert main([str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert f'process {holder.pid} on {os.uname().nodename}, since ' in said
    assert not (folder / 'logs').exists()
    assert main([str(folder), '--check']) == 0
    with (folder / 'param.py').open('a') as file:
        file.write("OUTPUT = 'elsewhere'\n")
    assert main([str(folder), '-q']) == 0


def test_a_killed_run_leaves_no_lock_though_its_children_live(folder, holder):
    holder.kill()
    holder.wait()
    assert main([str(folder), '-q']) == 0


def test_a_lock_whose_file_went_before_it_was_had_is_sought_again(tmp_path, monkeypatch):
    real, path = fcntl.lockf, tmp_path / output_folder.LOCK

    def lockf(file, how):
        monkeypatch.setattr(fcntl, 'lockf', real)
        path.unlink()  # the run before ends between the file's opening and its lock
        real(file, how)

    monkeypatch.setattr(fcntl, 'lockf', lockf)
    with output_folder.locked(tmp_path):
        assert f'process {os.getpid()} ' in path.read_text()
    assert not path.exists()


def test_a_file_system_without_locks_is_a_warning_on_the_screen_and_in_the_log(
    folder, capsys, monkeypatch
):
    def refuse(*_):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(fcntl, 'lockf', refuse)
    assert main([str(folder)]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f'warning: {folder / "output"}: ')
    assert 'No locks available' in said
    (log,) = (folder / 'logs').glob('*.log')
    assert f'# {said}' in log.read_text()


@pytest.mark.parametrize('link', ['symlink_to', 'hardlink_to'])
def test_an_input_under_the_name_of_the_lock_is_not_written_to(folder, capsys, link):
    (folder / 'output').mkdir()
    cube = folder / 'datacube.fits'
    before = cube.read_bytes()
    getattr(folder / 'output' / output_folder.LOCK, link)(cube)
    assert main([str(folder)]) == 2
    assert f'{output_folder.LOCK}: is the input datacube.fits' in capsys.readouterr().err
    assert cube.read_bytes() == before


def test_a_lock_that_is_a_link_is_not_followed(folder, capsys):
    (folder / 'output').mkdir()
    (folder / 'notes.txt').write_text('of the user')
    (folder / 'output' / output_folder.LOCK).symlink_to(folder / 'notes.txt')
    assert main([str(folder)]) == 2
    assert output_folder.LOCK in capsys.readouterr().err
    assert (folder / 'notes.txt').read_text() == 'of the user'
