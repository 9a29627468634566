"""The model of overlapping sources: Moffat components with clumps, and the prior of their
shapes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core.moffat import SQUARE, Pixel, moffat, shape_matrix
from autospec_lib.core.types import BoolArray, CatalogueError, FloatArray, IntArray, Psf
from autospec_lib.deblending.clumps import TYPICAL_BETA, ClumpGrid, grid_places
from autospec_lib.deblending.weighted_data import BAND_NODES, Bands

# Parameters of a component: y, x (pixels), log FWHM, two ellipticities, log(beta - 1). FWHM and
# ellipticities are those on the sky; the unit of FWHM is `geometry.scale` of a pixel, which is the
# pixel if pixels are square.
N_SHAPE = 6
LOG_BETA = 5
# Images of so many components are computed at once: more do not fit into the processor's cache.
AT_ONCE = 4
# The prior, from fits to exponential discs with clumps that are seen through a Moffat PSF
# (simulated fields 1-4).
_WIDER_THAN_PSF = 1.3
_MEAN_LOG_BETA = 1.1
_SIGMA = (0.2, 0.15, 0.15, 0.3)  # of log FWHM, ellipticities, log(beta - 1)
_BOUND = (1.2, 1.2, 1.2, 0.9)
# Limits of the bound of a centre in units of a pixel: where the user gives the catalogue's error,
# and where that is measured.
_LEAST_BOUND, LARGEST_BOUND = 0.5, 2.5
# Measured scatter of a catalogue's positions from which on bounds are wide, in the same unit.
# Fields of clumpy galaxies with neighbours in no catalogue reach 0.3 to 1.05 where the true one is
# 0.2, fields with a true one of 1.5 reach 1.07 to 3 (simulated, seeds 21 to 602).
_LARGE_SCATTER = 1.05
# Used while neighbours are not found yet, so that a source does not stretch over them.
_NARROW_BOUND = (np.inf, np.inf, 0.5, 0.4, 0.4, 0.4)


@dataclass(frozen=True)
class Frame:
    """The size of a pixel along y and x, as in `moffat.moffat`, and how good positions of sources
    are.

    ``sigma`` is the standard deviation of a position along an axis, ``bound`` how far a fitted
    centre may be from it, both in the unit of ``pixel``. The default is for catalogues of unknown
    errors.
    """

    pixel: Pixel = SQUARE
    sigma: float = 0.4
    bound: float = 1.0

    @classmethod
    def of(cls, pixel: Pixel, error: CatalogueError | None) -> Frame:
        """The frame with positions of these errors.

        The user's word holds. A large measured scatter gives the largest bound. A smaller one may be
        that of clumpy galaxies, or of neighbours that are not in the catalogue, and does not widen
        the default: with wide bounds a source could take the place of its neighbour.
        """
        if error is not None and not error.number:
            return cls(pixel, error.scatter, max(3 * error.scatter, _LEAST_BOUND))
        if error is None or error.scatter < _LARGE_SCATTER:
            return cls(pixel)
        return cls(pixel, LARGEST_BOUND * cls.sigma, LARGEST_BOUND)


_FRAME = Frame()


@dataclass(frozen=True)
class Prior:
    """Mean and standard deviation of the shape parameters, and the largest deviation from the mean:
    each (n, 6)."""

    mean: FloatArray
    sigma: FloatArray
    bound: FloatArray

    @classmethod
    def of(cls, positions: FloatArray, fwhm: float, frame: Frame = _FRAME) -> Prior:
        """The prior of n galaxies: near their positions, roughly round, wider than the PSF, with
        the wings of a PSF.

        Parameters
        ----------
        positions : array (n, 2)
            In pixels.
        fwhm : float
            FWHM of the PSF, in pixels.
        frame : Frame
            How good the positions are.
        """
        count = len(positions)
        mean = np.tile([0, 0, np.log(_WIDER_THAN_PSF * fwhm), 0, 0, _MEAN_LOG_BETA], (count, 1))
        mean[:, :2] = positions
        sigma, bound = (
            (value / frame.pixel[0], value / frame.pixel[1]) for value in (frame.sigma, frame.bound)
        )
        return cls(
            mean, np.tile([*sigma, *_SIGMA], (count, 1)), np.tile([*bound, *_BOUND], (count, 1))
        )

    def joined(self, other: Prior) -> Prior:
        """The prior of these components, followed by those of the other prior."""
        join = np.concatenate
        return Prior(
            join([self.mean, other.mean]),
            join([self.sigma, other.sigma]),
            join([self.bound, other.bound]),
        )

    def without(self, component: int) -> Prior:
        """The prior of all components but one."""
        return Prior(
            *(np.delete(one, component, axis=0) for one in (self.mean, self.sigma, self.bound))
        )

    def with_fixed(self, fixed: BoolArray) -> Prior:
        """The same prior, with the shapes of some of the n components (n,) fixed to their means."""
        return replace(self, bound=np.where(fixed[:, None], 0.0, self.bound))

    @property
    def free(self) -> BoolArray:
        """Which parameters (n, 6) are fitted; those without room around the mean are fixed to
        it."""
        return np.asarray(self.bound > 0)

    def bounds(self, narrow: bool) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest values (n, 6); with ``narrow``, narrower bounds for all parameters but
        the centre."""
        bound = np.minimum(self.bound, _NARROW_BOUND) if narrow else self.bound
        return self.mean - bound, self.mean + bound


