"""The joint fit: exact where the truth is in the model, and honest where it is not."""

import numpy as np
import pytest
from blends import (
    FRACTION,
    NL,
    NX,
    NY,
    PLACES,
    SKY,
    VARIANCE,
    blend,
    centre,
    doubts,
    fitted,
    images,
    light,
    rising_and_falling,
    round_image,
    same_colour,
    totals,
    voxels,
    weighted,
)
from numpy.testing import assert_allclose

from autospec_lib.core.errors import SourceError
from autospec_lib.core.types import Psf, Voxels
from autospec_lib.deblending import diagnostics
from autospec_lib.deblending.joint_fit import fit_jointly
from autospec_lib.deblending.linear_system import solve
from autospec_lib.deblending.weighted_data import WeightedCube
from autospec_lib.demo import simulation


def test_total_fluxes_true_errors_and_the_blend_apart():
    made = fitted(blend(), 3)
    assert made.sources.ids == (7, 9)
    errors = np.sqrt(np.einsum('lkk->kl', made.solution.covariance[:, :2, :2]))
    assert_allclose(
        ((made.solution.spectra - rising_and_falling()) / errors).std(axis=1), 1, atol=0.15
    )
    assert_allclose(totals(made), 1, atol=0.05)
    assert_allclose(made.solution.sky.mean(), SKY, atol=0.1)
    assert_allclose(centre(made, 1), PLACES[9], atol=0.1)
    assert_allclose(np.std(diagnostics.residual(made)) * np.sqrt(NL), np.sqrt(3), rtol=0.1)
    separation = diagnostics.separation(made)
    assert_allclose(np.diag(separation.leakage), 1)
    assert 0 < separation.leakage[0, 1] < 1
    assert 1 < separation.condition < 30
    assert made.notes == ()
    assert doubts(made) == ''
    assert separation.limit < 0.05


def test_a_given_psf_separates_the_blend():
    assert_allclose(totals(fitted(blend(), 11, seeing=Psf((4.0,)))), 1, atol=0.05)


def test_scaling_data_and_errors_scales_the_spectra():
    one, data = fitted(blend(), 4), voxels(blend(), 4).data
    ten = fitted(Voxels(10 * data, 100 * VARIANCE))
    assert_allclose(ten.solution.spectra, 10 * one.solution.spectra, rtol=1e-6)
    assert_allclose(
        ten.solution.covariance[:, 0, 0], 100 * one.solution.covariance[:, 0, 0], rtol=1e-6
    )


@pytest.mark.parametrize('value', [1e30, np.nan, np.inf])
def test_bad_voxels_change_nothing(value):
    data = voxels(blend(), 5).data
    before, bad = data.copy(), np.zeros(data.shape, bool)
    bad[20:24, 12, 10] = True
    bad[:, 2, 3] = True
    clean, dirty = (
        fitted(Voxels(np.where(bad, junk, data), VARIANCE, bad)) for junk in (0.0, value)
    )
    assert_allclose(dirty.solution.spectra, clean.solution.spectra, rtol=1e-12)
    assert np.isnan(diagnostics.residual(dirty)[2, 3])
    assert_allclose(data, before)


def test_without_variance_the_flux_is_nearly_the_same():
    bare = fitted(Voxels(voxels(blend(), 6).data))
    assert_allclose(totals(bare), totals(fitted(blend(), 6)), rtol=0.02)


def test_a_neighbour_that_no_catalogue_names_is_found_and_named():
    made = fitted(blend(), 7, {7: PLACES[7]})
    assert made.sources.ids == (7, -1)
    assert made.sources.ids[1:] == (-1,)
    assert_allclose(centre(made, 1), PLACES[9], atol=0.3)
    assert_allclose(totals(made)[0], 1, atol=0.04)


@pytest.mark.parametrize(('share', 'ids'), [(0.15, (7,)), (0.45, (7, -1))])
def test_faint_light_with_the_source_s_own_spectrum_is_a_part_of_it(share, ids):
    body, arm = (
        moffat_at(place, fwhm) for place, fwhm in (((13.0, 9.5), 4.0), ((13.0, 16.5), 3.0))
    )
    truth = rising_and_falling()[0]
    made = fitted(light(truth, (1 - share) * body + share * arm), 8, {7: (13.0, 9.5)})
    assert made.sources.ids == ids
    assert_allclose(made.solution.spectra.sum() / truth.sum(), 1, atol=0.04)


def moffat_at(place, fwhm):
    return round_image(place, fwhm, 2.9)


def leakage(made, spectrum, image):
    """What the fit's profiles make of another source's light alone: the flux in the first
    spectrum."""
    return np.abs(solve(weighted(light(spectrum, image)), made.profiles).spectra[0]).sum()


def test_a_bright_neighbour_s_clumps_are_not_taken_for_the_faint_source():
    own, other = (13.0, 8.0), (13.0, 13.5)
    clumps = 0.12 * round_image((15.0, 11.0), 4.0) + 0.12 * round_image((11.0, 15.0), 4.0)
    bright = 0.76 * round_image(other, 5.5) + clumps
    faint, loud = rising_and_falling()[0] / 4, rising_and_falling()[1]
    cube = light([faint, loud], [round_image(own, 4.5), bright]) + SKY
    made = fitted(cube, 17, {7: own, 9: other})
    assert made.sources.ids == (7, 9)
    assert leakage(made, loud, bright) < 0.1 * faint.sum()
    assert_allclose(diagnostics.mean_profiles(made)[1].sum(), bright.sum(), atol=0.02)


