"""The user's images and segmentation maps, put on the cube's pixel grid once per run.

An image is resampled as by MPDAF's `Image.align_with_image`, which AutoSpec v1.1.2 uses:

1. It is interpolated linearly at nodes, whose rows and columns are parallel to those of the
   spaxels, and which are as far apart as the image's pixels.
2. If nodes are closer together than spaxels, a low-pass filter removes what spaxels cannot sample.
3. The values in spaxels are interpolated linearly between nodes.

Unlike MPDAF, step 1 follows any coordinates, with distortions and near poles; pixels without a
value have no weight; and nothing is lost at the border of an image. Where spaxels are not square,
the filter would smooth an image too much along their longer side; there the value in a spaxel is
the mean over it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from autospec_lib.core.errors import InputError, counted
from autospec_lib.core.noise_kind import NoiseKind
from autospec_lib.core.types import BoolArray, FloatArray, IntArray
from autospec_lib.inputs.coordinates import Sky, contradictions, find_axes, header_of_axes, open_sky
from autospec_lib.inputs.extensions import FLAGS, kind_of_name, looks_like_noise
from autospec_lib.inputs.fits_arrays import (
    FileError,
    arranged,
    card_text,
    is_number,
    open_fits,
    readable,
)
from autospec_lib.inputs.units import parsed, written

SAME_GRID = 1e-3  # spaxels by which two grids differ that are taken as one
ROUNDING = 1e-6  # spaxels; smaller differences of positions and sides are errors of rounding
# Pixels by which a position may differ after a transformation to the sky and back.
ROUND_TRIP = 0.01
# Relative difference of a spaxel's sides; MPDAF's grid is not used if it is larger.
NOT_SQUARE = 0.1
OFF_GRID = 0.3  # spaxels by which MPDAF's grid may be off the cube's (0.04 for MUSE and DES images)
NOT_LINEAR = 0.01  # spaxels by which coordinates differ from linear ones if there are distortions
# A spaxel has no value if at least this share of it has none, as in MPDAF's alignment.
MOST_MISSING = 0.25
# Radius, in spaxels, of the filter's main lobe, and the one at which its other lobes are below 3e-5
# of the maximum.
MAIN_LOBE, MARGIN = 3, 12
NODES_AT_ONCE = 2**20
# Pixels that hang together and have one value, from which they may be no data.
FEWEST_OF_FILLING = 50
# Of the largest weight, and of the size that LARGE per cent of values do not exceed: less is the
# rounding of 0.
ROUNDED, LARGE = 1e-5, 95
TYPICAL = 0.2, 0.8  # where values beside pixels without data stand among all others
# Pan-STARRS stores asinh magnitudes, ASINH asinh((flux - BOFFSET) / (2 BSOFTEN)) (Waters et al.
# 2020, ApJS 251, 4).
ASINH = 2.5 * np.log10(np.e)
LOGARITHMIC = re.compile(r'(?<![a-z])(d?mag|dex|dB)(?![a-z])')
POINTS = 5  # along each side of a spaxel, to measure its coverage


@dataclass(frozen=True)
class AlignedImage:
    """An image on the cube's grid, or very nearly.

    Attributes
    ----------
    data : array (ny, nx)
        NaN where there is no value.
    unit : str
        The unit in the file as FITS writes it, or ''.
    offset : array (2, ny, nx) or None
        The positions (y, x) of spaxels in ``data``, less the index, if it is on MPDAF's grid (see
        `_grid_of_mpdaf`). None if it is on the cube's.
    notes : tuple of str
        What is unusual about it, one line each.
    is_segmented : bool
        Whether objects are detected in it, or it only weights spectra.
    """

    data: FloatArray
    unit: str = ''
    offset: FloatArray | None = None
    notes: tuple[str, ...] = ()
    is_segmented: bool = True

    def on_grid(self, box: tuple[slice, slice]) -> FloatArray:
        """Cut out a box and put it exactly on the cube's grid, as v1.1.2 does before it segments an
        image.

        A row and a column at the border of the box have no value: they lie beyond the pixels of the
        cut-out, if only by rounding. Nothing is detected near them, and the maps of v1.1.2 depend
        on this. Where the grids differ it may turn the cut-out by the last digit of an angle, and
        loses the first column too.
        """
        values = self.data[box]
        if self.offset is None or min(values.shape) < 2:
            return values
        offset = self.offset[:, box[0].start, box[1].start]
        moved = ndimage.shift(values, -offset, order=1)
        lost = np.isnan(ndimage.shift(np.zeros(values.shape), -offset, order=1, cval=np.nan))
        if np.abs(offset).max() > ROUNDING:
            lost[:, 0] = True
        return np.where(lost, np.nan, np.where(np.isnan(moved), values, moved))


@dataclass(frozen=True)
class SkyImage:
    """An image in a file that is open.

    Attributes
    ----------
    hdu, weights : HDU, HDU or None
        Its extension, and that of weights of its pixels, 0 for those without a value.
    label : str
        What the extension is called in messages.
    axes : tuple of int
        Its FITS axes of longitude and latitude.
    header : Header
        The cards of these axes.
    sky : Sky
        Its coordinates.
    notes : tuple of str
        What is unusual about its coordinates.
    """

    hdu: Any
    weights: Any
    label: str
    axes: tuple[int, ...]
    header: fits.Header
    sky: Sky
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels (my, mx)."""
        return tuple(self.hdu.shape[-axis] for axis in reversed(self.axes))

    def part(self, hdu: Any, box: tuple[slice, ...]) -> NDArray[Any]:
        """A box (ys, xs) of an extension with these axes; no more of it is held in memory."""
        part = [slice(0, length) for length in hdu.shape]
        for axis, side in zip(self.axes, reversed(box), strict=True):
            part[-axis] = side
        lines = [*part[:-1], slice(None)]
        # A file that is unpacked while it is read is unpacked once more for each piece; whole lines
        # are one piece.
        packed = hdu.fileinfo()['file'].compression is not None
        values = hdu.section[tuple(lines)][..., part[-1]] if packed else hdu.section[tuple(part)]
        return arranged(np.reshape(values, [side.stop - side.start for side in part]), self.axes)


