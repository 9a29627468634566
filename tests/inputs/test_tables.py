"""Catalogues that astropy reads, written as astropy and other programs write them."""

from __future__ import annotations

import gzip
import os
import re
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
    made = QTable(
        {'label': [3, 8], 'xcentroid': [1.5, 2.5], 'ycentroid': [3.5, 4.5], 'sky_centroid': sky}
    )
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


class TestSeveralTables:
    def written(self, tmp_path, *tables, names=()):
        hdus = [fits.table_to_hdu(one) for one in tables]
        for hdu, name in zip(hdus, names, strict=False):
            hdu.name = name
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / 'sources.fits')
        return load(tmp_path / 'sources.fits')

    def test_the_one_with_positions(self, tmp_path):
        loaded = self.written(
            tmp_path, Table({'ID': [1], 'VALUE': [2.0]}), table(), names=('INFO', 'STARS')
        )
        assert (sources(loaded), loaded.warnings) == (BOTH, ())
        assert 'FITS table STARS: ' in loaded.description

    def test_the_one_with_ids_among_those_with_positions(self, tmp_path):
        corners = Table({'RA': [1.0, 2.0], 'DEC': [3.0, 4.0]})
        loaded = self.written(tmp_path, corners, table(), names=('CORNERS', 'STARS'))
        assert sources(loaded) == BOTH
        assert 'FITS table STARS: ' in loaded.description
        assert all(fact in loaded.warnings[0] for fact in ('STARS', '1'))

    def test_the_first_of_equals(self, tmp_path):
        loaded = self.written(tmp_path, table(), Table({'ID': [1], 'RA': [1.0], 'DEC': [2.0]}))
        assert sources(loaded) == BOTH
        assert 'number 1' in loaded.description
        assert len(loaded.warnings) == 1

    def test_of_a_votable(self, tmp_path):
        from astropy.io.votable import from_table, writeto

        votable = from_table(Table({'VALUE': [2.0]}))
        other = from_table(table()).resources[0]
        other.tables[0].name = 'stars'
        votable.resources.append(other)
        writeto(votable, str(tmp_path / 'sources.vot'))
        loaded = load(tmp_path / 'sources.vot')
        assert sources(loaded) == BOTH
        assert 'VOTable stars: ' in loaded.description


MARK = b'\xef\xbb\xbf'


class TestBeginningOfTheFile:
    """A byte-order mark, empty lines and comments above what tells the format lose no unit."""

    @pytest.mark.parametrize(
        'start', [b'', MARK, b'\n', MARK + b'\r\n\n', b'# mine\n', MARK + b'# mine\n#\n']
    )
    def test_of_ecsv(self, tmp_path, start):
        made = table(size=[0.1, 0.2])
        made['ra'], made['size'].unit = made['ra'] / 15 * u.hourangle, 'arcmin'
        made.write(tmp_path / 'sources.ecsv')
        path = tmp_path / 'sources.ecsv'
        loaded = load(path, start + path.read_bytes(), 'cat')
        np.testing.assert_allclose(
            [place for _, *place in sources(loaded)], PLACES, rtol=0, atol=1e-12
        )
        assert [target.size for target in loaded.targets] == [6.0, 12.0]

    @pytest.mark.parametrize('form', ['ascii.ipac', 'ascii.latex', 'ascii.mrt', 'votable'])
    @pytest.mark.parametrize('start', [MARK, b'\n', MARK + b'\r\n\n'])
    def test_of_other_formats(self, tmp_path, form, start):
        made = table()
        made['ra'], made['dec'].unit = made['ra'] / 15 * u.Unit('h'), 'deg'
        made.write(tmp_path / 'sources', format=form)
        loaded = load(tmp_path / 'sources', start + (tmp_path / 'sources').read_bytes())
        np.testing.assert_allclose(
            [place for _, *place in sources(loaded)], PLACES, rtol=0, atol=2e-6
        )
        assert [ident for ident, _, _ in sources(loaded)] == [3, 8]

    @pytest.mark.parametrize('prefix', ['', 'vot:'])
    @pytest.mark.parametrize('comment', ['', f'<!-- {"long " * 2000}-->'])
    def test_of_a_votable(self, tmp_path, prefix, comment):
        loaded = load(tmp_path / 'sources.xml', votable('', '', prefix, comment))
        assert sources(loaded) == [(7, 150.1, 2.2)]


