"""The empirical noise factor: 1 for white noise, the true one for noise that resampling has
correlated."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import CUTOUT, changed, cube_header, gaussian, make_cutout, process, write_cube
from numpy.testing import assert_allclose

from autospec_lib.cli.command import main
from autospec_lib.core.moffat import images
from autospec_lib.core.types import Psf, Voxels
from autospec_lib.extraction import noise
from autospec_lib.extraction.noise import empirical_factor

NL, NY, NX = 900, 33, 31
SHARE = 0.1


@pytest.fixture
def weights():
    return images((NY, NX), (16.0, 15.0), Psf((4.0,)), np.array([0.5]))[0]


@pytest.fixture
def blank():
    y, x = np.indices((NY, NX))
    return np.hypot(y - 16, x - 15) > 5


def correlated(rng, share, variance, axes=(1, 2)):
    """Noise of this variance in each voxel, of which resampling gave a share to each neighbour."""
    values = rng.normal(size=variance.shape)
    kernel = np.array([share, 1 - 2 * share, share])
    for axis in axes:
        values = sum(
            part * np.roll(values, step, axis)
            for part, step in zip(kernel, (-1, 0, 1), strict=True)
        )
    return values / np.square(kernel).sum() ** (len(axes) / 2) * np.sqrt(variance)


def true_factor(weights, share):
    """Variance of the weighted sum of such noise, over that of independent noise."""
    kernel = np.array([share, 1 - 2 * share, share]) / np.sqrt(share**2 * 2 + (1 - 2 * share) ** 2)
    wide = np.pad(weights, 1)
    for axis in (0, 1):
        wide = sum(
            part * np.roll(wide, step, axis) for part, step in zip(kernel, (-1, 0, 1), strict=True)
        )
    return np.square(wide).sum() / np.square(weights).sum()


@pytest.mark.parametrize('share', [0.0, SHARE])
def test_errors_match_the_scatter_within_five_per_cent(weights, blank, share):
    rng = np.random.default_rng(5)
    variance = rng.uniform(1, 2, (NL, 1, 1)) * np.ones((NL, NY, NX))
    data = correlated(rng, share, variance) + rng.normal(0, 50, (NL, 1, 1))
    factor, note = empirical_factor(Voxels(data, variance), weights, blank)
    assert_allclose(np.sqrt(factor / true_factor(weights, share)), 1, atol=0.05)
    assert_allclose(np.sqrt(np.median(factor) / true_factor(weights, share)), 1, atol=0.03)
    assert note == ''


def test_a_variance_that_is_four_times_too_small_gives_four(weights, blank):
    rng = np.random.default_rng(6)
    variance = np.ones((NL, NY, NX))
    factor, _ = empirical_factor(
        Voxels(2 * correlated(rng, 0.0, variance), variance), weights, blank
    )
    assert_allclose(np.median(factor), 4, rtol=0.06)


def test_a_factor_that_runs_with_wavelength_is_followed(weights, blank):
    rng = np.random.default_rng(7)
    scale = np.linspace(1, 2, NL)
    variance = np.ones((NL, NY, NX))
    data = correlated(rng, 0.0, variance) * scale[:, None, None]
    factor, _ = empirical_factor(Voxels(data, variance), weights, blank)
    assert_allclose(factor[[150, 450, 750]], scale[[150, 450, 750]] ** 2, rtol=0.12)


def test_bad_voxels_and_the_scale_of_the_weights_have_no_say(weights, blank):
    rng = np.random.default_rng(8)
    variance = np.ones((NL, NY, NX))
    data = correlated(rng, SHARE, variance)
    bad = np.zeros(data.shape, bool)
    clean, _ = empirical_factor(Voxels.of(data, variance, bad), weights, blank)
    bad[:, 3, 4] = True
    dirty = np.where(bad, 1e30, data)
    one, two = (
        empirical_factor(Voxels.of(cube, variance, bad), 7 * weights, blank)[0]
        for cube in (data, dirty)
    )
    assert_allclose(one, two)
    assert_allclose(np.median(one), np.median(clean), rtol=0.03)


def test_too_few_blank_spaxels_are_said_to_be_too_few(weights, blank):
    narrow = blank & (np.arange(NX) > 27)
    data = np.ones((NL, NY, NX))
    factor, note = empirical_factor(Voxels(data, data), weights, narrow)
    assert factor is None
    assert 'empty places for the weights' in note
    assert ' 0 empty places' in empirical_factor(Voxels(data, data), 0 * weights, blank)[1]


def test_the_sky_that_all_spaxels_share_counts_as_one_error(weights, blank):
    rng = np.random.default_rng(9)
    data, variance = rng.normal(size=(NL, NY, NX)), np.full((NL, NY, NX), 3.0)
    bad = np.zeros(data.shape, bool)
    bad[7] = ~blank
    alone, shared = (
        empirical_factor(
            Voxels.of(data, variance, bad), 7.0 * (weights > 0.01), blank, sky_subtracted=sky
        )[0]
        for sky in (False, True)
    )
    inside, outside = (weights > 0.01).sum(), blank.sum()
    expected = np.where(np.arange(NL) == 7, 1.0, (1 + inside / outside) / (1 + 1 / outside))
    assert not blank[weights > 0.01].any()
    assert_allclose(shared / alone, expected)


LENGTH, CELL = 600, 27
LINE = 1 + 4 * np.exp(-0.5 * ((np.arange(LENGTH) - 250) / 4) ** 2)


@pytest.fixture(scope='module')
def pulls(tmp_path_factory):
    """Spectra less the truth over their errors, by key, of six sources in a cube whose voxels
    depend on each other."""
    folder, rng = tmp_path_factory.mktemp('correlated'), np.random.default_rng(1)
    shape = (LENGTH, 2 * CELL, 3 * CELL)
    variance = 1 + np.sin(np.linspace(0, 9, LENGTH)) ** 2
    spots = [((row + 0.5) * CELL, (column + 0.5) * CELL) for row in range(2) for column in range(3)]
    light = 180 * sum(gaussian(y, x, 1.2, shape[1:]) for y, x in spots) * LINE[:, None, None]
    stat = np.broadcast_to(variance[:, None, None], shape)
    header = cube_header()
    write_cube(
        folder / 'datacube.fits', light + correlated(rng, SHARE, stat, (0, 1, 2)), stat, header
    )
    places = WCS(header).celestial.all_pix2world([(x, y) for y, x in spots], 0)
    rows = [f'{ident} {ra:.7f} {dec:.7f}\n' for ident, (ra, dec) in enumerate(places, 1)]
    (folder / 'catalog.txt').write_text(''.join(rows))
    (folder / 'param.py').write_text(
        "APER = 0.6, 1.0\nNOISE = 'empirical'\nPLOTS = REPORT = False\n"
    )
    assert main([str(folder), '-q']) == 0
    found = {}
    for path in (folder / 'output').glob('*.fits'):
        with fits.open(path) as hdus:
            for card in hdus[0].header['NFACT*']:
                key = hdus[0].header.comments[card]
                values = hdus[f'SPE_{key}_DATA'].data.astype(float)
                # A mask holds a part of the light, the same at all wavelengths.
                own = values @ LINE / (LINE @ LINE) * LINE
                found.setdefault(key, []).append(
                    (values - own) / np.sqrt(hdus[f'SPE_{key}_STAT'].data)
                )
    return found


@pytest.mark.parametrize(
    'key',
    [
        'MUSE_APER_0.6',
        'MUSE_APER_1.0',
        'MUSE_WHITE',
        'CROSS_CORRELATION',
        'CROSS_CORRELATION_CONTSUB',
    ],
)
def test_errors_in_the_files_match_the_scatter_within_five_per_cent(pulls, key):
    found = np.array(pulls[f'{key}_SKYSUB'])
    assert found.shape == (6, LENGTH)
    assert found.std() == pytest.approx(1, abs=0.05)


def noise_cutout():
    """A cut-out of noise of variance 1 that resampling has correlated, with a mask in its
    middle."""
    variance = np.ones((200, 31, 31))
    segmap = np.zeros(variance.shape[1:], np.int32)
    segmap[14:17, 14:17] = 1
    data = correlated(np.random.default_rng(5), 0.2, variance)
    cutout = changed(make_cutout(flux=0.0), data=data, variance=variance)
    return replace(cutout, wave=np.arange(200.0), centre=(15.0, 15.0), segmaps={'MINE': segmap})


def test_the_factor_of_every_spectrum_scales_its_variance_and_stands_in_the_header():
    cutout = noise_cutout()
    plain, scaled = (
        process(cutout, use_imgs=False, noise=kind) for kind in ('propagated', 'empirical')
    )
    numbered = {
        comment: value
        for card, (value, comment) in scaled.facts.items()
        if card.startswith('NFACT')
    }
    assert numbered.keys() == scaled.spectra.keys() - {'MUSE_SKY'}
    for key, median in numbered.items():
        factor = scaled.spectra[key].variance / plain.spectra[key].variance
        assert median == pytest.approx(np.median(factor), abs=1e-3)
        assert median > 2
        np.testing.assert_array_equal(plain.spectra[key].data, scaled.spectra[key].data)


@pytest.mark.parametrize(
    'params', [{'aper': (0.6,), 'deblend': True}, {'xcor': False}, {'sky_sub': False}]
)
def test_every_spectrum_but_the_sky_has_a_factor(params):
    products = process(
        replace(noise_cutout(), psf=Psf((3.0,))), use_imgs=False, noise='empirical', **params
    )
    numbered = {
        comment for card, (_, comment) in products.facts.items() if card.startswith('NFACT')
    }
    assert numbered == products.spectra.keys() - {'MUSE_SKY'}


def test_too_little_blank_sky_keeps_the_errors_with_one_note():
    segmap = np.ones(CUTOUT[1:], np.int32)
    segmap[:2] = 0
    cutout = make_cutout(segmaps={'MINE': segmap})
    plain, scaled = (
        process(cutout, use_imgs=False, noise=kind) for kind in ('propagated', 'empirical')
    )
    for key, spectrum in plain.spectra.items():
        np.testing.assert_array_equal(spectrum.variance, scaled.spectra[key].variance)
    (note,) = scaled.notes
    assert note.startswith('noise: 0 empty places')
    assert all(key in note for key in plain.spectra.keys() - {'MUSE_SKY'})


@pytest.mark.parametrize('factor', [np.nan, 0.0])
def test_wavelengths_without_scatter_keep_their_errors(monkeypatch, factor):
    def found(*_):
        return np.where(np.arange(CUTOUT[0]) < 5, factor, 4.0), ''

    monkeypatch.setattr(noise, 'empirical_factor', found)
    plain, scaled = (
        process(make_cutout(), noise=kind).spectra['MUSE_TOT_SKYSUB']
        for kind in ('propagated', 'empirical')
    )
    assert_allclose(scaled.variance / plain.variance, np.where(np.arange(CUTOUT[0]) < 5, 1, 4))


def test_without_variance_there_is_nothing_to_scale():
    products = process(changed(make_cutout(), variance=None), noise='empirical')
    assert products.notes == ('noise: the cube has no variance that could be scaled',)
