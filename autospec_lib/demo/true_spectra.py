"""Spectra of the simulated field: galaxies with lines at a redshift, and the night sky's noise."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import FloatArray

# Rest wavelengths in Angstrom (air) and equivalent strength relative to the continuum.
_EMISSION = (
    (3727.4, 5.0),
    (4340.5, 0.8),
    (4861.3, 1.8),
    (4958.9, 1.6),
    (5006.8, 4.8),
    (6562.8, 6.0),
    (6583.4, 2.0),
)
_ABSORPTION = ((3933.7, 0.55), (3968.5, 0.5), (4304.4, 0.3), (5175.4, 0.3), (5892.9, 0.25))
_SKY_LINES = ((5577.3, 60.0), (5890.0, 6.0), (5895.9, 3.0), (6300.3, 20.0), (6363.8, 7.0))
# Bands of hydroxyl: first and last wavelength, strength.
_SKY_BANDS = (
    (6470.0, 6620.0, 1.5),
    (6830.0, 6980.0, 3.0),
    (7240.0, 7440.0, 8.0),
    (7710.0, 8070.0, 12.0),
    (8280.0, 8510.0, 15.0),
    (8760.0, 9060.0, 20.0),
    (9310.0, 9350.0, 20.0),
)


def galaxy_spectrum(wave: FloatArray, redshift: float, slope: float, passive: bool) -> FloatArray:
    """A galaxy's spectrum of mean 1: a power law with emission lines, or (passive) a break and
    absorption lines.

    Parameters
    ----------
    wave : array (nl,)
        Wavelengths in Angstrom.
    redshift, slope : float
        Redshift, and the exponent of the continuum's power law.
    passive : bool
        Absorption and a break at 4000 Angstrom in place of emission.
    """
    rest = wave / (1 + redshift)
    flux = (wave / 7000.0) ** slope
    if passive:
        flux = flux * (0.55 + 0.45 / (1 + np.exp(-(rest - 4000.0) / 25.0)))
    for centre, strength in _ABSORPTION if passive else _EMISSION:
        line = np.exp(-0.5 * ((rest - centre) / (3.5 if passive else 2.0)) ** 2)
        flux = flux * (1 - strength * line if passive else 1 + strength * line)
    return np.asarray(flux / flux.mean())


def sky_variance(wave: FloatArray) -> FloatArray:
    """The variance of a sky-subtracted cube relative to its darkest wavelength, (nl,): detector,
    sky and its lines."""
    rng = np.random.default_rng(20181)
    lines = list(_SKY_LINES)
    for first, last, strength in _SKY_BANDS:
        places = rng.uniform(first, last, 14)
        lines += [(float(place), strength * float(rng.uniform(0.15, 1))) for place in places]
    sky = 1.0 + 0.3 * ((wave - 7000.0) / 2300.0) ** 2
    for centre, strength in lines:
        sky = sky + strength * np.exp(-0.5 * ((wave - centre) / 1.1) ** 2)
    return np.asarray(sky)
