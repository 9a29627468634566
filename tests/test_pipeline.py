"""The order of the method on small cutouts: which keys come out, the fall-backs and their notes."""

from dataclasses import replace

import numpy as np
import pytest
from builders import CUTOUT, SPECTRUM, changed, gaussian, make_cutout, process
from numpy.testing import assert_allclose

from autospec_lib import pipeline
from autospec_lib.config.params import Params
from autospec_lib.core.errors import SourceError
from autospec_lib.core.products import Group
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.extraction import completion

NL, NY, NX = CUTOUT


def square(y0, y1, x0, x1):
    segmap = np.zeros((NY, NX), np.int32)
    segmap[y0:y1, x0:x1] = 1
    return segmap


def only_note(products, *facts):
    """Whether there is one note, which names these facts."""
    (note,) = products.notes
    return all(fact in note for fact in facts)


def test_keys_of_a_full_run_and_their_order():
    band = gaussian(10, 11, 1.2, (NY, NX)) * 1e4 + np.random.default_rng(2).normal(size=(NY, NX))
    products = process(
        make_cutout({'G-BAND': band}, {'MINE': square(8, 13, 9, 14)}, ref='g-band'),
        aper=(0.6, 1.0),
        out_sub=True,
    )
    assert list(products.spectra) == [
        'MUSE_SKY',
        'MUSE_TOT_SKYSUB',
        'MUSE_APER_0.6_SKYSUB',
        'MUSE_APER_1.0_SKYSUB',
        'MUSE_WHITE_SKYSUB',
        'G-BAND_SKYSUB',
        'G-BAND_CONTSUB_SKYSUB',
        'CROSS_CORRELATION_SKYSUB',
        'CROSS_CORRELATION_CONTSUB_SKYSUB',
    ]
    assert list(products.images) == ['MUSE_WHITE', 'G-BAND']
    assert list(products.segmaps) == ['SEG_MINE', 'SEG_MUSE_WHITE', 'SEG_G-BAND']
    assert list(products.masks) == ['MASK_SKY', 'MASK_UNION', 'MASK_INTER']
    assert list(products.maps) == ['CROSS_CORRELATION', 'CROSS_CORRELATION_CONTSUB']
    assert list(products[Group.CUBE]) == ['MUSE', 'MUSE_CONTSUB']
    assert products.reference == 'G-BAND_SKYSUB'
    assert products.notes == ()


@pytest.mark.parametrize(
    ('params', 'absent'),
    [
        ({'sky_sub': False}, 'SKY'),
        ({'cont_sub': False}, 'CONTSUB'),
        ({'xcor': False}, 'CROSS_CORRELATION'),
    ],
)
def test_a_step_that_is_switched_off_leaves_no_key(params, absent):
    products = process(make_cutout(), **params)
    assert not [key for key in products.spectra if absent in key]
    assert not [key for key in products.maps if absent in key]


def test_the_total_is_the_source_without_the_sky():
    cutout = make_cutout()
    cutout = changed(cutout, data=cutout.voxels.data + 50.0)
    products = process(cutout)
    mask = products.masks['MASK_INTER'].data
    expected = SPECTRUM * gaussian(10, 11, 1.5, (NY, NX))[mask].sum()
    sigma = np.sqrt(products.spectra['MUSE_TOT_SKYSUB'].variance)
    assert np.std((products.spectra['MUSE_TOT_SKYSUB'].data - expected) / sigma) == pytest.approx(
        1, abs=0.35
    )
    assert_allclose(products.spectra['MUSE_SKY'].data, 50, atol=1)


def test_weighted_spectra_follow_the_source():
    cutout = make_cutout(flux=30.0)
    products = process(changed(cutout, data=cutout.voxels.data + 500.0))
    for key in (
        'MUSE_WHITE_SKYSUB',
        'CROSS_CORRELATION_SKYSUB',
        'CROSS_CORRELATION_CONTSUB_SKYSUB',
    ):
        shape = products.spectra[key].data / SPECTRUM
        assert_allclose(shape / shape.mean(), 1, atol=0.02)


