"""The summary of a run: its columns, a source's row as plain values, and the files ``summary.ecsv``
and ``.fits``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core import best_spectrum, file_names, keys
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.products import Kind, Products
from autospec_lib.core.types import Cutout
from autospec_lib.output import magnitude_and_width
from autospec_lib.output.source_file import printable
from autospec_lib.output.unit_texts import as_fits, of_lines, parsed
from autospec_lib.output.verdicts import Verdict

if TYPE_CHECKING:
    from astropy.table import Table

LONGEST = 60  # characters of a column's name in FITS
Row = dict[str, Any]
FLUX, LINE_FLUX = 'flux', 'line flux'  # stand for the cube's unit, and for it times Angstrom


@dataclass(frozen=True)
class Column:
    """A column of the summary, or of the catalogue of redshifts.

    Attributes
    ----------
    name, text : str
        Its name and description.
    kind : type
        int, float or str.
    unit : str
        '' for none, `FLUX` or `LINE_FLUX`.
    source : str
        What it is from: a header card; in `VISUAL`, the attribute of a verdict; in the catalogue of
        redshifts, a column of the summary. '' where it is computed.
    """

    name: str
    text: str
    kind: type = float
    unit: str = ''
    source: str = ''


OF_SOURCE = (
    Column('ID', 'ID in the catalogue', int),  # text if any ID is text
    Column('RA', 'right ascension in the catalogue', unit='deg'),
    Column('DEC', 'declination in the catalogue', unit='deg'),
    Column('STATUS', 'extracted, kept (from an earlier run), failed or not reached', str),
    Column('NOTES', 'fall-backs and warnings, separated by semicolons', str),
    Column('ERROR', 'why the source failed', str),
    Column('REFERENCE', 'key of the reference spectrum', str),
    Column(
        'MASK', 'object mask that was used; circle: nothing was detected', str, source='OBJMASK'
    ),
    Column('MASK_NPIX', 'spaxels in the object mask', int, source='OBJNPIX'),
    Column('MASK_AREA', 'area of the object mask', unit='arcsec2', source='OBJAREA'),
    Column(
        'MAG_WHITE',
        'AB magnitude of the mean over wavelength of the sum over the object mask',
        unit='mag',
    ),
    Column(
        'FWHM_WHITE', 'FWHM of the Gaussian that fits the source best in white light', unit='arcsec'
    ),
    Column('NEIGHBOURS', 'neighbours in the joint extraction', int, source='DBNUM'),
    Column(
        'LEAKAGE',
        'upper limit of light of other sources in the joint extraction, per own light',
        source='DBLIM',
    ),
    Column(
        'GRADE',
        'of the joint extraction: A, B: to be trusted; C: a note says why not',
        str,
        source='DBGRADE',
    ),
    Column('BEST', 'the spectrum to use, and why', str),
)
OF_FILE = (
    Column('SECONDS', 'time the extraction took', unit='s'),
    Column('FILE', "the source's file in the output folder", str),
    Column('FINGERPRINT', 'FPRINT in its header: of parameters, inputs and version', str),
)
COLUMNS = (*OF_SOURCE, *OF_FILE)  # of every row
REDSHIFT = (  # of rows of runs with REDSHIFT
    Column('Z', 'redshift, empty where ZQUAL is 0', source='ZAUTO'),
    Column('Z_ERR', 'its standard deviation', source='ZAUTOERR'),
    Column('ZPROB', 'probability that it is right', source='ZPROB'),
    Column(
        'ZQUAL',
        'its quality: 3 sure, 2 sure by one line or probable, 1 possible, 0 no redshift',
        int,
        source='ZQUAL',
    ),
    Column('ZTYPE', 'gal, LAE, QSO or star', str, source='ZTYPE'),
    Column('ZNLINE', 'emission lines above 3.5 sigma', int, source='ZNLINE'),
    Column('Z2', 'second candidate', source='Z2AUTO'),
    Column('ZBLEND', 'redshift of a second source in the spectrum', source='ZBLEND'),
    # Text if an ID is.
    Column('ZNEIGHB', 'ID of a neighbour with the same redshift', int, source='ZNEIGHB'),
    Column('ZSPEC', 'key of the spectrum that it is from', str, source='ZSPEC'),
)
MAIN_LINES = 'LYALPHA OII3727 OII3729 HBETA OIII5008 HALPHA NII6585'.split()
OF_LINES = tuple(  # of the same rows
    column
    for line in MAIN_LINES
    for column in (
        Column(f'{line}_FLUX', f'flux of {line}', unit=LINE_FLUX),
        Column(f'{line}_FLUX_ERR', 'its standard deviation', unit=LINE_FLUX),
    )
)
MARZ = (  # of rows with results of MARZ
    Column('Z_MARZ', "redshift in MARZ: the user's, else that of the best match"),
    Column('QOP_MARZ', 'its quality: 4 sure, 3, 2, 1 none, 6 star, 0 not judged', int),
    Column('TEMPLATE_MARZ', 'template that matches', str),
    Column('COMMENT_MARZ', 'comment in MARZ', str),
)
VISUAL = (  # of rows with verdicts from the report
    Column('VERDICT', "a person's verdict: good, doubtful or bad", str, source='verdict'),
    Column('Z_VISUAL', 'redshift that a person has accepted', source='accepted'),
    Column(
        'ZQUAL_VISUAL',
        'its quality: 3 sure, 2 probable, 1 possible, 0 no redshift',
        int,
        source='quality',
    ),
    Column('CLASS_VISUAL', 'galaxy, star, quasar, Lya or nothing', str, source='kind'),
    Column('ORIGIN_VISUAL', 'where Z_VISUAL is from: a column, or user', str, source='origin'),
    Column('COMMENT_VISUAL', 'comment in the report', str, source='comment'),
    Column('DIFFERS_VISUAL', 'who says what, where people differ', str, source='differs'),
)
# Behind those of the source, for each main spectrum; its short key is appended to the name.
OF_SPECTRA = (
    Column('SN_', 'median signal-to-noise ratio per pixel'),
    Column('FLUX_', 'median flux', unit=FLUX),
)


def columns(rows: Iterable[Mapping[str, Any]]) -> list[Column]:
    """The columns of a table of rows: `COLUMNS`, and of spectra, redshifts, lines, MARZ and
    verdicts those in any row.

    Columns of spectra are in the order of the rows, also if a row lacks some of the spectra.
    """
    rows = list(rows)
    optional = (*REDSHIFT, *OF_LINES, *MARZ, *VISUAL)
    used = [column for column in optional if any(column.name in row for row in rows)]
    fixed = {column.name for column in (*COLUMNS, *optional)}
    names: list[str] = []
    for row in rows:
        place = 0
        for name in row:
            if name in fixed:
                continue
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    of_spectra = []
    for name in names:
        base = next(one for one in OF_SPECTRA if name.startswith(one.name))
        of_spectra.append(
            replace(base, name=name, text=f'{base.text} of {name.removeprefix(base.name)}')
        )
    return [*OF_SOURCE, *of_spectra, *used, *OF_FILE]


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
        int, float or str by column; None if there is no value. ID, position, status and file are
        added in `run`.
    """
    facts = {card: value for card, (value, _) in products.facts.items()}
    best, why = best_spectrum.of(products)
    row: Row = {column.name: facts.get(column.source) for column in OF_SOURCE if column.source}
    # The width in white light, which is the first image, where the source is detected in it.
    mask, width = products.masks.get(str(row['MASK'])), None
    tag = next(iter(products.images), '')
    segmap = products.segmaps.get(keys.segmap(tag))
    if mask is not None and segmap is not None and segmap.central:
        white, own = products.images[tag].data, segmap.data == segmap.central
        if (mask.data & own).any():
            sky = white[products.masks[keys.MASK_SKY].data & np.isfinite(white)]
            level = float(np.median(sky)) if sky.size else 0.0
            usable = np.isfinite(white) & ((segmap.data == 0) | own)
            width = magnitude_and_width.fwhm(white - level, usable, cutout.centre, cutout.pixel)
    row |= {
        'NOTES': '; '.join(products.notes),
        'REFERENCE': products.reference,
        'MAG_WHITE': None,
        'FWHM_WHITE': _plain(width),
        'BEST': f'{best.short_key}: {why}',
    }
    for key, spectrum in products.main_spectra.items():
        for name, values in (
            (f'SN_{key}', spectrum.data / spectrum.error),
            (f'FLUX_{key}', spectrum.data),
        ):
            known = values[np.isfinite(values)]
            row[name] = _plain(np.median(known)) if known.size else None
        if spectrum.kind is Kind.SUM and spectrum.radius is None:
            wave_unit = cutout.grid.wave_unit
            row['MAG_WHITE'] = _plain(
                magnitude_and_width.ab_magnitude(
                    spectrum.data, spectrum.unit, cutout.wave, wave_unit
                )
            )
    if 'ZQUAL' in facts:
        row |= {column.name: facts.get(column.source) for column in REDSHIFT}
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
    values = {column.name: getattr(verdict, column.source) for column in VISUAL}
    return {name: None if value == '' else value for name, value in values.items()}