@contextmanager
def open_images(path: Path, prefer: tuple[str, ...] = ('DATA', 'SCI')) -> Iterator[list[SkyImage]]:
    """Open the images in a FITS file, the one that is meant first.

    Axes of length 1 are dropped, and an image with latitude on its first axis is transposed.
    Extensions that hold noise, weights, flags or masks are no images. Other images than the first
    are there for fields on several detectors: they have its shape and coordinates of their own.

    Parameters
    ----------
    path : Path
        FITS file.
    prefer : tuple of str
        Names of extensions that come first.

    Raises
    ------
    InputError
        If there is none, or the coordinates of the first cannot be used.
    """
    with open_fits(path, 'not a readable FITS file', scaled=True) as hdus:
        flat = [
            hdu for hdu in hdus if hdu.is_image and len(hdu.shape) >= 2 and {*hdu.shape[:-2]} <= {1}
        ]
        weights = [hdu for hdu in flat if kind_of_name(hdu.name) is NoiseKind.INVERSE_VARIANCE]
        flat = [
            hdu
            for hdu in flat
            if card_text(hdu.header, 'HDUCLAS2') not in ('ERROR', 'QUALITY')
            and not FLAGS.search(hdu.name)
            and not looks_like_noise(hdu.name)
        ]
        flat.sort(key=lambda hdu: [not hdu.name.startswith(name) for name in prefer])
        if not flat:
            raise FileError('no two-dimensional image in it; IMG, WEIGHT and SEG take FITS images')
        images = [_sky_image(hdus, flat[0], weights)]
        for hdu in flat[1:]:
            with suppress(FileError):  # of images that need not be chips of the same
                images.append(_sky_image(hdus, hdu, weights))
        yield [
            image
            for image in images
            if image.shape == images[0].shape or image.hdu.name == images[0].hdu.name
        ]


