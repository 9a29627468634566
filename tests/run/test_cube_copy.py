"""Storage with long seek times: one pass over the cube and the same files, whatever extracts,
whatever goes wrong."""

import errno
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from builders import DEC, PIXEL, RA, SUMMARY, cube_header, gaussian, small_cube, write_cube

from autospec_lib.cli.command import main
from autospec_lib.config import param_file
from autospec_lib.core.errors import InputError
from autospec_lib.inputs import cube as cutouts
from autospec_lib.inputs import fits_arrays
from autospec_lib.inputs.cube import open_cube
from autospec_lib.run import cube_copy, resume, schedule, source
from autospec_lib.run.interruption import SIGNALS
from autospec_lib.run.job import prepare

# Forking a process whose numerical libraries have threads is deprecated from Python 3.12 on, and
# safe here: none runs.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')

SHAPE = 20, 50, 70
PLACES = [(y, x) for y in (2, 24, 47) for x in (3, 41, 68)]
FIELD = slice(0, 50), slice(0, 70)
LINUX = pytest.mark.skipif(
    sys.platform != 'linux', reason='the slow disk reaches the workers by fork'
)


def write_field(folder):
    """A wide field with nine sources, and one outside."""
    rng = np.random.default_rng(5)
    picture = sum(gaussian(y, x, shape=SHAPE[1:]) for y, x in PLACES)
    data = (1000 * picture + rng.normal(size=SHAPE)).astype('f4')
    flags = (rng.random(SHAPE) < 0.01).astype('i4')
    header = cube_header()
    header['CRPIX1'], header['CRPIX2'] = 1.0, 1.0
    write_cube(
        folder / 'datacube.fits', data, rng.uniform(1, 2, SHAPE).astype('f4'), header, DQ=flags
    )
    rows = [
        f'{n} {RA - x * PIXEL / 3600:.7f} {DEC + y * PIXEL / 3600:.7f}\n'
        for n, (y, x) in enumerate(PLACES)
    ]
    (folder / 'catalog.txt').write_text(''.join([*reversed(rows), f'99 {RA} {DEC + 1}\n']))
    lines = (
        "DATACUBE = 'datacube.fits'",
        "CATALOG = 'catalog.txt'",
        'SIZE = 3',
        'PLOTS = REPORT = False',
    )
    (folder / 'param.py').write_text('\n'.join((*lines, '')))


def products(folder):
    """Every array of every file."""
    found = {}
    for path in sorted((folder / 'output').glob('Source_*.fits')):
        with fits.open(path) as hdus:
            found |= {(path.name, hdu.name): np.array(hdu.data) for hdu in hdus[1:]}
    return found


def log(folder):
    """The text of the newest log."""
    return max((folder / 'logs').iterdir(), key=lambda path: path.stat().st_mtime_ns).read_text()


@pytest.fixture(scope='module')
def direct(tmp_path_factory):
    """What a run gives that reads box by box, on storage without seek times."""
    folder = tmp_path_factory.mktemp('direct')
    write_field(folder)
    with (
        importlib.import_module('benchmarks.seeks')
        .SlowDisk(folder / 'datacube.fits')
        .in_place() as fast
    ):
        assert main([str(folder), '-q']) == 0
    assert fast.seeks > len(PLACES) * SHAPE[0]
    assert 'temporary copy' not in log(folder)
    return products(folder)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """The field on a slow disk, and an empty folder for temporary files; buffers of seven
    planes."""
    write_field(tmp_path)
    monkeypatch.setattr(cube_copy, 'BUFFER', 7 * 50 * 70 * 4)
    monkeypatch.setattr(cutouts, 'SAMPLE_BYTES', 0)  # five channels, as of a large cube
    (tmp_path / 'tmp').mkdir()
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'tmp'))
    monkeypatch.setattr(cube_copy, 'IN_MEMORY', ())  # where the tests' folders may lie
    slow = importlib.import_module('benchmarks.seeks').SlowDisk(tmp_path / 'datacube.fits', 0.002)
    monkeypatch.setattr(fits_arrays, 'opened', slow.opened)
    return slow


