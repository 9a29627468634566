"""Hypothesis on the readers of param.py and of catalogues: the right values or one-line faults, and
nothing else."""

from __future__ import annotations

import dataclasses
import re

import pytest
from builders import data_ext
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trials import examples

from autospec_lib.config import param_file, params
from autospec_lib.config.params import Params
from autospec_lib.core.errors import InputError, ParameterError
from autospec_lib.core.noise_kind import Extension
from autospec_lib.core.types import Target
from autospec_lib.inputs import catalogue

FILES = ('datacube.fits', 'catalog.txt', 'g-band.fits', 'r-band.fits', 'g-seg.fits', 'r-seg.fits')
NAMES = [field.name.upper() for field in dataclasses.fields(Params)]
SWITCHES = [field.name for field in dataclasses.fields(Params) if isinstance(field.default, bool)]
SIZE, REF = 4.5, 'i-band'  # what param.py gives to the catalogues

patient = settings(deadline=None, max_examples=examples(50))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('working')
    for name in FILES:
        (path / name).touch()
    return path


def as_bytes(content):
    return content if isinstance(content, bytes) else content.encode(errors='surrogatepass')


def load_params(folder, content):
    """Parameters (or None), warnings and faults of a param.py with this content."""
    path = folder / 'param.py'
    path.write_bytes(as_bytes(content))
    try:
        return check_messages(path, *param_file.load(path))
    except ParameterError as error:
        return check_messages(path, None, (), error.faults)


def load_catalogue(folder, content, mode, skip_bad_rows=False):
    """Targets (or None), warnings and faults of a catalogue with this content."""
    path = folder / 'sources.txt'
    path.write_bytes(as_bytes(content))
    try:
        found = catalogue.load(path, mode, SIZE, REF, skip_bad_rows)
        return check_messages(path, found.targets, found.warnings)
    except InputError as error:
        return check_messages(path, None, (), error.faults)


def check_messages(path, result, warnings, faults=()):
    assert result or faults
    for message in (*warnings, *faults):
        assert message.startswith((f'{path.name}: ', f'{path.name}, line '))
        assert len(message.splitlines()) == 1
    return result, warnings, faults


def mutate(text, changes):
    """Replace up to eight characters at some places by junk."""
    for place, length, junk in changes:
        start = int(place * len(text))
        text = text[:start] + junk + text[start + length :]
    return text


junk = st.sampled_from(
    ['', ' ', '\n', '\r', '\t', ',', '#', "'", '"', '-', '_', '.', ':', '0', '(', '=']
) | st.text(max_size=3)
changes = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8), junk), min_size=1, max_size=4)


