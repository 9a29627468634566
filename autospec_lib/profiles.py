"""Shapes of overlapping sources from the data alone: a joint fit of Moffat functions by variable projection.

In every wavelength bin the fluxes and the sky enter the model linearly, so they are solved for and drop out (Golub &
Pereyra 1973, SIAM J. Numer. Anal. 10, 413); what is left to search are the shapes, which all bins share.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from autospec_lib.model import FloatArray
from autospec_lib.psf import Psf, moffat, moffat_slopes, shape_matrix
from autospec_lib.solve import Weighted

# Parameters of a source: y, x (pixels), log FWHM, two ellipticities, log(beta - 1).
SIZE = 6
_BINS = 16
_NODES = np.array([0.0, 0.5, 1.0])


@dataclass(frozen=True)
class Bands:
    """The subcube averaged in wavelength bins: ``data`` (nb, npix), ``root`` (nb, npix) the square root of its weight,
    ``where`` (nb,) each bin's fraction of the way from the first wavelength to the last, ``shape`` (ny, nx)."""

    data: FloatArray
    root: FloatArray
    where: FloatArray
    shape: tuple[int, int]


@dataclass(frozen=True)
class Model:
    """Fitted shapes of n components.

    ``shapes`` (n, 6) as ``SIZE`` says; ``slope`` is the change of the squared FWHM (pixels squared) from the first
    wavelength to the last, the same for all, unless ``psf`` sets it; ``chi2`` the sum of the squares.
    """

    shapes: FloatArray
    slope: float = 0.0
    psf: Psf | None = None
    chi2: float = np.inf

    def images(self, shape: tuple[int, int], where: FloatArray) -> FloatArray:
        """Profiles (n, len(where), ny, nx) of total flux 1 at these fractions of the wavelength range."""
        return np.array([moffat(shape, *self.ellipse(number, where)) for number in range(len(self.shapes))])

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

    def stiff(self, centre: float = 0.4) -> Prior:
        """The same with narrow bounds, so that a source cannot stretch to cover a neighbour that is not named yet."""
        return replace(self, reach=np.minimum(self.reach, [centre, centre, 0.5, 0.4, 0.4, 0.4]))


def expect(positions: FloatArray, fwhm: float, reach: float = 1.0) -> Prior:
    """Weak expectations that keep faint sources sane: at the given place, round, near the seeing's width.

    ``positions`` (n, 2) and ``fwhm`` in pixels; ``reach`` is how far a centre may be from its place, in pixels.
    """
    count = len(positions)
    mean = np.tile([0, 0, np.log(fwhm), 0, 0, 1.0], (count, 1))
    mean[:, :2] = positions
    sigma = np.tile([reach / 2, reach / 2, 0.4, 0.4, 0.4, 0.35], (count, 1))
    return Prior(mean, sigma, np.tile([reach, reach, 1.2, 1.2, 1.2, 1.2], (count, 1)))


def bin_cube(cube: Weighted, where: FloatArray) -> Bands:
    """Average a subcube in 16 wavelength bins with its inverse-variance weights.

    ``where`` (nl,) is each wavelength's fraction of the way from the first to the last.
    """
    count = len(cube.weight)
    edges = np.unique(np.linspace(0, count, _BINS + 1).astype(int))[:-1]
    weight = np.add.reduceat(cube.weight, edges, axis=0)
    product = np.add.reduceat(cube.product, edges, axis=0)
    data = np.divide(product, weight, out=np.zeros_like(product), where=weight > 0)
    middle = np.add.reduceat(where, edges) / np.diff(np.append(edges, count))
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
    return to_bands(bands, model.images(bands.shape, _NODES))


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


