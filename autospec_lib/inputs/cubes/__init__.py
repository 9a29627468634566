"""The datacube: what its headers say, of any instrument."""
