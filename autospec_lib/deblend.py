"""The joint extraction: total spectra of a source and its neighbours from one fit to the whole subcube.

For K sources d(lambda, p) = sum_k s_k(lambda) P_k(lambda, p) + sky(lambda). The profiles P come from the data
(``components``, ``fitting``) or from a sharper image (``image_prior``), the spectra s from one linear
solve (``solve``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.components import Components, decompose
from autospec_lib.core.errors import SourceError
from autospec_lib.core.types import BoolArray, FloatArray, Measured, Psf
from autospec_lib.image_prior import blurred, kernels, match, templates
from autospec_lib.profiles import bin_cube
from autospec_lib.solve import NODES, Solution, Weighted, interpolation, solve, weigh

# A seeing to start from where none is known, in arcsec.
_SEEING = 0.8
# Errors that grow by more than this factor through a neighbour are worth a note.
_INFLATED = 2.0
# Sigma, over all wavelengths, below which a source counts as not detected.
_DETECTED = 4.0


@dataclass(frozen=True)
class Options:
    """What may be known besides the cube.

    ``pixel`` is a pixel's size in arcsec; ``psf`` the PSF in pixels; ``image`` (ny, nx) a sharper image on the cube's
    pixels, NaN where it has no value.
    """

    pixel: float = 0.2
    psf: Psf | None = None
    image: FloatArray | None = None


@dataclass(frozen=True)
class Shape:
    """A fitted Moffat function: centre in pixels, FWHM in pixels (geometric mean of the axes, mid wavelength), axis
    ratio, angle of the long axis in degrees from +x to +y, exponent."""

    y: float
    x: float
    fwhm: float
    ratio: float
    angle: float
    beta: float


@dataclass(frozen=True)
class Deblended:
    """The joint extraction of one subcube, the target first.

    ``spectra`` are total fluxes per source id (neighbours that no catalogue names have the ids -1, -2, ...), their
    variance with the covariance between sources and sky in it; ``sky`` is per pixel; ``profiles`` (ny, nx) are of
    total flux 1, averaged over wavelength with the white light's weights; ``residual`` (ny, nx) is the mean over
    wavelength of data minus model. ``leakage`` (K, K): what would come from source j (columns) into the spectrum of
    source i, per unit of j's flux, if i were extracted with its profile alone. ``growth`` is the factor by which the
    target's errors grow through the others. ``condition`` is the condition number of the normalised profiles.
    ``chromatic`` (K, n, ny, nx) and ``mixing`` (nl, n) give the profiles at every wavelength.
    """

    spectra: dict[int, Measured]
    sky: Measured
    profiles: dict[int, FloatArray]
    residual: FloatArray
    shapes: dict[int, Shape]
    leakage: FloatArray
    growth: float
    condition: float
    chromatic: FloatArray
    mixing: FloatArray
    notes: tuple[str, ...]


def extract(
    data: FloatArray,
    variance: FloatArray | None,
    bad: BoolArray,
    positions: Mapping[int, tuple[float, float]],
    wave: FloatArray,
    options: Options | None = None,
) -> Deblended:
    """Extract a source and its neighbours together.

    Parameters
    ----------
    data, bad : array (nl, ny, nx)
        Subcube, and where it must not be used; NaN is not used either. It may be sky-subtracted or not.
    variance : array (nl, ny, nx) or None
        Without variance one is estimated per wavelength to weigh the data, and the spectra carry none.
    positions : mapping of int to (y, x)
        Catalogue positions in pixels of the target, which comes first, and of its neighbours in or near the subcube;
        ids are not negative.
    wave : array (nl,)
        Wavelengths, ascending.
    options : Options, optional
        What else is known.

    Returns
    -------
    Deblended

    Raises
    ------
    SourceError
        When no voxel is usable, or no position is given.
    """
    if not positions:
        raise SourceError('joint extraction: no position given; expected the target and its neighbours')
    options, notes = _usable(Options() if options is None else options)
    cube = weigh(data, _scatter(data, bad) if variance is None else variance, bad)
    if not cube.weight.any():
        raise SourceError('joint extraction: no usable voxel in the subcube; move or enlarge it (SIZE)')
    where = (wave - wave[0]) / max(float(wave[-1] - wave[0]), 1e-300)
    parts = decompose(cube, where, positions, _start(options))
    mixing = interpolation(NODES, where)
    profiles = _profiles(cube, where, parts, options)
    solution = solve(cube, profiles, mixing)
    made = _gather(cube, replace(parts, notes=(*notes, *parts.notes)), profiles, mixing, solution)
    return made if variance is not None else _without_errors(made)


def _usable(options: Options) -> tuple[Options, tuple[str, ...]]:
    """The options without an image that shows too little of the subcube."""
    if options.image is None or np.isfinite(options.image).mean() > 0.5:
        return options, ()
    note = 'joint extraction: the image covers less than half of the subcube; shapes are from the cube alone'
    return replace(options, image=None), (note,)


def _start(options: Options) -> Psf | float:
    """The PSF where it is known, else a width in pixels to start from."""
    return _SEEING / options.pixel if options.psf is None else options.psf


def _scatter(data: FloatArray, bad: BoolArray) -> FloatArray:
    """A variance per wavelength from the differences of neighbouring pixels, of the data's shape."""
    steps = np.diff(np.where(bad | ~np.isfinite(data), np.nan, data), axis=2).reshape(len(data), -1)
    known = np.isfinite(steps).any(axis=1)
    level = np.zeros(len(data))
    level[known] = np.square(1.4826 * np.nanmedian(np.abs(steps[known]), axis=1)) / 2
    return np.broadcast_to(level[:, None, None], data.shape)


