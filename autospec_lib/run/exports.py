"""Files with one spectrum of every source, made from the sources' own files at the end of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from autospec_lib.core import file_names
from autospec_lib.core.products import Group
from autospec_lib.output import marz, source_file
from autospec_lib.output.summary import Row
from autospec_lib.run.job import Job


def write_marz(job: Job, rows: Sequence[Row]) -> None:
    """Write the file for MARZ, with a row for every source that has a file; no file if no source has one.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    entries = list(_entries(job, rows))
    if entries:
        marz.write(job.output / marz.NAME, entries, job.cube.wave, job.cube.grid)


def _entries(job: Job, rows: Sequence[Row]) -> Iterator[marz.Entry]:
    for row in rows:
        if not row.get('FILE'):
            continue
        try:
            spectrum = source_file.read(job.output / row['FILE'], last=Group.SPECTRUM).for_redshifts
        except (OSError, KeyError, ValueError):  # it has been removed or replaced meanwhile
            continue
        if len(spectrum.data) == len(job.cube.wave) and np.isfinite(spectrum.data).any():
            # MARZ drops blanks and commas of a name; those that are files' names come back as they are.
            name = file_names.file_stem(row['ID'])
            yield marz.Entry(name, row['RA'], row['DEC'], row.get('MAG_WHITE'), spectrum.key, spectrum)
