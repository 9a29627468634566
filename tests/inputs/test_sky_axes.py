"""Coordinates on the sky that cannot be used: each fault is named by its card, in plain words."""

import pytest
from astropy.wcs import WCS
from builders import DEC, RA, STEP, cube_header, small_cube, write_cube
from numpy.testing import assert_allclose

from autospec_lib.core.errors import InputError
from autospec_lib.inputs import cube

RAW = ('wcsset', 'ERROR', 'latp', 'parameter', 'off-diagonal', 'INITIAL', 'subimage', 'Error')


def written(tmp_path, cards):
    header = cube_header()
    header.update(cards)
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header)
    return tmp_path / 'c.fits'


@pytest.mark.parametrize(
    ('cards', 'said'),
    [
        ({'CTYPE1': 'RA---XXX', 'CTYPE2': 'DEC--XXX'}, 'XXX'),
        ({'CTYPE2': 'DEC--SIN'}, "CTYPE2 = 'DEC--SIN'"),
        ({'CTYPE2': 'LINEAR'}, "CTYPE2 = 'LINEAR'"),
        ({'CTYPE1': 'RA', 'CTYPE2': 'DEC'}, "CTYPE1 = 'RA'"),
        ({'CUNIT1': 'foo'}, "CUNIT1 = 'foo'"),
        ({'CUNIT2': 'm'}, "CUNIT2 = 'm'"),
        ({'CRVAL1': 'x'}, "CRVAL1 = 'x'"),
        ({'CRVAL2': 500.0}, 'CRVAL2 = 500'),
        ({'CRPIX1': 'x'}, "CRPIX1 = 'x'"),
        ({'CD1_1': 'x'}, "CD1_1 = 'x'"),
        ({'CD1_1': 0.0, 'CD1_2': 0.0}, 'CD matrix is singular'),
        ({'CD1_1': 0.0, 'CD1_2': 0.0, 'CD2_1': 0.0, 'CD2_2': 0.0}, 'CD matrix is singular'),
        ({'CD1_1': 1e-5, 'CD1_2': 1e-5, 'CD2_1': 1e-5, 'CD2_2': 1e-5}, 'CD matrix is singular'),
    ],
)
def test_a_fault_is_named_by_its_card(tmp_path, cards, said):
    with pytest.raises(InputError) as caught:
        cube.open_cube(written(tmp_path, cards))
    message = str(caught.value)
    assert message.startswith('c.fits: ')
    assert said in message
    assert not any(word in message for word in RAW)


@pytest.mark.parametrize(
    'cards', [{'CTYPE3': 'AWAV-LOG'}, {'CD3_1': 1e-9, 'CD2_3': 1e-13}, {'PV3_1': 4.0}]
)
def test_the_sky_does_not_depend_on_the_wavelengths(tmp_path, cards):
    opened = cube.open_cube(written(tmp_path, cards))
    assert_allclose(
        opened.sky.wcs.wcs_pix2world([[3, 5]], 0),
        WCS(cube_header()).celestial.wcs_pix2world([[3, 5]], 0),
    )
    assert opened.grid.sky == {
        card.keyword: card.value for card in WCS(cube_header()).celestial.to_header().cards
    }


def rewritten(tmp_path, cards):
    """A cube with these cards added to its header, although the keywords may be there."""
    header = cube_header()
    for keyword, value in cards:
        header.append((keyword, value), end=True)
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header)
    return cube.open_cube(tmp_path / 'c.fits')


def test_of_repeated_cards_the_last_is_used_and_named(tmp_path):
    opened = rewritten(tmp_path, [('CRVAL1', RA + 1)])
    assert_allclose(opened.sky.to_icrs(11.0, 13.0), (RA + 1, DEC), rtol=1e-9)
    assert any('CRVAL1 2 times' in note for note in opened.notes)


def test_of_a_cd_and_a_pc_matrix_the_latter_is_used_and_named(tmp_path):
    opened = rewritten(
        tmp_path,
        [('PC1_1', -1.0), ('PC2_2', 1.0), ('CDELT1', 1e-4), ('CDELT2', 1e-4), ('CDELT3', STEP)],
    )
    assert_allclose(opened.pixel, (0.36, 0.36), rtol=1e-6)
    assert any('CD and a PC matrix' in note for note in opened.notes)


def test_a_distortion_without_its_type_is_not_used(tmp_path):
    cards = [('A_ORDER', 2), ('B_ORDER', 2), ('A_2_0', 1e-3), ('B_0_2', 1e-3)]
    opened = rewritten(tmp_path, cards)
    assert_allclose(
        opened.sky.to_icrs(20.0, 20.0), rewritten(tmp_path, []).sky.to_icrs(20.0, 20.0), rtol=1e-12
    )
    assert any('-SIP' in note for note in opened.notes)
