"""Catalogue, cube, images and maps: files, headers, degrees and arcsec in; `Target`, `Cube` and `Cutout` out."""
