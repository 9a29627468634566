"""Names and units of columns."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, ICRS, SkyCoord
from astropy.table import Table
from catalogues import BOTH, PLACES, SIZE, faults, load, sources, table

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


def test_a_multiple_of_a_unit(tmp_path):
    """A VOTable has 15 deg in place of hourangle."""
    made = table()
    made['ra'] = made['ra'] / 15
    made['ra'].unit = 'hourangle'
    made.write(tmp_path / 'sources.vot', format='votable')
    assert b'15' in (tmp_path / 'sources.vot').read_bytes().partition(b'unit=')[2][:10]
    loaded = load(tmp_path / 'sources.vot')
    np.testing.assert_allclose([place for _, *place in sources(loaded)], PLACES, rtol=1e-14)
    assert loaded.warnings == ()


@pytest.mark.parametrize(('unit', 'warned'), [('km', True), ('J2000', False), ('deg', False), ('degrees J2000', False)])
def test_what_is_not_a_unit_of_angle_is_said(tmp_path, unit, warned):
    loaded = load(tmp_path / 'sources.txt', f'ID RA({unit}) DEC\n3 150.0 2.0\n')
    assert loaded.targets[0].ra == 150.0
    assert [f'RA is in {unit}' in line for line in loaded.warnings] == [True] * warned


class TestCoordinateSystems:
    """Units that name an epoch, a coordinate system or a sexagesimal form, and systems that tables declare."""

    HERE = SkyCoord(150.1, 2.2, unit='deg')

    @pytest.mark.parametrize(
        ('unit', 'factor'),
        [
            ('h J2000', 15),
            ('hours; ICRS', 15),
            ('h [FK5]', 15),
            ('hourangle J2016.0', 15),
            ('rad J2000', 180 / np.pi),
            ('degrees (J2000)', 1),
            ('J2000.0', 1),
            ('epoch 2015.5', 1),
            ('Gaia', 1),
        ],
    )
    def test_a_unit_beside_an_epoch_or_a_system_counts(self, tmp_path, unit, factor):
        loaded = load(tmp_path / 'sources.txt', f'"ID";"RA ({unit})";"DEC"\n3;{150 / factor!r};2\n')
        assert sources(loaded) == [(3, pytest.approx(150, rel=1e-14), 2.0)]
        assert loaded.warnings == ()

    @pytest.mark.parametrize(
        ('unit', 'frame'),
        [
            ('B1950', FK4()),
            ('FK4', FK4()),
            ('deg B1950', FK4()),
            ('1950', FK4()),
            ('B1875', FK4(equinox='B1875')),
            ('J1975', FK5(equinox='J1975')),
            ('FK5 1975', FK5(equinox='J1975')),
        ],
    )
    def test_other_systems_are_converted_to_icrs_and_said(self, tmp_path, unit, frame):
        place = self.HERE.transform_to(frame)
        text = f'ID,RA ({unit}),DEC ({unit})\n7,{place.ra.deg:.12f},{place.dec.deg:.12f}\n8,{place.ra.deg:.12f},50\n'
        loaded = load(tmp_path / 'sources.csv', text)
        _, ra, dec = sources(loaded)[0]
        assert SkyCoord(ra, dec, unit='deg').separation(self.HERE).arcsec < 1e-3
        (warning,) = loaded.warnings
        assert all(fact in warning for fact in ('sources.csv', 'FK', 'ICRS'))

    def test_hours_in_another_system(self, tmp_path):
        place = self.HERE.fk4
        ra, dec = place.ra.to_string('hour', sep=':', precision=8), place.dec.to_string('deg', sep=':', precision=8)
        for text in (
            f'ID,RA (h B1950),DEC\n7,{place.ra.hour:.12f},{place.dec.deg:.12f}\n',
            f'ID,RA (FK4),DEC\n7,{ra},{dec}\n',
        ):
            ((_, *found),) = sources(load(tmp_path / 'sources.csv', text))
            assert SkyCoord(*found, unit='deg').separation(self.HERE).arcsec < 1e-4

    @pytest.mark.parametrize(
        ('ra', 'dec', 'facts'),
        [
            ('B1950', 'J2000', ['different coordinate systems']),
            ('h deg', 'deg', ['column RA', 'deg, h or rad']),
            ('galactic', 'galactic', ['column RA', 'ICRS']),
            ('dms', 'dms', ['column RA', 'h:m:s']),
            ('hms', 'hms', ['column DEC', 'd:m:s']),
            ('pix J2000', 'deg', ['column RA', 'deg, h or rad']),
        ],
    )
    def test_units_that_contradict_are_faults(self, tmp_path, ra, dec, facts):
        fault = faults(tmp_path / 'sources.csv', f'ID,RA ({ra}),DEC ({dec})\n7,10.5,2.2\n')[0]
        assert fault.startswith('sources.csv, line 1: ')
        assert all(fact in fault for fact in facts)

    @pytest.mark.parametrize('unit', ['hms', 'h:m:s', 'hh:mm:ss.s', 'h m s', '"h:m:s"', 'sexagesimal J2000'])
    def test_a_number_in_a_sexagesimal_column_is_a_fault(self, tmp_path, unit):
        header = f'ID;RA ({unit});DEC\n'
        (fault,) = faults(tmp_path / 'sources.csv', f'{header}7;10.5;2\n')
        assert all(fact in fault for fact in ('line 2', "'10.5'", 'hh:mm:ss.s'))
        loaded = load(tmp_path / 'sources.csv', f'{header}7;10:30:00;2\n')
        assert sources(loaded) == [(7, 157.5, 2.0)]

    def test_a_word_that_is_not_understood_is_said_and_the_unit_beside_it_counts(self, tmp_path):
        loaded = load(tmp_path / 'sources.csv', 'ID,RA (h apparent),DEC\n7,10.5,2.2\n')
        assert sources(loaded) == [(7, 157.5, 2.2)]
        assert all(fact in loaded.warnings[0] for fact in ('column RA', 'apparent'))

    def made(self, frame):
        place = self.HERE.transform_to(frame)
        return Table({'ID': [7], 'RA': [place.ra.deg], 'DEC': [place.dec.deg]})

    @pytest.mark.parametrize(
        ('cards', 'frame'),
        [
            ({'RADESYS': 'FK4', 'EQUINOX': 1950.0}, FK4()),
            ({'RADESYS': 'FK4'}, FK4()),
            ({'RADECSYS': 'FK4'}, FK4()),
            ({'EQUINOX': 1950.0}, FK4()),
            ({'RADESYS': 'FK5', 'EQUINOX': 1975.0}, FK5(equinox='J1975')),
            ({'RADESYS': 'FK5', 'EQUINOX': 2000.0}, ICRS()),
            ({'RADESYS': 'ICRS', 'EQUINOX': 2000.0}, ICRS()),
        ],
    )
    @pytest.mark.parametrize('form', ['fits', 'ascii.ecsv'])
    def test_of_a_tables_header(self, tmp_path, form, cards, frame):
        made = self.made(frame)
        made.meta |= cards
        made.write(tmp_path / 'sources', format=form)
        loaded = load(tmp_path / 'sources')
        ((_, *found),) = sources(loaded)
        assert SkyCoord(*found, unit='deg').separation(self.HERE).arcsec < 1e-6
        assert len(loaded.warnings) == (not isinstance(frame, ICRS))

    def test_of_a_column_counts_more_than_the_tables(self, tmp_path):
        made = self.made(ICRS())
        made.meta['RADESYS'] = 'FK4'
        made.rename_columns(['RA', 'DEC'], ['RAJ2000', 'DEJ2000'])
        made.write(tmp_path / 'sources.fits')
        assert sources(load(tmp_path / 'sources.fits')) == [(7, pytest.approx(150.1), pytest.approx(2.2))]

    def test_of_a_columns_description(self, tmp_path):
        made = self.made(FK4())
        made['RA'].description = 'Right ascension (B1950)'
        made.write(tmp_path / 'sources.vot', format='votable')
        ((_, *found),) = sources(load(tmp_path / 'sources.vot'))
        assert SkyCoord(*found, unit='deg').separation(self.HERE).arcsec < 1e-6

    def test_that_is_not_known_is_said(self, tmp_path):
        made = self.made(ICRS())
        made.meta['RADESYS'] = 'GAPPT'
        made.write(tmp_path / 'sources.fits')
        loaded = load(tmp_path / 'sources.fits')
        assert sources(loaded) == [(7, pytest.approx(150.1), pytest.approx(2.2))]
        assert all(fact in loaded.warnings[0].lower() for fact in ('gappt', 'icrs'))

    def test_that_has_no_right_ascension_is_a_fault(self, tmp_path):
        made = self.made(ICRS())
        made.meta['RADESYS'] = 'galactic'
        made.write(tmp_path / 'sources.fits')
        assert 'galactic' in faults(tmp_path / 'sources.fits')[0]


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
