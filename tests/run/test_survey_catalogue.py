"""A catalogue that reaches beyond the field: rows outside are left out, and are no failures."""

import re
import time

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders import DEC, NX, NY, PIXEL, RA, cube_header, small_cube, write_cube

from autospec_lib.cli.command import main
from autospec_lib.config.params import Params
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube
from autospec_lib.run.job import prepare

INSIDE = [(RA, DEC), (RA - 2 * PIXEL / 3600, DEC)]


def catalogue(folder, places, header='# id ra dec'):
    """Write a catalogue with IDs from 1."""
    lines = [f'{ident} {first:.7f} {second:.7f}' for ident, (first, second) in enumerate(places, 1)]
    (folder / 'catalog.txt').write_text('\n'.join([header, *lines, '']))


def survey(number, seed=1):
    """Positions within two degrees of the field, none of them in it."""
    rng = np.random.default_rng(seed)
    return [(RA + 0.01 + ra, DEC + dec) for ra, dec in rng.uniform((0, -2), (2, 2), (number, 2))]


def settings(folder, **values):
    with (folder / 'param.py').open('a') as file:
        file.writelines(f'{name} = {value!r}\n' for name, value in values.items())


def test_rows_outside_are_one_line_and_no_failures(folder, capsys):
    settings(folder, MARZ=True, REPORT=True)
    catalogue(folder, INSIDE + survey(2000))
    assert main([str(folder)]) == 0
    screen = capsys.readouterr()
    assert screen.out == '2 of 2 sources extracted\n'
    (line,) = screen.err.splitlines()
    assert '2,000 of 2,002' in line
    assert Table.read(folder / 'output' / 'summary.ecsv')['ID'].tolist() == [1, 2]
    assert fits.getdata(folder / 'output' / 'marz.fits', 'FIBRES')['NAME'].tolist() == ['1', '2']
    (log,) = (folder / 'logs').iterdir()
    assert '2,000 of 2,002' in log.read_text()
    assert main([str(folder), '--resume', '-v']) == 0
    assert '2: Kept' in capsys.readouterr().out


def test_faults_and_ids_of_rows_outside_do_not_matter(folder, capsys):
    outside = f'{RA + 1:.7f} {DEC:.7f}'
    inside, beside = (f'{ra:.7f} {dec:.7f}' for ra, dec in INSIDE)
    rows = [
        '# id ra dec',
        f'1 {inside}',
        f'1 {outside}',
        f'2 {outside}',
        f'2 {beside}',
        f'- {outside}',
        f'3 {outside}',
    ]
    (folder / 'catalog.txt').write_text('\n'.join([*rows, '']))
    assert main([str(folder)]) == 0
    assert '3 rows with faults' in capsys.readouterr().err
    assert Table.read(folder / 'output' / 'summary.ecsv')['ID'].tolist() == [1, 2]
    for row, facts in (
        (f'2 {inside}', ('line 8', 'ID 2', 'line 5')),
        (f'- {beside}', ('line 8', 'no ID')),
    ):
        (folder / 'catalog.txt').write_text('\n'.join([*rows, row, '']))
        assert main([str(folder), '--check']) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert all(fact in line for fact in facts)
    (folder / 'datacube.fits').write_bytes(b'nothing')
    assert main([str(folder), '--check']) == 2
    faults = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in faults] == ['catalog.txt,'] * 4 + ['datacube.fits:']


def test_a_catalogue_whose_faulty_rows_all_lie_outside_is_refused(folder, capsys):
    (folder / 'catalog.txt').write_text(
        f'# id ra dec\n1 {RA + 1:.7f} {DEC:.7f}\n1 {RA + 2:.7f} {DEC:.7f}\n'
    )
    assert main([str(folder)]) == 2
    assert 'line 3' in capsys.readouterr().err


def test_a_few_rows_outside_are_named(folder, capsys):
    catalogue(folder, [INSIDE[0], (RA, DEC + 1 / 60), (RA, DEC + 3), (RA + 180, -DEC)])
    assert main([str(folder)]) == 0
    assert re.findall(r'ID (\d): ([\d.]+ \w+)', capsys.readouterr().err) == [
        ('2', '57.5 arcsec'),
        ('3', '3.0 degrees'),
        ('4', '180.0 degrees'),
    ]


