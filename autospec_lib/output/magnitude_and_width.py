"""A source's magnitude and width in white light."""

from __future__ import annotations

import numpy as np
from astropy import units

from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.output.unit_texts import flux_density

AB_ZERO = 3631.0  # Jy, flux density of magnitude 0
WIDTH = float(np.sqrt(8 * np.log(2)))  # FWHM of a Gaussian of unit standard deviation
# Largest FWHM in units of the image's width; wider sources leave no background in the image.
LARGEST = 0.5
ITERATIONS = 100


def ab_magnitude(flux: FloatArray, unit: str, wave: FloatArray, wave_unit: str) -> float | None:
    """AB magnitude of a spectrum in a band that weights its flux density equally at all of its
    wavelengths.

    Flux per wavelength becomes flux per frequency at the pivot wavelength of this band,
    ``lambda_p ** -2 = mean(lambda ** -2)``, as by Bessell & Murphy (2012, PASP 124, 140).

    Parameters
    ----------
    flux : array (nl,)
        NaN where there is no value.
    unit : str
        Its unit.
    wave : array (nl,)
        Wavelengths.
    wave_unit : str
        Their unit.

    Returns
    -------
    float or None
        None where the unit is no flux density, or the mean flux is not positive.
    """
    density, known = flux_density(unit), np.isfinite(flux)
    if density is None or not known.any():
        return None
    widths = np.abs(np.gradient(wave))[known] if len(wave) > 1 else np.ones(1)
    mean = float(np.average(flux[known], weights=widths)) * density
    if not 0 < mean.value < np.inf:
        return None
    pivot = np.average(wave[known] ** -2.0, weights=widths) ** -0.5 * units.Unit(wave_unit)
    ratio = float(mean.to_value(units.Jy, units.spectral_density(pivot))) / AB_ZERO
    return -2.5 * float(np.log10(ratio)) if 0 < ratio < np.inf else None


def fwhm(
    image: FloatArray, usable: BoolArray, centre: tuple[float, float], pixel: tuple[float, float]
) -> float | None:
    """Full width at half maximum of the Gaussian that fits a source best, geometric mean of its
    axes.

    Adaptive moments (Bernstein & Jarvis 2002, AJ 123, 583): the second moments, weighted by a
    Gaussian whose own moments are twice the measured ones, are those of the elliptical Gaussian of
    least squares. Pixels that are not usable take the values of this Gaussian.

    Parameters
    ----------
    image : array (ny, nx)
        Without background.
    usable : array of bool (ny, nx)
        False in pixels without value and in those of other sources.
    centre : (float, float)
        Where to start, (y, x) in pixels.
    pixel : (float, float)
        A pixel's size (y, x).

    Returns
    -------
    float or None
        In the unit of ``pixel``; None where the moments do not converge near the centre.
    """
    y, x = np.indices(image.shape).reshape(2, -1)
    places = np.stack([(y - centre[0]) * pixel[0], (x - centre[1]) * pixel[1]])
    known, values = usable.ravel(), np.where(usable, image, 0.0).ravel()
    middle, moments = np.zeros(2), np.eye(2) * (2 * max(pixel)) ** 2
    smallest, largest = (
        (0.1 * min(pixel)) ** 2,
        (LARGEST * max(image.shape) * max(pixel) / WIDTH) ** 2,
    )
    for _ in range(ITERATIONS):
        away = places - middle[:, None]
        shape = np.exp(-0.5 * np.einsum('ip,ij,jp->p', away, np.linalg.inv(moments), away))
        height = (values * shape)[known].sum() / (shape**2)[known].sum().clip(1e-300)
        weight = np.where(known, values, height * shape) * shape
        total = weight.sum()
        if not 0 < total < np.inf:
            return None
        shift = (away * weight).sum(axis=1) / total
        fitted = 2 * ((away * weight) @ away.T / total - np.outer(shift, shift))
        middle = middle + 2 * shift
        if not np.isfinite(fitted).all():
            return None
        least, most = np.linalg.eigvalsh(fitted)
        if least < smallest or most > largest or (middle**2).sum() > most:
            return None
        if np.abs(fitted - moments).max() < 1e-5 * most:
            return WIDTH * float(np.linalg.det(fitted) ** 0.25)
        moments = fitted
    return None
