"""Names and units of columns."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from catalogues import BOTH, SIZE, faults, load, sources, table

from autospec_lib.inputs import columns


def test_each_name_stands_once_and_in_small_letters():
    for names in (columns.IDENTS, columns.SKY_PAIRS, columns.PIXELS_FROM_1, columns.PIXELS_FROM_0, columns.REDSHIFTS):
        assert len(set(names)) == len(names)
        assert repr(names) == repr(names).lower()


@pytest.mark.parametrize('pair', columns.SKY_PAIRS)
def test_every_name_of_a_position(tmp_path, pair):
    scale = np.degrees(1) if pair.startswith('coord_') else 1
    text = f'NUMBER,{pair.upper().replace(" ", ",")}\n3,1.5,0.25\n'
    assert sources(load(tmp_path / 'sources.csv', text)) == [(3, pytest.approx(1.5 * scale), pytest.approx(scale / 4))]


@pytest.mark.parametrize(
    ('header', 'facts'),
    [
        ('ID RA DEC RA', ['column RA', 'twice']),
        ('ID RA DEC (pix)', ['column DEC', 'pix', 'deg, h or rad']),
        ('ID RA DEC SIZE [rad]', ['column SIZE', 'rad', 'arcsec, arcmin, deg or pix']),
        ('ID RA DEC SIZE [kpc]', ['column SIZE', 'kpc', 'arcsec, arcmin, deg or pix']),
        ('source x y', ['x and y', 'pixels', 'RA and DEC']),
        ('ID GLON GLAT', ['id, glon, glat', 'RA and DEC']),
        ('NAME MAG FLUX', ['name, mag, flux', 'RA and DEC']),
        ('NAME ID RA', ['ID, RA and DEC']),
    ],
)
def test_fault_of_a_header(tmp_path, header, facts):
    (fault,) = faults(tmp_path / 'catalog.txt', f'{header}\n7 10.25 -2.5 5', 'cat')
    assert fault.startswith('catalog.txt, line 1: ')
    assert all(fact in fault for fact in facts)


@pytest.mark.parametrize(
    'text',
    [
        '#  1 NUMBER  Running object number\n#  2 FLUX_AUTO  flux [count]\n#  3 FLUX_ISO  flux [count]\n1 5.0 6.0\n',
        'NUMBER,FLUX_AUTO,MAG_AUTO\n1,5.0,6.0\n',
        'id x y\n1 5.0 6.0\n',
        '% id x0 y0 flux\n1 5.0 6.0 7.0\n',
    ],
)
def test_neither_pixels_nor_running_numbers_nor_fluxes_are_degrees(tmp_path, text):
    (fault,) = faults(tmp_path / 'sources.txt', text)
    assert 'expected RA and DEC' in fault


@pytest.mark.parametrize(('unit', 'factor'), [('h', 15), ('hourangle', 15), ('rad', 180 / np.pi), ('arcmin', 1 / 60)])
def test_units_of_right_ascension(tmp_path, unit, factor):
    made = table()
    made['ra'] = made['ra'] / factor
    made['ra'].unit = unit
    made.write(tmp_path / 'sources.ecsv')
    targets = load(tmp_path / 'sources.ecsv').targets
    np.testing.assert_allclose([target.ra for target in targets], [150.0, 150.001], rtol=1e-14)
    text = f'ID RA({unit}) DEC\n3 {150 / factor!r} 2\n'
    assert load(tmp_path / 'sources.txt', text).targets[0].ra == pytest.approx(150, rel=1e-14)


@pytest.mark.parametrize(('unit', 'warned'), [('km', True), ('J2000', False), ('h:m:s', False), ('deg', False)])
def test_what_is_not_a_unit_of_angle_is_said(tmp_path, unit, warned):
    loaded = load(tmp_path / 'sources.txt', f'ID RA({unit}) DEC\n3 150.0 2.0\n')
    assert loaded.targets[0].ra == 150.0
    assert [f'RA is in {unit}' in line for line in loaded.warnings] == [True] * warned


@pytest.mark.parametrize(('unit', 'arcsec'), [('arcsec', 2.0), ('arcmin', 120.0), ('deg', 7200.0)])
def test_units_of_lengths(tmp_path, unit, arcsec):
    made = table(size=[2.0, np.nan], aper=[2.0, np.nan])
    made['size'].unit = made['aper'].unit = unit
    made.write(tmp_path / 'sources.fits')
    loaded = load(tmp_path / 'sources.fits', mode='cat')
    assert [(target.size, target.aper) for target in loaded.targets] == [(arcsec, arcsec), (SIZE, None)]
    assert loaded.pixels == {}


def test_lengths_in_pixels_are_left_to_the_cube(tmp_path):
    made = table(size=[2.0, np.nan], aper=[3.0, np.nan])
    made['size'].unit = made['aper'].unit = 'pix'
    made.write(tmp_path / 'sources.fits')
    loaded = load(tmp_path / 'sources.fits', mode='cat')
    assert loaded.pixels == {3: {'SIZE_PIX': 2.0, 'APER_PIX': 3.0}}
    assert (loaded.targets[1].size, loaded.targets[1].aper) == (SIZE, None)


def test_an_angle_is_no_unit_of_a_size(tmp_path):
    made = table(size=[2.0, 3.0])
    made['size'].unit = 'rad'
    made['ra'].unit = 'pix'
    made.write(tmp_path / 'sources.ecsv')
    first, second = faults(tmp_path / 'sources.ecsv', mode='cat')
    assert 'column ra is in pix' in first
    assert 'column size is in rad' in second


def test_lsst_has_radians_where_no_unit_says_so(tmp_path):
    made = Table({'id': [3], 'coord_ra': np.radians([150.0]), 'coord_dec': np.radians([2.0])})
    made.write(tmp_path / 'sources.fits')
    loaded = load(tmp_path / 'sources.fits')
    assert sources(loaded)[0] == pytest.approx((3, 150, 2), rel=1e-14)
    assert all(fact in loaded.warnings[0] for fact in ('coord_ra', 'radians'))


@pytest.mark.parametrize('header', ['ID,RA,DEC,g,r,i,z', 'ID,RA,DEC,x,y,z,w'])
def test_magnitudes_and_pixels_called_z_are_no_redshifts(tmp_path, header):
    assert load(tmp_path / 'sources.csv', f'{header}\n3,150,2,1,1,1,0.5\n').targets[0].z is None


def test_the_columns_that_mpdafs_catalog_names(tmp_path):
    from mpdaf.sdetect import Catalog

    made = Catalog(
        {'ID': [1, 2], 'MINE': [3, 8], 'X': [150.0, 150.001], 'Y': [2.0, -2.0015]},
        idname='MINE',
        raname='X',
        decname='Y',
    )
    made.write(tmp_path / 'sources.fits')
    assert sources(load(tmp_path / 'sources.fits')) == BOTH
