"""Point-like sources: they have one shape, that of the PSF, so that only their positions are fitted."""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import IntArray
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import project
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.weighted_data import Bands

# A source may be a point if its log FWHM is less than this above that of the PSF, and its ellipticity is smaller.
_WIDER, _ELONGATED = 0.05, 0.12
# Without a PSF: how significant a source must be, in sigma, and how many must have the same shape.
_BRIGHT, _FEWEST = 100.0, 3
# Sources are not points if chi-square rises by more than this for each of them: points raise it by 4 on average.
_WORSE = 10.0


def with_points(bands: Bands, model: Model) -> Model:
    """The model in which point-like sources have the shape of the PSF and no clumps.

    Without a PSF, it is the mean shape of the narrowest bright sources, if that fits them as well as shapes of their
    own. One source or two could be galaxies.

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
    points = np.flatnonzero(able & (width < least + _WIDER) & (ellipticity < _ELONGATED)).astype(np.int32)
    return points if len(points) >= fewest else points[:0]
