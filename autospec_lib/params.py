"""The parameters of a run: the only table of them, ``param.py`` -> values, and the template of ``param.py``."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from autospec_lib import checks, conflicts, userfile
from autospec_lib.checks import Kind, near, plain, show
from autospec_lib.conflicts import Finding
from autospec_lib.errors import ParameterError

_HEADER = """\
# Parameters of AutoSpec. A line that you leave out keeps its default, which is the value shown here.
# This file is Python: text in quotes, True or False for switches, several values as ('one', 'two'), () for none.
# File names start at the folder of this file. Help: AutoSpec --help, and --check to see what a run would do.
"""
_REPLACED = {
    'USE_WHITE': 'USE_WHITE, of v1.1.0 and v1.1.1, was replaced by USE_IMGS in v1.1.2: USE_WHITE = False kept white '
    'light out of the object mask, USE_IMGS = False keeps out the white light and every IMG, so that SEG alone counts'
}


def _parameter(default: Any, kind: Kind, group: str, text: str, alias: str = '') -> Any:
    return dataclasses.field(default=default, metadata={**kind._asdict(), 'group': group, 'help': text, 'alias': alias})


@dataclasses.dataclass(frozen=True)
class Params:
    """Every parameter, checked and in its normal form; ``param.py`` has the fields' names in capitals.

    A field's metadata hold its ``check``, what that ``expected``, its ``group``, one line of ``help`` and its ``alias``
    (a second name, or ''). Files are named as in ``param.py``, relative ones from the folder of ``param.py``.
    """

    mode: str = _parameter(
        'param', checks.choice('param', 'cat'), 'Mode', "SIZE and REF: 'param' from here, 'cat' from the catalogue"
    )
    ref: str = _parameter(
        '', checks.REFERENCE, 'Mode', "reference: '' white light, an image of IMG ('g-band') or a radius of APER (2.0)"
    )

    datacube: str = _parameter('datacube.fits', checks.FILE, 'Input', 'FITS file of the cube')
    catalog: str = _parameter('catalog.txt', checks.FILE, 'Input', 'text or CSV file of the sources: ID RA DEC ...')
    data_ext: tuple[int | str, ...] = _parameter(
        (), checks.EXTENSIONS, 'Input', "extension of the data, or of data and variance; () where it is MUSE's layout"
    )

    aper: tuple[float, ...] = _parameter(
        (), checks.RADII, 'Spectra', 'radius or radii of apertures [arcsec], e.g. (1.0, 2.0)'
    )
    img: tuple[str, ...] = _parameter(
        (), checks.FILES, 'Spectra', "further image or images, for weights and masks, e.g. 'g-band.fits'"
    )
    size: float = _parameter(5.0, checks.LENGTH, 'Spectra', 'full width of the cube cut out around a source [arcsec]')
    sky_sub: bool = _parameter(True, checks.SWITCH, 'Spectra', 'subtract the mean spectrum of the sky around a source')
    noise: str = _parameter(
        'propagated',
        checks.choice('propagated', 'empirical'),
        'Spectra',
        "errors: 'propagated' from the cube's, 'empirical': scaled to the scatter of blank sky",
    )

    use_imgs: bool = _parameter(
        True, checks.SWITCH, 'Object masks', 'detect objects in white light and IMG; False: masks from SEG alone'
    )
    obj_mask: str = _parameter(
        'INTER', checks.choice('INTER', 'UNION'), 'Object masks', "'INTER': the object in all maps, 'UNION': in any"
    )
    seg: tuple[str, ...] = _parameter(
        (), checks.FILES, 'Object masks', "further segmentation map or maps, e.g. 'g-seg.fits'"
    )

    xcor: bool = _parameter(
        True, checks.SWITCH, 'Cross-correlation', 'cross-correlate the reference spectrum with every spaxel'
    )
    cont_sub: bool = _parameter(
        True, checks.SWITCH, 'Cross-correlation', 'do it a second time without the continuum; needs XCOR'
    )
    cont_poly: int = _parameter(
        5, checks.DEGREE, 'Cross-correlation', 'degree of the polynomial that stands for the continuum'
    )
    xcor_iter: int = _parameter(
        1, checks.COUNT, 'Cross-correlation', 'how often at most: again with the spectrum that the map has given'
    )
    xcor_weight: str = _parameter(
        'none', checks.choice('none', 'variance'), 'Cross-correlation', "'variance': noisy wavelengths weigh less"
    )

    deblend: bool | str = _parameter(
        False, checks.DEBLENDING, 'Joint extraction', "fit source and neighbours together; 'hst': shapes from that IMG"
    )
    psf: tuple[float, ...] | str = _parameter(
        (), checks.PSF, 'Joint extraction', "seeing: FWHM [arcsec], (blue, red), (blue, red, beta) or 'header'"
    )

    output: str = _parameter('output', checks.FOLDER, 'Output', 'folder of the results; it is made where needed')
    pre_out: str = _parameter('Source_', checks.PREFIX, 'Output', "what a source's file name begins with")
    out_sub: bool = _parameter(False, checks.SWITCH, 'Output', 'write the cut-out cubes (large)')
    out_img: bool = _parameter(True, checks.SWITCH, 'Output', 'write the images')
    out_seg: bool = _parameter(True, checks.SWITCH, 'Output', 'write the segmentation maps')
    out_mask: bool = _parameter(True, checks.SWITCH, 'Output', 'write the object and sky masks')
    out_xcor: bool = _parameter(True, checks.SWITCH, 'Output', 'write the cross-correlation maps')
    out_spec: bool = _parameter(
        True, checks.SWITCH, 'Output', 'write all spectra; False: the reference and those of the cross-correlation'
    )
    plots: bool = _parameter(True, checks.SWITCH, 'Output', 'draw images, masks, spectra and maps of each source')
    cmap: str = _parameter('viridis', checks.COLOUR_MAP, 'Output', "matplotlib's colour map for the images")

    orig_from: str = _parameter('', checks.CARD, 'Header', 'FROM: the program that found the sources')
    orig_fromv: str = _parameter('', checks.CARD, 'Header', 'FROM_V: its version')
    orig_cube: str = _parameter('', checks.CARD, 'Header', 'CUBE: the name of the cube')
    orign_cubev: str = _parameter('', checks.CARD, 'Header', 'CUBE_V: its version', alias='ORIG_CUBEV')

    cores: int = _parameter(1, checks.CORES, 'Run', 'how many sources at a time; 0: one on each core')
    warnings: bool = _parameter(False, checks.SWITCH, 'Run', 'show the warnings of astropy and MPDAF')


_FIELDS = dataclasses.fields(Params)
_KNOWN = {field.name.upper(): field for field in _FIELDS} | {
    field.metadata['alias']: field for field in _FIELDS if field.metadata['alias']
}


def load(path: Path) -> tuple[Params, tuple[str, ...]]:
    """Execute ``param.py`` and check all that can be checked without opening the cube.

    Parameters
    ----------
    path : Path
        The file; relative names in it start at its folder.

    Returns
    -------
    params : Params
        The checked values.
    warnings : tuple of str
        One line each on what the user should know; the run can go on.

    Raises
    ------
    ParameterError
        The file does not run, or with every fault of its values at once.
    """
    values, lines = userfile.run(path)
    checked, faults = _checked(values)
    faults += _unknown(values, lines)
    params = Params(**checked)

    faulty = {name for names, _ in faults for name in names}
    together = conflicts.faults(params, Path(os.path.abspath(path)).parent)
    faults += [finding for finding in together if not faulty.intersection(finding[0])]
    if faults:
        raise ParameterError(*_messages(path, lines, faults))
    cautions = [*_uncapitalised(values, lines), *conflicts.cautions(params, values)]
    return params, tuple(_messages(path, lines, cautions))


def _checked(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """The normal form of each value that passes its check, by field; what is wrong with the others."""
    checked: dict[str, Any] = {}
    faults: list[Finding] = []
    for name, field in _KNOWN.items():
        if name not in values:
            continue
        value = plain(values[name])
        try:
            result = field.metadata['check'](value)
        except ValueError as error:
            problem, hint = (*error.args, '')[:2]
            faults.append(((name,), f'{name} = {show(value)} {problem}; expected {field.metadata["expected"]}{hint}'))
            continue
        if checked.setdefault(field.name, result) != result:
            other = f'{field.name.upper()} = {show(checked[field.name])}'
            faults.append(((name,), f'{name} = {show(value)} contradicts {other}; keep one of them'))
    return checked, faults


def _unknown(values: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[Finding]:
    for name in values:
        if name in _REPLACED:
            yield (name,), _REPLACED[name]
        elif name in lines and name.isupper() and not name.startswith('_') and name not in _KNOWN:
            hint = near(name, _KNOWN) or '; names of your own go in lower case'
            yield (name,), f'unknown parameter {name}{hint}'


def _uncapitalised(values: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[Finding]:
    for name in lines:
        capitals = name.upper()
        if name in values and name != capitals and capitals in _KNOWN and capitals not in values:
            yield (name,), f'{name} has no effect; the parameter is {capitals}'


def _messages(path: Path, lines: Mapping[str, int], findings: list[Finding]) -> list[str]:
    """The findings with their places, from the top of the file to its end."""
    findings = sorted(findings, key=lambda finding: lines.get(finding[0][0], 0))
    return [f'{userfile.place(path, lines.get(names[0]))}: {text}' for names, text in findings]


def describe(params: Params) -> str:
    """One line ``NAME = value`` for each parameter, which ``param.py`` would take back."""
    width = max(map(len, _KNOWN))
    return '\n'.join(f'{field.name.upper():<{width}} = {getattr(params, field.name)!r}' for field in _FIELDS)


def template() -> str:
    """The text of a ``param.py`` with every parameter at its default."""
    name_width = max(map(len, _KNOWN))
    value_width = max(len(repr(field.default)) for field in _FIELDS)
    parts = [_HEADER]
    for group, fields in groupby(_FIELDS, lambda field: field.metadata['group']):
        parts.append(f'\n# --- {group} ---\n')
        for field in fields:
            name, value = field.name.upper(), repr(field.default)
            parts.append(f'{name:<{name_width}} = {value:<{value_width}}  # {field.metadata["help"]}\n')
    return ''.join(parts)
