"""Spectra as tables: what specutils, without being told the format, and astropy make of them."""

import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from builders import CUTOUT, STEP, WAVE0, changed, make_cutout, process, with_hole
from numpy.testing import assert_allclose, assert_array_equal

from autospec_lib.cli.command import main
from autospec_lib.core.types import Grid
from autospec_lib.output import spectra_1d, summary

CARDS = {
    'CTYPE1': 'AWAV',
    'CUNIT1': 'Angstrom',
    'CRVAL1': WAVE0,
    'CDELT1': STEP,
    'CRPIX1': 1.0,
    'SPECSYS': 'BARYCENT',
}
CGS = '10**-20 erg Angstrom-1 s-1 cm-2'


def on(grid, cutout=None):
    return replace(cutout or make_cutout(), grid=grid)


def written(folder, cutout, **params):
    """The products of a cut-out after their spectra were written, and the spectra by their files'
    names."""
    products = process(cutout, aper=(1.0,), **params)
    spectra_1d.write(folder, products, cutout)
    return products, dict(
        zip(spectra_1d.names(5, products.main_spectra), products.main_spectra.values(), strict=True)
    )


def read(path):
    """What specutils makes of a file."""
    from specutils import Spectrum

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return Spectrum.read(path)


@pytest.mark.parametrize(
    ('unit', 'wave_unit', 'scale'),
    [
        (CGS, 'Angstrom', 1.0),
        ('Jy', 'um', 1e-4),
        ('10**-20 W m-2 um-1', 'nm', 0.1),
        ('adu', 'Angstrom', 1.0),
        ('mJy', 'um', 1e-4),
    ],
)
def test_specutils_reads_flux_uncertainty_and_mask(tmp_path, unit, wave_unit, scale):
    cutout = make_cutout()
    cutout = on(
        Grid({}, CARDS | {'CUNIT1': wave_unit}, unit, wave_unit=wave_unit),
        replace(cutout, wave=cutout.wave * scale),
    )
    bad = np.zeros(CUTOUT, bool)
    bad[7] = True
    _, spectra = written(tmp_path, changed(cutout, bad=bad))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(spectra)
    for name, spectrum in spectra.items():
        found = read(tmp_path / name)
        assert found.flux.unit == units.Unit(unit)
        assert type(found.uncertainty).__name__ == 'StdDevUncertainty'
        assert_allclose(
            found.spectral_axis.to_value('Angstrom'),
            WAVE0 + STEP * np.arange(CUTOUT[0]),
            rtol=1e-12,
        )
        assert_allclose(found.flux.value, spectrum.data, rtol=1e-6)
        assert_allclose(found.uncertainty.array, np.sqrt(spectrum.variance), rtol=1e-6)
        assert_array_equal(found.mask, np.arange(CUTOUT[0]) == 7)


def test_a_logarithmic_axis_and_one_that_descends_are_as_they_are(tmp_path):
    for wave in (np.geomspace(3600, 10300, CUTOUT[0]), np.linspace(9000, 5000, CUTOUT[0])):
        written(tmp_path, replace(on(Grid({}, CARDS, CGS)), wave=wave))
        assert_allclose(
            read(tmp_path / '5_MUSE_TOT.fits').spectral_axis.to_value('Angstrom'), wave, rtol=1e-12
        )


def test_without_variance_there_is_no_uncertainty(tmp_path):
    written(tmp_path, changed(on(Grid({}, CARDS, CGS)), variance=None))
    found = read(tmp_path / '5_MUSE_TOT.fits')
    assert found.uncertainty is None
    assert not found.mask.any()


@pytest.mark.parametrize('unit', ['', 'none/spaxel', 'MJy sr-1'])
def test_units_that_specutils_does_not_know_are_in_the_table_as_they_are(tmp_path, unit):
    products, _ = written(tmp_path, on(Grid({}, CARDS, unit)))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        table = Table.read(tmp_path / '5_MUSE_TOT.fits')
    assert table.colnames == ['wavelength', 'flux', 'uncertainty', 'mask']
    assert_allclose(table['flux'], products.spectra['MUSE_TOT_SKYSUB'].data, rtol=1e-6)
    assert fits.getheader(tmp_path / '5_MUSE_TOT.fits', 1).get('TUNIT2', '') == unit


@pytest.mark.parametrize('medium', ['air', 'vacuum', ''])
def test_the_header_says_what_it_is(tmp_path, medium):
    products, _ = written(tmp_path, on(Grid({}, CARDS, CGS, medium=medium)))
    header = fits.getheader(tmp_path / '5_MUSE_APER_1.0.fits', 1)
    assert (header['ID'], header['OBJECT'], header['RA'], header['DEC']) == (5, '5', 0.0, 0.0)
    assert (header['SPECTRUM'], header['SKYSUB'], header['APERTURE']) == (
        'MUSE_APER_1.0_SKYSUB',
        True,
        1.0,
    )
    inside = products.spectra['MUSE_APER_1.0_SKYSUB'].weights > 0
    assert (header['NPIX'], header['AREA']) == (inside.sum(), pytest.approx(inside.sum() * 0.04))
    assert (header['AIRORVAC'], header['SPECSYS'], header['OBJMASK']) == (
        medium or 'unknown',
        'BARYCENT',
        'MASK_INTER',
    )
    assert medium in header['TCOMM1']
    assert 'APERTURE' not in fits.getheader(tmp_path / '5_MUSE_TOT.fits', 1)


