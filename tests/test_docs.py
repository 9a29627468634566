"""What the README, the pages in docs/ and param.py say is what the program does."""

import dataclasses
import re
import runpy
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from builders import DEC, RA, gaussian, sky_header

from autospec_lib.cli import command
from autospec_lib.cli.command import main
from autospec_lib.config import param_file, params, sextractor
from autospec_lib.core import file_names
from autospec_lib.output import redshift_catalogue, source_file, summary
from autospec_lib.output.report import page as report
from autospec_lib.redshift.cards import cards, line_rows
from autospec_lib.redshift.estimate import Candidate, Redshift
from autospec_lib.redshift.hypotheses import Kind
from autospec_lib.redshift.line_fluxes import LineFit, LineFlux

ROOT = Path(__file__).resolve().parent.parent
USER_PAGES = ['README.md', *(f'docs/{path.name}' for path in sorted((ROOT / 'docs').glob('*.md')))]
PAGES = [*USER_PAGES, 'CONTRIBUTING.md', 'CHANGELOG.md', 'benchmarks/README.md', 'tests/CASES.md']
TEXT = {page: (ROOT / page).read_text(encoding='utf-8') for page in PAGES}
SNIPPETS = [
    found
    for page in USER_PAGES
    for found in re.findall(r'```python\n(.*?)```', TEXT[page], re.DOTALL)
]


@pytest.fixture
def extracted(folder):
    """A working folder after a run that writes everything there is: image, map, aperture as
    reference, cubes."""
    picture = 1e4 * gaussian(11, 13) + np.random.default_rng(1).normal(size=(24, 27))
    fits.PrimaryHDU(picture, sky_header()).writeto(folder / 'hst.fits')
    fits.PrimaryHDU((picture > 100).astype(np.int16), sky_header()).writeto(folder / 'mine.fits')
    (folder / 'catalog.txt').write_text(f'6 {RA:.7f} {DEC:.7f}\n8 {RA + 1 / 3600:.7f} {DEC:.7f}\n')
    with (folder / 'param.py').open('a') as file:
        file.write("IMG = 'hst.fits'\nSEG = 'mine.fits'\nAPER = 0.6\nREF = 0.6\nOUT_SUB = True\n")
        file.write("OUT_1D = True\nDEBLEND = True\nPSF = 0.8\nNOISE = 'empirical'\nXCOR_ITER = 2\n")
    assert main([str(folder), '-q']) == 0
    return folder


def section(page, title):
    """The text of a page from a heading to the next one of any level."""
    return re.search(
        rf'^##+ {re.escape(title)}\n(.*?)(?=^##+ |\Z)', TEXT[page], re.DOTALL | re.MULTILINE
    )[1]


def first_column(text):
    """What stands in code font in the first column of the tables of a text."""
    cells = re.findall(r'^\| (`.*?) \|', text, re.MULTILINE)
    return set(re.findall(r'`([^`]+)`', ' '.join(cells)))


@pytest.mark.parametrize('field', dataclasses.fields(params.Params), ids=lambda field: field.name)
def test_every_parameter_stands_in_its_page_and_in_param_py_with_its_default(field):
    name, default = field.name.upper(), repr(field.default)
    assert f'\n| `{name}` | `{default}` |' in TEXT['docs/parameters.md']
    assert re.search(
        rf'^{name} += {re.escape(default)} +# \S', (ROOT / 'param.py').read_text(), re.MULTILINE
    )


def test_the_page_of_parameters_names_none_that_is_gone():
    known = {field.name.upper() for field in dataclasses.fields(params.Params)}
    assert first_column(TEXT['docs/parameters.md']) == known


def test_the_tables_of_parameters_are_those_of_the_program():
    script = runpy.run_path(str(ROOT / 'docs' / 'parameters_page.py'))
    found = TEXT['docs/parameters.md'].partition(script['MARK'])[2]
    assert found == script['table'](), 'run: python docs/parameters_page.py'


def test_the_table_of_columns_is_that_of_the_program():
    script = runpy.run_path(str(ROOT / 'docs' / 'column_names.py'))
    found = TEXT['docs/inputs.md'].partition(script['START'])[2].partition(script['END'])[0]
    assert found == script['table'](), 'run: python docs/column_names.py'


def test_the_page_of_parameters_is_rewritten_below_its_mark_only(tmp_path):
    page = tmp_path / 'page.md'
    script = runpy.run_path(str(ROOT / 'docs' / 'parameters_page.py'))
    page.write_text(f'# Mine\n\n{script["MARK"]}old')
    script['rewrite'](page)
    assert page.read_text() == f'# Mine\n\n{script["MARK"]}{script["table"]()}'


