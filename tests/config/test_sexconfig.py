"""default.sex and .conv files: every key, every fault with its line, and whatever Hypothesis makes
of them."""

import dataclasses
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trials import examples

from autospec_lib.config import sextractor
from autospec_lib.core.errors import InputError
from autospec_lib.core.segmentation_settings import SegmentationSettings

patient = settings(deadline=None, max_examples=examples(50))
PYRAMID = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
MPDAF = Path(importlib.util.find_spec('mpdaf').origin).parent / 'sdetect' / 'sea_data'


@pytest.fixture
def load(tmp_path):
    """Load a default.sex of the given text (or bytes), beside other files given by name."""

    def load(content, **files):
        (tmp_path / 'default.sex').write_bytes(
            content.encode() if isinstance(content, str) else content
        )
        for name, text in files.items():
            (tmp_path / name.replace('_', '.')).write_text(text)
        return sextractor.load(tmp_path)

    return load


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / 'default.sex')
    with pytest.raises(InputError, match='a pipe'):
        sextractor.load(tmp_path)


def faults(load, content, **files):
    with pytest.raises(InputError) as caught:
        load(content, **files)
    return list(caught.value.faults)


def test_a_file_that_leaves_everything_out_gives_sextractors_own_defaults(load):
    given_settings, warnings = load('GAIN 1\n')
    for item in dataclasses.fields(SegmentationSettings):
        np.testing.assert_array_equal(
            getattr(given_settings, item.name), getattr(SegmentationSettings(), item.name)
        )
    assert given_settings.detect_thresh == (1.5,)
    assert given_settings.back_size == (64, 64)
    np.testing.assert_array_equal(given_settings.kernel, PYRAMID)
    assert given_settings.kernel.dtype == np.float32
    assert warnings == ()


@pytest.mark.parametrize(
    ('line', 'name', 'value'),
    [
        ('DETECT_MINAREA 3', 'detect_minarea', 3),
        ('DETECT_MINAREA 3.0', 'detect_minarea', 3),
        ('DETECT_MAXAREA 500', 'detect_maxarea', 500),
        ('DETECT_THRESH 0.75', 'detect_thresh', (0.75,)),
        ('DETECT_THRESH 1e-3', 'detect_thresh', (0.001,)),
        ('DETECT_THRESH 24.5,25', 'detect_thresh', (24.5, 25.0)),
        ('DETECT_THRESH -2.5 , 0', 'detect_thresh', (-2.5, 0.0)),
        ('THRESH_TYPE absolute', 'thresh_type', 'ABSOLUTE'),
        ('FILTER N', 'kernel', None),
        ('DEBLEND_NTHRESH 64', 'deblend_nthresh', 64),
        ('DEBLEND_MINCONT 0', 'deblend_mincont', 0.0),
        ('CLEAN no', 'clean', False),
        ('CLEAN_PARAM .5', 'clean_param', 0.5),
        ('BACK_TYPE MANUAL', 'back_type', 'MANUAL'),
        ('BACK_VALUE -3.5', 'back_value', -3.5),
        ('BACK_SIZE 16', 'back_size', (16, 16)),
        ('BACK_SIZE 16,24', 'back_size', (16, 24)),
        ('BACK_FILTERSIZE 5, 1', 'back_filtersize', (5, 1)),
        ('BACK_FILTTHRESH 2', 'back_filtthresh', 2.0),
        ('PIXEL_SCALE 0', 'pixel_scale', 0.0),
        ('  detect_minarea\t=\t"7"   # pixels', 'detect_minarea', 7),
        ('DETECT_MINAREA 7#pixels', 'detect_minarea', 7),
    ],
)
def test_every_key_that_shapes_a_map_is_honoured(load, line, name, value):
    given_settings, warnings = load(f'# comment\n\n{line}\n')
    assert getattr(given_settings, name) == value
    assert warnings == ()


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('mark', ['', '\ufeff'])
def test_line_ends_byte_order_mark_and_encoding_do_not_matter(load, end, mark):
    lines = ['GAIN 1 # caf\xe9', 'BACK_SIZE 16,24', 'DETECT_THRESH 2']
    latin = (mark + end.join(lines)).encode('utf-8' if mark else 'latin-1')
    given_settings, warnings = load(latin)
    assert given_settings.back_size == (16, 24)
    assert warnings == ()
    assert faults(load, latin.replace(b'16', b'x'))[0].startswith(
        "default.sex, line 2: BACK_SIZE = 'x 24'"
    )


