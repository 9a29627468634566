"""Positions on the command line."""

from __future__ import annotations

import os

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from builders import DEC, RA

from autospec_lib.cli.command import main
from autospec_lib.inputs import catalogue

HERE = '10:00:00.00 +02:00:00.0'  # RA, DEC
NAME = 'J100000.00+020000.0'


@pytest.fixture
def bare(folder, monkeypatch):
    """A folder with nothing but a cube."""
    for name in ('param.py', 'catalog.txt'):
        (folder / name).rename(folder / f'old_{name}')
    (folder / 'datacube.fits').rename(folder / 'cube.fits')
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    'text', [HERE, f'{RA} {DEC}', '10h00m00s,02d00m00s', '10 00 00 +02 00 00', ' 150.0,  +2.0 ']
)
def test_a_position_needs_nothing_but_a_cube(bare, text):
    assert main(['--radec', text, 'cube.fits', '-q']) == 0
    header = fits.getheader(bare / 'output' / f'Source_{NAME}.fits')
    assert (header['ID'], header['RA'], header['DEC']) == (NAME, RA, DEC)
    assert (bare / 'output' / 'images' / NAME / f'{NAME}_SPECTRA.jpg').exists()
    assert not (bare / 'param.py').exists()


def test_a_position_gives_what_a_catalogue_gives_and_param_py_counts(folder):
    assert main([str(folder), '-q']) == 0
    (folder / 'catalog.txt').unlink()
    assert main(['--radec', HERE, '-q', str(folder)]) == 0
    with (
        fits.open(folder / 'output' / 'Source_7.fits') as catalogued,
        fits.open(folder / 'output' / f'Source_{NAME}.fits') as given,
    ):
        # SIZE, no plots: param.py's.
        assert [hdu.name for hdu in catalogued] == [hdu.name for hdu in given]
        for one, other in zip(catalogued[1:], given[1:], strict=True):
            np.testing.assert_array_equal(one.data, other.data)
    assert not (folder / 'output' / 'images').exists()


def test_several_positions_are_extracted_and_resumed(bare, capsys):
    both = ['--radec', HERE, '--radec', '150.0003 2', 'cube.fits', '-v']
    assert main(both) == 0
    assert '2 of 2 sources' in capsys.readouterr().out
    assert main([*both, '--resume']) == 0
    assert f'{NAME}: Kept' in capsys.readouterr().out


def test_neighbours_are_the_other_positions(bare, capsys):
    (bare / 'param.py').write_text('DEBLEND = True\nPLOTS = REPORT = False\nSIZE = 3\n')
    both = ['--radec', HERE, '--radec', '150.0003 2', 'cube.fits']
    assert main([*both, '-q']) == 0
    assert fits.getheader(bare / 'output' / f'Source_{NAME}.fits')['DBID1'] == 'J100000.07+020000.0'
    assert main([*both[:2], 'cube.fits', '-v', '--resume']) == 0
    assert f'{NAME}: Extracted' in capsys.readouterr().out
    assert fits.getheader(bare / 'output' / f'Source_{NAME}.fits').get('DBID1', -1) == -1


def test_check_says_what_a_position_would_give(bare, capsys):
    before = sorted(bare.iterdir())
    assert main(['--radec', HERE, 'cube.fits', '--check']) == 0
    said = capsys.readouterr().out
    assert f'source {NAME}: 24 x 24 spaxels' in said or f'source {NAME}: 25 x 25 spaxels' in said
    assert 'catalogue: positions of the command line' in said
    assert sorted(bare.iterdir()) == before


@pytest.mark.parametrize(
    ('arguments', 'fault'),
    [
        (
            ['--radec', '10:00:00 +02 0', 'cube.fits'],
            "--radec '10:00:00 +02 0': 3 values; expected degrees",
        ),
        (['--radec', 'a b', 'cube.fits'], "--radec 'a b': right ascension 'a' is not a number"),
        (['--radec', '400 2', 'cube.fits'], 'right ascension 400 is outside 0 to 360 degrees'),
        (
            ['--radec', HERE, '--radec', '150 2', 'cube.fits'],
            f"--radec '150 2': is {NAME}, which is given already",
        ),
        (['--radec', HERE], 'neither param.py nor datacube.fits in'),
        (
            ['--radec', HERE, 'nothing.fits'],
            'nothing.fits: not found; expected the cube or the working folder',
        ),
        (['--radec', HERE, 'cube.fits', '--id', '7'], '--radec and --id: choose one of them'),
        (['--radec', HERE, 'old_catalog.txt'], 'old_catalog.txt: '),
    ],
)
def test_a_position_that_cannot_be_used_is_a_fault(bare, capsys, arguments, fault):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert fault in said
    assert len(said.splitlines()) == 1
    assert not (bare / 'output').exists()


def test_a_pipe_in_place_of_the_cube_is_called_a_pipe(bare, capsys):
    os.mkfifo(bare / 'pipe.fits')
    assert main(['--radec', HERE, 'pipe.fits']) == 2
    said = capsys.readouterr().err
    assert 'pipe.fits: is a pipe' in said
    assert 'not found' not in said


@pytest.mark.parametrize(
    'words', [['150.0', '2.0', 'cube.fits'], ['cube.fits', '10:00:00.00', '-02:00:00.0']]
)
def test_a_position_without_quotes_gets_the_hint(bare, capsys, words):
    words.insert(words.index(next(word for word in words if word[0].isdigit())), '--radec')
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "quote both: --radec '130.578 1.643'" in capsys.readouterr().err.splitlines()[-1]
    assert not (bare / 'output').exists()


@pytest.mark.parametrize(
    'place', [(0.0, 0.0), (359.99999999, -89.999999), (130.5783333333333, 1.6425), (83.8, -5.4)]
)
def test_names_are_the_position_cut(place):
    ra, dec = place
    name = catalogue.position_name(ra, dec)
    text = (
        f'{name[1:3]}h{name[3:5]}m{name[5:10]}s {name[10]}{name[11:13]}d{name[13:15]}m{name[15:]}s'
    )
    found = SkyCoord(text)
    assert 0 <= (ra - found.ra.deg + 1e-6) < 0.01 * 15 / 3600 + 2e-6
    assert 0 <= (abs(dec) - abs(found.dec.deg) + 1e-6) < 0.1 / 3600 + 2e-6
    assert (name[10] == '-') == (dec < 0)
