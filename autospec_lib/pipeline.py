"""The steps of the method for one source, in order: cut-out in, products out. No files, no plots,
no printing.

The steps are those of Griffiths & Conselice (2018, ApJ 869, 68): white light, segmentation, masks,
sky, sums and weighted spectra, continuum, cross-correlation, and spectra weighted by its maps. The
joint extraction with neighbours, a spectrum weighted by the PSF, measured errors and the redshift
are optional.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage

from autospec_lib.config.params import Params
from autospec_lib.core import geometry, keys
from autospec_lib.core.errors import SourceError, counted
from autospec_lib.core.keys import Names
from autospec_lib.core.products import Group, Kind, Products, Spectrum, by_key
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import (
    BoolArray,
    Cutout,
    FloatArray,
    Grid,
    Mask,
    Measured,
    Segmap,
    Voxels,
)
from autospec_lib.deblending import joint_extraction
from autospec_lib.detection import masks as source_masks
from autospec_lib.detection import segmentation
from autospec_lib.detection.masks import SourceMasks
from autospec_lib.extraction import (
    completion,
    continuum,
    cross_correlation,
    narrow_band,
    noise,
    psf_spectrum,
    sums_and_means,
    weights,
)

NOTED_CUT = 0.25  # of the light in an aperture outside the object mask, above which a note says so
# Of the object mask, or of its light, where an image has no value, above which a note says so.
NOTED_UNSEEN = 0.1
NOTED_SHARE = 0.01  # of the light that bad voxels hold, above which a note says so


def process(cutout: Cutout, params: Params, settings: SegmentationSettings) -> Products:
    """All products of one source.

    Parameters
    ----------
    cutout : Cutout
        What was cut out around the target.
    params : Params
        The run's parameters.
    settings : SegmentationSettings
        How to segment images.

    Returns
    -------
    Products

    Raises
    ------
    SourceError
        If the cut-out holds no usable voxel, or no spectrum can be extracted from it.
    """
    if cutout.voxels.blank.all():
        raise SourceError(
            'no usable voxel in its subcube: every value or variance is NaN, masked or outside the field'
        )
    names = Names(params.prefix or cutout.prefix, params.aper, cutout.target.aper)
    cutout, images = _images(cutout, params, names)
    masks, tag, products = _masks(cutout, images, params, settings, names)
    sky: Measured | None = None
    if params.sky_sub:
        sky = sums_and_means.sums(cutout.voxels.columns, masks.sky.reshape(1, -1), mean=True)[0]
        if np.isfinite(sky.data).any():
            mean = Spectrum(sky.data, sky.variance, cutout.grid.unit, tag=names.sky, kind=Kind.SKY)
            products |= Products({Group.SPECTRUM: by_key([mean])})
        else:
            sky = None
            products |= Products(notes=('no usable sky pixel: spectra are not sky-subtracted',))
    target = _Spaxels(cutout, masks.target, sky)
    white = images[names.white].data
    products |= _summed(
        target, names, white - np.nanmedian(white[masks.sky]) if masks.sky.any() else white
    )
    products |= _weighted(target, images, Kind.WEIGHTED)
    if cutout.psf is not None:
        products |= _weighted_by_psf(target, names)
    if params.deblend:
        total = products.spectra.get(keys.spectrum(names.total, False, sky is not None))
        image = None
        # There is none if it is a narrow band that this source does not have.
        if isinstance(params.deblend, str):
            image = cutout.images.get(keys.tag_among(params.deblend, cutout.images))
        flux = None if total is None else total.data
        products |= joint_extraction.extract(cutout, image, sky is not None, flux)
    if tag == keys.DEBLEND and not products.fitted:
        tag = names.white
        products |= Products(notes=(f'reference {keys.DEBLEND} is not there: white light used',))
    key = keys.spectrum(tag, False, sky is not None)
    if key not in products.spectra or not np.isfinite(products.spectra[key].data).any():
        raise SourceError(f'no reference spectrum: {tag} has no usable value in the object mask')
    products |= Products(reference=key, facts={'REFSPEC': (key, 'reference spectrum')})
    if params.out_sub:
        products |= Products({Group.CUBE: {names.prefix: _cube(cutout, cutout.voxels.data)}})
    if params.xcor:
        matched = target if masks.xcor is masks.target else _Spaxels(cutout, masks.xcor, sky)
        products |= _cross_correlated(products, matched, params, names)
    if params.noise == 'empirical':
        products = noise.with_empirical_noise(products, cutout.voxels, masks.sky)
    return products | _redshift(products, cutout, params, sky) if params.redshift else products


class _Spaxels:
    """The sky-subtracted spaxels of a mask, from which spectra are made.

    ``voxels`` are columns (nl, n) for the n pixels of ``mask`` (ny, nx).
    """

    def __init__(self, cutout: Cutout, mask: BoolArray, sky: Measured | None) -> None:
        self.cutout, self.mask, self.sky_subtracted = cutout, mask, sky is not None
        chosen = cutout.voxels.select(mask)
        self.voxels: Voxels = chosen if sky is None else chosen.minus(sky)

    def spectrum(
        self, tag: str, kind: Kind, values: Measured, weight: FloatArray | BoolArray, **more: Any
    ) -> Spectrum:
        """A spectrum that was measured with these weights (n,); ``more`` are further attributes of
        `Spectrum`."""
        image = np.zeros(self.mask.shape)
        image[self.mask] = weight
        return Spectrum(
            values.data,
            values.variance,
            self.cutout.grid.unit,
            tag=tag,
            kind=kind,
            weights=image,
            sky_subtracted=self.sky_subtracted,
            **more,
        )


def _image(values: Measured, cutout: Cutout, power: int = 1) -> Measured:
    """An image from its columns; ``power`` is that of the cube's unit."""
    variance = None if values.variance is None else values.variance.reshape(cutout.shape)
    return Measured(values.data.reshape(cutout.shape), variance, cutout.grid.unit, power)


