"""The names of what is written, and their prefix."""

import pytest
from astropy.io import fits
from builders import gaussian, make_cutout, process, sky_header

from autospec_lib.cli.command import main
from autospec_lib.core.keys import Names


def test_the_programs_own_names_begin_with_the_prefix():
    names = Names('MANGA', (1.5,))
    own = names.white, names.sky, names.total, names.psf, names.aperture(1.5), names.prefix
    assert own == ('MANGA_WHITE', 'MANGA_SKY', 'MANGA_TOT', 'MANGA_PSF', 'MANGA_APER_1.5', 'MANGA')


@pytest.mark.parametrize(
    ('radii', 'digits'),
    [
        ((1, 0.6), ('1.0', '0.6')),
        ((1.04,), ('1.0',)),  # as ever, if no other radius has the same decimal
        ((1.0, 1.04), ('1.0', '1.04')),
        ((1.01, 1.04, 2.5), ('1.01', '1.04', '2.5')),
        ((0.96, 1.04), ('0.96', '1.04')),
        ((1e-5, 0.04, 0.041), ('0.00001', '0.04', '0.041')),
        ((1.0, 1.0), ('1.0', '1.0')),
    ],
)
def test_radii_have_the_digits_that_tell_them_apart(radii, digits):
    names = Names(radii=radii)
    assert [names.aperture(radius) for radius in radii] == [f'MUSE_APER_{text}' for text in digits]
    assert [names.aperture_mask(radius, 'SKY') for radius in radii] == [
        f'MASK_APER_{text}_SKY' for text in digits
    ]


def test_the_radius_of_a_row_that_is_one_of_the_runs_counts_once():
    assert Names('MUSE', (0.6, 1.0), 0.60000002).radii == (0.6, 1.0)  # 0.6 in single precision
    assert Names('MUSE', (0.6, 1.0), 0.61).radii == (0.6, 1.0, 0.61)
    assert Names('MUSE', (0.6, 1.0), None).radii == (0.6, 1.0)


@pytest.mark.parametrize('prefix', ['MUSE', 'KCWI'])
@pytest.mark.parametrize(
    ('ref', 'tag'),
    [
        ('', '{}_WHITE'),
        ('2', '{}_APER_2.0'),
        ('3', None),
        ('2.01', None),  # another circle, though its name would be the same
        ('2.04', '{}_APER_2.04'),
        ('muse_aper_2.04', '{}_APER_2.04'),
        ('deep.fits', 'DEEP'),
        ('hst_white', 'HST_WHITE'),  # an image comes before white light with another prefix
        ('MANGA_WHITE', '{}_WHITE'),
        ('jwst_aper_2.0', '{}_APER_2.0'),
        ('deblend', None),
        ('MANGA_TOT', None),
    ],
)
def test_what_a_reference_stands_for(prefix, ref, tag):
    found = Names(prefix, (2.0, 2.04)).reference(ref, ['DEEP', 'HST_WHITE'], False)
    assert found == (None if tag is None else tag.format(prefix))
    assert Names(prefix).reference('deblend', [], True) == 'DEBLEND'


def test_two_radii_with_the_same_decimal_have_spectra_and_masks_of_their_own():
    products = process(make_cutout(ref='1.04'), aper=(1.0, 1.04), sky_sub=False)
    assert products.reference == 'MUSE_APER_1.04'
    radii = [products.spectra[f'MUSE_APER_{digits}'].radius for digits in ('1.0', '1.04')]
    assert radii == [1.0, 1.04]
    assert {'MASK_APER_1.04_SKY', 'MASK_APER_1.04_OBJ'} < products.masks.keys()


def test_a_prefix_is_in_all_names_of_a_run_and_changes_nothing_else(folder):
    picture = 1e4 * gaussian(11, 13)
    fits.PrimaryHDU(picture, sky_header()).writeto(folder / 'muse_deep.fits')
    with (folder / 'param.py').open('a') as file:
        file.write(
            "IMG = 'muse_deep.fits'\nAPER = 0.6\nREF = 0.6\nOUT_SUB = True\nDEBLEND = True\n"
        )
    assert main([str(folder), '-q']) == 0
    with (folder / 'param.py').open('a') as file:
        file.write("PREFIX = 'kcwi'\nREF = 'KCWI_APER_0.6'\nOUTPUT = 'named'\nPLOTS = True\n")
    assert main([str(folder), '-q']) == 0
    with (
        fits.open(folder / 'output' / 'Source_7.fits') as plain,
        fits.open(folder / 'named' / 'Source_7.fits') as named,
    ):
        own = 'MUSE_WHITE', 'MUSE_SKY', 'MUSE_TOT', 'MUSE_APER_0.6', 'CUB_MUSE'
        names = [hdu.name for hdu in plain[1:]]
        expected = [
            name.replace('MUSE', 'KCWI') if any(part in name for part in own) else name
            for name in names
        ]
        assert {
            'SPE_KCWI_APER_0.6_SKYSUB_DATA',
            'IMA_SEG_KCWI_WHITE_DATA',
            'IMA_MUSE_DEEP_DATA',
        } < {*expected}
        assert [hdu.name for hdu in named[1:]] == expected
        for before, after in zip(plain[1:], named[1:], strict=True):
            assert (before.data == after.data).all()
        assert named[0].header['REFSPEC'] == 'KCWI_APER_0.6_SKYSUB'
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
