"""AutoSpec: spectra of catalogued sources from integral-field datacubes."""

__version__ = '2.0.0'
