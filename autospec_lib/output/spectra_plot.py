"""The picture of a source's spectra: the reference on top, those of the cross-correlation below."""

from __future__ import annotations

import textwrap
import warnings

import astropy.units as u
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autospec_lib.core.products import Kind, Products
from autospec_lib.core.types import BoolArray, Cutout, FloatArray, Measured
from autospec_lib.output.panels import DPI

INK, QUIET, PALE, ERROR = '#1d3557', '#7a7a7a', '#c3cbd8', '#e59866'


def figure(products: Products, cutout: Cutout) -> Figure:
    """Draw the reference spectrum and the cross-correlation spectra, one panel each, on one wavelength axis.

    Channels that a sky line makes noisy are drawn pale and have no say in the limits (see `sky_lines`, `limits`).
    """
    shown = [products.spectra[products.reference]]
    shown += [one for one in products.spectra.values() if one.kind is Kind.CROSS_CORRELATION]
    bottom = 0.65 if products.notes else 0.5  # inches
    height = bottom + 1.75 * len(shown) + 0.2
    result = Figure(figsize=(9.5, height), dpi=DPI)
    result.subplots_adjust(left=0.075, right=0.985, bottom=bottom / height, top=1 - 0.3 / height, hspace=0.22)
    panels = result.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, spectrum in zip(panels, shown, strict=True):
        _panel(axes, cutout.wave, spectrum)
        axes.set_title(spectrum.key, loc='left', y=1.0)
    panels[0].set_title(f'source {cutout.target.id}', loc='right', color=QUIET, y=1.0, parse_math=False)
    words = ((INK, 'flux'), (ERROR, '1\N{GREEK SMALL LETTER SIGMA} error'), (PALE, 'sky line'))
    lines = [Line2D([], [], color=colour, linewidth=0.9, label=word) for colour, word in words]
    panels[0].legend(handles=lines, loc='lower right', bbox_to_anchor=(0.93, 0.97), fontsize=6, frameon=False, ncol=3)
    panels[-1].set_xlabel(f'wavelength [{unit_text(cutout.grid.wave_unit)}]')
    result.supylabel(f'flux [{unit_text(cutout.grid.unit)}]' if cutout.grid.unit else 'flux', fontsize=8, x=0.005)
    if products.notes:
        text = textwrap.shorten('; '.join(products.notes), 170)
        result.text(0.985, 0.05 / height, text, ha='right', va='bottom', fontsize=6, color=QUIET, parse_math=False)
    return result


def _panel(axes: Axes, wave: FloatArray, spectrum: Measured) -> None:
    noisy = sky_lines(spectrum)
    axes.axhline(0, color=QUIET, linewidth=0.5)
    if spectrum.variance is not None:
        axes.plot(wave, np.sqrt(spectrum.variance), color=ERROR, linewidth=0.5, alpha=0.8)
    if noisy.any():
        axes.plot(wave, np.where(_widened(noisy), spectrum.data, np.nan), color=PALE, linewidth=0.5)
    axes.plot(wave, np.where(noisy, np.nan, spectrum.data), color=INK, linewidth=0.5)
    axes.set_xlim(wave.min(), wave.max() if wave.max() > wave.min() else wave.min() + 1)
    axes.set_ylim(limits(spectrum.data, noisy))


def _widened(channels: BoolArray) -> BoolArray:
    """With the neighbours on both sides, so that the pale line meets the other one."""
    return channels | np.roll(channels, 1) | np.roll(channels, -1)


def sky_lines(spectrum: Measured) -> BoolArray:
    """Channels on strong sky lines: their variance is over four times the floor around them.

    The floor is the lower quartile, because among the OH lines of the red half the channels are on a line. The photon
    noise of a bright emission line raises the variance too, so what stands out by ten sigma or more is kept.
    """
    noisy = np.zeros(spectrum.data.shape, dtype=bool)
    if spectrum.variance is None:
        return noisy
    known = np.isfinite(spectrum.data) & np.isfinite(spectrum.variance) & (spectrum.variance > 0)
    if known.any():
        variance = spectrum.variance[known]
        line = np.abs(_reach(spectrum.data[known])) > 10 * np.sqrt(variance)
        noisy[known] = (variance > 4 * _running(variance, 25)) & ~line
    return noisy


def limits(flux: FloatArray, noisy: BoolArray) -> tuple[float, float]:
    """Limits of the flux axis that hold zero, the continuum and every line, but no sky residual and no hot voxel.

    Parameters
    ----------
    flux : array, shape (nl,)
        NaN where there is no value.
    noisy : array, shape (nl,)
        Channels without a say, as `sky_lines` finds them.
    """
    # The ends of a detector's range are noisy, and without a variance nothing else tells.
    inner = np.zeros(len(flux), dtype=bool)
    inner[len(flux) // 60 : len(flux) - len(flux) // 60] = True
    finite = np.isfinite(flux)
    values = next((flux[use] for use in (finite & inner & ~noisy, finite) if use.any()), np.zeros(1))
    ends = _running(values, 50) + _reach(values)
    low, high = min(0.0, ends.min()), max(0.0, ends.max())
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def _reach(values: FloatArray) -> FloatArray:
    """How far each channel stands out of the continuum, as far as its neighbours bear it out.

    The running median of three channels drops what is one channel wide. A line as narrow as the resolution, two
    channels, keeps at least half its height in it wherever its peak falls, so twice the median holds the whole line.
    """
    excess = values - _running(values, 50)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(excess, 1, mode='median'), 3)
    borne_out = 2 * np.median(windows, axis=1)
    return np.clip(excess, np.minimum(borne_out, 0), np.maximum(borne_out, 0))


def _running(values: FloatArray, percent: float) -> FloatArray:
    """A percentile over blocks of about a hundred channels, interpolated between the blocks' centres."""
    blocks = max(1, len(values) // 100)
    size = len(values) // blocks
    level = np.percentile(values[: blocks * size].reshape(blocks, size), percent, axis=1)
    centres = (np.arange(blocks) + 0.5) * size - 0.5
    return np.interp(np.arange(len(values)), centres, level)


def unit_text(unit: str) -> str:
    """A FITS unit as people write it, '10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹'; what astropy cannot read stays as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        parsed = u.Unit(unit, parse_strict='silent')
    if not isinstance(parsed, u.UnitBase):  # a magnitude
        return unit
    # The numerator first; lengths last and the wavelength after the area, as is the custom for fluxes.
    factors = sorted(
        zip(parsed.bases, parsed.powers, strict=True), key=lambda f: (f[1] < 0, f[0].physical_type == 'length', f[1])
    )
    words = [_power(base.to_string('unicode'), power) for base, power in factors]
    exponent = np.log10(parsed.scale)
    if parsed.scale != 1:
        words.insert(0, _power('10', round(exponent)) if np.isclose(exponent, round(exponent)) else f'{parsed.scale:g}')
    return ' '.join(words)


def _power(base: str, power: float) -> str:
    return base if power == 1 else base + f'{power}'.translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))
