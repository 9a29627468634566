"""What the report's page loads: scripts that hold data and nothing else."""

import base64
import json
import re
import zlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from astropy.io import fits
from builders import CUTOUT, STEP, WAVE0, changed, make_cutout, process
from PIL import Image
from report_reading import EVIL, GRID, content, decoded, spectra_of

from autospec_lib.core import file_names
from autospec_lib.core.products import Group, RedshiftModel
from autospec_lib.inputs.coordinates import open_sky
from autospec_lib.output import source_file
from autospec_lib.output.report import binned_cube, page, source_data


@pytest.fixture
def extracted():
    """Products of a small source, and its cut-out with a grid."""
    cutout = replace(make_cutout(), grid=GRID)
    return process(cutout), cutout


def with_spectrum(products, spectrum):
    """The products with another reference spectrum and no further ones."""
    return replace(
        products, table={**products.table, Group.SPECTRUM: {products.reference: spectrum}}
    )


def test_text_cannot_end_the_script_or_become_markup(tmp_path):
    page.write_script(tmp_path / 'a.js', 'f', {'a': [EVIL, EVIL], EVIL: 1})
    script = (tmp_path / 'a.js').read_text()
    assert not set('<>&\u2028\u2029') & set(script)
    assert script.isascii()
    assert script.count('\n') == 1
    assert json.loads(script[2:-3]) == {'a': [EVIL, EVIL], EVIL: 1}


def test_numbers_of_numpy_are_numbers_and_those_that_are_not_finite_are_null(tmp_path):
    given = {
        'a': np.float32(1.5),
        'b': np.int64(3),
        'c': (np.nan, float('inf'), 2.0),
        'd': np.bool_(True),
    }
    page.write_script(tmp_path / 'a.js', 'f', given)
    assert json.loads((tmp_path / 'a.js').read_text()[2:-3]) == {
        'a': 1.5,
        'b': 3,
        'c': [None, None, 2.0],
        'd': True,
    }


def test_arrays_come_back_with_their_gaps():
    values = np.array([1.25, -3e-20, np.nan, 7e30])
    np.testing.assert_array_equal(decoded(page.binary(values)), values.astype('f4'))
    np.testing.assert_array_equal(decoded(page.binary(values, '<f8'), '<f8'), values)


def test_a_sources_file_holds_its_spectra_and_what_they_are(extracted, tmp_path):
    products, cutout = extracted
    path = tmp_path / 'report' / 'data' / '5.js'
    source_data.write(path, products, cutout, 'viridis', {'file': 'Source_5.fits'})
    name, held = content(path)
    assert (name, held['id'], held['reference']) == ('autospecSource', '5', products.reference)
    assert (held['medium'], held['wave_unit'], held['angstrom']) == ('air', 'Å', 1.0)
    assert held['wave'] == {'start': WAVE0, 'step': STEP, 'number': CUTOUT[0]}
    assert held['unit'] == '10⁻²⁰ erg s⁻¹ cm⁻² Å⁻¹'
    assert [one['key'] for one in held['spectra']] == list(products.spectra)
    assert [one['about'] for one in held['spectra']] == [
        one.kind.value for one in products.spectra.values()
    ]
    for key, (flux, error) in spectra_of(held).items():
        np.testing.assert_array_equal(flux, products.spectra[key].data.astype('f4'))
        np.testing.assert_allclose(error**2, products.spectra[key].variance, rtol=1e-6)
    assert not list(tmp_path.rglob('*.tmp'))
    assert cutout.wave[-1] == pytest.approx(WAVE0 + STEP * (CUTOUT[0] - 1))


def test_what_is_made_from_a_file_is_what_was_made_from_the_products(extracted, tmp_path):
    products, cutout = extracted
    source_file.write_source(tmp_path / 'a.fits', products, cutout, {})
    source_data.write(tmp_path / 'a.js', products, cutout, 'viridis', {})
    source_data.write(
        tmp_path / 'b.js', source_file.read(tmp_path / 'a.fits'), cutout, 'viridis', {}
    )
    (_, first), (_, second) = content(tmp_path / 'a.js'), content(tmp_path / 'b.js')
    for (flux, error), other in zip(
        spectra_of(first).values(), spectra_of(second).values(), strict=True
    ):
        np.testing.assert_array_equal(flux, other[0])
        np.testing.assert_allclose(error, other[1], rtol=1e-6)
    for part in ('preview', 'numbers'):
        del first[part], second[part]
    assert first == second


