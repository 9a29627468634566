"""Headers in other coordinate frames -> right ascension and declination in ICRS, the frame of catalogues."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray
from autospec_lib.inputs.arrays import readable

if TYPE_CHECKING:
    from astropy.coordinates import BaseCoordinateFrame

J2000 = 2000.0
SAME_EQUINOX = 1e-4  # years; precession is 0.005 arcsec in these
TOLERANCE = 0.01  # pixels by which the new coordinates may differ
# Zenithal projections: they are unchanged if the sphere is rotated about the reference point.
ZENITHAL = ('TAN', 'STG', 'ARC', 'ZEA', 'SIN')
NAMES = {'GLON': 'galactic', 'ELON': 'ecliptic', 'SLON': 'supergalactic'}
REPLACED = (
    *(f'{card}{axis}' for card in ('CTYPE', 'CUNIT', 'CRVAL', 'CDELT', 'CROTA') for axis in (1, 2)),
    *(f'{card}{i}_{j}' for card in ('CD', 'PC') for i in (1, 2) for j in (1, 2)),
    *('LONPOLE', 'LATPOLE', 'RADESYS', 'RADECSYS', 'EQUINOX', 'EPOCH'),
)


class InIcrs(NamedTuple):
    """A header with RA and Dec in ICRS on its axes, and what was changed or assumed, '' for nothing."""

    header: fits.Header
    note: str


def in_icrs(path: Path, header: fits.Header, shape: tuple[int, int]) -> InIcrs:
    """Describe the same pixels in RA and Dec (ICRS).

    A projection is defined on a native sphere, whose pole and meridian the cards place in a frame (Calabretta & Greisen
    2002, A&A 395, 1077). Frames differ by a rotation, so the same projection can be used with the pole placed in the
    new frame. The rotation is found from the positions of the pixels. FK4 also differs by aberration; it is matched at
    these positions.

    FK5 of equinox 2000 is taken as ICRS: they differ by at most 0.025 arcsec, and cubes that say FK5 are as a rule
    tied to stars in ICRS.

    Parameters
    ----------
    path : Path
        The file, for messages.
    header : Header
        Of two axes, longitude and latitude.
    shape : (int, int)
        Pixels (ny, nx).

    Raises
    ------
    InputError
        If its coordinates cannot be used, or cannot be described in this way.
    """
    with readable(path, 'its WCS cannot be read'):
        wcs = _projection(header)
        frame, name = _frame(wcs)
        if frame is None:
            return InIcrs(header, f'{path.name}: {name}' if name else '')
        new = _turned(header, wcs, frame, _some_pixels(shape))
        off = _difference(wcs, frame, _projection(new), _some_pixels(shape))
    if not off < TOLERANCE:
        raise InputError(f'{path.name}: its {name} cannot be described in RA and Dec: reproject it')
    return InIcrs(new, f'{path.name}: {name}; transformed to RA and Dec (ICRS), in which all positions are')


def _projection(header: fits.Header) -> WCS:
    """The coordinates without lookup tables of distortions, which are not in the header."""
    plain = header.copy()
    for card in header:
        if card.startswith(('CPDIS', 'CQDIS', 'DP1', 'DP2', 'DQ1', 'DQ2', 'D2IMDIS', 'D2IMARR')):
            plain.remove(card, ignore_missing=True, remove_all=True)
    return WCS(plain).celestial


def _frame(wcs: WCS) -> tuple[BaseCoordinateFrame | None, str]:
    """A frame that must be transformed (None for ICRS), and its description or a warning that it is not known."""
    kind, system, equinox = wcs.wcs.ctype[wcs.wcs.lng][:4], wcs.wcs.radesys.strip().upper(), float(wcs.wcs.equinox)
    if kind in NAMES:
        return _made(kind, J2000 if np.isnan(equinox) else equinox), f'{NAMES[kind]} coordinates'
    if not system:  # as the FITS standard says
        system = 'ICRS' if np.isnan(equinox) else 'FK4' if equinox < 1984 else 'FK5'
    if np.isnan(equinox):
        equinox = 1950.0 if system.startswith('FK4') else J2000
    if system == 'ICRS' or (system == 'FK5' and abs(equinox - J2000) < SAME_EQUINOX):
        return None, ''
    if system not in ('FK5', 'FK4', 'FK4-NO-E'):
        return None, f'RADESYS = {system!r} is not known; its RA and Dec are taken as ICRS (or FK5, J2000)'
    return _made(system, equinox), f'{system} coordinates of equinox {equinox:g}'


def _made(kind: str, equinox: float) -> BaseCoordinateFrame:
    # Importing these takes a while, and few cubes need them.
    from astropy import coordinates
    from astropy.time import Time

    if kind in ('GLON', 'SLON'):
        return coordinates.Galactic() if kind == 'GLON' else coordinates.Supergalactic()
    made_of = {
        'ELON': coordinates.BarycentricMeanEcliptic,
        'FK4': coordinates.FK4,
        'FK4-NO-E': coordinates.FK4NoETerms,
        'FK5': coordinates.FK5,
    }
    return made_of[kind](equinox=Time(equinox, format='byear' if kind.startswith('FK4') else 'jyear'))


def _some_pixels(shape: tuple[int, int]) -> FloatArray:
    """Corners, edges and centre of an image as pixels (x, y), 0-based."""
    y, x = np.meshgrid(*(np.linspace(-0.5, length - 0.5, 3) for length in shape), indexing='ij')
    return np.column_stack([x.ravel(), y.ravel()])


def _turned(header: fits.Header, wcs: WCS, frame: BaseCoordinateFrame, pixels: FloatArray) -> fits.Header:
    """The header with the projection's sphere placed in ICRS."""
    from scipy.spatial.transform import Rotation

    found = wcs.wcs.p2s(pixels, 0)
    usable = np.isfinite(found['world']).all(axis=1) & (found['stat'] == 0)
    native = _vectors(found['phi'][usable], found['theta'][usable])
    turn, _ = Rotation.align_vectors(_in_icrs(found['world'][usable], frame), native)
    right_ascension, declination = _angles(turn.apply(_vectors(wcs.wcs.phi0, wcs.wcs.theta0)))
    _, latitude_of_pole = _angles(turn.apply([0.0, 0.0, 1.0]))
    pole, _ = _angles(turn.inv().apply([0.0, 0.0, 1.0]))
    matrix = wcs.pixel_scale_matrix
    projection = str(header['CTYPE1']).strip().upper()[4:]  # wcslib makes TAN of TPV
    if projection.split('-')[1] in ZENITHAL and not any(card.startswith('PV') for card in header):
        # The rotation goes into the matrix, so that code that ignores LONPOLE (MPDAF's alignment) has the right angle.
        angle = np.radians(180.0 - pole)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ matrix
        pole = 180.0
    new = header.copy()
    for card in (*REPLACED, *(() if projection.endswith('TPV') else ('PV1_3', 'PV1_4'))):  # LONPOLE by another name
        new.remove(card, ignore_missing=True)
    new.update({'CTYPE1': f'RA--{projection}', 'CTYPE2': f'DEC-{projection}', 'CUNIT1': 'deg', 'CUNIT2': 'deg'})
    new.update({f'CD{i + 1}_{j + 1}': float(matrix[i, j]) for i in (0, 1) for j in (0, 1)})
    new.update({'CRVAL1': right_ascension, 'CRVAL2': declination, 'LONPOLE': pole, 'LATPOLE': latitude_of_pole})
    new['RADESYS'] = 'ICRS'
    return new


