"""Offsets from the white light: simulated fields with known ones, and fields in which nothing can
be said."""

import numpy as np
import pytest

from autospec_lib.detection import offset_fit

SHAPE = 80, 92
PAD = 24


def rendered(places, fluxes, shapes, seeing, shape=SHAPE):
    """Galaxies of exponential discs (scale, axis ratio, angle; scale 0 for a star) and bulges, in a
    seeing (FWHM)."""
    size = [length + 2 * PAD for length in shape]
    ky, kx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])
    light = np.zeros((size[0], kx.size), complex)
    for (y, x), flux, (scale, ratio, angle, bulge) in zip(places, fluxes, shapes, strict=True):
        along, across = (
            ky * np.cos(angle) + kx * np.sin(angle),
            (kx * np.cos(angle) - ky * np.sin(angle)) * ratio,
        )
        square = (2 * np.pi * scale) ** 2 * (along**2 + across**2)
        profile = (1 - bulge) * (1 + square) ** -1.5 + bulge * (1 + 0.1 * square) ** -1.5
        light += flux * profile * np.exp(-2j * np.pi * (ky * (y + PAD) + kx * (x + PAD)))
    # Wings like those of a Kolmogorov PSF; 0.98 / FWHM is where its transform has fallen to 1/e.
    light *= np.exp(-((np.hypot(ky, kx) * seeing / 0.6) ** (5 / 3)))
    return np.fft.irfft2(light, size)[PAD : PAD + shape[0], PAD : PAD + shape[1]]


def field(seed, shift=(0.0, 0.0), number=12, noise=0.02, sharp=2.0, alone=(0, 0)):
    """White light, an image whose objects lie ``-shift`` from it, and the places of the objects.

    Objects have colours that scatter by 0.3, and bulges of other shares in the image. ``alone`` are
    the numbers of objects that are in one of the two alone.
    """
    only_white, only_image = alone
    rng = np.random.default_rng(seed)
    total = number + only_white + only_image
    places = rng.uniform(4, np.array(SHAPE) - 4, (total, 2))
    flux, colour = 10 ** rng.uniform(0.3, 1.6, total), np.exp(rng.normal(0, 0.3, total))
    shapes = np.column_stack(
        [rng.uniform(0, 2.5, total), rng.uniform(0.3, 1, total), rng.uniform(0, 3, total)]
    )
    shapes[rng.random(total) < 0.3, 0] = 0
    bulge = rng.uniform(0.2, 0.8, total)
    white = slice(0, number + only_white)
    image = [*range(number), *range(number + only_white, total)]
    first = rendered(places[white], flux[white], np.column_stack([shapes, bulge])[white], 4.0)
    bulge = bulge + rng.uniform(-0.2, 0.2, total)
    second = rendered(
        (places - shift)[image],
        (flux * colour)[image],
        np.column_stack([shapes, bulge])[image],
        sharp,
    )
    first = first + noise * rng.normal(size=SHAPE) + 0.3
    return first, 7 * (second + noise * rng.normal(size=SHAPE)) - 40, places[white]


KINDS = {
    'as they are': {},
    'noisy': {'noise': 0.06},
    'crowded': {'number': 50},
    'same seeing': {'sharp': 4.0},
    'objects in one of the two alone': {'alone': (4, 6)},
}


@pytest.mark.parametrize('kind', KINDS.values(), ids=KINDS)
def test_the_shift_of_an_image_is_measured_within_its_error(kind):
    deviations, errors = [], []
    for seed in range(100, 112):
        shift = np.random.default_rng(seed).uniform(-6, 6, 2)
        white, image, _ = field(seed, shift, **kind)
        offset = offset_fit.of_image(image, white)
        if offset is not None:
            deviations.append(offset.shift - shift)
            errors.append(np.sqrt(np.diag(offset.covariance)))
    assert len(deviations) > 6
    assert np.median(errors) < 0.15
    assert np.sqrt(np.mean(np.square(deviations))) < 0.12
    pulls = np.array(deviations) / errors
    assert np.abs(pulls).max() < 3.5
    assert 0.2 < np.sqrt(np.mean(pulls**2)) < 1.3


def test_the_shift_does_not_depend_on_unit_and_footprint():
    white, image, _ = field(5, (2.3, -1.4))
    first = offset_fit.of_image(image, white)
    np.testing.assert_allclose(
        offset_fit.of_image(1e-18 * image + 3e-17, 1e5 * white).shift, first.shift, atol=0.01
    )
    image[:, :14] = np.nan
    white[70:] = np.nan
    part = offset_fit.of_image(image, white)
    assert np.abs(part.shift - (2.3, -1.4)).max() < 0.25


def silent_pairs():
    white, image, _ = field(7)
    one, other, _ = field(8, number=1)
    two = field(9, number=2)
    y, x = np.indices(SHAPE)
    large = 400 * np.exp(-np.hypot(y - 40, x - 45) / 9)
    return {
        'unrelated': (field(30)[1], white),
        'one object': (other, one),
        'two objects': (two[1], two[0]),
        'one holds the light': (image + 7 * large, white + large),
        'noise': tuple(np.random.default_rng(1).normal(size=(2, *SHAPE))),
        'no value': (np.full(SHAPE, np.nan), white),
        'a constant': (np.ones(SHAPE), white),
        'no light': (image, np.zeros(SHAPE)),
        'both constant': (np.ones(SHAPE), np.ones(SHAPE)),
        'small': (np.ones((2, 1)), np.ones((2, 1))),
        'periodic': (
            np.sin(x / 2) ** 8 * np.sin(y / 2) ** 8,
            np.sin(x / 2) ** 8 * np.sin(y / 2) ** 8,
        ),
        'shifted too far': (np.roll(image, 30, axis=1), white),
    }


@pytest.mark.parametrize('pair', silent_pairs().values(), ids=silent_pairs())
def test_nothing_is_certain_of_an_image_that_is_not_alike(pair):
    assert offset_fit.of_image(*pair) is None


@pytest.mark.parametrize(('scatter', 'others'), [(0.02, 0), (0.3, 0), (0.3, 15)])
def test_the_shift_of_a_catalogue_is_measured_within_its_error(scatter, others):
    deviations, errors = [], []
    for seed in range(40, 56):
        rng = np.random.default_rng(seed)
        shift = rng.uniform(-5, 5, 2)
        white, _, places = field(seed, number=15)
        places = np.concatenate([places, rng.uniform(0, SHAPE, (others, 2))]) - shift
        offset = offset_fit.of_positions(places + scatter * rng.normal(size=places.shape), white)
        if offset is not None:
            deviations.append(offset.shift - shift)
            errors.append(np.sqrt(np.diag(offset.covariance)))
    assert len(deviations) > 10
    assert np.sqrt(np.mean(np.square(deviations))) < 0.05 + 0.5 * scatter
    assert np.sqrt(np.mean(np.square(np.array(deviations) / errors))) < 1.5


def test_nothing_is_certain_of_positions_without_objects():
    white, _, places = field(3, number=15)
    random = np.random.default_rng(4).uniform(0, SHAPE, (20, 2))
    assert offset_fit.of_positions(random, white) is None
    assert offset_fit.of_positions(places[:4], white) is None
    assert offset_fit.of_positions(places + 200, white) is None
    assert offset_fit.of_positions(np.zeros((0, 2)), white) is None
    assert offset_fit.of_positions(places, np.full(SHAPE, np.nan)) is None
    assert offset_fit.of_positions(places, np.zeros(SHAPE)) is None
