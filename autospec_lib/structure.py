"""Structure that is no Moffat function: blobs as wide as the PSF on a grid, and how much of it is expected.

The blobs' fluxes follow from the joint cross-correlation of all sources with the data: their normal equations are
S W S' on the left and S W d on the right, S being the spectra and W the weights. AutoSpec's map correlates with one
spectrum, so that a neighbour of similar spectrum shows up in it; here S W S' takes that out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec_lib.core.moffat import shifted
from autospec_lib.core.types import FloatArray, IntArray

# Structure as a whole may look like a source by this much of its host's flux. It must not stand in for the host's own
# flux, and a part of a neighbour that is shaped like the neighbour would carry its light into the host's spectrum.
_ALIKE = 0.01
_STEP = 2
_FAINT = 0.03


@dataclass(frozen=True)
class Lattice:
    """Blobs of flux 1 at every second pixel: places ``grid`` (m, 2), ``blobs`` (m, n, ny, nx) at n wavelengths."""

    grid: IntArray
    blobs: FloatArray

    @classmethod
    def of(cls, shape: tuple[int, int], fwhm: FloatArray, beta: float) -> Lattice:
        """Blobs of these FWHM (n,), in pixels, on an image of ``shape`` (ny, nx)."""
        rows, columns = (np.arange(0, length, _STEP, dtype=np.int32) for length in shape)
        grid = np.stack(np.meshgrid(rows, columns, indexing='ij'), axis=-1).reshape(-1, 2)
        return cls(grid, shifted(shape, grid, fwhm[:, None, None] ** 2 * np.eye(2), beta))

    def images(self, knots: FloatArray) -> FloatArray:
        """Images (k, n, ny, nx) of k sets of fluxes (k, m)."""
        return np.tensordot(knots, self.blobs, axes=1)


@dataclass(frozen=True)
class Expectation:
    """Where each source may have structure, ``used`` (indices into the grid), and how little of it: ``precision``, the
    inverse of the fluxes' expected covariance."""

    used: tuple[IntArray, ...]
    precision: tuple[FloatArray, ...]

    @classmethod
    def of(cls, lattice: Lattice, profiles: FloatArray, loose: float) -> Expectation:
        """For sources of these smooth profiles (k, ny, nx), of flux 1, at the middle of the lattice's wavelengths.

        A blob's flux is expected within the share ``loose`` of the source's light in its place.
        """
        light = profiles[:, lattice.grid[:, 0], lattice.grid[:, 1]]
        flat = profiles.reshape(len(profiles), -1)
        middle = lattice.blobs[:, lattice.blobs.shape[1] // 2].reshape(len(lattice.grid), -1)
        alike = flat @ middle.T / np.square(flat).sum(axis=1, keepdims=True).clip(1e-300) / _ALIKE
        used = tuple(np.flatnonzero(row > _FAINT * row.max()).astype(np.int32) for row in light)
        sizes = [loose * _STEP**2 * row[part] for row, part in zip(light, used, strict=True)]
        precision = [
            np.diag(size**-2.0) + alike[:, part].T @ alike[:, part] for size, part in zip(sizes, used, strict=True)
        ]
        return cls(used, tuple(precision))
