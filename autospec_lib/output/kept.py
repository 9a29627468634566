"""Keeps figures for reuse: most sources need figures of the same layout as the source before."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar('T')
L = TypeVar('L', bound=Hashable)
LIMIT = 10  # two of each kind of picture; each takes about 6 MB


class Kept:
    """The figures of the last `LIMIT` layouts.

    A figure is taken out while it is used, so that no other thread draws on it; if drawing fails, it is not put back.
    Copies for other processes start empty.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, Hashable], Any] = {}

    def __reduce__(self) -> tuple[type[Kept], tuple[()]]:
        """Pickle without the figures."""
        return Kept, ()

    @contextmanager
    def borrowed(self, key: str, layout: L, make: Callable[[L], T]) -> Iterator[T]:
        """The kept figure of this kind and layout, or a new one; it is put back if the block does not raise."""
        found: T | None = self._waiting.pop((key, layout), None)
        one = make(layout) if found is None else found
        yield one
        self._waiting[key, layout] = one
        for oldest in list(self._waiting)[:-LIMIT]:
            self._waiting.pop(oldest, None)  # another thread may have been faster

    def all(self) -> dict[tuple[str, Hashable], Any]:
        """The figures that are not in use, by kind and layout, the latest last."""
        return dict(self._waiting)
