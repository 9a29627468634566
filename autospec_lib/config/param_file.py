"""``param.py`` to checked parameters, with the line of every fault.

The file is executed by its path, in a namespace of its own, and its names are checked.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib.util
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import CodeType
from typing import Any

from autospec_lib.config import conflicts
from autospec_lib.config.allowed_values import plain
from autospec_lib.config.conflicts import Problem
from autospec_lib.config.params import BY_NAME, Params
from autospec_lib.core.errors import ParameterError, near, show
from autospec_lib.core.files import read_file

# Names that are assigned in these are not those of the module.
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.comprehension)
_FORMER_NAMES = {
    'USE_WHITE': 'USE_WHITE, of v1.1.0 and v1.1.1, was replaced by USE_IMGS in v1.1.2: USE_WHITE = False kept white '
    'light out of the object mask, USE_IMGS = False keeps out the white light and every IMG, so that SEG alone counts'
}


def load(path: Path, overrides: Mapping[str, str] | None = None) -> tuple[Params, tuple[str, ...]]:
    """Execute ``param.py`` and check all that can be checked without opening the cube.

    Parameters
    ----------
    path : Path
        The file; relative names in it start at its folder.
    overrides : mapping of str to str, optional
        Values from the command line, by field. They override the file, which may then be missing.

    Returns
    -------
    params : Params
        The checked values.
    warnings : tuple of str
        One line each on what the user should know; the run can go on.

    Raises
    ------
    ParameterError
        The file cannot be executed, or has faults, all of which are reported at once.
    """
    values, lines = ({}, {}) if overrides is not None and not path.exists() else _run(path)
    checked, faults = _checked(values, lines)
    params = Params(**(checked | dict(overrides or {})))

    faulty = {name for names, _ in faults for name in names}
    for names, text in conflicts.faults(params, Path(os.path.abspath(path)).parent):
        if not faulty.intersection(names):
            faults.append((names, text))
    problems = faults
    if not faults:
        problems = [
            ((name,), f'{name} has no effect; the parameter is {name.upper()}')
            for name in lines
            if name in values and name.upper() in BY_NAME.keys() - values.keys()
        ]
        problems.extend(conflicts.cautions(params, values))
    problems.sort(key=lambda problem: lines.get(problem[0][0], 0))  # in the order of the file
    messages = [f'{_place(path, lines.get(names[0]))}: {text}' for names, text in problems]
    if faults:
        raise ParameterError(*messages)
    return params, tuple(messages)


def _checked(
    values: Mapping[str, Any], lines: Mapping[str, int]
) -> tuple[dict[str, Any], list[Problem]]:
    """The normal form of each value that passes its check, by field; what is wrong with the others
    and their names."""
    checked: dict[str, Any] = {}
    faults: list[Problem] = []
    for name, field in BY_NAME.items():
        if name not in values:
            continue
        value = values[name]
        try:
            value = plain(value)
            result = field.metadata['check'](value)
        except ValueError as error:
            problem, hint = (*error.args, '')[:2]
            faults.append(
                (
                    (name,),
                    f'{name} = {show(value)} {problem}; expected {field.metadata["expected"]}{hint}',
                )
            )
            continue
        if checked.setdefault(field.name, result) != result:
            other = f'{field.name.upper()} = {show(checked[field.name])}'
            faults.append(
                ((name,), f'{name} = {show(value)} contradicts {other}; keep one of them')
            )
    for name in values:
        if name in _FORMER_NAMES:
            faults.append(((name,), _FORMER_NAMES[name]))
        elif name in lines and name.isupper() and not name.startswith('_') and name not in BY_NAME:
            hint = near(name, BY_NAME) or '; names of your own go in lower case'
            faults.append(((name,), f'unknown parameter {name}{hint}'))
    return checked, faults


def _run(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Execute the file with its folder as the working directory, without side effects on this
    process.

    Returns the value of every name that it sets, and the line of the last assignment to each name;
    a name that an import or a function sets has none.
    """
    filename, source = os.path.abspath(path), _source(path)
    search_path, no_bytecode = sys.path[:], sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # no .pyc for what the file imports
    try:
        with warnings.catch_warnings(), contextlib.chdir(os.path.dirname(filename)):
            warnings.simplefilter('ignore')
            tree = ast.parse(source, filename)
            values = _execute(compile(tree, filename, 'exec', dont_inherit=True), filename)
    except SyntaxError as error:
        raise ParameterError(
            f'{_place(filename, error.lineno)}: SyntaxError: {error.msg}'
        ) from error
    # A null byte; expressions nested too deep.
    except (ValueError, MemoryError, RecursionError) as error:
        raise ParameterError(f'{_place(filename, None)}: is not Python: {_text(error)}') from error
    finally:
        sys.path[:], sys.dont_write_bytecode = search_path, no_bytecode
    lines: dict[str, int] = {}
    nodes: list[ast.AST] = [tree]
    while nodes:  # not recursive: a long sum is a deep tree
        node = nodes.pop()
        if isinstance(node, _SCOPES):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            lines[node.id] = max(node.lineno, lines.get(node.id, 0))
        nodes.extend(ast.iter_child_nodes(node))
    return values, lines


def _place(path: str | Path, line: int | None) -> str:
    """The file and line, with which messages begin."""
    name = os.path.basename(path)
    return f'{name}, line {line}' if line else name


def _source(path: Path) -> str:
    """The file's text, with any line ends, byte-order mark and declared encoding."""
    try:
        return importlib.util.decode_source(read_file(path))
    except FileNotFoundError:
        folder = os.path.dirname(os.path.abspath(path))
        command = ['AutoSpec', '--init']
        if path.parent != Path():
            command.append(str(path.parent))
        raise ParameterError(
            f'{path.name}: not found in {folder}; write one with: {shlex.join(command)}'
        ) from None
    except OSError as error:
        raise ParameterError(f'{path.name}: cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b'.').splitlines())
        problem = f'byte 0x{error.object[error.start]:02x} is not {error.encoding}; save the file as UTF-8'
        raise ParameterError(f'{_place(path, line)}: {problem}') from error
    except (SyntaxError, LookupError, UnicodeError) as error:  # the encoding that the file declares
        raise ParameterError(f'{path.name}: {_text(error)}; save the file as UTF-8') from error


def _execute(code: CodeType, filename: str) -> dict[str, Any]:
    presets = {
        '__builtins__': dict(vars(builtins)),
        '__file__': filename,
        '__name__': os.path.splitext(os.path.basename(filename))[0],
    }
    values: dict[str, Any] = dict(presets)
    try:
        exec(code, values)
    # The user's code can fail in any way, also with KeyboardInterrupt and SystemExit.
    except BaseException as error:
        steps = traceback.walk_tb(error.__traceback__)
        inside = [line for frame, line in steps if frame.f_code.co_filename == filename]
        hint = ''
        if isinstance(error, NameError):
            hint = (
                near(error.name or '', ('True', 'False', 'None', *values)) or '; text needs quotes'
            )
        raise ParameterError(f'{_place(filename, inside[-1])}: {_text(error)}{hint}') from error
    return {name: value for name, value in values.items() if name not in presets}


def _text(error: BaseException) -> str:
    """The kind of error and its message on one line."""
    message = traceback.format_exception_only(error)[-1]
    return ' '.join(message.split())[:300]
