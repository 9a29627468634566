"""Every key that AutoSpec writes to a file, built here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

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
    """What `spectrum` made a key of: tag, continuum subtracted or not, sky subtracted or not."""
    rest = key.removesuffix(SKYSUB)
    return rest.removesuffix(CONTSUB), rest.endswith(CONTSUB), key.endswith(SKYSUB)


def segmap(tag: str) -> str:
    """The key of the segmentation map of an image, or of the user's map, with this tag."""
    return f'SEG_{tag}'


def object_mask(kind: str) -> str:
    """The key of the object mask; ``kind`` is 'UNION' or 'INTER'."""
    return f'MASK_{kind}'


def pictures(correlated: bool, deblended: bool) -> tuple[str, ...]:
    """Which of the `PICTURES` a source has, with cross-correlation maps or not, with a joint extraction or not."""
    made = {'XCOR': correlated, 'DEBLEND': deblended}
    return tuple(key for key in PICTURES if made.get(key, True))


def picture(ident: int, key: str) -> str:
    """The name of the file with one of a source's `PICTURES`."""
    return f'{ident}_{key}.jpg'


def report_data(ident: int | str) -> str:
    """The name of the file with what the report shows of a source; whatever its ID holds, it is a name on any disk."""
    return f'{quote(str(ident), safe="")}.js'


def neighbour_profile(ident: int) -> str:
    """The key of a neighbour's profile; ids of neighbours that no catalogue names are negative."""
    return f'{PROFILE}_{ident}' if ident >= 0 else f'{PROFILE}_N{-ident}'


def aperture(radius: float) -> str:
    """The key of the sum in a circle; ``radius`` in arcsec."""
    return f'MUSE_APER_{radius:.1f}'


def aperture_mask(radius: float, side: str) -> str:
    """The key of an aperture reference's mask; ``side`` is 'OBJ' (inside) or 'SKY' (outside)."""
    return f'MASK_APER_{radius:.1f}_{side}'


def aperture_radius(ref: str) -> float | None:
    """The radius in arcsec that a reference names, or None where it names an image or nothing."""
    try:
        radius = float(ref)
    except ValueError:
        return None
    return radius if 0 < radius < float('inf') else None


def references(images: Iterable[str], radii: Iterable[float], deblended: bool) -> set[str]:
    """The tags that a reference can stand for, given the images' tags and the apertures' radii."""
    return {WHITE, *images, *map(aperture, radii), *[DEBLEND] * deblended}


def reference_tag(ref: str) -> str:
    """The tag that a reference as the user writes it ('', a radius, an image's name) stands for."""
    if not ref.strip():
        return WHITE
    radius = aperture_radius(ref)
    return image_tag(ref.strip()) if radius is None else aperture(radius)
