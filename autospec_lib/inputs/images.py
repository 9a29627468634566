"""Additional images and segmentation maps, put on the cube's pixel grid once per run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray, IntArray
from autospec_lib.inputs.fits_arrays import open_fits, readable
from autospec_lib.inputs.noise_kinds import is_quality, looks_like_noise
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


class SkyImage(NamedTuple):
    """An image (ny, nx) in a file, its header, and its celestial WCS with all distortions."""

    data: NDArray[Any]
    header: fits.Header
    wcs: WCS


def open_image(path: Path, prefer: tuple[str, ...] = ('DATA', 'SCI')) -> SkyImage:
    """The first two-dimensional array of a FITS file that is an image, with RA and Dec on its axes.

    Axes of length 1 are dropped. Extensions that hold noise, weights, quality flags or masks are no images.

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
        header = flat[0].header
        if 'CTYPE1' not in header or 'CTYPE2' not in header:
            raise InputError(f'{path.name}: no celestial WCS (CTYPE1, CTYPE2); it cannot be placed on the cube')
        types = [str(header[f'CTYPE{axis}']).strip().upper() for axis in (1, 2)]
        if not (types[0].startswith('RA--') and types[1].startswith('DEC-')):
            raise InputError(
                f'{path.name}: its axes are {types[0]} and {types[1]}; expected RA and Dec in this order: reproject or '
                'transpose it'
            )
        with readable(path, 'its WCS cannot be read'):
            # The lookup tables of a distortion lie in other extensions of the file.
            wcs = WCS(header, hdus).celestial
        data = np.array(flat[0].data).reshape(flat[0].shape[-2:])
    return SkyImage(data, header, wcs)


