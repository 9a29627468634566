"""Offsets of images and catalogue from the cube: puts them into words, and moves the images to where
the cube has the same light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autospec_lib.config.allowed_values import MEASURED
from autospec_lib.config.params import Params
from autospec_lib.core import keys
from autospec_lib.core.types import FloatArray
from autospec_lib.detection import offset_fit
from autospec_lib.detection.offset_fit import Offset
from autospec_lib.inputs import images
from autospec_lib.inputs.cube import OpenCube

LEAST_OFFSET = 0.1  # arcsec; smaller offsets are no reason for a warning


def registered(
    cube: OpenCube,
    folder: Path,
    params: Params,
    places: Sequence[tuple[float, float]],
    white: FloatArray,
) -> tuple[OpenCube, list[str], list[str]]:
    """Measure how far images and catalogue lie from the white light; move the images for which
    IMG_SHIFT asks for it.

    Parameters
    ----------
    cube : OpenCube
        The cube, with its images.
    folder : Path
        The folder at which relative file names start.
    params : Params
        The parameters.
    places : sequence of (float, float)
        The catalogue's positions (y, x) in spaxels.
    white : array (ny, nx)
        White light; NaN where it is not known.

    Returns
    -------
    OpenCube
        With the images in their places.
    lines, warnings : list of str
        What is certain, one line for each image and the catalogue.

    Raises
    ------
    InputError
        If an image cannot be read any more.
    """
    lines: list[str] = []
    warnings: list[str] = []
    moved = dict(cube.images)
    for (parameter, name), setting in zip(params.images, params.img_shifts, strict=True):
        tag = keys.image_tag(name)
        offset = offset_fit.of_image(cube.images[tag].data, white)
        if offset is None:
            if setting == MEASURED:
                warnings.append(
                    f"{name}: IMG_SHIFT = 'measured', but its offset is not certain; it is not moved"
                )
            continue
        angles, text, is_large = _in_words(cube, offset)
        if setting == MEASURED:
            moved[tag] = images.align(folder / name, cube.sky, cube.shape, offset.shift, parameter)
            lines.append(f'{name}: moved by {angles}, as it lay {text}')
        elif is_large:
            warnings.append(f"{name}: lies {text}; IMG_SHIFT = 'measured' moves it by {angles}")
        else:
            lines.append(f'{name}: lies {text}')
    offset = offset_fit.of_positions(np.reshape(places, (-1, 2)), white)
    if offset is not None:
        angles, text, is_large = _in_words(cube, offset)
        line = f'{params.catalog}: {offset.number} of its sources lie {text}'
        if is_large:
            warnings.append(f'{line}; {angles} would correct it')
        else:
            lines.append(line)
    return replace(cube, images=moved), lines, warnings


def _in_words(cube: OpenCube, offset: Offset) -> tuple[str, str, bool]:
    """An offset as angles, in words, and whether it is large enough for a warning."""
    per_spaxel = cube.sky.arcsec_per_pixel(np.subtract(cube.shape, 1) / 2).T
    angles = per_spaxel @ offset.shift
    covariance = per_spaxel @ offset.covariance @ per_spaxel.T
    distance = float(np.hypot(*angles))
    error = float(np.sqrt(angles @ covariance @ angles)) / max(distance, 1e-9)
    ra, dec = np.round(angles, 2) + 0.0  # no -0
    return (
        f'(dRA, dDec) = ({ra:.2f}, {dec:.2f}) arcsec',
        f'{distance:.2f} +- {max(error, 0.01):.2f} arcsec from where the white light has it',
        distance > max(3 * error, LEAST_OFFSET),
    )
