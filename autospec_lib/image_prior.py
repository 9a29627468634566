"""Profiles from an image sharper than the cube: each source's share of it, convolved to the cube's seeing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec_lib.components import Components
from autospec_lib.core.moffat import moffat
from autospec_lib.core.types import FloatArray, Psf
from autospec_lib.fitting import fit
from autospec_lib.profiles import NODES, Bands, Model, project, to_bands


def templates(image: FloatArray, parts: Components) -> FloatArray:
    """Cut an image into the sources' shares.

    Moffat functions, fitted to the image itself, say which share of a pixel's light belongs to whom; where they are
    below the noise they stand in for the image.

    Parameters
    ----------
    image : array (ny, nx)
        The image on the cube's pixels; NaN where there is none, finite in some pixel.
    parts : Components
        The components as the cube shows them.

    Returns
    -------
    array (K, ny, nx)
        Each of sum 1.
    """
    good = np.isfinite(image)
    light = np.where(good, image, np.median(image[good])) - np.median(image[good])
    # An image that is empty but for its sources has no noise to measure.
    noise = max(1.4826 * float(np.median(np.abs(light[good]))), 1e-6 * float(np.abs(light).max()), 1e-300)
    # Pixels in which a source outshines the noise fit no better than to a tenth: galaxies are no Moffat functions.
    root = good / np.hypot(noise, 0.1 * np.abs(light))
    bands = Bands(light.reshape(1, -1), root.reshape(1, -1), np.array([0.5]), image.shape)
    # The image lacks the cube's seeing.
    sharper = np.array([0, 0, 0.5, 0, 0, 0])
    shapes, narrow = parts.model.shapes - sharper, replace(parts.before, mean=parts.before.mean - sharper)
    # A PSF of constant width: one image has no wavelengths along which to run.
    found = fit(bands, narrow, Model(shapes, psf=Psf(1.0, 1.0)))
    images = found.images(image.shape, np.array([0.5]))
    solved = project(bands, images.reshape(len(images), 1, -1)).flux[0]
    split = np.clip(solved[:-1], 0, None)[:, None, None] * images[:, 0] + 1e-12 * noise * images[:, 0]
    total = split.sum(axis=0)
    seen = good & (total > noise)
    split = np.where(seen, np.clip(light - solved[-1], 0, None) * split / total, split)
    # A part that several sources share goes to them as it did in the cube.
    owned = parts.mixture.sum(axis=0)
    share = np.divide(parts.mixture, owned, out=np.zeros_like(parts.mixture), where=owned > 0)
    sources = np.tensordot(share, split, axes=1)
    return np.asarray(sources / sources.sum(axis=(1, 2), keepdims=True))


def blurred(shares: FloatArray, kernel: FloatArray) -> FloatArray:
    """Templates (K, ny, nx) convolved with kernels (n, 2 ny - 1, 2 nx - 1) centred on the middle pixel: (K, n, ...)."""
    ny, nx = shares.shape[1:]
    size = (3 * ny - 2, 3 * nx - 2)
    product = np.fft.rfft2(shares, size)[:, None] * np.fft.rfft2(kernel, size)[None]
    return np.asarray(np.fft.irfft2(product, size)[..., ny - 1 : 2 * ny - 1, nx - 1 : 2 * nx - 1])


def match(bands: Bands, shares: FloatArray, start: Model) -> Model:
    """Find the Moffat kernel, its run with wavelength and the shift that take an image to the cube.

    Parameters
    ----------
    bands : Bands
        The binned cube.
    shares : array (K, ny, nx)
        As ``templates`` makes them.
    start : Model
        The fitted shapes; its slope (or PSF) starts the kernel's run with wavelength.

    Returns
    -------
    Model
        Its one component is the kernel, for ``kernels``.
    """
    from scipy.optimize import least_squares

    run = start.widening(np.array([0.0, 1.0]))
    narrow = float(np.min(start.shapes[:, 2]))

    def residuals(values: FloatArray) -> FloatArray:
        images = blurred(shares, kernels(_kernel(values), bands.shape, NODES))
        return project(bands, to_bands(bands, images)).residual.ravel()

    first = np.array([0.0, 0.0, narrow, 1.0, run[1] - run[0]])
    reach = np.array([1.0, 1.0, 0.8, 1.2, np.exp(2 * narrow)])
    found = least_squares(residuals, first, bounds=(first - reach, first + reach), x_scale=reach, xtol=1e-4, ftol=1e-5)
    return _kernel(found.x)


def _kernel(values: FloatArray) -> Model:
    """The kernel's parameters (y, x, log FWHM, log(beta - 1), slope) as a model of one round component."""
    y, x, width, tail, slope = values
    return Model(np.array([[y, x, width, 0.0, 0.0, tail]]), float(slope))


def kernels(kernel: Model, shape: tuple[int, int], where: FloatArray) -> FloatArray:
    """The kernel's images (n, 2 ny - 1, 2 nx - 1) at these fractions of the wavelength range."""
    (y, x), matrices, beta = kernel.ellipse(0, where)
    return moffat((2 * shape[0] - 1, 2 * shape[1] - 1), (shape[0] - 1 + y, shape[1] - 1 + x), matrices, beta)
