"""Which axis of a file is which, and where a pixel lies on the sky: header cards -> `Sky`.

The arithmetic is that of `astropy.wcs`. What is done here is to find the axes, to refuse what
wcslib would misread or name no card for, and to settle what headers leave open. Wavelengths are in
`wavelengths`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.coordinates import (
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    SkyCoord,
    Supergalactic,
)
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame

from autospec_lib.core.types import FloatArray
from autospec_lib.inputs.fits_arrays import FileError, card_text, is_number, readable
from autospec_lib.inputs.units import parsed

# Longitude and latitude as CTYPE begins with them: equatorial, galactic, ecliptic, supergalactic.
LATITUDE_OF = {'RA--': 'DEC-', 'GLON': 'GLAT', 'ELON': 'ELAT', 'SLON': 'SLAT'}
WAVELENGTH_TYPES = ('WAVE', 'AWAV', 'LAMBDA')
# FITS paper III.
OTHER_TYPES = ('FREQ', 'ENER', 'WAVN', 'VELO', 'VOPT', 'VRAD', 'ZOPT', 'BETA', 'STOKES', 'TIME')
OF_AXES = re.compile(
    r'(CD|PC|CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME|CRDER|CSYER|NAXIS|CPDIS|CQDIS|PV|PS)(\d)(?:_(\d+))?'
)
DISTORTION = re.compile(r'(A|B|AP|BP)_ORDER|C[PQ]DIS\d')
SIP = re.compile(r'(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)')
OF_THE_FRAME = ('RADESYS', 'RADECSYS', 'EQUINOX', 'EPOCH', 'LONPOLE', 'LATPOLE', 'BUNIT')
SAME_MATRIX = 1e-6  # relative
WORST_MATRIX = 1e8  # condition number from which a matrix is singular
MOST_COUPLED = 0.01  # of a pixel, over the whole cube


# --- The order of the axes ---


def find_axes(
    name: str, header: fits.Header, shape: Sequence[int], spectral: bool
) -> tuple[int, ...]:
    """The FITS axes, counted from 1, of longitude, latitude and, if ``spectral``, wavelength.

    Parameters
    ----------
    name : str
        The extension, for messages.
    header : Header
        Of the extension.
    shape : sequence of int
        Of the stored array.
    spectral : bool
        True for a cube, False for an image.

    Raises
    ------
    FileError
        If more axes than these are longer than 1, or distortions go with another order of the sky's
        axes.
    """
    lengths = dict(zip(range(len(shape), 0, -1), shape, strict=True))
    types = {axis: card_text(header, f'CTYPE{axis}').upper() for axis in lengths}
    number = 3 if spectral else 2
    axes = [*range(1, number + 1)]
    for names in LATITUDE_OF.items():
        longitudes, latitudes = (
            [axis for axis in types if types[axis].startswith(start)] for start in names
        )
        if len(longitudes) == len(latitudes) == 1:
            # An axis that is named as a wavelength comes first, then axes longer than 1.
            rest = sorted(
                (not types[axis].startswith(WAVELENGTH_TYPES), lengths[axis] == 1, axis)
                for axis in {*lengths}.difference(longitudes, latitudes)
            )
            axes = [*longitudes, *latitudes, *(axis for *_, axis in rest[: number - 2])]
            break
    if any(length > 1 for axis, length in lengths.items() if axis not in axes):
        listing = ', '.join(
            f'{types[axis] or "no CTYPE"} of length {lengths[axis]}' for axis in sorted(lengths)
        )
        raise FileError(
            f'{name} has the axes {listing}; expected {number}: cut one piece out of the others'
        )
    if axes[:2] != [1, 2] and any(map(DISTORTION.fullmatch, header)):
        order = ', '.join(types[axis] for axis in axes[:2])
        raise FileError(
            f'distortions (SIP, lookup tables) of {name} go with axes in the order {order}: transpose it'
        )
    return tuple(axes)


def header_of_axes(header: fits.Header, axes: Sequence[int]) -> fits.Header:
    """The header of some axes, which are numbered 1, 2, ... in this order; the cards of other axes
    are left out.

    It says one thing about its coordinates: of cards with one keyword the last is kept, as in
    astropy.wcs, and of a CD and a PC matrix the latter. FITS forbids both together, and wcslib uses
    PC.
    """
    number = {str(axis): str(new) for new, axis in enumerate(axes, 1)}
    has_pc = bool(header['PC?_?'])
    result = fits.Header()
    for card in header.cards:
        match = OF_AXES.fullmatch(card.keyword)
        if match is not None:
            kind, axis, other = match.groups()
            if kind in ('CD', 'PC'):
                other = number.get(other)
                if other is None or (kind == 'CD' and has_pc):
                    continue
            if axis in number:
                keyword = kind + number[axis]
                result[keyword if other is None else f'{keyword}_{other}'] = (
                    card.value,
                    card.comment,
                )
        elif card.keyword in OF_THE_FRAME:
            result[card.keyword] = card.value, card.comment
        else:
            result.append(card, bottom=True)
    result['NAXIS'] = len(axes)
    result.remove('WCSAXES', ignore_missing=True)
    return result


def contradictions(name: str, header: fits.Header) -> list[str]:
    """Notes on what a header, as stored, says twice about its coordinates (see `header_of_axes`).

    Parameters
    ----------
    name : str
        The extension, for messages.
    header : Header
        The header.
    """
    notes = []
    for keyword in dict.fromkeys(header):
        number = header.count(keyword)
        if number > 1 and (OF_AXES.fullmatch(keyword) or keyword in OF_THE_FRAME):
            values = [header[keyword, place] for place in range(number)]
            if len(set(values)) > 1:
                notes.append(
                    f'{name} has {keyword} {number} times ({", ".join(map(repr, values))}); the last is used'
                )
    if not header['CD?_?'] or not header['PC?_?']:
        return notes
    for element in sorted({card[2:] for card in (*header['CD?_?'], *header['PC?_?'])}):
        i, _, j = element.partition('_')
        cd, pc = header.get(f'CD{element}', 0.0), header.get(f'PC{element}', float(i == j))
        step = header.get(f'CDELT{i}', 1.0)
        if all(map(is_number, (cd, pc, step))) and abs(cd - step * pc) > SAME_MATRIX * abs(cd):
            numbers = f'CD{element} = {cd:g}, CDELT{i} x PC{element} = {step * pc:g}'
            notes.append(
                f'{name} has both a CD and a PC matrix, which differ ({numbers}); PC is used'
            )
            break
    return notes


# --- The sky ---


@dataclass(frozen=True)
class Sky:
    """Coordinates on the sky of an image's pixels.

    Attributes
    ----------
    wcs : WCS
        Longitude and latitude in the image's own frame.
    frame : BaseCoordinateFrame or None
        This frame; None for ICRS and for FK5 of equinox 2000, which is taken as ICRS: they differ
        by at most 0.025 arcsec, and cubes that say FK5 are as a rule tied to stars in ICRS.
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
        if self.frame is not None:
            position = SkyCoord(ra, dec, unit='deg').transform_to(self.frame).spherical
            ra, dec = position.lon.deg, position.lat.deg
        x, y = self.wcs.all_world2pix(ra, dec, 0, quiet=True)
        return y, x

    def to_icrs(self, y: Any, x: Any) -> tuple[FloatArray, FloatArray]:
        """Right ascensions and declinations (ICRS) in degrees of pixels (y, x); the inverse of
        `to_pixels`."""
        longitude, latitude = self.wcs.all_pix2world(x, y, 0)
        if self.frame is None:
            return longitude, latitude
        position = SkyCoord(longitude, latitude, unit='deg', frame=self.frame).icrs
        return position.ra.deg, position.dec.deg

    def degrees_per_pixel(self, place: Any) -> FloatArray:
        """Change of right ascension and declination (columns) per pixel along y and x (rows) at a
        pixel (y, x)."""
        ra, dec = self.to_icrs(place[0] + np.array([0, 1, 0]), place[1] + np.array([0, 0, 1]))
        steps = np.array([ra[1:] - ra[0], dec[1:] - dec[0]]).T
        return np.asarray((steps + 180) % 360 - 180)

    def arcsec_per_pixel(self, place: Any) -> FloatArray:
        """The same in arcsec, both on the sky."""
        _, dec = self.to_icrs(*place)
        return np.asarray(self.degrees_per_pixel(place) * (3600 * np.cos(np.radians(dec)), 3600))

    def to_shift(self, place: Any, angles: Any) -> FloatArray:
        """The shift (y, x) in pixels of angles (dRA, dDec) in arcsec on the sky.

        Parameters
        ----------
        place : pair of float
            The pixel (y, x) at which it is wanted.
        angles : pair of float
            The angles.
        """
        return np.asarray(np.linalg.solve(self.arcsec_per_pixel(place).T, angles))

    @property
    def pixel(self) -> tuple[float, float]:
        """A pixel's size (y, x) in arcsec."""
        x, y = proj_plane_pixel_scales(self.wcs)
        return 3600 * float(y), 3600 * float(x)


