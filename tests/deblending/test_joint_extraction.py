"""What the pipeline makes of a blend: keys, cards, notes, and what takes the place of a joint
extraction that fails."""

from dataclasses import replace

import numpy as np
import pytest
from blends import round_image
from builders import CUTOUT, SPECTRUM, changed, make_cutout, process
from numpy.testing import assert_allclose

from autospec_lib.core import geometry
from autospec_lib.core.moffat import moffat
from autospec_lib.core.types import Psf
from autospec_lib.deblending import joint_extraction

NL, NY, NX = CUTOUT
FWHM = 3.5
OWN, OTHER = (10.0, 8.0), (11.0, 13.0)
NEIGHBOUR = np.full(NL, 1500.0)
KEY = 'DEBLEND_SKYSUB'


def image(centre, fwhm=FWHM):
    return round_image(centre, fwhm)[:NY, :NX]


def blend(ref='', sky=0.0):
    """A source with the line of `SPECTRUM`, and another of flat spectrum five pixels off."""
    cutout = make_cutout(flux=0.0, ref=ref)
    light = SPECTRUM[:, None, None] * image(OWN) + NEIGHBOUR[:, None, None] * image(OTHER)
    lit = changed(cutout, data=cutout.voxels.data + light + sky)
    return replace(lit, centre=OWN, neighbours={9: OTHER})


def share_of(spectrum):
    """How much of the source and of its neighbour a spectrum holds."""
    return np.linalg.lstsq(np.array([SPECTRUM, NEIGHBOUR]).T, spectrum.data, rcond=None)[0]


def test_the_neighbour_leaks_into_the_weighted_spectrum_and_not_into_the_joint_one():
    products = process(blend(sky=20.0), deblend=True)
    white, clean = (share_of(products.spectra[key]) for key in ('MUSE_WHITE_SKYSUB', KEY))
    assert white[1] / white[0] > 0.05
    assert_allclose(clean, [1, 0], atol=0.02)
    pulls = (products.spectra[KEY].data - SPECTRUM) / np.sqrt(products.spectra[KEY].variance)
    assert pulls.std() == pytest.approx(1, abs=0.35)


def test_keys_and_cards():
    products = process(blend(), deblend=True)
    keys = list(products.spectra)
    assert keys.index(KEY) == keys.index('MUSE_WHITE_SKYSUB') + 1
    assert list(products.images) == ['MUSE_WHITE']
    assert list(products.fitted) == ['DEBLEND_PROFILE', 'DEBLEND_PROFILE_9', 'DEBLEND_RESIDUAL']
    profile = products.fitted['DEBLEND_PROFILE'].data
    assert np.unravel_index(profile.argmax(), profile.shape) == OWN
    assert 0.8 < profile.sum() < 1
    assert np.abs(products.fitted['DEBLEND_RESIDUAL'].data).max() < 6 / np.sqrt(NL)
    facts = {card: value for card, (value, _) in products.facts.items()}
    assert facts['DBFWHM'] == pytest.approx(FWHM * 0.2, rel=0.03)
    assert (facts['DBNUM'], facts['DBID1']) == (1, 9)
    assert abs(facts['DBDX']) + abs(facts['DBDY']) < 0.02
    assert 0 < facts['DBIN1'] < 1
    assert facts['DBCOND'] > 1
    assert all(len(card) <= 8 for card in facts)


def test_everything_else_stays_as_it_is():
    plain, extended = process(blend()), process(blend(), deblend=True)
    for key, spectrum in plain.spectra.items():
        np.testing.assert_array_equal(spectrum.data, extended.spectra[key].data)
    assert set(extended.spectra) - set(plain.spectra) == {KEY}
    assert list(plain.maps) == list(extended.maps)


def test_without_sky_subtraction_the_key_has_no_ending_and_the_value_is_the_same():
    with_sky, without = (
        process(blend(sky=20.0), deblend=True, sky_sub=switch) for switch in (True, False)
    )
    np.testing.assert_array_equal(with_sky.spectra[KEY].data, without.spectra['DEBLEND'].data)


def test_without_variance_there_is_none():
    products = process(changed(blend(), variance=None), deblend=True)
    assert products.spectra[KEY].variance is None
    assert_allclose(share_of(products.spectra[KEY]), [1, 0], atol=0.02)


def test_the_joint_spectrum_can_be_the_reference():
    products = process(blend(ref='deblend'), deblend=True)
    assert products.reference == KEY
    assert 'DEBLEND_CONTSUB_SKYSUB' in products.spectra
    assert products.notes == ()


