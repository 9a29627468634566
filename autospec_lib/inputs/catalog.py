"""The catalogue: rows of a text file -> targets, with the line of every fault. ``catalog_format.txt`` explains it."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.inputs import catalog_cells

_READERS = {
    'ID': catalog_cells.identifier,
    'RA': catalog_cells.right_ascension,
    'DEC': catalog_cells.declination,
    'SIZE': catalog_cells.size,
    'REF': catalog_cells.reference,
}
_COLUMNS = tuple(_READERS)
_REQUIRED = _COLUMNS[:3]
_WRONG_UNITS = {
    'RA': ('h', 'hr', 'hour', 'hours', 'rad', 'radian', 'radians'),
    'DEC': ('rad', 'radian', 'radians'),
    'SIZE': ('deg', 'degree', 'degrees', 'arcmin', 'pix', 'pixel', 'pixels'),
}

_QUOTED = r"""'[^']*'(?!\S)|"[^"]*"(?!\S)"""
_WORD = re.compile(_QUOTED + r'|\S+')
_TITLE_WORD = re.compile(_QUOTED + r'|[^\s(\[]+(?:\s*[(\[][^)\]]*[)\]])?')
_TITLE = re.compile(r'(.*?)\s*(?:[(\[](.*)[)\]])?')
_NUMBER_LIKE = re.compile(r'[+-]?\.?\d')
_SIX_NUMBERS = re.compile(r'\d\d? \d\d? \d\d?(\.\d*)? [+-]?\d\d? \d\d? \d\d?(\.\d*)?', re.ASCII)

_TEMPLATE = """\
# Catalogue of AutoSpec: one source per line, columns separated by blanks, tabs or commas.
# MODE = 'param' reads ID RA DEC and ignores what follows. MODE = 'cat' reads ID RA DEC SIZE REF, where a - stands for
# the SIZE of param.py and for white light. RA and DEC in degrees, or as hh:mm:ss.s and dd:mm:ss.s; SIZE in arcsec.
#
# ID   RA           DEC         SIZE  REF
# 120  130.5751301  +1.6470841  5     g-band
"""


class _Row(NamedTuple):
    line: int
    text: str


class _Layout(NamedTuple):
    """Where the columns stand, and how many cells a row must have (None where what follows does not matter)."""

    columns: dict[str, int]
    width: int | None


def load(
    path: Path, mode: str, size: float, ref: str, skip_bad_rows: bool = False
) -> tuple[list[Target], tuple[str, ...]]:
    """Read and check the catalogue.

    Parameters
    ----------
    path : Path
        A text file: cells between blanks, tabs or commas, ``#`` comments, and one header line or none.
    mode : str
        'param' reads ID, RA and DEC; 'cat' reads SIZE and REF too.
    size : float
        Full width of the subcubes [arcsec]; in mode 'cat' of the sources without a SIZE.
    ref : str
        The reference of every source in mode 'param'.
    skip_bad_rows : bool
        Leave out the rows with a fault and warn of it, as long as one row remains.

    Returns
    -------
    targets : list of Target
        In the file's order, positions in degrees.
    warnings : tuple of str
        One line each.

    Raises
    ------
    InputError
        The file cannot be read or holds no row; otherwise every fault of its rows at once.
    """
    wanted = _COLUMNS if mode == 'cat' else _REQUIRED
    rows = _rows(path)
    layout = _by_position(wanted)
    warnings: tuple[str, ...] = ()
    if rows and (header := _header(rows[0].text)):
        layout, warnings = _layout(header, wanted, f'{path.name}, line {rows.pop(0).line}')
    if not rows:
        raise InputError(f'{path.name}: no sources; expected one per line: ID RA DEC')
    default = Target(id=0, ra=0.0, dec=0.0, size=size, ref='' if mode == 'cat' else ref)
    targets, faults = _targets(path.name, rows, layout, default)
    if not faults:
        return targets, warnings
    if skip_bad_rows and targets:
        return targets, (*warnings, *(f'{fault}; skipped' for fault in faults))
    raise InputError(*faults)


def template() -> str:
    """The text of a catalogue that holds no source yet."""
    return _TEMPLATE


def _rows(path: Path) -> list[_Row]:
    """The lines that hold more than comments and the empty cells that spreadsheets leave."""
    lines = enumerate(re.split(r'\r\n|\r|\n', _text(path)), 1)
    rows = [_Row(line, text.partition('#')[0].strip()) for line, text in lines]
    return [row for row in rows if row.text.strip('\t ,"\'')]


