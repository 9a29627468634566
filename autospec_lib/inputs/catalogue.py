"""Which sources? A catalogue of any kind, or positions of the command line, -> `Target`s; see
``docs/inputs.md``.

The content of the file tells what kind it is. Plain text is read by `text_tables`, without a table
package; other tables and regions by `tables_and_regions`. Both return `catalogue_rows.Rows`, of which
`catalogue_rows.read` makes targets.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, BinaryIO

from autospec_lib.core.errors import InputError, counted
from autospec_lib.core.files import read_file
from autospec_lib.core.types import BoolArray, Ident, Target
from autospec_lib.inputs import catalogue_rows, tables_and_regions, text_tables
from autospec_lib.inputs.catalogue_rows import Catalogue

_LARGEST = 2**30  # bytes that a compressed catalogue may have
TEMPLATE = """\
# Catalogue of AutoSpec: one source per line, columns separated by blanks, tabs or commas.
# MODE = 'param' reads ID RA DEC and ignores what follows. MODE = 'cat' reads ID RA DEC SIZE REF, where a - stands for
# the SIZE of param.py and for white light. RA and DEC in degrees, or as hh:mm:ss.s and dd:mm:ss.s; SIZE in arcsec.
#
# ID   RA           DEC         SIZE  REF
# 120  130.5751301  +1.6470841  5     g-band
"""


def load(
    path: Path,
    mode: str,
    size: float,
    ref: str,
    skip_bad_rows: bool = False,
    in_field: Callable[[Catalogue], BoolArray] | None = None,
) -> Catalogue:
    """Read and check the catalogue.

    Parameters
    ----------
    path : Path
        Any table that astropy reads, text with or without a header, or DS9 regions; also compressed
        by gzip, bzip2, xz or zip.
    mode : str
        'param' reads ID and position; 'cat' reads SIZE and REF too. APER and Z are read where a
        header names them.
    size : float
        Full width of the subcubes [arcsec]; in mode 'cat' of the sources without a SIZE.
    ref : str
        The reference of every source in mode 'param'.
    skip_bad_rows : bool
        Leave out rows with faults, with a warning for each, as long as at least one row remains.
    in_field : function, optional
        Says which targets of a catalogue lie in the field. Faults of rows outside it do not matter,
        nor do their IDs.

    Raises
    ------
    InputError
        The file cannot be read or holds no row; otherwise every fault of its rows at once.
    """
    name, is_cat = path.name, mode == 'cat'
    content = _content(path)
    form = tables_and_regions.recognise(content)
    if form and form != 'latex':
        table = tables_and_regions.read(name, content, form, is_cat)
    elif b'\0' in content:
        raise InputError(f'{name}: is not plain text; save it as text or CSV, in UTF-8')
    else:
        # Bytes that are not UTF-8 become lone surrogates; in a comment they do no harm.
        text = content.decode('utf-8-sig', 'surrogateescape')
        if form:
            table = replace(
                text_tables.read(name, text_tables.from_latex(name, text), is_cat),
                form='LaTeX table',
            )
        else:
            table = tables_and_regions.read_regions(name, text, is_cat) or text_tables.read(
                name, text, is_cat
            )
    default = Target(id=0, ra=0.0, dec=0.0, size=size, ref='' if is_cat else ref)
    listed, faults, assumptions = catalogue_rows.read(name, table, default, in_field)
    if faults and not (skip_bad_rows and listed.targets):
        raise InputError(*faults)
    chosen = table.columns
    kind = f'{chosen.program} ({table.form})' if chosen.program else table.form
    warnings = [*chosen.warnings, *assumptions, *(f'{fault}; skipped' for fault in faults)]
    return replace(
        listed,
        warnings=tuple(' '.join(warning.splitlines()) for warning in warnings),
        description=f'{name}: {kind}: {chosen.description}',
    )


def _content(path: Path) -> bytes:
    """The bytes of a file, unpacked if it is compressed."""
    try:
        content = read_file(path)
        opener = next(
            (opener for start, opener in _OPENERS.items() if content.startswith(start)), None
        )
        if opener is None:
            return content
        with opener(io.BytesIO(content)) as unpacked:
            content = bytes(unpacked.read(_LARGEST + 1))
    except FileNotFoundError:
        raise InputError(
            f'{path.name}: not found in {os.path.dirname(os.path.abspath(path))}'
        ) from None
    except (EOFError, RuntimeError, lzma.LZMAError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f'{path.name}: cannot be unpacked: {error}') from error
    except OSError as error:
        raise InputError(f'{path.name}: cannot be read: {error.strerror or error}') from error
    if len(content) > _LARGEST:
        raise InputError(
            f'{path.name}: unpacks to more than {_LARGEST >> 20} MB; expected a catalogue, or unpack it'
        )
    return content


def _open_zip(file: BinaryIO) -> IO[bytes]:
    """The only file in a zip archive, apart from those of macOS; raises `BadZipFile` if there is
    not one."""
    archive = zipfile.ZipFile(file)
    names = [
        name
        for name in archive.namelist()
        if not name.endswith('/') and not name.startswith('__MACOSX/')
    ]
    if '[Content_Types].xml' in names or 'mimetype' in names:
        raise zipfile.BadZipFile('it is a spreadsheet; save it as CSV')
    if len(names) != 1:
        raise zipfile.BadZipFile(f'{len(names)} files in it; expected one')
    return archive.open(names[0])


# How compressed files begin, and what opens them.
_OPENERS: Mapping[bytes, Callable[..., Any]] = {
    b'\x1f\x8b': gzip.open,
    b'BZh': bz2.open,
    b'\xfd7zXZ': lzma.open,
    b'PK\x03\x04': _open_zip,
}


def from_positions(positions: Sequence[str], size: float, ref: str) -> Catalogue:
    """One source at each position of the command line (``--radec``).

    Parameters
    ----------
    positions : sequence of str
        Right ascension and declination, in degrees or sexagesimal.
    size : float
        Full width of the subcubes [arcsec].
    ref : str
        The reference of every source.

    Returns
    -------
    Catalogue
        The ID of each source is its `position_name`.

    Raises
    ------
    InputError
        One fault for each position that cannot be read or is repeated.
    """
    targets: dict[Ident, Target] = {}
    faults = []
    for text in positions:
        cells = re.findall(r'[^,\s]+', text)
        if len(cells) == 6:
            cells = [':'.join(cells[:3]), ':'.join(cells[3:])]
        if len(cells) != 2:
            expected = "degrees ('130.578 1.643') or hours and degrees ('08:42:18.8 +01:38:33')"
            faults.append(f'--radec {text!r}: {counted(len(cells), "value")}; expected {expected}')
            continue
        try:
            ra, dec = (
                catalogue_rows.degrees('RA', cells[0]),
                catalogue_rows.degrees('DEC', cells[1]),
            )
        except ValueError as error:
            faults.append(f'--radec {text!r}: {error}')
            continue
        name = position_name(ra, dec)
        if name in targets:
            faults.append(
                f'--radec {text!r}: is {name}, which is given already; expected positions 0.15 arcsec apart'
            )
        targets[name] = Target(name, ra, dec, size, ref)
    if faults:
        raise InputError(*faults)
    return Catalogue([*targets.values()], description='positions of the command line')


def position_name(ra: float, dec: float) -> str:
    """A position in degrees as the IAU recommends, JHHMMSS.ss+DDMMSS.s, truncated and not rounded.

    A hundred-thousandth of the last digit is added first; otherwise 18.80 s might become 18.79.
    """
    time, angle = int(ra / 15 * 360000 + 1e-5), int(abs(dec) * 36000 + 1e-5)
    hours, minutes, seconds = time // 360000, time // 6000 % 60, time % 6000
    degrees, arcmin, arcsec = angle // 36000, angle // 600 % 60, angle % 600
    sign = '-' if dec < 0 else '+'
    return (
        f'J{hours:02}{minutes:02}{seconds // 100:02}.{seconds % 100:02}'
        f'{sign}{degrees:02}{arcmin:02}{arcsec // 10:02}.{arcsec % 10}'
    )
