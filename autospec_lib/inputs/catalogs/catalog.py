"""The catalogue: a table of any kind -> targets, with the line of every fault; see ``docs/inputs.md``.

The content of the file tells what kind it is. Text is read by `catalog_text`, without a table package; other tables by
`catalog_tables`, with astropy; DS9 regions by `catalog_regions`. Each of them returns `Rows`, from which `catalog_rows`
makes targets.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Ident, Target
from autospec_lib.inputs.catalogs import catalog_regions, catalog_rows, catalog_tables, catalog_text
from autospec_lib.inputs.catalogs.catalog_rows import InPixels, Rows

_TEMPLATE = """\
# Catalogue of AutoSpec: one source per line, columns separated by blanks, tabs or commas.
# MODE = 'param' reads ID RA DEC and ignores what follows. MODE = 'cat' reads ID RA DEC SIZE REF, where a - stands for
# the SIZE of param.py and for white light. RA and DEC in degrees, or as hh:mm:ss.s and dd:mm:ss.s; SIZE in arcsec.
#
# ID   RA           DEC         SIZE  REF
# 120  130.5751301  +1.6470841  5     g-band
"""


@dataclass(frozen=True)
class Catalogue:
    """The sources.

    Attributes
    ----------
    targets : list of Target
        In the file's order, positions in degrees; NaN where they are in ``pixels``.
    warnings : tuple of str
        One line each.
    taken : str
        One line: the kind of file, and which columns are read as what.
    pixels : mapping of ID to InPixels
        Position, size and aperture in pixels of the cube, for targets that have any of these.
    """

    targets: list[Target]
    warnings: tuple[str, ...] = ()
    taken: str = ''
    pixels: Mapping[Ident, InPixels] = field(default_factory=dict)


def load(path: Path, mode: str, size: float, ref: str, skip_bad_rows: bool = False) -> Catalogue:
    """Read and check the catalogue.

    Parameters
    ----------
    path : Path
        Any table that astropy reads, text with or without a header, or DS9 regions; compressed by gzip or not.
    mode : str
        'param' reads ID and position; 'cat' reads SIZE and REF too. APER and Z are read where a header names them.
    size : float
        Full width of the subcubes [arcsec]; in mode 'cat' of the sources without a SIZE.
    ref : str
        The reference of every source in mode 'param'.
    skip_bad_rows : bool
        Leave out rows with faults, with a warning for each, as long as at least one row remains.

    Raises
    ------
    InputError
        The file cannot be read or holds no row; otherwise every fault of its rows at once.
    """
    rows = _rows(path, mode == 'cat')
    default = Target(id=0, ra=0.0, dec=0.0, size=size, ref='' if mode == 'cat' else ref)
    found = catalog_rows.read(path.name, rows, default)
    if found.faults and not (skip_bad_rows and found.targets):
        raise InputError(*found.faults)
    warnings = (
        *(text if text.startswith(path.name) else f'{path.name}: {text}' for text in rows.columns.warnings),
        *(f'{path.name}: {text}' for text in _assumed(rows, found)),
        *(f'{fault}; skipped' for fault in found.faults),
    )
    return Catalogue(found.targets, warnings, f'{path.name}: {rows.kind}: {rows.columns.taken}', found.pixels)


def template() -> str:
    """The text of a catalogue that holds no source yet."""
    return _TEMPLATE


def _assumed(rows: Rows, found: catalog_rows.Found) -> list[str]:
    """Warnings on what was assumed in reading the rows."""
    columns, said = rows.columns, []
    if 'ID' not in columns.index:
        said.append(f'no column with IDs; {rows.place}s are numbered from 1')
    if 'X' in columns.index:
        said.append(f'no RA and DEC; X and Y are taken as pixels of the cube, of which the first is {columns.first}')
    if found.merged:
        which = f'its row with the largest {columns.bright}' if columns.bright else 'its first row'
        count = len(found.targets) + found.merged
        said.append(f'{count} rows with {len(found.targets)} IDs: each source is at the position of {which}')
    return said


def _rows(path: Path, catalogue_mode: bool) -> Rows:
    content = _content(path)
    form = catalog_tables.recognised(content)
    if form:
        return catalog_tables.read(path.name, content, form, catalogue_mode)
    if b'\0' in content:
        raise InputError(f'{path.name}: is not plain text; save it as text or CSV, in UTF-8')
    # Bytes that are not UTF-8 become lone surrogates; in a comment they do no harm.
    text = content.decode('utf-8-sig', 'surrogateescape')
    if catalog_regions.recognised(text):
        return catalog_regions.read(path.name, text, catalogue_mode)
    return catalog_text.read(path.name, text, catalogue_mode)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(b'\x1f\x8b') else content
    except FileNotFoundError:
        raise InputError(f'{path.name}: not found in {os.path.dirname(os.path.abspath(path))}') from None
    except (EOFError, zlib.error) as error:
        raise InputError(f'{path.name}: cannot be unpacked: {error}') from error
    except OSError as error:
        raise InputError(f'{path.name}: cannot be read: {error.strerror or error}') from error
