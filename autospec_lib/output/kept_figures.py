"""Figures that are drawn many times, each time with other data, and kept from one source to the
next.

Whatever holds figures can be made without matplotlib, which takes a while to import.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from PIL import Image

LIMIT = 10  # figures that are kept, two of each kind of picture; each takes about 6 MB
T = TypeVar('T')


class Canvas:
    """Draws the constant part of a figure only once; most of the time would be spent on text."""

    def __init__(self, figure: Figure) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self._canvas: Any = FigureCanvasAgg(figure)
        self._ground: Any = None

    def draw(self, moving: Sequence[Artist], apart: bool = True) -> Image.Image:
        """Draw the artists that change, in this order, on top of all others of the figure.

        Parameters
        ----------
        moving : sequence of Artist
            All artists that were changed after the first drawing. New ones may be among them.
        apart : bool
            Whether all other artists lie below or beside these. If not, the whole figure is drawn
            anew.

        Returns
        -------
        Image
            In red, green and blue; a copy.
        """
        from PIL import Image

        if not apart:
            self._canvas.draw()
        else:
            if self._ground is None:
                for artist in moving:
                    artist.set_visible(False)
                self._canvas.draw()
                for artist in moving:
                    artist.set_visible(True)
                self._ground = self._canvas.copy_from_bbox(self._canvas.figure.bbox)
            self._canvas.restore_region(self._ground)
            renderer = self._canvas.get_renderer()
            for artist in moving:
                artist.draw(renderer)
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())).convert('RGB')


class Kept(dict[tuple[str, tuple[Hashable, ...]], Any]):
    """The latest figures that are not in use, by kind of picture and layout: most sources need
    those of the one before.

    A figure is taken out while it is used, so that no other thread draws on it; if drawing fails,
    it is not put back. Copies for other processes start empty.
    """

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        """Pickle without the figures."""
        return Kept, ()

    @contextmanager
    def borrowed(self, key: str, make: Callable[..., T], *layout: Hashable) -> Iterator[T]:
        """The kept figure of a kind and layout, or a new one; it is put back if the block does not
        raise.

        Parameters
        ----------
        key : str
            The kind of picture.
        make : function
            Makes a new figure from the layout.
        *layout : hashable
            What figures that can be used for each other have in common.
        """
        figure = self.pop((key, layout), None) or make(*layout)
        yield figure
        self[key, layout] = figure
        for oldest in list(self)[:-LIMIT]:
            self.pop(oldest, None)  # another thread may have been faster