@dataclass(frozen=True)
class Model:
    """n components, each of total flux 1, with their prior.

    ``shapes`` (n, 6) are parameters in the order of `N_SHAPE`; the FWHM is the geometric mean of
    both axes at the middle wavelength. ``clump_flux`` (n, m) are the fluxes of clumps at the m
    positions of a `ClumpGrid`, in units of the flux of the component's Moffat function. A ``psf``
    sets how the FWHM changes with wavelength and how wide clumps are; without one, ``slope`` is the
    change of the squared FWHM [pixels^2] from the first wavelength to the last, the same for all
    components, and ``clump_fwhm`` is the FWHM of clumps at the middle wavelength [pixels]. ``chi2``
    is the sum of squares after a fit, including the priors' terms. ``pixel`` is the size of a pixel
    along y and x, as in `moffat.moffat`.
    """

    shapes: FloatArray
    prior: Prior
    psf: Psf | None = None
    slope: float = 0.0
    clump_flux: FloatArray | None = None
    clump_fwhm: float = 0.0
    chi2: float = np.inf
    pixel: Pixel = SQUARE

    @classmethod
    def of(
        cls, positions: FloatArray, fwhm: float, psf: Psf | None = None, pixel: Pixel = SQUARE
    ) -> Model:
        """Components at these positions (n, 2) with the prior's mean shapes; ``fwhm`` as in
        `Prior.of`."""
        prior = Prior.of(positions, fwhm, Frame(pixel))
        return cls(prior.mean, prior, psf, pixel=pixel)

    def with_component(self, shape: FloatArray, prior: Prior) -> Model:
        """The model with one more component, of this shape (1, 6)."""
        return replace(
            self, shapes=np.concatenate([self.shapes, shape]), prior=self.prior.joined(prior)
        )

    def with_shape(self, components: IntArray, shape: FloatArray) -> Model:
        """The model in which the shapes of some components (m,) are fixed to this one (4,); their
        centres are not."""
        shapes, mean, bound = self.shapes.copy(), self.prior.mean.copy(), self.prior.bound.copy()
        shapes[components, 2:] = mean[components, 2:] = shape
        bound[components, 2:] = 0
        return replace(self, shapes=shapes, prior=replace(self.prior, mean=mean, bound=bound))

    def with_wings(self, log_beta: FloatArray, sigma: float, bound: float) -> Model:
        """The model in which the exponents of components with a free one have the prior of this
        mean (n,) and sigma, and differ from the mean by no more than the bound."""
        free = self.prior.free[:, LOG_BETA]
        mean, width, limit = (
            self.prior.mean.copy(),
            self.prior.sigma.copy(),
            self.prior.bound.copy(),
        )
        mean[free, LOG_BETA] = log_beta[free]
        width[free, LOG_BETA] = sigma
        limit[free, LOG_BETA] = bound
        return replace(self, prior=Prior(mean, width, limit))

    def without(self, component: int) -> Model:
        """The model without one of its components."""
        flux = None if self.clump_flux is None else np.delete(self.clump_flux, component, axis=0)
        shapes = np.delete(self.shapes, component, axis=0)
        return replace(self, shapes=shapes, prior=self.prior.without(component), clump_flux=flux)

    def distances(self, component: int) -> FloatArray:
        """Distances (n,) of all components' centres from that of one component, in the unit of
        ``pixel``."""
        return np.asarray(self.separations(self.shapes[component, :2][None])[0])

    def separations(self, places: FloatArray | IntArray) -> FloatArray:
        """Distances (m, n) of m positions (m, 2) in pixels from the components' centres, in the
        unit of ``pixel``."""
        offsets = (places[:, None] - self.shapes[None, :, :2]) * self.pixel  # (m, n, 2)
        return np.asarray(np.hypot(offsets[..., 0], offsets[..., 1]))

    def isolation(self, component: int) -> float:
        """The distance from one component to the nearest other one, in the unit of ``pixel``."""
        return float(np.delete(self.distances(component), component).min())

    def images(self, shape: tuple[int, int], fraction: FloatArray) -> FloatArray:
        """The components' profiles (n, len(fraction), ny, nx), nowhere negative, at these fractions
        of the range."""
        smooth = self.smooth_images(shape, fraction)
        if self.clump_flux is None or not self.clump_flux.any():
            return smooth
        used = self.clump_flux.any(axis=0)
        clumps = self.clump_grid(grid_places(shape)[used], shape, fraction)
        added = smooth + np.tensordot(self.clump_flux[:, used], clumps.images, axes=1)
        clipped = np.maximum(added, 0)
        total = 1 + self.clump_flux.sum(axis=1)[:, None] + (clipped - added).sum(axis=(2, 3))
        return np.asarray(clipped / total[:, :, None, None])

    def band_profiles(self, bands: Bands) -> FloatArray:
        """The components' profiles (n, nb, npix) in every band."""
        return bands.interpolate(self.images(bands.shape, BAND_NODES))

    def clump_grid(
        self, places: IntArray, shape: tuple[int, int], fraction: FloatArray
    ) -> ClumpGrid:
        """The clumps at these places (m, 2) and fractions of the wavelength range: as wide as the
        PSF where that is known."""
        if self.psf is not None:
            fwhm, beta = self.psf.fwhm(fraction), self.psf.beta(fraction)
            return ClumpGrid.of(places, shape, fwhm, beta, self.pixel)
        fwhm = np.sqrt(np.maximum(self.clump_fwhm**2 + self.widening(fraction), 1.0))
        return ClumpGrid.of(places, shape, fwhm, TYPICAL_BETA, self.pixel)

    def smooth_images(self, shape: tuple[int, int], fraction: FloatArray) -> FloatArray:
        """The Moffat functions of all components, without clumps; parameters and shape as for
        `images`."""
        found = [
            moffat(shape, *ellipses(part, self.widening(fraction)), self.pixel)
            for part in np.split(self.shapes, range(AT_ONCE, len(self.shapes), AT_ONCE))
        ]
        return np.concatenate(found).reshape(len(self.shapes), len(fraction), *shape)

    def widening(self, fraction: FloatArray) -> FloatArray:
        """What is added to the squared FWHM [pixels^2] at these fractions of the wavelength range;
        0 in the middle."""
        if self.psf is None:
            return self.slope * (np.asarray(fraction) - 0.5)
        return self.psf.fwhm(fraction) ** 2 - self.psf.fwhm(np.array(0.5)) ** 2


