"""The redshift of a spectrum: the way into this folder.

estimate(wave, flux, variance).candidates[0].z
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from autospec_lib.core.redshift_limits import SURE
from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.redshift import probability
from autospec_lib.redshift.axis import Axis
from autospec_lib.redshift.engine import Engine, Evidence
from autospec_lib.redshift.hypotheses import Kind, independent, rank
from autospec_lib.redshift.prepare import FEWEST_CHANNELS, prepare

PROBABLE, POSSIBLE = 0.8, 0.5  # least probabilities
# That are handed out. With another number, fit the probabilities again, which gives each candidate a
# share (``benchmarks/redshifts.py --fit``), and change `output.source_file.MEASURED`.
CANDIDATES = 4
SECOND_SOURCE_GAIN = 30.0  # gain in chi2 from which a second source is named
CONTINUUM_LINES = 40.0  # gain in chi2 of the continuum that counts like a second line


@dataclass(frozen=True)
class Candidate:
    """A redshift that a source may have.

    Attributes
    ----------
    z, error : float
        Redshift in vacuum, as observed, and its standard deviation.
    kind : Kind
        What the source is then.
    probability : float
        That the redshift is right.
    lines : int
        Emission lines above 3.5 sigma.
    single_line : bool
        Whether it stands on one emission line.
    continuum_gain : float
        The gain in chi2 by the continuum.
    """

    z: float
    error: float
    kind: Kind
    probability: float
    lines: int
    single_line: bool
    continuum_gain: float


@dataclass(frozen=True)
class Redshift:
    """What a spectrum says.

    Attributes
    ----------
    candidates : tuple of Candidate
        At most four, the most probable one first; empty where nothing could be searched.
    second_source : float or None
        The redshift of lines or of a continuum that the first candidate does not explain.
    evidence : Evidence or None
        What it is from, for `line_fluxes.measure`; None where nothing could be searched.
    """

    candidates: tuple[Candidate, ...] = ()
    second_source: float | None = None
    evidence: Evidence | None = field(default=None, compare=False, repr=False)

    @property
    def best(self) -> Candidate | None:
        """The first candidate if it is possible, None where there is no redshift."""
        if self.candidates and self.candidates[0].probability >= POSSIBLE:
            return self.candidates[0]
        return None

    @property
    def quality(self) -> int:
        """3 = sure, by two features at least; 2 = sure by one line, or probable; 1 = possible; 0 =
        no redshift."""
        best = self.best
        if best is None:
            return 0
        if best.probability < PROBABLE:
            return 1
        several = best.lines >= 2 or best.continuum_gain > CONTINUUM_LINES
        return 3 if best.probability >= SURE and several else 2

    @property
    def sure(self) -> bool:
        """Whether the first candidate is sure."""
        return bool(self.candidates) and self.candidates[0].probability >= SURE


def estimate(
    wave: FloatArray,
    flux: FloatArray,
    variance: FloatArray | None = None,
    bad: BoolArray | None = None,
    lsf: tuple[float, ...] = (),
    air: bool = False,
) -> Redshift:
    """Candidates for the redshift of a spectrum.

    Parameters
    ----------
    wave : array (nl,)
        Wavelengths in Angstrom, ascending or descending, at any steps.
    flux : array (nl,)
        Per unit of wavelength, in any unit; NaN where there is no value.
    variance : array (nl,) or None
        It may be wrong by a factor that changes slowly with wavelength. None: the same everywhere.
    bad : array of bool (nl,) or None
        True where a channel must not be used.
    lsf : tuple of float
        FWHM of the line-spread function in Angstrom as coefficients of a polynomial in the
        wavelength, the highest power first; () stands for that of MUSE for an axis of MUSE, and for
        2.5 channels elsewhere.
    air : bool
        Whether wavelengths are in air.

    Returns
    -------
    Redshift
    """
    if flux.size < FEWEST_CHANNELS:
        return Redshift()
    if bad is None:
        bad = np.zeros(flux.shape, bool)
    if wave[0] > wave[-1]:
        wave, flux, bad = wave[::-1], flux[::-1], bad[::-1]
        variance = None if variance is None else variance[::-1]
    evidence = measure(wave, flux, variance, bad, lsf, air)
    return Redshift() if evidence is None else conclude(evidence)


def measure(
    wave: FloatArray,
    flux: FloatArray,
    variance: FloatArray | None,
    bad: BoolArray,
    lsf: tuple[float, ...],
    air: bool,
) -> Evidence | None:
    """The evidence in a spectrum, None where nothing can be searched.

    Parameters
    ----------
    wave, flux, variance, bad, lsf, air
        As in `estimate`.
    """
    engine = _engine(np.ascontiguousarray(wave, float).tobytes(), lsf, air)
    prepared = prepare(engine.axis, np.asarray(flux, float), variance, bad)
    return None if prepared is None else engine.evidence(prepared)


def conclude(evidence: Evidence) -> Redshift:
    """The candidates that the evidence allows."""
    ranked = rank(evidence)
    if not ranked:
        return Redshift(evidence=evidence)
    gain, z = independent(ranked, evidence)
    features = probability.features(ranked, evidence, gain)
    ranked = ranked[:CANDIDATES]
    chances = probability.probabilities(features, len(ranked))
    candidates = tuple(
        Candidate(one.z, one.error, one.kind, p, one.lines, one.single_line, one.continuum_gain)
        for one, p in zip(ranked, chances, strict=True)
    )
    return Redshift(candidates, z if gain > SECOND_SOURCE_GAIN else None, evidence)


@lru_cache(maxsize=4)
def _engine(wave: bytes, lsf: tuple[float, ...], air: bool) -> Engine:
    return Engine(Axis.of(np.frombuffer(wave), lsf, air))
