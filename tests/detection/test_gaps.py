"""Dead spaxels and the field's edge: the source keeps its light, and what is not known is no
sky."""

from dataclasses import replace

import numpy as np
import pytest
from builders import PIXEL, RA, STEP, WAVE0, gaussian
from scipy import ndimage

from autospec_lib import pipeline
from autospec_lib.config import sextractor
from autospec_lib.config.params import Params
from autospec_lib.core.types import Cutout, Grid, Target, Voxels
from autospec_lib.detection import segmentation

SHAPE, CENTRE, NL = (31, 33), (15.0, 16.0), 20
LIGHT = 1e4 * gaussian(*CENTRE, 1.8, SHAPE)
ROW, COLUMN = np.indices(SHAPE)


def gap(kind, distance):
    """Dead spaxels, this far to the right of the source."""
    place = CENTRE[1] + distance
    return {
        'spaxel': (CENTRE[0] == ROW) & (place == COLUMN),
        'block': (np.abs(ROW - CENTRE[0]) < 2) & (np.abs(COLUMN - place) < 2),
        'column': place == COLUMN,
        'edge': place < COLUMN,
        'corner': (place < COLUMN) | (CENTRE[0] + distance < ROW),
        'wedge': np.abs(ROW - CENTRE[0]) + COLUMN - CENTRE[1] > distance,
    }[kind]


@pytest.fixture
def settings(tmp_path):
    """MPDAF's, with a filter of 9 x 9 pixels."""
    return sextractor.load(tmp_path)[0]


def extracted(dead, settings):
    data = LIGHT + 50 + np.random.default_rng(3).normal(size=(NL, *SHAPE))
    voxels = Voxels.of(data, np.ones(data.shape), np.broadcast_to(dead, data.shape))
    wave = WAVE0 + STEP * np.arange(NL)
    cutout = Cutout(Target(1, RA, 0.0, 6.0), voxels, wave, CENTRE, (PIXEL, PIXEL), Grid({}, {}))
    return pipeline.process(cutout, Params(xcor=False), settings)


@pytest.mark.parametrize('kind', ['spaxel', 'block', 'column', 'edge'])
@pytest.mark.parametrize('distance', [0, 2, 3, 4, 6])
def test_all_light_that_was_measured_is_in_the_sum_and_nothing_of_it_in_the_sky(
    kind, distance, settings
):
    dead = gap(kind, distance)
    products = extracted(dead, settings)
    total = products.spectra['MUSE_TOT_SKYSUB'].data.mean()
    # The noise of the sum is 0.4 per mille of it.
    assert total / LIGHT[~dead].sum() == pytest.approx(1, abs=1.5e-3)
    assert products.spectra['MUSE_SKY'].data.mean() == pytest.approx(50, abs=0.1)
    assert not products.masks['MASK_SKY'].data[dead].any()
    enclosed = ndimage.binary_fill_holes(products.masks['MASK_INTER'].data) & dead
    assert [f': {enclosed.sum()};' in note for note in products.notes] == [True] * bool(
        enclosed.any()
    )


@pytest.mark.parametrize('kind', ['corner', 'wedge'])
@pytest.mark.parametrize('distance', [0, 1, 2, 4])
def test_a_source_in_a_corner_of_the_field_keeps_its_light(kind, distance, settings):
    dead = gap(kind, distance)
    assert dead.mean() > 0.5  # too many for every cell of the background's mesh
    products = extracted(dead, settings)
    total = products.spectra['MUSE_TOT_SKYSUB'].data.mean()
    # The noise of the sum, and of the sky that is taken off it, is about 1 per mille of what is
    # left of the source.
    assert total / LIGHT[~dead].sum() == pytest.approx(1, abs=2e-3)
    assert products.spectra['MUSE_SKY'].data.mean() == pytest.approx(50, abs=0.2)
    assert LIGHT[products.masks['MASK_SKY'].data].sum() < 1e-3 * LIGHT.sum()


@pytest.mark.parametrize('kind', ['spaxel', 'block', 'column', 'edge', 'corner'])
def test_the_sum_is_that_of_the_same_pixels_of_the_undamaged_cube(kind, settings):
    dead = gap(kind, 2)
    whole, damaged = (extracted(bad, settings) for bad in (np.zeros_like(dead), dead))
    same = damaged.masks['MASK_INTER'].data & ~dead
    total = damaged.spectra['MUSE_TOT_SKYSUB'].data.mean()
    sky = damaged.spectra['MUSE_SKY'].data.mean()
    assert total == pytest.approx((whole.images['MUSE_WHITE'].data - sky)[same].sum(), rel=1e-9)


