"""Rows of a catalogue in any format -> targets, with the line of every fault.

A reader (`text_tables`, `tables`) returns `Rows`: for each row its cells by role. A cell is text or a number; it is
empty text where there is none. The functions below read one cell and raise `ValueError` with what is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias

from autospec_lib.core import file_names
from autospec_lib.core.errors import InputError, counted, show
from autospec_lib.core.types import BoolArray, Ident, Target
from autospec_lib.inputs.columns import Columns

Cell: TypeAlias = str | float
Values: TypeAlias = dict[str, Any]  # what a row has, by role
Sources: TypeAlias = tuple[list[Target], dict[Ident, dict[str, float]]]  # and what is in pixels, by ID and role

PIXEL_ROLES = ('X', 'Y', 'SIZE_PIX', 'APER_PIX')
_EMPTY_CELLS = frozenset(('', '-', '--', 'nan', 'none'))
_LARGEST_ID = 2**63 - 1  # FITS integers have 64 bits
_LONGEST_NAME = 68
# numpy.savetxt writes the number 12 as 1.200000000000000000e+01.
_DECIMAL = re.compile(r'[+-]?\d{1,19}(?:\.\d*)?(?:e[+-]\d{2,3})?', re.ASCII | re.IGNORECASE)
_SEXAGESIMAL = re.compile(r'([+-]?)(\d{1,3})([:hd])(\d{1,2})([:m])(\d{1,2}(?:\.\d*)?)(s?)', re.ASCII)


@dataclass(frozen=True)
class Rows:
    """What a reader returns.

    Attributes
    ----------
    form : str
        The format of the file, for messages.
    place : str
        What a row's number counts: 'line' or 'row'.
    columns : Columns
        Which columns are read, and how.
    cells : iterable of (int, mapping of str to Cell, or str)
        Each row: its number, and its cells by role or what is wrong with it. Besides the roles of `Columns`, FRAME is
        astropy's name of the coordinate system of RA and DEC if it is not ICRS, and LON stands for RA where the system
        is not equatorial.
    """

    form: str
    place: str
    columns: Columns
    cells: Iterable[tuple[int, Mapping[str, Cell] | str]]


def read(
    name: str, rows: Rows, default: Target, in_field: Callable[[Sources], BoolArray] | None = None
) -> tuple[Sources, list[str], list[str]]:
    """The targets of the sound rows and the faults of the others.

    Parameters
    ----------
    name : str
        The file's name.
    rows : Rows
        The rows.
    default : Target
        Size and reference of the sources that have none of their own.
    in_field : function, optional
        Says which sources lie in the field. Rows outside it are left out if they have faults or share their ID.

    Returns
    -------
    sources : targets and what is in pixels
        In the file's order. In a catalogue of lines a source has the position of its brightest row.
    faults, warnings : list of str
        One line each.
    """
    listed = [*_listed(rows)]
    sources, faults, merged, doubtful = _sources(name, rows, listed)
    warnings = []
    placed = {
        values['ORDER']: values for values in doubtful if {'RA', 'DEC'} <= values.keys() or {'X', 'Y'} <= values.keys()
    }
    if placed and in_field is not None:
        try:
            inside = in_field(_targets(placed, default))
        except InputError as error:  # the cube's
            raise InputError(*faults, *error.faults) from error
        outside = {order for order, is_inside in zip(placed, inside, strict=True) if not is_inside}
        others = [values for values in listed if values['ORDER'] not in outside]
        if outside and others:
            sources, faults, merged, _ = _sources(name, rows, others)
            warnings.append(f'{len(outside)} rows with faults, or with the ID of another, lie outside the field')
    warnings += _assumptions(rows, len(sources), merged)
    return _targets(sources, default), faults, [f'{name}: {text}' for text in warnings]


def _listed(rows: Rows) -> Iterator[Values]:
    """Each row's values by role, with its number (ROW), its place among all (ORDER) and what is wrong (FAULTS)."""
    readers = _readers(rows.columns)
    for order, (number, cells) in enumerate(rows.cells, 1):
        values: Values = {'ID': order, 'FRAME': rows.columns.frame, 'BRIGHT': 0.0, 'ROW': number, 'ORDER': order}
        faults = []
        if isinstance(cells, str):
            faults.append(cells)
            cells = {}
        for role, cell in cells.items():
            try:
                values['RA' if role == 'LON' else role] = readers[role](cell)
            except ValueError as error:
                faults.append(str(error))
        yield values | {'FAULTS': faults}


