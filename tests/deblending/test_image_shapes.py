"""A sharper image gives the profiles."""

from dataclasses import replace

import numpy as np
from blends import (
    FRACTION,
    NX,
    NY,
    PLACES,
    blend,
    fitted,
    images,
    rising_and_falling,
    round_image,
    totals,
    weighted,
)
from numpy.testing import assert_allclose

from autospec_lib.deblending.image_shapes import Kernel, convolved, match
from autospec_lib.deblending.model import Model
from autospec_lib.deblending.weighted_data import bin_cube


def test_a_convolved_template_is_the_template_convolved():
    shares = round_image((12.0, 11.0), 3.0)[None]
    spot = np.zeros((2 * NY - 1, 2 * NX - 1))
    spot[NY - 1 + 2, NX - 1 - 3] = 1
    assert_allclose(convolved(shares, spot[None])[0, 0, 2:, :-3], shares[0, :-2, 3:], atol=1e-15)


def test_a_sharper_image_tells_whose_the_light_is():
    shares = np.array([round_image(place, 2.0) for place in PLACES.values()])
    kernel = Kernel(np.array([0.2, -0.3, np.log(4.0), np.log(1.8), -4.0]))
    cube = np.einsum(
        'kl,klyx->lyx', rising_and_falling(), convolved(shares, kernel.images((NY, NX), FRACTION))
    )
    start = Model.of(np.zeros((1, 2)), 4.0)
    start = replace(start, shapes=np.array([[0, 0, np.log(4.0) + 0.1, 0, 0, 1.0]]), slope=-4.0)
    found = match(bin_cube(weighted(cube)), shares, start)
    assert_allclose(found.values[:4], kernel.values[:4], atol=0.02)
    assert_allclose(found.values[4], -4, atol=0.2)
    image = 5 * shares[0] + 3 * shares[1] + np.random.default_rng(1).normal(0, 0.002, (NY, NX))
    image[:2] = np.nan
    assert_allclose(totals(fitted(cube, 12, image=image)), 1, atol=0.05)


def test_an_image_without_noise_serves_and_one_without_values_is_put_aside():
    image = images().sum(axis=0)
    image[image < 1e-3] = 0
    assert np.isfinite(fitted(blend(), 14, image=image).solution.spectra).all()
    aside = fitted(blend(), 14, image=np.full((NY, NX), np.nan))
    assert 'covers less than half of the subcube' in aside.notes[0]
    assert_allclose(aside.solution.spectra, fitted(blend(), 14).solution.spectra)
