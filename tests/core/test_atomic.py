"""Files that appear complete or not at all, whoever else writes there."""

import os
import subprocess
import sys

import pytest

from autospec_lib.core import atomic


def test_a_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    path = tmp_path / 'param.py'
    fsync = os.fsync

    def meanwhile(number):
        path.write_text('SIZE = 7')
        fsync(number)

    monkeypatch.setattr(atomic.os, 'fsync', meanwhile)
    assert not atomic.write_new(path, 'the template')
    assert path.read_text() == 'SIZE = 7'
    assert os.listdir(tmp_path) == ['param.py']


@pytest.mark.parametrize('links', [True, False])
def test_a_new_file_is_written_once_with_and_without_hard_links(tmp_path, monkeypatch, links):
    def refuse(*_):
        raise PermissionError(1, 'Operation not permitted')

    if not links:
        monkeypatch.setattr(atomic.os, 'link', refuse)
    path = tmp_path / 'param.py'
    assert atomic.write_new(path, 'first')
    assert not atomic.write_new(path, 'second')
    assert path.read_text() == 'first'
    assert os.listdir(tmp_path) == ['param.py']


def test_a_full_disk_leaves_no_new_file(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(atomic.os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        atomic.write_new(tmp_path / 'param.py', 'text')
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != 'posix', reason='asks POSIX which processes live')
@pytest.mark.parametrize('name', ['a.fits', '[x]*.fits', 'verdicts.csv'])
def test_remains_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path, name):
    dead = subprocess.Popen([sys.executable, '-c', ''])
    # Dead, and nobody has taken note: a zombie.
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    torn, under_way = (tmp_path / f'.{name}.{pid}.tmp' for pid in (dead.pid, os.getppid()))
    torn.write_text('')
    under_way.write_text('')
    (tmp_path / f'.mine.{dead.pid}.tmp').write_text('')
    atomic.remove_remains(tmp_path)
    atomic.remove_remains(tmp_path / 'nothing')
    dead.wait()
    assert sorted(os.listdir(tmp_path)) == sorted([under_way.name, f'.mine.{dead.pid}.tmp'])
