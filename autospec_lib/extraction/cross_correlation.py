"""Cross-correlation maps: how similar every spaxel is to a reference spectrum."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autospec_lib.core.types import BoolArray, FloatArray, Measured, Voxels
from autospec_lib.extraction.weights import profile

# The sum of all changes of the weights, which sum to 1, below which a map has converged.
TOLERANCE = 1e-3


def cross_correlate(
    reference: FloatArray,
    spaxels: Voxels,
    polynomials: FloatArray | None = None,
    channel_weights: FloatArray | None = None,
) -> Measured:
    """Zero-lag cross-correlation of a reference spectrum with every spaxel (Griffiths & Conselice
    2018, ApJ 869, 68).

    map = sum over wavelength of reference * spaxel, variance sum(reference^2 v), over usable
    voxels.

    Parameters
    ----------
    reference : array, shape (nl,)
        Channels that are not finite are ignored.
    spaxels : Voxels
        (nl, n), not sky-subtracted.
    polynomials : array, shape (nl, degree + 1), optional
        Orthonormal columns q (`continuum.basis`): every spaxel s first loses its continuum q (q^T
        s).
    channel_weights : array, shape (nl,), optional
        How much each channel counts (see `channel_weights`); by default all count the same.

    Returns
    -------
    Measured
        (n,), NaN where a spaxel has no usable voxel.
    """
    ref = np.where(np.isfinite(reference), reference, 0.0)
    if channel_weights is not None:
        ref = ref * channel_weights
    row = ref if polynomials is None else ref - polynomials @ (polynomials.T @ ref)
    # ref . (s - q q^T s) = (ref - q q^T ref) . s: no continuum-subtracted cube is needed.
    data = row @ spaxels.data
    variance = None if spaxels.variance is None else ref**2 @ spaxels.variance
    if spaxels.bad is None:
        return Measured(data, variance)
    if polynomials is not None:
        data = data + _continuum_in_bad_voxels(ref, spaxels, polynomials)
    empty = spaxels.bad.all(axis=0)
    return Measured(
        np.where(empty, np.nan, data),
        None if variance is None else np.where(empty, np.nan, variance),
    )


def _continuum_in_bad_voxels(
    ref: FloatArray, spaxels: Voxels, polynomials: FloatArray
) -> FloatArray:
    """The part of the continuum in bad voxels, which `cross_correlate` has subtracted although they
    must not count."""
    assert spaxels.bad is not None
    result = np.zeros(spaxels.data.shape[1])
    # Spaxels in which every voxel is bad hold zeros and have no continuum: they need not be
    # computed.
    columns = np.asarray(spaxels.bad.any(axis=0) & ~spaxels.bad.all(axis=0))
    part = spaxels.select(columns)
    assert part.bad is not None
    channels = part.bad.any(axis=1)
    continuum = polynomials[channels] @ (polynomials.T @ part.data)
    result[columns] = ref[channels] @ (continuum * part.bad[channels])
    return result


def channel_weights(spaxels: Voxels) -> FloatArray:
    """Weights (nl,) of mean 1 by which noisy wavelengths count less: 1 / mean variance; ones
    without variance."""
    if spaxels.variance is None:
        return np.ones(len(spaxels.data))
    usable = spaxels.good.sum(axis=1)
    total = spaxels.variance.sum(axis=1)
    weights = np.divide(usable, total, out=np.zeros(len(total)), where=usable > 0)
    return np.asarray(weights / max(float(weights.mean()), 1e-300))


def iterate(
    correlate: Callable[[FloatArray], Measured],
    extract: Callable[[FloatArray], FloatArray],
    reference: FloatArray,
    mask: BoolArray,
    most: int,
) -> tuple[Measured, int]:
    """Repeat the map, each time with the spectrum that was weighted by the previous map as the
    reference.

    Parameters
    ----------
    correlate : callable
        From a reference (nl,) to its map (n,).
    extract : callable
        From weights (number of spaxels in the mask,) that sum to 1 to a spectrum (nl,).
    reference : array (nl,)
        The first reference.
    mask : array of bool (n,)
        Where the map gives weights.
    most : int
        The largest number of maps; 1 is the plain cross-correlation.

    Returns
    -------
    Measured, int
        The last map and its number. The iteration ends early if the weights change by less than
        `TOLERANCE`, or if the map has the same value in all spaxels.
    """
    result, before = correlate(reference), np.zeros(mask.sum())
    for number in range(1, most):
        weights = profile(result.data[mask])
        if weights is None or np.abs(weights - before).sum() < TOLERANCE:
            return result, number
        result, before = correlate(extract(weights)), weights
    return result, most
