"""The report's map of the field, images, narrow bands and spaxels in a real browser, driven by
clicks and keys."""

import io
import itertools
import threading

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from browser import CHROMIUM, DRIVER, fresh
from builders import PIXEL, cube_header, gaussian, sky_header, write_cube
from PIL import Image

from autospec_lib.cli import main
from autospec_lib.core import file_names
from autospec_lib.inputs import cube
from autospec_lib.run import viewing

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason='no chromium and chromedriver (Debian: chromium-driver)'
)
SIZE = 1500, 1000  # of the window
MARKUP = '<img src=x onerror=window.broken=1>'
SHAPE = 120, 44, 56  # of the cube
ANGLE = 30  # by which north is turned
# Positions (y, x) of the sources in pixels, from 0, and the flux of their continuum.
PLACES = {'alpha': (12, 14), 'beta': (14, 22), MARKUP: (30, 40), 'delta': (35, 12)}
FLUX = dict(zip(PLACES, (900, 300, 500, 400), strict=True))
# Channel, position and flux of a line beside source alpha.
LINE, LINE_PLACE, LINE_FLUX = 61, (15, 10), 600
GAP = 3  # rows at the upper edge without data


def field_cube():
    """Sources with a sloping continuum, a line beside one of them, noise of 1, and an edge."""
    nl, ny, nx = SHAPE
    slope = np.linspace(1, 1.5, nl)[:, None, None]
    data = np.random.default_rng(5).normal(size=SHAPE)
    for ident, (y, x) in PLACES.items():
        data += slope * FLUX[ident] * gaussian(y, x, 1.5, (ny, nx))
    profile = np.exp(-0.5 * ((np.arange(nl) - LINE) / 1.5) ** 2)[:, None, None]
    data += LINE_FLUX * profile * gaussian(*LINE_PLACE, 1.2, (ny, nx))
    data[:, -GAP:] = np.nan
    return data


def make_folder(folder):
    """A working folder with this cube, rotated on the sky, and an image."""
    header = cube_header()
    header.update(sky_header((28.0, 22.0), angle=ANGLE))
    write_cube(folder / 'datacube.fits', field_cube(), np.ones(SHAPE), header)
    fits.PrimaryHDU(
        gaussian(12, 14, 1.0, SHAPE[1:]), sky_header((28.0, 22.0), angle=ANGLE)
    ).writeto(folder / 'hst.fits')
    rows = [f'"{ident}",{ra:.7f},{dec:.7f}\n' for ident, (ra, dec) in sky_places(header).items()]
    (folder / 'catalog.txt').write_text('ID,RA,DEC\n' + ''.join(rows))
    (folder / 'param.py').write_text("SIZE = 4\nIMG = 'hst.fits'\nPLOTS = False\n")


def sky_places(header):
    """Right ascension and declination of the sources."""
    y, x = np.transpose([*PLACES.values()])
    sky = WCS(header).celestial.pixel_to_world_values(x, y)
    return dict(zip(PLACES, np.transpose(sky), strict=True))


@pytest.fixture(scope='module')
def output(tmp_path_factory):
    """The output of a run."""
    folder = tmp_path_factory.mktemp('field')
    make_folder(folder)
    assert main([str(folder), '-q']) == 0
    return folder / 'output'


@pytest.fixture
def browser(window, output):
    """The page, freshly opened."""
    yield from fresh(window, (output / file_names.PAGE).as_uri(), SIZE)


def frames(browser):
    """Wait until all that is to be drawn is drawn."""
    browser._send(
        'POST',
        '/execute/async',
        {'script': 'requestAnimationFrame(() => requestAnimationFrame(arguments[0]))', 'args': []},
    )


def opened(browser, ident):
    """Open a source and wait until its spectra are drawn."""
    browser.run('location.hash = encodeURIComponent(arguments[0])', ident)
    shown(browser, ident)


def shown(browser, ident):
    """Wait until the spectra of a source are drawn."""
    drawn = (
        'return Source.data?.id === arguments[0] && '
        "document.querySelectorAll('#plot .scatterlayer path').length > 0"
    )
    browser.until(lambda: browser.run(drawn, ident))
    frames(browser)


def mapped(browser):
    """Show the map."""
    browser.press('m')
    browser.until(
        lambda: browser.run('return Field.isShown && Field.data !== null && Field.scale > 0')
    )
    frames(browser)