@dataclass
class _Problem:
    """Residuals and Jacobian for the search; remembers the last point, for which both are asked."""

    bands: Bands
    before: Prior
    psf: Psf | None
    last: tuple[FloatArray, Projection, FloatArray] | None = field(default=None)

    def model(self, values: FloatArray) -> Model:
        size = self.before.mean.size
        slope = float(values[size]) if len(values) > size else 0.0
        return Model(values[:size].reshape(-1, SIZE), slope, self.psf)

    def at(self, values: FloatArray) -> tuple[Projection, FloatArray]:
        """The projection and the profiles' derivatives (n, 6 + 1, nb, npix), the slope's last."""
        if self.last is None or not np.array_equal(self.last[0], values):
            model = self.model(values)
            parts = [_slopes(model, number, self.bands.shape) for number in range(len(model.shapes))]
            profiles = to_bands(self.bands, np.array([one for one, _ in parts]))
            slopes = np.array([one for _, one in parts])
            self.last = (values.copy(), project(self.bands, profiles), slopes)
        return self.last[1], self.last[2]

    def residuals(self, values: FloatArray) -> FloatArray:
        pull = (values[: self.before.mean.size].reshape(-1, SIZE) - self.before.mean) / self.before.sigma
        return np.concatenate([self.at(values)[0].residual.ravel(), pull.ravel()])

    def jacobian(self, values: FloatArray) -> FloatArray:
        """Minus the part outside the profiles' plane of each derivative times its flux (Kaufman 1975, BIT 15, 49)."""
        now, slopes = self.at(values)
        size = self.before.mean.size
        moved = to_bands(self.bands, slopes) * (now.flux[:, :-1].T[:, None, :, None] * self.bands.root)
        columns = moved[:, :SIZE].reshape(size, *self.bands.root.shape)
        if len(values) > size:
            columns = np.concatenate([columns, moved[:, SIZE].sum(axis=0, keepdims=True)])
        stack = columns.transpose(1, 2, 0)
        stack = stack - now.q @ (now.q.transpose(0, 2, 1) @ stack)
        tail = np.zeros((size, len(values)))
        np.fill_diagonal(tail, (1 / self.before.sigma).ravel())
        return np.concatenate([-stack.reshape(-1, len(values)), tail])


def _slopes(model: Model, number: int, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """One component's images (3, ny, nx) and their derivatives (7, 3, ny, nx), the slope's last."""
    centre, matrices, beta = model.ellipse(number, _NODES)
    values, raw = moffat_slopes(shape, centre, matrices, beta)
    _, _, width, e1, e2, _ = model.shapes[number]
    base = shape_matrix(np.exp(width), e1, e2)
    step = 1e-5
    bends = [2 * base]
    for one, two in ((step, 0.0), (0.0, step)):
        bends.append((shape_matrix(np.exp(width), e1 + one, e2 + two) - base) / step)
    bends.append(np.eye(2))
    through = [bend[0, 0] * raw[2] + bend[1, 1] * raw[3] + bend[0, 1] * raw[4] for bend in bends]
    run = (_NODES - 0.5)[:, None, None]
    return values, np.array([raw[0], raw[1], *through[:3], (beta - 1) * raw[5], run * through[3]])


def fit(bands: Bands, before: Prior, psf: Psf | None = None, start: Model | None = None) -> Model:
    """Fit the shapes of all components to all bands at once, by ``scipy.optimize.least_squares``.

    Parameters
    ----------
    bands : Bands
        Data.
    before : Prior
        Expectations and bounds for the n components.
    psf : Psf or None
        Where given, its widths set how the profiles' widths run with wavelength; otherwise one slope is fitted.
    start : Model or None
        Where to start, in place of the prior's mean.
    """
    from scipy.optimize import least_squares

    problem = _Problem(bands, before, psf)
    low, high = (before.mean - before.reach).ravel(), (before.mean + before.reach).ravel()
    first = before.mean.ravel() if start is None else start.shapes.ravel()
    if psf is None:
        wide = float(np.exp(2 * before.mean[0, 2]))
        low, high = np.append(low, -wide), np.append(high, wide)
        first = np.append(first, 0.0 if start is None else start.slope)
    margin = 1e-3 * (high - low)
    first = np.clip(first, low + margin, high - margin)
    options = {'x_scale': 'jac', 'ftol': 1e-5, 'xtol': 1e-4, 'max_nfev': 30}
    found = least_squares(problem.residuals, first, problem.jacobian, bounds=(low, high), **options)
    return replace(problem.model(found.x), chi2=2 * float(found.cost))
