"""Make docs/deblend_fails.jpg: a galaxy that the joint extraction does not get right, and its grade
says so.

python docs/deblend_fails.py docs/deblend_fails.jpg
"""

import sys
from pathlib import Path

from matplotlib.colors import AsinhNorm
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parent.parent / 'benchmarks'))
import quality_kinds

from autospec_lib.core import keys
from autospec_lib.deblending import joint_extraction

KIND, SEED, SOURCE, MATE = 'clumpy', 501, 8, 7


def main(path):
    samples = quality_kinds.samples(KIND, SEED)
    sample = next(one for one in samples if one.cutout.target.id == SOURCE)
    products = joint_extraction.extract(sample.cutout, None, False)
    residual = products.fitted[keys.RESIDUAL].data
    white = sample.cutout.voxels.data.mean(axis=0)
    low, high = white.min(), white.max()
    width = (high - low) / 20
    places = {SOURCE: sample.cutout.centre, MATE: sample.cutout.neighbours[MATE]}
    figure = Figure(figsize=(9.5, 5.6), dpi=110, layout='constrained')
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    own = sample.truth[0].mean(axis=0)
    panels = (
        (white, 'white light'),
        (own, f'truth: the light of {SOURCE}'),
        (white - residual, 'joint model'),
    )
    for axes, (values, title) in zip(top.subplots(1, 3), panels, strict=True):
        axes.imshow(values, origin='lower', norm=AsinhNorm(width, low, high))
        for ident, (y, x) in places.items():
            axes.plot(x, y, '+', color='#d62828')
            axes.annotate(str(ident), (x, y), (4, 4), textcoords='offset points', color='white')
        axes.set(title=title, xticks=[], yticks=[])
    axes = bottom.subplots()
    grade, _ = products.facts['DBGRADE']
    found = products.spectra['DEBLEND'].data
    axes.plot(
        quality_kinds.WAVE, found, color='#e4572e', linewidth=0.8, label=f'DEBLEND, grade {grade}'
    )
    axes.plot(quality_kinds.WAVE, sample.spectra[0], color='black', linewidth=0.8, label='truth')
    axes.set(xlim=quality_kinds.WAVE[[0, -1]], xlabel='wavelength [Å]', ylabel='flux')
    axes.legend(frameon=False, ncols=2, loc='upper right')
    figure.savefig(path, pil_kwargs={'quality': 88})


if __name__ == '__main__':
    main(*sys.argv[1:])
