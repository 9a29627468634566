"""The open datacube, and what is cut out of it: degrees, arcsec, headers and files end here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
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
from autospec_lib.core.types import (
    BoolArray,
    Cutout,
    FloatArray,
    Grid,
    Ident,
    IntArray,
    Psf,
    Target,
    Voxels,
)
from autospec_lib.inputs.catalogue_rows import Catalogue
from autospec_lib.inputs.coordinates import (
    OF_AXES,
    Sky,
    check_separable,
    contradictions,
    header_of_axes,
    open_sky,
)
from autospec_lib.inputs.extensions import Extensions, FlagRule, choose
from autospec_lib.inputs.fits_arrays import (
    ALL,
    FileError,
    Layer,
    StoredArray,
    card_text,
    in_file,
    open_array,
    open_fits,
    readable,
)
from autospec_lib.inputs.images import AlignedImage
from autospec_lib.inputs.instruments import Instrument
from autospec_lib.inputs.units import flux_unit, line_unit
from autospec_lib.inputs.wavelengths import SAME_TO, WaveAxis, wave_axis

Box = tuple[slice, slice]

REACH = 1.0  # arcsec; the light of a source that is farther from the data does not reach them
SAME_PIXEL = 0.1  # pixels by which the sky of noise and flags may differ from that of the data
NEAR = 12  # pixels; sources of the catalogue that are this close to a subcube may have light in it
# A value that more than this share of the voxels repeat exactly is no measurement if it is this
# many times as common as the third most common value.
MOST_REPEATED, MORE_COMMON = 0.003, 3
# Share of the data that the third most common value has at least if they have few values.
FEW_VALUES = 0.02
FEWEST_VALUES = 4  # different ones, below which nothing is known of fill values
BY_CHANCE = 0.01  # number of spaxels that are constant by chance, above which such spaxels are data
GAP = 10  # between a fill value and the data, in steps of data that have few values
SAMPLE_BYTES, MOST_BYTES = 2**25, 2**26  # of channels from which the field is judged before a run
SAMPLE_SIZE, FEWEST_REPEATS = 4000, 3  # voxels in which repeated values are looked for
FEWEST_CHANNELS = 5  # with fewer channels, a spaxel may be constant by chance
# Along a side, and in all; in a smaller subcube there is hardly any sky.
SMALLEST, FEWEST_SPAXELS = 3, 36
NOTED_SHARE = 0.001  # of voxels that an array makes bad, below which it is not named


@dataclass(frozen=True)
class OpenCube:
    """An open cube: where its arrays are, its coordinates, the images and maps on its grid, the
    PSF.

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
        The factor by which data are multiplied (variances by its square) to have the unit of
        ``grid``; None for 1.
    sky : Sky
        Coordinates on the sky, in the cube's own frame.
    pixel : (float, float)
        A spaxel's size (y, x) in arcsec.
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
    loaded : int
        Bytes of memory that compressed arrays take.
    notes : tuple of str
        Warnings, one line each.
    images, segmaps : mapping
        The user's images and segmentation maps on the cube's grid, by tag.
    psf : Psf or None
        The point-spread function, with its FWHM in arcsec; `cut` turns it into units of pixels.
    """

    data: StoredArray
    noise: StoredArray | None
    flags: StoredArray | None
    noise_kind: NoiseKind
    flag_rule: FlagRule
    entries: tuple[int | str, ...]
    factor: FloatArray | None
    sky: Sky
    pixel: tuple[float, float]
    wave: FloatArray
    grid: Grid
    instrument: Instrument
    recognised: str
    noise_text: str
    primary: fits.Header
    loaded: int
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


def open_cube(path: Path, entries: Sequence[Extension] = ()) -> OpenCube:
    """Open a datacube without reading its arrays.

    Parameters
    ----------
    path : Path
        FITS file.
    entries : sequence of Extension
        The parameter DATA_EXT: () = what the table of instruments, or the names of the extensions,
        say; or up to three: data, noise and flags.

    Raises
    ------
    InputError
        If there is no such cube in the file, or its coordinates cannot be used.
    """
    if not path.exists():
        raise InputError(f'{path.name}: not found in {path.parent}; set DATACUBE')
    with ExitStack() as files, in_file(path):
        hdus = files.enter_context(open_fits(path, 'not a readable FITS cube'))
        extensions = choose(path, hdus, entries, files)
        layer, axes = extensions.data, extensions.axes
        data = open_array(layer, layer.hdu, axes)
        layers = extensions.noise, extensions.flags
        noise, flags = (None if one is None else open_array(one, layer.hdu, axes) for one in layers)
        header = header_of_axes(layer.hdu.header, axes)
        check_separable(layer.name, header, data.shape)
        sky = open_sky(layer.name, header_of_axes(header, (1, 2)))
        axis = wave_axis(hdus, header, data.shape[0])
        unit, scale, of_unit = flux_unit(
            header, extensions.instrument, sky.wcs, extensions.response
        )
        factor = np.full(data.shape[0], scale)
        if extensions.response is not None:
            factor *= extensions.response.data
        grids = [_other_grid(hdus, one, extensions, data, axis, sky) for one in layers]
        primary = hdus[0].header.copy()
        # Without what a WCS cannot write, such as lookup tables.
        sky_cards = sky.wcs.to_header(relax=True)
    notes = [*contradictions(layer.name, layer.hdu.header), *sky.notes, *axis.notes, *of_unit]
    notes += [*extensions.warnings, *filter(None, grids)]
    if list(axes) != sorted(axes):
        types = ', '.join(
            card_text(header, f'CTYPE{number}').upper() or 'wavelength' for number in (1, 2, 3)
        )
        notes.insert(0, f'the axes of {layer.name} are brought into the order {types}')
    if not unit:
        notes.append('no unit (BUNIT); spectra have none either')
    arrays = [
        array.values
        for array in (data, noise, flags)
        if array is not None and array.values is not None
    ]
    # The others are spread from few values.
    loaded = sum(values.nbytes for values in arrays if 0 not in values.strides)
    if loaded:
        notes.append(
            f'compressed; {loaded / 1e6:.0f} MB of memory hold it; decompress it to need less'
        )
    return OpenCube(
        data,
        noise,
        flags,
        extensions.noise_kind,
        extensions.flag_rule,
        extensions.entries,
        factor if (factor != 1).any() else None,
        sky,
        sky.pixel,
        axis.wave,
        Grid(dict(sky_cards), axis.cards, unit, axis.unit, axis.medium, *line_unit(unit)),
        extensions.instrument,
        _recognised(extensions, card_text(header, 'BUNIT'), unit, axis),
        f'{extensions.noise_kind.words} in {noise.name} ({extensions.noise_why})'
        if noise
        else 'no variance',
        primary,
        loaded,
        tuple(f'{path.name}: {note}' for note in notes),
    )


def _other_grid(
    hdus: fits.HDUList,
    layer: Layer | None,
    extensions: Extensions,
    data: StoredArray,
    axis: WaveAxis,
    sky: Sky,
) -> str:
    """A warning if the own header of noise or flags places them elsewhere than the data, else ''.

    Parameters
    ----------
    hdus : HDUList
        The open file.
    layer : Layer or None
        The noise or flags.
    extensions : Extensions
        All extensions.
    data : StoredArray
        The data.
    axis, sky : WaveAxis, Sky
        The coordinates of the data.
    """
    if layer is None or layer.hdu.shape != extensions.data.hdu.shape:
        return ''
    header, of_data = layer.hdu.header, extensions.data.hdu.header
    if all(header[card] == of_data.get(card) for card in filter(OF_AXES.fullmatch, header)):
        return ''
    try:
        own_header = header_of_axes(header, extensions.axes)
        own = wave_axis(hdus, own_header, data.shape[0])
        own_sky = open_sky(layer.name, header_of_axes(own_header, (1, 2)))
    except FileError:  # coordinates that cannot be used say nothing
        return ''
    problems = []
    off = np.abs(own.wave * units.Unit(own.unit).to(axis.unit) - axis.wave)
    if off.max() > SAME_TO * np.abs(np.diff(axis.wave)).min(initial=np.inf):
        there, here = (f'{one.wave[0]:.6g} to {one.wave[-1]:.6g} {one.unit}' for one in (own, axis))
        problems.append(f'its wavelengths are {there}, those of {data.name} {here}')
    y, x = np.meshgrid(*((0, length - 1) for length in data.shape[1:]), indexing='ij')
    off = np.abs(np.array(sky.to_pixels(*own_sky.to_icrs(y, x))) - (y, x)).max()
    if not off < SAME_PIXEL:
        problems.append(
            f'its spaxels lie up to {off:.2g} pixels from those of {data.name} on the sky'
        )
    if not problems:
        return ''
    way_out = f'resample it if its header is right, or leave {layer.name} out with DATA_EXT'
    what = f'{layer.name} is on another grid: {"; ".join(problems)}; it is used voxel by voxel'
    return f'{what}: {way_out}'


def _recognised(extensions: Extensions, own_unit: str, unit: str, axis: WaveAxis) -> str:
    """One line on what the cube was recognised as, and why; units are those in the file and of the
    spectra."""
    parts = [extensions.data.name]
    if extensions.noise is not None:
        parts.append(
            f'{extensions.noise.name} ({extensions.noise_kind.words}, {extensions.noise_why})'
        )
    if extensions.flags is not None:
        parts.append(f'{extensions.flags.name} ({extensions.flag_rule})')
    if own_unit not in ('', unit):
        parts.append(f'BUNIT {own_unit!r}')
    name, why = extensions.instrument.name, extensions.why
    start = f'{name} ({why})' if name and why else name or why or 'by the names of its extensions'
    medium = axis.medium or 'whether in air or vacuum is not known'
    return f'{start}: {", ".join(parts)}, wavelengths {axis.spacing}, {medium}'


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
    ra, dec = np.array([(target.ra, target.dec) for target in targets]).T
    with (
        in_file(cube.data.path),
        readable('its WCS has no pixels for the positions of the catalogue'),
    ):
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


def distances(cube: OpenCube, targets: Sequence[Target]) -> FloatArray:
    """The distances (n,) of targets outside the cube from the nearest spaxel, in degrees.

    They are angles on the sky: far from the field, distances in pixels grow without limit. Targets
    without a pixel have the distance from the centre of the field.

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
    ra, dec = np.radians([(target.ra, target.dec) for target in targets]).T
    angles = angular_separation(ra, dec, *np.radians(cube.sky.to_icrs(*nearest.T)))
    return np.asarray(np.degrees(angles), np.float64)


