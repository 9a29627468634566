"""Ctrl-C, SIGTERM and SIGHUP: the first signal ends a run in an orderly way, the second at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

EXIT = 130
GRACE = 3.0  # seconds after the first signal in which sources that were begun may be finished
# Seconds after the first signal in which the process ends at the latest. After `GRACE`, log, summary
# and the other files about all sources are still written.
DEADLINE = GRACE + 1.0
# Windows has no SIGHUP.
SIGNALS = tuple(
    getattr(signal, name) for name in ('SIGINT', 'SIGTERM', 'SIGHUP') if hasattr(signal, name)
)


@dataclass(eq=False)
class Interruption:
    """The effect of a signal, which depends on the state of the program.

    * Before the first source, the process ends at once: there is nothing to finish.
    * While this process extracts (`in_this_process`), the first signal raises KeyboardInterrupt.
    * While other processes extract, the first signal sets ``requested``, which the loop that waits
      for them reads: a KeyboardInterrupt could come while a lock is held, and the program would
      hang.
    * The second signal prints a last line and ends the process with its workers at once. The first
      signal does the same after `DEADLINE` seconds, because the program may wait for ever (for a
      cluster, or a file system that hangs).
    * A terminal that is closed sends SIGHUP more than once; after the first signal, it changes
      nothing.

    Extraction begins when ``last_words`` is set: the function that makes the last line.

    A signal that was ignored when the program started (``nohup``, or in the background of a script)
    stays ignored.
    """

    requested: bool = False
    workers: set[int] = field(default_factory=set)
    last_words: Callable[[], str] | None = None
    _raise: bool = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle signals in this way until the block ends."""
        before = {}
        with suppress(ValueError):  # not in the main thread, where Python has no handlers
            heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
            before = {number: signal.signal(number, self._received) for number in heeded}
            if hasattr(signal, 'SIGALRM'):
                before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._received)
        try:
            yield
        finally:
            if hasattr(signal, 'setitimer'):
                signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                # After an interruption, the program is about to end; a further signal would only
                # change its exit code.
                signal.signal(
                    number, signal.SIG_IGN if self.requested else handler or signal.SIG_DFL
                )

    @contextmanager
    def in_this_process(self) -> Iterator[None]:
        """Let the first signal raise KeyboardInterrupt."""
        self._raise = True
        try:
            yield
        finally:
            self._raise = False

    def _received(self, number: int, _frame: FrameType | None) -> None:
        if self.requested and number == getattr(signal, 'SIGHUP', None):
            return
        if self.last_words is not None and not self.requested:
            self.requested = True
            if hasattr(signal, 'setitimer'):
                signal.setitimer(signal.ITIMER_REAL, DEADLINE)
            if self._raise:
                raise KeyboardInterrupt
            return
        for process in self.workers:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        # Neither print nor sys.exit: the signal may have come in the middle of one.
        with suppress(OSError, AttributeError, ValueError):
            line = (
                'interrupted; nothing was extracted'
                if self.last_words is None
                else self.last_words()
            )
            os.write(sys.__stderr__.fileno(), f'{line}\n'.encode(errors='replace'))  # type: ignore[union-attr]
        os._exit(EXIT)


@contextmanager
def blocked() -> Iterator[None]:
    """Hold signals back, so that a process that is started in this block never runs this process's
    handler."""
    if not hasattr(signal, 'pthread_sigmask'):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_parent() -> None:
    """In a worker: ignore what reaches all processes of a terminal (the parent handles it); end on
    SIGTERM."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    if hasattr(signal, 'pthread_sigmask'):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
