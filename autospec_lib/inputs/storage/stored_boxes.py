"""Boxes of a three-dimensional array in a file, read piece by piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 18  # numbers to read at a time where planes are small

Box: TypeAlias = tuple[slice, ...]


def opened(path: Path) -> BinaryIO:
    """Open a file for plain reads. All files with arrays are opened here, so that reads can be counted."""
    return path.open('rb', buffering=0)


def read_into(
    target: NDArray[Any], file: BinaryIO, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...], box: Box
) -> bool:
    """Read a box of an array.

    Plain reads are better than a memory map: pages of the rest of a plane do not stay in memory, and if the file is
    truncated meanwhile, the result is a short read, while a memory map would kill the process.

    Parameters
    ----------
    target : array
        Receives the numbers; it has the shape of the box and any type that can hold them.
    file : binary file
        Open without a buffer.
    offset : int
        The array's first byte.
    dtype : dtype
        Of the stored numbers.
    shape : (int, int, int)
        Of the stored array.
    box : three slices
        With start and stop.

    Returns
    -------
    bool
        False where the file ends before the array does.
    """
    planes, rows, columns = box
    first, height, together = _piece(shape, box)
    # If a box covers most of a plane and planes are small, it is faster to read several whole planes at a time.
    buffer = np.empty((together, height, shape[2]), dtype)
    window = buffer[:, rows.start - first : rows.stop - first, columns]
    for start in range(planes.start, planes.stop, together):
        number = min(together, planes.stop - start)
        file.seek(offset + (start * shape[1] + first) * shape[2] * dtype.itemsize)
        wanted = buffer[:number].reshape(-1).view(np.uint8).data
        if file.readinto(wanted) != len(wanted):  # type: ignore[attr-defined]
            return False
        target[start - planes.start : start - planes.start + number] = window[:number]
    return True


def reads(shape: tuple[int, ...], box: Box) -> int:
    """How many pieces `read_into` reads for a box."""
    planes: int = box[0].stop - box[0].start
    return -(-planes // _piece(shape, box)[2])


def _piece(shape: tuple[int, ...], box: Box) -> tuple[int, int, int]:
    """The piece that is read at a time: first row, number of rows, number of planes."""
    height = box[1].stop - box[1].start
    if 2 * height < shape[1]:
        return box[1].start, height, 1
    return 0, shape[1], max(1, CHUNK // (shape[1] * shape[2]))
