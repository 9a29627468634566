"""From catalogue positions to fitted components: the sources, neighbours that nobody named, and parts of sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.fitting import fit
from autospec_lib.lines import with_lines
from autospec_lib.model import FloatArray
from autospec_lib.neighbours import likeness, search
from autospec_lib.profiles import Bands, Model, Prior, bin_cube, expect, project, spread
from autospec_lib.psf import Psf
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
# How often it is followed when it wants to go farther.
_FOLLOWED = 3
# The structure that sources may have, as a share of their light: little while neighbours may be missing, which must
# not be taken for it.
_TIGHT, _LOOSE = 0.15, 0.6


@dataclass(frozen=True)
class Components:
    """Fitted components and how they add up: ``mixture`` (K, n) has one row of sum 1 per source of ``ids``."""

    before: Prior
    model: Model
    mixture: FloatArray
    ids: tuple[int, ...]
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
    cube: Weighted, where: FloatArray, positions: Mapping[int, tuple[float, float]], seeing: Psf | float
) -> Components:
    """Fit the sources, look for light that they do not explain, and decide whose it is.

    The search runs with smooth sources and narrow bounds, so that no source stretches over a neighbour that is still
    missing. Whether a further component counts is judged with structure: that of the known sources is no neighbour.
    In the end, when all are known and their lines tell them apart, bounds are wide and structure is loose.

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
    parts = Components(before, smooth, np.eye(len(positions)), tuple(positions))
    judged: Model | None = None
    for _ in range(_MOST):
        found = _candidate(data, parts.before, smooth)
        if found is None:
            break
        known = judged or fit(data.bands, parts.before.stiff(), smooth, _TIGHT)
        before = parts.before.with_source(expect(found.shapes[-1:, :2], fwhm))
        judged = fit(data.bands, before.stiff(), found, _TIGHT)
        if known.chi2 - judged.chi2 < _GAIN:
            break
        smooth, parts = found, _with_component(data, parts, replace(parts, before=before, model=judged))
    return replace(parts, model=fit(data.with_lines(smooth), parts.before, smooth, _LOOSE))


def _candidate(data: _Data, before: Prior, smooth: Model) -> Model | None:
    """The smooth model with the component that improves it most, or None where there is nothing worth it."""
    now = project(data.bands, spread(data.bands, smooth))
    found = search(data.bands, now, smooth.shapes[:, :2], data.fwhm)
    if found.gain < _GAIN:
        return None
    model, shape = smooth, expect(np.array([found.place]), data.fwhm).mean
    for _ in range(_FOLLOWED):
        new = expect(shape[:, :2], data.fwhm, reach=_ROAM)
        start = replace(model, shapes=np.concatenate([model.shapes[: len(before.mean)], shape]))
        model = fit(data.bands, before.stiff().with_source(new.stiff(_ROAM)), start)
        shape = model.shapes[-1:]
        stays = np.abs(shape - new.mean)[0, :2].max() < 0.999 * _ROAM
        if stays or (shape[0, :2] < 0).any() or (shape[0, :2] > np.subtract(data.bands.shape, 1)).any():
            break
    apart = np.hypot(*(model.shapes[:-1, :2] - model.shapes[-1, :2]).T)
    return model if apart.min() > _APART * data.fwhm else None


def _with_component(data: _Data, parts: Components, larger: Components) -> Components:
    """The larger set of components, the last of which is a source or a part of one."""
    column = _ownership(data, parts, larger.model)
    if column is not None:
        mixture = np.concatenate([parts.mixture, column[:, None]], axis=1)
        return replace(larger, mixture=mixture / mixture.sum(axis=1, keepdims=True))
    count = len(parts.ids)
    mixture = np.block([[parts.mixture, np.zeros((count, 1))], [np.zeros((1, parts.mixture.shape[1])), 1.0]])
    name = min(0, *parts.ids) - 1
    y, x = larger.model.shapes[-1, :2]
    note = f'source {name}: a neighbour at pixel ({y:.1f}, {x:.1f}) that the catalogue does not name'
    return replace(larger, mixture=mixture, ids=(*parts.ids, name), notes=(*parts.notes, note))


def _ownership(data: _Data, parts: Components, model: Model) -> FloatArray | None:
    """Shares (K,) of the last component in units of each source's own flux, or None when it is a source itself."""
    images = model.images(data.cube.shape, NODES)
    known = np.tensordot(parts.mixture, images[:-1], axes=1)
    solution = data.solve(np.concatenate([known, images[-1:]]))
    apart = np.hypot(*(model.shapes[:-1, :2] - model.shapes[-1, :2]).T)
    reach = np.array([apart[row > 0].min() for row in parts.mixture])
    near = [int(k) for k in np.flatnonzero(reach < 1.1 * data.fwhm)]
    # Between sources the missing light may belong to several; farther out, to one of them at most.
    choices = [near] if near else [[int(k)] for k in np.flatnonzero(reach < 2.5 * data.fwhm)]
    limit, most = (_DISTINCT_NEAR, _SHARE_NEAR) if near else (_DISTINCT_FAR, _SHARE_FAR)
    for hosts in choices:
        shares, excess = likeness(solution, len(known), hosts)
        if excess < limit and shares.max() < most:
            column = np.zeros(len(known))
            column[hosts] = shares
            return column
    return None
