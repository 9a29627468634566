"""Running: one source from cube to files; several at a time; resuming; interruption; log; estimate
of ``--check``."""
