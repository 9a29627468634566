"""Extraction on the workers of a Dask cluster."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.run.interruption import Interruption
from autospec_lib.run.job import Job
from autospec_lib.run.report import Outcome
from autospec_lib.run.schedule import DIED
from autospec_lib.run.source import attempt, discard

if TYPE_CHECKING:
    from distributed import Client

CONNECT = 10  # seconds to wait for a scheduler
ALONE = 30  # the run stops after this many seconds without scheduler or worker


def cluster(targets: Sequence[Target], address: str, interruption: Interruption) -> Callable[[Job], Iterator[Outcome]]:
    """Connect to a Dask scheduler, whose workers have AutoSpec installed and see the same folder.

    If a worker dies, the scheduler gives its source to another worker, and gives up after a few attempts.

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
        If there is no such scheduler, if Dask is not installed, or if no scheduler or worker is there for `ALONE` s.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise InputError(
            "--scheduler needs Dask; install it, in a clone of AutoSpec, with: pip install '.[dask]'"
        ) from error
    for name in ('distributed', 'distributed.client'):  # they would log tracebacks of lost connections
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(
            f'--scheduler {address}: no scheduler answers there; start one with: dask scheduler'
        ) from error
    return lambda job: _on_cluster(client, job, targets, interruption)


def _on_cluster(client: Client, job: Job, targets: Sequence[Target], interruption: Interruption) -> Iterator[Outcome]:
    from distributed import as_completed

    address = client.scheduler.address
    pending: dict[Any, Target] = {}
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
                yield _outcome(future, job, pending.pop(future), address)
            if done or (client.status == 'running' and client.scheduler_info()['workers']):
                seen = time.monotonic()
            if time.monotonic() - seen > ALONE:
                raise InputError(_lost(address))
            if not done:
                time.sleep(0.1)
    except OSError as error:  # includes time-outs; errors of a source never come here
        raise InputError(_lost(address)) from error
    finally:
        # Without a time limit, it would wait for a scheduler that is gone.
        if client.status == 'running':
            client.cancel(list(pending))
        client.close(timeout=2)


def _outcome(future: Any, job: Job, target: Target, address: str) -> Outcome:
    from distributed import CancelledError, KilledWorker

    try:
        found: Outcome = future.result()
        return found
    except KilledWorker:
        discard(job, target)
        return Outcome(target.id, 0.0, error=DIED)
    except CancelledError as error:
        raise InputError(_lost(address)) from error


def _lost(address: str) -> str:
    return f'--scheduler {address}: the scheduler or all workers are gone; start them and go on with: AutoSpec --resume'
