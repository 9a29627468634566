"""Reads the redshifts that MARZ saves (``.mz`` files)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from autospec_lib.core.errors import InputError
from autospec_lib.core.files import read_file

MOST = 6  # QOP of a star


@dataclass(frozen=True)
class Redshift:
    """The result of MARZ for a source.

    ``z`` is the redshift that the user has set, else that of the automatic match, None if there is
    neither. ``quality`` is 4 (sure), 3, 2, 1 (none), 6 (star) or 0 (not judged); ``template`` is
    the template that matches.
    """

    z: float | None
    quality: int
    template: str
    comment: str


def read(path: Path) -> dict[str, Redshift]:
    """Redshifts by the names of sources.

    Raises
    ------
    InputError
        If the file cannot be read or was not written by MARZ.
    """
    try:
        text = read_file(path).decode('utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, 'strerror', None) or 'is not text'
        raise InputError(f'{path}: {what}; expected a .mz file of MARZ') from error
    # MARZ does not quote; comments begin with '# ', the line with the names of columns with #ID.
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith('# ')]
    names, *rows = ([cell.strip() for cell in line.split(',')] for line in (lines or ['']))
    if not {'Name', 'QOP'}.issubset(names) or not {'AutoZ', 'FinZ'}.intersection(names):
        raise InputError(
            f'{path}: no columns Name, QOP and AutoZ or FinZ; expected a .mz file of MARZ'
        )
    if any(len(row) != len(names) for row in rows):
        what = 'a row has more or fewer values than its header has columns'
        raise InputError(f'{path}: {what}; save it in MARZ again')
    redshifts = {}
    for cells in rows:
        row = dict(zip(names, cells, strict=True))
        name, kind = row['Name'], 'Fin' if row.get('FinZ') else 'Auto'
        try:
            z, quality = float(row.get(f'{kind}Z') or 'nan'), int(row['QOP'])
        except ValueError as error:
            what = 'redshift or QOP is not a number'
            raise InputError(f'{path}: {name}: {what}; expected a .mz file of MARZ') from error
        if quality not in range(MOST + 1):
            raise InputError(
                f'{path}: {name}: QOP {quality} is not from 0 to {MOST}; expected a .mz file of MARZ'
            )
        comment, template = row.get('Comment', ''), row.get(f'{kind}TN', '')
        redshifts[name] = Redshift(z if math.isfinite(z) else None, quality, template, comment)
    return redshifts
