"""White light, sums, means and the sky, with their variance.

All masks (k, n) are worked on at once, on spaxels as columns (nl, n).
"""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import BoolArray, FloatArray, Measured, Voxels


def white_light(spaxels: Voxels) -> Measured:
    """Mean of every spaxel over wavelength, variance sum(v) / n^2; shape (n,), NaN where no voxel is usable."""
    nl = len(spaxels.data)
    ones = np.ones(nl)
    number = np.full(spaxels.data.shape[1], float(nl))
    if spaxels.bad is not None:
        number -= spaxels.bad.sum(axis=0)
    with np.errstate(invalid='ignore', divide='ignore'):
        variance = None if spaxels.variance is None else (ones @ spaxels.variance) / number**2
        return Measured((ones @ spaxels.data) / number, variance)


def sums(spaxels: Voxels, masks: BoolArray) -> list[Measured]:
    """Sum over each mask, variance sum(v).

    Parameters
    ----------
    spaxels : Voxels
        (nl, n).
    masks : array of bool, shape (k, n)
        True where a spaxel counts.

    Returns
    -------
    list of Measured
        k spectra (nl,), NaN in channels where a mask has no usable voxel.
    """
    return spectra(*_totals(spaxels, masks))


def means(spaxels: Voxels, masks: BoolArray) -> list[Measured]:
    """Mean over each mask, variance sum(v) / n^2.

    Parameters
    ----------
    spaxels, masks
        As in `sums`, and so is the result.
    """
    data, variance, count = _totals(spaxels, masks)
    with np.errstate(invalid='ignore', divide='ignore'):
        return spectra(data / count, None if variance is None else variance / count**2, count)


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
    sky = means(voxels.columns, mask.reshape(1, -1))[0]
    return sky if np.isfinite(sky.data).any() else None


def _totals(spaxels: Voxels, masks: BoolArray) -> tuple[FloatArray, FloatArray | None, FloatArray]:
    columns = masks.T.astype(float)
    variance = None if spaxels.variance is None else spaxels.variance @ columns
    return spaxels.data @ columns, variance, spaxels.count(masks)


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
    return [Measured(*pair) for pair in zip(data, np.where(count > 0, variance, np.nan).T, strict=True)]
