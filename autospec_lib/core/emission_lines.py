"""Emission lines: where they are at rest, and the names that users give them."""

from __future__ import annotations

import re

SPEED_OF_LIGHT = 299792.458  # km/s
# Wavelengths in vacuum in Angstrom, of the first and the last line of a doublet (NIST, and SDSS for
# forbidden lines). The wavelengths in names are those in use: in air from 2000 Angstrom to 5 micron,
# in vacuum beyond.
LINES = {
    'LYALPHA': (1215.67,),
    'NV1240': (1238.82, 1242.80),
    'CIV1549': (1548.19, 1550.77),
    'HEII1640': (1640.42,),
    'CIII1909': (1906.68, 1908.73),
    'MGII2798': (2796.35, 2803.53),
    'NEV3426': (3426.85,),
    'OII': (3727.092, 3729.875),
    'NEIII3869': (3869.86,),
    'H8': (3889.75,),
    'HEPSILON': (3971.20,),
    'HDELTA': (4102.892,),
    'HGAMMA': (4341.684,),
    'OIII4363': (4364.436,),
    'HEII4686': (4687.02,),
    'HBETA': (4862.683,),
    'OIII4959': (4960.295,),
    'OIII5007': (5008.240,),
    'NII5755': (5756.19,),
    'HEI5876': (5877.249,),
    'OI6300': (6302.046,),
    'NII6548': (6549.85,),
    'HALPHA': (6564.614,),
    'NII6583': (6585.27,),
    'SII6716': (6718.29,),
    'SII6731': (6732.67,),
    'SII': (6718.29, 6732.67),
    'ARIII7136': (7137.77,),
    'SIII9069': (9071.1,),
    'SIII9531': (9533.2,),
    'HEI10830': (10833.2,),
    'PAGAMMA': (10941.1,),
    'PABETA': (12821.6,),
    'FEII16436': (16440.0,),
    'PAALPHA': (18756.1,),
    'BRGAMMA': (21661.2,),
    'ARII69853': (69852.7,),
    'ARIII89914': (89913.8,),
    'SIV105105': (105104.9,),
    'NEII128136': (128135.5,),
    'NEIII155551': (155550.5,),
    'SIII187130': (187130.0,),
}
# What is meant by the name of an ion alone.
_USUAL = {'NII': 'NII6583', 'OIII': 'OIII5007', 'NEIII': 'NEIII3869'}
_LETTERS = str.maketrans({'Α': 'A', 'Β': 'B', 'Γ': 'G', 'Δ': 'D', 'Ε': 'EPSILON', 'Λ': ''})
_SHORT = {
    **{'LYMAN': 'LY', 'BALMER': 'H', 'PASCHEN': 'PA', 'BRACKETT': 'BR'},
    **{'ALPHA': 'A', 'BETA': 'B', 'GAMMA': 'G', 'DELTA': 'D'},
}
_SAME_LINE = 1.5e-3  # relative difference up to which a wavelength in a name is that of a line


def find(name: str) -> str | None:
    """The key in `LINES` of a line in any usual spelling, None if there is none: 'Ha', '[O III]
    5007', '[NeII]12.8um'.

    Wavelengths may be in air or vacuum, in Angstrom or, below 100, in micron. An ion with several
    lines needs one, unless one of them is by far the most common.
    """
    plain = _short(re.sub('[^A-Z0-9.]', '', name.upper().translate(_LETTERS)))
    match = re.fullmatch(r'([A-Z]+?)(?:(\d+\.?\d*)(?:A|ANGSTROMS?|U?M|MICRONS?)?)?', plain)
    if plain in LINES or match is None:
        return plain if plain in LINES else None
    species, digits = match.groups()
    same = [key for key in LINES if _short(key).rstrip('0123456789') == species]
    if digits is None:
        if len(same) == 1:
            return same[0]
        usual = _USUAL.get(species, species)
        return usual if usual in LINES else None
    wave = float(digits) * (1e4 if float(digits) < 100 else 1)
    apart = {key: min(abs(wave / line - 1) for line in LINES[key]) for key in same}
    # A single line comes before the doublet that it is in.
    nearest = min(same, key=lambda key: (apart[key], len(LINES[key])), default='')
    return nearest if nearest and apart[nearest] < _SAME_LINE else None


def _short(name: str) -> str:
    for word, short in _SHORT.items():
        name = name.replace(word, short)
    return name
