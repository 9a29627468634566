"""Which sources an earlier run has completed with the same parameters, inputs and version."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

from autospec_lib.core import file_names
from autospec_lib.core.products import Group
from autospec_lib.core.types import Target
from autospec_lib.output import source_file, spectra_1d
from autospec_lib.run.job import Job

FINGERPRINT_CARD = 'FPRINT'
JPG_END = b'\xff\xd9'


def fingerprint(job: Job, target: Target) -> str:
    """The fingerprint of a source, which stands in its file, in 32 hexadecimal digits.

    It is that of the job, of the layout of files, and of the source's row.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.
    """
    text = f'{job.fingerprint}{source_file.LAYOUT}{dataclasses.astuple(target)!r}'
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_complete(job: Job, target: Target) -> bool:
    """Whether a source's file is there, complete and with this fingerprint, and so are the wanted plots and tables.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.
    """
    path = job.path(target)
    try:
        header = source_file.read_header(path)
        if header[FINGERPRINT_CARD] != fingerprint(job, target) or not source_file.is_whole(path, header):
            return False
        spectra = source_file.read(path, Group.SPECTRUM).main_spectra if job.params.out_1d else {}
    except (OSError, KeyError, ValueError):
        return False
    if not all((job.spectra / name).exists() for name in spectra_1d.names(target.id, spectra)):
        return False
    wanted = file_names.pictures(job.params.xcor, 'DBNUM' in header) if job.params.plots else ()
    return all(_is_whole_picture(job.picture(target, key)) for key in wanted)


def _is_whole_picture(path: Path) -> bool:
    """Whether a JPG is there up to its end-of-image marker."""
    try:
        with path.open('rb') as file:
            file.seek(-len(JPG_END), os.SEEK_END)
            return file.read() == JPG_END
    except OSError:  # not there, or shorter than the marker
        return False
