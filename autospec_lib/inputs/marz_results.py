"""Reads the redshifts that MARZ saves (``.mz`` files)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autospec_lib.core.errors import InputError, read_file

MOST = 6  # QOP of a star


@dataclass(frozen=True)
class Redshift:
    """The result of MARZ for a source.

    ``z`` is the redshift that the user has set, else that of the automatic match, None if there is neither.
    ``quality`` is 4 (sure), 3, 2, 1 (none), 6 (star) or 0 (not judged); ``template`` is the template that matches.
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
    from astropy.io.ascii import InconsistentTableError, convert_numpy
    from astropy.table import Table

    try:
        text = read_file(path).decode('utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, 'strerror', None) or 'is not text'
        raise InputError(f'{path}: {what}; expected a .mz file of MARZ') from error
    fault = InputError(f'{path}: no columns Name, QOP and AutoZ or FinZ; expected a .mz file of MARZ')
    try:
        table = Table.read(
            [line for line in text.splitlines() if not line.startswith('# ')],  # comments; the header begins with #ID
            format='ascii.commented_header',
            delimiter=',',
            guess=False,
            quotechar='\0',  # MARZ does not quote; a comment may begin with a quote
            converters={'*': [convert_numpy(str)]},
        )
    except InconsistentTableError as error:
        what = 'a row has more or fewer values than its header has columns'
        raise InputError(f'{path}: {what}; save it in MARZ again') from error
    except Exception as error:  # astropy has many kinds
        raise fault from error
    if not {'Name', 'QOP'} <= {*table.colnames} or not {'AutoZ', 'FinZ'} & {*table.colnames}:
        raise fault
    rows = [{name: _text(row[name]) for name in table.colnames} for row in table]
    return {row['Name']: _redshift(path, row) for row in rows}


def _text(cell: Any) -> str:
    """A cell, '' where it is empty."""
    return '' if cell is None or str(cell) == '--' else str(cell).strip()


def _redshift(path: Path, row: dict[str, str]) -> Redshift:
    kind = 'Fin' if row.get('FinZ') else 'Auto'
    try:
        z = float(row.get(f'{kind}Z') or 'nan')
        quality = int(row['QOP'])
    except ValueError as error:
        raise InputError(
            f'{path}: {row["Name"]}: redshift or QOP is not a number; expected a .mz file of MARZ'
        ) from error
    if quality not in range(MOST + 1):
        raise InputError(f'{path}: {row["Name"]}: QOP {quality} is not from 0 to {MOST}; expected a .mz file of MARZ')
    return Redshift(z if math.isfinite(z) else None, quality, row.get(f'{kind}TN', ''), row.get('Comment', ''))
