"""``AutoSpec --view``: show the report."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from autospec_lib.core.errors import ParameterError
from autospec_lib.run.interruption import Interruption


def view(folder: Path, options: argparse.Namespace, interruption: Interruption) -> Iterator[str]:
    """Open the report in a browser, say how where there is none, or serve it; lines for the terminal.

    Raises
    ------
    InputError
        If there is no report, or the port cannot be had.
    """
    from autospec_lib.run import viewing

    page = viewing.find(folder, _output(folder))
    if options.port is not None:
        yield from _serve(page, options.port, interruption)
        return
    if viewing.has_display(os.environ):
        import webbrowser

        if webbrowser.open(page.as_uri()):
            yield f'opened: {page}'
            return
    yield f'no display here; the page is {page}'
    yield f'copy its folder to your machine and open index.html: scp -r {platform.node()}:{page.parent} .'
    yield 'or serve it with AutoSpec --view --port 8000, and tell ssh to pass it on: ssh -L 8000:localhost:8000 ...'


def _output(folder: Path) -> str:
    """OUTPUT of the folder's param.py; that of the template where it has none, or none that can be read."""
    from autospec_lib.config import params, reading

    try:
        return reading.load(folder / 'param.py')[0].output
    except ParameterError:
        return params.Params().output


def _serve(page: Path, port: int, interruption: Interruption) -> Iterator[str]:
    from autospec_lib.run import viewing

    with viewing.server(page.parent, port) as server:
        yield f'{page.parent} is at http://localhost:{server.server_port}/ for browsers of this machine; Ctrl-C ends it'
        interruption.begin(lambda: 'ended')
        try:
            with interruption.in_this_process():
                server.serve_forever()
        except KeyboardInterrupt:
            yield 'ended'
