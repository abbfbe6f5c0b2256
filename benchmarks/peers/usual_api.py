"""How the usual design takes jobs."""

from fastapi import FastAPI

from benchmarks.peers.usual import create_job

app = FastAPI()


@app.post("/jobs", status_code=201)
def submit() -> dict[str, int]:
    """Store and publish a job."""
    return {"job_id": create_job()}
