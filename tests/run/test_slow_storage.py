"""Storage that takes long to find a place: one pass and the same files, whatever extracts, whatever goes wrong."""

import errno
import importlib
import os
import signal
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import DEC, PIXEL, RA, SUMMARY, cube_header, gaussian, small_cube, write_cube

from autospec_lib.cli.command import main
from autospec_lib.core.errors import InputError
from autospec_lib.inputs.cubes import rearrangement
from autospec_lib.inputs.cubes.cube import open_cube
from autospec_lib.inputs.storage import stored_boxes, tiles
from autospec_lib.run import schedule, slow_storage, source

# Forking a process whose numerical libraries have threads is deprecated from Python 3.12 on, and safe here: none runs.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')

SHAPE = 40, 50, 70
PLACES = [(y, x) for y in (2, 11, 24, 47) for x in (3, 30, 41, 68)]
LINUX = pytest.mark.skipif(sys.platform != 'linux', reason='the slow disk reaches the workers by fork')


@pytest.fixture
def disk(folder, monkeypatch):
    """A wide field with 16 sources on a slow disk, and a folder for temporary files; buffers of seven planes."""
    rng = np.random.default_rng(5)
    picture = sum(gaussian(y, x, shape=SHAPE[1:]) for y, x in PLACES)
    data = (1000 * picture + rng.normal(size=SHAPE)).astype('f4')
    quality = (rng.random(SHAPE) < 0.01).astype('i4')
    header = cube_header()
    header['CRPIX1'], header['CRPIX2'] = 1.0, 1.0
    write_cube(folder / 'datacube.fits', data, rng.uniform(1, 2, SHAPE).astype('f4'), header, DQ=quality)
    rows = [f'{n} {RA - x * PIXEL / 3600:.7f} {DEC + y * PIXEL / 3600:.7f}\n' for n, (y, x) in enumerate(PLACES)]
    (folder / 'catalog.txt').write_text(''.join([*reversed(rows), f'99 {RA} {DEC + 1}\n']))
    monkeypatch.setattr(tiles, 'BUFFER', 7 * 50 * 70 * 4)
    temporary = folder / 'tmp'
    temporary.mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(temporary))
    slow = importlib.import_module('benchmarks.seeks').SlowDisk(folder / 'datacube.fits', 0.002)
    monkeypatch.setattr(stored_boxes, 'opened', slow.opened)
    return slow


def arrays(output):
    """Every array of every file."""
    found = {}
    for path in sorted(output.glob('Source_*.fits')):
        with fits.open(path) as hdus:
            found |= {(path.name, hdu.name): np.array(hdu.data) for hdu in hdus[1:]}
    return found


def log(folder):
    """The text of the newest log."""
    return max((folder / 'logs').iterdir(), key=lambda path: path.stat().st_mtime_ns).read_text()


def expected(folder, disk):
    """What a run gives that reads box by box."""
    disk.seek = 0.0
    assert main([str(folder), '-q']) == 1
    assert 'temporary copy' not in log(folder)
    found = arrays(folder / 'output')
    for path in (folder / 'output').iterdir():
        path.unlink()
    disk.seek, disk.seeks, disk.read = 0.002, 0, 0
    return found


def same(found, expected):
    """Whether two runs gave the same, to the last bit."""
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(found[key], array)


@LINUX
@pytest.mark.parametrize('cores', ['1', '2'])
def test_the_cube_is_read_once_and_the_files_are_the_same(folder, disk, cores, capsys):
    truth = expected(folder, disk)
    assert disk.seeks == 0
    assert main([str(folder), '--cores', cores]) == 1
    same(arrays(folder / 'output'), truth)
    assert 'ms to find a place: it is read once' in capsys.readouterr().err
    layers = 3  # data, variance and quality, each from its first byte to its last
    assert disk.seeks <= rearrangement.SAMPLES + 1 + layers + 2 * layers  # headers, twice
    assert disk.read <= (folder / 'datacube.fits').stat().st_size + rearrangement.SAMPLE + 1e5
    assert list((folder / 'tmp').iterdir()) == []
    lines = [line.split(':')[0] for line in log(folder).splitlines() if 'Extracted' in line]
    if cores == '1':
        assert lines == [str(n) for n in reversed(range(len(PLACES)))]
    assert sorted(map(int, lines)) == list(range(len(PLACES)))