@pytest.mark.parametrize('side', [1, -1])
@pytest.mark.parametrize('level', [-300.0, 0.0, 300.0])
def test_background_and_noise_do_not_depend_on_how_much_is_blank(level, side, settings):
    image = np.random.default_rng(7).normal(level, 3, (60, 60))
    image[15:, :][:, ::side][:, 15:] = np.nan
    known = np.isfinite(image)
    for size in (16, 32, 64):
        flat, sigma = segmentation._subtract_background(
            image, known, replace(settings, back_size=(size, size))
        )
        assert np.median(flat[known]) == pytest.approx(0, abs=0.5)
        assert sigma == pytest.approx(3, rel=0.1)


def test_a_cell_of_the_mesh_that_holds_few_of_the_pixels_does_not_stand_for_all(settings):
    image = np.random.default_rng(8).normal(50, 1, (31, 33))
    image[:12], image[:, :12] = np.nan, np.nan
    # The only cell of 32 x 32 pixels, cut off at the image's border, of which half is known.
    image[:, 32] += 40
    flat, sigma = segmentation._subtract_background(image, np.isfinite(image), settings)
    assert np.nanmedian(flat[12:, 12:32]) == pytest.approx(0, abs=0.3)
    assert sigma == pytest.approx(1, rel=0.15)


def test_a_filter_with_negative_values_sees_what_a_gap_does_not_reach(settings):
    y, x = np.mgrid[-4:5, -4:5]
    hat = (1 - (y**2 + x**2) / 4) * np.exp(-(y**2 + x**2) / 4)
    hat = replace(
        settings,
        kernel=(hat - hat.mean()).astype(np.float32),
        detect_thresh=(2.0,),
        back_type='MANUAL',
    )
    image = LIGHT + np.random.default_rng(3).normal(size=SHAPE)
    whole = segmentation.segment(image, hat) > 0
    found = segmentation.segment(np.where(gap('spaxel', 2), np.nan, image), hat) > 0
    assert whole[14:17, 14:17].all()
    assert found[14:17, 14:17].all()
    np.testing.assert_array_equal(found[:, :12], whole[:, :12])


def test_a_gap_far_from_objects_changes_no_object(settings):
    image = LIGHT + np.random.default_rng(3).normal(size=SHAPE)
    dead = (ROW < 2) & (COLUMN < 2)
    whole = segmentation.segment(image, settings)
    np.testing.assert_array_equal(
        segmentation.segment(np.where(dead, np.nan, image), settings)[5:], whole[5:]
    )


@pytest.mark.parametrize('distance', [0, 3])
def test_the_mask_ends_where_the_field_does(distance, settings):
    beyond = gap('edge', distance)
    mask = extracted(beyond, settings).masks['MASK_INTER'].data
    assert mask[15, 16 + distance]
    assert not mask[:, 16 + distance + 1 :].any()


def test_noise_is_not_detected_more_often_at_an_edge(settings):
    rng = np.random.default_rng(5)
    found = np.zeros((40, 40))
    for _ in range(300):
        image = rng.normal(size=found.shape)
        image[:, 30:] = np.nan
        found += segmentation.segment(image, replace(settings, detect_thresh=(0.2,))) > 0
    middle, edge = found[8:32, 10:20].mean(), found[8:32, 28:30].mean()
    assert edge < 1.2 * middle


def test_noise_is_not_detected_more_often_in_a_corner(settings):
    rng = np.random.default_rng(6)
    found = np.zeros((40, 40))
    for _ in range(300):
        image = rng.normal(size=found.shape)
        image[30:], image[:, 30:] = np.nan, np.nan
        found += segmentation.segment(image, replace(settings, detect_thresh=(0.2,))) > 0
    assert found[27:30, 27:30].mean() < 1.2 * found[8:20, 8:20].mean()


@pytest.mark.parametrize('scale', [1e-28, 1e-20, 1e9, 1e25])
def test_the_unit_of_the_image_does_not_matter(scale, settings):
    image = LIGHT + 50 + np.random.default_rng(3).normal(size=SHAPE)
    scale = 2.0 ** np.round(np.log2(scale))
    np.testing.assert_array_equal(
        segmentation.segment(image * scale, settings), segmentation.segment(image, settings)
    )