class TestParameters:
    values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(FILES),
        lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    )

    @patient
    @given(content=st.text() | st.binary())
    def test_any_content(self, folder, content):
        load_params(folder, content)

    @patient
    @given(changes=changes)
    def test_mutated_template(self, folder, changes):
        load_params(folder, mutate(params.template(), changes))

    @patient
    @given(written=st.dictionaries(st.sampled_from(NAMES), values, min_size=1, max_size=5))
    def test_any_value(self, folder, written):
        """What is accepted is what was written, as the documented freedoms read it."""
        lines = [f'{name} = {value!r}' for name, value in written.items()]
        loaded, _, _ = load_params(folder, '\n'.join(['inf, nan = 1e999, 1e999 - 1e999', *lines]))
        for name, value in written.items() if loaded else ():
            got = getattr(loaded, name.lower())
            if isinstance(got, tuple):
                several = (
                    value
                    if isinstance(value, list | tuple)
                    else ()
                    if value in (None, '')
                    else (value,)
                )
                assert len(got) == len(several)
                assert all(map(self.is_reading_of, got, several))
            else:
                assert self.is_reading_of(got, value)

    @staticmethod
    def is_reading_of(got, value):
        if isinstance(got, bool) or isinstance(value, bool):
            return got is value
        if isinstance(got, Extension):
            return got == Extension.parse(value)
        return got == (str(value) if isinstance(got, str) else float(value))

    @patient
    @given(
        aper=st.sets(st.integers(1, 25), max_size=4).map(
            lambda tenths: tuple(tenth / 10 for tenth in tenths)
        ),
        size=st.floats(5, 1e3),
        cont_poly=st.integers(0, 30),
        img=st.sampled_from([(), ('r-band.fits',), ('g-band.fits', 'r-band.fits')]),
        data_ext=st.sampled_from(
            [(), data_ext(1), data_ext(1, 'STAT: ivar'), data_ext('FLUX', 'IVAR')]
        ),
        orig_from=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=10),
        switches=st.dictionaries(st.sampled_from(SWITCHES), st.booleans()),
        loose=st.booleans(),
    )
    def test_valid_values_come_back(self, folder, switches, loose, **values):
        expected = Params(seg=('g-seg.fits',), **values, **switches)
        text = params.describe(expected)
        if loose:  # as users write them: numbers as text, lists, one value in place of a tuple
            aper = [str(radius) for radius in expected.aper]
            text += f'\nAPER = {aper[0] if len(aper) == 1 else aper!r}\nSIZE = "{expected.size}"\nSEG = "g-seg.fits"'
        loaded, _, faults = load_params(folder, text)
        assert faults == ()
        assert loaded == expected


