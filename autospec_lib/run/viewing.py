"""Finds the report of a folder, and serves it to browsers on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from autospec_lib.core import file_names
from autospec_lib.core.errors import InputError
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
        if (where / file_names.PAGE).is_file() and not page.is_foreign(where):
            return Path(os.path.abspath(where / file_names.PAGE))
    raise InputError(
        f'{folder / output / file_names.PAGE}: no report there; a run with REPORT = True writes it'
    )


class _Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder to its own page, without printing to the terminal."""

    def handle(self) -> None:
        """Answer, as long as the browser listens."""
        with suppress(ConnectionError):
            super().handle()

    def send_head(self) -> Any:
        """Answer with a file of the folder, unless another site asks for it.

        Another site may ask by a name of its own for this machine (DNS rebinding), or its page may
        include files of the folder as scripts, which browsers say in Sec-Fetch-Site.
        """
        host = self.headers.get('Host', '')
        site = self.headers.get('Sec-Fetch-Site', 'none')
        if (host.rpartition(':')[0] or host) not in (HERE, 'localhost') or site not in (
            'same-origin',
            'none',
        ):
            self.send_error(403)
            return None
        try:
            folder = Path(self.directory).resolve()
            path = Path(self.translate_path(self.path)).resolve()
            if path.is_dir():
                path = (path / file_names.PAGE).resolve()
            is_there = path.is_file() and path.is_relative_to(folder)
        # A name that is too long, a loop of links, a zero byte.
        except (OSError, RuntimeError, ValueError):
            is_there = False
        if is_there:
            return super().send_head()
        self.send_error(404)
        return None

    def end_headers(self) -> None:
        """Add to the headers that files change during a run, and that no other site may have
        them."""
        self.send_header('Cache-Control', 'no-cache')
        self.send_header('Cross-Origin-Resource-Policy', 'same-origin')
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
        mend = 'choose another' if port >= 1024 else 'choose one from 1024'
        raise InputError(f'--port {port}: {error.strerror}; {mend}') from error
    with http:
        yield http
