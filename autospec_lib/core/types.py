"""The types that all folders share: frozen dataclasses of plain arrays.

Words, everywhere in the package: a spaxel is one (y, x) position of a cube with all its
wavelengths, a channel is one step of the wavelength axis, and a voxel is one number. The subcube is
the small cube around a target; the cut-out is the subcube with the images and maps around the same
target. A source is a row of the catalogue (or a neighbour that the joint extraction has found); an
object is a label in a segmentation map.

Conventions:

* cubes are indexed (wavelength, y, x), images (y, x); positions and radii are in pixels, 0-based,
  the centre of the first pixel at 0;
* ``bad`` is True where a value must not be used; masks are True inside;
* noise is variance, never sigma; ``None`` means "there is none";
* segmentation maps hold 0 where there is no object;
* arrays that came in as an argument are never changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core.keys import MUSE

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int32]
BoolArray: TypeAlias = NDArray[np.bool_]
Ident: TypeAlias = int | str  # a source's ID: a whole number from 0, or text


@dataclass(frozen=True)
class Target:
    """One row of the catalogue.

    Position in degrees, full width of the subcube in arcsec, reference as written, and where the
    catalogue has them the radius of an aperture of its own in arcsec and the redshift. ``visual``
    is the redshift that a person has accepted, or those between which people have not decided.
    """

    id: Ident
    ra: float
    dec: float
    size: float
    ref: str = ''
    aper: float | None = None
    z: float | None = None
    visual: tuple[float, ...] = ()


@dataclass(frozen=True)
class Grid:
    """The world coordinates of a cut-out's pixels, as FITS cards, and its units as FITS strings (''
    = none).

    ``medium`` says whether wavelengths are in 'air' or 'vacuum', '' if that is not known.
    ``line_unit`` is that of the flux of a line; ``per_frequency`` is 0 if it is ``unit`` times
    Angstrom, see `per_wavelength`. If FITS cards cannot describe the wavelengths, the axis counts
    channels (CTYPE1 = CHANNEL).
    """

    sky: Mapping[str, Any]
    spectral: Mapping[str, Any]
    unit: str = ''
    wave_unit: str = 'Angstrom'
    medium: str = ''
    line_unit: str = ''
    per_frequency: float = 0.0

    @property
    def angstrom(self) -> float:
        """The unit of wavelengths of cubes in Angstrom."""
        return {'Angstrom': 1.0, 'nm': 10.0, 'um': 1e4}[self.wave_unit]

    def per_wavelength(self, wave: FloatArray) -> FloatArray:
        """What fluxes at these wavelengths are multiplied by to be in ``line_unit`` per Angstrom.

        It is 1, or c / wavelength^2 in these units if the cube has fluxes per frequency.

        Parameters
        ----------
        wave : array
            In the unit of the grid.
        """
        if not self.per_frequency:
            return np.ones(wave.shape)
        return np.asarray(self.per_frequency / (wave * self.angstrom) ** 2)


@dataclass(frozen=True)
class Psf:
    """A round Moffat PSF.

    ``widths`` are FWHM at wavelengths that are evenly spaced from the first to the last,
    ``exponents`` those of the function at as many or other such wavelengths. Both are linear in
    between. FWHM are in arcsec in `inputs`, where the PSF is that of the cube, and in units of
    `geometry.scale` of a pixel in a `Cutout` and in all that works on it.
    """

    widths: tuple[float, ...]
    exponents: tuple[float, ...] = (2.8,)

    def fwhm(self, where: FloatArray) -> FloatArray:
        """FWHM, in the unit of the widths, at these fractions of the way from the first wavelength
        (0) to the last (1)."""
        return np.interp(where, np.linspace(0, 1, len(self.widths)), self.widths)

    def beta(self, where: FloatArray) -> FloatArray:
        """The exponent at the same fractions."""
        return np.interp(where, np.linspace(0, 1, len(self.exponents)), self.exponents)


@dataclass(frozen=True)
class Voxels:
    """The numbers of a cut-out, or of some of its spaxels.

    Which voxels are bad is decided once, when they are read (`inputs.cube.cut`); what works on them
    tests neither data nor variance again.

    Attributes
    ----------
    data : array (nl, ny, nx) or (nl, n)
        Finite; 0 in bad voxels.
    variance : array of the same shape, or None
        Finite and positive; 0 in bad voxels; None where the cube has no variance.
    bad : array of bool of the same shape, or None
        None where no voxel is bad.
    """

    data: FloatArray
    variance: FloatArray | None = None
    bad: BoolArray | None = None

    @classmethod
    def of(cls, data: FloatArray, variance: FloatArray | None, bad: BoolArray | None) -> Self:
        """Set bad voxels to 0, and ``bad`` to None where there are none.

        Parameters
        ----------
        data : array (nl, ny, nx) or (nl, n)
            Any number in bad voxels.
        variance : array of the same shape, or None
            Likewise.
        bad : array of bool of the same shape, or None
            True where a voxel must not be used.
        """
        if bad is None or not bad.any():
            return cls(data, variance)
        return cls(_zeroed(data, bad), None if variance is None else _zeroed(variance, bad), bad)

    @property
    def good(self) -> BoolArray:
        """True where a voxel can be used."""
        return np.ones(self.data.shape, bool) if self.bad is None else ~self.bad

    @property
    def blank(self) -> BoolArray:
        """The spaxels, (ny, nx) or (n,), in which every voxel is bad."""
        return (
            np.zeros(self.data.shape[1:], bool)
            if self.bad is None
            else np.asarray(self.bad.all(axis=0))
        )

    @property
    def columns(self) -> Voxels:
        """The same as spaxels in columns (nl, n): column y * nx + x is spaxel (y, x)."""
        nl = len(self.data)
        parts = (
            None if part is None else part.reshape(nl, -1)
            for part in (self.data, self.variance, self.bad)
        )
        return Voxels(*parts)  # type: ignore[arg-type]

    def select(self, mask: BoolArray) -> Voxels:
        """The spaxels in a mask, (ny, nx) or (n,), as columns (nl, number of pixels in the
        mask)."""
        parts = (
            None if part is None else part[:, mask] for part in (self.data, self.variance, self.bad)
        )
        return Voxels(*parts)  # type: ignore[arg-type]

    def minus(self, sky: Measured) -> Voxels:
        """Subtract a spectrum (nl,) from every spaxel and add its variance.

        A channel in which the spectrum has no value becomes bad.
        """
        along = (slice(None), *[None] * (self.data.ndim - 1))
        unknown = np.broadcast_to(~np.isfinite(sky.data)[along], self.data.shape)
        bad = unknown if self.bad is None else unknown | self.bad
        variance = self.variance
        if variance is not None and sky.variance is not None:
            variance = variance + sky.variance[along]
        return Voxels.of(self.data - sky.data[along], variance, bad)


def _zeroed(values: FloatArray, bad: BoolArray) -> FloatArray:
    # Cut-outs hold zeros there already: checking the few bad voxels avoids a copy of all.
    return values if not values[bad].any() else np.where(bad, 0.0, values)


@dataclass(frozen=True)
class CatalogueError:
    """How good the positions of a catalogue are.

    Attributes
    ----------
    offset : (float, float)
        What to add to its positions (y, x), in pixels.
    scatter : float
        Standard deviation along an axis of what is left, in units of `geometry.scale` of a pixel.
    number : int
        How many sources this was measured with; 0: the user's word.
    """

    offset: tuple[float, float]
    scatter: float
    number: int = 0


@dataclass(frozen=True)
class Cutout:
    """Everything that was cut out around one target.

    Attributes
    ----------
    target : Target
        The row of the catalogue.
    voxels : Voxels
        The subcube (nl, ny, nx).
    wave : array (nl,)
        Wavelengths in ``grid.wave_unit``.
    centre : (float, float)
        The catalogue position (y, x) in the cut-out's pixels.
    pixel : (float, float)
        A pixel's size (y, x) in arcsec.
    grid : Grid
        Coordinates and units.
    images, detection : mapping of str to array (ny, nx)
        The images by tag: those used as weights, and those that are segmented; NaN where there is
        no value.
    image_units : mapping of str to str
        Units of the images, by tag.
    segmaps : mapping of str to array (ny, nx)
        The user's segmentation maps by tag; -1 where a map has no pixel.
    degrees : array (2, 2) or None
        Change of right ascension and declination (columns) in degrees from one pixel to the next
        along y and x (rows); None: north is up and east is left.
    neighbours : mapping of ID to (float, float)
        Positions (y, x) of the catalogue's other sources in or near the cut-out, by ID.
    psf : Psf or None
        The point-spread function, with its FWHM in units of `geometry.scale` of ``pixel``.
    catalogue_error : CatalogueError or None
        How good the positions are, for the joint extraction; None if it is not known.
    prefix : str
        What keys of products begin with for the instrument of the cube.
    notes : tuple of str
        What is unusual about the cut-out, one line each.
    """

    target: Target
    voxels: Voxels
    wave: FloatArray
    centre: tuple[float, float]
    pixel: tuple[float, float]
    grid: Grid
    images: Mapping[str, FloatArray] = field(default_factory=dict)
    detection: Mapping[str, FloatArray] = field(default_factory=dict)
    image_units: Mapping[str, str] = field(default_factory=dict)
    segmaps: Mapping[str, IntArray] = field(default_factory=dict)
    degrees: FloatArray | None = None
    neighbours: Mapping[Ident, tuple[float, float]] = field(default_factory=dict)
    psf: Psf | None = None
    catalogue_error: CatalogueError | None = None
    prefix: str = MUSE
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (ny, nx)."""
        _, ny, nx = self.voxels.data.shape
        return ny, nx

    def sky_position(self, y: float, x: float) -> tuple[float, float]:
        """Right ascension and declination in degrees of a position in pixels near the centre."""
        degrees = self.degrees
        if degrees is None:
            dy, dx = self.pixel
            degrees = np.array([[0.0, dy], [-dx / np.cos(np.radians(self.target.dec)), 0.0]]) / 3600
        ra, dec = (self.target.ra, self.target.dec) + np.subtract((y, x), self.centre) @ degrees
        return float(ra % 360), float(dec)

    @property
    def wave_fraction(self) -> FloatArray:
        """Each wavelength's fraction (nl,) of the way from the first (0) to the last (1)."""
        offset = np.abs(self.wave - self.wave[0])
        return np.asarray(offset / max(float(offset[-1]), 1e-300))


