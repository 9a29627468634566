"""The joint extraction of one stamp, as products: spectrum, profiles, residual, header cards and notes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from autospec_lib import deblend, extract, geometry, names, psf
from autospec_lib.errors import SourceError
from autospec_lib.extract import Spaxels
from autospec_lib.model import BoolArray, FloatArray, Measured, Stamp
from autospec_lib.params import Params
from autospec_lib.solve import NODES, interpolation

MOST = 20  # neighbours that are fitted together; the work grows with the square of their number


@dataclass(frozen=True)
class Joint:
    """What is added to a source's products; nothing but a note where the joint extraction failed."""

    spectra: dict[str, Measured] = field(default_factory=dict)
    images: dict[str, Measured] = field(default_factory=dict)
    facts: dict[str, tuple[Any, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def products(stamp: Stamp, params: Params, suffix: str) -> Joint:
    """Extract the target together with its neighbours.

    Parameters
    ----------
    stamp : Stamp
        With the neighbours' positions, and the PSF where it is known.
    params : Params
        ``deblend`` may name the image that shapes come from.
    suffix : str
        Ending of the spectrum's key, as that of the other spectra; the sky is always the fit's own.

    Returns
    -------
    Joint
        The spectrum's key is `names.DEBLEND`; profiles (ny, nx) have a total of 1.
    """
    nearest = sorted(stamp.neighbours, key=lambda ident: _distance(stamp, ident))
    positions = {stamp.target.id: stamp.centre} | {ident: stamp.neighbours[ident] for ident in nearest[:MOST]}
    try:
        made = deblend.extract(
            stamp.data, stamp.variance, stamp.bad, positions, _ascending(stamp.wave), _options(stamp, params)
        )
        if not np.isfinite(made.spectra[stamp.target.id].data).any():
            raise SourceError('the data do not constrain the source')
    except (SourceError, ValueError, ArithmeticError) as error:
        reason = str(error).removeprefix('joint extraction: ').splitlines()[0]
        return Joint(notes=(f'joint extraction failed: {reason}',))
    crowd = f'joint extraction: only the {MOST} nearest of {len(nearest)} neighbours are fitted'
    keys = {ident: names.neighbour_profile(ident) for ident in made.profiles} | {stamp.target.id: names.PROFILE}
    images = {keys[ident]: Measured(profile) for ident, profile in made.profiles.items()}
    return Joint(
        {names.DEBLEND + suffix: made.spectra[stamp.target.id]},
        images | {names.RESIDUAL: Measured(made.residual)},
        _facts(stamp, made),
        (*made.notes, *[crowd] * (len(nearest) > MOST)),
    )


def _distance(stamp: Stamp, ident: int) -> float:
    y, x = stamp.neighbours[ident]
    return float(np.hypot(y - stamp.centre[0], x - stamp.centre[1]))


def _ascending(wave: FloatArray) -> FloatArray:
    """Distances from the first wavelength, which ascend whichever way the axis runs."""
    return np.asarray(np.abs(wave - wave[0]))


def _options(stamp: Stamp, params: Params) -> deblend.Options:
    options = deblend.Options(geometry.scale(stamp.pixel), stamp.psf)
    if isinstance(params.deblend, str):
        return replace(options, image=stamp.images[names.image_tag(params.deblend)])
    return options


def _facts(stamp: Stamp, made: deblend.Deblended) -> dict[str, tuple[Any, str]]:
    """The target's shape, and how far the neighbours' light would leak without the joint fit."""
    shape, others = made.shapes[stamp.target.id], list(made.profiles)[1:]
    facts: dict[str, tuple[Any, str]] = {
        'DBNUM': (len(others), 'joint extraction: number of neighbours'),
        'DBCOND': (_rounded(made.condition), 'condition number of the profiles'),
        'DBFWHM': (_rounded(shape.fwhm * geometry.scale(stamp.pixel)), 'fitted FWHM [arcsec], mid wavelength'),
        'DBRATIO': (_rounded(shape.ratio), 'fitted axis ratio'),
        'DBANGLE': (_rounded(shape.angle), 'fitted angle from +x to +y [deg]'),
        'DBBETA': (_rounded(shape.beta), 'fitted Moffat exponent'),
        'DBDX': (_rounded((shape.x - stamp.centre[1]) * stamp.pixel[1]), 'fitted minus catalogue position [arcsec]'),
        'DBDY': (_rounded((shape.y - stamp.centre[0]) * stamp.pixel[0]), 'fitted minus catalogue position [arcsec]'),
    }
    for number, ident in enumerate(others, 1):
        facts[f'DBID{number}'] = (ident, 'neighbour; below 0: not in the catalogue')
        facts[f'DBIN{number}'] = (_rounded(made.leakage[0, number]), 'its flux in the source, if not fitted')
        facts[f'DBOUT{number}'] = (_rounded(made.leakage[number, 0]), "the source's flux in it, if not fitted")
    # FITS headers hold no NaN.
    return {card: (value, comment) for card, (value, comment) in facts.items() if np.isfinite(value)}


def _rounded(value: float) -> float:
    """Four digits: FITS cards are short."""
    return float(f'{min(value, 1e99):.4g}')


def point_source(stamp: Stamp, target: Spaxels, mask: BoolArray) -> Measured:
    """The spectrum of a point source, optimally weighted by the PSF at every wavelength.

    Parameters
    ----------
    stamp : Stamp
        With a PSF.
    target : Spaxels
        The spaxels of the mask, less the sky.
    mask : array of bool (ny, nx)
        The object mask.

    Returns
    -------
    Measured
        (nl,), on the scale of the whole light of a point source, also of that outside of the mask.
    """
    return extract.optimal(target, _interpolated(stamp, psf_images(stamp)[:, mask]))


def psf_images(stamp: Stamp) -> FloatArray:
    """The PSF at the catalogue position (n, ny, nx), at `NODES` in wavelength."""
    assert stamp.psf is not None
    ny, nx = stamp.data.shape[1:]
    return psf.images((ny, nx), stamp.centre, stamp.psf, NODES)


def _interpolated(stamp: Stamp, profiles: FloatArray) -> FloatArray:
    """Profiles (nl, npix) between those at the nodes (n, npix)."""
    offset = _ascending(stamp.wave)
    return np.asarray(interpolation(NODES, offset / max(float(offset[-1]), 1e-300)) @ profiles)
