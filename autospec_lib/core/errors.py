"""Errors, by what is at fault. Every message is one line: where, what is wrong, what is allowed, what to do."""

from __future__ import annotations


class AutoSpecError(Exception):
    """A fault with one or more one-line messages for the user.

    Parameters
    ----------
    faults : str
        One message each.
    """

    def __init__(self, *faults: str) -> None:
        super().__init__(*faults)
        self.faults = faults

    def __str__(self) -> str:
        return '\n'.join(self.faults)


class ParameterError(AutoSpecError):
    """``param.py`` cannot be used; nothing was started."""


class InputError(AutoSpecError):
    """The catalogue, the cube, an image or ``default.sex`` cannot be used; nothing was started."""


class SourceError(AutoSpecError):
    """This one source cannot be extracted; the others are not affected."""


class OutputError(AutoSpecError):
    """Output cannot be written (full disk, read-only folder); the run stops and complete files are kept."""
