"""The picture of a source's spectra: the reference on top, those of the cross-correlation below."""

from __future__ import annotations

import re
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from autospec_lib import names
from autospec_lib.model import BoolArray, FloatArray, Measured, Products, Stamp

DPI = 120
INK, QUIET, PALE, ERROR = '#1d3557', '#7a7a7a', '#c3cbd8', '#e59866'
NOISY = 4.0  # times the running median of the variance: a sky line
WINDOW = 101  # channels of that median
SHOWN = 6.0  # robust sigmas of the noise that always fit into a panel


def figure(products: Products, stamp: Stamp) -> Figure:
    """Draw the reference spectrum and the cross-correlation spectra, one panel each, on one wavelength axis.

    Channels that a sky line makes noisy are drawn pale and have no say in the limits, and neither has a single hot
    channel: what a panel must hold are the spectrum's running medians over three channels, and its noise.
    """
    keys = [products.reference, *(key for key in products.spectra if names.XCOR in key)]
    height = 0.45 + 1.75 * len(keys) + 0.25
    result = Figure(figsize=(9.5, height), dpi=DPI)
    result.subplots_adjust(left=0.075, right=0.985, bottom=0.5 / height, top=1 - 0.3 / height, hspace=0.22)
    panels = result.subplots(len(keys), 1, sharex=True, squeeze=False)[:, 0]
    for axes, key in zip(panels, keys, strict=True):
        _panel(axes, stamp.wave, products.spectra[key])
        axes.set_title(key, loc='left', y=1.0)
    panels[0].set_title(f'source {stamp.target.id}', loc='right', color=QUIET, y=1.0)
    panels[-1].set_xlabel(f'wavelength [{unit_text(stamp.grid.wave_unit)}]')
    result.supylabel(f'flux [{unit_text(stamp.grid.unit)}]' if stamp.grid.unit else 'flux', fontsize=8, x=0.005)
    if products.notes:
        text = textwrap.shorten('; '.join(products.notes), 170)
        result.text(0.985, 0.06 / height, text, ha='right', va='bottom', fontsize=6, color=QUIET)
    return result


def _panel(axes: Axes, wave: FloatArray, spectrum: Measured) -> None:
    noisy = np.zeros(len(wave), bool) if spectrum.variance is None else sky_lines(spectrum.variance)
    clean = np.where(noisy, np.nan, spectrum.data)
    axes.axhline(0, color=QUIET, linewidth=0.5)
    lines = [Line2D([], [], color=INK, linewidth=0.9, label='flux')]
    if spectrum.variance is not None:
        axes.plot(wave, np.sqrt(spectrum.variance), color=ERROR, linewidth=0.5, alpha=0.8)
        lines.append(Line2D([], [], color=ERROR, linewidth=0.9, label='1\N{GREEK SMALL LETTER SIGMA} error'))
    if noisy.any():
        axes.plot(wave, np.where(_widened(noisy), spectrum.data, np.nan), color=PALE, linewidth=0.5)
        lines.append(Line2D([], [], color=PALE, linewidth=0.9, label='sky line'))
    axes.plot(wave, clean, color=INK, linewidth=0.5)
    axes.legend(handles=lines, loc='upper right', fontsize=6, frameon=False, ncol=3, borderaxespad=0.1)
    axes.set_xlim(wave.min(), wave.max() if wave.max() > wave.min() else wave.min() + 1)
    axes.set_ylim(limits(clean))


def sky_lines(variance: FloatArray) -> BoolArray:
    """Channels whose variance is far above its running median."""
    filled = np.where(np.isfinite(variance), variance, np.nanmedian(variance) if np.isfinite(variance).any() else 1.0)
    half = min(WINDOW, len(filled)) // 2
    padded = np.pad(filled, half, mode='reflect') if len(filled) > 1 else filled
    running = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    return np.asarray(filled > NOISY * running)


def _widened(channels: BoolArray) -> BoolArray:
    """With the neighbours on both sides, so that the pale line meets the other one."""
    return channels | np.roll(channels, 1) | np.roll(channels, -1)


def limits(spectrum: FloatArray) -> tuple[float, float]:
    """Limits that hold a spectrum's lines and noise, but not single channels far off."""
    values = spectrum[np.isfinite(spectrum)]
    if values.size == 0:
        return -1.0, 1.0
    smooth = values
    if values.size >= 3:
        smooth = np.median(np.lib.stride_tricks.sliding_window_view(values, 3), axis=1)
    noise = 1.4826 * np.median(np.abs(np.diff(values))) / np.sqrt(2) if values.size > 1 else 0.0
    middle = np.median(values)
    low = min(smooth.min(), middle - SHOWN / 2 * noise, 0.0)
    high = max(smooth.max(), middle + SHOWN / 2 * noise, 0.0)
    height = high - low or 1.0
    # The running median takes the top off a line of a few channels: more room above.
    return low - 0.06 * height, high + 0.18 * height


def unit_text(unit: str) -> str:
    """A FITS unit as mathtext: '10**-20 erg s-1 cm-2' becomes powers; a text that is no unit stays as it is."""
    text = re.sub(r'^10\*\*\(?(-?\d+)\)?[* ]*', r'$10^{\1}$ ', unit)
    text = text.replace('Angstrom', '\N{LATIN CAPITAL LETTER A WITH RING ABOVE}')
    return re.sub(r'(?<=[a-zA-Z\u00c5])\*{0,2}(-?\d+)', r'$^{\1}$', text)
