"""How good each kind of spectrum is on simulated fields whose truth is known.

Per kind: the flux scale (what the extraction makes of a source's own noiseless light, over the
truth), the signal-to-noise relative to the optimum (a fit with all true profiles), the leakage (sum
over wavelength of the absolute flux that all other sources put into the spectrum, over the source's
own), and the width of the pulls (spectrum - truth) / error. The first three come from applying an
extraction's weights to noiseless cubes.

    python benchmarks/quality.py --seeds 10 --first 101    # then galaxies of other kinds, and the field of Abell 478
    python benchmarks/quality.py --field                   # that alone
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

for library in ('OPENBLAS', 'MKL', 'OMP'):  # as the command does, and before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np
import quality_field
import quality_kinds

from autospec_lib import pipeline
from autospec_lib.config.params import Params
from autospec_lib.core import keys
from autospec_lib.core.keys import Names
from autospec_lib.core.products import Kind, Products, Spectrum
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import Cutout, Grid, Measured, Psf, Target, Voxels
from autospec_lib.deblending.joint_fit import fit_jointly
from autospec_lib.deblending.linear_system import Solution, solve
from autospec_lib.deblending.weighted_data import WeightedCube
from autospec_lib.demo import simulation
from autospec_lib.extraction import sums_and_means, weights

HALF = 12  # a subcube of 25 x 25 pixels, 5 arcsec
MARGIN = 12  # pixels around it in which catalogued neighbours count
BLENDED = 2.0  # arcsec; a source with a neighbour nearer than this is blended
SEEING = 0.8  # arcsec; where the joint fit starts without a PSF
PUBLISHED = replace(
    SegmentationSettings(),
    detect_minarea=3,
    detect_thresh=(2.0,),
    deblend_mincont=0.0001,
    back_size=(2, 2),
    kernel=np.exp(
        -4 * np.log(2) * (np.arange(-4, 5)[:, None] ** 2 + np.arange(-4, 5) ** 2) / 25
    ).astype('float32'),
)
KINDS = {
    'aperture 1 arcsec': (Names().aperture(1.0), False),
    'white-light weighted': (Names().white, False),
    'cross-correlation': (keys.XCOR, False),
    'cross-correlation, continuum-subtracted': (keys.XCOR, True),
}
COLUMNS = ('flux', 'S/N', 'leakage', 'pulls', 'seconds')


@dataclass(frozen=True)
class Sample:
    """One source's cut-out, its truth alone and that of everything else (nl, ny, nx), and a sharper
    image."""

    cutout: Cutout
    own: np.ndarray
    others: np.ndarray
    spectrum: np.ndarray
    true_profiles: np.ndarray
    image: np.ndarray


def cut(field: simulation.Field, index: int) -> Sample:
    """Cut one source's subcube out of a field; voxels beyond the field's edge are bad."""
    y, x = np.rint(field.positions[index]).astype(int) - HALF
    ny, nx = field.cube.shape[1:]
    width = 2 * HALF + 1
    ys, xs = slice(max(y, 0), min(y + width, ny)), slice(max(x, 0), min(x + width, nx))
    pad = ((ys.start - y, y + width - ys.stop), (xs.start - x, x + width - xs.stop))

    def padded(cube: np.ndarray, value: float = 0.0) -> np.ndarray:
        edges = ((0, 0),) * (cube.ndim - 2) + pad
        return np.pad(cube[..., ys, xs].astype(float), edges, constant_values=value)

    data = padded(field.cube, np.nan)
    share = field.profiles[:, 0, ys, xs].sum(axis=(1, 2))
    lit = [index, *(int(one) for one in np.flatnonzero(share > 1e-3) if one != index)]
    true = [np.pad(field.truth(one, (ys, xs)), ((0, 0), *pad)) for one in lit]
    places = field.positions - (y, x)
    near = ((places >= -MARGIN) & (places <= width - 1 + MARGIN)).all(axis=1)
    block = field.deep.reshape(ny, 2, nx, 2).sum(axis=(1, 3))
    cutout = Cutout(
        target=Target(index, 0.0, 0.0, width * simulation.PIXEL),
        voxels=Voxels.of(data, padded(field.variance), np.isnan(data)),
        wave=field.wave,
        centre=(float(places[index, 0]), float(places[index, 1])),
        pixel=(simulation.PIXEL, simulation.PIXEL),
        grid=Grid({}, {}),
        neighbours={
            int(one): (float(places[one, 0]), float(places[one, 1]))
            for one in np.flatnonzero(near)
            if one != index
        },
    )
    return Sample(
        cutout=cutout,
        own=true[0],
        others=sum(true[1:], np.zeros_like(true[0])),
        spectrum=field.spectra[index],
        true_profiles=padded(
            field.profiles[[one for one in lit if one == index or share[one] > 0.02]]
        ),
        image=padded(block, np.nan),
    )


# A spectrum, and the function that gives what the same weights make of another cube (nl, ny, nx).
Extraction = tuple[Measured, Callable[[np.ndarray], np.ndarray]]


def with_profiles(sample: Sample, profiles: np.ndarray) -> Extraction:
    """The joint spectrum with given profiles."""
    voxels = sample.cutout.voxels

    def run(cube: np.ndarray) -> Solution:
        other = Voxels.of(cube, voxels.variance, voxels.bad)
        return solve(WeightedCube.of(other, sample.cutout.wave_fraction), profiles)

    made = run(voxels.data)
    return Measured(made.spectra[0], made.covariance[:, 0, 0]), lambda cube: run(cube).spectra[0]


def joint(sample: Sample, psf: Psf | None = None, image: np.ndarray | None = None) -> Extraction:
    """The joint extraction."""
    cutout = sample.cutout
    positions = {cutout.target.id: cutout.centre, **cutout.neighbours}
    seeing = psf or SEEING / simulation.PIXEL
    made = fit_jointly(cutout.voxels, positions, cutout.wave_fraction, seeing, image)
    return with_profiles(sample, made.profiles)


def classical(sample: Sample) -> dict[str, Extraction]:
    """AutoSpec's own kinds of spectra, with the published test's settings."""
    products = pipeline.process(sample.cutout, Params(aper=(1.0,)), PUBLISHED)
    found = {(one.tag, one.continuum_subtracted): one for one in products.spectra.values()}
    return {
        name: (found[what], weights_of(sample.cutout, products, found[what]))
        for name, what in KINDS.items()
    }


def weights_of(
    cutout: Cutout, products: Products, spectrum: Spectrum
) -> Callable[[np.ndarray], np.ndarray]:
    """What a spectrum's weights, and the subtraction of the sky, make of another cube."""
    sky = products.masks[keys.MASK_SKY].data.reshape(1, -1)
    profile = spectrum.weights.reshape(1, -1)

    def run(cube: np.ndarray) -> np.ndarray:
        columns = Voxels.of(cube, cutout.voxels.variance, cutout.voxels.bad).columns
        cleaned = (
            columns.minus(sums_and_means.sums(columns, sky, mean=True)[0])
            if spectrum.sky_subtracted
            else columns
        )
        if spectrum.kind is Kind.SUM:
            return sums_and_means.sums(cleaned, profile > 0)[0].data
        return weights.weighted(cleaned, profile)[0].data

    return run


