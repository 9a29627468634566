"""Spectra as tables of their own, which specutils, jdaviz and TOPCAT open:
``spectra/<ID>_<key>.fits``."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from astropy.io import fits
from numpy.typing import NDArray

from autospec_lib import __version__
from autospec_lib.core import file_names
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.products import Products, Spectrum
from autospec_lib.core.types import Cutout, Ident
from autospec_lib.output.source_file import BLOCK, about, printable, stored

# The comment of the card OBJECT, by which AutoSpec recognises its own files.
COMMENT = 'source of AutoSpec'
FORMATS = {'f4': 'E', 'f8': 'D', 'b1': 'L'}  # of columns in FITS
AXIS = {'CRPIX1', 'CRVAL1', 'CDELT1', 'CUNIT1', 'CTYPE1'}  # left out: the table has the wavelengths


def names(ident: Ident, keys: Iterable[str]) -> list[str]:
    """The names of a source's files.

    Parameters
    ----------
    ident : int or str
        The source's ID.
    keys : iterable of str
        The short keys of the spectra.
    """
    return [f'{file_names.file_stem(ident)}_{key}.fits' for key in keys]


def write(folder: Path, products: Products, cutout: Cutout) -> None:
    """Write one file for each main spectrum, each of which appears under its name when it is
    complete.

    The first table holds wavelength, flux, uncertainty (1 sigma; none where the cube has no
    variance) and mask (True where a value must not be used): the order by which specutils
    recognises them.

    Parameters
    ----------
    folder : Path
        The folder of the files.
    products : Products
        The products that are written.
    cutout : Cutout
        Gives target, wavelengths and units.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    spectra = products.main_spectra
    cards = [*_source(products, cutout)]
    primary = fits.PrimaryHDU(header=fits.Header(cards))
    for name, spectrum in zip(names(cutout.target.id, spectra), spectra.values(), strict=True):
        table = _table(spectrum, cutout)
        table.header.extend([*cards, *_spectrum(spectrum, cutout)])
        with complete_file(folder / name) as path:
            fits.HDUList([primary, table]).writeto(path)


def listing(folder: Path) -> list[str]:
    """The names of the files in a folder, in order; none if there is no such folder."""
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def remove(folder: Path, ident: Ident, listed: Sequence[str]) -> None:
    """Remove a source's files; similarly named files of other programs stay.

    Parameters
    ----------
    folder : Path
        The folder of the files.
    ident : int or str
        The source's ID.
    listed : sequence of str
        A `listing` of the folder that has the source's files: listing it for each source takes too
        long.

    Raises
    ------
    OSError
        If one cannot be removed.
    """
    own = str(fits.Card('OBJECT', printable(str(ident)), COMMENT)).encode()
    start = f'{file_names.file_stem(ident)}_'
    for name in listed[bisect_left(listed, start) :]:
        if not name.startswith(start):
            break
        with suppress(FileNotFoundError):  # removed by an earlier attempt
            if name.endswith('.fits'):
                with (folder / name).open('rb') as file:
                    is_own = own in file.read(BLOCK)
                if is_own:
                    (folder / name).unlink()


def _table(spectrum: Spectrum, cutout: Cutout) -> fits.BinTableHDU:
    flux = stored(spectrum.data)
    medium = f'wavelength in {cutout.grid.medium}' if cutout.grid.medium else 'wavelength'
    columns: list[tuple[str, NDArray[Any], str, str]] = [
        ('wavelength', cutout.wave, cutout.grid.wave_unit, medium),
        ('flux', flux, spectrum.unit, 'flux'),
    ]
    if spectrum.variance is not None:
        sigma = stored(spectrum.error)
        columns.append(('uncertainty', sigma, spectrum.unit, '1 sigma'))
    columns.append(('mask', ~spectrum.usable, '', 'bad'))
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name, FORMATS[values.dtype.str[1:]], unit or None, array=values)
            for name, values, unit, _ in columns
        ],
        name='SPECTRUM',
    )
    for number, (*_, comment) in enumerate(columns, 1):
        table.header[f'TCOMM{number}'] = comment
    table.header['TUCD1'] = 'em.wl'
    return table


def _source(products: Products, cutout: Cutout) -> Iterator[tuple[str, Any, str]]:
    """Cards on the source."""
    target, sky = cutout.target, cutout.grid.sky
    # Positions are ICRS; a cube in FK5 of equinox 2000 is taken as ICRS too, so its frame is
    # theirs.
    fk5 = sky.get('RADESYS') == 'FK5' and sky.get('EQUINOX', 2000) == 2000
    yield 'ORIGIN', 'AutoSpec', 'program that wrote this file'
    yield 'EXT_V', f'v.{__version__}', 'its version'
    yield 'OBJECT', printable(str(target.id)), COMMENT
    yield 'ID', printable(target.id), 'ID in the catalogue'
    yield 'RA', round(target.ra, 7), '[deg] in the catalogue'
    yield 'DEC', round(target.dec, 7), '[deg] in the catalogue'
    yield 'RADESYS', 'FK5' if fk5 else 'ICRS', 'frame of RA and DEC'
    for card in ('OBJMASK', 'OBJNPIX', 'OBJAREA', 'FPRINT'):
        if card in products.facts:
            yield card, *products.facts[card]


def _spectrum(spectrum: Spectrum, cutout: Cutout) -> Iterator[tuple[str, Any, str]]:
    """Cards on one spectrum."""
    yield 'SPECTRUM', spectrum.key, "key in the source's file"
    yield from about(spectrum)
    if spectrum.weights is not None:
        number = int((spectrum.weights > 0).sum())
        yield 'NPIX', number, 'spaxels it is from'
        yield (
            'AREA',
            float(f'{number * cutout.pixel[0] * cutout.pixel[1]:.6g}'),
            '[arcsec2] their area',
        )
    yield 'AIRORVAC', cutout.grid.medium or 'unknown', 'wavelengths in air or vacuum'
    for card, value in cutout.grid.spectral.items():
        if card not in AXIS:
            yield card, value, ''
