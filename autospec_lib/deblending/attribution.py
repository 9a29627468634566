"""Decides whether an added component is a source of its own, a neighbour, or a part of one or
several sources.

A component is one fitted profile; a source consists of one or more components. The ``membership``,
with rows of sum 1, says how the light of each of K sources is spread over n components: (K, n) for
all wavelengths, or (9, K, n) at the `PROFILE_NODES`. The first components are those of the
catalogued sources, one each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core.keys import is_unnamed
from autospec_lib.core.types import FloatArray, Ident, IntArray
from autospec_lib.deblending.linear_system import PROFILE_NODES, Solution, solve
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.weighted_data import Bands, WeightedCube, bin_edges


@dataclass(frozen=True)
class _Limits:
    """When a component is a part of a source: it is closer than ``distance`` (in FWHM of the PSF),
    its spectrum differs by less than ``significance`` sigma, and its flux is less than ``share`` of
    the source's."""

    distance: float
    significance: float
    share: float


# Close to a source, a clump of the source is likelier than a neighbour. A component that is
# brighter than the source is never a part of it, whatever its spectrum. Tuned on simulated fields
# (seeds 1-5).
_NEAR = _Limits(1.1, 30.0, 1.0)
_FAR = _Limits(2.5, 15.0, 0.3)
# A source that is not in the catalogue is a part of a catalogued one if it is closer than `_SAME`
# FWHM of the PSF, or closer than `_OVERLAPPING` and the errors of both grow by more than
# `_INSEPARABLE` because both are fitted.
_SAME, _OVERLAPPING, _INSEPARABLE = 0.8, 1.3, 1.4
# Errors of a source's profile change the colours of the light that remains by a few per cent.
_COLOUR_ERROR = 0.05
# Iterations: the variance depends on the shares, which are not known at first.
_ROUNDS = 3
# Upper limit of the factor that scales the sum of the hosts' spectra to the component's level in a
# bin.
_MAX_RATIO = 3.0


@dataclass(frozen=True)
class Absorbed:
    """A source that the catalogue does not name and that became a part of the source ``host``.

    ``place`` is its position (y, x) in pixels, ``share`` its part of the flux of both, (9,) at the
    `PROFILE_NODES`.
    """

    host: Ident
    place: tuple[float, float]
    share: FloatArray


@dataclass(frozen=True)
class FittedSources:
    """The fitted components, and the K sources ``ids`` that consist of them according to
    ``membership`` (9, K, n).

    Sources that are not in the catalogue have the ids -1, -2, ... ``bands`` are the data of the
    last fit, ``others`` the same components without clumps, from which it started, and with small
    clumps, ``fwhm`` is that of the PSF.
    """

    model: Model
    membership: FloatArray
    ids: tuple[Ident, ...]
    bands: Bands
    others: tuple[Model, Model]
    fwhm: float
    absorbed: tuple[Absorbed, ...] = ()

    def profiles(self, shape: tuple[int, int]) -> FloatArray:
        """The sources' profiles (K, 9, ny, nx) of total flux 1 at the `PROFILE_NODES`."""
        images = self.model.images(shape, PROFILE_NODES)
        return np.asarray(np.einsum('pkn,npyx->kpyx', self.membership, images, optimize=True))

    @property
    def mean_membership(self) -> FloatArray:
        """The mean of the membership over wavelength, (K, n)."""
        return np.asarray(self.membership.mean(axis=0))

    def centre(self, source: int) -> FloatArray:
        """The centre (y, x) in pixels of a catalogued source's own component, or of another's
        brightest one."""
        ident = self.ids[source]
        unnamed = is_unnamed(ident)
        component = int(np.argmax(self.mean_membership[source])) if unnamed else source
        return np.asarray(self.model.shapes[component, :2])


