"""Whether spectra of the joint extraction that are wrong have the grade C, and how many others have
it.

Fits of many simulated fields are kept in a folder, with the truth; grades are then computed from
the kept fits, so that a rule or a factor is tried in seconds. Fields are the easy and hard ones of
`quality.py`, with channels of 5 Angstrom, and those of `quality_kinds.py`, which also says when a
spectrum is wrong.

    python benchmarks/quality_grades.py fit DIR --first 41 --easy 6 --hard 6 --wide 5
    python benchmarks/quality_grades.py grade DIR --table grades.csv    # fits of this version of the program only
"""

from __future__ import annotations

import argparse
import csv
import os
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

for library in ('OPENBLAS', 'MKL', 'OMP'):  # as the command does, and before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np
import quality
import quality_kinds

from autospec_lib.core.keys import is_unnamed
from autospec_lib.core.types import Cutout, Voxels
from autospec_lib.deblending import catalogue_error, diagnostics, joint_extraction
from autospec_lib.deblending.joint_fit import JointFit
from autospec_lib.deblending.linear_system import Solution, solve
from autospec_lib.deblending.weighted_data import WeightedCube
from autospec_lib.demo import simulation

CHANNELS, STEP = 920, 5.0  # of easy and hard fields
# Factors of both limits, for the share of C against that of wrong ones.
SCALES = (0.6, 0.8, 0.9, 1, 1.1, 1.4, 1.8)
GROUPS = {'easy': ('easy',), 'hard': ('hard',), 'wide': tuple(quality_kinds.KINDS)}


@dataclass(frozen=True)
class Kept:
    """A fit without its data, and the truth about its target.

    ``channels`` (nl,) and ``pixels`` (npix,) are factors of the weights. ``inner`` is the fit of
    the inner half.
    """

    kind: str
    seed: int
    flux: float
    leakage: float
    separable: bool
    cutout: Cutout
    result: JointFit
    inner: tuple[float, float] | None
    residual: np.ndarray
    channels: np.ndarray
    pixels: np.ndarray

    @property
    def wrong(self) -> bool:
        off = abs(self.flux - 1) > quality_kinds.WRONG_FLUX
        return bool(off or self.leakage > quality_kinds.WRONG_LEAKAGE or not self.separable)

    @property
    def whole(self) -> JointFit:
        """The fit with weights, but without data."""
        weight = self.channels[:, None] * self.pixels
        return replace(self.result, cube=replace(self.result.cube, weight=weight))


def fields(
    kind: str, seed: int
) -> Iterator[tuple[Cutout, np.ndarray, np.ndarray, np.ndarray, bool]]:
    """For each source: cut-out, true spectrum, its own light and that of all others (nl, ny, nx),
    and separability."""
    if kind in quality_kinds.KINDS:
        for sample in quality_kinds.samples(kind, seed):
            yield (
                sample.cutout,
                sample.spectra[0],
                sample.truth[0],
                sample.truth[1:].sum(axis=0),
                sample.separable,
            )
        return
    scene = (
        getattr(simulation, kind)(seed)
        .with_channels(CHANNELS, STEP)
        .with_noise(quality_kinds.DEPTH)
    )
    field = scene.make()
    number = sum(one.catalogued for one in field.galaxies)
    error = catalogue_error.measure(quality.cut(field, index).cutout for index in range(number))
    for index in range(number):
        sample = quality.cut(field, index)
        yield (
            replace(sample.cutout, catalogue_error=error),
            sample.spectrum,
            sample.own,
            sample.others,
            True,
        )


def keep(kind: str, seed: int) -> Iterator[Kept]:
    """Fit all sources of a field."""
    for cutout, true, own, others, separable in fields(kind, seed):
        result = joint_extraction.fit(cutout)
        weight = result.cube.weight

        def weigh(
            light: np.ndarray, cutout: Cutout = cutout, result: JointFit = result
        ) -> np.ndarray:
            voxels = Voxels.of(light, cutout.voxels.variance, cutout.voxels.bad)
            return solve(WeightedCube.of(voxels, cutout.wave_fraction), result.profiles).spectra[0]

        solution = result.solution
        small = Solution(
            *(part.astype('f4') for part in (solution.spectra, solution.sky, solution.covariance))
        )
        yield Kept(
            kind,
            seed,
            float(weigh(own).sum() / true.sum()),
            float(np.abs(weigh(others)).sum() / true.sum()),
            separable,
            replace(cutout, voxels=Voxels(np.zeros((1, *cutout.shape)), None, None)),
            replace(
                result,
                cube=replace(result.cube, weight=np.zeros(0), product=np.zeros(0)),
                solution=small,
                profiles=result.profiles.astype('f4'),
            ),
            joint_extraction.inner_flux(cutout),
            diagnostics.residual(result),
            weight.sum(axis=1),
            weight.sum(axis=0) / weight.sum(),
        )


def fit(folder: Path, numbers: dict[str, int], first: int) -> None:
    """Keep the fits of so many fields of each group, one file for each field."""
    folder.mkdir(parents=True, exist_ok=True)
    for group, number in numbers.items():
        for seed in range(first, first + number):
            for kind in GROUPS[group]:
                path = folder / f'{kind}_{seed}.pickle'
                if not path.exists():
                    path.write_bytes(pickle.dumps(list(keep(kind, seed))))
                    print(path, flush=True)


