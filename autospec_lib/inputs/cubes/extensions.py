"""Finds the extensions with the cube's data, noise and mask, and what the numbers in them mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits

from autospec_lib.core.errors import InputError
from autospec_lib.core.noise_kind import Extension, NoiseKind
from autospec_lib.inputs.cubes import roles
from autospec_lib.inputs.cubes.axis_order import is_cube
from autospec_lib.inputs.cubes.instruments import Instrument, recognise
from autospec_lib.inputs.cubes.masks import BadWhen, bad_when
from autospec_lib.inputs.cubes.noise_kinds import (
    BY_UNIT,
    WEIGHT,
    Finding,
    declared,
    is_quality,
    looks_like_noise,
    noise_kind,
)


@dataclass(frozen=True)
class Extensions:
    """The HDUs of a cube (None = there is none), and what is known of them.

    Attributes
    ----------
    instrument, why : Instrument, str
        The instrument, and the cards or the parameter that show it.
    data, noise, mask, response : HDU or None
        ``response`` is a spectrum by which the data are multiplied.
    noise_kind : Finding
        How the noise is stored, and how this is known.
    bad : BadWhen
        Which values of the mask are bad.
    lack : str
        A warning for a cube without noise; not used if the noise is in a file beside it.
    remarks : tuple of str
        Warnings, one line each.
    """

    instrument: Instrument
    why: str
    data: Any
    noise: Any
    mask: Any
    response: Any
    noise_kind: Finding
    bad: BadWhen
    lack: str
    remarks: tuple[str, ...]

    @property
    def chosen(self) -> tuple[Any, Any, Any]:
        """Data, noise and mask."""
        return self.data, self.noise, self.mask


def choose(path: Path, hdus: fits.HDUList, entries: tuple[Extension, ...]) -> Extensions:
    """Find the arrays of a cube.

    Parameters
    ----------
    path : Path
        The file, for messages.
    hdus : HDUList
        It, open.
    entries : tuple of Extension
        The parameter DATA_EXT. What it does not give is found by the instrument's entry in the table, by cards that
        name other extensions, and by the names of extensions; but if it gives data alone, there is no noise.

    Raises
    ------
    InputError
        If they are not there, have other shapes than the cube, or if it is not known how the noise is stored.
    """
    number = len(hdus)  # astropy reads all headers now, and not only those up to an extension that is asked for
    if not any(hdus[place].is_image and hdus[place].shape for place in range(number)):
        raise InputError(f'{path.name}: truncated, or no cube: no extension in it holds an array; copy it again')
    instrument, why = recognise([hdu.header for hdu in hdus])
    data, remarks = (_find(path, hdus, entries[0]), []) if entries else _data(path, hdus, instrument)
    _check_axes(path, hdus, data)
    noise = _find(path, hdus, entries[1]) if len(entries) > 1 else None
    if not entries:
        noise = roles.noise(hdus, data, instrument)
        if noise is None and (noise := roles.nameless(hdus, data)) is not None:
            remarks.append(_guessed_noise(path, hdus, data, noise))
    mask = _find(path, hdus, entries[2]) if len(entries) > 2 else roles.mask(hdus, data, instrument)
    for hdu in (noise, mask):
        _check_shape(path, hdus, data, hdu)
    said = entries[1].kind if len(entries) > 1 else None
    finding = Finding() if noise is None else _kind(path, hdus, data, noise, said, instrument)
    return Extensions(
        instrument=instrument,
        why='as DATA_EXT says' if entries else why,
        data=data,
        noise=noise,
        mask=mask,
        response=roles.response(hdus, data, instrument),
        noise_kind=finding,
        bad=BadWhen() if mask is None else bad_when(mask.header, data.header, instrument),
        lack='' if noise is not None else _without_noise(path, hdus, data, len(entries) > 1),
        remarks=tuple(remarks),
    )


def label(hdus: fits.HDUList, hdu: Any) -> str:
    """What an extension is called in messages."""
    return str(hdu.name or f'extension {hdus.index(hdu)}')


def _entry(hdus: fits.HDUList, hdu: Any) -> int | str:
    """The entry of DATA_EXT for an extension: its name, or its number if the name is not enough."""
    names = [one.name for one in hdus]
    return str(hdu.name) if hdu.name and hdu is not hdus[0] and names.count(hdu.name) == 1 else int(hdus.index(hdu))


def _data(path: Path, hdus: fits.HDUList, instrument: Instrument) -> tuple[Any, list[str]]:
    """The extension with the data, and a warning where this is a guess."""
    choice = roles.data(hdus, instrument)
    found = [hdu for hdu in choice.hdus if choice.sure]
    if len(found) > 1:
        names = ', '.join(label(hdus, hdu) for hdu in found)
        noise = roles.noise(hdus, found[0], instrument)
        entries = [found[0], *([noise] if noise is not None else [])]
        example = ', '.join(repr(_entry(hdus, hdu)) for hdu in entries)
        raise InputError(f'{path.name}: holds {len(found)} cubes: {names}; choose one, as in DATA_EXT = {example}')
    if found:
        return found[0], []
    if choice.hdus:
        guess = choice.hdus[0]
        line = f'{path.name}: {label(hdus, guess)} is taken for the data, which is a guess; extensions are '
        return guess, [f'{line}{_listing(hdus)}: confirm with DATA_EXT = {_entry(hdus, guess)!r}, or name another']
    by_name = {hdu.name: hdu for hdu in reversed(hdus) if hdu.is_image and hdu.shape}
    data = hdus[0] if len(hdus) == 1 else by_name.get('DATA', by_name.get('SCI'))
    if data is None:
        raise InputError(f"{path.name}: no data in extension 'DATA'; extensions are {_listing(hdus)}: set DATA_EXT")
    return data, []


def _guessed_noise(path: Path, hdus: fits.HDUList, data: Any, noise: Any) -> str:
    first, second = _entry(hdus, data), _entry(hdus, noise)
    return (
        f'{path.name}: {label(hdus, noise)}, which has no name, is taken for the noise, which is a guess: '
        f"confirm with DATA_EXT = {first!r}, {second!r}, or set {first!r}, '' if it is not noise"
    )


def _find(path: Path, hdus: fits.HDUList, entry: Extension) -> Any:
    """The extension that an entry of DATA_EXT names, None for ''."""
    if entry.name == '':
        return None
    try:
        return hdus[entry.name]
    except (KeyError, IndexError):
        raise InputError(
            f'{path.name}: no extension {entry.name!r}; extensions are {_listing(hdus)}: set DATA_EXT'
        ) from None


def _listing(hdus: fits.HDUList) -> str:
    return ', '.join(hdu.name or f'{number} (without a name)' for number, hdu in enumerate(hdus))


def _check_axes(path: Path, hdus: fits.HDUList, data: Any) -> None:
    if not data.is_image or not is_cube(data.shape):
        shape = ' x '.join(str(n) for n in data.shape) if data.is_image and data.shape else 'no array'
        raise InputError(
            f'{path.name}: extension {label(hdus, data)} holds {shape}; expected three axes (wavelength, y, x): set '
            'DATA_EXT'
        )


def _check_shape(path: Path, hdus: fits.HDUList, data: Any, hdu: Any) -> None:
    if hdu is not None and (not hdu.is_image or hdu.shape != data.shape):
        raise InputError(
            f'{path.name}: extension {label(hdus, hdu)} has another shape than {label(hdus, data)}; set DATA_EXT'
        )


def _kind(
    path: Path, hdus: fits.HDUList, data: Any, noise: Any, said: NoiseKind | None, instrument: Instrument
) -> Finding:
    """How the noise is stored; raises `InputError` if that is not known."""
    if said:
        return Finding(said, 'as DATA_EXT says')
    finding = declared(noise.header, hdus[0].header)
    if not finding.kind and instrument.kind and noise.name == f'{roles.shared(data.name)}{instrument.noise}':
        return Finding(instrument.kind, f'as {instrument.name} has it')
    finding = noise_kind(noise.header, hdus[0].header, data.header)
    if finding.kind:
        return finding
    unit = str(noise.header.get('BUNIT', '')).strip()
    found = f'BUNIT = {unit!r}' if unit else 'it has no BUNIT'
    entry = _entry(hdus, noise)
    raise InputError(
        f'{path.name}: whether {label(hdus, noise)} is variance or sigma cannot be told from its name and unit '
        f"({found}); state it in DATA_EXT, as in DATA_EXT = {_entry(hdus, data)!r}, '{entry}: variance', or "
        f"'{entry}: sigma', '{entry}: inverse variance'"
    )


def _without_noise(path: Path, hdus: fits.HDUList, data: Any, wanted: bool) -> str:
    """A warning for a cube without noise, with a hint on extensions that might hold it.

    There is no hint if the user has asked for no noise (DATA_EXT = 'DATA', '').
    """
    line = f'{path.name}: no variance: weights are those of equal noise, and no errors are written'
    return '; '.join([line, *([] if wanted else _unused(hdus, data))])


def _unused(hdus: fits.HDUList, data: Any) -> list[str]:
    """A hint if the file has an extension that might be noise, or names one that is missing; one item or none."""
    candidates = []
    for hdu in hdus:
        if hdu is not data and hdu.is_image and hdu.shape == data.shape and not is_quality(hdu.name):
            kind, why = noise_kind(hdu.header, {}, data.header)
            # Models and other fluxes have the unit of the data as well.
            if looks_like_noise(hdu.name) or (kind and not (kind is NoiseKind.SIGMA and why == BY_UNIT)):
                candidates.append((hdu, kind))
    if candidates:
        hdu, kind = min(candidates, key=lambda found: bool(WEIGHT.search(found[0].name)))  # may be exposure times
        way = f'DATA_EXT = {_entry(hdus, data)!r}, '
        if kind:
            return [f'{label(hdus, hdu)} looks like {kind}: use it with {way}{_entry(hdus, hdu)!r}']
        entry = _entry(hdus, hdu)
        return [f"{label(hdus, hdu)} looks like noise: use it with {way}'{entry}: sigma' (or '{entry}: variance')"]
    name = str(data.header.get('ERRDATA') or hdus[0].header.get('ERREXT') or '').strip()
    if name and name.upper() not in [hdu.name for hdu in hdus]:
        return [f'its header says that it is in {name} (ERRDATA), which is missing: truncated, or written without it']
    return []
