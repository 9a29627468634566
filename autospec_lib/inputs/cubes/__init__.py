"""The datacube of any instrument: what its headers say of extensions, noise, mask, units and axes."""
