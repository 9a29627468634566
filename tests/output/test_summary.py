"""What the summary says of a source: magnitudes and widths by formula, rows to files and back."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from builders import CUTOUT, PIXEL, SPECTRUM, UNIT, changed, gaussian, make_cutout, process
from numpy.testing import assert_allclose

from autospec_lib.core import file_names
from autospec_lib.core.products import Group, Products
from autospec_lib.core.types import Grid
from autospec_lib.output import magnitude_and_width, summary

WAVE = np.linspace(4750.0, 9350.0, 500)
CGS = 'erg s-1 cm-2 Angstrom-1'
SIGMA = 1.5  # pixels, of the source of `make_cutout`
FWHM = 2.354820045 * SIGMA * PIXEL


@pytest.mark.parametrize('level', [2.5, 40.0])
@pytest.mark.parametrize(
    ('unit', 'wave', 'wave_unit'),
    [
        ('Jy', WAVE, 'Angstrom'),
        (f'10**-20 {CGS}', WAVE, 'Angstrom'),
        ('W m-2 um-1', WAVE / 1e4, 'um'),
        (CGS, WAVE[::-1], 'Angstrom'),
        (f'10**-20 {CGS}', np.geomspace(4750, 9350, 500), 'Angstrom'),
    ],
)
def test_a_flat_spectrum_has_the_magnitude_of_its_flux_per_frequency(unit, wave, wave_unit, level):
    there = np.full(len(wave), level)
    pivot = np.sqrt(4750 * 9350) * units.Angstrom
    jansky = (level * units.Unit(unit)).to_value('Jy', equivalencies=units.spectral_density(pivot))
    found = magnitude_and_width.ab_magnitude(there, unit, wave, wave_unit)
    assert found == pytest.approx(-2.5 * np.log10(jansky / 3631), abs=2e-3)


def test_a_source_of_zero_ab_magnitude_has_it_in_any_unit():
    per_wavelength = (3631 * units.Jy).to_value(
        CGS, equivalencies=units.spectral_density(WAVE * units.Angstrom)
    )
    assert magnitude_and_width.ab_magnitude(per_wavelength, CGS, WAVE, 'Angstrom') == pytest.approx(
        0, abs=1e-3
    )


@pytest.mark.parametrize(
    'unit',
    ['', 'adu', 'MJy sr-1', f'{CGS} arcsec-2', 'Angstrom', 'mag', 'none of this', 'Ang/spaxel'],
)
def test_what_is_no_flux_density_has_no_magnitude(unit):
    assert magnitude_and_width.ab_magnitude(np.ones(500), unit, WAVE, 'Angstrom') is None


def test_neither_has_what_is_not_bright_or_not_there():
    assert magnitude_and_width.ab_magnitude(-np.ones(500), CGS, WAVE, 'Angstrom') is None
    assert magnitude_and_width.ab_magnitude(np.full(500, np.nan), CGS, WAVE, 'Angstrom') is None


@pytest.mark.parametrize('pixel', [(0.2, 0.2), (0.3, 0.2)])
@pytest.mark.parametrize(('along_y', 'along_x'), [(0.3, 0.3), (0.45, 0.25)])
def test_the_width_of_a_gaussian_is_its_own(pixel, along_y, along_x):
    y, x = np.indices((41, 47))
    image = np.exp(
        -0.5 * (((y - 19.7) * pixel[0] / along_y) ** 2 + ((x - 23.4) * pixel[1] / along_x) ** 2)
    )
    usable = np.ones(image.shape, bool)
    usable[19:21, 25] = False  # a bad pixel is no part of the sums, and hardly changes them
    found = magnitude_and_width.fwhm(np.where(usable, image, 1e9), usable, (20.0, 23.0), pixel)
    assert found == pytest.approx(2.354820045 * np.sqrt(along_y * along_x), rel=0.02)


@pytest.mark.parametrize(
    'image',
    [np.zeros((21, 21)), -np.ones((21, 21)), np.ones((21, 21)), gaussian(2, 18, 1.5, (21, 21))],
)
def test_what_has_no_peak_near_the_centre_has_no_width(image):
    assert (
        magnitude_and_width.fwhm(image, np.ones(image.shape, bool), (10.0, 10.0), (0.2, 0.2))
        is None
    )


@pytest.mark.filterwarnings('ignore::RuntimeWarning')  # of overflows
@pytest.mark.parametrize('scale', [1e-300, 1e-30, 1e30, 1e300])
def test_no_number_ends_in_a_traceback(scale):
    rng = np.random.default_rng(3)
    peak = 100 * gaussian(10, 10, 1.5, (21, 21))
    for image in (rng.normal(size=(21, 21)), peak, np.eye(21), peak * (peak == peak.max())):
        for usable in (rng.random((21, 21)) > 0.3, np.zeros((21, 21), bool)):
            found = magnitude_and_width.fwhm(scale * image, usable, (10.0, 10.0), (0.2, 0.2))
            assert found is None or 0 < found < 2.1
    for unit in (CGS, 'Jy'):
        found = magnitude_and_width.ab_magnitude(scale * np.ones(500), unit, WAVE, 'Angstrom')
        assert found is None or np.isfinite(found)


def measured(cutout, **params):
    return summary.measure(process(cutout, **params), cutout)


def test_a_source_is_measured():
    cutout = replace(make_cutout(), grid=Grid({}, {}, UNIT))
    products = process(cutout, sky_sub=False, aper=(1.0,))
    row = summary.measure(products, cutout)
    mask = products.masks['MASK_INTER'].data
    assert (row['MASK'], row['MASK_NPIX'], row['REFERENCE']) == (
        'MASK_INTER',
        mask.sum(),
        'MUSE_WHITE',
    )
    assert row['MASK_AREA'] == pytest.approx(mask.sum() * PIXEL**2)
    assert row['FWHM_WHITE'] == pytest.approx(FWHM, rel=0.02)
    total = cutout.voxels.data[:, mask].sum(axis=1)
    assert row['FLUX_MUSE_TOT'] == pytest.approx(np.median(total), rel=1e-5)
    assert row['SN_MUSE_TOT'] == pytest.approx(np.median(total) / np.sqrt(mask.sum()), rel=1e-5)
    assert row['MAG_WHITE'] == pytest.approx(
        magnitude_and_width.ab_magnitude(
            total, UNIT.replace('10**(-20)*', '1e-20 '), cutout.wave, 'Angstrom'
        ),
        abs=1e-4,
    )
    names = [
        'MUSE_TOT',
        'MUSE_APER_1.0',
        'MUSE_WHITE',
        'CROSS_CORRELATION',
        'CROSS_CORRELATION_CONTSUB',
    ]
    assert [name for name in row if name.startswith('SN_')] == [f'SN_{name}' for name in names]
    assert {type(value) for value in row.values()} <= {int, float, str, type(None)}


def test_a_file_with_the_sum_of_an_aperture_alone_has_no_magnitude():
    cutout = replace(make_cutout(), grid=Grid({}, {}, UNIT))
    products = process(cutout, sky_sub=False, aper=(1.0,))
    apertures = {key: one for key, one in products.spectra.items() if one.radius is not None}
    table = {**products.table, Group.SPECTRUM: apertures}
    row = summary.measure(replace(products, table=table, reference='MUSE_APER_1.0'), cutout)
    assert row['FLUX_MUSE_APER_1.0'] > 0
    assert row['MAG_WHITE'] is None


def test_the_sky_that_white_light_holds_does_not_widen_a_source():
    cutout = make_cutout()
    brighter = changed(cutout, data=cutout.voxels.data + 500)
    assert measured(brighter)['FWHM_WHITE'] == pytest.approx(FWHM, rel=0.02)


def test_a_neighbour_in_its_own_segment_hardly_changes_the_width():
    cutout = make_cutout()
    neighbour = 0.7 * SPECTRUM[:, None, None] * gaussian(10, 19, 1.5, CUTOUT[1:])
    alone = measured(cutout)['FWHM_WHITE']
    assert measured(changed(cutout, data=cutout.voxels.data + neighbour))[
        'FWHM_WHITE'
    ] == pytest.approx(alone, rel=0.05)


def test_nothing_detected_has_no_width_and_a_circle_as_mask():
    row = measured(make_cutout(flux=0.0))
    assert (row['MASK'], row['FWHM_WHITE']) == ('circle', None)
    assert row['NOTES'].startswith('no detection')


def test_without_variance_there_are_fluxes_and_no_ratios():
    row = measured(changed(make_cutout(), variance=None))
    assert row['SN_MUSE_TOT'] is None
    assert row['FLUX_MUSE_TOT'] > 0


def test_the_leakage_limit_and_the_grade_follow_how_close_a_neighbour_is():
    def blend(x):
        cutout = make_cutout()
        neighbour = SPECTRUM[::-1, None, None] * gaussian(10, x, 1.5, CUTOUT[1:])
        found = changed(cutout, data=cutout.voxels.data + neighbour)
        return measured(replace(found, neighbours={9: (10.0, x)}), deblend=True)

    far, near = blend(20.0), blend(12.5)
    assert far['NEIGHBOURS'] == near['NEIGHBOURS'] == 1
    assert far['LEAKAGE'] < 0.01 < near['LEAKAGE']
    assert (far['GRADE'], far['BEST']) == ('A', 'DEBLEND: grade A')
    assert near['GRADE'] == 'C'
    assert near['BEST'].startswith('MUSE_WHITE: ')
    assert 'grade C' in near['NOTES']
    plain = measured(make_cutout())
    assert (plain['LEAKAGE'], plain['GRADE'], plain['BEST']) == (
        None,
        None,
        'MUSE_WHITE: reference',
    )


ROWS = [
    {'ID': 6, 'RA': 150.1, 'DEC': -2.2, 'STATUS': 'extracted', 'MASK_NPIX': 12}
    | {'NOTES': 'a, "b"; c\N{RIGHT SINGLE QUOTATION MARK}d'}
    | {'SN_MUSE_TOT': 3.5, 'FLUX_MUSE_TOT': 1e-3, 'SN_HST': None, 'FLUX_HST': 2.0},
    {'ID': 2, 'RA': 150.2, 'DEC': 2.2, 'STATUS': 'failed', 'ERROR': '<script>alert(1)</script>'},
    {'ID': 9, 'RA': 150.3, 'DEC': 2.2, 'STATUS': 'kept', 'SN_MUSE_TOT': 4.5, 'FLUX_MUSE_TOT': 5.0}
    | {'SN_MUSE_APER_1.0': 1.0, 'SN_HST': 3.0},
]  # fmt: skip


def test_the_columns_of_spectra_keep_their_order_whatever_a_row_lacks():
    names = [column.name for column in summary.columns(ROWS)]
    spectra = ['SN_MUSE_TOT', 'FLUX_MUSE_TOT', 'SN_MUSE_APER_1.0', 'SN_HST', 'FLUX_HST']
    before, after = (
        [column.name for column in part] for part in (summary.OF_SOURCE, summary.OF_FILE)
    )
    assert names == [*before, *spectra, *after]


def test_names_that_fits_has_no_room_for_are_cut(tmp_path):
    row = {'ID': 1, **{f'SN_{letter * 100}': 1.0 for letter in "AB'"}, "SN_'": 2.0}
    summary.write(tmp_path, [row], '')
    assert {*row} <= {*summary.read(tmp_path / 'summary.ecsv', '')[0]}
    assert len(Table.read(tmp_path / 'summary.fits').columns) == len(summary.columns([row]))


@pytest.mark.parametrize('unit', [UNIT, 'MJy sr-1', '', 'count/spaxel'])
def test_rows_come_back_from_the_file(tmp_path, unit):
    summary.write(tmp_path, ROWS, unit)
    names = [column.name for column in summary.columns(ROWS)]
    back = summary.read(tmp_path / 'summary.ecsv', unit)
    assert back == [{name: row.get(name) for name in names} for row in ROWS]


@pytest.mark.parametrize(
    ('unit', 'factor'), [('erg s-1 cm-2 Angstrom-1', 1e20), ('W m-2 um-1', 1e19), ('Jy', None)]
)
def test_fluxes_of_an_earlier_cube_are_converted_or_left_out(tmp_path, unit, factor):
    summary.write(tmp_path, ROWS, unit)
    row = summary.read(tmp_path / 'summary.ecsv', f'10**-20 {CGS}')[2]
    assert row['SN_MUSE_TOT'] == 4.5
    assert row['FLUX_MUSE_TOT'] == (None if factor is None else pytest.approx(5 * factor))


def test_both_files_open_with_units_and_descriptions_and_go_through_votable(tmp_path):
    summary.write(tmp_path, ROWS, UNIT)
    expected = {column.name: column for column in summary.columns(ROWS)}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the standard of VOTable does not like the erg
        tables = [Table.read(tmp_path / name) for name in file_names.SUMMARY]
        tables[0].write(tmp_path / 'summary.xml', format='votable')
        tables.append(Table.read(tmp_path / 'summary.xml'))
    header = fits.getheader(tmp_path / 'summary.fits', 1)
    for number, (name, column) in enumerate(expected.items(), 1):
        assert (header[f'TTYPE{number}'], header[f'TCOMM{number}']) == (name, column.text)
        assert (
            tables[0][name].description
            == ' '.join(tables[2][name].description.split())
            == column.text
        )
    for table in tables:
        assert table.colnames == [*expected]
        assert list(table['ID']) == [6, 2, 9]
        assert table['RA'].unit == units.deg
        assert table['FLUX_MUSE_TOT'].unit.to('erg s-1 cm-2 Angstrom-1') == pytest.approx(1e-20)
        assert table['SN_MUSE_TOT'][0] == 3.5
        assert np.ma.is_masked(table['SN_MUSE_TOT'][1]) or np.isnan(table['SN_MUSE_TOT'][1])
        assert np.ma.is_masked(table['MASK_NPIX'][1])
        assert list(table['STATUS']) == ['extracted', 'failed', 'kept']
    assert tables[1]['NOTES'][0] == 'a, "b"; c?d'


def test_a_median_is_of_the_values_that_are_there():
    products = process(make_cutout())
    total = products.spectra['MUSE_TOT_SKYSUB']
    data = np.where(np.arange(CUTOUT[0]) < 5, np.nan, 7.0)
    gone = replace(total, data=data, variance=np.full(CUTOUT[0], 4.0))
    row = summary.measure(products | Products({Group.SPECTRUM: {total.key: gone}}), make_cutout())
    assert_allclose([row['FLUX_MUSE_TOT'], row['SN_MUSE_TOT']], [7.0, 3.5])
    nothing = replace(total, data=np.full(CUTOUT[0], np.nan))
    row = summary.measure(
        products | Products({Group.SPECTRUM: {total.key: nothing}}), make_cutout()
    )
    assert row['FLUX_MUSE_TOT'] is row['SN_MUSE_TOT'] is row['MAG_WHITE'] is None


@pytest.mark.parametrize(
    'unit', ['5e-17 erg / (Angstrom s cm2)', 'electron / s', 'nmgy', 'nmgy / Angstrom']
)
def test_units_that_fits_does_not_know_are_written(tmp_path, unit):
    """FITS has powers of ten only, and no electrons; the program that reads the file may know
    them."""
    summary.write(tmp_path, ROWS, unit)
    header = fits.getheader(tmp_path / 'summary.fits', 1)
    number = next(
        n for n in range(1, header['TFIELDS'] + 1) if header[f'TTYPE{n}'] == 'FLUX_MUSE_TOT'
    )
    assert units.Unit(header[f'TUNIT{number}']) == units.Unit(unit)
    assert Table.read(tmp_path / 'summary.ecsv')['FLUX_MUSE_TOT'].unit == units.Unit(unit)
