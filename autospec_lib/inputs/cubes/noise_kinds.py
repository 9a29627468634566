"""Finds the kind of noise in an extension (variance, sigma, or the inverse of one of these) from its header."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from astropy import units

from autospec_lib.core.noise_kind import NoiseKind
from autospec_lib.inputs.cubes.units import parsed

VARIANCE, SIGMA, INVERSE_VARIANCE, INVERSE_SIGMA = NoiseKind
# What headers declare: ESO's HDUCLAS3, JWST's ERRTYPE, astropy's UTYPE.
DECLARED = {
    'MSE': VARIANCE,
    'RMSE': SIGMA,
    'INVMSE': INVERSE_VARIANCE,
    'INVRMSE': INVERSE_SIGMA,
    'VAR': VARIANCE,
    'ERR': SIGMA,
    'IVAR': INVERSE_VARIANCE,
    'IERR': INVERSE_SIGMA,
    'VARIANCEUNCERTAINTY': VARIANCE,
    'STDDEVUNCERTAINTY': SIGMA,
    'INVERSEVARIANCE': INVERSE_VARIANCE,
}
# Parts of extensions' names; the first that is found counts.
WEIGHT = re.compile(r'WEIGHT|WHT|WGT')
NAMES = (
    (re.compile(r'IVAR|INV\w*VAR'), INVERSE_VARIANCE),
    (re.compile(r'INV\w*(ERR|SIG|STD|RMS)|(?<![A-Z])I(ERR|SIG|STD)'), INVERSE_SIGMA),
    (re.compile(r'(?<!CO)VAR|(?<![A-Z])STATS?(?![A-Z])'), VARIANCE),
    (re.compile(r'ERR|NOISE|UNCERT|(?<![A-Z])UNC(?![A-Z])|STD|STDEV|SIGMA|(?<![A-Z])SIG(?![A-Z])|RMS(?![A-Z])'), SIGMA),
)
SQUARED = re.compile(r'(2|SQ|SQUARED?)$')  # ERR2 and SIGMA_SQ may be a variance, or the second of two extensions
QUALITY = re.compile(r'(?<![A-Z])(DQI?|BPM|BADPIX|MASK|QUALITY|FLAGS?)(?![A-Z])')
POWERS = {1: SIGMA, 2: VARIANCE, -2: INVERSE_VARIANCE, -1: INVERSE_SIGMA}
POWER = re.compile(r'\((.*)\)\s*(?:\*\*|\^)\s*\(?([+-]?\d)\)?')

BY_UNIT = 'by its unit'


class Finding(NamedTuple):
    """A kind of noise and how it is known; None and '' if the kind is not known."""

    kind: NoiseKind | None = None
    why: str = ''


def noise_kind(header: Mapping[str, Any], primary: Mapping[str, Any], data_header: Mapping[str, Any]) -> Finding:
    """How an extension stores noise.

    What the file declares counts first, then the extension's name, then its unit in comparison with that of the data.
    Exact names (VAR, STAT, IVAR) count whatever the unit is. Other names (ERR, WEIGHT), which may stand for noise of
    any kind, must not contradict the unit; but the unit of the data itself, which is often copied with the rest of the
    header, is no contradiction.

    Parameters
    ----------
    header, primary, data_header : mapping
        Headers of the extension, of the first one, and of that with the data.
    """
    said = declared(header, primary)
    if said.kind:
        return said
    name, unit = str(header.get('EXTNAME', '')).upper(), _kind_of_unit(header, data_header)
    by_name = kind_of_name(name)
    if not by_name:
        unusable = QUALITY.search(name) or (unit == SIGMA and looks_like_noise(name))
        return Finding(unit, BY_UNIT) if unit and not unusable else Finding()
    exact = by_name in (VARIANCE, INVERSE_VARIANCE) and not WEIGHT.search(name)
    other_unit = WEIGHT.search(name) and not unit and str(header.get('BUNIT', '')).strip()
    if not exact and (unit not in (None, SIGMA, by_name) or other_unit):
        return Finding()
    return Finding(by_name, 'by its name')


def kind_of_name(name: str) -> NoiseKind | None:
    """The kind of noise that the name of an extension stands for; None for none or several."""
    name = name.upper()
    if QUALITY.search(name):
        return None
    kind = next((kind for part, kind in NAMES if part.search(name)), None)
    if WEIGHT.search(name):
        return None if kind else INVERSE_VARIANCE
    return None if kind is SIGMA and SQUARED.search(name) else kind


def looks_like_noise(name: str) -> bool:
    """Whether a name is one of noise, of whatever kind."""
    parts = (WEIGHT, *(part for part, _ in NAMES))
    return not is_quality(name) and any(part.search(name.upper()) for part in parts)


def is_quality(name: str) -> bool:
    """Whether a name is one of flags or masks."""
    return bool(QUALITY.search(name.upper()))


def declared(header: Mapping[str, Any], primary: Mapping[str, Any]) -> Finding:
    """The kind of noise that cards of the extension, or of the first one, declare."""
    # MPDAF copies all cards of the data to the variance, HDUCLAS2 = DATA among them.
    own = header.get('HDUCLAS3') if str(header.get('HDUCLAS2', 'ERROR')).strip().upper() == 'ERROR' else None
    said = (('HDUCLAS3', own), *(('ERRTYPE', one.get('ERRTYPE')) for one in (header, primary)))
    for card, value in (*said, ('UTYPE', header.get('UTYPE'))):
        kind = DECLARED.get(str(value).strip().upper())
        if kind:
            return Finding(kind, f'by its {card}')
    return Finding()


def _kind_of_unit(header: Mapping[str, Any], data_header: Mapping[str, Any]) -> NoiseKind | None:
    own, flux = (str(one.get('BUNIT', '')).strip() for one in (header, data_header))
    own_unit, flux_unit = parsed(own), parsed(flux)
    if own_unit is None or flux_unit is None:
        return _kind_of_text(own, flux)
    if flux_unit == units.dimensionless_unscaled:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return next((kind for power, kind in POWERS.items() if own_unit == flux_unit**power), None)


def _kind_of_text(own: str, flux: str) -> NoiseKind | None:
    """The same of units that astropy does not know, by their text."""
    if own == flux:
        return SIGMA
    inverse = re.fullmatch(r'1\s*/\s*(.*)', own)
    power = POWER.fullmatch(inverse[1] if inverse else own)
    if not power or power[1].strip() != flux:
        return None
    return POWERS.get(int(power[2]) * (-1 if inverse else 1))
