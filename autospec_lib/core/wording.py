"""Parts of messages: a value on one line, a suggestion for a misspelt word."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from typing import Any


def show(value: Any) -> str:
    """The value as Python writes it, on one line and shortened."""
    try:
        text = ' '.join(repr(value).split())
    except Exception:  # param.py may define classes of its own, whose repr can fail in any way
        text = f'<{type(value).__name__}>'
    return text if len(text) <= 60 else f'{text[:57]}...'


def near(word: str, options: Iterable[str]) -> str:
    """A question that suggests the option most similar to the word, ignoring case; '' if none is similar."""
    by_case = {option.lower(): option for option in options}
    found = difflib.get_close_matches(word.lower(), by_case, n=1)
    return f'; did you mean {by_case[found[0]]}?' if found else ''


def after(error: OSError) -> str:
    """What to do when something could not be written during a run."""
    return f'{way_out(error, "find out why")}, or set another OUTPUT; go on with: AutoSpec --resume'


def way_out(error: OSError, otherwise: str) -> str:
    """What to do about an error of the operating system; ``otherwise`` if its number is not one of these."""
    mend = {
        errno.ENOSPC: 'free some space',
        errno.EDQUOT: 'free some space of your quota',
        errno.EROFS: 'make the file system writable',
        errno.EACCES: 'make it writable',
        errno.EPERM: 'make it writable',
        errno.EIO: 'check the disk',
        errno.ELOOP: 'remove the link',
        errno.ESTALE: 'mount its file system again',
    }
    return mend.get(error.errno or 0, otherwise)
