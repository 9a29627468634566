"""Catalogues in text: separators, headers, comments, and how programs write them."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from catalogues import BOTH, REF, SIZE, faults, load, sources

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target

TWO = [Target(7, 10.25, -2.5, SIZE, REF), Target(3, 359.5, 89.0, SIZE, REF)]
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
VIZIER = """\
#   VizieR Astronomical Server
#Coosys\tB1950:\teq_FK4\tB1950\tB1950\tB1950
#Coosys\tJ2000:\teq_FK5 J2000
#Column recno (I8) Record number
#
recno\t_RAJ2000\t_DEJ2000\tRAJ2000\tDEJ2000\tName
 \tdeg\tdeg\t"h:m:s"\t"d:m:s"\t
--------\t-----------\t-----------\t-----------\t-----------\t-----
       3\t150.0000000\t+02.0000000\t10 00 00.00\t+02 00 00.0\tM 31
       8\t150.0010000\t-02.0015000\t10 00 00.24\t-02 00 05.4\t
"""


@pytest.mark.parametrize(
    'text',
    [
        '7 10.25 -2.5\n3 359.5 89\n',
        '  7   10.25  -2.5  \n\t3\t359.5\t\t+89.0',
        '7,10.25,-2.5\n3,359.5,89\n',
        '7, 10.25 , -2.5,\n 3 ,359.5,89,\n,,,\n',
        '# ID RA DEC\n\n7 10.25 -2.5 # the first\n   # nothing\n3 359.5 89#the second',
        '7 10.25 -2.5 0.5 99 a-band\n3 359.5 89 further columns do not count',
        '7.0 1.025e1 -2.5\n+3. 359.5 89',
        "'7' \"10.25\" -2.5\n3 359.5 '89'",
        '"7","10.25",-2.5,"a, ""b"""\n3,359.5,89,',
        b'\xef\xbb\xbf7 10.25 -2.5\n3 359.5 89',
        '7 10.25 -2.5\r\n3 359.5 89\r\n',
        '7 10.25 -2.5\r3 359.5 89\r',
        b'# caf\xe9\n7 10.25 -2.5 # \xff\n3 359.5 89',
        '7\N{NO-BREAK SPACE}10.25 -2.5\n3 359.5 89',
        'id ra dec\n7 10.25 -2.5\n3 359.5 89',
        '% ID RA DEC\n7 10.25 -2.5\n3 359.5 89',
        'ID,RA,DEC\n7 10.25 -2.5\n3 359.5 89',
        'ID RA (deg) Dec [deg]\n7 10.25 -2.5\n3 359.5 89',
        '"Dec (deg)","ID","A, B","RA (deg)"\n-2.5, 7, "x, y", 10.25\n89,3,,359.5',
        'NAME DEC RA ID\n"M 31" -2.5 10.25 7\n- 89 359.5 3',
        "'ID' 'RA (deg)' \"DEC\" 'A B'\n7 10.25 -2.5 22\n3 359.5 89 22",
        'ID 814W RA DEC\n7 22.1 10.25 -2.5\n3 22.2 359.5 89',
        'ID RA DEC MAG\n7 10.25 -2.5 22.1\n3 359.5 89',
    ],
)
def test_forms_of_text(tmp_path, text):
    loaded = load(tmp_path / 'catalog.txt', text)
    assert (loaded.targets, loaded.warnings) == (TWO, ())


@pytest.mark.parametrize('header', ['nr long lat', '(no) (deg) (deg) id?', 'ID long lat'])
def test_other_headers_are_passed_over_with_a_warning(tmp_path, header):
    loaded = load(tmp_path / 'catalog.txt', f'# comment\n{header}\n7 10.25 -2.5\n3 359.5 89')
    assert loaded.targets == TWO
    (warning,) = loaded.warnings
    assert warning.startswith('catalog.txt, line 2: ')
    assert 'by position' in warning


