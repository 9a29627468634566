"""The open datacube, and what is cut out of it: degrees, arcsec, headers and files end here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy import units
from astropy.coordinates import angular_separation
from astropy.io import fits
from scipy import ndimage

from autospec_lib.core import geometry
from autospec_lib.core.errors import InputError, SourceError
from autospec_lib.core.noise_kind import ZERO_IS_BAD, Extension, NoiseKind
from autospec_lib.core.types import BoolArray, Cutout, FloatArray, Grid, Ident, IntArray, Psf, Target, Voxels
from autospec_lib.inputs.arrays import ALL, StoredArray, open_array, open_fits, readable, scaling
from autospec_lib.inputs.catalogue import Catalogue
from autospec_lib.inputs.coordinates import (
    OF_AXES,
    Sky,
    arranged,
    array_axes,
    axis_type,
    check_separable,
    contradictions,
    header_of_axes,
    open_sky,
)
from autospec_lib.inputs.extensions import Extensions, FlagRule, Layer, choose, label, stored_part
from autospec_lib.inputs.images import AlignedImage
from autospec_lib.inputs.instruments import Instrument
from autospec_lib.inputs.units import FluxUnit, flux_unit, line_unit
from autospec_lib.inputs.wavelengths import SAME_TO, WaveAxis, wave_axis

Box = tuple[slice, slice]

REACH = 1.0  # arcsec; the light of a source that is farther from the data does not reach them
SAME_PIXEL = 0.1  # pixels by which the sky of noise and flags may differ from that of the data
NEAR = 12  # pixels; sources of the catalogue that are this close to a subcube may have light in it
# A value that more than this share of the voxels repeat exactly is no measurement if it is this many times as common
# as the third most common value.
MOST_REPEATED, MORE_COMMON = 0.003, 3
FEW_VALUES = 0.02  # share of the data that the third most common value has at least if they have few values
FEWEST_VALUES = 4  # different ones, below which nothing is known of fill values
BY_CHANCE = 0.01  # number of spaxels that are constant by chance, above which such spaxels are data
GAP = 10  # between a fill value and the data, in steps of data that have few values
SAMPLE_BYTES, MOST_BYTES = 2**25, 2**26  # of channels from which the field is judged before a run
SAMPLE_SIZE, FEWEST_REPEATS = 4000, 3  # voxels in which repeated values are looked for
FEWEST_CHANNELS = 5  # with fewer channels, a spaxel may be constant by chance
SMALLEST, FEWEST_SPAXELS = 3, 36  # along a side, and in all; in a smaller subcube there is hardly any sky
NOTED_SHARE = 0.001  # of voxels that an array makes bad, below which it is not named


@dataclass(frozen=True)
class OpenCube:
    """An open cube: where its arrays are, its coordinates, the images and maps on its grid, the PSF in arcsec.

    Attributes
    ----------
    data, noise, flags : StoredArray
        The arrays as they are stored; noise and flags are None where there are none.
    noise_kind : NoiseKind
        How the noise is stored.
    flag_rule : FlagRule
        Which flags are bad.
    entries : tuple of int or str
        What DATA_EXT is to be to name data, noise and flags, '' for none.
    factor : array (nl,) or None
        The factor by which data are multiplied (variances by its square) to have the unit of ``grid``; None for 1.
    sky : Sky
        Coordinates on the sky, in the cube's own frame.
    wave : array (nl,)
        Wavelengths in the unit of ``grid``.
    grid : Grid
        Coordinates and units as they are written to files.
    instrument : Instrument
        The entry in the table of instruments; its ``prefix`` begins the names of products.
    recognised, noise_text : str
        One line on what the cube was recognised as and why, and a few words on its noise.
    primary : Header
        The file's first header.
    notes : tuple of str
        Warnings, one line each.
    images, segmaps : mapping
        The user's images and segmentation maps on the cube's grid, by tag.
    psf : Psf or None
        The point-spread function in arcsec.
    """

    data: StoredArray
    noise: StoredArray | None
    flags: StoredArray | None
    noise_kind: NoiseKind
    flag_rule: FlagRule
    entries: tuple[int | str, ...]
    factor: FloatArray | None
    sky: Sky
    wave: FloatArray
    grid: Grid
    instrument: Instrument
    recognised: str
    noise_text: str
    primary: fits.Header
    notes: tuple[str, ...] = ()
    images: Mapping[str, AlignedImage] = field(default_factory=dict)
    segmaps: Mapping[str, IntArray] = field(default_factory=dict)
    psf: Psf | None = None

    @property
    def arrays(self) -> list[StoredArray]:
        """The arrays that are there."""
        return [array for array in (self.data, self.noise, self.flags) if array is not None]

    @property
    def beside(self) -> list[Path]:
        """Files with noise and flags, if these are not in the file with the data."""
        return [array.path for array in self.arrays if array.path != self.data.path]

    @property
    def shape(self) -> tuple[int, int]:
        """Spaxels (ny, nx)."""
        return self.data.shape[1:]

    @property
    def pixel(self) -> tuple[float, float]:
        """A spaxel's size (y, x) in arcsec."""
        return self.sky.pixel


