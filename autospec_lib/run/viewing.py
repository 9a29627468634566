"""Finds the report of a folder, and serves it to browsers on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from autospec_lib.core.errors import InputError, way_out
from autospec_lib.output.report import page

HERE = '127.0.0.1'


def find(folder: Path, output: str) -> Path:
    """The page of the report.

    Parameters
    ----------
    folder : Path
        A working folder, or an output folder, for example a copy from another machine.
    output : str
        OUTPUT, as a path from the working folder.

    Raises
    ------
    InputError
        If there is none.
    """
    for where in (folder / output, folder):
        if (where / page.PAGE).is_file() and not page.is_foreign(where):
            return Path(os.path.abspath(where / page.PAGE))
    raise InputError(f'{folder / output / page.PAGE}: no report there; a run with REPORT = True writes it')


class _Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder, without printing to the terminal."""

    def send_head(self) -> Any:
        """Answer requests for this machine's own name only: other sites must not read the folder (DNS rebinding)."""
        host = self.headers.get('Host', '')
        if (host.rpartition(':')[0] or host) in (HERE, 'localhost'):
            return super().send_head()
        self.send_error(403)
        return None

    def end_headers(self) -> None:
        self.send_header('Cache-Control', 'no-cache')  # files change during a run
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Do not log requests."""


@contextmanager
def server(folder: Path, port: int) -> Iterator[ThreadingHTTPServer]:
    """A server for browsers on this machine; ``serve_forever`` starts it.

    Parameters
    ----------
    folder : Path
        What it serves.
    port : int
        The port; 0 for any that is free.

    Raises
    ------
    InputError
        If the port is not available.
    """
    try:
        http = ThreadingHTTPServer((HERE, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        mend = way_out(error, 'choose another')
        raise InputError(
            f'--port {port}: {error.strerror}; {mend if port >= 1024 else "choose one from 1024"}'
        ) from error
    with http:
        yield http
