"""The report's page in a real browser, opened from disk."""

import csv
import io
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from browser import CHROMIUM, DRIVER, fresh
from builders import DEC, RA, gaussian, make_cutout, process, sky_header, with_hole
from PIL import Image
from report_reading import EVIL, GRID

from autospec_lib.cli import main
from autospec_lib.core import file_names
from autospec_lib.core.products import Group, Products
from autospec_lib.output.report import source_data

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason='no chromium and chromedriver (Debian: chromium-driver)'
)
MARKUP = '<img src=x onerror=window.broken=1>'  # also the name of an image
ZOOM = 0.0983  # a redshift that brings H gamma into the small cube's range
INK = (0x24, 0x57, 0xA6)  # of the first spectrum on white


@pytest.fixture(scope='module')
def output(tmp_path_factory):
    """The output of a run over four sources: two that are extracted, one where the cube is NaN, one
    full of markup."""
    folder = tmp_path_factory.mktemp('field with <b> # and ä')
    dead = with_hole(folder)
    image = 1e4 * gaussian(11, 13) + np.random.default_rng(1).normal(size=(24, 27))
    fits.PrimaryHDU(image, sky_header()).writeto(folder / f'{MARKUP}.fits')
    rows = [f'{n} {RA + d / 3600:.7f} {DEC:.7f}\n' for n, d in ((7, 0), (8, 1), (10, 0))]
    rows.insert(2, f'9 {dead}\n')
    (folder / 'catalog.txt').write_text(''.join(rows))
    (folder / 'param.py').write_text(f"SIZE = 3\nIMG = '{MARKUP}.fits'\n")
    assert main([str(folder), '-q']) == 1
    evil = replace(make_cutout(), grid=GRID)
    products = process(evil)
    spectra = {
        f'{EVIL}%{{y}}<b>$x$': replace(products.spectra[products.reference], unit=EVIL),
        **products.spectra,
    }
    table = {**products.table, Group.SPECTRUM: spectra}
    products = Products(table, next(iter(spectra)), notes=(EVIL,), facts={'A': (EVIL, EVIL)})
    evil = replace(evil, target=replace(evil.target, id=10))
    picture = folder / 'output' / 'images' / f'{EVIL}.jpg'
    picture.parent.mkdir(parents=True)
    shutil.copy(folder / 'output' / 'images' / '7' / '7_MASKS.jpg', picture)
    links = {'file': f'{EVIL}.fits', 'IMAGES': f'images/{EVIL}.jpg'}
    source_data.write(
        folder / 'output' / 'report' / 'data' / '10.js', products, evil, 'viridis', links
    )
    return folder / 'output'


@pytest.fixture
def browser(window, output):
    """The page, freshly opened."""
    yield from fresh(window, (output / file_names.PAGE).as_uri())


def shown(browser):
    """The IDs in the table, in its order."""
    return browser.run(
        "return [...document.querySelectorAll('#rows tr')].map((row) => row.dataset.id)"
    )


def opened(browser, ident):
    """Wait until the spectra of a source are drawn."""
    browser.until(
        lambda: browser.run(
            'return Source.data && Source.data.id === arguments[0] && Spectrum.data === Source.data '
            "&& document.querySelectorAll('#plot .scatterlayer path').length > 0 && "
            "document.getElementById('name').textContent === 'Source ' + arguments[0]",
            ident,
        )
    )


def ink(browser):
    """How many pixels of the plot have the colour of its first spectrum."""
    pixels = np.asarray(Image.open(io.BytesIO(browser.picture('#plot'))).convert('RGB')).astype(int)
    return int((np.abs(pixels - INK).max(axis=2) < 40).sum())


def test_every_source_of_the_catalogue_is_in_the_table(browser):
    assert shown(browser) == ['7', '8', '9', '10']
    assert 'failed' in browser.text('tr[data-id="9"] .c-status')
    assert 'no usable voxel' in browser.text('tr[data-id="9"] .c-notes')
    assert browser.run("return document.querySelectorAll('#rows img').length") == 3
    assert browser.run("return document.querySelector('#rows img').naturalWidth") > 10
    assert 'plotly' not in browser.run(
        "return performance.getEntriesByType('resource').map((one) => one.name).join()"
    )


