"""Hypotheses about what a source is and at which redshift, ranked by how well they explain the
spectrum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.core.redshift_limits import SAME_REDSHIFT, differ
from autospec_lib.core.types import FloatArray
from autospec_lib.redshift.axis import Axis
from autospec_lib.redshift.engine import Evidence
from autospec_lib.redshift.line_search import (
    GALAXY_WAVES,
    LYMAN_ALPHA,
    OII,
    QUASAR_WAVES,
    STRONG,
    near_lines,
)
from autospec_lib.redshift.single_line import Shape, gain

QUASAR_SEPARATION = 0.01  # of two redshifts, times (1 + z); of others `SAME_REDSHIFT`
# Peaks that are followed: of lines and continuum of galaxies together, of their lines, of their
# continuum; others.
GALAXY_PEAKS = (7, 5, 4)
QUASAR_PEAKS = 3
LYMAN_PEAKS = 4
REFINED = 6  # steps of the grid within which a peak of one curve is moved to that of the sum
CLIMB = 4  # steps on either side from which a peak's place and width are interpolated
LEAST_VELOCITY_ERROR = 15.0  # km/s
# A galaxy with fewer than two strong lines stands on a single one if its continuum gains less.
SINGLE_CONTINUUM = 15.0
# Gain of all lines from which the shape of the strongest one is fitted. A galaxy is judged by this
# line alone if its second one has a signal-to-noise ratio below `SINGLE_SECOND`.
SINGLE_GAIN = 12.0
SINGLE_SECOND = 4.0
CONTINUUM_SCATTER = 0.15  # of the continuum on the two sides of a line, relative to it
# Signal-to-noise ratio from which a line that is not explained counts against a hypothesis.
UNEXPLAINED = 5.0
UNEXPLAINED_SKY = 8.0  # peaks in sky lines that are lower do not count as lines
# Half the range around a line that its hypothesis explains: in FWHM of the line-spread function, or
# relative to the wavelength where that is larger, for a quasar times `QUASAR_BREADTH`.
OWN_HALF, OWN_SHARE = 5.6, 1e-3
QUASAR_BREADTH = 8.0
# The ranges beside a line in which the continuum is measured, in FWHM of the line-spread function,
# and the least number of channels in one.
STEP_NEAR, STEP_FAR = 10, 100
FEWEST_IN_STEP = 20
# Of a second source: half the range around the first hypothesis' lines in which its lines do not
# count, relative to the wavelength; gain from which its continuum counts; and the lines of the first
# hypothesis in vacuum if that is a quasar or a Lyman-alpha emitter.
BLEND_SHARE = 1.3e-3
BLEND_CONTINUUM = 15.0
BLEND_WAVES = np.array([LYMAN_ALPHA, 1240.8, 1549.0, 1640.0, 1908.7])


class Kind(Enum):
    """What a source may be: a galaxy, a star, a quasar, or a galaxy of which Lyman-alpha is
    seen."""

    GALAXY = 'gal'
    STAR = 'star'
    QUASAR = 'QSO'
    LYMAN_ALPHA = 'LAE'


# Gains in chi2 that noise reaches by the number of redshifts tried, which are subtracted from those
# of continua.
LOOK_ELSEWHERE = {Kind.GALAXY: 12.0, Kind.STAR: 9.0, Kind.QUASAR: 15.0}


@dataclass(frozen=True)
class Hypothesis:
    """What a source may be, and its evidence.

    Attributes
    ----------
    kind : Kind
        What it is.
    z, error : float
        Redshift and its standard deviation.
    line_gain, continuum_gain : float
        Gains in chi2 by lines, and by the continuum less what noise reaches.
    width : int
        Number of the line width.
    first, second : float
        Signal-to-noise ratios of the strongest lines.
    lines : int
        Lines with a ratio above `line_search.STRONG`.
    main : int
        Number of the strongest galaxy line.
    penalty : float
        Loss in chi2 by the continuum beside a single line, and by the line's equivalent width.
    unexplained : float
        Signal-to-noise ratio of the strongest line that it does not explain.
    """

    kind: Kind
    z: float
    error: float
    line_gain: float = 0.0
    continuum_gain: float = 0.0
    width: int = 0
    first: float = 0.0
    second: float = 0.0
    lines: int = 0
    main: int = 0
    penalty: float = 0.0
    unexplained: float = 0.0

    @property
    def score(self) -> float:
        """The gain in chi2, less the penalty and the gain of a clear line that is not explained."""
        missed = max(self.unexplained**2 - UNEXPLAINED**2, 0.0)
        return self.line_gain + self.continuum_gain - self.penalty - missed

    @property
    def single_line(self) -> bool:
        """Whether it stands on one line."""
        if self.kind is Kind.LYMAN_ALPHA:
            return True
        return (
            self.kind is Kind.GALAXY and self.lines < 2 and self.continuum_gain < SINGLE_CONTINUUM
        )

    @property
    def judged_by_shape(self) -> bool:
        """Whether one line is all that is seen, so that its shape, its strength and the continuum
        beside it count."""
        if self.kind is Kind.LYMAN_ALPHA:
            return True
        return (
            self.kind is Kind.GALAXY
            and self.line_gain > SINGLE_GAIN
            and self.second < SINGLE_SECOND
        )

    def differs(self, other: Hypothesis) -> bool:
        """Whether the other one has another redshift."""
        return differ(self.z, other.z)

    @property
    def waves(self) -> FloatArray:
        """Observed wavelengths of its lines in vacuum."""
        rest = {
            Kind.GALAXY: GALAXY_WAVES,
            Kind.LYMAN_ALPHA: np.array([LYMAN_ALPHA]),
            Kind.QUASAR: QUASAR_WAVES,
            Kind.STAR: np.empty(0),
        }
        return rest[self.kind] * (1 + self.z)


def rank(evidence: Evidence) -> list[Hypothesis]:
    """All hypotheses, the best one first.

    Parameters
    ----------
    evidence : Evidence
        Of the spectrum.
    """
    full = []
    for one in (*_galaxies(evidence), *_continua(evidence), *_lyman_alpha(evidence)):
        strongest = max(0.0, float(unexplained(evidence, one.waves, one.kind).max()))
        full.append(
            _with_penalty(_with_shape(replace(one, unexplained=strongest), evidence), evidence)
        )
    return sorted(full, key=lambda one: -one.score)


def _peaks(
    z: FloatArray, gain: FloatArray, number: int, separation: float = SAME_REDSHIFT
) -> list[int]:
    """Places of the highest positive peaks, apart by ``separation`` times (1 + z).

    Parameters
    ----------
    z, gain : array (nz,)
        The curve.
    number : int
        At most this many.
    separation : float
        In redshift, over 1 + z.
    """
    left = gain.copy()
    places: list[int] = []
    while len(places) < number and left.size and left.max() > 0:
        place = int(left.argmax())
        places.append(place)
        left[np.abs(z - z[place]) < separation * (1 + z[place])] = 0
    return places


def _climbed(z: FloatArray, gain: FloatArray, place: int, axis: Axis) -> tuple[float, float]:
    """Redshift and error of a peak, by the parabola through it: one standard deviation lowers the
    gain by 1.

    Filters are at the centres of channels, so the error is not below that of a place somewhere in a
    channel.

    Parameters
    ----------
    z, gain : array (nz,)
        The curve.
    place : int
        Where it is highest.
    axis : Axis
        The wavelengths.
    """
    channel = float(np.median(axis.step / axis.wave))
    floor = max(LEAST_VELOCITY_ERROR / SPEED_OF_LIGHT, channel / np.sqrt(12)) * (
        1 + float(z[place])
    )
    low, high = place - CLIMB, place + CLIMB
    if low < 0 or high >= z.size:
        return float(z[place]), floor
    curvature = (gain[low] + gain[high] - 2 * gain[place]) / CLIMB**2
    slope = (gain[high] - gain[low]) / (2 * CLIMB)
    if curvature >= 0:
        return float(z[place]), floor
    step = z[place + 1] - z[place]
    offset = np.clip(-slope / curvature, -1, 1)
    return float(z[place] + offset * step), max(floor, float(np.sqrt(-2 / curvature) * step))


def _galaxies(evidence: Evidence) -> Iterable[Hypothesis]:
    grid = evidence.engine.galaxy_lines
    if not grid.z.size:
        return
    of_lines, width = grid.gains(evidence.search)
    curve = evidence.galaxies
    least = LOOK_ELSEWHERE[Kind.GALAXY]
    of_continuum = np.maximum(
        np.interp(grid.z, curve.z, curve.gain, left=0.0, right=0.0) - least, 0.0
    )
    total = of_lines + of_continuum
    of_scan = [
        int(np.abs(grid.z - curve.z[place]).argmin())
        for place in _peaks(curve.z, curve.gain, GALAXY_PEAKS[2])
    ]
    chosen: list[int] = []
    for place in (
        *_peaks(grid.z, total, GALAXY_PEAKS[0]),
        *_peaks(grid.z, of_lines, GALAXY_PEAKS[1]),
        *of_scan,
    ):
        low = max(0, place - REFINED)
        best = low + int(total[low : place + REFINED + 1].argmax())
        apart = SAME_REDSHIFT * (1 + grid.z[best]) * 0.9
        if total[best] > 0 and all(abs(grid.z[best] - grid.z[other]) > apart for other in chosen):
            chosen.append(best)
    for best in chosen:
        z, error = _climbed(grid.z, total, best, grid.axis)
        ratios = grid.ratios(evidence.search, float(grid.z[best]), int(width[best]))
        second, first = np.sort(ratios)[-2:]
        yield Hypothesis(
            Kind.GALAXY,
            z,
            error,
            line_gain=float(of_lines[best]),
            continuum_gain=float(of_continuum[best]),
            width=int(width[best]),
            first=float(first),
            second=float(second),
            lines=int((ratios > STRONG).sum()),
            main=int(ratios.argmax()),
        )


def _continua(evidence: Evidence) -> Iterable[Hypothesis]:
    """Quasars and stars."""
    quasars = Kind.QUASAR, evidence.quasars, QUASAR_PEAKS, QUASAR_SEPARATION
    for kind, curve, number, separation in (quasars, (Kind.STAR, evidence.stars, 1, SAME_REDSHIFT)):
        for place in _peaks(curve.z, curve.gain, number, separation):
            z, error = _climbed(curve.z, curve.gain, place, evidence.prepared.axis)
            yield Hypothesis(
                kind,
                z,
                error,
                continuum_gain=max(float(curve.gain[place]) - LOOK_ELSEWHERE[kind], 0.0),
            )


def _lyman_alpha(evidence: Evidence) -> Iterable[Hypothesis]:
    z = evidence.engine.lyman_z
    waves = LYMAN_ALPHA * (1 + z)
    axis = evidence.prepared.axis
    gain = np.where(axis.covers(waves), evidence.search.lyman_gain[axis.nearest(waves)], 0.0)
    for place in _peaks(z, gain, LYMAN_PEAKS):
        best, error = _climbed(z, gain, place, axis)
        ratio = float(np.sqrt(gain[place]))
        yield Hypothesis(
            Kind.LYMAN_ALPHA,
            best,
            error,
            line_gain=float(gain[place]),
            width=1,
            first=ratio,
            lines=1,
            main=-1,
        )


def unexplained(evidence: Evidence, waves: FloatArray, kind: Kind) -> FloatArray:
    """The highest signal-to-noise ratio (nl,) of a line at each channel, 0 near lines that are
    explained.

    It is 0 too where it may be the residual of a sky line.

    Parameters
    ----------
    evidence : Evidence
        Of the spectrum.
    waves : array (k,)
        Observed wavelengths in vacuum of the lines that are explained.
    kind : Kind
        Of the source; lines of quasars are broad.
    """
    prepared, highest = evidence.prepared, evidence.search.highest
    breadth = QUASAR_BREADTH if kind is Kind.QUASAR else 1.0
    half = np.maximum(OWN_HALF * float(np.median(prepared.axis.fwhm)), waves * OWN_SHARE * breadth)
    own = near_lines(prepared.axis.wave, waves, half)
    return np.where(own | (prepared.sky & (highest < UNEXPLAINED_SKY)), 0.0, highest)


def _with_shape(one: Hypothesis, evidence: Evidence) -> Hypothesis:
    """Replace the gain of the strongest line by that of the best profile: filters are too coarse
    for bright lines."""
    if one.kind in (Kind.QUASAR, Kind.STAR) or one.line_gain < SINGLE_GAIN:
        return one
    if one.kind is Kind.LYMAN_ALPHA:
        shape = Shape.LYMAN_ALPHA
    elif one.main == OII:
        shape = Shape.OII
    else:
        shape = Shape.GAUSSIAN
    prepared = evidence.prepared
    wave = float(one.waves[max(one.main, 0)])
    signal = prepared.weight * (prepared.flux - evidence.continuum)
    excess = float(evidence.search.excess[prepared.axis.nearest(wave)])
    fitted = gain(prepared.axis, signal, prepared.weight, wave, shape) / excess
    return replace(one, line_gain=one.line_gain - one.first**2 + fitted)


def _with_penalty(one: Hypothesis, evidence: Evidence) -> Hypothesis:
    """Judge a single line by the continuum on its two sides and by its equivalent width.

    Blueward of Lyman-alpha the intergalactic medium absorbs, by exp(-0.0036 (wave / 1215.67)^3.46)
    (Madau 1995, ApJ 441, 18). Lyman-alpha emitters have rest equivalent widths above some 16
    Angstrom, [OII] below some 100.
    """
    if not one.judged_by_shape:
        return one
    galaxy = one.kind is Kind.GALAXY
    rest = GALAXY_WAVES[one.main] if galaxy else LYMAN_ALPHA
    wave = rest * (1 + one.z)
    (blue, blue_error), (red, red_error) = _sides(evidence, wave)
    through = 1.0
    if not galaxy:
        through = float(np.exp(-0.0036 * ((wave - 140) / LYMAN_ALPHA) ** 3.46))
    step = (blue - through * red) ** 2 / (
        blue_error**2 + (through * red_error) ** 2 + (CONTINUUM_SCATTER * red) ** 2
    )
    place = evidence.prepared.axis.nearest(wave)
    flux = evidence.search.single.signal[1, place] / evidence.search.single.norm[1, place]
    equivalent = np.log10(max(flux / max(red, red_error) / (1 + one.z), 0.1))
    if not galaxy:
        strange = (1.2 - equivalent) / 0.25
    elif one.main == OII:
        strange = (equivalent - 2.0) / 0.3
    else:
        strange = (equivalent - 2.8) / 0.3
    penalty = min(step, max(25.0, 0.3 * one.line_gain)) + min(max(strange, 0.0) ** 2, 9.0)
    return replace(one, penalty=float(penalty))


def _sides(evidence: Evidence, wave: float) -> list[tuple[float, float]]:
    """The mean continuum and its error bluewards and redwards of a wavelength."""
    prepared = evidence.prepared
    offset = (prepared.axis.wave - wave) / float(np.median(prepared.axis.fwhm))
    means = []
    for side in (-offset, offset):
        chosen = (side > STEP_NEAR) & (side < STEP_FAR) & prepared.good
        weight = prepared.weight[chosen]
        if weight.size < FEWEST_IN_STEP:
            means.append((0.0, 1e9))
        else:
            means.append(
                (
                    float(weight @ prepared.flux[chosen] / weight.sum()),
                    1.3 / float(np.sqrt(weight.sum())),
                )
            )
    return means


def independent(ranked: list[Hypothesis], evidence: Evidence) -> tuple[float, float | None]:
    """The evidence of a second source in the spectrum, and its redshift.

    It is what another hypothesis gains away from the lines of the first one.

    Parameters
    ----------
    ranked : list of Hypothesis
        The best one first.
    evidence : Evidence
        Of the spectrum.

    Returns
    -------
    float, float or None
        The gain in chi2; the redshift, None where there is no gain.
    """
    best, *others = ranked
    axis = evidence.prepared.axis
    waves = best.waves
    if best.kind in (Kind.QUASAR, Kind.LYMAN_ALPHA):
        waves = BLEND_WAVES * (1 + best.z)
    own = near_lines(axis.wave, waves, waves * BLEND_SHARE)
    largest, z = 0.0, None
    for other in filter(best.differs, others):
        gain = 0.0
        if other.kind is Kind.GALAXY:
            ratios = evidence.engine.galaxy_lines.ratios(evidence.search, other.z, other.width)
            free = (ratios > STRONG) & ~own[axis.nearest(other.waves)]
            gain = float((ratios[free] ** 2).sum())
        elif other.kind is Kind.LYMAN_ALPHA and not own[axis.nearest(other.waves)].any():
            gain = max(other.score, 0.0)
        if other.kind in (Kind.GALAXY, Kind.STAR) and other.continuum_gain > max(
            best.continuum_gain, BLEND_CONTINUUM
        ):
            gain += other.continuum_gain
        if gain > largest:
            largest, z = gain, other.z
    return largest, z