def switch(folder, **values):
    with (folder / 'param.py').open('a') as file:
        file.writelines(f'{name} = {value!r}\n' for name, value in values.items())


def tables(folder):
    return sorted(path.name for path in (folder / 'output' / 'spectra').glob('*'))


ALL = [
    f'7_{key}.fits'
    for key in ('CROSS_CORRELATION', 'CROSS_CORRELATION_CONTSUB', 'MUSE_TOT', 'MUSE_WHITE')
]


def test_the_command_writes_them_on_demand(folder, capsys, ran):
    ran(folder)
    assert not (folder / 'output' / 'spectra').exists()
    switch(folder, OUT_1D=True)
    assert main([str(folder), '-q']) == 0
    assert tables(folder) == ALL
    with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
        flux, fingerprint = (
            np.array(hdus['SPE_MUSE_WHITE_SKYSUB_DATA'].data),
            hdus[0].header['FPRINT'],
        )
        unit = hdus['SPE_MUSE_WHITE_SKYSUB_DATA'].header['BUNIT']
    found = read(folder / 'output' / 'spectra' / '7_MUSE_WHITE.fits')
    assert_array_equal(found.flux.value.astype(np.float32), flux)
    assert found.flux.unit == units.Unit(unit) == units.Unit(CGS)
    assert (
        fits.getheader(folder / 'output' / 'spectra' / '7_MUSE_WHITE.fits')['FPRINT'] == fingerprint
    )
    switch(folder, PREFIX='KCWI', APER=0.6)
    assert main([str(folder), '-q']) == 0
    own = ['7_KCWI_APER_0.6.fits', '7_KCWI_TOT.fits', '7_KCWI_WHITE.fits']
    assert tables(folder) == [*ALL[:2], *own]
    assert fits.getheader(folder / 'output' / 'spectra' / own[0], 1)['APERTURE'] == 0.6
    assert main([str(folder), '--resume', '-v']) == 0
    assert 'Kept' in capsys.readouterr().out
    switch(folder, PREFIX='', OUT_SPEC=False, XCOR=False, APER=())
    assert main([str(folder), '-q']) == 0
    assert tables(folder) == ['7_MUSE_WHITE.fits']


def test_those_of_an_earlier_run_go_and_files_of_others_stay(folder, ran):
    switch(folder, OUT_1D=True)
    ran(folder)
    for name in ('70_MUSE_TOT.fits', '7_notes.fits'):
        fits.PrimaryHDU().writeto(folder / 'output' / 'spectra' / name)
    switch(folder, OUT_1D=False)
    assert main([str(folder), '-q']) == 0
    assert tables(folder) == ['70_MUSE_TOT.fits', '7_notes.fits']
    switch(folder, OUT_1D=True)
    assert main([str(folder), '-q']) == 0
    (folder / 'catalog.txt').write_text(f'7 {with_hole(folder)}\n')
    assert main([str(folder), '-q']) == 1
    assert tables(folder) == ['70_MUSE_TOT.fits', '7_notes.fits']


def test_those_that_a_failing_source_has_written_go_with_its_file(folder, monkeypatch, ran):
    ran(folder)
    switch(folder, OUT_1D=True)
    written = []

    def failing(*_):
        written.extend(tables(folder))
        raise MemoryError

    monkeypatch.setattr(summary, 'measure', failing)
    assert main([str(folder), '-q']) == 1
    assert written == ALL
    assert tables(folder) == []
    assert not (folder / 'output' / 'Source_7.fits').exists()


def test_the_folder_is_not_listed_for_each_source(folder, monkeypatch, ran):
    switch(folder, OUT_1D=True)
    ran(folder)
    listed = []
    for name in ('listdir', 'scandir'):
        original = getattr(os, name)
        monkeypatch.setattr(
            os,
            name,
            lambda path='.', original=original: listed.append(Path(path)) or original(path),
        )
    numbers = []
    for rows in (1, 6):
        row = (folder / 'catalog.txt').read_text().splitlines()[-1].split()
        (folder / 'catalog.txt').write_text(
            ''.join(f'{7 + n} {row[1]} {row[2]}\n' for n in range(rows))
        )
        listed.clear()
        assert main([str(folder), '-q']) == 0
        numbers.append(listed.count(folder / 'output' / 'spectra'))
    assert 0 < numbers[0] == numbers[1]
    assert len({name.split('_')[0] for name in tables(folder)}) == 6


def test_resuming_makes_what_is_missing(folder, capsys, ran):
    ran(folder)
    switch(folder, OUT_1D=True)
    assert main([str(folder), '--resume', '-v']) == 0
    assert 'Kept' not in capsys.readouterr().out
    assert tables(folder) == ALL
    assert main([str(folder), '--resume', '-v']) == 0
    assert 'Kept' in capsys.readouterr().out
    (folder / 'output' / 'spectra' / ALL[1]).unlink()
    assert main([str(folder), '--resume', '-v']) == 0
    assert 'Kept' not in capsys.readouterr().out
    assert tables(folder) == ALL


def test_an_input_in_their_place_is_not_written_over(folder, capsys):
    (folder / 'output' / 'spectra').mkdir(parents=True)
    (folder / 'datacube.fits').rename(folder / 'output' / 'spectra' / '7_CUBE.fits')
    switch(folder, DATACUBE='output/spectra/7_CUBE.fits', OUT_1D=True)
    assert main([str(folder)]) == 2
    assert '7_CUBE.fits: is the input output/spectra/7_CUBE.fits' in capsys.readouterr().err
