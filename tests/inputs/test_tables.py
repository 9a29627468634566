"""Catalogues of every kind of file and program, written as their programs write them."""

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
from astropy.table import MaskedColumn, QTable, Table
from builders import DEC, RA, gaussian, sky_header

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.inputs import catalogue, columns

SIZE, REF = 4.5, 'g-band'
PLACES = [(150.0, 2.0), (150.001, -2.0015)]
SEXTRACTOR = """\
#   1 NUMBER                 Running object number
#   2 X_IMAGE                Object position along x                                    [pixel]
#   3 Y_IMAGE                Object position along y                                    [pixel]
#   4 MAG_APER               Fixed aperture magnitude vector                            [mag]
#   6 ALPHA_J2000            Right ascension of barycenter (J2000)                      [deg]
#   7 DELTA_J2000            Declination of barycenter (J2000)                          [deg]
#   8 FLAGS                  Extraction flags
         3    12.4152    15.8852  18.2670  18.1000 150.0000000 +2.0000000   0
         8    22.4152    12.8852  18.2670  18.1000 150.0010000 -2.0015000   2
"""
LSDCAT = """\
# LSDCat catalogue
#  1: I []
#  2: ID []
#  3: X_PEAK_SN [pix]
#  4: Y_PEAK_SN [pix]
#  5: RA_PEAK_SN [deg]
#  6: DEC_PEAK_SN [deg]
#  7: LAMBDA_PEAK_SN [Angstrom]
#  8: DETSN_MAX []
1 5 10.0 11.0 10.0 11.0 5000.0 8.5
2 5 12.0 13.0 150.0 2.0 6000.0 22.5
3 9 22.0 23.0 150.001 -2.0015 7000.0 9.5
4 5 32.0 33.0 12.0 13.0 8000.0 9.0
"""
VIZIER = """\
#   VizieR Astronomical Server
#Column recno (I8) Record number
#
recno\t_RAJ2000\t_DEJ2000\tRAJ2000\tDEJ2000\tName
 \tdeg\tdeg\t"h:m:s"\t"d:m:s"\t
--------\t-----------\t-----------\t-----------\t-----------\t-----
       3\t150.0000000\t+02.0000000\t10 00 00.00\t+02 00 00.0\tM 31
       8\t150.0010000\t-02.0015000\t10 00 00.24\t-02 00 05.4\t
"""


@pytest.fixture
def load(tmp_path):
    """Load a file with this name and text, or one that is written already."""

    def write_and_load(name, text=None, mode='param', skip_bad_rows=False):
        if text is not None:
            (tmp_path / name).write_text(text)
        return catalogue.load(tmp_path / name, mode, SIZE, REF, skip_bad_rows)

    return write_and_load


def table(**columns):
    """A table of the two places with these further columns."""
    return Table({'ID': [3, 8], 'ra': [ra for ra, _ in PLACES], 'dec': [dec for _, dec in PLACES], **columns})


def summary(found):
    return [(target.id, target.ra, target.dec) for target in found.targets]


BOTH = [(3, *PLACES[0]), (8, *PLACES[1])]


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
def test_what_astropy_writes(tmp_path, load, name, form, kind, compressed):
    made = table(MAG=[20.5, 21.5])
    made['ra'].unit = made['dec'].unit = 'deg'
    made.write(tmp_path / name, format=form)
    if compressed:
        path = tmp_path / name
        path.write_bytes(gzip.compress(path.read_bytes()))
    found = load(name)
    assert [ident for ident, _, _ in summary(found)] == [3, 8]
    # The machine-readable table rounds.
    np.testing.assert_allclose([place for _, *place in summary(found)], PLACES, rtol=0, atol=1e-12)
    assert found.description.startswith(f'{name}: {kind}: ID, ra')
    assert found.warnings == ()


@pytest.mark.parametrize(
    ('text', 'kind'),
    [
        (SEXTRACTOR, 'SExtractor (text)'),
        (VIZIER, 'VizieR (TSV)'),
        (VIZIER.replace('\t', ';'), 'VizieR (CSV)'),
        (VIZIER.replace('\t', '|'), 'VizieR (text)'),
        ('#Table1\nobjid,run,ra,dec,u,g,r,i,z\n3,1,150,2,1,1,1,1,0.5\n8,1,150.001,-2.0015,1,1,1,1,0.6\n', 'SDSS (CSV)'),
        ('ID;RA;DEC\n3;150,0;2,0\n8;150,001;-2,0015\n', 'CSV'),
        ('3;150,0;2,0\n8;150,001;-2,0015\n', 'CSV'),
        (
            '+----+-----+\n| ID | RA  | DEC |\n+----+-----+\n| 3 | 150 | 2 |\n| 8 | 150.001 | -2.0015 |\n+--+\n',
            'text',
        ),
        ('# NUMBER X_IMAGE Y_IMAGE RA DEC\n3 1 2 150 2\n8 1 2 150.001 -2.0015\n', 'SExtractor (text)'),
    ],
)
def test_text_of_programs(load, text, kind):
    found = load('sources.txt', text)
    assert summary(found) == BOTH
    assert found.description.startswith(f'sources.txt: {kind}: ')
    assert (found.warnings, [target.z for target in found.targets]) == ((), [None, None])


