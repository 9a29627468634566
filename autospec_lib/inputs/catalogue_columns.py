"""The columns of a catalogue: which names and units they may have, and which one is read as what.

The table of names in docs/inputs.md is made from this file: ``python docs/column_names.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from autospec_lib.core.errors import InputError

# The names and units of all columns; '' for a column without a unit.
Header: TypeAlias = Sequence[tuple[str, str]]

REQUIRED = ('ID', 'RA', 'DEC')
BY_POSITION = (*REQUIRED, 'SIZE', 'REF')

# Names of columns in lower case, in the order in which they are looked for. Of a pair, both columns
# must be there. The second group of IDs is of surveys: GAMA, DES, LSST, SDSS, MaNGA, 3D-HST,
# COSMOS, HETDEX, MUSE, ...
IDENTS = """
    id number source_id object_id objid obj_id unique_id uid uuid targetid specobjid label recno iau_name main_id name
    objname target target_name designation object source source_name plateifu id_obj id_line id_raw

    cataid catid cat_id coadd_object_id objectid sourceid thing_id thingid mangaid phot_id id_3dhst id_candels id_uvista
    id_cosmos id_cosmos2020 id_hst id_muse muse_id hst_id

    galaxy_id galaxyid gal_id galid star_id detectid det_id detid ident identifier srcid seqnr seq num no no. nr idx
    index
""".split()
# In a catalogue of lines: columns with the ID of the object that a line belongs to, or, if there is
# none, of the line.
IDENTS_OF_LINES = ['id_obj', *IDENTS, 'i']
PAIR = re.compile(r'\S+ \S+')
SKY_PAIRS = PAIR.findall("""
    ra dec
    alpha_j2000 delta_j2000
    alphawin_j2000 deltawin_j2000
    alphapeak_j2000 deltapeak_j2000
    alphapsf_j2000 deltapsf_j2000
    _raj2000 _dej2000
    ra_icrs de_icrs
    _ra.icrs _de.icrs
    _ra_icrs _de_icrs
    raj2000 dej2000
    _ra _de
    ra_j2000 dec_j2000
    ra_deg dec_deg
    radeg dedeg
    radeg decdeg
    ramean decmean
    right_ascension declination
    ra decl
    ra de
    objra objdec
    target_ra target_dec
    coord_ra coord_dec
    alpha delta
    alpha_sky delta_sky
    alphawin_sky deltawin_sky
    x_world y_world
    xwin_world ywin_world
    ra_peak_sn dec_peak_sn
    ra_sn dec_sn
    ra_sflux dec_sflux
    ra_flux dec_flux
    ra_1mom dec_1mom
""")
# Pixels of the cube, used if no pair of SKY_PAIRS is there: in some programs the first pixel is 1,
# in others it is 0.
PIXELS_FROM_1 = PAIR.findall("""
    x_image y_image
    xwin_image ywin_image
    xpsf_image ypsf_image
    xmodel_image ymodel_image
    xpeak_image ypeak_image
    x_peak_sn y_peak_sn
    x_sn y_sn
""")
PIXELS_FROM_0 = PAIR.findall("""
    xcentroid ycentroid
    x_centroid y_centroid
    xcenter ycenter
    x_center y_center
    x_fit y_fit
    i_x i_y
""")
# ORIGIN counts these from 0; in other tables they may be counted from 0 or from 1.
PIXELS_OF_ORIGIN = ['x y', 'x0 y0']
UNCLEAR_PIXELS = [*PIXELS_OF_ORIGIN, 'x_pix y_pix', 'xpix ypix', 'xpos ypos', 'col row']
# Names that cannot be a position: a header with one of these in second or third place does not mean
# ID RA DEC.
NO_POSITIONS = """
    x y z i id number mag magerr flux fluxerr flags lambda wave npix xpix ypix xpos ypos col row
""".split()
# Names of coordinates that are not RA or DEC, or only a part of them.
OTHER_COORDINATES = 'glon elon slon l lon longitude gal galactic ecliptic rah ram ded'.split()

SIZES = ['size', 'stamp', 'box']
REFERENCES = ['ref', 'reference']
APERTURES = ['aper', 'aperture', 'aper_radius']
REDSHIFTS = """
    redshift z_best zbest z_spec zspec specz spec_z z_emi zhelio z_helio z_phot zphot photz photo_z z
