"""Products -> MPDAF Source FITS file, which appears under its name only when it is complete.

Cards that every file has are written in `_primary`. Cards on the results of a step are in ``facts`` of its products.
"""

from __future__ import annotations

import datetime
import io
import re
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from numpy.typing import NDArray

from autospec_lib import __version__
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.products import Products
from autospec_lib.core.types import Cutout, Grid, Ident, Target

FORMAT = '0.6'  # of MPDAF's Source files
BLOCK = 2880  # bytes; FITS files grow in whole blocks
BITPIX = {'f4': -32, 'f8': -64, 'i4': 32, 'u1': 8}
SINGLE = np.finfo(np.float32)
SIZE_CARD = 'NBYTES'
STARTS = {1: 'SPE', 2: 'IMA', 3: 'CUB'}  # of the names of extensions, by their number of axes
CHANNEL = 'CHANNEL'  # type of an axis that counts channels, because no cards describe its wavelengths
PLUS = re.compile(r'^10\*\*(?=\d)')


def write_source(path: Path, products: Products, cutout: Cutout, origin: Mapping[str, str]) -> None:
    """Write one source's file under a temporary name, flush it to disk and rename it.

    Parameters
    ----------
    path : Path
        The final name; its folder exists.
    products : Products
        What to write (see `Products.select`).
    cutout : Cutout
        Gives target, coordinates and units.
    origin : mapping of str to str
        The cards FROM, FROM_V, CUBE and CUBE_V.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; no incomplete file is left.
    """
    primary = fits.PrimaryHDU(header=_primary(products, cutout.target, origin)).header
    primary['EXTEND'] = True
    with complete_file(path) as temporary, temporary.open('wb') as file:
        file.write(primary.tostring().encode('ascii'))
        file.write(_redshift(cutout.target.z))
        file.writelines(_extensions(products, cutout.grid))
        if cutout.grid.spectral.get('CTYPE1') == CHANNEL:
            file.write(_wave_table(cutout))
        primary[SIZE_CARD] = file.tell()
        file.seek(0)
        file.write(primary.tostring().encode('ascii'))


def is_whole(path: Path, header: fits.Header) -> bool:
    """Whether a source's file has the length that it had when it was written.

    Parameters
    ----------
    path : Path
        The file.
    header : fits.Header
        Its primary header. If it does not hold the size, the file must end at the end of its last extension.
    """
    size = path.stat().st_size
    if SIZE_CARD in header:
        return bool(header[SIZE_CARD] == size)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # astropy warns of truncated files
        with fits.open(path) as hdus:
            last = hdus[-1].fileinfo()
    return bool(last['datLoc'] + last['datSpan'] == size)


def _primary(products: Products, target: Target, origin: Mapping[str, str]) -> fits.Header:
    now = datetime.datetime.now().isoformat(sep=' ')
    header = fits.Header()
    cards: list[tuple[str, Any, str]] = [
        ('ID', *ident_card(target.id)),
        ('RA', round(target.ra, 7), 'RA u.degree %.7f'),
        ('DEC', round(target.dec, 7), 'DEC u.degree %.7f'),
        ('FROM', origin.get('FROM', ''), 'detection software'),
        ('FROM_V', origin.get('FROM_V', ''), 'version of the detection software'),
        ('CUBE', origin.get('CUBE', ''), 'datacube'),
        ('CUBE_V', origin.get('CUBE_V', ''), 'version of the datacube'),
        ('EXT', 'AutoSpec', 'extraction software'),
        ('EXT_V', f'v.{__version__}', 'version of the extraction software'),
        ('AUTH', 'AutoSpec developers', 'author of extraction software'),
        ('SRC_V', '', 'version of the source'),
        ('DATE', now, 'Creation date'),
        ('AUTHOR', 'MPDAF', 'Origin of the file format'),
        ('FORMAT', FORMAT, 'Version of the Source format'),
        *((key, _card_value(value), comment) for key, (value, comment) in products.facts.items()),
        (SIZE_CARD, 0, 'length of this file in bytes'),
        ('NNOTES', len(products.notes), 'fall-backs and warnings: NOTE1, NOTE2, ...'),
        *((f'NOTE{number}', printable(note), '') for number, note in enumerate(products.notes, 1)),
    ]
    header.extend(cards)
    return header


def ident_card(ident: Ident) -> tuple[int | str, str]:
    """The ID as a card holds it, and MPDAF's comment, which says how to print it."""
    if isinstance(ident, int):
        return ident, 'object ID %d'
    return printable(ident), 'object ID %s'


