"""Images on the cube's grid: distorted coordinates, and which array of a file is the image."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import NX, NY, PIXEL, cube_header, gaussian, sky_header
from numpy.testing import assert_allclose

from autospec_lib.core.errors import InputError
from autospec_lib.inputs import images, resample

SHAPE = (NY, NX)
PLACES = ((6.3, 5.2), (11.0, 13.4), (18.6, 20.9))  # of stars, (y, x) in the cube's pixels


def fine_header(shape=(130, 150), pixel=0.05):
    return sky_header(crpix=((shape[1] + 1) / 2, (shape[0] + 1) / 2), pixel=pixel, angle=20.0)


def with_sip(header):
    """Distorted by up to two of the cube's pixels."""
    header = header.copy()
    header['CTYPE1'], header['CTYPE2'] = 'RA---TAN-SIP', 'DEC--TAN-SIP'
    header['A_ORDER'] = header['B_ORDER'] = 2
    header['A_2_0'], header['A_0_2'], header['B_1_1'] = 1.5e-3, -8e-4, 1.2e-3
    return header


def stars(header, shape=(130, 150)):
    """Stars that are round and of sigma 2 pixels on the cube's grid, on a background of 3, by the header's full WCS."""
    y, x = np.indices(shape)
    sky = WCS(header).all_pix2world(np.column_stack([x.ravel(), y.ravel()]), 0)
    x, y = WCS(cube_header()).celestial.all_world2pix(sky, 0).T.reshape(2, *shape)
    return of_stars(y, x)


def of_stars(y, x):
    return 3 + sum(100 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8) for row, column in PLACES)


def in_spaxels():
    """The mean of the stars in each spaxel of the cube."""
    steps = (np.arange(9) + 0.5) / 9 - 0.5
    y, x = np.indices(SHAPE)
    return np.mean([of_stars(y + dy, x + dx) for dy in steps for dx in steps], axis=0)


@pytest.fixture
def write(tmp_path):
    def written(data, header, name='PRIMARY'):
        fits.HDUList([fits.PrimaryHDU(data, header)]).writeto(tmp_path / 'i.fits', overwrite=True)
        return tmp_path / 'i.fits'

    return written


def centroid(image, place):
    y, x = np.indices(image.shape)
    near = np.where(np.hypot(y - place[0], x - place[1]) < 4, image - 3, 0.0)
    return (near * y).sum() / near.sum(), (near * x).sum() / near.sum()


def with_tpv(header):
    """Distorted by up to two of the cube's pixels."""
    header = header.copy()
    header['CTYPE1'], header['CTYPE2'] = 'RA---TPV', 'DEC--TPV'
    header['PV1_1'], header['PV1_4'], header['PV2_1'], header['PV2_5'] = 1.05, 40.0, 0.95, 60.0
    return header


@pytest.mark.parametrize('distorted', [with_sip, with_tpv])
def test_distorted_stars_are_where_the_sky_says(write, distorted):
    header = distorted(fine_header())
    aligned = images.align(write(stars(header), header), cube_header(), SHAPE).data
    # Without the distortion they would lie elsewhere.
    sky = WCS(cube_header()).celestial.all_pix2world([PLACES[0][::-1]], 0)
    bent, straight = (WCS(one).celestial.all_world2pix(sky, 0) for one in (header, fine_header()))
    assert np.hypot(*(bent - straight)[0]) * 0.05 > 0.5 * PIXEL
    covered = np.isfinite(aligned)
    assert covered.sum() > 400
    assert_allclose(aligned[covered], in_spaxels()[covered], atol=0.5)


@pytest.mark.parametrize('pole', [90.0 - 5e-4, -90.0 + 5e-4])
def test_near_a_pole(write, pole):
    """MPDAF's alignment turns the image by the angle to north at its centre, which is not that of the cube's."""
    cube, header = cube_header(), fine_header()
    for one, ra in ((cube, 10.0), (header, 130.0)):
        one['CRVAL1'], one['CRVAL2'] = ra, pole
    sky = WCS(cube).celestial.all_pix2world([(PLACES[1][1], PLACES[1][0])], 0)
    header['CRPIX1'], header['CRPIX2'] = 75.0, 65.0
    x, y = WCS(header).all_world2pix(sky, 0)[0]
    header['CRPIX1'], header['CRPIX2'] = 149.0 - x, 129.0 - y
    aligned = images.align(write(3 + 100 * gaussian(64, 74, 8.0, (130, 150)), header), cube, SHAPE).data
    assert_allclose(centroid(aligned, PLACES[1]), PLACES[1], atol=0.05)


