"""The picture of a redshift by its structure: texts, curves, limits, and that labels are apart."""

from dataclasses import replace
from itertools import combinations

import matplotlib
import numpy as np
import pytest

from autospec_lib.core.products import Group, Kind, Products, RedshiftModel, Spectrum
from autospec_lib.core.types import Cutout, Grid, Target, Voxels
from autospec_lib.output import plot_style, plots
from autospec_lib.output.kept_figures import Kept
from autospec_lib.output.redshift_sheet import RedshiftSheet
from autospec_lib.redshift.axis import to_vacuum

WAVE = 4750 + 1.25 * np.arange(3681)
Z = 0.25
UNIT = '10**-20 erg Angstrom-1 s-1 cm-2'
LINE = {'LBDA_REST': 6564.614, 'LINE': 'HALPHA', 'LBDA_OBS': 6564.614 * (1 + Z), 'SNR': 20.0}


def source(z=Z, kind='gal', possible=True, axis=('Angstrom', 'vacuum'), lines=(LINE,)):
    """Products with four candidates, the first of which has a model with steps, and their
    cut-out."""
    rng, wave = np.random.default_rng(1), WAVE
    unit, medium = axis
    variance = np.where(np.abs(wave - 5577) < 4, 400.0, 4.0)
    model = np.linspace(10, 20, wave.size)
    spectrum = Spectrum(
        model + rng.normal(size=wave.size) * np.sqrt(variance),
        variance,
        UNIT,
        tag='MUSE_WHITE',
        kind=Kind.WEIGHTED,
        sky_subtracted=True,
    )
    models = [RedshiftModel(z, 1e-4, kind, 0.97 if possible else 0.31, model)]
    models += [RedshiftModel(other, 1e-4, 'gal', 0.01, model) for other in (0.5, 0.7, 1.1)]
    facts = {
        'ZSPEC': (spectrum.key, ''),
        'ZPROB': (models[0].probability, ''),
        'ZQUAL': (3 * possible, ''),
    }
    if possible:
        facts['ZAUTO'] = z, ''
    products = Products(
        {Group.SPECTRUM: {spectrum.key: spectrum}}, spectrum.key, (), facts, lines, tuple(models)
    )
    scale = {'Angstrom': 1, 'nm': 10}[unit]
    grid = Grid({}, {}, UNIT, unit, medium)
    return products, Cutout(
        Target('a b', 0, 0, 5), Voxels(np.zeros((2, 5, 5))), wave / scale, (2, 2), (0.2, 0.2), grid
    )


def drawn(products, cutout):
    style = {**matplotlib.rcParamsDefault, **plot_style.STYLE}
    with matplotlib.rc_context(style):
        return RedshiftSheet(products, cutout)


def texts(sheet):
    return [text.get_text() for axes in sheet.figure.axes for text in axes.texts]


def title(sheet):
    return sheet.figure.texts[0].get_text()


def test_a_redshift_stands_on_top_with_its_error_kind_probability_and_quality():
    words = title(drawn(*source())).split()
    assert {'0.25000', '0.00010', 'gal', '0.970', '3'} <= {*words}


def test_no_redshift_is_said_with_the_best_candidate():
    text = title(drawn(*source(possible=False)))
    assert text.startswith('no redshift')
    assert {'0.2500,', '0.31'} <= {*text.split()}


def test_all_candidates_are_listed():
    products, cutout = source()
    several = [text for text in texts(drawn(products, cutout)) if 'P =' in text]
    assert len(several) == 4
    for one, text in zip(products.models, several, strict=True):
        assert {f'{one.z:.4f}', f'{one.probability:.3f}', one.kind} <= {*text.split()}


@pytest.mark.parametrize('order', [1, -1])
def test_the_curves_are_spectrum_model_and_residual(order):
    products, cutout = source()
    key = products.reference
    if order < 0:
        spectrum, first = products.spectra[key], products.models[0]
        turned = replace(spectrum, data=spectrum.data[::-1], variance=spectrum.variance[::-1])
        models = (replace(first, flux=first.flux[::-1]), *products.models[1:])
        products = replace(products, table={Group.SPECTRUM: {key: turned}}, models=models)
        cutout = replace(cutout, wave=cutout.wave[::-1])
    data, model = products.spectra[key].data[::order], products.models[0].flux[::order]
    main, strip = drawn(products, cutout).figure.axes[:2]
    sky = np.abs(WAVE - 5577) < 4
    held = {
        curve.get_color(): curve.get_ydata()
        for curve in main.lines
        if len(curve.get_ydata()) == WAVE.size
    }
    np.testing.assert_allclose(held['#d62839'], model)
    np.testing.assert_allclose(held['#1d3557'], np.where(sky, np.nan, data))
    residual = next(curve.get_ydata() for curve in strip.lines if curve.get_color() == '#1d3557')
    expected = np.clip((data - model) / 2, -5.5, 5.5)
    np.testing.assert_allclose(residual, np.where(sky, np.nan, expected))
    for axes in (main, strip):
        (shade,) = axes.collections
        ends = [path.get_extents() for path in shade.get_paths()]
        assert len(ends) == 1
        assert (ends[0].x0, ends[0].x1) == pytest.approx((5573, 5581), abs=2.6)