def test_a_spectrum_without_variance_has_no_errors(tmp_path):
    cutout = replace(changed(make_cutout(), variance=None), grid=GRID)
    products = process(cutout)
    source_data.write(tmp_path / 'a.js', products, cutout, 'gray', {})
    held = content(tmp_path / 'a.js')[1]
    assert {error for _, error in spectra_of(held).values()} == {None}
    assert held['sky'] == []


def test_an_axis_that_is_not_linear_is_written_wavelength_by_wavelength(extracted, tmp_path):
    products, cutout = extracted
    wave = 4750 * np.exp(1e-4 * np.arange(len(cutout.wave)))
    grid = replace(GRID, spectral={'CTYPE1': 'WAVE-LOG'}, wave_unit='nm', medium='vacuum')
    source_data.write(
        tmp_path / 'a.js', products, replace(cutout, wave=wave, grid=grid), 'viridis', {}
    )
    held = content(tmp_path / 'a.js')[1]
    np.testing.assert_array_equal(decoded(held['wave']['values'], '<f8'), wave)
    assert (held['medium'], held['angstrom']) == ('vacuum', 10.0)


def test_a_channel_without_variance_has_no_error(extracted, tmp_path):
    products, cutout = extracted
    reference = products.spectra[products.reference]
    variance = np.array(reference.variance)
    variance[[2, 5, 7]] = 0, np.nan, -1
    products = with_spectrum(products, replace(reference, variance=variance))
    source_data.write(tmp_path / 'a.js', products, cutout, 'viridis', {})
    error = spectra_of(content(tmp_path / 'a.js')[1])[products.reference][1]
    assert np.flatnonzero(np.isnan(error)).tolist() == [2, 5, 7]


def test_sky_lines_are_ranges_from_edge_to_edge(extracted, tmp_path):
    products, cutout = extracted
    reference = products.spectra[products.reference]
    variance = np.full(CUTOUT[0], 1.0)
    variance[[3, 4, 30]] = 100
    flat = replace(reference, data=np.ones(CUTOUT[0]), variance=variance)
    source_data.write(tmp_path / 'a.js', with_spectrum(products, flat), cutout, 'viridis', {})
    edges = WAVE0 + STEP * np.array([[2.5, 4.5], [29.5, 30.5]])
    np.testing.assert_allclose(content(tmp_path / 'a.js')[1]['sky'], edges, atol=1e-4)
    assert cutout.wave[3] == WAVE0 + 3 * STEP


@pytest.mark.parametrize(
    ('ident', 'name'), [(120, '120.js'), ('a/b', 'a_b.js'), ('..', '__.js'), ('<b>', '_b_.js')]
)
def test_any_id_gives_a_file_in_the_folder(ident, name):
    assert file_names.report_data(ident) == name


