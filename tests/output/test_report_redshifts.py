"""Redshifts in the report: simulated sources, gone through by keys in a real browser as a person
would.

AUTOSPEC_SOURCES=300 goes through so many of them.
"""

import csv
import itertools
import json
import os
import statistics
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from browser import CHROMIUM, DRIVER, fresh
from builders import DEC, RA, gaussian, make_cutout
from firefox import FIREFOX, Firefox
from report_reading import EVIL, GRID

from autospec_lib.core import file_names
from autospec_lib.core.products import Group, Kind, Products, RedshiftModel, Spectrum
from autospec_lib.core.types import Measured
from autospec_lib.output.report import page, source_data

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason='no chromium and chromedriver (Debian: chromium-driver)'
)
SOURCES = int(os.environ.get('AUTOSPEC_SOURCES', '14'))
WAVE = 4750 + 1.25 * np.arange(3681)
NOISE = 10.0
REFERENCE, JOINT = 'MUSE_WHITE_SKYSUB', 'MUSE_DEBLEND_SKYSUB'
LINES = {  # rest wavelength in vacuum and flux of the brightest lines, by the type of a source
    'gal': (
        (3728.5, 900),
        (4862.7, 500),
        (4960.3, 400),
        (5008.2, 1200),
        (6549.9, 200),
        (6564.6, 1500),
        (6585.3, 600),
    ),
    'LAE': ((1215.67, 1500),),
    'QSO': ((1549.5, 4000), (1907.7, 3000), (2799.1, 3000)),
    'star': ((4862.7, -900), (6564.6, -900), (8544.4, -900)),
}
CLASSES = {'gal': 'galaxy', 'LAE': 'Lya', 'QSO': 'quasar', 'star': 'star'}
COLUMNS = [
    ('ID', '', 'ID', True),
    ('RA', 'deg', 'right ascension', True),
    ('DEC', 'deg', 'declination', True),
    ('STATUS', '', 'status', False),
    ('NOTES', '', 'notes', False),
    ('Z', '', 'redshift', True),
    ('ZQUAL', '', 'its quality', True),
]
UNNAMED = 7000.0  # where source 1 has a line without a name


@dataclass(frozen=True)
class Truth:
    """A simulated source: its redshift and type, and the number of the candidate that is right; 0
    if none is.

    Without a type there is nothing to be seen, and the source has no redshift.
    """

    ident: int
    z: float
    kind: str
    right: int


def model(kind, z, flux=100.0):
    """A spectrum without noise."""
    width = 25 if kind == 'QSO' else 2.5
    made = np.full(WAVE.size, flux)
    for rest, strength in LINES.get(kind, ()):
        made += strength / width * np.exp(-0.5 * ((WAVE - rest * (1 + z)) / width) ** 2)
    return made


def sources(number, seed=21):
    """Simulated sources: the first candidate is right in seven of ten, another one or none in the
    others."""
    rng = np.random.default_rng(seed)
    for ident in range(1, number + 1):
        kind = str(rng.choice(['gal', 'gal', 'gal', 'LAE', 'QSO', 'star']))
        low, high = {
            'gal': (0.05, 0.4),
            'LAE': (2.95, 6.5),
            'QSO': (2.1, 3.5),
            'star': (-5e-4, 5e-4),
        }[kind]
        right = int(rng.choice([1, 1, 1, 1, 1, 1, 1, 2, 3, 0]))
        if ident == 1:
            kind, right, low, high = 'gal', 1, 0.3367, 0.3367
        if ident % 10 == 0:
            kind, right = '', 0
        yield Truth(ident, round(float(rng.uniform(low, high)), 6), kind, right)


