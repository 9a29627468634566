"""Rows of a catalogue in any format -> targets, with the line of every fault.

A reader (`text_tables`, `tables_and_regions`) returns `Rows`: for each row its cells by role. A cell is text or
a number; it is empty text where there is none. The functions below read one cell and raise
`ValueError` with what is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from autospec_lib.core import file_names
from autospec_lib.core.errors import InputError, counted, show
from autospec_lib.core.types import BoolArray, Ident, Target
from autospec_lib.inputs.catalogue_columns import Columns

Cell: TypeAlias = str | float
Values: TypeAlias = dict[str, Any]  # what a row has, by role

PIXEL_ROLES = ('X', 'Y', 'SIZE_PIX', 'APER_PIX')
_ANGLES = {'RA': ('right ascension', 'h'), 'DEC': ('declination', 'd'), 'LON': ('longitude', 'd')}
_LENGTHS = {'SIZE': ('size', 'the SIZE of param.py'), 'APER': ('aperture', 'none')}
_EMPTY_CELLS = frozenset(('', '-', '--', 'nan', 'none'))
_LARGEST_ID = 2**63 - 1  # FITS integers have 64 bits
_LONGEST_NAME = 68
# numpy.savetxt writes the number 12 as 1.200000000000000000e+01.
_DECIMAL = re.compile(r'[+-]?\d{1,19}(?:\.\d*)?(?:e[+-]\d{2,3})?', re.ASCII | re.IGNORECASE)
_SEXAGESIMAL = re.compile(
    r'([+-]?)(\d{1,3})([:hd])(\d{1,2})([:m])(\d{1,2}(?:\.\d*)?)(s?)', re.ASCII
)


@dataclass(frozen=True)
class Catalogue:
    """The sources.

    Attributes
    ----------
    targets : list of Target
        In the file's order, positions in degrees; NaN where they are in ``pixels``.
    warnings : tuple of str
        One line each.
    description : str
        One line: the kind of file, and which columns are read as what.
    pixels : mapping of ID to mapping of str to float
        What is in pixels of the cube and not in the target: X and Y (0-based), SIZE_PIX, APER_PIX.
    """

    targets: list[Target]
    warnings: tuple[str, ...] = ()
    description: str = ''
    pixels: Mapping[Ident, Mapping[str, float]] = field(default_factory=dict)


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
        Each row: its number, and its cells by role or what is wrong with it. Besides the roles of
        `Columns`, FRAME is astropy's name of the coordinate system of RA and DEC if it is not ICRS,
        and LON stands for RA where the system is not equatorial.
    """

    form: str
    place: str
    columns: Columns
    cells: Iterable[tuple[int, Mapping[str, Cell] | str]]


