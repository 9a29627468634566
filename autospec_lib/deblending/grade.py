"""The grade of a joint extraction: whether the spectrum can be trusted, and why not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autospec_lib.core.keys import is_unnamed
from autospec_lib.core.types import Cutout, FloatArray
from autospec_lib.deblending.diagnostics import (
    Separation,
    mean_fluxes,
    mean_profiles,
    name_of,
    significance,
)
from autospec_lib.deblending.joint_fit import JointFit
from autospec_lib.deblending.line_exchange import line_share

# Upper limits of the leakage limit for the grades A and B.
_BEST, _GOOD = 0.05, 0.15
# Each of the following gives a source the grade C, whatever its leakage limit is.
# Limit of the relative error of its flux.
_FLUX_ERROR = 0.08
# Growth of its errors by its neighbours.
_INFLATED = 1.4
# Share of an uncatalogued source in its flux; where that has its colours, only if it is so many FWHM
# of the PSF away.
_FOREIGN, _FAR = 0.2, 1.0
# Significance of the flux over all wavelengths, in sigma, below which it is not detected.
DETECTED = 4.0
# A neighbour that is so many times brighter, within so many FWHM of the PSF.
_BRIGHTER, BESIDE = 30.0, 2.5
# Share of its light on usable pixels, below which too much is not seen.
_LEAST_INSIDE = 0.7
# Its flux over that in the object mask, below which light is missing. This does not count where
# catalogued neighbours have more light in the mask than this share of the flux.
_LEAST_OF_MASK, _OVERLAP = 0.7, 0.1
# A position at this share of its bound along an axis, and so far off in units of the bounds, if
# neighbours have more light under the source than this share of its flux: an isolated source is a
# galaxy whose peak is off the catalogue's position.
_AT_BOUND, _BEYOND, _BLENDED = 0.999, 1.15, 0.05
# Lines show that light of two sources is mixed: share of its flux in the other's spectrum, or share
# of the other's in its own, and the significance of both in sigma. Shares from the third number on
# are those of lines at the same redshift.
_EXCHANGED, _LEAKED, _ALIKE, _CERTAIN = 0.06, 0.1, 0.3, 3.5


def grade(limit: float, reasons: list[str]) -> str:
    """C if there are reasons not to trust the spectrum, a leakage limit above 0.15 among them (see
    `doubts`); else A if that limit is below 0.05, and B above."""
    if reasons:
        return 'C'
    return 'A' if limit < _BEST else 'B'


def doubts(
    result: JointFit, cutout: Cutout, parts: Separation, total: FloatArray | None
) -> Iterator[str]:
    """Reasons for the grade C, one phrase each.

    Parameters
    ----------
    result : JointFit
        The fit.
    cutout : Cutout
        What was fitted.
    parts : Separation
        Of the fit.
    total : array (nl,) or None
        The sum over the object mask.
    """
    sources, flux, spectra = result.sources, mean_fluxes(result), result.solution.spectra
    pixel = np.array(cutout.pixel)
    if parts.limit > _GOOD:
        yield f'up to {parts.limit:.2f} of its flux may be light of other sources'
    if parts.flux_limit > _FLUX_ERROR:
        yield f'its total flux may be wrong by {parts.flux_limit:.0%}: other shapes fit nearly as well'
    if parts.growth > _INFLATED:
        other = 1 + int(np.argmax(parts.leakage[0, 1:] * parts.leakage[1:, 0]))
        yield f'its errors grow {parts.growth:.1f} times because it overlaps {name_of(sources.ids[other])}'
    for place, share in _foreign_parts(result):
        apart = float(np.hypot(*((place - sources.centre(0)) * pixel)))
        yield (
            f'it may contain a source that the catalogue does not name, {apart:.1f} arcsec away at '
            f'{sky_text(cutout, *place)}, with {share:.0%} of its flux'
        )
    sigma = significance(result)
    if sigma[0] < -DETECTED:
        yield f'its flux is negative, {sigma[0]:.1f} sigma over all wavelengths'
    elif sigma[0] < DETECTED:
        yield f'it is not detected, {sigma[0]:.1f} sigma over all wavelengths'
    for number, ident in enumerate(sources.ids[1:], 1):
        apart = float(np.hypot(*((sources.centre(number) - sources.centre(0)) * pixel)))
        if apart > BESIDE * sources.fwhm * np.sqrt(pixel.prod()):
            continue
        if flux[number] > _BRIGHTER * flux[0] > 0:
            yield f'{name_of(ident)}, {apart:.1f} arcsec away, is {flux[number] / flux[0]:.0f} times brighter'
        if sigma[number] < -DETECTED:
            yield f'the flux of {name_of(ident)}, {apart:.1f} arcsec away, is negative, {sigma[number]:.1f} sigma'
        if share := _exchange(result, number, flux):
            yield (
                f'light of it and of {name_of(ident)} is mixed, {share:+.0%} of its flux: '
                'lines of one are in the spectrum of the other'
            )
    prior = sources.others[0].prior
    moved = np.abs(sources.model.shapes[0, :2] - prior.mean[0, :2])
    blended = np.abs(parts.leakage[0, 1:] * flux[1:]).sum() > _BLENDED * abs(flux[0])
    shares = moved / prior.bound[0, :2].clip(1e-9)
    if blended and shares.max() >= _AT_BOUND and np.hypot(*shares) > _BEYOND:
        yield f'its position ends {float(np.hypot(*(moved * pixel))):.2f} arcsec from the catalogue, at the limit'
    inside = float(mean_profiles(result)[0].ravel()[result.cube.weight.any(axis=0)].sum())
    if inside < _LEAST_INSIDE:
        yield f'only {inside:.0%} of its light is on usable pixels of the cut-out'
    catalogued = np.array([not is_unnamed(ident) for ident in sources.ids])
    overlap = np.abs(parts.leakage[0] * flux)[catalogued][1:].sum()
    if total is not None and overlap < _OVERLAP * abs(flux[0]):
        known = np.isfinite(total + spectra[0])
        share = float(spectra[0, known].sum() / max(total[known].sum(), 1e-300))
        if 0 < share < _LEAST_OF_MASK:
            yield f'its flux is only {share:.2f} of that in the object mask'


def _foreign_parts(result: JointFit) -> Iterator[tuple[FloatArray, float]]:
    """Place (y, x) in pixels and share of the flux of each part of the target that may be a source
    of its own: one that was made a part of it, or one with its colours that is not close."""
    sources = result.sources
    parts = [
        (np.array(part.place), float(part.share.mean()))
        for part in sources.absorbed
        if part.host == sources.ids[0]
    ]
    yield from (part for part in parts if part[1] > _FOREIGN)
    shares = sources.mean_membership[0]
    far = sources.model.distances(0) > _FAR * sources.fwhm
    for component in np.flatnonzero(far & (shares > _FOREIGN)):
        place = sources.model.shapes[component, :2]
        if all(np.hypot(*(place - other)) > 1 for other, _ in parts):
            yield place, float(shares[component])


def _exchange(result: JointFit, other: int, flux: FloatArray) -> float:
    """The share of the target's flux (K,) that it and another source exchange, as their lines show;
    0 if they do not show it."""
    if min(flux[0], flux[other]) <= 0:
        return 0.0
    ident, solution = result.sources.ids[other], result.solution
    unnamed = is_unnamed(ident)
    share, error = line_share(solution, 0, other)
    # Lines of two sources at one redshift agree: between sources of the catalogue only those of the
    # wrong sign count.
    largest = _ALIKE if unnamed else 0.0
    if -1 < share < largest and abs(share) > max(_EXCHANGED, _CERTAIN * error):
        return share
    if unnamed:
        ratio = float(flux[other] / flux[0])
        share, error = (one * ratio for one in line_share(solution, other, 0))
        if max(_LEAKED, _CERTAIN * error) < share < _ALIKE:
            return share
    return 0.0


def sky_text(cutout: Cutout, y: float, x: float) -> str:
    """RA and Dec in degrees of a position in pixels."""
    ra, dec = cutout.sky_position(y, x)
    return f'RA {ra:.5f}, Dec {dec:+.5f}'