def test_the_reference_is_unknown_where_the_joint_extraction_is_off():
    products = process(blend(ref='DEBLEND'))
    assert products.reference == 'MUSE_WHITE_SKYSUB'
    assert (
        "reference 'DEBLEND' is not in IMG, NARROWBAND, WEIGHT or APER: white light used"
        in products.notes
    )


@pytest.mark.parametrize(
    'error', [ValueError('no\nluck'), np.linalg.LinAlgError('no'), ZeroDivisionError('no')]
)
def test_a_failure_is_a_note_and_white_light_the_reference(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(joint_extraction, 'fit_jointly', fail)
    products = process(blend(ref='DEBLEND'), deblend=True)
    assert products.notes == (
        'joint extraction failed: no',
        'reference DEBLEND is not there: white light used',
    )
    assert products.reference == 'MUSE_WHITE_SKYSUB'
    assert 'DBNUM' not in products.facts


def test_a_source_that_the_data_do_not_constrain_is_a_failure_too():
    cutout = replace(blend(ref='DEBLEND'), neighbours={9: OWN})
    # A twin at the same place, and pixels around it alone that can be used.
    cutout = changed(cutout, bad=np.broadcast_to(image(OWN) < 0.9 * image(OWN).max(), CUTOUT))
    products = process(cutout, deblend=True)
    assert 'joint extraction failed: the data do not constrain the source' in products.notes
    assert products.reference.startswith('MUSE_WHITE')


def test_only_the_nearest_of_a_crowd_are_fitted(monkeypatch):
    monkeypatch.setattr(joint_extraction, 'MAX_NEIGHBOURS', 1)
    cutout = replace(blend(), neighbours={3: (-2.0, 22.0), 9: OTHER})
    products = process(cutout, deblend=True)
    assert 'DEBLEND_PROFILE_9' in products.fitted
    assert 'DEBLEND_PROFILE_3' not in products.fitted
    assert 'joint extraction: only the 1 nearest neighbours are fitted' in products.notes


def test_shapes_come_from_the_image_that_is_named():
    sharp = 1e4 * (image(OWN, 1.5) + image(OTHER, 1.5))
    cutout = replace(blend(), images={'HST': sharp}, detection={'HST': sharp})
    products = process(cutout, deblend='hst', img=('hst.fits',))
    assert_allclose(share_of(products.spectra[KEY]), [1, 0], atol=0.05)
    blank = process(
        replace(cutout, images={'HST': np.full_like(sharp, np.nan)}),
        deblend='hst',
        img=('hst.fits',),
    )
    assert any('less than half of the subcube' in note for note in blank.notes)


def test_a_descending_wavelength_axis_changes_nothing():
    cutout = blend()
    turned = replace(changed(cutout, data=cutout.voxels.data[::-1]), wave=cutout.wave[::-1])
    one, other = (process(each, deblend=True).spectra[KEY].data for each in (cutout, turned))
    # The bins' edges are not symmetric, and the search ends where chi-square settles.
    assert_allclose(one, other[::-1], rtol=4e-3)


@pytest.mark.parametrize('known', [True, False])
def test_a_pair_on_rectangular_spaxels_has_its_flux(known):
    """Spaxels of 0.2 x 0.6 arcsec: what is round on the sky is an ellipse in pixels."""
    pixel, fwhm, own, other = (0.2, 0.6), 1.4, (10.2, 10.6), (15.1, 12.3)
    scale = geometry.scale(pixel)
    profiles = [
        moffat(
            (NY, NX), place, (fwhm / scale) ** 2 * np.eye(2)[None], 2.8, geometry.relative(pixel)
        )[0]
        for place in (own, other)
    ]
    cube = SPECTRUM[:, None, None] * profiles[0] + NEIGHBOUR[:, None, None] * profiles[1]
    psf = Psf((fwhm / scale,)) if known else None
    cutout = replace(
        changed(make_cutout(flux=0.0), data=cube),
        pixel=pixel,
        centre=own,
        neighbours={9: other},
        psf=psf,
    )
    products = process(cutout, deblend=True)
    assert_allclose(share_of(products.spectra[KEY]), [1, 0], atol=0.02)
    facts = {card: value for card, (value, _) in products.facts.items()}
    assert facts['DBNUM'] == 1
    assert facts['DBFWHM'] == pytest.approx(fwhm, rel=0.05)
    assert facts['DBRATIO'] == pytest.approx(1, abs=0.1)