def open_cube(path: Path, entries: Sequence[Extension] = ()) -> OpenCube:
    """Open a datacube without reading its arrays.

    Parameters
    ----------
    path : Path
        FITS file.
    entries : sequence of Extension
        The parameter DATA_EXT: () = what the table of instruments, or the names of the extensions, say; or up to three:
        data, noise and flags.

    Raises
    ------
    InputError
        If there is no such cube in the file, or its coordinates cannot be used.
    """
    if not path.exists():
        raise InputError(f'{path.name}: not found in {path.parent}; set DATACUBE')
    with ExitStack() as files:
        hdus = files.enter_context(open_fits(path, 'not a readable FITS cube'))
        extensions = choose(path, hdus, entries, files)
        name, stored = label(hdus, extensions.data), extensions.data
        axes = extensions.axes
        order = array_axes(axes, len(stored.shape))
        length, ny, nx = (stored.shape[axis] for axis in order)
        header = header_of_axes(stored.header, axes)
        check_separable(path, name, header, (length, ny, nx))
        sky = open_sky(path, name, header_of_axes(header, (1, 2)))
        axis = wave_axis(path, hdus, header, length)
        response = extensions.response
        unit = flux_unit(
            path.name, header, extensions.instrument, sky.wcs, None if response is None else response.header
        )
        data = open_array(path, name, stored, order)
        layers = extensions.noise, extensions.flags
        noise, flags = (None if layer is None else _stored(layer, stored.shape, axes) for layer in layers)
        grids = []
        for layer in filter(None, layers):
            if layer.hdu.shape == stored.shape and _coordinates(layer.hdu) - _coordinates(stored):
                with suppress(InputError):  # coordinates of its own that cannot be used say nothing
                    own = header_of_axes(layer.hdu.header, axes)
                    own_axis = wave_axis(path, hdus, own, length)
                    own_sky = open_sky(path, layer.name, header_of_axes(own, (1, 2)))
                    grids += _differences(data, layer.name, (axis, own_axis), (sky, own_sky))
        factor = _factor(path, response, unit.factor, length)
        primary = hdus[0].header.copy()
    notes = [f'{path.name}: {note}' for note in contradictions(name, stored.header)]
    notes += [*sky.notes, *axis.notes, *unit.notes, *extensions.warnings, *grids]
    if list(axes) != sorted(axes):
        types = ', '.join(axis_type(header, number) or 'wavelength' for number in (1, 2, 3))
        notes.insert(0, f'{path.name}: the axes of {name} are brought into the order {types}')
    if not unit.text:
        notes.append(f'{path.name}: no unit (BUNIT); spectra have none either')
    loaded = sum(array.in_memory for array in (data, noise, flags) if array is not None)
    if loaded:
        notes.append(f'{path.name}: compressed; {loaded / 1e6:.0f} MB of memory hold it; decompress it to need less')
    spacing = f'{axis.spacing}, {axis.medium or "whether in air or vacuum is not known"}'
    return OpenCube(
        data,
        noise,
        flags,
        extensions.noise_kind,
        extensions.flag_rule,
        extensions.entries,
        factor,
        sky,
        axis.wave,
        Grid(sky.cards(), axis.cards, unit.text, axis.unit, axis.medium, *line_unit(unit.text)),
        extensions.instrument,
        _recognised(extensions, (data, noise, flags), unit, spacing),
        f'{extensions.noise_kind} in {noise.name} ({extensions.noise_why})' if noise else 'no variance',
        primary,
        tuple(notes),
    )


