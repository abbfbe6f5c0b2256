"""Where the servers of a benchmark are, as everybody's URLs have it."""

import os


def postgres(driver: str = "postgresql") -> str:
    """The URL of the database."""
    login = f"{os.environ['POSTGRES_USER']}:{os.environ['POSTGRES_PASSWORD']}"
    return f"{driver}://{login}@127.0.0.1:{os.environ['POSTGRES_PORT']}/{os.environ['POSTGRES_DB']}"


def redis() -> str:
    """The URL of the broker."""
    return f"redis://:{os.environ['REDIS_PASSWORD']}@127.0.0.1:{os.environ['REDIS_PORT']}/0"
