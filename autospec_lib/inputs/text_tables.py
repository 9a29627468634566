"""Catalogues in text: AutoSpec's own, with or without a header, CSV, and text whose comments number
the columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from autospec_lib.core.errors import InputError, counted
from autospec_lib.inputs import catalogue_columns
from autospec_lib.inputs.catalogue_columns import NUMBER_LIKE, Columns, Header
from autospec_lib.inputs.catalogue_rows import Rows

# The number of a line, and its text without comments and without blanks, but not tabs, around it.
Line: TypeAlias = tuple[int, str]

_QUOTED = r"""'[^']*'(?!\S)|"[^"]*"(?!\S)"""
_BETWEEN_BLANKS = re.compile(_QUOTED + r'|\S+')
_TITLE_WORD = re.compile(_QUOTED + r'|[^\s(\[]+(?:\s*[(\[][^)\]]{0,99}[)\]])?')
_TITLE = re.compile(r'([^(\[]*)[(\[](.*)[)\]]', re.DOTALL)
_SIX_NUMBERS = re.compile(r'\d\d? \d\d? \d\d?(\.\d*)? [+-]?\d\d? \d\d? \d\d?(\.\d*)?', re.ASCII)
_ANGLE_WITH_BLANKS = re.compile(
    r'(\d[hd])\s+(\d+m)\s+(\d+(?:\.\d*)?s)(?!\S)', re.ASCII | re.IGNORECASE
)
_DECIMAL_COMMA = re.compile(r'[+-]?\d+,\d+', re.ASCII)
# The rule of dashes below the names of columns, as VizieR and others write it.
_RULE = re.compile(r'(?=.*(?:--|==))[-=+|;,\s]+')
# SExtractor: '#   1 NUMBER   Running object number   [unit]'; LSDCat: '# 1: I [unit]'; others: '# column 1: id (unit)'.
_NUMBERED = re.compile(
    r'^#\s*(?:col(?:umn)?\s*)?[(\[]?(\d+)[)\]]?\s*([:.)=]?)\s*([a-z_][\w.]*)(?![^\s(\[])'
    r'(?:\s*[(\[]([^)\]]*)[)\]])?((?:.*?\[([^\[\]]*)\]\s*$)?.*)',
    re.MULTILINE | re.IGNORECASE,
)
_BEFORE_COMMENT = re.compile(r"""(?:(?<![^\s,;|])(?:"(?:[^"]|"")*"|'[^']*')(?![^\s,;|])|[^#])*""")
# A quoted cell of a CSV row that goes on in the next line, and where it ends there.
_OPEN_CELL = re.compile(r'(?:^|[,;|\t])\s*"(?:[^"]|"")*$')
_REST_OF_CELL = re.compile(r'((?:[^"]|"")*)"\s*(?:[,;|\t]|$)')
_LONGEST_CELL = 100  # lines
_SEPARATOR_OF_EXCEL = re.compile(r'"?sep=.?"?', re.IGNORECASE)
_BY_POSITION = [(role, '') for role in catalogue_columns.BY_POSITION]
_BEFORE_COORDINATE = re.compile(
    r'\b(?=(?:ra|r\.a|right ascension|alpha|dec|declination|delta|size|aper|aperture)\b)',
    re.IGNORECASE,
)
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
    # Words for the coordinate system, unless positions were converted from it.
    as_they_are = [one for one in comments if not re.search('(?i)conver|transform|precess', one)]
    declared = catalogue_columns.mentioned('\n'.join(as_they_are))
    # Comments may number the columns, three at least, from 1. Their names are in capitals, or some
    # are of a position.
    matches = list(_NUMBERED.finditer('\n'.join(comments)))
    numbers, titles = [int(match[1]) for match in matches], [match[3] for match in matches]
    rises = len(numbers) > 2 and numbers[0] == 1 and sorted({*numbers}) == numbers
    in_capitals = ''.join(titles).isupper()
    numbered: dict[int, tuple[str, str]] = {}
    if rises and (in_capitals or catalogue_columns.position(titles)):
        units = [match[4] or match[6] or catalogue_columns.unit_of(match[5]) for match in matches]
        numbered = dict(zip(numbers, zip(titles, units, strict=True), strict=True))
    header, tabs, body = (
        ([], False, lines) if numbered or not lines else _header(name, lines, above == 2)
    )
    if header:
        place = f'{name}, line {lines[0][0]}'
        header = _measured(name, header, comments)
        # pandas and R write the numbers of rows, from 0 or 1, before their IDs.
        first = [_split(line, '') for _, line in body[:3]]
        in_order = [row[0] for row in first] in (
            ['0', '1', '2'][: len(first)],
            ['1', '2', '3'][: len(first)],
        )
        too_many = all(len(row) == len(header) + 1 and row[1].isdecimal() for row in first)
        if first and not tabs and in_order and too_many:
            raise InputError(
                f'{place}: no name for the numbers that rows begin with; leave them out (index=False)'
            )
        chosen = _named(place, header, catalogue_mode, declared)
    if not body:
        raise InputError(f'{name}: no sources; expected one per line: ID RA DEC')
    separator = '\t' if tabs else _separator(body[0][1])
    if not header:
        count = len(_split(body[0][1], separator))
        if numbered and max(numbered) <= count:
            header = [numbered.get(number, ('', '')) for number in range(1, count + 1)]
            chosen = catalogue_columns.choose(name, header, catalogue_mode, declared=declared)
            program = (
                {'': 'SExtractor', ':': 'LSDCat'}.get(matches[0][2], '') if in_capitals else ''
            )
            chosen = replace(chosen, program=program or chosen.program)
        else:
            chosen = _commented(name, comments, count, catalogue_mode, declared)
    return Rows(_FORMS[separator], 'line', chosen, _cells(body, separator, chosen))


