"""``param.py`` to checked parameters, with the line of every fault."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autospec_lib.config import conflicts, param_file
from autospec_lib.config.conflicts import Finding
from autospec_lib.config.params import KNOWN, Params
from autospec_lib.config.validators import plain
from autospec_lib.core.errors import ParameterError
from autospec_lib.core.wording import near, show

_REPLACED = {
    'USE_WHITE': 'USE_WHITE, of v1.1.0 and v1.1.1, was replaced by USE_IMGS in v1.1.2: USE_WHITE = False kept white '
    'light out of the object mask, USE_IMGS = False keeps out the white light and every IMG, so that SEG alone counts'
}


def load(path: Path, given: Mapping[str, str] | None = None) -> tuple[Params, tuple[str, ...]]:
    """Execute ``param.py`` and check all that can be checked without opening the cube.

    Parameters
    ----------
    path : Path
        The file; relative names in it start at its folder.
    given : mapping of str to str, optional
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
    values, lines = ({}, {}) if given is not None and not path.exists() else param_file.run(path)
    checked, faults = _checked(values)
    faults += _unknown(values, lines)
    params = Params(**(checked | dict(given or {})))

    faulty = {name for names, _ in faults for name in names}
    together = conflicts.faults(params, Path(os.path.abspath(path)).parent)
    faults += [finding for finding in together if not faulty.intersection(finding[0])]
    if faults:
        raise ParameterError(*_messages(path, lines, faults))
    cautions = [*_uncapitalised(values, lines), *conflicts.cautions(params, values)]
    return params, tuple(_messages(path, lines, cautions))


def _checked(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Finding]]:
    """The normal form of each value that passes its check, by field; what is wrong with the others."""
    checked: dict[str, Any] = {}
    faults: list[Finding] = []
    for name, field in KNOWN.items():
        if name not in values:
            continue
        value = values[name]
        try:
            value = plain(value)
            result = field.metadata['check'](value)
        except ValueError as error:
            problem, hint = (*error.args, '')[:2]
            faults.append(((name,), f'{name} = {show(value)} {problem}; expected {field.metadata["expected"]}{hint}'))
            continue
        if checked.setdefault(field.name, result) != result:
            other = f'{field.name.upper()} = {show(checked[field.name])}'
            faults.append(((name,), f'{name} = {show(value)} contradicts {other}; keep one of them'))
    return checked, faults


def _unknown(values: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[Finding]:
    for name in values:
        if name in _REPLACED:
            yield (name,), _REPLACED[name]
        elif name in lines and name.isupper() and not name.startswith('_') and name not in KNOWN:
            hint = near(name, KNOWN) or '; names of your own go in lower case'
            yield (name,), f'unknown parameter {name}{hint}'


def _uncapitalised(values: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[Finding]:
    for name in lines:
        capitals = name.upper()
        if name in values and name != capitals and capitals in KNOWN and capitals not in values:
            yield (name,), f'{name} has no effect; the parameter is {capitals}'


def _messages(path: Path, lines: Mapping[str, int], findings: list[Finding]) -> list[str]:
    """The findings with their lines, in the order of the file."""
    findings = sorted(findings, key=lambda finding: lines.get(finding[0][0], 0))
    return [f'{param_file.place(path, lines.get(names[0]))}: {text}' for names, text in findings]
