"""Products to files: MPDAF Source files and pictures."""