def _profiles(cube: Weighted, where: FloatArray, parts: Components, options: Options) -> FloatArray:
    """The sources' profiles (K, n, ny, nx): from the image where one is given, else as fitted."""
    if options.image is None:
        return parts.profiles(cube.shape, NODES)
    shares = templates(options.image, parts)
    kernel = match(bin_cube(cube, where), shares, parts.model)
    return blurred(shares, kernels(kernel, cube.shape, NODES))


def _gather(
    cube: Weighted, parts: Components, profiles: FloatArray, mixing: FloatArray, solution: Solution
) -> Deblended:
    """Average over wavelength, and judge how well the sources are told apart."""
    weight = cube.weight.sum(axis=0)
    share = cube.weight.sum(axis=1) @ mixing
    white = np.tensordot(share / share.sum(), profiles, axes=(0, 1))
    flat = np.concatenate([white.reshape(len(white), -1), np.ones((1, white[0].size))])
    gram = (flat * weight) @ flat.T
    size = np.sqrt(np.diag(gram)).clip(1e-300)
    spectra = {name: Measured(solution.spectra[k], solution.covariance[:, k, k]) for k, name in enumerate(parts.ids)}
    condition = float(np.linalg.cond(gram / size[:, None] / size))
    return Deblended(
        spectra=spectra,
        sky=Measured(solution.sky, solution.covariance[:, -1, -1]),
        profiles=dict(zip(parts.ids, white, strict=True)),
        residual=_residual(cube, profiles, mixing, solution),
        shapes=_shapes(parts),
        leakage=(gram / size[:, None] ** 2)[:-1, :-1],
        growth=_growth(_overlap(gram)),
        condition=condition,
        chromatic=profiles,
        mixing=mixing,
        notes=(*parts.notes, *_undetected(solution, parts.ids), *_inseparable(gram, parts.ids)),
    )


def _without_errors(made: Deblended) -> Deblended:
    """The same without variances: they would rest on an estimate, and None means that there is none."""
    bare = {name: Measured(one.data) for name, one in made.spectra.items()}
    return replace(made, spectra=bare, sky=Measured(made.sky.data))


def _residual(cube: Weighted, profiles: FloatArray, mixing: FloatArray, solution: Solution) -> FloatArray:
    """Mean over wavelength of data minus model, (ny, nx); NaN where there are no data."""
    used = (cube.weight > 0).astype(float)
    count = used.sum(axis=0)
    data = np.divide(cube.product, cube.weight, out=np.zeros_like(cube.weight), where=cube.weight > 0).sum(axis=0)
    spectra, sky = np.nan_to_num(solution.spectra), np.nan_to_num(solution.sky)
    shares = (spectra[:, None] * mixing.T[None]).reshape(-1, len(mixing)) @ used
    model = (shares.reshape(*profiles.shape[:2], -1) * profiles.reshape(*profiles.shape[:2], -1)).sum(axis=(0, 1))
    left = np.divide(data - model - sky @ used, count, out=np.full(len(count), np.nan), where=count > 0)
    return np.asarray(left.reshape(cube.shape))


def _shapes(parts: Components) -> dict[int, Shape]:
    """Each source's brightest component in words an astronomer uses."""
    shapes = {}
    for row, name in zip(parts.mixture, parts.ids, strict=True):
        y, x, width, e1, e2, tail = parts.model.shapes[int(np.argmax(row))]
        angle = float(np.degrees(0.5 * np.arctan2(e2, -e1)) % 180)
        ratio = float(np.exp(-np.hypot(e1, e2)))
        shapes[name] = Shape(float(y), float(x), float(np.exp(width)), ratio, angle, float(1 + np.exp(tail)))
    return shapes


def _undetected(solution: Solution, ids: tuple[int, ...]) -> list[str]:
    """Which sources are lost in the noise, or below it, when all wavelengths are added up."""
    notes = []
    for k, name in enumerate(ids):
        weight = np.nan_to_num(1 / solution.covariance[:, k, k])
        total = float(np.nansum(weight * solution.spectra[k]) / np.sqrt(max(weight.sum(), 1e-300)))
        if total < -_DETECTED:
            # Light cannot be negative: what should be this source's has gone to the others, and more.
            notes.append(
                f'source {name}: its flux comes out negative ({total:.1f} sigma over all wavelengths): the model takes '
                'the others to be too bright in its place, as in a halo; its spectrum is of no use'
            )
        elif total < _DETECTED:
            notes.append(
                f'source {name}: not detected ({total:.1f} sigma over all wavelengths); its profile is a guess'
            )
    return notes


def _overlap(gram: FloatArray) -> FloatArray:
    """How alike the sources' profiles are (K, K): 1 for the same profile, 0 where none touches another."""
    sources = gram[:-1, :-1]
    size = np.sqrt(np.diag(sources)).clip(1e-300)
    return np.asarray(sources / size[:, None] / size)


def _growth(overlap: FloatArray) -> float:
    """The factor by which the first source's errors grow through the others."""
    return float(np.sqrt(np.linalg.pinv(overlap)[0, 0]))


def _inseparable(gram: FloatArray, ids: tuple[int, ...]) -> list[str]:
    """Whether the data can hardly tell the target from another source: its errors grow through the overlap."""
    overlap = _overlap(gram)
    growth = _growth(overlap)
    if growth <= _INFLATED:
        return []
    other = ids[1 + int(np.argmax(overlap[0, 1:]))]
    return [
        f'source {ids[0]}: its errors grow {growth:.1f} times because it overlaps source {other}; '
        'the data hardly separate the two'
    ]
