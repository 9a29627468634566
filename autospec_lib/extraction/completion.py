"""Sums with missing voxels, completed by the profile of the source.

A sum over spaxels lacks the light of its bad voxels: with the brightest spaxel flagged, a channel
looks like an absorption line. Which share of the light a spaxel has is known from the channels in
which it is good.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from autospec_lib.core.types import BoolArray, FloatArray, Measured, Voxels
from autospec_lib.extraction.weights import inverse_variance

LEAST_SEEN = 0.5  # share of the light in good voxels below which a channel has no value
# The shares are linear in wavelength, as the seeing changes; expected change from the middle to an
# end, relative.
SLOPE = 0.3


class Completed(NamedTuple):
    """A completed sum, and the share (nl,) of the source's light that good voxels hold, 1 where
    none is missing."""

    values: Measured
    seen: FloatArray


def complete(spaxels: Voxels, masks: BoolArray, sums: list[Measured]) -> list[Completed]:
    """Divide sums by the share of the source's light in the voxels that they are from.

    The light of spaxel i is F(lambda) p_i(lambda) with p_i = a_i + b_i t, where t runs from -1 to
    1. F is the sum over all spaxels, completed by the mean image. The coefficients are those of
    least squares, with a Gaussian prior of width `SLOPE` a_i on b_i. Let m be the share of a mask's
    light, the sum of its p_i, that falls on bad voxels, and s = 1 - m. A sum S over the mask, of
    variance V, becomes S / s. Its variance is (V + (S / s)^2 var(m)) / s^2, where var(m) follows
    from the errors of the coefficients. Spaxels without any good voxel are not part of a sum.

    Parameters
    ----------
    spaxels : Voxels
        The sky-subtracted spaxels of the object mask (nl, n).
    masks : array of bool, shape (k, n)
        The spaxels of each sum.
    sums : list of Measured
        The k sums (nl,) over good voxels.

    Returns
    -------
    list of Completed
        Sums with NaN where less than `LEAST_SEEN` of the light is seen. Without missing voxels they
        are unchanged.
    """
    whole = np.ones(len(spaxels.data))
    if spaxels.bad is None:
        return [Completed(one, whole) for one in sums]
    bad = spaxels.bad & ~spaxels.blank
    channels = np.asarray(bad.any(axis=1))
    if not channels.any():
        return [Completed(one, whole) for one in sums]
    share, error = _shares(spaxels, channels)
    completed = []
    for mask, one in zip(masks, sums, strict=True):
        total = share[:, mask].sum(axis=1)
        missing = bad[channels][:, mask]
        with np.errstate(invalid='ignore', divide='ignore'):
            lost = np.where(
                missing.any(axis=1), (share[:, mask] * missing).sum(axis=1) / total, 0.0
            )
            spread = (error[:, mask] * missing).sum(axis=1) / total**2
        seen = whole.copy()
        seen[channels] = np.where(np.isfinite(lost), 1 - lost, 0.0)
        uncertain = np.zeros(len(whole))
        uncertain[channels] = np.where(missing.any(axis=1), spread, 0.0)
        completed.append(Completed(_divided(one, seen, uncertain), seen))
    return completed


def _divided(values: Measured, seen: FloatArray, uncertain: FloatArray) -> Measured:
    """A sum over the share that is seen, whose variance is ``uncertain``."""
    enough = seen >= LEAST_SEEN
    share = np.where(enough, seen, np.nan)
    data = values.data / share
    if values.variance is None:
        return Measured(data)
    return Measured(data, (values.variance + data**2 * uncertain) / share**2)


def _shares(spaxels: Voxels, channels: BoolArray) -> tuple[FloatArray, FloatArray]:
    """The shares p_i (number of channels, n) of the light in these channels, not below 0, and their
    variance.

    They are 0 in spaxels without any good voxel.
    """
    good = spaxels.good
    number = good.sum(axis=0)
    image = np.maximum(spaxels.data.sum(axis=0) / np.maximum(number, 1), 0)
    with np.errstate(invalid='ignore', divide='ignore'):
        flux = spaxels.data.sum(axis=1) / (good @ image)
    flux = np.where(np.isfinite(flux), flux, 0.0)
    weight = inverse_variance(spaxels)
    t = np.linspace(-1, 1, len(flux))
    # The normal equations of all spaxels, as matrix products.
    aa, ab, bb = (flux**2 * t**power @ weight for power in (0, 1, 2))
    da, db = (flux * t**power @ (weight * spaxels.data) for power in (0, 1))
    with np.errstate(invalid='ignore', divide='ignore'):
        first = np.where(aa > 0, da / aa, 0.0)
        bb = bb + np.where(first != 0, 1 / (SLOPE * first) ** 2, np.inf)
        determinant = aa * bb - ab**2
        a, b = (da * bb - db * ab) / determinant, (db * aa - da * ab) / determinant
        where = t[channels][:, None]
        share, error = a + b * where, (bb - 2 * ab * where + aa * where**2) / determinant
    known = np.isfinite(share) & np.isfinite(error)
    return np.maximum(np.where(known, share, 0.0), 0), np.where(known, error, 0.0)