""".split()
# If the table has one of these, a column z is a magnitude or a pixel position, not a redshift.
NOT_A_REDSHIFT = 'x x0 x_image u g r i'.split()

# Columns that only catalogues of lines have, and columns by which the brightest of a source's rows
# is found.
LINES = """
    lambda_peak_sn lambda_sn lambda_flux lambda_sflux z_peak_sn z_sn lbda lbda_obs num_line id_line detsn_max
""".split()
BRIGHTNESSES = 'detsn_max flux f_kron f_3kron t_glr nsigtglr snr sn'.split()

# Programs, and for each the columns that show that a table is its: one of these, or all of these.
PROGRAMS = {
    'LSDCat': ['detsn_max', 'ra_peak_sn'],
    'ORIGIN': ['t_glr', 'nsigtglr', 'line_merged_flag'],
    'MUSELET': ['id_obj i_x', 'id_raw', 'number i_x', 'lbda_obs cube_v', 'z_emi cube_v'],
    'MPDAF': ['from_v cube_v'],
    'Gaia': ['source_id phot_g_mean_mag', 'source_id parallax', 'source_id ra dec'],
    'MaNGA': ['plateifu'],
    'SDSS': ['objid run', 'specobjid', 'objid ra dec'],
    'photutils': ['label xcentroid', 'label x_centroid', 'label sky_centroid.ra'],
    'VizieR': ['recno', '_raj2000'],
    'SExtractor': ['number alpha_j2000', 'number x_image', 'number alpha_sky', 'number x_world'],
}
ORIGIN_ONLY = [*PROGRAMS['ORIGIN'], 'seg_label']

# What a number in a unit is multiplied by to have arcsec; how large a pixel is depends on the cube.
IN_PIXELS, HOUR, RADIAN = 0.0, 54000.0, 3600 * math.degrees(1)
UNITS = {
    'pix pixel pixels px': IN_PIXELS,
    'h hr hrs hour hours hourangle': HOUR,
    'rad radian radians': RADIAN,
    'd deg degs degree degrees arcdeg \N{DEGREE SIGN} º': 3600.0,
    "arcmin arcminute arcminutes amin '": 60.0,
    "arcsec arcsecs arcsecond arcseconds asec \" ''": 1.0,
    'mas': 0.001,
}
ARCSEC = {word: factor for words, factor in UNITS.items() for word in words.split()}
UNIT_WORD = re.compile(
    rf'\b(?:{"|".join(filter(str.isalpha, ARCSEC))}|[hd]+m+s+|fk[45]|icrs|[bj]\d{{4}})\b|["\'°º]',
    re.I,
)
# Beside a unit of coordinates, or in its place, stand their sexagesimal form, their system, equinox
# and epoch.
_SEXAGESIMAL_FORM = re.compile(r'(["\']?)\b([hd]+[: ]?m+[: ]?s+(?:\.s+)?|sexagesimal)\b\1')
_YEAR = re.compile(
    r'(?:\b(eq(?:uinox)?|ep(?:och)?)\b[\s.=:]*)?\b([bj]?)((?:18|19|20)\d\d(?:\.\d*)?)(?![\w.])'
)
_SYSTEMS = {'icrs': 'icrs', 'gaia': 'icrs', 'fk5': 'fk5', 'fk4': 'fk4', 'fk4-no-e': 'fk4noeterms'}
_OLD_EQUINOXES = (1855, 1875, 1900, 1950)  # which tables often call epochs
_WITHOUT_MEANING = """
    decimal time angle mean in system equinox epoch dr1 dr2 dr3 edr3 right ascension declination
