"""The search for light that the catalogued sources do not explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autospec_lib.core.moffat import Pixel, shifted
from autospec_lib.core.types import FloatArray
from autospec_lib.deblending.clumps import LARGE_CLUMPS, SMALL_CLUMPS, TYPICAL_BETA, grid_places
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import Projection, project
from autospec_lib.deblending.model import Model, Prior
from autospec_lib.deblending.weighted_data import Bands

_MAX_NEIGHBOURS = 4
# Least decrease of chi-square for a component. In 16 bands pure noise gives 16 +- 6 at one place; over all places, and
# with the correlated noise of resampled cubes, it does not reach 80.
_MIN_CHI2_DROP = 80.0
# Of the places with at least this share of the largest decrease, the one that is brightest in the residual is tried:
# close to a source, where most of the missing light is, that source explains more of it than farther out.
_CONTENDER = 0.3
_MAX_PLACES = 3
# How many pixels a component may move in one fit, and how often it is fitted again if it moves that far.
_MAX_MOVE, _MAX_FITS = 2.0, 3
_AT_BOUND = 0.999  # of the largest move
# Closer than this share of the PSF's FWHM two components are one.
_MERGED = 0.5
# Neighbours may lie this many pixels outside the subcube and still have light in it.
_MARGIN = 2
# Components have clumps up to this many FWHM of the PSF from their centres.
_CLUMPS_WITHIN = 2.0
# A point source is not tried in a band that shows less than this share of it at its best weight.
_LEAST_SEEN = 0.05


def add_neighbours(bands: Bands, model: Model, fwhm: float) -> Model:
    """Add components, one by one, as long as one of them improves the fit significantly.

    Sources are without clumps and close to their prior here, so that none stretches over a missing neighbour.

    Parameters
    ----------
    bands : Bands
        Data.
    model : Model
        The catalogued sources, fitted.
    fwhm : float
        That of the PSF, in pixels.
    """
    for _ in range(_MAX_NEIGHBOURS):
        found = _with_neighbour(bands, model, fwhm)
        if found is None:
            break
        model = found
    return model


def prune(bands: Bands, model: Model, named: int, fwhm: float) -> tuple[Model, Model]:
    """Remove the added components that clumps of the other ones explain as well.

    Parameters
    ----------
    bands, fwhm : Bands, float
        As for `add_neighbours`.
    model : Model
        The catalogued sources and what was added to them.
    named : int
        The number of catalogued sources, which come first and stay.

    Returns
    -------
    Model, Model
        What is left of the model without clumps, and the same components fitted with small clumps.
    """
    if len(model.shapes) == named:
        return model, model
    with_clumps = fit(bands, model, SMALL_CLUMPS, narrow=True)
    for component in reversed(range(named, len(model.shapes))):
        other = fit(bands, model.without(component), SMALL_CLUMPS, narrow=True)
        if other.chi2 - with_clumps.chi2 < _MIN_CHI2_DROP or with_clumps.isolation(component) < _MERGED * fwhm:
            redundant = _least_needed(bands, model, component)
            model = model.without(redundant)
            with_clumps = other if redundant == component else fit(bands, model, SMALL_CLUMPS, narrow=True)
    return model, with_clumps


def best_place(
    bands: Bands, model: Model, projection: Projection, fwhm: float, failed: Sequence[tuple[float, float]] = ()
) -> tuple[tuple[float, float], float]:
    """The place (y, x) where a point source with a spectrum of its own would lower chi-square most, and how much.

    At every second pixel the image of a point source, made orthogonal to the components and the sky, is fitted to the
    residual of each band. What a multiple of the nearby components' band fluxes explains is not counted: that light is
    part of these components.

    Parameters
    ----------
    bands, model, projection : Bands, Model, Projection
        The data and the present fit.
    fwhm : float
        That of the PSF, in pixels.
    failed : sequence of (y, x), optional
        Places that were tried, around which no other is tried.
    """
    grid = grid_places(bands.shape, _MARGIN)  # (m, 2)
    amplitude, norm = _point_sources(bands, projection, fwhm, model.pixel)
    near = model.separations(grid) < _CLUMPS_WITHIN * fwhm  # (m, n)
    # What each nearby component's flux makes of the amplitudes: (m, n, nb).
    nearby = norm[:, None, :] * projection.flux[:, :-1].T[None] * near[:, :, None]
    drop = np.square(amplitude - _explained(amplitude, nearby)).sum(axis=1)
    drop[(amplitude * norm).sum(axis=1) <= 0] = 0
    for place in failed:
        drop[np.hypot(*((grid - place) * model.pixel).T) < _MERGED * fwhm] = 0
    best = int(np.argmax(np.where(drop > _CONTENDER * drop.max(), np.square(amplitude).sum(axis=1), 0)))
    y, x = grid[best]
    return (float(y), float(x)), float(drop[best])


def _point_sources(bands: Bands, projection: Projection, fwhm: float, pixel: Pixel) -> tuple[FloatArray, FloatArray]:
    """Amplitudes (m, nb), in sigma, of point sources at m places in the residual, and the amplitude per unit flux."""
    grid = grid_places(bands.shape, _MARGIN)
    images = shifted(bands.shape, grid, np.array([fwhm**2 * np.eye(2)]), TYPICAL_BETA, pixel).reshape(len(grid), -1)
    full = np.square(images).sum(axis=1).max()
    amplitude, norm = np.zeros((2, len(grid), len(bands.data)))
    for band, root in enumerate(bands.root_weight):
        weighted = images * root
        weighted = weighted - (weighted @ projection.q[band]) @ projection.q[band].T
        size = np.sqrt(np.square(weighted).sum(axis=1))
        seen = size > _LEAST_SEEN * np.sqrt(full) * root.max()
        norm[:, band] = np.where(seen, size, 0)
        amplitude[:, band] = np.where(seen, weighted @ projection.residual[band] / np.where(seen, size, 1), 0)
    return amplitude, norm


def _explained(amplitude: FloatArray, nearby: FloatArray) -> FloatArray:
    """At each place, the part of the amplitudes (m, nb) that a combination of the components' (m, n, nb) explains."""
    gram = nearby @ nearby.transpose(0, 2, 1)
    ridge = 1e-9 * np.einsum('mii->m', gram) + 1e-12  # (m,): components that are not near are null rows
    right = nearby @ amplitude[..., None]
    share = np.linalg.solve(gram + ridge[:, None, None] * np.eye(nearby.shape[1]), right)
    return np.asarray((nearby.transpose(0, 2, 1) @ share)[..., 0])


