"""Cells and rows of catalogues: every way of writing a cell, and every fault with its line."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import Angle
from astropy.table import MaskedColumn, Table
from catalogues import faults, load, sources, table

from autospec_lib.inputs import catalogue_rows
from autospec_lib.inputs.catalogue_columns import Columns


class TestSexagesimal:
    @pytest.mark.parametrize(
        'form', ['{}h{:02}m{:06.3f}s', '{:02}:{:02}:{:06.3f}', '{}H{}M{}S', '{}h{}m{}']
    )
    @pytest.mark.parametrize('value', [(0, 0, 0.0), (4, 13, 25.2), (23, 59, 59.999)])
    def test_right_ascension_is_that_of_astropy(self, form, value):
        text = form.format(*value)
        truth = Angle(text.lower(), 'hourangle').degree
        assert catalogue_rows.degrees('RA', text) == pytest.approx(truth, rel=1e-14, abs=0)

    @pytest.mark.parametrize('form', ['{}d{:02}m{:06.3f}s', '{:02}:{:02}:{:06.3f}', '{}D{}M{}S'])
    @pytest.mark.parametrize('sign', ['', '+', '-'])
    @pytest.mark.parametrize('value', [(0, 30, 0.0), (10, 27, 55.9), (89, 59, 59.999)])
    def test_declination_is_that_of_astropy(self, form, sign, value):
        text = sign + form.format(*value)
        assert catalogue_rows.degrees('DEC', text) == pytest.approx(
            Angle(text.lower(), 'degree').degree, rel=1e-14, abs=0
        )

    @pytest.mark.parametrize(
        ('ra', 'dec'),
        [
            ('10h00m24s', '-00d30m00s'),
            ('10h 00m 24s', '-00d 30m 00s'),
            ('10h 0m 24.0s', '- 0d 30m 0.0s'),
            ('10 00 24', '- 00 30 00'),
            ('10H 00M 24S', '-00D 30M 00S'),
        ],
    )
    def test_blanks_between_the_parts(self, tmp_path, ra, dec):
        expected = [(7, pytest.approx(150.1), pytest.approx(-0.5))]
        assert sources(load(tmp_path / 'sources.csv', f'ID,RA,DEC\n7,{ra},{dec}\n')) == expected
        if ra.endswith(('s', 'S')) and not dec.startswith('- '):
            assert sources(load(tmp_path / 'sources.txt', f'ID RA DEC\n7 {ra} {dec}\n')) == expected

    @pytest.mark.parametrize(
        'text', ['7 04:13:25.2 +10:27:55.9', '7,04h13m25.2s,10d27m55.9s', '7 63.355 10:27:55.9']
    )
    def test_coordinates_of_a_row(self, tmp_path, text):
        assert sources(load(tmp_path / 'catalog.txt', text)) == [
            (7, pytest.approx(63.355), pytest.approx(10.46552778))
        ]

    @pytest.mark.parametrize(
        ('ra', 'dec', 'facts'),
        [
            ('25:00:00', '1', ['right ascension 25:00:00', '0 to 360']),
            ('24:00:00', '1', ['right ascension 24:00:00', '0 to 360']),
            ('-04:13:25', '1', ['right ascension -04:13:25', '0 to 360']),
            ('10:61:00', '1', ['right ascension 10:61:00', 'minutes']),
            ('10:10:60', '1', ['right ascension 10:10:60', 'seconds']),
            ('10:10', '1', ["right ascension '10:10'", 'hh:mm:ss.s', '00h00m00.0s']),
            ('10d10m10s', '1', ["right ascension '10d10m10s'", 'hh:mm:ss.s']),
            ('10h10m10', '10h10m10s', ["declination '10h10m10s'", 'dd:mm:ss.s', '00d00m00.0s']),
            ('10:10:10s', '1', ["right ascension '10:10:10s'"]),
            ('10h10:10', '1', ["right ascension '10h10:10'"]),
            ('1', '90:00:01', ['declination 90:00:01', '-90 to 90']),
            ('1', '-10:60:00', ['declination -10:60:00', 'minutes']),
        ],
    )
    def test_faults_name_the_coordinate(self, tmp_path, ra, dec, facts):
        (fault,) = faults(tmp_path / 'catalog.txt', f'7 {ra} {dec}')
        assert fault.startswith('catalog.txt, line 1: ')
        assert all(fact in fault for fact in facts)


class TestNumbers:
    """Cells of tables are numbers already."""

    def test_numbers_are_read_as_they_are(self):
        columns = Columns({}, scale={'RA': 15.0, 'SIZE': 60.0}, first=1)
        cells = {'RA': 10.5, 'DEC': -2, 'X': 3, 'SIZE': 0.5, 'Z': 0.5, 'BRIGHT': 3}
        assert {
            role: catalogue_rows.value(role, cell, columns) for role, cell in cells.items()
        } == {
            'RA': 157.5,
            'DEC': -2.0,
            'X': 2.0,
            'SIZE': 30.0,
            'Z': 0.5,
            'BRIGHT': 3.0,
        }
        assert catalogue_rows.degrees('RA', 150.1) == 150.1
        assert [catalogue_rows.value('REF', cell, columns) for cell in (2.0, 2)] == ['2.0', '2']

    @pytest.mark.parametrize(
        ('cell', 'ident'), [(7, 7), (7.0, 7), (2**63 - 1, 2**63 - 1), (0.0, 0)]
    )
    def test_whole_numbers_are_ids(self, cell, ident):
        assert catalogue_rows.identifier(cell) == ident

    @pytest.mark.parametrize('cell', [2.0**53, 1.5, -3, float('inf')])
    def test_other_numbers_are_text_and_need_a_header(self, cell):
        assert catalogue_rows.identifier(cell) == str(cell)
        with pytest.raises(ValueError, match='header'):
            catalogue_rows.identifier(cell, names=False)

    def test_nan_is_no_id(self):
        with pytest.raises(ValueError, match='no ID'):
            catalogue_rows.identifier(float('nan'))

    @pytest.mark.parametrize('role', ['SIZE', 'APER', 'Z'])
    def test_nan_is_an_empty_cell(self, role):
        assert catalogue_rows.value(role, float('nan'), Columns({})) is None

    @pytest.mark.parametrize('role', ['RA', 'DEC', 'X'])
    def test_coordinates_are_finite(self, role):
        with pytest.raises(ValueError, match='finite'):
            catalogue_rows.value(role, float('inf'), Columns({}))


@pytest.mark.parametrize(
    ('row', 'facts'),
    [
        ('9 1.5 abc', ["declination 'abc'", 'degrees', 'dd:mm:ss.s', '00d00m00.0s']),
        ('9 x 1', ["right ascension 'x'", 'degrees', 'hh:mm:ss.s', '00h00m00.0s']),
        ('9 360 1', ['right ascension 360', '0 to 360']),
        ('9 -0.1 1', ['right ascension -0.1', '0 to 360']),
        ('9 1 90.1', ['declination 90.1', '-90 to 90']),
        ('9 1 -91', ['declination -91', '-90 to 90']),
        ('9 nan 1', ['right ascension nan', 'finite']),
        ('9 1 inf', ['declination inf', 'finite']),
        ('9 1_0 1', ["right ascension '1_0'"]),
        ('9 1\N{MINUS SIGN}0 1', ["right ascension '1\N{MINUS SIGN}0'"]),
        ('9', ['1 of 3 columns', 'ID RA DEC']),
        ('9;1;2', ['1 of 3 columns']),
        ('9 1', ['2 of 3 columns']),
        ('-9 1 1', ['ID -9', '0 to 2^63 - 1']),
        ('9223372036854775808 1 1', ['ID 9223372036854775808', '0 to 2^63 - 1']),
        ('9.5 1 1', ["ID '9.5'", 'whole number']),
        ('nan 1 1', ["ID 'nan'", 'whole number']),
        ('1_2 1 1', ["ID '1_2'", 'whole number']),
        ('x9 1 1', ["ID 'x9'", 'whole number']),
        ('7 1 1', ['ID 7', 'line 2']),
    ],
)
def test_fault_of_a_row(tmp_path, row, facts):
    (fault,) = faults(tmp_path / 'catalog.txt', f'# comment\n7 10.25 -2.5\n\n{row}\n')
    assert fault.startswith('catalog.txt, line 4: ')
    assert all(fact in fault for fact in facts)


@pytest.mark.parametrize(
    ('row', 'facts'),
    [
        ('9 1 1 0 g', ['size 0 ', 'above 0']),
        ('9 1 1 -2', ['size -2 ', 'above 0']),
        ('9 1 1 inf', ['size inf', 'finite']),
        ('9 1 1 g-band', ["size 'g-band'", 'arcsec', '- for the SIZE of param.py']),
        ('9\t1\t1\t\t2.0', ['tabs', '- for an empty SIZE']),
        (b'9 1 1 5 b\xe4nd', [r"reference 'b\udce4nd'", 'UTF-8']),
    ],
)
def test_fault_of_a_row_in_mode_cat(tmp_path, row, facts):
    text = b'7 10.25 -2.5\n' + (row if isinstance(row, bytes) else row.encode())
    (fault,) = faults(tmp_path / 'catalog.txt', text, 'cat')
    assert fault.startswith('catalog.txt, line 2: ')
    assert all(fact in fault for fact in facts)


def test_ends_of_the_ranges(tmp_path):
    loaded = load(tmp_path / 'catalog.txt', f'0 0 -90\n{2**63 - 1} 359.999999 90')
    assert sources(loaded) == [(0, 0.0, -90.0), (2**63 - 1, 359.999999, 90.0)]


class TestIdentifiers:
    def test_text(self, tmp_path):
        loaded = load(
            tmp_path / 'sources.csv',
            'name,ra,dec\nM 31,150,2\n007,150.001,-2.0015\nNGC 7 (a),1,1\n',
        )
        assert [target.id for target in loaded.targets] == ['M 31', 7, 'NGC 7 (a)']

    @pytest.mark.parametrize('kind', ['f4', 'f8'])
    def test_decimal_numbers_of_a_table(self, tmp_path, kind):
        made = table()
        made['ID'] = np.array([1.1, 12], kind)
        made.write(tmp_path / 'sources.fits')
        assert [target.id for target in load(tmp_path / 'sources.fits').targets] == ['1.1', 12]

    @pytest.mark.parametrize(
        ('name', 'form'), [('sources.fits', 'fits'), ('sources.vot', 'votable')]
    )
    def test_text_of_a_table(self, tmp_path, name, form):
        Table({'main_id': ['M 31', '12'], 'ra': [1.0, 2.0], 'dec': [1.0, 2.0]}).write(
            tmp_path / name, format=form
        )
        assert [target.id for target in load(tmp_path / name).targets] == ['M 31', 12]

    def test_rows_without_ids_are_numbered(self, tmp_path):
        made = table()
        made.remove_column('ID')
        made.write(tmp_path / 'sources.fits')
        loaded = load(tmp_path / 'sources.fits')
        assert [target.id for target in loaded.targets] == [1, 2]
        (warning,) = loaded.warnings
        assert warning.startswith('sources.fits: ')
        assert 'rows are numbered from 1' in warning
        assert 'lines are numbered' in load(tmp_path / 'sources.txt', 'RA DEC\n1 2\n').warnings[0]

    @pytest.mark.parametrize('other', ['m 31', 'M_31', 'M\N{NO-BREAK SPACE}31', 'Ḿ 31'])
    def test_names_of_one_file_are_a_fault(self, tmp_path, other):
        (fault,) = faults(tmp_path / 'sources.csv', f'name,ra,dec\nM 31,150,2\n{other},1,1\n')
        assert fault.startswith('sources.csv, line 3: ')
        assert 'line 2' in fault

    def test_a_name_of_the_file_of_a_number_is_a_fault(self, tmp_path):
        (fault,) = faults(
            tmp_path / 'sources.csv', 'name,ra,dec\n7,150,2\n\N{FULLWIDTH DIGIT SEVEN} ,1,1\n'
        )
        assert fault.startswith('sources.csv, line 3: ')

    @pytest.mark.parametrize(
        'text',
        [
            '12_3',
            '1_000',
            '3e8',
            '12E5',
            'inf',
            '1a2',
            '-583764541261234567',
            '1.1',
            '1.10',
            '1e+06',
            '0x1F',
            '+',
        ],
    )
    def test_other_than_whole_numbers_are_text(self, tmp_path, text):
        loaded = load(tmp_path / 'sources.csv', f'ID,RA,DEC\n{text},150,2\n{2**63},1,1\n')
        assert [target.id for target in loaded.targets] == [text, str(2**63)]

    @pytest.mark.parametrize(
        ('text', 'ident'),
        [
            ('1.000000000000000000e+00', 1),
            ('5.837645412612345670e+17', 583764541261234567),
            ('1.2000e+01', 12),
            ('1.2e+01', 12),
            ('1.23457e+06', '1.23457e+06'),
            ('1.5e+00', '1.5e+00'),
        ],
    )
    def test_numbers_of_numpys_savetxt(self, tmp_path, text, ident):
        (target,) = load(tmp_path / 'sources.csv', f'ID,RA,DEC\n{text},1.5e+02,2.0e+00\n').targets
        assert target.id == ident
        if isinstance(ident, int):
            (target,) = load(
                tmp_path / 'sources.txt', f'{text} 1.500000e+02 2.000000e+00\n'
            ).targets
            assert (target.id, target.ra, target.dec) == (ident, 150.0, 2.0)

    @pytest.mark.parametrize('cell', ['', 'nan', '-', 'x' * 69, 'a\x07b', '..'])
    def test_what_is_no_id(self, tmp_path, cell):
        (fault,) = faults(tmp_path / 'sources.csv', f'name,ra,dec\n{cell},150,2\n')
        assert fault.startswith('sources.csv, line 2: ')
        assert 'ID' in fault

    def test_only_numbers_without_a_header(self, tmp_path):
        # M 31 150 2 would be at right ascension 31.
        assert "ID 'M'" in faults(tmp_path / 'sources.txt', 'M 31 150 2\n')[0]

    def test_masked_ids(self, tmp_path):
        made = table()
        made['ID'] = MaskedColumn([3, 8], mask=[False, True])
        made.write(tmp_path / 'sources.vot', format='votable')
        (fault,) = faults(tmp_path / 'sources.vot')
        assert fault.startswith('sources.vot, row 2: ')
        assert 'no ID' in fault
        loaded = load(tmp_path / 'sources.vot', skip_bad_rows=True)
        assert [target.id for target in loaded.targets] == [3]
        assert 'row 2' in loaded.warnings[0]

    @pytest.mark.parametrize('text', [',', '"', ';', '.', 'M31,', ';M31', 'M31|'])
    def test_a_separator_is_no_part_of_a_name(self, tmp_path, text):
        assert (
            'ID'
            in faults(tmp_path / 'sources.txt', f'ID RA DEC\n12 10.5 2.5\n{text} 0.125 0.5\n')[0]
        )

    @pytest.mark.parametrize(
        'row', ['130, 0.125 0.5', '130,0.125 0.5 7.5', '130 0.125,0.5,7.5', '130 -,0.125,0.5']
    )
    def test_a_stray_separator_makes_no_text_of_a_number(self, tmp_path, row):
        text = 'ID RA DEC\n12 10.5 2.5\n'.replace(' ', ',' if row[3] == ' ' else ' ')
        (fault,) = faults(tmp_path / 'sources.txt', f'{text}{row}\n')
        assert 'line 3: ' in fault
        assert "'130" in fault


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


class TestCataloguesOfLines:
    def test_the_brightest_row_of_a_source_of_lsdcat_counts(self, tmp_path):
        loaded = load(tmp_path / 'sources.cat', LSDCAT)
        assert sources(loaded) == [(5, 150.0, 2.0), (9, 150.001, -2.0015)]
        assert 'LSDCat (text): ID, RA = RA_PEAK_SN [deg]' in loaded.description
        (warning,) = loaded.warnings
        assert all(fact in warning for fact in ('4 rows', '2 IDs', 'DETSN_MAX'))

    @pytest.mark.parametrize(
        ('columns', 'program'),
        [
            (
                {
                    'lbda': [5e3, 6e3, 7e3],
                    'T_GLR': [1.0, 9.0, 3.0],
                    'flux': [1.0, 9.0, 2.0],
                    'num_line': [1, 2, 3],
                },
                'ORIGIN',
            ),
            (
                {
                    'ID_OBJ': [3, 3, 8],
                    'CUBE_V': ['', '', ''],
                    'FLUX': [1.0, 9.0, 2.0],
                    'LBDA_OBS': [5e3, 6e3, 7e3],
                },
                'MUSELET',
            ),
        ],
    )
    def test_the_brightest_row_of_a_source_of_a_table_counts(self, tmp_path, columns, program):
        """MUSELET's lines.fit numbers its lines in ID, and the objects in ID_OBJ."""
        idents = [1, 2, 3] if 'ID_OBJ' in columns else [3, 3, 8]
        made = Table(
            {'ID': idents, 'ra': [10.0, 150.0, 150.001], 'dec': [10.0, 2.0, -2.0015], **columns}
        )
        made.write(tmp_path / 'lines.fit', format='fits')
        loaded = load(tmp_path / 'lines.fit')
        assert sources(loaded) == [(3, 150.0, 2.0), (8, 150.001, -2.0015)]
        assert f'{program} (FITS table): ID' in loaded.description
        assert all(fact in loaded.warnings[0] for fact in ('3 rows', '2 IDs'))

    def test_the_size_in_pixels_is_that_of_the_brightest_row(self, tmp_path):
        text = 'ID,RA,DEC,SIZE (pix),FLUX,num_line\n3,1,1,20,5,1\n3,2,2,-,9,2\n'
        loaded = load(tmp_path / 'lines.csv', text, 'cat')
        assert (sources(loaded), loaded.pixels) == ([(3, 2.0, 2.0)], {})

    def test_a_repeated_id_in_another_table_is_a_fault_with_its_rows(self, tmp_path):
        made = table()
        made['ID'] = [3, 3]
        made.write(tmp_path / 'sources.fits')
        (fault,) = faults(tmp_path / 'sources.fits')
        assert fault.startswith('sources.fits, row 2: ID 3 ')
        assert 'row 1' in fault
