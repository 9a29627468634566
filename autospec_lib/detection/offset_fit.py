"""How far images, and positions in a catalogue, lie from the white light of the cube, in
spaxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import BoolArray, FloatArray

REACH = 12  # spaxels; larger offsets are not looked for
SMOOTHING = 1.4  # spaxels; sigma of the Gaussian that the white light is smoothed by
# Spaxels; sigma of the Gaussians by which the background is found, for two measurements.
BACKGROUND = 8.0, 4.0
AROUND = 8  # spaxels; the neighbourhood of an object that is compared
MODEL_ERROR = 0.1  # of the light: not all objects have the same colour
BLOCKS = 4  # of the jackknife, along y and along x
MOST_STEPS, CONVERGED = 20, 1e-2
LEAST_NOISE = 1e-6  # of the brightest spaxel
# Square spaxels. An image as sharp as the cube needs a blur of 1 to 2: SMOOTHING less the smoothing
# of its alignment.
LEAST_BLUR, MOST_BLUR = 0.5, 30.0
BRIGHT, EDGE = 10.0, 3.0  # standard deviations, of the peak and of the edge of an object
LEAST_SHARE = 0.2  # of the white light's peak, in the scaled image, where an object is seen in both
FEWEST = 3  # objects that must be seen in both
MOST_OF_ONE = 0.5  # of the light, that one object may hold
# The two are alike, and no other offset makes them nearly so.
LEAST_SIMILARITY, MOST_OF_SECOND, LEAST_CORRELATION = 0.3, 0.85, 0.7
FAR = 5  # spaxels between two such offsets
MOST_ERROR, MOST_DIFFERENCE = 0.35, 0.3  # spaxels a coordinate
# Positions of a catalogue, in spaxels: how far objects are sought, how many are needed, how much
# they may scatter.
SIZE_OF_POINT, MATCH, FEWEST_MATCHES, LEAST_SCATTER, MOST_SCATTER = 1.5, 3.0, 5, 0.1, 0.7
MOST_OF_SECOND_MATCH, LEAST_MATCHED = 0.7, 0.5


@dataclass(frozen=True)
class Offset:
    """A certain offset in spaxels.

    Attributes
    ----------
    shift : array (2,)
        What to add to positions (y, x) to bring them to the white light.
    covariance : array (2, 2)
        Of ``shift``.
    number : int
        The objects from which it is measured.
    """

    shift: FloatArray
    covariance: FloatArray
    number: int


class _Objects(NamedTuple):
    """The objects of the white light.

    Attributes
    ----------
    light : array (ny, nx)
        Less the background, smoothed; 0 where there is no value.
    peaks, around : array of bool (ny, nx)
        The brightest spaxel of each object, and their neighbourhoods, where there is a value.
    largest : float
        The largest share of the light that one object holds.
    """

    light: FloatArray
    peaks: BoolArray
    around: BoolArray
    largest: float


def of_image(image: FloatArray, white: FloatArray) -> Offset | None:
    """The offset of an image from the white light, if it is certain.

    The light around the objects is fitted by the image, scaled, shifted and blurred by a Gaussian,
    after backgrounds of two sizes are subtracted. The shifts must agree; the covariance is that of
    a jackknife over parts of the field.

    Parameters
    ----------
    image, white : array (ny, nx)
        NaN for no value. The image should be as sharp as the white light, or sharper.

    Returns
    -------
    Offset or None
        None if there are too few objects in both, if one dominates, if the two are not alike or are
        so at several offsets, or if the error is large.
    """
    known = np.isfinite(image) & np.isfinite(white)
    if not known.any():
        return None
    image, white = (_normalised(np.where(known, values, np.nan)) for values in (image, white))
    objects = _objects(white)
    if objects.peaks.sum() < FEWEST or objects.largest > MOST_OF_ONE:
        return None
    flat = [_without_background(image, sigma) for sigma in BACKGROUND]
    start = _coarse(_clipped(flat[0]), _clipped(objects.light), LEAST_SIMILARITY, MOST_OF_SECOND)
    if start is None:
        return None
    light = [
        _without_background(np.where(known, objects.light, np.nan), sigma) for sigma in BACKGROUND
    ]
    use = objects.around & known
    fit = _fit(flat[0], light[0], use, start)
    check = None if fit is None else _fit(flat[1], light[1], use, fit.shift)
    if fit is None or check is None:
        return None
    number = int((objects.peaks & (fit.model > LEAST_SHARE * light[0])).sum())
    covariance = fit.covariance(BLOCKS)
    certain = (
        number >= FEWEST
        and fit.correlation > LEAST_CORRELATION
        and LEAST_BLUR < fit.blur < MOST_BLUR
        and np.trace(covariance) < 2 * MOST_ERROR**2
        and np.abs(check.shift - fit.shift).max() < MOST_DIFFERENCE
    )
    return Offset(fit.shift, covariance, number) if certain else None


def of_positions(places: FloatArray, white: FloatArray) -> Offset | None:
    """The offset of a catalogue's positions from the objects of the white light, if it is certain.

    It is the median of the distances to the nearest object after a coarse shift. Its error is that
    of a median, from the scatter, enlarged for small numbers.

    Parameters
    ----------
    places : array (n, 2)
        Positions (y, x) in spaxels; those outside the field are ignored.
    white : array (ny, nx)
        NaN for no value.

    Returns
    -------
    Offset or None
        None if fewer than `FEWEST_MATCHES` positions have an object, or less than half of those
        that might; if the positions fit to the objects at several offsets, or if they scatter
        widely.
    """
    inside = ((places > -0.5) & (places < np.array(white.shape) - 0.5)).all(axis=1)
    pixels = np.rint(places[inside]).astype(int)
    if len(pixels) < FEWEST_MATCHES or not np.isfinite(white).any():
        return None
    objects = _objects(_normalised(white))
    most = int(min(len(pixels), objects.peaks.sum()))
    if most < FEWEST_MATCHES:
        return None
    points = np.zeros(white.shape)
    points[tuple(pixels.T)] = 1
    smooth = [
        ndimage.gaussian_filter(one.astype(float), SIZE_OF_POINT) for one in (points, objects.peaks)
    ]
    start = _coarse(smooth[0], smooth[1], 0.0, MOST_OF_SECOND_MATCH)
    if start is None:
        return None
    peaks = _refined(objects)
    there = places[inside] + start
    distance = peaks[:, None] - there
    nearest = np.hypot(*distance.T).argmin(axis=0)
    steps = distance[np.arange(len(peaks)), nearest]
    steps = steps[np.hypot(*steps.T) < MATCH]
    if len(steps) < max(FEWEST_MATCHES, LEAST_MATCHED * most):
        return None
    middle = np.median(steps, axis=0)
    width = np.maximum(robust_width(steps - middle, axis=0), LEAST_SCATTER)
    covariance = np.diag(width**2 * np.pi / 2 / (len(steps) - 3))
    certain = width.max() < MOST_SCATTER and np.trace(covariance) < 2 * MOST_ERROR**2
    return Offset(start + middle, covariance, len(steps)) if certain else None


def _refined(objects: _Objects) -> FloatArray:
    """The positions (n, 2) of peaks, from parabolas through the spaxels beside them."""
    light, (y, x) = np.pad(objects.light, 1), np.array(np.nonzero(objects.peaks)) + 1
    steps = []
    for before, after in ((light[y - 1, x], light[y + 1, x]), (light[y, x - 1], light[y, x + 1])):
        curvature = 2 * light[y, x] - before - after
        steps.append((after - before) / 2 / np.where(curvature > 0, curvature, np.inf))
    return np.column_stack([y - 1 + steps[0], x - 1 + steps[1]])


def _objects(white: FloatArray) -> _Objects:
    """Find the objects of the white light (ny, nx) without a background, NaN for no value."""
    light = np.nan_to_num(_smoothed(white, SMOOTHING))
    noise = _noise(light)
    peaks = (light > BRIGHT * noise) & (light == ndimage.maximum_filter(light, 5))
    if not peaks.any():
        return _Objects(light, peaks, peaks, 0.0)
    distance, (y, x) = ndimage.distance_transform_edt(~peaks, return_indices=True)
    numbers = np.zeros(light.shape, int)
    numbers[peaks] = np.arange(1, peaks.sum() + 1)
    shares = np.bincount(numbers[y, x].ravel(), np.where(light > EDGE * noise, light, 0).ravel())
    return _Objects(
        light, peaks, np.asarray(distance <= AROUND), float(shares.max() / shares.sum())
    )


def _normalised(values: FloatArray) -> FloatArray:
    """Values (ny, nx) whose median is 0, and the largest size 1 if they differ."""
    values = values - np.nanmedian(values)
    return values / (np.nanmax(np.abs(values)) or 1.0)


def _noise(light: FloatArray) -> float:
    """The standard deviation of the noise of light without background, from its negative values;
    above 0."""
    negative = light[light < 0]
    return float(robust_width(negative)) if negative.size else LEAST_NOISE


def _smoothed(values: FloatArray, sigma: float) -> FloatArray:
    """Values (ny, nx) smoothed by a Gaussian, NaN where they are NaN."""
    known = np.isfinite(values)
    weight = ndimage.gaussian_filter(known.astype(float), sigma)
    smooth = ndimage.gaussian_filter(np.where(known, values, 0.0), sigma)
    result: FloatArray = np.divide(smooth, weight, out=np.full(values.shape, np.nan), where=known)
    return result


def _without_background(values: FloatArray, sigma: float) -> FloatArray:
    """Values (ny, nx) less themselves smoothed by a Gaussian; 0 for NaN."""
    return np.nan_to_num(values - _smoothed(values, sigma))


def _clipped(light: FloatArray) -> FloatArray:
    """Light without negative values, and the brightest pixels clipped, so that one object does not
    decide."""
    return np.clip(light, 0, np.percentile(light, 99.7))


def _coarse(
    image: FloatArray, light: FloatArray, least: float, most_of_second: float
) -> FloatArray | None:
    """The shift in whole spaxels at which two images correlate best; None if it is not the only
    one.

    Parameters
    ----------
    image, light : array (ny, nx)
        Without negative values.
    least, most_of_second : float
        The smallest correlation, and the largest at other shifts as a share of it.
    """
    first, second = image - image.mean(), light - light.mean()
    size = [length + 2 * REACH for length in light.shape]
    product = np.fft.irfft2(np.fft.rfft2(second, size) * np.fft.rfft2(first, size).conj(), size)
    steps = np.arange(-REACH, REACH + 1)
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    correlation: FloatArray = product[np.ix_(steps, steps)] / np.maximum(norm, 1e-300)
    best = np.array(np.unravel_index(correlation.argmax(), correlation.shape))
    away = np.hypot(*np.ogrid[tuple(slice(-i, len(steps) - i) for i in best)]) > FAR
    if correlation.max() < least or correlation[away].max() > most_of_second * correlation.max():
        return None
    return np.asarray(steps[best], np.float64)


class _Fit(NamedTuple):
    """Light that is fitted by an image, scaled, shifted and blurred, and a plane.

    Attributes
    ----------
    shift, blur : array (2,), float
        Spaxels (y, x), and the variance of the Gaussian in square spaxels.
    model : array (ny, nx)
        The image as it is fitted.
    correlation : float
        Of model and light.
    place : array (2, n)
        The pixels (y, x) of the fit.
    slopes, residual : array (7, n), array (n,)
        The derivatives of the model by shift, blur, scale and plane, and data less model, both
        divided by the error.
    """

    shift: FloatArray
    blur: float
    model: FloatArray
    correlation: float
    place: FloatArray
    slopes: FloatArray
    residual: FloatArray

    def covariance(self, blocks: int) -> FloatArray:
        """Of the shift (2, 2), by a linear jackknife over blocks x blocks parts of the field."""
        normal, gradient = self.slopes @ self.slopes.T, self.slopes @ self.residual
        y, x = (np.floor(blocks * axis / (axis.max() + 1)) for axis in self.place)
        steps = []
        for block in np.unique(blocks * y + x):
            inside = blocks * y + x == block
            part = self.slopes[:, inside]
            left = normal - part @ part.T
            steps.append(
                np.linalg.lstsq(left, gradient - part @ self.residual[inside], rcond=None)[0][:2]
            )
        spread = np.array(steps) - np.mean(steps, axis=0)
        return np.asarray(np.linalg.pinv(normal)[:2, :2] + (1 - 1 / len(steps)) * spread.T @ spread)


def _fit(image: FloatArray, light: FloatArray, use: BoolArray, start: FloatArray) -> _Fit | None:
    """Fit an image to light, in some pixels, by the method of Gauss and Newton; None if it leaves
    the start.

    The error of the light is its noise and `MODEL_ERROR` of it. Shifts and blurs are factors of the
    Fourier transform.

    Parameters
    ----------
    image, light : array (ny, nx)
        Without background.
    use : array of bool (ny, nx)
        The pixels.
    start : array (2,)
        The shift (y, x) to begin with.
    """
    size = [length + 4 * REACH for length in light.shape]
    transform = np.fft.rfft2(image, size)
    ky, kx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    factors = [1.0, -2j * np.pi * ky, -2j * np.pi * kx, -2 * np.pi**2 * (ky**2 + kx**2)]
    place = np.array(np.nonzero(use), float)
    data = light[use]
    weight = 1 / np.hypot(_noise(data), MODEL_ERROR * data)
    plane = np.stack([np.ones(len(data)), *place]) * weight
    values = np.array([*start, 2.0])
    for _ in range(MOST_STEPS):
        there = transform * np.exp(sum(v * f for v, f in zip(values, factors[1:], strict=True)))
        model, *slopes = (
            np.fft.irfft2(there * f, size)[tuple(map(slice, light.shape))] for f in factors
        )
        design = np.concatenate([[model[use] * weight], plane])
        linear = np.linalg.lstsq(design @ design.T, design @ (data * weight), rcond=None)[0]
        residual = data * weight - linear @ design
        rows = np.concatenate([[linear[0] * slope[use] * weight for slope in slopes], design])
        step = np.linalg.lstsq(rows @ rows.T, rows @ residual, rcond=None)[0][:3]
        values = values + np.clip(step, -1, 1)
        values[2] = np.clip(values[2], 0, MOST_BLUR)
        if np.abs(values[:2] - start).max() > MATCH:
            return None
        if np.abs(step[:2]).max() < CONVERGED:
            break
    model = linear[0] * model
    return _Fit(
        values[:2],
        float(values[2]),
        model,
        float(np.corrcoef(model[use], data)[0, 1]),
        place,
        rows,
        residual,
    )