def place_of(browser, ident):
    """Where a source is in the window, by the map."""
    return browser.run(
        "const box = document.getElementById('map').getBoundingClientRect();"
        'const { cells } = Table.byId.get(arguments[0]); const sight = Field.sight();'
        'return [box.x + sight.x(cells.X_CUBE - 1), box.y + sight.y(cells.Y_CUBE - 1)].map(Math.round)',
        ident,
    )


def click(browser, place):
    browser.drag(place, place)
    frames(browser)


def select(browser, name, value):
    """Choose a value in a menu."""
    change = 'const menu = document.getElementById(arguments[0]); menu.value = arguments[1];'
    browser.run(f"{change} menu.dispatchEvent(new Event('change'))", name, value)
    frames(browser)


def pixels(browser, selector=None):
    """The colours of an element, or of the window, as they are on the screen."""
    return np.asarray(Image.open(io.BytesIO(browser.picture(selector))).convert('RGB')).astype(int)


def ring(browser, ident, name, reach=16):
    """How many pixels around a source in the map have a colour of the page's style."""
    x, y = place_of(browser, ident)
    hexadecimal = browser.run('return colour(arguments[0])', name).lstrip('#')
    wanted = [int(hexadecimal[start : start + 2], 16) for start in (0, 2, 4)]
    around = pixels(browser)[y - reach : y + reach, x - reach : x + reach]
    return int((np.abs(around - wanted).max(axis=2) < 30).sum())


def test_the_map_shows_the_white_light_and_every_source_at_its_place(browser):
    mapped(browser)
    for ident, (y, x) in PLACES.items():
        cells = browser.run('return Table.byId.get(arguments[0]).cells', ident)
        assert (cells['Y_CUBE'], cells['X_CUBE']) == pytest.approx((y + 1, x + 1), abs=0.01)
        assert ring(browser, ident, '--unjudged') > 20
    box = browser.run(
        "const b = document.getElementById('map').getBoundingClientRect(); return [b.x, b.y]"
    )
    screen = pixels(browser).sum(axis=2)
    blank = browser.run('const s = Field.sight(); return [s.x(2), s.y(22)]')
    level = {
        ident: screen[y - 2 : y + 3, x - 2 : x + 3].mean()
        for ident, (x, y) in ((ident, place_of(browser, ident)) for ident in PLACES)
    }
    sky = screen[int(box[1] + blank[1]), int(box[0] + blank[0])]
    assert level['alpha'] <= min(level.values()) + 30  # the brightest is the darkest
    assert max(level.values()) < sky - 100
    assert browser.text('#fieldAbout').split()[-4:] == ['120', 'of', '120', 'channels']
    white = browser.run('return [...Field.data.values]')
    known = np.array([value is not None for value in white]).reshape(SHAPE[1:])
    assert not known[-GAP:].any()
    assert known[:-GAP].all()
    assert browser.run('return Field.edges.length') == 2 * (SHAPE[1] - GAP + SHAPE[2])


@pytest.mark.long
def test_north_and_east_are_where_the_cube_has_them(browser):
    mapped(browser)
    north, east = browser.run('return [Field.data.north, Field.data.east]')
    turn = np.radians(ANGLE)
    np.testing.assert_allclose(north, np.array([np.sin(turn), np.cos(turn)]) / PIXEL, atol=1e-3)
    np.testing.assert_allclose(east, np.array([-np.cos(turn), np.sin(turn)]) / PIXEL, atol=1e-3)
    opened(browser, 'beta')
    np.testing.assert_allclose(browser.run('return Source.data.north'), north, atol=1e-3)
    np.testing.assert_allclose(browser.run('return Source.data.east'), east, atol=1e-3)


@pytest.mark.long
def test_a_click_on_a_source_in_the_map_opens_it_and_it_is_marked(browser):
    mapped(browser)
    assert ring(browser, MARKUP, '--mark', 30) == 0
    click(browser, place_of(browser, MARKUP))
    shown(browser, MARKUP)
    assert browser.run("return document.getElementById('map').checkVisibility()")
    frames(browser)
    assert ring(browser, MARKUP, '--mark', 30) > 40
    click(browser, place_of(browser, 'alpha'))
    shown(browser, 'alpha')
    assert ring(browser, 'alpha', '--mark', 30) > 40
    assert ring(browser, MARKUP, '--mark', 30) == 0
    browser.press('Escape')
    browser.until(lambda: browser.run("return document.getElementById('source').hidden"))
    browser.press('m')
    assert not browser.run("return document.getElementById('map').checkVisibility()")
    assert browser.run("return document.getElementById('scroller').checkVisibility()")


