"""The parameters of a run: the one table that defines them, and the template of ``param.py``."""

from __future__ import annotations

import dataclasses
from itertools import groupby
from typing import Any

from autospec_lib.config import allowed_values
from autospec_lib.config.allowed_values import Rule
from autospec_lib.core import keys
from autospec_lib.core.noise_kind import Extension

_HEADER = """\
# Parameters of AutoSpec. A line that you leave out keeps its default, which is the value shown here.
# This file is Python: text in quotes, True or False for switches, several values as ('one', 'two'), () for none.
# File names start at the folder of this file. Help: AutoSpec --help, and --check to see what a run would do.
"""


def _parameter(
    default: Any, rule: Rule, group: str, text: str, doc: str = '', alias: str = ''
) -> Any:
    words = {'group': group, 'help': text, 'doc': doc, 'alias': alias}
    return dataclasses.field(default=default, metadata={**rule._asdict(), **words})


@dataclasses.dataclass(frozen=True)
class Params:
    """Every parameter, checked and in its normal form; ``param.py`` has the fields' names in
    capitals.

    A field's metadata hold its ``check``, what it ``expected`` (for messages), its ``group``, one
    line of ``help`` (the comment in ``param.py``), ``doc`` (Markdown that follows it in
    docs/parameters.md, or ''), and its ``alias`` (a second name, or ''). File names are as in
    ``param.py``; relative ones start at the folder of ``param.py``.
    """

    mode: str = _parameter(
        'param',
        allowed_values.choice('param', 'cat'),
        'Mode',
        "'param': one SIZE and REF for all sources; 'cat': from columns of the catalogue",
        'See [Catalogue](inputs.md#catalogue).',
    )
    ref: str = _parameter(
        '',
        allowed_values.REFERENCE,
        'Mode',
        "reference: '' white light, an image in IMG ('g-band') or a radius in APER (2.0)",
        'Every spaxel is cross-correlated with the reference spectrum: one weighted by the white light or by an image, '
        "the sum in an aperture, or (`'DEBLEND'`) the joint extraction. Any other value gives a warning and stands for "
        'white light.',
    )

    datacube: str = _parameter(
        'datacube.fits',
        allowed_values.FILE_NAME,
        'Input',
        'FITS file of the cube',
        'See [Datacube](inputs.md#datacube).',
    )
    catalog: str = _parameter(
        'catalog.txt',
        allowed_values.FILE_NAME,
        'Input',
        'table of the sources: text with ID RA DEC ..., FITS, VOTable, DS9 regions ...',
        'See [Catalogue](inputs.md#catalogue).',
    )
    data_ext: tuple[Extension, ...] = _parameter(
        (),
        allowed_values.EXTENSIONS,
        'Input',
        "extensions of data, noise and mask ('MASK: 0 is bad'); () = AutoSpec finds them",
        "One to three names or numbers; `''` means that there is none. Data alone mean no noise; without a third one "
        'the mask is found by its name. `--check` says what is used. If the file does not tell the '
        "[kind of noise](inputs.md#noise), add it: `'ERR2: sigma'`. `'MASK: 0 is bad'` is a mask that is not 0 where "
        'voxels are good.',
    )

    aper: tuple[float, ...] = _parameter(
        (),
        allowed_values.RADII,
        'Spectra',
        'radius or radii of apertures [arcsec], e.g. (1.0, 2.0)',
        'For sums without weights. At most half of `SIZE`.',
    )
    img: tuple[str, ...] = _parameter(
        (),
        allowed_values.FILE_NAMES,
        'Spectra',
        "further image or images, for weights and masks, e.g. 'g-band.fits'",
        'See [Images](inputs.md#images).',
    )
    img_shift: tuple[float, ...] | str | tuple[tuple[float, ...] | str, ...] = _parameter(
        (),
        allowed_values.SHIFTS,
        'Spectra',
        "moves the images: 'measured', or by (dRA, dDec) [arcsec]; one, or one for each",
        'It is added to the coordinates of the images in `IMG` and then `WEIGHT`, not to those of maps in `SEG`. See '
        '[Offsets](inputs.md#offsets).',
    )
    weight: tuple[str, ...] = _parameter(
        (),
        allowed_values.FILE_NAMES,
        'Spectra',
        "further image or images, for weights alone, e.g. 'f814w.fits'",
        'They are used as those in `IMG`, but nothing is detected in them. See [Images](inputs.md#images).',
    )
    narrowband: tuple[str | tuple[float, float], ...] = _parameter(
        (),
        allowed_values.NARROW_BANDS,
        'Spectra',
        "narrow bands: range(s) [Angstrom] or lines at the redshift, e.g. (6840, 6870), 'Halpha'",
        'Each gives an image without continuum, which is used as those in `IMG`. See '
        '[Narrow bands](inputs.md#narrow-bands).',
    )
    size: float = _parameter(
        5.0,
        allowed_values.ARCSEC,
        'Spectra',
        'full width of the cube cut out around a source [arcsec]',
    )
    sky_sub: bool = _parameter(
        True,
        allowed_values.SWITCH,
        'Spectra',
        'subtract the mean spectrum of the sky around a source',
    )
    noise: str = _parameter(
        'propagated',
        allowed_values.choice('propagated', 'empirical'),
        'Spectra',
        "errors: 'propagated' from the cube; 'empirical': scaled to the scatter of blank sky",
        'See [Measured errors](method.md#measured-errors).',
    )

    use_imgs: bool = _parameter(
        True,
        allowed_values.SWITCH,
        'Object masks',
        'make masks from white light, IMG and SEG; False: from SEG alone',
    )
    obj_mask: str = _parameter(
        'INTER',
        allowed_values.choice('INTER', 'UNION'),
        'Object masks',
        "object mask: pixels of the source in all maps ('INTER') or in any ('UNION')",
    )
    seg: tuple[str, ...] = _parameter(
        (),
        allowed_values.FILE_NAMES,
        'Object masks',
        "segmentation map or maps of your own, e.g. 'g-seg.fits'",
        'See [Segmentation maps](inputs.md#segmentation-maps).',
    )

    xcor: bool = _parameter(
        True,
        allowed_values.SWITCH,
        'Cross-correlation',
        'cross-correlate the reference spectrum with every spaxel',
    )
    cont_sub: bool = _parameter(
        True,
        allowed_values.SWITCH,
        'Cross-correlation',
        'cross-correlate a second time without the continuum; needs XCOR',
    )
    cont_poly: int = _parameter(
        5,
        allowed_values.DEGREE,
        'Cross-correlation',
        'degree of the polynomial that is fitted to the continuum',
    )
    xcor_iter: int = _parameter(
        1,
        allowed_values.COUNT,
        'Cross-correlation',
        'largest number of maps; each is made with the spectrum from the one before',
        'See [Repeated cross-correlation](method.md#repeated-cross-correlation).',
    )
    xcor_weight: str = _parameter(
        'none',
        allowed_values.choice('none', 'variance'),
        'Cross-correlation',
        "'variance': noisy wavelengths count less",
    )

    deblend: bool | str = _parameter(
        False,
        allowed_values.DEBLENDING,
        'Joint extraction',
        "fit a source together with its neighbours; 'hst': shapes from that image in IMG",
        'See [Joint extraction](deblending.md).',
    )
    psf: tuple[float, ...] | str = _parameter(
        (),
        allowed_values.PSF_SETTING,
        'Joint extraction',
        "seeing: FWHM [arcsec], (blue, red), (blue, red, beta), 'header' or 'stars'",
        'Blue and red are the ends of the cube, beta is the exponent of the Moffat function (2.8 if left out); '
        "`'header'` reads the keywords `FSF...` in the cube's first header, `'stars'` [measures](deblending.md#seeing) "
        'two or more stars. Adds a spectrum for [point sources](method.md#point-sources) and helps `DEBLEND`.',
    )
    caterr: float = _parameter(
        0.0,
        allowed_values.ERROR,
        'Joint extraction',
        "error of the catalogue's positions along an axis [arcsec]; 0: measured in the field",
        'Says how far `DEBLEND` may look for a source; a number also keeps it from correcting an offset of the '
        'catalogue. See [Positions](deblending.md#positions).',
    )

    redshift: bool = _parameter(
        False,
        allowed_values.SWITCH,
        'Redshifts',
        'measure redshift and lines of each source; writes redshifts.ecsv',
        'See [Redshifts](redshifts.md).',
    )
    lsf: tuple[float, ...] = _parameter(
        (),
        allowed_values.LINE_WIDTH,
        'Redshifts',
        'FWHM of the line-spread function [Angstrom]; (): that of MUSE, else 2.5 channels',
        'For redshifts and narrow bands. Several numbers are the coefficients of a polynomial in the wavelength in '
        'Angstrom, the highest power first.',
    )

    output: str = _parameter(
        'output',
        allowed_values.FOLDER_NAME,
        'Output',
        'folder of the results; made if it is not there',
    )
    pre_out: str = _parameter(
        'Source_',
        allowed_values.PREFIX,
        'Output',
        "what a source's file name begins with",
        'Example: `Source_120.fits`.',
    )
    prefix: str = _parameter(
        '',
        allowed_values.TAG_PREFIX,
        'Output',
        "what AutoSpec's names begin with, e.g. 'MUSE'; '': the instrument's",
        'Cubes of MUSE, and those that are not recognised, give `MUSE_WHITE`, `MUSE_TOT` ...; those of other '
        "[instruments](inputs.md#datacube) names like `MANGA_WHITE`. `'MUSE'` brings the names of MUSE back.",
    )
    out_sub: bool = _parameter(
        False,
        allowed_values.SWITCH,
        'Output',
        'write the cut-out cubes (large)',
        '18 MB per source for MUSE and 5 arcsec, twice that with `CONT_SUB`.',
    )
    out_img: bool = _parameter(True, allowed_values.SWITCH, 'Output', 'write the images')
    out_seg: bool = _parameter(True, allowed_values.SWITCH, 'Output', 'write the segmentation maps')
    out_mask: bool = _parameter(
        True, allowed_values.SWITCH, 'Output', 'write the object and sky masks'
    )
    out_xcor: bool = _parameter(
        True, allowed_values.SWITCH, 'Output', 'write the cross-correlation maps'
    )
    out_spec: bool = _parameter(
        True,
        allowed_values.SWITCH,
        'Output',
        'write all spectra; False: reference, best one (BEST), cross-correlation',
    )
    plots: bool = _parameter(
        True,
        allowed_values.SWITCH,
        'Output',
        'draw images, masks, spectra and maps of each source',
        'See [Plots](output.md#plots).',
    )
    report: bool = _parameter(
        True,
        allowed_values.SWITCH,
        'Output',
        'write index.html, a page with all sources for the browser',
        'See [Report](report.md).',
    )
    report_cube: bool = _parameter(
        True,
        allowed_values.SWITCH,
        'Output',
        'put a binned cube of each source into the report, for narrow-band images',
        'About 0.3 MB per source for MUSE and 5 arcsec; see [Images](report.md#images).',
    )
    out_1d: bool = _parameter(
        False,
        allowed_values.SWITCH,
        'Output',
        'write each spectrum as a table of its own too',
        'For specutils, jdaviz and TOPCAT; see [Spectra as tables](output.md#spectra-as-tables).',
    )
    marz: bool = _parameter(
        False,
        allowed_values.SWITCH,
        'Output',
        'write the file that the redshift program MARZ loads',
        'See [MARZ](output.md#marz).',
    )
    cmap: str = _parameter(
        'viridis',
        allowed_values.COLOUR_MAP,
        'Output',
        'matplotlib colour map for images and cross-correlation maps',
    )

    orig_from: str = _parameter(
        '',
        allowed_values.CARD_TEXT,
        'Header',
        'header card FROM: the program that found the sources',
    )
    orig_fromv: str = _parameter(
        '', allowed_values.CARD_TEXT, 'Header', 'header card FROM_V: its version'
    )
    orig_cube: str = _parameter(
        '', allowed_values.CARD_TEXT, 'Header', 'header card CUBE: the name of the cube'
    )
    orign_cubev: str = _parameter(
        '',
        allowed_values.CARD_TEXT,
        'Header',
        'header card CUBE_V: its version',
        alias='ORIG_CUBEV',
    )

    cores: int = _parameter(
        1,
        allowed_values.CORES,
        'Run',
        'number of sources extracted at a time; 0: one on each core',
        'See [Several sources at a time](running.md#several-sources-at-a-time).',
    )
    warnings: bool = _parameter(
        False,
        allowed_values.SWITCH,
        'Run',
        'show the warnings of astropy and MPDAF during the extraction',
    )

    @property
    def img_shifts(self) -> tuple[Any, ...]:
        """The setting of IMG_SHIFT for each of the `images`."""
        setting = self.img_shift
        is_one = isinstance(setting, str) or all(isinstance(value, float) for value in setting)
        return (setting,) * len(self.images) if is_one else tuple(setting)

    @property
    def images(self) -> list[tuple[str, str]]:
        """The files of IMG and WEIGHT, each after the parameter that names it."""
        return [*(('IMG', file) for file in self.img), *(('WEIGHT', file) for file in self.weight)]

    @property
    def image_tags(self) -> list[str]:
        """The tags of the user's images: of files, then of narrow bands."""
        return [
            *(keys.image_tag(file) for _, file in self.images),
            *map(keys.band, self.narrowband),
        ]

    @property
    def needs_neighbours(self) -> bool:
        """Whether the results for a source depend on other rows of the catalogue."""
        return bool(self.deblend) or self.redshift or self.psf == allowed_values.STARS


FIELDS = dataclasses.fields(Params)
# By the names that may stand in param.py.
BY_NAME = {field.name.upper(): field for field in FIELDS} | {
    field.metadata['alias']: field for field in FIELDS if field.metadata['alias']
}


def describe(params: Params) -> str:
    """One line ``NAME = value`` for each parameter, in a form that is valid in ``param.py``."""
    width = max(map(len, BY_NAME))
    return '\n'.join(
        f'{field.name.upper():<{width}} = {getattr(params, field.name)!r}' for field in FIELDS
    )


def template() -> str:
    """The text of a ``param.py`` with every parameter at its default."""
    name_width = max(map(len, BY_NAME))
    value_width = max(len(repr(field.default)) for field in FIELDS)
    parts = [_HEADER]
    for group, fields in groupby(FIELDS, lambda field: field.metadata['group']):
        parts.append(f'\n# --- {group} ---\n')
        for field in fields:
            name, value = field.name.upper(), repr(field.default)
            parts.append(
                f'{name:<{name_width}} = {value:<{value_width}}  # {field.metadata["help"]}\n'
            )
    return ''.join(parts)
