"""Reads and checks the inputs before the first source: catalogue, ``default.sex``, cube, images and maps."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autospec_lib.config import conflicts, sextractor
from autospec_lib.config.params import Params
from autospec_lib.core import file_names, keys
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Ident, Target
from autospec_lib.core.wording import near
from autospec_lib.inputs import cutouts, images
from autospec_lib.inputs.catalogs import catalog, given_positions
from autospec_lib.inputs.cubes import psf_setting
from autospec_lib.inputs.cubes.cube import OpenCube, open_cube
from autospec_lib.output import marz, spectra_1d, summary
from autospec_lib.output.report import page
from autospec_lib.run import lock, resume
from autospec_lib.run.job import Job


@dataclass(frozen=True)
class Choice:
    """The command line's choice of sources: which IDs (None = all), skip bad rows, keep complete sources.

    ``positions``, if there are any, are used instead of the catalogue.
    """

    idents: Collection[Ident] | None = None
    skip_bad_rows: bool = False
    resume: bool = False
    positions: Sequence[str] = ()


def prepare(
    folder: Path, params: Params, choice: Choice, write_defaults: bool = True
) -> tuple[Job, list[Target], list[str]]:
    """Read and check the inputs.

    Parameters
    ----------
    folder : Path
        The working folder.
    params : Params
        The parameters in its ``param.py``.
    choice : Choice
        Which sources to extract.
    write_defaults : bool
        Write ``default.sex`` into the folder if there is none.

    Returns
    -------
    job : Job
        What all sources share.
    targets : list of Target
        The sources to extract.
    warnings : list of str
        One line each.

    Raises
    ------
    InputError
        The faults of one file, or of the cube and all images together.
    """
    # Sources may be extracted by processes that were started elsewhere.
    folder = Path(os.path.abspath(folder))
    if choice.positions:
        listed = given_positions.catalogue(choice.positions, params.size, params.ref)
    else:
        listed = catalog.load(folder / params.catalog, params.mode, params.size, params.ref, choice.skip_bad_rows)
    chosen = _selected(listed.targets, choice.idents, params.catalog)
    # MPDAF logs warnings on things that are normal here, such as an image that is larger than the cube.
    logging.getLogger('mpdaf').setLevel(logging.WARNING if params.warnings else logging.ERROR)
    _check_outputs(folder, params, {file_names.file_stem(target.id) for target in chosen})
    if write_defaults:
        sextractor.install_defaults(folder)
    settings, ignored = sextractor.load(folder)
    cube = open_all(params, folder)
    obstacle = page.obstacle(folder / params.output) if params.report else ''
    params = replace(params, report=params.report and not obstacle)
    fingerprint = resume.run_fingerprint(folder, params, settings, cube.beside)
    if params.deblend:
        fingerprint += repr(choice.positions)  # which are each other's neighbours
    rows = cutouts.placed(cube, listed)
    sources = cutouts.positions(cube, rows) if params.deblend else {}
    wanted = {target.id for target in chosen}
    targets = [target for target in rows if target.id in wanted]
    job = Job(
        folder,
        params,
        settings,
        cube,
        fingerprint=fingerprint,
        resume=choice.resume,
        sources=sources,
        catalogue=tuple(rows),
        taken=listed.taken,
    )
    return job, targets, [*listed.warnings, *ignored, *cube.notes, *[obstacle] * bool(obstacle)]


def _check_outputs(folder: Path, params: Params, stems: Collection[str]) -> None:
    """Refuse a run that would overwrite one of its inputs, or whose log cannot be written."""
    logs = folder / 'logs'
    if logs.exists() and not logs.is_dir():
        raise InputError(f'{logs}: is a file, but must be the folder of the logs; rename it')
    for stem in sorted(stems):
        if f'{params.pre_out}{stem}.fits'.lower() in {*summary.NAMES, marz.NAME}:
            given = f'PRE_OUT = {params.pre_out!r} and ID {stem} give a name that is taken'
            raise InputError(f'param.py: {given}: {params.pre_out}{stem}.fits; set another PRE_OUT')
    names = ('param.py', 'default.sex', params.catalog, params.datacube, *params.img, *params.seg)
    inputs = {_identity(folder / name): name for name in names if name and (folder / name).exists()}
    for path in _in_the_way(folder / params.output, params.pre_out, stems):
        name = inputs.get(_identity(path)) if path.exists() else None
        if name is not None:
            raise InputError(f'{path}: is the input {name}, where the run would write; move it, or set OUTPUT')


def _in_the_way(output: Path, prefix: str, stems: Collection[str]) -> Iterator[Path]:
    """Existing files that the run would write: the lock, files on all sources, each source's files and plots."""
    for name in (lock.NAME, *summary.NAMES, marz.NAME, page.PAGE):
        yield output / name
    yield from (output / file_names.REPORT).glob('*')
    for path in output.glob(f'{spectra_1d.FOLDER}/*.fits'):
        if path.name.startswith(tuple(f'{stem}_' for stem in stems)):
            yield path
    for path in output.glob(f'{glob.escape(prefix)}*.fits'):
        if path.stem.removeprefix(prefix) in stems:
            yield path
    for path in output.glob('images/*/*.jpg'):
        if path.parent.name in stems:
            yield path


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _selected(targets: list[Target], wanted: Collection[Ident] | None, catalogue: str) -> list[Target]:
    if wanted is None:
        return targets
    known = dict.fromkeys(target.id for target in targets)
    unknown = [ident for ident in wanted if ident not in known]
    if unknown:
        raise InputError(f'--id {" ".join(map(str, unknown))}: not in {catalogue}; {_listed(known, unknown)}')
    return [target for target in targets if target.id in set(wanted)]


