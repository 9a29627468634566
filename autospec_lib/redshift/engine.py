"""What is known about redshifts of spectra with one wavelength axis, and the evidence in one
spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, median_filter

from autospec_lib.core.types import FloatArray
from autospec_lib.redshift.axis import Axis
from autospec_lib.redshift.line_search import (
    LYMAN_ALPHA,
    Filters,
    GalaxyLines,
    LineSearch,
    velocity_grid,
)
from autospec_lib.redshift.prepare import Prepared
from autospec_lib.redshift.scan import Binned, Curve, LogGrid, Scanner, StarScanner

TEMPLATES = Path(__file__).resolve().parent / 'data' / 'templates.npz'
GALAXY_REST = (1245.0, 10290.0)  # Angstrom; the spectrum must be inside it
QUASAR_REST = (848.0, 9000.0)
BLUEST_LINE = 3728.484 * 0.993  # galaxies are searched until their bluest line leaves the axis
LOWEST_Z = -0.0015
LOWEST_QUASAR_Z = 0.1
HIGHEST_Z = 12.0
# Below it Lyman-alpha is not seen from the ground, and an axis that covers it is not one of ours.
LOWEST_LYMAN_Z = 1.5
# Lengths in FWHM of the line-spread function.
CONTINUUM_MEDIAN = 61
CONTINUUM_SMOOTHING = 7.5
LINE_SIGMA = 5.0  # signal-to-noise ratio from which channels are kept out of the scan for continua
# Gain in chi2 from which the best stellar model is subtracted before lines are searched.
STELLAR_GAIN = 45.0


class Engine:
    """Filters and templates for one axis.

    A kind of source that the axis does not cover has no redshifts to try: its scanner is None, or
    its grid is empty.

    Parameters
    ----------
    axis : Axis
        The wavelengths.
    """

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self.filters = Filters(axis)
        self.grid = LogGrid(axis)
        blue, red = float(axis.wave[0]), float(axis.wave[-1])
        highest = min(red / BLUEST_LINE - 1, HIGHEST_Z)
        self.galaxy_lines = GalaxyLines(axis, (LOWEST_Z, max(highest, LOWEST_Z)))
        lowest = max(blue / LYMAN_ALPHA - 1, LOWEST_LYMAN_Z)
        self.lyman_z = velocity_grid(axis, (lowest, min(red / LYMAN_ALPHA - 1, HIGHEST_Z)))
        held = np.load(TEMPLATES)
        low = max(red / GALAXY_REST[1] - 1, LOWEST_Z)
        high = min(blue / GALAXY_REST[0] - 1, highest)
        self.galaxies = self._scanner(held['galaxies'], held['galaxy_start'], (low, high))
        low = max(red / QUASAR_REST[1] - 1, LOWEST_QUASAR_Z)
        high = min(blue / QUASAR_REST[0] - 1, HIGHEST_Z)
        self.quasars = self._scanner(
            held['quasar'], held['quasar_start'], (low, high), jointly=True
        )
        stars = StarScanner(self.grid, held['stars'].astype(float), float(held['star_start']))
        self.stars = stars if stars.inside.mean() > 0.5 else None

    def _scanner(
        self,
        templates: np.ndarray,
        start: np.ndarray,
        limits: tuple[float, float],
        jointly: bool = False,
    ) -> Scanner | None:
        if limits[1] <= limits[0]:
            return None
        return Scanner(self.grid, templates.astype(float), float(start), limits, jointly)

    def evidence(self, prepared: Prepared) -> Evidence:
        """Search lines and scan continua.

        Parameters
        ----------
        prepared : Prepared
            A spectrum with this axis.
        """
        continuum = self._smooth(np.where(prepared.good, prepared.flux, prepared.level))
        search = self.filters.search(prepared, continuum)
        emission = maximum_filter1d(search.highest, self.axis.channels(4.5)) > LINE_SIGMA
        absorption = self.grid.binned(prepared.flux, np.where(emission, 0.0, prepared.weight))
        everything = self.grid.binned(prepared.flux, prepared.weight)
        galaxies = _scan(self.galaxies, absorption)
        stars = _scan(self.stars, absorption)
        quasars = _scan(self.quasars, everything)
        best = max(float(galaxies.gain.max()), float(stars.gain.max()))
        excess = max(1.0, (absorption.chi2 - best) / max(0.9 * absorption.count, 1.0))
        quasar_excess = (everything.chi2 - float(quasars.gain.max())) / max(everything.count, 1)
        galaxies, stars = _divided(galaxies, excess), _divided(stars, excess)
        quasars = _divided(quasars, max(excess, quasar_excess))
        if max(galaxies.gain.max(), stars.gain.max()) > STELLAR_GAIN:
            model = self._stellar_model(absorption, galaxies, stars)
            residual = np.where(prepared.good, prepared.flux - model, 0.0)
            continuum = model + self._smooth(residual)
            search = self.filters.search(prepared, continuum)
        return Evidence(self, prepared, continuum, search, galaxies, stars, quasars, excess)

    def _smooth(self, flux: FloatArray) -> FloatArray:
        median = median_filter(flux, self.axis.channels(CONTINUUM_MEDIAN))
        return np.asarray(gaussian_filter1d(median, CONTINUUM_SMOOTHING * self.axis.fwhm_channels))

    def _stellar_model(self, binned: Binned, galaxies: Curve, stars: Curve) -> FloatArray:
        """The best galaxy or star (nl,) without lines, with polynomials."""
        if self.galaxies is not None and galaxies.gain.max() >= stars.gain.max():
            best = galaxies.best
            template = self.galaxies.at(float(galaxies.z[best]), int(galaxies.template[best]))
        else:
            assert self.stars is not None  # there is a gain
            template = self.stars.templates[stars.template[stars.best]]
        return np.interp(self.axis.wave, self.grid.wave, binned.model(template))


NOTHING = Curve(np.zeros(1), np.zeros(1), np.zeros(1, int))


def _scan(scanner: Scanner | StarScanner | None, binned: Binned) -> Curve:
    return NOTHING if scanner is None else scanner.scan(binned)


def _divided(curve: Curve, excess: float) -> Curve:
    """Gains in units of the reduced chi2."""
    return Curve(curve.z, curve.gain / excess, curve.template)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What lines and continuum of one spectrum say.

    Attributes
    ----------
    engine : Engine
        What it was measured with.
    prepared : Prepared
        The spectrum.
    continuum : array (nl,)
        What was subtracted for the search of lines.
    search : LineSearch
        The responses to lines.
    galaxies, stars, quasars : Curve
        Gains of continua by redshift, in units of the reduced chi2.
    excess : float
        The reduced chi2 of the best stellar model, at least 1.
    """

    engine: Engine
    prepared: Prepared
    continuum: FloatArray
    search: LineSearch
    galaxies: Curve
    stars: Curve
    quasars: Curve
    excess: float
