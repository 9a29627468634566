"""Small numerical tools: a robust width, linear interpolation as a matrix, and wavelengths in
vacuum."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import FloatArray


def robust_width(values: FloatArray, axis: int | None = None) -> FloatArray:
    """1.4826 times the median of the absolute values, without NaN: the standard deviation of
    Gaussian noise about 0.

    Parameters
    ----------
    values : array
        Of any shape.
    axis : int or None
        The axis along which to take the median; None for all values.
    """
    return np.asarray(1.4826 * np.nanmedian(np.abs(values), axis=axis))


def linear_weights(nodes: FloatArray, points: FloatArray) -> FloatArray:
    """The weights of a linear interpolation.

    Parameters
    ----------
    nodes : array (n,)
        Where the values are known, ascending.
    points : array (k,)
        Where they are wanted.

    Returns
    -------
    array (k, n)
        Its product with the values at the nodes is the values at the points.
    """
    return np.array([np.interp(points, nodes, row) for row in np.eye(len(nodes))]).T


def to_vacuum(wave: FloatArray) -> FloatArray:
    """Vacuum wavelengths from those in air, by the inverse of Morton (2000, ApJS 130, 403) that
    VALD uses.

    Parameters
    ----------
    wave : array
        In Angstrom.
    """
    wavenumber = (1e4 / wave) ** 2  # per micron, squared
    near, far = (
        0.02408926869968 / (130.1065924522 - wavenumber),
        0.0001599740894897 / (38.92568793293 - wavenumber),
    )
    return np.asarray(wave * (1 + 0.00008336624212083 + near + far))
