"""Which values of a spectrum, image or cube are usable."""

import numpy as np

from autospec_lib.core.types import Measured


def test_a_channel_is_usable_where_flux_and_variance_are_known_and_the_variance_is_positive():
    data = np.array([1.0, np.nan, -2.0, 3.0, 0.0, 4.0, np.inf])
    variance = np.array([1.0, 1.0, np.nan, 0.0, 2.0, np.inf, 1.0])
    assert Measured(data, variance).usable.tolist() == [
        True,
        False,
        False,
        False,
        True,
        False,
        False,
    ]
    assert (
        Measured(data, np.where(variance == 0, -1.0, variance)).usable.tolist()
        == Measured(data, variance).usable.tolist()
    )
    assert Measured(data).usable.tolist() == [True, False, True, True, True, True, False]
