"""Which spaxels belong to the source, which to the sky. Masks are (ny, nx), True inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from autospec_lib.core.types import BoolArray, IntArray

TOLERANCE = 3.0  # pixels; as MPDAF's Source.find_union_mask


def nearest_label(segmap: IntArray, centre: tuple[float, float]) -> tuple[int, float]:
    """The label of the labelled pixel nearest to a position, and how far that pixel is.

    Parameters
    ----------
    segmap : array, shape (ny, nx)
        Label map, 0 = no object.
    centre : (float, float)
        Position (y, x) in pixels.

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
    distance = np.abs(ys - centre[0]) + np.abs(xs - centre[1])
    nearest = int(distance.argmin())
    return int(segmap[ys[nearest], xs[nearest]]), float(distance[nearest])


def central_objects(segmaps: Sequence[IntArray], centre: tuple[float, float]) -> list[BoolArray]:
    """The central object of each map; an empty mask if it is more than `TOLERANCE` farther off than in the best map."""
    found = [nearest_label(segmap, centre) for segmap in segmaps]
    best = min((distance for _, distance in found), default=np.inf)
    return [
        (segmap == label) & (label > 0) & (distance - best <= TOLERANCE)
        for segmap, (label, distance) in zip(segmaps, found, strict=True)
    ]


def object_masks(
    segmaps: Sequence[IntArray], centre: tuple[float, float], unseen: Sequence[BoolArray] | None = None
) -> tuple[BoolArray, BoolArray]:
    """Union and intersection of the maps' central objects.

    Maps without any object are left out of the intersection. A map whose nearest object is too far away is not left
    out: the source is not in it, so the intersection is empty. A map that holds the source says nothing about pixels
    that its image does not show, so that an image's edge does not cut off the object.

    Parameters
    ----------
    segmaps : sequence of arrays, shape (ny, nx)
        At least one label map.
    centre : (float, float)
        Catalogue position (y, x) in pixels.
    unseen : sequence of arrays of bool, shape (ny, nx), optional
        The pixels in which the image of each map has no value.
    """
    objects = central_objects(segmaps, centre)
    union = np.logical_or.reduce(objects)
    inter = union.copy()
    for number, (obj, segmap) in enumerate(zip(objects, segmaps, strict=True)):
        if unseen is not None and obj.any():
            inter &= obj | unseen[number]
        elif segmap.any():
            inter &= obj
    return union, inter


def sky(segmaps: Iterable[IntArray], unknown: BoolArray) -> BoolArray:
    """The pixels where no map has an object, except those without a value (``unknown``, (ny, nx))."""
    return np.asarray(np.logical_and.reduce([segmap == 0 for segmap in segmaps]) & ~unknown)
