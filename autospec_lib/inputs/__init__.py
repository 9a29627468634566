"""Files of catalogue, cube, images and maps -> `Target`, `OpenCube` and `Cutout`. Degrees and
arcsec end here."""
