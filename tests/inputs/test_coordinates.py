"""One truth in other frames and orders of axes: the same spectra, and coordinates that give the
catalogue's back."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import (
    FK4,
    FK5,
    BarycentricMeanEcliptic,
    FK4NoETerms,
    Galactic,
    SkyCoord,
    Supergalactic,
)
from astropy.io import fits
from astropy.time import Time
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
    gaussian,
    sky_header,
    write_cube,
)
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube, images
from autospec_lib.inputs.coordinates import Sky, find_axes, header_of_axes, open_sky
from autospec_lib.inputs.fits_arrays import arranged

FRAMES = {
    'galactic': (Galactic(), {'CTYPE1': 'GLON-TAN', 'CTYPE2': 'GLAT-TAN'}),
    'supergalactic': (Supergalactic(), {'CTYPE1': 'SLON-TAN', 'CTYPE2': 'SLAT-TAN'}),
    'ecliptic': (BarycentricMeanEcliptic(), {'CTYPE1': 'ELON-TAN', 'CTYPE2': 'ELAT-TAN'}),
    'ecliptic of date': (
        BarycentricMeanEcliptic(equinox=Time(2015.5, format='jyear')),
        {'CTYPE1': 'ELON-TAN', 'CTYPE2': 'ELAT-TAN', 'EQUINOX': 2015.5},
    ),
    'FK4': (FK4(equinox='B1950'), {'RADESYS': 'FK4'}),
    'FK4, not said': (FK4(equinox='B1950'), {'EQUINOX': 1950.0}),
    'FK4-NO-E': (FK4NoETerms(equinox='B1950'), {'RADESYS': 'FK4-NO-E', 'EQUINOX': 1950.0}),
    'FK5 of date': (FK5(equinox='J2015.5'), {'RADESYS': 'FK5', 'EQUINOX': 2015.5}),
}
# A frame's cards beside others that are there by mistake, or say nothing new.
FRAMES['galactic, with RADESYS'] = (
    Galactic(),
    {**FRAMES['galactic'][1], 'RADESYS': 'FK5', 'EQUINOX': 2000.0},
)
AXES = {
    'wavelength first': (3, 1, 2),
    'wavelength second': (1, 3, 2),
    'Dec first': (2, 1, 3),
    'wavelength, Dec, RA': (3, 2, 1),
    'Dec, wavelength, RA': (2, 3, 1),
}
SOURCES = {7: (11.3, 13.2), 8: (15.2, 8.3)}  # (y, x), 0-based


def scene():
    """Two sources of different spectra, and a gradient of variance so that no two axes can be taken
    for another."""
    rng = np.random.default_rng(3)
    line = 2000 * np.exp(-0.5 * ((np.arange(NL) - 15) / 1.5) ** 2)
    spectra = 1000 + line, 1500 - line / 4
    data = sum(
        s[:, None, None] * gaussian(*place)
        for s, place in zip(spectra, SOURCES.values(), strict=True)
    )
    variance = 1 + 0.01 * np.arange(NL * NY * NX).reshape(NL, NY, NX) / (NY * NX)
    return data + rng.normal(size=data.shape), variance


def in_frame(header, frame, cards):
    """The header of a TAN projection about the same point in another frame, by its north's position
    angle."""
    centre = SkyCoord(RA, DEC, unit='deg').transform_to(frame)
    north = SkyCoord(0 * u.deg, 90 * u.deg, frame=frame)
    angle = SkyCoord(RA, DEC, unit='deg').position_angle(north.transform_to('icrs')).rad
    old = np.array([[header[f'CD{i}_{j}'] for j in (1, 2)] for i in (1, 2)])
    # An offset (east, north) of ICRS has these components along the other frame's east and north.
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ old
    new = header.copy()
    new.update({f'CD{i}_{j}': turned[i - 1, j - 1] for i in (1, 2) for j in (1, 2)})
    new['CRVAL1'], new['CRVAL2'] = centre.spherical.lon.deg, centre.spherical.lat.deg
    new.update(cards)
    return new


def reordered(header, order):
    """The header with axes in this order of the old ones, as astropy writes it."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        new = WCS(header).sub(list(order)).to_header()
    if 'BUNIT' in header:
        new['BUNIT'] = header['BUNIT']
    return new


