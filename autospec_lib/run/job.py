"""The job: what all sources of a run share, read and checked before the first source."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from autospec_lib import __version__, pipeline
from autospec_lib.config import conflicts, sextractor
from autospec_lib.config.allowed_values import MEASURED
from autospec_lib.config.params import Params
from autospec_lib.core import file_names, geometry, keys
from autospec_lib.core.errors import InputError, SourceError, collected, near
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import BoolArray, CatalogueError, Cutout, FloatArray, Ident, Target
from autospec_lib.deblending import catalogue_error
from autospec_lib.extraction import narrow_band, sums_and_means
from autospec_lib.inputs import catalogue, images, psf
from autospec_lib.inputs import cube as cutouts
from autospec_lib.inputs.catalogue_rows import Catalogue
from autospec_lib.inputs.cube import OpenCube, open_cube
from autospec_lib.output import spectra_1d, verdicts
from autospec_lib.output.kept_figures import Kept
from autospec_lib.output.report import page
from autospec_lib.output.verdicts import Verdict
from autospec_lib.run import image_offsets, output_folder

# Cut-outs in which the error of the catalogue's positions is measured: width in pixels, and how
# many are tried.
WIDTH, MOST_TRIED = 25, 40
# Parameters left out of the fingerprint: they change nothing in a source's file and plots, or
# (SIZE, REF) they stand in its `Target`. CMAP is not among them: it changes plots.
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
        Pixel positions (y, x) of all rows of the catalogue near the field for the joint extraction
        and redshifts; empty if both are off.
    catalogue : tuple of Target
        The rows in the field, including those that this run does not extract, and those that it was
        asked for by name.
    old_tables : sequence of str
        The files in the folder of spectra as tables when the run began.
    catalogue_error : CatalogueError or None
        How good their positions are, for the joint extraction; see `with_catalogue_error`.
    columns : str
        One line on which columns of the catalogue were read as what.
    offsets : tuple of str
        How far images and catalogue lie from the cube where this is certain and no warning, one
        line each.
    verdicts : mapping of str to Verdict
        What people have decided on sources, by ID as text.
    logs : Path
        The folder with the folder of logs.
    usable : str
        Which voxels of the cube are not usable, and why, in words; '' where this is not known.
    blank : array of bool (ny, nx) or None
        The spaxels in which no voxel is usable, as far as it is known.
    white : array (ny, nx) or None
        The white light of the field, the mean of ``white_channels`` channels; None where they were
        not read.
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
    logs: Path = Path()
    usable: str = ''
    blank: BoolArray | None = field(default=None, compare=False, repr=False)
    white: FloatArray | None = field(default=None, compare=False, repr=False)
    white_channels: int = 0
    kept: Kept = field(default_factory=Kept, compare=False, repr=False)

    @property
    def output(self) -> Path:
        """The output folder."""
        return self.folder / self.params.output

    def files(self, target: Target) -> dict[str, Path]:
        """The paths of a source's files: 'file' in FITS, its plots by `PICTURES`, 'data' and 'cube'
        of the report."""
        stem, report = file_names.file_stem(target.id), self.output / file_names.REPORT
        plots, script = self.output / file_names.IMAGES / stem, file_names.report_data(target.id)
        return {
            'file': self.output / f'{self.params.pre_out}{stem}.fits',
            **{key: plots / file_names.picture(target.id, key) for key in file_names.PICTURES},
            'data': report / file_names.DATA / script,
            'cube': report / file_names.CUBES / script,
        }


def prepare(
    folder: Path,
    params: Params,
    idents: Collection[Ident] | None = None,
    skip_bad_rows: bool = False,
    resume: bool = False,
    positions: Sequence[str] = (),
) -> tuple[Job, list[Target], list[str]]:
    """Read and check the inputs.

    Parameters
    ----------
    folder : Path
        The working folder.
    params : Params
        The parameters in its ``param.py``.
    idents : collection of int or str, or None
        The IDs of the sources to extract; None = all.
    skip_bad_rows : bool
        Leave out rows of the catalogue that cannot be read.
    resume : bool
        Keep complete sources.
    positions : sequence of str
        Positions that are used instead of the catalogue, if there are any.

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
    opened = cache(partial(open_all, params, folder))

    def in_field(rows: Catalogue) -> BoolArray:
        return cutouts.covers(opened(), cutouts.positions(opened(), cutouts.placed(opened(), rows)))

    # Which sources? Faults of rows outside the field do not matter, so that the cube may have to be
    # opened first.
    if positions:
        listed = catalogue.from_positions(positions, params.size, params.ref)
    else:
        path = folder / params.catalog
        listed = catalogue.load(path, params.mode, params.size, params.ref, skip_bad_rows, in_field)
    chosen = _selected(listed.targets, idents, params.catalog)
    settings, ignored = sextractor.load(folder)
    # Which of them lie where the cube has data, and what have people decided on them?
    cube = opened()
    sample = cutouts.sample(cube)
    blank = None if sample is None else sample.voxels.blank
    by_name = idents is not None or bool(positions)
    kept, places, outside = _in_field(
        cube, blank, cutouts.placed(cube, listed), chosen, by_name, params
    )
    output = folder / params.output
    warnings = [*listed.warnings, *ignored, *cube.notes, *outside]
    by_id: dict[str, Verdict] = {}
    if (output / file_names.VERDICTS).is_file():
        kept, by_id, moved = with_verdicts(kept, output / file_names.VERDICTS)
        warnings += moved
    targets = [target for target in kept if target.id in chosen]
    if any(isinstance(entry, str) for entry in params.narrowband) and all(
        target.z is None for target in targets
    ):
        source = params.catalog or '--radec'
        warnings.append(
            f'{source}: no redshifts (column Z), so NARROWBAND gives no image of a line'
        )
    # May the results be written?
    logs = output_folder.check(
        folder, params, {file_names.file_stem(target.id) for target in targets}
    )
    if logs != folder:
        warnings.append(
            f'{folder / file_names.LOGS}: cannot be written; the log goes to {params.output}/{file_names.LOGS}'
        )
    obstacle = page.obstacle(output) if params.report else ''
    if obstacle:
        params = replace(params, report=False)
        warnings.append(obstacle)
    # What does each source's result depend on, and how far do images and catalogue lie from the
    # white light?
    fingerprint, states = _fingerprints(folder, params, settings, cube, positions)
    white = np.full(cube.shape, np.nan)
    sampled: dict[str, Any] = {}
    if sample is not None:
        white = sums_and_means.white_light(sample.voxels.columns).data.reshape(cube.shape)
        number = len(sample.voxels.data)
        sampled = {
            'usable': sample.usable,
            'blank': blank,
            'white': white,
            'white_channels': number,
        }
    listed_places = [] if positions else [places[target.id] for target in kept]
    cube, offsets, cautions = image_offsets.registered(cube, folder, params, listed_places, white)
    job = Job(
        folder,
        params,
        settings,
        cube,
        fingerprint,
        states,
        resume,
        sources=_neighbours(cube, places, targets) if params.needs_neighbours else {},
        catalogue=tuple(kept),
        old_tables=spectra_1d.listing(output / file_names.SPECTRA),
        columns=listed.description,
        offsets=tuple(offsets),
        verdicts=by_id,
        logs=logs,
        **sampled,
    )
    return job, targets, warnings + cautions


