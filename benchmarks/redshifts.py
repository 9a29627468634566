"""How often redshifts are right, and whether their probabilities are, on simulated spectra (`redshift_spectra.py`).

python benchmarks/redshifts.py --fit                      # writes the table of the probabilities
python benchmarks/redshifts.py --seeds 3001 3002 3003     # tables for all conditions
python benchmarks/redshifts.py --seeds 3001 --generator OTHER.py    # spectra from make(seed, number) in a file
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

for library in ('OPENBLAS', 'MKL', 'OMP'):  # before numpy is there
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np
import redshift_spectra
from redshift_spectra import CONDITIONS
from scipy.optimize import minimize

from autospec_lib.core.numerics import robust_width
from autospec_lib.redshift import estimate, hypotheses, probability
from autospec_lib.redshift import fluxes as line_fluxes
from autospec_lib.redshift.hypotheses import Kind

TOLERANCE = {Kind.GALAXY: 0.002, Kind.STAR: 0.002, Kind.LYMAN_ALPHA: 0.003, Kind.QUASAR: 0.01}  # times 1 + z
TRAINING = {'usual': (101, 102, 103), 'errors twice as wrong': (111,), 'lines 20 % broader': (112,)}
TRAINING |= {'no sky residuals': (113,), 'half single lines': (114,)}
PENALTY = 1.0  # of the squares of the coefficients
BINS = (0.0, 0.2, 0.5, 0.8, 0.95, 1.0)
SURE = estimate.SURE


def right(kind: Kind, z: float, truth: np.void) -> bool:
    """Whether a redshift is that of the truth."""
    return bool(abs(z - truth['z']) < TOLERANCE[kind] * (1 + truth['z']))


def fit(number: int) -> None:
    """Fit the probabilities to spectra of the training seeds, and write the table."""
    rows, good, ranks = [], [], []
    for name, seeds in TRAINING.items():
        for seed in seeds:
            wave, flux, variance, truths = redshift_spectra.make(seed, number, conditions=CONDITIONS[name])
            for i, truth in enumerate(truths):
                evidence = estimate.measure(wave, flux[i], variance[i], np.zeros(wave.size, bool), (), True)
                ranked = hypotheses.rank(evidence)
                gain, _ = hypotheses.independent(ranked, evidence)
                rows.append(probability.features(ranked, evidence, gain))
                good.append(right(ranked[0].kind, ranked[0].z, truth))
                if not good[-1] and np.isfinite(truth['z']):
                    ranks.append([right(one.kind, one.z, truth) for one in ranked[1 : probability.CANDIDATES]])
    names = list(rows[0])
    matrix = np.array([[row[name] for name in names] for row in rows])
    sign = np.where(good, 1.0, -1.0)

    def loss(coefficients: np.ndarray) -> float:
        misfit = np.logaddexp(0, -sign * (matrix @ coefficients)).sum()
        return misfit + 0.5 * PENALTY * (coefficients[1:] ** 2).sum()

    coefficients = minimize(loss, np.zeros(len(names)), method='BFGS').x
    # Objects without a redshift have no right candidate.
    wrong = len(good) - sum(good)
    shares = [sum(row[k] for row in ranks if len(row) > k) / wrong for k in range(probability.CANDIDATES - 1)]
    table = {
        'coefficients': {name: round(float(value), 4) for name, value in zip(names, coefficients, strict=True)},
        'shares': [round(share, 3) for share in shares],
    }
    probability.TABLE.write_text(json.dumps(table, indent=1) + '\n', encoding='utf-8')
    print(f'{len(good)} spectra, first guess right: {np.mean(good):.3f}; written to {probability.TABLE.name}')


def measured(spectra: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    """What the engine says of each spectrum: arrays of truth, probability and whether it is right."""
    wave, flux, variance, truths = spectra
    estimate.estimate(wave, flux[0], variance[0], air=True)  # filters are made once
    start = time.perf_counter()
    results = [estimate.estimate(wave, one, var, air=True) for one, var in zip(flux, variance, strict=True)]
    seconds = (time.perf_counter() - start) / len(results)
    first = [result.candidates[0] for result in results]
    return {
        'truth': truths[[name for name, _ in redshift_spectra.TRUTH]],
        'p': np.array([one.probability for one in first]),
        'z': np.array([one.z for one in first]),
        'error': np.array([one.error for one in first]),
        'right': np.array([right(one.kind, one.z, truth) for one, truth in zip(first, truths, strict=True)]),
        'kind': np.array([one.kind.value for one in first]),
        'seconds': np.full(len(results), seconds),
    }


def report(name: str, data: dict[str, np.ndarray]) -> None:
    """Print purity, completeness, classes and calibration."""
    truth, p, good = data['truth'], data['p'], data['right']
    real = np.isfinite(truth['z'])
    print(f'\n{name}: {p.size} spectra, {data["seconds"].mean():.2f} s each')
    for least in (0.5, 0.8, 0.9, SURE, 0.97):
        said = p >= least
        complete = (good & said).sum() / max(real.sum(), 1)
        print(f'  P >= {least:.2f}: {said.sum():4d}, purity {_share(good, said):.3f}, completeness {complete:.3f}')
    sure = p >= SURE
    plain = sure & (truth['cls'] != 'contam')
    print(f'  sure without contam: purity {_share(good, plain):.4f}; first guess right {_share(good, real):.3f}')
    for cls in np.unique(truth['cls']):
        chosen = truth['cls'] == cls
        wrong = int((sure & ~good & chosen).sum())
        print(
            f'  {cls:8s} {chosen.sum():4d}: right {good[chosen].mean():.2f}, '
            f'sure and right {(sure & good)[chosen].mean():.2f}, sure and wrong {wrong}'
        )
    bright = {
        'elg, line > 10': (truth['cls'] == 'elg') & (truth['sn_l'] > 10),
        'passive, continuum > 2': (truth['cls'] == 'passive') & (truth['sn_c'] > 2),
        'lae, line > 15': (truth['cls'] == 'lae') & (truth['sn_l'] > 15),
    }
    for label, chosen in bright.items():
        if chosen.any():
            print(f'  {label}: {chosen.sum()}, sure and right {(sure & good)[chosen].mean():.2f}')
    for low, high in pairwise(BINS):
        chosen = (p >= low) & (p < high + (high == 1))
        if chosen.any():
            mean, observed = p[chosen].mean(), good[chosen].mean()
            print(f'  P {low:.2f}-{high:.2f}: mean {mean:.3f}, right {observed:.3f} ({chosen.sum()})')
    for row in np.flatnonzero(sure & ~good):
        print(f'  wrong: {truth[row]} -> {data["kind"][row]} {data["z"][row]:.4f}, P {p[row]:.3f}')
    pull = ((data['z'] - truth['z']) / data['error'])[sure & good]
    if pull.size:
        middle = np.median(pull)
        print(f'  pulls of z: median {middle:.2f}, scatter {robust_width(pull - middle):.2f}')


def line_pulls(seed: int, number: int) -> None:
    """Print the pulls (measured - true) / error of line fluxes and redshifts of galaxies with lines."""
    maker = redshift_spectra.Maker(np.random.default_rng(seed), CONDITIONS['usual'])
    pulls: dict[str, list[float]] = {}
    seconds = 0.0
    for _ in range(number):
        flux, z, fluxes = maker.galaxy_with_lines()
        flux, variance = maker.observed(flux)
        wave = redshift_spectra.WAVE
        evidence = estimate.measure(wave, flux, variance, np.zeros(wave.size, bool), (), True)
        start = time.perf_counter()
        fit = line_fluxes.measure(evidence, z * (1 + maker.rng.normal(0, 1e-4)))
        seconds += time.perf_counter() - start
        pulls.setdefault('z', []).append((fit.z - z) / fit.z_error)
        for line in fit.lines:
            true = fluxes.get(round(line.rest, 1))
            if true is not None and not line.flags & line_fluxes.AT_EDGE:
                pulls.setdefault(line.name, []).append((line.flux - 20 * true) / line.flux_error)
    print(f'lines of {number} galaxies, {seconds / number:.3f} s each')
    for name, values in pulls.items():
        several = np.array(values)
        middle = np.median(several)
        print(
            f'  {name:10s} {several.size:4d}: median {middle:5.2f}, scatter {robust_width(several - middle):.2f}, '
            f'beyond 3: {np.mean(np.abs(several) > 3):.3f}, beyond 4: {np.mean(np.abs(several) > 4):.3f}'
        )


def loaded(path: Path) -> Callable[..., tuple[np.ndarray, ...]]:
    """The function ``make`` of a file."""
    spec = importlib.util.spec_from_file_location('generator', path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make


def _share(good: np.ndarray, chosen: np.ndarray) -> float:
    """The share of the chosen that are right; NaN of none."""
    return float(good[chosen].mean()) if chosen.any() else float('nan')


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The results of several seeds together."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def main() -> None:
    """Fit, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fit', action='store_true')
    parser.add_argument('--seeds', type=int, nargs='+', default=[2001])
    parser.add_argument('--number', type=int, default=600, help='spectra of each seed')
    parser.add_argument('--conditions', nargs='+', default=list(CONDITIONS), choices=list(CONDITIONS))
    parser.add_argument('--noise', type=int, metavar='SEED', help='300 spectra of noise in addition')
    parser.add_argument('--generator', type=Path)
    parser.add_argument('--lines', type=int, metavar='SEED', help='pulls of line fluxes alone, of --number galaxies')
    options = parser.parse_args()
    if options.fit:
        fit(options.number)
        return
    if options.lines is not None:
        line_pulls(options.lines, options.number)
        return
    if options.generator:
        make = loaded(options.generator)
        report(options.generator.stem, joined([measured(make(seed, options.number)) for seed in options.seeds]))
    else:
        make = redshift_spectra.make
        for name in options.conditions:
            several = [measured(make(seed, options.number, None, CONDITIONS[name])) for seed in options.seeds]
            report(name, joined(several))
    if options.noise is not None:
        report('noise alone', measured(make(options.noise, 300, 'noise')))


if __name__ == '__main__':
    main()