def test_a_click_opens_a_source_and_its_spectrum_is_drawn(browser):
    browser.click('tr[data-id="8"] .c-status')
    opened(browser, '8')
    assert browser.run('return location.hash') == '#8'
    assert ink(browser) > 300
    sources = browser.run(
        "return [...document.querySelectorAll('#pictures img')].map((one) => one.getAttribute('src'))"
    )
    assert any('8_IMAGES.jpg' in one for one in sources)
    loaded = "return [...document.querySelectorAll('#pictures img')].every((one) => one.naturalWidth > 100)"
    browser.run(
        "for (const one of document.querySelectorAll('#pictures img')) one.loading = 'eager'"
    )
    browser.until(lambda: browser.run(loaded))


@pytest.mark.long
def test_an_address_with_an_id_opens_that_source(browser):
    browser.open('about:blank')
    browser.open(browser.address + '#7')
    opened(browser, '7')
    assert browser.text('#name') == 'Source 7'
    assert '150.00000' in browser.text('#position')
    assert '10:00:00.00 +02:00:00.0' in browser.text('#position')


def test_links_to_archives_are_links_only(browser):
    browser.open(browser.address + '#7')
    opened(browser, '7')
    links = browser.run(
        "return [...document.querySelectorAll('#position a')].map((a) => [a.href, a.rel, a.target])"
    )
    assert [href.split('/')[2] for href, *_ in links] == [
        'www.legacysurvey.org',
        'simbad.cds.unistra.fr',
        'ned.ipac.caltech.edu',
    ]
    assert {rel for _, rel, _ in links} == {'noopener noreferrer'}
    asked = browser.run("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert all(name.startswith(('file:', 'data:', 'blob:')) for name in asked)


def test_a_source_that_failed_says_so(browser):
    browser.open(browser.address + '#9')
    browser.until(lambda: 'not extracted' in browser.text('#hint'))
    assert 'no usable voxel' in browser.text('#notes')
    assert not browser.run("return document.getElementById('plot').checkVisibility()")


@pytest.mark.long
def test_the_filter_takes_words_and_comparisons(browser):
    for text, expected in {
        'failed': ['9'],
        'usable voxel': ['9'],
        'id<9': ['7', '8'],
        'id>=8 status:extracted': ['8', '10'],
        'no such thing': [],
        '': ['7', '8', '9', '10'],
    }.items():
        browser.type('#filter', text or ' ')
        browser.until(lambda expected=expected: shown(browser) == expected)
    browser.type('#filter', 'id<9')
    browser.until(lambda: browser.text('#count') == '2 of 4 sources')


def test_a_click_on_a_column_sorts_by_it_and_another_turns_it_round(browser):
    browser.click('th button[data-name="ID"]')
    assert shown(browser) == ['7', '8', '9', '10']
    browser.click('th button[data-name="ID"]')
    assert shown(browser) == ['10', '9', '8', '7']
    assert (
        browser.run("return document.querySelector('th.c-id').getAttribute('aria-sort')")
        == 'descending'
    )
    browser.click('th button[data-name="ID"]')
    assert shown(browser) == ['7', '8', '9', '10']
    assert (
        browser.run(
            "return document.querySelectorAll('th[aria-sort=ascending], th[aria-sort=descending]').length"
        )
        == 0
    )
    ratios = dict(browser.run('return Table.rows.map((row) => [row.id, row.cells.SN])'))
    best = sorted((ident for ident in ratios if ratios[ident]), key=ratios.get, reverse=True)
    browser.click('th button[data-name="SN"]')
    assert shown(browser) == [*best, '9']  # it has none
    browser.click('th button[data-name="SN"]')
    assert shown(browser)[-1] == '9'
    assert ratios[shown(browser)[0]] == min(ratios[ident] for ident in best)
    browser.click('th button[data-name="SN"]')
    assert shown(browser) == ['7', '8', '9', '10']


@pytest.mark.long
def test_a_comparison_that_cannot_be_used_is_named(browser):
    for text, *facts in (
        ('sn >5', '>5', 'sn>5'),
        ('sn> 5', 'sn>'),
        ('sn > 5', 'sn>5'),
        ('snr>5', 'snr', 'sn'),
        ('sn>five', 'five'),
    ):
        browser.type('#filter', text)
        browser.until(
            lambda facts=facts: all(fact in browser.text('#filterFault') for fact in facts)
        )
        browser.type('#filter', 'sn>0')
        browser.until(
            lambda: (
                not browser.run("return document.getElementById('filterFault').checkVisibility()")
            )
        )


def test_an_empty_cell_says_why(browser):
    reason = 'return document.querySelector(\'tr[data-id="{}"] .c-{}\').title'
    assert 'not extracted' in browser.run(reason.format(9, 'sn'))
    assert 'verdict' in browser.run(reason.format(7, 'verdict'))


@pytest.mark.long
def test_keys_walk_through_table_and_sources(browser):
    browser.press('Down', 'Down', 'Enter')
    opened(browser, '8')
    browser.press('Left')
    opened(browser, '7')
    browser.press('Right', 'Right')
    browser.until(lambda: browser.text('#name') == 'Source 9')
    browser.press('Escape')
    browser.until(lambda: browser.run("return document.getElementById('source').hidden"))
    assert browser.run('return document.activeElement.textContent') == '9'
    browser.press('/')
    assert browser.run('return document.activeElement.id') == 'filter'


@pytest.mark.long
def test_keys_follow_the_filter(browser):
    browser.type('#filter', 'status:extracted')
    browser.open(browser.address + '#8')
    opened(browser, '8')
    browser.run('document.activeElement.blur()')
    browser.press('Right')
    opened(browser, '10')


def lines_of(browser):
    """Where strokes stand in the plot, by the labels that have room."""
    return browser.run(
        "return Object.fromEntries(document.getElementById('plot').layout.annotations"
        ".filter((one) => (one.name || '').startsWith('line')).map((one) => [one.text, one.x]))"
    )


@pytest.mark.long
def test_lines_stand_where_a_redshift_brings_them(browser):
    browser.open(browser.address + '#7')
    opened(browser, '7')
    assert lines_of(browser) == {}
    before = ink(browser)
    browser.type('#z', str(ZOOM))
    browser.until(lambda: 'Hγ' in lines_of(browser))
    in_air = 4341.69 * (1 + ZOOM) / 1.0002786
    assert lines_of(browser)['Hγ'] == pytest.approx(in_air, abs=0.02)
    assert browser.run("return document.getElementById('plot')._fullLayout.xaxis2.visible")
    assert 'Hγ' in browser.run("return document.getElementById('plot').getAttribute('aria-label')")
    assert ink(browser) == pytest.approx(before, rel=0.5)
    browser.run(
        "const s = document.getElementById('slider'); s.value = 0.09; s.dispatchEvent(new Event('input'))"
    )
    browser.until(lambda: lines_of(browser).get('Hγ', 4740) < 4740.1)
    assert browser.run("return Number(document.getElementById('z').value)") == 0.09


@pytest.mark.long
def test_a_line_is_dragged_by_its_label(browser):
    browser.open(browser.address + '#7')
    opened(browser, '7')
    browser.type('#z', str(ZOOM))
    place = browser.until(
        lambda: browser.run(
            "const all = document.getElementById('plot').layout.annotations;"
            "const label = [...document.querySelectorAll('#plot .annotation')].find((one) => "
            "(all[one.dataset.index]?.name || '').startsWith('line'));"
            'if (!label) return null;'
            'const box = label.getBoundingClientRect();'
            'return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];'
        )
    )
    browser.drag(place, (place[0] + 60, place[1]))
    browser.until(
        lambda: browser.run("return Number(document.getElementById('z').value)") > ZOOM + 0.0003
    )
    # By sixty pixels, wherever on its label it was taken.
    moved = browser.run(
        "const x = document.getElementById('plot')._fullLayout.xaxis; return x.p2d(60) - x.p2d(0)"
    )
    z = browser.run("return Number(document.getElementById('z').value)")
    assert 4341.69 * (z - ZOOM) == pytest.approx(moved, abs=0.06)


@pytest.mark.long
def test_wavelengths_in_air_agree_with_specutils_and_come_back(browser):
    import astropy.units as u
    from specutils.utils.wcs_utils import vac_to_air

    vacuum = [6564.61, 5008.24, 9533.2]
    found = browser.run('return arguments[0].map(toAir)', vacuum)
    assert found == pytest.approx([6562.797, 5006.843, 9530.586], abs=2e-3)
    assert found == pytest.approx(vac_to_air(vacuum * u.AA, method='Morton2000').value, abs=1e-6)
    assert browser.run('return arguments[0].map(toVacuum)', found) == pytest.approx(
        vacuum, abs=1e-7
    )


@pytest.mark.long
def test_lines_have_the_wavelengths_of_mpdafs_list(browser):
    from mpdaf.sdetect.linelist import get_emlines

    ours = np.array([wave for _, wave in browser.run('return EMISSION')])
    theirs = get_emlines(vac=True, table=True)
    for line in theirs[theirs['MAIN'] == 1]:
        # A doublet may be one line, half way between.
        assert min(np.abs(ours - line[name]).min() for name in ('LBDA_OBS', 'DOUBLET')) < 1.0, line[
            'LINE'
        ]


@pytest.mark.long
def test_markup_in_names_notes_and_headers_stays_text(browser):
    browser.open(browser.address + '#10')
    opened(browser, '10')
    browser.type('#z', str(ZOOM))
    browser.press('Escape')
    browser.click('#which summary')
    boxes = browser.run(
        "return [...document.querySelectorAll('#spectra label > span')].map((one) => one.textContent)"
    )
    assert boxes[0].startswith(EVIL)
    assert browser.run("return document.querySelector('#facts').textContent").count(EVIL) >= 1
    # The plot's own texts: what is shown is what was given, tags, entities, templates and all.
    browser.run("Plotly.Fx.hover('plot', [{curveNumber: 1, pointNumber: 20}], 'xy')")
    browser.until(
        lambda: (
            EVIL[:20]
            in browser.run("return document.querySelector('#plot .hoverlayer').textContent")
        )
    )
    assert EVIL[:20] in browser.run("return document.querySelector('#plot .ytitle').textContent")
    assert browser.run("return document.querySelectorAll('#plot a, script:not([src])').length") == 0
    # An image of the catalogue's field is called by markup.
    browser.open(browser.address + '#7')
    opened(browser, '7')
    names = browser.run(
        "return [...document.querySelectorAll('#spectra label > span')].map((one) => one.textContent)"
    )
    assert any(MARKUP.upper() in name for name in names)
    assert browser.run("return document.querySelectorAll('img[src=x]').length") == 0


def redshift_kept(browser, ident):
    """The redshift of a verdict and where it comes from."""
    return browser.run('const { z, origin } = Verdicts.of(arguments[0]); return [z, origin]', ident)


@pytest.mark.long
def test_a_redshift_is_stored_whole_when_the_field_is_left(browser):
    browser.open(browser.address + '#8')
    opened(browser, '8')
    for typed, kept in (('0.42', 0.42), ('0,42', 0.42), ('1', 1), ('.5', 0.5), (' 3.25 ', 3.25)):
        browser.type('#z', typed)
        assert redshift_kept(browser, '8') == [None, None]
        browser.press('Enter')
        assert redshift_kept(browser, '8') == [kept, 'user'], typed
        assert browser.run("return document.activeElement.id !== 'z'")
        browser.type('#z', ' ')
        browser.click('#name')
        assert redshift_kept(browser, '8') == [None, None], typed


@pytest.mark.long
def test_what_is_no_redshift_is_marked_and_not_stored(browser):
    browser.open(browser.address + '#8')
    opened(browser, '8')
    for typed in ('25', '-3', '0,4,2', '1.2.3', 'abc', '1e9', 'Infinity'):
        browser.type('#z', '0.3')
        browser.press('Enter')
        assert (
            browser.run("return document.getElementById('z').getAttribute('aria-invalid')")
            == 'false'
        )
        browser.type('#z', typed)
        browser.press('Enter')
        assert redshift_kept(browser, '8') == [0.3, 'user'], typed
        assert (
            browser.run("return document.getElementById('z').getAttribute('aria-invalid')")
            == 'true'
        ), typed
        assert typed in browser.text('#live')
    browser.click('#next')
    browser.until(lambda: browser.text('#name') == 'Source 9')
    assert (
        browser.run("return document.getElementById('z').getAttribute('aria-invalid')") == 'false'
    )
    assert redshift_kept(browser, '8') == [0.3, 'user']
    assert redshift_kept(browser, '9') == [None, None]


@pytest.mark.long
def test_escape_gives_back_the_redshift_that_was_kept(browser):
    browser.open(browser.address + '#8')
    opened(browser, '8')
    browser.type('#z', '0.3')
    browser.press('Enter', 'z', '7', 'Escape')
    assert redshift_kept(browser, '8') == [0.3, 'user']
    assert browser.run("return document.getElementById('z').value") == '0.3'


@pytest.mark.long
def test_arrow_keys_change_the_source_after_slider_field_and_verdict(browser):
    browser.open(browser.address + '#7')
    opened(browser, '7')
    slider = browser.run(
        "const box = document.getElementById('slider').getBoundingClientRect(); return [box.x, box.y]"
    )
    start = (round(slider[0]) + 20, round(slider[1]) + 8)
    browser.drag(start, (start[0] + 20, start[1]))
    dragged = redshift_kept(browser, '7')
    assert dragged[0] > 0
    browser.press('Right')
    opened(browser, '8')
    assert redshift_kept(browser, '7') == dragged
    browser.press('z', 'Left')
    opened(browser, '7')
    browser.click('#verdict .good')
    browser.press('Right')
    opened(browser, '8')
    assert browser.run('return [Verdicts.of("7").verdict, Verdicts.of("8").verdict]') == [
        'good',
        '',
    ]
    # What has been typed is edited by the arrow keys: 0.52 becomes 0.512.
    browser.press('z', '0', '.', '5', '2', 'Left', '1', 'Enter')
    assert redshift_kept(browser, '8') == [0.512, 'user']
    browser.press('Left')
    opened(browser, '7')


@pytest.mark.long
def test_a_source_that_is_closed_right_after_typing_keeps_the_redshift(browser):
    browser.open(browser.address + '#8')
    opened(browser, '8')
    browser.type('#z', '0.7')
    browser.run("location.hash = ''")
    browser.until(lambda: browser.run("return document.getElementById('source').hidden"))
    assert redshift_kept(browser, '8') == [0.7, 'user']
    browser.run(
        'return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))'
    )


@pytest.mark.long
def test_escape_closes_an_open_menu_alone(browser):
    browser.open(browser.address + '#8')
    opened(browser, '8')
    browser.click('#which summary')
    browser.press('Escape')
    assert not browser.run("return document.getElementById('which').open")
    assert browser.text('#name') == 'Source 8'
    browser.press('Escape')
    browser.until(lambda: browser.run("return document.getElementById('source').hidden"))


@pytest.mark.long
def test_good_keeps_the_redshift_that_is_shown_and_where_it_comes_from(browser):
    browser.run(
        "for (const row of Table.rows) { row.cells.Z_MARZ = row.id === '8' ? 0.0987 : null; }"
    )
    browser.run("location.hash = '8'")
    opened(browser, '8')
    browser.press('g')
    assert redshift_kept(browser, '8') == [0.0987, 'Z_MARZ']
    (row,) = csv.DictReader(io.StringIO(browser.run('return Verdicts.csv()')))
    assert (row['VERDICT'], row['REDSHIFT'], row['ORIGIN']) == ('good', '0.0987', 'Z_MARZ')
    browser.press('d')
    assert redshift_kept(browser, '8') == [None, None]
    browser.type('#z', '0.2')
    browser.press('Enter', 'g')
    assert redshift_kept(browser, '8') == [0.2, 'user']
    browser.press('b')
    assert redshift_kept(browser, '8') == [0.2, 'user']


def test_the_redshift_that_is_shown_is_the_one_that_is_known_best(browser):
    for cells, shown in (
        ({'Z': None, 'Z_ERR': 0.1, 'Z_CATALOG': None}, None),
        ({'Z': 0.4, 'Z_ERR': 0.1, 'ZQUAL': 3, 'Z_CATALOG': 0.3}, {'z': 0.4, 'origin': 'Z'}),
        ({'Z': 0.4, 'ZQUAL': 1, 'Z_CATALOG': 0.3}, {'z': 0.3, 'origin': 'Z_CATALOG'}),
        ({'Z': 0.4, 'ZQUAL': 1}, {'z': 0.4, 'origin': 'Z'}),
        ({'Z': 0.4, 'ZQUAL': 3, 'Z_MARZ': 0.5, 'Z_CATALOG': 0.3}, {'z': 0.5, 'origin': 'Z_MARZ'}),
    ):
        assert browser.run('return knownRedshift({ cells: arguments[0] })', cells) == shown


def test_a_saved_file_with_a_wrong_redshift_names_the_source(browser):
    text = 'ID,VERDICT,REDSHIFT\n7,good,"0,5"\n8,good,25\n9,bad,\n'
    assert browser.run('return Verdicts.take(arguments[0])', text) == {'number': 2, 'wrong': ['8']}
    assert redshift_kept(browser, '7') == [0.5, 'user']
    assert redshift_kept(browser, '8') == [None, None]


@pytest.mark.long
def test_a_verdict_is_kept_and_saved_as_csv(browser):
    browser.open(browser.address + '#8')
    opened(browser, '8')
    browser.run('document.activeElement.blur()')
    browser.press('g')
    browser.type('#z', '0.5')
    browser.type('#comment', 'a "b", c')
    assert 'good' in browser.text('tr[data-id="8"] .c-verdict')
    browser.open('about:blank')
    browser.open(browser.address + '#8')
    opened(browser, '8')
    assert browser.run("return document.querySelector('#verdict input:checked').value") == 'good'
    assert browser.run(
        "return [document.getElementById('z').value, document.getElementById('comment').value]"
    ) == [
        '0.5',
        'a "b", c',
    ]
    text = browser.run('return Verdicts.csv()')
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row['ID'], row['VERDICT'], row['REDSHIFT'], row['COMMENT']) == (
        '8',
        'good',
        '0.5',
        'a "b", c',
    )
    assert (float(row['RA']), float(row['DEC'])) == pytest.approx((RA + 1 / 3600, DEC))
    browser.run('localStorage.clear(); Verdicts.read()')
    assert browser.run('return Verdicts.of("8").verdict') == ''
    assert browser.run('return Verdicts.take(arguments[0]).number', text) == 1
    assert browser.run('return Verdicts.csv()').split(',')[:-1] == text.split(',')[:-1]


