"""The summary of a run: its columns, a source's row as plain values, and the files ``summary.ecsv`` and ``.fits``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core import keys
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.products import Kind, Products, Spectrum
from autospec_lib.core.types import Cutout, FloatArray
from autospec_lib.output import white_light
from autospec_lib.output.source_file import printable
from autospec_lib.output.units import as_fits, of_lines, parsed
from autospec_lib.output.verdicts import Verdict

if TYPE_CHECKING:
    from astropy.table import Table

NAMES = ('summary.ecsv', 'summary.fits')
LONGEST = 60  # characters of a column's name in FITS
FILLERS = {int: 0, float: np.nan, str: ''}
Row = dict[str, Any]
FLUX, LINE_FLUX = 'flux', 'line flux'  # stand for the cube's unit, and for it times Angstrom


@dataclass(frozen=True)
class Column:
    """A column of the summary: name, unit ('' = none, `FLUX` or `LINE_FLUX`), type, description."""

    name: str
    unit: str
    kind: type
    text: str


OF_SOURCE = (
    Column('ID', '', int, 'ID in the catalogue'),  # text if any ID is text
    Column('RA', 'deg', float, 'right ascension in the catalogue'),
    Column('DEC', 'deg', float, 'declination in the catalogue'),
    Column('STATUS', '', str, 'extracted, kept (from an earlier run), failed or not reached'),
    Column('NOTES', '', str, 'fall-backs and warnings, separated by semicolons'),
    Column('ERROR', '', str, 'why the source failed'),
    Column('REFERENCE', '', str, 'key of the reference spectrum'),
    Column('MASK', '', str, 'object mask that was used; circle: nothing was detected'),
    Column('MASK_NPIX', '', int, 'spaxels in the object mask'),
    Column('MASK_AREA', 'arcsec2', float, 'area of the object mask'),
    Column('MAG_WHITE', 'mag', float, 'AB magnitude of the mean over wavelength of the sum over the object mask'),
    Column('FWHM_WHITE', 'arcsec', float, 'FWHM of the Gaussian that fits the source best in white light'),
    Column('NEIGHBOURS', '', int, 'neighbours in the joint extraction'),
    Column('LEAKAGE', '', float, 'upper limit of light of other sources in the joint extraction, per own light'),
    Column('GRADE', '', str, 'of the joint extraction: A, B: to be trusted; C: a note says why not'),
    Column('BEST', '', str, 'the spectrum to use, and why'),
)
OF_FILE = (
    Column('SECONDS', 's', float, 'time the extraction took'),
    Column('FILE', '', str, "the source's file in the output folder"),
    Column('FINGERPRINT', '', str, 'FPRINT in its header: of parameters, inputs and version'),
)
COLUMNS = (*OF_SOURCE, *OF_FILE)  # of every row
REDSHIFT = (  # of rows of runs with REDSHIFT, and the cards that they are from
    (Column('Z', '', float, 'redshift, empty where ZQUAL is 0'), 'ZAUTO'),
    (Column('Z_ERR', '', float, 'its standard deviation'), 'ZAUTOERR'),
    (Column('ZPROB', '', float, 'probability that it is right'), 'ZPROB'),
    (
        Column('ZQUAL', '', int, 'its quality: 3 sure, 2 sure by one line or probable, 1 possible, 0 no redshift'),
        'ZQUAL',
    ),
    (Column('ZTYPE', '', str, 'gal, LAE, QSO or star'), 'ZTYPE'),
    (Column('ZNLINE', '', int, 'emission lines above 3.5 sigma'), 'ZNLINE'),
    (Column('Z2', '', float, 'second candidate'), 'Z2AUTO'),
    (Column('ZBLEND', '', float, 'redshift of a second source in the spectrum'), 'ZBLEND'),
    (Column('ZNEIGHB', '', int, 'ID of a neighbour with the same redshift'), 'ZNEIGHB'),  # text if an ID is
    (Column('ZSPEC', '', str, 'key of the spectrum that it is from'), 'ZSPEC'),
)
MAIN_LINES = ('LYALPHA', 'OII3727', 'OII3729', 'HBETA', 'OIII5008', 'HALPHA', 'NII6585')
OF_LINES = tuple(  # of the same rows
    column
    for line in MAIN_LINES
    for column in (
        Column(f'{line}_FLUX', LINE_FLUX, float, f'flux of {line}'),
        Column(f'{line}_FLUX_ERR', LINE_FLUX, float, 'its standard deviation'),
    )
)
MARZ = (  # of rows with results of MARZ
    Column('Z_MARZ', '', float, "redshift in MARZ: the user's, else that of the best match"),
    Column('QOP_MARZ', '', int, 'its quality: 4 sure, 3, 2, 1 none, 6 star, 0 not judged'),
    Column('TEMPLATE_MARZ', '', str, 'template that matches'),
    Column('COMMENT_MARZ', '', str, 'comment in MARZ'),
)
VISUAL = (  # of rows with verdicts from the report
    Column('VERDICT', '', str, "a person's verdict: good, doubtful or bad"),
    Column('Z_VISUAL', '', float, 'redshift that a person has accepted'),
    Column('ZQUAL_VISUAL', '', int, 'its quality: 3 sure, 2 probable, 1 possible, 0 no redshift'),
    Column('CLASS_VISUAL', '', str, 'galaxy, star, quasar, Lya or nothing'),
    Column('ORIGIN_VISUAL', '', str, 'where Z_VISUAL is from: a column, or user'),
    Column('COMMENT_VISUAL', '', str, 'comment in the report'),
    Column('DIFFERS_VISUAL', '', str, 'who says what, where people differ'),
)
# Behind those of the source, for each main spectrum; its short key is appended to the name.
OF_SPECTRA = (
    Column('SN_', '', float, 'median signal-to-noise ratio per pixel'),
    Column('FLUX_', FLUX, float, 'median flux'),
)


def columns(rows: Iterable[Mapping[str, Any]]) -> list[Column]:
    """The columns of a table of rows: `COLUMNS`, and of spectra, redshifts, lines, MARZ and verdicts those in any row.

    Columns of spectra are in the order of the rows, also if a row lacks some of the spectra.
    """
    rows = list(rows)
    optional = (*(column for column, _ in REDSHIFT), *OF_LINES, *MARZ, *VISUAL)
    used = [column for column in optional if any(column.name in row for row in rows)]
    fixed = {column.name for column in (*COLUMNS, *optional)}
    of_spectra: list[str] = []
    for row in rows:
        place = 0
        for name in row:
            if name in fixed:
                continue
            if name not in of_spectra:
                of_spectra.insert(place, name)
            place = of_spectra.index(name) + 1
    return [*OF_SOURCE, *map(_column, of_spectra), *used, *OF_FILE]


def _column(name: str) -> Column:
    base = next(one for one in OF_SPECTRA if name.startswith(one.name))
    return Column(name, base.unit, base.kind, f'{base.text} of {name.removeprefix(base.name)}')


def measure(products: Products, cutout: Cutout) -> Row:
    """The summary's row for an extracted source.

    Parameters
    ----------
    products : Products
        All that was made of it, whether it is written or not.
    cutout : Cutout
        What it was made from.

    Returns
    -------
    dict
        int, float or str by column; None if there is no value. ID, position, status and file are added in `run`.
    """
    spectra = products.main_spectra
    facts = {card: value for card, (value, _) in products.facts.items()}
    best, why = products.best
    row: Row = {
        'NOTES': '; '.join(products.notes),
        'REFERENCE': products.reference,
        'MASK': facts.get('OBJMASK'),
        'MASK_NPIX': facts.get('OBJNPIX'),
        'MASK_AREA': facts.get('OBJAREA'),
        'MAG_WHITE': _magnitude(spectra, cutout),
        'FWHM_WHITE': _width(products, facts.get('OBJMASK'), cutout),
        'NEIGHBOURS': facts.get('DBNUM'),
        'LEAKAGE': facts.get('DBLIM'),
        'GRADE': facts.get('DBGRADE'),
        'BEST': f'{best.short_key}: {why}',
    }
    for key, spectrum in spectra.items():
        row[f'SN_{key}'] = _signal_to_noise(spectrum)
        row[f'FLUX_{key}'] = _median(spectrum.data)
    if 'ZQUAL' in facts:
        row |= {column.name: facts.get(card) for column, card in REDSHIFT}
        row |= line_fluxes(products.lines)
    return row


def line_fluxes(lines: Iterable[Mapping[str, Any]]) -> Row:
    """The columns on the main lines, from rows of MPDAF's table LINES."""
    row: Row = dict.fromkeys(column.name for column in OF_LINES)
    for line in lines:
        if line['LINE'] in MAIN_LINES:
            row[f'{line["LINE"]}_FLUX'] = _plain(line['FLUX'])
            row[f'{line["LINE"]}_FLUX_ERR'] = _plain(line['FLUX_ERR'])
    return row