class TestModeCat:
    @pytest.mark.parametrize('empty', ['-', '--', 'nan', 'NaN', 'None', "''", '""'])
    def test_empty_cells(self, tmp_path, empty):
        text = f'7 10.25 -2.5 {empty} r-band\n3 359.5 89 6 {empty}'
        targets = load(tmp_path / 'catalog.txt', text, 'cat').targets
        assert targets == [Target(7, 10.25, -2.5, SIZE, 'r-band'), Target(3, 359.5, 89.0, 6.0, '')]

    @pytest.mark.parametrize(
        ('text', 'cells'),
        [
            ('7 10.25 -2.5\n3 359.5 89 6\n4 1 1 6 2.0\n', [(SIZE, ''), (6.0, ''), (6.0, '2.0')]),
            ('7\t\t10.25\t\t-2.5', [(SIZE, '')]),
            (
                '7,10.25,-2.5,,r-band.fits\n3,359.5,89,6,\n4,1,1,,',
                [(SIZE, 'r-band.fits'), (6.0, ''), (SIZE, '')],
            ),
        ],
    )
    def test_missing_cells(self, tmp_path, text, cells):
        loaded = load(tmp_path / 'catalog.txt', text, 'cat')
        assert [(target.size, target.ref) for target in loaded.targets] == cells
        assert sources(loaded)[0] == (7, 10.25, -2.5)

    @pytest.mark.parametrize(
        ('text', 'size', 'ref'),
        [
            ('REF DEC RA ID SIZE\ng-band -2.5 10.25 7 6', 6.0, 'g-band'),
            ('ID RA DEC REF\n7 10.25 -2.5 g-band', SIZE, 'g-band'),
            ('ID RA DEC SIZE (arcsec)\n7 10.25 -2.5 6', 6.0, ''),
            ('ID RA DEC\n7 10.25 -2.5 6 g-band', SIZE, ''),
            ('ID RA DEC MAG SIZE\n7 10.25 -2.5 0.3 6', 6.0, ''),
            ('ID RA DEC SIZE REF\n7 10.25 -2.5', SIZE, ''),
            ("7 10.25 -2.5 6 'my image.fits'", 6.0, 'my image.fits'),
        ],
    )
    def test_order_of_columns(self, tmp_path, text, size, ref):
        assert load(tmp_path / 'catalog.txt', text, 'cat').targets == [
            Target(7, 10.25, -2.5, size, ref)
        ]


class TestRowsThatDoNotFit:
    @pytest.mark.parametrize(
        'text', ['7 04 13 25.2 +10 27 55.9', 'ID RA DEC\n7 04 13 25.2 -10 27 55']
    )
    def test_coordinates_split_by_blanks(self, tmp_path, text):
        fault = faults(tmp_path / 'catalog.txt', text)[0]
        assert all(
            fact in fault for fact in ('split by blanks', 'degrees', 'hh:mm:ss.s', 'dd:mm:ss.s')
        )

    @pytest.mark.parametrize('row', ['7 10.25 -2.5', '7 M 31 10.25 -2.5', '7\t\t10.25\t-2.5'])
    def test_other_number_of_cells_than_names(self, tmp_path, row):
        # A blank within a name, or a name left out, would shift other numbers into RA and DEC.
        (fault,) = faults(tmp_path / 'catalog.txt', f'ID NAME RA DEC\n{row}')
        assert fault.startswith('catalog.txt, line 2: ')
        assert all(
            fact in fault
            for fact in (f'{len(row.split())} columns', '4 in the header', '- for an empty cell')
        )

    @pytest.mark.parametrize('title', ['NAME', 'ID'])
    def test_blank_in_a_name(self, tmp_path, title):
        fault = faults(tmp_path / 'sources.txt', f'{title} RA DEC\nM 31 150 2\n')[0]
        assert '4 columns, 3 in the header' in fault

    @pytest.mark.parametrize(
        'text',
        [
            '   ID    RA   DEC\n0   3  53.1 -27.8\n1   8  53.2 -27.9\n',
            '"ID" "RA" "DEC" "MAG"\n"1" 3 53.1 -27.8 20.5\n"2" 8 53.2 -27.9 20.5\n',
        ],
        ids=('pandas', 'R'),
    )
    def test_numbers_of_rows_in_front_are_no_ids(self, tmp_path, text):
        (fault,) = faults(tmp_path / 'catalog.txt', text)
        assert all(fact in fault for fact in ('line 1', 'no name', 'index=False'))
        assert sources(load(tmp_path / 'catalog.txt', 'ID RA DEC\n1 53.0 -27.8 5\n2 54.0 2 6\n'))[
            1
        ] == (2, 54.0, 2.0)

    @pytest.mark.parametrize('row', ['3,53,1,-27,8', '3,53.1,-27.8,,x'])
    def test_more_cells_than_names_between_separators(self, tmp_path, row):
        (fault,) = faults(tmp_path / 'catalog.csv', f'ID,RA,DEC\n{row}\n')
        assert all(fact in fault for fact in ('line 2', '5 columns', '3 in the header'))

    @pytest.mark.parametrize('header', ['ID,RA,DEC', 'ID,MAG,RA,DEC', 'NAME,RA,DEC,ID'])
    def test_separators_at_the_end_of_rows_do_not_matter(self, tmp_path, header):
        cells = {'ID': '3', 'RA': '53.1', 'DEC': '-27.8', 'MAG': '20', 'NAME': 'a'}
        row = ','.join(cells[name] for name in header.split(','))
        assert sources(load(tmp_path / 'catalog.csv', f'{header}\n{row},\n')) == [(3, 53.1, -27.8)]

    def test_size_left_out_before_other_columns(self, tmp_path):
        fault = faults(tmp_path / 'catalog.txt', 'ID SIZE RA DEC REF\n7 10.25 -2.5 6', 'cat')[0]
        assert '4 columns, 5 in the header' in fault

    def test_first_row_that_is_no_header(self, tmp_path):
        assert faults(tmp_path / 'catalog.txt', 'x 10.25 -2.5')[0].startswith(
            "catalog.txt, line 1: ID 'x'"
        )
        assert '1 of 3 columns' in faults(tmp_path / 'catalog.txt', '%')[0]

    def test_cell_too_long_for_a_cell(self, tmp_path):
        fault = faults(tmp_path / 'catalog.txt', '7,10.25,-2.5\n8,1,1,' + 'x' * 200_000)[0]
        assert '1 of 3 columns' in fault

    def test_a_row_with_more_cells_than_names_has_no_redshift(self, tmp_path):
        text = 'ID RA DEC MAG Z\n3 150 2 20.5 0.5\n8 150.001 -2.0015 20.5 0.1 0.2\n'
        assert [target.z for target in load(tmp_path / 'sources.txt', text).targets] == [0.5, None]