def test_an_aperture_reference_adds_its_masks_and_confines_the_cross_correlation():
    cutout = make_cutout({}, {'ALL': square(0, 21, 0, 23)}, ref='0.6')
    cutout.voxels.data[:, 0, 0] = 1e6
    products = process(cutout, aper=(0.6, 1.0), use_imgs=False, sky_sub=False)
    assert products.reference == 'MUSE_APER_0.6'
    inside = products.masks['MASK_APER_0.6_OBJ'].data
    assert inside.sum() == 25
    np.testing.assert_array_equal(products.masks['MASK_APER_0.6_SKY'].data, ~inside)
    assert products.spectra['MUSE_TOT'].data.max() > 1e6
    assert products.spectra['CROSS_CORRELATION'].data.max() < 1e5


def test_masks_come_from_the_users_maps_alone_when_use_imgs_is_false():
    products = process(make_cutout(segmaps={'MINE': square(5, 7, 6, 9)}), use_imgs=False)
    np.testing.assert_array_equal(products.masks['MASK_UNION'].data, square(5, 7, 6, 9) > 0)


def test_an_empty_intersection_falls_back_to_the_union():
    maps = {'A': square(9, 11, 10, 12), 'B': square(11, 13, 12, 14)}
    products = process(make_cutout(segmaps=maps), use_imgs=False)
    assert only_note(products, 'MASK_INTER', 'MASK_UNION')
    assert products.facts['OBJMASK'][0] == 'MASK_UNION'
    assert products.spectra['MUSE_TOT_SKYSUB'].variance[0] > 7.9


@pytest.mark.parametrize(('aper', 'radius', 'pixels'), [((), '1', 69), ((0.6, 2.0), '0.6', 25)])
def test_without_detection_a_circle_takes_the_objects_place(aper, radius, pixels):
    products = process(make_cutout(flux=0.0), aper=aper, sky_sub=False)
    assert f'radius {radius} arcsec' in products.notes[0]
    assert products.facts['OBJMASK'][0] == 'circle'
    assert_allclose(products.spectra['MUSE_TOT'].variance, pixels)


def test_the_circle_that_stands_for_a_source_is_no_sky():
    cutout = make_cutout(flux=0.0)
    inside = np.hypot(*(np.indices((NY, NX)) - np.reshape((10, 11), (2, 1, 1)))) < 5
    quiet = SegmentationSettings(detect_thresh=(1e9,), kernel=None)
    products = pipeline.process(
        changed(cutout, data=7.0 + 100.0 * inside + 0 * cutout.voxels.data), Params(aper=()), quiet
    )
    assert products.facts['OBJMASK'][0] == 'circle'
    assert_allclose(products.spectra['MUSE_SKY'].data, 7)
    assert_allclose(products.spectra['MUSE_TOT_SKYSUB'].data, 100 * inside.sum())
    np.testing.assert_array_equal(products.masks['MASK_SKY'].data, ~inside)


def test_a_circle_between_spaxel_centres_is_one_spaxel():
    products = process(replace(cutout := make_cutout(ref='0.1'), centre=(10.4, 11.45)), aper=(0.1,))
    mask = products.masks['MASK_APER_0.1_OBJ'].data
    assert mask.sum() == 1
    assert mask[10, 11]
    spectrum = products.spectra['CROSS_CORRELATION_SKYSUB'].data + products.spectra['MUSE_SKY'].data
    assert_allclose(spectrum, cutout.voxels.data[:, 10, 11])


def test_an_aperture_beyond_the_rows_own_size_is_said_to_be_cut_off():
    cutout = make_cutout()
    products = process(
        replace(cutout, target=replace(cutout.target, size=3.0)), aper=(1.0, 1.6), mode='cat'
    )
    assert only_note(products, 'aperture 1.6', 'SIZE', '1.5 arcsec')


def test_an_unknown_reference_is_white_light_with_a_note():
    products = process(make_cutout(ref='x-band'))
    assert products.reference == 'MUSE_WHITE_SKYSUB'
    assert only_note(products, "'x-band'", 'IMG', 'APER')


def test_without_sky_pixels_nothing_is_subtracted_and_the_names_say_so():
    products = process(make_cutout(segmaps={'ALL': square(0, 21, 0, 23)}), use_imgs=False)
    assert only_note(products, 'sky')
    assert not [key for key in products.spectra if 'SKY' in key]


