"""The probability that the best hypothesis is right, by logistic regression on features of the
evidence.

The coefficients are a table that ``benchmarks/redshifts.py --fit`` writes from simulated spectra.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from autospec_lib.redshift.engine import Evidence
from autospec_lib.redshift.hypotheses import Hypothesis, Kind

TABLE = Path(__file__).resolve().parent / 'data' / 'calibration.json'


def features(
    ranked: list[Hypothesis], evidence: Evidence, second_source: float
) -> dict[str, float]:
    """What the probability depends on.

    Parameters
    ----------
    ranked : list of Hypothesis
        The best one first; at least one.
    evidence : Evidence
        Of the spectrum.
    second_source : float
        The gain of a second source, by `hypotheses.independent`.
    """
    best = ranked[0]
    runner_up = max((other.score for other in ranked[1:] if best.differs(other)), default=0.0)
    score, scale = best.score, max(best.score, 10.0)
    gap = score - max(runner_up, 0.0)
    single, quasar = float(best.single_line), float(best.kind is Kind.QUASAR)
    relative_gap = gap / scale
    sharpness = 1.0
    if best.lines:
        wave = float(best.waves[max(best.main, 0)])
        sharpness = evidence.engine.filters.sharpness(evidence.prepared, evidence.continuum, wave)
    return {
        'constant': 1.0,
        'score': _log(score),
        'gap': _log(gap),
        'relative gap': relative_gap,
        'first line': min(best.first, 15.0) / 5,
        'second line': min(best.second, 10.0) / 5,
        'lines': min(best.lines, 5) / 3,
        'continuum': _log(best.continuum_gain),
        'single': single,
        'Lyman-alpha': float(best.kind is Kind.LYMAN_ALPHA),
        'quasar': quasar,
        'star': float(best.kind is Kind.STAR),
        'unexplained': min(best.unexplained, 12.0) / 6,
        'artefacts': min(evidence.search.lowest, 12.0) / 6,
        'excess': min(evidence.excess, 3.0) - 1,
        'sharpness': min(max(sharpness - 1, -0.5), 0.5),
        'single sharpness': single * min(max(sharpness - 1, -0.5), 0.5),
        'penalty': best.penalty / 10,
        'second source': _log(second_source / 10),
        'relative second source': min(second_source / scale, 1.5),
        'single gap': single * _log(gap),
        'single relative gap': single * relative_gap,
        'quasar gap': quasar * _log(gap),
    }


def _log(gain: float) -> float:
    return float(np.log10(max(gain, 1.0)))


def probabilities(values: dict[str, float], number: int) -> list[float]:
    """The probability of each candidate; what the first one leaves is shared among the others by
    their ranks.

    Parameters
    ----------
    values : dict of str to float
        The `features`.
    number : int
        Of candidates.
    """
    table = calibration()
    exponent = sum(table['coefficients'][name] * value for name, value in values.items())
    first = float(1 / (1 + np.exp(-exponent)))
    return [first, *((1 - first) * share for share in table['shares'])][:number]


@cache
def calibration() -> dict[str, Any]:
    """The fitted table: ``coefficients`` by name of feature, and ``shares`` of the second and
    further candidates."""
    return dict(json.loads(TABLE.read_text(encoding='utf-8')))
