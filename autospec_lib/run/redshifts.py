"""Takes redshifts from a file of MARZ into the summary of an earlier run."""

from __future__ import annotations

import shlex
from pathlib import Path

from autospec_lib.core.errors import InputError
from autospec_lib.core.wording import way_out
from autospec_lib.inputs import marz_results
from autospec_lib.run.job import Job
from autospec_lib.run.lock import locked
from autospec_lib.run.pages import Pages
from autospec_lib.run.results import Results


def take(job: Job, path: Path) -> tuple[int, list[str]]:
    """Add redshifts to the rows of the summary whose IDs are the names of sources in the file.

    Returns
    -------
    int
        The number of redshifts taken.
    list of str
        A warning if names are not in the catalogue.

    Raises
    ------
    InputError
        If the file is not from MARZ, or another run is writing to the output folder.
    OutputError
        If the summary cannot be written.
    """
    found = marz_results.read(path)
    output = job.output
    try:
        with locked(output):
            results = Results(job, [], Pages(job, shlex.join(['AutoSpec', '--marz-results', str(path)])))
            unknown = results.set_redshifts(found)
            results.write('finished')
    except OSError as error:
        raise InputError(f'{output}: {error.strerror}; {way_out(error, "make it writable")}') from error
    names = ', '.join(unknown[:10]) + f' and {len(unknown) - 10} more' * (len(unknown) > 10)
    return len(found) - len(unknown), [f'{path}: not in {job.params.catalog}: {names}'] if unknown else []
