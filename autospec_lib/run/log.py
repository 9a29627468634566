"""The log of a run: what is needed to repeat it, a line for every source, its notes, and tracebacks
of bugs."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from autospec_lib import __version__
from autospec_lib.core import file_names
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
        logs = folder / file_names.LOGS
        logs.mkdir(exist_ok=True)
        name = time.strftime('%d%b%Y_%H%M%S')
        for number in count():  # two runs that start in the same second must not share a log
            self.path = logs / (f'{name}_{number}.log' if number else f'{name}.log')
            with suppress(FileExistsError):
                self._file = self.path.open('x', encoding='utf-8', errors='backslashreplace')
                break
        self.close = self._file.close

    def header(self, job: Job, command: str, warnings: Iterable[str]) -> None:
        """Write what is needed to repeat the run: versions, command, parameters, settings, date and
        size of inputs.

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

        used = job.params
        lines = [
            f'AutoSpec {__version__}, {time.strftime("%c")}',
            f'Python {platform.python_version()} on {platform.platform()}; {versions()}',
            f'{command} in {job.folder.resolve()}',
            *(f'  {line}' for line in params.describe(used).splitlines()),
            '  default.sex:',
            *(f'  {line}' for line in sextractor.describe(vars(job.segmentation)).splitlines()),
        ]
        names = dict.fromkeys(
            (used.datacube, used.catalog, *used.img, *used.weight, *used.seg, 'default.sex')
        )
        inputs = [*(job.folder / name for name in names if name), *job.cube.beside]
        for path in filter(Path.exists, inputs):  # without default.sex, the defaults are used
            status = path.stat()
            changed = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(status.st_mtime))
            lines.append(f'input {path.name}: {status.st_size} bytes, changed {changed}')
        lines += [f'recognised: {job.cube.recognised}', f'catalogue: {job.columns}']
        lines += [f'offset: {line}' for line in job.offsets]
        lines += [f'warning: {line}' for line in warnings]
        for line in lines:
            self.comment(line)

    def add(self, outcome: Outcome) -> None:
        """Write one line for a source's outcome, and one for each of its notes."""
        for line in (outcome.line, *(f'{outcome.ident}: Note, {note}' for note in outcome.notes)):
            self.comment(line, mark='')
        if outcome.trace is not None:
            self.bug(outcome.trace)

    def end(self, results: Results) -> None:
        """Write how the run has ended, once it has; an error in writing this line is no reason to
        stop."""
        if results.state == 'running':
            return
        from autospec_lib.run.closing_sentence import sentence

        with suppress(OutputError):
            if results.state != 'finished':
                self.comment(results.why)
            self.comment(sentence(results))

    def bug(self, trace: str) -> None:
        """Write a traceback with the versions."""
        self.comment(f'AutoSpec {__version__}, Python {platform.python_version()}; {versions()}')
        for line in trace.splitlines():
            self.comment(line)

    def comment(self, line: str, mark: str = '# ') -> None:
        """Add a line, which is not about a single source if it is marked.

        Parameters
        ----------
        line : str
            The line.
        mark : str
            What it begins with.

        Raises
        ------
        OutputError
            If the file cannot be written (full disk, lost file system).
        """
        with writing(self.path):
            self._file.write(f'{mark}{line}\n')
            self._file.flush()


def versions() -> str:
    """The versions of the packages that affect the results, without importing them."""
    parts = []
    for name in PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = 'missing'
        parts.append(f'{name} {version}')
    return ', '.join(parts)
