"""Cuts out a target from the cube. Degrees, arcsec, headers and files end here: the result is arrays in pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from autospec_lib.core import geometry
from autospec_lib.core.errors import SourceError
from autospec_lib.core.types import BoolArray, Cutout, FloatArray, Ident, Target, Voxels
from autospec_lib.inputs.catalogs.catalog import Catalogue
from autospec_lib.inputs.catalogs.catalog_rows import InPixels
from autospec_lib.inputs.cubes.cube import OpenCube

NEAR = 3  # pixels; sources of the catalogue that are this close to a subcube still have light in it
SMALLEST = 3  # spaxels along a side; in a smaller subcube there is hardly any sky


def locate(cube: OpenCube, target: Target) -> tuple[float, float]:
    """The target's position (y, x) in the cube's pixels.

    Raises
    ------
    SourceError
        If it lies outside the cube.
    """
    y, x = _pixel(cube, target)
    outside = [max(-0.5 - p, p - n + 0.5, 0.0) for p, n in zip((y, x), cube.data.shape[1:], strict=True)]
    distance = float(np.hypot(outside[0] * cube.pixel[0], outside[1] * cube.pixel[1]))
    if distance == 0:
        return y, x
    # Positions on the other side of the sky have no pixel.
    how_far = f'{distance:.1f} arcsec' if np.isfinite(distance) else 'far'
    how_far = 'less than 0.1 arcsec' if distance < 0.05 else how_far
    raise SourceError(f'{how_far} outside the cube; skipped')


def placed(cube: OpenCube, catalogue: Catalogue) -> list[Target]:
    """The catalogue's targets, with pixels of this cube converted to degrees and arcsec.

    For sizes and radii, a pixel is the side of a square with the area of a spaxel.
    """
    scale = geometry.scale(cube.pixel)
    targets = []
    for target in catalogue.targets:
        given = catalogue.pixels.get(target.id, InPixels())
        if given.position is not None:
            ra, dec = _sky(cube, given.position)
            target = replace(target, ra=ra, dec=dec)
        if given.size:
            target = replace(target, size=target.size * scale)
        if given.aper and target.aper is not None:
            target = replace(target, aper=target.aper * scale)
        targets.append(target)
    return targets


def positions(cube: OpenCube, targets: Iterable[Target]) -> dict[Ident, tuple[float, float]]:
    """The positions (y, x), in pixels, of all targets that have a pixel position, inside the cube or not, by ID."""
    found = {}
    for target in targets:
        with suppress(SourceError):
            found[target.id] = _pixel(cube, target)
    return {ident: place for ident, place in found.items() if np.isfinite(place).all()}


def _pixel(cube: OpenCube, target: Target) -> tuple[float, float]:
    try:
        x, y = (float(v) for v in cube.wcs.all_world2pix(target.ra, target.dec, 0))
    except Exception as error:  # wcslib and its wrapper have many kinds
        raise SourceError(f'no pixel for this position: {" ".join(str(error).split())}') from error
    return y, x


def _sky(cube: OpenCube, place: tuple[float, float]) -> tuple[float, float]:
    """Right ascension and declination of a pixel (y, x); the inverse of `_pixel`."""
    ra, dec = (float(value) for value in cube.wcs.all_pix2world(place[1], place[0], 0))
    return ra, dec


def cut(cube: OpenCube, target: Target, sources: Mapping[Ident, tuple[float, float]] | None = None) -> Cutout:
    """Cut out everything around one target, padded with bad voxels beyond the field's edge.

    ``sources`` are the catalogue's `positions`, from which the cut-out's neighbours are taken; None if not needed.

    Raises
    ------
    SourceError
        If the position lies outside the cube.
    InputError
        If the cube's file cannot be read any more.
    """
    y, x = locate(cube, target)
    box, notes = box_of(cube, target, (y, x))
    inner = inside(cube, box)
    origin = (box[0].start, box[1].start)
    pad = [(i.start - s.start, s.stop - i.stop) for i, s in zip(inner, box, strict=True)]

    def padded(values: Any, fill: float) -> Any:
        return np.pad(values, [(0, 0)] * (values.ndim - 2) + pad, constant_values=fill) if np.any(pad) else values

    data, variance, bad = _read(cube, *inner)
    sky = dict(cube.grid.sky)
    sky['CRPIX1'], sky['CRPIX2'] = sky.get('CRPIX1', 0.0) - origin[1], sky.get('CRPIX2', 0.0) - origin[0]
    scale = geometry.scale(cube.pixel)
    return Cutout(
        target=target,
        voxels=Voxels.of(padded(data, 0.0), None if variance is None else padded(variance, 0.0), padded(bad, True)),
        wave=cube.wave,
        centre=(y - origin[0], x - origin[1]),
        pixel=cube.pixel,
        grid=replace(cube.grid, sky=sky),
        images={tag: padded(image.data[inner], np.nan) for tag, image in cube.images.items()},
        detection={tag: padded(image.on_grid(inner), np.nan) for tag, image in cube.images.items()},
        image_units={tag: image.unit for tag, image in cube.images.items()},
        segmaps={tag: padded(segmap[inner], 0) for tag, segmap in cube.segmaps.items()},
        neighbours=_neighbours(sources or {}, target.id, box),
        psf=None if cube.psf is None else replace(cube.psf, widths=tuple(width / scale for width in cube.psf.widths)),
        notes=notes,
    )


def _neighbours(
    sources: Mapping[Ident, tuple[float, float]], own: Ident, box: tuple[slice, slice]
) -> dict[Ident, tuple[float, float]]:
    """The other sources in or near a box, in its pixels."""
    ys, xs = box
    return {
        ident: (y - ys.start, x - xs.start)
        for ident, (y, x) in sources.items()
        if ident != own and ys.start - NEAR <= y < ys.stop + NEAR and xs.start - NEAR <= x < xs.stop + NEAR
    }


def box_of(cube: OpenCube, target: Target, centre: tuple[float, float]) -> tuple[tuple[slice, slice], tuple[str, ...]]:
    """The box (ys, xs) to cut out around a pixel, and notes on its size."""
    ny, nx = cube.data.shape[1:]
    box = geometry.box_around(centre, target.size, cube.pixel)
    height, width = (s.stop - s.start for s in box)
    if height >= 2 * ny and width >= 2 * nx:
        # It holds the whole cube wherever the source lies; padding beyond would only cost memory.
        return (slice(0, ny), slice(0, nx)), (f'SIZE = {target.size:g} is larger than the cube: all of it is used',)
    if min(height, width) < SMALLEST:
        return box, (f'SIZE = {target.size:g} gives a subcube of only {height} x {width} spaxels',)
    return box, ()


def inside(cube: OpenCube, box: tuple[slice, slice]) -> tuple[slice, slice]:
    """The part of a box that lies in the field."""
    ys, xs = (slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, cube.data.shape[1:], strict=True))
    return ys, xs


def _read(cube: OpenCube, ys: slice, xs: slice) -> tuple[FloatArray, FloatArray | None, BoolArray]:
    """Data, variance and bad voxels of a box: not finite, flagged, or without positive variance; they hold 0."""
    factor = None if cube.factor is None else cube.factor[:, None, None]
    data = cube.data.read(ys, xs)
    if factor is not None:
        data *= factor
    bad = ~np.isfinite(data)
    if cube.quality is not None:
        bad |= cube.quality.flags(ys, xs, cube.bad_when.bits) != cube.bad_when.zero
    if cube.noise is None:
        data[bad] = 0.0
        return data, None, bad
    noise = cube.noise.read(ys, xs)
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        if 'inverse' in cube.noise_kind:
            noise = 1 / noise
        if 'sigma' in cube.noise_kind:
            noise = np.where(noise > 0, noise**2, np.nan)
        if factor is not None:
            noise *= factor**2
        bad |= ~(noise > 0) | (noise == np.inf)
    data[bad] = noise[bad] = 0.0
    return data, noise, bad
