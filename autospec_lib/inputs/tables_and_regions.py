"""Catalogues that are more than rows of text: tables that astropy reads (FITS, VOTable, ECSV ...),
and DS9 regions."""

from __future__ import annotations

import io
import itertools
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from autospec_lib.core.errors import InputError, counted, show
from autospec_lib.inputs import catalogue_columns
from autospec_lib.inputs.catalogue_rows import Cell, Rows

if TYPE_CHECKING:
    from astropy.table import Table

_FIRST_BYTES = {
    b'SIMPLE  =': 'fits',
    b'\x89HDF': 'hdf5',
    b'PAR1': 'parquet',
}
_FORM_NAMES = {
    'fits': 'FITS table',
    'votable': 'VOTable',
    'hdf5': 'HDF5',
    'parquet': 'Parquet',
    'ascii.ecsv': 'ECSV',
    'ascii.ipac': 'IPAC table',
    'ascii.cds': 'CDS table',
    'ascii.html': 'HTML table',
}
_IPAC_TYPES = b'int long float double real char date i l f d r c'.split()
_STATED = {'ID': 'idname', 'RA': 'raname', 'DEC': 'decname'}
_HOURS, _DEGREES = ('rah', 'ram', 'ras'), ('de-', 'ded', 'dem', 'des')
_BEFORE_TEXT = b'\xef\xbb\xbf \t\r\n'  # a byte-order mark and empty lines
_LATEX = re.compile(
    rb'(?:%[^\n]*\n|\s)*\\(?:begin|document|usepackage|table|caption|centering|scriptsize|small)'
)
_VOTABLE = re.compile(rb'<(?:\w+:)?VOTABLE\b')
_ECSV = re.compile(rb'(?:#[^\n]*\n)*?(?=# %ECSV )')


def recognise(content: bytes) -> str:
    """astropy's name for the format of a file, 'latex', or '' if it is other text or unknown."""
    head = content[:4096].lstrip(_BEFORE_TEXT)
    if _LATEX.match(head):
        return 'latex'
    for start, form in _FIRST_BYTES.items():
        if head.startswith(start):
            return form
    if _ECSV.match(head):
        return 'ascii.ecsv'
    if head.startswith(b'<'):
        return 'votable' if _VOTABLE.search(content) else 'ascii.html'
    if head.startswith((b'\\', b'|')):
        # The second line of an IPAC table names types of columns, or has no bars.
        second = [*head.splitlines(), b''][1]
        types = [word.strip() for word in second.strip(b'| \r').split(b'|')]
        if head.startswith(b'\\') or not second.startswith(b'|') or {*types} <= {*_IPAC_TYPES}:
            return 'ascii.ipac'
    return 'ascii.cds' if b'Byte-by-byte Description' in content[:200_000] else ''


def read(name: str, content: bytes, form: str, catalogue_mode: bool) -> Rows:
    """Read a table and find its columns.

    Parameters
    ----------
    name : str
        The file's name.
    content : bytes
        What it holds.
    form : str
        As `recognise` gives it.
    catalogue_mode : bool
        Whether SIZE and REF are read.

    Raises
    ------
    InputError
        It cannot be read, holds no row, or no column with positions.
    """
    what = _FORM_NAMES[form]
    with warnings.catch_warnings(action='ignore'):  # of units and formats that do not matter here
        try:
            tables = [_flat(table) for table in _tables(content, form)]
        except Exception as error:  # astropy's readers, and those that it calls, have many kinds
            reason = ' '.join(str(error).split())[:200] or type(error).__name__
            raise InputError(f'{name}: cannot be read as {what}: {reason}') from error
    if not tables:
        raise InputError(f'{name}: {what} without a table; expected one with ID, RA and DEC')
    # LDAC files, for example, have a table with the image's header before the catalogue.
    ranks = [_rank(table) for table in tables]
    number = ranks.index(max(ranks))
    table = tables[number]
    header = [(title, str(getattr(table[title], 'unit', None) or '')) for title in table.colnames]
    chosen = catalogue_columns.choose(
        name, header, catalogue_mode, _stated(table), _declared(table)
    )
    if not len(table):
        raise InputError(f'{name}: no sources; the table has no rows')
    if len(tables) > 1:
        what += f' {table.meta.get("extname") or table.meta.get("name") or f"number {number + 1}"}'
        others = sum(placed for placed, _ in ranks) - 1
        if others > 0:
            warning = f'{name}: {what} is read; other tables with positions: {others}'
            chosen = replace(chosen, warnings=(*chosen.warnings, warning))
    cells = [
        _cells(table[chosen.names[number]], role == 'ID') for role, number in chosen.index.items()
    ]
    rows = (dict(zip(chosen.index, row, strict=True)) for row in zip(*cells, strict=True))
    return Rows(what, 'row', chosen, enumerate(rows, 1))