def transposed(array, order):
    """The array with its FITS axes in this order of the old ones."""
    number = array.ndim
    return np.ascontiguousarray(array.transpose([number - axis for axis in reversed(order)]))


class Run:
    """Extracts the two sources of a cube, DATA and STAT; the catalogue is RA and Dec of the plain
    header."""

    def __init__(self, folder):
        self.folder = folder
        places = {
            ident: WCS(sky_header()).all_pix2world(x, y, 0) for ident, (y, x) in SOURCES.items()
        }
        rows = [
            f'{ident} {float(ra):.9f} {float(dec):.9f}\n' for ident, (ra, dec) in places.items()
        ]
        (folder / 'catalog.txt').write_text(''.join(rows))
        (folder / 'param.py').write_text(
            "DATACUBE = 'datacube.fits'\nCATALOG = 'catalog.txt'\nSIZE = 3\nAPER = 0.7\n"
            "IMG = 'deep.fits'\nSEG = 'mine.fits'\nOUT_SUB = True\nPLOTS = REPORT = False\n"
        )
        picture, labels = (
            gaussian(*SOURCES[7]) + gaussian(*SOURCES[8]),
            np.zeros((NY, NX), np.int32),
        )
        labels[8:15, 10:17], labels[13:18, 6:10] = 1, 2
        fits.PrimaryHDU(picture, sky_header()).writeto(folder / 'deep.fits')
        fits.PrimaryHDU(labels, sky_header()).writeto(folder / 'mine.fits')

    def __call__(self, data, variance, header):
        write_cube(self.folder / 'datacube.fits', data, variance, header)
        assert main([str(self.folder), '-q']) == 0
        found = {}
        for ident in SOURCES:
            with fits.open(self.folder / 'output' / f'Source_{ident}.fits') as hdus:
                found |= {
                    (ident, hdu.name): (np.array(hdu.data, float), hdu.header) for hdu in hdus[1:]
                }
        return found


@pytest.fixture
def run(tmp_path):
    """A working folder."""
    return Run(tmp_path)


@pytest.fixture(scope='module')
def expected(tmp_path_factory):
    """What the plain cube gives."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return Run(tmp_path_factory.mktemp('plain'))(*scene(), cube_header())


def compare(found, expected, frame='icrs'):
    """Every array as expected, and the source at its place in every image, by astropy's reading and
    by MPDAF's."""
    from mpdaf.obj import WCS as MpdafWCS  # noqa: N811

    assert found.keys() == expected.keys()
    place = SkyCoord(RA, DEC, unit='deg').transform_to(frame).spherical
    for key, (array, header) in expected.items():
        got, own = found[key]
        size = np.nanmax(np.abs(array))
        assert_allclose(got, array, atol=1e-5 * size, err_msg=str(key))
        assert own.get('BUNIT') == header.get('BUNIT')
        if key[1].startswith('IMA_'):
            x0, y0 = WCS(header).all_world2pix(RA, DEC, 0)
            assert_allclose(
                WCS(own).all_world2pix(place.lon.deg, place.lat.deg, 0), (x0, y0), atol=1e-4
            )
            assert_allclose(
                MpdafWCS(own).sky2pix((place.lat.deg, place.lon.deg))[0], (y0, x0), atol=1e-4
            )


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(
    'name', ['galactic', 'galactic, with RADESYS', 'ecliptic', 'FK4', 'FK5 of date']
)
def test_cubes_of_other_frames_give_the_same_spectra(run, expected, name):
    data, variance = scene()
    compare(run(data, variance, in_frame(cube_header(), *FRAMES[name])), expected, FRAMES[name][0])


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', AXES)
def test_cubes_with_axes_in_another_order_give_the_same_spectra(run, expected, name):
    data, variance = scene()
    header = reordered(cube_header(), AXES[name])
    found = run(transposed(data, AXES[name]), transposed(variance, AXES[name]), header)
    compare(found, expected)
    for key in expected:
        if key[1].startswith('SPE_'):
            here, there = (
                WCS(one[key][1]).pixel_to_world(np.arange(NL)).to_value('AA')
                for one in (found, expected)
            )
            assert_allclose(here, there, rtol=1e-9)


