"""Sums that are completed where voxels are flagged: their flux over the truth, and the scatter of
their pulls.

A Gaussian source whose width changes by a tenth along the wavelength, on noise of variance 1, with
random flags. For each share of flagged voxels: the flux of the completed channels over that in the
mask, and the standard deviation of (flux - truth) / error, which is 1 if the errors are right.
``python benchmarks/completed_sums.py``.
"""

from __future__ import annotations

import numpy as np

from autospec_lib.core.types import Voxels
from autospec_lib.extraction import completion, sums_and_means

CHANNELS, SIDE, SEED, FIELDS = 1500, 25, 123, 4


def one(rng: np.random.Generator, width: float, share: float) -> tuple[float, np.ndarray]:
    """Flux over the truth, and the pulls of the completed channels, for a width in pixels and a
    share of flags."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    place = np.linspace(-1, 1, CHANNELS)
    profile = np.exp(-0.5 * (y**2 + x**2) / (width * (1 + 0.1 * place[:, None, None])) ** 2)
    profile /= profile.sum(axis=(1, 2), keepdims=True)
    spectrum = 300 * (1 + 0.5 * place) + 800 * np.exp(-0.5 * ((np.arange(CHANNELS) - 700) / 3) ** 2)
    light = spectrum[:, None, None] * profile
    bad = rng.random(light.shape) < share
    mask = np.hypot(y, x) < min(3 * width, SIDE // 2)
    spaxels = Voxels.of(light + rng.normal(size=light.shape), np.ones(light.shape), bad).select(
        mask
    )
    inside = np.ones((1, mask.sum()), bool)
    (completed,) = completion.complete(spaxels, inside, sums_and_means.sums(spaxels, inside))
    values, truth = completed.values, light[:, mask].sum(axis=1)
    used = np.isfinite(values.data) & (completed.seen < 1)
    assert values.variance is not None
    pulls = (values.data - truth)[used] / np.sqrt(values.variance[used])
    return float(values.data[used].sum() / truth[used].sum()), pulls


def main() -> None:
    """Print a line for each source and share."""
    rng = np.random.default_rng(SEED)
    for name, width in (('compact', 1.5), ('extended', 4.0)):
        for share in (0.01, 0.05, 0.1, 0.2):
            flux, pulls = zip(*(one(rng, width, share) for _ in range(FIELDS)), strict=True)
            every = np.concatenate(pulls)
            figures = f'flux {np.mean(flux):.4f}, pulls {every.std():.3f}, {every.size} channels'
            print(f'{name:8} {share:.0%} flagged: {figures}')


if __name__ == '__main__':
    main()