def _rank(table: Table) -> tuple[bool, bool]:
    """Whether a table has positions, and IDs beside them."""
    stated = _stated(table)
    placed = 'RA' in stated or bool(catalogue_columns.position(table.colnames))
    return placed, placed and ('ID' in stated or catalogue_columns.has_identifiers(table.colnames))


def _tables(content: bytes, form: str) -> Iterator[Table]:
    from astropy.table import Table

    if form == 'fits':
        from astropy.io import fits

        with fits.open(io.BytesIO(content)) as hdus:
            for number, hdu in enumerate(hdus):
                if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
                    table = Table.read(hdus, hdu=number)
                    table.meta = {**hdus[0].header, **table.meta}
                    yield table
    elif form == 'votable':
        from astropy.io.votable import parse

        votable = parse(io.BytesIO(content.lstrip(_BEFORE_TEXT)), verify='ignore')
        for one in votable.iter_tables():
            table = one.to_table(use_names_over_ids=True)
            table.meta |= _system(votable, one)
            yield table
    elif form in ('hdf5', 'parquet'):
        yield Table.read(io.BytesIO(content), format=form)
    else:
        text = content.lstrip(_BEFORE_TEXT).decode('utf-8', 'replace')
        if form == 'ascii.ecsv':
            text = text[text.index('# %ECSV ') :]  # below other comments
        table = Table.read(text.splitlines(), format=form, guess=False)
        if form == 'ascii.ipac':
            table.meta |= {
                card: one['value'] for card, one in table.meta.pop('keywords', {}).items()
            }
        yield table


def _system(votable: Any, table: Any) -> dict[str, str]:
    """The coordinate system of a VOTable's positions, as cards of a FITS header.

    It is the one that the column of RA or DEC refers to, itself or by a group, else the only one if
    that has RA and DEC. Without one, parameters and information count that are called as such
    cards.
    """
    cards = {
        one.name: str(one.value)
        for part in (*votable.resources, table)
        for one in (*part.params, *part.infos)
    }
    systems = {one.ID: (one.system or '', one.equinox or '') for one in votable.iter_coosys()}
    place = catalogue_columns.position(one.name for one in table.fields).values()
    fields = [one for one in table.fields if one.name.lower() in place]
    idents = {one.ID for one in fields}
    groups = [
        group for group in table.iter_groups() if any(one.ref in idents for one in group.entries)
    ]
    named = [one.ref for one in (*fields, *groups) if one.ref in systems]
    if not named and len(systems) == 1:
        named = [
            name
            for name, words in systems.items()
            if not catalogue_columns.equatorial(' '.join(words))[1]
        ]
    return (
        cards | dict(zip(('RADESYS', 'EQUINOX'), systems[named[0]], strict=True))
        if named
        else cards
    )


def _stated(table: Table) -> dict[str, str]:
    """Names of columns by role that the table's metadata state, as MPDAF's Catalog does."""
    return {role: table.meta[key] for role, key in _STATED.items() if table.meta.get(key)}


def _declared(table: Table) -> str:
    """Words for the coordinate system of RA and DEC: in the description of RA, if they are clear,
    else of the table."""
    place = catalogue_columns.position(table.colnames).get('RA')
    descriptions = [
        str(getattr(table[name], 'description', ''))
        for name in table.colnames
        if name.lower() == place
    ]
    cards = {card: value for card, value in table.meta.items() if value}
    stated = [cards[card] for card in ('radesys', 'radecsys') if card in cards]
    stated += [f'{card} {cards[card]}' for card in ('equinox', 'epoch') if card in cards]
    further = ' '.join(
        value for card, value in cards.items() if re.search('frame|coo|comment', card)
    )
    return (
        catalogue_columns.mentioned(' '.join(descriptions))
        or ' '.join(stated)
        or catalogue_columns.mentioned(further)
    )


