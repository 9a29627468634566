"""The catalogue: both forms, every way of writing a cell, and every fault with its line."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import Angle

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.inputs import catalogue, rows

REPOSITORY = Path(__file__).parents[2]
SIZE, REF = 4.5, 'g-band'  # what param.py gives in these tests


@pytest.fixture
def load(tmp_path):
    """Load a catalogue with this text."""

    def write_and_load(text, mode='param', skip_bad_rows=False):
        path = tmp_path / 'catalog.txt'
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        found = catalogue.load(path, mode, SIZE, REF, skip_bad_rows)
        return found.targets, found.warnings

    return write_and_load


@pytest.fixture
def faults(load):
    """The faults of a catalogue with this text."""

    def find(text, mode='param'):
        with pytest.raises(InputError, match=r'^catalog\.txt') as caught:
            load(text, mode)
        assert all(len(fault.splitlines()) == 1 for fault in caught.value.faults)
        return caught.value.faults

    return find


TWO = [Target(7, 10.25, -2.5, SIZE, REF), Target(3, 359.5, 89.0, SIZE, REF)]


class TestParameterMode:
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
    def test_forms(self, load, text):
        assert load(text) == (TWO, ())

    @pytest.mark.parametrize('header', ['nr long lat', '(no) (deg) (deg) id?', 'ID long lat'])
    def test_other_headers_are_passed_over_with_a_warning(self, load, header):
        targets, warnings = load(f'# comment\n{header}\n7 10.25 -2.5\n3 359.5 89')
        expected = 'a header without ID, RA and DEC; columns are taken by position'
        assert targets == TWO
        assert warnings == (f'catalog.txt, line 2: {expected}',)

    def test_ends_of_the_ranges(self, load):
        targets, _ = load(f'0 0 -90\n{2**63 - 1} 359.999999 90')
        assert [(target.id, target.ra, target.dec) for target in targets] == [
            (0, 0.0, -90.0),
            (2**63 - 1, 359.999999, 90.0),
        ]


class TestCatalogueMode:
    @pytest.mark.parametrize('empty', ['-', '--', 'nan', 'NaN', 'None', "''", '""'])
    def test_empty_cells(self, load, empty):
        targets, _ = load(f'7 10.25 -2.5 {empty} r-band\n3 359.5 89 6 {empty}', 'cat')
        assert targets == [Target(7, 10.25, -2.5, SIZE, 'r-band'), Target(3, 359.5, 89.0, 6.0, '')]

    def test_missing_cells(self, load):
        targets, _ = load('7 10.25 -2.5\n3 359.5 89 6\n4 1 1 6 2.0\n', 'cat')
        assert [(target.size, target.ref) for target in targets] == [(SIZE, ''), (6.0, ''), (6.0, '2.0')]

    def test_cells_aligned_with_tabs(self, load):
        assert load('7\t\t10.25\t\t-2.5', 'cat') == ([Target(7, 10.25, -2.5, SIZE, '')], ())

    def test_empty_cells_between_commas(self, load):
        targets, _ = load('7,10.25,-2.5,,r-band.fits\n3,359.5,89,6,\n4,1,1,,', 'cat')
        assert [(target.size, target.ref) for target in targets] == [(SIZE, 'r-band.fits'), (6.0, ''), (SIZE, '')]

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
    def test_columns(self, load, text, size, ref):
        assert load(text, 'cat') == ([Target(7, 10.25, -2.5, size, ref)], ())


class TestSexagesimal:
    @pytest.mark.parametrize('form', ['{}h{:02}m{:06.3f}s', '{:02}:{:02}:{:06.3f}', '{}H{}M{}S', '{}h{}m{}'])
    @pytest.mark.parametrize('value', [(0, 0, 0.0), (4, 13, 25.2), (23, 59, 59.999)])
    def test_right_ascension_is_that_of_astropy(self, form, value):
        text = form.format(*value)
        assert rows.right_ascension(text) == pytest.approx(Angle(text.lower(), 'hourangle').degree, rel=1e-14, abs=0)

    @pytest.mark.parametrize('form', ['{}d{:02}m{:06.3f}s', '{:02}:{:02}:{:06.3f}', '{}D{}M{}S'])
    @pytest.mark.parametrize('sign', ['', '+', '-'])
    @pytest.mark.parametrize('value', [(0, 30, 0.0), (10, 27, 55.9), (89, 59, 59.999)])
    def test_declination_is_that_of_astropy(self, form, sign, value):
        text = sign + form.format(*value)
        assert rows.declination(text) == pytest.approx(Angle(text.lower(), 'degree').degree, rel=1e-14, abs=0)

    @pytest.mark.parametrize('text', ['7 04:13:25.2 +10:27:55.9', '7,04h13m25.2s,10d27m55.9s', '7 63.355 10:27:55.9'])
    def test_in_a_row(self, load, text):
        ((target,), _) = load(text)
        assert (target.ra, target.dec) == pytest.approx((63.355, 10.46552778))

    @pytest.mark.parametrize(
        ('ra', 'dec', 'fault'),
        [
            ('25:00:00', '1', 'right ascension 25:00:00 is outside 0 to 360 degrees'),
            ('24:00:00', '1', 'right ascension 24:00:00 is outside'),
            ('-04:13:25', '1', 'right ascension -04:13:25 is outside'),
            ('10:61:00', '1', 'right ascension 10:61:00 has 60 or more minutes or seconds'),
            ('10:10:60', '1', 'right ascension 10:10:60 has 60 or more'),
            ('10:10', '1', "right ascension '10:10' is not a number; expected degrees, hh:mm:ss.s or 00h00m00.0s"),
            ('10d10m10s', '1', "right ascension '10d10m10s' is not a number"),
            ('10h10m10', '10h10m10s', "declination '10h10m10s' is not a number; expected degrees, dd:mm:ss.s or 00d"),
            ('10:10:10s', '1', "right ascension '10:10:10s' is not a number"),
            ('10h10:10', '1', "right ascension '10h10:10' is not a number"),
            ('1', '90:00:01', 'declination 90:00:01 is outside -90 to 90 degrees'),
            ('1', '-10:60:00', 'declination -10:60:00 has 60 or more'),
        ],
    )
    def test_faults(self, faults, ra, dec, fault):
        (found,) = faults(f'7 {ra} {dec}')
        assert found.startswith(f'catalog.txt, line 1: {fault}')

    @pytest.mark.parametrize('text', ['7 04 13 25.2 +10 27 55.9', 'ID RA DEC\n7 04 13 25.2 -10 27 55'])
    def test_split_by_blanks(self, faults, text):
        assert 'coordinates are split by blanks; expected degrees, or hh:mm:ss.s and dd:mm:ss.s' in faults(text)[0]


class TestFaults:
    @pytest.mark.parametrize(
        ('row', 'fault'),
        [
            ('9 1.5 abc', "declination 'abc' is not a number; expected degrees, dd:mm:ss.s or 00d00m00.0s"),
            ('9 x 1', "right ascension 'x' is not a number; expected degrees, hh:mm:ss.s or 00h00m00.0s"),
            ('9 360 1', 'right ascension 360 is outside 0 to 360 degrees'),
            ('9 -0.1 1', 'right ascension -0.1 is outside 0 to 360 degrees'),
            ('9 1 90.1', 'declination 90.1 is outside -90 to 90 degrees'),
            ('9 1 -91', 'declination -91 is outside -90 to 90 degrees'),
            ('9 nan 1', 'right ascension nan is not finite'),
            ('9 1 inf', 'declination inf is not finite'),
            ('9 1_0 1', "right ascension '1_0' is not a number"),
            ('9 1\N{MINUS SIGN}0 1', "right ascension '1\N{MINUS SIGN}0' is not a number"),
            ('9', '1 of 3 columns; expected ID RA DEC between blanks, tabs or commas'),
            ('9;1;2', '1 of 3 columns'),
            ('9 1', '2 of 3 columns'),
            ('-9 1 1', 'ID -9 is outside 0 to 2^63 - 1'),
            ('9223372036854775808 1 1', 'ID 9223372036854775808 is outside 0 to 2^63 - 1'),
            ('9.5 1 1', "ID '9.5' is not a whole number"),
            ('nan 1 1', "ID 'nan' is not a whole number"),
            ('1_2 1 1', "ID '1_2' is not a whole number"),
            ('x9 1 1', "ID 'x9' is not a whole number"),
            ('7 1 1', 'ID 7 is in line 2 too; expected a different ID in each row'),
        ],
    )
    def test_of_a_row(self, faults, row, fault):
        (found,) = faults(f'# comment\n7 10.25 -2.5\n\n{row}\n')
        assert found.startswith(f'catalog.txt, line 4: {fault}')

    @pytest.mark.parametrize(
        ('row', 'fault'),
        [
            ('9 1 1 0 g', 'size 0 is not above 0'),
            ('9 1 1 -2', 'size -2 is not above 0'),
            ('9 1 1 inf', 'size inf is not finite'),
            ('9 1 1 g-band', "size 'g-band' is not a number; expected arcsec above 0, or - for the SIZE of param.py"),
            ('9\t1\t1\t\t2.0', 'tabs do not show which cell is empty; expected - for an empty SIZE or REF'),
            (b'9 1 1 5 b\xe4nd', r"reference 'b\udce4nd' is not plain text; save the file as UTF-8"),
        ],
    )
    def test_of_a_row_in_catalogue_mode(self, faults, row, fault):
        (found,) = faults(b'7 10.25 -2.5\n' + (row if isinstance(row, bytes) else row.encode()), 'cat')
        assert found == f'catalog.txt, line 2: {fault}'

    def test_first_row(self, faults):
        assert faults('x 10.25 -2.5')[0].startswith("catalog.txt, line 1: ID 'x' is not a whole number")

    @pytest.mark.parametrize(
        ('header', 'fault'),
        [
            ('ID RA DEC RA', 'column RA appears twice; rename one of them'),
            ('ID RA DEC (pix)', 'column DEC is in pix; expected deg, h or rad'),
            ('ID RA DEC SIZE [rad]', 'column SIZE is in rad; expected arcsec, arcmin, deg or pix'),
            ('ID RA DEC SIZE [kpc]', 'column SIZE is in kpc; expected arcsec, arcmin, deg or pix'),
            ('source x y', 'columns x and y look like pixels, counted from 0 or from 1'),
            ('ID GLON GLAT', 'no columns with positions among id, glon, glat; expected RA and DEC'),
            ('NAME MAG FLUX', 'no columns with positions among name, mag, flux; expected RA and DEC'),
            ('NAME ID RA', 'a header with some of ID, RA and DEC; expected all three, or none'),
        ],
    )
    def test_of_the_header(self, faults, header, fault):
        (found,) = faults(f'{header}\n7 10.25 -2.5 5', 'cat')
        assert found.startswith(f'catalog.txt, line 1: {fault}')

    @pytest.mark.parametrize('row', ['7 10.25 -2.5', '7 M 31 10.25 -2.5', '7\t\t10.25\t-2.5'])
    def test_row_that_does_not_fit_the_header(self, faults, row):
        # A blank within a name, or a name left out, would shift other numbers into RA and DEC.
        expected = f'{len(row.split())} columns, 4 in the header; expected as many (- for an empty cell)'
        assert faults(f'ID NAME RA DEC\n{row}') == (f'catalog.txt, line 2: {expected}',)

    def test_size_left_out_before_other_columns(self, faults):
        assert '4 columns, 5 in the header' in faults('ID SIZE RA DEC REF\n7 10.25 -2.5 6', 'cat')[0]

    def test_all_at_once_in_the_order_of_the_file(self, faults):
        found = faults('x y 100\n7 1 1\n7 1 1\n8 1\n', 'cat')
        assert [fault.split(':')[0] for fault in found] == [f'catalog.txt, line {line}' for line in (1, 1, 1, 3, 4)]

    def test_cell_too_long_for_a_cell(self, faults):
        assert '1 of 3 columns' in faults('7,10.25,-2.5\n8,1,1,' + 'x' * 200_000)[0]

    @pytest.mark.parametrize('text', ['', '\n\n', '# only\n# comments', 'ID RA DEC\n', ',,,\n', '%'])
    def test_no_rows(self, faults, text):
        expected = 'no sources' if text != '%' else 'line 1: 1 of 3 columns'
        assert expected in faults(text)[0]

    def test_template_holds_no_source(self, faults):
        assert faults(catalogue.TEMPLATE) == ('catalog.txt: no sources; expected one per line: ID RA DEC',)

    @pytest.mark.parametrize('mode', ['param', 'cat'])
    def test_example_in_the_template(self, load, mode):
        ((target,), _) = load(catalogue.TEMPLATE.splitlines()[-1].removeprefix('#'), mode)
        assert target == Target(120, 130.5751301, 1.6470841, 5.0 if mode == 'cat' else SIZE, 'g-band')

    @pytest.mark.parametrize('content', [b'PK\x03\x04\0\0', '7 10 2'.encode('utf-16')])
    def test_binary(self, faults, content):
        assert faults(content) == ('catalog.txt: is not plain text; save it as text or CSV, in UTF-8',)

    def test_missing(self, tmp_path):
        with pytest.raises(InputError) as caught:
            catalogue.load(tmp_path / 'catalog.txt', 'param', SIZE, REF)
        assert caught.value.faults == (f'catalog.txt: not found in {tmp_path}',)

    def test_folder_in_its_place(self, tmp_path):
        with pytest.raises(InputError, match=r': cannot be read: Is a directory$'):
            catalogue.load(tmp_path, 'param', SIZE, REF)


class TestSkipping:
    def test_bad_rows_become_warnings(self, load):
        targets, warnings = load('NO A B\n7 10.25 -2.5\n7 1 1\n8 x y\n3 359.5 89\n8 1 1', skip_bad_rows=True)
        assert targets == [*TWO, Target(8, 1.0, 1.0, SIZE, REF)]
        header, *skipped = warnings
        assert header.startswith('catalog.txt, line 2: a header') or header.startswith('catalog.txt, line 1: a header')
        assert [warning.split(':')[0] for warning in skipped] == [f'catalog.txt, line {line}' for line in (3, 4, 4)]
        assert all(warning.endswith('; skipped') for warning in skipped)

    def test_one_row_must_be_left(self, load):
        with pytest.raises(InputError, match=r"declination 'x' is not a number; expected [^;]*$"):
            load('7 1 x', skip_bad_rows=True)


def test_thousands_of_rows_load_fast(load):
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 5000), rng.uniform(-90, 90, 5000)
    text = '\n'.join(f'{ident} {ra[ident]!s} {dec[ident]!s} 5 g-band' for ident in range(5000))
    start = time.process_time()
    targets, _ = load(text, 'cat')
    elapsed = time.process_time() - start
    assert elapsed < 0.5  # 0.05 s where it was written; a slow machine must not fail
    assert [target.id for target in targets] == list(range(5000))
    np.testing.assert_array_equal([target.ra for target in targets], ra)
    np.testing.assert_array_equal([target.dec for target in targets], dec)


def test_examples_in_catalog_format_txt(load):
    """Every indented block of rows is a catalogue that loads as the text around it says."""
    text = (REPOSITORY / 'catalog_format.txt').read_text(encoding='utf-8')
    blocks = re.findall(r'(?:^    \S.*\n)+', text, re.MULTILINE)
    examples = [re.sub('^    ', '', block, flags=re.MULTILINE) for block in blocks]
    param, cat, commas, sexagesimal, header, named = examples
    found = [(target.id, target.aper, target.z) for target in load(named)[0]]
    assert found == [('NGC 7', 1.2, 0.086), ('NGC 8', None, None)]
    both = [(120, 130.5751301, 1.6470841), (126, 130.5805915, 1.6469932)]
    for example in (param, sexagesimal, header):
        targets, warnings = load(example)
        assert [target.id for target in targets] == [120, 126]
        found = [(target.ra, target.dec) for target in targets]
        np.testing.assert_allclose(found, [(ra, dec) for _, ra, dec in both], rtol=0, atol=2e-7)
        assert warnings == ()
    sizes = [(target.size, target.ref) for target in load(cat, 'cat')[0]]
    assert sizes == [(5.0, 'g-band'), (7.5, '2.0'), (SIZE, ''), (SIZE, '')]
    sizes = [(target.size, target.ref) for target in load(commas, 'cat')[0]]
    assert sizes == [(SIZE, 'g-band'), (7.5, ''), (SIZE, 'r-band.fits')]


def test_plain_text_is_read_without_astropy(tmp_path):
    (tmp_path / 'catalog.txt').write_text('ID,RA,DEC\n7,10.25,-2.5\n')
    program = (
        'import sys; from pathlib import Path; from autospec_lib.inputs import catalogue;'
        f'catalogue.load(Path({str(tmp_path / "catalog.txt")!r}), "param", 5.0, "");'
        'print("astropy" in sys.modules)'
    )
    result = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert result.stdout == 'False\n'
