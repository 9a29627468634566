"""The steps of the method for one source, in order: cut-out in, products out. No files, no plots, no printing.

The steps are those of Griffiths & Conselice (2018, ApJ 869, 68): white light, segmentation, masks, sky, sums and
weighted spectra, continuum, cross-correlation, and spectra weighted by its maps. The joint extraction with neighbours,
a spectrum weighted by the PSF, and measured errors are optional.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autospec_lib.config.params import Params
from autospec_lib.core import geometry, keys
from autospec_lib.core.errors import SourceError
from autospec_lib.core.products import Kind, Products, Spectrum, by_key
from autospec_lib.core.segmentation_settings import SegmentationSettings
from autospec_lib.core.types import BoolArray, Cutout, FloatArray, IntArray, Measured, Voxels
from autospec_lib.deblending import joint_extraction
from autospec_lib.detection import segmentation, source_masks
from autospec_lib.detection.masks import nearest_label
from autospec_lib.detection.source_masks import SourceMasks
from autospec_lib.extraction import continuum, cross_correlation, noise, psf_spectrum, sums, weights
from autospec_lib.extraction.sky import mean_sky


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
    params, own_notes = _with_own_aperture(cutout, params)
    if cutout.voxels.blank.all():
        raise SourceError('no usable voxel in its subcube: every value or variance is NaN, masked or outside the field')
    images = {keys.WHITE: _image(sums.white_light(cutout.voxels.columns), cutout, cutout.grid.unit)}
    images |= {tag: Measured(image, unit=cutout.image_units.get(tag, '')) for tag, image in cutout.images.items()}
    segmaps = _segmentation_maps(cutout, images[keys.WHITE].data, settings)
    tag, radius, notes = _reference(cutout, params)
    masks = source_masks.choose(cutout, segmaps, params.use_imgs, params.obj_mask, params.aper)
    if radius is not None:
        masks = source_masks.with_aperture(masks, cutout, radius)
    products = Products(
        images=images,
        segmaps=segmaps,
        central={key: nearest_label(segmap, cutout.centre)[0] for key, segmap in segmaps.items()},
        masks=masks.named,
        notes=cutout.notes + own_notes + notes + masks.notes,
        facts=_object_mask(cutout, masks),
    )
    sky, subtracted = _sky(cutout, masks) if params.sky_sub else (None, Products())
    products |= subtracted
    target = _Spaxels(cutout, masks.target, sky)
    products |= _summed(target, params.aper)
    products |= _weighted(target, images, Kind.WEIGHTED)
    if cutout.psf is not None:
        products |= _weighted_by_psf(target)
    if params.deblend:
        image = cutout.images[keys.image_tag(params.deblend)] if isinstance(params.deblend, str) else None
        products |= joint_extraction.extract(cutout, image, sky is not None)
    if tag == keys.DEBLEND and not products.fitted:
        tag = keys.WHITE
        products |= Products(notes=(f'reference {keys.DEBLEND} is not there: white light used',))
    products |= _chosen(products, keys.spectrum(tag, False, sky is not None), tag)
    if params.out_sub:
        products |= Products(cubes={keys.CUBE: _cube(cutout, cutout.voxels.data)})
    if params.xcor:
        matched = target if masks.xcor is masks.target else _Spaxels(cutout, masks.xcor, sky)
        products |= _cross_correlated(products, matched, params)
    if params.noise == 'propagated':
        return products
    return noise.with_empirical_noise(products, cutout.voxels, masks.sky)


def _with_own_aperture(cutout: Cutout, params: Params) -> tuple[Params, tuple[str, ...]]:
    """The parameters with the aperture of the catalogue's row added; a note if another aperture has the same key."""
    radius = cutout.target.aper
    if radius is None or radius in params.aper:
        return params, ()
    key = keys.aperture(radius)
    same = [one for one in params.aper if keys.aperture(one) == key]
    if same:
        return params, (f'aperture {radius:g} of the catalogue is left out: {key} is that of {same[0]:g} in APER',)
    return replace(params, aper=(*params.aper, radius)), ()


