"""Finds the extensions of a file with data, noise and flags, and tells what the numbers in them mean.

The parameter DATA_EXT counts first, then the instrument's entry in the table, cards that name other extensions, and the
names of extensions. What is guessed is a warning, and what cannot be told is asked for.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astropy.io import fits

from autospec_lib.core.errors import InputError
from autospec_lib.core.noise_kind import Extension, NoiseKind
from autospec_lib.inputs.arrays import open_fits
from autospec_lib.inputs.coordinates import array_axes, find_axes, is_cube
from autospec_lib.inputs.instruments import FIRST, FLAG_DEFINITIONS, UNKNOWN, Instrument, recognise
from autospec_lib.inputs.noise_kinds import BY_UNIT, WEIGHT, declared, looks_like_flags, looks_like_noise, noise_kind

DATA_NAMES = 'DATA SCI FLUX SPECTRUM SPEC SCIENCE INTENSITY'.split()
NOISE_NAMES = """
    STAT VAR VARIANCE ERR ERROR ERRORS UNCERT UNCERTAINTY SIG SIGMA NOISE STD STDDEV STDEV STDERR RMS IVAR INVVAR
    INV_VAR INVERSE_VARIANCE
""".split()
FLAG_NAMES = 'DQ MASK BADPIX BPM DQI QUALITY'.split()
NOT_DATA = re.compile(r'WAVE|LAMBDA|LAM|DISP|SPECRES\w*|LSF\w*|COV\w*|COUNTS?|EXP\w*|FIBCOVER')
WITH_PREFIX = re.compile(rf'(.*[_.])({"|".join(DATA_NAMES)})')
ALL_BITS = (-1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class FlagRule:
    """A voxel is bad where its flags have one of ``bits`` (0 = any), or are 0 where ``zero_is_bad`` is true."""

    bits: int = 0
    zero_is_bad: bool = False

    @classmethod
    def of_bits(cls, numbers: Iterable[int]) -> FlagRule:
        """The rule for these numbers of bits."""
        return cls(sum(1 << number for number in numbers))

    def __str__(self) -> str:
        """The rule in words, for messages."""
        if self.zero_is_bad:
            return '0 is bad'
        numbers = [str(bit) for bit in range(64) if self.bits >> bit & 1]
        if not numbers:
            return 'any but 0 is bad'
        if len(numbers) == 1:
            return f'bit {numbers[0]} is bad'
        return f'bits {", ".join(numbers[:-1])} and {numbers[-1]} are bad'


@dataclass(frozen=True)
class Extensions:
    """The HDUs of a cube (None = there is none), and what is known of them.

    Attributes
    ----------
    instrument, why : Instrument, str
        The instrument, and the cards or the parameter that show it.
    axes : tuple of int
        The FITS axes of the data that are longitude, latitude and wavelength.
    data, noise, flags, response : HDU or None
        Noise and flags may have fewer axes than the data (see `stored_part`); ``response`` is a spectrum by which the
        data are multiplied.
    noise_kind, noise_why : NoiseKind, str
        How the noise is stored, and how this is known.
    flag_rule : FlagRule
        Which flags are bad.
    noise_path, flags_path : Path
        The files that they are in.
    entries : tuple of int or str
        What DATA_EXT is to be to name data, noise and flags, '' for none.
    warnings : tuple of str
        One line each.
    """

    instrument: Instrument
    why: str
    axes: tuple[int, ...]
    data: Any
    noise: Any
    flags: Any
    response: Any
    noise_kind: NoiseKind
    noise_why: str
    flag_rule: FlagRule
    noise_path: Path
    flags_path: Path
    entries: tuple[int | str, ...]
    warnings: tuple[str, ...] = ()


def choose(path: Path, hdus: fits.HDUList, entries: Sequence[Extension], files: ExitStack) -> Extensions:
    """Find the arrays of a cube.

    Parameters
    ----------
    path : Path
        The file.
    hdus : HDUList
        It, open.
    entries : sequence of Extension
        The parameter DATA_EXT: data, noise and flags. If it gives data alone, there is no noise.
    files : ExitStack
        Closes further files that belong to the cube.

    Raises
    ------
    InputError
        If they are not there, have other shapes than the cube, or if it is not known how the noise is stored.
    """
    number = len(hdus)  # astropy reads all headers now, and not only those up to an extension that is asked for
    if not any(hdus[place].is_image and hdus[place].shape for place in range(number)):
        raise InputError(f'{path.name}: truncated, or no cube: no extension in it holds an array; copy it again')
    instrument, why = recognise([hdu.header for hdu in hdus])
    warnings: list[str] = []
    if entries:
        why = 'as DATA_EXT says'
        data = _chosen_data(path, hdus, entries[0])
        noise, flags = (_named(path, hdus, entry, data) for entry in [*entries[1:], None, None][:2])
    else:
        data, noise, flags = _data(path, hdus, instrument, warnings), None, None
    _check_axes(path, hdus, data)
    if not entries:
        noise = _noise(path, hdus, data, instrument, warnings)
    if len(entries) < 3:
        flags = _partner(hdus, data, (instrument.flags, *FLAG_NAMES), 'QUALDATA', 'MASKEXT')
    axes = find_axes(path.name, label(hdus, data), data.header, data.shape, spectral=True)
    for hdu in (noise, flags):
        if hdu is not None:
            _check_layer(path, hdus, data, hdu, axes)
    kind, noise_why = NoiseKind.VARIANCE, ''
    if noise is not None:
        own = entries[1].kind if len(entries) > 1 else None
        kind, noise_why = (own, why) if own is not None else _kind(path, hdus, data, noise, instrument)
    headers = ChainMap(data.header, hdus[0].header)
    rule = FlagRule() if flags is None else flag_rule(flags.header, headers, instrument)
    if any(entry.zero_is_bad for entry in entries):
        rule = FlagRule(zero_is_bad=True)
    extensions = Extensions(
        instrument,
        why,
        axes,
        data,
        noise,
        flags,
        response=_response(hdus, data, instrument),
        noise_kind=kind,
        noise_why=noise_why,
        flag_rule=rule,
        noise_path=path,
        flags_path=path,
        entries=tuple('' if hdu is None else _entry(hdus, hdu) for hdu in (data, noise, flags)),
        warnings=tuple(warnings),
    )
    if noise is None and not entries:
        extensions = _with_files_beside(path, extensions, files)
    if extensions.noise is not None:
        return extensions
    # There is no hint if the user has asked for no noise (DATA_EXT = 'DATA', '').
    hint = '' if len(entries) > 1 else _unused_noise(hdus, data, axes)
    lack = f'{path.name}: no variance: weights are those of equal noise, and no errors are written'
    return replace(extensions, warnings=(*extensions.warnings, f'{lack}; {hint}' if hint else lack))


def label(hdus: fits.HDUList, hdu: Any) -> str:
    """What an extension is called in messages."""
    return str(hdu.name or f'extension {hdus.index(hdu)}')


def _unique_label(hdus: fits.HDUList, hdu: Any) -> str:
    """Its name in messages, with its number where others have the same name."""
    entry = _entry(hdus, hdu)
    return label(hdus, hdu) if isinstance(entry, str) or not hdu.name else f'{hdu.name} (extension {entry})'


def cubes(hdus: Iterable[Any]) -> list[Any]:
    """The extensions with three axes, apart from axes of length 1."""
    return [hdu for hdu in hdus if hdu.is_image and is_cube(hdu.shape)]


def _entry(hdus: fits.HDUList, hdu: Any) -> int | str:
    """The entry of DATA_EXT for an extension: its name, or its number if the name is not enough."""
    names = [one.name for one in hdus]
    return str(hdu.name) if hdu.name and hdu is not hdus[0] and names.count(hdu.name) == 1 else int(hdus.index(hdu))


def _chosen_data(path: Path, hdus: fits.HDUList, entry: Extension) -> Any:
    """The data that DATA_EXT names; if several cubes have this name, one must be chosen by its number."""
    same = [hdu for hdu in cubes(hdus) if hdu.name == str(entry.name).upper()]
    if len(same) > 1:
        raise _several_cubes(path, hdus, same, UNKNOWN)
    return same[0] if same else _named(path, hdus, entry, None)


def _named(path: Path, hdus: fits.HDUList, entry: Extension | None, data: Any) -> Any:
    """The extension that an entry of DATA_EXT names, None for ''; of several with a name, that of the data."""
    if entry is None or entry.name == '':
        return None
    if data is not None and (own := _beside(hdus, data).get(str(entry.name).upper())) is not None and own.name:
        return own
    try:
        return hdus[entry.name]
    except (KeyError, IndexError):
        listing = _listing(hdus)
        raise InputError(f'{path.name}: no extension {entry.name!r}; extensions are {listing}: set DATA_EXT') from None


def _listing(hdus: fits.HDUList) -> str:
    return ', '.join(hdu.name or f'{number} (without a name)' for number, hdu in enumerate(hdus))


def _check_axes(path: Path, hdus: fits.HDUList, data: Any) -> None:
    if not data.is_image or not is_cube(data.shape):
        shape = ' x '.join(str(length) for length in data.shape) if data.is_image and data.shape else 'no array'
        raise InputError(
            f'{path.name}: extension {label(hdus, data)} holds {shape}; expected three axes (wavelength, y, x): set '
            'DATA_EXT'
        )


def _check_layer(path: Path, hdus: fits.HDUList, data: Any, hdu: Any, axes: Sequence[int]) -> None:
    """Refuse noise or flags that cannot be those of the data."""
    if hdu.is_image and hdu.shape and stored_part(hdu.shape, data.shape, axes):
        return
    shape = ' x '.join(map(str, hdu.shape)) if hdu.is_image and hdu.shape else 'no array'
    names = f'extension {label(hdus, hdu)} has another shape ({shape}) than {label(hdus, data)}'
    expected = "expected that of the data, of one of their images, or of a spectrum: set DATA_EXT ('' for none)"
    raise InputError(f'{path.name}: {names}; {expected}')


def stored_part(shape: Sequence[int], data_shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """The axes of the stored data that a layer with this shape has, in their order; () if it does not fit.

    A layer has all axes of the data, those of the sky (a value per spaxel) or that of wavelength (one per channel).

    Parameters
    ----------
    shape, data_shape : sequence of int
        Of the stored arrays.
    axes : sequence of int
        The data's FITS axes of longitude, latitude and wavelength.
    """
    if tuple(shape) == tuple(data_shape):
        return tuple(range(len(data_shape)))
    wave, *sky = array_axes(axes, len(data_shape))
    for part in (tuple(sorted(sky)), (wave,)):
        lengths = [data_shape[axis] for axis in part if data_shape[axis] > 1]
        if lengths and lengths == [length for length in shape if length > 1]:
            return part
    return ()


# --- Data ---


def _data(path: Path, hdus: fits.HDUList, instrument: Instrument, warnings: list[str]) -> Any:
    """The extension with the data; a warning is added where this is a guess."""
    candidates = next(filter(None, _data_candidates(hdus, instrument)), [])
    if len(candidates) > 1:
        raise _several_cubes(path, hdus, candidates, instrument)
    if candidates:
        return candidates[0]
    left = [hdu for hdu in cubes(hdus) if not _plays_another_part(hdu.name)]
    if left:
        if len(left) > 2 or any(hdu.name for hdu in left[1:]):
            confirm = f'confirm with DATA_EXT = {_entry(hdus, left[0])!r}, or name another'
            guess = f'{label(hdus, left[0])} is taken for the data, which is a guess'
            warnings.append(f'{path.name}: {guess}; extensions are {_listing(hdus)}: {confirm}')
        return left[0]
    if len(hdus) == 1:
        return hdus[0]
    for name in ('DATA', 'SCI'):
        for hdu in hdus:
            if hdu.name == name and hdu.is_image and hdu.shape:
                return hdu
    raise InputError(f"{path.name}: no data in extension 'DATA'; extensions are {_listing(hdus)}: set DATA_EXT")


def _several_cubes(path: Path, hdus: fits.HDUList, candidates: Sequence[Any], instrument: Instrument) -> InputError:
    """The error if several cubes may be the data."""
    names = ', '.join(_unique_label(hdus, hdu) for hdu in candidates)
    noise = _partner(hdus, candidates[0], (instrument.noise, *NOISE_NAMES), 'ERRDATA', 'ERREXT')
    example = ', '.join(repr(_entry(hdus, hdu)) for hdu in (candidates[0], noise) if hdu is not None)
    return InputError(f'{path.name}: holds {len(candidates)} cubes: {names}; choose one, as in DATA_EXT = {example}')


def _data_candidates(hdus: fits.HDUList, instrument: Instrument) -> Iterator[list[Any]]:
    """Lists of extensions that may hold the data, the surest way to recognise them first."""
    there = cubes(hdus)
    if instrument.data:
        names = [FIRST if hdu is hdus[0] else hdu.name for hdu in there]
        yield [hdu for hdu, name in zip(there, names, strict=True) if re.fullmatch(instrument.data, name)]
    pointer = str(hdus[0].header.get('FLUXEXT', '')).strip().upper()
    yield [hdu for hdu in there if pointer and hdu.name == pointer]
    for name in DATA_NAMES:
        yield [hdu for hdu in there if hdu.name == name]
    yield [hdu for hdu in there if WITH_PREFIX.fullmatch(hdu.name)]
    yield [hdu for hdu in there if _declares_data(hdu)]


def _declares_data(hdu: Any) -> bool:
    # MPDAF copies all cards of the data to the variance, which then names itself as its noise.
    partners = [str(hdu.header.get(card, hdu.name)).strip().upper() for card in ('ERRDATA', 'QUALDATA')]
    is_data = str(hdu.header.get('HDUCLAS2', '')).strip().upper() == 'DATA'
    return is_data and any(partner != hdu.name for partner in partners)


def _plays_another_part(name: str) -> bool:
    return bool(looks_like_flags(name) or looks_like_noise(name) or NOT_DATA.fullmatch(name.upper()))


# --- Extensions that belong to the data ---


def _partner(hdus: fits.HDUList, data: Any, names: Sequence[str], card: str, primary_card: str) -> Any:
    """The noise or flags of the data: the extension that a card names, else the first of some names that is there.

    The cards are ``card`` of the data and ``primary_card`` of the first extension. The extension may have fewer axes
    than the data (see `stored_part`). A name counts with the prefix that extensions share with the data (RED_ of
    RED_DATA), or after the data's own. Of several extensions with this name, the one in `_beside` is meant.
    """
    there = _beside(hdus, data)
    pointers = [
        str(value).strip().upper() for value in (data.header.get(card), hdus[0].header.get(primary_card)) if value
    ]
    wanted = [pointer for pointer in pointers if pointer != data.name]
    wanted += [_prefix(data.name) + name for name in names if name]
    if data.name and data.name != FIRST:
        wanted += [f'{data.name}_{name}' for name in names if name]
    return next((there[name] for name in wanted if name in there), None)


def _beside(hdus: fits.HDUList, data: Any) -> dict[str, Any]:
    """The other arrays by their names, or their numbers if they have none.

    Of several with a name, one with the EXTVER of the data is preferred, then one of their shape, then the next one
    behind them. Arrays that belong to another array with the name of the data are left out.
    """
    place = hdus.index(data)
    others = [hdu for hdu in hdus if hdu is not data and hdu.is_image and hdu.shape and _owner(hdus, hdu, data) is data]
    # From the worst to the best, because the dictionary keeps the last one of a name.
    others.sort(
        key=lambda hdu: (
            hdu.ver == data.ver,
            hdu.shape == data.shape,
            hdus.index(hdu) > place,
            -abs(hdus.index(hdu) - place),
        )
    )
    there = {hdu.name: hdu for hdu in others if hdu.name}
    return there | {str(hdus.index(hdu)): hdu for hdu in others if not hdu.name}


def _owner(hdus: fits.HDUList, layer: Any, data: Any) -> Any:
    """To which of the arrays with the name of the data a layer belongs: by its shape, its EXTVER, or its place."""
    same = [hdu for hdu in hdus if hdu.name == data.name and hdu.is_image and hdu.shape]
    if len(same) < 2 or not data.name or not layer.name or layer.name == data.name:
        return data
    layers = [hdu for hdu in hdus if hdu.name == layer.name]
    same = [hdu for hdu in same if hdu.shape == layer.shape] or same
    versions = [hdu.ver for hdu in same]
    if 'EXTVER' in layer.header and versions.count(layer.ver) == 1:
        return same[versions.index(layer.ver)]
    if len(layers) == len(same):
        return same[layers.index(layer)]
    before = [hdu for hdu in same if hdus.index(hdu) < hdus.index(layer)]
    return (before or same[:1])[-1]


def _prefix(name: str) -> str:
    """The prefix that the names of a cube's extensions share: RED_ of RED_DATA."""
    match = WITH_PREFIX.fullmatch(name)
    return match[1] if match else ''