def test_fast_storage_is_read_as_it_is(folder, disk):
    disk.seek = 0.0
    assert main([str(folder)]) == 1
    assert 'temporary copy' not in log(folder)
    assert disk.seeks > 16 * SHAPE[0]


@pytest.mark.filterwarnings('ignore')
def test_where_wavelengths_lie_together_a_box_is_read_as_it_is(folder, disk):
    truth = expected(folder, disk)
    with fits.open(folder / 'datacube.fits') as hdus:
        arrays_of = {hdu.name: np.ascontiguousarray(hdu.data.transpose(1, 2, 0)) for hdu in hdus[1:]}
        header = WCS(hdus[1].header).sub([3, 1, 2]).to_header()
        header['BUNIT'] = hdus[1].header['BUNIT']
    write_cube(folder / 'datacube.fits', arrays_of.pop('DATA'), arrays_of.pop('STAT'), header, **arrays_of)
    assert main([str(folder)]) == 1
    assert 'temporary copy' not in log(folder)
    found = arrays(folder / 'output')
    assert found.keys() == truth.keys()
    for key, array in truth.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-5, atol=1e-5 * np.nanmax(np.abs(array)))


def test_a_compressed_array_beside_others_is_not_copied(folder, disk):
    with fits.open(folder / 'datacube.fits') as hdus:
        packed = [
            fits.CompImageHDU(hdus[name].data, hdus[name].header, quantize_level=0, name=name) for name in ('DQ',)
        ]
        quality = np.broadcast_to(hdus['STAT'].data.astype('f8'), SHAPE)  # longer than the file, packed
        packed.append(fits.CompImageHDU(np.round(quality), name='STAT', quantize_level=0, compression_type='GZIP_2'))
        fits.HDUList([hdus[0], hdus['DATA'], *packed]).writeto(folder / 'new.fits')
    (folder / 'new.fits').replace(folder / 'datacube.fits')
    truth = expected(folder, disk)
    assert main([str(folder), '-q']) == 1
    assert 'temporary copy of 1 MB' in log(folder)
    found = arrays(folder / 'output')
    assert found.keys() == truth.keys()
    for key, array in truth.items():
        np.testing.assert_array_equal(found[key], array)


def test_check_says_what_will_be_done_and_does_not_do_it(folder, disk, capsys):
    assert main([str(folder), '--check']) == 0
    assert 'ms to find a place: it is read once, into a temporary copy of' in capsys.readouterr().out
    assert disk.read < (folder / 'datacube.fits').stat().st_size
    assert list((folder / 'tmp').iterdir()) == []


def test_where_processes_do_not_inherit_files_the_copy_has_a_name_and_goes_in_the_end(folder, disk, monkeypatch):
    truth = expected(folder, disk)
    monkeypatch.setattr(slow_storage, 'sys', types.SimpleNamespace(platform='darwin'))
    seen = []
    real = source.attempt
    monkeypatch.setattr(schedule, 'attempt', lambda job, one: seen.extend((folder / 'tmp').iterdir()) or real(job, one))
    assert main([str(folder)]) == 1
    same(arrays(folder / 'output'), truth)
    assert {path.name[:11] for path in seen} == {'.cube-copy.'}
    assert list((folder / 'tmp').iterdir()) == []


def test_a_small_cube_on_slow_storage_is_read_as_it_is(folder, disk):
    write_cube(folder / 'datacube.fits', *small_cube())
    (folder / 'catalog.txt').write_text(f'7 {RA} {DEC}\n')
    assert main([str(folder)]) == 0
    assert 'temporary copy' not in log(folder)


