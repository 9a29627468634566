"""Point-like sources: they have one shape, that of the PSF, so that only their positions are
fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core import geometry
from autospec_lib.core.types import Cutout, FloatArray, IntArray, Measured
from autospec_lib.deblending.catalogue_error import USUAL_SEEING
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import PROFILE_NODES, project, solve
from autospec_lib.deblending.model import LARGEST_BOUND, Frame, Model, Prior
from autospec_lib.deblending.weighted_data import Bands, WeightedCube, bin_cube

# A source may be a point if its log FWHM is less than this above that of the PSF, and its
# ellipticity is smaller.
_WIDER, _ELONGATED = 0.05, 0.12
# Without a PSF: how significant a source must be, in sigma, and how many must have the same shape.
_BRIGHT, _FEWEST = 100.0, 3
# Sources are not points if chi-square rises by more than this for each of them: points raise it by
# 4 on average.
_WORSE = 10.0
# How far log FWHM, ellipticities and log(beta - 1) of a single source may be from those of a
# typical galaxy.
_ANY_SHAPE, _AT_BOUND = (1.5, 1.2, 1.2, 1.6), 0.999
_TURBULENCE = -0.4  # power of the wavelength that the squared FWHM follows


def with_points(bands: Bands, model: Model) -> Model:
    """The model in which point-like sources have the shape of the PSF and no clumps.

    Without a PSF, it is the mean shape of the narrowest bright sources, if that fits them as well
    as shapes of their own. One source or two could be galaxies.

    Parameters
    ----------
    bands, model : Bands, Model
        The data and their fit without clumps, ``narrow`` as in `least_squares.fit`.

    Returns
    -------
    Model
        A fit to the same data; the same model if no source is sure to be a point.
    """
    if not _point_like(bands, model).size:
        return model
    # In narrow bounds no exponent is as small as that of a PSF may be.
    own = fit(bands, model)
    points = _point_like(bands, own)
    if not points.size:
        return model
    if own.psf is None:
        significance = project(bands, own.band_profiles(bands)).significance
        shape = np.average(own.shapes[points, 2:], axis=0, weights=np.square(significance[points]))
    else:
        middle = np.array(0.5)
        shape = np.array([np.log(own.psf.fwhm(middle)), 0.0, 0.0, np.log(own.psf.beta(middle) - 1)])
    if fit(bands, own.with_shape(points, shape)).chi2 - own.chi2 > _WORSE * len(points):
        return model
    return fit(bands, model.with_shape(points, shape), narrow=True)


def _point_like(bands: Bands, model: Model) -> IntArray:
    """The components that may be points; none if they are too few."""
    width, ellipticity = model.shapes[:, 2], np.hypot(model.shapes[:, 3], model.shapes[:, 4])
    able = model.prior.free[:, 2]
    if model.psf is None:
        able = able & (project(bands, model.band_profiles(bands)).significance > _BRIGHT)
        least, fewest = float(width[able].min(initial=np.inf)), _FEWEST
    else:
        least, fewest = float(np.log(model.psf.fwhm(np.array(0.5)))), 1
    points = np.flatnonzero(able & (width < least + _WIDER) & (ellipticity < _ELONGATED)).astype(
        np.int32
    )
    return points if len(points) >= fewest else points[:0]


@dataclass(frozen=True)
class Profile:
    """A source fitted by a Moffat function.

    Attributes
    ----------
    shape : array (4,)
        Log FWHM, two ellipticities, log(beta - 1), as in `model.N_SHAPE`.
    widths : array (9,)
        FWHM at wavelengths evenly spaced from the first to the last, in units of `geometry.scale`
        of a pixel.
    significance : float
        Of its flux over all wavelengths, in sigma.
    spectrum : Measured
        The total flux (nl,).
    """

    shape: FloatArray
    widths: FloatArray
    significance: float
    spectrum: Measured


def profile(cutout: Cutout) -> Profile | None:
    """Fit a source by an elliptical Moffat function of any shape, with the neighbours that the
    cut-out has.

    Its squared FWHM is a constant and a multiple of wavelength^-0.4, the law of turbulence (Fried
    1966, Journal of the Optical Society of America 56, 1372). One that is linear in wavelength
    would be up to 3 per cent off at the ends.

    Parameters
    ----------
    cutout : Cutout
        With two wavelengths or more.

    Returns
    -------
    Profile or None
        None if no voxel is usable, or if the fit ends at a bound.
    """
    power = cutout.wave**_TURBULENCE
    fraction = (power - power[0]) / (power[-1] - power[0])
    cube = WeightedCube.of(cutout.voxels, fraction)
    if not cube.weight.any():
        return None
    places = np.array([cutout.centre, *cutout.neighbours.values()], dtype=float)
    frame = Frame(geometry.relative(cutout.pixel), bound=LARGEST_BOUND)
    prior = Prior.of(places, USUAL_SEEING / geometry.scale(cutout.pixel), frame)
    sigma, bound = prior.sigma.copy(), prior.bound.copy()
    sigma[0], bound[0, 2:] = np.inf, _ANY_SHAPE
    prior = replace(prior, sigma=sigma, bound=bound)
    bands = bin_cube(cube)
    model = fit(bands, Model(prior.mean, prior, pixel=frame.pixel))
    if (np.abs(model.shapes - prior.mean)[0] >= _AT_BOUND * prior.bound[0]).any():
        return None
    significance = project(bands, model.band_profiles(bands)).significance[0]
    solution = solve(cube, model.smooth_images(cube.shape, PROFILE_NODES))
    spectrum = Measured(solution.spectra[0], solution.covariance[:, 0, 0])
    squares = np.exp(2 * model.shapes[0, 2]) + model.widening(
        np.interp(PROFILE_NODES, cutout.wave_fraction, fraction)
    )
    return Profile(model.shapes[0, 2:], np.sqrt(squares.clip(0)), float(significance), spectrum)
