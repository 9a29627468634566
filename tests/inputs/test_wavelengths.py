"""One truth, 4750 to 4787.5 Angstrom, in every axis that headers describe: the spectra have these
wavelengths."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import NL, STEP, WAVE0, cube_header, small_cube, write_cube
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.inputs import cube

LINEAR = WAVE0 + STEP * np.arange(NL)
LOG10 = 1e-4 * np.arange(NL)
GONE = None


def header_with(**cards):
    header = cube_header()
    for card, value in cards.items():
        header.remove(card) if value is GONE else header.set(card, value)
    return header


CASES = {
    'MUSE': ({}, LINEAR),
    'metres': ({'CRVAL3': WAVE0 * 1e-10, 'CD3_3': STEP * 1e-10, 'CUNIT3': 'm'}, LINEAR),
    'metres, not said': ({'CRVAL3': WAVE0 * 1e-10, 'CD3_3': STEP * 1e-10, 'CUNIT3': GONE}, LINEAR),
    'Angstrom, not said': ({'CUNIT3': GONE}, LINEAR),
    'Angstroms': ({'CUNIT3': 'Angstroms'}, LINEAR),
    'angstrom': ({'CUNIT3': 'angstrom'}, LINEAR),
    'nm': ({'CRVAL3': WAVE0 / 10, 'CD3_3': STEP / 10, 'CUNIT3': 'nm'}, LINEAR),
    'nm, not said': ({'CRVAL3': WAVE0 / 10, 'CD3_3': STEP / 10, 'CUNIT3': GONE}, LINEAR),
    'um': ({'CRVAL3': WAVE0 / 1e4, 'CD3_3': STEP / 1e4, 'CUNIT3': 'um'}, LINEAR),
    'microns': ({'CRVAL3': WAVE0 / 1e4, 'CD3_3': STEP / 1e4, 'CUNIT3': 'microns'}, LINEAR),
    'um, not said': ({'CRVAL3': WAVE0 / 1e4, 'CD3_3': STEP / 1e4, 'CUNIT3': GONE}, LINEAR),
    'reference channel': ({'CRPIX3': 5.0, 'CRVAL3': WAVE0 + 4 * STEP}, LINEAR),
    'no reference channel': ({'CRPIX3': GONE, 'CRVAL3': WAVE0 - STEP}, LINEAR),
    'no type': ({'CTYPE3': GONE}, LINEAR),
    'LINEAR': ({'CTYPE3': 'LINEAR'}, LINEAR),
    'CDELT beside CD': ({'CD3_3': GONE, 'CDELT3': STEP}, LINEAR),
    'paper III': ({'CTYPE3': 'AWAV-LOG'}, WAVE0 * np.exp(STEP / WAVE0 * np.arange(NL))),
    'paper III, metres': (
        {'CTYPE3': 'WAVE-LOG', 'CRVAL3': WAVE0 * 1e-10, 'CD3_3': STEP * 1e-10, 'CUNIT3': 'm'},
        WAVE0 * np.exp(STEP / WAVE0 * np.arange(NL)),
    ),
    'frequency': ({'CTYPE3': 'WAVE-F2W'}, WAVE0 / (1 - STEP / WAVE0 * np.arange(NL))),
    'cm': ({'CRVAL3': WAVE0 * 1e-8, 'CD3_3': STEP * 1e-8, 'CUNIT3': 'cm'}, LINEAR),
    'scaled unit': ({'CUNIT3': '1e-10 m'}, LINEAR),
    'nanometers': ({'CRVAL3': WAVE0 / 10, 'CD3_3': STEP / 10, 'CUNIT3': 'nanometers'}, LINEAR),
    'metres, spelled': (
        {'CRVAL3': WAVE0 * 1e-10, 'CD3_3': STEP * 1e-10, 'CUNIT3': 'metres'},
        LINEAR,
    ),
    'slightly coupled': ({'CD3_1': 1e-9, 'CD1_3': 1e-12}, LINEAR),
    'DC-FLAG, but linear': ({'DC-FLAG': 1, 'CTYPE3': 'LINEAR'}, LINEAR),
    'IRAF, air': ({'DC-FLAG': 1, 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4}, WAVE0 * 10**LOG10),
    'IRAF': (
        {'DC-FLAG': 1, 'CTYPE3': 'LINEAR', 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4},
        WAVE0 * 10**LOG10,
    ),
    'log10, not said': (
        {'CTYPE3': 'LINEAR', 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4},
        WAVE0 * 10**LOG10,
    ),
    'log10, -LOG': (
        {'CTYPE3': 'WAVE-LOG', 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4},
        WAVE0 * 10**LOG10,
    ),
    'log10, no unit': (
        {'CTYPE3': 'LINEAR', 'CUNIT3': GONE, 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4},
        WAVE0 * 10**LOG10,
    ),
}
ASSUMED = {name for name in CASES if 'not said' in name} | {
    *(
        'no reference channel',
        'log10, no unit',
        'no type',
        'LINEAR',
        'DC-FLAG, but linear',
        'cm',
        'metres',
    ),
}


@pytest.mark.parametrize('case', CASES)
def test_spectra_have_the_wavelengths_of_the_cube_and_astropy_and_mpdaf_read_them(folder, case):
    from mpdaf.sdetect import Source

    cards, truth = CASES[case]
    write_cube(folder / 'datacube.fits', *small_cube(), header=header_with(**cards))
    opened = cube.open_cube(folder / 'datacube.fits')
    unit = opened.grid.wave_unit
    scale = {'Angstrom': 1, 'nm': 10, 'um': 1e4}[unit]
    assert_allclose(scale * opened.wave, truth, rtol=1e-9)
    assert bool(opened.notes) >= (case in ASSUMED)
    (folder / 'param.py').write_text('SIZE = 3\nPLOTS = REPORT = False\nOUT_SUB = True\n')
    assert main([str(folder), '-q']) == 0
    path = folder / 'output' / 'Source_7.fits'
    for name in ('SPE_MUSE_TOT_SKYSUB_DATA', 'CUB_MUSE_DATA'):
        wcs = WCS(fits.getheader(path, name))
        wcs = wcs.sub([wcs.naxis])
        assert_allclose(
            wcs.wcs_pix2world(np.arange(NL), 0)[0] * wcs.wcs.cunit[0].to('Angstrom'),
            truth,
            rtol=1e-6,
        )
    spectrum = Source.from_file(str(path)).spectra['MUSE_TOT_SKYSUB']
    assert_allclose(scale * spectrum.wave.coord(), truth, rtol=1e-6)


def test_steps_in_a_pc_matrix_count_as_those_in_a_cd_matrix(tmp_path):
    header = WCS(cube_header()).to_header()
    assert (header['CDELT3'], header['CUNIT3']) == (1, 'm')
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header)
    assert_allclose(cube.open_cube(tmp_path / 'c.fits').wave, LINEAR)


@pytest.mark.parametrize(
    ('cards', 'ctype', 'said'),
    [
        ({}, 'AWAV', False),
        ({'CTYPE3': 'WAVE'}, 'WAVE', False),
        ({'CTYPE3': 'AWAV-LOG'}, 'AWAV-LOG', False),
        ({'CTYPE3': 'LINEAR'}, 'LINEAR', True),
        ({'CTYPE3': 'LAMBDA'}, 'LINEAR', True),
        ({'CTYPE3': GONE}, 'LINEAR', True),
        ({'DC-FLAG': 1, 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4}, 'AWAV-LOG', False),
        (
            {'DC-FLAG': 1, 'CTYPE3': 'LINEAR', 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4},
            'WAVE-LOG',
            True,
        ),
    ],
)
def test_air_stays_air_and_what_the_header_does_not_say_is_a_note(tmp_path, cards, ctype, said):
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header_with(**cards))
    opened = cube.open_cube(tmp_path / 'c.fits')
    assert opened.grid.spectral['CTYPE1'] == ctype
    assert any('air or vacuum' in note for note in opened.notes) == said


def test_the_cards_of_muse_cubes_are_copied_to_the_last_bit(tmp_path):
    write_cube(
        tmp_path / 'c.fits',
        small_cube()[0],
        header=header_with(CRVAL3=4749.89404296875, CRPIX3=1.0),
    )
    opened = cube.open_cube(tmp_path / 'c.fits')
    cards = {
        'CRPIX1': 1.0,
        'CRVAL1': 4749.89404296875,
        'CDELT1': STEP,
        'CUNIT1': 'Angstrom',
        'CTYPE1': 'AWAV',
    }
    assert dict(opened.grid.spectral) == cards
    assert_allclose(opened.wave, 4749.89404296875 + STEP * np.arange(NL), rtol=1e-14)


def test_cards_of_the_frame_that_are_nonsense_are_left_out(folder):
    cards = {'SPECSYS': 3, 'VELOSYS': 'fast', 'RESTWAV': 'red', 'SSYSOBS': 'TOPOCENT'}
    write_cube(folder / 'datacube.fits', *small_cube(), header=header_with(**cards))
    assert main([str(folder), '-q']) == 0
    header = fits.getheader(folder / 'output' / 'Source_7.fits', 'SPE_MUSE_TOT_SKYSUB_DATA')
    assert {card: header.get(card) for card in cards} == dict.fromkeys(cards) | {
        'SSYSOBS': 'TOPOCENT'
    }


def test_the_frame_of_the_wavelengths_is_kept(folder):
    write_cube(
        folder / 'datacube.fits',
        *small_cube(),
        header=header_with(SPECSYS='BARYCENT', VELOSYS=12.5),
    )
    assert main([str(folder), '-q']) == 0
    header = fits.getheader(folder / 'output' / 'Source_7.fits', 'SPE_MUSE_TOT_SKYSUB_DATA')
    assert (header['SPECSYS'], header['VELOSYS']) == ('BARYCENT', 12.5)


@pytest.mark.parametrize(
    ('cards', 'said'),
    [
        ({'CUNIT3': 'km/s'}, "CUNIT3 = 'km/s' is not a unit of wavelength"),
        ({'CTYPE3': GONE, 'CUNIT3': 'Hz'}, "CUNIT3 = 'Hz'"),
        ({'CUNIT3': 'furlongs'}, "CUNIT3 = 'furlongs'"),
        ({'CRVAL3': 1.0}, 'wavelengths are 1 to 38.5 Angstrom; expected 0.05 to 1000 micron'),
        ({'CRVAL3': 1e8}, '0.05 to 1000 micron'),
        ({'CRVAL3': 'blue'}, 'no wavelength axis'),
        ({'CD3_3': GONE}, 'no wavelength axis'),
        ({'CTYPE3': 'WAVE-TAB'}, "CTYPE3 = 'WAVE-TAB'"),
        ({'CTYPE3': 'WAVE-XXX'}, "CTYPE3 = 'WAVE-XXX'"),
        ({'CTYPE3': 'WAVE-V2W'}, 'rest frequency'),
        ({'CUNIT3': GONE, 'CRVAL3': 1.0, 'CD3_3': 1.0}, 'no unit of wavelengths (CUNIT3)'),
        (
            {'CUNIT3': GONE, 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4},
            'no unit of wavelengths (CUNIT3)',
        ),
        (
            {'CUNIT3': GONE, 'CRVAL3': np.log(WAVE0), 'CD3_3': 1e-4},
            'no unit of wavelengths (CUNIT3)',
        ),
        ({'DC-FLAG': 1, 'CRVAL3': 400.0}, '0.05 to 1000 micron'),
        ({'CD3_1': 0.5}, 'CD3_1 = 0.5'),
        ({'CD1_3': 1e-5}, 'CD1_3 = 1e-05'),
    ],
)
def test_axes_without_sense_are_refused(tmp_path, cards, said):
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header_with(**cards))
    with pytest.raises(InputError) as caught:
        cube.open_cube(tmp_path / 'c.fits')
    assert said in str(caught.value)


def test_check_prints_wavelengths_so_that_nonsense_shows(folder, capsys):
    write_cube(folder / 'datacube.fits', *small_cube(), header=WCS(cube_header()).to_header())
    assert main([str(folder), '--check']) == 0
    assert 'wavelengths: 4750 to 4787.5 Angstrom' in capsys.readouterr().out
