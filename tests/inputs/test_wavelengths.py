"""One truth, 4750 to 4787.5 Angstrom, in every axis that headers describe: the spectra have these wavelengths."""

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
    'IRAF': ({'DC-FLAG': 1, 'CTYPE3': 'LINEAR', 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4}, WAVE0 * 10**LOG10),
    'log10, not said': ({'CTYPE3': 'LINEAR', 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4}, WAVE0 * 10**LOG10),
    'log10, -LOG': ({'CTYPE3': 'WAVE-LOG', 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4}, WAVE0 * 10**LOG10),
    'log10, no unit': (
        {'CTYPE3': 'LINEAR', 'CUNIT3': GONE, 'CRVAL3': np.log10(WAVE0), 'CD3_3': 1e-4},
        WAVE0 * 10**LOG10,
    ),
}
ASSUMED = {name for name in CASES if 'not said' in name or name in ('no reference channel', 'log10, no unit')}


@pytest.mark.parametrize('case', CASES)
def test_spectra_have_the_wavelengths_of_the_cube_and_astropy_and_mpdaf_read_them(folder, case):
    from mpdaf.sdetect import Source

    cards, truth = CASES[case]
    write_cube(folder / 'datacube.fits', *small_cube(), header=header_with(**cards))
    opened = cube.open_cube(folder / 'datacube.fits')
    unit = opened.grid.wave_unit
    scale = {'Angstrom': 1, 'nm': 10, 'um': 1e4}[unit]
    assert_allclose(scale * opened.wave, truth, rtol=1e-9)
    assert bool(opened.remarks) >= (case in ASSUMED)
    (folder / 'param.py').write_text('SIZE = 3\nPLOTS = False\nOUT_SUB = True\n')
    assert main([str(folder), '-q']) == 0
    path = folder / 'output' / 'Source_7.fits'
    for name in ('SPE_MUSE_TOT_SKYSUB_DATA', 'CUB_MUSE_DATA'):
        wcs = WCS(fits.getheader(path, name)).spectral
        assert_allclose(1e10 * wcs.pixel_to_world_values(np.arange(NL)), truth, rtol=1e-6)
    spectrum = Source.from_file(str(path)).spectra['MUSE_TOT_SKYSUB']
    assert_allclose(scale * spectrum.wave.coord(), truth, rtol=1e-6)


def test_steps_in_a_pc_matrix_count_as_those_in_a_cd_matrix(tmp_path):
    header = WCS(cube_header()).to_header()
    assert (header['CDELT3'], header['CUNIT3']) == (1, 'm')
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header)
    assert_allclose(cube.open_cube(tmp_path / 'c.fits').wave, LINEAR)


def test_the_frame_of_the_wavelengths_is_kept(folder):
    write_cube(folder / 'datacube.fits', *small_cube(), header=header_with(SPECSYS='BARYCENT', VELOSYS=12.5))
    assert main([str(folder), '-q']) == 0
    header = fits.getheader(folder / 'output' / 'Source_7.fits', 'SPE_MUSE_TOT_SKYSUB_DATA')
    assert (header['SPECSYS'], header['VELOSYS']) == ('BARYCENT', 12.5)


@pytest.mark.parametrize(
    ('cards', 'said'),
    [
        ({'CUNIT3': 'km/s'}, "CUNIT3 = 'km/s' is no unit of wavelength"),
        ({'CTYPE3': GONE, 'CUNIT3': 'Hz'}, "CUNIT3 = 'Hz'"),
        ({'CUNIT3': 'furlongs'}, "CUNIT3 = 'furlongs'"),
        ({'CRVAL3': 1.0}, 'wavelengths are 1 to 38.5 Angstrom; expected 0.05 to 1000 micron'),
        ({'CRVAL3': 1e8}, '0.05 to 1000 micron'),
        ({'CRVAL3': 'blue'}, 'no wavelength axis'),
        ({'CD3_3': GONE}, 'no wavelength axis'),
        ({'CTYPE3': 'WAVE-TAB'}, 'only linear and -LOG axes'),
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
