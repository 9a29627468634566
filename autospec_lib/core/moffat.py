"""Moffat profiles on pixels, round or elliptical, and a point-spread function that runs with wavelength."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import FloatArray, IntArray, Psf

# Two Gauss-Legendre points per axis and pixel, (y, x): exact for cubics, 7e-4 of the peak at a FWHM of three pixels.
_GAUSS = 0.5 / np.sqrt(3.0) * np.array([[-1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, 1.0]])


def shape_matrix(fwhm: float, e1: float, e2: float) -> FloatArray:
    """The matrix (2, 2), in pixels squared and (y, x) order, whose eigenvalues are the squared FWHM along the axes.

    ``fwhm`` is the geometric mean of the two; ``e1`` stretches along y against x, ``e2`` along the diagonal; the axis
    ratio is exp(-hypot(e1, e2)). Any three numbers (fwhm > 0) give a valid ellipse, so that a fit needs no walls.
    """
    size = np.hypot(e1, e2)
    sinhc = np.sinh(size) / size if size > 1e-9 else 1.0
    return np.asarray(fwhm**2 * (np.cosh(size) * np.eye(2) + sinhc * np.array([[e1, e2], [e2, -e1]])))


def moffat(shape: tuple[int, int], centre: tuple[float, float], matrices: FloatArray, beta: float) -> FloatArray:
    """Elliptical Moffat functions of total flux 1, integrated over the pixels.

    I(u) = (beta - 1) k / (pi sqrt(det C)) (1 + k u' C^-1 u)^-beta with k = 4 (2^(1/beta) - 1), where C is the matrix
    of squared FWHM (Moffat 1969, A&A 3, 455, in elliptical form).

    Parameters
    ----------
    shape : tuple of int
        Pixels (ny, nx).
    centre : tuple of float
        Position (y, x) in pixels.
    matrices : array (n, 2, 2)
        One matrix C for each image wanted, in pixels squared, as ``shape_matrix`` makes it.
    beta : float
        Exponent, above 1.

    Returns
    -------
    array (n, ny, nx)
        The sum over an infinite plane is 1; what falls outside the image is missing.
    """
    _, _, radius, norm = _radii(shape, centre, matrices, beta)
    return np.asarray((norm * np.exp(-beta * np.log(radius))).mean(axis=1))


def moffat_slopes(
    shape: tuple[int, int], centre: tuple[float, float], matrices: FloatArray, beta: float
) -> tuple[FloatArray, FloatArray]:
    """The images of ``moffat`` and their derivatives.

    Returns
    -------
    array (n, ny, nx), array (6, n, ny, nx)
        The images, and the derivatives with respect to the centre's y and x, C_yy, C_xx, C_xy (= C_yx) and beta.
    """
    along, across, radius, norm = _radii(shape, centre, matrices, beta)
    values = norm * np.exp(-beta * np.log(radius))
    scale = 4 * (2 ** (1 / beta) - 1)
    change = -(scale + 4) * np.log(2) / beta**2
    steep = beta * scale * values / radius
    inverse = np.linalg.inv(matrices)[:, None, None, None]
    slopes = (
        2 * steep * along,
        2 * steep * across,
        steep * along**2 - 0.5 * values * inverse[..., 0, 0],
        steep * across**2 - 0.5 * values * inverse[..., 1, 1],
        2 * steep * along * across - values * inverse[..., 0, 1],
        values * (1 / (beta - 1) + change / scale * (1 - beta * (radius - 1) / radius) - np.log(radius)),
    )
    return np.asarray(values.mean(axis=1)), np.array([one.mean(axis=1) for one in slopes])


def _radii(
    shape: tuple[int, int], centre: tuple[float, float], matrices: FloatArray, beta: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """At four points in every pixel, (n, 4, ny, nx): the two components of C^-1 u, and 1 + k u' C^-1 u; the norm."""
    y = np.arange(shape[0])[None, :, None] + _GAUSS[0][:, None, None] - centre[0]
    x = np.arange(shape[1])[None, None, :] + _GAUSS[1][:, None, None] - centre[1]
    inverse = np.linalg.inv(matrices)[:, None, None, None]
    along = inverse[..., 0, 0] * y + inverse[..., 0, 1] * x
    across = inverse[..., 1, 0] * y + inverse[..., 1, 1] * x
    scale = 4 * (2 ** (1 / beta) - 1)
    norm = (beta - 1) * scale / (np.pi * np.sqrt(np.linalg.det(matrices)))
    return along, across, 1 + scale * (along * y + across * x), norm[:, None, None, None]


def shifted(shape: tuple[int, int], places: IntArray, matrices: FloatArray, beta: float) -> FloatArray:
    """The same Moffat functions at many places on whole pixels: (m, n, ny, nx), cut out of one large image.

    ``places`` (m, 2) are positions (y, x) less than a subcube's length outside it; ``matrices`` and ``beta`` as in
    ``moffat``.
    """
    ny, nx = shape
    wide = moffat((4 * ny + 1, 4 * nx + 1), (2.0 * ny, 2.0 * nx), matrices, beta)
    return np.array([wide[:, 2 * ny - y : 3 * ny - y, 2 * nx - x : 3 * nx - x] for y, x in places])


def images(shape: tuple[int, int], centre: tuple[float, float], psf: Psf, where: FloatArray) -> FloatArray:
    """The PSF's pixel-integrated images (n, ny, nx), of total flux 1, at these fractions of the wavelength range.

    ``shape``, ``centre`` (y, x) in pixels; ``where`` as in ``Psf.fwhm``.
    """
    matrices = psf.fwhm(where)[:, None, None] ** 2 * np.eye(2)
    return moffat(shape, centre, matrices, psf.beta)
