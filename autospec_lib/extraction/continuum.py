"""Polynomial continuum of one spectrum, or of all spaxels at once."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import FloatArray, Measured


def basis(wave: FloatArray, degree: int) -> FloatArray:
    """Orthonormal polynomials on a wavelength grid.

    Parameters
    ----------
    wave : array, shape (nl,)
        Wavelengths, any unit.
    degree : int
        Highest degree; degree + 1 <= nl.

    Returns
    -------
    array, shape (nl, degree + 1)
        Columns q_k with q_j . q_k = delta_jk that span the polynomials up to ``degree``. With them
        the unweighted least-squares polynomial of any spectrum s is q (q^T s): one matrix product
        for all spaxels.
    """
    # Legendre polynomials on [-1, 1] are nearly orthogonal already, so that QR loses no digits at
    # high degree.
    scaled = (
        2 * (wave - wave[0]) / (wave[-1] - wave[0]) - 1 if len(wave) > 1 else np.zeros_like(wave)
    )
    orthonormal, _ = np.linalg.qr(np.polynomial.legendre.legvander(scaled, degree))
    return np.asarray(orthonormal)


def fit(spectrum: Measured, polynomials: FloatArray) -> FloatArray:
    """Weighted least-squares polynomial of one spectrum; channels that are not usable are ignored.

    Parameters
    ----------
    spectrum : Measured, shape (nl,)
        The weights are 1 / sigma on the residuals, i.e. the fit minimises chi-squared.
    polynomials : array, shape (nl, degree + 1)
        From `basis`.

    Returns
    -------
    array, shape (nl,)
        The continuum, on all channels; zero where nothing could be fitted.
    """
    usable = spectrum.usable
    if not usable.any():
        return np.zeros_like(spectrum.data)
    weight = np.ones(usable.sum())
    if spectrum.variance is not None:
        weight = 1 / np.sqrt(spectrum.variance[usable])
        weight /= weight.max()
    coefficients = np.linalg.lstsq(
        polynomials[usable] * weight[:, None], spectrum.data[usable] * weight, rcond=None
    )[0]
    return np.asarray(polynomials @ coefficients)


def subtract(data: FloatArray, polynomials: FloatArray) -> FloatArray:
    """Every spaxel minus its own unweighted polynomial.

    Parameters
    ----------
    data : array, shape (nl, n)
        One column per spaxel. Bad voxels hold 0 (as in AutoSpec 1.1.2, which fits them as such).
    polynomials : array, shape (nl, degree + 1)
        From `basis`.
    """
    return np.asarray(data - polynomials @ (polynomials.T @ data))
