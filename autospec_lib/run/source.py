"""One source from cube to files: called for every target, in whichever process it is extracted."""

from __future__ import annotations

import time
import traceback
import warnings
from dataclasses import replace

from autospec_lib import pipeline
from autospec_lib.core import file_names
from autospec_lib.core.errors import AutoSpecError, OutputError, SourceError
from autospec_lib.core.products import Products
from autospec_lib.core.types import Cutout, Target
from autospec_lib.inputs import cutouts
from autospec_lib.output import source_file, spectra_1d, summary
from autospec_lib.output.summary import Row
from autospec_lib.run import pages, resume
from autospec_lib.run.job import Job
from autospec_lib.run.pages import Preview, writing
from autospec_lib.run.report import Outcome


def attempt(job: Job, target: Target) -> Outcome:
    """Extract one source, or keep it; an unexpected error makes this source fail, and its traceback is logged.

    Raises
    ------
    InputError, OutputError
        As in `extract`.
    """
    start = time.perf_counter()
    if job.resume and resume.is_complete(job, target):
        preview = pages.keep_data(job, target) if job.params.report else {}
        return Outcome(target.id, 0.0, kept=True, preview=preview)
    try:
        notes, trace, measured, preview = extract(job, target)
        seconds = time.perf_counter() - start
        return Outcome(target.id, seconds, notes, trace=trace, measured=measured, preview=preview)
    except SourceError as error:
        what, trace = str(error), None
    except MemoryError:
        what, trace = 'not enough memory; use fewer CORES or a smaller SIZE, or decompress the cube', None
    except AutoSpecError:
        raise
    except Exception as error:
        what, trace = f'bug: {type(error).__name__}: {error}'.splitlines()[0], traceback.format_exc()
    discard(job, target)
    return Outcome(target.id, time.perf_counter() - start, error=what, trace=trace)


def discard(job: Job, target: Target) -> None:
    """Remove files of an earlier run on a source that fails now: they would be mistaken for this run's.

    Raises
    ------
    OutputError
        If it cannot be removed.
    """
    with writing(job.path(target)):
        job.path(target).unlink(missing_ok=True)
    _remove_others(job, target)


def extract(job: Job, target: Target) -> tuple[tuple[str, ...], str | None, Row, Preview]:
    """Extract one source; write its file, then its spectra as tables, its plots, and its data for the report.

    Returns
    -------
    notes : tuple of str
        The notes on the source.
    trace : str or None
        The traceback, if plots or the report's data failed.
    measured : dict
        Its row of the summary.
    preview : dict
        Its preview in the report's table.

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
        cutout = cutouts.cut(job.cube, target, job.sources)
        products = pipeline.process(cutout, job.params, job.segmentation)
        fingerprint = resume.fingerprint(job, target)
        card = {resume.CARD: (fingerprint, 'of parameters, inputs and version')}
        products = replace(products, facts=products.facts | card)
        # Removed first, so that a run that is killed does not leave old pictures beside the new file.
        _remove_others(job, target)
        selected = products.select(job.written, job.params.out_spec)
        with writing(job.path(target)):
            source_file.write_source(job.path(target), selected, cutout, job.origin)
        if job.params.out_1d:
            with writing(job.spectra):
                job.spectra.mkdir(exist_ok=True)
                spectra_1d.write(job.spectra, selected, cutout)
        measured = summary.measure(products, cutout) | {'FINGERPRINT': fingerprint}
        notes, trace = _plot(job, products, cutout) if job.params.plots else (products.notes, None)
        preview, failed, bug = _show(job, products, cutout) if job.params.report else ({}, (), None)
        return (*notes, *failed), trace or bug, measured, preview


def _plot(job: Job, products: Products, cutout: Cutout) -> tuple[tuple[str, ...], str | None]:
    """Draw and save the plots; a failed plot is a note with its traceback, not a lost source."""
    from autospec_lib.output import plots

    folder = job.picture(cutout.target, '').parent
    try:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            pictures = plots.render(products, cutout, job.params.cmap, job.kept)
            plots.save(pictures, folder, cutout.target.id)
    except OutputError:
        raise
    except Exception as error:
        note = f'plots failed: {type(error).__name__}: {error}'.splitlines()[0]
        return (*products.notes, note), traceback.format_exc()
    return products.notes, None


def _show(job: Job, products: Products, cutout: Cutout) -> tuple[Preview, tuple[str, ...], str | None]:
    """Write the report's data on a source; if that fails, return a note and the traceback."""
    try:
        return pages.write_data(job, products, cutout), (), None
    except OutputError:
        raise
    except Exception as error:
        note = f'report failed: {type(error).__name__}: {error}'.splitlines()[0]
        return {}, (note,), traceback.format_exc()


def _remove_others(job: Job, target: Target) -> None:
    """Remove the spectra as tables, the plots and the report's data of an earlier run."""
    pages.remove_data(job, target)
    with writing(job.spectra):
        spectra_1d.remove(job.spectra, target.id)
    for key in file_names.PICTURES:
        path = job.picture(target, key)
        with writing(path):
            path.unlink(missing_ok=True)