def open_sky(name: str, header: fits.Header, hdus: fits.HDUList | None = None) -> Sky:
    """The coordinates on the sky in a header of two axes.

    Parameters
    ----------
    name : str
        The extension, for messages.
    header : Header
        Longitude on axis 1, latitude on axis 2 (see `header_of_axes`).
    hdus : HDUList, optional
        The open file, if lookup tables of distortions may be in it.

    Raises
    ------
    FileError
        If its cards cannot be used; the message names the card.
    """
    fault = next(_sky_faults(header, name), '')
    if fault:
        raise FileError(fault)
    notes = []
    ctype = card_text(header, 'CTYPE1').upper()
    if any(map(SIP.fullmatch, header)) and not ctype.endswith('-SIP'):
        header = fits.Header(card for card in header.cards if not SIP.fullmatch(card.keyword))
        way_out = 'add -SIP to CTYPE1 and CTYPE2 if they are meant'
        notes.append(
            f'CTYPE1 = {ctype!r} of {name} is without -SIP, so its SIP cards are not used; {way_out}'
        )
    with readable('its WCS cannot be read'):
        wcs = WCS(header, hdus).celestial
        frame, words = _frame(wcs)
    if words:
        notes.append(words)
    return Sky(wcs, frame, tuple(notes))


def _frame(wcs: WCS) -> tuple[BaseCoordinateFrame | None, str]:
    """The frame of a celestial WCS, None for ICRS, and in words what is unusual about it."""
    wcs.wcs.radesys = system = wcs.wcs.radesys.strip().upper()
    start, year = wcs.wcs.ctype[wcs.wcs.lng][:4], float(wcs.wcs.equinox)
    if start == 'SLON':
        frame, name = Supergalactic(), 'supergalactic'
    elif start == 'ELON':
        equinox = Time(2000.0 if np.isnan(year) else year, format='jyear')
        frame, name = BarycentricMeanEcliptic(equinox=equinox), 'ecliptic'
    else:
        try:
            frame = wcs_to_celestial_frame(wcs)
        except ValueError:
            return (
                None,
                f'RADESYS = {system!r} is not known; its RA and Dec are taken as ICRS (or FK5, J2000)',
            )
        # Precession is 0.005 arcsec in a ten-thousandth of a year.
        if frame.name == 'icrs' or (frame.name == 'fk5' and abs(frame.equinox.jyear - 2000) < 1e-4):
            return None, ''
        name = frame.name
        if name != 'galactic':
            year = frame.equinox.byear if name.startswith('fk4') else frame.equinox.jyear
            name = f'{system or name.upper()} of equinox {year:g}'
    return frame, f'{name} coordinates; positions of the catalogue (ICRS) are transformed to them'