def test_the_mouse_tells_which_source_it_is_on(browser):
    mapped(browser)
    x, y = place_of(browser, MARKUP)
    move = {'type': 'pointerMove', 'duration': 20, 'x': x, 'y': y}
    browser._send(
        'POST', '/actions', {'actions': [{'type': 'pointer', 'id': 'mouse', 'actions': [move]}]}
    )
    browser.until(lambda: MARKUP in browser.text('#fieldTip'))
    assert 'S/N' in browser.text('#fieldTip')
    assert browser.run("return document.querySelectorAll('img[src=x]').length") == 0


@pytest.mark.long
def test_arrow_keys_go_to_the_next_source_in_their_direction(browser):
    mapped(browser)
    browser.run("Field.cursor = 'delta'")
    steps = (
        ('Down', 'alpha'),
        ('Right', 'beta'),
        ('Up', 'delta'),
        ('Right', MARKUP),
        ('Left', 'delta'),
    )
    for key, ident in steps:
        browser.press(key)
        assert browser.run('return Field.cursor') == ident
    browser.press('Down', 'Right', 'Enter')
    shown(browser, 'beta')


@pytest.mark.long
def test_the_map_zooms_and_pans_by_keys_wheel_buttons_and_mouse(browser):
    mapped(browser)
    view = 'return [Field.scale, ...Field.middle]'
    whole = browser.run(view)
    browser.press('+')
    assert browser.run(view)[0] == pytest.approx(1.5 * whole[0])
    assert browser.run(view)[1:] == pytest.approx(whole[1:])
    browser.press('-')
    assert browser.run(view) == pytest.approx(whole)
    start = place_of(browser, 'delta')
    scroll = {'type': 'scroll', 'x': start[0], 'y': start[1], 'deltaX': 0, 'deltaY': -400}
    browser._send(
        'POST', '/actions', {'actions': [{'type': 'wheel', 'id': 'wheel', 'actions': [scroll]}]}
    )
    browser.until(lambda: browser.run(view)[0] > 1.2 * whole[0])
    # What is under the mouse stays there.
    assert np.abs(np.subtract(place_of(browser, 'delta'), start)).max() <= 2
    browser.drag(start, (start[0] + 60, start[1] - 25))
    assert np.abs(np.subtract(place_of(browser, 'delta'), start) - [60, -25]).max() <= 2
    assert browser.run('return Source.id') is None  # no click
    before = browser.run(view)
    browser.press('Shift+Right')
    assert browser.run(view)[2] > before[2]
    browser.press('Home')
    assert browser.run(view) == pytest.approx(whole)
    browser.click('#zoomOut')
    assert browser.run(view)[0] < whole[0]
    browser.click('#zoomAll')
    assert browser.run(view) == pytest.approx(whole)


@pytest.mark.long
def test_sources_in_the_map_have_the_colour_of_their_verdict_or_of_any_column(browser):
    mapped(browser)
    browser.run(
        "Verdicts.change('beta', { verdict: 'good' }); Verdicts.change('delta', { verdict: 'bad' })"
    )
    browser.run("Table.redraw('beta')")
    frames(browser)
    assert ring(browser, 'beta', '--good') > 20
    assert ring(browser, 'delta', '--bad') > 20
    assert ring(browser, 'alpha', '--good') == 0
    assert browser.text('#fieldKey').split() == [
        'good',
        '1',
        'doubtful',
        '0',
        'bad',
        '1',
        'none',
        '2',
    ]
    browser.run(
        "Table.rows.forEach((row, place) => { row.cells.SN = place + 1; row.cells.GRADE = 'AABC'[place]; })"
    )
    browser.run('Field.offerColumns()')
    select(browser, 'paint', 'SN')
    assert browser.text('#fieldKey').split() == ['1', '1', '2', '1', '3', '1', '4', '1']
    browser.run(
        'for (let n = 0; n < 20; n += 1) Table.rows.push({ ...Table.rows[0], cells: { SN: 10 + n } })'
    )
    browser.run('Field.later()')
    frames(browser)
    assert browser.text('#fieldKey').split() == ['2', '28']  # the 5th and the 95th percentile
    fill = (
        'return colouring("SN", Field.data.palette).fill({ id: "x", cells: { SN: arguments[0] } })'
    )
    colours = [browser.run(fill, ratio) for ratio in (1, 2, 15, 28, 99)]
    assert colours[0] == colours[1] != colours[2] != colours[3] == colours[4]
    assert browser.run(fill, None) == browser.run("return colour('--unjudged')")


