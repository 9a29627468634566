"""The parameters of a run: the only table of them, and the template of ``param.py``."""

from __future__ import annotations

import dataclasses
from itertools import groupby
from typing import Any

from autospec_lib.config import validators
from autospec_lib.config.validators import Kind

_HEADER = """\
# Parameters of AutoSpec. A line that you leave out keeps its default, which is the value shown here.
# This file is Python: text in quotes, True or False for switches, several values as ('one', 'two'), () for none.
# File names start at the folder of this file. Help: AutoSpec --help, and --check to see what a run would do.
"""


def _parameter(default: Any, kind: Kind, group: str, text: str, alias: str = '') -> Any:
    return dataclasses.field(default=default, metadata={**kind._asdict(), 'group': group, 'help': text, 'alias': alias})


@dataclasses.dataclass(frozen=True)
class Params:
    """Every parameter, checked and in its normal form; ``param.py`` has the fields' names in capitals.

    A field's metadata hold its ``check``, what that ``expected``, its ``group``, one line of ``help`` and its ``alias``
    (a second name, or ''). Files are named as in ``param.py``, relative ones from the folder of ``param.py``.
    """

    mode: str = _parameter(
        'param', validators.choice('param', 'cat'), 'Mode', "SIZE and REF: 'param' from here, 'cat' from the catalogue"
    )
    ref: str = _parameter(
        '',
        validators.REFERENCE,
        'Mode',
        "reference: '' white light, an image of IMG ('g-band') or a radius of APER (2.0)",
    )

    datacube: str = _parameter('datacube.fits', validators.FILE, 'Input', 'FITS file of the cube')
    catalog: str = _parameter('catalog.txt', validators.FILE, 'Input', 'text or CSV file of the sources: ID RA DEC ...')
    data_ext: tuple[int | str, ...] = _parameter(
        (),
        validators.EXTENSIONS,
        'Input',
        "extension(s) of data, or data and noise, e.g. 'FLUX', 'ERR: sigma'; (): as MUSE",
    )

    aper: tuple[float, ...] = _parameter(
        (), validators.RADII, 'Spectra', 'radius or radii of apertures [arcsec], e.g. (1.0, 2.0)'
    )
    img: tuple[str, ...] = _parameter(
        (), validators.FILES, 'Spectra', "further image or images, for weights and masks, e.g. 'g-band.fits'"
    )
    size: float = _parameter(
        5.0, validators.LENGTH, 'Spectra', 'full width of the cube cut out around a source [arcsec]'
    )
    sky_sub: bool = _parameter(
        True, validators.SWITCH, 'Spectra', 'subtract the mean spectrum of the sky around a source'
    )
    noise: str = _parameter(
        'propagated',
        validators.choice('propagated', 'empirical'),
        'Spectra',
        "errors: 'propagated' from the cube's, 'empirical': scaled to the scatter of blank sky",
    )

    use_imgs: bool = _parameter(
        True, validators.SWITCH, 'Object masks', 'detect objects in white light and IMG; False: masks from SEG alone'
    )
    obj_mask: str = _parameter(
        'INTER', validators.choice('INTER', 'UNION'), 'Object masks', "'INTER': the object in all maps, 'UNION': in any"
    )
    seg: tuple[str, ...] = _parameter(
        (), validators.FILES, 'Object masks', "further segmentation map or maps, e.g. 'g-seg.fits'"
    )

    xcor: bool = _parameter(
        True, validators.SWITCH, 'Cross-correlation', 'cross-correlate the reference spectrum with every spaxel'
    )
    cont_sub: bool = _parameter(
        True, validators.SWITCH, 'Cross-correlation', 'do it a second time without the continuum; needs XCOR'
    )
    cont_poly: int = _parameter(
        5, validators.DEGREE, 'Cross-correlation', 'degree of the polynomial that stands for the continuum'
    )
    xcor_iter: int = _parameter(
        1, validators.COUNT, 'Cross-correlation', 'how often at most: again with the spectrum that the map has given'
    )
    xcor_weight: str = _parameter(
        'none', validators.choice('none', 'variance'), 'Cross-correlation', "'variance': noisy wavelengths weigh less"
    )

    deblend: bool | str = _parameter(
        False,
        validators.DEBLENDING,
        'Joint extraction',
        "fit source and neighbours together; 'hst': shapes from that IMG",
    )
    psf: tuple[float, ...] | str = _parameter(
        (), validators.PSF, 'Joint extraction', "seeing: FWHM [arcsec], (blue, red), (blue, red, beta) or 'header'"
    )

    output: str = _parameter('output', validators.FOLDER, 'Output', 'folder of the results; it is made where needed')
    pre_out: str = _parameter('Source_', validators.PREFIX, 'Output', "what a source's file name begins with")
    out_sub: bool = _parameter(False, validators.SWITCH, 'Output', 'write the cut-out cubes (large)')
    out_img: bool = _parameter(True, validators.SWITCH, 'Output', 'write the images')
    out_seg: bool = _parameter(True, validators.SWITCH, 'Output', 'write the segmentation maps')
    out_mask: bool = _parameter(True, validators.SWITCH, 'Output', 'write the object and sky masks')
    out_xcor: bool = _parameter(True, validators.SWITCH, 'Output', 'write the cross-correlation maps')
    out_spec: bool = _parameter(
        True, validators.SWITCH, 'Output', 'write all spectra; False: the reference and those of the cross-correlation'
    )
    plots: bool = _parameter(True, validators.SWITCH, 'Output', 'draw images, masks, spectra and maps of each source')
    cmap: str = _parameter('viridis', validators.COLOUR_MAP, 'Output', "matplotlib's colour map for the images")

    orig_from: str = _parameter('', validators.CARD, 'Header', 'FROM: the program that found the sources')
    orig_fromv: str = _parameter('', validators.CARD, 'Header', 'FROM_V: its version')
    orig_cube: str = _parameter('', validators.CARD, 'Header', 'CUBE: the name of the cube')
    orign_cubev: str = _parameter('', validators.CARD, 'Header', 'CUBE_V: its version', alias='ORIG_CUBEV')

    cores: int = _parameter(1, validators.CORES, 'Run', 'how many sources at a time; 0: one on each core')
    warnings: bool = _parameter(False, validators.SWITCH, 'Run', 'show the warnings of astropy and MPDAF')


FIELDS = dataclasses.fields(Params)
# By the names that may stand in param.py.
KNOWN = {field.name.upper(): field for field in FIELDS} | {
    field.metadata['alias']: field for field in FIELDS if field.metadata['alias']
}


def describe(params: Params) -> str:
    """One line ``NAME = value`` for each parameter, which ``param.py`` would take back."""
    width = max(map(len, KNOWN))
    return '\n'.join(f'{field.name.upper():<{width}} = {getattr(params, field.name)!r}' for field in FIELDS)


def template() -> str:
    """The text of a ``param.py`` with every parameter at its default."""
    name_width = max(map(len, KNOWN))
    value_width = max(len(repr(field.default)) for field in FIELDS)
    parts = [_HEADER]
    for group, fields in groupby(FIELDS, lambda field: field.metadata['group']):
        parts.append(f'\n# --- {group} ---\n')
        for field in fields:
            name, value = field.name.upper(), repr(field.default)
            parts.append(f'{name:<{name_width}} = {value:<{value_width}}  # {field.metadata["help"]}\n')
    return ''.join(parts)
