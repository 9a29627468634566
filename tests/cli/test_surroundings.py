"""Closed streams, names and output that are not UTF-8, full disks, little memory: one line, and
never a traceback."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import forked
import pytest

from autospec_lib.cli.command import main
from autospec_lib.core import atomic
from autospec_lib.demo import simulation

ROOT = Path(__file__).resolve().parents[2]
RUN = [sys.executable, '-c', 'import sys; from autospec_lib.cli import main; sys.exit(main())']


def command(*arguments, prepare=None, **environment):
    """The real command: exit code, what it printed, and its errors, all as bytes."""
    result = subprocess.run(
        [*RUN, *arguments],
        capture_output=True,
        check=False,
        timeout=30,
        preexec_fn=prepare,
        env={**os.environ, 'PYTHONPATH': str(ROOT), **environment},
    )
    return result.returncode, result.stdout, result.stderr


@pytest.mark.long
@pytest.mark.parametrize('closed', [(1,), (2,), (0, 1, 2)])
def test_closed_streams_end_no_run(folder, closed):
    def close():
        for number in closed:
            os.close(number)
            # As where the interpreter begins without them.
            setattr(sys, ('stdin', 'stdout', 'stderr')[number], None)

    if len(closed) == 3:
        code, _, said = command(folder, prepare=close)
        said = said.decode()
    else:
        process = forked.start(folder, before=close)
        _, said = process.communicate()
        code = process.returncode
    assert (code, said) == (0, '')
    (log,) = (folder / 'logs').glob('*.log')
    assert '# 1 of 1 sources extracted' in log.read_text()


@pytest.mark.long
def test_a_folder_whose_name_is_not_utf8(folder):
    other = os.fsencode(folder) + b'/b\xe9d'
    os.mkdir(other)
    for name in ('datacube.fits', 'catalog.txt', 'param.py'):
        os.rename(folder / name, os.path.join(os.fsdecode(other), name))
    assert command(other) == (0, b'1 of 1 sources extracted\n', b'')
    code, _, said = command(other + b'/none')
    assert (code, said.count(b'\n')) == (2, 1)
    assert b'b\\udce9d' in said


@pytest.mark.long
def test_output_in_ascii_alone(folder):
    with (folder / 'param.py').open('a', encoding='utf-8') as file:
        file.write("OUTPUT = 'é'\nREF = 'λ'\n")
    code, _, said = command(folder, LC_ALL='C.UTF-8', PYTHONIOENCODING='ascii')
    assert code == 0
    assert said.startswith(b'warning: param.py, line 6: REF = ')
    assert b'\\u03bb' in said


def full(*_):
    raise OSError(28, 'No space left on device')


@pytest.mark.parametrize('options', [[], ['--init'], ['--demo', 'sim']])
def test_a_disk_that_is_full_from_the_start_is_said_in_one_line(
    tmp_path, folder, capsys, monkeypatch, options
):
    monkeypatch.setattr(atomic.os, 'fsync', full)
    easy = simulation.easy
    monkeypatch.setattr(simulation, 'easy', lambda seed: easy(seed).with_channels(40))
    where = folder if not options else tmp_path / 'new'
    assert main([str(where), *options]) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert 'No space left on device; free some space' in said
    assert not list(where.rglob('.*'))


def test_a_disk_that_is_full_when_the_log_begins_is_said_in_one_line(folder, capsys, monkeypatch):
    from autospec_lib.run import log

    assert main([str(folder), '-q']) == 0
    monkeypatch.setattr(log, 'Log', full)
    assert main([str(folder)]) == 2
    said = capsys.readouterr().err
    assert said.count('\n') == 1
    assert 'No space left on device; free some space' in said


@pytest.mark.parametrize('options', [['--check'], []])
def test_too_little_memory_for_the_libraries_is_said_before_they_are_loaded(folder, options):
    # With so little OpenBLAS neither loads nor gives up.
    limit = 200 * 2**20
    code, _, said = command(
        folder,
        *options,
        prepare=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY)),
    )
    assert (code, said.count(b'\n')) == (2, 1)
    assert b'200 MB' in said
    assert b'ulimit -v' in said


def test_a_source_without_memory_fails_alone(folder, capsys, monkeypatch):
    from autospec_lib import pipeline

    def greedy(*_):
        raise MemoryError

    monkeypatch.setattr(pipeline, 'process', greedy)
    assert main([str(folder)]) == 1
    assert '7: Error, not enough memory' in capsys.readouterr().err


def test_a_working_folder_that_cannot_be_written_needs_only_another_output(
    folder, tmp_path_factory, monkeypatch, capsys
):
    output = tmp_path_factory.mktemp('elsewhere')
    with (folder / 'param.py').open('a') as file:
        file.write(f'OUTPUT = {str(output)!r}\n')
    before = sorted(folder.iterdir())
    access = os.access
    monkeypatch.setattr(
        os, 'access', lambda path, *mode: folder != Path(path) and access(path, *mode)
    )
    assert main([str(folder), '--check']) == 0
    assert f'the log goes to {output}/logs' in capsys.readouterr().err
    assert main([str(folder)]) == 0
    assert sorted(folder.iterdir()) == before
    (log,) = (output / 'logs').iterdir()
    assert '7: Extracted' in log.read_text()
    with (folder / 'param.py').open('a') as file:
        file.write("OUTPUT = 'output'\n")
    assert main([str(folder), '--check']) == main([str(folder)]) == 2
