"""Images and maps on the cube's grid: their values, where they lie, and which array of a file is
the image."""

import gzip
import tracemalloc

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import NX, NY, PIXEL, RA, gaussian, sky_header
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

from autospec_lib.core.errors import InputError
from autospec_lib.inputs import images
from autospec_lib.inputs.coordinates import Sky

SHAPE = (NY, NX)
GRID = WCS(sky_header())
SKY = Sky(GRID)
PLACES = ((6.3, 5.2), (11.0, 13.4), (18.6, 20.9))  # of stars, (y, x) in the cube's pixels


@pytest.fixture
def write(tmp_path):
    def written(data, header, name='i.fits'):
        fits.PrimaryHDU(data, header).writeto(tmp_path / name, overwrite=True)
        return tmp_path / name

    return written


def fine_header(shape=(130, 150), pixel=0.05, angle=20.0):
    """A grid whose centre is that of the cube's coordinates."""
    return sky_header(crpix=((shape[1] + 1) / 2, (shape[0] + 1) / 2), pixel=pixel, angle=angle)


def sheared(header, shear=0.0, aspect=1.0):
    """The y axis of an image is stretched, and leans by ``shear`` radians."""
    header = header.copy()
    matrix = np.array([[header[f'CD{i}_{j}'] for j in (1, 2)] for i in (1, 2)])
    matrix = matrix @ [[1.0, shear], [0.0, aspect]]
    for i in (1, 2):
        header[f'CD{i}_1'], header[f'CD{i}_2'] = matrix[i - 1]
    return header


def with_sip(header):
    """Distorted by up to two of the cube's pixels."""
    header = header.copy()
    header['CTYPE1'], header['CTYPE2'] = 'RA---TAN-SIP', 'DEC--TAN-SIP'
    header['A_ORDER'] = header['B_ORDER'] = 2
    header['A_2_0'], header['A_0_2'], header['B_1_1'] = 1.5e-3, -8e-4, 1.2e-3
    return header


def with_tpv(header):
    """Distorted by up to two of the cube's pixels."""
    header = header.copy()
    header['CTYPE1'], header['CTYPE2'] = 'RA---TPV', 'DEC--TPV'
    header['PV1_1'], header['PV1_4'], header['PV2_1'], header['PV2_5'] = 1.05, 40.0, 0.95, 60.0
    return header


def of_stars(y, x, places=PLACES):
    return 3 + sum(
        100 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8) for row, column in places
    )


def stars(header, shape=(130, 150), places=PLACES, grid=GRID):
    """Stars that are round and of sigma 2 pixels on the cube's grid, on a background of 3, by the
    header's full WCS."""
    y, x = np.indices(shape)
    sky = WCS(header).all_pix2world(np.column_stack([x.ravel(), y.ravel()]), 0)
    x, y = grid.all_world2pix(sky, 0).T.reshape(2, *shape)
    return of_stars(y, x, places)


def in_spaxels():
    """The stars, smoothed by a Gaussian of sigma 0.96 spaxels: nearly what the low-pass filter
    does."""
    y, x = np.indices(SHAPE)
    wide = 4 + 0.96**2
    return 3 + sum(
        100 * 4 / wide * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * wide)) for a, b in PLACES
    )


def centroid(image, place):
    y, x = np.indices(image.shape)
    near = np.where(np.hypot(y - place[0], x - place[1]) < 4, image - 3, 0.0)
    return (near * y).sum() / near.sum(), (near * x).sum() / near.sum()


# Of a cube that is large enough for an inner part to which MPDAF's borders do not matter.
WIDE = (52, 61)
FIELD = ((20.3, 15.2), (31.0, 33.4), (38.6, 50.9))


def by_mpdaf(data, header, cube, shape):
    """The image that MPDAF aligns, and its grid."""
    from mpdaf.obj import WCS as MpdafWCS  # noqa: N811
    from mpdaf.obj import Image

    grid = MpdafWCS(cube)
    grid.naxis2, grid.naxis1 = shape
    own = Image(wcs=MpdafWCS(header, shape=data.shape), data=data.copy())
    return own.align_with_image(Image(wcs=grid, data=np.zeros(shape))), grid


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(('turned', 'leaning'), [(0.0, 0.0), (33.0, 0.0), (33.0, 4e-4)])
@pytest.mark.parametrize(
    ('angle', 'pixel', 'changed'),
    [
        (0.0, 0.05, {}),
        (20.0, 0.05, {}),
        (200.0, 0.11, {}),
        (20.0, 0.1, {'shear': 3e-3}),
        (20.0, 0.1, {'aspect': 1.3}),
        (0.0, 0.3, {}),
        (-70.0, 0.3, {'shear': 3e-3}),
    ],
)
def test_an_aligned_image_is_that_of_mpdaf_to_1e_6_of_its_peak(
    write, turned, leaning, angle, pixel, changed
):
    cube = sheared(sky_header((31.3, 26.1), angle=turned), leaning)
    side = round(100 * PIXEL / pixel)
    header = sheared(sky_header((side / 2 + 0.3, side / 2 + 4.1), pixel, angle), **changed)
    data = stars(header, (side, side + 7), FIELD, WCS(cube))
    theirs, _ = by_mpdaf(data, header, cube, WIDE)
    ours = images.align(write(data, header), Sky(WCS(cube)), WIDE).data
    # At the border of the field, MPDAF's filter mixes in zeros.
    inner = np.s_[14:-14, 14:-14]
    assert_allclose(ours[inner], theirs.data.filled(np.nan)[inner], rtol=0, atol=1e-6 * 100)