@pytest.mark.long
def test_no_cell_of_saved_verdicts_is_a_formula(browser):
    cells = {
        '=HYPERLINK("x")': '\'=HYPERLINK("x")',
        '+1-1': "'+1-1",
        '-x': "'-x",
        '@SUM(1)': "'@SUM(1)",
        '\t=1': "'\t=1",
        '\r=1': "'\r=1",
        '-0x1F': "'-0x1F",
        "'=1": "''=1",
        "'tis": "'tis",
        '-12.5e-3': '-12.5e-3',
        '+7': '+7',
        'a=b': 'a=b',
    }
    for comment, cell in cells.items():
        browser.run('localStorage.clear(); Verdicts.read()')
        browser.run('Verdicts.change("8", { comment: arguments[0] })', comment)
        text = browser.run('return Verdicts.csv()')
        (row,) = csv.DictReader(io.StringIO(text, newline=''))
        assert row['COMMENT'] == cell
        browser.run('localStorage.clear(); Verdicts.read()')
        assert browser.run('return Verdicts.take(arguments[0])', text) == {'number': 1, 'wrong': []}
        assert browser.run('return Verdicts.of("8").comment') == comment


@pytest.mark.long
def test_more_spectra_smoothing_and_themes_draw_without_errors(browser):
    browser.open(browser.address + '#7')
    opened(browser, '7')
    browser.click('#which summary')
    browser.click('#spectra label:last-child input')
    browser.press('Escape')  # the menu may cover what is below
    browser.run(
        "const s = document.getElementById('smooth'); s.value = 2; s.dispatchEvent(new Event('input'))"
    )
    for name in ('band', 'sky', 'emission', 'absorption'):
        browser.click(f'#{name}')
    before = browser.run('return document.documentElement.dataset.theme')
    browser.click('#theme')
    assert browser.run('return document.documentElement.dataset.theme') != before
    browser.until(
        lambda: browser.run(
            "return document.querySelectorAll('#plot .scatterlayer path.js-line').length >= 2"
        )
    )
    browser.size(500, 800)
    browser.until(
        lambda: not browser.run("return document.getElementById('list').checkVisibility()")
    )


