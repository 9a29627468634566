"""Image panels in rows on one sheet, with the source marked in each.

All panels of a sheet are drawn in one Axes whose unit is the inch. With an Axes for each, nine tenths of the time goes
into their Axis and Tick objects, and every source of a run has a dozen panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from autospec_lib.core.types import Cutout

DPI = 120
SIZE = 2.1  # the longer side of a panel; this and what follows in inches
GAP_X, GAP_Y = 0.15, 0.3
LEFT, BOTTOM = 0.55, 0.5
TICK = 0.035
SMALL = 7  # points, the size of tick labels
FRAME, MARK, HALO = 'black', '#d62828', 'white'


class Panel(NamedTuple):
    """One image (ny, nx) and how ``imshow`` is to show it."""

    title: str
    values: NDArray[Any]
    look: dict[str, Any]


Rows: TypeAlias = Sequence[Sequence[Panel | None]]
Lines: TypeAlias = list[list[tuple[float, float]]]


class _Place(NamedTuple):
    """Where a panel lies: its left, right, lower and upper edge, the source's place, and inches per arcsec."""

    left: float
    right: float
    low: float
    high: float
    x: float
    y: float
    scale: float

    def ticks(self, across: bool) -> list[tuple[float, str]]:
        """Round offsets from the source along one axis: where they are and what they are called."""
        start, end, zero = (self.left, self.right, self.x) if across else (self.low, self.high, self.y)
        first, last = (start - zero) / self.scale, (end - zero) / self.scale
        most = max(1, int(3 * (end - start)))
        offsets = np.asarray(MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(first, last))
        inside = offsets[(offsets >= first) & (offsets <= last)]
        return [(zero + o * self.scale, f'{o:.6g}'.replace('-', '\N{MINUS SIGN}')) for o in inside]

    def frame(self) -> Lines:
        """The panel's border."""
        corners = [(self.left, self.low), (self.right, self.low), (self.right, self.high), (self.left, self.high)]
        return [[*corners, corners[0]]]

    def marks(self) -> Lines:
        """Four strokes around the source that leave its core free."""
        side = min(self.right - self.left, self.high - self.low)
        inner, outer = 0.1 * side, 0.17 * side
        return [
            [(self.x + r * dx, self.y + r * dy) for r in (inner, outer)]
            for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1))
        ]


def sheet(rows: Rows, cutout: Cutout) -> Figure:
    """Panels in rows; offsets from the source in arcsec at the left and at the bottom only.

    Every panel is an image of the figure's one Axes, with the panel's title as its label.
    """
    ny, nx = cutout.shape
    (y, x), (dy, dx) = cutout.centre, cutout.pixel
    scale = SIZE / max(ny * dy, nx * dx)
    width, height = nx * dx * scale, ny * dy * scale
    total = (LEFT + max(len(row) for row in rows) * (width + GAP_X), BOTTOM + len(rows) * (height + GAP_Y))
    figure = Figure(figsize=total, dpi=DPI)
    paper = figure.add_axes((0, 0, 1, 1), xlim=(0, total[0]), ylim=(0, total[1]))
    paper.set_axis_off()
    frames: Lines = []
    marks: Lines = []
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            if panel is None:
                continue
            left, low = LEFT + j * (width + GAP_X), total[1] - (i + 1) * (height + GAP_Y)
            source = left + (x + 0.5) * dx * scale, low + (y + 0.5) * dy * scale
            place = _Place(left, left + width, low, low + height, *source, scale)
            _show(paper, panel, place)
            lowest = i == len(rows) - 1 or j >= len(rows[i + 1])
            frames += (
                place.frame() + (_below(paper, place) if lowest else []) + (_beside(paper, place) if j == 0 else [])
            )
            marks += place.marks()
    paper.add_collection(LineCollection(frames, colors=FRAME, linewidths=0.6), autolim=False)
    for colour, thickness in ((HALO, 2.2), (MARK, 1.1)):
        paper.add_collection(LineCollection(marks, colors=colour, linewidths=thickness), autolim=False)
    return figure


def _show(paper: Axes, panel: Panel, place: _Place) -> None:
    extent = (place.left, place.right, place.low, place.high)
    look = {'origin': 'lower', 'interpolation': 'nearest', 'aspect': 'auto'} | panel.look
    paper.imshow(panel.values, extent=extent, label=panel.title, **look)
    middle = (place.left + place.right) / 2
    paper.text(middle, place.high + 0.04, panel.title, ha='center', va='baseline')


def _below(paper: Axes, place: _Place) -> Lines:
    """Label the lower edge; its ticks."""
    ticks = place.ticks(across=True)
    for where, label in ticks:
        paper.text(where, place.low - 0.07, label, ha='center', va='top', fontsize=SMALL)
    middle = (place.left + place.right) / 2
    paper.text(middle, place.low - 0.22, '\N{GREEK CAPITAL LETTER DELTA}x [arcsec]', ha='center', va='top')
    return [[(where, place.low), (where, place.low - TICK)] for where, _ in ticks]


def _beside(paper: Axes, place: _Place) -> Lines:
    """Label the left edge; its ticks."""
    ticks = place.ticks(across=False)
    for where, label in ticks:
        paper.text(place.left - 0.07, where, label, ha='right', va='center', fontsize=SMALL)
    middle, words = (place.low + place.high) / 2, '\N{GREEK CAPITAL LETTER DELTA}y [arcsec]'
    paper.text(place.left - 0.33, middle, words, ha='right', va='center', rotation='vertical')
    return [[(place.left, where), (place.left - TICK, where)] for where, _ in ticks]