def test_previews_come_back_out_of_the_file(extracted, tmp_path):
    made = source_data.write(tmp_path / 'a.js', *extracted, 'viridis', {})
    assert source_data.read_preview(tmp_path / 'a.js') == made
    text = (tmp_path / 'a.js').read_text()
    for broken in ('', text[: len(text) // 2], text[:-1], text.replace('preview', 'prelude')):
        (tmp_path / 'b.js').write_text(broken)
        assert source_data.read_preview(tmp_path / 'b.js') is None
    assert source_data.read_preview(tmp_path / 'none.js') is None


def test_small_images_have_their_first_row_at_the_bottom_and_clear_gaps(tmp_path):
    image = np.zeros((5, 7))
    image[0, 0], image[4, 6] = 10, np.nan
    found = source_data.thumbnails([image, image[:, :3]], 'gray')
    kind, _, data = found.partition(',')
    assert kind == 'data:image/png;base64'
    (tmp_path / 'a.png').write_bytes(base64.b64decode(data))
    shown = np.asarray(Image.open(tmp_path / 'a.png').convert('RGBA'))
    assert shown.shape == (5, 7 + source_data.GAP + 3, 4)
    assert shown[4, 0].tolist() == [255, 255, 255, 255]  # the first pixel, bottom left
    assert shown[0, 6, 3] == 0
    assert (shown[:, 7, 3] == 0).all()


def test_small_images_of_nothing_and_of_much():
    assert source_data.thumbnails([], 'gray') == ''
    for image in (
        np.full((4, 4), np.nan),
        np.ones((4, 4)),
        np.random.default_rng(1).normal(size=(300, 200)),
    ):
        assert len(source_data.thumbnails([image], 'viridis')) < 4000


def test_the_outline_holds_every_value_but_noisy_and_hot_ones():
    flux = np.sin(np.arange(960) / 40)
    flux[[117, 500]] = 30, -2
    flux[:20] = np.nan
    noisy = np.zeros(960, bool)
    noisy[500] = True
    low, high = (
        decoded(source_data.outline(flux, noisy), 'u1').reshape(2, source_data.BINS).astype(float)
    )
    bins = np.where(noisy, np.nan, flux).reshape(source_data.BINS, -1)
    assert (low[:2] == 0).all()
    assert (high[:2] == 0).all()
    assert high[11] == 255  # the hot one
    levels = np.rint([128 + 127 * f(bins[2:], axis=1) for f in (np.nanmin, np.nanmax)]).clip(1, 255)
    np.testing.assert_allclose([low[2:], high[2:]], levels, atol=1)


@pytest.mark.parametrize('width', [1.0, 3.0])
def test_the_outline_holds_a_line_as_narrow_as_the_resolution(width):
    flux = 100 * np.exp(-0.5 * ((np.arange(1000) - 500) / width) ** 2)
    high = decoded(source_data.outline(flux, np.zeros(1000, bool)), 'u1')[source_data.BINS :]
    assert (high.max(), high.min()) == (255, 1)


def test_an_outline_of_few_channels_and_of_none_that_is_known():
    assert decoded(source_data.outline(np.array([0.0, 1.0]), np.zeros(2, bool)), 'u1').tolist() == [
        1,
        255,
        1,
        255,
    ]
    assert (
        decoded(source_data.outline(np.full(4, np.nan), np.zeros(4, bool)), 'u1').tolist()
        == [0] * 8
    )


@pytest.mark.parametrize('path', sorted(page.OWN.iterdir()), ids=lambda path: path.name)
def test_the_pages_own_files_are_small_and_never_make_markup_of_text(path):
    text = path.read_text(encoding='utf-8')
    assert len(text.splitlines()) <= 600
    assert max(map(len, text.splitlines())) <= 120 or path.suffix == '.html'
    assert not re.findall(
        r'innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|javascript:',
        text,
    )
    asked = re.findall(
        r'(?:src|href)="(?!report/|#|data:)[^"]*"|url\(|fetch\(|XMLHttpRequest|sendBeacon|@import',
        text,
    )
    assert asked == []


def test_plotlys_library_is_found_without_importing_it():
    assert page.library().name == 'plotly.min.js'
    assert page.library().stat().st_size > 1e6


def test_the_table_holds_the_rows_in_their_order(tmp_path):
    run = {'name': 'n', 'command': EVIL, 'running': True, 'total': 2, 'done': 1}
    columns = [('ID', '', 'id', True), ('NOTES', '', 'notes', False)]
    rows = [{'ID': 9, 'NOTES': EVIL}, {'ID': 3}]
    (tmp_path / 'report').mkdir()
    page.write_table(tmp_path, run, columns, rows, {'3': {'thumb': 'a', 'outline': 'b'}}, {})
    name, held = content(tmp_path / 'report' / 'sources.js')
    assert name == 'autospecTable'
    assert held['rows'] == [[9, EVIL], [3, None]]
    assert held['previews'] == [['', '', '9.js'], ['a', 'b', '3.js']]
    assert held['run']['command'] == EVIL
    assert '<' not in (tmp_path / 'report' / 'sources.js').read_text()


def test_the_page_is_written_once_and_again_where_it_differs(tmp_path):
    page.install(tmp_path)
    changed_file, kept = tmp_path / 'report' / 'table.js', tmp_path / 'report' / 'plotly.min.js'
    before = kept.stat().st_mtime_ns, changed_file.read_bytes()
    changed_file.write_text('old')
    page.install(tmp_path)
    assert (kept.stat().st_mtime_ns, changed_file.read_bytes()) == before
    assert {path.name for path in (tmp_path / 'report').iterdir()} >= {
        'report.css',
        'base.js',
        'plotly.min.js',
    }


def test_a_page_of_the_users_own_is_no_report(tmp_path):
    assert not page.is_foreign(tmp_path)
    page.install(tmp_path)
    assert not page.is_foreign(tmp_path)
    (tmp_path / 'index.html').write_text('<h1>mine</h1>')
    assert page.is_foreign(tmp_path)
    page.remove(tmp_path)
    assert (tmp_path / 'index.html').exists()


def test_the_file_of_a_source_that_autospec_did_not_write_is_refused(tmp_path):
    fits.PrimaryHDU().writeto(tmp_path / 'a.fits')
    for read in (source_file.read, partial(source_file.read_cutout, open_sky=open_sky)):
        with pytest.raises(KeyError):
            read(tmp_path / 'a.fits')


def binned(path):
    """Levels, values at the bins without the continuum, and the continuum, of a binned cube."""
    name, held = content(path)
    assert name == binned_cube.CUBE_FUNCTION
    width, ny_nx = decoded(held['width']), np.prod(CUTOUT[1:])
    levels = np.frombuffer(zlib.decompress(base64.b64decode(held['numbers'])), np.int8).reshape(
        len(width), *CUTOUT[1:]
    )
    rest = width[:, None, None] * held['softening'] * np.sinh(levels / held['steps'])
    nodes = decoded(held['continuum'], '<i2').reshape(-1, ny_nx) / 32767 * held['largest']
    smooth = [np.interp(np.arange(len(width)), held['nodes'], column) for column in nodes.T]
    return (
        levels,
        np.where(levels == -128, np.nan, rest),
        np.transpose(smooth).reshape(levels.shape),
        held,
    )


def test_images_maps_and_object_mask_are_in_a_sources_file(extracted, tmp_path):
    products, cutout = extracted
    source_data.write(tmp_path / 'a.js', products, cutout, 'viridis', {})
    held = content(tmp_path / 'a.js')[1]
    shown = {**products.images, **products.maps}
    assert [one['key'] for one in held['images']] == list(shown)
    for one in held['images']:
        np.testing.assert_array_equal(
            decoded(one['data']), shown[one['key']].data.astype('f4').ravel()
        )
    mask = np.unpackbits(decoded(held['mask'], 'u1'), bitorder='little')[
        : np.prod(CUTOUT[1:])
    ].reshape(CUTOUT[1:])
    np.testing.assert_array_equal(
        mask.astype(bool), products.masks[products.facts['OBJMASK'][0]].data
    )
    assert held['shape'] == list(CUTOUT[1:])
    assert held['cube'] is False
    assert len(decoded(held['palette'], 'u1')) == 3 * source_data.LEVELS


@pytest.mark.parametrize('turn', [0, 30, 200])
def test_arrows_point_to_north_and_east(extracted, tmp_path, turn):
    products, cutout = extracted
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    # North lies at this angle from y, counterclockwise; east, seen on the sky, a right angle
    # further. Of a step along y and x: east, north.
    arcsec = 0.2 * np.array([[sine, cosine], [-cosine, sine]])
    degrees = arcsec / 3600 / [np.cos(np.radians(cutout.target.dec)), 1]
    source_data.write(tmp_path / 'a.js', products, replace(cutout, degrees=degrees), 'viridis', {})
    held = content(tmp_path / 'a.js')[1]
    np.testing.assert_allclose(held['north'], [5 * sine, 5 * cosine], atol=1e-6)
    np.testing.assert_allclose(held['east'], [-5 * cosine, 5 * sine], atol=1e-6)
    source_data.write(
        tmp_path / 'b.js', products, replace(cutout, degrees=None, pixel=(0.2, 0.4)), 'viridis', {}
    )
    held = content(tmp_path / 'b.js')[1]
    assert (held['north'], held['east']) == ([0, 5], [-2.5, 0])


def test_a_binned_cube_holds_a_line_and_the_continuum(extracted, tmp_path):
    products, cutout = extracted
    rng = np.random.default_rng(3)
    data = np.broadcast_to(np.linspace(50, 60, CUTOUT[0])[:, None, None], CUTOUT) + rng.normal(
        size=CUTOUT
    )
    data[20, 4, 3] += 500
    bad = np.zeros(CUTOUT, bool)
    bad[7, 2, 2] = True
    # The sky is 10 brighter in one channel everywhere.
    data[11] += 10
    voxels = type(cutout.voxels).of(data, None, bad)
    binned_cube.write(tmp_path / 'a.js', products, replace(cutout, voxels=voxels))
    levels, rest, smooth, held = binned(tmp_path / 'a.js')
    assert (held['step'], len(rest)) == (1, CUTOUT[0])
    assert np.isnan(rest).sum() == 1
    assert levels[7, 2, 2] == binned_cube.NO_VALUE
    assert rest[20, 4, 3] == pytest.approx(500, rel=0.04)
    assert np.abs(np.nanmean(rest[11])) < 0.5
    assert np.nanmax(np.abs(rest[np.arange(CUTOUT[0]) != 20])) < 7
    assert np.abs(smooth).max() < 2  # the sky mask has the same continuum
    sky = products.masks['MASK_SKY'].data
    expected = voxels.data - np.median(voxels.data[:, sky], axis=1)[:, None, None]
    found = np.where(bad, 0, np.nan_to_num(rest) + smooth - np.where(bad, 0, expected))
    assert np.abs(found[~bad & (expected < 100)]).max() < 0.5
    assert np.std(found[~bad & (expected < 100)]) < 0.2


def test_a_large_cube_is_binned_and_its_last_channels_are_kept(extracted, tmp_path, monkeypatch):
    monkeypatch.setattr(binned_cube, 'MOST_BINS', 12)
    products, cutout = extracted
    data = np.ones(CUTOUT)
    data[-1] = 9.0
    masks = {key: one for key, one in products.masks.items() if key != 'MASK_SKY'}
    products = replace(products, table={**products.table, Group.MASK: masks})
    binned_cube.write(
        tmp_path / 'a.js', products, replace(cutout, voxels=type(cutout.voxels)(data))
    )
    _, rest, smooth, held = binned(tmp_path / 'a.js')
    step = -(-CUTOUT[0] // 12)
    assert held['step'] == step
    means = [data[start : start + step].mean() for start in range(0, CUTOUT[0], step)]
    # Steps of 0.3 of a bin's width.
    np.testing.assert_allclose((rest + smooth)[:, 0, 0], means, rtol=0.08)


def test_a_spaxel_and_a_stretch_without_data_have_no_value(extracted, tmp_path):
    products, cutout = extracted
    bad = np.zeros(CUTOUT, bool)
    bad[:, 0, 1] = True
    bad[30:] = True
    voxels = type(cutout.voxels).of(np.ones(CUTOUT), None, bad)
    binned_cube.write(tmp_path / 'a.js', products, replace(cutout, voxels=voxels))
    levels, *_ = binned(tmp_path / 'a.js')
    np.testing.assert_array_equal(levels == binned_cube.NO_VALUE, bad)


def test_white_light_of_a_large_field_is_binned(tmp_path, monkeypatch):
    monkeypatch.setattr(page, 'MOST_PIXELS', 6)
    white = np.arange(20.0).reshape(4, 5)
    white[:2, 2:4] = np.nan
    white[0, 0] = np.nan
    page.write_field(tmp_path, white, {'shape': (4, 5)})
    name, held = content(tmp_path / 'report' / page.FIELD)
    assert name == page.FIELD_FUNCTION
    assert (held['shape'], held['bin'], held['size']) == ([4, 5], 2, [2, 3])
    np.testing.assert_allclose(decoded(held['image']), [4, np.nan, 6.5, 13, 15, 16.5])
    page.write_field(tmp_path, None, {})
    assert content(tmp_path / 'report' / page.FIELD)[1] == {'image': ''}


def test_a_sources_file_holds_candidates_with_their_models_and_lines_without_a_name(
    extracted, tmp_path
):
    products, cutout = extracted
    models = [
        RedshiftModel(0.3, 1e-4, 'gal', 0.97, np.ones(CUTOUT[0])),
        RedshiftModel(4.0, 1e-3, 'LAE', 0.02, cutout.wave),
    ]
    lines = {'LINE': '', 'LBDA_OBS': 4760.0}, {'LINE': 'HBETA', 'LBDA_OBS': 4770.0}
    facts = {'ZQUAL': (3, ''), 'ZSPEC': (products.reference, ''), 'Z2AUTO': (4.0, '')}
    products = products | type(products)(facts=facts, lines=lines, models=tuple(models))
    source_data.write(tmp_path / 'a.js', products, cutout, 'viridis', {})
    held = content(tmp_path / 'a.js')[1]
    assert [(one['z'], one['type'], one['p'], one['quality']) for one in held['candidates']] == [
        (0.3, 'gal', 0.97, 3),
        (4.0, 'LAE', 0.02, 0),
    ]
    numbers = decoded(held['numbers']).reshape(-1, CUTOUT[0])
    np.testing.assert_array_equal(numbers[-2:], [one.flux.astype('f4') for one in models])
    assert held['unnamed'] == [4760.0]
    assert held['modelled'] == products.reference
    assert held['best'] == [products.reference, 'reference']
    assert 'Z2AUTO' not in [card for card, *_ in held['facts']]


@pytest.mark.parametrize('descending', [False, True])
def test_ranges_of_sky_lines_ascend_on_any_axis(extracted, tmp_path, descending):
    products, cutout = extracted
    reference = products.spectra[products.reference]
    variance = np.ones(len(cutout.wave))
    variance[10:13] = 100
    lit = replace(reference, data=np.zeros(len(variance)), variance=variance)
    wave = cutout.wave[::-1] if descending else cutout.wave
    source_data.write(
        tmp_path / 'a.js', with_spectrum(products, lit), replace(cutout, wave=wave), 'gray', {}
    )
    ((low, high),) = content(tmp_path / 'a.js')[1]['sky']
    ends = sorted(wave[[10, 12]])
    np.testing.assert_allclose([low, high], [ends[0] - STEP / 2, ends[1] + STEP / 2], atol=1e-3)
