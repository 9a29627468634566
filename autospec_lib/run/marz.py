"""The file for the redshift program MARZ at the end of a run, and the redshifts that come back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from autospec_lib.core import file_names
from autospec_lib.core.errors import listed, writing
from autospec_lib.core.products import Group
from autospec_lib.inputs import marz_results
from autospec_lib.output import marz, source_file
from autospec_lib.output.redshifts import counting
from autospec_lib.run.job import Job
from autospec_lib.run.output_folder import changing
from autospec_lib.run.report import Page
from autospec_lib.run.results import Results, write_summary


def write(results: Results) -> None:
    """Write the file for MARZ at the end of a run, with a row for every source that has a file.

    Before the end, a file of an earlier run is removed. No file is written if no source has one.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    job, path = results.job, results.job.output / marz.NAME
    with writing(path):
        if results.state == 'running':
            path.unlink(missing_ok=True)
        elif results.state == 'finished' and job.params.marz:
            entries = list(_entries(results))
            if entries:
                marz.write(path, entries, job.cube.wave, job.cube.grid)


def _entries(results: Results) -> Iterator[marz.Entry]:
    catalogued = {target.id: target.z for target in results.job.catalogue}
    for row in results.rows.values():
        if not row.get('FILE'):
            continue
        try:
            spectrum = (
                results.spectra.get(row['ID'])
                or source_file.read(results.job.output / row['FILE'], last=Group.SPECTRUM).best[0]
            )
        except source_file.BROKEN:  # it has been removed or replaced meanwhile
            continue
        if len(spectrum.data) == len(results.job.cube.wave) and np.isfinite(spectrum.data).any():
            # MARZ drops blanks and commas of a name; those that are files' names come back as they are.
            name = file_names.file_stem(row['ID'])
            verdict = results.job.verdicts.get(str(row['ID']))
            yield marz.Entry(
                name,
                row['RA'],
                row['DEC'],
                row.get('MAG_WHITE'),
                spectrum.key,
                spectrum,
                None if row.get('ZQUAL') is None and verdict is None else counting(row, verdict),
                row.get('ZPROB'),
                catalogued[row['ID']],
            )


def read_redshifts(job: Job, path: Path) -> tuple[int, list[str]]:
    """Add the redshifts in a file from MARZ to the summary of an earlier run; names are those of the sources' files.

    Parameters
    ----------
    job : Job
        What all sources share.
    path : Path
        The file that MARZ has saved.

    Returns
    -------
    number : int
        How many redshifts were added.
    warnings : list of str
        A warning if names are not in the catalogue.

    Raises
    ------
    InputError
        If the file is not from MARZ, or another run is writing to the output folder.
    OutputError
        If the summary cannot be written.
    """
    redshifts = marz_results.read(path)
    with changing(job.output):
        page = Page(job, shlex.join(['AutoSpec', '--marz-results', str(path)]))
        results = Results(job, [], files=[write_summary, page.write])
        unknown = results.set_redshifts(redshifts)
        results.finish()
    if not unknown:
        return len(redshifts), []
    return len(redshifts) - len(unknown), [f'{path}: not in {job.params.catalog}: {listed(unknown)}']
