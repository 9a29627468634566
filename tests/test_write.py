"""Products to FITS and back: the same arrays, the right extensions, nothing half-written."""

import errno
import itertools

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from conftest import UNIT, sky_header
from numpy.testing import assert_allclose

from autospec_lib import __version__, atomic, write
from autospec_lib.model import Grid, Measured, Products, Stamp, Target
from autospec_lib.params import Params

NL, NY, NX = 6, 4, 5
SPECTRAL = {'CRPIX1': 1.0, 'CRVAL1': 4750.0, 'CDELT1': 1.25, 'CUNIT1': 'Angstrom', 'CTYPE1': 'AWAV'}
UNITS = ('10**-20 erg Angstrom-1 s-1 cm-2', '10**-40 erg2 Angstrom-2 s-2 cm-4')


def measured(*shape, seed=1, variance=True):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=shape)
    data.flat[1] = np.nan
    return Measured(data, rng.uniform(1, 2, shape) if variance else None)


@pytest.fixture
def stamp():
    """A stamp of which only target and grid matter here."""
    sky = {card.keyword: card.value for card in WCS(sky_header()).to_header().cards}
    cube = np.zeros((NL, NY, NX))
    grid = Grid(sky, SPECTRAL, *UNITS)
    return Stamp(Target(207, 130.5788295, 1.642479, 5.0), cube, None, cube > 0, cube[:, 0, 0], (2, 2), (0.2, 0.2), grid)


@pytest.fixture
def products():
    """One of everything."""
    keys = ('MUSE_SKY', 'MUSE_TOT_SKYSUB', 'MUSE_WHITE_SKYSUB', 'MUSE_WHITE_CONTSUB_SKYSUB', 'CROSS_CORRELATION_SKYSUB')
    return Products(
        reference='MUSE_WHITE_SKYSUB',
        spectra={key: measured(NL, seed=n) for n, key in enumerate(keys)},
        images={'MUSE_WHITE': measured(NY, NX), 'HST': measured(NY, NX, variance=False)},
        segmaps={'SEG_MUSE_WHITE': np.arange(NY * NX, dtype=np.int32).reshape(NY, NX) * 40},
        masks={'MASK_UNION': np.eye(NY, NX, dtype=bool)},
        maps={'CROSS_CORRELATION': measured(NY, NX)},
        cubes={'MUSE': measured(NL, NY, NX)},
        notes=('MASK_INTER is empty: MASK_UNION used', 'a very long note ' + 'x' * 100 + ' with an umlaut ü'),
        facts={'REFSPEC': ('MUSE_WHITE_SKYSUB', 'reference spectrum')},
    )


def test_mpdaf_reads_back_the_same_arrays(tmp_path, stamp, products):
    from mpdaf.sdetect import Source

    path = tmp_path / 's.fits'
    write.write_source(path, products, stamp, Params(orig_from='me'))
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
    np.testing.assert_array_equal(source.images['SEG_MUSE_WHITE'].data, products.segmaps['SEG_MUSE_WHITE'])
    np.testing.assert_array_equal(source.images['MASK_UNION'].data, products.masks['MASK_UNION'])
    assert_allclose(source.cubes['MUSE'].data.filled(np.nan), products.cubes['MUSE'].data, rtol=1e-6)
    assert_allclose(source.cubes['MUSE'].wave.coord(), 4750 + 1.25 * np.arange(NL))
    assert_allclose(source.images['HST'].wcs.pix2sky([2, 3]), source.cubes['MUSE'].wcs.pix2sky([2, 3]))


@pytest.mark.filterwarnings('ignore::astropy.io.fits.verify.VerifyWarning')
def test_notes_stand_in_the_header(tmp_path, stamp, products):
    write.write_source(tmp_path / 's.fits', products, stamp, Params())
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
def test_every_selection_writes_exactly_its_extensions(tmp_path, stamp, products, values):
    out = dict(zip(('out_spec', 'out_img', 'out_seg', 'out_mask', 'out_xcor'), values, strict=True))
    write.write_source(tmp_path / 's.fits', products, stamp, Params(**out))
    with fits.open(tmp_path / 's.fits') as hdus:
        assert [hdu.name for hdu in hdus[1:]] == expected_names(products, out)


def test_the_file_is_sound_fits_to_the_byte(tmp_path, stamp, products):
    write.write_source(tmp_path / 's.fits', products, stamp, Params())
    with fits.open(tmp_path / 's.fits', checksum=True) as hdus:
        hdus.verify('exception')
        assert sum(hdu.filebytes() for hdu in hdus) == (tmp_path / 's.fits').stat().st_size
        assert hdus[0].header['EXTEND'] is True
        assert all(isinstance(hdu, fits.ImageHDU) for hdu in hdus[1:])


def test_every_extension_says_its_unit_and_place(tmp_path, stamp, products):
    write.write_source(tmp_path / 's.fits', products, stamp, Params())
    with fits.open(tmp_path / 's.fits') as hdus:
        for hdu in hdus[1:]:
            counted = 'SEG' in hdu.name or 'MASK' in hdu.name
            assert hdu.header['BUNIT'] == ('' if counted else UNITS[hdu.name.endswith('STAT')])
            wcs = WCS(hdu.header)
            assert wcs.has_celestial != hdu.name.startswith('SPE')
            assert wcs.has_spectral != hdu.name.startswith('IMA')


def test_a_full_disk_leaves_neither_a_torn_file_nor_a_temporary_one(tmp_path, stamp, products, monkeypatch):
    write.write_source(tmp_path / 's.fits', products, stamp, Params())
    before = (tmp_path / 's.fits').read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(atomic.os, 'fsync', full)
    with pytest.raises(OSError, match='No space left'):
        write.write_source(tmp_path / 's.fits', products, stamp, Params())
    assert (tmp_path / 's.fits').read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ['s.fits']


def test_the_unit_of_muse_cubes_is_read(tmp_path):
    from autospec_lib.cube import _units

    assert _units(UNIT) == UNITS
    assert _units('MJy/sr') == ('MJy sr-1', 'MJy2 sr-2')
    assert _units('1E-17 erg/s/cm^2/Ang/spaxel') == (
        '1E-17 erg/s/cm^2/Ang/spaxel',
        '(1E-17 erg/s/cm^2/Ang/spaxel)**2',
    )
    assert _units('') == ('', '')
