"""Source Extractor's ``default.sex`` and its filter file (.conv) -> settings for the segmentation of images.

Missing files are taken from the mpdaf package, which is located without importing it, because that takes seconds.
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

from autospec_lib.config import sextractor_keys
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.errors import InputError
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.wording import near, show, way_out

_FILE = 'default.sex'


class _Line(NamedTuple):
    """A key, its values as text, and their place in the file."""

    place: str
    key: str
    words: list[str]


def install_defaults(folder: Path) -> list[Path]:
    """Put MPDAF's ``default.sex`` where there is none, and MPDAF's filter file where the one that is named is absent.

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
    written = []
    if not os.path.lexists(folder / _FILE):
        written.append(_copy(_shipped() / _FILE, folder))
    names = [line.words[0] for line in _lines(folder / _FILE) if line.key == 'FILTER_NAME' and line.words]
    for name in names[-1:]:
        is_shipped = name == os.path.basename(name) and os.path.isfile(_shipped() / name)
        if is_shipped and not os.path.lexists(folder / name):
            written.append(_copy(_shipped() / name, folder))
    return written


def load(folder: Path) -> tuple[SegmentationSettings, tuple[str, ...]]:
    """Read ``default.sex`` and the filter file that it names.

    Parameters
    ----------
    folder : Path
        The working folder. A file that is not there is taken from MPDAF, where MPDAF ships one of that name.

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
    lines = _lines(_find(folder, _FILE))
    last = {line.key: line for line in lines}
    values: dict[str, Any] = {}
    faults: list[str] = []
    for line in last.values():
        with _collected(faults):
            values |= _value(line)
    warnings = [*_overlooked(lines), *_unsupported(values, last), *_associations(folder, values, last)]
    kernel: dict[str, Any] = {'kernel': None}
    if values.get('FILTER', True):
        with _collected(faults):
            kernel, more = _filter(folder, last.get('FILTER_NAME'))
            warnings += more
    if faults:
        raise InputError(*faults)
    wanted = {item.name for item in fields(SegmentationSettings)}
    known = {key.lower(): value for key, value in values.items() if key.lower() in wanted}
    return SegmentationSettings(**known, **kernel), tuple(warnings)


@contextlib.contextmanager
def _collected(faults: list[str]) -> Iterator[None]:
    """Note the faults and go on."""
    try:
        yield
    except InputError as error:
        faults.extend(error.faults)


def _value(line: _Line) -> dict[str, Any]:
    """The key with its value, or nothing where the key does not matter here."""
    rule = sextractor_keys.RULES.get(line.key)
    if rule is None or (line.key in sextractor_keys.FIXED and not line.words):
        return {}
    if not line.words:
        raise InputError(f'{line.place}: {line.key} has no value; expected {rule.expected}')
    words = line.words[: rule.most]
    try:
        return {line.key: rule.read(words)}
    except ValueError as error:
        raise InputError(
            f'{line.place}: {line.key} = {show(" ".join(words))} {error}; expected {rule.expected}'
        ) from None


def _overlooked(lines: Iterable[_Line]) -> Iterator[str]:
    """Warnings on what SExtractor ignores too: unknown keys, superfluous values, and all but the last line of a key."""
    seen: dict[str, str] = {}
    for line in lines:
        if line.key not in sextractor_keys.NAMES:
            yield f'{line.place}: unknown key {show(line.key)} is ignored{near(line.key[:40], sextractor_keys.NAMES)}'
        if line.key not in sextractor_keys.RULES:
            continue
        if line.key in seen:
            yield f'{line.place}: {line.key} again; its value on {seen[line.key]} is ignored'
        seen[line.key] = line.place.partition(', ')[2]
        rest = ' '.join(line.words[sextractor_keys.RULES[line.key].most :])
        if rest:
            yield f'{line.place}: {line.key} takes fewer values; {show(rest)} is ignored'


def _unsupported(values: Mapping[str, Any], last: Mapping[str, _Line]) -> Iterator[str]:
    """Warnings on keys that would change SExtractor's map and do not change this one."""
    for key, taken in sextractor_keys.FIXED.items():
        if values.get(key, taken) != taken:
            yield f'{last[key].place}: {key} = {values[key]} is not supported; objects are detected as with {taken}'


def _associations(folder: Path, values: Mapping[str, Any], last: Mapping[str, _Line]) -> Iterator[str]:
    """A warning if SExtractor would keep only the objects that match a list, as its file of output columns may ask."""
    line = last.get('PARAMETERS_NAME')
    path = folder / (line.words[0] if line and line.words else 'default.param')
    if values.get('ASSOCSELEC_TYPE') == 'ALL' or not os.path.isfile(path):
        return
    with contextlib.suppress(InputError):
        if any(re.match(r'(VECTOR|NUMBER)_ASSOC\b', text) for _, text in _rows(path)):
            yield f'{path.name}: matching of objects with a list (ASSOC) is not supported; all objects are kept'


