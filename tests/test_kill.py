"""The real command, killed at random moments and resumed: no torn file ever, and in the end the
same folder.

One run is killed once with the suite; runs that are killed until nothing is left to do, for an
hour: ``AUTOSPEC_TRIALS=3600s pytest -s tests/test_kill.py``.
"""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders import DEC, PIXEL, RA
from trials import seeds

ROOT = Path(__file__).resolve().parent.parent
SOURCES = 3


def start(folder, *options):
    """Start AutoSpec on a folder."""
    return forked.start(folder, *options, stderr=subprocess.STDOUT)


def contents(output):
    """What is under each final name: a digest of the file, of FITS files without the date of their
    making.

    The summary tells which sources are kept, and how long each took.
    """
    found = {}
    for path in sorted(output.rglob('*')):
        if path.is_dir() or path.name.startswith(('.', 'summary.')):  # torn files and the lock
            continue
        digest = hashlib.sha256()
        if path.suffix == '.fits':
            with fits.open(path) as hdus:
                hdus[0].header['DATE'] = ''
                for hdu in hdus:
                    digest.update(hdu.header.tostring().encode())
                    digest.update(b'' if hdu.data is None else hdu.data.tobytes())
        else:
            digest.update(path.read_bytes())
        found[str(path.relative_to(output))] = digest.hexdigest()
    return found


def same_summary(table, expected):
    """A killed run's summary says what that of an undisturbed one says, measured again where it has
    to be."""
    assert table.colnames == expected.colnames
    assert set(table['STATUS']) <= {'extracted', 'kept'}
    for name in set(table.colnames) - {'STATUS', 'SECONDS'}:
        if table[name].dtype.kind == 'f':
            np.testing.assert_allclose(
                np.ma.filled(table[name], np.nan), np.ma.filled(expected[name], np.nan), rtol=1e-3
            )
        else:
            assert list(table[name]) == list(expected[name])


def kill_and_resume(folder, whole, longest, most, rng):
    """Kill and resume until a run ends by itself; how often it was killed."""
    for kills in range(1000):
        process = start(folder, '--resume')
        try:
            process.wait(timeout=rng.uniform(0, longest) if kills < most else None)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        said, _ = process.communicate()
        there = contents(folder / 'output') if (folder / 'output').exists() else {}
        torn = [name for name, digest in there.items() if whole[name] != digest]
        assert not torn, f'torn after {kills} kills: {torn}'
        if process.returncode == 0:
            return kills
        assert process.returncode == -signal.SIGKILL, said
    raise AssertionError('never done')


@pytest.mark.skipif(not hasattr(signal, 'SIGKILL'), reason='needs SIGKILL')
@pytest.mark.filterwarnings('ignore')
def test_a_killed_run_leaves_complete_files_and_resumes_to_the_same_folder(folder):
    rows = [f'{n} {RA - n * PIXEL / 3600:.7f} {DEC:.7f}\n' for n in range(SOURCES)]
    (folder / 'catalog.txt').write_text(''.join(rows))
    with (folder / 'param.py').open('a') as file:
        file.write('PLOTS = True\n')
    began = time.monotonic()
    assert start(folder).wait() == 0
    longest = 1.2 * (time.monotonic() - began)
    whole = contents(folder / 'output')
    summary = Table.read(folder / 'output' / 'summary.ecsv')
    assert len(whole) == 5 * SOURCES
    most = 1000 if 'AUTOSPEC_TRIALS' in os.environ else 1
    rounds = kills = 0
    for seed in seeds(1):
        shutil.rmtree(folder / 'output')
        shutil.rmtree(folder / 'logs')
        kills += kill_and_resume(folder, whole, longest, most, random.Random(seed))
        rounds += 1
        assert contents(folder / 'output') == whole
        same_summary(Table.read(folder / 'output' / 'summary.ecsv'), summary)
        assert not list((folder / 'output').rglob('.*'))
    sys.stdout.write(f'{rounds} runs, killed {kills} times\n')
