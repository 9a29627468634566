"""At what wavelength a channel is: header cards or a table -> `WaveAxis`.

The arithmetic is that of `astropy.wcs`. What is done here is to settle what headers leave open:
units, the medium, and wavelengths in tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.wcs import WCS

from autospec_lib.core.types import FloatArray
from autospec_lib.inputs.fits_arrays import FileError, card_text, readable
from autospec_lib.inputs.units import parsed

# Axes that a spectrum's cards can describe: linear in wavelength, in its logarithm, in frequency,
# velocity, ...
KNOWN_TYPE = re.compile(r'(WAVE|AWAV)(-LOG|-TAB|-[FWVA]2[WA])?')
MEDIUM_OF = {'AWAV': 'air', 'WAVE': 'vacuum'}
# As MPDAF writes it; not a type of the FITS standard, so readers use the numbers as they are.
UNKNOWN_TYPE = 'LINEAR'
SHORTEST, LONGEST = 0.05, 1000.0  # micron; cubes of X-rays and radio waves are not supported
# Cards on the rest frame of wavelengths; they are copied to the spectra.
REST_FRAME = {
    **dict.fromkeys(('SPECSYS', 'SSYSOBS', 'SSYSSRC'), str),
    **dict.fromkeys(('VELOSYS', 'RESTWAV', 'RESTFRQ', 'ZSOURCE', 'VELANGL'), int | float),
}
KEPT_UNITS = ('Angstrom', 'nm', 'um')  # others become Angstrom
# If a header has no unit, the first of these units is assumed whose range includes all wavelengths.
# Numbers between 2.5 and 200 may be micron, logarithms or channels: these are refused.
ASSUMED_UNITS = (
    ('m', 5e-8, 1e-3),
    ('um', 0.05, 2.5),
    ('nm', 200.0, 2500.0),
    ('Angstrom', 900.0, 1e7),
)
WAVELENGTH_ARRAYS = ('WAVE', 'WAVELENGTH', 'WAVELENGTHS', 'LAMBDA')
LINEAR_TO = 5e-7  # of a wavelength; tables in single precision are rounded by 6e-8 of it
SAME_TO = 0.1  # of a step
# The axis of spectra whose wavelengths FITS cards cannot describe: it counts channels, and a table
# has the wavelengths.
CHANNELS = {'CRPIX1': 1.0, 'CRVAL1': 1.0, 'CDELT1': 1.0, 'CUNIT1': '', 'CTYPE1': 'CHANNEL'}


@dataclass(frozen=True)
class WaveAxis:
    """The wavelength axis of a cube.

    Attributes
    ----------
    wave : array (nl,)
        Wavelengths in ``unit``, one of `KEPT_UNITS`.
    cards : mapping
        The cards of a spectrum's axis.
    medium : str
        'air', 'vacuum' or '' if that is not known.
    spacing : str
        'linear', 'logarithmic' or the like, for messages.
    notes : tuple of str
        Assumptions, one line each.
    """

    wave: FloatArray
    unit: str
    cards: Mapping[str, Any]
    medium: str
    spacing: str
    notes: tuple[str, ...] = ()


def wave_axis(hdus: fits.HDUList, header: fits.Header, length: int) -> WaveAxis:
    """The wavelengths of a cube's third axis: from its header, or from a table if the header names
    or lacks one.

    Parameters
    ----------
    hdus : HDUList
        The open file.
    header : Header
        Of the extension with the data, wavelength on axis 3.
    length : int
        Number of wavelengths.

    Raises
    ------
    FileError
        If there are no wavelengths between `SHORTEST` and `LONGEST`.
    """
    ctype = card_text(header, 'CTYPE3').upper()
    if ctype.endswith('-TAB'):  # a table as in FITS paper III
        text = card_text(header, 'CUNIT3')
        with readable(f'the table of its wavelength axis (CTYPE3 = {ctype!r}) cannot be read'):
            wcs = WCS(header, fobj=hdus).sub([3])
            wave = wcs.wcs_pix2world(np.arange(length, dtype=float), 0)[0]
            if text:
                wave = wave * wcs.wcs.cunit[0].to(length_unit(text))
        return _axis_of_table(wave, text, ctype)
    arrays = (
        hdu
        for hdu in hdus
        if hdu.name in WAVELENGTH_ARRAYS and hdu.is_image and hdu.shape == (length,)
    )
    array = next((hdu for hdu in arrays if hdu.header['BITPIX'] < 0), None)
    if array is None:
        return _axis_of_cards(header, length)
    wave = np.asarray(array.data, np.float64)
    unit = card_text(array.header, 'BUNIT') or card_text(array.header, 'CUNIT1')
    if header.get('CRVAL3') is None or (
        header.get('CD3_3') is None and header.get('CDELT3') is None
    ):
        axis = _axis_of_table(wave, unit, ctype)
        note = f'no wavelength axis in the header; wavelengths are those of {array.name}'
    else:
        axis = _axis_of_cards(header, length)
        note = _difference(axis, wave, unit, array.name)
    return replace(axis, notes=(*axis.notes, note)) if note else axis


def _axis_of_cards(header: fits.Header, length: int) -> WaveAxis:
    """The axis that cards describe.

    Wavelengths are computed by astropy from the cards that the spectra get, so that both agree.
    Axes may be as in FITS paper III (Greisen et al. 2006, A&A 446, 747), or log10 of wavelengths as
    IRAF writes it (DC-FLAG = 1), which become -LOG axes of paper III.
    """
    written = card_text(header, 'CTYPE3').upper()
    ctype, medium, notes = _spectrum_type(written)
    step, start, reference = header.get('CD3_3'), header.get('CRVAL3'), header.get('CRPIX3', 0.0)
    numbers = np.full(3, np.nan)
    with suppress(TypeError, ValueError):  # not there, or text
        if step is None and header.get('CDELT3') is not None:
            step = float(header['CDELT3']) * float(header.get('PC3_3', 1.0))
        numbers = np.array([float(start), float(step), float(reference)])
    if not np.isfinite(numbers).all() or numbers[1] == 0:
        raise FileError(
            f'no wavelength axis (CRVAL3 = {start}, CD3_3 or CDELT3 = {step}, CRPIX3 = {reference})'
        )
    start, step, reference = numbers.tolist()
    if 'CRPIX3' not in header:
        notes.append('no CRPIX3; 0 is taken, as the FITS standard says')
    text = card_text(header, 'CUNIT3')
    unit = length_unit(text)
    says_log10 = card_text(header, 'DC-FLAG') in ('1', '1.0')
    numbers = start + (np.arange(1.0, length + 1) - reference) * step
    in_range = (numbers > 2.5).all() and (numbers < 5).all() and np.ptp(numbers) < 1.5
    # In Angstrom such numbers make no sense.
    looks_log10 = in_range and (unit == 'Angstrom' or (not unit and written == 'LINEAR'))
    if -8 < start < 8 and (says_log10 or looks_log10):
        # 10^(s + p d) = S exp(p D / S) with S = 10^s and D = S d ln 10: the -LOG axis of paper III.
        step, start = float(10**start * step * np.log(10)), 10**start
        ctype = f'{ctype[:4] if medium else "WAVE"}-LOG'  # FITS has none for an unknown medium
        notes.append(
            f'the wavelength axis holds log10 of wavelengths (CRVAL3 = {header["CRVAL3"]})'
        )
    elif says_log10:
        notes.append(
            f'DC-FLAG = 1 says log10, but CRVAL3 = {start:g} is none; taken as wavelengths'
        )
    # Numbers in an unknown unit are taken for Angstrom: only their range is looked at.
    cards = {
        'CRPIX1': reference,
        'CRVAL1': start,
        'CDELT1': step,
        'CUNIT1': unit or 'Angstrom',
        'CTYPE1': ctype,
    }
    for card, kind in REST_FRAME.items():
        value = header.get(card)
        if isinstance(value, kind) and not isinstance(value, bool):
            cards[card] = value
    unit, angstrom, more = _kept_unit(text, _wavelengths(cards, length))
    cards |= {'CUNIT1': unit, 'CRVAL1': start / angstrom, 'CDELT1': step / angstrom}
    spacing = 'linear' if '-' not in ctype else f'as {ctype} has them'
    if ctype.endswith('-LOG'):
        spacing = 'logarithmic'
    return WaveAxis(_wavelengths(cards, length), unit, cards, medium, spacing, (*notes, *more))


def _axis_of_table(numbers: FloatArray, text: str, ctype: str) -> WaveAxis:
    """The axis for the wavelengths of a table: linear if they are linear, else one that counts
    channels."""
    steps = np.diff(numbers)
    if not np.isfinite(numbers).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise FileError('its table of wavelengths does not run up or down; correct it')
    unit, angstrom, notes = _kept_unit(text, numbers)
    wave = numbers / angstrom
    kind, medium, more = _spectrum_type(ctype)
    notes += more
    step = float(wave[-1] - wave[0]) / max(len(wave) - 1, 1)
    off = np.abs(np.linspace(wave[0], wave[-1], len(wave)) - wave)
    if len(wave) > 1 and (off <= np.minimum(LINEAR_TO * np.abs(wave), SAME_TO * abs(step))).all():
        kind = kind.removesuffix('-TAB')
        cards = {
            'CRPIX1': 1.0,
            'CRVAL1': float(wave[0]),
            'CDELT1': step,
            'CUNIT1': unit,
            'CTYPE1': kind,
        }
        return WaveAxis(wave, unit, cards, medium, 'linear', tuple(notes))
    notes.append(
        'wavelengths are not linear: spectra count channels, TAB_WAVE holds the wavelengths'
    )
    return WaveAxis(wave, unit, CHANNELS, medium, 'of a table', tuple(notes))


def _difference(axis: WaveAxis, wave: FloatArray, text: str, name: str) -> str:
    """A note if an array of wavelengths differs from the header's, else ''."""
    try:
        unit, divisor, _ = _kept_unit(text, wave)
    except FileError:  # it holds no wavelengths
        return ''
    with np.errstate(invalid='ignore'):
        off = np.abs(wave / divisor * units.Unit(unit).to(axis.unit) - axis.wave)
    step = np.abs(np.diff(axis.wave)).min(initial=np.inf)
    rounding = 2 * np.finfo(np.float32).eps * np.abs(axis.wave).max()  # of single precision
    if not (off > SAME_TO * step + rounding).any():
        return ''
    most = f'{np.nanmax(off):.4g} {axis.unit}'
    return f'{name} and the header give other wavelengths (by up to {most}); those of the header are used'


