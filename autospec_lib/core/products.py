"""The products of one source: spectra with a description of each, images, maps, masks, notes."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from autospec_lib.core import keys
from autospec_lib.core.types import BoolArray, FloatArray, IntArray, Measured


class Kind(enum.Enum):
    """How a spectrum was made."""

    SKY = 'mean over the sky mask'
    SUM = 'sum over the object mask or a circle in it'
    WEIGHTED = 'weighted by an image'
    PSF = 'weighted by the point-spread function'
    JOINT = 'fitted together with its neighbours'
    CROSS_CORRELATION = 'weighted by a cross-correlation map'


@dataclass(frozen=True)
class Spectrum(Measured):
    """A spectrum (nl,) with its variance, and how it was made.

    Attributes
    ----------
    tag : str
        What its key begins with: the name of the image or map that weights it, of the sum, ...
    kind : Kind
        How it was made.
    weights : array (ny, nx) or None
        The weight of each spaxel, on any scale; None if it is not known.
    sky_subtracted, continuum_subtracted : bool
        What was subtracted.
    """

    tag: str = field(kw_only=True)
    kind: Kind = field(kw_only=True)
    weights: FloatArray | None = field(kw_only=True, default=None)
    sky_subtracted: bool = field(kw_only=True, default=False)
    continuum_subtracted: bool = field(kw_only=True, default=False)

    @property
    def key(self) -> str:
        """Its name in files and plots."""
        return keys.spectrum(self.tag, self.continuum_subtracted, self.sky_subtracted)


@dataclass(frozen=True)
class Products:
    """The products of one target, or some of them; each dictionary is in the order in which it is written.

    Attributes
    ----------
    reference : str
        Key (in ``spectra``) of the spectrum that the cross-correlation started from.
    spectra : dict of str to Spectrum
        By their keys.
    images : dict of str to Measured
        White light and the user's images (ny, nx): what segmentation maps and weights are made from.
    fitted : dict of str to Measured
        Images (ny, nx) of the joint extraction: profiles and residual.
    segmaps : dict of str to array (ny, nx)
        The user's segmentation maps first, then the computed ones.
    central : dict of str to int
        The label of the source in each of these maps, 0 where the map holds no object.
    masks : dict of str to array of bool (ny, nx)
        Sky, objects, apertures.
    maps : dict of str to Measured
        Cross-correlation maps (ny, nx).
    cubes : dict of str to Measured
        Subcubes (nl, ny, nx).
    notes : tuple of str
        Fall-backs and warnings, one line each.
    facts : dict of str to (value, comment)
        Header cards by keyword.
    """

    reference: str = ''
    spectra: dict[str, Spectrum] = field(default_factory=dict)
    images: dict[str, Measured] = field(default_factory=dict)
    fitted: dict[str, Measured] = field(default_factory=dict)
    segmaps: dict[str, IntArray] = field(default_factory=dict)
    central: dict[str, int] = field(default_factory=dict)
    masks: dict[str, BoolArray] = field(default_factory=dict)
    maps: dict[str, Measured] = field(default_factory=dict)
    cubes: dict[str, Measured] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: dict[str, tuple[Any, str]] = field(default_factory=dict)

    def with_prefix(self, prefix: str) -> Products:
        """The same, with the program's own names beginning with ``prefix`` instead of MUSE."""
        if prefix == keys.MUSE:
            return self

        def new(name: str) -> str:
            return keys.prefixed(name, prefix)

        return Products(
            reference=new(self.reference),
            spectra=by_key(replace(spectrum, tag=new(spectrum.tag)) for spectrum in self.spectra.values()),
            images={new(tag): image for tag, image in self.images.items()},
            fitted=self.fitted,
            segmaps={new(key): segmap for key, segmap in self.segmaps.items()},
            central={new(key): label for key, label in self.central.items()},
            masks=self.masks,
            maps=self.maps,
            cubes={prefix if key == keys.CUBE else new(key): cube for key, cube in self.cubes.items()},
            notes=tuple(map(new, self.notes)),
            facts={
                card: (new(value) if isinstance(value, str) else value, new(comment))
                for card, (value, comment) in self.facts.items()
            },
        )

    @property
    def white(self) -> Measured:
        """The white-light image (ny, nx), the first of the images."""
        return next(iter(self.images.values()))

    def __or__(self, other: Products) -> Products:
        """Both together; where both have a value of the same name, that of ``other`` is used."""
        return Products(
            other.reference or self.reference,
            self.spectra | other.spectra,
            self.images | other.images,
            self.fitted | other.fitted,
            self.segmaps | other.segmaps,
            self.central | other.central,
            self.masks | other.masks,
            self.maps | other.maps,
            self.cubes | other.cubes,
            self.notes + other.notes,
            self.facts | other.facts,
        )


def by_key(spectra: Iterable[Spectrum]) -> dict[str, Spectrum]:
    """Spectra by their keys, in the same order."""
    return {spectrum.key: spectrum for spectrum in spectra}
