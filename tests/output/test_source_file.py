"""Products to FITS and back: the same arrays, the right extensions, nothing half-written."""

import errno
import itertools
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import BarycentricMeanEcliptic, Galactic, SkyCoord, Supergalactic
from astropy.io import fits
from astropy.wcs import WCS
from builders import PIXEL, sky_header
from numpy.testing import assert_allclose

from autospec_lib import __version__
from autospec_lib.core import atomic, best_spectrum
from autospec_lib.core.products import Group, Kind, Products, Spectrum, by_key
from autospec_lib.core.types import Cutout, Grid, Mask, Measured, Segmap, Target, Voxels
from autospec_lib.inputs.coordinates import open_sky
from autospec_lib.output import source_file

NL, NY, NX = 6, 4, 5
SPECTRAL = {'CRPIX1': 1.0, 'CRVAL1': 4750.0, 'CDELT1': 1.25, 'CUNIT1': 'Angstrom', 'CTYPE1': 'AWAV'}
UNITS = ('10**-20 erg Angstrom-1 s-1 cm-2', '10**-40 erg2 Angstrom-2 s-2 cm-4')


def numbers(shape, seed):
    """Data with a NaN, and variance."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=shape)
    data.flat[1] = np.nan
    return data, rng.uniform(1, 2, shape)


def measured(*shape, variance=True, unit=UNITS[0]):
    data, noise = numbers(shape, 1)
    return Measured(data, noise if variance else None, unit)


def spectrum(tag, kind, no_continuum=False, sky_subtracted=True):
    return Spectrum(
        *numbers(NL, len(tag)),
        UNITS[0],
        tag=tag,
        kind=kind,
        sky_subtracted=sky_subtracted,
        continuum_subtracted=no_continuum,
    )


@pytest.fixture
def cutout():
    """A cutout of which only target and grid matter here."""
    sky = {card.keyword: card.value for card in WCS(sky_header()).to_header().cards}
    grid = Grid(sky, SPECTRAL, UNITS[0])
    voxels = Voxels(np.zeros((NL, NY, NX)))
    return Cutout(
        Target(207, 130.5788295, 1.642479, 5.0), voxels, np.zeros(NL), (2, 2), (0.2, 0.2), grid
    )


@pytest.fixture
def products():
    """One of everything."""
    white = 'MUSE_WHITE', Kind.WEIGHTED
    spectra = [
        spectrum('MUSE_SKY', Kind.SKY, sky_subtracted=False),
        spectrum('MY_CROSS_CORRELATION', Kind.WEIGHTED),
        spectrum(*white),
        spectrum(*white, True),
        spectrum('CROSS_CORRELATION', Kind.CROSS_CORRELATION),
    ]
    labels = np.arange(NY * NX, dtype=np.int32).reshape(NY, NX) * 40
    return Products(
        {
            Group.SPECTRUM: by_key(spectra),
            Group.IMAGE: {
                'MUSE_WHITE': measured(NY, NX),
                'HST': measured(NY, NX, variance=False, unit='ct s-1'),
            },
            Group.SEGMAP: {'SEG_MUSE_WHITE': Segmap(labels, central=80)},
            Group.MASK: {'MASK_UNION': Mask(np.eye(NY, NX, dtype=bool))},
            Group.MAP: {'CROSS_CORRELATION': replace(measured(NY, NX), power=2)},
            Group.CUBE: {'MUSE': measured(NL, NY, NX)},
        },
        reference='MUSE_WHITE_SKYSUB',
        notes=(
            'MASK_INTER is empty: MASK_UNION used',
            'a very long note ' + 'x' * 100 + ' with an umlaut ü',
        ),
        facts={'REFSPEC': ('MUSE_WHITE_SKYSUB', 'reference spectrum')},
    )


def test_mpdaf_reads_back_the_same_arrays(tmp_path, cutout, products):
    from mpdaf.sdetect import Source

    path = tmp_path / 's.fits'
    source_file.write_source(path, products, cutout, {'FROM': 'me'})
    source = Source.from_file(str(path))
    assert (source.ID, source.header['FROM'], source.header['EXT']) == (207, 'me', 'AutoSpec')
    assert_allclose((source.RA, source.DEC), (130.5788295, 1.642479))
    for key, spectrum in products.spectra.items():
        got = source.spectra[key]
        assert_allclose(got.data.filled(np.nan), spectrum.data, rtol=1e-6)
        assert_allclose(got.var.filled(np.nan)[2:], spectrum.variance[2:], rtol=1e-6)
        assert_allclose(got.wave.coord(), 4750 + 1.25 * np.arange(NL))
        assert got.unit.to_string('fits') == UNITS[0]
    for key, image in {**products.images, **products.maps}.items():
        assert_allclose(source.images[key].data.filled(np.nan), image.data, rtol=1e-6)
        assert (source.images[key].var is None) == (image.variance is None)
    np.testing.assert_array_equal(
        source.images['SEG_MUSE_WHITE'].data, products.segmaps['SEG_MUSE_WHITE'].data
    )
    np.testing.assert_array_equal(
        source.images['MASK_UNION'].data, products.masks['MASK_UNION'].data
    )
    assert_allclose(
        source.cubes['MUSE'].data.filled(np.nan), products[Group.CUBE]['MUSE'].data, rtol=1e-6
    )
    assert_allclose(source.cubes['MUSE'].wave.coord(), 4750 + 1.25 * np.arange(NL))
    assert_allclose(
        source.images['HST'].wcs.pix2sky([2, 3]), source.cubes['MUSE'].wcs.pix2sky([2, 3])
    )


def attributes(product):
    """What a product is, besides its arrays; the unit as astropy reads it."""
    held = {
        name: value
        for name, value in vars(product).items()
        if name not in ('data', 'variance', 'weights')
    }
    return held | {'unit': u.Unit(product.unit) ** product.power, 'power': 1}


@pytest.mark.filterwarnings('ignore::astropy.io.fits.verify.VerifyWarning')
def test_products_come_back_out_of_the_file(tmp_path, cutout, products):
    aperture = replace(spectrum('MUSE_APER_1.0', Kind.SUM), radius=1.0)
    products |= Products({Group.SPECTRUM: by_key([aperture])})
    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    back = source_file.read(tmp_path / 's.fits')
    assert [(group, key) for group, key, _ in back] == [(group, key) for group, key, _ in products]
    for (*_, product), (*_, again) in zip(products, back, strict=True):
        assert type(again) is type(product)
        assert again.data.dtype == product.data.dtype
        assert_allclose(again.data, product.data, rtol=1e-6)
        assert (again.variance is None) == (product.variance is None)
        if product.variance is not None:
            assert_allclose(again.variance, product.variance, rtol=1e-6)
        assert attributes(again) == attributes(product)
    assert (back.reference, back.facts) == (products.reference, products.facts)
    assert back.notes == (products.notes[0], products.notes[1].replace('ü', '?'))


def test_a_file_is_read_as_far_as_asked(tmp_path, cutout, products):
    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    back = source_file.read(tmp_path / 's.fits', Group.SEGMAP)
    assert [group for group, held in back.table.items() if held] == [
        Group.SPECTRUM,
        Group.IMAGE,
        Group.SEGMAP,
    ]


def test_the_cutout_of_a_file_has_its_wavelengths_and_position(tmp_path, cutout, products):
    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    back = source_file.read_cutout(tmp_path / 's.fits', open_sky)
    assert back.target.id == 207
    assert_allclose(back.wave, 4750 + 1.25 * np.arange(NL))
    assert_allclose(back.pixel, (PIXEL, PIXEL), rtol=1e-6)
    x, y = WCS(sky_header()).all_world2pix(130.5788295, 1.642479, 0)
    assert_allclose(back.centre, (y, x), atol=1e-3)


@pytest.mark.parametrize(
    ('longitude', 'latitude', 'frame'),
    [
        ('GLON', 'GLAT', Galactic()),
        ('SLON', 'SLAT', Supergalactic()),
        ('ELON', 'ELAT', BarycentricMeanEcliptic(equinox='J2000')),
    ],
)
def test_the_position_is_read_back_in_the_frame_of_the_cube(
    tmp_path, cutout, products, longitude, latitude, frame
):
    place = SkyCoord(cutout.target.ra, cutout.target.dec, unit='deg').transform_to(frame).spherical
    sky = {
        'CTYPE1': f'{longitude}-TAN',
        'CTYPE2': f'{latitude}-TAN',
        'CUNIT1': 'deg',
        'CUNIT2': 'deg',
    }
    sky |= {'CRVAL1': place.lon.deg, 'CRVAL2': place.lat.deg, 'CRPIX1': 4.0, 'CRPIX2': 3.0}
    sky |= {'CDELT1': -PIXEL / 3600, 'CDELT2': PIXEL / 3600}
    cutout = replace(cutout, grid=replace(cutout.grid, sky=sky))
    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    assert_allclose(
        source_file.read_cutout(tmp_path / 's.fits', open_sky).centre, (2, 3), atol=1e-3
    )


def test_a_file_whose_extensions_do_not_say_what_they_hold_is_refused(tmp_path, cutout, products):
    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    with fits.open(tmp_path / 's.fits', mode='update') as hdus:
        for hdu in hdus[1:]:
            hdu.header.remove('PRODUCT', ignore_missing=True)
    with pytest.raises(KeyError, match='PRODUCT'):
        source_file.read(tmp_path / 's.fits')


@pytest.mark.filterwarnings('ignore::astropy.io.fits.verify.VerifyWarning')
def test_notes_stand_in_the_header(tmp_path, cutout, products):
    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    header = fits.getheader(tmp_path / 's.fits')
    assert header['NNOTES'] == 2
    assert header['NOTE1'] == products.notes[0]
    assert header['NOTE2'] == products.notes[1].replace('ü', '?')
    assert header['REFSPEC'] == 'MUSE_WHITE_SKYSUB'
    assert header['EXT_V'] == f'v.{__version__}'


def expected_names(products, out):
    """The extensions that should be there, by the rule of spec.md."""
    spectra = list(products.spectra)
    if not out['out_spec']:
        spectra = spectra[2:]
    measured_images = {**(products.images if out['out_img'] else {})}
    names = [f'SPE_{key}_{part}' for key in spectra for part in ('DATA', 'STAT')]
    names += [
        f'IMA_{k}_{p}'
        for k, i in measured_images.items()
        for p in ('DATA', 'STAT')
        if p == 'DATA' or i.variance is not None
    ]
    names += ['IMA_SEG_MUSE_WHITE_DATA'] if out['out_seg'] else []
    names += ['IMA_MASK_UNION_DATA'] if out['out_mask'] else []
    names += ['IMA_CROSS_CORRELATION_DATA', 'IMA_CROSS_CORRELATION_STAT'] if out['out_xcor'] else []
    return [*names, 'CUB_MUSE_DATA', 'CUB_MUSE_STAT']


@pytest.mark.parametrize('values', list(itertools.product([True, False], repeat=5)))
def test_every_selection_writes_exactly_its_extensions(tmp_path, cutout, products, values):
    out = dict(zip(('out_spec', 'out_img', 'out_seg', 'out_mask', 'out_xcor'), values, strict=True))
    switches = {
        Group.IMAGE: 'out_img',
        Group.SEGMAP: 'out_seg',
        Group.MASK: 'out_mask',
        Group.MAP: 'out_xcor',
    }
    groups = [group for group in Group if out.get(switches.get(group), True)]
    kept = products if out['out_spec'] else best_spectrum.with_fewer_spectra(products)
    source_file.write_source(tmp_path / 's.fits', kept.select(groups), cutout, {})
    with fits.open(tmp_path / 's.fits') as hdus:
        assert [hdu.name for hdu in hdus[1:]] == expected_names(products, out)


def test_the_file_is_sound_fits_to_the_byte(tmp_path, cutout, products):
    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    with fits.open(tmp_path / 's.fits', checksum=True) as hdus:
        hdus.verify('exception')
        assert sum(hdu.filebytes() for hdu in hdus) == (tmp_path / 's.fits').stat().st_size
        assert hdus[0].header['EXTEND'] is True
        assert all(isinstance(hdu, fits.ImageHDU) for hdu in hdus[1:])


def test_every_extension_says_its_unit_and_place(tmp_path, cutout, products):
    flux = u.Unit(UNITS[0])

    def expected(name):
        if 'SEG' in name or 'MASK' in name:
            return u.Unit('')
        unit = (
            u.Unit('ct s-1') if 'HST' in name else flux**2 if name.startswith('IMA_CROSS') else flux
        )
        return unit**2 if name.endswith('STAT') else unit

    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    with fits.open(tmp_path / 's.fits') as hdus:
        for hdu in hdus[1:]:
            assert u.Unit(hdu.header['BUNIT']) == expected(hdu.name)
            wcs = WCS(hdu.header)
            assert wcs.has_celestial != hdu.name.startswith('SPE')
            assert wcs.has_spectral != hdu.name.startswith('IMA')


def test_a_full_disk_leaves_neither_a_torn_file_nor_a_temporary_one(
    tmp_path, cutout, products, monkeypatch
):
    source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    before = (tmp_path / 's.fits').read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(atomic.os, 'fsync', full)
    with pytest.raises(OSError, match='No space left'):
        source_file.write_source(tmp_path / 's.fits', products, cutout, {})
    assert (tmp_path / 's.fits').read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ['s.fits']


@pytest.mark.parametrize('values', [(1.0, 1, True), (True, 1, 1.0)])
def test_equal_values_of_several_types_are_cards_of_their_own(values):
    cards = {str(fits.Card('APERTURE', value, 'c')) for value in values}
    assert {source_file._card('APERTURE', value, 'c') for value in values} == cards
    assert len(cards) == 3
