"""Images -> segmentation maps -> masks of source and sky."""
