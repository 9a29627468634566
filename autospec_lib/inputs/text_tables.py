"""Catalogues in text: AutoSpec's own, with or without a header, CSV, and text whose comments number the columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from autospec_lib.core.errors import InputError
from autospec_lib.inputs import columns
from autospec_lib.inputs.columns import Columns, Header
from autospec_lib.inputs.rows import Rows

# The number of a line, and its text without comments and without blanks, but not tabs, around it.
Line: TypeAlias = tuple[int, str]

_QUOTED = r"""'[^']*'(?!\S)|"[^"]*"(?!\S)"""
_BETWEEN_BLANKS = re.compile(_QUOTED + r'|\S+')
_TITLE_WORD = re.compile(_QUOTED + r'|[^\s(\[]+(?:\s*[(\[][^)\]]*[)\]])?')
_TITLE = re.compile(r'(.*?)\s*(?:[(\[](.*)[)\]])?')
_NUMBER_LIKE = re.compile(r'[+-]?\.?\d')
_SIX_NUMBERS = re.compile(r'\d\d? \d\d? \d\d?(\.\d*)? [+-]?\d\d? \d\d? \d\d?(\.\d*)?', re.ASCII)
_DECIMAL_COMMA = re.compile(r'[+-]?\d+,\d+', re.ASCII)
# The rule of dashes below the names of columns, as VizieR and others write it.
_RULE = re.compile(r'(?=.*(?:--|==))[-=+|;,\s]+')
# SExtractor: '#   1 NUMBER   Running object number   [unit]'; LSDCat: '# 1: I [unit]'.
_NUMBERED = re.compile(r'^#\s*(\d+)(:?)\s+([A-Z][A-Z0-9_]*)(?!\S)(?:.*?\[([^\[\]]*)\]\s*$)?', re.MULTILINE)
_FORMS = {'': 'text', ',': 'CSV', ';': 'CSV', '\t': 'TSV', '|': 'text'}


def read(name: str, text: str, catalogue_mode: bool) -> Rows:
    """Split a catalogue into rows and find its columns.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    text : str
        What it holds.
    catalogue_mode : bool
        Whether SIZE and REF are read.

    Raises
    ------
    InputError
        It holds no row, or a header that cannot be used.
    """
    comments, lines, above = _lines(text)
    numbered = _numbered(comments)
    header, tabs = ([], False) if numbered or not lines else _header(lines, above)
    if header:
        chosen = _named(f'{name}, line {lines[0][0]}', header, catalogue_mode)
        lines = lines[2:] if above == 2 else lines[1:]
    if not lines:
        raise InputError(f'{name}: no sources; expected one per line: ID RA DEC')
    separator = '\t' if tabs else _separator(lines[0][1])
    if not header:
        chosen = _commented(name, comments, numbered, len(_split(lines[0][1], separator)), catalogue_mode)
    return Rows(_FORMS[separator], 'line', chosen, _cells(lines, separator, chosen))


def _lines(text: str) -> tuple[list[str], list[Line], int]:
    """Tell comments and rules from the lines of a table.

    Returns
    -------
    comments : list of str
        The comments above the first line.
    lines : list of Line
        The lines with more than comments, rules and a spreadsheet's empty cells.
    above : int
        How many of them are above the first rule; -1 if there is no rule.
    """
    comments: list[str] = []
    lines: list[Line] = []
    above = -1
    for number, content in enumerate(re.split(r'\r\n|\r|\n', text), 1):
        line = content.partition('#')[0].strip(' ')
        if _RULE.fullmatch(line):
            above = len(lines) if above < 0 else above
        elif line.strip('\t ,;"\''):
            lines.append((number, line))
        elif not lines and content.lstrip().startswith('#'):
            comments.append(content.strip())
    return comments, lines, above


def _separator(line: str) -> str:
    """The separator of the cells in such a line; '' for blanks."""
    for separator in ';|':
        if line.count(separator) > 1 and ',' not in line.partition(separator)[0]:
            return separator
    return ',' if ',' in line else ''


