"""How the joint extraction does on galaxies of many kinds that are not those of its model, whose
truth is known.

Fields of 60 x 60 pixels of 0.2 arcsec with four pairs 4.5 to 7.5 pixels apart. A source is a sum of
parts, Sersic profiles and points, each with a spectrum of its own. The leakage is the light of all
other sources, without noise, put through the final weights, over the source's own (sums of absolute
values over wavelength). The optimum is a fit with all true profiles. A spectrum is wrong if its
flux is wrong by 10 per cent or its leakage above 0.2; it should have the grade C.

    python benchmarks/quality_kinds.py --kinds base clumpy --seeds 3 --first 21
    python benchmarks/quality_kinds.py --folder DIR    # a real field, such as the rebuilt one of CONTRIBUTING.md

In a real field the truth is not known: the flux of the joint extraction is compared with the sum in
a circle of 2 arcsec, and with what other sizes of the cut-out give.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

for library in ('OPENBLAS', 'MKL', 'OMP'):  # as the command does, and before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np

from autospec_lib.config import param_file
from autospec_lib.core.keys import is_unnamed
from autospec_lib.core.moffat import moffat
from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.types import Cutout, Grid, Target, Voxels
from autospec_lib.deblending import catalogue_error, joint_extraction
from autospec_lib.deblending.linear_system import solve
from autospec_lib.deblending.weighted_data import WeightedCube
from autospec_lib.demo.true_spectra import sky_variance
from autospec_lib.inputs.cube import cut
from autospec_lib.run.job import prepare, with_catalogue_error

PIXEL, SIDE, HALF = 0.2, 60, 12  # arcsec; pixels of a field; pixels on each side of a source
WAVE = np.arange(4750.0, 9350.0, 5.0)  # Angstrom; four channels of MUSE in one
DEPTH = 25.0 / 4  # variance in the darkest channels
NODES = np.linspace(0, 1, 5)  # fractions of the wavelength range at which images are rendered
# Samples in a pixel along an axis, and pixels around a field, while Sersic profiles are convolved.
FINER, PAD = 3, 12
# Angstrom, and width.
LINES = ((3727.4, 60), (4861.3, 25), (4958.9, 25), (5006.8, 75), (6562.8, 90), (6583.4, 30))
WRONG_FLUX, WRONG_LEAKAGE = 0.1, 0.2
SIZES, APERTURE = (3.6, 5.0, 7.0), 2.0  # arcsec, of a real field


@dataclass(frozen=True)
class Part:
    """Light of one shape at (y, x) in pixels: a Sersic profile, or a point if the effective radius
    ``re`` is 0."""

    y: float
    x: float
    spectrum: np.ndarray
    re: float = 0.0
    index: float = 1.0
    ratio: float = 1.0
    angle: float = 0.0


@dataclass(frozen=True)
class Source:
    """A source of parts; ``rows`` are how often it stands in the catalogue."""

    parts: tuple[Part, ...]
    rows: int = 1

    @property
    def spectrum(self) -> np.ndarray:
        return sum(part.spectrum for part in self.parts)

    @property
    def place(self) -> np.ndarray:
        return np.array([self.parts[0].y, self.parts[0].x])


@dataclass(frozen=True)
class Kind:
    """What a field of this kind holds: the makers of the two sources of a pair, and how it is
    observed."""

    first: str = 'disc'
    second: str = 'disc'
    scatter: float = 0.04  # arcsec, error of the catalogue along an axis
    shift: float = 0.0  # arcsec, error of all positions
    ratio: float = 0.0  # of the second flux and the first; 0: independent
    distance: tuple[float, float] = (4.5, 7.5)  # pixels
    fluxes: tuple[float, float] = (100.0, 1000.0)
    twice: bool = False  # every third source stands in the catalogue twice
    missing: bool = False  # half of the second sources are in no catalogue
    edge: bool = False  # a bright source 13 to 16 pixels from the first, which is in no catalogue


KINDS = {
    'base': Kind(),
    'sersic': Kind('sersic', 'sersic'),
    'gradient': Kind('gradient', 'gradient'),
    'clumpy': Kind('clumpy', 'clumpy'),
    'halo': Kind('halo', 'halo'),
    'contrast': Kind('disc', 'star', ratio=100.0, distance=(5.0, 9.0), fluxes=(60.0, 200.0)),
    'starongal': Kind('gradient', 'star', distance=(2.5, 5.0)),
    'edge': Kind(edge=True),
    'astrom01': Kind(scatter=0.1),
    'astrom03': Kind(scatter=0.3),
    'shifted': Kind(scatter=0.1, shift=0.25),
    'dup': Kind(twice=True),
    'missing': Kind(missing=True),
    'faint': Kind(fluxes=(15.0, 60.0)),
}


def continuum_and_lines(
    rng: np.random.Generator, red: bool | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A continuum of mean 1 and the emission lines on it; ``red`` galaxies have a break and no
    lines."""
    red = rng.random() < 0.35 if red is None else red
    rest = WAVE / (1 + rng.uniform(0.1, 1.2))
    smooth = (WAVE / 7000) ** (rng.uniform(0, 1.5) if red else rng.uniform(-1.5, 0.5))
    if red:
        smooth = smooth * (0.5 + 0.5 / (1 + np.exp(-(rest - 4000) / 25)))
    lines = sum(width / 7.5 * np.exp(-0.5 * ((rest - centre) / 3) ** 2) for centre, width in LINES)
    scale = smooth.mean()
    return smooth / scale, 0.0 * smooth if red else smooth / scale * lines


