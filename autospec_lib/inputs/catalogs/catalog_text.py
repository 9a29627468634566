"""Catalogues in text: AutoSpec's own, with or without a header, CSV, and text whose comments number the columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from autospec_lib.core.errors import InputError
from autospec_lib.inputs.catalogs import catalog_columns, column_names
from autospec_lib.inputs.catalogs.catalog_columns import Columns, Header
from autospec_lib.inputs.catalogs.catalog_rows import Rows

_QUOTED = r"""'[^']*'(?!\S)|"[^"]*"(?!\S)"""
_WORD = re.compile(_QUOTED + r'|\S+')
_TITLE_WORD = re.compile(_QUOTED + r'|[^\s(\[]+(?:\s*[(\[][^)\]]*[)\]])?')
_TITLE = re.compile(r'(.*?)\s*(?:[(\[](.*)[)\]])?')
_NUMBER_LIKE = re.compile(r'[+-]?\.?\d')
_NEEDED = ('ID', 'RA', 'DEC', 'X', 'Y')
_SIX_NUMBERS = re.compile(r'\d\d? \d\d? \d\d?(\.\d*)? [+-]?\d\d? \d\d? \d\d?(\.\d*)?', re.ASCII)
_DECIMAL_COMMA = re.compile(r'[+-]?\d+,\d+', re.ASCII)
# The rule of dashes below the names of columns, as VizieR and others write it.
_RULE = re.compile(r'(?=.*(?:--|==))[-=+|;,\s]+')
# SExtractor: '#   1 NUMBER   Running object number   [unit]'; LSDCat: '# 1: I [unit]'.
_NUMBERED = re.compile(r'#\s*(\d+)(:?)\s+([A-Z][A-Z0-9_]*)(?!\S)(?:.*?\[([^\[\]]*)\]\s*$)?')
_FORMS = {'': 'text', ',': 'CSV', ';': 'CSV', '\t': 'TSV', '|': 'text'}


class _Row(NamedTuple):
    line: int
    text: str
    whole: str  # with the blanks and tabs around it


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
    comments, rows = _rows(text)
    header, units = (None, None) if _numbers(comments) else _title(rows)
    tabs = header is not None and _tabs(header, rows)
    if header is not None:
        columns, program = _named(name, header, units, tabs, catalogue_mode)
    elif rows:
        columns, program = _above(name, comments, rows[0].text, catalogue_mode)
    if not rows:
        raise InputError(f'{name}: no sources; expected one per line: ID RA DEC')
    separator = '\t' if tabs else _separator(rows[0].text)
    form = _FORMS[separator]
    return Rows(
        f'{program} ({form})' if program else form,
        'line',
        columns,
        [(row.line, row.whole if tabs else row.text) for row in rows],
        _Cells(separator, columns),
    )


def _rows(text: str) -> tuple[list[str], list[_Row]]:
    """The comments above the first row, and the lines with more than comments and a spreadsheet's empty cells."""
    comments: list[str] = []
    rows: list[_Row] = []
    for line, content in enumerate(re.split(r'\r\n|\r|\n', text), 1):
        whole = content.partition('#')[0]
        row = _Row(line, whole.strip(), whole.strip(' '))
        if row.text.strip('\t ,;"\''):
            rows.append(row)
        elif not rows and content.lstrip().startswith('#'):
            comments.append(content.strip())
    return comments, rows


def _separator(text: str) -> str:
    """The separator of the cells in such a row; '' for blanks."""
    for separator in ';|':
        if text.count(separator) > 1 and ',' not in text.partition(separator)[0]:
            return separator
    return ',' if ',' in text else ''


def _split(text: str, separator: str) -> list[str]:
    """The cells of a row, without quotes."""
    if separator == '\t':
        found = text.split('\t')
    elif separator:
        if text.startswith('|'):
            text = text[1:].removesuffix('|')
        try:
            found = next(csv.reader([text], delimiter=separator, skipinitialspace=True))
        except csv.Error:  # a cell too long for the csv module is no cell of a catalogue
            found = [text]
    else:
        found = _WORD.findall(text)
    found = [_unquoted(cell.strip()) for cell in found]
    if separator in (';', '\t'):
        found = [cell.replace(',', '.') if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in found]
    return found


