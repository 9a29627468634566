"""From which probability a redshift counts, and from which difference two are different."""

from __future__ import annotations

SURE = 0.95  # least probability of a redshift that counts
SAME_REDSHIFT = 0.003  # difference, over 1 + z, up to which two redshifts are one


def differ(z: float, other: float) -> bool:
    """Whether two redshifts are different.

    Parameters
    ----------
    z, other : float
        The redshifts.
    """
    return abs(z - other) > SAME_REDSHIFT * (1 + z)
