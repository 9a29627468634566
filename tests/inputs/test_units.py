"""Units as headers spell them."""

import pytest
from astropy import units
from builders import UNIT

from autospec_lib.inputs.units import parsed, standard


def test_the_unit_of_muse_cubes_is_read():
    assert standard(UNIT) == '10**-20 erg Angstrom-1 s-1 cm-2'
    assert standard('MJy/sr') == 'MJy sr-1'
    assert standard('') == ''


CGS = '10**-17 erg Angstrom-1 s-1 cm-2'
PLAIN = 'erg Angstrom-1 s-1 cm-2'


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('1E-17 erg/s/cm^2/Ang', CGS),
        ('10**(-17) erg /s /cm**2 /angstrom', CGS),
        ('10^-17 erg/s/cm^2/AA', CGS),
        ('1e-17 ergs/s/cm^2/A', CGS),
        ('FLAM17', CGS),
        ('10**(-17)erg.s**(-1).cm**(-2).angstrom**(-1)', CGS),
        ('FLAM', PLAIN),
        ('erg s-1 cm-2 A-1', PLAIN),
        ('erg/cm2/s/A', PLAIN),
        ('ERG/S/CM^2/A', PLAIN),
        ('ERG/S/CM**2/ANGSTROM', PLAIN),
        ('1e+16 erg / (Angstrom cm2 s)', '10**+16 erg Angstrom-1 s-1 cm-2'),
        ('counts/s', 'count s-1'),
        ('ADU', 'adu'),
        ('electrons', 'electron'),
        ('W m-2 micron-1', 'W um-1 m-2'),
        ('furlongs', 'furlongs'),
    ],
)
def test_spellings_become_those_of_the_standard_and_astropy_and_mpdaf_read_them(text, expected):
    from mpdaf.tools import fix_unit_read

    assert standard(text) == expected
    if text != 'furlongs':
        assert units.Unit(fix_unit_read(expected)) == units.Unit(expected) == parsed(expected)
