"""The roles of a file's extensions (data, noise, flags), from cards that point at other extensions and from names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from autospec_lib.inputs.cubes.axis_order import is_cube
from autospec_lib.inputs.cubes.instruments import FIRST, Instrument
from autospec_lib.inputs.cubes.noise_kinds import looks_like_flags, looks_like_noise

DATA = ('DATA', 'SCI', 'FLUX', 'SPECTRUM', 'SPEC', 'SCIENCE', 'INTENSITY')
NOISE = (
    *('STAT', 'VAR', 'VARIANCE', 'ERR', 'ERROR', 'ERRORS', 'UNCERT', 'UNCERTAINTY', 'SIG', 'SIGMA', 'NOISE', 'STD'),
    *('STDDEV', 'STDEV', 'STDERR', 'RMS', 'IVAR', 'INVVAR', 'INV_VAR', 'INVERSE_VARIANCE'),
)
FLAGS = ('DQ', 'MASK', 'BADPIX', 'BPM', 'DQI', 'QUALITY')
NOT_DATA = re.compile(r'WAVE|LAMBDA|LAM|DISP|SPECRES\w*|LSF\w*|COV\w*|COUNTS?|EXP\w*|FIBCOVER')
PREFIXED = re.compile(rf'(.*[_.])({"|".join(DATA)})')


@dataclass(frozen=True)
class Choice:
    """Extensions that may hold the data, the best first; ``sure`` if the choice is not a guess."""

    hdus: tuple[Any, ...]
    sure: bool = True


def cubes(hdus: Iterable[Any]) -> list[Any]:
    """The extensions with three axes, apart from axes of length 1."""
    return [hdu for hdu in hdus if hdu.is_image and is_cube(hdu.shape)]


def data(hdus: Any, instrument: Instrument) -> Choice:
    """The extension with the data; several if it is not clear which."""
    found = cubes(hdus)
    named = [str(hdus[0].header.get('FLUXEXT', '')).strip().upper()]
    for candidates in (
        [hdu for hdu in found if instrument.data and re.fullmatch(instrument.data, _name(hdus, hdu))],
        [hdu for name in named if name for hdu in found if hdu.name == name],
        [hdu for name in DATA for hdu in found if hdu.name == name][:1],
        [hdu for hdu in found if PREFIXED.fullmatch(hdu.name)],
        [hdu for hdu in found if _declares_data(hdu)],
    ):
        if candidates:
            return Choice(tuple(candidates))
    left = [hdu for hdu in found if not _plays_another_part(hdu.name)]
    named_others = [hdu for hdu in left[1:] if hdu.name]
    return Choice(tuple(left[:1]), not named_others and len(left) <= 2)


def noise(hdus: Any, of: Any, instrument: Instrument) -> Any:
    """The extension with the noise of the data, None where there is none."""
    pointers = (of.header.get('ERRDATA'), hdus[0].header.get('ERREXT'))
    return _partner(hdus, of, (instrument.noise, *NOISE), pointers)


def nameless(hdus: Any, of: Any) -> Any:
    """If extensions have no names: the only other one shaped like the data, which may be the noise; else None."""
    others = [hdu for hdu in cubes(hdus) if hdu is not of]
    alike = len(others) == 1 and not others[0].name and others[0].shape == of.shape
    return others[0] if alike and others[0].header['BITPIX'] < 0 else None


def flags(hdus: Any, of: Any, instrument: Instrument) -> Any:
    """The extension with the flags of the data, None where there is none."""
    pointers = (of.header.get('QUALDATA'), hdus[0].header.get('MASKEXT'))
    return _partner(hdus, of, (instrument.flags, *FLAGS), pointers)


def response(hdus: Any, of: Any, instrument: Instrument) -> Any:
    """The spectrum that the data must be multiplied by, None where there is none."""
    name = instrument.response and f'{shared(of.name)}{instrument.response}'
    return next((hdu for hdu in hdus if name and hdu.name == name and hdu.is_image), None)


def _partner(hdus: Any, of: Any, names: Iterable[str], pointers: Iterable[Any]) -> Any:
    """The extension with three axes that cards name, or that has one of these names after the data's prefix."""
    there = {hdu.name: hdu for hdu in reversed(cubes(hdus)) if hdu is not of and hdu.name}
    for name in _partner_names(of.name, names, pointers):
        if name in there:
            return there[name]
    return None


def _partner_names(own: str, names: Iterable[str], pointers: Iterable[Any]) -> Iterator[str]:
    yield from (str(name).strip().upper() for name in pointers if name and str(name).strip().upper() != own)
    begin = shared(own)
    names = [name for name in names if name]
    yield from (f'{begin}{name}' for name in names)
    if own and own != FIRST:
        yield from (f'{own}_{name}' for name in names)


def shared(name: str) -> str:
    """The prefix that the names of a cube's extensions share: RED_ of RED_DATA."""
    found = PREFIXED.fullmatch(name)
    return found[1] if found else ''


def _name(hdus: Any, hdu: Any) -> str:
    return FIRST if hdu is hdus[0] else str(hdu.name)


def _declares_data(hdu: Any) -> bool:
    # MPDAF copies all cards of the data to the variance, which then names itself as its noise.
    partners = [str(hdu.header.get(card, hdu.name)).strip().upper() for card in ('ERRDATA', 'QUALDATA')]
    declared = str(hdu.header.get('HDUCLAS2', '')).strip().upper() == 'DATA'
    return declared and any(partner != hdu.name for partner in partners)


def _plays_another_part(name: str) -> bool:
    return bool(looks_like_flags(name) or looks_like_noise(name) or NOT_DATA.fullmatch(name.upper()))
