"""How fast AutoSpec is, as ratios within one run: these machines are noisy, and seconds alone mean
little.

    python benchmarks/speed.py [--repeats N] [--large]

The data are the demo's: the real MUSE cube of Abell 478 inside mpdaf, its HST image and an H-alpha
image, 9 sources, subcubes of 25 x 25 x 3681 voxels. ``--large`` adds the full MUSE field (3681 x
320 x 320, a sparse file) and the runs over 10 to 1000 sources and SIZE 3 to 20.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

for library in ('OPENBLAS', 'MKL', 'OMP'):
    os.environ.setdefault(f'{library}_NUM_THREADS', '1')

import numpy as np
from astropy.io import fits

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from autospec_lib import pipeline
from autospec_lib.config import param_file
from autospec_lib.core import geometry
from autospec_lib.core.types import Target
from autospec_lib.demo import folders
from autospec_lib.detection import segmentation
from autospec_lib.inputs import cube
from autospec_lib.inputs import cube as cutouts
from autospec_lib.output import plots, source_file
from autospec_lib.run import source
from autospec_lib.run.job import Job, prepare

# 0-based pixels: subcubes that lie inside the cube.
POSITIONS = [(y, x) for y in (14, 20, 25) for x in (14, 20, 25)]
STAGES = ('read', 'segment', 'extract', 'cross-correlate', 'write', 'plot')


def make_folder(folder: Path, plotted: bool) -> None:
    """The demo's working folder with 9 sources whose subcubes lie inside the cube."""
    folders.make_abell(folder)
    opened = cube.open_cube(folder / 'abell478.fits')
    rows = np.transpose(opened.sky.to_icrs(*np.transpose(POSITIONS)))
    lines = [f'{n} {float(ra):.7f} {float(dec):.7f}\n' for n, (ra, dec) in enumerate(rows)]
    (folder / 'catalog.txt').write_text(''.join(lines))
    text = (folder / 'param.py').read_text().replace('APER = 0.6, 1.0', 'APER = 1.0, 2.0')
    (folder / 'param.py').write_text(f'{text}PLOTS = {plotted}\nREPORT = False\n')


def open_job(folder: Path) -> tuple[Job, list[Target]]:
    """What the command line does before the first source."""
    params, _ = param_file.load(folder / 'param.py')
    job, targets, _ = prepare(folder, params)
    (folder / params.output).mkdir(exist_ok=True)
    return job, targets


