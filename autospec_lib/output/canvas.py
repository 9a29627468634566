"""Draws the same figure many times, each time with other data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

DPI = 120


class Canvas:
    """Draws the constant part of a figure only once; most of the time would be spent on text."""

    def __init__(self, figure: Figure) -> None:
        self._canvas: Any = FigureCanvasAgg(figure)
        self._ground: Any = None

    def draw(self, moving: Iterable[Artist], apart: bool = True) -> Image.Image:
        """Draw the artists that change, in this order, on top of all others of the figure.

        Parameters
        ----------
        moving : iterable of Artist
            All artists that were changed after the first drawing. New ones may be among them.
        apart : bool
            Whether all other artists lie below or beside these. If not, the whole figure is drawn anew.

        Returns
        -------
        Image
            In red, green and blue; a copy.
        """
        if apart:
            self._draw_on_ground(list(moving))
        else:
            self._canvas.draw()
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert('RGB')

    def _draw_on_ground(self, moving: list[Artist]) -> None:
        if self._ground is None:
            self._ground = self._without(moving)
        self._canvas.restore_region(self._ground)
        renderer = self._canvas.get_renderer()
        for artist in moving:
            artist.draw(renderer)

    def _without(self, moving: list[Artist]) -> Any:
        """The pixels of the figure without some of its artists."""
        for artist in moving:
            artist.set_visible(False)
        self._canvas.draw()
        for artist in moving:
            artist.set_visible(True)
        return self._canvas.copy_from_bbox(self._canvas.figure.bbox)
