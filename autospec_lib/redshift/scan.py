"""The continuum: how much templates improve a fit at every redshift.

The spectrum is fitted by polynomials, and by polynomials and a template with a positive amplitude.
The difference in chi2 is the gain. In logarithmic wavelength a redshift is a shift, so that the
sums for all redshifts are correlations, which Fourier transforms give at once (Glazebrook, Offer &
Deeley 1998, ApJ 492, 98; here with weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from autospec_lib.core.types import FloatArray
from autospec_lib.redshift.axis import LOG_STEP, Axis

POLYNOMIALS = 8  # Legendre polynomials that stand for calibration and dust
# A template takes part at a redshift if, without its polynomial part, it keeps these shares of its
# own power and of its largest power at any redshift. Outside its range the transforms leave
# rounding noise.
OWN_SHARE = 1e-4
LARGEST_SHARE = 1e-3
PIECE_SHARE = 2e-2  # instead of OWN_SHARE for the quasar's pieces
# Pieces together gain at most this many times the sum of what they gain alone: nearly singular fits
# gain out of noise.
JOINT_LIMIT = 1.15
STAR_STEPS = 6  # of LOG_STEP, 410 km/s, up to which stars move


class LogGrid:
    """The grid of log10(wavelength) on which spectra are scanned.

    Parameters
    ----------
    axis : Axis
        The wavelengths of the spectra.
    """

    def __init__(self, axis: Axis) -> None:
        borders = np.append(axis.wave - axis.step / 2, axis.wave[-1] + axis.step[-1] / 2)
        self.borders = borders
        self.start = float(np.log10(axis.wave[0]))
        self.size = int((np.log10(axis.wave[-1]) - self.start) / LOG_STEP)
        self.wave = 10 ** (self.start + LOG_STEP * np.arange(self.size))
        self.edges = 10 ** (self.start + LOG_STEP * (np.arange(self.size + 1) - 0.5))
        self.polynomials = np.polynomial.legendre.legvander(
            np.linspace(-1, 1, self.size), POLYNOMIALS - 1
        ).T

    def binned(self, flux: FloatArray, weight: FloatArray) -> Binned:
        """The weighted mean of the flux in each bin.

        Parameters
        ----------
        flux, weight : array (nl,)
            Of the spectrum; the weight is 1 / variance, or 0.
        """
        weights = self._rebin(weight)
        sums = self._rebin(weight * flux)
        mean = np.divide(sums, weights, out=np.zeros(self.size), where=weights > 1e-12)
        return Binned(self, np.where(weights > 1e-12, weights, 0.0), mean)

    def _rebin(self, values: FloatArray) -> FloatArray:
        total = np.concatenate([[0.0], np.cumsum(values)])
        return np.diff(np.interp(self.edges, self.borders, total))


class Binned:
    """A spectrum on the grid, and its fit by polynomials alone.

    Parameters
    ----------
    grid : LogGrid
        The grid.
    weight, flux : array (n,)
        Of each bin.
    """

    def __init__(self, grid: LogGrid, weight: FloatArray, flux: FloatArray) -> None:
        self.grid, self.weight, self.flux = grid, weight, flux
        weighted = grid.polynomials * weight
        self.inverse = np.linalg.pinv(weighted @ grid.polynomials.T, hermitian=True)
        self.coefficients = self.inverse @ (weighted @ flux)
        self.weighted_polynomials = weighted
        self.chi2 = float(weight @ (flux - self.coefficients @ grid.polynomials) ** 2)
        self.count = int((weight > 0).sum())

    def model(self, template: FloatArray) -> FloatArray:
        """The best fit (n,) by a template (n,) and polynomials."""
        parts = np.vstack([template, self.grid.polynomials])
        coefficients = np.linalg.lstsq(
            (parts * self.weight) @ parts.T, parts @ (self.weight * self.flux), rcond=None
        )
        return np.asarray(coefficients[0] @ parts)


@dataclass(frozen=True, eq=False)
class Curve:
    """The gain (nz,) at redshifts (nz,), which ascend, and the number (nz,) of the best
    template."""

    z: FloatArray
    gain: FloatArray
    template: np.ndarray

    @property
    def best(self) -> int:
        """Where the gain is largest."""
        return int(self.gain.argmax())


class Scanner:
    """Templates that are fitted at many redshifts.

    Parameters
    ----------
    grid : LogGrid
        The grid of the spectra.
    templates : array (k, m)
        In steps of `LOG_STEP`.
    start : float
        log10 of their first wavelength.
    limits : (float, float)
        Of the redshifts.
    jointly : bool
        Whether all templates are fitted at once, as the pieces of one, each with a positive
        amplitude.
    """

    def __init__(
        self,
        grid: LogGrid,
        templates: FloatArray,
        start: float,
        limits: tuple[float, float],
        jointly: bool = False,
    ) -> None:
        self.grid, self.templates, self.start, self.jointly = grid, templates, start, jointly
        first, last = (round((np.log10(1 + z) - grid.start + start) / LOG_STEP) for z in limits)
        shifts = np.arange(first, last + 1)
        self.z = 10 ** (grid.start - start + shifts * LOG_STEP) - 1
        self.length = 1 << int(np.ceil(np.log2(grid.size + templates.shape[1])))
        self.place = -shifts % self.length
        self.transforms = self._transform(templates)
        self.pairs = {(i, i): self._transform(row * row) for i, row in enumerate(templates)}
        if jointly:
            every = combinations(range(len(templates)), 2)
            self.pairs |= {(i, j): self._transform(templates[i] * templates[j]) for i, j in every}

    def _transform(self, values: FloatArray) -> np.ndarray:
        return np.fft.rfft(values, self.length)

    def _correlation(self, data: np.ndarray, templates: np.ndarray) -> FloatArray:
        """The sum over the grid of data times template, at each redshift, from their transforms."""
        return np.asarray(np.fft.irfft(np.conj(data) * templates, self.length)[..., self.place])

    def scan(self, binned: Binned) -> Curve:
        """The gain at each redshift.

        For weights w, data d, polynomials P and a template t: X = sum w P t, M = sum w P P', c =
        M^-1 sum w P d, power = sum w t^2 - X' M^-1 X, product = sum w t d - c' X, gain = product^2
        / power where the product is positive.
        """
        weight, data, polynomials = (
            self._transform(part)
            for part in (binned.weight, binned.weight * binned.flux, binned.weighted_polynomials)
        )
        number = len(self.templates)
        products, powers = np.empty((number, self.z.size)), np.empty((number, self.z.size))
        usable = np.empty(products.shape, bool)
        projections, solutions = [], []
        for i, transform in enumerate(self.transforms):
            full = self._correlation(weight, self.pairs[i, i])
            projection = self._correlation(polynomials, transform)
            solution = binned.inverse @ projection
            powers[i] = full - np.einsum('pn,pn->n', projection, solution)
            products[i] = self._correlation(data, transform) - binned.coefficients @ projection
            if self.jointly:
                usable[i] = powers[i] > PIECE_SHARE * full + LARGEST_SHARE * full.max()
            else:
                usable[i] = powers[i] > OWN_SHARE * full + LARGEST_SHARE * powers[i].max()
            projections.append(projection)
            solutions.append(solution)
        gains = np.divide(
            products**2, powers, out=np.zeros_like(products), where=usable & (products > 0)
        )
        if not self.jointly:
            return Curve(self.z, gains.max(axis=0), gains.argmax(axis=0))
        normal = np.empty((self.z.size, number, number))
        for i in range(number):
            normal[:, i, i] = 1.001 * powers[i] + 1e-300
            for j in range(i + 1, number):
                cross = self._correlation(weight, self.pairs[i, j])
                cross -= np.einsum('pn,pn->n', projections[i], solutions[j])
                normal[:, i, j] = normal[:, j, i] = cross
        return Curve(
            self.z, _joint_gain(normal, products.T, usable.T, gains.T), np.zeros(self.z.size, int)
        )

    def at(self, z: float, template: int) -> FloatArray:
        """A template (n,) on the grid of the spectra at a redshift.

        Parameters
        ----------
        z : float
            The redshift.
        template : int
            Number of the template.
        """
        own = self.start + LOG_STEP * np.arange(self.templates.shape[1])
        return np.asarray(
            np.interp(np.log10(self.grid.wave / (1 + z)), own, self.templates[template])
        )


def _joint_gain(
    normal: FloatArray, products: FloatArray, usable: np.ndarray, alone: FloatArray
) -> FloatArray:
    """The largest gain (nz,) of any set of pieces with positive amplitudes.

    Parameters
    ----------
    normal : array (nz, k, k)
        Normal matrices.
    products : array (nz, k)
        Their right-hand sides.
    usable : array of bool (nz, k)
        Whether a piece takes part.
    alone : array (nz, k)
        The gain of each piece.
    """
    best = alone.max(axis=1)
    for number in range(2, alone.shape[1] + 1):
        for chosen in map(list, combinations(range(alone.shape[1]), number)):
            rows = np.flatnonzero(usable[:, chosen].all(axis=1))
            sides = products[rows][:, chosen]
            matrices = normal[rows][:, chosen][:, :, chosen]
            amplitudes = np.linalg.solve(matrices, sides[..., None])[..., 0]
            gain = np.where((amplitudes > 0).all(axis=1), (amplitudes * sides).sum(axis=1), 0.0)
            best[rows] = np.maximum(best[rows], gain)
    return np.asarray(np.minimum(best, JOINT_LIMIT * alone.sum(axis=1)))


class StarScanner:
    """Stars at velocities of some hundred km/s.

    Parameters
    ----------
    grid : LogGrid
        The grid of the spectra.
    templates : array (k, m)
        In steps of `LOG_STEP`.
    start : float
        log10 of their first wavelength.
    """

    def __init__(self, grid: LogGrid, templates: FloatArray, start: float) -> None:
        self.shifts = np.arange(-STAR_STEPS, STAR_STEPS + 1)
        own = start + LOG_STEP * np.arange(templates.shape[1])
        wave = np.log10(grid.wave)
        margin = STAR_STEPS * LOG_STEP
        self.inside = (wave > own[0] + margin) & (wave < own[-1] - margin)
        moved = [
            [np.interp(wave - shift * LOG_STEP, own, row) for shift in self.shifts]
            for row in templates
        ]
        self.templates = np.array(moved).reshape(-1, grid.size)
        self.squares = self.templates**2

    def scan(self, binned: Binned) -> Curve:
        """The gain of the best star at each velocity."""
        data = binned
        if not self.inside.all():
            data = Binned(binned.grid, binned.weight * self.inside, binned.flux)
        full = self.squares @ data.weight
        projection = self.templates @ data.weighted_polynomials.T
        power = full - np.einsum('np,np->n', projection, projection @ data.inverse)
        product = self.templates @ (data.weight * data.flux) - projection @ data.coefficients
        usable = (product > 0) & (power > OWN_SHARE * full)
        gains = np.divide(product**2, power, out=np.zeros_like(power), where=usable).reshape(
            -1, self.shifts.size
        )
        z = np.asarray(10.0 ** (self.shifts * LOG_STEP) - 1)
        best = gains.argmax(axis=0) * self.shifts.size + np.arange(self.shifts.size)
        return Curve(z, gains.max(axis=0), best)
