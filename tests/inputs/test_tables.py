"""Catalogues that astropy reads, written as astropy and other programs write them."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable, Table
from builders import gaussian, sky_header
from catalogues import BOTH, PLACES, REF, SIZE, faults, load, sources, table

from autospec_lib.inputs import catalogue


@pytest.mark.parametrize(
    ('name', 'form', 'kind'),
    [
        ('sources.fits', 'fits', 'FITS table'),
        ('sources.vot', 'votable', 'VOTable'),
        ('sources.ecsv', 'ascii.ecsv', 'ECSV'),
        ('sources.tbl', 'ascii.ipac', 'IPAC table'),
        ('sources.mrt', 'ascii.mrt', 'CDS table'),
        ('sources.tex', 'ascii.latex', 'LaTeX table'),
        ('sources.csv', 'ascii.csv', 'CSV'),
        ('sources.tab', 'ascii.tab', 'TSV'),
        ('sources.rst', 'ascii.rst', 'text'),
        ('sources.txt', 'ascii.commented_header', 'text'),
        ('bars.txt', 'ascii.fixed_width', 'text'),
        ('ruled.txt', 'ascii.fixed_width_two_line', 'text'),
    ],
)
@pytest.mark.parametrize('compressed', [False, True])
def test_what_astropy_writes(tmp_path, name, form, kind, compressed):
    made = table(MAG=[20.5, 21.5])
    made['ra'].unit = made['dec'].unit = 'deg'
    made.write(tmp_path / name, format=form)
    if compressed:
        path = tmp_path / name
        path.write_bytes(gzip.compress(path.read_bytes()))
    loaded = load(tmp_path / name)
    assert [ident for ident, _, _ in sources(loaded)] == [3, 8]
    # The machine-readable table rounds.
    np.testing.assert_allclose([place for _, *place in sources(loaded)], PLACES, rtol=0, atol=1e-12)
    assert loaded.description.startswith(f'{name}: {kind}: ID, ra')
    assert loaded.warnings == ()


@pytest.mark.parametrize('form', ['fits', 'ascii.ecsv'])
def test_photutils_tables(tmp_path, form):
    """As SourceCatalog.to_table writes them; positions in any system of the sky."""
    sky = SkyCoord(PLACES, unit='deg').galactic
    made = QTable({'label': [3, 8], 'xcentroid': [1.5, 2.5], 'ycentroid': [3.5, 4.5], 'sky_centroid': sky})
    made['area'] = [4.0, 5.0] * u.pix**2
    made.write(tmp_path / 'sources', format=form)
    loaded = load(tmp_path / 'sources')
    np.testing.assert_allclose([place for _, *place in sources(loaded)], PLACES, rtol=0, atol=1e-11)
    assert ': photutils (' in loaded.description

    made.remove_column('sky_centroid')
    made.write(tmp_path / 'sources', format=form, overwrite=True)
    loaded = load(tmp_path / 'sources')
    assert loaded.pixels == {3: {'X': 1.5, 'Y': 3.5}, 8: {'X': 2.5, 'Y': 4.5}}
    assert 'the first is 0' in loaded.warnings[0]


@pytest.mark.parametrize(
    ('name', 'content', 'facts'),
    [
        ('image.fits', 'image', ['FITS', 'without a table']),
        ('broken.fits', b'SIMPLE  = nonsense', ['FITS']),
        ('broken.vot', b'<?xml version="1.0"?>\n<VOTABLE><RESOURCE></VOTABLE>', ['VOTable']),
        ('broken.ecsv', b'# %ECSV 1.0\n# ---\n# nothing\nID RA\n', ['ECSV']),
        ('empty.fits', 'empty', ['no rows']),
        ('nowhere.fits', 'nowhere', ['id, mag', 'RA and DEC']),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, facts):
    if content == 'image':
        fits.PrimaryHDU(np.zeros((3, 4))).writeto(tmp_path / name)
    elif content == 'empty':
        table()[:0].write(tmp_path / name)
    elif content == 'nowhere':
        Table({'ID': [1], 'MAG': [2.0]}).write(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    (fault,) = faults(tmp_path / name)
    assert all(fact in fault for fact in facts)


def test_the_table_with_positions_among_several(tmp_path):
    other = fits.table_to_hdu(Table({'ID': [1], 'VALUE': [2.0]}))
    fits.HDUList([fits.PrimaryHDU(), other, fits.table_to_hdu(table())]).writeto(tmp_path / 'sources.fits')
    assert sources(load(tmp_path / 'sources.fits')) == BOTH


def test_coordinates_in_six_columns_of_a_cds_table(tmp_path):
    text = """\
Title: T
================================================================================
Byte-by-byte Description of file: table.dat
--------------------------------------------------------------------------------
   Bytes Format Units  Label   Explanations
--------------------------------------------------------------------------------
   1-  2  I2    ---    ID      Number
   4-  5  I2    h      RAh     Hour
   7-  8  I2    min    RAm     Minute
  10- 14  F5.2  s      RAs     Second
  16      A1    ---    DE-     Sign
  17- 18  I2    deg    DEd     Degree
  20- 21  I2    arcmin DEm     Arcminute
  23- 26  F4.1  arcsec DEs     Arcsecond
--------------------------------------------------------------------------------
 3 10 00 00.00 +02 00 00.0
 8 10 00 00.24 -02 00 05.4