def products_of(truth, seed):
    """What a run makes of a simulated source, but for images and maps."""
    rng = np.random.default_rng([seed, truth.ident])
    flux = model(truth.kind, truth.z) + rng.normal(0, NOISE, WAVE.size)
    variance = np.full(WAVE.size, NOISE**2)
    variance[2000:2004] *= 400  # a sky line
    others = [
        (z, kind)
        for z, kind in zip(
            rng.uniform(0.5, 1.2, 4).round(6), ('gal', 'LAE', 'star', 'QSO'), strict=True
        )
    ]
    if truth.right:
        others.insert(truth.right - 1, (truth.z, truth.kind))
    chances = (0.97, 0.02, 0.005, 0.001) if truth.right == 1 else (0.31, 0.2, 0.1, 0.001)
    models = tuple(
        RedshiftModel(float(z), 1e-4, kind, p, model(kind, z))
        for (z, kind), p in zip(others, chances, strict=False)
    )
    best = models[0].probability > 0.9
    facts = {
        'ZQUAL': (3 if best else 0, 'quality'),
        'ZSPEC': (JOINT if truth.ident == 2 else REFERENCE, 'spectrum'),
        'Z2AUTO': (models[1].z, 'candidate 2'),
    }
    if not best:
        facts['ZNOTE'] = (f'no redshift: best candidate z = {models[0].z:.4f}, P = 0.31', 'note')
    spectra = {
        REFERENCE: Spectrum(
            flux, variance, tag='MUSE_WHITE', kind=Kind.WEIGHTED, sky_subtracted=True
        ),
        JOINT: Spectrum(
            flux / 2, variance, tag='MUSE_DEBLEND', kind=Kind.JOINT, sky_subtracted=True
        ),
    }
    if truth.ident == 2:
        facts['DBGRADE'] = ('A', 'grade')
        facts['ZNOTE'] = (EVIL, 'note')
    else:
        del spectra[JOINT]
    # The second is at home at the redshift that is shown first.
    unnamed = UNNAMED, 4862.7 * (1 + truth.z)
    lines = (
        *({'LINE': '', 'LBDA_OBS': one} for one in unnamed),
        {'LINE': 'HALPHA', 'LBDA_OBS': 6564.6 * (1 + truth.z)},
    )
    table = {
        Group.SPECTRUM: spectra,
        Group.IMAGE: {'MUSE_WHITE': Measured(gaussian(10, 11, 1.5, (21, 23)))},
    }
    return Products(
        table, REFERENCE, facts=facts, lines=lines if truth.ident == 1 else (), models=models
    )


def write_report(output, truths, seed=21):
    """Write a report on simulated sources, as a run does; the one behind the last has failed."""
    base = replace(make_cutout(), wave=WAVE, grid=replace(GRID, medium='vacuum'))
    rows, previews = [], {}
    for truth in truths:
        target = replace(base.target, id=truth.ident, ra=RA + truth.ident / 3600, dec=DEC)
        products = products_of(truth, seed)
        path = output / 'report' / 'data' / f'{truth.ident}.js'
        previews[str(truth.ident)] = source_data.write(
            path, products, replace(base, target=target), 'viridis', {}
        )
        quality = products.facts['ZQUAL'][0]
        measured = {'Z': products.models[0].z if quality else None, 'ZQUAL': quality}
        rows.append(
            {
                'ID': truth.ident,
                'RA': target.ra,
                'DEC': DEC,
                'STATUS': 'extracted',
                'NOTES': '',
                **measured,
            }
        )
    rows.append({'ID': len(rows) + 1, 'RA': RA, 'DEC': DEC, 'STATUS': 'failed'})
    number = len(rows)
    words = (
        'key',
        'name',
        'version',
        'command',
        'folder',
        'cube',
        'catalogue',
        'settings',
        'written',
        'summary',
    )
    run = {word: word for word in words} | {
        'stamp': 0,
        'running': False,
        'total': number,
        'done': number,
    }
    page.write_table(output, run, COLUMNS, rows, previews, {})
    page.install(output)


@pytest.fixture(scope='module')
def truths():
    """The simulated sources."""
    return list(sources(SOURCES))


@pytest.fixture(scope='module')
def output(tmp_path_factory, truths):
    """A report on them."""
    folder = tmp_path_factory.mktemp('survey')
    write_report(folder, truths)
    return folder


@pytest.fixture
def browser(window, output):
    """The page, freshly opened."""
    yield from fresh(window, (output / file_names.PAGE).as_uri())


def opened(browser, ident):
    """Wait until a source's spectra are drawn."""
    browser.until(
        lambda: browser.run(
            'return Source.data?.id === arguments[0] && Spectrum.data === Source.data '
            "&& document.getElementById('name').textContent === `Source ${arguments[0]}` "
            "&& document.querySelectorAll('#plot .scatterlayer path').length > 0",
            str(ident),
        )
    )


