"""One source from cube to files: called for every target, in whichever process it is extracted."""

from __future__ import annotations

import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from autospec_lib import pipeline
from autospec_lib.config.allowed_values import STARS
from autospec_lib.core import best_spectrum, file_names
from autospec_lib.core.errors import AutoSpecError, OutputError, SourceError, writing
from autospec_lib.core.products import Group, Products
from autospec_lib.core.types import Cutout, Target
from autospec_lib.inputs import cube as cutouts
from autospec_lib.output import marz, source_file, spectra_1d, summary
from autospec_lib.run import report, resume
from autospec_lib.run.job import Job
from autospec_lib.run.results import Outcome, Preview


def attempt(job: Job, target: Target) -> Outcome:
    """Extract one source, or keep it; an unexpected error makes this source fail, and its traceback
    is logged.

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
        what, trace = (
            'not enough memory; use fewer CORES or a smaller SIZE, or decompress the cube',
            None,
        )
    except AutoSpecError:
        raise
    except Exception as error:
        what, trace = f'bug: {_line(error)}', traceback.format_exc()
    discard(job, target)
    return Outcome(target.id, time.perf_counter() - start, error=what, trace=trace)


def _line(error: Exception) -> str:
    return f'{type(error).__name__}: {error}'.splitlines()[0]


def extract(job: Job, target: Target) -> Outcome:
    """Extract one source; write its file, then its spectra as tables, its plots, and its data for
    the report.

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
    params = job.params
    with warnings.catch_warnings():
        warnings.simplefilter('default' if params.warnings else 'ignore')
        cutout = replace(
            cutouts.cut(job.cube, target, job.sources), catalogue_error=job.catalogue_error
        )
        products = pipeline.process(cutout, params, job.segmentation)
        fingerprint = resume.fingerprint(job, target)
        cards: dict[str, tuple[Any, str]] = {
            resume.FINGERPRINT_CARD: (fingerprint, 'of parameters, inputs and version'),
            resume.CONTENT_CARD: (resume.content(cutout), 'of what was read of the inputs'),
        }
        notes, psf = list(products.notes), job.cube.psf
        if params.psf == STARS and psf is None:
            notes.append(f'no PSF: no two stars for PSF = {STARS!r}')
        elif params.psf == STARS and psf is not None:
            cards['PSFFWHM1'] = (
                round(psf.widths[0], 4),
                'of stars, at the first wavelength [arcsec]',
            )
            cards['PSFFWHM2'] = (
                round(psf.widths[-1], 4),
                'of stars, at the last wavelength [arcsec]',
            )
            cards['PSFBETA'] = round(psf.exponents[0], 3), 'of stars: Moffat exponent'
        products = replace(products, facts=products.facts | cards, notes=tuple(notes))
        # Removed first, so that a run that is killed does not leave old pictures beside the new
        # file.
        discard(job, target, with_file=False)
        # `best_spectrum` says who gets all products, and who those that are kept.
        kept = products if params.out_spec else best_spectrum.with_fewer_spectra(products)
        _write(job, kept, cutout)
        # As if it were read back: a later run that finds the file alone gives the same numbers, of
        # what the file holds. It lacks what OUT_SPEC, OUT_IMG, OUT_SEG or OUT_MASK leave out.
        measured = summary.measure(source_file.as_read(products), cutout) | {
            'FINGERPRINT': fingerprint
        }
        traces: list[str] = []
        preview: Preview = {}
        if params.plots:
            with _noted('plots', notes, traces):
                from autospec_lib.output import plots

                folder = job.files(target)['IMAGES'].parent
                with writing(folder):
                    folder.mkdir(parents=True, exist_ok=True)
                    plots.save(
                        plots.render(products, cutout, params.cmap, job.kept), folder, target.id
                    )
        if params.report:
            with _noted('report', notes, traces):
                preview = report.write_data(job, kept, cutout)
    return Outcome(
        target.id,
        time.perf_counter() - start,
        tuple(notes),
        trace='\n'.join(traces) or None,
        measured=measured,
        preview=preview,
        spectrum=marz.spectrum_of(kept) if params.marz else None,
    )


def _write(job: Job, products: Products, cutout: Cutout) -> None:
    """Write a source's file, and its spectra as tables if they are wanted."""
    params, path = job.params, job.files(cutout.target)['file']
    switches = {
        Group.IMAGE: params.out_img,
        Group.FITTED: params.out_img,
        Group.SEGMAP: params.out_seg,
        Group.MASK: params.out_mask,
        Group.MAP: params.out_xcor,
    }
    selected = products.select([group for group in Group if switches.get(group, True)])
    origin = {
        'FROM': params.orig_from,
        'FROM_V': params.orig_fromv,
        'CUBE': params.orig_cube,
        'CUBE_V': params.orign_cubev,
    }
    with writing(path):
        source_file.write_source(path, selected, cutout, origin)
    folder = job.output / file_names.SPECTRA
    if params.out_1d:
        with writing(folder):
            folder.mkdir(exist_ok=True)
            spectra_1d.write(folder, selected, cutout)


@contextmanager
def _noted(what: str, notes: list[str], traces: list[str]) -> Iterator[None]:
    """Note a failure in the block, with its traceback: the source is not lost, because its file is
    written."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        notes.append(f'{what} failed: {_line(error)}')
        traces.append(traceback.format_exc())


def discard(job: Job, target: Target, with_file: bool = True) -> None:
    """Remove a source's files of an earlier run, and those of this run if it fails: beside a new
    one, or none, they would be mistaken for the results.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source.
    with_file : bool
        Also its FITS file: it fails now.

    Raises
    ------
    OutputError
        If one cannot be removed.
    """
    files, folder = job.files(target), job.output / file_names.SPECTRA
    tables = job.old_tables
    # Tables are written after the file: without one, this run has written none.
    if with_file and files['file'].exists():
        with writing(folder):
            tables = spectra_1d.listing(folder)
    for key, path in files.items():
        if with_file or key != 'file':
            with writing(path):
                path.unlink(missing_ok=True)
    with writing(folder):
        spectra_1d.remove(folder, target.id, tables)
