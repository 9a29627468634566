"""Dead spaxels and the field's edge: the source keeps its light, and what is not known is no sky."""

from dataclasses import replace

import numpy as np
import pytest
from builders import PIXEL, RA, STEP, WAVE0, gaussian

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
def test_all_light_that_was_measured_is_in_the_sum_and_nothing_of_it_in_the_sky(kind, distance, settings):
    dead = gap(kind, distance)
    products = extracted(dead, settings)
    total = products.spectra['MUSE_TOT_SKYSUB'].data.mean()
    # The noise of the sum is 0.4 per mille of it.
    assert total / LIGHT[~dead].sum() == pytest.approx(1, abs=1.5e-3)
    assert products.spectra['MUSE_SKY'].data.mean() == pytest.approx(50, abs=0.1)
    assert not products.masks['MASK_SKY'][dead].any()
    assert products.notes == ()


def test_a_gap_far_from_objects_changes_no_object(settings):
    image = LIGHT + np.random.default_rng(3).normal(size=SHAPE)
    dead = (ROW < 2) & (COLUMN < 2)
    whole = segmentation.segment(image, settings)
    np.testing.assert_array_equal(segmentation.segment(np.where(dead, np.nan, image), settings)[5:], whole[5:])


@pytest.mark.parametrize('distance', [0, 3])
def test_the_mask_ends_where_the_field_does(distance, settings):
    beyond = gap('edge', distance)
    mask = extracted(beyond, settings).masks['MASK_INTER']
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


@pytest.mark.parametrize('scale', [1e-28, 1e-20, 1e9, 1e25])
def test_the_unit_of_the_image_does_not_matter(scale, settings):
    image = LIGHT + 50 + np.random.default_rng(3).normal(size=SHAPE)
    scale = 2.0 ** np.round(np.log2(scale))
    np.testing.assert_array_equal(segmentation.segment(image * scale, settings), segmentation.segment(image, settings))
