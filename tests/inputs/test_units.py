"""Units as headers spell them."""

import pytest
from astropy import units
from builders import UNIT

from autospec_lib.inputs.units import parsed, squared, standard

FLUX = '10**-20 erg Angstrom-1 s-1 cm-2', '10**-40 erg2 Angstrom-2 s-2 cm-4'


def both(text):
    return standard(text), squared(text)


def test_the_unit_of_muse_cubes_is_read():
    assert both(UNIT) == FLUX
    assert both('MJy/sr') == ('MJy sr-1', 'MJy2 sr-2')
    assert both('') == ('', '')


CGS = '10**-17 erg Angstrom-1 s-1 cm-2', '10**-34 erg2 Angstrom-2 s-2 cm-4'
PLAIN = 'erg Angstrom-1 s-1 cm-2', 'erg2 Angstrom-2 s-2 cm-4'


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
        ('1e+16 erg / (Angstrom cm2 s)', ('10**+16 erg Angstrom-1 s-1 cm-2', '10**+32 erg2 Angstrom-2 s-2 cm-4')),
        ('counts/s', ('count s-1', 'count2 s-2')),
        ('ADU', ('adu', 'adu2')),
        ('electrons', ('electron', 'electron2')),
        ('W m-2 micron-1', ('W um-1 m-2', 'W2 um-2 m-4')),
        ('furlongs', ('furlongs', '(furlongs)**2')),
    ],
)
def test_spellings_become_those_of_the_standard_and_astropy_and_mpdaf_read_them(text, expected):
    from mpdaf.tools import fix_unit_read

    assert both(text) == expected
    if text != 'furlongs':
        for written in expected:
            assert units.Unit(fix_unit_read(written)) == units.Unit(written) == parsed(written)
