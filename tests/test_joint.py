"""Joint extraction, PSF, iterated cross-correlation and empirical noise, as the program offers them."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from builders import (
    CUTOUT,
    DEC,
    PIXEL,
    RA,
    SPECTRUM,
    changed,
    cube_header,
    make_cutout,
    process,
    small_cube,
    write_cube,
)
from numpy.testing import assert_allclose

from autospec_lib import joint
from autospec_lib.cli.command import main
from autospec_lib.config.params import Params
from autospec_lib.core.errors import InputError
from autospec_lib.core.moffat import moffat
from autospec_lib.core.types import Measured, Psf, Target, Voxels
from autospec_lib.extraction import cross_correlation, noise, weights
from autospec_lib.inputs import cutouts, psf_setting
from autospec_lib.run import preparation

NL, NY, NX = CUTOUT
FWHM = 3.5
OWN, OTHER = (10.0, 8.0), (11.0, 13.0)
NEIGHBOUR = np.full(NL, 1500.0)


def image(centre, fwhm=FWHM):
    return moffat((NY, NX), centre, fwhm**2 * np.eye(2)[None], 2.8)[0]


def blend(neighbour=1.0, seed=1, ref='', sky=0.0):
    """A source with the line of `SPECTRUM`, and another of flat spectrum five pixels off."""
    cutout = make_cutout(flux=0.0, seed=seed, ref=ref)
    light = SPECTRUM[:, None, None] * image(OWN) + neighbour * NEIGHBOUR[:, None, None] * image(OTHER)
    lit = changed(cutout, data=cutout.voxels.data + light + sky)
    return replace(lit, centre=OWN, neighbours={9: OTHER})


def share_of(spectrum):
    """How much of the source and of its neighbour a spectrum holds."""
    return np.linalg.lstsq(np.array([SPECTRUM, NEIGHBOUR]).T, spectrum, rcond=None)[0]


def test_the_neighbour_leaks_into_the_weighted_spectrum_and_not_into_the_joint_one():
    products = process(blend(sky=20.0), deblend=True)
    white, clean = (share_of(products.spectra[key].data) for key in ('MUSE_WHITE_SKYSUB', 'DEBLEND_SKYSUB'))
    assert white[1] / white[0] > 0.05
    assert_allclose(clean, [1, 0], atol=0.02)
    pulls = (products.spectra['DEBLEND_SKYSUB'].data - SPECTRUM) / np.sqrt(products.spectra['DEBLEND_SKYSUB'].variance)
    assert pulls.std() == pytest.approx(1, abs=0.35)


def test_keys_and_cards_of_the_joint_extraction():
    products = process(blend(), deblend=True)
    keys = list(products.spectra)
    assert keys.index('DEBLEND_SKYSUB') == keys.index('MUSE_WHITE_SKYSUB') + 1
    assert list(products.images) == ['MUSE_WHITE']
    assert list(products.fitted) == ['DEBLEND_PROFILE', 'DEBLEND_PROFILE_9', 'DEBLEND_RESIDUAL']
    profile = products.fitted['DEBLEND_PROFILE'].data
    assert np.unravel_index(profile.argmax(), profile.shape) == OWN
    assert 0.8 < profile.sum() < 1
    assert np.abs(products.fitted['DEBLEND_RESIDUAL'].data).max() < 6 / np.sqrt(NL)
    facts = {card: value for card, (value, _) in products.facts.items()}
    assert facts['DBFWHM'] == pytest.approx(FWHM * 0.2, rel=0.03)
    assert (facts['DBNUM'], facts['DBID1']) == (1, 9)
    assert abs(facts['DBDX']) + abs(facts['DBDY']) < 0.02
    assert 0 < facts['DBIN1'] < 1
    assert facts['DBCOND'] > 1
    assert all(len(card) <= 8 for card in facts)


def test_the_joint_extraction_leaves_everything_else_as_it_is():
    plain, extended = process(blend()), process(blend(), deblend=True)
    for key, spectrum in plain.spectra.items():
        np.testing.assert_array_equal(spectrum.data, extended.spectra[key].data)
    assert set(extended.spectra) - set(plain.spectra) == {'DEBLEND_SKYSUB'}
    assert list(plain.maps) == list(extended.maps)


def test_without_sky_subtraction_the_key_has_no_ending_and_the_value_is_the_same():
    with_sky, without = (process(blend(sky=20.0), deblend=True, sky_sub=switch) for switch in (True, False))
    np.testing.assert_array_equal(with_sky.spectra['DEBLEND_SKYSUB'].data, without.spectra['DEBLEND'].data)


def test_the_joint_spectrum_can_be_the_reference():
    products = process(blend(ref='deblend'), deblend=True)
    assert products.reference == 'DEBLEND_SKYSUB'
    assert 'DEBLEND_CONTSUB_SKYSUB' in products.spectra
    assert products.notes == ()


def test_the_reference_is_unknown_where_the_joint_extraction_is_off():
    products = process(blend(ref='DEBLEND'))
    assert products.reference == 'MUSE_WHITE_SKYSUB'
    assert "reference 'DEBLEND' is neither in IMG nor in APER: white light used" in products.notes


@pytest.mark.parametrize('error', [ValueError('no\nluck'), np.linalg.LinAlgError('no'), ZeroDivisionError('no')])
def test_a_failure_is_a_note_and_white_light_the_reference(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(joint.deblend, 'extract', fail)
    products = process(blend(ref='DEBLEND'), deblend=True)
    assert products.notes == ('joint extraction failed: no', 'reference DEBLEND is not there: white light used')
    assert products.reference == 'MUSE_WHITE_SKYSUB'
    assert 'DBNUM' not in products.facts


def test_a_spectrum_without_value_is_a_failure_too(monkeypatch):
    work = joint.deblend.extract

    def without_value(*arguments):
        made = work(*arguments)
        return replace(made, spectra={5: replace(made.spectra[5], data=np.full(NL, np.nan))})

    monkeypatch.setattr(joint.deblend, 'extract', without_value)
    products = process(blend(ref='DEBLEND'), deblend=True)
    assert products.notes[0] == 'joint extraction failed: the data do not constrain the source'
    assert products.reference == 'MUSE_WHITE_SKYSUB'


def test_only_the_nearest_of_a_crowd_are_fitted(monkeypatch):
    monkeypatch.setattr(joint, 'MOST', 1)
    cutout = replace(blend(), neighbours={3: (-2.0, 22.0), 9: OTHER})
    products = process(cutout, deblend=True)
    assert 'DEBLEND_PROFILE_9' in products.fitted
    assert 'DEBLEND_PROFILE_3' not in products.images
    assert 'joint extraction: only the 1 nearest of 2 neighbours are fitted' in products.notes


def test_shapes_come_from_the_image_that_is_named():
    sharp = 1e4 * (image(OWN, 1.5) + image(OTHER, 1.5))
    cutout = replace(blend(), images={'HST': sharp}, detection={'HST': sharp})
    products = process(cutout, deblend='hst', img=('hst.fits',))
    assert_allclose(share_of(products.spectra['DEBLEND_SKYSUB'].data), [1, 0], atol=0.05)
    half = np.full_like(sharp, np.nan)
    blank = process(replace(cutout, images={'HST': half}), deblend='hst', img=('hst.fits',))
    assert any('less than half of the subcube' in note for note in blank.notes)


def test_a_descending_wavelength_axis_changes_nothing():
    cutout = blend()
    turned = replace(changed(cutout, data=cutout.voxels.data[::-1]), wave=cutout.wave[::-1])
    one, other = (process(each, deblend=True).spectra['DEBLEND_SKYSUB'].data for each in (cutout, turned))
    # The bins' edges are not symmetric, and the search ends where chi-square settles.
    assert_allclose(one, other[::-1], rtol=4e-3)


def test_the_psf_spectrum_is_the_whole_flux_of_a_point_source():
    cutout = replace(blend(neighbour=0.0), psf=Psf(FWHM, FWHM))
    products = process(cutout)
    assert share_of(products.spectra['MUSE_PSF_SKYSUB'].data)[0] == pytest.approx(1, abs=0.02)
    assert share_of(products.spectra['MUSE_TOT_SKYSUB'].data)[0] < 0.97
    keys = list(products.spectra)
    assert keys.index('MUSE_PSF_SKYSUB') == keys.index('MUSE_WHITE_SKYSUB') + 1


def test_the_psf_follows_the_wavelength():
    cutout = replace(make_cutout(flux=0.0), psf=Psf(5.0, 3.0))
    widths = np.linspace(5.0, 3.0, NL)[:, None, None] ** 2 * np.eye(2)
    light = 700.0 * moffat((NY, NX), cutout.centre, widths, 2.8)
    images = joint.psf_images(cutout).reshape(-1, NY * NX)
    found = joint.point_source(cutout, Voxels(light).columns, images)
    assert_allclose(found.data, 700, rtol=0.01)
    assert found.variance is None


def test_one_profile_is_weighted_as_by_the_older_function():
    cutout = blend()
    bad = np.arange(cutout.voxels.data.size).reshape(CUTOUT) % 7 == 0
    spaxels = changed(cutout, bad=bad).voxels.columns
    profile = image(OWN).ravel() / image(OWN).sum()
    expected = weights.weighted(spaxels, profile[None])[0]
    found = weights.optimal(spaxels, np.repeat(profile[None], NL, axis=0))
    assert_allclose(found.data, expected.data)
    assert_allclose(found.variance, expected.variance)


def moffat_cards(**changed):
    cards = {'FSFMODE': 'MOFFAT1', 'FSF00BET': 2.5, 'FSF00FWA': 0.9, 'FSF00FWB': -3e-5} | changed
    return fits.Header({card: value for card, value in cards.items() if value is not None})


def polynomial_cards():
    cards = {'FSFMODE': 2, 'FSFLB1': 5000.0, 'FSFLB2': 9000.0, 'FSF00FNC': 2, 'FSF00F00': -0.2, 'FSF00F01': 0.7}
    return fits.Header(cards | {'FSF00BNC': 1, 'FSF00B00': 2.2})


WAVE = np.linspace(5000.0, 9000.0, 11)


@pytest.mark.parametrize(
    ('setting', 'wave', 'expected'),
    [
        ((), WAVE, None),
        ((0.8,), WAVE, Psf(0.8, 0.8)),
        ((0.9, 0.7), WAVE, Psf(0.9, 0.7)),
        ((0.9, 0.7, 2.4), WAVE, Psf(0.9, 0.7, 2.4)),
        ((0.9, 0.7), WAVE[::-1], Psf(0.7, 0.9)),
    ],
)
def test_a_psf_that_is_given(tmp_path, setting, wave, expected):
    assert psf_setting.chosen(setting, tmp_path, fits.Header(), wave, 'Angstrom') == expected


@pytest.mark.parametrize(
    ('cards', 'expected'),
    [
        (moffat_cards(), (0.75, 0.63, 2.5)),
        (polynomial_cards(), (0.8, 0.6, 2.2)),
        (
            moffat_cards(NFIELDS=2, FSF01BET=2.0, FSF01FWA=1.0, FSF01FWB=0.0, FSF02BET=3.0, FSF02FWA=0.5, FSF02FWB=0.0),
            (0.75, 0.75, 2.5),
        ),
    ],
)
def test_a_psf_in_the_header(tmp_path, cards, expected):
    found = psf_setting.chosen('header', tmp_path, cards, WAVE / 10, 'nm')
    assert_allclose((found.blue, found.red, found.beta), expected)


@pytest.mark.parametrize(
    ('cards', 'problem'),
    [
        (fits.Header(), r'has no FSF keywords \(FSFMODE\); set PSF to'),
        (moffat_cards(FSFMODE='EASY'), 'its FSF keywords cannot be read: .*not implemented; set PSF'),
        (moffat_cards(FSF00BET=None), 'its FSF keywords cannot be read: '),
        (moffat_cards(FSF00FWA=-1.0), 'make no sense: FWHM -1.15 and -1.27 arcsec, exponent 2.5; set PSF'),
    ],
)
def test_a_header_without_a_usable_psf(tmp_path, cards, problem):
    with pytest.raises(InputError, match=rf"^cube.fits: PSF = 'header', but .*{problem}"):
        psf_setting.chosen('header', tmp_path / 'cube.fits', cards, WAVE, 'Angstrom')


@pytest.mark.parametrize('unit', ['Angstroms', 'Hz', ''])
def test_a_psf_in_the_header_of_a_cube_whose_unit_is_none_of_length(tmp_path, unit):
    with pytest.raises(InputError, match=f'the unit of its wavelengths, {unit!r}, is none of length; mend CUNIT3'):
        psf_setting.chosen('header', tmp_path / 'cube.fits', moffat_cards(), WAVE, unit)
    with pytest.raises(InputError, match='has no FSF keywords'):
        psf_setting.chosen('header', tmp_path / 'cube.fits', fits.Header(), WAVE, unit)


def variance_of(cutout, factor):
    """The cutout with the upper half of its channels noisier by a factor in variance."""
    noisy = np.arange(NL) >= NL // 2
    scale = np.where(noisy, factor, 1.0)[:, None, None]
    noise = np.random.default_rng(4).normal(size=cutout.voxels.data.shape)
    return changed(cutout, data=cutout.voxels.data + noise * np.sqrt(scale - 1), variance=np.ones(CUTOUT) * scale)


def test_noisy_wavelengths_weigh_less_and_the_map_gains():
    cutout = variance_of(make_cutout(flux=0.3), 400.0)
    plain, weighted = (process(cutout, xcor_weight=kind, cont_sub=False) for kind in ('none', 'variance'))

    def contrast(products):
        image = products.maps['CROSS_CORRELATION'].data
        far = np.hypot(*np.indices(image.shape) - np.array([10, 11])[:, None, None]) > 6
        return image[10, 11] / image[far].std()

    assert contrast(weighted) > 1.5 * contrast(plain)
    quoted = weighted.maps['CROSS_CORRELATION']
    assert (quoted.data / np.sqrt(quoted.variance))[:5].std() == pytest.approx(1, abs=0.3)


def test_channel_weights_are_one_over_the_mean_variance_of_usable_voxels():
    rng = np.random.default_rng(3)
    variance, bad = rng.uniform(1, 4, (6, 4, 5)), rng.random((6, 4, 5)) < 0.2
    bad[2] = True
    found = cross_correlation.channel_weights(Voxels.of(variance, variance, bad).columns)
    kept = [0, 1, 3, 4, 5]
    assert found[2] == 0
    assert found.mean() == pytest.approx(1)
    expected = np.array([1 / variance[k][~bad[k]].mean() for k in kept])
    assert_allclose(found[kept] / expected, found[0] / expected[0])
    assert_allclose(cross_correlation.channel_weights(Voxels.of(variance, None, bad).columns), 1)


def test_equal_noise_makes_the_weights_one():
    plain, weighted = (process(make_cutout(), xcor_weight=kind) for kind in ('none', 'variance'))
    for key, image in plain.maps.items():
        assert_allclose(weighted.maps[key].data, image.data, rtol=1e-9)


def test_iteration_ends_when_the_weights_stand_still():
    once, often = process(blend()), process(blend(), xcor_iter=50)
    assert not {'XCITER', 'XCITERC'} & once.facts.keys()
    assert 1 < often.facts['XCITER'][0] < 50
    further = process(blend(), xcor_iter=often.facts['XCITER'][0] + 1)
    assert_allclose(further.maps['CROSS_CORRELATION'].data, often.maps['CROSS_CORRELATION'].data)
    assert process(blend(), xcor_iter=2, cont_sub=False).facts['XCITER'][0] == 2


def test_iteration_calls_itself_with_what_it_has_found():
    seen = []

    def correlate(reference):
        seen.append(float(reference[0]))
        return Measured(np.array([1.0, 2.0, 5.0]) + reference[0])

    mask = np.array([True, True, True])
    result, number = cross_correlation.iterate(correlate, lambda weights: weights[2:] * 10, np.array([7.0]), mask, 9)
    assert seen == [7.0, 8.0]
    assert number == 2
    _, number = cross_correlation.iterate(lambda r: Measured(np.ones(3)), lambda w: w, np.array([7.0]), mask, 9)
    assert number == 1
    assert_allclose(result.data, [9, 10, 13])


def correlated(seed=5, size=31):
    """A cutout without sources whose noise was smoothed after its variance had been set to 1."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    raw = gaussian_filter(rng.normal(size=(200, size, size)), (0, 0.7, 0.7))
    cutout = make_cutout(flux=0.0)
    segmap = np.zeros((size, size), np.int32)
    segmap[14:17, 14:17] = 1
    variance = np.ones(raw.shape)
    return replace(
        changed(cutout, data=raw / raw.std(), variance=variance),
        wave=np.arange(200.0),
        centre=(15.0, 15.0),
        segmaps={'MINE': segmap},
    )