"""
    loaded = load(tmp_path / 'table.dat', text)
    np.testing.assert_allclose([place for _, *place in sources(loaded)], PLACES, rtol=0, atol=1e-12)


def test_thousands_of_rows_of_a_table(tmp_path):
    count = 20_000
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, count), rng.uniform(-90, 90, count)
    Table({'ID': np.arange(count), 'ra': ra, 'dec': dec}).write(tmp_path / 'sources.fits')
    loaded = load(tmp_path / 'sources.fits')
    np.testing.assert_array_equal([target.ra for target in loaded.targets], ra)
    np.testing.assert_array_equal([target.dec for target in loaded.targets], dec)


@pytest.mark.parametrize('kind', ['f8', 'f4', '>f8', '>f4'])
def test_numbers_stay_as_they_are_in_the_file(tmp_path, kind):
    ra, dec = (np.random.default_rng(1).uniform(0, 90, (2, 50))).astype(kind)
    Table({'ID': np.arange(50, dtype='i2'), 'ra': ra, 'dec': dec}).write(tmp_path / 'sources.fits')
    read = sources(load(tmp_path / 'sources.fits'))
    assert read == [(number, float(ra[number]), float(dec[number])) for number in range(50)]


def test_truth_values_are_no_numbers(tmp_path):
    made = table()
    made['dec'] = [True, False]
    made.write(tmp_path / 'sources.fits')
    first, second = faults(tmp_path / 'sources.fits')
    assert "declination 'True'" in first
    assert "declination 'False'" in second


@pytest.fixture(scope='module')
def detected(tmp_path_factory):
    """Source Extractor's catalogues of an image with two stars, and the stars' positions."""
    command = next(filter(None, map(shutil.which, ('source-extractor', 'sex', 'sextractor'))), None)
    if command is None:
        pytest.skip('Source Extractor is not installed')
    folder = tmp_path_factory.mktemp('sextractor')
    image = np.random.default_rng(1).normal(size=(60, 70))
    image += 2000 * gaussian(20, 18, 2, image.shape) + 3000 * gaussian(42, 50, 2, image.shape)
    fits.PrimaryHDU(image.astype('f4'), sky_header()).writeto(folder / 'image.fits')
    (folder / 'x.param').write_text('NUMBER\nX_IMAGE\nY_IMAGE\nFLUX_APER(2)\nALPHA_J2000\nDELTA_J2000\nFLAGS\n')
    for kind in ('ASCII_HEAD', 'FITS_1.0', 'FITS_LDAC', 'ASCII_VOTABLE'):
        options = ['-CATALOG_TYPE', kind, '-CATALOG_NAME', f'{kind}.cat', '-PARAMETERS_NAME', 'x.param', '-FILTER', 'N']
        options += ['-PHOT_APERTURES', '5,8', '-DETECT_THRESH', '5', '-VERBOSE_TYPE', 'QUIET']
        subprocess.run([command, 'image.fits', '-c', os.devnull, *options], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize('kind', ['ASCII_HEAD', 'FITS_1.0', 'FITS_LDAC', 'ASCII_VOTABLE'])
def test_what_source_extractor_writes(detected, kind):
    from astropy.wcs import WCS

    loaded = catalogue.load(detected / f'{kind}.cat', 'param', SIZE, REF)
    assert 'SExtractor (' in loaded.description
    places = sorted((target.ra, target.dec) for target in loaded.targets)
    truth = sorted(map(tuple, WCS(sky_header()).all_pix2world([(18, 20), (50, 42)], 0)))
    np.testing.assert_allclose(places, truth, rtol=0, atol=0.05 / 3600)


@pytest.mark.filterwarnings('ignore')  # of MPDAF, about units
def test_what_muselet_writes(tmp_path, monkeypatch):
    """MPDAF's MUSELET, run on 10 planes around the H-alpha line of the cube that comes with it."""
    import mpdaf
    from mpdaf.obj import Cube
    from mpdaf.sdetect import muselet

    command = next(filter(None, map(shutil.which, ('sex', 'sextractor', 'source-extractor'))), None)
    if command is None:
        pytest.skip('Source Extractor is not installed')
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'sex').symlink_to(command)
    monkeypatch.setenv('PATH', f'{tmp_path / "bin"}{os.pathsep}{os.environ["PATH"]}')
    monkeypatch.chdir(tmp_path)
    cube = Cube(os.path.join(os.path.dirname(mpdaf.__file__), 'data', 'sdetect', 'minicube.fits'))
    cube[1897:1907].write('small.fits')
    muselet('small.fits', write_nbcube=False, n_cpu=1, workdir='.')
    lines, objects = (catalogue.load(tmp_path / name, 'param', SIZE, REF) for name in ('lines.fit', 'objects.fit'))
    assert 'MUSELET (FITS table): ID = ID_OBJ' in lines.description
    assert len(objects.targets) > 0
    assert {target.id for target in lines.targets} <= {target.id for target in objects.targets}
    written = Table.read('objects.fit')
    np.testing.assert_allclose([target.ra for target in objects.targets], written['RA'], rtol=0, atol=1e-9)
    for name in ('cat_raw.fit', 'cat_lines.fit', 'cat_objects.fit', 'cat_bgr.dat', 'cat_white.dat'):
        loaded = catalogue.load(tmp_path / name, 'param', SIZE, REF)
        assert all(63.35 < target.ra < 63.36 and 10.46 < target.dec < 10.47 for target in loaded.targets)
