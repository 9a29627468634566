"""Where a pixel lies on the sky and at what wavelength a channel is: header cards -> `Sky` and `WaveAxis`.

The arithmetic is that of `astropy.wcs`. What is done here is to find the axes, to refuse what wcslib would misread or
name no card for, and to settle what headers leave open: units, frames, and wavelengths in tables.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import (
    ICRS,
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    SkyCoord,
    Supergalactic,
)
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame
from numpy.typing import NDArray

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray
from autospec_lib.inputs.arrays import readable
from autospec_lib.inputs.units import parsed

# Longitude and latitude as CTYPE begins with them: equatorial, galactic, ecliptic, supergalactic.
LATITUDE_OF = {'RA--': 'DEC-', 'GLON': 'GLAT', 'ELON': 'ELAT', 'SLON': 'SLAT'}
WAVELENGTH_TYPES = ('WAVE', 'AWAV', 'LAMBDA')
OTHER_TYPES = ('FREQ', 'ENER', 'WAVN', 'VELO', 'VOPT', 'VRAD', 'ZOPT', 'BETA', 'STOKES', 'TIME')  # FITS paper III
OF_ONE_AXIS = re.compile(
    r'(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|CRDER|CSYER|NAXIS|CPDIS|CQDIS|PV|PS)(\d)((?:_\d+)?)'
)
OF_TWO_AXES = re.compile(r'(CD|PC)(\d)_(\d)')
DISTORTION = re.compile(r'(A|B|AP|BP)_ORDER|C[PQ]DIS\d')
SIP = re.compile(r'(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)')
OF_THE_FRAME = ('RADESYS', 'RADECSYS', 'EQUINOX', 'EPOCH', 'LONPOLE', 'LATPOLE', 'BUNIT')
SAME_MATRIX = 1e-6  # relative
SAME_PIXEL = 0.1  # pixels by which the sky of noise and flags may differ from that of the data
MOST_COUPLED = 0.01  # of a pixel, over the whole cube


# --- The order of the axes ---


def is_cube(shape: Sequence[int]) -> bool:
    """Whether an array has three axes, apart from further ones of length 1."""
    return len(shape) >= 3 and sum(length == 1 for length in shape) >= len(shape) - 3


def find_axes(file: str, name: str, header: fits.Header, shape: Sequence[int], spectral: bool) -> tuple[int, ...]:
    """The FITS axes, counted from 1, of longitude, latitude and, if ``spectral``, wavelength.

    Parameters
    ----------
    file, name : str
        The file and the extension, for messages.
    header : Header
        Of the extension.
    shape : sequence of int
        Of the stored array.
    spectral : bool
        True for a cube, False for an image.

    Raises
    ------
    InputError
        If more axes than these are longer than 1, or distortions go with another order of the sky's axes.
    """
    lengths = dict(zip(range(len(shape), 0, -1), shape, strict=True))
    types = {axis: axis_type(header, axis) for axis in lengths}
    number = 3 if spectral else 2
    axes = _sky_axes(types)
    if axes:
        rest = [axis for axis in lengths if axis not in axes]
        # An axis that is named as a wavelength comes first, then axes longer than 1.
        rest.sort(key=lambda axis: (not types[axis].startswith(WAVELENGTH_TYPES), lengths[axis] == 1, axis))
        axes += rest[: number - 2]
    else:
        axes = list(range(1, number + 1))
    if any(length > 1 for axis, length in lengths.items() if axis not in axes):
        listing = ', '.join(f'{types[axis] or "no CTYPE"} of length {lengths[axis]}' for axis in sorted(lengths))
        raise InputError(f'{file}: {name} has the axes {listing}; expected {number}: cut one piece out of the others')
    if axes[:2] != [1, 2] and any(map(DISTORTION.fullmatch, header)):
        order = ', '.join(types[axis] for axis in axes[:2])
        raise InputError(
            f'{file}: distortions (SIP, lookup tables) of {name} go with axes in the order {order}: transpose it'
        )
    return tuple(axes)


def _sky_axes(types: Mapping[int, str]) -> list[int]:
    """The axes of longitude and latitude, [] where there is not one of each."""
    for longitude, latitude in LATITUDE_OF.items():
        axes = [axis for start in (longitude, latitude) for axis, text in types.items() if text.startswith(start)]
        if len(axes) == 2 and types[axes[0]].startswith(longitude) and types[axes[1]].startswith(latitude):
            return axes
    return []


def axis_type(header: Mapping[str, Any], axis: int) -> str:
    """CTYPE of an axis in capitals, '' where there is none."""
    return str(header.get(f'CTYPE{axis}', '')).strip().upper()


def array_axes(axes: Sequence[int], dimensions: int) -> tuple[int, ...]:
    """The axes of a numpy array with so many dimensions that are these FITS axes, the last one first: (λ, y, x)."""
    return tuple(dimensions - axis for axis in reversed(axes))


def arranged(stored: NDArray[Any], axes: Sequence[int]) -> NDArray[Any]:
    """A stored array with these FITS axes (see `find_axes`) as (λ, y, x) or (y, x), without those of length 1."""
    order = array_axes(axes, stored.ndim)
    others = [axis for axis in range(stored.ndim) if axis not in order]
    return stored.transpose([*order, *others]).reshape([stored.shape[axis] for axis in order])


def header_of_axes(header: fits.Header, axes: Sequence[int]) -> fits.Header:
    """The header of some axes, which are numbered 1, 2, ... in this order; the cards of other axes are left out."""
    number = {str(axis): str(new) for new, axis in enumerate(axes, 1)}
    result = fits.Header()
    for card in header.cards:
        keyword = card.keyword
        one, two = OF_ONE_AXIS.fullmatch(keyword), OF_TWO_AXES.fullmatch(keyword)
        if one is not None:
            if one[2] not in number:
                continue
            keyword = one[1] + number[one[2]] + one[3]
        elif two is not None:
            if two[2] not in number or two[3] not in number:
                continue
            keyword = f'{two[1]}{number[two[2]]}_{number[two[3]]}'
        result.append(card if keyword == card.keyword else (keyword, card.value, card.comment), bottom=True)
    result['NAXIS'] = len(axes)
    result.remove('WCSAXES', ignore_missing=True)
    return result


def settled(name: str, header: fits.Header) -> tuple[fits.Header, list[str]]:
    """A header that says one thing about its coordinates, and notes on what it contradicted.

    Of cards with one keyword the last is kept, as in astropy.wcs. Of a CD and a PC matrix the latter is kept; FITS
    forbids both together, and wcslib uses PC.

    Parameters
    ----------
    name : str
        The extension, for messages.
    header : Header
        Its header, as stored.
    """
    notes = []
    result = header
    for keyword in dict.fromkeys(header):
        is_coordinate = OF_ONE_AXIS.fullmatch(keyword) or OF_TWO_AXES.fullmatch(keyword) or keyword in OF_THE_FRAME
        if is_coordinate and header.count(keyword) > 1:
            values = [header[keyword, number] for number in range(header.count(keyword))]
            result = result.copy()
            result.remove(keyword, remove_all=True)
            result[keyword] = values[-1]
            if len(set(values)) > 1:
                notes.append(
                    f'{name} has {keyword} {len(values)} times ({", ".join(map(repr, values))}); the last is used'
                )
    cd, pc = (
        {card[2:]: result[card] for card in result if re.fullmatch(rf'{kind}\d_\d', card)} for kind in ('CD', 'PC')
    )
    if not cd or not pc:
        return result, notes
    for element in {**cd, **pc}:
        i, _, j = element.partition('_')
        one, two, step = cd.get(element, 0.0), pc.get(element, float(i == j)), result.get(f'CDELT{i}', 1.0)
        if all(map(_is_number, (one, two, step))) and abs(one - step * two) > SAME_MATRIX * abs(one):
            numbers = f'CD{element} = {one:g}, CDELT{i} x PC{element} = {step * two:g}'
            notes.append(f'{name} has both a CD and a PC matrix, which differ ({numbers}); PC is used')
            break
    result = result.copy()
    for element in cd:
        result.remove(f'CD{element}')
    return result, notes


# --- The sky ---


@dataclass(frozen=True)
class Sky:
    """Coordinates on the sky of an image's pixels.

    Attributes
    ----------
    wcs : WCS
        Longitude and latitude in the image's own frame.
    frame : BaseCoordinateFrame or None
        This frame; None for ICRS and for FK5 of equinox 2000, which is taken as ICRS: they differ by at most 0.025
        arcsec, and cubes that say FK5 are as a rule tied to stars in ICRS.
    notes : tuple of str
        What was assumed or is unusual, one line each.
    """

    wcs: WCS
    frame: BaseCoordinateFrame | None = None
    notes: tuple[str, ...] = ()

    def to_pixels(self, ra: Any, dec: Any) -> tuple[FloatArray, FloatArray]:
        """Pixels (y, x), 0-based, of right ascensions and declinations (ICRS) in degrees.

        Positions without a pixel, as on the other side of the sky, give NaN.
        """
        longitude, latitude = turned(ra, dec, None, self.frame)
        x, y = self.wcs.all_world2pix(longitude, latitude, 0, quiet=True)
        return y, x

    def to_icrs(self, y: Any, x: Any) -> tuple[FloatArray, FloatArray]:
        """Right ascensions and declinations (ICRS) in degrees of pixels (y, x); the inverse of `to_pixels`."""
        longitude, latitude = self.wcs.all_pix2world(x, y, 0)
        return turned(longitude, latitude, self.frame, None)

    def to_arcsec(self, place: Any, shift: Any) -> tuple[float, float]:
        """The angles (dRA, dDec) in arcsec, both on the sky, of a shift (y, x) in pixels; the inverse of `to_shift`.

        Parameters
        ----------
        place : pair of float
            The pixel (y, x) at which it is wanted.
        shift : pair of float
            The shift.
        """
        ra, dec = self.to_icrs(*np.transpose([place, np.add(place, shift)]))
        turn = (ra[1] - ra[0] + 180) % 360 - 180
        return float(3600 * turn * np.cos(np.radians(dec[0]))), float(3600 * (dec[1] - dec[0]))

    def to_shift(self, place: Any, angles: Any) -> tuple[float, float]:
        """The shift (y, x) in pixels of angles (dRA, dDec) in arcsec on the sky.

        Parameters
        ----------
        place : pair of float
            The pixel (y, x) at which it is wanted.
        angles : pair of float
            The angles.
        """
        ra, dec = self.to_icrs(*place)
        y, x = self.to_pixels(ra + angles[0] / 3600 / np.cos(np.radians(dec)), dec + angles[1] / 3600)
        return float(y - place[0]), float(x - place[1])

    def moved(self, shift: Any) -> Sky:
        """The coordinates of an image whose pixels lie ``shift`` (y, x) pixels before these; distortions stay."""
        wcs = self.wcs.deepcopy()
        wcs.wcs.crpix = wcs.wcs.crpix + np.array(shift)[::-1]
        return replace(self, wcs=wcs)

    @property
    def pixel(self) -> tuple[float, float]:
        """A pixel's size (y, x) in arcsec."""
        x, y = proj_plane_pixel_scales(self.wcs)
        return 3600 * float(y), 3600 * float(x)

    def cards(self) -> dict[str, Any]:
        """The cards that describe the coordinates in a FITS header."""
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of what a WCS cannot write, such as lookup tables
            return {card.keyword: card.value for card in self.wcs.to_header(relax=True).cards}