def _flat(table: Table) -> Table:
    """The table with one value in a cell, and its metadata as text by words in small letters.

    A column of coordinates becomes two in degrees; RAh, RAm ... DEs become two sexagesimal ones.
    Columns of shape (n, 1) become n rows, and so do those of shape (1, n), as IDL writes them, if
    nothing else has positions.
    """
    from astropy.table import Column, Table

    flat: dict[str, Any] = {}
    wide: dict[int, dict[str, Any]] = {}
    for title in table.colnames:
        column, name = table[title], title.strip()
        shape = getattr(column, 'shape', (len(table),))
        if hasattr(column, 'icrs'):
            sky = column.icrs
            flat |= {
                f'{name}.ra': Column(sky.ra.deg, description='ICRS'),
                f'{name}.dec': sky.dec.deg,
            }
        elif len(shape) == 1:
            flat[name] = column
        elif isinstance(column, Column) and (
            shape[1:] == (1,) or (len(table) == 1 and len(shape) == 2)
        ):
            values = column.reshape(-1)
            values.unit, values.description = column.unit, column.description
            (flat if shape[1:] == (1,) else wide.setdefault(column.size, {}))[name] = values
    if not catalogue_columns.position(flat):
        flat = next(filter(catalogue_columns.position, wide.values()), flat)
    by_case = {name.lower(): name for name in flat}
    if 'RA' not in catalogue_columns.position(flat) and {*_HOURS, *_DEGREES} <= by_case.keys():
        ra, dec = (
            zip(*(_cells(flat[by_case[name]]) for name in names), strict=True)
            for names in (_HOURS, _DEGREES)
        )
        description = getattr(flat[by_case['rah']], 'description', None)
        flat['RA'] = Column([':'.join(map(str, cells)) for cells in ra], description=description)
        flat['DE'] = Column([f'{sign}{":".join(map(str, cells))}' for sign, *cells in dec])
    meta = {str(card).lower(): str(value) for card, value in table.meta.items()}
    return Table(flat, meta=meta, copy=False)


def _cells(column: Any, named: bool = False) -> list[Cell]:
    """The cells of a column, '' for what is masked; those of single precision as text, if they are
    names."""
    hidden = np.broadcast_to(getattr(column, 'mask', False), len(column)).tolist()
    values = getattr(column, 'value', column)
    plain = np.ma.getdata(getattr(values, 'unmasked', values))
    if named and plain.dtype.kind == 'f':
        plain = plain.astype(str)  # 1.1, not 1.100000023841858
    return [
        '' if missing else _cell(value)
        for value, missing in zip(plain.tolist(), hidden, strict=True)
    ]


def _cell(value: Any) -> Cell:
    if isinstance(value, bytes):
        value = value.decode('utf-8', 'surrogateescape')
    if isinstance(value, str):
        return value.strip()
    return value if type(value) in (int, float) else repr(value)


_FRAMES = {
    'icrs': 'icrs',
    'fk5': 'fk5',
    'j2000': 'fk5',
    'fk4': 'fk4',
    'b1950': 'fk4',
    'galactic': 'galactic',
    'ecliptic': 'barycentricmeanecliptic',
    'image': 'image',
    'physical': 'image',
}
_EQUATORIAL = ('icrs', 'fk5', 'fk4')
_OTHER_FRAMES = ('wcs', 'linear', 'amplifier', 'detector', 'tile')
_SHAPES = {'point': 2, 'circle': 3, 'ellipse': 5}  # and how many numbers each has
_OTHER_SHAPES = """
    box rotbox polygon annulus panda cpanda epanda bpanda pie segment bundle line vector projection ruler compass text
    composite
""".split()
_FRAME_WORDS, _SHAPE_WORDS = (
    '|'.join((*_FRAMES, *_OTHER_FRAMES)),
    '|'.join((*_SHAPES, *_OTHER_SHAPES)),
)
_FIRST_REGION = re.compile(
    rf'(?:\s*(?:#|global\b)[^\n]*\n)*\s*(?:(?:{_FRAME_WORDS})[a-z]?\s*[;\n]|[+-]?(?:{_SHAPE_WORDS})\s*\()',
    re.IGNORECASE,
)
_CRTF = re.compile(r'\s*#CRTF', re.IGNORECASE)
# A part of a line between semicolons, except those in braces and in quotes behind an equals sign.
_STATEMENT = re.compile(r"""(?:\{[^}]{0,999}\}|=\s*"[^"]{0,999}"|=\s*'[^']{0,999}'|[^;])+""")
_SHAPE = re.compile(r'([+-]?)\s*([a-z]+)\s*(?:\(([^)]*)\)|\s([^#]*))', re.IGNORECASE)
_TEXT = re.compile(r'\btext\s*=\s*(?:\{([^}]{0,999})\}|"([^"]{0,999})"|\'([^\']{0,999})\')')
_REGION_ANGLE = re.compile(
    r'([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)("|\'|d|r|p|i)?', re.IGNORECASE
)
_UNIT_LETTERS = {'d': 'deg', 'r': 'rad'}


