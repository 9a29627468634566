"""Figures that are kept to be drawn again: a source seldom needs others than the one before it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar('T')
L = TypeVar('L', bound=Hashable)
LIMIT = 10  # two of each kind of picture; each takes about 6 MB


class Kept:
    """What was made for each layout, the last `LIMIT` of them.

    Whoever uses one takes it out and brings it back, so that nobody else draws on it, and one whose drawing has failed
    half way is not used again. Copies for other processes start empty.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, Hashable], Any] = {}

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        """Nothing goes along into a pickle."""
        return Kept, ()

    @contextmanager
    def borrowed(self, key: str, layout: L, make: Callable[[L], T]) -> Iterator[T]:
        """What is kept for the layout of a kind of picture, or else made; it is kept if the block does not raise."""
        found: T | None = self._waiting.pop((key, layout), None)
        one = make(layout) if found is None else found
        yield one
        self._waiting[key, layout] = one
        for oldest in list(self._waiting)[:-LIMIT]:
            self._waiting.pop(oldest, None)  # another thread may have been faster

    def all(self) -> dict[tuple[str, Hashable], Any]:
        """What waits to be used, by kind and layout, the latest last."""
        return dict(self._waiting)
