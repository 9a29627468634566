"""The keys (names) of everything that AutoSpec writes to files; they are built here and nowhere else."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # which imports numpy
    from autospec_lib.core.types import Ident

MUSE = 'MUSE'  # what the program's own names begin with, unless the instrument or the user has another prefix
WHITE = 'MUSE_WHITE'
CUBE = 'MUSE'
SKY = 'MUSE_SKY'
TOTAL = 'MUSE_TOT'
XCOR = 'CROSS_CORRELATION'
PSF = 'MUSE_PSF'
DEBLEND = 'DEBLEND'
RESIDUAL = 'DEBLEND_RESIDUAL'
PROFILE = 'DEBLEND_PROFILE'
MASK_SKY = 'MASK_SKY'
CONTSUB = '_CONTSUB'
SKYSUB = '_SKYSUB'
REPORT = 'report'  # folder of what the page index.html needs
_RESERVED = re.compile(r'(con|prn|aux|nul|(com|lpt)[0-9])', re.IGNORECASE)
PICTURES = ('IMAGES', 'MASKS', 'SPECTRA', 'XCOR', 'DEBLEND')  # the plots that a source can have


def image_tag(filename: str) -> str:
    """The tag of an image file: its name without folder and ``.fits``, in capitals."""
    name = filename.replace('\\', '/').rsplit('/', 1)[-1]
    for ending in ('.gz', '.fz', '.fits', '.fit'):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name.upper()


def spectrum(tag: str, continuum_subtracted: bool, sky_subtracted: bool) -> str:
    """The key of a spectrum."""
    return tag + CONTSUB * continuum_subtracted + SKYSUB * sky_subtracted


def parts(key: str) -> tuple[str, bool, bool]:
    """The arguments of `spectrum` that give this key: tag, continuum subtracted or not, sky subtracted or not."""
    rest = key.removesuffix(SKYSUB)
    return rest.removesuffix(CONTSUB), rest.endswith(CONTSUB), key.endswith(SKYSUB)


def segmap(tag: str) -> str:
    """The key of the segmentation map of an image, or of the user's map, with this tag."""
    return f'SEG_{tag}'


def object_mask(kind: str) -> str:
    """The key of the object mask; ``kind`` is 'UNION' or 'INTER'."""
    return f'MASK_{kind}'


def pictures(correlated: bool, deblended: bool) -> tuple[str, ...]:
    """Which of the `PICTURES` a source has, with or without cross-correlation maps and joint extraction."""
    made = {'XCOR': correlated, 'DEBLEND': deblended}
    return tuple(key for key in PICTURES if made.get(key, True))


def file_stem(ident: Ident) -> str:
    """An ID in a form that is valid in names of files and folders on any file system.

    A number is kept. In text, accents are dropped and all but ASCII letters, digits and ``+ - . _`` becomes ``_``; the
    result has at most 100 characters, no dot at the beginning or end, and is not a name that Windows reserves.
    """
    if isinstance(ident, int):
        return str(ident)
    plain = unicodedata.normalize('NFKD', ident)
    plain = ''.join(c for c in plain if not unicodedata.combining(c))
    stem = re.sub(r'[^A-Za-z0-9+._-]', '_', plain)[:100]
    stem = re.sub(r'^\.|\.$', '_', stem)
    return f'{stem}_' if _RESERVED.fullmatch(stem.partition('.')[0]) else stem


def picture(ident: Ident, key: str) -> str:
    """The name of the file with one of a source's `PICTURES`."""
    return f'{file_stem(ident)}_{key}.jpg'


def report_data(ident: Ident) -> str:
    """The name of the file with what the report shows of a source."""
    return f'{file_stem(ident)}.js'


def neighbour_profile(ident: Ident) -> str:
    """The key of a neighbour's profile; neighbours that are not in the catalogue have negative ids."""
    if isinstance(ident, int) and ident < 0:
        return f'{PROFILE}_N{-ident}'
    stem = file_stem(ident)
    # N1 stands for a neighbour that is not in the catalogue, so an ID N1 in the catalogue becomes ID_N1.
    return f'{PROFILE}_{"ID_" * bool(re.fullmatch(r"[Nn][0-9]+", stem))}{stem}'


def aperture(radius: float) -> str:
    """The key of the sum in a circle; ``radius`` in arcsec."""
    return f'MUSE_APER_{radius:.1f}'


def aperture_mask(radius: float, side: str) -> str:
    """The key of an aperture reference's mask; ``side`` is 'OBJ' (inside) or 'SKY' (outside)."""
    return f'MASK_APER_{radius:.1f}_{side}'


def aperture_radius(ref: str) -> float | None:
    """The radius in arcsec if a reference is a number; None if it is the name of an image, or empty."""
    try:
        radius = float(ref)
    except ValueError:
        return None
    return radius if 0 < radius < float('inf') else None


def reference(ref: str, images: Collection[str], radii: Iterable[float], deblended: bool) -> str | None:
    """The tag for a reference as the user writes it, or None if there is no such reference.

    '' is white light, a number the radius of an aperture, anything else the name of an image or one of AutoSpec's own
    names with any prefix.
    """
    if not ref.strip():
        return WHITE
    radius = aperture_radius(ref)
    if radius is not None:
        return next((aperture(one) for one in radii if math.isclose(one, radius, rel_tol=1e-6)), None)
    tag = image_tag(ref.strip())
    if tag in images:
        return tag
    tag = re.sub(r'^[A-Z0-9]+(?=_WHITE$|_APER_[0-9.]+$)', MUSE, tag)
    return tag if tag in {WHITE, *map(aperture, radii), *[DEBLEND] * deblended} else None


# The program's own names that begin with the prefix, alone or in a text.
_OWN = re.compile(
    r'(?<![^\s,():\'])(SEG_)?MUSE((?:_(?:WHITE|SKY|TOT|PSF|APER_\d+\.\d))?(?:_CONTSUB)?(?:_SKYSUB)?)(?![^\s,():;\'])'
)


def prefixed(text: str, prefix: str) -> str:
    """The text in which the program's own names begin with ``prefix`` instead of MUSE; a lone MUSE is kept."""
    return _OWN.sub(lambda name: f'{name[1] or ""}{prefix}{name[2]}' if name[2] else name[0], text)


def is_own(tag: str, prefix: str) -> bool:
    """Whether an image's tag is one of the program's own names with this prefix."""
    found = _OWN.fullmatch(re.sub(rf'^{prefix}(?=_)', MUSE, tag))
    return bool(found and found[2])
