"""Processes and a real Dask cluster: the same files, every source once, and a death that costs one
source at most."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import forked
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders import DEC, PIXEL, RA, with_hole

from autospec_lib.cli import options
from autospec_lib.cli.command import main
from autospec_lib.config import params
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.run import schedule
from autospec_lib.run.interruption import Interruption
from autospec_lib.run.job import Job
from autospec_lib.run.results import Outcome

ROOT = Path(__file__).resolve().parents[2]
# Forking a process whose numerical libraries have threads is deprecated from Python 3.12 on, and
# safe here: none runs.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')


@pytest.fixture
def many(folder):
    """The working folder with eight sources, one of them where the cube is NaN."""
    rows = [f'{n} {RA - n * PIXEL / 3600:.7f} {DEC:.7f}\n' for n in range(7)]
    rows.append(f'7 {with_hole(folder)}\n')
    (folder / 'catalog.txt').write_text(''.join(rows))
    return folder


def arrays(output):
    """Every array of every source's file."""
    found = {}
    for path in sorted(output.glob('Source_*.fits')):
        with fits.open(path) as hdus:
            found |= {(path.name, hdu.name): np.array(hdu.data) for hdu in hdus[1:]}
    return found


def test_processes_give_the_same_files_as_one(many, capsys):
    assert main([str(many)]) == 1
    expected = arrays(many / 'output')
    for cores in '2', '0':
        for path in (many / 'output').iterdir():
            path.unlink()
        capsys.readouterr()
        assert main([str(many), '--cores', cores]) == 1
        assert '7 of 8 sources extracted; 1 failed (7)' in capsys.readouterr().err
        got = arrays(many / 'output')
        assert got.keys() == expected.keys()
        for key, array in expected.items():
            np.testing.assert_array_equal(got[key], array)


def test_cores_of_param_py(many):
    with (many / 'param.py').open('a') as file:
        file.write('CORES = 2\n')
    assert main([str(many), '-q']) == 1
    assert len(list((many / 'output').glob('Source_*.fits'))) == 7


def targets(number):
    return [Target(n, 0.0, 0.0, 1.0) for n in range(number)]


def dying(job, target):
    """Stands in for an extraction: source 0 kills its process the first time, source 3 always."""
    if target.id == 3 or (target.id == 0 and not (job.folder / 'tried').exists()):
        (job.folder / 'tried').write_text('')
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return Outcome(target.id, 0.0)


@pytest.mark.skipif(sys.platform != 'linux', reason='the stand-in reaches the workers by fork')
def test_a_dying_process_loses_one_source_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, 'attempt', dying)
    job = Job(tmp_path, params.Params(), None, None)
    job.files(targets(4)[3])['file'].parent.mkdir()
    job.files(targets(4)[3])['file'].write_text('of an earlier run')
    done = list(schedule.processes(job, targets(9), 2, Interruption()))
    assert sorted(outcome.ident for outcome in done) == list(range(9))
    assert [(outcome.ident, outcome.error) for outcome in done if outcome.error] == [
        (3, schedule.DIED)
    ]
    assert not job.files(targets(4)[3])['file'].exists()


def failing(job, target):
    if target.id == 2:
        raise InputError('the cube is gone')
    return Outcome(target.id, 0.0)


@pytest.mark.skipif(sys.platform != 'linux', reason='the stand-in reaches the workers by fork')
def test_what_stops_all_sources_stops_the_processes_and_is_raised(tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, 'attempt', failing)
    done = []
    with pytest.raises(InputError, match='the cube is gone'):
        done.extend(
            schedule.processes(
                Job(tmp_path, params.Params(), None, None), targets(50), 2, Interruption()
            )
        )
    assert len(done) < 50


@pytest.mark.skipif(sys.platform != 'linux', reason='the stand-in reaches the workers by fork')
@pytest.mark.parametrize('most', [0, 1])
def test_where_processes_cannot_be_started_those_that_could_do_the_work(
    tmp_path, monkeypatch, most
):
    made, real = [], schedule._Worker

    def limited(*arguments):
        if len(made) == most:
            raise OSError(12, 'Cannot allocate memory')
        made.append(real(*arguments))
        return made[-1]

    monkeypatch.setattr(schedule, '_Worker', limited)
    monkeypatch.setattr(schedule, 'attempt', lambda job, target: Outcome(target.id, 0.0))
    done = schedule.processes(
        Job(tmp_path, params.Params(), None, None), targets(5), 3, Interruption()
    )
    if most:
        assert sorted(outcome.ident for outcome in done) == list(range(5))
    else:
        with pytest.raises(InputError, match=r'CORES = 3: .*Cannot allocate memory'):
            list(done)


