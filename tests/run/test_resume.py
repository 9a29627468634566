"""Interrupted runs: what is complete is kept, what is not is made again, and nothing torn is
left."""

import os
import shutil

import numpy as np
import pytest
from astropy.io import fits
from builders import DEC, PIXEL, RA, SUMMARY, sky_header, small_cube, write_cube

from autospec_lib import pipeline
from autospec_lib.cli.command import main


@pytest.fixture
def three(folder):
    """The working folder with three sources."""
    rows = [f'{n} {RA - n * PIXEL / 3600:.7f} {DEC:.7f}\n' for n in (1, 2, 3)]
    (folder / 'catalog.txt').write_text(''.join(rows))
    return folder


def extracted(monkeypatch):
    """The IDs that are really extracted from now on."""
    process, seen = pipeline.process, []

    def counting(cutout, params, sex):
        seen.append(cutout.target.id)
        return process(cutout, params, sex)

    monkeypatch.setattr(pipeline, 'process', counting)
    return seen


def content(path):
    """A file without the date of its making."""
    with fits.open(path) as hdus:
        hdus[0].header['DATE'] = ''
        return [
            (hdu.name, hdu.header.tostring(), None if hdu.data is None else hdu.data.tobytes())
            for hdu in hdus
        ]


def test_a_complete_run_is_kept_whole(three, monkeypatch, capsys):
    assert main([str(three)]) == 0
    before = {path: path.read_bytes() for path in (three / 'output').glob('Source_*')}
    seen = extracted(monkeypatch)
    capsys.readouterr()
    assert main([str(three), '--resume', '-v']) == 0
    assert seen == []
    assert {path: path.read_bytes() for path in (three / 'output').glob('Source_*')} == before
    said = capsys.readouterr().out
    assert '2: Kept, complete since an earlier run' in said
    assert '3 of 3 sources extracted, 3 of them by an earlier run' in said


def test_an_interrupted_run_ends_like_an_uninterrupted_one(three, monkeypatch, ran):
    ran(three)
    shutil.move(three / 'output', three / 'whole')
    assert main([str(three), '-q', '--id', '2']) == 0
    (three / 'output' / '.Source_3.fits.4242.tmp').write_bytes(b'torn')
    seen = extracted(monkeypatch)
    assert main([str(three), '-q', '--resume']) == 0
    assert seen == [1, 3]
    names = sorted(path.name for path in (three / 'whole').iterdir())
    assert sorted(path.name for path in (three / 'output').iterdir()) == names
    for name in set(names) - set(SUMMARY):
        assert content(three / 'output' / name) == content(three / 'whole' / name)


def changed_in_place(path, place, extension=0):
    """Change one number of a file, and restore the file's date."""
    status = path.stat()
    with fits.open(path, mode='update') as hdus:
        hdus[extension].data[place] += 1
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    'line', ['', "PSF = 'stars'\n", pytest.param('DEBLEND = True\n', marks=pytest.mark.long)]
)
def test_sources_of_a_copied_folder_are_kept_if_the_inputs_are_the_same(
    three, monkeypatch, line, ran
):
    fits.PrimaryHDU(small_cube()[0][15], sky_header()).writeto(three / 'hst.fits')
    with (three / 'param.py').open('a') as file:
        file.write(f"IMG = 'hst.fits'\n{line}")
    ran(three)
    copy = three / 'copy'
    shutil.copytree(
        three, copy, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns('copy')
    )
    os.utime(copy / 'datacube.fits', (1, 1))
    seen = extracted(monkeypatch)
    assert main([str(copy), '-q', '--resume']) == 0
    assert seen == []
    # Far from source 1: only the subcubes of the others hold this spaxel.
    changed_in_place(copy / 'datacube.fits', (5, 11, 22), 'DATA')
    assert main([str(copy), '-q', '--resume']) == 0
    assert seen == [2, 3]