@LINUX
def test_resume_copies_what_is_left_and_nothing_where_nothing_is(folder, disk, monkeypatch):
    made = []
    real = rearrangement.planned
    monkeypatch.setattr(rearrangement, 'planned', lambda *a: made.append(real(*a)) or made[-1])
    assert main([str(folder)]) == 1
    for number in (0, 1):
        (folder / 'output' / f'Source_{number}.fits').unlink()
    assert main([str(folder), '--resume']) == 1
    everything, some = (sum(one.nbytes for one in plan) for plan in (made[0], made[-1]))
    assert 0 < some < everything / 2
    count = len(made)
    assert main([str(folder), '--resume']) == 1
    assert len(made) == count


def test_ctrl_c_while_the_cube_is_copied_leaves_nothing(folder, disk, monkeypatch):
    real, seen = disk.moved, []

    def moved(path, begin, number):
        seen.append(number)
        if number > 1e4 and len(seen) > 25:
            os.kill(os.getpid(), signal.SIGINT)
        real(path, begin, number)

    monkeypatch.setattr(disk, 'moved', moved)
    assert main([str(folder)]) == 130
    assert list((folder / 'tmp').iterdir()) == []
    assert sorted(path.name for path in (folder / 'output').iterdir()) == SUMMARY
    assert 'it is read once' in log(folder)


def dying(job, target):
    """Source 3 kills its process the first time."""
    if target.id == 3 and not (job.folder / 'tried').exists():
        (job.folder / 'tried').write_text('')
        os.kill(os.getpid(), signal.SIGKILL)
    return source.attempt(job, target)


@LINUX
def test_after_a_worker_has_died_its_successor_reads_the_copy(folder, disk, monkeypatch):
    truth = expected(folder, disk)
    monkeypatch.setattr(schedule, 'attempt', dying)
    assert main([str(folder), '--cores', '2']) == 1
    same(arrays(folder / 'output'), truth)
    assert (folder / 'tried').exists()
    assert disk.seeks < 40


def test_a_full_disk_costs_the_copy_alone(folder, disk, monkeypatch, capsys):
    truth = expected(folder, disk)
    real = tiles.Tiles.pack

    def full(self, planes):
        yield next(real(self, planes))
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(tiles.Tiles, 'pack', full)
    assert main([str(folder)]) == 1
    assert f'{folder}/tmp: No space left on device; datacube.fits is read without a copy' in capsys.readouterr().err
    same(arrays(folder / 'output'), truth)


def test_where_no_file_can_be_made_there_is_no_copy(folder, disk, monkeypatch, capsys):
    def refused(*_):
        raise PermissionError(errno.EACCES, 'Permission denied')

    monkeypatch.setattr('tempfile.mkstemp', refused)
    assert main([str(folder)]) == 1
    assert 'tmp: Permission denied; datacube.fits is read without a copy' in capsys.readouterr().err
    assert '16 of 17 sources extracted' in log(folder)


def test_without_room_there_is_no_copy_and_the_way_out_is_named(folder, disk, monkeypatch, capsys):
    monkeypatch.setattr(slow_storage, 'ROOM', 1e12)
    assert main([str(folder)]) == 1
    assert 'no room; set TMPDIR' in capsys.readouterr().err


def test_temporary_files_in_memory_are_not_used(folder, disk, monkeypatch):
    monkeypatch.setattr(slow_storage, '_in_memory', lambda path: path == folder / 'tmp')
    job, targets = prepared(folder)
    assert slow_storage.plan(job, targets).folder in (Path('/var/tmp'), folder / 'output')
    assert slow_storage.plan(job, targets, shared=True).folder == folder / 'output'


@pytest.mark.skipif(not Path('/dev/shm').is_dir(), reason='needs /dev/shm')
def test_what_is_in_memory_is_known():
    assert slow_storage._in_memory(Path('/dev/shm'))
    assert not slow_storage._in_memory(Path('/proc/self'))


