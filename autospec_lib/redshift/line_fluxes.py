"""Fluxes of the emission lines of a source whose redshift is known.

All lines of a galaxy share a redshift and a velocity dispersion, to which the line-spread function
is added; [OIII] and [NII] have their fixed ratios. In the fit, only these two numbers are not
linear: for each pair of them the fluxes and a linear continuum in each window follow by least
squares (variable projection: Golub & Pereyra 1973, SIAM J. Numer. Anal. 10, 413). Their covariance
is that at the best pair plus S' V S, where V is the covariance of the pair and S are the slopes of
the fluxes with it. Lyman-alpha is fitted alone by the asymmetric Gaussian of Shibuya et al. (2014,
ApJ 788, 74).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.optimize import least_squares
from scipy.special import erf

from autospec_lib.core.emission_lines import LINES as REST
from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.redshift.axis import FWHM_PER_SIGMA
from autospec_lib.redshift.engine import LINE_SIGMA, Evidence
from autospec_lib.redshift.line_search import LYMAN_ALPHA

# Name with the vacuum wavelength, family, and this wavelength in Angstrom.
LINES = (
    ('OII3727', 'forbidden', REST['OII'][0]),
    ('OII3729', 'forbidden', REST['OII'][1]),
    ('NEIII3870', 'forbidden', REST['NEIII3869'][0]),
    ('HEPSILON', 'balmer', REST['HEPSILON'][0]),
    ('HDELTA', 'balmer', REST['HDELTA'][0]),
    ('HGAMMA', 'balmer', REST['HGAMMA'][0]),
    ('HBETA', 'balmer', REST['HBETA'][0]),
    ('OIII4960', 'forbidden', REST['OIII4959'][0]),
    ('OIII5008', 'forbidden', REST['OIII5007'][0]),
    ('HEI5877', 'helium', REST['HEI5876'][0]),
    ('OI6302', 'forbidden', REST['OI6300'][0]),
    ('NII6550', 'forbidden', REST['NII6548'][0]),
    ('HALPHA', 'balmer', REST['HALPHA'][0]),
    ('NII6585', 'forbidden', REST['NII6583'][0]),
    ('SII6718', 'forbidden', REST['SII6716'][0]),
    ('SII6733', 'forbidden', REST['SII6731'][0]),
)
# Lines with a fixed part of the flux of another one (Storey & Zeippen 2000, MNRAS 312, 813).
TIED = {'OIII4960': ('OIII5008', 1 / 2.98), 'NII6550': ('NII6585', 1 / 3.05)}
# Lengths in FWHM of the line-spread function.
WINDOW = 28.0  # on either side of a group of lines
GROUP = 44.0  # distance up to which lines share a window
EDGE = 3.0
MARGIN = 8  # channels between a line and the ends
STEP = 1e-4  # of the redshift over 1 + z: the unit in which it is fitted
LARGEST_STEPS = 15.0
DISPERSIONS = (1.0, 2.7)  # limits of log10(km/s)
USUAL_DISPERSION = (1.9, 0.35)  # a weak prior on log10(km/s): mean and scatter
STEPS_SCATTER = 10.0  # of the prior on the redshift, in units of `STEP`
SKEWS = (0.0, 0.4)
SLOPE_STEP = 0.01  # of the common parameters, from which the change of fluxes with them is taken
LYMAN = 'LYALPHA'
FAMILIES = {LYMAN: 'lyalpha'} | {name: family for name, family, _ in LINES}
ON_SKY, AT_EDGE, BLENDED, TIED_FLUX = 1, 2, 4, 8  # flags


@dataclass(frozen=True)
class LineFlux:
    """A line that was measured.

    Attributes
    ----------
    name, family : str
        As in MPDAF's tables.
    rest, wave : float
        Vacuum wavelengths, at rest and as observed, in Angstrom.
    flux, flux_error : float
        In units of the spectrum times Angstrom.
    continuum, continuum_error : float
        Flux density beside the line.
    fwhm : float
        As observed, in Angstrom.
    skew : float or None
        Asymmetry of Lyman-alpha.
    flags : int
        Sum of 1 on a sky line, 2 at an end or gap, 4 blended, 8 tied to another line.
    """

    name: str
    family: str
    rest: float
    wave: float
    flux: float
    flux_error: float
    continuum: float
    continuum_error: float
    fwhm: float
    skew: float | None
    flags: int


@dataclass(frozen=True)
class LineFit:
    """All lines of a source, with their common redshift and velocity dispersion in km/s.

    ``model`` (nl,) is their sum, in the unit of the spectrum; lines with a negative flux are not in
    it.
    """

    z: float
    z_error: float
    dispersion: float
    dispersion_error: float
    lines: tuple[LineFlux, ...]
    model: FloatArray = field(compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class _Window:
    """Channels that are fitted together, and the rest wavelengths of the lines in them by name."""

    lines: dict[str, float]
    chosen: BoolArray
    wave: FloatArray
    step: FloatArray
    resolution: float
    data: FloatArray
    error: FloatArray

    @property
    def free(self) -> list[str]:
        """The lines whose flux is free."""
        return [name for name in self.lines if name not in TIED or TIED[name][0] not in self.lines]

    def solve(self, profiles: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Normalised residuals, amplitudes of profiles (k, n) and of a linear continuum, and their
        covariance."""
        design = (
            np.vstack([profiles, np.ones(self.wave.size), self.place(self.wave)]).T
            / self.error[:, None]
        )
        covariance = np.asarray(np.linalg.pinv(design.T @ design, hermitian=True), float)
        amplitudes = covariance @ (design.T @ (self.data / self.error))
        return self.data / self.error - design @ amplitudes, amplitudes, covariance

    def place(self, wave: FloatArray) -> FloatArray:
        """Wavelengths on a scale of about -0.5 to 0.5."""
        return np.asarray((wave - self.wave.mean()) / np.ptp(self.wave))