def _coordinates(hdu: Any) -> set[tuple[str, Any]]:
    """The cards of an extension's axes."""
    return {(card, hdu.header[card]) for card in filter(OF_AXES.fullmatch, hdu.header)}


def _differences(data: StoredArray, name: str, axes: tuple[WaveAxis, WaveAxis], skies: tuple[Sky, Sky]) -> list[str]:
    """A warning if the own header of noise or flags places them elsewhere than the data, else none.

    Parameters
    ----------
    data : StoredArray
        The data.
    name : str
        The extension of the noise or flags.
    axes, skies : (WaveAxis, WaveAxis), (Sky, Sky)
        The coordinates of the data and those of the other array.
    """
    problems = []
    axis, own = axes
    off = np.abs(own.wave * units.Unit(own.unit).to(axis.unit) - axis.wave)
    if off.max() > SAME_TO * np.abs(np.diff(axis.wave)).min(initial=np.inf):
        ranges = [f'{one.wave[0]:.6g} to {one.wave[-1]:.6g} {one.unit}' for one in axes]
        problems.append(f'its wavelengths are {ranges[1]}, those of {data.name} {ranges[0]}')
    y, x = np.meshgrid(*((0, length - 1) for length in data.shape[1:]), indexing='ij')
    off = np.abs(np.array(skies[0].to_pixels(*skies[1].to_icrs(y, x))) - (y, x)).max()
    if not off < SAME_PIXEL:
        problems.append(f'its spaxels lie up to {off:.2g} pixels from those of {data.name} on the sky')
    if not problems:
        return []
    way_out = f'resample it if its header is right, or leave {name} out with DATA_EXT'
    what = f'{name} is on another grid: {"; ".join(problems)}; it is used voxel by voxel'
    return [f'{data.path.name}: {what}: {way_out}']


def _stored(layer: Layer, data_shape: tuple[int, ...], axes: tuple[int, ...]) -> StoredArray:
    """The array of noise or flags in a file; one with fewer axes than the data is spread over the missing ones.

    Parameters
    ----------
    layer : Layer
        The extension.
    data_shape : tuple of int
        The shape of the stored data.
    axes : tuple of int
        The data's FITS axes of longitude, latitude and wavelength.
    """
    hdu, order = layer.hdu, array_axes(axes, len(data_shape))
    if hdu.shape == data_shape:
        array = open_array(layer.path, layer.name, hdu, order)
    else:
        part = stored_part(hdu.shape, data_shape, axes)
        # The axes that are missing get length 1.
        shape = [length if axis in part else 1 for axis, length in enumerate(data_shape)]
        nl, ny, nx = (data_shape[axis] for axis in order)
        values = np.broadcast_to(arranged(np.reshape(hdu.data, shape), axes), (nl, ny, nx))
        array = StoredArray(layer.path, layer.name, (nl, ny, nx), values.dtype, 0, *scaling(hdu.header), values=values)
    return replace(array, scale=layer.scale * array.scale, zero=layer.scale * array.zero)


def _recognised(
    extensions: Extensions,
    arrays: tuple[StoredArray, StoredArray | None, StoredArray | None],
    unit: FluxUnit,
    axis: str,
) -> str:
    """One line on what the cube was recognised as, and why; ``axis`` describes its wavelengths."""
    data, noise, flags = arrays
    parts = [data.name]
    if noise is not None:
        parts.append(f'{noise.name} ({extensions.noise_kind}, {extensions.noise_why})')
    if flags is not None:
        parts.append(f'{flags.name} ({extensions.flag_rule})')
    if unit.own and unit.own != unit.text:
        parts.append(f'BUNIT {unit.own!r}')
    name, why = extensions.instrument.name, extensions.why
    start = f'{name} ({why})' if name and why else name or why or 'by the names of its extensions'
    return f'{start}: {", ".join(parts)}, wavelengths {axis}'


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


# --- Positions ---


def positions(cube: OpenCube, targets: Sequence[Target]) -> FloatArray:
    """The targets' positions (n, 2), as (y, x) in the cube's pixels; NaN where there is no pixel.

    All are computed at once: one at a time, those of a survey's catalogue take minutes.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    targets : sequence of Target
        The n sources.
    """
    return _in_pixels(cube, *_degrees(targets))


def _degrees(targets: Sequence[Target]) -> FloatArray:
    """Right ascensions and declinations (2, n)."""
    return np.array([(target.ra, target.dec) for target in targets]).T