def _card_value(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


def printable(text: str) -> str:
    """The text as FITS headers hold it, in printable ASCII."""
    return ''.join(c if ' ' <= c <= '~' else '?' for c in text)


def _redshift(z: float | None) -> bytes:
    """The catalogue's redshift as MPDAF's table Z, or nothing where there is none."""
    if z is None:
        return b''
    columns = [fits.Column(name='Z_DESC', format='20A', array=np.array(['CATALOG']))]
    columns += [fits.Column(name=name, format='D', array=np.array([z])) for name in ('Z', 'Z_MIN', 'Z_MAX')]
    return _table(fits.BinTableHDU.from_columns(columns, name='Z'))


def _extensions(products: Products, grid: Grid) -> Iterator[bytes]:
    """All extensions in the order of v1.1.2: spectra, images, segmentation maps, masks, maps, cubes."""
    axis = {card[:-1] + '3' if card.endswith('1') else card: value for card, value in grid.spectral.items()}
    coordinates = {1: grid.spectral, 2: grid.sky, 3: {**grid.sky, **axis, 'WCSAXES': 3}}
    for _, key, product in products:
        axes = product.data.ndim
        name, unit, power = f'{STARTS[axes]}_{key}', product.unit, product.power
        yield _extension(f'{name}_DATA', stored(product.data), coordinates[axes], to_power(unit, power))
        if product.variance is not None:
            yield _extension(f'{name}_STAT', stored(product.variance), coordinates[axes], to_power(unit, 2 * power))


def _wave_table(cutout: Cutout) -> bytes:
    """The table TAB_WAVE: channels, counted from 1, and their wavelengths."""
    columns = [
        fits.Column('CHANNEL', 'J', array=np.arange(1, len(cutout.wave) + 1)),
        fits.Column('WAVE', 'D', unit=cutout.grid.wave_unit, array=cutout.wave),
    ]
    table = fits.BinTableHDU.from_columns(columns, name='TAB_WAVE')
    table.header['MEDIUM'] = (cutout.grid.medium or 'unknown', 'air, vacuum or unknown')
    return _table(table)


def _table(table: fits.BinTableHDU) -> bytes:
    """A table's bytes, as they follow a primary header."""
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()[BLOCK:]


def stored(values: NDArray[Any]) -> NDArray[Any]:
    """The values in the type in which they are stored.

    Masks are bytes, segmentation maps integers of four bytes. Other numbers are in single precision as in v1.1.2, but
    in double if a value would become infinite or lose digits near zero.
    """
    if values.dtype.kind != 'f':
        return values.astype('u1' if values.dtype.kind == 'b' else '>i4')
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    fits_single = size.size == 0 or (size.min() >= SINGLE.tiny and size.max() <= SINGLE.max)
    return values.astype('>f4' if fits_single else '>f8')


@lru_cache(maxsize=64)
def to_power(unit: str, power: int) -> str:
    """A unit to a power, as FITS writes it; a text that is not a unit is put in brackets."""
    if power == 1:
        return unit
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            # MPDAF replaces the asterisks by blanks, and reads 10 +32 as a power of ten but not 10 32.
            return PLUS.sub('10**+', str((units.Unit(unit) ** power).to_string('fits')))
        except (ValueError, TypeError):  # not a unit, or one that FITS cannot write
            return f'({unit})**{power}'


def _extension(name: str, array: NDArray[Any], wcs: Mapping[str, Any], unit: str) -> bytes:
    """Header and data of one image extension, each filled up to whole FITS blocks.

    astropy would use half of AutoSpec's time to format and verify the same few cards for 40 extensions of each source;
    so each card is formatted by astropy once and kept.
    """
    cards = {
        'XTENSION': 'IMAGE',
        'BITPIX': BITPIX[array.dtype.str[1:]],
        'NAXIS': array.ndim,
        **{f'NAXIS{axis}': length for axis, length in enumerate(reversed(array.shape), 1)},
        'PCOUNT': 0,
        'GCOUNT': 1,
        'EXTNAME': name,
        **wcs,
        'BUNIT': unit,
    }
    header = ''.join(_card(keyword, value) for keyword, value in cards.items()) + f'{"END":80}'
    data = array.tobytes()
    return header.encode('ascii').ljust(_blocks(len(header)), b' ') + data.ljust(_blocks(len(data)), b'\0')


@lru_cache(maxsize=4096)
def _card(keyword: str, value: Any) -> str:
    return str(fits.Card(keyword, value))


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