def ellipses(
    parameters: FloatArray, widening: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Moffat functions as `moffat` takes them, of m components with n additions (n,) to the squared
    FWHM each.

    Parameters
    ----------
    parameters : array (m, 6)
        Of components, in the order of `N_SHAPE`.
    widening : array (n,)
        As `Model.widening` gives it.

    Returns
    -------
    array (m n, 2), array (m n, 2, 2), array (m n,)
        Centres, matrices of squared FWHM and exponents, component by component.
    """
    log_fwhm, e1, e2, log_beta = parameters[:, 2:].T
    matrices = shape_matrix(np.exp(log_fwhm), e1, e2)[:, None] + widening[:, None, None] * np.eye(2)
    # A width that decreases with wavelength stays at or above one pixel.
    half = (matrices[..., 0, 0] - matrices[..., 1, 1]) / 2
    least = (matrices[..., 0, 0] + matrices[..., 1, 1]) / 2 - np.hypot(half, matrices[..., 0, 1])
    matrices = matrices + np.maximum(1.0 - least, 0.0)[..., None, None] * np.eye(2)
    count = len(widening)
    return (
        np.repeat(parameters[:, :2], count, axis=0),
        matrices.reshape(-1, 2, 2),
        np.repeat(1 + np.exp(log_beta), count),
    )
