"""How ``--radec`` changes the other inputs: positions on the command line need no catalogue and no ``param.py``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from autospec_lib.core.errors import InputError


def folder(options: argparse.Namespace) -> Path:
    """The working folder. With positions, the user may name the cube instead, which is then ``options.cube``."""
    options.cube = None
    if options.radec and options.folder and os.path.isfile(options.folder):
        options.cube, options.folder = options.folder, None
    return Path(options.folder or '.')


def parameters(folder: Path, options: argparse.Namespace) -> dict[str, str] | None:
    """The parameters that ``--radec`` sets, by field: no catalogue, and the cube if it is named; None without --radec.

    Raises
    ------
    InputError
        There is no such folder or cube, or positions do not go with another option.
    """
    if not options.radec:
        return None
    if options.id is not None:
        raise InputError('--radec and --id: choose one of them; --id is for the sources of a catalogue')
    if not folder.is_dir():
        raise InputError(f'{folder}: not found; expected the cube or the working folder')
    if options.cube is None and not (folder / 'param.py').exists() and not (folder / 'datacube.fits').exists():
        mend = f"name the cube: AutoSpec --radec '{options.radec[0]}' CUBE.fits"
        raise InputError(f'--radec: neither param.py nor datacube.fits in {folder.resolve()}; {mend}')
    return {'catalog': ''} | ({} if options.cube is None else {'datacube': options.cube})