def test_rows_in_the_corners_of_a_rotated_field_are_outside_too(folder, capsys):
    data, variance = (
        np.pad(part, ((0, 0), (20, 20), (20, 20)), mode='wrap') for part in small_cube()
    )
    ny, nx = data.shape[1:]
    y, x = np.mgrid[:ny, :nx]
    data[:, abs(y - ny / 2) + abs(x - nx / 2) > ny / 2] = np.nan  # a square turned by 45 degrees
    data[:, 30:33, 33:36] = np.nan  # a saturated core is no edge
    header = cube_header()
    header['CRPIX1'] += 20
    header['CRPIX2'] += 20
    write_cube(folder / 'datacube.fits', data, variance, header=header)
    step = PIXEL / 3600
    centre = RA - (nx / 2 - 33) * step, DEC + (ny / 2 - 31) * step
    core = RA - step, DEC  # pixel (31, 34)
    corner = RA + 32 * step, DEC - 30 * step
    edge = centre[0], centre[1] + (ny / 2 - 2) * step
    catalogue(folder, [centre, core, corner, edge, (RA, DEC + 1)])
    assert main([str(folder), '--check']) == 0
    screen = capsys.readouterr()
    assert [line for line in screen.err.splitlines() if 'no data (ID 3)' in line and ' 1 ' in line]
    assert 'inside: 3' in screen.out
    assert main([str(folder)]) == 0
    assert Table.read(folder / 'output' / 'summary.ecsv')['ID'].tolist() == [1, 2, 4]
    assert main([str(folder), '--id', '3']) == 1  # named by the user
    catalogue(folder, [corner])
    for arguments, code in ((['--check'], 0), ([], 1)):
        assert main([str(folder), *arguments]) == code
        assert '1 of 1 rows lie where the cube has no data (ID 1)' in capsys.readouterr().err


def _without_free_space(text):
    return re.sub(r'\d+ MB are free', '', text).splitlines()


def test_check_counts_memory_and_disk_of_the_sources_inside(folder, capsys):
    catalogue(folder, INSIDE)
    assert main([str(folder), '--check']) == 0
    before = _without_free_space(capsys.readouterr().out)
    catalogue(folder, INSIDE + survey(300))
    assert main([str(folder), '--check']) == 0
    screen = capsys.readouterr()
    assert _without_free_space(screen.out) == before
    assert '300 of 302' in screen.err
    field = next(line for line in before if line.startswith('field: '))
    assert field.endswith('inside: 2')
    opened = cube.open_cube(folder / 'datacube.fits')
    numbers = [float(number) for number in re.findall(r'[+\d]\d*\.\d{5}', field)]
    ends = [
        ((NY - 1) / 2, (NX - 1) / 2),
        *((y, x) for y, x in [(-0.5, -0.5), (-0.5, 26.5), (23.5, 26.5), (23.5, -0.5)]),
    ]
    np.testing.assert_allclose(
        numbers, np.ravel([opened.sky.to_icrs(*end) for end in ends]), atol=6e-6
    )


def test_sources_that_are_named_fail_outside(folder, capsys):
    catalogue(folder, INSIDE + survey(30))
    assert main([str(folder), '--id', '2', '5']) == 1
    said = capsys.readouterr().err
    assert re.search(r'5: Error, \d+\.\d arcsec outside', said)
    assert '30 of 32' not in said
    assert Table.read(folder / 'output' / 'summary.ecsv')['STATUS'].tolist() == [
        'not reached',
        'extracted',
        'failed',
    ]
    assert main(['--radec', f'{RA} {DEC}', '--radec', f'{RA} {DEC + 0.1}', str(folder)]) == 1
    assert '357.5 arcsec outside' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('places', 'advice', 'header'),
    [
        (
            [(ra / 15, dec) for ra, dec in INSIDE + survey(9)],
            'RA in hours, 2 would',
            'id RA(h) dec',
        ),
        (
            [(40.0, 80.0), (12.0, 14.0), (15.0, 11.0), (20.0, 3.0)],
            'pixels, 3 would',
            'id X_IMAGE Y_IMAGE',
        ),
    ],
)
def test_no_row_inside_is_refused_with_the_reading_that_would_help(
    folder, capsys, places, advice, header
):
    catalogue(folder, places)
    for options in ([], ['--check'], ['--id', '2']):
        assert main([str(folder), *options]) == 2
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        assert f'centre at RA Dec {RA:.5f} +2.00003' in said
        assert 'corners at 150.00075 +1.99936' in said
        assert advice in said or options
    assert not (folder / 'output').exists()
    catalogue(folder, places, header)
    assert main([str(folder), '-q']) == 0


