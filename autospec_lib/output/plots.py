"""Pictures of one source: products -> images, drawn by matplotlib -> JPG files.

pyplot and the user's matplotlib settings are not changed and not used: with ``text.usetex`` in
``matplotlibrc``, for example, the underscores in keys would be errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Normalize
from PIL import Image

from autospec_lib.core import file_names, keys
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.products import Kind, Products
from autospec_lib.core.types import Cutout, Ident
from autospec_lib.output.image_sheet import (
    ImageSheet,
    Panel,
    Rows,
    stretch,
)
from autospec_lib.output.kept_figures import Kept
from autospec_lib.output.plot_style import (
    DPI,
    JPEG_QUALITY,
    LABEL_COLOURS,
    MASK_COLOURS,
    NO_VALUE,
    RESIDUAL_COLOURS,
    STYLE,
)
from autospec_lib.output.redshift_sheet import RedshiftSheet
from autospec_lib.output.spectra_sheet import SpectraSheet

# matplotlib's settings belong to the whole process: if two threads changed them at once, they would
# not be restored.
ONE_AT_A_TIME = Lock()


def render(products: Products, cutout: Cutout, cmap: str, kept: Kept) -> dict[str, Image.Image]:
    """Draw the pictures of one source.

    Parameters
    ----------
    products : Products
        What was made for the source.
    cutout : Cutout
        The source's cut-out, which gives the units of the axes.
    cmap : str
        Name of a matplotlib colour map for images and cross-correlation maps.
    kept : Kept
        Figures of earlier sources, which are reused if they fit; this source's figures are added.

    Returns
    -------
    dict of str to Image
        'IMAGES': the images in a row, below each its segmentation map, then the user's maps;
        'MASKS'; 'SPECTRA': the reference above the cross-correlation spectra; 'REDSHIFT': the
        spectrum with the model of the first candidate; 'XCOR': the cross-correlation maps;
        'DEBLEND': white light, the joint model of it and the residual. A picture with nothing to
        show is left out.

    Raises
    ------
    ValueError
        If matplotlib has no such colour map.
    """
    colours = matplotlib.colormaps.get_cmap(cmap).with_extremes(bad=NO_VALUE)
    # Each on a scale from just below the background to just below the peak.
    shown = {
        key: Panel(
            key,
            image.data,
            {'norm': stretch(image.data, (1, 99.7), sigmas=3, share=0.05), 'cmap': colours},
        )
        for key, image in {**products.images, **products.maps}.items()
    }
    switched: Any = {'norm': Normalize(0, 1), 'cmap': MASK_COLOURS}
    sheets: dict[str, Rows] = {
        'IMAGES': _image_rows(products, shown),
        'MASKS': [
            [Panel(key, mask.data.astype(int), switched) for key, mask in products.masks.items()]
        ],
        'XCOR': [[shown[key] for key in products.maps]],
    }
    if keys.RESIDUAL in products.fitted:
        sheets['DEBLEND'] = [_joint_panels(products, shown)]
    correlated = (one for one in products.spectra.values() if one.kind is Kind.CROSS_CORRELATION)
    spectra, grid = [products.spectra[products.reference], *correlated], cutout.grid
    ends = float(cutout.wave.min()), float(cutout.wave.max())
    shared = (
        tuple(one.key for one in spectra),
        ends,
        grid.wave_unit,
        grid.unit,
        bool(products.notes),
    )
    pictures = {}
    style: Any = {**matplotlib.rcParamsDefault, **STYLE}  # whatever the user's matplotlibrc says
    with ONE_AT_A_TIME, matplotlib.rc_context(style):
        for key, rows in sheets.items():
            if any(rows):
                titles = tuple(tuple(panel and panel.title for panel in row) for row in rows)
                with kept.borrowed(key, ImageSheet, titles, cutout.shape, cutout.pixel) as sheet:
                    pictures[key] = sheet.draw(rows, cutout)
        with kept.borrowed('SPECTRA', SpectraSheet, *shared) as spectra_sheet:
            pictures['SPECTRA'] = spectra_sheet.draw(spectra, cutout, products.notes)
        if products.models:
            pictures['REDSHIFT'] = RedshiftSheet(products, cutout).image
    return {key: pictures[key] for key in file_names.PICTURES if key in pictures}


def save(pictures: Mapping[str, Image.Image], folder: Path, ident: Ident) -> None:
    """Write each picture as ``<folder>/<ident>_<KEY>.jpg``, which appears only when it is complete.

    Parameters
    ----------
    pictures : mapping of str to Image
        By their keys, from `render`.
    folder : Path
        The folder of the source's pictures, which exists.
    ident : int or str
        The source's ID.

    Raises
    ------
    OSError
        If the folder cannot be written; no incomplete file is left.
    """
    for key, picture in pictures.items():
        with complete_file(folder / file_names.picture(ident, key)) as temporary:
            picture.save(temporary, 'JPEG', quality=JPEG_QUALITY, dpi=(DPI, DPI))


def _image_rows(products: Products, shown: Mapping[str, Panel]) -> Rows:
    """Images, each with its segmentation map below, then the remaining maps, in the same number of
    columns."""
    # One colour for each label; the background is dark, and the central object always has the same
    # colour.
    scale: Any = {'norm': Normalize(-0.5, LABEL_COLOURS.N - 0.5), 'cmap': LABEL_COLOURS}
    maps = {}
    for key, product in products.segmaps.items():
        segmap = product.data
        inside = segmap > 0
        central = inside & (segmap == product.central)
        numbers = np.searchsorted(np.unique(segmap[inside & ~central]), segmap)
        labels = np.where(inside, 2 + numbers % (LABEL_COLOURS.N - 2), 0)
        labels[central] = 1
        maps[key] = Panel(key, labels, scale)
    tags = list(products.images)
    below = [maps.pop(keys.segmap(tag), None) for tag in tags]
    rows: list[Sequence[Panel | None]] = [[shown[tag] for tag in tags], below]
    rest = list(maps.values())
    rows += [rest[first : first + len(tags)] for first in range(0, len(rest), len(tags) or 1)]
    return rows


def _joint_panels(products: Products, shown: Mapping[str, Panel]) -> list[Panel]:
    """White light and its model with the same colour scale, and the residual with a scale symmetric
    about 0."""
    white, residual = shown[next(iter(products.images))], products.fitted[keys.RESIDUAL].data
    finite = np.abs(residual[np.isfinite(residual)])
    most = float(np.percentile(finite, 99)) if finite.size else 0.0
    around = {'norm': Normalize(-most or -1.0, most or 1.0), 'cmap': RESIDUAL_COLOURS}
    return [
        white,
        Panel('joint model', white.values - residual, white.look),
        Panel(keys.RESIDUAL, residual, around),
    ]