""".split()
_NO_UNIT = ('', '-', '--', '---', 'none', '""')
NUMBER_LIKE = re.compile(r'[+-]?\.?\d')
_MULTIPLE = re.compile(r'\d{1,3}(?:\.\d*)?')
_BETWEEN_WORDS = re.compile(r'[\s,;:=()\[\]{}<>]+|/(?=\s*[a-z])')
# The name of a coordinate, and behind it its unit and system: RA_B1950, R.A. (h), DEC [deg] J2000,
# RA2000.
_COORDINATE = re.compile(
    r'(?:_|.*\.)?(?:(ra|r\.a|right[ _]?ascension|alpha(?:win|peak|psf)?)|de|decl?|declination|delta(?:win|peak|psf)?)'
    r'([\W_].*|[bj]?\d{4}(?:\.\d)?|deg|hours?|icrs|fk[45])?'
)
# SIZE_arcmin, SIZE in arcmin.
_LENGTH = re.compile(r'(size|stamp|aper|aperture)[\W_]+(?:in\W+)?([a-z]+)\W*')
# A coordinate system in a description or comment.
_MENTION = re.compile(
    r'(?:\b|_)(icrs|fk[45](?:-no-e)?|(?:eq(?:uinox)?|ep(?:och)?)\b[\s.=:]*[bj]?\d{4}(?:\.\d+)?'
    r'|b(?:1855|1875|1900|1950)(?:\.0)?|j2000(?:\.0)?)\b(?![+-])'
)


@dataclass(frozen=True)
class Columns:
    """The columns that are read.

    Attributes
    ----------
    index : mapping of str to int
        Column number by role: ID, RA and DEC or X and Y, and of SIZE, REF, APER, Z and BRIGHT those
        that are there. In pixels, SIZE and APER are SIZE_PIX and APER_PIX.
    names : tuple of str
        The names of all columns; empty if there is no header.
    exact : bool
        Whether a row must have as many cells as there are names; otherwise further cells are
        ignored.
    scale : mapping of str to float
        What a number is multiplied by to have degrees or arcsec, by role; NaN if only sexagesimal
        text is expected.
    frame : str
        astropy's name and the equinox of the coordinate system of RA and DEC; '' for ICRS.
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
    frame: str = ''
    first: int = 0
    lines: bool = False
    program: str = ''
    description: str = ''
    warnings: tuple[str, ...] = ()


def by_position(place: str, header: Header, catalogue_mode: bool, declared: str = '') -> Columns:
    """The columns of a catalogue without a header.

    Parameters
    ----------
    place : str
        The file, with which messages begin.
    header : sequence of (name, unit)
        `BY_POSITION`, with the units that comments state.
    catalogue_mode : bool
        Whether SIZE and REF are read.
    declared : str, optional
        Words for the coordinate system of RA and DEC.
    """
    if not catalogue_mode:
        header = header[: len(REQUIRED)]
    chosen = choose(place, header, catalogue_mode, declared=declared)
    return replace(chosen, names=(), exact=False, description=f'{chosen.description} by position')


def position(names: Iterable[str]) -> dict[str, str]:
    """The names, in lower case, of the columns with the position: RA and DEC, else X and Y, else
    none."""
    known = [name.lower() for name in names]
    sky = _by_role('RA DEC', SKY_PAIRS, known)
    if sky:
        return sky
    by_role: dict[str, list[str]] = {'RA': [], 'DEC': []}
    for name in () if 'ram' in known else known:
        coordinate = _COORDINATE.fullmatch(name)
        if coordinate and (unit_of(name) or not coordinate[2]):
            by_role['RA' if coordinate[1] else 'DEC'].append(name)
    if all(by_role.values()):
        # Those in ICRS come first.
        return {
            role: min(some, key=lambda name: bool(_meaning(unit_of(name))[2] - {''}))
            for role, some in by_role.items()
        }
    of_origin = PIXELS_OF_ORIGIN if _first(ORIGIN_ONLY, known) else ()
    return _by_role('X Y', (*PIXELS_FROM_1, *PIXELS_FROM_0, *of_origin), known)


def has_identifiers(names: Iterable[str]) -> bool:
    """Whether there is a column with IDs."""
    return bool(_first(IDENTS_OF_LINES, [name.lower() for name in names]))


