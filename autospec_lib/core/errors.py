"""Errors, by what is at fault, and the parts of their messages.

Every message is one line: where, what is wrong with the value, what is allowed, what to do.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_LISTED = 10  # words in a message


def counted(number: int, noun: str) -> str:
    """A number of things: '1 channel', '2 channels'.

    Parameters
    ----------
    number : int
        How many.
    noun : str
        In the singular; its plural ends in s.
    """
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def listed(words: Sequence[str]) -> str:
    """Words with commas between them; beyond `MOST_LISTED`, the number of the others."""
    text = ', '.join(words[:MOST_LISTED])
    return text if len(words) <= MOST_LISTED else f'{text} and {len(words) - MOST_LISTED} more'


class AutoSpecError(Exception):
    """A fault with one or more one-line messages for the user.

    Parameters
    ----------
    faults : str
        One message each.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        # A column's name, for example, may have line breaks of any kind in it.
        self.faults = tuple(' '.join(fault.splitlines()) for fault in faults)

    def __str__(self) -> str:
        return '\n'.join(self.faults)


class ParameterError(AutoSpecError):
    """``param.py`` cannot be used; nothing was started."""


class InputError(AutoSpecError):
    """The catalogue, the cube, an image or ``default.sex`` cannot be used; nothing was started."""


class SourceError(AutoSpecError):
    """This one source cannot be extracted; the others are not affected."""


class OutputError(AutoSpecError):
    """Output cannot be written (full disk, read-only folder); the run stops and complete files are
    kept."""


def show(value: Any) -> str:
    """The value as Python writes it, on one line and shortened."""
    try:
        text = ' '.join(repr(value).split())
    except Exception:  # param.py may define classes of its own, whose repr can fail in any way
        text = f'<{type(value).__name__}>'
    return text if len(text) <= 60 else f'{text[:57]}...'


def near(word: str, options: Iterable[str]) -> str:
    """A question that suggests the option most similar to a word.

    Parameters
    ----------
    word : str
        What the user wrote, in any case.
    options : iterable of str
        What is allowed.

    Returns
    -------
    str
        '' if no option is similar.
    """
    by_case = {option.lower(): option for option in options}
    similar = difflib.get_close_matches(word.lower(), by_case, n=1)
    return f'; did you mean {by_case[similar[0]]}?' if similar else ''


def way_out(error: OSError, otherwise: str) -> str:
    """What to do about an error of the operating system.

    Parameters
    ----------
    error : OSError
        The error.
    otherwise : str
        What to do if the error's number is not one of those known here.
    """
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


@contextmanager
def collected(faults: list[str]) -> Iterator[None]:
    """Add the faults of the block's InputError to a list, so that they can be shown with those of
    other files."""
    try:
        yield
    except InputError as error:
        faults.extend(error.faults)


@contextmanager
def making(what: object, otherwise: str, more: str = '') -> Iterator[None]:
    """Turn an error of the operating system before the first source into an InputError.

    Parameters
    ----------
    what : Path or str
        What is made, with which the message begins.
    otherwise : str
        What to do, as in `way_out`.
    more : str
        The end of the message.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f'{what}: {error.strerror}; {way_out(error, otherwise)}{more}') from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error in writing ``path`` into an OutputError, which stops the run: further sources
    would fail too."""
    try:
        yield
    except OSError as error:
        mend = way_out(error, 'find out why')
        raise OutputError(
            f'{path}: {error.strerror or error}; {mend}, or set another OUTPUT; go on with: AutoSpec --resume'
        ) from error