def attribute(
    cube: WeightedCube,
    bands: Bands,
    models: tuple[Model, Model, Model],
    ids: Sequence[Ident],
    fwhm: float,
) -> FittedSources:
    """Decide for each component that was added to the catalogued sources whether it is a source of
    its own.

    It is a part of other sources only if this follows from both models with clumps: a neighbour
    taken for a part of a source spoils the spectrum more than a part taken for a neighbour.

    Parameters
    ----------
    cube, bands : WeightedCube, Bands
        The data, and those of the last fit.
    models : (Model, Model, Model)
        The same components fitted without clumps, with small clumps and with large ones. The last
        is kept.
    ids : sequence of int or str
        The catalogued sources.
    fwhm : float
        FWHM of the PSF, in pixels.
    """
    plain, small, model = models
    named, count = len(ids), len(model.shapes)
    membership, ids, unnamed = np.eye(named, count), list(ids), 0
    for component in range(named, count):
        shares = _shares_of_hosts(cube, membership, small, component, fwhm)
        if shares is not None:
            shares = _shares_of_hosts(cube, membership, model, component, fwhm)
        if shares is None:
            membership = np.concatenate([membership, np.eye(1, count, component)])
            unnamed += 1
            ids.append(-unnamed)
        else:
            membership[:, component] = shares
            membership /= membership.sum(axis=1, keepdims=True)
    everywhere = np.tile(membership, (len(PROFILE_NODES), 1, 1))
    return FittedSources(model, everywhere, tuple(ids), bands, (plain, small), fwhm)


def merge(cube: WeightedCube, sources: FittedSources, named: int, fwhm: float) -> FittedSources:
    """Make sources that are not in the catalogue parts of catalogued ones from which the data
    cannot separate them.

    A bulge, a disc or clumps of a galaxy may have spectra of their own; taken for a neighbour, they
    would leave the galaxy with the rest of its light and with large errors. Their share of the
    source follows wavelength. Sources of negative flux are left out.

    Parameters
    ----------
    cube : WeightedCube
        The data.
    sources : FittedSources
        The ``named`` catalogued sources come first.
    named : int
        Their number.
    fwhm : float
        FWHM of the PSF, in pixels.
    """
    membership, ids, absorbed = sources.membership, list(sources.ids), list(sources.absorbed)
    while len(ids) > named:
        sources = replace(sources, membership=membership)
        profiles = sources.profiles(cube.shape)
        flux = _node_fluxes(cube, solve(cube, profiles))  # (9, K)
        growth = _growth(profiles.mean(axis=1), cube.weight.sum(axis=0))[named:, :named]
        hosts = growth.argmax(axis=1)
        offsets = [
            sources.centre(named + row) - sources.centre(host) for row, host in enumerate(hosts)
        ]
        apart = np.hypot(*(np.array(offsets) * sources.model.pixel).T) / fwhm
        alike = (apart < _SAME) | (apart < _OVERLAPPING) & (growth.max(axis=1) > _INSEPARABLE)
        leaving = np.flatnonzero(alike | (flux[:, named:].sum(axis=0) < 0))
        if not leaving.size:
            break
        row, host = named + leaving[0], int(hosts[leaving[0]])
        if alike[leaving[0]]:
            both = flux[:, [host, row]].clip(0) + 1e-12 * np.abs(flux).max()
            share = both[:, 1] / both.sum(axis=1)
            absorbed.append(Absorbed(ids[host], tuple(sources.centre(row).tolist()), share))
            membership = membership.copy()
            membership[:, host] += share[:, None] * (membership[:, row] - membership[:, host])
        membership = np.delete(membership, row, axis=1)
        del ids[row]
    # The names of those that remain have no gaps.
    ids[named:] = [-number for number in range(1, len(ids) - named + 1)]
    return replace(sources, membership=membership, ids=tuple(ids), absorbed=tuple(absorbed))


def _node_fluxes(cube: WeightedCube, solution: Solution) -> FloatArray:
    """The fluxes (9, K) of all sources within 1.5 steps of each of the `PROFILE_NODES`."""
    step = PROFILE_NODES[1]
    near = (np.abs(cube.fraction - PROFILE_NODES[:, None]) < 1.5 * step).astype(float)  # (9, nl)
    return np.asarray(near @ np.nan_to_num(solution.spectra).T)


def _growth(white: FloatArray, weight: FloatArray) -> FloatArray:
    """For each pair of profiles (K, ny, nx), the factor (K, K) by which the errors of both grow if
    both are fitted."""
    flat = white.reshape(len(white), -1)
    overlap = (flat * weight) @ flat.T
    size = np.sqrt(np.diag(overlap)).clip(1e-300)
    return np.asarray(1 / np.sqrt((1 - np.square(overlap / size / size[:, None])).clip(1e-6)))