def make_source(rng: np.random.Generator, kind: str, place: np.ndarray, flux: float) -> Source:
    """A source of one kind with this mean flux."""
    y, x = place
    smooth, lines = continuum_and_lines(rng)
    re, look = (
        rng.uniform(1.0, 3.0),
        {'ratio': rng.uniform(0.4, 1.0), 'angle': rng.uniform(0, np.pi)},
    )
    if kind == 'star':
        parts = [Part(y, x, smooth)]
    elif kind == 'disc':
        parts = [Part(y, x, smooth + lines, re, **look)]
    elif kind == 'sersic':
        parts = [Part(y, x, smooth + lines, re, rng.uniform(0.5, 4), **look)]
    elif kind == 'gradient':
        old, _ = continuum_and_lines(rng, red=True)
        share = rng.uniform(0.2, 0.6)
        young = (WAVE / 7000) ** -1.0
        parts = [
            Part(y, x, share * old, 0.6 * re, 3.0),
            Part(y, x, (1 - share) * (young + lines), 1.5 * re, **look),
        ]
    elif kind == 'clumpy':
        parts = [Part(y, x, 0.6 * smooth + 0.15 * lines, re, **look)]
        shares = rng.dirichlet(np.full(rng.integers(3, 7), 3.0))
        blue = (WAVE / 7000) ** -1.0
        for share in shares:
            apart, angle = rng.uniform(1, 4), rng.uniform(0, 2 * np.pi)
            bright = share * (0.4 * smooth * blue + 0.85 * lines)
            parts.append(Part(y + apart * np.sin(angle), x + apart * np.cos(angle), bright))
    elif kind == 'halo':
        parts = [
            Part(y, x, smooth, re, **look),
            Part(y, x, (WAVE / 7000) ** -0.5 * 0.02 + lines, 4 * re),
        ]
    else:
        raise ValueError(kind)
    total = sum(part.spectrum for part in parts).mean()
    return Source(tuple(replace(part, spectrum=part.spectrum * flux / total) for part in parts))


