"""From which probability a redshift counts, and from which difference two are different.

There are two limits of the difference. Measured redshifts, and those of catalogues, may be of
different lines, and Lyman-alpha lies some hundred km/s redward of the others. People accept a
redshift with its lines drawn on the spectrum, to a part of a line's width: if theirs differ by more
than 300 km/s, they do not mean the same lines.
"""

from __future__ import annotations

SURE = 0.95  # least probability of a redshift that counts
# Difference, over 1 + z, up to which two redshifts are one: in general, and of two people.
SAME_REDSHIFT, SAME_OF_PEOPLE = 0.003, 0.001


def differ(z: float, other: float, limit: float = SAME_REDSHIFT) -> bool:
    """Whether two redshifts are different.

    Parameters
    ----------
    z, other : float
        The redshifts.
    limit : float
        One of the two limits.
    """
    return abs(z - other) > limit * (1 + z)
