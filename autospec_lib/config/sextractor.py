"""Source Extractor's ``default.sex`` and its filter file (.conv) -> settings for the segmentation
of images.

Missing files are taken from the mpdaf package, which is located without importing it, because that
takes seconds. Names and limits of keys are those of SExtractor 2.25, and BACK_PEARSON of 2.28.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from autospec_lib.core.atomic import complete_file
from autospec_lib.core.errors import InputError, collected, counted, making, near, show
from autospec_lib.core.files import read_file
from autospec_lib.core.segmentation_settings import SegmentationSettings

_SETTINGS_FILE = 'default.sex'
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
KEYS = frozenset(_ALL.split())


class Key(NamedTuple):
    """What the value of a key must be: one of the options, or a number or numbers within limits."""

    low: float = -LARGE
    high: float = LARGE
    options: tuple[str, ...] = ()
    most: int = 1  # how many words of the line make the value
    is_whole: bool = False

    @property
    def expected(self) -> str:
        """What is allowed, for messages."""
        if self == _THRESHOLD:
            return 'a number above 0, or mag/arcsec2 and its zero point, e.g. 24.5,25'
        if self.options:
            return 'Y or N' if self == _YES_OR_NO else ' or '.join(self.options)
        kind = 'whole number' if self.is_whole else 'number'
        amount = f'a {kind}' if self.most == 1 else f'one or two {kind}s'
        return f'{amount} from {self.low:.10g} to {self.high:.10g}'


_YES_OR_NO = Key(options=('Y', 'N', 'YES', 'NO'))
_THRESHOLD = Key(most=2)

RULES = {
    'DETECT_TYPE': Key(options=('CCD', 'PHOTO')),
    'DETECT_MINAREA': Key(1, 1_000_000, is_whole=True),
    'DETECT_MAXAREA': Key(0, 2_147_483_646, is_whole=True),
    'THRESH_TYPE': Key(options=('RELATIVE', 'ABSOLUTE')),
    'DETECT_THRESH': _THRESHOLD,
    'ANALYSIS_THRESH': _THRESHOLD,
    'FILTER': _YES_OR_NO,
    'DEBLEND_NTHRESH': Key(1, 64, is_whole=True),
    'DEBLEND_MINCONT': Key(0, 1),
    'CLEAN': _YES_OR_NO,
    'CLEAN_PARAM': Key(0.1, 10),
    'WEIGHT_TYPE': Key(options=('NONE', 'BACKGROUND', 'MAP_RMS', 'MAP_VAR', 'MAP_WEIGHT')),
    'BACK_TYPE': Key(options=('AUTO', 'MANUAL')),
    'BACK_VALUE': Key(),
    'BACK_SIZE': Key(1, 2_000_000_000, most=2, is_whole=True),
    'BACK_FILTERSIZE': Key(1, 11, most=2, is_whole=True),
    'BACK_FILTTHRESH': Key(0),
    'BACK_PEARSON': Key(0),
    'PIXEL_SCALE': Key(0, 1e10),
    'ASSOCSELEC_TYPE': Key(options=('ALL', 'MATCHED', '-MATCHED')),
}

# Keys that change SExtractor's map but are not supported by sep, and the value that is used instead
# of any other.
FIXED = {'DETECT_TYPE': 'CCD', 'WEIGHT_TYPE': 'NONE', 'BACK_PEARSON': 2.5}


class _Line(NamedTuple):
    """A key, its values as text, and their place in the file."""

    place: str
    key: str
    words: list[str]


def install_defaults(folder: Path) -> list[Path]:
    """Put MPDAF's ``default.sex`` where there is none, and MPDAF's filter file where the one that
    is named is absent.

    Parameters
    ----------
    folder : Path
        The working folder. Nothing in it is overwritten.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        ``default.sex`` cannot be read, or a file cannot be written.
    """
    lines = _lines(folder)
    filters = [line.words[0] for line in lines if line.key == 'FILTER_NAME' and line.words]
    written = []
    for name in (_SETTINGS_FILE, *filters[-1:]):
        source, final = _find(folder, name), folder / name
        if name == os.path.basename(name) and source != final and os.path.isfile(source):
            what = f'{name}: cannot be copied to {os.path.abspath(folder)}'
            with making(what, 'the folder has to be writable'), complete_file(final) as temporary:
                temporary.write_bytes(source.read_bytes())
            written.append(final)
    return written


def load(folder: Path) -> tuple[SegmentationSettings, tuple[str, ...]]:
    """Read ``default.sex`` and the filter file that it names.

    Parameters
    ----------
    folder : Path
        The working folder. A file that is not there is taken from MPDAF, where MPDAF ships one of
        that name.

    Returns
    -------
    settings : SegmentationSettings
        Keys that the file leaves out have SExtractor's own defaults.
    warnings : tuple of str
        One line for each setting that is not used as SExtractor would use it.

    Raises
    ------
    InputError
        All the faults of the two files, one line each.
    """
    lines = _lines(folder)
    last = {line.key: line for line in lines}
    values: dict[str, Any] = {}
    faults: list[str] = []
    for line in last.values():
        rule = RULES.get(line.key)
        if rule is None or (line.key in FIXED and not line.words):
            continue
        if not line.words:
            faults.append(f'{line.place}: {line.key} has no value; expected {rule.expected}')
            continue
        words = line.words[: rule.most]
        try:
            values[line.key] = _value(words, rule)
        except ValueError as error:
            setting = f'{line.key} = {show(" ".join(words))}'
            faults.append(f'{line.place}: {setting} {error}; expected {rule.expected}')
    warnings = [*_warnings(folder, lines, last, values)]
    kernel: dict[str, Any] = {'kernel': None}
    if values.get('FILTER', True):
        with collected(faults):
            kernel, more = _filter(folder, last.get('FILTER_NAME'))
            warnings += more
    if faults:
        raise InputError(*faults)
    wanted = {item.name for item in fields(SegmentationSettings)}
    known = {key.lower(): value for key, value in values.items() if key.lower() in wanted}
    return SegmentationSettings(**known, **kernel), tuple(warnings)


def _value(words: list[str], key: Key) -> Any:
    """The value of a key, of plain decimal numbers within its limits; ValueError says what is wrong
    with the words."""
    if key.options:
        word = words[0].upper()
        if word not in key.options:
            raise ValueError(f'is unknown{near(word[:40], key.options)}')
        return word.startswith('Y') if key == _YES_OR_NO else word
    values = []
    for word in words:
        # Not just float(word), which also takes 'nan', '1_0' and the digits of other scripts.
        if not re.fullmatch(r'[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?', word, re.ASCII | re.IGNORECASE):
            raise ValueError('is not a number')
        value = float(word)
        if not key.low <= value <= key.high:
            raise ValueError('is out of range')
        # SExtractor reads 1e2 as 1.
        if key.is_whole and (not value.is_integer() or 'e' in word.lower()):
            raise ValueError('is not a whole number')
        values.append(int(value) if key.is_whole else value)
    if key == _THRESHOLD:
        if len(values) == 1 and values[0] <= 0:
            raise ValueError('is not above 0')
        return tuple(values)
    return values[0] if key.most == 1 else (values[0], values[-1])


def _warnings(
    folder: Path, lines: Iterable[_Line], last: Mapping[str, _Line], values: Mapping[str, Any]
) -> Iterator[str]:
    """One line for each setting that is ignored, by SExtractor too, or not used as SExtractor would
    use it."""
    seen: dict[str, str] = {}
    for line in lines:
        if line.key not in KEYS:
            yield f'{line.place}: unknown key {show(line.key)} is ignored{near(line.key[:40], KEYS)}'
        if line.key not in RULES:
            continue
        if line.key in seen:
            yield f'{line.place}: {line.key} again; its value on {seen[line.key]} is ignored'
        seen[line.key] = line.place.partition(', ')[2]
        rest = ' '.join(line.words[RULES[line.key].most :])
        if rest:
            yield f'{line.place}: {line.key} takes fewer values; {show(rest)} is ignored'
    for key, used in FIXED.items():
        if values.get(key, used) != used:
            yield f'{last[key].place}: {key} = {values[key]} is not supported; objects are detected as with {used}'

    # SExtractor keeps only the objects that match a list where its file of output columns asks for
    # it.
    columns = last.get('PARAMETERS_NAME')
    path = folder / (columns.words[0] if columns and columns.words else 'default.param')
    if values.get('ASSOCSELEC_TYPE') != 'ALL' and os.path.isfile(path):
        with contextlib.suppress(InputError):
            if any(re.match(r'(VECTOR|NUMBER)_ASSOC\b', text) for _, text in _rows(path)):
                yield f'{path.name}: matching of objects with a list (ASSOC) is not supported; all objects are kept'


def _filter(folder: Path, line: _Line | None) -> tuple[dict[str, Any], list[str]]:
    """The fields of SegmentationSettings that describe the filter, and warnings.

    A .conv file holds CONV NORM or CONV NONORM, then the rows of the filter.
    """
    path = folder / 'default.conv'
    if line is None and not os.path.isfile(path):
        return {}, []
    if line is not None:
        if not line.words:
            raise InputError(
                f'{line.place}: FILTER_NAME has no value; expected the name of a .conv file'
            )
        name, place = line.words[0], line.place
        if name.lower().endswith('.ret'):
            return {'kernel': None}, [
                f'{place}: {show(name)} is a neural filter, not supported; no filter is used'
            ]
        path = _find(folder, name)
        if not os.path.exists(path):
            there = os.path.abspath(folder)
            raise InputError(
                f'{place}: no file {show(name)} in {there}; put it there, or switch off with FILTER N'
            )
    rows = list(_rows(path))
    place, first = rows[0] if rows else (path.name, '')
    header = first.upper().split()
    if header not in (['CONV'], ['CONV', 'NORM'], ['CONV', 'NONORM']):
        raise InputError(
            f'{place}: begins with {show(first)}; expected CONV NORM or CONV NONORM, then rows of numbers'
        )
    table: list[list[float]] = []
    faults: list[str] = []
    for place, text in rows[1:]:
        words = text.split()
        if table and len(words) != len(table[0]):
            faults.append(
                f'{place}: {counted(len(words), "value")}; expected {len(table[0])} as in the first row'
            )
            continue
        row = []
        try:
            for word in words:
                row.append(_value([word], Key()))
            table.append(row)
        except ValueError as error:
            faults.append(
                f'{place}: {show(word)} {error}; expected numbers with blanks between them'
            )
    if faults:
        raise InputError(*faults)
    kernel = np.array(table, np.float32)
    if not kernel.any():
        raise InputError(f'{path.name}: no value but 0; expected rows of numbers after CONV')
    old = (
        [f'{path.name}: neither NORM nor NONORM after CONV; taken as NORM']
        if header == ['CONV']
        else []
    )
    return {'kernel': kernel, 'kernel_norm': 'NONORM' not in header}, old


def _find(folder: Path, name: str) -> Path:
    """The file in the folder or else that of the mpdaf package; the first of the two where neither
    is there."""
    own = folder / name
    if os.path.lexists(own):
        return own
    spec = importlib.util.find_spec('mpdaf')
    if spec is None or spec.origin is None:
        raise InputError(
            f'{_SETTINGS_FILE}: no defaults, as mpdaf is not installed; install it with: pip install mpdaf'
        )
    shipped = Path(spec.origin).parent / 'sdetect' / 'sea_data' / name
    return shipped if os.path.exists(shipped) else own


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Place and text of each line that holds more than a comment, whatever the line ends and the
    encoding."""
    try:
        content = read_file(path).decode('utf-8-sig', errors='replace')
    except OSError as error:
        raise InputError(f'{path.name}: cannot be read: {error.strerror}') from error
    for number, line in enumerate(re.split(r'\r\n?|\n', content), 1):
        text = line.partition('#')[0].strip()
        if text:
            yield f'{path.name}, line {number}', text


