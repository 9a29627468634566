"""From images to segmentation maps, and from these to the masks of source and sky."""