def _split(line: str, separator: str) -> list[str]:
    """The cells of a line, without quotes."""
    if separator == '\t':
        cells = line.split('\t')
    elif separator:
        line = line.strip()
        if line.startswith('|'):
            line = line[1:].removesuffix('|')
        try:
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
        except csv.Error:  # a cell too long for the csv module is no cell of a catalogue
            cells = [line]
    else:
        cells = _BETWEEN_BLANKS.findall(line)
    cells = [_unquoted(cell.strip()) for cell in cells]
    if separator in (';', '\t'):
        cells = [cell.replace(',', '.') if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in cells]
    return cells


def _unquoted(cell: str) -> str:
    return cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in '\'"' else cell


def _titles(line: str, separator: str) -> Header:
    """The names and units in a line, each unit in brackets behind its name."""
    line = (line if separator == '\t' else line.strip()).lstrip('#% ')
    words = _split(line, separator) if separator else map(_unquoted, _TITLE_WORD.findall(line))
    titles = filter(None, map(_TITLE.fullmatch, words))
    return [(title[1], (title[2] or '').strip()) for title in titles]


def _header(lines: Sequence[Line], above: int) -> tuple[Header, bool]:
    """The names and units of the columns, if the first lines have them, and whether tabs separate the columns.

    A second line is a line of units if it is the last of ``above`` lines above a rule.
    """
    text = lines[0][1]
    separator = _separator(text)
    header = _titles(text, separator)
    named = columns.has_position(header)
    if not header or (not named and any(_NUMBER_LIKE.match(title) for title, _ in header[:3])):
        return [], False
    # With tabs, cells may contain blanks or be empty.
    count = text.count('\t')
    tabs = count > 1 and all(line.count('\t') == count for _, line in (lines[2:] if above == 2 else lines))
    if tabs:
        separator = '\t'
        header = _titles(text, separator)
    units = _split(lines[1][1], separator) if above == 2 and separator else []
    if len(units) == len(header):
        header = [(title, unit) for (title, _), unit in zip(header, units, strict=True)]
    return header, tabs


def _named(place: str, header: Header, catalogue_mode: bool) -> Columns:
    """The columns as named in a header, by position if it has no known name of a position."""
    known = [title.upper() for title, _ in header]
    if columns.has_position(header):
        chosen = columns.choose(place, header, catalogue_mode)
        # AutoSpec's own header: further cells are ignored, as without a header.
        last = max(number for role, number in chosen.index.items() if role not in ('APER', 'APER_PIX', 'Z', 'BRIGHT'))
        own = {*known[:3]} == {*columns.REQUIRED} and {*known[: last + 1]} <= {*columns.BY_POSITION}
        return replace(chosen, exact=not own)
    chosen = columns.by_position(catalogue_mode)
    if any(known.index(role) != number for role, number in chosen.index.items() if role in known):
        raise InputError(f'{place}: a header with some of ID, RA and DEC; expected all three, or none')
    if any(re.split(r'_|\d', title.lower())[0] in columns.NO_POSITIONS for title in known[1:3]):
        return columns.choose(place, header, catalogue_mode)  # says what is missing
    what = f'{place}: a header without ID, RA and DEC; columns are taken by position'
    return replace(chosen, program=columns.program(header), warnings=(what,))


def _numbered(comments: Sequence[str]) -> dict[int, tuple[str, str, str]]:
    """Colon, name and unit of each column that the comments name by number; empty if these are no such comments.

    There are three columns at least, and their numbers rise from 1.
    """
    matches: list[tuple[str, str, str, str]] = _NUMBERED.findall('\n'.join(comments))
    numbers = [int(number) for number, *_ in matches]
    if len(numbers) < 3 or numbers[0] != 1 or sorted({*numbers}) != numbers:
        return {}
    return {int(number): (colon, title, unit) for number, colon, title, unit in matches}


