"""How good the positions of a catalogue are, measured from fits of its own sources: once for a field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from autospec_lib.core import geometry
from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import CatalogueError, Cutout, FloatArray, Psf
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import project
from autospec_lib.deblending.model import LARGEST_BOUND, Frame, Model, Prior
from autospec_lib.deblending.weighted_data import Bands, WeightedCube, bin_cube

# Sources of the measurement: at least so many, each at least so many sigma bright, and at least so bright in units of
# the brightest one in its cut-out.
_FEWEST, _BRIGHT, _OF_BRIGHTEST = 5, 50.0, 0.2
# The positions are fitted a second time if the first offset exceeds this many pixels.
_SMALL_OFFSET = 0.5
# The smallest scatter, in pixels: sources do not have exactly the shapes of the model.
_LEAST_SCATTER = 0.1
# Where fits begin without a PSF: arcsec.
USUAL_SEEING = 0.8
_Field: TypeAlias = tuple[Bands, FloatArray]  # the binned cut-out; the positions (n, 2), its target's first


def measure(cutouts: Iterable[Cutout]) -> CatalogueError | None:
    """Measure the offset and the scatter of a catalogue's positions.

    The offset is the median of fitted minus listed positions, the scatter 1.48 times the median absolute deviation from
    it. In these fits a centre may be far from its position, which would be harmful in an extraction: there a source
    could take the place of its neighbour.

    Parameters
    ----------
    cutouts : iterable of Cutout
        Around sources of the field, which have few neighbours; their pixels have one size.

    Returns
    -------
    CatalogueError or None
        None if fewer than five sources are bright enough.
    """
    fields: list[_Field] = []
    for cutout in cutouts:
        cube = WeightedCube.of(cutout.voxels, cutout.wave_fraction)
        if cube.weight.any():
            places = [cutout.centre, *cutout.neighbours.values()]
            fields.append((bin_cube(cube), np.array(places, dtype=float)))
            seeing = cutout.psf or USUAL_SEEING / geometry.scale(cutout.pixel)
            frame = Frame(geometry.relative(cutout.pixel), 0.4 * LARGEST_BOUND, LARGEST_BOUND)
    if len(fields) < _FEWEST:
        return None
    measured, offset = _measure(fields, seeing, frame, np.zeros(2))
    if measured is not None and np.abs(offset).max() > _SMALL_OFFSET:
        measured, _ = _measure(fields, seeing, frame, offset)
    return measured


def _measure(
    fields: Sequence[_Field], seeing: Psf | float, frame: Frame, start: FloatArray
) -> tuple[CatalogueError | None, FloatArray]:
    """The errors, and the offset (2,), of positions that are ``start`` away from those listed."""
    fwhm = float(seeing.fwhm(np.array(0.5))) if isinstance(seeing, Psf) else seeing
    psf = seeing if isinstance(seeing, Psf) else None
    differences = []
    for bands, places in fields:
        prior = Prior.of(places + start, fwhm, frame)
        model = fit(bands, Model(prior.mean, prior, psf, pixel=frame.pixel), narrow=True)
        significance = project(bands, model.band_profiles(bands)).significance
        if significance[0] > max(_BRIGHT, _OF_BRIGHTEST * significance.max()):
            differences.append(model.shapes[0, :2] - places[0])
    if len(differences) < _FEWEST:
        return None, start
    offset = np.median(differences, axis=0)
    # The scatter of a few positions about their own median is too small more often than too large.
    margin = 1 + 4 / len(differences)
    scatter = max(_LEAST_SCATTER, margin * float(robust_width((differences - offset) * frame.pixel)))
    return CatalogueError((float(offset[0]), float(offset[1])), scatter, len(differences)), offset
