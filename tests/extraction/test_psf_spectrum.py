"""A point source has its whole flux in the spectrum weighted by the PSF, however the PSF changes
with wavelength."""

from dataclasses import replace

import numpy as np
import pytest
from builders import CUTOUT, SPECTRUM, changed, make_cutout, process
from numpy.testing import assert_allclose

from autospec_lib.core.moffat import images, moffat
from autospec_lib.core.types import Psf, Voxels
from autospec_lib.extraction import psf_spectrum, weights

NL, NY, NX = CUTOUT
PSF = Psf((3.5,))


def point_source():
    """A point source at (10, 8) with the spectrum `SPECTRUM`, and its profile."""
    profile = images((NY, NX), (10.0, 8.0), PSF, np.array([0.5]))[0]
    cutout = make_cutout(flux=0.0)
    lit = changed(cutout, data=cutout.voxels.data + SPECTRUM[:, None, None] * profile)
    return replace(lit, centre=(10.0, 8.0), psf=PSF), profile


def test_the_whole_flux_of_a_point_source():
    spectra = process(point_source()[0]).spectra
    share = {
        key: SPECTRUM @ spectrum.data / (SPECTRUM @ SPECTRUM) for key, spectrum in spectra.items()
    }
    assert share['MUSE_PSF_SKYSUB'] == pytest.approx(1, abs=0.02)
    assert share['MUSE_TOT_SKYSUB'] < 0.97
    keys = list(spectra)
    assert keys.index('MUSE_PSF_SKYSUB') == keys.index('MUSE_WHITE_SKYSUB') + 1


@pytest.mark.parametrize(
    ('widths', 'exponents'), [([-2.0, 5.0], [2.8]), ([3.0, -4.0, 5.0], [-2.0, 2.5, 2.2])]
)
def test_the_flux_is_total_where_the_psf_is_a_polynomial_of_wavelength(widths, exponents):
    where = np.linspace(0, 1, 33)
    psf = Psf(tuple(np.polyval(widths, where)), tuple(np.polyval(exponents, where)))
    cutout = replace(make_cutout(flux=0.0), psf=psf)
    where = np.linspace(0, 1, NL)
    matrices = np.polyval(widths, where)[:, None, None] ** 2 * np.eye(2)
    light = 700.0 * moffat((NY, NX), cutout.centre, matrices, np.polyval(exponents, where))
    profiles = psf_spectrum.psf_images(cutout).reshape(-1, NY * NX)
    found = psf_spectrum.point_source(cutout, Voxels(light).columns, profiles)
    assert_allclose(found.data, 700, rtol=0.01)
    assert found.variance is None


def test_one_profile_at_all_wavelengths_is_weighted_as_an_image():
    cutout, profile = point_source()
    bad = np.arange(cutout.voxels.data.size).reshape(CUTOUT) % 7 == 0
    spaxels = changed(cutout, bad=bad).voxels.columns
    profile = profile.ravel() / profile.sum()
    expected = weights.weighted(spaxels, profile[None])[0]
    found = weights.optimal(spaxels, np.repeat(profile[None], NL, axis=0))
    assert_allclose(found.data, expected.data)
    assert_allclose(found.variance, expected.variance)
