"""The colours of masks, segmentation maps, residuals and marks in the plots."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import ListedColormap

NO_VALUE = '#8c8c8c'
MASK_COLOURS = ListedColormap(['#23263a', '#f2d98b'])
# Background, the central object, then the other objects in turn.
LABEL_COLOURS = ListedColormap(
    ['#14161f', '#ffd23f', '#4c9be8', '#e4572e', '#57b894', '#b07cc6', '#e88fb4', '#8f7a5e', '#7fd1e0', '#a3b552']
)
RESIDUAL_COLOURS = matplotlib.colormaps['RdBu_r'].with_extremes(bad=NO_VALUE)
FRAME, MARK, HALO = 'black', '#d62828', 'white'
