"""What each option of the command line does, the order of the work, and its end in an exit code."""

from __future__ import annotations

import argparse
import gc
import os
import platform
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autospec_lib import __version__
from autospec_lib.cli.options import parsed
from autospec_lib.cli.terminal import Progress, has_display, say
from autospec_lib.core import file_names
from autospec_lib.core.atomic import remove_remains, write_new
from autospec_lib.core.errors import (
    AutoSpecError,
    InputError,
    ParameterError,
    counted,
    making,
    way_out,
)
from autospec_lib.core.files import other_kind
from autospec_lib.run.interruption import EXIT as EXIT_INTERRUPTED
from autospec_lib.run.interruption import Interruption

if TYPE_CHECKING:
    from autospec_lib.core.types import Target
    from autospec_lib.run.job import Job
    from autospec_lib.run.results import Outcome, Results

EXIT_FAILED, EXIT_INPUT, EXIT_BUG = 1, 2, 3
MOST_FAULTS = 20  # that are printed: all rows of a survey's catalogue may have the same one
# Bytes of address space that the imports of a run take; sources need more.
ADDRESS_SPACE = 300 * 2**20


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
    # Before numpy is imported, which param.py may do: with one thread, linear algebra adds numbers
    # up in a fixed order, so that results do not depend on the number of cores.
    for library in ('OPENBLAS', 'MKL', 'OMP', 'VECLIB'):
        os.environ.setdefault(f'{library}_NUM_THREADS', '1')
    # Plots are files: a backend for a notebook or a display, which may be named and missing, is not
    # used.
    os.environ['MPLBACKEND'] = 'agg'
    # Characters that cannot be printed are replaced; the output of a closed stream (``2>&-``) goes
    # to /dev/null.
    for name in ('stdout', 'stderr'):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: SIM115
        elif hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')
    options = parsed(argv)
    interruption = Interruption()
    with interruption.handled():
        code = _guarded(Path(options.folder or '.'), options, interruption)
    return EXIT_INTERRUPTED if interruption.requested else code


def _guarded(folder: Path, options: argparse.Namespace, interruption: Interruption) -> int:
    """Do what the options ask for; turn every error into a message and an exit code."""
    try:
        if not options.init:
            _check_address_space()
        actions = (
            (options.demo is not None, _demo),
            (options.init, _init),
            (options.view, _view),
            (options.marz_results or options.verdicts, _read_back),
            (options.check, _check),
            (True, _run),
        )
        action = next(action for is_wanted, action in actions if is_wanted)
        return action(folder, options, interruption)
    except AutoSpecError as error:
        _list(error.faults)
        return EXIT_INPUT
    except KeyboardInterrupt:
        say('interrupted; nothing was extracted', sys.stderr)
        return EXIT_INTERRUPTED
    except MemoryError:
        say(
            'not enough memory to read the inputs; decompress the cube, or leave out images of IMG',
            sys.stderr,
        )
        return EXIT_INPUT
    except ModuleNotFoundError as error:
        if str(error.name).startswith('autospec_lib'):
            return _bug(folder, error)
        say(
            f'the Python package {error.name} is not installed; install AutoSpec with: pip install .',
            sys.stderr,
        )
        return EXIT_INPUT
    except Exception as error:
        return _bug(folder, error)


def _list(faults: Sequence[str]) -> None:
    for fault in faults[:MOST_FAULTS]:
        say(fault, sys.stderr)
    if len(faults) > MOST_FAULTS:
        say(f'... and {len(faults) - MOST_FAULTS:,} more faults', sys.stderr)


def _check_address_space() -> None:
    """Refuse a limit of the address space (``ulimit -v``) in which the numerical libraries cannot
    be loaded.

    Under such a limit OpenBLAS, a part of numpy and scipy, ends the process with a message of its
    own, or keeps trying to allocate memory and ignores signals. What a run needs beyond the
    libraries is estimated in `run.check_text`.
    """
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limits
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < ADDRESS_SPACE:
        raise InputError(
            f'memory: this process is limited to {limit / 2**20:.0f} MB of address space; AutoSpec needs at least '
            f'{ADDRESS_SPACE / 2**20:.0f} MB; raise it (in a shell: ulimit -v unlimited; in a batch job: its memory)'
        )


def _init(folder: Path, _options: argparse.Namespace, _interruption: Interruption) -> int:
    """Write the templates that are not there yet."""
    from autospec_lib.config import params
    from autospec_lib.inputs import catalogue

    with making(folder, 'choose a folder that can be written'):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (('param.py', params.template()), ('catalog.txt', catalogue.TEMPLATE)):
            is_new = write_new(folder / name, text)
            say(
                f'{folder / name}: {"written; edit it" if is_new else "is there already; kept as it is"}'
            )
    return 0


