"""The picture of a source's spectra: the reference on top, those of the cross-correlation below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from scipy.ndimage import binary_dilation

from autospec_lib.core.products import Spectrum
from autospec_lib.core.types import BoolArray, Cutout, FloatArray, Measured
from autospec_lib.output.kept_figures import Canvas
from autospec_lib.output.plot_style import (
    CROSS_CORRELATION,
    DPI,
    ERROR,
    ON_SKY_LINES,
    QUIET,
    REFERENCE,
)
from autospec_lib.output.unit_texts import in_words


class SpectraSheet:
    """Spectra, one panel each, on one wavelength axis.

    Channels that a sky line makes noisy are drawn pale and do not affect the limits (see
    `sky_lines`, `limits`).

    Parameters
    ----------
    keys : tuple of str
        The spectra's, the reference first.
    ends : (float, float)
        The smallest and the largest wavelength.
    wave_unit, unit : str
        Units of wavelengths and of the cube, as in `Grid`.
    noted : bool
        Whether there are notes.
    """

    def __init__(
        self,
        keys: tuple[str, ...],
        ends: tuple[float, float],
        wave_unit: str,
        unit: str,
        noted: bool,
    ) -> None:
        bottom = 0.65 if noted else 0.5  # inches
        height = bottom + 1.75 * len(keys) + 0.2
        self.figure = Figure(figsize=(9.5, height), dpi=DPI)
        self._canvas = Canvas(self.figure)
        self.figure.subplots_adjust(
            left=0.075, right=0.985, bottom=bottom / height, top=1 - 0.3 / height, hspace=0.22
        )
        self._axes: list[Axes] = list(
            self.figure.subplots(len(keys), 1, sharex=True, squeeze=False)[:, 0]
        )
        self._curves: list[list[Line2D]] = []
        self._moving: list[Artist] = []
        first, last = ends
        for number, (axes, key) in enumerate(zip(self._axes, keys, strict=True)):
            flux = CROSS_CORRELATION if number else REFERENCE
            styles = ({'color': ERROR, 'alpha': 0.8}, {'color': ON_SKY_LINES}, {'color': flux})
            axes.set_title(key, loc='left', y=1.0)
            axes.set_xlim(first, last if last > first else first + 1)
            zero = axes.axhline(0, color=QUIET, linewidth=0.5)
            curves = [axes.plot([], [], linewidth=0.5, **style)[0] for style in styles]
            self._curves.append(curves)
            # Without a fixed position, an axis' empty label would be placed anew beside the numbers
            # each time.
            axes.yaxis.set_label_coords(0, 0.5)
            # The spines lie above the curves.
            self._moving += [axes.yaxis, zero, *curves, *axes.spines.values()]
        top, lowest = self._axes[0], self._axes[-1]
        self._source = top.set_title('', loc='right', color=QUIET, y=1.0, parse_math=False)
        words = (
            (REFERENCE, 'flux'),
            (ERROR, '1\N{GREEK SMALL LETTER SIGMA} error'),
            (ON_SKY_LINES, 'sky line'),
        )
        lines = [Line2D([], [], color=colour, linewidth=0.9, label=word) for colour, word in words]
        top.legend(
            handles=lines,
            loc='lower right',
            bbox_to_anchor=(0.93, 0.97),
            fontsize=6,
            frameon=False,
            ncol=3,
        )
        lowest.set_xlabel(f'wavelength [{in_words(wave_unit)}]')
        self.figure.supylabel(f'flux [{in_words(unit)}]' if unit else 'flux', fontsize=8, x=0.005)
        self._notes = self.figure.text(
            0.985,
            0.05 / height,
            '',
            ha='right',
            va='bottom',
            fontsize=6,
            color=QUIET,
            parse_math=False,
        )
        self._moving += [self._source, self._notes]

    def draw(
        self, spectra: Sequence[Spectrum], cutout: Cutout, notes: Sequence[str]
    ) -> Image.Image:
        """Draw a source's spectra.

        Parameters
        ----------
        spectra : sequence of Spectrum
            Those with the keys for which the sheet was made.
        cutout : Cutout
            Gives the wavelengths and the source's ID.
        notes : sequence of str
            The notes.
        """
        wave = cutout.wave
        for axes, curves, spectrum in zip(self._axes, self._curves, spectra, strict=True):
            noisy = sky_lines(spectrum)
            error, pale, flux = curves
            error.set_data(wave, spectrum.error)
            # With the channels on both sides of sky lines, so that the pale curve joins the other
            # one.
            pale.set_data(wave, np.where(binary_dilation(noisy), spectrum.data, np.nan))
            flux.set_data(wave, np.where(noisy, np.nan, spectrum.data))
            axes.set_ylim(limits(spectrum.data, noisy))
        self._source.set_text(f'source {cutout.target.id}')
        self._notes.set_text(textwrap.shorten('; '.join(notes), 170))
        return self._canvas.draw(self._moving)


def sky_lines(spectrum: Measured) -> BoolArray:
    """Channels on strong sky lines: their variance is over four times the floor around them.

    The floor is the lower quartile, because among the OH lines of the red half the channels are on
    a line. The photon noise of a bright emission line raises the variance too, so channels that
    stand out by ten sigma or more are kept.
    """
    noisy = np.zeros(spectrum.data.shape, dtype=bool)
    if spectrum.variance is None:
        return noisy
    known = spectrum.usable
    if known.any():
        data, variance = spectrum.data[known], spectrum.variance[known]
        line = np.abs(confirmed(data - _running(data, 50))) > 10 * np.sqrt(variance)
        noisy[known] = (variance > 4 * _running(variance, 25)) & ~line
    return noisy


def limits(flux: FloatArray, noisy: BoolArray) -> tuple[float, float]:
    """Limits of the flux axis that include zero, the continuum and every line, but no sky residual
    or hot voxel.

    Parameters
    ----------
    flux : array, shape (nl,)
        NaN where there is no value.
    noisy : array, shape (nl,)
        Channels that are ignored, from `sky_lines`.
    """
    # The ends of a detector's range are noisy, which is not known otherwise if there is no
    # variance.
    inner = np.zeros(len(flux), dtype=bool)
    inner[len(flux) // 60 : len(flux) - len(flux) // 60] = True
    finite = np.isfinite(flux)
    used = finite & inner & ~noisy
    if not used.any():
        used = finite
    values = flux[used] if used.any() else np.zeros(1)
    continuum = _running(values, 50)
    ends = continuum + confirmed(values - continuum)
    low, high = min(0.0, ends.min()), max(0.0, ends.max())
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def confirmed(values: FloatArray) -> FloatArray:
    """How far each channel (nl,) stands out, limited to what its neighbours confirm.

    The running median of three channels drops what is one channel wide. A line as narrow as the
    resolution, two channels, keeps at least half its height in it wherever its peak falls, so twice
    the median holds the whole line.
    """
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 1, mode='median'), 3)
    twice = 2 * np.median(windows, axis=1)
    return np.clip(values, np.minimum(twice, 0), np.maximum(twice, 0))


def _running(values: FloatArray, percent: float) -> FloatArray:
    """A percentile over blocks of about a hundred channels, interpolated between the blocks'
    centres."""
    blocks = max(1, len(values) // 100)
    size = len(values) // blocks
    level = np.percentile(values[: blocks * size].reshape(blocks, size), percent, axis=1)
    centres = (np.arange(blocks) + 0.5) * size - 0.5
    return np.interp(np.arange(len(values)), centres, level)