def _sky_image(hdus: fits.HDUList, hdu: Any, weights: Sequence[Any]) -> SkyImage:
    """An extension with its coordinates, and the one of ``weights`` that belongs to it: by EXTVER
    and shape."""
    if 'CTYPE1' not in hdu.header or 'CTYPE2' not in hdu.header:
        raise FileError('no celestial WCS (CTYPE1, CTYPE2); it cannot be placed on the cube')
    name = hdu.name or 'the image'
    axes = find_axes(name, hdu.header, hdu.shape, spectral=False)
    header = header_of_axes(hdu.header, axes)
    sky = open_sky(name, header, hdus)
    own = [one for one in weights if one.shape == hdu.shape and one.ver == hdu.ver]
    label = f'{hdu.name},{hdu.ver}' if hdu.name else f'extension {hdus.index(hdu)}'
    notes = *contradictions(name, hdu.header), *sky.notes
    return SkyImage(hdu, own[0] if own else None, label, axes, header, sky, notes)


def _on_cube(
    images: Sequence[SkyImage], grid: Sky, shape: tuple[int, int], parameter: str
) -> list[tuple[SkyImage, FloatArray]]:
    """The images that cover the cube, with the positions in them of its spaxels and of MARGIN more
    on each side.

    They have one name, or cover different spaxels: images of another kind may follow in the file.

    Parameters
    ----------
    images : sequence of SkyImage
        Those of a file.
    grid : Sky
        The cube's coordinates.
    shape : (int, int)
        The cube's (ny, nx).
    parameter : str
        The one that names the file.

    Raises
    ------
    InputError
        If there is none.
    """
    overlapping: list[tuple[SkyImage, FloatArray]] = []
    covered = np.zeros(shape, bool)
    for image in images:
        # A camera may have dozens whose box, in spaxels, does not overlap the cube.
        rows, columns = (np.linspace(-0.5, length - 0.5, 5) for length in image.shape)
        there = places(image.sky, grid, rows[:, None], columns)
        low, high = there.min(axis=(1, 2)), there.max(axis=(1, 2))
        if not np.isnan(low).any() and ((high <= -1) | (low >= shape)).any():
            continue
        pixels = places(
            grid, image.sky, *np.ogrid[-MARGIN : shape[0] + MARGIN, -MARGIN : shape[1] + MARGIN]
        )
        inside = _inside(_inner(pixels), image.shape)
        same_name = bool(overlapping) and image.hdu.name == overlapping[0][0].hdu.name != ''
        if inside.any() and (same_name or not (inside & covered).any()):
            overlapping.append((image, pixels))
            covered |= inside
    if not overlapping:
        which = f' ({", ".join(image.label for image in images)})' if len(images) > 1 else ''
        way_out = f'correct its WCS, or take it out of {parameter}'
        raise FileError(f'does not overlap the cube{which}; {way_out}')
    return overlapping