def go(browser, ident):
    """Open a source by its address."""
    browser.open(f'{browser.address}#{ident}')
    opened(browser, ident)


def kept(browser):
    """The verdicts as they will be saved, by ID, without position and time."""
    rows = csv.DictReader(browser.run('return Verdicts.csv()').splitlines())
    names = ('VERDICT', 'REDSHIFT', 'ORIGIN', 'QUALITY', 'CLASS', 'COMMENT')
    return {row['ID']: tuple(row[name] for name in names) for row in rows}


def candidates(browser):
    """The redshifts that are offered, as a person reads them."""
    return browser.run(
        "return [...document.querySelectorAll('.offer')].map((one) => one.textContent)"
    )


def decide(browser, truth):
    """The keys that a person who knows the truth presses on a source, and what must be kept."""
    offered = browser.run(
        "return [...document.querySelectorAll('.offer b')].map((one) => Number(one.textContent))"
    )
    found = [place for place, z in enumerate(offered, 1) if abs(z - truth.z) < 1e-4]
    if not truth.kind:
        return ['0'], ('', None, '', '0', '')
    if not found:
        letter = CLASSES[truth.kind][0].lower()
        z = f'{truth.z:.4f}'
        keys = ['z', *z, 'Enter', 'Shift+3', f'Shift+{letter}', 'Enter']
        return keys, ('good', float(z), 'user', '3', CLASSES[truth.kind])
    quality, origin = ('3', 'Z') if found[0] == 1 else ('1', f'Z{found[0]}')
    keys = ['Enter'] if found[0] == 1 and truth.ident % 2 else [str(found[0])]
    return keys, ('good', truth.z, origin, quality, CLASSES[truth.kind])


def go_through(browser, truths):
    """Judge sources one after another; what must be kept and the number of keys, by ID."""
    expected, counts = {}, {}
    for truth in truths:
        opened(browser, truth.ident)
        keys, expected[str(truth.ident)] = decide(browser, truth)
        if truth.ident % 7 == 3:  # a slip
            browser.press('4')
            opened(browser, truth.ident + 1)
            browser.press('u')
            opened(browser, truth.ident)
            keys = ['4', 'u', *keys]
            browser.press(*keys[2:])
        else:
            browser.press(*keys)
        counts[truth.ident] = len(keys)
    return expected, counts


def as_expected(rows):
    """Rows of the CSV file as `decide` has them."""
    return {
        row['ID']: (
            row['VERDICT'],
            float(row['REDSHIFT']) if row['REDSHIFT'] else None,
            row['ORIGIN'],
            row['QUALITY'],
            row['CLASS'],
        )
        for row in rows
    }


FILL = """
const fill = (size) => {
  for (let number = 0; ; number += 1) {
    try { localStorage.setItem(`fill ${size} ${number}`, 'x'.repeat(size)); } catch { return; }
  }
};
for (const size of [1 << 20, 1 << 14, 1 << 8, 4, 0]) fill(size);
"""
EMPTY = """
for (const key of Object.keys(localStorage)) if (key.startsWith('fill')) localStorage.removeItem(key);
"""


