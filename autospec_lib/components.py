"""From catalogue positions to fitted components: the sources, neighbours that nobody named, and parts of sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.core.types import FloatArray, Ident, Psf
from autospec_lib.fitting import fit
from autospec_lib.lines import with_lines
from autospec_lib.neighbours import likeness, search
from autospec_lib.profiles import Bands, Model, Prior, bin_cube, expect, project, spread
from autospec_lib.solve import NODES, Solution, Weighted, interpolation, solve

_MOST = 4
# Least drop of chi-square for a component to count. Sixteen bands of pure noise give 16 +- 6 at one place; over all
# places, and with the noise that resampling correlates, 80 is not reached by chance.
_GAIN = 80.0
# A spectrum that differs from its surroundings' by this many sigma is another source's. Close to a source its own
# structure is likelier than a neighbour, so less is enough farther out. Both were set on simulated fields (seeds 1-5).
_DISTINCT_NEAR, _DISTINCT_FAR = 30.0, 15.0
# Light that is brighter than these shares of the source itself is no part of it, whatever its spectrum.
_SHARE_NEAR, _SHARE_FAR = 1.0, 0.3
# A component may move this many pixels from where it was looked for; nearer to another than this share of the seeing,
# the two are one.
_ROAM, _APART = 2.0, 0.5
# How often it is followed when it wants to go farther, and how many places are tried for it.
_FOLLOWED, _PLACES = 3, 3
# The structure that sources may have, as a share of their light: little while neighbours may be missing, which must
# not be taken for it.
_TIGHT, _LOOSE = 0.15, 0.6


@dataclass(frozen=True)
class Components:
    """Fitted components and how they add up: ``mixture`` (K, n) has one row of sum 1 per source of ``ids``."""

    before: Prior
    model: Model
    mixture: FloatArray
    ids: tuple[Ident, ...]
    notes: tuple[str, ...] = ()

    def profiles(self, shape: tuple[int, int], where: FloatArray) -> FloatArray:
        """The sources' profiles (K, len(where), ny, nx) of total flux 1."""
        return np.tensordot(self.mixture, self.model.images(shape, where), axes=1)


@dataclass(frozen=True)
class _Data:
    """The subcube in full and in bins, and the seeing's FWHM in pixels."""

    cube: Weighted
    bands: Bands
    where: FloatArray
    fwhm: float

    def solve(self, profiles: FloatArray) -> Solution:
        """The spectra of these profiles (K, n, ny, nx) at full resolution."""
        return solve(self.cube, profiles, interpolation(NODES, self.where))

    def with_lines(self, model: Model) -> Bands:
        """The bins, and a band for the lines of each component as this model extracts them."""
        return with_lines(self.bands, self.cube, self.where, self.solve(model.images(self.cube.shape, NODES)))


def decompose(
    cube: Weighted, where: FloatArray, positions: Mapping[Ident, tuple[float, float]], seeing: Psf | float
) -> Components:
    """Fit the sources, look for light that they do not explain, and decide whose it is.

    The search runs with smooth sources and narrow bounds, so that no source stretches over a neighbour that is still
    missing. Then the sources may have structure, and what that explains as well is no neighbour. In the end, when all
    are known and their lines tell them apart, bounds are wide and structure is loose.

    Parameters
    ----------
    cube : Weighted
        The data.
    where : array (nl,)
        Each wavelength's fraction of the way from the first to the last.
    positions : mapping of int to (y, x)
        Catalogue positions in pixels.
    seeing : Psf or float
        The PSF where it is known, else a FWHM in pixels to start from.
    """
    psf = seeing if isinstance(seeing, Psf) else None
    fwhm = float(seeing.fwhm(np.array(0.5))) if isinstance(seeing, Psf) else seeing
    data = _Data(cube, bin_cube(cube, where), where, fwhm)
    before = expect(np.array(list(positions.values()), dtype=float), fwhm)
    smooth = fit(data.bands, before.stiff(), Model(before.mean, psf=psf))
    for _ in range(_MOST):
        found = _candidate(data, before, smooth)
        if found is None:
            break
        smooth, before = found, before.with_source(expect(found.shapes[-1:, :2], fwhm))
    before, smooth, tight = _pruned(data, before, smooth, len(positions))
    model = fit(data.with_lines(smooth), before, smooth, _LOOSE)
    return _owned(data, before, tight, model, tuple(positions))


def _candidate(data: _Data, before: Prior, smooth: Model) -> Model | None:
    """The smooth model with the component that improves it most, or None where there is nothing worth it."""
    now = project(data.bands, spread(data.bands, smooth))
    failed: list[tuple[float, float]] = []
    for _ in range(_PLACES):
        found = search(data.bands, now, smooth.shapes[:, :2], data.fwhm, failed)
        if found.gain < _GAIN:
            return None
        model = _followed(data, before, smooth, found.place)
        if model is not None:
            return model
        failed.append(found.place)
    return None


