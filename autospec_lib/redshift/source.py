"""The redshift of a source: its cards, models and lines, and notes on what contradicts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from autospec_lib.core import best_spectrum
from autospec_lib.core.products import Products, RedshiftModel
from autospec_lib.core.redshift_limits import differ
from autospec_lib.core.types import Cutout, FloatArray, Grid, Ident, Measured
from autospec_lib.redshift import line_fluxes, models
from autospec_lib.redshift.cards import cards, line_rows, unnamed_rows
from autospec_lib.redshift.estimate import Redshift, estimate
from autospec_lib.redshift.hypotheses import Kind

MOST_NEIGHBOURS = 3  # the nearest ones, with whose redshifts that of the source is compared
CIRCLE = 0.6  # arcsec, the radius in which they are compared
# Times the neighbour's light on its other sides; a source with less shows nothing of its own.
MOST_EXPLAINED = 1.5
SEEN = 3.0  # signal-to-noise ratio of an emission line from which its flux counts

# Gives the sums of the sky-subtracted light in circles at positions (y, x) in pixels, of a radius
# in arcsec.
Light: TypeAlias = Callable[[Sequence[tuple[float, float]], float], list[Measured]]


@dataclass(frozen=True)
class _Wavelengths:
    """The wavelengths (nl,) of a cube in Angstrom, and how redshifts are measured with them."""

    wave: FloatArray
    scale: FloatArray  # see `Grid.per_wavelength`
    lsf: tuple[float, ...]
    air: bool

    @classmethod
    def of(cls, wave: FloatArray, grid: Grid, lsf: tuple[float, ...]) -> _Wavelengths:
        """Those of a cube.

        Parameters
        ----------
        wave : array (nl,)
            Wavelengths in the unit of ``grid``.
        grid : Grid
            Has their unit and medium.
        lsf : tuple of float
            See `estimate.estimate`.
        """
        return cls(wave * grid.angstrom, grid.per_wavelength(wave), lsf, grid.medium != 'vacuum')

    def measured(self, spectrum: Measured) -> Redshift:
        """The redshift of a spectrum."""
        variance = None if spectrum.variance is None else spectrum.variance * self.scale**2
        return estimate(self.wave, spectrum.data * self.scale, variance, lsf=self.lsf, air=self.air)

    def as_cube(self, values: FloatArray) -> FloatArray:
        """Fluxes of ascending channels in the order and unit of the cube."""
        return (values[::-1] if self.wave[0] > self.wave[-1] else values) / self.scale


def measure(products: Products, cutout: Cutout, lsf: tuple[float, ...], light: Light) -> Products:
    """Cards on the redshift of the source, models of its spectrum, its lines, and notes on
    contradictions.

    Lines are measured at the redshift that a person has accepted, else at a sure one, else at the
    catalogue's.

    Parameters
    ----------
    products : Products
        With the spectra.
    cutout : Cutout
        Gives the wavelengths, the catalogue's redshift, and the neighbours.
    lsf : tuple of float
        See `estimate.estimate`.
    light : function
        For the comparison with neighbours, see `Light`.
    """
    notes = []
    if not cutout.grid.medium:
        notes.append('redshift: wavelengths are taken to be in air')
    axis = _Wavelengths.of(cutout.wave, cutout.grid, lsf)
    chosen = best_spectrum.of(products)[0]
    result = axis.measured(chosen)
    sure = result.candidates[0].z if result.sure else None
    catalogued = cutout.target.z
    if sure is not None and catalogued is not None and differ(sure, catalogued):
        notes.append(f'redshift: {sure:.4f} is sure, but the catalogue has {catalogued:.4f}')
    for key, spectrum in products.main_spectra.items():
        other = Redshift() if spectrum.key == chosen.key else axis.measured(spectrum)
        if other.sure and (sure is None or differ(sure, other.candidates[0].z)):
            notes.append(
                f'redshift: {key} has {other.candidates[0].z:.4f} for sure, {chosen.short_key} has not'
            )
    facts = cards(result) | {'ZSPEC': (chosen.key, 'spectrum that the redshift is from')}
    if sure is not None:
        for ident, apart, explains in _neighbours_at(cutout, light, sure, axis):
            note = f'redshift: {sure:.4f} is also that of source {ident}, {apart:.1f} arcsec away'
            if explains:
                note += ', whose light explains it: not sure'
                facts['ZQUAL'] = 1, facts['ZQUAL'][1]
                sure = None
            notes.append(note)
            facts.setdefault('ZNEIGHB', (ident, 'neighbour with the same redshift'))
            if explains:
                break
    known = catalogued if sure is None else sure
    if len(cutout.target.visual) == 1:
        (known,) = cutout.target.visual
    lines, candidates = _lines_and_models(result, known, axis)
    return Products(notes=tuple(notes), facts=facts, lines=lines, models=candidates)


def measured(spectrum: Measured, wave: FloatArray, grid: Grid, lsf: tuple[float, ...]) -> Redshift:
    """The redshift of a spectrum of a cube.

    Parameters
    ----------
    spectrum : Measured
        The spectrum (nl,).
    wave : array (nl,)
        The cube's wavelengths.
    grid : Grid
        Their unit, and that of the spectrum.
    lsf : tuple of float
        See `estimate.estimate`.
    """
    return _Wavelengths.of(wave, grid, lsf).measured(spectrum)


def lines_at(
    spectrum: Measured, wave: FloatArray, grid: Grid, lsf: tuple[float, ...], z: float | None
) -> tuple[dict[str, Any], ...]:
    """The rows of MPDAF's table LINES for a spectrum at a redshift.

    Parameters
    ----------
    spectrum : Measured
        The spectrum (nl,).
    wave : array (nl,)
        The cube's wavelengths.
    grid : Grid
        Their unit and medium.
    lsf : tuple of float
        See `estimate.estimate`.
    z : float or None
        The redshift; None: only lines that the first candidate does not explain.
    """
    axis = _Wavelengths.of(wave, grid, lsf)
    return _lines_and_models(axis.measured(spectrum), z, axis)[0]


def _lines_and_models(
    result: Redshift, known: float | None, axis: _Wavelengths
) -> tuple[tuple[dict[str, Any], ...], tuple[RedshiftModel, ...]]:
    """The lines at a redshift if it is known, those that neither it nor the first candidate
    explains, and the models.

    Parameters
    ----------
    result : Redshift
        What the spectrum says.
    known : float or None
        The redshift of the source.
    axis : _Wavelengths
        The wavelengths.
    """
    evidence = result.evidence
    if evidence is None:
        return (), ()
    vacuum, wave = evidence.prepared.axis.wave, np.sort(axis.wave)
    fit = None if known is None else line_fluxes.measure(evidence, known)
    rows = () if fit is None or known is None else line_rows(fit, known, vacuum, wave)
    shown = next(
        (one for one in result.candidates if known is None or not differ(known, one.z)), None
    )
    candidates = []
    for one in result.candidates:
        lines = None
        if known is not None and not differ(known, one.z):
            lines = fit
        elif one is shown:
            lines = line_fluxes.measure(evidence, one.z)
        flux = axis.as_cube(models.model(evidence, one.kind, one.z, lines))
        candidates.append(RedshiftModel(one.z, one.error, one.kind.value, one.probability, flux))
    kind, z = (Kind.GALAXY, known) if shown is None else (shown.kind, shown.z)
    unnamed = unnamed_rows(models.unnamed(evidence, kind, z), vacuum, wave)
    return (*rows, *unnamed), tuple(candidates)


def _neighbours_at(
    cutout: Cutout, light: Light, z: float, axis: _Wavelengths
) -> Iterator[tuple[Ident, float, bool]]:
    """The catalogued neighbours with the redshift of the source, and whether their light may be all
    that shows it.

    Circles of radius `CIRCLE` around the source and the neighbour are compared with those at the
    places to which a quarter, a half and three quarters of a turn around the neighbour bring the
    source: of a round neighbour, they hold as much light as the circle around the source does.

    Parameters
    ----------
    cutout : Cutout
        The cut-out, with the neighbours.
    light : function
        See `Light`.
    z : float
        The redshift of the source.
    axis : _Wavelengths
        The wavelengths.

    Yields
    ------
    int or str, float, bool
        The neighbour's ID and distance in arcsec; whether its light explains the redshift.
    """
    own: tuple[float, float] | None = None  # of the source, measured once if it is needed
    centre, pixel, limits = (
        np.array(cutout.centre),
        np.array(cutout.pixel),
        np.array(cutout.shape) - 0.5,
    )

    def at(*places: FloatArray) -> Measured:
        """The mean of the sums in circles."""
        spectra = light([(float(y), float(x)) for y, x in places], CIRCLE)
        variances = [one.variance for one in spectra if one.variance is not None]
        variance = np.sum(variances, axis=0) / len(spectra) ** 2 if variances else None
        return Measured(np.mean([one.data for one in spectra], axis=0), variance)

    def strength(spectrum: Measured) -> tuple[float, float]:
        """The flux of the emission lines at the redshift, and the median flux."""
        evidence = axis.measured(spectrum).evidence
        fit = None if evidence is None else line_fluxes.measure(evidence, z)
        lines = () if fit is None else fit.lines
        flux = sum(line.flux for line in lines if line.flux > SEEN * line.flux_error)
        return flux, float(np.nanmedian(spectrum.data))

    offsets = {
        ident: (np.array(place) - centre) * pixel for ident, place in cutout.neighbours.items()
    }
    nearest = sorted(offsets, key=lambda ident: float(np.hypot(*offsets[ident])))
    for ident in nearest[:MOST_NEIGHBOURS]:
        place, (dy, dx) = np.array(cutout.neighbours[ident]), offsets[ident]
        turns = [place + np.array(turn) / pixel for turn in ((dx, -dy), (dy, dx), (-dx, dy))]
        inside = [bool(((one > -0.5) & (one < limits)).all()) for one in (place, *turns)]
        if not inside[0]:
            continue
        other = axis.measured(at(place))
        if not other.sure or differ(z, other.candidates[0].z):
            continue
        explains = False
        if any(inside[1:]):
            around = strength(
                at(*(turn for turn, is_inside in zip(turns, inside[1:], strict=True) if is_inside))
            )
            own = own or strength(at(centre))
            # Lines if there are any, else the continuum.
            feature = 0 if own[0] > 0 or around[0] > 0 else 1
            explains = own[feature] < MOST_EXPLAINED * around[feature]
        yield ident, float(np.hypot(dy, dx)), explains
