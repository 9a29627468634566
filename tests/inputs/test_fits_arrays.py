"""Files that are damaged, cut short, or exchanged while a run reads them."""

import bz2
import gzip
import lzma
import os
import shutil
import time
import zipfile

import numpy as np
import pytest
from astropy.io import fits
from builders import cube_header, small_cube, write_cube

from autospec_lib.config import param_file
from autospec_lib.core.errors import InputError
from autospec_lib.inputs import cube
from autospec_lib.run import schedule
from autospec_lib.run.interruption import Interruption
from autospec_lib.run.job import prepare

OPENERS = {'gz': gzip.open, 'bz2': bz2.open, 'xz': lzma.open}


@pytest.fixture
def packed(folder, request):
    """The cube of the working folder, compressed."""
    kind, plain = request.param, folder / 'datacube.fits'
    path = folder / f'p.fits.{kind}'
    if kind == 'fz':
        with fits.open(plain) as hdus:
            tiles = [
                fits.CompImageHDU(hdu.data, hdu.header, compression_type='RICE_1')
                for hdu in hdus[1:]
            ]
            path = folder / 'p.fits'
            fits.HDUList([fits.PrimaryHDU(), *tiles]).writeto(path, checksum=True)
    elif kind == 'zip':
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, 'c.fits')
    else:
        with plain.open('rb') as source, OPENERS[kind](path, 'wb') as target:
            shutil.copyfileobj(source, target)
    return path


KINDS = pytest.mark.parametrize('packed', ['gz', 'bz2', 'xz', 'zip', 'fz'], indirect=True)


@KINDS
def test_a_flipped_bit_anywhere_in_a_compressed_cube_is_found(packed):
    assert cube.open_cube(packed).noise is not None
    whole = packed.read_bytes()
    for place in np.linspace(0.1, 0.95, 12):
        damaged = bytearray(whole)
        damaged[int(place * len(whole))] ^= 4
        packed.write_bytes(damaged)
        try:
            opened = cube.open_cube(packed)
        except InputError:
            continue
        # Unused space between tiles and headers may take any value.
        assert opened.noise is not None
        with fits.open(packed) as hdus:
            np.testing.assert_array_equal(opened.data.values, hdus[1].data)


@KINDS
def test_a_truncated_compressed_cube_is_named(packed):
    whole = packed.read_bytes()
    for share in (0.3, 0.6, 0.95):
        packed.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match='copy it again'):
            cube.open_cube(packed)


def test_a_plain_cube_without_its_end_is_not_told_to_set_data_ext(folder):
    path = folder / 'datacube.fits'
    whole = path.read_bytes()
    for length in (
        3000,
        5760 + 100,
        len(whole) // 3,
        len(whole) // 2 + 2880,
        len(whole) - 1000 - 2880,
    ):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as caught:
            cube.open_cube(path)
        assert 'DATA_EXT' not in str(caught.value)
        assert 'copy it again' in str(caught.value)


@pytest.mark.parametrize('packed_as', ['fits', 'fits.gz'])
def test_a_cube_cut_anywhere_is_truncated_or_loses_whole_extensions_only(tmp_path, packed_as):
    data, variance = small_cube()
    header = cube_header()
    header['ERRDATA'] = 'STAT'
    write_cube(tmp_path / 'whole.fits', data, variance, header=header)
    whole = (tmp_path / 'whole.fits').read_bytes()
    with fits.open(tmp_path / 'whole.fits') as hdus:
        begins = [hdu.fileinfo()['hdrLoc'] for hdu in hdus]
    path = tmp_path / f'c.{packed_as}'
    inside = [begin + more for begin in begins for more in (1, 79, 80, 1000, 2799, 2880 + 1, 20000)]
    for length in sorted({0, begins[1], *(cut for cut in inside if cut < len(whole))}):
        path.write_bytes(
            gzip.compress(whole[:length], 1) if packed_as == 'fits.gz' else whole[:length]
        )
        with pytest.raises(InputError) as caught:
            cube.open_cube(path)
        assert 'copy it again' in str(caught.value), length
        assert ('empty' if length == 0 else 'truncated') in str(caught.value), length
        assert 'DATA_EXT' not in str(caught.value), length
    path.write_bytes(
        gzip.compress(whole[: begins[2]], 1) if packed_as == 'fits.gz' else whole[: begins[2]]
    )
    assert any('ERRDATA' in note and 'truncated' in note for note in cube.open_cube(path).notes)


def job(folder):
    params, _ = param_file.load(folder / 'param.py')
    return prepare(folder, params)[:2]


def replaced(path):
    other = path.with_name('other.fits')
    shutil.copy(path, other)
    os.utime(other, ns=(0, 1))
    other.replace(path)


def rewritten(path):
    with path.open('rb+') as file:
        file.seek(-5000, os.SEEK_END)
        file.write(b'\0' * 100)
    os.utime(path, ns=(0, 2))


def rewritten_with_its_date_restored(path):
    status = path.stat()
    time.sleep(0.02)  # more than the resolution of dates
    rewritten(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def another_of_same_size_and_time(path):
    times = path.stat().st_mtime_ns
    data, variance = small_cube(seed=2)
    path.unlink()
    with fits.open(path.with_name('copy.fits')) as hdus:
        header = hdus[1].header
        header['CRVAL3'] += 100
        write_cube(path, data, variance, header)
    os.utime(path, ns=(times, times))


@pytest.mark.parametrize(
    'change', [replaced, rewritten, rewritten_with_its_date_restored, another_of_same_size_and_time]
)
def test_a_cube_that_is_exchanged_during_a_run_stops_it(folder, change):
    (folder / 'catalog.txt').write_text((folder / 'catalog.txt').read_text().replace('7 ', '1 ', 1))
    shutil.copy(folder / 'datacube.fits', folder / 'copy.fits')
    shared, targets = job(folder)
    (folder / 'output').mkdir()
    assert next(iter(schedule.serial(shared, targets, Interruption()))).error is None
    change(folder / 'datacube.fits')
    with pytest.raises(InputError, match=r'datacube\.fits: .*(another file|were changed)'):
        next(iter(schedule.serial(shared, targets, Interruption())))


def test_the_same_file_under_another_inode_is_the_same_file(folder):
    shared, targets = job(folder)
    (folder / 'output').mkdir()
    shutil.copy2(folder / 'datacube.fits', folder / 'copy.fits')
    (folder / 'copy.fits').replace(folder / 'datacube.fits')
    assert next(iter(schedule.serial(shared, targets, Interruption()))).error is None


@pytest.mark.parametrize(('name', 'packed'), [('c.fits', True), ('c.fits.gz', False)])
def test_a_compressed_file_under_a_plain_name_and_the_reverse_are_faults(tmp_path, name, packed):
    data, variance = small_cube()
    write_cube(tmp_path / 'plain.fits', data, variance)
    content = (tmp_path / 'plain.fits').read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError, match=f'^{name}: .*c.fits') as caught:
        cube.open_cube(tmp_path / name)
    (fault,) = caught.value.faults
    (tmp_path / name).rename(tmp_path / fault.split()[-1])
    assert cube.open_cube(tmp_path / fault.split()[-1]).data.shape == data.shape