def _listed(known: Collection[Ident], unknown: Collection[Ident]) -> str:
    """The IDs in the catalogue, and a suggestion."""
    numbers = [ident for ident in known if isinstance(ident, int)]
    names = [ident for ident in known if isinstance(ident, str)]
    if not names:
        return f'its IDs run from {min(numbers)} to {max(numbers)}'
    some = ', '.join(names[:5]) + ' ...' * (len(names) > 5)
    some += f' and numbers from {min(numbers)} to {max(numbers)}' if numbers else ''
    return f'its IDs are {some}' + near(str(next(iter(unknown))), names)


def open_all(params: Params, folder: Path) -> OpenCube:
    """Open the cube and put every image and map of the parameters on its grid.

    Raises
    ------
    InputError
        With the faults of all files at once.
    """
    cube = open_cube(folder / params.datacube, params.data_ext)
    shape = cube.data.shape[1:]
    faults: list[str] = []

    def found(read: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except InputError as error:
            faults.extend(error.faults)

    aligned = {keys.image_tag(name): found(images.align, folder / name, cube.header, shape) for name in params.img}
    maps = {keys.image_tag(name): found(images.nearest_map, folder / name, cube.wcs, shape) for name in params.seg}
    path = folder / params.datacube
    psf = found(psf_setting.chosen, params.psf, path, cube.primary, cube.wave, cube.grid.wave_unit)
    faults += _too_high_degree(params, len(cube.wave))
    if not params.prefix:
        named = replace(params, prefix=cube.instrument.prefix)
        faults += [f'param.py: {text}' for _, text in conflicts.taken_tags(named)]
    if faults:
        raise InputError(*faults)
    return replace(cube, images=aligned, segmaps=maps, psf=psf)


def _too_high_degree(params: Params, wavelengths: int) -> Sequence[str]:
    if not (params.xcor and params.cont_sub and params.cont_poly >= wavelengths):
        return ()
    return (
        f'param.py: CONT_POLY = {params.cont_poly} needs more wavelengths than the {wavelengths} of '
        f'{params.datacube}; expected at most {wavelengths - 1}',
    )
