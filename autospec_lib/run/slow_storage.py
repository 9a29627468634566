"""Cubes on storage with long seek times: they are read once, from beginning to end.

The box of a source is thousands of small pieces of each array. If each takes milliseconds to find, reading the whole
cube once is faster than reading a few sources. The spaxels that all sources need are written to a copy, in an order in
which a box is a few dozen pieces. The rest of the run does not change, except that boxes are read from the copy.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from autospec_lib.core.types import Target
from autospec_lib.inputs.cubes import rearrangement
from autospec_lib.run import resume
from autospec_lib.run.interruption import Interruption
from autospec_lib.run.job import Job
from autospec_lib.run.results import Outcome

SLOW = 0.3e-3  # seconds per seek above which storage is slow; solid-state disks: a third at most, spinning: ten times
GAIN = 1.5  # a copy is made if reading the pieces would take this many times as long as reading the whole cube
ROOM = 1.2  # free space that is needed, in sizes of the copy
IN_MEMORY = ('tmpfs', 'ramfs')
NAME = '.cube-copy'


@dataclass(frozen=True)
class Plan:
    """A copy of so many bytes in a folder (None = there is no room), because a seek takes ``seek`` seconds.

    ``boxes`` are the boxes of the sources to extract.
    """

    boxes: tuple[tuple[slice, slice], ...]
    seek: float
    nbytes: int
    folder: Path | None

    @property
    def line(self) -> str:
        """A line for the user."""
        slow = f'its storage takes {1e3 * self.seek:.1f} ms to find a place'
        size = f'{self.nbytes / 1e6:.0f} MB'
        if self.folder is None:
            return f'{slow}; a copy of {size} would be quicker to read, but there is no room; set TMPDIR to a folder'
        return f'{slow}: it is read once, into a temporary copy of {size} in {self.folder}'


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
    seek = rearrangement.seek_time(job.cube.data)
    # If all wavelengths of a spaxel lie together in the file, a box is a few pieces anyway.
    if seek < SLOW or any(layer.order[0] != 0 for layer in job.cube.layers):
        return None
    left = [target for target in targets if not (job.resume and resume.is_complete(job, target))]
    boxes = tuple(rearrangement.boxes(job.cube, left))
    once = sum(layer.size for layer in rearrangement.on_disk(job.cube)) * rearrangement.read_time(job.cube.data)
    if rearrangement.pieces(job.cube, boxes) * seek < GAIN * once:
        return None
    nbytes = sum(tiles.nbytes for tiles in rearrangement.planned(job.cube, boxes, job.folder))
    return Plan(boxes, seek, nbytes, _folder(job, nbytes, shared))


def _folder(job: Job, nbytes: int, shared: bool) -> Path | None:
    """A folder with room for a copy: one for temporary files that is not in memory, or the output folder."""
    output = job.output
    usual = [] if shared else [Path(tempfile.gettempdir()), Path('/var/tmp')]
    for folder in (*usual, output):
        there = next(path for path in (folder, *folder.parents) if path.exists())
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
    return any(line.split()[2] == own and line.split(' - ')[-1].split()[0] in IN_MEMORY for line in mounts)


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
        found = plan(job, targets, shared)
    if found is None:
        yield from extract(job)
        return
    tell(f'{job.params.datacube}: {found.line}')
    if found.folder is None:
        yield from extract(job)
        return
    with _copied(job, found, interruption, tell, shared) as copied:
        yield from extract(copied)


@contextmanager
def _copied(
    job: Job, found: Plan, interruption: Interruption, tell: Callable[[str], None], shared: bool
) -> Iterator[Job]:
    """The job with the cube read from the copy, which is deleted when the block ends."""
    assert found.folder is not None
    for torn in found.folder.glob(f'{NAME}.*.tmp') if shared else ():  # only one run at a time writes here
        torn.unlink(missing_ok=True)
    # If processes inherit open files, the copy has no name, so nothing is left even if the run is killed.
    named = shared or sys.platform != 'linux'
    try:
        descriptor, name = tempfile.mkstemp('.tmp', f'{NAME}.', found.folder)
    except OSError as error:
        tell(_without(job, found.folder, error))
        yield job
        return
    path = Path(name)
    try:
        with os.fdopen(descriptor, 'w+b') as file:
            if not named:
                path.unlink()
                path = Path(f'/proc/self/fd/{file.fileno()}')
            tiles = rearrangement.planned(job.cube, found.boxes, path)
            copied = job
            try:
                with interruption.in_this_process():
                    copied = replace(job, cube=rearrangement.copy(job.cube, tiles, file, shared))
            except OSError as error:
                with suppress(OSError):  # its buffered bytes cannot be written either
                    file.close()
                tell(_without(job, found.folder, error))
            yield copied
    finally:
        if named:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)


def _without(job: Job, folder: Path, error: OSError) -> str:
    return f'{folder}: {error.strerror}; {job.params.datacube} is read without a copy'
