"""Narrow-band images without continuum: around a line at the redshift of the source, or in a range
of wavelengths.

The continuum of each spaxel is a straight line through its means in two side bands, one on either
side. Emission lines at the redshift of the source are left out of the side bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec_lib.core import keys
from autospec_lib.core.emission_lines import LINES, SPEED_OF_LIGHT
from autospec_lib.core.types import BoolArray, FloatArray, Grid, Measured, Voxels
from autospec_lib.extraction.cross_correlation import channel_weights

# The full width in km/s of the band of a line, to which the line-spread function is added.
LINE_WIDTH = 500.0
# FWHM of the line-spread function that are added; they hold 98 per cent of a narrow line.
RESOLVED = 2.0
# Of the side bands: their distance from the band, and their width, at least, in FWHM; both as a
# share of the band's.
GAP, LEAST_SIDE = 1.0, 10.0
GAP_SHARE, SIDE_SHARE = 0.2, 0.75
FEWEST = 2  # channels in a side band
# Share of the channels of a band that may be bad in a spaxel; they are taken to be as the others.
MOST_MISSING = 0.05


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels (nl,) of a cube, in any order.

    Attributes
    ----------
    wave, vacuum : array (nl,)
        Wavelengths in Angstrom, in the medium of the cube and in vacuum.
    fwhm : array (nl,)
        FWHM of the line-spread function in Angstrom.
    grid : Grid
        Has the unit of wavelengths of the cube.
    """

    wave: FloatArray
    vacuum: FloatArray
    fwhm: FloatArray
    grid: Grid

    def of_line(self, name: str, z: float) -> tuple[float, float]:
        """First and last wavelength in Angstrom, in the medium of the cube, of the band of a line.

        Parameters
        ----------
        name : str
            A key of `LINES`.
        z : float
            The redshift.
        """
        first, last = (rest * (1 + z) for rest in (min(LINES[name]), max(LINES[name])))
        nearest = int(np.abs(self.vacuum - (first + last) / 2).argmin())
        half = (
            float(np.hypot(RESOLVED * self.fwhm[nearest], LINE_WIDTH / SPEED_OF_LIGHT * first)) / 2
        )
        in_medium = float(self.wave[nearest] / self.vacuum[nearest])
        return (first - half) * in_medium, (last + half) * in_medium

    def of_range(self, low: float, high: float) -> tuple[float, float]:
        """A range in Angstrom.

        Parameters
        ----------
        low, high : float
            In the cube's unit or, if this lies outside the cube, in Angstrom.
        """
        unit = self.grid.angstrom
        if high * unit < self.wave.min() or low * unit > self.wave.max():
            return low, high
        return low * unit, high * unit

    def text(self, limits: tuple[float, float]) -> str:
        """Wavelengths in Angstrom in words, in the cube's unit."""
        low, high = (limit / self.grid.angstrom for limit in limits)
        return f'{low:.7g} to {high:.7g} {self.grid.wave_unit}'


@dataclass(frozen=True, eq=False)
class Band:
    """A narrow band.

    Attributes
    ----------
    tag : str
        The key of its image.
    text : str
        Its wavelengths, in words.
    widths : array (nl,)
        The part of each channel that is inside, in Angstrom.
    sides : tuple of array of bool (nl,)
        The channels of the two side bands.
    fault : str
        Why there can be no image; '' if there can.
    """

    tag: str
    text: str
    widths: FloatArray
    sides: tuple[BoolArray, BoolArray]
    fault: str


