"""The file with the data of one source, which the page loads when the user opens the source.

It begins with the source's preview in the table of all sources: small images and the outline of a
spectrum, a kilobyte in all.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from autospec_lib.core import best_spectrum, keys
from autospec_lib.core.products import Group, Products
from autospec_lib.core.types import BoolArray, Cutout, FloatArray
from autospec_lib.output.image_sheet import stretch
from autospec_lib.output.report.page import binary, compass, write_script
from autospec_lib.output.spectra_sheet import confirmed, sky_lines
from autospec_lib.output.unit_texts import in_words, to_power

SOURCE_FUNCTION = 'autospecSource'  # of the page
HEAD = 16384  # bytes at the beginning of a file of data that hold the preview
# Cards that the summary has too, that say nothing to a reader, or that are in the list of
# candidates.
TOLD_ELSEWHERE = (
    r'FPRINT|INPUTSUM|REFSPEC|OBJ(MASK|NPIX|AREA)|DB(NUM|LIM|GRADE)|Z\d(AUTO|ERR|PROB|TYPE)'
)
SIDE = 32  # most pixels of a small image along an axis
GAP = 1  # pixels between two
BINS = 96  # of the outline
LEVELS = 63  # of a small image; one more is transparent


def write(
    path: Path,
    products: Products,
    cutout: Cutout,
    cmap: str,
    links: Mapping[str, str],
    has_cube: bool = False,
) -> dict[str, str]:
    """Write a source's file of data.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    products : Products
        What to show: all spectra, images, cross-correlation maps, and the object mask, if they are
        there.
    cutout : Cutout
        Gives target, wavelengths, coordinates and units.
    cmap : str
        Colour map of the images.
    links : mapping of str to str
        Addresses relative to the page: of the FITS file ('file'), and of the pictures by their
        names.
    has_cube : bool
        Whether there is a binned cube, see `binned_cube.write`.

    Returns
    -------
    dict of str to str
        The preview for the table: 'thumb', the address of small images, and 'outline', of the
        reference spectrum.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    reference = products.spectra[products.reference]
    sky = sky_lines(reference)
    # Lowest and highest wavelength of each run of channels on sky lines, from edge to edge.
    steps = np.flatnonzero(np.diff(np.concatenate([[False], sky, [False]]).astype(int)))
    first, last = steps[::2], steps[1::2] - 1
    half = np.gradient(cutout.wave) / 2 if len(cutout.wave) > 1 else np.zeros(1)
    ranges = np.stack([cutout.wave[first] - half[first], cutout.wave[last] + half[last]], axis=1)
    ranges.sort(axis=1)  # of descending wavelengths too
    small = [*products.images.values()][:1] + [*products.maps.values()][-1:]
    preview = {
        'thumb': thumbnails([image.data for image in small], cmap),
        'outline': outline(reference.data, sky),
    }
    # The preview is first, where `read_preview` looks for it.
    content = (
        {'preview': preview}
        | _content(products, cutout, ranges)
        | _pictures(products, cutout, cmap)
    )
    content |= {'links': dict(links), 'spectra': [], 'cube': has_cube}
    # Of each spectrum the flux, then the errors if there are any; behind them the models of the
    # candidates for the redshift. They are encoded together, which takes half the time.
    rows = []
    for key, one in products.spectra.items():
        content['spectra'].append(
            {'key': key, 'about': one.kind.value, 'errors': one.variance is not None}
        )
        rows.append(one.data)
        if one.variance is not None:
            rows.append(one.error)
    rows += [one.flux for one in products.models]
    write_script(path, SOURCE_FUNCTION, content, binary(np.concatenate(rows)))
    return preview


def read_preview(path: Path) -> dict[str, str] | None:
    """The preview of a source from its file of data; None if that is missing or incomplete.

    It is at the beginning of the file; the rest is not read.
    """
    beginning, end = f'{SOURCE_FUNCTION}({{"preview":', ');\n'
    try:
        with path.open('rb') as file:
            text = file.read(HEAD).decode('ascii')
            file.seek(-len(end), os.SEEK_END)
            if not text.startswith(beginning) or file.read() != end.encode():
                return None
        preview = json.JSONDecoder().raw_decode(text, len(beginning))[0]
        return {key: str(preview[key]) for key in ('thumb', 'outline')}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _content(products: Products, cutout: Cutout, sky: FloatArray) -> dict[str, Any]:
    """What is said of the source, its spectra and its redshift; ``sky`` (n, 2) are the ranges of
    sky lines."""
    reference, wave, grid = products.spectra[products.reference], cutout.wave, cutout.grid
    best, why = best_spectrum.of(products)
    step = float(wave[-1] - wave[0]) / max(1, len(wave) - 1)
    axis: dict[str, Any] = {'start': float(wave[0]), 'step': step, 'number': len(wave)}
    if not np.allclose(wave, wave[0] + step * np.arange(len(wave)), rtol=0, atol=1e-4 * abs(step)):
        axis = {'values': binary(wave, '<f8')}  # in double precision
    # Only the first candidate can be more than improbable.
    qualities = [products.facts.get('ZQUAL', (0, ''))[0]] + [0] * len(products.models)
    return {
        'id': str(cutout.target.id),
        'ra': cutout.target.ra,
        'dec': cutout.target.dec,
        'wave': axis,
        'wave_unit': in_words(grid.wave_unit),
        'angstrom': grid.angstrom,
        'medium': grid.medium,
        'unit': in_words(reference.unit),
        'reference': products.reference,
        'best': [next(key for key, one in products.spectra.items() if one is best), why],
        # Key of the spectrum that has the models.
        'modelled': products.facts.get('ZSPEC', ('', ''))[0],
        'candidates': [
            {
                'z': round(one.z, 6),
                'error': round(one.error, 6),
                'type': one.kind,
                'p': round(one.probability, 3),
                'quality': quality,
            }
            for one, quality in zip(products.models, qualities, strict=False)
        ],
        'unnamed': [
            line['LBDA_OBS'] / grid.angstrom for line in products.lines if not line['LINE']
        ],
        'sky': sky.round(4).tolist(),
        'notes': list(products.notes),
        'facts': [
            [card, value, text]
            for card, (value, text) in products.facts.items()
            if not re.fullmatch(TOLD_ELSEWHERE, card)
        ],
    }


