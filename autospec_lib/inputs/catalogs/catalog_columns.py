"""Decides which columns of a catalogue are read as what: names and units -> roles. The names: `column_names`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autospec_lib.core.errors import InputError
from autospec_lib.inputs.catalogs import column_names as names

# A column's name and its unit or ''.
Header: TypeAlias = Sequence[tuple[str, str]]

REQUIRED = ('ID', 'RA', 'DEC')
BY_POSITION = (*REQUIRED, 'SIZE', 'REF')
PIXELS = 'pixels'  # in place of a factor, which depends on the cube

_PIXEL_UNITS = ('pix', 'pixel', 'pixels', 'px')
_RADIAN = 3600 * math.degrees(1)
# What stands in the place of a unit of coordinates: their epoch, frame or sexagesimal form.
_NOT_A_UNIT = re.compile(r'\d{4}|icrs|fk[45]|gaia|hms|dms|:', re.IGNORECASE)
_ARCSEC = {
    **dict.fromkeys(('h', 'hr', 'hour', 'hours', 'hourangle'), 54000.0),
    **dict.fromkeys(('rad', 'radian', 'radians'), _RADIAN),
    **dict.fromkeys(('deg', 'degree', 'degrees', '\N{DEGREE SIGN}'), 3600.0),
    **dict.fromkeys(('arcmin', 'arcminute', 'arcminutes', 'amin', "'"), 60.0),
    **dict.fromkeys(('arcsec', 'arcsecs', 'arcsecond', 'arcseconds', 'asec', '"', "''"), 1.0),
    'mas': 0.001,
}


@dataclass(frozen=True)
class Columns:
    """The numbers and units of the columns that are read.

    Attributes
    ----------
    index : mapping of str to int
        Column number by role: ID, RA and DEC or X and Y, and of SIZE, REF, APER, Z and BRIGHT those that are there.
    scale : mapping of str to float
        What a number is multiplied by to have degrees or arcsec, where it is not 1.
    in_pixels : frozenset of str
        Which of SIZE and APER are in pixels.
    first : int
        The number of the first pixel, for X and Y.
    lines : bool
        Whether a row is a line, of which a source may have several.
    width : int or None
        How many cells a row must have; None if further cells are ignored.
    names : int
        How many columns have a name, 0 where there is no header.
    bright : str
        The column by which the brightest row of a source is found, or ''.
    taken : str
        Which columns are read as what, for messages.
    warnings : tuple of str
        One line for each assumption.
    """

    index: Mapping[str, int]
    scale: Mapping[str, float] = field(default_factory=dict)
    in_pixels: frozenset[str] = frozenset()
    first: int = 0
    lines: bool = False
    width: int | None = None
    names: int = 0
    bright: str = ''
    taken: str = ''
    warnings: tuple[str, ...] = ()


def by_position(catalogue_mode: bool) -> Columns:
    """The columns of a catalogue without a header."""
    wanted = BY_POSITION if catalogue_mode else REQUIRED
    return Columns({role: index for index, role in enumerate(wanted)}, taken=f'{" ".join(wanted)} by position')


def program(header: Header, otherwise: str) -> str:
    """The program that writes tables with these columns, or ``otherwise`` if none is known."""
    known = {name.lower() for name, _ in header}
    return next((who for who, wanted in names.PROGRAMS if known.issuperset(wanted)), otherwise)


def has_position(header: Header) -> bool:
    """Whether there are columns with positions on the sky or in pixels."""
    known = [name.lower() for name, _ in header]
    return _sky(known) is not None or _pixels(known) is not None


def choose(header: Header, catalogue_mode: bool, said: Mapping[str, str] | None = None) -> Columns:
    """Find the columns by their names.

    Parameters
    ----------
    header : sequence of (name, unit)
        All columns; capitals do not matter.
    catalogue_mode : bool
        Whether SIZE and REF are read, as ``MODE = 'cat'`` does.
    said : mapping of str to str, optional
        Names by role, if the table itself states them.

    Raises
    ------
    InputError
        One fault, without file and line, for each column that cannot be used; or there is no position.
    """
    known = [name.lower() for name, _ in header]
    lines = any(name in known for name in names.LINES)
    given = {role: name.lower() for role, name in (said or {}).items() if name.lower() in known}
    chosen, first = _named(known, lines, catalogue_mode, given)
    faults = [
        f'column {header[known.index(name)][0]} appears twice; rename one of them'
        for name in chosen.values()
        if known.count(name) > 1
    ]
    index = {role: known.index(name) for role, name in chosen.items()}
    scale, in_pixels, wrong, warnings = _units(header, index)
    if faults or wrong:
        raise InputError(*faults, *wrong)
    return Columns(
        index,
        scale,
        in_pixels,
        first,
        lines,
        width=len(header),
        names=len(header),
        bright=header[index['BRIGHT']][0] if 'BRIGHT' in index else '',
        taken=_taken(header, index, [] if catalogue_mode else known),
        warnings=warnings,
    )


def _named(
    known: Sequence[str], lines: bool, catalogue_mode: bool, given: Mapping[str, str]
) -> tuple[dict[str, str], int]:
    """The name of each role's column, and the number of the first pixel; names that the table states are preferred."""
    chosen, first = _identifier(known, lines) | dict(given), 0
    if not {'RA', 'DEC'} <= chosen.keys():
        position, first = _position(known)
        chosen |= position
    optional: dict[str, Sequence[str]] = {'APER': names.APERTURES, 'Z': _redshifts(known)}
    if catalogue_mode:
        optional = {'SIZE': names.SIZES, 'REF': names.REFERENCES} | optional
    if lines:
        optional['BRIGHT'] = names.BRIGHTNESSES
    for role, some in optional.items():
        found = next((name for name in some if name in known), None)
        if found is not None:
            chosen[role] = found
    return chosen, first


