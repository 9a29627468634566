"""The outcome of every source: counts, the summary line at the end of a run, and the run's log."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from autospec_lib import __version__
from autospec_lib.core.errors import OutputError
from autospec_lib.core.types import Ident
from autospec_lib.core.wording import after

PACKAGES = ('numpy', 'astropy', 'mpdaf', 'sep', 'matplotlib', 'scipy')


@dataclass(frozen=True)
class Outcome:
    """The outcome of one source; ``error`` is None if its file was written, ``trace`` the traceback of a bug if any.

    ``kept`` is True if an earlier run wrote the file. ``measured`` is its row of the summary (see
    `autospec_lib.output.summary_columns.measure`), ``preview`` its preview in the report's table (see
    `autospec_lib.output.report.source_data.write`).
    """

    ident: Ident
    seconds: float
    notes: tuple[str, ...] = ()
    error: str | None = None
    trace: str | None = None
    kept: bool = False
    measured: Mapping[str, Any] = field(default_factory=dict)
    preview: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The line for the log, in the words of v1.1.2."""
        if self.kept:
            return f'{self.ident}: Kept, complete since an earlier run'
        if self.error is None:
            return f'{self.ident}: Extracted Successfully in {self.seconds:.2f}s'
        return f'{self.ident}: Error, {self.error}'


@dataclass
class Report:
    """Counts outcomes; the summary line and the exit code follow from the counts."""

    total: int
    done: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one source."""
        (self.done if outcome.error is None else self.failed).append(outcome)

    @property
    def bugs(self) -> int:
        """How many sources failed because of a bug in AutoSpec."""
        return sum(outcome.trace is not None for outcome in self.failed)

    @property
    def exit_code(self) -> int:
        """0 if every source is done, else 1."""
        return 0 if len(self.done) == self.total else 1

    @property
    def summary(self) -> str:
        """One line for the terminal and the log."""
        parts = [f'{len(self.done)} of {self.total} sources extracted']
        kept = sum(outcome.kept for outcome in self.done)
        if kept:
            parts[0] += f', {kept} of them by an earlier run'
        if self.failed:
            parts.append(f'{len(self.failed)} failed ({_idents(self.failed)})')
        noted = [outcome for outcome in self.done if outcome.notes]
        if noted:
            parts.append(f'{len(noted)} with notes ({_idents(noted)})')
        missing = self.total - len(self.done) - len(self.failed)
        if missing:
            parts.append(f'{missing} not reached')
        return '; '.join(parts)


def _idents(outcomes: Iterable[Outcome], most: int = 10) -> str:
    idents = [str(outcome.ident) for outcome in outcomes]
    return ', '.join(idents[:most]) + (f' and {len(idents) - most} more' if len(idents) > most else '')


class Log:
    """The run's log file ``logs/<ddMonyyyy_HHMMSS>.log``, flushed line by line.

    Parameters
    ----------
    folder : Path
        The working folder.

    Raises
    ------
    OSError
        If it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        (folder / 'logs').mkdir(exist_ok=True)
        self.path, self._file = _new_file(folder / 'logs' / time.strftime('%d%b%Y_%H%M%S'))

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def header(self, command: str, folder: Path, settings: str, inputs: Iterable[Path]) -> None:
        """Write what is needed to repeat the run: versions, command, parameters, settings, date and size of inputs."""
        self.write(f'# AutoSpec {__version__}, {time.strftime("%c")}')
        self.write(f'# Python {platform.python_version()} on {platform.platform()}; {versions()}')
        self.write(f'# {command} in {folder}')
        for line in settings.splitlines():
            self.write(f'#   {line}')
        for path in inputs:
            status = path.stat()
            changed = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(status.st_mtime))
            self.write(f'# input {path.name}: {status.st_size} bytes, changed {changed}')

    def outcome(self, outcome: Outcome) -> None:
        """Write one line for a source's outcome, and one for each of its notes."""
        self.write(outcome.line)
        for note in outcome.notes:
            self.write(f'{outcome.ident}: Note, {note}')
        if outcome.trace is not None:
            self.bug(outcome.trace)

    def bug(self, trace: str) -> None:
        """Write a traceback with the versions, as comment lines."""
        for line in (f'AutoSpec {__version__}, Python {platform.python_version()}; {versions()}', *trace.splitlines()):
            self.write(f'# {line}')

    def write(self, line: str) -> None:
        """Add a line.

        Raises
        ------
        OutputError
            If the file cannot be written (full disk, lost file system).
        """
        try:
            self._file.write(line + '\n')
            self._file.flush()
        except OSError as error:
            raise OutputError(f'{self.path}: {error.strerror}; {after(error)}') from error


def _new_file(stem: Path) -> tuple[Path, TextIO]:
    """Open a new file: two runs that start in the same second must not share a log."""
    for number in range(1000):
        path = stem.with_name(stem.name + (f'_{number}' if number else '') + '.log')
        try:
            return path, path.open('x', encoding='utf-8', errors='backslashreplace')
        except FileExistsError:
            continue
    raise FileExistsError(f'{stem}.log')


def versions() -> str:
    """The versions of the packages that affect the results, without importing them."""
    return ', '.join(f'{name} {_version(name)}' for name in PACKAGES)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return 'missing'
