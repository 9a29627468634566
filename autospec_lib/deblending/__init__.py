"""The joint extraction of a source and its neighbours: `joint_extraction.extract`, which explains
the method."""
