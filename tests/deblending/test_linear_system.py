"""Given profiles give the spectra back, with errors that are true; the projection leaves nothing
along the profiles."""

import numpy as np
from blends import (
    FRACTION,
    NL,
    NX,
    NY,
    PLACES,
    SKY,
    blend,
    images,
    light,
    rising_and_falling,
    voxels,
    weighted,
)
from numpy.testing import assert_allclose

from autospec_lib.core.moffat import moffat
from autospec_lib.deblending.linear_system import project, solve
from autospec_lib.deblending.weighted_data import WeightedCube, bin_cube


def test_known_profiles_give_the_spectra_and_the_sky_back():
    made = solve(weighted(blend()), images()[:, None])
    assert_allclose(made.spectra, rising_and_falling(), rtol=1e-9)
    assert_allclose(made.sky, SKY, rtol=1e-9)


def test_the_covariance_is_that_of_many_draws():
    pulls = []
    for seed in range(12):
        made = solve(weighted(blend(), seed), images()[:, None])
        pulls.append(
            (made.spectra - rising_and_falling())
            / np.sqrt(np.einsum('lkk->kl', made.covariance[:, :2, :2]))
        )
    pulls, covariance = np.array(pulls), made.covariance
    assert_allclose(pulls.std(), 1, atol=0.04)
    expected = covariance[:, 0, 1] / np.sqrt(covariance[:, 0, 0] * covariance[:, 1, 1])
    assert_allclose((pulls[:, 0] * pulls[:, 1]).mean(), expected.mean(), atol=0.06)


def test_profiles_are_linear_between_their_wavelengths():
    widths = np.array([5.0, 4.0, 3.0])[:, None, None] ** 2 * np.eye(2)
    profiles = np.array([moffat((NY, NX), place, widths, 2.8) for place in PLACES.values()])
    between = np.array(
        [
            np.clip(1 - 2 * FRACTION, 0, 1),
            1 - np.abs(2 * FRACTION - 1),
            np.clip(2 * FRACTION - 1, 0, 1),
        ]
    )
    cube = np.einsum('kl,nl,knyx->lyx', rising_and_falling(), between, profiles)
    assert_allclose(solve(weighted(cube), profiles).spectra, rising_and_falling(), rtol=1e-8)


def test_a_crowd_is_solved_for_and_twins_are_not():
    places = [(y, x) for y in (8.0, 11.0, 14.0, 17.0) for x in (8.0, 11.0, 14.0)]
    profiles = np.array([moffat((NY, NX), place, 100 * np.eye(2)[None], 2.5) for place in places])
    truth = np.linspace(100.0, 200.0, len(places) * NL).reshape(len(places), NL)
    cube = weighted(light(truth, profiles) + SKY)
    assert_allclose(solve(cube, profiles).spectra, truth, rtol=1e-5)
    assert np.isnan(solve(cube, np.concatenate([profiles, profiles[:1]])).spectra).all()


def test_a_wavelength_without_data_has_no_value():
    bad = np.zeros((NL, NY, NX), bool)
    bad[17] = True
    made = solve(WeightedCube.of(voxels(blend(), bad=bad), FRACTION), images()[:, None])
    assert np.isnan(made.spectra[:, 17]).all()
    assert np.isnan(made.covariance[17]).all()
    assert_allclose(
        np.delete(made.spectra, 17, axis=1), np.delete(rising_and_falling(), 17, axis=1), rtol=1e-9
    )


def test_the_residual_of_the_projection_has_no_part_along_the_profiles():
    bands = bin_cube(weighted(blend(), 1))
    profiles = np.repeat(images().reshape(2, 1, -1), len(bands.data), axis=1)
    made = project(bands, profiles)
    along = np.einsum('nbp,bp->nb', profiles * bands.root_weight, made.residual)
    assert_allclose(along, 0, atol=1e-9 * np.abs(profiles * bands.root_weight).sum())
    assert_allclose(made.residual.std(), 1, atol=0.03)


def test_a_component_that_no_band_constrains_has_no_significance():
    bands = bin_cube(weighted(blend(), 3))
    profiles = np.repeat(images()[:1].reshape(1, 1, -1), 16, axis=1)
    # Nothing is left for the same profile a second time, nor for one without pixels.
    found = project(bands, np.concatenate([profiles, profiles, 0 * profiles]))
    assert found.significance[0] > 50
    assert_allclose(found.significance[1:], 0)


def test_the_projection_is_that_of_least_squares():
    bands = bin_cube(weighted(blend(), 4))
    # The second profile is a thousandth of a pixel from the first: inseparable, but not the same.
    twin = moffat((NY, NX), (PLACES[7][0] + 1e-3, PLACES[7][1]), 16 * np.eye(2)[None], 2.8)
    images = np.concatenate([moffat((NY, NX), PLACES[7], 16 * np.eye(2)[None], 2.8), twin])
    profiles = np.repeat(images.reshape(2, 1, -1), len(bands.data), axis=1)
    for count, precision in ((1, 1e-9), (2, 1e-5)):
        made = project(bands, profiles[:count])
        for band, root in enumerate(bands.root_weight):
            design = np.stack([*profiles[:count, band], np.ones(root.size)], axis=1) * root[:, None]
            expected, *_ = np.linalg.lstsq(design, bands.data[band] * root)
            assert_allclose(made.flux[band], expected, rtol=precision)
            error = np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
            assert_allclose(made.error[band], error, rtol=precision)
            left = bands.data[band] * root - design @ expected
            assert_allclose(made.residual[band], left, atol=precision)
            assert_allclose(made.q[band] @ made.q[band].T, np.eye(count + 1), atol=precision)