def _spectrum_type(ctype: str) -> tuple[str, str, list[str]]:
    """The type of a spectrum's axis, the medium of its wavelengths, and a note if the cube's type
    does not give it."""
    if KNOWN_TYPE.fullmatch(ctype):
        return ctype, MEDIUM_OF[ctype[:4]], []
    # A hyphen behind a type of four letters (or of three, as in DEC--TAN) begins the code of an
    # algorithm, without which the numbers are no wavelengths; one before is part of a name.
    if '-' in ctype[3:]:
        raise FileError(
            f'CTYPE3 = {ctype!r} is not a usable wavelength axis; expected WAVE or AWAV, linear or -LOG: '
            'resample the cube'
        )
    which = f'CTYPE3 = {ctype!r} does not say' if ctype else 'no CTYPE3 says'
    way_out = 'set CTYPE3 to AWAV (air) or WAVE (vacuum) if you know'
    note = f'{which} whether wavelengths are in air or vacuum; spectra will not say it; {way_out}'
    return UNKNOWN_TYPE, '', [note]


def _wavelengths(cards: Mapping[str, Any], length: int) -> FloatArray:
    """The wavelengths (nl,) that a spectrum's cards describe, in its unit."""
    start, step, reference = (cards[f'{card}1'] for card in ('CRVAL', 'CDELT', 'CRPIX'))
    what = f'its wavelength axis (CTYPE3 = {cards["CTYPE1"]!r}, CRVAL3 = {start:g}) cannot be used'
    with readable(what):
        wcs = WCS(fits.Header(cards), naxis=1)
        wave = wcs.wcs_pix2world(np.arange(length, dtype=float), 0)[0] * wcs.wcs.cunit[0].to(
            cards['CUNIT1']
        )
    if not np.isfinite(wave).all() or not (np.diff(wave) * step > 0).all():
        numbers = f'CRVAL3 = {start}, CRPIX3 = {reference}, step {step}'
        raise FileError(f'the wavelength axis has no valid step ({numbers})')
    return np.asarray(wave, np.float64)


