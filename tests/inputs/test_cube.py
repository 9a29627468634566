"""Cubes, cut-outs and images on their grid: positions, padding, noise kinds, and every file that
cannot be used."""

import gzip
import shutil
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import (
    DEC,
    NL,
    NX,
    NY,
    PIXEL,
    RA,
    STEP,
    WAVE0,
    cube_header,
    data_ext,
    sky_header,
    small_cube,
    write_cube,
)
from numpy.testing import assert_allclose

from autospec_lib.core import geometry
from autospec_lib.core.errors import InputError, SourceError
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube


@pytest.fixture
def path(tmp_path):
    """The small cube in MUSE layout."""
    write_cube(tmp_path / 'c.fits', *small_cube())
    return tmp_path / 'c.fits'


def target(dx=0.0, dy=0.0, size=3.0):
    """A target ``dx`` pixels east... of the cube's reference pixel (x to the right), ``dy`` up."""
    wcs = WCS(sky_header())
    ra, dec = wcs.all_pix2world(13.0 + dx, 11.0 + dy, 0)
    return Target(1, float(ra), float(dec), size)


def test_muse_layout(path):
    opened = cube.open_cube(path)
    assert opened.data.shape == (NL, NY, NX)
    assert opened.noise_kind.words == 'variance'
    assert_allclose(opened.wave, WAVE0 + STEP * np.arange(NL))
    assert_allclose(opened.pixel, (PIXEL, PIXEL), rtol=1e-6)
    assert opened.grid.wave_unit == 'Angstrom'


def test_a_pixels_height_and_width_are_told_apart(tmp_path):
    header = cube_header()
    header['CD1_1'] *= 3
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header)
    opened = cube.open_cube(tmp_path / 'c.fits')
    assert_allclose(opened.pixel, (PIXEL, 3 * PIXEL))
    assert cube.cut(opened, target(size=3.0)).voxels.data.shape == (NL, 15, 5)


def test_a_cutout_holds_the_voxels_of_its_box_and_its_centre_is_the_target(path):
    cutout = cube.cut(cube.open_cube(path), target(2.3, -1.2))
    data, variance = small_cube()
    y, x = cutout.centre
    assert (y, x) == pytest.approx((7 - 1.2 + 1.2 - 0.2, 7 + 0.3), abs=0.51)
    top, left = round(11 - 1.2 - y), round(13 + 2.3 - x)
    np.testing.assert_array_equal(cutout.voxels.data, data[:, top : top + 15, left : left + 15])
    np.testing.assert_array_equal(
        cutout.voxels.variance, variance[:, top : top + 15, left : left + 15]
    )
    ra, dec = WCS(fits.Header(cutout.grid.sky)).all_pix2world(x, y, 0)
    assert_allclose((ra, dec), (cutout.target.ra, cutout.target.dec), atol=1e-9)
    assert cutout.voxels.good.all()


@pytest.mark.parametrize(
    ('size', 'width'), [(0.1, 1), (0.2, 1), (0.4, 2), (1.0, 5), (1.1, 6), (5.0, 25)]
)
def test_box_has_the_rounded_width_and_holds_the_position_at_its_middle(size, width):
    for position in np.random.default_rng(1).uniform(3, 30, 20):
        for box in geometry.box_around((position, position), size, (0.2, 0.2)):
            assert box.stop - box.start == width
            assert abs((box.start + box.stop - 1) / 2 - position) <= 0.5


def test_box_is_that_of_mpdaf(path):
    from mpdaf.obj import Cube

    opened = cube.open_cube(path)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # MPDAF cannot read the unit of MUSE cubes without one
        theirs = Cube(str(path))
    rng = np.random.default_rng(2)
    for _ in range(10):
        where = target(*rng.uniform(-4, 4, 2), size=rng.uniform(0.5, 3))
        ours = cube.cut(opened, where)
        sub = theirs.subcube((where.dec, where.ra), where.size)
        np.testing.assert_array_equal(ours.voxels.data, sub.data.filled(0))


