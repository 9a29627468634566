"""The PSF as the user gives it, or as the cube's header has it."""

import numpy as np
import pytest
from astropy.io import fits
from builders import cube_header, small_cube, write_cube
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Psf
from autospec_lib.inputs import psf


def moffat_cards(**changed):
    cards = {'FSFMODE': 'MOFFAT1', 'FSF00BET': 2.5, 'FSF00FWA': 0.9, 'FSF00FWB': -3e-5} | changed
    return fits.Header({card: value for card, value in cards.items() if value is not None})


def polynomial_cards(field=0, fwhm=(-0.2, 0.7), beta=(2.2,), **changed):
    cards = {'FSFMODE': 2, 'FSFLB1': 5000.0, 'FSFLB2': 9000.0}
    for name, numbers in (('F', fwhm), ('B', beta)):
        cards[f'FSF{field:02d}{name}NC'] = len(numbers)
        cards |= {
            f'FSF{field:02d}{name}{power:02d}': number for power, number in enumerate(numbers)
        }
    return fits.Header(
        {card: value for card, value in (cards | changed).items() if value is not None}
    )


WAVE = np.linspace(5000.0, 9000.0, 11)
TWO = {
    'NFIELDS': 2,
    'FSF01BET': 2.0,
    'FSF01FWA': 1.0,
    'FSF01FWB': 0.0,
    'FSF02BET': 3.0,
    'FSF02FWA': 0.5,
    'FSF02FWB': 0.0,
}


@pytest.mark.parametrize(
    ('setting', 'wave', 'expected'),
    [
        ((), WAVE, None),
        ((0.8,), WAVE, Psf((0.8, 0.8))),
        ((0.9, 0.7), WAVE, Psf((0.9, 0.7))),
        ((0.9, 0.7, 2.4), WAVE, Psf((0.9, 0.7), (2.4,))),
        ((0.9, 0.7), WAVE[::-1], Psf((0.7, 0.9))),
    ],
)
def test_the_psf_that_the_user_gives(tmp_path, setting, wave, expected):
    assert psf.read(setting, tmp_path, fits.Header(), wave, 'Angstrom') == expected


@pytest.mark.parametrize(
    ('cards', 'expected'),
    [
        (moffat_cards(), (0.75, 0.63, 2.5)),
        (polynomial_cards(), (0.8, 0.6, 2.2)),
        (moffat_cards(**TWO), (0.75, 0.75, 2.5)),
    ],
)
def test_the_psf_in_the_header_at_the_ends_of_the_cube(tmp_path, cards, expected):
    found = psf.read('header', tmp_path, cards, WAVE / 10, 'nm')
    assert_allclose((*found.fwhm([0, 1]), found.beta(0.3)), expected)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(
    'cards',
    [
        moffat_cards(),
        moffat_cards(**TWO),
        polynomial_cards(3, (0.1, 0.15, -0.2, 0.62), (0.3, -0.6, 2.3)),
        polynomial_cards(99, (0.8,), (0.6, 2.5)),
        polynomial_cards(1, (0.1, 0.7), (2.3,), NFIELDS=2)
        + polynomial_cards(2, (0.2, -0.1, 0.8), (1.8,)),
    ],
)
def test_the_psf_in_the_header_is_that_of_mpdaf(tmp_path, cards):
    from mpdaf.MUSE import FSFModel

    theirs = FSFModel.read(cards, pixstep=1.0)
    theirs = theirs if isinstance(theirs, list) else [theirs]
    where = np.linspace(0, 1, 65)
    for ends in ([4750.0, 9350.0], [5100.0, 5600.0], [8000.0, 5000.0]):
        wave = ends[0] + (ends[1] - ends[0]) * where
        found = psf.read('header', tmp_path, cards, wave, 'Angstrom')
        assert_allclose(
            found.fwhm(where), np.mean([one.get_fwhm(wave) for one in theirs], axis=0), rtol=1e-3
        )
        assert_allclose(
            found.beta(where), np.mean([one.get_beta(wave) for one in theirs], axis=0), rtol=1e-3
        )
        assert_allclose(
            found.fwhm(where[::2]), np.mean([one.get_fwhm(wave[::2]) for one in theirs], axis=0)
        )


@pytest.mark.parametrize(
    ('cards', 'facts'),
    [
        (fits.Header(), ['FSFMODE']),
        (moffat_cards(FSFMODE='EASY'), ['FSFMODE', 'EASY', 'MOFFAT1']),
        (moffat_cards(FSF00BET=None), ['FSF00BET']),
        (moffat_cards(FSF00FWB=None), ['FSF00FWB']),
        (moffat_cards(FSF00FWA='wide'), ['wide']),
        (moffat_cards(NFIELDS=2), ['FSF01FWA']),
        (moffat_cards(FSF00FWA=-1.0), ['-1.15', '-1.27', '2.5']),
        (polynomial_cards(FSF00F01=None), ['FSF00F01']),
        (polynomial_cards(FSFLB2=None), ['FSFLB2']),
        (polynomial_cards(FSFLB2=4000.0), ['5000', '4000']),
        (polynomial_cards(beta=(0.9,)), ['0.9']),
    ],
)
def test_a_header_without_a_usable_psf_is_a_fault(tmp_path, cards, facts):
    with pytest.raises(InputError) as fault:
        psf.read('header', tmp_path / 'cube.fits', cards, WAVE, 'Angstrom')
    assert str(fault.value).startswith("cube.fits: PSF = 'header'")
    assert all(fact in str(fault.value) for fact in facts)


@pytest.mark.parametrize('unit', ['Angstroms', 'Hz', ''])
def test_a_psf_in_the_header_of_a_cube_whose_unit_is_none_of_length_is_a_fault(tmp_path, unit):
    with pytest.raises(InputError, match=rf'^cube\.fits: .*{unit!r}.*CUNIT3'):
        psf.read('header', tmp_path / 'cube.fits', moffat_cards(), WAVE, unit)
    with pytest.raises(InputError, match='FSFMODE'):
        psf.read('header', tmp_path / 'cube.fits', fits.Header(), WAVE, unit)


def test_a_header_without_psf_stops_the_run_before_it_starts(folder, capsys):
    with (folder / 'param.py').open('a') as file:
        file.write("PSF = 'header'\n")
    assert main([str(folder), '-q']) == 2
    assert capsys.readouterr().err.count('FSFMODE') == 1
    assert not (folder / 'output').exists()
    write_cube(folder / 'datacube.fits', *small_cube(), header=cube_header())
    with fits.open(folder / 'datacube.fits', mode='update') as hdus:
        hdus[0].header.update(moffat_cards())
    assert main([str(folder), '-q']) == 0
