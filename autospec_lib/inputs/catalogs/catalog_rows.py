"""Rows of a catalogue in any format -> targets, with the line of every fault."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from autospec_lib.core import file_names
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Ident, Target
from autospec_lib.inputs.catalogs import catalog_cells
from autospec_lib.inputs.catalogs.catalog_columns import Columns


@dataclass(frozen=True)
class Rows:
    """What a reader returns: rows that are not split into cells yet.

    Attributes
    ----------
    kind : str
        What the file is, for messages.
    place : str
        What a row's number counts: 'line' or 'row'.
    columns : Columns
        Numbers and units of the columns.
    numbered : sequence of (int, object)
        Each row with its number.
    cells : callable
        Row -> text of its cells by role. If the row cannot be read it raises `InputError`, without file and line.
    """

    kind: str
    place: str
    columns: Columns
    numbered: Sequence[tuple[int, Any]]
    cells: Callable[[Any], Mapping[str, str]]


@dataclass(frozen=True)
class InPixels:
    """What is in pixels of the cube: the 0-based position (y, x), None if it is not; whether size and aperture are."""

    position: tuple[float, float] | None = None
    size: bool = False
    aper: bool = False


NO_PIXELS = InPixels()


@dataclass
class Found:
    """Targets and faults of the rows read so far."""

    targets: list[Target] = field(default_factory=list)
    pixels: dict[Ident, InPixels] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    merged: int = 0


class _One(NamedTuple):
    target: Target
    pixels: InPixels
    bright: float


class _Place(NamedTuple):
    """Where an ID was found: the number of its row, the index of its target in the list, and how bright the row is."""

    number: int
    target: int
    bright: float


def read(name: str, rows: Rows, default: Target) -> Found:
    """The targets of the sound rows and the faults of the others.

    Parameters
    ----------
    name : str
        The file's name.
    rows : Rows
        The rows.
    default : Target
        Size and reference of the sources that have none of their own.

    Returns
    -------
    Found
        Targets in the file's order. In a catalogue of lines a source has the position of its brightest row.
    """
    found, seen = Found(), dict[Ident, _Place]()
    stems: dict[str, Ident] = {}
    readers = _readers(rows.columns)
    for order, (number, row) in enumerate(rows.numbered, 1):
        try:
            one = _one(rows, readers, row, order, default)
            if rows.columns.lines and one.target.id in seen:
                found.merged += 1
                _keep_brighter(found, seen, one)
                continue
            _check_name(one.target.id, seen, stems, rows.place)
        except InputError as error:
            found.faults += [f'{name}, {rows.place} {number}: {fault}' for fault in error.faults]
            continue
        ident = one.target.id
        seen[ident] = _Place(number, len(found.targets), one.bright)
        found.targets.append(one.target)
        if one.pixels is not NO_PIXELS:
            found.pixels[ident] = one.pixels
    return found


def _keep_brighter(found: Found, seen: dict[Ident, _Place], one: _One) -> None:
    """Replace a source's earlier row by this one if this one is brighter."""
    ident = one.target.id
    place = seen[ident]
    if one.bright > place.bright:
        seen[ident] = place._replace(bright=one.bright)
        found.targets[place.target] = one.target
        found.pixels |= {ident: one.pixels} if one.pixels is not NO_PIXELS else {}


def _check_name(ident: Ident, seen: Mapping[Ident, _Place], stems: dict[str, Ident], place: str) -> None:
    """Raise `InputError` if another row has the same ID, or one that gives the same file name.

    ``stems`` are the names of files for IDs that are text, in lower case: some file systems ignore case.
    """
    if ident in seen:
        raise InputError(f'ID {ident} is in {place} {seen[ident].number} too; expected a different ID in each row')
    stem = file_names.file_stem(ident).lower()
    other = stems.get(stem)
    if other is None and isinstance(ident, str) and stem.isdecimal() and int(stem) in seen:
        other = int(stem)
    if other is not None:
        where = f'{other} in {place} {seen[other].number}'
        raise InputError(f'ID {ident} would be written to the same file as {where}; rename one of them')
    if isinstance(ident, str):
        stems[stem] = ident


def _readers(columns: Columns) -> dict[str, Callable[[str], Any]]:
    """The function that reads the cells of each role; its ValueErrors say what is wrong."""
    pixel, scale = partial(catalog_cells.pixel, first=columns.first), columns.scale.get
    return {
        # Text IDs need a header: without one, in the row M 31 150.1 2.2, 31 would be the right ascension.
        'ID': catalog_cells.identifier_or_name if columns.names else catalog_cells.identifier,
        'X': pixel,
        'Y': pixel,
        'APER_PIXELS': catalog_cells.aperture,
        'REF': catalog_cells.reference,
        'Z': catalog_cells.redshift,
        'BRIGHT': catalog_cells.brightness,
        'RA': partial(catalog_cells.right_ascension, scale=scale('RA', 1.0)),
        'DEC': partial(catalog_cells.declination, scale=scale('DEC', 1.0)),
        'SIZE': partial(catalog_cells.size, scale=scale('SIZE', 1.0)),
        'APER': partial(catalog_cells.aperture, scale=scale('APER', 1.0)),
    }


def _one(rows: Rows, readers: Mapping[str, Callable[[str], Any]], row: Any, order: int, default: Target) -> _One:
    """One row's target; raises InputError with the faults of all its cells."""
    values: dict[str, Any] = {'ID': order, 'RA': math.nan, 'DEC': math.nan}
    faults = []
    for role, cell in rows.cells(row).items():
        try:
            values[role] = readers[role](cell)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise InputError(*faults)
    get = values.get
    size, ref, aper = get('SIZE'), get('REF') or default.ref, get('APER', get('APER_PIXELS'))
    target = Target(values['ID'], values['RA'], values['DEC'], size or default.size, ref, aper, get('Z'))
    return _One(target, _in_pixels(values, rows.columns), get('BRIGHT', 0.0))


def _in_pixels(values: Mapping[str, Any], columns: Columns) -> InPixels:
    if not columns.in_pixels and 'X' not in values:
        return NO_PIXELS
    size, aper = (values.get(role) is not None and role in columns.in_pixels for role in ('SIZE', 'APER'))
    aper = aper or values.get('APER_PIXELS') is not None
    if 'X' not in values and not size and not aper:
        return NO_PIXELS
    return InPixels((values['Y'], values['X']) if 'X' in values else None, size, aper)
