"""The page of the report: its files, plotly's library beside them, and the table of all sources."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autospec_lib.core import file_names
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.types import Ident
from autospec_lib.output.report import encoding

PAGE, FOLDER, TABLE = 'index.html', file_names.REPORT, 'sources.js'
FUNCTION = 'autospecTable'  # of the page
MARK = b'<meta name="generator" content="AutoSpec">'
LIBRARY, FIRST = 'plotly.min.js', 'theme.js'
OWN = Path(__file__).parent / 'page'


@dataclass(frozen=True)
class Run:
    """What the page says of a run.

    Attributes
    ----------
    key : str
        The key under which the browser stores the user's verdicts: the same for all runs of a field.
    name, version, command, folder, cube, catalogue, settings, written : str
        The origin of the results, and when the table was written.
    stamp : int
        The same time in seconds since 1970.
    running : bool
        Whether the run is still in progress.
    total, done : int
        Numbers of sources.
    summary : str
        The results in one line.
    """

    key: str
    name: str
    version: str
    command: str
    folder: str
    cube: str
    catalogue: str
    settings: str
    written: str
    stamp: int
    running: bool
    total: int
    done: int
    summary: str


def library() -> Path | None:
    """plotly's JavaScript library in its Python package; None if that is not installed.

    The package itself is not imported, because that takes a second.
    """
    found = find_spec('plotly')
    places = found.submodule_search_locations if found else None
    paths = (Path(place) / 'package_data' / LIBRARY for place in places or ())
    return next((path for path in paths if path.is_file()), None)


def obstacle(output: Path) -> str:
    """Why no report can be written in an output folder, in one line, or ''."""
    if library() is None:
        return 'no report is written: the Python package plotly is not installed; install it with: pip install plotly'
    if is_foreign(output):
        return (
            f'no report is written: {output / PAGE} or {output / FOLDER} is not from AutoSpec; rename it, or set '
            'another OUTPUT, or REPORT = False'
        )
    return ''


def is_foreign(output: Path) -> bool:
    """Whether a page or folder that AutoSpec did not write is where the report would be written."""
    try:
        with (output / PAGE).open('rb') as file:
            if MARK not in file.read(4096):
                return True
    except FileNotFoundError:
        pass
    except OSError:  # a folder, or a file that cannot be read
        return True
    folder = output / FOLDER
    if not folder.is_dir():
        return folder.exists()
    held = {path.name for path in folder.iterdir() if not path.name.startswith('.')}
    # Scripts of another version may have other names; the first one is always there.
    return bool(held - {path.name for path in _own()} - {LIBRARY, TABLE, 'data'}) and FIRST not in held


def _own() -> list[Path]:
    """AutoSpec's own files that the page loads."""
    return [*sorted(OWN.glob('*.js')), *OWN.glob('*.css')]


def install(output: Path) -> None:
    """Write the page and its files; the table and the sources' data are written later.

    Parameters
    ----------
    output : Path
        The output folder.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    plotly = library()
    own = [*_own(), *([plotly] if plotly else [])]
    goals = {path: folder / path.name for path in own}
    for path, goal in {**goals, OWN / PAGE: output / PAGE}.items():
        if not _is_same(path, goal):
            with complete_file(goal, flush=False) as temporary:
                shutil.copyfile(path, temporary)


def _is_same(path: Path, other: Path) -> bool:
    return other.is_file() and path.stat().st_size == other.stat().st_size and path.read_bytes() == other.read_bytes()


def remove(output: Path) -> None:
    """Remove the page and the table of an earlier run, which would be mistaken for this run's."""
    if not is_foreign(output):
        (output / PAGE).unlink(missing_ok=True)
        (output / FOLDER / TABLE).unlink(missing_ok=True)


def write_table(
    output: Path,
    run: Run,
    columns: Sequence[tuple[str, str, str, bool]],
    rows: Sequence[Mapping[str, Any]],
    previews: Mapping[str, Mapping[str, str]],
) -> None:
    """Write the table of all sources, which appears under its name only when it is complete.

    Parameters
    ----------
    output : Path
        The output folder.
    run : Run
        What the page says of the run.
    columns : sequence of (str, str, str, bool)
        Name, unit and description of each column, and whether it holds numbers.
    rows : sequence of mapping
        A value or None for the columns of each source, in the order of the catalogue.
    previews : mapping of str to mapping
        The results of `source_data.write` for the sources, by their ID as text.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    table = {
        'run': asdict(run),
        'columns': columns,
        'rows': [[row.get(name) for name, *_ in columns] for row in rows],
        'previews': [_preview(row['ID'], previews) for row in rows],
    }
    (output / FOLDER).mkdir(parents=True, exist_ok=True)
    with complete_file(output / FOLDER / TABLE, flush=False) as temporary:
        temporary.write_text(encoding.call(FUNCTION, table), encoding='ascii')


def _preview(ident: Ident, previews: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Small images and outline of a source, and the name of the file with its data."""
    found = previews.get(str(ident), {})
    return [found.get('thumb', ''), found.get('outline', ''), file_names.report_data(ident)]