def test_a_rotated_image_has_values_wherever_it_covers_the_cube(write):
    """MPDAF's rotation loses pixels at the border."""
    header = fine_header((260, 300))
    aligned = images.align(write(stars(header, (260, 300)), header), cube_header(), SHAPE).data
    assert np.isfinite(aligned).all()
    assert_allclose(centroid(aligned, PLACES[2]), PLACES[2], atol=0.05)


def test_resampling_gives_the_values_that_mpdaf_gives_where_nothing_is_distorted(write):
    header = fine_header()
    path = write(stars(header), header)
    theirs = images.align(path, cube_header(), SHAPE)
    assert theirs.image is not None
    found = images.open_image(path)
    ours = resample.resample(found.data, found.wcs, WCS(cube_header()).celestial, np.ones(SHAPE, bool))
    both = np.isfinite(ours) & np.isfinite(theirs.data)
    assert both.sum() > 400
    assert_allclose(ours[both].sum(), theirs.data[both].sum(), rtol=3e-3)
    assert_allclose(ours[both], in_spaxels()[both], atol=0.5)
    # MPDAF smooths an image more before it samples it.
    assert np.corrcoef(ours[both], theirs.data[both])[0, 1] > 0.99


def test_a_constant_stays_itself_and_gaps_stay_gaps(write):
    header = with_sip(fine_header())
    data = np.full((130, 150), 7.0)
    data[:, :75] = np.nan
    aligned = images.align(write(data, header), cube_header(), SHAPE).data
    assert_allclose(aligned[np.isfinite(aligned)], 7)
    assert 0.3 < np.isnan(aligned).mean() < 0.7


def test_map_and_image_with_one_distortion_agree(write):
    header = with_sip(fine_header())
    bright = stars(header) > 3.05
    aligned = images.align(write(bright.astype(float), header), cube_header(), SHAPE).data
    labels = images.nearest_map(write(bright.astype(np.int16), header), WCS(cube_header()).celestial, SHAPE)
    clear = np.isfinite(aligned) & (np.abs(aligned - 0.5) > 0.4)
    np.testing.assert_array_equal(labels[clear] > 0, aligned[clear] > 0.5)


@pytest.mark.parametrize('name', ['DQ', 'WHT', 'ERR', 'MASK', 'VARIANCE', 'g_WEIGHT'])
def test_degenerate_axes_are_dropped_and_what_is_about_the_image_is_not_the_image(tmp_path, name):
    image = gaussian(11, 13)
    header = sky_header()
    second = fits.ImageHDU(np.full(SHAPE, 9.0), header, name=name)
    fits.HDUList([fits.PrimaryHDU(image[None], header), second]).writeto(tmp_path / 'i.fits')
    assert_allclose(images.align(tmp_path / 'i.fits', cube_header(), SHAPE).data, image)


def test_a_segmentation_map_comes_before_the_image_it_was_made_from(tmp_path):
    header = sky_header()
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(gaussian(11, 13), header, name='SCI')]
    hdus.append(fits.ImageHDU((gaussian(11, 13) > 0.01).astype(np.int32), header, name='SEGMAP'))
    fits.HDUList(hdus).writeto(tmp_path / 'i.fits')
    labels = images.nearest_map(tmp_path / 'i.fits', WCS(cube_header()).celestial, SHAPE)
    np.testing.assert_array_equal(labels, gaussian(11, 13) > 0.01)


def halves(header):
    header['CTYPE1'], header['CTYPE2'] = 'GLON-TAN', 'DEC--TAN'


def solar(header):
    header['CTYPE1'], header['CTYPE2'] = 'HPLN-TAN', 'HPLT-TAN'


def elsewhere(header):
    header['CRVAL2'] += 1.0


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (halves, 'its axes are GLON-TAN and DEC--TAN; expected RA and Dec'),
        (solar, 'its axes are HPLN-TAN and HPLT-TAN'),
        (elsewhere, 'does not overlap the cube; correct its WCS, or take it out of IMG'),
    ],
)
def test_what_cannot_be_placed_is_said_in_plain_words(write, change, said):
    header = sky_header(pixel=PIXEL / 2)
    change(header)
    with pytest.raises(InputError, match=f'^i.fits: .*{said}'):
        images.align(write(gaussian(11, 13), header), cube_header(), SHAPE)


def test_an_image_without_any_value_is_named(write):
    with pytest.raises(InputError, match=r'i\.fits: holds no value'):
        images.align(write(np.full(SHAPE, np.nan), sky_header()), cube_header(), SHAPE)