def _unquoted(cell: str) -> str:
    return cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in '\'"' else cell


def _numbers(comments: Sequence[str]) -> dict[int, re.Match[str]]:
    """The comments that name columns by number; empty if there are fewer than three, or they do not count from 1."""
    found = [match for comment in comments if (match := _NUMBERED.match(comment))]
    numbers = [int(match[1]) for match in found]
    if len(found) < 3 or numbers[0] != 1 or sorted(set(numbers)) != numbers:
        return {}
    return dict(zip(numbers, found, strict=True))


def _above(name: str, comments: Sequence[str], first: str, catalogue_mode: bool) -> tuple[Columns, str]:
    """The columns as named in comments above the rows, else by position, and the program that writes such files."""
    by_position = catalog_columns.by_position(catalogue_mode)
    cells = len(_split(first, _separator(first)))
    numbered = _numbers(comments)
    if numbered and max(numbered) <= cells:
        header = [('', '')] * cells
        for number, match in numbered.items():
            header[number - 1] = (match[3], match[4] or '')
        return _chosen(name, header, catalogue_mode), 'LSDCat' if numbered[1][2] else 'SExtractor'
    header = _titles(comments[-1].lstrip('# ')) if comments else []
    if len(header) != cells or cells < 3:
        return by_position, ''
    if not catalog_columns.has_position(header):
        return replace(by_position, warnings=_looks_like_pixels(name, header)), ''
    try:
        columns = catalog_columns.choose(header, catalogue_mode)
    except InputError:  # it is a comment after all
        return by_position, ''
    if (columns.index.get('RA'), columns.index.get('DEC')) == (1, 2):
        # The first column is the ID whatever its name; the columns after the position are found by their names.
        index = {'ID': 0, **columns.index}
        other = _by_another_name(name, header, index, by_position.index)
        columns = replace(columns, index=index, width=None, warnings=(*columns.warnings, *other))
    return columns, catalog_columns.program(header, '')


def _by_another_name(name: str, header: Header, index: Mapping[str, int], places: Mapping[str, int]) -> Iterator[str]:
    """A warning for each column whose name in a comment is unknown and differs from the role of its position."""
    for role, place in places.items():
        if role not in index and place < len(header) and place not in index.values():
            yield f'{name}: a comment calls column {place + 1} {header[place][0]}; it is not taken as {role}'


def _looks_like_pixels(name: str, header: Header) -> tuple[str, ...]:
    x, y = (title for title, _ in header[1:3])
    if not any(pair[:2] == (x.lower(), y.lower()) for pair in column_names.UNCLEAR_PIXELS):
        return ()
    return (f'{name}: a comment calls columns 2 and 3 {x} and {y}; they are taken as degrees, by position',)


def _chosen(place: str, header: Header, catalogue_mode: bool) -> Columns:
    try:
        return catalog_columns.choose(header, catalogue_mode)
    except InputError as error:
        raise InputError(*(f'{place}: {fault}' for fault in error.faults)) from None


def _title(rows: list[_Row]) -> tuple[_Row | None, _Row | None]:
    """Remove the header from the rows, and the row of units between it and a rule of dashes; return both."""
    ruled = [bool(_RULE.fullmatch(row.text)) for row in rows[:3]]
    if any(ruled):
        units = rows[1] if ruled[1:] == [False, True] and not ruled[0] else None
        rows[:] = [row for row in rows if row is not units and not _RULE.fullmatch(row.text)]
    else:
        units = None
    if not rows or not _header(rows[0]):
        return None, None
    return rows.pop(0), units


def _header(row: _Row) -> list[tuple[str, str]]:
    """The columns' names, each with its unit or '', if the row is a header; otherwise an empty list."""
    titles = _titles(row.text)
    named = catalog_columns.has_position(titles)
    return titles if named or not any(_NUMBER_LIKE.match(title) for title, _ in titles[:3]) else []


def _titles(text: str) -> list[tuple[str, str]]:
    """The names and units in a row."""
    text = text.lstrip('% ')
    separator = _separator(text)
    words = _split(text, separator) if separator else list(map(_unquoted, _TITLE_WORD.findall(text)))
    return _titled(words)


def _titled(words: Sequence[str]) -> list[tuple[str, str]]:
    return [(title[1], (title[2] or '').strip()) for word in words if (title := _TITLE.fullmatch(word))]


