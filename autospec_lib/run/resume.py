"""Which sources an earlier run has completed with the same parameters, inputs and version."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from autospec_lib.core import file_names
from autospec_lib.core.errors import SourceError
from autospec_lib.core.products import Group
from autospec_lib.core.types import Cutout, Target
from autospec_lib.inputs import cube as cutouts
from autospec_lib.output import source_file, spectra_1d
from autospec_lib.run.job import Job

FINGERPRINT_CARD, CONTENT_CARD = 'FPRINT', 'INPUTSUM'
HALF = 16  # hexadecimal digits
JPG_END = b'\xff\xd9'


def fingerprint(job: Job, target: Target) -> str:
    """The fingerprint of a source, which stands in its file: two halves of `HALF` hexadecimal
    digits.

    The first is of parameters, version, layout of files, and the source's row; the second of size
    and date of the inputs. A copy of the folder has other dates; then `content` tells whether the
    inputs are the same.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.
    """
    # Verdicts come into the file without a new extraction.
    row = dataclasses.astuple(replace(target, visual=()))
    request = f'{job.fingerprint}{source_file.LAYOUT}{row!r}'
    return ''.join(
        hashlib.sha256(text.encode()).hexdigest()[:HALF] for text in (request, job.states)
    )


def content(cutout: Cutout) -> str:
    """A checksum of what a source is extracted from: voxels, images, maps, coordinates, neighbours,
    PSF.

    What is computed from the inputs is taken in single precision: on another machine, the last
    digit may differ.
    """
    voxels = cutout.voxels
    arrays: list[Any] = [voxels.data, voxels.variance, voxels.bad, *cutout.segmaps.values()]
    computed: list[Any] = [
        cutout.wave,
        cutout.centre,
        *cutout.neighbours.values(),
        *cutout.images.values(),
    ]
    arrays += [np.asarray(values, np.float32) for values in (*computed, *cutout.detection.values())]
    rest = (
        cutout.pixel,
        cutout.grid,
        cutout.image_units,
        [*cutout.neighbours],
        cutout.psf,
        cutout.notes,
    )
    total = zlib.crc32(repr(rest).encode())
    for array in arrays:
        if array is not None:
            total = zlib.crc32(np.ascontiguousarray(array).data, total)
    return f'{total:08x}'


def is_complete(job: Job, target: Target, by_date: bool = False) -> bool:
    """Whether a source's file is there, complete and of the same inputs, and so are the wanted
    plots and tables.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.
    by_date : bool
        Inputs with another date count as different. Otherwise the source's part of the inputs is
        read and compared.

    Raises
    ------
    InputError
        If the cube cannot be read any more.
    """
    files, wanted = job.files(target), fingerprint(job, target)
    path = files['file']
    try:
        header, accepted = source_file.read_whole(path)
        same_dates = bool(header[FINGERPRINT_CARD] == wanted)
        # Others are accepted than in the file if a call with --verdicts was interrupted.
        if header[FINGERPRINT_CARD][:HALF] != wanted[:HALF] or accepted != target.visual:
            return False
        spectra = source_file.read(path, Group.SPECTRUM).main_spectra if job.params.out_1d else {}
    except source_file.BROKEN:
        return False
    folder = job.output / file_names.SPECTRA
    if not all((folder / name).exists() for name in spectra_1d.names(target.id, spectra)):
        return False
    pictures = (
        file_names.pictures(job.params.xcor, 'DBNUM' in header, 'ZPROB' in header)
        if job.params.plots
        else ()
    )
    if not all(_is_whole_picture(files[key]) for key in pictures):
        return False
    if same_dates or by_date:
        return same_dates
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return bool(
                header.get(CONTENT_CARD) == content(cutouts.cut(job.cube, target, job.sources))
            )
    except (SourceError, MemoryError):
        return False


def _is_whole_picture(path: Path) -> bool:
    """Whether a JPG is there up to its end-of-image marker."""
    try:
        with path.open('rb') as file:
            file.seek(-len(JPG_END), os.SEEK_END)
            return file.read() == JPG_END
    except OSError:  # not there, or shorter than the marker
        return False
