"""Takes what people have decided into the results of an earlier run: redshifts from MARZ, verdicts
from the report."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autospec_lib.core import best_spectrum, file_names
from autospec_lib.core.errors import MOST_LISTED, listed, making, writing
from autospec_lib.core.products import Group
from autospec_lib.core.types import Target
from autospec_lib.inputs import marz_results
from autospec_lib.output import source_file, summary, verdicts
from autospec_lib.output.redshift_catalogue import counting
from autospec_lib.output.summary import Row
from autospec_lib.output.verdicts import Verdict
from autospec_lib.run.job import Job, with_verdicts
from autospec_lib.run.output_folder import locked
from autospec_lib.run.report import Page
from autospec_lib.run.results import Results, write_marz, write_redshifts, write_summary


def take_redshifts(job: Job, path: Path) -> tuple[int, list[str]]:
    """Add the redshifts in a file from MARZ to the summary of an earlier run; names are those of
    the sources' files.

    Parameters
    ----------
    job : Job
        What all sources share.
    path : Path
        The file that MARZ has saved.

    Returns
    -------
    number : int
        How many redshifts were added.
    warnings : list of str
        A warning if names are not in the catalogue.

    Raises
    ------
    InputError
        If the file is not from MARZ, or another run is writing to the output folder.
    OutputError
        If the summary cannot be written.
    """
    redshifts = marz_results.read(path)
    with making(job.output, 'make it writable'), locked(job.output):
        page = Page(job, shlex.join(['AutoSpec', '--marz-results', str(path)]))
        results = Results(job, [], files=[write_summary, page.write])
        idents = {file_names.file_stem(ident): ident for ident in results.rows}
        for name in redshifts.keys() & idents.keys():
            one = redshifts[name]
            results.rows[idents[name]] |= {
                'Z_MARZ': one.z,
                'QOP_MARZ': one.quality,
                'TEMPLATE_MARZ': one.template,
                'COMMENT_MARZ': one.comment,
            }
        results.finish()
    unknown = [name for name in redshifts if name not in idents]
    if not unknown:
        return len(redshifts), []
    return len(redshifts) - len(unknown), [
        f'{path}: not in {job.params.catalog}: {listed(unknown)}'
    ]


def take_verdicts(job: Job, paths: Sequence[Path]) -> tuple[int, list[str], list[str]]:
    """Keep verdicts in the output folder, and bring all results up to date.

    Results are the summary, the catalogue of redshifts, the sources' files, the file for MARZ and
    the report. Verdicts of earlier calls on other sources stay.

    Parameters
    ----------
    job : Job
        What all sources share.
    paths : sequence of Path
        Files that the report has saved, one for each person.

    Returns
    -------
    number : int
        How many sources have a verdict in these files.
    warnings : list of str
        One line each: IDs that are not in the catalogue, sources at another place, people who
        differ.
    faults : list of str
        One line for each source whose file is broken.

    Raises
    ------
    InputError
        If a file cannot be used, or another run is writing to the output folder.
    OutputError
        If a file cannot be written.
    """
    files = {str(path): verdicts.read(path) for path in paths}
    known = verdicts.merged(
        [(name, verdicts.about(one, job.catalogue)) for name, one in files.items()]
    )
    stored, faults = job.output / file_names.VERDICTS, list[str]()
    with making(job.output, 'make it writable'), locked(job.output):
        # Read again: another call may have written it meanwhile.
        by_id = {**(verdicts.read(stored) if stored.is_file() else {}), **known}
        with writing(stored):
            verdicts.write(stored, by_id, job.catalogue)
        targets, by_id, _ = with_verdicts(job.catalogue, stored)
        job = replace(job, verdicts=by_id, catalogue=tuple(targets))
        page = Page(job, shlex.join(['AutoSpec', '--verdicts', *map(str, paths)]))
        results = Results(job, [], files=[write_summary, write_redshifts, write_marz, page.write])
        for target in targets:
            path = job.files(target)['file']
            if str(target.id) in known and path.exists():
                try:
                    results.rows[target.id] |= _update_file(
                        job, target, path, results.rows[target.id]
                    )
                except source_file.BROKEN:
                    what = 'not a complete file of AutoSpec, and without the verdict'
                    faults.append(f'{path}: {what}; extract it again with: AutoSpec --resume')
        results.finish()
    return len(known), list(_warnings(job, files, known)), faults


def _update_file(job: Job, target: Target, path: Path, row: Row) -> Row:
    """Put the accepted redshift into a source's file, and the fluxes of lines there.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source, with the accepted redshift. Without one, lines are measured as in a run.
    path : Path
        Its file.
    row : dict
        Its row of the summary.

    Returns
    -------
    dict
        The columns on lines, empty if they were not measured.

    Raises
    ------
    Exception
        One of `source_file.BROKEN`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of astropy in a broken file
        source_file.read_whole(path)  # a truncated file would be written as one that is complete
        lines = None
        if job.params.redshift:
            from autospec_lib.redshift import source

            sure = counting(row).z
            z = target.z if sure is None else sure
            if len(target.visual) == 1:
                (z,) = target.visual
            products = source_file.read(path, Group.SPECTRUM)
            spectrum = products.spectra.get(
                products.facts.get('ZSPEC', ('', ''))[0], best_spectrum.of(products)[0]
            )
            lines = source.lines_at(spectrum, job.cube.wave, job.cube.grid, job.params.lsf, z)
        with writing(path):
            source_file.set_visual(path, target.visual, lines, job.cube.grid.unit)
    return {} if lines is None else summary.line_fluxes(lines)


def _warnings(
    job: Job, files: Mapping[str, Mapping[str, Verdict]], known: Mapping[str, Verdict]
) -> Iterator[str]:
    catalogued = {str(target.id) for target in job.catalogue}
    for name, one in files.items():
        unknown = [ident for ident in one if ident not in catalogued]
        if unknown:
            yield f'{name}: verdicts on sources that are not in {job.params.catalog}: {listed(unknown)}'
        moved = one.keys() & catalogued - verdicts.about(one, job.catalogue).keys()
        if moved:
            yield verdicts.elsewhere(name, sorted(moved))
    differing = [ident for ident in known if known[ident].differs]
    for ident in differing[:MOST_LISTED]:
        yield f'source {ident}: people differ: {known[ident].differs}'
    if len(differing) > MOST_LISTED:
        yield f'... and on {len(differing) - MOST_LISTED} more; see DIFFERS_VISUAL in the summary'