@pytest.mark.filterwarnings('ignore')
def test_an_image_is_segmented_on_the_pixels_that_mpdaf_gives_v1_1_2(write):
    """In v1.1.2, cut-outs are rotated by differences of rounding, and resampled onto the grid."""
    import astropy.units as u

    cube = sheared(sky_header((31.3, 26.1)), 4e-4)
    header = sky_header((50.3, 54.1), 0.3, 20.0)
    data = stars(header, (100, 107), FIELD, WCS(cube))
    theirs, grid = by_mpdaf(data, header, cube, WIDE)
    ours = images.align(write(data, header), Sky(WCS(cube)), WIDE)
    for box in (np.s_[8:29, 10:28], np.s_[20:43, 30:50], np.s_[30:45, 3:25]):
        cut, there = theirs[box], grid[box]
        if cut.get_rot() != there.get_rot():
            cut = cut.rotate(there.get_rot() - cut.get_rot(), interp='no', reshape=True)
        moved = cut.resample(
            (there.naxis2, there.naxis1),
            there.get_start(),
            there.get_step(unit=u.arcsec),
            flux=True,
        )
        moved, mine = moved.data.filled(np.nan), ours.on_grid(box)
        # MPDAF mixes the median into the pixels beside those that a rotation loses.
        assert_allclose(mine[2:-2, 2:-2], moved[2:-2, 2:-2], rtol=0, atol=1e-6 * 100)
        # The row and the column beyond the pixels of the cut-out are lost.
        down, right = ours.offset[:, box[0].start, box[1].start]
        for image in (mine, moved):
            assert np.isnan(image[-1 if down > 0 else 0]).all()
            assert np.isnan(image[:, -1 if right > 0 else 0]).all()


@pytest.mark.parametrize('angle', [0.0, 20.0])
@pytest.mark.parametrize('pixel', [0.05, 0.3])
def test_zeros_stay_exact_zeros_and_light_stays_near_its_pixels(write, angle, pixel):
    data = np.zeros((round(9 / pixel), round(9 / pixel)))
    header = fine_header(data.shape, pixel, angle)
    y, x = (round(float(v)) for v in images.places(Sky(GRID), Sky(WCS(header)), 11, 13))
    data[y, x] = 1000.0
    aligned = images.align(write(data, header), SKY, SHAPE).data
    distance = np.hypot(*(np.indices(SHAPE) - np.reshape((11, 13), (2, 1, 1))))
    assert (aligned[distance > 3 * np.sqrt(2) + 2 * max(pixel / PIXEL, 1)] == 0).all()
    assert aligned[11, 13] > 10
    # Brightness is the mean over a spaxel.
    assert aligned.sum() == pytest.approx(1000 * (pixel / PIXEL) ** 2, rel=0.05)


@pytest.mark.parametrize('angle', [0.0, 20.0])
@pytest.mark.parametrize('pixel', [0.05, 0.1, 0.2, 0.47])
def test_spaxels_of_which_three_quarters_lie_in_the_image_have_a_value(write, angle, pixel):
    shape = (round(3 / pixel), round(3.6 / pixel))
    header = fine_header(shape, pixel, angle)
    aligned = images.align(write(np.full(shape, 7.0), header), SKY, SHAPE).data
    assert_allclose(aligned[np.isfinite(aligned)], 7)
    steps = (np.arange(20) + 0.5) / 20 - 0.5
    y, x = (np.add.outer(np.arange(n), steps).ravel() for n in SHAPE)
    row, column = images.places(Sky(GRID), Sky(WCS(header)), y[:, None], x)
    inside = (row > -0.5) & (row < shape[0] - 0.5) & (column > -0.5) & (column < shape[1] - 0.5)
    share = inside.reshape(NY, 20, NX, 20).mean(axis=(1, 3))
    sure = np.abs(share - 0.75) > 0.05
    assert_array_equal(np.isfinite(aligned)[sure], (share > 0.75)[sure])