def test_rows_of_lsdcat_are_lines_and_the_brightest_of_a_source_counts(load):
    found = load('sources.cat', LSDCAT)
    assert summary(found) == [(5, *PLACES[0]), (9, *PLACES[1])]
    assert found.description.startswith('sources.cat: LSDCat (text): ID, RA = RA_PEAK_SN [deg]')
    (warning,) = found.warnings
    assert '4 rows with 2 IDs' in warning
    assert 'largest DETSN_MAX' in warning


@pytest.mark.parametrize(
    ('columns', 'kind'),
    [
        ({'lbda': [5e3, 6e3, 7e3], 'T_GLR': [1.0, 9.0, 3.0], 'flux': [1.0, 9.0, 2.0], 'num_line': [1, 2, 3]}, 'ORIGIN'),
        (
            {'ID_OBJ': [3, 3, 8], 'CUBE_V': ['', '', ''], 'FLUX': [1.0, 9.0, 2.0], 'LBDA_OBS': [5e3, 6e3, 7e3]},
            'MUSELET',
        ),
    ],
)
def test_tables_of_lines(tmp_path, load, columns, kind):
    """MUSELET's lines.fit numbers its lines in ID, and the objects in ID_OBJ."""
    idents = [1, 2, 3] if 'ID_OBJ' in columns else [3, 3, 8]
    made = Table({'ID': idents, 'ra': [10.0, 150.0, 150.001], 'dec': [10.0, 2.0, -2.0015], **columns})
    made.write(tmp_path / 'lines.fit', format='fits')
    found = load('lines.fit')
    assert summary(found) == BOTH
    assert found.description.startswith(f'lines.fit: {kind} (FITS table): ID')
    assert '3 rows with 2 IDs' in found.warnings[0]


def test_a_repeated_id_in_another_table_is_a_fault_with_its_rows(tmp_path, load):
    made = table()
    made['ID'] = [3, 3]
    made.write(tmp_path / 'sources.fits')
    with pytest.raises(InputError, match=r'^sources\.fits, row 2: ID 3 is in row 1 too'):
        load('sources.fits')


def test_the_columns_that_mpdafs_catalog_names(tmp_path, load):
    from mpdaf.sdetect import Catalog

    made = Catalog(
        {'ID': [1, 2], 'MINE': [3, 8], 'X': [150.0, 150.001], 'Y': [2.0, -2.0015]},
        idname='MINE',
        raname='X',
        decname='Y',
    )
    made.write(tmp_path / 'sources.fits')
    assert summary(load('sources.fits')) == BOTH


@pytest.mark.parametrize('form', ['fits', 'ascii.ecsv'])
def test_photutils_tables(tmp_path, load, form):
    """As SourceCatalog.to_table writes them; positions in any system of the sky."""
    sky = SkyCoord(PLACES, unit='deg').galactic
    made = QTable({'label': [3, 8], 'xcentroid': [1.5, 2.5], 'ycentroid': [3.5, 4.5], 'sky_centroid': sky})
    made['area'] = [4.0, 5.0] * u.pix**2
    made.write(tmp_path / 'sources', format=form)
    found = load('sources')
    np.testing.assert_allclose([place for _, *place in summary(found)], PLACES, rtol=0, atol=1e-11)
    assert ': photutils (' in found.description

    made.remove_column('sky_centroid')
    made.write(tmp_path / 'sources', format=form, overwrite=True)
    found = load('sources')
    assert found.pixels == {3: {'X': 1.5, 'Y': 3.5}, 8: {'X': 2.5, 'Y': 4.5}}
    assert 'the first is 0' in found.warnings[0]


def test_pixels_of_sextractor_are_counted_from_1(load):
    text = SEXTRACTOR.replace('ALPHA_J2000', 'SOMETHING  ')
    found = load('sources.cat', text)
    assert found.pixels[3] == pytest.approx({'X': 11.4152, 'Y': 14.8852}, abs=1e-12)
    assert np.isnan([target.ra for target in found.targets]).all()
    assert 'the first is 1' in found.warnings[0]