@pytest.mark.parametrize(
    'change',
    [
        lambda folder: (folder / 'param.py').open('a').write('CONT_POLY = 4\n'),
        lambda folder: (folder / 'default.sex').open('a').write('DETECT_MINAREA 9\n'),
        lambda folder: write_cube(folder / 'datacube.fits', *small_cube(2)),
        lambda folder: changed_in_place(folder / 'datacube.fits', (5, 11, 13), 'DATA'),
        lambda folder: changed_in_place(folder / 'datacube.fits', (5, 11, 13), 'STAT'),
        lambda folder: (folder / 'param.py').open('a').write('SIZE = 2.6\n'),
        lambda folder: (folder / 'param.py').open('a').write("CMAP = 'magma'\n"),
        lambda folder: changed_in_place(folder / 'hst.fits', (11, 13)),
        lambda folder: changed_in_place(folder / 'mine.fits', (11, 13)),
        lambda folder: (folder / 'own.conv').write_text('CONV NORM\n1 2 1\n2 5 2\n1 2 1\n'),
    ],
    ids=[
        'parameter',
        'segmentation',
        'cube',
        'voxel',
        'noise',
        'size',
        'colours',
        'image',
        'map',
        'filter',
    ],
)
@pytest.mark.filterwarnings('ignore::ResourceWarning')
def test_what_was_made_otherwise_is_made_again(three, monkeypatch, change, ran):
    picture = small_cube()[0][15]
    fits.PrimaryHDU(picture, sky_header()).writeto(three / 'hst.fits')
    fits.PrimaryHDU((picture > 20).astype(np.int16), sky_header()).writeto(three / 'mine.fits')
    with (three / 'param.py').open('a') as file:
        file.write("IMG = 'hst.fits'\nSEG = 'mine.fits'\n")
    (three / 'default.sex').write_text('FILTER_NAME own.conv\n')
    (three / 'own.conv').write_text('CONV NORM\n1 2 1\n2 4 2\n1 2 1\n')
    ran(three)
    change(three)
    seen = extracted(monkeypatch)
    assert main([str(three), '-q', '--resume']) == 0
    assert seen == [1, 2, 3]


def test_only_the_moved_source_is_made_again(three, monkeypatch, ran):
    ran(three)
    text = (three / 'catalog.txt').read_text().splitlines()
    text[1] = f'2 {RA:.7f} {DEC:.7f}'
    (three / 'catalog.txt').write_text('\n'.join(text))
    seen = extracted(monkeypatch)
    assert main([str(three), '-q', '--resume']) == 0
    assert seen == [2]


@pytest.mark.parametrize('line', ["OUTPUT = './output'\n", 'CORES = 2\n', 'WARNINGS = True\n'])
@pytest.mark.filterwarnings('ignore::DeprecationWarning')  # from Python 3.12 on, of forking
def test_parameters_that_do_not_shape_a_file_do_not_count(three, monkeypatch, line, ran):
    ran(three)
    with (three / 'param.py').open('a') as file:
        file.write(line)
    seen = extracted(monkeypatch)
    assert main([str(three), '-q', '--resume']) == 0
    assert seen == []


@pytest.mark.parametrize('content', [b'', b'SIMPLE', None])
def test_a_file_that_is_no_source_file_is_made_again(three, monkeypatch, content, ran):
    ran(three)
    path = three / 'output' / 'Source_1.fits'
    path.write_bytes(
        path.read_bytes().replace(b'FPRINT', b'NOTHIN', 1) if content is None else content
    )
    seen = extracted(monkeypatch)
    assert main([str(three), '-q', '--resume']) == 0
    assert seen == [1]
    assert np.isfinite(fits.getdata(path, 'SPE_MUSE_TOT_SKYSUB_DATA')).all()


def test_a_source_whose_plots_are_missing_is_made_again(three, monkeypatch, ran):
    with (three / 'param.py').open('a') as file:
        file.write('PLOTS = True\n')
    ran(three)
    (three / 'output' / 'images' / '2' / '2_XCOR.jpg').unlink()
    seen = extracted(monkeypatch)
    assert main([str(three), '-q', '--resume']) == 0
    assert seen == [2]
    assert (three / 'output' / 'images' / '2' / '2_XCOR.jpg').exists()


def test_a_read_only_folder_is_named(three, capsys, monkeypatch):
    from pathlib import Path

    def refuse(self, *_, **__):
        raise PermissionError(13, 'Permission denied')

    assert main([str(three), '-q', '--id', '1']) == 0
    monkeypatch.setattr(Path, 'mkdir', refuse)
    assert main([str(three)]) == 2
    assert 'Permission denied; make it writable' in capsys.readouterr().err
