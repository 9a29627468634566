"""Additional images and segmentation maps, put on the cube's pixel grid once per run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray, IntArray
from autospec_lib.inputs.fits_arrays import open_fits, readable
from autospec_lib.inputs.units import known

if TYPE_CHECKING:
    from mpdaf.obj import WCS as MpdafWCS  # noqa: N811
    from mpdaf.obj import Image


@dataclass(frozen=True)
class AlignedImage:
    """An image (ny, nx) with the cube's shape; NaN where there is no value.

    ``image`` is the same as an MPDAF Image, whose WCS may differ from the cube's (``grid``, an MPDAF WCS) by a fraction
    of a pixel: MPDAF aligns by rotation and scale, which cannot follow shear in the cube's WCS. Both are None where the
    image is on the grid as it is. ``unit`` is that of the file, as FITS writes it, or ''.
    """

    data: FloatArray
    unit: str = ''
    image: Image | None = None
    grid: MpdafWCS | None = None

    def on_grid(self, box: tuple[slice, slice]) -> FloatArray:
        """Cut out a box and put it exactly on the cube's grid, as MPDAF does before it segments an image."""
        if self.image is None or self.grid is None:
            return self.data[box]
        cut, grid = self.image[box], self.grid[box]
        # Every step to the letter: a border that rounding pushes off the image changes the background, and with it
        # which faint pixels are detected.
        if cut.get_rot() != grid.get_rot():
            cut = cut.rotate(grid.get_rot() - cut.get_rot(), interp='no', reshape=True)
        moved = cut.resample((grid.naxis2, grid.naxis1), grid.get_start(), grid.get_step(unit=u.arcsec), flux=True)
        return np.asarray(moved.data.filled(np.nan))


def open_image(path: Path) -> fits.ImageHDU:
    """The first two-dimensional array of a FITS file (extension DATA or SCI first), with a celestial WCS.

    Raises
    ------
    InputError
        If there is none.
    """
    with open_fits(path, 'not a readable FITS file', scaled=True) as hdus:
        flat = [hdu for hdu in hdus if hdu.is_image and len(hdu.shape) == 2]
        flat.sort(key=lambda hdu: hdu.name not in ('DATA', 'SCI'))
        chosen = fits.ImageHDU(np.array(flat[0].data), flat[0].header) if flat else None
    if chosen is None:
        raise InputError(f'{path.name}: no two-dimensional image in it; IMG and SEG take FITS images')
    with readable(path, 'its WCS cannot be read'):
        celestial = WCS(chosen.header).has_celestial
    if not celestial:
        raise InputError(f'{path.name}: no celestial WCS (CTYPE1, CTYPE2); it cannot be placed on the cube')
    return chosen


def align(path: Path, cube_header: fits.Header, shape: tuple[int, int]) -> AlignedImage:
    """Put an image on the cube's grid with MPDAF's `Image.align_with_image`.

    Parameters
    ----------
    path : Path
        FITS image.
    cube_header : fits.Header
        With the cube's WCS.
    shape : (int, int)
        The cube's (ny, nx).

    Raises
    ------
    InputError
        If the file holds no image with a WCS, or the image does not overlap the cube.
    """
    hdu = open_image(path)
    # MPDAF cannot open files with units that astropy does not know.
    data, unit = np.asarray(hdu.data, float), known(str(hdu.header.get('BUNIT', '')))
    with readable(path, 'does not overlap the cube, or cannot be aligned with it'):
        if hdu.shape == shape and _same_grid(WCS(hdu.header).celestial, WCS(cube_header).celestial, shape):
            return AlignedImage(data, unit)
        from mpdaf.obj import WCS as MpdafWCS  # noqa: N811
        from mpdaf.obj import Image

        grid = MpdafWCS(cube_header, shape=shape)
        image = Image(wcs=MpdafWCS(hdu.header, shape=hdu.shape), data=data, copy=False)
        aligned = image.align_with_image(Image(wcs=grid, data=np.zeros(shape), copy=False))
    values = aligned.data.filled(np.nan)
    if not np.isfinite(values).any():
        raise InputError(f'{path.name}: does not overlap the cube; correct its WCS, or take it out of IMG')
    return AlignedImage(values, unit, aligned, grid)


def _same_grid(a: WCS, b: WCS, shape: tuple[int, int]) -> bool:
    """Whether two WCS give the corners of an image the same place, to a thousandth of a pixel."""
    corners = np.array([(0, 0), (shape[1] - 1, 0), (0, shape[0] - 1), (shape[1] - 1, shape[0] - 1)], float)
    there = a.all_world2pix(b.all_pix2world(corners, 0), 0, quiet=True)
    return bool(np.nanmax(np.abs(there - corners), initial=np.inf if np.isnan(there).any() else 0.0) < 1e-3)


def nearest_map(path: Path, cube_wcs: WCS, shape: tuple[int, int]) -> IntArray:
    """Put a segmentation map on the cube's grid by nearest neighbour; 0 where the map has no pixel.

    Raises
    ------
    InputError
        If the file holds no image with a WCS, does not overlap the cube, or its values are no labels.
    """
    hdu = open_image(path)
    values = np.nan_to_num(np.asarray(hdu.data, float), nan=0.0)
    if (values < 0).any() or (values != np.round(values)).any() or (values > np.iinfo(np.int32).max).any():
        raise InputError(f'{path.name}: not a segmentation map: labels are whole numbers from 0 (no object) up')
    y, x = np.indices(shape)
    with readable(path, 'its WCS cannot be used'):
        own = WCS(hdu.header).celestial
        world = cube_wcs.all_pix2world(np.column_stack([x.ravel(), y.ravel()]), 0)
        there = own.all_world2pix(world, 0, quiet=True)
    column, row = np.nan_to_num(np.round(there), nan=-1, posinf=-1, neginf=-1).T.astype(int)
    inside = (row >= 0) & (row < values.shape[0]) & (column >= 0) & (column < values.shape[1])
    if not inside.any():
        raise InputError(f'{path.name}: does not overlap the cube; correct its WCS, or take it out of SEG')
    labels = np.zeros(row.shape, np.int32)
    labels[inside] = values[row[inside], column[inside]]
    return labels.reshape(shape)
