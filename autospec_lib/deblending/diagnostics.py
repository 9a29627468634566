"""Diagnostics of a joint fit: the residual, the target's shape, how well the sources are separated, and notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.types import FloatArray
from autospec_lib.deblending.joint_fit import JointFit
from autospec_lib.deblending.linear_system import PROFILE_NODES

# A note is given if the overlap with other sources makes the target's errors larger by more than this factor.
_INFLATED = 2.0
# Below this significance of the flux over all wavelengths, in sigma, a source counts as not detected.
_DETECTED = 4.0


@dataclass(frozen=True)
class Shape:
    """A fitted Moffat function: centre in pixels, FWHM in pixels (geometric mean of both axes, middle wavelength), axis
    ratio, angle of the long axis in degrees from +x to +y, exponent."""

    y: float
    x: float
    fwhm: float
    ratio: float
    angle: float
    beta: float


@dataclass(frozen=True)
class Separation:
    """How well K sources and the sky can be separated, from their white-light profiles and weights.

    ``overlap`` (K + 1, K + 1) holds the weighted products of all pairs of profiles, with the sky last. ``leakage``
    (K, K) is the flux that source j (columns) would add to the spectrum of source i (rows), per unit of j's flux, if i
    were extracted with its own profile alone. ``growth`` is the factor by which the target's errors are larger because
    the other sources are fitted too. ``condition`` is the condition number of the normalised profiles.
    """

    overlap: FloatArray
    leakage: FloatArray
    growth: float
    condition: float


def mean_profiles(result: JointFit) -> FloatArray:
    """The sources' profiles (K, ny, nx) in white light: their mean over wavelength, with the weights of the data."""
    share = result.cube.weight.sum(axis=1) @ linear_weights(PROFILE_NODES, result.cube.fraction)
    return np.tensordot(share / share.sum(), result.profiles, axes=(0, 1))


def separation(result: JointFit) -> Separation:
    """Compare the sources' white-light profiles."""
    white, weight = mean_profiles(result), result.cube.weight.sum(axis=0)
    flat = np.concatenate([white.reshape(len(white), -1), np.ones((1, white[0].size))])
    overlap = (flat * weight) @ flat.T
    size = np.sqrt(np.diag(overlap)).clip(1e-300)
    leakage = (overlap / size[:, None] ** 2)[:-1, :-1]
    alike = overlap / size[:, None] / size
    growth = float(np.sqrt(np.linalg.pinv(alike[:-1, :-1])[0, 0]))
    return Separation(overlap, leakage, growth, float(np.linalg.cond(alike)))


def residual(result: JointFit) -> FloatArray:
    """Mean over wavelength of data minus model, (ny, nx); NaN where there are no data."""
    cube, solution = result.cube, result.solution
    between = linear_weights(PROFILE_NODES, cube.fraction)  # (nl, 9)
    used = (cube.weight > 0).astype(float)
    count = used.sum(axis=0)
    data = np.divide(cube.product, cube.weight, out=np.zeros_like(cube.weight), where=cube.weight > 0).sum(axis=0)
    spectra, sky = np.nan_to_num(solution.spectra), np.nan_to_num(solution.sky)
    # The sum over wavelength of each profile's weight at each node, per pixel: (K * 9, npix).
    sums = (spectra[:, None] * between.T[None]).reshape(-1, len(between)) @ used
    nodes = result.profiles.shape[:2]
    model = (sums.reshape(*nodes, -1) * result.profiles.reshape(*nodes, -1)).sum(axis=(0, 1))
    left = np.divide(data - model - sky @ used, count, out=np.full(len(count), np.nan), where=count > 0)
    return np.asarray(left.reshape(cube.shape))


def target_shape(result: JointFit) -> Shape:
    """The shape of the target's brightest component."""
    y, x, log_fwhm, e1, e2, log_beta = result.sources.model.shapes[int(np.argmax(result.sources.membership[0]))]
    angle = float(np.degrees(0.5 * np.arctan2(e2, -e1)) % 180)
    ratio = float(np.exp(-np.hypot(e1, e2)))
    return Shape(float(y), float(x), float(np.exp(log_fwhm)), ratio, angle, float(1 + np.exp(log_beta)))


def notes(result: JointFit) -> tuple[str, ...]:
    """Notes on sources that are not detected, and on a target that the data hardly separate from another source."""
    return (*_undetected(result), *_inseparable(result))


def _undetected(result: JointFit) -> list[str]:
    found = []
    for source, ident in enumerate(result.sources.ids):
        weight = np.nan_to_num(1 / result.solution.covariance[:, source, source])
        sigma = float(np.nansum(weight * result.solution.spectra[source]) / np.sqrt(max(weight.sum(), 1e-300)))
        if sigma < -_DETECTED:
            # Light is not negative: the fit has given the other sources too much.
            found.append(
                f'source {ident}: its flux comes out negative ({sigma:.1f} sigma over all wavelengths): the model '
                'makes the others too bright at its position, as in a halo; do not use its spectrum'
            )
        elif sigma < _DETECTED:
            found.append(
                f'source {ident}: not detected ({sigma:.1f} sigma over all wavelengths); its profile is a guess'
            )
    return found


def _inseparable(result: JointFit) -> list[str]:
    found, ids = separation(result), result.sources.ids
    if found.growth <= _INFLATED:
        return []
    size = np.sqrt(np.diag(found.overlap)).clip(1e-300)
    other = ids[1 + int(np.argmax(found.overlap[0, 1:-1] / size[1:-1]))]
    return [
        f'source {ids[0]}: its errors grow {found.growth:.1f} times because it overlaps source {other}; '
        'the data hardly separate the two'
    ]
