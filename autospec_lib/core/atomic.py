"""Files that appear under their name only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def complete_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; when the block ends it is flushed to disk and takes the name.

    Where the block fails nothing is left, and what was under the name stays. Remains of a run that was killed go.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full.
    """
    for torn in path.parent.glob(f'.{path.name}.*.tmp'):
        torn.unlink(missing_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        with temporary.open('rb+') as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_new(path: Path, text: str) -> bool:
    """Write a text file that is not there yet, complete or not at all; whether it was written.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full.
    """
    if os.path.lexists(path):
        return False
    with complete_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
    return True