def test_the_factor_of_every_spectrum_scales_its_variance_and_stands_in_the_header():
    cutout = correlated()
    plain, scaled = (process(cutout, use_imgs=False, noise=kind) for kind in ('propagated', 'empirical'))
    numbered = {comment: value for card, (value, comment) in scaled.facts.items() if card.startswith('NFACT')}
    assert numbered.keys() == scaled.spectra.keys() - {'MUSE_SKY'}
    for key, median in numbered.items():
        factor = scaled.spectra[key].variance / plain.spectra[key].variance
        assert median == pytest.approx(np.median(factor), abs=1e-3)
        assert median > 2
        np.testing.assert_array_equal(plain.spectra[key].data, scaled.spectra[key].data)


@pytest.mark.parametrize('params', [{'aper': (0.6,), 'deblend': True}, {'xcor': False}, {'sky_sub': False}])
def test_every_spectrum_but_the_sky_has_a_factor(params):
    products = process(replace(correlated(), psf=Psf(3, 3)), use_imgs=False, noise='empirical', **params)
    numbered = {comment for card, (_, comment) in products.facts.items() if card.startswith('NFACT')}
    assert numbered == products.spectra.keys() - {'MUSE_SKY'}


def test_too_little_blank_sky_keeps_the_errors_with_one_note():
    segmap = np.ones((NY, NX), np.int32)
    segmap[:2] = 0
    cutout = make_cutout(segmaps={'MINE': segmap})
    plain, scaled = (process(cutout, use_imgs=False, noise=kind) for kind in ('propagated', 'empirical'))
    for key, spectrum in plain.spectra.items():
        np.testing.assert_array_equal(spectrum.variance, scaled.spectra[key].variance)
    (note,) = scaled.notes
    assert note.startswith('noise: 0 empty places')
    assert all(key in note for key in plain.spectra.keys() - {'MUSE_SKY'})