@pytest.mark.long
def test_sources_are_gone_through_by_keys_and_nothing_is_lost(browser, truths, profile, capsys):
    for path in profile.glob('*.csv'):
        path.unlink()
    third = len(truths) // 3
    go(browser, 1)
    expected, counts = go_through(browser, truths[:third])
    browser.reload()
    opened(browser, third + 1)
    first = browser.window()
    browser.use()  # a second tab
    go(browser, third + 1)
    for part, into in zip(
        go_through(browser, truths[third : 2 * third]), (expected, counts), strict=True
    ):
        into.update(part)
    opened(browser, 2 * third + 1)
    browser.close()
    browser.use(first)
    browser.until(
        lambda: browser.text('#left') == f'{2 * third} done, {len(truths) - 2 * third} left'
    )
    browser.press('Enter')  # this one was judged in the other tab
    opened(browser, 2 * third + 1)
    browser.run(FILL)
    for part, into in zip(
        go_through(browser, truths[2 * third :]), (expected, counts), strict=True
    ):
        into.update(part)
    browser.until(lambda: browser.text('#left') == f'{len(truths)} done, none left')
    assert str(len(truths) - 2 * third) in browser.text('#storeFault')
    browser.reload()
    opened(browser, len(truths))
    assert str(len(truths) - 2 * third) in browser.text('#storeFault')
    browser.click('#save')
    (path,) = browser.until(lambda: list(profile.glob('*.csv')))
    with path.open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        'ID',
        'RA',
        'DEC',
        'VERDICT',
        'REDSHIFT',
        'ORIGIN',
        'QUALITY',
        'CLASS',
        'COMMENT',
        'CHANGED',
    ]
    assert as_expected(rows) == expected
    # There is room again: what this window alone had goes where it stays.
    browser.run(EMPTY)
    browser.press('Shift+1', 'u')
    assert not browser.run(
        "return document.getElementById('storeFault').checkVisibility() || sessionStorage.length"
    )
    assert len(
        browser.run("return Object.keys(localStorage).filter((one) => one.includes(' verdict '))")
    ) == len(truths)
    before = kept(browser)
    browser.run('localStorage.clear(); Verdicts.read()')
    assert kept(browser) == {}
    browser.choose('#file', path)
    browser.until(lambda: kept(browser) == before)
    median = statistics.median(counts[one.ident] for one in truths if one.right == 1)
    if 'AUTOSPEC_SOURCES' in os.environ:
        mean = statistics.mean(counts.values())
        with capsys.disabled():
            sys.stdout.write(
                f'{SOURCES} sources: {median:g} keys (median) where the first is right, {mean:.2f} on average\n'
            )
    assert median <= 2


@pytest.mark.long
def test_what_no_store_of_the_browser_takes_stays_in_the_page_until_there_is_room(browser):
    go(browser, 1)
    for script in (FILL, FILL.replace('localStorage', 'sessionStorage')):
        browser.run(script)
    browser.press('1')
    opened(browser, 2)
    assert kept(browser)['1'][:4] == ('good', '0.3367', 'Z', '3')
    assert browser.run('return [...Store.held.keys()]') == ['verdict 1']
    assert '1 verdict;' in browser.text('#storeFault')
    browser.press('Left')
    opened(browser, 1)
    assert '✓' in browser.run(
        "return getComputedStyle(document.querySelector('.offer b'), '::after').content"
    )
    browser.run(EMPTY + EMPTY.replace('localStorage', 'sessionStorage'))
    browser.press('Right', '0')
    opened(browser, 3)
    assert not browser.run("return document.getElementById('storeFault').checkVisibility()")
    names = browser.run(
        "return Object.keys(localStorage).filter((one) => one.includes(' verdict '))"
    )
    assert sorted(name.split()[-1] for name in names) == ['1', '2']


@pytest.mark.long
def test_the_candidates_are_listed_with_what_is_known_of_them(browser, truths):
    wrong = next(one for one in truths if one.right == 2 and one.ident > 2)
    go(browser, 1)
    texts = browser.run(
        "return [...document.querySelectorAll('.offer')].map((one) => one.innerText.replace(/\\s+/g, ' '))"
    )
    assert len(texts) == 4
    assert all(part in texts[0] for part in ('1', '0.3367', 'galaxy', '0.97', 'sure'))
    assert not browser.run("return document.querySelector('.remark')?.textContent ?? ''")
    assert 'Z2AUTO' not in browser.text('#facts')
    go(browser, wrong.ident)
    assert 'no redshift: best candidate z = ' in browser.text('.remark')
    assert 'P = 0.31' in browser.text('.remark')
    browser.click('.offer:nth-child(2)')
    assert browser.run('return Source.redshiftShown()') == wrong.z
    assert (
        browser.run("return [...document.querySelectorAll('.offer[aria-pressed=true] b')].length")
        == 1
    )
    assert kept(browser) == {}
    go(browser, 2)
    assert EVIL in browser.run("return document.querySelector('.remark').textContent")


