"""Takes the verdicts that people have saved in the report into the results of an earlier run."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from autospec_lib.core.errors import MOST_LISTED, SourceError, listed, writing
from autospec_lib.core.products import Group
from autospec_lib.core.types import Target
from autospec_lib.output import source_file, summary, verdicts
from autospec_lib.output.redshifts import counting
from autospec_lib.output.summary import Row
from autospec_lib.output.verdicts import Verdict
from autospec_lib.run import marz
from autospec_lib.run.job import Job, with_verdict
from autospec_lib.run.output_folder import changing
from autospec_lib.run.report import Page
from autospec_lib.run.results import Results, write_redshifts, write_summary


def take(job: Job, paths: Sequence[Path]) -> tuple[int, list[str], list[str]]:
    """Keep verdicts in the output folder, and bring all results up to date.

    Results are the summary, the catalogue of redshifts, the sources' files, the file for MARZ and the report. Verdicts
    of earlier calls on other sources stay.

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
        One line each: IDs that are not in the catalogue, sources at another place, people who differ.
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
    known = verdicts.merged([(name, verdicts.about(one, job.catalogue)) for name, one in files.items()])
    stored, faults = job.output / verdicts.NAME, list[str]()
    with changing(job.output):
        # Read again: another call may have written it meanwhile.
        by_id = {**(verdicts.read(stored) if stored.is_file() else {}), **known}
        with writing(stored):
            verdicts.write(stored, by_id, job.catalogue)
        by_id = verdicts.about(by_id, job.catalogue)
        job = replace(job, verdicts=by_id, catalogue=tuple(with_verdict(target, by_id) for target in job.catalogue))
        page = Page(job, shlex.join(['AutoSpec', '--verdicts', *map(str, paths)]))
        results = Results(job, [], files=[write_summary, write_redshifts, marz.write, page.write])
        for target in job.catalogue:
            if str(target.id) in known:
                try:
                    # What astropy warns of in a broken file.
                    with warnings.catch_warnings():
                        warnings.simplefilter('ignore')
                        results.rows[target.id] |= _update_file(job, target, results.rows[target.id])
                except SourceError as error:
                    faults.append(str(error))
        results.finish()
    return len(known), list(_warnings(job, files, known)), faults


def _update_file(job: Job, target: Target, row: Row) -> Row:
    """Put the accepted redshift into a source's file, and the fluxes of lines there, if the source has a file.

    Parameters
    ----------
    job : Job
        What all sources share.
    target : Target
        The source, with the accepted redshift. Without one, lines are measured as in a run.
    row : dict
        Its row of the summary.

    Returns
    -------
    dict
        The columns on lines, empty if they were not measured.
    """
    path = job.path(target)
    if not path.exists():
        return {}
    lines = None
    try:
        # A truncated file would be written as one that is complete.
        if not source_file.is_whole(path, source_file.read_header(path)):
            raise ValueError
        if job.params.redshift:
            from autospec_lib.redshift import source

            sure = counting(row).z
            z = target.z if sure is None else sure
            if len(target.visual) == 1:
                (z,) = target.visual
            products = source_file.read(path, Group.SPECTRUM)
            spectrum = products.spectra.get(products.facts.get('ZSPEC', ('', ''))[0], products.best[0])
            lines = source.lines_at(spectrum, job.cube.wave, job.cube.grid, job.params.lsf, z)
        with writing(path):
            source_file.set_visual(path, target.visual, lines, job.cube.grid.unit)
    except source_file.BROKEN as error:
        what = 'not a complete file of AutoSpec, and without the verdict'
        raise SourceError(f'{path}: {what}; extract it again with: AutoSpec --resume') from error
    return {} if lines is None else summary.line_fluxes(lines)


def _warnings(job: Job, files: Mapping[str, Mapping[str, Verdict]], known: Mapping[str, Verdict]) -> Iterator[str]:
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
