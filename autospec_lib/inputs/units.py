"""Units of headers in the spelling of the FITS standard."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

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


@lru_cache(maxsize=64)
def parsed(text: str) -> units.UnitBase | None:
    """A unit, None where the text is none."""
    inverse = re.fullmatch(r'1\s*/\s*(\(.*)', text.strip())
    power = re.fullmatch(r'\((.*)\)\s*(?:\*\*|\^)\s*\(?([+-]?\d+)\)?', text.strip())
    root = parsed(inverse[1]) if inverse else parsed(power[1]) if power else None
    if root is not None:
        return root ** (-1 if inverse or not power else int(power[2]))
    # MUSE writes 10**(-20)*erg/..., which astropy reads with a plain exponent only.
    for spelling in (text.strip(), re.sub(r'^10\*\*\((-\d+)\)\*', r'1e\1 ', text.strip())):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try:
                found = units.Unit(spelling)
            except (ValueError, TypeError):
                continue
        return found if isinstance(found, units.UnitBase) else None
    return None


def _written(text: str, power: int) -> str:
    found = parsed(text)
    if found is None:
        return ''
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            return str((found**power).to_string('fits'))
        except ValueError:  # a scale that FITS cannot write
            return ''