@pytest.mark.long
def test_the_recommended_spectrum_opens_first_with_its_reason(browser):
    go(browser, 2)
    assert browser.run('return Source.data.shown') == [JOINT]
    assert all(part in browser.text('#legend') for part in (JOINT, 'grade A'))
    browser.press('Right')
    opened(browser, 3)
    assert browser.run('return Source.data.shown') == [REFERENCE]
    browser.press('Left')
    opened(browser, 2)
    browser.click('#which summary')
    browser.click('#spectra label:nth-child(1) input')
    browser.click('#spectra label:nth-child(2) input')
    assert browser.run('return Source.data.shown') == [REFERENCE]
    browser.press('Escape', 'Right', 'Left')  # what the user has chosen stays
    opened(browser, 2)
    assert browser.run('return Source.data.shown') == [REFERENCE]


def traces(browser):
    """Names, first values and axes of the curves in the plot."""
    found = browser.run(
        "return document.getElementById('plot').data.filter((one) => one.y.length > 9)"
        ".map((one) => [one.name, one.yaxis || 'y', Array.from(one.y)])"
    )
    return {name: (axis, np.array(values, float)) for name, axis, values in found if name != 'band'}


@pytest.mark.long
def test_the_model_of_the_candidate_at_hand_is_drawn_with_its_residuals(browser, truths):
    go(browser, 1)
    drawn = traces(browser)
    assert drawn['model'][0] == 'y'
    np.testing.assert_allclose(drawn['model'][1], model('gal', 0.3367), rtol=1e-5)
    axis, residual = drawn['residual']
    assert axis == 'y2'
    error = np.where((np.arange(WAVE.size) >= 2000) & (np.arange(WAVE.size) < 2004), 20, 1) * NOISE
    np.testing.assert_allclose(
        residual, (drawn[REFERENCE][1] - drawn['model'][1]) / error, rtol=1e-3, atol=1e-4
    )
    assert residual.std() == pytest.approx(1, abs=0.05)
    strip, spectra = browser.run(
        "const { yaxis, yaxis2 } = document.getElementById('plot').layout; return [yaxis2.domain, yaxis.domain]"
    )
    assert strip[0] == 0 < strip[1] < spectra[0] < spectra[1] == 1
    # Sky lines are shaded through both.
    paths = browser.run(
        "return document.getElementById('plot').layout.shapes.map((one) => one.path)"
    )
    assert any(path.startswith('M') and ',0L' in path and ',1L' in path for path in paths)
    browser.press('Down')
    other = products_of(truths[0], 21).models[1]
    browser.until(lambda: np.allclose(traces(browser)['model'][1], other.flux, rtol=1e-5))
    assert str(other.z) in browser.text('#legend')
    browser.press('z', '0', '.', '5', 'Enter')
    # There is none for a redshift of the user's.
    browser.until(lambda: 'model' not in traces(browser))
    browser.press('u')
    browser.until(lambda: 'model' in traces(browser))
    browser.click('#model')
    browser.until(lambda: 'residual' not in traces(browser))
    browser.click('#model')


@pytest.mark.long
def test_detected_lines_without_a_name_are_marked(browser):
    marks = (
        "return document.getElementById('plot').layout.annotations"
        ".filter((one) => one.text === '?').map((one) => one.x)"
    )
    go(browser, 1)
    assert browser.run(marks) == [UNNAMED]
    browser.press('Down')
    browser.until(lambda: sorted(browser.run(marks)) == pytest.approx([4862.7 * 1.3367, UNNAMED]))
    browser.press('Right')
    opened(browser, 2)
    assert browser.run(marks) == []


def labels(browser):
    """The labels of lines in the plot: texts, wavelengths, pixels beside the lines, left and right
    ends in pixels."""
    return browser.run(
        "const all = document.getElementById('plot').layout.annotations;"
        "return [...document.querySelectorAll('#plot .annotation')].map((one) => {"
        '  const box = one.getBoundingClientRect();'
        '  return [all[one.dataset.index], box.left, box.right];'
        "}).filter(([one]) => /^line |^unnamed/.test(one?.name || ''))"
        '.map(([one, ...box]) => [one.text, one.x, one.xshift, ...box])'
    )


@pytest.mark.long
def test_labels_of_lines_do_not_overlap_and_halpha_and_nii_have_their_own(browser):
    for width in (1400, 800, 420):
        browser.size(width, 900)
        go(browser, 1)
        browser.click('#absorption')
        found = sorted(browser.until(lambda: labels(browser)), key=lambda label: label[3])
        assert len(found) > 6
        assert max(abs(one[2]) for one in found) <= 32
        for (*_, right), (text, _, _, left, _) in itertools.pairwise(found):
            assert left > right - 4, (width, text)  # the boxes of texts hold some room
        around = [text for text, x, *_ in found if 6500 < x / 1.3367 < 6600]
        assert {'Hα', '[N II]'} <= set(around)
        if width == 1400:
            assert '[N I]' in [text for text, *_ in found]
        browser.click('#absorption')
        browser.press('Escape')


