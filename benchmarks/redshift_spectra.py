"""Spectra like MUSE's whose redshifts are known, for `redshifts.py`.

Continua are from BC03, FSPS and STELIB (`redshift_data.py`), the variance is that of the real MUSE
cube in mpdaf. The engine's own templates are not used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.ndimage import gaussian_filter1d, percentile_filter
from scipy.special import erf

from autospec_lib.core.emission_lines import SPEED_OF_LIGHT
from autospec_lib.redshift.axis import LOG_STEP, to_vacuum

WAVE = 4750 + 1.25 * np.arange(3681)  # in air
VACUUM = to_vacuum(WAVE)
STEP = np.gradient(VACUUM)
CONTINUA = Path(__file__).resolve().parent / 'redshift_continua.npz'
STEP_VELOCITY = LOG_STEP * np.log(10) * SPEED_OF_LIGHT  # km/s
LYMAN_ALPHA = 1215.67
LINES = {
    **{
        'OII b': 3727.092,
        'OII r': 3729.875,
        'NeIII': 3869.86,
        'H8': 3889.75,
        'He': 3971.20,
        'Hd': 4102.892,
    },
    **{
        'Hg': 4341.684,
        'Hb': 4862.683,
        'OIII b': 4960.295,
        'OIII r': 5008.240,
        'HeI': 5877.249,
        'OI': 6302.046,
    },
    **{
        'NII b': 6549.85,
        'Ha': 6564.614,
        'NII r': 6585.27,
        'SII b': 6718.29,
        'SII r': 6732.67,
        'ArIII': 7137.77,
    },
}
# Broad lines of quasars: wavelength, equivalent width in Angstrom, FWHM in km/s (Vanden Berk et al.
# 2001, AJ 122, 549).
BROAD = (
    *(
        (1215.67, 80, 3500),
        (1240.81, 15, 3000),
        (1400.0, 8, 3000),
        (1549.06, 25, 3500),
        (1640.4, 4, 3000),
    ),
    *(
        (1857.0, 6, 3000),
        (1908.7, 22, 4000),
        (2500.0, 30, 9000),
        (2799.1, 32, 2800),
        (4341.7, 12, 2600),
    ),
    *((4570.0, 15, 6000), (4862.7, 46, 2600), (6564.6, 190, 2400)),
)
NARROW = ((3728.5, 1.5, 420), (3869.9, 1.3, 420), (4960.3, 4.5, 420), (5008.24, 13.5, 420))
FRACTIONS = {
    **{'elg': 0.26, 'passive': 0.17, 'lae': 0.13, 'qso': 0.06},
    **{'star': 0.08, 'noise': 0.10, 'single': 0.08, 'contam': 0.12, 'odd': 0.05},
}
TRUTH = [('cls', 'U8'), ('kind', 'U8'), ('z', 'f8'), ('sn_c', 'f8'), ('sn_l', 'f8')]


@dataclass(frozen=True)
class Conditions:
    """How spectra are made.

    Attributes
    ----------
    scaling : (float, float)
        Range of the true over the stated error.
    slope : float
        Scatter of the change of this ratio from the middle to the ends of the spectrum.
    sky_residuals : float
        Scatter of what is left of sky lines, over the square root of their variance.
    resolution : float
        FWHM of lines over that which the engine assumes.
    neighbour : (float, float)
        Range of the weight of each neighbouring channel in the noise, which makes it correlated.
    fractions : dict of str to float
        Of classes.
    """

    scaling: tuple[float, float] = (0.85, 1.4)
    slope: float = 0.06
    sky_residuals: float = 0.35
    resolution: float = 1.0
    neighbour: tuple[float, float] = (0.0, 0.15)
    fractions: dict[str, float] = field(default_factory=lambda: FRACTIONS)


def _half_single() -> dict[str, float]:
    rest = {name: 0.5 * share for name, share in FRACTIONS.items()}
    return rest | {'single': rest['single'] + 0.3, 'lae': rest['lae'] + 0.2}


CONDITIONS = {
    'usual': Conditions(),
    'errors twice as wrong': Conditions(scaling=(0.72, 1.96), slope=0.12),
    'no sky residuals': Conditions(sky_residuals=0.0),
    'lines 20 % broader': Conditions(resolution=1.2),
    'half single lines': Conditions(fractions=_half_single()),
}


class Maker:
    """Makes spectra without noise, in units of the median error, under conditions."""

    def __init__(self, rng: np.random.Generator, conditions: Conditions) -> None:
        self.rng, self.conditions = rng, conditions
        held = np.load(CONTINUA)
        self.galaxies, self.stars = held['galaxies'].astype(float), held['stars'].astype(float)
        self.galaxy_wave = 10 ** (
            held['galaxy_start'] + LOG_STEP * np.arange(self.galaxies.shape[1])
        )
        self.star_wave = 10 ** (held['star_start'] + LOG_STEP * np.arange(self.stars.shape[1]))
        variance = _muse_variance()
        between = gaussian_filter1d(percentile_filter(variance, 20, 151), 40)
        self.sky = np.clip(variance - 1.25 * between, 0, None)
        self.sigma = np.sqrt(variance)

    def spectrum(self, cls: str) -> tuple[np.ndarray, dict[str, object]]:
        """Flux and truth of a source of a class."""
        if cls == 'contam':
            return self._contaminated()
        flux, z, kind, line = getattr(self, f'_{cls}')()
        truth = {
            'cls': cls,
            'kind': kind,
            'z': z,
            'sn_c': float(np.median(flux / self.sigma)),
            'sn_l': line,
        }
        return flux, truth

    def _contaminated(self) -> tuple[np.ndarray, dict[str, object]]:
        """A source with a neighbour whose features are 0.15 to 0.5 as strong."""
        flux, truth = self.spectrum(self.rng.choice(['elg', 'passive', 'lae']))
        other, _ = self.spectrum(self.rng.choice(['elg', 'passive', 'star']))
        ratio = self._feature_strength(flux) / self._feature_strength(other)
        if truth['kind'] == 'passive':
            ratio = min(ratio, np.median(flux / self.sigma) / np.median(other / self.sigma))
        return flux + other * ratio * self.rng.uniform(0.15, 0.5), truth | {'cls': 'contam'}

    def _feature_strength(self, flux: np.ndarray) -> float:
        return float(np.sqrt(np.sum(((flux - gaussian_filter1d(flux, 40)) / self.sigma) ** 2)))

    def _noise(self):
        flux = np.zeros(WAVE.size)
        if self.rng.random() < 0.5:  # a featureless residual
            place = np.linspace(-1, 1, WAVE.size)
            bend = self.rng.normal(0, (0.4, 0.3))
            flux = self._log_uniform(0.03, 1) * (1 + bend[0] * place + bend[1] * place**2)
        return flux, np.nan, 'noise', 0.0

    def _odd(self):
        """What no template is like: half are galaxies of a break and deep lines, half have bumps
        and no redshift."""
        rng = self.rng
        flux = (VACUUM / 7000) ** rng.uniform(-1.5, 1.5)
        ratio = self._log_uniform(1, 20)
        if rng.random() < 0.5:
            for centre in rng.uniform(4800, 9300, rng.integers(2, 7)):
                width, height = self._log_uniform(30, 300), rng.normal(0, 0.15)
                flux = flux * (1 + height * np.exp(-0.5 * ((VACUUM - centre) / width) ** 2))
            return self._bright(flux, ratio), np.nan, 'odd', 0.0
        z = rng.uniform(0.02, 1.2)
        rest = VACUUM / (1 + z)
        depth = rng.uniform(0.2, 0.6)
        flux = flux * (1 - depth / (1 + np.exp((rest - 4000) / self._log_uniform(8, 40))))
        for wave in (3934.8, 3969.6, 4305.6, 5176.0, 5894.6):
            flux = flux * (
                1 - rng.uniform(0.1, 0.6) * np.exp(-0.5 * ((rest - wave) / rng.uniform(2, 5)) ** 2)
            )
        return self._bright(flux, ratio), z, 'odd', 0.0

    def _star(self):
        z = self.rng.normal(0, 120) / SPEED_OF_LIGHT
        flux = np.interp(VACUUM / (1 + z), self.star_wave, self.rng.choice(self.stars))
        return self._bright(flux, self._log_uniform(0.5, 10)), z, 'star', 0.0

    def _passive(self):
        z = self.rng.uniform(0.02, 1.3)
        mix = np.concatenate(
            [
                [0, 0, 0, self.rng.uniform(0, 0.04)],
                self.rng.dirichlet([0.3, 0.6, 0.8, 1.0, 1.0, 0.8]),
            ]
        )
        flux = self._galaxy(mix, self.rng.uniform(0, 0.6), z, self.rng.uniform(100, 300))
        return self._bright(flux, self._log_uniform(0.3, 10)), z, 'passive', 0.0

    def _elg(self):
        return self._emission(self.rng.uniform(0.01, 1.5), 10 ** self.rng.normal(1.55, 0.35))

    def _single(self):
        return self._emission(self.rng.uniform(0.87, 1.5), self._log_uniform(80, 630))

    def _emission(self, z: float, width: float):
        """A galaxy with emission lines; ``width`` is the rest equivalent width of the strongest in
        Angstrom."""
        velocity = self._log_uniform(16, 140)
        profiles = {
            name: self._line(LINES[name] * (1 + z), velocity) * flux
            for name, flux in self._line_ratios().items()
            if VACUUM[4] < LINES[name] * (1 + z) < VACUUM[-5]
        }
        if 'OII b' in profiles and 'OII r' in profiles:
            profiles['OII b'] = profiles['OII b'] + profiles.pop('OII r')
        strength = {name: self._significance(profile) for name, profile in profiles.items()}
        main = max(strength, key=strength.__getitem__)
        best = self._log_uniform(3, 30)
        scale = best / strength[main]
        lines = scale * np.sum(list(profiles.values()), axis=0)
        young = self.rng.uniform(0.4, 1)
        mix = np.concatenate(
            [
                self.rng.dirichlet([0.6, 0.6, 1, 1]) * young,
                self.rng.dirichlet([1, 1, 1, 1]) * (1 - young),
                [0, 0],
            ]
        )
        continuum = self._galaxy(mix, self.rng.uniform(0, 1.5), z, self.rng.uniform(40, 150))
        place = profiles[main].argmax()
        at_line = max(gaussian_filter1d(continuum, 30)[place], 1e-9)
        continuum = continuum * scale * np.sum(profiles[main] * STEP) / (width * (1 + z)) / at_line
        level = float(np.median(continuum / self.sigma))
        return lines + continuum * min(1.0, 15 / max(level, 1e-9)), z, 'elg', best

    def galaxy_with_lines(self) -> tuple[np.ndarray, float, dict[float, float]]:
        """A galaxy with a smooth continuum: flux, redshift, and the fluxes of its lines by rest
        wavelength."""
        z, velocity = self.rng.uniform(0.05, 0.85), self._log_uniform(16, 140)
        inside = {
            name: flux
            for name, flux in self._line_ratios().items()
            if VACUUM[9] < LINES[name] * (1 + z) < VACUUM[-10]
        }
        profiles = {
            name: self._line(LINES[name] * (1 + z), velocity) * flux
            for name, flux in inside.items()
        }
        scale = self._log_uniform(5, 40) / max(map(self._significance, profiles.values()))
        continuum = self.rng.uniform(0, 1.5) * (VACUUM / 7000) ** self.rng.uniform(-1.5, 1.5)
        flux = continuum + scale * np.sum(list(profiles.values()), axis=0)
        return flux, z, {round(LINES[name], 1): scale * flux for name, flux in inside.items()}

    def _line_ratios(self) -> dict[str, float]:
        """Reddened line fluxes over Hbeta, about the star-forming sequence of Kewley et al. (2001,
        ApJ 556, 121)."""
        normal, uniform = self.rng.normal, self.rng.uniform
        metals = normal()
        n2 = 10 ** min(-0.85 + 0.35 * metals + normal(0, 0.12), -0.1)
        o3 = float(np.clip(10 ** (0.61 / (np.log10(n2) - 0.05) + 1.15 + normal(0, 0.12)), 0.15, 8))
        neutral = 0.06 * 10 ** normal(0, 0.2)
        if uniform() < 0.06:  # a Seyfert galaxy
            n2, o3, neutral = uniform(0.6, 1.5), uniform(5, 12), 0.4
        s2 = 2.86 * 10 ** normal(-0.5 + 0.05 * metals, 0.1)
        o2 = 10 ** normal(0.48 - 0.06 * metals, 0.17)
        oii, sii = uniform(0.75, 1.42), uniform(0.9, 1.45)
        ratios = {
            **{
                'Ha': 2.86,
                'Hb': 1.0,
                'Hg': 0.468,
                'Hd': 0.259,
                'He': 0.159,
                'H8': 0.19,
                'HeI': 0.11,
                'ArIII': 0.08,
            },
            **{
                'OIII r': o3,
                'OIII b': o3 / 2.98,
                'NII r': 2.86 * n2,
                'NII b': 2.86 * n2 / 3.05,
                'OI': neutral,
            },
            **{
                'OII r': o2 * oii / (1 + oii),
                'OII b': o2 / (1 + oii),
                'NeIII': 0.085 * o3 * 10 ** normal(0, 0.1),
            },
            **{'SII b': s2 * sii / (1 + sii), 'SII r': s2 / (1 + sii)},
        }
        reddening = uniform(0, 2)
        return {
            name: flux * _dust(LINES[name], reddening) / _dust(4862.7, reddening)
            for name, flux in ratios.items()
        }

    def _lae(self):
        z = self.rng.uniform(2.92, 6.6)
        wave = LYMAN_ALPHA * (1 + z)
        line = self._lyman_profile(wave)
        best = self._log_uniform(3, 30)
        line = line * best / self._significance(line)
        continuum = _absorbed((VACUUM / wave) ** self.rng.uniform(-2.2, -1.2), z)
        width = self._log_uniform(20, 316) * (1 + z)
        return line + continuum * np.sum(line * STEP) / width, z, 'lae', best

    def _lyman_profile(self, wave: float) -> np.ndarray:
        """The asymmetric Gaussian of Shibuya et al. (2014, ApJ 788, 74), for three in ten with a
        blue peak."""
        velocity = np.arange(-3000.0, 3000.0, 5.0)
        fwhm, asymmetry = self.rng.uniform(150, 450), self.rng.uniform(0.1, 0.35)
        sigma = np.maximum(asymmetry * velocity + fwhm / 2.3548 * 0.87, 5.0)
        profile = np.exp(-0.5 * (velocity / sigma) ** 2)
        if self.rng.random() < 0.3:
            blue = (velocity + self.rng.uniform(300, 700)) / (fwhm / 2.6)
            profile += self.rng.uniform(0.1, 0.6) * np.exp(-0.5 * blue**2)
        profile = gaussian_filter1d(profile, self._resolution(wave) / wave * SPEED_OF_LIGHT / 5)
        return np.interp((VACUUM / wave - 1) * SPEED_OF_LIGHT, velocity, profile, 0, 0)

    def _qso(self):
        z = self.rng.uniform(0.3, 4.5)
        rest = VACUUM / (1 + z)
        continuum = rest ** self.rng.uniform(-2.2, -0.6)
        flux = continuum.copy()
        for (wave, width, fwhm), scatter in [(line, 0.15) for line in BROAD] + [
            (line, 0.25) for line in NARROW
        ]:
            sigma = fwhm / 2.3548 * 10 ** self.rng.normal(0, 0.1)
            centre = wave * (1 + self.rng.normal(0, 0.0005 if fwhm > 1000 else 0))
            shape = np.exp(-0.5 * ((rest / centre - 1) * SPEED_OF_LIGHT / sigma) ** 2)
            height = (
                width
                * 10 ** self.rng.normal(0, scatter)
                / (np.sqrt(2 * np.pi) * sigma / SPEED_OF_LIGHT * wave)
            )
            flux += np.interp(wave, rest, continuum) * height * shape
        return self._bright(_absorbed(flux, z), self._log_uniform(1, 10)), z, 'qso', 0.0

    def _log_uniform(self, low: float, high: float) -> float:
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def _bright(self, flux: np.ndarray, ratio: float) -> np.ndarray:
        """Scaled to this signal-to-noise ratio per channel."""
        return flux / np.median(flux / self.sigma) * ratio

    def _significance(self, profile: np.ndarray) -> float:
        return float(np.sqrt(np.sum((profile / self.sigma) ** 2)))

    def _resolution(self, wave: float) -> float:
        """Standard deviation in Angstrom of the line-spread function."""
        return (5.866e-8 * wave**2 - 9.187e-4 * wave + 6.040) / 2.3548 * self.conditions.resolution

    def _line(self, wave: float, velocity: float) -> np.ndarray:
        """A line of unit flux, integrated over channels."""
        sigma = np.hypot(self._resolution(wave), wave * velocity / SPEED_OF_LIGHT) * np.sqrt(2)
        upper, lower = (erf((VACUUM - wave + side * STEP / 2) / sigma) for side in (1, -1))
        return (upper - lower) / (2 * STEP)

    def _galaxy(self, mix: np.ndarray, reddening: float, z: float, velocity: float) -> np.ndarray:
        flux = mix @ self.galaxies * _dust(self.galaxy_wave, reddening)
        flux = gaussian_filter1d(flux, np.hypot(velocity, 60) / STEP_VELOCITY)
        return np.interp(VACUUM / (1 + z), self.galaxy_wave, flux)

    def observed(self, flux: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flux and variance with correlated noise, wrong errors, residuals of sky lines, gaps and
        cosmic rays."""
        rng, conditions = self.rng, self.conditions
        place = np.linspace(-1, 1, WAVE.size)
        wrong = rng.uniform(*conditions.scaling) * (1 + rng.normal(0, conditions.slope) * place)
        white, neighbour = rng.normal(size=WAVE.size + 2), rng.uniform(*conditions.neighbour)
        noise = white[1:-1] + neighbour * (white[:-2] + white[2:])
        noise = noise / np.sqrt(1 + 2 * neighbour**2) * self.sigma
        # OH lines of a band change together.
        group = gaussian_filter1d(rng.normal(size=WAVE.size), 60) * 15
        residual = 0.5 * group * self.sky + rng.normal(0, 0.7) * np.gradient(self.sky)
        flux = flux + noise + abs(rng.normal(0, conditions.sky_residuals)) * residual
        variance = (self.sigma / wrong) ** 2
        if rng.random() < 0.2:
            first = rng.integers(0, 3600)
            gap = slice(first, first + rng.integers(1, 12))
            flux[gap] = variance[gap] = np.nan
        if rng.random() < 0.2:
            first = rng.integers(5, 3670)
            flux[first : first + rng.integers(1, 3)] += self.sigma[first] * rng.uniform(5, 15)
        return 20 * flux, 400 * variance


