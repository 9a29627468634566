"""Which spaxels belong to the source, which to the sky. Masks are (ny, nx), True inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autospec_lib.core.types import BoolArray, IntArray

TOLERANCE = 3.0  # pixels; as MPDAF's Source.find_union_mask
ROUNDING = 1e-9  # pixels


def nearest_label(
    segmap: IntArray, centre: tuple[float, float], pixel: tuple[float, float] = (1.0, 1.0)
) -> tuple[int, float]:
    """The label of the labelled pixel nearest to a position, and how far that pixel is.

    Distances are city-block ones, as in MPDAF's Source.find_union_mask. Of pixels at the same
    distance, as along a diagonal, the nearest on the sky counts.

    Parameters
    ----------
    segmap : array, shape (ny, nx)
        Label map, 0 = no object.
    centre : (float, float)
        Position (y, x) in pixels.
    pixel : (float, float)
        A pixel's size (y, x) in arcsec.

    Returns
    -------
    label : int
        0 where the map holds no object.
    distance : float
        City-block distance |dy| + |dx| in pixels, infinite where the map holds no object.
    """
    ys, xs = np.nonzero(segmap)
    if len(ys) == 0:
        return 0, np.inf
    dy, dx = ys - centre[0], xs - centre[1]
    distance = np.abs(dy) + np.abs(dx)
    on_sky = np.hypot(dy * pixel[0], dx * pixel[1])
    nearest = int(np.where(distance <= distance.min() + ROUNDING, on_sky, np.inf).argmin())
    return int(segmap[ys[nearest], xs[nearest]]), float(distance[nearest])


def object_masks(
    segmaps: Sequence[IntArray],
    centre: tuple[float, float],
    unseen: Sequence[BoolArray] | None = None,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> tuple[BoolArray, BoolArray]:
    """Union and intersection of the maps' central objects.

    A map has no central object if its nearest one is more than `TOLERANCE` farther off than that of
    the best map. Maps without any object are left out of the intersection. A map whose nearest
    object is too far away is not left out: the source is not in it, so the intersection is empty. A
    map that holds the source says nothing about pixels that its image does not show, so that an
    image's edge does not cut off the object.

    Parameters
    ----------
    segmaps : sequence of arrays, shape (ny, nx)
        At least one label map.
    centre : (float, float)
        Catalogue position (y, x) in pixels.
    unseen : sequence of arrays of bool, shape (ny, nx), optional
        The pixels in which the image of each map has no value.
    pixel : (float, float)
        A pixel's size (y, x) in arcsec.
    """
    nearest = [nearest_label(segmap, centre, pixel) for segmap in segmaps]
    best = min(distance for _, distance in nearest)
    objects = [
        (segmap == label) & (label > 0) & (distance - best <= TOLERANCE)
        for segmap, (label, distance) in zip(segmaps, nearest, strict=True)
    ]
    union = np.logical_or.reduce(objects)
    inter = union.copy()
    for number, (obj, segmap) in enumerate(zip(objects, segmaps, strict=True)):
        if unseen is not None and obj.any():
            inter &= obj | unseen[number]
        elif segmap.any():
            inter &= obj
    return union, inter
