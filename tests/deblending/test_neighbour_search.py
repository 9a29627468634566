"""Neighbours that no catalogue names are found where they are; clumps are not taken for them."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from blends import (
    FRACTION,
    PLACES,
    blend,
    fitted,
    images,
    light,
    rising_and_falling,
    round_image,
    weighted,
)
from numpy.testing import assert_allclose

from autospec_lib.core.moffat import moffat
from autospec_lib.core.types import Psf, Voxels
from autospec_lib.deblending import neighbour_search
from autospec_lib.deblending.clumps import LARGE_CLUMPS, TYPICAL_BETA
from autospec_lib.deblending.joint_fit import fit_jointly
from autospec_lib.deblending.least_squares import fit
from autospec_lib.deblending.linear_system import project
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.neighbour_search import best_place
from autospec_lib.deblending.weighted_data import bin_cube
from autospec_lib.demo import simulation


def test_light_with_a_spectrum_of_its_own_counts():
    drops = []
    for other in rising_and_falling():
        bands = bin_cube(weighted(light([rising_and_falling()[0], 0.2 * other], images()), 15))
        model = fit(bands, Model.of(np.array([PLACES[7]]), 4.5), narrow=True)
        projection = project(bands, model.band_profiles(bands))
        place, drop = best_place(bands, model, projection, 7.0)
        drops.append(drop)
    assert_allclose(place, PLACES[9], atol=3)
    again, _ = best_place(bands, model, projection, 7.0, [place])
    assert np.hypot(*np.subtract(again, place)) >= 3.5
    assert drops[1] > 2 * drops[0]


def test_the_drop_of_chi_square_is_that_of_a_fit_with_a_point_source():
    bands = bin_cube(weighted(blend(), 15))
    model = Model.of(np.array([PLACES[7]]), 4.5)
    profiles = model.band_profiles(bands)
    before = project(bands, profiles)
    # Far from the component, the whole flux in each band counts.
    place, drop = best_place(bands, model, before, 1.5)
    point = moffat(bands.shape, place, 1.5**2 * np.eye(2)[None], TYPICAL_BETA).reshape(1, 1, -1)
    point = np.repeat(point, len(bands.data), axis=1)
    after = project(bands, np.concatenate([profiles, point]))
    assert np.hypot(*np.subtract(place, PLACES[7])) > 3
    assert_allclose(drop, np.square(before.residual).sum() - np.square(after.residual).sum())


def crowd(seed, index, channels):
    """The catalogued galaxy of this index in a hard field and those around it, the sources near
    (16, 16)."""
    whole = simulation.hard(seed)
    middle = sorted(whole.galaxies, key=lambda one: not one.catalogued)[index]
    move = 16 - round(middle.y), 16 - round(middle.x)
    apart = {np.hypot(one.y - middle.y, one.x - middle.x): one for one in whole.galaxies}
    near = [
        replace(one, y=one.y + move[0], x=one.x + move[1])
        for far, one in sorted(apart.items())
        if far < 15
    ]
    scene = replace(whole, shape=(33, 33), galaxies=tuple(near), empty=(), scatter=0.0)
    return scene.with_channels(channels, 4600 / channels).with_noise(25 * channels / 3681).make()


def fitted_field(field, seeing=4.0):
    """The joint fit of a whole field, its sources numbered from 0, and the places of those that it
    has added."""
    named = {number: tuple(place) for number, place in enumerate(field.positions)}
    fraction = np.linspace(0, 1, len(field.wave))
    made = fit_jointly(Voxels(field.cube, field.variance), named, fraction, seeing)
    rows = [int(np.argmax(own)) for own in made.sources.mean_membership[len(named) :]]
    return made, made.sources.model.shapes[rows, :2]


def test_a_bright_neighbour_is_followed_to_its_place():
    field = crowd(510, 15, 200)
    made, added = fitted_field(field)
    assert made.sources.ids == (0, 1, -1)
    image = field.profiles[2, 4]
    place = [(image * axis).sum() / image.sum() for axis in np.indices(image.shape)]
    assert_allclose(added, [place], atol=0.2)


@pytest.mark.parametrize(('seed', 'index'), [(606, 2), (608, 14)])
def test_clumps_are_not_taken_for_neighbours(seed, index):
    field = crowd(seed, index, 200)
    made, added = fitted_field(field, Psf((4.5, 3.25), (2.8,)))
    unnamed = field.galaxies[len(field.positions) :]
    assert len(added) == len(unnamed)
    for one in unnamed:
        assert np.hypot(*(added - (one.y, one.x)).T).min() < 1
    assert_allclose(made.solution.spectra[0].sum() / field.spectra[0].sum(), 1, atol=0.05)


@pytest.mark.long
@pytest.mark.parametrize('index', [12, 13])
def test_a_neighbour_is_not_given_up_for_a_component_that_stands_in_for_it(index):
    field = crowd(1002, index, 300)
    made, added = fitted_field(field)
    assert made.sources.ids == (0, 1, -1)
    assert np.hypot(*(added[0] - (field.galaxies[-1].y, field.galaxies[-1].x))) < 1


def test_sources_beyond_the_edge_do_not_take_the_light_of_one_at_the_edge():
    profiles = np.array([round_image((13.0, 9.5), 4.2), round_image((-1.0, 15.0), 4.5)])
    spectra = np.array([300 + 200 * FRACTION, 3000 - 900 * FRACTION])
    beyond = {8: (-7.0, 14.0), 10: (-9.0, 12.0)}
    made = fitted(light(spectra, profiles), seed=4, places={7: (13.0, 9.5)} | beyond)
    assert made.sources.ids == (7, -1)
    assert_allclose(made.solution.spectra[0].sum(), spectra[0].sum(), rtol=0.05)


def test_a_source_beyond_the_edge_that_is_seen_stays():
    profiles = np.array([round_image((13.0, 9.5), 4.2), round_image((-6.0, 15.0), 5.2, 4.0)])
    spectra = np.array([300 + 200 * FRACTION, 30000 - 9000 * FRACTION])
    made = fitted(light(spectra, profiles), seed=4, places={7: (13.0, 9.5), 8: (-6.0, 15.0)})
    assert made.sources.ids[:2] == (7, 8)


@pytest.mark.parametrize(
    ('drop', 'kept', 'share'), [(5000.0, [0, 1], 0.3), (20.0, [0], LARGE_CLUMPS)]
)
def test_a_component_of_negative_flux_is_kept_with_smaller_clumps_if_it_is_needed(
    monkeypatch, drop, kept, share
):
    """Large clumps of the other source make it negative; smaller ones do not."""
    shares = []

    def fit_of(bands, model, clump_share, narrow):
        shares.append(clump_share)
        return replace(model, chi2=1000.0 + drop * (len(model.shapes) == 1))

    def projection(bands, profiles):
        sign = -1 if shares[-1] == LARGE_CLUMPS else 1
        return SimpleNamespace(significance=np.array([90.0, 50.0 * sign])[: len(profiles)])

    monkeypatch.setattr(neighbour_search, 'fit', fit_of)
    monkeypatch.setattr(neighbour_search, 'project', projection)
    bands = bin_cube(weighted(blend(), 15))
    model = Model.of(np.array([*PLACES.values()]), 4.5)
    made, numbers = neighbour_search.fit_positive(bands, model, 1, LARGE_CLUMPS)
    assert numbers.tolist() == kept
    assert len(made.shapes) == len(kept)
    assert shares[-1] == share
