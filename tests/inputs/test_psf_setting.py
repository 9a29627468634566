"""The PSF as it is given, or as the cube's header has it."""

import numpy as np
import pytest
from astropy.io import fits
from builders import cube_header, small_cube, write_cube
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Psf
from autospec_lib.inputs.cubes import psf_setting


def moffat_cards(**changed):
    cards = {'FSFMODE': 'MOFFAT1', 'FSF00BET': 2.5, 'FSF00FWA': 0.9, 'FSF00FWB': -3e-5} | changed
    return fits.Header({card: value for card, value in cards.items() if value is not None})


def polynomial_cards():
    cards = {'FSFMODE': 2, 'FSFLB1': 5000.0, 'FSFLB2': 9000.0, 'FSF00FNC': 2, 'FSF00F00': -0.2, 'FSF00F01': 0.7}
    return fits.Header(cards | {'FSF00BNC': 1, 'FSF00B00': 2.2})


WAVE = np.linspace(5000.0, 9000.0, 11)


@pytest.mark.parametrize(
    ('setting', 'wave', 'expected'),
    [
        ((), WAVE, None),
        ((0.8,), WAVE, Psf(0.8, 0.8)),
        ((0.9, 0.7), WAVE, Psf(0.9, 0.7)),
        ((0.9, 0.7, 2.4), WAVE, Psf(0.9, 0.7, 2.4)),
        ((0.9, 0.7), WAVE[::-1], Psf(0.7, 0.9)),
    ],
)
def test_a_psf_that_is_given(tmp_path, setting, wave, expected):
    assert psf_setting.chosen(setting, tmp_path, fits.Header(), wave, 'Angstrom') == expected


@pytest.mark.parametrize(
    ('cards', 'expected'),
    [
        (moffat_cards(), (0.75, 0.63, 2.5)),
        (polynomial_cards(), (0.8, 0.6, 2.2)),
        (
            moffat_cards(NFIELDS=2, FSF01BET=2.0, FSF01FWA=1.0, FSF01FWB=0.0, FSF02BET=3.0, FSF02FWA=0.5, FSF02FWB=0.0),
            (0.75, 0.75, 2.5),
        ),
    ],
)
def test_a_psf_in_the_header(tmp_path, cards, expected):
    found = psf_setting.chosen('header', tmp_path, cards, WAVE / 10, 'nm')
    assert_allclose((found.blue, found.red, found.beta), expected)


@pytest.mark.parametrize(
    ('cards', 'problem'),
    [
        (fits.Header(), r'has no FSF keywords \(FSFMODE\); set PSF to'),
        (moffat_cards(FSFMODE='EASY'), 'its FSF keywords cannot be read: .*not implemented; set PSF'),
        (moffat_cards(FSF00BET=None), 'its FSF keywords cannot be read: '),
        (moffat_cards(FSF00FWA=-1.0), 'make no sense: FWHM -1.15 and -1.27 arcsec, exponent 2.5; set PSF'),
    ],
)
def test_a_header_without_a_usable_psf(tmp_path, cards, problem):
    with pytest.raises(InputError, match=rf"^cube.fits: PSF = 'header', but .*{problem}"):
        psf_setting.chosen('header', tmp_path / 'cube.fits', cards, WAVE, 'Angstrom')


@pytest.mark.parametrize('unit', ['Angstroms', 'Hz', ''])
def test_a_psf_in_the_header_of_a_cube_whose_unit_is_none_of_length(tmp_path, unit):
    with pytest.raises(InputError, match=f'the unit of its wavelengths, {unit!r}, is not a length; correct CUNIT3'):
        psf_setting.chosen('header', tmp_path / 'cube.fits', moffat_cards(), WAVE, unit)
    with pytest.raises(InputError, match='has no FSF keywords'):
        psf_setting.chosen('header', tmp_path / 'cube.fits', fits.Header(), WAVE, unit)


def test_a_header_without_psf_stops_the_run_before_it_starts(folder, capsys):
    with (folder / 'param.py').open('a') as file:
        file.write("PSF = 'header'\n")
    assert main([str(folder), '-q']) == 2
    assert capsys.readouterr().err.count('has no FSF keywords') == 1
    assert not (folder / 'output').exists()
    write_cube(folder / 'datacube.fits', *small_cube(), header=cube_header())
    with fits.open(folder / 'datacube.fits', mode='update') as hdus:
        hdus[0].header.update(moffat_cards())
    assert main([str(folder), '-q']) == 0
