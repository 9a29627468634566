"""The file that the redshift program MARZ loads: one spectrum per source."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits

from autospec_lib.core import best_spectrum
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.products import Products, Spectrum
from autospec_lib.core.types import BoolArray, FloatArray, Grid, Measured
from autospec_lib.output.redshift_catalogue import BY_HAND, Counting
from autospec_lib.output.source_file import stored
from autospec_lib.output.unit_texts import PER_WAVELENGTH, flux_density

CGS = 1e20  # fluxes are in units of 1e-20 erg / s / cm2 / Angstrom
# MARZ takes values outside these limits for bad ones.
LOWEST, HIGHEST = -1e4, 1e6
FAINTEST = 1e-3  # typical absolute flux below which a spectrum is scaled
UNCERTAIN = 1e4  # variance of a filled gap in units of the median
NO_MAGNITUDE = 99.0
CERTAIN = 0.99  # probability of a redshift from which MARZ's quality is 4


@dataclass(frozen=True)
class Entry:
    """One source.

    Attributes
    ----------
    name : str
        How MARZ calls it.
    ra, dec : float
        Position in degrees.
    magnitude : float or None
        AB; None if it is not known.
    key : str
        Of the spectrum.
    spectrum : Measured
        The spectrum.
    redshift : Counting or None
        The redshift that counts; None if none was searched.
    probability, catalogued : float or None
        Probability of the first candidate, and the catalogue's redshift.
    """

    name: str
    ra: float
    dec: float
    magnitude: float | None
    key: str
    spectrum: Measured
    redshift: Counting | None = None
    probability: float | None = None
    catalogued: float | None = None

    @property
    def quality(self) -> int:
        """The quality in MARZ: 4 = sure, 3 = probable, 2 = possible, 1 = no redshift, 6 = star.

        A measured redshift has 4 from a probability of `CERTAIN` on, else 3.
        """
        one = self.redshift
        if one is None or one.z is None:
            return 1
        if one.kind == 'star':
            return 6
        if one.origin == BY_HAND or one.quality == 1:  # 1: measured, but a person finds it doubtful
            return one.quality + 1
        return 4 if (self.probability or 0.0) >= CERTAIN else 3

    @property
    def comment(self) -> str:
        """The key, which is the word that MARZ shows, and what is known of the redshift."""
        one = self.redshift
        if one is None:
            return self.key
        if one.z is None:
            return f'{self.key} no sure redshift'
        return f'{self.key} {one.kind} z={one.z:.5f} QOP={self.quality}'


def spectrum_of(products: Products) -> Spectrum:
    """The spectrum of a source that MARZ gets, with the numbers that the source's file holds, and
    without its weights."""
    spectrum = best_spectrum.of(products)[0]
    variance = None if spectrum.variance is None else stored(spectrum.variance)
    return replace(spectrum, data=stored(spectrum.data), variance=variance, weights=None)


def write(path: Path, entries: Sequence[Entry], wave: FloatArray, grid: Grid) -> None:
    """Write the file under a temporary name and rename it.

    Parameters
    ----------
    path : Path
        The final name.
    entries : sequence of Entry
        At least one.
    wave : array (nl,)
        Wavelengths of all spectra.
    grid : Grid
        Their unit, and whether they are in air or vacuum.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    angstrom = wave * grid.angstrom
    order = np.argsort(angstrom)
    flux, variance = np.empty((2, len(entries), len(wave)), np.float32)
    scales = np.empty(len(entries))
    for row, entry in enumerate(entries):
        flux[row], variance[row], scales[row] = _cleaned(entry.spectrum, angstrom, order)
    primary = fits.PrimaryHDU(flux)
    # An unknown medium is air, as redshifts are measured there, and as MARZ takes it without this
    # card: MARZ finds the same redshift.
    primary.header['VACUUM'] = (grid.medium == 'vacuum', 'wavelengths in vacuum (F: in air)')
    primary.header['ORIGIN'] = 'AutoSpec'
    hdus = fits.HDUList([primary])
    hdus.append(fits.ImageHDU(variance, name='VARIANCE'))
    hdus.append(fits.ImageHDU(angstrom[order], name='WAVELENGTH'))
    hdus.append(_fibres(entries, scales))
    with complete_file(path) as temporary:
        hdus.writeto(temporary)