def _noise(path: Path, hdus: fits.HDUList, data: Any, instrument: Instrument, warnings: list[str]) -> Any:
    """The extension with the noise, None where there is none; a warning is added where it is a guess."""
    noise = _partner(hdus, data, (instrument.noise, *NOISE_NAMES), 'ERRDATA', 'ERREXT')
    others = [hdu for hdu in cubes(hdus) if hdu is not data]
    if noise is not None or len(others) != 1:
        return noise
    # Where extensions have no names, the only other one shaped like the data may be the noise.
    if others[0].name or others[0].shape != data.shape or others[0].header['BITPIX'] > 0:
        return None
    first, second = _entry(hdus, data), _entry(hdus, others[0])
    warnings.append(
        f'{path.name}: {label(hdus, others[0])}, which has no name, is taken for the noise, which is a guess: '
        f"confirm with DATA_EXT = {first!r}, {second!r}, or set {first!r}, '' if it is not noise"
    )
    return others[0]


def _response(hdus: fits.HDUList, data: Any, instrument: Instrument) -> Any:
    """The spectrum that the data must be multiplied by, None where there is none."""
    name = _prefix(data.name) + instrument.response
    return next((hdu for hdu in hdus if instrument.response and hdu.name == name and hdu.is_image), None)


def _with_files_beside(path: Path, extensions: Extensions, files: ExitStack) -> Extensions:
    """With variance and flags from files of their own, where they exist, as the IDL pipeline of KCWI writes them."""
    pattern, *replacements = extensions.instrument.beside or ('',)
    match = re.fullmatch(pattern, path.name)
    if match is None or not replacements:
        return extensions
    noise_path, flags_path = (path.with_name(match.expand(name)) for name in replacements)
    noise, flags = (_opened_beside(one, path, extensions.data.shape, files) for one in (noise_path, flags_path))
    if noise is not None:
        extensions = replace(extensions, noise=noise, noise_path=noise_path, noise_why='beside the data')
    if flags is not None and extensions.flags is None:
        extensions = replace(extensions, flags=flags, flags_path=flags_path)
    return extensions


