"""The order of the method for one source: stamp in, products out. No files, no plots, no printing.

The steps are those of Griffiths & Conselice (2018, ApJ 869, 68): white light, segmentation, masks, sky, sums and
weighted spectra, continuum, cross-correlation, and spectra weighted by its maps. On demand come the joint extraction of
neighbours, a spectrum weighted by the PSF, and errors that are measured.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec_lib import continuum, extract, geometry, joint, names, rescale, segment, sexconfig, xcor
from autospec_lib.errors import SourceError
from autospec_lib.extract import Spaxels
from autospec_lib.model import BoolArray, FloatArray, IntArray, Measured, Products, Stamp
from autospec_lib.params import Params
from autospec_lib.regions import Regions, aperture, choose, with_aperture


def process(stamp: Stamp, params: Params, sex: sexconfig.Settings) -> Products:
    """Everything AutoSpec makes of one source.

    Parameters
    ----------
    stamp : Stamp
        What was cut out around the target.
    params : Params
        The run's parameters.
    sex : sexconfig.Settings
        How to segment images.

    Returns
    -------
    Products

    Raises
    ------
    SourceError
        If the stamp holds no usable voxel, or no spectrum can be extracted from it.
    """
    if stamp.bad.all():
        raise SourceError('no usable voxel in its subcube: every value or variance is NaN, masked or outside the field')
    notes = list(stamp.notes)
    spaxels = Spaxels.from_cube(stamp.data, stamp.variance, stamp.bad)
    images = {names.WHITE: _as_image(extract.white_light(spaxels), stamp)}
    images.update({tag: Measured(image) for tag, image in stamp.images.items()})
    segmaps = _segmentation_maps(stamp, images[names.WHITE].data, sex)
    tag, radius = _reference(stamp, params, notes)
    regions, fallen_back = choose(stamp, segmaps, params)
    notes += fallen_back
    if radius is not None:
        regions = with_aperture(regions, stamp, radius)
    spectra, suffix = _first_spectra(stamp, spaxels, images, regions, params, notes)
    joined = joint.products(stamp, params, suffix) if params.deblend else joint.Joint()
    spectra |= joined.spectra
    notes += joined.notes
    if tag == names.DEBLEND and not joined.spectra:
        tag = names.WHITE
        notes.append(f'reference {names.DEBLEND} is not there: white light used')
    if tag + suffix not in spectra or not np.isfinite(spectra[tag + suffix].data).any():
        raise SourceError(f'no reference spectrum: {tag} has no usable value in the object mask')
    products = Products(
        reference=tag + suffix,
        spectra=spectra,
        images=images | joined.images,
        segmaps=segmaps,
        masks=regions.named,
        maps={},
        cubes={names.CUBE: _cube(stamp)} if params.out_sub else {},
        notes=tuple(notes),
        facts={'REFSPEC': (tag + suffix, 'reference spectrum'), **joined.facts},
    )
    if params.xcor:
        products = _with_cross_correlation(products, stamp, spaxels, regions, params)
    if params.noise == 'propagated':
        return products
    return rescale.with_empirical_noise(products, stamp, _footprints(products, stamp, regions, params), regions.sky)


def _as_image(values: Measured, stamp: Stamp) -> Measured:
    shape = stamp.data.shape[1:]
    return Measured(values.data.reshape(shape), None if values.variance is None else values.variance.reshape(shape))


def _cube(stamp: Stamp) -> Measured:
    variance = None if stamp.variance is None else np.where(stamp.bad, np.nan, stamp.variance)
    return Measured(np.where(stamp.bad, np.nan, stamp.data), variance)


def _segmentation_maps(stamp: Stamp, white: FloatArray, sex: sexconfig.Settings) -> dict[str, IntArray]:
    """The user's maps, then one map per image."""
    scale = geometry.scale(stamp.pixel)
    images = {names.WHITE: white, **stamp.detection}
    computed = {names.segmap(tag): segment.segment(image, sex, scale) for tag, image in images.items()}
    return {names.segmap(tag): segmap for tag, segmap in stamp.segmaps.items()} | computed


def _reference(stamp: Stamp, params: Params, notes: list[str]) -> tuple[str, float | None]:
    """The reference's tag and, for an aperture, its radius; white light where the source names none that is there."""
    tag = names.reference_tag(stamp.target.ref)
    apertures = {names.aperture(radius): radius for radius in params.aper}
    if tag in names.references(stamp.images, params.aper, bool(params.deblend)):
        return tag, apertures.get(tag)
    notes.append(f'reference {stamp.target.ref!r} is neither in IMG nor in APER: white light used')
    return names.WHITE, None


def _first_spectra(
    stamp: Stamp,
    spaxels: Spaxels,
    images: dict[str, Measured],
    regions: Regions,
    params: Params,
    notes: list[str],
) -> tuple[dict[str, Measured], str]:
    """Sky, sums and weighted spectra inside the object mask, and the suffix of their keys."""
    spectra: dict[str, Measured] = {}
    suffix = ''
    target = spaxels.select(regions.target.ravel())
    sky = _sky(spaxels, regions, notes) if params.sky_sub else None
    if sky is not None:
        spectra[names.SKY] = sky
        suffix = names.SKYSUB
        target = target.minus(sky)
    summed = {names.TOTAL: regions.target}
    summed |= {names.aperture(radius): aperture(stamp, radius) for radius in params.aper}
    inside = np.array([mask[regions.target] for mask in summed.values()])
    for key, spectrum in zip(summed, extract.sums(target, inside), strict=True):
        spectra[key + suffix] = spectrum
    weights = {key: image.data for key, image in images.items()}
    spectra |= _weighted(target, weights, regions.target, suffix, notes)
    if stamp.psf is not None:
        spectra[names.PSF + suffix] = joint.point_source(stamp, target, regions.target)
    return spectra, suffix


