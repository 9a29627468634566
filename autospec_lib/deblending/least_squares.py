"""The fit of a model: damped least squares within bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec_lib.core.types import BoolArray, FloatArray
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.normal_equations import Point, Problem
from autospec_lib.deblending.weighted_data import Bands

_MAX_STEPS = 15
# How often a step that does not lower chi-square is tried again with ten times the damping.
_MAX_TRIES = 5
_FIRST_DAMPING, _LEAST_DAMPING = 1e-3, 1e-4
# A step that lowers chi-square by less than this share ends the search.
_CONVERGED = 1e-4


def fit(bands: Bands, start: Model, clump_share: float = 0.0, narrow: bool = False) -> Model:
    """Fit the shapes of all components, and their clumps, to all bands at once.

    Parameters
    ----------
    bands : Bands
        Data.
    start : Model
        Where to start, with the prior. Where it has a PSF, that sets how the widths change with
        wavelength; otherwise one slope is fitted.
    clump_share : float
        Prior standard deviation of a clump's flux, as a share of the component's light at its
        position; 0: no clumps.
    narrow : bool
        Whether shapes are held close to the prior's mean, as in `Prior.bounds`.

    Returns
    -------
    Model
        With its ``chi2``.
    """
    problem = Problem.of(bands, start, clump_share)
    low, high = (bound[start.prior.free] for bound in start.prior.bounds(narrow))
    first = start.shapes[start.prior.free]
    if start.psf is None:
        steepest = float(np.exp(2 * start.prior.mean[0, 2]))
        low, high, first = (
            np.append(low, -steepest),
            np.append(high, steepest),
            np.append(first, start.slope),
        )
    unbound = np.full(problem.n_clumps, np.inf)
    first = np.concatenate([np.clip(first, low, high), np.zeros(problem.n_clumps)])
    found = _minimise(
        problem, first, np.concatenate([low, -unbound]), np.concatenate([high, unbound])
    )
    return replace(problem.model(found.values), chi2=found.chi2)


def _minimise(problem: Problem, first: FloatArray, low: FloatArray, high: FloatArray) -> Point:
    """Minimise by the Levenberg-Marquardt method. A parameter stays at its bound while chi-square
    falls outwards.

    scipy's `least_squares` would need the whole Jacobian, with a row for each pixel of each band
    and a column for each clump; here only the normal matrix is computed.
    """
    point, damping = problem.at(first), _FIRST_DAMPING
    for _ in range(_MAX_STEPS):
        matrix, gradient = problem.normal_equations(point)
        free = ~((point.values <= low) & (gradient < 0) | (point.values >= high) & (gradient > 0))
        for _ in range(_MAX_TRIES):
            step = _damped_step(matrix, gradient, free, damping)
            trial = problem.at(np.clip(point.values + step, low, high))
            if trial.chi2 < point.chi2:
                break
            damping *= 10
        else:
            return point
        converged = point.chi2 - trial.chi2 < _CONVERGED * point.chi2
        point, damping = trial, max(damping / 10, _LEAST_DAMPING)
        if converged:
            break
    return point


def _damped_step(
    matrix: FloatArray, gradient: FloatArray, free: BoolArray, damping: float
) -> FloatArray:
    """The step (p,) from the normal matrix (p, p) and minus half the gradient (p,); 0 where a
    parameter is not free."""
    step = np.zeros(len(gradient))
    part = matrix[np.ix_(free, free)]
    step[free] = np.linalg.solve(part + damping * np.diag(np.diag(part)), gradient[free])
    return step
