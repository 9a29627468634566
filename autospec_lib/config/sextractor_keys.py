"""The keys of Source Extractor's ``default.sex``: all names, and the allowed values of those that change the map.

Names and limits are those of SExtractor 2.25, and BACK_PEARSON of 2.28.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from autospec_lib.core.wording import near

LARGE = 1e30  # where SExtractor's numbers end

_ALL = """
    ANALYSIS_THRESH ASSOCCOORD_TYPE ASSOCSELEC_TYPE ASSOC_DATA ASSOC_NAME ASSOC_PARAMS ASSOC_RADIUS ASSOC_TYPE
    BACKPHOTO_THICK BACKPHOTO_TYPE BACK_FILTERSIZE BACK_FILTTHRESH BACK_PEARSON BACK_SIZE BACK_TYPE BACK_VALUE
    CATALOG_NAME CATALOG_TYPE CHECKIMAGE_NAME CHECKIMAGE_TYPE CLEAN CLEAN_PARAM DEBLEND_MINCONT DEBLEND_NTHRESH
    DETECT_MAXAREA DETECT_MINAREA DETECT_THRESH DETECT_TYPE DGEO_IMAGE DGEO_TYPE FILTER FILTER_NAME FILTER_THRESH
    FITS_UNSIGNED FLAG_IMAGE FLAG_TYPE GAIN GAIN_KEY HEADER_SUFFIX INTERP_MAXXLAG INTERP_MAXYLAG INTERP_TYPE MAG_GAMMA
    MAG_ZEROPOINT MASK_TYPE MEMORY_BUFSIZE MEMORY_OBJSTACK MEMORY_PIXSTACK NTHREADS PARAMETERS_NAME PATTERN_TYPE
    PHOT_APERTURES PHOT_AUTOAPERS PHOT_AUTOPARAMS PHOT_FLUXFRAC PHOT_PETROPARAMS PIXEL_SCALE PSF_NAME PSF_NMAX
    RESCALE_WEIGHTS SATUR_KEY SATUR_LEVEL SEEING_FWHM SOM_NAME STARNNW_NAME THRESH_TYPE VERBOSE_TYPE WEIGHT_GAIN
    WEIGHT_IMAGE WEIGHT_THRESH WEIGHT_TYPE WRITE_XML XML_NAME XSL_URL
"""
NAMES = frozenset(_ALL.split())


class Rule(NamedTuple):
    """How a key's words (at most ``most``) become its value; ``read`` raises ValueError with what is wrong."""

    read: Callable[[list[str]], Any]
    expected: str
    most: int = 1


def number(word: str, low: float = -LARGE, high: float = LARGE) -> float:
    """A plain decimal number within limits.

    Raises
    ------
    ValueError
        With what is wrong, in words that follow the value in a message.
    """
    # Not just float(word), which also takes 'nan', '1_0' and the digits of other scripts.
    if not re.fullmatch(r'[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?', word, re.ASCII | re.IGNORECASE):
        raise ValueError('is not a number')
    value = float(word)
    if not low <= value <= high:
        raise ValueError('is out of range')
    return value


def _whole_number(word: str, low: int, high: int) -> int:
    value = number(word, low, high)
    if not value.is_integer() or 'e' in word.lower():  # SExtractor reads 1e2 as 1
        raise ValueError('is not a whole number')
    return int(value)


def _width_height(words: list[str], low: int, high: int) -> tuple[int, int]:
    values = [_whole_number(word, low, high) for word in words]
    return values[0], values[-1]


def _threshold(words: list[str]) -> tuple[float, ...]:
    values = tuple(number(word) for word in words)
    if len(values) == 1 and values[0] <= 0:
        raise ValueError('is not above 0')
    return values


def _option(word: str, options: tuple[str, ...]) -> str:
    if word.upper() not in options:
        raise ValueError(f'is unknown{near(word[:40], options)}')
    return word.upper()


def _real(low: float, high: float) -> Rule:
    return Rule(lambda words: number(words[0], low, high), f'a number from {low:g} to {high:g}')


def _whole(low: int, high: int) -> Rule:
    return Rule(lambda words: _whole_number(words[0], low, high), f'a whole number from {low} to {high}')


def _size(low: int, high: int) -> Rule:
    return Rule(lambda words: _width_height(words, low, high), f'one or two whole numbers from {low} to {high}', 2)


def _choice(*options: str) -> Rule:
    return Rule(lambda words: _option(words[0], options), ' or '.join(options))


_SWITCH = Rule(lambda words: _option(words[0], ('Y', 'YES', 'N', 'NO')).startswith('Y'), 'Y or N')
_THRESHOLD = Rule(_threshold, 'a number above 0, or mag/arcsec2 and its zero point, e.g. 24.5,25', 2)

RULES = {
    'DETECT_TYPE': _choice('CCD', 'PHOTO'),
    'DETECT_MINAREA': _whole(1, 1_000_000),
    'DETECT_MAXAREA': _whole(0, 2_147_483_646),
    'THRESH_TYPE': _choice('RELATIVE', 'ABSOLUTE'),
    'DETECT_THRESH': _THRESHOLD,
    'ANALYSIS_THRESH': _THRESHOLD,
    'FILTER': _SWITCH,
    'DEBLEND_NTHRESH': _whole(1, 64),
    'DEBLEND_MINCONT': _real(0, 1),
    'CLEAN': _SWITCH,
    'CLEAN_PARAM': _real(0.1, 10),
    'WEIGHT_TYPE': _choice('NONE', 'BACKGROUND', 'MAP_RMS', 'MAP_VAR', 'MAP_WEIGHT'),
    'BACK_TYPE': _choice('AUTO', 'MANUAL'),
    'BACK_VALUE': _real(-LARGE, LARGE),
    'BACK_SIZE': _size(1, 2_000_000_000),
    'BACK_FILTERSIZE': _size(1, 11),
    'BACK_FILTTHRESH': _real(0, LARGE),
    'BACK_PEARSON': _real(0, LARGE),
    'PIXEL_SCALE': _real(0, 1e10),
    'ASSOCSELEC_TYPE': _choice('ALL', 'MATCHED', '-MATCHED'),
}

# Keys that change SExtractor's map but are not supported by sep, and the value that is used instead of any other.
FIXED = {'DETECT_TYPE': 'CCD', 'WEIGHT_TYPE': 'NONE', 'BACK_PEARSON': 2.5}


def describe(settings: Mapping[str, Any]) -> str:
    """The settings in force as lines of ``default.sex``, below them the filter as lines of its file.

    Parameters
    ----------
    settings : mapping
        The fields of `SegmentationSettings` and their values.
    """
    kernel = settings['kernel']
    keys = {name.upper(): value for name, value in settings.items() if not name.startswith('kernel')}
    lines = [f'{key:<15} {_written(value)}' for key, value in {**keys, 'FILTER': kernel is not None}.items()]
    if kernel is not None:
        lines.append('CONV NORM' if settings['kernel_norm'] else 'CONV NONORM')
        lines += [' '.join(map(str, row)) for row in kernel]
    return '\n'.join(lines)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return 'Y' if value else 'N'
    return ','.join(map(str, value)) if isinstance(value, tuple) else str(value)