@pytest.mark.parametrize(
    'text',
    [
        '#  1 NUMBER  Running object number\n#  2 FLUX_AUTO  flux [count]\n#  3 FLUX_ISO  flux [count]\n1 5.0 6.0\n',
        'NUMBER,FLUX_AUTO,MAG_AUTO\n1,5.0,6.0\n',
        'id x y\n1 5.0 6.0\n',
        '% id x0 y0 flux\n1 5.0 6.0 7.0\n',
    ],
)
def test_neither_pixels_nor_running_numbers_nor_fluxes_are_degrees(load, text):
    with pytest.raises(InputError, match=r'^sources\.txt(, line 1)?: .*expected RA and DEC'):
        load('sources.txt', text)


@pytest.mark.parametrize(
    ('header', 'size', 'ref', 'warned'),
    [
        ('# ID RA DEC MAG BAND', SIZE, '', ['4 MAG', '5 BAND']),
        ('# ID RA DEC SIZE REF', 8.0, '2', []),
        ('# ID RA DEC REF SIZE', 2.0, '8', []),
        ('# obj ra dec size(arcmin) ref', 480.0, '2', []),
        ('# ID RA DEC MAG SIZE', 2.0, '', []),
        ('# my field', 8.0, '2', []),
    ],
)
def test_a_comment_that_names_the_columns_counts(load, header, size, ref, warned):
    catalogue = load('sources.txt', f'{header}\n1 150.0 2.0 8 2\n', 'cat')
    assert (catalogue.targets[0].size, catalogue.targets[0].ref) == (size, ref)
    assert len(catalogue.warnings) == len(warned)
    assert all(what in line for what, line in zip(warned, catalogue.warnings, strict=True))


def test_what_a_comment_calls_pixels_is_said(load):
    found = load('sources.txt', '# id x y\n1 5.0 6.0\n')
    assert 'x and y; they are taken as degrees' in found.warnings[0]


@pytest.mark.parametrize(('unit', 'factor'), [('h', 15), ('hourangle', 15), ('rad', 180 / np.pi), ('arcmin', 1 / 60)])
def test_units_of_right_ascension(tmp_path, load, unit, factor):
    made = table()
    made['ra'] = made['ra'] / factor
    made['ra'].unit = unit
    made.write(tmp_path / 'sources.ecsv')
    np.testing.assert_allclose([target.ra for target in load('sources.ecsv').targets], [150.0, 150.001], rtol=1e-14)
    text = f'ID RA({unit}) DEC\n3 {150 / factor!r} 2\n'
    assert load('sources.txt', text).targets[0].ra == pytest.approx(150, rel=1e-14)


@pytest.mark.parametrize(('unit', 'warned'), [('km', True), ('J2000', False), ('h:m:s', False), ('deg', False)])
def test_what_is_not_a_unit_of_angle_is_said(load, unit, warned):
    found = load('sources.txt', f'ID RA({unit}) DEC\n3 150.0 2.0\n')
    assert found.targets[0].ra == 150.0
    assert [f'RA is in {unit}' in line for line in found.warnings] == [True] * warned


@pytest.mark.parametrize(('unit', 'arcsec'), [('arcsec', 2.0), ('arcmin', 120.0), ('deg', 7200.0), ('pix', 2.0)])
def test_units_of_sizes(tmp_path, load, unit, arcsec):
    made = table(size=[2.0, np.nan], aper=[2.0, np.nan])
    made['size'].unit = made['aper'].unit = unit
    made.write(tmp_path / 'sources.fits')
    found = load('sources.fits', mode='cat')
    first, second = ((target.size, target.aper) for target in found.targets)
    assert second == (SIZE, None)
    if unit == 'pix':
        assert found.pixels == {3: {'SIZE_PIX': arcsec, 'APER_PIX': arcsec}}
    else:
        assert (first, found.pixels) == ((arcsec, arcsec), {})


def test_an_angle_is_no_unit_of_a_size(tmp_path, load):
    made = table(size=[2.0, 3.0])
    made['size'].unit = 'rad'
    made['ra'].unit = 'pix'
    made.write(tmp_path / 'sources.ecsv')
    with pytest.raises(InputError) as caught:
        load('sources.ecsv', mode='cat')
    assert [fault.partition(';')[0] for fault in caught.value.faults] == [
        'sources.ecsv: column ra is in pix',
        'sources.ecsv: column size is in rad',
    ]


