"""Damaged FITS files: whatever is in them, the run ends with exit 0, 1 or 2 and one line for each
fault.

Thirty cases run with the suite. ``AUTOSPEC_TRIALS=3600s pytest -s tests/test_fuzz_files.py`` runs
new ones for an hour; ``python tests/test_fuzz_files.py SEED FOLDER`` makes the working folder of
one case.
"""

import contextlib
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from builders import DEC, RA, cube_header, gaussian, sky_header
from trials import seeds

NL, NY, NX = 12, 14, 15
SECONDS, MEMORY = 60, 4 << 30  # what one case may take
FILES = ('datacube.fits', 'image.fits', 'map.fits')
VALUES = (
    0,
    1,
    -1,
    2,
    3,
    7,
    1e-300,
    1e300,
    -32,
    8,
    1.5,
    'DEC--TAN',
    'AWAV',
    'WAVE-LOG',
    'RA---ZEA',
    'x',
    '',
    True,
    10**9,
)


def healthy(folder):
    """A small working folder with a cube, an image and a segmentation map."""
    rng = np.random.default_rng(1)
    data = 500 * gaussian(6, 7, 1.5, (NY, NX)) + rng.normal(size=(NL, NY, NX))
    header = cube_header()
    header.update(CRPIX1=8.0, CRPIX2=7.0)
    hdus = [fits.PrimaryHDU()]
    hdus += [
        fits.ImageHDU(array.astype('f4'), header, name=name)
        for name, array in (('DATA', data), ('STAT', data * 0 + 1))
    ]
    fits.HDUList(hdus).writeto(folder / 'datacube.fits')
    picture = 1e3 * gaussian(11, 12, 3.0, (22, 24)) + rng.normal(size=(22, 24))
    fits.PrimaryHDU(picture.astype('f4'), sky_header((13.0, 12.0), 0.13, 10.0)).writeto(
        folder / 'image.fits'
    )
    labels = (gaussian(6, 7, 2.0, (NY, NX)) > 0.01).astype('i2')
    fits.PrimaryHDU(labels, sky_header((8.0, 7.0))).writeto(folder / 'map.fits')
    (folder / 'catalog.txt').write_text(
        f'1 {RA:.7f} {DEC:.7f}\n2 {RA + 0.0003:.7f} {DEC + 0.0003:.7f}\n'
    )
    (folder / 'param.py').write_text(
        "SIZE = 2\nIMG = 'image.fits'\nSEG = 'map.fits'\nPLOTS = REPORT = False\nCONT_POLY = 2\n"
    )


def damage(folder, seed):
    """One to three random faults in one of the files."""
    rng = np.random.default_rng(seed)
    path = folder / FILES[rng.choice(3, p=(0.6, 0.25, 0.15))]
    for _ in range(rng.integers(1, 4)):
        raw = bytearray(path.read_bytes())
        if len(raw) < 2:
            return
        kind = rng.integers(6)
        if kind == 0:
            raw = raw[: rng.integers(len(raw))]
        elif kind == 1:
            for where in rng.integers(len(raw), size=rng.integers(1, 30)):
                raw[where] = rng.integers(256)
        elif kind == 2:
            raw = change_card(raw, rng)
        elif kind == 3:
            start = 2880 * rng.integers(max(1, len(raw) // 2880))
            raw[start : start + 2880] = raw[: rng.choice([0, 2880])]
        elif kind == 4:
            poison(raw, rng)
        else:
            raw = raw + rng.bytes(rng.integers(1, 5000))
        path.write_bytes(raw)


def change_card(raw, rng):
    """Give a random card of a random header another value, or another name, or drop it."""
    cards = [
        i
        for i in range(0, len(raw) - 80, 80)
        if raw[i + 8 : i + 10] == b'= ' and raw[i : i + 8].isascii()
    ]
    if not cards:
        return raw
    where = int(rng.choice(cards))
    name = bytes(raw[where : where + 8])
    if rng.random() < 0.2:
        raw[where : where + 8] = rng.choice([b'COMMENT ', b'CRVAL1  ', b'XTENSION', b'\xff' * 8])
        return raw
    with contextlib.suppress(ValueError, UnicodeDecodeError):
        value = VALUES[rng.integers(len(VALUES))]
        raw[where : where + 80] = (
            str(fits.Card(name.decode().strip(), value)).encode('ascii')[:80].ljust(80)
        )
    return raw


def poison(raw, rng):
    """Write special numbers somewhere, most likely into the data."""
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, 3e38, 1e-40], '>f4')
    numbers = rng.choice(special, rng.integers(1, 400)).tobytes()
    start = 4 * rng.integers(max(1, len(raw) // 4))
    raw[start : start + len(numbers)] = numbers[: max(0, len(raw) - start)]


def run_case(folder):
    """Run the command in a child process, so that a crash is seen too; (exit code or -signal, what
    it said)."""
    said = folder / 'said'
    child = os.fork()
    if child == 0:
        code = 99
        try:
            signal.alarm(SECONDS)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            from autospec_lib.cli.command import main

            with (
                said.open('w') as screen,
                contextlib.redirect_stdout(screen),
                contextlib.redirect_stderr(screen),
            ):
                code = main([str(folder)])
        except BaseException:
            said.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text() if said.exists() else ''


def faults_of(code, said, folder):
    """What is wrong with how a run ended; '' where nothing is."""
    if code not in (0, 1, 2):
        logs = (
            ''.join(path.read_text() for path in (folder / 'logs').glob('*.log'))
            if (folder / 'logs').exists()
            else ''
        )
        return f'exit code {code}\n{said}\n{logs[-3000:]}'
    if (
        'Traceback' in said
        or (code == 2 and not said.strip())
        or max(map(len, said.splitlines()), default=0) > 600
    ):
        return f'exit {code} and these words:\n{said}'
    if any(path.name.endswith('.tmp') for path in folder.rglob('.*')):
        return 'a temporary file is left'
    return ''


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
@pytest.mark.filterwarnings('ignore')
def test_damaged_files_end_a_run_in_good_order(tmp_path):
    for module in ('mpdaf.obj', 'autospec_lib.run.source'):  # once, so that no case pays for it
        importlib.import_module(module)

    template = tmp_path / 'healthy'
    template.mkdir()
    healthy(template)
    assert run_case(shutil.copytree(template, tmp_path / 'first'))[0] == 0
    failures, codes = [], {}
    for seed in seeds(15):
        with tempfile.TemporaryDirectory(dir=tmp_path) as name:
            folder = Path(shutil.copytree(template, Path(name) / 'case'))
            damage(folder, seed)
            code, said = run_case(folder)
            codes[code] = codes.get(code, 0) + 1
            fault = faults_of(code, said, folder)
            if fault:
                failures.append(f'seed {seed}: {fault}')
    sys.stdout.write(f'exit codes: {codes}\n')
    assert not failures, (
        '\n'.join(failures[:5]) + f'\n{len(failures)} of {sum(codes.values())} cases'
    )


if __name__ == '__main__':
    where = Path(sys.argv[2])
    where.mkdir()
    healthy(where)
    damage(where, int(sys.argv[1]))
