"""The datacube with everything that lies on its grid: where its arrays are and what its headers say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray, Grid, IntArray, Psf
from autospec_lib.inputs.fits_arrays import Layer, open_fits, open_layer, readable
from autospec_lib.inputs.images import AlignedImage
from autospec_lib.inputs.noise_kinds import VARIANCE, WORDS, noise_kind
from autospec_lib.inputs.units import squared, standard
from autospec_lib.inputs.wavelengths import OTHER_AXES, WAVE_AXES, WaveAxis, wave_axis


@dataclass(frozen=True)
class OpenCube:
    """An open cube: where its arrays lie, its coordinates, the images and maps on its grid, the PSF in arcsec."""

    data: Layer
    noise: Layer | None
    noise_kind: str
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
        if self.noise is None:
            notes.append(f'{name}: no variance: weights are those of equal noise, and no errors are written')
        elif self.noise_kind != VARIANCE:
            notes.append(f'{name}: {self.noise.name} holds {self.noise_kind}; converted to variance')
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
        whose kind may follow after a colon ('ERRS: sigma').

    Raises
    ------
    InputError
        If there is no such cube in the file, or its coordinates cannot be used.
    """
    if not path.exists():
        raise InputError(f'{path.name}: not found in {path.parent}; set DATACUBE')
    with open_fits(path, 'not a readable FITS cube') as hdus:
        data, noise, quality, settled = _choose(path, hdus, extensions)
        kind = '' if noise is None else settled or _kind(path, hdus, noise, data)
        wcs, axis, grid = _coordinates(path, data)
        remarks = axis.notes + _unused_noise(path, hdus, data, noise)
        header, primary = _without_unit(data.header), hdus[0].header.copy()
        layers = [None if hdu is None else open_layer(path, hdu) for hdu in (data, noise, quality)]
    assert layers[0] is not None
    return OpenCube(layers[0], layers[1], kind, layers[2], header, wcs, axis.wave, grid, primary, remarks)


def _kind(path: Path, hdus: fits.HDUList, noise: Any, data: Any) -> str:
    """What the noise is; raises `InputError` where that cannot be told."""
    found = noise_kind(noise.header, hdus[0].header, data.header)
    if found:
        return found
    unit = str(noise.header.get('BUNIT', '')).strip()
    said = f'BUNIT = {unit!r}' if unit else 'it has no BUNIT'
    raise InputError(
        f'{path.name}: whether {noise.name or "extension"} is variance or sigma cannot be told from its name and unit '
        f"({said}); say it in DATA_EXT, as in DATA_EXT = {data.name!r}, '{noise.name}: variance', or ': sigma', "
        "': inverse variance'"
    )


def _unused_noise(path: Path, hdus: fits.HDUList, data: Any, noise: Any) -> tuple[str, ...]:
    """A line on an extension that looks like the noise of the data, where none is used."""
    if noise is not None:
        return ()
    for hdu in hdus:
        same = hdu is not data and hdu.is_image and hdu.shape == data.shape
        kind = noise_kind(hdu.header, {}, data.header) if same else ''
        if kind:
            return (f'{path.name}: {hdu.name} looks like {kind}; DATA_EXT = {data.name!r}, {hdu.name!r} uses it',)
    return ()