def how_far(degrees: float) -> str:
    """A distance in words."""
    if degrees >= 1:
        return f'{degrees:.1f} degrees'
    return f'{3600 * degrees:.1f} arcsec' if degrees > 0.05 / 3600 else 'less than 0.1 arcsec'


def field_text(cube: OpenCube) -> str:
    """The field in words: its centre and its corners in degrees, from the first spaxel on around
    the field."""
    shares = np.array([(0.5, 0.5), (0, 0), (0, 1), (1, 1), (1, 0)])
    places = shares * cube.shape - 0.5
    centre, *corners = (
        f'{ra:.5f} {dec:+.5f}' for ra, dec in np.transpose(cube.sky.to_icrs(*places.T))
    )
    return f'centre at RA Dec {centre}, corners at {", ".join(corners)}'


def other_reading(cube: OpenCube, targets: Sequence[Target]) -> str:
    """What other coordinates would put targets inside, none of which lies in the field, and what to
    do; '' for none.

    Pixels count only if at least half of the targets are inside and they spread over some spaxels:
    most positions in degrees are valid pixels, but those of one survey are all in a few of them.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    targets : sequence of Target
        The sources outside the field.
    """
    hours = [replace(target, ra=15 * target.ra) for target in targets]
    swapped = [
        replace(target, ra=target.dec % 360, dec=target.ra if abs(target.ra) <= 90 else np.nan)
        for target in targets
    ]
    pixels = np.array([(target.dec, target.ra) for target in targets]) - 1
    readings = [
        ('RA in hours', positions(cube, hours), 'name its column RA(h)'),
        (
            'RA and Dec swapped',
            positions(cube, swapped),
            'name the columns in a first line, ID DEC RA',
        ),
        ('pixels', pixels, 'name the columns ID X_IMAGE Y_IMAGE; the first pixel is 1'),
    ]
    numbers = [int(covers(cube, places).sum()) for _, places, _ in readings]
    spread = len(targets) > 2 and (np.ptp(pixels, axis=0) > NEAR).all()
    if not spread or numbers[-1] < len(targets) / 2:
        numbers[-1] = 0
    number = max(numbers)
    reading, _, way_out = readings[numbers.index(number)]
    return f'taken as {reading}, {number} would lie inside: {way_out}' if number else ''


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
    in_pixels = [catalogue.pixels.get(target.id, {}) for target in catalogue.targets]
    y, x = (np.array([pixels.get(role, np.nan) for pixels in in_pixels]) for role in 'YX')
    degrees = np.transpose(cube.sky.to_icrs(y, x)).tolist()
    targets = []
    for target, pixels, (ra, dec) in zip(catalogue.targets, in_pixels, degrees, strict=True):
        own = {'ra': ra, 'dec': dec} if 'X' in pixels else {}
        for role, name in (('SIZE_PIX', 'size'), ('APER_PIX', 'aper')):
            if role in pixels:
                own[name] = pixels[role] * geometry.scale(cube.pixel)
        targets.append(replace(target, **own))
    return targets