class Clock:
    """Adds up the seconds spent in functions of other modules, by stage, while it is entered.

    ``now`` tells the time: of the clock on the wall, or of this process alone.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self.now = now
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.places: list[tuple[Any, str, str]] = [
            (cutouts, 'cut', 'read'),
            (segmentation, 'segment', 'segment'),
            (pipeline, '_cross_correlated', 'cross-correlate'),
            (pipeline, 'process', 'extract'),
            (source_file, 'write_source', 'write'),
            (plots, 'render', 'plot'),
            (plots, 'save', 'plot'),
        ]

    def __enter__(self) -> Clock:
        self.original = [getattr(module, name) for module, name, _ in self.places]
        for (module, name, stage), function in zip(self.places, self.original, strict=True):
            setattr(module, name, self.timed(function, stage))
        return self

    def __exit__(self, *_: object) -> None:
        for (module, name, _stage), function in zip(self.places, self.original, strict=True):
            setattr(module, name, function)
        # What `process` does besides segmenting and cross-correlating is extraction.
        self.seconds['extract'] -= self.seconds['segment'] + self.seconds['cross-correlate']

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """The function, its time added to a stage."""

        def wrapper(*arguments: Any) -> Any:
            start = self.now()
            try:
                return function(*arguments)
            finally:
                self.seconds[stage] += self.now() - start

        return wrapper


def seconds_of(function: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def floor(job: Job, target: Target) -> None:
    """Read the bytes of data and variance of a subcube, and two passes of matrix products over
    each."""
    rng = np.random.default_rng(0)
    centre = cutouts.box_of(job.cube, target)[0]
    ys, xs = geometry.box_around(centre, target.size, job.cube.pixel)
    for layer in (job.cube.data, job.cube.noise):
        mapped = np.memmap(layer.path, layer.dtype, 'r', layer.offset, layer.shape)
        flat = mapped[:, ys, xs].astype(np.float64).reshape(layer.shape[0], -1)
        rng.random((4, layer.shape[0])) @ flat
        flat @ rng.random((flat.shape[1], 4))


def measure(folder: Path, repeats: int, plotted: bool) -> dict[str, float]:
    """Medians over sources and repeats, AutoSpec and the yardstick in turn: seconds, by stage and
    in all."""
    from yardstick import Yardstick

    job, targets = open_job(folder)
    names = job.params.img
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yardstick = Yardstick(folder, job.params.datacube, names, job.segmentation)
    theirs = folder / 'yardstick'
    theirs.mkdir(exist_ok=True)
    ours: list[dict[str, float]] = []
    other: list[dict[str, float]] = []
    floors = []
    for turn in range(repeats + 1):
        for target in targets:
            floors.append(seconds_of(lambda target=target: floor(job, target)))
            with Clock() as clock:
                total = seconds_of(lambda target=target: source.extract(job, target))
            ours.append(clock.seconds | {'all': total})
            yardstick.seconds = {}
            total = seconds_of(
                lambda target=target: yardstick.extract(
                    target, 'HALPHA', job.params.cont_poly, theirs, plotted
                )
            )
            other.append(yardstick.seconds | {'all': total})
        if turn == 0:  # warms caches up
            ours, other, floors = [], [], []
    result = {
        f'AutoSpec {stage}': float(np.median([one.get(stage, 0) for one in ours]))
        for stage in (*STAGES, 'all')
    }
    result |= {
        f'MPDAF {stage}': float(np.median([one.get(stage, 0) for one in other]))
        for stage in (*STAGES, 'all')
    }
    return result | {'floor': float(np.median(floors))}


def pictures(folder: Path, repeats: int) -> float:
    """Processor seconds for the four pictures of a source: the least of each, and the median over
    sources."""
    job, targets = open_job(folder)
    found = np.empty((repeats + 1, len(targets)))
    for turn in range(repeats + 1):
        for k, target in enumerate(targets):
            with Clock(time.process_time) as clock:
                source.extract(job, target)
            found[turn, k] = clock.seconds['plot']
    return float(np.median(found.min(axis=0)))


def shell(folder: Path, *options: str) -> tuple[float, float]:
    """Seconds and peak resident memory [MB] of the command on a folder, start-up included."""
    code = (
        'import sys; from autospec_lib.cli import main; code = main(sys.argv[1:]);'
        # Not getrusage, whose maximum starts with that of the process that started this one.
        'print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0], file=sys.stderr); sys.exit(code)'
    )
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    start = time.perf_counter()
    command = [sys.executable, '-c', code, str(folder), '-q', *options]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, int(run.stderr.split()[-1]) / 1e3


def shell_of_yardstick(folder: Path) -> float:
    """Seconds of a Python process that does the same catalogue with the yardstick."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, str(ROOT / 'benchmarks' / 'yardstick.py'), str(folder)]
    return seconds_of(
        lambda: subprocess.run(command, env=environment, capture_output=True, check=True)
    )


def copies(folder: Path, number: int) -> None:
    """A catalogue of many sources at the same few positions."""
    rows = (folder / 'catalog.txt').read_text().splitlines()[: len(POSITIONS)]
    lines = [f'{n} {" ".join(rows[n % len(rows)].split()[1:])}\n' for n in range(number)]
    (folder / 'catalog.txt').write_text(''.join(lines))


def large_field(folder: Path) -> None:
    """A full MUSE field as a sparse file, which reads as zeros but for a patch around each of 20
    sources."""
    shape = (3681, 320, 320)
    header = cube.open_cube(folder / 'abell478.fits').header
    path = folder / 'large.fits'
    hdu = fits.ImageHDU(np.zeros((1, 1, 1), np.float32), header, name='DATA')
    offsets = []
    with path.open('wb') as file:
        file.write(fits.PrimaryHDU().header.tostring().encode())
        for name in ('DATA', 'STAT'):
            hdu.header.update(NAXIS1=shape[2], NAXIS2=shape[1], NAXIS3=shape[0], EXTNAME=name)
            file.write(hdu.header.tostring().encode())
            offsets.append(file.tell())
            size = 4 * int(np.prod(shape))
            file.truncate(file.tell() + size + (-size) % 2880)
            file.seek(0, 2)
    rng = np.random.default_rng(1)
    lines = []
    wcs = cube.open_cube(path).wcs
    for number in range(20):
        y, x = rng.integers(20, 300, 2)
        yy, xx = np.indices((25, 25)) - 12
        patch = 50 * np.exp(-(yy**2 + xx**2) / 18.0)
        for offset, constant in zip(offsets, (0.0, 1.0), strict=True):
            cells = np.memmap(path, '>f4', 'r+', offset, shape)
            cells[:, y - 12 : y + 13, x - 12 : x + 13] = (
                constant if constant else patch + rng.normal(size=(25, 25))
            )
            cells.flush()
        ra, dec = wcs.all_pix2world(x, y, 0)
        lines.append(f'{number} {float(ra):.7f} {float(dec):.7f}\n')
    (folder / 'catalog.txt').write_text(''.join(lines))
    (folder / 'param.py').write_text("DATACUBE = 'large.fits'\nPLOTS = False\nREPORT = False\n")