def measure(evidence: Evidence, z: float, most_steps: int | None = None) -> LineFit | None:
    """Fluxes of the lines of a galaxy; of Lyman-alpha if none of the others is inside the axis.

    Parameters
    ----------
    evidence : Evidence
        Of the spectrum.
    z : float
        The redshift, right to some hundred km/s.
    most_steps : int or None
        At most this many steps in the fit of redshift and velocity dispersion; None: until it has
        converged.

    Returns
    -------
    LineFit or None
        None where no line is inside the axis.
    """
    rest = {name: wave for name, _, wave in LINES}
    windows = _windows(evidence, z, rest)
    if windows:
        return _fit(evidence, z, windows, _gaussians, most_steps)
    windows = _windows(evidence, z, {LYMAN: LYMAN_ALPHA})
    return _fit(evidence, z, windows, _asymmetric, most_steps) if windows else None


def _windows(evidence: Evidence, z: float, rest: dict[str, float]) -> list[_Window]:
    """The windows around groups of lines inside the axis."""
    prepared, axis = evidence.prepared, evidence.prepared.axis
    fwhm = float(np.median(axis.fwhm))
    inside = {
        name: wave for name, wave in rest.items() if axis.covers(np.array(wave * (1 + z)), MARGIN)
    }
    groups: list[dict[str, float]] = []
    for name, wave in inside.items():
        last = max(groups[-1].values()) if groups else -np.inf
        if (wave - last) * (1 + z) > GROUP * fwhm:
            groups.append({})
        groups[-1][name] = wave
    windows = []
    for lines in groups:
        first, last = min(lines.values()) * (1 + z), max(lines.values()) * (1 + z)
        chosen = (
            prepared.good & (axis.wave > first - WINDOW * fwhm) & (axis.wave < last + WINDOW * fwhm)
        )
        if chosen.sum() > len(lines) + MARGIN:
            data = prepared.flux[chosen] - evidence.continuum[chosen]
            error = prepared.error[chosen]
            resolution = float(np.interp((first + last) / 2, axis.wave, axis.fwhm)) / FWHM_PER_SIGMA
            windows.append(
                _Window(
                    lines, chosen, axis.wave[chosen], axis.step[chosen], resolution, data, error
                )
            )
    return windows


def _gaussians(window: _Window, z: float, parameters: FloatArray) -> FloatArray:
    """Profiles (k, n) of unit flux of the free lines, integrated over channels, with the lines tied
    to them."""
    z = z + parameters[0] * STEP * (1 + z)

    def profile(name: str) -> FloatArray:
        wave = window.lines[name] * (1 + z)
        sigma = np.sqrt(2) * np.hypot(
            window.resolution, wave * 10 ** parameters[1] / SPEED_OF_LIGHT
        )
        upper, lower = (
            erf((window.wave - wave + side * window.step / 2) / sigma) for side in (1, -1)
        )
        return np.asarray((upper - lower) / (2 * window.step))

    profiles = {name: profile(name) for name in window.free}
    for name, (main, ratio) in TIED.items():
        if name in window.lines and main in profiles:
            profiles[main] = profiles[main] + ratio * profile(name)
    return np.array(list(profiles.values()))


def _asymmetric(window: _Window, z: float, parameters: FloatArray) -> FloatArray:
    """The profile (1, n) of unit flux of Lyman-alpha: exp(-v^2 / 2 (a v + d)^2) with the skew a and
    the width d."""
    wave = LYMAN_ALPHA * (1 + z) * (1 + parameters[0] * STEP)
    velocity = (window.wave / wave - 1) * SPEED_OF_LIGHT
    width = np.hypot(10 ** parameters[1], window.resolution / wave * SPEED_OF_LIGHT)
    sigma = np.maximum(parameters[2] * velocity + width, 1.0)
    shape = np.exp(-0.5 * (velocity / sigma) ** 2)
    return np.asarray((shape / (shape @ window.step))[None])


