"""The joint extraction of one cut-out, as products: spectrum, profiles, residual, header cards and notes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autospec_lib import deblend
from autospec_lib.config.params import Params
from autospec_lib.core import geometry, keys, moffat
from autospec_lib.core.errors import SourceError
from autospec_lib.core.products import Kind, Products, Spectrum, by_key
from autospec_lib.core.types import Cutout, FloatArray, Measured, Voxels
from autospec_lib.extraction import weights
from autospec_lib.solve import NODES, interpolation

MOST = 20  # neighbours that are fitted together; the work grows with the square of their number


def products(cutout: Cutout, params: Params, sky_subtracted: bool) -> Products:
    """Extract the target together with its neighbours.

    Parameters
    ----------
    cutout : Cutout
        With the neighbours' positions, and the PSF where it is known.
    params : Params
        ``deblend`` may name the image that shapes come from.
    sky_subtracted : bool
        Whether the key is to end as those of sky-subtracted spectra; the sky is always the fit's own.

    Returns
    -------
    Products
        The spectrum `keys.DEBLEND`, the profiles (ny, nx), which have a total of 1, and the residual; nothing but a
        note where the joint extraction failed.
    """
    voxels, own = cutout.voxels, cutout.target.id
    nearest = sorted(cutout.neighbours, key=lambda ident: _distance(cutout, ident))
    positions = {own: cutout.centre} | {ident: cutout.neighbours[ident] for ident in nearest[:MOST]}
    try:
        made = deblend.extract(
            voxels.data, voxels.variance, ~voxels.good, positions, _ascending(cutout.wave), _options(cutout, params)
        )
        if not np.isfinite(made.spectra[own].data).any():
            raise SourceError('the data do not constrain the source')
    except (SourceError, ValueError, ArithmeticError) as error:
        reason = str(error).removeprefix('joint extraction: ').splitlines()[0]
        return Products(notes=(f'joint extraction failed: {reason}',))
    crowd = f'joint extraction: only the {MOST} nearest of {len(nearest)} neighbours are fitted'
    tags = {ident: keys.neighbour_profile(ident) for ident in made.profiles} | {own: keys.PROFILE}
    spectrum = Spectrum(
        made.spectra[own].data,
        made.spectra[own].variance,
        cutout.grid.unit,
        tag=keys.DEBLEND,
        kind=Kind.JOINT,
        weights=made.profiles[own],
        sky_subtracted=sky_subtracted,
    )
    profiles = {tags[ident]: Measured(profile) for ident, profile in made.profiles.items()}
    return Products(
        spectra=by_key([spectrum]),
        fitted=profiles | {keys.RESIDUAL: Measured(made.residual, unit=cutout.grid.unit)},
        facts=_facts(cutout, made),
        notes=(*made.notes, *[crowd] * (len(nearest) > MOST)),
    )


def _distance(cutout: Cutout, ident: int) -> float:
    y, x = cutout.neighbours[ident]
    return float(np.hypot(y - cutout.centre[0], x - cutout.centre[1]))


def _ascending(wave: FloatArray) -> FloatArray:
    """Distances from the first wavelength, which ascend whichever way the axis runs."""
    return np.asarray(np.abs(wave - wave[0]))


def _options(cutout: Cutout, params: Params) -> deblend.Options:
    options = deblend.Options(geometry.scale(cutout.pixel), cutout.psf)
    if isinstance(params.deblend, str):
        return replace(options, image=cutout.images[keys.image_tag(params.deblend)])
    return options


def _facts(cutout: Cutout, made: deblend.Deblended) -> dict[str, tuple[Any, str]]:
    """The target's shape, and how far the neighbours' light would leak without the joint fit."""
    shape, others = made.shapes[cutout.target.id], list(made.profiles)[1:]
    facts: dict[str, tuple[Any, str]] = {
        'DBNUM': (len(others), 'joint extraction: number of neighbours'),
        'DBCOND': (_rounded(made.condition), 'condition number of the profiles'),
        'DBGROW': (_rounded(made.growth), 'factor by which its errors grow through neighbours'),
        'DBFWHM': (_rounded(shape.fwhm * geometry.scale(cutout.pixel)), 'fitted FWHM [arcsec], mid wavelength'),
        'DBRATIO': (_rounded(shape.ratio), 'fitted axis ratio'),
        'DBANGLE': (_rounded(shape.angle), 'fitted angle from +x to +y [deg]'),
        'DBBETA': (_rounded(shape.beta), 'fitted Moffat exponent'),
        'DBDX': (_rounded((shape.x - cutout.centre[1]) * cutout.pixel[1]), 'fitted minus catalogue position [arcsec]'),
        'DBDY': (_rounded((shape.y - cutout.centre[0]) * cutout.pixel[0]), 'fitted minus catalogue position [arcsec]'),
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


def point_source(cutout: Cutout, spaxels: Voxels, images: FloatArray) -> Measured:
    """The spectrum of a point source, optimally weighted by the PSF at every wavelength.

    Parameters
    ----------
    cutout : Cutout
        With a PSF.
    spaxels : Voxels
        The spaxels of the object mask (nl, n), less the sky.
    images : array (number of nodes, n)
        From `psf_images`, in the mask.

    Returns
    -------
    Measured
        (nl,), on the scale of the whole light of a point source, also of that outside of the mask.
    """
    return weights.optimal(spaxels, _interpolated(cutout, images))


def psf_images(cutout: Cutout) -> FloatArray:
    """The PSF at the catalogue position (n, ny, nx), at `NODES` in wavelength."""
    assert cutout.psf is not None
    return moffat.images(cutout.shape, cutout.centre, cutout.psf, NODES, geometry.relative(cutout.pixel))


def _interpolated(cutout: Cutout, profiles: FloatArray) -> FloatArray:
    """Profiles (nl, npix) between those at the nodes (n, npix)."""
    offset = _ascending(cutout.wave)
    return np.asarray(interpolation(NODES, offset / max(float(offset[-1]), 1e-300)) @ profiles)
