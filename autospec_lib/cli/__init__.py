"""The command line: options, the order of the work, and everything that is printed on the
terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress

__all__ = ['main']


def main(argv: Sequence[str] | None = None) -> int:
    """Run AutoSpec as from the shell; see `command.main`. Ctrl-C ends it without a traceback, also
    while it imports."""
    before = signal.getsignal(signal.SIGINT)
    with suppress(ValueError):  # not in the main thread, where Python has no handlers
        if before is signal.default_int_handler:
            signal.signal(signal.SIGINT, _leave)
    try:
        from autospec_lib.cli import command

        # `Interruption` replaces this handler as soon as there is something to finish or clean up.
        return command.main(argv)
    finally:
        if signal.getsignal(signal.SIGINT) is _leave:
            signal.signal(signal.SIGINT, before)


def _leave(*_: object) -> None:
    with suppress(OSError):
        os.write(2, b'interrupted; nothing was extracted\n')
    os._exit(130)