def turned(
    longitude: Any, latitude: Any, old: BaseCoordinateFrame | None, new: BaseCoordinateFrame | None
) -> tuple[FloatArray, FloatArray]:
    """Angles in degrees, from one frame to another; None stands for ICRS."""
    old, new = (ICRS() if frame is None else frame for frame in (old, new))
    if old.is_equivalent_frame(new):
        return longitude, latitude
    position = SkyCoord(longitude, latitude, unit='deg', frame=old).transform_to(new).spherical
    return position.lon.deg, position.lat.deg


def open_sky(path: Path, name: str, header: fits.Header, hdus: fits.HDUList | None = None) -> Sky:
    """The coordinates on the sky in a header of two axes.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        The extension, for messages.
    header : Header
        Longitude on axis 1, latitude on axis 2 (see `header_of_axes`).
    hdus : HDUList, optional
        The open file, if lookup tables of distortions may be in it.

    Raises
    ------
    InputError
        If its cards cannot be used; the message names the card.
    """
    fault = next(_sky_faults(header, name), '')
    if fault:
        raise InputError(f'{path.name}: {fault}')
    notes = []
    if any(map(SIP.fullmatch, header)) and not axis_type(header, 1).endswith('-SIP'):
        header = header.copy()
        for card in filter(SIP.fullmatch, list(header)):
            header.remove(card)
        way_out = 'add -SIP to CTYPE1 and CTYPE2 if they are meant'
        notes.append(
            f'CTYPE1 = {axis_type(header, 1)!r} of {name} is without -SIP, so its SIP cards are not used; {way_out}'
        )
    with readable(path, 'its WCS cannot be read'):
        wcs = WCS(header, hdus).celestial
        usable = wcs.naxis == 2 and bool(np.linalg.cond(wcs.pixel_scale_matrix) < 1e8)
        frame, words = _frame(wcs)
    if not usable:
        raise InputError(f'{path.name}: its WCS cannot be used: the CD matrix is singular')
    if words:
        notes.append(words)
    return Sky(wcs, frame, tuple(f'{path.name}: {note}' for note in notes))


