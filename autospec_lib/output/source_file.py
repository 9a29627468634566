"""Source files: products -> a file in the format of MPDAF's Source, and back.

Nothing else opens such a file, or knows how its extensions are named: SPE_, IMA_ or CUB_, the
product's key, and _DATA, or _STAT for its variance. What an extension holds stands in its cards
(`ABOUT`). Cards that every file has are written in `_primary`; those on the results of a step are
the ``facts`` of its products.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from autospec_lib import __version__
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.errors import InputError
from autospec_lib.core.products import Group, Kind, Products, RedshiftModel, Spectrum
from autospec_lib.core.types import Cutout, Grid, Mask, Measured, Product, Segmap, Target, Voxels
from autospec_lib.output.unit_texts import of_lines, per_angstrom, to_power

FORMAT = '0.6'  # of MPDAF's Source files
LAYOUT = 2  # counts up when files written before cannot be read back
BLOCK = 2880  # bytes; FITS files grow in whole blocks
BITPIX = {'f4': -32, 'f8': -64, 'i4': 32, 'u1': 8}
SINGLE = np.finfo(np.float32)
SIZE_CARD = 'NBYTES'
# Rows of table Z: a name, the redshift and its limits.
Redshift: TypeAlias = tuple[str, float, float, float]
REDSHIFT_TYPE = [('Z_DESC', 'S20'), ('Z', 'f8'), ('Z_MIN', 'f8'), ('Z_MAX', 'f8')]
VISUAL = 'VISUAL'  # name of a redshift that a person has accepted
# Names of measured redshifts, and the cards that they are from.
MEASURED = (
    ('AUTOSPEC', 'ZAUTO', 'ZAUTOERR'),
    ('AUTOSPEC_2', 'Z2AUTO', 'Z2ERR'),
    ('AUTOSPEC_3', 'Z3AUTO', 'Z3ERR'),
    ('AUTOSPEC_4', 'Z4AUTO', 'Z4ERR'),
)
# Type of an axis that counts channels, because no cards describe its wavelengths.
CHANNEL = 'CHANNEL'
NAME_STARTS = {1: 'SPE', 2: 'IMA', 3: 'CUB'}  # of the names of extensions, by their number of axes
GROUP_CARD = 'PRODUCT'
# What astropy raises for a file that is broken or not of AutoSpec.
BROKEN = (OSError, LookupError, ValueError, TypeError, AttributeError, fits.VerifyError)
MODELS = 'TAB_ZMODELS'  # with models of the spectrum
# Cards on the product in an extension: its attribute, and a comment.
ABOUT = {
    'SPECTAG': ('tag', 'what weights it, or what it is the sum of'),
    'SPECKIND': ('kind', ''),
    'SKYSUB': ('sky_subtracted', 'sky subtracted'),
    'CONTSUB': ('continuum_subtracted', 'continuum subtracted'),
    'APERTURE': ('radius', '[arcsec] radius'),
    'CENTRAL': ('central', 'label of the source, 0: none'),
}
# The type of the products of a group, and of their data; the others are `Measured` in double
# precision.
PRODUCT_TYPES: dict[Group, tuple[type[Product], Any]] = {
    Group.SPECTRUM: (Spectrum, float),
    Group.SEGMAP: (Segmap, np.int32),
    Group.MASK: (Mask, bool),
}


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
    target, facts = cutout.target, products.facts
    primary = fits.PrimaryHDU(header=_primary(products, target, origin)).header
    primary['EXTEND'] = True
    redshifts = [] if target.z is None else [('CATALOG', target.z, target.z, target.z)]
    for name, card, error_card in MEASURED:  # and its rivals, if it is probable at least
        if card in facts and facts['ZQUAL'][0] >= 2:
            value, error = facts[card][0], facts[error_card][0]
            redshifts.append((name, value, value - error, value + error))
    sky, spectral = cutout.grid.sky, cutout.grid.spectral
    third = {
        card[:-1] + '3' if card.endswith('1') else card: value for card, value in spectral.items()
    }
    coordinates = {1: spectral, 2: sky, 3: {**sky, **third, 'WCSAXES': 3}}  # by the number of axes
    with complete_file(path) as temporary, temporary.open('wb') as file:
        file.write(primary.tostring().encode('ascii'))
        file.write(_redshift_table(redshifts, target.visual))
        if products.lines:
            file.write(_lines(products.lines, cutout.grid.unit))
        if products.models:
            file.write(_models(products.models, cutout.grid.unit))
        for group, key, product in products:  # in the order of v1.1.2
            axes = product.data.ndim
            name, wcs = f'{NAME_STARTS[axes]}_{key}', coordinates[axes].items()
            unit = ('BUNIT', to_power(product.unit, product.power))
            cards = [*wcs, unit, (GROUP_CARD, group.value), *about(product)]
            file.write(_extension(f'{name}_DATA', stored(product.data), cards))
            if product.variance is not None:
                unit = ('BUNIT', to_power(product.unit, 2 * product.power))
                file.write(_extension(f'{name}_STAT', stored(product.variance), [*wcs, unit]))
        if spectral.get('CTYPE1') == CHANNEL:
            file.write(_wave_table(cutout))
        primary[SIZE_CARD] = file.tell()
        file.seek(0)
        file.write(primary.tostring().encode('ascii'))


def read_header(path: Path) -> fits.Header:
    """The primary header of a source's file.

    Raises
    ------
    OSError
        If there is no such file, or it is not a FITS file.
    """
    return fits.getheader(path)


def read(path: Path, last: Group = Group.CUBE) -> Products:
    """The products in a source's file, without the weights of spectra.

    Parameters
    ----------
    path : Path
        The file.
    last : Group
        Groups behind this one are not read.

    Raises
    ------
    OSError, KeyError, ValueError
        If it is not a file of AutoSpec, or one of an earlier `LAYOUT`, whose extensions do not say
        what they hold.
    """
    groups = [*Group][: [*Group].index(last) + 1]
    table: dict[Group, dict[str, Any]] = {group: {} for group in groups}
    lines: tuple[dict[str, Any], ...] = ()
    models: tuple[RedshiftModel, ...] = ()
    with fits.open(path, memmap=False) as hdus:
        header = _own_header(path, hdus)
        for hdu in hdus:
            key, part = hdu.name[4:-5], hdu.name[-5:]
            if hdu.name == 'LINES':
                lines = tuple(
                    dict(zip(hdu.data.names, row, strict=True)) for row in hdu.data.tolist()
                )
            elif hdu.name == MODELS:
                models = _read_models(hdu)
            elif part == '_DATA':
                group = Group(hdu.header[GROUP_CARD])
                if group not in groups:
                    break
                table[group][key] = _product(group, hdu)
            elif part == '_STAT':
                table[group][key] = replace(table[group][key], variance=hdu.data.astype(float))
    notes = tuple(header[f'NOTE{number}'] for number in range(1, header['NNOTES'] + 1))
    # `_primary` writes the facts between FORMAT and NNOTES, where no card of every file stands but
    # that of the length.
    cards = [*header]
    between = cards[cards.index('FORMAT') + 1 : cards.index('NNOTES')]
    facts = {card: (header[card], header.comments[card]) for card in between if card != SIZE_CARD}
    return Products(table, header['REFSPEC'], notes, facts, lines, models)


def _product(group: Group, hdu: fits.ImageHDU) -> Product:
    """The product in an extension, without its variance."""
    attributes = {
        attribute: hdu.header[card] for card, (attribute, _) in ABOUT.items() if card in hdu.header
    }
    if 'kind' in attributes:
        attributes['kind'] = Kind(attributes['kind'])
    product_type, dtype = PRODUCT_TYPES.get(group, (Measured, float))
    return product_type(hdu.data.astype(dtype), None, hdu.header['BUNIT'], **attributes)


def read_cutout(path: Path, open_sky: Callable[[str, fits.Header], Any]) -> Cutout:
    """The cut-out that a source's file is from, without its voxels.

    It has the target, wavelengths and units; the position and the size of pixels if the file has
    images.

    Parameters
    ----------
    path : Path
        The file.
    open_sky : function
        Opens the coordinates in an image's header as it does those of the cube:
        `inputs.coordinates.open_sky`.

    Raises
    ------
    OSError, KeyError, ValueError
        If it is not a file of AutoSpec.
    """
    with fits.open(path, memmap=False) as hdus:
        header = _own_header(path, hdus)
        axis = hdus[f'SPE_{header["REFSPEC"]}_DATA'].header
        if axis['CTYPE1'] == CHANNEL:
            table = hdus['TAB_WAVE']
            wave, unit = table.data['WAVE'].astype(float), str(table.columns['WAVE'].unit)
        else:
            spectral, unit = WCS(axis, naxis=1), axis['CUNIT1']
            wave = spectral.wcs_pix2world(np.arange(axis['NAXIS1']), 0)[0]
            wave = wave * spectral.wcs.cunit[0].to(unit)
        image = next((hdu for hdu in hdus if hdu.name.startswith('IMA_')), None)
        centre, pixel = (0.0, 0.0), (1.0, 1.0)
        if image is not None:
            try:
                sky = open_sky(image.name, image.header)
            except InputError as error:
                raise ValueError(f'{path.name}: {error}') from error
            y, x = sky.to_pixels(header['RA'], header['DEC'])
            centre, pixel = (float(y), float(x)), sky.pixel
    return Cutout(
        target=Target(header['ID'], header['RA'], header['DEC'], 0.0),
        voxels=Voxels(np.zeros((len(wave), 0, 0))),
        wave=wave,
        centre=centre,
        pixel=pixel,
        grid=Grid({}, {}, unit=axis['BUNIT'], wave_unit=unit),
    )


def _own_header(path: Path, hdus: fits.HDUList) -> fits.Header:
    header = hdus[0].header
    if header['EXT'] != 'AutoSpec':
        raise ValueError(f'{path}: not written by AutoSpec')
    return header


def _primary(products: Products, target: Target, origin: Mapping[str, str]) -> fits.Header:
    cards = [
        # MPDAF's comments say how to print these.
        (
            'ID',
            printable(target.id),
            'object ID %d' if isinstance(target.id, int) else 'object ID %s',
        ),
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
        ('DATE', datetime.datetime.now().isoformat(sep=' '), 'Creation date'),
        ('AUTHOR', 'MPDAF', 'Origin of the file format'),
        ('FORMAT', FORMAT, 'Version of the Source format'),
        *((card, printable(value), comment) for card, (value, comment) in products.facts.items()),
        (SIZE_CARD, 0, 'length of this file in bytes'),
        ('NNOTES', len(products.notes), 'fall-backs and warnings: NOTE1, NOTE2, ...'),
        *((f'NOTE{number}', printable(note), '') for number, note in enumerate(products.notes, 1)),
    ]
    return fits.Header(cards)


def printable(value: Any) -> Any:
    """The value of a card; a text as FITS headers hold it, in printable ASCII."""
    if not isinstance(value, str):
        return value
    return ''.join(c if ' ' <= c <= '~' else '?' for c in value)


def _redshift_table(rows: Sequence[Redshift], visual: Sequence[float]) -> bytes:
    """MPDAF's table Z of redshifts, each with a name and limits; nothing where there is none.

    Parameters
    ----------
    rows : sequence of Redshift
        The first rows.
    visual : sequence of float
        The redshifts that people have accepted, which follow.
    """
    rows = [*rows]
    for number, z in enumerate(visual, 1):
        rows.append((VISUAL if number == 1 else f'{VISUAL}_{number}', z, z, z))
    return _table(fits.BinTableHDU(np.array(rows, REDSHIFT_TYPE), name='Z')) if rows else b''


def read_whole(path: Path) -> tuple[fits.Header, tuple[float, ...]]:
    """The primary header of a complete file, and the redshifts in it that people have accepted (see
    `set_visual`).

    Raises
    ------
    OSError, KeyError, ValueError
        If it is not a file of AutoSpec, or has not the length that it had when it was written.
    """
    with fits.open(path, memmap=False) as hdus:
        header = hdus[0].header
        if header[SIZE_CARD] != path.stat().st_size:
            raise ValueError('the file is truncated')
        rows = [row for hdu in hdus[1:2] if hdu.name == 'Z' for row in hdu.data]
        return header, tuple(float(row['Z']) for row in rows if row['Z_DESC'].startswith(VISUAL))


def set_visual(
    path: Path, redshifts: Sequence[float], lines: Sequence[Mapping[str, Any]] | None, unit: str
) -> None:
    """Put redshifts that people have accepted into a source's file, instead of those of an earlier
    call.

    They are rows VISUAL, VISUAL_2 ... of the table Z. Everything else in the file stays as it is,
    byte by byte.

    Parameters
    ----------
    path : Path
        The file.
    redshifts : sequence of float
        The accepted one, or those between which people have not decided; empty to remove earlier
        ones.
    lines : sequence of mapping, or None
        Rows of the table LINES that replace the present ones; None to keep these.
    unit : str
        The cube's.

    Raises
    ------
    OSError, KeyError, ValueError
        If it is not a file of AutoSpec, or cannot be written.
    """
    with fits.open(path, memmap=False) as hdus:
        header = _own_header(path, hdus)
        rows = [tuple(row) for hdu in hdus[1:] if hdu.name == 'Z' for row in hdu.data]
        parts = {
            'Z': _redshift_table([row for row in rows if not row[0].startswith(VISUAL)], redshifts)
        }
        if lines is not None:
            parts['LINES'] = _lines(lines, unit) if lines else b''
        content = path.read_bytes()
        for hdu in hdus[1:]:
            place = hdu.fileinfo()
            parts.setdefault(
                hdu.name, content[place['hdrLoc'] : place['datLoc'] + place['datSpan']]
            )
    body = b''.join(parts.values())
    header[SIZE_CARD] = len(header.tostring()) + len(body)
    with complete_file(path) as temporary:
        temporary.write_bytes(header.tostring().encode('ascii') + body)


def _lines(rows: Sequence[Mapping[str, Any]], unit: str) -> bytes:
    """MPDAF's table LINES, of one line at least; ``unit`` is the cube's."""
    units = {'FLUX': of_lines(unit), 'CONT': per_angstrom(unit), 'VEL': 'km/s', 'VDISP': 'km/s'}
    units |= dict.fromkeys(('LBDA', 'EQW', 'FWHM'), 'Angstrom')
    columns = []
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        kind = {'U': '20A', 'i': 'J'}.get(values.dtype.kind, 'D')
        columns.append(fits.Column(name, kind, unit=units.get(name.split('_')[0]), array=values))
    return _table(fits.BinTableHDU.from_columns(columns, name='LINES'))


def _models(models: Sequence[RedshiftModel], unit: str) -> bytes:
    """The table TAB_ZMODELS: a column for each candidate, a row for each channel; ``unit`` is that
    of the spectrum."""
    columns, cards = [], list[tuple[str, Any, str]]()
    for number, one in enumerate(models, 1):
        flux = stored(one.flux)
        kind = 'E' if flux.itemsize == 4 else 'D'
        columns.append(fits.Column(f'MODEL{number}', kind, unit=unit, array=flux))
        cards += [
            (f'Z{number}', one.z, f'redshift of candidate {number}'),
            (f'ZERR{number}', float(one.error), 'its standard deviation'),
            (f'ZPROB{number}', one.probability, 'its probability'),
            (f'ZTYPE{number}', one.kind, 'what the source is then'),
        ]
    table = fits.BinTableHDU.from_columns(columns, name=MODELS)
    table.header.extend(cards)
    return _table(table)


def _read_models(hdu: fits.BinTableHDU) -> tuple[RedshiftModel, ...]:
    header, data = hdu.header, hdu.data
    return tuple(
        RedshiftModel(
            header[f'Z{number}'],
            header[f'ZERR{number}'],
            header[f'ZTYPE{number}'],
            header[f'ZPROB{number}'],
            data[f'MODEL{number}'].astype(float),
        )
        for number in range(1, len(data.names) + 1)
    )


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


def about(product: Product) -> Iterator[tuple[str, Any, str]]:
    """The cards on a product: keyword, value and comment."""
    for card, (attribute, comment) in ABOUT.items():
        value = getattr(product, attribute, None)
        if value is not None:
            yield card, value.value if isinstance(value, Kind) else value, comment


def stored(values: NDArray[Any]) -> NDArray[Any]:
    """The values in the type in which they are stored.

    Masks are bytes, segmentation maps integers of four bytes. Other numbers are in single precision
    as in v1.1.2, but in double if a value would become infinite or lose digits near zero.
    """
    if values.dtype.kind != 'f':
        return values.astype('u1' if values.dtype.kind == 'b' else '>i4')
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    fits_single = size.size == 0 or (size.min() >= SINGLE.tiny and size.max() <= SINGLE.max)
    return values.astype('>f4' if fits_single else '>f8')


def as_read(products: Products) -> Products:
    """Spectra and images with the numbers that `read` gives back: in double precision, rounded as
    the file has them."""
    table: dict[Group, dict[str, Any]] = {group: dict(products[group]) for group in products.table}
    for group in (Group.SPECTRUM, Group.IMAGE):
        for key, product in products[group].items():
            arrays = {'data': product.data, 'variance': product.variance}
            rounded = {
                name: stored(values).astype(float)
                for name, values in arrays.items()
                if values is not None
            }
            table[group][key] = replace(product, **rounded)
    return replace(products, table=table)


def _extension(name: str, array: NDArray[Any], cards: Iterable[tuple[Any, ...]]) -> bytes:
    """Header and data of one image extension, each filled up to whole FITS blocks.

    astropy would use half of AutoSpec's time to format and verify the same few cards for 40
    extensions of each source; so each card is formatted by astropy once and kept.
    """
    first = [
        ('XTENSION', 'IMAGE'),
        ('BITPIX', BITPIX[array.dtype.str[1:]]),
        ('NAXIS', array.ndim),
        *((f'NAXIS{axis}', length) for axis, length in enumerate(reversed(array.shape), 1)),
        ('PCOUNT', 0),
        ('GCOUNT', 1),
        ('EXTNAME', name),
    ]
    header = ''.join(_card(*card) for card in (*first, *cards)) + f'{"END":80}'
    data = array.tobytes()
    blanks, zeros = b' ' * (-len(header) % BLOCK), b'\0' * (-len(data) % BLOCK)
    return header.encode('ascii') + blanks + data + zeros


@lru_cache(maxsize=4096, typed=True)  # True, 1 and 1.0 are equal, but not as cards
def _card(keyword: str, value: Any, comment: str = '') -> str:
    return str(fits.Card(keyword, value, comment))
