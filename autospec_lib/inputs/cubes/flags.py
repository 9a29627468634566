"""Decides which values of an extension with flags make a voxel bad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autospec_lib.inputs.cubes.instruments import MANGA_BITS, Instrument

ALL_BITS = (-1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True)
class BadWhen:
    """A voxel is bad where its flags have one of ``bits`` (0 = any), or are 0 where ``zero`` is true."""

    bits: int = 0
    zero: bool = False

    @property
    def words(self) -> str:
        """This rule in words, for messages."""
        if self.zero:
            return '0 is bad'
        numbers = [str(bit) for bit in range(64) if self.bits >> bit & 1]
        if not numbers:
            return 'any but 0 is bad'
        if len(numbers) == 1:
            return f'bit {numbers[0]} is bad'
        return f'bits {", ".join(numbers[:-1])} and {numbers[-1]} are bad'


def bad_when(header: Mapping[str, Any], data_header: Mapping[str, Any], instrument: Instrument) -> BadWhen:
    """Which values are bad, according to their header, the name of the flags (MaNGA) or the instrument.

    ESO's HDUCLAS3 distinguishes bit masks (FLAG32BIT), masks that are 0 where the data are good (MASKZERO) and masks
    that are 1 there (MASKONE); QUALMASK has the bits that make a voxel bad.
    """
    if _text(header, 'HDUCLAS2') == 'QUALITY':
        if _text(header, 'HDUCLAS3') == 'MASKONE':
            return BadWhen(zero=True)
        if 'QUALMASK' in header:
            return BadWhen(_bits(header['QUALMASK']))
    if 'MANGA_DRP3PIXMASK' in (_text(header, 'MASKNAME'), _text(data_header, 'MASKNAME')):
        return BadWhen(sum(1 << bit for bit in MANGA_BITS))
    own = instrument.bits if _text(header, 'EXTNAME') == instrument.flags else ()
    return BadWhen(sum(1 << bit for bit in own))


def _text(header: Mapping[str, Any], card: str) -> str:
    return str(header.get(card, '')).strip().upper()


def _bits(value: Any) -> int:
    """QUALMASK as a number; 0 stands for any bit and is used if the card is not a number."""
    try:
        number = int(str(value), 0)
    except ValueError:
        return 0
    return 0 if number in ALL_BITS or number < 0 else number