def _frame(wcs: WCS) -> tuple[BaseCoordinateFrame | None, str]:
    """The frame of a celestial WCS, None for ICRS, and in words what is unusual about it."""
    wcs.wcs.radesys = system = wcs.wcs.radesys.strip().upper()
    start, year = wcs.wcs.ctype[wcs.wcs.lng][:4], float(wcs.wcs.equinox)
    if start == 'SLON':
        return Supergalactic(), _in_frame('supergalactic')
    if start == 'ELON':
        equinox = Time(2000.0 if np.isnan(year) else year, format='jyear')
        return BarycentricMeanEcliptic(equinox=equinox), _in_frame('ecliptic')
    try:
        frame = wcs_to_celestial_frame(wcs)
    except ValueError:
        return None, f'RADESYS = {system!r} is not known; its RA and Dec are taken as ICRS (or FK5, J2000)'
    if frame.name == 'galactic':
        return frame, _in_frame('galactic')
    # Precession is 0.005 arcsec in a ten-thousandth of a year.
    if frame.name == 'icrs' or (frame.name == 'fk5' and abs(frame.equinox.jyear - 2000) < 1e-4):
        return None, ''
    year = frame.equinox.byear if frame.name.startswith('fk4') else frame.equinox.jyear
    return frame, _in_frame(f'{system or frame.name.upper()} of equinox {year:g}')