def test_lsst_has_radians_where_no_unit_says_so(tmp_path, load):
    made = Table({'id': [3], 'coord_ra': np.radians([150.0]), 'coord_dec': np.radians([2.0])})
    made.write(tmp_path / 'sources.fits')
    found = load('sources.fits')
    assert summary(found)[0] == pytest.approx((3, 150, 2), rel=1e-14)
    assert 'coord_ra has no unit; taken as radians' in found.warnings[0]


def test_size_and_ref_count_in_catalogue_mode_and_aper_and_z_in_both(tmp_path, load):
    made = table(SIZE=[6.0, 7.0], REF=['a', '-'], APER=[0.8, 0.9], redshift=[0.5, -99.0])
    made.write(tmp_path / 'sources.fits')
    first, second = BOTH
    assert load('sources.fits').targets == [Target(*first, SIZE, REF, 0.8, 0.5), Target(*second, SIZE, REF, 0.9, None)]
    assert "SIZE and REF are param.py's with MODE = 'param'" in load('sources.fits').description
    assert load('sources.fits', mode='cat').targets == [
        Target(*first, 6.0, 'a', 0.8, 0.5),
        Target(*second, 7.0, '', 0.9, None),
    ]


@pytest.mark.parametrize('header', ['ID RA DEC APER Z', '# ID RA DEC APER Z'])
def test_aper_and_z_in_text(load, header):
    found = load('sources.txt', f'{header}\n3 150 2 0.8 0.5\n8 150.001 -2.0015 - none\n')
    assert [(target.aper, target.z) for target in found.targets] == [(0.8, 0.5), (None, None)]
    assert summary(found) == BOTH


def test_a_row_with_more_than_its_header_has_no_redshift(load):
    found = load('sources.txt', 'ID RA DEC MAG Z\n3 150 2 20.5 0.5\n8 150.001 -2.0015 20.5 0.1 0.2\n')
    assert [target.z for target in found.targets] == [0.5, None]


@pytest.mark.parametrize('header', ['ID,RA,DEC,g,r,i,z', 'ID,RA,DEC,x,y,z,w'])
def test_magnitudes_and_pixels_called_z_are_no_redshifts(load, header):
    assert load('sources.csv', f'{header}\n3,150,2,1,1,1,0.5\n').targets[0].z is None


class TestIdentifiers:
    def test_text(self, load):
        found = load('sources.csv', 'name,ra,dec\nM 31,150,2\n007,150.001,-2.0015\nNGC 7 (a),1,1\n')
        assert [target.id for target in found.targets] == ['M 31', 7, 'NGC 7 (a)']

    def test_text_of_a_fits_table_and_a_votable(self, tmp_path, load):
        for name in ('sources.fits', 'sources.vot'):
            Table({'main_id': ['M 31', '12'], 'ra': [1.0, 2.0], 'dec': [1.0, 2.0]}).write(
                tmp_path / name, format='votable' if name.endswith('vot') else 'fits'
            )
            assert [target.id for target in load(name).targets] == ['M 31', 12]

    def test_none(self, tmp_path, load):
        made = table()
        made.remove_column('ID')
        made.write(tmp_path / 'sources.fits')
        found = load('sources.fits')
        assert [target.id for target in found.targets] == [1, 2]
        assert found.warnings == ('sources.fits: no column with IDs; rows are numbered from 1',)
        assert 'lines are numbered' in load('sources.txt', 'RA DEC\n1 2\n').warnings[0]

    @pytest.mark.parametrize('other', ['m 31', 'M_31', 'M\N{NO-BREAK SPACE}31', 'Ḿ 31'])
    def test_names_of_one_file_are_a_fault(self, load, other):
        with pytest.raises(InputError, match=r'^sources\.csv, line 3: .*same file as M 31 in line 2|is in line 2 too'):
            load('sources.csv', f'name,ra,dec\nM 31,150,2\n{other},1,1\n')

    @pytest.mark.parametrize('cell', ['', 'nan', '-', '9.5', '-9', '1e3', 'x' * 69, 'a\x07b', '..'])
    def test_what_is_none(self, load, cell):
        with pytest.raises(InputError, match=r'^sources\.csv, line 2: .*ID'):
            load('sources.csv', f'name,ra,dec\n{cell},150,2\n')

    def test_without_a_header_only_numbers(self, load):
        # M 31 150 2 would be at right ascension 31.
        with pytest.raises(InputError, match="ID 'M' is not a whole number"):
            load('sources.txt', 'M 31 150 2\n')

    def test_a_blank_in_a_name_is_told_by_the_number_of_columns(self, load):
        with pytest.raises(InputError, match='4 columns, 3 in the header'):
            load('sources.txt', 'NAME RA DEC\nM 31 150 2\n')
        with pytest.raises(InputError, match='4 columns, 3 in the header'):
            load('sources.txt', 'ID RA DEC\nM 31 150 2\n')

    def test_masked(self, tmp_path, load):
        made = table()
        made['ID'] = MaskedColumn([3, 8], mask=[False, True])
        made.write(tmp_path / 'sources.vot', format='votable')
        with pytest.raises(InputError, match=r'^sources\.vot, row 2: no ID'):
            load('sources.vot')
        found = load('sources.vot', skip_bad_rows=True)
        assert [target.id for target in found.targets] == [3]
        assert found.warnings == ('sources.vot, row 2: no ID; skipped',)


