"""Jobs, runs and reports that ended longer ago than `RETENTION_DAYS` are deleted, a little at a time."""
