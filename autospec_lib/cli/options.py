"""The options of the command line, and the text of ``--help``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence

from autospec_lib import __version__

DESCRIPTION = """\
Extract a spectrum for every source of a catalogue from an integral-field datacube.

The working folder holds param.py (what to do), a catalogue, a cube and, if you like, images and segmentation maps.
For every source you get OUTPUT/Source_<ID>.fits (an MPDAF Source file) and plots in OUTPUT/images/<ID>/, and for all of
them a table, OUTPUT/summary.ecsv, and a page for the browser, OUTPUT/index.html."""

EPILOG = """\
a first run:
  AutoSpec --demo            extract 8 real sources of Abell 478 and say what to look at
  AutoSpec --init my_field   write param.py and catalog.txt into my_field; edit both
  AutoSpec --check my_field  find every fault and say what a run would do and need
  AutoSpec my_field          run
  AutoSpec --view my_field   look at the results in the browser

one position, without a catalogue or param.py:
  AutoSpec --radec '08:42:18.8 +01:38:33' cube.fits

exit codes: 0 every source done; 1 at least one source failed, or the run had to stop (named in the summary);
2 a fault in parameters, catalogue, cube, images or command line, nothing was started; 3 a bug (traceback in the
log); 130 interrupted (Ctrl-C, SIGTERM, SIGHUP), finished sources are kept.
param.py has one line about every parameter, docs/parameters.md explains each."""


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    result = argparse.ArgumentParser(
        prog='AutoSpec',
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = result.add_argument
    add(
        'folder',
        nargs='?',
        metavar='FOLDER',
        help='the working folder (default: here); with --radec also a cube',
    )
    does = result.add_mutually_exclusive_group()
    does.add_argument(
        '--init',
        action='store_true',
        help='write templates of param.py and catalog.txt; keep what is there',
    )
    does.add_argument(
        '--check',
        action='store_true',
        help='validate everything, say what a run would do, extract nothing',
    )
    does.add_argument(
        '--demo',
        nargs='?',
        const='',
        metavar='DIR',
        help='make a demo folder (default: autospec_demo) from the real MUSE cube inside mpdaf and run on it; '
        "'--demo sim [DIR]': a simulated field with known spectra",
    )
    does.add_argument('--view', action='store_true', help='open the report of a run in the browser')
    add(
        '--port',
        type=_port,
        metavar='N',
        help='with --view: serve the report to browsers of this machine at port N',
    )
    does.add_argument(
        '--marz-results',
        metavar='FILE',
        help='read the redshifts that MARZ has saved in FILE (.mz) into the summary',
    )
    does.add_argument(
        '--verdicts',
        nargs='+',
        metavar='FILE',
        help='read the verdicts that the report has saved in FILE (.csv) into all results; several files, one for each '
        'person, are merged',
    )
    add(
        '--id', nargs='+', type=_ident, metavar='ID', help='extract only the sources with these IDs'
    )
    add(
        '--radec',
        action='append',
        type=_position,
        metavar="'RA DEC'",
        help="extract this position, '130.578 1.643' or '08:42:18.8 +01:38:33', without a catalogue; param.py is used "
        'if there is one; may be repeated',
    )
    add(
        '--skip-bad-rows',
        action='store_true',
        help='leave out catalogue rows that cannot be read, and log them',
    )
    add(
        '--resume',
        action='store_true',
        help='keep the sources that an earlier run completed with the same settings',
    )
    where = result.add_mutually_exclusive_group()
    where.add_argument(
        '--cores', type=_count, metavar='N', help='how many sources at a time (0: one on each core)'
    )
    where.add_argument(
        '--scheduler',
        type=_address,
        metavar='ADDRESS',
        help='extract on a Dask cluster, e.g. tcp://10.0.0.1:8786',
    )
    talk = result.add_mutually_exclusive_group()
    talk.add_argument(
        '-q', '--quiet', action='store_true', help='print errors, and warnings that no log has'
    )
    talk.add_argument('-v', '--verbose', action='store_true', help='print a line for every source')
    add('--version', action='version', version=f'AutoSpec {__version__}')
    return result


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command line; invalid ones end the program.

    With positions (``--radec``) the user may name the cube instead of the working folder; it is
    then ``cube``.
    """
    own = parser()
    options = own.parse_args(argv)
    if options.port is not None and not options.view:
        own.error('--port N goes with --view')
    if (
        options.id
        and not options.folder
        and options.demo is None
        and not os.path.isfile('param.py')
    ):
        what = f'no param.py in {os.getcwd()}; a folder comes before --id'
        own.error(f'{what}: AutoSpec FOLDER --id {" ".join(map(str, options.id))}')
    if (
        options.verdicts
        and len(options.verdicts) > 1
        and not options.folder
        and os.path.isdir(options.verdicts[-1])
    ):
        options.folder = options.verdicts.pop()
    taken = '--marz-results' if options.marz_results else '--verdicts'
    if (options.marz_results or options.verdicts) and (options.id or options.radec):
        own.error(f'{taken} is about all sources of a catalogue; leave out --id and --radec')
    options.cube = None
    if options.radec and options.folder and os.path.isfile(options.folder):
        options.cube, options.folder = options.folder, None
    return options


def _count(text: str) -> int:
    """A number of processes."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 0')
    return int(text)


def _port(text: str) -> int:
    """A port number; 0 stands for any free port."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a port; expected a whole number up to 65535, e.g. 8000'
        )
    return int(text)


def _ident(text: str) -> int | str:
    """A source's ID, a number or text."""
    if os.path.isfile(os.path.join(text, 'param.py')):
        raise argparse.ArgumentTypeError(
            f'{text!r} is a working folder; a folder comes before --id'
        )
    return int(text) if text.isascii() and text.isdecimal() else text


def _position(text: str) -> str:
    """A position, whose values are checked later; a shell that splits it at the blank leaves one of
    them here."""
    if len(re.findall(r'[^,\s]+', text)) == 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is only a part of a position; quote both: --radec '130.578 1.643'"
        )
    return text


def _address(text: str) -> str:
    """The address of a Dask scheduler."""
    match = re.fullmatch(r'(?:(?:tcp|tls)://)?(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):(\d{1,5})', text)
    if not match or int(match[1]) > 65535:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not an address; expected tcp://HOST:PORT, e.g. tcp://10.0.0.1:8786'
        )
    return text
