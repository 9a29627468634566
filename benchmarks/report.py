"""How long the report of 1500 sources takes to write, beyond their extraction, and to open in
Chromium.

    python benchmarks/report.py [--sources N]

The sources are those of the demo (spectra of 3681 channels, ten each), again and again under new
IDs and at random places of the field.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / 'tests'), str(ROOT / 'benchmarks')]

import numpy as np
from browser import CHROMIUM, DRIVER, Browser
from speed import machine, make_folder, open_job, report

from autospec_lib import pipeline
from autospec_lib.core.errors import SourceError
from autospec_lib.inputs import cube as cutouts
from autospec_lib.output import summary
from autospec_lib.run import report as run_report
from autospec_lib.run.results import Outcome, Results


def timed(function: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the clock and of this process that a call takes."""
    start, used = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - used


def write(folder: Path, number: int, cubes_too: bool) -> list[tuple[str, str]]:
    """Write the report of so many sources, as a run does."""
    make_folder(folder, False)
    job, targets = open_job(folder)
    job = replace(job, params=replace(job.params, report=True, report_cube=cubes_too))
    made = []
    for target in targets:
        try:
            cutout = cutouts.cut(job.cube, target, job.sources)
        except SourceError:
            continue
        made.append((cutout, pipeline.process(cutout, job.params, job.segmentation)))
    places = np.random.default_rng(1).uniform(0, np.array(job.cube.shape) - 1, (number, 2)).T
    written = [
        replace(made[ident % len(made)][0].target, id=ident, ra=ra, dec=dec)
        for ident, (ra, dec) in enumerate(np.transpose(job.cube.sky.to_icrs(*places)).tolist(), 1)
    ]
    job = replace(job, catalogue=tuple(written))
    results, page = Results(job, written), run_report.Page(job, 'benchmark')

    def write_all() -> None:
        for target in written:
            cutout, products = made[target.id % len(made)]
            preview = run_report.write_data(job, products, replace(cutout, target=target))
            outcome = Outcome(
                target.id, 0.0, measured=measured[target.id % len(made)], preview=preview
            )
            results.add(outcome)

    measured = [summary.measure(products, cutout) for cutout, products in made]
    data, table = timed(write_all), timed(lambda: page.write(results))
    size, cubes = (
        sum(path.stat().st_size for path in (job.output / 'report').rglob(pattern)) / 1e6
        for pattern in ('*.js', 'cubes/*.js')
    )
    both = [data[place] + table[place] for place in (0, 1)]
    return [
        (f'{number} sources: data', f'{data[0]:.1f} s ({data[1]:.1f} s of this process)'),
        (f'{number} sources: page and table', f'{table[0]:.2f} s'),
        (
            f'{number} sources: report in all',
            f'{both[0]:.1f} s ({both[1]:.1f} s of this process), {size:.0f} MB',
        ),
        ('of it binned cubes', f'{cubes:.0f} MB'),
    ]


def look(folder: Path) -> list[tuple[str, str]]:
    """Open the page from disk: until its table is drawn, until a filter is, until a source's
    spectrum is."""
    if not (CHROMIUM and DRIVER):
        return [('opening', 'no chromium and chromedriver')]
    rows = []
    with tempfile.TemporaryDirectory() as profile, Browser(profile) as browser:
        address = (folder / 'output' / 'index.html').as_uri()
        spent = []
        for _ in range(5):
            browser.open('about:blank')
            browser.open(address)
            spent.append(
                browser.run(
                    'const t = performance.timing; return t.loadEventEnd - t.navigationStart'
                )
            )
        rows.append(('opening the page', f'{sorted(spent)[2] / 1e3:.2f} s'))
        filtered = (
            "const box = document.getElementById('filter'); box.value = arguments[0]; const start = performance.now();"
            "box.dispatchEvent(new Event('input')); document.body.offsetHeight; return performance.now() - start"
        )
        for words in ('sn>1', ''):
            rows.append((f'filter {words!r}', f'{browser.run(filtered, words):.0f} ms'))
        start = time.perf_counter()
        browser.open(f'{address}#5')
        browser.until(
            lambda: browser.run(
                "return document.querySelectorAll('#plot .scatterlayer path').length"
            )
        )
        rows.append(
            ('first source: until its spectrum is drawn', f'{time.perf_counter() - start:.1f} s')
        )
        start = time.perf_counter()
        browser.press('Right')
        browser.until(lambda: browser.run("return Spectrum.data.id === '6'"))
        rows.append(('next source', f'{time.perf_counter() - start:.2f} s'))
        start = time.perf_counter()
        browser.press('m')
        browser.until(lambda: browser.run('return Field.picture !== null'))
        rows.append(('map of the field: until it is drawn', f'{time.perf_counter() - start:.2f} s'))
        drawn = 'const start = performance.now(); Field.draw(); return performance.now() - start'
        rows.append(('map: drawn again', f'{browser.run(drawn):.0f} ms'))
        if not browser.run('return Source.data.cube'):
            return rows
        for what in ('narrow band: first of a source, which loads its cube', 'next narrow band'):
            start = time.perf_counter()
            browser.run('Narrow.wave = null; Narrow.show(Source.data.wave[1900])')
            browser.until(lambda: browser.run('return Narrow.wave !== null'))
            rows.append((what, f'{time.perf_counter() - start:.2f} s'))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--sources', type=int, default=1500, help='how many (default: 1500)')
    parser.add_argument('--without-cubes', action='store_true', help='REPORT_CUBE = False')
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / 'field'
        report([*write(folder, options.sources, not options.without_cubes), *look(folder)])


if __name__ == '__main__':
    main()
