"""The job: what all sources of a run share, read and checked before the first source."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from autospec_lib import __version__
from autospec_lib.config import sextractor
from autospec_lib.config.params import Params
from autospec_lib.core import file_names, geometry
from autospec_lib.core.errors import InputError, SourceError, near
from autospec_lib.core.products import Group
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import BoolArray, CatalogueError, Cutout, FloatArray, Ident, Target
from autospec_lib.deblending import catalogue_error
from autospec_lib.extraction import sums
from autospec_lib.inputs import catalogue
from autospec_lib.inputs import cube as cutouts
from autospec_lib.inputs.cube import OpenCube
from autospec_lib.inputs.rows import Catalogue
from autospec_lib.output import spectra_1d, verdicts
from autospec_lib.output.figures import Kept
from autospec_lib.output.report import page
from autospec_lib.output.verdicts import Verdict
from autospec_lib.run import opening, output_folder

# Cut-outs in which the error of the catalogue's positions is measured: width in pixels, and how many are tried.
WIDTH, MOST_TRIED = 25, 40
# Parameters left out of the fingerprint: they change nothing in a source's file and plots, or (SIZE, REF) they stand in
# its `Target`. CMAP is not among them: it changes plots.
IRRELEVANT = {
    *('output', 'pre_out', 'catalog', 'mode', 'size', 'ref'),
    *('plots', 'report', 'report_cube', 'out_1d', 'marz', 'cores', 'warnings'),
}
MOST_NAMED = 10  # rows outside the field that a message lists


@dataclass(frozen=True)
class Job:
    """What all sources of a run share.

    Attributes
    ----------
    folder : Path
        The working folder.
    params : Params
        The parameters.
    segmentation : SegmentationSettings
        How to segment images.
    cube : OpenCube
        The cube, with the images and maps on its grid.
    fingerprint, states : str
        The parts of a source's fingerprint that all share, see `resume`.
    resume : bool
        Whether sources that are complete already are kept.
    sources : mapping of int or str to (float, float)
        Pixel positions (y, x) of all rows of the catalogue near the field for the joint extraction and
        redshifts; empty if both are off.
    catalogue : tuple of Target
        The rows in the field, including those that this run does not extract, and those that it was asked for by name.
    old_tables : sequence of str
        The files in the folder of spectra as tables when the run began.
    catalogue_error : CatalogueError or None
        How good their positions are, for the joint extraction; see `with_catalogue_error`.
    columns : str
        One line on which columns of the catalogue were read as what.
    offsets : tuple of str
        How far images and catalogue lie from the cube where this is certain and no warning, one line each.
    verdicts : mapping of str to Verdict
        What people have decided on sources, by ID as text.
    usable : str
        Which voxels of the cube are not usable, and why, in words; '' where this is not known.
    blank : array of bool (ny, nx) or None
        The spaxels in which no voxel is usable, as far as it is known.
    white : array (ny, nx) or None
        The white light of the field, the mean of ``white_channels`` channels; None where they were not read.
    white_channels : int
        Their number.
    kept : Kept
        The figures that this process reuses for plots.
    """

    folder: Path
    params: Params
    segmentation: SegmentationSettings
    cube: OpenCube
    fingerprint: str = ''
    states: str = ''
    resume: bool = False
    sources: Mapping[Ident, tuple[float, float]] = field(default_factory=dict)
    catalogue: tuple[Target, ...] = ()
    old_tables: Sequence[str] = ()
    catalogue_error: CatalogueError | None = None
    columns: str = ''
    offsets: tuple[str, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    usable: str = ''
    blank: BoolArray | None = field(default=None, compare=False, repr=False)
    white: FloatArray | None = field(default=None, compare=False, repr=False)
    white_channels: int = 0
    kept: Kept = field(default_factory=Kept, compare=False, repr=False)

    @property
    def output(self) -> Path:
        """The output folder."""
        return self.folder / self.params.output

    def path(self, target: Target) -> Path:
        """The path of a source's file."""
        return self.output / f'{self.params.pre_out}{file_names.file_stem(target.id)}.fits'

    def picture(self, target: Target, key: str) -> Path:
        """The path of a plot.

        Parameters
        ----------
        target : Target
            The source.
        key : str
            Which of `file_names.PICTURES`.
        """
        return self.output / 'images' / file_names.file_stem(target.id) / file_names.picture(target.id, key)

    def data(self, target: Target) -> Path:
        """The path of the report's file on a source."""
        return self.output / file_names.REPORT / 'data' / file_names.report_data(target.id)

    def binned_cube(self, target: Target) -> Path:
        """The path of the report's file with the binned cube of a source."""
        return self.output / file_names.REPORT / 'cubes' / file_names.report_data(target.id)

    @property
    def spectra(self) -> Path:
        """The folder of spectra as tables."""
        return self.output / spectra_1d.FOLDER

    @property
    def inputs(self) -> list[Path]:
        """The files that the results are made from, except ``param.py``."""
        params = self.params
        names = dict.fromkeys((params.datacube, params.catalog, *params.image_files, *params.seg, 'default.sex'))
        return [*(self.folder / name for name in names if name), *self.cube.beside]

    @property
    def prefix(self) -> str:
        """The prefix of AutoSpec's own names: the user's choice, else the instrument's."""
        return self.params.prefix or self.cube.instrument.prefix

    @property
    def written(self) -> set[Group]:
        """The groups of products that go into the files."""
        params = self.params
        switches = {
            Group.IMAGE: params.out_img,
            Group.FITTED: params.out_img,
            Group.SEGMAP: params.out_seg,
            Group.MASK: params.out_mask,
            Group.MAP: params.out_xcor,
        }
        return {group for group in Group if switches.get(group, True)}

    @property
    def origin(self) -> dict[str, str]:
        """The header cards on the origin of sources and cube."""
        params = self.params
        return {
            'FROM': params.orig_from,
            'FROM_V': params.orig_fromv,
            'CUBE': params.orig_cube,
            'CUBE_V': params.orign_cubev,
        }