def cube_channels(wave: FloatArray, grid: Grid, lsf: tuple[float, ...]) -> narrow_band.Channels:
    """The channels of a cube, for narrow bands.

    Parameters
    ----------
    wave : array (nl,)
        Wavelengths, at least two, in the unit of ``grid``.
    grid : Grid
        Has their unit and medium; if this is not known, air is assumed.
    lsf : tuple of float
        As in the parameters.
    """
    from autospec_lib.redshift.axis import Axis

    order = np.argsort(wave)
    place = np.argsort(order)
    axis = Axis.of(wave[order] * grid.angstrom, lsf, grid.medium != 'vacuum')
    return narrow_band.Channels(wave * grid.angstrom, axis.wave[place], axis.fwhm[place], grid)


def _images(cutout: Cutout, params: Params, names: Names) -> tuple[Cutout, dict[str, Measured]]:
    """The cut-out with narrow-band images among those of the user; and by their keys white light
    and all of these."""
    images = {names.white: _image(sums_and_means.white_light(cutout.voxels.columns), cutout)}
    for tag, image in cutout.images.items():
        images[tag] = Measured(image, unit=cutout.image_units.get(tag, ''))
    if not params.narrowband:
        return cutout, images
    channels = cube_channels(cutout.wave, cutout.grid, params.lsf)
    bands: dict[str, FloatArray] = {}
    notes = []
    if not cutout.grid.medium and any(isinstance(entry, str) for entry in params.narrowband):
        notes.append('narrow bands of lines: wavelengths are taken to be in air')
    for entry in params.narrowband:
        band = narrow_band.band(entry, cutout.target.z, channels)
        if band.fault:
            notes.append(f'no image {band.tag}: {band.fault}')
            continue
        flux = _image(narrow_band.image(cutout.voxels.columns, channels.wave, band), cutout)
        scale = float(np.average(cutout.grid.per_wavelength(cutout.wave), weights=band.widths))
        variance = None if flux.variance is None else flux.variance * scale**2
        bands[band.tag] = flux.data * scale
        images[band.tag] = Measured(bands[band.tag], variance, cutout.grid.line_unit)
    cutout = replace(
        cutout,
        images={**cutout.images, **bands},
        detection={**cutout.detection, **bands},
        notes=(*cutout.notes, *notes),
    )
    return cutout, images