# --- Cut-outs ---


def cut(
    cube: OpenCube, target: Target, sources: Mapping[Ident, tuple[float, float]] | None = None
) -> Cutout:
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
    (y, x), box, inside, notes = box_of(cube, target)
    ys, xs = box
    pad = [(i.start - s.start, s.stop - i.stop) for i, s in zip(inside, box, strict=True)]

    def padded(values: Any, fill: float) -> Any:
        return (
            np.pad(values, [(0, 0)] * (values.ndim - 2) + pad, constant_values=fill)
            if np.any(pad)
            else values
        )

    data, variance, bad, more, why = _read(cube, *inside)
    if bad.all():
        raise SourceError(f'no usable voxel in its subcube: {why}')
    sky = dict(cube.grid.sky)
    sky['CRPIX1'], sky['CRPIX2'] = (
        sky.get('CRPIX1', 0.0) - xs.start,
        sky.get('CRPIX2', 0.0) - ys.start,
    )
    scale = geometry.scale(cube.pixel)
    return Cutout(
        target=target,
        voxels=Voxels.of(
            padded(data, 0.0),
            None if variance is None else padded(variance, 0.0),
            padded(bad, True),
        ),
        wave=cube.wave,
        centre=(y - ys.start, x - xs.start),
        pixel=cube.pixel,
        grid=replace(cube.grid, sky=sky),
        images={tag: padded(image.data[inside], np.nan) for tag, image in cube.images.items()},
        detection={
            tag: padded(image.on_grid(inside), np.nan)
            for tag, image in cube.images.items()
            if image.is_segmented
        },
        image_units={tag: image.unit for tag, image in cube.images.items()},
        segmaps={tag: padded(segmap[inside], 0) for tag, segmap in cube.segmaps.items()},
        degrees=cube.sky.degrees_per_pixel((y, x)),
        neighbours={
            ident: (row - ys.start, column - xs.start)
            for ident, (row, column) in (sources or {}).items()
            if ident != target.id
            and ys.start - NEAR <= row < ys.stop + NEAR
            and xs.start - NEAR <= column < xs.stop + NEAR
        },
        prefix=cube.instrument.prefix,
        psf=None
        if cube.psf is None
        else replace(cube.psf, widths=tuple(width / scale for width in cube.psf.widths)),
        notes=(*notes, *more),
    )


