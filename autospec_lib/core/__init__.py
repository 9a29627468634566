"""What the parts hand to one another: types, errors, keys, geometry, the Moffat PSF; it imports no other part."""
