"""Errors that match the scatter of blank sky: the empirical factor of every spectrum that is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from autospec_lib import names, noise
from autospec_lib.model import BoolArray, FloatArray, Products, Stamp


def with_empirical_noise(
    products: Products, stamp: Stamp, footprints: Mapping[str, FloatArray], sky: BoolArray
) -> Products:
    """Scale the variance of each spectrum by what its weights give where the sky is blank.

    Parameters
    ----------
    products : Products
        With propagated variances.
    stamp : Stamp
        Where the blank sky is looked for.
    footprints : mapping of str to array (ny, nx)
        What each spaxel contributes, by key of the spectrum; spectra that have none keep their variance.
    sky : array of bool (ny, nx)
        True where no object is.

    Returns
    -------
    Products
        With the factors' medians as cards NFACT1, NFACT2 ... and a note on what was not measured.
    """
    if stamp.variance is None:
        return replace(products, notes=(*products.notes, 'noise: the cube has no variance that could be scaled'))
    blank = sky & ~stamp.bad.all(axis=0)
    spectra, facts, failed = dict(products.spectra), dict(products.facts), {}
    for key, weights in footprints.items():
        variance = spectra[key].variance
        # The joint extraction fits the sky, and has its error in the covariance.
        apart = key.endswith(names.SKYSUB) and not key.startswith(names.DEBLEND)
        found = noise.empirical_factor(stamp.data, stamp.variance, stamp.bad, weights, blank, apart)
        if found.factor is None or variance is None:
            failed[key] = found.note
            continue
        # A stretch of wavelengths without data has no scatter to look at.
        factor = np.where(np.isfinite(found.factor) & (found.factor > 0), found.factor, 1.0)
        spectra[key] = replace(spectra[key], variance=variance * factor)
        number = len([card for card in facts if card.startswith('NFACT')]) + 1
        facts[f'NFACT{number}'] = (round(float(np.median(factor)), 4), key)
    notes = [
        f'{note} ({", ".join(key for key in failed if failed[key] == note)})' for note in dict.fromkeys(failed.values())
    ]
    return replace(products, spectra=spectra, facts=facts, notes=(*products.notes, *notes))