class _Spaxels:
    """The sky-subtracted spaxels of a mask, from which spectra are made.

    ``voxels`` are columns (nl, n) for the n pixels of ``mask`` (ny, nx).
    """

    def __init__(self, cutout: Cutout, mask: BoolArray, sky: Measured | None) -> None:
        self.cutout, self.mask, self.sky_subtracted = cutout, mask, sky is not None
        chosen = cutout.voxels.select(mask)
        self.voxels: Voxels = chosen if sky is None else chosen.minus(sky)

    def spectrum(self, tag: str, kind: Kind, values: Measured, weight: FloatArray, no_continuum: bool) -> Spectrum:
        """A spectrum that was measured with these weights (n,), with its description."""
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
            continuum_subtracted=no_continuum,
        )


def _image(values: Measured, cutout: Cutout, unit: str) -> Measured:
    variance = None if values.variance is None else values.variance.reshape(cutout.shape)
    return Measured(values.data.reshape(cutout.shape), variance, unit)


def _cube(cutout: Cutout, data: FloatArray) -> Measured:
    good, variance = cutout.voxels.good, cutout.voxels.variance
    variance = None if variance is None else np.where(good, variance, np.nan)
    return Measured(np.where(good, data, np.nan), variance, cutout.grid.unit)


def _segmentation_maps(cutout: Cutout, white: FloatArray, settings: SegmentationSettings) -> dict[str, IntArray]:
    """The user's maps, then one map per image."""
    scale = geometry.scale(cutout.pixel)
    computed = {keys.segmap(keys.WHITE): segmentation.segment(white, settings, scale)}
    for tag, image in cutout.detection.items():
        # MPDAF's rotation loses pixels at the border of a cut-out, around which v1.1.2 detects nothing.
        border = ~np.isfinite(image) & np.isfinite(cutout.images[tag])
        computed[keys.segmap(tag)] = segmentation.segment(image, settings, scale, border)
    return {keys.segmap(tag): segmap for tag, segmap in cutout.segmaps.items()} | computed


def _reference(cutout: Cutout, params: Params) -> tuple[str, float | None, tuple[str, ...]]:
    """The reference's tag and, for an aperture, its radius; white light and a note if there is no such reference."""
    tag = keys.reference(cutout.target.ref, cutout.images, params.aper, bool(params.deblend))
    if tag is not None:
        return tag, {keys.aperture(radius): radius for radius in params.aper}.get(tag), ()
    note = f'reference {cutout.target.ref!r} is neither in IMG nor in APER: white light used'
    return keys.WHITE, None, (note,)


def _object_mask(cutout: Cutout, masks: SourceMasks) -> dict[str, tuple[Any, str]]:
    """Header cards on the object mask."""
    number = int(masks.target.sum())
    return {
        'OBJMASK': (masks.used, 'object mask that spectra are from'),
        'OBJNPIX': (number, 'spaxels in it'),
        'OBJAREA': (float(f'{number * cutout.pixel[0] * cutout.pixel[1]:.6g}'), 'its area [arcsec2]'),
    }


def _chosen(products: Products, key: str, tag: str) -> Products:
    """The reference spectrum; raises `SourceError` where it has no value."""
    if key not in products.spectra or not np.isfinite(products.spectra[key].data).any():
        raise SourceError(f'no reference spectrum: {tag} has no usable value in the object mask')
    return Products(reference=key, facts={'REFSPEC': (key, 'reference spectrum')})


def _sky(cutout: Cutout, masks: SourceMasks) -> tuple[Measured | None, Products]:
    """The sky, as the mean over the sky mask; None and a note if the mask has no usable pixel."""
    sky = mean_sky(cutout.voxels, masks.sky)
    if sky is None:
        return None, Products(notes=('no usable sky pixel: spectra are not sky-subtracted',))
    return sky, Products(
        spectra=by_key([Spectrum(sky.data, sky.variance, cutout.grid.unit, tag=keys.SKY, kind=Kind.SKY)])
    )


def _summed(target: _Spaxels, radii: tuple[float, ...]) -> Products:
    """Sums over the object mask, and over the part of it in each circle."""
    inside = {keys.TOTAL: target.mask}
    inside |= {keys.aperture(radius): source_masks.aperture(target.cutout, radius) for radius in radii}
    chosen = np.array([mask[target.mask] for mask in inside.values()])
    found = zip(inside, sums.sums(target.voxels, chosen), chosen, strict=True)
    return Products(
        spectra=by_key(target.spectrum(tag, Kind.SUM, values, mask.astype(float), False) for tag, values, mask in found)
    )