def _filter(folder: Path, line: _Line | None) -> tuple[dict[str, Any], list[str]]:
    """The fields of SegmentationSettings that describe the filter, and warnings."""
    if line is None:
        path = folder / 'default.conv'
        return _read_filter(path) if os.path.isfile(path) else ({}, [])
    if not line.words:
        raise InputError(f'{line.place}: FILTER_NAME has no value; expected the name of a .conv file')
    name = line.words[0]
    if name.lower().endswith('.ret'):
        return {'kernel': None}, [f'{line.place}: {show(name)} is a neural filter, not supported; no filter is used']
    path = _find(folder, name)
    if not os.path.exists(path):
        place = os.path.abspath(folder)
        raise InputError(f'{line.place}: no file {show(name)} in {place}; put it there, or switch off with FILTER N')
    return _read_filter(path)


def _read_filter(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The same from a .conv file: CONV NORM or CONV NONORM, then the rows of the filter."""
    rows = list(_rows(path))
    place, first = rows[0] if rows else (path.name, '')
    header = first.upper().split()
    if header not in (['CONV'], ['CONV', 'NORM'], ['CONV', 'NONORM']):
        raise InputError(f'{place}: begins with {show(first)}; expected CONV NORM or CONV NONORM, then rows of numbers')
    table: list[list[float]] = []
    faults: list[str] = []
    for place, text in rows[1:]:
        with _collected(faults):
            table.append(_filter_row(place, text.split(), table))
    if faults:
        raise InputError(*faults)
    kernel = np.array(table, np.float32)
    if not kernel.any():
        raise InputError(f'{path.name}: no value but 0; expected rows of numbers after CONV')
    old = [f'{path.name}: neither NORM nor NONORM after CONV; taken as NORM'] if header == ['CONV'] else []
    return {'kernel': kernel, 'kernel_norm': 'NONORM' not in header}, old


def _filter_row(place: str, words: list[str], above: list[list[float]]) -> list[float]:
    if above and len(words) != len(above[0]):
        raise InputError(f'{place}: {len(words)} values; expected {len(above[0])} as in the first row')
    values = []
    for word in words:
        try:
            values.append(sextractor_keys.number(word))
        except ValueError as error:
            raise InputError(f'{place}: {show(word)} {error}; expected numbers with blanks between them') from None
    return values


def _shipped() -> Path:
    """The folder of MPDAF's own files."""
    spec = importlib.util.find_spec('mpdaf')
    if spec is None or spec.origin is None:
        raise InputError(f'{_FILE}: no defaults, as mpdaf is not installed; install it with: pip install mpdaf')
    return Path(spec.origin).parent / 'sdetect' / 'sea_data'


def _find(folder: Path, name: str) -> Path:
    """The file in the folder or else MPDAF's; the first of the two where neither is there."""
    own = folder / name
    if os.path.lexists(own):
        return own
    shipped = _shipped() / name
    return shipped if os.path.exists(shipped) else own


def _copy(source: Path, folder: Path) -> Path:
    """Copy a file so that it appears under its name only when it is complete."""
    final = folder / source.name
    try:
        with complete_file(final) as temporary:
            temporary.write_bytes(source.read_bytes())
    except OSError as error:
        where = os.path.abspath(folder)
        raise InputError(
            f'{source.name}: cannot be copied to {where}: {error.strerror}; '
            + way_out(error, 'the folder has to be writable')
        ) from error
    return final


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    """Place and text of each line that holds more than a comment, whatever the line ends and the encoding."""
    try:
        content = path.read_bytes().decode('utf-8-sig', errors='replace')
    except OSError as error:
        raise InputError(f'{path.name}: cannot be read: {error.strerror}') from error
    for number, line in enumerate(re.split(r'\r\n?|\n', content), 1):
        text = line.partition('#')[0].strip()
        if text:
            yield f'{path.name}, line {number}', text


def _lines(path: Path) -> list[_Line]:
    """The lines of a file of keys; blanks, commas, '=' and quotes separate, as in SExtractor."""
    split = ((place, re.split(r'[\s,="]+', text.strip(' \t,="'))) for place, text in _rows(path))
    lines = [_Line(place, words[0].upper(), words[1:]) for place, words in split if words[0]]
    if not lines:
        raise InputError(f"{path.name}: holds no settings; fill it in, or delete it to get MPDAF's")
    return lines
