"""Cubes and images whose axes come in another order than longitude, latitude, wavelength."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from autospec_lib.core.errors import InputError
from autospec_lib.inputs.cubes.wavelengths import WAVE_AXES

# Longitude and latitude as CTYPE begins with them: equatorial, galactic, ecliptic, supergalactic.
PAIRS = {'RA--': 'DEC-', 'GLON': 'GLAT', 'ELON': 'ELAT', 'SLON': 'SLAT'}
OF_ONE_AXIS = re.compile(
    r'(?P<name>CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|CRDER|CSYER|NAXIS)(?P<axis>\d)(?P<rest>)|'
    r'(?P<kind>P[VS])(?P<number>\d)(?P<tail>_\d+)'
)
OF_TWO_AXES = re.compile(r'(CD|PC)(\d)_(\d)')
DISTORTED = re.compile(r'(A|B|AP|BP)_ORDER|C[PQ]DIS\d')


@dataclass(frozen=True)
class AxisOrder:
    """A header with longitude on axis 1, latitude on 2, wavelength on 3, and how to transpose the stored array to it.

    ``axes`` are the stored array's axes in the order (wavelength, y, x), or (y, x); ``shape`` are their lengths;
    ``note`` says what was changed, '' for nothing. Other axes, which have length 1, are dropped.
    """

    header: fits.Header
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    note: str = ''

    @property
    def plain(self) -> tuple[int, ...]:
        """The axes as numbers among those that are not dropped."""
        return tuple(sorted(self.axes).index(axis) for axis in self.axes)

    def of(self, stored: NDArray[np.generic]) -> NDArray[np.generic]:
        """A view of the stored array in this order."""
        dropped = tuple(axis for axis in range(stored.ndim) if axis not in self.axes)
        return stored.squeeze(dropped).transpose(self.plain)


def is_cube(shape: tuple[int, ...]) -> bool:
    """Whether an array has three axes, apart from further ones of length 1."""
    return len(shape) >= 3 and sum(length == 1 for length in shape) >= len(shape) - 3


def in_order(file: str, name: str, header: fits.Header, shape: tuple[int, ...], others: int = 1) -> AxisOrder:
    """Find longitude, latitude and wavelength among the axes of a header.

    Parameters
    ----------
    file : str
        The file's name, for messages.
    name : str
        The extension, for messages.
    header : Header
        Its header.
    shape : tuple of int
        The stored array's.
    others : int
        1 = a cube, with a third axis; 0 = an image.

    Raises
    ------
    InputError
        If more axes than that are longer than 1, or distortions go with another order.
    """
    lengths = dict(zip(range(len(shape), 0, -1), shape, strict=True))
    types = {axis: str(header.get(f'CTYPE{axis}', '')).strip().upper() for axis in lengths}
    sky = _sky(types)
    rest = [axis for axis in lengths if axis not in sky]
    # An axis named as a wavelength comes first, then axes longer than 1.
    rest.sort(key=lambda axis: (not types[axis].startswith(WAVE_AXES), lengths[axis] == 1, axis))
    kept = [*sky, *rest[: 2 + others - len(sky)]] if sky else [*range(1, 3 + others)]
    dropped = [axis for axis in lengths if axis not in kept]
    if any(lengths[axis] > 1 for axis in dropped):
        found = ', '.join(f'{types[axis] or "no CTYPE"} of length {lengths[axis]}' for axis in sorted(lengths))
        raise InputError(f'{file}: {name} has the axes {found}; expected {2 + others}: cut one piece out of the others')
    new = {old: number for number, old in enumerate(kept, 1)}
    if any(old != number for old, number in new.items() if number < 3) and any(map(DISTORTED.fullmatch, header)):
        raise InputError(
            f'{file}: distortions (SIP, lookup tables) of {name} go with axes in the order {types[kept[0]]}, '
            f'{types[kept[1]]}: transpose it'
        )
    axes = tuple(len(shape) - axis for axis in reversed(kept))
    order = ', '.join(types[axis] or 'wavelength' for axis in kept)
    note = f'{file}: the axes of {name} are brought into the order {order}' if kept != sorted(kept) else ''
    renumbered = header if axes == tuple(range(len(shape))) else _renumbered(header, new)
    return AxisOrder(renumbered, axes, tuple(shape[axis] for axis in axes), note)


def _sky(types: dict[int, str]) -> list[int]:
    """The axes of longitude and latitude, [] where there is not one of each."""
    for longitude, latitude in PAIRS.items():
        found = [[axis for axis, kind in types.items() if kind.startswith(one)] for one in (longitude, latitude)]
        if all(len(axes) == 1 for axes in found):
            return [axes[0] for axes in found]
    return []


def _renumbered(header: fits.Header, new: dict[int, int]) -> fits.Header:
    """The header with the axes numbered anew; cards of axes that are not in ``new`` go."""
    result = fits.Header()
    for card in header.cards:
        keyword = _keyword(card.keyword, new)
        if keyword:
            result.append(fits.Card(keyword, card.value, card.comment), bottom=True)
    result['NAXIS'] = len(new)
    result.remove('WCSAXES', ignore_missing=True)
    return result


def _keyword(keyword: str, new: dict[int, int]) -> str:
    """A card's keyword with new numbers, '' where its axis is dropped."""
    one, two = OF_ONE_AXIS.fullmatch(keyword), OF_TWO_AXES.fullmatch(keyword)
    if one:
        name, axis, tail = (one['name'], one['axis'], '') if one['name'] else (one['kind'], one['number'], one['tail'])
        return f'{name}{new[int(axis)]}{tail}' if int(axis) in new else ''
    if two:
        i, j = int(two[2]), int(two[3])
        return f'{two[1]}{new[i]}_{new[j]}' if i in new and j in new else ''
    return keyword
