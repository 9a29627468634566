"""Blends of two sources, 7 and 9, whose spectra, profiles and sky are known, and what the joint fit
makes of them."""

import numpy as np
from builders import make_cutout

from autospec_lib.core.moffat import moffat, shape_matrix
from autospec_lib.core.types import Voxels
from autospec_lib.deblending import diagnostics, grade
from autospec_lib.deblending.joint_fit import fit_jointly
from autospec_lib.deblending.weighted_data import WeightedCube

NL, NY, NX = 160, 27, 25
FRACTION = np.linspace(0, 1, NL)
PLACES = {7: (13.0, 9.5), 9: (14.0, 15.0)}
SKY = 3.0
SEEING = 4.0  # pixels
VARIANCE = np.linspace(2.0, 4.0, NL)[:, None, None] * np.ones((NL, NY, NX))


def lines(centres, width):
    """A line of height 1 in each of two spectra (2, nl)."""
    return np.exp(-0.5 * ((np.arange(NL) - np.array(centres)[:, None]) / width) ** 2)


def rising_and_falling():
    """Two continua of different colour, each with a line."""
    return np.array([300 + 200 * FRACTION, 500 - 250 * FRACTION]) + 900 * lines([40, 110], 2.0)


def same_colour():
    """Two flat spectra that differ in their lines alone."""
    return 400 + 1600 * lines([44, 115], 1.5)


def round_image(place, fwhm, beta=2.8):
    """A round Moffat function (ny, nx)."""
    return moffat((NY, NX), place, fwhm**2 * np.eye(2)[None], beta)[0]


def images():
    """The profiles (2, ny, nx) of both sources, which are elliptical."""
    matrices = [shape_matrix(4.2, 0.2, -0.1)[None], shape_matrix(5.0, -0.1, 0.2)[None]]
    return np.array(
        [moffat((NY, NX), *pair, 2.9)[0] for pair in zip(PLACES.values(), matrices, strict=True)]
    )


def light(spectra, profiles):
    """The noiseless cube of sources with these spectra (k, nl) and profiles (k, ny, nx)."""
    return np.einsum('kl,kyx->lyx', np.atleast_2d(spectra), np.reshape(profiles, (-1, NY, NX)))


def blend():
    """The noiseless cube of both sources and the sky."""
    return light(rising_and_falling(), images()) + SKY


def voxels(cube, seed=None, bad=None):
    """A cube with its variance, and with noise where a seed is given."""
    noise = (
        0
        if seed is None
        else np.random.default_rng(seed).normal(size=cube.shape) * np.sqrt(VARIANCE)
    )
    return Voxels(cube + noise, VARIANCE, bad)


def weighted(cube, seed=None):
    """The same with weights, as fits take it."""
    return WeightedCube.of(voxels(cube, seed), FRACTION)


def fitted(cube, seed=None, places=PLACES, seeing=SEEING, image=None):
    """The joint fit of a cube, or of voxels."""
    data = cube if isinstance(cube, Voxels) else voxels(cube, seed)
    return fit_jointly(data, places, FRACTION, seeing, image)


def totals(made):
    """The sum over wavelength of each source's flux, over that of the source of the blend it stands
    for."""
    return made.solution.spectra.sum(axis=1) / rising_and_falling()[: len(made.sources.ids)].sum(
        axis=1
    )


def centre(made, row):
    """The fitted place of the source in this row."""
    return made.sources.centre(row)


def doubts(made):
    """Why the target of a fit has the grade C, in one text; '' if it has not."""
    return ', '.join(grade.doubts(made, make_cutout(), diagnostics.separation(made), None))
