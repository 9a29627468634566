"""Noise and flags in separate files in the folder of the data, as the IDL pipeline of KCWI writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from autospec_lib.core.errors import InputError
from autospec_lib.inputs.arrays import StoredArray, open_array, open_fits
from autospec_lib.inputs.cubes.instruments import Instrument
from autospec_lib.inputs.cubes.roles import cubes


@dataclass(frozen=True)
class Beside:
    """Variance and flags in files of their own, None where there is no such file."""

    noise: StoredArray | None = None
    flags: StoredArray | None = None


def open_beside(path: Path, instrument: Instrument, shape: tuple[int, ...], axes: tuple[int, ...]) -> Beside:
    """Open the files that belong to a cube by their names.

    Parameters
    ----------
    path : Path
        The file with the data.
    instrument : Instrument
        The instrument, whose table entry has the names of such files.
    shape : tuple of int
        That of the data, as stored.
    axes : tuple of int
        Which of the stored axes are wavelength, y and x.

    Raises
    ------
    InputError
        If such a file is there and is not a cube of this shape.
    """
    pattern, *replacements = instrument.beside or ('',)
    found = re.fullmatch(pattern, path.name)
    if not found or not replacements:
        return Beside()
    return Beside(*(_array(path.with_name(found.expand(name)), path, shape, axes) for name in replacements))


def _array(path: Path, of: Path, shape: tuple[int, ...], axes: tuple[int, ...]) -> StoredArray | None:
    if not path.exists():
        return None
    with open_fits(path, 'not a readable FITS cube') as hdus:
        found = next(iter(cubes(hdus)), None)
        if found is None or found.shape != shape:
            raise InputError(
                f'{path.name}: has another shape than {of.name}, to which it belongs by its name; move it away'
            )
        return replace(open_array(path, found, axes), name=path.name)