@pytest.mark.parametrize('pixel', [0.05, 0.3])
def test_pixels_without_a_value_have_no_weight(write, pixel):
    header = fine_header((round(9 / pixel), round(9 / pixel)), pixel)
    data = np.full((round(9 / pixel), round(9 / pixel)), 7.0)
    data[::5, ::3] = np.nan
    data[:, : round(4 / pixel)] = np.nan
    aligned = images.align(write(data, header), SKY, SHAPE).data
    assert_allclose(aligned[np.isfinite(aligned)], 7)
    assert 0.3 < np.isnan(aligned).mean() < 0.6


@pytest.mark.parametrize('distorted', [with_sip, with_tpv])
def test_distorted_stars_are_where_the_sky_says(write, distorted):
    header = distorted(fine_header())
    aligned = images.align(write(stars(header), header), SKY, SHAPE)
    # Without the distortion they would lie elsewhere.
    sky = GRID.all_pix2world([PLACES[0][::-1]], 0)
    bent, straight = (WCS(one).celestial.all_world2pix(sky, 0) for one in (header, fine_header()))
    assert np.hypot(*(bent - straight)[0]) * 0.05 > 0.5 * PIXEL
    covered = np.isfinite(aligned.data)
    assert covered.sum() > 400
    assert_allclose(aligned.data[covered], in_spaxels()[covered], atol=2)
    assert_array_equal(aligned.on_grid(np.s_[0:NY, 0:NX]), aligned.data)


@pytest.mark.parametrize('pole', [90.0 - 5e-4, -90.0 + 5e-4])
def test_stars_near_a_pole_are_where_the_sky_says(write, pole):
    """MPDAF's alignment turns the image by the angle to north at its centre, which is not that of
    the cube's."""
    cube, header = sky_header(), fine_header()
    for one, ra in ((cube, 10.0), (header, 130.0)):
        one['CRVAL1'], one['CRVAL2'] = ra, pole
    sky = WCS(cube).all_pix2world([(PLACES[1][1], PLACES[1][0])], 0)
    header['CRPIX1'], header['CRPIX2'] = 75.0, 65.0
    x, y = WCS(header).all_world2pix(sky, 0)[0]
    header['CRPIX1'], header['CRPIX2'] = 149.0 - x, 129.0 - y
    data = 3 + 100 * gaussian(64, 74, 8.0, (130, 150))
    aligned = images.align(write(data, header), Sky(WCS(cube)), SHAPE).data
    assert_allclose(centroid(aligned, PLACES[1]), PLACES[1], atol=0.05)


@pytest.mark.parametrize('pixel', [0.05, 0.3])
@pytest.mark.parametrize('aspect', [3.0, 6.0])
def test_an_image_on_spaxels_that_are_not_square_is_its_mean_over_them(write, pixel, aspect):
    """The source is a Gaussian, whose mean over a rectangle is known."""
    width = 0.8  # arcsec
    shape = tuple(int(12 / pixel) + 1 for _ in 'yx')
    y, x = (np.arange(length) - (length - 1) / 2 for length in shape)
    data = np.exp(-(y[:, None] ** 2 + x**2) * (pixel / width) ** 2 / 2)
    grid = sky_header(crpix=(11.0, 11.0))
    grid['CD2_2'] *= aspect
    found = images.align(write(data, fine_header(shape, pixel, 0.0)), Sky(WCS(grid)), (21, 21)).data
    edges = [(np.arange(22) - 10.5) * side / width / np.sqrt(2) for side in (PIXEL * aspect, PIXEL)]
    rows, columns = (
        np.diff(special.erf(edge)) / np.diff(edge) * np.sqrt(np.pi) / 2 for edge in edges
    )
    known = np.isfinite(found)
    assert known.sum() > 21
    # Linear interpolation between pixels lowers the peak.
    assert_allclose(
        found[known], np.outer(rows, columns)[known], atol=0.003 + (pixel / width) ** 2 / 4
    )


@pytest.mark.parametrize('angle', [0.0, 20.0])
def test_stars_on_spaxels_that_are_not_square_are_where_the_sky_says(write, angle):
    cube = WCS(sheared(sky_header(crpix=(14.0, 6.0), angle=angle), aspect=2.5))
    header = fine_header((260, 300))
    data = stars(header, (260, 300), PLACES[:2], cube)
    aligned = images.align(write(data, header), Sky(cube), (12, NX)).data
    assert np.isfinite(aligned).all()
    assert_allclose(centroid(aligned, PLACES[0]), PLACES[0], atol=0.1)


