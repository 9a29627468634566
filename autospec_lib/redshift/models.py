"""What a spectrum should look like at a redshift, and the lines in it that the redshift does not
explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.optimize import lsq_linear

from autospec_lib.core.emission_lines import LINES
from autospec_lib.core.types import FloatArray
from autospec_lib.redshift import line_fluxes
from autospec_lib.redshift.engine import LINE_SIGMA, Evidence
from autospec_lib.redshift.hypotheses import OWN_HALF, Kind, unexplained

# FWHM of the line-spread function, the range in which a line is kept out of the fit of the
# continuum.
EMISSION = 4.5
MOST_UNNAMED = 12
UNNAMED_SIGMA = 5.0  # signal-to-noise ratio from which a line without a name is listed
COSMIC_SHARPNESS = 1.1  # of peaks that are cosmic rays, see `line_search.Filters.sharpness`
# Vacuum wavelengths in Angstrom of lines of galaxies and quasars that are not among `LINES`: SiIV,
# OIII], AlIII, CII], [NeV], HeI, [NI], [SIII], [OI], [OII], [ArIII].
OTHER_WAVES = (
    *(1398.3, 1661.0, 1666.0, 1857.0, 2326.0, 3346.8, 4472.7, 5201.7, 6313.8, 6365.54),
    *(6679.99, 7067.2, 7322.0, 7332.0, 7753.2),
)


@dataclass(frozen=True)
class Unnamed:
    """A line that is not explained.

    Attributes
    ----------
    wave : float
        Vacuum wavelength in Angstrom.
    flux, ratio : float
        Its flux, in the unit of the spectrum times Angstrom, and its signal-to-noise ratio.
    on_sky : bool
        Whether it is on a sky line.
    """

    wave: float
    flux: float
    ratio: float
    on_sky: bool


def model(
    evidence: Evidence, kind: Kind, z: float, fit: line_fluxes.LineFit | None = None
) -> FloatArray:
    """The spectrum (nl,) that a source should have, in the unit of the spectrum.

    It is the best fit by template and polynomials, as `scan` fits them, and the emission lines of
    galaxies. Before the first and behind the last channel with a value, and where the template
    ends, it is NaN.

    Parameters
    ----------
    evidence : Evidence
        Of the spectrum.
    kind : Kind
        What the source is.
    z : float
        Its redshift.
    fit : LineFit or None
        The lines at this redshift; None: they are measured here, with the usual velocity
        dispersion.
    """
    prepared, engine = evidence.prepared, evidence.engine
    axis, grid = prepared.axis, engine.grid
    weight, inside = prepared.weight, np.ones(grid.size, bool)
    templates: list[FloatArray] = []
    if kind is Kind.GALAXY and engine.galaxies is not None:
        best = int(evidence.galaxies.template[np.abs(evidence.galaxies.z - z).argmin()])
        templates = [engine.galaxies.at(z, best)]
    elif kind is Kind.QUASAR and engine.quasars is not None:
        templates = [engine.quasars.at(z, piece) for piece in range(len(engine.quasars.templates))]
    elif kind is Kind.STAR and engine.stars is not None:
        best = int(evidence.stars.template[np.abs(evidence.stars.z - z).argmin()])
        templates, inside = [engine.stars.templates[best]], engine.stars.inside
    if kind is not Kind.QUASAR:
        emission = maximum_filter1d(evidence.search.highest, axis.channels(EMISSION)) > LINE_SIGMA
        weight = np.where(emission, 0.0, weight)
    binned = grid.binned(prepared.flux, weight)
    root = np.sqrt(binned.weight * inside)
    parts = np.vstack([*templates, grid.polynomials])
    lowest = np.repeat([0.0, -np.inf], [len(templates), len(grid.polynomials)])
    triangle = np.asarray(np.linalg.qr((np.vstack([parts, binned.flux]) * root).T, mode='r'))
    amplitudes = lsq_linear(triangle[:, :-1], triangle[:, -1], (lowest, np.inf)).x
    fitted = np.where(inside, amplitudes @ parts, np.nan)
    values = np.interp(axis.wave, grid.wave, fitted)
    lines: FloatArray | float = 0.0
    if kind in (Kind.GALAXY, Kind.LYMAN_ALPHA):
        fit = fit or line_fluxes.measure(evidence, z, 1)
        lines = 0.0 if fit is None else fit.model
    known = np.flatnonzero(prepared.good)
    values = values * prepared.unit + lines
    values[: known[0]] = values[known[-1] + 1 :] = np.nan
    return np.asarray(values)


def unnamed(evidence: Evidence, kind: Kind, z: float | None) -> list[Unnamed]:
    """The strongest lines that neither a redshift nor a sky line explains, the strongest one first.

    Absorption in the continuum has been subtracted before lines were searched.

    Parameters
    ----------
    evidence : Evidence
        Of the spectrum.
    kind : Kind
        What the source is.
    z : float or None
        Its redshift; None: no line is explained.
    """
    prepared, search = evidence.prepared, evidence.search
    axis = prepared.axis
    waves = np.empty(0)
    if z is not None and kind is not Kind.STAR:
        waves = np.concatenate([*LINES.values(), OTHER_WAVES]) * (1 + z)
    left = unexplained(evidence, waves, kind)
    parts = search.single, search.doublet, search.lyman
    signal, norm, ratio = (
        np.vstack([getattr(one, name) for one in parts]) for name in ('signal', 'norm', 'ratio')
    )
    half = axis.channels(OWN_HALF)
    lines: list[Unnamed] = []
    while len(lines) < MOST_UNNAMED and left.max() > UNNAMED_SIGMA:
        place = int(left.argmax())
        highest = float(left[place])
        left[max(0, place - half) : place + half + 1] = 0.0
        wave = float(axis.wave[place])
        if evidence.engine.filters.sharpness(prepared, evidence.continuum, wave) < COSMIC_SHARPNESS:
            best = int(ratio[:, place].argmax())
            flux = float(signal[best, place] / norm[best, place]) * prepared.unit
            lines.append(Unnamed(wave, flux, highest, bool(prepared.sky[place])))
    return lines
