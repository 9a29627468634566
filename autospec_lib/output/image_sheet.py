"""Image panels in rows on one sheet, with the source marked in each, and the scale of their values.

All panels of a sheet are drawn in one Axes whose unit is the inch. With an Axes for each panel,
nine tenths of the time would be spent on Axis and Tick objects; every source has about a dozen
panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import Cutout, FloatArray
from autospec_lib.output.kept_figures import Canvas
from autospec_lib.output.plot_style import DPI, FRAME_COLOUR, HALO_COLOUR, MARK_COLOUR

PANEL_SIZE = 2.1  # the longer side of a panel; this and the following lengths are in inches
GAP_X, GAP_Y = 0.15, 0.3
LEFT, BOTTOM = 0.55, 0.5
TICK, NUMBER = 0.035, 0.07  # from a panel's edge to the end of a tick, and to its number
X, Y = np.eye(2)
# The alignment of what is written beside the edges along x and y.
BESIDE: tuple[dict[str, Any], ...] = (
    {'ha': 'center', 'va': 'top'},
    {'ha': 'right', 'va': 'center'},
)
SMALL = 7  # points, the size of tick labels
# The marks, in shorter sides of a panel: four strokes around the source that leave its core free.
MARK_REACH = 0.17
# (4, 2, 2)
MARK_STROKES = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])[:, None] * np.array(
    [[0.1], [MARK_REACH]]
)
BORDER = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])  # of a panel, in its width and height


class Panel(NamedTuple):
    """One image (ny, nx), and the ``norm`` and ``cmap`` with which it is shown."""

    title: str
    values: NDArray[Any]
    look: dict[str, Any]


Rows: TypeAlias = Sequence[Sequence[Panel | None]]


class ImageSheet:
    """Panels in rows; offsets from the source in arcsec at the left and at the bottom only.

    Every panel is an image of the figure's one Axes, with the panel's title as its label.

    Parameters
    ----------
    titles : tuple of tuple of (str or None)
        Those of the panels, row by row; None where there is no panel.
    shape : (int, int)
        Pixels (ny, nx) of the images.
    pixel : (float, float)
        A pixel's size (y, x) in arcsec.
    """

    def __init__(
        self,
        titles: tuple[tuple[str | None, ...], ...],
        shape: tuple[int, int],
        pixel: tuple[float, float],
    ) -> None:
        (ny, nx), (dy, dx) = shape, pixel
        self._scale = PANEL_SIZE / max(ny * dy, nx * dx)  # inches per arcsec
        self._size = width, height = nx * dx * self._scale, ny * dy * self._scale
        paper_width = LEFT + max(map(len, titles)) * (width + GAP_X)
        paper_height = BOTTOM + len(titles) * (height + GAP_Y)
        self.figure = Figure(figsize=(paper_width, paper_height), dpi=DPI)
        self._canvas = Canvas(self.figure)
        self._paper = self.figure.add_axes(
            (0, 0, 1, 1), xlim=(0, paper_width), ylim=(0, paper_height)
        )
        self._paper.set_axis_off()
        # Lower left corners of all panels, and of those with tick labels along x and along y.
        self._corners: list[tuple[float, float]] = []
        self._labelled: tuple[list[tuple[float, float]], ...] = ([], [])
        self._images: list[AxesImage] = []
        look: dict[str, Any] = {'origin': 'lower', 'interpolation': 'nearest', 'aspect': 'auto'}
        for i, row in enumerate(titles):
            low = paper_height - (i + 1) * (height + GAP_Y)
            for j, title in enumerate(row):
                if title is None:
                    continue
                left = LEFT + j * (width + GAP_X)
                self._corners.append((left, low))
                self._paper.text(
                    left + width / 2, low + height + 0.04, title, ha='center', va='baseline'
                )
                if i == len(titles) - 1 or j >= len(titles[i + 1]):
                    self._labelled[0].append((left, low))
                    self._paper.text(left + width / 2, low - 0.22, '\u0394x [arcsec]', **BESIDE[0])
                if j == 0:
                    self._labelled[1].append((left, low))
                    self._paper.text(
                        left - 0.33,
                        low + height / 2,
                        '\u0394y [arcsec]',
                        **BESIDE[1],
                        rotation='vertical',
                    )
                extent = (left, left + width, low, low + height)
                self._images.append(
                    self._paper.imshow(np.zeros(shape), extent=extent, label=title, **look)
                )
        styles = ((FRAME_COLOUR, 0.6), (HALO_COLOUR, 2.2), (MARK_COLOUR, 1.1))
        self._lines = [
            LineCollection([], colors=colour, linewidths=thickness) for colour, thickness in styles
        ]
        for lines in self._lines:
            self._paper.add_collection(lines, autolim=False)
        self._numbers: list[Text] = []  # at the ticks

    def draw(self, rows: Rows, cutout: Cutout) -> Image.Image:
        """Draw the panels of a source.

        Parameters
        ----------
        rows : Rows
            The panels, row by row, with the titles, pixels and size of pixels for which the sheet
            was made.
        cutout : Cutout
            Gives the position of the source.
        """
        for image, panel in zip(self._images, filter(None, chain.from_iterable(rows)), strict=True):
            image.set(data=panel.values, **panel.look)
        (y, x), (dy, dx) = cutout.centre, cutout.pixel
        size = np.array(self._size)
        source = np.array([(x + 0.5) * dx, (y + 0.5) * dy]) * self._scale
        corners = np.array(self._corners)[:, None]
        frames = [*(corners + BORDER * size)]
        while self._numbers:
            self._numbers.pop().remove()
        for axis, (along, outwards) in enumerate(((X, -Y), (Y, -X))):
            # At round offsets from the source, in arcsec.
            first, last = -source[axis] / self._scale, (size[axis] - source[axis]) / self._scale
            locator = MaxNLocator(max(1, int(3 * size[axis])), steps=[1, 2, 5, 10])
            offsets = [one for one in locator.tick_values(first, last) if first <= one <= last]
            for corner, offset in product(self._labelled[axis], offsets):
                place = corner + (source[axis] + offset * self._scale) * along
                frames.append(np.array([place, place + TICK * outwards]))
                x, y = place + NUMBER * outwards
                number = f'{offset:.6g}'.replace('-', '\N{MINUS SIGN}')
                self._numbers.append(self._paper.text(x, y, number, fontsize=SMALL, **BESIDE[axis]))
        marks = [*(corners[:, None] + source + MARK_STROKES * size.min()).reshape(-1, 2, 2)]
        for lines, segments in zip(self._lines, (frames, marks, marks), strict=True):
            lines.set_segments(segments)
        # At a panel's edge the marks overlap its title, so the title is drawn on top.
        reach = MARK_REACH * size.min()
        inside = bool(((reach <= source) & (source <= size - reach)).all())
        return self._canvas.draw([*self._images, *self._lines, *self._numbers], apart=inside)


def stretch(
    values: FloatArray, percentiles: tuple[float, float], sigmas: float, share: float
) -> Normalize:
    """A scale of colours for an image: asinh shows faint outskirts and the core.

    Parameters
    ----------
    values : array
        NaN where there is no value.
    percentiles : (float, float)
        Those of the values at the ends of the scale.
    sigmas, share : float
        Where the scale is linear: up to this many standard deviations of the noise, and at least
        this share of its range.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Normalize(0, 1)
    low, middle, high = np.percentile(finite, [percentiles[0], 50, percentiles[1]])
    width = max(sigmas * float(robust_width(finite - middle)), share * (high - low))
    if high > low and width > 0:
        return AsinhNorm(linear_width=width, vmin=low, vmax=high)
    return Normalize(low - 1, high + 1)
