"""``AutoSpec --view``: show the report."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
from pathlib import Path

from autospec_lib.cli.terminal import say
from autospec_lib.core.errors import ParameterError
from autospec_lib.run.interruption import Interruption


def view(folder: Path, options: argparse.Namespace, interruption: Interruption) -> int:
    """Open the report in a browser, or serve it; without a display, print how to reach it.

    Raises
    ------
    InputError
        If there is no report, or the port is not available.
    """
    import webbrowser

    from autospec_lib.run import viewing

    page = viewing.find(folder, _output(folder))
    if options.port is not None:
        _serve(page, options.port, interruption)
    elif viewing.has_display(os.environ) and webbrowser.open(page.as_uri()):
        say(f'opened: {page}')
    else:
        say(f'no display here; the page is {page}')
        there = shlex.quote(f'{platform.node()}:{page.parent}')
        say(f'copy its folder to your machine and open index.html: scp -r {there} .')
        say('or serve it with AutoSpec --view --port 8000, and forward the port: ssh -L 8000:localhost:8000 HOST')
    return 0


def _output(folder: Path) -> str:
    """OUTPUT of the folder's param.py; its default if param.py is missing or cannot be read."""
    from autospec_lib.config import params, reading

    try:
        return reading.load(folder / 'param.py')[0].output
    except ParameterError:
        return params.Params().output


def _serve(page: Path, port: int, interruption: Interruption) -> None:
    from autospec_lib.run import viewing

    with viewing.server(page.parent, port) as server:
        say(f'{page.parent} is at http://localhost:{server.server_port}/ for browsers of this machine; Ctrl-C ends it')
        interruption.begin(lambda: 'ended')
        try:
            with interruption.in_this_process():
                server.serve_forever()
        except KeyboardInterrupt:
            say('ended')
