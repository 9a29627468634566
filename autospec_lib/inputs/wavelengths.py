"""The wavelength axis of a cube: header cards to wavelengths and to the cards of a spectrum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray
from autospec_lib.inputs.units import parsed

WAVE_AXES = ('WAVE', 'AWAV', 'LAMBDA')
OTHER_AXES = ('FREQ', 'ENER', 'WAVN', 'VELO', 'VOPT', 'VRAD', 'ZOPT', 'BETA', 'STOKES', 'TIME')  # FITS paper III
SHORTEST, LONGEST = 0.05, 1000.0  # micron; X-rays and radio waves do not come in such cubes
# Cards that say in which frame wavelengths are; they go to the spectra as they are.
FRAME = ('SPECSYS', 'SSYSOBS', 'VELOSYS', 'RESTWAV', 'RESTFRQ', 'ZSOURCE', 'SSYSSRC', 'VELANGL')
SPELLINGS = {
    'A': 'Angstrom',
    'ANG': 'Angstrom',
    'ANGSTROMS': 'Angstrom',
    'AA': 'Angstrom',
    'MICRONS': 'um',
    'MICROMETER': 'um',
}
# Where a header names no unit: the longest wavelength in each that is taken as such (metres come first, as in the
# standard; between 2500 Angstrom and nm a number is rather Angstrom).
GUESSES = (('m', 1e-3), ('um', 50.0), ('nm', 2500.0), ('Angstrom', 1e7))


@dataclass(frozen=True)
class WaveAxis:
    """Wavelengths (nl,) in ``unit``, the cards of a spectrum's axis, and what was assumed, one line each."""

    wave: FloatArray
    unit: str
    cards: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def wave_axis(file: str, header: Mapping[str, Any], length: int) -> WaveAxis:
    """The wavelengths of a cube's third axis.

    Linear axes, -LOG axes of FITS paper III (Greisen et al. 2006, A&A 446, 747, eq. 5), and log10 of wavelengths as
    IRAF writes it (DC-FLAG = 1). Metres become Angstrom.

    Parameters
    ----------
    file : str
        The file's name, for messages.
    header : mapping
        Of the extension with the data.
    length : int
        Number of wavelengths.

    Raises
    ------
    InputError
        If the axis does not hold wavelengths between `SHORTEST` and `LONGEST`.
    """
    ctype = str(header.get('CTYPE3', '')).strip().upper()
    start, step, reference = _numbers(file, header, ctype)
    channels = np.arange(1.0, length + 1)
    offsets: FloatArray = np.asarray((channels - reference) * step, np.float64)
    notes = [] if 'CRPIX3' in header else [f'{file}: no CRPIX3; 0 is taken, as the FITS standard says']
    text = str(header.get('CUNIT3') or '').strip()
    unit = _unit(file, text)
    if _is_log10(header, ctype, start, start + offsets, unit):
        # 10^(s + p d) = S exp(p D / S) with S = 10^s and D = S d ln 10: the -LOG axis of paper III.
        start, step, ctype = 10.0**start, 10.0**start * step * np.log(10), 'WAVE-LOG'
        offsets = np.asarray((channels - reference) * step, np.float64)
        notes.append(f'{file}: the wavelength axis holds log10 of wavelengths (CRVAL3 = {header["CRVAL3"]})')
    with np.errstate(over='ignore'):
        wave = np.asarray(start * np.exp(offsets / start) if ctype.endswith('-LOG') else start + offsets, np.float64)
    if not np.isfinite(wave).all() or not (np.diff(wave) * step > 0).all():
        raise InputError(
            f'{file}: the wavelength axis does not run (CRVAL3 = {start}, CRPIX3 = {reference}, step {step})'
        )
    if not unit:
        unit = next((name for name, longest in GUESSES if abs(wave).max() <= longest), 'Angstrom')
        notes.append(f'{file}: no unit of wavelengths (CUNIT3); {unit} is taken for {wave[0]:.6g} to {wave[-1]:.6g}')
    if unit == 'm':
        unit, start, step, wave = 'Angstrom', start * 1e10, step * 1e10, wave * 1e10
        if text:
            notes.append(f'{file}: wavelengths are in metres; written in Angstrom')
    _check_range(file, wave, unit)
    cards = {
        'CRPIX1': reference,
        'CRVAL1': start,
        'CDELT1': step,
        'CUNIT1': unit,
        'CTYPE1': ctype if ctype.startswith(('WAVE', 'AWAV')) and len(ctype) in (4, 8) else 'WAVE',
    }
    return WaveAxis(wave, unit, cards | {card: header[card] for card in FRAME if card in header}, tuple(notes))


def _numbers(file: str, header: Mapping[str, Any], ctype: str) -> tuple[float, float, float]:
    """CRVAL3, the step and CRPIX3."""
    step, start, reference = header.get('CD3_3'), header.get('CRVAL3'), header.get('CRPIX3', 0.0)
    if ctype.endswith(('-TAB', '-GRI', '-GRA')):
        raise InputError(f'{file}: the wavelength axis is {ctype}; only linear and -LOG axes can be used: resample')
    try:
        if step is None and header.get('CDELT3') is not None:
            step = float(header['CDELT3']) * float(header.get('PC3_3', 1.0))
        numbers = float(start), float(step), float(reference)  # type: ignore[arg-type]
        usable = bool(np.isfinite(numbers).all()) and numbers[1] != 0
    except (TypeError, ValueError):  # not there, or text
        usable = False
    if not usable:
        raise InputError(
            f'{file}: no wavelength axis (CRVAL3 = {start}, CD3_3 or CDELT3 = {step}, CRPIX3 = {reference})'
        )
    return numbers


def _unit(file: str, text: str) -> str:
    """The unit in the standard's spelling, '' where the header has none."""
    if not text:
        return ''
    name = SPELLINGS.get(text.upper(), text)
    found = parsed(name) or parsed(name.lower())
    if found is None or found.physical_type != 'length':
        raise InputError(
            f'{file}: CUNIT3 = {text!r} is no unit of wavelength; expected Angstrom, nm, um or m: convert the cube, or '
            'correct the header'
        )
    return str(found.to_string('fits'))


def _is_log10(header: Mapping[str, Any], ctype: str, start: float, values: FloatArray, unit: str) -> bool:
    """Whether an axis holds log10 of wavelengths: IRAF says so, or as wavelengths in Angstrom they make no sense."""
    if ctype.endswith('-LOG') and start > 10:
        return False
    if str(header.get('DC-FLAG', '0')).strip() == '1':
        return True
    makes_no_sense = unit == 'Angstrom' or (not unit and ctype == 'LINEAR')
    return makes_no_sense and bool((values > 2.5).all() and (values < 5).all() and np.ptp(values) < 1.5)


def _check_range(file: str, wave: FloatArray, unit: str) -> None:
    ends = np.array([wave.min(), wave.max()]) * units.Unit(unit).to('um')
    if ends[0] < SHORTEST or ends[1] > LONGEST:
        raise InputError(
            f'{file}: wavelengths are {wave[0]:.6g} to {wave[-1]:.6g} {unit}; expected {SHORTEST:g} to '
            f'{LONGEST:g} micron: correct CRVAL3, CUNIT3 or the step'
        )
