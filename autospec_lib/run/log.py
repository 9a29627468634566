"""The log of a run: what is needed to repeat it, a line for every source, its notes, and tracebacks of bugs."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from autospec_lib import __version__
from autospec_lib.core.errors import OutputError, writing

if TYPE_CHECKING:  # a bug in their imports is logged too
    from autospec_lib.run.job import Job
    from autospec_lib.run.results import Outcome, Results

PACKAGES = ('numpy', 'astropy', 'mpdaf', 'sep', 'matplotlib', 'scipy')


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

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def header(self, job: Job, command: str, warnings: Iterable[str]) -> None:
        """Write what is needed to repeat the run: versions, command, parameters, settings, date and size of inputs.

        Parameters
        ----------
        job : Job
            What all sources share.
        command : str
            The command line.
        warnings : iterable of str
            What the user was warned of.
        """
        from autospec_lib.config import params, sextractor

        self.comment(f'AutoSpec {__version__}, {time.strftime("%c")}')
        self.comment(f'Python {platform.python_version()} on {platform.platform()}; {versions()}')
        self.comment(f'{command} in {job.folder.resolve()}')
        settings = sextractor.describe(vars(job.segmentation))
        for line in (*params.describe(job.params).splitlines(), 'default.sex:', *settings.splitlines()):
            self.comment(f'  {line}')
        for path in filter(Path.exists, job.inputs):  # without default.sex, the defaults are used
            status = path.stat()
            changed = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(status.st_mtime))
            self.comment(f'input {path.name}: {status.st_size} bytes, changed {changed}')
        self.comment(f'recognised: {job.cube.recognised}')
        self.comment(f'catalogue: {job.columns}')
        for line in job.offsets:
            self.comment(f'offset: {line}')
        for line in warnings:
            self.comment(f'warning: {line}')

    def add(self, outcome: Outcome) -> None:
        """Write one line for a source's outcome, and one for each of its notes."""
        self._write(outcome.line)
        for note in outcome.notes:
            self._write(f'{outcome.ident}: Note, {note}')
        if outcome.trace is not None:
            self.bug(outcome.trace)

    def end(self, results: Results) -> None:
        """Write how the run has ended, once it has; an error in writing this line is no reason to stop."""
        if results.state == 'running':
            return
        with suppress(OutputError):
            if results.state != 'finished':
                self.comment(results.why)
            self.comment(results.sentence)

    def bug(self, trace: str) -> None:
        """Write a traceback with the versions."""
        self.comment(f'AutoSpec {__version__}, Python {platform.python_version()}; {versions()}')
        for line in trace.splitlines():
            self.comment(line)

    def comment(self, line: str) -> None:
        """Add a line that is not about a single source.

        Raises
        ------
        OutputError
            If the file cannot be written (full disk, lost file system).
        """
        self._write(f'# {line}')

    def _write(self, line: str) -> None:
        with writing(self.path):
            self._file.write(line + '\n')
            self._file.flush()


def _new_file(stem: Path) -> tuple[Path, TextIO]:
    """Open a new file: two runs that start in the same second must not share a log."""
    path, number = stem.with_name(f'{stem.name}.log'), 0
    while True:
        with suppress(FileExistsError):
            return path, path.open('x', encoding='utf-8', errors='backslashreplace')
        number += 1
        path = stem.with_name(f'{stem.name}_{number}.log')


def versions() -> str:
    """The versions of the packages that affect the results, without importing them."""
    return ', '.join(f'{name} {_version(name)}' for name in PACKAGES)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return 'missing'
