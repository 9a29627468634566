"""One source from cube to files; several at a time; what is complete already; the log; the estimate of ``--check``."""
