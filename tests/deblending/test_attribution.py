"""A spectrum that is a sum of others is told from one that is not."""

import numpy as np
import pytest
from blends import NL, SKY, light, lines, rising_and_falling, weighted
from numpy.testing import assert_allclose

from autospec_lib.deblending.attribution import FittedSources, attribute, compare_spectra, merge
from autospec_lib.deblending.linear_system import PROFILE_NODES, Solution
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.weighted_data import bin_cube

ERROR = 10.0


def compared(own, hosts=(0, 1), seed=4):
    """Shares and significance of a spectrum (nl,) against those of the blend, all with independent
    noise."""
    spectra = np.array([*rising_and_falling(), own])
    noise = np.random.default_rng(seed).normal(0, ERROR, spectra.shape)
    covariance = np.tile(ERROR**2 * np.eye(4), (NL, 1, 1))
    covariance[20] = np.nan
    return compare_spectra(Solution(spectra + noise, np.zeros(NL), covariance), 2, np.array(hosts))


def test_the_shares_of_a_sum_are_found_and_leave_noise():
    shares, significance = compared(np.array([0.5, 0.3]) @ rising_and_falling())
    assert_allclose(shares, [0.5, 0.3], atol=0.02)
    assert significance < 4


@pytest.mark.parametrize(
    'own',
    [
        0.8 * rising_and_falling()[1],  # another colour and another line
        0.5 * rising_and_falling()[0] + 200 * lines([75, 75], 2.0)[0],  # a line more
        0.5 * rising_and_falling()[0] - 300,  # light that is nobody's
    ],
)
def test_what_is_no_multiple_of_the_host_is_significant(own):
    shares, significance = compared(own, hosts=(0,))
    assert significance > 20
    assert shares[0] >= 0


def test_a_part_is_one_only_where_both_models_say_so():
    far, near = (Model.of(np.array([(13.0, 9.5), (13.0, x)]), 4.0) for x in (15.5, 13.0))
    profiles = far.images((27, 25), PROFILE_NODES)[:, 4]
    cube = weighted(light(rising_and_falling()[0], profiles[0] + 0.5 * profiles[1]) + SKY)
    pairs = [(near, near), (near, far), (far, near), (far, far)]
    made = [attribute(cube, bin_cube(cube), (far, *pair), (7,), 4.0) for pair in pairs]
    assert [one.ids for one in made] == [(7,), (7, -1), (7, -1), (7, -1)]
    assert_allclose(made[0].membership.sum(axis=2), 1)


def merged(apart, spectra):
    """Two sources of these spectra (2, nl), of which the catalogue names the first."""
    places = np.array([(13.0, 9.5), (13.0, 9.5 + apart)])
    model = Model.of(places, 4.0)
    cube = weighted(light(spectra, model.images((27, 25), PROFILE_NODES)[:, 4]) + SKY)
    eyes = np.tile(np.eye(2), (len(PROFILE_NODES), 1, 1))
    apart_ones = FittedSources(model, eyes, (7, -1), bin_cube(cube), (model, model), 4.0)
    return merge(cube, apart_ones, 1, 4.0)


def test_a_neighbour_that_cannot_be_told_apart_becomes_a_part_whose_share_follows_wavelength():
    rising = np.linspace(100.0, 300.0, NL)
    made = merged(3.0, [np.full(NL, 300.0), rising])
    assert made.ids == (7,)
    assert made.absorbed[0].host == 7
    assert_allclose(made.absorbed[0].share[[0, 8]], [0.27, 0.49], atol=0.03)
    assert_allclose(made.membership.sum(axis=2), 1)


def test_a_neighbour_farther_away_stays_and_one_of_negative_flux_goes():
    flat = np.full(NL, 300.0)
    assert merged(7.0, [flat, flat]).ids == (7, -1)
    gone = merged(7.0, [flat, -0.3 * flat])
    assert (gone.ids, gone.absorbed) == ((7,), ())
