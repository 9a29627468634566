"""Which part of a stamp is the source and which the sky, with what takes their place where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from autospec_lib import geometry, masks, names
from autospec_lib.model import BoolArray, IntArray, Stamp
from autospec_lib.params import Params

FALLBACK_RADIUS = 1.0  # arcsec; the object mask where nothing was detected and APER is empty


@dataclass(frozen=True)
class Regions:
    """The masks of one source (ny, nx): ``named`` are written, ``target`` and ``xcor`` are what spectra come from."""

    named: dict[str, BoolArray]
    sky: BoolArray
    target: BoolArray
    xcor: BoolArray


def choose(stamp: Stamp, segmaps: Mapping[str, IntArray], params: Params) -> tuple[Regions, list[str]]:
    """Sky and object masks from all maps, or from the user's alone, and a note on every fall-back.

    An empty intersection falls back to the union, an empty union to a circle, which is then no sky.
    """
    user = {names.segmap(tag) for tag in stamp.segmaps}
    used = [segmap for key, segmap in segmaps.items() if params.use_imgs or key in user]
    union, inter = masks.object_masks(used, stamp.centre)
    wanted = names.object_mask(params.obj_mask)
    found = {names.object_mask('UNION'): union, names.object_mask('INTER'): inter}
    sky, target, notes = masks.sky(used), found[wanted], []
    if not target.any() and union.any():
        target = union
        notes.append(f'{wanted} is empty: {names.object_mask("UNION")} used')
    if not target.any():
        radius = params.aper[0] if params.aper else FALLBACK_RADIUS
        target = circle(stamp, stamp.centre, radius)
        sky = sky & ~target
        notes.append(f'no detection: a circle of radius {radius:g} arcsec is the object mask')
    half = stamp.target.size / 2
    notes += [f'aperture {radius:g} is cut off: SIZE / 2 is {half:g} arcsec' for radius in params.aper if radius > half]
    return Regions({names.MASK_SKY: sky} | found, sky, target, target), notes


def with_aperture(regions: Regions, stamp: Stamp, radius: float) -> Regions:
    """Cross-correlation spectra come from inside the circle when the reference is an aperture."""
    inside = circle(stamp, stamp.centre, radius)
    named = {names.aperture_mask(radius, 'SKY'): ~inside, names.aperture_mask(radius, 'OBJ'): inside}
    return replace(regions, named=regions.named | named, xcor=inside)


def aperture(stamp: Stamp, radius: float) -> BoolArray:
    """The circle that an aperture's sum is over; its centre is where MPDAF puts it (see `geometry.snap`)."""
    return circle(stamp, geometry.snap(stamp.centre, radius, stamp.pixel), radius)


def circle(stamp: Stamp, centre: tuple[float, float], radius: float) -> BoolArray:
    """The inside of a circle; ``radius`` in arcsec."""
    _, ny, nx = stamp.data.shape
    return geometry.circle((ny, nx), centre, radius, stamp.pixel)