@dataclass(frozen=True)
class Request:
    """What the command line asks for.

    Attributes
    ----------
    idents : collection of int or str, or None
        The IDs of the sources to extract; None = all.
    skip_bad_rows : bool
        Leave out rows of the catalogue that cannot be read.
    resume : bool
        Keep complete sources.
    positions : sequence of str
        Positions that are used instead of the catalogue, if there are any.
    """

    idents: Collection[Ident] | None = None
    skip_bad_rows: bool = False
    resume: bool = False
    positions: Sequence[str] = ()


def prepare(
    folder: Path, params: Params, request: Request, write_defaults: bool = True
) -> tuple[Job, list[Target], list[str]]:
    """Read and check the inputs.

    Parameters
    ----------
    folder : Path
        The working folder.
    params : Params
        The parameters in its ``param.py``.
    request : Request
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
    # astropy logs what is settled here and said in AutoSpec's own words.
    logging.getLogger('astropy').setLevel(logging.WARNING if params.warnings else logging.ERROR)
    opened = cache(partial(opening.open_all, params, folder))

    def in_field(rows: Catalogue) -> BoolArray:
        return cutouts.covers(opened(), cutouts.positions(opened(), cutouts.placed(opened(), rows)))

    if request.positions:
        listed = catalogue.from_positions(request.positions, params.size, params.ref)
    else:
        path = folder / params.catalog
        listed = catalogue.load(path, params.mode, params.size, params.ref, request.skip_bad_rows, in_field)
    chosen = _selected(listed.targets, request.idents, params.catalog)
    settings, ignored = sextractor.load(folder)
    cube = opened()
    rows = cutouts.placed(cube, listed)
    by_name = request.idents is not None or bool(request.positions)
    sample = cutouts.sample(cube)
    kept, outside, places = _in_field(cube, sample, rows, chosen, by_name, params)
    verdict_file = folder / params.output / verdicts.NAME
    stored = verdicts.read(verdict_file) if verdict_file.is_file() else {}
    verdicts_by_id = verdicts.about(stored, kept)
    moved = [str(target.id) for target in kept if str(target.id) in stored.keys() - verdicts_by_id.keys()]
    kept = [with_verdict(target, verdicts_by_id) for target in kept]
    targets = [target for target in kept if target.id in chosen]
    warnings = [*listed.warnings, *ignored, *cube.notes, *outside]
    if moved:
        warnings.append(verdicts.elsewhere(verdict_file, moved))
    if any(isinstance(entry, str) for entry in params.narrowband) and all(target.z is None for target in targets):
        warnings.append(
            f'{params.catalog or "--radec"}: no redshifts (column Z), so NARROWBAND gives no image of a line'
        )
    output_folder.check_names(folder, params, {file_names.file_stem(target.id) for target in targets})
    if output_folder.log_folder(folder, folder / params.output) != folder:
        warnings.append(f'{folder / "logs"}: cannot be written; the log goes to {params.output}/logs')
    if write_defaults and os.access(folder, os.W_OK):
        sextractor.install_defaults(folder)
    obstacle = page.obstacle(folder / params.output) if params.report else ''
    if obstacle:
        params = replace(params, report=False)
        warnings.append(obstacle)
    states = _states(folder, params, cube.beside)
    if params.needs_neighbours:
        states += repr(request.positions)  # which are each other's neighbours
    listed_places = [] if request.positions else [places[target.id] for target in kept]
    white = np.full(cube.shape, np.nan)
    if sample is not None:
        white = sums.white_light(sample.voxels.columns).data.reshape(cube.shape)
    cube, offsets, cautions = opening.registered(cube, folder, params, listed_places, white)
    warnings += cautions
    job = Job(
        folder,
        params,
        settings,
        cube,
        fingerprint=_fingerprint(params, settings),
        states=states,
        resume=request.resume,
        sources=_neighbours(cube, places, targets) if params.needs_neighbours else {},
        catalogue=tuple(kept),
        old_tables=spectra_1d.listing(folder / params.output / spectra_1d.FOLDER),
        columns=listed.description,
        offsets=tuple(offsets),
        verdicts=verdicts_by_id,
        usable='' if sample is None else sample.usable,
        blank=None if sample is None else sample.voxels.blank,
        white=None if sample is None else white,
        white_channels=0 if sample is None else len(sample.voxels.data),
    )
    return job, targets, warnings


def with_verdict(target: Target, by_id: Mapping[str, Verdict]) -> Target:
    """The target with the redshift that a person has accepted, or those between which people have not decided.

    Where one has a redshift and another says that there is none, the target has neither: a single one counts as
    accepted.

    Parameters
    ----------
    target : Target
        The source.
    by_id : mapping of str to Verdict
        Verdicts by ID as text.
    """
    one = by_id.get(str(target.id), Verdict())
    if one.accepted is not None:
        return replace(target, visual=(one.accepted,))
    # A single redshift that somebody denies would look like an accepted one.
    return replace(target, visual=one.rivals if len(one.rivals) > 1 else ())


def with_catalogue_error(job: Job) -> tuple[Job, str]:
    """The job with the error of the catalogue's positions, if it has a joint extraction, and a line about it.

    The error is the user's word, or measured with sources of the whole catalogue, those with the fewest neighbours
    first. The line is empty if the error is not known.

    Raises
    ------
    InputError
        If the cube cannot be read any more.
    """
    scale = geometry.scale(job.cube.pixel)
    if not job.params.deblend:
        return job, ''
    if job.params.caterr:
        return replace(job, catalogue_error=CatalogueError((0.0, 0.0), job.params.caterr / scale)), ''
    error = catalogue_error.measure(_isolated(job))
    if error is None:
        return job, ''
    dy, dx = error.offset
    offset = f'{dx * job.cube.pixel[1]:.2f}, {dy * job.cube.pixel[0]:.2f} arcsec along x, y'
    scatter = f'{error.scatter * scale:.2f} arcsec'
    line = f'joint extraction: {error.number} sources lie {offset} from the catalogue, with a scatter of {scatter}'
    return replace(job, catalogue_error=error), line


def _isolated(job: Job) -> Iterator[Cutout]:
    """Small cut-outs around sources in the field, those with the most distant neighbours first."""
    from scipy.spatial import cKDTree

    rows = {target.id: target for target in job.catalogue}
    places = np.array([*job.sources.values()]).reshape(-1, 2)
    apart = cKDTree(places).query(places, k=2)[0][:, 1] if len(places) > 1 else np.zeros(len(places))
    size = WIDTH * geometry.scale(job.cube.pixel)
    inside = ((places > 0) & (places < job.cube.shape)).all(axis=1)
    idents = [*job.sources]
    inside &= np.array([ident in rows for ident in idents], bool)
    order = sorted(np.flatnonzero(inside).tolist(), key=lambda row: -min(float(apart[row]), WIDTH))
    for row in order[:MOST_TRIED]:
        with suppress(SourceError):
            yield cutouts.cut(job.cube, replace(rows[idents[row]], size=size), job.sources)


def _selected(targets: list[Target], wanted: Collection[Ident] | None, file: str) -> set[Ident]:
    """The IDs of the sources to extract; raises `InputError` if the catalogue lacks one of them."""
    known = dict.fromkeys(target.id for target in targets)
    if wanted is None:
        return set(known)
    unknown = [ident for ident in wanted if ident not in known]
    if not unknown:
        return set(wanted)
    numbers = [ident for ident in known if isinstance(ident, int)]
    names = [ident for ident in known if isinstance(ident, str)]
    if names:
        allowed = f'its IDs are {", ".join(names[:5])}'
        if len(names) > 5:
            allowed += ' ...'
        if numbers:
            allowed += f' and numbers from {min(numbers)} to {max(numbers)}'
        allowed += near(str(unknown[0]), names)
    else:
        allowed = f'its IDs run from {min(numbers)} to {max(numbers)}'
    raise InputError(f'--id {" ".join(map(str, unknown))}: not in {file}; {allowed}')


def _in_field(
    cube: OpenCube,
    sample: cutouts.Sample | None,
    rows: Sequence[Target],
    chosen: Collection[Ident],
    by_name: bool,
    params: Params,
) -> tuple[list[Target], list[str], dict[Ident, tuple[float, float]]]:
    """The rows that a run is about, lines on the others, and the positions (y, x) in pixels of all, by ID.

    The catalogue of a survey has many rows outside the field.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    sample : Sample or None
        Some of its channels.
    rows : sequence of Target
        All rows of the catalogue.
    chosen : collection of int or str
        The IDs of the sources to extract.
    by_name : bool
        Whether the user has named them: then they stay, and those outside fail.
    params : Params
        The parameters; file names are used in messages.

    Raises
    ------
    InputError
        If none of the chosen sources lies in the field.
    """
    places = cutouts.positions(cube, rows)
    by_id = {target.id: (y, x) for target, (y, x) in zip(rows, places.tolist(), strict=True)}
    inside = cutouts.covers(cube, places)
    outside = [target for target, is_inside in zip(rows, inside, strict=True) if not is_inside]
    missing = [target for target in outside if target.id in chosen]
    if len(missing) == len(chosen):
        field = f'the field of {params.datacube} ({cutouts.field_text(cube)})'
        what = cutouts.other_reading(cube, missing) or f'{_distances(cube, missing)}; correct them, or DATACUBE'
        raise InputError(f'{params.catalog or "--radec"}: 0 of {len(missing):,} positions lie in {field}; {what}')
    if by_name:
        stay = {target.id for target in rows} - {target.id for target in outside} | set(chosen)
        return [target for target in rows if target.id in stay], [], by_id
    notes = []
    if outside:
        note = f'{params.catalog}: {len(outside):,} of {len(rows):,} rows lie outside the field'
        if len(outside) <= MOST_NAMED:
            note += f' ({_distances(cube, outside)})'
        notes.append(note)
    if sample is not None:
        off_data = cutouts.off_data(cube, sample.voxels.blank, places)
        if off_data.any() and not sample.voxels.blank.all():
            if off_data.sum() < inside.sum():  # else each source says what is wrong with the cube there
                inside &= ~off_data
            some = [str(target.id) for target, is_off in zip(rows, off_data, strict=True) if is_off]
            listed = ', '.join(some[:MOST_NAMED]) + (' ...' if len(some) > MOST_NAMED else '')
            notes.append(
                f'{params.catalog}: {len(some):,} of {len(rows):,} rows lie where the cube has no data (ID {listed})'
            )
    return [target for target, is_inside in zip(rows, inside, strict=True) if is_inside], notes, by_id


def _distances(cube: OpenCube, outside: Sequence[Target]) -> str:
    """How far targets lie outside the field: each of a few, or the nearest."""
    degrees = cutouts.distances(cube, outside)
    nearest = np.argsort(degrees)[:MOST_NAMED].tolist()
    if len(outside) > MOST_NAMED:
        return f'the nearest, ID {outside[nearest[0]].id}, is {cutouts.how_far(degrees[nearest[0]])} outside'
    return ', '.join(f'ID {outside[n].id}: {cutouts.how_far(degrees[n])}' for n in nearest)


def _neighbours(
    cube: OpenCube, places: Mapping[Ident, tuple[float, float]], targets: Sequence[Target]
) -> dict[Ident, tuple[float, float]]:
    """Those of the positions (y, x), in pixels, by ID that are in or near the subcube of a target."""
    reach = max(target.size for target in targets) / min(cube.pixel) + cutouts.NEAR
    near = cutouts.covers(cube, np.array([*places.values()]), reach)
    return {ident: place for (ident, place), is_near in zip(places.items(), near, strict=True) if is_near}


def _fingerprint(params: Params, settings: SegmentationSettings) -> str:
    """What all sources share of the first half of `resume.fingerprint`: version, parameters, settings."""
    relevant = {name: value for name, value in vars(params).items() if name not in IRRELEVANT}
    kernel = None if settings.kernel is None else settings.kernel.tolist()
    return repr((__version__, relevant, vars(settings) | {'kernel': kernel}))


def _states(folder: Path, params: Params, beside: Sequence[Path]) -> str:
    """What all sources share of the second half: size and dates of the inputs.

    ``beside`` are files with noise and mask that belong to the cube.
    """
    names = [params.datacube, *params.image_files, *params.seg]
    if params.needs_neighbours:  # other rows of the catalogue
        names.append(params.catalog)
    statuses = [path.stat() for path in (*(folder / name for name in names if name), *beside)]
    # A program may set the date of a file's content, but not that of the change of its inode.
    return repr([(status.st_size, status.st_mtime_ns, status.st_ctime_ns) for status in statuses])