def prepared(folder):
    """Job and targets of a folder."""
    from autospec_lib.config import param_file
    from autospec_lib.run.job import Request, prepare

    (folder / 'output').mkdir(exist_ok=True)
    job, targets, _ = prepare(folder, param_file.load(folder / 'param.py')[0], Request())
    return job, targets


def test_a_cube_that_changes_while_it_is_copied_stops_the_run(folder, disk, monkeypatch, capsys):
    real = disk.moved

    def moved(path, begin, number):
        if number > 1e4 and disk.seeks > 20:
            os.utime(path)
        real(path, begin, number)

    monkeypatch.setattr(disk, 'moved', moved)
    assert main([str(folder)]) == 1
    assert 'stopped: datacube.fits: cannot be read any more: it is another file' in capsys.readouterr().err


def copied(folder, boxes, shared=False):
    """A cube and the cube that reads from its copy."""
    cube = open_cube(folder / 'datacube.fits')
    path = folder / 'copy'
    with path.open('wb') as file:
        return cube, rearrangement.copy(cube, rearrangement.planned(cube, boxes, path), file, shared)


BOXES = [
    (slice(0, 50), slice(0, 70)),
    (slice(17, 18), slice(33, 34)),
    (slice(15, 17), slice(10, 40)),
    (slice(40, 50),) * 2,
]


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('box', BOXES)
@pytest.mark.parametrize('everything', [False, True])
@pytest.mark.parametrize('swapped', [False, True])
def test_a_box_of_a_copy_is_that_of_the_cube(folder, disk, box, everything, swapped):
    disk.seek = 0.0
    if swapped:
        with fits.open(folder / 'datacube.fits') as hdus:
            data, header = hdus[1].data.transpose(0, 2, 1).copy(), WCS(hdus[1].header).sub([2, 1, 3]).to_header()
        write_cube(folder / 'datacube.fits', data, header=header)
    cube, copy = copied(folder, [box, *BOXES[: int(everything)]])
    for layer, other in zip(cube.layers, copy.layers, strict=True):
        np.testing.assert_array_equal(other.read(*box), layer.read(*box))
        np.testing.assert_array_equal(other.flags(*box), layer.flags(*box))
    before = disk.seeks
    copy.data.read(*box)
    assert disk.seeks == before  # of the cube itself nothing was read


def test_a_box_that_was_not_copied_is_read_from_the_cube(folder, disk):
    cube, copy = copied(folder, [BOXES[1]])
    np.testing.assert_array_equal(copy.data.read(*BOXES[3]), cube.data.read(*BOXES[3]))


def test_a_copy_that_is_lost_is_said(folder, disk):
    _, copy = copied(folder, BOXES, shared=True)
    os.truncate(folder / 'copy', 1000)
    with pytest.raises(InputError, match=r'datacube\.fits: its copy is lost: .*--resume'):
        copy.data.read(*BOXES[0])
    (folder / 'copy').unlink()
    with pytest.raises(InputError, match=r'datacube\.fits: its copy is lost: .*--resume'):
        copy.noise.read(*BOXES[0])


@pytest.mark.filterwarnings('ignore')
def test_a_cluster_reads_a_copy_in_the_output_folder(folder, disk, monkeypatch):
    distributed = pytest.importorskip('distributed')
    truth = expected(folder, disk)
    made = []
    real = rearrangement.copy
    monkeypatch.setattr(rearrangement, 'copy', lambda *a: made.append(list((folder / 'output').iterdir())) or real(*a))
    torn = folder / 'output' / '.cube-copy.old.tmp'
    torn.write_text('of a run that was killed')
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host='127.0.0.1'
    ) as workers:
        assert main([str(folder), '-q', '--scheduler', workers.scheduler_address]) == 1
    same(arrays(folder / 'output'), truth)
    (there,) = made
    assert len([path for path in there if path.name.startswith('.cube-copy.')]) == 1
    assert torn not in there
    assert not list((folder / 'output').glob('.cube-copy*'))
