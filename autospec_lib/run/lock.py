"""One run at a time in an output folder."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autospec_lib.core.errors import InputError

NAME = '.autospec.lock'


@contextmanager
def locked(folder: Path) -> Iterator[str]:
    """Hold the lock of an output folder, which is made where needed.

    The lock is one of the operating system (POSIX record locks, which NFS knows too): it ends with this process,
    however that ends, and processes that this one starts do not hold it.

    Yields
    ------
    str
        A warning where the file system has no locks, else ''.

    Raises
    ------
    InputError
        If another process holds it, with whose it is.
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ModuleNotFoundError:  # not on Windows
        yield ''
        return
    path = folder / NAME
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            owner = os.read(file, 500).decode(errors='replace').strip() or 'unknown'
            raise InputError(
                f'{folder}: another run of AutoSpec writes there ({owner}); wait for its end, or set another OUTPUT'
            ) from None
        except OSError as error:
            yield f'{folder}: its file system has no locks ({error.strerror}); do not start a second run there'
            return
        os.ftruncate(file, 0)
        os.write(file, f'process {os.getpid()} on {platform.node()}, since {time.strftime("%F %T")}\n'.encode())
        yield ''
        # While it is held: whoever opened it meanwhile gets the lock of a file without a name, and that is released.
        with suppress(OSError):
            path.unlink()
    finally:
        os.close(file)