def test_lines_tell_sources_of_one_colour_apart():
    own, other = round_image((13.0, 9.0), 4.5), round_image((13.0, 12.2), 5.0)
    faint, loud = 400 + 2.5 * (same_colour() - 400)
    cube = light([faint, loud], [own, other]) + SKY
    for seed in range(5):
        made = fitted(cube, seed, {7: (13.4, 8.8), 9: (12.7, 12.4)})
        assert leakage(made, loud, other) < 0.015 * faint.sum()


def test_clumps_of_a_disc_do_not_widen_its_wings():
    field, row = simulation.hard(43).with_channels(115, 40.0).with_noise(25 / 32).make(), 7
    low = np.rint(field.positions[row]).astype(int) - 12
    box = tuple(slice(first, first + 25) for first in low)
    data, variance = field.cube[:, *box].astype(float), field.variance[:, *box].astype(float)
    fraction = np.linspace(0, 1, len(field.wave))
    places = field.positions - low
    near = [
        row,
        *(n for n, place in enumerate(places) if n != row and (np.abs(place - 12) < 24).all()),
    ]
    made = fit_jointly(Voxels(data, variance), {n: tuple(places[n]) for n in near}, fraction, 4.0)
    own = WeightedCube.of(Voxels(field.truth(row, box), variance), fraction)
    flux = solve(own, made.profiles).spectra[0].sum() / field.spectra[row].sum()
    assert flux == pytest.approx(1, abs=0.05)


def test_a_source_wider_than_the_search_allows_is_fitted_in_the_end():
    made = fitted(
        light(rising_and_falling()[0], round_image((13.0, 12.0), 10.0, 4.0)), 18, {7: (13.0, 12.0)}
    )
    assert made.sources.ids == (7,)
    assert_allclose(diagnostics.target_shape(made).fwhm, 10, rtol=0.03)
    assert_allclose(totals(made), 1, atol=0.06)


@pytest.mark.parametrize(('fwhm', 'beta', 'brightness'), [(12.0, 2.3, 1.0), (8.0, 2.5, 0.1)])
def test_a_total_flux_that_hangs_on_unseen_wings_or_noise_is_in_doubt(fwhm, beta, brightness):
    cube = light(brightness * rising_and_falling()[0], round_image((13.0, 12.0), fwhm, beta))
    made = fitted(cube, 18, {7: (13.0, 12.0)})
    assert abs(totals(made)[0] / brightness - 1) > 0.1
    assert diagnostics.separation(made).flux_limit > 0.1
    assert 'total flux' in doubts(made)


def test_the_total_flux_of_a_bright_compact_source_is_sure():
    made = fitted(
        light(rising_and_falling()[0], round_image((13.0, 12.0), 6.0)), 18, {7: (13.0, 12.0)}
    )
    assert abs(totals(made)[0] - 1) < diagnostics.separation(made).flux_limit < 0.05


def test_light_on_bad_pixels_does_not_count_as_seen():
    bad = np.zeros((NL, NY, NX), bool)
    bad[:, :, :11] = True
    assert 'usable pixels' in doubts(fitted(voxels(blend(), 3, bad)))


def test_a_position_without_light_is_said_to_have_none():
    made = fitted(np.zeros_like(VARIANCE), 13, {7: PLACES[7]})
    pulls = made.solution.spectra[0] / np.sqrt(made.solution.covariance[:, 0, 0])
    assert_allclose(np.std(pulls), 1, atol=0.15)
    assert 'not detected' in doubts(made)


def test_a_source_that_comes_out_negative_is_said_to_be_of_no_use():
    made = fitted(light([[1], [-0.3]] * rising_and_falling(), images()), 16)
    assert made.solution.spectra[1].sum() < 0
    assert 'flux of source 9' in doubts(made)
    assert 'its flux is negative' in doubts(
        fitted(light([[-0.3], [1]] * rising_and_falling(), images()), 16)
    )


def test_sources_that_the_data_cannot_separate_are_named():
    places = {7: (13.0, 12.0), 9: (13.3, 12.2)}
    cube = light(np.full((2, NL), 500.0), [moffat_at(place, 4.0) for place in places.values()])
    reasons = doubts(fitted(cube, 12, places))
    assert 'its errors grow' in reasons
    assert 'source 9' in reasons


def test_a_source_at_the_edge_and_an_empty_position_come_out():
    field = simulation.easy(3).with_channels(160, 28.75).make()
    data, variance = (cube[:, :25, :27].astype(float) for cube in (field.cube, field.variance))
    made = fit_jointly(Voxels(data, variance), {0: (-1.0, 12.0), 4: (20.0, 20.0)}, FRACTION, 4.0)
    assert np.isfinite(made.solution.spectra[:2]).all()


def test_nothing_to_work_with_is_one_line():
    with pytest.raises(SourceError, match='no position given'):
        fitted(blend(), 1, {})
    with pytest.raises(SourceError, match='no usable voxel'):
        fitted(voxels(blend(), bad=np.ones((NL, NY, NX), bool)))
