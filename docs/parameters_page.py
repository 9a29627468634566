"""Writes the tables of parameters.md: ``python docs/parameters_page.py``."""

from __future__ import annotations

import re
from dataclasses import Field
from itertools import groupby
from pathlib import Path
from typing import Any

from autospec_lib.config.params import BY_NAME, FIELDS

MARK = '<!-- From here on the page is made by docs/parameters_page.py: do not edit. -->\n'
# Tuples, texts in quotes, True and False, parameters' names.
_CODE = re.compile(
    rf"\([^()]*, [^()]*\)|\(\)|(?<!\w)('[^' ]*'|True|False|{'|'.join(BY_NAME)})(?!\w)"
)


def table() -> str:
    """A heading and a table in Markdown for each group of parameters."""
    parts = []
    for group, fields in groupby(FIELDS, lambda field: field.metadata['group']):
        parts.append(
            f'\n## {group}\n\n| Parameter | Default | Allowed | Meaning |\n|---|---|---|---|\n'
        )
        parts += [_row(field) for field in fields]
    return ''.join(parts)


def _row(field: Field[Any]) -> str:
    name, words = field.name.upper(), field.metadata
    meaning = f'{words["help"][0].upper()}{words["help"][1:].rstrip(" .")}.'
    cells = [
        f'`{name}`',
        f'`{field.default!r}`',
        _with_code(words['expected'].partition(', e.g.')[0]),
        f'{_with_code(meaning)} {words["doc"]}',
    ]
    if words['alias']:
        cells[-1] += f'`{words["alias"]}` is the same parameter.'
    return f'| {" | ".join(map(str.strip, cells))} |\n'


def _with_code(text: str) -> str:
    return _CODE.sub(r'`\g<0>`', text)


def rewrite(page: Path) -> None:
    """Replace what follows the mark in a page."""
    head = page.read_text(encoding='utf-8').partition(MARK)[0]
    page.write_text(head + MARK + table(), encoding='utf-8')


if __name__ == '__main__':
    rewrite(Path(__file__).with_name('parameters.md'))
