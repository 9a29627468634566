"""From an image to a label map of its objects, by Source Extractor's method (Bertin & Arnouts 1996,
A&AS 117, 393).

``sep`` does the background, the detection and the de-blending. This module adds what ``sep`` lacks
(DETECT_MAXAREA, filters that are not normalised) and what it does differently: CLEAN, which in
SExtractor gives the pixels of a spurious object to the object in whose wing it lies, while ``sep``
drops them. Defects of SExtractor's maps are not imitated: objects that get the number of another
one, random draws that depend on earlier images, and objects that are written before CLEAN has seen
those of the last row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray
from scipy.ndimage import correlate

from autospec_lib.core.errors import SourceError
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import BoolArray, FloatArray, IntArray

# SExtractor's value for "no value": such pixels are left out of the background, and nothing is
# detected there.
_NONE = np.float32(-1e30)
# A pixel in a gap is bridged if more than this share of the filter falls on pixels with a value.
# Pixels beyond a straight edge have less than that.
_FEWEST = 0.5
# ``sep`` leaves out cells of the background mesh in which less than this share has a value
# (BACK_MINGOODFRAC).
_LEAST_OF_CELL = 0.5
# The mesh is used if its usable cells hold at least this share of all pixels with a value.
_LEAST_OF_MESH = 0.5
# A share of the filter below this is a rounding error.
_ROUNDING = 1e-9
# Values between 1 / this and this are not rescaled.
_RANGE = 1e10
# How far CLEAN looks around an object, in units of the sum of the two objects' semi-major axes.
_REACH = 10.0


def segment(
    image: FloatArray,
    settings: SegmentationSettings,
    pixel_scale: float = 1.0,
    border: BoolArray | None = None,
) -> IntArray:
    """Label the objects of an image.

    Background on a mesh, filter, threshold, connected pixels, multi-threshold de-blending and
    cleaning are those of Bertin & Arnouts (1996). Faint pixels between blended objects are shared
    by a random draw; its seed is fixed, so that an image has the same map in every run.

    Parameters
    ----------
    image : (ny, nx) array
        In any unit; NaN where there is no value. A gap in the image takes its values from the
        pixels around it, so that an object is detected across a dead pixel and up to the edge of
        the field.
    settings : SegmentationSettings
        How to segment, from `config.sextractor.load`.
    pixel_scale : float
        Arcsec per pixel; used with a threshold in mag/arcsec2 where PIXEL_SCALE is 0.
    border : (ny, nx) array of bool, optional
        Pixels without a value that are not to be bridged, such as those that a rotation leaves at
        an image's border. Nothing is detected there, nor as far as the filter reaches.

    Returns
    -------
    (ny, nx) int32 array
        The labels, from 1 to the number of objects; 0 where there is no object.

    Raises
    ------
    SourceError
        ``sep`` cannot cope with this image.
    """
    image, settings = _near_one(image, settings)
    known = np.abs(image) < -_NONE
    if np.count_nonzero(known) < 2:  # neither background nor noise
        return np.zeros(image.shape, np.int32)
    flat, sigma = _subtract_background(image, known, settings)
    # For an image that is filtered with the normalised kernel, in the image's unit.
    value, *zero_point = settings.detect_thresh
    threshold = np.float32(value)
    with np.errstate(over='ignore'):
        if zero_point:
            scale = settings.pixel_scale or pixel_scale
            threshold = np.float32(scale**2 * np.float64(10) ** (-0.4 * (value - zero_point[0])))
        elif settings.thresh_type == 'RELATIVE':
            threshold *= sigma
        if settings.kernel is not None and not settings.kernel_norm:
            threshold /= np.abs(settings.kernel).sum()
    gaps = ~known if border is None else ~known & ~border
    if gaps.any():
        filtered = _filtered_around_gaps(flat, gaps, settings)
        objects, labels = _detect(filtered, threshold, settings, None)
    else:
        filtered = flat
        if settings.kernel is not None:  # as inside `sep`: 0 outside the image
            kernel = settings.kernel / np.abs(settings.kernel).sum()
            filtered = np.asarray(correlate(flat, kernel, mode='constant'))
        objects, labels = _detect(flat, threshold, settings, settings.kernel)
    if settings.detect_maxarea:
        small = objects['npix'] <= settings.detect_maxarea
        objects, labels = objects[small], _renumbered(labels, np.where(small, np.cumsum(small), 0))
    if settings.clean and len(objects) > 1:
        strengths = _strengths(labels, filtered - threshold, settings.detect_minarea)
        owners = _clean(objects, strengths, threshold, settings.clean_param)
        labels = _renumbered(labels, np.unique(owners, return_inverse=True)[1] + 1)
    return labels


def _near_one(
    image: FloatArray, settings: SegmentationSettings
) -> tuple[FloatArray, SegmentationSettings]:
    """Image and settings, rescaled so that the values and their squares fit the single precision of
    ``sep``."""
    sizes = np.abs(image[np.isfinite(image) & (image != 0)])
    size = float(np.median(sizes)) if sizes.size else 1.0
    if 1 / _RANGE < size < _RANGE:
        return image, settings
    # A power of two, so that no digit changes.
    scale = 2.0 ** -np.floor(np.log2(size))
    thresholds = settings.detect_thresh
    if len(thresholds) > 1:
        thresholds = (thresholds[0], thresholds[1] + 2.5 * float(np.log10(scale)))
    elif settings.thresh_type == 'ABSOLUTE':
        thresholds = (thresholds[0] * scale,)
    back = settings.back_value * scale
    return image * scale, replace(settings, detect_thresh=thresholds, back_value=back)


def _subtract_background(
    image: FloatArray, known: BoolArray, settings: SegmentationSettings
) -> tuple[NDArray[np.float32], np.float32]:
    """The image minus its background (about `_NONE` where there is no value), and the noise (sigma)
    of the whole image.

    If too few cells of the mesh are usable, as in a corner of the field, all pixels with a value
    form one cell; ``sep`` alone would return a background of 0 and a noise of 1 for any such image.
    """
    data = np.ascontiguousarray(np.where(known, image, _NONE), np.float32)
    width, height = settings.back_size
    ys, xs = np.arange(0, image.shape[0], height), np.arange(0, image.shape[1], width)
    inside, area = (  # pixels with a value in each cell, and all
        np.add.reduceat(np.add.reduceat(part.astype(float), ys, axis=0), xs, axis=1)
        for part in (known, np.ones_like(known))
    )
    if inside[inside >= _LEAST_OF_CELL * area].sum() >= _LEAST_OF_MESH * inside.sum():
        columns, rows = settings.back_filtersize
        mesh = sep.Background(
            data, bw=width, bh=height, fw=columns, fh=rows, fthresh=settings.back_filtthresh
        )
        background = mesh.back()
    else:
        values = data[known][None]
        mesh = sep.Background(values, bw=values.size, bh=1)
        background = np.float32(mesh.globalback)
    if settings.back_type != 'AUTO':
        background = np.float32(settings.back_value)
    return data - background, np.float32(mesh.globalrms)


def _detect(
    image: NDArray[np.float32],
    threshold: np.float32,
    settings: SegmentationSettings,
    kernel: NDArray[np.float32] | None,
) -> tuple[NDArray[Any], IntArray]:
    """The objects before CLEAN and their labels, in the order in which a scan by rows completes
    them."""
    # As large as this image can need, so that neither buffer overflows; never smaller than they are
    # set already.
    sep.set_extract_pixstack(max(sep.get_extract_pixstack(), image.size + 2))
    sep.set_sub_object_limit(max(sep.get_sub_object_limit(), image.size))
    try:
        objects, labels = sep.extract(
            image,
            threshold,
            minarea=settings.detect_minarea,
            filter_kernel=kernel,
            filter_type='conv',
            deblend_nthresh=settings.deblend_nthresh,
            deblend_cont=settings.deblend_mincont,
            clean=False,
            segmentation_map=True,
        )
    except Exception as error:  # sep has no exceptions of its own
        reason = str(error).partition('\n')[0]
        raise SourceError(
            f'segmentation: sep: {reason}; try a higher DETECT_THRESH in default.sex'
        ) from error
    return objects, labels


def _filtered_around_gaps(
    flat: NDArray[np.float32], gaps: BoolArray, settings: SegmentationSettings
) -> NDArray[np.float32]:
    """The filtered image where pixels in gaps have no weight, `_NONE` in gaps that are too wide to
    be bridged.

    With kernel k, image f and 1 outside of gaps in g, normalised convolution (Knutsson & Westin
    1993, CVPR, 515) gives (k * f g) / (k * g), for pixels in gaps too. The noise of the result is
    larger where fewer pixels are averaged, by sqrt(k^2 * g) / (k * g) relative to where all are; a
    threshold in units of the noise is higher there, that is, the result is divided by this ratio. A
    pixel with a value always has a result, however few are around it, as in a corner of the field.
    With negative values in k, k * g says nothing about how much is missing, and may be 0: pixels in
    gaps then count as background, which is 0 here.
    """
    if settings.kernel is None:
        return np.where(gaps, _NONE, flat)
    kernel = settings.kernel.astype(float) / np.abs(settings.kernel).sum()
    # As in `sep`, what lies outside of the image counts as 0 and not as a gap.
    share = 1 - correlate(gaps.astype(float), np.abs(kernel), mode='constant')  # of a sum of 1
    noise = 1 - correlate(gaps.astype(float), kernel**2, mode='constant') / np.square(kernel).sum()
    usable = np.where(gaps, share > _FEWEST, share > _ROUNDING) & (noise > _ROUNDING)
    plain = correlate(np.where(gaps, 0.0, flat).astype(float), kernel, mode='constant')
    if (kernel < 0).any():
        share = noise = np.ones(flat.shape)
    share, noise = np.where(usable, share, 1.0), np.where(usable, noise, 1.0)
    value = plain / share
    if settings.thresh_type == 'RELATIVE' and len(settings.detect_thresh) == 1:
        value = value * np.minimum(share / np.sqrt(noise), 1.0)
    return np.where(usable, np.maximum(value, _NONE), _NONE).astype(np.float32)


def _strengths(labels: IntArray, excess: NDArray[np.float32], minarea: int) -> list[float]:
    """How far each object stands above the threshold: the excess of its ``minarea``-th brightest
    pixel.

    This follows SExtractor's code: pixel ``minarea`` + 1 is skipped, and in an object of exactly
    ``minarea`` pixels it is the one that the scan lists first. A literal implementation of the
    definition would make CLEAN differ from SExtractor's in twice as many maps.
    """
    order = np.argsort(labels, axis=None, kind='stable')
    ends = np.cumsum(np.bincount(labels.ravel()))
    strengths = []
    for pixels in np.split(order, ends[:-1])[1:]:
        values = excess.ravel()[pixels]
        if len(values) > minarea:
            strengths.append(np.partition(np.delete(values, minarea), -minarea)[-minarea])
        else:
            strengths.append(
                values[_first(pixels, labels.shape[1])] if len(values) == minarea else 0.0
            )
    return strengths


def _first(pixels: NDArray[np.intp], width: int) -> int:
    """Which of an object's pixels (flat, by rows) Lutz's scan lists first.

    The scan joins a row to the rows above at the pixel where they meet; pixels to the left of it
    come first.
    """
    rows, columns = np.divmod(pixels, width)
    begins = np.flatnonzero(np.diff(rows, prepend=-1))
    farther_left = np.flatnonzero(np.diff(columns[begins]) < 0)
    return int(begins[farther_left[-1] + 1]) if len(farther_left) else 0


@np.errstate(over='ignore', divide='ignore', invalid='ignore')
def _clean(
    objects: NDArray[Any], strengths: list[float], threshold: np.float32, beta: float
) -> NDArray[np.intp]:
    """The object that each object belongs to: itself, or a brighter one whose wing made it rise
    above the threshold.

    The wing is a Moffat (1969, A&A 3, 455) profile of exponent ``beta`` with the peak of a Gaussian
    of the object's flux and size, and with the object's area at the threshold. As in SExtractor,
    objects are treated one by one, and flux and area of an object that is merged are added to the
    object that it is merged with.
    """
    flux, area = objects['cflux'].astype(float), objects['npix'].astype(float)
    size = np.pi * objects['a'] * objects['b']
    close, radius2 = _separations(objects)

    def swallows(big: int, small: int) -> bool:
        peak = flux[big] / (2 * size[big])
        slope = ((peak / threshold) ** (1 / beta) - 1) * size[big] / area[big]
        wing = 1 + slope * radius2[big, small]
        return bool(wing > 1 and peak * wing**-beta > strengths[small])

    owners = np.arange(len(objects))
    kept: list[int] = []
    for new in range(len(objects)):
        near = [old for old in kept if close[old, new]]
        owner = next((old for old in near if flux[old] >= flux[new] and swallows(old, new)), new)
        swallowed = [new]
        if owner == new:
            swallowed = [old for old in near if flux[old] < flux[new] and swallows(new, old)]
            kept = [old for old in kept if old not in swallowed] + [new]
        for small in swallowed:
            owners[owners == small] = owner
            flux[owner] += flux[small]
            area[owner] += area[small]
    return owners


def _separations(objects: NDArray[Any]) -> tuple[BoolArray, FloatArray]:
    """For [big, small]: whether they are close, and the squared elliptical radius of the small one
    from the big one."""
    dx, dy = (objects[axis] - objects[axis][:, None] for axis in 'xy')
    cxx, cyy, cxy = (objects[term][:, None] for term in ('cxx', 'cyy', 'cxy'))
    reach = _REACH * (objects['a'] + objects['a'][:, None])
    return np.hypot(dx, dy) < reach, cxx * dx**2 + cyy * dy**2 + cxy * dx * dy


def _renumbered(labels: IntArray, new: NDArray[np.intp]) -> IntArray:
    """The map with label i + 1 replaced by ``new[i]``."""
    return np.concatenate(([0], new)).astype(np.int32)[labels]
