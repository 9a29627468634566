"""Executes a user's Python file by its path, in a namespace of its own, and returns the names that it sets."""

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
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from autospec_lib.core.errors import ParameterError
from autospec_lib.core.wording import near

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.comprehension)


def run(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Execute the file with its folder as the working directory, without side effects on this process.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    values : dict
        The value of every name that the file sets.
    lines : dict
        The line of the last assignment to each name; a name that an import or a function sets has none.

    Raises
    ------
    ParameterError
        The file cannot be read, is not Python, or fails; the message gives the line.
    """
    filename = os.path.abspath(path)
    with _undisturbed():
        tree, code = _compile(_source(path), filename)
        with contextlib.chdir(os.path.dirname(filename)):
            values = _execute(code, filename)
    return values, _assigned(tree)


def place(path: str | Path, line: int | None) -> str:
    """The file and line, with which messages begin."""
    name = os.path.basename(path)
    return f'{name}, line {line}' if line else name


def _source(path: Path) -> str:
    """The file's text, with any line ends, byte-order mark and declared encoding."""
    try:
        return importlib.util.decode_source(path.read_bytes())
    except FileNotFoundError:
        folder = os.path.dirname(os.path.abspath(path))
        way_out = shlex.join(['AutoSpec', '--init', *[str(path.parent)] * (path.parent != Path())])
        raise ParameterError(f'{path.name}: not found in {folder}; write one with: {way_out}') from None
    except OSError as error:
        raise ParameterError(f'{path.name}: cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b'.').splitlines())
        problem = f'byte 0x{error.object[error.start]:02x} is not {error.encoding}; save the file as UTF-8'
        raise ParameterError(f'{place(path, line)}: {problem}') from error
    except (SyntaxError, LookupError, UnicodeError) as error:  # the encoding that the file declares
        raise ParameterError(f'{path.name}: {_text(error)}; save the file as UTF-8') from error


def _compile(source: str, filename: str) -> tuple[ast.Module, CodeType]:
    try:
        tree = ast.parse(source, filename)
        return tree, compile(tree, filename, 'exec', dont_inherit=True)
    except SyntaxError as error:
        raise ParameterError(f'{place(filename, error.lineno)}: SyntaxError: {error.msg}') from error
    except (ValueError, MemoryError, RecursionError) as error:  # a null byte; expressions nested too deep
        raise ParameterError(f'{place(filename, None)}: is not Python: {_text(error)}') from error


def _execute(code: CodeType, filename: str) -> dict[str, Any]:
    given = {
        '__builtins__': dict(vars(builtins)),
        '__file__': filename,
        '__name__': os.path.splitext(os.path.basename(filename))[0],
    }
    values: dict[str, Any] = dict(given)
    try:
        exec(code, values)
    except BaseException as error:  # the user's code can fail in any way, also with KeyboardInterrupt and SystemExit
        steps = traceback.walk_tb(error.__traceback__)
        inside = [line for frame, line in steps if frame.f_code.co_filename == filename]
        hint = _hint(error, values) if isinstance(error, NameError) else ''
        raise ParameterError(f'{place(filename, inside[-1])}: {_text(error)}{hint}') from error
    return {name: value for name, value in values.items() if name not in given}


def _text(error: BaseException) -> str:
    """The kind of error and its message on one line."""
    message = traceback.format_exception_only(error)[-1]
    return ' '.join(message.split())[:300]


def _hint(error: NameError, defined: Iterable[str]) -> str:
    return near(error.name or '', ('True', 'False', 'None', *defined)) or '; text needs quotes'


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Undo what the file does to the search path, write no .pyc for what it imports, and keep its warnings quiet."""
    search_path, no_bytecode = sys.path[:], sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        sys.path[:], sys.dont_write_bytecode = search_path, no_bytecode


def _assigned(tree: ast.Module) -> dict[str, int]:
    """The last line on which each name of the module is assigned, outside functions, classes and comprehensions."""
    lines: dict[str, int] = {}
    nodes: list[ast.AST] = [tree]
    while nodes:  # not recursive: a long sum is a deep tree
        node = nodes.pop()
        if isinstance(node, _SCOPES):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            lines[node.id] = max(node.lineno, lines.get(node.id, 0))
        nodes.extend(ast.iter_child_nodes(node))
    return lines
