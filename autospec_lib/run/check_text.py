"""The text of ``AutoSpec --check``: what a run would do, and how much memory and disk it would
need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from math import ceil

from autospec_lib import pipeline
from autospec_lib.core import keys
from autospec_lib.core.atomic import nearest_existing
from autospec_lib.core.errors import SourceError, counted
from autospec_lib.core.keys import Names
from autospec_lib.core.types import Target
from autospec_lib.extraction import narrow_band
from autospec_lib.inputs import cube as cutouts
from autospec_lib.output.report import binned_cube
from autospec_lib.output.source_file import BLOCK
from autospec_lib.run import cube_copy, resume
from autospec_lib.run.job import Job, with_catalogue_error
from autospec_lib.run.psf_from_stars import with_seeing

BASE_MEMORY = 250e6  # Python with numpy, astropy, scipy and matplotlib
PROCESS_MEMORY = 80e6  # the part of it that each further process does not share
BYTES_PER_VOXEL = 40  # data and variance in double precision, flags, and one copy of the data
PLOTS = 0.7e6  # the JPGs of one source
BINNED_VOXEL = 0.7  # bytes of text in the report's binned cubes


def describe(job: Job, targets: Sequence[Target], processes: int = 1) -> Iterator[str]:
    """Lines about the cube, the sources, their references, and the memory and disk a run needs.

    Parameters
    ----------
    job : Job
        What all sources share.
    targets : sequence of Target
        The sources of the run.
    processes : int
        How many extract at a time on this machine.
    """
    cube = job.cube
    yield from _cube(job)
    yield f'catalogue: {job.columns}'
    for line in job.offsets:
        yield f'offset: {line}'
    if job.usable:
        yield f'voxels: {job.usable}'
    number = cutouts.covers(cube, cutouts.positions(cube, job.catalogue)).sum()
    yield f'field: {cutouts.field_text(cube)}; rows of the catalogue inside: {number}'
    able = []  # the sources that do not fail, with the spaxels of their subcubes
    for target in targets:
        try:
            _, box, inside, notes = cutouts.box_of(cube, target)
        except SourceError as error:
            yield f'source {target.id}: will fail: {error}'
            continue
        height, width = (s.stop - s.start for s in box)
        if job.blank is not None and job.blank[inside].all():
            notes = (*notes, 'will fail: no usable voxel in its subcube')
        else:
            able.append((target, height * width))
        yield f'source {target.id}: {height} x {width} spaxels, reference {"; ".join((*_images(job, target), *notes))}'
    for measure in (with_seeing, with_catalogue_error):
        job, line = measure(job)
        if line:
            yield line
    slow = cube_copy.plan(job, targets)
    if slow is not None:
        yield slow.line
    largest = max((spaxels for _, spaxels in able), default=0)
    yield f'memory: about {memory(job, largest, processes) / 1e6:.0f} MB'
    to_do = [one for one in able if not (job.resume and resume.is_complete(job, one[0]))]
    needed = sum(file_size(job, spaxels) for _, spaxels in to_do)
    free = shutil.disk_usage(nearest_existing(job.output)).free
    yield f'disk: about {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free'
    replaced = sum(job.files(target)['file'].exists() for target, _ in to_do)
    line = f'sources to extract: {len(to_do)}'
    if replaced:
        line += f', replacing {counted(replaced, "file")}'
    if len(to_do) < len(able):
        line += f', keeping {len(able) - len(to_do)} that are complete'
    yield line


def _cube(job: Job) -> Iterator[str]:
    cube, params = job.cube, job.params
    nl, ny, nx = cube.data.shape
    yield f'cube: {params.datacube}, {nl} x {ny} x {nx} voxels (wavelength, y, x), {cube.noise_text}'
    yield f'recognised: {cube.recognised}'
    yield (
        f'wavelengths: {cube.wave[0]:.7g} to {cube.wave[-1]:.7g} {cube.grid.wave_unit}; '
        f'spaxels: {cube.pixel[0]:.3f} x {cube.pixel[1]:.3f} arcsec; unit: {cube.grid.unit or "none"}'
    )
    yield f'images: {", ".join(cube.images) or "none"}'
    if params.weight:
        yield f'of these for weights alone: {", ".join(map(keys.image_tag, params.weight))}'
    for entry, band in _bands(job, None):
        place = ' at the redshift of each source' if isinstance(entry, str) else f', {band.text}'
        yield f'narrow band: {band.tag}{place}'
    yield f'your segmentation maps: {", ".join(cube.segmaps) or "none"}'


def _bands(
    job: Job, z: float | None
) -> Iterator[tuple[str | tuple[float, float], narrow_band.Band]]:
    """The entries of NARROWBAND, and their bands at a redshift."""
    if job.params.narrowband:
        channels = pipeline.cube_channels(job.cube.wave, job.cube.grid, job.params.lsf)
        for entry in job.params.narrowband:
            yield entry, narrow_band.band(entry, z, channels)


def _images(job: Job, target: Target) -> Iterator[str]:
    """The reference of a source, and where its narrow bands of lines are, or why there is none."""
    names = Names(job.params.prefix or job.cube.instrument.prefix, job.params.aper, target.aper)
    bands = [*_bands(job, target.z)]
    tags = [*job.cube.images, *(band.tag for _, band in bands if not band.fault)]
    tag = names.reference(target.ref, tags, bool(job.params.deblend))
    yield tag or f'{names.white} ({target.ref!r} is not in IMG, NARROWBAND, WEIGHT or APER)'
    for entry, band in bands:
        if isinstance(entry, str):
            yield f'no {band.tag}: {band.fault}' if band.fault else f'{band.tag} {band.text}'


def memory(job: Job, spaxels: int, processes: int) -> float:
    """Approximate bytes of memory for a run.

    Parameters
    ----------
    job : Job
        What all sources share.
    spaxels : int
        How many the largest subcube has.
    processes : int
        How many extract at a time.
    """
    voxels = len(job.cube.wave) * spaxels * (2 if job.params.deblend else 1)
    return (
        BASE_MEMORY
        + job.cube.loaded
        + processes * BYTES_PER_VOXEL * voxels
        + (processes - 1) * PROCESS_MEMORY
    )


def file_size(job: Job, spaxels: int) -> float:
    """Approximate bytes of output for one source.

    Parameters
    ----------
    job : Job
        What all sources share.
    spaxels : int
        How many its subcube has.
    """
    params, nl = job.params, len(job.cube.wave)
    images = len(params.image_tags)
    # White light, the sum and the sky; then what each option adds.
    spectra, other_spectra, cubes = 2 + len(params.aper) + images, 1, int(params.out_sub)
    planes = 7 + 2 * images - len(params.weight) + len(params.narrowband) + len(job.cube.segmaps)
    if params.deblend:
        spectra += 1
        planes += 3
    if job.cube.psf is not None:
        spectra += 1
    if params.xcor:
        spectra += 1
        planes += 4
    if params.xcor and params.cont_sub:
        spectra += 1
        other_spectra += 1
        cubes *= 2
    flux = 2 * (spectra + other_spectra)  # with variance
    arrays = [(flux, 4 * nl, 1), (planes, 4 * spaxels, 1), (2 * cubes, 4 * nl * spaxels, 1)]
    if params.out_1d:
        arrays.append((spectra, 17 * nl, 3))
    size: float = sum(
        number * BLOCK * (ceil(nbytes / BLOCK) + headers) for number, nbytes, headers in arrays
    )
    size += 8 * nl * params.marz
    if params.plots:
        size += PLOTS
    if params.report:
        # The spectra once more, in text of four characters for three bytes.
        size += flux * 4 * nl * 4 / 3
        if params.report_cube:
            size += BINNED_VOXEL * spaxels * nl / binned_cube.channels_per_bin(nl, spaxels)
    return size