def _cube(cutout: Cutout, data: FloatArray) -> Measured:
    good, variance = cutout.voxels.good, cutout.voxels.variance
    variance = None if variance is None else np.where(good, variance, np.nan)
    return Measured(np.where(good, data, np.nan), variance, cutout.grid.unit)


def _masks(
    cutout: Cutout,
    images: Mapping[str, Measured],
    params: Params,
    settings: SegmentationSettings,
    names: Names,
) -> tuple[SourceMasks, str, Products]:
    """The masks, the tag of the reference, and the products up to here: images, segmentation maps
    and masks."""
    scale = geometry.scale(cutout.pixel)
    segmaps = {keys.segmap(tag): np.maximum(segmap, 0) for tag, segmap in cutout.segmaps.items()}
    segmaps[keys.segmap(names.white)] = segmentation.segment(
        images[names.white].data, settings, scale
    )
    for tag, image in cutout.detection.items():
        # MPDAF's rotation loses pixels at the border of a cut-out, around which v1.1.2 detects
        # nothing.
        border = ~np.isfinite(image) & np.isfinite(cutout.images[tag])
        segmaps[keys.segmap(tag)] = segmentation.segment(image, settings, scale, border)
    reference, notes = (
        names.reference(cutout.target.ref, cutout.images, bool(params.deblend)),
        cutout.notes,
    )
    if reference is None:
        reference = names.white
        what = f'reference {cutout.target.ref!r} is not in IMG, NARROWBAND, WEIGHT or APER'
        notes = (*notes, f'{what}: white light used')
    masks = source_masks.choose(cutout, segmaps, params.use_imgs, params.obj_mask, names.radii)
    radii = {names.aperture(radius): radius for radius in names.radii}
    if reference in radii:
        masks = source_masks.with_aperture(masks, cutout, radii[reference], names)
    number = int(masks.target.sum())
    products = Products(
        {
            Group.IMAGE: dict(images),
            Group.SEGMAP: {
                key: Segmap(segmap, central=masks.labels[key]) for key, segmap in segmaps.items()
            },
            Group.MASK: {key: Mask(mask) for key, mask in masks.named.items()},
        },
        notes=notes + masks.notes,
        facts={
            'OBJMASK': (masks.used, 'object mask that spectra are from'),
            'OBJNPIX': (number, 'spaxels in it'),
            'OBJAREA': (
                float(f'{number * cutout.pixel[0] * cutout.pixel[1]:.6g}'),
                'its area [arcsec2]',
            ),
        },
    )
    return masks, reference, products


def _summed(target: _Spaxels, names: Names, light: FloatArray) -> Products:
    """Sums over the object mask, and over the part of it in each circle, completed where voxels are
    missing.

    A note names the apertures that lose light because the object mask cuts them, as in v1.1.2.

    Parameters
    ----------
    target : _Spaxels
        The spaxels of the object mask.
    names : Names
        The keys of the sums, and the apertures.
    light : array (ny, nx)
        White light less the sky.
    """
    circles = [source_masks.aperture(target.cutout, radius) for radius in names.radii]
    inside = np.array([mask[target.mask] for mask in (target.mask, *circles)])
    total, *in_circles = completion.complete(
        target.voxels, inside, sums_and_means.sums(target.voxels, inside)
    )
    spectra = [target.spectrum(names.total, Kind.SUM, total.values, inside[0])]
    cut = []
    for radius, circle, completed, weight in zip(
        names.radii, circles, in_circles, inside[1:], strict=True
    ):
        spectra.append(
            target.spectrum(
                names.aperture(radius), Kind.SUM, completed.values, weight, radius=radius
            )
        )
        outside, whole = (float(np.nansum(light[part])) for part in (circle & ~target.mask, circle))
        if not weight.any():
            cut.append(f'{radius:g} arcsec (all of it)')
        elif outside > NOTED_CUT * whole > 0:
            cut.append(f'{radius:g} arcsec ({outside / whole:.0%} of its light)')
    products = Products({Group.SPECTRUM: by_key(spectra)}) | _missing_light(
        target, names.total, total.seen
    )
    if cut:
        products |= Products(notes=(f'apertures are cut off by the object mask: {", ".join(cut)}',))
    return products