def test_swapped_columns_are_recognised(folder, capsys):
    header = cube_header()
    header['CRVAL1'], header['CRVAL2'] = 12.0, 34.0
    write_cube(folder / 'datacube.fits', *small_cube(), header)
    catalogue(folder, [(34.0, 12.0), (50.0, 60.0)])
    assert main([str(folder)]) == 2
    assert 'RA and Dec swapped, 1 would' in capsys.readouterr().err
    catalogue(folder, [(34.0, 12.0), (50.0, 60.0)], 'ID DEC RA')
    assert main([str(folder), '-q']) == 0


def test_another_survey_is_not_taken_for_pixels(folder, capsys):
    rng = np.random.default_rng(1)
    catalogue(folder, [(10 + ra, 20 + dec) for ra, dec in rng.uniform(0, 1, (50, 2))])
    assert main([str(folder)]) == 2
    said = capsys.readouterr().err
    assert 'would' not in said
    assert re.search(r'nearest, ID \d+, is 1\d\d\.\d degrees', said)


def test_swapped_columns_of_a_whole_survey_are_few_lines(folder, capsys):
    catalogue(folder, [(dec, ra) for ra, dec in survey(500)])
    assert main([str(folder)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert 'is outside -90 to 90 degrees; is it the right ascension' in lines[0]
    assert '480 more' in lines[-1]


@pytest.mark.parametrize('projection', ['TAN', 'TAN-SIP', 'SIN', 'CAR'])
def test_tens_of_thousands_of_positions_are_as_one_by_one(tmp_path, projection):
    header = cube_header()
    header['CTYPE1'], header['CTYPE2'] = f'RA---{projection}', f'DEC--{projection}'
    if projection == 'TAN-SIP':
        header['A_ORDER'] = header['B_ORDER'] = 2
        header['A_2_0'], header['B_0_2'] = 1e-4, -1e-4
    write_cube(tmp_path / 'c.fits', *small_cube(), header)
    opened = cube.open_cube(tmp_path / 'c.fits')
    rng = np.random.default_rng(2)
    sky = rng.uniform((0, -90), (360, 90), (30_000, 2))
    targets = [Target(n, ra, dec, 3.0) for n, (ra, dec) in enumerate([*INSIDE, *sky.tolist()])]
    start = time.process_time()
    inside = cube.covers(opened, cube.positions(opened, targets))
    assert time.process_time() - start < 1
    assert inside.sum() == 2
    for target, place in zip(targets[:2], cube.positions(opened, targets), strict=False):
        np.testing.assert_allclose(cube.box_of(opened, target)[0], place, rtol=0, atol=1e-9)
    assert cube.distances(opened, targets[2:]).max() <= 180


def test_tens_of_thousands_of_rows_are_prepared_in_seconds(folder):
    catalogue(folder, INSIDE + survey(30_000))
    start = time.process_time()
    job, targets, _ = prepare(folder, Params(deblend=True))
    assert time.process_time() - start < 2
    assert [target.id for target in targets] == [1, 2]
    assert job.sources.keys() == {1, 2}


def test_rows_in_pixels_have_their_places(folder):
    catalogue(folder, [(14.0, 12.0), (3.0, 22.0), (300.0, 12.0)], 'ID X_IMAGE Y_IMAGE')
    job, targets, warnings = prepare(folder, Params())
    np.testing.assert_allclose(cube.positions(job.cube, targets), [(11, 13), (21, 2)], atol=1e-6)
    assert any('1 of 3' in warning for warning in warnings)


def test_neighbours_beyond_the_edge_stay(folder):
    """The light of a source just outside the field reaches into it."""
    catalogue(folder, [*INSIDE, (RA - 14.5 * PIXEL / 3600, DEC), (RA - 60 * PIXEL / 3600, DEC)])
    job, targets, _ = prepare(folder, Params(size=6.0, deblend=True))
    assert job.sources.keys() == {1, 2, 3}
    assert cube.cut(job.cube, targets[0], job.sources).neighbours.keys() == {2, 3}
