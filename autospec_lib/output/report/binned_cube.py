"""The binned cube of one source, which the page loads when the user asks for a narrow-band image or
a spaxel.

Channels are averaged in bins. The sky and a smooth continuum of each spaxel are subtracted; what is
left is rounded to steps that are finer than its noise and compressed, so that the cube of a source
is about as large as its spectra.
"""

from __future__ import annotations

import base64
import zlib
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core import keys
from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.products import Products
from autospec_lib.core.types import Cutout
from autospec_lib.output.report.page import binary, write_script

SingleArray: TypeAlias = NDArray[np.float32]

CUBE_FUNCTION = 'autospecCube'  # of the page
MOST_BINS, MOST_VOXELS = 1000, 1_500_000
BLOCK = 32  # bins from whose median the continuum is known
# A value of x sigma becomes the level STEPS * arcsinh(x / SOFTENING): steps of 0.3 sigma near 0, of
# 6 % far from it.
STEPS, SOFTENING, NO_VALUE = 16, 5.0, -128


def write(path: Path, products: Products, cutout: Cutout) -> None:
    """Write a source's binned cube, which appears under its name only when it is complete.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    products : Products
        Gives the sky mask, if the reference spectrum is sky-subtracted.
    cutout : Cutout
        Gives the voxels.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    ny, nx = cutout.shape
    step = channels_per_bin(len(cutout.wave), ny * nx)
    # Means of the good voxels in each bin; `numpy.add.reduceat` takes ten times as long.
    last = -len(cutout.wave) % step
    padded = [
        np.pad(one, ((0, last), (0, 0), (0, 0))) for one in (cutout.voxels.data, cutout.voxels.good)
    ]
    total, good = (one.reshape(-1, step, ny, nx).sum(axis=1) for one in padded)
    values = np.full(total.shape, np.nan, np.float32)
    np.divide(total, good, out=values, where=good > 0, casting='same_kind')
    sky = products.masks.get(keys.MASK_SKY)
    if sky is not None and sky.data.any() and products.spectra[products.reference].sky_subtracted:
        values = values - _median(values[:, sky.data], axis=1)[:, None, None]
    # The continuum is linear between the medians of blocks. A block without a value has the
    # spaxel's median, a spaxel without one has 0.
    blocks = np.array_split(np.arange(len(values)), max(1, len(values) // BLOCK))
    nodes = np.array([block.mean() for block in blocks])
    medians = np.array([_median(values[block], axis=0) for block in blocks])
    continuum = np.nan_to_num(np.where(np.isfinite(medians), medians, _median(medians, axis=0)))
    rest = values - np.tensordot(
        linear_weights(nodes, np.arange(len(values), dtype=float)).astype('f4'), continuum, 1
    )
    known = np.isfinite(rest)
    width = 1.4826 * _median(np.abs(rest).reshape(len(rest), -1), axis=1)
    width = np.where(width > 0, width, 1.0)
    level = STEPS * np.arcsinh(np.where(known, rest, 0.0) / (SOFTENING * width[:, None, None]))
    levels = np.where(known, np.rint(level).clip(-127, 127), NO_VALUE).astype(np.int8)
    largest = float(np.abs(continuum).max()) or 1.0
    content = {
        'id': str(cutout.target.id),
        'step': step,
        'steps': STEPS,
        'softening': SOFTENING,
        'width': binary(width),
        'nodes': nodes.tolist(),
        'largest': largest,
        'continuum': binary(np.rint(continuum / largest * 32767), '<i2'),
    }
    packed = zlib.compressobj(level=6, strategy=zlib.Z_HUFFMAN_ONLY)
    numbers = base64.b64encode(packed.compress(levels.tobytes()) + packed.flush()).decode('ascii')
    write_script(path, CUBE_FUNCTION, content, numbers)


def channels_per_bin(nl: int, spaxels: int) -> int:
    """How many channels are averaged in a bin.

    Parameters
    ----------
    nl, spaxels : int
        How many channels and spaxels the cut-out has.
    """
    return max(-(-nl // MOST_BINS), -(-nl * spaxels // MOST_VOXELS))


def _median(values: SingleArray, axis: int) -> SingleArray:
    """The median without NaN, NaN where there is nothing else; `numpy.nanmedian` takes thirty times
    as long."""
    number = np.isfinite(values).sum(axis=axis, keepdims=True)
    ordered = np.sort(values, axis=axis)  # NaN is last
    middle = [
        np.take_along_axis(ordered, place // 2, axis) for place in ((number - 1).clip(0), number)
    ]
    return np.asarray(np.where(number > 0, np.add(*middle) / 2, np.nan).squeeze(axis))
