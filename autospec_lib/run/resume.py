"""Which sources an earlier run has completed with the same parameters, inputs and version."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autospec_lib import __version__
from autospec_lib.config.params import Params
from autospec_lib.core import file_names
from autospec_lib.core.products import Group
from autospec_lib.core.types import Target
from autospec_lib.output import source_file, spectra_1d
from autospec_lib.run.job import Job

CARD = 'FPRINT'
JPG_END = b'\xff\xd9'
# Parameters that do not change the content of a source's file or plots. CMAP is not among them: it changes plots.
IRRELEVANT = {'output', 'pre_out', 'catalog', 'mode', 'size', 'ref'} | {
    'plots',
    'report',
    'out_1d',
    'marz',
    'cores',
    'warnings',
}


def run_fingerprint(folder: Path, params: Params, sex: Any, beside: Sequence[Path] = ()) -> str:
    """The part of the fingerprint that all sources share: version, parameters, settings, size and date of the inputs.

    Parameters
    ----------
    folder : Path
        The working folder.
    params : Params
        Those that do not affect a source's file or plots are ignored.
    sex : SegmentationSettings
        The segmentation settings.
    beside : sequence of Path
        Files with noise and mask that belong to the cube.
    """
    digest = hashlib.sha256(__version__.encode())
    for field in dataclasses.fields(params):
        if field.name not in IRRELEVANT:
            digest.update(f'{field.name}={getattr(params, field.name)!r};'.encode())
    for field in dataclasses.fields(sex):
        value = getattr(sex, field.name)
        digest.update(f'{field.name}='.encode())
        digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    # With the joint extraction, results depend on a source's neighbours: other rows of the catalogue.
    catalogue = [params.catalog] * bool(params.deblend and params.catalog)
    named = [(name, folder / name) for name in (params.datacube, *params.img, *params.seg, *catalogue)]
    for name, path in (*named, *((path.name, path) for path in beside)):
        status = path.stat()
        digest.update(f'{name}:{status.st_size}:{status.st_mtime_ns};'.encode())
    return digest.hexdigest()


def fingerprint(job: Job, target: Target) -> str:
    """The run's fingerprint and the target's row of the catalogue, in 32 hexadecimal digits."""
    text = f'{job.fingerprint}{source_file.LAYOUT}{dataclasses.astuple(target)!r}'
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_complete(job: Job, target: Target) -> bool:
    """Whether a source's file is there, complete and with this fingerprint, and so are the wanted plots and tables."""
    path = job.path(target)
    try:
        header = source_file.read_header(path)
        if header[CARD] != fingerprint(job, target) or not source_file.is_whole(path, header):
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
