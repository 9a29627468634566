"""What a path is, and the content of a file."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

_OTHER_KINDS = {
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a pipe',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a device',
    stat.S_IFBLK: 'a device',
}


def other_kind(path: Path) -> str:
    """What a path is if it is not a file: 'a folder', 'a pipe' ...; '' for a file, and where there
    is nothing."""
    try:
        return _OTHER_KINDS.get(stat.S_IFMT(path.stat().st_mode), '')
    except (OSError, ValueError):
        return ''


def read_file(path: Path) -> bytes:
    """The content of a file; `OSError` for anything else, since reading a pipe may never end."""
    kind = other_kind(path)
    if kind:
        raise OSError(errno.EINVAL, f'it is {kind}')
    return path.read_bytes()