def read_regions(name: str, text: str, catalogue_mode: bool) -> Rows | None:
    """Find the regions of a DS9 file: points, circles and ellipses in sky coordinates or pixels.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    text : str
        What it holds.
    catalogue_mode : bool
        Whether the radius of a circle is an aperture of its own.

    Returns
    -------
    Rows or None
        None if it is no file of regions.

    Raises
    ------
    InputError
        It holds no source, or regions of CASA.
    """
    if _CRTF.match(text):
        raise InputError(
            f'{name}: CRTF regions, as CASA writes them, are not read; expected DS9 regions'
        )
    if not text.lstrip().lower().startswith(
        '# region file format: ds9'
    ) and not _FIRST_REGION.match(text):
        return None
    regions, others = [], []
    for line, frame, statement in _regions(text):
        match, label = _SHAPE.match(statement), _TEXT.search(statement)
        sign, shape, bracketed, plain = match.groups() if match else ('', show(statement), '', '')
        shape = shape.lower() if match else shape
        numbers = re.findall(r'[^,\s]+', bracketed or plain or '')
        other = shape if shape in _OTHER_SHAPES else ''
        if sign == '-':
            other = f'excluded {shape}'
        elif shape == 'ellipse' and len(numbers) > _SHAPES[shape]:
            other = 'elliptical annulus'
        if other:
            others.append(f'{other} in line {line}')
        else:
            ident = next(filter(None, label.groups()), '').strip() if label else ''
            regions.append((line, ident, frame, shape, numbers))
    if not regions:
        raise InputError(f'{name}: no sources; expected points, circles or ellipses of DS9')
    known = {ident for _, ident, *_ in regions}
    unused = (number for number in map(str, itertools.count(1)) if number not in known)
    frames = dict.fromkeys(frame for _, _, frame, *_ in regions)
    description = f'ID = text, or numbered, positions in {" and ".join(frames)} coordinates'
    if catalogue_mode:
        description += ', APER = radius of a circle'
    chosen = catalogue_columns.Columns({'ID': 0}, names=('ID',), first=1, description=description)
    notes = []
    if 'physical' in frames:
        notes.append('physical coordinates are taken as pixels of the cube')
    if others:
        listing = ', '.join(others[:3]) + (', ...' if len(others) > 3 else '')
        notes.append(
            f'{len(others)} of {len(others) + len(regions)} regions are no sources and left out: {listing}'
        )
    chosen = replace(chosen, warnings=tuple(f'{name}: {note}' for note in notes))
    rows = (
        (line, _region_cells(ident or next(unused), frame, shape, numbers, catalogue_mode))
        for line, ident, frame, shape, numbers in regions
    )
    return Rows('DS9 regions', 'line', chosen, rows)


def _regions(text: str) -> Iterator[tuple[int, str, str]]:
    """The regions: line, coordinate system and statement."""
    frame = ''
    for line, content in enumerate(re.split(r'\r\n|\r|\n', text), 1):
        if content.lstrip().startswith('#'):
            continue
        for statement in map(str.strip, _STATEMENT.findall(content)):
            word = statement.lower().split('#')[0].strip()
            if word in _FRAMES or word.startswith(_OTHER_FRAMES):
                frame = word
            elif word and not word.startswith('global'):
                yield line, frame, statement


def _region_cells(
    ident: str, frame: str, shape: str, numbers: Sequence[str], catalogue_mode: bool
) -> dict[str, Cell] | str:
    """A region's cells by role, or what is wrong with it."""
    if shape not in _SHAPES:
        return f'{shape} is not a source; expected point, circle or ellipse'
    if frame not in _FRAMES:
        what = f'coordinates {frame}' if frame else 'no coordinates above the region'
        return (
            f'{what}; expected icrs, fk5, fk4, galactic, ecliptic or image on a line of their own'
        )
    if len(numbers) != _SHAPES[shape]:
        return f'{shape} with {counted(len(numbers), "number")}; expected {_SHAPES[shape]}: ({",".join(numbers)})'
    system = _FRAMES[frame]
    cells: dict[str, Cell] = {'ID': ident}
    if system == 'image':
        cells |= {'X': numbers[0].rstrip('ipIP'), 'Y': numbers[1].rstrip('ipIP')}
    else:
        longitude = 'RA' if system in _EQUATORIAL else 'LON'
        cells |= {longitude: _angle(numbers[0]), 'DEC': _angle(numbers[1])}
        if system != 'icrs':
            cells['FRAME'] = system
    if catalogue_mode and shape == 'circle':
        length = _REGION_ANGLE.fullmatch(numbers[2])
        if not length:
            return f'radius {numbers[2]} is not a number; expected one in arcsec (2"), arcmin (0.1\') or degrees'
        unit = (length[2] or ('i' if system == 'image' else 'd')).lower()
        if unit in 'ip':
            cells['APER_PIX'] = length[1]
        else:
            cells['APER'] = (
                float(length[1]) * catalogue_columns.ARCSEC[_UNIT_LETTERS.get(unit, unit)]
            )
    return cells


def _angle(text: str) -> Cell:
    """Degrees as they are, from degrees with a d, or from radians with an r."""
    match = _REGION_ANGLE.fullmatch(text)
    if not match or match[2] not in ('d', 'r'):
        return text
    return match[1] if match[2] == 'd' else math.degrees(float(match[1]))
