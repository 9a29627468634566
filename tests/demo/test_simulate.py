"""The simulated field: its light, its noise and its files are what they claim to be."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from autospec_lib.demo import field_files, simulation
from autospec_lib.demo.simulation import PIXEL, Galaxy, Scene

STAR = Galaxy(y=30.0, x=37.0, flux=500.0, scale=1e-4)
DISC = Galaxy(
    y=28.3, x=35.6, flux=500.0, scale=0.3, ratio=0.5, angle=0.4, clumps=((0.2, -0.1, 0.3),)
)


@pytest.fixture
def scene():
    return Scene((61, 73), seed=4).with_channels(40, 100.0)


@pytest.mark.parametrize('galaxy', [STAR, DISC])
def test_all_the_light_is_in_the_field(scene, galaxy):
    field = scene.with_galaxies(galaxy).make()
    assert_allclose(field.profiles.sum(axis=(2, 3)), 1, atol=4e-3)
    assert_allclose(field.truth(0).sum(axis=(1, 2)), field.spectra[0], rtol=4e-3)
    assert_allclose(field.spectra[0].mean(), galaxy.flux)


def test_a_star_has_the_seeing_s_width_at_both_ends(scene):
    field = scene.with_galaxies(STAR).with_seeing(2.4, 1.6).make()
    for image, fwhm in zip(field.profiles[0][[0, -1]], (2.4, 1.6), strict=True):
        radius = fwhm / 2 / PIXEL
        assert_allclose(image[30, 37 + round(radius)] / image[30, 37], 0.5, atol=0.02)


def test_light_is_centred_where_the_galaxy_is(scene):
    field = scene.with_galaxies(replace(DISC, clumps=())).make()
    y, x = np.indices(scene.shape)
    image = field.profiles[0, 0]
    assert_allclose([(image * y).sum(), (image * x).sum()] / image.sum(), [28.3, 35.6], atol=0.05)
    y, x = (np.indices(field.deep.shape) + 0.5) / 2 - 0.5
    deep = replace(scene, deep_noise=0.0).with_galaxies(replace(DISC, clumps=())).make().deep
    assert_allclose([(deep * y).sum(), (deep * x).sum()] / deep.sum(), [28.3, 35.6], atol=0.05)
    assert_allclose(deep.sum(), 500, rtol=1e-3)


@pytest.mark.parametrize('share', [0.0, 0.1])
def test_the_quoted_variance_is_the_scatter_of_the_voxels(scene, share):
    field = scene.with_noise(25.0, share).make()
    z = field.cube / np.sqrt(field.variance)
    assert_allclose(z.std(), 1, atol=0.01)
    assert_allclose(
        (z[:, 1:] * z[:, :-1]).mean(), {0.0: 0.0, 0.1: 2 * 0.1 * 0.8 / 0.66}[share], atol=0.01
    )


def test_the_cube_is_the_sum_of_the_truth_and_noise(scene):
    field = scene.with_galaxies(STAR, DISC).with_noise(1e-12).make()
    assert_allclose(field.cube, field.truth(0) + field.truth(1), atol=1e-3)
    assert_allclose(field.profile(0)[7], field.truth(0)[7] / field.spectra[0, 7])


@pytest.mark.long
@pytest.mark.parametrize('preset', [simulation.easy, simulation.hard])
def test_a_seed_makes_the_same_field_again_and_another_does_not(preset):
    one, same = (preset(1).with_channels(2).make() for _ in range(2))
    assert_array_equal(one.cube, same.cube)
    assert_array_equal(one.positions, same.positions)
    other = replace(preset(1).with_channels(2), galaxies=(), seed=2).make()
    assert not np.array_equal(
        other.cube, replace(preset(1).with_channels(2), galaxies=()).make().cube
    )
    assert preset(2).galaxies != preset(1).galaxies


def test_the_builder_leaves_its_scene_alone(scene):
    assert scene.with_noise(1.0) is not scene
    assert scene.with_galaxies(STAR).galaxies == (STAR,)
    assert scene.galaxies == ()
    assert Scene((9, 11), 1).make().spectra.shape == (0, 3681)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_presets_hold_what_the_table_asks_for(seed):
    for scene, clumpy in ((simulation.easy(seed), False), (simulation.hard(seed), True)):
        listed = np.array([(one.y, one.x) for one in scene.galaxies if one.catalogued])
        apart = np.hypot(*(listed[:, None] - listed).transpose(2, 0, 1)) * PIXEL + 99 * np.eye(
            len(listed)
        )
        assert len(listed) == 22
        assert ((apart > 0.899) & (apart < 1.501)).sum() == 12
        assert len(scene.galaxies) - 22 == (7 if clumpy else 0)
        assert all(bool(one.clumps) is clumpy for one in scene.galaxies)
        assert listed[:, 1].min() < 2.6
        assert len(scene.empty) == 1
    assert simulation.hard(seed).seeing == (0.9, 0.65)


def test_sky_lines_make_some_wavelengths_noisy():
    field = Scene((5, 6), 1).make()
    level = field.variance[:, 2, 3]
    assert level.max() > 30 * np.median(level)
    assert field.wave[np.argmax(level)] == pytest.approx(5577.3, abs=1)


def test_a_folder_gives_positions_and_truth_back(tmp_path):
    field = simulation.easy(1).with_channels(4).make()
    field_files.write_folder(field, tmp_path / 'sim')
    ids, ra, dec = np.loadtxt(tmp_path / 'sim' / 'catalog.txt').T
    assert_array_equal(ids, np.arange(1, 24))
    with fits.open(tmp_path / 'sim' / 'datacube.fits') as hdus:
        assert [hdu.name for hdu in hdus] == ['PRIMARY', 'DATA', 'STAT']
        x, y = WCS(hdus['DATA'].header).celestial.all_world2pix(ra, dec, 0)
        assert_allclose(np.transpose([y, x]), field.positions, atol=1e-2)
        assert_array_equal(hdus['DATA'].data, field.cube)
        assert hdus['STAT'].header['BUNIT'] == '(10**(-20)*erg/s/cm**2/Angstrom)**2'
        assert hdus['DATA'].header['CTYPE3'] == 'AWAV'
    with fits.open(tmp_path / 'sim' / 'deep.fits') as hdus:
        x, y = WCS(hdus[0].header).all_world2pix(ra, dec, 0)
        assert_allclose(np.transpose([y, x]), 2 * field.positions + 0.5, atol=1e-2)
    with fits.open(tmp_path / 'sim' / 'truth.fits') as hdus:
        assert_array_equal(hdus['TRUTH'].data['ID'], np.arange(1, 23))
        assert_allclose(hdus['TRUTH'].data['FLUX'], field.spectra)
        assert_allclose(hdus['WAVE'].data['WAVE'], field.wave)
    assert 'gauss_2.0_3x3.conv' in (tmp_path / 'sim' / 'default.sex').read_text()
    kernel = np.loadtxt(tmp_path / 'sim' / 'gauss_2.0_3x3.conv', skiprows=1)
    assert kernel.shape == (3, 3)
    assert kernel[1, 1] == kernel.max() == 1
