"""The working folder that many tests run in."""

import os

import pytest
from builders import DEC, RA, small_cube, write_cube


@pytest.fixture
def folder(tmp_path):
    """A working folder: the small cube, its one source with ID 7, a param.py without plots and report."""
    write_cube(tmp_path / 'datacube.fits', *small_cube())
    (tmp_path / 'catalog.txt').write_text(f'# id ra dec\n7 {RA:.7f} {DEC:.7f}\n')
    lines = ("DATACUBE = 'datacube.fits'", "CATALOG = 'catalog.txt'", 'SIZE = 3', 'PLOTS = REPORT = False')
    (tmp_path / 'param.py').write_text('\n'.join((*lines, '')))
    return tmp_path


@pytest.fixture(autouse=True, scope='session')
def _no_waiting_for_disks():
    """Files need not outlive a crash of the machine: a run flushes five to the disk, which takes milliseconds each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, 'fsync', lambda _: None)
        yield
