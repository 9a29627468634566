"""Components with clumps: light counts and is never negative, and a component goes as a whole."""

from dataclasses import replace

import numpy as np
from blends import NX, NY, PLACES, round_image
from numpy.testing import assert_allclose

from autospec_lib.deblending.clumps import ClumpGrid, ClumpPrior, grid_places
from autospec_lib.deblending.model import Model, Prior

MIDDLE = np.array([0.5])


def test_light_of_clumps_counts_and_is_never_negative():
    flux = np.zeros((1, 14 * 13))
    flux[0, [60, 100]] = 0.3, -0.5
    plain = Model.of(np.array([[13.0, 12.0]]), 4.0)
    image = replace(plain, clump_flux=flux, clump_fwhm=4.0).images((NY, NX), MIDDLE)[0, 0]
    assert image.min() == 0
    assert_allclose(image.sum(), plain.images((NY, NX), MIDDLE).sum(), atol=0.02)


def test_clumps_are_computed_where_they_have_flux():
    places = grid_places((NY, NX))
    flux = np.zeros((2, len(places)))
    flux[0, [60, 100]], flux[1, [60, 181]] = 0.02, 0.01
    two = replace(Model.of(np.array([*PLACES.values()]), 4.0), clump_fwhm=4.0)
    clumps = ClumpGrid.of(places, (NY, NX), np.full(1, 4.0), 3.0).images
    whole = two.images((NY, NX), MIDDLE) + np.tensordot(flux, clumps, axes=1)
    found = replace(two, clump_flux=flux).images((NY, NX), MIDDLE)
    assert_allclose(found, whole / (1 + flux.sum(axis=1))[:, None, None, None], rtol=1e-12)


def test_clumps_together_may_not_look_like_their_source():
    grid = ClumpGrid.of(grid_places((NY, NX)), (NY, NX), np.full(3, 4.0), 3.0)
    smooth = np.array([round_image(place, 5.0) for place in PLACES.values()])
    prior = ClumpPrior.of(grid, smooth, clump_share=0.15)
    used = prior.used[0]
    alike = smooth[0][tuple(grid.places[used].T)]
    cost = [own @ prior.precision[0] @ own for own in (alike, alike * (-1.0) ** used)]
    assert cost[0] > 2 * cost[1]


def test_a_component_comes_and_goes_with_its_prior_and_its_clumps():
    two = replace(Model.of(np.array([*PLACES.values()]), 4.0), clump_flux=np.array([[1.0], [2.0]]))
    one = two.without(0)
    assert_allclose(one.shapes[:, :2], [PLACES[9]])
    assert_allclose(one.prior.mean[:, :2], [PLACES[9]])
    assert_allclose(one.clump_flux, [[2.0]])
    prior = Prior.of(np.array([[3.0, 4.0]]), 4.0)
    more = replace(one, clump_flux=None).with_component(prior.mean + 0.1, prior)
    assert_allclose(more.shapes[:, :2], [PLACES[9], (3.1, 4.1)])
    assert_allclose(more.prior.mean[:, :2], [PLACES[9], (3.0, 4.0)])
    assert_allclose(more.isolation(-1), np.hypot(14 - 3.1, 15 - 4.1))
    assert (np.diff(more.prior.bounds(True), axis=0) < np.diff(more.prior.bounds(False), axis=0))[
        ..., 2:
    ].all()
