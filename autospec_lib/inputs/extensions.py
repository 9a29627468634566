"""Which extensions of a file are the cube's data, noise and quality, and how the noise is stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits

from autospec_lib.core.errors import InputError
from autospec_lib.core.noise_words import SIGMA, VARIANCE, split_entry
from autospec_lib.inputs.axis_order import is_cube
from autospec_lib.inputs.noise_kinds import BY_UNIT, WEIGHT, Finding, is_quality, looks_like_noise, noise_kind


@dataclass(frozen=True)
class Extensions:
    """The HDUs of a cube (None = there is none), how its noise is stored, why that is known, remarks for the user."""

    data: Any
    noise: Any
    quality: Any
    noise_kind: str
    noise_why: str
    remarks: tuple[str, ...]

    @property
    def chosen(self) -> tuple[Any, Any, Any]:
        """Data, noise and quality."""
        return self.data, self.noise, self.quality


def choose(path: Path, hdus: fits.HDUList, entries: tuple[int | str, ...]) -> Extensions:
    """Find the arrays of a cube.

    Parameters
    ----------
    path : Path
        The file, for messages.
    hdus : HDUList
        It, open.
    entries : tuple
        The parameter DATA_EXT.

    Raises
    ------
    InputError
        If they are not there or have other shapes than a cube, or if nothing says how the noise is stored.
    """
    number = len(hdus)  # astropy reads all headers now, and not only those up to an extension that is asked for
    if not any(hdus[place].is_image and hdus[place].shape for place in range(number)):
        raise InputError(f'{path.name}: truncated, or no cube: no extension in it holds an array; copy it again')
    if entries:
        found = [_find(path, hdus, entry) for entry in entries]
        data, noise, quality = found[0], found[1] if len(found) > 1 else None, None
    else:
        data, noise, quality = _as_muse(path, hdus)
    _check_shapes(path, hdus, data, noise, quality)
    said = split_entry(entries[1])[1] if len(entries) > 1 else ''
    finding = Finding('', '') if noise is None else _kind(path, hdus, data, noise, said)
    remark = _remark(path, hdus, data, noise, finding.kind)
    return Extensions(data, noise, quality, *finding, (remark,) if remark else ())


def label(hdus: fits.HDUList, hdu: Any) -> str:
    """What an extension is called in messages."""
    return str(hdu.name or f'extension {hdus.index(hdu)}')


def _entry(hdus: fits.HDUList, hdu: Any) -> int | str:
    """What DATA_EXT calls an extension: its name, or its number where that is the only way."""
    names = [one.name for one in hdus]
    return str(hdu.name) if hdu.name and hdu is not hdus[0] and names.count(hdu.name) == 1 else int(hdus.index(hdu))


def _as_muse(path: Path, hdus: fits.HDUList) -> tuple[Any, Any, Any]:
    by_name = {hdu.name: hdu for hdu in reversed(hdus) if hdu.is_image and hdu.shape}
    data = hdus[0] if len(hdus) == 1 else by_name.get('DATA', by_name.get('SCI'))
    if data is None:
        raise InputError(f"{path.name}: no data in extension 'DATA'; extensions are {_listing(hdus)}: set DATA_EXT")
    return data, by_name.get('STAT'), by_name.get('DQ')


def _find(path: Path, hdus: fits.HDUList, entry: int | str) -> Any:
    key, _ = split_entry(entry)
    try:
        return hdus[key]
    except (KeyError, IndexError):
        raise InputError(f'{path.name}: no extension {key!r}; extensions are {_listing(hdus)}: set DATA_EXT') from None


def _listing(hdus: fits.HDUList) -> str:
    return ', '.join(hdu.name or f'{number} (without a name)' for number, hdu in enumerate(hdus))


def _check_shapes(path: Path, hdus: fits.HDUList, data: Any, *others: Any) -> None:
    name = label(hdus, data)
    if not data.is_image or not is_cube(data.shape):
        shape = ' x '.join(str(n) for n in data.shape) if data.is_image and data.shape else 'no array'
        raise InputError(
            f'{path.name}: extension {name} holds {shape}; expected three axes (wavelength, y, x): set DATA_EXT'
        )
    for hdu in others:
        if hdu is not None and (not hdu.is_image or hdu.shape != data.shape):
            raise InputError(f'{path.name}: extension {label(hdus, hdu)} has another shape than {name}; set DATA_EXT')


def _kind(path: Path, hdus: fits.HDUList, data: Any, noise: Any, said: str) -> Finding:
    """What the noise is; raises `InputError` where that cannot be told."""
    if said:
        return Finding(said, 'as DATA_EXT says')
    finding = noise_kind(noise.header, hdus[0].header, data.header)
    if finding.kind:
        return finding
    unit = str(noise.header.get('BUNIT', '')).strip()
    found = f'BUNIT = {unit!r}' if unit else 'it has no BUNIT'
    entry = _entry(hdus, noise)
    raise InputError(
        f'{path.name}: whether {label(hdus, noise)} is variance or sigma cannot be told from its name and unit '
        f"({found}); say it in DATA_EXT, as in DATA_EXT = {_entry(hdus, data)!r}, '{entry}: variance', or "
        f"'{entry}: sigma', '{entry}: inverse variance'"
    )


def _remark(path: Path, hdus: fits.HDUList, data: Any, noise: Any, kind: str) -> str:
    """A line on noise that is converted, or on where noise might be that is not used; '' for variance."""
    if noise is not None:
        return '' if kind == VARIANCE else f'{path.name}: {label(hdus, noise)} holds {kind}; converted to variance'
    line = f'{path.name}: no variance: weights are those of equal noise, and no errors are written'
    return '; '.join([line, *_unused(hdus, data)])


def _unused(hdus: fits.HDUList, data: Any) -> list[str]:
    """What to do where a file has noise that is not used, or has lost it; one item or none."""
    candidates = []
    for hdu in hdus:
        if hdu is not data and hdu.is_image and hdu.shape == data.shape and not is_quality(hdu.name):
            kind, why = noise_kind(hdu.header, {}, data.header)
            # Models and other fluxes have the unit of the data as well.
            if looks_like_noise(hdu.name) or (kind and not (kind == SIGMA and why == BY_UNIT)):
                candidates.append((hdu, kind))
    if candidates:
        hdu, kind = min(candidates, key=lambda found: bool(WEIGHT.search(found[0].name)))  # may be exposure times
        way = f'DATA_EXT = {_entry(hdus, data)!r}, '
        if kind:
            return [f'{label(hdus, hdu)} looks like {kind}: {way}{_entry(hdus, hdu)!r} uses it']
        entry = _entry(hdus, hdu)
        return [f"{label(hdus, hdu)} looks like noise: {way}'{entry}: sigma' (or '{entry}: variance') uses it"]
    name = str(data.header.get('ERRDATA') or hdus[0].header.get('ERREXT') or '').strip()
    if name and name.upper() not in [hdu.name for hdu in hdus]:
        return [f'its header says that {name} holds it (ERRDATA), which is not there: truncated, or written without it']
    return []