def _in_frame(name: str) -> str:
    return f'{name} coordinates; positions of the catalogue (ICRS) are transformed to them'


def _sky_faults(header: fits.Header, name: str) -> Iterator[str]:
    """What is wrong with the cards of the sky: wcslib would fall back to defaults, or name no card."""
    longitude, latitude = axis_type(header, 1), axis_type(header, 2)
    if not longitude or not latitude:
        yield f'no celestial WCS in {name} (CTYPE1 = {longitude!r}, CTYPE2 = {latitude!r}); expected RA and Dec'
    start = longitude[:4] if longitude[:4] in LATITUDE_OF else 'RA--'
    for axis, text, first in ((1, longitude, start), (2, latitude, LATITUDE_OF[start])):
        if not text.startswith(first) or len(text) < 6:
            yield f'CTYPE{axis} = {text!r} of {name} is not an axis of a projection; expected {first}-TAN or the like'
    if longitude[5:] != latitude[5:]:
        yield f'CTYPE1 = {longitude!r} and CTYPE2 = {latitude!r} of {name} are of two projections; expected the same'
    for axis in (1, 2):
        text = str(header.get(f'CUNIT{axis}', '')).strip()
        unit = parsed(text) or parsed(text.lower())
        if text and (unit is None or unit.physical_type != 'angle'):
            yield f'CUNIT{axis} = {text!r} of {name} is not a unit of angle; expected deg'
    matrix = [f'{start}{i}_{j}' for start in ('CD', 'PC') for i in (1, 2) for j in (1, 2)]
    for card in ('CRVAL1', 'CRVAL2', 'CRPIX1', 'CRPIX2', 'CDELT1', 'CDELT2', *matrix):
        if card in header and not _is_number(header[card]):
            yield f'{card} = {header[card]!r} of {name} is not a number'
    for card, most in (('CRVAL1', 360), ('CRVAL2', 90)):
        if abs(header.get(card, 0.0)) > most:
            yield f'{card} = {header[card]:g} of {name} is out of range; expected degrees up to {most}'
    rows = [[header.get(f'CD{i}_{j}', 0.0) for j in (1, 2)] for i in (1, 2)]
    if any(card in header for card in matrix[:4]) and not all(any(row) for row in rows):
        yield f'its WCS cannot be used: the CD matrix is singular, {rows}'


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def check_separable(path: Path, name: str, header: fits.Header, shape: Sequence[int]) -> None:
    """Refuse a cube whose third axis is no wavelength, or whose wavelengths depend on the position or the reverse.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        The extension, for messages.
    header : Header
        Longitude, latitude and wavelength on axes 1, 2 and 3.
    shape : (int, int, int)
        Of the array (nl, ny, nx).

    Raises
    ------
    InputError
        The message names the card.
    """
    for axis in (1, 2, 3):
        text = axis_type(header, axis)
        if text.startswith(OTHER_TYPES) or (axis < 3 and text.startswith(WAVELENGTH_TYPES)):
            expected = 'wavelength (WAVE, AWAV): convert the cube'
            if axis < 3:
                expected = 'one axis of wavelength and two of the sky (RA and Dec, or the like)'
            raise InputError(f'{path.name}: axis {axis} of {name} is {text}; expected {expected}')
    kind = 'CD' if any(card.startswith('CD') for card in filter(OF_TWO_AXES.fullmatch, header)) else 'PC'
    for i, j in ((3, 1), (3, 2), (1, 3), (2, 3)):
        value = header.get(f'{kind}{i}_{j}', 0.0)
        if not _is_number(value):
            raise InputError(f'{path.name}: {kind}{i}_{j} = {value!r} is not a number')
        own = [_element(header, kind, i, k) for k in ((3,) if i == 3 else (1, 2))]
        if all(map(_is_number, own)) and abs(value) * shape[3 - j] > MOST_COUPLED * float(np.hypot.reduce(own)):
            what = 'wavelengths depend on the position in the field' if i == 3 else 'positions depend on the wavelength'
            raise InputError(
                f'{path.name}: {kind}{i}_{j} = {value:g} makes {what}; expected axes that do not: resample the cube'
            )


