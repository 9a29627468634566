"""DS9 regions as catalogues."""

from __future__ import annotations

import re

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from autospec_lib.core.errors import InputError
from autospec_lib.inputs import catalogue

SIZE, REF = 4.5, 'g-band'
HEAD = '# Region file format: DS9 version 4.1\nglobal color=green dashlist=8 3 width=1 text={} font="helvetica 10"\n'


@pytest.fixture
def load(tmp_path):
    def write_and_load(text, mode='param', skip_bad_rows=False):
        (tmp_path / 'ds9.reg').write_text(text)
        return catalogue.load(tmp_path / 'ds9.reg', mode, SIZE, REF, skip_bad_rows)

    return write_and_load


def places(found):
    return [(target.ra, target.dec) for target in found.targets]


@pytest.mark.parametrize(
    'text',
    [
        'icrs\npoint(150.25,-2.5) # point=x text={7}\ncircle(10:01:00.24,-02:30:00,2.5") # text="M 31"\n',
        "icrs;point(150.25, -2.5) # text={7}\nicrs;circle(10h01m00.24s -02d30m00s 2.5') # text='M 31'\n",
        'icrs\n+point 150.25 -2.5 # text={7}\nellipse(150.251d,-2.5d,2",1",30) # color=red text={M 31}\n',
        'ICRS\nPOINT(150.25,-2.5) # text={7}; circle(150.251,-2.5,1i) # text={M 31} tag={a;b}\n',
    ],
)
@pytest.mark.parametrize('head', ['', HEAD])
def test_shapes_and_texts(load, head, text):
    found = load(head + text)
    assert [target.id for target in found.targets] == [7, 'M 31']
    np.testing.assert_allclose(places(found), [(150.25, -2.5), (150.251, -2.5)], rtol=0, atol=1e-12)
    assert [(target.aper, target.size, target.ref) for target in found.targets] == [(None, SIZE, REF)] * 2
    assert found.description == 'ds9.reg: DS9 regions: ID = text, or numbered, positions in icrs coordinates'


@pytest.mark.parametrize(
    ('frame', 'name'),
    [
        ('fk5', 'fk5'),
        ('j2000', 'fk5'),
        ('fk4', 'fk4'),
        ('galactic', 'galactic'),
        ('ecliptic', 'barycentricmeanecliptic'),
    ],
)
def test_other_systems_of_the_sky_are_those_of_astropy(load, frame, name):
    found = load(f'{frame}\npoint(150.25,-2.5)\npoint(0.001,+45)\n')
    truth = SkyCoord([(150.25, -2.5), (0.001, 45)], unit='deg', frame=name).icrs
    np.testing.assert_allclose(places(found), np.transpose([truth.ra.deg, truth.dec.deg]), rtol=0, atol=1e-10)


def test_pixels_are_counted_from_1(load):
    found = load('image\npoint(12.5,1)\ncircle(3,4,2.5)\n', mode='cat')
    assert found.pixels == {1: {'X': 11.5, 'Y': 0.0}, 2: {'X': 2.0, 'Y': 3.0, 'APER_PIX': 2.5}}
    assert np.isnan(places(found)).all()


def test_physical_pixels_are_said(load):
    found = load('physical\npoint(12.5,1)\n')
    assert found.pixels == {1: {'X': 11.5, 'Y': 0.0}}
    assert 'physical coordinates are taken as pixels' in found.warnings[0]


@pytest.mark.parametrize(
    ('radius', 'arcsec'), [('2.5"', 2.5), ("0.5'", 30), ('0.001', 3.6), ('0.001d', 3.6), ('1e-5r', 2.0626480624709637)]
)
def test_the_radius_of_a_circle_is_an_aperture_in_catalogue_mode(load, radius, arcsec):
    text = f'fk5\ncircle(150,2,{radius})\nellipse(150,3,1",2",0)\n'
    assert [target.aper for target in load(text).targets] == [None, None]
    first, second = load(text, mode='cat').targets
    assert (first.aper, second.aper) == (pytest.approx(arcsec, rel=1e-12), None)


def test_numbers_go_round_those_that_are_taken(load):
    found = load('icrs\npoint(1,1)\npoint(2,2) # text={2}\npoint(3,3)\n')
    assert [target.id for target in found.targets] == [1, 2, 3]


@pytest.mark.parametrize(
    ('row', 'fault'),
    [
        ('box(1,1,2",2",0)', 'box is not a source; expected point, circle or ellipse'),
        ('-circle(1,1,2")', '-circle is not a source'),
        ('cirle(1,1,2")', 'cirle is not a source'),
        ('12 13 14', "'12 13 14' is not a source"),
        ('circle(1,1)', '2 of 3 numbers of a circle: (1,1)'),
        ('circle(1,1,2x)', 'radius 2x is not a number'),
        ('point(x,1)', "right ascension 'x' is not a number"),
        ('point(400,1)', 'right ascension 400 is outside 0 to 360 degrees'),
        ('point(1,1) # text={7}', 'ID 7 is in line 2 too'),
    ],
)
@pytest.mark.parametrize('frame', ['icrs', 'fk5'])
def test_faults_have_their_lines(load, frame, row, fault):
    text = f'{frame}\npoint(1,2) # text={{7}}\n{row}\n'
    with pytest.raises(InputError) as caught:
        load(text, mode='cat')
    assert caught.value.faults[0].startswith(f'ds9.reg, line 3: {fault}')
    found = load(text, mode='cat', skip_bad_rows=True)
    assert len(found.targets) == 1
    assert found.warnings[0].endswith('; skipped')


@pytest.mark.parametrize(
    ('text', 'fault'), [('point(1,1)\n', 'no coordinates above the region'), ('wcsa\npoint(1,1)\n', 'coordinates wcsa')]
)
def test_coordinates_that_are_not_known(load, text, fault):
    with pytest.raises(InputError, match=re.escape(fault)):
        load(text)


def test_no_region(load):
    with pytest.raises(InputError, match='no sources'):
        load(HEAD)


def test_what_the_package_regions_writes(tmp_path):
    regions = pytest.importorskip('regions')
    import astropy.units as u

    sky = SkyCoord([(150.25, -2.5), (150.5, 2.5)], unit='deg')
    made = [
        regions.CircleSkyRegion(sky[0], 2 * u.arcsec, meta=regions.RegionMeta({'text': 'M 31'})),
        regions.PointSkyRegion(sky[1]),
        regions.EllipseSkyRegion(sky[1].galactic, 2 * u.arcsec, 1 * u.arcsec, 3 * u.deg),
    ]
    regions.Regions(made).write(tmp_path / 'made.reg', format='ds9', precision=12)
    found = catalogue.load(tmp_path / 'made.reg', 'cat', SIZE, REF)
    assert [target.id for target in found.targets] == ['M 31', 1, 2]
    np.testing.assert_allclose(places(found), [(150.25, -2.5), (150.5, 2.5), (150.5, 2.5)], rtol=0, atol=1e-9)
    assert found.targets[0].aper == pytest.approx(2, rel=1e-9)


@pytest.mark.parametrize('shape', ['box(150, 2, 3", 3", 0)', 'polygon(150, 2, 150.1, 2, 150, 2.1)'])
def test_a_region_file_may_begin_with_any_shape(tmp_path, shape):
    (tmp_path / 'sources.reg').write_text(f'{shape}\n')
    with pytest.raises(InputError, match='is not a source; expected point, circle or ellipse'):
        catalogue.load(tmp_path / 'sources.reg', 'param', 5.0, '')