def votable(systems, reference, prefix='', comment=''):
    """A VOTable with one source, coordinate systems, and the one that RA and DEC refer to."""
    fields = ''.join(
        f'<FIELD name="{name}" datatype="{kind}"{reference if name != "ID" else ""}/>'
        for name, kind in (('ID', 'int'), ('RA', 'double'), ('DEC', 'double'))
    )
    data = '<DATA><TABLEDATA><TR><TD>7</TD><TD>150.1</TD><TD>2.2</TD></TR></TABLEDATA></DATA>'
    text = f'<VOTABLE version="1.4" xmlns="X"><RESOURCE>{systems}<TABLE>{fields}{data}</TABLE></RESOURCE></VOTABLE>'
    if prefix:
        text = re.sub(r'<(/?)(?=[A-Z])', rf'<\1{prefix}', text).replace('xmlns=', 'xmlns:vot=')
    return f'<?xml version="1.0"?>\n{comment}{text.replace("X", "http://www.ivoa.net/xml/VOTable/v1.3", 1)}'


class TestCoordinateSystemsOfVotables:
    FK4 = '<COOSYS ID="old" system="eq_FK4" equinox="B1950"/>'
    FK5 = '<COOSYS ID="new" system="eq_FK5" equinox="J2000"/>'
    GALACTIC = '<COOSYS ID="other" system="galactic"/>'

    @pytest.mark.parametrize(
        ('systems', 'reference'),
        [
            (FK4, ' ref="old"'),
            (FK4, ''),
            (FK4 + FK5, ' ref="old"'),
            (FK4.replace('eq_', ''), ' ref="old"'),
        ],
    )
    def test_fk4_is_converted(self, tmp_path, systems, reference):
        loaded = load(tmp_path / 'sources.vot', votable(systems, reference))
        truth = SkyCoord(150.1, 2.2, unit='deg', frame='fk4').icrs
        assert sources(loaded) == [
            (7, pytest.approx(truth.ra.deg, abs=1e-9), pytest.approx(truth.dec.deg, abs=1e-9))
        ]
        assert 'FK4' in loaded.warnings[0]

    @pytest.mark.parametrize(
        ('systems', 'reference'),
        [(FK5, ' ref="new"'), (FK4 + FK5, ' ref="new"'), (GALACTIC, ''), (FK4 + FK5, '')],
    )
    def test_others_are_icrs(self, tmp_path, systems, reference):
        loaded = load(tmp_path / 'sources.vot', votable(systems, reference))
        assert (sources(loaded), loaded.warnings) == ([(7, 150.1, 2.2)], ())

    def test_of_a_group_of_columns(self, tmp_path):
        """VizieR refers to the system in a GROUP."""
        group = '<GROUP ref="old"><FIELDref ref="a"/></GROUP>'
        text = votable(self.FK4 + self.FK5, '').replace(
            '<FIELD name="RA"', f'{group}<FIELD ID="a" name="RA"'
        )
        assert 'FK4' in load(tmp_path / 'sources.vot', text).warnings[0]

    @pytest.mark.parametrize('kind', ['PARAM', 'INFO'])
    def test_of_a_parameter(self, tmp_path, kind):
        value = f'<{kind} name="RADESYS" value="FK4" datatype="char" arraysize="*"/>'
        if kind == 'INFO':
            value = '<INFO name="RADESYS" value="FK4"/>'
        assert 'FK4' in load(tmp_path / 'sources.vot', votable(value, '')).warnings[0]

    def test_right_ascension_in_galactic_coordinates_is_a_fault(self, tmp_path):
        assert (
            'galactic'
            in faults(tmp_path / 'sources.vot', votable(self.GALACTIC, ' ref="other"'))[0]
        )


