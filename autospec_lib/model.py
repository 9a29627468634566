"""What the modules hand to one another: frozen dataclasses of plain arrays.

Conventions, everywhere in the package:

* cubes are indexed (wavelength, y, x), images (y, x); positions and radii are in pixels, 0-based, the centre of the
  first pixel at 0;
* ``bad`` is True where a value must not be used; masks are True inside;
* noise is variance, never sigma; ``None`` means "there is none";
* label maps hold 0 where there is no object;
* arrays that came in as an argument are never changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from autospec_lib.psf import Psf

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int32]
BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Target:
    """One row of the catalogue: position in degrees, full width of the subcube in arcsec, reference as written."""

    id: int
    ra: float
    dec: float
    size: float
    ref: str = ''


@dataclass(frozen=True)
class Grid:
    """How a stamp's pixels map to the world, as FITS cards, and its units as FITS strings ('' = none)."""

    sky: Mapping[str, Any]
    spectral: Mapping[str, Any]
    unit: str = ''
    variance_unit: str = ''
    wave_unit: str = 'Angstrom'


@dataclass(frozen=True)
class Stamp:
    """Everything that was cut out around one target.

    ``data`` and ``variance`` are (nl, ny, nx); ``bad`` has their shape; ``wave`` is (nl,) in ``grid.wave_unit``;
    ``images`` (weights), ``detection`` (the same images as they are segmented, NaN where there is no value) and
    ``segmaps`` (the user's) are (ny, nx), by tag; ``centre`` is the catalogue position
    (y, x) in the stamp's pixels; ``pixel`` the pixel's size (y, x) in arcsec; ``neighbours`` the positions of the
    catalogue's other sources in or near the stamp, by id; ``psf`` is in pixels.
    """

    target: Target
    data: FloatArray
    variance: FloatArray | None
    bad: BoolArray
    wave: FloatArray
    centre: tuple[float, float]
    pixel: tuple[float, float]
    grid: Grid
    images: Mapping[str, FloatArray] = field(default_factory=dict)
    detection: Mapping[str, FloatArray] = field(default_factory=dict)
    segmaps: Mapping[str, IntArray] = field(default_factory=dict)
    neighbours: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    psf: Psf | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """Values with their variance: a spectrum (nl,), an image (ny, nx) or a cube (nl, ny, nx); NaN = no value."""

    data: FloatArray
    variance: FloatArray | None = None


@dataclass(frozen=True)
class Products:
    """What was made for one target, each dictionary in the order in which it is written.

    ``reference`` is the key (in ``spectra``) of the spectrum the cross-correlation started from. ``segmaps`` holds the
    user's maps first, then the computed ones. ``notes`` are the fall-backs and warnings, one line each. ``facts`` are
    header cards: keyword -> (value, comment).
    """

    reference: str
    spectra: dict[str, Measured]
    images: dict[str, Measured]
    segmaps: dict[str, IntArray]
    masks: dict[str, BoolArray]
    maps: dict[str, Measured]
    cubes: dict[str, Measured]
    notes: tuple[str, ...] = ()
    facts: dict[str, tuple[Any, str]] = field(default_factory=dict)
