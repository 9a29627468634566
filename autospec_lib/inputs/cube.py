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
from autospec_lib.inputs.units import squared, standard

WAVE_AXES = ('WAVE', 'AWAV', 'LAMBDA')
OTHER_AXES = ('FREQ', 'ENER', 'WAVN', 'VELO', 'VOPT', 'VRAD', 'ZOPT', 'BETA', 'STOKES', 'TIME')  # FITS paper III
# How the noise is stored, by what the header says (ESO's HDUCLAS3, JWST's ERRTYPE, astropy's UTYPE) and, where it says
# nothing, by the extension's name. Sources: formats of the instruments' pipelines, as collected in the README.
DECLARED = {
    'MSE': 'variance',
    'RMSE': 'sigma',
    'INVMSE': 'inverse variance',
    'INVRMSE': 'inverse sigma',
    'VAR': 'variance',
    'ERR': 'sigma',
    'IVAR': 'inverse variance',
    'IERR': 'inverse sigma',
    'VARIANCEUNCERTAINTY': 'variance',
    'STDDEVUNCERTAINTY': 'sigma',
    'INVERSEVARIANCE': 'inverse variance',
}
SIGMA_NAMES = {'ERR', 'ERROR', 'ERRORS', 'NOISE', 'UNCERT', 'STD', 'STDDEV', 'SIG', 'SIGMA', 'RMS'}


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
    images: Mapping[str, AlignedImage] = field(default_factory=dict)
    segmaps: Mapping[str, IntArray] = field(default_factory=dict)
    psf: Psf | None = None

    @property
    def notes(self) -> list[str]:
        """What the user should know of this cube, one line each."""
        name = self.data.path.name
        notes = []
        if self.noise is None:
            notes.append(f'{name}: no variance: weights are those of equal noise, and no errors are written')
        elif self.noise_kind != 'variance':
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
        () = MUSE layout (DATA, or SCI, or the only one; STAT; DQ); one extension for the data; or two, data and noise.

    Raises
    ------
    InputError
        If there is no such cube in the file, or its coordinates cannot be used.
    """
    if not path.exists():
        raise InputError(f'{path.name}: not found in {path.parent}; set DATACUBE')
    with open_fits(path, 'not a readable FITS cube') as hdus:
        data, noise, quality = _choose(path, hdus, extensions)
        kind = noise_kind(noise.header, hdus[0].header, data.header) if noise is not None else ''
        wcs, wave, grid = _coordinates(path, data)
        header, primary = data.header.copy(), hdus[0].header.copy()
        layers = [None if hdu is None else open_layer(path, hdu) for hdu in (data, noise, quality)]
    assert layers[0] is not None
    return OpenCube(layers[0], layers[1], kind, layers[2], header, wcs, wave, grid, primary)


def _choose(path: Path, hdus: fits.HDUList, extensions: tuple[int | str, ...]) -> tuple[Any, Any, Any]:
    """The HDUs of data, noise and quality (None = there is none), checked for shape."""
    listing = ', '.join(hdu.name or 'PRIMARY' for hdu in hdus)
    if extensions:
        wanted = [_find(path, hdus, key, listing) for key in extensions]
        data, noise, quality = wanted[0], wanted[1] if len(wanted) > 1 else None, None
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
    return data, noise, quality


def _find(path: Path, hdus: fits.HDUList, key: int | str, listing: str) -> Any:
    try:
        return hdus[key]
    except (KeyError, IndexError):
        raise InputError(f'{path.name}: no extension {key!r}; extensions are {listing}: set DATA_EXT') from None


def noise_kind(header: Mapping[str, Any], primary: Mapping[str, Any], data_header: Mapping[str, Any]) -> str:
    """How an extension stores noise: 'variance', 'sigma', 'inverse variance' or 'inverse sigma'.

    What the file declares counts first (HDUCLAS3, ERRTYPE, UTYPE), then a unit equal to the data's, then the name;
    what says nothing is variance, as in MUSE cubes.
    """
    for value in (header.get('HDUCLAS3'), primary.get('ERRTYPE'), header.get('UTYPE')):
        kind = DECLARED.get(str(value).strip().upper())
        if kind:
            return kind
    name = str(header.get('EXTNAME', '')).strip().upper()
    if 'IVAR' in name:
        return 'inverse variance'
    unit = str(header.get('BUNIT', '')).strip()
    if unit and unit == str(data_header.get('BUNIT', '')).strip() and name != 'STAT':
        return 'sigma'
    return 'sigma' if name in SIGMA_NAMES else 'variance'


def _coordinates(path: Path, hdu: Any) -> tuple[WCS, FloatArray, Grid]:
    """Celestial WCS, wavelengths and the cards that describe both."""
    header = hdu.header
    types = [str(header.get(f'CTYPE{axis}', '')).upper() for axis in (1, 2, 3)]
    _check_order(f'{path.name}: axis {{}} of {hdu.name} is {{}}', types)
    wave, cards, wave_unit = _wavelengths(path, header, types[2], hdu.shape[0])
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
    return wcs, wave, Grid(sky, cards, unit, squared(unit), wave_unit)


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


def _wavelengths(path: Path, header: Any, ctype: str, nl: int) -> tuple[FloatArray, dict[str, Any], str]:
    """Wavelengths (nl,), the cards of a spectrum's axis and its unit.

    Linear axes, and -LOG axes as in FITS paper III (Greisen et al. 2006, A&A 446, 747, eq. 5).
    """
    step = header.get('CD3_3', header.get('CDELT3'))
    start = header.get('CRVAL3')
    if step is not None and 'CD3_3' not in header:
        step = float(step) * float(header.get('PC3_3', 1.0))
    if step is None or start is None or not np.isfinite(float(step)) or float(step) == 0:
        raise InputError(f'{path.name}: no wavelength axis (CRVAL3 = {start}, CD3_3 or CDELT3 = {step})')
    if ctype.endswith(('-TAB', '-GRI', '-GRA')):
        raise InputError(
            f'{path.name}: the wavelength axis is {ctype}; only linear and -LOG axes can be used: resample'
        )
    unit = str(header.get('CUNIT3', 'Angstrom')).strip() or 'Angstrom'
    reference = float(header.get('CRPIX3', 1.0))
    offsets = (np.arange(nl) + 1 - reference) * float(step)
    first = float(start)
    wave = np.asarray(first * np.exp(offsets / first) if ctype.endswith('-LOG') else first + offsets, np.float64)
    if not np.isfinite(wave).all() or not (np.diff(wave) * float(step) > 0).all():
        raise InputError(
            f'{path.name}: the wavelength axis does not run (CRVAL3 = {start}, CRPIX3 = {reference}, step {step})'
        )
    cards: dict[str, Any] = {
        'CRPIX1': reference,
        'CRVAL1': first,
        'CDELT1': float(step),
        'CUNIT1': unit,
        'CTYPE1': ctype or 'WAVE',
    }
    return wave, cards, unit
