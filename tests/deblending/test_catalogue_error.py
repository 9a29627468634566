"""The error of a catalogue's positions is measured from its own sources; rows at one place are one
source."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from blends import NL, NX, VARIANCE, light, round_image
from builders import make_cutout
from numpy.testing import assert_allclose

from autospec_lib.core.types import CatalogueError, Voxels
from autospec_lib.deblending import joint_extraction
from autospec_lib.deblending.catalogue_error import measure
from autospec_lib.deblending.model import Frame

SPECTRUM = np.full(NL, 400.0)
PLACE = (13.0, 12.0)


def cutout(seed, listed, place=PLACE, flux=1.0, **more):
    """A cut-out with one source; the catalogue lists it somewhere else."""
    cube = light(flux * SPECTRUM, round_image(place, 4.5))
    noise = np.random.default_rng(seed).normal(size=cube.shape) * np.sqrt(VARIANCE)
    plain = make_cutout()
    wave = np.linspace(5000.0, 6000.0, NL)
    return replace(
        plain,
        voxels=Voxels(cube + noise, VARIANCE),
        wave=wave,
        centre=listed,
        pixel=(0.2, 0.2),
        **more,
    )


def field(offset, scatter, number=9, flux=1.0):
    rng = np.random.default_rng(1)
    return [
        cutout(seed, tuple(PLACE - np.array(offset) + rng.normal(0, scatter, 2)), flux=flux)
        for seed in range(number)
    ]


@pytest.mark.parametrize('offset', [(1.4, -1.1), (3.2, -1.0)])
def test_an_offset_of_the_catalogue_is_measured_also_beyond_the_bound_of_one_fit(offset):
    error = measure(field(offset, 0.1))
    assert error.number == 9
    assert_allclose(error.offset, offset, atol=0.1)
    assert error.scatter < 0.2


def test_an_offset_within_its_error_is_none_and_a_scatter_is_measured():
    error = measure(field((0.02, 0.0), 1.0, number=14))
    assert error.offset == (0, 0)
    assert error.scatter == pytest.approx(1.0, rel=0.5)


@pytest.mark.parametrize(
    'sources', [field((1.0, 0.0), 0.1, number=4), field((1.0, 0.0), 0.1, flux=0.01), []]
)
def test_few_or_faint_sources_measure_nothing(sources):
    assert measure(sources) is None


def test_bounds_are_wide_where_a_large_scatter_is_measured_and_follow_the_word_of_the_user():
    measured = [
        Frame.of((1.0, 1.0), CatalogueError((0, 0), scatter, 9)).bound
        for scatter in (0.1, 1.0, 1.1, 9.0)
    ]
    assert measured == [1.0, 1.0, 2.5, 2.5]
    assert Frame.of((1.0, 1.0), CatalogueError((0, 0), 3.0)).bound == 9.0
    assert Frame.of((1.0, 1.0), None).bound == 1.0


def test_the_offset_is_added_before_the_fit_and_written():
    shifted = cutout(
        3, (PLACE[0] - 2.0, PLACE[1] + 1.0), catalogue_error=CatalogueError((2.0, -1.0), 0.1, 9)
    )
    facts = {
        card: value
        for card, (value, _) in joint_extraction.extract(shifted, None, True).facts.items()
    }
    assert (facts['DBCATDY'], facts['DBCATDX']) == (0.4, -0.2)
    assert_allclose((facts['DBDY'], facts['DBDX']), (0.4, -0.2), atol=0.02)


def test_rows_at_one_place_are_one_source_named_in_a_note():
    twins = {9: (PLACE[0] + 0.8, PLACE[1]), 4: (2.0, 2.0), 6: (2.5, 2.5)}
    products = joint_extraction.extract(cutout(3, PLACE, neighbours=twins), None, True)
    facts = {card: value for card, (value, _) in products.facts.items()}
    assert (facts['DBNUM'], facts['DBID1']) == (1, 6)
    assert any('source 9' in note for note in products.notes)
    assert np.median(products.spectra['DEBLEND_SKYSUB'].data) == pytest.approx(
        SPECTRUM[0], rel=0.05
    )


def test_two_rows_at_one_place_beside_a_source_without_a_row_are_not_trusted():
    beside = (PLACE[0], PLACE[1] + 5.0)
    cube = light(
        [SPECTRUM, 1.5 * SPECTRUM[::-1]], [round_image(PLACE, 4.5), round_image(beside, 4.5)]
    )
    noise = np.random.default_rng(7).normal(size=cube.shape) * np.sqrt(VARIANCE)
    both = replace(cutout(3, PLACE), voxels=Voxels(cube + noise, VARIANCE))
    alone = joint_extraction.extract(both, None, True)
    wrong = joint_extraction.extract(
        replace(both, neighbours={9: (PLACE[0], PLACE[1] + 1.0)}), None, True
    )
    assert alone.facts['DBGRADE'][0] in ('A', 'B')
    assert wrong.facts['DBGRADE'][0] == 'C'
    assert sum('grade C' in note and 'source 9' in note for note in wrong.notes) == 1


def two_sources(places, spectra, seed, **more):
    cube = light(spectra, [round_image(place, 4.0) for place in places])
    noise = np.random.default_rng(seed).normal(size=cube.shape) * np.sqrt(VARIANCE)
    return replace(cutout(3, places[0], **more), voxels=Voxels(cube + noise, VARIANCE))


@pytest.mark.parametrize(
    ('own', 'other', 'sure'), [(-0.6, 0.6, True), (0.6, -0.6, True), (0.0, 0.1, False)]
)
def test_two_rows_at_one_place_are_divided_between_two_sources_within_reach(own, other, sure):
    places = (13.0, 9.0), (13.0, 14.0)
    rows = [(13.0, 11.5 + along) for along in (own, other)]
    both = two_sources(places, [SPECTRUM, 1.5 * SPECTRUM], 7, neighbours={9: rows[1]})
    both = replace(both, centre=rows[0], catalogue_error=CatalogueError((0.0, 0.0), 1.1, 9))
    made = joint_extraction.fit(both)
    assert made.sources.ids == (5, 9)
    nearer = places if own < other else places[::-1]
    assert_allclose([made.sources.centre(row) for row in (0, 1)], nearer, atol=0.2)
    assert (not made.doubts) == sure
    assert made.notes == ()


def test_a_row_that_comes_out_negative_is_looked_for_where_light_is_left(monkeypatch):
    kinds = importlib.import_module('benchmarks.quality_kinds')
    for name, value in {'WAVE': kinds.WAVE[::8], 'DEPTH': kinds.DEPTH / 8}.items():
        monkeypatch.setattr(kinds, name, value)
    # Sources 5 and 6 are listed 0.3 and 1 arcsec from their light, and both positions lead to that
    # of one of them.
    sample = next(
        one for one in kinds.make_scene('astrom03', 48).samples() if one.cutout.target.id == 5
    )
    error = CatalogueError((0.0, 0.0), 3.0, 5)
    judged = kinds.judge(replace(sample, cutout=replace(sample.cutout, catalogue_error=error)))
    assert judged['flux'] == pytest.approx(1, abs=0.05)
    assert judged['leakage'] < 0.02
    assert judged['grade'] == 'A'


def test_a_source_whose_light_is_beyond_its_bound_is_looked_for_within_the_scatter():
    places = (13.0, 8.0), (13.0, 16.0)
    rows = [(7.5, 5.0), (13.0, 16.5)]  # the first 1.3 arcsec from its light
    both = two_sources(places, [SPECTRUM, 1.5 * SPECTRUM], 7, neighbours={9: rows[1]})
    error = CatalogueError((0.0, 0.0), 2.0, 9)
    made = joint_extraction.fit(replace(both, centre=rows[0], catalogue_error=error))
    assert made.sources.ids == (5, 9)
    assert_allclose(made.sources.centre(0), places[0], atol=0.2)


def test_a_negative_source_that_stands_alone_is_kept_with_a_c():
    products = joint_extraction.extract(cutout(3, PLACE, flux=-1.0), None, True)
    assert np.median(products.spectra['DEBLEND_SKYSUB'].data) < 0
    assert products.facts['DBGRADE'][0] == 'C'


def test_two_sources_whose_positions_lead_to_the_same_light_are_both_found():
    lights = {7: (13.0, 8.0), 9: (13.0, 14.0)}
    spectra = [SPECTRUM, np.linspace(900, 300, NL)]
    cube = light(spectra, [round_image(place, 4.0) for place in lights.values()])
    noise = np.random.default_rng(8).normal(size=cube.shape) * np.sqrt(VARIANCE)
    error = CatalogueError((0.0, 0.0), 1.3, 9)
    # The second is listed 4.5 pixels from its light, at the other side of the first.
    blend = replace(
        cutout(3, (14.5, 8.5), catalogue_error=error), voxels=Voxels(cube + noise, VARIANCE)
    )
    listed = {9: (12.0, 9.5)}
    made = joint_extraction.fit(replace(blend, neighbours=listed))
    assert len(made.sources.ids) == 2
    assert_allclose(np.sort([made.sources.centre(row)[1] for row in (0, 1)]), [8, 14], atol=0.2)
    assert_allclose(np.sort(np.median(made.solution.spectra, axis=1)), [400, 600], rtol=0.08)


def test_neighbours_beyond_the_edge_take_their_light():
    outside = (13.0, NX + 6.0)
    cube = light([SPECTRUM, 40 * SPECTRUM], [round_image(PLACE, 4.5), round_image(outside, 5.0)])
    one = replace(cutout(5, PLACE), voxels=Voxels(cube, VARIANCE), neighbours={9: outside})
    result = joint_extraction.fit(one)
    assert result.sources.ids == (5, 9)
    assert result.solution.spectra[0].mean() == pytest.approx(SPECTRUM[0], rel=0.1)
