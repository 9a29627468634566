"""The columns of the summary, and a source's row: what was measured, as plain values.

`summary_files` writes the rows to files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autospec_lib.core import keys
from autospec_lib.core.products import Kind, Products, Spectrum
from autospec_lib.core.types import Cutout, FloatArray
from autospec_lib.output import white_light

Row = dict[str, Any]
FLUX = 'flux'  # stands for the cube's unit


@dataclass(frozen=True)
class Column:
    """A column of the summary: name, unit ('' = none, `FLUX` = the cube's), type, description."""

    name: str
    unit: str
    kind: type
    text: str


SOURCE = (
    Column('ID', '', int, 'ID in the catalogue'),  # text if any ID is text
    Column('RA', 'deg', float, 'right ascension in the catalogue'),
    Column('DEC', 'deg', float, 'declination in the catalogue'),
    Column('STATUS', '', str, 'extracted, kept (from an earlier run), failed or not reached'),
    Column('NOTES', '', str, 'fall-backs and warnings, separated by semicolons'),
    Column('ERROR', '', str, 'why the source failed'),
    Column('REFERENCE', '', str, 'key of the reference spectrum'),
    Column('MASK', '', str, 'object mask that was used; circle: nothing was detected'),
    Column('MASK_NPIX', '', int, 'spaxels in the object mask'),
    Column('MASK_AREA', 'arcsec2', float, 'area of the object mask'),
    Column('MAG_WHITE', 'mag', float, 'AB magnitude of the mean over wavelength of the sum over the object mask'),
    Column('FWHM_WHITE', 'arcsec', float, 'FWHM of the Gaussian that fits the source best in white light'),
    Column('NEIGHBOURS', '', int, 'neighbours in the joint extraction'),
    Column(
        'LEAKAGE', '', float, 'leakage risk: factor by which errors of the joint extraction grow through neighbours'
    ),
)
FILES = (
    Column('SECONDS', 's', float, 'time the extraction took'),
    Column('FILE', '', str, "the source's file in the output folder"),
    Column('FINGERPRINT', '', str, 'FPRINT in its header: of parameters, inputs and version'),
)
COLUMNS = (*SOURCE, *FILES)  # of every row
MARZ = (  # of rows with results of MARZ
    Column('Z_MARZ', '', float, "redshift in MARZ: the user's, else that of the best match"),
    Column('QOP_MARZ', '', int, 'its quality: 4 sure, 3, 2, 1 none, 6 star, 0 not judged'),
    Column('TEMPLATE_MARZ', '', str, 'template that matches'),
    Column('COMMENT_MARZ', '', str, 'comment in MARZ'),
)
# Between FILES and MARZ, for each main spectrum; its key without _SKYSUB is appended to the name.
OF_SPECTRA = (
    Column('SN_', '', float, 'median signal-to-noise ratio per pixel'),
    Column('FLUX_', FLUX, float, 'median flux'),
)


def columns(rows: Iterable[Mapping[str, Any]]) -> list[Column]:
    """The columns of a table of rows: `COLUMNS`, those of every spectrum in any row, and `MARZ` if any row has these.

    Columns of spectra are in the order of the rows, also if a row lacks some of the spectra.
    """
    rows = list(rows)
    marz = [column for column in MARZ if any(column.name in row for row in rows)]
    named = {column.name for column in (*COLUMNS, *MARZ)}
    found: list[str] = []
    for row in rows:
        place = 0
        for name in row:
            if name in named:
                continue
            if name not in found:
                found.insert(place, name)
            place = found.index(name) + 1
    return [*SOURCE, *map(_column, found), *marz, *FILES]


def _column(name: str) -> Column:
    base = next(one for one in OF_SPECTRA if name.startswith(one.name))
    return Column(name, base.unit, base.kind, f'{base.text} of {name.removeprefix(base.name)}')


def measure(products: Products, cutout: Cutout) -> Row:
    """The summary's row for an extracted source.

    Parameters
    ----------
    products : Products
        All that was made of it, whether it is written or not.
    cutout : Cutout
        What it was made from.

    Returns
    -------
    dict
        int, float or str by column; None if there is no value. ID, position, status and file are added in `run`.
    """
    spectra = products.main_spectra
    row: Row = {
        'NOTES': '; '.join(products.notes),
        'REFERENCE': products.reference,
        'MASK': _fact(products, 'OBJMASK'),
        'MASK_NPIX': _fact(products, 'OBJNPIX'),
        'MASK_AREA': _fact(products, 'OBJAREA'),
        'MAG_WHITE': _magnitude(spectra, cutout),
        'FWHM_WHITE': _width(products, cutout),
        'NEIGHBOURS': _fact(products, 'DBNUM'),
        'LEAKAGE': _fact(products, 'DBGROW'),
    }
    for key, spectrum in spectra.items():
        row[f'SN_{key}'] = _median(_ratios(spectrum))
        row[f'FLUX_{key}'] = _median(spectrum.data)
    return row


def _fact(products: Products, card: str) -> Any:
    return products.facts.get(card, (None, ''))[0]


def _plain(value: Any) -> float | None:
    """Six digits, None instead of NaN."""
    return None if value is None or not np.isfinite(value) else float(f'{value:.6g}')


def _median(values: FloatArray) -> float | None:
    """The median of the finite values."""
    known = values[np.isfinite(values)]
    return _plain(np.median(known)) if known.size else None


def _ratios(spectrum: Spectrum) -> FloatArray:
    """Signal-to-noise ratios (nl,), NaN where there is none."""
    ratios = np.full(spectrum.data.shape, np.nan)
    if spectrum.variance is not None:
        known = spectrum.usable
        ratios[known] = spectrum.data[known] / np.sqrt(spectrum.variance[known])
    return ratios


def _magnitude(spectra: Mapping[str, Spectrum], cutout: Cutout) -> float | None:
    total = next((one for one in spectra.values() if one.kind is Kind.SUM), None)
    if total is None:  # of a file without it
        return None
    return _plain(white_light.ab_magnitude(total.data, total.unit, cutout.wave, cutout.grid.wave_unit))


def _width(products: Products, cutout: Cutout) -> float | None:
    """The width in white light, None where the source is not detected there."""
    mask = products.masks.get(_fact(products, 'OBJMASK'))
    key = keys.segmap(next(iter(products.images), ''))
    if mask is None or key not in products.segmaps:
        return None
    white, segmap, own = products.white.data, products.segmaps[key].data, products.segmaps[key].central
    if not own or not (mask.data & (segmap == own)).any():
        return None
    sky_mask = products.masks.get(keys.MASK_SKY)
    sky = np.zeros(0) if sky_mask is None else white[sky_mask.data & np.isfinite(white)]
    usable = np.isfinite(white) & ((segmap == 0) | (segmap == own))
    level = float(np.median(sky)) if sky.size else 0.0
    return _plain(white_light.fwhm(white - level, usable, cutout.centre, cutout.pixel))