def test_keys_that_do_not_shape_the_map_are_silent_whatever_they_hold(load):
    silent = sextractor.KEYS - sextractor.RULES.keys() - {'FILTER_NAME'}
    assert load(''.join(f'{key} any, thing\n{key}\n' for key in sorted(silent)))[1] == ()


def test_mpdafs_own_file_is_read_without_a_warning(load):
    given_settings, warnings = load((MPDAF / 'default.sex').read_bytes())
    assert warnings == ()
    assert given_settings.detect_thresh == (0.75,)
    assert given_settings.deblend_mincont == 0.01
    assert given_settings.kernel.shape == (9, 9)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        (
            'DETECT_MINAREA abc',
            "DETECT_MINAREA = 'abc' is not a number; expected a whole number from 1 to 1000000",
        ),
        ('DETECT_MINAREA 2.7', "DETECT_MINAREA = '2.7' is not a whole number"),
        ('DETECT_MINAREA 1e2', "DETECT_MINAREA = '1e2' is not a whole number"),
        ('DETECT_MINAREA 0', "DETECT_MINAREA = '0' is out of range"),
        ('DETECT_MINAREA', 'DETECT_MINAREA has no value; expected a whole number'),
        ('DETECT_MAXAREA -1', "DETECT_MAXAREA = '-1' is out of range"),
        (
            'DETECT_THRESH 0',
            "DETECT_THRESH = '0' is not above 0; expected a number above 0, or mag",
        ),
        ('DETECT_THRESH nan', "DETECT_THRESH = 'nan' is not a number"),
        ('DETECT_THRESH 1_5', "DETECT_THRESH = '1_5' is not a number"),
        ('DETECT_THRESH \u0663', "DETECT_THRESH = '\u0663' is not a number"),
        ('DETECT_THRESH 1e31', "DETECT_THRESH = '1e31' is out of range"),
        ('ANALYSIS_THRESH -1', "ANALYSIS_THRESH = '-1' is not above 0"),
        (
            'THRESH_TYPE RELATIV',
            "THRESH_TYPE = 'RELATIV' is unknown; did you mean RELATIVE?; expected RELATIVE or ABS",
        ),
        ('FILTER maybe', "FILTER = 'maybe' is unknown; expected Y or N"),
        (
            'DEBLEND_NTHRESH 65',
            "DEBLEND_NTHRESH = '65' is out of range; expected a whole number from 1 to 64",
        ),
        (
            'DEBLEND_MINCONT 1.5',
            "DEBLEND_MINCONT = '1.5' is out of range; expected a number from 0 to 1",
        ),
        ('CLEAN_PARAM 0', "CLEAN_PARAM = '0' is out of range; expected a number from 0.1 to 10"),
        ('BACK_SIZE 4,0', "BACK_SIZE = '4 0' is out of range; expected one or two whole numbers"),
        ('BACK_FILTERSIZE 12', "BACK_FILTERSIZE = '12' is out of range"),
        ('WEIGHT_TYPE MAP', "WEIGHT_TYPE = 'MAP' is unknown"),
        ('PIXEL_SCALE -1', "PIXEL_SCALE = '-1' is out of range"),
        ('FILTER_NAME', 'FILTER_NAME has no value; expected the name of a .conv file'),
        ('FILTER_NAME no.conv', "no file 'no.conv' in "),
    ],
)
def test_a_fault_names_line_value_and_what_is_allowed(load, line, message):
    (fault,) = faults(load, f'GAIN 1\n{line}\n')
    assert fault.startswith(f'default.sex, line 2: {message}')


def test_all_faults_of_both_files_come_at_once(load):
    lines = faults(
        load,
        'DETECT_MINAREA x\nCLEAN 3\nFILTER_NAME my.conv',
        my_conv='CONV NORM\n1 2\n1 b\n1 2 3\n',
    )
    assert [line.partition(':')[0] for line in lines] == [
        'default.sex, line 1',
        'default.sex, line 2',
        'my.conv, line 3',
        'my.conv, line 4',
    ]


