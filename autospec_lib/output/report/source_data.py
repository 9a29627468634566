"""The file with the data of one source, which the page loads when the user opens the source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits

from autospec_lib.core import keys
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.keys import Names
from autospec_lib.core.products import Products
from autospec_lib.core.types import BoolArray, Cutout, FloatArray, Grid, Measured, Target
from autospec_lib.output.report import encoding, preview
from autospec_lib.output.spectra_plot import sky_lines, unit_text

FUNCTION = 'autospecSource'  # of the page
MAPS = (f'{keys.XCOR}{keys.CONTSUB}', keys.XCOR)  # the first that exists is shown beside the white light in the table
HEAD = 16384  # bytes at the beginning of a file of data that hold the preview
NOT_SHOWN = ('FPRINT', 'REFSPEC', 'OBJMASK', 'OBJNPIX', 'OBJAREA', 'DBNUM', 'DBGROW')  # cards that the summary has, too


@dataclass(frozen=True)
class Shown:
    """The data that the report shows of a source.

    Attributes
    ----------
    target : Target
        ID and position.
    wave : array (nl,)
        Wavelengths in the unit of ``grid``.
    grid : Grid
        Coordinates and units.
    reference : str
        Key of the reference spectrum.
    spectra : mapping of str to Measured
        By their keys.
    about : mapping of str to str
        How each spectrum was made, if that is known.
    images : sequence of array (ny, nx)
        White light and a cross-correlation map, if they exist.
    notes : tuple of str
        Fall-backs and warnings.
    facts : mapping of str to (value, comment)
        Header cards.
    """

    target: Target
    wave: FloatArray
    grid: Grid
    reference: str
    spectra: Mapping[str, Measured]
    about: Mapping[str, str] = field(default_factory=dict)
    images: tuple[FloatArray, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, tuple[Any, str]] = field(default_factory=dict)


def of_products(products: Products, spectra: Iterable[str], cutout: Cutout) -> Shown:
    """The data to show from products: the spectra with these keys."""
    chosen = {key: products.spectra[key] for key in spectra}
    return Shown(
        cutout.target,
        cutout.wave,
        cutout.grid,
        products.reference,
        chosen,
        {key: one.kind.value for key, one in chosen.items()},
        tuple(one.data for one in (products.white, *[*products.maps.values()][-1:])),
        products.notes,
        products.facts,
    )


def _small(images: Mapping[str, FloatArray], white: str) -> tuple[FloatArray, ...]:
    maps = [key for key in MAPS if key in images]
    return tuple(images[key] for key in (white, *maps[:1]) if key in images)


def of_file(path: Path, target: Target, wave: FloatArray, grid: Grid, white: str = Names().white) -> Shown:
    """The data to show from a source's file of an earlier run; ``white`` is the key of the white light.

    Raises
    ------
    OSError, KeyError
        If it cannot be read or is not a complete file of AutoSpec.
    """
    with fits.open(path, memmap=False) as hdus:
        header = hdus[0].header
        held = {hdu.name: hdu for hdu in hdus[1:]}
        spectra = {
            name[4:-5]: Measured(_native(hdu.data), _variance(held, name), str(hdu.header.get('BUNIT', '')))
            for name, hdu in held.items()
            if name.startswith('SPE_') and name.endswith('_DATA')
        }
        names = {key: f'IMA_{key}_DATA' for key in (white, *MAPS)}
        images = {key: _native(held[name].data) for key, name in names.items() if name in held}
        notes = tuple(str(header[f'NOTE{number}']) for number in range(1, int(header['NNOTES']) + 1))
        return Shown(target, wave, grid, str(header['REFSPEC']), spectra, {}, _small(images, white), notes)


def _native(values: Any) -> FloatArray:
    return np.asarray(values, dtype=float)


def _variance(held: Mapping[str, Any], name: str) -> FloatArray | None:
    hdu = held.get(f'{name[:-5]}_STAT')
    return None if hdu is None else _native(hdu.data)


def write(path: Path, shown: Shown, cmap: str, links: Mapping[str, str]) -> dict[str, str]:
    """Write a source's file of data, which appears under its name only when it is complete.

    Unlike the source's FITS file, it is not flushed to disk, because it can be made again from the FITS file.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    shown : Shown
        What to show.
    cmap : str
        Colour map of the small images.
    links : mapping of str to str
        Addresses relative to the page: of the FITS file ('file'), and of the pictures by their names.

    Returns
    -------
    dict of str to str
        The preview for the table: 'thumb', the address of small images, and 'outline', of the reference spectrum.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    listed, numbers = _numbers(shown.spectra, shown.about)
    content = _content(shown, cmap, links) | {'spectra': listed}
    path.parent.mkdir(parents=True, exist_ok=True)
    with complete_file(path, flush=False) as temporary:
        temporary.write_text(encoding.call(FUNCTION, content, numbers), encoding='ascii')
    return dict(content['preview'])


