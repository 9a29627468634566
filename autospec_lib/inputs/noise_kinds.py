"""What an extension with noise holds: variance, sigma, or the inverse of one of these."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

from astropy import units

from autospec_lib.inputs.units import parsed

VARIANCE, SIGMA, INVERSE_VARIANCE, INVERSE_SIGMA = 'variance', 'sigma', 'inverse variance', 'inverse sigma'

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
NAMES = (
    (re.compile(r'IVAR|INV\w*VAR|WEIGHT|WHT|WGT'), INVERSE_VARIANCE),
    (re.compile(r'INV\w*(ERR|SIG|STD|RMS)'), INVERSE_SIGMA),
    (re.compile(r'VAR|(?<![A-Z])STATS?(?![A-Z])'), VARIANCE),
    (re.compile(r'ERR|NOISE|UNC|STD|STDEV|(?<![A-Z])SIG|RMS(?![A-Z])'), SIGMA),
)
# What users may write after a colon in DATA_EXT.
WORDS = {
    'variance': VARIANCE,
    'var': VARIANCE,
    'sigma': SIGMA,
    'error': SIGMA,
    'inverse variance': INVERSE_VARIANCE,
    'ivar': INVERSE_VARIANCE,
    'inverse sigma': INVERSE_SIGMA,
}


def noise_kind(header: Mapping[str, Any], primary: Mapping[str, Any], data_header: Mapping[str, Any]) -> str:
    """How an extension stores noise, '' where that cannot be told.

    What the file declares counts first, then the extension's name, then its unit against that of the data.
    A name of sigma with the squared unit of the data is a contradiction that nothing decides.

    Parameters
    ----------
    header, primary, data_header : mapping
        Headers of the extension, of the first one, and of that with the data.
    """
    declared = _declared(header, primary)
    if declared:
        return declared
    by_name, by_unit = kind_of_name(str(header.get('EXTNAME', ''))), _kind_of_unit(header, data_header)
    if by_name == SIGMA and by_unit == VARIANCE:
        return ''
    return by_name or by_unit


def kind_of_name(name: str) -> str:
    """What the name of an extension says, '' for nothing."""
    return next((kind for part, kind in NAMES if part.search(name.upper())), '')


def _declared(header: Mapping[str, Any], primary: Mapping[str, Any]) -> str:
    # MPDAF copies all cards of the data to the variance, HDUCLAS2 = DATA among them.
    own = header.get('HDUCLAS3') if str(header.get('HDUCLAS2', 'ERROR')).strip().upper() == 'ERROR' else None
    for value in (own, header.get('ERRTYPE'), primary.get('ERRTYPE'), header.get('UTYPE')):
        kind = DECLARED.get(str(value).strip().upper())
        if kind:
            return kind
    return ''


def _kind_of_unit(header: Mapping[str, Any], data_header: Mapping[str, Any]) -> str:
    own, flux = (parsed(str(one.get('BUNIT', ''))) for one in (header, data_header))
    if own is None or flux is None or flux == units.dimensionless_unscaled:
        return ''
    powers = ((1, SIGMA), (2, VARIANCE), (-2, INVERSE_VARIANCE), (-1, INVERSE_SIGMA))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return next((kind for power, kind in powers if own == flux**power), '')
