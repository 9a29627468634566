"""Measures the seek time of a cube's storage, and copies the cube so that a cut-out lies in few pieces."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core.errors import SourceError
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube as cutouts
from autospec_lib.inputs.cube import OpenCube
from autospec_lib.inputs.storage import stored_boxes
from autospec_lib.inputs.storage.file_identity import Identity
from autospec_lib.inputs.storage.fits_arrays import Layer
from autospec_lib.inputs.storage.tiles import Tiles

SAMPLES = 15  # places at which a small piece is read to measure how long that takes
PART = 2880  # bytes of a copy that tell it from another one
SAMPLE = 1 << 23  # bytes that are read at a stretch to measure how fast that is


def boxes(cube: OpenCube, targets: Sequence[Target]) -> list[tuple[slice, slice]]:
    """The boxes (ys, xs), inside the field, that will be read of the cube, for the sources that lie in it."""
    found = []
    for target in targets:
        try:
            box, _ = cutouts.box_of(cube, target, cutouts.locate(cube, target))
        except SourceError:
            continue
        found.append(cutouts.inside(cube, box))
    return found


def on_disk(cube: OpenCube) -> list[Layer]:
    """The arrays that are read from the file; compressed ones are in memory, also beside others that are not."""
    return [layer for layer in cube.layers if layer.values is None]


def pieces(cube: OpenCube, wanted: Sequence[tuple[slice, slice]]) -> int:
    """How many pieces of the file are read for these boxes."""
    return sum(layer.reads(*box) for layer in cube.layers for box in wanted)


def seek_time(layer: Layer) -> float:
    """Seconds to find and read a small piece of the file (median of several places); 0 for an array in memory."""
    if layer.values is not None:
        return 0.0
    # Different places in each run: those of an earlier run may still be in memory.
    places = np.random.default_rng().uniform(0, layer.size - 1, SAMPLES)
    return float(np.median([_timed(layer, place, 1) for place in places]))


def read_time(layer: Layer) -> float:
    """Seconds per byte in reading many bytes in sequence."""
    number = min(SAMPLE, layer.size)
    return _timed(layer, np.random.default_rng().uniform(0, layer.size - number), number) / number


def _timed(layer: Layer, place: float, number: int) -> float:
    start = time.perf_counter()
    try:
        with stored_boxes.opened(layer.path) as file:
            file.seek(layer.offset + int(place))
            file.read(number)
    except OSError as error:
        raise layer.lost(error) from error
    return time.perf_counter() - start


def planned(cube: OpenCube, wanted: Sequence[tuple[slice, slice]], path: Path) -> list[Tiles]:
    """The tiles of each of the cube's layers on disk that a copy in this file will have."""
    found: list[Tiles] = []
    for layer in on_disk(cube):
        offset = found[-1].offset + found[-1].nbytes if found else 0
        places = [layer.stored_box(*box) for box in wanted]
        found.append(Tiles.around(places, path, offset, layer.dtype, layer.stored_shape))
    return found


def copy(cube: OpenCube, plan: Sequence[Tiles], file: BinaryIO, shared: bool) -> OpenCube:
    """Write the tiles in one pass over the cube; return the cube that reads from them.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    plan : sequence of Tiles
        Of each of its layers on disk (see `planned`).
    file : binary file
        The empty file of the plan, open for writing.
    shared : bool
        Other machines will read it.

    Raises
    ------
    InputError
        If the cube cannot be read any more.
    OSError
        If the copy cannot be written.
    """
    for layer, tiles in zip(on_disk(cube), plan, strict=True):
        _write(layer, tiles, file)
    file.flush()
    identity = None
    if shared:
        os.fsync(file.fileno())  # before the time of its last change is taken
        with stored_boxes.opened(plan[0].path) as written:
            identity = Identity.of(written, (0, PART))
    copies = iter([replace(tiles, identity=identity) for tiles in plan])
    data, noise, flags = (
        layer if layer is None or layer.values is not None else replace(layer, copy=next(copies))
        for layer in (cube.data, cube.noise, cube.flags)
    )
    assert data is not None
    return replace(cube, data=data, noise=noise, flags=flags)


def _write(layer: Layer, tiles: Tiles, file: BinaryIO) -> None:
    """Write the tiles of one layer. A function of its own, so that memory is freed before the next layer is read."""
    for planes in _planes(layer, tiles.together):
        for packed in tiles.pack(planes):
            file.write(packed.data)


def _planes(layer: Layer, together: int) -> Iterator[NDArray[Any]]:
    """The stored array, some planes at a time."""
    number, ny, nx = layer.stored_shape
    buffer = np.empty((together, ny, nx), layer.dtype)
    try:
        with stored_boxes.opened(layer.path) as file:
            if layer.identity is not None:
                layer.identity.check(file)
            file.seek(layer.offset)
            for start in range(0, number, together):
                planes = buffer[: min(together, number - start)]
                wanted = planes.reshape(-1).view(np.uint8).data
                if file.readinto(wanted) != len(wanted):  # type: ignore[attr-defined]
                    raise OSError(f'it ends before extension {layer.name} does')
                yield planes
            if layer.identity is not None:
                layer.identity.check(file)  # nobody has changed it meanwhile
    except OSError as error:
        raise layer.lost(error) from error