def _fibres(entries: Sequence[Entry], scales: FloatArray) -> fits.BinTableHDU:
    """The table of the sources; MARZ expects NAME as text, positions in radians, and 'P' in a
    one-character column."""
    from astropy.table import Table

    table = Table(
        {
            'NAME': [entry.name.encode('ascii', 'replace') for entry in entries],
            'RA': np.radians([entry.ra for entry in entries]),
            'DEC': np.radians([entry.dec for entry in entries]),
            'TYPE': ['P'] * len(entries),
            'MAGNITUDE': [
                NO_MAGNITUDE if entry.magnitude is None else entry.magnitude for entry in entries
            ],
            'COMMENT': [entry.comment for entry in entries],
            'SCALE': scales,
        },
        units={'RA': 'rad', 'DEC': 'rad', 'MAGNITUDE': 'mag'},
    )
    # Columns that MARZ does not read, for other programs.
    if any(entry.redshift is not None for entry in entries):
        several = [entry.redshift or Counting() for entry in entries]
        table['Z'] = np.array([one.z for one in several], float)  # NaN for None
        table['Z_ERR'] = np.array([one.error for one in several], float)
        table['ZTYPE'] = [one.kind for one in several]
        table['QOP'] = [entry.quality for entry in entries]
    if any(entry.catalogued is not None for entry in entries):
        table['Z_CATALOG'] = np.array([entry.catalogued for entry in entries], float)
    hdu = fits.table_to_hdu(table)
    hdu.name = 'FIBRES'
    return hdu


def _cleaned(
    spectrum: Measured, angstrom: FloatArray, order: Any
) -> tuple[FloatArray, FloatArray, float]:
    """Flux and variance in the units of MARZ, in ascending order of wavelength, and the factor
    applied to the flux."""
    density, factor = flux_density(spectrum.unit), np.ones(len(angstrom))
    if density is not None:  # other units have no meaning to MARZ: their numbers stay
        factor = CGS * density.to(
            PER_WAVELENGTH, factor, units.spectral_density(angstrom * units.Angstrom)
        )
    flux, known = (spectrum.data * factor)[order], spectrum.usable[order]
    if not known.any():
        return np.zeros(len(flux)), np.ones(len(flux)), 1.0
    if spectrum.variance is None:
        variance = np.full(len(flux), _scatter(flux[known]))
    else:
        variance = (spectrum.variance * factor**2)[order]
    scale = _sane(flux[known])
    flux, variance = _filled(flux * scale, variance * scale**2, known)
    return flux, variance, scale * float(np.median(factor))


def _sane(flux: FloatArray) -> float:
    """A power of ten that brings fluxes into the range that MARZ accepts; 1 if they are in it."""
    highest, lowest = float(flux.max()), float(flux.min())
    typical = float(np.median(np.abs(flux)))
    if highest < HIGHEST and lowest > LOWEST and (typical > FAINTEST or highest == lowest == 0):
        return 1.0
    largest = max(highest / HIGHEST, lowest / LOWEST)
    return float(10.0 ** np.floor(-np.log10(largest)) / 10)


def _scatter(flux: FloatArray) -> float:
    """A variance from differences of channels two apart, to which the shape of the spectrum
    contributes little.

    It is the square of the noise by DER_SNR (Stoehr et al. 2008, ASP Conf. Ser. 394, 505).
    """
    if len(flux) < 5:
        return 1.0
    steps = np.abs(2 * flux[2:-2] - flux[:-4] - flux[4:])
    return float((1.482602 * np.median(steps)) ** 2 / 6) or 1.0


def _filled(
    flux: FloatArray, variance: FloatArray, known: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Fill gaps by straight lines, with a variance so large that they have no weight."""
    place = np.arange(len(flux))
    usual = float(np.median(variance[known]))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        smallest = max(usual * 1e-6, float(np.finfo(np.float32).tiny))
        filled = np.where(known, flux, np.interp(place, place[known], flux[known]))
        return filled, np.where(known, np.maximum(variance, smallest), UNCERTAIN * usual)
