"""DS9 regions as catalogues."""

from __future__ import annotations

import time

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from catalogues import REF, SIZE, faults, load

HEAD = '# Region file format: DS9 version 4.1\nglobal color=green dashlist=8 3 width=1 text={} font="helvetica 10"\n'


@pytest.fixture
def file(tmp_path):
    return tmp_path / 'ds9.reg'


def places(loaded):
    return [(target.ra, target.dec) for target in loaded.targets]


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
def test_shapes_and_texts(file, head, text):
    loaded = load(file, head + text)
    assert [target.id for target in loaded.targets] == [7, 'M 31']
    np.testing.assert_allclose(
        places(loaded), [(150.25, -2.5), (150.251, -2.5)], rtol=0, atol=1e-12
    )
    assert [(target.aper, target.size, target.ref) for target in loaded.targets] == [
        (None, SIZE, REF)
    ] * 2
    assert loaded.description.startswith('ds9.reg: DS9 regions: ')
    assert 'icrs' in loaded.description


FRAMES = [
    ('fk5', 'fk5'),
    ('j2000', 'fk5'),
    ('fk4', 'fk4'),
    ('galactic', 'galactic'),
    ('ecliptic', 'barycentricmeanecliptic'),
]


@pytest.mark.parametrize(('frame', 'name'), FRAMES)
def test_other_systems_of_the_sky_are_those_of_astropy(file, frame, name):
    loaded = load(file, f'{frame}\npoint(150.25,-2.5)\npoint(0.001,+45)\n')
    truth = SkyCoord([(150.25, -2.5), (0.001, 45)], unit='deg', frame=name).icrs
    np.testing.assert_allclose(
        places(loaded), np.transpose([truth.ra.deg, truth.dec.deg]), rtol=0, atol=1e-10
    )


def test_regions_of_several_systems_in_one_file(file):
    text = ''.join(f'{frame}\npoint({number},5)\n' for number, (frame, _) in enumerate(FRAMES, 10))
    truth = [
        SkyCoord(number, 5, unit='deg', frame=name).icrs
        for number, (_, name) in enumerate(FRAMES, 10)
    ]
    np.testing.assert_allclose(
        places(load(file, text)), [(one.ra.deg, one.dec.deg) for one in truth], rtol=0, atol=1e-10
    )


def test_longitudes_have_no_hours(file):
    text = 'galactic\npoint(10:30:00,5)\n'
    truth = SkyCoord(10.5, 5, unit='deg', frame='galactic').icrs
    np.testing.assert_allclose(
        places(load(file, text)), [(truth.ra.deg, truth.dec.deg)], rtol=0, atol=1e-10
    )
    (fault,) = faults(file, 'galactic\npoint(10h11m12s,5)\n')
    assert all(fact in fault for fact in ('line 2', "longitude '10h11m12s'", 'degrees'))


def test_pixels_are_counted_from_1(file):
    loaded = load(file, 'image\npoint(12.5,1)\ncircle(3,4,2.5)\n', mode='cat')
    assert loaded.pixels == {1: {'X': 11.5, 'Y': 0.0}, 2: {'X': 2.0, 'Y': 3.0, 'APER_PIX': 2.5}}
    assert np.isnan(places(loaded)).all()


def test_physical_pixels_are_said(file):
    loaded = load(file, 'physical\npoint(12.5,1)\n')
    assert loaded.pixels == {1: {'X': 11.5, 'Y': 0.0}}
    assert all(fact in loaded.warnings[0] for fact in ('ds9.reg', 'physical', 'pixels of the cube'))


@pytest.mark.parametrize(
    ('radius', 'arcsec'),
    [('2.5"', 2.5), ("0.5'", 30), ('0.001', 3.6), ('0.001d', 3.6), ('1e-5r', 2.0626480624709637)],
)
def test_the_radius_of_a_circle_is_an_aperture_in_mode_cat(file, radius, arcsec):
    text = f'fk5\ncircle(150,2,{radius})\nellipse(150,3,1",2",0)\n'
    assert [target.aper for target in load(file, text).targets] == [None, None]
    first, second = load(file, text, mode='cat').targets
    assert (first.aper, second.aper) == (pytest.approx(arcsec, rel=1e-12), None)


@pytest.mark.parametrize('frame', ['icrs', 'fk5', 'galactic', 'image'])
@pytest.mark.parametrize('unit', ['i', 'p'])
def test_a_radius_in_pixels_is_one_in_every_system(file, frame, unit):
    loaded = load(file, f'{frame}\ncircle(15,2,2.5{unit})\n', mode='cat')
    assert loaded.pixels[1]['APER_PIX'] == 2.5
    assert loaded.targets[0].aper is None


def test_numbers_go_round_those_of_texts(file):
    loaded = load(file, 'icrs\npoint(1,1)\npoint(2,2) # text={2}\npoint(3,3)\n')
    assert [target.id for target in loaded.targets] == [1, 2, 3]