def _followed(data: _Data, before: Prior, smooth: Model, place: tuple[float, float]) -> Model | None:
    """The smooth model with a component that starts at a place and goes where it fits best; None where it ends upon
    another."""
    first, model, shape = None, smooth, expect(np.array([place]), data.fwhm).mean
    for _ in range(_FOLLOWED):
        new = expect(shape[:, :2], data.fwhm, reach=_ROAM)
        start = replace(model, shapes=np.concatenate([model.shapes[: len(before.mean)], shape]))
        model = fit(data.bands, before.stiff().with_source(new.stiff(_ROAM)), start)
        if _apart(model, -1) < _APART * data.fwhm:
            # Followed too far: where it came from there was light all the same.
            return first
        first, shape = first or model, model.shapes[-1:]
        stays = np.abs(shape - new.mean)[0, :2].max() < 0.999 * _ROAM
        if stays or (shape[0, :2] < 0).any() or (shape[0, :2] > np.subtract(data.bands.shape, 1)).any():
            break
    return model


def _apart(model: Model, number: int) -> float:
    """How far one component is from the nearest other, in pixels."""
    others = np.delete(model.shapes[:, :2], number, axis=0)
    return float(np.hypot(*(others - model.shapes[number, :2]).T).min())


def _pruned(data: _Data, before: Prior, smooth: Model, named: int) -> tuple[Prior, Model, Model]:
    """What is expected, the smooth model and that with structure, of the sources and what they need beside them."""
    if len(before.mean) == named:
        return before, smooth, smooth
    model = fit(data.bands, before.stiff(), smooth, _TIGHT)
    for number in reversed(range(named, len(before.mean))):
        other = fit(data.bands, before.without(number).stiff(), _without(smooth, number), _TIGHT)
        if other.chi2 - model.chi2 < _GAIN or _apart(model, number) < _APART * data.fwhm:
            gone = _dispensable(data, before, smooth, number)
            before, smooth = before.without(gone), _without(smooth, gone)
            model = other if gone == number else fit(data.bands, before.stiff(), smooth, _TIGHT)
    return before, smooth, model


def _without(model: Model, number: int) -> Model:
    """The model without one of its components."""
    return replace(model, shapes=np.delete(model.shapes, number, axis=0))


def _dispensable(data: _Data, before: Prior, smooth: Model, number: int) -> int:
    """Which goes: this component or one that was found after it, whichever is missed least where structure is loose."""
    choices = range(number, len(before.mean))
    if len(choices) == 1:
        return number
    left = [fit(data.bands, before.without(one), _without(smooth, one), _LOOSE).chi2 for one in choices]
    return choices[int(np.argmin(left))]


def _owned(data: _Data, before: Prior, tight: Model, model: Model, ids: tuple[Ident, ...]) -> Components:
    """Whose each further component is: one source's, several sources', or a neighbour's that nobody named.

    It is a part of sources only where both models say so, and as the last one says: a neighbour that is taken for a
    part spoils a spectrum more than a part that is taken for a neighbour.
    """
    named, count = len(ids), len(before.mean)
    mixture, notes = np.eye(named, count), []
    for number in range(named, count):
        column = _ownership(data, mixture, tight, number)
        if column is not None:
            column = _ownership(data, mixture, model, number)
        if column is None:
            mixture = np.concatenate([mixture, np.eye(1, count, number)])
            ids = (*ids, min([0, *(ident for ident in ids if isinstance(ident, int))]) - 1)
            y, x = model.shapes[number, :2]
            notes.append(f'source {ids[-1]}: a neighbour at pixel ({y:.1f}, {x:.1f}) that the catalogue does not name')
        else:
            mixture[:, number] = column
            mixture /= mixture.sum(axis=1, keepdims=True)
    return Components(before, model, mixture, ids, tuple(notes))


def _ownership(data: _Data, mixture: FloatArray, model: Model, number: int) -> FloatArray | None:
    """Shares (K,) of one component in units of each source's own flux, or None when it is a source itself.

    ``mixture`` (K, n) is that of the sources so far; the components after ``number`` are on their own.
    """
    images = model.images(data.cube.shape, NODES)
    profiles = np.concatenate([np.tensordot(mixture, images, axes=1), images[number:]])
    solution, known = data.solve(profiles), len(mixture)
    apart = np.hypot(*(model.shapes[:, :2] - model.shapes[number, :2]).T)
    reach = np.array([apart[row > 0].min() for row in mixture])
    near = [int(k) for k in np.flatnonzero(reach < 1.1 * data.fwhm)]
    # Between sources the missing light may belong to several; farther out, to one of them at most.
    choices = [near] if near else [[int(k)] for k in np.flatnonzero(reach < 2.5 * data.fwhm)]
    limit, most = (_DISTINCT_NEAR, _SHARE_NEAR) if near else (_DISTINCT_FAR, _SHARE_FAR)
    for hosts in choices:
        shares, excess = likeness(solution, known, hosts)
        if excess < limit and shares.max() < most:
            column = np.zeros(known)
            column[hosts] = shares
            return column
    return None
