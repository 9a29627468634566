"""The page of the report: its files, plotly's library beside them, the table of all sources, and
how data reach it.

The page loads scripts from files beside it, each of which hands values to one of its functions.
"""

from __future__ import annotations

import base64
import filecmp
import json
import math
import shutil
import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autospec_lib.core import file_names
from autospec_lib.core.atomic import complete_file
from autospec_lib.core.types import FloatArray

TABLE, FIELD = 'sources.js', 'white.js'
TABLE_FUNCTION, FIELD_FUNCTION = 'autospecTable', 'autospecField'  # of the page
MOST_PIXELS = 2**19  # of the image of the field
GENERATOR = b'<meta name="generator" content="AutoSpec">'
LIBRARY, FIRST = 'plotly.min.js', 'theme.js'
OWN = Path(__file__).parent / 'page'
# That the page loads.
OWN_FILES = sorted(path for path in OWN.iterdir() if path.suffix in ('.js', '.css'))
# JSON is JavaScript, but a browser looks for the end of a script, and for comments, before it reads
# the JavaScript. U+2028 and U+2029 end lines in old browsers; they are not ASCII, so JSON escapes
# them already.
_ESCAPES = {'<': '\\u003c', '>': '\\u003e', '&': '\\u0026'}


def library() -> Path | None:
    """plotly's JavaScript library in its Python package; None if that is not installed.

    The package itself is not imported, because that takes a second.
    """
    package = find_spec('plotly')
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / 'package_data' / LIBRARY
    return path if path.is_file() else None


def obstacle(output: Path) -> str:
    """Why no report can be written in an output folder, in one line, or ''."""
    if library() is None:
        return 'no report is written: the Python package plotly is not installed; install it with: pip install plotly'
    if is_foreign(output):
        return (
            f'no report is written: {output / file_names.PAGE} or {output / file_names.REPORT} is not from AutoSpec; '
            'rename it, or set another OUTPUT, or REPORT = False'
        )
    return ''


def is_foreign(output: Path) -> bool:
    """Whether a page or folder that AutoSpec did not write is where the report would be written."""
    try:
        if GENERATOR not in (output / file_names.PAGE).read_bytes()[:4096]:
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
    own = {path.name for path in OWN_FILES} | {LIBRARY, TABLE, FIELD}
    own |= {file_names.DATA, file_names.CUBES}
    return not held <= own and FIRST not in held


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
    goals = {path: folder / path.name for path in (*OWN_FILES, library()) if path is not None}
    goals[OWN / file_names.PAGE] = output / file_names.PAGE
    for path, goal in goals.items():
        if not (goal.is_file() and filecmp.cmp(path, goal, shallow=False)):
            with complete_file(goal, flush=False) as temporary:
                shutil.copyfile(path, temporary)


def remove(output: Path) -> None:
    """Remove the page and the table of an earlier run, which would be mistaken for this run's."""
    if not is_foreign(output):
        (output / file_names.PAGE).unlink(missing_ok=True)
        for name in (TABLE, FIELD):
            (output / file_names.REPORT / name).unlink(missing_ok=True)


def write_table(
    output: Path,
    run: Mapping[str, Any],
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
    run : mapping
        What the page says of the run: 'key', under which the browser stores verdicts, the same for
        all runs of a field; 'name', 'version', 'command', 'folder', 'cube', 'catalogue' and
        'settings', which are texts; when the table was 'written', as text, and as 'stamp' in
        seconds since 1970; whether the run is still 'running'; the numbers of sources 'total' and
        'done'; and a 'summary' in one line.
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
    known = [(row['ID'], previews.get(str(row['ID']), {})) for row in rows]
    table = {
        'run': run,
        'columns': columns,
        'rows': [[row.get(name) for name, *_ in columns] for row in rows],
        # Small images and outline of each source, and the name of the file with its data.
        'previews': [
            [one.get('thumb', ''), one.get('outline', ''), file_names.report_data(ident)]
            for ident, one in known
        ],
        'verdicts': verdicts,
    }
    write_script(output / file_names.REPORT / TABLE, TABLE_FUNCTION, table)


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
        padded = np.pad(
            white, [(0, -length % factor) for length in white.shape], constant_values=np.nan
        )
        squares = padded.reshape(len(padded) // factor, factor, -1, factor)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of a square without any value
            image = np.nanmean(squares, axis=(1, 3))
        content |= {'bin': factor, 'size': image.shape, 'image': binary(image)}
    write_script(output / file_names.REPORT / FIELD, FIELD_FUNCTION, content)


def compass(arcsec: FloatArray) -> dict[str, list[float]]:
    """The steps along x and y, in pixels, to the position one arcsec further east, and north.

    Parameters
    ----------
    arcsec : array (2, 2)
        Offsets on the sky (east, north; rows) in arcsec of one pixel along y and x (columns).
    """
    east, north = np.linalg.inv(arcsec).T[:, ::-1].tolist()
    return {'east': east, 'north': north}


def write_script(path: Path, function: str, value: Any, numbers: str = '') -> None:
    """Write a script of one line that hands a value to a function of the page.

    It appears under its name only when it is complete. It is not flushed to disk, because it can be
    made again from the FITS files.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    function : str
        The function's name.
    value : dict, list, str, int, float, bool or None
        Numbers that are not finite become null. Text in it cannot end the script or become markup.
    numbers : str
        A result of `binary`, used as second argument without JSON, which would check each of its
        characters.
    """
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(',', ':'))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    if numbers:
        text += f',"{numbers}"'
    path.parent.mkdir(parents=True, exist_ok=True)
    with complete_file(path, flush=False) as temporary:
        temporary.write_text(f'{function}({text});\n', encoding='ascii')


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
        The type of the numbers: by default single precision, least significant byte first, as
        JavaScript's arrays are.
    """
    # Numbers beyond single precision become infinite or 0.
    with np.errstate(over='ignore', under='ignore'):
        return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode('ascii')
