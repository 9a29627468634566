"""Redshifts of spectra: lines, candidates and their probabilities. `estimate` is the way in."""