@pytest.mark.parametrize('content', ['', '# only a comment\n', ' \n\t\n', ' = , "" \n'])
def test_a_file_without_settings_is_a_fault(load, content):
    assert faults(load, content) == [
        "default.sex: holds no settings; fill it in, or delete it to get MPDAF's"
    ]


def test_what_cannot_be_read_is_a_fault(tmp_path):
    (tmp_path / 'default.sex').mkdir()
    with pytest.raises(InputError, match=r'^default\.sex: cannot be read: it is a folder$'):
        sextractor.load(tmp_path)


@pytest.mark.parametrize(
    ('line', 'warning'),
    [
        (
            'DETECT_TYPE PHOTO',
            'DETECT_TYPE = PHOTO is not supported; objects are detected as with CCD',
        ),
        (
            'WEIGHT_TYPE MAP_RMS',
            'WEIGHT_TYPE = MAP_RMS is not supported; objects are detected as with NONE',
        ),
        ('BACK_PEARSON 3', 'BACK_PEARSON = 3.0 is not supported; objects are detected as with 2.5'),
        ('FILTER_NAME net.ret', "'net.ret' is a neural filter, not supported; no filter is used"),
        ('DETECT_TRESH 3', "unknown key 'DETECT_TRESH' is ignored; did you mean DETECT_THRESH?"),
        ('QQQQ 3', "unknown key 'QQQQ' is ignored"),
        ('DEBLEND_MINCONT 0,01', "DEBLEND_MINCONT takes fewer values; '01' is ignored"),
        ('BACK_SIZE 4 5 6 7', "BACK_SIZE takes fewer values; '6 7' is ignored"),
    ],
)
def test_what_is_not_taken_as_it_stands_gets_one_warning(load, line, warning):
    assert load(f'GAIN 1\n{line}\n')[1] == (f'default.sex, line 2: {warning}',)


@pytest.mark.parametrize(
    'line', ['DETECT_TYPE CCD', 'WEIGHT_TYPE NONE', 'WEIGHT_TYPE', 'BACK_PEARSON 2.5']
)
def test_an_unsupported_key_with_its_harmless_value_is_silent(load, line):
    assert load(line)[1] == ()


def test_of_a_key_given_twice_the_last_counts_as_in_sextractor(load):
    given_settings, warnings = load('DETECT_MINAREA 3\nGAIN 1\nDETECT_MINAREA 8\n')
    assert given_settings.detect_minarea == 8
    assert warnings == (
        'default.sex, line 3: DETECT_MINAREA again; its value on line 1 is ignored',
    )


@pytest.mark.parametrize(
    ('settings_text', 'parameters', 'expected'),
    [
        ('GAIN 1', 'NUMBER\nVECTOR_ASSOC(3)\n', 1),
        ('GAIN 1', '#VECTOR_ASSOC(3)\nNUMBER\n', 0),
        ('ASSOCSELEC_TYPE ALL', 'VECTOR_ASSOC(3)\n', 0),
        ('PARAMETERS_NAME other.param', 'VECTOR_ASSOC(3)\n', 0),
        ('ASSOCSELEC_TYPE MATCHED', 'NUMBER_ASSOC\n', 1),
    ],
)
def test_association_with_a_list_warns_only_where_the_parameters_file_asks_for_it(
    load, settings_text, parameters, expected
):
    warnings = load(settings_text, default_param=parameters)[1]
    assert len(warnings) == expected
    assert all(
        line.startswith('default.param: matching of objects with a list (ASSOC)')
        for line in warnings
    )


@pytest.mark.parametrize(
    ('header', 'norm'), [('CONV NORM', True), ('CONV NONORM', False), ('conv  norm # x', True)]
)
def test_a_filter_is_read_row_by_row(load, header, norm):
    rows = '# a filter\n 1 2.5 -3 \n\n4e0 5 .6 # end\n'
    given_settings, warnings = load('FILTER_NAME my.conv', my_conv=f'# first\n{header}\n{rows}')
    np.testing.assert_array_equal(
        given_settings.kernel, np.array([[1, 2.5, -3], [4, 5, 0.6]], np.float32)
    )
    assert given_settings.kernel_norm is norm
    assert warnings == ()


def test_an_old_filter_without_norm_is_normalised_with_a_warning(load):
    given_settings, warnings = load('FILTER_NAME my.conv', my_conv='CONV\n1 2\n')
    assert given_settings.kernel_norm
    assert warnings == ('my.conv: neither NORM nor NONORM after CONV; taken as NORM',)


