"""How good the positions of a catalogue are, measured from fits of its own sources: once for a
field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from autospec_lib.core import geometry
from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import CatalogueError, Cutout, FloatArray, Psf
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import project
from autospec_lib.deblending.model import LARGEST_BOUND, Frame, Model, Prior
from autospec_lib.deblending.weighted_data import Bands, WeightedCube, bin_cube

# Sources of the measurement: at least so many, each at least so many sigma bright, and at least so
# bright in units of the brightest one in its cut-out.
_FEWEST, _BRIGHT, _OF_BRIGHTEST = 5, 50.0, 0.2
# More than this many are not needed.
_ENOUGH = 20
# The positions are fitted again from where the first fits put them, because an offset may exceed
# the bound of a centre.
_ROUNDS = 2
# An offset of fewer sigma is none.
_SIGNIFICANT = 3.0
# Fitted positions of clumpy galaxies, and of those with a neighbour that is not in the catalogue,
# scatter by so many pixels of their own; and the smallest scatter that is reported.
_OF_GALAXIES, _LEAST_SCATTER = 0.45, 0.1
# Where fits begin without a PSF: arcsec.
USUAL_SEEING = 0.8
# The binned cut-out; the positions (n, 2), its target's first.
_Field: TypeAlias = tuple[Bands, FloatArray]


def measure(cutouts: Iterable[Cutout]) -> CatalogueError | None:
    """Measure the offset and the scatter of a catalogue's positions.

    The offset is the median of fitted minus listed positions, the scatter 1.48 times the median
    absolute deviation from it, less that of the fits themselves. In these fits a centre may be far
    from its position, which would be harmful in an extraction: there a source could take the place
    of its neighbour.

    Parameters
    ----------
    cutouts : iterable of Cutout
        Around sources of the field, which have few neighbours; their pixels have one size.

    Returns
    -------
    CatalogueError or None
        None if fewer than five sources are bright enough; no more than twenty are used.
    """
    fields: list[_Field] = []
    for cutout in cutouts:
        cube = WeightedCube.of(cutout.voxels, cutout.wave_fraction)
        seeing = cutout.psf or USUAL_SEEING / geometry.scale(cutout.pixel)
        frame = Frame(geometry.relative(cutout.pixel), 0.4 * LARGEST_BOUND, LARGEST_BOUND)
        one = bin_cube(cube), np.array([cutout.centre, *cutout.neighbours.values()], dtype=float)
        if cube.weight.any() and _difference(one, seeing, frame) is not None:
            fields.append(one)
        if len(fields) == _ENOUGH:
            break
    offset = np.zeros(2)
    for _ in range(_ROUNDS):
        moved = [(bands, places + offset) for bands, places in fields]
        found = [
            difference
            for one in moved
            if (difference := _difference(one, seeing, frame)) is not None
        ]
        if len(found) < _FEWEST:
            return None
        offset = offset + np.median(found, axis=0)
    # The scatter of a few positions about their own median is too small more often than too large.
    margin = 1 + 4 / len(found)
    scatter = margin * float(robust_width((found - np.median(found, axis=0)) * frame.pixel))
    if np.hypot(*(offset * frame.pixel)) < _SIGNIFICANT * scatter / np.sqrt(len(found)):
        offset = np.zeros(2)
    own = float(np.sqrt(max(scatter**2 - _OF_GALAXIES**2, _LEAST_SCATTER**2)))
    return CatalogueError((float(offset[0]), float(offset[1])), own, len(found))


def _difference(one: _Field, seeing: Psf | float, frame: Frame) -> FloatArray | None:
    """The fitted minus the listed position (2,) of the target; None if it is too faint."""
    fwhm = float(seeing.fwhm(np.array(0.5))) if isinstance(seeing, Psf) else seeing
    psf = seeing if isinstance(seeing, Psf) else None
    bands, places = one
    prior = Prior.of(places, fwhm, frame)
    model = fit(bands, Model(prior.mean, prior, psf, pixel=frame.pixel), narrow=True)
    significance = project(bands, model.band_profiles(bands)).significance
    if significance[0] < max(_BRIGHT, _OF_BRIGHTEST * significance.max()):
        return None
    return np.asarray(model.shapes[0, :2] - places[0])
