"""The datacube with everything that lies on its grid: where its arrays are and what its headers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray, Grid, IntArray, Psf
from autospec_lib.inputs.axis_order import in_order
from autospec_lib.inputs.extensions import choose, label
from autospec_lib.inputs.fits_arrays import Layer, open_fits, open_layer
from autospec_lib.inputs.images import AlignedImage
from autospec_lib.inputs.sky_axes import SkyAxes, sky_axes
from autospec_lib.inputs.units import squared, standard
from autospec_lib.inputs.wavelengths import WaveAxis, wave_axis


@dataclass(frozen=True)
class OpenCube:
    """An open cube: where its arrays lie, its coordinates, the images and maps on its grid, the PSF in arcsec.

    ``noise_why`` says what the kind of noise follows from, ``header`` is that of the data without the third axis, in
    RA and Dec.
    """

    data: Layer
    noise: Layer | None
    noise_kind: str
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

    @property
    def notes(self) -> list[str]:
        """What the user should know of this cube, one line each."""
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
    def pixel(self) -> tuple[float, float]:
        """A pixel's size (y, x) in arcsec."""
        x, y = proj_plane_pixel_scales(self.wcs)
        return 3600 * float(y), 3600 * float(x)


def open_cube(path: Path, extensions: tuple[int | str, ...] = ()) -> OpenCube:
    """Open a datacube without reading its arrays.

    Parameters
    ----------
    path : Path
        FITS file.
    extensions : tuple
        () = MUSE layout (DATA, or SCI, or the only one; STAT; DQ); one extension for the data; or two, data and noise,
        whose kind may follow after a colon ('ERR2: sigma').

    Raises
    ------
    InputError
        If there is no such cube in the file, or its coordinates cannot be used.
    """
    if not path.exists():
        raise InputError(f'{path.name}: not found in {path.parent}; set DATACUBE')
    with open_fits(path, 'not a readable FITS cube') as hdus:
        found = choose(path, hdus, extensions)
        name, primary = label(hdus, found.data), hdus[0].header.copy()
        order = in_order(path.name, name, found.data.header, found.data.shape)
        sky = sky_axes(path, name, order.header, order.shape)
        axis = wave_axis(path.name, order.header, order.shape[0])
        layers = [_layer(path, hdu, label(hdus, hdu), order.axes) if hdu is not None else None for hdu in found.chosen]
    assert layers[0] is not None
    return OpenCube(
        data=layers[0],
        noise=layers[1],
        noise_kind=found.noise_kind,
        noise_why=found.noise_why,
        quality=layers[2],
        header=sky.header,
        wcs=sky.wcs,
        wave=axis.wave,
        grid=_grid(sky, axis, order.header),
        primary=primary,
        remarks=(*filter(None, (order.note, sky.note)), *axis.notes, *found.remarks),
    )


def _layer(path: Path, hdu: Any, name: str, axes: tuple[int, ...]) -> Layer:
    return replace(open_layer(path, hdu, axes), name=name)


def _grid(sky: SkyAxes, axis: WaveAxis, header: Mapping[str, Any]) -> Grid:
    """The cards that describe coordinates, wavelengths and units."""
    cards = {card.keyword: card.value for card in sky.wcs.to_header(relax=True).cards}
    unit = standard(str(header.get('BUNIT', '')))
    return Grid(cards, axis.cards, unit, squared(unit), axis.unit)