def test_smoothing_keeps_the_sum_and_errors_shrink_as_they_should(browser):
    flux, error = browser.run(
        'const flux = new Float32Array(101); flux[50] = 1; const error = new Float32Array(101).fill(1);'
        'const made = smoothed(flux, error, 3); return [[...made.flux], [...made.error]]'
    )
    assert sum(flux) == pytest.approx(1, rel=1e-5)
    # The square of a Gaussian of width s sums to 1 / (2 sqrt(pi) s).
    assert error[50] == pytest.approx((2 * np.sqrt(np.pi) * 3) ** -0.5, rel=2e-3)


@pytest.mark.long
def test_a_run_that_goes_on_is_followed(browser, output):
    table = output / 'report' / 'sources.js'
    before = table.read_text()
    late = re.sub(r'"stamp":\d+', '"stamp":0', before.replace('"running":false', '"running":true'))
    first = late.replace('"extracted"', '"not reached"', 1)
    try:
        table.write_text(first)
        browser.open('about:blank')
        browser.open(browser.address + '#7')
        browser.until(lambda: 'has not been reached' in browser.text('#hint'))
        assert browser.run("return document.getElementById('meter').checkVisibility()")
        assert 'no news' in browser.text('#progress')
        table.write_text(before)
        browser.run('Report.again()')
        opened(browser, '7')
        assert 'extracted' in browser.text('#state')
        assert not browser.run("return document.getElementById('meter').checkVisibility()")
    finally:
        table.write_text(before)


