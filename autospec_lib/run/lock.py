"""The lock that lets only one run at a time write to an output folder."""

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
    """Hold the lock of an output folder, which is made if needed.

    It is a lock of the operating system (POSIX record lock, also supported by NFS): it is released when this process
    ends for any reason, and it is not inherited by child processes.

    Yields
    ------
    str
        A warning if the file system has no locks, else ''.

    Raises
    ------
    InputError
        If another process holds it; the message says which.
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
        with suppress(OSError):  # a full disk: the owner of the lock is then not known
            os.ftruncate(file, 0)
            os.write(file, f'process {os.getpid()} on {platform.node()}, since {time.strftime("%F %T")}\n'.encode())
        yield ''
        # Removed while it is held: a process that has opened it meanwhile sees this and opens a new one.
        with suppress(OSError):
            (folder / NAME).unlink()
    finally:
        os.close(file)


def _opened(folder: Path) -> tuple[int, OSError | None]:
    """The lock's file, which is locked and has its name; or not locked, and the reason from the file system."""
    path = folder / NAME
    while True:
        # Links are not followed: they could lead to a file of the user, which would be overwritten.
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
