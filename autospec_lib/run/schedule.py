"""Which process extracts which source: this one, several on this machine, or the workers of a Dask
cluster.

All call `source.attempt` and yield the outcome of every source once, as soon as it is done.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from autospec_lib.core import file_names
from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Ident, Target
from autospec_lib.run.interruption import GRACE, Interruption, blocked, leave_to_parent
from autospec_lib.run.job import Job
from autospec_lib.run.results import Outcome
from autospec_lib.run.source import attempt, discard

if TYPE_CHECKING:
    from distributed import Client

DIED = 'its process died (out of memory, or killed)'
CONNECT = 10  # seconds to wait for a scheduler
ALONE = 30  # the run stops after this many seconds without scheduler or worker


def how_many(option: int | None, setting: int, sources: int) -> int:
    """The number of processes.

    Parameters
    ----------
    option, setting : int
        How many the user wants, on the command line, if not None, and in ``param.py``; 0 = one on
        each core that this process may use.
    sources : int
        The number of sources.
    """
    cores = setting if option is None else option
    if not cores:
        # A batch system may give a job some of the machine's cores only.
        cores = (
            len(os.sched_getaffinity(0))
            if hasattr(os, 'sched_getaffinity')
            else os.cpu_count() or 1
        )
    return max(1, min(cores, sources))


def serial(job: Job, targets: Sequence[Target], interruption: Interruption) -> Iterator[Outcome]:
    """One source after the other in this process.

    Parameters
    ----------
    job : Job
        What all sources share.
    targets : sequence of Target
        The sources.
    interruption : Interruption
        Tells whether to stop.

    Raises
    ------
    KeyboardInterrupt
        If an interruption was requested.
    InputError, OutputError
        Errors that stop the run, as in `source.attempt`.
    """
    for target in targets:
        with interruption.in_this_process():
            outcome = attempt(job, target)
        yield outcome
        if interruption.requested:
            raise KeyboardInterrupt


class _Worker:
    """A process that extracts targets sent to it, and its present target."""

    def __init__(self, job: Job, interruption: Interruption) -> None:
        # fork shares the open cube and its aligned images with the children at no cost; elsewhere
        # it is not safe, and the job is sent to each process once.
        context: Any = multiprocessing.get_context('fork' if sys.platform == 'linux' else 'spawn')
        self.pipe, theirs = context.Pipe()
        self.target: Target | None = None
        with blocked():
            self.process = context.Process(target=_work, args=(job, theirs, self.pipe), daemon=True)
            self.process.start()
        theirs.close()
        self.interruption = interruption
        interruption.workers.add(self.process.pid)

    def give(self, target: Target) -> None:
        """Let it extract a target."""
        self.target = target
        with suppress(OSError):  # it has died, which is noticed when its answer is read
            self.pipe.send(target)

    def answer(self) -> Outcome | BaseException | None:
        """The outcome of its target, or the error that stops the run; None if it has died."""
        try:
            answer: Outcome | BaseException = self.pipe.recv()
        except (EOFError, OSError):
            return None
        self.target = None
        return answer

    def end(self, job: Job) -> None:
        """End it, and remove the file that it was writing."""
        self.process.kill()
        self.process.join()
        self.pipe.close()
        self.interruption.workers.discard(self.process.pid)
        if self.target is not None:
            for folder in {
                job.output / file_names.SPECTRA,
                *(path.parent for path in job.files(self.target).values()),
            }:
                for torn in folder.glob(f'.*.{self.process.pid}.tmp'):
                    torn.unlink(missing_ok=True)


def processes(
    job: Job, targets: Sequence[Target], cores: int, interruption: Interruption
) -> Iterator[Outcome]:
    """Several sources at a time in processes of this machine.

    A source whose process dies is tried once more; it is lost only if it kills a second process.

    Parameters
    ----------
    job : Job
        What all sources share.
    targets : sequence of Target
        The sources.
    cores : int
        How many processes.
    interruption : Interruption
        Tells whether to stop. Sources that were begun then have `GRACE` seconds to finish.

    Raises
    ------
    KeyboardInterrupt
        If an interruption was requested.
    InputError, OutputError
        Errors that stop the run, as in `source.attempt`.
    """
    waiting, died = list(reversed(targets)), set[Ident]()
    workers: list[_Worker] = []
    try:
        while not interruption.requested and (waiting or any(worker.target for worker in workers)):
            while waiting and len(workers) < cores and not interruption.requested:
                try:
                    workers.append(_Worker(job, interruption))
                except OSError as error:
                    if not workers:
                        what = f'{error.strerror}; free some memory, or use CORES = 1'
                        raise InputError(
                            f'CORES = {cores}: no process can be started: {what}'
                        ) from error
                    cores = len(workers)
                    break
                workers[-1].give(waiting.pop())
            yield from _answers(job, workers, waiting, died)
        if interruption.requested:
            yield from _last_answers(job, workers)
            raise KeyboardInterrupt
    except Exception:
        yield from _last_answers(job, workers)
        raise
    finally:
        for worker in workers:
            worker.end(job)


def _answers(
    job: Job, workers: list[_Worker], waiting: list[Target], died: set[Ident]
) -> Iterator[Outcome]:
    """Read the answers that have arrived, and hand out the next targets; dead workers are removed
    from the list."""
    busy = {worker.pipe: worker for worker in workers if worker.target}
    for pipe in wait(list(busy), timeout=0.2):
        worker = busy[pipe]
        target, answer = worker.target, worker.answer()
        assert target is not None
        if isinstance(answer, BaseException):
            raise answer
        if answer is not None:
            if waiting:
                worker.give(waiting.pop())
            yield answer
            continue
        workers.remove(worker)
        worker.end(job)
        if target.id in died:
            discard(job, target)
            yield Outcome(target.id, 0.0, error=DIED)
        else:
            died.add(target.id)
            waiting.append(target)


def _last_answers(job: Job, workers: list[_Worker]) -> Iterator[Outcome]:
    """The outcomes of sources that were begun, when no more targets are handed out."""
    until = time.monotonic() + GRACE
    while any(worker.target for worker in workers) and time.monotonic() < until:
        try:
            yield from _answers(
                job, workers, [], {worker.target.id for worker in workers if worker.target}
            )
        except Exception:  # another error that stops the run
            continue


def _work(job: Job, pipe: Connection, parents: Connection) -> None:
    """In a worker: extract the targets that it is sent, until the end of the run."""
    leave_to_parent()
    parents.close()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            target = pipe.recv()
        except EOFError:
            return
        try:
            answer: Outcome | BaseException = attempt(job, target)
        except Exception as error:
            answer = error
        pipe.send(answer)


def _end_with_parent() -> None:
    """End this process when its parent is gone: a parent that was killed cannot end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def cluster(
    targets: Sequence[Target], address: str, interruption: Interruption
) -> Callable[[Job], Iterator[Outcome]]:
    """Connect to a Dask scheduler, whose workers have AutoSpec installed and see the same folder.

    If a worker dies, the scheduler gives its source to another worker, and gives up after a few
    attempts.

    Parameters
    ----------
    targets : sequence of Target
        The sources.
    address : str
        Address of the scheduler, e.g. 'tcp://10.0.0.1:8786'.
    interruption : Interruption
        Tells whether to stop.

    Returns
    -------
    function
        Extracts the sources, given the job.

    Raises
    ------
    InputError
        If there is no such scheduler, if Dask is not installed, or if no scheduler or worker is
        there for `ALONE` s.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise InputError(
            "--scheduler needs Dask; install it, in a clone of AutoSpec, with: pip install '.[dask]'"
        ) from error
    # They would log tracebacks of lost connections.
    for name in ('distributed', 'distributed.client'):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f'--scheduler {address}: no scheduler answers there; start one with: dask scheduler'
        ) from error
    return lambda job: _on_cluster(client, job, targets, interruption)


def _on_cluster(
    client: Client, job: Job, targets: Sequence[Target], interruption: Interruption
) -> Iterator[Outcome]:
    from distributed import CancelledError, KilledWorker, as_completed

    pending: dict[Any, Target] = {}
    lost = InputError(
        f'--scheduler {client.scheduler.address}: the scheduler or all workers are gone; start them and go on with: '
        'AutoSpec --resume'
    )
    try:
        with interruption.in_this_process():  # it waits for the first worker
            shared = client.scatter(job, broadcast=True, timeout=ALONE)
        pending = {client.submit(attempt, shared, target, pure=False): target for target in targets}
        ready = as_completed(list(pending), loop=client.loop)
        seen = time.monotonic()
        while pending:
            if interruption.requested:
                raise KeyboardInterrupt
            done = ready.next_batch(block=False)
            for future in done:
                target = pending.pop(future)
                try:
                    outcome: Outcome = future.result()
                except KilledWorker:
                    discard(job, target)
                    outcome = Outcome(target.id, 0.0, error=DIED)
                yield outcome
            if done or (client.status == 'running' and client.scheduler_info()['workers']):
                seen = time.monotonic()
            if time.monotonic() - seen > ALONE:
                raise lost
            if not done:
                time.sleep(0.1)
    # Includes time-outs; errors of a source never come here.
    except (OSError, CancelledError) as error:
        raise lost from error
    finally:
        # Without a time limit, it would wait for a scheduler that is gone.
        if client.status == 'running':
            client.cancel(list(pending))
        client.close(timeout=2)