def started(folder, number):
    """A run in two processes that is under way with ``number`` sources, each a session of its
    own."""
    rows = [f'{n} {RA:.7f} {DEC:.7f}\n' for n in range(number)]
    (folder / 'catalog.txt').write_text(''.join(rows))
    process = forked.start(folder, '--cores', '2', start_new_session=True)
    output = folder / 'output'
    while not (output.exists() and len(list(output.glob('Source_*.fits'))) > 3):
        time.sleep(0.02)
        assert process.poll() is None
    return process


@pytest.mark.parametrize(
    ('send', 'kind'),
    [('killpg', [signal.SIGINT]), ('kill', [signal.SIGTERM]), ('killpg', [signal.SIGHUP] * 3)],
    ids=['Ctrl-C reaches all', 'SIGTERM reaches one', 'a closed terminal repeats SIGHUP'],
)
def test_ctrl_c_with_processes_keeps_complete_files_and_exits_130(many, send, kind):
    process = started(many, 1000)
    for number in kind:
        getattr(os, send)(process.pid, number)
        time.sleep(0.05)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert 'of 1000 sources extracted' in said
    assert 'Traceback' not in said
    output = many / 'output'
    assert not list(output.rglob('.*'))
    done = len(list(output.glob('Source_*.fits')))
    assert Counter(Table.read(output / 'summary.ecsv')['STATUS'].tolist())['extracted'] == done
    for path in output.glob('Source_*.fits'):
        with fits.open(path) as hdus:
            assert hdus[-1].name == 'IMA_CROSS_CORRELATION_CONTSUB_STAT'


@pytest.mark.skipif(not hasattr(signal, 'SIGKILL'), reason='needs SIGKILL')
def test_no_process_outlives_a_killed_run(many):
    process = started(many, 1000)
    process.kill()
    try:
        process.communicate(timeout=10)  # The pipes end when the last process that holds them does.
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def start(*command, **options):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen(
        [sys.executable, '-m', *command], env=environment, stderr=subprocess.DEVNULL, **options
    )


