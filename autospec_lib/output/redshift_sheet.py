"""The picture of a source's redshift: the spectrum with the first candidate's model, and its
lines."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import binary_dilation
from scipy.optimize import isotonic_regression

from autospec_lib.core.emission_lines import LINES
from autospec_lib.core.numerics import to_vacuum
from autospec_lib.core.products import Products
from autospec_lib.core.types import Cutout, FloatArray
from autospec_lib.output.kept_figures import Canvas
from autospec_lib.output.plot_style import (
    DPI,
    FOREIGN,
    INK,
    MODEL,
    ON_SKY_LINES,
    QUIET,
    SHADE,
    SPECTRUM,
)
from autospec_lib.output.spectra_sheet import limits, sky_lines
from autospec_lib.output.unit_texts import in_words

WIDTH = 9.5  # inches, as are the following lengths
LEFT, RIGHT = 0.72, 0.14
HEIGHT = 6.27
# Bottom and height of each; above the spectrum and the zooms there is room for labels of lines.
PANELS = {'spectrum': (3.39, 2.0), 'residual': (2.77, 0.62), 'zoom': (0.42, 1.4)}
GAP, LIST = 0.45, 2.45  # between zooms; the width of the list of candidates
LABEL = 0.115  # between the labels of two lines
RESIDUALS = 5.5  # sigma, the range of the strip
SEEN = 3.0  # signal-to-noise ratio from which the label of a line is dark
LABELS = {
    'Ly\u03b1': 'LYALPHA',
    'NV': 'NV1240',
    'CIV': 'CIV1549',
    'HeII': 'HEII1640',
    'CIII]': 'CIII1909',
    'MgII': 'MGII2798',
    '[NeV]': 'NEV3426',
    '[OII]': 'OII',
    '[NeIII]': 'NEIII3869',
    'H\u03b4': 'HDELTA',
    'H\u03b3': 'HGAMMA',
    'H\u03b2': 'HBETA',
    '[OIII]4960': 'OIII4959',
    '[OIII]5008': 'OIII5007',
    'HeI': 'HEI5876',
    '[OI]6302': 'OI6300',
    '[NII]6550': 'NII6548',
    'H\u03b1': 'HALPHA',
    '[NII]6585': 'NII6583',
    '[SII]6718': 'SII6716',
    '[SII]6733': 'SII6731',
}
# Vacuum wavelengths in Angstrom of lines by their labels, of doublets that of the middle.
EMISSION = {label: float(np.mean(LINES[name])) for label, name in LABELS.items()} | {
    'SiIV': 1398.3,
    '[NI]': 5201.7,
    '[OI]6366': 6365.54,
}
ABSORPTION = {
    'CaK': 3934.777,
    'CaH': 3969.588,
    'G': 4305.6,
    'Mgb': 5175.3,
    'NaD': 5894.6,
    'Ca 8500': 8500.35,
    'Ca 8545': 8544.44,
    'Ca 8665': 8664.52,
}
BALMER = ('H\u03b4', 'H\u03b3', 'H\u03b2', 'H\u03b1')
OF_QUASARS = (
    *'Ly\u03b1 NV SiIV CIV HeII CIII] MgII [NeV] [OII] [OIII]4960 [OIII]5008'.split(),
    *BALMER,
)
LINES_OF = {
    'gal': EMISSION | ABSORPTION,
    'LAE': {key: EMISSION[key] for key in 'Ly\u03b1 NV CIV HeII CIII]'.split()},
    'QSO': {key: EMISSION[key] for key in OF_QUASARS},
    'star': {key: EMISSION[key] for key in BALMER} | ABSORPTION,
}
# Ranges at rest that are shown larger, as many as there is room for, the most important ones first.
OII, CALCIUM = (3695.0, 3765.0), (3870.0, 4040.0)
ZOOMS = {
    'gal': (OII, (4830.0, 5040.0), (6510.0, 6770.0), CALCIUM),
    'LAE': ((1206.0, 1227.0),),
    'QSO': (
        (1150.0, 1300.0),
        (1470.0, 1630.0),
        (1830.0, 1990.0),
        (2700.0, 2900.0),
        (4750.0, 5100.0),
    ),
    'star': ((4780.0, 4945.0), (6480.0, 6650.0), (8460.0, 8720.0), (5110.0, 5260.0)),
}
MOST_ZOOMS = 3
FEWEST = 4  # channels in a zoom


class RedshiftSheet:
    """The spectrum with the model of the first candidate, the residual, the main lines, and all
    candidates.

    Parameters
    ----------
    products : Products
        With models, lines and the cards on the redshift.
    cutout : Cutout
        Gives wavelengths, units and the source's ID.

    Attributes
    ----------
    figure : Figure
        The figure.
    image : Image
        What it looks like.
    """

    def __init__(self, products: Products, cutout: Cutout) -> None:
        self.products, self.cutout = products, cutout
        self.facts = {card: value for card, (value, _) in products.facts.items()}
        self.first = products.models[0]
        self.spectrum = products.spectra[self.facts['ZSPEC']]
        order = np.argsort(cutout.wave)
        self.wave = cutout.wave[order]
        self.flux, self.model = self.spectrum.data[order], self.first.flux[order]
        self.error = self.spectrum.error[order]
        if self.spectrum.variance is None:
            self.error = np.full(self.wave.shape, np.nanstd(self.flux - self.model))
        self.noisy = sky_lines(self.spectrum)[order]
        self.widened = binary_dilation(self.noisy)
        self.figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
        self._title()
        self._main()
        self._zooms()
        self.image = Canvas(self.figure).draw(())

    def _axes(self, panel: str, left: float, width: float) -> Axes:
        """Axes in one of the `PANELS`; lengths in inches."""
        bottom, height = PANELS[panel]
        return self.figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))

    def _title(self) -> None:
        one = self.first
        text = f'no redshift: best candidate z = {one.z:.4f}, P = {one.probability:.2f}'
        notes = [note for note in self.products.notes if note.startswith('redshift: ')]
        if self.facts.get('ZAUTO') is not None:
            text = f'z = {one.z:.5f} \u00b1 {one.error:.5f}   {one.kind}   P = {self.facts["ZPROB"]:.3f}'
            text += f'   quality {self.facts["ZQUAL"]}'
            if 'ZNOTE' in self.facts:
                notes.insert(0, self.facts['ZNOTE'])
        y, end = 1 - 0.19 / HEIGHT, 1 - RIGHT / WIDTH
        words: Any = {'parse_math': False, 'va': 'center'}
        self.figure.text(LEFT / WIDTH, y, text, fontsize=10, color=INK, weight='bold', **words)
        right = f'source {self.cutout.target.id}   {self.spectrum.key}'
        self.figure.text(end, y, right, fontsize=8, color=QUIET, ha='right', **words)
        below = textwrap.shorten('; '.join(notes), 165)
        self.figure.text(end, 0.06 / HEIGHT, below, fontsize=7, color=QUIET, ha='right', **words)

    def _main(self) -> None:
        """The whole spectrum, the residual below it, labels of lines above it."""
        width = WIDTH - LEFT - RIGHT
        axes, strip = (self._axes(panel, LEFT, width) for panel in ('spectrum', 'residual'))
        self._spectrum(axes, slice(None), linewidth=0.5)
        axes.tick_params(labelbottom=False)
        axes.set_ylabel(f'flux [{in_words(self.spectrum.unit)}]' if self.spectrum.unit else 'flux')
        with np.errstate(invalid='ignore', divide='ignore'):
            residual = (self.flux - self.model) / self.error
        self._curve(strip, residual, slice(None), linewidth=0.4)
        strip.set_ylim(-RESIDUALS, RESIDUALS)
        strip.set_yticks([-3, 0, 3])
        strip.set_ylabel('residual [\u03c3]')
        strip.set_xlabel(f'wavelength [{in_words(self.cutout.grid.wave_unit)}]', labelpad=1)
        for one in (axes, strip):
            one.set_xlim(self.wave[0], self.wave[-1])
            one.yaxis.set_label_coords(-0.5 / width, 0.5)
        self._label(axes)
        styles = (
            (SPECTRUM, 1.2, 'spectrum'),
            (MODEL, 1.2, f'model at z = {self.first.z:.4f}'),
            (SHADE, 5, 'sky line'),
        )
        handles = [
            Line2D([], [], color=colour, linewidth=thick, label=word)
            for colour, thick, word in styles
        ]
        place: Any = {'loc': 'upper right', 'bbox_to_anchor': (1.0, -0.26), 'borderaxespad': 0.0}
        strip.legend(handles=handles, fontsize=7, frameon=False, ncol=3, **place)

    def _zooms(self) -> None:
        """The main lines in a row, and the list of candidates at its end."""
        ranges = self._ranges()
        room = WIDTH - LEFT - RIGHT - LIST
        width = room / max(len(ranges), 1) - GAP
        for number, (low, high) in enumerate(ranges):
            axes = self._axes('zoom', LEFT + number * (width + GAP), width)
            # With a channel beyond each end, so that the curves fill the panel.
            part = np.flatnonzero((self.wave >= low) & (self.wave <= high))
            part = np.arange(max(part[0] - 1, 0), min(part[-1] + 2, len(self.wave)))
            self._spectrum(axes, part, linewidth=0.8, drawstyle='steps-mid')
            axes.set_xlim(low, high)
            axes.tick_params(labelsize=6.5)
            axes.locator_params(axis='x', nbins=2 + round(2 * width))
            axes.locator_params(axis='y', nbins=5)
            for x, _, colour in self._label(axes):
                axes.axvline(x, color=colour, linewidth=0.5, linestyle=(0, (3, 3)), zorder=0)
        left = LEFT + room if ranges else LEFT
        self._candidates(self._axes('zoom', left, WIDTH - RIGHT - left))

    def _spectrum(self, axes: Axes, part: Any, **style: Any) -> None:
        """Draw some channels of spectrum and model, and set the limits of the flux."""
        self._curve(axes, self.flux, part, **style)
        model = self.model[part]
        axes.plot(self.wave[part], model, color=MODEL, linewidth=0.9, alpha=0.9)
        low, high = limits(self.flux[part], self.noisy[part])
        if np.isfinite(model).any():
            reach = 0.08 * (high - low)
            low, high = (
                min(low, float(np.nanmin(model)) - reach),
                max(high, float(np.nanmax(model)) + reach),
            )
        axes.set_ylim(low, high)

    def _curve(self, axes: Axes, values: FloatArray, part: Any, **style: Any) -> None:
        """Draw some channels of values, pale on sky lines, which are shaded.

        Parameters
        ----------
        axes : Axes
            Where to draw.
        values : array (nl,)
            The values.
        part : slice or array
            The channels.
        **style
            Of the curve.
        """
        inside: Any = {'where': self.widened.tolist(), 'transform': axes.get_xaxis_transform()}
        axes.fill_between(self.wave, 0, 1, color=SHADE, linewidth=0, zorder=-1, **inside)
        axes.axhline(0, color=QUIET, linewidth=0.5)
        for colour, hidden in ((ON_SKY_LINES, ~self.widened), (SPECTRUM, self.noisy)):
            axes.plot(
                self.wave[part], np.where(hidden, np.nan, values)[part], color=colour, **style
            )

    def _ranges(self) -> list[tuple[float, float]]:
        """The zooms with a line inside the spectrum, as observed, in ascending order."""
        wanted = ZOOMS[self.first.kind]
        if OII in wanted and not self._seen('[OII]'):
            wanted = (CALCIUM, *wanted[1:-1], OII)
        lines = [self._observed(rest) for rest in LINES_OF[self.first.kind].values()]
        known = self.wave[np.isfinite(self.model)]
        several = []
        for low, high in wanted:
            part = known[(known >= self._observed(low)) & (known <= self._observed(high))]
            if len(part) >= FEWEST and any(part[1] < line < part[-2] for line in lines):
                several.append((float(part[0]), float(part[-1])))
        return sorted(several[:MOST_ZOOMS])

    def _seen(self, label: str) -> bool:
        """Whether a line of the source with this label was measured above `SEEN`; else, whether the
        model has it."""
        rest = EMISSION.get(label)
        if rest is None:
            return False
        rows = [row for row in self.products.lines if row['LINE']]
        if rows:
            return any(row['SNR'] > SEEN for row in rows if abs(row['LBDA_REST'] - rest) < 3)
        wave = self._observed(rest)
        near, around = (np.abs(self.wave / wave - 1) < width for width in (1e-3, 1e-2))
        if not np.isfinite(self.model[near]).any():
            return False
        height = np.nanmax(self.model[near]) - np.nanmedian(self.model[around])
        return bool(height > SEEN / 2 * np.nanmedian(self.error[around]))

    def _observed(self, rest: float) -> float:
        """The wavelength of a line as observed, in the unit of the cube."""
        wave = rest * (1 + self.first.z)
        if self.cutout.grid.medium != 'vacuum':
            # The index of refraction is the same at the wavelength in vacuum, to a part in 1e8.
            wave *= wave / float(to_vacuum(np.array(wave)))
        return wave / self.cutout.grid.angstrom

    def _label(self, axes: Axes) -> list[tuple[float, str, str]]:
        """Write labels of lines above axes, apart from one another, with strokes from the lines to
        them.

        Returns
        -------
        list of (float, str, str)
            Wavelength, label and colour of the lines, in ascending order.
        """
        marks = []
        for label, rest in LINES_OF[self.first.kind].items():
            dark = self._seen(label) or self.first.kind != 'gal'
            marks.append((self._observed(rest), label, INK if dark else QUIET))
        for row in self.products.lines:
            if not row['LINE']:
                wave = row['LBDA_OBS'] / self.cutout.grid.angstrom
                marks.append((wave, f'? {row["LBDA_OBS"]:.0f}', FOREIGN))
        low, high = axes.get_xlim()
        marks = sorted(mark for mark in marks if low < mark[0] < high)
        if not marks:
            return []
        place = np.array([(x - low) / (high - low) for x, _, _ in marks])
        box = axes.get_position()
        step = np.arange(len(marks)) * LABEL / (box.width * WIDTH)
        # The places nearest to those of the lines that are this far apart, in the same order.
        apart = isotonic_regression(place - step).x
        apart = np.clip(apart, 0.004, max(1 - 0.004 - step[-1], 0.004)) + step
        inch = 1 / (box.height * HEIGHT)
        stroke = 1 + inch * np.array([0.0, 0.02, 0.1, 0.14])
        above: Any = {
            'rotation': 90,
            'ha': 'center',
            'va': 'bottom',
            'fontsize': 6,
            'parse_math': False,
        }
        for x, there, (_, label, colour) in zip(place, apart, marks, strict=True):
            look: Any = {'transform': axes.transAxes, 'color': colour}
            axes.plot([x, x, there, there], stroke, linewidth=0.5, clip_on=False, **look)
            axes.text(there, 1 + 0.15 * inch, label, **above, **look)
        return marks

    def _candidates(self, axes: Axes) -> None:
        """The list of candidates, the second source, and what the catalogue says."""
        axes.set_axis_off()
        words: Any = {'transform': axes.transAxes, 'va': 'top', 'parse_math': False}
        axes.text(0, 1.0, 'candidates', fontsize=7, color=INK, **words)
        y = 0.86
        for number, one in enumerate(self.products.models, 1):
            # As on top.
            colour, shown = (MODEL if number == 1 else QUIET), int(1000 * one.probability) / 1000
            text = f'{number}  z = {one.z:7.4f}  {one.kind:4s}  P = {shown:.3f}'
            axes.text(0, y, text, fontsize=6.5, color=colour, family='monospace', **words)
            y -= 0.115
        others: Mapping[str, Any] = {
            'second source in the spectrum at z =': self.facts.get('ZBLEND'),
            'catalogue: z =': self.cutout.target.z,
            'neighbour with this redshift:': self.facts.get('ZNEIGHB'),
            '? lines that this redshift does not explain:': sum(
                not row['LINE'] for row in self.products.lines
            )
            or None,
        }
        y -= 0.05
        for label, value in others.items():
            if value is not None:
                text = f'{label} {value:.4f}' if isinstance(value, float) else f'{label} {value}'
                axes.text(
                    0,
                    y,
                    text,
                    fontsize=6.5,
                    color=FOREIGN if label.startswith('?') else INK,
                    **words,
                )
                y -= 0.115
