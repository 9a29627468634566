#!/usr/bin/env python3
"""Hold AutoSpec's segmentation maps against Source Extractor's own, on simulated cut-outs with
settings at random.

    benchmarks/against_sextractor.py [--number 150] [--seed 1]

Every fourth cut-out has pixels without a value: a border, a column, or single ones; for SExtractor
their weight is 0. Each cut-out has a target at its centre, other sources around it, some blended,
and a default.sex of its own that both programs read. SExtractor gets each cut-out twice in one run:
it shares faint pixels between blended objects by random draws, which go on from one image to the
next, so the second map shows how far SExtractor agrees with itself. Exits 0 if all targets are met
or SExtractor is not installed, else 1.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # of a clone that is not installed

from autospec_lib.config import sextractor
from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import BoolArray, IntArray
from autospec_lib.detection import masks, segmentation

SIDES = (25, 25, 25, 31, 50, 75, 100, 120)  # pixels; 25 is AutoSpec's default for MUSE
CROWDING = (0.5, 1.5, 4.0)  # sources in 1000 pixels, besides the target
SIGMA = 4.0 / 2.355  # pixels; seeing of 4 pixels
PIXEL = 0.2  # arcsec

# The settings of AutoSpec's published test field, and what people set in general; repetition makes
# it likelier.
FIELD = """
DETECT_MINAREA   3
DETECT_THRESH    2
FILTER_NAME      gauss_5.0_9x9.conv
DEBLEND_MINCONT  0.0001
BACK_SIZE        2
"""
CHOICES = {
    'DETECT_MINAREA': ('3', '5', '5', '8', '10'),
    'DETECT_MAXAREA': ('0', '0', '0', '0', '300'),
    'DEBLEND_NTHRESH': ('16', '32', '32', '64'),
    'DEBLEND_MINCONT': ('0.0001', '0.001', '0.005', '0.01', '0.05'),
    'CLEAN': ('Y', 'Y', 'Y', 'N'),
    'CLEAN_PARAM': ('0.5', '1.0', '1.0', '2.0'),
    'FILTER': ('Y', 'Y', 'Y', 'N'),
    'BACK_SIZE': ('8', '16', '32', '64', '24,40'),
    'BACK_FILTERSIZE': ('1', '3', '3', '5', '3,5'),
    'BACK_FILTTHRESH': ('0.0', '0.0', '1.0'),
}


@dataclass(frozen=True)
class Comparison:
    """How the maps of one cut-out agree: AutoSpec's with SExtractor's, and (``self_``) SExtractor's
    two.

    ``overlap`` and ``central_overlap`` are the pixels with a value that both have in any object, or
    in the central one, over those that at least one has; ``gaps`` says whether there are pixels
    without a value.
    """

    gaps: bool
    overlap: float
    central_overlap: float
    detected: int
    same_detection: bool
    agreeing: int
    same_centre: bool
    self_agreeing: int
    self_same_centre: bool
    collision: bool


def find_program() -> str | None:
    """SExtractor's command on this machine, None where there is none."""
    return next(filter(None, map(shutil.which, ('source-extractor', 'sex', 'sextractor'))), None)