def _sources(
    name: str, rows: Rows, listed: Iterable[Values]
) -> tuple[dict[Ident, Values], list[str], int, list[Values]]:
    """Each source's values; the faults; the number of rows of earlier sources; rows with faults or an ID in common."""
    sources: dict[Ident, Values] = {}
    idents: dict[str, Ident] = {}  # by the name of a source's file, without capitals: some file systems ignore them
    faults: list[str] = []
    doubtful: list[Values] = []
    merged = 0
    for values in listed:
        ident, wrong = values['ID'], values['FAULTS']
        if not wrong:
            other = idents.setdefault(file_names.file_stem(ident).lower(), ident)
            first = sources.setdefault(other, values)
            if first is not values and other == ident and rows.columns.lines:
                merged += 1
                if values['BRIGHT'] > first['BRIGHT']:
                    sources[ident] = values
            elif first is not values:
                where = f'{rows.place} {first["ROW"]}'
                what = f'is in {where} too; expected a different ID in each row'
                if other != ident:
                    what = f'would be written to the same file as {other} in {where}; rename one of them'
                wrong = [f'ID {ident} {what}']
                doubtful.append(first)
        if wrong:
            doubtful.append(values)
            faults += [f'{name}, {rows.place} {values["ROW"]}: {fault}' for fault in wrong]
    return sources, faults, merged, doubtful


def _targets(sources: Mapping[Any, Values], default: Target) -> Sources:
    """The targets, and what is in pixels of the cube by ID and role: X and Y (0-based), SIZE_PIX, APER_PIX."""
    places = {ident: (values.get('RA', math.nan), values.get('DEC', math.nan)) for ident, values in sources.items()}
    for frame in {values['FRAME'] for values in sources.values()} - {''}:
        import numpy as np
        from astropy.coordinates import SkyCoord

        some = [ident for ident, values in sources.items() if values['FRAME'] == frame]
        system, _, equinox = frame.partition(' ')
        there = np.array([places[ident] for ident in some])
        sky = SkyCoord(there, unit='deg', frame=system, equinox=equinox or None).icrs
        places |= zip(some, np.transpose([sky.ra.deg, sky.dec.deg]).tolist(), strict=True)
    targets, pixels = [], {}
    for ident, values in sources.items():
        ra, dec = places[ident]
        width, ref = values.get('SIZE') or default.size, values.get('REF') or default.ref
        targets.append(Target(ident, ra, dec, width, ref, values.get('APER'), values.get('Z')))
        in_pixels = {role: values[role] for role in PIXEL_ROLES if values.get(role) is not None}
        if in_pixels:
            pixels[ident] = in_pixels
    return targets, pixels


def _readers(columns: Columns) -> dict[str, Callable[[Cell], Any]]:
    """The function that reads the cells of each role."""
    scale = {'RA': 1.0, 'DEC': 1.0, 'SIZE': 1.0, 'APER': 1.0, **columns.scale}
    return {
        # Text IDs need a header: without one, in the row M 31 150.1 2.2, 31 would be the right ascension.
        'ID': partial(identifier, names=bool(columns.names)),
        'FRAME': str,
        'RA': partial(right_ascension, scale=scale['RA']),
        'LON': longitude,
        'DEC': partial(declination, scale=scale['DEC']),
        'X': partial(pixel, first=columns.first),
        'Y': partial(pixel, first=columns.first),
        'SIZE': partial(size, scale=scale['SIZE']),
        'SIZE_PIX': size,
        'APER': partial(aperture, scale=scale['APER']),
        'APER_PIX': aperture,
        'REF': reference,
        'Z': redshift,
        'BRIGHT': brightness,
    }


def _assumptions(rows: Rows, count: int, merged: int) -> Iterator[str]:
    """Warnings on what was assumed in reading the rows."""
    columns = rows.columns
    if 'ID' not in columns.index:
        yield f'no column with IDs; {rows.place}s are numbered from 1'
    if 'X' in columns.index:
        yield f'no RA and DEC; X and Y are taken as pixels of the cube, of which the first is {columns.first}'
    if merged:
        which = 'its first row'
        if 'BRIGHT' in columns.index:
            which = f'its row with the largest {columns.names[columns.index["BRIGHT"]]}'
        yield f'{count + merged} rows with {counted(count, "ID")}: each source is at the position of {which}'


def identifier(cell: Cell, names: bool = True) -> Ident:
    """A whole number from 0, also with a decimal point and zeros.

    With ``names``, also any other text of at most 68 characters (the limit of a FITS card), such as -3, 1.10 and 3e8.
    """
    value = _whole(cell)
    if value is not None and 0 <= value <= _LARGEST_ID:
        return value
    if not names:
        if value is None:
            raise ValueError(f'ID {show(cell)} is not a whole number; other IDs need a header that names the columns')
        raise ValueError(f'ID {cell} is outside 0 to 2^63 - 1; other IDs need a header that names the columns')
    text = ' '.join(str(cell).split())
    if text.lower() in _EMPTY_CELLS:
        raise ValueError('no ID')
    # A stray comma or blank would shift the columns.
    parts, words = re.split(r'[,;\'"]', text), text.split()
    mixed = len(parts) > 1 and any(_number(part) is not None for part in parts)
    numbers = len(words) > 1 and all(not re.search(r'[^\W\d_]', word) or _number(word) is not None for word in words)
    if mixed or numbers or text.strip(',;|') != text:
        raise ValueError(f'ID {show(text)} has a separator in it; expected the same separator in all rows')
    if not text.isprintable() or len(text) > _LONGEST_NAME or not text.strip('.\'"'):
        raise ValueError(f'ID {show(text)} is not a valid name; expected at most {_LONGEST_NAME} printable characters')
    return text


