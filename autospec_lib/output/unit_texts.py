"""Units of the output: read from text, raised to a power, and put into words."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import Any

import numpy as np
from astropy import units

PER_WAVELENGTH, PER_FREQUENCY = units.Unit('erg s-1 cm-2 Angstrom-1'), units.Jy
_PLAIN_POWER = re.compile(r'^10\*\*(?=\d)')
LINE_FLUX = units.Unit('1e-20 erg s-1 cm-2')  # as in `inputs.units`
_SUPERSCRIPTS = str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹')


@lru_cache(maxsize=64)
def parsed(text: str) -> Any:
    """A unit of astropy, which may be logarithmic; None for an empty text and for one that is not a
    unit."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        unit = units.Unit(text, parse_strict='silent')
    return None if not text or isinstance(unit, units.UnrecognizedUnit) else unit


def flux_density(text: str) -> units.UnitBase | None:
    """The unit of a flux density, per wavelength or frequency; None if the text is not one."""
    unit = parsed(text)
    if isinstance(unit, units.UnitBase) and any(
        map(unit.is_equivalent, (PER_WAVELENGTH, PER_FREQUENCY))
    ):
        return unit
    return None


@lru_cache(maxsize=64)
def to_power(text: str, power: int) -> str:
    """A unit to a power, as FITS writes it.

    Parameters
    ----------
    text : str
        The unit as FITS writes it, '' for none; a text that is not a unit of FITS is put in
        brackets.
    power : int
        1 leaves the text as it is.
    """
    if power == 1 or not text:
        return text
    try:
        unit = parsed(text) ** power
        # MPDAF replaces the asterisks by blanks, and reads 10 +32 as a power of ten but not 10 32.
        return _PLAIN_POWER.sub('10**+', str(unit.to_string('fits')))
    except (ValueError, TypeError):
        return f'({text})**{power}'


@lru_cache(maxsize=64)
def of_lines(text: str) -> str:
    """The unit of lines in a cube with this unit, as FITS writes it; '' if it is not a unit.

    It is the unit times Angstrom, and that of `inputs.units.line_unit` for fluxes per frequency.
    """
    unit = parsed(text)
    if not isinstance(unit, units.UnitBase):
        return ''
    return as_fits(LINE_FLUX if unit.is_equivalent(PER_FREQUENCY) else unit * units.Angstrom)


@lru_cache(maxsize=64)
def per_angstrom(text: str) -> str:
    """The unit of the continuum under lines: the cube's, or that of lines per Angstrom for fluxes
    per frequency."""
    unit = parsed(text)
    if isinstance(unit, units.UnitBase) and unit.is_equivalent(PER_FREQUENCY):
        return as_fits(LINE_FLUX / units.Angstrom)
    return text


@lru_cache(maxsize=64)
def in_words(text: str) -> str:
    """A unit in common notation, '10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹'; a text that astropy cannot read is
    returned unchanged."""
    unit = parsed(text)
    if not isinstance(unit, units.UnitBase):
        return text
    # The numerator first; lengths last and the wavelength after the area, as is the custom for
    # fluxes.
    factors = sorted(
        zip(unit.bases, unit.powers, strict=True),
        key=lambda f: (f[1] < 0, f[0].physical_type == 'length', f[1]),
    )
    words = [(base.to_string('unicode'), power) for base, power in factors]
    if unit.scale != 1:
        exponent = np.log10(unit.scale)
        is_round = np.isclose(exponent, round(exponent))
        words.insert(0, ('10', round(exponent)) if is_round else (f'{unit.scale:g}', 1))
    return ' '.join(
        word if power == 1 else word + f'{power}'.translate(_SUPERSCRIPTS) for word, power in words
    )


def as_fits(unit: Any) -> str:
    """A unit as FITS writes it, or as astropy does if FITS cannot."""
    try:
        return str(unit.to_string('fits'))
    except ValueError:
        return str(unit)
