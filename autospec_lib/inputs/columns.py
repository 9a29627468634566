"""The columns of a catalogue: which names and units they may have, and which one is read as what.

The table of names in docs/inputs.md is made from this file: ``python -m autospec_lib.inputs.columns docs/inputs.md``.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from autospec_lib.core.errors import InputError

# The names and units of all columns; '' for a column without a unit.
Header: TypeAlias = Sequence[tuple[str, str]]

REQUIRED = ('ID', 'RA', 'DEC')
BY_POSITION = (*REQUIRED, 'SIZE', 'REF')

# Names of columns in lower case, in the order in which they are looked for. Of a pair, both columns must be there.
IDENTS = (
    *('id', 'number', 'source_id', 'object_id', 'objid', 'obj_id', 'unique_id', 'uid', 'uuid', 'targetid', 'specobjid'),
    *('label', 'recno', 'iau_name', 'main_id', 'name', 'objname', 'target', 'target_name', 'designation', 'object'),
    *('source', 'source_name', 'plateifu', 'id_obj', 'id_line', 'id_raw'),
)
# In a catalogue of lines: columns with the ID of the object that a line belongs to, or, if there is none, of the line.
IDENTS_OF_LINES = ('id_obj', *IDENTS, 'i')
SKY_PAIRS = (
    'ra dec',
    'alpha_j2000 delta_j2000',
    'alphawin_j2000 deltawin_j2000',
    'alphapeak_j2000 deltapeak_j2000',
    'alphapsf_j2000 deltapsf_j2000',
    '_raj2000 _dej2000',
    'ra_icrs de_icrs',
    '_ra.icrs _de.icrs',
    '_ra_icrs _de_icrs',
    'raj2000 dej2000',
    '_ra _de',
    'ra_j2000 dec_j2000',
    'ra_deg dec_deg',
    'radeg dedeg',
    'radeg decdeg',
    'ramean decmean',
    'right_ascension declination',
    'ra decl',
    'ra de',
    'objra objdec',
    'target_ra target_dec',
    'coord_ra coord_dec',
    'alpha delta',
    'alpha_sky delta_sky',
    'alphawin_sky deltawin_sky',
    'x_world y_world',
    'xwin_world ywin_world',
    'ra_peak_sn dec_peak_sn',
    'ra_sn dec_sn',
    'ra_sflux dec_sflux',
    'ra_flux dec_flux',
    'ra_1mom dec_1mom',
    'sky_centroid.ra sky_centroid.dec',
    'skycoord.ra skycoord.dec',
    'coord.ra coord.dec',
    'coords.ra coords.dec',
)
# Pixels of the cube, used if no pair of SKY_PAIRS is there: in some programs the first pixel is 1, in others it is 0.
PIXELS_FROM_1 = (
    'x_image y_image',
    'xwin_image ywin_image',
    'xpsf_image ypsf_image',
    'xmodel_image ymodel_image',
    'xpeak_image ypeak_image',
    'x_peak_sn y_peak_sn',
    'x_sn y_sn',
)
PIXELS_FROM_0 = (
    'xcentroid ycentroid',
    'x_centroid y_centroid',
    'xcenter ycenter',
    'x_center y_center',
    'x_fit y_fit',
    'i_x i_y',
)
# ORIGIN counts these from 0; in other tables they may be counted from 0 or from 1.
PIXELS_OF_ORIGIN = ('x y', 'x0 y0')
UNCLEAR_PIXELS = (*PIXELS_OF_ORIGIN, 'x_pix y_pix', 'xpix ypix', 'xpos ypos', 'col row')
ORIGIN_ONLY = ('t_glr', 'nsigtglr', 'line_merged_flag', 'seg_label')
# Names that cannot be a position: a header with one of these in second or third place does not mean ID RA DEC.
NO_POSITIONS = (
    *('x', 'y', 'z', 'i', 'id', 'number', 'mag', 'magerr', 'flux', 'fluxerr', 'flags'),
    *('lambda', 'wave', 'npix', 'glon', 'glat', 'elon', 'elat', 'slon', 'slat'),
)

SIZES = ('size', 'stamp', 'box')
REFERENCES = ('ref', 'reference')
APERTURES = ('aper', 'aperture', 'aper_radius')
REDSHIFTS = (
    *('redshift', 'z_best', 'zbest', 'z_spec', 'zspec', 'specz', 'spec_z', 'z_emi', 'zhelio', 'z_helio'),
    *('z_phot', 'zphot', 'photz', 'photo_z', 'z'),
)
# If the table has one of these, a column z is a magnitude or a pixel position, not a redshift.
NOT_A_REDSHIFT = ('x', 'x0', 'x_image', 'u', 'g', 'r', 'i')

# Columns that only catalogues of lines have, and columns by which the brightest of a source's rows is found.
LINES = (
    *('lambda_peak_sn', 'lambda_sn', 'lambda_flux', 'lambda_sflux', 'z_peak_sn', 'z_sn', 'lbda', 'lbda_obs'),
    *('num_line', 'id_line', 'detsn_max'),
)
BRIGHTNESSES = ('detsn_max', 'flux', 'f_kron', 'f_3kron', 't_glr', 'nsigtglr', 'snr', 'sn')

# Programs, and for each the columns that show that a table is its: one of these, or all of these.
PROGRAMS = {
    'LSDCat': ('detsn_max', 'ra_peak_sn'),
    'ORIGIN': ('t_glr', 'nsigtglr', 'line_merged_flag'),
    'MUSELET': ('id_obj i_x', 'id_raw', 'number i_x', 'lbda_obs cube_v', 'z_emi cube_v'),
    'MPDAF': ('from_v cube_v',),
    'Gaia': ('source_id phot_g_mean_mag', 'source_id parallax', 'source_id ra dec'),
    'MaNGA': ('plateifu',),
    'SDSS': ('objid run', 'specobjid', 'objid ra dec'),
    'photutils': ('label xcentroid', 'label x_centroid', 'label sky_centroid.ra'),
    'VizieR': ('recno', '_raj2000'),
    'SExtractor': ('number alpha_j2000', 'number x_image', 'number alpha_sky', 'number x_world'),
}

# What a number in a unit is multiplied by to have arcsec; how large a pixel is depends on the cube.
IN_PIXELS, HOUR, RADIAN = 0.0, 54000.0, 3600 * math.degrees(1)
ARCSEC = {
    **dict.fromkeys(('pix', 'pixel', 'pixels', 'px'), IN_PIXELS),
    **dict.fromkeys(('h', 'hr', 'hour', 'hours', 'hourangle'), HOUR),
    **dict.fromkeys(('rad', 'radian', 'radians'), RADIAN),
    **dict.fromkeys(('deg', 'degree', 'degrees', '\N{DEGREE SIGN}'), 3600.0),
    **dict.fromkeys(('arcmin', 'arcminute', 'arcminutes', 'amin', "'"), 60.0),
    **dict.fromkeys(('arcsec', 'arcsecs', 'arcsecond', 'arcseconds', 'asec', '"', "''"), 1.0),
    'mas': 0.001,
}
# What stands in the place of a unit of coordinates: their epoch, frame or sexagesimal form.
_NOT_A_UNIT = re.compile(r'\d{4}|icrs|fk[45]|gaia|hms|dms|:', re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """The columns that are read.

    Attributes
    ----------
    index : mapping of str to int
        Column number by role: ID, RA and DEC or X and Y, and of SIZE, REF, APER, Z and BRIGHT those that are there.
        In pixels, SIZE and APER are SIZE_PIX and APER_PIX.
    names : tuple of str
        The names of all columns; empty if there is no header.
    exact : bool
        Whether a row must have as many cells as there are names; otherwise further cells are ignored.
    scale : mapping of str to float
        What a number is multiplied by to have degrees or arcsec, by role.
    first : int
        The number of the first pixel, for X and Y.
    lines : bool
        Whether a row is a line, of which a source may have several.
    program : str
        The program that writes such tables, or ''.
    description : str
        Which columns are read as what, for messages.
    warnings : tuple of str
        One line for each assumption.
    """

    index: Mapping[str, int]
    names: tuple[str, ...] = ()
    exact: bool = False
    scale: Mapping[str, float] = field(default_factory=dict)
    first: int = 0
    lines: bool = False
    program: str = ''
    description: str = ''
    warnings: tuple[str, ...] = ()


def by_position(catalogue_mode: bool) -> Columns:
    """The columns of a catalogue without a header."""
    roles = BY_POSITION if catalogue_mode else REQUIRED
    index = {role: number for number, role in enumerate(roles)}
    return Columns(index, description=f'{" ".join(roles)} by position')


def has_position(header: Header) -> bool:
    """Whether there are columns with positions on the sky or in pixels."""
    return bool(_position(_lower(header)))


def program(header: Header) -> str:
    """The program that writes tables with these columns, or '' if none is known."""
    known = _lower(header)
    return next((name for name, options in PROGRAMS.items() if _first(options, known)), '')


def choose(place: str, header: Header, catalogue_mode: bool, stated: Mapping[str, str] | None = None) -> Columns:
    """Find the columns by their names.

    Parameters
    ----------
    place : str
        The file, or the file and line, that messages begin with.
    header : sequence of (name, unit)
        All columns; capitals do not matter.
    catalogue_mode : bool
        Whether SIZE and REF are read, as ``MODE = 'cat'`` does.
    stated : mapping of str to str, optional
        Names by role, if the table itself states them.

    Raises
    ------
    InputError
        One fault for each column that cannot be used; or there is no position.
    """
    known = _lower(header)
    lines = bool(_first(LINES, known))
    names = _by_role('ID', IDENTS_OF_LINES if lines else IDENTS, known)
    names |= {role: name.lower() for role, name in (stated or {}).items() if name.lower() in known}
    if not {'RA', 'DEC'} <= names.keys():
        position = _position(known)
        if not position:
            raise InputError(f'{place}: {_without_position(known)}')
        names |= position
    if catalogue_mode:
        names |= _by_role('SIZE', SIZES, known) | _by_role('REF', REFERENCES, known)
    names |= _by_role('APER', APERTURES, known)
    names |= _by_role('Z', REDSHIFTS[:-1] if _first(NOT_A_REDSHIFT, known) else REDSHIFTS, known)
    if lines:
        names |= _by_role('BRIGHT', BRIGHTNESSES, known)
    index = {role: known.index(name) for role, name in names.items()}
    scale, warnings = _scales(place, header, index)
    return Columns(
        {f'{role}_PIX' if scale.get(role) == IN_PIXELS else role: number for role, number in index.items()},
        names=tuple(name for name, _ in header),
        exact=True,
        scale=scale,
        first=1 if f'{names.get("X")} {names.get("Y")}' in PIXELS_FROM_1 else 0,
        lines=lines,
        program=program(header),
        description=_description(header, index, [] if catalogue_mode else known),
        warnings=warnings,
    )


def _lower(header: Header) -> list[str]:
    return [name.lower() for name, _ in header]


def _first(options: Iterable[str], known: Collection[str]) -> list[str]:
    """The words of the first option of which all are names of columns; empty if there is none."""
    return next((words for words in map(str.split, options) if all(word in known for word in words)), [])


def _by_role(roles: str, options: Iterable[str], known: Collection[str]) -> dict[str, str]:
    return dict(zip(roles.split(), _first(options, known), strict=False))


def _position(known: Collection[str]) -> dict[str, str]:
    """The names of the columns with the position, RA and DEC or X and Y; empty if there are none."""
    sky = _by_role('RA DEC', SKY_PAIRS, known)
    if sky:
        return sky
    for name in known:  # any other column of coordinates
        other = f'{name[:-3]}.dec'
        if name.endswith('.ra') and other in known:
            return {'RA': name, 'DEC': other}
    of_origin = PIXELS_OF_ORIGIN if _first(ORIGIN_ONLY, known) else ()
    return _by_role('X Y', (*PIXELS_FROM_1, *PIXELS_FROM_0, *of_origin), known)


def _without_position(known: Sequence[str]) -> str:
    """What is wrong with a table in which there is no position."""
    unclear = _first(UNCLEAR_PIXELS, known)
    if unclear:
        return (
            f'columns {unclear[0]} and {unclear[1]} look like pixels, counted from 0 or from 1; expected RA and DEC, '
            'or X_IMAGE and Y_IMAGE (the first pixel is 1), or xcentroid and ycentroid (the first is 0)'
        )
    names = ', '.join(known[:12]) + (' ...' if len(known) > 12 else '')
    return f'no columns with positions among {names}; expected RA and DEC'


def _scales(place: str, header: Header, index: Mapping[str, int]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Factors to degrees or arcsec by role, `IN_PIXELS` where lengths are in pixels; warnings on what is assumed."""
    known = _lower(header)
    scale, faults, warnings = {}, [], []
    for role, number in index.items():
        name, unit = header[number]
        word = unit.strip().lower()
        factor = ARCSEC.get(word)
        if known.count(known[number]) > 1:
            faults.append(f'column {name} appears twice; rename one of them')
        if role in ('SIZE', 'APER'):
            if word and factor in (None, HOUR, RADIAN):
                faults.append(f'column {name} is in {unit}; expected arcsec, arcmin, deg or pix')
            scale[role] = 1.0 if factor is None else factor
        elif role in ('RA', 'DEC'):
            if factor == IN_PIXELS:
                faults.append(f'column {name} is in {unit}; expected deg, h or rad')
            elif factor is None and word and not _NOT_A_UNIT.search(word):
                warnings.append(f'column {name} is in {unit}, which is not a unit of angle; taken as degrees')
            elif not word and known[number].startswith('coord_'):
                factor = RADIAN
                warnings.append(f'column {name} has no unit; taken as radians, as LSST has it')
            scale[role] = 1.0 if factor is None else factor / 3600
    if faults:
        raise InputError(*(f'{place}: {fault}' for fault in faults))
    return scale, tuple(f'{place}: {warning}' for warning in warnings)


