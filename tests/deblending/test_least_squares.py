"""The fit finds the true shapes, and its gradient is that of chi-square."""

from dataclasses import replace

import numpy as np
import pytest
from blends import FRACTION, NX, NY, PLACES, blend, weighted
from numpy.testing import assert_allclose

from autospec_lib.core.moffat import moffat
from autospec_lib.core.types import Psf
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import project
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.normal_equations import Problem
from autospec_lib.deblending.weighted_data import bin_cube


def test_fitted_shapes_are_the_true_ones():
    off = np.array([[0.4, -0.3], [-0.2, 0.3]])
    start = Model.of(np.array([*PLACES.values()]) + off, 4.5)
    start = replace(start, prior=replace(start.prior, sigma=1e6 * start.prior.sigma))
    found = fit(bin_cube(weighted(blend())), start)
    assert_allclose(found.shapes[:, :2], [*PLACES.values()], atol=1e-3)
    assert_allclose(np.exp(found.shapes[:, 2]), [4.2, 5.0], rtol=1e-3)
    assert_allclose(found.shapes[:, 3:5], [[0.2, -0.1], [-0.1, 0.2]], atol=1e-3)
    assert_allclose(1 + np.exp(found.shapes[:, 5]), 2.9, rtol=1e-2)
    assert_allclose(found.slope, 0, atol=1e-2)


def test_a_width_that_runs_with_wavelength_is_found():
    widths = (16.0 + 6.0 * (FRACTION - 0.5))[:, None, None] * np.eye(2)
    bands = bin_cube(weighted(400 * moffat((NY, NX), (13.2, 12.1), widths, 2.8)))
    place = np.array([[13.0, 12.0]])
    assert_allclose(fit(bands, Model.of(place, 4.5)).slope, 6.0, rtol=0.02)
    given = fit(bands, Model.of(place, 4.5, Psf((np.sqrt(13.0), np.sqrt(19.0)))))
    assert given.slope == 0
    assert_allclose(np.diff(given.widening(np.array([0.0, 1.0]))), 6.0)


@pytest.mark.parametrize('psf', [None, Psf((4.2, 3.8))])
@pytest.mark.parametrize('clump_share', [0.0, 0.6])
def test_the_gradient_is_that_of_chi_square(psf, clump_share):
    start = Model.of(np.array([*PLACES.values()]) + 0.2, 4.0, psf)
    # A prior that is as strong as the data.
    start = replace(start, prior=replace(start.prior, sigma=0.02 * start.prior.sigma))
    problem = Problem.of(bin_cube(weighted(blend(), 2)), start, clump_share)
    rng = np.random.default_rng(3)
    values = np.concatenate(
        [start.shapes.ravel() + 0.05, [1.5] * (psf is None), rng.normal(0, 1e-3, problem.n_clumps)]
    )
    matrix, gradient = problem.normal_equations(problem.at(values))
    assert_allclose(matrix, matrix.T, atol=1e-6 * np.abs(matrix).max())
    for _ in range(4):
        step = 1e-5 * rng.normal(size=len(values))
        difference = problem.at(values + step).chi2 - problem.at(values - step).chi2
        assert_allclose(-4 * gradient @ step, difference, rtol=1e-3)


@pytest.mark.parametrize('unit', [1e-25, 1e25])
def test_single_precision_holds_cubes_of_any_unit(unit):
    bands = bin_cube(weighted(blend(), 2))
    scaled = replace(bands, data=unit * bands.data, root_weight=bands.root_weight / unit)
    start = Model.of(np.array([*PLACES.values()]) + 0.2, 4.0)
    problems = [Problem.of(one, start, 0.6) for one in (bands, scaled)]
    values = np.concatenate([start.shapes.ravel(), [1.5], np.zeros(problems[0].n_clumps)])
    (matrix, gradient), (other, other_gradient) = (
        one.normal_equations(one.at(values)) for one in problems
    )
    size = np.sqrt(np.diag(matrix))
    assert_allclose(other / size / size[:, None], matrix / size / size[:, None], atol=2e-6)
    assert_allclose(other_gradient / size, gradient / size, atol=1e-3)


def test_the_normal_matrix_of_shapes_is_that_of_the_residuals():
    """J' (1 - Q Q') J, with J from numerical derivatives in double precision."""
    bands = bin_cube(weighted(blend(), 2))
    start = Model.of(np.array([*PLACES.values()]) + 0.2, 4.0)
    # Almost no prior.
    start = replace(start, prior=replace(start.prior, sigma=1e3 * start.prior.sigma))
    problem = Problem.of(bands, start, 0)
    values = np.append(start.shapes, 1.5)
    matrix, _ = problem.normal_equations(problem.at(values))
    fixed = project(bands, problem.model(values).band_profiles(bands))
    columns = []
    for step in 1e-4 * np.eye(len(values)):
        high, low = (problem.model(values + one).band_profiles(bands) for one in (step, -step))
        change = np.einsum('bn,nbp->bp', fixed.flux[:, :-1], high - low) / 2e-4 * bands.root_weight
        inside = np.einsum('bnp,bp->bn', fixed.q, change)
        columns.append((change - np.einsum('bn,bnp->bp', inside, fixed.q)).ravel())
    size = np.sqrt(np.diag(matrix))
    expected = np.array(columns) @ np.transpose(columns)
    assert_allclose(matrix / size / size[:, None], expected / size / size[:, None], atol=1e-4)