def visual(verdict: Verdict) -> Row:
    """The columns on a verdict."""
    decided = (verdict.verdict, verdict.accepted, verdict.quality, verdict.kind, verdict.origin)
    values = (*decided, verdict.comment, verdict.differs)
    return {column.name: None if value == '' else value for column, value in zip(VISUAL, values, strict=True)}


def _plain(value: Any) -> float | None:
    """Six digits, None instead of NaN."""
    return None if value is None or not np.isfinite(value) else float(f'{value:.6g}')


def _median(values: FloatArray) -> float | None:
    """The median of the finite values."""
    known = values[np.isfinite(values)]
    return _plain(np.median(known)) if known.size else None


def _signal_to_noise(spectrum: Spectrum) -> float | None:
    """The median ratio of flux and error."""
    return _median(spectrum.data / spectrum.error)


def _magnitude(spectra: Mapping[str, Spectrum], cutout: Cutout) -> float | None:
    total = next((one for one in spectra.values() if one.kind is Kind.SUM and one.radius is None), None)
    if total is None:  # of a file without it
        return None
    return _plain(white_light.ab_magnitude(total.data, total.unit, cutout.wave, cutout.grid.wave_unit))


def _width(products: Products, mask_key: Any, cutout: Cutout) -> float | None:
    """The width in white light, None where the source is not detected there."""
    key = keys.segmap(next(iter(products.images), ''))
    if mask_key not in products.masks or key not in products.segmaps:
        return None
    mask = products.masks[mask_key]
    white, segmap = products.white.data, products.segmaps[key].data
    own = products.segmaps[key].central
    if not own or not (mask.data & (segmap == own)).any():
        return None
    sky = white[products.masks[keys.MASK_SKY].data & np.isfinite(white)]
    level = float(np.median(sky)) if sky.size else 0.0
    usable = np.isfinite(white) & ((segmap == 0) | (segmap == own))
    return _plain(white_light.fwhm(white - level, usable, cutout.centre, cutout.pixel))


