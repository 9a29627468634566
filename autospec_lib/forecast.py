"""What a run would do, and what it would need: the text of ``AutoSpec --check``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

import numpy as np

from autospec_lib import geometry, names, stamps
from autospec_lib.errors import SourceError
from autospec_lib.model import Target
from autospec_lib.runner import Job

BASE_MEMORY = 250e6  # Python with numpy, astropy, mpdaf and matplotlib
BYTES_PER_VOXEL = 40  # data and variance in double precision, flags, and one copy of the data
BLOCK = 2880  # FITS files grow in blocks of this many bytes
PLOTS = 0.7e6  # the JPGs of one source


def describe(job: Job, targets: Sequence[Target]) -> Iterator[str]:
    """Lines about the cube, the sources, their references, and the memory and disk a run needs."""
    cube = job.cube
    yield from _cube(job)
    spaxels = []
    for target in targets:
        height, width = (s.stop - s.start for s in geometry.box_around((0.0, 0.0), target.size, cube.pixel))
        spaxels.append(height * width)
        note = _reference(job, target) + _trouble(job, target)
        yield f'source {target.id}: {height} x {width} spaxels, reference {note}'
    nl = len(cube.wave)
    loaded = sum(layer.values.nbytes for layer in cube.layers if layer.values is not None)
    voxels = nl * max(spaxels) * (2 if job.params.deblend else 1)
    memory = BASE_MEMORY + BYTES_PER_VOXEL * voxels + loaded
    disk = sum(_file_size(job, nl, number) for number in spaxels)
    there = sum(job.path(target).exists() for target in targets)
    yield f'memory: about {memory / 1e6:.0f} MB'
    yield f'disk: about {disk / 1e6:.0f} MB, {shutil.disk_usage(job.folder).free / 1e6:.0f} MB are free'
    yield f'sources to extract: {len(targets)}' + (f', replacing {there} files' if there else '')


def _cube(job: Job) -> Iterator[str]:
    cube = job.cube
    nl, ny, nx = cube.data.shape
    noise = f'{cube.noise_kind} in {cube.noise.name}' if cube.noise else 'no variance'
    yield f'cube: {job.params.datacube}, {nl} x {ny} x {nx} voxels (wavelength, y, x), {noise}'
    yield (
        f'wavelengths: {cube.wave[0]:.2f} to {cube.wave[-1]:.2f} {cube.grid.wave_unit}; '
        f'spaxels: {cube.pixel[0]:.3f} x {cube.pixel[1]:.3f} arcsec; unit: {cube.grid.unit or "none"}'
    )
    yield f'images: {", ".join(cube.images) or "none"}'
    yield f'your segmentation maps: {", ".join(cube.segmaps) or "none"}'


def _reference(job: Job, target: Target) -> str:
    tag = names.reference_tag(target.ref)
    known = {names.WHITE, *job.cube.images, *(names.aperture(radius) for radius in job.params.aper)}
    known |= {names.DEBLEND} if job.params.deblend else set()
    return tag if tag in known else f'{names.WHITE} ({target.ref!r} is neither in IMG nor in APER)'


def _trouble(job: Job, target: Target) -> str:
    try:
        stamps.locate(job.cube, target)
    except SourceError as error:
        return f'; will fail: {error}'
    return ''


def _file_size(job: Job, nl: int, spaxels: int) -> float:
    """Bytes of one source's output, near enough to plan with."""
    params, extra = job.params, len(job.cube.images)
    joint = bool(params.deblend)
    arrays = [4 * nl] * 2 * (3 + len(params.aper) + extra + 3 * params.xcor + joint + bool(params.psf))
    arrays += [4 * spaxels] * (4 + 3 * joint + 2 * extra + len(job.cube.segmaps) + 3 + 4 * params.xcor)
    arrays += [4 * nl * spaxels] * (2 * params.out_sub * (1 + (params.xcor and params.cont_sub)))
    blocks = sum(int(np.ceil(size / BLOCK)) + 1 for size in arrays)
    return blocks * BLOCK + PLOTS * params.plots