def _in_icrs(world: FloatArray, frame: BaseCoordinateFrame) -> FloatArray:
    """Unit vectors (n, 3) in ICRS of longitudes and latitudes (n, 2) in degrees."""
    from astropy import units
    from astropy.coordinates import ICRS, SkyCoord

    there = SkyCoord(world[:, 0] * units.deg, world[:, 1] * units.deg, frame=frame).transform_to(ICRS())
    return _vectors(there.ra.deg, there.dec.deg)


def _vectors(longitude: FloatArray | float, latitude: FloatArray | float) -> FloatArray:
    """Unit vectors, x, y and z along the last axis, of angles in degrees."""
    a, b = np.radians(longitude), np.radians(latitude)
    return np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)], axis=-1)


def _angles(vector: FloatArray) -> tuple[float, float]:
    """Longitude, 0 to 360, and latitude of a vector, in degrees."""
    x, y, z = vector
    return float(np.degrees(np.arctan2(y, x)) % 360), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def _difference(wcs: WCS, frame: BaseCoordinateFrame, new: WCS, pixels: FloatArray) -> float:
    """By how many pixels the new coordinates miss the transformed ones."""
    world = wcs.wcs_pix2world(pixels, 0)
    world = world[np.isfinite(world).all(axis=1)]
    vectors = _in_icrs(world, frame)
    there = new.wcs_world2pix([_angles(vector) for vector in vectors], 0)
    return float(np.abs(there - wcs.wcs_world2pix(world, 0)).max())
