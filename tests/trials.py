"""The number of random trials: a few with the suite, as many as wanted on demand."""

import os
import time


def seeds(few):
    """The seeds of the trials of this run.

    Parameters
    ----------
    few : int
        How many trials, from seed 0 on. ``AUTOSPEC_TRIALS=200`` makes as many instead,
        ``AUTOSPEC_TRIALS=3600s`` new ones for so many seconds.
    """
    wish = os.environ.get('AUTOSPEC_TRIALS', str(few))
    if not wish.endswith('s'):
        yield from range(int(wish))
        return
    end, seed = time.monotonic() + float(wish[:-1]), int(time.time())
    while time.monotonic() < end:
        seed += 1
        yield seed


def examples(few):
    """How many examples hypothesis tries: ``few``, or the number that AUTOSPEC_TRIALS gives."""
    wish = os.environ.get('AUTOSPEC_TRIALS', '')
    return int(wish) if wish.isdigit() else few
