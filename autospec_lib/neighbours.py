"""Light that no catalogue names: finding it in the residual, and telling a neighbour from a source's own structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospec_lib.core.moffat import shifted
from autospec_lib.core.types import FloatArray
from autospec_lib.profiles import Bands, Projection, bins
from autospec_lib.solve import Solution

# A neighbour may lie this many pixels outside the subcube and still shed light into it.
_OUTSIDE = 2
_STEP = 2
# Sources farther than this many FWHM have no structure at a place.
_NEAR = 2.0
# A profile that is not quite right changes the colours of what is left by some per cent.
_COLOUR = 0.05


@dataclass(frozen=True)
class Candidate:
    """A place (y, x) whose light the model lacks, and the drop of chi-square that a point source there would give."""

    place: tuple[float, float]
    gain: float


def search(
    bands: Bands, now: Projection, places: FloatArray, fwhm: float, failed: Sequence[tuple[float, float]] = ()
) -> Candidate:
    """The place where another source would improve the fit most, by light with a spectrum of its own.

    At every second pixel a PSF, made orthogonal to the sources and the sky, is fitted to each band's residual. What a
    multiple of the nearby sources' own band fluxes explains is not counted: that is their structure.

    Parameters
    ----------
    bands, now : Bands, Projection
        The data and the present fit.
    places : array (n, 2)
        Positions of the present components, in pixels.
    fwhm : float
        Width of the PSF in pixels.
    failed : sequence of (y, x), optional
        Places not to look at again, nor within half a PSF of them.
    """
    ny, nx = bands.shape
    rows, columns = (np.arange(-_OUTSIDE, length + _OUTSIDE, _STEP, dtype=np.int32) for length in (ny, nx))
    grid = np.stack(np.meshgrid(rows, columns, indexing='ij'), axis=-1).reshape(-1, 2)
    templates = shifted(bands.shape, grid, np.array([fwhm**2 * np.eye(2)]), 3.0).reshape(len(grid), -1)
    full = np.square(templates).sum(axis=1).max()
    signal, norm = np.zeros((2, len(grid), len(bands.data)))
    for band, root in enumerate(bands.root):
        basis = templates * root
        basis = basis - (basis @ now.q[band]) @ now.q[band].T
        size = np.sqrt(np.square(basis).sum(axis=1))
        seen = size > 0.05 * np.sqrt(full) * root.max()
        norm[:, band] = np.where(seen, size, 0)
        signal[:, band] = np.where(seen, basis @ now.residual[band] / np.where(seen, size, 1), 0)
    near = np.hypot(*(grid[:, None] - places[None]).transpose(2, 0, 1)) < _NEAR * fwhm
    hosts = norm[:, None, :] * now.flux[:, :-1].T[None] * near[:, :, None]
    gains = np.square(signal - _explained(signal, hosts)).sum(axis=1)
    gains[(signal * norm).sum(axis=1) <= 0] = 0
    for place in failed:
        gains[np.hypot(*(grid - place).T) < 0.5 * fwhm] = 0
    best = int(np.argmax(np.where(gains > 0.3 * gains.max(), np.square(signal).sum(axis=1), 0)))
    y, x = grid[best]
    return Candidate((float(y), float(x)), float(gains[best]))


def _explained(signal: FloatArray, hosts: FloatArray) -> FloatArray:
    """Per place, the part of the signal (m, nb) that a combination of the hosts' (m, n, nb) explains."""
    gram = hosts @ hosts.transpose(0, 2, 1)
    ridge = 1e-9 * np.einsum('mii->m', gram) + 1e-12
    right = hosts @ signal[..., None]
    share = np.linalg.solve(gram + ridge[:, None, None] * np.eye(hosts.shape[1]), right)
    return np.asarray((hosts.transpose(0, 2, 1) @ share)[..., 0])


def likeness(solution: Solution, number: int, hosts: list[int]) -> tuple[FloatArray, float]:
    """How far one component's spectrum is a sum of others'.

    Colours are compared in 16 bins, lines at full resolution after the bins' ratio has been taken out.

    Parameters
    ----------
    solution : Solution
        Spectra of all components with their covariance.
    number : int
        The component in question.
    hosts : list of int
        The components it may be a part of.

    Returns
    -------
    array (len(hosts),), float
        Non-negative shares of the hosts' spectra in it, and the significance of what they leave over, in sigma.
    """
    usable = np.isfinite(solution.covariance[:, number, number])
    spectra, covariance = solution.spectra[:, usable], solution.covariance[usable]
    weight = 1 / covariance[:, number, number]
    edges = bins(len(weight))
    total = np.add.reduceat(weight, edges[:-1])
    coarse = np.add.reduceat(spectra * weight, edges[:-1], axis=1) / total
    errors = (
        np.add.reduceat(covariance * np.square(weight)[:, None, None], edges[:-1]) / np.square(total)[:, None, None]
    )
    shares = np.zeros(len(hosts))
    # The hosts' own errors count too, in proportion to the shares, which are not known at first.
    for _ in range(3):
        variance = _spread(errors, number, hosts, shares) + np.square(_COLOUR * shares @ coarse[hosts])
        shares = _shares(coarse[hosts], coarse[number], variance)
    colours = _excess(coarse[number] - shares @ coarse[hosts], variance)
    model = shares @ coarse[hosts]
    ratio = np.clip(np.divide(coarse[number], model, out=np.ones_like(model), where=model > 0), 0, 3)
    hosted = np.repeat(ratio, np.diff(edges)) * (shares @ spectra[hosts])
    lines = _excess(spectra[number] - hosted, _spread(covariance, number, hosts, shares))
    return shares, max(colours, 0.0) + max(lines, 0.0)


def _spread(covariance: FloatArray, number: int, hosts: list[int], shares: FloatArray) -> FloatArray:
    """Variance (nl,) of one spectrum minus shares of others."""
    mix = np.zeros(covariance.shape[1])
    mix[number], mix[hosts] = 1.0, -shares
    return np.asarray(np.einsum('lij,i,j->l', covariance, mix, mix))


def _shares(others: FloatArray, own: FloatArray, variance: FloatArray) -> FloatArray:
    """Non-negative least squares of one spectrum on others."""
    from scipy.optimize import nnls

    root = 1 / np.sqrt(variance)
    return np.asarray(nnls((others * root).T, own * root)[0])


def _excess(left: FloatArray, variance: FloatArray) -> float:
    """How many sigma a sum of squares lies above what noise alone gives."""
    chi2 = np.sum(np.square(left) / variance)
    return float((chi2 - left.size) / np.sqrt(2 * left.size))
