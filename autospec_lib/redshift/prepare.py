"""A spectrum made ready for the search: gaps bridged, errors scaled to the scatter, cosmic rays
masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import median_filter

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.redshift.axis import Axis

FEWEST_CHANNELS = 250  # usable ones, below which nothing is searched
# Lengths in FWHM of the line-spread function.
LEVEL_WIDTH = 38  # of the running median
NOISE_HALF = 100  # half the window in which errors are scaled
SKY_NOISE_HALF = 150  # the same for channels in sky lines, which are fewer
SKY_HALF = 38  # half the window in which the variance between sky lines is measured
# A channel is in a sky line if its variance is this many times that between sky lines.
SKY_LEVEL = 1.35
SKY_MARGIN = 1.1  # further factor to errors in sky lines, whose residuals are not Gaussian
# Of templates and line profiles, relative to the flux; it limits the weight of bright channels.
MODEL_ERROR = 0.04
COSMIC_SIGMA = 6.0
COSMIC_SIGMA_WIDE = 6.5  # of cosmic rays in two channels
# Channels; where the resolution is worse sampled, a line may be as narrow as a cosmic ray.
COSMIC_FWHM = 1.75


@dataclass(frozen=True, eq=False)
class Prepared:
    """A spectrum in units of its median error.

    Attributes
    ----------
    axis : Axis
        Its wavelengths.
    flux, level : array (nl,)
        Finite; gaps are bridged linearly. ``level`` is the running median.
    weight : array (nl,)
        1 / error^2; 0 where there is no value. Errors include that of models, `MODEL_ERROR`.
    sky : array of bool (nl,)
        Channels in sky lines.
    error : array (nl,)
        The standard deviation of the noise alone.
    unit : float
        What flux and error were divided by.
    """

    axis: Axis
    flux: FloatArray
    level: FloatArray
    weight: FloatArray
    sky: BoolArray
    error: FloatArray
    unit: float

    @property
    def good(self) -> BoolArray:
        """Channels with a value."""
        return np.asarray(self.weight > 0)


def prepare(
    axis: Axis, flux: FloatArray, variance: FloatArray | None, bad: BoolArray
) -> Prepared | None:
    """Scale the errors of a spectrum to its scatter and mask cosmic rays.

    Errors of a pipeline are often too small by a constant factor, and more so in sky lines. The
    scatter about the running median is measured in windows, separately for channels in sky lines,
    which are those with a larger variance than their surroundings.

    Parameters
    ----------
    axis : Axis
        The wavelengths.
    flux : array (nl,)
        Any number in bad channels.
    variance : array (nl,) or None
        None: the same in all channels.
    bad : array of bool (nl,)
        True where a channel must not be used.

    Returns
    -------
    Prepared or None
        None if too few channels are usable, or if the flux does not scatter.
    """
    good = np.isfinite(flux) & ~bad
    if variance is None:
        sigma = np.ones(flux.size)
    else:
        good &= np.isfinite(variance)
        good[good] = variance[good] > 0
        sigma = np.sqrt(np.where(good, variance, 1.0))
    if good.sum() < FEWEST_CHANNELS:
        return None
    sigma = _bridged(sigma, good)
    flux = _bridged(flux, good)
    level = median_filter(flux, axis.channels(LEVEL_WIDTH))
    sky = _in_sky_lines(axis, sigma**2)
    scale = _noise_scale(axis, (flux - level) / sigma, good, sky)
    if scale is None:
        return None
    sigma = sigma * scale
    if axis.fwhm_channels >= COSMIC_FWHM:
        good = good & ~_cosmic_rays((flux - level) / sigma, good)
    unit = float(np.median(sigma[good]))
    error, flux, level = sigma / unit, flux / unit, level / unit
    weight = 1 / (error**2 + (MODEL_ERROR * flux) ** 2)
    return Prepared(axis, flux, level, np.where(good, weight, 0.0), sky, error, unit)


def running(
    values: FloatArray,
    used: BoolArray,
    half: int,
    statistic: Callable[[FloatArray], Any],
    fewest: int,
) -> FloatArray | None:
    """A statistic in a running window, interpolated between positions half a half-window apart.

    Parameters
    ----------
    values : array (n,)
        The values.
    used : array of bool (n,)
        Which of them count.
    half : int
        Half the length of the window.
    statistic : function
        Of the values in a window.
    fewest : int
        Windows with no more values than this have the median of the others.

    Returns
    -------
    array (n,) or None
        None if no window has enough values.
    """
    nodes = np.arange(0, values.size, max(half // 2, 1))
    at_nodes = np.full(nodes.size, np.nan)
    for place, node in enumerate(nodes):
        window = slice(max(0, node - half), node + half)
        chosen = values[window][used[window]]
        if chosen.size > fewest:
            at_nodes[place] = statistic(chosen)
    known = np.isfinite(at_nodes)
    if not known.any():
        return None
    at_nodes[~known] = np.median(at_nodes[known])
    return np.asarray(np.interp(np.arange(values.size), nodes, at_nodes))


def _bridged(values: FloatArray, good: BoolArray) -> FloatArray:
    place = np.arange(values.size)
    return np.interp(place, place[good], values[good])


def _in_sky_lines(axis: Axis, variance: FloatArray) -> BoolArray:
    everywhere = np.ones(variance.size, bool)
    between = running(
        variance, everywhere, axis.channels(SKY_HALF), lambda part: np.percentile(part, 25), 0
    )
    assert between is not None  # every window has values
    return np.asarray(variance > SKY_LEVEL * between)


def _noise_scale(
    axis: Axis, residual: FloatArray, good: BoolArray, sky: BoolArray
) -> FloatArray | None:
    """Factors (nl,) to the errors; None if residuals do not scatter."""
    normal = running(residual, good & ~sky, axis.channels(NOISE_HALF), robust_width, 40)
    if normal is None or not np.median(normal) > 0:
        return None
    normal = np.maximum(normal, 0.01 * np.median(normal))
    in_lines = running(residual, good & sky, axis.channels(SKY_NOISE_HALF), robust_width, 25)
    if in_lines is None:
        in_lines = normal
    return np.where(sky, SKY_MARGIN * np.maximum(in_lines, normal), normal)


def _cosmic_rays(residual: FloatArray, good: BoolArray) -> BoolArray:
    """Peaks that are narrower than the line-spread function, with their neighbours.

    At a quarter of its height a line has 1.4 FWHM, three to four channels where the sampling is
    critical.
    """
    hit = np.zeros(residual.size, bool)
    for place in np.flatnonzero((residual > COSMIC_SIGMA) & good):
        peak = residual[place]
        around = residual[max(0, place - 3) : place + 4]
        alone = np.sum(around > 0.3 * peak) <= 1
        pair = np.sum(around > 0.25 * peak) <= 2 and peak > COSMIC_SIGMA_WIDE
        if alone or pair:
            hit[max(0, place - 1) : place + 2] = True
    return hit
