"""One source from cube to files: what the loop calls for every target, whichever process it runs in."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autospec_lib import pipeline, sexconfig, stamps, write
from autospec_lib.cube import OpenCube
from autospec_lib.errors import AutoSpecError, SourceError
from autospec_lib.model import Products, Stamp, Target
from autospec_lib.params import Params
from autospec_lib.report import Outcome


@dataclass(frozen=True)
class Job:
    """What all sources of a run share."""

    folder: Path
    params: Params
    sex: sexconfig.Settings
    cube: OpenCube


def outcomes(job: Job, targets: Sequence[Target]) -> Iterator[Outcome]:
    """What becomes of each target, as it is done.

    An error in one source that nobody foresaw is that source's failure, with its traceback, and leaves the others
    untouched; what stops all of them (see `extract`) is raised.
    """
    for target in targets:
        start = time.perf_counter()
        try:
            yield extract(job, target)
        except (AutoSpecError, OSError):
            raise
        except Exception as error:
            what = f'bug: {type(error).__name__}: {error}'.splitlines()[0]
            yield Outcome(target.id, time.perf_counter() - start, error=what, trace=traceback.format_exc())


def extract(job: Job, target: Target) -> Outcome:
    """Extract one source and write its file, then its plots.

    A failed source is an outcome; a failed plot is a note on a source that is done.

    Raises
    ------
    InputError
        If the cube cannot be read any more.
    OSError
        If the output cannot be written.
    """
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter('default' if job.params.warnings else 'ignore')
        try:
            stamp = stamps.cut(job.cube, target)
            products = pipeline.process(stamp, job.params, job.sex)
        except SourceError as error:
            return Outcome(target.id, time.perf_counter() - start, error=str(error))
        write.write_source(write.source_path(job.folder, job.params, target.id), products, stamp, job.params)
        if job.params.plots:
            products = _plot(job, products, stamp)
    return Outcome(target.id, time.perf_counter() - start, products.notes)


def _plot(job: Job, products: Products, stamp: Stamp) -> Products:
    """Draw and save the plots; say so in the notes where that fails, for any reason but a full disk."""
    from autospec_lib import plots

    folder = job.folder / job.params.output / 'images' / str(stamp.target.id)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        figures = plots.render(products, stamp, job.params.cmap)
        plots.save(figures, folder, stamp.target.id)
    except (ValueError, TypeError, ArithmeticError, LookupError, RuntimeError) as error:
        return replace(products, notes=(*products.notes, f'plots failed: {type(error).__name__}: {error}'))
    return products