def with_units(header: Header, rows: Iterable[Sequence[str]]) -> tuple[Header, int]:
    """The header with the units in the rows below it.

    Parameters
    ----------
    header : sequence of (name, unit)
        The titles.
    rows : iterable of sequences of str
        The cells of rows. They are units if those of the position are units, or systems or empty in
        a row without an ID; cells such as (1), (2), ... number the columns.

    Returns
    -------
    header : Header
        The same with the units added.
    count : int
        Number of rows that have units or numbers of columns.
    """
    count = 0
    known = [name.lower() for name, _ in header]
    place, ident = position(known).values(), _first(IDENTS, known)
    for cells in rows:
        units = [cell.strip('()[] ') for cell in cells]
        numbered = all(cell == f'({number})' for number, cell in enumerate(cells, 1))
        units = ['' if numbered or text.lower() in _NO_UNIT else text for text in units]
        unit = dict(zip(known, units, strict=False))
        own = [unit.get(name, '') for name in place]
        factors, forms, _, others = (
            zip(*map(_meaning, own), strict=True) if own else ((), (), (), ())
        )
        is_known = (
            any(factors) or any(forms) or (any(units) and not any(unit.get(name) for name in ident))
        )
        understood = not any(others) and not any(map(NUMBER_LIKE.match, own))
        if len(cells) != len(header) or not place or not (numbered or (is_known and understood)):
            break
        header = [
            (name, f'{old} {new}'.strip()) for (name, old), new in zip(header, units, strict=True)
        ]
        count += 1
    return header, count


def with_statement(header: Header, text: str) -> Header:
    """The header with the unit that a text such as 'RA in hours' states of a column that has
    none."""
    text = text.strip().lower()
    coordinate, length = _COORDINATE.fullmatch(text), _LENGTH.fullmatch(text)
    column, stated = length.groups() if length else ('', '')
    if coordinate:
        column = position(dict(header)).get('RA' if coordinate[1] else 'DEC')
        stated = unit_of(text).strip(' .,:;=-')
    if not _meaning(stated)[0]:
        return header
    return [(name, unit or stated if name.lower() == column else unit) for name, unit in header]


def unit_of(text: str) -> str:
    """The unit of a coordinate in a text without other words, apart from the name of the
    coordinate; '' if none."""
    coordinate = _COORDINATE.fullmatch(text.strip().lower())
    unit = (coordinate[2] or '') if coordinate else text.lower()
    _, words = equatorial(_SEXAGESIMAL_FORM.sub(' ', unit.replace('_', ' ')))
    return (
        unit.replace('_', ' ') if all(word.isalpha() and word in ARCSEC for word in words) else ''
    )


def is_no_position(header: Header) -> bool:
    """Whether RA and DEC, if they are the second and third column, have the names of other
    things."""
    return any(re.split(r'_|\d', name.lower())[0] in NO_POSITIONS for name, _ in header[1:3])


def is_other_position(header: Header) -> bool:
    """Whether the second and third column are not RA and DEC in degrees (ICRS), by their names and
    units."""
    titles = [' '.join(re.split(r'[\W_]+', f'{name} {unit}'.lower())) for name, unit in header[1:3]]
    words = {*' '.join(titles).split()}
    meanings = [_meaning(title) for title in titles]
    factors = {factor for factors, *_ in meanings for factor in factors}
    # Both must have a system: a comment may have as many words as there are columns.
    old = [systems - {''} for _, _, systems, _ in meanings]
    return bool(factors - {3600.0} or (old and all(old)) or words & {*OTHER_COORDINATES})


def program(known: Sequence[str]) -> str:
    """The program that writes tables with these columns, in lower case, or '' if none is known."""
    return next((name for name, options in PROGRAMS.items() if _first(options, known)), '')


