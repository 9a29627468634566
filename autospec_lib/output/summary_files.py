"""The files of the summary: rows -> ``summary.ecsv`` and ``summary.fits``, and the former back to rows.

The columns are defined in `summary_columns`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core.atomic import complete_file
from autospec_lib.output.source_file import printable
from autospec_lib.output.summary_columns import FLUX, Column, Row, columns

if TYPE_CHECKING:
    from astropy.table import Table

NAMES = ('summary.ecsv', 'summary.fits')
LONGEST = 60  # characters of a column's name in FITS
EMPTY = {int: 0, float: np.nan, str: ''}


def write(folder: Path, rows: Sequence[Row], unit: str) -> None:
    """Write both files, each of which appears under its name when it is complete.

    Parameters
    ----------
    folder : Path
        The output folder.
    rows : sequence of dict
        One per source.
    unit : str
        That of fluxes.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    from astropy.io import fits

    table = made(rows, unit)
    with complete_file(folder / NAMES[0]) as path:
        table.write(path, format='ascii.ecsv')
    for name in table.colnames:
        if table[name].dtype.kind == 'U':
            table[name] = [printable(text) for text in table[name]]
        if len(name) > LONGEST:
            table.rename_column(name, f'{name[:LONGEST]}_{table.index_column(name)}'.replace("'", '_'))
    found = [table[name].unit for name in table.colnames]
    for name in table.colnames:
        table[name].unit = None  # astropy warns of units that are not those of FITS, and refuses 5e-17 of one
    with complete_file(folder / NAMES[1]) as path:
        hdu = fits.table_to_hdu(table)
        hdu.name = 'SUMMARY'
        for number, (column, one) in enumerate(zip(columns(rows), found, strict=True), 1):
            hdu.header[f'TCOMM{number}'] = column.text
            if one is not None:
                hdu.columns[number - 1].unit = _in_fits(one)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


def _in_fits(unit: Any) -> str:
    """The text of a unit as FITS has it; where FITS does not know it, as astropy has it."""
    try:
        return str(unit.to_string('fits'))
    except ValueError:
        return str(unit)


def made(rows: Sequence[Row], unit: str) -> Table:
    """The table of these rows; a value that a row lacks is masked, or empty text."""
    from astropy.table import Table

    return Table([_column([row.get(one.name) for row in rows], one, unit) for one in columns(rows)])


def _column(values: list[Any], column: Column, unit: str) -> Any:
    from astropy.table import Column as Plain
    from astropy.table import MaskedColumn

    kind = str if any(isinstance(value, str) for value in values) else column.kind
    filled = [EMPTY[kind] if value is None else value for value in values]
    data: NDArray[Any] = np.array(filled, dtype=kind)
    words = {
        'name': column.name,
        'description': column.text,
        'unit': _unit(unit if column.unit == FLUX else column.unit),
    }
    missing = [value is None for value in values]
    return MaskedColumn(data, mask=missing, **words) if kind is not str and any(missing) else Plain(data, **words)


def _unit(text: str) -> Any:
    """A unit, None for none and where the text is no unit."""
    from astropy import units

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        found = units.Unit(text, parse_strict='silent')
    known = text and not isinstance(found, units.UnrecognizedUnit)
    return found if known else None


def read(path: Path, unit: str) -> list[Row]:
    """The rows of a ``summary.ecsv``; fluxes in another unit than this one are converted, or left out.

    Raises
    ------
    Exception
        Any error of astropy for a file that is not such a table.
    """
    from astropy.table import Table

    table = Table.read(path, format='ascii.ecsv')
    expected = {column.name: column for column in columns([dict.fromkeys(table.colnames)])}
    read = {name: _values(table[name], expected[name], unit) for name in table.colnames}
    return [dict(zip(read, values, strict=True)) for values in zip(*read.values(), strict=True)]


def _values(found: Any, column: Column, unit: str) -> list[Any]:
    wanted = _unit(unit)
    if column.unit == FLUX and found.unit != wanted:
        if found.unit is None or wanted is None or not found.unit.is_equivalent(wanted):
            return [None] * len(found)
        found = found * found.unit.to(wanted)
    masked, kind = np.ma.getmaskarray(found), str if found.dtype.kind in 'UO' else column.kind
    plain = [None if hidden else kind(value) for value, hidden in zip(found, masked, strict=True)]
    return [None if value == '' or value != value else value for value in plain]
