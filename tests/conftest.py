"""The working folder that many tests run in."""

import gc
import hashlib
import os
import shutil

import pytest
from builders import DEC, RA, small_cube, write_cube

from autospec_lib.cli.command import main


def pytest_collection_finish():
    """Let the garbage collector leave the modules and tests alone that are there by now, and look
    less often."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture
def folder(tmp_path):
    """A working folder: the small cube, its one source with ID 7, a param.py without plots and
    report."""
    write_cube(tmp_path / 'datacube.fits', *small_cube())
    (tmp_path / 'catalog.txt').write_text(f'# id ra dec\n7 {RA:.7f} {DEC:.7f}\n')
    lines = (
        "DATACUBE = 'datacube.fits'",
        "CATALOG = 'catalog.txt'",
        'SIZE = 3',
        'PLOTS = REPORT = False',
    )
    (tmp_path / 'param.py').write_text('\n'.join((*lines, '')))
    return tmp_path


@pytest.fixture(scope='session')
def ran(tmp_path_factory):
    """Runs in working folders; where the inputs are those of an earlier run, what that has written
    is copied."""
    kept = {}

    def run(folder, code=0):
        digest = hashlib.sha256()
        for path in sorted(path for path in folder.rglob('*') if path.is_file()):
            digest.update(f'{path.relative_to(folder)} {path.stat().st_size} '.encode())
            digest.update(path.read_bytes())
        key = digest.hexdigest(), code
        if key in kept:
            shutil.copytree(kept[key], folder, dirs_exist_ok=True)
        else:
            assert main([str(folder), '-q']) == code
            kept[key] = tmp_path_factory.mktemp('ran') / 'folder'
            shutil.copytree(folder, kept[key])

    return run


@pytest.fixture(autouse=True, scope='session')
def _no_waiting_for_disks():
    """Files need not outlive a crash of the machine: a run flushes five to the disk, which takes
    milliseconds each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'fsync', lambda _: None)
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One process more than cores: tests wait for browsers, disks and commands that they start."""
    return (os.cpu_count() or 1) + 1