def test_images_are_segmented_exactly_on_the_grid_and_weigh_as_they_are():
    band, moved = gaussian(10, 11, 1.2, (NY, NX)) * 1e4, gaussian(11, 12, 1.2, (NY, NX)) * 1e4
    products = process(replace(make_cutout({'G': band}), detection={'G': moved}))
    ys, xs = np.nonzero(products.segmaps['SEG_G'].data)
    assert (ys.mean(), xs.mean()) == pytest.approx((11, 12), abs=0.3)
    np.testing.assert_array_equal(products.images['G'].data, band)


def test_an_image_that_is_flat_in_the_mask_weighs_equally():
    products = process(make_cutout({'FLAT': np.ones((NY, NX))}), sky_sub=False)
    assert only_note(products, 'FLAT')
    number = products.masks['MASK_UNION'].data.sum()
    assert_allclose(
        products.spectra['FLAT'].data * 1.0, products.spectra['MUSE_TOT'].data, rtol=1e-9
    )
    assert_allclose(products.spectra['FLAT'].variance, number)


@pytest.mark.parametrize('level', [7.0, 0.0])
def test_an_image_that_is_rounding_noise_in_the_mask_gives_no_spectrum(level):
    image = level + 1e-7 * np.random.default_rng(3).normal(size=(NY, NX))
    image[0, 0] = 8.0
    products = process(make_cutout({'ROUNDED': image}))
    assert any('ROUNDED' in note for note in products.notes)
    assert 'ROUNDED_SKYSUB' not in products.spectra
    image = level + 1e-4 * np.random.default_rng(3).normal(size=(NY, NX))
    assert 'NOISY_SKYSUB' in process(make_cutout({'NOISY': image})).spectra


def test_an_image_that_does_not_reach_the_source_gives_no_spectrum():
    products = process(make_cutout({'FAR': np.full((NY, NX), np.nan)}))
    assert any('FAR' in note for note in products.notes)
    assert 'FAR_SKYSUB' not in products.spectra
    with pytest.raises(SourceError, match='FAR'):
        process(make_cutout({'FAR': np.full((NY, NX), np.nan)}, ref='far'))


def test_the_edge_of_an_image_or_of_a_map_does_not_cut_the_object_mask():
    whole = process(make_cutout()).masks['MASK_INTER'].data
    beyond = np.indices((NY, NX))[1] > 11
    image = np.where(beyond, np.nan, gaussian(10, 11, 1.5, (NY, NX)))
    products = process(make_cutout({'CUT': image}))
    (note,) = (note for note in products.notes if 'CUT' in note)
    assert f'{int((beyond & whole).sum())} of {int(whole.sum())} spaxels' in note
    inter, union = (products.masks[key].data for key in ('MASK_INTER', 'MASK_UNION'))
    np.testing.assert_array_equal(inter[beyond], union[beyond])
    assert inter[beyond].sum() == whole[beyond].sum() > 5
    products = process(make_cutout(segmaps={'CUT': np.where(beyond, -1, square(8, 13, 9, 14))}))
    np.testing.assert_array_equal(products.masks['MASK_INTER'].data[beyond], whole[beyond])
    assert products.segmaps['SEG_CUT'].data.min() == 0


def test_an_image_without_the_core_of_the_object_gets_a_note():
    core = np.hypot(*(np.indices((NY, NX)) - np.reshape((10, 11), (2, 1, 1)))) < 1.2  # saturated
    products = process(
        make_cutout({'CORE': np.where(core, np.nan, gaussian(10, 11, 1.5, (NY, NX)))})
    )
    assert any('CORE' in note and ' 5 of ' in note for note in products.notes)


def test_a_cutout_without_usable_voxel_is_refused():
    cutout = make_cutout()
    with pytest.raises(SourceError, match='voxel'):
        process(changed(cutout, bad=np.ones(CUTOUT, bool)))


def test_an_object_mask_without_usable_voxel_is_refused():
    cutout = make_cutout(segmaps={'MINE': square(5, 7, 6, 9)})
    bad = np.zeros(CUTOUT, bool)
    bad[:, 5:7, 6:9] = True
    with pytest.raises(SourceError, match='MUSE_WHITE'):
        process(changed(cutout, bad=bad), use_imgs=False)