def test_beyond_the_edge_a_cutout_is_padded_with_bad_voxels(path):
    cutout = cube.cut(cube.open_cube(path), target(-13.4, 12.4))
    assert cutout.voxels.data.shape == (NL, 15, 15)
    inside = np.zeros((15, 15), bool)
    inside[:8, 7:] = True
    np.testing.assert_array_equal(
        cutout.voxels.bad, np.broadcast_to(~inside, cutout.voxels.data.shape)
    )
    assert cutout.centre == pytest.approx((7.4, 6.6), abs=1e-6)


@pytest.mark.parametrize(('dx', 'dy'), [(-13.4, 0.0), (13.4, 0.0), (0.0, 12.4), (0.0, -11.4)])
def test_a_position_less_than_a_pixel_inside_the_edge_is_cut_out(path, dx, dy):
    cutout = cube.cut(cube.open_cube(path), target(dx, dy))
    assert cutout.voxels.data.shape == (NL, 15, 15)
    assert 0.4 < cutout.voxels.good.mean() < 0.6


@pytest.mark.parametrize('size', [100.0, 1e6])
def test_a_size_larger_than_the_cube_takes_all_of_it_and_says_so(path, size):
    cutout = cube.cut(cube.open_cube(path), target(size=size))
    np.testing.assert_array_equal(cutout.voxels.data, small_cube()[0])
    assert cutout.centre == pytest.approx((11, 13))
    assert cutout.notes == (f'SIZE = {size:g} is larger than the cube: all of it is used',)


@pytest.mark.parametrize(('size', 'width'), [(0.1, 1), (0.4, 2), (1.0, 5), (1.2, 6)])
def test_a_subcube_of_less_than_six_spaxels_is_said(path, size, width):
    cutout = cube.cut(cube.open_cube(path), target(size=size))
    assert cutout.voxels.data.shape == (NL, width, width)
    expected = (
        ()
        if width == 6
        else (f'SIZE = {size:g} gives a subcube of only {width} x {width} spaxels',)
    )
    assert cutout.notes == expected


@pytest.mark.parametrize(
    ('dx', 'dy', 'arcsec'),
    [(-14.5, 0, '0.2'), (0, 13.5, '0.2'), (100, 0, '17.3'), (-13.6, 0, 'less than 0.1')],
)
def test_a_position_outside_names_its_distance(path, dx, dy, arcsec):
    with pytest.raises(SourceError, match=f'{arcsec} arcsec outside the cube; skipped'):
        cube.cut(cube.open_cube(path), target(dx, dy))


def test_the_far_side_of_the_sky_is_outside(path):
    with pytest.raises(SourceError, match='outside the cube'):
        cube.cut(cube.open_cube(path), Target(1, RA + 180, -DEC, 3.0))


@pytest.mark.parametrize('value', [0.0, -1.0, np.nan, np.inf])
def test_a_voxel_without_usable_variance_is_bad(tmp_path, value):
    data, variance = small_cube()
    variance[5, 11, 13] = value
    write_cube(tmp_path / 'c.fits', data, variance)
    assert cube.cut(cube.open_cube(tmp_path / 'c.fits'), target()).voxels.bad.sum() == 1


@pytest.mark.parametrize('kind', [np.uint8, np.int16, np.uint16, np.uint32])
def test_nan_and_flagged_voxels_are_bad(tmp_path, kind):
    data, variance = small_cube()
    data[4, 11, 13] = np.nan
    flags = np.zeros(data.shape, kind)
    flags[9, 12, 13] = 64
    write_cube(tmp_path / 'c.fits', data, variance, DQ=flags)
    bad = cube.cut(cube.open_cube(tmp_path / 'c.fits'), target()).voxels.bad
    assert bad.any(axis=(1, 2)).nonzero()[0].tolist() == [4, 9]
    assert bad.sum() == 2


