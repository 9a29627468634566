"""Units as headers spell them."""

from builders import UNIT

from autospec_lib.inputs.units import squared, standard

FLUX = '10**-20 erg Angstrom-1 s-1 cm-2', '10**-40 erg2 Angstrom-2 s-2 cm-4'


def both(text):
    return standard(text), squared(text)


def test_the_unit_of_muse_cubes_is_read():
    assert both(UNIT) == FLUX
    assert both('MJy/sr') == ('MJy sr-1', 'MJy2 sr-2')
    assert both('1E-17 erg/s/cm^2/Ang/spaxel') == (
        '1E-17 erg/s/cm^2/Ang/spaxel',
        '(1E-17 erg/s/cm^2/Ang/spaxel)**2',
    )
    assert both('') == ('', '')
