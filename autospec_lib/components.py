"""From catalogue positions to fitted components: the sources, neighbours that nobody named, and parts of sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autospec_lib.model import FloatArray
from autospec_lib.neighbours import likeness, search
from autospec_lib.profiles import Bands, Model, Prior, bin_cube, expect, fit, project, spread
from autospec_lib.psf import Psf
from autospec_lib.solve import Weighted, interpolation, solve

_MOST = 4
# Least drop of chi-square for a component to count. Sixteen bands of pure noise give 16 +- 6 at one place; over all
# places, and with the noise that resampling correlates, 80 is not reached by chance.
_GAIN = 80.0
# A spectrum that differs from its surroundings' by this many sigma is another source's. Close to a source its own
# structure is likelier than a neighbour, so less is enough farther out. Both were set on simulated fields (seeds 1-5).
_DISTINCT_NEAR, _DISTINCT_FAR = 30.0, 15.0
# Light that is brighter than these shares of the source itself is no part of it, whatever its spectrum.
_SHARE_NEAR, _SHARE_FAR = 1.0, 0.3
# A source cannot be told from another's wing by more than this share of the light there: no galaxy is a Moffat
# function. It keeps the core of a bright source from dictating the shape of a faint one.
_MODEL_ERROR = 0.05
_NODES = np.linspace(0, 1, 9)


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
    """The subcube in full and in bins, and what is known of the seeing."""

    cube: Weighted
    bands: Bands
    where: FloatArray
    psf: Psf | None
    fwhm: float


def decompose(
    cube: Weighted,
    where: FloatArray,
    positions: Mapping[int, tuple[float, float]],
    seeing: Psf | float,
    objects: list[tuple[float, float]],
) -> Components:
    """Fit the sources, look for light that they do not explain, and decide whose it is.

    The search runs with narrow bounds, so that no source stretches over a neighbour that is still missing; then all
    components are fitted freely.

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
    objects : list of (y, x)
        Further places to try, brightest first.
    """
    psf = seeing if isinstance(seeing, Psf) else None
    fwhm = float(seeing.fwhm(np.array(0.5))) if isinstance(seeing, Psf) else seeing
    data = _Data(cube, bin_cube(cube, where), where, psf, fwhm)
    # Galaxies are wider than the seeing.
    before = expect(np.array(list(positions.values()), dtype=float), 1.15 * fwhm)
    parts = Components(before, fit(data.bands, before.stiff(), data.psf), np.eye(len(positions)), tuple(positions))
    for place in objects[:_MOST]:
        parts = _with_component(data, parts, place) or parts
    for _ in range(_MOST - len(objects)):
        now = project(data.bands, spread(data.bands, parts.model))
        found = search(data.bands, now, parts.model.shapes[:, :2], fwhm)
        more = _with_component(data, parts, found.place) if found.gain > _GAIN else None
        if more is None:
            break
        parts = more
    return replace(parts, model=fit(_tolerant(data.bands, parts.model), parts.before, data.psf, parts.model))


def _tolerant(bands: Bands, model: Model) -> Bands:
    """The same data, with errors that admit that the model is not exact."""
    images = spread(bands, model)
    light = np.einsum('bn,nbp->bp', project(bands, images).flux[:, :-1], images)
    return replace(bands, root=bands.root / np.sqrt(1 + np.square(_MODEL_ERROR * light * bands.root)))


def _with_component(data: _Data, parts: Components, place: tuple[float, float]) -> Components | None:
    """One more component near a place, or None when it does not improve the fit."""
    new = expect(np.array([place]), data.fwhm, reach=3.0)
    start = replace(parts.model, shapes=np.concatenate([parts.model.shapes, new.mean]))
    model = fit(data.bands, parts.before.stiff().with_source(new.stiff(centre=3.0)), data.psf, start)
    if parts.model.chi2 - model.chi2 < _GAIN:
        return None
    before = parts.before.with_source(expect(model.shapes[-1:, :2], data.fwhm))
    column = _ownership(data, parts, model)
    y, x = model.shapes[-1, :2]
    if column is None:
        count = len(parts.ids)
        mixture = np.block([[parts.mixture, np.zeros((count, 1))], [np.zeros((1, parts.mixture.shape[1])), 1.0]])
        name = min(0, *parts.ids) - 1
        note = f'source {name}: a neighbour at pixel ({y:.1f}, {x:.1f}) that the catalogue does not name'
        return Components(before, model, mixture, (*parts.ids, name), (*parts.notes, note))
    mixture = np.concatenate([parts.mixture, column[:, None]], axis=1)
    return Components(before, model, mixture / mixture.sum(axis=1, keepdims=True), parts.ids, parts.notes)


def _ownership(data: _Data, parts: Components, model: Model) -> FloatArray | None:
    """Shares (K,) of the last component in units of each source's own flux, or None when it is a source itself."""
    images = model.images(data.cube.shape, _NODES)
    known = np.tensordot(parts.mixture, images[:-1], axes=1)
    mixing = interpolation(_NODES, data.where)
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
