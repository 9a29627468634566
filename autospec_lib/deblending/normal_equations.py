"""Chi-square of a model, minimised over all fluxes in bands, and its normal equations.

In every band the fluxes of the components and the sky are linear parameters and are solved for
exactly (variable projection, Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413). The remaining
parameters are the shapes of the Moffat functions and the clumps' fluxes relative to their
component, which are the same in all bands. Clumps must be in the same fit: a bright source that is
not a Moffat function would otherwise distort the shapes of its faint neighbours.

The normal equations are in single precision, which halves their time: they lead to the minimum, but
chi-square, which says where it is, is in double precision.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core.moffat import moffat_slopes, shape_matrix
from autospec_lib.core.types import FloatArray, IntArray
from autospec_lib.deblending.clumps import CLUMP_WIDTH, ClumpGrid, ClumpPrior, grid_places
from autospec_lib.deblending.linear_system import project
from autospec_lib.deblending.model import AT_ONCE, N_SHAPE, Model, ellipses
from autospec_lib.deblending.weighted_data import BAND_NODES, Bands, parabola_weights

SingleArray: TypeAlias = NDArray[np.float32]
# Step in an ellipticity for the numerical derivative of the matrix of squared FWHM.
_STEP = 1e-5
_LOG_FWHM = 2  # among the shape parameters
# The slope has no prior; this keeps the matrix regular where the data say nothing about it.
_LEAST_PRECISION = 1e-9


@dataclass(frozen=True)
class Point:
    """The model at one set of parameters.

    ``values`` are the parameters, ``flux`` (n, nb) the components' fluxes in units of
    `Problem.noise`, ``q`` and ``residual`` as in `Projection`, ``derivatives`` (m, 7, 3, ny, nx)
    those of the smooth profiles of the m components with free parameters, at the `BAND_NODES`, with
    respect to the shapes and the slope, ``chi2`` the sum of squares, including the priors' terms.
    """

    values: FloatArray
    flux: SingleArray
    q: SingleArray
    residual: SingleArray
    derivatives: SingleArray
    chi2: float


@dataclass(frozen=True)
class Problem:
    """What is fitted.

    The parameters are the free ones of the shapes (at most 6 for each of n components), the slope
    where the model has no PSF, and the clumps' fluxes, component by component. ``start`` has the
    model's prior, ``grid`` the clumps or None. A component with a fixed width has no clumps.
    """

    bands: Bands
    start: Model
    grid: ClumpGrid | None = None
    clump_prior: ClumpPrior = field(default_factory=ClumpPrior)

    @classmethod
    def of(cls, bands: Bands, start: Model, clump_share: float) -> Problem:
        """The problem with clumps of this prior, as in `ClumpPrior.of`, around the sources' initial
        positions."""
        if not clump_share:
            return cls(bands, start)
        start = replace(start, clump_fwhm=CLUMP_WIDTH * float(np.exp(start.shapes[:, 2].min())))
        grid = start.clump_grid(grid_places(bands.shape), bands.shape, BAND_NODES)
        smooth = start.smooth_images(bands.shape, BAND_NODES[1:2])[:, 0]
        clumpy = start.prior.free[:, _LOG_FWHM]
        return cls(bands, start, grid, ClumpPrior.of(grid, smooth, clump_share, clumpy))

    @property
    def noise(self) -> float:
        """The smallest error in a pixel of a band. In this unit, single precision holds the fluxes
        of any cube."""
        return float(1 / self.bands.root_weight.max())

    @property
    def n_shape(self) -> int:
        """Number of parameters before the clumps' fluxes."""
        return int(self.start.prior.free.sum()) + (self.start.psf is None)

    @property
    def moving(self) -> IntArray:
        """The components (m,) with free parameters."""
        return np.flatnonzero(self.start.prior.free.any(axis=1)).astype(np.int32)

    def values(self, model: Model) -> FloatArray:
        """The parameters of a model with these components and, if there is a grid, clumps."""
        parts = [model.shapes[self.start.prior.free]]
        if self.start.psf is None:
            parts.append(np.array([model.slope]))
        if model.clump_flux is not None:
            parts += [
                row[used] for row, used in zip(model.clump_flux, self.clump_prior.used, strict=True)
            ]
        return np.concatenate(parts)

    @property
    def n_clumps(self) -> int:
        """Number of the clumps' fluxes."""
        return sum(len(used) for used in self.clump_prior.used)

    def model(self, values: FloatArray) -> Model:
        """The model with these parameters."""
        shapes = self._shapes(values)
        slope = float(values[self.n_shape - 1]) if self.start.psf is None else 0.0
        if self.grid is None:
            return replace(self.start, shapes=shapes, slope=slope, clump_flux=None)
        flux = np.zeros((len(shapes), len(self.grid.places)))
        for row, used, own in zip(
            flux, self.clump_prior.used, self._clump_fluxes(values), strict=True
        ):
            row[used] = own
        return replace(self.start, shapes=shapes, slope=slope, clump_flux=flux)

    def at(self, values: FloatArray) -> Point:
        """The model at these parameters, with the fluxes in bands solved for."""
        model = self.model(values)
        moving, still = self.moving, np.setdiff1d(np.arange(len(model.shapes)), self.moving)
        images = np.empty((len(model.shapes), len(BAND_NODES), *self.bands.shape))
        slopes = np.empty((len(moving), N_SHAPE + 1, *images.shape[1:]))
        for first in range(0, len(moving), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            some = replace(model, shapes=model.shapes[moving[part]])
            images[moving[part]], slopes[part] = _smooth(some, self.bands.shape)
        if still.size:
            images[still] = replace(model, shapes=model.shapes[still]).smooth_images(
                self.bands.shape, BAND_NODES
            )
        if self.grid is not None and model.clump_flux is not None:
            images = images + np.tensordot(model.clump_flux, self.grid.images, axes=1)
        projection = project(self.bands, self.bands.interpolate(images))
        chi2 = np.square(projection.residual).sum() + np.square(self._deviation(values)).sum()
        for own, precision in zip(
            self._clump_fluxes(values), self.clump_prior.precision, strict=True
        ):
            chi2 += own @ precision @ own
        parts = (projection.flux[:, :-1].T / self.noise, projection.q, projection.residual, slopes)
        flux, q, residual, derivatives = (part.astype(np.float32) for part in parts)
        return Point(values, flux, q, residual, derivatives, float(chi2))

    def normal_equations(self, point: Point) -> tuple[FloatArray, FloatArray]:
        """The normal matrix, and minus half the gradient of chi-square.

        They are J' (1 - Q Q') J and J' r plus the priors' terms (Kaufman 1975, BIT 15, 49). The
        columns of J are the derivatives of the weighted profiles times their fluxes, Q Q' projects
        on the profiles, and r is the residual.
        """
        free, flux, (root, parabola) = self.start.prior.free, point.flux[self.moving], self._weights
        derivatives = point.derivatives.reshape(*point.derivatives.shape[:3], -1)  # (m, 7, 3, npix)
        columns, end = np.empty((self.n_shape, *root.shape), np.float32), 0
        for own, slopes, used in zip(flux, derivatives, free[self.moving], strict=True):
            rows = slice(end, end + int(used.sum()))
            np.matmul(parabola, slopes[:N_SHAPE][used], out=columns[rows])
            columns[rows] *= own[:, None] * root
            end = rows.stop
        if self.start.psf is None:
            of_nodes = (flux[:, None] * parabola.T).reshape(-1, len(root))  # (m * 3, nb)
            columns[end] = root * (of_nodes.T @ derivatives[:, N_SHAPE].reshape(len(of_nodes), -1))
        # The parts of the columns along the profiles: a change of the fluxes has the same effect.
        # In single precision, products of what is left are more precise than differences of
        # products.
        inside = columns.transpose(1, 0, 2) @ point.q.transpose(0, 2, 1)  # (nb, p, n + 1)
        columns -= (inside @ point.q).transpose(1, 0, 2)
        inside = inside.transpose(1, 0, 2).reshape(len(columns), -1)
        flat = columns.reshape(len(columns), -1)
        matrix = (flat @ flat.T).astype(float)
        gradient = (flat @ point.residual.ravel()).astype(float)
        if self.grid is not None:
            across, own, along, clump_gradient = self._clump_terms(self.grid, point)
            across -= inside @ along.T
            matrix = np.block([[matrix, across], [across.T, own - along @ along.T]])
            gradient = np.concatenate([gradient, clump_gradient])
        sigma = self.start.prior.sigma[free]
        precision = np.full(len(matrix), _LEAST_PRECISION)
        precision[: sigma.size] = sigma**-2.0
        gradient[: sigma.size] -= self._deviation(point.values) / sigma
        return matrix + np.diag(precision), gradient

    @property
    def _weights(self) -> tuple[SingleArray, SingleArray]:
        """The square roots of the data's weights (nb, npix) in units of `noise`, and the weights of
        the nodes (nb, 3)."""
        parabola = parabola_weights(self.bands.fraction)
        root = self.bands.root_weight * self.noise
        return root.astype(np.float32), parabola.astype(np.float32)

    def _clump_fluxes(self, values: FloatArray) -> list[FloatArray]:
        """Each component's clump fluxes (m_k,)."""
        ends = np.cumsum([len(used) for used in self.clump_prior.used])
        return np.split(values[self.n_shape :], ends)[:-1]

    def _deviation(self, values: FloatArray) -> FloatArray:
        """Deviation of the free shape parameters from the prior's mean, in its sigma."""
        prior = self.start.prior
        return np.asarray(((self._shapes(values) - prior.mean) / prior.sigma)[prior.free])

    def _shapes(self, values: FloatArray) -> FloatArray:
        """The shapes (n, 6) with these parameters; what is not free is the prior's mean."""
        shapes = self.start.prior.mean.copy()
        free = self.start.prior.free
        shapes[free] = values[: free.sum()]
        return shapes

    def _clump_terms(
        self, grid: ClumpGrid, point: Point
    ) -> tuple[SingleArray, SingleArray, SingleArray, FloatArray]:
        """The clumps' part of the normal equations: the joint cross-correlation of all sources with
        the data.

        With the components' fluxes in bands as rows of S and the weights W, the products of clumps
        with each other are S W S', and with the residual r they are S W r. AutoSpec's
        cross-correlation map uses one spectrum alone, so it also shows neighbours of similar
        spectrum; the matrix S W S' corrects for these.

        Parameters
        ----------
        grid : ClumpGrid
            The grid of m clumps, of which component k uses m_k; M is the sum of all m_k.
        point : Point
            The model at the present parameters.

        Returns
        -------
        across (p, M), own (M, M), inside (M, nb (n + 1)), gradient (M,)
            The clumps' products with the columns of the p shape parameters and with each other,
            their parts along the profiles, and minus half the gradient. The products use the
            clumps' images at the middle wavelength for all bands; the gradient, which determines
            the minimum, uses the images at all three nodes.
        """
        flux, (root, parabola) = point.flux, self._weights
        middle = grid.images[:, 1].reshape(len(grid.places), -1).astype(np.float32)
        images = [middle[used] for used in self.clump_prior.used]  # (m_k, npix) each
        flat = grid.images.reshape(len(grid.places), -1)
        rooted = (point.q * root[:, None]).reshape(-1, root.shape[1])
        # S W r for each of the three nodes: (n, nb), (nb, 3), (nb, npix) -> (n, 3, npix)
        maps = np.einsum('kb,bn,bp->knp', flux, parabola, root * point.residual, optimize=True)
        weighted = self._weighted_slopes(point)  # (p, n, npix)
        # Sources that overlap have clumps at the same places.
        places = np.unique(np.concatenate(self.clump_prior.used))
        along = np.zeros((len(middle), len(rooted)), np.float32)
        along[places] = middle[places] @ rooted.T
        across, inside, gradient = [], [], []
        for k, (used, own) in enumerate(
            zip(self.clump_prior.used, self._clump_fluxes(point.values), strict=True)
        ):
            across.append(weighted[:, k] @ images[k].T)
            inside.append(along[used] * np.repeat(flux[k], point.q.shape[1]))
            correlation = flat[used] @ maps[k].ravel()
            gradient.append(correlation - self.clump_prior.precision[k] @ own)
        # S W S' per pixel: (n, nb), (n, nb), (nb, npix) -> (n, n, npix)
        products = np.einsum('kb,lb,bp->klp', flux, flux, np.square(root), optimize=True)
        return (
            np.concatenate(across, axis=1),
            self._clump_matrix(images, products),
            np.concatenate(inside),
            np.concatenate(gradient),
        )

    def _weighted_slopes(self, point: Point) -> SingleArray:
        """The columns of p shape parameters times each component's weighted fluxes, summed over
        bands: (p, n, npix).

        The sum over bands is made first, at the three nodes of the derivatives.
        """
        flux, (root, parabola) = point.flux, self._weights
        square, free, nodes = np.square(root), self.start.prior.free, parabola.shape[1]
        weighted = np.zeros((self.n_shape, len(flux), square.shape[1]), np.float32)
        end = 0
        for k, slopes in zip(self.moving, point.derivatives, strict=True):
            mixed = (flux * flux[k])[:, None] * parabola.T  # (n, 3, nb)
            weights = (mixed.reshape(-1, len(square)) @ square).reshape(len(flux), nodes, -1)
            summed = np.einsum('pmx,nmx->pnx', slopes.reshape(len(slopes), nodes, -1), weights)
            own = summed[:N_SHAPE][free[k]]
            weighted[end : end + len(own)] = own
            end += len(own)
            if self.start.psf is None:
                weighted[-1] += summed[N_SHAPE]
        return weighted

    def _clump_matrix(self, images: list[SingleArray], weights: SingleArray) -> SingleArray:
        """Products of all clumps (M, M) with the weights S W S' (n, n, npix), plus the prior's
        precision."""
        ends = np.cumsum([0, *map(len, images)])
        matrix = np.empty((ends[-1], ends[-1]), np.float32)
        for one, own in enumerate(images):
            rows = slice(ends[one], ends[one + 1])
            for other in range(one + 1):
                columns = slice(ends[other], ends[other + 1])
                matrix[rows, columns] = (own * weights[one, other]) @ images[other].T
                matrix[columns, rows] = matrix[rows, columns].T
            matrix[rows, rows] += self.clump_prior.precision[one]
        return matrix


def _smooth(model: Model, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """The components' Moffat images (n, 3, ny, nx) at the `BAND_NODES`, and their derivatives (n,
    7, 3, ny, nx) with respect to the shape parameters and the slope."""
    count, nodes = len(model.shapes), len(BAND_NODES)
    functions = ellipses(model.shapes, model.widening(BAND_NODES))
    values, raw = moffat_slopes(shape, *functions, model.pixel)
    # (n, 3, 6, ny nx)
    raw = raw.reshape(len(raw), count, nodes, -1).transpose(1, 2, 0, 3)
    log_fwhm, e1, e2 = model.shapes[:, 2:5].T
    matrix = shape_matrix(np.exp(log_fwhm), e1, e2)
    # The derivatives (n, 3, 7, 6) of centre, (C_yy, C_xx, C_xy) and beta by the shape parameters
    # and the slope.
    chain = np.zeros((count, nodes, N_SHAPE + 1, len(raw[0, 0])))
    chain[:, :, [0, 1], [0, 1]] = 1
    chain[:, :, 5, 5] = functions[2].reshape(count, nodes) - 1
    changes = {
        2: 2 * matrix,
        3: (shape_matrix(np.exp(log_fwhm), e1 + _STEP, e2) - matrix) / _STEP,
        4: (shape_matrix(np.exp(log_fwhm), e1, e2 + _STEP) - matrix) / _STEP,
    }
    for row, change in changes.items():
        chain[:, :, row, 2:5] = np.stack(
            [change[:, 0, 0], change[:, 1, 1], change[:, 0, 1]], axis=-1
        )[:, None]
    chain[:, :, 6, 2:4] = (BAND_NODES - 0.5)[:, None]
    slopes = (chain @ raw).transpose(0, 2, 1, 3)
    return values.reshape(count, nodes, *shape), slopes.reshape(count, N_SHAPE + 1, nodes, *shape)
