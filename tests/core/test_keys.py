"""The names of what is written, and their prefix."""

import pytest
from astropy.io import fits
from builders import gaussian, sky_header
from mpdaf.sdetect import Source

from autospec_lib.cli.command import main
from autospec_lib.core import keys


@pytest.mark.parametrize(
    ('name', 'with_prefix'),
    [
        ('MUSE_WHITE', 'MANGA_WHITE'),
        ('MUSE_TOT_SKYSUB', 'MANGA_TOT_SKYSUB'),
        ('MUSE_WHITE_CONTSUB_SKYSUB', 'MANGA_WHITE_CONTSUB_SKYSUB'),
        ('MUSE_APER_1.5', 'MANGA_APER_1.5'),
        ('SEG_MUSE_WHITE', 'SEG_MANGA_WHITE'),
        ('MUSE_CONTSUB', 'MANGA_CONTSUB'),
        ('MUSE_DEEP', 'MUSE_DEEP'),
        ('MUSE_WHITE-OLD', 'MUSE_WHITE-OLD'),
        ('HST-MUSE_WHITE', 'HST-MUSE_WHITE'),
        ('a cube of MUSE (MUSE_TOT, MUSE_SKY)', 'a cube of MUSE (MANGA_TOT, MANGA_SKY)'),
    ],
)
def test_only_the_programs_own_names_take_the_prefix(name, with_prefix):
    assert keys.prefixed(name, 'MANGA') == with_prefix
    assert keys.prefixed(name, keys.MUSE) == name


@pytest.mark.parametrize(
    ('ref', 'tag'),
    [
        ('', 'MUSE_WHITE'),
        ('2', 'MUSE_APER_2.0'),
        ('3', None),
        ('2.04', None),  # another circle, though its name would be the same
        ('deep.fits', 'DEEP'),
        ('hst_white', 'HST_WHITE'),  # an image comes before white light with another prefix
        ('MANGA_WHITE', 'MUSE_WHITE'),
        ('jwst_aper_2.0', 'MUSE_APER_2.0'),
        ('deblend', None),
        ('MANGA_TOT', None),
    ],
)
def test_what_a_reference_stands_for(ref, tag):
    assert keys.reference(ref, ['DEEP', 'HST_WHITE'], [2.0], False) == tag


def test_a_prefix_is_in_all_names_of_a_run_and_changes_nothing_else(folder):
    picture = 1e4 * gaussian(11, 13)
    fits.PrimaryHDU(picture, sky_header()).writeto(folder / 'muse_deep.fits')
    with (folder / 'param.py').open('a') as file:
        file.write("IMG = 'muse_deep.fits'\nAPER = 0.6\nREF = 0.6\nOUT_SUB = True\nPLOTS = True\nDEBLEND = True\n")
    assert main([str(folder), '-q']) == 0
    plain = Source.from_file(str(folder / 'output' / 'Source_7.fits'))
    with (folder / 'param.py').open('a') as file:
        file.write("PREFIX = 'kcwi'\nREF = 'KCWI_APER_0.6'\nOUTPUT = 'named'\n")
    assert main([str(folder), '-q']) == 0
    named = Source.from_file(str(folder / 'named' / 'Source_7.fits'))
    for kind in ('spectra', 'images', 'cubes'):
        before, after = getattr(plain, kind), getattr(named, kind)
        expected = {'KCWI' if key == 'MUSE' else keys.prefixed(key, 'KCWI'): key for key in before}
        assert set(after) == set(expected)
        assert all((after[new].data == before[old].data).all() for new, old in expected.items())
    assert named.header['REFSPEC'] == 'KCWI_APER_0.6_SKYSUB'
    assert 'MUSE_DEEP' in named.images
    assert len(list((folder / 'named' / 'images' / '7').glob('*.jpg'))) == 5


@pytest.mark.parametrize('file', ['kcwi_white.fits', 'kcwi_aper_0.6.fits', 'muse_tot.fits'])
def test_an_image_with_a_name_of_the_program_is_refused(folder, file, capsys):
    fits.PrimaryHDU(gaussian(11, 13), sky_header()).writeto(folder / file)
    with (folder / 'param.py').open('a') as out:
        out.write(f"PREFIX = 'KCWI'\nIMG = '{file}'\n")
    assert main([str(folder)]) == 2
    said = capsys.readouterr().err
    assert 'param.py, line 6' in said
    assert file in said
