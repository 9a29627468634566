"""The true noise of a spectrum, measured where there is no source.

Resampling a cube correlates neighbouring voxels, and a variance propagated as if they were
independent is too small for every sum over spaxels. The remedy, used for many MUSE catalogues (e.g.
Bacon et al. 2017, A&A 608, A1, sect. 3.1.5), is to compute the same sum at many positions of blank
sky and to measure its scatter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.products import Group, Kind, Products
from autospec_lib.core.types import BoolArray, FloatArray, Voxels

# Weights below this share of the largest one are ignored here: they hardly contribute to the noise.
_FOOTPRINT = 0.05
# A placement counts if at least this share of the sum of squared weights falls on blank spaxels.
_INSIDE = 0.9
_FEWEST = 8
_MOST = 60
# Number of channels over which the factor is smoothed, and over which the level of each placement
# is subtracted.
_WINDOW = 301


def with_empirical_noise(products: Products, voxels: Voxels, sky: BoolArray) -> Products:
    """Scale the variance of each spectrum to the scatter of sums with the same weights on blank
    sky.

    Parameters
    ----------
    products : Products
        With propagated variances; spectra without weights keep theirs.
    voxels : Voxels
        The subcube (nl, ny, nx), in which blank sky is looked for.
    sky : array of bool (ny, nx)
        True where no object is.

    Returns
    -------
    Products
        With the medians of the factors as cards NFACT1, NFACT2 ..., and notes on spectra without a
        measured factor.
    """
    if voxels.variance is None:
        return products | Products(notes=('noise: the cube has no variance that could be scaled',))
    blank = sky & ~voxels.blank
    spectra, failed = dict(products.spectra), dict[str, str]()
    facts: dict[str, tuple[Any, str]] = {}
    for key, spectrum in products.spectra.items():
        if spectrum.weights is None:
            continue
        # The joint extraction fits the sky; its error is in the covariance already.
        shared_sky = spectrum.sky_subtracted and spectrum.kind is not Kind.JOINT
        measured, note = empirical_factor(voxels, spectrum.weights, blank, shared_sky)
        if measured is None or spectrum.variance is None:
            failed[key] = note
            continue
        # A range of wavelengths without data has no measured scatter.
        factor = np.where(np.isfinite(measured) & (measured > 0), measured, 1.0)
        spectra[key] = replace(spectrum, variance=spectrum.variance * factor)
        facts[f'NFACT{len(facts) + 1}'] = (round(float(np.median(factor)), 4), key)
    notes = [
        f'{note} ({", ".join(key for key in failed if failed[key] == note)})'
        for note in dict.fromkeys(failed.values())
    ]
    return products | Products({Group.SPECTRUM: spectra}, facts=facts, notes=tuple(notes))


def empirical_factor(
    voxels: Voxels, weights: FloatArray, blank: BoolArray, sky_subtracted: bool = False
) -> tuple[FloatArray | None, str]:
    """Compare the scatter of a weighted sum at empty positions with its propagated error.

    The weights u are moved over the subcube; every placement that falls on blank spaxels gives
    z(lambda) = sum(u (d - sky)) / sqrt(sum(u^2 v)), sky being the mean of the blank spaxels (it is
    part of u). The factor is the squared robust width of z in a running window of wavelengths,
    times `_shared_sky` where the spectrum is sky-subtracted.

    Parameters
    ----------
    voxels : Voxels
        The subcube (nl, ny, nx) with its variance; it may be sky-subtracted or not.
    weights : array (ny, nx)
        What each spaxel contributes to the spectrum (of any scale and sign): a mask, a weight
        image, or a profile.
    blank : array of bool (ny, nx)
        True where no source is.
    sky_subtracted : bool
        Whether the spectrum is a sum over spaxels to each of which the variance of the sky was
        added.

    Returns
    -------
    factor : array (nl,) or None
        The factor of the variance; None if the blank spaxels allow too few placements.
    note : str
        Which then says so; else ''.
    """
    placed = _placements(weights, blank)
    if len(placed) < _FEWEST:
        return None, (
            f'noise: {len(placed)} empty places for the weights, at least {_FEWEST} needed; propagated errors kept'
        )
    factor: FloatArray = _running_width(_scatter(voxels.columns, placed, blank.ravel())) ** 2
    if sky_subtracted:
        factor = factor * _shared_sky(voxels.columns, weights.ravel(), blank.ravel())
    return factor, ''


def _scatter(spaxels: Voxels, placed: FloatArray, blank: BoolArray) -> FloatArray:
    """The sums of spaxels (nl, npix) at all placements (n, npix), minus the sky, over their
    propagated errors: (nl, n).

    NaN = no value.
    """
    assert spaxels.variance is not None
    data, variance, good = spaxels.data, spaxels.variance, spaxels.good
    kept = placed * blank
    # The sky is the mean of the blank spaxels, so subtracting it only changes the weight of each of
    # them.
    total = kept.sum(axis=1, keepdims=True)
    count = np.maximum((good & blank).sum(axis=1), 1)
    sky = data[:, blank].sum(axis=1) / count
    value = data @ kept.T - sky[:, None] * (good @ kept.T)
    share = total.T / count[:, None]
    blank_variance = variance[:, blank].sum(axis=1)[:, None]
    expected = (
        variance @ np.square(kept).T - 2 * share * (variance @ kept.T) + share**2 * blank_variance
    )
    usable = expected > 1e-12 * np.median(expected)
    return np.where(usable, value / np.sqrt(np.where(usable, expected, 1.0)), np.nan)


def _shared_sky(spaxels: Voxels, weights: FloatArray, blank: BoolArray) -> FloatArray:
    """The variance of a sum including the sky's error, over the variance propagated spaxel by
    spaxel, (nl,).

    The same sky, of variance v_s, is subtracted from all spaxels: the sum's variance is sum(u^2 v)
    + sum(u)^2 v_s, while the propagated one is sum(u^2 (v + v_s)).

    Parameters
    ----------
    spaxels : Voxels
        With the variance v (nl, npix).
    weights : array (npix,)
        The weights u; NaN counts as 0.
    blank : array of bool (npix,)
        The spaxels whose mean is the sky.
    """
    assert spaxels.variance is not None
    variance, good = spaxels.variance, spaxels.good
    sky = variance[:, blank].sum(axis=1) / np.maximum(good[:, blank].sum(axis=1), 1) ** 2
    used = np.where(good & np.isfinite(weights), weights, 0.0)
    squares = np.square(used)
    own = (squares * variance).sum(axis=1)
    propagated = own + squares.sum(axis=1) * sky
    shared = own + np.square(used.sum(axis=1)) * sky
    return np.asarray(np.divide(shared, propagated, out=np.ones_like(own), where=propagated > 0))


def _placements(weights: FloatArray, blank: BoolArray) -> FloatArray:
    """The weights moved to all positions where they fall on blank spaxels, evenly thinned out if
    many: (n, npix)."""
    ny, nx = blank.shape
    u = np.where(np.isfinite(weights), weights, 0.0)
    u = np.where(np.abs(u) > _FOOTPRINT * np.abs(u).max(), u, 0.0)
    wide = np.pad(u, ((ny, ny), (nx, nx)))
    placements = []
    power = np.square(u).sum()
    for dy in range(-ny + 1, ny):
        for dx in range(-nx + 1, nx):
            moved = wide[ny - dy : 2 * ny - dy, nx - dx : 2 * nx - dx]
            if power > 0 and np.square(moved[blank]).sum() >= _INSIDE * power:
                placements.append(moved.ravel())
    step = max(1, -(-len(placements) // _MOST))
    return np.asarray(placements[::step], dtype=float).reshape(-1, ny * nx)


def _running_width(z: FloatArray) -> FloatArray:
    """Robust standard deviation (nl,) of the values (nl, n) around each column's own level, in a
    running window."""
    nl = len(z)
    half = _WINDOW // 2
    centres = np.arange(0, nl + half, half)
    widths = []
    for centre in centres:
        # The window keeps its length at the ends: with fewer channels, subtracting the median would
        # remove more noise.
        first = int(np.clip(centre - half, 0, max(nl - _WINDOW, 0)))
        part = z[first : first + _WINDOW]
        part = part - np.nanmedian(part, axis=0)
        widths.append(robust_width(part))
    return np.asarray(np.interp(np.arange(nl), centres, np.array(widths)))
