"""Header cards on a redshift."""

from __future__ import annotations

from typing import Any

from autospec_lib.redshift.estimate import Redshift


def cards(result: Redshift) -> dict[str, tuple[Any, str]]:
    """Values and comments by keyword; the redshift itself is there only if it is possible at least.

    Parameters
    ----------
    result : Redshift
        What the spectrum says.
    """
    facts: dict[str, tuple[Any, str]] = {'ZQUAL': (result.quality, 'quality of ZAUTO: 3, 2, 1; 0: no redshift')}
    if not result.candidates:
        return facts | {'ZNOTE': ('no redshift: nothing to search', 'on the redshift')}
    first, *others = result.candidates
    facts['ZPROB'] = (round(first.probability, 3), 'probability of the first candidate')
    if result.best is None:
        text = f'no redshift: best candidate z = {first.z:.4f}, P = {first.probability:.2f}'
        facts['ZNOTE'] = (text, 'on the redshift')
    else:
        facts['ZAUTO'] = (round(first.z, 6), 'redshift in vacuum, not heliocentric')
        facts['ZAUTOERR'] = (round(first.error, 6), 'its standard deviation')
        facts['ZTYPE'] = (first.kind.value, 'gal, LAE, QSO or star')
        facts['ZNLINE'] = (first.lines, 'emission lines above 3.5 sigma')
        if first.single_line:
            facts['ZNOTE'] = ('single line: Lya, [OII] or another', 'on the redshift')
    if result.second_source is not None:
        facts['ZBLEND'] = (round(result.second_source, 5), 'redshift of a second source in the spectrum')
    for number, one in enumerate(others, 2):
        facts[f'Z{number}AUTO'] = (round(one.z, 6), f'candidate {number}')
        facts[f'Z{number}ERR'] = (round(one.error, 6), 'its standard deviation')
        facts[f'Z{number}PROB'] = (round(one.probability, 3), 'its probability')
        facts[f'Z{number}TYPE'] = (one.kind.value, 'what the source is then')
    return facts