def _opened_beside(path: Path, data_path: Path, shape: tuple[int, ...], files: ExitStack) -> Any:
    """The cube in a file that belongs to another one by its name, None if there is no such file."""
    if not path.is_file():
        return None
    hdu = next(iter(cubes(files.enter_context(open_fits(path, 'not a readable FITS cube')))), None)
    if hdu is None or hdu.shape != shape:
        raise InputError(
            f'{path.name}: has another shape than {data_path.name}, to which it belongs by its name; move it away'
        )
    return hdu


# --- What the numbers mean ---


def _kind(path: Path, hdus: fits.HDUList, data: Any, noise: Any, instrument: Instrument) -> tuple[NoiseKind, str]:
    """How the noise is stored, and how this is known; raises `InputError` if it is not."""
    by_card, _ = declared(noise.header, hdus[0].header)
    if by_card is None and instrument.kind and noise.name == f'{_prefix(data.name)}{instrument.noise}':
        return instrument.kind, f'as {instrument.name} has it'
    kind, why = noise_kind(noise.header, hdus[0].header, data.header)
    if kind is not None:
        return kind, why
    unit = str(noise.header.get('BUNIT', '')).strip()
    known = f'BUNIT = {unit!r}' if unit else 'it has no BUNIT'
    entry = _entry(hdus, noise)
    raise InputError(
        f'{path.name}: whether {label(hdus, noise)} is variance or sigma cannot be told from its name and unit '
        f"({known}); state it in DATA_EXT, as in DATA_EXT = {_entry(hdus, data)!r}, '{entry}: variance', or "
        f"'{entry}: sigma', '{entry}: inverse variance'"
    )


