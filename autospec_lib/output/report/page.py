"""The page of the report: its files, plotly's library beside them, the table of all sources, and how data reach it.

The page loads scripts from files beside it, each of which hands values to one of its functions.
"""

from __future__ import annotations

import base64
import filecmp
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core import file_names
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.types import FloatArray, Ident

PAGE, TABLE, FIELD = 'index.html', 'sources.js', 'white.js'
TABLE_FUNCTION, FIELD_FUNCTION = 'autospecTable', 'autospecField'  # of the page
FOLDERS = {'data', 'cubes'}  # of files for each source
MOST_PIXELS = 2**19  # of the image of the field
GENERATOR = b'<meta name="generator" content="AutoSpec">'
LIBRARY, FIRST = 'plotly.min.js', 'theme.js'
OWN = Path(__file__).parent / 'page'
# JSON is JavaScript, but a browser looks for the end of a script, and for comments, before it reads the JavaScript.
# U+2028 and U+2029 end lines in old browsers; they are not ASCII, so JSON escapes them already.
_ESCAPES = {'<': '\\u003c', '>': '\\u003e', '&': '\\u0026'}


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
    package = find_spec('plotly')
    if package is None:
        return None
    paths = (Path(place) / 'package_data' / LIBRARY for place in package.submodule_search_locations or ())
    return next((path for path in paths if path.is_file()), None)


def obstacle(output: Path) -> str:
    """Why no report can be written in an output folder, in one line, or ''."""
    if library() is None:
        return 'no report is written: the Python package plotly is not installed; install it with: pip install plotly'
    if is_foreign(output):
        return (
            f'no report is written: {output / PAGE} or {output / file_names.REPORT} is not from AutoSpec; rename it, '
            'or set another OUTPUT, or REPORT = False'
        )
    return ''


def is_foreign(output: Path) -> bool:
    """Whether a page or folder that AutoSpec did not write is where the report would be written."""
    try:
        with (output / PAGE).open('rb') as file:
            if GENERATOR not in file.read(4096):
                return True
    except FileNotFoundError:
        pass
    except OSError:  # a folder, or a file that cannot be read
        return True
    folder = output / file_names.REPORT
    if not folder.is_dir():
        return folder.exists()
    held = {path.name for path in folder.iterdir() if not path.name.startswith('.')}
    # Scripts of another version may have other names; the first one is always there.
    return bool(held - {path.name for path in _own()} - {LIBRARY, TABLE, FIELD} - FOLDERS) and FIRST not in held


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
    folder = output / file_names.REPORT
    folder.mkdir(parents=True, exist_ok=True)
    goals = {path: folder / path.name for path in (*_own(), library()) if path is not None}
    goals[OWN / PAGE] = output / PAGE
    for path, goal in goals.items():
        if not (goal.is_file() and filecmp.cmp(path, goal, shallow=False)):
            with complete_file(goal, flush=False) as temporary:
                shutil.copyfile(path, temporary)


def remove(output: Path) -> None:
    """Remove the page and the table of an earlier run, which would be mistaken for this run's."""
    if not is_foreign(output):
        (output / PAGE).unlink(missing_ok=True)
        for name in (TABLE, FIELD):
            (output / file_names.REPORT / name).unlink(missing_ok=True)


def write_table(
    output: Path,
    run: Run,
    columns: Sequence[tuple[str, str, str, bool]],
    rows: Sequence[Mapping[str, Any]],
    previews: Mapping[str, Mapping[str, str]],
    verdicts: Mapping[str, Mapping[str, Any]],
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
    verdicts : mapping of str to mapping
        What people have decided on sources, by their ID as text.

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
        'verdicts': verdicts,
    }
    (output / file_names.REPORT).mkdir(parents=True, exist_ok=True)
    with complete_file(output / file_names.REPORT / TABLE, flush=False) as temporary:
        temporary.write_text(script(TABLE_FUNCTION, table), encoding='ascii')


def write_field(output: Path, white: FloatArray | None, about: Mapping[str, Any]) -> None:
    """Write the map of the field.

    Parameters
    ----------
    output : Path
        The output folder.
    white : array (ny, nx) or None
        White light, NaN where there is no value; None if it is not known. A large image is binned.
    about : mapping
        What the page has to know of the field.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    content = {**about, 'image': ''}
    if white is not None:
        factor = math.ceil(math.sqrt(max(1.0, white.size / MOST_PIXELS)))
        image = _binned(white, factor)
        content |= {'bin': factor, 'size': image.shape, 'image': binary(image)}
    (output / file_names.REPORT).mkdir(parents=True, exist_ok=True)
    with complete_file(output / file_names.REPORT / FIELD, flush=False) as temporary:
        temporary.write_text(script(FIELD_FUNCTION, content), encoding='ascii')


def _binned(image: FloatArray, factor: int) -> FloatArray:
    """Means of squares of so many pixels; NaN where there is no value at all."""
    known = np.isfinite(image)
    total, number = np.where(known, image, 0.0), known.astype(float)
    for axis, length in enumerate(image.shape):
        edges = np.arange(0, length, factor)
        total, number = (np.add.reduceat(values, edges, axis=axis) for values in (total, number))
    mean: FloatArray = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return mean


def compass(arcsec: FloatArray) -> dict[str, list[float]]:
    """The steps along x and y, in pixels, to the position one arcsec further east, and north.

    Parameters
    ----------
    arcsec : array (2, 2)
        Offsets on the sky (east, north; rows) in arcsec of one pixel along y and x (columns).
    """
    east, north = np.linalg.inv(arcsec).T[:, ::-1].tolist()
    return {'east': east, 'north': north}


def _preview(ident: Ident, previews: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Small images and outline of a source, and the name of the file with its data."""
    preview = previews.get(str(ident), {})
    return [preview.get('thumb', ''), preview.get('outline', ''), file_names.report_data(ident)]


def script(function: str, value: Any, numbers: str = '') -> str:
    """A script of one line that hands a value to a function of the page.

    Parameters
    ----------
    function : str
        The function's name.
    value : dict, list, str, int, float, bool or None
        Numbers that are not finite become null. Text in it cannot end the script or become markup.
    numbers : str
        A result of `binary`, used as second argument without JSON, which would check each of its characters.
    """
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(',', ':'))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return f'{function}({text},"{numbers}");\n' if numbers else f'{function}({text});\n'


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def binary(values: NDArray[Any], kind: str = '<f4') -> str:
    """An array in base64.

    Parameters
    ----------
    values : array
        Of any shape.
    kind : str
        The type of the numbers: by default single precision, least significant byte first, as JavaScript's arrays are.
    """
    with np.errstate(over='ignore', under='ignore'):  # numbers beyond single precision become infinite or 0
        return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode('ascii')
