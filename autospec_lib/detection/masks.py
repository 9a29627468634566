"""Which spaxels belong to the source, which to the sky, with the fall-backs if there is no detection.

Masks are (ny, nx), True inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core import geometry, keys
from autospec_lib.core.keys import Names
from autospec_lib.core.types import BoolArray, Cutout, IntArray

TOLERANCE = 3.0  # pixels; as MPDAF's Source.find_union_mask
ROUNDING = 1e-9  # pixels
# Arcsec and spaxels; an object farther away, and farther than the PSF's FWHM, is another source.
NEAREST = 1.0, 1.5
FALLBACK_RADIUS = 1.0  # arcsec; the object mask where nothing was detected and APER is empty
CIRCLE = 'circle'


@dataclass(frozen=True)
class SourceMasks:
    """The masks of one source (ny, nx).

    ``named`` are the masks that are written. Spectra are extracted from ``target``, those weighted
    by cross-correlation from ``xcor``. ``used`` is the name of ``target``, `CIRCLE` if it is not in
    ``named``. ``labels`` are those of the source in each map, 0 where it is not detected. ``notes``
    are on fall-backs.
    """

    named: dict[str, BoolArray]
    sky: BoolArray
    target: BoolArray
    xcor: BoolArray
    used: str
    labels: dict[str, int]
    notes: tuple[str, ...] = ()


def choose(
    cutout: Cutout,
    segmaps: Mapping[str, IntArray],
    computed: bool,
    kind: str,
    radii: Sequence[float],
) -> SourceMasks:
    """Sky and object masks from segmentation maps, and a note on every fall-back.

    An empty intersection falls back to the union, an empty union to a circle, which is then
    excluded from the sky.

    Parameters
    ----------
    cutout : Cutout
        Where to look, and the user's maps.
    segmaps : mapping of str to array (ny, nx)
        The user's maps and the computed ones, by key.
    computed : bool
        False: masks come from the user's maps alone.
    kind : str
        'INTER' or 'UNION'.
    radii : sequence of float
        The apertures in arcsec; the first is the circle that stands for a source that was not
        detected.
    """
    user = {keys.segmap(tag): segmap < 0 for tag, segmap in cutout.segmaps.items()}
    unseen = user | {keys.segmap(tag): np.isnan(image) for tag, image in cutout.images.items()}
    nothing = np.zeros(cutout.shape, bool)
    used = {key: segmap for key, segmap in segmaps.items() if computed or key in user}
    blind = [unseen.get(key, nothing) for key in used]
    union, inter = object_masks([*used.values()], cutout.centre, blind, cutout.pixel)
    lack = 'no detection'
    y, x = np.nonzero(union)
    away = np.hypot(
        (y - cutout.centre[0]) * cutout.pixel[0], (x - cutout.centre[1]) * cutout.pixel[1]
    )
    distance, spaxel = float(away.min(initial=np.inf)), geometry.scale(cutout.pixel)
    fwhm = 0.0 if cutout.psf is None else max(cutout.psf.widths) * spaxel
    reach = max(NEAREST[0], NEAREST[1] * spaxel, fwhm)
    if reach < distance < np.inf:
        union, inter = np.zeros_like(union), np.zeros_like(inter)
        lack = f'no detection within {reach:.2g} arcsec (the nearest object is {distance:.1f} arcsec away)'
    wanted = keys.object_mask(kind)
    of_objects = {keys.object_mask('UNION'): union, keys.object_mask('INTER'): inter}
    sky = np.logical_and.reduce([segmap == 0 for segmap in used.values()]) & ~cutout.voxels.blank
    target, notes = of_objects[wanted], []
    if not target.any() and union.any():
        notes.append(f'{wanted} is empty: {keys.object_mask("UNION")} used')
        wanted = keys.object_mask('UNION')
        target = union
    labels = dict.fromkeys(segmaps, 0)
    if target.any():
        several = central_labels([*segmaps.values()], [*used.values()], cutout.centre, cutout.pixel)
        labels = dict(zip(segmaps, several, strict=True))
    else:
        radius = radii[0] if radii else FALLBACK_RADIUS
        wanted, target = CIRCLE, circle(cutout, cutout.centre, radius)
        of_objects[keys.object_mask('UNION')] = target
        sky = sky & ~target
        notes.append(f'{lack}: a circle of radius {radius:g} arcsec is the object mask')
    half = cutout.target.size / 2
    notes += [
        f'aperture {radius:g} is cut off: SIZE / 2 is {half:g} arcsec'
        for radius in radii
        if radius > half
    ]
    named = {keys.MASK_SKY: sky} | of_objects
    return SourceMasks(named, sky, target, target, wanted, labels, tuple(notes))


def with_aperture(
    without_circle: SourceMasks, cutout: Cutout, radius: float, names: Names
) -> SourceMasks:
    """Spectra weighted by cross-correlation come from inside the circle when the reference is an
    aperture.

    Parameters
    ----------
    without_circle : SourceMasks
        The masks without the circle.
    cutout : Cutout
        Where the circle lies.
    radius : float
        Its radius in arcsec.
    names : Names
        The keys of its masks.
    """
    inside = circle(cutout, cutout.centre, radius)
    named = {
        names.aperture_mask(radius, 'SKY'): ~inside,
        names.aperture_mask(radius, 'OBJ'): inside,
    }
    return replace(without_circle, named=without_circle.named | named, xcor=inside)


def aperture(cutout: Cutout, radius: float) -> BoolArray:
    """The circle that an aperture's sum is over; its centre is where MPDAF puts it (see
    `geometry.snap`)."""
    return circle(cutout, geometry.snap(cutout.centre, radius, cutout.pixel), radius)


def circle(cutout: Cutout, centre: tuple[float, float], radius: float) -> BoolArray:
    """The spaxels whose centre is inside a circle, at least the one that holds its centre;
    ``radius`` in arcsec."""
    inside = geometry.circle(cutout.shape, centre, radius, cutout.pixel)
    if not inside.any():
        y, x = (
            int(min(max(round(c), 0), n - 1)) for c, n in zip(centre, cutout.shape, strict=True)
        )
        inside[y, x] = True
    return inside


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


def central_labels(
    segmaps: Sequence[IntArray],
    used: Sequence[IntArray],
    centre: tuple[float, float],
    pixel: tuple[float, float],
) -> list[int]:
    """The label of the source in each map: that of the nearest object, 0 if this is another source.

    It is another one if it is more than `TOLERANCE` farther off than the nearest object of the best
    map.

    Parameters
    ----------
    segmaps : sequence of arrays, shape (ny, nx)
        The label maps.
    used : sequence of arrays, shape (ny, nx)
        At least one, among which the best one is.
    centre, pixel : (float, float)
        As in `nearest_label`.
    """
    best = min(nearest_label(segmap, centre, pixel)[1] for segmap in used)
    nearest = [nearest_label(segmap, centre, pixel) for segmap in segmaps]
    return [label if distance - best <= TOLERANCE else 0 for label, distance in nearest]


def object_masks(
    segmaps: Sequence[IntArray],
    centre: tuple[float, float],
    unseen: Sequence[BoolArray] | None = None,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> tuple[BoolArray, BoolArray]:
    """Union and intersection of the maps' central objects (see `central_labels`).

    Maps without any object are left out of the intersection. A map whose nearest
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
    labels = central_labels(segmaps, segmaps, centre, pixel)
    objects = [
        (segmap == label) & (label > 0) for segmap, label in zip(segmaps, labels, strict=True)
    ]
    union = np.logical_or.reduce(objects)
    inter = union.copy()
    for number, (obj, segmap) in enumerate(zip(objects, segmaps, strict=True)):
        if unseen is not None and obj.any():
            inter &= obj | unseen[number]
        elif segmap.any():
            inter &= obj
    return union, inter
