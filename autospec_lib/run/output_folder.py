"""May a run write to its output folder? Not while another run writes there, and not over one of its
inputs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autospec_lib.config.params import Params
from autospec_lib.core import file_names
from autospec_lib.core.atomic import nearest_existing, remove_remains
from autospec_lib.core.errors import InputError

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = '.autospec.lock'


@contextmanager
def locked(folder: Path) -> Iterator[str]:
    """Hold the lock of an output folder, which is made if needed.

    It is a lock of the operating system (POSIX record lock, also supported by NFS): it is released
    when this process ends for any reason, and it is not inherited by child processes.

    Yields
    ------
    str
        A warning if the file system has no locks, else ''.

    Raises
    ------
    InputError
        If another process holds it; the message says which.
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield ''
        return
    file, refusal = _open_lock(folder)
    try:
        if refusal is not None:
            yield f'{folder}: its file system has no locks ({refusal.strerror}); do not start a second run there'
            return
        with suppress(OSError):  # a full disk: the owner of the lock is then not known
            os.ftruncate(file, 0)
            os.write(
                file,
                f'process {os.getpid()} on {platform.node()}, since {time.strftime("%F %T")}\n'.encode(),
            )
        # Temporary files of killed runs, once: listing the folders for each file that is written
        # takes long.
        report = folder / file_names.REPORT
        pictures = folder.glob(f'{file_names.IMAGES}/*')
        for place in (
            folder,
            folder / file_names.SPECTRA,
            report,
            report / file_names.DATA,
            report / file_names.CUBES,
            *pictures,
        ):
            remove_remains(place)
        yield ''
        # Removed while it is held: a process that has opened it meanwhile sees this and opens a new
        # one.
        with suppress(OSError):
            (folder / LOCK).unlink()
    finally:
        os.close(file)


def _open_lock(folder: Path) -> tuple[int, OSError | None]:
    """The lock's file, which is locked and has its name; or not locked, and the reason from the
    file system."""
    path = folder / LOCK
    while True:
        # Links are not followed: they could lead to a file of the user, which would be overwritten.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            owner = os.read(file, 500).decode(errors='replace').strip() or 'unknown'
            os.close(file)
            raise InputError(
                f'{folder}: another run of AutoSpec writes there ({owner}); wait for its end, or set another OUTPUT'
            ) from None
        except OSError as error:
            return file, error
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), os.stat(path)):
                return file, None
        os.close(file)


def check(folder: Path, params: Params, stems: Collection[str]) -> Path:
    """Refuse a run that would overwrite one of its inputs, or whose log cannot be written.

    Parameters
    ----------
    folder : Path
        The working folder.
    params : Params
        The parameters of the run.
    stems : collection of str
        What the names of the sources' files end with.

    Returns
    -------
    Path
        The folder for the logs: the working folder, or the output folder if the former cannot be
        written.

    Raises
    ------
    InputError
        If a name is in use already.
    """
    logs = folder / file_names.LOGS
    if logs.exists() and not logs.is_dir():
        raise InputError(f'{logs}: is a file, but must be the folder of the logs; rename it')
    for stem in sorted(stems):
        name = f'{params.pre_out}{stem}.fits'
        if name.lower() in {*file_names.SUMMARY, file_names.MARZ}:
            both = f'PRE_OUT = {params.pre_out!r} and ID {stem}'
            raise InputError(
                f'param.py: {both} give a name that is taken: {name}; set another PRE_OUT'
            )
    names = (
        'param.py',
        'default.sex',
        params.catalog,
        params.datacube,
        *params.img,
        *params.weight,
        *params.seg,
    )
    inputs = [name for name in names if name and (folder / name).exists()]
    inodes = {(folder / name).stat().st_ino for name in inputs}
    output = folder / params.output
    written = [
        LOCK,
        *file_names.SUMMARY,
        file_names.REDSHIFTS,
        file_names.MARZ,
        file_names.VERDICTS,
        file_names.PAGE,
    ]
    paths = [output / name for name in written]
    for place in (
        output / file_names.REPORT,
        output / file_names.SPECTRA,
        output,
        *output.glob(f'{file_names.IMAGES}/*'),
    ):
        if not place.is_dir():
            continue
        # No file is looked at of which the listing tells that it is none of the inputs.
        with os.scandir(place) as entries:
            files = [
                Path(entry) for entry in entries if entry.is_symlink() or entry.inode() in inodes
            ]
        if place == output:
            files = [file for file in files if file.suffix == '.fits']
            paths += [file for file in files if file.stem.removeprefix(params.pre_out) in stems]
        elif place.name == file_names.SPECTRA:
            paths += [
                file for file in files if file.name.startswith(tuple(f'{stem}_' for stem in stems))
            ]
        elif place.name == file_names.REPORT or place.name in stems:
            paths += files
    for path in filter(Path.exists, paths):
        for name in reversed(inputs):
            if path.samefile(folder / name):
                raise InputError(
                    f'{path}: is the input {name}, where the run would write; move it, or set OUTPUT'
                )
    return folder if os.access(nearest_existing(logs), os.W_OK) else folder / params.output