@pytest.mark.parametrize(
    ('name', 'content', 'fault'),
    [
        ('image.fits', 'image', 'FITS table without a table'),
        ('broken.fits', b'SIMPLE  = nonsense', 'cannot be read as FITS table'),
        ('broken.vot', b'<?xml version="1.0"?>\n<VOTABLE><RESOURCE></VOTABLE>', 'cannot be read as VOTable'),
        ('broken.ecsv', b'# %ECSV 1.0\n# ---\n# nothing\nID RA\n', 'cannot be read as ECSV'),
        ('broken.gz', b'\x1f\x8b\x08\0', 'cannot be unpacked'),
        ('empty.fits', 'empty', 'no sources; the table has no rows'),
        ('nowhere.fits', 'nowhere', 'no columns with positions among id, mag; expected RA and DEC'),
    ],
)
def test_files_that_cannot_be_used(tmp_path, load, name, content, fault):
    if content == 'image':
        fits.PrimaryHDU(np.zeros((3, 4))).writeto(tmp_path / name)
    elif content == 'empty':
        table()[:0].write(tmp_path / name)
    elif content == 'nowhere':
        Table({'ID': [1], 'MAG': [2.0]}).write(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load(name)
    assert str(caught.value).startswith(f'{name}: {fault}')
    assert len(str(caught.value).splitlines()) == 1


def test_the_table_with_positions_among_several(tmp_path, load):
    other = fits.table_to_hdu(Table({'ID': [1], 'VALUE': [2.0]}))
    fits.HDUList([fits.PrimaryHDU(), other, fits.table_to_hdu(table())]).writeto(tmp_path / 'sources.fits')
    assert summary(load('sources.fits')) == BOTH


def test_coordinates_in_six_columns_of_a_cds_table(load):
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
    found = load('table.dat', text)
    np.testing.assert_allclose([place for _, *place in summary(found)], PLACES, rtol=0, atol=1e-12)


def test_thousands_of_rows_of_a_table(tmp_path, load):
    count = 20_000
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, count), rng.uniform(-90, 90, count)
    Table({'ID': np.arange(count), 'ra': ra, 'dec': dec}).write(tmp_path / 'sources.fits')
    found = load('sources.fits')
    np.testing.assert_array_equal([target.ra for target in found.targets], ra)
    np.testing.assert_array_equal([target.dec for target in found.targets], dec)


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

    found = catalogue.load(detected / f'{kind}.cat', 'param', SIZE, REF)
    assert 'SExtractor (' in found.description
    places = sorted((target.ra, target.dec) for target in found.targets)
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
        found = catalogue.load(tmp_path / name, 'param', SIZE, REF)
        assert all(63.35 < target.ra < 63.36 and 10.46 < target.dec < 10.47 for target in found.targets)


def test_each_name_stands_once_and_in_small_letters():
    for some in (columns.IDENTS, columns.SKY, columns.PIXELS_FROM_1, columns.PIXELS_FROM_0, columns.REDSHIFTS):
        assert len(set(some)) == len(some)
        assert repr(some) == repr(some).lower()


@pytest.mark.parametrize('pair', columns.SKY)
def test_every_name_of_a_position(load, pair):
    found = load('sources.csv', f'NUMBER,{pair.upper().replace(" ", ",")}\n3,{RA / 100},{DEC / 100}\n')
    radians = pair.startswith('coord_')
    scale = np.degrees(1) if radians else 1
    assert (found.targets[0].ra, found.targets[0].dec) == pytest.approx((scale * RA / 100, scale * DEC / 100))


@pytest.mark.parametrize('row', ['130, 0.125 0.5', '130,0.125 0.5 7.5'])
def test_a_stray_comma_makes_no_text_of_a_number(load, row):
    with pytest.raises(InputError, match=r'sources.txt, line 3: ID .130,'):
        load('sources.txt', f'ID RA DEC\n12 10.5 2.5\n{row}\n')
