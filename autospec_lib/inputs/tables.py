"""Catalogues that are more than rows of text: tables that astropy reads (FITS, VOTable, ECSV ...), and DS9 regions."""

from __future__ import annotations

import io
import itertools
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from autospec_lib.core.errors import InputError, show
from autospec_lib.inputs import columns
from autospec_lib.inputs.rows import Cell, Rows

if TYPE_CHECKING:
    from astropy.table import Table

_FIRST_BYTES = {
    b'SIMPLE  =': 'fits',
    b'# %ECSV': 'ascii.ecsv',
    b'\x89HDF': 'hdf5',
    b'PAR1': 'parquet',
    b'\\begin': 'ascii.latex',
    b'\\documentclass': 'ascii.latex',
}
_FORM_NAMES = {
    'fits': 'FITS table',
    'votable': 'VOTable',
    'hdf5': 'HDF5',
    'parquet': 'Parquet',
    'ascii.ecsv': 'ECSV',
    'ascii.ipac': 'IPAC table',
    'ascii.cds': 'CDS table',
    'ascii.latex': 'LaTeX table',
    'ascii.html': 'HTML table',
}
_IPAC_TYPES = (b'int', b'long', b'float', b'double', b'real', b'char', b'date', b'i', b'l', b'f', b'd', b'r', b'c')
_STATED = {'ID': 'idname', 'RA': 'raname', 'DEC': 'decname'}
_HOURS, _DEGREES = ('rah', 'ram', 'ras'), ('de-', 'ded', 'dem', 'des')


def recognise(content: bytes) -> str:
    """astropy's name for the format of a file, or '' if it is other text or unknown."""
    for start, form in _FIRST_BYTES.items():
        if content.startswith(start):
            return form
    head = content[:4096].lstrip(b'\xef\xbb\xbf \t\r\n')
    if head.startswith(b'<'):
        return 'votable' if b'<VOTABLE' in head else 'ascii.html'
    if head.startswith(b'\\') or (head.startswith(b'|') and _is_ipac(head)):
        return 'ascii.ipac'
    return 'ascii.cds' if b'Byte-by-byte Description' in content[:200_000] else ''


def _is_ipac(head: bytes) -> bool:
    """Whether the second line names types of columns, as in an IPAC table, or has no bars."""
    lines = head.splitlines()
    if len(lines) < 2 or not lines[1].startswith(b'|'):
        return True
    return all(word.strip() in _IPAC_TYPES for word in lines[1].strip(b'| \r').split(b'|'))


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
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of units and formats that do not matter here
        try:
            tables = [(_stated(table), _flat(table)) for table in _tables(content, form)]
        except Exception as error:  # astropy's readers, and those that it calls, have many kinds
            reason = ' '.join(str(error).split())[:200] or type(error).__name__
            raise InputError(f'{name}: cannot be read as {what}: {reason}') from error
    if not tables:
        raise InputError(f'{name}: {what} without a table; expected one with ID, RA and DEC')
    # LDAC files, for example, have a table with the image's header before the catalogue.
    placed = (pair for pair in tables if 'RA' in pair[0] or columns.has_position(_header(pair[1])))
    stated, table = next(placed, tables[0])
    chosen = columns.choose(name, _header(table), catalogue_mode, stated)
    cells = [_cells(table[chosen.names[number]]) for number in chosen.index.values()]
    if not cells[0]:
        raise InputError(f'{name}: no sources; the table has no rows')
    rows = (dict(zip(chosen.index, row, strict=True)) for row in zip(*cells, strict=True))
    return Rows(what, 'row', chosen, enumerate(rows, 1))


def _tables(content: bytes, form: str) -> Iterator[Table]:
    from astropy.table import Table

    if form == 'fits':
        from astropy.io import fits

        with fits.open(io.BytesIO(content)) as hdus:
            for number, hdu in enumerate(hdus):
                if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
                    yield Table.read(hdus, hdu=number)
    elif form == 'votable':
        from astropy.io.votable import parse

        for one in parse(io.BytesIO(content), verify='ignore').iter_tables():
            yield one.to_table(use_names_over_ids=True)
    elif form in ('hdf5', 'parquet'):
        yield Table.read(io.BytesIO(content), format=form)
    else:
        lines = content.decode('utf-8-sig', 'replace').splitlines()
        table = Table.read(lines, format=form, guess=False)
        if form == 'ascii.latex' and len(table) and not re.search(r'\d', ''.join(map(str, table[0]))):
            table.remove_row(0)  # the units
        yield table


def _stated(table: Table) -> dict[str, str]:
    """Names of columns by role that the table's metadata state, as MPDAF's Catalog does."""
    words = {str(key).lower(): str(value) for key, value in table.meta.items()}
    return {role: words[key] for role, key in _STATED.items() if words.get(key)}


def _flat(table: Table) -> dict[str, Any]:
    """Columns by name. A column of coordinates becomes two in degrees; RAh, RAm ... DEs become two sexagesimal ones."""
    flat: dict[str, Any] = {}
    for name in table.colnames:
        column = table[name]
        if hasattr(column, 'icrs'):
            sky = column.icrs
            flat |= {f'{name}.ra': sky.ra.deg, f'{name}.dec': sky.dec.deg}
        elif getattr(column, 'ndim', 1) == 1:
            flat[name] = column
    by_case = {name.lower(): name for name in flat}
    if {*_HOURS, *_DEGREES} <= by_case.keys():
        ra, dec = (zip(*(_cells(flat[by_case[name]]) for name in names), strict=True) for names in (_HOURS, _DEGREES))
        flat['RAJ2000'] = np.array([':'.join(map(str, cells)) for cells in ra])
        flat['DEJ2000'] = np.array([f'{sign}{":".join(map(str, cells))}' for sign, *cells in dec])
    return flat


