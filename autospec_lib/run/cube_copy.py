"""Cubes on storage with long seek times: they are read once, from beginning to end, into a copy.

The box of a source is thousands of small pieces of each array. If each takes milliseconds to find,
reading the whole cube once is faster than reading a few sources. The rectangle around all sources
is written to a copy, in which a box is a few dozen pieces (`fits_arrays.Copy`). The rest of the run does
not change, except that boxes are read from the copy.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from autospec_lib.core.atomic import nearest_existing
from autospec_lib.core.errors import SourceError
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube as cutouts
from autospec_lib.inputs import fits_arrays
from autospec_lib.inputs.cube import OpenCube
from autospec_lib.inputs.fits_arrays import Copy, StoredArray
from autospec_lib.run import resume
from autospec_lib.run.interruption import Interruption
from autospec_lib.run.job import Job
from autospec_lib.run.results import Outcome

# Seconds per seek above which storage is slow; solid-state disks: a third at most, spinning: ten
# times.
SLOW = 0.3e-3
# A copy is made if reading the pieces would take this many times as long as reading the whole cube.
GAIN = 1.5
ROOM = 1.2  # free space that is needed, in sizes of the copy
SEEKS = 15  # places at which a small piece is read to measure how long that takes
STRETCH = 1 << 23  # bytes that are read at a stretch to measure how fast that is
BUFFER = 64e6  # bytes of planes that are read at a time
IN_MEMORY = ('tmpfs', 'ramfs')
COPY_NAME = '.cube-copy'


class Plan(NamedTuple):
    """A copy of a rectangle (ys, xs) of the cube in a folder, and a line on it; no folder = there
    is no room for it."""

    rectangle: tuple[slice, slice]
    nbytes: float
    folder: Path | None
    line: str


def plan(job: Job, targets: Sequence[Target], shared: bool = False) -> Plan | None:
    """The plan for a copy of the cube; None if reading the cube directly is faster.

    Parameters
    ----------
    job : Job
        What all sources share.
    targets : sequence of Target
        The sources.
    shared : bool
        Whether other machines take part, which see the output folder.

    Raises
    ------
    InputError
        If the cube cannot be read any more.
    """
    cube = job.cube
    seek = read_time(cube.data, 1, SEEKS)
    # If all wavelengths of a spaxel lie together in the file, a box is a few pieces anyway.
    if seek < SLOW or any(array.order[0] != 0 for array in cube.arrays):
        return None
    boxes = []  # inside the field, that will be read
    for target in targets:
        if not (job.resume and resume.is_complete(job, target, by_date=True)):
            with suppress(SourceError):  # it lies outside
                _, _, inside, _ = cutouts.box_of(cube, target)
                boxes.append(inside)
    pieces = sum(array.pieces(*box) for array in cube.arrays for box in boxes)
    size = sum(array.nbytes for array in _on_disk(cube).values())
    stretch = min(STRETCH, cube.data.nbytes)
    once = read_time(cube.data, stretch) * size / stretch
    if pieces * seek < GAIN * once:
        return None
    ys, xs = (
        slice(min(s.start for s in sides), max(s.stop for s in sides))
        for sides in zip(*boxes, strict=True)
    )
    nbytes = (ys.stop - ys.start) * (xs.stop - xs.start) / math.prod(cube.shape) * size
    folder = _folder(job.output, nbytes, shared)
    slow = f'{job.params.datacube}: its storage takes {1e3 * seek:.1f} ms to find a place'
    copy = f'copy of {nbytes / 1e6:.0f} MB'
    if folder is None:
        line = f'{slow}; a {copy} would be quicker to read, but there is no room; set TMPDIR to a folder'
    else:
        line = f'{slow}: it is read once, into a temporary {copy} in {folder}'
    return Plan((ys, xs), nbytes, folder, line)


def read_time(array: StoredArray, number: int, times: int = 1) -> float:
    """The seconds that it takes to find a place in an array's file and to read there; 0 for an
    array in memory.

    Parameters
    ----------
    array : StoredArray
        The array.
    number : int
        How many bytes to read.
    times : int
        How often this is measured; the median is returned.

    Raises
    ------
    InputError
        If the file cannot be read any more.
    """
    if array.values is not None:
        return 0.0
    seconds = []
    # Other places each time: those of an earlier run may still be in memory.
    for place in np.random.default_rng().integers(array.nbytes - number + 1, size=times).tolist():
        start = time.perf_counter()
        try:
            with fits_arrays.opened(array.path) as file:
                file.seek(array.offset + place)
                file.read(number)
        except OSError as error:
            raise array.lost(error) from error
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def _on_disk(cube: OpenCube) -> dict[str, StoredArray]:
    """The arrays that are read from a file, by their names in the cube; compressed ones are in
    memory."""
    parts = {'data': cube.data, 'noise': cube.noise, 'flags': cube.flags}
    return {
        name: array for name, array in parts.items() if array is not None and array.values is None
    }


def _folder(output: Path, nbytes: float, shared: bool) -> Path | None:
    """A folder with room for a copy: one for temporary files that is not in memory, or the output
    folder."""
    usual = [] if shared else [Path(tempfile.gettempdir()), Path('/var/tmp')]
    for folder in (*usual, output):
        there = nearest_existing(folder)
        if folder not in (there, output) or _in_memory(there) or not os.access(there, os.W_OK):
            continue
        if shutil.disk_usage(there).free > ROOM * nbytes:
            return folder
    return None


def _in_memory(folder: Path) -> bool:
    """Whether a folder's files are kept in memory (on Linux; other systems do not do this)."""
    device = folder.stat().st_dev
    try:
        mounts = Path('/proc/self/mountinfo').read_text(errors='replace').splitlines()
    except OSError:
        return False
    own = f'{os.major(device)}:{os.minor(device)}'
    return any(
        line.split()[2] == own and line.split(' - ')[-1].split()[0] in IN_MEMORY for line in mounts
    )


