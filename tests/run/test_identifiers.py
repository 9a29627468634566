"""Whole runs with text IDs, positions in pixels, apertures and redshifts of rows."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from builders import DEC, RA, sky_header

from autospec_lib.cli.command import main
from autospec_lib.core import file_names


def rows(folder, text):
    (folder / 'catalog.txt').write_text(text)


def append(folder, text):
    with (folder / 'param.py').open('a') as file:
        file.write(text)


def key(folder, stem, name):
    with fits.open(folder / 'output' / f'Source_{stem}.fits') as hdus:
        return hdus[f'SPE_{name}_DATA'].data.copy()


def test_a_text_id_names_files_and_stays_in_the_header_for_mpdaf(folder, capsys):
    rows(folder, f'NAME,RA,DEC,Z\nNGC 7/$a^$,{RA},{DEC},0.5\nKäse:2,{RA + 1 / 3600},{DEC},-\n')
    append(folder, 'PLOTS = True\n')
    assert main([str(folder), '-v']) == 0
    said = capsys.readouterr().out
    assert 'NGC 7/$a^$: Extracted Successfully' in said
    output = folder / 'output'
    assert {path.name for path in output.glob('*.fits')} == {
        'Source_NGC_7__a__.fits',
        'Source_Kase_2.fits',
        'summary.fits',
    }
    pictures = output / 'images' / 'NGC_7__a__'
    assert (pictures / 'NGC_7__a___SPECTRA.jpg').exists()

    from mpdaf.sdetect import Source

    source = Source.from_file(str(output / 'Source_NGC_7__a__.fits'))
    assert source.ID == 'NGC 7/$a^$'
    source.info()
    assert (source.z['Z_DESC'][0], source.z['Z'][0], source.z['Z_MAX'][0]) == ('CATALOG', 0.5, 0.5)
    assert source.spectra['MUSE_TOT_SKYSUB'].shape == (31,)
    assert Source.from_file(str(output / 'Source_Kase_2.fits')).z is None
    assert fits.getheader(output / 'Source_Kase_2.fits')['ID'] == 'K?se:2'  # FITS holds ASCII only


def test_tables_know_text_ids(folder, ran):
    """Also where the name of one begins with that of another."""
    append(folder, 'OUT_1D = True\nMARZ = True\nAPER = ()\n')
    rows(folder, f'NAME,RA,DEC,APER\nA,{RA},{DEC},0.6\nA_B,{RA},{DEC},\n12,{RA},{DEC},\n')
    ran(folder)
    table = Table.read(folder / 'output' / 'summary.ecsv')
    assert list(table['ID']) == ['A', 'A_B', '12']
    spectra = folder / 'output' / 'spectra'
    assert fits.getheader(spectra / 'A_MUSE_APER_0.6.fits', 1)['APERTURE'] == 0.6
    assert [row['NAME'] for row in fits.getdata(folder / 'output' / 'marz.fits', 'FIBRES')] == [
        'A',
        'A_B',
        '12',
    ]
    there = {path.name for path in spectra.glob('A_B_*')}
    assert main([str(folder), '-q', '--id', 'A']) == 0
    assert {path.name for path in spectra.glob('A_B_*')} == there
    assert list(Table.read(folder / 'output' / 'summary.ecsv')['STATUS']) == [
        'extracted',
        'extracted',
        'extracted',
    ]


def test_redshifts_come_back_to_text_ids(folder, tmp_path, ran):
    """MARZ itself drops blanks and commas of a name; FITS holds ASCII only."""
    append(folder, 'MARZ = True\n')
    rows(folder, f'NAME,RA,DEC\nM 31,{RA},{DEC}\n"N, B",{RA},{DEC}\nZwölf,{RA},{DEC}\n')
    ran(folder)
    names = [row['NAME'] for row in fits.getdata(folder / 'output' / 'marz.fits', 'FIBRES')]
    saved = [''.join(name.split()).replace(',', '') for name in names]
    lines = [f'  {n},  {name},  QSO,  {n}.5,  4,  ' for n, name in enumerate(saved)]
    (tmp_path / 'x.mz').write_text(
        '\n'.join(['#ID, Name, AutoTN, AutoZ, QOP, Comment', *lines, ''])
    )
    assert main([str(folder), '--marz-results', str(tmp_path / 'x.mz')]) == 0
    table = Table.read(folder / 'output' / 'summary.ecsv')
    assert dict(zip(table['ID'], table['Z_MARZ'], strict=True)) == {
        'M 31': 0.5,
        'N, B': 1.5,
        'Zwölf': 2.5,
    }


@pytest.mark.parametrize(('prefix', 'ident'), [('', 'summary'), ('', 'Marz'), ('sum', 'mary')])
def test_a_source_may_not_have_the_name_of_the_summary(folder, capsys, prefix, ident):
    rows(folder, f'NAME,RA,DEC\n{ident},{RA},{DEC}\n')
    append(folder, f'PRE_OUT = {prefix!r}\n')
    assert main([str(folder), '-q']) == 2
    assert f'PRE_OUT = {prefix!r} and ID {ident} ' in capsys.readouterr().err


def test_text_ids_are_selected_and_resumed(folder, capsys):
    rows(folder, f'NAME,RA,DEC\nM 31,{RA},{DEC}\nM 33,{RA},{DEC}\n12,{RA},{DEC}\n')
    assert main([str(folder), '-q', '--id', 'M 31', '12']) == 0
    assert {path.name for path in (folder / 'output').glob('S*.fits')} == {
        'Source_M_31.fits',
        'Source_12.fits',
    }
    assert main([str(folder), '-v', '--resume']) == 0
    said = capsys.readouterr().out
    assert 'M 31: Kept' in said
    assert 'M 33: Extracted' in said
    assert main([str(folder), '--id', 'M31']) == 2
    assert (
        '--id M31: not in catalog.txt; its IDs are M 31, M 33 and numbers from 12 to 12; did you mean M 31?'
        in capsys.readouterr().err
    )


def test_neighbours_with_text_ids(folder, ran):
    rows(folder, f'NAME,RA,DEC\nN1,{RA},{DEC}\nKäse 31,{RA + 1.2 / 3600},{DEC}\n')
    append(folder, 'DEBLEND = True\n')
    ran(folder)
    with fits.open(folder / 'output' / 'Source_N1.fits') as hdus:
        assert hdus[0].header['DBID1'] == 'K?se 31'
        assert 'IMA_DEBLEND_PROFILE_Kase_31_DATA' in hdus
    with fits.open(folder / 'output' / 'Source_Kase_31.fits') as hdus:
        # N1 alone is the first neighbour that no catalogue names.
        assert 'IMA_DEBLEND_PROFILE_ID_N1_DATA' in hdus


def test_positions_and_sizes_in_pixels_are_those_of_the_cube(folder, capsys):
    # The source is at pixel (13, 11), counted from 0.
    rows(folder, 'NUMBER,X_IMAGE,Y_IMAGE,SIZE (pix)\n7,14,12,13\n')
    append(folder, "MODE = 'cat'\n")
    assert main([str(folder), '--check']) == 0
    said = capsys.readouterr()
    assert 'source 7: 13 x 13 spaxels' in said.out
    assert (
        'catalogue: catalog.txt: SExtractor (CSV): ID = NUMBER, X = X_IMAGE, Y = Y_IMAGE, SIZE [pix]'
        in said.out
    )
    assert 'X and Y are taken as pixels of the cube' in said.err
    assert main([str(folder), '-q']) == 0
    header = fits.getheader(folder / 'output' / 'Source_7.fits')
    truth = WCS(sky_header()).all_pix2world([(13, 11)], 0)[0]
    np.testing.assert_allclose([header['RA'], header['DEC']], truth, rtol=0, atol=1e-7)
    (log,) = (folder / 'logs').glob('*.log')
    assert '# catalogue: catalog.txt: SExtractor' in log.read_text()


def test_the_aperture_of_a_row_is_one_of_the_runs(folder, ran):
    rows(folder, f'ID RA DEC APER\n7 {RA} {DEC} 0.9\n8 {RA} {DEC} -\n9 {RA} {DEC} 0.56\n')
    append(folder, 'APER = 0.6\n')
    ran(folder)
    own = key(folder, 7, 'MUSE_APER_0.9_SKYSUB')
    with fits.open(folder / 'output' / 'Source_8.fits') as hdus:
        assert 'SPE_MUSE_APER_0.9_SKYSUB_DATA' not in hdus
    sums = [key(folder, 9, f'MUSE_APER_{radius}_SKYSUB').sum() for radius in ('0.6', '0.56')]
    assert sums[0] == key(folder, 8, 'MUSE_APER_0.6_SKYSUB').sum() != sums[1]
    rows(folder, f'7 {RA} {DEC}\n')
    append(folder, 'APER = 0.6, 0.9\n')
    assert main([str(folder), '-q']) == 0
    np.testing.assert_array_equal(key(folder, 7, 'MUSE_APER_0.9_SKYSUB'), own)


def test_a_reference_may_be_the_rows_own_aperture(folder, capsys):
    rows(folder, f'ID RA DEC REF APER\n7 {RA} {DEC} 0.9 0.9\n')
    append(folder, "MODE = 'cat'\n")
    assert main([str(folder), '--check']) == 0
    assert 'reference MUSE_APER_0.9' in capsys.readouterr().out
    assert main([str(folder), '-q']) == 0
    assert fits.getheader(folder / 'output' / 'Source_7.fits')['REFSPEC'] == 'MUSE_APER_0.9_SKYSUB'


def test_a_table_gives_what_the_same_text_gives(folder, ran):
    ran(folder)
    text = key(folder, 7, 'MUSE_TOT_SKYSUB')
    Table({'source_id': [7], 'ra': [round(RA, 7)], 'dec': [round(DEC, 7)]}).write(
        folder / 'gaia.fits'
    )
    append(folder, "CATALOG = 'gaia.fits'\n")
    assert main([str(folder), '-q']) == 0
    np.testing.assert_array_equal(key(folder, 7, 'MUSE_TOT_SKYSUB'), text)


@pytest.mark.parametrize(
    ('ident', 'stem'),
    [
        (7, '7'),
        ('J084218.80+013833.0', 'J084218.80+013833.0'),
        ('a/b\\c:d*e?f"g<h>i|j', 'a_b_c_d_e_f_g_h_i_j'),
        ('../x', '_._x'),
        ('..', '__'),
        ('.hidden.', '_hidden_'),
        ('con', 'con_'),
        ('NUL.fits', 'NUL.fits_'),
        ('Ångström', 'Angstrom'),
        ('α', '_'),
    ],
)
def test_names_of_files(ident, stem):
    assert file_names.file_stem(ident) == stem
