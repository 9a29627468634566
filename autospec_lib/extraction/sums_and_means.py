"""White light, sums and means, with their variance.

All masks (k, n) are worked on at once, on spaxels as columns (nl, n).
"""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import BoolArray, FloatArray, Measured, Voxels


def white_light(spaxels: Voxels) -> Measured:
    """Mean of every spaxel over wavelength, variance sum(v) / n^2; shape (n,), NaN where no voxel
    is usable."""
    nl = len(spaxels.data)
    ones = np.ones(nl)
    number = np.full(spaxels.data.shape[1], float(nl))
    if spaxels.bad is not None:
        number -= spaxels.bad.sum(axis=0)
    with np.errstate(invalid='ignore', divide='ignore'):
        variance = None if spaxels.variance is None else (ones @ spaxels.variance) / number**2
        return Measured((ones @ spaxels.data) / number, variance)


def sums(spaxels: Voxels, masks: BoolArray, mean: bool = False) -> list[Measured]:
    """Sum over each mask, variance sum(v); or mean, variance sum(v) / n^2.

    Parameters
    ----------
    spaxels : Voxels
        (nl, n).
    masks : array of bool, shape (k, n)
        True where a spaxel counts.
    mean : bool
        Divide the sums by the n usable spaxels at each wavelength.

    Returns
    -------
    list of Measured
        k spectra (nl,), NaN in channels where a mask has no usable voxel.
    """
    columns = masks.T.astype(float)
    data = spaxels.data @ columns
    variance = None if spaxels.variance is None else spaxels.variance @ columns
    count = np.tile(columns.sum(axis=0), (len(data), 1))
    if spaxels.bad is not None:
        touched = spaxels.bad.any(axis=1)
        count[touched] -= spaxels.bad[touched].astype(float) @ columns
    if mean:
        with np.errstate(invalid='ignore', divide='ignore'):
            data = data / count
            variance = None if variance is None else variance / count**2
    return spectra(data, variance, count)


def spectra(data: FloatArray, variance: FloatArray | None, count: FloatArray) -> list[Measured]:
    """Spectra from their numbers.

    Parameters
    ----------
    data, variance : array (nl, k)
        Of k spectra; there may be no variance.
    count : array (nl, k)
        There is no value where it is 0.
    """
    data = np.where(count > 0, data, np.nan).T
    if variance is None:
        return [Measured(column) for column in data]
    return [
        Measured(*pair) for pair in zip(data, np.where(count > 0, variance, np.nan).T, strict=True)
    ]