def _missing_light(target: _Spaxels, tag: str, seen: FloatArray) -> Products:
    """Cards and notes on light that the sum over the object mask lacks.

    Parameters
    ----------
    target : _Spaxels
        The spaxels of the object mask.
    tag : str
        The sum's.
    seen : array (nl,)
        The share of the light in good voxels (see `completion.complete`).
    """
    notes, facts = [], {}
    dead = int((ndimage.binary_fill_holes(target.mask) & target.cutout.voxels.blank).sum())
    if dead:
        notes.append(
            f'spaxels without data in the object: {dead}; their light is missing in all sums'
        )
    completed, lost = seen < 1, seen < completion.LEAST_SEEN
    number, missing = int((completed & ~lost).sum()), int(lost.sum())
    if number or missing:
        most = 1 - float(seen[~lost].min(initial=1.0))
        facts = {
            'NCOMPL': (number, f'channels of {tag} completed for bad voxels'),
            'COMPMAX': (round(most, 4), 'largest share of the light in these'),
            'NLOST': (
                missing,
                f'channels with less than {completion.LEAST_SEEN:.0%} of the light: NaN',
            ),
        }
        if most > NOTED_SHARE:
            share = f'hold up to {most:.1%} of the light: completed'
            notes.append(f'{tag}: bad voxels in {counted(number, "channel")} {share}')
        if missing:
            where = f'where bad voxels hold over {1 - completion.LEAST_SEEN:.0%} of the light'
            notes.append(f'{tag}: no value in {counted(missing, "channel")}, {where}')
    return Products(notes=tuple(notes), facts=facts)


def _weighted(
    target: _Spaxels, images: Mapping[str, Measured], kind: Kind, continuum_subtracted: bool = False
) -> Products:
    """One optimally weighted spectrum per weight image (ny, nx), and a note if an image gives no
    weights."""
    profiles: dict[str, FloatArray] = {}
    notes = []
    number = int(target.mask.sum())
    for tag, image in images.items():
        key = keys.spectrum(tag, continuum_subtracted, False)
        inside = image.data[target.mask]
        profile = weights.profile(inside)
        unseen = ~np.isfinite(inside) & ~target.voxels.blank
        if unseen.any() and not unseen.all():
            light = sums_and_means.white_light(target.voxels).data
            lacks_light = np.nansum(light[unseen]) > NOTED_UNSEEN * np.nansum(np.abs(light))
            if lacks_light or unseen.sum() > NOTED_UNSEEN * number:
                count = f'{int(unseen.sum())} of {number}'
                notes.append(
                    f'{key} has no value in {count} spaxels of the object mask, whose weight is 0'
                )
        if profile is not None:
            if np.nanmax(inside) - np.nanmin(inside) > weights.ROUNDING * np.nanmax(
                np.abs(image.data)
            ):
                profiles[tag] = profile
            else:
                notes.append(
                    f'{key} is rounding noise in the object mask: no spectrum weighted by it'
                )
        elif np.isfinite(inside).any():
            profiles[tag] = np.full(number, 1 / number)
            notes.append(f'{key} is flat in the object mask: equal weights used')
        else:
            notes.append(f'{key} has no value in the object mask: no spectrum weighted by it')
    values = weights.weighted(target.voxels, np.array([*profiles.values()]).reshape(-1, number))
    spectra = (
        target.spectrum(tag, kind, measured, profile, continuum_subtracted=continuum_subtracted)
        for (tag, profile), measured in zip(profiles.items(), values, strict=True)
    )
    return Products({Group.SPECTRUM: by_key(spectra)}, notes=tuple(notes))


