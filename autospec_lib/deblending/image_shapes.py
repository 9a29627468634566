"""Profiles from an image that is sharper than the cube: it is divided among the sources and
convolved to the seeing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core.moffat import SQUARE, Pixel, moffat
from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import FloatArray, Psf
from autospec_lib.deblending.attribution import FittedSources
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import PROFILE_NODES, project
from autospec_lib.deblending.model import Model, Prior, ellipses
from autospec_lib.deblending.weighted_data import BAND_NODES, Bands, WeightedCube, bin_cube

_MIDDLE = np.array([0.5])
# Error of the model in a bright pixel, as a share of its light: galaxies are not exact Moffat
# functions.
_MODEL_ERROR = 0.1
# Subtracted from the shape parameters fitted to the cube: in the sharper image, log FWHM is
# expected to be smaller by this much.
_SHARPER = np.array([0, 0, 0.5, 0, 0, 0])
# Noise to assume for an image that is 0 outside its sources, as a share of its largest value.
_LEAST_NOISE = 1e-6
# Largest deviations of the kernel's y, x [pixels], log FWHM and log(beta - 1) from where its fit
# starts.
_KERNEL_BOUND = (1.0, 1.0, 0.8, 1.2)


@dataclass(frozen=True)
class Kernel:
    """A round Moffat function; the image convolved with it has the position and the seeing of the
    cube.

    ``values`` (5,) are the shift in y and x [pixels], log FWHM [pixels], log(beta - 1), and the
    change of the squared FWHM [pixels^2] from the first wavelength to the last. ``pixel`` as in
    `Model`.
    """

    values: FloatArray
    pixel: Pixel = SQUARE

    def images(self, shape: tuple[int, int], fraction: FloatArray) -> FloatArray:
        """Its images (n, 2 ny - 1, 2 nx - 1) at n fractions of the wavelength range, centred on the
        middle pixel."""
        y, x, log_fwhm, log_beta, slope = self.values
        parameters = np.array([shape[0] - 1 + y, shape[1] - 1 + x, log_fwhm, 0.0, 0.0, log_beta])
        round_ones = ellipses(parameters[None], slope * (fraction - 0.5))
        return moffat((2 * shape[0] - 1, 2 * shape[1] - 1), *round_ones, self.pixel)


def profiles_from_image(
    image: FloatArray, cube: WeightedCube, sources: FittedSources
) -> FloatArray:
    """The sources' profiles (K, 9, ny, nx) at the `PROFILE_NODES`.

    Parameters
    ----------
    image : array (ny, nx)
        On the cube's pixels; NaN where there is no value, finite in some pixel.
    cube : WeightedCube
        The data.
    sources : FittedSources
        K sources as the cube shows them.
    """
    shares = divide(image, sources)
    kernel = match(bin_cube(cube), shares, sources.model)
    return convolved(shares, kernel.images(cube.shape, PROFILE_NODES))


def divide(image: FloatArray, sources: FittedSources) -> FloatArray:
    """Divide an image (ny, nx) among K sources: (K, ny, nx), each of sum 1.

    Moffat functions that are fitted to the image give each component's share of the light in a
    pixel. Where their sum is fainter than the noise, they are used instead of the image.
    """
    good = np.isfinite(image)
    light = np.where(good, image, np.median(image[good])) - np.median(image[good])
    noise = max(float(robust_width(light[good])), _LEAST_NOISE * float(np.abs(light).max()), 1e-300)
    root_weight = good / np.hypot(noise, _MODEL_ERROR * np.abs(light))
    bands = Bands(light.reshape(1, -1), root_weight.reshape(1, -1), _MIDDLE, image.shape)
    prior = sources.model.prior
    # A PSF of constant width, because a single image does not change with wavelength.
    # In the image, sources that are points in the cube have shapes of their own.
    own = Prior.of(prior.mean[:, :2], 1.0).bound
    bound = np.where(prior.free[:, :1] & ~prior.free, own, prior.bound)
    sharper = replace(prior, mean=prior.mean - _SHARPER, bound=bound)
    start = Model(sources.model.shapes - _SHARPER, sharper, Psf((1.0,)), pixel=sources.model.pixel)
    images = fit(bands, start).images(image.shape, _MIDDLE)  # (n, 1, ny, nx)
    flux = project(bands, images.reshape(len(images), 1, -1)).flux[0]
    # The last term gives a shape to components without flux.
    split = np.clip(flux[:-1], 0, None)[:, None, None] * images[:, 0] + 1e-12 * noise * images[:, 0]
    total = split.sum(axis=0)
    seen = good & (total > noise)
    split = np.where(seen, np.clip(light - flux[-1], 0, None) * split / total, split)
    # A component that belongs to several sources is divided among them as in the cube.
    mean = sources.mean_membership
    whole = mean.sum(axis=0)
    membership = np.divide(mean, whole, out=np.zeros_like(mean), where=whole > 0)
    shares = np.tensordot(membership, split, axes=1)
    return np.asarray(shares / shares.sum(axis=(1, 2), keepdims=True))


def match(bands: Bands, shares: FloatArray, model: Model) -> Kernel:
    """Find the kernel with which the sources' shares of an image match the cube.

    Parameters
    ----------
    bands : Bands
        The binned cube.
    shares : array (K, ny, nx)
        From `divide`.
    model : Model
        The components as fitted to the cube; its widths and their change with wavelength start the
        search.
    """
    from scipy.optimize import least_squares

    blue, red = model.widening(np.array([0.0, 1.0]))
    log_fwhm = float(np.min(model.shapes[:, 2]))

    def residuals(values: FloatArray) -> FloatArray:
        images = convolved(shares, Kernel(values, model.pixel).images(bands.shape, BAND_NODES))
        return project(bands, bands.interpolate(images)).residual.ravel()

    first = np.array([0.0, 0.0, log_fwhm, 1.0, red - blue])
    bound = np.array([*_KERNEL_BOUND, np.exp(2 * log_fwhm)])
    found = least_squares(
        residuals, first, bounds=(first - bound, first + bound), x_scale=bound, xtol=1e-4, ftol=1e-5
    )
    return Kernel(found.x, model.pixel)


def convolved(shares: FloatArray, kernels: FloatArray) -> FloatArray:
    """Images (K, ny, nx) convolved with n kernels (n, 2 ny - 1, 2 nx - 1): (K, n, ny, nx)."""
    ny, nx = shares.shape[1:]
    size = (3 * ny - 2, 3 * nx - 2)
    product = np.fft.rfft2(shares, size)[:, None] * np.fft.rfft2(kernels, size)[None]
    return np.asarray(np.fft.irfft2(product, size)[..., ny - 1 : 2 * ny - 1, nx - 1 : 2 * nx - 1])
