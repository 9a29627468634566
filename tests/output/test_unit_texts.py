"""Units of the output: their powers, and their words."""

import pytest
from astropy import units

from autospec_lib.output.unit_texts import flux_density, in_words, parsed, to_power


@pytest.mark.parametrize(
    ('unit', 'square'),
    [
        ('10**-20 erg Angstrom-1 s-1 cm-2', '10**-40 erg2 Angstrom-2 s-2 cm-4'),
        ('10**-17 erg Angstrom-1 s-1 cm-2', '10**-34 erg2 Angstrom-2 s-2 cm-4'),
        ('10**+16 erg Angstrom-1 s-1 cm-2', '10**+32 erg2 Angstrom-2 s-2 cm-4'),
        ('MJy sr-1', 'MJy2 sr-2'),
        ('count s-1', 'count2 s-2'),
        ('adu', 'adu2'),
        ('', ''),
        ('furlongs', '(furlongs)**2'),
    ],
)
def test_the_square_of_a_unit_is_one_that_astropy_and_mpdaf_read(unit, square):
    from mpdaf.tools import fix_unit_read

    assert to_power(unit, 1) == unit
    assert to_power(unit, 2) == square
    if unit != 'furlongs':
        assert units.Unit(fix_unit_read(square)) == units.Unit(square) == units.Unit(unit) ** 2


@pytest.mark.parametrize(
    ('unit', 'text'),
    [
        ('10**-20 erg Angstrom-1 s-1 cm-2', '10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹'),
        ('10**(-20)*erg/s/cm**2/Angstrom', '10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹'),
        ('2.5e-17 W/m2/um', '2.5e-17 W m⁻² µm⁻¹'),
        ('MJy sr-1', 'MJy sr⁻¹'),
        ('Angstrom', 'Å'),
        ('FLAM$16$', 'FLAM$16$'),
        ('mag(AB)', 'mag(AB)'),
    ],
)
def test_units_are_readable(unit, text):
    assert in_words(unit) == text


@pytest.mark.parametrize('text', ['', 'none/spaxel', 'furlongs'])
def test_what_is_no_unit_has_none(text):
    assert parsed(text) is None
    assert in_words(text) == text


@pytest.mark.parametrize(
    ('text', 'known'),
    [('Jy', True), ('erg s-1 cm-2 Angstrom-1', True), ('mag(AB)', False), ('adu', False)],
)
def test_flux_densities_are_per_wavelength_or_frequency(text, known):
    assert (flux_density(text) == units.Unit(text)) is known
