"""Clumps: light that a Moffat function does not describe, as small Moffat functions on a grid, and their prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec_lib.core.moffat import SQUARE, Pixel, shifted
from autospec_lib.core.types import FloatArray, IntArray

# Prior width of clumps, as a share of the light in their place: small while neighbours may be missing, which must not
# be taken for clumps, and large in the last fit.
SMALL_CLUMPS, LARGE_CLUMPS = 0.15, 0.6
# Exponent of the Moffat functions for clumps and point sources where no PSF is known.
TYPICAL_BETA = 3.0
# Clumps and trial positions are on every second pixel: at a usual seeing of 3 pixels and more, their images overlap.
_GRID_STEP = 2
# Prior width of the part of all clumps together that looks like a source, as a share of their own source's flux. Such
# clumps would stand in for the flux of their source, or carry that of another source into its spectrum.
_LIKE_A_SOURCE = 0.01
# A source has clumps where its light is above this share of its peak.
_FAINTEST_LIGHT = 0.03


def grid_places(shape: tuple[int, int], margin: int = 0) -> IntArray:
    """Positions (y, x) of every second pixel of an image (ny, nx) and of a margin around it: (m, 2)."""
    rows, columns = (np.arange(-margin, length + margin, _GRID_STEP, dtype=np.int32) for length in shape)
    return np.stack(np.meshgrid(rows, columns, indexing='ij'), axis=-1).reshape(-1, 2)


@dataclass(frozen=True)
class ClumpGrid:
    """Clumps of flux 1: their ``places`` (m, 2) and ``images`` (m, n, ny, nx) at n wavelengths."""

    places: IntArray
    images: FloatArray

    @classmethod
    def of(cls, shape: tuple[int, int], fwhm: FloatArray, beta: float, pixel: Pixel = SQUARE) -> ClumpGrid:
        """Clumps of these FWHM (n,), in the unit of ``pixel``, on an image of ``shape`` (ny, nx)."""
        places = grid_places(shape)
        return cls(places, shifted(shape, places, fwhm[:, None, None] ** 2 * np.eye(2), beta, pixel))


@dataclass(frozen=True)
class ClumpPrior:
    """The prior of the clumps' fluxes, of mean 0, per component.

    ``used`` holds for each component the indices (m_k,) of the grid's places at which it may have clumps,
    ``precision`` the inverse (m_k, m_k) of the covariance of their fluxes. Fluxes are in units of the component's.
    """

    used: tuple[IntArray, ...] = ()
    precision: tuple[FloatArray, ...] = ()

    @classmethod
    def of(cls, grid: ClumpGrid, profiles: FloatArray, clump_share: float) -> ClumpPrior:
        """For components of these smooth profiles (k, ny, nx), of flux 1, at the middle of the grid's wavelengths.

        The prior width of a clump's flux is ``clump_share`` of the component's light in its place.
        """
        light = profiles[:, grid.places[:, 0], grid.places[:, 1]]  # (k, m)
        flat = profiles.reshape(len(profiles), -1)
        middle = grid.images[:, grid.images.shape[1] // 2].reshape(len(grid.places), -1)
        # How much of each profile is in a clump, over the prior width of the sum: (k, m).
        alike = flat @ middle.T / np.square(flat).sum(axis=1, keepdims=True).clip(1e-300) / _LIKE_A_SOURCE
        used = tuple(np.flatnonzero(row > _FAINTEST_LIGHT * row.max()).astype(np.int32) for row in light)
        widths = [clump_share * _GRID_STEP**2 * row[part] for row, part in zip(light, used, strict=True)]
        precision = [
            np.diag(width**-2.0) + alike[:, part].T @ alike[:, part] for width, part in zip(widths, used, strict=True)
        ]
        return cls(used, tuple(precision))
