"""All spectra at once from given profiles: one weighted linear fit per wavelength, with its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec_lib.core.types import BoolArray, FloatArray

# Fractions of the wavelength range at which profiles are evaluated; they are linear in between.
NODES = np.linspace(0, 1, 9)
# Variances that grow by more than this through other sources say nothing.
_SINGULAR = 1e10


@dataclass(frozen=True)
class Weighted:
    """A subcube ready for fits: ``weight`` (nl, npix) is 1 / variance, 0 where bad; ``product`` weight times data."""

    weight: FloatArray
    product: FloatArray
    shape: tuple[int, int]


@dataclass(frozen=True)
class Solution:
    """Spectra (K, nl), the sky (nl,) per pixel, and the covariance (nl, K + 1, K + 1) with the sky last."""

    spectra: FloatArray
    sky: FloatArray
    covariance: FloatArray


def weigh(data: FloatArray, variance: FloatArray, bad: BoolArray) -> Weighted:
    """Inverse-variance weights and weighted data; voxels that are bad, not finite or of no variance weigh nothing.

    ``data``, ``variance`` and ``bad`` are (nl, ny, nx).
    """
    good = np.isfinite(data) & ~bad & (variance > 0) & np.isfinite(variance)
    weight = np.divide(1.0, variance, out=np.zeros(data.shape), where=good)
    product = np.multiply(weight, data, out=np.zeros(data.shape), where=good)
    return Weighted(weight.reshape(len(data), -1), product.reshape(len(data), -1), (data.shape[1], data.shape[2]))


def interpolation(nodes: FloatArray, where: FloatArray) -> FloatArray:
    """Weights (len(where), len(nodes)) of a linear interpolation between nodes in ascending order."""
    return np.array([np.interp(where, nodes, row) for row in np.eye(len(nodes))]).T


def solve(cube: Weighted, profiles: FloatArray, mixing: FloatArray) -> Solution:
    """Spectra of sources whose profiles are known, with a constant sky at every wavelength.

    At each wavelength d(p) = sum_k s_k P_k(p) + sky is solved by weighted least squares; the covariance is the
    inverse of the normal matrix.

    Parameters
    ----------
    cube : Weighted
        The data.
    profiles : array (K, n, ny, nx)
        Each source's profile at n nodes in wavelength.
    mixing : array (nl, n)
        Weights of the nodes at each wavelength; rows sum to 1 and at most two neighbouring nodes are not 0.

    Returns
    -------
    Solution
        NaN at wavelengths where the data do not constrain the sources.
    """
    count, nodes = profiles.shape[:2]
    basis = profiles.reshape(count, nodes, -1)
    normal = np.zeros((len(mixing), count + 1, count + 1))
    right = np.zeros((len(mixing), count + 1))
    first = np.minimum(np.argmax(mixing > 0, axis=1), max(nodes - 2, 0))
    for node in np.unique(first):
        rows = np.flatnonzero(first == node)
        near = slice(int(node), int(node) + 2)
        share = mixing[rows, near]
        # Each source at the two nodes, then the sky.
        columns = np.concatenate([basis[:, near].reshape(-1, basis.shape[2]), np.ones((1, basis.shape[2]))])
        mix = np.zeros((len(rows), count + 1, len(columns)))
        for source in range(count):
            width = share.shape[1]
            mix[:, source, source * width : (source + 1) * width] = share
        mix[:, -1, -1] = 1.0
        upper = np.triu_indices(len(columns))
        pairs = cube.weight[rows] @ (columns[upper[0]] * columns[upper[1]]).T
        gram = np.empty((len(rows), len(columns), len(columns)))
        gram[:, upper[0], upper[1]] = gram[:, upper[1], upper[0]] = pairs
        normal[rows] = mix @ gram @ mix.transpose(0, 2, 1)
        right[rows] = np.einsum('lij,lj->li', mix, cube.product[rows] @ columns.T)
    return _invert(normal, right)


def _invert(normal: FloatArray, right: FloatArray) -> Solution:
    """Solve every wavelength's normal equations; NaN where they are singular."""
    size = np.sqrt(np.einsum('lii->li', normal))
    usable = (size > 0).all(axis=1)
    scale = np.where(size > 0, size, 1.0)
    scaled = normal / scale[:, :, None] / scale[:, None, :]
    usable &= np.linalg.det(scaled) != 0
    scaled[~usable] = np.eye(normal.shape[1])
    inverse = np.linalg.inv(scaled)
    # How much the sources' overlap inflates each variance; a determinant would be small for any crowd.
    growth = np.einsum('lii->li', inverse)
    usable &= ((growth > 0) & (growth < _SINGULAR)).all(axis=1)
    covariance = inverse / scale[:, :, None] / scale[:, None, :]
    values = np.einsum('lij,lj->li', covariance, right)
    covariance[~usable], values[~usable] = np.nan, np.nan
    return Solution(values[:, :-1].T, values[:, -1], covariance)
