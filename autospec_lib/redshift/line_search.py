"""Emission lines: their wavelengths and ratios, and the search for them with matched filters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from autospec_lib.core.emission_lines import LINES, SPEED_OF_LIGHT
from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.redshift.axis import Axis
from autospec_lib.redshift.prepare import Prepared, running

LYMAN_ALPHA = LINES['LYALPHA'][0]
# Lines of galaxies in ascending order; [OII] is one line, in the middle of its doublet, and H8 is
# with HeI.
GALAXY_LINES = """
    OII NEIII3869 H8 HEPSILON HDELTA HGAMMA HBETA OIII4959 OIII5007 HEI5876 OI6300 NII6548 HALPHA NII6583
    SII6716 SII6731
""".split()
OII = 0  # its number among these
GALAXY_WAVES = np.array([np.mean(LINES[name]) for name in GALAXY_LINES])
QUASAR_WAVES = np.array(
    [LYMAN_ALPHA, 1549.0, 1908.7, 2799.0, 3728.5, 4862.7, 4960.3, 5008.24, 6564.6]
)
OII_SEPARATION = 2.783 / 3728.484  # of the doublet, relative to its wavelength
OII_RATIOS = (0.8, 1.1, 1.4)  # of the red to the blue line
LINE_WIDTHS = (25.0, 70.0, 150.0)  # standard deviations in km/s
LYMAN_WIDTHS = (60.0, 110.0, 230.0)  # of the red half of Lyman-alpha
LYMAN_BLUE = 0.35  # width of its blue half over that of the red half
STRONG = 3.5  # signal-to-noise ratio from which a line counts
# FWHM of the line-spread function; half the window in which ratios are scaled to their scatter.
SCALE_HALF = 175
LEAST_SCALE = 0.8

# Ratios [NII]6585/Halpha, [OIII]5008/Hbeta and [OII]/Hbeta of archetypes along the star-forming
# sequence of Baldwin, Phillips & Terlevich (1981, PASP 93, 5), two Seyfert galaxies and a LINER;
# each with three reddenings A_V.
_RATIOS = (
    (0.02, 6.0, 1.5),
    (0.03, 4.0, 5.0),
    (0.05, 5.0, 2.5),
    (0.12, 2.5, 3.3),
    (0.25, 1.0, 3.0),
    (0.4, 0.4, 2.0),
    (0.8, 8.0, 4.0),
    (1.2, 2.0, 2.5),
)
_REDDENINGS = (0.0, 1.0, 2.2)


def archetypes() -> FloatArray:
    """Line fluxes (24, number of lines) relative to Hbeta.

    Balmer lines by case B (Osterbrock & Ferland 2006), [OIII] 5008/4960 = 2.98 (Storey & Zeippen
    2000, MNRAS 312, 813).
    """
    rows = []
    for n2, o3, o2 in _RATIOS:
        balmer, halpha = (0.19, 0.159, 0.259, 0.468, 1.0), 2.86
        nitrogen = halpha * n2
        sulphur = (0.55 * (0.5 + n2), 0.42 * (0.5 + n2))
        fluxes = [
            o2,
            0.085 * o3,
            *balmer,
            o3 / 2.98,
            o3,
            0.11,
            0.06,
            nitrogen / 3.05,
            halpha,
            nitrogen,
            *sulphur,
        ]
        for reddening in _REDDENINGS:
            curve = (GALAXY_WAVES / 5500) ** -0.9 - (4862.7 / 5500) ** -0.9
            rows.append(np.array(fluxes) * 10 ** (-0.4 * reddening * curve))
    return np.array(rows)


@dataclass(frozen=True, eq=False)
class Responses:
    """What filters (k,) measure at each channel: flux = signal / norm, with the variance 1 / norm;
    both (k, nl)."""

    signal: FloatArray
    norm: FloatArray

    @cached_property
    def ratio(self) -> FloatArray:
        """The signal-to-noise ratio (k, nl)."""
        return self.signal / np.sqrt(self.norm)


@dataclass(frozen=True, eq=False)
class LineSearch:
    """The responses to lines of `LINE_WIDTHS`, to [OII] of the same widths, and to Lyman-alpha of
    `LYMAN_WIDTHS`.

    ``excess`` (nl,) is what gains in chi2 of the second line width were divided by.
    """

    single: Responses
    doublet: Responses
    lyman: Responses
    excess: FloatArray

    @cached_property
    def highest(self) -> FloatArray:
        """The highest signal-to-noise ratio (nl,) of all filters."""
        highest = [part.ratio.max(axis=0) for part in (self.single, self.doublet, self.lyman)]
        return np.asarray(np.max(highest, axis=0))

    @cached_property
    def lowest(self) -> float:
        """The strongest negative peak, as a positive number: a measure of artefacts."""
        return -float(self.single.ratio.min())

    @cached_property
    def lyman_gain(self) -> FloatArray:
        """The gain in chi2 (nl,) of the best single line, symmetric or not."""
        best = np.maximum(self.lyman.ratio.max(axis=0), self.single.ratio.max(axis=0))
        return np.asarray(np.maximum(best, 0.0) ** 2)


class Filters:
    """Profiles of lines at every channel of an axis, which include the line-spread function.

    Parameters
    ----------
    axis : Axis
        The wavelengths.
    """

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        widest = float((axis.width(max(LYMAN_WIDTHS)) / axis.step).max())
        self.half = int(np.clip(np.ceil(3.5 * widest), 4, 60))
        offsets = np.arange(-self.half, self.half + 1) * axis.step[:, None]
        profiles = [self._sides(offsets, width, 1.0) for width in LINE_WIDTHS]
        profiles += [
            self._pair(offsets, width, ratio) for width in LINE_WIDTHS for ratio in OII_RATIOS
        ]
        profiles += [self._sides(offsets, width, LYMAN_BLUE) for width in LYMAN_WIDTHS]
        flux = [profile / (profile.sum(axis=1) * axis.step)[:, None] for profile in profiles]
        self.profiles = np.array(flux, np.float32)
        self.squares = self.profiles**2

    def _sides(self, offsets: FloatArray, width: float, blue: float) -> FloatArray:
        """A Gaussian, the blue half of which has this fraction of the width."""
        red_side = np.exp(-0.5 * (offsets / self.axis.width(width)[:, None]) ** 2)
        if blue == 1:
            return red_side
        blue_side = np.exp(-0.5 * (offsets / self.axis.width(width, blue)[:, None]) ** 2)
        return np.where(offsets < 0, blue_side, red_side)

    def _pair(self, offsets: FloatArray, width: float, ratio: float) -> FloatArray:
        """The doublet [OII] about the middle between its lines."""
        apart = (self.axis.wave * OII_SEPARATION)[:, None]
        sigma = self.axis.width(width)[:, None]
        blue, red = (np.exp(-0.5 * ((offsets + side * apart / 2) / sigma) ** 2) for side in (1, -1))
        return blue + ratio * red

    def search(self, prepared: Prepared, continuum: FloatArray) -> LineSearch:
        """Measure every kind of line at every channel.

        The ratios of each filter are divided by their own scatter, which takes out errors that are
        too small and noise that is correlated.

        Parameters
        ----------
        prepared : Prepared
            The spectrum.
        continuum : array (nl,)
            What is subtracted from it.
        """
        signal = self._correlate(prepared.weight * (prepared.flux - continuum), self.profiles)
        norm = self._correlate(prepared.weight, self.squares)
        excess = np.ones(norm.shape)
        for number, row in enumerate(norm):
            covered = row > 1e-6 * row.max()
            signal[number, ~covered] = 0.0
            norm[number, ~covered] = 1e-6 * row.max()
            ratio = signal[number] / np.sqrt(norm[number])
            scale = running(ratio, covered, self.axis.channels(SCALE_HALF), robust_width, 40)
            if scale is not None:
                excess[number] = np.maximum(scale, LEAST_SCALE) ** 2
        signal /= excess
        norm /= excess
        widths, ratios = len(LINE_WIDTHS), len(OII_RATIOS)
        doublets = slice(widths, widths * (1 + ratios))
        by_ratio = Responses(signal[doublets], norm[doublets])
        best = by_ratio.ratio.reshape(widths, ratios, -1).argmax(axis=1)[:, None]
        of_best = [
            np.take_along_axis(part.reshape(widths, ratios, -1), best, 1)[:, 0]
            for part in (by_ratio.signal, by_ratio.norm)
        ]
        return LineSearch(
            Responses(signal[:widths], norm[:widths]),
            Responses(*of_best),
            Responses(signal[doublets.stop :], norm[doublets.stop :]),
            excess[1],
        )

    def sharpness(self, prepared: Prepared, continuum: FloatArray, wave: float) -> float:
        """How much better one or two channels explain a peak than the narrowest line does.

        It is the ratio of the largest signal-to-noise ratios near a wavelength: some 0.9 for a
        line, 1.1 and more for a cosmic ray.

        Parameters
        ----------
        prepared : Prepared
            The spectrum.
        continuum : array (nl,)
            What is subtracted from it.
        wave : float
            Of the peak.
        """
        middle = int(
            np.clip(self.axis.nearest(wave), self.half + 3, self.axis.wave.size - self.half - 4)
        )
        window = slice(middle - 2, middle + 3)
        signal, norm = prepared.weight * (prepared.flux - continuum), prepared.weight
        pairs = [part[window] + part[middle - 1 : middle + 4] for part in (signal, norm)]
        spikes = [*_ratios(signal[window], norm[window]), *_ratios(*pairs)]
        around = slice(middle - 2 - self.half, middle + 3 + self.half)
        matched = [
            np.einsum(
                'ij,ij->i',
                np.lib.stride_tricks.sliding_window_view(part[around], 2 * self.half + 1),
                profile,
            )
            for part, profile in (
                (signal, self.profiles[0][window]),
                (norm, self.squares[0][window]),
            )
        ]
        line = max(_ratios(*matched))
        return float(max(spikes) / line) if line > 0 else 1.0

    def _correlate(self, values: FloatArray, profiles: np.ndarray) -> FloatArray:
        """The sum (k, nl) of values times each profile at each channel."""
        padded = np.pad(values.astype(np.float32), self.half)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * self.half + 1)
        return np.asarray(np.einsum('ij,kij->ki', windows, profiles), float)


def _ratios(signal: FloatArray, norm: FloatArray) -> FloatArray:
    """Signal-to-noise ratios, 0 where there is no weight."""
    return np.divide(signal, np.sqrt(norm), out=np.zeros(signal.shape), where=norm > 0)


class GalaxyLines:
    """The lines of galaxies on a grid of redshifts.

    Parameters
    ----------
    axis : Axis
        The wavelengths.
    limits : (float, float)
        Of the redshifts.
    """

    def __init__(self, axis: Axis, limits: tuple[float, float]) -> None:
        self.axis = axis
        self.z = velocity_grid(axis, limits)
        waves = GALAXY_WAVES * (1 + self.z[:, None])
        self.inside = axis.covers(waves)
        self.channel = axis.nearest(waves)
        self.archetypes = archetypes()

    def gains(self, search: LineSearch) -> tuple[FloatArray, np.ndarray]:
        """The gain in chi2 of the best archetype at each redshift, with the number of its line
        width; both (nz,).

        The amplitude of an archetype with line fluxes r is sum(r signal) / sum(r^2 norm).
        """
        gains = np.empty((len(LINE_WIDTHS), self.z.size))
        for width in range(len(LINE_WIDTHS)):
            signal, norm = (self._at_lines(search, width, part) for part in ('signal', 'norm'))
            product = signal @ self.archetypes.T
            power = norm @ self.archetypes.T**2
            gains[width] = np.where(product > 0, product**2 / np.maximum(power, 1e-30), 0.0).max(
                axis=1
            )
        return gains.max(axis=0), gains.argmax(axis=0)

    def _at_lines(self, search: LineSearch, width: int, part: str) -> FloatArray:
        values = getattr(search.single, part)[width][self.channel]
        values[:, OII] = getattr(search.doublet, part)[width][self.channel[:, OII]]
        return np.where(self.inside, values, 0.0)

    def ratios(self, search: LineSearch, z: float, width: int) -> FloatArray:
        """The signal-to-noise ratio of each line at a redshift; 0 outside the axis.

        Parameters
        ----------
        search : LineSearch
            The responses.
        z : float
            The redshift.
        width : int
            Number of the line width.
        """
        waves = GALAXY_WAVES * (1 + z)
        near = self.axis.nearest(waves)[:, None] + np.array([-1, 0, 1])
        near = np.clip(near, 0, self.axis.wave.size - 1)
        ratios = search.single.ratio[width][near].max(axis=1)
        ratios[OII] = search.doublet.ratio[width][near[OII]].max()
        return np.where(self.axis.covers(waves), ratios, 0.0)


def velocity_grid(axis: Axis, limits: tuple[float, float]) -> FloatArray:
    """Redshifts in steps of `Axis.velocity_step`.

    Parameters
    ----------
    axis : Axis
        The wavelengths.
    limits : (float, float)
        Lowest and highest redshift; the grid is empty if the second is not above the first.
    """
    low, high = np.log1p(limits)
    return np.expm1(np.arange(low, high, axis.velocity_step / SPEED_OF_LIGHT))


def near_lines(wave: FloatArray, lines: FloatArray, half: FloatArray) -> BoolArray:
    """Whether each wavelength (nl,) is near any line.

    Parameters
    ----------
    wave : array (nl,)
        Wavelengths.
    lines : array (k,)
        Of the lines.
    half : array (k,)
        Distances up to which a wavelength is near.
    """
    return np.asarray((np.abs(wave - lines[:, None]) < half[:, None]).any(axis=0))
