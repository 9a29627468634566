"""Figures by their structure: axes, titles, arrays, limits; and what saving leaves on disk."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose

from autospec_lib.core.products import Group, Kind, Products, Spectrum, by_key
from autospec_lib.core.types import Cutout, Grid, Mask, Measured, Segmap, Target, Voxels
from autospec_lib.output import plot_style, plots, spectra_sheet
from autospec_lib.output.kept_figures import Kept

NL, NY, NX = 400, 21, 25
WAVE = 4750 + 1.25 * np.arange(NL)
NONE = np.zeros(NL, bool)


@pytest.fixture
def cutout():
    grid = Grid({}, {}, '10**-20 erg Angstrom-1 s-1 cm-2')
    return Cutout(
        Target(7, 0.0, 0.0, 5.0),
        Voxels(np.zeros((2, NY, NX))),
        WAVE,
        (10.3, 12.6),
        (0.2, 0.3),
        grid,
    )


def spectrum(tag='HST', kind=Kind.WEIGHTED, variance=True, **what):
    rng = np.random.default_rng(1)
    errors = np.full(NL, 100.0) if variance else None
    return Spectrum(
        100 + 10 * rng.normal(size=NL),
        errors,
        tag=tag,
        kind=kind,
        **{'sky_subtracted': True, **what},
    )


def image(seed=1):
    return Measured(np.random.default_rng(seed).normal(size=(NY, NX)))


@pytest.fixture
def products():
    labels = np.zeros((NY, NX), np.int32)
    labels[8:13, 10:15], labels[0:3, 0:3], labels[18:20, 18:22] = 300, 1, 2
    sky = spectrum('MUSE_SKY', Kind.SKY, sky_subtracted=False)
    maps = ('SEG_A', 'SEG_B', 'SEG_C', 'SEG_MUSE_WHITE', 'SEG_HST')
    return Products(
        {
            Group.SPECTRUM: by_key(
                [sky, spectrum(), spectrum('CROSS_CORRELATION', Kind.CROSS_CORRELATION)]
            ),
            Group.IMAGE: {'MUSE_WHITE': image(1), 'HST': image(2)},
            Group.SEGMAP: dict.fromkeys(maps, Segmap(labels, central=300)),
            Group.MASK: {'MASK_SKY': Mask(labels == 0), 'MASK_UNION': Mask(labels == 300)},
            Group.MAP: {'CROSS_CORRELATION': image(3)},
        },
        reference='HST_SKYSUB',
        notes=('a fall-back',),
    )


def drawn(products, cutout, cmap='viridis'):
    """The figures that the pictures of a source were drawn with."""
    kept = Kept()
    plots.render(products, cutout, cmap, kept)
    return {key: sheet.figure for (key, _), sheet in kept.items()}


def panels(figure):
    """The images of a sheet by their titles, in order."""
    (paper,) = figure.axes
    return {image.get_label(): image for image in paper.images}


def titles(figure):
    """Of a sheet: those of its panels, each written above its panel."""
    (paper,) = figure.axes
    above = {text.get_text(): text.get_position() for text in paper.texts}
    for key, shown in panels(figure).items():
        left, right, _, high = shown.get_extent()
        assert left < above[key][0] < right
        assert high < above[key][1] < high + 0.1
    return list(panels(figure))


def test_panels_and_their_order(products, cutout):
    assert list(plots.render(products, cutout, 'viridis', Kept())) == [
        'IMAGES',
        'MASKS',
        'SPECTRA',
        'XCOR',
    ]
    figures = drawn(products, cutout)
    assert titles(figures['IMAGES']) == [
        'MUSE_WHITE',
        'HST',
        'SEG_MUSE_WHITE',
        'SEG_HST',
        'SEG_A',
        'SEG_B',
        'SEG_C',
    ]
    assert titles(figures['MASKS']) == ['MASK_SKY', 'MASK_UNION']
    spectra = [axes.get_title('left') for axes in figures['SPECTRA'].axes]
    assert spectra == ['HST_SKYSUB', 'CROSS_CORRELATION_SKYSUB']
    assert titles(figures['XCOR']) == ['CROSS_CORRELATION']
    assert 'a fall-back' in [text.get_text() for text in figures['SPECTRA'].texts]


def test_pictures_with_nothing_to_show_are_left_out(products, cutout):
    bare = products.select([Group.SPECTRUM, Group.IMAGE])
    assert list(plots.render(bare, cutout, 'viridis', Kept())) == ['IMAGES', 'SPECTRA']


def test_panels_lie_in_rows_without_overlap(products, cutout):
    shown = panels(drawn(products, cutout)['IMAGES'])
    places = {key: image.get_extent() for key, image in shown.items()}
    for left, right, low, high in places.values():
        assert_allclose((right - left) / (high - low), NX * 0.3 / (NY * 0.2))
    white, hst, below = (places[key] for key in ('MUSE_WHITE', 'HST', 'SEG_MUSE_WHITE'))
    assert white[2:] == hst[2:]
    assert white[1] < hst[0]
    assert white[:2] == below[:2]
    assert below[3] < white[2]


def test_the_source_is_at_the_origin_and_offsets_are_in_arcsec(products, cutout):
    figure = drawn(products, cutout)['XCOR']
    (shown,) = panels(figure).values()
    left, right, low, high = shown.get_extent()
    scale = (right - left) / (NX * 0.3)
    source = left + (12.6 + 0.5) * 0.3 * scale, low + (10.3 + 0.5) * 0.2 * scale
    words = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert {'Δx [arcsec]', 'Δy [arcsec]'} <= set(words)
    numbers = [
        (float(text.get_text().replace('−', '-')), text)
        for text in figure.axes[0].texts
        if text.get_text()[-1].isdigit()
    ]
    below = [(number, text.get_position()[0]) for number, text in numbers if text.get_va() == 'top']
    beside = [
        (number, text.get_position()[1]) for number, text in numbers if text.get_va() == 'center'
    ]
    for found, zero, ends in ((below, source[0], (left, right)), (beside, source[1], (low, high))):
        assert len(found) >= 3
        for number, where in found:
            assert_allclose(where, zero + number * scale)
            assert ends[0] <= where <= ends[1]
    marks = np.array(figure.axes[0].collections[-1].get_segments())
    assert_allclose(marks.mean(axis=(0, 1)), source)


def test_images_show_their_values_in_the_colour_map_with_nan_grey(products, cutout):
    products.images['HST'].data[3, 4] = np.nan
    shown = panels(drawn(products, cutout, 'cubehelix')['IMAGES'])['HST']
    assert_allclose(shown.get_array().filled(np.nan), products.images['HST'].data)
    assert shown.cmap.name == 'cubehelix'
    assert matplotlib.colors.to_hex(shown.cmap.get_bad()) == plot_style.NO_VALUE


def test_every_label_has_its_colour_and_the_central_one_always_the_same(products, cutout):
    shown = panels(drawn(products, cutout)['IMAGES'])['SEG_MUSE_WHITE'].get_array()
    labels = products.segmaps['SEG_HST'].data
    assert set(shown[labels == 0].tolist()) == {0}
    assert set(shown[labels == 300].tolist()) == {1}
    others = [set(shown[labels == label].tolist()) for label in (1, 2)]
    assert all(len(other) == 1 and not other & {0, 1} for other in others)
    assert others[0] != others[1]


@pytest.mark.parametrize(
    'values', [np.full((NY, NX), np.nan), np.zeros((NY, NX)), np.full((NY, NX), 1e30)]
)
def test_images_without_contrast_or_value_are_drawn(products, cutout, values, tmp_path):
    products.images['HST'] = Measured(values)
    plots.save(plots.render(products, cutout, 'viridis', Kept()), tmp_path, 7)


@pytest.mark.parametrize('where', [0, 1, 30, -1])
@pytest.mark.parametrize('length', [50, NL])
@pytest.mark.parametrize('value', [1e6, -1e6])
def test_one_hot_channel_does_not_change_the_limits(where, length, value):
    quiet, noisy = spectrum().data[:length], np.zeros(length, bool)
    hot = quiet.copy()
    hot[where] = value
    assert_allclose(spectra_sheet.limits(hot, noisy), spectra_sheet.limits(quiet, noisy), rtol=0.1)


@pytest.mark.parametrize('sign', [1, -1])
def test_a_line_of_five_channels_stays_inside(sign):
    flux = spectrum().data.copy()
    flux[200:205] += sign * 20 * 10
    low, high = spectra_sheet.limits(flux, NONE)
    assert low < flux[200:205].min()
    assert flux[200:205].max() < high


@pytest.mark.parametrize('phase', [0.0, 0.25, 0.5])
def test_an_unresolved_line_stays_inside(phase):
    # Two channels wide.
    flux = 100 + 500 * np.exp(-0.5 * ((np.arange(NL) - 200 - phase) / 0.85) ** 2)
    assert spectra_sheet.limits(flux, NONE)[1] > flux.max()


def test_limits_hold_nearly_all_of_the_noise_and_zero():
    flux = spectrum().data
    low, high = spectra_sheet.limits(flux, NONE)
    assert ((flux > low) & (flux < high)).mean() > 0.99
    assert low <= 0 < high


@pytest.mark.parametrize(
    'values', [np.full(NL, np.nan), np.zeros(NL), np.array([3.0]), np.array([1.0, 2.0])]
)
def test_limits_of_degenerate_spectra_are_finite_and_ordered(values):
    low, high = spectra_sheet.limits(values, np.zeros(len(values), bool))
    assert np.isfinite((low, high)).all()
    assert low < high


def test_limits_where_every_channel_is_noisy_come_from_all_of_them():
    assert_allclose(
        spectra_sheet.limits(spectrum().data, ~NONE),
        spectra_sheet.limits(spectrum().data, NONE),
        rtol=0.1,
    )


def test_sky_lines_are_where_the_variance_stands_out():
    variance = np.linspace(1, 2, NL)
    variance[[50, 51, 300]] *= 20
    variance[[70, 71, 72, 73]] = np.nan, 0.0, np.inf, -1.0
    noisy = spectra_sheet.sky_lines(Measured(np.zeros(NL), variance))
    assert noisy.nonzero()[0].tolist() == [50, 51, 300]


def test_a_bright_line_with_its_photon_noise_is_no_sky_line():
    line = 1e4 * np.exp(-0.5 * ((np.arange(NL) - 200) / 3) ** 2)
    assert not spectra_sheet.sky_lines(Measured(line, 100 + line)).any()


@pytest.mark.parametrize('variance', [None, np.full(NL, np.nan), np.zeros(NL)])
def test_without_a_variance_there_are_no_sky_lines(variance):
    assert not spectra_sheet.sky_lines(Measured(spectrum().data, variance)).any()


def test_a_sky_line_has_no_say_in_the_limits(products, cutout):
    quiet = drawn(products, cutout)['SPECTRA'].axes[0].get_ylim()
    products.spectra['HST_SKYSUB'].data[50:55] += 1e4
    products.spectra['HST_SKYSUB'].variance[50:55] = 1e7
    assert_allclose(drawn(products, cutout)['SPECTRA'].axes[0].get_ylim(), quiet, rtol=0.05)


@pytest.mark.parametrize('variance', [True, False])
def test_spectra_with_gaps_and_without_variance_are_drawn(products, cutout, variance, tmp_path):
    products.spectra['HST_SKYSUB'] = spectrum(variance=variance)
    products.spectra['HST_SKYSUB'].data[100:200] = np.nan
    plots.save(plots.render(products, cutout, 'viridis', Kept()), tmp_path, 7)


@pytest.mark.parametrize('shape', [(3, 3), (1, 1), (40, 3)])
def test_odd_cutouts(products, cutout, shape, tmp_path):
    small = Measured(np.arange(float(np.prod(shape))).reshape(shape))
    odd = Cutout(
        cutout.target, Voxels(np.zeros((1, *shape))), WAVE[:1], (0.0, 0.0), (0.2, 0.2), cutout.grid
    )
    only = Spectrum(np.ones(1), np.ones(1), tag='A', kind=Kind.SUM)
    one = Products({Group.SPECTRUM: {'A': only}, Group.IMAGE: {'MUSE_WHITE': small}}, reference='A')
    plots.save(plots.render(one, odd, 'viridis', Kept()), tmp_path, 7)
    assert len(list(tmp_path.iterdir())) == 2


def test_saved_files_are_jpegs_and_nothing_else_is_left(products, cutout, tmp_path):
    plots.save(plots.render(products, cutout, 'viridis', Kept()), tmp_path, 7)
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == [
        '7_IMAGES.jpg',
        '7_MASKS.jpg',
        '7_SPECTRA.jpg',
        '7_XCOR.jpg',
    ]
    assert all(path.read_bytes()[:3] == b'\xff\xd8\xff' for path in paths)


def test_a_failed_save_leaves_nothing(products, cutout, tmp_path):
    pictures = plots.render(products, cutout, 'viridis', Kept())
    with pytest.raises(OSError, match='No such file'):
        plots.save(pictures, tmp_path / 'gone', 7)
    assert not list(tmp_path.iterdir())


def test_an_unknown_colour_map_is_a_value_error(products, cutout):
    with pytest.raises(ValueError, match='viridiss'):
        plots.render(products, cutout, 'viridiss', Kept())


@pytest.mark.long
def test_settings_and_pyplot_are_left_alone(products, cutout, tmp_path):
    before, kept = dict(matplotlib.rcParams), Kept()
    with matplotlib.rc_context({'font.size': 30, 'axes.facecolor': 'red'}):
        pictures = plots.render(products, cutout, 'viridis', kept)
        assert matplotlib.rcParams['font.size'] == 30
    figures = {key: sheet.figure for (key, _), sheet in kept.items()}
    assert figures['SPECTRA'].axes[0].get_facecolor() == (1, 1, 1, 1)
    assert {text.get_fontsize() for text in figures['XCOR'].axes[0].texts} == {7, 8}
    plots.save(pictures, tmp_path, 7)
    assert dict(matplotlib.rcParams) == before
    code = "import sys; from autospec_lib.output import plots; print('matplotlib.pyplot' in sys.modules)"
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=True
    )
    assert result.stdout == 'False\n'


def test_the_joint_model_is_drawn_beside_the_white_light_and_not_among_the_images(products, cutout):
    white, residual = products.images['MUSE_WHITE'].data, image(9).data
    residual[0] = np.nan
    joint = {'DEBLEND_PROFILE': image(8), 'DEBLEND_RESIDUAL': Measured(residual)}
    products |= Products({Group.FITTED: joint})
    assert list(plots.render(products, cutout, 'viridis', Kept()))[-1] == 'DEBLEND'
    figures = drawn(products, cutout)
    assert titles(figures['DEBLEND']) == ['MUSE_WHITE', 'joint model', 'DEBLEND_RESIDUAL']
    shown = list(panels(figures['DEBLEND']).values())
    assert_allclose(shown[1].get_array().filled(np.nan), white - residual)
    assert shown[0].norm is shown[1].norm
    assert shown[2].norm.vmin == -shown[2].norm.vmax
    assert not [title for title in titles(figures['IMAGES']) if 'DEBLEND' in title]


def test_an_image_may_be_called_as_the_joint_extraction_begins(products, cutout):
    figures = drawn(products | Products({Group.IMAGE: {'DEBLEND2': image(4)}}), cutout)
    assert titles(figures['IMAGES'])[:3] == ['MUSE_WHITE', 'HST', 'DEBLEND2']
    assert 'DEBLEND' not in figures


@pytest.mark.parametrize('value', [0.0, np.nan])
def test_a_residual_of_nothing_can_be_drawn(products, cutout, value):
    nothing = {'DEBLEND_RESIDUAL': Measured(np.full((NY, NX), value))}
    figures = drawn(products | Products({Group.FITTED: nothing}), cutout)
    assert panels(figures['DEBLEND'])['DEBLEND_RESIDUAL'].norm.vmax == 1


def test_the_curves_of_spectra_have_colours_by_their_roles(products, cutout, monkeypatch):
    for name, colour in (('REFERENCE', 'green'), ('CROSS_CORRELATION', 'purple')):
        monkeypatch.setattr(spectra_sheet, name, colour)
    sheet = drawn(products, cutout)['SPECTRA']
    flux = [axes.lines[-1].get_color() for axes in sheet.axes]
    assert flux == ['green', *['purple'] * (len(sheet.axes) - 1)]
    assert len(flux) > 1
    assert sheet.axes[0].get_legend().legend_handles[0].get_color() == 'green'
