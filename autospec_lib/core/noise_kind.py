"""The kinds in which noise is stored, and what the parameter DATA_EXT says of an extension."""

from __future__ import annotations

import enum
from typing import NamedTuple


class NoiseKind(enum.Enum):
    """How an array stores noise; the value is the name for users."""

    VARIANCE = 'variance'
    SIGMA = 'sigma'
    INVERSE_VARIANCE = 'inverse variance'
    INVERSE_SIGMA = 'inverse sigma'

    @property
    def is_inverse(self) -> bool:
        """Whether large numbers mean little noise."""
        return self in (NoiseKind.INVERSE_VARIANCE, NoiseKind.INVERSE_SIGMA)

    @property
    def is_sigma(self) -> bool:
        """Whether the numbers have to be squared to have a variance."""
        return self in (NoiseKind.SIGMA, NoiseKind.INVERSE_SIGMA)


class Extension(NamedTuple):
    """An entry of DATA_EXT: the name or number of an extension, '' for none, and the kind of noise if it is given."""

    name: int | str
    kind: NoiseKind | None = None

    def __repr__(self) -> str:
        """The entry as ``param.py`` has it."""
        return repr(self.name) if self.kind is None else repr(f'{self.name}: {self.kind.value}')


# What users may write after a colon in DATA_EXT.
NOISE_WORDS = {kind.value: kind for kind in NoiseKind} | {
    'var': NoiseKind.VARIANCE,
    'error': NoiseKind.SIGMA,
    'ivar': NoiseKind.INVERSE_VARIANCE,
}
