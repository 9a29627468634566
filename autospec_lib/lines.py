"""Bands for spectral lines, which show one source without its neighbours.

Bins of wavelength tell sources apart by their colours only, and many are of one colour. Their lines seldom agree: the
cube summed with the weights of a source's lines is an image of that source, as in AutoSpec's cross-correlation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec_lib.core.types import FloatArray
from autospec_lib.profiles import Bands, bins
from autospec_lib.solve import Solution, Weighted

# What differs from its bin's level by so many sigma is a line; noise that is taken for one would confirm the profile
# with which the spectrum was extracted.
_LINE = 3.5
# A source whose lines are but for this share of their power those of others adds nothing.
_OWN = 1e-3
# The level of a bin is that of what is left when its lines are taken out; three rounds find them.
_ROUNDS = 3


def with_lines(bands: Bands, cube: Weighted, where: FloatArray, solution: Solution) -> Bands:
    """Add a band for each source whose spectrum has lines.

    The weights of all bands are orthogonal, so that their noise is independent.

    Parameters
    ----------
    bands : Bands
        The cube in bins.
    cube : Weighted
        The cube itself.
    where : array (nl,)
        Each wavelength's fraction of the way from the first to the last.
    solution : Solution
        The sources' spectra as far as they are known, with their errors.

    Returns
    -------
    Bands
        The bins, then at most one band per source. In each the flux is 1 for a source with just these lines.
    """
    level = cube.weight.mean(axis=1)
    found: list[FloatArray] = []
    for number, spectrum in enumerate(solution.spectra):
        line = _lines(spectrum, np.sqrt(solution.covariance[:, number, number]), level)
        whole = (level * line) @ line
        for other in found:
            line = line - (level * line) @ other / ((level * other) @ other) * other
        if (level * line) @ line > _OWN * whole:
            found.append(line)
    if not found:
        return bands
    lines = np.array(found)
    weight = np.square(lines) @ cube.weight
    data = np.divide(lines @ cube.product, weight, out=np.zeros_like(weight), where=weight > 0)
    share = np.square(lines) * level
    middle = share @ where / share.sum(axis=1)
    return replace(
        bands,
        data=np.concatenate([bands.data, data]),
        root=np.concatenate([bands.root, np.sqrt(weight)]),
        where=np.concatenate([bands.where, middle]),
    )


def _lines(spectrum: FloatArray, error: FloatArray, level: FloatArray) -> FloatArray:
    """What stands out of each bin's level, of mean 0 in every bin; 0 where there is nothing, or nothing is known."""
    known = np.isfinite(error) & (level > 0)
    own, noise = np.where(known, spectrum, 0), np.where(known, error, np.inf)
    if known.sum() > 1:
        # Resampling makes quoted errors too small; the scatter from one wavelength to the next does not know of that.
        noise = noise * max(1.0, 1.4826 * float(np.median(np.abs(np.diff((own / noise)[known])))) / np.sqrt(2))
    calm = known
    for _ in range(_ROUNDS):
        line = np.where(known, own - _means(own, level * calm), 0)
        calm = known & (np.abs(line) < _LINE * noise)
    line = np.where(calm, 0, line)
    return np.asarray(np.where(known, line - _means(line, level * known), 0))


def _means(values: FloatArray, weight: FloatArray) -> FloatArray:
    """At every wavelength the weighted mean of its bin."""
    edges = bins(len(values))
    total = np.add.reduceat(weight, edges[:-1])
    mean = np.divide(np.add.reduceat(weight * values, edges[:-1]), total, out=np.zeros(len(total)), where=total > 0)
    return np.repeat(mean, np.diff(edges))
