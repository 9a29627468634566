"""Takes the verdicts that people have saved in the report into the results of an earlier run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from autospec_lib.core.errors import MOST_LISTED, InputError, listed, way_out, writing
from autospec_lib.core.products import Group
from autospec_lib.core.types import Target
from autospec_lib.output import source_file, summary, verdicts
from autospec_lib.output.redshifts import counting
from autospec_lib.output.summary import Row
from autospec_lib.output.verdicts import Verdict
from autospec_lib.run import marz
from autospec_lib.run.job import Job, with_verdict
from autospec_lib.run.output_folder import locked
from autospec_lib.run.report import Page
from autospec_lib.run.results import Results, write_redshifts, write_summary

SAME_PLACE = 1.0  # arcsec, up to which a row of a file is about the source with its ID


def take(job: Job, paths: Sequence[Path]) -> tuple[int, list[str]]:
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

    Raises
    ------
    InputError
        If a file cannot be used, or another run is writing to the output folder.
    OutputError
        If a file cannot be written.
    """
    merged = verdicts.merged([(str(path), verdicts.read(path)) for path in paths])
    targets = {str(target.id): target for target in job.catalogue}
    known = {ident: one for ident, one in merged.items() if ident in targets and _same_place(one, targets[ident])}
    by_id = {**job.verdicts, **known}
    job = replace(job, verdicts=by_id, catalogue=tuple(with_verdict(target, by_id) for target in job.catalogue))
    try:
        with locked(job.output):
            with writing(job.output / verdicts.NAME):
                verdicts.write(job.output / verdicts.NAME, by_id, job.catalogue)
            page = Page(job, shlex.join(['AutoSpec', '--verdicts', *map(str, paths)]))
            results = Results(job, [], files=[write_summary, write_redshifts, marz.write, page.write])
            for target in job.catalogue:
                if str(target.id) in known:
                    results.rows[target.id] |= _update_file(job, target, results.rows[target.id])
            results.finish()
    except OSError as error:
        raise InputError(f'{job.output}: {error.strerror}; {way_out(error, "make it writable")}') from error
    return len(known), list(_warnings(job, merged, targets))


def _same_place(verdict: Verdict, target: Target) -> bool:
    """Whether a verdict is about this source, and not about one with its ID in another field."""
    if verdict.position is None:
        return True
    ra, dec = np.subtract(verdict.position, (target.ra, target.dec))
    ra = (ra + 180) % 360 - 180
    return bool(np.hypot(ra * np.cos(np.radians(target.dec)), dec) * 3600 < SAME_PLACE)


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
    except (KeyError, ValueError) as error:
        raise InputError(f'{path}: not a complete file of AutoSpec; extract it again with: AutoSpec') from error
    return {} if lines is None else summary.line_fluxes(lines)


def _warnings(job: Job, merged: Mapping[str, Verdict], targets: Mapping[str, Target]) -> Iterator[str]:
    unknown = [ident for ident in merged if ident not in targets]
    if unknown:
        yield f'verdicts on sources that are not in {job.params.catalog}: {listed(unknown)}'
    moved = [ident for ident in merged if ident in targets and not _same_place(merged[ident], targets[ident])]
    if moved:
        place = f'over {SAME_PLACE:g} arcsec from where {job.params.catalog} has them'
        yield f'verdicts on sources that lie {place} are not used: {listed(moved)}'
    differing = [ident for ident in merged if ident in targets and merged[ident].differs]
    for ident in differing[:MOST_LISTED]:
        yield f'source {ident}: people differ: {merged[ident].differs}'
    if len(differing) > MOST_LISTED:
        yield f'... and on {len(differing) - MOST_LISTED} more; see DIFFERS_VISUAL in the summary'