LINES = [
    {**LINE, 'LINE': '', 'LBDA_REST': np.nan, 'LBDA_OBS': wave}
    for wave in (8203.0, 8210.0, 8215.0, 4760.0)
]


@pytest.mark.parametrize(
    ('z', 'kind'), [(Z, 'gal'), (0.9, 'gal'), (0.0, 'star'), (2.1, 'QSO'), (4.0, 'LAE')]
)
def test_labels_of_lines_do_not_overlap_and_are_inside_the_picture(z, kind):
    sheet = drawn(*source(z, kind, lines=(LINE, *LINES)))
    number = 0
    for axes in sheet.figure.axes:
        labels = [text for text in axes.texts if text.get_rotation() == 90]
        number += len(labels)
        boxes = [text.get_window_extent() for text in labels]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        assert all(sheet.figure.bbox.x0 < box.x0 < box.x1 < sheet.figure.bbox.x1 for box in boxes)
        others = [one.get_window_extent() for one in sheet.figure.texts[:2]]
        assert not any(box.overlaps(other) for box in boxes for other in others)
    assert number > 5
    assert sum(text.startswith('? 8203') for text in texts(sheet)) >= 1


@pytest.mark.parametrize(
    ('unit', 'medium'), [('Angstrom', 'vacuum'), ('Angstrom', 'air'), ('nm', 'air'), ('nm', '')]
)
def test_lines_are_marked_where_the_cube_has_them(unit, medium):
    sheet = drawn(*source(axis=(unit, medium)))
    main = sheet.figure.axes[0]
    label = next(text for text in main.texts if text.get_text() == 'H\u03b1')
    bottoms = [
        curve
        for curve in main.lines
        if curve.get_transform() == main.transAxes and curve.get_color() == '#1d3557'
    ]
    assert label.get_color() == '#1d3557'  # it is measured
    assert len(bottoms) == 1
    low, high = main.get_xlim()
    wave = np.array([low + bottoms[0].get_xdata()[0] * (high - low)]) * (10 if unit == 'nm' else 1)
    vacuum = wave if medium == 'vacuum' else to_vacuum(wave)
    assert vacuum[0] == pytest.approx(6564.614 * (1 + Z), abs=0.05)


@pytest.mark.parametrize(
    ('z', 'kind', 'inside'),
    [
        (0.3, 'gal', [3728.5, 5008.2, 6564.6]),
        (0.9, 'gal', [3728.5, 3934.8, 4862.7]),
        (4.0, 'LAE', [1215.67]),
        (0.3, 'passive', [3934.8, 5008.2, 6564.6]),
        (2.1, 'QSO', [1549.5, 1907.7, 2799.1]),
        (0.0, 'star', [4862.7, 6564.6, 8544.4]),
        (1.9, 'gal', []),
    ],
)
def test_the_main_lines_in_range_are_shown_larger(z, kind, inside):
    doublet = {'LINE': 'OII3727', 'LBDA_REST': 3727.1, 'LBDA_OBS': 3727.1 * (1 + z), 'SNR': 9.0}
    lines = (doublet,) if kind == 'gal' and z == 0.3 else ()
    zooms = drawn(*source(z, kind.replace('passive', 'gal'), lines=lines)).figure.axes[2:-1]
    assert len(zooms) == len(inside)
    for axes, wave in zip(zooms, inside, strict=True):
        low, high = axes.get_xlim()
        assert low < wave * (1 + z) < high
        assert high - low < 0.12 * wave * (1 + z)


def test_a_spectrum_without_variance_is_drawn():
    products, cutout = source()
    spectrum = replace(products.spectra[products.reference], variance=None)
    sheet = drawn(replace(products, table={Group.SPECTRUM: {spectrum.key: spectrum}}), cutout)
    residual = next(
        curve.get_ydata() for curve in sheet.figure.axes[1].lines if curve.get_color() == '#1d3557'
    )
    assert np.std(residual) == pytest.approx(1, abs=0.2)


def test_there_is_a_picture_only_with_candidates():
    products, cutout = source()
    products = replace(products, table={**products.table, Group.IMAGE: {}})
    assert 'REDSHIFT' in plots.render(products, cutout, 'viridis', Kept())
    assert 'REDSHIFT' not in plots.render(replace(products, models=()), cutout, 'viridis', Kept())