def _sky(spaxels: Spaxels, regions: Regions, notes: list[str]) -> Measured | None:
    """The mean sky, or None where no pixel is free of objects or none of them is usable."""
    sky = extract.means(spaxels, regions.sky.reshape(1, -1))[0]
    if np.isfinite(sky.data).any():
        return sky
    notes.append('no usable sky pixel: spectra are not sky-subtracted')
    return None


def _weighted(
    target: Spaxels, weights: dict[str, FloatArray], mask: BoolArray, suffix: str, notes: list[str]
) -> dict[str, Measured]:
    """One optimally weighted spectrum per weight image (ny, nx); ``target`` holds the mask's spaxels."""
    profiles = {}
    for key, weight in weights.items():
        found = extract.profile(weight[mask], np.ones(mask.sum(), bool))
        if found is not None:
            profiles[key + suffix] = found
        elif np.isfinite(weight[mask]).any():
            profiles[key + suffix] = np.full(mask.sum(), 1 / mask.sum())
            notes.append(f'{key} is flat in the object mask: equal weights used')
        else:
            notes.append(f'{key} has no value in the object mask: no spectrum weighted by it')
    if not profiles:
        return {}
    return dict(zip(profiles, extract.weighted(target, np.array(list(profiles.values()))), strict=True))


def _with_cross_correlation(
    products: Products, stamp: Stamp, spaxels: Spaxels, regions: Regions, params: Params
) -> Products:
    """Add the maps against the reference, with and without continuum, and the spectra weighted by them."""
    notes = list(products.notes)
    reference = products.spectra[products.reference]
    spectra = dict(products.spectra)
    cubes = dict(products.cubes)
    suffix = names.SKYSUB if names.SKY in spectra else ''
    target = spaxels.select(regions.xcor.ravel())
    if names.SKY in spectra:
        target = target.minus(spectra[names.SKY])
    maps, rounds = {}, {}
    maps[names.XCOR], rounds['XCITER'] = _correlated(reference.data, spaxels, target, regions.xcor, params)
    if params.cont_sub:
        polynomials = continuum.basis(stamp.wave, params.cont_poly)
        flat = reference.data - continuum.fit(reference.data, reference.variance, polynomials)
        key = products.reference.removesuffix(suffix) + names.CONTSUB + suffix
        spectra[key] = Measured(flat, reference.variance)
        maps[names.XCOR + names.CONTSUB], rounds['XCITERC'] = _correlated(
            flat, spaxels, target, regions.xcor, params, polynomials
        )
        if params.out_sub:
            cubes[names.CUBE + names.CONTSUB] = _continuum_subtracted(stamp, spaxels, polynomials)
    images = {key: _as_image(values, stamp) for key, values in maps.items()}
    weights = {key: image.data for key, image in images.items()}
    spectra |= _weighted(target, weights, regions.xcor, suffix, notes)
    facts = dict(products.facts)
    if params.xcor_iter > 1:
        facts |= {card: (number, 'cross-correlation maps made, the last is kept') for card, number in rounds.items()}
    return replace(products, spectra=spectra, maps=images, cubes=cubes, notes=tuple(notes), facts=facts)


def _correlated(
    reference: FloatArray,
    spaxels: Spaxels,
    target: Spaxels,
    mask: BoolArray,
    params: Params,
    polynomials: FloatArray | None = None,
) -> tuple[Measured, int]:
    """The map against a reference, and how many were made; ``target`` holds the mask's spaxels less the sky."""
    channels = xcor.channel_weights(spaxels) if params.xcor_weight == 'variance' else np.ones(len(reference))

    def correlate(spectrum: FloatArray) -> Measured:
        return xcor.cross_correlate(spectrum * channels, spaxels, polynomials)

    def improved(weights: FloatArray) -> FloatArray:
        found = extract.weighted(target, weights[None])[0]
        if polynomials is None:
            return found.data
        return found.data - continuum.fit(found.data, found.variance, polynomials)

    return xcor.iterate(correlate, improved, reference, mask.ravel(), params.xcor_iter)


def _footprints(products: Products, stamp: Stamp, regions: Regions, params: Params) -> dict[str, FloatArray]:
    """What each spaxel (ny, nx) contributes to each spectrum of the target."""
    suffix = names.SKYSUB if names.SKY in products.spectra else ''
    found = {names.TOTAL: regions.target.astype(float)}
    for radius in params.aper:
        found[names.aperture(radius)] = (regions.target & aperture(stamp, radius)).astype(float)
    found |= {tag: _footprint(image.data, regions.target) for tag, image in products.images.items()}
    found |= {tag: _footprint(image.data, regions.xcor) for tag, image in products.maps.items()}
    if stamp.psf is not None:
        found[names.PSF] = _footprint(joint.psf_images(stamp).mean(axis=0), regions.target)
    if params.deblend and names.PROFILE in products.images:
        found[names.DEBLEND] = products.images[names.PROFILE].data
    reference = products.reference.removesuffix(suffix)
    found[reference + names.CONTSUB] = found[reference]
    return {tag + suffix: weights for tag, weights in found.items() if tag + suffix in products.spectra}


def _footprint(image: FloatArray, mask: BoolArray) -> FloatArray:
    """The weights of an image in a mask, as `_weighted` has them."""
    weights = extract.profile(image, mask)
    return mask.astype(float) if weights is None else weights


def _continuum_subtracted(stamp: Stamp, spaxels: Spaxels, polynomials: FloatArray) -> Measured:
    data = continuum.subtract(spaxels.data, polynomials).reshape(stamp.data.shape)
    return Measured(np.where(stamp.bad, np.nan, data), _cube(stamp).variance)
