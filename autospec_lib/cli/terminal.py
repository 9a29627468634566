"""Output on the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from autospec_lib.run.results import Outcome


def say(text: str, stream: TextIO | None = None) -> None:
    """Print. A closed pipe (``| head``) or a full disk does not end the run, because its results
    are files.

    Parameters
    ----------
    text : str
        One or more lines.
    stream : file, optional
        Where to; by default standard output.
    """
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        # Otherwise Python would try to write the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def has_display(environment: Mapping[str, str]) -> bool:
    """Whether a browser that is started here has a display that the user sees."""
    if any(environment.get(name) for name in ('SSH_CONNECTION', 'SSH_CLIENT', 'SSH_TTY')):
        return False
    if sys.platform != 'linux':
        return True
    return any(environment.get(name) for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'WSL_DISTRO_NAME'))


class Progress:
    """The progress bar, and lines above it.

    Parameters
    ----------
    total : int
        The number of sources.
    quiet : bool
        Show no bar, and no line but those of failed sources.
    verbose : bool
        Print a line for every source.
    """

    def __init__(self, total: int, quiet: bool, verbose: bool) -> None:
        from tqdm import tqdm

        # None = tqdm stays silent where there is no terminal.
        self._bar = tqdm(total=total, unit='source', leave=False, disable=True if quiet else None)
        self._verbose, self.close = verbose, self._bar.close

    def add(self, outcome: Outcome) -> None:
        """Move the bar, and print what the user wants to know of a source."""
        self._bar.set_postfix_str(f'ID {outcome.ident}')
        self._bar.update()
        if outcome.error is not None:
            self.say(outcome.line, sys.stderr)
        elif self._verbose:
            self.say(outcome.line, sys.stdout)

    def say(self, text: str, stream: TextIO) -> None:
        """Print above the bar.

        Parameters
        ----------
        text : str
            One line.
        stream : file
            Where to.
        """
        with self._bar.external_write_mode(file=stream):
            say(text, stream)