def open_all(params: Params, folder: Path) -> OpenCube:
    """Open the cube and put every image and map of the parameters on its grid.

    Parameters
    ----------
    params : Params
        The parameters.
    folder : Path
        The folder at which relative file names start.

    Raises
    ------
    InputError
        With the faults of all files at once.
    """
    path = folder / params.datacube
    cube = open_cube(path, params.data_ext)
    shape = cube.shape
    faults: list[str] = []
    aligned, maps, seeing = {}, {}, None
    centre = np.subtract(shape, 1) / 2
    for (parameter, name), setting in zip(params.images, params.img_shifts, strict=True):
        with collected(faults):
            shift = (
                cube.sky.to_shift(centre, setting)
                if setting and setting != MEASURED
                else (0.0, 0.0)
            )
            aligned[keys.image_tag(name)] = images.align(
                folder / name, cube.sky, shape, shift, parameter
            )
    for name in params.seg:
        with collected(faults):
            maps[keys.image_tag(name)] = images.nearest_map(folder / name, cube.sky, shape)
    with collected(faults):
        seeing = psf.read(params.psf, path, cube.primary, cube.wave, cube.grid.wave_unit)
    number = len(cube.wave)
    if params.xcor and params.cont_sub and params.cont_poly >= number:
        needed = f'needs more wavelengths than the {number} of {params.datacube}; expected at most {number - 1}'
        faults.append(f'param.py: CONT_POLY = {params.cont_poly} {needed}')
    if not params.prefix:  # else these have been checked
        with_prefix = replace(params, prefix=cube.instrument.prefix)
        faults += [f'param.py: {text}' for _, text in conflicts.tags(with_prefix)]
    fewest = 2 * narrow_band.FEWEST + 1
    if params.narrowband and number < fewest:
        few = f'NARROWBAND needs at least {fewest} wavelengths, and {params.datacube} has {number}'
        faults.append(f'param.py: {few}; set NARROWBAND = ()')
    elif params.narrowband:
        channels = pipeline.cube_channels(cube.wave, cube.grid, params.lsf)
        # Where the bands of lines are depends on the source.
        ranges = [entry for entry in params.narrowband if not isinstance(entry, str)]
        bands = [narrow_band.band(entry, None, channels) for entry in ranges]
        faults += [f'param.py: NARROWBAND: {band.fault}' for band in bands if band.fault]
    if faults:
        raise InputError(*faults)
    notes = [note for image in aligned.values() for note in image.notes]
    return replace(cube, images=aligned, segmaps=maps, psf=seeing, notes=(*cube.notes, *notes))


