"""Verdicts that people give on sources in the report: their CSV files, merged, and kept in the
output folder.

The file in the output folder has the same columns as those that the report saves, and `OF_SEVERAL`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from autospec_lib.core.atomic import complete_file
from autospec_lib.core.errors import InputError, listed, near
from autospec_lib.core.files import read_file
from autospec_lib.core.redshift_limits import SAME_OF_PEOPLE, differ
from autospec_lib.core.types import Target

REPORTED = (
    'ID',
    'RA',
    'DEC',
    'VERDICT',
    'REDSHIFT',
    'ORIGIN',
    'QUALITY',
    'CLASS',
    'COMMENT',
    'CHANGED',
)
OF_SEVERAL = ('DIFFERS', 'RIVALS')
VERDICTS = ('good', 'doubtful', 'bad')
CLASSES = ('galaxy', 'star', 'quasar', 'Lya', 'nothing')
LEAST_Z, LARGEST_Z = -0.1, 20.0
SAME_PLACE = 1.0  # arcsec, up to which a verdict is about the source with its ID
EXPECTED = (
    'expected a CSV file of verdicts from the report; save it there again, in UTF-8, or remove it'
)
# What a spreadsheet would compute: the report writes ' before such a cell.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True)
class Verdict:
    """What a person says of a source.

    Attributes
    ----------
    verdict : str
        One of `VERDICTS`, or '' for none.
    z : float or None
        The redshift.
    quality : int or None
        3 = sure, 2 = probable, 1 = possible, 0 = no redshift; None where the person does not say.
    kind : str
        One of `CLASSES`, or ''.
    origin : str
        Where the redshift is from: a column of the summary, a candidate, or 'user'.
    comment : str
        In the person's own words.
    changed : str
        When the verdict was given.
    position : (float, float) or None
        Right ascension and declination of the source in degrees.
    differs : str
        Who says what, where people differ; '' where they agree.
    rivals : tuple of float
        The redshifts between which people have not decided.
    """

    verdict: str = ''
    z: float | None = None
    quality: int | None = None
    kind: str = ''
    origin: str = ''
    comment: str = ''
    changed: str = ''
    position: tuple[float, float] | None = None
    differs: str = ''
    rivals: tuple[float, ...] = ()

    @property
    def accepted(self) -> float | None:
        """The redshift, None if the person says that there is none."""
        return (
            None if self.verdict == 'bad' or self.quality == 0 or self.kind == 'nothing' else self.z
        )

    @property
    def is_silent(self) -> bool:
        """Whether the person says nothing on the redshift."""
        is_open = self.verdict != 'bad' and self.z is None and self.quality is None
        return is_open and self.kind != 'nothing' and not self.rivals

    def agrees(self, other: Verdict) -> bool:
        """Whether both say the same, apart from comments and where the redshift is from."""
        same = (self.verdict, self.quality, self.kind) == (other.verdict, other.quality, other.kind)
        return same and same_redshift(self.z, other.z)

    def __str__(self) -> str:
        parts = [self.verdict, '' if self.z is None else f'z = {self.z:.5g}']
        parts += [
            '' if self.quality is None else f'quality {self.quality}',
            self.kind,
            self.comment,
        ]
        parts.append(' or '.join(f'z = {z:.5g}' for z in self.rivals))
        return ', '.join(filter(None, parts))


def same_redshift(z: float | None, other: float | None) -> bool:
    """Whether two people have the same redshift, or both none.

    Parameters
    ----------
    z, other : float or None
        Their redshifts; None for none.
    """
    if z is None or other is None:
        return z is other
    return not differ(z, other, SAME_OF_PEOPLE)


def read(path: Path) -> dict[str, Verdict]:
    """The verdicts in a file by the sources' IDs as text.

    Columns are found by their names, in any order and case; cells are separated by commas,
    semicolons or tabs, as spreadsheets write them, and numbers may have a decimal comma.

    Raises
    ------
    InputError
        If the file cannot be read, or with the faults of all rows.
    """
    try:
        text = read_file(path).decode('utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        what = getattr(error, 'strerror', None) or 'is not text in UTF-8'
        raise InputError(f'{path}: {what}; {EXPECTED}') from error
    separator = max(',;\t', key=text.partition('\n')[0].count)
    try:
        head, *rows = csv.reader(io.StringIO(text), delimiter=separator)
    except (csv.Error, ValueError) as error:
        raise InputError(f'{path}: is empty or no table; {EXPECTED}') from error
    names = [name.strip().upper() for name in head]
    if not {'ID', 'VERDICT'} <= {*names}:
        raise InputError(f'{path}: no columns ID and VERDICT; {EXPECTED}')
    repeated = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if repeated:
        raise InputError(f'{path}: several columns {", ".join(repeated)}; keep one of each')
    verdicts: dict[str, Verdict] = {}
    faults = []
    for number, row in enumerate(rows, 1):
        cells = dict.fromkeys((*REPORTED, *OF_SEVERAL), '') | dict(
            zip(names, map(_text, row), strict=False)
        )
        if not any(cells.values()):
            continue
        place = f'{path}, row {number} below the header'
        try:
            if len(row) > len(names):
                raise ValueError(
                    f'{len(row)} cells, but {len(names)} columns; put quotes around cells with {separator!r}'
                )
            if not cells['ID']:
                raise ValueError('no ID; write that of the source, or remove the row')
            verdict = _verdict(cells)
            if verdicts.setdefault(cells['ID'], verdict) != verdict:
                raise ValueError(
                    'it stands there twice with different verdicts; remove one of the rows'
                )
        except ValueError as error:
            faults.append(f'{place}, ID {cells["ID"]}: {error}')
    if faults:
        raise InputError(*faults)
    return verdicts


def _text(cell: str) -> str:
    """A cell without what protects it from spreadsheets."""
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _verdict(cells: Mapping[str, str]) -> Verdict:
    """The verdict in a row; raises ValueError with what is wrong."""
    quality = _number(cells, 'QUALITY', 0, 3)
    if quality is not None and quality != int(quality):
        raise ValueError(f'QUALITY {quality:g} is not 0, 1, 2 or 3')
    z = _number(cells, 'REDSHIFT', LEAST_Z, LARGEST_Z)
    rivals = [
        _number({'RIVALS': one}, 'RIVALS', LEAST_Z, LARGEST_Z) for one in cells['RIVALS'].split()
    ]
    ra, dec = _number(cells, 'RA', -360, 360), _number(cells, 'DEC', -90, 90)
    return Verdict(
        _word(cells, 'VERDICT', VERDICTS),
        z,
        None if quality is None else int(quality),
        _word(cells, 'CLASS', CLASSES),
        '' if z is None else cells['ORIGIN'],
        cells['COMMENT'],
        cells['CHANGED'],
        None if ra is None or dec is None else (ra, dec),
        cells['DIFFERS'],
        tuple(z for z in rivals if z is not None),
    )


def _word(cells: Mapping[str, str], name: str, allowed: Sequence[str]) -> str:
    word = cells[name]
    same = {one.lower(): one for one in ('', *allowed)}.get(word.lower())
    if same is None:
        raise ValueError(
            f'{name} {word!r} is not one of {", ".join(allowed)}, or empty{near(word, allowed)}'
        )
    return same


def _number(cells: Mapping[str, str], name: str, least: float, most: float) -> float | None:
    text = cells[name]
    if not text:
        return None
    try:
        value = float(text.replace(',', '.').replace('\u2212', '-'))
    except ValueError:
        value = float('nan')
    if not least <= value <= most:
        raise ValueError(f'{name} {text!r} is not a number from {least:g} to {most:g}')
    return value


def about(verdicts: Mapping[str, Verdict], targets: Iterable[Target]) -> dict[str, Verdict]:
    """The verdicts on these sources, without those on one with the same ID at another place.

    Parameters
    ----------
    verdicts : mapping of str to Verdict
        By the sources' IDs as text.
    targets : iterable of Target
        The sources.
    """
    there = {str(target.id): (target.ra, target.dec) for target in targets}
    return {
        ident: one
        for ident, one in verdicts.items()
        if ident in there and _is_at(one, *there[ident])
    }


def _is_at(verdict: Verdict, ra: float, dec: float) -> bool:
    if verdict.position is None:
        return True
    east, north = np.subtract(verdict.position, (ra, dec))
    east = (east + 180) % 360 - 180
    return bool(np.hypot(east * np.cos(np.radians(dec)), north) * 3600 < SAME_PLACE)


def elsewhere(path: object, idents: Sequence[str]) -> str:
    """A line on verdicts that are not about the sources with their IDs.

    Parameters
    ----------
    path : Path or str
        The file of verdicts.
    idents : sequence of str
        IDs.
    """
    what = f'verdicts on sources over {SAME_PLACE:g} arcsec from where the catalogue has them are not used'
    return (
        f'{path}: {what}: {listed(idents)}; if they are the same sources, remove RA and DEC there'
    )


def merged(files: Sequence[tuple[str, Mapping[str, Verdict]]]) -> dict[str, Verdict]:
    """The verdicts of several people by the sources' IDs.

    Where they agree in the redshift but not in everything, the first one counts, with the lowest
    quality. Where their redshifts differ, none is accepted, and all are kept as rivals. Comments
    are joined.

    Parameters
    ----------
    files : sequence of (str, mapping of str to Verdict)
        Names of files, and the verdicts in each by the sources' IDs.
    """
    verdicts: dict[str, Verdict] = {}
    for ident in dict.fromkeys(ident for _, one in files for ident in one):
        opinions = [(name, one[ident]) for name, one in files if ident in one]
        first, *others = (one for _, one in opinions)
        comment = ' / '.join(dict.fromkeys(one.comment for _, one in opinions if one.comment))
        one = replace(first, comment=comment)
        if not all(first.agrees(other) for other in others):
            one = replace(one, differs='; '.join(f'{name}: {one}' for name, one in opinions))
        if all(same_redshift(first.accepted, other.accepted) for other in others):
            qualities = [one.quality for _, one in opinions if one.quality is not None]
            one = replace(one, quality=min(qualities, default=None))
        else:
            known = (z for _, one in opinions for z in (one.accepted, *one.rivals))
            rivals = tuple(dict.fromkeys(z for z in known if z is not None))
            one = replace(one, verdict='', z=None, quality=None, kind='', origin='', rivals=rivals)
        verdicts[ident] = one
    return verdicts


def write(path: Path, verdicts: Mapping[str, Verdict], targets: Iterable[Target]) -> None:
    """Write verdicts in the columns of the report: in the order of the catalogue, then those on
    other sources.

    Parameters
    ----------
    path : Path
        The file, which appears under its name when it is complete.
    verdicts : mapping of str to Verdict
        By the sources' IDs as text.
    targets : iterable of Target
        The rows of the catalogue, for the positions of verdicts without one.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    file = io.StringIO(newline='')
    rows = csv.writer(file, lineterminator='\n')
    rows.writerow((*REPORTED, *OF_SEVERAL))
    there = {
        str(target.id): (target.ra, target.dec) for target in targets if str(target.id) in verdicts
    }
    for ident, one in {**{ident: verdicts[ident] for ident in there}, **verdicts}.items():
        position = one.position or there.get(ident) or ('', '')
        reported = (one.verdict, one.z, one.origin, one.quality, one.kind, one.comment, one.changed)
        cells = (ident, *position, *reported, one.differs, ' '.join(map(str, one.rivals)))
        rows.writerow([_protected(cell) for cell in cells])
    with complete_file(path) as temporary:
        temporary.write_text(file.getvalue(), encoding='utf-8')


def _protected(cell: object) -> object:
    """A cell that no spreadsheet computes."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
