"""Image panels in rows on one sheet, with the source marked in each.

All panels of a sheet are drawn in one Axes whose unit is the inch. With an Axes for each panel, nine tenths of the time
would be spent on Axis and Tick objects; every source has about a dozen panels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from autospec_lib.core.types import Cutout
from autospec_lib.output.canvas import DPI, Canvas
from autospec_lib.output.colours import FRAME, HALO, MARK

SIZE = 2.1  # the longer side of a panel; this and the following lengths are in inches
GAP_X, GAP_Y = 0.15, 0.3
LEFT, BOTTOM = 0.55, 0.5
TICK = 0.035
REACH = 0.17  # how far the marks reach from the source, in shorter sides of a panel
SMALL = 7  # points, the size of tick labels


class Panel(NamedTuple):
    """One image (ny, nx), and the ``norm`` and ``cmap`` with which it is shown."""

    title: str
    values: NDArray[Any]
    look: dict[str, Any]


Rows: TypeAlias = Sequence[Sequence[Panel | None]]
Lines: TypeAlias = list[list[tuple[float, float]]]
Ticks: TypeAlias = list[tuple[float, str]]


class _Place(NamedTuple):
    """The position of a panel: left, right, lower and upper edge; whether it has tick labels below and beside it."""

    left: float
    right: float
    low: float
    high: float
    below: bool
    beside: bool

    def frame(self) -> Lines:
        """The panel's border."""
        corners = [(self.left, self.low), (self.right, self.low), (self.right, self.high), (self.left, self.high)]
        return [[*corners, corners[0]]]

    def marks(self, x: float, y: float) -> Lines:
        """Four strokes around the source that leave its core free."""
        side = min(self.right - self.left, self.high - self.low)
        inner, outer = 0.1 * side, REACH * side
        return [[(x + r * dx, y + r * dy) for r in (inner, outer)] for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1))]


@dataclass(frozen=True)
class Layout:
    """The properties that the sheets of two sources must share to be drawn with one figure.

    Attributes
    ----------
    titles : tuple of tuple of (str or None)
        Titles of the panels, row by row; None for an empty place.
    shape : (int, int)
        Pixels (ny, nx) of every image.
    pixel : (float, float)
        A pixel's size (y, x) in arcsec.
    """

    titles: tuple[tuple[str | None, ...], ...]
    shape: tuple[int, int]
    pixel: tuple[float, float]

    @classmethod
    def of(cls, rows: Rows, cutout: Cutout) -> Self:
        """The layout of these panels."""
        titles = tuple(tuple(None if panel is None else panel.title for panel in row) for row in rows)
        return cls(titles, cutout.shape, cutout.pixel)

    @property
    def scale(self) -> float:
        """Inches per arcsec."""
        return SIZE / max(n * d for n, d in zip(self.shape, self.pixel, strict=True))

    @property
    def panel(self) -> tuple[float, float]:
        """Width and height of a panel."""
        (ny, nx), (dy, dx) = self.shape, self.pixel
        return nx * dx * self.scale, ny * dy * self.scale

    @property
    def paper(self) -> tuple[float, float]:
        """Width and height of the sheet."""
        width, height = self.panel
        columns = max(len(row) for row in self.titles)
        return LEFT + columns * (width + GAP_X), BOTTOM + len(self.titles) * (height + GAP_Y)

    def places(self) -> Iterator[tuple[str, _Place]]:
        """The panels' titles and places, row by row."""
        width, height = self.panel
        for i, row in enumerate(self.titles):
            for j, title in enumerate(row):
                left, low = LEFT + j * (width + GAP_X), self.paper[1] - (i + 1) * (height + GAP_Y)
                below = i == len(self.titles) - 1 or j >= len(self.titles[i + 1])
                if title is not None:
                    yield title, _Place(left, left + width, low, low + height, below, j == 0)