def test_a_rotated_image_has_values_wherever_it_covers_the_cube(write):
    """MPDAF's rotation loses pixels at the border."""
    header = fine_header((260, 300))
    aligned = images.align(write(stars(header, (260, 300)), header), SKY, SHAPE).data
    assert_allclose(aligned, in_spaxels(), atol=2)
    assert_allclose(centroid(aligned, PLACES[2]), PLACES[2], atol=0.05)


def test_an_image_of_many_fine_pixels_in_a_few_spaxels(write):
    """Nodes are laid where the image is: over the whole cube, they would be 6 million."""
    aligned = images.align(
        write(np.full((150, 150), 7.0), fine_header((150, 150), 0.004)), SKY, SHAPE
    ).data
    assert 4 <= np.isfinite(aligned).sum() <= 12
    assert_allclose(aligned[np.isfinite(aligned)], 7)


def test_an_image_on_the_grid_is_used_as_it_is(write):
    picture = gaussian(11, 13)
    picture[2, 3] = np.nan
    aligned = images.align(write(picture, sky_header()), SKY, SHAPE)
    assert_array_equal(aligned.data, picture)
    box = np.s_[4:19, 6:21]
    assert_array_equal(aligned.on_grid(box), picture[box])


def test_an_image_of_spaxels_that_is_shifted_by_whole_ones_is_not_changed(write):
    """MPDAF smooths it if its spaxels are larger by a rounding error."""
    picture = np.random.default_rng(1).normal(size=(NY + 10, NX + 10))
    aligned = images.align(write(picture, sky_header((19.0, 17.0))), SKY, SHAPE).data
    assert_allclose(aligned, picture[5:-5, 5:-5], atol=1e-7)


def test_an_image_that_shear_keeps_off_the_grid_is_put_on_it_to_be_segmented(write):
    grid = Sky(WCS(sheared(sky_header(), 0.002)))
    # The value of this image's pixels is their y, so what lands on the cube's grid says where it
    # came from.
    plane = np.repeat(np.arange(70.0)[:, None], 80, axis=1)
    own = sky_header((41.0, 36.0))
    aligned = images.align(write(plane, own), grid, SHAPE)
    box = np.s_[15:22, 4:12]
    true_y, _ = images.places(grid, Sky(WCS(own)), *np.mgrid[box])
    assert np.abs(aligned.data[box] - true_y)[2:5, 2:5].max() > 0.01
    assert np.abs(aligned.on_grid(box) - true_y)[2:5, 2:5].max() < 0.01


def test_a_box_of_one_row_is_segmented_as_it_is(write):
    aligned = images.align(write(stars(fine_header()), fine_header()), SKY, SHAPE)
    box = np.s_[10:11, 3:20]
    assert aligned.offset is not None
    assert_array_equal(aligned.on_grid(box), aligned.data[box])


def test_missing_pixels_stay_missing(write):
    picture = np.ones((NY + 6, NX + 6))
    picture[10:14, 11:15] = np.nan
    aligned = images.align(write(picture, sky_header((17.3, 15.0))), SKY, SHAPE)
    missing = np.argwhere(np.isnan(aligned.data[2:-2, 2:-2])) + 2
    assert np.abs(missing.mean(axis=0) - (8.5, 9.2)).max() < 0.6
    assert 12 <= len(missing) <= 25


def test_a_map_and_an_image_with_one_distortion_agree(write):
    header = with_sip(fine_header())
    bright = stars(header) > 3.05
    aligned = images.align(write(bright.astype(float), header), SKY, SHAPE).data
    labels = images.nearest_map(write(bright.astype(np.int16), header), SKY, SHAPE)
    clear = np.isfinite(aligned) & (np.abs(aligned - 0.5) > 0.49)
    assert clear.sum() > 100
    assert_array_equal(labels[clear] > 0, aligned[clear] > 0.5)


@pytest.mark.parametrize('name', ['DQ', 'WHT', 'ERR', 'MASK', 'VARIANCE', 'g_WEIGHT'])
def test_degenerate_axes_are_dropped_and_what_is_about_the_image_is_not_the_image(tmp_path, name):
    image = gaussian(11, 13)
    header = sky_header()
    second = fits.ImageHDU(np.full(SHAPE, 9.0), header, name=name)
    fits.HDUList([fits.PrimaryHDU(image[None], header), second]).writeto(tmp_path / 'i.fits')
    assert_allclose(images.align(tmp_path / 'i.fits', SKY, SHAPE).data, image)


