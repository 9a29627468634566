"""Statistics that outliers hardly change."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import FloatArray


def robust_width(values: FloatArray, axis: int | None = None) -> FloatArray:
    """1.4826 times the median of the absolute values, without NaN: the standard deviation of Gaussian noise about 0."""
    return np.asarray(1.4826 * np.nanmedian(np.abs(values), axis=axis))