def _shares_of_hosts(
    cube: WeightedCube, membership: FloatArray, model: Model, component: int, fwhm: float
) -> FloatArray | None:
    """The component's flux divided among K sources, in units of their fluxes; None if it is a
    source of its own.

    ``membership`` (K, n) is that of the sources known so far, without this component and those
    after it.
    """
    images = model.images(cube.shape, PROFILE_NODES)  # (n, 9, ny, nx)
    profiles = np.tensordot(membership, images, axes=1)  # (K, 9, ny, nx)
    solution = solve(cube, np.concatenate([profiles, images[component:]]))
    row = len(membership)  # the component's in the solution; a source's row is its index
    distances = model.distances(component)  # (n,)
    nearest = np.array([distances[own > 0].min() for own in membership])  # (K,)
    near, far = (
        np.flatnonzero(nearest < one.distance * fwhm).astype(np.int32) for one in (_NEAR, _FAR)
    )
    # A component near several sources may belong to all of them; one farther out belongs to one
    # source at most.
    choices, limits = ([near], _NEAR) if near.size else (far[:, None], _FAR)
    parts = [(*compare_spectra(solution, row, hosts), hosts) for hosts in choices]
    parts = [one for one in parts if one[1] < limits.significance and one[0].max() < limits.share]
    if not parts:
        return None
    # Of several sources, that of the most similar spectrum.
    shares, _, hosts = min(parts, key=lambda one: one[1])
    column = np.zeros(len(membership))
    column[hosts] = shares
    return column


def compare_spectra(solution: Solution, row: int, hosts: IntArray) -> tuple[FloatArray, float]:
    """Compare one spectrum with the sum of others (the hosts) that fits it best.

    Colours are compared in 16 bins; then lines are compared at full resolution, after the sum has
    been scaled to the spectrum's level in each bin.

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
        The non-negative factors of the hosts' spectra in the sum, and the significance of the
        difference, in sigma.
    """
    usable = np.isfinite(solution.covariance[:, row, row])
    spectra, covariance = solution.spectra[:, usable], solution.covariance[usable]
    weight = 1 / covariance[:, row, row]
    edges = bin_edges(len(weight))
    total = np.add.reduceat(weight, edges[:-1])
    binned = np.add.reduceat(spectra * weight, edges[:-1], axis=1) / total
    binned_covariance = (
        np.add.reduceat(covariance * np.square(weight)[:, None, None], edges[:-1])
        / np.square(total)[:, None, None]
    )
    shares = np.zeros(len(hosts))
    for _ in range(_ROUNDS):
        own_variance = _variance_of_difference(binned_covariance, row, hosts, shares)
        variance = own_variance + np.square(_COLOUR_ERROR * shares @ binned[hosts])
        shares = _non_negative_shares(binned[hosts], binned[row], variance)
    model = shares @ binned[hosts]
    colours = _significance(binned[row] - model, variance)
    ratio = np.clip(
        np.divide(binned[row], model, out=np.ones_like(model), where=model > 0), 0, _MAX_RATIO
    )
    difference = spectra[row] - np.repeat(ratio, np.diff(edges)) * (shares @ spectra[hosts])
    lines = _significance(difference, _variance_of_difference(covariance, row, hosts, shares))
    return shares, max(colours, 0.0) + max(lines, 0.0)


def _variance_of_difference(
    covariance: FloatArray, row: int, hosts: IntArray, shares: FloatArray
) -> FloatArray:
    """Variance (nl,) of one spectrum minus shares of others, from the covariance (nl, K + 1, K +
    1)."""
    mix = np.zeros(covariance.shape[1])
    mix[row], mix[hosts] = 1.0, -shares
    return np.asarray(np.einsum('lij,i,j->l', covariance, mix, mix))


def _non_negative_shares(others: FloatArray, own: FloatArray, variance: FloatArray) -> FloatArray:
    """Non-negative least squares of one spectrum (nl,) on others (k, nl)."""
    from scipy.optimize import nnls

    root_weight = 1 / np.sqrt(variance)
    return np.asarray(nnls((others * root_weight).T, own * root_weight)[0])


def _significance(residual: FloatArray, variance: FloatArray) -> float:
    """By how many sigma chi-square exceeds the value that pure noise would give."""
    chi2 = np.sum(np.square(residual) / variance)
    return float((chi2 - residual.size) / np.sqrt(2 * residual.size))
