"""Make the templates of the redshift engine, and the continua of its benchmark, from packages on
PyPI.

    python benchmarks/redshift_data.py            # downloads 132 MB into a temporary folder
    python benchmarks/redshift_data.py FOLDER     # downloads are kept in, and used from, FOLDER

The engine's templates are from MaStar (in sdss-mangadap), DESI's archetypes (in redrock) and a
quasar (in grizli); the benchmark's continua are from BC03 and STELIB (in sdss-mangadap) and FSPS
(in grizli). The two share nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d

from autospec_lib.redshift.axis import LOG_STEP, to_vacuum

PACKAGES = ('sdss-mangadap==4.5.0', 'redrock==0.21.0', 'grizli==1.14.3')
HERE = Path(__file__).resolve().parent
DATA = HERE.parent / 'autospec_lib' / 'redshift' / 'data'
CONTINUA = HERE / 'redshift_continua.npz'
LIBRARIES = 'mangadap/data/spectral_templates'
LICENCES = {  # file beside the templates: where it is in the packages
    'LICENSE_mangadap.md': '*/sdss_mangadap-*/licenses/LICENSE.md',
    'LICENSE_redrock.rst': '*/redrock-*/licenses/LICENSE.rst',
    'LICENSE_grizli.txt': '*/grizli-*/LICENSE.txt',
}
GALAXY_RANGE = (1240.0, 10300.0)  # Angstrom in vacuum
STAR_RANGE = (3640.0, 10300.0)
QUASAR_RANGE = (905.0, 9000.0)
CONTINUA_RANGE = (900.0, 9290.0)
UV_LIMIT = 3660.0  # below it the galaxies have the shape of an archetype
UV_MATCH = (3660.0, 3720.0)  # where the two are scaled to each other
ARCHETYPE_START, ARCHETYPE_STEP = 1228.0701754386, 0.2
# Emission lines of the archetype: centre, half-width.
CUT_LINES = ((3728.5, 12.0), (3869.9, 8.0), (3889.0, 8.0))
GALAXY_WIDTH = 2.2  # of the Gaussian that broadens galaxies, in steps: 150 km/s
QUASAR_WIDTH = 8.0
# The quasar's pieces, each with an amplitude of its own.
QUASAR_EDGES = (905.0, 1720.0, 3300.0, 9000.0)
EDGE_WIDTH = 10.0  # of the logistic functions that cut them
# The galaxies are means over ages in Gyr; the first two are the oldest population, metal-rich and
# metal-poor.
AGES = ((8, 15), (2.5, 3.5), (0.9, 1.1), (0.2, 0.4), (0.05, 0.15), (0, 0.02))


def main(folder: Path) -> None:
    """Download what is not there, unpack it, and write both files and the licences."""
    root = unpacked(folder)
    DATA.mkdir(exist_ok=True)
    for name, pattern in LICENCES.items():
        (DATA / name).write_bytes(next(root.glob(pattern)).read_bytes())
    wave, galaxies = galaxy_templates(root)
    np.savez_compressed(
        DATA / 'templates.npz',
        galaxy_start=np.log10(GALAXY_RANGE[0]),
        galaxies=rounded(galaxies),
        star_start=np.log10(STAR_RANGE[0]),
        stars=rounded(star_templates(root)),
        quasar_start=np.log10(QUASAR_RANGE[0]),
        quasar=rounded(quasar_pieces(root)),
    )
    np.savez_compressed(
        CONTINUA,
        galaxy_start=np.log10(CONTINUA_RANGE[0]),
        galaxies=rounded(benchmark_galaxies(root)),
        star_start=np.log10(4600.0),
        stars=rounded(benchmark_stars(root)),
    )
    near_k = np.abs(wave - 3934.8) < 8
    print(
        f'Ca K of the oldest galaxy at {wave[near_k][galaxies[0][near_k].argmin()]:.2f} (3934.78 in vacuum)'
    )


def unpacked(folder: Path) -> Path:
    """The folder with one folder for each package."""
    root = folder / 'unpacked'
    if root.is_dir():
        return root
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, '-m', 'pip', 'download', '--no-deps', '--dest', str(folder)]
    subprocess.run([*command, *PACKAGES], check=True)
    for path in folder.glob('*.whl'):
        zipfile.ZipFile(path).extractall(root / path.name.split('-')[0])
    for path in folder.glob('*.tar.gz'):
        with tarfile.open(path) as archive:
            archive.extractall(root / path.name.split('-')[0], filter='data')
    return root


def log_axis(limits: tuple[float, float]) -> np.ndarray:
    """Wavelengths in steps of `LOG_STEP` of their logarithm."""
    start, stop = np.log10(limits)
    return 10 ** np.arange(start, stop, LOG_STEP)


def rounded(values: np.ndarray) -> np.ndarray:
    """Single precision with 13 bits of the mantissa (one part in 10,000), which compresses well."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(1 << 9)) & np.uint32(0xFFFFFFFF << 10 & 0xFFFFFFFF)).view(np.float32)


def scaled(values: np.ndarray) -> np.ndarray:
    """Spectra (k, n) with a median of 1 where they are not 0."""
    return np.array([row / np.median(row[row > 0]) for row in values])