def _choose(path: Path, hdus: fits.HDUList, extensions: tuple[int | str, ...]) -> tuple[Any, Any, Any, str]:
    """The HDUs of data, noise and quality (None = there is none), checked for shape, and the noise's kind if given."""
    listing = ', '.join(hdu.name or 'PRIMARY' for hdu in hdus)
    settled = ''
    if extensions:
        found = [_find(path, hdus, key, listing) for key in extensions]
        data, noise, quality = found[0][0], found[1][0] if len(found) > 1 else None, None
        settled = found[-1][1]
    else:
        by_name = {hdu.name: hdu for hdu in reversed(hdus) if hdu.is_image and hdu.shape}
        data = hdus[0] if len(hdus) == 1 else by_name.get('DATA', by_name.get('SCI'))
        noise, quality = by_name.get('STAT'), by_name.get('DQ')
        if data is None:
            raise InputError(f"{path.name}: no data in extension 'DATA'; extensions are {listing}: set DATA_EXT")
    if not data.is_image or len(data.shape) != 3:
        shape = ' x '.join(str(n) for n in data.shape) if data.is_image and data.shape else 'no array'
        raise InputError(
            f'{path.name}: extension {data.name} holds {shape}; expected three axes (wavelength, y, x): set DATA_EXT'
        )
    for hdu in (noise, quality):
        if hdu is not None and (not hdu.is_image or hdu.shape != data.shape):
            raise InputError(f'{path.name}: extension {hdu.name} has another shape than {data.name}; set DATA_EXT')
    return data, noise, quality, settled


def _find(path: Path, hdus: fits.HDUList, key: int | str, listing: str) -> tuple[Any, str]:
    """The HDU of an entry of DATA_EXT, and the kind of noise that follows its name after a colon ('' = none)."""
    name, _, word = str(key).rpartition(':')
    kind = WORDS.get(' '.join(word.lower().split()), '') if name else ''
    if kind:
        key = int(name) if name.strip().isdigit() else name.strip()
    try:
        return hdus[key], kind
    except (KeyError, IndexError):
        raise InputError(f'{path.name}: no extension {key!r}; extensions are {listing}: set DATA_EXT') from None


def _coordinates(path: Path, hdu: Any) -> tuple[WCS, WaveAxis, Grid]:
    """Celestial WCS, wavelengths and the cards that describe both."""
    header = _without_unit(hdu.header)
    types = [str(header.get(f'CTYPE{axis}', '')).upper() for axis in (1, 2, 3)]
    _check_order(f'{path.name}: axis {{}} of {hdu.name} is {{}}', types)
    axis = wave_axis(path.name, hdu.header, hdu.shape[0])
    with readable(path, 'its WCS cannot be read'):
        wcs = WCS(header).celestial
        invertible = wcs.naxis != 2 or np.linalg.cond(wcs.pixel_scale_matrix) < 1e8
    if wcs.naxis != 2:
        raise InputError(f'{path.name}: no celestial WCS in {hdu.name} (CTYPE1 = {types[0]!r}); expected RA and Dec')
    if not (types[0].startswith('RA--') and types[1].startswith('DEC-')):
        raise InputError(
            f'{path.name}: axes 1 and 2 of {hdu.name} are {types[0]} and {types[1]}; expected RA and Dec in this '
            'order: reproject or transpose the cube'
        )
    if not invertible:
        raise InputError(f'{path.name}: its WCS cannot be used: the CD matrix is singular')
    sky = {card.keyword: card.value for card in wcs.to_header(relax=True).cards}
    unit = standard(str(header.get('BUNIT', '')))
    return wcs, axis, Grid(sky, axis.cards, unit, squared(unit), axis.unit)


def _without_unit(header: fits.Header) -> fits.Header:
    """The header without the wavelengths' unit: wcslib, which is asked for the sky only, refuses some spellings."""
    copy = header.copy()
    copy.remove('CUNIT3', ignore_missing=True)
    return copy


def _check_order(found: str, types: list[str]) -> None:
    """Refuse a cube whose third axis is no wavelength; ``found`` is a text with places for an axis and its type."""
    for axis in (1, 2):
        if types[axis - 1].startswith((*WAVE_AXES, *OTHER_AXES)):
            raise InputError(
                f'{found.format(axis, types[axis - 1])}; expected wavelength on axis 3 and the sky on axes 1 and 2: '
                'transpose the cube'
            )
    if types[2].startswith(OTHER_AXES):
        raise InputError(f'{found.format(3, types[2])}; expected wavelength (WAVE, AWAV): convert the cube')
