"""The catalogue of redshifts, ``redshifts.ecsv``: for each source the redshift that counts, and its
lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autospec_lib.core import file_names
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.redshift_limits import SURE, differ
from autospec_lib.core.types import Ident
from autospec_lib.output import summary
from autospec_lib.output.summary import Column, Row
from autospec_lib.output.verdicts import Verdict

AUTOMATIC, BY_HAND = 'AUTOSPEC', 'VISUAL'  # origins, as in MPDAF's table Z
NOTE = 'redshift: '  # what notes on redshifts begin with
# Of classes in verdicts.
TYPES = {'galaxy': 'gal', 'star': 'star', 'quasar': 'QSO', 'Lya': 'LAE', 'nothing': ''}
COLUMNS = (
    *summary.OF_SOURCE[:3],  # ID and position
    Column('Z', 'the redshift that counts: accepted by hand, else sure, else empty'),
    Column('Z_ERR', 'its standard deviation'),
    Column('Z_FROM', 'VISUAL: accepted by hand; AUTOSPEC: sure', str),
    Column(
        'QUALITY', 'of Z: 3 sure, 2 sure by one line or probable, 1 possible, 0 no redshift', int
    ),
    Column('TYPE', 'of Z: gal, LAE, QSO or star', str),
    Column(
        'Z_BEST', 'first candidate, empty below a probability of 0.5; it need not count', source='Z'
    ),
    Column('P', 'probability of the first candidate', source='ZPROB'),
    Column('Z_CATALOG', 'redshift in the catalogue'),
    Column('Z_SECOND', 'redshift of a second source in the spectrum', source='ZBLEND'),
    Column(
        'SPECTRUM', 'key of the spectrum that candidates and lines are from', str, source='ZSPEC'
    ),
    # Text if any ID is text.
    Column('NEIGHBOUR', 'ID of a neighbour with the same redshift', int, source='ZNEIGHB'),
    Column('NOTES', 'notes on the redshift, separated by semicolons', str),
    *summary.OF_LINES,
)


@dataclass(frozen=True)
class Counting:
    """The redshift of a source that counts; ``z`` is None where there is none.

    Attributes are those of the columns Z, Z_ERR, Z_FROM, QUALITY and TYPE.
    """

    z: float | None = None
    error: float | None = None
    origin: str = ''
    quality: int = 0
    kind: str = ''


def counting(row: Row, verdict: Verdict | None = None) -> Counting:
    """The redshift that counts: that of a verdict, else the measured one if it is sure.

    A verdict that there is no redshift takes the measured one back, and so do people who differ.
    One without a word on the redshift leaves it, with a quality of 1 if it is doubtful.

    Parameters
    ----------
    row : dict
        The source's row of the summary.
    verdict : Verdict or None
        None: nobody has looked.
    """
    z, error, kind = row.get('Z'), row.get('Z_ERR'), row.get('ZTYPE') or ''
    if verdict is None or verdict.is_silent:
        # A sure redshift that a neighbour explains has the quality 1.
        if z is None or row['ZPROB'] < SURE or row['ZQUAL'] < 2:
            return Counting()
        doubtful = verdict is not None and verdict.verdict == 'doubtful'
        return Counting(z, error, AUTOMATIC, 1 if doubtful else row['ZQUAL'], kind)
    if verdict.accepted is None:
        return Counting(origin=BY_HAND)
    if z is None or differ(z, verdict.accepted):
        error, kind = None, ''
    quality = verdict.quality
    if quality is None:
        quality = 1 if verdict.verdict == 'doubtful' else 2
    return Counting(verdict.accepted, error, BY_HAND, quality, TYPES.get(verdict.kind, kind))


def write(
    folder: Path,
    rows: Sequence[Row],
    unit: str,
    catalogued: Mapping[Ident, float],
    verdicts: Mapping[str, Verdict],
) -> None:
    """Write the file, which appears under its name when it is complete.

    Parameters
    ----------
    folder : Path
        The output folder.
    rows : sequence of dict
        Those of the summary.
    unit : str
        That of fluxes in the summary.
    catalogued : mapping of int or str to float
        Redshifts in the catalogue, by ID.
    verdicts : mapping of str to Verdict
        By ID as text.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    table = summary.as_table([_row(row, catalogued, verdicts) for row in rows], COLUMNS, unit)
    with complete_file(folder / file_names.REDSHIFTS) as path:
        table.write(path, format='ascii.ecsv')


def _row(row: Row, catalogued: Mapping[Ident, float], verdicts: Mapping[str, Verdict]) -> Row:
    one = counting(row, verdicts.get(str(row['ID'])))
    notes = (row.get('NOTES') or '').split('; ')
    return {
        **row,
        **{column.name: row.get(column.source) for column in COLUMNS if column.source},
        'Z': one.z,
        'Z_ERR': one.error,
        'Z_FROM': one.origin,
        'QUALITY': one.quality,
        'TYPE': one.kind,
        'Z_CATALOG': catalogued.get(row['ID']),
        'NOTES': '; '.join(note.removeprefix(NOTE) for note in notes if note.startswith(NOTE)),
    }
