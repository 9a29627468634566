"""The two demonstration folders and the simulated field."""