def _in_pixels(cube: OpenCube, ra: FloatArray, dec: FloatArray) -> FloatArray:
    """Positions (n, 2), as (y, x) in the cube's pixels, of degrees."""
    with readable(cube.data.path, 'its WCS has no pixels for the positions of the catalogue'):
        return np.stack(cube.sky.to_pixels(ra, dec), axis=-1)


def covers(cube: OpenCube, places: FloatArray, margin: float = 0.0) -> BoolArray:
    """Which positions lie in the field.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    places : array (n, 2)
        Positions (y, x) in pixels.
    margin : float
        How many pixels beyond the edge of the field count as in it.
    """
    edge = margin + 0.5
    y, x = places.T
    ny, nx = cube.shape
    inside: BoolArray = (y >= -edge) & (y <= ny - 1 + edge) & (x >= -edge) & (x <= nx - 1 + edge)
    return inside


def locate(cube: OpenCube, target: Target) -> tuple[float, float]:
    """The target's position (y, x) in the cube's pixels.

    Raises
    ------
    SourceError
        If it lies outside the cube.
    """
    places = positions(cube, [target])
    if not covers(cube, places).all():
        raise SourceError(f'{how_far(distances(cube, [target])[0])} outside the cube; skipped')
    y, x = places[0].tolist()
    return y, x


def distances(cube: OpenCube, targets: Sequence[Target]) -> FloatArray:
    """The distances (n,) of targets outside the cube from the nearest spaxel, in degrees.

    They are angles on the sky: far from the field, distances in pixels grow without limit. Targets without a pixel have
    the distance from the centre of the field.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    targets : sequence of Target
        The n sources.
    """
    places = positions(cube, targets)
    ends = np.array(cube.shape) - 0.5
    nearest = np.clip(np.where(np.isfinite(places), places, ends / 2), -0.5, ends)
    ra, dec = np.radians(_degrees(targets))
    angles = angular_separation(ra, dec, *np.radians(cube.sky.to_icrs(*nearest.T)))
    return np.asarray(np.degrees(angles), np.float64)


def how_far(degrees: float) -> str:
    """A distance in words."""
    if degrees >= 1:
        return f'{degrees:.1f} degrees'
    return f'{3600 * degrees:.1f} arcsec' if degrees > 0.05 / 3600 else 'less than 0.1 arcsec'


def field_text(cube: OpenCube) -> str:
    """The field in words: its centre and its corners in degrees, from the first spaxel on around the field."""
    shares = np.array([(0.5, 0.5), (0, 0), (0, 1), (1, 1), (1, 0)])
    places = shares * cube.shape - 0.5
    centre, *corners = (f'{ra:.5f} {dec:+.5f}' for ra, dec in np.transpose(cube.sky.to_icrs(*places.T)))
    return f'centre at RA Dec {centre}, corners at {", ".join(corners)}'


def other_reading(cube: OpenCube, targets: Sequence[Target]) -> str:
    """What other coordinates would put targets inside, none of which lies in the field, and what to do; '' for none.

    Pixels count only if at least half of the targets are inside and they spread over some spaxels: most positions in
    degrees are valid pixels, but those of one survey are all in a few of them.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    targets : sequence of Target
        The sources outside the field.
    """
    ra, dec = _degrees(targets)
    pixels = np.stack([dec, ra], axis=-1) - 1
    spread = len(targets) > 2 and (np.ptp(pixels, axis=0) > NEAR).all()
    readings = {
        'RA in hours': (covers(cube, _in_pixels(cube, 15 * ra, dec)), 'name its column RA(h)'),
        'RA and Dec swapped': (
            covers(cube, _in_pixels(cube, dec % 360, np.where(abs(ra) > 90, np.nan, ra))),
            'name the columns in a first line, ID DEC RA',
        ),
        'pixels': (covers(cube, pixels), 'name the columns ID X_IMAGE Y_IMAGE; the first pixel is 1'),
    }
    numbers = {reading: int(inside.sum()) for reading, (inside, _) in readings.items()}
    if not spread or numbers['pixels'] < len(targets) / 2:
        numbers['pixels'] = 0
    best = max(numbers, key=lambda reading: numbers[reading])
    if not numbers[best]:
        return ''
    return f'taken as {best}, {numbers[best]} would lie inside: {readings[best][1]}'