def _text(path: Path) -> str:
    """The file's text; bytes that are not UTF-8, which do no harm in a comment, become lone surrogates."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f'{path.name}: not found in {os.path.dirname(os.path.abspath(path))}') from None
    except OSError as error:
        raise InputError(f'{path.name}: cannot be read: {error.strerror}') from error
    if content.startswith(b'SIMPLE  ='):
        write = f"write({path.stem + '_text.txt'!r}, format='ascii.commented_header')"
        convert = f"from astropy.table import Table; Table.read({path.name!r})['ID', 'RA', 'DEC'].{write}"
        raise InputError(f'{path.name}: is a FITS file; expected text, which this makes of it: python -c "{convert}"')
    if b'\0' in content:
        raise InputError(f'{path.name}: is not plain text; save it as text or CSV, in UTF-8')
    return content.decode('utf-8-sig', 'surrogateescape')


def _split(text: str, commas: bool) -> list[str]:
    """The cells of a row, without quotes."""
    try:
        found = next(csv.reader([text], skipinitialspace=True)) if commas else _WORD.findall(text)
    except csv.Error:  # a cell too long for the csv module is no cell of a catalogue
        found = [text]
    return [_unquoted(cell.strip()) for cell in found]


def _unquoted(cell: str) -> str:
    return cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in '\'"' else cell


def _header(text: str) -> list[tuple[str, str]]:
    """The columns' names in capitals, each with its unit or '', where the row is a header; otherwise nothing."""
    text = text.lstrip('% ')
    words = _split(text, commas=True) if ',' in text else map(_unquoted, _TITLE_WORD.findall(text))
    titles = [title for word in words if (title := _TITLE.fullmatch(word))]
    header = [(title[1].upper(), (title[2] or '').strip().lower()) for title in titles]
    named = set(_REQUIRED) <= dict(header).keys()
    return header if named or not any(_NUMBER_LIKE.match(title[1]) for title in titles[:3]) else []


def _layout(header: list[tuple[str, str]], wanted: Sequence[str], place: str) -> tuple[_Layout, tuple[str, ...]]:
    """Where a header puts the columns, with a warning where it does not say."""
    names = [name for name, _ in header]
    columns = {name: names.index(name) for name in wanted if name in names}
    faults = [f'column {name} stands twice; rename one of them' for name in columns if names.count(name) > 1]
    for name, unit in header:
        if name in columns and unit in _WRONG_UNITS.get(name, ()):
            faults.append(f'column {name} is in {unit}; expected {"arcsec" if name == "SIZE" else "degrees"}')
    named = set(_REQUIRED) <= columns.keys()
    if not named and columns.items() - _by_position(wanted).columns.items():
        faults.append('a header with some of ID, RA and DEC; expected all three, or none')
    if faults:
        raise InputError(*(f'{place}: {fault}' for fault in faults))
    if not named:
        return _by_position(wanted), (f'{place}: a header without ID, RA and DEC; columns are taken by position',)
    leading = set(names[: len(columns)])
    first = leading == columns.keys() and set(_REQUIRED) == set(names[:3])
    return _Layout(columns, None if first else len(names)), ()


def _by_position(wanted: Sequence[str]) -> _Layout:
    return _Layout({name: index for index, name in enumerate(wanted)}, None)


def _targets(name: str, rows: Sequence[_Row], layout: _Layout, default: Target) -> tuple[list[Target], list[str]]:
    """The targets of the sound rows and the faults of the others."""
    commas = ',' in rows[0].text
    targets: list[Target] = []
    faults: list[str] = []
    lines: dict[int, int] = {}
    for line, text in rows:
        try:
            target = _target(_picked(text, commas, layout), default)
            if target.id in lines:
                raise InputError(
                    f'ID {target.id} is in line {lines[target.id]} too; expected a different ID in each row'
                )
        except InputError as error:
            faults += [f'{name}, line {line}: {fault}' for fault in error.faults]
        else:
            lines[target.id] = line
            targets.append(target)
    return targets, faults


def _picked(text: str, commas: bool, layout: _Layout) -> dict[str, str]:
    """The cells of the wanted columns, '' for those that the row is too short for."""
    found = _split(text, commas)
    count, least = len(found), 1 + max(layout.columns[name] for name in _REQUIRED)
    if layout.width is not None and count != layout.width:
        raise InputError(f'{count} columns, {layout.width} in the header; expected as many (- for an empty cell)')
    if count < least:
        raise InputError(f'{count} of {least} columns; expected ID RA DEC between blanks, tabs or commas')
    if not commas and _SIX_NUMBERS.fullmatch(' '.join(found[1:7])):
        raise InputError('coordinates are split by blanks; expected degrees, or hh:mm:ss.s and dd:mm:ss.s')
    if not commas and least < count <= max(layout.columns.values()) and re.search(r'\t *\t', text):
        raise InputError('tabs leave open which cell is empty; expected - for an empty SIZE or REF')
    return {name: found[index] if index < count else '' for name, index in layout.columns.items()}


def _target(row: dict[str, str], default: Target) -> Target:
    """One row's target; raises InputError with the faults of all its cells."""
    values: dict[str, Any] = {}
    faults = []
    for name, cell in row.items():
        try:
            values[name] = _READERS[name](cell)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        raise InputError(*faults)
    size, ref = values.get('SIZE') or default.size, values.get('REF') or default.ref
    return Target(values['ID'], values['RA'], values['DEC'], size, ref)