@pytest.mark.parametrize(
    ('content', 'fault'),
    [
        ('', "my.conv: begins with ''; expected CONV NORM or CONV NONORM, then rows of numbers"),
        ('1 2 1\n', "my.conv, line 1: begins with '1 2 1'; expected CONV NORM"),
        ('CONV NORM 1 2 1\n1 2 1\n', "my.conv, line 1: begins with 'CONV NORM 1 2 1'"),
        ('CONV NORM\n', 'my.conv: no value but 0; expected rows of numbers after CONV'),
        ('CONV NORM\n0 0\n0 0\n', 'my.conv: no value but 0'),
        ('CONV NORM\n1e-60\n', 'my.conv: no value but 0'),  # in float32
        ('CONV NORM\n1 2 1\n2 4\n', 'my.conv, line 3: 2 values; expected 3 as in the first row'),
        (
            'CONV NORM\n1,2,1\n',
            "my.conv, line 2: '1,2,1' is not a number; expected numbers with blanks",
        ),
        ('CONV NORM\n1 inf\n', "my.conv, line 2: 'inf' is not a number"),
    ],
)
def test_a_malformed_filter_is_a_fault(load, content, fault):
    (line,) = faults(load, 'FILTER_NAME my.conv', my_conv=content)
    assert line.startswith(fault)


def test_the_filter_is_not_read_where_none_is_wanted(load):
    assert load('FILTER N\nFILTER_NAME my.conv', my_conv='rubbish')[0].kernel is None


def test_a_default_conv_in_the_folder_is_used_where_no_filter_is_named(load):
    np.testing.assert_array_equal(
        load('GAIN 1', default_conv='CONV NORM\n1 3\n')[0].kernel, [[1, 3]]
    )


def test_without_any_file_mpdafs_are_read_and_nothing_is_written(tmp_path):
    given_settings, warnings = sextractor.load(tmp_path)
    assert (given_settings.detect_thresh, given_settings.back_size) == ((0.75,), (32, 32))
    assert given_settings.kernel.shape == (9, 9)
    assert warnings == ()
    assert not list(tmp_path.iterdir())


def test_defaults_are_installed_once(tmp_path):
    written = sextractor.install_defaults(tmp_path)
    assert written == [tmp_path / 'default.sex', tmp_path / 'gauss_5.0_9x9.conv']
    assert sorted(tmp_path.iterdir()) == sorted(written)
    for path in written:
        assert path.read_bytes() == (MPDAF / path.name).read_bytes()
    assert sextractor.install_defaults(tmp_path) == []


def test_only_a_missing_filter_that_mpdaf_ships_is_added(tmp_path):
    own = tmp_path / 'default.sex'
    own.write_text('FILTER_NAME mine.conv\nFILTER_NAME gauss_3.0_5x5.conv\n')
    assert sextractor.install_defaults(tmp_path) == [tmp_path / 'gauss_3.0_5x5.conv']
    (tmp_path / 'gauss_3.0_5x5.conv').write_text('mine')
    assert sextractor.install_defaults(tmp_path) == []
    assert (tmp_path / 'gauss_3.0_5x5.conv').read_text() == 'mine'
    for name in ('mine.conv', '../sea_data/gauss_5.0_9x9.conv', '.', '..', '\0'):
        own.write_text(f'FILTER_NAME {name}\n')
        assert sextractor.install_defaults(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'replace', full)
    with pytest.raises(
        InputError, match=r'^default\.sex: cannot be copied to .*: No space left on device; .*$'
    ):
        sextractor.install_defaults(tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_mpdaf_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(
        InputError, match=r'^default\.sex: no defaults, as mpdaf is not installed; install it with'
    ):
        sextractor.load(tmp_path)
    (tmp_path / 'default.sex').write_text('FILTER N\n')
    assert sextractor.load(tmp_path)[0].kernel is None


def test_mpdaf_is_found_without_being_imported(tmp_path):
    code = (
        'import sys, pathlib; from autospec_lib.config import sextractor; folder = pathlib.Path(sys.argv[1]);'
        'sextractor.install_defaults(folder); sextractor.load(folder); sys.exit("mpdaf" in sys.modules)'
    )
    root = Path(sextractor.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, '-c', code, tmp_path],
        cwd=root,
        env={**os.environ, 'PYTHONPATH': str(root)},
    )
    assert done.returncode == 0