@pytest.mark.parametrize(
    ('text', 'kind'),
    [
        (SEXTRACTOR, 'SExtractor (text)'),
        (VIZIER, 'VizieR (TSV)'),
        (VIZIER.replace('\t', ';'), 'VizieR (CSV)'),
        (VIZIER.replace('\t', '|'), 'VizieR (text)'),
        (
            '#Table1\nobjid,run,ra,dec,u,g,r,i,z\n3,1,150,2,1,1,1,1,0.5\n8,1,150.001,-2.0015,1,1,1,1,0.6\n',
            'SDSS (CSV)',
        ),
        ('ID;RA;DEC\n3;150,0;2,0\n8;150,001;-2,0015\n', 'CSV'),
        ('3;150,0;2,0\n8;150,001;-2,0015\n', 'CSV'),
        (
            '+----+-----+\n| ID | RA  | DEC |\n+----+-----+\n| 3 | 150 | 2 |\n| 8 | 150.001 | -2.0015 |\n+--+\n',
            'text',
        ),
        (
            '# NUMBER X_IMAGE Y_IMAGE RA DEC\n3 1 2 150 2\n8 1 2 150.001 -2.0015\n',
            'SExtractor (text)',
        ),
    ],
)
def test_text_of_programs(tmp_path, text, kind):
    loaded = load(tmp_path / 'sources.txt', text)
    assert sources(loaded) == BOTH
    assert loaded.description.startswith(f'sources.txt: {kind}: ')
    assert (loaded.warnings, [target.z for target in loaded.targets]) == ((), [None, None])


@pytest.mark.parametrize('rule', ['----- ----- -----', '===  ===  ==='])
def test_rules_are_no_rows(tmp_path, rule):
    text = f'{rule}\nID RA DEC\n{rule}\n3 150 2\n8 150.001 -2.0015\n{rule}\n'
    assert sources(load(tmp_path / 'sources.txt', text)) == BOTH


