"""The names of files and folders in the output folder."""

from __future__ import annotations

import re
import unicodedata

# The plots that a source can have.
PICTURES = ('IMAGES', 'MASKS', 'SPECTRA', 'REDSHIFT', 'XCOR', 'DEBLEND')
SUMMARY = ('summary.ecsv', 'summary.fits')
REDSHIFTS = 'redshifts.ecsv'
MARZ = 'marz.fits'
VERDICTS = 'verdicts.csv'
IMAGES = 'images'  # folder of the folders of plots, one for each source
SPECTRA = 'spectra'  # folder of the spectra as tables
LOGS = 'logs'  # folder in the working folder, or in the output folder if the former is read-only
PAGE = 'index.html'
REPORT = 'report'  # folder of what the page needs
DATA, CUBES = 'data', 'cubes'  # folders in it: of data for each source, and of binned cubes
_RESERVED = re.compile(r'(con|prn|aux|nul|(com|lpt)[0-9])', re.IGNORECASE)


def file_stem(ident: int | str) -> str:
    """An ID in a form that is valid in names of files and folders on any file system.

    A number is kept. In text, accents are dropped and all but ASCII letters, digits and ``+ - . _``
    becomes ``_``; the result has at most 100 characters, no dot at the beginning or end, and is not
    a name that Windows reserves.
    """
    if isinstance(ident, int):
        return str(ident)
    plain = unicodedata.normalize('NFKD', ident)
    plain = ''.join(c for c in plain if not unicodedata.combining(c))
    stem = re.sub(r'[^A-Za-z0-9+._-]', '_', plain)[:100]
    stem = re.sub(r'^\.|\.$', '_', stem)
    return f'{stem}_' if _RESERVED.fullmatch(stem.partition('.')[0]) else stem


def picture(ident: int | str, key: str) -> str:
    """The name of the file with one of a source's plots.

    Parameters
    ----------
    ident : int or str
        The source's ID.
    key : str
        One of the `PICTURES`.
    """
    return f'{file_stem(ident)}_{key}.jpg'


def pictures(correlated: bool, deblended: bool, with_redshift: bool) -> tuple[str, ...]:
    """Which of the `PICTURES` a source has.

    Parameters
    ----------
    correlated, deblended, with_redshift : bool
        Whether there are cross-correlation maps, images of the joint extraction, and candidates for
        the redshift.
    """
    optional = {'XCOR': correlated, 'DEBLEND': deblended, 'REDSHIFT': with_redshift}
    return tuple(key for key in PICTURES if optional.get(key, True))


def report_data(ident: int | str) -> str:
    """The name of the files with what the report shows of a source, and with its binned cube."""
    return f'{file_stem(ident)}.js'