# A table of LaTeX, its head where that is apart, and the arguments in front of its first cell.
_LATEX_TABLE = re.compile(r'\\begin\s*\{(?:tabular|longtable|deluxetable)[*x]?\}')
_LATEX_TABLE_END = re.compile(r'\\end(?:data|\s*\{(?:tabular|longtable|deluxetable))')
_LATEX_HEAD = re.compile(r'\\tablehead\s*\{((?:(?!\\tablehead).)*)\}\s*\\startdata', re.DOTALL)
_LATEX_ARGUMENTS = re.compile(r'(?:\s*\[[^\]]*\]|\s*\{(?:[^{}]|\{[^{}]*\})*\})*')
_LATEX_END = re.compile(r'\\\\(?:\s*\[[^\]]*\])?|\\tabularnewline\b')
_LATEX_TEXT = (
    (r'\\(?:nodata|l?dots|cdots)\b', '--'),
    (r'\\#', 'number'),
    (r'\^?\{?\\circ\b\}?|\\(?:degr?|arcdeg)\b', ' deg '),
    (r"\\prime\s*\\prime|\\arcsec\b|''", ' arcsec '),
    (r'\\prime\b|\\arcmin\b', ' arcmin '),
    (r'\\(alpha|delta|[_&%])', r'\1'),
    (r'~|\\(?:[a-zA-Z]+\*?|.)', ' '),
    (r'[{}$^]', ''),
)


def from_latex(name: str, text: str) -> str:
    """The first table in LaTeX as text with tabs, each row in its line; `InputError` if there is
    none.

    Rows without &, such as captions and titles of sections, are left out.
    """
    text = re.sub(r'(?<!\\)%.*', '', text)
    begin = _LATEX_TABLE.search(text)
    end = _LATEX_TABLE_END.search(text, begin.end()) if begin else None
    if begin is None or end is None:
        raise InputError(
            f'{name}: LaTeX without a tabular, longtable or deluxetable; expected one of them'
        )
    head = _LATEX_HEAD.search(text, begin.end(), end.start())
    start = head.start(1) if head else begin.end()
    body = text[begin.end() : end.start()]
    body = (
        f'{head[1]}\\\\{text[head.end() : end.start()]}'
        if head
        else _LATEX_ARGUMENTS.sub('', body, count=1)
    )
    plain = '\n' * text.count('\n', 0, start)
    count = 0
    for row in _LATEX_END.split(body):
        plain += '\n' * max(row.count('\n'), not plain.endswith('\n'))
        spread = re.sub(
            r'\\multicolumn\s*\{(\d\d?)\}\s*\{[^{}]*\}',
            lambda match: '&' * (int(match[1]) - 1),
            row,
        )
        cells = re.split(r'(?<!\\)&', ' '.join(spread.split()))
        if not re.search(r'(?<!\\)&', row):
            continue
        count = count or len(cells)
        if len(cells) != count:
            raise InputError(
                f'{name}, line {plain.count(chr(10)) + 1}: {counted(len(cells), "column")}, {count} in the first row'
            )
        for pattern, replacement in _LATEX_TEXT:
            cells = [re.sub(pattern, replacement, cell).strip() for cell in cells]
        plain += '\t'.join(cells)
    return plain