def test_the_readmes_example_of_parameters_is_accepted(folder):
    for name in ('hst.fits', 'datacube.fits', 'catalog.txt'):
        (folder / name).touch()
    example = re.search(r'```\n(.*?)```', section('README.md', 'Parameters'), re.DOTALL)[1]
    (folder / 'param.py').write_text(example)
    loaded, warnings = param_file.load(folder / 'param.py')
    assert (loaded.ref, warnings) == ('hst', ())


def test_every_option_of_the_command_line_stands_in_the_readme(capsys):
    with pytest.raises(SystemExit):
        main(['--help'])
    said = set(re.findall(r'(?<![\w-])--?[a-z][a-z-]*', capsys.readouterr().out))
    assert said == set(
        re.findall(
            r'(?<![\w-])--?[a-z][a-z-]*',
            ' '.join(first_column(section('README.md', 'Command line'))),
        )
    )


def test_every_exit_code_stands_in_its_table_and_in_the_help(capsys):
    with pytest.raises(SystemExit):
        main(['--help'])
    said = capsys.readouterr().out
    for code in (0, *(value for name, value in vars(command).items() if name.startswith('EXIT_'))):
        assert f'\n| {code} |' in section('docs/messages.md', 'Exit codes')
        assert re.search(rf'\b{code} [a-z]', said.partition('exit codes:')[2])


def test_the_keys_of_default_sex_stand_in_their_table():
    text = section('docs/inputs.md', 'Segmentation settings')
    without_effect = {*sextractor.FIXED, 'ANALYSIS_THRESH', 'ASSOCSELEC_TYPE'}
    assert first_column(text) == {*sextractor.RULES, 'FILTER_NAME'} - without_effect
    for key in without_effect:
        assert f'`{key}' in text


def test_the_tables_of_products_and_cards_are_what_a_file_holds(extracted):
    with fits.open(extracted / 'output' / 'Source_6.fits') as hdus:
        cards = hdus[0].header
        names = [hdu.name.removesuffix('_DATA') for hdu in hdus[1:] if hdu.name.endswith('_DATA')]
        in_extensions = {card for hdu in hdus[1:] for card in hdu.header} & {
            source_file.GROUP_CARD,
            *source_file.ABOUT,
        }
    page = 'docs/output.md'
    reference = cards['REFSPEC'].removesuffix('_SKYSUB')
    patterns = {'HST': '<IMAGE>', 'SEG_HST': 'SEG_<IMAGE>', 'SEG_MINE': 'SEG_<MAP>'}
    patterns[f'{reference}_CONTSUB'] = '<reference>_CONTSUB'
    keys = [(name[:3] == 'SPE', name[4:].removesuffix('_SKYSUB')) for name in names]
    keys = [(spectrum, re.sub(r'(?<=PROFILE_)N?\d+', '<ID>', key)) for spectrum, key in keys]
    written = {(spectrum, patterns.get(key, key.replace('0.6', '<r>'))) for spectrum, key in keys}
    assert first_column(section(page, 'Spectra')) == {key for spectrum, key in written if spectrum}
    assert first_column(section(page, 'Images, maps, masks and cubes')) == {
        key for spectrum, key in written if not spectrum
    }
    held, documented = (
        {re.sub(r'\d+$', '1', card) for card in some}
        for some in (cards, first_column(section(page, 'Header')))
    )
    # This small field has too little blank sky to measure errors, no bad voxels, no stars, and too
    # few sources for the others.
    elsewhere = {
        'NFACT1',
        'NCOMPL',
        'COMPMAX',
        'NLOST',
        'DBRA1',
        'DBDEC1',
        'DBCATDX',
        'DBCATDY',
        'DBCATERR',
    }
    elsewhere |= {'PSFFWHM1', 'PSFBETA'}
    assert held - {'SIMPLE', 'BITPIX', 'NAXIS', 'EXTEND'} | in_extensions | elsewhere == documented


def test_the_columns_of_the_summary_stand_in_their_table_with_units_and_texts():
    text = section('docs/output.md', 'Summary')
    for column in (*summary.COLUMNS, *summary.OF_SPECTRA):
        name = column.name + '<key>' * (column in summary.OF_SPECTRA)
        unit = 'of the cube' if column.unit == summary.FLUX else column.unit
        assert f'\n| `{name}` | {unit} | {column.text} |\n' in text
    assert len(first_column(text)) == len(summary.COLUMNS) + len(summary.OF_SPECTRA)


def test_the_columns_with_results_of_marz_stand_in_their_table():
    text = section('docs/output.md', 'MARZ')
    for column in summary.MARZ:
        assert f'\n| `{column.name}` | {column.text} |\n' in text


