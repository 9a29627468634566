"""The real command, interrupted twice at random moments: exit code 130 within seconds, no process
left, no torn file.

A few trials run with the suite; more: ``AUTOSPEC_TRIALS=200 pytest -s tests/test_interrupt.py``.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked
import pytest
from astropy.io import fits
from builders import DEC, RA
from trials import seeds

from autospec_lib import pipeline
from autospec_lib.run import interruption

ROOT = Path(__file__).resolve().parent.parent
# A shell that runs the tests in its background has them, and what they start, ignore Ctrl-C.
START = (
    'import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); '
    'from autospec_lib.cli import main; print("ready", flush=True); sys.exit(main())'
)


def interrupted(folder, rng, cores):
    """Start a run, send Ctrl-C to all of its processes twice; exit code, what it said, seconds
    after the first."""
    process = subprocess.Popen(
        [sys.executable, '-c', START, str(folder), '--cores', cores],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # From here on the program's own handler is (about to be) there.
    assert process.stdout.readline() == 'ready\n'
    time.sleep(0.05 + rng.uniform(0, 2.5))
    start = time.monotonic()
    for pause in (rng.choice([0.0, 0.01, 0.1, 0.5]), 0.0):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(pause)
    _, said = process.communicate(timeout=30)
    seconds = time.monotonic() - start
    return process.returncode, said, seconds, is_gone(process.pid)


def is_gone(session):
    """Whether no process is left, after two seconds at most."""
    for _ in range(100):
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_two_interruptions_at_any_moment_end_a_run_in_good_order(folder):
    (folder / 'catalog.txt').write_text(''.join(f'{n} {RA:.7f} {DEC:.7f}\n' for n in range(3000)))
    ends = []
    for seed in seeds(2):
        code, said, seconds, gone = interrupted(folder, random.Random(seed), str(1 + seed % 2))
        assert code == 130, said
        assert 'Traceback' not in said
        assert 'interrupted' in said or 'of 3000 sources extracted' in said
        assert seconds < 5
        assert gone
        ends.append(seconds)
        for path in (folder / 'output').glob('Source_*.fits'):
            assert path.stat().st_size == fits.getheader(path)['NBYTES']
    sys.stdout.write(f'{len(ends)} runs interrupted twice, slowest end after {max(ends):.1f} s\n')


def started(code, *arguments, **options):
    """The program after ``code``, in a session of its own."""
    heed = 'import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); '
    return subprocess.Popen(
        [
            sys.executable,
            '-c',
            heed + code + '; from autospec_lib.cli import main; sys.exit(main())',
            *arguments,
        ],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def signalled(process, seconds):
    """Send Ctrl-C to all of its processes after some time; exit code, what it said, seconds until
    its end."""
    time.sleep(seconds)
    start = time.monotonic()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    return process.returncode, said, time.monotonic() - start


def test_an_interruption_while_modules_are_imported_ends_at_once(folder):
    for seed in seeds(2):
        process = started(
            'from autospec_lib.cli import main; print("ready", flush=True)', str(folder)
        )
        process.stdout.readline()
        code, said, seconds = signalled(process, random.Random(seed).uniform(0.005, 0.1))
        assert (code, said) == (130, 'interrupted; nothing was extracted\n')
        assert seconds < 5


@pytest.mark.long
def test_an_interruption_while_a_demonstration_folder_is_made_leaves_whole_files(tmp_path):
    for seed in seeds(2):
        process = started('print("ready", flush=True)', '--demo', str(tmp_path / str(seed)))
        process.stdout.readline()
        code, said, seconds = signalled(process, random.Random(seed).uniform(0.2, 1.5))
        assert code == 130
        assert 'Traceback' not in said
        assert seconds < 5
        for path in (tmp_path / str(seed)).glob('[!.]*.fits'):
            with fits.open(path) as hdus:
                hdus.verify('exception')
                assert [hdu.data is None for hdu in hdus[1:]] == [False] * len(hdus[1:])


def never_ending():
    """Make each extraction one that does not heed Ctrl-C."""

    def stuck(*_):
        os.write(1, b'stuck\n')  # at once, as two processes say it
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                continue

    pipeline.process = stuck
    interruption.DEADLINE = 0.3


@pytest.mark.long
@pytest.mark.parametrize('cores', ['1', '2'])
def test_what_does_not_end_is_left_after_some_seconds(folder, cores):
    (folder / 'catalog.txt').write_text(''.join(f'{n} {RA:.7f} {DEC:.7f}\n' for n in range(3)))
    process = forked.start(folder, '--cores', cores, before=never_ending, start_new_session=True)
    assert process.stdout.readline() == 'stuck\n'
    code, said, seconds = signalled(process, 0.1)
    assert (code, said) == (130, 'interrupted; 0 of 3 sources extracted; 3 not reached\n')
    assert seconds < 2
    assert is_gone(process.pid)


def test_a_program_that_was_started_to_ignore_ctrl_c_goes_on(folder):
    """As under nohup, or in the background of a script."""

    def ignoring():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.write(1, b'ready\n')

    process = forked.start(folder, before=ignoring, start_new_session=True)
    process.stdout.readline()
    assert signalled(process, 0.05)[:2] == (0, '')
