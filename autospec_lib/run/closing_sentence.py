"""The sentence at the end of a run, on the terminal, in the log and in the report."""

from __future__ import annotations

from collections import Counter

from autospec_lib.core.errors import listed
from autospec_lib.run.results import EXTRACTED, FAILED, KEPT, NOT_REACHED, Results


def sentence(results: Results, on_all: bool = False) -> str:
    """One line on this run, or on all sources: their numbers by status, and the IDs of failures and
    notes.

    Parameters
    ----------
    results : Results
        The results.
    on_all : bool
        Whether it is on all sources of the catalogue.
    """
    rows = [row for ident, row in results.rows.items() if on_all or ident in results.chosen]
    number = Counter(row['STATUS'] for row in rows)
    parts = [f'{number[EXTRACTED] + number[KEPT]} of {len(rows)} sources extracted']
    if number[KEPT]:
        parts[0] += f', {number[KEPT]} of them by an earlier run'
    if number[FAILED]:
        failed = [str(row['ID']) for row in rows if row['STATUS'] == FAILED]
        parts.append(f'{len(failed)} failed ({listed(failed)})')
    noted = [str(row['ID']) for row in rows if row['STATUS'] == EXTRACTED and row.get('NOTES')]
    if noted:
        parts.append(f'{len(noted)} with notes ({listed(noted)})')
    if number[NOT_REACHED]:
        parts.append(f'{number[NOT_REACHED]} not reached')
    return '; '.join(parts)
