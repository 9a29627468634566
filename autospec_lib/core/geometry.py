"""Boxes and circles on the pixel grid."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import BoolArray


def scale(pixel: tuple[float, float]) -> float:
    """One size for a pixel of these sizes along y and x: the side of a square of the same area."""
    return float(np.sqrt(pixel[0] * pixel[1]))


def relative(pixel: tuple[float, float]) -> tuple[float, float]:
    """A pixel's sizes along y and x in units of its `scale`, (1, 1) for a square one."""
    return pixel[0] / scale(pixel), pixel[1] / scale(pixel)


def box_around(
    centre: tuple[float, float], size: float, pixel: tuple[float, float]
) -> tuple[slice, slice]:
    """The square of a given width around a position, as slices (y, x) that may reach outside the
    array.

    The geometry is that of MPDAF's `Cube.subcube`: the width is rounded to whole pixels; for an
    even number of pixels the position lies in the lower of the two central ones.

    Parameters
    ----------
    centre : (float, float)
        (y, x) in pixels.
    size : float
        Full width, in the unit of ``pixel``.
    pixel : (float, float)
        A pixel's size along y and x.
    """
    slices = []
    for position, step in zip(centre, pixel, strict=True):
        width = max(1, int(np.floor(size / step + 0.5)))
        if width % 2:
            first = int(np.floor(position + 0.5)) - width // 2
        else:
            first = int(np.floor(position)) - width // 2 + 1
        slices.append(slice(first, first + width))
    return slices[0], slices[1]


def circle(
    shape: tuple[int, int],
    centre: tuple[float, float],
    radius: float,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> BoolArray:
    """The pixels whose centre lies inside a circle.

    Parameters
    ----------
    shape : (int, int)
        (ny, nx).
    centre : (float, float)
        (y, x) in pixels.
    radius : float
        In the unit of ``pixel``.
    pixel : (float, float)
        Size of a pixel along y and x: a circle on the sky is an ellipse in rectangular pixels.
    """
    y, x = np.ogrid[: shape[0], : shape[1]]
    inside: BoolArray = ((y - centre[0]) * pixel[0]) ** 2 + (
        (x - centre[1]) * pixel[1]
    ) ** 2 < radius**2
    return inside


def snap(
    centre: tuple[float, float], radius: float, pixel: tuple[float, float]
) -> tuple[float, float]:
    """The middle of the whole pixels that a circle spans: where MPDAF's `Image.mask_ellipse` puts
    its centre.

    It is the pixel centre or corner nearest to the position, so aperture sums have the numbers of
    AutoSpec 1.1.2.
    """
    ys, xs = box_around(centre, 2 * radius, pixel)
    return (ys.start + ys.stop - 1) / 2, (xs.start + xs.stop - 1) / 2
