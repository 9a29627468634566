"""The true noise of a spectrum, measured where there is no source.

Resampling a cube correlates neighbouring voxels, and a variance propagated as if they were independent is too small
for every sum over spaxels. The remedy (issued with many MUSE catalogues; e.g. Bacon et al. 2017, A&A 608, A1, sect.
3.1.5) is to take the same sum where the sky is empty and to look how much it scatters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autospec_lib.core.products import Kind, Products
from autospec_lib.core.statistics import robust_width
from autospec_lib.core.types import BoolArray, FloatArray, Voxels

# Weights below this share of the largest do not shape the noise.
_FOOTPRINT = 0.05
# This much of the summed squared weights must fall on blank spaxels for a placement to count.
_INSIDE = 0.9
_FEWEST = 8
_MOST = 60
# Channels over which the factor is smoothed, and over which a placement's own continuum is taken off.
_WINDOW = 301


@dataclass(frozen=True)
class NoiseFactor:
    """What to multiply the variance of a spectrum with: ``factor`` (nl,), its median, and the placements it rests on.

    ``factor`` is None where there were too few blank spaxels; ``note`` then says so.
    """

    factor: FloatArray | None
    median: float | None
    placements: int
    note: str = ''


def with_empirical_noise(products: Products, voxels: Voxels, sky: BoolArray) -> Products:
    """Scale the variance of each spectrum by what its weights give where the sky is blank.

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
        With the factors' medians as cards NFACT1, NFACT2 ... and a note on what was not measured.
    """
    if voxels.variance is None:
        return products | Products(notes=('noise: the cube has no variance that could be scaled',))
    blank = sky & ~voxels.blank
    spectra, failed = dict(products.spectra), dict[str, str]()
    facts: dict[str, tuple[Any, str]] = {}
    for key, spectrum in products.spectra.items():
        if spectrum.weights is None:
            continue
        # The joint extraction fits the sky, and has its error in the covariance.
        shared_sky = spectrum.sky_subtracted and spectrum.kind is not Kind.JOINT
        found = empirical_factor(voxels, spectrum.weights, blank, shared_sky)
        if found.factor is None or spectrum.variance is None:
            failed[key] = found.note
            continue
        # A stretch of wavelengths without data has no scatter to look at.
        factor = np.where(np.isfinite(found.factor) & (found.factor > 0), found.factor, 1.0)
        spectra[key] = replace(spectrum, variance=spectrum.variance * factor)
        facts[f'NFACT{len(facts) + 1}'] = (round(float(np.median(factor)), 4), key)
    notes = [
        f'{note} ({", ".join(key for key in failed if failed[key] == note)})' for note in dict.fromkeys(failed.values())
    ]
    return products | Products(spectra=spectra, facts=facts, notes=tuple(notes))


def empirical_factor(
    voxels: Voxels, weights: FloatArray, blank: BoolArray, sky_subtracted: bool = False
) -> NoiseFactor:
    """Compare the scatter of a weighted sum at empty positions with its propagated error.

    The weights u are moved over the subcube; every placement that falls on blank spaxels gives
    z(lambda) = sum(u (d - sky)) / sqrt(sum(u^2 v)), sky being the mean of the blank spaxels (it is part of u). The
    factor is the squared robust width of z in a running window of wavelengths, times `_shared_sky` where the spectrum
    is sky-subtracted.

    Parameters
    ----------
    voxels : Voxels
        The subcube (nl, ny, nx) with its variance; it may be sky-subtracted or not.
    weights : array (ny, nx)
        What each spaxel contributes to the spectrum (of any scale and sign): a mask, a weight image, or a profile.
    blank : array of bool (ny, nx)
        True where no source is.
    sky_subtracted : bool
        Whether the spectrum's variance is that of a sum over spaxels each of which had the sky's variance added.

    Returns
    -------
    NoiseFactor
        The variance's factor; nothing but a note where the blank spaxels hold too few placements.
    """
    placed = _placements(weights, blank)
    if len(placed) < _FEWEST:
        note = f'noise: {len(placed)} empty places for the weights, at least {_FEWEST} needed; propagated errors kept'
        return NoiseFactor(None, None, len(placed), note)
    columns = voxels.columns
    assert columns.variance is not None
    good = columns.good
    factor: FloatArray = _running_width(_scatter(columns.data, columns.variance, good, placed, blank.ravel())) ** 2
    if sky_subtracted:
        used = np.where(good & np.isfinite(weights.ravel()), weights.ravel(), 0.0)
        factor = factor * _shared_sky(columns.variance, used, blank.ravel())
    return NoiseFactor(factor, float(np.median(factor)), len(placed))


def _scatter(data: FloatArray, errors: FloatArray, good: BoolArray, placed: FloatArray, blank: BoolArray) -> FloatArray:
    """The sums at all places (n, npix), less the sky, over their propagated errors: (nl, n), NaN for no value.

    Data, variance ``errors`` and ``good`` are (nl, npix), with 0 where they are not good.
    """
    kept = placed * blank
    # The sky is the mean of the blank spaxels: taking it off is one more weight in each of them.
    total = kept.sum(axis=1, keepdims=True)
    count = np.maximum((good & blank).sum(axis=1), 1)
    sky = data[:, blank].sum(axis=1) / count
    value = data @ kept.T - sky[:, None] * (good @ kept.T)
    share = total.T / count[:, None]
    blank_errors = errors[:, blank].sum(axis=1)[:, None]
    expected = errors @ np.square(kept).T - 2 * share * (errors @ kept.T) + share**2 * blank_errors
    usable = expected > 1e-12 * np.median(expected)
    return np.where(usable, value / np.sqrt(np.where(usable, expected, 1.0)), np.nan)


def _shared_sky(errors: FloatArray, weights: FloatArray, blank: BoolArray) -> FloatArray:
    """What the sky's error adds to a sum's variance, over what it adds when it is propagated spaxel by spaxel, (nl,).

    All spaxels are given the same sky, whose variance is v_s: the sum's variance is sum(u^2 v) + sum(u)^2 v_s, while
    the propagated one is sum(u^2 (v + v_s)).

    Parameters
    ----------
    errors, weights : array (nl, npix)
        Variance v and weights u, 0 in bad voxels.
    blank : array of bool (npix,)
        The spaxels whose mean is the sky.
    """
    sky = errors[:, blank].sum(axis=1) / np.maximum((errors[:, blank] > 0).sum(axis=1), 1) ** 2
    squares = np.square(weights)
    own = (squares * errors).sum(axis=1)
    propagated = own + squares.sum(axis=1) * sky
    shared = own + np.square(weights.sum(axis=1)) * sky
    return np.asarray(np.divide(shared, propagated, out=np.ones_like(own), where=propagated > 0))


def _placements(weights: FloatArray, blank: BoolArray) -> FloatArray:
    """The weights moved to every place where they fall on blank spaxels, (n, npix), thinned evenly."""
    ny, nx = blank.shape
    u = np.where(np.isfinite(weights), weights, 0.0)
    u = np.where(np.abs(u) > _FOOTPRINT * np.abs(u).max(), u, 0.0)
    wide = np.zeros((3 * ny, 3 * nx))
    found = []
    power = np.square(u).sum()
    for dy in range(-ny + 1, ny):
        for dx in range(-nx + 1, nx):
            wide[:] = 0
            wide[ny + dy : 2 * ny + dy, nx + dx : 2 * nx + dx] = u
            moved = wide[ny : 2 * ny, nx : 2 * nx]
            if power > 0 and np.square(moved[blank]).sum() >= _INSIDE * power:
                found.append(moved.ravel().copy())
    step = max(1, -(-len(found) // _MOST))
    return np.asarray(found[::step], dtype=float).reshape(-1, ny * nx)


def _running_width(z: FloatArray) -> FloatArray:
    """Robust standard deviation (nl,) of the values (nl, n) around each column's own level, in a running window."""
    nl = len(z)
    half = _WINDOW // 2
    centres = np.arange(0, nl + half, half)
    widths = []
    for centre in centres:
        # The same number of channels at the ends: the fewer there are, the more of the noise the median takes away.
        first = int(np.clip(centre - half, 0, max(nl - _WINDOW, 0)))
        part = z[first : first + _WINDOW]
        part = part - np.nanmedian(part, axis=0)
        widths.append(robust_width(part))
    return np.asarray(np.interp(np.arange(nl), centres, np.array(widths)))
