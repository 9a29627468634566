"""Structure that is no Moffat function, from the joint cross-correlation map of all sources.

AutoSpec's map correlates every spaxel with one spectrum, so a neighbour of similar spectrum shows up in it. The joint
map A = (S W S')^-1 S W d takes that out: A_k(p) is the best estimate of how bright source k is in spaxel p, given all
spectra S and weights W. What it shows beyond the fitted profiles is described by blobs as wide as the PSF.
"""

from __future__ import annotations

import numpy as np

from autospec_lib.model import FloatArray
from autospec_lib.psf import shifted
from autospec_lib.solve import Solution, Weighted

# A blob's flux is expected within this share of the source's light in its place.
_LOOSE = 0.4
_STEP = 2
_FAINT = 0.01


def joint_map(
    cube: Weighted, profiles: FloatArray, mixing: FloatArray, solution: Solution
) -> tuple[FloatArray, FloatArray]:
    """What the joint cross-correlation sees beyond the profiles.

    Parameters
    ----------
    cube : Weighted
        The data.
    profiles, mixing : array (K, n, ny, nx), array (nl, n)
        The present profiles, as ``solve.solve`` takes them.
    solution : Solution
        The present spectra and sky.

    Returns
    -------
    array (K, K, npix), array (K, npix)
        S W S' and S W (d - model) in every spaxel: the map of the residual is their quotient, and the first the
        inverse of its covariance.
    """
    count, nodes = profiles.shape[:2]
    spectra = np.nan_to_num(solution.spectra)
    products = spectra[:, None, None, :] * spectra[None, :, None, :] * mixing.T[None, None]
    upper = np.triu_indices(count)
    sums = products[upper].reshape(-1, len(mixing)) @ cube.weight
    normal = np.empty((count, count, nodes, cube.weight.shape[1]))
    normal[upper] = sums.reshape(len(upper[0]), nodes, -1)
    normal[upper[1], upper[0]] = normal[upper]
    modelled = np.einsum('klnp,lnp->kp', normal, profiles.reshape(count, nodes, -1))
    seen = spectra @ cube.product - (spectra * np.nan_to_num(solution.sky)) @ cube.weight
    return normal.sum(axis=2), seen - modelled


def refine(profiles: FloatArray, normal: FloatArray, right: FloatArray, blob: tuple[FloatArray, float]) -> FloatArray:
    """Profiles with the structure added that the joint map shows: never negative, smooth at the PSF's scale.

    Every source gets blobs on a grid of two pixels where its profile is not faint; their fluxes, of all sources at
    once, minimise chi-square plus a quadratic expectation that they are small against the light in their place.

    Parameters
    ----------
    profiles : array (K, n, ny, nx)
        Profiles of total flux 1 at n wavelengths.
    normal, right : array (K, K, npix), array (K, npix)
        As ``joint_map`` gives them.
    blob : array (n, 2, 2), float
        The blob's matrix at each wavelength and its beta, as ``psf.moffat`` takes them.

    Returns
    -------
    array (K, n, ny, nx)
        Again of total flux 1.
    """
    count, nodes, ny, nx = profiles.shape
    middle = profiles[:, nodes // 2]
    grid = np.stack(np.meshgrid(*(np.arange(0, n, _STEP, dtype=np.int32) for n in (ny, nx)), indexing='ij'), axis=-1)
    grid = grid.reshape(-1, 2)
    every = middle[:, grid[:, 0], grid[:, 1]]
    used = [np.flatnonzero(row > _FAINT * row.max()) for row in every]
    images = shifted((ny, nx), grid, *blob)
    flat = [images[part, nodes // 2].reshape(len(part), -1) for part in used]
    expected = np.concatenate([_LOOSE * _STEP**2 * every[k, part] for k, part in enumerate(used)])
    system = np.block(
        [[(flat[one] * normal[one, two]) @ flat[two].T for two in range(count)] for one in range(count)]
    ) + np.diag(expected**-2.0)
    flux = np.linalg.solve(system, np.concatenate([flat[k] @ right[k] for k in range(count)]))
    refined = np.empty_like(profiles)
    start = 0
    for k, part in enumerate(used):
        own = flux[start : start + len(part)]
        start += len(part)
        added = profiles[k] + np.tensordot(own, images[part], axes=1)
        clipped = np.maximum(added, 0)
        total = 1 + own.sum() + (clipped - added).sum(axis=(1, 2))
        refined[k] = clipped / total[:, None, None]
    return refined
