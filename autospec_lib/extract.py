"""Spectra from spaxels: sums, means and optimally weighted sums, with their variance.

Everything works on spaxels as columns, shape (nl, n), and on all masks or weight images at once, shape (k, n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec_lib.model import BoolArray, FloatArray, Measured


@dataclass(frozen=True)
class Spaxels:
    """Spaxels as columns (nl, n): data and variance hold 0 in bad voxels; ``bad`` is None where there are none."""

    data: FloatArray
    variance: FloatArray | None
    bad: BoolArray | None

    @classmethod
    def from_cube(cls, data: FloatArray, variance: FloatArray | None, bad: BoolArray) -> Spaxels:
        """Flatten a cube (nl, ny, nx), so that column y * nx + x is spaxel (y, x)."""
        flat_bad = bad.reshape(len(bad), -1) if bad.any() else None
        return cls(_zeroed(data, flat_bad), None if variance is None else _zeroed(variance, flat_bad), flat_bad)

    def select(self, columns: BoolArray) -> Spaxels:
        """The spaxels where ``columns`` (n,) is True."""
        bad = None if self.bad is None else self.bad[:, columns]
        variance = None if self.variance is None else self.variance[:, columns]
        return Spaxels(self.data[:, columns], variance, bad)

    def minus(self, sky: Measured) -> Spaxels:
        """Subtract a spectrum (nl,) from every spaxel and add its variance.

        A channel in which the spectrum has no value becomes bad.
        """
        unknown = ~np.isfinite(sky.data)
        bad = self.bad
        if unknown.any():
            bad = np.repeat(unknown[:, None], self.data.shape[1], axis=1)
            bad = bad if self.bad is None else bad | self.bad
        data = _zeroed(self.data - sky.data[:, None], bad)
        if self.variance is None or sky.variance is None:
            return Spaxels(data, self.variance, bad)
        return Spaxels(data, _zeroed(self.variance + sky.variance[:, None], bad), bad)

    def count(self, masks: BoolArray) -> FloatArray:
        """Usable voxels in each channel of each mask (k, n); shape (nl, k)."""
        counts = np.tile(masks.sum(axis=1, dtype=float), (len(self.data), 1))
        if self.bad is not None:
            touched = self.bad.any(axis=1)
            counts[touched] -= self.bad[touched].astype(float) @ masks.T
        return counts


def _zeroed(values: FloatArray, bad: BoolArray | None) -> FloatArray:
    flat = values.reshape(len(values), -1)
    # Stamps hold zeros there already: a look at the few bad voxels spares a copy of all.
    return flat if bad is None or not flat[bad].any() else np.where(bad, 0.0, flat)


def white_light(spaxels: Spaxels) -> Measured:
    """Mean of every spaxel over wavelength, variance sum(v) / n^2; shape (n,), NaN where no voxel is usable."""
    nl = len(spaxels.data)
    ones = np.ones(nl)
    number = np.full(spaxels.data.shape[1], float(nl))
    if spaxels.bad is not None:
        number -= spaxels.bad.sum(axis=0)
    with np.errstate(invalid='ignore', divide='ignore'):
        variance = None if spaxels.variance is None else (ones @ spaxels.variance) / number**2
        return Measured((ones @ spaxels.data) / number, variance)


def sums(spaxels: Spaxels, masks: BoolArray) -> list[Measured]:
    """Sum over each mask, variance sum(v).

    Parameters
    ----------
    spaxels : Spaxels
        (nl, n).
    masks : array of bool, shape (k, n)
        True where a spaxel counts.

    Returns
    -------
    list of Measured
        k spectra (nl,), NaN in channels where a mask has no usable voxel.
    """
    return _spectra(*_totals(spaxels, masks))


def means(spaxels: Spaxels, masks: BoolArray) -> list[Measured]:
    """Mean over each mask, variance sum(v) / n^2; arguments and result as in `sums`."""
    data, variance, count = _totals(spaxels, masks)
    with np.errstate(invalid='ignore', divide='ignore'):
        return _spectra(data / count, None if variance is None else variance / count**2, count)


def _totals(spaxels: Spaxels, masks: BoolArray) -> tuple[FloatArray, FloatArray | None, FloatArray]:
    columns = masks.T.astype(float)
    variance = None if spaxels.variance is None else spaxels.variance @ columns
    return spaxels.data @ columns, variance, spaxels.count(masks)


def _spectra(data: FloatArray, variance: FloatArray | None, count: FloatArray) -> list[Measured]:
    data = np.where(count > 0, data, np.nan).T
    if variance is None:
        return [Measured(column) for column in data]
    return [Measured(*pair) for pair in zip(data, np.where(count > 0, variance, np.nan).T, strict=True)]


def profile(weight: FloatArray, mask: BoolArray) -> FloatArray | None:
    """Weights p >= 0 with sum 1 from a weight image: the image minus its minimum in the mask, zero outside.

    Parameters
    ----------
    weight : array, any shape
        Weight image; pixels that are not finite get weight 0.
    mask : array of bool, same shape
        True where a spaxel may count.

    Returns
    -------
    array or None
        None where the image cannot tell the mask's pixels apart (all the same, or none finite).
    """
    usable = mask & np.isfinite(weight)
    if not usable.any():
        return None
    p = np.where(usable, weight - weight[usable].min(), 0.0)
    total = p.sum()
    return p / total if total > 0 else None


def weighted(spaxels: Spaxels, profiles: FloatArray) -> list[Measured]:
    """Optimally weighted spectra (Horne 1986, PASP 98, 609, eq. 8).

    flux = sum(p d / v) / sum(p^2 / v), variance = sum(p) / sum(p^2 / v), the sums over usable voxels, except that
    sum(p) is 1 whatever is bad: that makes it the variance of the flux.

    Parameters
    ----------
    spaxels : Spaxels
        (nl, n); without variance v = 1, and no variance comes out.
    profiles : array, shape (k, n)
        From `profile`: non-negative, each with sum 1.

    Returns
    -------
    list of Measured
        k spectra (nl,), NaN in channels where no voxel with weight is usable.
    """
    inverse = _inverse_variance(spaxels)
    norm = inverse @ (profiles**2).T
    with np.errstate(invalid='ignore', divide='ignore'):
        flux = np.where(norm > 0, ((spaxels.data * inverse) @ profiles.T) / norm, np.nan)
        variance = np.where(norm > 0, 1.0 / norm, np.nan)
    if spaxels.variance is None:
        return [Measured(column) for column in flux.T]
    return [Measured(*pair) for pair in zip(flux.T, variance.T, strict=True)]


def optimal(spaxels: Spaxels, profile: FloatArray) -> Measured:
    """The optimally weighted spectrum for one profile (nl, n) that runs with wavelength, as in `weighted`.

    The profile's sum over all space is 1; where the spaxels hold only a part of it, the flux is still that of all.
    """
    inverse = _inverse_variance(spaxels)
    norm = (inverse * profile**2).sum(axis=1)
    with np.errstate(invalid='ignore', divide='ignore'):
        flux = np.where(norm > 0, (spaxels.data * inverse * profile).sum(axis=1) / norm, np.nan)
        variance = np.where(norm > 0, 1.0 / norm, np.nan)
    return Measured(flux, None if spaxels.variance is None else variance)


def _inverse_variance(spaxels: Spaxels) -> FloatArray:
    """1 / variance (nl, n), or 1 where there is no variance; 0 in bad voxels."""
    if spaxels.variance is None:
        return np.ones_like(spaxels.data) if spaxels.bad is None else (~spaxels.bad).astype(float)
    return np.divide(1.0, spaxels.variance, out=np.zeros_like(spaxels.variance), where=spaxels.variance > 0)
