"""The keys of a source's products, their names in files, plots and tables; they are made here and
nowhere else.

A key is complete when it is made: `Names` knows the prefix of the instrument and the source's
apertures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from decimal import Decimal
from typing import TypeGuard

from autospec_lib.core import emission_lines
from autospec_lib.core.file_names import file_stem

MUSE = 'MUSE'  # the prefix where neither the instrument nor the user has another one
XCOR = 'CROSS_CORRELATION'
DEBLEND = 'DEBLEND'
RESIDUAL = 'DEBLEND_RESIDUAL'
PROFILE = 'DEBLEND_PROFILE'
MASK_SKY = 'MASK_SKY'
BAND = 'NB_'  # begins the tags of narrow-band images
CONTSUB = '_CONTSUB'
SKYSUB = '_SKYSUB'
_SAME_RADIUS = 1e-6  # relative difference up to which two radii are one


class Names:
    """The keys of a source that begin with the prefix.

    Parameters
    ----------
    prefix : str
        The user's choice, else the instrument's; it is itself the key of the subcube.
    radii : tuple of float
        Radii in arcsec of the apertures of all sources.
    own : float or None
        The radius of an aperture that only this source has.

    Attributes
    ----------
    white, sky, total, psf : str
        The keys of white light, the mean of the sky, the sum over the object mask, the spectrum
        weighted by the PSF.
    radii : tuple of float
        Those of all apertures of the source.
    """

    def __init__(
        self, prefix: str = MUSE, radii: tuple[float, ...] = (), own: float | None = None
    ) -> None:
        self.prefix, self.radii = prefix, radii
        self.white, self.sky, self.total, self.psf = (
            f'{prefix}_{name}' for name in ('WHITE', 'SKY', 'TOT', 'PSF')
        )
        if own is not None and not self._same(own):
            self.radii = (*radii, own)

    def _same(self, radius: float) -> list[float]:
        return [one for one in self.radii if math.isclose(one, radius, rel_tol=_SAME_RADIUS)]

    def aperture(self, radius: float) -> str:
        """The sum in a circle; ``radius`` in arcsec."""
        return f'{self.prefix}_APER_{self._digits(radius)}'

    def aperture_mask(self, radius: float, side: str) -> str:
        """The mask of an aperture that is the reference.

        Parameters
        ----------
        radius : float
            In arcsec.
        side : str
            'OBJ' (inside) or 'SKY' (outside).
        """
        return f'MASK_APER_{self._digits(radius)}_{side}'

    def _digits(self, radius: float) -> str:
        """The radius with one decimal, or with all its digits where another radius has the same
        decimal."""
        short = f'{radius:.1f}'
        if any(f'{other:.1f}' == short for other in self.radii if other != radius):
            return format(Decimal(str(float(radius))), 'f')
        return short

    def reference(self, ref: str, images: Collection[str], deblended: bool) -> str | None:
        """The tag of the spectrum that a reference stands for.

        Parameters
        ----------
        ref : str
            What the user writes: '' for white light, a number for the radius of an aperture,
            anything else for an image or one of AutoSpec's own names with any prefix.
        images : collection of str
            The tags of the images.
        deblended : bool
            Whether there is a joint extraction.

        Returns
        -------
        str or None
            None if there is no such reference.
        """
        if not ref.strip():
            return self.white
        radius = aperture_radius(ref)
        if radius is not None:
            return next(map(self.aperture, self._same(radius)), None)
        tag = tag_among(ref, images)
        if tag in images:
            return tag
        tag = re.sub(r'^[A-Z0-9]+(?=_WHITE$|_APER_[0-9.]+$)', self.prefix, tag)
        own = {self.white, *map(self.aperture, self.radii)}
        if deblended:
            own.add(DEBLEND)
        return tag if tag in own else None

    def owns(self, tag: str) -> bool:
        """Whether a tag is, or begins or ends like, a key that the program may give to a product of
        its own."""
        return (
            tag in {self.white, self.sky, self.total, self.psf, DEBLEND, RESIDUAL}
            or tag.startswith((XCOR, PROFILE, segmap(''), object_mask('')))
            or tag.endswith((CONTSUB, SKYSUB))
            or re.fullmatch(rf'{self.prefix}_APER_[0-9.]+', tag) is not None
        )


def spectrum(tag: str, continuum_subtracted: bool, sky_subtracted: bool) -> str:
    """The key of a spectrum.

    Parameters
    ----------
    tag : str
        The name of the image or map that weights it, of the sum, ...
    continuum_subtracted, sky_subtracted : bool
        What was subtracted.
    """
    if continuum_subtracted:
        tag += CONTSUB
    if sky_subtracted:
        tag += SKYSUB
    return tag


def segmap(tag: str) -> str:
    """The key of the segmentation map of an image, or of the user's map, with this tag."""
    return f'SEG_{tag}'


def object_mask(kind: str) -> str:
    """The key of the object mask; ``kind`` is 'UNION' or 'INTER'."""
    return f'MASK_{kind}'


def is_unnamed(ident: int | str) -> TypeGuard[int]:
    """Whether a source is in no catalogue: the ids of these are -1, -2, ..."""
    return isinstance(ident, int) and ident < 0


def neighbour_profile(ident: int | str) -> str:
    """The key of a neighbour's profile; neighbours that are not in the catalogue have negative
    ids."""
    if is_unnamed(ident):
        return f'{PROFILE}_N{-ident}'
    stem = file_stem(ident)
    if re.fullmatch(r'[Nn][0-9]+', stem):
        # N1 stands for a neighbour that is not in the catalogue.
        return f'{PROFILE}_ID_{stem}'
    return f'{PROFILE}_{stem}'


def image_tag(filename: str) -> str:
    """The tag of an image file: its name without folder and ``.fits``, in capitals."""
    name = filename.replace('\\', '/').rsplit('/', 1)[-1]
    for ending in ('.gz', '.fz', '.fits', '.fit'):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name.upper()


def band(entry: str | tuple[float, float]) -> str:
    """The tag of the narrow-band image of a line in `emission_lines.LINES`, or of a range of
    wavelengths."""
    if isinstance(entry, str):
        return BAND + entry
    low, high = entry
    return f'{BAND}{low:.10g}_{high:.10g}'


def tag_among(text: str, images: Collection[str]) -> str:
    """The tag of an image that a user means; that of a line may be in any spelling
    ('NB_[OIII]5007').

    Parameters
    ----------
    text : str
        What the user writes.
    images : collection of str
        The tags of the images; the result need not be among them.
    """
    tag = image_tag(text.strip())
    line = emission_lines.find(tag.removeprefix(BAND)) if tag.startswith(BAND) else None
    return tag if tag in images or line is None else band(line)


def aperture_radius(ref: str) -> float | None:
    """The radius in arcsec if a reference is a number; None if it is the name of an image, or
    empty."""
    try:
        radius = float(ref)
    except ValueError:
        return None
    return radius if 0 < radius < math.inf else None
