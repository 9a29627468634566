"""Spectra with known redshifts, made from line lists and from the engine's own templates."""

import numpy as np

from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.redshift.axis import LOG_STEP, Axis
from autospec_lib.redshift.engine import TEMPLATES

MUSE = 4750 + 1.25 * np.arange(3681)
STAR_FORMING = {
    **{3727.092: 1.5, 3729.875: 1.8, 4341.684: 0.45, 4862.683: 1.0, 4960.295: 0.7, 5008.24: 2.1},
    **{6549.85: 0.3, 6564.614: 2.86, 6585.27: 0.9, 6718.29: 0.5, 6732.67: 0.4},
}
OII = {3727.092: 1.0, 3729.875: 1.3}


def fwhm(wave):
    """The line-spread function that the engine takes for an axis."""
    return Axis.of(wave, (), False).fwhm


def emission(wave, z, lines, peak, velocity=50.0):
    """Gaussian lines, the brightest of which has this peak; ``wave`` in vacuum."""
    sigma = np.hypot(fwhm(wave) / 2.3548, wave * velocity / SPEED_OF_LIGHT)
    shapes = [
        flux * np.exp(-0.5 * ((wave - rest * (1 + z)) / sigma) ** 2) for rest, flux in lines.items()
    ]
    total = np.sum(shapes, axis=0)
    return peak * total / total.max()


def lyman_alpha(wave, z, peak):
    """A line with a steep blue and a long red side."""
    offset = wave - 1215.67 * (1 + z)
    narrow = fwhm(wave) / 2.3548
    sigma = np.where(offset < 0, narrow, np.hypot(narrow, wave * 230 / SPEED_OF_LIGHT))
    return peak * np.exp(-0.5 * (offset / sigma) ** 2)


def template(wave, kind, number, z):
    """One of the engine's templates, with a mean of 1."""
    held = np.load(TEMPLATES)
    start = held[
        {'galaxies': 'galaxy_start', 'stars': 'star_start', 'quasar': 'quasar_start'}[kind]
    ]
    values = held[kind].sum(axis=0) if number is None else held[kind][number]
    own = 10 ** (start + LOG_STEP * np.arange(values.size))
    flux = np.interp(wave / (1 + z), own, values)
    return flux / flux.mean()


def noisy(clean, seed=1, sigma=1.0):
    """A spectrum with white noise, and its variance."""
    noise = np.random.default_rng(seed).normal(0, sigma, clean.size)
    return clean + noise, np.full(clean.size, sigma**2)
