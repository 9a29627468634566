"""Units in any spelling -> astropy's units, and the spelling of FITS; the unit of a cube's
spectra."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from astropy import constants, units
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area

from autospec_lib.inputs.fits_arrays import card_text, is_number
from autospec_lib.inputs.instruments import Instrument

# Words that astropy does not know or reads as something else (A as ampere), and what they mean in
# headers of cubes.
ANGSTROM = re.compile(r'A|AA|[Aa]ngs?|ANGS?|[Aa]ngstroms|ANGSTROMS?|[Aa]ngstroems?|ANGSTROEMS?')
MEANINGS = {
    'ergs Ergs Erg ERG ERGS': 'erg',
    'sec secs second seconds SEC SECOND': 's',
    'counts cts COUNT COUNTS Counts': 'ct',
    'electrons ELECTRON ELECTRONS': 'electron',
    'microns Micron Microns MICRON MICRONS mum micrometer micrometers': 'um',
    'spaxel spaxels Spaxel SPAXEL spax pixels PIXEL PIX': 'pix',
    'ADU': 'adu',
    'JY': 'Jy',
    'MJY': 'MJy',
}
WORDS = {word: meaning for words, meaning in MEANINGS.items() for word in words.split()}
# Further words, in units that are all in upper case.
UPPER = {word: word.lower() for word in 'S CM M NM UM SR ARCSEC'.split()}
WORD = re.compile(r'(?<![A-Za-z0-9.])[A-Za-z]+')
TEN_TO_THE = re.compile(r'^10\s*(?:\*\*|\^)\s*\(?\s*([+-]?\d+)\s*\)?\s*\*?\s*')
FLAM = re.compile(r'FLAM(\d*)')  # IRAF's and Keck's erg/s/cm2/A; FLAM16 is 1e-16 of it
INVERSE = re.compile(r'1\s*/\s*(\(.*)')
POWER = re.compile(r'\((.*)\)\s*(?:\*\*|\^)\s*\(?([+-]?\d+)\)?')
# A dot between units: behind a letter, a bracket or an exponent, not the decimal point of a factor.
DOT = re.compile(
    r'(?:(?<=[A-Za-z)\]])|(?<=[A-Za-z]\d)|(?<=[A-Za-z][+-]\d)|(?<=[*^(+-]\d))\.(?=[A-Za-z(])'
)
POSITIVE_EXPONENT = re.compile(r'^10\*\*(?=\d)')
COUNTS = (units.ct, units.adu, units.electron)
AREAS = {'angle': 2, 'solid angle': 1}  # the power of a unit that gives an area
SAME_AREA = 0.01  # relative
LINE_FLUX = units.Unit('1e-20 erg s-1 cm-2')  # of lines in cubes with fluxes per frequency
JWST_FLUX = 'uJy'  # in which spaxels of JWST hold numbers near 1


# --- Spellings ---


@lru_cache(maxsize=64)
def parsed(text: str) -> units.UnitBase | None:
    """A unit; None if the text is not a unit."""
    text = text.strip()
    inverse, power = INVERSE.fullmatch(text), POWER.fullmatch(text)
    if inverse is not None and (root := parsed(inverse[1])) is not None:
        return root**-1
    if power is not None and (root := parsed(power[1])) is not None:
        return root ** int(power[2])
    # MUSE writes 10**(-20)*erg/..., which astropy reads with a plain exponent only.
    plain = DOT.sub(' ', TEN_TO_THE.sub(r'1e\1 ', text))
    spellings = [] if says_ampere(text) else [text, plain]
    spellings.append(_in_words(plain, WORDS))
    if text == text.upper():
        spellings.append(_in_words(plain, WORDS | UPPER))
    for spelling in spellings:
        with warnings.catch_warnings(action='ignore'):
            try:
                unit = units.Unit(spelling)
            except (ValueError, TypeError):
                continue
        return unit if isinstance(unit, units.UnitBase) else None
    return None


def says_ampere(text: str) -> bool:
    """Whether A in a unit is Angstrom here, where astropy and MPDAF read ampere."""
    return 'A' in WORD.findall(DOT.sub(' ', text))


def _in_words(text: str, words: Mapping[str, str]) -> str:
    """A unit with each of its words replaced by one that astropy knows."""
    flam = FLAM.fullmatch(text.strip())
    if flam is not None:
        return f'1e-{flam[1] or 0} erg / (s cm2 Angstrom)'
    return WORD.sub(
        lambda word: 'Angstrom' if ANGSTROM.fullmatch(word[0]) else words.get(word[0], word[0]),
        text,
    )


def written(unit: units.UnitBase | None) -> str:
    """A unit as FITS writes it, or as astropy does where FITS has no such unit or scale (electron,
    2e-17 erg)."""
    if unit is None:
        return ''
    with warnings.catch_warnings(action='ignore'):
        try:
            text = str(unit.to_string('fits'))
        except ValueError:
            return str(unit.to_string())
    # MPDAF replaces the asterisks by blanks, and reads 10 +16 as a power of ten but not 10 16.
    return POSITIVE_EXPONENT.sub('10**+', text)


def standard(text: str) -> str:
    """A unit as FITS writes it; a text that is not a unit is returned unchanged."""
    return written(parsed(text)) or text.strip()


def line_unit(text: str) -> tuple[str, float]:
    """The unit of the flux of a line in such a cube, and `Grid.per_frequency`; '' if the text is
    not a unit."""
    unit = parsed(text) if text else None
    if unit is None:
        return '', 0.0
    if unit.is_equivalent(units.Jy):
        return written(LINE_FLUX), float(
            (unit * constants.c / units.AA**2).to(LINE_FLUX / units.AA).value
        )
    return written(unit * units.AA), 0.0


# --- The unit of flux ---


def flux_unit(
    header: Mapping[str, Any], instrument: Instrument, wcs: WCS, response: Any
) -> tuple[str, float, list[str]]:
    """The unit of flux per spaxel.

    Parameters
    ----------
    header : mapping
        Of the extension with the data.
    instrument : Instrument
        Its table entry may have the unit if that is missing or wrong in the header.
    wcs : WCS
        The celestial WCS, which gives the area of a spaxel if no card does.
    response : HDU or None
        The spectrum that the data are multiplied by.

    Returns
    -------
    str
        The unit as FITS writes it, '' for none.
    float
        What the cube's numbers are multiplied by to have it.
    list of str
        Assumptions, one line each.
    """
    own, notes = card_text(header, 'BUNIT'), []
    text = own
    if not own and instrument.unit and header.get(instrument.unit_if):
        text = instrument.unit
        notes.append(f'no BUNIT; {standard(text)} is taken, the unit of {instrument.name} cubes')
    unit = parsed(text) if text else None
    if response is not None:
        unit = _times_response(unit, card_text(response.header, 'BUNIT'))
    factor, result = 1.0, '' if response is not None else own
    if unit is not None:
        if says_ampere(own):
            notes.append(f'A in BUNIT = {own!r} is taken for Angstrom')
        for wrong, right in instrument.wrong_scales.items():
            if np.isclose(unit.scale, wrong, rtol=1e-6):
                unit = units.Unit(right / wrong * unit)
                notes.append(
                    f'BUNIT = {own!r} is a mistake of the pipeline; {written(unit)} is written'
                )
        per_spaxel, factor, source = _per_spaxel(unit, header, wcs)
        result = written(per_spaxel)
        if source:
            line = f'values are multiplied by {source}, which gives {result}'
            notes.append(f'{standard(text)} is surface brightness; {line}')
    elif result:
        notes.append(f'BUNIT = {own!r} is not a unit that astropy knows; it is copied as it is')
    return result, factor, notes


def _times_response(unit: units.UnitBase | None, text: str) -> units.UnitBase | None:
    """The unit of counts times a response, whether or not the response's unit is per count."""
    response = parsed(text) if text else None
    if response is None:
        return None
    product = response if unit is None else response * unit
    for counts in COUNTS:
        if counts in product.bases and product.powers[product.bases.index(counts)] == 1:
            product = product / counts
    return product


