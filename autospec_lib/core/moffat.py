"""Moffat profiles integrated over pixels, round or elliptical, and a PSF that varies with
wavelength."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np

from autospec_lib.core.types import FloatArray, IntArray, Psf

Pixel: TypeAlias = tuple[float, float]
SQUARE: Pixel = (1.0, 1.0)
# From this FWHM in pixels on, which is usual for cubes, two Gauss-Legendre points per axis are
# enough: the error is below 3e-3 of the brightest pixel and decreases fast with FWHM. For narrower
# profiles the number n of points is such that rho^-2n is below `_SMALL` (see `_number`), which
# keeps the error below 2e-3.
_WIDE, _SMALL, _MOST = 2.5, 2e-5, 24
# Profiles with large exponents, which are nearly Gaussian, need as many points as if their pole
# were at this distance, in FWHM.
_NARROWEST = 1.75


def shape_matrix(
    fwhm: float | FloatArray, e1: float | FloatArray, e2: float | FloatArray
) -> FloatArray:
    """The matrix (..., 2, 2), in pixels squared and (y, x) order; its eigenvalues are the squared
    FWHM along the axes.

    Any three numbers (fwhm > 0) give a valid ellipse, so that a fit needs no constraints.

    Parameters
    ----------
    fwhm : float or array
        Geometric mean of the FWHM along the two axes.
    e1, e2 : float or array
        Stretch along y against x, and along the diagonal; the axis ratio is exp(-hypot(e1, e2)).
    """
    size = np.hypot(e1, e2)
    across = np.square(fwhm) * np.sinh(size) / np.maximum(size, 1e-99)
    # The limit for a circle.
    across = np.where(size > 1e-9, across, np.square(fwhm))
    along = np.square(fwhm) * np.cosh(size)
    flat = np.stack([along + across * e1, across * e2, across * e2, along - across * e1], axis=-1)
    return flat.reshape(*flat.shape[:-1], 2, 2)


def moffat(
    shape: tuple[int, int],
    centre: tuple[float, float] | FloatArray,
    matrices: FloatArray,
    beta: float | FloatArray,
    pixel: Pixel = SQUARE,
) -> FloatArray:
    """Elliptical Moffat functions of total flux 1, integrated over the pixels.

    I(u) = (beta - 1) k / (pi sqrt(det C)) (1 + k u' C^-1 u)^-beta with k = 4 (2^(1/beta) - 1),
    where C is the matrix of squared FWHM (Moffat 1969, A&A 3, 455, in elliptical form). The
    integrals are Gauss-Legendre sums with as many points along each axis as the narrowest function
    needs (see `_number`).

    Parameters
    ----------
    shape : tuple of int
        Pixels (ny, nx).
    centre : tuple of float or array (n, 2)
        Position (y, x) in pixels.
    matrices : array (n, 2, 2)
        One matrix C for each image wanted, as ``shape_matrix`` makes it, in the unit of ``pixel``
        squared.
    beta : float or array (n,)
        Exponent, above 1.
    pixel : (float, float)
        A pixel's size along y and x, whose product is 1: what is round on the sky is an ellipse in
        rectangular pixels.

    Returns
    -------
    array (n, ny, nx)
        The sum over an infinite plane is 1; what falls outside the image is missing.
    """
    _, _, radius, norm, share = _radii(shape, centre, matrices, beta, pixel)
    power = np.reshape(beta, (-1, 1, 1, 1))
    return np.asarray(np.einsum('nqyx,q->nyx', norm * np.exp(-power * np.log(radius)), share))


def moffat_slopes(
    shape: tuple[int, int],
    centre: tuple[float, float] | FloatArray,
    matrices: FloatArray,
    beta: float | FloatArray,
    pixel: Pixel = SQUARE,
) -> tuple[FloatArray, FloatArray]:
    """The images of ``moffat`` and their derivatives.

    Parameters
    ----------
    shape, centre, matrices, beta, pixel
        As in ``moffat``.

    Returns
    -------
    array (n, ny, nx), array (6, n, ny, nx)
        The images, and the derivatives with respect to the centre's y and x, C_yy, C_xx,
        C_xy (= C_yx) and beta.
    """
    along, across, radius, norm, share = _radii(shape, centre, matrices, beta, pixel)
    power, logarithm = np.reshape(beta, (-1, 1, 1)), np.log(radius)
    values = norm * share[:, None, None] * np.exp(-power[..., None] * logarithm)
    steep = values / radius
    above, beside = steep * along, steep * across
    # Sums over the points in a pixel.
    image, ratio, first, second = (one.sum(axis=1) for one in (values, steep, above, beside))
    pairs = ((above, along), (beside, across), (above, across), (values, logarithm))
    by_yy, by_xx, by_xy, logarithmic = (np.einsum('nqyx,nqyx->nyx', *pair) for pair in pairs)
    scale = 4 * (2 ** (1 / power) - 1)
    relative = -(scale + 4) * np.log(2) / power**2 / scale
    inverse = np.linalg.inv(matrices)[:, None, None]
    factor = power * scale
    slopes = (
        2 * factor * pixel[0] * first,
        2 * factor * pixel[1] * second,
        factor * by_yy - 0.5 * inverse[..., 0, 0] * image,
        factor * by_xx - 0.5 * inverse[..., 1, 1] * image,
        2 * factor * by_xy - inverse[..., 0, 1] * image,
        (1 / (power - 1) + relative * (1 - power)) * image + relative * power * ratio - logarithmic,
    )
    return image, np.array(slopes)


def _radii(
    shape: tuple[int, int],
    centre: tuple[float, float] | FloatArray,
    matrices: FloatArray,
    beta: float | FloatArray,
    pixel: Pixel,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """The terms of a Moffat function at q points in every pixel.

    Returns
    -------
    along, across, radius : array (n, q, ny, nx)
        The two components of C^-1 u, and 1 + k u' C^-1 u.
    norm : array (n, 1, 1, 1)
        The function at its centre.
    share : array (q,)
        The weights of the points, of sum 1.
    """
    inverse = np.linalg.inv(matrices)
    least = float(np.min(beta))
    (above, share_above), (beside, share_beside) = (
        _gauss_points(_number(np.sqrt(1 / inverse[:, axis, axis].max()) / pixel[axis], least))
        for axis in (0, 1)
    )
    share = np.outer(share_above, share_beside).ravel() / 4
    place_y, place_x = (0.5 * part.ravel() for part in np.meshgrid(above, beside, indexing='ij'))
    middle = np.reshape(centre, (-1, 2))[:, :, None, None, None]
    y = (np.arange(shape[0])[:, None] + place_y[:, None, None] - middle[:, 0]) * pixel[0]
    x = (np.arange(shape[1])[None, :] + place_x[:, None, None] - middle[:, 1]) * pixel[1]
    inverse = inverse[:, None, None, None]
    along = inverse[..., 0, 0] * y + inverse[..., 0, 1] * x
    across = inverse[..., 1, 0] * y + inverse[..., 1, 1] * x
    exponent = np.reshape(beta, (-1, 1, 1, 1))
    scale = 4 * (2 ** (1 / exponent) - 1)
    norm = (exponent - 1) * scale / (np.pi * np.sqrt(np.linalg.det(matrices)))[:, None, None, None]
    return along, across, 1 + scale * (along * y + across * x), norm, share


@lru_cache(maxsize=_MOST)
def _gauss_points(number: int) -> tuple[FloatArray, FloatArray]:
    """Points and weights of Gauss-Legendre integration from -1 to 1."""
    return np.polynomial.legendre.leggauss(number)


def _number(fwhm: float, beta: float) -> int:
    """How many Gauss-Legendre points a pixel needs along an axis on which a profile has this FWHM
    in pixels.

    The error with n points falls as rho^-2n, where rho is the sum of the semi-axes, in half pixels,
    of the ellipse with foci at the pixel's edges that goes through the profile's pole, FWHM /
    sqrt(2^(1/beta) - 1) half pixels off the real axis (Trefethen 2008, SIAM Review 50, 67).
    """
    if fwhm >= _WIDE:
        return 2
    pole = fwhm * min(1 / np.sqrt(2 ** (1 / beta) - 1), _NARROWEST)
    rho = pole + np.sqrt(pole**2 + 1)
    return min(int(np.ceil(np.log(_SMALL) / (-2 * np.log(rho)))), _MOST)


def shifted(
    shape: tuple[int, int],
    places: IntArray,
    matrices: FloatArray,
    beta: float | FloatArray,
    pixel: Pixel = SQUARE,
) -> FloatArray:
    """The same Moffat functions at many places on whole pixels: (m, n, ny, nx), cut out of one
    large image.

    Parameters
    ----------
    places : array of int (m, 2)
        Positions (y, x) in pixels.
    shape, matrices, beta, pixel
        As in ``moffat``.
    """
    ny, nx = shape
    top, right = (int(length) for length in places.max(axis=0))
    bottom, left = (int(length) for length in places.min(axis=0))
    wide = moffat((ny + top - bottom, nx + right - left), (top, right), matrices, beta, pixel)
    return np.array(
        [wide[:, top - y : top - y + ny, right - x : right - x + nx] for y, x in places]
    )


def images(
    shape: tuple[int, int],
    centre: tuple[float, float],
    psf: Psf,
    where: FloatArray,
    pixel: Pixel = SQUARE,
) -> FloatArray:
    """The PSF's pixel-integrated images (n, ny, nx), of total flux 1, at some wavelengths.

    Parameters
    ----------
    shape, centre, pixel
        As in ``moffat``.
    psf : Psf
        The PSF, with its FWHM in the unit of ``pixel``.
    where : array (n,)
        Fractions of the wavelength range, as in ``Psf.fwhm``.
    """
    matrices = psf.fwhm(where)[:, None, None] ** 2 * np.eye(2)
    return moffat(shape, centre, matrices, psf.beta(where), pixel)
