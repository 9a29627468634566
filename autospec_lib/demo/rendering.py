"""Images of simulated galaxies, computed in Fourier space, where discs, clumps, shifts and pixels
are exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core.types import FloatArray

PIXEL = 0.2  # arcsec
_PAD = 24


@dataclass(frozen=True)
class Galaxy:
    """One source: an exponential disc, part of its light in clumps, and a spectrum.

    ``y``, ``x`` are in pixels of the cube; ``scale`` is the disc's scale length in arcsec,
    ``ratio`` its axis ratio, ``angle`` in radians from +x to +y; ``clumps`` are (dy, dx in arcsec,
    fraction of the light); ``flux`` the mean of the spectrum in the cube's unit; ``catalogued`` is
    False for a neighbour that is not in the catalogue.
    """

    y: float
    x: float
    flux: float
    scale: float
    ratio: float = 1.0
    angle: float = 0.0
    clumps: tuple[tuple[float, float, float], ...] = ()
    redshift: float = 0.0
    slope: float = 0.0
    passive: bool = False
    catalogued: bool = True


def _frequencies(shape: tuple[int, int], pixel: float) -> tuple[FloatArray, FloatArray]:
    """Spatial frequencies (y, x) in cycles per arcsec of a real Fourier transform of this shape."""
    y, x = np.fft.fftfreq(shape[0], pixel), np.fft.rfftfreq(shape[1], pixel)
    return np.asarray(y[:, None], dtype=float), np.asarray(x[None, :], dtype=float)


def _galaxy_transform(one: Galaxy, fy: FloatArray, fx: FloatArray) -> NDArray[np.complex128]:
    """The Fourier transform of a galaxy of unit flux: the exponential disc's is (1 + (2 pi h
    k)^2)^(-3/2)."""
    cos, sin = np.cos(one.angle), np.sin(one.angle)
    radius2 = (fx * cos + fy * sin) ** 2 + one.ratio**2 * (fy * cos - fx * sin) ** 2
    smooth = (1 + (2 * np.pi * one.scale) ** 2 * radius2) ** -1.5
    total = (1 - sum(part for *_, part in one.clumps)) * smooth.astype(complex)
    width = np.exp(-2 * (np.pi * 0.06) ** 2 * (fx**2 + fy**2))
    for dy, dx, part in one.clumps:
        total += part * width * np.exp(-2j * np.pi * (fy * dy + fx * dx))
    # Pixel (0, 0) has its centre half a pixel inside the field's corner.
    y, x = (one.y + 0.5 + _PAD) * PIXEL, (one.x + 0.5 + _PAD) * PIXEL
    return np.asarray(total * np.exp(-2j * np.pi * (fy * y + fx * x)))


def _moffat_transform(
    shape: tuple[int, int], step: float, fwhm: float, beta: float
) -> NDArray[np.complex128]:
    """The Fourier transform of a Moffat function of unit flux, centred on the first sample."""
    y, x = (
        np.fft.fftfreq(shape[0], 1 / (shape[0] * step)),
        np.fft.fftfreq(shape[1], 1 / (shape[1] * step)),
    )
    alpha2 = fwhm**2 / (4 * (2 ** (1 / beta) - 1))
    values = (1 + (y[:, None] ** 2 + x[None, :] ** 2) / alpha2) ** -beta
    return np.fft.rfft2(values * (beta - 1) / (np.pi * alpha2) * step**2)


def profiles(
    galaxies: Sequence[Galaxy], shape: tuple[int, int], fwhm: FloatArray, beta: float
) -> FloatArray:
    """Every galaxy convolved with a Moffat seeing and the pixels.

    Parameters
    ----------
    galaxies : sequence of Galaxy
        The m galaxies.
    shape : (int, int)
        (ny, nx) of the field.
    fwhm : array (n,)
        The seeing in arcsec at n wavelengths.
    beta : float
        The exponent of the Moffat function.

    Returns
    -------
    array (m, n, ny, nx)
        Each image has the sum 1 over an infinite plane.
    """
    # Half pixels, because a Moffat function is not band-limited; the margin keeps its wings from
    # wrapping round.
    step, padded = PIXEL / 2, (2 * (shape[0] + 2 * _PAD), 2 * (shape[1] + 2 * _PAD))
    fy, fx = _frequencies(padded, step)
    grid = np.sinc(fy * PIXEL) * np.sinc(fx * PIXEL) * np.exp(1j * np.pi * (fy + fx) * PIXEL)
    blur = [_moffat_transform(padded, step, float(width), beta) * grid for width in fwhm]
    inside = (slice(2 * _PAD, -2 * _PAD, 2), slice(2 * _PAD, -2 * _PAD, 2))
    images = np.empty((len(galaxies), len(fwhm), *shape))
    for number, one in enumerate(galaxies):
        transform = _galaxy_transform(one, fy, fx)
        for node, psf in enumerate(blur):
            # The values are densities per sample; times the four samples of a pixel they are the
            # light in the pixel.
            images[number, node] = 4 * np.fft.irfft2(transform * psf, padded)[inside]
    return images


def sharp_image(
    galaxies: Sequence[Galaxy], flux: FloatArray, shape: tuple[int, int], fwhm: float, pixel: float
) -> FloatArray:
    """All galaxies in an image of Gaussian PSF, without noise.

    Parameters
    ----------
    galaxies : sequence of Galaxy
        The m galaxies.
    flux : array (m,)
        Their fluxes.
    shape : (int, int)
        (ny, nx) of the field in pixels of the cube, whose corner is the image's too.
    fwhm, pixel : float
        FWHM of the PSF and side of a pixel in arcsec.
    """
    factor = PIXEL / pixel
    padded = (round((shape[0] + 2 * _PAD) * factor), round((shape[1] + 2 * _PAD) * factor))
    # One sample per pixel: what aliases at FWHM 0.12 and pixels of 0.1 arcsec is below 1 % of a
    # clump's light.
    fy, fx = _frequencies(padded, pixel)
    blur = (
        np.exp(-2 * (np.pi * fwhm / 2.3548) ** 2 * (fy**2 + fx**2))
        * np.sinc(fy * pixel)
        * np.sinc(fx * pixel)
    )
    # The corner of the field is the corner of a pixel, not its centre.
    grid = blur * np.exp(1j * np.pi * (fy + fx) * pixel)
    total = np.zeros(np.broadcast_shapes(fy.shape, fx.shape), complex)
    for one, part in zip(galaxies, flux, strict=True):
        total += part * _galaxy_transform(one, fy, fx)
    margin = round(_PAD * factor)
    return np.asarray(np.fft.irfft2(total * grid, padded)[margin:-margin, margin:-margin])