def _unused_noise(hdus: fits.HDUList, data: Any, axes: Sequence[int]) -> str:
    """A hint if the file has an extension that might be noise, or names one that is missing; else ''."""
    candidates = []
    for hdu in hdus:
        fits_data = hdu is not data and hdu.is_image and hdu.shape and stored_part(hdu.shape, data.shape, axes)
        if fits_data and not looks_like_flags(hdu.name):
            kind, why = noise_kind(hdu.header, {}, data.header)
            # Models and other fluxes have the unit of the data as well.
            if looks_like_noise(hdu.name) or (kind and not (kind is NoiseKind.SIGMA and why == BY_UNIT)):
                candidates.append((hdu, kind))
    if candidates:
        # Weights come last: they may be exposure times.
        hdu, kind = min(candidates, key=lambda one: (one[0].shape != data.shape, bool(WEIGHT.search(one[0].name))))
        entry, way_out = _entry(hdus, hdu), f'DATA_EXT = {_entry(hdus, data)!r}, '
        if kind is not None:
            return f'{label(hdus, hdu)} looks like {kind}: use it with {way_out}{entry!r}'
        return f"{label(hdus, hdu)} looks like noise: use it with {way_out}'{entry}: sigma' (or '{entry}: variance')"
    name = str(data.header.get('ERRDATA') or hdus[0].header.get('ERREXT') or '').strip()
    if name and name.upper() not in [hdu.name for hdu in hdus]:
        return f'its header says that it is in {name} (ERRDATA), which is missing: truncated, or written without it'
    return ''