def _measured(name: str, header: Header, comments: Iterable[str]) -> Header:
    """The header with the units that comments have, in a row or in words; raises `InputError` for
    too few of them."""
    for comment in filter(catalogue_columns.UNIT_WORD.search, comments):
        text = re.sub(r'(?i)^[#\s]+(?:units?\s*[:=])?', '', comment)
        cells = _split(text, _separator(text, len(header)))
        header, count = catalogue_columns.with_units(header, [cells])
        units = [cell.strip('()[]').lower() for cell in cells]
        if not count and len(units) > 1 and all(unit in catalogue_columns.ARCSEC for unit in units):
            raise InputError(
                f'{name}: {len(units)} units ({text}) for {len(header)} columns; expected one each'
            )
        titles = _titles(comment, _separator(comment, len(header)))
        if len(titles) == len(header) and catalogue_columns.position(dict(titles)):  # the names
            continue
        for phrase in _BEFORE_COORDINATE.split(text):
            header = catalogue_columns.with_statement(header, phrase)
    return header


def _lines(text: str) -> tuple[list[str], list[Line], int]:
    """Tell comments and rules from the lines of a table.

    Returns
    -------
    comments : list of str
        The comments above the second line.
    lines : list of Line
        The lines with more than comments, rules and a spreadsheet's empty cells.
    above : int
        How many of them are above the first rule; -1 if there is no rule.
    """
    comments: list[str] = []
    lines: list[Line] = []
    above = -1
    raw = re.split(r'\r\n|\r|\n', text)
    end = 0
    while end < len(raw):
        number, content = end + 1, raw[end]
        end += 1
        # The lines that a quoted cell of a CSV row goes over are one.
        while content.count('"') % 2 and _OPEN_CELL.search(_uncommented(content)):
            more = _rest_of_cell(raw[end : end + _LONGEST_CELL])
            if not more:
                break
            content = ' '.join((content, *more))
            end += len(more)
        line = _uncommented(content).strip(' ')
        if _RULE.fullmatch(line):
            above = len(lines) if above < 0 else above
        elif line.strip('\t ,;"\'') and not (number == 1 and _SEPARATOR_OF_EXCEL.fullmatch(line)):
            lines.append((number, line))
        elif len(lines) < 2 and content.lstrip().startswith('#'):
            comments.append(content.strip())
    return comments, lines, above


def _uncommented(line: str) -> str:
    """A line up to the # of a comment; one in a quoted cell is none."""
    if '#' not in line or not ('"' in line or "'" in line):
        return line.partition('#')[0]
    match = _BEFORE_COMMENT.match(line)
    return match[0] if match else ''


def _rest_of_cell(lines: Sequence[str]) -> Sequence[str]:
    """The lines in which a quoted cell goes on; empty if it does not end, or where another one may
    begin."""
    for number, line in enumerate(lines, 1):
        rest = _REST_OF_CELL.match(line)
        if rest and not rest[1].rstrip(' ').endswith((',', ';', '|', '\t')):
            return lines[:number]
        if '"' in line.replace('""', ''):
            break
    return ()


def _separator(line: str, count: int = 0) -> str:
    """The separator of the cells in such a line, tabs if they make ``count`` columns; '' for
    blanks."""
    if count > 1 and line.count('\t') == count - 1:
        return '\t'
    for separator in ';|':
        if line.count(separator) > 1 and ',' not in line.partition(separator)[0]:
            return separator
    return ',' if ',' in line else ''


