"""Masks from label maps: known pixels, and the inclusions that must hold for any maps."""

from dataclasses import replace

import numpy as np
import pytest
from builders import changed, make_cutout

from autospec_lib.core import geometry
from autospec_lib.detection import masks


def label_map(*boxes, shape=(7, 9)):
    """Rectangles (y0, y1, x0, x1) labelled 1, 2, ... on an empty map."""
    segmap = np.zeros(shape, np.int32)
    for label, (y0, y1, x0, x1) in enumerate(boxes, 1):
        segmap[y0:y1, x0:x1] = label
    return segmap


def test_nearest_label_is_the_one_with_the_smallest_city_block_distance():
    segmap = label_map((0, 2, 0, 2), (5, 7, 5, 9))
    assert masks.nearest_label(segmap, (1.0, 3.0)) == (1, 2.0)
    assert masks.nearest_label(segmap, (4.0, 6.5)) == (2, 1.5)


def test_of_labels_at_one_city_block_distance_the_nearest_on_the_sky_counts():
    segmap = label_map()
    segmap[4, 2], segmap[2, 4] = 1, 2
    assert masks.nearest_label(segmap, (0.7, 0.9), (0.2, 0.6))[0] == 1
    assert masks.nearest_label(segmap, (0.7, 0.9), (0.6, 0.2))[0] == 2
    segmap[3, 3] = 3
    assert masks.nearest_label(segmap, (0.7, 0.9)) == (3, pytest.approx(4.4))


def test_nearest_label_of_an_empty_map_is_none_at_infinity():
    assert masks.nearest_label(label_map(), (3.0, 4.0)) == (0, np.inf)


def test_union_and_intersection_of_two_overlapping_objects():
    union, inter = masks.object_masks(
        [label_map((2, 5, 2, 5)), label_map((3, 6, 3, 6))], (3.0, 3.0)
    )
    assert union.sum() == 9 + 9 - 4
    assert inter.sum() == 4
    assert inter[3:5, 3:5].all()


def test_a_map_without_detection_has_no_say_in_the_intersection():
    union, inter = masks.object_masks([label_map((2, 5, 2, 5)), label_map()], (3.0, 3.0))
    np.testing.assert_array_equal(union, inter)
    assert inter.sum() == 9


@pytest.mark.parametrize(('gap', 'counts'), [(3, True), (4, False)])
def test_an_object_more_than_three_pixels_farther_than_the_best_contributes_nothing(gap, counts):
    near, far = label_map((3, 4, 2, 3)), label_map((3, 4, 2 + gap, 3 + gap))
    union, inter = masks.object_masks([near, far], (3.0, 2.0))
    assert union.sum() == 1 + counts
    assert not inter.any()


def test_no_detection_at_all_gives_empty_masks():
    union, inter = masks.object_masks([label_map(), label_map()], (3.0, 3.0))
    assert not union.any()
    assert not inter.any()


def test_intersection_within_each_within_union():
    rng = np.random.default_rng(5)
    for _ in range(50):
        maps = [
            rng.integers(0, 4, (7, 9)).astype(np.int32) * (rng.random((7, 9)) < 0.3)
            for _ in range(3)
        ]
        centre = tuple(rng.uniform(0, 6, 2))
        union, inter = masks.object_masks(maps, centre)
        nearest = [(m, *masks.nearest_label(m, centre)) for m in maps if m.any()]
        best = min(distance for _, _, distance in nearest)
        objects = [
            (m == label) & (distance - best <= masks.TOLERANCE) for m, label, distance in nearest
        ]
        assert all((inter <= obj).all() and (obj <= union).all() for obj in objects)


@pytest.mark.parametrize('centre', [(10.0, 11.0), (3.2, 5.9)])
def test_the_sky_is_where_no_map_has_an_object_except_spaxels_without_data(centre):
    rng = np.random.default_rng(5)
    plain = make_cutout()
    dead = rng.random(plain.shape) < 0.2
    cutout = replace(
        changed(plain, bad=np.broadcast_to(dead, plain.voxels.data.shape)), centre=centre
    )
    for share in (0.0, 0.02, 0.3):
        maps = {key: (rng.random(plain.shape) < share).astype(np.int32) for key in 'abc'}
        chosen = masks.choose(cutout, maps, True, 'UNION', ())
        empty = np.all([segmap == 0 for segmap in maps.values()], axis=0)
        assert (chosen.sky == empty & ~dead & ~chosen.target).all()
        assert not (chosen.sky & chosen.named['MASK_UNION']).any()


def test_a_map_says_nothing_about_pixels_that_its_image_does_not_show():
    whole, cut = label_map((1, 6, 1, 7)), label_map((1, 6, 1, 4))
    unseen = np.zeros(whole.shape, bool)
    unseen[:, 4:] = True
    nothing = np.zeros(whole.shape, bool)
    union, inter = masks.object_masks([whole, cut], (3.0, 2.0), [nothing, unseen])
    np.testing.assert_array_equal(union, whole > 0)
    np.testing.assert_array_equal(inter, whole > 0)
    # What it shows still counts,
    unseen[:, 4:6] = False
    _, inter = masks.object_masks([whole, cut], (3.0, 2.0), [nothing, unseen])
    np.testing.assert_array_equal(inter, (whole > 0) & ((cut > 0) | unseen))
    # and where it shows another source alone, this one is not in it.
    _, inter = masks.object_masks([whole, label_map((6, 7, 0, 1))], (1.0, 6.0), [nothing, unseen])
    assert not inter.any()


def test_labels_do_not_matter():
    segmap = label_map((0, 2, 0, 2), (3, 6, 4, 8))
    renamed = np.array([0, 700, 3], np.int32)[segmap]
    for one, other in zip(
        masks.object_masks([segmap], (4, 5)), masks.object_masks([renamed], (4, 5)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_circle_area_and_centre():
    circle = geometry.circle((201, 301), (100.0, 150.0), 60.0)
    # The count of lattice points differs from the area by a small part of the 2 pi r pixels on the
    # rim.
    assert abs(circle.sum() - np.pi * 60**2) < 0.2 * 2 * np.pi * 60
    y, x = np.nonzero(circle)
    assert y.mean() == pytest.approx(100)
    assert x.mean() == pytest.approx(150)


def test_circle_on_the_sky_is_an_ellipse_in_rectangular_pixels():
    circle = geometry.circle((101, 101), (50.0, 50.0), 10.0, pixel=(0.5, 1.0))
    assert circle.any(axis=1).sum() == 39
    assert circle.any(axis=0).sum() == 19


@pytest.mark.parametrize(
    ('radius', 'snapped'), [(1.0, (5.5, 7.5)), (0.9, (5.0, 8.0)), (0.5, (5.0, 8.0))]
)
def test_snapped_centre_is_a_pixel_corner_for_even_widths_and_a_pixel_centre_for_odd_ones(
    radius, snapped
):
    assert geometry.snap((5.2, 7.6), radius, (0.2, 0.2)) == snapped


def test_snapped_circle_is_that_of_mpdaf():
    from mpdaf.obj import WCS, Image

    rng = np.random.default_rng(8)
    for _ in range(20):
        centre, radius = rng.uniform(8, 14, 2), rng.uniform(0.5, 6)
        image = Image(wcs=WCS(), data=np.zeros((21, 25)), mask=np.zeros((21, 25), bool))
        image.mask_ellipse(centre, radius, 0, unit_center=None, unit_radius=None)
        snapped = geometry.snap(tuple(centre), radius, (1.0, 1.0))
        np.testing.assert_array_equal(geometry.circle((21, 25), snapped, radius), image.mask)
