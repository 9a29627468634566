"""The open datacube: where its arrays are in the file, what its headers say, and the images and maps on its grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from autospec_lib.core.errors import InputError
from autospec_lib.core.noise_kind import Extension, NoiseKind
from autospec_lib.core.types import FloatArray, Grid, IntArray, Psf
from autospec_lib.inputs.cubes.axis_order import in_order
from autospec_lib.inputs.cubes.beside import open_beside
from autospec_lib.inputs.cubes.extensions import choose, label
from autospec_lib.inputs.cubes.flux_units import flux_unit
from autospec_lib.inputs.cubes.instruments import UNKNOWN, Instrument
from autospec_lib.inputs.cubes.masks import BadWhen
from autospec_lib.inputs.cubes.noise_kinds import Finding
from autospec_lib.inputs.cubes.sky_axes import sky_axes
from autospec_lib.inputs.cubes.wave_tables import find_wave_axis
from autospec_lib.inputs.cubes.wavelengths import WaveAxis
from autospec_lib.inputs.images import AlignedImage
from autospec_lib.inputs.storage.fits_arrays import Layer, open_fits, open_layer


@dataclass(frozen=True)
class Origin:
    """What a cube was recognised as: its instrument's entry in the table, and the header cards that show it.

    ``axis`` describes its wavelengths in words, ``unit`` is BUNIT as the header has it.
    """

    instrument: Instrument = UNKNOWN
    why: str = ''
    axis: str = ''
    unit: str = ''


NOWHERE, ANY_FLAG = Origin(), BadWhen()


@dataclass(frozen=True)
class OpenCube:
    """An open cube: where its arrays are, its coordinates, the images and maps on its grid, the PSF in arcsec.

    Attributes
    ----------
    data, noise, quality : Layer
        The arrays as they are stored; noise and quality are None where there is none.
    noise_kind : NoiseKind or None
    noise_why : str
        How the noise is stored, and how this is known.
    header : Header
        The header of the data without the third axis, in RA and Dec.
    bad_when : BadWhen
        Which values of ``quality`` are bad.
    factor : array (nl,) or None
        The factor by which data are multiplied (variances by its square) to have the unit of ``grid``.
    origin : Origin
        What the cube was recognised as.
    """

    data: Layer
    noise: Layer | None
    noise_kind: NoiseKind | None
    noise_why: str
    quality: Layer | None
    header: fits.Header
    wcs: WCS
    wave: FloatArray
    grid: Grid
    primary: fits.Header
    remarks: tuple[str, ...] = ()
    images: Mapping[str, AlignedImage] = field(default_factory=dict)
    segmaps: Mapping[str, IntArray] = field(default_factory=dict)
    psf: Psf | None = None
    bad_when: BadWhen = ANY_FLAG
    factor: FloatArray | None = None
    origin: Origin = NOWHERE

    @property
    def instrument(self) -> Instrument:
        """The entry in the table of instruments; its ``prefix`` begins the names of products."""
        return self.origin.instrument

    @property
    def recognised(self) -> str:
        """One line on what the cube was recognised as, and why."""
        name, why = self.instrument.name, self.origin.why
        parts = [self.data.name]
        if self.noise is not None:
            parts.append(f'{self.noise.name} ({self.noise_kind}, {self.noise_why})')
        if self.quality is not None:
            parts.append(f'{self.quality.name} ({self.bad_when.words})')
        if self.origin.unit and self.origin.unit != self.grid.unit:
            parts.append(f'BUNIT {self.origin.unit!r}')
        begin = f'{name} ({why})' if name and why else name or why or 'by the names of its extensions'
        return f'{begin}: {", ".join(parts)}, wavelengths {self.origin.axis}'

    @property
    def notes(self) -> list[str]:
        """Warnings on this cube, one line each."""
        name = self.data.path.name
        notes = list(self.remarks)
        if not self.grid.unit:
            notes.append(f'{name}: no unit (BUNIT); spectra have none either')
        loaded = sum(layer.values.nbytes for layer in self.layers if layer.values is not None)
        if loaded:
            notes.append(f'{name}: compressed; {loaded / 1e6:.0f} MB of memory hold it; decompress it to need less')
        return notes

    @property
    def layers(self) -> list[Layer]:
        """The arrays that are there."""
        return [layer for layer in (self.data, self.noise, self.quality) if layer is not None]

    @property
    def beside(self) -> list[Path]:
        """Files with noise and mask, if these are not in the file with the data."""
        return [layer.path for layer in self.layers if layer.path != self.data.path]

    @property
    def pixel(self) -> tuple[float, float]:
        """A pixel's size (y, x) in arcsec."""
        x, y = proj_plane_pixel_scales(self.wcs)
        return 3600 * float(y), 3600 * float(x)


