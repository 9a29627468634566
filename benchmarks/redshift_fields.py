"""Redshifts of fields whose redshifts are known, by the whole program: Abell 478 in mpdaf, and the
simulated field.

python benchmarks/redshift_fields.py
python benchmarks/redshift_fields.py --published ../shared/reference/rebuild_field.py    # and the published sources
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
from astropy.io import fits
from astropy.table import Table
from redshifts import loaded

from autospec_lib.cli.command import main as autospec
from autospec_lib.demo import folders, simulation

KNOTS = dict.fromkeys(range(1, 9), 0.08585)  # Abell 478
PUBLISHED = {120: 0.4192, 126: 0.4214, 141: 0.4175, 168: 0.4180, 207: 0.4179}
# Factor to the variance of the noise that is added to the published spectra, which have their own.
LESS_NOISE = 100


def results(folder: Path, truth: dict[int, float], most: float, extra: str = '') -> None:
    """Run the program on a folder and print what it says of each source.

    Parameters
    ----------
    folder : Path
        With everything but the parameter REDSHIFT.
    truth : dict of int to float
        Redshifts by ID.
    most : float
        The largest difference of a right one.
    extra : str
        Further lines of param.py.
    """
    param = folder / 'param.py'
    param.write_text(f'{param.read_text()}\nREDSHIFT = True\nPLOTS = False\n{extra}\n')
    autospec([str(folder), '-q'])
    table = Table.read(folder / 'output' / 'summary.ecsv', fill_values=None)
    print('| source | redshift | measured | P | ZQUAL | ZTYPE | |\n|---|---|---|---|---|---|---|')
    counts = {'right': 0, 'silent': 0, 'possible': 0, 'wrong': 0}
    for row in table:
        z = float(np.ma.filled(row['Z'], np.nan))
        true = truth.get(int(row['ID']), np.nan)
        if row['ZQUAL'] == 0:
            verdict = 'silent'
        elif abs(z - true) < most:
            verdict = 'right'
        else:
            # A quality of 1 is a possibility, no redshift.
            verdict = 'possible' if row['ZQUAL'] == 1 else 'wrong'
        counts[verdict] += 1
        kind = '' if verdict == 'silent' else row['ZTYPE']
        print(
            f'| {row["ID"]} | {true:.4f} | {z:.4f} | {row["ZPROB"]:.2f} | {row["ZQUAL"]} | {kind} | {verdict} |'
        )
    print('\n' + ', '.join(f'{number} {verdict}' for verdict, number in counts.items()))


def published(module: ModuleType, folder: Path, less_noise: float) -> None:
    """Build the field of published sources."""

    def opened(name: str) -> fits.HDUList:
        hdus = fits.open(Path(module.__file__).parent / 'published' / name)
        if 'IMA_MUSE_WHITE_STAT' in hdus:
            hdus['IMA_MUSE_WHITE_STAT'].data = hdus['IMA_MUSE_WHITE_STAT'].data / less_noise
        return hdus

    module.build(folder, 'A', opener=opened)


def main() -> None:
    """Run all fields in temporary folders."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--published', type=Path, metavar='rebuild_field.py')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for sky_sub in (True, False):
            print(f'\nAbell 478, SKY_SUB = {sky_sub}\n')
            folder = root / f'abell_{sky_sub}'
            folders.make_abell(folder)
            results(folder, KNOTS, 4e-4, f'SKY_SUB = {sky_sub}')
        print('\nThe simulated field\n')
        folders.make_simulated(root / 'simulated')
        galaxies = simulation.easy(1).galaxies
        results(
            root / 'simulated',
            {number: one.redshift for number, one in enumerate(galaxies, 1)},
            0.003,
        )
        if options.published:
            module = loaded(options.published)
            for less_noise in (1, LESS_NOISE):
                print(f'\nThe published sources, noise that is added / {less_noise**0.5:.0f}\n')
                published(module, root / f'published_{less_noise}', less_noise)
                results(root / f'published_{less_noise}', PUBLISHED, 0.001)


if __name__ == '__main__':
    main()
