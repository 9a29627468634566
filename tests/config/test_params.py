"""param.py: what is accepted, how every fault is worded, and that running it leaves no trace."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from autospec_lib.config import param_file, params
from autospec_lib.config.params import Params
from autospec_lib.core.errors import ParameterError
from autospec_lib.core.noise_kind import Extension, NoiseKind

REPOSITORY = Path(__file__).parents[2]
INPUTS = ('datacube.fits', 'catalog.txt', 'g-band.fits', 'r-band.fits', 'g-seg.fits', 'r-seg.fits')

SWITCHES = [
    field.name
    for field in dataclasses.fields(Params)
    if field.metadata['expected'] == 'True or False'
]
PARTS = (
    'deblend',
    'muse_psf',
    'deblend_residual',
    'deblend_profile_7',
    'cross_correlation_contsub',
    'seg_g',
    'mask_union',
    'g_skysub',
    'g_contsub',
)


@pytest.fixture
def folder(tmp_path):
    for name in INPUTS:
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def load(folder):
    """Load a param.py with this text, among files that the text may name."""

    def write_and_load(text):
        path = folder / 'param.py'
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return param_file.load(path)

    return write_and_load


@pytest.fixture
def faults(load):
    """The faults of a param.py with this text."""

    def find(text):
        with pytest.raises(ParameterError, match=r'^param\.py') as caught:
            load(text)
        assert all(len(fault.splitlines()) == 1 for fault in caught.value.faults)
        return caught.value.faults

    return find


class TestTemplate:
    def test_file_in_the_repository_is_the_template(self):
        assert (REPOSITORY / 'param.py').read_text(encoding='utf-8') == params.template()

    def test_the_template_loads_to_the_defaults(self, load):
        assert load(params.template()) == (Params(), ())

    def test_an_empty_file_has_the_defaults_too(self, load):
        assert load('') == (Params(), ())

    def test_each_parameter_has_one_line_of_help(self):
        lines = params.template().splitlines()
        for field in dataclasses.fields(Params):
            (line,) = [line for line in lines if line.split(' ')[0] == field.name.upper()]
            assert line.endswith(f'  # {field.metadata["help"]}')
            assert len(line) <= 120

    def test_defaults_pass_their_own_checks(self):
        for field in dataclasses.fields(Params):
            assert field.metadata['check'](field.default) == field.default

    def test_defaults_are_those_of_version_1_1_2(self):
        texts = {
            'mode': 'param',
            'ref': '',
            'obj_mask': 'INTER',
            'output': 'output',
            'pre_out': 'Source_',
        }
        texts |= {'datacube': 'datacube.fits', 'catalog': 'catalog.txt', 'cmap': 'viridis'}
        texts |= dict.fromkeys(('orig_from', 'orig_fromv', 'orig_cube', 'orign_cubev'), '')
        texts |= {'noise': 'propagated', 'xcor_weight': 'none', 'prefix': ''}
        others = {
            'size': 5.0,
            'cont_poly': 5,
            'cores': 1,
            'xcor_iter': 1,
            'psf': (),
            'caterr': 0.0,
        } | dict.fromkeys(
            ('data_ext', 'aper', 'img', 'img_shift', 'weight', 'narrowband', 'seg', 'lsf'), ()
        )
        on = ('use_imgs', 'xcor', 'cont_sub', 'sky_sub', 'plots', 'report', 'report_cube')
        on += ('out_img', 'out_seg', 'out_mask', 'out_xcor', 'out_spec')
        off = ('out_sub', 'out_1d', 'marz', 'warnings', 'deblend', 'redshift')
        switches = dict.fromkeys(on, True) | dict.fromkeys(off, False)
        assert dataclasses.asdict(Params()) == texts | others | switches

    def test_describe_can_be_loaded_again(self, load):
        extensions = "DATA_EXT = 1, 'STAT: ivar', 'DQ: 0 is bad'"
        written, _ = load(
            f"APER = 0.5, 1\nIMG = 'g-band.fits'\nREF = 1\n{extensions}\nORIG_FROM = \"it's\""
        )
        assert len(written.data_ext) == 3
        assert load(params.describe(written)) == (written, ())
        assert len(params.describe(written).splitlines()) == len(dataclasses.fields(Params))


class TestValues:
    @pytest.mark.parametrize('empty', ["''", '""', '()', '[]', 'None'])
    @pytest.mark.parametrize('name', ['APER', 'IMG', 'WEIGHT', 'NARROWBAND', 'SEG', 'DATA_EXT'])
    def test_empty_values_stand_for_none(self, load, name, empty):
        assert load(f'{name} = {empty}') == (Params(), ())

    @pytest.mark.parametrize(
        ('text', 'field', 'value'),
        [
            ('APER = 2', 'aper', (2.0,)),
            ("APER = '2.0'", 'aper', (2.0,)),
            ('APER = 1.0, 2.0', 'aper', (1.0, 2.0)),
            ("APER = ['1.0', 2]", 'aper', (1.0, 2.0)),
            ('import numpy as np\nAPER = np.arange(1, 3) / 2', 'aper', (0.5, 1.0)),
            ('import numpy as np\nSIZE = np.float32(7.5)', 'size', 7.5),
            ('import numpy as np\nXCOR = np.bool_(False)\nCONT_SUB = False', 'xcor', False),
            ("IMG = 'g-band.fits'", 'img', ('g-band.fits',)),
            ("IMG = ['g-band.fits', 'r-band.fits']", 'img', ('g-band.fits', 'r-band.fits')),
            ("SEG = 'g-seg.fits',", 'seg', ('g-seg.fits',)),
            ('DATA_EXT = 1', 'data_ext', (Extension(1),)),
            ("DATA_EXT = 'DATA'", 'data_ext', (Extension('DATA'),)),
            ('DATA_EXT = (1, 2)', 'data_ext', (Extension(1), Extension(2))),
            ("DATA_EXT = ['FLUX', 'IVAR']", 'data_ext', (Extension('FLUX'), Extension('IVAR'))),
            (
                "DATA_EXT = 'FLUX', 'X:Sigma '",
                'data_ext',
                (Extension('FLUX'), Extension('X', NoiseKind.SIGMA)),
            ),
            (
                "DATA_EXT = 0, '1: ivar'",
                'data_ext',
                (Extension(0), Extension(1, NoiseKind.INVERSE_VARIANCE)),
            ),
            ("DATA_EXT = 0, '', 'DQ'", 'data_ext', (Extension(0), Extension(''), Extension('DQ'))),
            (
                "DATA_EXT = 'A', '', '2: 0 is BAD'",
                'data_ext',
                (Extension('A'), Extension(''), Extension(2, None, True)),
            ),
            ("IMG_SHIFT = 'Measured'", 'img_shift', 'measured'),
            ('IMG_SHIFT = (1, -0.5)', 'img_shift', (1.0, -0.5)),
            ("IMG = 'g-band.fits'; IMG_SHIFT = ['measured']", 'img_shift', ('measured',)),
            ('IMG_SHIFT = None', 'img_shift', ()),
            ("WEIGHT = 'g-band.fits'\nIMG_SHIFT = ((1, 2),)", 'weight', ('g-band.fits',)),
            ("WEIGHT = 'g-band.fits'\nREF = 'g-band'", 'ref', 'g-band'),
            ('NARROWBAND = (6840, 6870)', 'narrowband', ((6840.0, 6870.0),)),
            ('NARROWBAND = [6870, 6840]', 'narrowband', ((6840.0, 6870.0),)),
            ('NARROWBAND = ((6840, 6870),)', 'narrowband', ((6840.0, 6870.0),)),
            ('NARROWBAND = (1, 2), (3, 4), (1, 2)', 'narrowband', ((1.0, 2.0), (3.0, 4.0))),
            ("NARROWBAND = 'Hα'", 'narrowband', ('HALPHA',)),
            (
                "NARROWBAND = 'Lya', (5, 6.5), '[OIII]5007'",
                'narrowband',
                ('LYALPHA', (5.0, 6.5), 'OIII5007'),
            ),
            (
                'import numpy as np\nNARROWBAND = np.array([[1, 2], [3, 4]])',
                'narrowband',
                ((1.0, 2.0), (3.0, 4.0)),
            ),
            ("NARROWBAND = 'Ha', '[OIII]'\nREF = 'NB_Halpha'", 'ref', 'NB_Halpha'),
            ("NARROWBAND = '[OIII]'\nREF = 'nb_[O III]5008'", 'ref', 'nb_[O III]5008'),
            ("NARROWBAND = 6840, 6870\nDEBLEND = 'NB_6840_6870'", 'deblend', 'NB_6840_6870'),
            ("DATA_EXT = 0, 'ERR=error'", 'data_ext', (Extension(0), Extension('ERR=error'))),
            ("REF = '2.0'\nAPER = 2", 'ref', '2.0'),
            ('REF = 2.0\nAPER = 2', 'ref', '2.0'),
            ("REF = 'g-band'\nIMG = 'g-band.fits'", 'ref', 'g-band'),
            ("MODE = 'Cat'", 'mode', 'cat'),
            ("OBJ_MASK = 'union'", 'obj_mask', 'UNION'),
            ("SIZE = '7.5'", 'size', 7.5),
            ('CONT_POLY = 3.0', 'cont_poly', 3),
            ('CONT_POLY = 0', 'cont_poly', 0),
            ("CMAP = 'cubehelix'", 'cmap', 'cubehelix'),
            ('DEBLEND = True', 'deblend', True),
            ("DEBLEND = 'G-band'\nIMG = 'g-band.fits'", 'deblend', 'G-band'),
            ("DEBLEND = True\nREF = 'deblend'", 'ref', 'deblend'),
            ('PSF = 0.8', 'psf', (0.8,)),
            ('PSF = 0.9, 0.7', 'psf', (0.9, 0.7)),
            ("PSF = [0.9, '0.7', 2.5]", 'psf', (0.9, 0.7, 2.5)),
            ("PSF = 'Header'", 'psf', 'header'),
            ("PSF = ' Stars '", 'psf', 'stars'),
            ('PSF = None', 'psf', ()),
            ('REDSHIFT = True\nLSF = 3', 'lsf', (3.0,)),
            ('REDSHIFT = True\nLSF = [5.9e-8, -9.2e-4, 6]', 'lsf', (5.9e-8, -9.2e-4, 6.0)),
            ('XCOR_ITER = 3.0', 'xcor_iter', 3),
            ("XCOR_WEIGHT = 'Variance'", 'xcor_weight', 'variance'),
            ("NOISE = 'EMPIRICAL'", 'noise', 'empirical'),
            ("PRE_OUT = ''", 'pre_out', ''),
            ("ORIGN_CUBEV = '1.2'", 'orign_cubev', '1.2'),
            ("ORIG_CUBEV = '1.2'", 'orign_cubev', '1.2'),
            ("ORIG_CUBEV = '1.2'\nORIGN_CUBEV = 1.2", 'orign_cubev', '1.2'),
            ("from pathlib import Path\nOUTPUT = Path('deep') / 'here'", 'output', 'deep/here'),
        ],
    )
    def test_each_value_has_one_normal_form(self, load, text, field, value):
        loaded, warnings = load(text)
        assert getattr(loaded, field) == value
        assert type(getattr(loaded, field)) is type(value)
        assert warnings == ()

    @pytest.mark.parametrize(
        'name', [f.name for f in dataclasses.fields(Params) if isinstance(f.default, bool)]
    )
    @pytest.mark.parametrize('value', [True, False])
    def test_every_switch_can_be_set(self, load, name, value):
        loaded, _ = load(f"SEG = 'g-seg.fits'\n{name.upper()} = {value}")
        assert getattr(loaded, name) is value

    @pytest.mark.parametrize('name', SWITCHES)
    @pytest.mark.parametrize(
        ('value', 'problem'),
        [('1', 'is a number'), ("'True'", 'is text'), ('None', 'is nothing'), ('[]', 'is a list')],
    )
    def test_what_merely_counts_as_true_or_false_is_no_switch(self, faults, name, value, problem):
        expected = f'param.py, line 1: {name.upper()} = {value} {problem}; expected True or False'
        assert faults(f'{name.upper()} = {value}') == (expected,)

    @pytest.mark.parametrize(
        ('text', 'problem'),
        [
            ('DEBLEND = 1', '1 is a number; expected True, False or an image of IMG'),
            ("DEBLEND = ''", "'' is empty; expected True, False or an image of IMG"),
            (
                "DEBLEND = 'g-ban'\nIMG = 'g-band.fits'",
                "'g-ban' is not an image of IMG; expected True, False, 'G-BAND'; did",
            ),
            (
                "DEBLEND = 'hst'",
                "'hst' is not an image of IMG; expected True, False; add the image to IMG",
            ),
            ("PSF = 'heeder'", "'heeder' is text; expected (), 'header', 'stars', a FWHM"),
            ('PSF = 0', "0 is not above 0; expected (), 'header'"),
            (
                'PSF = (1, 1, 1)',
                '(1, 1, 1) holds the Moffat exponent 1, which is not above 1; expected',
            ),
            ('PSF = (1, 1, 3, 4)', '(1, 1, 3, 4) has 4 values; expected'),
            ('LSF = 0', '0 is not above 0; expected (), a FWHM in Angstrom'),
            ('LSF = -2.5', '-2.5 is not above 0; expected (), a FWHM'),
            ("LSF = 'muse'", "'muse' is text; expected (), a FWHM"),
            ('LSF = (1, 2, 3, 4, 5, 6)', '(1, 2, 3, 4, 5, 6) has 6 values; expected (), a FWHM'),
            ('XCOR_ITER = 0', '0 is not above 0; expected a whole number from 1'),
            ('XCOR_ITER = 1.5', '1.5 is not a whole number; expected a whole number from 1'),
            (
                "XCOR_WEIGHT = 'varianc'",
                "'varianc' is unknown; expected 'none' or 'variance'; did you mean variance?",
            ),
            ("NOISE = 'emp'", "'emp' is unknown; expected 'propagated' or 'empirical'"),
            (
                "APER = '2,0'",
                "'2,0' is text; expected a radius or radii in arcsec, e.g. 2.0 or (1.0, 2.0)",
            ),
            ('APER = (1, 0)', '(1, 0) holds 0, which is not above 0; expected a radius'),
            ("APER = (1, 'x')", "(1, 'x') holds 'x', which is text; expected a radius"),
            ('APER = -1', '-1 is not above 0; expected a radius'),
            ('APER = True', 'True is a switch; expected a radius'),
            ("APER = float('nan')", 'nan is not finite; expected a radius'),
            ('SIZE = 0', '0 is not above 0; expected a number of arcsec above 0, e.g. 5'),
            ('SIZE = -2.5', '-2.5 is not above 0; expected a number'),
            ('SIZE = 1e400', 'inf is not finite; expected a number'),
            ('SIZE = 5,', '(5,) is a tuple; expected a number'),
            ('SIZE = 10**5000', '<int> is not finite; expected a number'),
            ("SIZE = 'five'", "'five' is text; expected a number"),
            ('CONT_POLY = -1', '-1 is negative; expected a whole number from 0, e.g. 5'),
            ('CONT_POLY = 2.5', '2.5 is not a whole number; expected a whole number'),
            ('CONT_POLY = {}', '{} is a dict; expected a whole number'),
            (
                "MODE = 'params'",
                "'params' is unknown; expected 'param' or 'cat'; did you mean param?",
            ),
            ("MODE = 'x'", "'x' is unknown; expected 'param' or 'cat'"),
            ("OBJ_MASK = 'intersection'", "'intersection' is unknown; expected 'INTER' or 'UNION'"),
            (
                "OBJ_MASK = 'UNIO'",
                "'UNIO' is unknown; expected 'INTER' or 'UNION'; did you mean UNION?",
            ),
            ('OBJ_MASK = 1', "1 is a number; expected 'INTER' or 'UNION'"),
            (
                "CMAP = 'Virids'",
                "'Virids' is unknown; expected the name of a matplotlib colour map, e.g. 'viridis'; did",
            ),
            ("DATACUBE = ''", "'' is empty; expected the name of a file"),
            ('CATALOG = 3', '3 is a number; expected the name of a file'),
            ("OUTPUT = ' '", "' ' is empty; expected the name of a folder"),
            (
                r"OUTPUT = 'C:\new'",
                r"'C:\new' holds a control character; write / or two backslashes for one; expected",
            ),
            (
                "PRE_OUT = 'deep/Source_'",
                "'deep/Source_' holds a path separator; the folder goes into OUTPUT; expected",
            ),
            (r"PRE_OUT = 'deep\\'", 'holds a path separator'),
            (
                "IMG = ('g-band.fits', '')",
                "('g-band.fits', '') holds '', which is empty; expected one file name",
            ),
            (
                'DATA_EXT = (1, 2, 3, 4)',
                '(1, 2, 3, 4) has 4 values; expected (), or the extensions of data, noise',
            ),
            ("DATA_EXT = ('', 1)", 'names no extension for the data'),
            ("DATA_EXT = (1, 2, '3: sigma')", 'gives a kind of noise for the mask'),
            ('DATA_EXT = -1', '-1 is negative; expected ()'),
            (
                "DATA_EXT = 'A', 'X: sgima'",
                "holds 'X: sgima', which does not name a kind of noise or mask; expected ()",
            ),
            ("DATA_EXT = 'A', 'X: sgima'", 'did you mean sigma?'),
            ("DATA_EXT = 'A', 'X', 'M: 0 is good'", 'did you mean 0 is bad?'),
            ("DATA_EXT = 'A', 'X: 0 is bad'", 'gives a kind of mask for the noise'),
            ("DATA_EXT = 'A: 0 is bad'", 'gives a kind of mask for the data'),
            ("NARROWBAND = 'Hx'", "'Hx' is no line that is known; expected a range in Angstrom"),
            ("NARROWBAND = 'OIII5077'", 'did you mean OIII5007?'),
            ('NARROWBAND = 6840', '6840 is a number; expected a range in Angstrom'),
            ('NARROWBAND = (6840, 6870, 6900)', 'holds 6840, which is a number'),
            ('NARROWBAND = ((6840, 6870, 6900),)', 'holds (6840, 6870, 6900), which has 3 values'),
            ('NARROWBAND = (6840, 6840)', 'is empty'),
            ('NARROWBAND = (-1, 6840)', 'is not above 0'),
            ("NARROWBAND = 'Ha', ('a', 'b')", "holds 'a', which is text"),
            ('IMG_SHIFT = 0.5', '0.5 is a number; expected ()'),
            ("IMG_SHIFT = 'hst'", 'is text; expected ()'),
            ("IMG_SHIFT = (0.1, 'x')", 'IMG_SHIFT'),
            ('IMG_SHIFT = (0.1, float("nan"))', 'holds nan, which is not finite'),
            ('IMG_SHIFT = ((0.1, 0.2, 0.3),)', 'has 3 values'),
            ("DATA_EXT = 'A', ': sigma'", "holds ': sigma', which names no extension; expected ()"),
            (
                "DATA_EXT = 'A: sigma', 'X'",
                "holds 'A: sigma', which gives a kind of noise for the data; expected ()",
            ),
            ("DATA_EXT = 'A: sigma'", 'gives a kind of noise for the data; expected ()'),
            ('DATA_EXT = 1.0', '1.0 is a number; expected ()'),
            (
                "REF = ('g-band',)",
                "('g-band',) is a tuple; expected '', an image's name or an aperture's radius",
            ),
            (
                "ORIG_FROM = 'Müller'",
                "'Müller' holds a character that FITS headers cannot (only ASCII); expected text",
            ),
        ],
    )
    def test_a_fault_tells_the_value_and_what_is_allowed(self, faults, text, problem):
        name = text.split(' ')[0]
        (fault,) = faults(text)
        assert fault.startswith(f'param.py, line 1: {name} = ')
        assert problem in fault

    def test_long_values_are_cut_short(self, faults):
        (fault,) = faults(f"SIZE = '{'x' * 500}'")
        assert len(fault) < 200

    def test_values_whose_repr_fails_are_named_by_their_type(self, faults):
        assert (
            '<Odd> is a Odd;'
            in faults('class Odd:\n    def __repr__(self): return 1 / 0\nSIZE = Odd()')[0]
        )

    def test_both_spellings_of_one_parameter_must_agree(self, faults):
        expected = (
            "param.py, line 2: ORIG_CUBEV = '2' contradicts ORIGN_CUBEV = '1'; keep one of them"
        )
        assert faults("ORIGN_CUBEV = '1'\nORIG_CUBEV = '2'") == (expected,)


class TestNames:
    @pytest.mark.parametrize(
        ('text', 'fault'),
        [
            (
                '\nSKYSUB = True',
                'param.py, line 2: unknown parameter SKYSUB; did you mean SKY_SUB?',
            ),
            ('APERTURE = 1', 'param.py, line 1: unknown parameter APERTURE; did you mean APER?'),
            (
                'DUST = 1',
                'param.py, line 1: unknown parameter DUST; names of your own go in lower case',
            ),
            (
                'X = SIZE = 5',
                'param.py, line 1: unknown parameter X; names of your own go in lower case',
            ),
        ],
    )
    def test_an_unknown_parameter_is_a_fault(self, faults, text, fault):
        assert faults(text) == (fault,)

    def test_use_white_says_what_replaced_it_and_what_each_means(self, faults):
        (fault,) = faults('SIZE = 5\nUSE_WHITE = False')
        assert fault.startswith(
            'param.py, line 2: USE_WHITE, of v1.1.0 and v1.1.1, was replaced by USE_IMGS in v1.1.2'
        )
        assert 'USE_WHITE = False kept white light out' in fault
        assert 'USE_IMGS = False keeps out the white light and every IMG' in fault

    def test_helpers_imports_and_functions_are_fine(self, load):
        text = """
            import os as OS
            from math import pi as PI

            _HIDDEN = 3
            field = 'g'
            numbers = [N for N in (1, 2)]

            def HALF(x):
                RESULT = x / 2
                return RESULT

            class LOCAL:
                VALUE = 1

            IMG = f'{field}-band.fits'
            APER = HALF(3)
            del LOCAL
        """
        loaded, warnings = load('\n'.join(line[12:] for line in text.splitlines()))
        assert loaded == Params(img=('g-band.fits',), aper=(1.5,))
        assert warnings == ()

    @pytest.mark.parametrize('name', ['sky_sub', 'Sky_Sub'])
    def test_a_parameter_in_lower_case_is_pointed_out(self, load, name):
        loaded, warnings = load(f'\n{name} = False')
        assert loaded == Params()
        assert warnings == (f'param.py, line 2: {name} has no effect; the parameter is SKY_SUB',)

    def test_a_helper_of_a_parameters_name_is_fine_beside_it(self, load):
        assert load('size = 6\nSIZE = size') == (Params(size=6.0), ())

    @pytest.mark.parametrize(
        ('text', 'line'),
        [
            ('SIZE = 1\nSIZE = -1', 2),
            ('\nSIZE, XCOR = -1, True', 2),
            ('\n[XCOR, (SIZE, *rest)] = True, (-1, 2)', 2),
            ('\n\nSIZE = CONT_POLY = -1', 3),
            ('\nSIZE: float = -1', 2),
            ('SIZE = 1\nSIZE -= 2', 2),
            ('if True:\n  SIZE = -1\ndef f():\n  SIZE = 1', 2),
            ('for SIZE in (1, -1):\n  pass', 1),
            ('SIZE = -1 ' + '+ 0' * 900, 1),
        ],
    )
    def test_line_is_that_of_the_last_assignment(self, faults, text, line):
        assert any(fault.startswith(f'param.py, line {line}: SIZE = -1 ') for fault in faults(text))

    def test_a_name_that_is_not_assigned_has_no_line(self, faults):
        assert faults("globals()['SIZE'] = -1")[0].startswith('param.py: SIZE = -1 is not above 0')

    def test_all_faults_come_at_once_in_the_order_of_the_file(self, faults):
        text = "XCOR = 1\nSKYSUB = True\nAPER = 1, -1\nSIZE = 'x'\nIMG = 'h.fits'\nUSE_IMGS = False"
        found = faults(text)
        assert [fault.split(':')[0] for fault in found] == [
            f'param.py, line {line}' for line in range(1, 7)
        ]
        for fault, name in zip(
            found, ('XCOR', 'SKYSUB', 'APER', 'SIZE', 'IMG', 'USE_IMGS'), strict=True
        ):
            assert name in fault


class TestConflicts:
    @pytest.mark.parametrize(
        ('text', 'fault'),
        [
            (
                'APER = 1, 3',
                'APER = 3.0 is larger than half of SIZE = 5.0; expected at most 2.5 arcsec, or a larger SIZE',
            ),
            (
                'USE_IMGS = False',
                'USE_IMGS = False without SEG leaves no map to make masks from; name a map in SEG',
            ),
            (
                "SEG = 'g-band.fits'\nIMG = 'g-band.fits'",
                "SEG = 'g-band.fits' would be written as SEG_G-BAND, as the map",
            ),
            (
                "SEG = 'muse_white.fits'",
                "SEG = 'muse_white.fits' would be written as SEG_MUSE_WHITE, as the map made",
            ),
            (
                "IMG = 'g-band.fits', 'deep/G-Band.fits'",
                "IMG: 'g-band.fits' and 'deep/G-Band.fits' have the same tag, G-B",
            ),
            (
                "IMG_SHIFT = 'measured', ()\nIMG = 'g-band.fits'",
                'IMG_SHIFT has 2 values for 1 image of IMG',
            ),
            (
                "IMG = 'g-band.fits'; WEIGHT = 'g-band.fits'",
                "IMG, WEIGHT: 'g-band.fits' and 'g-band.fits' have the same tag, G-BAND",
            ),
            (
                "WEIGHT = 'nb_halpha.fits'; NARROWBAND = 'Ha'",
                "WEIGHT = 'nb_halpha.fits' has the tag of the narrow band",
            ),
            (
                "SEG = 'nb_halpha.fits'; NARROWBAND = 'Ha'",
                "SEG = 'nb_halpha.fits' would be written as SEG_NB_HALPHA",
            ),
            (
                "WEIGHT = 'g-band.fits'; IMG_SHIFT = (), ()",
                'IMG_SHIFT has 2 values for 1 image of IMG and WEIGHT',
            ),
            ("WEIGHT = 'muse_white.fits'", "WEIGHT = 'muse_white.fits' has the tag MUSE_WHITE"),
            ("DEBLEND = 'NB_Hb'; NARROWBAND = 'Ha'", "DEBLEND = 'NB_Hb' is not an image of IMG"),
            (
                "SEG = 'g-seg.fits', 'g-seg.fits'",
                "SEG: 'g-seg.fits' and 'g-seg.fits' have the same tag, G-SEG; rename",
            ),
            (
                "IMG = 'bänd.fits'",
                "IMG = 'bänd.fits' has the tag 'BÄND', which FITS cannot hold; rename the file in ASCII",
            ),
            ("SEG = '.fits'", "SEG = '.fits' has the tag '', which FITS cannot hold"),
        ],
    )
    def test_values_in_conflict_are_a_fault(self, folder, faults, text, fault):
        for name in ('muse_white.fits', 'nb_halpha.fits', 'bänd.fits', '.fits', 'deep/G-Band.fits'):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        (found,) = faults(text)
        assert found.startswith(f'param.py, line 1: {fault}')

    @pytest.mark.parametrize(
        'tag', ['muse_white', 'muse_sky', 'muse_tot', 'muse_aper_1.0', 'cross_correlation', *PARTS]
    )
    def test_an_image_with_the_name_of_a_product_is_a_fault(self, folder, faults, tag):
        (folder / f'{tag}.fits').touch()
        expected = f'IMG = {f"{tag}.fits"!r} has the tag {tag.upper()}, which is a name that AutoSpec writes; rename'
        assert faults(f"IMG = '{tag}.fits'")[0].startswith(f'param.py, line 1: {expected}')

    @pytest.mark.parametrize('tag', ['muse_f814w', 'white', 'muse', 'seg', 'skysub'])
    def test_an_image_with_a_free_name_is_accepted(self, folder, load, tag):
        (folder / f'{tag}.fits').touch()
        assert load(f"IMG = '{tag}.fits'")[0].img == (f'{tag}.fits',)

    def test_large_aperture_is_no_fault_where_the_catalogue_gives_the_sizes(self, load):
        assert load("MODE = 'cat'\nAPER = 3")[0].aper == (3.0,)

    def test_an_aperture_may_be_half_of_the_size(self, load):
        assert load('SIZE = 5\nAPER = 2.5')[0].aper == (2.5,)

    def test_nothing_is_concluded_from_a_value_that_is_a_fault_itself(self, faults):
        assert len(faults("SIZE = 'x'\nAPER = 3")) == 1

    @pytest.mark.parametrize('name', ['DATACUBE', 'CATALOG', 'IMG', 'WEIGHT', 'SEG'])
    def test_a_missing_input_is_a_fault_that_suggests_a_similar_file(self, folder, faults, name):
        (fault,) = faults(f"{name} = 'G_band.fits'")
        expected = f"{name} = 'G_band.fits' was not found in {folder}; did you mean g-band.fits?"
        assert fault == f'param.py, line 1: {expected}'

    def test_an_input_in_a_missing_folder_is_a_fault(self, folder, faults):
        (fault,) = faults("DATACUBE = 'deep/cube.fits'")
        assert (
            fault
            == f"param.py, line 1: DATACUBE = 'deep/cube.fits' was not found in {folder / 'deep'}"
        )

    def test_missing_default_has_no_line(self, folder, faults):
        (folder / 'catalog.txt').unlink()
        assert faults('\n')[0].startswith("param.py: CATALOG = 'catalog.txt' was not found in")

    @pytest.mark.parametrize('name', ['DATACUBE', 'CATALOG', 'IMG', 'WEIGHT', 'SEG'])
    def test_what_is_not_a_file_is_called_what_it_is(self, faults, folder, name):
        os.mkfifo(folder / 'fifo')
        with socket.socket(socket.AF_UNIX) as connection:
            # A long path does not fit into its address.
            connection.bind(os.path.relpath(folder / 'socket'))
        (folder / 'link').symlink_to('gone')
        kinds = {'fifo': 'a pipe', 'socket': 'a socket', '/dev/null': 'a device', 'link': 'gone'}
        for file, kind in kinds.items():
            (fault,) = faults(f'{name} = {file!r}')
            assert all(
                fact in fault
                for fact in ('line 1', f'is {kind}' if kind != 'gone' else 'a link to gone')
            )
            assert 'not found' not in fault

    def test_a_folder_in_place_of_an_input_is_a_fault(self, folder, faults):
        (folder / 'deep').mkdir()
        assert faults("CATALOG = 'deep'") == (
            "param.py, line 1: CATALOG = 'deep' is a folder; expected a file",
        )

    def test_absolute_names_are_used_as_they_are(self, folder, load):
        cube = str(folder / 'datacube.fits')
        assert load(f'DATACUBE = {cube!r}')[0].datacube == cube

    @pytest.mark.parametrize('output', ['catalog.txt', 'catalog.txt/deep'])
    def test_output_in_the_place_of_a_file_is_a_fault(self, folder, faults, output):
        problem = f'OUTPUT = {output!r} cannot be made: {folder / "catalog.txt"} is a file; name another folder'
        assert faults(f'OUTPUT = {output!r}') == (f'param.py, line 1: {problem}',)

    def test_output_without_permission_is_a_fault(self, folder, faults, monkeypatch):
        # Root, who runs tests in containers, may write everywhere, so the system's answer is
        # replaced.
        monkeypatch.setattr(os, 'access', lambda path, how: path != folder or not how & os.W_OK)
        problem = (
            f"OUTPUT = 'new/deep' cannot be written: no permission in {folder}; name another folder"
        )
        assert faults("OUTPUT = 'new/deep'") == (f'param.py, line 1: {problem}',)

    def test_a_file_where_plots_belong_is_a_fault(self, folder, faults):
        (folder / 'done').mkdir()
        (folder / 'done' / 'images').write_text('')
        problem = f"OUTPUT = 'done' has a file {folder / 'done' / 'images'} where plots belong; rename that file"
        assert faults("OUTPUT = 'done'") == (f'param.py, line 1: {problem}',)

    def test_output_may_be_there_already(self, folder, load):
        (folder / 'done').mkdir()
        assert load("OUTPUT = 'done'")[0].output == 'done'


class TestWarnings:
    @pytest.mark.parametrize(
        ('ref', 'hint'),
        [
            ("'g-bend'", '; did you mean G-BAND?'),
            ("'zzz'", ''),
            ("'deblend'", '; switch it on with DEBLEND = True'),
            ("'3.0'", '; add it to APER'),
            ('2.5', '; add it to APER'),
            ('-1', ''),
        ],
    )
    def test_a_reference_that_is_not_there_is_a_warning(self, load, ref, hint):
        _, warnings = load(f"IMG = 'g-band.fits', 'r-band.fits'\nAPER = 1, 2\nREF = {ref}")
        (warning,) = warnings
        start, end = warning.split(
            ' is neither an image of IMG nor a radius of APER, so white light is used; '
        )
        assert start == f'param.py, line 3: REF = {str(eval(ref))!r}'
        assert end == f"expected one of '', 'G-BAND', 'R-BAND', 1.0, 2.0{hint}"

    @pytest.mark.parametrize(
        'ref', ["''", "'g-band'", "'G-BAND.fits'", "'1'", '1', '2.0', "'MUSE_WHITE'"]
    )
    def test_a_reference_that_is_there_gives_no_warning(self, load, ref):
        assert load(f"IMG = 'g-band.fits'\nAPER = 1, 2\nREF = {ref}")[1] == ()

    def test_reference_does_not_matter_where_the_catalogue_names_them(self, load):
        assert load("MODE = 'cat'\nREF = 'zzz'")[1] == ()

    def test_continuum_subtraction_without_cross_correlation_is_a_warning(self, load):
        expected = (
            'CONT_SUB = True has no effect without XCOR; set XCOR = True, or CONT_SUB = False'
        )
        assert load('XCOR = False\nCONT_SUB = True')[1] == (f'param.py, line 2: {expected}',)

    @pytest.mark.parametrize(
        ('setting', 'off'),
        [('XCOR_ITER = 3', 'XCOR_ITER = 1'), ("XCOR_WEIGHT = 'variance'", "XCOR_WEIGHT = 'none'")],
    )
    def test_settings_of_a_cross_correlation_that_is_off_are_a_warning(self, load, setting, off):
        expected = f'{setting} has no effect without XCOR; set XCOR = True, or {off}'
        assert load(f'XCOR = False\n{setting}')[1] == (f'param.py, line 2: {expected}',)
        assert load(f'XCOR = False\n{off}')[1] == ()

    @pytest.mark.parametrize(
        'text', ['XCOR = False', 'XCOR = False\nCONT_SUB = False', 'CONT_SUB = True']
    )
    def test_no_warning_where_nobody_asked_for_continuum_subtraction(self, load, text):
        assert load(text)[1] == ()


class TestRunning:
    def test_a_missing_file_is_a_fault_with_the_way_out(self, tmp_path):
        with pytest.raises(ParameterError) as caught:
            param_file.load(tmp_path / 'param.py')
        assert caught.value.faults == (
            f'param.py: not found in {tmp_path}; write one with: AutoSpec --init {tmp_path}',
        )

    @pytest.mark.parametrize(('make', 'kind'), [(os.mkdir, 'a folder'), (os.mkfifo, 'a pipe')])
    def test_what_is_not_a_file_is_a_fault(self, tmp_path, make, kind):
        make(tmp_path / 'param.py')
        with pytest.raises(ParameterError, match=rf'^param\.py: cannot be read: it is {kind}$'):
            param_file.load(tmp_path / 'param.py')

    @pytest.mark.parametrize(
        'text',
        [
            b"\xef\xbb\xbfSIZE = 6\r\nORIG_FROM = 'x'\r\n",
            b"SIZE = 6\rORIG_FROM = 'x'",
            b"# -*- coding: latin-1 -*-\n# \xe9\nSIZE = 6\nORIG_FROM = 'x'",
        ],
    )
    def test_any_line_ends_and_encoding_are_read(self, load, text):
        assert load(text) == (Params(size=6.0, orig_from='x'), ())

    @pytest.mark.parametrize(
        ('text', 'fault'),
        [
            (
                'SIZE = 5\n\nXCOR = true',
                "line 3: NameError: name 'true' is not defined; did you mean True?",
            ),
            ('XCOR = FALSE', "line 1: NameError: name 'FALSE' is not defined; did you mean False?"),
            (
                'radius = 2\nAPER = raduis',
                "line 2: NameError: name 'raduis' is not defined; did you mean radius?",
            ),
            ('REF = white', "line 1: NameError: name 'white' is not defined; text needs quotes"),
            ('\nAPER = (1,', "line 2: SyntaxError: '(' was never closed"),
            ('return', "line 1: SyntaxError: 'return' outside function"),
            ('def f():\n  return 1 / 0\nSIZE = f()', 'line 2: ZeroDivisionError: division by zero'),
            (
                'def f():\n  return f()\nSIZE = f()',
                'line 2: RecursionError: maximum recursion depth exceeded',
            ),
            ('exit(3)', 'line 1: SystemExit: 3'),
            ('\nimport sys; sys.exit()', 'line 2: SystemExit'),
            ("raise ValueError('one\\ntwo')", 'line 1: ValueError: one two'),
            ("int('x')", "line 1: ValueError: invalid literal for int() with base 10: 'x'"),
            ("eval('1 +')", 'line 1: SyntaxError: invalid syntax'),
            (
                'import no_such_module',
                "line 1: ModuleNotFoundError: No module named 'no_such_module'",
            ),
            (b'SIZE = 5\n# \xe9\n', 'line 2: byte 0xe9 is not utf-8; save the file as UTF-8'),
        ],
    )
    def test_a_file_that_fails_is_a_fault_with_its_line(self, faults, text, fault):
        (found,) = faults(text)
        assert found.startswith(f'param.py, {fault}')

    @pytest.mark.parametrize(
        ('text', 'fault'),
        [
            (b'SIZE = 5\0', 'source code string cannot contain null bytes'),
            (b'# coding: klingon', 'unknown encoding'),
            (b'# coding: rot13\nSIZE = 5', "'rot13' is not a text encoding"),
            ('SIZE = 5'.encode('utf-16'), 'invalid or missing encoding declaration'),
            ('SIZE = ' + '-' * 100_000 + '1', 'is not Python'),
        ],
    )
    def test_a_file_that_is_no_python_is_a_fault(self, faults, text, fault):
        assert fault in faults(text)[0]

    @pytest.mark.parametrize(
        'error', ['KeyboardInterrupt', 'SystemExit', 'GeneratorExit', 'BaseException']
    )
    def test_what_the_file_raises_is_a_fault_with_its_line(self, load, error):
        with pytest.raises(ParameterError, match=rf'param\.py, line 2: {error}'):
            load(f'SIZE = 5\nraise {error}')

    def test_angles_of_astropy_are_taken_in_arcsec(self, load):
        sizes = (
            'SIZE = 0.1 * u.arcmin\nAPER = 1 * u.arcsec, 2e-4 * u.deg\nPSF = [0.8, 0.7] * u.arcsec'
        )
        params, _ = load(f'import astropy.units as u\n{sizes}')
        assert params.size == pytest.approx(6)
        assert params.aper == pytest.approx((1, 0.72))
        assert params.psf == pytest.approx((0.8, 0.7))

    def test_other_units_are_refused(self, load):
        with pytest.raises(
            ParameterError,
            match=r'line 2: SIZE = .*5.* has the unit m; expected a number of arcsec',
        ):
            load('import astropy.units as u\nSIZE = 5 * u.m')

    def test_warnings_of_the_file_are_kept_quiet(self, load):
        assert (
            load("import warnings\nwarnings.warn('old')\nORIG_FROM = '\\d'")[0].orig_from == r'\d'
        )

    def test_the_file_cannot_change_this_process_and_leaves_no_trace(self, folder, load):
        (folder / 'helper.py').touch()
        modules, search_path, here = set(sys.modules), sys.path[:], os.getcwd()
        text = """
            import os, sys
            sys.path.append(os.path.dirname(__file__))
            import helper
            os.mkdir('deep')
            os.chdir('deep')
            open = None
            __builtins__['len'] = None
            ORIG_FROM = ' '.join(sorted(name for name in globals() if name.startswith('_')))
            ORIG_CUBE = __name__
            ORIG_FROMV = __file__
        """
        loaded, _ = load('\n'.join(line.strip() for line in text.splitlines()))
        assert loaded.orig_from == '__builtins__ __file__ __name__'
        assert loaded.orig_cube == 'param'
        assert loaded.orig_fromv == str(folder / 'param.py')
        assert (sys.path, os.getcwd()) == (search_path, here)
        assert set(sys.modules) - modules <= {'helper'}  # only what the file itself imports
        assert sys.modules.pop('helper')
        assert len('abc') == 3
        assert not list(folder.rglob('*.pyc'))

    def test_own_future_statements_do_not_reach_it(self, load):
        assert (
            load("SIZE: float = 6\nORIG_FROM = __annotations__['SIZE'].__name__")[0].orig_from
            == 'float'
        )

    def test_the_file_runs_in_its_own_folder(self, folder, load):
        text = "from glob import glob\nIMG = sorted(glob('?-band.fits'))"
        assert load(text)[0].img == ('g-band.fits', 'r-band.fits')

    def test_a_relative_path_is_executed_in_its_folder(self, folder, monkeypatch):
        (folder / 'param.py').write_text('ORIG_FROM = __file__')
        monkeypatch.chdir(folder.parent)
        assert param_file.load(Path(folder.name) / 'param.py')[0].orig_from == str(
            folder / 'param.py'
        )

    def test_reading_needs_no_heavy_imports(self):
        heavy = "{'numpy', 'astropy', 'matplotlib', 'mpdaf', 'scipy'}"
        code = f'import sys, autospec_lib.config.param_file; sys.exit(bool({heavy} & set(sys.modules)))'
        assert (
            subprocess.run([sys.executable, '-c', code], cwd=REPOSITORY, check=False).returncode
            == 0
        )
