"""The user's images and segmentation maps, put on the cube's pixel grid once per run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.io import fits
from numpy.typing import NDArray

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray, IntArray
from autospec_lib.inputs import resample
from autospec_lib.inputs.arrays import open_fits, readable
from autospec_lib.inputs.coordinates import Sky, arranged, find_axes, header_of_axes, open_sky
from autospec_lib.inputs.noise_kinds import looks_like_flags, looks_like_noise
from autospec_lib.inputs.units import parsed, written

if TYPE_CHECKING:
    from mpdaf.obj import WCS as MpdafWCS  # noqa: N811
    from mpdaf.obj import Image

SAME_GRID = 1e-3  # pixels
# Pixels by which MPDAF's alignment may differ from the grid: it cannot follow shear (0.04 for MUSE and DES images).
OFF_GRID = 0.3
# Share of the spaxels that MPDAF may lose; it also smooths light out of the spaxels next to these.
MOST_LOST = 0.1
NOT_SQUARE = 0.1  # MPDAF's alignment is not used if the sides of a spaxel differ by more than this


@dataclass(frozen=True)
class AlignedImage:
    """An image (ny, nx) with the cube's shape; NaN where there is no value.

    ``image`` is what MPDAF has aligned, without the pixels that its rotation loses. Its WCS may differ from the cube's
    (``grid``, an MPDAF WCS) by a fraction of a pixel: MPDAF aligns by rotation and scale, which cannot follow shear in
    the cube's WCS. Both are None if MPDAF was not used. ``unit`` is the unit in the file as FITS writes it, or ''.
    """

    data: FloatArray
    unit: str = ''
    image: Image | None = None
    grid: MpdafWCS | None = None

    def on_grid(self, box: tuple[slice, slice]) -> FloatArray:
        """Cut out a box and put it exactly on the cube's grid, as MPDAF does before it segments an image."""
        values = self.data[box]
        if self.image is None or self.grid is None:
            return values
        cut, grid = self.image[box], self.grid[box]
        own = np.isfinite(cut.data.filled(np.nan))
        if not own.any():
            return values
        try:
            return np.where(own, _regridded(cut, grid), values)
        except Exception:  # MPDAF's errors have no class of their own; it fails where rotation loses all of a small box
            return values


def _regridded(cut: Image, grid: MpdafWCS) -> FloatArray:
    """An image shifted by a fraction of a pixel, exactly onto a grid; NaN where rotation loses pixels.

    Every step is exactly as in MPDAF's segmentation: pixels at the border that are lost by rounding would change the
    background, and so the faint pixels that are detected.
    """
    if cut.get_rot() != grid.get_rot():
        cut = cut.rotate(grid.get_rot() - cut.get_rot(), interp='no', reshape=True)
    moved = cut.resample((grid.naxis2, grid.naxis1), grid.get_start(), grid.get_step(unit=u.arcsec), flux=True)
    return np.asarray(moved.data.filled(np.nan))


class _ByMpdaf(NamedTuple):
    image: Image
    grid: MpdafWCS


class SkyImage(NamedTuple):
    """An image (ny, nx) in a file, its header, and its coordinates."""

    data: NDArray[Any]
    header: fits.Header
    sky: Sky


def open_image(path: Path, prefer: tuple[str, ...] = ('DATA', 'SCI')) -> SkyImage:
    """The first two-dimensional array of a FITS file that is an image, with its coordinates.

    Axes of length 1 are dropped, and an image with latitude on its first axis is transposed. Extensions that hold
    noise, weights, quality flags or masks are no images.

    Parameters
    ----------
    path : Path
        FITS file.
    prefer : tuple of str
        Names of extensions that come first.

    Raises
    ------
    InputError
        If there is none.
    """
    with open_fits(path, 'not a readable FITS file', scaled=True) as hdus:
        flat = [hdu for hdu in hdus if hdu.is_image and _is_flat(hdu.shape) and not _is_about_another(hdu)]
        flat.sort(key=lambda hdu: [not hdu.name.startswith(name) for name in prefer])
        if not flat:
            raise InputError(f'{path.name}: no two-dimensional image in it; IMG and SEG take FITS images')
        hdu = flat[0]
        if 'CTYPE1' not in hdu.header or 'CTYPE2' not in hdu.header:
            raise InputError(f'{path.name}: no celestial WCS (CTYPE1, CTYPE2); it cannot be placed on the cube')
        name = hdu.name or 'the image'
        axes = find_axes(path.name, name, hdu.header, hdu.shape, spectral=False)
        header = header_of_axes(hdu.header, axes)
        sky = open_sky(path, name, header, hdus)
        data = np.array(arranged(hdu.data, axes))
    return SkyImage(data, header, sky)