def test_what_is_odd_about_a_cube_is_said(tmp_path, path):
    assert cube.open_cube(path).notes == ()
    header = cube_header()
    del header['BUNIT']
    write_cube(
        tmp_path / 'n.fits',
        small_cube()[0],
        header=header,
        DATA_IVAR2=np.ones((NL, NY, NX), np.float32),
    )
    assert list(cube.open_cube(tmp_path / 'n.fits').notes) == [
        'n.fits: no variance: weights are those of equal noise, and no errors are written; '
        "DATA_IVAR2 looks like inverse variance: use it with DATA_EXT = 'DATA', 'DATA_IVAR2'",
        'n.fits: no unit (BUNIT); spectra have none either',
    ]
    used = cube.open_cube(tmp_path / 'n.fits', data_ext('DATA', 'DATA_IVAR2'))
    assert 'DATA_IVAR2 (inverse variance, by its name)' in used.recognised
    assert (
        cube.open_cube(tmp_path / 'n.fits', data_ext('DATA', ''))
        .notes[0]
        .endswith('no errors are written')
    )


def test_one_extension_means_no_variance(path):
    for entry in ('DATA', 1):
        opened = cube.open_cube(path, data_ext(entry))
        assert opened.noise is None
        assert cube.cut(opened, target()).voxels.variance is None


def test_scaled_integers_and_blank(tmp_path):
    numbers = np.arange(NL * NY * NX, dtype=np.int16).reshape(NL, NY, NX)
    numbers[3, 11, 13] = -32768
    hdu = fits.ImageHDU(numbers, cube_header(), name='DATA')
    hdu.header.update(BSCALE=0.5, BZERO=10.0, BLANK=-32768)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / 'c.fits')
    with fits.open(tmp_path / 'c.fits') as hdus:
        expected = hdus[1].data
    cutout = cube.cut(cube.open_cube(tmp_path / 'c.fits'), target())
    assert cutout.voxels.bad.sum() == 1
    y, x = (round(11 - cutout.centre[0]), round(13 - cutout.centre[1]))
    assert_allclose(
        np.where(cutout.voxels.bad, np.nan, cutout.voxels.data), expected[:, y : y + 15, x : x + 15]
    )


@pytest.mark.parametrize('kind', ['gz', 'tiles'])
def test_compressed_cubes_give_the_same_cutout(tmp_path, path, kind):
    packed = tmp_path / ('p.fits.gz' if kind == 'gz' else 'p.fits')
    if kind == 'gz':
        with path.open('rb') as plain, gzip.open(packed, 'wb') as file:
            shutil.copyfileobj(plain, file)
    else:
        with fits.open(path) as hdus:
            tiles = [
                fits.CompImageHDU(hdu.data, hdu.header, compression_type='GZIP_2', quantize_level=0)
                for hdu in hdus[1:]
            ]
            fits.HDUList([fits.PrimaryHDU(), *tiles]).writeto(packed)
    ours, theirs = (
        cube.cut(cube.open_cube(packed), target()),
        cube.cut(cube.open_cube(path), target()),
    )
    np.testing.assert_array_equal(ours.voxels.data, theirs.voxels.data)
    np.testing.assert_array_equal(ours.voxels.variance, theirs.voxels.variance)
    (note,) = cube.open_cube(packed).notes
    assert 'compressed; 0 MB of memory hold it; decompress it to need less' in note


def broken(tmp_path, change):
    """A cube file changed by ``change(header)``."""
    header = cube_header()
    change(header)
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header)
    return tmp_path / 'c.fits'


def drop(*keys):
    """A change that removes cards."""
    return lambda header: [header.remove(key) for key in keys]


