"""Conflicts: parameters that are valid each by itself but not together, or not in this working
folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container, Iterator
from pathlib import Path
from typing import TypeAlias

from autospec_lib.config.params import Params
from autospec_lib.core import file_names, keys
from autospec_lib.core.atomic import nearest_existing
from autospec_lib.core.errors import counted, near
from autospec_lib.core.files import other_kind
from autospec_lib.core.keys import MUSE, Names

# The parameters involved (the message gives the line of the first), and what is wrong.
Problem: TypeAlias = tuple[tuple[str, ...], str]


def faults(params: Params, folder: Path) -> Iterator[Problem]:
    """Conflicts that stop a run.

    Parameters
    ----------
    params : Params
        The parameters.
    folder : Path
        The folder at which relative file names start.
    """
    for radius in params.aper:
        if params.mode == 'param' and radius > params.size / 2:
            allowed = f'expected at most {params.size / 2} arcsec, or a larger SIZE'
            yield (
                ('APER', 'SIZE', 'MODE'),
                f'APER = {radius} is larger than half of SIZE = {params.size}; {allowed}',
            )
    if not params.use_imgs and not params.seg:
        yield (
            ('USE_IMGS', 'SEG'),
            'USE_IMGS = False without SEG leaves no map to make masks from; name a map in SEG, or set USE_IMGS = True',
        )
    images = params.image_tags
    if isinstance(params.deblend, str) and keys.tag_among(params.deblend, images) not in images:
        allowed = ', '.join(['True', 'False', *map(repr, images)])
        hint = near(keys.image_tag(params.deblend), images) or '; add the image to IMG'
        yield (
            ('DEBLEND', 'IMG'),
            f'DEBLEND = {params.deblend!r} is not an image of IMG; expected {allowed}{hint}',
        )
    if len(params.img_shifts) != len(params.images):
        number = f'has {counted(len(params.img_shifts), "value")} for {counted(len(params.images), "image")} of '
        number += 'IMG and WEIGHT' if params.weight else 'IMG'
        yield (
            ('IMG_SHIFT', 'IMG'),
            f'IMG_SHIFT {number}; expected one, or one for each, () for none',
        )
    yield from tags(params)
    yield from _files(params, folder)


def cautions(params: Params, written: Container[str]) -> Iterator[Problem]:
    """Conflicts that are only warnings.

    Parameters
    ----------
    params : Params
        The parameters.
    written : container of str
        The names that ``param.py`` sets.
    """
    images = params.image_tags
    if params.deblend:
        images.append(keys.DEBLEND)
    reference = Names(radii=params.aper).reference(params.ref, images, bool(params.deblend))
    if params.mode == 'param' and reference is None:
        allowed = ', '.join(["''", *map(repr, images), *map(str, params.aper)])
        hint = (
            near(params.ref, images)
            if keys.aperture_radius(params.ref) is None
            else '; add it to APER'
        )
        if keys.image_tag(params.ref.strip()) == keys.DEBLEND:
            hint = '; switch it on with DEBLEND = True'
        yield (
            ('REF', 'IMG', 'APER'),
            f'REF = {params.ref!r} is neither an image of IMG nor a radius of APER, so white light is used; '
            f'expected one of {allowed}{hint}',
        )
    effects = (
        ('CONT_SUB', params.cont_sub, False),
        ('XCOR_ITER', params.xcor_iter, 1),
        ('XCOR_WEIGHT', params.xcor_weight, 'none'),
    )
    for name, value, off in effects:
        if not params.xcor and name in written and value != off:
            yield (
                (name,),
                f'{name} = {value!r} has no effect without XCOR; set XCOR = True, or {name} = {off!r}',
            )
    if params.lsf and not (params.redshift or params.narrowband):
        way_out = 'set REDSHIFT = True, or LSF = ()'
        yield (
            ('LSF',),
            f'LSF = {params.lsf!r} has no effect without REDSHIFT or NARROWBAND; {way_out}',
        )


def tags(params: Params) -> Iterator[Problem]:
    """Tags that FITS cannot hold, or that something else in the results has, another file or a
    product of AutoSpec.

    The names of products begin with the instrument's prefix, which is not known yet if PREFIX is
    ''.
    """
    for files in (params.images, [('SEG', file) for file in params.seg]):
        first: dict[str, tuple[str, str]] = {}
        for name, file in files:
            tag = keys.image_tag(file)
            if not tag.strip() or not tag.isascii():
                yield (
                    (name,),
                    f'{name} = {file!r} has the tag {tag!r}, which FITS cannot hold; rename the file in ASCII',
                )
            elif tag in first:
                other, before = first[tag]
                names = name if other == name else f'{other}, {name}'
                problem = f'{names}: {before!r} and {file!r} have the same tag, {tag}'
                yield (other, name), f'{problem}; rename one of the files, or take it out'
            first.setdefault(tag, (name, file))

    bands = {keys.band(entry) for entry in params.narrowband}
    for name, file in params.images:
        tag = keys.image_tag(file)
        if any(Names(prefix).owns(tag) for prefix in (MUSE, params.prefix)):
            yield (
                (name,),
                f'{name} = {file!r} has the tag {tag}, which is a name that AutoSpec writes; rename the file',
            )
        if tag in bands:
            yield (
                (name, 'NARROWBAND'),
                f'{name} = {file!r} has the tag of the narrow band {tag}; rename the file',
            )
    segmented = {keys.image_tag(file) for file in params.img} | bands
    for file in params.seg:
        tag = keys.image_tag(file)
        if tag in segmented | {Names(params.prefix or MUSE).white}:
            problem = (
                f'would be written as {keys.segmap(tag)}, as the map made from the image {tag} is'
            )
            yield ('SEG', 'IMG'), f'SEG = {file!r} {problem}; rename the file'


def _files(params: Params, folder: Path) -> Iterator[Problem]:
    """Files that are missing or no files, and a folder for the results that cannot be written."""
    # Positions of the command line need none.
    catalogue = (params.catalog,) if params.catalog else ()
    inputs = {
        'DATACUBE': (params.datacube,),
        'CATALOG': catalogue,
        'IMG': params.img,
        'WEIGHT': params.weight,
        'SEG': params.seg,
    }
    for name, files in inputs.items():
        for file in files:
            path = folder / file
            kind = other_kind(path)
            if kind:
                yield (name,), f'{name} = {file!r} is {kind}; expected a file'
            elif path.is_symlink() and not path.exists():
                yield (
                    (name,),
                    f'{name} = {file!r} is a link to {path.readlink()}, where there is no file',
                )
            elif not path.is_file():
                there = []
                with contextlib.suppress(OSError):
                    there = [other for other in os.listdir(path.parent) if other.isprintable()]
                yield (
                    (name,),
                    f'{name} = {file!r} was not found in {path.parent}{near(path.name, there)}',
                )

    path = folder / params.output
    plots = path / file_names.IMAGES
    setting = f'OUTPUT = {params.output!r}'
    existing = nearest_existing(path)
    if not os.path.isdir(existing):
        yield ('OUTPUT',), f'{setting} cannot be made: {existing} is a file; name another folder'
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield (
            ('OUTPUT',),
            f'{setting} cannot be written: no permission in {existing}; name another folder',
        )
    elif os.path.exists(plots) and not os.path.isdir(plots):
        yield ('OUTPUT',), f'{setting} has a file {plots} where plots belong; rename that file'
