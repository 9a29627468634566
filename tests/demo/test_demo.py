"""The demonstrations: the real cube of Abell 478 from end to end, and the simulated field."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from autospec_lib.cli import command
from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.demo import folders, simulation


def test_the_real_cube_gives_all_eight_sources_and_their_pictures(tmp_path, capsys):
    folder = tmp_path / 'abell'
    assert main(['--demo', str(folder)]) == 0
    said = capsys.readouterr().out
    assert '8 of 8 sources extracted' in said
    assert f'{folder}/output/images/6/6_IMAGES.jpg' in said
    assert len(list((folder / 'output').glob('Source_*.fits'))) == 8
    assert len(list((folder / 'output' / 'images').glob('*/*.jpg'))) == 32
    with fits.open(folder / 'output' / 'Source_6.fits') as hdus:
        # The knot's brightest line is [N II] 6583 at z = 0.086.
        spectrum = hdus['SPE_CROSS_CORRELATION_CONTSUB_SKYSUB_DATA']
        peak = spectrum.header['CRVAL1'] + spectrum.header['CDELT1'] * np.nanargmax(spectrum.data)
        assert peak == pytest.approx(6583.5 * 1.086, abs=8)


def test_a_demo_folder_keeps_what_the_user_has_edited(tmp_path):
    folders.make_abell(tmp_path)
    (tmp_path / 'param.py').write_text('# mine')
    folders.make_abell(tmp_path)
    assert (tmp_path / 'param.py').read_text() == '# mine'


def test_the_simulated_field_is_made_and_can_be_run(tmp_path, monkeypatch, capsys):
    easy = simulation.easy
    monkeypatch.setattr(simulation, 'easy', lambda seed: easy(seed).with_channels(40))
    folder = tmp_path / 'sim'
    assert main(['--demo', 'sim', str(folder), '--id', '11', '23']) == 0
    assert 'truth.fits' in capsys.readouterr().out
    assert (folder / 'truth.fits').exists()
    assert sorted(path.name for path in (folder / 'output').glob('Source_*.fits')) == [
        'Source_11.fits',
        'Source_23.fits',
    ]


@pytest.mark.parametrize(
    ('arguments', 'made'),
    [
        (['--demo'], 'autospec_demo'),
        (['--demo', 'sim'], 'autospec_sim'),
        (['--demo', 'sim', '.'], '.'),
        (['--demo', '.'], '.'),
        (['foo', '--demo'], 'foo'),
        (['--demo', 'foo'], 'foo'),
        (['--demo', 'sim', 'foo'], 'foo'),
    ],
)
def test_where_the_demonstration_goes(arguments, made, monkeypatch):
    seen = []
    for name in ('make_abell', 'make_simulated'):
        monkeypatch.setattr(folders, name, seen.append)
    monkeypatch.setattr(command, '_run', lambda *_: 0)
    assert main(arguments) == 0
    assert seen == [Path(made)]


def test_two_folders_for_a_demonstration_are_refused(capsys):
    assert main(['--demo', 'foo', 'bar']) == 2
    assert capsys.readouterr().err == '--demo foo and bar: two folders; name one\n'


def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert main(['--demo', str(tmp_path / 'file')]) == 2
    assert 'name another folder after --demo' in capsys.readouterr().err


def test_without_mpdafs_data_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, 'find_spec', lambda name: None)
    with pytest.raises(InputError, match='pip install mpdaf'):
        folders.make_abell(tmp_path)
