"""How good each kind of spectrum is on the real MUSE field of Abell 478, where the truth is not
known.

The program runs on the folder of its own demonstration, once with propagated and once with measured
errors. In each spectrum the flux of H-alpha and [N II] stands above a straight continuum, fitted to
a window on either side; the scatter about that continuum is the noise. `quality.py` prints the
tables together with those of the simulated fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mpdaf.sdetect import Source

from autospec_lib.cli import command
from autospec_lib.core import keys
from autospec_lib.core.keys import Names
from autospec_lib.core.types import FloatArray
from autospec_lib.demo import folders

KINDS = {
    'aperture 1 arcsec': Names().aperture(1.0),
    'white-light weighted': Names().white,
    'H-alpha-image weighted': 'NB_7095_7180',
    'cross-correlation': keys.XCOR,
    'cross-correlation, continuum-subtracted': keys.XCOR + keys.CONTSUB,
    'DEBLEND': keys.DEBLEND,
}
LINE = (7095.0, 7180.0)  # Angstrom; H-alpha and [N II] at z = 0.086
CONTINUUM = ((7010.0, 7075.0), (7200.0, 7265.0))
SEEN = 5.0  # sigma; the lines of a spectrum count as seen from here on
HEAD = (
    '',
    'spectra',
    'lines',
    'contrast',
    'over white',
    'S/N',
    'pulls',
    'pulls, measured',
    'measured',
)


@dataclass(frozen=True)
class Line:
    """The lines in one spectrum: flux over continuum in Angstrom, flux over its noise, noise over
    quoted error."""

    contrast: float
    significance: float
    pulls: float


@dataclass(frozen=True)
class Extracted:
    """One source: its lines by kind, the kinds whose errors were measured, and how well the joint
    model fits.

    ``data`` is the rms over the errors of the white light about its mean, ``left`` of what the
    model leaves of it.
    """

    lines: dict[str, Line]
    scaled: set[str]
    data: float
    left: float


def measure(wave: FloatArray, spectrum: FloatArray, variance: FloatArray) -> Line | None:
    """H-alpha and [N II] of one spectrum, None where it has no values there; all arrays (nl,), wave
    in Angstrom."""
    beside = np.logical_or.reduce([(wave > low) & (wave < high) for low, high in CONTINUUM])
    inside = (wave > LINE[0]) & (wave < LINE[1])
    if not np.isfinite(spectrum[beside | inside]).all():
        return None
    middle = wave[inside].mean()
    design = np.array([np.ones_like(wave), wave - middle]).T
    continuum = np.linalg.lstsq(design[beside], spectrum[beside], rcond=None)[0]
    left = spectrum - design @ continuum
    noise2 = np.square(left[beside]).sum() / (beside.sum() - 2)
    # The line's noise has two parts: that of its own channels, and that of the continuum below
    # them.
    reach = design[inside].sum(axis=0)
    below = reach @ np.linalg.solve(design[beside].T @ design[beside], reach)
    flux = left[inside].sum()
    return Line(
        contrast=float(flux * (wave[1] - wave[0]) / abs(continuum[0])),
        significance=float(flux / np.sqrt(noise2 * (inside.sum() + below))),
        pulls=float(np.sqrt(np.mean(np.square(left[beside]) / variance[beside]))),
    )


def run(folder: Path, noise: str) -> list[Extracted]:
    """What the program makes of the demonstration's sources."""
    folders.make_abell(folder)
    more = f'DEBLEND = True\nPLOTS = False\nNOISE = {noise!r}\nOUTPUT = {noise!r}\n'
    (folder / 'param.py').write_text(folders.ABELL_PARAM + more)
    if command.main([str(folder), '-q']) != 0:
        raise SystemExit('the demonstration of Abell 478 failed; the lines above say why')
    return [
        extracted(Source.from_file(str(path)))
        for path in sorted((folder / noise).glob('Source_*.fits'))
    ]


def extracted(source: Source) -> Extracted:
    """Measure one source's file."""
    lines = {}
    for name, tag in KINDS.items():
        spectrum = source.spectra[tag + keys.SKYSUB]
        values, variance = (
            np.ma.filled(array.astype(float), np.nan) for array in (spectrum.data, spectrum.var)
        )
        lines[name] = measure(spectrum.wave.coord(), values, variance)
    scaled = {source.header.comments[card] for card in source.header['NFACT*']}
    white, left = source.images[Names().white], source.images[keys.RESIDUAL].data
    error = np.ma.sqrt(white.var)
    return Extracted(
        {name: line for name, line in lines.items() if line},
        {name for name, tag in KINDS.items() if tag + keys.SKYSUB in scaled},
        float(np.ma.std(white.data / error)),
        float(np.ma.sqrt(np.ma.mean((left / error) ** 2))),
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    return '\n'.join(
        '| ' + ' | '.join(map(str, row)) + ' |' for row in (head, ['---'] * len(head), *rows)
    )


def _median(values: Sequence[float], digits: int) -> str:
    return f'{np.median(values):.{digits}f}' if len(values) else 'none'


def _row(name: str, plain: list[Extracted], measured: list[Extracted]) -> list[object]:
    """The cells of one kind of spectrum, from the runs with propagated and with measured errors."""
    there = [source.lines for source in plain if name in source.lines]
    lines = [found[name] for found in there]
    gain = [found[name].contrast / found['white-light weighted'].contrast for found in there]
    scaled = [source.lines[name].pulls for source in measured if name in source.scaled]
    return [
        name,
        len(lines),
        sum(line.significance > SEEN for line in lines),
        _median([line.contrast for line in lines], 0),
        _median(gain, 2),
        _median([line.significance for line in lines], 0),
        _median([line.pulls for line in lines], 2),
        _median(scaled, 2),
        len(scaled),
    ]


def report() -> str:
    """Both tables, with a heading each."""
    with TemporaryDirectory() as folder:
        plain, measured = (run(Path(folder), noise) for noise in ('propagated', 'empirical'))
    rows = [_row(name, plain, measured) for name in KINDS]
    data, left = np.array([(source.data, source.left) for source in plain]).T
    figures = {
        'data / error': (data, 1),
        'residual / error': (left, 1),
        'residual / data': (left / data, 3),
    }
    spans = [
        [name, *(f'{pick(values):.{digits}f}' for pick in (np.median, np.min, np.max))]
        for name, (values, digits) in figures.items()
    ]
    return (
        f'Abell 478, {len(plain)} sources, medians\n\n{markdown(HEAD, rows)}\n\n'
        f'white light and the joint model\n\n{markdown(("rms", "median", "least", "largest"), spans)}'
    )
