"""The wavelength axis of a spectrum: vacuum wavelengths, resolution, and lengths in units of the
resolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.core.numerics import to_vacuum
from autospec_lib.core.types import BoolArray, FloatArray

LOG_STEP = 1e-4  # of log10(wavelength): the grid of templates, 69 km/s
FWHM_PER_SIGMA = 2.3548
# FWHM in Angstrom of MUSE's line-spread function, as coefficients of a polynomial in the wavelength
# (Bacon et al. 2017, A&A 608, A1).
MUSE_FWHM = (5.866e-8, -9.187e-4, 6.040)
MUSE_STEP = 1.25  # Angstrom
MUSE_RANGE = (4500.0, 9500.0)
DEFAULT_CHANNELS = 2.5  # FWHM of an unknown instrument


@dataclass(frozen=True, eq=False)
class Axis:
    """Wavelengths (nl,) in vacuum, ascending, in Angstrom, and the FWHM (nl,) of the line-spread
    function."""

    wave: FloatArray
    fwhm: FloatArray

    @classmethod
    def of(cls, wave: FloatArray, lsf: tuple[float, ...], air: bool) -> Axis:
        """The axis of a cube.

        Parameters
        ----------
        wave : array (nl,)
            In Angstrom, ascending.
        lsf : tuple of float
            FWHM in Angstrom as coefficients of a polynomial in the wavelength, the highest power
            first. () stands for MUSE's where the axis is one of MUSE, and for 2.5 channels
            elsewhere.
        air : bool
            Whether wavelengths are in air.
        """
        step = np.abs(np.gradient(wave))
        inside = MUSE_RANGE[0] < wave[0] and wave[-1] < MUSE_RANGE[1]
        if lsf or (inside and np.allclose(step, MUSE_STEP, rtol=1e-3)):
            fwhm = np.maximum(np.polyval(lsf or MUSE_FWHM, wave), step)
        else:
            fwhm = DEFAULT_CHANNELS * step
        return cls(to_vacuum(wave) if air else wave, fwhm)

    @cached_property
    def step(self) -> FloatArray:
        """The width (nl,) of a channel in Angstrom."""
        return np.gradient(self.wave)

    @cached_property
    def fwhm_channels(self) -> float:
        """The median FWHM in channels."""
        return float(np.median(self.fwhm / self.step))

    @cached_property
    def velocity_step(self) -> float:
        """The step of redshift grids in km/s: a fifth of the FWHM, at most 20."""
        fwhm = float(np.median(self.fwhm / self.wave)) * SPEED_OF_LIGHT
        return min(20.0, fwhm / 5)

    def channels(self, widths: float) -> int:
        """The number of channels, at least 1, in this number of FWHM."""
        return max(1, round(widths * self.fwhm_channels))

    def width(self, velocity: float, fraction: float = 1.0) -> FloatArray:
        """The standard deviation (nl,) in Angstrom of a line.

        Parameters
        ----------
        velocity : float
            The line's own standard deviation in km/s.
        fraction : float
            Factor to it, for lines whose sides differ.
        """
        own = self.wave * velocity * fraction / SPEED_OF_LIGHT
        return np.hypot(self.fwhm / FWHM_PER_SIGMA, own)

    def nearest(self, wave: FloatArray | float) -> NDArray[np.intp]:
        """The channels nearest to wavelengths of any shape; the first or last one for those
        outside."""
        place = np.interp(wave, self.wave, np.arange(self.wave.size))
        return np.asarray(np.rint(place), np.intp)

    def covers(self, wave: FloatArray, margin: int = 4) -> BoolArray:
        """Whether wavelengths are inside the axis.

        Parameters
        ----------
        wave : array
            Wavelengths.
        margin : int
            Least number of channels between them and the ends.
        """
        if self.wave.size <= 2 * margin:
            return np.zeros(np.shape(wave), bool)
        return np.asarray((wave > self.wave[margin]) & (wave < self.wave[-1 - margin]))
