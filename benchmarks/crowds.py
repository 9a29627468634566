"""How long the joint extraction takes for one source among others, and whether its flux is right.

Catalogued exponential discs or stars, with the spectra and the PSF of `quality_kinds.py`, lie in a
cut-out of 25 x 25 pixels, or of as many as the case's name says; a cluster is 32 stars in 10 x 10
arcsec, of which every fourth is extracted in its own cut-out.

    python benchmarks/crowds.py                        # ten minutes at most
    python benchmarks/crowds.py --profile disc15       # where the time goes
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
from collections.abc import Iterator
from dataclasses import replace

for library in ('OPENBLAS', 'MKL', 'OMP'):  # as the command does, and before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np
from quality_kinds import (
    DEPTH,
    NODES,
    SIDE,
    WAVE,
    Sample,
    Scene,
    judge,
    make_source,
    render,
    sky_variance,
)

from autospec_lib.deblending import joint_extraction

# Number of sources, their kind, the side in pixels of the square that they are in, their least
# distance, and the side of the cut-out.
CASES = {
    'disc2': (2, 'disc', 18, 4.5, 25),
    'disc6': (6, 'disc', 22, 4.0, 25),
    'disc15': (15, 'disc', 24, 3.0, 25),
    'star2': (2, 'star', 18, 4.5, 25),
    'star6': (6, 'star', 22, 4.0, 25),
    'star15': (15, 'star', 24, 3.0, 25),
    'mixed6': (6, 'both', 22, 4.0, 25),
    'mixed15': (15, 'both', 24, 3.0, 25),
    'cluster': (32, 'star', 50, 2.5, 25),
    'disc6at35': (6, 'disc', 32, 4.0, 35),
    'disc15at35': (15, 'disc', 32, 3.5, 35),
    'star15at35': (15, 'star', 32, 3.5, 35),
    'disc2at51': (2, 'disc', 48, 4.5, 51),
    'disc6at51': (6, 'disc', 48, 4.0, 51),
    'disc15at51': (15, 'disc', 48, 3.5, 51),
    'star15at51': (15, 'star', 48, 3.5, 51),
}


def make_scene(name: str, seed: int) -> Scene:
    """A field with the sources of a case in its middle."""
    count, kind, width, apart, _ = CASES[name]
    rng = np.random.default_rng((seed, sum(map(ord, name))))
    places: list[np.ndarray] = []
    while len(places) < count:
        place = SIDE / 2 - 0.5 + rng.uniform(-width / 2, width / 2, 2)
        if all(np.hypot(*(place - other)) > apart for other in places):
            places.append(place)
    kinds = [('star', 'disc')[n % 2] if kind == 'both' else kind for n in range(count)]
    bright = np.exp(rng.uniform(*np.log((100.0, 1000.0)), count))
    sources = [make_source(rng, *each) for each in zip(kinds, places, bright, strict=True)]
    blue = rng.uniform(3.4, 4.6)
    fwhm = np.linspace(blue, 0.8 * blue, len(NODES))
    images = [[render(part, fwhm, 2.8) for part in source.parts] for source in sources]
    rows = [(n, source.place + rng.normal(0, 0.2, 2)) for n, source in enumerate(sources)]
    variance = (DEPTH * sky_variance(WAVE))[:, None, None]
    cube = rng.normal(size=(len(WAVE), SIDE, SIDE)) * np.sqrt(variance)
    scene = Scene(sources, images, rows, fwhm, cube, variance)
    everything = (slice(None), slice(None))
    return replace(scene, cube=cube + sum(scene.light(n, everything) for n in range(count)))


def samples(name: str, seed: int) -> Iterator[Sample]:
    """The cut-outs that are extracted: that of the source nearest to the middle, or every fourth of
    a cluster."""
    scene, side = make_scene(name, seed), CASES[name][4]
    middle = np.argmin([np.abs(place - SIDE / 2 + 0.5).max() for _, place in scene.rows])
    for number, sample in enumerate(scene.samples(side // 2)):
        if number == middle if CASES[name][2] < side else number % 4 == 0:
            yield sample


def main() -> None:
    """Print a line for every case, or the profile of one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--cases', nargs='+', default=list(CASES), choices=list(CASES), metavar='CASE'
    )
    parser.add_argument('--seeds', type=int, default=3, help='number of fields of each case')
    parser.add_argument('--first', type=int, default=1, help='the first seed')
    parser.add_argument(
        '--profile', choices=list(CASES), metavar='CASE', help='print where the time of a case goes'
    )
    options = parser.parse_args()
    if options.profile:
        cutouts = [sample.cutout for sample in samples(options.profile, options.first)][:3]
        with cProfile.Profile() as profile:
            for cutout in cutouts:
                joint_extraction.products(cutout, joint_extraction.fit(cutout), False)
        pstats.Stats(profile).sort_stats('tottime').print_stats(25)
        return
    print(
        '| case | sources | s CPU (most) | S/N (lowest) | flux (range) | leakage median / worst | C |'
    )
    print('|---|---|---|---|---|---|---|')
    for name in options.cases:
        rows = [
            judge(one)
            for seed in range(options.seeds)
            for one in samples(name, options.first + seed)
        ]
        get = {
            key: np.array([row[key] for row in rows])
            for key in ('seconds', 'S/N', 'flux', 'leakage')
        }
        print(
            f'| {name} | {len(rows)} | {get["seconds"].mean():.2f} ({get["seconds"].max():.2f}) '
            f'| {np.median(get["S/N"]):.3f} ({get["S/N"].min():.2f}) '
            f'| {np.median(get["flux"]):.3f} ({get["flux"].min():.2f}-{get["flux"].max():.2f}) '
            f'| {np.median(get["leakage"]):.3f} / {get["leakage"].max():.2f} '
            f'| {sum(row["grade"] == "C" for row in rows)} |',
            flush=True,
        )


if __name__ == '__main__':
    main()
