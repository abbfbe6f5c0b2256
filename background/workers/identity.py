"""Who this worker is."""

from uuid import uuid4

WORKER_ID = str(uuid4())
"""This worker's identity: new at each start, whatever its node name. Forked children share it."""