class Sample(NamedTuple):
    """The whole field in some channels.

    Attributes
    ----------
    voxels : Voxels
        The voxels (number of channels, ny, nx).
    usable : str
        Which share of them can be used, and why not all, in words; '' where no array makes voxels
        bad.
    """

    voxels: Voxels
    usable: str


def sample(cube: OpenCube) -> Sample | None:
    """Read evenly spaced channels, as many as `SAMPLE_BYTES` hold, but at least `FEWEST_CHANNELS`.

    None where this needs much time or memory: in a large cube whose first axis is not wavelength,
    all of which would be read, or in a field so wide that a few channels are many times as large.

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
    data, variance, bad, _, why = _read(
        cube, slice(0, ny), slice(0, nx), slice(nl % step // 2, nl, step)
    )
    usable = f'of those in {len(data)} channels {(~bad).mean():.1%} are usable: {why}'
    return Sample(Voxels.of(data, variance, bad), usable if why else '')


def off_data(cube: OpenCube, blank: BoolArray, places: FloatArray) -> BoolArray:
    """Which positions (n, 2) in pixels (y, x) lie in the field, but more than `REACH` from its part
    that has data.

    This part has straight edges that are inclined to the pixels if the field was rotated. Holes in
    it do not count.

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


def box_of(cube: OpenCube, target: Target) -> tuple[tuple[float, float], Box, Box, tuple[str, ...]]:
    """Where to cut out a source.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    target : Target
        The source, which has the size in arcsec.

    Returns
    -------
    (float, float)
        Its position (y, x) in pixels.
    box, inside : two slices
        The box (ys, xs), and the part of it that lies in the field.
    notes : tuple of str
        On its size.

    Raises
    ------
    SourceError
        If the position lies outside the cube.
    """
    places = positions(cube, [target])
    if not covers(cube, places).all():
        raise SourceError(f'{how_far(distances(cube, [target])[0])} outside the cube; skipped')
    y, x = places[0].tolist()
    ny, nx = cube.shape
    box = geometry.box_around((y, x), target.size, cube.pixel)
    height, width = (s.stop - s.start for s in box)
    notes: tuple[str, ...] = ()
    if height >= 2 * ny and width >= 2 * nx:
        # It holds the whole cube wherever the source lies; padding beyond would only cost memory.
        box = slice(0, ny), slice(0, nx)
        notes = (f'SIZE = {target.size:g} is larger than the cube: all of it is used',)
    elif min(height, width) < SMALLEST or height * width < FEWEST_SPAXELS:
        notes = (f'SIZE = {target.size:g} gives a subcube of only {height} x {width} spaxels',)
    ys, xs = (slice(max(s.start, 0), min(s.stop, n)) for s, n in zip(box, cube.shape, strict=True))
    return (y, x), box, (ys, xs), notes