def _demo(folder: Path, options: argparse.Namespace, interruption: Interruption) -> int:
    """Make a demo folder and run on it."""
    from autospec_lib.demo import folders

    simulated = options.demo == 'sim'
    named = '' if simulated else options.demo
    if named and options.folder:
        raise InputError(f'--demo {named} and {options.folder}: two folders; name one')
    folder = Path(named or options.folder or ('autospec_sim' if simulated else 'autospec_demo'))
    remove_remains(folder)
    with making(folder, 'choose one that can be written', ', or name another folder after --demo'):
        (folders.make_simulated if simulated else folders.make_abell)(folder)
    code = _run(folder, options, interruption)
    if not options.quiet:
        say(folders.what_to_look_at(folder, simulated))
    return code


def _view(folder: Path, options: argparse.Namespace, interruption: Interruption) -> int:
    """Open the report in a browser, or serve it; without a display, print how to reach it."""
    import webbrowser

    from autospec_lib.config import param_file, params
    from autospec_lib.run import viewing

    try:
        output = param_file.load(folder / 'param.py')[0].output
    except ParameterError:
        output = params.Params().output
    page = viewing.find(folder, output)
    if options.port is not None:
        with viewing.server(page.parent, options.port) as server:
            place = f'http://localhost:{server.server_port}/'
            say(f'{page.parent} is at {place} for browsers of this machine; Ctrl-C ends it')
            interruption.last_words = lambda: 'ended'
            with suppress(KeyboardInterrupt), interruption.in_this_process():
                server.serve_forever()
            say('ended')
    elif has_display(os.environ) and webbrowser.open(page.as_uri()):
        say(f'opened: {page}')
    else:
        say(f'no display here; the page is {page}')
        there = shlex.quote(f'{platform.node()}:{page.parent}')
        say(f'copy its folder to your machine and open {page.name}: scp -r {there} .')
        say(
            'or serve it with AutoSpec --view --port 8000, and forward the port: ssh -L 8000:localhost:8000 HOST'
        )
    return 0


def _read_back(folder: Path, options: argparse.Namespace, _interruption: Interruption) -> int:
    """Read what people have decided into all results: the redshifts that MARZ has saved, or the
    report's verdicts."""
    from autospec_lib.run import feedback

    job, _, warnings = _prepare(folder, options)
    summary, faults = job.output / file_names.SUMMARY[0], list[str]()
    if options.marz_results:
        number, cautions = feedback.take_redshifts(job, Path(options.marz_results))
        what = (
            'the redshift of 1 source is' if number == 1 else f'redshifts of {number} sources are'
        )
        sentence = f'{what} in {summary}'
    else:
        number, cautions, faults = feedback.take_verdicts(
            job, [Path(name) for name in options.verdicts]
        )
        sources = counted(number, 'source')
        sentence = f'verdicts on {sources} are in {summary}, and accepted redshifts in {file_names.REDSHIFTS}'
    _warn(warnings, options.quiet)
    _warn(cautions)  # no log has them
    _list(faults)
    if not options.quiet:
        say(sentence)
    return EXIT_FAILED if faults else 0


def _check(folder: Path, options: argparse.Namespace, _interruption: Interruption) -> int:
    """Say what a run would do."""
    from autospec_lib.run import check_text, schedule

    job, targets, warnings = _prepare(folder, options)
    _warn(warnings, options.quiet)
    processes = 1  # on a cluster, each worker is one
    if not options.scheduler:
        processes = schedule.how_many(options.cores, job.params.cores, len(targets))
    for line in check_text.describe(job, targets, processes):
        say(line)
    return 0


def _prepare(folder: Path, options: argparse.Namespace) -> tuple[Job, list[Target], list[str]]:
    """Read and check everything that can be checked before the first source; the third value is a
    list of warnings."""
    from autospec_lib.config import param_file

    overrides = _overrides(folder, options) if options.radec else None
    params, cautions = param_file.load(folder / 'param.py', overrides)
    # From here on numpy and more are needed; a fault in param.py is reported without waiting for
    # their imports.
    from autospec_lib.run.job import prepare

    positions = tuple(options.radec or ())
    job, targets, warnings = prepare(
        folder, params, options.id, options.skip_bad_rows, options.resume, positions
    )
    return job, targets, [*cautions, *warnings]