def judge(sample: Sample, made: Extraction, optimum: float, seconds: float) -> dict[str, float]:
    """The figures of one extraction."""
    spectrum, weigh = made
    sigma = np.sqrt(spectrum.variance)
    own, leak = weigh(sample.own), weigh(sample.others)
    # Quoted errors may be too small; what counts is the scatter that fresh noise makes.
    noise = np.random.default_rng(0).normal(size=sample.own.shape) * np.sqrt(
        sample.cutout.voxels.variance
    )
    honest = sigma * _width(weigh(noise) / sigma)
    return {
        'flux': np.nansum(own) / np.sum(sample.spectrum),
        'S/N': np.nanmedian(own / honest) / optimum,
        'leakage': np.nansum(np.abs(leak)) / np.sum(sample.spectrum),
        'pulls': _width((spectrum.data - sample.spectrum) / sigma),
        'seconds': seconds,
    }


def _width(values: np.ndarray) -> float:
    """Half the distance between the 16th and the 84th percentile: 1 for pulls of true errors."""
    low, high = np.nanpercentile(values, (15.87, 84.13))
    return float(high - low) / 2


def one_field(kind: str, seed: int) -> list[tuple[bool, dict[str, dict[str, float]]]]:
    """All sources of one field: whether blended, and the figures per kind of spectrum."""
    scene = getattr(simulation, kind)(seed)
    field = scene.make()
    places = np.array([(one.y, one.x) for one in field.galaxies]) * simulation.PIXEL
    rows = []
    for index in range(sum(one.catalogued for one in field.galaxies)):
        apart = np.sort(np.hypot(*(places - places[index]).T))[1]
        sample = cut(field, index)
        best = with_profiles(sample, sample.true_profiles)
        optimum = judge(sample, best, 1.0, 0.0)['S/N']
        figures = {
            name: judge(sample, made, optimum, 0.0) for name, made in classical(sample).items()
        }
        psf = Psf(tuple(width / simulation.PIXEL for width in scene.seeing), (scene.beta,))
        known = {
            'DEBLEND': {},
            'DEBLEND, PSF given': {'psf': psf},
            'DEBLEND, deep image': {'image': sample.image},
        }
        for name, given in known.items():
            start = time.process_time()
            made = joint(sample, **given)
            figures[name] = judge(sample, made, optimum, time.process_time() - start)
        figures['true profiles (the optimum)'] = judge(sample, best, optimum, 0.0)
        rows.append((bool(apart < BLENDED), figures))
    return rows


