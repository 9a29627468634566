"""The search for light that the catalogued sources do not explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autospec_lib.core.moffat import Pixel, shifted
from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import FloatArray, IntArray
from autospec_lib.deblending.clumps import LARGE_CLUMPS, SMALL_CLUMPS, TYPICAL_BETA, grid_places
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import Projection, project
from autospec_lib.deblending.model import Frame, Model, Prior
from autospec_lib.deblending.weighted_data import Bands

_MAX_NEIGHBOURS = 4
# A component is added only if it lowers chi-square by at least this much. In 16 bands pure noise
# gives 16 +- 6 at one position; over all positions, and with the correlated noise of resampled
# cubes, it does not reach 80.
_MIN_CHI2_DROP = 80.0
# A component is removed if its flux over all wavelengths is below zero by more than this many
# sigma.
_NEGATIVE = 4.0
# Of the positions with more than this share of the largest decrease, the brightest one in the
# residual is tried. The decrease alone would prefer positions too far out: close to a source, where
# most of the missing light is, more of it is attributed to that source (see `best_place`).
_CONTENDER = 0.3
_MAX_PLACES = 3
# How many pixels a component may move in one fit, and how many times it is fitted if it moves that
# far.
_MAX_MOVE, _MAX_FITS = 2.0, 3
_AT_BOUND = 0.999  # of the largest move
# Two components that are closer than this, in FWHM of the PSF, count as one.
_MERGED = 0.5
# Neighbours may lie this many pixels outside the subcube and still have light in it.
_MARGIN = 2
# Within this many FWHM of the PSF from a component's centre, light of the component's colours
# counts as a part of it.
_CLUMPS_WITHIN = 2.0
# A point source is not fitted in a band in which weights and other profiles leave less than this
# share of its image.
_LEAST_SEEN = 0.05


def add_neighbours(bands: Bands, model: Model, fwhm: float) -> Model:
    """Add components, one by one, as long as they improve the fit significantly.

    Here sources have no clumps and stay close to their prior, so that none stretches over a missing
    neighbour.

    Parameters
    ----------
    bands : Bands
        Data.
    model : Model
        The catalogued sources, fitted.
    fwhm : float
        FWHM of the PSF, in pixels.
    """
    for _ in range(_MAX_NEIGHBOURS):
        found = _with_neighbour(bands, model, fwhm)
        if found is None:
            break
        model = found
    return model


def prune(bands: Bands, model: Model, named: int, fwhm: float) -> tuple[Model, Model]:
    """Remove the added components whose light clumps of the other components explain as well.

    Parameters
    ----------
    bands, fwhm : Bands, float
        As for `add_neighbours`.
    model : Model
        The catalogued sources, then the added components.
    named : int
        The number of catalogued sources, which come first and stay.

    Returns
    -------
    Model, Model
        The remaining components without clumps, and the same components fitted with small clumps.
    """
    if len(model.shapes) == named:
        return model, model
    with_clumps, kept = fit_positive(bands, model, named, SMALL_CLUMPS, narrow=True)
    for lost in reversed(range(named, len(model.shapes))):
        if lost not in kept:
            model = model.without(lost)
    for component in reversed(range(named, len(model.shapes))):
        other = fit(bands, model.without(component), SMALL_CLUMPS, narrow=True)
        if (
            other.chi2 - with_clumps.chi2 < _MIN_CHI2_DROP
            or with_clumps.isolation(component) < _MERGED * fwhm
        ):
            redundant = _least_needed(bands, model, component)
            model = model.without(redundant)
            with_clumps = (
                other if redundant == component else fit(bands, model, SMALL_CLUMPS, narrow=True)
            )
    return model, with_clumps


def without_unseen(bands: Bands, model: Model, outside: Sequence[int]) -> tuple[Model, list[int]]:
    """Leave out sources beyond the edge that show no light, or that come out negative.

    Only their wings could be seen: two of them may take large fluxes of opposite signs.

    Parameters
    ----------
    bands, model : Bands, Model
        As for `add_neighbours`.
    outside : sequence of int
        The sources beyond the edge, the nearest first.

    Returns
    -------
    Model, list of int
        The remaining components, and the numbers of those that are left out.
    """
    profiles = model.band_profiles(bands)
    kept = [*range(len(profiles))]

    def is_unseen(source: int) -> bool:
        now = project(bands, profiles[kept])
        without = project(bands, profiles[[one for one in kept if one != source]])
        drop = np.square(without.residual).sum() - np.square(now.residual).sum()
        return bool(drop < _MIN_CHI2_DROP or now.significance[kept.index(source)] < -_NEGATIVE)

    # What the last one of them has taken may be light of the others.
    for source in [*reversed(outside), *reversed(outside)]:
        if source in kept and is_unseen(source):
            model = model.without(kept.index(source))
            kept.remove(source)
    return model, [one for one in outside if one not in kept]


def fit_positive(
    bands: Bands, model: Model, first: int, clump_share: float, narrow: bool = False
) -> tuple[Model, IntArray]:
    """Fit, and remove components of negative flux: light is not negative, so that they mend errors
    of other profiles.

    A component that the data need becomes negative if large clumps of another one describe its
    light too: P_i + a P_j fits as well as P_i, and then s_j - a s_i takes the place of s_j. In that
    case clumps are made smaller.

    Parameters
    ----------
    bands, model, clump_share, narrow : Bands, Model, float, bool
        As for `least_squares.fit`.
    first : int
        The first component that may be removed.

    Returns
    -------
    Model, array of int
        The fit of the components that remain, and their numbers.
    """
    kept = np.arange(len(model.shapes), dtype=np.int32)
    fitted = fit(bands, model, clump_share, narrow)
    while True:
        significance = project(bands, fitted.band_profiles(bands)).significance
        significance[:first] = np.inf
        worst = int(np.argmin(significance))
        if significance[worst] > -_NEGATIVE:
            return fitted, kept
        others = model.without(worst)
        alone = fit(bands, others, clump_share, narrow)
        if clump_share > SMALL_CLUMPS and alone.chi2 - fitted.chi2 > _MIN_CHI2_DROP:
            clump_share = max(clump_share / 2, SMALL_CLUMPS)
            fitted = fit(bands, model, clump_share, narrow)
        else:
            model, kept, fitted = others, np.delete(kept, worst), alone


def best_place(
    bands: Bands,
    model: Model,
    projection: Projection,
    fwhm: float,
    failed: Sequence[tuple[float, float]] = (),
) -> tuple[tuple[float, float], float]:
    """The position (y, x) where a point source with a spectrum of its own would lower chi-square
    most, and by how much.

    At every second pixel the image of a point source, made orthogonal to the components and the
    sky, is fitted to the residual of each band. The part of its band fluxes that is a combination
    of those of nearby components is not counted: that light belongs to these components.

    Parameters
    ----------
    bands, model, projection : Bands, Model, Projection
        The data and the present fit.
    fwhm : float
        FWHM of the PSF, in pixels.
    failed : sequence of (y, x), optional
        Positions that were tried without success; positions close to them are not tried again.
    """
    grid = grid_places(bands.shape, _MARGIN)  # (m, 2)
    amplitude, norm = _point_sources(bands, projection, fwhm, model.pixel)
    near = model.separations(grid) < _CLUMPS_WITHIN * fwhm  # (m, n)
    # The amplitudes of a point source with the band fluxes of each nearby component: (m, n, nb).
    nearby = norm[:, None, :] * projection.flux[:, :-1].T[None] * near[:, :, None]
    drop = np.square(amplitude - _explained(amplitude, nearby)).sum(axis=1)
    drop[(amplitude * norm).sum(axis=1) <= 0] = 0
    for place in failed:
        drop[np.hypot(*((grid - place) * model.pixel).T) < _MERGED * fwhm] = 0
    best = int(
        np.argmax(np.where(drop > _CONTENDER * drop.max(), np.square(amplitude).sum(axis=1), 0))
    )
    y, x = grid[best]
    return (float(y), float(x)), float(drop[best])


def _point_sources(
    bands: Bands, projection: Projection, fwhm: float, pixel: Pixel
) -> tuple[FloatArray, FloatArray]:
    """Amplitudes (m, nb), in sigma, of point sources fitted to the residual at m positions;
    amplitude per unit flux."""
    grid, root = grid_places(bands.shape, _MARGIN), bands.root_weight
    images = shifted(
        bands.shape, grid, np.array([fwhm**2 * np.eye(2)]), TYPICAL_BETA, pixel
    ).reshape(len(grid), -1)
    squares = np.square(images)
    # The parts along the components and the sky, which are orthonormal, and to which the residual
    # is orthogonal: (nb, m, n + 1).
    inside = images @ (projection.q * root[:, None]).transpose(0, 2, 1)
    size = np.sqrt((squares @ np.square(root).T - np.square(inside).sum(axis=2).T).clip(0))
    seen = size > _LEAST_SEEN * np.sqrt(squares.sum(axis=1).max()) * root.max(axis=1)
    norm = np.where(seen, size, 0)
    amplitude = images @ (root * projection.residual).T
    amplitude = np.divide(amplitude, norm, out=np.zeros_like(norm), where=seen)
    return amplitude, norm


def _explained(amplitude: FloatArray, nearby: FloatArray) -> FloatArray:
    """At each position, the part of the amplitudes (m, nb) that is a combination of the components'
    (m, n, nb)."""
    gram = nearby @ nearby.transpose(0, 2, 1)
    # (m,): components that are not near are null rows.
    ridge = 1e-9 * np.einsum('mii->m', gram) + 1e-12
    right = nearby @ amplitude[..., None]
    share = np.linalg.solve(gram + ridge[:, None, None] * np.eye(nearby.shape[1]), right)
    return np.asarray((nearby.transpose(0, 2, 1) @ share)[..., 0])


def _with_neighbour(bands: Bands, model: Model, fwhm: float) -> Model | None:
    """The model with the component that improves it most, or None if no component is
    significant."""
    projection = project(bands, model.band_profiles(bands))
    failed: list[tuple[float, float]] = []
    for _ in range(_MAX_PLACES):
        place, chi2_drop = best_place(bands, model, projection, fwhm, failed)
        if chi2_drop < _MIN_CHI2_DROP:
            return None
        fitted = _follow(bands, model, place, fwhm)
        if fitted is not None and _is_source(bands, model, fitted, fwhm):
            # From now on its prior is centred on the position where it was found.
            prior = Prior.of(fitted.shapes[-1:, :2], fwhm, Frame(model.pixel))
            # Narrow bounds for all fits: one as wide as the subcube would take light of sky and
            # sources.
            low, high = prior.bounds(narrow=True)
            prior = replace(prior, bound=(high - low) / 2)
            return replace(fitted, prior=model.prior.joined(prior))
        failed.append(place)
    return None


def _is_source(bands: Bands, model: Model, fitted: Model, fwhm: float) -> bool:
    """Whether the last of the fitted components has light, and more than structure of the sky would
    give it.

    The noise on the scale of the PSF is that of point sources fitted to what is left. It exceeds
    the quoted errors where resampling has correlated pixels, and where the sky has gradients or
    stripes.
    """
    projection = project(bands, fitted.band_profiles(bands))
    if projection.significance[-1] <= 0:
        return False
    amplitude, norm = _point_sources(bands, projection, fwhm, model.pixel)
    seen = norm.any(axis=1)
    white = (amplitude * norm)[seen].sum(axis=1) / np.sqrt(np.square(norm[seen]).sum(axis=1))
    noise = max(1.0, float(robust_width(white)))
    return model.chi2 - fitted.chi2 > _MIN_CHI2_DROP * noise**2


def _follow(bands: Bands, model: Model, place: tuple[float, float], fwhm: float) -> Model | None:
    """Fit a component that starts at a position and may move to where it fits best; None if it
    merges with another."""
    first, shape = None, Prior.of(np.array([place]), fwhm).mean
    for _ in range(_MAX_FITS):
        prior = Prior.of(shape[:, :2], fwhm, Frame(model.pixel, 0.4 * _MAX_MOVE, _MAX_MOVE))
        fitted = fit(bands, model.with_component(shape, prior), narrow=True)
        if fitted.isolation(-1) < _MERGED * fwhm:
            # If a later fit merges with another component, the first one counts; None if that
            # already merges.
            return first
        model, first, shape = fitted.without(-1), first or fitted, fitted.shapes[-1:]
        inside = (np.abs(shape - prior.mean) < _AT_BOUND * prior.bound)[0, :2].all()
        if inside or (shape[0, :2] < 0).any() or (shape[0, :2] > np.subtract(bands.shape, 1)).any():
            break
    return fitted


def _least_needed(bands: Bands, model: Model, component: int) -> int:
    """Of this component and those found after it, the one without which a fit with large clumps is
    best."""
    choices = range(component, len(model.shapes))
    if len(choices) == 1:
        return component
    return min(choices, key=lambda one: fit(bands, model.without(one), LARGE_CLUMPS).chi2)