class TestCatalogue:
    modes = st.sampled_from(['param', 'cat'])
    numbers = st.floats(-400, 400).map(repr) | st.integers(-9, 99).map(str)
    cells = numbers | st.sampled_from(
        ['-', 'nan', 'inf', '1_0', '1e1', '١', '+5', '.5', '5.', "'5'", '"5"', 'x', 'ID']
    )

    @patient
    # A name with a line break of its own.
    @example(content=b',\x01\x0bh', mode='param', skip_bad_rows=False)
    @given(content=st.text() | st.binary(), mode=modes, skip_bad_rows=st.booleans())
    def test_any_content(self, folder, content, mode, skip_bad_rows):
        load_catalogue(folder, content, mode, skip_bad_rows)

    starts = (
        'SIMPLE  =',
        '<?xml ?><VOTABLE',
        '# %ECSV 1.0\n',
        '| a | b |\n',
        '\\ x\n',
        '\\begin{table}',
        '# 1 NUMBER\n# 2 RA\n',
    )
    tables = st.sampled_from(
        (
            *starts,
            'fk5\n',
            'fk5;circle(',
            '# Region file format: DS9\n',
            'id;ra;dec\n',
            'id\tra\tdec\n',
        )
    )
    pieces = st.sampled_from(
        [
            '\n',
            ' ',
            '(',
            ')',
            '1',
            '2.5',
            ',',
            ';',
            '\t',
            '|',
            '"',
            '{',
            '#',
            '--',
            'point',
            'icrs',
            '=',
        ]
    )

    @patient
    @given(
        start=tables,
        rest=st.lists(pieces, max_size=30).map(''.join) | st.text(),
        mode=modes,
        skip=st.booleans(),
    )
    def test_any_content_behind_the_mark_of_a_format(self, folder, start, rest, mode, skip):
        load_catalogue(folder, start + rest, mode, skip)

    @patient
    @given(
        rows=st.lists(st.lists(cells, min_size=1, max_size=6), min_size=1, max_size=8),
        separator=st.sampled_from([' ', '\t', ',', ', ']),
        mode=modes,
    )
    def test_accepted_rows_hold_the_numbers_of_the_file(self, folder, rows, separator, mode):
        text = '\n'.join(separator.join(row) for row in rows)
        targets, warnings, _ = load_catalogue(folder, text, mode, skip_bad_rows=True)
        left_out = {int(re.search(r'line (\d+)', warning)[1]) for warning in warnings}
        accepted = [
            [cell.strip('\'"') for cell in row]
            for line, row in enumerate(rows, 1)
            if line not in left_out
        ]
        for target, (ident, ra, dec, *others) in (
            zip(targets, accepted, strict=True) if targets else ()
        ):
            assert (target.id, target.ra, target.dec) == (float(ident), float(ra), float(dec))
            size, ref = (*others, '-', '-')[:2] if mode == 'cat' else (str(SIZE), REF)
            assert target.size == (SIZE if size in ('-', 'nan') else float(size))
            assert target.ref == ('' if ref in ('-', 'nan') else ref)

    @patient
    # The ID 7 becomes -0, which is 0.
    @example(changes=[(0.45, 1, '-0')], mode='cat', skip_bad_rows=False, comma=True)
    @given(changes=changes, mode=modes, skip_bad_rows=st.booleans(), comma=st.booleans())
    def test_mutated_catalogue(self, folder, changes, mode, skip_bad_rows, comma):
        text = 'ID RA DEC SIZE REF\n12 10.5 -2.25 5 g-band\n7 359.25 +89.5 - -\n130 0.125 0.5 7.5 2.0 # the last\n'
        text = text.replace(' ', ',') if comma else text
        header = text.partition('\n')[0]
        text = mutate(text, changes)
        targets, _, _ = load_catalogue(folder, text, mode, skip_bad_rows)
        first, *rows = re.split('[\r\n]', text)
        # Another header may well put the columns elsewhere, and 3:5:25 is no number here.
        if first == header and not re.search(r'\d[:hd]\d', text, re.IGNORECASE):
            found = {self.first_three(row) for row in rows}
            # `first_three` ends an ID at a quotation mark, which may be a character of it.
            read = [target for target in targets or () if not re.search('[\'"]', str(target.id))]
            assert {(target.id, target.ra, target.dec) for target in read} <= found

    @staticmethod
    def first_three(line):
        """The first three numbers of a line, read in another way."""
        try:
            ident, *position = re.findall(r'[^\s,\'"#]+', line)[:3]
            ra, dec = map(float, position)
        except ValueError:
            return None
        return (
            float(ident) if re.fullmatch(r'([+]?\d+|-0+)(\.0*)?', ident, re.ASCII) else ident,
            ra,
            dec,
        )

    refs = st.from_regex(r'[A-Za-z0-9][\w.-]{0,9}', fullmatch=True).filter(
        lambda ref: ref.lower() not in ('nan', 'none')
    )
    sources = st.builds(
        Target,
        id=st.integers(0, 2**63 - 1),
        ra=st.floats(0, 360, exclude_max=True),
        dec=st.floats(-90, 90),
        size=st.floats(1e-3, 1e6),
        ref=refs,
    )

    @patient
    @given(
        sources=st.lists(sources, min_size=1, max_size=6, unique_by=lambda target: target.id),
        order=st.permutations(['id', 'ra', 'dec', 'size', 'ref', 'mag']),
        separator=st.sampled_from([' ', '   ', '\t', ',', ' , ']),
        frame=st.sampled_from(
            [('', '\n'), ('\ufeff', '\r\n'), ('# first\r', '\r'), ('% ', '\n\n')]
        ),
        quote=st.sampled_from(['', "'", '"']),
    )
    def test_valid_catalogues_come_back(self, folder, sources, order, separator, **style):
        start, end = style['frame']
        rows = [
            {name: name for name in order},
            *({**dataclasses.asdict(source), 'mag': 22.5} for source in sources),
        ]
        lines = [
            separator.join(f'{style["quote"]}{row[name]}{style["quote"]}' for name in order)
            for row in rows
        ]
        by_parameter = [dataclasses.replace(source, size=SIZE, ref=REF) for source in sources]
        text = start + end.join(lines)
        assert load_catalogue(folder, text, 'cat') == (sources, (), ())
        assert load_catalogue(folder, text, 'param') == (by_parameter, (), ())
