"""Checks of single parameters: each returns the value in its normal form, or raises ValueError with
what is wrong."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from autospec_lib.core import emission_lines
from autospec_lib.core.errors import counted, near, show
from autospec_lib.core.noise_kind import NOISE_WORDS, ZERO_IS_BAD, Extension

Check: TypeAlias = Callable[[Any], Any]

MEASURED, HEADER, STARS = 'measured', 'header', 'stars'
_TYPES = {str: 'text', bool: 'a switch', int: 'a number', float: 'a number', type(None): 'nothing'}


class Rule(NamedTuple):
    """What a value must be.

    Attributes
    ----------
    check : function
        Returns the value in its normal form, or raises ValueError with what is wrong ('is text'),
        optionally followed by a hint.
    expected : str
        What is allowed, for messages.
    """

    check: Check
    expected: str


def plain(value: Any) -> Any:
    """numpy arrays and scalars and astropy angles, which param.py may have computed, as Python
    lists and numbers.

    Raises
    ------
    ValueError
        If a quantity is no angle.
    """
    if isinstance(value, tuple | list):
        return type(value)(plain(item) for item in value)
    if hasattr(value, 'unit') and hasattr(value, 'to_value'):
        try:
            value = value.to_value('arcsec')
        except Exception:  # astropy's, for any other unit
            raise ValueError(f'has the unit {value.unit}') from None
    return value.tolist() if hasattr(value, 'tolist') else value


def _wrong_type(value: Any) -> ValueError:
    return ValueError(f'is {_TYPES.get(type(value), "a " + type(value).__name__)}')


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def switch(value: Any) -> bool:
    """True or False; no other value that Python would treat as true or false."""
    if not isinstance(value, bool):
        raise _wrong_type(value)
    return value


def number(value: Any) -> float:
    """A finite number, also as text."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real | str):
        raise _wrong_type(value)
    try:
        result = float(value)
    except ValueError:
        raise _wrong_type(value) from None
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise ValueError('is not finite')
    return result


def positive(value: Any) -> float:
    """A finite number above 0."""
    result = number(value)
    if result <= 0:
        raise ValueError('is not above 0')
    return result


def not_negative(value: Any) -> float:
    """A finite number from 0."""
    result = number(value)
    if result < 0:
        raise ValueError('is negative')
    return result


def whole(value: Any) -> int:
    """A whole number from 0."""
    result = not_negative(value)
    if not result.is_integer():
        raise ValueError('is not a whole number')
    return int(result)


def count(value: Any) -> int:
    """A whole number from 1."""
    result = whole(value)
    if result < 1:
        raise ValueError('is not above 0')
    return result


def text(value: Any) -> str:
    """Text, also as a path."""
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(value, str):
        raise _wrong_type(value)
    if not value.isprintable():
        raise ValueError('holds a control character; write / or two backslashes for one')
    return value


def name(value: Any) -> str:
    """Text that is not empty."""
    result = text(value)
    if not result.strip():
        raise ValueError('is empty')
    return result


def label(value: Any) -> str:
    """Text, or a number to be read as text."""
    return str(value) if _is_number(value) else text(value)


def card(value: Any) -> str:
    """A label that a FITS header can hold."""
    result = label(value)
    if not result.isascii():
        raise ValueError('holds a character that FITS headers cannot (only ASCII)')
    return result


def prefix(value: Any) -> str:
    """The beginning of a file's name."""
    result = text(value)
    if '/' in result or '\\' in result:
        raise ValueError('holds a path separator; the folder goes into OUTPUT')
    return result


def tag_prefix(value: Any) -> str:
    """The beginning of AutoSpec's own names in FITS files; '' for the prefix of the instrument."""
    result = text(value).strip().upper()
    if not (result.isalnum() or not result) or not result.isascii():
        raise ValueError('holds other characters than letters and digits')
    if len(result) > 16:
        raise ValueError('is longer than 16 characters')
    if result in ('SEG', 'MASK', 'DEBLEND'):
        raise ValueError('is what other names begin with')
    return result


