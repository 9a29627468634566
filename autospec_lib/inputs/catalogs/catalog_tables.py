"""Catalogues that astropy reads: FITS, VOTable, ECSV, IPAC, CDS and others."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from autospec_lib.core.errors import InputError
from autospec_lib.inputs.catalogs import catalog_columns
from autospec_lib.inputs.catalogs.catalog_rows import Rows

if TYPE_CHECKING:
    from astropy.table import Table

_STARTS = {
    b'SIMPLE  =': 'fits',
    b'# %ECSV': 'ascii.ecsv',
    b'\x89HDF': 'hdf5',
    b'PAR1': 'parquet',
    b'\\begin': 'ascii.latex',
    b'\\documentclass': 'ascii.latex',
}
_NAMES = {
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
_HOURS, _DEGREES = ('rah', 'ram', 'ras'), ('de-', 'ded', 'dem', 'des')


def recognised(content: bytes) -> str:
    """astropy's name for the format of a file, or '' if it is other text or unknown."""
    for start, form in _STARTS.items():
        if content.startswith(start):
            return form
    head = content[:4096].lstrip(b'\xef\xbb\xbf \t\r\n')
    if head.startswith((b'<', b'<?xml')):
        return 'votable' if b'<VOTABLE' in head else 'ascii.html'
    if head.startswith(b'\\') or (head.startswith(b'|') and _is_ipac(head)):
        return 'ascii.ipac'
    return 'ascii.cds' if b'Byte-by-byte Description' in content[:200_000] else ''


def _is_ipac(head: bytes) -> bool:
    """Whether the second line names types of columns, as in an IPAC table, or has no bars."""
    lines = head.splitlines()
    if len(lines) < 2 or not lines[1].startswith(b'|'):
        return True
    types = lines[1].strip(b'| \r').split(b'|')
    known = (b'int', b'long', b'float', b'double', b'real', b'char', b'date', b'i', b'l', b'f', b'd', b'r', b'c')
    return all(one.strip() in known for one in types)


def read(name: str, content: bytes, form: str, catalogue_mode: bool) -> Rows:
    """Read a table and find its columns.

    Parameters
    ----------
    name : str
        The file's name.
    content : bytes
        What it holds.
    form : str
        As `recognised` gives it.
    catalogue_mode : bool
        Whether SIZE and REF are read.

    Raises
    ------
    InputError
        It cannot be read, holds no row, or no column with positions.
    """
    table, columns = _table(name, content, form)
    header = [(title, _unit(column)) for title, column in columns.items()]
    try:
        chosen = catalog_columns.choose(header, catalogue_mode, _said(table.meta))
    except InputError as error:
        raise InputError(*(f'{name}: {fault}' for fault in error.faults)) from None
    if not len(table):
        raise InputError(f'{name}: no sources; the table has no rows')
    values = list(columns.values())
    texts = {role: _texts(values[index]) for role, index in chosen.index.items()}
    program = catalog_columns.program(header, '')
    kind = f'{program} ({_NAMES[form]})' if program else _NAMES[form]
    numbered = [(number, number - 1) for number in range(1, len(table) + 1)]
    return Rows(kind, 'row', chosen, numbered, partial(_cells, texts))


def _cells(texts: Mapping[str, Sequence[str]], row: int) -> dict[str, str]:
    return {role: cells[row] for role, cells in texts.items()}


def _table(name: str, content: bytes, form: str) -> tuple[Table, dict[str, Any]]:
    """The first table of a file that has positions, else the first table, and its columns by name.

    LDAC files, for example, have a table with the image's header before the catalogue.
    """
    what = _NAMES[form]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of units and formats that do not matter here
        try:
            tables = [(table, _flat(table)) for table in _tables(content, form)]
        except Exception as error:  # astropy's readers, and those that it calls, have many kinds
            reason = ' '.join(str(error).split())[:200] or type(error).__name__
            raise InputError(f'{name}: cannot be read as {what}: {reason}') from error
    if not tables:
        raise InputError(f'{name}: {what} without a table; expected one with ID, RA and DEC')
    return next((one for one in tables if _has_position(*one)), tables[0])


def _has_position(table: Table, columns: Mapping[str, Any]) -> bool:
    return catalog_columns.has_position([(title, '') for title in columns]) or 'RA' in _said(table.meta)


def _tables(content: bytes, form: str) -> Iterable[Table]:
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
        text = content.decode('utf-8-sig', 'replace')
        table = Table.read(text.splitlines(), format=form, guess=False)
        if form == 'ascii.latex' and len(table) and not re.search(r'\d', ''.join(map(str, table[0]))):
            table.remove_row(0)  # the units
        yield table


def _said(meta: Mapping[str, Any]) -> dict[str, str]:
    """Names of columns that the table's metadata state, as MPDAF's Catalog does."""
    words = {str(key).lower(): str(value) for key, value in meta.items()}
    found = {role: words.get(key) for role, key in (('ID', 'idname'), ('RA', 'raname'), ('DEC', 'decname'))}
    return {role: name for role, name in found.items() if name}


def _flat(table: Table) -> dict[str, Any]:
    """Columns by name. A column of coordinates becomes two in degrees; RAh, RAm ... DEs become two sexagesimal ones."""
    found: dict[str, Any] = {}
    for name in table.colnames:
        column = table[name]
        if hasattr(column, 'icrs'):
            sky = column.icrs
            found |= {f'{name}.ra': sky.ra.deg, f'{name}.dec': sky.dec.deg}
        elif getattr(column, 'ndim', 1) == 1:
            found[name] = column
    by_case = {name.lower(): name for name in found}
    if {*_HOURS, *_DEGREES} <= by_case.keys():
        ra, dec = ([_texts(found[by_case[one]]) for one in some] for some in (_HOURS, _DEGREES))
        found['RAJ2000'] = [':'.join(cells) for cells in zip(*ra, strict=True)]
        found['DEJ2000'] = [sign.strip() + ':'.join(cells) for sign, *cells in zip(*dec, strict=True)]
    return found


def _unit(column: Any) -> str:
    unit = getattr(column, 'unit', None)
    return '' if unit is None else str(unit)


def _texts(column: Any) -> list[str]:
    """The text of each cell, '' for what is masked; numbers with all their digits."""
    if isinstance(column, list):
        return column
    hidden = np.broadcast_to(getattr(column, 'mask', False), len(column)).tolist()
    values = getattr(column, 'value', column)
    plain = np.ma.getdata(getattr(values, 'unmasked', values)).tolist()
    return ['' if missing else _text(value) for value, missing in zip(plain, hidden, strict=True)]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode('utf-8', 'surrogateescape')
    return value.strip() if isinstance(value, str) else repr(value)
