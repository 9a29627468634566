"""The text of ``AutoSpec --check``: what a run would do, and how much memory and disk it would need."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from autospec_lib.core import keys
from autospec_lib.core.errors import SourceError
from autospec_lib.core.types import Target
from autospec_lib.inputs import cutouts
from autospec_lib.run import resume, slow_storage
from autospec_lib.run.job import Job

BASE_MEMORY = 250e6  # Python with numpy, astropy, mpdaf and matplotlib
PROCESS_MEMORY = 80e6  # the part of it that each further process does not share
BYTES_PER_VOXEL = 40  # data and variance in double precision, flags, and one copy of the data
BLOCK = 2880  # FITS files grow in blocks of this many bytes
PLOTS = 0.7e6  # the JPGs of one source


def describe(job: Job, targets: Sequence[Target], processes: int = 1) -> Iterator[str]:
    """Lines about the cube, the sources, their references, and the memory and disk a run needs."""
    yield from _cube(job)
    yield f'catalogue: {job.columns}'
    spaxels = []
    for target in targets:
        centre, trouble = _centre(job, target)
        box, notes = cutouts.box_of(job.cube, target, centre)
        height, width = (s.stop - s.start for s in box)
        spaxels.append(height * width)
        note = '; '.join((_reference(job, target), *notes, *trouble))
        yield f'source {target.id}: {height} x {width} spaxels, reference {note}'
    slow = slow_storage.plan(job, targets)
    if slow is not None:
        yield f'{job.params.datacube}: {slow.line}'
    kept = [target for target in targets if job.resume and resume.is_complete(job, target)]
    there = sum(job.path(target).exists() for target in targets) - len(kept)
    output = job.output
    disk = next(path for path in (output, *output.parents) if path.exists())
    needed = sum(map(partial(file_size, job), spaxels))
    yield f'memory: about {memory(job, max(spaxels), processes) / 1e6:.0f} MB'
    yield f'disk: about {needed / 1e6:.0f} MB, {shutil.disk_usage(disk).free / 1e6:.0f} MB are free'
    yield (
        f'sources to extract: {len(targets) - len(kept)}'
        + (f', replacing {there} files' if there else '')
        + (f', keeping {len(kept)} that are complete' if kept else '')
    )


def memory(job: Job, spaxels: int, processes: int) -> float:
    """Approximate bytes of memory for a run with so many processes and so many spaxels in the largest subcube."""
    loaded = sum(layer.values.nbytes for layer in job.cube.layers if layer.values is not None)
    voxels = len(job.cube.wave) * spaxels * (2 if job.params.deblend else 1)
    return BASE_MEMORY + loaded + processes * BYTES_PER_VOXEL * voxels + (processes - 1) * PROCESS_MEMORY


def _cube(job: Job) -> Iterator[str]:
    cube = job.cube
    nl, ny, nx = cube.data.shape
    noise = f'{cube.noise_kind} in {cube.noise.name} ({cube.noise_why})' if cube.noise else 'no variance'
    yield f'cube: {job.params.datacube}, {nl} x {ny} x {nx} voxels (wavelength, y, x), {noise}'
    yield f'recognised: {cube.recognised}'
    yield (
        f'wavelengths: {cube.wave[0]:.7g} to {cube.wave[-1]:.7g} {cube.grid.wave_unit}; '
        f'spaxels: {cube.pixel[0]:.3f} x {cube.pixel[1]:.3f} arcsec; unit: {cube.grid.unit or "none"}'
    )
    yield f'images: {", ".join(cube.images) or "none"}'
    yield f'your segmentation maps: {", ".join(cube.segmaps) or "none"}'


def _reference(job: Job, target: Target) -> str:
    radii = [*job.params.aper, *([] if target.aper is None else [target.aper])]
    tag = keys.reference(target.ref, job.cube.images, radii, bool(job.params.deblend))
    lost = '' if tag else f' ({target.ref!r} is neither in IMG nor in APER)'
    return keys.prefixed(tag or keys.WHITE, job.prefix) + lost


def _centre(job: Job, target: Target) -> tuple[tuple[float, float], list[str]]:
    """The target's pixel ((0, 0) if it has none), and why it will fail."""
    try:
        return cutouts.locate(job.cube, target), []
    except SourceError as error:
        return (0.0, 0.0), [f'will fail: {error}']


def file_size(job: Job, spaxels: int) -> float:
    """Approximate bytes of output for one source with so many spaxels."""
    nl = len(job.cube.wave)
    params, extra = job.params, len(job.cube.images)
    joint = bool(params.deblend)
    spectra = 2 + len(params.aper) + extra + params.xcor * (1 + params.cont_sub) + joint + bool(params.psf)
    arrays = [4 * nl] * 2 * (spectra + 1 + params.xcor * params.cont_sub)
    arrays += [4 * spaxels] * (4 + 3 * joint + 2 * extra + len(job.cube.segmaps) + 3 + 4 * params.xcor)
    arrays += [4 * nl * spaxels] * (2 * params.out_sub * (1 + (params.xcor and params.cont_sub)))
    tables = [17 * nl] * (spectra * params.out_1d)
    blocks = sum(int(np.ceil(size / BLOCK)) + 1 for size in arrays)
    blocks += sum(int(np.ceil(size / BLOCK)) + 3 for size in tables)
    # The report holds the spectra once more, in text of four characters for three bytes.
    again = params.report * sum(size * 4 / 3 for size in arrays if size == 4 * nl)
    return blocks * BLOCK + PLOTS * params.plots + 8 * nl * params.marz + again
