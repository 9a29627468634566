"""One browser for all tests of the report's page."""

import pytest
from browser import Browser


@pytest.fixture(scope='session')
def profile(tmp_path_factory):
    """Where the browser keeps what it keeps, and saves files."""
    return tmp_path_factory.mktemp('profile')


@pytest.fixture(scope='session')
def window(profile):
    """A window for all tests; each of them opens the page anew."""
    with Browser(profile) as browser:
        yield browser