def _weighted_by_psf(target: _Spaxels, names: Names) -> Products:
    """The spectrum of a point source at the catalogue position."""
    images = psf_spectrum.psf_images(target.cutout)[:, target.mask]
    values = psf_spectrum.point_source(target.cutout, target.voxels, images)
    spectrum = target.spectrum(names.psf, Kind.PSF, values, images.mean(axis=0))
    return Products({Group.SPECTRUM: by_key([spectrum])})


def _cross_correlated(
    products: Products, target: _Spaxels, params: Params, names: Names
) -> Products:
    """The cross-correlation maps with the reference, with and without continuum, and the spectra
    weighted by them."""
    reference = products.spectra[products.reference]
    if not params.cont_sub:
        return _correlated(reference, target, params, None)
    polynomials = continuum.basis(target.cutout.wave, params.cont_poly)
    flat = replace(
        reference,
        data=reference.data - continuum.fit(reference, polynomials),
        continuum_subtracted=True,
    )
    correlated = Products({Group.SPECTRUM: by_key([flat])}) | _correlated(
        reference, target, params, None
    )
    correlated |= _correlated(flat, target, params, polynomials)
    if not params.out_sub:
        return correlated
    voxels = target.cutout.voxels
    less = continuum.subtract(voxels.columns.data, polynomials).reshape(voxels.data.shape)
    cube = {names.prefix + keys.CONTSUB: _cube(target.cutout, less)}
    return correlated | Products({Group.CUBE: cube})


def _correlated(
    reference: Spectrum, target: _Spaxels, params: Params, polynomials: FloatArray | None
) -> Products:
    """The map with one reference, and the spectrum weighted by it; ``polynomials`` (nl, k) span the
    continuum."""
    voxels = target.cutout.voxels.columns
    by_channel = (
        cross_correlation.channel_weights(voxels) if params.xcor_weight == 'variance' else None
    )
    correlate = partial(
        cross_correlation.cross_correlate,
        spaxels=voxels,
        polynomials=polynomials,
        channel_weights=by_channel,
    )

    def improved(profile: FloatArray) -> FloatArray:
        spectrum = weights.weighted(target.voxels, profile[None])[0]
        if polynomials is None:
            return spectrum.data
        return spectrum.data - continuum.fit(spectrum, polynomials)

    values, number = cross_correlation.iterate(
        correlate, improved, reference.data, target.mask.ravel(), params.xcor_iter
    )
    no_continuum = polynomials is not None
    image = _image(values, target.cutout, power=2)  # a product of two fluxes
    key = keys.spectrum(keys.XCOR, no_continuum, False)
    correlated = Products({Group.MAP: {key: image}})
    correlated |= _weighted(target, {keys.XCOR: image}, Kind.CROSS_CORRELATION, no_continuum)
    if params.xcor_iter == 1:
        return correlated
    card = 'XCITERC' if no_continuum else 'XCITER'
    return correlated | Products(
        facts={card: (number, 'cross-correlation maps made, the last is kept')}
    )


def _redshift(products: Products, cutout: Cutout, params: Params, sky: Measured | None) -> Products:
    """What the redshift of the source adds."""
    # Templates and filters are loaded by runs that need them only.
    from autospec_lib.redshift import source

    voxels = cutout.voxels.columns if sky is None else cutout.voxels.columns.minus(sky)

    def light(places: Sequence[tuple[float, float]], radius: float) -> list[Measured]:
        masks = [source_masks.circle(cutout, place, radius).ravel() for place in places]
        return sums_and_means.sums(voxels, np.array(masks))

    return source.measure(products, cutout, params.lsf, light)
