"""The sky axes of a cube: header cards -> celestial WCS; messages on faults name the card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from autospec_lib.core.errors import InputError
from autospec_lib.inputs.arrays import readable
from autospec_lib.inputs.cubes.axis_order import PAIRS
from autospec_lib.inputs.cubes.frames import in_icrs
from autospec_lib.inputs.cubes.units import parsed
from autospec_lib.inputs.cubes.wavelengths import OTHER_AXES, WAVE_AXES

THIRD_AXIS = re.compile(r'(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|NAXIS|CPDIS|CQDIS)3|(CD|PC)(3_\d|\d_3)|P[SV]3_\d+')
COUPLED = 0.01  # of a pixel, over the whole cube


def sky_header(header: fits.Header) -> fits.Header:
    """The header without the cards of the third axis, so that these cannot affect the sky axes."""
    copy = header.copy()
    for card in list(header):
        if THIRD_AXIS.fullmatch(card):
            copy.remove(card)
    copy['NAXIS'] = 2
    copy.remove('WCSAXES', ignore_missing=True)
    return copy


class SkyAxes(NamedTuple):
    """The celestial WCS in RA and Dec (ICRS), the header that holds it, and what was changed, '' for nothing."""

    wcs: WCS
    header: fits.Header
    note: str


def sky_axes(path: Path, name: str, header: fits.Header, shape: tuple[int, ...]) -> SkyAxes:
    """The celestial WCS of axes 1 and 2.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        The extension, for messages.
    header : Header
        Its header, with the axes in order (see `axis_order`).
    shape : (int, int, int)
        The array's (nl, ny, nx).

    Raises
    ------
    InputError
        If axes 1 and 2 are not sky coordinates that can be used, or depend on wavelength.
    """
    _check_order(f'{path.name}: axis {{}} of {name} is {{}}', _types(header))
    two_axes = sky_header(header)
    fault = next(_faults(two_axes, name), '') or _coupling(header, shape)
    if fault:
        raise InputError(f'{path.name}: {fault}')
    found, note = in_icrs(path, two_axes, (shape[1], shape[2]))
    with readable(path, 'its WCS cannot be read'):
        wcs = WCS(found).celestial
        usable = wcs.naxis == 2 and bool(np.linalg.cond(wcs.pixel_scale_matrix) < 1e8)
    if not usable:
        raise InputError(f'{path.name}: its WCS cannot be used: the CD matrix is singular')
    return SkyAxes(wcs, found, note)


def _types(header: fits.Header) -> list[str]:
    return [str(header.get(f'CTYPE{axis}', '')).strip().upper() for axis in (1, 2, 3)]


def _check_order(found: str, types: list[str]) -> None:
    """Refuse a cube whose third axis is no wavelength; ``found`` is a text with places for an axis and its type."""
    for axis in (1, 2):
        if types[axis - 1].startswith((*WAVE_AXES, *OTHER_AXES)):
            raise InputError(
                f'{found.format(axis, types[axis - 1])}; expected one axis of wavelength and two of the sky (RA and '
                'Dec, or the like)'
            )
    if types[2].startswith(OTHER_AXES):
        raise InputError(f'{found.format(3, types[2])}; expected wavelength (WAVE, AWAV): convert the cube')


def _faults(header: fits.Header, name: str) -> Iterator[str]:
    """What is wrong with the cards of axes 1 and 2: wcslib would fall back to defaults, or name no card."""
    x, y, _ = _types(header)
    if not x or not y:
        yield f'no celestial WCS in {name} (CTYPE1 = {x!r}, CTYPE2 = {y!r}); expected RA and Dec'
    begin = x[:4] if x[:4] in PAIRS else 'RA--'
    for axis, kind, first in ((1, x, begin), (2, y, PAIRS[begin])):
        if not kind.startswith(first) or len(kind) < 6:
            yield f'CTYPE{axis} = {kind!r} of {name} is not an axis of a projection; expected {first}-TAN or the like'
    if x[5:] != y[5:]:
        yield f'CTYPE1 = {x!r} and CTYPE2 = {y!r} of {name} are of two projections; expected the same'
    for axis in (1, 2):
        unit = str(header.get(f'CUNIT{axis}', '')).strip()
        found = parsed(unit) or parsed(unit.lower())
        if unit and (found is None or found.physical_type != 'angle'):
            yield f'CUNIT{axis} = {unit!r} of {name} is not a unit of angle; expected deg'
    yield from _numbers(header, name)


def _numbers(header: fits.Header, name: str) -> Iterator[str]:
    matrix = [f'{kind}{i}_{j}' for kind in ('CD', 'PC') for i in (1, 2) for j in (1, 2)]
    for card in ('CRVAL1', 'CRVAL2', 'CRPIX1', 'CRPIX2', 'CDELT1', 'CDELT2', *matrix):
        if card in header and not _is_number(header[card]):
            yield f'{card} = {header[card]!r} of {name} is not a number'
    for card, most in (('CRVAL1', 360), ('CRVAL2', 90)):
        if abs(header.get(card, 0.0)) > most:
            yield f'{card} = {header[card]:g} of {name} is out of range; expected degrees up to {most}'
    given = [[header.get(f'CD{i}_{j}', 0.0) for j in (1, 2)] for i in (1, 2)]
    if any(card in header for card in matrix[:4]) and not all(any(row) for row in given):
        yield f'its WCS cannot be used: the CD matrix is singular, {given}'


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _coupling(header: fits.Header, shape: tuple[int, ...]) -> str:
    """A fault if wavelengths depend on the position in the field by more than `COUPLED`, or the reverse; else ''."""
    kind = 'CD' if any(re.fullmatch(r'CD\d_\d', card) for card in header) else 'PC'
    lengths = dict(zip((3, 2, 1), shape, strict=True))
    for i, j in ((3, 1), (3, 2), (1, 3), (2, 3)):
        value = header.get(f'{kind}{i}_{j}', 0.0)
        own = [_element(header, kind, i, k) for k in ((3,) if i == 3 else (1, 2))]
        if not _is_number(value):
            return f'{kind}{i}_{j} = {value!r} is not a number'
        if all(map(_is_number, own)) and abs(value) * lengths[j] > COUPLED * float(np.hypot.reduce(own)):
            what = 'wavelengths depend on the position in the field' if i == 3 else 'positions depend on the wavelength'
            return f'{kind}{i}_{j} = {value:g} makes {what}; expected axes that do not: resample the cube'
    return ''


def _element(header: fits.Header, kind: str, i: int, j: int) -> Any:
    """An element of the matrix. Without a card, the diagonal is 1, or CDELT if other cards of a CD matrix exist."""
    default = 0.0 if i != j else 1.0 if kind == 'PC' else header.get(f'CDELT{i}', 0.0)
    return header.get(f'{kind}{i}_{j}', default)
