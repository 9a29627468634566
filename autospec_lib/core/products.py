"""The products of one source: one table of named arrays in groups, notes and header cards."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from autospec_lib.core import keys
from autospec_lib.core.types import FloatArray, Mask, Measured, Product, Segmap

T = TypeVar('T')


class Kind(enum.Enum):
    """How a spectrum was made."""

    SKY = 'mean over the sky mask'
    SUM = 'sum over the object mask or a circle in it'
    WEIGHTED = 'weighted by an image'
    PSF = 'weighted by the point-spread function'
    JOINT = 'fitted together with its neighbours'
    CROSS_CORRELATION = 'weighted by a cross-correlation map'


class Group(enum.Enum):
    """The groups of products, in the order in which they are written."""

    SPECTRUM = 'spectrum'
    # White light and the user's images: what segmentation maps and weights are made from.
    IMAGE = 'image'
    FITTED = 'fitted image'  # profiles and residual of the joint extraction
    SEGMAP = 'segmentation map'  # the user's first, then the computed ones
    MASK = 'mask'
    MAP = 'cross-correlation map'
    CUBE = 'cube'


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
    radius : float or None
        Of a sum in a circle, its radius in arcsec.
    """

    tag: str = field(kw_only=True)
    kind: Kind = field(kw_only=True)
    weights: FloatArray | None = field(kw_only=True, default=None)
    sky_subtracted: bool = field(kw_only=True, default=False)
    continuum_subtracted: bool = field(kw_only=True, default=False)
    radius: float | None = field(kw_only=True, default=None)

    @property
    def key(self) -> str:
        """Its key in files and plots."""
        return keys.spectrum(self.tag, self.continuum_subtracted, self.sky_subtracted)

    @property
    def short_key(self) -> str:
        """Its key without _SKYSUB, for the summary and for files of its own."""
        return keys.spectrum(self.tag, self.continuum_subtracted, False)


@dataclass(frozen=True)
class RedshiftModel:
    """A redshift that a source may have, and what its spectrum should look like then.

    Attributes
    ----------
    z, error : float
        The redshift and its standard deviation.
    kind : str
        gal, LAE, QSO or star.
    probability : float
        That the redshift is right.
    flux : array (nl,)
        In the unit of the spectrum; NaN where there is no model.
    """

    z: float
    error: float
    kind: str
    probability: float
    flux: FloatArray


@dataclass(frozen=True)
class _Of(Generic[T]):
    """An attribute of `Products`: those of one group by their keys."""

    group: Group

    def __get__(self, products: Products, owner: type) -> dict[str, T]:
        return products[self.group]


@dataclass(frozen=True)
class Products:
    """The products of one target, or some of them.

    Attributes
    ----------
    table : dict of Group to dict of str to Product
        The arrays of each group by their keys, in the order in which they are written.
    reference : str
        Key of the spectrum that the cross-correlation started from.
    notes : tuple of str
        Fall-backs and warnings, one line each.
    facts : dict of str to (value, comment)
        Header cards by keyword.
    lines : tuple of mapping
        Emission lines, with the columns of MPDAF's table LINES; those without a name are not of the
        source.
    models : tuple of RedshiftModel
        Candidates for the redshift, the most probable one first.
    """

    table: dict[Group, dict[str, Any]] = field(default_factory=dict)
    reference: str = ''
    notes: tuple[str, ...] = ()
    facts: dict[str, tuple[Any, str]] = field(default_factory=dict)
    lines: tuple[Mapping[str, Any], ...] = ()
    models: tuple[RedshiftModel, ...] = ()

    # The groups by names of their own: spectra (nl,), all others (ny, nx).
    spectra = _Of[Spectrum](Group.SPECTRUM)
    images = _Of[Measured](Group.IMAGE)  # white light is the first
    fitted = _Of[Measured](Group.FITTED)
    segmaps = _Of[Segmap](Group.SEGMAP)
    masks = _Of[Mask](Group.MASK)
    maps = _Of[Measured](Group.MAP)

    def __getitem__(self, group: Group) -> dict[str, Any]:
        """The products of a group by their keys."""
        return self.table.get(group, {})

    def __iter__(self) -> Iterator[tuple[Group, str, Product]]:
        """Group, key and product of each row of the table, in the order in which they are
        written."""
        for group in Group:
            for key, product in self[group].items():
                yield group, key, product

    def __or__(self, other: Products) -> Products:
        """Both together; where both have a value of the same name, that of ``other`` is used."""
        return Products(
            {group: self[group] | other[group] for group in Group},
            other.reference or self.reference,
            self.notes + other.notes,
            self.facts | other.facts,
            other.lines or self.lines,
            other.models or self.models,
        )

    def select(self, groups: Collection[Group]) -> Products:
        """The products of some groups."""
        table = {group: products for group, products in self.table.items() if group in groups}
        return replace(self, table=table)

    @property
    def main_spectra(self) -> dict[str, Spectrum]:
        """The spectra by their short keys, except the sky and the continuum-subtracted
        reference."""
        return {
            one.short_key: one
            for one in self.spectra.values()
            if one.kind is not Kind.SKY
            and (one.kind is Kind.CROSS_CORRELATION or not one.continuum_subtracted)
        }


def by_key(spectra: Iterable[Spectrum]) -> dict[str, Spectrum]:
    """Spectra by their keys, in the same order."""
    return {spectrum.key: spectrum for spectrum in spectra}
