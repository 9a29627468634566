"""A cube on a disk that takes 5 ms to find a place: how often it has to, and how long a run takes.

    python -m benchmarks.seeks [--sources N] [--seek MS] [--rate MB_PER_S] [--cores N] [--field SIDE]

The cube is a full MUSE field (3681 x 320 x 320 voxels, data and variance, 3 GB on disk) whose
sources are spread over it. Each read that does not begin where the last one ended costs a seek, and
reading takes its time; the copy that AutoSpec makes lies on the real disk, where its seeks are
counted (with one core). What a run without the copy would take is counted, not waited for. On a
machine that cannot cache the cube (on Linux):

    systemd-run --scope -p MemoryMax=500M python -m benchmarks.seeks
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from autospec_lib.cli.command import main as autospec
from autospec_lib.inputs import fits_arrays

PIXEL = 0.2 / 3600
SIDE, NL = 320, 3681


@dataclass
class SlowDisk:
    """A disk with one head: where it is, how often it was moved, what was read. Only ``path`` lies
    on it.

    ``others`` counts the same for all other files.
    """

    path: Path
    seek: float = 0.0
    rate: float = float('inf')
    seeks: int = 0
    read: int = 0
    head: tuple[Path, int] = field(default=(Path(), 0))
    others: SlowDisk | None = None

    def opened(self, path: Path) -> BinaryIO:
        """In place of `fits_arrays.opened`."""
        file = path.open('rb', buffering=0)
        disk = self if path == self.path else self.others
        return file if disk is None else SlowFile(file, path, disk)  # type: ignore[return-value]

    @contextmanager
    def in_place(self) -> Iterator[SlowDisk]:
        """Let AutoSpec read from this disk, in this process and those that it forks."""
        before = fits_arrays.opened
        fits_arrays.opened = self.opened
        try:
            yield self
        finally:
            fits_arrays.opened = before

    def moved(self, path: Path, begin: int, number: int) -> None:
        """Count and wait for one read."""
        delay = number / self.rate
        if self.head != (path, begin):
            self.seeks += 1
            delay += self.seek
        self.read += number
        self.head = path, begin + number
        if delay:
            time.sleep(delay)


class SlowFile:
    """A file on such a disk."""

    def __init__(self, file: BinaryIO, path: Path, disk: SlowDisk) -> None:
        self._file, self._path, self._disk = file, path, disk

    def __enter__(self) -> SlowFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fileno(self) -> int:
        """Of the file below."""
        return self._file.fileno()

    def seek(self, place: int) -> int:
        """Without cost: only reading moves the head."""
        return self._file.seek(place)

    def read(self, number: int) -> bytes:
        """As files do."""
        begin = self._file.tell()
        found = self._file.read(number)
        self._disk.moved(self._path, begin, len(found))
        return found

    def readinto(self, buffer: Any) -> int:
        """As files do."""
        begin = self._file.tell()
        number: int = self._file.readinto(buffer)  # type: ignore[attr-defined]
        self._disk.moved(self._path, begin, number)
        return number


def make_folder(folder: Path, sources: int, side: int) -> None:
    """A field of noise with sources at random places, and their catalogue."""
    rng = np.random.default_rng(1)
    header = fits.Header()
    header.update({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN', 'CRVAL1': 150.0, 'CRVAL2': 2.0})
    header.update(
        {
            'CRPIX1': side / 2,
            'CRPIX2': side / 2,
            'CD1_1': -PIXEL,
            'CD2_2': PIXEL,
            'CD1_2': 0.0,
            'CD2_1': 0.0,
        }
    )
    header.update(
        {'CTYPE3': 'AWAV', 'CUNIT3': 'Angstrom', 'CRVAL3': 4750.0, 'CRPIX3': 1.0, 'CD3_3': 1.25}
    )
    places = rng.uniform(0, side - 1, (sources, 2))
    y, x = np.indices((side, side))
    picture = np.zeros((side, side))
    for py, px in places:
        picture += 20 * np.exp(-((y - py) ** 2 + (x - px) ** 2) / 8)
    with (folder / 'datacube.fits').open('wb') as file:
        file.write(fits.PrimaryHDU().header.tostring().encode())
        for name in ('DATA', 'STAT'):
            shape = {
                'NAXIS': 3,
                'NAXIS1': side,
                'NAXIS2': side,
                'NAXIS3': NL,
                'PCOUNT': 0,
                'GCOUNT': 1,
            }
            whole = fits.Header(
                [('XTENSION', 'IMAGE'), ('BITPIX', -32), *shape.items(), ('EXTNAME', name)]
            )
            file.write((whole + header).tostring().encode())
            for _ in range(NL):
                plane = (
                    rng.normal(size=(side, side)) + picture
                    if name == 'DATA'
                    else np.ones((side, side))
                )
                file.write(plane.astype('>f4').tobytes())
            file.write(b'\0' * (-file.tell() % 2880))
    rows = [
        f'{n} {150.0 - (px - side / 2) * PIXEL:.7f} {2.0 + (py - side / 2) * PIXEL:.7f}\n'
        for n, (py, px) in enumerate(places)
    ]
    (folder / 'catalog.txt').write_text(''.join(rows))
    (folder / 'param.py').write_text(
        "DATACUBE = 'datacube.fits'\nCATALOG = 'catalog.txt'\nPLOTS = False\n"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--sources', type=int, default=1000)
    parser.add_argument('--seek', type=float, default=5.0, help='ms')
    parser.add_argument('--rate', type=float, default=150.0, help='MB per second')
    parser.add_argument('--cores', type=int, default=1)
    parser.add_argument('--field', type=int, default=SIDE, help='spaxels along a side')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir='/var/tmp') as name:
        folder = Path(name)
        make_folder(folder, options.sources, options.field)
        path = folder / 'datacube.fits'
        size = path.stat().st_size
        pieces = 2 * NL * options.sources
        once = size / options.rate / 1e6
        print(f'file: {size / 1e6:.0f} MB, one pass takes {once:.0f} s')
        print(f'box by box: {pieces} seeks, {pieces * options.seek / 1e3:.0f} s')
        copy = SlowDisk(path)
        disk = SlowDisk(path, options.seek / 1e3, options.rate * 1e6, others=copy)
        start = time.perf_counter()
        with disk.in_place():
            code = autospec([name, '--cores', str(options.cores)])
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(f'AutoSpec: exit {code}, {disk.seeks} seeks, {disk.read / 1e6:.0f} MB read of it')
        seeks, read = copy.seeks / options.sources, copy.read / 1e6 / options.sources
        print(f'copy: {seeks:.0f} seeks and {read:.0f} MB a source')
        print(f'{seconds:.0f} s, {memory:.0f} MB of memory')


if __name__ == '__main__':
    main()
