"""Live events of jobs and runs, as server-sent events from the append-only logs in PostgreSQL."""