@pytest.mark.parametrize('factor', [np.nan, 0.0])
def test_wavelengths_without_scatter_keep_their_errors(monkeypatch, factor):
    def found(*_):
        return noise.NoiseFactor(np.where(np.arange(NL) < 5, factor, 4.0), factor, 20)

    monkeypatch.setattr(noise, 'empirical_factor', found)
    plain, scaled = (
        process(make_cutout(), noise=kind).spectra['MUSE_TOT_SKYSUB'] for kind in ('propagated', 'empirical')
    )
    assert_allclose(scaled.variance / plain.variance, np.where(np.arange(NL) < 5, 1, 4))


def test_without_variance_there_is_nothing_to_scale():
    products = process(changed(make_cutout(), variance=None), noise='empirical')
    assert products.notes == ('noise: the cube has no variance that could be scaled',)


@pytest.fixture
def pair(folder):
    """The working folder with a second source one arcsec east of the first, and a third far away."""
    east = RA + 5 * PIXEL / 3600
    (folder / 'catalog.txt').write_text(f'7 {RA:.7f} {DEC:.7f}\n8 {east:.7f} {DEC:.7f}\n9 {RA:.7f} 2.1\n')
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


def test_a_cut_knows_who_lies_in_or_near_it(folder):

    opened = preparation.open_all(Params(psf=(0.8, 0.6)), folder)
    where = {7: (11.0, 13.0), 1: (11.0, 20.0), 2: (11.0, 23.5), 3: (11.0, 24.5), 4: (0.0, 0.0)}
    cutout = cutouts.cut(opened, Target(7, RA, DEC, 3.0), where)
    origin = 11.0 - cutout.centre[0], 13.0 - cutout.centre[1]
    inside = {ident: (y - origin[0], x - origin[1]) for ident, (y, x) in where.items() if ident in (1, 2)}
    assert cutout.neighbours.keys() == inside.keys()
    for ident, place in inside.items():
        assert_allclose(cutout.neighbours[ident], place, atol=1e-6)
    assert (cutout.psf.blue, cutout.psf.red) == pytest.approx((0.8 / PIXEL, 0.6 / PIXEL), rel=1e-4)
    assert cutouts.cut(opened, Target(7, RA, DEC, 3.0)).neighbours == {}