def only_settings_or_one_line_messages(content, filter_content=b'CONV NORM\n1 2 1\n'):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'default.sex').write_bytes(content)
        (folder / 'gauss_5.0_9x9.conv').write_bytes(filter_content)
        try:
            given_settings, lines = sextractor.load(folder)
        except InputError as error:
            lines = error.faults
            assert lines
        else:
            assert isinstance(given_settings, SegmentationSettings)
            assert given_settings.kernel is None or (
                given_settings.kernel.ndim == 2 and np.isfinite(given_settings.kernel).all()
            )
        assert all(len(line.splitlines()) == 1 for line in lines)


def mutated(original):
    """A file with some of its lines' parts replaced, removed or repeated."""
    parts = original.replace('\n', ' \n ').split(' ')
    odd = st.one_of(
        st.text(max_size=8),
        st.sampled_from(['', '-1', '0', '1e99', 'nan', '\r', '\0', '#', 'Y', *parts]),
    )
    edits = st.lists(st.tuples(st.integers(0, len(parts) - 1), odd), min_size=1, max_size=12)
    return edits.map(
        lambda some: ' '.join([dict(some).get(at, part) for at, part in enumerate(parts)]).encode()
    )


@patient
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_content_gives_settings_or_one_line_messages(content):
    only_settings_or_one_line_messages(content)


@patient
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(sextractor.RULES)), st.text(max_size=12)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([' ', '\t', '=', ', ']),
)
def test_any_value_of_a_real_key_gives_settings_or_one_line_messages(entries, separator):
    only_settings_or_one_line_messages(
        '\n'.join(f'{key}{separator}{text}' for key, text in entries).encode()
    )


@patient
@given(st.integers(), st.floats(), st.integers(-10, 100))
def test_a_number_is_taken_exactly_or_not_at_all(minarea, threshold, nthresh):
    with tempfile.TemporaryDirectory() as name:
        lines = (
            f'DETECT_MINAREA {minarea}\nDETECT_THRESH {threshold!r}\nDEBLEND_NTHRESH {nthresh}\n'
        )
        (Path(name) / 'default.sex').write_text(lines)
        found, messages = None, ()
        try:
            found, _ = sextractor.load(Path(name))
        except InputError as error:
            messages = error.faults
    right = [1 <= minarea <= 1_000_000, 0 < threshold <= 1e30, 1 <= nthresh <= 64]
    wrong = [
        f'default.sex, line {number}' for number, is_right in enumerate(right, 1) if not is_right
    ]
    assert [message.partition(':')[0] for message in messages] == wrong
    if not wrong:
        assert (found.detect_minarea, found.detect_thresh, found.deblend_nthresh) == (
            minarea,
            (threshold,),
            nthresh,
        )


@pytest.mark.parametrize(
    'lines',
    [
        '',
        'FILTER N\nCLEAN N\nBACK_SIZE 7\nBACK_FILTERSIZE 3,5\n',
        'DETECT_THRESH 24.5,25\nPIXEL_SCALE 0.2\nTHRESH_TYPE ABSOLUTE\n',
        'FILTER_NAME own.conv\nBACK_TYPE MANUAL\nBACK_VALUE 0.1\nDEBLEND_MINCONT 1e-07\n',
    ],
)
def test_settings_that_are_written_out_are_read_back(load, lines):
    own = 'CONV NONORM\n0.1 0.30000001 1e-9\n2 5 2\n1 2 1\n'
    settings, _ = load(lines or '# nothing\nCLEAN Y\n', **{'own.conv': own})
    keys, _, kernel = sextractor.describe(vars(settings)).partition('\nCONV')
    name = 'FILTER_NAME again.conv\n' * bool(kernel)
    again, warned = load(f'{keys}\n{name}', **{'again.conv': f'CONV{kernel}\n'})
    assert not warned
    assert repr(dataclasses.asdict(again)) == repr(dataclasses.asdict(settings))


@patient
@given(
    mutated((MPDAF / 'default.sex').read_text()),
    mutated((MPDAF / 'gauss_5.0_9x9.conv').read_text()),
)
def test_mutated_real_files_give_settings_or_one_line_messages(content, filter_content):
    only_settings_or_one_line_messages(content, filter_content)
