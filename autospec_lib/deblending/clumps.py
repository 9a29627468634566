"""Clumps, narrow Moffat functions on a grid for light that a source's smooth profile does not
describe; their prior.

The flux of a clump may have either sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec_lib.core.moffat import SQUARE, Pixel, shifted
from autospec_lib.core.types import BoolArray, FloatArray, IntArray

# Prior standard deviation of a clump's flux, as a share of the source's light at its position:
# small while neighbours may still be missing, so that they are not taken for clumps, and large in
# the last fit.
SMALL_CLUMPS, LARGE_CLUMPS = 0.15, 0.6
# FWHM of clumps if no PSF is known, in units of the FWHM of the narrowest source.
CLUMP_WIDTH = 0.9
# Exponent of the Moffat functions for clumps and point sources where no PSF is known.
TYPICAL_BETA = 3.0
# Clumps and trial positions are on every second pixel: with a FWHM of 3 pixels or more, as usual,
# their images overlap.
_GRID_STEP = 2
# All clumps of one source together could mimic the profile of that source or of another one, and so
# replace flux of their own source or carry flux of the other into its spectrum. Prior standard
# deviation of the flux that mimics a profile in this way, in units of the flux of the clumps' own
# source.
_LIKE_A_SOURCE = 0.01
# A source has clumps where its light is above this share of its peak.
_FAINTEST_LIGHT = 0.03


def grid_places(shape: tuple[int, int], margin: int = 0) -> IntArray:
    """Positions (y, x) of every second pixel in an image (ny, nx) and in a margin around it: (m,
    2)."""
    rows, columns = (
        np.arange(-margin, length + margin, _GRID_STEP, dtype=np.int32) for length in shape
    )
    return np.stack(np.meshgrid(rows, columns, indexing='ij'), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class ClumpGrid:
    """Clumps of flux 1: their ``places`` (m, 2) and ``images`` (m, n, ny, nx) at n wavelengths."""

    places: IntArray
    images: FloatArray

    @classmethod
    def of(
        cls,
        places: IntArray,
        shape: tuple[int, int],
        fwhm: FloatArray,
        beta: float | FloatArray,
        pixel: Pixel = SQUARE,
    ) -> ClumpGrid:
        """Clumps at these places with these FWHM (n,), in the unit of ``pixel``, and exponents, on
        an image of ``shape`` (ny, nx)."""
        return cls(
            places, shifted(shape, places, fwhm[:, None, None] ** 2 * np.eye(2), beta, pixel)
        )


@dataclass(frozen=True)
class ClumpPrior:
    """Gaussian prior of the clumps' fluxes, of mean 0, for each component.

    For each component, ``used`` holds the indices (m_k,) of the grid positions at which it may have
    clumps, and ``precision`` the inverse (m_k, m_k) of the prior covariance of their fluxes. These
    are in units of the component's flux.
    """

    used: tuple[IntArray, ...] = ()
    precision: tuple[FloatArray, ...] = ()

    @classmethod
    def of(
        cls,
        grid: ClumpGrid,
        profiles: FloatArray,
        clump_share: float,
        clumpy: BoolArray | None = None,
    ) -> ClumpPrior:
        """The prior for components with these smooth profiles (k, ny, nx), of flux 1, at the grid's
        middle wavelength.

        The prior standard deviation of a clump's flux is ``clump_share`` times the component's
        light at its position. ``clumpy`` (k,) are the components that have clumps; None: all.
        """
        light = profiles[:, grid.places[:, 0], grid.places[:, 1]]  # (k, m)
        flat = profiles.reshape(len(profiles), -1)
        middle = grid.images[:, grid.images.shape[1] // 2].reshape(len(grid.places), -1)
        # Flux of each profile in the fit of that profile to a clump, over the prior sigma of the
        # sum: (k, m).
        alike = (
            flat
            @ middle.T
            / np.square(flat).sum(axis=1, keepdims=True).clip(1e-300)
            / _LIKE_A_SOURCE
        )
        bright = light > _FAINTEST_LIGHT * light.max(axis=1, keepdims=True)
        if clumpy is not None:
            bright &= clumpy[:, None]
        used = tuple(np.flatnonzero(row).astype(np.int32) for row in bright)
        widths = [
            clump_share * _GRID_STEP**2 * row[part] for row, part in zip(light, used, strict=True)
        ]
        precision = [
            np.diag(width**-2.0) + alike[:, part].T @ alike[:, part]
            for width, part in zip(widths, used, strict=True)
        ]
        return cls(used, tuple(precision))
