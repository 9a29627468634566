"""The unit of a cube's spectra, and the factor that brings the cube's numbers to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area

from autospec_lib.inputs.cubes.instruments import Instrument
from autospec_lib.inputs.cubes.units import parsed, says_ampere, standard, written

COUNTS = (units.ct, units.adu, units.electron)
JWST_FLUX = 'uJy'  # in which spaxels of JWST hold numbers near 1


@dataclass(frozen=True)
class FluxUnit:
    """The unit of the output files, the text of BUNIT in the cube, the factor, and the assumptions, one line each."""

    text: str
    own: str
    factor: float = 1.0
    notes: tuple[str, ...] = ()


def flux_unit(
    file: str, header: Mapping[str, Any], instrument: Instrument, wcs: WCS, response: Mapping[str, Any] | None
) -> FluxUnit:
    """The unit of flux per spaxel.

    Parameters
    ----------
    file : str
        The file's name, for messages.
    header : mapping
        Of the extension with the data.
    instrument : Instrument
        Its table entry may have the unit if that is missing or wrong in the header.
    wcs : WCS
        The celestial WCS, which gives the area of a spaxel if no card does.
    response : mapping or None
        Header of the spectrum that the data are multiplied by.
    """
    own, notes = str(header.get('BUNIT', '')).strip(), []
    text = own
    if not own and instrument.unit and header.get(instrument.unit_if):
        text = instrument.unit
        notes.append(f'{file}: no BUNIT; {standard(text)} is taken, the unit of {instrument.name} cubes')
    unit = parsed(text) if text else None
    if response is not None:
        unit = _times(unit, str(response.get('BUNIT', '')))
    if unit is None:
        if own and response is None:
            notes.append(f'{file}: BUNIT = {own!r} is not a unit that astropy knows; it is copied as it is')
        return FluxUnit('' if response is not None else own, own, 1.0, tuple(notes))
    if says_ampere(own):
        notes.append(f'{file}: A in BUNIT = {own!r} is taken for Angstrom')
    for wrong, right in instrument.slips.items():
        if np.isclose(unit.scale, wrong, rtol=1e-6):
            unit = units.Unit(right / wrong * unit)
            notes.append(f'{file}: BUNIT = {own!r} is a mistake of the pipeline; {written(unit)} is written')
    unit, factor, line = _per_spaxel(unit, header, wcs)
    if line:
        notes.append(f'{file}: {standard(text)} is surface brightness; {line}, which gives {written(unit)}')
    return FluxUnit(written(unit), own, factor, tuple(notes))


def _times(unit: units.UnitBase | None, text: str) -> units.UnitBase | None:
    """The unit of counts times a response, whether or not the response's unit is per count."""
    factor = parsed(text) if text.strip() else None
    if factor is None:
        return None
    product = factor if unit is None else factor * unit
    for counts in COUNTS:
        if counts in product.bases and product.powers[product.bases.index(counts)] == 1:
            product = product / counts
    return product


def _per_spaxel(unit: units.UnitBase, header: Mapping[str, Any], wcs: WCS) -> tuple[units.UnitBase, float, str]:
    """The unit without the area, the factor, and a line on where it comes from; '' if the unit has no area."""
    powers = dict(zip(unit.bases, unit.powers, strict=True))
    if powers.get(units.pix) == -1:
        return unit * units.pix, 1.0, ''
    angles = [base for base in powers if base.physical_type in ('angle', 'solid angle')]
    if len(angles) != 1:
        return unit, 1.0, ''
    angle = angles[0]
    if powers[angle] != (-1 if angle.physical_type == 'solid angle' else -2):
        return unit, 1.0, ''
    solid = angle if angle.physical_type == 'solid angle' else angle**2
    area, source = _area(header, wcs)
    spaxel = float(area.to(solid).value)
    result, factor = unit * solid, spaxel
    if result.is_equivalent(units.Jy) and (result / units.Jy).decompose().scale > 1:
        factor *= result.to(JWST_FLUX)
        result = units.Unit(JWST_FLUX)
    return result, factor, f'values are multiplied by the area of a spaxel, {spaxel:.4g} {solid} ({source})'


def _area(header: Mapping[str, Any], wcs: WCS) -> tuple[units.Quantity, str]:
    """The area of a spaxel, and where it is from."""
    for card, unit in (('PIXAR_SR', units.sr), ('PIXAR_A2', units.arcsec**2)):
        value = header.get(card)
        if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value) and value > 0:
            return value * unit, card
    return proj_plane_pixel_area(wcs) * units.deg**2, 'of its WCS'