@pytest.mark.filterwarnings('ignore')
def test_frame_and_order_together_with_axes_of_length_one(run, expected):
    data, variance = scene()
    header = reordered(in_frame(cube_header(), *FRAMES['galactic']), (2, 3, 1))
    header['CTYPE4'] = 'STOKES'
    arrays = [transposed(array, (2, 3, 1))[None] for array in (data, variance)]
    compare(run(*arrays, header), expected, 'galactic')


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('kind', ['gz', 'scaled integers', 'tiles'])
def test_stored_otherwise_and_transposed(tmp_path, kind):
    data, variance = (np.round(array, 1).astype('f4') for array in scene())
    order = AXES['wavelength first']
    header = reordered(cube_header(), order)
    path = tmp_path / ('c.fits.gz' if kind == 'gz' else 'c.fits')
    if kind == 'tiles':
        packed = [
            fits.CompImageHDU(
                transposed(array, order),
                header,
                name=name,
                quantize_level=0,
                compression_type='GZIP_1',
            )
            for array, name in ((data, 'DATA'), (variance, 'STAT'))
        ]
        fits.HDUList([fits.PrimaryHDU(), *packed]).writeto(path)
    else:
        write_cube(path, transposed(data, order), transposed(variance, order), header)
    if kind == 'scaled integers':
        hdu = fits.ImageHDU(transposed(data, order), header, name='DATA')
        hdu.scale('int32', bzero=3.0, bscale=0.1)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    opened = cube.open_cube(path)
    assert opened.data.shape == (NL, NY, NX)
    box = slice(3, 9), slice(4, 15)
    assert_allclose(opened.data.read(*box), data[:, *box], atol=1e-4)


@pytest.mark.parametrize('name', AXES)
def test_boxes_of_any_size_are_read_from_any_order(tmp_path, name):
    data, _ = scene()
    write_cube(
        tmp_path / 'c.fits',
        transposed(data, AXES[name]),
        header=reordered(cube_header(), AXES[name]),
    )
    array = cube.open_cube(tmp_path / 'c.fits').data
    for ys, xs in (
        (slice(0, NY), slice(0, NX)),
        (slice(3, 5), slice(0, NX)),
        (slice(0, NY), slice(20, 21)),
    ):
        np.testing.assert_array_equal(array.read(ys, xs), data[:, ys, xs])
        np.testing.assert_array_equal(array.are_set(ys, xs), data[:, ys, xs] != 0)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('axis', [1, 2, 3])
def test_flipped_axes_give_the_same_spectra(run, expected, axis):
    data, variance = scene()
    header = cube_header()
    length = data.shape[3 - axis]
    header[f'CRPIX{axis}'] = length + 1 - header[f'CRPIX{axis}']
    header[f'CD{axis}_{axis}'] *= -1
    if axis < 3:  # on the cube's grid no image is smoothed
        picture = np.flip(fits.getdata(run.folder / 'deep.fits'), 2 - axis)
        fits.PrimaryHDU(picture, WCS(header).celestial.to_header()).writeto(
            run.folder / 'deep.fits', overwrite=True
        )
    found = run(np.flip(data, 3 - axis), np.flip(variance, 3 - axis), header)
    for (ident, name), (array, own) in expected.items():
        # A circle's centre is rounded to one side.
        if name.startswith('SPE_') and 'APER' not in name:
            got, here = found[ident, name]
            wave, there = (
                WCS(one).pixel_to_world(np.arange(NL)).to_value('AA') for one in (here, own)
            )
            assert_allclose(wave[np.argsort(wave)], there, rtol=1e-9)
            assert_allclose(
                got[np.argsort(wave)], array, rtol=1e-5, atol=1e-5 * np.nanmax(np.abs(array))
            )
        if name.startswith('IMA_'):
            ra, dec = WCS(found[ident, name][1]).all_pix2world(
                *(np.array(array.shape[::-1]) / 2 - 0.5), 0
            )
            assert_allclose(
                (ra, dec),
                WCS(own).all_pix2world(*(np.array(array.shape[::-1]) / 2 - 0.5), 0),
                atol=3e-5,
            )


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', FRAMES)
@pytest.mark.parametrize('swapped', [False, True])
def test_images_and_maps_of_any_frame_and_order_land_on_the_source(tmp_path, name, swapped):
    header = in_frame(sky_header(), *FRAMES[name])
    picture, labels = gaussian(11, 13), (gaussian(11, 13) > 0.01).astype(np.int32)
    order = (2, 1) if swapped else (1, 2)
    shape = (NY, NX)
    plain = {card: header[card] for card in ('RADESYS', 'EQUINOX') if card in header}
    for file, array in (('i.fits', picture), ('m.fits', labels)):
        fits.PrimaryHDU(
            transposed(array, order), reordered(header, order) + fits.Header(plain)
        ).writeto(tmp_path / file, overwrite=True)
    assert_allclose(
        images.align(tmp_path / 'i.fits', Sky(WCS(sky_header())), shape).data, picture, atol=1e-12
    )
    np.testing.assert_array_equal(
        images.nearest_map(tmp_path / 'm.fits', Sky(WCS(sky_header())), shape), labels
    )