def report(rows: list[tuple[str, str]]) -> None:
    """Print a table for benchmarks/README.md."""
    print('| what | figure |\n|---|---|')
    for what, figure in rows:
        print(f'| {what} | {figure} |')


def machine() -> str:
    """Which machine and versions the figures are of."""
    return f'{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}'


def speed(repeats: int) -> list[tuple[str, str]]:
    """Per source, by stage, and from the shell."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for plotted in (False, True):
            folder = Path(name) / f'plots{plotted}'
            make_folder(folder, plotted)
            found = measure(folder, repeats, plotted)
            how = 'with plots' if plotted else 'without plots'
            for kind in ('AutoSpec', 'MPDAF'):
                split = ', '.join(
                    f'{s} {1e3 * found[f"{kind} {s}"]:.1f}'
                    for s in STAGES
                    if plotted or s != 'plot'
                )
                rows.append(
                    (f'{kind}, {how}: ms per source', f'{1e3 * found[f"{kind} all"]:.1f} ({split})')
                )
            rows.append(
                (
                    f'yardstick / AutoSpec, {how}',
                    f'{found["MPDAF all"] / found["AutoSpec all"]:.1f}',
                )
            )
            if plotted:
                rows.append(
                    (
                        'four pictures: ms of processor time per source',
                        f'{1e3 * pictures(folder, repeats):.0f}',
                    )
                )
            else:
                ours, base, written = found['AutoSpec all'], found['floor'], found['AutoSpec write']
                rows.append(('floor: ms per source', f'{1e3 * base:.1f}'))
                rows.append(('(AutoSpec - FITS write) / floor', f'{(ours - written) / base:.2f}'))
            seconds, memory = zip(*(shell(folder) for _ in range(2)), strict=True)
            theirs = np.median([shell_of_yardstick(folder) for _ in range(2)])
            ratio = theirs / np.median(seconds)
            rows.append(
                (
                    f'9 sources from the shell, {how}',
                    f'{np.median(seconds):.2f} s, {max(memory):.0f} MB',
                )
            )
            rows.append((f'yardstick / AutoSpec from the shell, {how}', f'{ratio:.1f}'))
        two = Path(name) / 'plotsTrue'
        copies(two, 120)
        pairs = [(shell(two)[0], shell(two, '--cores', '2')[0]) for _ in range(2)]
        ratio = np.median([one / other for one, other in pairs])
        rows.append(
            ('1 process / 2 processes, 120 sources with plots, from the shell', f'{ratio:.2f}')
        )
    return rows


def by_size(
    job: Job, target: Target, sizes: tuple[float, ...], where: str
) -> list[tuple[str, str]]:
    """How long one source takes in subcubes of several sizes."""
    rows = []
    for size in sizes:
        sized = replace(target, size=size)
        source.extract(job, sized)
        median = np.median([seconds_of(lambda t=sized: source.extract(job, t)) for _ in range(5)])
        voxels = cutouts.cut(job.cube, sized).data.size
        rows.append(
            (
                f'SIZE = {size:g} ({where})',
                f'{1e3 * median:.0f} ms, {1e9 * median / voxels:.0f} ns per voxel',
            )
        )
    return rows


def scale() -> list[tuple[str, str]]:
    """A full field, many sources, large subcubes."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / 'field'
        make_folder(folder, False)
        for number in (10, 100, 1000):
            copies(folder, number)
            seconds, memory = shell(folder)
            rows.append((f'{number} sources', f'{seconds:.1f} s, {memory:.0f} MB'))
        job, targets = open_job(folder)
        rows += by_size(job, targets[4], (3.0, 5.0, 7.0), 'inside the cube')
        large_field(folder)
        seconds, memory = shell(folder)
        rows.append(('full MUSE field, 20 sources', f'{seconds:.1f} s, {memory:.0f} MB'))
        job, targets = open_job(folder)
        rows += by_size(job, targets[0], (3.0, 5.0, 10.0, 20.0), 'full field')
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--repeats', type=int, default=5, help='how often each source is extracted (default: 5)'
    )
    parser.add_argument(
        '--large', action='store_true', help='the full field and up to 1000 sources too'
    )
    options = parser.parse_args()
    print(machine())
    report(speed(options.repeats))
    if options.large:
        report(scale())


if __name__ == '__main__':
    main()