def with_verdicts(
    targets: Sequence[Target], file: Path
) -> tuple[list[Target], dict[str, Verdict], list[str]]:
    """The targets with the redshifts that people have accepted or not decided between, the verdicts
    on them, warnings.

    Where one has a redshift and another says that there is none, the target has neither: a single
    one counts as accepted.

    Parameters
    ----------
    targets : sequence of Target
        The sources.
    file : Path
        The file of verdicts in the output folder.
    """
    stored = verdicts.read(file)
    by_id = verdicts.about(stored, targets)
    judged = []
    for target in targets:
        one = by_id.get(str(target.id), Verdict())
        # A single redshift that somebody denies would look like an accepted one.
        undecided = one.rivals if len(one.rivals) > 1 else ()
        judged.append(
            replace(target, visual=undecided if one.accepted is None else (one.accepted,))
        )
    moved = [str(target.id) for target in targets if str(target.id) in stored.keys() - by_id.keys()]
    return judged, by_id, [verdicts.elsewhere(file, moved)] if moved else []


def with_catalogue_error(job: Job) -> tuple[Job, str]:
    """The job with the error of the catalogue's positions, if it has a joint extraction, and a line
    about it.

    The error is the user's word, or measured with sources of the whole catalogue, those with the
    fewest neighbours first. The line is empty if the error is not known.

    Raises
    ------
    InputError
        If the cube cannot be read any more.
    """
    scale = geometry.scale(job.cube.pixel)
    if not job.params.deblend:
        return job, ''
    if job.params.caterr:
        return replace(
            job, catalogue_error=CatalogueError((0.0, 0.0), job.params.caterr / scale)
        ), ''
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

    places = np.array([*job.sources.values()]).reshape(-1, 2)
    apart = (
        cKDTree(places).query(places, k=2)[0][:, 1] if len(places) > 1 else np.zeros(len(places))
    )
    inside = np.all((places > 0) & (places < job.cube.shape), axis=1).tolist()
    distances = dict(compress(zip(job.sources, np.minimum(apart, WIDTH), strict=True), inside))
    targets = [target for target in job.catalogue if target.id in distances]
    targets.sort(key=lambda target: -distances[target.id])
    size = WIDTH * geometry.scale(job.cube.pixel)
    for target in targets[:MOST_TRIED]:
        with suppress(SourceError):
            yield cutouts.cut(job.cube, replace(target, size=size), job.sources)