def _split(line: str, separator: str, words: re.Pattern[str] = _BETWEEN_BLANKS) -> list[str]:
    """The cells of a line, without quotes; ``words`` matches those between blanks."""
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
        if 'm ' in line or 'M ' in line:
            line = _ANGLE_WITH_BLANKS.sub(r'\1\2\3', line)
        cells = words.findall(line)
    cells = [
        cell[1:-1].strip() if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in '\'"' else cell
        for cell in map(str.strip, cells)
    ]
    if separator in (';', '\t'):
        cells = [
            cell.replace(',', '.') if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in cells
        ]
    return cells


def _titles(line: str, separator: str) -> Header:
    """The names and units in a line, each unit in brackets behind its name."""
    line = (line if separator == '\t' else line.strip()).lstrip('#% ')
    titles = ((word, _TITLE.fullmatch(word)) for word in _split(line, separator, _TITLE_WORD))
    return [
        (match[1].rstrip(), match[2].strip()) if match else (word.rstrip(), '')
        for word, match in titles
    ]


def _header(name: str, lines: Sequence[Line], ruled: bool) -> tuple[Header, bool, Sequence[Line]]:
    """The names and units of the columns, if the first lines have them.

    Parameters
    ----------
    name : str
        The file's name.
    lines : sequence of Line
        The lines, at least one.
    ruled : bool
        Whether there is a rule below the second line.

    Returns
    -------
    header : Header
        Empty if the first line does not name the columns.
    tabs : bool
        Whether tabs separate the columns; then cells may contain blanks or be empty.
    body : sequence of Line
        The other lines.
    """
    text = lines[0][1]
    count = text.count('\t')
    tabs = count > 1 and all(line.count('\t') == count for _, line in lines[2 if ruled else 1 :])
    separator = '\t' if tabs else _separator(text)
    header = _titles(text, separator)
    named = catalogue_columns.position(dict(header))
    if not header or (not named and any(NUMBER_LIKE.match(title) for title, _ in header[:3])):
        return [], False, lines
    if len(lines) == 1:
        return header, tabs, ()
    number, below = lines[1]
    units = _split(below, separator)
    if len(units) == len(header):
        measured, count = catalogue_columns.with_units(
            header, (_split(line, separator) for _, line in lines[1:])
        )
        return measured, tabs, lines[1 + count :]
    if not ruled or 2 * sum(bool(NUMBER_LIKE.match(unit)) for unit in units) >= len(units):
        return header, tabs, lines[1:]
    if any(
        catalogue_columns.ARCSEC.get(unit.strip('()[]').lower(), 3600) != 3600 for unit in units
    ):
        place = f'{name}, line {number}'
        raise InputError(
            f'{place}: {len(units)} units for {len(header)} columns; expected one each (- for none)'
        )
    return header, tabs, lines[2:]


def _named(place: str, header: Header, catalogue_mode: bool, declared: str) -> Columns:
    """The columns as named in a header, by position if it has no known name of a position."""
    known = [title.upper() for title, _ in header]
    if catalogue_columns.position(dict(header)):
        chosen = catalogue_columns.choose(place, header, catalogue_mode, declared=declared)
        # AutoSpec's own header: further cells are ignored, as without a header.
        last = max(
            number
            for role, number in chosen.index.items()
            if role not in ('APER', 'APER_PIX', 'Z', 'BRIGHT')
        )
        own = {*known[:3]} == {*catalogue_columns.REQUIRED} and {*known[: last + 1]} <= {
            *catalogue_columns.BY_POSITION
        }
        return replace(chosen, exact=not own)
    chosen = catalogue_columns.by_position(place, _BY_POSITION, catalogue_mode, declared)
    if any(known.index(role) != number for role, number in chosen.index.items() if role in known):
        raise InputError(
            f'{place}: a header with some of ID, RA and DEC; expected all three, or none'
        )
    if catalogue_columns.is_no_position(header) or catalogue_columns.is_other_position(header):
        return catalogue_columns.choose(place, header, catalogue_mode)  # says what is missing
    what = f'{place}: a header without ID, RA and DEC; columns are taken by position'
    program = catalogue_columns.program([title.lower() for title in known])
    return replace(chosen, program=program, warnings=(what, *chosen.warnings))