def read_preview(path: Path) -> dict[str, str] | None:
    """The preview of a source from its file of data; None if that is missing or incomplete.

    It is at the beginning of the file; the rest is not read.
    """
    beginning, end = f'{FUNCTION}({{"preview":', ');\n'
    try:
        with path.open('rb') as file:
            text = file.read(HEAD).decode('ascii')
            file.seek(-len(end), os.SEEK_END)
            if not text.startswith(beginning) or file.read() != end.encode():
                return None
        found = json.JSONDecoder().raw_decode(text, len(beginning))[0]
        return {key: str(found[key]) for key in ('thumb', 'outline')}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _content(shown: Shown, cmap: str, links: Mapping[str, str]) -> dict[str, Any]:
    reference = shown.spectra[shown.reference]
    sky = sky_lines(reference)
    return {
        'preview': {
            'thumb': preview.thumbnails(shown.images, cmap),
            'outline': preview.outline(reference.data, sky),
        },
        'id': str(shown.target.id),
        'ra': shown.target.ra,
        'dec': shown.target.dec,
        'wave': _axis(shown.wave),
        'wave_unit': _unit(shown.grid.wave_unit),
        'angstrom': _angstrom(shown.grid.wave_unit),
        'medium': shown.grid.medium,
        'unit': _unit(reference.unit),
        'reference': shown.reference,
        'sky': _ranges(shown.wave, sky),
        'notes': list(shown.notes),
        'facts': [[card, value, text] for card, (value, text) in shown.facts.items() if card not in NOT_SHOWN],
        'links': dict(links),
    }


def _numbers(spectra: Mapping[str, Measured], about: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
    """A description of each spectrum, and all numbers as one array: for each its flux, then its errors if it has any.

    They are encoded together, which takes half the time.
    """
    listed, rows = [], []
    for key, one in spectra.items():
        listed.append({'key': key, 'about': about.get(key, ''), 'errors': one.variance is not None})
        rows.append(one.data)
        if one.variance is not None:
            rows.append(np.sqrt(one.variance, where=one.usable, out=np.full(one.variance.shape, np.nan)))
    return listed, encoding.binary(np.concatenate(rows))


def _axis(wave: FloatArray) -> dict[str, Any]:
    """Start and step of a linear axis, else every wavelength in double precision."""
    step = float(wave[-1] - wave[0]) / max(1, len(wave) - 1)
    if np.allclose(wave, wave[0] + step * np.arange(len(wave)), rtol=0, atol=1e-4 * abs(step)):
        return {'start': float(wave[0]), 'step': step, 'number': len(wave)}
    return {'values': encoding.binary(wave, '<f8')}


@lru_cache(maxsize=16)
def _unit(unit: str) -> str:
    """A unit in common notation, cached because astropy takes a millisecond for it."""
    return unit_text(unit) if unit else ''


@lru_cache(maxsize=16)
def _angstrom(unit: str) -> float | None:
    """The length of a unit of wavelength in Angstrom; None if it is not a unit of length."""
    try:
        return float(f'{u.Unit(unit).to(u.Angstrom):.12g}')
    except (ValueError, TypeError):  # UnitConversionError is both
        return None


def _ranges(wave: FloatArray, chosen: BoolArray) -> list[list[float]]:
    """First and last wavelength of each run of channels, from edge to edge."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(int)))
    half = np.abs(np.gradient(wave)) / 2 if len(wave) > 1 else np.zeros(1)
    return [
        [round(float(wave[first] - half[first]), 4), round(float(wave[last - 1] + half[last - 1]), 4)]
        for first, last in zip(steps[::2], steps[1::2], strict=True)
    ]
