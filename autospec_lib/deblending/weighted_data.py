"""The data that are fitted, with inverse-variance weights: at every wavelength, and averaged in
bands.

A band is a weighted sum over wavelength: one of 16 bins, or the lines of one source (`line_bands`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import FloatArray, IntArray, Voxels

N_BINS = 16
# Error of a profile, as a share of its light.
_PROFILE_ERROR = 0.01
# Fractions of the wavelength range at which images are computed for the bands; a parabola joins the
# three.
BAND_NODES = np.array([0.0, 0.5, 1.0])


@dataclass(frozen=True)
class WeightedCube:
    """A subcube of ``shape`` (ny, nx), npix = ny * nx, with weights.

    ``weight`` (nl, npix) is 1 / variance, 0 where a voxel is not used; ``product`` (nl, npix)
    weight times data; ``fraction`` (nl,) each wavelength's fraction of the way from the first (0)
    to the last (1).
    """

    weight: FloatArray
    product: FloatArray
    fraction: FloatArray
    shape: tuple[int, int]

    @classmethod
    def of(cls, voxels: Voxels, fraction: FloatArray) -> WeightedCube:
        """Weigh voxels (nl, ny, nx); bad ones get weight 0.

        A cube without variance is weighted by one that is estimated per wavelength, and has weight
        0 at wavelengths at which there is no estimate.
        """
        data, variance, good = voxels.data, voxels.variance, voxels.good
        if variance is None:
            variance = _estimated_variance(voxels)
            good = good & (variance > 0)
        weight = np.divide(1.0, variance, out=np.zeros(data.shape), where=good)
        product = np.multiply(weight, data, out=np.zeros(data.shape), where=good)
        _, ny, nx = data.shape
        return cls(
            weight.reshape(len(data), -1), product.reshape(len(data), -1), fraction, (ny, nx)
        )


@dataclass(frozen=True)
class Bands:
    """The subcube in nb bands: images of ``shape`` (ny, nx), one for each bin and, later, for the
    lines of each source.

    ``data`` (nb, npix) are the means, ``root_weight`` (nb, npix) the square roots of their inverse
    variances, ``fraction`` (nb,) each band's fraction of the way from the first wavelength to the
    last.
    """

    data: FloatArray
    root_weight: FloatArray
    fraction: FloatArray
    shape: tuple[int, int]

    def with_model_error(self, light: FloatArray) -> Bands:
        """The same data; their errors are those of the noise and a per cent of the sources' light
        (nb, npix).

        No profile is exact: where a source is bright, errors of its profile are larger than the
        noise, and a component is no neighbour because it mends them.
        """
        root_weight = self.root_weight / np.sqrt(
            1 + np.square(_PROFILE_ERROR * light * self.root_weight)
        )
        return replace(self, root_weight=root_weight)

    def interpolate(self, images: FloatArray) -> FloatArray:
        """Images (..., 3, ny, nx) at the `BAND_NODES` -> those in every band (..., nb, npix)."""
        return parabola_weights(self.fraction) @ images.reshape(*images.shape[:-2], -1)


def bin_edges(nl: int) -> IntArray:
    """The first channel of each of 16 bins of about equal length among nl wavelengths, and the end
    of the last bin."""
    return np.unique(np.linspace(0, nl, N_BINS + 1).astype(np.int32))


def bin_cube(cube: WeightedCube) -> Bands:
    """The weighted means of a subcube in 16 wavelength bins."""
    edges = bin_edges(len(cube.weight))
    weight = np.add.reduceat(cube.weight, edges[:-1], axis=0)
    product = np.add.reduceat(cube.product, edges[:-1], axis=0)
    data = np.divide(product, weight, out=np.zeros_like(product), where=weight > 0)
    middle = np.add.reduceat(cube.fraction, edges[:-1]) / np.diff(edges)
    return Bands(data, np.sqrt(weight), middle, cube.shape)


def parabola_weights(fraction: FloatArray) -> FloatArray:
    """Weights (n, 3) of the values at the `BAND_NODES` in the parabola through them, at n
    fractions."""
    t = np.asarray(fraction)[:, None]
    return np.concatenate([(1 - t) * (1 - 2 * t), 4 * t * (1 - t), t * (2 * t - 1)], axis=1)


def _estimated_variance(voxels: Voxels) -> FloatArray:
    """A variance per wavelength from the differences of neighbouring pixels, of the data's shape
    (nl, ny, nx).

    0 where no two neighbours are usable.
    """
    data = voxels.data
    steps = np.diff(np.where(voxels.good, data, np.nan), axis=2).reshape(len(data), -1)
    known = np.isfinite(steps).any(axis=1)
    variance = np.zeros(len(data))
    variance[known] = np.square(robust_width(steps[known], axis=1)) / 2
    return np.broadcast_to(variance[:, None, None], data.shape)