def _commented(
    name: str, comments: Sequence[str], count: int, catalogue_mode: bool, declared: str
) -> Columns:
    """The columns of rows with ``count`` cells as named in a comment above them, else by position.

    It is the last comment with a name for each column, positions among them; if there is none, one
    that gives the position another name or unit.
    """
    header: Header = []
    for comment in comments:
        titles = _titles(comment, _separator(comment, count))
        other = catalogue_columns.is_no_position(titles) or catalogue_columns.is_other_position(
            titles
        )
        named = catalogue_columns.position(dict(titles)) or (
            other and not catalogue_columns.position(dict(header))
        )
        if named and len(titles) == count > 2:
            header = titles
    if not header:
        return catalogue_columns.by_position(
            name, _measured(name, _BY_POSITION, comments), catalogue_mode, declared
        )
    by_position = catalogue_columns.by_position(name, _BY_POSITION, catalogue_mode, declared)
    if not catalogue_columns.position(dict(header)) and not catalogue_columns.is_other_position(
        header
    ):
        x, y = (title for title, _ in header[1:3])
        what = f'{name}: a comment calls columns 2 and 3 {x} and {y}; they are taken as degrees, by position'
        return replace(by_position, warnings=(what, *by_position.warnings))
    chosen = catalogue_columns.choose(
        name, _measured(name, header, comments), catalogue_mode, declared=declared
    )
    if (chosen.index.get('RA'), chosen.index.get('DEC')) != (1, 2):
        return chosen
    # The first column is the ID whatever its name; the columns after the position are found by
    # their names.
    index = {'ID': 0, **chosen.index}
    roles = {role.removesuffix('_PIX') for role in index}
    warnings = [*chosen.warnings]
    for role, number in by_position.index.items():
        if role not in roles and number < count and number not in index.values():
            title, _ = header[number]
            warnings.append(
                f'{name}: a comment calls column {number + 1} {title}; it is not taken as {role}'
            )
    return replace(chosen, index=index, exact=False, warnings=tuple(warnings))


def _cells(
    lines: Sequence[Line], separator: str, chosen: Columns
) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each line's number, and its cells by role, '' for cells that are missing at its end, or what
    is wrong with it."""
    numbers, expected = {*chosen.index.values()}, len(chosen.names)
    least = 1 + max(chosen.index.get(role, 0) for role in ('ID', 'RA', 'DEC', 'X', 'Y'))
    # The number of columns up to the last one that is read; further cells in a row do not matter.
    leading = next(number for number in range(len(numbers) + 1) if number not in numbers)
    for line, text in lines:
        cells = _split(text, separator)
        while separator and 0 < expected < len(cells) and not cells[-1]:
            cells.pop()
        count = len(cells)
        # A blank in a name would shift the columns, and so would decimal commas.
        shifted = 0 < expected < count and (
            separator or not NUMBER_LIKE.match(cells[chosen.index.get('ID', 0)])
        )
        if shifted or (chosen.exact and count != expected):
            wrong = f'{counted(count, "column")}, {expected} in the header; expected as many (- for an empty cell)'
        elif count < least:
            wrong = f'{count} of {least} columns; expected ID RA DEC between blanks, tabs or commas'
        elif not separator and count > 6 and _SIX_NUMBERS.fullmatch(' '.join(cells[1:7])):
            wrong = (
                'coordinates are split by blanks; expected degrees, or hh:mm:ss.s and dd:mm:ss.s'
            )
        elif not separator and least < count <= max(numbers) and re.search(r'\t *\t', text.strip()):
            wrong = 'tabs do not show which cell is empty; expected - for an empty SIZE or REF'
        else:
            there = count if count == expected else min(count, leading)
            yield (
                line,
                {
                    role: cells[number] if number < there else ''
                    for role, number in chosen.index.items()
                },
            )
            continue
        yield line, wrong
