"""Line bands: images in the emission and absorption lines of one source, in which its neighbours
are faint.

In wavelength bins, sources differ only by their colours, and many have similar colours. Their lines
seldom agree: the cube summed with a source's lines as weights is an image of that source, as in
AutoSpec's cross-correlation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import FloatArray
from autospec_lib.deblending.linear_system import Solution
from autospec_lib.deblending.weighted_data import Bands, WeightedCube, bin_edges

# A channel is in a line if it deviates from the level of its bin by at least this many sigma. Noise
# taken for lines would only confirm the profile with which the spectrum was extracted.
_LINE_SIGMA = 3.5
# A band is added if more than this share of its weights' power remains after they are made
# orthogonal to the earlier bands.
_OWN_SHARE = 1e-3
# Iterations of finding lines and measuring the level of the bins without them.
_ROUNDS = 3


def with_line_bands(bands: Bands, cube: WeightedCube, solution: Solution) -> Bands:
    """Add a band for each source whose spectrum has lines.

    Parameters
    ----------
    bands : Bands
        The cube in bins.
    cube : WeightedCube
        The cube itself.
    solution : Solution
        The present estimate of the sources' spectra (K, nl), with their covariance.

    Returns
    -------
    Bands
        The bins, then at most K line bands, each scaled so that a source with exactly these lines
        has the flux 1. The weights of all bands are orthogonal, so that their noise is independent.
    """
    level = cube.weight.mean(axis=1)
    found: list[FloatArray] = []
    for number, spectrum in enumerate(solution.spectra):
        lines = _lines(spectrum, np.sqrt(solution.covariance[:, number, number]), level)
        power = (level * lines) @ lines
        for other in found:
            lines = lines - (level * lines) @ other / ((level * other) @ other) * other
        if (level * lines) @ lines > _OWN_SHARE * power:
            found.append(lines)
    if not found:
        return bands
    profiles = np.array(found)  # (number of bands, nl)
    weight = np.square(profiles) @ cube.weight
    data = np.divide(profiles @ cube.product, weight, out=np.zeros_like(weight), where=weight > 0)
    share = np.square(profiles) * level
    middle = share @ cube.fraction / share.sum(axis=1)
    return replace(
        bands,
        data=np.concatenate([bands.data, data]),
        root_weight=np.concatenate([bands.root_weight, np.sqrt(weight)]),
        fraction=np.concatenate([bands.fraction, middle]),
    )


def _lines(spectrum: FloatArray, error: FloatArray, level: FloatArray) -> FloatArray:
    """The lines (nl,) of a spectrum, of mean 0 in every bin; 0 in all other channels and where
    nothing is known."""
    known = np.isfinite(error) & (level > 0)
    own, noise = np.where(known, spectrum, 0), np.where(known, error, np.inf)
    if known.sum() > 1:
        # Resampling makes quoted errors too small; the scatter from one channel to the next shows
        # the true ones.
        noise = noise * max(1.0, float(robust_width(np.diff((own / noise)[known]))) / np.sqrt(2))
    outside = known
    for _ in range(_ROUNDS):
        deviation = np.where(known, own - _bin_means(own, level * outside), 0)
        outside = known & (np.abs(deviation) < _LINE_SIGMA * noise)
    lines = np.where(outside, 0, deviation)
    return np.asarray(np.where(known, lines - _bin_means(lines, level * known), 0))


def _bin_means(values: FloatArray, weight: FloatArray) -> FloatArray:
    """At every wavelength (nl,) the weighted mean of its bin."""
    edges = bin_edges(len(values))
    total = np.add.reduceat(weight, edges[:-1])
    mean = np.divide(
        np.add.reduceat(weight * values, edges[:-1]),
        total,
        out=np.zeros(len(total)),
        where=total > 0,
    )
    return np.repeat(mean, np.diff(edges))
