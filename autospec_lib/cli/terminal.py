"""Output on the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from autospec_lib.run.report import Log


def prepare_streams() -> None:
    """Replace characters that cannot be printed, and send the output of a closed stream (``2>&-``) to /dev/null."""
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: SIM115
        elif hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')


def say(text: str, stream: TextIO | None = None) -> None:
    """Print. A closed pipe (``| head``) or a full disk does not end the run, because its results are files."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        # Otherwise Python would try to write the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def teller(log: Log, quiet: bool) -> Callable[[str], None]:
    """A function that writes a line to the log and the terminal while the progress bar is there."""

    def tell(line: str) -> None:
        from tqdm import tqdm

        log.write(f'# {line}')
        if not quiet:
            with tqdm.external_write_mode(file=sys.stderr):
                say(line, sys.stderr)

    return tell
