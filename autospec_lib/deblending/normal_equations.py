"""Chi-square of a model, minimised over all fluxes in bands, and its normal equations.

In every band the fluxes of the components and the sky are linear parameters and are solved for exactly (variable
projection, Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413). The remaining parameters are the shapes of the Moffat
functions and the clumps' fluxes relative to their component, which are the same in all bands. Clumps must be in the
same fit: a bright source that is not a Moffat function would otherwise distort the shapes of its faint neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from autospec_lib.core.moffat import moffat, moffat_slopes, shape_matrix
from autospec_lib.core.types import FloatArray, IntArray
from autospec_lib.deblending.clumps import ClumpGrid, ClumpPrior
from autospec_lib.deblending.linear_system import Projection, project
from autospec_lib.deblending.model import N_SHAPE, Model
from autospec_lib.deblending.weighted_data import BAND_NODES, Bands, parabola_weights

# FWHM of clumps if no PSF is known, in units of the FWHM of the narrowest source.
_CLUMP_WIDTH = 0.9
# Step in an ellipticity for the numerical derivative of the matrix of squared FWHM.
_STEP = 1e-5
_LOG_FWHM = 2  # among the shape parameters


@dataclass(frozen=True)
class Point:
    """The model at one set of parameters.

    ``values`` are the parameters, ``derivatives`` (m, 7, 3, ny, nx) those of the smooth profiles of the m components
    with free parameters, at the `BAND_NODES`, with respect to the shapes and the slope, ``chi2`` the sum of squares,
    including the priors' terms.
    """

    values: FloatArray
    projection: Projection
    derivatives: FloatArray
    chi2: float


@dataclass(frozen=True)
class Problem:
    """What is fitted.

    The parameters are the free ones of the shapes (at most 6 for each of n components), the slope where the model has
    no PSF, and the clumps' fluxes, component by component. ``start`` has the model's prior, ``grid`` the clumps or
    None. A component with a fixed width has no clumps.
    """

    bands: Bands
    start: Model
    grid: ClumpGrid | None = None
    clump_prior: ClumpPrior = field(default_factory=ClumpPrior)

    @classmethod
    def of(cls, bands: Bands, start: Model, clump_share: float) -> Problem:
        """The problem with clumps of this prior, as in `ClumpPrior.of`, around the sources' initial positions."""
        if not clump_share:
            return cls(bands, start)
        start = replace(start, clump_fwhm=_CLUMP_WIDTH * float(np.exp(start.shapes[:, 2].min())))
        grid, middle = start.clump_grid(bands.shape, BAND_NODES), BAND_NODES[1:2]
        smooth = [moffat(bands.shape, *start.ellipse(one, middle), start.pixel)[0] for one in range(len(start.shapes))]
        clumpy = start.prior.free[:, _LOG_FWHM]
        return cls(bands, start, grid, ClumpPrior.of(grid, np.array(smooth), clump_share, clumpy))

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
            parts += [row[used] for row, used in zip(model.clump_flux, self.clump_prior.used, strict=True)]
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
        for row, used, own in zip(flux, self.clump_prior.used, self._clump_fluxes(values), strict=True):
            row[used] = own
        return replace(self.start, shapes=shapes, slope=slope, clump_flux=flux)

    def at(self, values: FloatArray) -> Point:
        """The model at these parameters, with the fluxes in bands solved for."""
        model = self.model(values)
        images, derivatives = np.empty((len(model.shapes), len(BAND_NODES), *self.bands.shape)), []
        moving = set(self.moving.tolist())
        for one in range(len(model.shapes)):
            if one in moving:
                images[one], slopes = _smooth(model, one, self.bands.shape)
                derivatives.append(slopes)
            else:
                images[one] = moffat(self.bands.shape, *model.ellipse(one, BAND_NODES), model.pixel)
        if self.grid is not None and model.clump_flux is not None:
            images = images + np.tensordot(model.clump_flux, self.grid.images, axes=1)
        projection = project(self.bands, self.bands.interpolate(images))
        chi2 = np.square(projection.residual).sum() + np.square(self._deviation(values)).sum()
        for own, precision in zip(self._clump_fluxes(values), self.clump_prior.precision, strict=True):
            chi2 += own @ precision @ own
        slopes = np.array(derivatives).reshape(-1, N_SHAPE + 1, *images.shape[1:])
        return Point(values, projection, slopes, float(chi2))

    def normal_equations(self, point: Point) -> tuple[FloatArray, FloatArray]:
        """The normal matrix, and minus half the gradient of chi-square.

        They are J' (1 - Q Q') J and J' r plus the priors' terms (Kaufman 1975, BIT 15, 49). The columns of J are the
        derivatives of the weighted profiles times their fluxes, Q Q' projects on the profiles, and r is the residual.
        """
        free, projection, root = self.start.prior.free, point.projection, self.bands.root_weight
        flux = projection.flux[:, self.moving].T
        # (m, 7, nb, npix)
        moved = self.bands.interpolate(point.derivatives) * (flux[:, None, :, None] * root)
        columns = moved[:, :N_SHAPE][free[self.moving]]
        if self.start.psf is None:
            columns = np.concatenate([columns, moved[:, N_SHAPE].sum(axis=0, keepdims=True)])
        # The parts of the columns along the profiles: a change of the fluxes has the same effect.
        inside = (columns.transpose(1, 0, 2) @ projection.q).transpose(1, 0, 2).reshape(len(columns), -1)
        flat = columns.reshape(len(columns), -1)
        matrix = flat @ flat.T
        gradient = flat @ projection.residual.ravel()
        if self.grid is not None:
            across, own, clumps_inside, clump_gradient = self._clump_terms(self.grid, point, columns)
            matrix = np.block([[matrix, across], [across.T, own]])
            gradient, inside = np.concatenate([gradient, clump_gradient]), np.concatenate([inside, clumps_inside])
        matrix -= inside @ inside.T
        sigma = self.start.prior.sigma[free]
        precision = np.zeros(len(matrix))
        precision[: sigma.size] = sigma**-2.0
        gradient[: sigma.size] -= self._deviation(point.values) / sigma
        return matrix + np.diag(precision), gradient

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
        self, grid: ClumpGrid, point: Point, columns: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The clumps' part of the normal equations: the joint cross-correlation of all sources with the data.

        With the components' fluxes in bands as rows of S and the weights W, the products of clumps with each other are
        S W S', and with the residual r they are S W r. AutoSpec's cross-correlation map uses one spectrum alone, so it
        also shows neighbours of similar spectrum; the matrix S W S' corrects for these.

        Parameters
        ----------
        grid : ClumpGrid
            The grid of m clumps, of which component k uses m_k; M is the sum of all m_k.
        point : Point
            The parameters, with the projection at these.
        columns : array (p, nb, npix)
            The weighted columns of J for the p shape parameters.

        Returns
        -------
        across (p, M), own (M, M), inside (M, nb (n + 1)), gradient (M,)
            The clumps' products with the columns of the shapes and with each other, their parts along the profiles, and
            minus half the gradient. The products use the clumps' images at the middle wavelength for all bands; the
            gradient, which determines the minimum, uses the images at all three nodes.
        """
        flux, root = point.projection.flux[:, :-1].T, self.bands.root_weight
        middle = grid.images[:, 1].reshape(len(grid.places), -1)
        images = [middle[used] for used in self.clump_prior.used]  # (m_k, npix) each
        flat = grid.images.reshape(len(grid.places), -1)
        rooted = (point.projection.q * root[:, :, None]).transpose(1, 0, 2).reshape(root.shape[1], -1)
        # S W r for each of the three nodes: (n, nb), (nb, 3), (nb, npix) -> (n, 3, npix)
        parabola = parabola_weights(self.bands.fraction)
        maps = np.einsum('kb,bn,bp->knp', flux, parabola, root * point.projection.residual, optimize=True)
        across, inside, gradient = [], [], []
        for k, (used, own) in enumerate(zip(self.clump_prior.used, self._clump_fluxes(point.values), strict=True)):
            across.append((columns * (flux[k][:, None] * root)).sum(axis=1) @ images[k].T)
            along = (images[k] @ rooted).reshape(len(used), len(root), point.projection.q.shape[2]) * flux[k][:, None]
            inside.append(along.reshape(len(used), rooted.shape[1]))
            correlation = flat[used] @ maps[k].ravel()
            gradient.append(correlation - self.clump_prior.precision[k] @ own)
        # S W S' per pixel: (n, nb), (n, nb), (nb, npix) -> (n, n, npix)
        products = np.einsum('kb,lb,bp->klp', flux, flux, np.square(root), optimize=True)
        own = self._clump_matrix(images, products)
        return np.concatenate(across, axis=1), own, np.concatenate(inside), np.concatenate(gradient)

    def _clump_matrix(self, images: list[FloatArray], weights: FloatArray) -> FloatArray:
        """Products of all clumps (M, M) with the weights S W S' (n, n, npix), plus the prior's precision."""
        ends = np.cumsum([0, *map(len, images)])
        matrix = np.empty((ends[-1], ends[-1]))
        for one, own in enumerate(images):
            rows = slice(ends[one], ends[one + 1])
            for other in range(one + 1):
                columns = slice(ends[other], ends[other + 1])
                matrix[rows, columns] = (own * weights[one, other]) @ images[other].T
                matrix[columns, rows] = matrix[rows, columns].T
            matrix[rows, rows] += self.clump_prior.precision[one]
        return matrix


def _smooth(model: Model, component: int, shape: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """A component's Moffat images (3, ny, nx) at the `BAND_NODES`, and their derivatives (7, 3, ny, nx) with respect
    to the shape parameters and the slope."""
    centre, matrices, beta = model.ellipse(component, BAND_NODES)
    values, raw = moffat_slopes(shape, centre, matrices, beta, model.pixel)
    _, _, log_fwhm, e1, e2, _ = model.shapes[component]
    matrix = shape_matrix(np.exp(log_fwhm), e1, e2)
    # Derivatives of the matrix by log FWHM, both ellipticities, and an addition to the squared FWHM: (2, 2) each.
    by_e1, by_e2 = (
        (shape_matrix(np.exp(log_fwhm), e1 + one, e2 + other) - matrix) / _STEP
        for one, other in ((_STEP, 0.0), (0.0, _STEP))
    )
    changes = [2 * matrix, by_e1, by_e2, np.eye(2)]
    through = [change[0, 0] * raw[2] + change[1, 1] * raw[3] + change[0, 1] * raw[4] for change in changes]
    from_middle = (BAND_NODES - 0.5)[:, None, None]
    return values, np.array([raw[0], raw[1], *through[:3], (beta - 1) * raw[5], from_middle * through[3]])