def write(folder: Path, rows: Sequence[Row], unit: str) -> None:
    """Write both files, each of which appears under its name when it is complete.

    Parameters
    ----------
    folder : Path
        The output folder.
    rows : sequence of dict
        One per source.
    unit : str
        That of fluxes.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    from astropy.io import fits

    table = as_table(rows, columns(rows), unit)
    with complete_file(folder / NAMES[0]) as path:
        table.write(path, format='ascii.ecsv')
    with complete_file(folder / NAMES[1]) as path:
        fits.HDUList([fits.PrimaryHDU(), _as_fits(table)]).writeto(path)


def as_table(rows: Sequence[Row], shown: Sequence[Column], unit: str) -> Table:
    """A table of rows.

    Parameters
    ----------
    rows : sequence of dict
        One per source; None, or no entry, where there is no value.
    shown : sequence of Column
        The table's columns.
    unit : str
        That of fluxes.
    """
    from astropy.table import Table

    return Table([_filled([row.get(column.name) for row in rows], column, unit) for column in shown])


def _unit(column: Column, unit: str) -> Any:
    """The unit of a column; ``unit`` is that of fluxes."""
    return parsed({FLUX: unit, LINE_FLUX: of_lines(unit)}.get(column.unit, column.unit))


def _filled(values: list[Any], column: Column, unit: str) -> Any:
    """A column of the table; ``unit`` is that of fluxes."""
    from astropy.table import Column as Plain
    from astropy.table import MaskedColumn

    kind = str if any(isinstance(value, str) for value in values) else column.kind
    missing = [value is None for value in values]
    filled = [FILLERS[kind] if value is None else value for value in values]
    data: NDArray[Any] = np.array(filled, dtype=kind)
    words = {
        'name': column.name,
        'description': column.text,
        'unit': _unit(column, unit),
    }
    if kind is not str and any(missing):
        return MaskedColumn(data, mask=missing, **words)
    return Plain(data, **words)


def _as_fits(table: Table) -> Any:
    """The table as FITS can hold it: texts in ASCII, short names, units of FITS or as astropy writes them."""
    from astropy.io import fits

    table = table.copy()
    shown = [(column.unit, column.description) for column in table.columns.values()]
    for name in table.colnames:
        if table[name].dtype.kind == 'U':
            table[name] = [printable(text) for text in table[name]]
        table[name].unit = None  # astropy warns of units that are not those of FITS, and refuses 5e-17 of one
        if len(name) > LONGEST:
            table.rename_column(name, f'{name[:LONGEST]}_{table.index_column(name)}'.replace("'", '_'))
    hdu = fits.table_to_hdu(table)
    hdu.name = 'SUMMARY'
    for number, (unit, text) in enumerate(shown, 1):
        hdu.header[f'TCOMM{number}'] = text
        if unit is not None:
            hdu.columns[number - 1].unit = as_fits(unit)
    return hdu


def read(path: Path, unit: str) -> list[Row]:
    """The rows of a ``summary.ecsv``.

    Parameters
    ----------
    path : Path
        The file.
    unit : str
        The unit of fluxes; those in another one are converted, or left out.

    Raises
    ------
    Exception
        Any error of astropy for a file that is not such a table.
    """
    from astropy.table import Table

    table = Table.read(path, format='ascii.ecsv')
    known = {column.name: column for column in columns([dict.fromkeys(table.colnames)])}
    values = [_values(table[name], known[name], unit) for name in table.colnames]
    return [dict(zip(table.colnames, row, strict=True)) for row in zip(*values, strict=True)]


def _values(held: Any, column: Column, unit: str) -> list[Any]:
    """The values of a column of the table, None where there is none; ``unit`` is the one that fluxes are wanted in."""
    wanted = _unit(column, unit)
    if column.unit in (FLUX, LINE_FLUX) and held.unit != wanted:
        if held.unit is None or wanted is None or not held.unit.is_equivalent(wanted):
            return [None] * len(held)
        held = held * held.unit.to(wanted)
    kind = str if held.dtype.kind in 'UO' else column.kind
    masked = np.ma.getmaskarray(held)
    values = [None if hidden else kind(value) for value, hidden in zip(held, masked, strict=True)]
    return [None if value == '' or value != value else value for value in values]
