"""How good each kind of spectrum is on simulated fields whose truth is known.

Per kind: the flux scale (what the extraction makes of a source's own noiseless light, over the truth), the
signal-to-noise relative to the optimum (a fit with all true profiles), the leakage (sum over wavelength of the
absolute flux that all other sources put into the spectrum, over the source's own), and the width of the pulls
(spectrum - truth) / error. The first three come from applying an extraction's weights to noiseless cubes.

    python benchmarks/quality.py --seeds 10 --first 101    # and the real field of Abell 478 after them
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

from autospec_lib import deblend, solve
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import Measured, Psf
from autospec_lib.demo import simulation
from autospec_lib.detection import masks, segmentation
from autospec_lib.extraction import continuum, cross_correlation, weighting

HALF = 12  # a subcube of 25 x 25 pixels, 5 arcsec
MARGIN = 3  # pixels around it in which catalogued neighbours count
BLENDED = 2.0  # arcsec; a source with a neighbour nearer than this is blended
PUBLISHED = replace(
    SegmentationSettings(),
    detect_minarea=3,
    detect_thresh=(2.0,),
    deblend_mincont=0.0001,
    back_size=(2, 2),
    kernel=np.exp(-4 * np.log(2) * (np.arange(-4, 5)[:, None] ** 2 + np.arange(-4, 5) ** 2) / 25).astype('float32'),
)
COLUMNS = ('flux', 'S/N', 'leakage', 'pulls', 'seconds')


@dataclass(frozen=True)
class Stamp:
    """One source's subcube (nl, ny, nx), its truth alone and that of everything else, and catalogue positions."""

    data: np.ndarray
    variance: np.ndarray
    bad: np.ndarray
    own: np.ndarray
    others: np.ndarray
    spectrum: np.ndarray
    wave: np.ndarray
    positions: dict[int, tuple[float, float]]
    true_profiles: np.ndarray
    mixing: np.ndarray
    image: np.ndarray


def cut(field: simulation.Field, index: int) -> Stamp:
    """Cut one source's subcube out of a field, with NaN beyond the field's edge."""
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
    order = [index, *(one for one in np.flatnonzero(near) if one != index)]
    block = field.deep.reshape(ny, 2, nx, 2).sum(axis=(1, 3))
    return Stamp(
        data=data,
        variance=padded(field.variance, np.nan),
        bad=np.isnan(data),
        own=true[0],
        others=sum(true[1:], np.zeros_like(true[0])),
        spectrum=field.spectra[index],
        wave=field.wave,
        positions={int(one): (float(places[one, 0]), float(places[one, 1])) for one in order},
        true_profiles=padded(field.profiles[[one for one in lit if one == index or share[one] > 0.02]]),
        mixing=solve.interpolation(field.nodes, field.wave),
        image=padded(block, np.nan),
    )


Extraction = tuple[Measured, Callable[[np.ndarray], np.ndarray]]


def fitted(stamp: Stamp, profiles: np.ndarray, mixing: np.ndarray) -> Extraction:
    """The joint solve with these profiles, and what the same weights make of another cube."""

    def run(cube: np.ndarray) -> solve.Solution:
        return solve.solve(solve.weigh(cube, stamp.variance, stamp.bad), profiles, mixing)

    made = run(stamp.data)
    return Measured(made.spectra[0], made.covariance[:, 0, 0]), lambda cube: run(cube).spectra[0]


def joint(stamp: Stamp, options: deblend.Options) -> Extraction:
    """The joint extraction."""
    target = next(iter(stamp.positions))
    made = deblend.extract(stamp.data, stamp.variance, stamp.bad, stamp.positions, stamp.wave, options)
    return made.spectra[target], fitted(stamp, made.chromatic, made.mixing)[1]


def classical(stamp: Stamp) -> dict[str, Extraction]:
    """AutoSpec's kinds of spectra: aperture, white light, cross-correlation, with the published test's settings."""
    spaxels = weighting.Spaxels.from_cube(stamp.data, stamp.variance, stamp.bad)
    centre = next(iter(stamp.positions.values()))
    shape = stamp.data.shape[1:]
    white = weighting.white_light(spaxels).data
    segmap = segmentation.segment(white.reshape(shape), PUBLISHED)
    mask = masks.object_masks([segmap], centre)[0].ravel()
    y, x = np.indices(shape)
    circle = (np.hypot(y - centre[0], x - centre[1]) * simulation.PIXEL < 1.0).ravel()
    mask = mask if mask.any() else circle
    blank = (segmap == 0).reshape(1, -1)

    def cleaned(cube: np.ndarray) -> weighting.Spaxels:
        made = weighting.Spaxels.from_cube(cube, stamp.variance, stamp.bad)
        return made.minus(weighting.means(made, blank)[0])

    def by_weight(image: np.ndarray) -> Extraction:
        profile = weighting.profile(image, mask)[None]

        def run(cube: np.ndarray) -> Measured:
            return weighting.weighted(cleaned(cube), profile)[0]

        return run(stamp.data), lambda cube: run(cube).data

    def aperture(cube: np.ndarray) -> Measured:
        return weighting.sums(cleaned(cube), (mask & circle)[None])[0]

    made = {'aperture 1 arcsec': (aperture(stamp.data), lambda cube: aperture(cube).data)}
    made['white-light weighted'] = by_weight(white)
    reference = made['white-light weighted'][0]
    made['cross-correlation'] = by_weight(cross_correlation.cross_correlate(reference.data, spaxels).data)
    lines = continuum.basis(stamp.wave, 5)
    flat = reference.data - continuum.fit(reference.data, reference.variance, lines)
    made['cross-correlation, continuum-subtracted'] = by_weight(
        cross_correlation.cross_correlate(flat, spaxels, lines).data
    )
    return made


