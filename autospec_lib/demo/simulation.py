"""Simulated fields with a known truth: for the second demonstration, the tests and the benchmarks.

A ``Scene`` says what is on the sky and how it is observed; it is immutable, its methods return
changed copies, and ``make`` turns it into a ``Field`` of plain arrays. The same seed gives the same
field.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core.numerics import linear_weights
from autospec_lib.core.types import FloatArray
from autospec_lib.demo.rendering import PIXEL, Galaxy, profiles, sharp_image
from autospec_lib.demo.true_spectra import galaxy_spectrum, sky_variance

_SEEING_NODES = 9


@dataclass(frozen=True)
class Field:
    """A simulated observation and its truth.

    ``cube`` and ``variance`` are (nl, ny, nx) in float32; ``wave`` (nl,) in Angstrom; ``positions``
    (n, 2) are the catalogue's (y, x), the last without any source when the scene says so. The truth
    has one row per galaxy, the catalogued ones first and in the order of the catalogue: ``spectra``
    (m, nl) are total fluxes, ``profiles`` (m, nodes, ny, nx) the noiseless images at the
    wavelengths ``nodes``, of sum 1 over an infinite plane and linear in wavelength between two
    nodes. ``deep`` is the deeper and sharper image, whose pixels measure ``deep_pixel`` arcsec and
    whose corner is the cube's.
    """

    cube: NDArray[np.float32]
    variance: NDArray[np.float32]
    wave: FloatArray
    positions: FloatArray
    spectra: FloatArray
    profiles: FloatArray
    nodes: FloatArray
    deep: FloatArray
    deep_pixel: float
    galaxies: tuple[Galaxy, ...]

    def profile(self, index: int) -> FloatArray:
        """The true profile of one galaxy at every wavelength, (nl, ny, nx)."""
        return np.tensordot(linear_weights(self.nodes, self.wave), self.profiles[index], axes=1)

    def truth(
        self, index: int, cut: tuple[slice, slice] = (slice(None), slice(None))
    ) -> FloatArray:
        """The noiseless cube (nl, ny, nx) of one galaxy alone.

        Parameters
        ----------
        index : int
            The number of the galaxy.
        cut : (slice, slice)
            The part (y, x) of the field.
        """
        images = self.profiles[index][:, cut[0], cut[1]]
        weights = linear_weights(self.nodes, self.wave) * self.spectra[index][:, None]
        return np.tensordot(weights, images, axes=1)


@dataclass(frozen=True)
class Scene:
    """What is on the sky and how it is observed: an immutable builder, see ``make``.

    ``seeing`` is the FWHM in arcsec at the blue and at the red end; ``correlation`` the share of a
    pixel's noise that resampling hands to each of its neighbours along an axis; ``scatter`` the
    catalogue's error in arcsec per axis.
    """

    shape: tuple[int, int]
    seed: int
    galaxies: tuple[Galaxy, ...] = ()
    empty: tuple[tuple[float, float], ...] = ()
    channels: int = 3681
    step: float = 1.25
    seeing: tuple[float, float] = (0.75, 0.75)
    beta: float = 2.8
    depth: float = 25.0
    correlation: float = 0.0
    scatter: float = 0.04
    deep_fwhm: float = 0.12
    deep_pixel: float = 0.1
    deep_noise: float = 0.03

    def with_channels(self, channels: int, step: float = 1.25) -> Scene:
        """The same sky at other wavelengths.

        Parameters
        ----------
        channels : int
            Their number.
        step : float
            The distance between two, from 4750 Angstrom on.
        """
        return replace(self, channels=channels, step=step)

    def with_seeing(self, blue: float, red: float) -> Scene:
        """The same sky under another seeing.

        Parameters
        ----------
        blue, red : float
            FWHM in arcsec at the cube's ends, linear between them.
        """
        return replace(self, seeing=(blue, red))

    def with_noise(self, depth: float, correlation: float = 0.0) -> Scene:
        """The same sky with other noise.

        Parameters
        ----------
        depth : float
            The variance of the darkest voxels.
        correlation : float
            The share of a pixel's noise that resampling hands to each of its neighbours along an
            axis.
        """
        return replace(self, depth=depth, correlation=correlation)

    def with_galaxies(self, *galaxies: Galaxy) -> Scene:
        """The same sky with these galaxies added."""
        return replace(self, galaxies=(*self.galaxies, *galaxies))

    def make(self) -> Field:
        """Observe the scene."""
        rng = np.random.default_rng(self.seed)
        wave = np.asarray(4750.0 + self.step * np.arange(self.channels), dtype=float)
        galaxies = tuple(sorted(self.galaxies, key=lambda one: not one.catalogued))
        nodes = np.linspace(
            wave[0], wave[-1], _SEEING_NODES if self.seeing[0] != self.seeing[1] else 2
        )
        images = profiles(galaxies, self.shape, np.linspace(*self.seeing, len(nodes)), self.beta)
        spectra = np.array(
            [
                galaxy_spectrum(wave, one.redshift, one.slope, one.passive) * one.flux
                for one in galaxies
            ]
        )
        spectra = spectra.reshape(len(galaxies), len(wave))
        level = self.depth * sky_variance(wave)[:, None, None] * _exposure(self.shape)
        variance = level.astype(np.float32)
        cube = _observe(nodes, wave, spectra, images) + _noise(rng, variance, self.correlation)
        sharp = sharp_image(
            galaxies, spectra.mean(axis=1), self.shape, self.deep_fwhm, self.deep_pixel
        )
        listed = [(one.y, one.x) for one in galaxies if one.catalogued]
        positions = np.array([*listed, *self.empty]).reshape(-1, 2)
        return Field(
            cube=cube,
            variance=variance,
            wave=wave,
            positions=positions + rng.normal(0, self.scatter / PIXEL, positions.shape),
            spectra=spectra,
            profiles=images,
            nodes=nodes,
            deep=sharp + rng.normal(0, self.deep_noise, sharp.shape),
            deep_pixel=self.deep_pixel,
            galaxies=galaxies,
        )


def easy(seed: int) -> Scene:
    """Smooth galaxies with a constant seeing: 22 sources, 12 of them in 6 pairs 0.9 to 1.5 arcsec
    apart."""
    return _crowd(seed, clumpy=False)


def hard(seed: int) -> Scene:
    """Clumpy galaxies with a seeing that varies with wavelength, a third of them with an
    uncatalogued neighbour."""
    return _crowd(seed, clumpy=True).with_seeing(0.9, 0.65)


def _crowd(seed: int, clumpy: bool) -> Scene:
    """A field of 4 x 5 cells: 6 pairs, 9 single sources, one at the edge, one empty position, three
    blank cells."""
    rng = np.random.default_rng((seed, int(clumpy)))
    cell, rows, columns = 26, 4, 5
    edge = int(rng.integers(rows)) * columns
    order = [edge, *rng.permutation([n for n in range(rows * columns) if n != edge])]
    spots = [((n // columns + 0.5) * cell, (n % columns + 0.5) * cell) for n in order]
    spots = [(y + rng.uniform(-4, 4), x + rng.uniform(-4, 4)) for y, x in spots]
    spots[0] = (spots[0][0], rng.uniform(0.5, 2.5))
    galaxies = [_draw(rng, y, x, clumpy) for y, x in spots[:10]]
    for y, x in spots[10:16]:
        dy, dx = _offset(rng, rng.uniform(0.9, 1.5) / 2)
        galaxies += [_draw(rng, y - dy, x - dx, clumpy), _draw(rng, y + dy, x + dx, clumpy)]
    if clumpy:
        for host in rng.choice(len(galaxies), len(galaxies) // 3, replace=False):
            y, x = _free_place(rng, galaxies, int(host))
            galaxies.append(replace(_draw(rng, y, x, True), catalogued=False))
    return Scene((rows * cell, columns * cell), seed, tuple(galaxies), empty=(spots[16],))


def _free_place(rng: np.random.Generator, galaxies: list[Galaxy], host: int) -> tuple[float, float]:
    """A place 0.9 to 1.8 arcsec from the host and at least 0.9 arcsec from every other galaxy."""
    others = np.array([(one.y, one.x) for one in galaxies])
    while True:
        dy, dx = _offset(rng, rng.uniform(0.9, 1.8))
        y, x = galaxies[host].y + dy, galaxies[host].x + dx
        if np.hypot(*(others - (y, x)).T).min() * PIXEL > 0.89:
            return y, x


def _offset(rng: np.random.Generator, arcsec: float) -> tuple[float, float]:
    """A step of this length in a random direction, in pixels (y, x)."""
    angle = rng.uniform(0, 2 * np.pi)
    return arcsec / PIXEL * float(np.sin(angle)), arcsec / PIXEL * float(np.cos(angle))


def _draw(rng: np.random.Generator, y: float, x: float, clumpy: bool) -> Galaxy:
    """A galaxy of random size, shape, brightness and spectrum."""
    scale, ratio, angle = rng.uniform(0.12, 0.35), rng.uniform(0.4, 1.0), rng.uniform(0, np.pi)
    clumps: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(3, 6)) if clumpy else 0):
        along, across = rng.normal(0, 1.3 * scale), rng.normal(0, 1.3 * scale * ratio)
        dy, dx = (
            along * np.sin(angle) + across * np.cos(angle),
            along * np.cos(angle) - across * np.sin(angle),
        )
        clumps.append((float(dy), float(dx), float(rng.uniform(0.08, 0.15))))
    return Galaxy(
        y=y,
        x=x,
        flux=float(np.exp(rng.normal(np.log(330.0), 0.55))),
        scale=scale,
        ratio=ratio,
        angle=angle,
        clumps=tuple(clumps),
        redshift=rng.uniform(0.1, 1.2),
        slope=rng.uniform(-1.5, 1.5),
        passive=bool(rng.random() < 0.35),
    )


def _exposure(shape: tuple[int, int]) -> FloatArray:
    """Variance relative to the field's centre: a little larger towards the edges, as where fewer
    exposures overlap."""
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]
    return 1 + 0.1 * (y**2 + x**2)


def _observe(
    nodes: FloatArray, wave: FloatArray, spectra: FloatArray, profiles: FloatArray
) -> NDArray[np.float32]:
    """The noiseless cube: each galaxy's profile at each wavelength times its spectrum."""
    weights = linear_weights(nodes, wave)
    # A whole MUSE field in double precision would take half a gigabyte more.
    cube = np.zeros((len(wave), *profiles.shape[2:]), np.float32)
    for node in range(len(nodes)):
        near = np.flatnonzero(weights[:, node])
        light = (weights[near, node] * spectra[:, near]).T.astype(np.float32)
        cube[near] += np.tensordot(light, profiles[:, node].astype(np.float32), axes=1)
    return cube


def _noise(
    rng: np.random.Generator, variance: NDArray[np.float32], share: float
) -> NDArray[np.float32]:
    """Noise with this variance in every voxel; simulated resampling correlates neighbours and keeps
    the variance."""
    noise = rng.standard_normal(variance.shape, dtype=np.float32) * np.sqrt(variance)
    if share:
        kernel = (share, 1 - 2 * share, share)
        for axis in (1, 2):
            parts = [
                part * np.roll(noise, shift, axis)
                for part, shift in zip(kernel, (-1, 0, 1), strict=True)
            ]
            noise = (parts[0] + parts[1] + parts[2]) / np.float32(np.sqrt(np.square(kernel).sum()))
    return noise