def _with_neighbour(bands: Bands, model: Model, fwhm: float) -> Model | None:
    """The model with the component that improves it most, or None where none is significant."""
    projection = project(bands, model.band_profiles(bands))
    failed: list[tuple[float, float]] = []
    for _ in range(_MAX_PLACES):
        place, chi2_drop = best_place(bands, model, projection, fwhm, failed)
        if chi2_drop < _MIN_CHI2_DROP:
            return None
        fitted = _follow(bands, model, place, fwhm)
        if fitted is not None:
            # From now on it is expected where it has been found.
            prior = Prior.of(fitted.shapes[-1:, :2], fwhm)
            return replace(fitted, prior=model.prior.joined(prior))
        failed.append(place)
    return None


def _follow(bands: Bands, model: Model, place: tuple[float, float], fwhm: float) -> Model | None:
    """Fit a component that starts at a place and may move to where it fits best; None where it merges with another."""
    first, shape = None, Prior.of(np.array([place]), fwhm).mean
    for _ in range(_MAX_FITS):
        prior = Prior.of(shape[:, :2], fwhm, _MAX_MOVE)
        fitted = fit(bands, model.with_component(shape, prior), narrow=True)
        if fitted.isolation(-1) < _MERGED * fwhm:
            # The first fit, where there was light, counts if only a later one merges.
            return first
        model, first, shape = fitted.without(-1), first or fitted, fitted.shapes[-1:]
        inside = np.abs(shape - prior.mean)[0, :2].max() < _AT_BOUND * _MAX_MOVE
        if inside or (shape[0, :2] < 0).any() or (shape[0, :2] > np.subtract(bands.shape, 1)).any():
            break
    return fitted


def _least_needed(bands: Bands, model: Model, component: int) -> int:
    """The component, this one or one that was found later, without which a fit with large clumps is best."""
    choices = range(component, len(model.shapes))
    if len(choices) == 1:
        return component
    return min(choices, key=lambda one: fit(bands, model.without(one), LARGE_CLUMPS).chi2)
