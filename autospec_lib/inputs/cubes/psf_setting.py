"""The point-spread function: given by the user, or written by MUSE's software into the cube's header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy import units
from astropy.io import fits

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray, Psf


def chosen(
    setting: tuple[float, ...] | str, path: Path, header: fits.Header, wave: FloatArray, unit: str
) -> Psf | None:
    """The PSF of a run, in arcsec, at the first and last wavelength.

    Parameters
    ----------
    setting : tuple of float or 'header'
        The parameter PSF: (), (FWHM,), (blue, red), (blue, red, beta), or 'header'.
    path : Path
        The cube's file, for messages.
    header : fits.Header
        Its primary header.
    wave : array (nl,)
        Wavelengths in ``unit``, ascending or descending.

    Raises
    ------
    InputError
        If the header holds no PSF that MPDAF can read.
    """
    if not setting:
        return None
    if setting == 'header':
        return _in_header(path, header, wave[[0, -1]], unit)
    blue, red, *beta = map(float, setting if len(setting) > 1 else (setting[0], setting[0]))
    return Psf(blue, red, *beta) if wave[0] <= wave[-1] else Psf(red, blue, *beta)


def _in_header(path: Path, header: fits.Header, ends: FloatArray, unit: str) -> Psf:
    """MPDAF's FSF keywords at two wavelengths, the mean of all fields."""
    way_out = 'set PSF to the FWHM in arcsec, e.g. 0.8, or to () for none'
    if 'FSFMODE' not in header:
        raise InputError(f"{path.name}: PSF = 'header', but its header has no FSF keywords (FSFMODE); {way_out}")
    try:
        ends = ends * units.Unit(unit).to('Angstrom')
    except ValueError as error:  # not a unit that astropy knows, or not a length
        problem = f'the unit of its wavelengths, {unit!r}, is not a length'
        raise InputError(f"{path.name}: PSF = 'header', but {problem}; correct CUNIT3, or {way_out}") from error
    from mpdaf.MUSE import FSFModel

    try:
        # Given the whole header, MPDAF would look for coordinates, which a primary header need not have.
        cards = fits.Header([card for card in header.cards if card.keyword.startswith(('FSF', 'NFIELDS'))])
        found = FSFModel.read(cards, pixstep=1.0)
        fields = found if isinstance(found, list) else [found]
        fwhm = np.mean([one.get_fwhm(ends) for one in fields], axis=0)
        beta = float(np.mean([one.get_beta(ends) for one in fields]))
    except Exception as error:  # MPDAF's, of many kinds, for what a header may lack
        reason = ' '.join(str(error).split())
        raise InputError(
            f"{path.name}: PSF = 'header', but its FSF keywords cannot be read: {reason}; {way_out}"
        ) from error
    if not (np.isfinite(fwhm).all() and (fwhm > 0).all() and beta > 1):
        values = f'FWHM {fwhm[0]:g} and {fwhm[1]:g} arcsec, exponent {beta:g}'
        raise InputError(f"{path.name}: PSF = 'header', but its FSF keywords make no sense: {values}; {way_out}")
    return Psf(float(fwhm[0]), float(fwhm[1]), beta)