def extracted(
    job: Job,
    targets: Sequence[Target],
    extract: Callable[[Job], Iterator[Outcome]],
    interruption: Interruption,
    tell: Callable[[str], None],
    shared: bool = False,
) -> Iterator[Outcome]:
    """The outcome of every source, extracted from a copy of the cube if that is faster.

    Parameters
    ----------
    job : Job
        What all sources share.
    targets : sequence of Target
        The sources.
    extract : function
        Extracts them, given the job.
    interruption : Interruption
        The first signal ends copying just as it ends an extraction.
    tell : function
        Gets a line for the user.
    shared : bool
        Other machines take part.
    """
    with interruption.in_this_process():
        wanted = plan(job, targets, shared)
    if wanted is not None:
        tell(wanted.line)
    with ExitStack() as files:
        if wanted is not None and wanted.folder is not None:
            try:
                with interruption.in_this_process():
                    file, path = files.enter_context(_temporary(wanted.folder, shared))
                    job = replace(job, cube=_write(job.cube, wanted.rectangle, file, path, shared))
            except OSError as error:
                files.close()  # the sources need the room
                tell(
                    f'{wanted.folder}: {error.strerror}; {job.params.datacube} is read without a copy'
                )
        yield from extract(job)


@contextmanager
def _temporary(folder: Path, shared: bool) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file that is deleted when the block ends, and the path under which it can be read."""
    if shared:  # only one run at a time writes here
        for torn in folder.glob(f'{COPY_NAME}.*.tmp'):
            torn.unlink(missing_ok=True)
    # On Linux, processes inherit open files: the copy needs no name, so nothing is left even if the
    # run is killed.
    named = shared or sys.platform != 'linux'
    make: Callable[..., IO[bytes]] = (
        tempfile.NamedTemporaryFile if named else tempfile.TemporaryFile
    )
    file = make(dir=folder, prefix=f'{COPY_NAME}.', suffix='.tmp')
    try:
        yield file, Path(file.name if named else f'/proc/self/fd/{file.fileno()}')
    finally:
        # A full disk does not take its last bytes, or somebody else has deleted it.
        with suppress(OSError):
            file.close()


def _write(
    cube: OpenCube, rectangle: tuple[slice, slice], file: IO[bytes], path: Path, shared: bool
) -> OpenCube:
    """Write the copy in one pass over the cube; return the cube that reads from it."""
    parts: dict[str, Any] = {}
    for name, array in _on_disk(cube).items():
        together = max(1, int(BUFFER * len(cube.wave) // array.nbytes))
        copy = Copy(
            path,
            file.tell(),
            array.dtype,
            array.stored((slice(0, array.shape[0]), *rectangle)),
            together,
        )
        copy.write(array.groups(together), file)
        parts[name] = replace(array, copy=copy)
    file.flush()
    if shared:
        os.fsync(file.fileno())  # other machines read it
    return replace(cube, **parts)
