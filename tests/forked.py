"""The command as a process of its own that is forked from the test's: without the second in which
modules are imported.

Tests of how a program starts (streams that are closed, modules, memory) need a new interpreter
instead.
"""

import os
import signal
import subprocess
import sys
import traceback
import warnings
from contextlib import suppress

from autospec_lib.cli.command import main


def start(*arguments, before=lambda: None, **options):
    """Start the command.

    Parameters
    ----------
    *arguments : str or Path
        Its arguments.
    before : function
        Called in the new process before the command begins.
    **options
        Further arguments of ``Popen``.

    Returns
    -------
    subprocess.Popen
        The process; its output is text.
    """
    options = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True, **options}
    with warnings.catch_warnings():
        # From Python 3.12 on, on forking where there are threads; none of them is needed here.
        warnings.simplefilter('ignore', DeprecationWarning)
        # What is to be done before another program takes over never ends.
        return subprocess.Popen(
            ['forked'], preexec_fn=lambda: _run(list(map(str, arguments)), before), **options
        )


def _run(arguments, before):
    code = 1
    try:
        os.closerange(3, 4096)  # also the pipe by which `subprocess` waits for the other program
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, 'w'), open(2, 'w')  # noqa: SIM115
        # A shell that runs the tests in its background has them, and what they start, ignore
        # Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        before()
        code = main(arguments)
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError):
                stream.flush()
        os._exit(code)
