"""Header cards on a redshift, and the rows of MPDAF's table of lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.core.types import FloatArray
from autospec_lib.redshift.estimate import Redshift
from autospec_lib.redshift.line_fluxes import ON_SKY, LineFit
from autospec_lib.redshift.models import Unnamed

# Signal-to-noise ratio below which there is an upper limit of as many standard deviations.
UPPER_LIMIT = 3.0
# The columns of MPDAF's table LINES in their order, where a line has no value.
NO_VALUE: dict[str, Any] = {
    **dict.fromkeys(('FAMILY', 'LINE'), ''),
    **dict.fromkeys(
        ('LBDA_REST', 'LBDA_OBS', 'Z', 'Z_ERR', 'VEL', 'VEL_ERR', 'VDISP', 'VDISP_ERR'), np.nan
    ),
    **dict.fromkeys(
        ('FLUX', 'FLUX_ERR', 'SNR', 'EQW', 'EQW_ERR', 'CONT', 'CONT_ERR', 'FWHM_OBS'), np.nan
    ),
    **dict.fromkeys(('SKEW', 'FLUX_UL'), np.nan),
    'FLAG': 0,
}


def cards(result: Redshift) -> dict[str, tuple[Any, str]]:
    """Values and comments by keyword; the redshift itself is there only if it is possible at least.

    Parameters
    ----------
    result : Redshift
        What the spectrum says.
    """
    facts: dict[str, tuple[Any, str]] = {
        'ZQUAL': (result.quality, 'quality of ZAUTO: 3, 2, 1; 0: no redshift')
    }
    if not result.candidates:
        return facts | {'ZNOTE': ('no redshift: nothing to search', 'on the redshift')}
    first, *others = result.candidates
    # Rounded down, so that no redshift becomes sure by it.
    facts['ZPROB'] = (
        float(np.floor(1000 * first.probability) / 1000),
        'probability of the first candidate',
    )
    if result.best is None:
        text = f'no redshift: best candidate z = {first.z:.4f}, P = {first.probability:.2f}'
        facts['ZNOTE'] = (text, 'on the redshift')
    else:
        facts['ZAUTO'] = (round(first.z, 6), 'redshift in vacuum, not heliocentric')
        facts['ZAUTOERR'] = (round(first.error, 6), 'its standard deviation')
        facts['ZTYPE'] = (first.kind.value, 'gal, LAE, QSO or star')
        facts['ZNLINE'] = (first.lines, 'emission lines above 3.5 sigma')
        if first.single_line:
            facts['ZNOTE'] = ('single line: Lya, [OII] or another', 'on the redshift')
    if result.second_source is not None:
        facts['ZBLEND'] = (
            round(result.second_source, 5),
            'redshift of a second source in the spectrum',
        )
    for number, one in enumerate(others, 2):
        facts[f'Z{number}AUTO'] = (round(one.z, 6), f'candidate {number}')
        facts[f'Z{number}ERR'] = (round(one.error, 6), 'its standard deviation')
        facts[f'Z{number}PROB'] = (round(one.probability, 3), 'its probability')
        facts[f'Z{number}TYPE'] = (one.kind.value, 'what the source is then')
    return facts


def line_rows(
    fit: LineFit, z: float, vacuum: FloatArray, wave: FloatArray
) -> tuple[dict[str, Any], ...]:
    """The rows of MPDAF's table LINES, with the names of its columns.

    Parameters
    ----------
    fit : LineFit
        The lines.
    z : float
        The redshift that velocities are relative to.
    vacuum, wave : array (nl,)
        Ascending wavelengths in Angstrom: in vacuum, and as in the cube, which observed ones are
        given in.
    """
    rows = []
    for line in fit.lines:
        continuum = line.continuum * (1 + z) if line.continuum > line.continuum_error else np.nan
        ratio = line.flux / line.flux_error
        rows.append(
            NO_VALUE
            | {
                'FAMILY': line.family,
                'LINE': line.name,
                'LBDA_REST': line.rest,
                'LBDA_OBS': float(np.interp(line.wave, vacuum, wave)),
                'Z': fit.z,
                'Z_ERR': fit.z_error,
                'VEL': (fit.z - z) / (1 + z) * SPEED_OF_LIGHT,
                'VEL_ERR': fit.z_error / (1 + z) * SPEED_OF_LIGHT,
                'VDISP': fit.dispersion,
                'VDISP_ERR': fit.dispersion_error,
                'FLUX': line.flux,
                'FLUX_ERR': line.flux_error,
                'SNR': ratio,
                'EQW': -line.flux / continuum,
                'EQW_ERR': line.flux_error / continuum,
                'CONT': line.continuum,
                'CONT_ERR': line.continuum_error,
                'FWHM_OBS': line.fwhm,
                'SKEW': np.nan if line.skew is None else line.skew,
                'FLUX_UL': UPPER_LIMIT * line.flux_error if ratio < UPPER_LIMIT else np.nan,
                'FLAG': line.flags,
            }
        )
    return tuple(rows)


def unnamed_rows(
    lines: Sequence[Unnamed], vacuum: FloatArray, wave: FloatArray
) -> tuple[dict[str, Any], ...]:
    """Rows of MPDAF's table LINES for lines without a name.

    Parameters
    ----------
    lines : sequence of Unnamed
        The lines.
    vacuum, wave : array (nl,)
        As in `line_rows`.
    """
    return tuple(
        NO_VALUE
        | {
            'LBDA_OBS': float(np.interp(line.wave, vacuum, wave)),
            'FLUX': line.flux,
            'FLUX_ERR': line.flux / line.ratio,
            'SNR': line.ratio,
            'FLAG': ON_SKY * line.on_sky,
        }
        for line in lines
    )