def _selected(targets: list[Target], wanted: Collection[Ident] | None, file: str) -> set[Ident]:
    """The IDs of the sources to extract; raises `InputError` if the catalogue lacks one of them."""
    known = dict.fromkeys(target.id for target in targets)
    unknown = [ident for ident in wanted or () if ident not in known]
    if not unknown:
        return set(known if wanted is None else wanted)
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
    blank: BoolArray | None,
    rows: Sequence[Target],
    chosen: Collection[Ident],
    by_name: bool,
    params: Params,
) -> tuple[list[Target], dict[Ident, tuple[float, float]], list[str]]:
    """The rows that a run is about, the positions (y, x) in pixels of all by ID, and lines on the
    others.

    The catalogue of a survey has many rows outside the field.

    Parameters
    ----------
    cube : OpenCube
        The cube.
    blank : array of bool (ny, nx) or None
        The spaxels in which no voxel is usable, as far as it is known.
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
    outside = [*compress(rows, ~inside)]
    missing = [target for target in outside if target.id in chosen]
    if len(missing) == len(chosen):
        field = f'the field of {params.datacube} ({cutouts.field_text(cube)})'
        what = (
            cutouts.other_reading(cube, missing)
            or f'{_distances(cube, missing)}; correct them, or DATACUBE'
        )
        raise InputError(
            f'{params.catalog or "--radec"}: 0 of {len(missing):,} positions lie in {field}; {what}'
        )
    if by_name:
        inside |= [target.id in chosen for target in rows]
        return [*compress(rows, inside)], by_id, []
    notes = []
    if outside:
        note = f'{params.catalog}: {len(outside):,} of {len(rows):,} rows lie outside the field'
        if len(outside) <= MOST_NAMED:
            note += f' ({_distances(cube, outside)})'
        notes.append(note)
    if blank is not None and not blank.all():
        off_data = cutouts.off_data(cube, blank, places)
        some = [str(target.id) for target in compress(rows, off_data)]
        if len(some) < inside.sum():  # else each source says what is wrong with the cube there
            inside &= ~off_data
        if some:
            listed = ', '.join(some[:MOST_NAMED]) + (' ...' if len(some) > MOST_NAMED else '')
            notes.append(
                f'{params.catalog}: {len(some):,} of {len(rows):,} rows lie where the cube has no data (ID {listed})'
            )
    return [*compress(rows, inside)], by_id, notes


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
    """Those of the positions (y, x), in pixels, by ID that are in or near the subcube of a
    target."""
    reach = max(target.size for target in targets) / min(cube.pixel) + cutouts.NEAR
    return dict(compress(places.items(), cutouts.covers(cube, np.array([*places.values()]), reach)))


def _fingerprints(
    folder: Path,
    params: Params,
    settings: SegmentationSettings,
    cube: OpenCube,
    positions: Sequence[str],
) -> tuple[str, str]:
    """What all sources share of the two halves of `resume.fingerprint`.

    The first is of version, parameters and settings, the second of size and dates of the inputs.
    """
    relevant = {name: value for name, value in vars(params).items() if name not in IRRELEVANT}
    kernel = None if settings.kernel is None else settings.kernel.tolist()
    names = [params.datacube, *params.img, *params.weight, *params.seg]
    if params.needs_neighbours:  # other rows of the catalogue
        names.append(params.catalog)
    statuses = [path.stat() for path in (*(folder / name for name in names if name), *cube.beside)]
    # A program may set the date of a file's content, but not that of the change of its inode.
    states = repr([(status.st_size, status.st_mtime_ns, status.st_ctime_ns) for status in statuses])
    if params.needs_neighbours:
        states += repr(positions)  # which are each other's neighbours
    return repr((__version__, relevant, vars(settings) | {'kernel': kernel})), states