def band(entry: str | tuple[float, float], z: float | None, channels: Channels) -> Band:
    """The band of a line or of a range.

    Parameters
    ----------
    entry : str or (float, float)
        A key of `LINES`, or first and last wavelength (see `Channels.of_range`).
    z : float or None
        The redshift of the source; None if it is not known.
    channels : Channels
        Those of the cube.
    """
    wave, none = channels.wave, np.zeros(channels.wave.size, bool)
    if not isinstance(entry, str):
        low, high = channels.of_range(*entry)
    elif z is None:
        return Band(
            keys.band(entry), '', np.zeros(wave.size), (none, none), 'the catalogue has no redshift'
        )
    else:
        low, high = channels.of_line(entry, z)
    middle = int(np.abs(wave - (low + high) / 2).argmin())
    fwhm = float(channels.fwhm[middle])
    gap = GAP * fwhm + GAP_SHARE * (high - low)
    side = max(LEAST_SIDE * fwhm, SIDE_SHARE * (high - low))
    lines = none
    if z is not None:
        for name in LINES:
            first, last = channels.of_line(name, z)
            lines = lines | ((wave >= first) & (wave <= last))
    sides = (
        ~lines & (wave >= low - gap - side) & (wave <= low - gap),
        ~lines & (wave >= high + gap) & (wave <= high + gap + side),
    )
    half = np.abs(np.gradient(wave)) / 2
    widths = np.clip(np.minimum(high, wave + half) - np.maximum(low, wave - half), 0.0, None)
    ordered = np.sort(wave)
    allowed = float(ordered[FEWEST - 1]) + gap, float(ordered[-FEWEST]) - gap
    text, fault = channels.text((low, high)), ''
    if low < allowed[0] or high > allowed[1]:
        fault = (
            f'{text} is outside the cube, where a band with continuum on both sides fits in '
            f'{channels.text(allowed)}'
        )
        if high - low > allowed[1] - allowed[0]:
            fault = f'{text} is too wide for a cube from {channels.text((ordered[0], ordered[-1]))}'
    elif high - low < 2 * half[middle]:
        fault = f'{text} is narrower than a channel of the cube'
    elif min(one.sum() for one in sides) < FEWEST:
        fault = f'{text} has no continuum on one side that is free of other lines'
    return Band(keys.band(entry), text, widths, sides, fault)


def image(spaxels: Voxels, wave: FloatArray, chosen: Band) -> Measured:
    """The flux in a band less the continuum, with its variance; in units of the cube times
    Angstrom.

    flux = sum of (d - c) dw over the channels, with the part dw of each that is in the band and the
    continuum c, a straight line through the means of the two side bands. In these means noisy
    channels count less. The variance is sum of v dw^2 + (sum of dw)^2 ((1 - t)^2 v1 + t^2 v2),
    where v1 and v2 are the variances of the means, and t is the place of the band between them,
    from 0 to 1.

    Parameters
    ----------
    spaxels : Voxels
        (nl, n).
    wave : array (nl,)
        Wavelengths in Angstrom.
    chosen : Band
        The band.

    Returns
    -------
    Measured
        (n,), NaN where more than `MOST_MISSING` of the band or all of a side band is bad.
    """
    total, place, flux, variance = _means(spaxels, wave, chosen.widths)
    weights = channel_weights(spaxels)
    (blue_total, blue_place, blue, blue_variance), (red_total, red_place, red, red_variance) = (
        _means(spaxels, wave, side * weights) for side in chosen.sides
    )
    width = float(chosen.widths.sum())
    known = (total >= (1 - MOST_MISSING) * width) & (blue_total > 0) & (red_total > 0)
    share = (place - blue_place) / np.where(known, red_place - blue_place, 1.0)
    net = width * (flux - (1 - share) * blue - share * red)
    net_variance = width**2 * (
        variance + (1 - share) ** 2 * blue_variance + share**2 * red_variance
    )
    if spaxels.variance is None:
        return Measured(np.where(known, net, np.nan))
    return Measured(np.where(known, net, np.nan), np.where(known, net_variance, np.nan))


def _means(
    spaxels: Voxels, wave: FloatArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Sum of the weights of good voxels, and weighted means of wavelength, data, and their
    variance; each (n,).

    Parameters
    ----------
    spaxels : Voxels
        (nl, n).
    wave : array (nl,)
        Wavelengths.
    weights : array (nl,)
        Of the channels.
    """
    chosen = weights > 0
    good, weight = np.ones((chosen.sum(), 1)), weights[chosen]
    if spaxels.bad is not None:
        good = ~spaxels.bad[chosen]
    total = weight @ good
    # Bad voxels hold 0 in data and variance.
    one = np.where(total > 0, total, 1.0)
    variance = np.zeros(total.shape)
    if spaxels.variance is not None:
        variance = weight**2 @ spaxels.variance[chosen]
    return (
        total,
        (weight * wave[chosen]) @ good / one,
        weight @ spaxels.data[chosen] / one,
        variance / one**2,
    )