def judge(stamp: Stamp, made: Extraction, optimum: float, seconds: float) -> dict[str, float]:
    """The figures of one extraction."""
    spectrum, weights = made
    sigma = np.sqrt(spectrum.variance)
    own, leak = weights(np.where(stamp.bad, np.nan, stamp.own)), weights(np.where(stamp.bad, np.nan, stamp.others))
    # Quoted errors may be too small; what counts is the scatter that fresh noise makes.
    noise = np.random.default_rng(0).normal(size=stamp.data.shape) * np.sqrt(stamp.variance)
    honest = sigma * _width(weights(noise) / sigma)
    return {
        'flux': np.nansum(own) / np.sum(stamp.spectrum),
        'S/N': np.nanmedian(own / honest) / optimum,
        'leakage': np.nansum(np.abs(leak)) / np.sum(stamp.spectrum),
        'pulls': _width((spectrum.data - stamp.spectrum) / sigma),
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
        stamp = cut(field, index)
        best = fitted(stamp, stamp.true_profiles, stamp.mixing)
        optimum = judge(stamp, best, 1.0, 0.0)['S/N']
        figures = {name: judge(stamp, made, optimum, 0.0) for name, made in classical(stamp).items()}
        psf = Psf(scene.seeing[0] / simulation.PIXEL, scene.seeing[1] / simulation.PIXEL, scene.beta)
        known = {'DEBLEND': deblend.Options(), 'DEBLEND, PSF given': deblend.Options(psf=psf)}
        known['DEBLEND, deep image'] = deblend.Options(image=stamp.image)
        for name, options in known.items():
            start = time.process_time()
            made = joint(stamp, options)
            figures[name] = judge(stamp, made, optimum, time.process_time() - start)
        figures['true profiles (the optimum)'] = judge(stamp, best, optimum, 0.0)
        rows.append((bool(apart < BLENDED), figures))
    return rows


def table(rows: list[dict[str, dict[str, float]]]) -> str:
    """Medians as Markdown, and the 95th percentile and worst of the leakage."""
    head = ['', *COLUMNS, 'leakage 95 %', 'leakage worst']
    lines = ['| ' + ' | '.join(head) + ' |', '|---' * len(head) + '|']
    for name in rows[0]:
        values = {column: [row[name][column] for row in rows] for column in COLUMNS}
        cells = [f'{np.nanmedian(values[column]):.3f}' for column in COLUMNS]
        cells += [f'{np.nanpercentile(values["leakage"], 95):.3f}', f'{np.nanmax(values["leakage"]):.3f}']
        lines.append('| ' + ' | '.join([name, *cells]) + ' |')
    return '\n'.join(lines)


def simulated(seeds: range, workers: int) -> None:
    """Print the tables of the simulated fields."""
    with ProcessPoolExecutor(workers) as pool:
        for kind in ('easy', 'hard'):
            rows = [row for field in pool.map(one_field, [kind] * len(seeds), seeds) for row in field]
            for title, wanted in (('blended sources', True), ('isolated sources', False)):
                chosen = [figures for blended, figures in rows if blended is wanted]
                print(f'\n{kind}, seeds {seeds[0]}-{seeds[-1]}, {len(chosen)} {title}, medians\n\n{table(chosen)}')
            print(f'\n{kind}, all {len(rows)} sources\n\n{table([figures for _, figures in rows])}', flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, default=10, help='number of fields of each kind')
    parser.add_argument('--first', type=int, default=101, help='the first seed')
    parser.add_argument('--workers', type=int, default=2, help='processes at a time')
    parser.add_argument('--field', action='store_true', help='the real field only')
    options = parser.parse_args()
    if not options.field:
        simulated(range(options.first, options.first + options.seeds), options.workers)
    print(f'\n{quality_field.report()}')


if __name__ == '__main__':
    main()