def test_the_page_names_its_controls_and_headings(browser):
    browser.open(browser.address + '#7')
    opened(browser, '7')
    nameless = browser.run(
        "const named = (one) => one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length;"
        "const all = [...document.querySelectorAll('button, input, select, summary, [role=img]')];"
        'return all.filter((one) => !named(one)).map((one) => one.id)'
    )
    assert nameless == []
    assert browser.run("return document.querySelectorAll('th:not([scope])').length") == 0
    assert (
        browser.run("return document.getElementById('live').getAttribute('aria-live')") == 'polite'
    )


def offered(browser, ident, *candidates):
    """Open a source for which these redshifts, with their types and probabilities, were
    measured."""
    browser.open(browser.address + f'#{ident}')
    opened(browser, ident)
    made = [
        {'z': z, 'error': 1e-4, 'type': kind, 'p': p, 'quality': quality}
        for z, kind, p, quality in candidates
    ]
    browser.run('Source.data.candidates = arguments[0]; Source.judge(); Source.drawLines()', made)


def verdict_kept(browser, ident):
    """A verdict, redshift, origin, quality and class as they will be saved."""
    rows = csv.DictReader(io.StringIO(browser.run('return Verdicts.csv()')))
    names = ('VERDICT', 'REDSHIFT', 'ORIGIN', 'QUALITY', 'CLASS')
    return next((tuple(row[name] for name in names) for row in rows if row['ID'] == ident), None)


