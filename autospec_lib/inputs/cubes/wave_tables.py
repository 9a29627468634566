"""Wavelengths that a file gives as a table: -TAB axes, and arrays called WAVE beside the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray
from autospec_lib.inputs.arrays import readable
from autospec_lib.inputs.cubes.wavelengths import (
    UNITS,
    UNKNOWN_TYPE,
    WaveAxis,
    check_range,
    guessed_unit,
    medium_of,
    unit_of,
    wave_axis,
)

NAMES = ('WAVE', 'WAVELENGTH', 'WAVELENGTHS', 'LAMBDA')
LINEAR = 5e-7  # of a wavelength; tables in single precision are rounded by 6e-8 of it
DIFFERENT = 0.1  # of a step
# The axis of spectra whose wavelengths FITS cards cannot describe: it counts channels, and a table has the wavelengths.
CHANNELS = {'CRPIX1': 1.0, 'CRVAL1': 1.0, 'CDELT1': 1.0, 'CUNIT1': '', 'CTYPE1': 'CHANNEL'}


def find_wave_axis(path: Path, hdus: fits.HDUList, header: fits.Header, length: int) -> WaveAxis:
    """The wavelengths of a cube's third axis: from its header, or from a table if the header names or lacks one.

    Parameters
    ----------
    path : Path
        The file, for messages.
    hdus : HDUList
        It, open.
    header : Header
        Of the extension with the data.
    length : int
        Number of wavelengths.

    Raises
    ------
    InputError
        If there are no wavelengths, or if they make no sense.
    """
    ctype = str(header.get('CTYPE3', '')).strip().upper()
    if ctype.endswith('-TAB'):
        wave = _tabulated(path, hdus, header, length, ctype)
        return _axis(path.name, wave, str(header.get('CUNIT3') or '').strip(), ctype)
    arrays = (hdu for hdu in hdus if hdu.name in NAMES and hdu.is_image and hdu.shape == (length,))
    beside = next((hdu for hdu in arrays if hdu.header['BITPIX'] < 0), None)
    if beside is None:
        return wave_axis(path.name, header, length)
    wave = np.asarray(beside.data, np.float64)
    unit = str(beside.header.get('BUNIT') or beside.header.get('CUNIT1') or '').strip()
    if header.get('CRVAL3') is None or (header.get('CD3_3') is None and header.get('CDELT3') is None):
        return _axis(path.name, wave, unit, ctype, beside.name)
    axis = wave_axis(path.name, header, length)
    return _compared(path.name, axis, wave, unit, beside.name)


def _tabulated(path: Path, hdus: fits.HDUList, header: fits.Header, length: int, ctype: str) -> FloatArray:
    """The wavelengths of a -TAB axis (FITS paper III), in the unit of CUNIT3."""
    with readable(path, f'the table of its wavelength axis (CTYPE3 = {ctype!r}) cannot be read'):
        wcs = WCS(header, fobj=hdus).sub([3])
        wave = wcs.wcs_pix2world(np.arange(length, dtype=float), 0)[0]
        unit = str(header.get('CUNIT3') or '').strip()
        return np.asarray(wave * (wcs.wcs.cunit[0].to(unit_of(path.name, unit)) if unit else 1.0), np.float64)


def _axis(file: str, wave: FloatArray, text: str, ctype: str, name: str = '') -> WaveAxis:
    """The axis for these wavelengths: linear if they are linear, else one that counts channels."""
    notes = []
    steps = np.diff(wave)
    if not np.isfinite(wave).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise InputError(f'{file}: its table of wavelengths does not run up or down; correct it')
    unit = unit_of(file, text) if text else guessed_unit(file, wave)
    if not text:
        notes.append(f'{file}: no unit of wavelengths; {unit} is taken for {wave[0]:.6g} to {wave[-1]:.6g}')
    if unit not in UNITS:
        wave, unit = wave / float(units.Unit('Angstrom').to(unit)), 'Angstrom'
    check_range(file, wave, unit)
    if name:
        notes.append(f'{file}: no wavelength axis in the header; wavelengths are those of {name}')
    medium = medium_of(ctype)
    if not medium:
        notes.append(f'{file}: the file does not say whether wavelengths are in air or vacuum; spectra will not say it')
    cards, spacing = _linear(wave, unit, ctype), 'linear'
    if not cards:
        cards, spacing = CHANNELS, 'of a table'
        notes.append(f'{file}: wavelengths are not linear: spectra count channels, TAB_WAVE holds the wavelengths')
    return WaveAxis(wave, unit, cards, tuple(notes), medium, spacing)


def _linear(wave: FloatArray, unit: str, ctype: str) -> Mapping[str, Any]:
    """The cards of a linear axis; {} if the wavelengths are not linear."""
    if len(wave) < 2:
        return {}
    straight = np.linspace(wave[0], wave[-1], len(wave))
    step = float(wave[-1] - wave[0]) / (len(wave) - 1)
    if not (np.abs(straight - wave) <= np.minimum(LINEAR * np.abs(wave), DIFFERENT * abs(step))).all():
        return {}
    ctype = ctype[:4] if medium_of(ctype) else UNKNOWN_TYPE
    return {'CRPIX1': 1.0, 'CRVAL1': float(wave[0]), 'CDELT1': step, 'CUNIT1': unit, 'CTYPE1': ctype}


def _compared(file: str, axis: WaveAxis, wave: FloatArray, text: str, name: str) -> WaveAxis:
    """The header's axis, with a note if an array of wavelengths differs from it."""
    try:
        unit = unit_of(file, text) if text else guessed_unit(file, wave)
    except InputError:  # no wavelengths
        return axis
    with np.errstate(invalid='ignore'):
        off = np.abs(wave * units.Unit(unit).to(axis.unit) - axis.wave)
    step = float(np.abs(np.diff(axis.wave)).min()) if len(wave) > 1 else np.inf
    rounding = 2 * float(np.finfo(np.float32).eps) * float(np.abs(axis.wave).max())  # of single precision
    if not (off > DIFFERENT * step + rounding).any():
        return axis
    note = (
        f'{file}: {name} and the header give other wavelengths (by up to {np.nanmax(off):.4g} {axis.unit}); those of '
        'the header are used'
    )
    return replace(axis, notes=(*axis.notes, note))
