"""Units of headers in the spelling of the FITS standard."""

from __future__ import annotations

import warnings

from astropy import units


def standard(text: str) -> str:
    """A unit as FITS writes it; a text that FITS has no unit for stays as it is."""
    return _written(text, 1) or text.strip()


def squared(text: str) -> str:
    """The square of a unit, that of the variance, as FITS writes it."""
    return _written(text, 2) or (f'({text})**2' if text.strip() else '')


def known(text: str) -> str:
    """A unit as FITS writes it, '' where the text is none."""
    return _written(text, 1)


def _written(text: str, power: int) -> str:
    # MUSE writes 10**(-20)*erg/..., which astropy reads with a plain exponent only.
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for spelling in (text.strip(), text.strip().replace('10**(-20)*', '1e-20 ')):
            try:
                return str((units.Unit(spelling) ** power).to_string('fits'))
            except (ValueError, TypeError):  # no unit; a scale or a logarithm that FITS cannot write
                continue
    return ''
