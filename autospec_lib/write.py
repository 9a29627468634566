"""Products to an MPDAF Source FITS file, which appears under its name only when it is complete."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from astropy.io import fits
from numpy.typing import NDArray

from autospec_lib import __version__, names
from autospec_lib.atomic import complete_file
from autospec_lib.model import Grid, Measured, Products, Stamp
from autospec_lib.params import Params

FORMAT = '0.6'  # of MPDAF's Source files
BLOCK = 2880  # bytes; FITS files grow in whole blocks
BITPIX = {'f4': -32, 'i4': 32, 'u1': 8}


def write_source(path: Path, products: Products, stamp: Stamp, params: Params) -> None:
    """Write one source's file under a temporary name, flush it to disk and rename it.

    Parameters
    ----------
    path : Path
        The final name; its folder exists.
    products : Products
        What to write; ``OUT_*`` in ``params`` select from it.
    stamp : Stamp
        Gives target, coordinates and units.
    params : Params
        The run's parameters.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; no torn file is left.
    """
    primary = fits.PrimaryHDU(header=_primary(products, stamp, params))
    primary.header['EXTEND'] = True
    with complete_file(path) as temporary, temporary.open('wb') as file:
        file.write(primary.header.tostring().encode('ascii'))
        file.writelines(_extensions(products, stamp, params))


def _primary(products: Products, stamp: Stamp, params: Params) -> fits.Header:
    target = stamp.target
    now = datetime.datetime.now().isoformat(sep=' ')
    header = fits.Header()
    cards: list[tuple[str, Any, str]] = [
        ('ID', target.id, 'object ID %d'),
        ('RA', round(target.ra, 7), 'RA u.degree %.7f'),
        ('DEC', round(target.dec, 7), 'DEC u.degree %.7f'),
        ('FROM', params.orig_from, 'detection software'),
        ('FROM_V', params.orig_fromv, 'version of the detection software'),
        ('CUBE', params.orig_cube, 'datacube'),
        ('CUBE_V', params.orign_cubev, 'version of the datacube'),
        ('EXT', 'AutoSpec', 'extraction software'),
        ('EXT_V', f'v.{__version__}', 'version of the extraction software'),
        ('AUTH', 'AutoSpec developers', 'author of extraction software'),
        ('SRC_V', '', 'version of the source'),
        ('DATE', now, 'Creation date'),
        ('AUTHOR', 'MPDAF', 'Origin of the file format'),
        ('FORMAT', FORMAT, 'Version of the Source format'),
        *((key, value, comment) for key, (value, comment) in products.facts.items()),
        ('NNOTES', len(products.notes), 'fall-backs and warnings: NOTE1, NOTE2, ...'),
        *((f'NOTE{number}', _ascii(note), '') for number, note in enumerate(products.notes, 1)),
    ]
    header.extend(cards)
    return header


def _ascii(text: str) -> str:
    """FITS headers hold printable ASCII only."""
    return ''.join(c if ' ' <= c <= '~' else '?' for c in text)


def _extensions(products: Products, stamp: Stamp, params: Params) -> Iterator[bytes]:
    """All extensions in the order of v1.1.2: spectra, images, segmentation maps, masks, maps, cubes."""
    grid = stamp.grid
    spectral, sky = grid.spectral, grid.sky
    for key, spectrum in products.spectra.items():
        if params.out_spec or names.XCOR in key or key in _references(products):
            yield from _measured(f'SPE_{key}', spectrum, spectral, grid)
    if params.out_img:
        for key, image in products.images.items():
            yield from _measured(f'IMA_{key}', image, sky, grid)
    if params.out_seg:
        for key, segmap in products.segmaps.items():
            yield _extension(f'IMA_{key}_DATA', segmap.astype('>i4'), sky, '')
    if params.out_mask:
        for key, mask in products.masks.items():
            yield _extension(f'IMA_{key}_DATA', mask.astype('u1'), sky, '')
    if params.out_xcor:
        for key, image in products.maps.items():
            yield from _measured(f'IMA_{key}', image, sky, grid)
    for key, cube in products.cubes.items():
        axis = {card[:-1] + '3': value for card, value in spectral.items()}
        yield from _measured(f'CUB_{key}', cube, {**sky, **axis, 'WCSAXES': 3}, grid)


def _references(products: Products) -> tuple[str, str]:
    """The keys of the reference spectrum with and without continuum."""
    suffix = names.SKYSUB if products.reference.endswith(names.SKYSUB) else ''
    return products.reference, products.reference.removesuffix(suffix) + names.CONTSUB + suffix


def _measured(name: str, values: Measured, wcs: Mapping[str, Any], grid: Grid) -> Iterator[bytes]:
    yield _extension(f'{name}_DATA', values.data.astype('>f4'), wcs, grid.unit)
    if values.variance is not None:
        yield _extension(f'{name}_STAT', values.variance.astype('>f4'), wcs, grid.variance_unit)


def _extension(name: str, array: NDArray[Any], wcs: Mapping[str, Any], unit: str) -> bytes:
    """Header and data of one image extension, each filled up to whole FITS blocks.

    astropy would take half of AutoSpec's time here, to format and verify the same few cards for 40 extensions again
    and again; so they are formatted by astropy once and kept.
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