def test_pixels_of_sextractor_are_counted_from_1(tmp_path):
    loaded = load(tmp_path / 'sources.cat', SEXTRACTOR.replace('ALPHA_J2000', 'SOMETHING  '))
    assert loaded.pixels[3] == pytest.approx({'X': 11.4152, 'Y': 14.8852}, abs=1e-12)
    assert all(target.ra != target.ra for target in loaded.targets)
    assert 'the first is 1' in loaded.warnings[0]


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
def test_a_comment_that_names_the_columns_counts(tmp_path, header, size, ref, warned):
    loaded = load(tmp_path / 'sources.txt', f'{header}\n1 150.0 2.0 8 2\n', 'cat')
    assert (loaded.targets[0].size, loaded.targets[0].ref) == (size, ref)
    assert len(loaded.warnings) == len(warned)
    assert all(what in line for what, line in zip(warned, loaded.warnings, strict=True))


def test_what_a_comment_calls_pixels_is_said(tmp_path):
    (warning,) = load(tmp_path / 'sources.txt', '# id x y\n1 5.0 6.0\n').warnings
    assert all(fact in warning for fact in ('x and y', 'degrees'))


@pytest.mark.parametrize('header', ['ID RA DEC APER Z', '# ID RA DEC APER Z'])
def test_aper_and_z_are_found_by_their_names(tmp_path, header):
    loaded = load(
        tmp_path / 'sources.txt', f'{header}\n3 150 2 0.8 0.5\n8 150.001 -2.0015 - none\n'
    )
    assert [(target.aper, target.z) for target in loaded.targets] == [(0.8, 0.5), (None, None)]
    assert sources(loaded) == BOTH


class TestCommentsThatNameTheColumns:
    @pytest.mark.parametrize(
        'comments',
        [
            '# id ra_hst dec_hst ra dec\n# ra, dec: corrected to Gaia',
            '# id ra_hst dec_hst ra dec\n#\n# -----------\n# made by hand today',
            '# my field\n# id ra_hst dec_hst ra dec\n# this is not about columns',
        ],
    )
    def test_other_comments_below_the_names(self, tmp_path, comments):
        loaded = load(tmp_path / 'sources.txt', f'{comments}\n7 1 1 150.25 2.5\n')
        assert sources(loaded) == [(7, 150.25, 2.5)]

    @pytest.mark.parametrize(
        'units',
        [
            '# - h deg',
            '# (none) (h) (deg)',
            '# -- [h] --',
            '#\n# - h deg',
            '# Units: - h deg',
            '# int h deg',
        ],
    )
    @pytest.mark.parametrize('sign', ['# ', ''])
    def test_units_beside_the_names(self, tmp_path, sign, units):
        for text in (f'{sign}id ra dec\n{units}\n', f'{units}\n{sign}id ra dec\n'):
            loaded = load(tmp_path / 'sources.txt', f'{text}7 10.5 2.5\n')
            assert sources(loaded) == [(7, 157.5, 2.5)]

    def test_units_of_several_words_between_tabs(self, tmp_path):
        loaded = load(
            tmp_path / 'sources.txt', '# ID\tRA\tDEC\n# -\th J2000\tdeg J2000\n7\t10.5\t2.5\n'
        )
        assert sources(loaded) == [(7, 157.5, 2.5)]

    @pytest.mark.parametrize(
        'comment',
        [
            'RA in hours, DEC in degrees',
            'RA: right ascension, h',
            'positions: RA (hours)',
            'R.A. = hours J2000',
        ],
    )
    @pytest.mark.parametrize('header', ['', '# id ra dec\n', 'id ra dec\n'])
    def test_units_in_words(self, tmp_path, header, comment):
        loaded = load(
            tmp_path / 'sources.txt', f'# {comment}\n{header}7 10.5 2.5\n8 10:30:00 2.5\n'
        )
        assert sources(loaded) == [(7, 157.5, 2.5), (8, 157.5, 2.5)]

    @pytest.mark.parametrize(
        'comment',
        ['observed in Dec 1995', 'Dec. 1950', 'size of the field: 2 arcmin', 'RA of the field'],
    )
    def test_other_words_state_no_units(self, tmp_path, comment):
        loaded = load(
            tmp_path / 'sources.txt', f'# {comment}\n# ID RA DEC SIZE\n7 10.5 2.5 6\n', 'cat'
        )
        assert (sources(loaded), loaded.targets[0].size, loaded.warnings) == (
            [(7, 10.5, 2.5)],
            6.0,
            (),
        )

    @pytest.mark.parametrize(
        'text',
        ['# SIZE in arcmin\n# ID RA DEC SIZE\n', 'ID RA DEC SIZE_arcmin\n', '# size: arcmin\n'],
    )
    def test_units_of_lengths_in_words(self, tmp_path, text):
        assert (
            load(tmp_path / 'sources.txt', f'{text}7 10.5 2.5 0.1\n', 'cat').targets[0].size == 6.0
        )

    def test_a_name_without_a_unit_comes_before_one_with_it(self, tmp_path):
        text = 'ID RA DEC SIZE SIZE_arcmin\n7 10.5 2.5 5 0.1\n'
        assert load(tmp_path / 'sources.txt', text, 'cat').targets[0].size == 5.0

    def test_too_few_units_are_a_fault(self, tmp_path):
        fault = faults(tmp_path / 'sources.txt', '# id ra dec\n# (h) (deg)\n7 10.5 2.5\n')[0]
        assert all(fact in fault for fact in ('2 units', '3 columns'))

    @pytest.mark.parametrize(
        'comments',
        [
            '# 1 dec\n# 2 id\n# 3 ra',
            '# 1: dec\n# 2: id\n# 3: ra',
            '#1) dec\n#2) id\n#3) ra',
            '# column 1: dec\n# column 2: id\n# column 3: ra right ascension',
            '# Col 1 dec\n# Col 2 id\n# Col 3 ra',
            '# [1] dec\n# [2] id\n# [3] ra',
            '# (1) dec\n# (2) id\n# (3) ra',
        ],
    )
    def test_numbered_names_in_small_letters(self, tmp_path, comments):
        loaded = load(tmp_path / 'sources.txt', f'{comments}\n2.5 7 150.25\n')
        assert sources(loaded) == [(7, 150.25, 2.5)]
        assert not any(program in loaded.description for program in ('SExtractor', 'LSDCat'))

    @pytest.mark.parametrize(
        'unit', ['(h)', '[h]', 'right ascension [h]', '(h) right ascension', 'hours', 'in h']
    )
    def test_units_of_numbered_names(self, tmp_path, unit):
        loaded = load(
            tmp_path / 'sources.txt', f'# 1 id\n# 2 ra {unit}\n# 3 dec [deg]\n7 10.5 2.5\n'
        )
        assert sources(loaded) == [(7, 157.5, 2.5)]

    def test_a_numbered_list_of_notes_names_no_columns(self, tmp_path):
        loaded = load(
            tmp_path / 'sources.txt',
            '# 1 first note\n# 2 second note\n# 3 third one\n7 150.25 2.5\n',
        )
        assert sources(loaded) == [(7, 150.25, 2.5)]

    def test_pixels_are_a_fault(self, tmp_path):
        fault = faults(tmp_path / 'sources.txt', '# id ra(pix) dec(pix)\n7 10.5 2.5\n')[0]
        assert all(fact in fault for fact in ('column ra', 'pix', 'deg, h or rad'))


