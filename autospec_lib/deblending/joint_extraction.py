"""The entry point of this folder: the joint extraction of one cut-out, and a description of the
method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from autospec_lib.core import geometry, keys
from autospec_lib.core.errors import SourceError
from autospec_lib.core.products import Group, Kind, Products, Spectrum, by_key
from autospec_lib.core.types import Cutout, FloatArray, Ident, Measured, Voxels
from autospec_lib.deblending import diagnostics, grade
from autospec_lib.deblending.catalogue_error import USUAL_SEEING
from autospec_lib.deblending.joint_fit import JointFit, fit_jointly
from autospec_lib.deblending.model import Frame

# Neighbours that are fitted together.
MAX_NEIGHBOURS = 40
# Largest change of the flux with the size of the cut-out, and the smallest side in pixels at which
# this is checked.
_CHANGE, _LEAST_SIDE = 0.1, 17
# A neighbour that is not in the catalogue has a note if it is closer to the target than this many
# FWHM of the PSF.
_CLOSE = 1.5
# Two sources closer than this many FWHM of the PSF are at one place. One that shares the place of
# another is looked for within this many sigma of its position in the catalogue.
_MERGED, _REACH = 0.5, 4.0
# Significance below 0 from which a source of the catalogue is looked for elsewhere.
_MISPLACED = 10.0
# Two rows are each of one of two sources if the other way round is less likely by this difference
# of chi-square.
_DECISIVE = 6.0
# Rows of the catalogue that are closer than this many arcsec, or half the FWHM of the PSF, are one
# source.
_SAME_PLACE = 0.3


def extract(
    cutout: Cutout, image: FloatArray | None, sky_subtracted: bool, total: FloatArray | None = None
) -> Products:
    """Extract a source together with its neighbours.

    The cut-out is modelled as K sources, each with a total spectrum s_k and a profile P_k of sum 1,
    and a sky b that is the same in all pixels p:

        d(lambda, p) = sum_k s_k(lambda) P_k(lambda, p) + b(lambda)

    1. *Data* (`weighted_data`). Weights W are 1 / variance, 0 in bad voxels. The profiles are
       fitted to the weighted means of the data in 16 wavelength bins, to all bins at once.
    2. *Model* (`model`). A source is a component: an elliptical Moffat function (1 + k u' C^-1
       u)^-beta, u being the offset from its centre. C, the matrix of squared FWHM, changes with
       wavelength as the PSF does, or by one fitted slope. A prior keeps every shape near that of a
       typical galaxy at the catalogue position.
    3. *Fit* (`normal_equations`, `least_squares`, `linear_system`). The fluxes of components and
       sky in every bin are linear parameters, which are solved for exactly and so eliminated: with
       the weighted profiles as columns of A = Q R, the residual is r = (1 - Q Q') W^1/2 d (variable
       projection, Golub & Pereyra 1973). The Levenberg-Marquardt method minimises

           chi^2 = |r|^2 + sum (deviation of the shapes from the prior's mean / sigma)^2 + sum_k
           c_k' Z_k c_k

       over the shapes and the clumps' fluxes c. Derivatives are approximated as in Kaufman (1975).
    4. *Clumps* (`clumps`). Light that a Moffat function does not describe is added to component k
       as point sources of flux c_ki (of either sign, in units of the component's flux) on every
       second pixel. Without a prior, their fluxes would be the joint cross-correlation map (S W
       S')^-1 S W d of all components, with the spectra as rows of S. The prior, of precision matrix
       Z_k, has two terms. One keeps each clump's flux within a share of the component's light at
       its position (sigma 0.15; 0.6 in the last fit). The other keeps all clumps of a component
       together from having the shape of any component (sigma 0.01 of the flux of the component that
       they belong to).
    5. *Points* (`point_sources`). First all sources are fitted without clumps and close to the
       prior. Round sources as narrow as the PSF get its shape; without a PSF, the narrowest bright
       ones share their mean shape if they are three or more. This holds only if it fits them about
       as well. Then only their positions are fitted, and they have no clumps. *Neighbours* that are
       not in the catalogue (`neighbour_search`). A component is added where a point source with a
       spectrum of its own would lower chi^2 most; it is fitted, and its position followed to where
       it fits best. This is repeated until no new component is significant. Then small clumps are
       allowed, and added ones are removed if clumps of the other components explain their light as
       well.
    6. *Line bands* (`line_bands`). Sources of similar colour differ in their lines. For each
       component, the sum of the cube with the lines of its spectrum as weights is one more band,
       besides the bins, in the last fit. In that fit the bounds of the shapes are wide and clumps
       may be large. The exponents of the Moffat functions, which set the light outside the cut-out,
       come from a fit without clumps just before, with a narrower prior.
    7. *Parts of sources* (`attribution`). An added component is a part of nearby sources if its
       spectrum is, within the errors, a sum of theirs and if it is fainter than a limit; otherwise
       it is a source of its own. The profile of a source is the sum of its components.
    8. *An image* that is sharper than the cube (`image_shapes`), if given, replaces the profiles:
       it is divided among the sources in proportion to their models and convolved with a fitted
       kernel.
    9. *Spectra* (`linear_system`). With the final profiles and a column of ones as A, at every
       wavelength

           s = (A' W A)^-1 A' W d,    cov(s) = (A' W A)^-1

       The covariance includes the errors of the neighbours and of the sky.

    Parameters
    ----------
    cutout : Cutout
        With the neighbours' positions, and the PSF where it is known.
    image : array (ny, nx) or None
        The sharper image on the cut-out's pixels, NaN where it has no value.
    sky_subtracted : bool
        Whether the key of the spectrum ends like those of sky-subtracted spectra. The sky itself is
        always fitted.
    total : array (nl,) or None
        The sum over the object mask, to compare with.

    Returns
    -------
    Products
        The spectrum `keys.DEBLEND` (without variance if the cube has none), the profiles (ny, nx),
        whose sum is 1 minus the light outside the cut-out, the residual in white light, header
        cards and notes. If the joint extraction fails, only a note.
    """
    try:
        return products(cutout, fit(cutout, image), sky_subtracted, image, total)
    except (SourceError, ValueError, ArithmeticError) as error:
        reason = str(error).removeprefix('joint extraction: ').splitlines()[0]
        return Products(notes=(f'joint extraction failed: {reason}',))


def fit(cutout: Cutout, image: FloatArray | None = None) -> JointFit:
    """The fit of a cut-out; parameters as in `extract`.

    Raises
    ------
    SourceError
        If the data do not constrain the source.
    """
    positions, rows = _positions(cutout)
    own, *twins = rows
    seeing = USUAL_SEEING / geometry.scale(cutout.pixel) if cutout.psf is None else cutout.psf
    frame = Frame.of(geometry.relative(cutout.pixel), cutout.catalogue_error)

    def fitted(places: Mapping[Ident, tuple[float, float]]) -> JointFit:
        return fit_jointly(cutout.voxels, places, cutout.wave_fraction, seeing, image, frame)

    result = fitted(positions)
    sigma = max(
        frame.sigma, 0.0 if cutout.catalogue_error is None else cutout.catalogue_error.scatter
    )
    moved, doubts = positions | _found_again(positions, result, fitted, _REACH * sigma), list[str]()
    beside = [place for apart, place in _unnamed(result, positions[own]) if apart < _REACH * sigma]
    if twins and beside:
        pair = {one: rows[one] for one in (own, twins[0])}
        divided, is_sure = _divided(
            pair, (_place(result, 0), beside[0]), sigma / np.array(frame.pixel)
        )
        if not is_sure:
            doubts.append(
                f'source {twins[0]} is listed at its place, and each may be either of the two sources there'
            )
        twins = twins[1:]
        # The target's comes first.
        moved = divided | {one: place for one, place in moved.items() if one != own}
    if moved != positions:
        result = fitted(moved)
    if twins and any(_close_neighbours(cutout, result)):
        doubts.append(
            f'source {twins[0]} stands at its place in the catalogue, and a source beside it is not named'
        )
    if not np.isfinite(result.solution.spectra[0]).any():
        raise SourceError('the data do not constrain the source')
    notes = [f'same place as source {twin} of the catalogue: fitted as one' for twin in twins]
    if len(positions) > MAX_NEIGHBOURS:
        notes.append(f'joint extraction: only the {MAX_NEIGHBOURS} nearest neighbours are fitted')
    return replace(result, notes=(*result.notes, *notes), doubts=tuple(doubts))


def _found_again(
    positions: Mapping[Ident, tuple[float, float]],
    result: JointFit,
    fitted: Callable[[Mapping[Ident, tuple[float, float]]], JointFit],
    reach: float,
) -> dict[Ident, tuple[float, float]]:
    """The place of a source that a fit has misplaced, if a fit without its position finds light
    within reach of it."""
    found = [
        (apart, lost, place)
        for lost in _misplaced(positions, result, reach)
        for apart, place in _unnamed(
            fitted({one: positions[one] for one in positions if one != lost}), positions[lost]
        )
        if apart < reach
    ]
    if not found:
        return {}
    _, lost, place = min(found, key=lambda one: one[0])
    return {lost: place}


def _divided(
    rows: Mapping[Ident, FloatArray], pair: Sequence[tuple[float, float]], sigma: FloatArray
) -> tuple[dict[Ident, tuple[float, float]], bool]:
    """The places of two rows, whose positions have errors ``sigma`` (2,), at two sources, and
    whether this is sure."""
    straight, crossed = (
        float(np.square(np.subtract([*rows.values()], order) / sigma).sum())
        for order in (pair, pair[::-1])
    )
    places = pair if straight < crossed else pair[::-1]
    return dict(zip(rows, places, strict=True)), abs(straight - crossed) > _DECISIVE


def _place(result: JointFit, source: int) -> tuple[float, float]:
    y, x = result.sources.centre(source)
    return float(y), float(x)


def _unnamed(result: JointFit, row: tuple[float, float]) -> list[tuple[float, tuple[float, float]]]:
    """Distance from a catalogue's position, in the unit of a pixel, and place of each source in no
    catalogue, nearest first."""
    places = [_place(result, n) for n, one in enumerate(result.sources.ids) if keys.is_unnamed(one)]
    apart = (np.subtract(place, row) * result.sources.model.pixel for place in places)
    return sorted(
        (float(np.hypot(*offset)), place) for offset, place in zip(apart, places, strict=True)
    )


def _misplaced(
    positions: Mapping[Ident, tuple[float, float]], result: JointFit, reach: float
) -> tuple[Ident, ...]:
    """Of the target and sources of the catalogue near it, the first two that a fit has put at one
    place though they are listed at two; else the two of most negative flux, or the target if it is
    not seen and a source in no catalogue is within reach of its position.

    Where positions are wrong by more than a source is far from its neighbour, both lead to the same
    light.
    """
    sources, fwhm = result.sources, result.sources.fwhm
    pixel = np.array(sources.model.pixel)
    names = [one for one in sources.ids if one in positions]
    places = np.array([sources.centre(number) for number in range(len(names))])
    near = np.flatnonzero(
        np.hypot(*((places - places[0]) * pixel).T) < grade.BESIDE * fwhm
    ).tolist()
    for one, other in combinations(near, 2):
        listed = np.hypot(*((np.array(positions[names[one]]) - positions[names[other]]) * pixel))
        if np.hypot(*((places[one] - places[other]) * pixel)) < min(_MERGED * fwhm, 0.5 * listed):
            return names[one], names[other]
    if len(names) == 1:
        return ()
    significance = diagnostics.significance(result)
    limits = np.full(len(names), -_MISPLACED)
    # Of the target it is enough not to be seen, if a source beside it is.
    if any(apart < reach for apart, _ in _unnamed(result, positions[names[0]])):
        limits[0] = grade.DETECTED
    lost = [row for row in near if significance[row] < limits[row]]
    return tuple(names[row] for row in sorted(lost, key=significance.__getitem__)[:2])


def _positions(cutout: Cutout) -> tuple[dict[Ident, tuple[float, float]], dict[Ident, FloatArray]]:
    """The positions (y, x) to fit, the target's first, then by distance, and those of the rows at
    the target's place.

    Rows of the catalogue at one place are one source, at the mean of their positions.
    """
    own, pixel = cutout.target.id, np.array(cutout.pixel)
    offset = (
        np.zeros(2) if cutout.catalogue_error is None else np.array(cutout.catalogue_error.offset)
    )
    rows = {
        ident: offset + place for ident, place in [(own, cutout.centre), *cutout.neighbours.items()]
    }
    apart = {
        ident: float(np.hypot(*((place - rows[own]) * pixel))) for ident, place in rows.items()
    }
    radius = _SAME_PLACE
    if cutout.psf is not None:
        radius = 0.5 * float(cutout.psf.fwhm(np.array(0.5))) * geometry.scale(cutout.pixel)
    together: dict[Ident, list[Ident]] = {}
    for ident in sorted(rows, key=apart.__getitem__):
        same = (one for one in together if np.hypot(*((rows[one] - rows[ident]) * pixel)) < radius)
        together.setdefault(next(same, ident), []).append(ident)
    places = {
        ident: np.mean([rows[one] for one in group], axis=0) for ident, group in together.items()
    }
    nearest = [*places.items()][: MAX_NEIGHBOURS + 1]
    return {ident: (float(y), float(x)) for ident, (y, x) in nearest}, {
        one: rows[one] for one in together[own]
    }


def products(
    cutout: Cutout,
    result: JointFit,
    sky_subtracted: bool,
    image: FloatArray | None = None,
    total: FloatArray | None = None,
) -> Products:
    """The spectrum, images, header cards and notes that are kept of the fit; parameters as in
    `extract`."""
    profiles, unit = diagnostics.mean_profiles(result), cutout.grid.unit
    separation = diagnostics.separation(result)
    unnamed = [*_close_neighbours(cutout, result)]
    doubts = [*doubts_of_fit(cutout, result, separation, total)]
    doubts = doubts or [*doubts_of_size(result, separation, inner_flux(cutout, image))]
    spectrum = Spectrum(
        result.solution.spectra[0],
        # Errors from an estimated variance are not reported.
        None if cutout.voxels.variance is None else result.solution.covariance[:, 0, 0],
        unit,
        tag=keys.DEBLEND,
        kind=Kind.JOINT,
        weights=profiles[0],
        sky_subtracted=sky_subtracted,
    )
    tags = [keys.PROFILE, *map(keys.neighbour_profile, result.sources.ids[1:])]
    fitted = {tag: Measured(profile) for tag, profile in zip(tags, profiles, strict=True)}
    fitted[keys.RESIDUAL] = Measured(diagnostics.residual(result), unit=unit)
    facts = _facts(cutout, result, separation)
    facts['DBGRADE'] = (
        grade.grade(separation.limit, doubts),
        'A, B: to be trusted; C: a note says why not',
    )
    notes = [*result.notes, *unnamed]
    if doubts:
        notes.append(f'joint extraction: grade C: {", and ".join(doubts)}')
    return Products(
        {Group.SPECTRUM: by_key([spectrum]), Group.FITTED: fitted}, facts=facts, notes=tuple(notes)
    )


def doubts_of_fit(
    cutout: Cutout, result: JointFit, separation: diagnostics.Separation, total: FloatArray | None
) -> Iterator[str]:
    """Reasons for the grade C that one fit gives; parameters as in `grade.doubts`."""
    yield from grade.doubts(result, cutout, separation, total)
    yield from result.doubts


def doubts_of_size(
    result: JointFit, separation: diagnostics.Separation, inside: tuple[float, float] | None
) -> Iterator[str]:
    """A reason for the grade C if the flux differs in a fit of the inner half, ``inside`` as of
    `inner_flux`.

    It must differ by more than what both fits leave uncertain: in the inner half the sky is hard to
    tell from wings.
    """
    flux = float(diagnostics.mean_fluxes(result)[0])
    if (
        inside is not None
        and abs(inside[0] - flux) > (_CHANGE + separation.tolerance) * abs(flux) + inside[1]
    ):
        change = inside[0] / flux - 1
        yield f'its flux changes by {change:+.0%} if only the inner half of the cut-out is fitted (SIZE)'


def inner_flux(cutout: Cutout, image: FloatArray | None = None) -> tuple[float, float] | None:
    """The target's mean flux in a fit of the inner half of the cut-out's area, and a limit of its
    error.

    None if the cut-out is small.
    """
    margins = [round(side * (1 - np.sqrt(0.5)) / 2) for side in cutout.shape]
    if min(cutout.shape) < _LEAST_SIDE:
        return None
    box = tuple(
        slice(margin, side - margin) for margin, side in zip(margins, cutout.shape, strict=True)
    )
    voxels = cutout.voxels
    parts = (
        None if part is None else part[:, *box]
        for part in (voxels.data, voxels.variance, voxels.bad)
    )
    inner = replace(
        cutout,
        voxels=Voxels(*parts),  # type: ignore[arg-type]
        centre=_moved(cutout.centre, margins),
        neighbours={ident: _moved(place, margins) for ident, place in cutout.neighbours.items()},
    )
    other = fit(inner, None if image is None else image[box])
    error = float(np.nansum(1 / other.solution.covariance[:, 0, 0]) ** -0.5)
    flux = float(diagnostics.mean_fluxes(other)[0])
    return flux, 3 * error + abs(flux) * diagnostics.separation(other).tolerance


def _moved(place: tuple[float, float], margins: Sequence[int]) -> tuple[float, float]:
    return place[0] - margins[0], place[1] - margins[1]


def _close_neighbours(cutout: Cutout, result: JointFit) -> Iterator[str]:
    """A note on each neighbour that is close to the target and not in the catalogue."""
    sources = result.sources
    for number, ident in enumerate(sources.ids):
        offset = (sources.centre(number) - sources.centre(0)) * geometry.relative(cutout.pixel)
        apart = float(np.hypot(*offset))
        if keys.is_unnamed(ident) and apart < _CLOSE * sources.fwhm:
            yield (
                f'joint extraction: {diagnostics.name_of(ident)}, {apart * geometry.scale(cutout.pixel):.1f} arcsec '
                f'away at {grade.sky_text(cutout, *sources.centre(number))}, is not in the catalogue'
            )


def _facts(
    cutout: Cutout, result: JointFit, separation: diagnostics.Separation
) -> dict[str, tuple[Any, str]]:
    """Header cards: the target's shape, and how much of each neighbour's light the fit has kept out
    of its spectrum."""
    shape, others = diagnostics.target_shape(result), result.sources.ids[1:]
    facts: dict[str, tuple[Any, str]] = {
        'DBLIM': (_rounded(separation.limit), 'upper limit of light of others in its spectrum'),
        'DBFLIM': (
            _rounded(separation.flux_limit),
            'limit of the relative error of its total flux',
        ),
        'DBNUM': (len(others), 'joint extraction: number of neighbours'),
        'DBCOND': (_rounded(separation.condition), 'condition number of the profiles'),
        'DBGROW': (_rounded(separation.growth), 'growth of its errors through neighbours'),
        'DBFWHM': (
            _rounded(shape.fwhm * geometry.scale(cutout.pixel)),
            'fitted FWHM [arcsec], mid wavelength',
        ),
        'DBRATIO': (_rounded(shape.ratio), 'fitted axis ratio'),
        'DBANGLE': (_rounded(shape.angle), 'fitted angle from +x to +y [deg]'),
        'DBBETA': (_rounded(shape.beta), 'fitted Moffat exponent'),
        'DBDX': (
            _rounded((shape.x - cutout.centre[1]) * cutout.pixel[1]),
            'fitted minus catalogue position [arcsec]',
        ),
        'DBDY': (
            _rounded((shape.y - cutout.centre[0]) * cutout.pixel[0]),
            'fitted minus catalogue position [arcsec]',
        ),
    }
    error = cutout.catalogue_error
    if error is not None:
        scatter = _rounded(error.scatter * geometry.scale(cutout.pixel))
        facts['DBCATDX'] = (
            _rounded(error.offset[1] * cutout.pixel[1]),
            "added to the catalogue's positions [arcsec]",
        )
        facts['DBCATDY'] = (
            _rounded(error.offset[0] * cutout.pixel[0]),
            "added to the catalogue's positions [arcsec]",
        )
        facts['DBCATERR'] = scatter, "scatter of the catalogue's positions [arcsec]"
    for number, ident in enumerate(others, 1):
        facts[f'DBID{number}'] = (ident, 'neighbour; below 0: not in the catalogue')
        facts[f'DBIN{number}'] = (
            _rounded(separation.leakage[0, number]),
            'its flux in the source, if not fitted',
        )
        facts[f'DBOUT{number}'] = (
            _rounded(separation.leakage[number, 0]),
            "the source's flux in it, if not fitted",
        )
        if keys.is_unnamed(ident):
            ra, dec = cutout.sky_position(*result.sources.centre(number))
            facts[f'DBRA{number}'] = round(ra, 7), 'its position [deg]'
            facts[f'DBDEC{number}'] = round(dec, 7), 'its position [deg]'
    # FITS headers hold no NaN.
    return {card: (value, comment) for card, (value, comment) in facts.items() if _is_fits(value)}


def _is_fits(value: Any) -> bool:
    return isinstance(value, str) or bool(np.isfinite(value))


def _rounded(value: float) -> float:
    """Four digits: FITS cards are short."""
    return float(f'{min(value, 1e99):.4g}')
