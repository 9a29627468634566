"""``AutoSpec --init``: write the templates."""

from __future__ import annotations

import argparse
from pathlib import Path

from autospec_lib.cli.terminal import say
from autospec_lib.core.atomic import write_new
from autospec_lib.core.errors import InputError
from autospec_lib.core.wording import way_out
from autospec_lib.run.interruption import Interruption


def init(folder: Path, _options: argparse.Namespace, _interruption: Interruption) -> int:
    """Write the templates that are not there yet."""
    from autospec_lib.config import params
    from autospec_lib.inputs import catalogue

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (('param.py', params.template()), ('catalog.txt', catalogue.TEMPLATE)):
            written = write_new(folder / name, text)
            say(f'{folder / name}: ' + ('written; edit it' if written else 'is there already; kept as it is'))
    except OSError as error:
        raise InputError(
            f'{folder}: {error.strerror}; {way_out(error, "choose a folder that can be written")}'
        ) from error
    return 0
