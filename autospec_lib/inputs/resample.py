"""Resamples images to the cube's grid by their full coordinates, including distortions."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from scipy.ndimage import map_coordinates

from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.inputs.coordinates import Sky, turned

CTYPES = ('-TPV', '-TPD', '-SIP')  # distortions that wcslib or astropy applies
MOST_MISSING = 0.25  # a spaxel has no value if at least this share of it has none, as in MPDAF's alignment
FINEST = 48  # largest number of points along a spaxel
CLOSE = 0.01  # pixels by which a position may differ after a transformation to the sky and back


def is_distorted(header: fits.Header, wcs: WCS) -> bool:
    """Whether a header's coordinates are more than a projection and a matrix: SIP, TPV, TPD or lookup tables."""
    types = [str(header.get(f'CTYPE{axis}', '')).upper() for axis in (1, 2)]
    # wcslib reads TPV as TAN with a distortion, and does not keep the name.
    named = any(kind.strip().endswith(CTYPES) for kind in types)
    return bool(named or wcs.has_distortion or any(f'C{kind}DIS{axis}' in header for kind in 'PQ' for axis in '12'))


def places(grid: Sky, own: Sky, y: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where pixels of one grid lie in another image.

    Parameters
    ----------
    grid, own : Sky
        Coordinates of the grid, and of the image.
    y, x : arrays
        Pixels of the grid, 0-based.

    Returns
    -------
    y, x : arrays
        Pixels of the image, of the same shape; NaN for places that are not in the image's projection.
    """
    pixels = np.column_stack([x.ravel(), y.ravel()]).astype(float)
    with np.errstate(all='ignore'):
        there = _carried(grid, own, pixels)
        # The inversion of a distortion may diverge, and positions on the other side of the sky may fall on the image.
        back = _carried(own, grid, there)
        there[~(np.abs(back - pixels).max(axis=1) < CLOSE)] = np.nan
    return there[:, 1].reshape(y.shape), there[:, 0].reshape(x.shape)


def _carried(start: Sky, end: Sky, pixels: FloatArray) -> FloatArray:
    """The pixels (n, 2) of one grid at the positions of pixels of another; columns are x and y."""
    longitude, latitude = start.wcs.all_pix2world(pixels, 0).T
    position = np.column_stack(turned(longitude, latitude, start.frame, end.frame))
    return np.asarray(end.wcs.all_world2pix(position, 0, quiet=True))


def resample(image: FloatArray, own: Sky, grid: Sky, wanted: BoolArray) -> FloatArray:
    """The mean of an image over each spaxel.

    As in MPDAF's `Image.align_with_image`, pixels hold brightness per area: a larger pixel does not hold more. The
    image is interpolated linearly at points inside each spaxel that are not further apart than half a pixel of the
    image, and the mean is taken over the points that have a value.

    Parameters
    ----------
    image : array (my, mx)
        NaN for no value.
    own, grid : Sky
        Coordinates of the image and of the cube.
    wanted : array of bool (ny, nx)
        The spaxels of the cube to fill.

    Returns
    -------
    array (ny, nx)
        NaN where a quarter or more of a spaxel has no value, and in spaxels that are not wanted.
    """
    # Distortions are nearly linear across a spaxel, so the positions of its points follow from its corners.
    ny, nx = wanted.shape
    at_corners = places(grid, own, *(np.mgrid[0 : ny + 1, 0 : nx + 1] - 0.5))
    number = _points(at_corners)
    corners = [
        np.array([a[:-1, :-1][wanted], a[:-1, 1:][wanted], a[1:, :-1][wanted], a[1:, 1:][wanted]]) for a in at_corners
    ]
    good = np.isfinite(image)
    filled, weight = np.where(good, image, 0.0), good.astype(float)
    total, covered = np.zeros(wanted.sum()), np.zeros(wanted.sum())
    steps = (np.arange(number) + 0.5) / number
    for down in steps:
        for right in steps:
            shares = np.outer([1 - down, down], [1 - right, right]).ravel()
            where = [np.nan_to_num(shares @ corner, nan=-9.0) for corner in corners]
            total += map_coordinates(filled, where, order=1, cval=0.0)
            covered += map_coordinates(weight, where, order=1, cval=0.0)
    enough = covered > (1 - MOST_MISSING) * number**2
    result = np.full(wanted.shape, np.nan)
    result[wanted] = np.where(enough, total / np.where(enough, covered, 1.0), np.nan)
    return result


def _points(corners: tuple[FloatArray, FloatArray]) -> int:
    """The number of points along a spaxel that are half a pixel of the image apart."""
    lengths = [np.hypot(*(np.diff(corner, axis=axis) for corner in corners)) for axis in (0, 1)]
    known = [float(np.nanmedian(length)) for length in lengths if np.isfinite(length).any()]
    return int(np.clip(np.ceil(2 * max(known, default=1.0) - 1e-6), 1, FINEST))