def _sky_faults(header: fits.Header, name: str) -> Iterator[str]:
    """What is wrong with the cards of the sky: wcslib would fall back to defaults, or name no
    card."""
    types = [card_text(header, card).upper() for card in ('CTYPE1', 'CTYPE2')]
    longitude, latitude = types
    if not longitude or not latitude:
        yield f'no celestial WCS in {name} (CTYPE1 = {longitude!r}, CTYPE2 = {latitude!r}); expected RA and Dec'
    start = longitude[:4] if longitude[:4] in LATITUDE_OF else 'RA--'
    for axis, text, first in zip((1, 2), types, (start, LATITUDE_OF[start]), strict=True):
        if not text.startswith(first) or len(text) < 6:
            yield f'CTYPE{axis} = {text!r} of {name} is not an axis of a projection; expected {first}-TAN or the like'
    if longitude[5:] != latitude[5:]:
        yield f'CTYPE1 = {longitude!r} and CTYPE2 = {latitude!r} of {name} are of two projections; expected the same'
    for card in ('CUNIT1', 'CUNIT2'):
        text = card_text(header, card)
        unit = parsed(text) or parsed(text.lower())
        if text and (unit is None or unit.physical_type != 'angle'):
            yield f'{card} = {text!r} of {name} is not a unit of angle; expected deg'
    matrix = [f'{start}{i}_{j}' for start in ('CD', 'PC') for i in (1, 2) for j in (1, 2)]
    for card in ('CRVAL1', 'CRVAL2', 'CRPIX1', 'CRPIX2', 'CDELT1', 'CDELT2', *matrix):
        if card in header and not is_number(header[card]):
            yield f'{card} = {header[card]!r} of {name} is not a number'
    for card, most in (('CRVAL1', 360), ('CRVAL2', 90)):
        if abs(header.get(card, 0.0)) > most:
            yield f'{card} = {header[card]:g} of {name} is out of range; expected degrees up to {most}'
    kind, rows = _matrix(header, 2)
    if not np.linalg.cond(rows) < WORST_MATRIX:
        yield f'its WCS cannot be used: the {kind} matrix is singular, {rows}'