def _is_flat(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 2 and all(length == 1 for length in shape[:-2])


def _is_about_another(hdu: fits.ImageHDU) -> bool:
    """Whether an extension says how good the values of another one are."""
    declared = str(hdu.header.get('HDUCLAS2', '')).strip().upper() in ('ERROR', 'QUALITY')
    return declared or is_quality(hdu.name) or looks_like_noise(hdu.name)


def align(path: Path, cube_header: fits.Header, shape: tuple[int, int]) -> AlignedImage:
    """Put an image on the cube's grid.

    MPDAF's `Image.align_with_image` does it, as in v1.1.2; where the coordinates of image or cube are distorted, of
    which MPDAF knows nothing, `resampled`. Both give the mean of the image's values in each spaxel.

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
    found = open_image(path)
    data = np.asarray(found.data, float)
    # MPDAF cannot open files with units that astropy does not know.
    unit = known(str(found.header.get('BUNIT', '')))
    if not np.isfinite(data).any():
        raise InputError(f'{path.name}: holds no value (all NaN); take it out of IMG')
    with readable(path, 'cannot be put on the grid of the cube'):
        wcs = WCS(cube_header).celestial
        if data.shape == shape and _same_grid(found.wcs, wcs, shape):
            return AlignedImage(data, unit)
        if not _overlap(found.wcs, data.shape, wcs, shape):
            raise InputError(f'{path.name}: does not overlap the cube; correct its WCS, or take it out of IMG')
        if _is_distorted(found.wcs) or _is_distorted(wcs):
            aligned = AlignedImage(resampled(data, found.wcs, wcs, shape), unit)
        else:
            aligned = _aligned_by_mpdaf(data, found.header, cube_header, shape, unit)
    if not np.isfinite(aligned.data).any():
        raise InputError(f'{path.name}: has no value on the cube; correct its WCS, or take it out of IMG')
    return aligned


def _aligned_by_mpdaf(
    data: FloatArray, header: fits.Header, cube_header: fits.Header, shape: tuple[int, int], unit: str
) -> AlignedImage:
    from mpdaf.obj import WCS as MpdafWCS  # noqa: N811
    from mpdaf.obj import Image

    grid = MpdafWCS(cube_header, shape=shape)
    image = Image(wcs=MpdafWCS(header, shape=data.shape), data=data, copy=False)
    aligned = image.align_with_image(Image(wcs=grid, data=np.zeros(shape), copy=False))
    return AlignedImage(aligned.data.filled(np.nan), unit, aligned, grid)


def _is_distorted(wcs: WCS) -> bool:
    """Whether coordinates are more than a projection: SIP, lookup tables, TPV and the like."""
    return bool(wcs.has_distortion) or any(str(kind)[4:].strip('-') in ('TPV', 'TPD') for kind in wcs.wcs.ctype)


def _overlap(own: WCS, own_shape: tuple[int, ...], cube: WCS, shape: tuple[int, int]) -> bool:
    """Whether the centre of any spaxel lies in the image."""
    there = _places(own, cube, *np.indices(shape))
    return bool(np.all((there > -0.5) & (there < np.reshape(own_shape, (2, 1, 1)) - 0.5), axis=0).any())


def _places(own: WCS, cube: WCS, y: FloatArray, x: FloatArray) -> FloatArray:
    """Where pixels (y, x) of the cube lie in the image, (2, ...) in the order y, x; NaN for nowhere."""
    world = cube.all_pix2world(np.column_stack([x.ravel(), y.ravel()]), 0)
    there = own.all_world2pix(world, 0, quiet=True)
    return np.asarray(there.T[::-1].reshape(2, *y.shape))


def resampled(data: FloatArray, own: WCS, cube: WCS, shape: tuple[int, int]) -> FloatArray:
    """An image on the cube's grid by its full WCS: the mean in each spaxel of the image, interpolated between pixels.

    Parameters
    ----------
    data : array (my, mx)
        The image; NaN for no value.
    own, cube : WCS
        Coordinates of both.
    shape : (int, int)
        The cube's (ny, nx).

    Returns
    -------
    array (ny, nx)
        NaN in spaxels of which less than half lies on pixels with a value.
    """
    ratio = proj_plane_pixel_scales(cube) / proj_plane_pixel_scales(own)
    number = int(np.clip(np.ceil(2 * ratio.max()), 3, 20))  # points in a spaxel along each axis
    steps = (np.arange(number) + 0.5) / number - 0.5
    known_pixels = np.isfinite(data)
    values = np.where(known_pixels, data, 0.0)
    result = np.full(shape, np.nan)
    for row in range(shape[0]):
        y = row + steps[:, None, None, None] + np.zeros((1, number, 1, shape[1]))
        x = np.arange(shape[1]) + steps[None, :, None, None] + np.zeros((number, 1, 1, 1))
        there = np.nan_to_num(_places(own, cube, y, x), nan=-10.0)
        total = map_coordinates(values, there, order=1, cval=0.0).mean(axis=(0, 1, 2))
        share = map_coordinates(known_pixels.astype(float), there, order=1, cval=0.0).mean(axis=(0, 1, 2))
        result[row] = np.where(share >= 0.5, total / np.maximum(share, 0.5), np.nan)
    return result


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
    found = open_image(path, ('SEG', 'DATA', 'SCI'))
    values = np.nan_to_num(np.asarray(found.data, float), nan=0.0)
    if (values < 0).any() or (values != np.round(values)).any() or (values > np.iinfo(np.int32).max).any():
        raise InputError(f'{path.name}: not a segmentation map: labels are whole numbers from 0 (no object) up')
    with readable(path, 'its WCS cannot be used'):
        there = _places(found.wcs, cube_wcs, *np.indices(shape))
    row, column = np.nan_to_num(np.round(there), nan=-1, posinf=-1, neginf=-1).astype(int)
    inside = (row >= 0) & (row < values.shape[0]) & (column >= 0) & (column < values.shape[1])
    if not inside.any():
        raise InputError(f'{path.name}: does not overlap the cube; correct its WCS, or take it out of SEG')
    labels = np.zeros(row.shape, np.int32)
    labels[inside] = values[row[inside], column[inside]]
    return labels