def right_ascension(cell: Cell, scale: float = 1.0) -> float:
    """Degrees, from hours as hh:mm:ss.s or 00h00m00.0s, or from a number times ``scale``."""
    value = _degrees(cell, 'right ascension', 'h', scale)
    if not 0 <= value < 360:
        swapped = '; is it the declination?' if -90 <= value < 0 else ''
        raise ValueError(f'right ascension {cell} is outside 0 to 360 degrees{swapped}')
    return value


def longitude(cell: Cell) -> float:
    """Degrees from 0 to 360 of a galactic or ecliptic longitude, also as ddd:mm:ss.s."""
    return _degrees(cell, 'longitude', 'd', 1.0) % 360


def declination(cell: Cell, scale: float = 1.0) -> float:
    """Degrees, from dd:mm:ss.s or 00d00m00.0s, or from a number times ``scale``."""
    value = _degrees(cell, 'declination', 'd', scale)
    if not -90 <= value <= 90:
        raise ValueError(f'declination {cell} is outside -90 to 90 degrees; is it the right ascension, or a pixel?')
    return value


def pixel(cell: Cell, first: int = 0) -> float:
    """A position in 0-based pixels; ``first`` is the number of the first pixel in the catalogue."""
    return _finite(cell, 'pixel', 'a number') - first


def size(cell: Cell, scale: float = 1.0) -> float | None:
    """A width in arcsec, or None where the cell is empty."""
    return _length(cell, 'size', 'arcsec above 0, or - for the SIZE of param.py', scale)


def aperture(cell: Cell, scale: float = 1.0) -> float | None:
    """A radius in arcsec, or None where the cell is empty."""
    return _length(cell, 'aperture', 'arcsec above 0, or - for none', scale)


def redshift(cell: Cell) -> float | None:
    """A redshift above -0.1 and below 20; None for all else, as catalogues have many ways to say that there is none."""
    value = _number(cell)
    return value if value is not None and -0.1 < value < 20 else None


def brightness(cell: Cell) -> float:
    """How bright a row is; lower than any number if the cell has no number."""
    value = _number(cell)
    return -math.inf if value is None or math.isnan(value) else value


def reference(cell: Cell) -> str:
    """The reference as it is written, or '' where the cell is empty."""
    text = str(cell)
    if not text.isprintable():
        raise ValueError(f'reference {show(text)} is not plain text; save the file as UTF-8')
    return '' if text.lower() in _EMPTY_CELLS else text


def _number(cell: Cell) -> float | None:
    """The number in a cell; None if there is none."""
    try:
        return None if isinstance(cell, str) and '_' in cell else float(cell)  # Python would read 12_3 as 123
    except ValueError:
        return None


def _whole(cell: Cell) -> int | None:
    """The whole number in a cell; None if there is none, or if not all of its digits are given, as in 3e8."""
    if isinstance(cell, int):
        return cell
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < 2**53 else None
    if cell.isascii() and cell.isdecimal() and len(cell) < 20:
        return int(cell)
    if not _DECIMAL.fullmatch(cell):
        return None
    value = Decimal(cell)
    whole = value == value.to_integral_value() and len(value.as_tuple().digits) > value.adjusted()
    return int(value) if whole else None


def _finite(cell: Cell, what: str, expected: str) -> float:
    value = _number(cell)
    if value is None:
        raise ValueError(f'{what} {show(cell)} is not a number; expected {expected}')
    if not math.isfinite(value):
        raise ValueError(f'{what} {cell} is not finite')
    return value


def _length(cell: Cell, what: str, expected: str, scale: float) -> float | None:
    if str(cell).lower() in _EMPTY_CELLS:
        return None
    value = _finite(cell, what, expected)
    if value <= 0:
        raise ValueError(f'{what} {cell} is not above 0')
    return value * scale


def _degrees(cell: Cell, what: str, unit: str, scale: float) -> float:
    """An angle in degrees; the first field of sexagesimal notation has the letter ``unit``, h or d."""
    # Without blanks: 10 00 24.0, as VizieR writes it, 10h 00m 24.0s, - 2 00 05.
    parts = re.sub(r'^([+-])\s+', r'\1', str(cell)).lower().split() or ['']
    text = ('' if parts[0][-1:] in 'hd' else ':').join(parts)
    match = _SEXAGESIMAL.fullmatch(text) if _number(cell) is None else None
    if not match or match[3] + match[5] + match[7] not in ('::', f'{unit}m', f'{unit}ms'):
        if math.isnan(scale):
            raise ValueError(f'{what} {show(cell)} is not {unit}{unit}:mm:ss.s, as the unit of its column says')
        return _finite(cell, what, f'degrees, {unit}{unit}:mm:ss.s or 00{unit}00m00.0s') * scale
    minutes, seconds = int(match[4]), float(match[6])
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f'{what} {cell} has 60 or more minutes or seconds')
    angle = (3600 * int(match[2]) + 60 * minutes + seconds) / 3600
    if unit == 'h':
        angle *= 15
    return -angle if match[1] == '-' else angle
