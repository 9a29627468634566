"""Finds the extensions of a file with data, noise and flags, and tells what the numbers in them
mean.

The parameter DATA_EXT counts first, then the instrument's entry in the table, cards that name other
extensions, and the names of extensions. What is guessed is a warning, and what cannot be told is
asked for.
"""

from __future__ import annotations

import re
import warnings as python_warnings
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astropy import units
from astropy.io import fits

from autospec_lib.core.errors import InputError
from autospec_lib.core.noise_kind import Extension, NoiseKind
from autospec_lib.inputs.coordinates import find_axes
from autospec_lib.inputs.fits_arrays import FileError, Layer, card_text, open_fits, spread_shape
from autospec_lib.inputs.instruments import FIRST, FLAG_DEFINITIONS, UNKNOWN, Instrument, recognise
from autospec_lib.inputs.units import parsed

DATA_NAMES = 'DATA SCI FLUX SPECTRUM SPEC SCIENCE INTENSITY'.split()
NOISE_NAMES = """
    STAT VAR VARIANCE ERR ERROR ERRORS UNCERT UNCERTAINTY SIG SIGMA NOISE STD STDDEV STDEV STDERR RMS IVAR INVVAR
    INV_VAR INVERSE_VARIANCE
""".split()
FLAG_NAMES = 'DQ MASK BADPIX BPM DQI QUALITY'.split()
NOT_DATA = re.compile(
    r'WAVE|LAMBDA|LAM|DISP|SPECRES\w*|LSF\w*|COV\w*|COUNTS?|EXP\w*|FIBCOVER', re.IGNORECASE
)
WITH_PREFIX = re.compile(rf'(.*[_.])({"|".join(DATA_NAMES)})')
ALL_BITS = (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
# What headers declare: ESO's HDUCLAS3, JWST's ERRTYPE, astropy's UTYPE.
DECLARED = {
    'MSE': NoiseKind.VARIANCE,
    'RMSE': NoiseKind.SIGMA,
    'INVMSE': NoiseKind.INVERSE_VARIANCE,
    'INVRMSE': NoiseKind.INVERSE_SIGMA,
    'VAR': NoiseKind.VARIANCE,
    'ERR': NoiseKind.SIGMA,
    'IVAR': NoiseKind.INVERSE_VARIANCE,
    'IERR': NoiseKind.INVERSE_SIGMA,
    'VARIANCEUNCERTAINTY': NoiseKind.VARIANCE,
    'STDDEVUNCERTAINTY': NoiseKind.SIGMA,
    'INVERSEVARIANCE': NoiseKind.INVERSE_VARIANCE,
}
# Parts of extensions' names; the first that occurs counts.
WEIGHT = re.compile(r'WEIGHT|WHT|WGT')
PARTS_OF_NAMES = {
    re.compile(r'IVAR|INV\w*VAR|VAR(IANCE)?_?INV(ERSE)?'): NoiseKind.INVERSE_VARIANCE,
    re.compile(r'INV\w*(ERR|SIG|STD|RMS)|(?<![A-Z])I(ERR|SIG|STD)'): NoiseKind.INVERSE_SIGMA,
    re.compile(r'(?<!CO)VAR|(?<![A-Z])STATS?(?![A-Z])'): NoiseKind.VARIANCE,
    re.compile(
        r'ERR|NOISE|UNCERT|(?<![A-Z])UNC(?![A-Z])|STD|STDEV|SIGMA|(?<![A-Z])SIG(?![A-Z])|RMS(?![A-Z])'
    ): NoiseKind.SIGMA,
}
# With one of these words a name says that the array is a function of the noise.
FUNCTION = re.compile(
    r'SQRT|ROOT|(?<![A-Z])LO?[GN](?![A-Z])|LOG10|(?<![A-Z])(LOG|LN)(?=VAR|ERR|SIG|NOISE|STD|RMS)|LOG$|(?<![A-Z])REL|'
    r'FRAC|RATIO|PERC|PCT|(?<![A-Z])MAG|1/|(?<![A-Z])(ONE_)?OVER(?![A-Z])'
)
# ERR2 and SIGMA_SQ may be a variance, or the second of two extensions
SQUARED = re.compile(
    r'(2|SQ|SQUARED?)$|(?<![A-Z])SQ(UARED?)?(?![A-Z])|(?<![A-Z])SQ(?=ERR|SIG|NOISE|STD)'
)
FLAGS = re.compile(r'(?<![A-Z])(DQI?|BPM|BADPIX|MASK|QUALITY|FLAGS?)(?![A-Z])', re.IGNORECASE)
OF_POWER = {
    1: NoiseKind.SIGMA,
    2: NoiseKind.VARIANCE,
    -2: NoiseKind.INVERSE_VARIANCE,
    -1: NoiseKind.INVERSE_SIGMA,
}
TEXT_OF_POWER = re.compile(r'\((.*)\)\s*(?:\*\*|\^)\s*\(?([+-]?\d)\)?')
BY_UNIT = 'by its unit'
SAME_SCALE = 1e-4  # relative


@dataclass(frozen=True)
class FlagRule:
    """A voxel is bad where its flags have one of ``bits`` (0 = any), or are 0 where ``zero_is_bad``
    is true."""

    bits: int = 0
    zero_is_bad: bool = False

    def __str__(self) -> str:
        """The rule in words, for messages."""
        if self.zero_is_bad:
            return '0 is bad'
        *others, last = [str(bit) for bit in range(64) if self.bits >> bit & 1] or ['']
        if others:
            return f'bits {", ".join(others)} and {last} are bad'
        return f'bit {last} is bad' if last else 'any but 0 is bad'


@dataclass(frozen=True)
class Extensions:
    """The extensions of a cube (None = there is none), and what is known of them.

    Attributes
    ----------
    instrument, why : Instrument, str
        The instrument, and the cards or the parameter that show it.
    axes : tuple of int
        The FITS axes of the data that are longitude, latitude and wavelength.
    data, noise, flags : Layer, Layer or None
        The arrays.
    response : HDU or None
        A spectrum by which the data are multiplied.
    noise_kind, noise_why : NoiseKind, str
        How the noise is stored, and how this is known.
    flag_rule : FlagRule
        Which flags are bad.
    entries : tuple of int or str
        What DATA_EXT is to be to name data, noise and flags, '' for none.
    warnings : tuple of str
        One line each.
    """

    instrument: Instrument
    why: str
    axes: tuple[int, ...]
    data: Layer
    noise: Layer | None
    flags: Layer | None
    response: Any
    noise_kind: NoiseKind
    noise_why: str
    flag_rule: FlagRule
    entries: tuple[int | str, ...]
    warnings: tuple[str, ...]


def choose(
    path: Path, hdus: fits.HDUList, entries: Sequence[Extension], files: ExitStack
) -> Extensions:
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
        If they are not there, have other shapes than the cube, or if it is not known how the noise
        is stored.
    """
    # Astropy reads all headers now, and not only those up to an extension that is asked for.
    number = len(hdus)
    if not any(hdus[place].is_image and hdus[place].shape for place in range(number)):
        raise FileError('truncated, or no cube: no extension in it holds an array; copy it again')
    instrument, why = recognise([hdu.header for hdu in hdus])
    warnings: list[str] = []
    data, noise, flags, axes = _arrays(hdus, entries, instrument, warnings)
    if entries:
        why = 'as DATA_EXT says'
    noise_layer, flags_layer = (
        None if hdu is None else Layer(path, hdu, label(hdus, hdu)) for hdu in (noise, flags)
    )
    kind, noise_why = entries[1].kind if len(entries) > 1 else None, why
    if noise is not None and kind is None:
        kind, noise_why = noise_kind(noise, data, hdus[0].header, instrument)
        if kind is None:
            raise _unknown_kind(hdus, data, noise)
    if noise is None and not entries:
        beside = _files_beside(path, instrument, data.shape, files)
        noise_layer, flags_layer = next(beside), flags_layer or next(beside)
        noise_why = 'beside the data'
    kind = kind or NoiseKind.VARIANCE
    if noise_layer is not None:
        scale, note = noise_scale(noise_layer.hdu, data, kind)
        noise_layer = replace(noise_layer, scale=scale)
    else:
        # There is no hint if the user has asked for no noise (DATA_EXT = 'DATA', '').
        hint = '' if len(entries) > 1 else _unused_noise(hdus, data, axes)
        note = 'no variance: weights are those of equal noise, and no errors are written'
        if hint:
            note = f'{note}; {hint}'
    if note:
        warnings.append(note)
    rule = FlagRule()
    if any(entry.zero_is_bad for entry in entries):
        rule = FlagRule(zero_is_bad=True)
    elif flags is not None:
        rule = flag_rule(flags.header, ChainMap(data.header, hdus[0].header), instrument)
    name = _prefix(data.name) + instrument.response
    response = next(
        (hdu for hdu in hdus if instrument.response and hdu.name == name and hdu.is_image), None
    )
    length = data.shape[-axes[2]]
    if response is not None and response.shape != (length,):
        raise FileError(
            f'{response.name} has {response.shape} values for {length} wavelengths; correct it, or remove '
            'it to keep counts'
        )
    return Extensions(
        instrument,
        why,
        axes,
        Layer(path, data, label(hdus, data)),
        noise_layer,
        flags_layer,
        response,
        kind,
        noise_why,
        rule,
        tuple('' if hdu is None else _entry(hdus, hdu) for hdu in (data, noise, flags)),
        tuple(warnings),
    )


def _arrays(
    hdus: fits.HDUList, entries: Sequence[Extension], instrument: Instrument, warnings: list[str]
) -> tuple[Any, Any, Any, tuple[int, ...]]:
    """The extensions with data, noise and flags in this file, and the axes of the data; a warning
    for each guess."""
    first, second, third = (*entries, None, None, None)[:3]
    data = _data(hdus, instrument, warnings) if first is None else _named(hdus, first)
    if data not in cubes(hdus):
        raise FileError(
            f'extension {label(hdus, data)} holds {_shape(data)}; expected three axes (wavelength, y, x): set DATA_EXT'
        )
    if first is None:
        noise = _partner(hdus, data, (instrument.noise, *NOISE_NAMES), 'ERRDATA', 'ERREXT')
        # Where extensions have no names, the only other one shaped like the data may be the noise.
        others = [hdu for hdu in cubes(hdus) if hdu is not data]
        unnamed = [
            hdu
            for hdu in others
            if not hdu.name and hdu.shape == data.shape and hdu.header['BITPIX'] < 0
        ]
        if noise is None and len(others) == len(unnamed) == 1:
            (noise,) = unnamed
            own, other = _entry(hdus, data), _entry(hdus, noise)
            warnings.append(
                f'{label(hdus, noise)}, which has no name, is taken for the noise, which is a guess: '
                f"confirm with DATA_EXT = {own!r}, {other!r}, or set {own!r}, '' if it is not noise"
            )
    else:
        noise = _named(hdus, second, data)
    if third is None:
        flags = _partner(hdus, data, (instrument.flags, *FLAG_NAMES), 'QUALDATA', 'MASKEXT')
    else:
        flags = _named(hdus, third, data)
    axes = find_axes(label(hdus, data), data.header, data.shape, spectral=True)
    for hdu in (noise, flags):
        if hdu is not None and not spread_shape(hdu, data, axes):
            names = f'extension {label(hdus, hdu)} has another shape ({_shape(hdu)}) than {label(hdus, data)}'
            expected = "expected that of the data, of one of their images, or of a spectrum: set DATA_EXT ('' for none)"
            raise FileError(f'{names}; {expected}')
    return data, noise, flags, axes


def label(hdus: fits.HDUList, hdu: Any) -> str:
    """What an extension is called in messages."""
    return str(hdu.name or f'extension {hdus.index(hdu)}')


def cubes(hdus: Iterable[Any]) -> list[Any]:
    """The extensions with three axes, apart from axes of length 1."""
    return [
        hdu
        for hdu in hdus
        if hdu.is_image and len(hdu.shape) >= 3 and hdu.shape.count(1) >= len(hdu.shape) - 3
    ]


def _entry(hdus: fits.HDUList, hdu: Any) -> int | str:
    """The entry of DATA_EXT for an extension: its name, or its number if the name is not enough."""
    names = [one.name for one in hdus]
    return (
        str(hdu.name)
        if hdu.name and hdu is not hdus[0] and names.count(hdu.name) == 1
        else int(hdus.index(hdu))
    )


def _named(hdus: fits.HDUList, entry: Extension | None, data: Any = None) -> Any:
    """The extension that an entry of DATA_EXT names, None for ''.

    Of several with a name, that of ``data`` is meant. If these are looked for, and several cubes
    have the name, one must be chosen by its number.
    """
    if entry is None or entry.name == '':
        return None
    name = str(entry.name).upper()
    there = cubes(hdus) if data is None else _beside(hdus, data).values()
    same = [hdu for hdu in there if hdu.name == name]
    if data is None and len(same) > 1:
        raise _several_cubes(hdus, same, UNKNOWN)
    if same:
        return same[0]
    try:
        return hdus[entry.name]
    except (KeyError, IndexError):
        listing = _listing(hdus)
        raise FileError(
            f'no extension {entry.name!r}; extensions are {listing}: set DATA_EXT'
        ) from None


def _shape(hdu: Any) -> str:
    """The shape of an extension's array in words."""
    return ' x '.join(map(str, hdu.shape)) if hdu.is_image and hdu.shape else 'no array'


def _listing(hdus: fits.HDUList) -> str:
    return ', '.join(hdu.name or f'{number} (without a name)' for number, hdu in enumerate(hdus))


# --- Data ---


def _data(hdus: fits.HDUList, instrument: Instrument, warnings: list[str]) -> Any:
    """The extension with the data; a warning is added where this is a guess."""
    there = cubes(hdus)
    # Lists of extensions that may hold the data, the surest way to recognise them first.
    pattern = instrument.data or '(?!)'  # which nothing matches
    options = [
        [hdu for hdu in there if re.fullmatch(pattern, FIRST if hdu is hdus[0] else hdu.name)]
    ]
    for name in (card_text(hdus[0].header, 'FLUXEXT').upper(), *DATA_NAMES):
        options.append([hdu for hdu in there if name and hdu.name == name])
    options.append([hdu for hdu in there if WITH_PREFIX.fullmatch(hdu.name)])
    # MPDAF copies all cards of the data to the variance, which then names itself as its noise.
    options.append(
        [
            hdu
            for hdu in there
            if card_text(hdu.header, 'HDUCLAS2').upper() == 'DATA'
            and {card_text(hdu.header, card).upper() for card in ('ERRDATA', 'QUALDATA')}
            - {'', hdu.name}
        ]
    )
    candidates = next(filter(None, options), [])
    if len(candidates) > 1:
        raise _several_cubes(hdus, candidates, instrument)
    if candidates:
        return candidates[0]
    left = [
        hdu
        for hdu in there
        if not (
            FLAGS.search(hdu.name) or looks_like_noise(hdu.name) or NOT_DATA.fullmatch(hdu.name)
        )
    ]
    if left:
        if len(left) > 2 or any(hdu.name for hdu in left[1:]):
            confirm = f'confirm with DATA_EXT = {_entry(hdus, left[0])!r}, or name another'
            guess = f'{label(hdus, left[0])} is taken for the data, which is a guess'
            warnings.append(f'{guess}; extensions are {_listing(hdus)}: {confirm}')
        return left[0]
    # No cube: what is named like one is found to have too few axes.
    named = [
        hdu
        for name in ('DATA', 'SCI')
        for hdu in hdus
        if hdu.name == name and hdu.is_image and hdu.shape
    ]
    if len(hdus) > 1 and not named:
        raise FileError(
            f"no data in extension 'DATA'; extensions are {_listing(hdus)}: set DATA_EXT"
        )
    return hdus[0] if len(hdus) == 1 else named[0]


def _several_cubes(
    hdus: fits.HDUList, candidates: Sequence[Any], instrument: Instrument
) -> FileError:
    """The error if several cubes may be the data."""
    names = [
        label(hdus, hdu)
        if not hdu.name or isinstance(_entry(hdus, hdu), str)
        else f'{hdu.name} (extension {hdus.index(hdu)})'
        for hdu in candidates
    ]
    noise = _partner(hdus, candidates[0], (instrument.noise, *NOISE_NAMES), 'ERRDATA', 'ERREXT')
    example = ', '.join(
        repr(_entry(hdus, hdu)) for hdu in (candidates[0], noise) if hdu is not None
    )
    what = f'holds {len(candidates)} cubes: {", ".join(names)}'
    return FileError(f'{what}; choose one, as in DATA_EXT = {example}')


# --- Extensions that belong to the data ---


def _partner(
    hdus: fits.HDUList, data: Any, names: Sequence[str], card: str, primary_card: str
) -> Any:
    """The noise or flags of the data: the extension that a card names, else the first of some names
    that is there.

    The cards are ``card`` of the data and ``primary_card`` of the first extension. The extension
    may have fewer axes than the data (see `spread_shape`). A name counts with the prefix that
    extensions share with the data (RED_ of RED_DATA), or after the data's own. Of several
    extensions with this name, the one in `_beside` is meant.
    """
    there = _beside(hdus, data)
    pointers = card_text(data.header, card).upper(), card_text(hdus[0].header, primary_card).upper()
    wanted = [pointer for pointer in pointers if pointer not in ('', data.name)]
    wanted += [_prefix(data.name) + name for name in names if name]
    if data.name and data.name != FIRST:
        wanted += [f'{data.name}_{name}' for name in names if name]
    return next((there[name] for name in wanted if name in there), None)


def _beside(hdus: fits.HDUList, data: Any) -> dict[str, Any]:
    """The other arrays by their names, or their numbers if they have none.

    Of several with a name, one with the EXTVER of the data is preferred, then one of their shape,
    then the next one behind them. If several arrays have the name of the data, each other one
    belongs to one of them: by its shape, its EXTVER, or its place. Those that do not belong to the
    data are left out.
    """
    place = hdus.index(data)
    arrays = [hdu for hdu in hdus if hdu.is_image and hdu.shape]
    namesakes = [hdu for hdu in arrays if hdu.name == data.name]
    ranks = []
    for layer in arrays:
        number, owner = hdus.index(layer), data
        behind = number - place
        if len(namesakes) > 1 and data.name and layer.name not in ('', data.name):
            layers = [hdu for hdu in hdus if hdu.name == layer.name]
            same = [hdu for hdu in namesakes if hdu.shape == layer.shape] or namesakes
            versions = [hdu.ver for hdu in same]
            if 'EXTVER' in layer.header and versions.count(layer.ver) == 1:
                owner = same[versions.index(layer.ver)]
            elif len(layers) == len(same):
                owner = same[layers.index(layer)]
            else:
                owner = [same[0], *(hdu for hdu in same if hdus.index(hdu) < number)][-1]
        if layer is not data and owner is data:
            ranks.append(
                (layer.ver == data.ver, layer.shape == data.shape, behind > 0, -abs(behind), number)
            )
    # From the worst to the best, because the dictionary keeps the last one of a name.
    return {hdus[number].name or str(number): hdus[number] for *_, number in sorted(ranks)}


def _prefix(name: str) -> str:
    """The prefix that the names of a cube's extensions share: RED_ of RED_DATA."""
    match = WITH_PREFIX.fullmatch(name)
    return match[1] if match else ''


def _files_beside(
    path: Path, instrument: Instrument, shape: tuple[int, ...], files: ExitStack
) -> Iterator[Layer | None]:
    """Variance and flags in files of their own, as the IDL pipeline of KCWI writes them; None for
    each that is not."""
    pattern, *replacements = instrument.beside or ('', '', '')
    match = re.fullmatch(pattern, path.name)
    for name in replacements:
        beside = path.with_name(match.expand(name)) if match else path
        if beside == path or not beside.is_file():
            yield None
            continue
        hdu = next(
            iter(cubes(files.enter_context(open_fits(beside, 'not a readable FITS cube')))), None
        )
        if hdu is None or hdu.shape != shape:
            raise InputError(
                f'{beside.name}: has another shape than {path.name}, to which it belongs by its name; move it away'
            )
        yield Layer(beside, hdu, beside.name)


# --- What the numbers mean ---


def _unknown_kind(hdus: fits.HDUList, data: Any, noise: Any) -> FileError:
    """The error if it is not known how the noise is stored."""
    unit = card_text(noise.header, 'BUNIT')
    known = f'BUNIT = {unit!r}' if unit else 'it has no BUNIT'
    entry = _entry(hdus, noise)
    return FileError(
        f'whether {label(hdus, noise)} is variance or sigma cannot be told from its name and unit '
        f"({known}); state it in DATA_EXT, as in DATA_EXT = {_entry(hdus, data)!r}, '{entry}: variance', or "
        f"'{entry}: sigma', '{entry}: inverse variance'"
    )


def noise_kind(
    noise: Any, data: Any, primary: Mapping[str, Any], instrument: Instrument = UNKNOWN
) -> tuple[NoiseKind | None, str]:
    """How an extension stores noise.

    What the file declares counts first, then the table of instruments, the extension's name, and
    its unit in comparison with that of the data. Exact names (VAR, STAT, IVAR) count whatever the
    unit is. Other names (ERR, WEIGHT), which may stand for noise of any kind, must not contradict
    the unit; but the unit of the data itself, which is often copied with the rest of the header, is
    no contradiction.

    Parameters
    ----------
    noise, data : HDU
        The extension, and that with the data.
    primary : mapping
        The header of the first extension.
    instrument : Instrument
        Its entry in the table.

    Returns
    -------
    NoiseKind or None
        None if it cannot be told.
    str
        How it is known, '' if it is not.
    """
    header, name = noise.header, noise.name.upper()
    cards = [('ERRTYPE', header), ('ERRTYPE', primary), ('UTYPE', header)]
    # MPDAF copies all cards of the data to the variance, HDUCLAS2 = DATA among them.
    if card_text(header, 'HDUCLAS2').upper() in ('', 'ERROR'):
        cards.insert(0, ('HDUCLAS3', header))
    for card, one in cards:
        kind = DECLARED.get(card_text(one, card).upper())
        if kind is not None:
            return kind, f'by its {card}'
    if instrument.kind and noise.name == f'{_prefix(data.name)}{instrument.noise}':
        return instrument.kind, f'as {instrument.name} has it'
    by_name, by_unit = kind_of_name(name), _kind_of_unit(header, data.header)
    if by_name is None:
        # The unit of the data is copied to what is called noise of unknown kind, and to flags.
        if (
            by_unit is None
            or FLAGS.search(name)
            or (by_unit is NoiseKind.SIGMA and looks_like_noise(name))
        ):
            return None, ''
        return by_unit, BY_UNIT
    exact = by_name in (NoiseKind.VARIANCE, NoiseKind.INVERSE_VARIANCE) and not WEIGHT.search(name)
    in_other_unit = WEIGHT.search(name) and by_unit is None and card_text(header, 'BUNIT')
    if not exact and (by_unit not in (None, NoiseKind.SIGMA, by_name) or in_other_unit):
        return None, ''
    return by_name, 'by its name'


def kind_of_name(name: str) -> NoiseKind | None:
    """The kind of noise that an extension's name stands for; None for none, or where its words
    contradict."""
    name = name.upper()
    if FLAGS.search(name) or FUNCTION.search(name):
        return None
    kinds = set()
    for part, kind in PARTS_OF_NAMES.items():
        if part.search(name):
            kinds.add(kind)
            name = part.sub(' ', name)  # IVAR is no VAR besides
    if WEIGHT.search(name):
        return None if kinds else NoiseKind.INVERSE_VARIANCE
    if len(kinds) != 1 or (NoiseKind.SIGMA in kinds and SQUARED.search(name)):
        return None
    return kinds.pop()


def looks_like_noise(name: str) -> bool:
    """Whether an extension's name is one of noise, of whatever kind."""
    return not FLAGS.search(name) and any(
        part.search(name.upper()) for part in (WEIGHT, *PARTS_OF_NAMES)
    )


def noise_scale(noise: Any, data: Any, kind: NoiseKind) -> tuple[float, str]:
    """What to multiply noise by if its unit has another scale than that of the data, and a line on
    it; else 1 and ''.

    Parameters
    ----------
    noise, data : HDU
        The extensions.
    kind : NoiseKind
        How the noise is stored.
    """
    own_text, data_text = (card_text(hdu.header, 'BUNIT') for hdu in (noise, data))
    own, flux = parsed(own_text), parsed(data_text)
    power = next(power for power, one in OF_POWER.items() if one is kind)
    # The unit of the data is copied to noise of any kind.
    if own is None or flux is None or not own.is_equivalent(flux**power):
        return 1.0, ''
    scale = float(own.to(flux**power))
    if abs(scale - 1) < SAME_SCALE:
        return 1.0, ''
    name = noise.name
    return (
        scale,
        f'{name} is in {own_text!r}, the data in {data_text!r}: {name} is multiplied by {scale:.6g}',
    )


def _kind_of_unit(header: Mapping[str, Any], data_header: Mapping[str, Any]) -> NoiseKind | None:
    own, flux = (card_text(one, 'BUNIT') for one in (header, data_header))
    own_unit, flux_unit = parsed(own), parsed(flux)
    if own_unit is not None and flux_unit is not None:
        if flux_unit == units.dimensionless_unscaled:
            return None
        with python_warnings.catch_warnings(action='ignore'):
            return next(
                (kind for power, kind in OF_POWER.items() if own_unit == flux_unit**power), None
            )
    # Units that astropy does not know are compared as text.
    if own == flux:
        return NoiseKind.SIGMA
    inverse = re.fullmatch(r'1\s*/\s*(.*)', own)
    power = TEXT_OF_POWER.fullmatch(inverse[1] if inverse else own)
    if power is None or power[1].strip() != flux:
        return None
    return OF_POWER.get(-int(power[2]) if inverse else int(power[2]))


def _unused_noise(hdus: fits.HDUList, data: Any, axes: Sequence[int]) -> str:
    """A hint if the file has an extension that might be noise, or names one that is missing; else
    ''."""
    candidates = []
    for hdu in hdus:
        if hdu is not data and spread_shape(hdu, data, axes) and not FLAGS.search(hdu.name):
            kind, why = noise_kind(hdu, data, {})
            # Models and other fluxes have the unit of the data as well.
            if looks_like_noise(hdu.name) or (
                kind and not (kind is NoiseKind.SIGMA and why == BY_UNIT)
            ):
                candidates.append((hdu, kind))
    if candidates:
        # Weights come last: they may be exposure times.
        hdu, kind = min(
            candidates,
            key=lambda one: (one[0].shape != data.shape, bool(WEIGHT.search(one[0].name))),
        )
        entry, way_out = _entry(hdus, hdu), f'DATA_EXT = {_entry(hdus, data)!r}, '
        if kind is not None:
            return f'{label(hdus, hdu)} looks like {kind.words}: use it with {way_out}{entry!r}'
        return f"{label(hdus, hdu)} looks like noise: use it with {way_out}'{entry}: sigma' (or '{entry}: variance')"
    name = card_text(data.header, 'ERRDATA') or card_text(hdus[0].header, 'ERREXT')
    if name and name.upper() not in [hdu.name for hdu in hdus]:
        return f'its header says that it is in {name} (ERRDATA), which is missing: truncated, or written without it'
    return ''


def flag_rule(
    header: Mapping[str, Any], data_header: Mapping[str, Any], instrument: Instrument
) -> FlagRule:
    """Which flags are bad, according to their header, the name of their definition (MaNGA) or the
    instrument.

    ESO's HDUCLAS3 distinguishes bit masks (FLAG32BIT), masks that are 0 where the data are good
    (MASKZERO) and masks that are 1 there (MASKONE); QUALMASK has the bits that make a voxel bad.

    Parameters
    ----------
    header, data_header : mapping
        Of the extensions with flags and data; the latter with the cards of the first extension too.
    instrument : Instrument
        Its entry in the table.
    """
    if card_text(header, 'HDUCLAS2').upper() == 'QUALITY':
        if card_text(header, 'HDUCLAS3').upper() == 'MASKONE':
            return FlagRule(zero_is_bad=True)
        if 'QUALMASK' in header:
            bits = 0
            with suppress(ValueError):  # it is not a number
                bits = int(str(header['QUALMASK']), 0)
            return FlagRule(bits) if bits > 0 and bits not in ALL_BITS else FlagRule()
    definition = card_text(header, 'MASKNAME').upper() or card_text(data_header, 'MASKNAME').upper()
    numbers, zero_is_bad = FLAG_DEFINITIONS.get(definition, ()), False
    name = '' if instrument.flags.isdecimal() else instrument.flags
    if not definition and card_text(header, 'EXTNAME').upper() == name:
        numbers, zero_is_bad = instrument.bits, instrument.zero_is_bad
    return FlagRule(sum(1 << number for number in numbers), zero_is_bad)
