"""Rows of a catalogue, whatever file they are from -> targets, with the place of every fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autospec_lib.core import keys
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Ident, Target
from autospec_lib.inputs import catalog_cells
from autospec_lib.inputs.catalog_columns import Columns

_SCALED: dict[str, Callable[[str, float], float | None]] = {
    'RA': catalog_cells.right_ascension,
    'DEC': catalog_cells.declination,
    'SIZE': catalog_cells.size,
    'APER': catalog_cells.aperture,
    'APER_PIXELS': catalog_cells.aperture,
}
_PLAIN: dict[str, Callable[[str], Any]] = {
    'REF': catalog_cells.reference,
    'Z': catalog_cells.redshift,
    'BRIGHT': catalog_cells.brightness,
}


@dataclass(frozen=True)
class Rows:
    """What a reader gives: rows that are not split yet.

    Attributes
    ----------
    kind : str
        What the file is, for messages.
    place : str
        What a row's number counts: 'line' or 'row'.
    columns : Columns
        Where the columns stand.
    numbered : sequence of (int, object)
        Each row with its number.
    cells : callable
        Row -> text of its cells by role. It raises `InputError` without a place where the row cannot be read.
    """

    kind: str
    place: str
    columns: Columns
    numbered: Sequence[tuple[int, Any]]
    cells: Callable[[Any], Mapping[str, str]]


@dataclass(frozen=True)
class InPixels:
    """What of a target is in pixels of the cube: its position (y, x), 0-based, or None; its size; its aperture."""

    position: tuple[float, float] | None = None
    size: bool = False
    aper: bool = False


@dataclass
class Found:
    """What the rows hold so far; it grows with each of them."""

    targets: list[Target] = field(default_factory=list)
    pixels: dict[Ident, InPixels] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    merged: int = 0


@dataclass(frozen=True)
class _One:
    target: Target
    pixels: InPixels
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
        Targets in the file's order. In a catalogue of lines a source is at the place of its brightest row.
    """
    found = Found()
    seen: dict[Ident, int] = {}
    stems: dict[str, tuple[Ident, int]] = {}
    brightest: dict[Ident, tuple[float, int]] = {}
    for order, (number, row) in enumerate(rows.numbered, 1):
        try:
            one = _one(rows, row, order, default)
            ident = one.target.id
            if ident in seen and rows.columns.lines:
                found.merged += 1
                if one.bright > brightest[ident][0]:
                    brightest[ident] = one.bright, brightest[ident][1]
                    found.targets[brightest[ident][1]] = one.target
                    found.pixels[ident] = one.pixels
                continue
            _check_name(ident, seen, stems, rows.place)
        except InputError as error:
            found.faults += [f'{name}, {rows.place} {number}: {fault}' for fault in error.faults]
            continue
        seen[ident] = number
        stems[keys.file_stem(ident).lower()] = ident, number
        brightest[ident] = one.bright, len(found.targets)
        found.targets.append(one.target)
        found.pixels[ident] = one.pixels
    found.pixels = {ident: pixels for ident, pixels in found.pixels.items() if pixels != InPixels()}
    return found


def _check_name(ident: Ident, seen: Mapping[Ident, int], stems: Mapping[str, tuple[Ident, int]], place: str) -> None:
    """Raise `InputError` where an ID, or the name of the file that it gives, is another row's."""
    if ident in seen:
        raise InputError(f'ID {ident} is in {place} {seen[ident]} too; expected a different ID in each row')
    stem = keys.file_stem(ident)
    if stem.lower() in stems:
        other, number = stems[stem.lower()]
        raise InputError(
            f'ID {ident} would be written to the same file as {other} in {place} {number} ({stem}.fits); rename one'
        )


def _one(rows: Rows, row: Any, order: int, default: Target) -> _One:
    """One row's target; raises InputError with the faults of all its cells."""
    values: dict[str, Any] = {'ID': order}
    faults = []
    columns = rows.columns
    identifier = catalog_cells.identifier_or_name if columns.names else catalog_cells.identifier
    for role, cell in rows.cells(row).items():
        try:
            if role in _SCALED:
                values[role] = _SCALED[role](cell, columns.scale.get(role, 1.0))
            elif role in _PLAIN:
                values[role] = _PLAIN[role](cell)
            elif role == 'ID':
                values[role] = identifier(cell)
            else:
                values[role] = catalog_cells.pixel(cell, columns.first)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise InputError(*faults)
    size, ref = values.get('SIZE'), values.get('REF') or default.ref
    aper = values.get('APER', values.get('APER_PIXELS'))
    in_pixels = InPixels(
        position=(values['Y'], values['X']) if 'X' in values else None,
        size=size is not None and 'SIZE' in columns.in_pixels,
        aper=aper is not None and ('APER' in columns.in_pixels or 'APER_PIXELS' in values),
    )
    ra, dec = values.get('RA', float('nan')), values.get('DEC', float('nan'))
    target = Target(values['ID'], ra, dec, size or default.size, ref, aper, values.get('Z'))
    return _One(target, in_pixels, values.get('BRIGHT', 0.0))