def _pictures(products: Products, cutout: Cutout, cmap: str) -> dict[str, Any]:
    """The images and maps with their numbers, the outline's mask, and the directions on the sky."""
    degrees, name = cutout.degrees, products.facts.get('OBJMASK', ('', ''))[0]
    # A circle, where nothing is detected, stands in place of the union.
    mask = products.masks.get(name, products.masks.get(keys.object_mask('UNION')))
    if degrees is None:
        dy, dx = cutout.pixel
        arcsec = np.array([[0.0, -dx], [dy, 0.0]])
    else:
        arcsec = 3600 * (degrees * [np.cos(np.radians(cutout.target.dec)), 1.0]).T
    return {
        'shape': cutout.shape,
        'centre': cutout.centre,
        'pixel': cutout.pixel,
        **compass(arcsec),
        'palette': binary(colour_table(cmap), 'u1'),
        'images': [
            {
                'key': key,
                'unit': in_words(to_power(image.unit, image.power)),
                'kind': group.value,
                'data': binary(image.data),
            }
            for group, key, image in products
            if group in (Group.IMAGE, Group.MAP)
        ],
        'mask': '' if mask is None else binary(np.packbits(mask.data, bitorder='little'), 'u1'),
    }


def thumbnails(images: Sequence[FloatArray], cmap: str) -> str:
    """Small images side by side, as the address of a PNG that holds its data; '' where there is no
    image.

    Parameters
    ----------
    images : sequence of array (ny, nx)
        NaN, where there is no value, is transparent.
    cmap : str
        Name of a matplotlib colour map.
    """
    if not images:
        return ''
    parts: list[NDArray[np.uint8]] = []
    for image in images:
        step = -(-max(image.shape) // SIDE)
        small = image[step // 2 :: step, step // 2 :: step]
        # Indices of colours, from just below the background to the peak.
        scale = stretch(small, (5, 99.8), sigmas=2, share=0.03)
        shown = np.clip(np.ma.getdata(scale(np.nan_to_num(small))), 0, 1)
        level = np.where(np.isfinite(small), np.rint(shown * (LEVELS - 1)), LEVELS).astype(np.uint8)
        parts += [level, np.full((len(level), GAP), LEVELS, np.uint8)]
    strip = np.hstack(parts[:-1])
    picture = Image.fromarray(strip[::-1])
    picture.putpalette([*colour_table(cmap).ravel().tolist(), 0, 0, 0])
    file = io.BytesIO()
    picture.save(file, 'PNG', transparency=LEVELS, optimize=False)
    return f'data:image/png;base64,{base64.b64encode(file.getvalue()).decode("ascii")}'


@lru_cache(maxsize=4)
def colour_table(cmap: str) -> NDArray[np.uint8]:
    """The `LEVELS` colours (red, green, blue; columns) of a matplotlib colour map."""
    return np.asarray(matplotlib.colormaps[cmap](np.linspace(0, 1, LEVELS), bytes=True)[:, :3])


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
        Bytes in base64: `BINS` lowest levels, then as many highest ones, from 1 to 255; 0 where a
        range has no value.
    """
    known = np.isfinite(flux) & ~noisy
    values = flux[known]
    if len(values) > 2:
        values = confirmed(values)[1:-1]  # every line, but no hot voxel
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    bins = min(BINS, len(flux))
    edges = np.linspace(0, len(flux), bins + 1).astype(int)[:-1]
    share = (np.where(known, flux, low) - low) / ((high - low) or 1)
    level = np.clip(1 + 254 * share, 1, 255)
    lowest = np.minimum.reduceat(np.where(known, level, 256), edges)
    highest = np.maximum.reduceat(np.where(known, level, 0), edges)
    empty = highest == 0
    return binary(np.concatenate([np.where(empty, 0, lowest), highest]).round(), 'u1')
