"""One source from cube to files: what the loop calls for every target, whichever process it runs in."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from autospec_lib import names, pipeline, resume, sexconfig, stamps, write
from autospec_lib.cube import OpenCube
from autospec_lib.errors import AutoSpecError, OutputError, SourceError
from autospec_lib.model import Products, Stamp, Target
from autospec_lib.params import Params
from autospec_lib.report import Outcome


@dataclass(frozen=True)
class Job:
    """What all sources of a run share. With ``resume``, sources that are complete already are kept.

    ``sources`` are the pixel positions of the whole catalogue, for the joint extraction; empty where it is off.
    """

    folder: Path
    params: Params
    sex: sexconfig.Settings
    cube: OpenCube
    fingerprint: str = ''
    resume: bool = False
    sources: Mapping[int, tuple[float, float]] = field(default_factory=dict)

    def path(self, target: Target) -> Path:
        """Where a source's file belongs."""
        return self.folder / self.params.output / f'{self.params.pre_out}{target.id}.fits'

    def picture(self, target: Target, key: str) -> Path:
        """Where one of a source's plots belongs."""
        return self.folder / self.params.output / 'images' / str(target.id) / names.picture(target.id, key)


def attempt(job: Job, target: Target) -> Outcome:
    """Extract one source, or keep it; an error that nobody foresaw is this source's failure, with its traceback.

    Raises
    ------
    InputError, OutputError
        As in `extract`.
    """
    start = time.perf_counter()
    if job.resume and resume.is_complete(job, target):
        return Outcome(target.id, 0.0, kept=True)
    try:
        notes, trace = extract(job, target)
        return Outcome(target.id, time.perf_counter() - start, notes, trace=trace)
    except SourceError as error:
        what, trace = str(error), None
    except AutoSpecError:
        raise
    except Exception as error:
        what, trace = f'bug: {type(error).__name__}: {error}'.splitlines()[0], traceback.format_exc()
    discard(job, target)
    return Outcome(target.id, time.perf_counter() - start, error=what, trace=trace)


def discard(job: Job, target: Target) -> None:
    """Remove what an earlier run has left of a source that fails now: it would pass for this run's.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    with _writing(job.path(target)):
        job.path(target).unlink(missing_ok=True)
    _remove_pictures(job, target)


def extract(job: Job, target: Target) -> tuple[tuple[str, ...], str | None]:
    """Extract one source, write its file, then its plots.

    Returns
    -------
    notes : tuple of str
        The notes on it.
    trace : str or None
        The traceback of plots that failed.

    Raises
    ------
    SourceError
        If this source cannot be extracted.
    InputError
        If the cube cannot be read any more.
    OutputError
        If the output cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('default' if job.params.warnings else 'ignore')
        stamp = stamps.cut(job.cube, target, job.sources)
        products = pipeline.process(stamp, job.params, job.sex)
        card = {resume.CARD: (resume.fingerprint(job, target), 'of parameters, inputs and version')}
        products = replace(products, facts=products.facts | card)
        # First, so that a run that is killed leaves no pictures of an earlier file beside the new one.
        _remove_pictures(job, target)
        with _writing(job.path(target)):
            write.write_source(job.path(target), products, stamp, job.params)
        return _plot(job, products, stamp) if job.params.plots else (products.notes, None)


def _plot(job: Job, products: Products, stamp: Stamp) -> tuple[tuple[str, ...], str | None]:
    """Draw and save the plots; a failed plot is a note with its traceback, not a lost source."""
    from autospec_lib import plots

    folder = job.picture(stamp.target, '').parent
    try:
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            plots.save(plots.render(products, stamp, job.params.cmap), folder, stamp.target.id)
    except OutputError:
        raise
    except Exception as error:
        note = f'plots failed: {type(error).__name__}: {error}'.splitlines()[0]
        return (*products.notes, note), traceback.format_exc()
    return products.notes, None


def _remove_pictures(job: Job, target: Target) -> None:
    """Remove the plots of an earlier run."""
    for key in names.PICTURES:
        path = job.picture(target, key)
        with _writing(path):
            path.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What goes wrong with ``path`` stops the run: the next source would fare no better."""
    try:
        yield
    except OSError as error:
        way_out = 'mend that and go on with: AutoSpec --resume'
        raise OutputError(f'{path}: {error.strerror or error}; {way_out}') from error
