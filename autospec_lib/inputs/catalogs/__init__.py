"""The catalogue: any table of sources -> `Target`s."""
