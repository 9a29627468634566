"""DS9 regions as a catalogue: points, circles and ellipses in sky coordinates or pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from autospec_lib.core.errors import InputError, show
from autospec_lib.inputs.catalogs import catalog_cells
from autospec_lib.inputs.catalogs.catalog_columns import Columns
from autospec_lib.inputs.catalogs.catalog_rows import Rows

_FRAMES = {
    'icrs': 'icrs',
    'fk5': 'fk5',
    'j2000': 'fk5',
    'fk4': 'fk4',
    'b1950': 'fk4',
    'galactic': 'galactic',
    'ecliptic': 'barycentricmeanecliptic',
    'image': 'image',
    'physical': 'image',
}
_OTHER_FRAMES = ('wcs', 'linear', 'amplifier', 'detector', 'tile')
_SHAPES = {'point': 2, 'circle': 3, 'ellipse': 5}  # and how many numbers each has
_OTHER_SHAPES = ('box', 'rotbox', 'polygon', 'annulus', 'panda', 'line', 'vector', 'ruler', 'compass', 'text')
_SHAPE = re.compile(r'([+-]?)\s*([a-z]+)\s*(?:\(([^)]*)\)|\s([^#]*))', re.IGNORECASE)
_TEXT = re.compile(r'\btext\s*=\s*(?:\{([^}]*)\}|"([^"]*)"|\'([^\']*)\')')
_LENGTH = re.compile(r'([+-]?[\d.]+(?:e[+-]?\d+)?)("|\'|d|r|p|i)?', re.IGNORECASE)
_ARCSEC = {'"': 1.0, "'": 60.0, 'd': 3600.0, 'r': 3600 * math.degrees(1)}
_WORDS = '|'.join((*_FRAMES, *_OTHER_FRAMES)), '|'.join((*_SHAPES, *_OTHER_SHAPES))
_START = re.compile(
    rf'(?:\s*(?:#|global\b)[^\n]*\n)*\s*(?:(?:{_WORDS[0]})[a-z]?\s*[;\n]|[+-]?(?:{_WORDS[1]})\s*\()', re.IGNORECASE
)
_STATEMENT = re.compile(r"""(?:\{[^}]*\}|=\s*"[^"]*"|=\s*'[^']*'|[^;])+""")


class _Region(NamedTuple):
    """One region as it is written in the file."""

    frame: str
    shape: str
    numbers: str
    name: str

    @property
    def cells(self) -> list[str]:
        """The numbers, as separate texts."""
        return [cell for cell in re.split(r'[,\s]+', self.numbers) if cell]


def recognised(text: str) -> bool:
    """Whether a text holds DS9 regions."""
    return text.lstrip().lower().startswith('# region file format: ds9') or bool(_START.match(text))


def read(name: str, text: str, catalogue_mode: bool) -> Rows:
    """Find the regions of a file.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    text : str
        What it holds.
    catalogue_mode : bool
        Whether the radius of a circle is an aperture of its own.

    Raises
    ------
    InputError
        It holds no region.
    """
    found = list(_regions(text))
    if not found:
        raise InputError(f'{name}: no sources; expected points, circles or ellipses of DS9')
    taken = {region.name for _, region in found}
    free = (str(number) for number in range(1, 2 * len(found) + 2) if str(number) not in taken)
    numbered = [(line, region if region.name else region._replace(name=next(free))) for line, region in found]
    roles = ['ID', *(['APER'] if catalogue_mode else [])]
    frames = dict.fromkeys(region.frame for _, region in found)
    said = f'ID = text, or numbered, positions in {" and ".join(frames)} coordinates'
    said += ', APER = radius of a circle' * catalogue_mode
    columns = Columns(dict.fromkeys(roles, 0), names=len(roles), taken=said, first=1)
    if 'physical' in frames:
        columns = replace(columns, warnings=(f'{name}: physical coordinates are taken as pixels of the cube',))
    sky = _sky([region for _, region in numbered])
    return Rows('DS9 regions', 'line', columns, numbered, partial(_cells, sky=sky, catalogue_mode=catalogue_mode))


