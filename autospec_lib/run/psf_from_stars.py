"""The PSF from stars of the field: bright sources of one shape that have the spectra of stars.

Shapes alone do not tell stars from small round galaxies, and spectra alone do not tell single stars
from double ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from autospec_lib.config.allowed_values import STARS
from autospec_lib.core import geometry
from autospec_lib.core.errors import SourceError
from autospec_lib.core.numerics import robust_width
from autospec_lib.core.types import Cutout, Ident, Measured, Psf, Target
from autospec_lib.deblending.catalogue_error import USUAL_SEEING
from autospec_lib.deblending.point_sources import Profile, profile
from autospec_lib.inputs import cube as cutouts
from autospec_lib.run import cube_copy
from autospec_lib.run.job import WIDTH, Job

MOST_TRIED = 10  # sources
# Noise that filters of a width of 1 pixel leave, in units of that of differences of pixels.
FILTERED = 0.134
# How far from them others of a share of their brightness are, in arcsec, and how many of these are
# in the cut-out.
LEAST_SHARE, ALONE, MOST_BESIDE = 0.05, 1.5, 4
HIGHEST_Z = 0.003  # of the catalogue, above which a source is no star
# Significance from which a source may be a star, and from which none is narrower than stars are.
BRIGHT, SEEN = 250.0, 150.0
FEWEST = 2  # stars
MOST_COUNTED = 1000.0  # significance up to which a star counts more in the mean
LARGEST_ELLIPTICITY = 0.12
# Differences in log FWHM, ellipticities and log(beta - 1) of one shape, and what noise adds for a
# significance of 1.
SAME = np.array([0.012, 0.03, 0.03, 0.1])
NOISE = np.array([5.0, 5.0, 5.0, 45.0])


def with_seeing(job: Job) -> tuple[Job, str]:
    """The job with the PSF from stars, if ``PSF = 'stars'``, and a line about it.

    Without PSF, the line says what the PSF is if there is a joint extraction, and the job is the
    same. Then it is not measured where reading a dozen cut-outs takes long. The line is empty if
    nothing is to be said.

    Raises
    ------
    InputError
        If the cube cannot be read any more.
    """
    setting, cube = job.params.psf, job.cube
    if setting and setting != STARS:
        return job, ''
    if not setting and (not job.params.deblend or len(job.catalogue) < FEWEST):
        return job, ''
    from autospec_lib.redshift import source
    from autospec_lib.redshift.hypotheses import Kind

    candidates = _candidates(job)
    if not setting and (
        len(candidates) < FEWEST
        or cube_copy.read_time(cube.data, 1, cube_copy.SEEKS) > cube_copy.SLOW
    ):
        return job, ''

    def around_candidates() -> Iterator[Cutout]:
        for target, near in candidates:
            with suppress(SourceError):
                yield cutouts.cut(cube, target, near)

    def is_star(spectrum: Measured) -> bool:
        redshift = source.measured(spectrum, cube.wave, cube.grid, job.params.lsf)
        return redshift.sure and redshift.candidates[0].kind is Kind.STAR

    psf, stars = measure(around_candidates(), is_star)
    if psf is None:
        nothing = f"PSF = '{STARS}': no two bright sources of one shape have spectra of stars, so no PSF is used"
        return job, nothing if setting else ''
    psf = replace(psf, widths=tuple(width * geometry.scale(cube.pixel) for width in psf.widths))
    first, last = psf.widths[0], psf.widths[-1]
    blue, red = (first, last) if cube.wave[0] < cube.wave[-1] else (last, first)
    names = ', '.join(str(target.id) for target in job.catalogue if target.id in stars)
    line = f'PSF: {blue:.2f} to {red:.2f} arcsec, beta {psf.exponents[0]:.1f}, from {len(stars)} stars ({names})'
    if setting:
        # It may change with the redshifts of other sources: what was extracted with another PSF is
        # extracted again.
        return replace(
            job, cube=replace(cube, psf=psf), fingerprint=f'{job.fingerprint}{psf!r}'
        ), line
    return job, f"{line}; PSF = '{STARS}' uses it"


def measure(
    candidates: Iterable[Cutout], is_star: Callable[[Measured], bool]
) -> tuple[Psf, list[Ident]] | tuple[None, list[Ident]]:
    """The PSF from the narrowest star and those of its shape; None if there are none of its shape.

    Parameters
    ----------
    candidates : iterable of Cutout
        Around bright sources; their pixels have one size.
    is_star : function
        Whether a spectrum is certainly that of a star.

    Returns
    -------
    Psf or None
        FWHM in the unit of `Cutout.psf`.
    list of int or str
        The stars.
    """
    fits = [
        (cutout.target.id, fitted)
        for cutout in candidates
        if (fitted := profile(cutout)) is not None
    ]
    shapes = [one for _, one in fits if one.significance > SEEN]
    stars: dict[Ident, Profile] = {}
    for ident, one in sorted(fits, key=lambda fit: float(fit[1].shape[0])):
        able = (
            one.significance > BRIGHT and np.hypot(one.shape[1], one.shape[2]) < LARGEST_ELLIPTICITY
        )
        alike = sum(_alike(one, other) for other in shapes)  # with itself
        narrowest = next(iter(stars.values()), one)
        if able and alike > 1 and _alike(one, narrowest) and is_star(one.spectrum):
            stars[ident] = one
    if len(stars) < FEWEST:
        return None, []
    weights = [min(one.significance, MOST_COUNTED) ** 2 for one in stars.values()]
    widths = np.average([one.widths for one in stars.values()], axis=0, weights=weights)
    mean = np.average([one.shape for one in stars.values()], axis=0, weights=weights)
    if any(mean[0] - one.shape[0] > SAME[0] + NOISE[0] / one.significance for one in shapes):
        return None, []
    return Psf(tuple(widths.tolist()), (float(1 + np.exp(mean[3])),)), [*stars]


def _alike(one: Profile, other: Profile) -> bool:
    """Whether two sources have one shape."""
    noise = NOISE * np.hypot(1 / one.significance, 1 / other.significance)
    return bool((np.abs(one.shape - other.shape) < SAME + noise).all())


def _candidates(job: Job) -> list[tuple[Target, dict[Ident, tuple[float, float]]]]:
    """Bright sources that stand alone and may be stars, and sources beside them as for
    `inputs.cube.cut`.

    They are those whose light is most concentrated, at most `MOST_TRIED`; ``size`` is that of the
    cut-out.
    """
    from autospec_lib.redshift.prepare import FEWEST_CHANNELS

    if (
        job.white is None
        or len(job.cube.wave) < FEWEST_CHANNELS
        or not np.isfinite(np.diff(job.white)).any()
    ):
        return []
    places, pixel = cutouts.positions(job.cube, job.catalogue), np.array(job.cube.pixel)
    light = np.nan_to_num(job.white - np.nanmedian(job.white))
    sigma = USUAL_SEEING / 2.35 / pixel
    narrow, wide, background = (gaussian_filter(light, n * sigma) for n in (1, 2, 4))
    # The noise of narrow - wide, as if all channels were read.
    noise = FILTERED / sigma.mean() * robust_width(np.diff(job.white))
    noise = noise * np.sqrt(job.white_channels / len(job.cube.wave))
    at = tuple(np.rint(np.nan_to_num(places)).clip(0, np.subtract(job.cube.shape, 1)).astype(int).T)
    peaks = np.where(cutouts.covers(job.cube, places), (narrow - wide)[at], 0.0)
    around = (wide - background)[at]
    size = WIDTH * geometry.scale(job.cube.pixel)
    found = []
    bright = np.flatnonzero((peaks > SEEN * noise) & (around > 0))
    for row in bright[np.argsort(around[bright] / peaks[bright])].tolist():
        target = job.catalogue[row]
        apart = np.hypot(*((places - places[row]) * pixel).T)
        beside = np.flatnonzero(
            (peaks > LEAST_SHARE * peaks[row]) & (apart < size) & (np.arange(len(places)) != row)
        )
        galaxy = any(z > HIGHEST_Z for z in (target.z or 0.0, *target.visual))
        if galaxy or len(beside) > MOST_BESIDE or apart[beside].min(initial=np.inf) < ALONE:
            continue
        near = {
            job.catalogue[other].id: (float(places[other, 0]), float(places[other, 1]))
            for other in beside
        }
        found.append((replace(target, size=size), near))
        if len(found) == MOST_TRIED:
            break
    return found
