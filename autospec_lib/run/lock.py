"""One run at a time in an output folder."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autospec_lib.core.errors import InputError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

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
    if fcntl is None:
        yield ''
        return
    file, refusal = _opened(folder)
    try:
        if refusal is not None:
            yield f'{folder}: its file system has no locks ({refusal.strerror}); do not start a second run there'
            return
        with suppress(OSError):  # a full disk: whose it is stays unknown
            os.ftruncate(file, 0)
            os.write(file, f'process {os.getpid()} on {platform.node()}, since {time.strftime("%F %T")}\n'.encode())
        yield ''
        # While it is held: whoever has opened it meanwhile sees that its name is gone, and opens the next.
        with suppress(OSError):
            (folder / NAME).unlink()
    finally:
        os.close(file)


def _opened(folder: Path) -> tuple[int, OSError | None]:
    """The lock's file, locked and under its name, or not locked and why the file system refuses."""
    path = folder / NAME
    while True:
        # A link could lead to a file of the user, which would be written to.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            owner = os.read(file, 500).decode(errors='replace').strip() or 'unknown'
            os.close(file)
            raise InputError(
                f'{folder}: another run of AutoSpec writes there ({owner}); wait for its end, or set another OUTPUT'
            ) from None
        except OSError as error:
            return file, error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file, None
        os.close(file)
