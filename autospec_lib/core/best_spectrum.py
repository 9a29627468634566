"""Which spectrum stands for a source where one is chosen: for MARZ, redshift, summary and report."""

from __future__ import annotations

from autospec_lib.core.products import Kind, Products, Spectrum


def of(products: Products) -> tuple[Spectrum, str]:
    """The spectrum of the source, where one is chosen, and why.

    It is that of the joint extraction if its grade is A or B, else the reference, or what stands
    for that.
    """
    grade = products.facts.get('DBGRADE', ('', ''))[0]
    reference = products.spectra[products.reference]
    joint = next((one for one in products.spectra.values() if one.kind is Kind.JOINT), None)
    if joint is None:
        return reference, 'reference'
    if grade in ('A', 'B'):
        return joint, f'grade {grade}'
    others = [
        one
        for one in products.spectra.values()
        if one.kind is Kind.WEIGHTED and not one.continuum_subtracted
    ]
    chosen = others[0] if reference.kind is Kind.JOINT and others else reference
    return chosen, f'{joint.short_key} has grade {grade}'
