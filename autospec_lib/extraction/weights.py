"""Optimally weighted spectra (Horne 1986, PASP 98, 609), with their variance.

All profiles (k, n) are worked on at once, on spaxels as columns (nl, n).
"""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import FloatArray, Measured, Voxels
from autospec_lib.extraction.sums_and_means import spectra

ROUNDING = 4e-7  # relative: a few times the precision of images of single precision


def profile(weight: FloatArray) -> FloatArray | None:
    """Weights p >= 0 with sum 1 from the values of a weight image: the values minus the least of
    them.

    Parameters
    ----------
    weight : array
        Values of a weight image in a mask; those that are not finite get weight 0.

    Returns
    -------
    array or None
        None if the values give no weights (all the same, or none finite).
    """
    usable = np.isfinite(weight)
    if not usable.any():
        return None
    p = np.where(usable, weight - weight[usable].min(), 0.0)
    total = p.sum()
    return p / total if total > 0 else None


def weighted(spaxels: Voxels, profiles: FloatArray) -> list[Measured]:
    """Optimally weighted spectra (Horne 1986, PASP 98, 609, eq. 8).

    flux = sum(p d / v) / sum(p^2 / v), variance = 1 / sum(p^2 / v), with sums over usable voxels.
    Horne's variance has sum(p) in place of 1, which is not the variance of this flux where voxels
    are bad.

    Parameters
    ----------
    spaxels : Voxels
        (nl, n); without variance v = 1, and no variance comes out.
    profiles : array, shape (k, n)
        From `profile`: non-negative, each with sum 1.

    Returns
    -------
    list of Measured
        k spectra (nl,), NaN in channels where no voxel with weight is usable.
    """
    inverse = inverse_variance(spaxels)
    norm = inverse @ (profiles**2).T
    with np.errstate(invalid='ignore', divide='ignore'):
        variance = None if spaxels.variance is None else 1.0 / norm
        return spectra(((spaxels.data * inverse) @ profiles.T) / norm, variance, norm)


def optimal(spaxels: Voxels, profile: FloatArray) -> Measured:
    """The optimally weighted spectrum for one profile (nl, n) that varies with wavelength, as in
    `weighted`.

    The profile's sum over an infinite plane is 1; the flux is the total flux even if the spaxels
    hold a part of it.
    """
    inverse = inverse_variance(spaxels)
    norm = (inverse * profile**2).sum(axis=1)
    with np.errstate(invalid='ignore', divide='ignore'):
        flux = np.where(norm > 0, (spaxels.data * inverse * profile).sum(axis=1) / norm, np.nan)
        variance = np.where(norm > 0, 1.0 / norm, np.nan)
    return Measured(flux, None if spaxels.variance is None else variance)


def inverse_variance(spaxels: Voxels) -> FloatArray:
    """1 / variance (nl, n), or 1 where there is no variance; 0 in bad voxels."""
    good = spaxels.good
    if spaxels.variance is None:
        return good.astype(float)
    return np.divide(1.0, spaxels.variance, out=np.zeros_like(spaxels.variance), where=good)