def placed(cube: OpenCube, catalogue: Catalogue) -> list[Target]:
    """The catalogue's targets, with pixels of this cube converted to degrees and arcsec.

    For sizes and radii, a pixel is the side of a square with the area of a spaxel.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    catalogue : Catalogue
        The catalogue.
    """
    if not catalogue.pixels:
        return catalogue.targets
    scale = geometry.scale(cube.pixel)
    in_pixels = [catalogue.pixels.get(target.id, {}) for target in catalogue.targets]
    places = np.array([(pixels.get('Y', np.nan), pixels.get('X', np.nan)) for pixels in in_pixels])
    targets = []
    for target, pixels, (ra, dec) in zip(
        catalogue.targets, in_pixels, np.transpose(cube.sky.to_icrs(*places.T)).tolist(), strict=True
    ):
        if 'X' in pixels:
            target = replace(target, ra=ra, dec=dec)
        if 'SIZE_PIX' in pixels:
            target = replace(target, size=pixels['SIZE_PIX'] * scale)
        if 'APER_PIX' in pixels:
            target = replace(target, aper=pixels['APER_PIX'] * scale)
        targets.append(target)
    return targets


# --- Cut-outs ---


def cut(cube: OpenCube, target: Target, sources: Mapping[Ident, tuple[float, float]] | None = None) -> Cutout:
    """Cut out everything around one target, padded with bad voxels beyond the field's edge.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    target : Target
        The row of the catalogue.
    sources : mapping of ID to (float, float), optional
        The catalogue's `positions`, from which the cut-out's neighbours are taken.

    Raises
    ------
    SourceError
        If the position lies outside the cube, or no voxel around it is usable.
    InputError
        If the cube's file cannot be read any more.
    """
    y, x = locate(cube, target)
    box, notes = box_of(cube, target, (y, x))
    inner = inside(cube, box)
    ys, xs = box
    pad = [(i.start - s.start, s.stop - i.stop) for i, s in zip(inner, box, strict=True)]

    def padded(values: Any, fill: float) -> Any:
        return np.pad(values, [(0, 0)] * (values.ndim - 2) + pad, constant_values=fill) if np.any(pad) else values

    data, variance, bad, more, causes = _read(cube, *inner)
    if bad.all():
        raise SourceError(f'no usable voxel in its subcube: {why_unusable(cube, causes)}')
    sky = dict(cube.grid.sky)
    sky['CRPIX1'], sky['CRPIX2'] = sky.get('CRPIX1', 0.0) - xs.start, sky.get('CRPIX2', 0.0) - ys.start
    scale = geometry.scale(cube.pixel)
    return Cutout(
        target=target,
        voxels=Voxels.of(padded(data, 0.0), None if variance is None else padded(variance, 0.0), padded(bad, True)),
        wave=cube.wave,
        centre=(y - ys.start, x - xs.start),
        pixel=cube.pixel,
        grid=replace(cube.grid, sky=sky),
        images={tag: padded(image.data[inner], np.nan) for tag, image in cube.images.items()},
        detection={
            tag: padded(image.on_grid(inner), np.nan) for tag, image in cube.images.items() if image.is_segmented
        },
        image_units={tag: image.unit for tag, image in cube.images.items()},
        segmaps={tag: padded(segmap[inner], 0) for tag, segmap in cube.segmaps.items()},
        degrees=cube.sky.degrees_per_pixel((y, x)),
        neighbours={
            ident: (row - ys.start, column - xs.start)
            for ident, (row, column) in (sources or {}).items()
            if ident != target.id
            and ys.start - NEAR <= row < ys.stop + NEAR
            and xs.start - NEAR <= column < xs.stop + NEAR
        },
        prefix=cube.instrument.prefix,
        psf=None if cube.psf is None else replace(cube.psf, widths=tuple(width / scale for width in cube.psf.widths)),
        notes=(*notes, *more),
    )


@dataclass(frozen=True)
class Sample:
    """The whole field in some channels.

    Attributes
    ----------
    voxels : Voxels
        The voxels (number of channels, ny, nx).
    why : str
        Which arrays make voxels bad, in words; '' for none.
    """

    voxels: Voxels
    why: str

    @property
    def usable(self) -> str:
        """Which share of the voxels can be used, and why not all, in words; '' where no array is named."""
        share = self.voxels.good.mean()
        return self.why and f'of those in {len(self.voxels.data)} channels {share:.1%} are usable: {self.why}'


