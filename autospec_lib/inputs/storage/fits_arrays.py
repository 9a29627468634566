"""One three-dimensional array in a FITS file, read box by box so that the cube is never loaded whole."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import os
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from autospec_lib.core.errors import AutoSpecError, InputError
from autospec_lib.inputs.storage import stored_boxes
from autospec_lib.inputs.storage.file_identity import Identity
from autospec_lib.inputs.storage.stored_boxes import CHUNK, Box
from autospec_lib.inputs.storage.tiles import Tiles

COMPRESSED = ('.gz', '.bz2', '.z', '.zip', '.xz')
BEGINNINGS = {'.gz': b'\x1f\x8b', '.bz2': b'BZh', '.xz': b'\xfd7zXZ', '.zip': b'PK\x03\x04'}  # of such files
MOST_AXES = 999


@dataclass(frozen=True)
class Layer:
    """An array (nl, ny, nx) on disk, or in memory (``values``) where the file is compressed.

    ``offset`` is the array's first byte in the file; ``order`` gives the stored array's axes of wavelength, y and x;
    values are ``zero + scale * number`` for the stored numbers, and the number ``blank`` stands for no value.
    ``identity`` is that of the file when it was opened; ``copy`` is a copy of parts of it that is faster to read.
    """

    path: Path
    name: str
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None
    values: NDArray[Any] | None = None
    identity: Identity | None = None
    order: tuple[int, ...] = (0, 1, 2)
    copy: Tiles | None = None

    def read(self, ys: slice, xs: slice) -> NDArray[np.float64]:
        """All wavelengths of a box, shape (nl, ys, xs), NaN for no value.

        Raises
        ------
        InputError
            If the file is no longer there, or no longer the same.
        """
        return self._scaled(self._stored(ys, xs))

    def flags(self, ys: slice, xs: slice, bits: int = 0) -> NDArray[np.bool_]:
        """Where the values of a box have one of these bits, or are not 0 (bits = 0), (nl, ys, xs); errors as `read`."""
        numbers = self._stored(ys, xs)
        # FITS has no unsigned integers; they are stored minus an offset, so that the value 0 is not stored as 0.
        if bits:
            if numbers.dtype.kind == 'f':
                numbers = np.nan_to_num(self._scaled(numbers))
            return np.asarray((numbers.astype(np.int64) + int(self.zero)) & bits != 0)
        return np.asarray((self._scaled(numbers) if self.zero else numbers) != 0)

    def _stored(self, ys: slice, xs: slice) -> NDArray[Any]:
        if self.values is not None:
            return self.values[:, ys, xs].copy()
        try:
            return self._read_rows(ys, xs)
        except OSError as error:
            raise self.lost(error) from error

    def lost(self, error: OSError) -> InputError:
        """The error for a file that can no longer be read."""
        if self.copy is not None:
            return InputError(f'{self.path.name}: its copy is lost: {error}; go on with: AutoSpec --resume')
        return InputError(f'{self.path.name}: cannot be read any more: {error}; put it back and run again')

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape of the array as the file has it."""
        return tuple(self.shape[self.order.index(axis)] for axis in range(3))

    def stored_box(self, ys: slice, xs: slice) -> Box:
        """All wavelengths of a box, as slices of the stored array."""
        box = slice(0, self.shape[0]), ys, xs
        return tuple(box[self.order.index(axis)] for axis in range(3))

    def reads(self, ys: slice, xs: slice) -> int:
        """How many pieces of the file `read` reads for a box."""
        return 0 if self.values is not None else stored_boxes.reads(self.stored_shape, self.stored_box(ys, xs))

    def _read_rows(self, ys: slice, xs: slice) -> NDArray[Any]:
        kind = np.float64 if self.dtype.kind == 'f' else self.dtype
        box = np.empty((self.shape[0], ys.stop - ys.start, xs.stop - xs.start), kind)
        stored, place = box.transpose(np.argsort(self.order)), self.stored_box(ys, xs)
        if self.copy is not None and self.copy.hold(place):
            self.copy.read_into(stored, place)
            return box
        with stored_boxes.opened(self.path) as file:
            if self.identity is not None:
                self.identity.check(file)
            if not stored_boxes.read_into(stored, file, self.offset, self.dtype, self.stored_shape, place):
                raise OSError(f'it ends before extension {self.name} does')
        return box

    def _scaled(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        values = np.asarray(numbers, np.float64)
        if self.scale != 1 or self.zero != 0:
            values = self.zero + self.scale * values
        if self.blank is not None:
            values = np.where(numbers == self.blank, np.nan, values)
        return values


@contextmanager
def readable(path: Path, what: str = 'not a readable FITS file') -> Iterator[None]:
    """Turn any error of astropy, wcslib or MPDAF on a damaged file into an `InputError` of one line.

    They raise many classes: VerifyError, KeyError, TypeError, MemoryError, SingularMatrixError, ...
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            yield
        except AutoSpecError:
            raise
        except Exception as error:
            raise InputError(
                f'{path.name}: {what} ({plain_reason(error)}); copy it again, or correct its header'
            ) from error


def plain_reason(error: Exception) -> str:
    """The message of an error of astropy, wcslib or MPDAF, on one line and without lines of their source code."""
    text = re.sub(r'ERROR \d+ in \w+\(\) at line \d+ of file \S+?:', '', str(error))
    return ' '.join(text.split()).rstrip('.')[:200] or type(error).__name__


@contextmanager
def open_fits(path: Path, what: str, scaled: bool = False) -> Iterator[fits.HDUList]:
    """Open a FITS file; whatever is wrong with it is an `InputError` (see `readable`).

    Numbers are as stored, unless ``scaled`` asks for BSCALE and BZERO to be applied.
    """
    with readable(path, what):
        _check_name(path)
        if path.suffix.lower() in COMPRESSED:
            _check_compressed(path)
        else:
            with path.open('rb') as file:
                _check_headers(path, file)
        with fits.open(path, do_not_scale_image_data=not scaled) as hdus:
            yield hdus


def _check_name(path: Path) -> None:
    """Refuse a compressed file under a name of one that is not, and the reverse, as downloads may have them."""
    with path.open('rb') as file:
        start = file.read(9)
    packed = next((suffix for suffix, beginning in BEGINNINGS.items() if start.startswith(beginning)), '')
    if packed and path.suffix.lower() not in COMPRESSED:
        raise InputError(f'{path.name}: is compressed; rename it to {path.name}{packed}')
    if start == b'SIMPLE  =' and path.suffix.lower() in COMPRESSED:
        raise InputError(f'{path.name}: is not compressed; rename it to {path.stem}')


def _check_headers(path: Path, file: BinaryIO) -> None:
    """Refuse truncated files, and headers on which astropy would hang.

    Such headers have a thousand million axes, or an axis of negative length.
    """
    begin = 0
    while True:
        missing = begin - _reached(file, begin)
        if missing > 0:
            raise InputError(f'{path.name}: truncated: its last {missing} bytes are missing; copy it again')
        start = file.read(9)
        if not start:
            if begin == 0:
                raise InputError(f'{path.name}: not a readable FITS file: it is empty; copy it again')
            return
        file.seek(begin)
        try:
            header = fits.Header.fromfile(file)
        except (OSError, EOFError, ValueError) as error:  # a header without an end, in astropy's words
            if begin == 0 and not b'SIMPLE  ='.startswith(start):
                raise
            raise InputError(f'{path.name}: truncated in a header, at byte {begin}; copy it again') from error
        if not 0 <= header.get('NAXIS', 0) <= MOST_AXES:
            raise InputError(f'{path.name}: not a readable FITS file: NAXIS = {header["NAXIS"]}; copy it again')
        if header.data_size < 0:
            raise InputError(f'{path.name}: not a readable FITS file: an axis of negative length; copy it again')
        begin = file.tell() + header.data_size_padded


def _reached(file: BinaryIO, place: int) -> int:
    """Seek to a position in a file, or to its end if that comes first; return the position reached."""
    if isinstance(file, io.BufferedReader):  # a plain file, in which one can seek beyond the end
        return min(file.seek(place), os.fstat(file.fileno()).st_size)
    return file.seek(place)


def open_layer(path: Path, hdu: fits.ImageHDU, axes: tuple[int, ...] = (0, 1, 2)) -> Layer:
    """Find where an extension's array lies in its file.

    Parameters
    ----------
    path : Path
        The file.
    hdu : astropy.io.fits HDU
        Of that file, opened with ``do_not_scale_image_data=True``.
    axes : tuple of int
        Which axes of its array are wavelength, y and x; others have length 1.

    Raises
    ------
    InputError
        If the file is shorter than its header says.
    """
    header = hdu.header
    order = tuple(sorted(axes).index(axis) for axis in axes)
    shape = tuple(int(hdu.shape[axis]) for axis in axes)
    kind = {8: 'u1', 16: '>i2', 32: '>i4', 64: '>i8', -32: '>f4', -64: '>f8'}[header['BITPIX']]
    dtype = np.dtype(kind)
    blank = header.get('BLANK') if dtype.kind in 'iu' else None
    scaling = (float(header.get('BSCALE', 1.0)), float(header.get('BZERO', 0.0)), blank)
    if type(hdu).__name__ == 'CompImageHDU':
        _check_sum(path, hdu.name)
    if type(hdu).__name__ == 'CompImageHDU' or path.suffix.lower() in COMPRESSED:
        values = np.reshape(hdu.data, [hdu.shape[axis] for axis in sorted(axes)]).transpose(order)
        return Layer(path, hdu.name, shape, dtype, 0, *scaling, values=values)  # type: ignore[arg-type]
    offset = int(hdu.fileinfo()['datLoc'])
    missing = offset + math.prod(shape) * dtype.itemsize - path.stat().st_size
    if missing > 0:
        raise InputError(f'{path.name}: truncated: {missing} bytes of extension {hdu.name} are missing; copy it again')
    with stored_boxes.opened(path) as file:
        identity = Identity.of(file, (int(hdu.fileinfo()['hdrLoc']), offset))
    return Layer(path, hdu.name, shape, dtype, offset, *scaling, identity=identity, order=order)  # type: ignore[arg-type]


def _check_sum(path: Path, name: str) -> None:
    """Refuse a compressed extension whose bytes do not have the checksum in its header."""
    with fits.open(path, disable_image_compression=True, memmap=False) as hdus:
        packed = hdus[name]
        if 'DATASUM' in packed.header and packed.verify_datasum() != 1:
            raise InputError(f'{path.name}: damaged: extension {name} does not match its DATASUM; copy it again')


def _read_to_end(file: BinaryIO) -> None:
    while file.read(CHUNK << 4):
        pass


def _check_compressed(path: Path) -> None:
    """Read a compressed file to its end, where its checksum is; astropy stops before that."""
    openers: dict[str, Any] = {'.gz': gzip.open, '.bz2': bz2.open, '.xz': lzma.open}
    opener = openers.get(path.suffix.lower())
    try:
        if opener is not None:
            with opener(path) as file:
                try:
                    _check_headers(path, file)
                except (AutoSpecError, OSError, ValueError):
                    file.seek(0)  # the file may be damaged rather than what is packed in it
                    _read_to_end(file)
                    raise
                _read_to_end(file)
        elif path.suffix.lower() == '.zip':
            with zipfile.ZipFile(path) as archive:
                if archive.testzip():
                    raise OSError('a checksum is wrong')
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        reason = plain_reason(error)
        raise InputError(f'{path.name}: damaged or truncated ({reason}); copy it again') from error
