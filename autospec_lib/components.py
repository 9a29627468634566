"""From catalogue positions to fitted components: the sources, neighbours that nobody named, and parts of sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.fitting import fit
from autospec_lib.model import FloatArray
from autospec_lib.neighbours import likeness, search
from autospec_lib.profiles import Bands, Model, Prior, bin_cube, expect, project, spread
from autospec_lib.psf import Psf
from autospec_lib.solve import NODES, Weighted, interpolation, solve

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


def decompose(
    cube: Weighted, where: FloatArray, positions: Mapping[int, tuple[float, float]], seeing: Psf | float
) -> Components:
    """Fit the sources, look for light that they do not explain, and decide whose it is.

    The search runs with smooth sources and narrow bounds, so that no source stretches over a neighbour that is still
    missing; in the end the bounds are wide. Whether a further component counts is judged with structure: that of the
    known sources is no neighbour.

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
    smooth = narrow = fit(data.bands, before.stiff(), Model(before.mean, psf=psf))
    model = fit(data.bands, before.stiff(), smooth, structure=True)
    parts = Components(before, model, np.eye(len(positions)), tuple(positions))
    for _ in range(_MOST):
        found = _candidate(data, before, smooth)
        if found is None:
            break
        smooth, before = found, before.with_source(expect(found.shapes[-1:, :2], fwhm))
        model = fit(data.bands, before.stiff(), smooth, structure=True)
        if parts.model.chi2 - model.chi2 < _GAIN:
            break
        parts, narrow = _with_component(data, parts, replace(parts, before=before, model=model)), smooth
    return replace(parts, model=fit(data.bands, parts.before, narrow, structure=True)) if _pressed(parts) else parts


def _pressed(parts: Components) -> bool:
    """Whether a source would go beyond the narrow bounds of the search."""
    narrow = parts.before.stiff()
    return bool((np.abs(parts.model.shapes - narrow.mean) > 0.999 * narrow.reach).any())


def _candidate(data: _Data, before: Prior, smooth: Model) -> Model | None:
    """The smooth model with the component that improves it most, or None where there is nothing worth it."""
    now = project(data.bands, spread(data.bands, smooth))
    found = search(data.bands, now, smooth.shapes[:, :2], data.fwhm)
    if found.gain < _GAIN:
        return None
    new = expect(np.array([found.place]), data.fwhm, reach=_ROAM)
    start = replace(smooth, shapes=np.concatenate([smooth.shapes, new.mean]))
    model = fit(data.bands, before.stiff().with_source(new.stiff(_ROAM)), start)
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
    mixing = interpolation(NODES, data.where)
    solution = solve(data.cube, np.concatenate([known, images[-1:]]), mixing)
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
