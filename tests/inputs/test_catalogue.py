"""The catalogue as a whole: files that cannot be read, modes, rows left out, the template,
speed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from catalogues import BOTH, REF, SIZE, faults, load, sources, table

from autospec_lib.core.errors import InputError
from autospec_lib.core.types import Target
from autospec_lib.inputs import catalogue

REPOSITORY = Path(__file__).parents[2]


def test_missing_file(tmp_path):
    (fault,) = faults(tmp_path / 'catalog.txt')
    assert str(tmp_path) in fault


def test_folder_in_place_of_the_file(tmp_path):
    (tmp_path / 'catalog.txt').mkdir()
    (fault,) = faults(tmp_path / 'catalog.txt')
    assert 'is a folder' in fault


@pytest.mark.parametrize('content', [b'\xd0\xcf\x11\xe0\0', '7 10 2'.encode('utf-16')])
def test_binary_file(tmp_path, content):
    (fault,) = faults(tmp_path / 'catalog.txt', content)
    assert 'UTF-8' in fault


def zipped(*names, content=b''):
    """A zip archive of files with this content."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


class TestCompressedFiles:
    TEXT = b'ID RA DEC\n1 2 3\n' + b'#' * 2_000_000
    PACKED = (
        gzip.compress(TEXT),
        bz2.compress(TEXT),
        lzma.compress(TEXT),
        zipped('a.txt', content=TEXT),
    )

    @pytest.mark.parametrize('content', PACKED, ids=('gz', 'bz2', 'xz', 'zip'))
    def test_are_unpacked_up_to_a_limit(self, tmp_path, monkeypatch, content):
        assert sources(load(tmp_path / 'catalog', content)) == [(1, 2.0, 3.0)]
        monkeypatch.setattr(catalogue, '_LARGEST', 2**20)
        (fault,) = faults(tmp_path / 'catalog')
        assert '1 MB' in fault

    @pytest.mark.parametrize('content', PACKED, ids=('gz', 'bz2', 'xz', 'zip'))
    def test_that_are_cut_are_faults(self, tmp_path, content):
        (fault,) = faults(tmp_path / 'catalog', content[:-9])
        assert 'unpacked' in fault

    def test_files_of_macos_in_an_archive_do_not_count(self, tmp_path):
        content = zipped('sub/', 'sub/a.txt', '__MACOSX/sub/._a.txt', content=b'1 2 3')
        assert sources(load(tmp_path / 'catalog.zip', content)) == [(1, 2.0, 3.0)]

    @pytest.mark.parametrize(
        ('names', 'fact'),
        [
            (('a.txt', 'b.txt'), '2 files'),
            (('[Content_Types].xml', 'xl/a.xml'), 'CSV'),
            (('mimetype', 'a.xml'), 'CSV'),
        ],
    )
    def test_archives_of_several_files_and_spreadsheets_are_faults(self, tmp_path, names, fact):
        (fault,) = faults(tmp_path / 'catalog.xlsx', zipped(*names, content=b'1 2 3'))
        assert fact in fault


@pytest.mark.parametrize(
    'text', ['', '\n\n', '# only\n# comments', 'ID RA DEC\n', ',,,\n', catalogue.TEMPLATE]
)
def test_file_without_rows(tmp_path, text):
    (fault,) = faults(tmp_path / 'catalog.txt', text)
    assert 'no sources' in fault


@pytest.mark.parametrize('mode', ['param', 'cat'])
def test_example_in_the_template(tmp_path, mode):
    example = catalogue.TEMPLATE.splitlines()[-1].removeprefix('#')
    (target,) = load(tmp_path / 'catalog.txt', example, mode).targets
    assert target == Target(120, 130.5751301, 1.6470841, 5.0 if mode == 'cat' else SIZE, 'g-band')


def test_size_and_ref_are_read_in_mode_cat_and_aper_and_z_in_both(tmp_path):
    made = table(SIZE=[6.0, 7.0], REF=['a', '-'], APER=[0.8, 0.9], redshift=[0.5, -99.0])
    made.write(tmp_path / 'sources.fits')
    first, second = BOTH
    by_param, by_cat = (load(tmp_path / 'sources.fits', mode=mode) for mode in ('param', 'cat'))
    assert by_param.targets == [
        Target(*first, SIZE, REF, 0.8, 0.5),
        Target(*second, SIZE, REF, 0.9, None),
    ]
    assert by_cat.targets == [
        Target(*first, 6.0, 'a', 0.8, 0.5),
        Target(*second, 7.0, '', 0.9, None),
    ]
    assert "MODE = 'param'" in by_param.description
    assert "MODE = 'param'" not in by_cat.description


