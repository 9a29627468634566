"""Units in headers, in any spelling -> units in the spelling of the FITS standard."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache

from astropy import units

# Words that astropy does not know or reads as something else (A as ampere), and what they mean in headers of cubes.
ANGSTROM = re.compile(r'A|AA|[Aa]ngs?|ANGS?|[Aa]ngstroms|ANGSTROMS?|[Aa]ngstroems?|ANGSTROEMS?')
WORDS = {
    **dict.fromkeys(('ergs', 'Ergs', 'Erg', 'ERG', 'ERGS'), 'erg'),
    **dict.fromkeys(('sec', 'secs', 'second', 'seconds', 'SEC', 'SECOND'), 's'),
    **dict.fromkeys(('counts', 'cts', 'COUNT', 'COUNTS', 'Counts'), 'ct'),
    **dict.fromkeys(('electrons', 'ELECTRON', 'ELECTRONS'), 'electron'),
    **dict.fromkeys(('microns', 'Micron', 'Microns', 'MICRON', 'MICRONS', 'mum', 'micrometer', 'micrometers'), 'um'),
    **dict.fromkeys(('spaxel', 'spaxels', 'Spaxel', 'SPAXEL', 'spax', 'pixels', 'PIXEL', 'PIX'), 'pix'),
    'ADU': 'adu',
    'JY': 'Jy',
    'MJY': 'MJy',
}
# Further words, in units that are all in upper case.
UPPER = {'S': 's', 'CM': 'cm', 'M': 'm', 'NM': 'nm', 'UM': 'um', 'SR': 'sr', 'ARCSEC': 'arcsec'}
WORD = re.compile(r'(?<![A-Za-z0-9.])[A-Za-z]+')
TEN_TO_THE = re.compile(r'^10\s*(?:\*\*|\^)\s*\(?\s*([+-]?\d+)\s*\)?\s*\*?\s*')
FLAM = re.compile(r'FLAM(\d*)')  # IRAF's and Keck's erg/s/cm2/A; FLAM16 is 1e-16 of it
PLUS = re.compile(r'^10\*\*(?=\d)')


def standard(text: str) -> str:
    """A unit as FITS writes it; a text that is not a FITS unit is returned unchanged."""
    return known(text) or text.strip()


def known(text: str) -> str:
    """A unit as FITS writes it; '' if the text is not a unit."""
    unit = parsed(text)
    return '' if unit is None else written(unit)


def written(unit: units.UnitBase) -> str:
    """A unit as FITS writes it, or as astropy does where FITS has no such unit or scale (electron, 2e-17 erg)."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            text = str(unit.to_string('fits'))
        except ValueError:
            return str(unit.to_string())
    # MPDAF replaces the asterisks by blanks, and reads 10 +16 as a power of ten but not 10 16.
    return PLUS.sub('10**+', text)


def says_ampere(text: str) -> bool:
    """Whether A in a unit is Angstrom here, where astropy and MPDAF read ampere."""
    return 'A' in WORD.findall(text)


@lru_cache(maxsize=64)
def parsed(text: str) -> units.UnitBase | None:
    """A unit; None if the text is not a unit."""
    inverse = re.fullmatch(r'1\s*/\s*(\(.*)', text.strip())
    power = re.fullmatch(r'\((.*)\)\s*(?:\*\*|\^)\s*\(?([+-]?\d+)\)?', text.strip())
    root = parsed(inverse[1]) if inverse else parsed(power[1]) if power else None
    if root is not None:
        return root ** (-1 if inverse or not power else int(power[2]))
    for spelling in _spellings(text.strip()):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            try:
                found = units.Unit(spelling)
            except (ValueError, TypeError):
                continue
        return found if isinstance(found, units.UnitBase) else None
    return None


def _spellings(text: str) -> Iterator[str]:
    """Texts to try, the first that is a unit counts."""
    # MUSE writes 10**(-20)*erg/..., which astropy reads with a plain exponent only.
    plain = TEN_TO_THE.sub(r'1e\1 ', text)
    if not says_ampere(text):
        yield from (text, plain)
    yield _in_words(plain, WORDS)
    if text == text.upper():
        yield _in_words(plain, WORDS | UPPER)


def _in_words(text: str, words: dict[str, str]) -> str:
    """A unit with each of its words replaced by one that astropy knows."""

    def word(found: re.Match[str]) -> str:
        name = found[0]
        return 'Angstrom' if ANGSTROM.fullmatch(name) else words.get(name, name)

    flam = FLAM.fullmatch(text.strip())
    if flam:
        return f'1e-{flam[1] or 0} erg / (s cm2 Angstrom)'
    return WORD.sub(word, text)