class Cluster:
    """A scheduler and some workers of one process each, on this machine."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / 'scheduler.json'
        where = '--host', '127.0.0.1', '--port', '0', '--scheduler-file', self.file
        self.scheduler = start('distributed.cli.dask_scheduler', '--no-dashboard', *where)
        self.workers = []

    def add(self, number):
        """Start workers, which wait for the scheduler."""
        options = '--nthreads', '1', '--no-dashboard', '--no-nanny', '--scheduler-file', self.file
        for n in range(len(self.workers), len(self.workers) + number):
            place = self.folder / f'worker{n}'
            self.workers.append(
                start('distributed.cli.dask_worker', *options, '--local-directory', place)
            )

    def address(self):
        """Where the scheduler listens, once it knows all workers."""
        from distributed import Client

        while not (self.file.exists() and self.file.stat().st_size):
            time.sleep(0.02)
            assert self.scheduler.poll() is None
        address = json.loads(self.file.read_text())['address']
        with Client(address, set_as_default=False) as client:
            alive = sum(worker.poll() is None for worker in self.workers)
            if alive:
                client.wait_for_workers(alive)
        return address


@pytest.fixture
def cluster(tmp_path):
    """A scheduler without workers."""
    pytest.importorskip('distributed')
    made = Cluster(tmp_path)
    yield made
    for process in (made.scheduler, *made.workers):
        process.kill()
        process.wait()


def with_rows(folder, number):
    """Write a catalogue of so many sources."""
    rows = [f'{n} {RA - n % 6 * PIXEL / 3600:.7f} {DEC:.7f}\n' for n in range(number)]
    (folder / 'catalog.txt').write_text(''.join(rows))


def losing(folder, address, process):
    """Run on a cluster in this process, and kill a process of it when some sources are extracted;
    the exit code."""
    output = folder / 'output'
    stop = threading.Event()

    def kill():
        while not (stop.is_set() or len(list(output.glob('Source_*.fits'))) > 5):
            time.sleep(0.02)
        process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return main([str(folder), '--scheduler', address])
    finally:
        stop.set()
        killer.join()


@pytest.mark.long
@pytest.mark.filterwarnings('ignore')
def test_a_cluster_that_loses_a_worker_does_every_source_once_and_stops_without_any(
    many, cluster, capfd
):
    cluster.add(2)
    with_rows(many, 24)
    address = cluster.address()
    assert losing(many, address, cluster.workers[0]) == 0
    assert capfd.readouterr().out == '24 of 24 sources extracted\n'
    (log,) = (many / 'logs').glob('*.log')
    done = [
        line.split(':')[0]
        for line in log.read_text().splitlines()
        if 'Extracted Successfully' in line
    ]
    assert sorted(map(int, done)) == list(range(24))
    assert len(list((many / 'output').glob('Source_*.fits'))) == 24
    # And now the last one.
    for path in (many / 'output').glob('Source_*.fits'):
        path.unlink()
    with_rows(many, 1000)
    assert losing(many, address, cluster.workers[1]) == 1
    stops_in_one_line(capfd.readouterr().err, address)


@pytest.mark.long
@pytest.mark.filterwarnings('ignore')
def test_a_cluster_whose_scheduler_goes_stops_the_run_with_one_line(many, cluster, capfd):
    cluster.add(1)
    with_rows(many, 1000)
    address = cluster.address()
    assert losing(many, address, cluster.scheduler) == 1
    stops_in_one_line(capfd.readouterr().err, address)


def stops_in_one_line(said, address):
    """Assert that a run has said why it stopped, and how many sources were extracted."""
    stopped, summary = said.splitlines()
    assert stopped.startswith(
        f'stopped: --scheduler {address}: the scheduler or all workers are gone'
    )
    assert 'of 1000 sources extracted' in summary


@pytest.mark.long
def test_ctrl_c_while_a_cluster_has_no_worker(many, cluster):
    process = forked.start(many, '--scheduler', cluster.address())
    while not (many / 'logs').exists():
        time.sleep(0.02)
        assert process.poll() is None
    time.sleep(0.5)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - start < 5
    assert said == '0 of 8 sources extracted; 8 not reached\n'


@pytest.mark.filterwarnings('ignore')
def test_no_scheduler_is_said_in_one_line(many, capsys, monkeypatch):
    pytest.importorskip('distributed')
    monkeypatch.setattr(schedule, 'CONNECT', 0.3)
    assert main([str(many), '--scheduler', 'tcp://127.0.0.1:1']) == 2
    assert 'no scheduler answers there' in capsys.readouterr().err
    assert not (many / 'logs').exists()


@pytest.mark.parametrize(
    'address', ['nonsense', '127.0.0.1:abc', 'tcp://h:70000', 'http://h:1', 'tcp://:1', '']
)
def test_what_is_no_address_is_refused_before_dask_sees_it(many, capsys, monkeypatch, address):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    with pytest.raises(SystemExit, match='2'):
        main([str(many), '--scheduler', address])
    assert f'{address!r} is not an address; expected tcp://HOST:PORT' in capsys.readouterr().err


@pytest.mark.parametrize(
    'address', ['127.0.0.1:8786', 'tls://node-1.cluster:8786', 'tcp://[::1]:8786']
)
def test_addresses_that_dask_knows_are_taken(address):
    assert options.parser().parse_args(['--scheduler', address]).scheduler == address


def test_zero_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, 'cpu_count', lambda: 64)
    monkeypatch.setattr(os, 'sched_getaffinity', lambda process: {3, 5, 8}, raising=False)
    assert schedule.how_many(None, 0, 100) == 3
    assert schedule.how_many(0, 5, 2) == 2
    assert schedule.how_many(7, 0, 100) == schedule.how_many(None, 7, 100) == 7
    monkeypatch.delattr(os, 'sched_getaffinity')
    assert schedule.how_many(0, 1, 100) == 64


def test_without_dask_the_way_out_is_named(many, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'distributed', None)
    assert main([str(many), '--scheduler', 'tcp://127.0.0.1:1']) == 2
    assert (
        "install it, in a clone of AutoSpec, with: pip install '.[dask]'" in capsys.readouterr().err
    )
