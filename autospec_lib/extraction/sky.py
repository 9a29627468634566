"""The sky spectrum of a cut-out."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import BoolArray, Measured, Voxels
from autospec_lib.extraction import sums


def mean_sky(voxels: Voxels, mask: BoolArray) -> Measured | None:
    """The mean over the sky mask, with variance sum(v) / n^2 over the n usable spaxels at each wavelength.

    Parameters
    ----------
    voxels : Voxels
        The subcube (nl, ny, nx).
    mask : array of bool (ny, nx)
        True where the sky is.

    Returns
    -------
    Measured or None
        (nl,), NaN where no spaxel is usable; None if none is at any wavelength.
    """
    sky = sums.means(voxels.columns, mask.reshape(1, -1))[0]
    return sky if np.isfinite(sky.data).any() else None
