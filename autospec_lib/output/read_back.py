"""Reads a source's file back into products, as far as the summary needs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from autospec_lib.core import keys
from autospec_lib.core.products import Group, Kind, Products, Spectrum, by_key
from autospec_lib.core.types import Cutout, FloatArray, Grid, Mask, Measured, Segmap, Target, Voxels
from autospec_lib.output.source_file import CHANNEL

FACTS = ('OBJMASK', 'OBJNPIX', 'OBJAREA', 'DBNUM', 'DBGROW')


def read_source(path: Path) -> tuple[Products, Cutout]:
    """Spectra, white light, its segmentation map and the masks of a source's file, and a cut-out without voxels.

    What the file does not hold (``OUT_SPEC = False`` and the like) is left out.

    Raises
    ------
    OSError, KeyError, ValueError
        If it is not a file of AutoSpec.
    """
    with fits.open(path) as hdus:
        header = hdus[0].header
        if header['EXT'] != 'AutoSpec':
            raise ValueError(f'{path}: not written by AutoSpec')
        arrays = {hdu.name: hdu for hdu in hdus[1:]}
        spectra = _spectra(arrays)
        white, tag = _white(arrays)
        masks = {
            name[4:-5]: Mask(np.array(hdu.data, bool)) for name, hdu in arrays.items() if name.startswith('IMA_MASK_')
        }
        key = keys.segmap(tag)
        segmaps = {key: np.array(arrays[f'IMA_{key}_DATA'].data)} if f'IMA_{key}_DATA' in arrays else {}
        cutout = _cutout(header, arrays[f'SPE_{header["REFSPEC"]}_DATA'].header, white, arrays.get('TAB_WAVE'))
        products = Products(
            {
                Group.SPECTRUM: by_key(spectra),
                Group.IMAGE: {} if white is None else {tag: Measured(_floats(white.data))},
                Group.SEGMAP: {
                    name: Segmap(segmap, central=_central(segmap, cutout)) for name, segmap in segmaps.items()
                },
                Group.MASK: masks,
            },
            header['REFSPEC'],
            notes=tuple(header[f'NOTE{number}'] for number in range(1, header['NNOTES'] + 1)),
            facts={card: (header[card], '') for card in FACTS if card in header},
        )
    return products, cutout


def main_keys(path: Path) -> list[str]:
    """The keys without _SKYSUB of the main spectra in a source's file, see `Products.main_spectra`.

    Raises
    ------
    OSError, KeyError, ValueError
        If it is not a file of AutoSpec.
    """
    with fits.open(path) as hdus:
        spectra = _spectra({hdu.name: hdu for hdu in hdus[1:]})
        return [*Products({Group.SPECTRUM: by_key(spectra)}).main_spectra]


def read_spectrum(path: Path, tag: str) -> Spectrum:
    """The spectrum with a tag in a source's file, its reference spectrum where it has none.

    Raises
    ------
    OSError, KeyError, ValueError
        If it is not a file of AutoSpec.
    """
    with fits.open(path, memmap=False) as hdus:
        wanted = hdus[0].header['REFSPEC']
        arrays: dict[str, Any] = {}
        for hdu in hdus[1:]:  # headers are read one by one; the table Z comes before the spectra, all else behind
            if not hdu.name.startswith('SPE_'):
                if arrays:
                    break
                continue
            if hdu.name.endswith('_DATA') and _parts(hdu.name[4:-5])[0] == tag:
                wanted = hdu.name[4:-5]
            arrays[hdu.name] = hdu
        found = {name: hdu for name, hdu in arrays.items() if name[4:-5] == wanted}
        if f'SPE_{wanted}_DATA' not in found:
            raise KeyError(wanted)
        return _spectra(found)[0]


def _floats(values: Any) -> FloatArray:
    return np.asarray(values, np.float64)


def _spectra(arrays: dict[str, Any]) -> list[Spectrum]:
    found: list[Spectrum] = []
    for name, hdu in arrays.items():
        if not (name.startswith('SPE_') and name.endswith('_DATA')):
            continue
        tag, no_continuum, less_sky = _parts(name[4:-5])
        kind = Kind.CROSS_CORRELATION if tag == keys.XCOR else Kind.WEIGHTED
        if len(found) < 2:  # the sky comes first, then the sum over the object mask; their names' beginnings vary
            kind = {'_SKY': Kind.SKY, '_TOT': Kind.SUM}.get(tag[-4:], kind)
        variance = arrays.get(f'{name[:-5]}_STAT')
        found.append(
            Spectrum(
                _floats(hdu.data),
                None if variance is None else _floats(variance.data),
                str(hdu.header.get('BUNIT', '')),
                tag=tag,
                kind=kind,
                sky_subtracted=less_sky,
                continuum_subtracted=no_continuum,
            )
        )
    return found


def _parts(key: str) -> tuple[str, bool, bool]:
    """Tag, continuum subtracted or not, sky subtracted or not."""
    rest = key.removesuffix(keys.SKYSUB)
    return rest.removesuffix(keys.CONTSUB), rest.endswith(keys.CONTSUB), key.endswith(keys.SKYSUB)


def _white(arrays: Mapping[str, Any]) -> tuple[Any, str]:
    """The white light, the first of the images, and its tag; None and '' where the file has no images."""
    name = next((name for name in arrays if name.startswith('IMA_')), '')
    if name.endswith('_WHITE_DATA') and not name.startswith('IMA_SEG_'):
        return arrays[name], name[4:-5]
    return None, ''


def _wavelengths(axis: fits.Header, table: Any) -> tuple[FloatArray, str]:
    """The wavelengths of a spectrum and their unit, from the table beside it if its axis counts channels."""
    if axis['CTYPE1'] == CHANNEL:
        return _floats(table.data['WAVE']), str(table.columns['WAVE'].unit)
    spectral = WCS(axis, naxis=1)
    unit = axis['CUNIT1']
    return spectral.wcs_pix2world(np.arange(axis['NAXIS1']), 0)[0] * spectral.wcs.cunit[0].to(unit), unit


def _cutout(header: fits.Header, axis: fits.Header, white: Any, table: Any) -> Cutout:
    """The target, wavelengths, and where the white light has the catalogue position."""
    wave, unit = _wavelengths(axis, table)
    centre, pixel = (0.0, 0.0), (1.0, 1.0)
    if white is not None:
        sky = WCS(white.header).celestial
        x, y = sky.all_world2pix(header['RA'], header['DEC'], 0)
        width, height = proj_plane_pixel_scales(sky) * 3600
        centre, pixel = (float(y), float(x)), (float(height), float(width))
    return Cutout(
        target=Target(header['ID'], header['RA'], header['DEC'], 0.0),
        voxels=Voxels(np.zeros((len(wave), 0, 0))),
        wave=wave,
        centre=centre,
        pixel=pixel,
        grid=Grid({}, {}, unit=str(axis.get('BUNIT', '')), wave_unit=unit),
    )


def _central(segmap: Any, cutout: Cutout) -> int:
    """The label nearest to the catalogue position."""
    y, x = np.nonzero(segmap)
    if not y.size:
        return 0
    nearest = (np.abs(y - cutout.centre[0]) + np.abs(x - cutout.centre[1])).argmin()
    return int(segmap[y[nearest], x[nearest]])
