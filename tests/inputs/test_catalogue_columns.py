"""Names and units of columns."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, ICRS, SkyCoord
from astropy.io import fits
from astropy.table import QTable, Table
from catalogues import BOTH, PLACES, SIZE, faults, load, sources, table

from autospec_lib.inputs import catalogue_columns


def test_each_name_stands_once_and_in_small_letters():
    for names in (
        catalogue_columns.IDENTS,
        catalogue_columns.SKY_PAIRS,
        catalogue_columns.PIXELS_FROM_1,
        catalogue_columns.PIXELS_FROM_0,
        catalogue_columns.REDSHIFTS,
    ):
        assert len(set(names)) == len(names)
        assert repr(names) == repr(names).lower()


@pytest.mark.parametrize('pair', catalogue_columns.SKY_PAIRS)
def test_every_name_of_a_position(tmp_path, pair):
    scale = np.degrees(1) if pair.startswith('coord_') else 1
    text = f'NUMBER,{pair.upper().replace(" ", ",")}\n3,1.5,0.25\n'
    assert sources(load(tmp_path / 'sources.csv', text)) == [
        (3, pytest.approx(1.5 * scale), pytest.approx(scale / 4))
    ]


@pytest.mark.parametrize('name', catalogue_columns.IDENTS)
def test_every_name_of_an_id(tmp_path, name):
    text = f'mag,{name.upper()},RA,DEC\n21.5,3,1.5,0.25\n20.5,9,1.25,0.5\n'
    assert sources(load(tmp_path / 'sources.csv', text)) == [(3, 1.5, 0.25), (9, 1.25, 0.5)]


@pytest.mark.parametrize(
    ('header', 'facts'),
    [
        ('ID RA DEC RA', ['column RA', 'twice']),
        ('ID RA DEC (pix)', ['column DEC', 'pix', 'deg or rad']),
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


@pytest.mark.parametrize(
    ('unit', 'factor'), [('h', 15), ('hourangle', 15), ('rad', 180 / np.pi), ('arcmin', 1 / 60)]
)
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


@pytest.mark.parametrize(
    'unit', ['J2000', 'deg', 'degrees J2000', 'deg.', 'decimal degrees', 'd', 'none', 'deg/ICRS']
)
def test_degrees_in_any_words(tmp_path, unit):
    loaded = load(tmp_path / 'sources.txt', f'"ID","RA ({unit})","DEC"\n3,150.0,2.0\n')
    assert (sources(loaded), loaded.warnings) == ([(3, 150.0, 2.0)], ())


@pytest.mark.parametrize(
    'unit',
    [
        *(
            'km',
            'min',
            's',
            'gon',
            'turn',
            'mdeg',
            'urad',
            'uas',
            '24h',
            '1e-6 deg',
            'deg*1e6',
            'deg/1000',
            'h/24',
        ),
        *(
            'apparent',
            'h apparent',
            'deg of date',
            'galactic',
            'deg ecliptic',
            'deg HST',
            'epoch 1991.25',
        ),
    ],
)
@pytest.mark.parametrize('form', ['csv', 'fits'])
def test_a_unit_that_is_not_understood_is_a_fault(tmp_path, unit, form):
    if form == 'csv':
        (fault,) = faults(tmp_path / 'sources', f'"ID","RA ({unit})","DEC"\n3,10.5,2.0\n')
    else:
        formats = {'ID': 'J', 'RA': 'D', 'DEC': 'D'}
        made = [
            fits.Column(name, kind, array=[1], unit=unit if name == 'RA' else '')
            for name, kind in formats.items()
        ]
        fits.BinTableHDU.from_columns(made).writeto(tmp_path / 'sources')
        (fault,) = faults(tmp_path / 'sources')
    assert all(fact in fault for fact in ('column RA', 'deg', *unit.split()[-1:]))


class TestCoordinateSystems:
    """Units that name an epoch, a coordinate system or a sexagesimal form, and systems that tables
    declare."""

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
        ra, dec = (
            place.ra.to_string('hour', sep=':', precision=8),
            place.dec.to_string('deg', sep=':', precision=8),
        )
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

    @pytest.mark.parametrize(
        'unit', ['hms', 'h:m:s', 'hh:mm:ss.s', 'h m s', '"h:m:s"', 'sexagesimal J2000']
    )
    def test_a_number_in_a_sexagesimal_column_is_a_fault(self, tmp_path, unit):
        header = f'ID;RA ({unit});DEC\n'
        (fault,) = faults(tmp_path / 'sources.csv', f'{header}7;10.5;2\n')
        assert all(fact in fault for fact in ('line 2', "'10.5'", 'hh:mm:ss.s'))
        loaded = load(tmp_path / 'sources.csv', f'{header}7;10:30:00;2\n')
        assert sources(loaded) == [(7, 157.5, 2.0)]

    @pytest.mark.parametrize(
        ('names', 'frame', 'factor'),
        [
            ('RA_B1950,DEC_B1950', FK4(), 1),
            ('RA B1950,DEC B1950', FK4(), 1),
            ('RAB1950,DEB1950', FK4(), 1),
            ('RA1950,Dec1950', FK4(), 1),
            ('R.A. (B1950),Decl. (B1950)', FK4(), 1),
            ('alpha_b1950,delta_b1950', FK4(), 1),
            ('RA (deg) B1950,DEC', FK4(), 1),
            ('"RA (B1950, epoch 1983.5)",DEC', FK4(), 1),
            ('RA (epoch 1950),DEC', FK4(), 1),
            ('RA (FK4 B1900),DEC', FK4(equinox='B1900'), 1),
            ('"RA (FK5, equinox 2010)",DEC', FK5(equinox='J2010'), 1),
            ('RA (FK5 J2010),DEC', FK5(equinox='J2010'), 1),
            ('"RA (FK5 J2000, epoch 1991.25)",DEC', ICRS(), 1),
            ('"RA (ICRS, Ep=J1991.25)",DEC', ICRS(), 1),
            ('RA_h,DEC_d', ICRS(), 15),
            ('RA_hours,DEC_deg', ICRS(), 15),
            ('RA (h) J2000,DEC (deg) J2000', ICRS(), 15),
            ('RA / h,DEC / deg', ICRS(), 15),
            ('"RA, h","DEC, deg"', ICRS(), 15),
            ('RA in hours,DEC in degrees', ICRS(), 15),
            ('RAJ2000,DECJ2000', ICRS(), 1),
            ('R.A.,Dec.', ICRS(), 1),
        ],
    )
    @pytest.mark.parametrize('comment', ['', '#'])
    def test_units_and_systems_in_names_count(self, tmp_path, comment, names, frame, factor):
        place = self.HERE.transform_to(frame)
        ra, dec = place.ra.deg / factor, place.dec.deg
        loaded = load(tmp_path / 'sources.csv', f'{comment}ID,{names}\n7,{ra:.12f},{dec:.12f}\n')
        ((_, *found),) = sources(loaded)
        assert SkyCoord(*found, unit='deg').separation(self.HERE).arcsec < 1e-3
        assert len(loaded.warnings) == (not isinstance(frame, ICRS))

    def test_of_several_positions_that_in_icrs_is_read(self, tmp_path):
        text = 'ID,RA_B1950,DEC_B1950,RA_ICRS_deg,DEC_ICRS_deg\n7,1,1,150.25,2.5\n'
        assert sources(load(tmp_path / 'sources.csv', text)) == [(7, 150.25, 2.5)]

    @pytest.mark.parametrize(
        'names',
        [
            'RAh,RAm',
            'hours,degrees',
            'lon,lat',
            'GLON,GLAT',
            'l,b',
            'x (rad),y (rad)',
            'B1950,B1950',
            'RA_gal,DEC',
        ],
    )
    @pytest.mark.parametrize('comment', ['', '# '])
    def test_other_positions_are_not_taken_for_degrees(self, tmp_path, comment, names):
        text = f'{comment}ID,{names}\n7,10.5,2.5\n'
        assert 'expected RA and DEC' in faults(tmp_path / 'sources.csv', text)[0]

    @pytest.mark.parametrize(
        'comment',
        [
            'Equinox B1950',
            'equinox: 1950.0',
            'RADESYS = FK4',
            'coordinates: FK4 (B1950.0)',
            'Coosys\tB1950: eq_FK4 B1950',
        ],
    )
    @pytest.mark.parametrize(
        'header', ['', 'ID RA DEC\n', '# ID RA DEC\n', '# 1 ID\n# 2 RA\n# 3 DEC\n']
    )
    def test_of_a_comment(self, tmp_path, comment, header):
        ra, dec = self.HERE.fk4.ra.deg, self.HERE.fk4.dec.deg
        loaded = load(tmp_path / 'sources.txt', f'# {comment}\n{header}7 {ra:.12f} {dec:.12f}\n')
        ((_, *found),) = sources(loaded)
        assert SkyCoord(*found, unit='deg').separation(self.HERE).arcsec < 1e-3
        assert 'FK4' in loaded.warnings[0]

    @pytest.mark.parametrize(
        'comment',
        [
            'around PSR B1937+21',
            'converted from B1950 to J2000',
            'precessed from B1950',
            'observed 1950',
            'ICRS',
        ],
    )
    def test_other_comments_change_nothing(self, tmp_path, comment):
        loaded = load(tmp_path / 'sources.txt', f'# {comment}\n7 150.25 2.5\n')
        assert (sources(loaded), loaded.warnings) == ([(7, 150.25, 2.5)], ())

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
            ({'EQUINOX': 'B1950'}, FK4()),
            ({'EPOCH': 1950.0}, FK4()),
            ({'EPOCH': 2015.5}, ICRS()),
            ({'COORDSYS': 'FK4'}, FK4()),
            ({'comments': ['Equinox B1950']}, FK4()),
            ({'EQUINOX': 2010.0}, FK5(equinox='J2010')),
            ({'RADESYS': 'ICRS', 'EQUINOX': 1950.0}, ICRS()),
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
        assert sources(load(tmp_path / 'sources.fits')) == [
            (7, pytest.approx(150.1), pytest.approx(2.2))
        ]

    def test_of_the_first_header_of_a_fits_file(self, tmp_path):
        made = fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(self.made(FK4()))])
        made[0].header['RADESYS'] = 'FK4'
        made.writeto(tmp_path / 'sources.fits')
        ((_, *found),) = sources(load(tmp_path / 'sources.fits'))
        assert SkyCoord(*found, unit='deg').separation(self.HERE).arcsec < 1e-6

    def test_of_a_column_of_coordinates_counts_more_than_the_tables(self, tmp_path):
        QTable({'ID': [7], 'coord': self.HERE[None].fk4}, meta={'RADESYS': 'FK4'}).write(
            tmp_path / 'sources.ecsv'
        )
        ((_, *found),) = sources(load(tmp_path / 'sources.ecsv'))
        assert SkyCoord(*found, unit='deg').separation(self.HERE).arcsec < 1e-6

    @pytest.mark.parametrize(
        'text',
        [
            'Right ascension (B1950)',
            'RA (FK4, Equinox=B1950) (Epoch=J1983.5)',
            'Right ascension, equinox 1950.0',
        ],
    )
    def test_of_a_columns_description(self, tmp_path, text):
        made = self.made(FK4())
        made['RA'].description = text
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
    assert [(target.size, target.aper) for target in loaded.targets] == [
        (arcsec, arcsec),
        (SIZE, None),
    ]
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
