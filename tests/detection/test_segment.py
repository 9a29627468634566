"""Segmentation: against the definitions of its steps, its invariants, and Source Extractor itself
where it is there."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import sep
from scipy import ndimage

from autospec_lib.core.errors import SourceError
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.detection import segmentation

SHAPE = (37, 52)
EIGHT = np.ones((3, 3))
# Thresholds in the image's unit and nothing subtracted: what is detected can be said in one line.
PLAIN = SegmentationSettings(
    detect_minarea=1,
    detect_thresh=(1.0,),
    thresh_type='ABSOLUTE',
    kernel=None,
    deblend_mincont=1.0,
    clean=False,
    back_type='MANUAL',
)
FULL = SegmentationSettings(detect_minarea=3, deblend_mincont=0.001, back_size=(16, 16))


def field(seed, shape=SHAPE, sources=8):
    """Gaussian sources of 5 to 50 sigma, some blended, on white noise of sigma 1."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=shape)
    for y, x in rng.uniform((0, 0), shape, (sources, 2)):
        image += gaussian(y, x, 10 ** rng.uniform(0.7, 1.7), shape)
    return image


def gaussian(y, x, peak, shape=SHAPE, sigma=1.7):
    yy, xx = np.indices(shape)
    return peak * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * sigma**2))


