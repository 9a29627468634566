"""One truth, a variance of 4, stored in every way and under every name: the errors of the spectra
are the same."""

import numpy as np
import pytest
from astropy.io import fits
from builders import DEC, NL, NX, NY, RA, UNIT, cube_header, data_ext, small_cube, write_cube
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube

SQUARED, INVERSE = f'({UNIT})**2', f'1/({UNIT})**2'
STORED = {'variance': 4.0, 'sigma': 2.0, 'inverse variance': 0.25, 'inverse sigma': 0.5}
NAMED = {
    'variance': ['STAT', 'VAR', 'VARIANCE', 'RED_VAR', 'VARCUBE'],
    'sigma': [
        *('ERR', 'ERROR', 'UNCERT', 'UNCERTAINTY', 'STD', 'STDEV', 'STDDEV', 'SIG', 'SIGMA', 'RMS'),
        *('FLUX_ERR', 'ERRORCUBE', 'IFU.1.NOISE', 'NOISE'),
    ],
    'inverse variance': [
        'IVAR',
        'RED_IVAR',
        'INVVAR',
        'INV_VAR',
        'VAR_INV',
        'INVERSE_VARIANCE',
        'WEIGHT',
        'WHT',
    ],
    'inverse sigma': ['IERR', 'ISIG', 'INV_ERR'],
}
CASES = [(name, {}, kind) for kind, names in NAMED.items() for name in names] + [
    ('STAT', {'HDUCLAS3': 'MSE'}, 'variance'),
    ('STAT', {'HDUCLAS2': 'ERROR', 'HDUCLAS3': 'RMSE'}, 'sigma'),
    ('STAT', {'HDUCLAS2': 'DATA', 'HDUCLAS3': 'RMSE'}, 'variance'),
    ('X', {'HDUCLAS3': 'INVMSE'}, 'inverse variance'),
    ('X', {'HDUCLAS3': 'INVRMSE'}, 'inverse sigma'),
    ('X', {'ERRTYPE': 'IVAR'}, 'inverse variance'),
    ('X', {'UTYPE': 'StdDevUncertainty'}, 'sigma'),
    ('X', {'BUNIT': UNIT}, 'sigma'),
    ('X', {'BUNIT': SQUARED}, 'variance'),
    ('X', {'BUNIT': '1e-40 erg2 / (s2 cm4 Angstrom2)'}, 'variance'),
    ('X', {'BUNIT': '1e40 s2 cm4 Angstrom2 / erg2'}, 'inverse variance'),
    ('VAR', {'BUNIT': UNIT}, 'variance'),
    ('STAT', {'BUNIT': UNIT}, 'variance'),
    ('IVAR', {'BUNIT': SQUARED}, 'inverse variance'),
    ('ERR', {'BUNIT': UNIT}, 'sigma'),
    ('X', {'BUNIT': INVERSE}, 'inverse variance'),
    ('X', {'BUNIT': f'({UNIT})^-2'}, 'inverse variance'),
    ('X', {'BUNIT': f'({UNIT})**(-1)'}, 'inverse sigma'),
    ('ERR2', {'BUNIT': SQUARED}, 'variance'),
    ('SIGMA_SQ', {'BUNIT': SQUARED}, 'variance'),
    ('STAT_ERR', {'BUNIT': SQUARED}, 'variance'),
    ('WEIGHT', {'BUNIT': INVERSE}, 'inverse variance'),
    ('WEIGHT', {'BUNIT': UNIT}, 'inverse variance'),
]
# An extension of each of these names, where no unit helps, is of unknown kind: squared or not,
# weights of what, ...
UNKNOWN = [
    *(
        'X',
        'ERR2',
        'NOISE2',
        'SIGMA_SQ',
        'ERRSQ',
        'ERRWEIGHT',
        'WMAP',
        'SIGNAL',
        'TRUNC',
        'COVAR',
        'VAR_MASK',
    ),
    *('STAT_ERR', 'SQRT_VAR', 'LOG_VAR', 'RELERR'),  # words that contradict each other
    *(
        'LOGVAR',
        'LNVAR',
        'ERRLOG',
        '1/VAR',
        'ONE_OVER_VAR',
        'SQERR',
        'SQ_ERR',
        'PCT_ERR',
        'MAG_ERR',
    ),
]


def stored(path, name, cards, value):
    """A cube whose second extension holds one value."""
    data = small_cube()[0]
    write_cube(path, data, **{name: np.full_like(data, value)})
    with fits.open(path, mode='update') as hdus:
        hdus[2].header.pop('BUNIT')
        hdus[2].header.update(cards)


@pytest.mark.parametrize(
    ('name', 'cards', 'kind'), CASES, ids=[f'{c[0]}-{n}' for n, c in enumerate(CASES)]
)
def test_the_kind_is_found(tmp_path, name, cards, kind):
    stored(tmp_path / 'c.fits', name, cards, STORED[kind])
    opened = cube.open_cube(tmp_path / 'c.fits', data_ext('DATA', name))
    assert opened.noise_kind.words == kind
    assert_allclose(cube.cut(opened, Target(7, RA, DEC, 3.0)).voxels.variance, 4.0, rtol=1e-6)