def _inner(pixels: FloatArray) -> FloatArray:
    """An array (..., ny + 2 MARGIN, nx + 2 MARGIN) without the margin."""
    return pixels[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def align(
    path: Path,
    grid: Sky,
    shape: tuple[int, int],
    shift: ArrayLike = (0.0, 0.0),
    parameter: str = 'IMG',
) -> AlignedImage:
    """Put an image on the cube's grid. Its pixels hold brightness per area: a larger pixel does not
    hold more.

    Of an image in several extensions, such as one for each detector, all that cover the cube are
    used as one.

    Parameters
    ----------
    path : Path
        FITS image.
    grid : Sky
        The cube's coordinates.
    shape : (int, int)
        The cube's (ny, nx).
    shift : (float, float)
        How far (y, x) in spaxels the image is moved.
    parameter : str
        'IMG', or 'WEIGHT' for an image that is not segmented.

    Raises
    ------
    InputError
        If the file holds no image with a WCS, or the image does not overlap the cube.
    """
    way_out = f'take it out of {parameter}'
    if np.any(shift):
        wcs = grid.wcs.deepcopy()
        wcs.wcs.crpix = wcs.wcs.crpix + np.array(shift)[::-1]
        grid = replace(grid, wcs=wcs)
    sides = grid.pixel
    square = max(sides) - min(sides) <= NOT_SQUARE * min(sides)
    with open_images(path) as images, readable('cannot be put on the grid of the cube'):
        overlapping = _on_cube(images, grid, shape, parameter)
        unit = str(overlapping[0][0].header.get('BUNIT', ''))
        if LOGARITHMIC.search(unit):
            raise FileError(f'BUNIT = {unit!r} is not linear in flux; convert it, or {way_out}')
        notes: list[str] = []
        sums, offset = np.zeros((3, *shape)), None
        for image, pixels in overlapping:
            box, start = _box(pixels, image.shape)
            values, more = _read(image, box)
            notes += more
            node = np.zeros(2)
            if len(overlapping) == 1:
                inner, indices = _inner(pixels), np.indices(shape)
                if image.shape == shape and (np.abs(inner - indices) < SAME_GRID).all():
                    sums = np.stack([values, *np.ones((2, *shape))])
                    break
                mpdaf = _grid_of_mpdaf(grid, image.sky, inner) if square else None
                if mpdaf is not None:
                    pixels = mpdaf(
                        *np.ogrid[-MARGIN : shape[0] + MARGIN, -MARGIN : shape[1] + MARGIN]
                    )
                    node = _node_of_mpdaf(grid, image.sky, image.shape, mpdaf)
                    offset = mpdaf.inverse(*inner) - indices
            sums += resample(values, pixels - start, node, square)
    value, weight, coverage = sums
    with np.errstate(all='ignore'):
        values = np.where(coverage > 1 - MOST_MISSING, value / weight, np.nan)
    if not np.isfinite(values).any():
        raise InputError(f'{path.name}: has no value on the cube; correct its WCS, or {way_out}')
    labels = [image.label for image, _ in overlapping]
    if len(images) > 1 and labels != [images[0].label]:
        notes.append(f'its images {", ".join(labels)} cover the cube and are used')
    return AlignedImage(
        values,
        written(parsed(unit)),
        offset,
        tuple(f'{path.name}: {note}' for note in notes),
        parameter == 'IMG',
    )


def _read(image: SkyImage, box: tuple[slice, ...]) -> tuple[FloatArray, list[str]]:
    """The values of an image in a box (ys, xs), linear in flux and NaN for none, and what is
    unusual about it."""
    values = image.part(image.hdu, box).astype(np.float64)
    notes = list(image.notes)
    if image.weights is not None:
        weight = image.part(image.weights, box)
        empty = ~(weight > ROUNDED * weight.max(where=np.isfinite(weight), initial=0))
    else:
        empty = _without_data(values)
        if empty.any():
            sizes = np.unique(values[empty])
            value = ' and '.join(f'{one:g}' for one in sizes) if sizes.size <= 3 else 'nearly 0'
            number = counted(int(empty.sum()), 'pixel')
            notes.append(f'no data where {image.label} is {value}, in {number}')
    values = np.where(empty, np.nan, values)
    softening, zero = image.header.get('BSOFTEN'), image.header.get('BOFFSET', 0.0)
    if is_number(softening) and is_number(zero):
        values = zero + 2 * softening * np.sinh(values / ASINH)
        notes.append(f'made linear in flux: BSOFTEN = {softening:g}, BOFFSET = {zero:g}')
    return values, notes


def _box(pixels: FloatArray, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], FloatArray]:
    """The box of an image (my, mx) that holds positions (2, ...), and its first pixel, of shape (2,
    1, 1)."""
    box = []
    for positions, length in zip(pixels, shape, strict=True):
        ends = np.nanmin(positions) - 1, np.nanmax(positions) + 2
        first, last = map(int, np.clip(ends, 0, length - 1))
        box.append(slice(first, last + 1))
    return tuple(box), np.reshape([side.start for side in box], (2, 1, 1)).astype(float)