def _kept_unit(text: str, wave: FloatArray) -> tuple[str, float, list[str]]:
    """One of `KEPT_UNITS` for wavelengths in a unit.

    Parameters
    ----------
    text : str
        The unit as the header has it, '' for none.
    wave : array (nl,)
        The wavelengths in this unit, from which a missing unit is guessed.

    Returns
    -------
    str, float
        The unit, and what to divide wavelengths by to have them in it.
    list of str
        A note if a unit was assumed or changed.

    Raises
    ------
    FileError
        If the unit is none of a length, is not clear, or the numbers cannot be wavelengths of a
        cube.
    """
    notes = []
    unit = length_unit(text)
    least, most = wave.min(), wave.max()
    ends = f'{wave[0]:.6g} to {wave[-1]:.6g}'
    if not unit:
        options = [
            unit
            for unit, shortest, longest in ASSUMED_UNITS
            if shortest <= least and most <= longest
        ]
        if not options:
            raise FileError(
                f'no unit of wavelengths (CUNIT3), and {ends} may be in several units; add CUNIT3 = Angstrom, '
                'nm, um or m to the header (and DC-FLAG = 1 to log10 of wavelengths)'
            )
        unit = options[0]
        notes.append(f'no unit of wavelengths (CUNIT3); {unit} is taken for {ends}')
    micron = units.Unit(unit).to('um')
    if not SHORTEST <= least * micron <= most * micron <= LONGEST:
        raise FileError(
            f'wavelengths are {ends} {unit}; expected {SHORTEST:g} to {LONGEST:g} micron: correct CRVAL3, '
            'CUNIT3 or the step'
        )
    if unit in KEPT_UNITS:
        return unit, 1.0, notes
    # To divide by: 4.75e-7 m become 4750 to the last digit.
    angstrom = float(units.Unit('Angstrom').to(unit))
    if text and not np.isclose(angstrom, 1.0, rtol=1e-9):
        notes.append(f'wavelengths are in {unit}; written in Angstrom')
    return 'Angstrom', angstrom, notes


def length_unit(text: str) -> str:
    """A unit of wavelengths in the spelling of the FITS standard; '' if the header has none.

    Parameters
    ----------
    text : str
        The unit as the header has it, '' for none.

    Raises
    ------
    FileError
        If it is not a unit of length.
    """
    if not text:
        return ''
    word = text.rstrip('.')
    lower = word.lower().replace('metre', 'meter')
    # Upper case as in old headers (ANGSTROM), and plurals.
    unit = next(filter(None, map(parsed, (word, lower, lower.removesuffix('s')))), None)
    if unit is None or unit.physical_type != 'length':
        raise FileError(
            f'CUNIT3 = {text!r} is not a unit of wavelength; expected Angstrom, nm, um or m: convert the cube, '
            'or correct the header'
        )
    return str(unit.to_string('fits'))
