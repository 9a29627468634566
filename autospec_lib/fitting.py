"""The search for the sources' shapes, with all fluxes projected out and structure marginal to it.

In every wavelength bin the fluxes and the sky enter the model linearly, so they are solved for and drop out: variable
projection (Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413). What is left are the Moffat functions' parameters and
the fluxes of the blobs of structure, which all bins share. Both are searched for at once: a bright source that is no
Moffat function would otherwise bend the shapes of its faint neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core.moffat import moffat, moffat_slopes, shape_matrix
from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.profiles import NODES, SIZE, Bands, Model, Prior, Projection, project, quadratic, to_bands
from autospec_lib.structure import Expectation, Lattice

# The smallest structure that may show where no PSF is known: a little less than the narrowest source.
_NARROW = 0.9
_STEPS, _TRIES = 15, 5
_DAMPING, _LEAST = 1e-3, 1e-4
# A step that lowers chi-square by less than this share ends the search.
_SETTLED = 1e-4


@dataclass(frozen=True)
class _Point:
    """A place of the search: all parameters, the linear part solved there, the profiles' derivatives
    (n, 7, 3, ny, nx), and the sum of the squares."""

    values: FloatArray
    now: Projection
    slopes: FloatArray
    chi2: float


@dataclass(frozen=True)
class _Problem:
    """The data, what is expected, and where structure may be; ``start`` says which parameters there are."""

    bands: Bands
    before: Prior
    start: Model
    lattice: Lattice | None
    expected: Expectation

    @property
    def size(self) -> int:
        """Number of the shapes' parameters: six per source, and the slope where no PSF sets it."""
        return int(self.before.mean.size) + (self.start.psf is None)

    def model(self, values: FloatArray) -> Model:
        """The model that these parameters stand for."""
        shapes = values[: self.before.mean.size].reshape(-1, SIZE)
        slope = float(values[self.size - 1]) if self.start.psf is None else 0.0
        if self.lattice is None:
            return replace(self.start, shapes=shapes, slope=slope, knots=None)
        knots = np.zeros((len(shapes), len(self.lattice.grid)))
        for row, part, own in zip(knots, self.expected.used, self.knots(values), strict=True):
            row[part] = own
        return replace(self.start, shapes=shapes, slope=slope, knots=knots)

    def knots(self, values: FloatArray) -> list[FloatArray]:
        """Each source's fluxes of structure."""
        ends = np.cumsum([len(part) for part in self.expected.used])
        return np.split(values[self.size :], ends)[:-1]

    def pull(self, values: FloatArray) -> FloatArray:
        """How far the shapes are from what is expected, in sigma."""
        shapes = values[: self.before.mean.size].reshape(-1, SIZE)
        return np.asarray((shapes - self.before.mean) / self.before.sigma).ravel()

    def at(self, values: FloatArray) -> _Point:
        """Solve for the fluxes at these parameters."""
        model = self.model(values)
        parts = [_slopes(model, number, self.bands.shape) for number in range(len(model.shapes))]
        images = np.array([one for one, _ in parts])
        if self.lattice is not None and model.knots is not None:
            images = images + self.lattice.images(model.knots)
        now = project(self.bands, to_bands(self.bands, images))
        chi2 = np.square(now.residual).sum() + np.square(self.pull(values)).sum()
        for own, precision in zip(self.knots(values), self.expected.precision, strict=True):
            chi2 += own @ precision @ own
        return _Point(values, now, np.array([one for _, one in parts]), float(chi2))

    def normal(self, point: _Point) -> tuple[FloatArray, FloatArray]:
        """The normal matrix and the way downhill: minus the part outside the profiles' plane of each derivative times
        its flux (Kaufman 1975, BIT 15, 49)."""
        count, now, root = self.before.mean.size, point.now, self.bands.root
        flux = now.flux[:, :-1].T
        moved = to_bands(self.bands, point.slopes) * (flux[:, None, :, None] * root)
        columns = moved[:, :SIZE].reshape(count, *root.shape)
        if self.start.psf is None:
            columns = np.concatenate([columns, moved[:, SIZE].sum(axis=0, keepdims=True)])
        inside = (columns.transpose(1, 0, 2) @ now.q).transpose(1, 0, 2).reshape(len(columns), -1)
        flat = columns.reshape(len(columns), -1)
        matrix = flat @ flat.T
        downhill = flat @ now.residual.ravel()
        if self.lattice is not None:
            across, gram, shares, right = self._blobs(self.lattice, point, columns)
            matrix = np.block([[matrix, across], [across.T, gram]])
            downhill, inside = np.concatenate([downhill, right]), np.concatenate([inside, shares])
        matrix -= inside @ inside.T
        steep = np.zeros(len(matrix))
        steep[:count] = self.before.sigma.ravel() ** -2.0
        downhill[:count] -= self.pull(point.values) / self.before.sigma.ravel()
        return matrix + np.diag(steep), downhill

    def _blobs(
        self, lattice: Lattice, point: _Point, columns: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The structure's part of the normal equations: with the shapes, with itself, with the profiles, and downhill.

        The matrix takes every blob as it is at mid wavelength; the way downhill, which sets where the search ends,
        does not.
        """
        flux, root = point.now.flux[:, :-1].T, self.bands.root
        middle = lattice.blobs[:, 1].reshape(len(lattice.grid), -1)
        parts = [middle[part] for part in self.expected.used]
        rooted = (point.now.q * root[:, :, None]).transpose(1, 0, 2).reshape(root.shape[1], -1)
        seen = np.einsum('kb,bn,bp->knp', flux, quadratic(self.bands.where), root * point.now.residual, optimize=True)
        across, shares, right = [], [], []
        for k, (part, own) in enumerate(zip(self.expected.used, self.knots(point.values), strict=True)):
            across.append((columns * (flux[k][:, None] * root)).sum(axis=1) @ parts[k].T)
            bands = (parts[k] @ rooted).reshape(len(part), len(root), -1) * flux[k][:, None]
            shares.append(bands.reshape(len(part), -1))
            wanted = lattice.blobs[part].reshape(len(part), -1) @ seen[k].ravel()
            right.append(wanted - self.expected.precision[k] @ own)
        gram = self._gram(parts, np.einsum('kb,lb,bp->klp', flux, flux, np.square(root), optimize=True))
        return np.concatenate(across, axis=1), gram, np.concatenate(shares), np.concatenate(right)

    def _gram(self, parts: list[FloatArray], weights: FloatArray) -> FloatArray:
        """Products of all blobs with each other under S W S' (k, k, npix), and what is expected of them."""
        ends = np.cumsum([0, *map(len, parts)])
        gram = np.empty((ends[-1], ends[-1]))
        for one, own in enumerate(parts):
            rows = slice(ends[one], ends[one + 1])
            for two in range(one + 1):
                columns = slice(ends[two], ends[two + 1])
                gram[rows, columns] = (own * weights[one, two]) @ parts[two].T
                gram[columns, rows] = gram[rows, columns].T
            gram[rows, rows] += self.expected.precision[one]
        return gram


def _slopes(model: Model, number: int, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """One component's images (3, ny, nx) and their derivatives (7, 3, ny, nx), the slope's last."""
    centre, matrices, beta = model.ellipse(number, NODES)
    values, raw = moffat_slopes(shape, centre, matrices, beta)
    _, _, width, e1, e2, _ = model.shapes[number]
    base = shape_matrix(np.exp(width), e1, e2)
    step = 1e-5
    bends = [2 * base]
    for one, two in ((step, 0.0), (0.0, step)):
        bends.append((shape_matrix(np.exp(width), e1 + one, e2 + two) - base) / step)
    bends.append(np.eye(2))
    through = [bend[0, 0] * raw[2] + bend[1, 1] * raw[3] + bend[0, 1] * raw[4] for bend in bends]
    run = (NODES - 0.5)[:, None, None]
    return values, np.array([raw[0], raw[1], *through[:3], (beta - 1) * raw[5], run * through[3]])


def fit(bands: Bands, before: Prior, start: Model, loose: float = 0.0) -> Model:
    """Fit the shapes of all components to all bands at once, by damped least squares within bounds.

    Parameters
    ----------
    bands : Bands
        Data.
    before : Prior
        Expectations and bounds for the n components.
    start : Model
        Where to start. Where it has a PSF, that sets how the profiles' widths run with wavelength; otherwise one slope
        is fitted.
    loose : float
        How much structure the sources may have upon their Moffat functions, as a share of their light; 0 for none.
    """
    problem = _posed(bands, before, start, loose)
    low, high = (before.mean - before.reach).ravel(), (before.mean + before.reach).ravel()
    first = start.shapes.ravel()
    if start.psf is None:
        wide = float(np.exp(2 * before.mean[0, 2]))
        low, high, first = np.append(low, -wide), np.append(high, wide), np.append(first, start.slope)
    unbound = np.full(sum(len(part) for part in problem.expected.used), np.inf)
    first = np.concatenate([np.clip(first, low, high), 0 * np.isfinite(unbound)])
    walls = np.concatenate([low, -unbound]), np.concatenate([high, unbound])
    found = _minimise(problem, first, *walls)
    return replace(problem.model(found.values), chi2=found.chi2)


def _posed(bands: Bands, before: Prior, start: Model, loose: float) -> _Problem:
    """The problem, with the structure that is expected of sources as they are at the start."""
    if not loose:
        return _Problem(bands, before, start, None, Expectation((), ()))
    start = replace(start, blob=_NARROW * float(np.exp(start.shapes[:, 2].min())))
    lattice = start.lattice(bands.shape, NODES)
    smooth = [moffat(bands.shape, *start.ellipse(k, NODES[1:2]))[0] for k in range(len(start.shapes))]
    return _Problem(bands, before, start, lattice, Expectation.of(lattice, np.array(smooth), loose))


def _minimise(problem: _Problem, first: FloatArray, low: FloatArray, high: FloatArray) -> _Point:
    """Levenberg's and Marquardt's search; a parameter at a wall that it is pushed against stays there.

    Not scipy's `least_squares`: it wants the whole Jacobian, a row for each pixel of each band and a column for each
    blob, of which only the normal matrix is ever needed here.
    """
    point, damping = problem.at(first), _DAMPING
    for _ in range(_STEPS):
        matrix, downhill = problem.normal(point)
        free = ~((point.values <= low) & (downhill < 0) | (point.values >= high) & (downhill > 0))
        for _ in range(_TRIES):
            step = _step(matrix, downhill, free, damping)
            trial = problem.at(np.clip(point.values + step, low, high))
            if trial.chi2 < point.chi2:
                break
            damping *= 10
        else:
            return point
        settled = point.chi2 - trial.chi2 < _SETTLED * point.chi2
        point, damping = trial, max(damping / 10, _LEAST)
        if settled:
            break
    return point


def _step(matrix: FloatArray, downhill: FloatArray, free: BoolArray, damping: float) -> FloatArray:
    """The damped step of the free parameters."""
    step = np.zeros(len(downhill))
    part = matrix[np.ix_(free, free)]
    step[free] = np.linalg.solve(part + damping * np.diag(np.diag(part)), downhill[free])
    return step