def _element(header: fits.Header, kind: str, i: int, j: int) -> Any:
    """An element of the matrix. Without a card, the diagonal is 1, or CDELT if other cards of a CD matrix exist."""
    default = 0.0
    if i == j:
        default = 1.0 if kind == 'PC' else header.get(f'CDELT{i}', 0.0)
    return header.get(f'{kind}{i}_{j}', default)


def other_grid(
    path: Path, names: tuple[str, str], headers: tuple[fits.Header, fits.Header], shape: Sequence[int]
) -> str:
    """A warning if the own header of noise or flags places them elsewhere than the data, else ''.

    Parameters
    ----------
    path : Path
        The file, for messages.
    names : (str, str)
        The extensions of the data and of the noise or flags.
    headers : (Header, Header)
        Their headers, with longitude, latitude and wavelength on axes 1, 2 and 3. Coordinates of the second one that
        are missing or cannot be used say nothing.
    shape : (int, int, int)
        Of both arrays (nl, ny, nx).
    """
    cards = [card for card in headers[1] if OF_ONE_AXIS.fullmatch(card) or OF_TWO_AXES.fullmatch(card)]
    if all(headers[0].get(card) == headers[1][card] for card in cards):
        return ''
    try:
        axes = [_axis_of_cards(path, header, shape[0]) for header in headers]
        skies = [open_sky(path, names[1], header_of_axes(header, (1, 2))) for header in headers]
    except InputError:
        return ''
    problems = []
    off = np.abs(axes[1].wave * units.Unit(axes[1].unit).to(axes[0].unit) - axes[0].wave)
    if off.max() > SAME_TO * np.abs(np.diff(axes[0].wave)).min(initial=np.inf):
        ranges = [f'{axis.wave[0]:.6g} to {axis.wave[-1]:.6g} {axis.unit}' for axis in axes]
        problems.append(f'its wavelengths are {ranges[1]}, those of {names[0]} {ranges[0]}')
    y, x = np.meshgrid((0, shape[1] - 1), (0, shape[2] - 1), indexing='ij')
    off = np.abs(np.array(skies[0].to_pixels(*skies[1].to_icrs(y, x))) - (y, x)).max()
    if not off < SAME_PIXEL:
        problems.append(f'its spaxels lie up to {off:.2g} pixels from those of {names[0]} on the sky')
    if not problems:
        return ''
    way_out = f'resample it if its header is right, or leave {names[1]} out with DATA_EXT'
    return f'{path.name}: {names[1]} is on another grid: {"; ".join(problems)}; it is used voxel by voxel: {way_out}'


# --- Wavelengths ---

# Axes that a spectrum's cards can describe: linear in wavelength, in its logarithm, in frequency, velocity, ...
KNOWN_TYPE = re.compile(r'(WAVE|AWAV)(-LOG|-TAB|-[FWVA]2[WA])?')
MEDIUM_OF = {'AWAV': 'air', 'WAVE': 'vacuum'}
UNKNOWN_TYPE = 'LINEAR'  # as MPDAF writes it; not a type of the FITS standard, so readers use the numbers as they are
SHORTEST, LONGEST = 0.05, 1000.0  # micron; cubes of X-rays and radio waves are not supported
# Cards on the rest frame of wavelengths; they are copied to the spectra.
REST_FRAME = {
    **dict.fromkeys(('SPECSYS', 'SSYSOBS', 'SSYSSRC'), str),
    **dict.fromkeys(('VELOSYS', 'RESTWAV', 'RESTFRQ', 'ZSOURCE', 'VELANGL'), int | float),
}
KEPT_UNITS = ('Angstrom', 'nm', 'um')  # others become Angstrom
# If a header has no unit, the first of these units is assumed whose range includes all wavelengths. Numbers between 2.5
# and 200 may be micron, logarithms or channels: these are refused.
ASSUMED_UNITS = (('m', 5e-8, 1e-3), ('um', 0.05, 2.5), ('nm', 200.0, 2500.0), ('Angstrom', 900.0, 1e7))
WAVELENGTH_ARRAYS = ('WAVE', 'WAVELENGTH', 'WAVELENGTHS', 'LAMBDA')
LINEAR_TO = 5e-7  # of a wavelength; tables in single precision are rounded by 6e-8 of it
SAME_TO = 0.1  # of a step
# The axis of spectra whose wavelengths FITS cards cannot describe: it counts channels, and a table has the wavelengths.
CHANNELS = {'CRPIX1': 1.0, 'CRVAL1': 1.0, 'CDELT1': 1.0, 'CUNIT1': '', 'CTYPE1': 'CHANNEL'}


