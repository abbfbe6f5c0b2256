"""Everything on one machine: embedded PostgreSQL and Valkey, and the processes that `run.py` starts."""