def _taken(header: Header, index: Mapping[str, int], known: Sequence[str]) -> str:
    """Which columns are read as what; ``known`` are all names, from which ignored SIZE and REF are found."""
    text = ', '.join(_said(role, *header[place]) for role, place in index.items() if role != 'BRIGHT')
    ignored = [name for name in ('SIZE', 'REF') if name.lower() in known]
    if ignored:
        verb = "is param.py's" if len(ignored) == 1 else "are param.py's"
        text += f"; {' and '.join(ignored)} {verb} with MODE = 'param'"
    return text


def _said(role: str, name: str, unit: str) -> str:
    what = name if name.upper() == role else f'{role} = {name}'
    return f'{what} [{unit}]' if unit and role not in ('ID', 'REF', 'Z') else what


def _identifier(known: Sequence[str], lines: bool) -> dict[str, str]:
    found = next((name for name in (names.IDENTS_OF_LINES if lines else names.IDENTS) if name in known), None)
    return {} if found is None else {'ID': found}


def _redshifts(known: Sequence[str]) -> tuple[str, ...]:
    other = any(name in known for name in names.NOT_A_REDSHIFT)
    return names.REDSHIFTS[:-1] if other else names.REDSHIFTS


def _position(known: Sequence[str]) -> tuple[dict[str, str], int]:
    """The two columns with the position by role, and the number of the first pixel."""
    sky, pixels = _sky(known), _pixels(known)
    if sky is not None:
        return {'RA': sky[0], 'DEC': sky[1]}, 0
    if pixels is not None:
        return {'X': pixels[0], 'Y': pixels[1]}, pixels[2]
    unclear = _pair(names.UNCLEAR_PIXELS, known)
    if unclear is not None:
        raise InputError(
            f'columns {unclear[0]} and {unclear[1]} look like pixels, counted from 0 or from 1; expected RA and DEC, '
            'or X_IMAGE and Y_IMAGE (the first pixel is 1), or xcentroid and ycentroid (the first is 0)'
        )
    listed = ', '.join(known[:12]) + (' ...' if len(known) > 12 else '')
    raise InputError(f'no columns with positions among {listed}; expected RA and DEC')


def _sky(known: Sequence[str]) -> tuple[str, str] | None:
    """The names of right ascension and declination; if no known pair is there, those of any column of coordinates."""
    parts = [(name, f'{name[:-3]}.dec') for name in known if name.endswith('.ra')]
    found: tuple[str, str] | None = _pair((*names.SKY, *parts), known)
    return found


def _pixels(known: Sequence[str]) -> tuple[str, str, int] | None:
    of_origin = any(name in known for name in ('t_glr', 'nsigtglr', 'line_merged_flag', 'seg_label'))
    found: tuple[str, str, int] | None = _pair(names.PIXELS, known)
    return found or (_pair(names.PIXELS_OF_ORIGIN, known) if of_origin else None)


def _pair(pairs: Sequence[Any], known: Sequence[str]) -> Any:
    return next((pair for pair in pairs if pair[0] in known and pair[1] in known), None)


def _units(
    header: Header, index: Mapping[str, int]
) -> tuple[dict[str, float], frozenset[str], list[str], tuple[str, ...]]:
    """Factors by role, the roles that are in pixels, faults, and warnings on assumptions."""
    scale: dict[str, float] = {}
    in_pixels: set[str] = set()
    faults, warnings = [], []
    for role in ('RA', 'DEC', 'SIZE', 'APER'):
        if role not in index:
            continue
        name, unit = header[index[role]]
        word, length = unit.strip().lower(), role in ('SIZE', 'APER')
        if word in _PIXEL_UNITS and length:
            in_pixels.add(role)
        elif word in _PIXEL_UNITS or (length and word and _ARCSEC.get(word, _RADIAN) in (54000.0, _RADIAN)):
            expected = 'arcsec, arcmin, deg or pix' if length else 'deg, h or rad'
            faults.append(f'column {name} is in {unit}; expected {expected}')
        elif word in _ARCSEC:
            scale[role] = _ARCSEC[word] / (1 if length else 3600)
        elif name.lower().startswith('coord_') and not word:
            scale[role] = math.degrees(1)
            warnings.append(f'column {name} has no unit; taken as radians, as LSST has it')
        elif word and not _NOT_A_UNIT.search(word):
            warnings.append(f'column {name} is in {unit}, which is not a unit of angle; taken as degrees')
    return scale, frozenset(in_pixels), faults, tuple(warnings)