PROJECTIONS = {
    'TAN': {},
    'SIN': {},
    'slant SIN': {'CTYPE1': 'GLON-SIN', 'CTYPE2': 'GLAT-SIN', 'PV2_1': 0.01, 'PV2_2': 0.02},
    'ZPN': {'PV2_1': 1.0, 'PV2_3': 0.1},
    'TPV': {'PV1_1': 1.001, 'PV2_1': 0.999},
    'CAR': {'CRVAL2': 0.0, 'CRPIX2': -40.0},
    'AIT': {'CRVAL1': 0.0, 'CRVAL2': 0.0, 'CRPIX1': 3000.0, 'CRPIX2': -2000.0, 'scale': 100},
    'COE': {'PV2_1': 30.0},
    'TAN with LONPOLE': {'LONPOLE': 90.0},
    'TAN at the pole': {'CRVAL2': 90.0},
    'TAN with CROTA2': {'CDELT1': -PIXEL / 3600, 'CDELT2': PIXEL / 3600, 'CROTA2': 33.0},
}


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('projection', PROJECTIONS)
@pytest.mark.parametrize('frame', FRAMES)
def test_positions_in_every_frame_and_projection_are_those_of_astropy_and_back(
    tmp_path, projection, frame
):
    cards = dict(PROJECTIONS[projection])
    scale = cards.pop('scale', 1)
    header = in_frame(sky_header(pixel=scale * PIXEL, angle=20.0), *FRAMES[frame])
    kind = projection.split()[-1] if projection == 'slant SIN' else projection.split()[0]
    for axis in (1, 2):
        header[f'CTYPE{axis}'] = f'{header[f"CTYPE{axis}"][:5]}{kind}'
    header.update({card: value for card, value in cards.items() if not card.startswith('CTYPE')})
    if 'CROTA2' in cards:
        for card in ('CD1_1', 'CD1_2', 'CD2_1', 'CD2_2'):
            header.remove(card)
    sky = open_sky('DATA', header)
    assert len(sky.notes) == 1
    x, y = np.meshgrid(np.linspace(0, NX - 1, 5), np.linspace(0, NY - 1, 5))
    lon, lat = WCS(header).all_pix2world(x, y, 0)
    there = SkyCoord(lon * u.deg, lat * u.deg, frame=FRAMES[frame][0]).icrs
    assert_allclose(sky.to_pixels(there.ra.deg, there.dec.deg), (y, x), atol=1e-4)
    ra, dec = sky.to_icrs(y, x)
    assert_allclose(SkyCoord(ra, dec, unit='deg').separation(there).arcsec, 0, atol=1e-5)


@pytest.mark.parametrize(
    ('cards', 'note'),
    [
        ({}, ''),
        ({'RADESYS': 'ICRS', 'EQUINOX': 2000.0}, ''),
        ({'RADESYS': 'FK5'}, ''),
        ({'RADESYS': 'FK5', 'EQUINOX': 2000.0}, ''),
        ({'RADESYS': 'fk5', 'EQUINOX': 2000.0}, ''),
        ({'EQUINOX': 2000.0}, ''),
        ({'RADESYS': 'GAPPT'}, "RADESYS = 'GAPPT'"),
    ],
)
def test_icrs_and_fk5_of_2000_are_one_to_the_last_digit(tmp_path, cards, note):
    header = sky_header()
    header.update(cards)
    sky = open_sky('DATA', header)
    assert sky.frame is None
    assert sky.to_icrs(4, 7) == tuple(WCS(sky_header()).all_pix2world(7, 4, 0))
    assert note in ''.join(sky.notes)
    assert bool(sky.notes) == bool(note)