def make(
    seed: int, number: int, cls: str | None = None, conditions: Conditions | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Wavelengths in air (nl,), flux and variance (number, nl), and truth (number,) of simulated
    spectra.

    Parameters
    ----------
    seed : int
        Of random numbers.
    number : int
        Of spectra.
    cls : str or None
        Their class; None: as in `Conditions.fractions`.
    conditions : Conditions or None
        None: the usual ones.
    """
    rng = np.random.default_rng(seed)
    conditions = conditions or Conditions()
    maker = Maker(rng, conditions)
    names, shares = list(conditions.fractions), np.array(list(conditions.fractions.values()))
    truth = np.zeros(number, TRUTH)
    flux, variance = np.empty((2, number, WAVE.size))
    for row in range(number):
        clean, about = maker.spectrum(cls or str(rng.choice(names, p=shares / shares.sum())))
        flux[row], variance[row] = maker.observed(clean)
        truth[row] = tuple(about[name] for name, _ in TRUTH)
    return WAVE.copy(), flux, variance, truth


def _muse_variance() -> np.ndarray:
    """The variance of a real MUSE cube by wavelength, with a median of 1."""
    import mpdaf

    path = Path(mpdaf.__file__).parent / 'data' / 'sdetect' / 'minicube.fits'
    with fits.open(path) as hdus:
        header, cube = hdus['DATA'].header, hdus['STAT'].data
    own = header['CRVAL3'] + header['CD3_3'] * np.arange(len(cube))
    variance = np.interp(WAVE, own, np.nanmedian(cube.reshape(len(cube), -1), axis=1))
    return variance / np.median(variance)


def _dust(wave: np.ndarray | float, reddening: float) -> np.ndarray | float:
    return 10 ** (-0.4 * reddening * (wave / 5500) ** -0.9)


def _absorbed(flux: np.ndarray, z: float) -> np.ndarray:
    """Less what the intergalactic medium absorbs (Madau 1995, ApJ 441, 18)."""
    if z < 2.5:
        return flux
    rest = VACUUM / (1 + z)
    through = np.where(rest < LYMAN_ALPHA, np.exp(-0.0036 * (VACUUM / LYMAN_ALPHA) ** 3.46), 1.0)
    return np.where(rest < 912, 0.0, flux * through)