def _without_data(values: FloatArray) -> BoolArray:
    """The pixels of an image (my, mx) that are filled with one value where there are no data.

    Mosaics and masked images have 0 or its rounding, or a value that is lower or higher than all
    others, in such areas. Around them lie values of all sizes; beside the zeros of an image without
    noise, or the pixels that a star saturates, lie the smallest or largest.
    """
    empty = np.zeros(values.shape, bool)
    finite = values[np.isfinite(values)]
    if not finite.any():  # NaN, or 0 everywhere
        return ~empty
    for filling in {0.0, finite.min(), finite.max()}:
        is_filling = values == filling
        if filling == 0:
            is_filling = abs(values) <= ROUNDED * np.percentile(abs(finite), LARGE)
        labels, number = ndimage.label(is_filling)
        large = np.bincount(labels.ravel(), minlength=number + 1) >= FEWEST_OF_FILLING
        large[0] = False
        area = large[labels]
        is_other = np.isfinite(values) & ~is_filling
        others, beside = values[is_other], values[ndimage.binary_dilation(area) & is_other]
        if beside.size and TYPICAL[0] < (others < np.median(beside)).mean() < TYPICAL[1]:
            empty |= area
    return empty


def places(grid: Sky, own: Sky, y: ArrayLike, x: ArrayLike) -> FloatArray:
    """Where pixels of one grid lie in another image.

    Parameters
    ----------
    grid, own : Sky
        Coordinates of the grid, and of the image.
    y, x : arrays
        Pixels of the grid, 0-based; they are broadcast.

    Returns
    -------
    array (2, ...)
        y and x in the image; NaN for places that are not in the image's projection.
    """
    start = np.array(np.broadcast_arrays(y, x), np.float64)
    with np.errstate(all='ignore'):
        there = np.array(own.to_pixels(*grid.to_icrs(*start)))
        # The inversion of a distortion may diverge, and positions on the other side of the sky may
        # fall on the image.
        back = np.array(grid.to_pixels(*own.to_icrs(*there)))
        return np.where(np.abs(back - start).max(axis=0) < ROUND_TRIP, there, np.nan)


def _inside(pixels: FloatArray, shape: tuple[int, ...]) -> BoolArray:
    """Whether positions (2, ...) lie in an image (my, mx)."""
    y, x = pixels
    return np.asarray((y > -0.5) & (y < shape[0] - 0.5) & (x > -0.5) & (x < shape[1] - 0.5))


class _Affine(NamedTuple):
    """Linear coordinates: where positions (y, x) of one grid lie in another.

    ``start`` (2,) of the first lies at ``end`` (2,) of the second; ``slope`` (2, 2) holds the
    derivatives of the second's y and x, in rows, along the first's y and x.
    """

    start: FloatArray
    end: FloatArray
    slope: FloatArray

    def __call__(self, y: FloatArray, x: FloatArray) -> FloatArray:
        """Positions (2, ...) in the second grid; ``y`` and ``x`` are broadcast."""
        down, right = y - self.start[0], x - self.start[1]
        return np.stack(
            [end + s[0] * down + s[1] * right for end, s in zip(self.end, self.slope, strict=True)]
        )

    @property
    def inverse(self) -> _Affine:
        return _Affine(self.end, self.start, np.asarray(np.linalg.inv(self.slope), np.float64))


