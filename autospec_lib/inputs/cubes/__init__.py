"""The datacube of any instrument: what its headers say of extensions, noise, flags, units and axes."""