def open_cube(path: Path, extensions: tuple[Extension, ...] = ()) -> OpenCube:
    """Open a datacube without reading its arrays.

    Parameters
    ----------
    path : Path
        FITS file.
    extensions : tuple of Extension
        () = what the table of instruments, or the names of the extensions, say; or up to three: data, noise, mask.

    Raises
    ------
    InputError
        If there is no such cube in the file, or its coordinates cannot be used.
    """
    if not path.exists():
        raise InputError(f'{path.name}: not found in {path.parent}; set DATACUBE')
    with open_fits(path, 'not a readable FITS cube') as hdus:
        found = choose(path, hdus, extensions)
        name = label(hdus, found.data)
        order = in_order(path.name, name, found.data.header, found.data.shape)
        sky = sky_axes(path, name, order.header, order.shape)
        axis = find_wave_axis(path, hdus, order.header, order.shape[0])
        response = None if found.response is None else found.response.header
        unit = flux_unit(path.name, order.header, found.instrument, sky.wcs, response)
        data, noise, mask = (
            None if hdu is None else replace(open_layer(path, hdu, order.axes), name=label(hdus, hdu))
            for hdu in found.chosen
        )
        factor = _factor(path, found.response, unit.factor, len(axis.wave))
        primary = hdus[0].header.copy()
    assert data is not None
    kind, lack = found.noise_kind, found.lack
    if noise is None and not extensions:
        other = open_beside(path, found.instrument, found.data.shape, order.axes)
        noise, mask = other.noise, mask or other.mask
        if noise is not None:
            kind, lack = Finding(NoiseKind.VARIANCE, 'beside the data'), ''
    medium = axis.medium or 'whether in air or vacuum is not known'
    return OpenCube(
        data=data,
        noise=noise,
        noise_kind=kind.kind,
        noise_why=kind.why,
        quality=mask,
        header=sky.header,
        wcs=sky.wcs,
        wave=axis.wave,
        grid=_grid(sky.wcs, axis, unit.text),
        primary=primary,
        remarks=tuple(filter(None, (order.note, sky.note, *axis.notes, *unit.notes, *found.remarks, lack))),
        bad_when=found.bad,
        factor=factor,
        origin=Origin(found.instrument, found.why, f'{axis.spacing}, {medium}', unit.own),
    )


def _grid(wcs: WCS, axis: WaveAxis, unit: str) -> Grid:
    """The coordinates and units of cut-outs."""
    sky = {card.keyword: card.value for card in wcs.to_header(relax=True).cards}
    return Grid(sky, axis.cards, unit, axis.unit, axis.medium)


def _factor(path: Path, response: Any, factor: float, length: int) -> FloatArray | None:
    """What to multiply the data by at each wavelength (nl,), None for 1."""
    if response is None:
        return None if factor == 1 else np.full(length, factor)
    if response.shape != (length,):
        raise InputError(
            f'{path.name}: {response.name} has {response.shape} values for {length} wavelengths; correct it, or remove '
            'it to keep counts'
        )
    return np.asarray(response.data, np.float64) * factor