def _regions(text: str) -> Iterator[tuple[int, _Region]]:
    """The regions with their line numbers."""
    frame = ''
    for line, content in enumerate(re.split(r'\r\n|\r|\n', text), 1):
        if content.lstrip().startswith('#'):
            continue
        for part in map(str.strip, _STATEMENT.findall(content)):
            word = part.lower().split('#')[0].strip()
            if word in _FRAMES or word.startswith(_OTHER_FRAMES):
                frame = word
            elif word and not word.startswith('global'):
                yield line, _region(frame, part)


def _region(frame: str, text: str) -> _Region:
    match, named = _SHAPE.match(text), _TEXT.search(text)
    if match is None:
        return _Region(frame, show(text), '', '')
    label = next((group for group in named.groups() if group is not None), '') if named else ''
    shape = '-' * (match[1] == '-') + match[2].lower()
    return _Region(frame, shape, (match[3] or match[4] or '').strip(), label.strip())


def _cells(region: _Region, sky: Mapping[_Region, tuple[float, float]], catalogue_mode: bool) -> dict[str, str]:
    """A region's cells by role; raises `InputError` where it cannot be used."""
    if region.shape not in _SHAPES:
        raise InputError(f'{region.shape} is not a source; expected point, circle or ellipse')
    if region.frame not in _FRAMES:
        what = f'coordinates {region.frame}' if region.frame else 'no coordinates above the region'
        raise InputError(f'{what}; expected icrs, fk5, fk4, galactic, ecliptic or image on a line of their own')
    numbers, wanted = region.cells, _SHAPES[region.shape]
    if len(numbers) < wanted:
        raise InputError(f'{len(numbers)} of {wanted} numbers of a {region.shape}: ({region.numbers})')
    system = _FRAMES[region.frame]
    if system == 'image':
        cells = {'X': numbers[0].rstrip('ipIP'), 'Y': numbers[1].rstrip('ipIP')}
    elif region in sky:
        cells = dict(zip(('RA', 'DEC'), map(repr, sky[region]), strict=True))
    else:  # in ICRS already, or a fault to be reported
        cells = {'RA': _degrees(numbers[0]), 'DEC': _degrees(numbers[1])}
    if catalogue_mode and region.shape == 'circle':
        cells |= _aperture(system == 'image', numbers[2])
    return {'ID': region.name} | cells


def _sky(regions: Sequence[_Region]) -> dict[_Region, tuple[float, float]]:
    """Right ascension and declination (ICRS) of all regions that are in another coordinate system."""
    found: dict[_Region, tuple[float, float]] = {}
    for frame in {_FRAMES[region.frame] for region in regions if region.frame in _FRAMES} - {'icrs', 'image'}:
        from astropy.coordinates import SkyCoord

        placed = {}
        for region in regions:
            with suppress(ValueError, IndexError):
                if _FRAMES.get(region.frame) == frame:
                    placed[region] = _angles(frame, _degrees(region.cells[0]), _degrees(region.cells[1]))
        if placed:
            sky = SkyCoord(np.array([*placed.values()]), unit='deg', frame=frame).icrs
            found |= dict(zip(placed, zip(sky.ra.deg.tolist(), sky.dec.deg.tolist(), strict=True), strict=True))
    return found


def _angles(frame: str, first: str, second: str) -> tuple[float, float]:
    equatorial = frame in ('fk5', 'fk4')
    longitude = catalog_cells.right_ascension if equatorial else catalog_cells.longitude
    return longitude(first), catalog_cells.declination(second)


def _degrees(text: str) -> str:
    """Degrees as they are, from degrees with a d, or from radians with an r."""
    match = _LENGTH.fullmatch(text)
    if not match or match[2] not in ('d', 'r'):
        return text
    return match[1] if match[2] == 'd' else repr(math.degrees(float(match[1])))


def _aperture(in_pixels: bool, text: str) -> dict[str, str]:
    """The radius in arcsec, or in pixels where the role says so."""
    match = _LENGTH.fullmatch(text)
    if not match:
        raise InputError(f'radius {text} is not a number; expected one in arcsec (2"), arcmin (0.1\') or degrees')
    unit = (match[2] or ('i' if in_pixels else 'd')).lower()
    if unit in 'ip':
        return {'APER_PIXELS': match[1]}
    return {'APER': repr(float(match[1]) * _ARCSEC[unit])}
