"""The identity of a file, by which one that is replaced or changed during a run is noticed."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True)
class Identity:
    """The identity of a file: on one machine its inode, on several machines its size, date and a part of its bytes.

    ``place`` holds device, inode and the time at which the inode was last changed; ``header`` is where the part begins
    and ends, ``digest`` its SHA-256.
    """

    place: tuple[int, int, int]
    size: int
    changed: int
    header: tuple[int, int]
    digest: bytes

    @classmethod
    def of(cls, file: BinaryIO, header: tuple[int, int]) -> Identity:
        """The identity of an open file, with the header at these bytes."""
        status = os.fstat(file.fileno())
        file.seek(header[0])
        digest = hashlib.sha256(file.read(header[1] - header[0])).digest()
        return cls(_place(status), status.st_size, status.st_mtime_ns, header, digest)

    def check(self, file: BinaryIO) -> None:
        """Raise OSError if an open file is not this one.

        On another machine with the same shared file system, ``place`` may differ.
        """
        status = os.fstat(file.fileno())
        if status.st_size < self.size:
            raise OSError('it is shorter than at the start of the run')
        if (status.st_size, status.st_mtime_ns) != (self.size, self.changed):
            when = time.strftime('%F %T', time.localtime(status.st_mtime))
            raise OSError(f'it is another file than at the start of the run (changed {when})')
        if _place(status) != self.place and Identity.of(file, self.header).digest != self.digest:
            raise OSError('it is another file than at the start of the run (with another header)')


def _place(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_dev, status.st_ino, status.st_ctime_ns
