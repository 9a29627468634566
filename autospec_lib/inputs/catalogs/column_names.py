"""The names of columns in catalogues, in lower case, in the order in which they are looked for.

The table in docs/inputs.md is made from this file:
``python -m autospec_lib.inputs.catalogs.column_names docs/inputs.md``.
"""

from __future__ import annotations

import sys
from pathlib import Path

IDENTS = (
    *('id', 'number', 'source_id', 'object_id', 'objid', 'obj_id', 'unique_id', 'uid', 'uuid', 'targetid', 'specobjid'),
    *('label', 'recno', 'iau_name', 'main_id', 'name', 'objname', 'target', 'target_name', 'designation', 'object'),
    *('source', 'source_name', 'plateifu', 'id_obj', 'id_line', 'id_raw'),
)
# In a catalogue of lines: columns with the ID of the object that a line belongs to, or, if there is none, of the line.
IDENTS_OF_LINES = ('id_obj', *IDENTS, 'i')
# Both columns of a pair must be there.
SKY = (
    ('ra', 'dec'),
    ('alpha_j2000', 'delta_j2000'),
    ('alphawin_j2000', 'deltawin_j2000'),
    ('alphapeak_j2000', 'deltapeak_j2000'),
    ('alphapsf_j2000', 'deltapsf_j2000'),
    ('_raj2000', '_dej2000'),
    ('ra_icrs', 'de_icrs'),
    ('_ra.icrs', '_de.icrs'),
    ('_ra_icrs', '_de_icrs'),
    ('raj2000', 'dej2000'),
    ('_ra', '_de'),
    ('ra_j2000', 'dec_j2000'),
    ('ra_deg', 'dec_deg'),
    ('radeg', 'dedeg'),
    ('radeg', 'decdeg'),
    ('ramean', 'decmean'),
    ('right_ascension', 'declination'),
    ('ra', 'decl'),
    ('ra', 'de'),
    ('objra', 'objdec'),
    ('target_ra', 'target_dec'),
    ('coord_ra', 'coord_dec'),
    ('alpha', 'delta'),
    ('alpha_sky', 'delta_sky'),
    ('alphawin_sky', 'deltawin_sky'),
    ('x_world', 'y_world'),
    ('xwin_world', 'ywin_world'),
    ('ra_peak_sn', 'dec_peak_sn'),
    ('ra_sn', 'dec_sn'),
    ('ra_sflux', 'dec_sflux'),
    ('ra_flux', 'dec_flux'),
    ('ra_1mom', 'dec_1mom'),
    ('sky_centroid.ra', 'sky_centroid.dec'),
    ('skycoord.ra', 'skycoord.dec'),
    ('coord.ra', 'coord.dec'),
    ('coords.ra', 'coords.dec'),
)
# Pixels of the cube, used if no pair of SKY is there, and the number of the first pixel in programs that write them.
PIXELS = (
    ('x_image', 'y_image', 1),
    ('xwin_image', 'ywin_image', 1),
    ('xpsf_image', 'ypsf_image', 1),
    ('xmodel_image', 'ymodel_image', 1),
    ('xpeak_image', 'ypeak_image', 1),
    ('x_peak_sn', 'y_peak_sn', 1),
    ('x_sn', 'y_sn', 1),
    ('xcentroid', 'ycentroid', 0),
    ('x_centroid', 'y_centroid', 0),
    ('xcenter', 'ycenter', 0),
    ('x_center', 'y_center', 0),
    ('x_fit', 'y_fit', 0),
    ('i_x', 'i_y', 0),
)
# ORIGIN writes these counted from 0; in other tables they may be counted from 0 or from 1.
PIXELS_OF_ORIGIN = (('x', 'y', 0), ('x0', 'y0', 0))
UNCLEAR_PIXELS = (*PIXELS_OF_ORIGIN, ('x_pix', 'y_pix', 0), ('xpix', 'ypix', 0), ('xpos', 'ypos', 0), ('col', 'row', 0))

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

# Names that cannot be a position: a header with one of these in second or third place does not mean ID RA DEC.
NO_POSITIONS = (
    *('x', 'y', 'z', 'i', 'id', 'number', 'mag', 'magerr', 'flux', 'fluxerr', 'flags'),
    *('lambda', 'wave', 'npix', 'glon', 'glat', 'elon', 'elat', 'slon', 'slat'),
)

# Programs, and columns that together show that a table is theirs.
PROGRAMS = (
    ('LSDCat', ('detsn_max',)),
    ('LSDCat', ('ra_peak_sn',)),
    ('ORIGIN', ('t_glr',)),
    ('ORIGIN', ('nsigtglr',)),
    ('ORIGIN', ('line_merged_flag',)),
    ('MUSELET', ('id_obj', 'i_x')),
    ('MUSELET', ('id_raw',)),
    ('MUSELET', ('number', 'i_x')),
    ('MUSELET', ('lbda_obs', 'cube_v')),
    ('MUSELET', ('z_emi', 'cube_v')),
    ('MPDAF', ('from_v', 'cube_v')),
    ('Gaia', ('source_id', 'phot_g_mean_mag')),
    ('Gaia', ('source_id', 'parallax')),
    ('Gaia', ('source_id', 'ra', 'dec')),
    ('MaNGA', ('plateifu',)),
    ('SDSS', ('objid', 'run')),
    ('SDSS', ('specobjid',)),
    ('SDSS', ('objid', 'ra', 'dec')),
    ('photutils', ('label', 'xcentroid')),
    ('photutils', ('label', 'x_centroid')),
    ('photutils', ('label', 'sky_centroid.ra')),
    ('VizieR', ('recno',)),
    ('VizieR', ('_raj2000',)),
    ('SExtractor', ('number', 'alpha_j2000')),
    ('SExtractor', ('number', 'x_image')),
    ('SExtractor', ('number', 'alpha_sky')),
    ('SExtractor', ('number', 'x_world')),
)

MARK = '<!-- This table is made by autospec_lib/inputs/catalogs/column_names.py: do not edit. -->\n'
END = '<!-- End of the table. -->\n'


def table() -> str:
    """The table of names for the documents, in Markdown."""
    from_one = [pair[:2] for pair in PIXELS if pair[2] == 1]
    from_zero = [pair[:2] for pair in PIXELS if pair[2] == 0]
    rows = (
        ('ID', [*IDENTS]),
        ('RA, DEC', map(' '.join, SKY)),
        ('pixels, the first is 1', map(' '.join, from_one)),
        ('pixels, the first is 0', [*map(' '.join, from_zero), *(f'{x} {y}' for x, y, _ in PIXELS_OF_ORIGIN)]),
        ('SIZE', SIZES),
        ('REF', REFERENCES),
        ('APER', APERTURES),
        ('Z', REDSHIFTS),
    )
    lines = [f'| {role} | {", ".join(f"`{name}`" for name in names)} |\n' for role, names in rows]
    return '| Column | Names, in the order in which they are looked for |\n|---|---|\n' + ''.join(lines)


def rewrite(page: Path) -> None:
    """Replace the table in a page."""
    head, _, rest = page.read_text(encoding='utf-8').partition(MARK)
    page.write_text(head + MARK + table() + END + rest.partition(END)[2], encoding='utf-8')


if __name__ == '__main__':
    rewrite(Path(sys.argv[1]))