def _description(header: Header, index: Mapping[str, int], known: Collection[str]) -> str:
    """Which columns are read as what, and which of SIZE and REF among all names are not read."""
    columns = []
    for role, number in index.items():
        name, unit = header[number]
        what = name if name.upper() == role else f'{role} = {name}'
        if unit and role not in ('ID', 'REF', 'Z'):
            what += f' [{unit}]'
        if role != 'BRIGHT':
            columns.append(what)
    text = ', '.join(columns)
    ignored = [role for role in ('SIZE', 'REF') if role.lower() in known]
    if ignored:
        verb = 'is' if len(ignored) == 1 else 'are'
        text += f"; {' and '.join(ignored)} {verb} param.py's with MODE = 'param'"
    return text


TABLE_START = '<!-- This table is made by autospec_lib/inputs/columns.py: do not edit. -->\n'
TABLE_END = '<!-- End of the table. -->\n'


def table() -> str:
    """The table of names for the documents, in Markdown."""
    rows = {
        'ID': IDENTS,
        'RA, DEC': SKY_PAIRS,
        'pixels, the first is 1': PIXELS_FROM_1,
        'pixels, the first is 0': (*PIXELS_FROM_0, *PIXELS_OF_ORIGIN),
        'SIZE': SIZES,
        'REF': REFERENCES,
        'APER': APERTURES,
        'Z': REDSHIFTS,
    }
    lines = [f'| {role} | {", ".join(f"`{name}`" for name in names)} |\n' for role, names in rows.items()]
    return '| Column | Names, in the order in which they are looked for |\n|---|---|\n' + ''.join(lines)


def rewrite(page: Path) -> None:
    """Replace the table in a page."""
    head, _, rest = page.read_text(encoding='utf-8').partition(TABLE_START)
    page.write_text(head + TABLE_START + table() + TABLE_END + rest.partition(TABLE_END)[2], encoding='utf-8')


if __name__ == '__main__':
    rewrite(Path(sys.argv[1]))
