"""Which colour a value has in plots and in the report's small images."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import AsinhNorm, ListedColormap, Normalize

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import FloatArray

NO_VALUE = '#8c8c8c'
MASK_COLOURS = ListedColormap(['#23263a', '#f2d98b'])
# Background, the central object, then the other objects in turn.
LABEL_COLOURS = ListedColormap(
    ['#14161f', '#ffd23f', '#4c9be8', '#e4572e', '#57b894', '#b07cc6', '#e88fb4', '#8f7a5e', '#7fd1e0', '#a3b552']
)
RESIDUAL_COLOURS = matplotlib.colormaps['RdBu_r'].with_extremes(bad=NO_VALUE)
FRAME, MARK, HALO = 'black', '#d62828', 'white'


def stretch(values: FloatArray, percentiles: tuple[float, float], sigmas: float, share: float) -> Normalize:
    """A scale of colours for an image: asinh shows faint outskirts and the core.

    Parameters
    ----------
    values : array
        NaN where there is no value.
    percentiles : (float, float)
        Those of the values at the ends of the scale.
    sigmas, share : float
        Where the scale is linear: up to this many standard deviations of the noise, and at least this share of its
        range.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Normalize(0, 1)
    low, middle, high = np.percentile(finite, [percentiles[0], 50, percentiles[1]])
    width = max(sigmas * float(robust_width(finite - middle)), share * (high - low))
    if high > low and width > 0:
        return AsinhNorm(linear_width=width, vmin=low, vmax=high)
    return Normalize(low - 1, high + 1)