@dataclass(frozen=True)
class Product:
    """An array that comes out for a source.

    Attributes
    ----------
    data : array
        A spectrum (nl,), an image, map or mask (ny, nx), or a cube (nl, ny, nx).
    variance : array of the same shape, or None
        Its unit is the square of that of the data.
    unit : str
        As FITS writes it, '' for none.
    power : int
        The data have ``unit`` to this power.
    """

    data: FloatArray | IntArray | BoolArray
    variance: FloatArray | None = None
    unit: str = ''
    power: int = 1


@dataclass(frozen=True)
class Measured(Product):
    """Values with their variance; NaN = no value."""

    data: FloatArray

    @property
    def usable(self) -> BoolArray:
        """Where there is a value, with a positive variance if there are variances."""
        known = np.isfinite(self.data)
        if self.variance is None:
            return known
        with np.errstate(invalid='ignore'):
            return np.asarray(known & np.isfinite(self.variance) & (self.variance > 0))

    @property
    def error(self) -> FloatArray:
        """The standard deviation, for plots and tables; NaN where there is no positive variance."""
        error = np.full(self.data.shape, np.nan)
        if self.variance is not None:
            np.sqrt(self.variance, where=self.variance > 0, out=error)
        return error


@dataclass(frozen=True)
class Segmap(Product):
    """A segmentation map (ny, nx); ``central`` is the label of the source, 0 where the source is
    not in the map."""

    data: IntArray
    central: int = 0


@dataclass(frozen=True)
class Mask(Product):
    """A mask (ny, nx), True inside."""

    data: BoolArray