def prepared(folder):
    """Job and targets of a folder."""
    (folder / 'output').mkdir(exist_ok=True)
    job, targets, _ = prepare(folder, param_file.load(folder / 'param.py')[0])
    return job, targets


def assert_same(folder, direct):
    """A folder's files hold what a run without a copy gives, to the last bit, and no copy is
    left."""
    own = products(folder)
    assert own.keys() == direct.keys()
    for key, array in direct.items():
        np.testing.assert_array_equal(own[key], array)
    assert list((folder / 'tmp').iterdir()) == []
    assert not list((folder / 'output').glob('.cube-copy*'))


@LINUX
@pytest.mark.parametrize('cores', ['1', '2'])
def test_the_cube_is_read_once_as_check_says_and_the_files_are_the_same(
    tmp_path, disk, direct, cores, capsys
):
    assert main([str(tmp_path), '--check']) == 0
    assert f'into a temporary copy of 1 MB in {tmp_path}/tmp' in capsys.readouterr().out
    assert disk.read < (tmp_path / 'datacube.fits').stat().st_size
    assert list((tmp_path / 'tmp').iterdir()) == []
    disk.seeks, disk.read = 0, 0
    assert main([str(tmp_path), '--cores', cores]) == 0
    assert_same(tmp_path, direct)
    assert f'into a temporary copy of 1 MB in {tmp_path}/tmp' in capsys.readouterr().err
    layers = 3  # data, variance and flags, each from its first byte to its last
    sample = cutouts.FEWEST_CHANNELS  # for the offsets
    # Headers, twice.
    assert disk.seeks <= cube_copy.SEEKS + 1 + layers + 2 * layers + sample * layers
    expected = (1 + sample / SHAPE[0]) * (tmp_path / 'datacube.fits').stat().st_size
    assert disk.read <= expected + cube_copy.STRETCH + 1e5
    order = [int(line.split(':')[0]) for line in log(tmp_path).splitlines() if 'Extracted' in line]
    assert (order if cores == '1' else sorted(order, reverse=True)) == list(
        reversed(range(len(PLACES)))
    )


@pytest.mark.filterwarnings('ignore')
def test_a_small_cube_and_one_with_wavelengths_together_are_read_as_they_are(tmp_path, disk):
    with fits.open(tmp_path / 'datacube.fits') as hdus:
        data = np.ascontiguousarray(hdus[1].data.transpose(1, 2, 0))
        header = WCS(hdus[1].header).sub([3, 1, 2]).to_header()
    write_cube(tmp_path / 'datacube.fits', data, header=header)
    assert cube_copy.plan(*prepared(tmp_path)) is None
    write_cube(tmp_path / 'datacube.fits', *small_cube())
    (tmp_path / 'catalog.txt').write_text(f'7 {RA} {DEC}\n')
    assert cube_copy.plan(*prepared(tmp_path)) is None


def test_the_rectangle_around_the_sources_that_are_left_is_copied(tmp_path, disk, monkeypatch):
    monkeypatch.setattr(resume, 'is_complete', lambda _, target, by_date: target.id not in (0, 1))
    job, targets = prepared(tmp_path)
    assert cube_copy.plan(job, targets).rectangle == FIELD
    job = replace(job, resume=True)
    left = cube_copy.plan(job, targets)
    assert left.rectangle == (slice(0, 10), slice(0, 49))
    assert left.nbytes == pytest.approx(3 * 4 * 20 * 10 * 49)
    monkeypatch.setattr(resume, 'is_complete', lambda *_, by_date: True)
    assert cube_copy.plan(job, targets) is None


def test_a_copy_that_processes_do_not_inherit_has_a_name_and_goes_in_the_end(
    tmp_path, disk, direct, monkeypatch
):
    monkeypatch.setattr(cube_copy, 'sys', types.SimpleNamespace(platform='darwin'))
    seen = []

    def attempt(job, target):
        seen.extend(path.name for path in (tmp_path / 'tmp').iterdir())
        return source.attempt(job, target)

    monkeypatch.setattr(schedule, 'attempt', attempt)
    assert main([str(tmp_path)]) == 0
    assert_same(tmp_path, direct)
    assert {name[:11] for name in seen} == {'.cube-copy.'}