def put(**cards):
    """A change that sets cards."""
    return lambda header: header.update(cards)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (drop('CRVAL3'), 'no wavelength axis'),
        (drop('CD3_3'), 'no wavelength axis'),
        (put(CD3_3=0.0), 'no wavelength axis'),
        (put(CRPIX3=1e300), 'the wavelength axis has no valid step'),
        (put(CD3_3=1e-300), 'the wavelength axis has no valid step'),
        (put(CTYPE3='WAVE-TAB'), "CTYPE3 = 'WAVE-TAB'"),
        (drop('CTYPE1', 'CTYPE2'), 'no celestial WCS'),
        (
            put(CTYPE1='AWAV', CTYPE3='DEC--TAN'),
            'axis 1 of DATA is AWAV; expected one axis of wavelength and two',
        ),
        (
            put(CTYPE2='GLAT-TAN'),
            "CTYPE2 = 'GLAT-TAN' of DATA is not an axis of a projection; expected DEC--TAN",
        ),
        (put(CTYPE1='HPLN-TAN', CTYPE2='HPLT-TAN'), "CTYPE1 = 'HPLN-TAN' of DATA"),
        (put(CTYPE3='STOKES'), 'axis 3 of DATA is STOKES; expected wavelength'),
        (put(CTYPE3='FREQ', CUNIT3='Hz'), 'axis 3 of DATA is FREQ; expected wavelength'),
        (put(CD1_1=1e-5, CD1_2=1e-5, CD2_1=1e-5, CD2_2=1e-5), 'CD matrix is singular'),
    ],
)
def test_coordinates_that_cannot_be_used(tmp_path, change, message):
    with pytest.raises(InputError, match=message) as caught:
        cube.open_cube(broken(tmp_path, change))
    assert str(caught.value).startswith('c.fits: ')
    assert '\n' not in str(caught.value)


def test_two_and_four_dimensions_are_refused(tmp_path):
    for shape in ((5, 6), (2, 3, 4, 5), (2, 1, 4, 5, 6)):
        write_cube(tmp_path / 'c.fits', np.zeros(shape))
        with pytest.raises(InputError, match='expected three axes'):
            cube.open_cube(tmp_path / 'c.fits')


def test_extensions_that_are_not_there(tmp_path, path):
    fits.HDUList(
        [fits.PrimaryHDU(), fits.ImageHDU(small_cube()[0][0], cube_header(), name='FLUX')]
    ).writeto(tmp_path / 'm.fits')
    with pytest.raises(
        InputError, match="no data in extension 'DATA'; extensions are PRIMARY, FLUX: set DATA_EXT"
    ):
        cube.open_cube(tmp_path / 'm.fits')
    for key in ('NONE', 9):
        with pytest.raises(
            InputError, match=f'no extension {key!r}; extensions are PRIMARY, DATA, STAT'
        ):
            cube.open_cube(path, data_ext(key))


def test_noise_of_another_shape_is_refused(tmp_path):
    write_cube(tmp_path / 'c.fits', small_cube()[0], np.ones((2, 3, 4)))
    with pytest.raises(InputError, match='STAT has another shape'):
        cube.open_cube(tmp_path / 'c.fits')


def test_files_that_are_no_cube(tmp_path, path):
    with pytest.raises(InputError, match=r'none\.fits: not found'):
        cube.open_cube(tmp_path / 'none.fits')
    (tmp_path / 'text.fits').write_text('hello')
    with pytest.raises(InputError, match=r'text\.fits: not a readable FITS'):
        cube.open_cube(tmp_path / 'text.fits')
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError, match='truncated'):
        cube.open_cube(path)


@pytest.mark.parametrize(
    ('card', 'damaged', 'message'),
    [
        (
            b'NAXIS   =                    3',
            b'NAXIS   =           1000000000',
            'NAXIS = 1000000000; copy it again',
        ),
        (
            b'NAXIS1  =                   27',
            b'NAXIS1  =                  -27',
            'an axis of negative length',
        ),
    ],
)
def test_a_header_that_would_keep_astropy_busy_for_ever_is_refused_at_once(
    path, card, damaged, message
):
    path.write_bytes(path.read_bytes().replace(card, damaged, 1))
    with pytest.raises(InputError, match=message):
        cube.open_cube(path)


def test_a_cube_that_shrinks_or_vanishes_during_the_run_is_an_input_error(path):
    opened = cube.open_cube(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match='cannot be read any more'):
        cube.cut(opened, target())
    path.unlink()
    with pytest.raises(InputError, match='cannot be read any more'):
        cube.cut(opened, target())