def _tabs(header: _Row, rows: Sequence[_Row]) -> bool:
    """Whether tabs separate the columns; then cells may contain blanks or be empty."""
    count = header.whole.count('\t')
    return count > 1 and all(row.whole.count('\t') == count for row in rows)


def _named(name: str, row: _Row, units: _Row | None, tabs: bool, catalogue_mode: bool) -> tuple[Columns, str]:
    """The columns as named in a header, by position if it has no known name; and the program that writes such names."""
    header = _titles(row.text)
    if tabs:
        header = [title for cell in _split(row.whole.lstrip('%'), '\t') for title in _titled([cell])]
    separator = '\t' if tabs else _separator(row.text)
    said = _split(units.whole if tabs else units.text, separator) if units is not None and separator else []
    if len(said) == len(header):
        header = [(title, unit) for (title, _), unit in zip(header, said, strict=True)]
    place, program = f'{name}, line {row.line}', catalog_columns.program(header, '')
    if not catalog_columns.has_position(header):
        return _unnamed(place, header, catalogue_mode), program
    columns = _chosen(place, header, catalogue_mode)
    own = [title.upper() for title, _ in header]
    leading = {*own[: len(columns.index.keys() & {*catalog_columns.BY_POSITION})]}
    if {*own[:3]} == {*catalog_columns.REQUIRED} and leading <= {*catalog_columns.BY_POSITION}:
        columns = replace(columns, width=None)
    return columns, program


def _unnamed(place: str, header: Header, catalogue_mode: bool) -> Columns:
    """Columns by position under a header that has no known names for positions."""
    known = [title.upper() for title, _ in header]
    by_position = catalog_columns.by_position(catalogue_mode)
    if any(known.index(role) != index for role, index in by_position.index.items() if role in known):
        raise InputError(f'{place}: a header with some of ID, RA and DEC; expected all three, or none')
    if any(re.split(r'_|\d', name.lower())[0] in column_names.NO_POSITIONS for name in known[1:3]):
        return _chosen(place, header, catalogue_mode)  # says what is missing
    what = f'{place}: a header without ID, RA and DEC; columns are taken by position'
    return replace(by_position, warnings=(what,))


class _Cells:
    """Row -> the cells of the wanted columns; '' for cells that are missing at the end of the row."""

    def __init__(self, separator: str, columns: Columns) -> None:
        self.separator, self.columns = separator, columns
        places = {*columns.index.values()}
        self.last = max(places)
        self.least = 1 + max(index for role, index in columns.index.items() if role in _NEEDED)
        # The number of columns up to the last one that is read; further cells in a row do not matter.
        self.leading = next(index for index in range(len(places) + 1) if index not in places)
        self.text_ids = bool(columns.names) and columns.width is None

    def __call__(self, text: str) -> dict[str, str]:
        columns, found = self.columns, _split(text, self.separator)
        count = len(found)
        self._check(text, found, count)
        if count > self.last and (self.last < self.leading or count == columns.names):
            return {role: found[index] for role, index in columns.index.items()}
        return {
            role: found[index] if index < min(count, self.leading) or (count == columns.names) else ''
            for role, index in columns.index.items()
        }

    def _check(self, text: str, found: Sequence[str], count: int) -> None:
        """Raise `InputError` if it is not clear which cell belongs to which column."""
        width, names = self.columns.width, self.columns.names
        # A blank in a name would shift the columns.
        named = self.text_ids and count > names and not _NUMBER_LIKE.match(found[self.columns.index.get('ID', 0)])
        if (width is not None and count != width) or named:
            raise InputError(f'{count} columns, {names} in the header; expected as many (- for an empty cell)')
        if count < self.least:
            raise InputError(f'{count} of {self.least} columns; expected ID RA DEC between blanks, tabs or commas')
        if self.separator:
            return
        if count > 6 and _SIX_NUMBERS.fullmatch(' '.join(found[1:7])):
            raise InputError('coordinates are split by blanks; expected degrees, or hh:mm:ss.s and dd:mm:ss.s')
        if self.least < count <= self.last and re.search(r'\t *\t', text.strip()):
            raise InputError('tabs do not show which cell is empty; expected - for an empty SIZE or REF')
