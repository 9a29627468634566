"""The wavelength axis of a cube: header cards -> wavelengths, and the cards of a spectrum."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray
from autospec_lib.inputs.arrays import readable
from autospec_lib.inputs.cubes.units import parsed

WAVE_AXES = ('WAVE', 'AWAV', 'LAMBDA')
OTHER_AXES = ('FREQ', 'ENER', 'WAVN', 'VELO', 'VOPT', 'VRAD', 'ZOPT', 'BETA', 'STOKES', 'TIME')  # FITS paper III
# Axes that a spectrum's cards can describe: linear in wavelength, in its logarithm, in frequency, velocity, ...
KNOWN = re.compile(r'(WAVE|AWAV)(-LOG|-TAB|-[FWVA]2[WA])?')
UNKNOWN_TYPE = 'LINEAR'  # as MPDAF writes it; not a type of the FITS standard, so readers use the numbers as they are
SHORTEST, LONGEST = 0.05, 1000.0  # micron; cubes of X-rays and radio waves are not supported
# Cards on the rest frame of wavelengths; they are copied to the spectra.
FRAME = {
    **dict.fromkeys(('SPECSYS', 'SSYSOBS', 'SSYSSRC'), str),
    **dict.fromkeys(('VELOSYS', 'RESTWAV', 'RESTFRQ', 'ZSOURCE', 'VELANGL'), int | float),
}
UNITS = ('Angstrom', 'nm', 'um')  # that are kept; others become Angstrom
SPELLINGS = {
    'A': 'Angstrom',
    'ANG': 'Angstrom',
    'ANGSTROEM': 'Angstrom',
    'AA': 'Angstrom',
    'NANOMETRE': 'nm',
    'MICROMETRE': 'um',
    'MUM': 'um',
    'METRE': 'm',
}
# If a header has no unit, the first of these units is assumed whose range includes all wavelengths. Numbers between 2.5
# and 200 may be micron, logarithms or channels: these are refused.
GUESSES = (('m', 5e-8, 1e-3), ('um', 0.05, 2.5), ('nm', 200.0, 2500.0), ('Angstrom', 900.0, 1e7))


@dataclass(frozen=True)
class WaveAxis:
    """Wavelengths (nl,) in ``unit``, the cards of a spectrum's axis, and assumptions, one line each.

    ``medium`` is 'air', 'vacuum' or '' if that is not known; ``spacing`` is a description for messages.
    """

    wave: FloatArray
    unit: str
    cards: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    medium: str = ''
    spacing: str = 'linear'


def wave_axis(file: str, header: Mapping[str, Any], length: int) -> WaveAxis:
    """The wavelengths of a cube's third axis.

    They are computed by astropy from the cards that the spectra get, so that both agree. Axes may be linear, as in FITS
    paper III (Greisen et al. 2006, A&A 446, 747), or log10 of wavelengths as IRAF writes it (DC-FLAG = 1), which become
    -LOG axes of paper III. Metres and the like become Angstrom.

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
    written = str(header.get('CTYPE3', '')).strip().upper()
    ctype, notes = _ctype(file, written)
    medium = medium_of(written)
    start, step, reference = _numbers(file, header)
    if 'CRPIX3' not in header:
        notes.append(f'{file}: no CRPIX3; 0 is taken, as the FITS standard says')
    unit = unit_of(file, str(header.get('CUNIT3') or '').strip())
    values = start + (np.arange(1.0, length + 1) - reference) * step
    if _is_log10(header, written, start, values, unit):
        # 10^(s + p d) = S exp(p D / S) with S = 10^s and D = S d ln 10: the -LOG axis of paper III.
        step, start = float(10**start * step * np.log(10)), 10**start
        ctype = f'{ctype[:4] if medium else "WAVE"}-LOG'  # FITS has none for an unknown medium
        notes.append(f'{file}: the wavelength axis holds log10 of wavelengths (CRVAL3 = {header["CRVAL3"]})')
    elif _says_log10(header):
        notes.append(f'{file}: DC-FLAG = 1 says log10, but CRVAL3 = {start:g} is none; taken as wavelengths')
    cards: dict[str, Any] = {'CRPIX1': reference, 'CRVAL1': start, 'CDELT1': step, 'CUNIT1': unit, 'CTYPE1': ctype}
    cards |= {card: header[card] for card, kind in FRAME.items() if _is(header.get(card), kind)}
    cards, more = _in_known_unit(file, cards, length)
    wave = _values(file, cards, length)
    check_range(file, wave, cards['CUNIT1'])
    spacing = 'logarithmic' if ctype.endswith('-LOG') else 'linear' if '-' not in ctype else f'as {ctype} has them'
    return WaveAxis(wave, cards['CUNIT1'], cards, (*notes, *more), medium, spacing)


def medium_of(ctype: str) -> str:
    """The medium of wavelengths on this type of axis: 'air', 'vacuum', or '' if the type does not say it."""
    return {'AWAV': 'air', 'WAVE': 'vacuum'}.get(ctype[:4], '') if KNOWN.fullmatch(ctype) else ''


