"""Make docs/deblend.jpg: source 15 of the simulated field before and after the joint extraction.

AutoSpec --demo sim /tmp/sim_field && echo 'DEBLEND = True' >> /tmp/sim_field/param.py
AutoSpec /tmp/sim_field && python docs/deblend.py /tmp/sim_field docs/deblend.jpg
"""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

SOURCE = 15
SMOOTH = 9  # channels; the eye needs it, the figures in docs/deblending.md do not
LINES = (
    ('CROSS_CORRELATION_SKYSUB', 'weighted by cross-correlation', '#e4572e'),
    ('DEBLEND_SKYSUB', 'DEBLEND', '#1d3557'),
)


def smoothed(spectrum):
    return np.convolve(spectrum, np.ones(SMOOTH) / SMOOTH, mode='same')


def main(folder, path):
    with fits.open(Path(folder) / 'truth.fits') as hdus:
        table = hdus['TRUTH'].data
        true = table['FLUX'][table['ID'] == SOURCE][0]
        wave = np.asarray(hdus['WAVE'].data.field(0), dtype=float).ravel()
    with fits.open(Path(folder) / 'output' / f'Source_{SOURCE}.fits') as hdus:
        white, residual = (
            hdus[f'IMA_{key}_DATA'].data for key in ('MUSE_WHITE', 'DEBLEND_RESIDUAL')
        )
        spectra = [(hdus[f'SPE_{key}_DATA'].data, text, colour) for key, text, colour in LINES]
    figure = Figure(figsize=(9.5, 5.6), dpi=110, layout='constrained')
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    low, high = np.nanmin(white), np.nanmax(white)
    width = (high - low) / 20
    look, around = AsinhNorm(width, low, high), AsinhNorm(width, -width, width)
    panels = ((white, 'white light'), (white - residual, 'joint model'), (residual, 'what is left'))
    for axes, (values, title) in zip(top.subplots(1, 3), panels, strict=True):
        axes.imshow(values, origin='lower', norm=around if title == 'what is left' else look)
        axes.plot((white.shape[1] - 1) / 2, (white.shape[0] - 1) / 2, '+', color='#d62828')
        axes.set(title=title, xticks=[], yticks=[])
    axes = bottom.subplots()
    for data, text, colour in spectra:
        axes.plot(wave, smoothed(data), color=colour, linewidth=0.8, label=text)
    axes.plot(wave, smoothed(true), color='black', linewidth=0.8, label='truth')
    highest = max(np.percentile(smoothed(data), 99.5) for data, _, _ in spectra)
    axes.set(
        xlim=wave[[0, -1]],
        ylim=(-0.3 * highest, 1.25 * highest),
        xlabel='wavelength [Å]',
        ylabel='flux',
    )
    axes.legend(frameon=False, ncols=3, loc='upper right')
    figure.savefig(path, pil_kwargs={'quality': 88})


if __name__ == '__main__':
    main(*sys.argv[1:])
