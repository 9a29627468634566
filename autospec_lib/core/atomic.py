"""Atomic writing: files that appear under their name only when they are complete."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = re.compile(r'\..+\.(fits|ecsv|csv|jpg|js|css|html)\.\d+\.tmp')


@contextmanager
def complete_file(path: Path, flush: bool = True) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; when the block ends, it is flushed to disk and
    renamed to ``path``.

    If the block fails, the temporary file is removed and an older file at ``path`` stays. Without
    ``flush``, which takes some ten milliseconds, the file may be truncated if the machine crashes.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        yield temporary
        if flush:
            _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_remains(folder: Path) -> None:
    """Remove the temporary files of killed runs from a folder, but not those that another process
    is writing."""
    with suppress(OSError):  # there is no such folder
        for name in filter(TEMPORARY.fullmatch, os.listdir(folder)):
            if not _in_use(folder / name):
                (folder / name).unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open('rb+') as file:
        os.fsync(file.fileno())


def _in_use(temporary: Path) -> bool:
    """Whether the process that made the file is another one on this machine that still runs."""
    process = temporary.name.split('.')[-2]
    if os.name != 'posix' or not process.isdecimal() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
        # A zombie: dead, but its parent has not read its exit code yet.
        return (
            Path(f'/proc/{process}/stat').read_text(errors='replace').rpartition(')')[2].split()[0]
            != 'Z'
        )
    except ProcessLookupError:
        return False
    except (OSError, IndexError):  # it is another user's, or there is no /proc
        return True


def write_new(path: Path, text: str) -> bool:
    """Write a text file, complete or not at all, unless it exists; return whether it was written.

    A file that another process writes under this name in the meantime is kept too.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full.
    """
    if os.path.lexists(path):
        return False
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        temporary.write_text(text, encoding='utf-8')
        _flush(temporary)
        with suppress(PermissionError, NotImplementedError):  # a file system without hard links
            os.link(temporary, path)
            return True
        if os.path.lexists(path):
            return False
        temporary.replace(path)
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)


def nearest_existing(path: Path) -> Path:
    """A path, or the nearest of its parents that exists."""
    return next(place for place in (path, *path.parents) if os.path.exists(place))