@dataclass(frozen=True)
class WaveAxis:
    """The wavelength axis of a cube.

    Attributes
    ----------
    wave : array (nl,)
        Wavelengths in ``unit``, one of `KEPT_UNITS`.
    cards : mapping
        The cards of a spectrum's axis.
    medium : str
        'air', 'vacuum' or '' if that is not known.
    spacing : str
        'linear', 'logarithmic' or the like, for messages.
    notes : tuple of str
        Assumptions, one line each.
    """

    wave: FloatArray
    unit: str
    cards: Mapping[str, Any]
    medium: str
    spacing: str
    notes: tuple[str, ...] = ()


def wave_axis(path: Path, hdus: fits.HDUList, header: fits.Header, length: int) -> WaveAxis:
    """The wavelengths of a cube's third axis: from its header, or from a table if the header names or lacks one.

    Parameters
    ----------
    path : Path
        The file, for messages.
    hdus : HDUList
        It, open.
    header : Header
        Of the extension with the data, wavelength on axis 3.
    length : int
        Number of wavelengths.

    Raises
    ------
    InputError
        If there are no wavelengths between `SHORTEST` and `LONGEST`.
    """
    ctype = axis_type(header, 3)
    if ctype.endswith('-TAB'):
        unit = str(header.get('CUNIT3') or '').strip()
        return _axis_of_table(path.name, _tabulated(path, hdus, header, length, unit), unit, ctype)
    arrays = (hdu for hdu in hdus if hdu.name in WAVELENGTH_ARRAYS and hdu.is_image and hdu.shape == (length,))
    array = next((hdu for hdu in arrays if hdu.header['BITPIX'] < 0), None)
    if array is None:
        return _axis_of_cards(path, header, length)
    wave = np.asarray(array.data, np.float64)
    unit = str(array.header.get('BUNIT') or array.header.get('CUNIT1') or '').strip()
    if header.get('CRVAL3') is None or (header.get('CD3_3') is None and header.get('CDELT3') is None):
        axis = _axis_of_table(path.name, wave, unit, ctype)
        note = f'{path.name}: no wavelength axis in the header; wavelengths are those of {array.name}'
    else:
        axis = _axis_of_cards(path, header, length)
        note = _difference(path.name, axis, wave, unit, array.name)
    return replace(axis, notes=(*axis.notes, note)) if note else axis


def _axis_of_cards(path: Path, header: fits.Header, length: int) -> WaveAxis:
    """The axis that cards describe.

    Wavelengths are computed by astropy from the cards that the spectra get, so that both agree. Axes may be as in FITS
    paper III (Greisen et al. 2006, A&A 446, 747), or log10 of wavelengths as IRAF writes it (DC-FLAG = 1), which become
    -LOG axes of paper III.
    """
    file, written = path.name, axis_type(header, 3)
    ctype, notes = _spectrum_type(file, written)
    medium = _medium(written)
    start, step, reference = _linear_cards(file, header)
    if 'CRPIX3' not in header:
        notes.append(f'{file}: no CRPIX3; 0 is taken, as the FITS standard says')
    text = str(header.get('CUNIT3') or '').strip()
    says_log10 = str(header.get('DC-FLAG', 0)).strip() in ('1', '1.0')
    numbers = start + (np.arange(1.0, length + 1) - reference) * step
    if _is_log10(says_log10, written, numbers, start, length_unit(file, text)):
        # 10^(s + p d) = S exp(p D / S) with S = 10^s and D = S d ln 10: the -LOG axis of paper III.
        step, start = float(10**start * step * np.log(10)), 10**start
        ctype = f'{ctype[:4] if medium else "WAVE"}-LOG'  # FITS has none for an unknown medium
        notes.append(f'{file}: the wavelength axis holds log10 of wavelengths (CRVAL3 = {header["CRVAL3"]})')
    elif says_log10:
        notes.append(f'{file}: DC-FLAG = 1 says log10, but CRVAL3 = {start:g} is none; taken as wavelengths')
    cards = {'CRPIX1': reference, 'CRVAL1': start, 'CDELT1': step, 'CUNIT1': 'Angstrom', 'CTYPE1': ctype}
    for card, kind in REST_FRAME.items():
        value = header.get(card)
        if isinstance(value, kind) and not isinstance(value, bool):
            cards[card] = value
    # Numbers in Angstrom stand for those in an unknown unit: only their range is looked at.
    unit, angstrom, more = _kept_unit(file, text, lambda: _wavelengths(path, cards, length))
    cards |= {'CUNIT1': unit, 'CRVAL1': start / angstrom, 'CDELT1': step / angstrom}
    wave = _wavelengths(path, cards, length)
    _check_range(file, wave, unit)
    spacing = 'linear' if '-' not in ctype else f'as {ctype} has them'
    if ctype.endswith('-LOG'):
        spacing = 'logarithmic'
    return WaveAxis(wave, unit, cards, medium, spacing, (*notes, *more))


