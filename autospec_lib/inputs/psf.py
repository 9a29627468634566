"""The point-spread function: the user's, or the one that MUSE's software writes into the cube's
header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy import units
from astropy.io import fits

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import FloatArray, Psf

MODELS = ('MOFFAT1', 2)  # FSFMODE
NODES = 33  # wavelengths at which a PSF in a header is evaluated


def read(
    setting: tuple[float, ...] | str, path: Path, header: fits.Header, wave: FloatArray, unit: str
) -> Psf | None:
    """The PSF of a run, in arcsec.

    Parameters
    ----------
    setting : tuple of float, 'header' or 'stars'
        The parameter PSF: (), (FWHM,), (blue, red), (blue, red, beta), 'header', or 'stars', which
        is measured later.
    path : Path
        The cube's file, for messages.
    header : fits.Header
        Its primary header.
    wave : array (nl,)
        Wavelengths in ``unit``, ascending or descending.
    unit : str
        Their unit.

    Raises
    ------
    InputError
        If the header holds no usable PSF.
    """
    if not setting or setting == 'stars':
        return None
    if setting == 'header':
        return _in_header(path, header, np.linspace(wave[0], wave[-1], NODES), unit)
    blue, red, *beta = map(float, setting if len(setting) > 1 else (setting[0], setting[0]))
    widths = (blue, red) if wave[0] <= wave[-1] else (red, blue)
    return Psf(widths, tuple(beta)) if beta else Psf(widths)


def _in_header(path: Path, header: fits.Header, wave: FloatArray, unit: str) -> Psf:
    """The mean PSF of all fields at these wavelengths."""

    def fault(problem: str) -> InputError:
        way_out = 'set PSF to the FWHM in arcsec, e.g. 0.8, or to () for none'
        return InputError(f"{path.name}: PSF = 'header', but {problem}; {way_out}")

    if 'FSFMODE' not in header:
        raise fault('its header has no FSF keywords (FSFMODE)')
    try:
        angstrom = wave * units.Unit(unit).to('Angstrom')
    except ValueError as error:  # not a unit that astropy knows, or not a length
        raise fault(f'the unit of its wavelengths, {unit!r}, is not a length (CUNIT3)') from error
    try:
        # The fields of a mosaic are numbered from 1; a single field may have any number.
        number = int(header.get('NFIELDS', 1))
        single = (
            field
            for field in (*range(10), 99)
            if {f'FSF{field:02d}BET', f'FSF{field:02d}FNC'} & set(header)
        )
        fields = range(1, number + 1) if number > 1 else [next(single, 0)]
        models = np.array([_model(header, field, angstrom) for field in fields])
    except (KeyError, TypeError, ValueError) as error:
        raise fault(f'its FSF keywords cannot be read: {error.args[0]}') from error
    fwhm, beta = models.mean(axis=0)
    if not (fwhm.min() > 0 and beta.min() > 1 and np.isfinite([fwhm, beta]).all()):
        values = f'FWHM {fwhm.min():g} to {fwhm.max():g} arcsec, exponent {beta.min():g} to {beta.max():g}'
        raise fault(f'its FSF keywords make no sense: {values}')
    return Psf(tuple(fwhm.tolist()), tuple(beta.tolist()))


def _model(header: fits.Header, field: int, wave: FloatArray) -> tuple[FloatArray, FloatArray]:
    """FWHM in arcsec and exponent of a field's Moffat function at wavelengths in Angstrom.

    The models are those of MPDAF (`mpdaf.MUSE.FSFModel`): MOFFAT1, whose FWHM is linear in
    wavelength, and 2, whose FWHM and exponent are polynomials of (wave - FSFLB1) / (FSFLB2 -
    FSFLB1) - 1/2, with the highest power first.
    """
    if header['FSFMODE'] not in MODELS:
        raise ValueError(f'FSFMODE is {header["FSFMODE"]!r}, expected one of {MODELS}')

    begin = f'FSF{field:02d}'
    if header['FSFMODE'] == 'MOFFAT1':
        offset, slope, beta = (float(header[f'{begin}{name}']) for name in ('FWA', 'FWB', 'BET'))
        return offset + slope * wave, np.full(wave.shape, beta)
    first, last = float(header['FSFLB1']), float(header['FSFLB2'])
    if not first < last:
        raise ValueError(f'FSFLB1 = {first:g} is not less than FSFLB2 = {last:g}')
    where = (wave - first) / (last - first) - 0.5
    models = []
    for name in 'FB':
        number = int(header[f'{begin}{name}NC'])
        coefficients = [float(header[f'{begin}{name}{power:02d}']) for power in range(number)]
        models.append(np.asarray(np.polyval(coefficients, where), np.float64))
    return models[0], models[1]
