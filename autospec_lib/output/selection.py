"""Selects the products that are written."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autospec_lib.core.products import Kind, Products


@dataclass(frozen=True)
class Wanted:
    """What is written to the files: the parameters OUT_SPEC, OUT_IMG, OUT_SEG, OUT_MASK and OUT_XCOR."""

    spectra: bool = True
    images: bool = True
    segmaps: bool = True
    masks: bool = True
    maps: bool = True


def select(products: Products, wanted: Wanted) -> Products:
    """The products that are written.

    Without ``wanted.spectra`` these are the reference, with and without continuum, and the spectra weighted by
    cross-correlation.
    """
    spectra = products.spectra
    if not wanted.spectra:
        tag = spectra[products.reference].tag
        spectra = {
            key: one
            for key, one in spectra.items()
            if one.kind is Kind.CROSS_CORRELATION
            or key == products.reference
            or (one.tag == tag and one.continuum_subtracted)
        }
    return replace(
        products,
        spectra=spectra,
        images=products.images if wanted.images else {},
        fitted=products.fitted if wanted.images else {},
        segmaps=products.segmaps if wanted.segmaps else {},
        masks=products.masks if wanted.masks else {},
        maps=products.maps if wanted.maps else {},
    )
