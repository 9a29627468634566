"""A copy of the needed part of an array, in tiles, from which a box is read in few pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core.types import IntArray
from autospec_lib.inputs.storage import stored_boxes
from autospec_lib.inputs.storage.file_identity import Identity
from autospec_lib.inputs.storage.stored_boxes import Box

TILE = 16  # spaxels along a tile's side
BUFFER = 64e6  # bytes of planes that are read at a time


@dataclass(frozen=True, eq=False)
class Tiles:
    """Tiles of `TILE` x `TILE` spaxels in a file.

    The file holds the tiles of the first ``together`` planes, row by row, then those of the next planes, and so on: the
    copy is written from beginning to end while the array is read from beginning to end. Tiles at the array's edge are
    padded.

    Attributes
    ----------
    path : Path
        The file.
    offset : int
        The first tile's first byte.
    dtype : dtype
        Of the numbers, as the array has them.
    shape : (int, int, int)
        Of the stored array: planes, rows, columns.
    numbers : array of int (rows of tiles, columns of tiles)
        Which of the copied tiles each one is, -1 = not copied.
    together : int
        Number of planes whose tiles lie together.
    identity : Identity or None
        Identity of the file when it was complete.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    numbers: IntArray
    together: int
    identity: Identity | None = None

    @classmethod
    def around(
        cls, boxes: Iterable[Box], path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]
    ) -> Tiles:
        """The tiles that are needed for these boxes; nothing is written yet."""
        wanted = np.zeros([-(-length // TILE) for length in shape[1:]], bool)
        for box in boxes:
            wanted[_tiles(box)] = True
        numbers = np.where(wanted, np.cumsum(wanted).reshape(wanted.shape) - 1, -1).astype(np.int32)
        together = max(1, int(BUFFER // (shape[1] * shape[2] * dtype.itemsize)))
        return cls(path, offset, dtype, shape, numbers, min(together, shape[0]))

    @property
    def nbytes(self) -> int:
        """The bytes of the copy."""
        return self.shape[0] * self._plane

    @property
    def _plane(self) -> int:
        """The bytes of one plane of the copy."""
        return int((self.numbers >= 0).sum()) * TILE**2 * self.dtype.itemsize

    def hold(self, box: Box) -> bool:
        """Whether all tiles of a box are copied."""
        return bool((self.numbers[_tiles(box)] >= 0).all())

    def pack(self, planes: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """The tiles of some planes, in the order in which they are written."""
        number, _, width = planes.shape
        for row, numbers in enumerate(self.numbers):
            if (numbers < 0).all():
                continue
            band = planes[:, row * TILE : (row + 1) * TILE]
            full = np.zeros((number, TILE, numbers.size * TILE), planes.dtype)
            full[:, : band.shape[1], :width] = band
            tiles = full.reshape(number, TILE, numbers.size, TILE).transpose(2, 0, 1, 3)
            yield np.ascontiguousarray(tiles[numbers >= 0])

    def read_into(self, target: NDArray[Any], box: Box) -> None:
        """Read a box, as `stored_boxes.read_into` does from the array itself.

        Raises
        ------
        OSError
            If the copy cannot be read, or is not what was written.
        """
        rows, columns = _tiles(box)
        across = columns.stop - columns.start
        inside = slice(box[2].start - columns.start * TILE, box[2].stop - columns.start * TILE)
        buffer = np.empty((across * self.together, TILE, TILE), self.dtype)
        with stored_boxes.opened(self.path) as file:
            if self.identity is not None:
                self.identity.check(file)
            for start in range(0, self.shape[0], self.together):
                planes = min(self.together, self.shape[0] - start)
                tiles = buffer[: across * planes]
                for row in range(rows.start, rows.stop):
                    file.seek(self._place(start, planes, int(self.numbers[row, columns.start])))
                    wanted = tiles.reshape(-1).view(np.uint8).data
                    if file.readinto(wanted) != len(wanted):  # type: ignore[attr-defined]
                        raise OSError('it is shorter than it was')
                    first, last = max(box[1].start, row * TILE), min(box[1].stop, (row + 1) * TILE)
                    band = tiles.reshape(across, planes, TILE, TILE)[:, :, first - row * TILE : last - row * TILE]
                    band = band.transpose(1, 2, 0, 3).reshape(planes, last - first, -1)
                    target[start : start + planes, first - box[1].start : last - box[1].start] = band[:, :, inside]

    def _place(self, start: int, planes: int, number: int) -> int:
        """Where a tile begins in the file, among those of some planes from ``start`` on."""
        return self.offset + start * self._plane + number * planes * TILE**2 * self.dtype.itemsize


def _tiles(box: Box) -> tuple[slice, slice]:
    """The rows and columns of tiles that a box touches."""
    rows, columns = (slice(one.start // TILE, -(-one.stop // TILE)) for one in box[1:])
    return rows, columns
