"""The command line: options, order of the work, and the loop over the sources."""

from __future__ import annotations

import argparse
import gc
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autospec_lib import __version__
from autospec_lib.cli import address_space, positions
from autospec_lib.cli.init import init
from autospec_lib.cli.options import parsed
from autospec_lib.cli.terminal import prepare_streams, say, teller
from autospec_lib.cli.view import view
from autospec_lib.core.errors import AutoSpecError, InputError, OutputError
from autospec_lib.core.wording import way_out
from autospec_lib.run.interruption import Interruption

if TYPE_CHECKING:
    from autospec_lib.core.types import Target
    from autospec_lib.run.job import Job
    from autospec_lib.run.report import Log, Outcome, Report
    from autospec_lib.run.results import Results

EXIT_FAILED, EXIT_INPUT, EXIT_BUG, EXIT_INTERRUPTED = 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run AutoSpec as from the shell.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments without the program's name; by default those of the shell.

    Returns
    -------
    int
        The exit code.
    """
    # Before numpy is imported, which param.py may do: with one thread, linear algebra adds numbers up in a fixed order,
    # so that results do not depend on the number of cores.
    for library in ('OPENBLAS', 'MKL', 'OMP', 'VECLIB'):
        os.environ.setdefault(f'{library}_NUM_THREADS', '1')
    prepare_streams()
    options = parsed(argv)
    interruption = Interruption()
    with interruption.handled():
        code = _guarded(positions.folder(options), options, interruption)
    return EXIT_INTERRUPTED if interruption.requested else code


def _guarded(folder: Path, options: argparse.Namespace, interruption: Interruption) -> int:
    """Do what the options ask for; turn every error into a message and an exit code."""
    try:
        if not options.init:
            address_space.check()
        return _action(options)(folder, options, interruption)
    except AutoSpecError as error:
        for fault in error.faults:
            say(fault, sys.stderr)
        return EXIT_INPUT
    except KeyboardInterrupt:
        say('interrupted; nothing was extracted', sys.stderr)
        return EXIT_INTERRUPTED
    except MemoryError:
        say('not enough memory to read the inputs; decompress the cube, or leave out images of IMG', sys.stderr)
        return EXIT_INPUT
    except ModuleNotFoundError as error:
        if str(error.name).startswith('autospec_lib'):
            return _bug(folder, error)
        say(f'the Python package {error.name} is not installed; install AutoSpec with: pip install .', sys.stderr)
        return EXIT_INPUT
    except Exception as error:
        return _bug(folder, error)


def _action(options: argparse.Namespace) -> Callable[[Path, argparse.Namespace, Interruption], int]:
    if options.demo is not None:
        return _demo
    if options.init:
        return init
    if options.view:
        return view
    if options.marz_results:
        return _take_redshifts
    return _check if options.check else _run


def _check(folder: Path, options: argparse.Namespace, _interruption: Interruption) -> int:
    """Say what a run would do."""
    from autospec_lib.run import estimate

    job, targets, warned = _prepare(folder, options, write_defaults=False)
    _warn(warned, options)
    for line in estimate.describe(job, targets, _processes(job, targets, options)):
        say(line)
    return 0


def _take_redshifts(folder: Path, options: argparse.Namespace, _interruption: Interruption) -> int:
    """Read the redshifts that MARZ has saved into the summary."""
    from autospec_lib.run import redshifts

    job, _, warned = _prepare(folder, options, write_defaults=False)
    number, unknown = redshifts.take(job, Path(options.marz_results))
    _warn([*warned, *unknown], options)
    if not options.quiet:
        say(f'redshifts of {number} sources are in {job.output / "summary.ecsv"}')
    return 0


def _demo(folder: Path, options: argparse.Namespace, interruption: Interruption) -> int:
    """Make a demo folder and run on it."""
    from autospec_lib.demo import folders

    simulated = options.demo == 'sim'
    named = '' if simulated else options.demo
    if named and options.folder:
        raise InputError(f'--demo {named} and {options.folder}: two folders; name one')
    folder = Path(named or options.folder or ('autospec_sim' if simulated else 'autospec_demo'))
    try:
        (folders.make_simulated if simulated else folders.make_abell)(folder)
    except OSError as error:
        mend = way_out(error, 'choose one that can be written')
        raise InputError(f'{folder}: {error.strerror}; {mend}, or name another folder after --demo') from error
    code = _run(folder, options, interruption)
    if not options.quiet:
        say(folders.what_to_look_at(folder, simulated))
    return code


def _prepare(
    folder: Path, options: argparse.Namespace, write_defaults: bool = True
) -> tuple[Job, list[Target], list[str]]:
    """Read and check everything that can be checked before the first source; the third value is a list of warnings."""
    from autospec_lib.config import reading

    params, warned = reading.load(folder / 'param.py', positions.parameters(folder, options))
    # From here on numpy and more are needed; a fault in param.py is reported without waiting for their imports.
    from autospec_lib.run import preparation

    choice = preparation.Choice(options.id, options.skip_bad_rows, options.resume, tuple(options.radec or ()))
    job, targets, notes = preparation.prepare(folder, params, choice, write_defaults)
    return job, targets, [*warned, *notes]


def _warn(lines: list[str], options: argparse.Namespace) -> None:
    for line in lines:
        if not options.quiet:
            say(f'warning: {line}', sys.stderr)


def _run(folder: Path, options: argparse.Namespace, interruption: Interruption) -> int:
    """Extract every source."""
    # During imports the garbage collector scans all modules again and again: a twentieth of the start-up time.
    gc.disable()
    try:
        job, targets, warned = _prepare(folder, options)
    finally:
        gc.enable()
    _warn(warned, options)
    from autospec_lib.run import cube_copy
    from autospec_lib.run.lock import locked
    from autospec_lib.run.pages import Pages
    from autospec_lib.run.report import Log, Report
    from autospec_lib.run.results import Results

    report = Report(len(targets))
    extract = _way(job, targets, options, interruption)  # a cluster that does not answer is a fault of the command line
    output = job.output
    with ExitStack() as stack:
        try:
            unlocked = list(filter(None, [stack.enter_context(locked(output))]))
            log = stack.enter_context(Log(job.folder))
        except OSError as error:
            where = error.filename or output
            mend = way_out(error, f'logs/ and {job.params.output}/ must be writable')
            raise InputError(f'{where}: {error.strerror}; {mend}') from error
        _warn(unlocked, options)
        _write_header(log, job, options, [*warned, *unlocked])
        results = Results(job, targets, Pages(job, _command()))
        interruption.begin(lambda: f'interrupted; {report.summary}')
        tell, shared = teller(log, options.quiet), bool(options.scheduler)
        outcomes = cube_copy.extracted(job, targets, extract, interruption, tell, shared)
        code = _loop(outcomes, (report, results, log), options)
        with suppress(OutputError):
            log.write(f'# {report.summary}')
    if not options.quiet or code:
        say(report.summary, sys.stderr if code else sys.stdout)
    return code


def _command() -> str:
    return shlex.join(['AutoSpec', *(sys.argv[1:])])


def _write_header(log: Log, job: Job, options: argparse.Namespace, warned: list[str]) -> None:
    from autospec_lib.config import params, sextractor_keys

    names = dict.fromkeys((job.params.datacube, job.params.catalog, *job.params.img, *job.params.seg, 'default.sex'))
    inputs = [*(job.folder / name for name in names if name), *job.cube.beside]
    settings = '\n'.join(
        (params.describe(job.params), 'default.sex:', sextractor_keys.describe(vars(job.segmentation)))
    )
    log.header(_command(), job.folder.resolve(), settings, inputs)
    log.write(f'# recognised: {job.cube.recognised}')
    log.write(f'# catalogue: {job.taken}')
    for line in warned:
        log.write(f'# warning: {line}')


def _loop(outcomes: Iterator[Outcome], told: tuple[Report, Results, Log], options: argparse.Namespace) -> int:
    """Hand each source's outcome to report, results and log as it is done; return the exit code."""
    from tqdm import tqdm

    report, results, log = told
    # None = tqdm stays silent where there is no terminal.
    bar = tqdm(total=report.total, unit='source', leave=False, disable=True if options.quiet else None)
    with bar:
        try:
            results.begin()
            for outcome in outcomes:
                report.add(outcome)
                log.outcome(outcome)
                results.add(outcome)
                bar.set_postfix_str(f'ID {outcome.ident}')
                bar.update()
                if options.verbose or outcome.error is not None:
                    with bar.external_write_mode():
                        say(outcome.line, sys.stderr if outcome.error else sys.stdout)
            results.finish()
        except KeyboardInterrupt:
            log.write('# interrupted')
            with suppress(OutputError):
                results.write('interrupted')
            return EXIT_INTERRUPTED
        except AutoSpecError as error:
            with bar.external_write_mode():
                say(f'stopped: {error}', sys.stderr)
            with suppress(OutputError):  # the log or the summary may be what cannot be written
                log.write(f'# stopped: {error}')
            with suppress(OutputError):
                results.write('interrupted')
            return EXIT_FAILED
    if report.bugs:
        say(f'{report.bugs} of these are bugs in AutoSpec; please report them with {log.path}', sys.stderr)
        return EXIT_BUG
    return report.exit_code


