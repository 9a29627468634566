"""The steps of the joint extraction in order, on plain arrays; `joint_extraction.extract` explains
them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autospec_lib.core.errors import SourceError
from autospec_lib.core.types import FloatArray, Ident, Psf, Voxels
from autospec_lib.deblending.attribution import FittedSources, attribute, merge
from autospec_lib.deblending.clumps import LARGE_CLUMPS
from autospec_lib.deblending.image_shapes import profiles_from_image
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.line_bands import with_line_bands
from autospec_lib.deblending.linear_system import PROFILE_NODES, Solution, project, solve
from autospec_lib.deblending.model import LOG_BETA, Frame, Model, Prior
from autospec_lib.deblending.neighbour_search import (
    add_neighbours,
    fit_positive,
    prune,
    without_unseen,
)
from autospec_lib.deblending.point_sources import with_points
from autospec_lib.deblending.weighted_data import Bands, WeightedCube, bin_cube

# So many sources have shapes of their own; the work grows with the square of their number.
MAX_FREE = 21
# The shape of a source is fitted if its position is in the subcube or less than this many pixels
# outside it.
_CLOSE = 3
# Prior of log(beta - 1), the wings, in the fit without clumps that sets them: mean, sigma and
# bound. Sigma and bound in the last fit, around what that fit gives. Chosen on simulated galaxies
# of many kinds (exponential, Sersic, with bulges, clumps and haloes; seeds 41 to 62).
_LOG_BETA, _WINGS, _WINGS_KEPT = 0.9, (0.1, 0.7), (0.05, 0.15)
_FRAME = Frame()
# An image that covers less than this share of the subcube is not used.
_LEAST_COVERED = 0.5


@dataclass(frozen=True)
class JointFit:
    """The joint fit of one subcube.

    There are K ``sources``, the target first; neighbours that are not in the catalogue have the ids
    -1, -2, ... ``profiles`` (K, 9, ny, nx), of total flux 1, are given at nine wavelengths evenly
    spaced from the first to the last; ``solution`` holds the total spectra and the sky. ``doubts``
    are reasons not to trust the target's.
    """

    cube: WeightedCube
    sources: FittedSources
    profiles: FloatArray
    solution: Solution
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def fit_jointly(
    voxels: Voxels,
    positions: Mapping[Ident, tuple[float, float]],
    fraction: FloatArray,
    seeing: Psf | float,
    image: FloatArray | None = None,
    frame: Frame = _FRAME,
) -> JointFit:
    """Fit a source and its neighbours together.

    Parameters
    ----------
    voxels : Voxels
        The subcube (nl, ny, nx), sky-subtracted or not; NaN is not used. Without variance, the data
        are weighted by a variance that is estimated for each wavelength.
    positions : mapping of int to (y, x)
        Catalogue positions in pixels of the target, which comes first, and of its neighbours in or
        near the subcube; ids are not negative. The first `MAX_FREE` have shapes of their own if
        they are in or close to the subcube; the others have the shape of a typical galaxy.
    fraction : array (nl,)
        Each wavelength's fraction of the way from the first to the last.
    seeing : Psf or float
        The PSF where it is known, else a FWHM to start from, in the unit of ``frame.pixel``.
    image : array (ny, nx), optional
        A sharper image on the cube's pixels, for the shapes; NaN where it has no value.
    frame : Frame
        A pixel's size, and how good the positions are.

    Raises
    ------
    SourceError
        When no voxel is usable, or no position is given.
    """
    if not positions:
        raise SourceError(
            'joint extraction: no position given; expected the target and its neighbours'
        )
    cube = WeightedCube.of(voxels, fraction)
    notes: tuple[str, ...] = ()
    if not cube.weight.any():
        raise SourceError(
            'joint extraction: no usable voxel in the subcube; move or enlarge it (SIZE)'
        )
    if image is not None and not np.isfinite(image).mean() > _LEAST_COVERED:
        image = None
        notes = (
            'joint extraction: the image covers less than half of the subcube; shapes are from the cube alone',
        )
    sources = fit_sources(cube, positions, seeing, frame)
    profiles = (
        sources.profiles(cube.shape) if image is None else profiles_from_image(image, cube, sources)
    )
    return JointFit(cube, sources, profiles, solve(cube, profiles), notes)


def fit_sources(
    cube: WeightedCube,
    positions: Mapping[Ident, tuple[float, float]],
    seeing: Psf | float,
    frame: Frame = _FRAME,
) -> FittedSources:
    """Fit the sources, look for neighbours that are not in the catalogue, and decide which of these
    are sources.

    Parameters and raises as in `fit_jointly`.
    """
    psf = seeing if isinstance(seeing, Psf) else None
    fwhm = float(seeing.fwhm(np.array(0.5))) if isinstance(seeing, Psf) else seeing
    places = np.array([*positions.values()], dtype=float)
    outside = ((places < -_CLOSE) | (places > np.subtract(cube.shape, 1) + _CLOSE)).any(axis=1)
    prior = Prior.of(places, fwhm, frame).with_fixed(outside | (np.arange(len(places)) >= MAX_FREE))
    bins = bin_cube(cube)
    model = fit(bins, Model(prior.mean, prior, psf, pixel=frame.pixel), narrow=True)
    bands = _with_model_error(bins, model)
    model = add_neighbours(bands, with_points(bands, fit(bands, model, narrow=True)), fwhm)
    model, unseen = without_unseen(bands, model, np.flatnonzero(outside).tolist())
    ids = tuple(one for number, one in enumerate(positions) if number not in unseen)
    bands = _with_model_error(bins, model)
    model, small_clumps = prune(bands, model, len(ids), fwhm)
    spectra = solve(cube, model.images(cube.shape, PROFILE_NODES))
    bands = _with_model_error(with_line_bands(bins, cube, spectra), model)
    # Large clumps would describe the light inside a source and leave its wings to noise and sky:
    # these follow from a fit without clumps.
    plain = fit(bands, model)
    wings = fit(bands, plain.with_wings(np.full(len(model.shapes), _LOG_BETA), *_WINGS))
    wings = wings.with_wings(wings.shapes[:, LOG_BETA], *_WINGS_KEPT)
    large_clumps, kept = fit_positive(bands, wings, len(ids), LARGE_CLUMPS)
    for lost in reversed(range(len(model.shapes))):  # those behind it keep their numbers
        if lost not in kept:
            plain, small_clumps = plain.without(lost), small_clumps.without(lost)
    sources = attribute(cube, bands, (plain, small_clumps, large_clumps), ids, fwhm)
    return merge(cube, sources, len(ids), fwhm)


def _with_model_error(bands: Bands, model: Model) -> Bands:
    profiles = model.band_profiles(bands)
    flux = np.abs(project(bands, profiles).flux[:, :-1])
    return bands.with_model_error(np.einsum('bk,kbp->bp', flux, profiles))
