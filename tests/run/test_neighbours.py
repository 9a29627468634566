"""Neighbours come from the whole catalogue: in a run, when it is resumed, and in what --check
says."""

import pytest
from astropy.io import fits
from builders import DEC, PIXEL, RA

from autospec_lib.cli.command import main


@pytest.fixture
def pair(folder):
    """The working folder with a second source one arcsec east of the first, and a third far
    away."""
    east = RA + 5 * PIXEL / 3600
    (folder / 'catalog.txt').write_text(
        f'7 {RA:.7f} {DEC:.7f}\n8 {east:.7f} {DEC:.7f}\n9 {RA:.7f} 2.1\n'
    )
    with (folder / 'param.py').open('a') as file:
        file.write('DEBLEND = True\nPLOTS = True\nPSF = 0.94\n')
    return folder


def test_neighbours_are_all_of_the_catalogue_whatever_is_selected(pair):
    assert main([str(pair), '-q', '--id', '7']) == 0
    with fits.open(pair / 'output' / 'Source_7.fits') as hdus:
        assert hdus[0].header['DBID1'] == 8
        assert 'IMA_DEBLEND_PROFILE_8_DATA' in hdus
        assert 'SPE_MUSE_PSF_SKYSUB_STAT' in hdus
        assert 'IMA_DEBLEND_PROFILE_9_DATA' not in hdus
    assert (pair / 'output' / 'images' / '7' / '7_DEBLEND.jpg').exists()


@pytest.mark.long
def test_resume_knows_the_neighbours_and_the_picture(pair, capsys):
    kept = 'Kept, complete since an earlier run'
    assert main([str(pair), '-q', '--id', '7']) == 0
    assert main([str(pair), '--resume', '-v', '--id', '7']) == 0
    assert kept in capsys.readouterr().out
    (pair / 'output' / 'images' / '7' / '7_DEBLEND.jpg').unlink()
    assert main([str(pair), '--resume', '-v', '--id', '7']) == 0
    assert kept not in capsys.readouterr().out
    with (pair / 'catalog.txt').open('a') as file:
        file.write(f'10 {RA:.7f} {DEC + 1 / 3600:.7f}\n')
    assert main([str(pair), '--resume', '-v', '--id', '7']) == 0
    assert kept not in capsys.readouterr().out


def test_check_counts_the_joint_extraction_in(pair, capsys):
    with (pair / 'param.py').open('a') as file:
        file.write("REF = 'DEBLEND'\n")
    assert main([str(pair), '--check']) == 0
    assert 'reference DEBLEND\n' in capsys.readouterr().out