def table(rows: list[dict[str, dict[str, float]]]) -> str:
    """Medians as Markdown, and the 95th percentile and worst of the leakage."""
    head = ['', *COLUMNS, 'leakage 95 %', 'leakage worst']
    lines = ['| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|']
    for name in rows[0]:
        values = {column: [row[name][column] for row in rows] for column in COLUMNS}
        cells = [f'{np.nanmedian(values[column]):.3f}' for column in COLUMNS]
        cells += [
            f'{np.nanpercentile(values["leakage"], 95):.3f}',
            f'{np.nanmax(values["leakage"]):.3f}',
        ]
        lines.append('| ' + ' | '.join([name, *cells]) + ' |')
    return '\n'.join(lines)


def simulated(seeds: range, workers: int) -> None:
    """Print the tables of the simulated fields."""
    with ProcessPoolExecutor(workers) as pool:
        for kind in ('easy', 'hard'):
            rows = [
                row for field in pool.map(one_field, [kind] * len(seeds), seeds) for row in field
            ]
            for title, wanted in (('blended sources', True), ('isolated sources', False)):
                chosen = [figures for blended, figures in rows if blended is wanted]
                print(
                    f'\n{kind}, seeds {seeds[0]}-{seeds[-1]}, {len(chosen)} {title}, medians\n\n{table(chosen)}'
                )
            print(
                f'\n{kind}, all {len(rows)} sources\n\n{table([figures for _, figures in rows])}',
                flush=True,
            )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seeds', type=int, default=10, help='number of fields of each kind')
    parser.add_argument('--first', type=int, default=101, help='the first seed')
    parser.add_argument('--workers', type=int, default=2, help='processes at a time')
    parser.add_argument('--field', action='store_true', help='the real field only')
    options = parser.parse_args()
    if not options.field:
        simulated(range(options.first, options.first + options.seeds), options.workers)
        print('\ngalaxies of other kinds\n')
        quality_kinds.report(
            list(quality_kinds.KINDS), range(options.first, options.first + min(options.seeds, 2))
        )
    print(f'\n{quality_field.report()}')


if __name__ == '__main__':
    main()
