"""The shape of a single line, fitted more finely than the filters: [OII], Lyman-alpha or a
Gaussian.

A line beside which nothing else is seen is mostly [OII] or Lyman-alpha. The one is a doublet; the
other one is steep on its blue side, and may have a second peak there.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.core.types import FloatArray
from autospec_lib.redshift.axis import FWHM_PER_SIGMA, Axis
from autospec_lib.redshift.line_search import OII_SEPARATION

WIDTHS = np.array([10.0, 30.0, 50.0, 80.0, 120.0, 170.0, 230.0])  # standard deviations in km/s
RATIOS = np.array([0.7, 0.9, 1.1, 1.3, 1.5])  # of [OII]
LYMAN_WIDTHS = np.array([30.0, 60.0, 100.0, 160.0, 240.0, 350.0])  # of the red side, in km/s
# Width of the blue side over that of the red side.
BLUE_SIDES = np.array([0.1, 0.3, 0.5, 0.75, 1.0])
OFFSETS = np.linspace(-2, 2, 17)  # channels
BLUE_PEAKS = (350.0, 450.0, 550.0, 650.0)  # km/s bluewards of Lyman-alpha
BLUE_PEAK_COST = 6.0  # gain in chi2 that a second peak reaches by chance
HALF = 10.0  # FWHM of the line-spread function that are fitted on either side


class Shape(Enum):
    """The families of profiles."""

    GAUSSIAN = 'Gaussian'
    OII = '[OII]'
    LYMAN_ALPHA = 'Lyman-alpha'


def gain(axis: Axis, signal: FloatArray, weight: FloatArray, wave: float, shape: Shape) -> float:
    """The largest gain in chi2 of a family of profiles near a wavelength.

    Parameters
    ----------
    axis : Axis
        The wavelengths.
    signal, weight : array (nl,)
        The spectrum without its continuum times ``weight``, and 1 / variance, 0 where there is no
        value.
    wave : float
        Of the line.
    shape : Shape
        The family.
    """
    middle = int(axis.nearest(wave))
    half = axis.channels(HALF)
    window = slice(max(0, middle - half), middle + half + 1)
    offsets = axis.wave[window] - axis.wave[middle] - OFFSETS[:, None] * axis.step[middle]
    resolution, scale = axis.fwhm[middle] / FWHM_PER_SIGMA, axis.wave[middle] / SPEED_OF_LIGHT
    if shape is Shape.OII:
        profiles = _doublets(
            offsets, np.hypot(resolution, WIDTHS * scale), OII_SEPARATION * axis.wave[middle]
        )
    elif shape is Shape.GAUSSIAN:
        profiles = _sides(offsets, *[np.hypot(resolution, WIDTHS * scale)] * 2)
    else:
        red = np.repeat(LYMAN_WIDTHS, BLUE_SIDES.size)
        blue = np.outer(LYMAN_WIDTHS, BLUE_SIDES).ravel()
        profiles = _sides(
            offsets, np.hypot(resolution, blue * scale), np.hypot(resolution, red * scale)
        )
    profiles = profiles.reshape(-1, offsets.shape[1])
    products = profiles @ signal[window]
    norms = profiles**2 @ weight[window]
    gains = np.divide(
        products**2, norms, out=np.zeros(norms.size), where=(products > 0) & (norms > 0)
    )
    best = int(gains.argmax())
    if shape is not Shape.LYMAN_ALPHA or not gains[best] > 0:
        return float(gains[best])
    place = offsets[best // (len(profiles) // OFFSETS.size)]
    second = [
        _sides(
            (place + apart * scale)[None], *[np.hypot(resolution, LYMAN_WIDTHS[1:4] * scale)] * 2
        )[0]
        for apart in BLUE_PEAKS
    ]
    pair = _gain_of_pairs(profiles[best], np.concatenate(second), signal[window], weight[window])
    return max(float(gains[best]), pair - BLUE_PEAK_COST)


def _sides(offsets: FloatArray, blue: FloatArray, red: FloatArray) -> FloatArray:
    """Profiles (no, k, n) of Gaussian halves with these widths (k,), about positions with offsets
    (no, n)."""
    sigma = np.where(offsets[:, None] < 0, blue[:, None], red[:, None])
    return np.asarray(np.exp(-0.5 * (offsets[:, None] / sigma) ** 2))


def _doublets(offsets: FloatArray, sigma: FloatArray, apart: float) -> FloatArray:
    """Profiles (no, k, n) of doublets for all widths and ratios."""
    blue, red = (_sides(offsets + side * apart / 2, sigma, sigma) for side in (1, -1))
    return np.concatenate([blue + ratio * red for ratio in RATIOS], axis=1)


def _gain_of_pairs(
    first: FloatArray, second: FloatArray, signal: FloatArray, weight: FloatArray
) -> float:
    """The largest gain of a profile (n,) with any of others (k, n), both with positive
    amplitudes."""
    a, b, c = float(first**2 @ weight), second @ (first * weight), second**2 @ weight
    p, q = float(first @ signal), second @ signal
    determinant = a * c - b**2
    one, other = c * p - b * q, a * q - b * p
    usable = (determinant > 1e-6 * a * c) & (one > 0) & (other > 0)
    gains = np.divide(one * p + other * q, determinant, out=np.zeros(c.size), where=usable)
    return float(gains.max())