def _way(
    job: Job, targets: list[Target], options: argparse.Namespace, interruption: Interruption
) -> Callable[[Job], Iterator[Outcome]]:
    """The function that extracts the sources, given the job: on a cluster, one by one, or in several processes."""
    from autospec_lib.run import schedule

    if options.scheduler:
        from autospec_lib.run.cluster import cluster

        return cluster(targets, options.scheduler, interruption)
    number = _processes(job, targets, options)
    if number == 1:
        return lambda job: schedule.serial(job, targets, interruption)
    return lambda job: schedule.processes(job, targets, number, interruption)


def _processes(job: Job, targets: list[Target], options: argparse.Namespace) -> int:
    """The number of extracting processes on this machine; 1 on a cluster, where each worker is one process."""
    from autospec_lib.run import schedule

    cores = job.params.cores if options.cores is None else options.cores
    return 1 if options.scheduler else schedule.how_many(cores, len(targets))


def _bug(folder: Path, error: Exception) -> int:
    """Report a bug of AutoSpec: write the traceback to the log, print where it is."""
    from autospec_lib.run.report import Log

    trace = traceback.format_exc()
    try:
        with Log(folder) as log:
            log.bug(trace)
        where = f'the traceback is in {log.path}'
    except (OSError, AutoSpecError):
        where = trace
    what = f'{type(error).__name__}: {" ".join(str(error).split())}'
    say(f'AutoSpec {__version__} has a bug: {what}; please report it: {where}', sys.stderr)
    return EXIT_BUG
