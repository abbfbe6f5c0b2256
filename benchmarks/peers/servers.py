"""Where the servers of a benchmark are, as everybody's URLs have it."""

from os import environ as _environ


def postgres(driver: str = "postgresql") -> str:
    """The URL of the database."""
    login = f"{_environ['POSTGRES_USER']}:{_environ['POSTGRES_PASSWORD']}"
    return f"{driver}://{login}@127.0.0.1:{_environ['POSTGRES_PORT']}/{_environ['POSTGRES_DB']}"


def redis() -> str:
    """The URL of the broker."""
    return f"redis://:{_environ['REDIS_PASSWORD']}@127.0.0.1:{_environ['REDIS_PORT']}/0"