@pytest.mark.parametrize('name', ['DATA', 'SCI'])
def test_of_several_images_in_a_file_data_or_sci_is_taken(tmp_path, name):
    arrays = [fits.ImageHDU(np.full((3, 4), v), sky_header(), n) for n, v in (('A', 1), (name, 2))]
    fits.HDUList([fits.PrimaryHDU(), *arrays]).writeto(tmp_path / 'i.fits')
    with images.open_images(tmp_path / 'i.fits') as (first, *_):
        assert (first.hdu.data == 2).all()


def test_a_segmentation_map_comes_before_the_image_it_was_made_from(tmp_path):
    header = sky_header()
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(gaussian(11, 13), header, name='SCI')]
    hdus.append(fits.ImageHDU((gaussian(11, 13) > 0.01).astype(np.int32), header, name='SEGMAP'))
    fits.HDUList(hdus).writeto(tmp_path / 'i.fits')
    assert_array_equal(images.nearest_map(tmp_path / 'i.fits', SKY, SHAPE), gaussian(11, 13) > 0.01)


def halves(header):
    header['CTYPE1'], header['CTYPE2'] = 'GLON-TAN', 'DEC--TAN'


def solar(header):
    header['CTYPE1'], header['CTYPE2'] = 'HPLN-TAN', 'HPLT-TAN'


def beyond(header):
    header['CRVAL2'] += 1.0


def far(header):
    header['CRVAL1'] = RA + 5


def beside(header):
    header['CRPIX1'] = -60.0


def bare(header):
    for card in list(header):
        del header[card]


@pytest.mark.parametrize(
    ('change', 'facts'),
    [
        (halves, ['CTYPE2', 'DEC--TAN']),
        (solar, ['CTYPE1', 'HPLN-TAN']),
        (beyond, ['IMG']),
        (far, ['IMG']),
        (beside, ['IMG']),
        (bare, ['CTYPE1', 'CTYPE2']),
    ],
)
def test_an_image_that_cannot_be_placed_is_a_fault(write, change, facts):
    header = sky_header(pixel=PIXEL / 2)
    change(header)
    with pytest.raises(InputError) as fault:
        images.align(write(gaussian(11, 13), header), SKY, SHAPE)
    assert str(fault.value).startswith('i.fits: ')
    assert all(fact in str(fault.value) for fact in facts)


def test_a_file_without_an_image_is_a_fault(write, tmp_path):
    (tmp_path / 'text.fits').write_text('x')
    for file in (tmp_path / 'text.fits', write(np.ones((5, 5, 5)), sky_header())):
        with pytest.raises(InputError, match=f'^{file.name}: '):
            images.align(file, SKY, SHAPE)


@pytest.mark.parametrize('value', [np.nan, 0.0])
def test_an_image_without_any_value_is_a_fault(write, value):
    with pytest.raises(InputError, match=r'^i\.fits: .*IMG'):
        images.align(write(np.full(SHAPE, value), sky_header()), SKY, SHAPE)


def test_a_segmentation_map_on_another_grid_is_taken_by_nearest_neighbour(write):
    coarse = np.arange(12 * 14, dtype=np.int16).reshape(12, 14)
    labels = images.nearest_map(write(coarse, sky_header((7.25, 6.25), 2 * PIXEL)), SKY, SHAPE)
    assert_array_equal(labels, np.repeat(np.repeat(coarse, 2, 0), 2, 1)[:NY, :NX])


def test_a_map_on_the_grid_is_used_as_it_is_and_says_where_it_ends(write):
    labels = np.random.default_rng(1).integers(0, 700, (NY - 4, NX)).astype(np.int32)
    got = images.nearest_map(write(labels, sky_header()), SKY, SHAPE)
    assert_array_equal(got[:-4], labels)
    assert (got[-4:] == -1).all()


def test_a_map_of_another_field_is_a_fault(write):
    with pytest.raises(InputError, match=r'^map\.fits: .*SEG'):
        images.nearest_map(write(np.ones(SHAPE), sky_header((-35.0, 12.0)), 'map.fits'), SKY, SHAPE)


@pytest.mark.parametrize('value', [-1.0, 2.5])
def test_a_map_with_values_that_are_no_labels_is_a_fault(write, value):
    with pytest.raises(InputError, match=r'^i\.fits: '):
        images.nearest_map(write(np.full(SHAPE, value), sky_header()), SKY, SHAPE)


def chips(data, header, cuts, names=('SCI', 'SCI')):
    """The rows of an image, cut at these rows, as extensions that are numbered."""
    hdus = [fits.PrimaryHDU()]
    for number, (first, last) in enumerate(zip((0, *cuts), (*cuts, len(data)), strict=True), 1):
        own = header.copy()
        own['CRPIX2'] -= first
        hdus.append(fits.ImageHDU(data[first:last], own, names[number - 1], ver=number))
    return hdus