def _grid_of_mpdaf(grid: Sky, own: Sky, pixels: FloatArray) -> _Affine | None:
    """Where MPDAF's grid for an aligned image lies in the image, or None if it is not to be used.

    It has the cube's direction of north and sides of spaxels, in the image's projection, and
    coincides with the cube's grid at the centre. Where the cube's axes are not perpendicular, or
    its projection has another centre, it is off the cube's grid by a fraction of a spaxel. Spectra
    and maps of v1.1.2 are made from images on this grid. It is not used if it is off by more, if
    there are distortions, which MPDAF ignores, or if cube and image are in different frames.

    Parameters
    ----------
    grid, own : Sky
        Coordinates of the cube and of the image.
    pixels : array (2, ny, nx)
        The positions of spaxels in the image.
    """
    # FITS orders matrices (x, y).
    matrix = grid.wcs.pixel_scale_matrix
    sides = np.hypot(*matrix)
    if grid.frame is not own.frame:
        return None
    first = matrix[0] / sides
    first = first / np.hypot(*first)
    second = np.sign(np.linalg.det(matrix)) * np.array([-first[1], first[0]])
    slope = np.linalg.inv(own.wcs.pixel_scale_matrix) @ (np.stack([first, second]) * sides)
    shape = pixels.shape[1:]
    centre = np.array(shape) / 2
    mpdaf = _Affine(centre, places(grid, own, *centre), slope[::-1, ::-1])
    linear = mpdaf._replace(slope=_slope(pixels))
    off_grid = np.abs(mpdaf.inverse(*pixels) - np.indices(shape))
    not_linear = np.abs(linear.inverse(*pixels) - np.indices(shape))
    if (off_grid < OFF_GRID).all() and (not_linear < NOT_LINEAR).all():
        return mpdaf
    return None


def _node_of_mpdaf(grid: Sky, own: Sky, size: tuple[int, ...], mpdaf: _Affine) -> FloatArray:
    """A node of MPDAF's, (y, x) in spaxels.

    MPDAF cuts out of an image the box in RA and Dec that holds the cube and a spaxel more on each
    side. Its first row and column of nodes go through the centres of the outermost pixels of this
    cut-out.

    Parameters
    ----------
    grid, own : Sky
        Coordinates of the cube and of the image.
    size : (int, int)
        The image's (my, mx).
    mpdaf : _Affine
        See `_grid_of_mpdaf`.
    """
    ny, nx = 2 * mpdaf.start
    longitude, latitude = grid.wcs.all_pix2world([-1, -1, nx, nx], [-1, ny, -1, ny], 0)
    longitude = longitude[0] + (longitude - longitude[0] + 180) % 360 - 180
    box = np.meshgrid([longitude.min(), longitude.max()], [latitude.min(), latitude.max()])
    x, y = grid.wcs.all_world2pix(*box, 0)
    corners = places(grid, own, y, x) + 0.5
    low = np.maximum(corners.min(axis=(1, 2)).astype(int), 0)
    high = np.minimum(corners.max(axis=(1, 2)).astype(int), np.array(size) - 1)
    rows, columns = np.stack([low, high], axis=1)
    cut_out = mpdaf.inverse(rows[:, None], columns)
    return np.asarray(cut_out.min(axis=(1, 2)))


