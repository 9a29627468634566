"""Positions on the command line (``--radec``): text -> a catalogue."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.inputs.catalogs import catalog_cells
from autospec_lib.inputs.catalogs.catalog import Catalogue

_EXPECTED = "expected degrees ('130.578 1.643') or hours and degrees ('08:42:18.8 +01:38:33')"


def catalogue(positions: Sequence[str], size: float, ref: str) -> Catalogue:
    """One source at each position; its ID is the name that the IAU recommends, as J084218.80+013833.0.

    Raises
    ------
    InputError
        One fault for each position that cannot be read or is repeated.
    """
    targets: dict[int | str, Target] = {}
    faults = []
    for text in positions:
        try:
            ra, dec = _degrees(text)
        except ValueError as error:
            faults.append(f'--radec {text!r}: {error}')
            continue
        ident = name_of(ra, dec)
        if ident in targets:
            faults.append(f'--radec {text!r}: is {ident}, which is given already; expected positions 0.15 arcsec apart')
        targets[ident] = Target(ident, ra, dec, size, ref)
    if faults:
        raise InputError(*faults)
    return Catalogue([*targets.values()], taken='positions of the command line')


def _degrees(text: str) -> tuple[float, float]:
    """Right ascension and declination; raises `ValueError` with what is wrong."""
    cells = [cell for cell in re.split(r'[,\s]+', text.strip()) if cell]
    if len(cells) == 6:
        cells = [':'.join(cells[:3]), ':'.join(cells[3:])]
    if len(cells) != 2:
        raise ValueError(f'{len(cells)} values; {_EXPECTED}')
    return catalog_cells.right_ascension(cells[0]), catalog_cells.declination(cells[1])


def name_of(ra: float, dec: float) -> str:
    """A position in degrees as a name, JHHMMSS.ss+DDMMSS.s, truncated and not rounded, as is usual for source names.

    A hundred-thousandth of the last digit is added first; otherwise 18.80 s might become 18.79.
    """
    time, angle = int(ra / 15 * 360000 + 1e-5), int(abs(dec) * 36000 + 1e-5)
    hours, minutes, seconds = time // 360000, time // 6000 % 60, time % 6000
    degrees, arcmin, arcsec = angle // 36000, angle // 600 % 60, angle % 600
    sign = '-' if dec < 0 else '+'
    return (
        f'J{hours:02}{minutes:02}{seconds // 100:02}.{seconds % 100:02}'
        f'{sign}{degrees:02}{arcmin:02}{arcsec // 10:02}.{arcsec % 10}'
    )