@pytest.mark.parametrize('pixel', [0.05, 0.3])
@pytest.mark.parametrize('names', [('SCI', 'SCI'), ('S29', 'S30')])
def test_the_detectors_of_a_camera_are_one_image(tmp_path, write, pixel, names):
    side = 2 * round(4.5 / pixel)
    header = fine_header((side, side), pixel)
    whole = images.align(write(stars(header, (side, side)), header), SKY, SHAPE).data
    hdus = chips(stars(header, (side, side)), header, (side // 2,), names)
    fits.HDUList(hdus).writeto(tmp_path / 'chips.fits')
    aligned = images.align(tmp_path / 'chips.fits', SKY, SHAPE)
    assert_array_equal(np.isfinite(aligned.data), np.isfinite(whole))
    # The nodes lie elsewhere, which matters for stars of few pixels.
    assert_allclose(aligned.data, whole, atol=15 if pixel > 0.2 else 0.5)
    assert_allclose(np.nansum(aligned.data), np.nansum(whole), rtol=2e-3)
    (note,) = aligned.notes
    assert all(f'{name},{number}' in note for number, name in enumerate(names, 1))


@pytest.mark.parametrize('names', [('SCI', 'SCI'), ('S29', 'S30')])
def test_the_detector_that_covers_the_cube_is_the_image(tmp_path, names):
    header = fine_header()
    away = header.copy()
    away['CRPIX2'] -= 3000
    hdus = [fits.ImageHDU(np.ones((130, 150)), away, names[0], ver=1)]
    hdus.append(fits.ImageHDU(stars(header), header, names[1], ver=2))
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / 'i.fits')
    aligned = images.align(tmp_path / 'i.fits', SKY, SHAPE)
    fits.PrimaryHDU(stars(header), header).writeto(tmp_path / 'one.fits')
    assert_array_equal(aligned.data, images.align(tmp_path / 'one.fits', SKY, SHAPE).data)
    assert f'{names[1]},2' in aligned.notes[0]
    hdus[1].header['CRPIX2'] += 3000
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / 'none.fits')
    with pytest.raises(InputError) as fault:
        images.align(tmp_path / 'none.fits', SKY, SHAPE)
    assert all(f'{name},{number}' in str(fault.value) for number, name in enumerate(names, 1))


def test_images_of_other_bands_in_a_file_are_not_mixed_with_the_first(tmp_path):
    header = fine_header()
    bands = [
        fits.ImageHDU(np.full((130, 150), value), header, name)
        for name, value in (('G', 1.0), ('R', 2.0))
    ]
    fits.HDUList([fits.PrimaryHDU(), *bands]).writeto(tmp_path / 'i.fits')
    aligned = images.align(tmp_path / 'i.fits', SKY, SHAPE)
    assert_allclose(aligned.data[np.isfinite(aligned.data)], 1)
    assert aligned.notes == ()


def test_the_maps_of_several_detectors_are_one_map(tmp_path):
    header = sky_header()
    labels = np.zeros(SHAPE, np.int32)
    labels[3:6, 4:7] = 1
    labels[15:18, 9:12] = 1
    fits.HDUList(chips(labels, header, (12,), ('SEG', 'SEG'))).writeto(tmp_path / 'm.fits')
    found = images.nearest_map(tmp_path / 'm.fits', SKY, SHAPE)
    assert_array_equal(found > 0, labels > 0)
    assert found[4, 5] != found[16, 10]


@pytest.mark.parametrize('angle', [0.0, 20.0])
def test_of_a_large_image_the_part_on_the_cube_is_read(write, angle, monkeypatch):
    header = fine_header((1300, 1500), angle=angle)
    path = write(np.arange(1300.0)[:, None] * np.ones(1500), header)
    read = []
    monkeypatch.setattr(
        images, 'resample', lambda image, *rest: read.append(image.shape) or np.ones((3, *SHAPE))
    )
    images.align(path, SKY, SHAPE)
    ((height, width),) = read
    # The cube is 96 x 108 of these pixels, and the margin 48.
    assert 190 < height < 330
    assert 200 < width < 330


def mosaic(sky=0.0, noise=0.5):
    """A noisy image of the stars, and where it has no data: beyond a tilted edge."""
    header = fine_header()
    data = stars(header) - 3 + sky + np.random.default_rng(4).normal(0, noise, (130, 150))
    y, x = np.indices(data.shape)
    return header, data, x + 0.3 * y > 110


