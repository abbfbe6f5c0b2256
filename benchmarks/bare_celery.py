"""`celery -A benchmarks.bare_celery worker`: two tasks of Celery as it is, in a database of their own of our Redis."""

from celery import Celery

from background.settings import get_settings

address = f"{get_settings().broker_url.rpartition('/')[0]}/7"
app = Celery("bare", broker=address, backend=address)


@app.task
def add(x: float, y: float) -> float:
    """What `background.task.test_tasks.add` does."""
    return x + y


@app.task
def xsum(numbers: list[float]) -> float:
    """What `background.task.test_tasks.xsum` does."""
    return sum(numbers)