def test_labels_are_spread_by_least_squares(browser):
    assert browser.run('return spread([10, 50, 90], 14)') == [10, 50, 90]
    assert browser.run('return spread([50, 52], 14)') == [44, 58]
    assert browser.run('return spread([0, 50, 50, 50], 10)') == [0, 40, 50, 60]


def test_the_list_of_lines_has_neutral_nitrogen_and_iron(browser):
    emission, absorption = browser.run('return [EMISSION, ABSORPTION]')
    assert any(abs(rest - 5200.5) < 1.5 for _, rest in emission)
    for rest in (2344.21, 2374.46, 2382.76, 2586.65, 2600.17):
        assert any(name == 'Fe II' and abs(line - rest) < 0.05 for name, line in absorption)
    assert sum(name.startswith('Fe II*') for name, _ in emission) >= 4


@pytest.mark.long
def test_main_lines_are_shown_at_a_closer_look(browser, truths):
    def names():
        return browser.run(
            "return [...document.querySelectorAll('.zoom')].map((one) => one.getAttribute('aria-label'))"
        )

    browser.size(1700, 1000)
    go(browser, 1)
    assert len(names()) >= 5
    (panel,) = [place for place, name in enumerate(names(), 1) if 'Hα' in name]
    texts = browser.run(
        'return [...document.querySelectorAll(`.zoom:nth-child(${arguments[0]}) text.name`)]'
        '.map((one) => [one.textContent, one.getBoundingClientRect().left, one.getBoundingClientRect().right])',
        panel,
    )
    assert [text for text, *_ in sorted(texts, key=lambda one: one[1])] == [
        '[N II]',
        'Hα',
        '[N II]',
    ]
    places = sorted(texts, key=lambda one: one[1])
    assert all(right <= left for (_, _, right), (_, left, _) in itertools.pairwise(places))
    browser.click(f'.zoom:nth-child({panel})')
    low, high = browser.until(
        lambda: browser.run("return document.getElementById('plot').layout.xaxis.range")
    )
    assert low < 6564.6 * 1.3367 < high
    assert high - low < 300
    browser.press('z', '3', 'Enter')
    browser.until(lambda: any('Lyα' in name for name in names()))
    assert not any('Hα' in name for name in names())
    star = next((one for one in truths if one.kind == 'star' and one.right == 1), None)
    if star:
        go(browser, star.ident)
        assert not any('[O' in name for name in names())
        assert any('Ca II' in name for name in names())
        texts = [text for text, *_ in labels(browser)]
        assert 'Na D' in texts
        assert not any(text.startswith('[') for text in texts)


@pytest.mark.long
def test_the_list_says_what_is_done_and_filters_by_it(browser, truths):
    number = len(truths)
    go(browser, 1)
    browser.press('1')
    opened(browser, 2)
    browser.press('0')
    opened(browser, 3)
    browser.press('Escape')
    assert browser.text('#left') == f'2 done, {number - 2} left'
    shares = browser.run(
        "return [...document.querySelectorAll('#share i')].map((one) => [one.className, one.style.width])"
    )
    width = f'{100 / number:.2f}'
    assert [name for name, wide in shares if wide.startswith(width[:4])] == ['q3', 'q0']
    shown = "return [...document.querySelectorAll('#rows tr')].map((row) => row.dataset.id)"

    def chosen(value):
        browser.run(
            "const menu = document.getElementById('judged'); menu.value = arguments[0]; "
            "menu.dispatchEvent(new Event('change'))",
            value,
        )
        return browser.run(shown)

    assert chosen('done') == ['1', '2']
    assert chosen('3') == ['1']
    assert chosen('0') == ['2']
    assert chosen('todo') == [str(one.ident) for one in truths[2:102]]  # not the one that failed
    assert chosen('')[:3] == ['1', '2', '3']
    for text, expected in {
        'quality:3': ['1'],
        'quality<1': ['2'],
        'class:galaxy': ['1'],
        'verdict:good': ['1'],
    }.items():
        browser.type('#filter', text)
        browser.until(lambda expected=expected: browser.run(shown) == expected)