def while_it_is_copied(disk, monkeypatch, action):
    """Let something happen when the last planes of the cube have been read for the copy."""
    real = disk.moved

    def moved(path, begin, number):
        if number > 1e4 and disk.seeks > 20 and path.stat().st_size - begin - number < 2880:
            action(path)
        real(path, begin, number)

    monkeypatch.setattr(disk, 'moved', moved)


@pytest.fixture
def _signals():
    """Heed Ctrl-C, also where the tests run in the background; an interrupted run lets its process
    ignore signals."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures('_signals')
def test_ctrl_c_while_the_cube_is_copied_leaves_nothing(tmp_path, disk, monkeypatch):
    while_it_is_copied(disk, monkeypatch, lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert main([str(tmp_path)]) == 130
    assert list((tmp_path / 'tmp').iterdir()) == []
    assert sorted(path.name for path in (tmp_path / 'output').iterdir()) == SUMMARY


def test_a_cube_that_changes_while_it_is_copied_stops_the_run(tmp_path, disk, monkeypatch, capsys):
    while_it_is_copied(disk, monkeypatch, os.utime)
    assert main([str(tmp_path)]) == 1
    assert re.search(r'datacube\.fits: .*another file', capsys.readouterr().err)


@LINUX
def test_the_successor_of_a_worker_that_died_reads_the_copy(tmp_path, disk, direct, monkeypatch):
    def dying(job, target):
        if target.id == 3 and not (job.folder / 'tried').exists():
            (job.folder / 'tried').write_text('')
            os.kill(os.getpid(), signal.SIGKILL)
        return source.attempt(job, target)

    monkeypatch.setattr(schedule, 'attempt', dying)
    assert main([str(tmp_path), '--cores', '2']) == 0
    assert (tmp_path / 'tried').exists()
    assert disk.seeks < 40
    assert_same(tmp_path, direct)


def refused(*_, **__):
    """No file can be made."""
    raise PermissionError(errno.EACCES, 'Permission denied')


def full(copy, groups, file):
    """The disk is full after a few bytes, also when the file is closed."""
    file.write(next(iter(groups)).data[:1])
    file.raw.write = refused
    raise OSError(errno.ENOSPC, 'No space left on device')


OBSTACLES = {
    'full': (
        fits_arrays.Copy,
        'write',
        full,
        ['tmp: No space left on device', 'datacube.fits is read without a copy'],
    ),
    'closed': (
        tempfile,
        'TemporaryFile',
        refused,
        ['tmp: Permission denied', 'datacube.fits is read without a copy'],
    ),
    'no room': (cube_copy, 'ROOM', 1e12, ['no room', 'TMPDIR']),
}


@pytest.mark.long
@pytest.mark.parametrize('obstacle', OBSTACLES)
def test_what_prevents_a_copy_costs_the_copy_alone(
    tmp_path, disk, direct, monkeypatch, obstacle, capsys
):
    *place, facts = OBSTACLES[obstacle]
    monkeypatch.setattr(*place)
    assert main([str(tmp_path)]) == 0
    assert_same(tmp_path, direct)
    told = capsys.readouterr().err
    assert [fact for fact in facts if fact not in told] == []


def test_temporary_files_in_memory_are_not_used(tmp_path, disk, monkeypatch):
    monkeypatch.setattr(cube_copy, '_in_memory', lambda path: path == tmp_path / 'tmp')
    job, targets = prepared(tmp_path)
    assert cube_copy.plan(job, targets).folder in (Path('/var/tmp'), tmp_path / 'output')
    assert cube_copy.plan(job, targets, shared=True).folder == tmp_path / 'output'


@pytest.mark.skipif(not Path('/dev/shm').is_dir(), reason='needs /dev/shm')
def test_folders_in_memory_are_known():
    assert cube_copy._in_memory(Path('/dev/shm'))
    assert not cube_copy._in_memory(Path('/proc/self'))


def copied(folder, ys, xs):
    """A cube, and the cube that reads from its copy of a rectangle."""
    cube = open_cube(folder / 'datacube.fits')
    with (folder / 'copy').open('wb') as file:
        return cube, cube_copy._write(cube, (ys, xs), file, folder / 'copy', shared=True)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('rectangle', [FIELD, (slice(15, 47), slice(9, 70))])
@pytest.mark.parametrize('kind', ['plain', 'swapped', 'partly compressed'])
def test_a_box_of_a_copy_is_that_of_the_cube(tmp_path, disk, rectangle, kind):
    disk.seek = 0.0
    with fits.open(tmp_path / 'datacube.fits') as hdus:
        data, header, noise = (
            hdus['DATA'].data.copy(),
            hdus['DATA'].header,
            hdus['STAT'].data.astype('f8'),
        )
    if kind == 'swapped':
        header = WCS(header).sub([2, 1, 3]).to_header()
        write_cube(tmp_path / 'datacube.fits', data.transpose(0, 2, 1).copy(), header=header)
    if kind == 'partly compressed':
        packed = fits.CompImageHDU(
            np.round(noise), header, name='STAT', quantize_level=0, compression_type='GZIP_2'
        )
        hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, header, name='DATA'), packed])
        hdus.writeto(tmp_path / 'datacube.fits', overwrite=True)
        # Longer than its file.
        assert noise.nbytes > (tmp_path / 'datacube.fits').stat().st_size - data.nbytes
    cube, copy = copied(tmp_path, *rectangle)
    assert [array.copy is None for array in copy.arrays] == [
        array.values is not None for array in cube.arrays
    ]
    inner = [
        (slice(17, 18), slice(33, 34)),
        (slice(15, 17), slice(10, 40)),
        (slice(40, 47), slice(40, 70)),
    ]
    for box in (rectangle, *inner, FIELD):
        for array, other in zip(cube.arrays, copy.arrays, strict=True):
            values, flags, before = array.read(*box), array.are_set(*box), disk.seeks
            np.testing.assert_array_equal(other.read(*box), values)
            np.testing.assert_array_equal(other.are_set(*box), flags)
            # Only what was not copied is read from the cube itself.
            assert (disk.seeks > before) == (box == FIELD != rectangle and array.values is None)


def test_a_copy_that_is_lost_is_said_with_the_way_out(tmp_path, disk):
    _, copy = copied(tmp_path, *FIELD)
    os.truncate(tmp_path / 'copy', 1000)
    with pytest.raises(InputError, match=r'datacube\.fits: its copy .*--resume'):
        copy.data.read(*FIELD)
    (tmp_path / 'copy').unlink()
    with pytest.raises(InputError, match=r'datacube\.fits: its copy .*--resume'):
        copy.noise.read(*FIELD)


@pytest.mark.filterwarnings('ignore')
def test_a_cluster_reads_a_copy_in_the_output_folder(tmp_path, disk, direct, monkeypatch):
    distributed = pytest.importorskip('distributed')
    seen = []
    real = cube_copy._write
    monkeypatch.setattr(
        cube_copy, '_write', lambda *a: seen.extend((tmp_path / 'output').iterdir()) or real(*a)
    )
    (tmp_path / 'output').mkdir()
    torn = tmp_path / 'output' / '.cube-copy.old.tmp'
    torn.write_text('of a run that was killed')
    place = {'host': '127.0.0.1', 'protocol': 'tcp', 'dashboard_address': None}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, **place
    ) as workers:
        assert main([str(tmp_path), '-q', '--scheduler', workers.scheduler_address]) == 0
    shutil.rmtree(tmp_path / 'tmp' / 'dask-scratch-space', ignore_errors=True)
    assert_same(tmp_path, direct)
    assert len([path for path in seen if path.name.startswith('.cube-copy.')]) == 1
    assert torn not in seen
