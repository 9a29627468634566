"""Spaxels and weights -> spectra: sums, optimal weights, continuum, cross-correlation, measured
noise."""
