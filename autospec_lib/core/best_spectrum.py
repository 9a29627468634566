"""Which spectrum stands for a source where one is chosen, and which spectra are kept if not all are.

The redshift and the summary are measured from all products of a source. Its file, the tables, MARZ
and the report get what is kept of them, and so does whatever reads the file later. The best spectrum
is among what is kept, so that `of` gives the same one for all of them, and ZSPEC names a spectrum
that is in the file.
"""

from __future__ import annotations

from dataclasses import replace

from autospec_lib.core import keys
from autospec_lib.core.products import Group, Kind, Products, Spectrum


def of(products: Products) -> tuple[Spectrum, str]:
    """The spectrum of the source, where one is chosen, and why.

    It is that of the joint extraction if its grade is A or B, else the reference, or what stands
    for that.
    """
    grade = products.facts.get('DBGRADE', ('', ''))[0]
    reference = products.spectra[products.reference]
    joint = next((one for one in products.spectra.values() if one.kind is Kind.JOINT), None)
    if joint is not None and grade in ('A', 'B'):
        return joint, f'grade {grade}'
    others = [
        one
        for one in products.spectra.values()
        if one.kind is Kind.WEIGHTED and not one.continuum_subtracted
    ]
    chosen = others[0] if reference.kind is Kind.JOINT and others else reference
    # A joint spectrum of grade C may have been left out.
    return chosen, f'{keys.DEBLEND} has grade {grade}' if grade else 'reference'


def with_fewer_spectra(products: Products) -> Products:
    """The products with the spectra that are kept if not all are wanted: the reference, with and
    without continuum, the best one, and those weighted by cross-correlation."""
    reference, best = products.spectra[products.reference], of(products)[0]
    spectra = {
        key: one
        for key, one in products.spectra.items()
        if one.kind is Kind.CROSS_CORRELATION
        or one is reference
        or one is best
        or (one.continuum_subtracted and one.tag == reference.tag)
    }
    return replace(products, table=products.table | {Group.SPECTRUM: spectra})
