"""Which kind of noise an extension holds (variance, sigma, or the inverse of one of these): from its header alone."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

from astropy import units

from autospec_lib.core.noise_kind import NoiseKind
from autospec_lib.inputs.units import parsed

# What headers declare: ESO's HDUCLAS3, JWST's ERRTYPE, astropy's UTYPE.
DECLARED = {
    'MSE': NoiseKind.VARIANCE,
    'RMSE': NoiseKind.SIGMA,
    'INVMSE': NoiseKind.INVERSE_VARIANCE,
    'INVRMSE': NoiseKind.INVERSE_SIGMA,
    'VAR': NoiseKind.VARIANCE,
    'ERR': NoiseKind.SIGMA,
    'IVAR': NoiseKind.INVERSE_VARIANCE,
    'IERR': NoiseKind.INVERSE_SIGMA,
    'VARIANCEUNCERTAINTY': NoiseKind.VARIANCE,
    'STDDEVUNCERTAINTY': NoiseKind.SIGMA,
    'INVERSEVARIANCE': NoiseKind.INVERSE_VARIANCE,
}
# Parts of extensions' names; the first that occurs counts.
WEIGHT = re.compile(r'WEIGHT|WHT|WGT')
PARTS_OF_NAMES = (
    (re.compile(r'IVAR|INV\w*VAR|VAR(IANCE)?_?INV(ERSE)?'), NoiseKind.INVERSE_VARIANCE),
    (re.compile(r'INV\w*(ERR|SIG|STD|RMS)|(?<![A-Z])I(ERR|SIG|STD)'), NoiseKind.INVERSE_SIGMA),
    (re.compile(r'(?<!CO)VAR|(?<![A-Z])STATS?(?![A-Z])'), NoiseKind.VARIANCE),
    (
        re.compile(r'ERR|NOISE|UNCERT|(?<![A-Z])UNC(?![A-Z])|STD|STDEV|SIGMA|(?<![A-Z])SIG(?![A-Z])|RMS(?![A-Z])'),
        NoiseKind.SIGMA,
    ),
)
# With one of these words a name says that the array is a function of the noise.
FUNCTION = re.compile(
    r'SQRT|ROOT|(?<![A-Z])LO?[GN](?![A-Z])|LOG10|(?<![A-Z])(LOG|LN)(?=VAR|ERR|SIG|NOISE|STD|RMS)|LOG$|(?<![A-Z])REL|'
    r'FRAC|RATIO|PERC|PCT|(?<![A-Z])MAG|1/|(?<![A-Z])(ONE_)?OVER(?![A-Z])'
)
# ERR2 and SIGMA_SQ may be a variance, or the second of two extensions
SQUARED = re.compile(r'(2|SQ|SQUARED?)$|(?<![A-Z])SQ(UARED?)?(?![A-Z])|(?<![A-Z])SQ(?=ERR|SIG|NOISE|STD)')
FLAGS = re.compile(r'(?<![A-Z])(DQI?|BPM|BADPIX|MASK|QUALITY|FLAGS?)(?![A-Z])')
OF_POWER = {
    1: NoiseKind.SIGMA,
    2: NoiseKind.VARIANCE,
    -2: NoiseKind.INVERSE_VARIANCE,
    -1: NoiseKind.INVERSE_SIGMA,
}
TEXT_OF_POWER = re.compile(r'\((.*)\)\s*(?:\*\*|\^)\s*\(?([+-]?\d)\)?')
BY_UNIT = 'by its unit'
SAME_SCALE = 1e-4  # relative


def noise_kind(
    header: Mapping[str, Any], primary: Mapping[str, Any], data_header: Mapping[str, Any]
) -> tuple[NoiseKind | None, str]:
    """How an extension stores noise.

    What the file declares counts first, then the extension's name, then its unit in comparison with that of the data.
    Exact names (VAR, STAT, IVAR) count whatever the unit is. Other names (ERR, WEIGHT), which may stand for noise of
    any kind, must not contradict the unit; but the unit of the data itself, which is often copied with the rest of the
    header, is no contradiction.

    Parameters
    ----------
    header, primary, data_header : mapping
        Headers of the extension, of the first one, and of that with the data.

    Returns
    -------
    NoiseKind or None
        None if it cannot be told.
    str
        How it is known, '' if it is not.
    """
    kind, why = declared(header, primary)
    if kind is not None:
        return kind, why
    name, by_unit = str(header.get('EXTNAME', '')).upper(), _kind_of_unit(header, data_header)
    by_name = kind_of_name(name)
    if by_name is None:
        # The unit of the data is copied to what is called noise of unknown kind, and to flags.
        if by_unit is None or FLAGS.search(name) or (by_unit is NoiseKind.SIGMA and looks_like_noise(name)):
            return None, ''
        return by_unit, BY_UNIT
    exact = by_name in (NoiseKind.VARIANCE, NoiseKind.INVERSE_VARIANCE) and not WEIGHT.search(name)
    in_other_unit = WEIGHT.search(name) and by_unit is None and str(header.get('BUNIT', '')).strip()
    if not exact and (by_unit not in (None, NoiseKind.SIGMA, by_name) or in_other_unit):
        return None, ''
    return by_name, 'by its name'


def declared(header: Mapping[str, Any], primary: Mapping[str, Any]) -> tuple[NoiseKind | None, str]:
    """The kind of noise that cards of the extension, or of the first one, declare; see `noise_kind`."""
    cards = [(card, one.get(card)) for card, one in (('ERRTYPE', header), ('ERRTYPE', primary), ('UTYPE', header))]
    # MPDAF copies all cards of the data to the variance, HDUCLAS2 = DATA among them.
    if str(header.get('HDUCLAS2', 'ERROR')).strip().upper() == 'ERROR':
        cards.insert(0, ('HDUCLAS3', header.get('HDUCLAS3')))
    for card, value in cards:
        kind = DECLARED.get(str(value).strip().upper())
        if kind is not None:
            return kind, f'by its {card}'
    return None, ''


def kind_of_name(name: str) -> NoiseKind | None:
    """The kind of noise that the name of an extension stands for; None for none, or where its words contradict."""
    name = name.upper()
    if looks_like_flags(name) or FUNCTION.search(name):
        return None
    kinds = set()
    for part, kind in PARTS_OF_NAMES:
        if part.search(name):
            kinds.add(kind)
            name = part.sub(' ', name)  # IVAR is no VAR besides
    if WEIGHT.search(name):
        return None if kinds else NoiseKind.INVERSE_VARIANCE
    if len(kinds) != 1 or (NoiseKind.SIGMA in kinds and SQUARED.search(name)):
        return None
    return kinds.pop()


def looks_like_noise(name: str) -> bool:
    """Whether a name is one of noise, of whatever kind."""
    parts = (WEIGHT, *(part for part, _ in PARTS_OF_NAMES))
    return not looks_like_flags(name) and any(part.search(name.upper()) for part in parts)


def looks_like_flags(name: str) -> bool:
    """Whether a name is one of flags or masks."""
    return bool(FLAGS.search(name.upper()))


def noise_scale(noise: Any, data_header: Mapping[str, Any], kind: NoiseKind) -> tuple[float, str]:
    """What to multiply noise by if its unit has another scale than that of the data, and a line on it; else 1 and ''.

    Parameters
    ----------
    noise : HDU or None
        The extension.
    data_header : mapping
        Header of the data.
    kind : NoiseKind
        How the noise is stored.
    """
    if noise is None:
        return 1.0, ''
    texts = [str(header.get('BUNIT', '')).strip() for header in (noise.header, data_header)]
    own, flux = map(parsed, texts)
    if own is None or flux is None:
        return 1.0, ''
    power = next(power for power, one in OF_POWER.items() if one is kind)
    try:
        scale = float(own.to(flux**power))
    except units.UnitConversionError:  # the unit of the data is copied to noise of any kind
        return 1.0, ''
    if abs(scale - 1) < SAME_SCALE:
        return 1.0, ''
    of_noise, of_data = texts
    return scale, f'{noise.name} is in {of_noise!r}, the data in {of_data!r}: {noise.name} is multiplied by {scale:.6g}'


def _kind_of_unit(header: Mapping[str, Any], data_header: Mapping[str, Any]) -> NoiseKind | None:
    own, flux = (str(one.get('BUNIT', '')).strip() for one in (header, data_header))
    own_unit, flux_unit = parsed(own), parsed(flux)
    if own_unit is None or flux_unit is None:
        return _kind_of_unit_text(own, flux)
    if flux_unit == units.dimensionless_unscaled:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return next((kind for power, kind in OF_POWER.items() if own_unit == flux_unit**power), None)


def _kind_of_unit_text(own: str, flux: str) -> NoiseKind | None:
    """The same of units that astropy does not know, by their text."""
    if own == flux:
        return NoiseKind.SIGMA
    inverse = re.fullmatch(r'1\s*/\s*(.*)', own)
    power = TEXT_OF_POWER.fullmatch(inverse[1] if inverse else own)
    if power is None or power[1].strip() != flux:
        return None
    return OF_POWER.get(-int(power[2]) if inverse else int(power[2]))