def resample(image: FloatArray, pixels: FloatArray, origin: FloatArray, square: bool) -> FloatArray:
    """The values of an image in spaxels, as sums, to which those of other images of the same sky
    may be added.

    Nodes are as far apart as square pixels. Of other pixels, an ellipse holds the spatial
    frequencies that they can sample, and nodes sample the largest of them along y and along x.

    Parameters
    ----------
    image : array (my, mx)
        NaN for no value.
    pixels : array (2, ny + 2 MARGIN, nx + 2 MARGIN)
        The positions (y, x) in the image of the spaxels, and of MARGIN more on each side; NaN for
        none.
    origin : array (2,)
        The position (y, x) of a node in spaxels.
    square : bool
        Whether spaxels are square. If not, values are means over them.

    Returns
    -------
    array (3, ny, nx)
        Weighted values, which are exactly 0 where the image is 0 all around; their weights; and the
        share of each spaxel that lies in pixels with a value.
    """
    result = np.zeros((3, *_inner(pixels).shape[1:]))
    inside = _inside(pixels, image.shape)
    if not inside.any():
        return result
    down, right = np.linalg.inv(_slope(pixels)).T
    height, width = np.hypot(*down), np.hypot(*right)
    cosine, sine = down / height
    step = 1 / np.hypot([cosine / height, cosine / width], [sine / width, sine / height])
    if not square:
        # Each node stands for a cell of a spaxel, no larger than half a pixel.
        step = np.minimum(step, 1) / 2
    # The rows and columns of spaxels that the image may touch, and those of nodes, from MARGIN
    # before to MARGIN behind.
    box, nodes = [], []
    for axis, (start, size) in enumerate(zip(origin, step, strict=True)):
        touched = np.flatnonzero(inside.any(axis=1 - axis)) - MARGIN
        spaxels = np.arange(max(touched[0] - 1, 0), min(touched[-1] + 2, result.shape[1 + axis]))
        first = np.floor((spaxels[0] - MARGIN - start) / size)
        last = np.ceil((spaxels[-1] + MARGIN - start) / size)
        box.append(spaxels)
        nodes.append(start + size * np.arange(first, last + 1))
    in_spaxels = _filtered if square else _means
    rows, columns = np.ix_(*box)
    result[:2, rows, columns] = in_spaxels(_at_nodes(image, pixels, nodes), nodes, box)
    result[2, rows, columns] = _coverage(image, pixels, box)
    return result


def _filtered(layers: FloatArray, nodes: list[FloatArray], box: list[IntArray]) -> FloatArray:
    """Values and weights in spaxels from those at nodes, as MPDAF has them: filtered, then
    interpolated.

    Where nodes are closer together than spaxels, the filter removes the spatial frequencies that
    spaxels cannot sample, of more than half a period in a spaxel. The window is Blackman's, of the
    radius in the plane of frequencies. In the image it is nearly a Gaussian of sigma 0.96 spaxels;
    the outermost `MARGIN` spaxels are affected by those on the opposite side.

    Parameters
    ----------
    layers : array (2, n, m)
        See `_at_nodes`.
    nodes : list of array
        The positions of the rows (n,) and columns (m,) of nodes in spaxels.
    box : list of array
        The rows and columns of spaxels.
    """
    step = np.array([places[1] - places[0] for places in nodes])
    lit = ndimage.maximum_filter(
        layers[0] != 0, 1 + 2 * np.ceil(np.maximum(MAIN_LOBE / step, 1)).astype(int)
    )
    if (step < 1 - ROUNDING).any():
        # At most an eighth longer, without large prime factors, with which Fourier transforms take
        # longer.
        size = []
        for places in nodes:
            unit = 1 << max(len(places).bit_length() - 4, 0)
            size.append(-(-len(places) // unit) * unit)
        radius = 2 * np.hypot(
            np.fft.fftfreq(size[0], step[0])[:, None], np.fft.rfftfreq(size[1], step[1])
        )
        window = 0.42 + 0.5 * np.cos(np.pi * radius) + 0.08 * np.cos(2 * np.pi * radius)
        layers = np.fft.irfft2(np.fft.rfft2(layers, size) * np.where(radius < 1, window, 0.0), size)
        layers = layers[:, : len(nodes[0]), : len(nodes[1])]
    # The spaxels, counted in nodes.
    y, x = (
        (spaxels - places[0]) / side for spaxels, places, side in zip(box, nodes, step, strict=True)
    )
    values, weights = _bilinear(layers, y, x)
    is_lit = lit[np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))]
    return np.stack([np.where(is_lit, values, 0.0), weights])


def _means(layers: FloatArray, nodes: list[FloatArray], box: list[IntArray]) -> FloatArray:
    """The means of values and weights over spaxels, each node standing for the cell around it; as
    `_filtered`."""
    shares = []
    for spaxels, places in zip(box, nodes, strict=True):
        half = (places[1] - places[0]) / 2
        low = np.maximum(spaxels[:, None] - 0.5, places - half)
        high = np.minimum(spaxels[:, None] + 0.5, places + half)
        shares.append(np.maximum(high - low, 0))
    down, across = shares
    return np.asarray(down @ layers @ across.T)


