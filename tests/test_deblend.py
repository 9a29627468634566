"""The joint extraction: exact where the truth is in the model, honest where it is not."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from autospec_lib import components, deblend, solve
from autospec_lib.components import decompose
from autospec_lib.core.errors import SourceError
from autospec_lib.core.moffat import moffat, shape_matrix
from autospec_lib.core.types import Psf
from autospec_lib.demo import simulation
from autospec_lib.fitting import fit
from autospec_lib.image_prior import blurred, kernels, match
from autospec_lib.lines import with_lines
from autospec_lib.neighbours import search
from autospec_lib.profiles import Model, bin_cube, expect, project, spread
from autospec_lib.structure import Expectation, Lattice

NL, NY, NX = 160, 27, 25
WAVE = np.linspace(4750.0, 9350.0, NL)
WHERE = np.linspace(0, 1, NL)
PLACES = {7: (13.0, 9.5), 9: (14.0, 15.0)}
SKY = 3.0


def two_spectra():
    """A rising and a falling continuum, each with a line."""
    line = np.exp(-0.5 * ((np.arange(NL) - np.array([[40], [110]])) / 2.0) ** 2)
    return np.array([300 + 200 * WHERE, 500 - 250 * WHERE]) + 900 * line


def two_profiles():
    matrices = [shape_matrix(4.2, 0.2, -0.1)[None], shape_matrix(5.0, -0.1, 0.2)[None]]
    return np.array([moffat((NY, NX), PLACES[name], one, 2.9) for name, one in zip(PLACES, matrices, strict=True)])


@pytest.fixture
def blend():
    """Noiseless cube of two overlapping Moffat sources on a sky, its variance and its bad voxels."""
    cube = np.einsum('kl,kyx->lyx', two_spectra(), two_profiles()[:, 0]) + SKY
    variance = np.linspace(2.0, 4.0, NL)[:, None, None] * np.ones((NL, NY, NX))
    return cube, variance, np.zeros(cube.shape, bool)


def noisy(blend, seed):
    cube, variance, bad = blend
    return cube + np.random.default_rng(seed).normal(size=cube.shape) * np.sqrt(variance), variance, bad


ONE = np.ones((NL, 1))


def test_known_profiles_give_the_spectra_and_the_sky_back(blend):
    made = solve.solve(solve.weigh(*blend), two_profiles(), ONE)
    assert_allclose(made.spectra, two_spectra(), rtol=1e-9)
    assert_allclose(made.sky, SKY, rtol=1e-9)


def test_the_covariance_is_that_of_many_draws(blend):
    pulls = []
    for seed in range(12):
        made = solve.solve(solve.weigh(*noisy(blend, seed)), two_profiles(), ONE)
        pulls.append((made.spectra - two_spectra()) / np.sqrt(np.einsum('lkk->kl', made.covariance[:, :2, :2])))
        paired = made.covariance[:, 0, 1]
    pulls = np.array(pulls)
    assert_allclose(pulls.std(), 1, atol=0.04)
    expected = paired / np.sqrt(made.covariance[:, 0, 0] * made.covariance[:, 1, 1])
    assert_allclose((pulls[:, 0] * pulls[:, 1]).mean(), expected.mean(), atol=0.06)


def test_profiles_linear_between_two_wavelengths_are_followed(blend):
    nodes = np.array([0.0, 0.3, 1.0])
    widths = np.array([5.0, 4.0, 3.0])[:, None, None] ** 2 * np.eye(2)
    profiles = np.array([moffat((NY, NX), place, widths, 2.8) for place in PLACES.values()])
    mixing = solve.interpolation(nodes, WHERE)
    cube = np.einsum('kl,ln,knyx->lyx', two_spectra(), mixing, profiles)
    made = solve.solve(solve.weigh(cube, *blend[1:]), profiles, mixing)
    assert_allclose(made.spectra, two_spectra(), rtol=1e-8)


def test_a_crowd_is_solved_for_and_twins_are_not():
    places = [(y, x) for y in (8.0, 11.0, 14.0, 17.0) for x in (8.0, 11.0, 14.0)]
    images = np.array([moffat((NY, NX), place, 100 * np.eye(2)[None], 2.5) for place in places])
    truth = np.linspace(100.0, 200.0, len(images) * NL).reshape(len(images), NL)
    cube = np.einsum('kl,kyx->lyx', truth, images[:, 0]) + SKY
    weighted = solve.weigh(cube, np.ones_like(cube), np.zeros(cube.shape, bool))
    assert_allclose(solve.solve(weighted, images, ONE).spectra, truth, rtol=1e-5)
    assert np.isnan(solve.solve(weighted, np.concatenate([images, images[:1]]), ONE).spectra).all()


def test_a_wavelength_without_data_has_no_value(blend):
    cube, variance, bad = blend
    bad[17] = True
    made = solve.solve(solve.weigh(cube, variance, bad), two_profiles(), ONE)
    assert np.isnan(made.spectra[:, 17]).all()
    assert np.isnan(made.covariance[17]).all()
    assert_allclose(np.delete(made.spectra, 17, axis=1), np.delete(two_spectra(), 17, axis=1), rtol=1e-9)


def test_fitted_shapes_are_the_true_ones(blend):
    cube = solve.weigh(*blend)
    off = np.array([[0.4, -0.3], [-0.2, 0.3]])
    before = expect(np.array(list(PLACES.values())) + off, 4.5)
    before = replace(before, sigma=1e6 * before.sigma)
    found = fit(bin_cube(cube, WHERE), before, Model(before.mean))
    assert_allclose(found.shapes[:, :2], list(PLACES.values()), atol=1e-3)
    assert_allclose(np.exp(found.shapes[:, 2]), [4.2, 5.0], rtol=1e-3)
    assert_allclose(found.shapes[:, 3:5], [[0.2, -0.1], [-0.1, 0.2]], atol=1e-3)
    assert_allclose(1 + np.exp(found.shapes[:, 5]), 2.9, rtol=1e-2)
    assert_allclose(found.slope, 0, atol=1e-2)


def test_a_width_that_runs_with_wavelength_is_found(blend):
    widths = (16.0 + 6.0 * (WHERE - 0.5))[:, None, None] * np.eye(2)
    cube = 400 * moffat((NY, NX), (13.2, 12.1), widths, 2.8)
    bands, before = bin_cube(solve.weigh(cube, *blend[1:]), WHERE), expect(np.array([[13.0, 12.0]]), 4.5)
    found = fit(bands, before, Model(before.mean))
    assert_allclose(found.slope, 6.0, rtol=0.02)
    given = fit(bands, before, Model(before.mean, psf=Psf(np.sqrt(13.0), np.sqrt(19.0))))
    assert given.slope == 0
    assert_allclose(np.diff(given.widening(np.array([0.0, 1.0]))), 6.0)


def test_the_residual_of_the_projection_has_no_part_along_the_profiles(blend):
    bands = bin_cube(solve.weigh(*noisy(blend, 1)), WHERE)
    before = expect(np.array(list(PLACES.values())), 4.5)
    model = fit(bands, before, Model(before.mean))
    images = spread(bands, model) * bands.root
    left = project(bands, spread(bands, model)).residual
    assert_allclose(np.einsum('nbp,bp->nb', images, left), 0, atol=1e-6 * np.abs(images).sum())


def test_extraction_gives_total_fluxes_true_errors_and_the_blend_apart(blend):
    made = deblend.extract(*noisy(blend, 3), PLACES, WAVE)
    assert list(made.spectra) == [7, 9]
    for name, truth in zip(PLACES, two_spectra(), strict=True):
        pulls = (made.spectra[name].data - truth) / np.sqrt(made.spectra[name].variance)
        assert_allclose(np.std(pulls), 1, atol=0.15)
        assert_allclose(made.spectra[name].data.sum() / truth.sum(), 1, atol=0.05)
    assert_allclose(made.sky.data.mean(), SKY, atol=0.1)
    assert_allclose(np.std(made.residual) * np.sqrt(NL), np.sqrt(3), rtol=0.1)
    assert_allclose(np.diag(made.leakage), 1)
    assert 0 < made.leakage[0, 1] < 1
    assert 1 < made.condition < 30
    assert made.notes == ()
    assert_allclose((made.shapes[9].y, made.shapes[9].x), PLACES[9], atol=0.1)


def test_scaling_data_and_errors_scales_the_spectra(blend):
    data, variance, bad = noisy(blend, 4)
    one = deblend.extract(data, variance, bad, PLACES, WAVE)
    ten = deblend.extract(10 * data, 100 * variance, bad, PLACES, WAVE)
    assert_allclose(ten.spectra[7].data, 10 * one.spectra[7].data, rtol=1e-6)
    assert_allclose(ten.spectra[7].variance, 100 * one.spectra[7].variance, rtol=1e-6)


@pytest.mark.parametrize('value', [1e30, np.nan, np.inf])
def test_bad_voxels_change_nothing(blend, value):
    data, variance, bad = noisy(blend, 5)
    before = data.copy()
    bad[20:24, 12, 10] = True
    bad[:, 2, 3] = True
    clean = deblend.extract(np.where(bad, 0.0, data), variance, bad, PLACES, WAVE)
    dirty = deblend.extract(np.where(bad, value, data), variance, bad, PLACES, WAVE)
    assert_allclose(dirty.spectra[7].data, clean.spectra[7].data, rtol=1e-12)
    assert np.isnan(dirty.residual[2, 3])
    assert_allclose(data, before)


def test_without_variance_there_is_none_and_the_flux_is_nearly_the_same(blend):
    data, variance, bad = noisy(blend, 6)
    bare = deblend.extract(data, None, bad, PLACES, WAVE)
    full = deblend.extract(data, variance, bad, PLACES, WAVE)
    assert bare.spectra[7].variance is None
    assert bare.sky.variance is None
    assert_allclose(bare.spectra[7].data.sum(), full.spectra[7].data.sum(), rtol=0.02)


def test_a_neighbour_that_no_catalogue_names_is_found_and_named(blend):
    data, variance, bad = noisy(blend, 7)
    made = deblend.extract(data, variance, bad, {7: PLACES[7]}, WAVE)
    assert list(made.spectra) == [7, -1]
    assert 'the catalogue does not name' in made.notes[0]
    assert_allclose((made.shapes[-1].y, made.shapes[-1].x), PLACES[9], atol=0.3)
    assert_allclose(made.spectra[7].data.sum() / two_spectra()[0].sum(), 1, atol=0.04)


@pytest.mark.parametrize(('share', 'ids'), [(0.15, [7]), (0.45, [7, -1])])
def test_faint_light_with_the_source_s_own_spectrum_is_its_structure(blend, share, ids):
    _, variance, bad = blend
    arm = moffat((NY, NX), (13.0, 16.5), 9.0 * np.eye(2)[None], 2.9)[0]
    body = moffat((NY, NX), (13.0, 9.5), 16.0 * np.eye(2)[None], 2.9)[0]
    truth = two_spectra()[0]
    cube = truth[:, None, None] * ((1 - share) * body + share * arm)
    made = deblend.extract(*noisy((cube, variance, bad), 8), {7: (13.0, 9.5)}, WAVE)
    assert list(made.spectra) == ids
    total = sum(one.data.sum() for one in made.spectra.values())
    assert_allclose(total / truth.sum(), 1, atol=0.04)


def test_a_component_is_a_part_of_sources_only_where_both_models_say_so(blend):
    model = Model(expect(np.array([(13.0, 9.5), (13.0, 15.5)]), 4.0).mean)
    near = Model(expect(np.array([(13.0, 9.5), (13.0, 13.0)]), 4.0).mean)
    images = model.images((NY, NX), solve.NODES)
    light = np.einsum('k,kyx->yx', [1.0, 0.5], images[:, 2])
    cube = solve.weigh(two_spectra()[0][:, None, None] * light + SKY, *blend[1:])
    data = components._Data(cube, bin_cube(cube, WHERE), WHERE, 4.0)
    before = expect(model.shapes[:, :2], 4.0)
    pairs = [(near, near), (near, model), (model, near), (model, model)]
    whose = [components._owned(data, before, *pair, (7,)).ids for pair in pairs]
    assert whose == [(7,), (7, -1), (7, -1), (7, -1)]


def test_the_search_counts_light_with_a_spectrum_of_its_own(blend):
    spectra, (body, arm) = two_spectra(), two_profiles()[:, 0]
    gains = []
    for other in spectra:
        cube = spectra[0][:, None, None] * body + 0.2 * other[:, None, None] * arm
        bands = bin_cube(solve.weigh(*noisy((cube, *blend[1:]), 15)), WHERE)
        before = expect(np.array([PLACES[7]]), 4.5).stiff()
        model = fit(bands, before, Model(before.mean))
        found = search(bands, project(bands, spread(bands, model)), model.shapes[:, :2], 7.0)
        gains.append(found.gain)
    assert_allclose(found.place, PLACES[9], atol=3)
    again = search(bands, project(bands, spread(bands, model)), model.shapes[:, :2], 7.0, [found.place])
    assert np.hypot(*np.subtract(again.place, found.place)) >= 3.5
    assert gains[1] > 2 * gains[0]


def test_a_position_without_light_is_said_to_have_none(blend):
    data, variance, bad = noisy((0 * blend[0], *blend[1:]), 13)
    made = deblend.extract(data, variance, bad, {7: PLACES[7]}, WAVE)
    assert_allclose(np.std(made.spectra[7].data / np.sqrt(made.spectra[7].variance)), 1, atol=0.15)
    assert 'source 7: not detected' in made.notes[0]


def test_a_source_that_comes_out_negative_is_said_to_be_of_no_use(blend):
    dip = -0.3 * two_spectra()[1][:, None, None] * two_profiles()[1]
    bright = two_spectra()[0][:, None, None] * two_profiles()[0]
    made = deblend.extract(*noisy((bright + dip, *blend[1:]), 16), PLACES, WAVE)
    assert made.spectra[9].data.sum() < 0
    assert any('source 9: its flux comes out negative (-' in note for note in made.notes)


def test_a_bright_neighbour_s_clumps_are_not_taken_for_the_faint_source(blend):
    own, other = (13.0, 8.0), (13.0, 13.5)
    clumps = 0.12 * round_image((15.0, 11.0), 4.0) + 0.12 * round_image((11.0, 15.0), 4.0)
    bright = 0.76 * round_image(other, 5.5) + clumps
    faint, loud = two_spectra()[0] / 4, two_spectra()[1]
    cube = faint[:, None, None] * round_image(own, 4.5) + loud[:, None, None] * bright + SKY
    made = deblend.extract(*noisy((cube, *blend[1:]), 17), {7: own, 9: other}, WAVE)
    assert list(made.spectra) == [7, 9]
    leak = solve.solve(solve.weigh(loud[:, None, None] * bright, *blend[1:]), made.chromatic, made.mixing)
    assert np.abs(leak.spectra[0]).sum() < 0.1 * faint.sum()
    assert_allclose(made.profiles[9].sum(), bright.sum(), atol=0.02)


def round_image(place, fwhm):
    return moffat((NY, NX), place, fwhm**2 * np.eye(2)[None], 2.8)[0]


def same_colour():
    """Two flat spectra that differ in their lines alone."""
    line = np.exp(-0.5 * ((np.arange(NL) - np.array([[44], [115]])) / 1.5) ** 2)
    return 400 + 1600 * line


def solved(cube, images):
    weighted = solve.weigh(*cube)
    return weighted, solve.solve(weighted, images[:, None], ONE)


def test_a_band_of_lines_shows_one_source_without_the_other(blend):
    images, spectra = two_profiles()[:, 0], same_colour()
    cube = (np.einsum('kl,kyx->lyx', spectra, images) + SKY, *blend[1:])
    weighted, solution = solved(cube, images)
    bins = bin_cube(weighted, WHERE)
    bands = with_lines(bins, weighted, WHERE, solution)
    assert len(bands.data) == len(bins.data) + 2
    assert_allclose(bands.data[:16], bins.data)
    assert_allclose(bands.where[16:], WHERE[[44, 115]], atol=0.01)
    repeated = np.repeat(images.reshape(2, 1, -1), 18, axis=1)
    assert_allclose(project(bands, repeated).flux[16:, :2], np.eye(2), atol=1e-9)


def test_bands_of_lines_have_the_noise_that_they_say_and_share_none(blend):
    images, spectra = two_profiles()[:, 0], same_colour()
    truth = np.einsum('kl,kyx->lyx', spectra, images)
    _, solution = solved((truth, *blend[1:]), images)
    noise = []
    for seed in range(20):
        weighted = solve.weigh(*noisy((0 * truth, *blend[1:]), seed))
        bands = with_lines(bin_cube(weighted, WHERE), weighted, WHERE, solution)
        noise.append(bands.data * bands.root)
    # 20 x 675 draws: one correlation is good to 0.009.
    assert_allclose(np.cov(np.concatenate(noise, axis=1)), np.eye(18), atol=0.05)


def test_a_spectrum_without_lines_adds_no_band(blend):
    images = two_profiles()[:, 0]
    weighted, solution = solved((400 * np.ones((NL, 1, 1)) * images.sum(axis=0), *blend[1:]), images)
    assert len(with_lines(bin_cube(weighted, WHERE), weighted, WHERE, solution).data) == 16


def test_noise_beyond_the_quoted_errors_is_no_line(blend):
    images = two_profiles()[:, 0]
    data, variance, bad = noisy((400 * np.ones((NL, 1, 1)) * images.sum(axis=0), *blend[1:]), 22)
    weighted, solution = solved((data, variance / 4, bad), images)
    assert len(with_lines(bin_cube(weighted, WHERE), weighted, WHERE, solution).data) == 16


def test_sources_of_one_spectrum_share_a_band(blend):
    images, spectrum = two_profiles()[:, 0], same_colour()[0]
    weighted, solution = solved((spectrum[:, None, None] * images.sum(axis=0), *blend[1:]), images)
    assert len(with_lines(bin_cube(weighted, WHERE), weighted, WHERE, solution).data) == 17


def test_lines_tell_sources_of_one_colour_apart(blend):
    own, other = round_image((13.0, 9.0), 4.5), round_image((13.0, 12.2), 5.0)
    faint, loud = 400 + 2.5 * (same_colour() - 400)
    cube = faint[:, None, None] * own + loud[:, None, None] * other + SKY
    for seed in range(5):
        places = {7: (13.4, 8.8), 9: (12.7, 12.4)}
        made = deblend.extract(*noisy((cube, *blend[1:]), seed), places, WAVE)
        leak = solve.solve(solve.weigh(loud[:, None, None] * other, *blend[1:]), made.chromatic, made.mixing)
        assert np.abs(leak.spectra[0]).sum() < 0.015 * faint.sum()


def crowd(seed, index, channels):
    """The catalogued galaxy of this index in a hard field and those around it, the sources near (16, 16)."""
    whole = simulation.hard(seed)
    centre = sorted(whole.galaxies, key=lambda one: not one.catalogued)[index]
    move = 16 - round(centre.y), 16 - round(centre.x)
    apart = {np.hypot(one.y - centre.y, one.x - centre.x): one for one in whole.galaxies}
    near = [replace(one, y=one.y + move[0], x=one.x + move[1]) for far, one in sorted(apart.items()) if far < 15]
    scene = replace(whole, shape=(33, 33), galaxies=tuple(near), empty=(), scatter=0.0)
    return scene.with_channels(channels, 4600 / channels).with_noise(25 * channels / 3681).make()


def extracted(field, options=None):
    """The joint extraction of a whole field, its sources numbered from 0."""
    named = {number: tuple(place) for number, place in enumerate(field.positions)}
    return deblend.extract(field.cube, field.variance, np.zeros(field.cube.shape, bool), named, field.wave, options)


def test_a_bright_neighbour_is_followed_to_its_place():
    field = crowd(510, 15, 200)
    made = extracted(field)
    assert list(made.spectra) == [0, 1, -1]
    image = field.profiles[2, 4]
    place = [(image * axis).sum() / image.sum() for axis in np.indices(image.shape)]
    assert_allclose((made.shapes[-1].y, made.shapes[-1].x), place, atol=0.2)


@pytest.mark.parametrize(('seed', 'index'), [(606, 2), (608, 14)])
def test_structure_is_not_taken_for_neighbours_that_nobody_named(seed, index):
    field = crowd(seed, index, 200)
    made = extracted(field, deblend.Options(psf=Psf(4.5, 3.25, 2.8)))
    unnamed = [(shape.y, shape.x) for name, shape in made.shapes.items() if name < 0]
    assert len(unnamed) == len(field.galaxies) - len(field.positions)
    for one in field.galaxies[len(field.positions) :]:
        assert min(np.hypot(y - one.y, x - one.x) for y, x in unnamed) < 1
    assert_allclose(made.spectra[0].data.sum() / field.spectra[0].sum(), 1, atol=0.05)


@pytest.mark.parametrize('index', [12, 13])
def test_a_neighbour_is_not_given_up_for_a_component_that_stands_in_for_it(index):
    field = crowd(1002, index, 300)
    made = extracted(field)
    assert list(made.spectra) == [0, 1, -1]
    neighbour = field.galaxies[-1]
    assert np.hypot(made.shapes[-1].y - neighbour.y, made.shapes[-1].x - neighbour.x) < 1


def test_a_source_wider_than_the_search_allows_is_fitted_in_the_end(blend):
    cube = two_spectra()[0][:, None, None] * moffat((NY, NX), (13.0, 12.0), 100.0 * np.eye(2)[None], 4.0)
    made = deblend.extract(*noisy((cube, *blend[1:]), 18), {7: (13.0, 12.0)}, WAVE)
    assert list(made.spectra) == [7]
    assert_allclose(made.shapes[7].fwhm, 10, rtol=0.03)
    assert_allclose(made.spectra[7].data.sum() / two_spectra()[0].sum(), 1, atol=0.06)


def test_structure_as_a_whole_may_not_stand_in_for_its_source():
    lattice = Lattice.of((NY, NX), np.full(3, 4.0), 3.0)
    smooth = np.array([moffat((NY, NX), place, 25.0 * np.eye(2)[None], 2.8)[0] for place in PLACES.values()])
    expected = Expectation.of(lattice, smooth, loose=0.15)
    part = expected.used[0]
    alike = smooth[0][tuple(lattice.grid[part].T)]
    cost = [own @ expected.precision[0] @ own for own in (alike, alike * (-1.0) ** part)]
    assert cost[0] > 2 * cost[1]


def test_light_of_structure_counts_and_is_never_negative():
    knots = np.zeros((1, 14 * 13))
    knots[0, [60, 100]] = 0.3, -0.5
    model = Model(np.array([[13.0, 12.0, np.log(5.0), 0.0, 0.0, 0.6]]), knots=knots, blob=4.0)
    image = model.images((NY, NX), np.array([0.5]))[0, 0]
    plain = replace(model, knots=0 * knots).images((NY, NX), np.array([0.5]))[0, 0]
    assert image.min() == 0
    assert_allclose(image.sum(), plain.sum(), atol=0.02)


def test_what_the_sources_explain_adds_no_component(blend):
    data, variance, bad = noisy(blend, 10)
    cube = solve.weigh(data, variance, bad)
    parts = decompose(cube, WHERE, PLACES, 4.0)
    assert parts.ids == (7, 9)


def test_a_given_psf_separates_the_blend(blend):
    made = deblend.extract(*noisy(blend, 11), PLACES, WAVE, deblend.Options(psf=Psf(4.0, 4.0)))
    for name, truth in zip(PLACES, two_spectra(), strict=True):
        assert_allclose(made.spectra[name].data.sum() / truth.sum(), 1, atol=0.05)


def test_a_convolved_template_is_the_template_convolved():
    shares = moffat((NY, NX), (12.0, 11.0), 9.0 * np.eye(2)[None], 2.9)
    spot = np.zeros((2 * NY - 1, 2 * NX - 1))
    spot[NY - 1 + 2, NX - 1 - 3] = 1
    assert_allclose(blurred(shares, spot[None])[0, 0, 2:, :-3], shares[0, :-2, 3:], atol=1e-15)


def test_a_sharper_image_tells_whose_the_light_is(blend):
    shares = np.array([moffat((NY, NX), place, 4.0 * np.eye(2)[None], 2.9)[0] for place in PLACES.values()])
    kernel = Model(np.array([[0.2, -0.3, np.log(4.0), 0.0, 0.0, np.log(1.8)]]), -4.0)
    cube = np.einsum('kl,klyx->lyx', two_spectra(), blurred(shares, kernels(kernel, (NY, NX), WHERE)))
    found = match(bin_cube(solve.weigh(cube, *blend[1:]), WHERE), shares, Model(kernel.shapes + 0.1))
    assert_allclose(found.shapes, kernel.shapes, atol=0.02)
    assert_allclose(found.slope, -4, atol=0.2)
    image = 5 * shares[0] + 3 * shares[1] + np.random.default_rng(1).normal(0, 0.002, (NY, NX))
    image[:2] = np.nan
    made = deblend.extract(*noisy((cube, *blend[1:]), 12), PLACES, WAVE, deblend.Options(image=image))
    for name, truth in zip(PLACES, two_spectra(), strict=True):
        assert_allclose(made.spectra[name].data.sum() / truth.sum(), 1, atol=0.05)


def test_an_image_without_noise_serves_and_one_without_values_is_put_aside(blend):
    data, variance, bad = noisy(blend, 14)
    image = np.einsum('kyx->yx', two_profiles()[:, 0])
    image[image < 1e-3] = 0
    made = deblend.extract(data, variance, bad, PLACES, WAVE, deblend.Options(image=image))
    assert np.isfinite(made.spectra[7].data).all()
    aside = deblend.extract(data, variance, bad, PLACES, WAVE, deblend.Options(image=np.full((NY, NX), np.nan)))
    assert 'covers less than half of the subcube' in aside.notes[0]
    assert_allclose(aside.spectra[7].data, deblend.extract(data, variance, bad, PLACES, WAVE).spectra[7].data)


def test_sources_that_the_data_cannot_separate_are_named(blend):
    places = {7: (13.0, 12.0), 9: (13.3, 12.2)}
    cube = 500 * sum(moffat((NY, NX), place, 16.0 * np.eye(2)[None], 2.9) for place in places.values())
    cube = np.repeat(cube, NL, axis=0)
    made = deblend.extract(*noisy((cube, *blend[1:]), 12), places, WAVE)
    assert any('source 7: its errors grow' in note and 'overlaps source 9' in note for note in made.notes)


def test_a_source_at_the_edge_and_an_empty_position_come_out():
    field = simulation.easy(3).with_channels(160, 28.75).make()
    data, variance = field.cube[:, :25, :27].astype(float), field.variance[:, :25, :27].astype(float)
    made = deblend.extract(data, variance, np.zeros(data.shape, bool), {0: (-1.0, 12.0), 4: (20.0, 20.0)}, field.wave)
    assert np.isfinite(made.spectra[4].data).all()
    assert np.isfinite(made.spectra[0].data).all()


def test_nothing_to_work_with_is_one_line(blend):
    cube, variance, bad = blend
    with pytest.raises(SourceError, match='no position given'):
        deblend.extract(cube, variance, bad, {}, WAVE)
    with pytest.raises(SourceError, match='no usable voxel'):
        deblend.extract(cube, variance, ~bad, PLACES, WAVE)