class TestLineOfUnits:
    @pytest.mark.parametrize(
        'text',
        [
            'ID RA DEC\n- h deg\n7 10.5 2.5\n',
            'ID RA DEC\n- h deg\n-- -- --\n7 10.5 2.5\n',
            'ID,RA,DEC,FLUX\n,h,deg,10-20 W/m2\n7,10.5,2.5,1\n',
            'ID\tRA\tDEC\n\t(h)\t(deg)\n7\t10.5\t2.5\n',
            'ID,RA (J2000),DEC\n,h,deg\n7,10.5,2.5\n',
            'ID,RA (h),DEC\n-,J2000,J2000\n(1),(2),(3)\n7,10.5,2.5\n',
        ],
    )
    def test_below_the_names(self, tmp_path, text):
        assert sources(load(tmp_path / 'sources.txt', text)) == [(7, 157.5, 2.5)]

    @pytest.mark.parametrize('none', ['-', '--', '(none)', '""'])
    def test_with_signs_for_no_unit(self, tmp_path, none):
        text = f'ID RA DEC SIZE REF\n{none} h deg {none} {none}\n7 10.5 2.5 6 x\n'
        (target,) = load(tmp_path / 'sources.txt', text, 'cat').targets
        assert (target.ra, target.size, target.ref) == (157.5, 6.0, 'x')

    def test_of_lengths_alone(self, tmp_path):
        loaded = load(tmp_path / 'sources.csv', 'ID,RA,DEC,SIZE\n,,,arcmin\n7,10.5,2.5,6\n', 'cat')
        assert [(target.ra, target.size) for target in loaded.targets] == [(10.5, 360.0)]

    def test_with_fewer_units_than_names(self, tmp_path):
        fault = faults(tmp_path / 'sources.txt', 'ID RA DEC\n   h deg\n-- -- --\n7 10.5 2.5\n')[0]
        assert all(fact in fault for fact in ('line 2', '2 units', '3 columns'))

    def test_a_source_above_a_rule_is_none(self, tmp_path):
        text = 'ID RA DEC\n3 150 2\n-- -- --\n8 150.001 -2.0015\n'
        assert sources(load(tmp_path / 'sources.txt', text)) == BOTH
        assert sources(load(tmp_path / 'sources.txt', text.partition('\n')[2])) == BOTH


