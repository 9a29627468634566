"""What the report's page loads, read by JSON alone; and text that tries to become more than
text."""

import base64
import json
import re

import numpy as np
from builders import STEP, UNIT, WAVE0

from autospec_lib.core.types import Grid

EVIL = '</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>&amp;\u2028\u2029"\'\\'
GRID = Grid(
    {},
    {'CTYPE1': 'AWAV', 'CRPIX1': 1.0, 'CRVAL1': WAVE0, 'CDELT1': STEP, 'CUNIT1': 'Angstrom'},
    unit=UNIT,
    medium='air',
)


def decoded(text, kind='<f4'):
    """The array that base64 text holds."""
    return np.frombuffer(base64.b64decode(text), kind)


def spectra_of(held):
    """Flux and errors (None where there are none) of the spectra in a source's file, by their
    keys."""
    numbers = decoded(held['numbers'])
    rows = sum(1 + one['errors'] for one in held['spectra']) + len(held['candidates'])
    arrays = iter(numbers.reshape(rows, -1))
    return {
        one['key']: (next(arrays), next(arrays) if one['errors'] else None)
        for one in held['spectra']
    }


def content(path):
    """The value that a script hands to the page, by JSON alone; numbers beside it are put into
    it."""
    text = path.read_text(encoding='ascii')
    name, value, numbers = re.fullmatch(
        r'(\w+)\((.*?)(?:,"([A-Za-z0-9+/=]*)")?\);\n', text, re.DOTALL
    ).groups()
    held = json.loads(value)
    return name, held if numbers is None else {**held, 'numbers': numbers}
