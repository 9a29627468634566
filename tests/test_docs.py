"""What the README and param.py say is what the program does."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from conftest import DEC, RA, gaussian, sky_header

from autospec_lib import cli, params, sexkeys
from autospec_lib.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / 'README.md').read_text(encoding='utf-8')
SNIPPETS = re.findall(r'```python\n(.*?)```', README, re.DOTALL)


@pytest.fixture
def extracted(folder):
    """A working folder after a run that writes everything there is: image, map, aperture as reference, cubes."""
    picture = 1e4 * gaussian(11, 13) + np.random.default_rng(1).normal(size=(24, 27))
    fits.PrimaryHDU(picture, sky_header()).writeto(folder / 'hst.fits')
    fits.PrimaryHDU((picture > 100).astype(np.int16), sky_header()).writeto(folder / 'mine.fits')
    (folder / 'catalog.txt').write_text(f'6 {RA:.7f} {DEC:.7f}\n')
    with (folder / 'param.py').open('a') as file:
        file.write("IMG = 'hst.fits'\nSEG = 'mine.fits'\nAPER = 0.6\nREF = 0.6\nOUT_SUB = True\n")
    assert main([str(folder), '-q']) == 0
    return folder


def section(title):
    """The text of the README from a heading to the next one of any level."""
    return re.search(rf'^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)', README, re.DOTALL | re.MULTILINE)[1]


@pytest.mark.parametrize('field', dataclasses.fields(params.Params), ids=lambda field: field.name)
def test_every_parameter_stands_in_the_readme_and_in_param_py_with_its_default(field):
    name, default = field.name.upper(), repr(field.default)
    assert f'\n| `{name}` | `{default}` |' in section('Parameters')
    assert re.search(rf'^{name} += {re.escape(default)} +# \S', (ROOT / 'param.py').read_text(), re.MULTILINE)


def test_the_readme_names_no_parameter_that_is_gone():
    known = {field.name.upper() for field in dataclasses.fields(params.Params)}
    assert set(re.findall(r'^\| `(\w+)` \|', section('Parameters'), re.MULTILINE)) == known


def test_every_option_of_the_command_line_stands_in_the_readme(capsys):
    with pytest.raises(SystemExit):
        main(['--help'])
    options = set(re.findall(r'(?<![\w-])--?[a-z][a-z-]*', capsys.readouterr().out))
    assert len(options) > 10
    assert options == set(re.findall(r'(?<![\w-])--?[a-z][a-z-]*', section('Command line'))) & options


def test_every_exit_code_stands_in_the_readme_and_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(['--help'])
    said = capsys.readouterr().out
    for code in (0, *(value for name, value in vars(cli).items() if name.startswith('EXIT_'))):
        assert f'\n| {code} |' in section('When something is wrong')
        assert re.search(rf'\b{code} [a-z]', said.partition('exit codes:')[2])


@pytest.mark.parametrize('key', sorted({*sexkeys.RULES, *sexkeys.FIXED, 'FILTER_NAME'}))
def test_every_key_of_default_sex_that_counts_stands_in_the_readme(key):
    assert f'`{key}' in section('Segmentation settings')


def test_every_product_and_card_stands_in_the_readme(extracted):
    with fits.open(extracted / 'output' / 'Source_6.fits') as hdus:
        cards = hdus[0].header
        names = {hdu.name for hdu in hdus[1:]}
    reference = cards['REFSPEC'].removesuffix('_SKYSUB')
    pattern = {
        'HST': '<IMAGE>',
        'SEG_HST': 'SEG_<IMAGE>',
        'SEG_MINE': 'SEG_<MAP>',
        f'{reference}_CONTSUB': '<reference>_CONTSUB',
    }
    chapters = {'SPE': section('Spectra'), 'IMA': section('Images, maps, masks and cubes')}
    for name in names:
        kind, key = name[:3], name[4:-5].removesuffix('_SKYSUB')
        key = pattern.get(key, key.replace('0.6', '<r>'))
        assert f'`{key}`' in chapters.get(kind, chapters['IMA']), name
    assert len(names) == 41
    for card in set(cards) - {'SIMPLE', 'BITPIX', 'NAXIS', 'EXTEND'}:
        assert f'`{card}`' in section('Header')


def test_every_file_that_a_run_leaves_stands_in_the_readme(extracted):
    with (extracted / 'param.py').open('a') as file:
        file.write('PLOTS = True\n')
    assert main([str(extracted), '-q']) == 0
    for path in (extracted / 'output' / 'images' / '6').iterdir():
        assert f'`{path.name.replace("6", "<ID>", 1)}`' in section('Plots')


@pytest.mark.parametrize('snippet', SNIPPETS, ids=range(len(SNIPPETS)))
def test_the_snippets_run(snippet, extracted, monkeypatch):
    monkeypatch.chdir(extracted)
    exec(snippet, {})


def test_there_are_snippets():
    assert len(SNIPPETS) == 2


@pytest.mark.parametrize(('name', 'ending'), [('demo', '.venv/bin/AutoSpec --demo'), ('test', '.venv/bin/pytest -q')])
def test_the_two_commands_are_one_line_each_behind_their_comments(name, ending):
    block = re.search(rf'^<!-- {name} command -->\n```sh\n(.*)\n```$', README, re.MULTILINE)
    assert block[1].startswith('python3 -m venv .venv && .venv/bin/pip install ')
    assert block[1].endswith(ending)


@pytest.mark.parametrize('document', ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'])
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding='utf-8')
    headings = re.findall(r'^#+ (.*)$', text, re.MULTILINE)
    anchors = {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}
    for target in re.findall(r'\]\(([^)]+)\)', text):
        if target.startswith('#'):
            assert target[1:] in anchors
        elif not target.startswith('https://'):
            assert (ROOT / target).exists(), target