@pytest.mark.parametrize('junk', [np.nan, 1e30])
def test_bad_voxels_change_nothing_but_themselves(junk):
    cutout = make_cutout()
    clean = process(cutout, out_sub=True)
    bad = np.zeros(CUTOUT, bool)
    bad[7, 10, 11] = bad[30, 3, 4] = True
    data, variance = (
        np.where(bad, junk, cutout.voxels.data),
        np.where(bad, junk, cutout.voxels.variance),
    )
    products = process(changed(cutout, data=data, variance=variance, bad=bad), out_sub=True)
    for key, spectrum in products.spectra.items():
        assert np.isfinite(spectrum.data).all()
        assert np.isfinite(spectrum.variance).all()
        far = np.abs(spectrum.data - clean.spectra[key].data) / np.sqrt(clean.spectra[key].variance)
        assert np.delete(far, [7, 30]).max() < 0.5
    for key, image in products.maps.items():
        assert_allclose(
            image.data, clean.maps[key].data, rtol=0.05, atol=0.05 * clean.maps[key].data.max()
        )
    assert np.isnan(products[Group.CUBE]['MUSE'].data).sum() == 2
    assert np.isnan(products[Group.CUBE]['MUSE_CONTSUB'].variance).sum() == 2


def test_without_variance_nothing_has_one():
    products = process(changed(make_cutout(), variance=None), out_sub=True)
    everything = [*products.spectra.values(), *products.images.values(), *products.maps.values()]
    assert all(
        values.variance is None for values in everything + list(products[Group.CUBE].values())
    )


def test_the_cutout_is_left_as_it_was():
    cutout = make_cutout()
    before = cutout.voxels.data.copy(), cutout.voxels.variance.copy()
    process(cutout, out_sub=True)
    for was, now in zip(before, (cutout.voxels.data, cutout.voxels.variance), strict=True):
        np.testing.assert_array_equal(was, now)


def test_a_narrow_band_has_the_flux_of_the_line_of_a_source_of_unknown_medium():
    cutout = make_cutout(ref='nb_h-beta')
    z = (4775.0 * 1.00028) / 4862.683 - 1
    products = process(
        replace(cutout, target=replace(cutout.target, z=z)), narrowband=('HBETA', 'HALPHA')
    )
    image = products.images['NB_HBETA']
    flux = 1500 * 2 * 1.25 * np.sqrt(2 * np.pi)
    inside = 0.954  # the band is 2 standard deviations wide on either side
    assert image.data.sum() == pytest.approx(inside * flux, abs=4 * np.sqrt(image.variance.sum()))
    assert products.reference == 'NB_HBETA_SKYSUB'
    assert 'SEG_NB_HBETA' in products.segmaps
    assert 'NB_HALPHA' not in products.images
    assert [('air' in note, 'NB_HALPHA' in note) for note in products.notes] == [
        (True, False),
        (False, True),
    ]


def test_words_on_lost_channels_name_the_share_that_counts(monkeypatch):
    cutout = make_cutout()
    bad = np.zeros(cutout.voxels.data.shape, bool)
    bad[3, 10, 11] = True
    monkeypatch.setattr(completion, 'LEAST_SEEN', 0.99)
    products = process(changed(cutout, bad=bad))
    number, comment = products.facts['NLOST']
    assert number == 1
    assert '99%' in comment
    assert any('1%' in note and '1 channel' in note for note in products.notes)


def test_an_object_that_belongs_to_another_source_is_not_the_central_one():
    """The map of the user's has only an object far from the source that white light shows."""
    maps = {'OWN': square(8, 13, 9, 14), 'OTHER': square(0, 3, 0, 3)}
    products = process(make_cutout(segmaps=maps), obj_mask='UNION')
    assert {key: bool(one.central) for key, one in products.segmaps.items()} == {
        'SEG_OWN': True,
        'SEG_OTHER': False,
        'SEG_MUSE_WHITE': True,
    }


def test_the_users_maps_alone_say_which_object_is_the_source():
    """White light is centred better, but does not count."""
    cutout = make_cutout(segmaps={'OWN': square(6, 9, 14, 17)})
    products = process(cutout, use_imgs=False, obj_mask='UNION')
    assert products.facts['OBJMASK'][0] == 'MASK_UNION'
    assert [one.central for one in products.segmaps.values()] == [1, 1]