TWO = (0.0983, 'gal', 0.97, 3), (3.25, 'LAE', 0.02, 0)


JUDGEMENTS = (
    (['1'], ('good', '0.0983', 'Z', '3', 'galaxy')),
    (['Enter'], ('good', '0.0983', 'Z', '3', 'galaxy')),
    (['2'], ('good', '3.25', 'Z2', '1', 'Lya')),
    (['Down', 'Enter'], ('good', '3.25', 'Z2', '1', 'Lya')),
    (['Shift+2', 'Shift+s', '1'], ('good', '0.0983', 'Z', '2', 'star')),
    (['0'], ('', '', '', '0', '')),
    (['Shift+n', 'Enter'], ('', '', '', '0', 'nothing')),
    (['Shift+n', '1'], ('good', '0.0983', 'Z', '3', 'galaxy')),
    (['Shift+n', 'z', '.', '5', 'Enter', 'Enter'], ('good', '0.5', 'user', '2', '')),
    (['Shift+n', 'Shift+1', '2'], ('good', '3.25', 'Z2', '1', 'Lya')),
    (['1', 'Left', 'Enter'], ('good', '0.0983', 'Z', '3', 'galaxy')),
    (['1', 'Left', 'Down', 'Enter'], ('good', '3.25', 'Z2', '1', 'Lya')),
    (['1', 'Left', 'z', '.', '5', 'Enter', 'Enter'], ('good', '0.5', 'user', '2', '')),
    (['b', 'Enter'], ('bad', '', '', '', '')),
    (['2', 'u', '1'], ('good', '0.0983', 'Z', '3', 'galaxy')),
    (['z', '0', ',', '5', 'Enter', 'Enter'], ('good', '0.5', 'user', '2', '')),
    (['z', '4', 'Enter', 'Shift+3', 'Shift+l', 'Enter'], ('good', '4', 'user', '3', 'Lya')),
)


