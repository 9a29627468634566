"""Single cells of the catalogue: text -> value, or ValueError with what is wrong."""

from __future__ import annotations

import math
import re

from autospec_lib.core.errors import show
from autospec_lib.core.types import Ident

_EMPTY = frozenset(('', '-', '--', 'nan', 'none'))
_LARGEST_ID = 2**63 - 1  # FITS integers have 64 bits
_LONGEST_NAME = 68

_WHOLE = re.compile(r'([+-]?\d{1,19})(?:\.0*)?', re.ASCII)
_SEXAGESIMAL = re.compile(r'([+-]?)(\d{1,3})([:hd])(\d{1,2})([:m])(\d{1,2}(?:\.\d*)?)(s?)', re.ASCII)


def identifier(text: str) -> int:
    """A whole number from 0, also with a decimal point and zeros."""
    match = _WHOLE.fullmatch(text)
    if not match:
        raise ValueError(f'ID {show(text)} is not a whole number')
    if not 0 <= int(match[1]) <= _LARGEST_ID:
        raise ValueError(f'ID {text} is outside 0 to 2^63 - 1')
    return int(match[1])


def identifier_or_name(text: str) -> Ident:
    """A whole number from 0, or text that is not a number, of at most 68 characters (the limit of a FITS card)."""
    text = ' '.join(text.split())
    if _WHOLE.fullmatch(text) or _is_number(text):
        return identifier(text)
    if text.lower() in _EMPTY:
        raise ValueError('no ID')
    if any(map(_is_number, re.split(r'[,;\'"]', text))):
        raise ValueError(
            f'ID {show(text)} is a number with a comma or a quote; expected the same separator in all rows'
        )
    if not text.isprintable() or len(text) > _LONGEST_NAME or not text.strip('.'):
        raise ValueError(f'ID {show(text)} is not a valid name; expected at most {_LONGEST_NAME} printable characters')
    return text


def right_ascension(text: str, scale: float = 1.0) -> float:
    """Degrees, from hours as hh:mm:ss.s or 00h00m00.0s, or from a number times ``scale``."""
    value = _degrees(text, 'right ascension', 'h', 15, scale)
    if not 0 <= value < 360:
        raise ValueError(f'right ascension {text} is outside 0 to 360 degrees')
    return value


def longitude(text: str) -> float:
    """Degrees from 0 to 360 of a galactic or ecliptic longitude, also as ddd:mm:ss.s."""
    return _degrees(text, 'longitude', 'd', 1, 1.0) % 360


def declination(text: str, scale: float = 1.0) -> float:
    """Degrees, from dd:mm:ss.s or 00d00m00.0s, or from a number times ``scale``."""
    value = _degrees(text, 'declination', 'd', 1, scale)
    if not -90 <= value <= 90:
        raise ValueError(f'declination {text} is outside -90 to 90 degrees')
    return value


def pixel(text: str, first: int = 0) -> float:
    """A position in 0-based pixels; ``first`` is the number of the first pixel in the catalogue."""
    return _number(text, 'pixel', 'a number') - first


def size(text: str, scale: float = 1.0) -> float | None:
    """A width in arcsec, or None where the cell is empty."""
    return _length(text, 'size', 'arcsec above 0, or - for the SIZE of param.py', scale)


def aperture(text: str, scale: float = 1.0) -> float | None:
    """A radius in arcsec, or None where the cell is empty."""
    return _length(text, 'aperture', 'arcsec above 0, or - for none', scale)


def _length(text: str, what: str, expected: str, scale: float) -> float | None:
    if text.lower() in _EMPTY:
        return None
    value = _number(text, what, expected)
    if value <= 0:
        raise ValueError(f'{what} {text} is not above 0')
    return value * scale


def redshift(text: str) -> float | None:
    """A redshift above -0.1 and below 20; None for all else, as catalogues have many ways to say that there is none."""
    return float(text) if _is_number(text) and -0.1 < float(text) < 20 else None


def brightness(text: str) -> float:
    """How bright a row is; lower than any number if the cell has no number."""
    return float(text) if _is_number(text) and not math.isnan(float(text)) else -math.inf


def reference(text: str) -> str:
    """The reference as it is written, or '' where the cell is empty."""
    if not text.isprintable():
        raise ValueError(f'reference {show(text)} is not plain text; save the file as UTF-8')
    return '' if text.lower() in _EMPTY else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str, what: str, expected: str) -> float:
    try:
        value = float(text if '_' not in text else '')  # Python would read 12_3 as 123
    except ValueError:
        raise ValueError(f'{what} {show(text)} is not a number; expected {expected}') from None
    if not math.isfinite(value):
        raise ValueError(f'{what} {text} is not finite')
    return value


def _degrees(text: str, what: str, unit: str, step: int, scale: float) -> float:
    """An angle in degrees; the first field of sexagesimal notation has the letter ``unit`` and is ``step`` degrees."""
    if ' ' in text:
        # With blanks, as VizieR writes it; there may be a blank between minus sign and degrees.
        text = ':'.join(re.sub(r'^([+-])\s+', r'\1', text).split())
    match = _SEXAGESIMAL.fullmatch(text.lower())
    if not match or match[3] + match[5] + match[7] not in ('::', f'{unit}m', f'{unit}ms'):
        return _number(text, what, f'degrees, {unit}{unit}:mm:ss.s or 00{unit}00m00.0s') * scale
    minutes, seconds = int(match[4]), float(match[6])
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f'{what} {text} has 60 or more minutes or seconds')
    angle = (3600 * int(match[2]) + 60 * minutes + seconds) / 3600 * step
    return -angle if match[1] == '-' else angle