def _plain(value: Any) -> float | None:
    """Six digits, None instead of NaN."""
    return None if value is None or not np.isfinite(value) else float(f'{value:.6g}')


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
    with complete_file(folder / file_names.SUMMARY[0]) as path:
        table.write(path, format='ascii.ecsv')
    # FITS has texts in ASCII, short names, and units of its own or as astropy writes them.
    shown = [(column.unit, column.description) for column in table.columns.values()]
    for number, name in enumerate(table.colnames):
        if table[name].dtype.kind == 'U':
            table[name] = [printable(text) for text in table[name]]
        # Astropy warns of units that are not those of FITS, and refuses 5e-17 of one.
        table[name].unit = None
        if len(name) > LONGEST:
            table.rename_column(name, f'{name[:LONGEST]}_{number}'.replace("'", '_'))
    hdu = fits.table_to_hdu(table)
    hdu.name = 'SUMMARY'
    for number, (unit, text) in enumerate(shown, 1):
        hdu.header[f'TCOMM{number}'] = text
        if unit is not None:
            hdu.columns[number - 1].unit = as_fits(unit)
    with complete_file(folder / file_names.SUMMARY[1]) as path:
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


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
    from astropy import table

    made, units = table.Table(), {FLUX: unit, LINE_FLUX: of_lines(unit)}
    for column in shown:
        values = [row.get(column.name) for row in rows]
        kind = str if any(isinstance(value, str) for value in values) else column.kind
        missing = [value is None for value in values]
        data: NDArray[Any] = np.array(
            [kind() if value is None else value for value in values], dtype=kind
        )
        words = {'description': column.text, 'unit': parsed(units.get(column.unit, column.unit))}
        if kind is not str and any(missing):
            made[column.name] = table.MaskedColumn(data, mask=missing, **words)
        else:
            made[column.name] = table.Column(data, **words)
    return made


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
    units = {FLUX: parsed(unit), LINE_FLUX: parsed(of_lines(unit))}
    values = [_values(table[name], known[name], units) for name in table.colnames]
    return [dict(zip(table.colnames, row, strict=True)) for row in zip(*values, strict=True)]


def _values(held: Any, column: Column, units: Mapping[str, Any]) -> list[Any]:
    """The values of a column of the table, None where there is none; ``units`` are those that
    fluxes are wanted in."""
    if column.unit in units and held.unit != units[column.unit]:
        wanted = units[column.unit]
        if held.unit is None or wanted is None or not held.unit.is_equivalent(wanted):
            return [None] * len(held)
        held = held * held.unit.to(wanted)
    kind = str if held.dtype.kind in 'UO' else column.kind
    masked = np.ma.getmaskarray(held)
    values = [None if hidden else kind(value) for value, hidden in zip(held, masked, strict=True)]
    return [None if value == '' or value != value else value for value in values]