@pytest.mark.long
def test_keys_judge_a_source_and_go_on_to_the_next_one(browser):
    offered(browser, '7', *TWO)
    for keys, kept in JUDGEMENTS:
        browser.run('localStorage.clear(); Source.done.length = 0; readAgain(); show("7")')
        opened(browser, '7')
        browser.run('document.activeElement.blur()')
        browser.press(*keys)
        assert verdict_kept(browser, '7') == kept, keys
        browser.until(lambda: browser.text('#name') == 'Source 8')
        assert browser.text('#left') == '1 done, 2 left'  # the fourth has no spectrum


@pytest.mark.long
def test_verdicts_come_back_from_the_results(browser, output, tmp_path):
    folder = tmp_path / 'field'
    shutil.copytree(output.parent, folder)
    address = (folder / 'output' / file_names.PAGE).as_uri()
    row = '8,,,good,0.31,user,2,galaxy,"from <b> me",2026-01-01T00:00:00Z'
    (folder / 'a.csv').write_text(
        f'ID,RA,DEC,VERDICT,REDSHIFT,ORIGIN,QUALITY,CLASS,COMMENT,CHANGED\n{row}\n'
    )
    assert main([str(folder), '-q', '--verdicts', str(folder / 'a.csv')]) == 0
    browser.open(address)
    assert verdict_kept(browser, '8') == ('good', '0.31', 'user', '2', 'galaxy')
    assert 'good' in browser.text('tr[data-id="8"] .c-verdict')
    # What was decided here later counts, also after a reload.
    browser.run("Verdicts.change('8', { verdict: 'bad' })")
    browser.open('about:blank')
    browser.open(address)
    assert browser.run("return Verdicts.of('8').verdict") == 'bad'
    assert browser.run("return Verdicts.of('8').comment") == 'from <b> me'
