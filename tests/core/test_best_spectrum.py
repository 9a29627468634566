"""The best spectrum of a source, from all its products and from those that are kept."""

import numpy as np
import pytest

from autospec_lib.core import best_spectrum
from autospec_lib.core.products import Group, Kind, Products, Spectrum, by_key

KINDS = {
    'SKY': Kind.SKY,
    'TOT': Kind.SUM,
    'WHITE': Kind.WEIGHTED,
    'HST': Kind.WEIGHTED,
    'DEBLEND': Kind.JOINT,
    'XCOR': Kind.CROSS_CORRELATION,
}


def products(reference, grade):
    spectra = [Spectrum(np.ones(3), tag=tag, kind=kind) for tag, kind in KINDS.items()]
    return Products(
        {Group.SPECTRUM: by_key(spectra)},
        reference,
        facts={'DBGRADE': (grade, '')} if grade else {},
    )


@pytest.mark.parametrize(
    ('reference', 'grade', 'best'),
    [
        ('HST', '', 'HST'),
        ('HST', 'A', 'DEBLEND'),
        ('HST', 'B', 'DEBLEND'),
        ('HST', 'C', 'HST'),
        ('DEBLEND', 'A', 'DEBLEND'),
        ('DEBLEND', 'C', 'WHITE'),
    ],
)
def test_the_best_spectrum_and_its_reason_are_the_same_where_not_all_are_kept(
    reference, grade, best
):
    every = products(reference, grade)
    kept = best_spectrum.with_fewer_spectra(every)
    assert set(kept.spectra) == {reference, best, 'XCOR'}
    for one in (every, kept):
        spectrum, why = best_spectrum.of(one)
        assert spectrum is every.spectra[best]
        assert grade in why
    assert best_spectrum.of(every) == best_spectrum.of(kept)