def test_faults_of_all_rows_are_listed_in_the_order_of_the_file(tmp_path):
    listed = faults(tmp_path / 'catalog.txt', 'x y 100\n7 1 1\n7 1 1\n8 1\n', 'cat')
    assert [fault.split(':')[0] for fault in listed] == [
        f'catalog.txt, line {line}' for line in (1, 1, 1, 3, 4)
    ]


def test_bad_rows_that_are_skipped_become_warnings(tmp_path):
    text = 'NO A B\n7 10.25 -2.5\n7 1 1\n8 x y\n3 359.5 89\n8 1 1'
    loaded = load(tmp_path / 'catalog.txt', text, skip_bad_rows=True)
    assert sources(loaded) == [(7, 10.25, -2.5), (3, 359.5, 89.0), (8, 1.0, 1.0)]
    places = [warning.split(':')[0] for warning in loaded.warnings]
    assert places == [f'catalog.txt, line {line}' for line in (1, 3, 4, 4)]
    assert all('skipped' in warning for warning in loaded.warnings[1:])


def test_one_row_must_be_left_when_bad_ones_are_skipped(tmp_path):
    with pytest.raises(InputError, match="'x'"):
        load(tmp_path / 'catalog.txt', '7 1 x', skip_bad_rows=True)


def test_thousands_of_rows_load_fast(tmp_path):
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 5000), rng.uniform(-90, 90, 5000)
    text = '\n'.join(f'{ident} {ra[ident]!s} {dec[ident]!s} 5 g-band' for ident in range(5000))
    start = time.process_time()
    targets = load(tmp_path / 'catalog.txt', text, 'cat').targets
    elapsed = time.process_time() - start
    assert elapsed < 0.5  # 0.05 s where it was written; a slow machine must not fail
    assert [target.id for target in targets] == list(range(5000))
    np.testing.assert_array_equal([target.ra for target in targets], ra)
    np.testing.assert_array_equal([target.dec for target in targets], dec)


def test_examples_in_catalog_format_txt(tmp_path):
    """Every indented block of rows is a catalogue that loads as the text around it says."""
    text = (REPOSITORY / 'catalog_format.txt').read_text(encoding='utf-8')
    blocks = re.findall(r'(?:^    \S.*\n)+', text, re.MULTILINE)
    examples = [re.sub('^    ', '', block, flags=re.MULTILINE) for block in blocks]
    param, cat, commas, sexagesimal, header, named, measured = examples
    ((ident, *place),) = sources(load(tmp_path / 'catalog.txt', measured))
    assert (ident, *place) == (120, pytest.approx(130.5751305), 1.6470841)
    targets = load(tmp_path / 'catalog.txt', named).targets
    assert [(target.id, target.aper, target.z) for target in targets] == [
        ('NGC 7', 1.2, 0.086),
        ('NGC 8', None, None),
    ]
    both = [(120, 130.5751301, 1.6470841), (126, 130.5805915, 1.6469932)]
    for example in (param, sexagesimal, header):
        loaded = load(tmp_path / 'catalog.txt', example)
        np.testing.assert_allclose(sources(loaded), both, rtol=0, atol=2e-7)
        assert loaded.warnings == ()
    targets = load(tmp_path / 'catalog.txt', cat, 'cat').targets
    assert [(target.size, target.ref) for target in targets] == [
        (5.0, 'g-band'),
        (7.5, '2.0'),
        (SIZE, ''),
        (SIZE, ''),
    ]
    targets = load(tmp_path / 'catalog.txt', commas, 'cat').targets
    assert [(target.size, target.ref) for target in targets] == [
        (SIZE, 'g-band'),
        (7.5, ''),
        (SIZE, 'r-band.fits'),
    ]


def test_plain_text_is_read_without_astropy(tmp_path):
    (tmp_path / 'catalog.txt').write_text('ID,RA,DEC\n7,10.25,-2.5\n')
    program = (
        'import sys; from pathlib import Path; from autospec_lib.inputs import catalogue;'
        f'catalogue.load(Path({str(tmp_path / "catalog.txt")!r}), "param", 5.0, "");'
        'print("astropy" in sys.modules)'
    )
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert result.stdout == 'False\n'