def _header(table: Mapping[str, Any]) -> columns.Header:
    return [(name, str(getattr(column, 'unit', None) or '')) for name, column in table.items()]


def _cells(column: Any) -> list[Cell]:
    """The cells of a column, '' for what is masked."""
    hidden = np.broadcast_to(getattr(column, 'mask', False), len(column)).tolist()
    values = getattr(column, 'value', column)
    plain = np.ma.getdata(getattr(values, 'unmasked', values)).tolist()
    return ['' if missing else _cell(value) for value, missing in zip(plain, hidden, strict=True)]


def _cell(value: Any) -> Cell:
    if isinstance(value, bytes):
        value = value.decode('utf-8', 'surrogateescape')
    if isinstance(value, str):
        return value.strip()
    return value if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


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
_OTHER_SHAPES = ('box', 'rotbox', 'polygon', 'annulus', 'panda', 'line', 'vector', 'ruler', 'compass', 'text')
_FRAME_WORDS, _SHAPE_WORDS = '|'.join((*_FRAMES, *_OTHER_FRAMES)), '|'.join((*_SHAPES, *_OTHER_SHAPES))
_FIRST_REGION = re.compile(
    rf'(?:\s*(?:#|global\b)[^\n]*\n)*\s*(?:(?:{_FRAME_WORDS})[a-z]?\s*[;\n]|[+-]?(?:{_SHAPE_WORDS})\s*\()',
    re.IGNORECASE,
)
_STATEMENT = re.compile(r"""(?:\{[^}]*\}|=\s*"[^"]*"|=\s*'[^']*'|[^;])+""")
_SHAPE = re.compile(r'([+-]?)\s*([a-z]+)\s*(?:\(([^)]*)\)|\s([^#]*))', re.IGNORECASE)
_TEXT = re.compile(r'\btext\s*=\s*(?:\{([^}]*)\}|"([^"]*)"|\'([^\']*)\')')
_REGION_ANGLE = re.compile(r'([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)("|\'|d|r|p|i)?', re.IGNORECASE)
_UNIT_LETTERS = {'d': 'deg', 'r': 'rad'}


def has_regions(text: str) -> bool:
    """Whether a text holds DS9 regions."""
    return text.lstrip().lower().startswith('# region file format: ds9') or bool(_FIRST_REGION.match(text))


def read_regions(name: str, text: str, catalogue_mode: bool) -> Rows:
    """Find the regions of a DS9 file: points, circles and ellipses in sky coordinates or pixels.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    text : str
        What it holds.
    catalogue_mode : bool
        Whether the radius of a circle is an aperture of its own.

    Raises
    ------
    InputError
        It holds no region.
    """
    regions = list(_regions(text))
    if not regions:
        raise InputError(f'{name}: no sources; expected points, circles or ellipses of DS9')
    labels = [_label(statement) for _, _, statement in regions]
    known = {*labels}
    numbers = (number for number in map(str, itertools.count(1)) if number not in known)
    frames = dict.fromkeys(frame for _, frame, _ in regions)
    description = f'ID = text, or numbered, positions in {" and ".join(frames)} coordinates'
    if catalogue_mode:
        description += ', APER = radius of a circle'
    chosen = columns.Columns({'ID': 0}, names=('ID',), first=1, description=description)
    if 'physical' in frames:
        chosen = replace(chosen, warnings=(f'{name}: physical coordinates are taken as pixels of the cube',))
    rows = (
        (line, _region_cells(label or next(numbers), frame, statement, catalogue_mode))
        for (line, frame, statement), label in zip(regions, labels, strict=True)
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


def _label(statement: str) -> str:
    """The text of a region, '' if it has none."""
    match = _TEXT.search(statement)
    return next(filter(None, match.groups()), '').strip() if match else ''


def _region_cells(ident: str, frame: str, statement: str, catalogue_mode: bool) -> dict[str, Cell] | str:
    """A region's cells by role, or what is wrong with it."""
    match = _SHAPE.match(statement)
    shape = match[1].lstrip('+') + match[2].lower() if match else show(statement)
    if match is None or shape not in _SHAPES:
        return f'{shape} is not a source; expected point, circle or ellipse'
    if frame not in _FRAMES:
        what = f'coordinates {frame}' if frame else 'no coordinates above the region'
        return f'{what}; expected icrs, fk5, fk4, galactic, ecliptic or image on a line of their own'
    values = (match[3] or match[4] or '').strip()
    numbers = re.findall(r'[^,\s]+', values)
    if len(numbers) < _SHAPES[shape]:
        return f'{len(numbers)} of {_SHAPES[shape]} numbers of a {shape}: ({values})'
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
            cells['APER'] = float(length[1]) * columns.ARCSEC[_UNIT_LETTERS.get(unit, unit)]
    return cells


def _angle(text: str) -> Cell:
    """Degrees as they are, from degrees with a d, or from radians with an r."""
    match = _REGION_ANGLE.fullmatch(text)
    if not match or match[2] not in ('d', 'r'):
        return text
    return match[1] if match[2] == 'd' else math.degrees(float(match[1]))