class TestSpreadsheets:
    @pytest.mark.parametrize('first', ['sep=;', 'SEP=;', '"sep=;"'])
    def test_excels_line_with_the_separator(self, tmp_path, first):
        text = f'{first}\r\nID;RA;DEC\r\n3;150,0;2,0\r\n8;150,001;-2,0015\r\n'
        assert sources(load(tmp_path / 'sources.csv', text)) == BOTH

    @pytest.mark.parametrize(
        'text',
        [
            'ID,notes,RA,DEC\n3,"star #4",150,2\n8,"a, ""#1""" ,150.001,-2.0015 # said "x"\n',
            'ID notes RA DEC\n3 "star #4" 150 2\n8 \'#1\' 150.001 -2.0015 # it\'s "x"\n',
            'ID,RA,DEC,notes\n3,150,2,"two\nlines"\n8,150.001,-2.0015,"a\n\n, ""b"" #\nc"\n',
            'notes,ID,RA,DEC\n"two\nlines",3,150,2\nx,8,150.001,-2.0015\n',
            'ID,"RA\n(deg)",DEC\r\n3,150,2\r\n8,150.001,-2.0015\r\n',
            'ID;RA;DEC;notes\n3;150;2;"\nlast"\n8;150.001;-2.0015;"first\n"\n',
        ],
    )
    def test_comment_signs_and_line_breaks_in_quoted_cells(self, tmp_path, text):
        loaded = load(tmp_path / 'sources.csv', text)
        assert (sources(loaded), loaded.warnings) == (BOTH, ())

    @pytest.mark.parametrize('cell', ['"', '"a', '5"', 'a "b'])
    def test_stray_quotes_lose_no_row(self, tmp_path, cell):
        text = f'ID,RA,DEC,notes\n3,150,2,{cell}\n8,150.001,-2.0015,{cell}\n'
        assert sources(load(tmp_path / 'sources.csv', text)) == BOTH

    def test_lines_are_counted_as_an_editor_counts_them(self, tmp_path):
        text = 'ID,RA,DEC,notes\n3,150,2,"two\nlines"\n8,x,-2.0015,\n'
        assert faults(tmp_path / 'sources.csv', text)[0].startswith('sources.csv, line 4: ')


@pytest.mark.parametrize(
    'line',
    [
        'ID,RA,DEC,' + '(' * 50_000,
        'ID,RA,DEC,a' + ' ' * 50_000 + 'b',
        'ID RA DEC ' + 'a(' * 50_000,
        '# 1 ID ' + '[' * 50_000 + '\n# 2 RA\n# 3 DEC',
        'ID,RA,DEC' + ',"' * 50_000 + '#',
        'ID,RA,DEC\n' + '1,2,"\n' * 5_000,
        '# RA in dec size of ra\n' * 5_000,
        '# ' + 'ra dec ' * 20_000,
        'ID,' + 'RA_h,' * 5_000 + 'DEC_d',
        'ID,RA (' + 'ep ' * 20_000 + '),DEC',
        '\\begin{tabular}' * 20_000,
        '\\begin{tabular}' + '{' * 50_000 + '\\end{tabular}',
        '\\begin{deluxetable}{l}' + '\\tablehead{' * 20_000 + '\\end{deluxetable}',
        '%\n' * 50_000 + '\\x',
    ],
)
def test_reading_takes_time_in_proportion_to_the_file(tmp_path, line):
    start = time.process_time()
    with suppress(InputError):
        load(tmp_path / 'sources.txt', f'{line}\n1 2 3 4\n')
    assert time.process_time() - start < 2  # a tenth of it where it was written
