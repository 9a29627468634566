"""A cut-out knows the catalogue's other sources in or near it."""

from dataclasses import replace

import numpy as np
import pytest
from builders import DEC, NX, NY, PIXEL, RA
from numpy.testing import assert_allclose, assert_array_equal

from autospec_lib.config.params import Params
from autospec_lib.core.types import Target
from autospec_lib.inputs import cube
from autospec_lib.inputs.images import AlignedImage
from autospec_lib.run.job import open_all


def test_a_cut_knows_who_lies_in_or_near_it(folder):
    opened = open_all(Params(psf=(0.8, 0.6)), folder)
    where = {7: (11.0, 13.0), 1: (11.0, 20.0), 2: (11.0, 32.5), 3: (11.0, 33.5), 4: (-9.0, 6.0)}
    cutout = cube.cut(opened, Target(7, RA, DEC, 3.0), where)
    origin = 11.0 - cutout.centre[0], 13.0 - cutout.centre[1]
    inside = {
        ident: (y - origin[0], x - origin[1]) for ident, (y, x) in where.items() if ident in (1, 2)
    }
    assert cutout.neighbours.keys() == inside.keys()
    for ident, place in inside.items():
        assert_allclose(cutout.neighbours[ident], place, atol=1e-6)
    assert cutout.psf.widths == pytest.approx((0.8 / PIXEL, 0.6 / PIXEL), rel=1e-4)
    assert cube.cut(opened, Target(7, RA, DEC, 3.0)).neighbours == {}


def test_positions_are_nan_where_there_is_no_pixel(folder):
    opened = open_all(Params(), folder)
    targets = [
        Target(7, RA, DEC, 3.0),
        Target(8, RA, DEC + 1.0, 3.0),
        Target(9, RA + 180, -DEC, 3.0),
    ]
    places = cube.positions(opened, targets)
    assert_allclose(places[0], (11, 13), atol=1e-6)
    assert places[1, 0] > 1000
    assert np.isnan(places[2]).all()
    assert cube.covers(opened, places).tolist() == [True, False, False]
    assert cube.covers(opened, places, 1e9).tolist() == [True, True, False]


def test_an_image_has_no_value_beyond_the_edge_of_the_field(folder):
    opened = open_all(Params(), folder)
    opened = replace(opened, images={'I': AlignedImage(np.ones((NY, NX)))})
    ra, dec = (float(value) for value in opened.sky.to_icrs(23.4, 0.4))
    cutout = cube.cut(opened, Target(7, ra, dec, 3.0))
    outside = cutout.voxels.blank
    assert 0.5 < outside.mean() < 1
    for held in (cutout.images['I'], cutout.detection['I']):
        assert_array_equal(np.isnan(held), outside)