def _fit(
    evidence: Evidence,
    z: float,
    windows: list[_Window],
    profiles: Callable[[_Window, float, FloatArray], FloatArray],
    most_steps: int | None,
) -> LineFit:
    """Fit redshift, velocity dispersion and, for Lyman-alpha, the skew; then measure each line."""
    mean, scatter = USUAL_DISPERSION
    start, low, high = (
        np.array(row) for row in zip((0, -1, 1), (mean, *DISPERSIONS), (0.15, *SKEWS), strict=True)
    )
    low[0], high[0] = -LARGEST_STEPS, LARGEST_STEPS
    if profiles is _gaussians:
        start, low, high = start[:2], low[:2], high[:2]

    def residuals(parameters: FloatArray) -> FloatArray:
        parts = [window.solve(profiles(window, z, parameters))[0] for window in windows]
        return np.concatenate(
            [*parts, [parameters[0] / STEPS_SCATTER, (parameters[1] - mean) / scatter]]
        )

    result = least_squares(
        residuals, start, bounds=(low, high), diff_step=1e-3, max_nfev=most_steps
    )
    factor = _correlation_factor(evidence)
    common = np.linalg.pinv(result.jac.T @ result.jac, hermitian=True)
    errors = factor * np.sqrt(np.diag(common))
    skew = float(result.x[2]) if len(result.x) > 2 else None
    dispersion = float(10 ** result.x[1])
    fitted = z + float(result.x[0]) * STEP * (1 + z)
    lines: list[LineFlux] = []
    model = np.zeros(evidence.continuum.shape)
    scale = evidence.prepared.unit
    for window in windows:
        shapes = profiles(window, z, result.x)
        _, amplitudes, covariance = window.solve(shapes)
        model[window.chosen] += scale * np.maximum(amplitudes[:-2], 0) @ shapes
        # Fluxes change with the common parameters, whose errors are theirs too.
        moved = [
            window.solve(profiles(window, z, result.x + step))[1]
            for step in SLOPE_STEP * np.eye(start.size)
        ]
        slopes = (np.array(moved) - amplitudes) / SLOPE_STEP
        covariance = covariance + slopes.T @ common @ slopes
        measured = scale * amplitudes, (scale * factor) ** 2 * covariance
        lines += [
            _line(evidence, window, name, measured, (fitted, dispersion, skew))
            for name in window.lines
        ]
    return LineFit(
        fitted,
        float(errors[0]) * STEP * (1 + z),
        dispersion,
        float(errors[1]) * np.log(10) * dispersion,
        tuple(lines),
        model,
    )


def _line(
    evidence: Evidence,
    window: _Window,
    name: str,
    measured: tuple[FloatArray, FloatArray],
    shape: tuple[float, float, float | None],
) -> LineFlux:
    """A line of a window.

    Parameters
    ----------
    evidence : Evidence
        Of the spectrum.
    window : _Window
        The channels.
    name : str
        Of the line.
    measured : (array (k + 2,), array (k + 2, k + 2))
        Amplitudes of the free lines and the continuum, and their covariance.
    shape : (float, float, float or None)
        Redshift, velocity dispersion in km/s, skew.
    """
    prepared, axis = evidence.prepared, evidence.prepared.axis
    amplitudes, covariance = measured
    z, dispersion, skew = shape
    main, ratio = (name, 1.0) if name in window.free else TIED[name]
    place = window.free.index(main)
    wave = window.lines[name] * (1 + z)
    base = np.array([1.0, float(window.place(np.array(wave)))])
    under = float(np.interp(wave, axis.wave, evidence.continuum)) * prepared.unit
    fwhm = FWHM_PER_SIGMA * np.hypot(window.resolution, wave * dispersion / SPEED_OF_LIGHT)
    channel = int(axis.nearest(wave))
    near = slice(max(0, channel - axis.channels(EDGE)), channel + axis.channels(EDGE) + 1)
    others = [abs(window.lines[other] * (1 + z) - wave) for other in window.lines if other != name]
    flags = (
        ON_SKY * bool(prepared.sky[channel]),
        AT_EDGE * (not prepared.good[near].all() or near.start == 0 or near.stop >= axis.wave.size),
        BLENDED * (min(others, default=np.inf) < fwhm),
        TIED_FLUX * (main != name),
    )
    return LineFlux(
        name,
        FAMILIES[name],
        window.lines[name],
        wave,
        ratio * float(amplitudes[place]),
        ratio * float(np.sqrt(covariance[place, place])),
        under + float(amplitudes[-2:] @ base),
        float(np.sqrt(base @ covariance[-2:, -2:] @ base)),
        float(fwhm),
        skew,
        int(sum(flags)),
    )


def _correlation_factor(evidence: Evidence) -> float:
    """The factor to errors of sums for noise whose neighbouring channels are correlated."""
    prepared = evidence.prepared
    free = prepared.good & (
        maximum_filter1d(evidence.search.highest, prepared.axis.channels(2 * EDGE)) < LINE_SIGMA
    )
    if not free.any():
        return 1.0
    residual = np.clip((prepared.flux - evidence.continuum) / prepared.error, -4, 4)[free]
    residual = residual - np.median(residual)
    power = float(np.mean(residual**2))
    correlation = sum(float(np.mean(residual[:-lag] * residual[lag:])) for lag in (1, 2)) / power
    return float(np.sqrt(max(1.0, 1 + 2 * correlation)))
