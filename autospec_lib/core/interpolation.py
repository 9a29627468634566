"""Linear interpolation as a matrix."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import FloatArray


def linear_weights(nodes: FloatArray, points: FloatArray) -> FloatArray:
    """Weights (number of points, number of nodes) of a linear interpolation between nodes in ascending order."""
    return np.array([np.interp(points, nodes, row) for row in np.eye(len(nodes))]).T
