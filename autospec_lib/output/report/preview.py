"""The preview of a source in the report's table: small images and the outline of a spectrum, a kilobyte in all."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import lru_cache

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.output.report.encoding import binary

SIDE = 32  # most pixels of a small image along an axis
GAP = 1  # pixels between two
BINS = 96  # of the outline
COLOURS = 63  # of a small image; one more is transparent


def thumbnails(images: Sequence[FloatArray], cmap: str) -> str:
    """Small images side by side, as the address of a PNG that holds its data; '' where there is no image.

    Parameters
    ----------
    images : sequence of array (ny, nx)
        NaN, where there is no value, is transparent.
    cmap : str
        Name of a matplotlib colour map.
    """
    if not images:
        return ''
    small = [_levels(_reduced(image)) for image in images]
    gap = np.full((len(small[0]), GAP), COLOURS, np.uint8)
    strip = np.hstack([part for level in small for part in (level, gap)][:-1])
    picture = Image.fromarray(strip[::-1])
    picture.putpalette(_palette(cmap))
    file = io.BytesIO()
    picture.save(file, 'PNG', transparency=COLOURS, optimize=False)
    return f'data:image/png;base64,{base64.b64encode(file.getvalue()).decode("ascii")}'


@lru_cache(maxsize=4)
def _palette(cmap: str) -> bytes:
    table = matplotlib.colormaps[cmap](np.linspace(0, 1, COLOURS), bytes=True)[:, :3]
    return bytes([*table.ravel().tolist(), 0, 0, 0])


def _reduced(image: FloatArray) -> FloatArray:
    """Every n-th pixel of an image that is too large."""
    step = -(-max(image.shape) // SIDE)
    return image[step // 2 :: step, step // 2 :: step]


def _levels(image: FloatArray) -> NDArray[np.uint8]:
    """Indices of colours, from just below the background to the peak; asinh makes faint outskirts visible."""
    known = np.isfinite(image)
    low, middle, high = np.percentile(image[known], [5, 50, 99.8]) if known.any() else (0.0, 0.0, 0.0)
    noise = 1.4826 * np.median(np.abs(image[known] - middle)) if known.any() else 0.0
    width = max(2 * noise, 0.03 * (high - low))
    if not (high > low and width > 0):
        return np.where(known, COLOURS // 2, COLOURS).astype(np.uint8)
    ends = np.arcsinh(np.array([low, high]) / width)
    shown = np.clip((np.arcsinh(np.where(known, image, low) / width) - ends[0]) / (ends[1] - ends[0]), 0, 1)
    return np.where(known, np.rint(shown * (COLOURS - 1)), COLOURS).astype(np.uint8)


def outline(flux: FloatArray, noisy: BoolArray) -> str:
    """The lowest and highest flux in each of `BINS` ranges of channels.

    Parameters
    ----------
    flux : array (nl,)
        NaN where there is no value.
    noisy : array of bool (nl,)
        Channels that are left out.

    Returns
    -------
    str
        Bytes in base64: `BINS` lowest levels, then as many highest ones, from 1 to 255; 0 where a range has no value.
    """
    known = np.isfinite(flux) & ~noisy
    low, high = _limits(flux[known])
    bins = min(BINS, len(flux))
    edges = np.linspace(0, len(flux), bins + 1).astype(int)[:-1]
    level = np.clip(1 + 254 * (np.where(known, flux, low) - low) / ((high - low) or 1), 1, 255)
    lowest = np.minimum.reduceat(np.where(known, level, 256), edges)
    highest = np.maximum.reduceat(np.where(known, level, 0), edges)
    empty = highest == 0
    return binary(np.concatenate([np.where(empty, 0, lowest), highest]).round(), 'u1')


def _limits(flux: FloatArray) -> tuple[float, float]:
    """Limits that include zero and every line but no hot voxel: a channel counts up to twice the median of three."""
    if len(flux) < 3:
        return min([0.0, *flux]), max([0.0, *flux])
    before, here, behind = flux[:-2], flux[1:-1], flux[2:]
    middle = np.maximum(np.minimum(before, here), np.minimum(np.maximum(before, here), behind))
    return min(0.0, float(np.maximum(here, 2 * middle).min())), max(0.0, float(np.minimum(here, 2 * middle).max()))
