"""How often the PSF is measured from stars, how right it is, and how often galaxies are taken for
stars.

A field is eight galaxies and some stars, each alone in a cut-out of 25 x 25 spaxels with all
channels of MUSE. Galaxies are exponential discs, Sersic profiles (n = 0.5 to 4) and red bulges in
discs, with effective radii from 0.05 arcsec; a third is rounder than 0.97. Spectra are those of
`redshift_spectra.py` (BC03 and STELIB, not the templates of the program), with redshifts from 0.003
on. The PSF is a Moffat function, a little elongated, whose FWHM falls with a power of the
wavelength.

    python benchmarks/seeing.py --fields 100 --first 1 --kinds galaxies points
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

for library in ('OPENBLAS', 'MKL', 'OMP'):  # as the command does, and before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np
from quality_kinds import NODES, PIXEL, SIDE, Part, render
from redshift_spectra import WAVE, Conditions, Maker

from autospec_lib.core.moffat import moffat, shape_matrix
from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.types import Cutout, Grid, Measured, Target, Voxels
from autospec_lib.redshift import source
from autospec_lib.redshift.hypotheses import Kind
from autospec_lib.run.psf_from_stars import measure

GALAXIES = 8
HALF = 12  # spaxels on each side of a source
# Signal-to-noise ratios over all wavelengths.
STAR_RATIOS, GALAXY_RATIOS = (300.0, 2500.0), (150.0, 2500.0)
CLASSES = {'passive': 0.3, 'elg': 0.3, 'qso': 0.05, 'odd': 0.1, 'nearby': 0.15, 'young': 0.1}
LOWEST_Z = 0.003


@dataclass(frozen=True)
class Field:
    """A kind of field: the number of stars, effective radii in arcsec, and whether all galaxies are
    round."""

    stars: int = 0
    radii: tuple[float, float] = (0.05, 0.6)
    round: bool = False


KINDS = {
    'galaxies': Field(),
    'points': Field(radii=(0.02, 0.12), round=True),
    'one star': Field(1),
    'one star, points': Field(1, (0.02, 0.12), True),
    **{f'{number} stars': Field(number) for number in (2, 3, 5)},
}


@dataclass(frozen=True)
class Optics:
    """The PSF: FWHM in spaxels at `NODES`, ellipticities, exponent."""

    fwhm: np.ndarray
    ellipticity: np.ndarray
    beta: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Optics:
        """One of MUSE, without or with ground-layer adaptive optics."""
        steep = rng.uniform(0.15, 0.4)  # 0.2 by Kolmogorov's theory
        width = (1 + NODES * (WAVE[-1] / WAVE[0] - 1)) ** -steep
        return cls(rng.uniform(2.6, 5.5) * width, rng.normal(0, 0.015, 2), rng.uniform(2.0, 3.3))

    def image(self, part: Part) -> np.ndarray:
        """The images of a part, (nodes, SIDE, SIDE)."""
        if part.re:
            return render(part, self.fwhm, self.beta)
        return moffat(
            (SIDE, SIDE), (part.y, part.x), shape_matrix(self.fwhm, *self.ellipticity), self.beta
        )


def galaxy_spectrum(rng: np.random.Generator, maker: Maker) -> np.ndarray:
    """A spectrum of mean 1."""
    name = str(rng.choice([*CLASSES], p=[*CLASSES.values()]))
    if name == 'nearby':
        mix, z = rng.dirichlet(np.full(10, 0.4)), rng.uniform(LOWEST_Z, 0.05)
    elif name == 'young':
        mix, z = np.append(rng.dirichlet(np.ones(4)), np.zeros(6)), rng.uniform(LOWEST_Z, 1.0)
    else:
        flux = np.abs(maker.spectrum(name)[0])
        return flux / flux.mean() + 1e-3
    flux = maker._galaxy(mix, rng.uniform(0, 1), z, rng.uniform(40, 150))
    return flux / flux.mean()


def galaxy_parts(
    rng: np.random.Generator, maker: Maker, kind: Field, place: np.ndarray
) -> list[Part]:
    """A disc, a Sersic profile, or a bulge in a disc."""
    re = np.exp(rng.uniform(*np.log(kind.radii))) / PIXEL
    is_round = kind.round or rng.random() < 1 / 3
    look = {'ratio': rng.uniform(0.97 if is_round else 0.4, 1), 'angle': rng.uniform(0, np.pi)}
    spectrum, form = galaxy_spectrum(rng, maker), rng.random()
    if form < 0.4:
        return [Part(*place, spectrum, re, **look)]
    if form < 0.8:
        return [Part(*place, spectrum, re, rng.uniform(0.5, 4), **look)]
    share = rng.uniform(0.2, 0.6)
    old = spectrum * (WAVE / 7000) ** rng.uniform(0, 1.5)
    bulge = Part(*place, share * old / old.mean(), 0.6 * re, 3.0)
    return [bulge, Part(*place, (1 - share) * spectrum, 1.5 * re, **look)]


def observed(
    rng: np.random.Generator, maker: Maker, parts: list[Part], optics: Optics, ratio: float
) -> Voxels:
    """The cut-out of a source with this signal-to-noise ratio."""
    first = SIDE // 2 - HALF
    box = slice(first, first + 2 * HALF + 1)
    between = linear_weights(NODES, np.linspace(0, 1, len(WAVE)))
    light = sum(
        np.tensordot(
            (between * part.spectrum[:, None]).astype('f4'),
            optics.image(part)[:, box, box].astype('f4'),
            1,
        )
        for part in parts
    )
    sky = np.square(maker.sigma).astype('f4')[:, None, None]
    light *= ratio / np.sqrt(np.sum(light**2 / sky))
    variance = sky + 0.02 * light
    noise = rng.standard_normal(light.shape, dtype='f4') * np.sqrt(variance)
    return Voxels.of((light + noise).astype(float), variance.astype(float), None)


def cutouts(
    rng: np.random.Generator, maker: Maker, kind: Field, optics: Optics
) -> Iterator[Cutout]:
    """The sources of a field, stars first; positions of the catalogue are 0.05 arcsec off."""
    for ident in range(1, kind.stars + GALAXIES + 1):
        place = SIDE / 2 + rng.uniform(-0.5, 0.5, 2)
        if ident <= kind.stars:
            parts, ratios = [Part(*place, maker.spectrum('star')[0])], STAR_RATIOS
        else:
            parts, ratios = galaxy_parts(rng, maker, kind, place), GALAXY_RATIOS
        voxels = observed(rng, maker, parts, optics, np.exp(rng.uniform(*np.log(ratios))))
        y, x = place - SIDE // 2 + HALF + rng.normal(0, 0.25, 2)
        yield Cutout(
            Target(ident, 0.0, 0.0, 5.0), voxels, WAVE, (y, x), (PIXEL, PIXEL), Grid({}, {})
        )


def is_star(spectrum: Measured) -> bool:
    """As in a run."""
    redshift = source.measured(spectrum, WAVE, Grid({}, {}), ())
    return redshift.sure and redshift.candidates[0].kind is Kind.STAR


def judge(kind: Field, maker: Maker, seed: tuple[int, ...], shapes: bool) -> dict[str, object]:
    """What is measured in one field; with ``shapes``, also whether a PSF would be measured if all
    were stars."""
    maker.rng = rng = np.random.default_rng(seed)
    optics = Optics.random(rng)
    sources = list(cutouts(rng, maker, kind, optics))
    start = time.process_time()
    psf, stars = measure(sources, is_star)
    seconds = time.process_time() - start
    by_shape = shapes and measure(sources, lambda _: True)[0] is not None
    error = (
        np.full(3, np.nan)
        if psf is None
        else psf.fwhm(np.array([0.0, 0.5, 1.0])) / optics.fwhm[[0, 2, 4]] - 1
    )
    galaxies = sum(ident > kind.stars for ident in stars)
    return {
        'spoke': psf is not None,
        'by shape': by_shape,
        'galaxies': galaxies,
        'error': error,
        'seconds': seconds,
    }


def main() -> None:
    """Print a row for each kind."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=[*KINDS])
    parser.add_argument('--fields', type=int, default=20)
    parser.add_argument('--first', type=int, default=1, help='the first seed')
    parser.add_argument('--shapes', action='store_true', help='also without looking at spectra')
    options = parser.parse_args()
    maker = Maker(np.random.default_rng(0), Conditions())
    print(
        '| field | fields | PSF | from a galaxy | by shapes alone | FWHM: median error | worst | ends: worst | s |'
    )
    print('|---|---|---|---|---|---|---|---|---|')
    for name in options.kinds:
        seeds = range(options.first, options.first + options.fields)
        rows = [
            judge(KINDS[name], maker, (seed, sum(map(ord, name))), options.shapes) for seed in seeds
        ]
        spoke, shape, galaxies = (
            sum(bool(row[key]) for row in rows) for key in ('spoke', 'by shape', 'galaxies')
        )
        errors = np.abs([row['error'] for row in rows if row['spoke']]).reshape(-1, 3)
        told = ['', '', '']
        if spoke:
            told = [
                f'{100 * one:.1f} %'
                for one in (np.median(errors[:, 1]), errors[:, 1].max(), errors.max())
            ]
        seconds = np.median([row['seconds'] for row in rows])
        print(
            f'| {name} | {len(rows)} | {spoke} | {galaxies} | {shape} | {" | ".join(told)} | {seconds:.1f} |'
        )


if __name__ == '__main__':
    main()