def _in_known_unit(file: str, cards: dict[str, Any], length: int) -> tuple[dict[str, Any], list[str]]:
    """A spectrum's cards in one of `UNITS`, and notes on what was assumed or changed."""
    unit, notes = cards['CUNIT1'], []
    if not unit:
        wave = _values(file, cards | {'CUNIT1': 'Angstrom'}, length)
        unit = guessed_unit(file, wave)
        notes.append(f'{file}: no unit of wavelengths (CUNIT3); {unit} is taken for {wave[0]:.6g} to {wave[-1]:.6g}')
    if unit in UNITS:
        return cards | {'CUNIT1': unit}, notes
    angstrom = float(units.Unit('Angstrom').to(unit))  # to divide by: 4.75e-7 m become 4750 to the last digit
    if not notes and not np.isclose(angstrom, 1.0, rtol=1e-9):
        notes.append(f'{file}: wavelengths are in {unit}; written in Angstrom')
    changed = {'CUNIT1': 'Angstrom', **{card: cards[card] / angstrom for card in ('CRVAL1', 'CDELT1')}}
    return cards | changed, notes


def _ctype(file: str, written: str) -> tuple[str, list[str]]:
    """The type of a spectrum's axis, and a note if that of the cube does not give the medium."""
    if KNOWN.fullmatch(written):
        return written, []
    if '-' in written[3:]:
        raise InputError(
            f'{file}: CTYPE3 = {written!r} is not a usable wavelength axis; expected WAVE or AWAV, linear or '
            '-LOG: resample the cube'
        )
    said = f'CTYPE3 = {written!r} does not say' if written else 'no CTYPE3 says'
    way = 'set CTYPE3 to AWAV (air) or WAVE (vacuum) if you know'
    return UNKNOWN_TYPE, [f'{file}: {said} whether wavelengths are in air or vacuum; spectra will not say it; {way}']


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _values(file: str, cards: Mapping[str, Any], length: int) -> FloatArray:
    """The wavelengths (nl,) that a spectrum's cards describe, in its unit."""
    said = f'CTYPE3 = {cards["CTYPE1"]!r}, CRVAL3 = {cards["CRVAL1"]:g}'
    with readable(Path(file), f'its wavelength axis ({said}) cannot be used'):
        wcs = WCS(fits.Header(cards), naxis=1)
        wave = wcs.wcs_pix2world(np.arange(length, dtype=float), 0)[0] * wcs.wcs.cunit[0].to(cards['CUNIT1'])
    if not np.isfinite(wave).all() or not (np.diff(wave) * cards['CDELT1'] > 0).all():
        start, step, reference = (cards[f'{card}1'] for card in ('CRVAL', 'CDELT', 'CRPIX'))
        raise InputError(
            f'{file}: the wavelength axis has no valid step (CRVAL3 = {start}, CRPIX3 = {reference}, step {step})'
        )
    return np.asarray(wave, np.float64)


def guessed_unit(file: str, wave: FloatArray) -> str:
    """The unit to assume for wavelengths whose header has none."""
    for unit, shortest, longest in GUESSES:
        if shortest <= wave.min() and wave.max() <= longest:
            return unit
    raise InputError(
        f'{file}: no unit of wavelengths (CUNIT3), and {wave[0]:.6g} to {wave[-1]:.6g} may be in several units; add '
        'CUNIT3 = Angstrom, nm, um or m to the header (and DC-FLAG = 1 to log10 of wavelengths)'
    )


def _numbers(file: str, header: Mapping[str, Any]) -> tuple[float, float, float]:
    """CRVAL3, the step and CRPIX3."""
    step, start, reference = header.get('CD3_3'), header.get('CRVAL3'), header.get('CRPIX3', 0.0)
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


def unit_of(file: str, text: str) -> str:
    """A unit of wavelengths in the spelling of the FITS standard; '' if the header has none."""
    if not text:
        return ''
    plain = text.rstrip('.').upper()
    name = SPELLINGS.get(plain, SPELLINGS.get(plain.removesuffix('S'), text))
    # Upper case as in old headers (ANGSTROM), and plurals.
    found = next(filter(None, map(parsed, (name, name.lower(), name.lower().removesuffix('s')))), None)
    if found is None or found.physical_type != 'length':
        raise InputError(
            f'{file}: CUNIT3 = {text!r} is not a unit of wavelength; expected Angstrom, nm, um or m: convert the cube, '
            'or correct the header'
        )
    return str(found.to_string('fits'))


def _says_log10(header: Mapping[str, Any]) -> bool:
    return str(header.get('DC-FLAG', 0)).strip() in ('1', '1.0')


def _is_log10(header: Mapping[str, Any], ctype: str, start: float, values: FloatArray, unit: str) -> bool:
    """Whether an axis holds log10 of wavelengths: IRAF's cards say so, or as Angstrom the numbers make no sense."""
    if not -8 < start < 8 or (ctype.endswith('-LOG') and start > 10):
        return False
    if _says_log10(header):
        return True
    makes_no_sense = unit == 'Angstrom' or (not unit and ctype == 'LINEAR')
    return makes_no_sense and bool((values > 2.5).all() and (values < 5).all() and np.ptp(values) < 1.5)


def check_range(file: str, wave: FloatArray, unit: str) -> None:
    """Refuse numbers that cannot be wavelengths of a cube."""
    ends = np.array([wave.min(), wave.max()]) * units.Unit(unit).to('um')
    if ends[0] < SHORTEST or ends[1] > LONGEST:
        raise InputError(
            f'{file}: wavelengths are {wave[0]:.6g} to {wave[-1]:.6g} {unit}; expected {SHORTEST:g} to '
            f'{LONGEST:g} micron: correct CRVAL3, CUNIT3 or the step'
        )