def _slope(pixels: FloatArray) -> FloatArray:
    """The derivatives of positions (2, ny, nx) along y and x, a matrix (2, 2): medians of those
    that are not NaN."""
    columns = []
    for axis in (1, 2):
        steps = np.diff(pixels, axis=axis).reshape(2, -1)
        columns.append(np.median(steps[:, np.isfinite(steps).all(axis=0)], axis=1))
    return np.stack(columns, axis=1)


def _at_nodes(image: FloatArray, pixels: FloatArray, nodes: list[FloatArray]) -> FloatArray:
    """An image at nodes, linearly interpolated, with 0 for no value; and the share of each that has
    a value.

    The outermost pixels are continued to their outer edges. The shape is (2, n, m).
    """
    has_value = np.isfinite(image)
    filled = np.where(has_value, image, 0.0), has_value.astype(float)
    rows, columns = nodes
    layers = np.zeros((2, rows.size, columns.size))
    for some in np.array_split(np.arange(rows.size), 1 + rows.size * columns.size // NODES_AT_ONCE):
        there = _bilinear(pixels, rows[some] + MARGIN, columns + MARGIN)
        inside = _inside(there, image.shape)
        there = np.where(inside, there, 0.0)
        for layer, values in zip(layers, filled, strict=True):
            layer[some] = inside * ndimage.map_coordinates(values, there, order=1, mode='nearest')
    return layers


def _bilinear(values: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Interpolate (..., n, m) linearly at rows and columns; shape (..., number of rows, number of
    columns)."""
    for axis, positions in ((-2, rows), (-1, columns)):
        index = np.clip(np.floor(positions).astype(int), 0, values.shape[axis] - 2)
        fraction = positions - index
        if axis == -2:
            fraction = fraction[:, None]
        before = values.take(index, axis)
        values = before + fraction * (values.take(index + 1, axis) - before)
    return values


def _coverage(image: FloatArray, pixels: FloatArray, box: list[IntArray]) -> FloatArray:
    """The share of each spaxel, of these rows and columns, that lies in pixels with a value, by
    POINTS**2 points."""
    points = (np.arange(POINTS) + 0.5) / POINTS - 0.5
    rows, columns = (np.add.outer(spaxels, points).ravel() for spaxels in box)
    there = _bilinear(pixels, rows + MARGIN, columns + MARGIN)
    inside = _inside(there, image.shape)
    y, x = np.rint(np.where(inside, there, 0.0)).astype(int)
    has_value = inside & np.isfinite(image[y, x])
    share = has_value.reshape(len(box[0]), POINTS, len(box[1]), POINTS).mean(axis=(1, 3))
    return np.asarray(share)


def nearest_map(path: Path, grid: Sky, shape: tuple[int, int]) -> IntArray:
    """Put a segmentation map on the cube's grid by nearest neighbour; -1 where the map has no
    pixel.

    Raises
    ------
    InputError
        If the file holds no image with a WCS, does not overlap the cube, or its values are no
        labels.
    """
    labels = np.full(shape, -1, np.int32)
    with open_images(path, ('SEG', 'DATA', 'SCI')) as images, readable('its WCS cannot be used'):
        for image, pixels in _on_cube(images, grid, shape, 'SEG'):
            box, start = _box(_inner(pixels), image.shape)
            there = _inner(pixels) - start
            values = np.nan_to_num(image.part(image.hdu, box).astype(np.float64), nan=0.0)
            if (
                (values < 0).any()
                or (values != np.round(values)).any()
                or (values > np.iinfo(np.int32).max).any()
            ):
                raise FileError(
                    'not a segmentation map: labels are whole numbers from 0 (no object) up'
                )
            # Labels of several maps are made different.
            values[values > 0] += max(labels.max(), 0)
            inside = _inside(there, values.shape) & (labels <= 0)
            row, column = np.round(there[:, inside]).astype(int)
            labels[inside] = values[row, column]
    return labels