def simulate(rng: np.random.Generator) -> NDArray[np.float32]:
    """A cut-out (ny, nx) of stars and galaxies on white or correlated noise; one in four has pixels
    of NaN."""
    shape = ny, nx = tuple(rng.choice(SIDES, 2))
    image = rng.normal(size=shape)
    if rng.random() < 0.5:  # as resampling leaves it
        image = gaussian_filter(image, rng.uniform(0.5, 1.0))
        image /= image.std()
    others = rng.poisson(rng.choice(CROWDING) / 1000 * ny * nx)
    target = (ny - 1) / 2, (nx - 1) / 2
    for place in [target, *rng.uniform((-2, -2), (ny + 1, nx + 1), (others, 2))]:
        faintest = 3 if place is target else 1  # in sigma
        image += faintest * min(1 + rng.pareto(1.0), 100) * _source(rng, shape, place)
    image = rng.normal(0, 5) + image * 10 ** rng.uniform(-2, 3)
    if rng.random() < 0.25:
        turned = np.rot90(image, rng.integers(4))  # a view
        kind = rng.choice(['border', 'column', 'pixels'])
        if kind == 'border':
            turned[: rng.integers(1, len(turned) // 2)] = np.nan
        elif kind == 'column':
            turned[:, rng.integers(turned.shape[1])] = np.nan
        else:
            image[rng.random(shape) < 0.01] = np.nan
    return image.astype(np.float32)


def _source(
    rng: np.random.Generator, shape: tuple[int, ...], place: Sequence[float]
) -> NDArray[np.float64]:
    """A star or an inclined exponential disc."""
    dy, dx = np.indices(shape) - np.reshape(place, (2, 1, 1))
    if rng.random() < 0.5:
        return np.exp(-(dy**2 + dx**2) / (2 * SIGMA**2))
    angle, ratio, scale = rng.uniform(0, np.pi), rng.uniform(0.3, 1), rng.uniform(1.5, 4)
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    return gaussian_filter(np.exp(-np.hypot(along, across / ratio) / scale), SIGMA)


def write_settings(rng: np.random.Generator, image: NDArray[np.float32], folder: Path) -> None:
    """A default.sex and its filter: MPDAF's, the reference field's, or one with values at
    random."""
    kind = rng.choice(['MPDAF', 'field', 'random', 'random'])
    if kind == 'field':
        (folder / 'default.sex').write_text(FIELD)
    if kind == 'random':
        level = np.nanmedian(image)
        noise = float(robust_width(image - level))
        lines = [f'{key} {rng.choice(options)}' for key, options in CHOICES.items()]
        lines += [_threshold(rng, noise), 'FILTER_NAME random.conv']
        if rng.random() < 0.2:
            lines += ['BACK_TYPE MANUAL', f'BACK_VALUE {level:.6g}']
        (folder / 'default.sex').write_text('\n'.join(lines))
        (folder / 'random.conv').write_text(_filter(rng))
    sextractor.install_defaults(folder)


def _threshold(rng: np.random.Generator, noise: float) -> str:
    """A threshold of 0.75 to 3 sigma, in one of the three forms that SExtractor knows."""
    value = rng.choice([0.75, 1.0, 1.5, 2.0, 2.5, 3.0])
    kind = rng.choice(['RELATIVE'] * 3 + ['ABSOLUTE', 'mag'])
    if kind == 'RELATIVE':
        return f'DETECT_THRESH {value}'
    if kind == 'ABSOLUTE':
        return f'THRESH_TYPE ABSOLUTE\nDETECT_THRESH {value * noise:.6g}'
    brightness = 25 - 2.5 * np.log10(value * noise / PIXEL**2)
    # With a weight map and THRESH_TYPE RELATIVE, SExtractor takes the magnitude for a number of
    # sigmas.
    return f'THRESH_TYPE ABSOLUTE\nPIXEL_SCALE {PIXEL}\nDETECT_THRESH {brightness:.5f},25'


def _filter(rng: np.random.Generator) -> str:
    """A Gaussian of 1.5 to 5 pixels on 3 to 9 pixels, as a .conv file."""
    half = rng.integers(1, 5)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.exp(-4 * np.log(2) * (y**2 + x**2) / rng.uniform(1.5, 5.0) ** 2)
    norm = rng.choice(['NORM', 'NORM', 'NONORM'])
    rows = (kernel / kernel.sum() if norm == 'NONORM' else kernel).tolist()
    return '\n'.join([f'CONV {norm}', *(' '.join(f'{value:.6f}' for value in row) for row in rows)])


def run_sextractor(
    command: str, image: NDArray[np.float32], folder: Path
) -> tuple[IntArray, IntArray, bool]:
    """Two maps of the same image, and whether two objects of the first have got one number."""
    known = np.isfinite(image)
    for name, values in (
        ('image.fits', np.where(known, image, 0)),
        ('weight.fits', known.astype(np.float32)),
    ):
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(values), fits.ImageHDU(values)]).writeto(
            folder / name
        )
    (folder / 'numbers.param').write_text('EXT_NUMBER\nNUMBER\nISOAREAF_IMAGE\n')
    options = {
        'PARAMETERS_NAME': 'numbers.param',
        'CATALOG_TYPE': 'ASCII',
        'CATALOG_NAME': 'catalogue',
        'CHECKIMAGE_TYPE': 'SEGMENTATION',
        'CHECKIMAGE_NAME': 'maps.fits',
        'VERBOSE_TYPE': 'QUIET',
    }
    if not known.all():
        # WEIGHT_THRESH stays 0: it is compared with weights that SExtractor has scaled to the
        # image's noise, and any other value makes all pixels bad, which turns the interpolation of
        # the bad ones off.
        options |= {'WEIGHT_TYPE': 'MAP_WEIGHT', 'WEIGHT_IMAGE': 'weight.fits'}
    words = [word for key, value in options.items() for word in (f'-{key}', value)]
    subprocess.run([command, 'image.fits', *words], cwd=folder, check=True, capture_output=True)
    with fits.open(folder / 'maps.fits') as hdus:
        first, second = (hdu.data.astype(np.int32) for hdu in hdus if hdu.data is not None)
    rows = [map(int, line.split()) for line in (folder / 'catalogue').read_text().splitlines()]
    areas = {number: area for extension, number, area in rows if extension == 1}
    return (
        first,
        second,
        any(np.count_nonzero(first == number) != area for number, area in areas.items()),
    )