@pytest.mark.parametrize('filling', [0.0, -999.0, 1e30])
@pytest.mark.parametrize('sky', [0.0, 20.0])
def test_a_mosaic_has_no_value_beyond_its_footprint(write, filling, sky):
    header, data, beyond = mosaic(sky)
    expected = images.align(write(np.where(beyond, np.nan, data), header), SKY, SHAPE)
    aligned = images.align(write(np.where(beyond, filling, data), header), SKY, SHAPE)
    assert 0.3 < np.isnan(expected.data).mean() < 0.7
    assert_array_equal(aligned.data, expected.data)
    (note,) = aligned.notes
    assert note.startswith('i.fits: ')
    assert f'{filling:g}' in note
    assert expected.notes == ()


def test_an_image_has_no_value_where_its_weight_is_zero(tmp_path, write):
    header, data, beyond = mosaic()
    expected = images.align(write(np.where(beyond, np.nan, data), header), SKY, SHAPE).data
    hdus = [fits.PrimaryHDU()]
    for number, away in ((1, 5000.0), (2, 0.0)):  # the weights of another detector come first
        own = header.copy()
        own['CRPIX2'] += away
        weight = np.where(beyond, 0.0, 500.0) if number == 2 else np.zeros(data.shape)
        hdus += [
            fits.ImageHDU(data, own, 'SCI', ver=number),
            fits.ImageHDU(weight, own, 'WHT', ver=number),
        ]
    fits.HDUList(hdus).writeto(tmp_path / 'w.fits')
    assert_array_equal(images.align(tmp_path / 'w.fits', SKY, SHAPE).data, expected)


def test_rounding_noise_beyond_a_footprint_is_no_light(write):
    header, data, beyond = mosaic()
    expected = images.align(write(np.where(beyond, np.nan, data), header), SKY, SHAPE)
    rounded = np.random.default_rng(5).normal(0, 1e-7, data.shape)
    aligned = images.align(write(np.where(beyond, rounded, data), header), SKY, SHAPE)
    assert_array_equal(aligned.data, expected.data)
    (note,) = aligned.notes
    assert 'nearly 0' in note


def test_weights_that_are_rounding_noise_are_none(tmp_path, write):
    header, data, beyond = mosaic()
    expected = images.align(write(np.where(beyond, np.nan, data), header), SKY, SHAPE)
    hdus = [
        fits.ImageHDU(data, header, 'SCI'),
        fits.ImageHDU(np.where(beyond, 1e-12, 5.0), header, 'WHT'),
    ]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / 'w.fits')
    assert_array_equal(images.align(tmp_path / 'w.fits', SKY, SHAPE).data, expected.data)


def bright_star():
    """Its peak is 1e9 times the noise."""
    header = fine_header()
    star = 5e8 * gaussian(60, 75, 2.0, (130, 150))
    return star + stars(header) + np.random.default_rng(4).normal(0, 0.5, star.shape)


def without_noise():
    galaxy = 100 * gaussian(60, 75, 9.0, (130, 150))
    return np.where(galaxy > 0.01, galaxy, 0.0)


def of_counts():
    return np.random.default_rng(2).poisson(0.03, (130, 150)).astype(float)


def saturated():
    _, data, _ = mosaic()
    return np.minimum(data, 40.0)


def rounded():
    _, data, _ = mosaic()
    return np.round(data)


@pytest.mark.parametrize('made', [bright_star, without_noise, of_counts, saturated, rounded])
def test_zeros_and_plateaus_that_are_values_stay(write, made):
    data = made()
    aligned = images.align(write(data, fine_header()), SKY, SHAPE)
    assert aligned.notes == ()
    covered = images.align(write(np.ones((130, 150)), fine_header()), SKY, SHAPE).data
    assert_array_equal(np.isfinite(aligned.data), np.isfinite(covered))


@pytest.mark.parametrize('offset', [None, 0, -0.4])
def test_asinh_magnitudes_are_made_linear_in_flux(write, offset):
    header, data, _ = mosaic(sky=5.0)
    expected = images.align(write(data, header), SKY, SHAPE).data
    header['BSOFTEN'] = 2.5
    if offset is not None:
        header['BOFFSET'] = offset
    stored = 2.5 * np.log10(np.e) * np.arcsinh((data - (offset or 0)) / (2 * 2.5))
    aligned = images.align(write(stored, header), SKY, SHAPE)
    assert_allclose(aligned.data, expected, rtol=1e-9)
    assert 'BSOFTEN = 2.5' in aligned.notes[0]


