"""The spectrum of a point source, weighted by the PSF at every wavelength."""

from __future__ import annotations

import numpy as np

from autospec_lib.core import geometry, moffat
from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.types import Cutout, FloatArray, Measured, Voxels
from autospec_lib.extraction import weights

# Fractions of the wavelength range at which the PSF is evaluated; it is linear in between.
_NODES = np.linspace(0, 1, 9)


def psf_images(cutout: Cutout) -> FloatArray:
    """The PSF at the catalogue position at nine wavelengths, evenly spaced from the first to the
    last: (9, ny, nx)."""
    assert cutout.psf is not None
    return moffat.images(
        cutout.shape, cutout.centre, cutout.psf, _NODES, geometry.relative(cutout.pixel)
    )


def point_source(cutout: Cutout, spaxels: Voxels, images: FloatArray) -> Measured:
    """The spectrum of a point source, optimally weighted by the PSF.

    Parameters
    ----------
    cutout : Cutout
        With a PSF.
    spaxels : Voxels
        The spaxels of the object mask (nl, n), less the sky.
    images : array (9, n)
        From `psf_images`, in the mask.

    Returns
    -------
    Measured
        The whole flux of a point source (nl,), including what falls outside the mask.
    """
    profile = linear_weights(_NODES, cutout.wave_fraction) @ images
    return weights.optimal(spaxels, np.asarray(profile))
