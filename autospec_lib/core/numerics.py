"""Small numerical tools: a width that outliers hardly change, and linear interpolation as a matrix."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import FloatArray


def robust_width(values: FloatArray, axis: int | None = None) -> FloatArray:
    """1.4826 times the median of the absolute values, without NaN: the standard deviation of Gaussian noise about 0.

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
