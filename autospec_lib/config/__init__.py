"""What the user sets: ``param.py`` and ``default.sex``, read and checked."""