def test_columns_and_cards_on_redshifts_stand_in_their_tables():
    text = section('docs/redshifts.md', 'Where results are')
    for column in summary.REDSHIFT:
        assert f'\n| `{column.name}` | {column.text} |\n' in text
        assert f'`{column.source}`' in text
    candidates = (Candidate(0.3, 0.001, Kind.GALAXY, 0.9, 1, True, 0.0),) * 2
    made = {'ZSPEC', 'ZNEIGHB'}.union(*(cards(Redshift(some, 0.5)) for some in ((), candidates)))
    cards_of_sources = text.partition('LINES')[0] + text.partition('[summary]')[2]
    columns = [*summary.REDSHIFT, *summary.OF_LINES]
    documented = first_column(cards_of_sources) - {column.name for column in columns}
    assert documented - made == set()
    line = LineFlux('HBETA', 'balmer', 4862.7, 6370.0, 1.0, 0.1, 1.0, 0.1, 3.0, None, 0)
    fit = LineFit(0.31, 1e-4, 50.0, 9.0, (line,), np.zeros(2))
    (row,) = line_rows(fit, 0.31, np.array([4000.0, 9000.0]), np.array([1.0, 2.0]))
    assert set(row) <= first_column(text.partition('LINES')[2])
    # The others are also names of columns.
    assert made - documented <= {'ZPROB', 'ZQUAL', 'ZTYPE', 'ZNLINE', 'ZBLEND', 'ZNEIGHB', 'ZSPEC'}
    assert all(f'`{line}' in text for line in summary.MAIN_LINES)


def test_the_columns_of_the_catalogue_of_redshifts_stand_in_their_table():
    text = section('docs/redshifts.md', 'The catalogue')
    others = [column for column in redshift_catalogue.COLUMNS if column not in summary.OF_LINES]
    for column in others:
        assert f'\n| `{column.name}` | {column.text} |\n' in text
    assert len(first_column(text)) == len(others) + 2


def test_the_page_of_the_report_names_its_keys_and_files(tmp_path):
    report.install(tmp_path)
    page = (tmp_path / file_names.PAGE).read_text(encoding='utf-8')
    told = [re.findall(r'<kbd>(.)', line) for line in page.splitlines() if '<dt>' in line]
    documented = re.findall(r'`([^`]+)`', section('docs/report.md', 'Keys').replace('`?`', ''))
    assert [key[0] for keys in told for key in keys] == [key[0] for key in documented]
    patterns = first_column(section('docs/report.md', 'Files'))
    written = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*') if path.is_file()
    }
    assert all(any(fnmatch(name, pattern) for pattern in patterns) for name in written)


def test_every_plot_stands_in_its_table(extracted):
    with (extracted / 'param.py').open('a') as file:
        file.write('PLOTS = True\n')
    assert main([str(extracted), '-q']) == 0
    plots = {
        path.name.replace('6', '<ID>') for path in (extracted / 'output' / 'images' / '6').iterdir()
    }
    without_redshift = first_column(section('docs/output.md', 'Plots')) - {'<ID>_REDSHIFT.jpg'}
    assert plots == without_redshift


@pytest.mark.parametrize('snippet', SNIPPETS, ids=range(len(SNIPPETS)))
def test_the_snippets_run(snippet, extracted, monkeypatch):
    if 'redshifts.ecsv' in snippet:
        with (extracted / 'param.py').open('a') as file:
            file.write('REDSHIFT = True\n')
        assert main([str(extracted), '-q']) == 0
    monkeypatch.chdir(extracted)
    exec(snippet, {})


def test_there_are_snippets():
    assert len(SNIPPETS) == 5


@pytest.mark.parametrize(
    ('name', 'ending'),
    [('demo', '.venv/bin/AutoSpec --demo'), ('test', '.venv/bin/pytest -q -n auto')],
)
def test_the_two_commands_are_one_line_each_behind_their_comments(name, ending):
    block = re.search(
        rf'^<!-- {name} command -->\n```sh\n(.*)\n```$', TEXT['README.md'], re.MULTILINE
    )
    assert block[1].startswith('python3 -m venv .venv && .venv/bin/pip install ')
    assert block[1].endswith(ending)


def anchors(page):
    """What the headings of a page are called in links."""
    headings = re.findall(r'^#+ (.*)$', page.read_text(encoding='utf-8'), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('document', PAGES)
def test_links_lead_somewhere(document):
    page = ROOT / document
    for target in re.findall(r'\]\(([^)]+)\)', TEXT[document]):
        if not target.startswith('https://'):
            name, _, anchor = target.partition('#')
            goal = page.parent / name if name else page
            assert goal.exists(), target
            assert not anchor or anchor in anchors(goal), target


def test_the_readme_is_short_and_links_every_page():
    assert len(TEXT['README.md'].split()) <= 1500
    assert {page for page in USER_PAGES if f']({page})' in TEXT['README.md']} == {*USER_PAGES} - {
        'README.md'
    }


def test_the_map_in_contributing_has_every_folder():
    listed = set(re.findall(r'^  ([\w.]+)/? ', TEXT['CONTRIBUTING.md'], re.MULTILINE))
    library = ROOT / 'autospec_lib'
    assert {path.parent.name for path in library.glob('*/__init__.py')} <= listed