def _read(
    cube: OpenCube, ys: slice, xs: slice, channels: slice = ALL
) -> tuple[FloatArray, FloatArray | None, BoolArray, tuple[str, ...], str]:
    """Read a box: data, variance and bad voxels as in `Voxels`, notes, and which arrays make voxels
    bad.

    Voxels that are not finite, flagged, without positive variance, or filled (see `_mark_filled`)
    are bad; they hold 0.
    """
    factor = None if cube.factor is None else cube.factor[channels, None, None]
    data = cube.data.read(ys, xs, channels)
    if factor is not None:
        data *= factor
    causes = {'data': ~np.isfinite(data)}
    if cube.flags is not None:
        causes['mask'] = (
            cube.flags.are_set(ys, xs, channels, cube.flag_rule.bits) != cube.flag_rule.zero_is_bad
        )
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
        causes['noise'] = ~(variance > 0) | (variance == np.inf)
    bad = np.zeros(data.shape, bool)
    for cause in causes.values():
        bad |= cause
    why = _why_unusable(
        cube, {role: np.count_nonzero(cause) / bad.size for role, cause in causes.items()}
    )
    notes = _mark_filled(data, bad)
    data[bad] = 0.0
    if variance is not None:
        variance[bad] = 0.0
    return data, variance, bad, notes, why