def row(kept: Kept) -> dict[str, object]:
    """The line of one source in the table: the truth, what the limits are made of, and the reasons
    for a C."""
    result = kept.whole
    parts, flux = diagnostics.separation(result), diagnostics.mean_fluxes(result)
    sources, white = result.sources, diagnostics.mean_profiles(result)
    apart = [
        float(np.hypot(*(sources.centre(n) - sources.centre(0)))) / sources.fwhm
        for n in range(len(sources.ids))
    ]
    found = {
        'kind': kept.kind,
        'seed': kept.seed,
        'id': kept.cutout.target.id,
        'flux': kept.flux,
        'leakage': kept.leakage,
        'separable': kept.separable,
        'wrong': kept.wrong,
        'limit': parts.limit,
        'flux limit': parts.flux_limit,
        **parts.terms,
        'growth': parts.growth,
        'nearest [FWHM]': min(apart[1:], default=np.nan),
        'nearest without a row [FWHM]': min(
            (far for far, one in zip(apart, sources.ids, strict=True) if is_unnamed(one)),
            default=np.nan,
        ),
        'brightest neighbour / source': (flux[1:] / flux[0]).max(initial=0),
        'light of neighbours under it': float(
            np.abs(parts.leakage[0, 1:] * flux[1:]).sum() / abs(flux[0])
        ),
        'light in the cut-out': float(white[0].ravel()[kept.pixels > 0].sum()),
        'position / bound': float(
            (
                np.abs(sources.model.shapes - sources.model.prior.mean)
                / sources.model.prior.bound.clip(1e-9)
            )[0, :2].max()
        ),
        'flux of the inner half': np.nan if kept.inner is None else kept.inner[0] / flux[0],
        'its tolerance': np.nan if kept.inner is None else kept.inner[1] / abs(flux[0]),
        'notes': len([*result.notes, *joint_extraction._close_neighbours(kept.cutout, result)]),
    }
    for scale in SCALES:
        scaled = replace(parts, limit=scale * parts.limit, flux_limit=scale * parts.flux_limit)
        why = [*joint_extraction.doubts_of_fit(kept.cutout, result, scaled, None)]
        why = why or [*joint_extraction.doubts_of_size(result, parts, kept.inner)]
        found[f'C at {scale}'] = bool(why)
        if scale == 1:
            found['reasons'] = '; '.join(why)
    return found


def summary(rows: Sequence[dict[str, object]]) -> str:
    """Markdown: for each kind the share of sources with a C and with a note, and how many wrong
    ones have a C."""
    lines = ['| kind | sources | C | notes | wrong with C |', '|---|---|---|---|---|']
    kinds = list(dict.fromkeys(one['kind'] for one in rows))
    for name in [*kinds, 'all']:
        these = [one for one in rows if name in (one['kind'], 'all')]
        wrong = [one for one in these if one['wrong']]
        noted = np.mean([bool(one['C at 1'] or one['notes']) for one in these])
        share, held = np.mean([one['C at 1'] for one in these]), sum(one['C at 1'] for one in wrong)
        lines.append(
            f'| {name} | {len(these)} | {share:.1%} | {noted:.1%} | {held} of {len(wrong)} |'
        )
    lines += [
        '',
        '| limits times | C, easy | C, hard | C, others | wrong with C |',
        '|---|---|---|---|---|',
    ]
    for scale in SCALES:
        cells = [f'{scale}']
        for group in GROUPS.values():
            these = [one[f'C at {scale}'] for one in rows if one['kind'] in group]
            cells.append(f'{np.mean(these):.1%}' if these else '')
        wrong = [one[f'C at {scale}'] for one in rows if one['wrong']]
        lines.append('| ' + ' | '.join([*cells, f'{sum(wrong)} of {len(wrong)}']) + ' |')
    return '\n'.join(lines)


def grade(folder: Path, path: Path | None) -> None:
    """Print the summary of all kept fits; write the table of all sources."""
    rows = [
        row(one)
        for path in sorted(folder.glob('*.pickle'))
        for one in pickle.loads(path.read_bytes())
    ]
    print(summary(rows))
    if path is not None:
        with path.open('w', newline='') as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


def main() -> None:
    """Keep fits, or grade them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('step', choices=('fit', 'grade'))
    parser.add_argument('folder', type=Path)
    parser.add_argument('--first', type=int, default=41, help='the first seed')
    parser.add_argument(
        '--easy', type=int, default=6, help='number of easy fields, of 22 sources each'
    )
    parser.add_argument('--hard', type=int, default=6, help='number of hard fields')
    parser.add_argument(
        '--wide',
        type=int,
        default=5,
        help='number of fields of every other kind, of 8 sources each',
    )
    parser.add_argument('--table', type=Path, help='write a line of CSV for each source')
    options = parser.parse_args()
    if options.step == 'fit':
        fit(options.folder, {group: getattr(options, group) for group in GROUPS}, options.first)
    else:
        grade(options.folder, options.table)


if __name__ == '__main__':
    main()
