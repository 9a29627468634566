"""The kinds in which noise is stored, and the words for them in DATA_EXT."""

from __future__ import annotations

VARIANCE, SIGMA, INVERSE_VARIANCE, INVERSE_SIGMA = 'variance', 'sigma', 'inverse variance', 'inverse sigma'

# What users may write after a colon in DATA_EXT.
WORDS = {
    'variance': VARIANCE,
    'var': VARIANCE,
    'sigma': SIGMA,
    'error': SIGMA,
    'inverse variance': INVERSE_VARIANCE,
    'ivar': INVERSE_VARIANCE,
    'inverse sigma': INVERSE_SIGMA,
}


def split_entry(entry: int | str) -> tuple[int | str, str]:
    """Split an entry of DATA_EXT into extension and kind of noise ('' if none of `WORDS` follows a colon)."""
    name, _, word = str(entry).rpartition(':')
    kind = WORDS.get(' '.join(word.lower().split()), '') if isinstance(entry, str) and ':' in entry else ''
    if not kind:
        return entry, ''
    name = name.strip()
    return (int(name) if name.isdecimal() else name), kind
