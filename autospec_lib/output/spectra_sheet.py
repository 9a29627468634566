"""The picture of a source's spectra: the reference on top, those of the cross-correlation below."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from autospec_lib.core.products import Kind, Products, Spectrum
from autospec_lib.core.types import BoolArray, Cutout, FloatArray, Measured
from autospec_lib.output.figures import DPI, Canvas
from autospec_lib.output.units import in_words

INK, QUIET, PALE, ERROR = '#1d3557', '#7a7a7a', '#c3cbd8', '#e59866'


def layout(products: Products, cutout: Cutout) -> tuple[Hashable, ...]:
    """What two sources must share for their spectra to be drawn with one figure.

    Parameters
    ----------
    products : Products
        With the spectra and notes.
    cutout : Cutout
        Gives wavelengths and units.
    """
    wave, grid = cutout.wave, cutout.grid
    keys = tuple(spectrum.key for spectrum in _drawn(products))
    return keys, float(wave.min()), float(wave.max()), grid.wave_unit, grid.unit, bool(products.notes)


class SpectraSheet:
    """The reference spectrum and the cross-correlation spectra, one panel each, on one wavelength axis.

    Channels that a sky line makes noisy are drawn pale and do not affect the limits (see `sky_lines`, `limits`). A
    sheet can be used again for a source with the same `layout`.

    Parameters
    ----------
    products : Products
        With the spectra and notes.
    cutout : Cutout
        Gives wavelengths and units.
    """

    def __init__(self, products: Products, cutout: Cutout) -> None:
        spectra = _drawn(products)
        bottom = 0.65 if products.notes else 0.5  # inches
        height = bottom + 1.75 * len(spectra) + 0.2
        self.figure = Figure(figsize=(9.5, height), dpi=DPI)
        self._canvas = Canvas(self.figure)
        self.figure.subplots_adjust(left=0.075, right=0.985, bottom=bottom / height, top=1 - 0.3 / height, hspace=0.22)
        self._axes: list[Axes] = list(self.figure.subplots(len(spectra), 1, sharex=True, squeeze=False)[:, 0])
        self._curves: list[list[Line2D]] = []
        self._moving: list[Artist] = []
        first, last = cutout.wave.min(), cutout.wave.max()
        styles = ({'color': ERROR, 'alpha': 0.8}, {'color': PALE}, {'color': INK})
        for axes, spectrum in zip(self._axes, spectra, strict=True):
            axes.set_title(spectrum.key, loc='left', y=1.0)
            axes.set_xlim(first, last if last > first else first + 1)
            zero = axes.axhline(0, color=QUIET, linewidth=0.5)
            curves = [axes.plot([], [], linewidth=0.5, **style)[0] for style in styles]
            self._curves.append(curves)
            # Without a fixed position, an axis' empty label would be placed anew beside the numbers each time.
            axes.yaxis.set_label_coords(0, 0.5)
            # The spines lie above the curves.
            self._moving += [axes.yaxis, zero, *curves, *axes.spines.values()]
        top, lowest = self._axes[0], self._axes[-1]
        self._source = top.set_title('', loc='right', color=QUIET, y=1.0, parse_math=False)
        words = ((INK, 'flux'), (ERROR, '1\N{GREEK SMALL LETTER SIGMA} error'), (PALE, 'sky line'))
        lines = [Line2D([], [], color=colour, linewidth=0.9, label=word) for colour, word in words]
        top.legend(handles=lines, loc='lower right', bbox_to_anchor=(0.93, 0.97), fontsize=6, frameon=False, ncol=3)
        unit = cutout.grid.unit
        lowest.set_xlabel(f'wavelength [{in_words(cutout.grid.wave_unit)}]')
        self.figure.supylabel(f'flux [{in_words(unit)}]' if unit else 'flux', fontsize=8, x=0.005)
        self._notes = self.figure.text(
            0.985, 0.05 / height, '', ha='right', va='bottom', fontsize=6, color=QUIET, parse_math=False
        )

    def draw(self, products: Products, cutout: Cutout) -> Image.Image:
        """Draw a source's spectra; they must have the sheet's layout.

        Parameters
        ----------
        products : Products
            With the spectra and notes.
        cutout : Cutout
            Gives the wavelengths and the source's ID.
        """
        wave = cutout.wave
        for axes, curves, spectrum in zip(self._axes, self._curves, _drawn(products), strict=True):
            noisy = sky_lines(spectrum)
            # Channels on sky lines with their neighbours on both sides, so that the pale curve joins the other one.
            widened = noisy | np.roll(noisy, 1) | np.roll(noisy, -1)
            error, pale, flux = curves
            error.set_data(wave, spectrum.error)
            pale.set_data(wave, np.where(widened, spectrum.data, np.nan))
            flux.set_data(wave, np.where(noisy, np.nan, spectrum.data))
            axes.set_ylim(limits(spectrum.data, noisy))
        self._source.set_text(f'source {cutout.target.id}')
        self._notes.set_text(textwrap.shorten('; '.join(products.notes), 170))
        return self._canvas.draw([*self._moving, self._source, self._notes])


def _drawn(products: Products) -> list[Spectrum]:
    """The reference spectrum, then those weighted by cross-correlation."""
    correlated = [one for one in products.spectra.values() if one.kind is Kind.CROSS_CORRELATION]
    return [products.spectra[products.reference], *correlated]


def sky_lines(spectrum: Measured) -> BoolArray:
    """Channels on strong sky lines: their variance is over four times the floor around them.

    The floor is the lower quartile, because among the OH lines of the red half the channels are on a line. The photon
    noise of a bright emission line raises the variance too, so channels that stand out by ten sigma or more are kept.
    """
    noisy = np.zeros(spectrum.data.shape, dtype=bool)
    if spectrum.variance is None:
        return noisy
    known = spectrum.usable
    if known.any():
        variance = spectrum.variance[known]
        line = np.abs(_reach(spectrum.data[known])) > 10 * np.sqrt(variance)
        noisy[known] = (variance > 4 * _running(variance, 25)) & ~line
    return noisy


def limits(flux: FloatArray, noisy: BoolArray) -> tuple[float, float]:
    """Limits of the flux axis that include zero, the continuum and every line, but no sky residual or hot voxel.

    Parameters
    ----------
    flux : array, shape (nl,)
        NaN where there is no value.
    noisy : array, shape (nl,)
        Channels that are ignored, from `sky_lines`.
    """
    # The ends of a detector's range are noisy, which is not known otherwise if there is no variance.
    inner = np.zeros(len(flux), dtype=bool)
    inner[len(flux) // 60 : len(flux) - len(flux) // 60] = True
    finite = np.isfinite(flux)
    used = finite & inner & ~noisy
    if not used.any():
        used = finite
    values = flux[used] if used.any() else np.zeros(1)
    ends = _running(values, 50) + _reach(values)
    low, high = min(0.0, ends.min()), max(0.0, ends.max())
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def _reach(values: FloatArray) -> FloatArray:
    """How far each channel stands out of the continuum, limited to what its neighbours confirm.

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