def same_partition(one, other):
    """True where the maps differ at most in the numbers of the labels."""
    pairs = set(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return len(pairs) == len({i for i, _ in pairs}) == len({j for _, j in pairs}) and not np.any(
        (one > 0) != (other > 0)
    )


def detected(image, settings):
    return segmentation.segment(image, settings) > 0


@pytest.mark.parametrize('minarea', [1, 3, 9])
def test_objects_are_the_connected_pixels_above_the_threshold(minarea):
    image = field(1)
    expected, number = ndimage.label(image > 1, EIGHT)
    small = np.flatnonzero(np.bincount(expected.ravel()) < minarea)
    expected[np.isin(expected, small)] = 0
    found = segmentation.segment(image, dataclasses.replace(PLAIN, detect_minarea=minarea))
    assert found.dtype == np.int32
    assert found.max() == number - len(small) > 3
    assert same_partition(found, expected)


def test_the_threshold_itself_is_not_above_the_threshold():
    image = np.zeros((5, 8))
    image[2, 3], image[2, 5] = 1.0, np.nextafter(np.float32(1), np.float32(2))
    np.testing.assert_array_equal(np.argwhere(detected(image, PLAIN)), [[2, 5]])


@pytest.mark.parametrize('norm', [True, False])
@pytest.mark.parametrize('shape', [(3, 3), (2, 5), (4, 1), (60, 3)])
def test_the_filter_correlates_and_sees_zeros_outside_the_image(shape, norm):
    image = field(2)
    kernel = np.random.default_rng(3).uniform(-0.3, 1, shape).astype(np.float32)
    centre = [size // 2 for size in shape]
    padded = np.pad(image.astype(np.float32), [(size, size) for size in shape]).astype(float)
    windows = np.lib.stride_tricks.sliding_window_view(padded, shape)
    corner = [size - middle for size, middle in zip(shape, centre, strict=True)]
    windows = windows[corner[0] : corner[0] + SHAPE[0], corner[1] : corner[1] + SHAPE[1]]
    smooth = (windows * kernel).sum((2, 3)) / (np.abs(kernel).sum() if norm else 1)
    settings = dataclasses.replace(PLAIN, kernel=kernel, kernel_norm=norm)
    np.testing.assert_array_equal(detected(image, settings), smooth > 1)


def test_a_relative_threshold_is_in_units_of_the_noise_and_the_background_is_taken_off():
    image = np.random.default_rng(4).normal(100, 3, (200, 240))
    share = detected(
        image, dataclasses.replace(PLAIN, back_type='AUTO', thresh_type='RELATIVE')
    ).mean()
    assert share == pytest.approx(0.1587, abs=0.01)  # of a normal distribution above 1 sigma


@pytest.mark.parametrize('scale', [2.0**-60, 2.0**-9, 2.0**40])
def test_the_unit_of_the_image_does_not_matter(scale):
    np.testing.assert_array_equal(
        segmentation.segment(field(5) * scale, FULL), segmentation.segment(field(5), FULL)
    )


@pytest.mark.parametrize(('of_file', 'of_image'), [(0.0, 0.2), (0.2, 3.0)])
def test_a_threshold_in_magnitudes_per_square_arcsec(of_file, of_image):
    settings = dataclasses.replace(
        PLAIN, detect_thresh=(23.0, 28.0), pixel_scale=of_file, thresh_type='RELATIVE'
    )
    expected = field(6) > 0.2**2 * 100  # five magnitudes are a factor of 100
    np.testing.assert_array_equal(segmentation.segment(field(6), settings, of_image) > 0, expected)


@pytest.mark.parametrize('magnitude', [-1e30, 1e30])
def test_absurd_magnitudes_overflow_quietly(magnitude):
    found = detected(field(6), dataclasses.replace(PLAIN, detect_thresh=(magnitude, 25.0)))
    np.testing.assert_array_equal(found, field(6) > 0 if magnitude > 0 else np.zeros(SHAPE))


def test_a_manual_background_is_subtracted_as_it_is():
    settings = dataclasses.replace(PLAIN, back_value=2.5)
    np.testing.assert_array_equal(
        detected(field(7), settings), field(7).astype(np.float32) - np.float32(2.5) > 1
    )


def test_mesh_sizes_are_width_and_height():
    stripes = 5 * np.sin(np.arange(64) / 5) + np.random.default_rng(8).normal(0, 0.1, (48, 64))
    settings = dataclasses.replace(PLAIN, back_type='AUTO', back_filtersize=(1, 1))
    narrow, flat = (
        detected(stripes, dataclasses.replace(settings, back_size=size)).mean()
        for size in [(4, 48), (64, 4)]
    )
    assert narrow < 0.05
    assert flat > 0.3


def test_the_median_filter_of_the_background_is_width_and_height():
    image = np.random.default_rng(9).normal(0, 0.1, (40, 48))
    image[16:24] += 3  # one row of meshes
    settings = dataclasses.replace(PLAIN, back_type='AUTO', back_size=(8, 8))
    along, across = (
        detected(image, dataclasses.replace(settings, back_filtersize=size))[18:22].mean()
        for size in [(3, 1), (1, 3)]
    )
    assert along < 0.05
    assert across > 0.95


def test_a_filter_threshold_above_all_contrasts_keeps_the_mesh_as_it_is():
    image = np.random.default_rng(9).normal(0, 0.1, (40, 48))
    image[16:24] += 3
    settings = dataclasses.replace(
        PLAIN, back_type='AUTO', back_size=(8, 8), back_filtersize=(1, 3)
    )
    assert detected(image, settings)[18:22].all()
    assert not detected(image, dataclasses.replace(settings, back_filtthresh=10.0))[18:22].any()


@pytest.mark.parametrize(
    ('settings', 'number'), [({}, 2), ({'deblend_mincont': 0.7}, 1), ({'deblend_nthresh': 1}, 1)]
)
def test_a_blend_is_parted_where_both_parts_count(settings, number):
    blend = gaussian(18, 20, 50) + gaussian(18, 27, 30)
    found = segmentation.segment(
        blend, dataclasses.replace(PLAIN, **({'deblend_mincont': 0.01} | settings))
    )
    assert found.max() == number
    assert (found[18, 20] != found[18, 27]) == (number == 2)


def test_objects_that_are_too_large_are_dropped_after_deblending():
    image = gaussian(8, 10, 50) + gaussian(25, 30, 50, sigma=4) + gaussian(8, 40, 50)
    found = segmentation.segment(image, PLAIN)
    largest = np.bincount(found.ravel())[1:].max()
    kept = segmentation.segment(image, dataclasses.replace(PLAIN, detect_maxarea=int(largest) - 1))
    assert kept[25, 30] == 0
    assert sorted(np.unique(kept)) == [0, 1, 2]
    np.testing.assert_array_equal(kept > 0, (found > 0) & (found != found[25, 30]))
    np.testing.assert_array_equal(
        segmentation.segment(image, dataclasses.replace(PLAIN, detect_maxarea=int(largest))), found
    )
    none_left = segmentation.segment(
        image, dataclasses.replace(PLAIN, detect_maxarea=1, clean=True)
    )
    assert not none_left.any()


# The scan completes it before or after the bright one.
@pytest.mark.parametrize('place', [(18, 36), (2, 20), (33, 22)])
@pytest.mark.parametrize(('peak', 'kept'), [(1.2, False), (9.0, True)])
def test_clean_gives_a_bump_in_the_wing_to_the_bright_object(place, peak, kept):
    image = gaussian(18, 20, 500, sigma=3) + gaussian(*place, peak, sigma=1)
    before = segmentation.segment(image, PLAIN)
    assert before.max() == 2
    after = segmentation.segment(image, dataclasses.replace(PLAIN, clean=True))
    np.testing.assert_array_equal(after > 0, before > 0)
    assert after.max() == (2 if kept else 1)


def test_a_hollow_object_has_no_wing():
    image = np.zeros(SHAPE)
    yy, xx = np.indices(SHAPE)
    radius = np.hypot(yy - 18, xx - 25)
    image[(radius > 9) & (radius < 11)] = 2.0
    image[18, 25] = 1.05
    assert segmentation.segment(image, dataclasses.replace(PLAIN, clean=True)).max() == 2


def round_objects(*rows):
    """What sep would say of round objects (x, flux, pixels) of semi-major axis 2 on a line."""
    names = ['x', 'y', 'a', 'b', 'cxx', 'cyy', 'cxy', 'cflux', 'npix']
    table = [(x, 0, 2, 2, 0.25, 0.25, 0, flux, pixels) for x, flux, pixels in rows]
    return np.array(table, [(name, float) for name in names])


def wing(flux, pixels, distance, beta, threshold=1.0):
    """A Moffat profile of a Gaussian's peak that is at the threshold on a circle of the object's
    area."""
    peak = flux / (2 * np.pi * 2**2)
    edge2 = pixels / np.pi
    return peak * (1 + ((peak / threshold) ** (1 / beta) - 1) * distance**2 / edge2) ** -beta


@pytest.mark.parametrize('beta', [0.5, 1.0, 2.0])
@pytest.mark.parametrize('order', [1, -1])
def test_an_object_is_swallowed_if_the_wing_is_above_its_strength(beta, order):
    pair = [(0, 300, 40), (9, 10, 6)][::order]
    value = wing(300, 40, 9, beta)
    for strength, owners in [(0.999 * value, {(0, 300, 40)}), (1.001 * value, set(pair))]:
        found = segmentation._clean(
            round_objects(*pair), [1e9, strength][::order], np.float32(1), beta
        )
        assert {pair[owner] for owner in found} == owners


def test_what_was_swallowed_adds_to_flux_and_area():
    rows = [(-1, 90, 20), (0, 100, 40), (3, 10, 6)]
    together = wing(190, 60, 3, 1.0)
    assert 0.99 * together > max(wing(100, 60, 3, 1.0), wing(190, 40, 3, 1.0))
    found = segmentation._clean(
        round_objects(*rows), [0.0, 1e9, 0.99 * together], np.float32(1), 1.0
    )
    np.testing.assert_array_equal(found, [1, 1, 1])
    found = segmentation._clean(
        round_objects(*rows), [0.0, 1e9, 1.01 * together], np.float32(1), 1.0
    )
    np.testing.assert_array_equal(found, [1, 1, 2])


def test_who_swallows_gets_what_the_swallowed_had_and_the_swallowed_swallow_no_more():
    found = segmentation._clean(
        round_objects((0, 30, 9), (1, 90, 20), (2, 300, 40)), [0.0, 0.0, 0.0], np.float32(1), 1.0
    )
    np.testing.assert_array_equal(found, [2, 2, 2])
    near_the_first = round_objects((0, 30, 9), (30, 3000, 60), (-6, 20, 5))
    strengths = [0.0, 1e9, 0.5 * (wing(30, 9, 6, 1.0) + wing(3030, 69, 36, 1.0))]
    assert wing(30, 9, 6, 1.0) > strengths[2] > wing(3030, 69, 36, 1.0)
    np.testing.assert_array_equal(
        segmentation._clean(near_the_first, strengths, np.float32(1), 1.0), [1, 1, 2]
    )


def test_objects_beyond_ten_times_their_axes_do_not_meet():
    rows = [(0, 1e9, 60), (39.9, 20, 5), (-40.1, 20, 5)]
    np.testing.assert_array_equal(
        segmentation._clean(round_objects(*rows), [1e9, 0, 0], np.float32(1), 1.0), [0, 0, 2]
    )


def test_the_elliptical_radius_is_1_on_the_ellipse():
    cxx, cyy, cxy = sep.ellipse_coeffs(3.0, 1.0, np.pi / 6)
    pair = round_objects((5.0, 1, 1), (5.0 + 3 * np.cos(np.pi / 6), 1, 1))
    pair['y'] = 7.0, 7.0 + 3 * np.sin(np.pi / 6)
    pair['cxx'][0], pair['cyy'][0], pair['cxy'][0] = cxx, cyy, cxy
    close, radius2 = segmentation._separations(pair)
    assert close.all()
    np.testing.assert_allclose(radius2, [[0, 1], [9 / 4, 0]], atol=1e-6)


@pytest.mark.parametrize('seed', range(25))
def test_clean_only_joins_whole_objects_and_labels_have_no_gaps(seed):
    image = field(seed, sources=15)
    parts = segmentation.segment(image, dataclasses.replace(FULL, clean=False))
    whole = segmentation.segment(image, FULL)
    np.testing.assert_array_equal(whole > 0, parts > 0)
    for label in range(1, parts.max() + 1):
        assert len(np.unique(whole[parts == label])) == 1
    for labels in (parts, whole):
        np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_the_strength_of_an_object_is_that_of_its_nth_pixel_as_sextractor_finds_it():
    labels = np.array([[0, 1, 1, 0, 0], [1, 1, 1, 0, 3], [0, 0, 0, 3, 3], [2, 2, 0, 3, 0]])
    excess = np.array(
        [[0, 5, 2, 0, 0], [4, 9, 7, 0, 6], [0, 0, 0, 8, 1], [3, 3, 0, 2, 0]], np.float32
    )
    # 1: the third of 5, 2, 4 and 7, as the fourth pixel (9) is passed over; 2: too small; 3: the
    # third of 6, 8 and 1
    assert segmentation._strengths(labels, excess, 3) == [4, 0, 1]
    # 1: the fourth of 5, 2, 4 and 9; 3: just four pixels, and the scan lists 8 first, which lies to
    # the left of 6
    assert segmentation._strengths(labels, excess, 4) == [2, 0, 8]


def test_the_same_image_has_the_same_map_whatever_came_before():
    first = segmentation.segment(field(3, sources=30), FULL)
    segmentation.segment(field(4, sources=30), FULL)
    np.testing.assert_array_equal(segmentation.segment(field(3, sources=30), FULL), first)


@pytest.mark.parametrize(
    'change', [np.asfortranarray, lambda a: a.astype('>f8'), lambda a: a[::-1][::-1]]
)
def test_memory_order_and_byte_order_do_not_matter_and_the_image_is_left_alone(change):
    image = change(field(10))
    image.setflags(write=False)
    np.testing.assert_array_equal(
        segmentation.segment(image, FULL), segmentation.segment(field(10), FULL)
    )


@pytest.mark.parametrize('value', [np.inf, -np.inf, 1e300, -1e31])
def test_a_value_beyond_single_precision_is_no_value(value):
    image = field(11)
    image[:, :3] = np.nan
    image[20, 30] = np.nan
    reference = segmentation.segment(image, FULL)
    assert reference.any()
    assert not reference[:, :2].any()
    image[np.isnan(image)] = value
    np.testing.assert_array_equal(segmentation.segment(image, FULL), reference)


@pytest.mark.parametrize('settings', [PLAIN, FULL, SegmentationSettings()])
@pytest.mark.parametrize('value', [np.nan, np.inf, 0.0, -7.25, 1e20])
@pytest.mark.parametrize('shape', [(1, 1), (2, 3), (3, 40), (25, 31)])
def test_images_without_contrast_or_value_are_empty(shape, value, settings):
    settings = dataclasses.replace(settings, back_type='AUTO')
    found = segmentation.segment(np.full(shape, value), settings)
    assert found.shape == shape
    assert found.dtype == np.int32
    assert not found.any()


@pytest.mark.parametrize('back_size', [(1, 1), (2, 3), (64, 64), (2_000_000_000, 1)])
@pytest.mark.parametrize(
    'kernel', [None, np.ones((9, 9), np.float32), np.eye(4, 30, dtype=np.float32)]
)
@pytest.mark.parametrize('shape', [(1, 1), (1, 7), (2, 3), (3, 40), (40, 3), (9, 10)])
def test_tiny_images_of_any_content_have_a_map(shape, kernel, back_size):
    rng = np.random.default_rng(12)
    for minarea, filter_size in [(1, 1), (5, 2), (3, 11)]:
        settings = SegmentationSettings(
            detect_minarea=minarea,
            kernel=kernel,
            back_size=back_size,
            back_filtersize=(filter_size, 3),
        )
        for scale in (1e-40, 1e-18, 1.0, 1e29):
            image = rng.normal(0, scale, shape)
            image[rng.random(shape) < 0.2] = np.nan
            labels = segmentation.segment(image, settings)
            np.testing.assert_array_equal(
                np.unique(labels[labels > 0]), np.arange(labels.max()) + 1
            )


@pytest.fixture
def small_buffers():
    """Sep's buffers as small as a careless user of sep in the same process may have left them."""
    before = sep.get_extract_pixstack(), sep.get_sub_object_limit()
    sep.set_extract_pixstack(10)
    sep.set_sub_object_limit(4)
    yield
    sep.set_extract_pixstack(before[0])
    sep.set_sub_object_limit(before[1])


def test_neither_of_seps_buffers_can_overflow(small_buffers):
    y, x = np.indices((60, 80))
    # One maximum in 12.5 pixels.
    peaks = 100 + 20 * np.cos(2 * np.pi * y / 5) * np.cos(2 * np.pi * x / 5)
    found = segmentation.segment(
        peaks, dataclasses.replace(PLAIN, detect_minarea=3, deblend_mincont=0.0)
    )
    assert found.all()
    assert found.max() > 300


def test_seps_buffers_are_never_made_smaller(small_buffers):
    sep.set_extract_pixstack(50_000)
    sep.set_sub_object_limit(60_000)
    segmentation.segment(field(1), FULL)
    assert (sep.get_extract_pixstack(), sep.get_sub_object_limit()) == (50_000, 60_000)


def test_a_failure_of_sep_fails_this_source_with_one_line(monkeypatch):
    def fail(*args, **kwargs):
        raise Exception('object deblending overflow\nmore')

    monkeypatch.setattr(sep, 'extract', fail)
    with pytest.raises(
        SourceError,
        match=r'^segmentation: sep: object deblending overflow; try a higher DETECT_THRESH',
    ):
        segmentation.segment(field(1), FULL)


def test_maps_agree_with_source_extractor(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    benchmark = importlib.import_module('benchmarks.against_sextractor')
    command = benchmark.find_program()
    if command is None:
        pytest.skip('SExtractor is not installed')
    results = [benchmark.compare(command, np.random.default_rng((2, index))) for index in range(16)]
    whole, with_gaps = (
        [result for result in results if result.gaps is gaps] for gaps in (False, True)
    )
    assert all(result.same_detection for result in whole)
    assert sum(result.agreeing for result in whole) >= 0.98 * sum(
        result.detected for result in whole
    )
    assert sum(result.same_centre for result in whole) >= len(whole) - 1
    assert with_gaps
    assert np.median([result.overlap for result in with_gaps]) > 0.9