def colour_map(value: Any) -> str:
    """The name of one of matplotlib's colour maps."""
    result = text(value)
    if result != 'viridis':  # the default needs no slow import
        from matplotlib import colormaps

        if result not in colormaps:
            raise ValueError('is unknown', near(result, colormaps))
    return result


def deblending(value: Any) -> bool | str:
    """A switch, or the name of an image that switches it on."""
    return name(value) if isinstance(value, str | os.PathLike) else switch(value)


def psf(value: Any) -> tuple[float, ...] | str:
    """'header', 'stars', or one to three numbers: FWHM; or FWHM at both ends; or these and a Moffat
    exponent."""
    if isinstance(value, str) and value.strip().lower() in (HEADER, STARS):
        return value.strip().lower()
    numbers: tuple[float, ...] = several(positive, most=3)(value)
    if len(numbers) == 3 and numbers[2] <= 1:
        raise ValueError(f'holds the Moffat exponent {numbers[2]:g}, which is not above 1')
    return numbers


def shifts(value: Any) -> Any:
    """'measured', a pair (dRA, dDec), () for none, or one of these for each image of IMG."""
    if value is None or (isinstance(value, str) and not value):
        return ()
    if isinstance(value, tuple | list) and not (len(value) == 2 and all(map(_is_number, value))):
        return tuple(_item(_shift, item) for item in value)
    return _shift(value)


def _shift(value: Any) -> tuple[float, ...] | str:
    if isinstance(value, str) and value.strip().lower() == MEASURED:
        return MEASURED
    if not isinstance(value, tuple | list):
        raise _wrong_type(value)
    if len(value) not in (0, 2):
        raise ValueError(f'has {counted(len(value), "value")}')
    return tuple(_item(number, item) for item in value)


def line_width(value: Any) -> tuple[float, ...]:
    """A FWHM above 0, or up to five coefficients of a polynomial."""
    numbers: tuple[float, ...] = several(number, most=5)(value)
    if len(numbers) == 1:
        positive(numbers[0])
    return numbers


def narrow_bands(value: Any) -> tuple[str | tuple[float, float], ...]:
    """Lines and ranges of wavelengths, or one of them; each once."""
    if isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_number, value)):
        value = (value,)
    return tuple(dict.fromkeys(several(_narrow_band)(value)))


def _narrow_band(value: Any) -> str | tuple[float, float]:
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f'has {counted(len(value), "value")}')
        low, high = sorted(_item(positive, item) for item in value)
        if low == high:
            raise ValueError('is empty')
        return low, high
    line = emission_lines.find(text(value))
    if line is None:
        raise ValueError('is no line that is known', near(value, emission_lines.LINES))
    return line


def choice(*options: str) -> Rule:
    """One of the options, in upper or lower case."""

    def check(value: Any) -> str:
        result = text(value)
        for option in options:
            if result.strip().lower() == option.lower():
                return option
        raise ValueError('is unknown', near(result, options))

    return Rule(check, ' or '.join(map(repr, options)))


def several(check: Check, most: float = math.inf) -> Check:
    """A check of none ((), '', None), one or several values, which returns a tuple.

    Parameters
    ----------
    check : function
        The check of each value.
    most : float
        The largest number of values.
    """

    def check_all(value: Any) -> tuple[Any, ...]:
        if value is None or (isinstance(value, str) and not value):
            return ()
        if not isinstance(value, tuple | list):
            return (check(value),)
        if len(value) > most:
            raise ValueError(f'has {counted(len(value), "value")}')
        return tuple(_item(check, item) for item in value)

    return check_all


def _item(check: Check, value: Any) -> Any:
    try:
        return check(value)
    except ValueError as error:
        problem, hint = (*error.args, '')[:2]
        raise ValueError(f'holds {show(value)}, which {problem}', hint) from None


