"""From spaxels and weights to spectra: sums, optimal weights, continuum, cross-correlation, measured noise."""
