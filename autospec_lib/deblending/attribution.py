"""Which source an added component belongs to: itself a source, or a part of one or several others.

Components and sources are counted apart: a ``membership`` (K, n), with rows of sum 1, says how the light of each of K
sources is spread over n components. The first components are the catalogued sources themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospec_lib.core.types import FloatArray, Ident, IntArray
from autospec_lib.deblending.linear_system import PROFILE_NODES, Solution, solve
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.weighted_data import WeightedCube, bin_edges


@dataclass(frozen=True)
class _Limits:
    """Up to this distance (in FWHM of the PSF) a component is part of a source if its spectrum differs by less than
    this many sigma and if it is fainter than this share of the source."""

    distance: float
    significance: float
    share: float


# Close to a source its own clumps are likelier than a neighbour. Light that is brighter than the source itself is no
# part of it, whatever its spectrum. Set on simulated fields (seeds 1-5).
_NEAR = _Limits(1.1, 30.0, 1.0)
_FAR = _Limits(2.5, 15.0, 0.3)
# An imperfect profile changes the colours of the light that is left over by some per cent.
_COLOUR_ERROR = 0.05
# The variance depends on the shares, which are not known at first.
_ROUNDS = 3
# Largest ratio of a bin's flux to that of the shares of others when lines are compared.
_MAX_RATIO = 3.0


@dataclass(frozen=True)
class FittedSources:
    """Fitted components and the K sources ``ids`` that they make up, as ``membership`` (K, n) says."""

    model: Model
    membership: FloatArray
    ids: tuple[Ident, ...]
    notes: tuple[str, ...] = ()

    def profiles(self, shape: tuple[int, int]) -> FloatArray:
        """The sources' profiles (K, 9, ny, nx) of total flux 1 at the `PROFILE_NODES`."""
        return np.tensordot(self.membership, self.model.images(shape, PROFILE_NODES), axes=1)


def attribute(cube: WeightedCube, models: tuple[Model, Model], ids: Sequence[Ident], fwhm: float) -> FittedSources:
    """Decide for each component that was added to the catalogued sources whether it is a source of its own.

    It is a part of sources only where both models say so: to take a neighbour for a part of a source spoils a spectrum
    more than to take a part for a neighbour.

    Parameters
    ----------
    cube : WeightedCube
        The data.
    models : (Model, Model)
        The same components fitted with small clumps and with large ones. The second is kept.
    ids : sequence of int or str
        The catalogued sources.
    fwhm : float
        That of the PSF, in pixels.
    """
    small, model = models
    named, count = len(ids), len(model.shapes)
    membership, notes, ids, unnamed = np.eye(named, count), [], list(ids), 0
    for component in range(named, count):
        shares = _shares_of_hosts(cube, membership, small, component, fwhm)
        if shares is not None:
            shares = _shares_of_hosts(cube, membership, model, component, fwhm)
        if shares is None:
            membership = np.concatenate([membership, np.eye(1, count, component)])
            unnamed += 1
            ids.append(-unnamed)
            y, x = model.shapes[component, :2]
            notes.append(f'source {ids[-1]}: a neighbour at pixel ({y:.1f}, {x:.1f}) that the catalogue does not name')
        else:
            membership[:, component] = shares
            membership /= membership.sum(axis=1, keepdims=True)
    return FittedSources(model, membership, tuple(ids), tuple(notes))


def _shares_of_hosts(
    cube: WeightedCube, membership: FloatArray, model: Model, component: int, fwhm: float
) -> FloatArray | None:
    """How much of a component is in each of K sources, in units of their own fluxes; None when it is a source itself.

    ``membership`` (K, n) is that of the sources so far, in which this component and those after it have no part.
    """
    images = model.images(cube.shape, PROFILE_NODES)  # (n, 9, ny, nx)
    profiles = np.tensordot(membership, images, axes=1)  # (K, 9, ny, nx)
    solution = solve(cube, np.concatenate([profiles, images[component:]]))
    row = len(membership)  # the component's in the solution; a source's row is its index
    distances = model.distances(component)  # (n,)
    nearest = np.array([distances[own > 0].min() for own in membership])  # (K,)
    near, far = (np.flatnonzero(nearest < one.distance * fwhm).astype(np.int32) for one in (_NEAR, _FAR))
    # Between sources the light may belong to several of them; farther out it belongs to one at most.
    choices, limits = ([near], _NEAR) if near.size else (far[:, None], _FAR)
    for hosts in choices:
        shares, significance = compare_spectra(solution, row, hosts)
        if significance < limits.significance and shares.max() < limits.share:
            column = np.zeros(len(membership))
            column[hosts] = shares
            return column
    return None


def compare_spectra(solution: Solution, row: int, hosts: IntArray) -> tuple[FloatArray, float]:
    """How far one spectrum is a sum of others.

    Colours are compared in 16 bins, then lines at full resolution, with the ratio of the bins taken out.

    Parameters
    ----------
    solution : Solution
        All spectra with their covariance.
    row : int
        The spectrum in question.
    hosts : array of int (k,)
        The rows that it may be a sum of.

    Returns
    -------
    array (k,), float
        Non-negative shares of the hosts' spectra in it, and the significance of what they leave over, in sigma.
    """
    usable = np.isfinite(solution.covariance[:, row, row])
    spectra, covariance = solution.spectra[:, usable], solution.covariance[usable]
    weight = 1 / covariance[:, row, row]
    edges = bin_edges(len(weight))
    total = np.add.reduceat(weight, edges[:-1])
    binned = np.add.reduceat(spectra * weight, edges[:-1], axis=1) / total
    binned_covariance = (
        np.add.reduceat(covariance * np.square(weight)[:, None, None], edges[:-1]) / np.square(total)[:, None, None]
    )
    shares = np.zeros(len(hosts))
    for _ in range(_ROUNDS):
        own_variance = _variance_of_difference(binned_covariance, row, hosts, shares)
        variance = own_variance + np.square(_COLOUR_ERROR * shares @ binned[hosts])
        shares = _non_negative_shares(binned[hosts], binned[row], variance)
    model = shares @ binned[hosts]
    colours = _significance(binned[row] - model, variance)
    ratio = np.clip(np.divide(binned[row], model, out=np.ones_like(model), where=model > 0), 0, _MAX_RATIO)
    difference = spectra[row] - np.repeat(ratio, np.diff(edges)) * (shares @ spectra[hosts])
    lines = _significance(difference, _variance_of_difference(covariance, row, hosts, shares))
    return shares, max(colours, 0.0) + max(lines, 0.0)


def _variance_of_difference(covariance: FloatArray, row: int, hosts: IntArray, shares: FloatArray) -> FloatArray:
    """Variance (nl,) of one spectrum minus shares of others, from the covariance (nl, K + 1, K + 1)."""
    mix = np.zeros(covariance.shape[1])
    mix[row], mix[hosts] = 1.0, -shares
    return np.asarray(np.einsum('lij,i,j->l', covariance, mix, mix))


def _non_negative_shares(others: FloatArray, own: FloatArray, variance: FloatArray) -> FloatArray:
    """Non-negative least squares of one spectrum (nl,) on others (k, nl)."""
    from scipy.optimize import nnls

    root_weight = 1 / np.sqrt(variance)
    return np.asarray(nnls((others * root_weight).T, own * root_weight)[0])


def _significance(residual: FloatArray, variance: FloatArray) -> float:
    """How many sigma chi-square is above that of noise."""
    chi2 = np.sum(np.square(residual) / variance)
    return float((chi2 - residual.size) / np.sqrt(2 * residual.size))