def test_what_is_transformed_and_reordered_is_said(tmp_path):
    header = reordered(in_frame(cube_header(), *FRAMES['galactic']), (3, 1, 2))
    write_cube(tmp_path / 'c.fits', transposed(scene()[0], (3, 1, 2)), header=header)
    listed = cube.open_cube(tmp_path / 'c.fits').notes
    assert all(note.startswith('c.fits: ') for note in listed)
    notes = '\n'.join(listed)
    assert 'c.fits: the axes of DATA are brought into the order GLON-TAN, GLAT-TAN, AWAV' in notes
    assert 'c.fits: galactic coordinates' in notes
    opened = cube.open_cube(tmp_path / 'c.fits')
    assert_allclose(opened.wave, WAVE0 + STEP * np.arange(NL), rtol=1e-9)
    with pytest.raises(Exception, match='outside the cube'):
        cube.box_of(opened, Target(1, RA, DEC + 1, 3.0))


def test_an_osiris_cube_is_read_without_transposing_it(tmp_path):
    """OSIRIS (Keck) writes wavelength, RA, Dec, a PC matrix, nm, and no extension has a name."""
    data, _ = scene()
    header = fits.Header()
    header.update(
        {'CTYPE1': 'WAVE', 'CUNIT1': 'nm', 'CRVAL1': WAVE0 / 10, 'CRPIX1': 1.0, 'CDELT1': STEP / 10}
    )
    header.update(
        {
            'CTYPE2': 'RA---TAN',
            'CUNIT2': 'deg',
            'CRVAL2': RA,
            'CRPIX2': 14.0,
            'CDELT2': -PIXEL / 3600,
        }
    )
    header.update(
        {
            'CTYPE3': 'DEC--TAN',
            'CUNIT3': 'deg',
            'CRVAL3': DEC,
            'CRPIX3': 12.0,
            'CDELT3': PIXEL / 3600,
        }
    )
    turn = np.radians(30.0)
    header.update(
        {
            'PC2_2': np.cos(turn),
            'PC2_3': np.sin(turn),
            'PC3_2': -np.sin(turn),
            'PC3_3': np.cos(turn),
        }
    )
    stored = transposed(data, AXES['wavelength first'])
    hdus = [fits.PrimaryHDU(stored, header), fits.ImageHDU(np.ones_like(stored), header)]
    fits.HDUList(hdus).writeto(tmp_path / 'c.fits')
    opened = cube.open_cube(tmp_path / 'c.fits', data_ext(0, '1: sigma'))
    assert_allclose(opened.wave, (WAVE0 + STEP * np.arange(NL)) / 10)
    assert_allclose(opened.pixel, (PIXEL, PIXEL))
    assert_allclose(opened.sky.to_icrs(11, 13), (RA, DEC), atol=1e-9)
    expected = WCS(header).all_pix2world(0, 20, 3, 0)[1:]
    assert_allclose(opened.sky.to_icrs(3, 20), expected, atol=1e-9)
    np.testing.assert_array_equal(opened.data.read(slice(3, 9), slice(1, 5)), data[:, 3:9, 1:5])


def test_distortions_do_not_go_with_another_order():
    header = reordered(cube_header(), (2, 1, 3))
    header['A_ORDER'] = 2
    with pytest.raises(InputError, match=r'distortions .* DATA'):
        find_axes('DATA', header, (NL, NX, NY), spectral=True)


@pytest.mark.parametrize('shape', [(NL, NY, NX), (1, NL, NY, NX), (1, 1, NL, NY, NX), (1, NY, NX)])
def test_axes_of_length_one_are_dropped(shape):
    header = cube_header()
    header.update({'CTYPE4': 'STOKES', 'CD4_4': 1.0, 'CRVAL4': 1.0})
    axes = find_axes('DATA', header, shape, spectral=True)
    assert axes == (1, 2, 3)
    assert arranged(np.zeros(shape), axes).shape == shape[-3:]
    assert not any(card.endswith('4') for card in header_of_axes(header, axes))