def file_spectrum(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Wavelengths and flux of a FITS file with a linear or a logarithmic axis."""
    with fits.open(path) as hdus:
        header, flux = hdus[0].header, hdus[0].data.astype(float).ravel()
    wave = header['CRVAL1'] + header['CDELT1'] * np.arange(flux.size)
    return (10**wave if wave[0] < 10 else wave), flux


def populations(root: Path, wave: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ages in Gyr, metallicities and spectra (k, n) of MaStar's populations, with the UV of an
    archetype."""
    archetypes = archetype_spectra(root, wave)
    match, ultraviolet = (wave > UV_MATCH[0]) & (wave < UV_MATCH[1]), wave < UV_LIMIT
    rows = []
    for path in sorted(root.glob(f'*/{LIBRARIES}/mastar_ssp_v1.0/*.fits.gz')):
        age, metals = map(float, re.search(r'A([\d.]+)-Z([+-][\d.]+)\.fits', path.name).groups())
        if metals < -0.75:
            continue
        flux = np.interp(wave, *file_spectrum(path))
        archetype = archetypes[0] if age >= 0.9 else archetypes[1]
        flux[ultraviolet] = (
            archetype[ultraviolet] * np.median(flux[match]) / np.median(archetype[match])
        )
        rows.append((age, metals, flux / np.median(flux[(wave > 4500) & (wave < 6500)])))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def archetype_spectra(root: Path, wave: np.ndarray) -> np.ndarray:
    """DESI's red galaxy and its emission-line galaxy, the latter without its lines."""
    path = next(root.glob('*/redrock/test/data/rrarchetype-galaxy-test.fits'))
    held = fits.getdata(path, 1)['ARCHETYPE'].astype(float)
    own = ARCHETYPE_START + ARCHETYPE_STEP * np.arange(held.shape[1])
    spectra = np.array([np.interp(wave, own, gaussian_filter1d(row, 4)) for row in held])
    for centre, half in CUT_LINES:
        line = np.abs(wave - centre) < half
        spectra[1, line] = np.interp(wave[line], wave[~line], spectra[1, ~line])
    return spectra


def galaxy_templates(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Wavelengths and the nine galaxies."""
    wave = log_axis(GALAXY_RANGE)
    ages, metals, spectra = populations(root, wave)
    oldest = np.flatnonzero(ages == ages.max())
    rows = [spectra[oldest[metals[oldest].argmax()]], spectra[oldest[metals[oldest].argmin()]]]
    rows += [spectra[(ages >= low) & (ages <= high)].mean(axis=0) for low, high in AGES]
    rows.append(0.5 * rows[5] + 0.25 * rows[2])  # a young population over an old one
    return wave, gaussian_filter1d(np.array(rows), GALAXY_WIDTH, axis=1)


def star_templates(root: Path) -> np.ndarray:
    """Every second star of MaStar's hierarchical clusters."""
    wave = log_axis(STAR_RANGE)
    paths = sorted(root.glob(f'*/{LIBRARIES}/mastarhc_v2/*.fits.gz'))
    return scaled(np.array([np.interp(wave, *file_spectrum(path)) for path in paths[::2]]))


def quasar_pieces(root: Path) -> np.ndarray:
    """A quasar over its continuum, cut into pieces of wavelength."""
    wave = log_axis(QUASAR_RANGE)
    table = np.loadtxt(next(root.glob('*/grizli-*/grizli/data/templates/quasar_lines.txt')))
    flux, continuum = (np.interp(wave, table[:, 0], table[:, column]) for column in (1, 2))
    shape = gaussian_filter1d(flux / continuum, QUASAR_WIDTH)
    steps = [1 / (1 + np.exp((edge - wave) / EDGE_WIDTH)) for edge in QUASAR_EDGES[1:-1]]
    return shape * np.array([1 - steps[0], steps[0] * (1 - steps[1]), steps[1]])


def benchmark_galaxies(root: Path) -> np.ndarray:
    """Ten populations of solar metallicity by BC03, from 5 Myr to 10 Gyr, with the UV of FSPS below
    3600 Angstrom."""
    wave = log_axis(CONTINUA_RANGE)
    ultraviolet, match = wave < 3600, (wave > 3600) & (wave < 3800)
    fsps = []
    for path in sorted(root.glob('*/grizli-*/grizli/data/templates/fsps/*_nolines_0*.dat')):
        table = np.loadtxt(path)
        fsps.append(np.interp(wave, table[:, 0], table[:, 1]))
    blue = np.array([row[match].mean() / row[(wave > 5400) & (wave < 5600)].mean() for row in fsps])
    rows = []
    for path in sorted(root.glob(f'*/{LIBRARIES}/bc03_mpajhu/BC03_z0.020_*.fits')):
        own, flux = file_spectrum(path)
        row = np.interp(wave, to_vacuum(own), flux)
        # The spectrum of FSPS with the most similar colour at the limit.
        colour = row[match].mean() / row[(wave > 5400) & (wave < 5600)].mean()
        other = fsps[np.abs(np.log(blue / colour)).argmin()]
        row[ultraviolet] = other[ultraviolet] * row[match].mean() / other[match].mean()
        rows.append(row / np.median(row[(wave > 5450) & (wave < 5550)]))
    return np.array(rows)


def benchmark_stars(root: Path) -> np.ndarray:
    """24 stars of STELIB from blue to red, of those without gaps."""
    wave = log_axis((4600.0, 9500.0))
    rows = []
    for path in sorted(root.glob(f'*/{LIBRARIES}/stelib/*.fits')):
        own, flux = file_spectrum(path)
        inside = (own > 4700) & (own < 9350)
        if np.isfinite(flux[inside]).all() and (flux[inside] > 0).all():
            rows.append(np.interp(wave, to_vacuum(own), flux))
    colour = [
        np.median(row[(wave > 8300) & (wave < 8500)]) / np.median(row[wave < 5000]) for row in rows
    ]
    chosen = np.argsort(colour)[np.linspace(0, len(rows) - 1, 24).astype(int)]
    return scaled(np.array(rows)[chosen])


if __name__ == '__main__':
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
