"""The map of the code in CONTRIBUTING.md is true, and dependencies run one way."""

import ast
import graphlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = {path.stem: path for path in sorted((ROOT / 'autospec_lib').glob('*.py'))}
CORE = ('segment', 'masks', 'geometry', 'extract', 'continuum', 'xcor', 'pipeline', 'names', 'joint', 'rescale')


def imports(source):
    """The project's modules and the packages that a module imports, anywhere in it but for type checking."""
    nodes, found = [ast.parse(source)], set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING':
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f'{node.module}.{name.name}' for name in node.names}
        nodes += ast.iter_child_nodes(node)
    ours = {name.split('.')[1] for name in found if name.startswith('autospec_lib.')} & FILES.keys()
    return ours, {name.split('.')[0] for name in found} - sys.stdlib_module_names - {'autospec_lib'}


REAL = {module: imports(path.read_text(encoding='utf-8')) for module, path in FILES.items()}


def test_the_map_in_contributing_has_every_module_with_its_imports():
    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    rows = {row[0]: row[1:] for row in re.findall(r'^\| `(\w+)` \| (.*?) \| (.*?) \|$', text, re.MULTILINE)}
    written = {module: set(re.findall(r'\w+', allowed)) for module, (_, allowed) in rows.items()}
    real = {module: ours | packages for module, (ours, packages) in REAL.items()}
    true_rows = [
        f'| `{module}` | {rows.get(module, ("?",))[0]} | {", ".join([*sorted(ours), *sorted(packages)]) or "nothing"} |'
        for module, (ours, packages) in REAL.items()
        if written.get(module) != (real[module] or {'nothing'})
    ]
    gone = [f'no longer there: {module}' for module in written if module not in FILES]
    assert not true_rows + gone, 'rows to put into the table of CONTRIBUTING.md:\n' + '\n'.join(true_rows + gone)


def test_modules_import_one_another_in_one_direction():
    graphlib.TopologicalSorter({module: ours for module, (ours, _) in REAL.items()}).prepare()


@pytest.mark.parametrize('module', FILES)
def test_no_module_imports_the_command_line(module):
    assert 'cli' not in REAL[module][0]


@pytest.mark.parametrize('module', CORE)
def test_the_core_knows_arrays_only(module):
    assert not REAL[module][1] & {'astropy', 'mpdaf', 'matplotlib'}


@pytest.mark.parametrize('module', FILES)
def test_no_file_has_become_a_drawer(module):
    assert len(FILES[module].read_text(encoding='utf-8').splitlines()) <= 300


@pytest.mark.parametrize(
    ('source', 'ours', 'packages'),
    [
        ('from autospec_lib import __version__, names, extract as x', {'names', 'extract'}, set()),
        ('def f():\n    import mpdaf.obj, os\n    from autospec_lib.model import Stamp', {'model'}, {'mpdaf'}),
        ('if TYPE_CHECKING:\n    from autospec_lib.params import Params\nimport numpy as np', set(), {'numpy'}),
    ],
)
def test_imports_are_found(source, ours, packages):
    assert imports(source) == (ours, packages)
