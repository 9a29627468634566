"""One source from cube to files: what the loop calls for every target, whichever process it runs in."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from autospec_lib import pipeline, resume, sexconfig, stamps, write
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

    def plot_folder(self, target: Target) -> Path:
        """Where a source's plots belong."""
        return self.folder / self.params.output / 'images' / str(target.id)


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
        notes = extract(job, target)
        return Outcome(target.id, time.perf_counter() - start, notes)
    except SourceError as error:
        return Outcome(target.id, time.perf_counter() - start, error=str(error))
    except AutoSpecError:
        raise
    except Exception as error:
        what = f'bug: {type(error).__name__}: {error}'.splitlines()[0]
        return Outcome(target.id, time.perf_counter() - start, error=what, trace=traceback.format_exc())


def extract(job: Job, target: Target) -> tuple[str, ...]:
    """Extract one source, write its file, then its plots; the notes on it.

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
        try:
            write.write_source(job.path(target), products, stamp, job.params)
            if job.params.plots:
                return (*products.notes, *_plot(job, products, stamp))
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f'{job.path(target)}: {reason}; mend that and go on with: AutoSpec --resume') from error
    return products.notes


def _plot(job: Job, products: Products, stamp: Stamp) -> tuple[str, ...]:
    """Draw and save the plots; a failed plot is a note, not a lost source."""
    from autospec_lib import plots

    folder = job.plot_folder(stamp.target)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        plots.save(plots.render(products, stamp, job.params.cmap), folder, stamp.target.id)
    except OSError:
        raise
    except Exception as error:
        return (f'plots failed: {type(error).__name__}: {error}'.splitlines()[0],)
    return ()
