"""Catalogues for tests: write one and load it."""

import pytest
from astropy.table import Table

from autospec_lib.core.errors import InputError
from autospec_lib.inputs import catalogue

SIZE, REF = 4.5, 'g-band'  # what param.py gives in these tests
PLACES = [(150.0, 2.0), (150.001, -2.0015)]
BOTH = [(3, *PLACES[0]), (8, *PLACES[1])]


def load(path, content=None, mode='param', skip_bad_rows=False):
    """Load a file with this text or these bytes, or one that is there already."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return catalogue.load(path, mode, SIZE, REF, skip_bad_rows)


def faults(path, content=None, mode='param'):
    """The faults of such a file: one line each, which begins with the file's name."""
    with pytest.raises(InputError) as caught:
        load(path, content, mode)
    assert all(
        len(fault.splitlines()) == 1 and fault.startswith(path.name)
        for fault in caught.value.faults
    )
    return caught.value.faults


def sources(loaded):
    """ID, right ascension and declination of all targets."""
    return [(target.id, target.ra, target.dec) for target in loaded.targets]


def table(**columns):
    """An astropy table of the two sources of BOTH with these further columns."""
    return Table(
        {'ID': [3, 8], 'ra': [ra for ra, _ in PLACES], 'dec': [dec for _, dec in PLACES], **columns}
    )