def _per_spaxel(
    unit: units.UnitBase, header: Mapping[str, Any], wcs: WCS
) -> tuple[units.UnitBase, float, str]:
    """The unit without the area, the factor, and the area in words; '' if the unit has none."""
    powers = dict(zip(unit.bases, unit.powers, strict=True))
    if powers.get(units.pix) == -1:
        return unit * units.pix, 1.0, ''
    angles = [
        (base, power)
        for base in powers
        for kind, power in AREAS.items()
        if base.physical_type == kind
    ]
    if len(angles) != 1 or powers[angles[0][0]] != -angles[0][1]:
        return unit, 1.0, ''
    solid = angles[0][0] ** angles[0][1]
    # A card counts unless the WCS has another area: a cube that was binned or resampled may have
    # kept the card.
    area, source = proj_plane_pixel_area(wcs) * units.deg**2, 'of its WCS'
    for card, of_card in (('PIXAR_SR', units.sr), ('PIXAR_A2', units.arcsec**2)):
        value: Any = header.get(card)
        if is_number(value) and value > 0:
            ratio = value / area.to_value(of_card)
            if abs(ratio - 1) < SAME_AREA:
                area, source = value * of_card, card
            else:
                source = (
                    f'of its WCS; {card} = {value:.4g} is not used, it is {ratio:.3g} times that'
                )
            break
    factor = spaxel = float(area.to(solid).value)
    result = unit * solid
    if result.is_equivalent(units.Jy) and (result / units.Jy).decompose().scale > 1:
        factor *= result.to(JWST_FLUX)
        result = units.Unit(JWST_FLUX)
    return result, factor, f'the area of a spaxel, {spaxel:.4g} {solid} ({source})'