def _is_flat(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 2 and all(length == 1 for length in shape[:-2])


def _is_about_another(hdu: fits.ImageHDU) -> bool:
    """Whether an extension holds noise, weights or flags of another one."""
    declared = str(hdu.header.get('HDUCLAS2', '')).strip().upper() in ('ERROR', 'QUALITY')
    return declared or looks_like_flags(hdu.name) or looks_like_noise(hdu.name)


def align(path: Path, grid: Sky, shape: tuple[int, int]) -> AlignedImage:
    """Put an image on the cube's grid.

    This is done by MPDAF's `Image.align_with_image`, as in v1.1.2. It ignores distortions, fails near the poles, and
    loses pixels at the border when it rotates; in these cases `resample` is used. Both give the mean of the image's
    values in each spaxel.

    Parameters
    ----------
    path : Path
        FITS image.
    grid : Sky
        The cube's coordinates.
    shape : (int, int)
        The cube's (ny, nx).

    Raises
    ------
    InputError
        If the file holds no image with a WCS, or the image does not overlap the cube.
    """
    found = open_image(path)
    data = np.asarray(found.data, float)
    # MPDAF cannot open files with units that astropy does not know.
    unit = written(parsed(str(found.header.get('BUNIT', ''))))
    if not np.isfinite(data).any():
        raise InputError(f'{path.name}: holds no value (all NaN); take it out of IMG')
    with readable(path, 'cannot be put on the grid of the cube'):
        if data.shape == shape and _deviation(found.sky, grid, shape) < SAME_GRID:
            return AlignedImage(data, unit)
        if not _overlap(found.sky, data.shape, grid, shape):
            raise InputError(f'{path.name}: does not overlap the cube; correct its WCS, or take it out of IMG')
        mpdaf = None
        cube_header = fits.Header(grid.cards())
        distorted = resample.is_distorted(found.header, found.sky.wcs) or resample.is_distorted(cube_header, grid.wcs)
        if not distorted and found.sky.frame is grid.frame is None:
            mpdaf = _aligned_by_mpdaf(data, found.header, cube_header, shape)
        values = np.full(shape, np.nan) if mpdaf is None else mpdaf.image.data.filled(np.nan)
        filled = resample.resample(data, found.sky, grid, ~np.isfinite(values))
        if mpdaf is not None and np.isfinite(filled).mean() > MOST_LOST:
            mpdaf, filled = None, resample.resample(data, found.sky, grid, np.ones(shape, bool))
        values = np.where(np.isfinite(filled), filled, values)
    if not np.isfinite(values).any():
        raise InputError(f'{path.name}: has no value on the cube; correct its WCS, or take it out of IMG')
    return AlignedImage(values, unit, *(mpdaf or (None, None)))


def _aligned_by_mpdaf(
    data: FloatArray, header: fits.Header, cube_header: fits.Header, shape: tuple[int, int]
) -> _ByMpdaf | None:
    """MPDAF's alignment, or None if it cannot be used: it fails, is off the grid, or spaxels are not square.

    For spaxels that are not square, MPDAF would smooth the image by their longer side in both directions.
    """
    from mpdaf.obj import WCS as MpdafWCS  # noqa: N811
    from mpdaf.obj import Image

    grid = MpdafWCS(cube_header, shape=shape)
    if np.ptp(np.abs(grid.get_axis_increments(unit=u.arcsec))) > NOT_SQUARE * grid.get_step(unit=u.arcsec).min():
        return None
    image = Image(wcs=MpdafWCS(header, shape=data.shape), data=data, copy=False)
    try:
        aligned = image.align_with_image(Image(wcs=grid, data=np.zeros(shape), copy=False))
    except Exception:  # MPDAF's errors have no class of their own
        return None
    return _ByMpdaf(aligned, grid) if _deviation(Sky(aligned.wcs.wcs), Sky(grid.wcs), shape) < OFF_GRID else None


def _overlap(own: Sky, own_shape: tuple[int, ...], cube: Sky, shape: tuple[int, int]) -> bool:
    """Whether the centre of any spaxel lies in the image."""
    y, x = resample.places(cube, own, *np.indices(shape))
    return bool(((y > -0.5) & (y < own_shape[0] - 0.5) & (x > -0.5) & (x < own_shape[1] - 0.5)).any())


def _deviation(a: Sky, b: Sky, shape: tuple[int, int]) -> float:
    """By how many pixels two WCS differ at the corners of an image; infinite if one of them is not defined there."""
    corners = np.array([(0, 0), (shape[1] - 1, 0), (0, shape[0] - 1), (shape[1] - 1, shape[0] - 1)], float)
    there = np.array(resample.places(b, a, *corners.T[::-1]))[::-1].T
    return float(np.nan_to_num(np.abs(there - corners), nan=np.inf).max())


def nearest_map(path: Path, grid: Sky, shape: tuple[int, int]) -> IntArray:
    """Put a segmentation map on the cube's grid by nearest neighbour; 0 where the map has no pixel.

    Raises
    ------
    InputError
        If the file holds no image with a WCS, does not overlap the cube, or its values are no labels.
    """
    found = open_image(path, ('SEG', 'DATA', 'SCI'))
    values = np.nan_to_num(np.asarray(found.data, float), nan=0.0)
    if (values < 0).any() or (values != np.round(values)).any() or (values > np.iinfo(np.int32).max).any():
        raise InputError(f'{path.name}: not a segmentation map: labels are whole numbers from 0 (no object) up')
    with readable(path, 'its WCS cannot be used'):
        there = resample.places(grid, found.sky, *np.indices(shape))
    row, column = np.nan_to_num(np.round(there), nan=-1, posinf=-1, neginf=-1).astype(int)
    inside = (row >= 0) & (row < values.shape[0]) & (column >= 0) & (column < values.shape[1])
    if not inside.any():
        raise InputError(f'{path.name}: does not overlap the cube; correct its WCS, or take it out of SEG')
    labels = np.zeros(row.shape, np.int32)
    labels[inside] = values[row[inside], column[inside]]
    return labels