def test_positions_leave_out_what_has_no_pixel(folder):

    opened = preparation.open_all(Params(), folder)
    found = cutouts.positions(
        opened, [Target(7, RA, DEC, 3.0), Target(8, RA, DEC + 1.0, 3.0), Target(9, RA + 180, -DEC, 3.0)]
    )
    assert_allclose(found[7], (11, 13), atol=1e-6)
    assert found[8][0] > 1000
    assert found.keys() == {7, 8}


def test_a_header_without_psf_stops_the_run_before_it_starts(folder, capsys):
    with (folder / 'param.py').open('a') as file:
        file.write("PSF = 'header'\n")
    assert main([str(folder), '-q']) == 2
    assert capsys.readouterr().err.count('has no FSF keywords') == 1
    assert not (folder / 'output').exists()
    write_cube(folder / 'datacube.fits', *small_cube(), header=cube_header())
    with fits.open(folder / 'datacube.fits', mode='update') as hdus:
        hdus[0].header.update(moffat_cards())
    assert main([str(folder), '-q']) == 0


def test_check_counts_the_joint_extraction_in(pair, capsys):
    with (pair / 'param.py').open('a') as file:
        file.write("REF = 'DEBLEND'\n")
    assert main([str(pair), '--check']) == 0
    assert 'reference DEBLEND\n' in capsys.readouterr().out