def _why_unusable(cube: OpenCube, causes: Mapping[str, float]) -> str:
    """Which arrays make voxels bad, in words; '' for none. If one marks all of them, the way out
    follows.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    causes : mapping of str to float
        The share of voxels that 'data', 'mask' and 'noise' make bad, of those that are there.
    """
    words = {
        'data': (cube.data, '{} is not finite in {}'),
        'mask': (cube.flags, '{} marks {} ({})'),
        'noise': (cube.noise, '{} is not above 0 in {}'),
    }
    marks_all = max(causes.values()) == 1
    parts = []
    for role, share in causes.items():
        array, text = words[role]
        if array is not None and (share == 1 if marks_all else share >= NOTED_SHARE):
            parts.append(
                text.format(
                    array.name, 'all of them' if marks_all else f'{share:.1%}', cube.flag_rule
                )
            )
    data, noise, mask = cube.entries
    if causes.get('mask') == 1 and mask and not cube.flag_rule.zero_is_bad:
        parts.append(
            f"if 0 is bad in it, set DATA_EXT = {data!r}, {noise!r}, '{mask}: {ZERO_IS_BAD}'"
        )
    elif causes.get('noise') == 1:
        parts.append(f"name other noise in DATA_EXT, or none: DATA_EXT = {data!r}, ''")
    return '; '.join(parts)


def _mark_filled(data: FloatArray, bad: BoolArray) -> tuple[str, ...]:
    """Mark voxels that hold a number where there are no data as bad, in place; return a note if
    there are any.

    They are spaxels that are constant along the wavelength, unless this is by chance, as 0 in
    counts, and values that are repeated exactly. Where no spaxel varies nothing is known of this.

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
    # Odd, so that not every second column is left out.
    stride = max(1, data.size // SAMPLE_SIZE) | 1
    places = np.arange(0, data.size, stride)
    places = places[varying.ravel()[places % varying.size] & ~bad.ravel()[places]]
    values, counts = np.unique(data.ravel()[places], return_counts=True)
    shares = dict(zip(values, counts / max(len(places), 1), strict=True))
    constant = ~varying
    constant[constant] = [
        varying.sum() * shares.get(value, 0.0) ** len(data) < BY_CHANCE
        for value in data[0, constant]
    ]
    is_filling = np.zeros(len(values), bool)
    if len(values) >= FEWEST_VALUES:
        # They are repeated far more often than all but one other value. Where the data have few
        # values, as integers and counts do, they lie apart from these instead.
        often = counts > max(MOST_REPEATED * counts.sum(), FEWEST_REPEATS)
        third = np.sort(counts)[-3]
        is_filling = often & (counts > MORE_COMMON * third)
        if third > FEW_VALUES * counts[~is_filling].sum():
            steps = np.diff(values)
            apart = np.minimum(np.append(steps, np.inf), np.insert(steps, 0, np.inf))
            is_filling = often & (apart > GAP * np.median(steps))
    filled = (constant | np.isin(data, values[is_filling])) & ~bad
    number = int(filled.sum())
    if not number:
        return ()
    bad |= filled
    share = f'{number / data.size:.1%}'
    return (
        f'{number} voxels ({share}) repeat one value, as where there are no data; they are not used',
    )
