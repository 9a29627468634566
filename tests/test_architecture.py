"""Folders import one another as design has it, imports for type checking included, and files go
round no circle."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parent.parent / 'autospec_lib'
FILES = sorted(path for path in LIBRARY.rglob('*.py') if path != LIBRARY / '__init__.py')
# Each knows the core and itself.
PARTS = {'config', 'inputs', 'detection', 'extraction', 'deblending', 'redshift', 'output'}
ALLOWED = {
    'core': set(),
    **{part: {'core'} for part in PARTS},
    'pipeline': {'core', 'config', 'detection', 'extraction', 'deblending', 'redshift'},
    'run': {'core', 'pipeline', *PARTS},
    'demo': {'core', 'inputs'},
    'cli': {'core', 'config', 'inputs', 'run', 'demo'},
}
# Without files and headers: neither astropy nor mpdaf.
PLAIN = {'core', 'detection', 'extraction', 'deblending', 'redshift', 'pipeline'}


def module(path):
    """The dotted name of a file."""
    return '.'.join(path.relative_to(LIBRARY.parent).with_suffix('').parts).removesuffix(
        '.__init__'
    )


MODULES = {module(path): path for path in FILES}


def imports(source):
    """Every name that is imported anywhere in a source, with the module that it is from."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f'{node.module}.{name.name}' for name in node.names}
    return found


def known(name):
    """The module of the library that an imported name is, or is in."""
    return name if name in MODULES else known(name.rpartition('.')[0]) if '.' in name else None


@functools.cache
def real():
    """What each module of the library imports."""
    return {name: imports(path.read_text(encoding='utf-8')) for name, path in MODULES.items()}


@pytest.mark.parametrize('name', MODULES)
def test_a_folder_imports_only_what_it_may(name):
    folder = name.split('.')[1]
    others = {
        one.split('.')[1] for one in real()[name] if one.startswith('autospec_lib.') and known(one)
    } - {folder}
    assert others <= ALLOWED[folder]
    if folder in PLAIN:
        assert not {one.split('.')[0] for one in real()[name]} & {'astropy', 'mpdaf', 'matplotlib'}


def test_files_import_one_another_in_one_direction():
    graph = {name: {known(one) for one in found} - {None, name} for name, found in real().items()}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        (
            'from autospec_lib.core import keys, types as t',
            {'autospec_lib.core.keys', 'autospec_lib.core.types'},
        ),
        ('def f():\n    import mpdaf.obj', {'mpdaf.obj'}),
        (
            'if TYPE_CHECKING:\n    from autospec_lib.run.job import Job',
            {'autospec_lib.run.job.Job'},
        ),
    ],
)
def test_imports_are_found_lazy_ones_and_those_for_type_checking_too(source, found):
    assert imports(source) == found