@pytest.mark.parametrize('unit', ['mag', 'mag/arcsec2', 'mag(AB)', 'dex(Jy)', 'ABmag'])
def test_an_image_in_a_logarithmic_unit_is_a_fault(write, unit):
    header = fine_header()
    header['BUNIT'] = unit
    with pytest.raises(InputError) as fault:
        images.align(write(stars(header), header), SKY, SHAPE)
    assert all(fact in str(fault.value) for fact in ('i.fits', 'BUNIT', unit, 'IMG'))


@pytest.mark.parametrize(
    'unit', ['image/s', 'nmgy', 'MJy/sr', 'nanomaggy', '10**-20*erg/s/cm**2/Angstrom']
)
def test_an_image_in_another_unit_is_none(write, unit):
    header = fine_header()
    header['BUNIT'] = unit
    assert images.align(write(stars(header), header), SKY, SHAPE).notes == ()


@pytest.mark.parametrize('form', ['plain', 'scaled', 'tiled', 'gzip', 'weights', 'latitude first'])
def test_of_a_large_image_only_the_part_on_the_cube_is_in_memory(tmp_path, form):
    side, header = 2000, sky_header(crpix=(1400.5, 700.5), pixel=0.1)
    small = stars(sky_header(crpix=(50.5, 50.5), pixel=0.1), (100, 100)).round(2)
    large = np.zeros((side, side), 'f4')
    large[650:750, 1350:1450] = small
    if form == 'latitude first':
        for one, other in (
            ('CTYPE1', 'CTYPE2'),
            ('CRVAL1', 'CRVAL2'),
            ('CRPIX1', 'CRPIX2'),
            ('CD1_1', 'CD2_2'),
        ):
            header[one], header[other] = header[other], header[one]
        for card in ('CD1_2', 'CD2_1'):
            header[card] = 0.0
        large = large.T.copy()
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(large, header, name='SCI')]
    if form in ('scaled', 'gzip'):
        hdus[1] = fits.ImageHDU((100 * large).round().astype('i4'), header, name='SCI')
        hdus[1].header['BSCALE'] = 0.01
    if form == 'tiled':
        hdus[1] = fits.CompImageHDU(
            large, header, name='SCI', quantize_level=0, compression_type='GZIP_1'
        )
    if form == 'weights':
        hdus.append(
            fits.CompImageHDU(
                np.ones((side, side), 'i2'), header, name='WHT', compression_type='RICE_1'
            )
        )
    fits.HDUList(hdus).writeto(tmp_path / 'i.fits')
    path = tmp_path / 'i.fits'
    if form == 'gzip':
        path = tmp_path / 'i.fits.gz'
        path.write_bytes(gzip.compress((tmp_path / 'i.fits').read_bytes(), 1))
    images.align(path, SKY, SHAPE)  # astropy's modules take memory of their own
    tracemalloc.start()
    aligned = images.align(path, SKY, SHAPE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * side**2 / 10
    assert_allclose(aligned.data, in_spaxels(), atol=1.5)


@pytest.mark.parametrize(('dec', 'angle'), [(2.0, 0.0), (-75.0, 30.0)])
def test_angles_and_shifts_are_inverse(dec, angle):
    header = sky_header(angle=angle)
    header['CRVAL1'], header['CRVAL2'] = 359.99999, dec
    sky = Sky(WCS(header))
    shift = sky.to_shift((10.0, 12.0), (0.7, -0.4))
    assert_allclose(np.hypot(*shift), np.hypot(0.7, 0.4) / PIXEL, rtol=1e-4)
    assert_allclose(shift @ sky.arcsec_per_pixel((10.0, 12.0)), (0.7, -0.4), atol=1e-6)
    if angle == 0:  # east is to the left
        assert_allclose(shift, (-0.4 / PIXEL, -0.7 / PIXEL), rtol=1e-3)


@pytest.mark.parametrize(
    'change', [lambda header: header, with_sip, lambda header: sheared(header, shear=0.1)]
)
def test_a_shift_is_added_to_the_coordinates_of_an_image(write, change):
    header = change(fine_header())
    data = stars(header)
    other = header.copy()
    other['CRVAL1'] += 0.5 / 3600 / np.cos(np.radians(header['CRVAL2']))
    other['CRVAL2'] -= 0.3 / 3600
    expected = images.align(write(data, other, 'b.fits'), SKY, SHAPE).data
    shift = SKY.to_shift((12.0, 13.0), (0.5, -0.3))
    moved = images.align(write(data, header), SKY, SHAPE, shift).data
    plain = images.align(write(data, header), SKY, SHAPE).data
    assert_allclose(moved, expected, atol=0.5)
    assert np.nanmax(np.abs(plain - expected)) > 30
