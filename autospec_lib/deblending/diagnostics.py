"""Diagnostics of a joint fit: the residual, the target's shape, and how well the sources are
separated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from autospec_lib.core.keys import is_unnamed
from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.types import FloatArray, Ident
from autospec_lib.deblending.clumps import LARGE_CLUMPS
from autospec_lib.deblending.joint_fit import JointFit
from autospec_lib.deblending.linear_system import PROFILE_NODES
from autospec_lib.deblending.model import N_SHAPE
from autospec_lib.deblending.normal_equations import Problem

# Factors of the terms of the limits, see `separation`.
_LEAKAGE_FACTORS = {'c': 2.6, 'm': 1.1, 's': 1.1}
_FLUX_FACTORS = {'c0': 1.1, 'm0': 1.1, 's0': 0.55}
# Parameters of clumps at the middle wavelength.
_MIDDLE = 1


@dataclass(frozen=True)
class Shape:
    """A fitted Moffat function: centre in pixels, FWHM in pixels (geometric mean of both axes,
    middle wavelength), axis ratio, angle of the long axis in degrees from +x to +y, exponent."""

    y: float
    x: float
    fwhm: float
    ratio: float
    angle: float
    beta: float


@dataclass(frozen=True)
class Separation:
    """How well K sources and the sky can be separated, from their white-light profiles and weights.

    ``leakage`` (K, K) is the flux that source j (columns) would add to the spectrum of source i
    (rows), per unit of j's flux, if i were extracted with its own profile alone. ``growth`` is the
    factor by which the target's errors are larger because the other sources are fitted too.
    ``condition`` is the condition number of the normalised profiles. ``limit`` is an upper limit of
    the leakage, ``flux_limit`` one of the relative error of the flux; `separation` has their
    formulae, with the ``terms`` in it by name.
    """

    leakage: FloatArray
    growth: float
    condition: float
    limit: float
    flux_limit: float
    terms: Mapping[str, float]

    @property
    def tolerance(self) -> float:
        """How much the flux may be wrong: by the target's own profile, and by light of others."""
        return self.limit + self.flux_limit


def mean_profiles(result: JointFit) -> FloatArray:
    """The sources' profiles (K, ny, nx) in white light: their mean over wavelength, with the
    weights of the data."""
    share = result.cube.weight.sum(axis=1) @ linear_weights(PROFILE_NODES, result.cube.fraction)
    return np.tensordot(share / share.sum(), result.profiles, axes=(0, 1))


def mean_fluxes(result: JointFit) -> FloatArray:
    """The mean flux (K,) of each source."""
    return np.asarray(np.nan_to_num(result.solution.spectra).mean(axis=1))


def significance(result: JointFit) -> FloatArray:
    """The flux (K,) of each source over all wavelengths, in sigma."""
    weight = np.nan_to_num(1 / np.einsum('lkk->kl', result.solution.covariance)[:-1])
    return np.asarray(
        np.nansum(weight * result.solution.spectra, axis=1)
        / np.sqrt(weight.sum(axis=1).clip(1e-300))
    )


def separation(result: JointFit) -> Separation:
    """Compare the sources' white-light profiles, and estimate how much light of others the target's
    spectrum may hold.

    The spectrum is the sum of all pixels p with the weights w_p, the target's row of (A' W A)^-1 A'
    W. It would be free of the light of the other sources if their profiles P_j were exact. With F
    the flux of the target, F_j those of the others,

        limit^2 = (2.6 c)^2 + (1.1 m)^2 + (1.1 s)^2

    c comes from the covariance C of all parameters t in the last fit: c^2 = g' C g, g = sum_j F_j w
    dP_j/dt / F. m and s are sum_j |w (P_j' - P_j)| F_j / F with the profiles P' of models with
    small and without clumps.

    The total flux itself depends on the target's own profile, above all on its wings beyond what
    the data show. Its relative error has the limit

        flux_limit^2 = (1.1 c_0)^2 + (1.1 m_0)^2 + (0.55 s_0)^2

    with the same terms for j = 0: c_0 from the gradient w dP_0/dt, m_0 and s_0 = w (P_0' - P_0).
    Where a Moffat function with clumps and one without differ in the light of the wings, the data
    do not decide between them.

    The factors were set on simulated fields (`benchmarks/quality_grades.py`).
    """
    white, weight = mean_profiles(result), result.cube.weight.sum(axis=0)
    flat = np.concatenate([white.reshape(len(white), -1), np.ones((1, white[0].size))])
    overlap = (flat * weight) @ flat.T
    size = np.sqrt(np.diag(overlap)).clip(1e-300)
    leakage = (overlap / size[:, None] ** 2)[:-1, :-1]
    alike = overlap / size[:, None] / size
    growth = float(np.sqrt(np.linalg.pinv(alike[:-1, :-1])[0, 0]))
    own_weights = (np.linalg.pinv(alike)[0] / size[0] / size) @ (flat * weight)
    terms = _limit_terms(result, own_weights)
    limit, flux_limit = (
        float(np.sqrt(sum((factor * terms[name]) ** 2 for name, factor in one.items())))
        for one in (_LEAKAGE_FACTORS, _FLUX_FACTORS)
    )
    return Separation(leakage, growth, float(np.linalg.cond(alike)), limit, flux_limit, terms)


