"""Light that a fit gives to the wrong one of two sources, as the lines in their spectra show."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import FloatArray
from autospec_lib.deblending.linear_system import Solution

# The continuum is the running median of so many channels, this share of them.
_WINDOW = 1 / 30
# A channel belongs to a line if it deviates from the continuum by this many sigma.
_LINE_SIGMA = 3.0
# Error of a spectrum that is not noise, as a share of its continuum: weak features of its own.
_FEATURES = 0.03
# Deviations are weighted down beyond this many sigma: there the other source has lines of its own.
_OUTLIER = 2.5
# Lines agree by chance as often as copies that are displaced by these shares of the range.
_DISPLACED = np.concatenate([np.linspace(0.025, 0.22, 14), -np.linspace(0.025, 0.22, 14)])
_ROUNDS = 5


def line_share(solution: Solution, source: int, other: int) -> tuple[float, float]:
    """The share of a source's spectrum that is in the spectrum of another one, from its lines.

    A model with the profile P_i + a P_j instead of P_i fits the data as well, if light of source j
    is taken for light of source i: the spectra are then s_i and s_j - a s_i, so that the lines of i
    are in the spectrum of j with the factor -a. The factor of the lines l_i in h_j, both without
    continuum, is

        f = sum w (l_i h_j - C_ij) / sum w (l_i^2 - C_ii)

    over the channels of the lines. C is the covariance of the spectra, which hold noise of the same
    voxels; w = 1 / (C_jj + (0.03 s_j)^2), less where source j has lines of its own.

    Parameters
    ----------
    solution : Solution
        All spectra with their covariance.
    source, other : int
        The rows i and j.

    Returns
    -------
    float, float
        The factor, and its standard deviation: that of noise, of lines that agree by chance, from
        displaced copies of the lines, and as much as the common noise is corrected for. (0,
        infinity) where the source has no lines.
    """
    known = np.isfinite(solution.covariance[:, source, source])
    pair = np.array([source, other])
    spectra = solution.spectra[pair][:, known]  # (2, nl)
    covariance = solution.covariance[known][:, pair[:, None], pair]  # (nl, 2, 2)
    sigma = np.sqrt(np.einsum('lkk->kl', covariance))
    length = spectra.shape[1]
    window = 2 * round(_WINDOW * length / 2) + 1
    if window < 3:
        return 0.0, np.inf
    continuum = _continuum(spectra, window)
    lines, remainder = spectra - continuum
    # Resampling makes quoted errors too small, as in `line_bands`.
    scatter = robust_width(np.diff(spectra / sigma, axis=1), axis=1) / np.sqrt(2)
    scale = np.maximum(scatter, 1.0)
    sigma = sigma * scale[:, None]
    channels = np.flatnonzero(np.abs(lines) > _LINE_SIGMA * sigma[0])
    if len(channels) < 3:
        return 0.0, np.inf
    lines, own = lines[channels], sigma[0, channels] ** 2
    shared = covariance[channels, 0, 1] * scale.prod()
    steps = np.concatenate([[0], np.round(_DISPLACED * length)]).astype(int)  # (m,)
    places = (channels + steps[:, None]) % length
    values = remainder[places]  # (m, n)
    variance = sigma[1, places] ** 2 + np.square(_FEATURES * continuum[1, places])
    common = np.where(steps[:, None] == 0, shared, 0.0)
    weight = 1 / variance
    for _ in range(_ROUNDS):
        power = (weight * (lines**2 - own)).sum(axis=1)
        factor = (weight * (lines * values - common)).sum(axis=1) / power.clip(1e-300)
        deviation = np.abs(values - factor[:, None] * lines) / np.sqrt(variance)
        weight = 1 / variance / np.maximum(1.0, deviation / _OUTLIER) ** 2
    if power[0] <= 0:
        return 0.0, np.inf
    by_chance = np.square(factor[1:]).mean()
    # The noise in channels that noise has lifted above the limit is more than its mean.
    by_noise = (weight[0] * shared).sum() / power[0]
    return float(factor[0]), float(np.sqrt(1 / power[0] + by_chance + by_noise**2))


def _continuum(spectra: FloatArray, window: int) -> FloatArray:
    """The running median of spectra (k, nl), smoothed."""
    from scipy.ndimage import median_filter, uniform_filter1d

    # In one dimension, the filter is fifty times faster.
    medians = np.array([median_filter(one, window, mode='nearest') for one in spectra])
    return np.asarray(uniform_filter1d(medians, max(window // 2, 1), axis=1, mode='nearest'))
