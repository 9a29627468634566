"""The linear parameters: all spectra for given profiles, and the fluxes in bands while the profiles
are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.types import FloatArray
from autospec_lib.deblending.weighted_data import Bands, WeightedCube

# Fractions of the wavelength range at which the sources' profiles are computed; they are linear in
# between.
PROFILE_NODES = np.linspace(0, 1, 9)
# A spectrum is not constrained where the overlap of sources increases its variance by more than
# this factor.
_LARGEST_INFLATION = 1e10
# A column of A that is below this share of the largest one belongs to a profile without light in
# the band; one of which less than `_LEAST_REST` is orthogonal to those before it, to the profile of
# another. `_ROUNDING` keeps the matrix of such columns positive.
_NULL_COLUMN, _LEAST_REST, _ROUNDING = 1e-9, 1e-6, 1e-14


@dataclass(frozen=True)
class Solution:
    """Spectra (K, nl), the sky per pixel (nl,), and their covariance (nl, K + 1, K + 1) with the
    sky last."""

    spectra: FloatArray
    sky: FloatArray
    covariance: FloatArray


def solve(cube: WeightedCube, profiles: FloatArray) -> Solution:
    """Spectra of K sources with known profiles, and a sky that is constant over the image.

    At each wavelength d(p) = sum_k s_k P_k(p) + sky is solved by weighted least squares. With the
    profiles and a column of ones as the matrix A and the weights V^-1, the normal matrix is A' V^-1
    A; the covariance is its inverse.

    Parameters
    ----------
    cube : WeightedCube
        The data.
    profiles : array (K, n, ny, nx)
        Each source's profile at n wavelengths, evenly spaced from the first to the last; linear in
        between.

    Returns
    -------
    Solution
        NaN at wavelengths where the data do not constrain the sources.
    """
    count, nodes = len(profiles) + 1, profiles.shape[1]
    between = linear_weights(np.linspace(0, 1, nodes), cube.fraction)  # (nl, n)
    basis = np.concatenate(
        [profiles.reshape(count - 1, nodes, -1), np.ones((1, nodes, cube.weight.shape[1]))]
    )
    normal, right = np.zeros((len(between), count, count)), np.zeros((len(between), count))
    upper = np.triu_indices(count)
    first = np.minimum(np.argmax(between > 0, axis=1), max(nodes - 2, 0))
    # Between two nodes, where A = (1 - t) B + t R, all wavelengths share the products of the
    # columns of B and R.
    for node in np.unique(first):
        rows = np.flatnonzero(first == node)
        blue, red = basis[:, node], basis[:, min(node + 1, nodes - 1)]
        t = 1 - between[rows, node, None]
        (one, other), (one_red, other_red) = (
            [part[index] for index in upper] for part in (blue, red)
        )
        products = np.concatenate(
            [one * other, one * other_red + one_red * other, one_red * other_red]
        )
        squared, mixed, of_red = np.split(cube.weight[rows] @ products.T, 3, axis=1)
        pairs = (1 - t) ** 2 * squared + t * (1 - t) * mixed + t**2 * of_red
        normal[rows[:, None], upper[0], upper[1]] = normal[rows[:, None], upper[1], upper[0]] = (
            pairs
        )
        product = cube.product[rows]
        right[rows] = (1 - t) * (product @ blue.T) + t * (product @ red.T)
    return _invert(normal, right)


def _invert(normal: FloatArray, right: FloatArray) -> Solution:
    """Solve the normal equations (nl, K + 1, K + 1) and (nl, K + 1); NaN where they are
    singular."""
    size = np.sqrt(np.einsum('lii->li', normal))  # (nl, K + 1)
    usable = (size > 0).all(axis=1)
    scale = np.where(size > 0, size, 1.0)
    scaled = normal / scale[:, :, None] / scale[:, None, :]
    usable &= np.linalg.det(scaled) != 0
    scaled[~usable] = np.eye(normal.shape[1])
    inverse = np.linalg.inv(scaled)
    # A small determinant would be no criterion: it is small for many sources, however well
    # separated they are.
    inflation = np.einsum('lii->li', inverse)  # (nl, K + 1)
    usable &= ((inflation > 0) & (inflation < _LARGEST_INFLATION)).all(axis=1)
    covariance = inverse / scale[:, :, None] / scale[:, None, :]
    values = np.einsum('lij,lj->li', covariance, right)  # (nl, K + 1)
    covariance[~usable], values[~usable] = np.nan, np.nan
    return Solution(values[:, :-1].T, values[:, -1], covariance)


@dataclass(frozen=True)
class Projection:
    """The fluxes of n components and the sky in nb bands, solved for by A = Q R.

    R is the Cholesky factor of A' A, which takes a third of the time of Householder reflections
    (`numpy.linalg.qr`). ``q`` (nb, n + 1, npix) are the orthonormal columns of Q, which span the
    weighted profiles and the sky, which is last; ``flux`` (nb, n + 1) are the fluxes, ``error``
    their standard deviations; ``residual`` (nb, npix) is data minus model in units of the noise.
    """

    q: FloatArray
    flux: FloatArray
    error: FloatArray
    residual: FloatArray

    @property
    def significance(self) -> FloatArray:
        """The mean flux over all bands, weighted by inverse variance, of each component (n,), in
        units of its error.

        0 for a component whose flux no band constrains: one without pixels, or with the profile of
        another.
        """
        weight = self.error[:, :-1] ** -2.0
        return np.asarray(
            (weight * self.flux[:, :-1]).sum(axis=0) / np.sqrt(weight.sum(axis=0).clip(1e-300))
        )


def project(bands: Bands, profiles: FloatArray) -> Projection:
    """Solve for the fluxes and the sky in every band, given the components' profiles (n, nb,
    npix)."""
    root = bands.root_weight
    design = np.concatenate([profiles * root, root[None]]).transpose(1, 0, 2)
    gram = design @ design.transpose(0, 2, 1)
    size = np.sqrt(np.einsum('bii->bi', gram))  # (nb, n + 1)
    scale = np.where(size > _NULL_COLUMN * size.max(axis=1, keepdims=True), size, np.inf)
    one = np.eye(len(gram[0]))
    lower = np.linalg.cholesky(gram / scale[:, :, None] / scale[:, None, :] + _ROUNDING * one)
    # A source without pixels in a band, or with the profile of another, gets the flux 0 there.
    null = np.einsum('bii->bi', lower) < _LEAST_REST
    inverse = np.linalg.inv(lower + null[:, :, None] * one) / scale[:, None, :]
    q, target = inverse @ design, bands.data * root
    inside = np.where(null, 0, (q @ target[..., None])[..., 0])
    flux = (inside[:, None] @ inverse)[:, 0]
    error = np.where(null, np.inf, np.sqrt(np.square(inverse).sum(axis=1)))
    return Projection(q, flux, error, target - (inside[:, None] @ q)[:, 0])