@pytest.mark.long
def test_undo_takes_back_each_change_of_this_window_alone(browser):
    go(browser, 1)
    browser.press('u')
    assert kept(browser) == {}
    browser.press('Shift+2', '1')
    opened(browser, 2)
    browser.press('c', *'seen', 'Enter')
    browser.press('2')
    opened(browser, 3)
    browser.press('Control+z')
    opened(browser, 2)
    assert kept(browser)['2'] == ('', '', '', '', '', 'seen')
    browser.press('u')  # a comment is one change
    assert '2' not in kept(browser)
    browser.press('u')
    opened(browser, 1)
    assert kept(browser) == {'1': ('', '', '', '2', '', '')}
    browser.press('1')
    opened(browser, 2)
    browser.run(
        "localStorage.setItem(Store.key('verdict 1'), JSON.stringify({ comment: 'of another window' }));Verdicts.read()"
    )
    browser.press('u')
    assert kept(browser)['1'][5] == 'of another window'


@pytest.mark.long
def test_a_key_that_is_pressed_before_the_data_are_there_waits_for_them(browser, truths):
    go(browser, 1)
    browser.run(
        'const { load } = Source; Source.load = async (row) => {'
        ' await new Promise((done) => setTimeout(done, 300)); return load.call(Source, row); }'
    )
    browser.press('Right', '2')
    assert kept(browser) == {}
    browser.until(lambda: '2' in kept(browser))
    opened(browser, 3)
    assert kept(browser)['2'][2] == 'Z2'


@pytest.mark.long
def test_a_redshift_that_is_not_there_is_not_accepted(browser, truths):
    go(browser, 1)
    browser.run('Source.data.candidates.length = 2; Source.judge()')
    browser.press('3')
    assert '3' in browser.text('#live')
    assert kept(browser) == {}
    assert browser.text('#name') == 'Source 1'


def test_the_help_names_every_key(browser):
    browser.press('?')
    words = browser.text('#help')
    for key in ('1 to 4', 'Enter', '0', 'Shift', 'u', 'Ctrl', 'g', 'd', 'b', 'z', 'c', '/', 'Esc'):
        assert key in words
    browser.press('Escape')


def test_a_row_with_a_value_that_is_not_allowed_is_named_and_not_read(browser):
    for row in (
        'good,0.5,user,4,galaxy',
        'good,0.5,user,x,galaxy',
        'good,0.5,user,3,planet',
        'fine,0.5,user,3,star',
    ):
        browser.run('localStorage.clear(); Verdicts.read()')
        text = f'ID,VERDICT,REDSHIFT,ORIGIN,QUALITY,CLASS\n1,{row}\n2,good,0.5,user,1,Lya\n'
        assert browser.run('return Verdicts.take(arguments[0])', text) == {
            'number': 1,
            'wrong': ['1'],
        }, row
        assert kept(browser) == {'2': ('good', '0.5', 'user', '1', 'Lya', '')}


@pytest.mark.long
@pytest.mark.skipif(not FIREFOX, reason='no firefox (Debian: firefox-esr)')
def test_keys_do_the_same_in_firefox(output, tmp_path):
    with Firefox(tmp_path) as browser:
        browser.open(f'{(output / file_names.PAGE).as_uri()}#1')
        drawn = "return document.querySelectorAll('#plot .scatterlayer path').length > 0"
        browser.until(lambda: browser.run(drawn), 60)
        browser.press('1')
        browser.until(lambda: browser.run('return location.hash') == '#2')
        ((name, text),) = browser.run('return Object.entries(localStorage)')
        assert name.endswith(' verdict 1')
        verdict = json.loads(text)
        assert (verdict['verdict'], verdict['origin'], verdict['quality'], verdict['kind']) == (
            'good',
            'Z',
            3,
            'galaxy',
        )
        assert verdict['z'] == pytest.approx(0.3367, abs=1e-3)
        browser.press('u')
        browser.until(lambda: browser.run('return location.hash') == '#1')
        assert browser.run('return localStorage.length') == 0