def sample(cube: OpenCube) -> Sample | None:
    """Read evenly spaced channels, as many as `SAMPLE_BYTES` hold, but at least `FEWEST_CHANNELS`.

    None where this needs much time or memory: in a large cube whose first axis is not wavelength, all of which would be
    read, or in a field so wide that a few channels are many times as large.

    Raises
    ------
    InputError
        If the cube's file cannot be read any more.
    """
    nl, ny, nx = cube.data.shape
    size = sum(array.nbytes for array in cube.arrays)
    step = nl // min(max(nl * SAMPLE_BYTES // size, FEWEST_CHANNELS), nl)
    if cube.data.values is None and cube.data.order[0] != 0:
        step = 1
    if size // step > MOST_BYTES:
        return None
    data, variance, bad, _, causes = _read(cube, slice(0, ny), slice(0, nx), slice(nl % step // 2, nl, step))
    return Sample(Voxels.of(data, variance, bad), why_unusable(cube, causes))


def off_data(cube: OpenCube, blank: BoolArray, places: FloatArray) -> BoolArray:
    """Which positions (n, 2) in pixels (y, x) lie in the field, but more than `REACH` from its part that has data.

    This part has straight edges that are inclined to the pixels if the field was rotated. Holes in it do not count.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    blank : array of bool (ny, nx)
        The spaxels without a usable voxel.
    places : array (n, 2)
        The positions.
    """
    regions, _ = ndimage.label(blank)
    edges = (regions[0], regions[-1], regions[:, 0], regions[:, -1])
    beyond = blank & np.isin(regions, np.concatenate(edges))
    apart = ndimage.distance_transform_edt(beyond, sampling=cube.pixel)  # arcsec
    result = covers(cube, places)
    y, x = np.rint(places[result]).astype(int).clip(0, np.subtract(cube.shape, 1)).T
    result[result] = apart[y, x] > REACH
    return result


def box_of(cube: OpenCube, target: Target, centre: tuple[float, float]) -> tuple[Box, tuple[str, ...]]:
    """The box (ys, xs) to cut out around a source, and notes on its size.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    target : Target
        The source, which has the size in arcsec.
    centre : (float, float)
        Its position (y, x) in pixels.
    """
    ny, nx = cube.shape
    box = geometry.box_around(centre, target.size, cube.pixel)
    height, width = (s.stop - s.start for s in box)
    if height >= 2 * ny and width >= 2 * nx:
        # It holds the whole cube wherever the source lies; padding beyond would only cost memory.
        return (slice(0, ny), slice(0, nx)), (f'SIZE = {target.size:g} is larger than the cube: all of it is used',)
    if min(height, width) < SMALLEST or height * width < FEWEST_SPAXELS:
        return box, (f'SIZE = {target.size:g} gives a subcube of only {height} x {width} spaxels',)
    return box, ()


def inside(cube: OpenCube, box: Box) -> Box:
    """The part of a box that lies in the field."""
    ys, xs = (slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, cube.shape, strict=True))
    return ys, xs


class _Box(NamedTuple):
    """What is read of a box (nl, ny, nx).

    Attributes
    ----------
    data, variance, bad : array or None
        As in `Voxels`, but ``bad`` is never None.
    notes : tuple of str
        What is unusual, one line each.
    causes : mapping of str to float
        The share of voxels that 'data', 'mask' and 'noise' make bad, of those that are there.
    """

    data: FloatArray
    variance: FloatArray | None
    bad: BoolArray
    notes: tuple[str, ...]
    causes: Mapping[str, float]


def _read(cube: OpenCube, ys: slice, xs: slice, channels: slice = ALL) -> _Box:
    """Read a box.

    Voxels that are not finite, flagged, without positive variance, or filled (see `_mark_filled`) are bad; they hold 0.
    """
    factor = None if cube.factor is None else cube.factor[channels, None, None]
    data = cube.data.read(ys, xs, channels)
    if factor is not None:
        data *= factor
    bad = ~np.isfinite(data)
    causes = {'data': np.count_nonzero(bad) / bad.size}
    if cube.flags is not None:
        flagged = cube.flags.are_set(ys, xs, channels, cube.flag_rule.bits) != cube.flag_rule.zero_is_bad
        causes['mask'] = np.count_nonzero(flagged) / bad.size
        bad |= flagged
    variance = None
    if cube.noise is not None:
        variance = cube.noise.read(ys, xs, channels)
        with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
            if cube.noise_kind.inverse:
                variance = 1 / variance
            if not cube.noise_kind.squared:
                variance = np.where(variance > 0, variance**2, np.nan)
            if factor is not None:
                variance = variance * factor**2
        without = ~(variance > 0) | (variance == np.inf)
        causes['noise'] = np.count_nonzero(without) / bad.size
        bad |= without
    notes = _mark_filled(data, bad)
    data[bad] = 0.0
    if variance is not None:
        variance[bad] = 0.0
    return _Box(data, variance, bad, notes, causes)


def why_unusable(cube: OpenCube, causes: Mapping[str, float]) -> str:
    """Which arrays make voxels bad, in words; '' for none. If one marks all of them, the way out follows.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    causes : mapping of str to float
        See `_Box`.
    """
    words = [(cube.data, 'data', '{} is not finite in {}')]
    words += [] if cube.flags is None else [(cube.flags, 'mask', '{} marks {} ' + f'({cube.flag_rule})')]
    words += [] if cube.noise is None else [(cube.noise, 'noise', '{} is not above 0 in {}')]
    worst = max(causes.values())
    parts = []
    for array, role, text in words:
        if worst == 1 == causes[role]:
            parts.append(text.format(array.name, 'all of them'))
        elif worst < 1 and causes[role] >= NOTED_SHARE:
            parts.append(text.format(array.name, f'{causes[role]:.1%}'))
    data, noise, mask = cube.entries
    if causes.get('mask') == 1 and mask and not cube.flag_rule.zero_is_bad:
        parts.append(f"if 0 is bad in it, set DATA_EXT = {data!r}, {noise!r}, '{mask}: {ZERO_IS_BAD}'")
    elif causes.get('noise') == 1:
        parts.append(f"name other noise in DATA_EXT, or none: DATA_EXT = {data!r}, ''")
    return '; '.join(parts)


def _mark_filled(data: FloatArray, bad: BoolArray) -> tuple[str, ...]:
    """Mark voxels that hold a number where there are no data as bad, in place; return a note if there are any.

    They are spaxels that are constant along the wavelength, unless this is by chance, as 0 in counts, and values that
    are repeated exactly (see `_fill_values`). Where no spaxel varies nothing is known of this.

    Parameters
    ----------
    data : array (nl, ny, nx)
        As read.
    bad : array of bool (nl, ny, nx)
        Changed.
    """
    varying = (data != data[0]).any(axis=0)
    if len(data) < FEWEST_CHANNELS or not varying.any():
        return ()
    stride = max(1, data.size // SAMPLE_SIZE) | 1  # odd, so that not every second column is left out
    places = np.arange(0, data.size, stride)
    places = places[varying.ravel()[places % varying.size] & ~bad.ravel()[places]]
    values, counts = np.unique(data.ravel()[places], return_counts=True)
    shares = dict(zip(values, counts / max(len(places), 1), strict=True))
    constant = ~varying
    constant[constant] = [
        varying.sum() * shares.get(value, 0.0) ** len(data) < BY_CHANCE for value in data[0, constant]
    ]
    filled = (constant | np.isin(data, _fill_values(values, counts.astype(float)))) & ~bad
    number = int(filled.sum())
    if not number:
        return ()
    bad |= filled
    share = f'{number / data.size:.1%}'
    return (f'{number} voxels ({share}) repeat one value, as where there are no data; they are not used',)


def _fill_values(values: FloatArray, counts: FloatArray) -> FloatArray:
    """The values that stand for no data.

    They are repeated far more often than all but one other value. Where the data have few values, as integers and
    counts do, they lie apart from these instead.

    Parameters
    ----------
    values : array (n,)
        The different values of voxels, in ascending order.
    counts : array (n,)
        How many voxels have them.
    """
    if len(values) < FEWEST_VALUES:
        return values[:0]
    often = counts > max(MOST_REPEATED * counts.sum(), FEWEST_REPEATS)
    third = np.sort(counts)[-3]
    common = often & (counts > MORE_COMMON * third)
    if third > FEW_VALUES * counts[~common].sum():
        steps = np.diff(values)
        apart = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf))
        common = often & (apart > GAP * np.median(steps))
    return np.asarray(values[common])