def _overrides(folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """The parameters that ``--radec`` sets, by field: no catalogue, and the cube if it is named.

    With positions of the command line, there may be no ``param.py``.
    """
    if options.id is not None:
        raise InputError(
            '--radec and --id: choose one of them; --id is for the sources of a catalogue'
        )
    if not folder.is_dir():
        kind = other_kind(folder)
        what = f'is {kind}' if kind else 'not found'
        raise InputError(f'{folder}: {what}; expected the cube or the working folder')
    if options.cube is not None:
        return {'catalog': '', 'datacube': options.cube}
    if not (folder / 'param.py').exists() and not (folder / 'datacube.fits').exists():
        mend = f"name the cube: AutoSpec --radec '{options.radec[0]}' CUBE.fits"
        raise InputError(
            f'--radec: neither param.py nor datacube.fits in {folder.resolve()}; {mend}'
        )
    return {'catalog': ''}


def _warn(lines: Iterable[str], quiet: bool = False) -> None:
    if not quiet:
        for line in lines:
            say(f'warning: {line}', sys.stderr)


def _run(folder: Path, options: argparse.Namespace, interruption: Interruption) -> int:
    """Extract every source."""
    # During imports the garbage collector scans all modules again and again: a twentieth of the
    # start-up time.
    gc.disable()
    try:
        job, targets, warnings = _prepare(folder, options)
    finally:
        gc.enable()
    _warn(warnings, options.quiet)
    from autospec_lib.config import sextractor
    from autospec_lib.run import cube_copy
    from autospec_lib.run.closing_sentence import sentence
    from autospec_lib.run.job import with_catalogue_error
    from autospec_lib.run.log import Log
    from autospec_lib.run.output_folder import locked
    from autospec_lib.run.psf_from_stars import with_seeing
    from autospec_lib.run.report import Page
    from autospec_lib.run.results import Results, write_marz, write_redshifts, write_summary

    if os.access(job.folder, os.W_OK):
        sextractor.install_defaults(job.folder)
    # Before the output folder is locked: a cluster that does not answer is a fault of the command
    # line.
    extract = _extractor(job, targets, options, interruption)
    command = shlex.join(['AutoSpec', *sys.argv[1:]])
    with ExitStack() as stack:
        try:
            unlocked = stack.enter_context(locked(job.output))
            log = stack.enter_context(closing(Log(job.logs)))
        except OSError as error:
            mend = way_out(error, f'logs/ and {job.params.output}/ must be writable')
            raise InputError(f'{error.filename or job.output}: {error.strerror}; {mend}') from error
        if unlocked:
            _warn([unlocked], options.quiet)
            warnings.append(unlocked)
        log.header(job, command, warnings)
        with interruption.in_this_process():
            job, seeing = with_seeing(job)
            job, positions = with_catalogue_error(job)
        if job.params.psf and job.cube.psf is None:
            _warn([seeing], options.quiet)
        for line in filter(None, (seeing, positions)):
            log.comment(line)
        progress = stack.enter_context(
            closing(Progress(len(targets), options.quiet, options.verbose))
        )

        def tell(line: str) -> None:
            log.comment(line)
            if not options.quiet:
                progress.say(line, sys.stderr)

        # Whatever is to hear of every source, or to write about all of them, stands in one of these
        # lists. MARZ's file and the last line of the log wait for the end of the run.
        results = Results(
            job,
            targets,
            on_outcome=[log.add, progress.add],
            files=[write_summary, write_redshifts, write_marz, Page(job, command).write, log.end],
        )
        interruption.last_words = lambda: f'interrupted; {sentence(results)}'
        outcomes = cube_copy.extracted(
            job, targets, extract, interruption, tell, bool(options.scheduler)
        )
        code = _collect(outcomes, results, progress)
    if code == EXIT_BUG:
        say(
            f'{results.bugs} of these are bugs in AutoSpec; please report them with {log.path}',
            sys.stderr,
        )
    if not options.quiet or code:
        say(sentence(results), sys.stderr if code else sys.stdout)
    return code


def _collect(outcomes: Iterator[Outcome], results: Results, progress: Progress) -> int:
    """Hand on each source's outcome as it is done; return the exit code."""
    try:
        results.write()
        for outcome in outcomes:
            results.add(outcome)
        results.finish()
    except KeyboardInterrupt:
        results.finish('interrupted')
        return EXIT_INTERRUPTED
    except AutoSpecError as error:
        progress.say(f'stopped: {error}', sys.stderr)
        results.finish(f'stopped: {error}')
        return EXIT_FAILED
    return EXIT_BUG if results.bugs else results.exit_code


def _extractor(
    job: Job, targets: list[Target], options: argparse.Namespace, interruption: Interruption
) -> Callable[[Job], Iterator[Outcome]]:
    """The function that extracts the sources, given the job: on a cluster, one by one, or in
    several processes."""
    from autospec_lib.run import schedule

    if options.scheduler:
        return schedule.cluster(targets, options.scheduler, interruption)
    number = schedule.how_many(options.cores, job.params.cores, len(targets))
    if number == 1:
        return partial(schedule.serial, targets=targets, interruption=interruption)
    return partial(schedule.processes, targets=targets, cores=number, interruption=interruption)


def _bug(folder: Path, error: Exception) -> int:
    """Report a bug of AutoSpec: write the traceback to the log, print where it is."""
    from autospec_lib.run.log import Log

    trace = traceback.format_exc()
    try:
        with closing(Log(folder)) as log:
            log.bug(trace)
        where = f'the traceback is in {log.path}'
    except (OSError, AutoSpecError):
        where = trace
    what = f'{type(error).__name__}: {" ".join(str(error).split())}'
    say(f'AutoSpec {__version__} has a bug: {what}; please report it: {where}', sys.stderr)
    return EXIT_BUG