def _limit_terms(result: JointFit, weights: FloatArray) -> dict[str, float]:
    """What both limits in `separation` are made of, given the weights (npix,) in white light."""
    sources, flux = result.sources, mean_fluxes(result)
    own = max(abs(float(flux[0])), 1e-300)
    model, members = sources.model, sources.mean_membership
    # In the weights, the profiles of each component n add to the flux of the others (first row) and
    # of the target.
    light = np.array([flux[1:] @ members[1:], flux[0] * members[0]]) / own  # (2, n)
    middle = np.array([0.5])
    shape = result.cube.shape
    images = model.images(shape, middle)
    sigma = np.sqrt(_profile_variances(result, weights, images, light))
    terms = {'c': float(sigma[0]), 'c0': float(sigma[1])}
    for name, other in zip(('s', 'm'), sources.others, strict=True):
        changes = (other.images(shape, middle) - images).reshape(len(images), -1) @ weights  # (n,)
        terms[name] = float(np.abs((members @ changes)[1:] * flux[1:]).sum()) / own
        terms[f'{name}0'] = float(members[0] @ changes)
    return terms


def _profile_variances(
    result: JointFit, weights: FloatArray, images: FloatArray, light: FloatArray
) -> FloatArray:
    """The variances (2,) of sums of the components' light (2, n), seen through the weights (npix,),
    from the covariance of all parameters; ``images`` (n, 1, ny, nx) are the components' profiles at
    the middle wavelength."""
    sources = result.sources
    model = sources.model
    problem = Problem.of(sources.bands, sources.others[0], LARGE_CLUMPS)
    point = problem.at(problem.values(model))
    matrix, _ = problem.normal_equations(point)
    freedom = max(int((sources.bands.root_weight > 0).sum()) - len(matrix), 1)
    if model.clump_flux is not None:
        light = light / (1 + model.clump_flux.sum(axis=1)).clip(0.1)
    moving = problem.moving
    # (m, 7)
    by_shape = point.derivatives[:, :, _MIDDLE].reshape(len(moving), N_SHAPE + 1, -1) @ weights
    by_shape = by_shape * light[:, moving, None]  # (2, m, 7)
    parts = [by_shape[:, :, :N_SHAPE][:, problem.start.prior.free[moving]]]
    if model.psf is None:
        parts.append(by_shape[:, :, N_SHAPE].sum(axis=1, keepdims=True))
    if problem.grid is not None:
        by_clump = problem.grid.images[:, _MIDDLE].reshape(len(problem.grid.places), -1) @ weights
        # A clump makes the rest of its component fainter: a profile has the sum 1.
        seen = zip(images.reshape(len(images), -1) @ weights, problem.clump_prior.used, strict=True)
        parts += [
            own[:, None] * (by_clump[used] - part)
            for own, (part, used) in zip(light.T, seen, strict=True)
        ]
    gradient = np.concatenate(parts, axis=1)
    variances = np.einsum('ip,pi->i', gradient, np.linalg.lstsq(matrix, gradient.T)[0])
    return np.asarray(variances.clip(0) * max(1.0, point.chi2 / freedom))


def residual(result: JointFit) -> FloatArray:
    """Mean over wavelength of data minus model, (ny, nx); NaN where there are no data."""
    cube, solution = result.cube, result.solution
    between = linear_weights(PROFILE_NODES, cube.fraction)  # (nl, 9)
    used = (cube.weight > 0).astype(float)
    count = used.sum(axis=0)
    data = np.divide(
        cube.product, cube.weight, out=np.zeros_like(cube.weight), where=cube.weight > 0
    ).sum(axis=0)
    spectra, sky = np.nan_to_num(solution.spectra), np.nan_to_num(solution.sky)
    # The sum over wavelength of each profile's weight at each node, per pixel: (K * 9, npix).
    sums = (spectra[:, None] * between.T[None]).reshape(-1, len(between)) @ used
    nodes = result.profiles.shape[:2]
    model = (sums.reshape(*nodes, -1) * result.profiles.reshape(*nodes, -1)).sum(axis=(0, 1))
    left = np.divide(
        data - model - sky @ used, count, out=np.full(len(count), np.nan), where=count > 0
    )
    return np.asarray(left.reshape(cube.shape))


def target_shape(result: JointFit) -> Shape:
    """The shape of the target's brightest component."""
    sources = result.sources
    brightest = int(np.argmax(sources.mean_membership[0]))
    y, x, log_fwhm, e1, e2, log_beta = sources.model.shapes[brightest]
    angle = float(np.degrees(0.5 * np.arctan2(e2, -e1)) % 180)
    ratio = float(np.exp(-np.hypot(e1, e2)))
    return Shape(
        float(y), float(x), float(np.exp(log_fwhm)), ratio, angle, float(1 + np.exp(log_beta))
    )


def name_of(ident: Ident) -> str:
    """How notes name a source: by its ID, or as its profile's key does if it is not in the
    catalogue."""
    if is_unnamed(ident):
        return f'N{-ident}'
    return f'source {ident}'