def _commented(
    name: str, comments: Sequence[str], numbered: Mapping[int, tuple[str, str, str]], count: int, catalogue_mode: bool
) -> Columns:
    """The columns of rows with ``count`` cells as named in the comments above them, else by position."""
    if numbered and max(numbered) <= count:
        names = [numbered.get(number, ('', '', '')) for number in range(1, count + 1)]
        chosen = columns.choose(name, [(title, unit) for _, title, unit in names], catalogue_mode)
        return replace(chosen, program='LSDCat' if names[0][0] else 'SExtractor')
    by_position = columns.by_position(catalogue_mode)
    header = _titles(comments[-1], _separator(comments[-1])) if comments else []
    if len(header) != count or count < 3:
        return by_position
    try:
        chosen = columns.choose(name, header, catalogue_mode)
    except InputError:  # it is a comment after all
        x, y = (title for title, _ in header[1:3])
        if columns.has_position(header) or f'{x} {y}'.lower() not in columns.UNCLEAR_PIXELS:
            return by_position
        what = f'{name}: a comment calls columns 2 and 3 {x} and {y}; they are taken as degrees, by position'
        return replace(by_position, warnings=(what,))
    if (chosen.index.get('RA'), chosen.index.get('DEC')) != (1, 2):
        return chosen
    # The first column is the ID whatever its name; the columns after the position are found by their names.
    index = {'ID': 0, **chosen.index}
    roles = {role.removesuffix('_PIX') for role in index}
    warnings = [*chosen.warnings]
    for role, number in by_position.index.items():
        if role not in roles and number < count and number not in index.values():
            title, _ = header[number]
            warnings.append(f'{name}: a comment calls column {number + 1} {title}; it is not taken as {role}')
    return replace(chosen, index=index, exact=False, warnings=tuple(warnings))


def _cells(lines: Sequence[Line], separator: str, chosen: Columns) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each line's number, and its cells by role, '' for cells that are missing at its end, or what is wrong with it."""
    numbers = {*chosen.index.values()}
    least = 1 + max(chosen.index.get(role, 0) for role in ('ID', 'RA', 'DEC', 'X', 'Y'))
    # The number of columns up to the last one that is read; further cells in a row do not matter.
    leading = next(number for number in range(len(numbers) + 1) if number not in numbers)
    for line, text in lines:
        cells = _split(text, separator)
        wrong = _misfit(cells, chosen, least) or (separator == '' and _ambiguity(text, cells, least, max(numbers)))
        if wrong:
            yield line, wrong
            continue
        count = len(cells)
        if count != len(chosen.names):
            count = min(count, leading)
        yield line, {role: cells[number] if number < count else '' for role, number in chosen.index.items()}


def _misfit(cells: Sequence[str], chosen: Columns, least: int) -> str:
    """What is wrong with the number of cells in a row; '' if nothing is."""
    count, expected = len(cells), len(chosen.names)
    # A blank in a name would shift the columns.
    shifted = 0 < expected < count and not _NUMBER_LIKE.match(cells[chosen.index.get('ID', 0)])
    if shifted or (chosen.exact and count != expected):
        return f'{count} columns, {expected} in the header; expected as many (- for an empty cell)'
    if count < least:
        return f'{count} of {least} columns; expected ID RA DEC between blanks, tabs or commas'
    return ''


def _ambiguity(text: str, cells: Sequence[str], least: int, last: int) -> str:
    """Why it is not clear which cell belongs to which column in a row between blanks; '' if it is."""
    if len(cells) > 6 and _SIX_NUMBERS.fullmatch(' '.join(cells[1:7])):
        return 'coordinates are split by blanks; expected degrees, or hh:mm:ss.s and dd:mm:ss.s'
    if least < len(cells) <= last and re.search(r'\t *\t', text.strip()):
        return 'tabs do not show which cell is empty; expected - for an empty SIZE or REF'
    return ''
