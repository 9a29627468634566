"""The table of instruments: how their cubes are recognised, and what their extensions hold.

To add one, add an entry to `INSTRUMENTS`, a cube to ``tests/layouts.py`` and a row to
``docs/instruments.md``. Cubes without an entry are read by the names of their extensions
(`extensions`), so an entry needs only what these do not tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autospec_lib.core.noise_kind import NoiseKind

FIRST = 'PRIMARY'  # stands for the first extension, which often has no name


@dataclass(frozen=True)
class Instrument:
    """What is known of an instrument's cubes beyond what their headers say.

    Attributes
    ----------
    name, prefix : str
        What it is called in messages, and what the names of its products begin with.
    signs : sequence of str
        How it is recognised, each as ``CARD=PATTERN CARD=PATTERN ...``. At least one must fit: all
        its cards must be in the file's headers, with values that match the regular expressions. The
        card ``EXTNAME`` stands for an extension of this name.
    data : str
        Regular expression for the name of the extension with the data; `FIRST` for the first one.
    noise, flags : str
        Names of these extensions, without the part that they share with the name of the data (RED_
        of RED_DATA), or the number of one that has no name.
    kind : NoiseKind or None
        How the noise is stored, where the file does not declare it.
    bits : tuple of int
        The bits of the flags that make a voxel bad; () = any.
    zero_is_bad : bool
        Whether flags are 0 where a voxel is bad.
    unit, unit_if : str
        The unit where there is no BUNIT, and a card that must be true for this.
    response : str
        Extension (as `noise`) with a spectrum that turns the data into flux, by multiplication.
    wrong_scales : mapping of float to float
        Powers of ten that the pipeline writes into BUNIT by mistake, and the right ones.
    beside : (str, str, str) or ()
        A regular expression for the file's name, and its replacements that give the files with
        variance and flags.
    """

    name: str = ''
    prefix: str = 'MUSE'
    signs: Sequence[str] = ()
    data: str = ''
    noise: str = ''
    flags: str = ''
    kind: NoiseKind | None = None
    bits: tuple[int, ...] = ()
    zero_is_bad: bool = False
    unit: str = ''
    unit_if: str = ''
    response: str = ''
    wrong_scales: Mapping[float, float] = field(default_factory=dict)
    beside: tuple[str, ...] = ()


UNKNOWN = Instrument()
# Bits that make a voxel bad, by the name of the flags' definition (card MASKNAME).
FLAG_DEFINITIONS = {
    # NOCOV, FORESTAR, DONOTUSE; a voxel with LOWCOV or DEADFIBER alone is usable.
    'MANGA_DRP3PIXMASK': (0, 3, 10),
    # IGNORED (by the reduction, or for its spectral coverage), FORESTAR, FLUXINVALID, IVARINVALID,
    # ARTIFACT; further bits are about the fit of the models that the cube holds too.
    'MANGA_DAPSPECMASK': (0, 1, 2, 3, 4),
}
MANGA_BITS = FLAG_DEFINITIONS['MANGA_DRP3PIXMASK']
# Bad pixel, saturated, cosmic ray, no data; bits 1 (non-linear) and 5 (overlap) are information
# (DRAGONS).
GEMINI_BITS = (0, 2, 3, 4)
# In the order of recognition: the first entry that fits is used.
INSTRUMENTS = (
    Instrument('MUSE', 'MUSE', ('INSTRUME=MUSE',), 'DATA', 'STAT', 'DQ', NoiseKind.VARIANCE),
    *(
        Instrument(name, 'MANGA', (sign,), 'FLUX', 'IVAR', 'MASK', NoiseKind.INVERSE_VARIANCE, MANGA_BITS)
        for name, sign in (
            ('MaNGA LOGCUBE', 'INSTRUME=MaNGA CTYPE3=.*-LOG'),
            ('MaNGA LINCUBE', 'INSTRUME=MaNGA'),
        )
    ),
    Instrument(
        'CALIFA', 'CALIFA', ('CALIFAID=.*', 'MED_VEL=.*', 'EXTNAME=ERRWEIGHT', 'INSTRUME=PMAS.*'),
        FIRST, 'ERROR', 'BADPIX', NoiseKind.SIGMA,
    ),
    Instrument('SAMI', 'SAMI', ('INSTRUME=.*SAMI.*', 'IFUPROBE=.* DROPFACT=.*'), FIRST, 'VARIANCE'),
    # Before KCWI, of which it reduces data too.
    Instrument(
        'PypeIt', 'PYPEIT', ('DMODCLS=DataCube', 'PYP_SPEC=.* EXTNAME=SIG'), 'FLUX', 'SIG', 'BPM', NoiseKind.SIGMA,
        unit='1e-17 erg / (s cm2 Angstrom arcsec2)', unit_if='FLUXED',
    ),
    # The Python pipeline writes the power of ten with the wrong sign (FluxCalibrate.py). Its FLAGS
    # is no mask: good voxels have bits of what was corrected. The IDL pipeline has noise and flags
    # in files of their own.
    Instrument(
        'KCWI', 'KCWI', ('INSTRUME=KC[WR][IM]',), FIRST, 'UNCERT', 'MASK', NoiseKind.SIGMA,
        wrong_scales={1e16: 1e-16}, beside=(r'(.*_)i(cube\w*\.fits.*)', r'\1v\2', r'\1m\2'),
    ),
    # Bit 0 is DO_NOT_USE; the other bits of DQ say why, or are information.
    *(
        Instrument(f'JWST {name}', 'JWST', (sign,), 'SCI', 'ERR', 'DQ', NoiseKind.SIGMA, (0,))
        for name, sign in (
            ('NIRSpec', 'TELESCOP=JWST INSTRUME=NIRSPEC'),
            ('MIRI', 'TELESCOP=JWST INSTRUME=MIRI'),
            ('cube', 'TELESCOP=JWST INSTRUME=.*'),
        )
    ),
    Instrument(
        'WEAVE', 'WEAVE', ('EXTNAME=(RED|BLUE)_SENSFUNC', 'INSTRUME=WEAVE'), '(RED|BLUE)_DATA', 'IVAR',
        kind=NoiseKind.INVERSE_VARIANCE, response='SENSFUNC',
    ),
    Instrument('KMOS', 'KMOS', ('INSTRUME=KMOS',), r'IFU\.\d+\.DATA', 'NOISE', kind=NoiseKind.SIGMA),
    *(
        Instrument(name, name, (sign,), 'SCI', 'VAR', 'DQ', NoiseKind.VARIANCE, GEMINI_BITS)
        for name, sign in (('GMOS', 'INSTRUME=GMOS.*'), ('NIFS', 'INSTRUME=NIFS'), ('GNIRS', 'INSTRUME=GNIRS'))
    ),
    *(
        Instrument(name, name, (f'INSTRUME={name}',))
        for name in ('SINFONI', 'ERIS', 'XSHOOTER', 'VIMOS', 'HARMONI')
    ),
    # Extensions have no names; the second one after the data has bits of what is good: 9 where all
    # is, 0 where bad.
    Instrument('OSIRIS', 'OSIRIS', ('INSTRUME=OSIRIS',), FIRST, flags='2', zero_is_bad=True),
)  # fmt: skip


def recognise(headers: Sequence[Mapping[str, Any]]) -> tuple[Instrument, str]:
    """The instrument of a file with these headers, and the cards that say so; `UNKNOWN` and ''
    where none does."""
    for instrument in INSTRUMENTS:
        for sign in instrument.signs:
            cards = {}
            for card, pattern in (word.split('=') for word in sign.split()):
                # Whichever header has it.
                values = (str(header[card]).strip() for header in headers if card in header)
                cards[card] = next(
                    (value for value in values if re.fullmatch(pattern, value, re.IGNORECASE)), None
                )
            if None not in cards.values():
                return instrument, ', '.join(f'{card} = {value!r}' for card, value in cards.items())
    return UNKNOWN, ''
