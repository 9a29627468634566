"""What all other folders share: types, errors, keys, geometry, the Moffat PSF. It imports no other
folder."""