def render(part: Part, fwhm: np.ndarray, beta: float) -> np.ndarray:
    """The part's images (nodes, SIDE, SIDE), of sum 1 over an infinite plane."""
    if not part.re:
        return moffat((SIDE, SIDE), (part.y, part.x), fwhm[:, None, None] ** 2 * np.eye(2), beta)
    size = (SIDE + 2 * PAD) * FINER
    axis = (np.arange(size) + 0.5) / FINER - 0.5 - PAD
    dy, dx = axis[:, None] - part.y, axis[None, :] - part.x
    along = dx * np.cos(part.angle) + dy * np.sin(part.angle)
    across = (dy * np.cos(part.angle) - dx * np.sin(part.angle)) / part.ratio
    steep = 2 * part.index - 1 / 3
    light = np.exp(-steep * (np.hypot(along, across) / part.re + 0.01) ** (1 / part.index))
    light /= light.sum()
    middle = (size // 2, size // 2)
    psf = moffat((size, size), middle, (FINER * fwhm)[:, None, None] ** 2 * np.eye(2), beta)
    spread = np.fft.irfft2(
        np.fft.rfft2(light) * np.fft.rfft2(np.fft.ifftshift(psf, axes=(1, 2))), (size, size)
    )
    binned = spread.reshape(len(psf), size // FINER, FINER, size // FINER, FINER).sum(axis=(2, 4))
    return binned[:, PAD:-PAD, PAD:-PAD]


@dataclass(frozen=True)
class Sample:
    """A cut-out, the truth about its target and about all sources that shine into it, the target
    first."""

    cutout: Cutout
    truth: np.ndarray  # (K, nl, ny, nx)
    spectra: np.ndarray  # (K, nl)
    separable: bool  # no source without a row lies within 0.8 FWHM


@dataclass(frozen=True)
class Scene:
    """A field: sources, the catalogue's positions of rows and whose they are, and the
    observation."""

    sources: list[Source]
    images: list[list[np.ndarray]]
    rows: list[tuple[int, np.ndarray]]
    fwhm: np.ndarray
    cube: np.ndarray
    variance: np.ndarray = field(repr=False)

    def light(self, number: int, box: tuple[slice, slice]) -> np.ndarray:
        """The noiseless cube (nl, ny, nx) of one source."""
        between = linear_weights(NODES, np.linspace(0, 1, len(WAVE)))
        parts = zip(self.sources[number].parts, self.images[number], strict=True)
        return sum(
            np.tensordot(between * part.spectrum[:, None], image[:, *box], axes=1)
            for part, image in parts
        )

    def samples(self, half: int = HALF) -> Iterator[Sample]:
        """A sample of 2 half + 1 pixels a side for every row of the catalogue."""
        for ident, (own, place) in enumerate(self.rows, 1):
            low = np.clip(np.rint(place).astype(int) - half, 0, SIDE - 2 * half - 1)
            box = tuple(slice(start, start + 2 * half + 1) for start in low)
            data, variance = (
                self.cube[:, *box],
                np.broadcast_to(self.variance, self.cube.shape)[:, *box],
            )
            near = {
                other: tuple(map(float, spot - low))
                for other, (_, spot) in enumerate(self.rows, 1)
                if other != ident and (np.abs(spot - low - half) < half + 12.5).all()
            }
            seen = [
                n
                for n in range(len(self.sources))
                if n == own or self.images[n][0][:, *box].sum() > 1e-3
            ]
            order = [own, *(n for n in seen if n != own)]
            listed = {source for source, _ in self.rows}
            apart = [
                np.hypot(*(self.sources[n].place - self.sources[own].place))
                for n in range(len(self.sources))
                if n not in listed
            ]
            yield Sample(
                Cutout(
                    target=Target(ident, 0.0, 0.0, PIXEL * (2 * half + 1)),
                    voxels=Voxels.of(data, variance, None),
                    wave=WAVE,
                    centre=tuple(map(float, place - low)),
                    pixel=(PIXEL, PIXEL),
                    grid=Grid({}, {}),
                    neighbours=near,
                ),
                np.array([self.light(n, box) for n in order]),
                np.array([self.sources[n].spectrum for n in order]),
                min(apart, default=np.inf) > 0.8 * self.fwhm.mean(),
            )


def make_scene(name: str, seed: int) -> Scene:
    """The field of a kind with this seed."""
    kind = KINDS[name]
    rng = np.random.default_rng((seed, sum(map(ord, name))))
    sources: list[Source] = []
    for number, centre in enumerate(((15, 15), (15, 44), (44, 15), (44, 44))):
        middle = np.array(centre) + rng.uniform(-2, 2, 2)
        angle, apart = rng.uniform(0, 2 * np.pi), rng.uniform(*kind.distance)
        step = apart / 2 * np.array([np.sin(angle), np.cos(angle)])
        bright = np.exp(rng.uniform(*np.log(kind.fluxes), 2))
        if kind.ratio:
            bright[1] = kind.ratio * bright[0]
        sources.append(make_source(rng, kind.first, middle - step, bright[0]))
        second = make_source(rng, kind.second, middle + step, bright[1])
        sources.append(replace(second, rows=0) if kind.missing and number % 2 else second)
        if kind.edge:
            outside = middle - step + rng.uniform(13, 16) * np.sign(middle - SIDE / 2) * (0, 1)
            sources.append(replace(make_source(rng, 'disc', outside, 3 * kind.fluxes[1]), rows=0))
    if kind.twice:
        sources = [
            replace(one, rows=2) if number % 3 == 0 else one for number, one in enumerate(sources)
        ]
    blue = rng.uniform(3.4, 4.6)
    fwhm = np.linspace(blue, 0.8 * blue, len(NODES))
    images = [[render(part, fwhm, 2.8) for part in source.parts] for source in sources]
    rows: list[tuple[int, np.ndarray]] = []
    for number, source in enumerate(sources):
        for repeat in range(source.rows):
            off = rng.normal(0, kind.scatter, 2) + kind.shift * np.array([1, -1])
            if repeat:
                turn = rng.uniform(0, 2 * np.pi)
                off = (rows[-1][1] - source.place) * PIXEL + rng.uniform(0.04, 0.24) * np.array(
                    [np.sin(turn), np.cos(turn)]
                )
            rows.append((number, source.place + off / PIXEL))
    variance = (DEPTH * sky_variance(WAVE))[:, None, None]
    scene = Scene(sources, images, rows, fwhm, np.zeros((len(WAVE), SIDE, SIDE)), variance)
    everything = (slice(None), slice(None))
    total = sum(scene.light(number, everything) for number in range(len(sources)))
    return replace(scene, cube=total + rng.normal(size=total.shape) * np.sqrt(variance))


def optimum(sample: Sample) -> np.ndarray:
    """The target's error (nl,) in a fit with all true profiles."""
    profiles = sample.truth / sample.spectra[:, :, None, None].clip(1e-9)
    columns = profiles.reshape(*profiles.shape[:2], -1).transpose(1, 0, 2)
    columns = np.concatenate([columns, np.ones((len(columns), 1, columns.shape[2]))], axis=1)
    weight = 1 / sample.cutout.voxels.variance.reshape(len(columns), 1, -1)
    return np.sqrt(np.linalg.inv((columns * weight) @ columns.transpose(0, 2, 1))[:, 0, 0])


def samples(name: str, seed: int) -> list[Sample]:
    """All samples of a field, with the catalogue's errors measured as a run does."""
    made = list(make_scene(name, seed).samples())
    error = catalogue_error.measure(sample.cutout for sample in made)
    return [
        replace(sample, cutout=replace(sample.cutout, catalogue_error=error)) for sample in made
    ]


def judge(sample: Sample) -> dict[str, object]:
    """The figures of one source."""
    cutout, start = sample.cutout, time.process_time()
    fitted = joint_extraction.fit(cutout)
    products = joint_extraction.products(cutout, fitted, False)
    seconds = time.process_time() - start
    facts = {card: value for card, (value, _) in products.facts.items()}

    def weigh(light: np.ndarray) -> np.ndarray:
        cube = WeightedCube.of(Voxels.of(light, cutout.voxels.variance, None), cutout.wave_fraction)
        return solve(cube, fitted.profiles).spectra[0]

    own, true = weigh(sample.truth[0]), sample.spectra[0]
    error = np.sqrt(fitted.solution.covariance[:, 0, 0])
    flux = own.sum() / true.sum()
    leakage = np.abs(weigh(sample.truth[1:].sum(axis=0))).sum() / true.sum()
    return {
        'id': cutout.target.id,
        'S/N': np.median(own / error) / np.median(true / optimum(sample)),
        'flux': flux,
        'leakage': leakage,
        'pulls': float(
            np.diff(np.percentile((fitted.solution.spectra[0] - true) / error, (15.87, 84.13)))[0]
            / 2
        ),
        'seconds': seconds,
        'limit': facts.get('DBLIM', np.nan),
        'grade': facts.get('DBGRADE', '?'),
        'growth': facts['DBGROW'],
        'notes': len(products.notes),
        'unnamed': sum(map(is_unnamed, fitted.sources.ids)),
        'separable': sample.separable,
        'wrong': bool(
            abs(flux - 1) > WRONG_FLUX or leakage > WRONG_LEAKAGE or not sample.separable
        ),
        'text': products.notes,
    }


def table(name: str, rows: Sequence[dict[str, object]]) -> str:
    """One line of Markdown on a kind."""
    get = {
        key: np.array([row[key] for row in rows], float)
        for key in ('S/N', 'flux', 'leakage', 'pulls', 'seconds')
    }
    wrong = [row for row in rows if row['wrong']]
    cells = [
        name,
        f'{len(rows)}',
        f'{np.median(get["S/N"]):.3f} ({get["S/N"].min():.2f})',
        f'{np.median(get["flux"]):.3f} ({get["flux"].min():.2f}-{get["flux"].max():.2f})',
        f'{np.median(get["leakage"]):.3f} / {np.percentile(get["leakage"], 90):.3f} / {get["leakage"].max():.2f}',
        f'{np.median(get["pulls"]):.2f}',
        f'{np.mean(get["seconds"]):.2f}',
        f'{np.mean([row["grade"] == "C" for row in rows]):.0%}',
        f'{sum(row["grade"] == "C" for row in wrong)} of {len(wrong)}',
        f'{np.mean([row["notes"] > 0 for row in rows]):.0%}',
        f'{np.mean([row["unnamed"] > 0 for row in rows]):.0%}',
    ]
    return '| ' + ' | '.join(cells) + ' |'


HEAD = (
    '| kind | sources | S/N (lowest) | flux (range) | leakage median / 90 % / worst | pulls | s CPU | C | wrong with C '
    '| notes | unnamed |\n|---|---|---|---|---|---|---|---|---|---|---|'
)


def report(kinds: Sequence[str], seeds: range, verbose: bool = False) -> None:
    """Print a line for every kind; with ``verbose`` also one for every source."""
    print(HEAD)
    for name in kinds:
        rows = []
        for seed in seeds:
            for sample in samples(name, seed):
                row = judge(sample)
                rows.append(row)
                if verbose:
                    shown = {
                        key: f'{one:.3f}' if isinstance(one, float) else one
                        for key, one in row.items()
                    }
                    print(seed, sample.cutout.catalogue_error, shown)
        print(table(name, rows), flush=True)


def real_field(folder: Path) -> None:
    """Print flux and grade of every source of a working folder for three sizes, beside its aperture
    photometry."""
    params = replace(param_file.load(folder / 'param.py')[0], deblend=True)
    job, targets, _ = prepare(folder, params)
    job, line = with_catalogue_error(job)
    print(f'{line}\n\n| source | aperture | ' + ' | '.join(f'SIZE {size}' for size in SIZES) + ' |')
    print('|---' * (2 + len(SIZES)) + '|')
    for target in targets:
        cells = [str(target.id), '']
        for size in SIZES:
            cutout = cut(job.cube, replace(target, size=size), job.sources)
            cutout = replace(cutout, catalogue_error=job.catalogue_error)
            products = joint_extraction.extract(cutout, None, False)
            flux = np.nanmean(products.spectra['DEBLEND'].data)
            cells.append(f'{flux:.0f} {products.facts["DBGRADE"][0]}')
        white = np.nan_to_num(cutout.voxels.data.mean(axis=0))
        y, x = np.indices(white.shape)
        apart = np.hypot(
            (y - cutout.centre[0]) * cutout.pixel[0], (x - cutout.centre[1]) * cutout.pixel[1]
        )
        ring = (apart > APERTURE + 0.2) & (apart < APERTURE + 0.8)
        cells[1] = f'{(white - np.median(white[ring]))[apart < APERTURE].sum():.0f}'
        print('| ' + ' | '.join(cells) + ' |', flush=True)


def main() -> None:
    """Print a line for every kind, or for every source of a folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--kinds', nargs='+', default=list(KINDS), choices=list(KINDS), metavar='KIND'
    )
    parser.add_argument('--seeds', type=int, default=2, help='number of fields of each kind')
    parser.add_argument('--first', type=int, default=21, help='the first seed')
    parser.add_argument('--verbose', action='store_true', help='a line for every source')
    parser.add_argument('--folder', type=Path, help='a working folder with a real field')
    options = parser.parse_args()
    if options.folder is not None:
        real_field(options.folder)
        return
    report(options.kinds, range(options.first, options.first + options.seeds), options.verbose)


if __name__ == '__main__':
    main()