def choose(
    place: str,
    header: Header,
    catalogue_mode: bool,
    stated: Mapping[str, str] | None = None,
    declared: str = '',
) -> Columns:
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
    declared : str, optional
        Words for the coordinate system of RA and DEC, if the table itself declares it.

    Raises
    ------
    InputError
        One fault for each column that cannot be used; or there is no position.
    """
    known = [name.lower() for name, _ in header]
    lines = bool(_first(LINES, known))
    names = _by_role('ID', IDENTS_OF_LINES if lines else IDENTS, known)
    names |= {role: name.lower() for role, name in (stated or {}).items() if name.lower() in known}
    if not {'RA', 'DEC'} <= names.keys():
        names |= position(known)
        if not {'RA', 'DEC'} <= names.keys() and 'X' not in names:
            raise InputError(f'{place}: {_without_position(known)}')
    further = {'SIZE': SIZES, 'REF': REFERENCES} if catalogue_mode else {}
    further |= {
        'APER': APERTURES,
        'Z': REDSHIFTS[:-1] if _first(NOT_A_REDSHIFT, known) else REDSHIFTS,
    }
    if lines:
        further['BRIGHT'] = BRIGHTNESSES
    # The name of a column of lengths may have its unit at its end.
    lengths = {
        match[0]: match[1]
        for match in map(_LENGTH.fullmatch, known)
        if match and match[2] in ARCSEC
    }
    for role, options in further.items():
        names |= _by_role(
            role, (*options, *(name for name in lengths if lengths[name] in options)), known
        )
    index = {role: known.index(name) for role, name in names.items()}
    scale, frame, warnings = _units(place, header, known, index, declared)
    return Columns(
        {
            f'{role}_PIX' if scale.get(role) == IN_PIXELS else role: number
            for role, number in index.items()
        },
        names=tuple(name for name, _ in header),
        exact=True,
        scale=scale,
        frame=frame,
        first=1 if f'{names.get("X")} {names.get("Y")}' in PIXELS_FROM_1 else 0,
        lines=lines,
        program=program(known),
        description=_description(header, index, [] if catalogue_mode else known),
        warnings=warnings,
    )


def _first(options: Iterable[str], known: Collection[str]) -> list[str]:
    """The words of the first option of which all are names of columns; empty if there is none."""
    return next(
        (words for words in map(str.split, options) if all(word in known for word in words)), []
    )


def _by_role(roles: str, options: Iterable[str], known: Collection[str]) -> dict[str, str]:
    return dict(zip(roles.split(), _first(options, known), strict=False))


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


def equatorial(text: str) -> tuple[set[str], list[str]]:
    """The coordinate system of right ascension and declination that a text names.

    Returns
    -------
    systems : set of str
        astropy's name and the equinox, as 'fk4 B1950'; '' for ICRS. It is empty if the text names
        no system, and has several elements if it contradicts itself. FK5 of equinox 2000 is taken
        as ICRS, and so are later years that are not said to be an equinox: they are epochs of
        positions.
    other : list of str
        The words that are not understood.
    """
    text = text.lower().replace('eq_', ' ')
    words = [word.removesuffix('.') for word in _BETWEEN_WORDS.split(_YEAR.sub(' ', text))]
    other = [word for word in words if word not in (*_SYSTEMS, *_WITHOUT_MEANING, *_NO_UNIT)]
    names = {_SYSTEMS[word] for word in words if word in _SYSTEMS}
    if 'icrs' in names:
        return {''} | {name for name in names if name.startswith('fk4')}, other
    years = [(kind[:2], letter, float(year)) for kind, letter, year in _YEAR.findall(text)]
    if names or any(kind != 'ep' for kind, _, _ in years):
        years = [one for one in years if one[0] != 'ep']
    systems = set()
    for kind, letter, year in years:
        if kind == 'ep' and year < 2000 and year not in _OLD_EQUINOXES:
            other.append(f'epoch {year:g}')
            continue
        if not letter:
            letter = 'b' if 'fk4' in names or (not names and year < 1984) else 'j'
        if letter == 'b':
            systems.add(f'{max(names, default="fk4")} B{year:g}')
        elif year == 2000 or (year > 2000 and kind != 'eq' and 'fk5' not in names):
            systems.add('')
        else:
            systems.add(f'fk5 J{year:g}')
    if not years:
        systems = {'' if name == 'fk5' else f'{name} B1950' for name in names}
    return systems, other


def mentioned(text: str) -> str:
    """The words for a coordinate system in a description or comment; '' if they name none, or
    several."""
    words = ' '.join(_MENTION.findall(text.lower()))
    systems, _ = equatorial(words)
    return words if len(systems) == 1 else ''


def _meaning(text: str) -> tuple[set[float], str, set[str], list[str]]:
    """What the unit of a coordinate says.

    Returns
    -------
    factors : set of float
        The factors to arcsec of all units in it.
    form : str
        The sexagesimal form, such as 'hms', or ''.
    systems, other : set of str, list of str
        As `equatorial`.
    """
    form = _SEXAGESIMAL_FORM.search(text.lower())
    systems, words = equatorial(_SEXAGESIMAL_FORM.sub(' ', text.lower()))
    factors = {ARCSEC[word] for word in words if word in ARCSEC}
    # 15 deg is an hour in a VOTable.
    multiples = [word for word in words if factors and _MULTIPLE.fullmatch(word)]
    other = [word for word in words if word not in (*ARCSEC, *multiples)]
    return (
        {factor * math.prod(map(float, multiples)) for factor in factors},
        form[2] if form else '',
        systems,
        other,
    )


def _units(
    place: str, header: Header, known: Sequence[str], index: Mapping[str, int], declared: str
) -> tuple[dict[str, float], str, tuple[str, ...]]:
    """Factors by role, `IN_PIXELS` where lengths are in pixels; the coordinate system; warnings, as
    in `Columns`."""
    scale: dict[str, float] = {}
    systems: set[str] = set()
    faults, warnings = [], []
    for role, number in index.items():
        name, unit = header[number]
        if known.count(known[number]) > 1:
            faults.append(f'column {name} appears twice; rename one of them')
        if role not in ('SIZE', 'APER', 'RA', 'DEC'):
            continue
        try:
            scale[role], system = _factor(role, name, unit)
            systems |= system
        except ValueError as error:
            faults.append(str(error))
        if name.lower().startswith('coord_') and not unit:
            warnings.append(f'column {name} has no unit; taken as radians, as LSST has it')
    if 'RA' in index and not systems:
        systems, other = equatorial(declared)
        what = f'coordinate system {" ".join(other)}'
        if any(word.startswith(('gal', 'generic_gal', 'ecl', 'super')) for word in other):
            faults.append(f'{what} of RA and DEC; expected ICRS, FK5 or FK4')
        elif other:
            warnings.append(f'{what} is not known; RA and DEC are taken as ICRS')
    if len(systems) > 1:
        faults.append('RA and DEC are in different coordinate systems')
    if faults:
        raise InputError(*(f'{place}: {fault}' for fault in faults))
    frame = ''.join(systems)
    if frame:
        warnings.append(f'RA and DEC are in {frame.upper()}; converted to ICRS')
    return scale, frame, tuple(f'{place}: {warning}' for warning in warnings)


def _factor(role: str, name: str, unit: str) -> tuple[float, set[str]]:
    """The factor from a column's unit to arcsec or, for RA and DEC, to degrees; its system, as
    `equatorial`.

    The factor is NaN for sexagesimal text. Raises `ValueError` for what is not understood, for
    coordinates in pixels, several units, and hours of a declination.
    """
    if role in ('SIZE', 'APER'):
        in_name = _LENGTH.fullmatch(name.lower())
        factor = ARCSEC.get(unit.strip().lower() or (in_name[2] if in_name else 'arcsec'))
        if factor in (None, HOUR, RADIAN):
            raise ValueError(f'column {name} is in {unit}; expected arcsec, arcmin, deg or pix')
        return factor, set()
    if name.lower().startswith('coord_') and not unit:
        return RADIAN / 3600, set()
    factors, form, systems, other = _meaning(f'{unit_of(name)} {unit}')
    what = f'column {name} is in {unit}' if unit else f'column {name}'
    if other:
        words = ' '.join(other)
        raise ValueError(
            f'{what}, of which {words} is not understood; expected deg, h or rad, and ICRS, FK5 or FK4'
        )
    letter, expected = ('h', 'deg, h or rad') if role == 'RA' else ('d', 'deg or rad')
    if len(factors) > 1 or IN_PIXELS in factors or (role == 'DEC' and HOUR in factors):
        raise ValueError(f'{what}; expected {expected}')
    if form[:1] in ('h', 'd') and form[0] != letter:
        raise ValueError(f'{what}; expected {letter}:m:s or deg')
    if factors:
        return factors.pop() / 3600, systems
    return math.nan if form else 1.0, systems


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
