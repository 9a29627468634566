"""Encodes values as JavaScript that a page can load from a file beside it."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# JSON is JavaScript, but a browser looks for the end of a script, and for comments, before it reads the JavaScript.
# U+2028 and U+2029 end lines in old browsers; they are not ASCII, so JSON escapes them already.
_ESCAPES = {'<': '\\u003c', '>': '\\u003e', '&': '\\u0026'}


def call(function: str, value: Any, numbers: str = '') -> str:
    """A script of one line that hands a value to a function of the page.

    Parameters
    ----------
    function : str
        The function's name.
    value : dict, list, str, int, float, bool or None
        Numbers that are not finite become null. Text in it cannot end the script or become markup.
    numbers : str
        A result of `binary`, used as second argument without JSON, which would check each of its characters.
    """
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(',', ':'))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return f'{function}({text},"{numbers}");\n' if numbers else f'{function}({text});\n'


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def binary(values: NDArray[Any], kind: str = '<f4') -> str:
    """An array in base64: by default single precision, least significant byte first, as JavaScript's arrays are."""
    with np.errstate(over='ignore', under='ignore'):  # numbers beyond single precision become infinite or 0
        return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode('ascii')
