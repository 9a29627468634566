"""Figures that are used again draw what new ones would, whatever was drawn with them before."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.axis import YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from numpy.testing import assert_array_equal

from autospec_lib.core.products import Group, Kind, Products, Spectrum, by_key
from autospec_lib.core.types import Cutout, Grid, Mask, Measured, Segmap, Target, Voxels
from autospec_lib.output import kept_figures, plot_style, plots
from autospec_lib.output.kept_figures import Kept

NL = 300


def source(number, ny=15, nx=19, **spectra):
    """A source whose values, position and ID all come from its number."""
    rng = np.random.default_rng(number)
    errors = 10.0**number * rng.uniform(1, 2, NL) * rng.choice([1.0, 9.0], NL, p=[0.9, 0.1])
    flux = Spectrum(10.0**number * rng.normal(3, 1, NL), errors, tag='HST', kind=Kind.WEIGHTED)
    xcor = replace(flux, data=-flux.data, tag='CROSS_CORRELATION', kind=Kind.CROSS_CORRELATION)
    labels = rng.integers(0, 3, (ny, nx))
    products = Products(
        {
            Group.SPECTRUM: by_key([replace(flux, **spectra), xcor]),
            Group.IMAGE: {
                key: Measured(rng.normal(size=(ny, nx))) for key in ('MUSE_WHITE', 'HST')
            },
            Group.FITTED: {'DEBLEND_RESIDUAL': Measured(rng.normal(size=(ny, nx)))},
            Group.SEGMAP: {'SEG_HST': Segmap(labels, central=1)},
            Group.MASK: {'MASK_SKY': Mask(labels == 0)},
            Group.MAP: {'CROSS_CORRELATION': Measured(rng.normal(size=(ny, nx)))},
        },
        reference='HST',
    )
    centre = tuple(rng.uniform(0.3, 0.7, 2) * (ny, nx))
    wave = np.linspace(4750, 9350, NL)
    grid = Grid({}, {}, 'Angstrom')
    return products, Cutout(
        Target(number, 0, 0, 5), Voxels(np.zeros((1, ny, nx))), wave, centre, (0.2, 0.2), grid
    )


def sources():
    """Sources that share layouts, or nearly."""
    bare, cutout = source(5)
    noted, there = source(2)
    holes = source(1)
    holes[0].images['HST'].data[2:9] = np.nan
    return [
        *(source(number) for number in (0, 1, 4)),
        source(3, variance=None),
        source(3, data=np.full(NL, np.nan)),
        source(2, 9, 30),
        (replace(noted, notes=('a fall-back',)), there),
        (replace(noted, notes=('another', 'and one more')), there),
        (bare.select([Group.SPECTRUM, Group.IMAGE, Group.SEGMAP]), cutout),
        (noted, replace(there, wave=there.wave[::-1] + 7)),
        holes,
        (noted, replace(there, centre=(13.8, 9.2))),
    ]


def make(_):
    """Something to keep."""
    return [object()]


def draw(one, kept):
    """The pictures of a source as arrays."""
    return {
        key: np.asarray(picture) for key, picture in plots.render(*one, 'viridis', kept).items()
    }


def same(found, wanted):
    """Compare pictures."""
    assert list(found) == list(wanted)
    for key, picture in found.items():
        assert_array_equal(picture, wanted[key], err_msg=key)


@pytest.fixture(scope='module')
def fresh():
    """The pictures of the sources, each drawn with new figures."""
    return [draw(one, Kept()) for one in sources()]


@pytest.mark.long
def test_kept_figures_draw_what_new_ones_draw(fresh, monkeypatch):
    monkeypatch.setattr(kept_figures, 'LIMIT', 100)
    kept, all_sources = Kept(), sources()
    order = [*range(len(fresh)), *np.random.default_rng(1).permutation(len(fresh))[:4]]
    for number in order:
        same(draw(all_sources[number], kept), fresh[number])
    # Of the sheets two shapes and those of the bare source; of the spectra also with notes and
    # other wavelengths.
    assert len(kept) == 4 + 4 + 3


@pytest.mark.long
def test_what_lies_below_and_above_is_that_of_the_whole_figure(fresh):
    for one, pictures in list(zip(sources(), fresh, strict=True))[::3]:
        kept = Kept()
        draw(one, kept)
        for (key, _), sheet in kept.items():
            canvas = FigureCanvasAgg(sheet.figure)
            with matplotlib.rc_context({**matplotlib.rcParamsDefault, **plot_style.STYLE}):
                canvas.draw()
            assert_array_equal(
                np.asarray(canvas.buffer_rgba())[..., :3], pictures[key], err_msg=key
            )


@pytest.mark.parametrize('artist', [Line2D, YAxis])
def test_a_figure_whose_drawing_fails_is_not_used_again(fresh, artist, monkeypatch):
    kept, (first, second, *_) = Kept(), sources()
    draw(first, kept)

    def fail(*_):
        raise RuntimeError('no ink')

    with monkeypatch.context() as patch:
        patch.setattr(artist, 'draw', fail)
        with pytest.raises(RuntimeError, match='no ink'):
            draw(second, kept)
    assert {key for key, _ in kept} == {'IMAGES', 'MASKS', 'XCOR', 'DEBLEND'}
    same(draw(first, kept), fresh[0])


@pytest.mark.long
def test_threads_may_share_what_is_kept(fresh):
    before, kept = dict(matplotlib.rcParams), Kept()
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(
            pool.map(lambda one: draw(one, kept), sources()[:7]), fresh[:7], strict=True
        ):
            same(found, wanted)
    assert dict(matplotlib.rcParams) == before


def test_pictures_do_not_change_with_the_next_source():
    kept = Kept()
    pictures = plots.render(*source(1), 'viridis', kept)
    before = {key: np.array(picture) for key, picture in pictures.items()}
    draw(source(2), kept)
    same({key: np.asarray(picture) for key, picture in pictures.items()}, before)


def test_what_is_in_use_is_not_given_out_twice():
    kept = Kept()
    with kept.borrowed('A', make, 1) as one, kept.borrowed('A', make, 1) as other:
        assert one is not other
    with kept.borrowed('A', make, 1) as again:
        assert again in (one, other)


def test_only_the_last_are_kept():
    kept = Kept()
    for layout in (*range(50), 45):
        with kept.borrowed('A', make, layout):
            pass
    assert [layout for _, (layout,) in kept] == [
        *range(50 - kept_figures.LIMIT, 45),
        *range(46, 50),
        45,
    ]


def test_nothing_goes_to_other_processes():
    kept = Kept()
    with kept.borrowed('A', make, 1):
        pass
    assert not pickle.loads(pickle.dumps(kept))