@pytest.mark.parametrize(('name', 'kind'), [(names[-1], kind) for kind, names in NAMED.items()])
def test_errors_of_spectra_are_the_truth(folder, name, kind):
    stored(folder / 'datacube.fits', name, {}, STORED[kind])
    with (folder / 'param.py').open('a') as file:
        file.write(f"DATA_EXT = 'DATA', '{name}'\nAPER = 0.7\nSKY_SUB = False\n")
    assert main([str(folder), '-q']) == 0
    with fits.open(folder / 'output' / 'Source_7.fits') as hdus:
        pixels = hdus['IMA_MASK_INTER_DATA'].data.sum()
        assert_allclose(hdus['SPE_MUSE_TOT_STAT'].data, 4 * pixels, rtol=1e-6)


@pytest.mark.parametrize(
    ('name', 'cards'),
    [
        *((name, {}) for name in UNKNOWN),
        ('X', {'BUNIT': 'K'}),
        ('ERR', {'BUNIT': SQUARED}),
        ('ERR', {'BUNIT': INVERSE}),
        ('WEIGHT', {'BUNIT': SQUARED}),
        ('WEIGHT', {'BUNIT': 's'}),
    ],
)
def test_what_cannot_be_told_is_refused_and_can_be_said(tmp_path, name, cards):
    path = tmp_path / 'c.fits'
    stored(path, name, cards, 2.0)
    with pytest.raises(InputError, match=f"DATA_EXT = 'DATA', '{name}: variance'"):
        cube.open_cube(path, data_ext('DATA', name))
    words = {
        'sigma': 'sigma',
        'error': 'sigma',
        'Variance': 'variance',
        'inverse  variance': 'inverse variance',
    }
    for word, kind in words.items():
        assert cube.open_cube(path, data_ext('DATA', f'{name}: {word}')).noise_kind.words == kind
    assert cube.open_cube(path, data_ext('DATA', '2:sigma')).noise_kind.words == 'sigma'


def test_an_extension_without_a_name_goes_by_its_number(tmp_path):
    path = tmp_path / 'c.fits'
    data = small_cube()[0]
    fits.HDUList(
        [fits.PrimaryHDU(data, cube_header()), fits.ImageHDU(np.full_like(data, 2.0))]
    ).writeto(path)
    with pytest.raises(InputError, match="DATA_EXT = 0, '1: variance'"):
        cube.open_cube(path, data_ext(0, 1))
    opened = cube.open_cube(path, data_ext(0, '1: sigma'))
    assert opened.noise_kind.words == 'sigma'
    assert 'extension 1 (sigma, as DATA_EXT says)' in opened.recognised


def test_check_says_the_kind_and_what_it_follows_from(folder, capsys):
    said = {"'FLUX_ERR'": 'by its name', "'FLUX_ERR: variance'": 'as DATA_EXT says'}
    for entry, why in said.items():
        stored(folder / 'datacube.fits', 'FLUX_ERR', {}, 2.0)
        (folder / 'param.py').write_text(f"SIZE = 3\nDATA_EXT = 'DATA', {entry}\n")
        assert main([str(folder), '--check']) == 0
        kind = 'variance' if 'variance' in entry else 'sigma'
        assert f'{kind} in FLUX_ERR ({why})' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('name', 'entry'), [('WHT', "'WHT'"), ('FLUX_ERR', "'FLUX_ERR'"), ('ERR2', "'ERR2: sigma'")]
)
def test_an_extension_that_looks_like_noise_and_is_not_used_is_named(tmp_path, name, entry):
    write_cube(tmp_path / 'c.fits', small_cube()[0], **{name: np.ones((NL, NY, NX), np.float32)})
    (note,) = (note for note in cube.open_cube(tmp_path / 'c.fits').notes if 'no variance' in note)
    assert f"DATA_EXT = 'DATA', {entry}" in note


@pytest.mark.parametrize('name', ['DQ', 'MASK', 'MODEL', 'SIGNAL', 'BADPIX', 'ERR_MASK'])
def test_flags_and_models_with_the_units_of_the_data_do_not_look_like_noise(tmp_path, name):
    write_cube(tmp_path / 'c.fits', small_cube()[0], **{name: np.zeros((NL, NY, NX), np.float32)})
    assert not any('DATA_EXT' in note for note in cube.open_cube(tmp_path / 'c.fits').notes)


def test_noise_that_the_header_names_and_the_file_lacks_is_said(tmp_path):
    header = cube_header()
    header['ERRDATA'] = 'STAT'
    write_cube(tmp_path / 'c.fits', small_cube()[0], header=header)
    (note,) = cube.open_cube(tmp_path / 'c.fits').notes
    assert 'no variance' in note
    assert 'STAT' in note
    assert 'ERRDATA' in note
