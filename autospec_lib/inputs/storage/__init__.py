"""Arrays in FITS files, read box by box."""
