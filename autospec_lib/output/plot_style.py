"""The look of all plots: resolution, sizes of text and lines, and colours."""

from __future__ import annotations

import matplotlib
from matplotlib.colors import ListedColormap

DPI = 120
JPEG_QUALITY = 90
# What differs from matplotlib's defaults.
STYLE = {
    'font.size': 8,
    'axes.linewidth': 0.6,
    'axes.titlesize': 8,
    'axes.titlepad': 3,
    'xtick.labelsize': 7,
    'ytick.labelsize': 7,
    'xtick.major.size': 2.5,
    'ytick.major.size': 2.5,
    'xtick.major.width': 0.6,
    'ytick.major.width': 0.6,
}
NO_VALUE = '#8c8c8c'  # of images
MASK_COLOURS = ListedColormap(['#23263a', '#f2d98b'])  # outside, inside
# Background, the central object, then the other objects in turn.
LABEL_COLOURS = ListedColormap(
    '#14161f #ffd23f #4c9be8 #e4572e #57b894 #b07cc6 #e88fb4 #8f7a5e #7fd1e0 #a3b552'.split()
)
RESIDUAL_COLOURS = matplotlib.colormaps['RdBu_r'].with_extremes(bad=NO_VALUE)
FRAME_COLOUR, MARK_COLOUR, HALO_COLOUR = 'black', '#d62828', 'white'
# Of words and lines beside curves: the important ones, and the others.
INK, QUIET = '#1d3557', '#7a7a7a'
# Of the curves in the picture of spectra. Channels on sky lines have a colour of their own.
REFERENCE = '#1d3557'
CROSS_CORRELATION = '#1d3557'
ERROR = '#e59866'
ON_SKY_LINES = '#c3cbd8'
# Of redshifts: the spectrum, the model of the first candidate, lines that this does not explain, and
# the stripes behind sky lines. The spectrum is `ON_SKY_LINES` there.
SPECTRUM, MODEL, FOREIGN, SHADE = '#1d3557', '#d62839', '#b35900', '#eceff4'