@pytest.mark.long
def test_the_filter_leaves_dots_of_the_others_in_the_map(browser):
    mapped(browser)
    browser.type('#filter', 'delta')
    frames(browser)
    assert ring(browser, 'delta', '--unjudged') > 20
    assert ring(browser, 'alpha', '--unjudged') == 0
    assert 1 < ring(browser, 'alpha', '--quiet', 4) < 40


@pytest.fixture(scope='module')
def blind(tmp_path_factory):
    """A run in which no channels of the whole field were read, and without binned cubes."""
    folder = tmp_path_factory.mktemp('blind')
    make_folder(folder)
    with (folder / 'param.py').open('a') as file:
        file.write('REPORT_CUBE = False\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cube, 'MOST_BYTES', 1)
        assert main([str(folder), '-q']) == 0
    return folder / 'output'


@pytest.fixture
def blind_browser(window, blind):
    """Its page."""
    yield from fresh(window, (blind / file_names.PAGE).as_uri(), SIZE)


@pytest.mark.long
def test_without_white_light_the_map_has_the_cut_outs_of_the_sources(blind_browser):
    browser = blind_browser
    mapped(browser)
    browser.until(
        lambda: (
            browser.run('return [...Field.small.values()].filter((one) => one.complete).length')
            == 4
        )
    )
    frames(browser)
    assert 'cut-outs' in browser.text('#fieldAbout')
    x, y = place_of(browser, 'delta')
    side = browser.run('return Field.data.sizes.delta * Field.scale')
    assert side == pytest.approx(4 * browser.run('return Field.scale'))
    screen, half = pixels(browser), int(side / 2)
    assert not (screen[y + half - 6, x - 5 : x + 5] == 255).all()
    assert (screen[y + half + 4, x - 5 : x + 5] == 255).all(axis=1).any()  # beyond it is paper


@pytest.mark.long
def test_without_a_binned_cube_a_click_in_the_spectrum_does_nothing(blind_browser):
    browser = blind_browser
    opened(browser, 'alpha')
    assert not browser.run("return document.getElementById('bandTool').checkVisibility()")
    click(browser, plot_place(browser, LINE))
    browser.press('n')
    assert browser.run('return [Narrow.wave, Narrow.kept.size]') == [None, 0]


def names(browser):
    """The images that are offered, and the one that is large."""
    listed = browser.run(
        "return [...document.querySelectorAll('#imageList small')].map((one) => one.textContent)"
    )
    return listed, browser.text('#imageName')


@pytest.mark.long
def test_images_and_maps_stand_beside_the_plot_and_stay_in_view(browser):
    opened(browser, 'alpha')
    maps = ['MUSE_WHITE', 'HST', 'CROSS_CORRELATION', 'CROSS_CORRELATION_CONTSUB']
    assert names(browser) == (maps, 'MUSE_WHITE')
    box = "const b = document.getElementById('{}').getBoundingClientRect(); return [b.left, b.right, b.top, b.bottom]"
    plot, images = (browser.run(box.format(name)) for name in ('plot', 'images'))
    assert plot[1] <= images[0]
    assert images[2] < plot[3]
    browser.run("document.getElementById('source').scrollTo(0, 250)")
    frames(browser)
    assert browser.run(box.format('plot'))[2] < plot[2] - 100
    assert browser.run(box.format('image'))[2] > 0
    browser.click('#imageList button:nth-child(2)')
    frames(browser)
    assert names(browser)[1] == 'HST'
    browser.press('i', 'i', 'i')
    frames(browser)
    assert names(browser)[1] == 'MUSE_WHITE'
    browser.press('i')
    opened(browser, 'delta')
    assert names(browser)[1] == 'HST'  # also of the next source


def image_place(browser, spaxel):
    """Where a spaxel (y, x) of the large image is in the window."""
    return browser.run(
        "const box = document.getElementById('image').getBoundingClientRect();"
        "const sight = Images.sight(document.getElementById('image'));"
        'return [box.x + sight.x(arguments[1]), box.y + sight.y(arguments[0])].map(Math.round)',
        *map(int, spaxel),
    )


def origin(browser):
    """The pixel (y, x) of the cube in which the cut-out of the source begins."""
    row, (y, x) = browser.run('return [Table.byId.get(Source.id).cells, Source.data.centre]')
    return round(row['Y_CUBE'] - 1 - y), round(row['X_CUBE'] - 1 - x)


@pytest.mark.long
def test_the_image_is_that_of_the_cube_with_mask_and_neighbours(browser):
    opened(browser, 'alpha')
    ys, xs = origin(browser)
    ny, nx = browser.run('return Source.data.shape')
    values = np.reshape(browser.run('return [...Images.list[0].values]'), (ny, nx)).astype(float)
    np.testing.assert_allclose(
        values, field_cube().mean(axis=0)[ys : ys + ny, xs : xs + nx], rtol=1e-5, atol=1e-5
    )
    x, y = image_place(browser, (12 - ys, 14 - xs))
    near = pixels(browser)[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
    last = browser.run('return [...decoded(Source.data.palette, Uint8Array)].slice(-3)')
    assert (np.abs(near - last).max(axis=1) < 12).any()  # the peak is in the last colour
    found = browser.run('return neighboursOf(Source.data)')
    assert [one['id'] for one in found] == ['beta']
    assert found[0]['place'] == pytest.approx([14 - ys, 22 - xs], abs=0.01)
    edges = np.array(browser.run('return Images.edges'))
    with fits.open(
        next(path for path in browser_folder(browser).glob('Source_alpha.fits'))
    ) as hdus:
        mask = np.pad(hdus['IMA_MASK_INTER_DATA'].data.astype(bool), 1)
    assert len(edges) == sum((mask ^ np.roll(mask, 1, axis)).sum() for axis in (0, 1))
    before = pixels(browser, '#image')
    browser.click('#marks')
    frames(browser)
    assert (pixels(browser, '#image') != before).any(axis=2).sum() > 200
    for stretch in ('linear', 'log'):
        before = pixels(browser, '#image')
        select(browser, 'stretch', stretch)
        assert (pixels(browser, '#image') != before).any(axis=2).sum() > 1000


def browser_folder(browser):
    """The output folder of the page."""
    from pathlib import Path
    from urllib.parse import unquote, urlsplit

    return Path(unquote(urlsplit(browser.address).path)).parent


def plot_place(browser, channel):
    """Where a channel of the spectrum is in the window, at half the plot's height."""
    return browser.run(
        "const plot = document.getElementById('plot'); const box = plot.getBoundingClientRect();"
        'const { xaxis, _size } = plot._fullLayout;'
        'return [box.x + xaxis._offset + xaxis.d2p(Source.data.wave[arguments[0]]), box.y + _size.t + _size.h / 2]'
        '.map(Math.round)',
        channel,
    )


def narrow(browser, channel):
    """Click on a channel of the spectrum; the narrow-band image there (ny, nx)."""
    click(browser, plot_place(browser, channel))
    browser.until(lambda: browser.run('return Narrow.wave !== null && Narrow.loaded() !== null'))
    browser.until(lambda: names(browser)[1] == 'Narrow band')
    return np.reshape(
        browser.run('return [...Narrow.image(Narrow.loaded())]'),
        browser.run('return Source.data.shape'),
    )


@pytest.mark.long
def test_a_click_on_a_wavelength_shows_the_narrow_band_image_there(browser):
    opened(browser, 'alpha')
    ys, xs = origin(browser)
    assert browser.run('return Narrow.kept.size') == 0
    image = narrow(browser, LINE)
    assert browser.run('return Narrow.kept.size') == 1
    peak = np.unravel_index(np.argmax(image), image.shape)
    assert (peak[0] + ys, peak[1] + xs) == LINE_PLACE
    # The flux within the band, of a line with a standard deviation of 1.5 channels of 1.25
    # Angstrom.
    seen = browser.run('const [a, b] = Narrow.range(Narrow.loaded()); return [a, b]')
    inside = np.exp(-0.5 * ((np.arange(seen[0], seen[1] + 1) - LINE) / 1.5) ** 2).sum() * 1.25
    y, x = np.indices(image.shape)
    near = np.hypot(y + ys - LINE_PLACE[0], x + xs - LINE_PLACE[1]) < 4
    assert image[near].sum() == pytest.approx(LINE_FLUX * inside, rel=0.1)
    rest = image[~near]
    assert np.abs(rest).max() < 5 * 1.25 * np.sqrt(seen[1] - seen[0] + 1)
    assert '\u00b1' in browser.text('#imageNote')
    band = browser.run(
        "return document.getElementById('plot').layout.shapes.filter((one) => one.name === 'band')"
    )
    wave = 4750 + 1.25 * np.array([seen[0] - 0.5, seen[1] + 0.5])
    assert [band[0]['x0'], band[0]['x1']] == pytest.approx(wave, abs=0.7)
    other = narrow(browser, 95)
    assert other.max() < 0.3 * image.max()
    browser.run(
        "const s = document.getElementById('bandWidth'); s.value = 12; s.oninput({ target: s })"
    )
    frames(browser)
    first, last = browser.run('return Narrow.range(Narrow.loaded())')
    assert last - first == pytest.approx(12, abs=1)


@pytest.mark.long
def test_a_drag_in_the_spectrum_zooms_and_shows_no_narrow_band(browser):
    opened(browser, 'alpha')
    start, end = (plot_place(browser, channel) for channel in (40, 80))
    browser.drag(start, end)
    browser.until(
        lambda: (
            browser.run("return document.getElementById('plot')._fullLayout.xaxis.range[0]") > 4780
        )
    )
    assert browser.run('return Narrow.wave') is None
    narrow(browser, LINE)  # also in the zoomed plot
    assert browser.run('return Narrow.wave') == pytest.approx(4750 + 1.25 * LINE, abs=0.5)
    opened(browser, 'delta')
    assert browser.run('return Narrow.wave') is None
    assert 'Narrow band' not in names(browser)[0]


@pytest.mark.long
def test_a_key_goes_through_the_lines_at_the_redshift(browser):
    opened(browser, 'alpha')
    browser.press('n')
    assert 'redshift' in browser.text('#live')
    z = (4750 + 1.25 * LINE) * 1.00028 / 4862.69 - 1
    browser.run('Source.redshift(arguments[0]); document.activeElement.blur()', z)
    browser.press('n')
    browser.until(lambda: names(browser)[1] == 'Narrow band')
    seen = browser.run(
        'return EMISSION.map(([, rest]) => Spectrum.frame.seen(rest, Source.redshiftShown()))'
        '.filter((one) => one > Source.data.wave[0] && one < Source.data.wave.at(-1))'
    )
    walked = [browser.run('return Narrow.wave')]
    for _ in seen[1:]:
        browser.press('n')
        browser.until(lambda: browser.run('return Narrow.wave') != walked[-1])
        walked.append(browser.run('return Narrow.wave'))
    assert walked == seen


@pytest.mark.long
def test_a_click_on_a_spaxel_shows_its_spectrum(browser):
    opened(browser, 'alpha')
    ys, xs = origin(browser)
    spaxel = LINE_PLACE[0] - ys, LINE_PLACE[1] - xs
    traces = "return document.getElementById('plot').data.filter((one) => one.name?.startsWith('Spaxel'))"
    click(browser, image_place(browser, spaxel))
    (trace,) = browser.until(lambda: browser.run(traces))
    assert trace['name'].startswith(f'Spaxel {spaxel[1] + 1}, {spaxel[0] + 1}')
    factor = browser.run(
        'const d = Source.data; return Narrow.factor(d, Narrow.loaded().spectrum(Narrow.place(d)))'
    )
    flux = browser.run('return [...Narrow.loaded().spectrum(Narrow.place(Source.data))]')
    true = field_cube()[:, LINE_PLACE[0], LINE_PLACE[1]]
    # Noise of the sky that is subtracted, and steps of 0.3.
    assert np.std(np.subtract(flux, true)) < 0.5
    assert np.abs(np.mean(np.subtract(flux, true))) < 0.2
    assert flux[LINE] == pytest.approx(true[LINE], rel=0.08)
    assert browser.run(f'{traces}[0].y[61]') == pytest.approx(factor * flux[LINE], rel=1e-5)
    assert trace['name'] in browser.text('#legend')
    click(browser, image_place(browser, spaxel))
    browser.until(lambda: not browser.run(traces))
    browser.run("document.getElementById('image').focus()")
    browser.press('Up', 'Up', 'Right')
    (trace,) = browser.until(lambda: browser.run(traces))
    y, x = browser.run('return Source.data.centre.map(Math.round)')
    browser.until(lambda: browser.run(traces)[0]['name'].startswith(f'Spaxel {x + 2}, {y + 2}'))
    browser.press('Escape')
    browser.until(lambda: not browser.run(traces))
    assert browser.run('return Source.id') == 'alpha'
    browser.press('Right')
    assert browser.run('return Source.id') == 'alpha'  # the arrow has moved the spaxel
    browser.run("document.getElementById('name').focus()")
    browser.press('Right')
    shown(browser, 'beta')


@pytest.mark.long
def test_all_of_it_works_in_the_served_report(window, output):
    with viewing.server(output, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            for browser in fresh(
                window, f'http://localhost:{server.server_port}/{file_names.PAGE}', SIZE
            ):
                mapped(browser)
                opened(browser, 'alpha')
                image = narrow(browser, LINE)
                assert image.max() > 50
        finally:
            server.shutdown()


def boxes(browser):
    """The places in the window of what must not overlap: left, top, right, bottom of what is
    visible, by name."""
    return browser.run(
        "const parts = '#list, .heading, #notes, .judge, #plot, #images, #pictures, #facts, footer, header';"
        'return [...document.querySelectorAll(parts)].filter((one) => one.checkVisibility()).map((one) => {'
        'const { left, top, right, bottom } = one.getBoundingClientRect();'
        'return [one.id || one.className || one.tagName, [left, top, right, bottom]]; })'
        '.filter(([, [left, top, right, bottom]]) => right > left && bottom > top)'
    )


def nothing_overlaps(browser, case):
    """Assert that the parts of an open source stand side by side, and within the window."""
    browser.until(  # the plot follows the window
        lambda: browser.run(
            "const plot = document.getElementById('plot');"
            "return Math.abs(plot.querySelector('.main-svg').getBoundingClientRect().width - plot.clientWidth) <= 2"
        )
    )
    needed, there = browser.run('return [document.documentElement.scrollWidth, innerWidth]')
    assert needed <= there, case
    scrolls_apart = (
        browser.run("return getComputedStyle(document.querySelector('main')).display") == 'flex'
    )
    assert max(right for _, (_, _, right, _) in boxes(browser)) <= there, case
    for (first, one), (second, other) in itertools.combinations(boxes(browser), 2):
        if scrolls_apart and {first, second} & {'FOOTER', 'bar'}:
            continue  # the source scrolls behind them
        width = min(one[2], other[2]) - max(one[0], other[0])
        height = min(one[3], other[3]) - max(one[1], other[1])
        assert min(width, height) <= 1, (*case, first, second)
    cut = browser.run(
        "return [...document.querySelectorAll('#images *, #field *')].filter((one) => one.checkVisibility() "
        '&& one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 '
        "&& !['H3', 'SMALL', 'SELECT', 'INPUT'].includes(one.tagName)).map((one) => one.id || one.className)"
    )
    assert cut == [], case


@pytest.mark.long
@pytest.mark.parametrize('is_mapped', [False, True], ids=['table', 'map'])
def test_nothing_overlaps_in_wide_and_narrow_windows(browser, is_mapped):
    for size in ((1900, 1100), (1400, 900), (1150, 800), (820, 900), (520, 900)):
        browser.size(*size)
        if is_mapped:
            browser.run("location.hash = ''")
            browser.until(lambda: browser.run("return document.getElementById('source').hidden"))
            if not browser.run('return Field.isShown'):
                mapped(browser)
            assert browser.run("return document.getElementById('map').clientHeight") > 200, size
        opened(browser, 'alpha')
        for theme in ('light', 'dark'):
            browser.run('document.documentElement.dataset.theme = arguments[0]', theme)
            frames(browser)
            nothing_overlaps(browser, (size, theme))