LATEX = r"""\begin{table}
\begin{tabular}{ccc}
ID & RA & DEC \\
UNITS3 & 10.0 & 2.0 \\
8 & 10.1 & -2.0 \\
\end{tabular}
\end{table}
"""


class TestLatex:
    @pytest.mark.parametrize(
        'units',
        [
            r' & $\mathrm{h}$ & $\mathrm{{}^{\circ}}$',
            ' & (h) & (deg)',
            r'\# & [h] & $\deg$',
            '- & hours & ',
            'mag$^{-2}$ & {\\rm h} & deg',
        ],
    )
    def test_units_in_the_first_row_count(self, tmp_path, units):
        loaded = load(tmp_path / 'table.tex', LATEX.replace('UNITS', f'{units} \\\\\n'))
        assert sources(loaded) == [(3, 150.0, 2.0), (8, pytest.approx(151.5), -2.0)]

    @pytest.mark.parametrize('unit', ['', 'h', 'deg'])
    def test_what_astropy_writes_with_units(self, tmp_path, unit):
        made = table(size=[2.0, 3.0], aper=[2.0, 3.0])
        made['size'].unit = 'arcmin'
        if unit:
            made['ra'] = (made['ra'] * u.deg).to_value({'h': u.hourangle, 'deg': u.deg}[unit])
            made['ra'].unit = unit
        made.write(tmp_path / 'table.tex', format='ascii.latex')
        loaded = load(tmp_path / 'table.tex', mode='cat')
        np.testing.assert_allclose(
            [place for _, *place in sources(loaded)], PLACES, rtol=0, atol=1e-12
        )
        assert [(target.size, target.aper) for target in loaded.targets] == [
            (120.0, 2.0),
            (180.0, 3.0),
        ]

    def test_a_system_in_the_first_row_counts(self, tmp_path):
        loaded = load(tmp_path / 'table.tex', LATEX.replace('UNITS', ' & (B1950) & (B1950) \\\\\n'))
        assert sources(loaded)[0][1:] != (10.0, 2.0)
        assert 'FK4' in loaded.warnings[0]

    @pytest.mark.parametrize('row', ['a & ... & ...', 'M & -- & --', 'x & y & z'])
    def test_no_row_of_sources_is_taken_for_units(self, tmp_path, row):
        fault = faults(tmp_path / 'table.tex', LATEX.replace('UNITS', f'{row} \\\\\n'))[0]
        assert 'line 4' in fault

    def test_a_table_without_units(self, tmp_path):
        assert sources(load(tmp_path / 'table.tex', LATEX.replace('UNITS', ''))) == [
            (3, 10.0, 2.0),
            (8, 10.1, -2.0),
        ]

    @pytest.mark.parametrize(
        'text',
        [
            r"""% TOPCAT
\begin{tabular}{|r|p{2cm}|r|}
\hline
  \multicolumn{1}{|c|}{ID} &
  \multicolumn{1}{c|}{RA} &
  \multicolumn{1}{c|}{DEC} \\
\hline
  3 & 150.0 & 2.0\\
  8 & 150.001 & $-$2.0015\\
\hline\end{tabular}
""",
            r"""\begin{deluxetable*}{crr}
\tablecaption{Sources}
\tablehead{\colhead{ID} & \colhead{RA} & \colhead{DEC} \\ \colhead{} & \colhead{(h)} & \colhead{(deg)}}
\startdata
3 & 10.0 & 2.0 \\
8 & 10.0000666666666667 & -2.0015
\enddata
\tablecomments{None.}
\end{deluxetable*}
""",
            r"""\begin{longtable}{l@{}rr}
\caption{Sources}\\
\toprule
\textbf{ID} & $\alpha_{J2000}$ & $\delta_{J2000}$ \\
 & J2000 & J2000 \\
 & (h m s) & ($^\circ$) \\
(1) & (2) & (3) \\[2pt]
\midrule
\multicolumn{3}{c}{Cluster A} \\
3 & $10^h00^m00.0^s$ & ~2.0 \\ % the first
% 4 & 10:00:01 & 1 \\
8 & 10 00 00.24 & $-$2.0015 \\
\end{longtable}
""",
            r'\documentclass{a}\begin{tabular*}{9cm}{lrr}'
            r'ID & RA (h) & DEC ($^{\circ}$) \\ 3 & 10.0 & 2.0 \\ 8 & 10.0000666666666667 & -2.0015'
            r'\end{tabular*}',
        ],
        ids=('topcat', 'deluxetable', 'longtable', 'title'),
    )
    def test_other_tables(self, tmp_path, text):
        assert sources(load(tmp_path / 'table.tex', text)) == [
            pytest.approx(source) for source in BOTH
        ]

    def test_a_row_of_another_length_is_a_fault(self, tmp_path):
        fault = faults(tmp_path / 'table.tex', LATEX.replace('UNITS', 'a & 1 \\\\\n'))[0]
        assert all(fact in fault for fact in ('line 4', '2 columns', '3'))

    def test_no_table(self, tmp_path):
        assert (
            'tabular'
            in faults(tmp_path / 'table.tex', '\\begin{table}\nID & RA & DEC\n\\end{table}\n')[0]
        )


