"""What one cell of the catalogue says: text -> value, or ValueError with what is wrong with it."""

from __future__ import annotations

import math
import re

from autospec_lib.core.wording import show

_EMPTY = frozenset(('', '-', '--', 'nan', 'none'))
_LARGEST_ID = 2**63 - 1  # FITS integers have 64 bits

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


def right_ascension(text: str) -> float:
    """Degrees, from degrees or from hours as hh:mm:ss.s or 00h00m00.0s."""
    value = _degrees(text, 'right ascension', 'h', 15)
    if not 0 <= value < 360:
        raise ValueError(f'right ascension {text} is outside 0 to 360 degrees')
    return value


def declination(text: str) -> float:
    """Degrees, from degrees or from dd:mm:ss.s or 00d00m00.0s."""
    value = _degrees(text, 'declination', 'd', 1)
    if not -90 <= value <= 90:
        raise ValueError(f'declination {text} is outside -90 to 90 degrees')
    return value


def size(text: str) -> float | None:
    """A width in arcsec, or None where the cell is empty."""
    if text.lower() in _EMPTY:
        return None
    value = _number(text, 'size', 'arcsec above 0, or - for the SIZE of param.py')
    if value <= 0:
        raise ValueError(f'size {text} is not above 0')
    return value


def reference(text: str) -> str:
    """The reference as it is written, or '' where the cell is empty."""
    if not text.isprintable():
        raise ValueError(f'reference {show(text)} is not plain text; save the file as UTF-8')
    return '' if text.lower() in _EMPTY else text


def _number(text: str, what: str, expected: str) -> float:
    try:
        value = float(text if '_' not in text else '')  # Python reads 12_3 as 123, which nobody means here
    except ValueError:
        raise ValueError(f'{what} {show(text)} is not a number; expected {expected}') from None
    if not math.isfinite(value):
        raise ValueError(f'{what} {text} is not finite')
    return value


def _degrees(text: str, what: str, unit: str, scale: int) -> float:
    """An angle in degrees; ``unit`` is the letter of a sexagesimal's first field, of which one is ``scale`` degrees."""
    match = _SEXAGESIMAL.fullmatch(text.lower())
    if not match or match[3] + match[5] + match[7] not in ('::', f'{unit}m', f'{unit}ms'):
        return _number(text, what, f'degrees, {unit}{unit}:mm:ss.s or 00{unit}00m00.0s')
    minutes, seconds = int(match[4]), float(match[6])
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f'{what} {text} has 60 or more minutes or seconds')
    angle = (3600 * int(match[2]) + 60 * minutes + seconds) / 3600 * scale
    return -angle if match[1] == '-' else angle