def _axis_of_table(file: str, wave: FloatArray, text: str, ctype: str) -> WaveAxis:
    """The axis for the wavelengths of a table: linear if they are linear, else one that counts channels."""
    steps = np.diff(wave)
    if not np.isfinite(wave).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise InputError(f'{file}: its table of wavelengths does not run up or down; correct it')
    numbers = wave
    unit, angstrom, notes = _kept_unit(file, text, lambda: numbers)
    wave = wave / angstrom
    _check_range(file, wave, unit)
    medium = _medium(ctype)
    if not medium:
        notes.append(f'{file}: the file does not say whether wavelengths are in air or vacuum; spectra will not say it')
    step = float(wave[-1] - wave[0]) / max(len(wave) - 1, 1)
    off = np.abs(np.linspace(wave[0], wave[-1], len(wave)) - wave)
    if len(wave) > 1 and (off <= np.minimum(LINEAR_TO * np.abs(wave), SAME_TO * abs(step))).all():
        kind = ctype[:4] if medium else UNKNOWN_TYPE
        cards = {'CRPIX1': 1.0, 'CRVAL1': float(wave[0]), 'CDELT1': step, 'CUNIT1': unit, 'CTYPE1': kind}
        return WaveAxis(wave, unit, cards, medium, 'linear', tuple(notes))
    notes.append(f'{file}: wavelengths are not linear: spectra count channels, TAB_WAVE holds the wavelengths')
    return WaveAxis(wave, unit, CHANNELS, medium, 'of a table', tuple(notes))


def _tabulated(path: Path, hdus: fits.HDUList, header: fits.Header, length: int, unit: str) -> FloatArray:
    """The wavelengths of a -TAB axis (FITS paper III), in the unit of CUNIT3."""
    with readable(path, f'the table of its wavelength axis (CTYPE3 = {axis_type(header, 3)!r}) cannot be read'):
        wcs = WCS(header, fobj=hdus).sub([3])
        wave = wcs.wcs_pix2world(np.arange(length, dtype=float), 0)[0]
        factor = wcs.wcs.cunit[0].to(length_unit(path.name, unit)) if unit else 1.0
        return np.asarray(wave * factor, np.float64)


def _difference(file: str, axis: WaveAxis, wave: FloatArray, text: str, name: str) -> str:
    """A note if an array of wavelengths differs from the header's, else ''."""
    try:
        unit = length_unit(file, text) or _assumed_unit(file, wave)
    except InputError:  # it holds no wavelengths
        return ''
    with np.errstate(invalid='ignore'):
        off = np.abs(wave * units.Unit(unit).to(axis.unit) - axis.wave)
    step = float(np.abs(np.diff(axis.wave)).min()) if len(wave) > 1 else np.inf
    rounding = 2 * float(np.finfo(np.float32).eps) * float(np.abs(axis.wave).max())  # of single precision
    if not (off > SAME_TO * step + rounding).any():
        return ''
    most = f'{np.nanmax(off):.4g} {axis.unit}'
    return f'{file}: {name} and the header give other wavelengths (by up to {most}); those of the header are used'


def _medium(ctype: str) -> str:
    """The medium of wavelengths on this type of axis, '' if the type does not say it."""
    return MEDIUM_OF[ctype[:4]] if KNOWN_TYPE.fullmatch(ctype) else ''


def _spectrum_type(file: str, ctype: str) -> tuple[str, list[str]]:
    """The type of a spectrum's axis, and a note if that of the cube does not give the medium."""
    if KNOWN_TYPE.fullmatch(ctype):
        return ctype, []
    if '-' in ctype[3:]:
        raise InputError(
            f'{file}: CTYPE3 = {ctype!r} is not a usable wavelength axis; expected WAVE or AWAV, linear or -LOG: '
            'resample the cube'
        )
    which = f'CTYPE3 = {ctype!r} does not say' if ctype else 'no CTYPE3 says'
    way_out = 'set CTYPE3 to AWAV (air) or WAVE (vacuum) if you know'
    return UNKNOWN_TYPE, [
        f'{file}: {which} whether wavelengths are in air or vacuum; spectra will not say it; {way_out}'
    ]


def _linear_cards(file: str, header: Mapping[str, Any]) -> tuple[float, float, float]:
    """CRVAL3, the step and CRPIX3."""
    step, start, reference = header.get('CD3_3'), header.get('CRVAL3'), header.get('CRPIX3', 0.0)
    try:
        if step is None and header.get('CDELT3') is not None:
            step = float(header['CDELT3']) * float(header.get('PC3_3', 1.0))
        numbers = float(start), float(step), float(reference)  # type: ignore[arg-type]
        usable = bool(np.isfinite(numbers).all()) and numbers[1] != 0
    except (TypeError, ValueError):  # not there, or text
        usable = False
    if not usable:
        raise InputError(
            f'{file}: no wavelength axis (CRVAL3 = {start}, CD3_3 or CDELT3 = {step}, CRPIX3 = {reference})'
        )
    return numbers