def extensions(value: Any) -> tuple[Extension, ...]:
    """Up to three extensions: data, noise and mask (if needed with its kind after a colon); ''
    stands for none."""
    result: tuple[Extension, ...] = several(_extension, most=3)(value)
    if result and result[0].name == '':
        raise ValueError('names no extension for the data')
    for entry, role in zip(result, ('data', 'noise', 'mask'), strict=False):
        if entry.kind is not None and role != 'noise':
            raise ValueError(f'holds {show(entry)}, which gives a kind of noise for the {role}')
        if entry.zero_is_bad and role != 'mask':
            raise ValueError(f'holds {show(entry)}, which gives a kind of mask for the {role}')
    return result


def _extension(value: Any) -> Extension:
    if isinstance(value, int) and not isinstance(value, bool):
        return Extension(whole(value))
    if value == '':
        return Extension('')
    entry = name(value)
    extension = Extension.parse(entry)
    if ':' in entry and extension == Extension(entry):  # what follows the colon was not understood
        hint = near(entry.rpartition(':')[2].strip(), [*NOISE_WORDS, ZERO_IS_BAD])
        raise ValueError('does not name a kind of noise or mask', hint)
    if extension.name == '':
        raise ValueError('names no extension')
    return extension


SWITCH = Rule(switch, 'True or False')
LINE_WIDTH = Rule(
    line_width,
    '(), a FWHM in Angstrom, e.g. 2.5, or coefficients of a polynomial, e.g. (5.9e-8, -9.2e-4, 6.0)',
)
NARROW_BANDS = Rule(
    narrow_bands,
    "a range in Angstrom, a line, or several of these, e.g. (6840, 6870) or ('Halpha', '[OIII]5007')",
)
ARCSEC = Rule(positive, 'a number of arcsec above 0, e.g. 5')
ERROR = Rule(not_negative, 'a number of arcsec, e.g. 0.1, or 0 to measure it')
DEGREE = Rule(whole, 'a whole number from 0, e.g. 5')
COUNT = Rule(count, 'a whole number from 1, e.g. 3')
DEBLENDING = Rule(deblending, "True, False or an image of IMG, e.g. 'hst'")
PSF_SETTING = Rule(
    psf,
    "(), 'header', 'stars', a FWHM in arcsec, (blue, red) or (blue, red, Moffat exponent), e.g. (0.9, 0.7)",
)
SHIFTS = Rule(
    shifts,
    "(), 'measured' or (dRA, dDec) in arcsec, or one of these for each image of IMG, e.g. (0.2, -0.1)",
)
CORES = Rule(whole, 'a number of processes, e.g. 2, or 0 for one on each core')
FILE_NAME = Rule(name, "the name of a file, e.g. 'datacube.fits'")
FOLDER_NAME = Rule(name, "the name of a folder, e.g. 'output'")
PREFIX = Rule(prefix, "text, e.g. 'Source_'")
TAG_PREFIX = Rule(
    tag_prefix, "up to 16 letters and digits, e.g. 'MUSE', or '' for that of the instrument"
)
CARD_TEXT = Rule(card, "text, or '' for none")
REFERENCE = Rule(label, "'', an image's name or an aperture's radius, e.g. 'g-band' or 2.0")
RADII = Rule(several(positive), 'a radius or radii in arcsec, e.g. 2.0 or (1.0, 2.0)')
FILE_NAMES = Rule(
    several(name), "one file name or several, e.g. 'g-band.fits' or ('g-band.fits', 'r-band.fits')"
)
EXTENSIONS = Rule(
    extensions,
    "(), or the extensions of data, noise and mask, e.g. 1, ('DATA', 'ERR2: sigma') or ('SCI', 'ERR', 'DQ: 0 is bad')",
)
COLOUR_MAP = Rule(colour_map, "the name of a matplotlib colour map, e.g. 'viridis'")