def read(
    name: str, rows: Rows, default: Target, in_field: Callable[[Catalogue], BoolArray] | None = None
) -> tuple[Catalogue, list[str], list[str]]:
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
        Says which sources lie in the field. Rows outside it are left out if they have faults or
        share their ID.

    Returns
    -------
    catalogue : Catalogue
        In a catalogue of lines a source has the position of its brightest row.
    faults, warnings : list of str
        One line each.
    """
    columns = rows.columns
    listed = [*_listed(rows)]
    sources, faults, merged, doubtful = _sources(name, rows, listed)
    warnings = []
    placed = {
        values['ORDER']: values
        for values in doubtful
        if {'RA', 'DEC'} <= values.keys() or {'X', 'Y'} <= values.keys()
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
            warnings.append(
                f'{len(outside)} rows with faults, or with the ID of another, lie outside the field'
            )
    if 'ID' not in columns.index:
        warnings.append(f'no column with IDs; {rows.place}s are numbered from 1')
    if 'X' in columns.index:
        warnings.append(
            f'no RA and DEC; X and Y are taken as pixels of the cube, of which the first is {columns.first}'
        )
    if merged:
        bright = columns.index.get('BRIGHT')
        which = (
            'its first row'
            if bright is None
            else f'its row with the largest {columns.names[bright]}'
        )
        number = f'{len(sources) + merged} rows with {counted(len(sources), "ID")}'
        warnings.append(f'{number}: each source is at the position of {which}')
    return _targets(sources, default), faults, [f'{name}: {text}' for text in warnings]


def _listed(rows: Rows) -> Iterator[Values]:
    """Each row's values by role, with its number (ROW), its place among all (ORDER) and what is
    wrong (FAULTS)."""
    for order, (number, cells) in enumerate(rows.cells, 1):
        values: Values = {
            'ID': order,
            'FRAME': rows.columns.frame,
            'BRIGHT': 0.0,
            'ROW': number,
            'ORDER': order,
        }
        values['FAULTS'] = faults = []
        if isinstance(cells, str):
            faults.append(cells)
            cells = {}
        for role, cell in cells.items():
            try:
                values['RA' if role == 'LON' else role] = value(role, cell, rows.columns)
            except ValueError as error:
                faults.append(str(error))
        yield values


def _sources(
    name: str, rows: Rows, listed: Iterable[Values]
) -> tuple[dict[Ident, Values], list[str], int, list[Values]]:
    """Each source's values; the faults; the number of rows of earlier sources; rows with faults or
    an ID in common."""
    sources: dict[Ident, Values] = {}
    # By the name of a source's file, without capitals: some file systems ignore them.
    idents: dict[str, Ident] = {}
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


def _targets(sources: Mapping[Any, Values], default: Target) -> Catalogue:
    """The targets of rows, in ICRS or pixels."""
    places = {
        ident: (values.get('RA', math.nan), values.get('DEC', math.nan))
        for ident, values in sources.items()
    }
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
    return Catalogue(targets, pixels=pixels)


def value(role: str, cell: Cell, columns: Columns) -> Any:
    """What a cell holds; None or '' where it is empty.

    Positions are in degrees or 0-based pixels, lengths in arcsec or pixels.

    Parameters
    ----------
    role : str
        The role of its column, see `Rows`.
    cell : str or number
        The cell.
    columns : Columns
        The units of the columns, and whether they have names.

    Raises
    ------
    ValueError
        With what is wrong with it.
    """
    scale = columns.scale.get(role, 1.0)
    if role == 'ID':
        # Text IDs need a header: without one, in the row M 31 150.1 2.2, 31 would be the right
        # ascension.
        return identifier(cell, bool(columns.names))
    if role in _ANGLES:
        return degrees(role, cell, scale)
    if role in ('X', 'Y'):
        return _finite(cell, 'pixel', 'a number') - columns.first
    text, length_role = str(cell), role.removesuffix('_PIX')
    if length_role in _LENGTHS:
        if text.lower() in _EMPTY_CELLS:
            return None
        what, otherwise = _LENGTHS[length_role]
        length = _finite(cell, what, f'arcsec above 0, or - for {otherwise}')
        if length <= 0:
            raise ValueError(f'{what} {cell} is not above 0')
        return length * scale
    number = _number(cell)
    if role == 'Z':  # catalogues have many ways to say that there is none
        return number if number is not None and -0.1 < number < 20 else None
    if role == 'BRIGHT':
        return -math.inf if number is None or math.isnan(number) else number
    if not text.isprintable():
        raise ValueError(f'reference {show(text)} is not plain text; save the file as UTF-8')
    return '' if text.lower() in _EMPTY_CELLS else text


def identifier(cell: Cell, names: bool = True) -> Ident:
    """A whole number from 0, also with a decimal point and zeros.

    With ``names``, also any other text of at most 68 characters (the limit of a FITS card), such as
    -3, 1.10 and 3e8.
    """
    number = None
    if isinstance(cell, int) or (
        isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53
    ):
        number = int(cell)
    elif isinstance(cell, str) and _DECIMAL.fullmatch(cell):
        value = Decimal(cell)
        # Not all digits of a number such as 3e8 are there.
        if value == value.to_integral_value() and len(value.as_tuple().digits) > value.adjusted():
            number = int(value)
    if number is not None and 0 <= number <= _LARGEST_ID:
        return number
    if not names:
        if number is None:
            raise ValueError(
                f'ID {show(cell)} is not a whole number; other IDs need a header that names the columns'
            )
        raise ValueError(
            f'ID {cell} is outside 0 to 2^63 - 1; other IDs need a header that names the columns'
        )
    text = ' '.join(str(cell).split())
    if text.lower() in _EMPTY_CELLS:
        raise ValueError('no ID')
    # A stray comma or blank would shift the columns.
    parts, words = re.split(r'[,;\'"]', text), text.split()
    mixed = len(parts) > 1 and any(_number(part) is not None for part in parts)
    numbers = len(words) > 1 and all(
        not re.search(r'[^\W\d_]', word) or _number(word) is not None for word in words
    )
    if mixed or numbers or text.strip(',;|') != text:
        raise ValueError(
            f'ID {show(text)} has a separator in it; expected the same separator in all rows'
        )
    if not text.isprintable() or len(text) > _LONGEST_NAME or not text.strip('.\'"'):
        raise ValueError(
            f'ID {show(text)} is not a valid name; expected at most {_LONGEST_NAME} printable characters'
        )
    return text


def degrees(role: str, cell: Cell, scale: float = 1.0) -> float:
    """Degrees, from sexagesimal notation (hours of an RA), or from a number times ``scale``.

    Parameters
    ----------
    role : str
        'RA', 'DEC', or 'LON' for a galactic or ecliptic longitude, which becomes one from 0 to 360.
    cell : str or number
        Such as 10:00:24.0, 10h00m24.0s, -00d30m00s, 150.1, or the same with blanks: 10 00 24.0, - 2
        00 05.
    scale : float
        What numbers are multiplied by; NaN if they are not expected.

    Raises
    ------
    ValueError
        If it is no angle, or out of range.
    """
    what, unit = _ANGLES[role]
    parts = re.sub(r'^([+-])\s+', r'\1', str(cell)).lower().split() or ['']
    text = ('' if parts[0][-1:] in 'hd' else ':').join(parts)
    match = _SEXAGESIMAL.fullmatch(text) if _number(cell) is None else None
    if match and match[3] + match[5] + match[7] in ('::', f'{unit}m', f'{unit}ms'):
        minutes, seconds = int(match[4]), float(match[6])
        if minutes >= 60 or seconds >= 60:
            raise ValueError(f'{what} {cell} has 60 or more minutes or seconds')
        angle = (3600 * int(match[2]) + 60 * minutes + seconds) / 3600
        if unit == 'h':
            angle *= 15
        if match[1] == '-':
            angle = -angle
    elif math.isnan(scale):
        raise ValueError(
            f'{what} {show(cell)} is not {unit}{unit}:mm:ss.s, as the unit of its column says'
        )
    else:
        angle = scale * _finite(cell, what, f'degrees, {unit}{unit}:mm:ss.s or 00{unit}00m00.0s')
    if role == 'RA' and not 0 <= angle < 360:
        swapped = '; is it the declination?' if -90 <= angle < 0 else ''
        raise ValueError(f'{what} {cell} is outside 0 to 360 degrees{swapped}')
    if role == 'DEC' and not -90 <= angle <= 90:
        raise ValueError(
            f'{what} {cell} is outside -90 to 90 degrees; is it the right ascension, or a pixel?'
        )
    return angle % 360 if role == 'LON' else angle


def _number(cell: Cell) -> float | None:
    """The number in a cell; None if there is none."""
    try:
        # Python would read 12_3 as 123.
        return None if isinstance(cell, str) and '_' in cell else float(cell)
    except ValueError:
        return None


def _finite(cell: Cell, what: str, expected: str) -> float:
    value = _number(cell)
    if value is None:
        raise ValueError(f'{what} {show(cell)} is not a number; expected {expected}')
    if not math.isfinite(value):
        raise ValueError(f'{what} {cell} is not finite')
    return value