def compare(command: str, rng: np.random.Generator) -> Comparison:
    """Simulate one cut-out and its settings, and segment it with both programs."""
    image = simulate(rng)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_settings(rng, image, folder)
        settings, _ = sextractor.load(folder)
        theirs, again, collision = run_sextractor(command, image, folder)
    ours = segmentation.segment(image, settings, PIXEL)
    centre, known = _centre(theirs), np.isfinite(image)
    return Comparison(
        gaps=not known.all(),
        overlap=_overlap((ours > 0)[known], (theirs > 0)[known]),
        central_overlap=_overlap(_centre(ours)[known], centre[known]),
        detected=np.count_nonzero(theirs),
        same_detection=np.array_equal(ours > 0, theirs > 0),
        agreeing=_agreeing(ours, theirs),
        same_centre=np.array_equal(_centre(ours), centre),
        self_agreeing=_agreeing(again, theirs),
        self_same_centre=np.array_equal(_centre(again), centre),
        collision=collision,
    )


def _overlap(one: BoolArray, other: BoolArray) -> float:
    """The share of the pixels in either mask that are in both, 1 where there are none."""
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else 1.0


def _centre(labels: IntArray) -> BoolArray:
    """The mask of the object nearest to the centre."""
    middle = tuple((size - 1) / 2 for size in labels.shape)
    return masks.object_masks([labels], middle)[0]


def _agreeing(one: IntArray, other: IntArray) -> int:
    """The pixels that are in corresponding objects, with the correspondence that makes them
    most."""
    table = np.zeros((one.max() + 1, other.max() + 1), int)
    np.add.at(table, (one, other), 1)
    overlap = table[1:, 1:]
    return int(overlap[linear_sum_assignment(overlap, maximize=True)].sum())


def report_gaps(results: Sequence[Comparison]) -> bool:
    """Print the figures of cut-outs with gaps, which SExtractor fills in its own way: maps need not
    be identical."""
    overlaps = np.array([(result.overlap, result.central_overlap) for result in results])
    objects, central = np.median(overlaps, axis=0)
    low = np.percentile(overlaps[:, 1], 10)
    is_met = objects >= 0.95 and central >= 0.95
    print(
        f'{"ok    " if is_met else "MISSED"} {len(results)} cut-outs with gaps, overlap of (medians, target: 95 %)'
    )
    print(
        f'       detected pixels {objects:.1%}, central objects {central:.1%}, 10th percentile {low:.1%}'
    )
    return bool(is_met)


def report(results: Sequence[Comparison]) -> bool:
    """Print the figures of cut-outs without gaps and say whether all targets are met."""
    number, detected = len(results), sum(result.detected for result in results)
    collisions = [result for result in results if result.collision]
    sound = [result for result in results if not result.collision]
    same, centres = (
        sum(getattr(result, name) for result in results)
        for name in ('same_detection', 'same_centre')
    )
    agreeing = sum(result.agreeing for result in results) / detected
    met = {
        f'detected pixels identical: {same} of {number} cut-outs (target: all)': same == number,
        f'objects agree: {agreeing:.2%} of {detected} detected pixels (target: 98 %)': agreeing
        >= 0.98,
        f'central object identical: {centres} of {number} cut-outs (target: 90 %)': centres
        >= 0.9 * number,
    }
    for line, is_met in met.items():
        print(f'{"ok    " if is_met else "MISSED"} {line}')
    print(
        f"SExtractor's numbering defect (a new number mistaken for an old one) spoils {len(collisions)} of its maps:"
    )
    print(
        f'       central object identical in {sum(result.same_centre for result in collisions)} of those'
    )
    print(
        f'       central object identical in {sum(result.same_centre for result in sound)} of the other {len(sound)}'
    )
    print("SExtractor's random draws: with its own second map of the same image it agrees")
    print(
        f'       on {sum(result.self_agreeing for result in results) / detected:.2%} of the detected pixels'
    )
    print(
        f'       on {sum(result.self_same_centre for result in results)} of {number} central objects'
    )
    return all(met.values())


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(
        description='Segmentation maps: AutoSpec against Source Extractor.'
    )
    parser.add_argument('--number', type=int, default=150, help='of cut-outs')
    parser.add_argument('--seed', type=int, default=1)
    options = parser.parse_args()
    command = find_program()
    if command is None:
        print(
            'SExtractor is not installed (Debian: apt install source-extractor): nothing compared'
        )
        return 0
    results = [
        compare(command, np.random.default_rng((options.seed, index)))
        for index in range(options.number)
    ]
    whole, with_gaps = (
        [result for result in results if result.gaps is gaps] for gaps in (False, True)
    )
    return 0 if all([report(whole), report_gaps(with_gaps)]) else 1


if __name__ == '__main__':
    sys.exit(main())