def flag_rule(header: Mapping[str, Any], data_header: Mapping[str, Any], instrument: Instrument) -> FlagRule:
    """Which flags are bad, according to their header, the name of their definition (MaNGA) or the instrument.

    ESO's HDUCLAS3 distinguishes bit masks (FLAG32BIT), masks that are 0 where the data are good (MASKZERO) and masks
    that are 1 there (MASKONE); QUALMASK has the bits that make a voxel bad.

    Parameters
    ----------
    header, data_header : mapping
        Of the extensions with flags and data; the latter with the cards of the first extension too.
    instrument : Instrument
        Its entry in the table.
    """
    if _text(header, 'HDUCLAS2') == 'QUALITY':
        if _text(header, 'HDUCLAS3') == 'MASKONE':
            return FlagRule(zero_is_bad=True)
        if 'QUALMASK' in header:
            return FlagRule(_bits_of_card(header['QUALMASK']))
    definition = _text(header, 'MASKNAME') or _text(data_header, 'MASKNAME')
    if definition:
        return FlagRule.of_bits(FLAG_DEFINITIONS.get(definition, ()))
    if _text(header, 'EXTNAME') != (instrument.flags if not instrument.flags.isdecimal() else ''):
        return FlagRule()
    return FlagRule.of_bits(instrument.bits) if not instrument.zero_is_bad else FlagRule(zero_is_bad=True)


def _text(header: Mapping[str, Any], card: str) -> str:
    return str(header.get(card, '')).strip().upper()


def _bits_of_card(value: Any) -> int:
    """QUALMASK as a number; 0 stands for any bit and is used if the card is not a number."""
    try:
        number = int(str(value), 0)
    except ValueError:
        return 0
    return 0 if number in ALL_BITS or number < 0 else number
