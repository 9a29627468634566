"""Light that two spectra exchange, from their lines."""

from dataclasses import replace

import numpy as np
from blends import doubts, fitted, images, light
from numpy.testing import assert_allclose

from autospec_lib.deblending.line_exchange import line_share
from autospec_lib.deblending.linear_system import Solution

NL, ERROR = 900, 10.0
CHANNEL = np.arange(NL)


def comb(centres, height):
    """Lines at these channels."""
    return height * np.exp(-0.5 * ((CHANNEL - np.array(centres)[:, None]) / 2) ** 2).sum(axis=0)


def true_spectra():
    """Two continua with lines of their own, of which no two agree."""
    rise = np.linspace(0, 100, NL)
    return np.array([300 + rise + comb([90, 410, 700], 400), 500 - rise + comb([230, 555], 600)])


def solution(spectra, correlation=0.0, seed=1):
    """The spectra (2, nl) with noise of this correlation, and its covariance."""
    covariance = ERROR**2 * np.array([[1, correlation, 0], [correlation, 1, 0], [0, 0, 1]])
    noise = np.random.default_rng(seed).multivariate_normal(np.zeros(3), covariance, NL).T[:2]
    return Solution(spectra + noise, np.zeros(NL), np.tile(covariance, (NL, 1, 1)))


def exchanged(share):
    """The spectra if the first profile holds this share of the second."""
    one, other = true_spectra()
    return np.array([one, other - share * one])


def test_the_exchange_of_light_is_the_factor_of_the_lines():
    for share in (0.2, -0.1):
        factor, error = line_share(solution(exchanged(share)), 0, 1)
        assert error < 0.05
        assert abs(factor + share) < 3 * error
        back, error = line_share(solution(exchanged(share)), 1, 0)
        assert abs(back) < 3 * error


def test_noise_of_the_same_voxels_is_no_exchange():
    spectra = np.array([400 + comb(np.arange(20, NL, 40), 45), np.full(NL, 500.0)])
    found, blind = [], []
    for seed in range(20):
        both = solution(spectra, -0.8, seed)
        found.append(line_share(both, 0, 1))
        blind.append(line_share(replace(both, covariance=both.covariance * np.eye(3)), 0, 1))
    factor, error = np.transpose(found)
    assert np.abs(factor / error).max() < 3.5
    # Without the covariance, noise would pass for an exchange.
    factor, error = np.transpose(blind)
    assert np.abs(factor / error).max() > 3.5


def test_lines_that_agree_by_chance_are_in_the_error():
    rng, sure = np.random.default_rng(5), []
    for seed in range(20):
        spectra = 500 + np.array([comb(rng.uniform(20, 880, 25), 300) for _ in range(2)])
        factor, error = line_share(solution(spectra, seed=seed), 0, 1)
        sure.append(abs(factor) > 3.5 * error)
    assert np.mean(sure) < 0.1


def test_a_spectrum_without_lines_says_nothing():
    flat = np.full((2, NL), 500.0)
    assert line_share(solution(flat), 0, 1) == (0, np.inf)
    unknown = solution(flat)
    unknown = replace(unknown, covariance=np.full_like(unknown.covariance, np.nan))
    assert line_share(unknown, 0, 1) == (0, np.inf)


def test_an_exchange_is_a_reason_for_grade_c_and_one_redshift_is_not():
    made = fitted(light(500.0 * np.ones((2, 160)), images()))
    cases = {0.0: False, 0.2: True, -0.2: False}  # of the wrong sign, and as at one redshift
    for share, is_doubted in cases.items():
        text = doubts(replace(made, solution=solution(exchanged(share))))
        assert ('source 9' in text) == is_doubted, share
        unnamed = replace(made.sources, ids=(7, -1))
        text = doubts(replace(made, solution=solution(exchanged(share)), sources=unnamed))
        assert ('N1' in text) == bool(share), share
    assert_allclose(made.solution.spectra.mean(), 500, rtol=0.05)
