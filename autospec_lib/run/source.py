"""One source from cube to files: called for every target, in whichever process it is extracted."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from autospec_lib import pipeline
from autospec_lib.core import file_names
from autospec_lib.core.errors import AutoSpecError, OutputError, SourceError, writing
from autospec_lib.core.products import Products
from autospec_lib.core.types import Cutout, Target
from autospec_lib.inputs import cube as cutouts
from autospec_lib.output import source_file, spectra_1d, summary
from autospec_lib.run import report, resume
from autospec_lib.run.job import Job
from autospec_lib.run.results import Outcome, Preview


def attempt(job: Job, target: Target) -> Outcome:
    """Extract one source, or keep it; an unexpected error makes this source fail, and its traceback is logged.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.

    Raises
    ------
    InputError, OutputError
        As in `extract`.
    """
    start = time.perf_counter()
    if job.resume and resume.is_complete(job, target):
        preview = report.kept_preview(job, target) if job.params.report else {}
        return Outcome(target.id, 0.0, kept=True, preview=preview)
    try:
        return extract(job, target)
    except SourceError as error:
        what, trace = str(error), None
    except MemoryError:
        what, trace = 'not enough memory; use fewer CORES or a smaller SIZE, or decompress the cube', None
    except AutoSpecError:
        raise
    except Exception as error:
        what, trace = f'bug: {_line(error)}', traceback.format_exc()
    discard(job, target)
    return Outcome(target.id, time.perf_counter() - start, error=what, trace=trace)


def _line(error: Exception) -> str:
    return f'{type(error).__name__}: {error}'.splitlines()[0]


def extract(job: Job, target: Target) -> Outcome:
    """Extract one source; write its file, then its spectra as tables, its plots, and its data for the report.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.

    Raises
    ------
    SourceError
        If this source cannot be extracted.
    InputError
        If the cube cannot be read any more.
    OutputError
        If the output cannot be written.
    """
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter('default' if job.params.warnings else 'ignore')
        cutout = replace(cutouts.cut(job.cube, target, job.sources), catalogue_error=job.catalogue_error)
        products = pipeline.process(cutout, job.params, job.segmentation)
        fingerprint = resume.fingerprint(job, target)
        cards = {
            resume.FINGERPRINT_CARD: (fingerprint, 'of parameters, inputs and version'),
            resume.CONTENT_CARD: (resume.content(cutout), 'of what was read of the inputs'),
        }
        products = replace(products, facts=products.facts | cards)
        # Removed first, so that a run that is killed does not leave old pictures beside the new file.
        _remove_beside(job, target)
        selected = products.select(job.written, job.params.out_spec)
        with writing(job.path(target)):
            source_file.write_source(job.path(target), selected, cutout, job.origin)
        if job.params.out_1d:
            with writing(job.spectra):
                job.spectra.mkdir(exist_ok=True)
                spectra_1d.write(job.spectra, selected, cutout)
        # As if it were read back: a later run that finds the file alone gives the same numbers.
        measured = summary.measure(source_file.as_read(products), cutout) | {'FINGERPRINT': fingerprint}
        notes, traces = list(products.notes), list[str]()
        preview: Preview = {}
        if job.params.plots:
            with _noted('plots', notes, traces):
                _plot(job, products, cutout)
        if job.params.report:
            with _noted('report', notes, traces):
                preview = report.write_data(job, products, cutout)
    return Outcome(
        target.id,
        time.perf_counter() - start,
        tuple(notes),
        trace='\n'.join(traces) or None,
        measured=measured,
        preview=preview,
        spectrum=source_file.as_stored(selected.best[0]) if job.params.marz else None,
    )


@contextmanager
def _noted(what: str, notes: list[str], traces: list[str]) -> Iterator[None]:
    """Note a failure in the block, with its traceback: the source is not lost, because its file is written."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        notes.append(f'{what} failed: {_line(error)}')
        traces.append(traceback.format_exc())


def _plot(job: Job, products: Products, cutout: Cutout) -> None:
    """Draw and save the plots."""
    from autospec_lib.output import plots

    folder = job.picture(cutout.target, '').parent
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        pictures = plots.render(products, cutout, job.params.cmap, job.kept)
        plots.save(pictures, folder, cutout.target.id)


def discard(job: Job, target: Target) -> None:
    """Remove files of an earlier run on a source that fails now: they would be mistaken for this run's.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.

    Raises
    ------
    OutputError
        If one cannot be removed.
    """
    with writing(job.path(target)):
        job.path(target).unlink(missing_ok=True)
    _remove_beside(job, target)


def _remove_beside(job: Job, target: Target) -> None:
    """Remove the spectra as tables, the plots and the report's data of an earlier run."""
    with writing(job.spectra):
        spectra_1d.remove(job.spectra, target.id, job.old_tables)
    for path in (job.data(target), job.binned_cube(target), *(job.picture(target, key) for key in file_names.PICTURES)):
        with writing(path):
            path.unlink(missing_ok=True)
