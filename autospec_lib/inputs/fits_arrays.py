"""Three-dimensional arrays in FITS files, opened safely and read box by box, so that a cube is
never loaded whole."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import math
import os
import re
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from autospec_lib.core.errors import AutoSpecError, InputError

# The first bytes of compressed files, by the ends of their names.
SIGNATURES = {'.gz': b'\x1f\x8b', '.bz2': b'BZh', '.xz': b'\xfd7zXZ', '.zip': b'PK\x03\x04'}
COMPRESSED = (*SIGNATURES, '.z')
MOST_AXES = 999  # by the FITS standard
CHUNK = 1 << 18  # numbers to read at a time where planes are small
BAND = 16  # rows of a copy that lie together

ALL = slice(None)
Box: TypeAlias = tuple[slice, ...]


@dataclass(frozen=True)
class StoredArray:
    """An array (nl, ny, nx) on disk, or in memory (``values``) where the file is compressed.

    Attributes
    ----------
    path, name : Path, str
        Its file, and its extension's name for messages.
    shape : (int, int, int)
        Lengths of wavelength, y and x.
    dtype : dtype
        Of the stored numbers.
    offset : int
        Its first byte in the file.
    scale, zero, blank : float, float, int or None
        Values are ``zero + scale * number``; the number ``blank`` stands for no value.
    values : array or None
        The stored numbers (nl, ny, nx), where the file cannot be read box by box.
    identity : Identity or None
        That of the file when it was opened; None for an array in memory.
    order : (int, int, int)
        The stored array's axes of wavelength, y and x.
    copy : Copy or None
        A copy of a part of it that is faster to read.
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
    copy: Copy | None = None

    def read(self, ys: slice, xs: slice, channels: slice = ALL) -> NDArray[np.float64]:
        """The values in a box.

        Parameters
        ----------
        ys, xs : slice
            The box, inside the array.
        channels : slice
            Its wavelengths; those of a slice with a step are read one by one.

        Returns
        -------
        array, shape (number of channels, number of ys, number of xs)
            NaN for no value.

        Raises
        ------
        InputError
            If the file is no longer there, or no longer the same.
        """
        numbers = self._numbers(ys, xs, channels)
        values = np.asarray(numbers, np.float64)
        if self.scale != 1 or self.zero != 0:
            values = self.zero + self.scale * values
        if self.blank is not None:
            values = np.where(numbers == self.blank, np.nan, values)
        return values

    def are_set(
        self, ys: slice, xs: slice, channels: slice = ALL, bits: int = 0
    ) -> NDArray[np.bool_]:
        """Where the values of a box are flags that are set.

        Parameters
        ----------
        ys, xs, channels : slice
            The box, as for `read`.
        bits : int
            True where a value has one of these bits; 0 = where it is not 0.

        Returns
        -------
        array of bool, shape (number of channels, number of ys, number of xs)

        Raises
        ------
        InputError
            As `read`.
        """
        numbers: Any
        if self.dtype.kind == 'f' or self.scale != 1:
            numbers = self.read(ys, xs, channels)
            if bits:
                numbers = np.nan_to_num(numbers).astype(np.int64)
        else:
            numbers = self._numbers(ys, xs, channels)
            # FITS has no unsigned integers; they are stored minus an offset, up to 2^63, which no
            # double holds exactly.
            if bits or self.zero:
                numbers = numbers.astype(np.uint64) + np.uint64(int(self.zero) % 2**64)
        return np.asarray((numbers & bits if bits else numbers) != 0)

    def groups(self, together: int) -> Iterator[NDArray[Any]]:
        """The stored array from beginning to end, ``together`` planes at a time, always in the same
        memory.

        Raises
        ------
        InputError
            As `read`, or if the file is changed meanwhile.
        """
        assert self.identity is not None  # the array is on disk
        number, *plane = self.stored(self.shape)
        buffer = np.empty((together, *plane), self.dtype)
        try:
            with opened(self.path) as file:
                self.identity.check(file)
                file.seek(self.offset)
                for start in range(0, number, together):
                    planes = buffer[: number - start]
                    fill(planes, file)
                    yield planes
                self.identity.check(file)
        except OSError as error:
            raise self.lost(error) from error

    def lost(self, error: OSError) -> InputError:
        """The error for a file that can no longer be read."""
        if self.copy is not None:
            return InputError(
                f'{self.path.name}: its copy is lost: {error}; go on with: AutoSpec --resume'
            )
        return InputError(
            f'{self.path.name}: cannot be read any more: {error}; put it back and run again'
        )

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape) * self.dtype.itemsize

    def stored(self, along: Sequence[Any]) -> tuple[Any, ...]:
        """Three things along wavelength, y and x, such as slices, in the order of the file's
        axes."""
        return tuple(along[self.order.index(axis)] for axis in range(3))

    def pieces(self, ys: slice, xs: slice) -> int:
        """How many pieces of the file `read` reads for a box."""
        if self.values is not None:
            return 0
        planes, rows, _ = self.stored((slice(0, self.shape[0]), ys, xs))
        number: int = planes.stop - planes.start
        return -(-number // _piece(self.stored(self.shape), rows)[2])

    def _numbers(self, ys: slice, xs: slice, channels: slice) -> NDArray[Any]:
        """The stored numbers of a box, integers as they are, others in double precision."""
        if self.values is not None:
            return self.values[channels, ys, xs].copy()
        assert self.identity is not None  # the array is on disk
        kind = np.float64 if self.dtype.kind == 'f' else self.dtype
        chosen = range(self.shape[0])[channels]
        numbers = np.empty((len(chosen), ys.stop - ys.start, xs.stop - xs.start), kind)
        axes, shape = self.stored(range(3)), self.stored(self.shape)
        try:
            box = self.stored((slice(0, self.shape[0]), ys, xs))
            if self.copy is not None and channels == ALL and self.copy.holds(box):
                self.copy.read_into(numbers.transpose(axes), box)
                return numbers
            parts = [chosen] if chosen.step == 1 else [range(one, one + 1) for one in chosen]
            with opened(self.path) as file:
                self.identity.check(file)
                for part, values in zip(parts, np.array_split(numbers, len(parts)), strict=True):
                    box = self.stored((slice(part.start, part.stop), ys, xs))
                    read_into(values.transpose(axes), file, self.offset, self.dtype, shape, box)
        except OSError as error:
            raise self.lost(error) from error
        return numbers


@dataclass(frozen=True)
class Layer:
    """An extension with data, noise or flags: its file, the HDU, and what it is called in messages.

    Noise and flags may have fewer axes than the data (see `spread_shape`). Numbers are multiplied
    by ``scale``.
    """

    path: Path
    hdu: Any
    name: str
    scale: float = 1.0


def arranged(stored: NDArray[Any], axes: Sequence[int]) -> NDArray[Any]:
    """A stored array as (λ, y, x) or (y, x), without further axes, which have length 1.

    Parameters
    ----------
    stored : array
        As the file has it.
    axes : sequence of int
        Its FITS axes, counted from 1, of longitude, latitude and wavelength. FITS axis n is axis -n
        of the array.
    """
    order = [-axis for axis in reversed(axes)]
    at_end = np.moveaxis(stored, order, range(-len(order), 0))
    return at_end.reshape(at_end.shape[-len(order) :])


def spread_shape(hdu: Any, data: Any, axes: Sequence[int]) -> tuple[int, ...]:
    """The shape of a layer with 1 for each axis of the data that it lacks; () if it does not fit
    the data.

    A layer has all axes of the data, those of the sky (a value per spaxel) or that of wavelength
    (one per channel).

    Parameters
    ----------
    hdu, data : HDU
        The layer and the data.
    axes : sequence of int
        The data's FITS axes of longitude, latitude and wavelength.
    """
    if not hdu.is_image:
        return ()
    if hdu.shape == data.shape:
        return tuple(data.shape)
    for part in (axes[:2], axes[2:]):
        shape = tuple(
            length if len(data.shape) - place in part else 1
            for place, length in enumerate(data.shape)
        )
        lengths = [length for length in shape if length > 1]
        if lengths and lengths == [length for length in hdu.shape if length > 1]:
            return shape
    return ()


def open_array(layer: Layer, data: fits.ImageHDU, axes: Sequence[int]) -> StoredArray:
    """Find where an extension's array lies in its file.

    Parameters
    ----------
    layer : Layer
        The extension, of a file opened with ``do_not_scale_image_data=True``.
    data : HDU
        The extension with the data, over whose other axes a layer with fewer axes is spread.
    axes : tuple of int
        The data's FITS axes of longitude, latitude and wavelength; others have length 1.

    Raises
    ------
    InputError
        If the checksum of a compressed extension is wrong.
    """
    path, name, hdu = layer.path, layer.name, layer.hdu
    header = hdu.header
    nl, ny, nx = (int(data.shape[-axis]) for axis in reversed(axes))
    scale, zero = float(header.get('BSCALE', 1.0)), float(header.get('BZERO', 0.0))
    blank = header.get('BLANK') if header['BITPIX'] > 0 else None  # only integers have it
    numbers = layer.scale * scale, layer.scale * zero, blank
    if isinstance(hdu, fits.CompImageHDU):
        with fits.open(path, disable_image_compression=True, memmap=False) as hdus:
            packed = hdus[hdu.name]
            if 'DATASUM' in packed.header and packed.verify_datasum() != 1:
                raise InputError(
                    f'{path.name}: damaged: extension {name} does not match its DATASUM; copy it again'
                )
    is_spread = hdu.shape != data.shape
    if is_spread or isinstance(hdu, fits.CompImageHDU) or path.suffix.lower() in COMPRESSED:
        values = arranged(np.reshape(hdu.data, spread_shape(hdu, data, axes)), axes)
        if is_spread:
            values = np.broadcast_to(values, (nl, ny, nx))
        return StoredArray(path, name, (nl, ny, nx), values.dtype, 0, *numbers, values=values)
    dtype = np.dtype(fits.BITPIX2DTYPE[header['BITPIX']]).newbyteorder('>')
    order = tuple(sorted(axes, reverse=True).index(axis) for axis in reversed(axes))
    offset = int(hdu.fileinfo()['datLoc'])
    with opened(path) as file:
        identity = Identity.of(file, (int(hdu.fileinfo()['hdrLoc']), offset))
    return StoredArray(
        path, name, (nl, ny, nx), dtype, offset, *numbers, identity=identity, order=order
    )


def card_text(header: Mapping[str, Any], card: str) -> str:
    """A card's value as text, '' where it is not there."""
    return str(header.get(card) or '').strip()


def is_number(value: Any) -> bool:
    """Whether a card's value is a finite number."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


@dataclass(frozen=True)
class Identity:
    """The identity of a file: on one machine its inode, on several machines its size, date and a
    part of its bytes.

    By it a file that is replaced or changed during a run is noticed. ``status`` is what the system
    tells of it, ``header`` where the part begins and ends, ``digest`` its SHA-256.
    """

    status: os.stat_result
    header: tuple[int, int]
    digest: bytes

    @classmethod
    def of(cls, file: BinaryIO, header: tuple[int, int]) -> Identity:
        """The identity of an open file, with the header at these bytes."""
        file.seek(header[0])
        digest = hashlib.sha256(file.read(header[1] - header[0])).digest()
        return cls(os.fstat(file.fileno()), header, digest)

    def check(self, file: BinaryIO) -> None:
        """Raise OSError if an open file is not this one.

        On another machine with the same shared file system, device and inode may differ.
        """
        now, then = os.fstat(file.fileno()), self.status
        if now.st_size < then.st_size:
            raise OSError('it is shorter than at the start of the run')
        if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
            when = time.strftime('%F %T', time.localtime(now.st_mtime))
            raise OSError(f'it is another file than at the start of the run (changed {when})')
        same_inode = (now.st_dev, now.st_ino) == (then.st_dev, then.st_ino)
        if same_inode and now.st_ctime_ns != then.st_ctime_ns:
            # A program can restore the date of a file that it has changed, but not the date of its
            # inode.
            raise OSError('its contents or its permissions were changed since the start of the run')
        if not same_inode and Identity.of(file, self.header).digest != self.digest:
            raise OSError('it is another file than at the start of the run (with another header)')


@dataclass(frozen=True)
class Copy:
    """A copy of a part of a stored array, from which a box is read in few pieces.

    Its numbers are in the order (group of planes, band of `BAND` rows, column, plane of the group,
    row of the band). It is written from beginning to end while the array is read from beginning to
    end, and a box is one piece in each band of each group. The last band is filled with zeros.

    Attributes
    ----------
    path, offset : Path, int
        The file, and the copy's first byte in it.
    dtype : dtype
        Of the numbers, as the array has them.
    box : three slices
        The part of the stored array; it has all planes.
    together : int
        Number of planes in a group.
    """

    path: Path
    offset: int
    dtype: np.dtype[Any]
    box: Box
    together: int

    def holds(self, box: Box) -> bool:
        """Whether a box of the array is copied."""
        return all(
            whole.start <= part.start and part.stop <= whole.stop
            for whole, part in zip(self.box, box, strict=True)
        )

    def write(self, groups: Iterable[NDArray[Any]], file: IO[bytes]) -> None:
        """Write the copy.

        Parameters
        ----------
        groups : iterable of arrays, shape (``together`` or fewer, ny, nx)
            The stored array from beginning to end (`StoredArray.groups`).
        file : binary file
            At ``offset``.
        """
        _, rows, columns = self.box
        for planes in groups:
            for start in range(rows.start, rows.stop, BAND):
                part = planes[:, start : min(start + BAND, rows.stop), columns].transpose(2, 0, 1)
                band = np.zeros((*part.shape[:2], BAND), self.dtype)
                band[:, :, : part.shape[2]] = part
                file.write(band.data)

    def read_into(self, target: NDArray[Any], box: Box) -> None:
        """Read a box of the array.

        Parameters
        ----------
        target : array
            Receives the numbers; it has the shape of the box and any type that can hold them.
        box : three slices
            Inside the copied part, with all planes.

        Raises
        ------
        OSError
            If the copy cannot be read, or ends too early.
        """
        nl, height, width = (whole.stop - whole.start for whole in self.box)
        _, rows, columns = (
            slice(part.start - whole.start, part.stop - whole.start)
            for part, whole in zip(box, self.box, strict=True)
        )
        bands = slice(rows.start // BAND, -(-rows.stop // BAND))
        inside = slice(rows.start - bands.start * BAND, rows.stop - bands.start * BAND)
        offset = self.offset
        with opened(self.path) as file:
            for start in range(0, nl, self.together):
                number = min(self.together, nl - start)
                group = -(-height // BAND), width, number * BAND
                piece = np.empty(
                    (bands.stop - bands.start, columns.stop - columns.start, group[2]), self.dtype
                )
                read_into(
                    piece, file, offset, self.dtype, group, (bands, columns, slice(0, group[2]))
                )
                offset += math.prod(group) * self.dtype.itemsize
                planes = piece.reshape(*piece.shape[:2], number, BAND).transpose(2, 0, 3, 1)
                layers = planes.reshape(number, -1, piece.shape[1])
                target[start : start + number] = layers[:, inside]


def opened(path: Path) -> BinaryIO:
    """Open a file for plain reads. All files with arrays are opened here, so that reads can be
    counted."""
    return path.open('rb', buffering=0)


def read_into(
    target: NDArray[Any],
    file: BinaryIO,
    offset: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    box: Box,
) -> None:
    """Read a box of an array.

    Plain reads are better than a memory map: pages of the rest of a plane do not stay in memory,
    and if the file is truncated meanwhile, the result is a short read, while a memory map would
    kill the process.

    Parameters
    ----------
    target : array
        Receives the numbers; it has the shape of the box and any type that can hold them.
    file : binary file
        Open without a buffer.
    offset : int
        The array's first byte.
    dtype : dtype
        Of the stored numbers.
    shape : (int, int, int)
        Of the stored array.
    box : three slices
        With start and stop.

    Raises
    ------
    OSError
        If the file cannot be read, or ends before the box does.
    """
    planes, rows, columns = box
    first, height, together = _piece(shape, rows)
    buffer = np.empty((together, height, shape[2]), dtype)
    window = buffer[:, rows.start - first : rows.stop - first, columns]
    for start in range(planes.start, planes.stop, together):
        number = min(together, planes.stop - start)
        file.seek(offset + (start * shape[1] + first) * shape[2] * dtype.itemsize)
        fill(buffer[:number], file)
        target[start - planes.start : start - planes.start + number] = window[:number]


def fill(buffer: NDArray[Any], file: BinaryIO) -> None:
    """Read a contiguous array from where the file is; OSError if it ends before."""
    wanted = buffer.reshape(-1).view(np.uint8).data
    if file.readinto(wanted) != len(wanted):  # type: ignore[attr-defined]
        raise OSError('it is shorter than at the start of the run')


def _piece(shape: tuple[int, ...], rows: slice) -> tuple[int, int, int]:
    """The piece that is read at a time for these rows of an array: first row, number of rows,
    number of planes."""
    height = rows.stop - rows.start
    if 2 * height < shape[1]:
        return rows.start, height, 1
    # If a box covers most of a plane and planes are small, it is faster to read several whole
    # planes at a time.
    return 0, shape[1], max(1, CHUNK // (shape[1] * shape[2]))


class FileError(InputError):
    """What is wrong with a file, without its name, which `in_file` puts before it."""


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Say of each `FileError` in which file it is."""
    try:
        yield
    except FileError as fault:
        raise InputError(*(f'{path.name}: {text}' for text in fault.faults)) from fault


@contextmanager
def open_fits(path: Path, what: str, scaled: bool = False) -> Iterator[fits.HDUList]:
    """Open a FITS file; whatever is wrong with it is an `InputError` with its name (see `readable`
    and `in_file`).

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What to call a file that cannot be read.
    scaled : bool
        Whether BSCALE and BZERO are applied to numbers, which are as stored otherwise.
    """
    with in_file(path), readable(what):
        is_packed = path.suffix.lower() in COMPRESSED
        with path.open('rb') as file:
            # Downloads may have the name of a compressed file and not be compressed, or the
            # reverse.
            start = file.read(9)
            packed = next(
                (suffix for suffix, signature in SIGNATURES.items() if start.startswith(signature)),
                '',
            )
            if packed and not is_packed:
                raise FileError(f'is compressed; rename it to {path.name}{packed}')
            if is_packed and start == b'SIMPLE  =':
                raise FileError(f'is not compressed; rename it to {path.stem}')
            if not is_packed:
                _check_headers(file)
        if is_packed:
            _check_compressed(path)
        with fits.open(path, do_not_scale_image_data=not scaled) as hdus:
            yield hdus


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn any error of astropy, wcslib or MPDAF on a damaged file into a `FileError` of one line.

    They raise many classes: VerifyError, KeyError, TypeError, MemoryError, SingularMatrixError, ...
    """
    with warnings.catch_warnings(action='ignore'):
        try:
            yield
        except AutoSpecError:
            raise
        except Exception as error:
            raise FileError(
                f'{what} ({plain_reason(error)}); copy it again, or correct its header'
            ) from error


def plain_reason(error: Exception) -> str:
    """The message of an error of astropy, wcslib or MPDAF, on one line and without lines of their
    source code."""
    text = re.sub(r'ERROR \d+ in \w+\(\) at line \d+ of file \S+?:', '', str(error))
    return ' '.join(text.split()).rstrip('.')[:200] or type(error).__name__


def _check_headers(file: BinaryIO) -> None:
    """Refuse truncated files, and headers on which astropy would hang.

    Such headers have a thousand million axes, or an axis of negative length.
    """
    begin = 0
    while True:
        reached = file.seek(begin)
        # A plain file, in which one can seek beyond the end.
        if isinstance(file, io.BufferedReader):
            reached = min(reached, os.fstat(file.fileno()).st_size)
        missing = begin - reached
        if missing > 0:
            raise FileError(f'truncated: its last {missing} bytes are missing; copy it again')
        start = file.read(9)
        if not start:
            if begin == 0:
                raise FileError('not a readable FITS file: it is empty; copy it again')
            return
        file.seek(begin)
        try:
            header = fits.Header.fromfile(file)
        # A header without an end, in astropy's words.
        except (OSError, EOFError, ValueError) as error:
            if begin == 0 and not b'SIMPLE  ='.startswith(start):
                raise
            raise FileError(f'truncated in a header, at byte {begin}; copy it again') from error
        if not 0 <= header.get('NAXIS', 0) <= MOST_AXES:
            raise FileError(f'not a readable FITS file: NAXIS = {header["NAXIS"]}; copy it again')
        if header.data_size < 0:
            raise FileError('not a readable FITS file: an axis of negative length; copy it again')
        begin = file.tell() + header.data_size_padded


def _check_compressed(path: Path) -> None:
    """Read a compressed file to its end, where its checksum is; astropy stops before that."""
    openers: dict[str, Any] = {'.gz': gzip.open, '.bz2': bz2.open, '.xz': lzma.open}
    opener = openers.get(path.suffix.lower())
    try:
        if opener is not None:
            with opener(path) as file:
                try:
                    _check_headers(file)
                finally:  # the file may be damaged rather than what is packed in it
                    file.seek(0, io.SEEK_END)
        elif path.suffix.lower() == '.zip':
            with zipfile.ZipFile(path) as archive:
                if archive.testzip():
                    raise OSError('a checksum is wrong')
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        reason = plain_reason(error)
        raise FileError(f'damaged or truncated ({reason}); copy it again') from error
