"""How often redshifts are right, and whether their probabilities are, on simulated spectra
(`redshift_spectra.py`).

python benchmarks/redshifts.py --fit                      # writes the table of the probabilities
python benchmarks/redshifts.py --seeds 3001 3002 3003     # tables for all conditions
python benchmarks/redshifts.py --seeds 3001 --generator OTHER.py    # spectra from make(seed, number) in a file
python benchmarks/redshifts.py --lines 7                            # pulls of line fluxes
python benchmarks/redshifts.py --seeds 2001 --marz FOLDER           # the program MARZ on the same spectra, with node
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from types import ModuleType

for library in ('OPENBLAS', 'MKL', 'OMP'):  # before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np
import redshift_spectra
from redshift_spectra import CONDITIONS, Conditions
from scipy.optimize import minimize

from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import Grid, Measured
from autospec_lib.inputs import marz_results
from autospec_lib.output import marz
from autospec_lib.redshift import estimate, hypotheses, probability
from autospec_lib.redshift import line_fluxes as line_fluxes
from autospec_lib.redshift.hypotheses import Kind

# Times 1 + z.
TOLERANCE = {Kind.GALAXY: 0.002, Kind.STAR: 0.002, Kind.LYMAN_ALPHA: 0.003, Kind.QUASAR: 0.01}
MARZ_TOLERANCE = 0.003  # times 1 + z
TRAINING = {'usual': (101, 102, 103), 'errors twice as wrong': (111,), 'lines 20 % broader': (112,)}
TRAINING |= {'no sky residuals': (113,), 'half single lines': (114,)}
PENALTY = 1.0  # of the squares of the coefficients
BINS = (0.0, 0.2, 0.5, 0.8, 0.95, 1.0)
SURE = estimate.SURE
BRIGHT = {  # least completeness
    'galaxies with a line above 10 sigma': 0.8,
    'galaxies without lines above 2 sigma per channel': 0.8,
    'Lyman-alpha above 15 sigma': 0.6,
}
YES_NO = {True: 'yes', False: 'no'}
NOISE = {
    'white noise': Conditions(sky_residuals=0, neighbour=(0, 0)),
    'correlated noise': Conditions(sky_residuals=0, neighbour=(0.15, 0.15)),
    'with residuals of sky lines': Conditions(),
}


def right(kind: Kind, z: float, truth: np.void) -> bool:
    """Whether a redshift is that of the truth."""
    return bool(abs(z - truth['z']) < TOLERANCE[kind] * (1 + truth['z']))


def fit(number: int) -> None:
    """Fit the probabilities to spectra of the training seeds, and write the table."""
    rows, good, ranks = [], [], []
    for name, seeds in TRAINING.items():
        for seed in seeds:
            wave, flux, variance, truths = redshift_spectra.make(
                seed, number, conditions=CONDITIONS[name]
            )
            for i, truth in enumerate(truths):
                evidence = estimate.measure(
                    wave, flux[i], variance[i], np.zeros(wave.size, bool), (), True
                )
                ranked = hypotheses.rank(evidence)
                gain, _ = hypotheses.independent(ranked, evidence)
                rows.append(probability.features(ranked, evidence, gain))
                good.append(right(ranked[0].kind, ranked[0].z, truth))
                if not good[-1] and np.isfinite(truth['z']):
                    ranks.append(
                        [right(one.kind, one.z, truth) for one in ranked[1 : estimate.CANDIDATES]]
                    )
    names = list(rows[0])
    matrix = np.array([[row[name] for name in names] for row in rows])
    sign = np.where(good, 1.0, -1.0)

    def loss(coefficients: np.ndarray) -> float:
        misfit = np.logaddexp(0, -sign * (matrix @ coefficients)).sum()
        return misfit + 0.5 * PENALTY * (coefficients[1:] ** 2).sum()

    coefficients = minimize(loss, np.zeros(len(names)), method='BFGS').x
    # Objects without a redshift have no right candidate.
    wrong = len(good) - sum(good)
    shares = [
        sum(row[k] for row in ranks if len(row) > k) / wrong for k in range(estimate.CANDIDATES - 1)
    ]
    table = {
        'coefficients': {
            name: round(float(value), 4) for name, value in zip(names, coefficients, strict=True)
        },
        'shares': [round(share, 3) for share in shares],
    }
    probability.TABLE.write_text(json.dumps(table, indent=1) + '\n', encoding='utf-8')
    print(
        f'{len(good)} spectra, first guess right: {np.mean(good):.3f}; written to {probability.TABLE.name}'
    )


def measured(spectra: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """What the engine says of each spectrum: arrays of truth, probability and whether it is
    right."""
    wave, flux, variance, truths = spectra
    estimate.estimate(wave, flux[0], variance[0], air=True)  # filters are made once
    start = time.process_time()
    results = [
        estimate.estimate(wave, one, var, air=True) for one, var in zip(flux, variance, strict=True)
    ]
    seconds = (time.process_time() - start) / len(results)
    first = [result.candidates[0] for result in results]
    return {
        'truth': truths[[name for name, _ in redshift_spectra.TRUTH]],
        'p': np.array([one.probability for one in first]),
        'z': np.array([one.z for one in first]),
        'error': np.array([one.error for one in first]),
        'right': np.array(
            [right(one.kind, one.z, truth) for one, truth in zip(first, truths, strict=True)]
        ),
        'kind': np.array([one.kind.value for one in first]),
        'seconds': np.full(len(results), seconds),
    }


def bright(truth: np.ndarray) -> dict[str, np.ndarray]:
    """Which spectra are of the classes in `BRIGHT`."""
    lines, passive, lyman = (truth['cls'] == name for name in ('elg', 'passive', 'lae'))
    chosen = (
        lines & (truth['sn_l'] > 10),
        passive & (truth['sn_c'] > 2),
        lyman & (truth['sn_l'] > 15),
    )
    return dict(zip(BRIGHT, chosen, strict=True))


def report(name: str, data: dict[str, np.ndarray]) -> None:
    """Print purity, completeness, classes and calibration."""
    truth, p, good = data['truth'], data['p'], data['right']
    real = np.isfinite(truth['z'])
    print(f'\n{name}: {p.size} spectra, {data["seconds"].mean():.2f} s of processor time each')
    for least in (0.5, 0.8, 0.9, SURE, 0.97):
        said = p >= least
        complete = (good & said).sum() / max(real.sum(), 1)
        print(
            f'  P >= {least:.2f}: {said.sum():4d}, purity {_share(good, said):.3f}, completeness {complete:.3f}'
        )
    sure = p >= SURE
    plain = sure & (truth['cls'] != 'contam')
    print(
        f'  sure without contam: purity {_share(good, plain):.4f}; first guess right {_share(good, real):.3f}'
    )
    for cls in np.unique(truth['cls']):
        chosen = truth['cls'] == cls
        wrong = int((sure & ~good & chosen).sum())
        print(
            f'  {cls:8s} {chosen.sum():4d}: right {good[chosen].mean():.2f}, '
            f'sure and right {(sure & good)[chosen].mean():.2f}, sure and wrong {wrong}'
        )
    for label, chosen in bright(truth).items():
        print(f'  {label}: {chosen.sum()}, sure and right {_share(sure & good, chosen):.2f}')
    for low, high in pairwise(BINS):
        chosen = (p >= low) & (p < high + (high == 1))
        if chosen.any():
            mean, observed = p[chosen].mean(), good[chosen].mean()
            print(
                f'  P {low:.2f}-{high:.2f}: mean {mean:.3f}, right {observed:.3f} ({chosen.sum()})'
            )
    for row in np.flatnonzero(sure & ~good):
        print(f'  wrong: {truth[row]} -> {data["kind"][row]} {data["z"][row]:.4f}, P {p[row]:.3f}')
    pull = ((data['z'] - truth['z']) / data['error'])[sure & good]
    if pull.size:
        middle = np.median(pull)
        print(f'  pulls of z: median {middle:.2f}, scatter {robust_width(pull - middle):.2f}')


def acceptance(data: dict[str, np.ndarray], noise: dict[str, np.ndarray]) -> None:
    """Print what is demanded of the sure redshifts and the probabilities, and whether it holds.

    Parameters
    ----------
    data, noise : dict of str to array
        By `measured`, of spectra of all classes and of noise alone.
    """
    truth, p, good = data['truth'], data['p'], data['right']
    sure, real = p >= SURE, np.isfinite(truth['z'])
    rows = [
        ('purity of the sure', _share(good, sure), '>=', 0.98),
        ('the same without blends', _share(good, sure & (truth['cls'] != 'contam')), '>=', 0.985),
        (
            f'sure ones in {noise["p"].size} spectra of noise',
            float((noise['p'] >= SURE).sum()),
            '<=',
            2,
        ),
        ('completeness', (sure & good).sum() / real.sum(), '>=', 0.37),
    ]
    rows += [
        (f'of {label}', _share(sure & good, chosen), '>=', BRIGHT[label])
        for label, chosen in bright(truth).items()
    ]
    for low, high, most in (
        (0.2, 0.5, 0.1),
        (0.5, 0.8, 0.05),
        (0.8, SURE, 0.1),
        (SURE, 1.01, 0.03),
    ):
        chosen = (p >= low) & (p < high)
        difference = float(p[chosen].mean() - good[chosen].mean())
        # From 0.5 to 0.8 a probability may be too low.
        value = difference if low == 0.5 else abs(difference)
        rows.append((f'P - share of right ones, P {low} to {min(high, 1)}', value, '<=', most))
    rows.append(('seconds of processor time per spectrum', data['seconds'].mean(), '<=', 0.3))
    print('\n| demand | value | limit | holds |\n|---|---|---|---|')
    for what, value, sign, limit in rows:
        holds = value >= limit if sign == '>=' else value <= limit
        print(f'| {what} | {value:.3f} | {sign} {limit} | {YES_NO[bool(holds)]} |')


def against_marz(folder: Path, spectra: tuple[np.ndarray, ...]) -> None:
    """Print what the program MARZ and the engine say of the same spectra.

    Parameters
    ----------
    folder : Path
        With MARZ (Hinton et al. 2016, Astronomy and Computing 15, 61), its three packages
        installed: ``npm install``.
    spectra : tuple of array
        Wavelengths in air, flux, variance and truth.
    """
    wave, flux, variance, truth = spectra
    names = [str(row) for row in range(len(flux))]
    entries = [
        marz.Entry(name, 0, 0, None, '', Measured(one, var))
        for name, one, var in zip(names, flux, variance, strict=True)
    ]
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / 'spectra.fits'
        marz.write(file, entries, wave, Grid({}, {}, medium='air'))
        # MARZ joins the name of its output to this folder.
        command = [
            'node',
            'autoMarz.js',
            str(file),
            f'--dir={place}',
            '--outFile=results.mz',
            '--numCPUs=1',
        ]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        results = marz_results.read(Path(place) / 'results.mz')
    rows = [results.get(name) for name in names]
    z = np.array([np.nan if row is None or row.z is None else row.z for row in rows])
    quality = np.array([0 if row is None else row.quality for row in rows])
    marz_right = np.abs(z - truth['z']) < MARZ_TOLERANCE * (1 + truth['z'])
    ours = measured(spectra)
    report('the engine', ours)
    home = (truth['z'] < 1) & ~np.isin(truth['cls'], ('contam', 'single', 'odd', 'lae', 'qso'))
    for label, chosen in {
        'all': np.ones(len(z), bool),
        'galaxies and stars below z = 1 without blends': home,
    }.items():
        real = chosen & np.isfinite(truth['z'])
        print(f'\n{label}: {chosen.sum()} spectra, {real.sum()} of them with a redshift\n')
        print(
            '| engine | sure | purity | completeness | first guess right |\n|---|---|---|---|---|'
        )
        for engine, good, sure in (
            ('MARZ, QOP of 3, 4 or 6', marz_right, quality >= 3),
            ('MARZ, QOP of 4 or 6', marz_right, quality >= 4),
            ('AutoSpec, P of 0.95', ours['right'], ours['p'] >= SURE),
            ('AutoSpec, P of 0.8', ours['right'], ours['p'] >= estimate.PROBABLE),
        ):
            complete = (good & sure & chosen).sum() / real.sum()
            print(
                f'| {engine} | {(sure & chosen).sum()} | {_share(good, sure & chosen):.3f} | {complete:.3f} | '
                f'{_share(good, real):.3f} |'
            )


def line_pulls(seed: int, number: int, module: ModuleType | None) -> None:
    """Print the pulls (measured - true) / error of line fluxes and redshifts of galaxies with
    lines.

    Parameters
    ----------
    seed : int
        Of random numbers.
    number : int
        Of galaxies.
    module : module or None
        With another generator's lines and profiles; None: those of `redshift_spectra`.
    """
    for noise, conditions in NOISE.items():
        maker = redshift_spectra.Maker(np.random.default_rng(seed), conditions)
        pulls: dict[str, list[float]] = {}
        seconds = 0.0
        for _ in range(number):
            flux, z, fluxes = (
                maker.galaxy_with_lines() if module is None else galaxy_of(module, maker.rng)
            )
            flux, variance = maker.observed(flux)
            wave = redshift_spectra.WAVE
            evidence = estimate.measure(wave, flux, variance, np.zeros(wave.size, bool), (), True)
            start = time.process_time()
            fit = line_fluxes.measure(evidence, z * (1 + maker.rng.normal(0, 1e-4)))
            seconds += time.process_time() - start
            pulls.setdefault('redshift', []).append((fit.z - z) / fit.z_error)
            for line in fit.lines:
                true = fluxes.get(round(line.rest, 1))
                # Tied lines repeat those that they are tied to.
                if true is not None and not line.flags & (
                    line_fluxes.AT_EDGE | line_fluxes.TIED_FLUX
                ):
                    pulls.setdefault(line.name, []).append(
                        (line.flux - 20 * true) / line.flux_error
                    )
        print(
            f'\n{noise}: lines of {number} galaxies, {seconds / number:.3f} s of processor time each\n'
        )
        print(
            '| line | number | median | scatter | beyond 3 | beyond 4 | within limits |\n|---|---|---|---|---|---|---|'
        )
        for name, values in pulls.items():
            several = np.array(values)
            middle = np.median(several)
            scatter = robust_width(several - middle)
            beyond = [float(np.mean(np.abs(several) > limit)) for limit in (3, 4)]
            within = abs(middle) < 0.2 and 0.85 <= scatter <= 1.15 and beyond[1] < 0.01
            print(
                f'| {name} | {several.size} | {middle:.2f} | {scatter:.2f} | {beyond[0]:.1%} | {beyond[1]:.1%} | '
                f'{YES_NO[bool(within)]} |'
            )


def galaxy_of(
    module: ModuleType, rng: np.random.Generator
) -> tuple[np.ndarray, float, dict[float, float]]:
    """As `Maker.galaxy_with_lines`, with the line ratios and profiles of another generator."""
    z = rng.uniform(0.05, 0.85)
    _, ratios, velocity = module._elg(rng, z)
    lines = module._lines(ratios, z, velocity)
    profiles = [module._prof(wave, velocity) * flux for wave, flux in lines.values()]
    sigma = np.sqrt(module._lib()['v0'])
    scale = np.exp(rng.uniform(np.log(5), np.log(40))) / max(
        module._msn(one, sigma) for one in profiles
    )
    fluxes = {round(module.LINES[name], 1): scale * flux for name, (_, flux) in lines.items()}
    return rng.uniform(0, 1.5) + scale * np.sum(profiles, axis=0), z, fluxes


def loaded(path: Path) -> ModuleType:
    """A file as a module."""
    spec = importlib.util.spec_from_file_location('generator', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _share(good: np.ndarray, chosen: np.ndarray) -> float:
    """The share of the chosen that are right; NaN of none."""
    return float(good[chosen].mean()) if chosen.any() else float('nan')


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The results of several seeds together."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def main() -> None:
    """Fit, or print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--fit', action='store_true')
    parser.add_argument('--seeds', type=int, nargs='+', default=[2001])
    parser.add_argument('--number', type=int, default=600, help='spectra of each seed')
    parser.add_argument(
        '--conditions', nargs='+', default=list(CONDITIONS), choices=list(CONDITIONS)
    )
    parser.add_argument(
        '--noise', type=int, metavar='SEED', help='300 spectra of noise too, and what is demanded'
    )
    parser.add_argument('--generator', type=Path)
    parser.add_argument(
        '--lines', type=int, metavar='SEED', help='pulls of line fluxes alone, of --number galaxies'
    )
    parser.add_argument(
        '--marz', type=Path, metavar='FOLDER', help='the program MARZ, on the first of --seeds'
    )
    options = parser.parse_args()
    other = loaded(options.generator) if options.generator else None
    make = other.make if other else redshift_spectra.make
    if options.fit:
        fit(options.number)
    elif options.lines is not None:
        line_pulls(options.lines, options.number, other)
    elif options.marz:
        against_marz(options.marz, make(options.seeds[0], options.number))
    elif other:
        several = joined([measured(make(seed, options.number)) for seed in options.seeds])
        report(options.generator.stem, several)
        if options.noise is not None:
            acceptance(several, measured(make(options.noise, 300, 'noise')))
    else:
        for name in options.conditions:
            several = joined(
                [
                    measured(make(seed, options.number, None, CONDITIONS[name]))
                    for seed in options.seeds
                ]
            )
            report(name, several)
            if options.noise is not None:
                acceptance(several, measured(make(options.noise, 300, 'noise', CONDITIONS[name])))


if __name__ == '__main__':
    main()
