"""The model of overlapping sources: Moffat functions, structure upon them, what is expected of both, and the data in
wavelength bins, in each of which the fluxes and the sky are linear and solved for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core.moffat import moffat, shape_matrix
from autospec_lib.core.types import FloatArray, IntArray, Psf
from autospec_lib.solve import Weighted
from autospec_lib.structure import Lattice

# Parameters of a source: y, x (pixels), log FWHM, two ellipticities, log(beta - 1).
SIZE = 6
_BINS = 16
# Galaxies are wider than the seeing by about this factor.
_WIDER = 1.3
_BLOB_BETA = 3.0
NODES = np.array([0.0, 0.5, 1.0])


@dataclass(frozen=True)
class Bands:
    """The subcube averaged over wavelength bins, or over one source's lines.

    ``data`` (nb, npix); ``root`` (nb, npix) the square root of its weight; ``where`` (nb,) each band's fraction of the
    way from the first wavelength to the last; ``shape`` (ny, nx).
    """

    data: FloatArray
    root: FloatArray
    where: FloatArray
    shape: tuple[int, int]


@dataclass(frozen=True)
class Model:
    """Fitted shapes of n components.

    ``shapes`` (n, 6) as ``SIZE`` says; ``slope`` is the change of the squared FWHM (pixels squared) from the first
    wavelength to the last, the same for all, unless ``psf`` sets it; ``chi2`` the sum of the squares, those of the
    expectations included. ``knots`` (n, m) are the fluxes of blobs on a ``structure.Lattice``, in units of the Moffat
    function's flux, and ``blob`` their FWHM in pixels.
    """

    shapes: FloatArray
    slope: float = 0.0
    psf: Psf | None = None
    chi2: float = np.inf
    knots: FloatArray | None = None
    blob: float = 0.0

    def images(self, shape: tuple[int, int], where: FloatArray) -> FloatArray:
        """Profiles (n, len(where), ny, nx) of total flux 1 at these fractions of the wavelength range."""
        smooth = np.array([moffat(shape, *self.ellipse(number, where)) for number in range(len(self.shapes))])
        if self.knots is None:
            return smooth
        added = smooth + self.lattice(shape, where).images(self.knots)
        clipped = np.maximum(added, 0)
        total = 1 + self.knots.sum(axis=1)[:, None] + (clipped - added).sum(axis=(2, 3))
        return np.asarray(clipped / total[:, :, None, None])

    def lattice(self, shape: tuple[int, int], where: FloatArray) -> Lattice:
        """The blobs of structure: as wide as the PSF where it is known."""
        if self.psf is not None:
            return Lattice.of(shape, self.psf.fwhm(where), self.psf.beta)
        return Lattice.of(shape, np.sqrt(np.maximum(self.blob**2 + self.widening(where), 1.0)), _BLOB_BETA)

    def ellipse(self, number: int, where: FloatArray) -> tuple[tuple[float, float], FloatArray, float]:
        """Centre, matrices and beta of one component, as ``psf.moffat`` takes them."""
        y, x, width, e1, e2, tail = self.shapes[number]
        matrices = shape_matrix(np.exp(width), e1, e2) + self.widening(where)[:, None, None] * np.eye(2)
        # A width that shrinks with wavelength must not shrink through zero.
        least = np.linalg.eigvalsh(matrices)[:, 0]
        lift = np.maximum(1.0 - least, 0.0)
        return (y, x), matrices + lift[:, None, None] * np.eye(2), 1 + np.exp(tail)

    def widening(self, where: FloatArray) -> FloatArray:
        """What is added to the squared FWHM at these fractions of the wavelength range; 0 in the middle."""
        if self.psf is None:
            return self.slope * (np.asarray(where) - 0.5)
        return self.psf.fwhm(where) ** 2 - self.psf.fwhm(np.array(0.5)) ** 2


@dataclass(frozen=True)
class Prior:
    """Where the parameters are expected (``mean``), how surely (``sigma``) and their bounds (``reach``), all (n, 6)."""

    mean: FloatArray
    sigma: FloatArray
    reach: FloatArray

    def with_source(self, other: Prior) -> Prior:
        """Both lists of components as one."""
        join = np.concatenate
        return Prior(join([self.mean, other.mean]), join([self.sigma, other.sigma]), join([self.reach, other.reach]))

    def without(self, number: int) -> Prior:
        """The list without one component."""
        return Prior(*(np.delete(one, number, axis=0) for one in (self.mean, self.sigma, self.reach)))

    def stiff(self, centre: float = 1.0) -> Prior:
        """The same with narrow bounds, so that a source cannot stretch to cover a neighbour that is not named yet."""
        return replace(self, reach=np.minimum(self.reach, [centre, centre, 0.5, 0.4, 0.4, 0.4]))


def expect(positions: FloatArray, fwhm: float, reach: float = 1.0) -> Prior:
    """What galaxies look like: near the given place, about round, wider than the seeing, with the wings of a PSF.

    The numbers are those of exponential discs with clumps, seen through a Moffat PSF (simulated fields 1-4).
    ``positions`` (n, 2) and ``fwhm``, that of the seeing, in pixels; ``reach`` is how far a centre may be from its
    place, in pixels.
    """
    count = len(positions)
    mean = np.tile([0, 0, np.log(_WIDER * fwhm), 0, 0, 1.1], (count, 1))
    mean[:, :2] = positions
    sigma = np.tile([0.4 * reach, 0.4 * reach, 0.2, 0.15, 0.15, 0.3], (count, 1))
    return Prior(mean, sigma, np.tile([reach, reach, 1.2, 1.2, 1.2, 0.9], (count, 1)))


def bins(count: int) -> IntArray:
    """Where 16 bins of about equal length begin in an axis of this length, and its end."""
    return np.unique(np.linspace(0, count, _BINS + 1).astype(np.int32))


def bin_cube(cube: Weighted, where: FloatArray) -> Bands:
    """Average a subcube in 16 wavelength bins with its inverse-variance weights.

    ``where`` (nl,) is each wavelength's fraction of the way from the first to the last.
    """
    edges = bins(len(cube.weight))
    weight = np.add.reduceat(cube.weight, edges[:-1], axis=0)
    product = np.add.reduceat(cube.product, edges[:-1], axis=0)
    data = np.divide(product, weight, out=np.zeros_like(product), where=weight > 0)
    middle = np.add.reduceat(where, edges[:-1]) / np.diff(edges)
    return Bands(data, np.sqrt(weight), middle, cube.shape)


def quadratic(where: FloatArray) -> FloatArray:
    """Weights (len(where), 3) of the parabola through the values at 0, 1/2 and 1."""
    t = np.asarray(where)[:, None]
    return np.concatenate([(1 - t) * (1 - 2 * t), 4 * t * (1 - t), t * (2 * t - 1)], axis=1)


def to_bands(bands: Bands, images: FloatArray) -> FloatArray:
    """Images (..., 3, ny, nx) at the first, middle and last wavelength -> the bands (..., nb, npix)."""
    return quadratic(bands.where) @ images.reshape(*images.shape[:-2], -1)


def spread(bands: Bands, model: Model) -> FloatArray:
    """The components' profiles (n, nb, npix) in every band."""
    return to_bands(bands, model.images(bands.shape, NODES))


@dataclass(frozen=True)
class Projection:
    """The linear part solved: orthonormal columns ``q`` (nb, npix, n + 1), the sky last; ``flux`` (nb, n + 1);
    ``residual`` (nb, npix) in units of the noise."""

    q: FloatArray
    flux: FloatArray
    residual: FloatArray


def project(bands: Bands, images: FloatArray) -> Projection:
    """Solve for every band's fluxes and sky, given profiles (n, nb, npix)."""
    design = np.concatenate([images * bands.root, bands.root[None]]).transpose(1, 2, 0)
    q, r = np.linalg.qr(design)
    target = bands.data * bands.root
    inside = (q.transpose(0, 2, 1) @ target[..., None])[..., 0]
    # A source without pixels in a band has a null column; its flux there is 0.
    null = np.abs(np.einsum('bii->bi', r)) < 1e-9 * np.abs(r).max(axis=(1, 2), initial=1e-300)[:, None]
    flux = np.linalg.solve(r + null[:, :, None] * np.eye(r.shape[1]), np.where(null, 0, inside)[..., None])[..., 0]
    return Projection(q, flux, target - (q @ inside[..., None])[..., 0])