class Sheet:
    """Panels in rows; offsets from the source in arcsec at the left and at the bottom only.

    Every panel is an image of the figure's one Axes, with the panel's title as its label.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._places = [place for _, place in layout.places()]
        width, height = layout.paper
        self.figure = Figure(figsize=(width, height), dpi=DPI)
        self._canvas = Canvas(self.figure)
        self._paper = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
        self._paper.set_axis_off()
        self._images = [self._panel(title, place) for title, place in layout.places()]
        styles = ((FRAME, 0.6), (HALO, 2.2), (MARK, 1.1))
        self._lines = [LineCollection([], colors=colour, linewidths=thickness) for colour, thickness in styles]
        for lines in self._lines:
            self._paper.add_collection(lines, autolim=False)
        self._below: list[Text] = []
        self._beside: list[Text] = []

    def _panel(self, title: str, place: _Place) -> AxesImage:
        """An empty image with its title and the names of its axes."""
        middle, half = (place.left + place.right) / 2, (place.low + place.high) / 2
        self._paper.text(middle, place.high + 0.04, title, ha='center', va='baseline')
        delta = '\N{GREEK CAPITAL LETTER DELTA}'
        if place.below:
            self._paper.text(middle, place.low - 0.22, f'{delta}x [arcsec]', ha='center', va='top')
        if place.beside:
            where: dict[str, Any] = {'ha': 'right', 'va': 'center', 'rotation': 'vertical'}
            self._paper.text(place.left - 0.33, half, f'{delta}y [arcsec]', **where)
        extent = (place.left, place.right, place.low, place.high)
        look: dict[str, Any] = {'origin': 'lower', 'interpolation': 'nearest', 'aspect': 'auto'}
        return self._paper.imshow(np.zeros(self._layout.shape), extent=extent, label=title, **look)

    def draw(self, rows: Rows, cutout: Cutout) -> Image.Image:
        """Draw the panels of a source; they must have the sheet's layout."""
        for image, panel in zip(self._images, filter(None, chain.from_iterable(rows)), strict=True):
            image.set(data=panel.values, **panel.look)
        (y, x), (dy, dx), scale = cutout.centre, cutout.pixel, self._layout.scale
        source = (x + 0.5) * dx * scale, (y + 0.5) * dy * scale
        across, up = (_ticks(zero, size, scale) for zero, size in zip(source, self._layout.panel, strict=True))
        below = [(p.left + at, p.low, label) for p in self._places if p.below for at, label in across]
        beside = [(p.left, p.low + at, label) for p in self._places if p.beside for at, label in up]
        marks = [stroke for p in self._places for stroke in p.marks(p.left + source[0], p.low + source[1])]
        frames = [line for p in self._places for line in p.frame()]
        frames += [[(at, edge), (at, edge - TICK)] for at, edge, _ in below]
        frames += [[(edge, at), (edge - TICK, at)] for edge, at, _ in beside]
        for lines, segments in zip(self._lines, (frames, marks, marks), strict=True):
            lines.set_segments(segments)
        self._write(self._below, [(at, edge - 0.07, label) for at, edge, label in below], ha='center', va='top')
        self._write(self._beside, [(edge - 0.07, at, label) for edge, at, label in beside], ha='right', va='center')
        reach = REACH * min(self._layout.panel)
        # At a panel's edge the marks overlap its title, so the title is drawn on top.
        inside = all(reach <= at <= size - reach for at, size in zip(source, self._layout.panel, strict=True))
        return self._canvas.draw([*self._images, *self._lines, *self._below, *self._beside], apart=inside)

    def _write(self, texts: list[Text], words: list[tuple[float, float, str]], **look: Any) -> None:
        """Set the texts to these words at these positions."""
        while len(texts) > len(words):
            texts.pop().remove()
        while len(texts) < len(words):
            texts.append(self._paper.text(0, 0, '', fontsize=SMALL, **look))
        for text, (x, y, word) in zip(texts, words, strict=True):
            text.set_position((x, y))
            text.set_text(word)


def _ticks(zero: float, size: float, scale: float) -> Ticks:
    """Ticks at round offsets from the source along an edge of this size: positions and labels."""
    first, last = -zero / scale, (size - zero) / scale
    offsets = np.asarray(MaxNLocator(max(1, int(3 * size)), steps=[1, 2, 5, 10]).tick_values(first, last))
    inside = offsets[(offsets >= first) & (offsets <= last)]
    return [(zero + o * scale, f'{o:.6g}'.replace('-', '\N{MINUS SIGN}')) for o in inside]