def _weighted(
    target: _Spaxels, images: dict[str, Measured], kind: Kind, continuum_subtracted: bool = False
) -> Products:
    """One optimally weighted spectrum per weight image (ny, nx), and a note if an image gives no weights."""
    profiles: dict[str, FloatArray] = {}
    notes = []
    number = int(target.mask.sum())
    for tag, image in images.items():
        key, inside = keys.spectrum(tag, continuum_subtracted, False), image.data[target.mask]
        found = weights.profile(inside)
        if found is not None:
            profiles[tag] = found
        elif np.isfinite(inside).any():
            profiles[tag] = np.full(number, 1 / number)
            notes.append(f'{key} is flat in the object mask: equal weights used')
        else:
            notes.append(f'{key} has no value in the object mask: no spectrum weighted by it')
    made = weights.weighted(target.voxels, np.array([*profiles.values()]).reshape(-1, number))
    spectra = (
        target.spectrum(tag, kind, values, profile, continuum_subtracted)
        for (tag, profile), values in zip(profiles.items(), made, strict=True)
    )
    return Products(spectra=by_key(spectra), notes=tuple(notes))


def _weighted_by_psf(target: _Spaxels) -> Products:
    """The spectrum of a point source at the catalogue position."""
    images = psf_spectrum.psf_images(target.cutout)[:, target.mask]
    values = psf_spectrum.point_source(target.cutout, target.voxels, images)
    return Products(spectra=by_key([target.spectrum(keys.PSF, Kind.PSF, values, images.mean(axis=0), False)]))


def _cross_correlated(products: Products, target: _Spaxels, params: Params) -> Products:
    """The cross-correlation maps with the reference, with and without continuum, and the spectra weighted by them."""
    reference = products.spectra[products.reference]
    if not params.cont_sub:
        return _correlated(reference, target, params, None)
    polynomials = continuum.basis(target.cutout.wave, params.cont_poly)
    flat = replace(
        reference,
        data=reference.data - continuum.fit(reference, polynomials),
        continuum_subtracted=True,
    )
    made = Products(spectra=by_key([flat])) | _correlated(reference, target, params, None)
    made |= _correlated(flat, target, params, polynomials)
    if not params.out_sub:
        return made
    cutout = target.cutout
    less = continuum.subtract(cutout.voxels.columns.data, polynomials).reshape(cutout.voxels.data.shape)
    return made | Products(cubes={keys.CUBE + keys.CONTSUB: _cube(cutout, less)})


def _correlated(reference: Spectrum, target: _Spaxels, params: Params, polynomials: FloatArray | None) -> Products:
    """The map with one reference, and the spectrum weighted by it; ``polynomials`` (nl, k) span the continuum."""
    voxels = target.cutout.voxels.columns
    by_variance = params.xcor_weight == 'variance'
    channels = cross_correlation.channel_weights(voxels) if by_variance else np.ones(len(voxels.data))

    def correlate(spectrum: FloatArray) -> Measured:
        return cross_correlation.cross_correlate(spectrum * channels, voxels, polynomials)

    def improved(profile: FloatArray) -> FloatArray:
        found = weights.weighted(target.voxels, profile[None])[0]
        if polynomials is None:
            return found.data
        return found.data - continuum.fit(found, polynomials)

    found, number = cross_correlation.iterate(
        correlate, improved, reference.data, target.mask.ravel(), params.xcor_iter
    )
    no_continuum = polynomials is not None
    # A product of two fluxes.
    image = _image(found, target.cutout, target.cutout.grid.variance_unit)
    made = Products(maps={keys.spectrum(keys.XCOR, no_continuum, False): image})
    made |= _weighted(target, {keys.XCOR: image}, Kind.CROSS_CORRELATION, no_continuum)
    if params.xcor_iter == 1:
        return made
    card = 'XCITERC' if no_continuum else 'XCITER'
    return made | Products(facts={card: (number, 'cross-correlation maps made, the last is kept')})