def check_separable(name: str, header: fits.Header, shape: Sequence[int]) -> None:
    """Refuse a cube whose third axis is no wavelength, or whose wavelengths depend on the position
    or the reverse.

    Parameters
    ----------
    name : str
        The extension, for messages.
    header : Header
        Longitude, latitude and wavelength on axes 1, 2 and 3.
    shape : (int, int, int)
        Of the array (nl, ny, nx).

    Raises
    ------
    FileError
        The message names the card.
    """
    for axis in (1, 2, 3):
        text = card_text(header, f'CTYPE{axis}').upper()
        if text.startswith(OTHER_TYPES) or (axis < 3 and text.startswith(WAVELENGTH_TYPES)):
            expected = 'wavelength (WAVE, AWAV): convert the cube'
            if axis < 3:
                expected = 'one axis of wavelength and two of the sky (RA and Dec, or the like)'
            raise FileError(f'axis {axis} of {name} is {text}; expected {expected}')
    kind, matrix = _matrix(header, 3)
    for i, j in ((3, 1), (3, 2), (1, 3), (2, 3)):
        value = matrix[i - 1][j - 1]
        if not is_number(value):
            raise FileError(f'{kind}{i}_{j} = {value!r} is not a number')
        own = matrix[2][2:] if i == 3 else matrix[i - 1][:2]
        if all(map(is_number, own)) and abs(value) * shape[3 - j] > MOST_COUPLED * float(
            np.hypot.reduce(own)
        ):
            what = (
                'wavelengths depend on the position in the field'
                if i == 3
                else 'positions depend on the wavelength'
            )
            raise FileError(
                f'{kind}{i}_{j} = {value:g} makes {what}; expected axes that do not: resample the cube'
            )


def _matrix(header: fits.Header, number: int) -> tuple[str, list[list[Any]]]:
    """The kind of matrix of a header, CD or PC, and its elements for the first axes."""
    kind = 'CD' if header['CD?_?'] else 'PC'
    # CALIFA has a CD matrix of the sky, and CDELT3.
    default = {3: header.get('CDELT3', 0.0)} if kind == 'CD' else dict.fromkeys((1, 2, 3), 1.0)
    axes = range(1, number + 1)
    return kind, [
        [header.get(f'{kind}{i}_{j}', default.get(i, 0.0) if i == j else 0.0) for j in axes]
        for i in axes
    ]