class TestArraysInCells:
    """IDL writes a structure of arrays as one row, and an array of structures with columns of shape
    (n, 1)."""

    @pytest.mark.parametrize('shape', [(1, 2), (2, 1)])
    @pytest.mark.parametrize('form', ['fits', 'votable'])
    def test_are_rows(self, tmp_path, shape, form):
        made = table()
        wide = Table({name: np.reshape(made[name], shape) for name in made.colnames})
        wide['ra'].unit = 'deg'
        if shape == (1, 2):
            wide['FIELD'], wide['MAGS'] = ['x'], [[1.0, 2.0, 3.0]]
        wide.write(tmp_path / 'sources', format=form)
        loaded = load(tmp_path / 'sources')
        assert sources(loaded) == BOTH
        assert 'ra [deg]' in loaded.description

    def test_beside_one_source_are_not_read(self, tmp_path):
        made = table()[:1]
        made['x_image'] = made['y_image'] = [[1.0, 2.0, 3.0]]
        made.write(tmp_path / 'sources.fits')
        assert sources(load(tmp_path / 'sources.fits')) == BOTH[:1]


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
    assert loaded.warnings == ()
    loaded = load(
        tmp_path / 'table.dat',
        text.replace('RAh     Hour', 'RAh     Hour of Right Ascension (B1950)'),
    )
    truth = SkyCoord(PLACES, unit='deg', frame='fk4').icrs
    np.testing.assert_allclose(
        [ra for _, ra, _ in sources(loaded)], truth.ra.deg, rtol=0, atol=1e-9
    )


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
    (folder / 'x.param').write_text(
        'NUMBER\nX_IMAGE\nY_IMAGE\nFLUX_APER(2)\nALPHA_J2000\nDELTA_J2000\nFLAGS\n'
    )
    for kind in ('ASCII_HEAD', 'FITS_1.0', 'FITS_LDAC', 'ASCII_VOTABLE'):
        options = [
            '-CATALOG_TYPE',
            kind,
            '-CATALOG_NAME',
            f'{kind}.cat',
            '-PARAMETERS_NAME',
            'x.param',
            '-FILTER',
            'N',
        ]
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


@pytest.mark.long
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
    lines, objects = (
        catalogue.load(tmp_path / name, 'param', SIZE, REF) for name in ('lines.fit', 'objects.fit')
    )
    assert 'MUSELET (FITS table): ID = ID_OBJ' in lines.description
    assert len(objects.targets) > 0
    assert {target.id for target in lines.targets} <= {target.id for target in objects.targets}
    written = Table.read('objects.fit')
    np.testing.assert_allclose(
        [target.ra for target in objects.targets], written['RA'], rtol=0, atol=1e-9
    )
    for name in ('cat_raw.fit', 'cat_lines.fit', 'cat_objects.fit', 'cat_bgr.dat', 'cat_white.dat'):
        loaded = catalogue.load(tmp_path / name, 'param', SIZE, REF)
        assert all(
            63.35 < target.ra < 63.36 and 10.46 < target.dec < 10.47 for target in loaded.targets
        )