def _lines(folder: Path) -> list[_Line]:
    """The lines of ``default.sex``; blanks, commas, '=' and quotes separate, as in SExtractor."""
    path = _find(folder, _SETTINGS_FILE)
    split = ((place, re.split(r'[\s,="]+', text.strip(' \t,="'))) for place, text in _rows(path))
    lines = [_Line(place, words[0].upper(), words[1:]) for place, words in split if words[0]]
    if not lines:
        raise InputError(f"{path.name}: holds no settings; fill it in, or delete it to get MPDAF's")
    return lines


def describe(settings: Mapping[str, Any]) -> str:
    """The settings in force as lines of ``default.sex``, below them the filter as lines of its
    file.

    Parameters
    ----------
    settings : mapping
        The fields of `SegmentationSettings` and their values.
    """
    kernel = settings['kernel']
    keys = {
        name.upper(): value for name, value in settings.items() if not name.startswith('kernel')
    }
    lines = []
    for key, value in {**keys, 'FILTER': kernel is not None}.items():
        if isinstance(value, bool):
            value = 'Y' if value else 'N'
        elif isinstance(value, tuple):
            value = ','.join(map(str, value))
        lines.append(f'{key:<15} {value}')
    if kernel is not None:
        lines.append('CONV NORM' if settings['kernel_norm'] else 'CONV NONORM')
        lines += [' '.join(map(str, row)) for row in kernel]
    return '\n'.join(lines)