def _is_log10(says_log10: bool, ctype: str, numbers: FloatArray, start: float, unit: str) -> bool:
    """Whether an axis holds log10 of wavelengths: IRAF's cards say so, or as Angstrom the numbers make no sense."""
    if not -8 < start < 8:
        return False
    if says_log10:
        return True
    makes_no_sense = unit == 'Angstrom' or (not unit and ctype == 'LINEAR')
    return makes_no_sense and bool((numbers > 2.5).all() and (numbers < 5).all() and np.ptp(numbers) < 1.5)


def _wavelengths(path: Path, cards: Mapping[str, Any], length: int) -> FloatArray:
    """The wavelengths (nl,) that a spectrum's cards describe, in its unit."""
    start, step, reference = (cards[f'{card}1'] for card in ('CRVAL', 'CDELT', 'CRPIX'))
    what = f'its wavelength axis (CTYPE3 = {cards["CTYPE1"]!r}, CRVAL3 = {start:g}) cannot be used'
    with readable(path, what):
        wcs = WCS(fits.Header(cards), naxis=1)
        wave = wcs.wcs_pix2world(np.arange(length, dtype=float), 0)[0] * wcs.wcs.cunit[0].to(cards['CUNIT1'])
    if not np.isfinite(wave).all() or not (np.diff(wave) * step > 0).all():
        numbers = f'CRVAL3 = {start}, CRPIX3 = {reference}, step {step}'
        raise InputError(f'{path.name}: the wavelength axis has no valid step ({numbers})')
    return np.asarray(wave, np.float64)


def _kept_unit(file: str, text: str, wave: Callable[[], FloatArray]) -> tuple[str, float, list[str]]:
    """One of `KEPT_UNITS` for wavelengths in a unit.

    Parameters
    ----------
    file : str
        The file's name, for messages.
    text : str
        The unit as the header has it, '' for none.
    wave : function
        Gives the wavelengths (nl,) in this unit, from which a missing unit is guessed.

    Returns
    -------
    str, float
        The unit, and what to divide wavelengths by to have them in it.
    list of str
        A note if a unit was assumed or changed.
    """
    notes = []
    unit = length_unit(file, text)
    if not unit:
        numbers = wave()
        unit = _assumed_unit(file, numbers)
        ends = f'{numbers[0]:.6g} to {numbers[-1]:.6g}'
        notes.append(f'{file}: no unit of wavelengths (CUNIT3); {unit} is taken for {ends}')
    if unit in KEPT_UNITS:
        return unit, 1.0, notes
    angstrom = float(units.Unit('Angstrom').to(unit))  # to divide by: 4.75e-7 m become 4750 to the last digit
    if text and not np.isclose(angstrom, 1.0, rtol=1e-9):
        notes.append(f'{file}: wavelengths are in {unit}; written in Angstrom')
    return 'Angstrom', angstrom, notes


def length_unit(file: str, text: str) -> str:
    """A unit of wavelengths in the spelling of the FITS standard; '' if the header has none."""
    if not text:
        return ''
    word = text.rstrip('.')
    lower = word.lower().replace('metre', 'meter')
    # Upper case as in old headers (ANGSTROM), and plurals.
    unit = next(filter(None, map(parsed, (word, lower, lower.removesuffix('s')))), None)
    if unit is None or unit.physical_type != 'length':
        raise InputError(
            f'{file}: CUNIT3 = {text!r} is not a unit of wavelength; expected Angstrom, nm, um or m: convert the cube, '
            'or correct the header'
        )
    return str(unit.to_string('fits'))


def _assumed_unit(file: str, wave: FloatArray) -> str:
    """The unit to assume for wavelengths whose header has none."""
    for unit, shortest, longest in ASSUMED_UNITS:
        if shortest <= wave.min() and wave.max() <= longest:
            return unit
    raise InputError(
        f'{file}: no unit of wavelengths (CUNIT3), and {wave[0]:.6g} to {wave[-1]:.6g} may be in several units; add '
        'CUNIT3 = Angstrom, nm, um or m to the header (and DC-FLAG = 1 to log10 of wavelengths)'
    )


def _check_range(file: str, wave: FloatArray, unit: str) -> None:
    """Refuse numbers that cannot be wavelengths of a cube."""
    ends = np.array([wave.min(), wave.max()]) * units.Unit(unit).to('um')
    if ends[0] < SHORTEST or ends[1] > LONGEST:
        raise InputError(
            f'{file}: wavelengths are {wave[0]:.6g} to {wave[-1]:.6g} {unit}; expected {SHORTEST:g} to '
            f'{LONGEST:g} micron: correct CRVAL3, CUNIT3 or the step'
        )