@pytest.mark.parametrize(
    ('row', 'facts'),
    [
        ('cirle(1,1,2")', ['cirle']),
        ('12 13 14', ["'12 13 14'"]),
        ('circle(1,1)', ['circle', '2 numbers', 'expected 3', '(1,1)']),
        ('ellipse(1,1,1",2")', ['ellipse', '4 numbers', 'expected 5']),
        ('circle(1,1,2x)', ['radius 2x', 'arcsec']),
        ('circle(1,1,1.2.3")', ['radius 1.2.3"', 'arcsec']),
        ('point(x,1)', ["right ascension 'x'"]),
        ('point(1.2.3r,1)', ["right ascension '1.2.3r'"]),
        ('point(400,1)', ['right ascension 400', '0 to 360']),
        ('point(1,1) # text={7}', ['ID 7', 'line 2']),
    ],
)
@pytest.mark.parametrize('frame', ['icrs', 'fk5'])
def test_faults_have_their_lines(file, frame, row, facts):
    text = f'{frame}\npoint(1,2) # text={{7}}\n{row}\n'
    fault = faults(file, text, mode='cat')[0]
    assert fault.startswith('ds9.reg, line 3: ')
    assert all(fact in fault for fact in facts)
    loaded = load(file, text, mode='cat', skip_bad_rows=True)
    assert len(loaded.targets) == 1
    assert 'line 3' in loaded.warnings[0]


SHAPES = {
    'box(1,1,2",2",0)': 'box',
    'polygon(150, 2, 150.1, 2, 150, 2.1)': 'polygon',
    'annulus(1,1,1",2")': 'annulus',
    'ellipse(1,1,1",2",3",4",0)': 'elliptical annulus',
    'ellipse(1,1,1",2",3",4",5",6",0) # ellipse n=3': 'elliptical annulus',
    '-circle(1,1,2")': 'excluded circle',
    'line(1,1,2,2)': 'line',
}


@pytest.mark.parametrize('shape', SHAPES)
def test_other_shapes_are_no_sources(file, shape):
    loaded = load(file, f'icrs\npoint(1,2) # text={{7}}\n{shape}\n', mode='cat')
    assert [target.id for target in loaded.targets] == [7]
    (warning,) = loaded.warnings
    assert all(fact in warning for fact in ('ds9.reg', '1 of 2', f'{SHAPES[shape]} in line 3'))
    assert 'no sources' in faults(file, f'icrs\n{shape}\n')[0]


def test_other_shapes_are_said_in_one_line(file):
    (warning,) = load(file, 'icrs\npoint(1,2)\n' + '\n'.join(SHAPES)).warnings
    assert all(fact in warning for fact in (f'{len(SHAPES)} of {len(SHAPES) + 1}', 'line 3', '...'))


@pytest.mark.parametrize(
    ('text', 'fact'), [('point(1,1)\n', 'no coordinates'), ('wcsa\npoint(1,1)\n', 'wcsa')]
)
def test_coordinates_that_are_not_known(file, text, fact):
    (fault,) = faults(file, text)
    assert all(word in fault for word in (fact, 'icrs', 'image'))


@pytest.mark.parametrize('start', ['#CRTFv0', '#CRTF\n', '\n#crtf'])
def test_regions_of_casa_are_refused_as_such(file, start):
    (fault,) = faults(file, f'{start}\ncircle [[150.1deg, 2.2deg], 2arcsec]\n')
    assert all(fact in fault for fact in ('CRTF', 'DS9'))


@pytest.mark.parametrize(
    ('line', 'idents'),
    [
        ('point(1,2) # text={a;b}; point(3,4) # text="c;d"', ['a;b', 'c;d']),
        ('point(1,2) # tag={c} text={a; point(3,4)', [1, 2]),
        ('point(1,2) # text = "a; point(3,4)', [1, 2]),
        ('circle(1,2,3"); circle(3,4,5")', [1, 2]),
    ],
)
def test_semicolons_in_texts(file, line, idents):
    assert [target.id for target in load(file, f'icrs\n{line}\n').targets] == idents


@pytest.mark.parametrize('mark', ['{', 'text={', '="', '{"', 'a ', '(', ';', ' ', '# '])
def test_reading_takes_time_in_proportion_to_the_file(file, mark):
    start = time.process_time()
    load(file, f'icrs\npoint(1,2) # {mark * (200_000 // len(mark))}\n', skip_bad_rows=True)
    assert time.process_time() - start < 4  # a quarter of it where it was written


def test_no_region(file):
    assert 'no sources' in faults(file, HEAD)[0]


def test_what_the_package_regions_writes(file):
    regions = pytest.importorskip('regions')
    import astropy.units as u

    sky = SkyCoord([(150.25, -2.5), (150.5, 2.5)], unit='deg')
    made = [
        regions.CircleSkyRegion(sky[0], 2 * u.arcsec, meta=regions.RegionMeta({'text': 'M 31'})),
        regions.PointSkyRegion(sky[1]),
        regions.EllipseSkyRegion(sky[1].galactic, 2 * u.arcsec, 1 * u.arcsec, 3 * u.deg),
    ]
    regions.Regions(made).write(file, format='ds9', precision=12)
    loaded = load(file, mode='cat')
    assert [target.id for target in loaded.targets] == ['M 31', 1, 2]
    np.testing.assert_allclose(
        places(loaded), [(150.25, -2.5), (150.5, 2.5), (150.5, 2.5)], rtol=0, atol=1e-9
    )
    assert loaded.targets[0].aper == pytest.approx(2, rel=1e-9)
