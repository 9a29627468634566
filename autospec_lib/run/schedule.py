"""Where sources are extracted: in this process, in several of this machine, or on a Dask cluster.

Each way calls the same `runner.attempt` and hands back every source's outcome once, as it is done.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import TYPE_CHECKING

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.run.job import Job
from autospec_lib.run.report import Outcome
from autospec_lib.run.source import attempt, discard

if TYPE_CHECKING:
    from distributed import Client

CONNECT = 10  # seconds to wait for a scheduler
DIED = 'its process died (out of memory, or killed)'


def how_many(cores: int, sources: int) -> int:
    """How many processes extract so many sources; ``cores`` 0 = one on each core that this process may use."""
    if not cores:
        # A batch system may give a job some of the machine's cores only.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    return max(1, min(cores, sources))


def serial(job: Job, targets: Sequence[Target]) -> Iterator[Outcome]:
    """One source after the other in this process."""
    for target in targets:
        yield attempt(job, target)


def processes(job: Job, targets: Sequence[Target], cores: int) -> Iterator[Outcome]:
    """Several sources at a time in processes of this machine.

    A process that dies takes the whole pool with it (so `concurrent.futures`), but not the sources: those that were
    under way are tried again one by one, so that only the one that kills its process again is lost.

    Parameters
    ----------
    job : Job
        What all sources share.
    targets : sequence of Target
        The sources.
    cores : int
        How many processes.
    """
    waiting = list(reversed(targets))
    while waiting:
        suspects = yield from _pool(job, waiting, cores)
        for target in suspects:
            again = yield from _pool(job, [target], 1)
            for lost in again:
                discard(job, lost)
                yield Outcome(lost.id, 0.0, error=DIED)


def _pool(job: Job, waiting: list[Target], cores: int) -> Generator[Outcome, None, list[Target]]:
    """Work off ``waiting`` from its end; return the targets that were under way when a process died."""
    # fork shares the open cube and its aligned images with the children at no cost; elsewhere it is not safe.
    context = multiprocessing.get_context('fork' if sys.platform == 'linux' else 'spawn')
    running: dict[Future[Outcome], Target] = {}
    with ProcessPoolExecutor(min(cores, len(waiting)), context, _begin_worker) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < 2 * cores:
                    target = waiting.pop()
                    running[pool.submit(attempt, job, target)] = target
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    outcome = future.result()
                    del running[future]
                    yield outcome
        except BrokenProcessPool:
            pass
        except GeneratorExit:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        except BaseException:
            # What is under way is finished, so that it is reported and no file is half-written; the rest is dropped.
            pool.shutdown(wait=True, cancel_futures=True)
            yield from (future.result() for future in running if not future.cancelled() and not future.exception())
            raise
    return list(running.values())


def cluster(job: Job, targets: Sequence[Target], address: str) -> Iterator[Outcome]:
    """Connect to a Dask scheduler; its workers, which have AutoSpec installed and see the same folder, do the rest.

    A source whose worker dies is given to another one by the scheduler, which gives up after a few workers.

    Parameters
    ----------
    job : Job
        What all sources share.
    targets : sequence of Target
        The sources.
    address : str
        Of the scheduler, e.g. 'tcp://10.0.0.1:8786'.

    Raises
    ------
    InputError
        If there is no such scheduler, or Dask is not installed.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise InputError(
            "--scheduler needs Dask; install it, in a clone of AutoSpec, with: pip install '.[dask]'"
        ) from error
    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f'--scheduler {address}: no scheduler answers there; start one with: dask scheduler'
        ) from error
    return _on_cluster(client, job, targets)


def _on_cluster(client: Client, job: Job, targets: Sequence[Target]) -> Iterator[Outcome]:
    from distributed import KilledWorker, as_completed

    with client:
        shared = client.scatter(replace(job, folder=job.folder.resolve()), broadcast=True)
        futures = {client.submit(attempt, shared, target, pure=False): target for target in targets}
        try:
            for future in as_completed(futures, loop=client.loop):
                try:
                    yield future.result()
                except KilledWorker:
                    discard(job, futures[future])
                    yield Outcome(futures[future].id, 0.0, error=DIED)
        finally:
            client.cancel([future for future in futures if not future.done()])


def _begin_worker() -> None:
    """Leave signals to the process that reports, and do not outlive it."""
    # Ctrl-C reaches every process of the terminal. SIGTERM is what the pool ends its processes with.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone, which a killed one cannot tell it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
