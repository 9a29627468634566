"""How the noise of a cube is stored, and an extension as DATA_EXT names it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Self


class NoiseKind(Enum):
    """What the numbers of an extension with noise are.

    Attributes
    ----------
    words : str
        How messages and ``param.py`` call it.
    inverse : bool
        Whether the numbers are one over the noise.
    squared : bool
        Whether the noise is a variance, not a standard deviation (sigma).
    """

    VARIANCE = 'variance', False, True
    SIGMA = 'sigma', False, False
    INVERSE_VARIANCE = 'inverse variance', True, True
    INVERSE_SIGMA = 'inverse sigma', True, False

    def __init__(self, words: str, inverse: bool, squared: bool) -> None:
        self.words = words
        self.inverse = inverse
        self.squared = squared


# What users may write after a colon in DATA_EXT.
NOISE_WORDS = {kind.words: kind for kind in NoiseKind} | {
    'var': NoiseKind.VARIANCE,
    'error': NoiseKind.SIGMA,
    'ivar': NoiseKind.INVERSE_VARIANCE,
}
ZERO_IS_BAD = '0 is bad'  # the same for a mask that is not 0 where voxels are good


@dataclass(frozen=True, repr=False)
class Extension:
    """An extension of a cube, as an entry of DATA_EXT names it.

    Attributes
    ----------
    name : int or str
        Its number or name; '' if the cube has none of this role.
    kind : NoiseKind or None
        How the noise in it is stored; None if the entry does not tell.
    zero_is_bad : bool
        Whether it is a mask that is 0 where a voxel must not be used.
    """

    name: int | str
    kind: NoiseKind | None = None
    zero_is_bad: bool = False

    @classmethod
    def parse(cls, entry: int | str) -> Self:
        """The extension of an entry such as 1, 'STAT', 'ERR: sigma' or 'MASK: 0 is bad'.

        What follows the last colon may be the kind of noise or mask.
        """
        name, _, word = str(entry).rpartition(':')
        word = ' '.join(word.lower().split())
        is_known = word in NOISE_WORDS or word == ZERO_IS_BAD
        if isinstance(entry, int) or not is_known or ':' not in entry:
            return cls(entry)
        name = name.strip()
        return cls(
            int(name) if name.isdecimal() else name, NOISE_WORDS.get(word), word == ZERO_IS_BAD
        )

    def __repr__(self) -> str:
        """The entry as ``param.py`` may hold it."""
        if self.zero_is_bad:
            return repr(f'{self.name}: {ZERO_IS_BAD}')
        return repr(self.name) if self.kind is None else repr(f'{self.name}: {self.kind.words}')
