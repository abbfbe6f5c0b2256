"""What to do about what is wrong, for `doctor`: by the words of the server that refuses, or else by the subject."""

MIGRATE = "python -m background migrate"

_RIGHT = {
    "pipelines": "name modules in PIPELINES that can be imported, and declare their pipelines as it says",
    "PostgreSQL": "start it, or set POSTGRES_HOST … POSTGRES_DB or DATABASE_URL right",
    "Redis": "start it, or set REDIS_HOST … REDIS_PASSWORD or CELERY_BROKER_URL right",
    "result backend": "start it, or set CELERY_RESULT_BACKEND right; without that it is the broker's Redis",
    "DATA_DIR": "make it writable for this user, make room, or name another directory",
}
_LOGIN = {
    "PostgreSQL": "set POSTGRES_USER and POSTGRES_PASSWORD, or those of DATABASE_URL, right",
    "Redis": "set REDIS_PASSWORD, or the login in CELERY_BROKER_URL, right",
    "result backend": "set the login in CELERY_RESULT_BACKEND (or that of the broker) right",
}
_BY_STATE = {
    "25006": "name the primary in POSTGRES_HOST or DATABASE_URL, or let it take writes (default_transaction_read_only)",
    "42501": "give this user its rights on the tables, or name their owner in POSTGRES_USER or DATABASE_URL",
    "53100": "make room on the disk of PostgreSQL",
}
"""By PostgreSQL's SQLSTATE, which is not there where it refuses a connection."""
_BY_WORDS = {
    # PostgreSQL and PgBouncer
    "no schema yet": MIGRATE,
    "statement pooling": "set pool_mode = transaction in PgBouncer",
    "pg_hba.conf": "let this user in from here (pg_hba.conf), with or without SSL as it says",
    "SSL": "see that sslmode in DATABASE_URL and the certificates fit what the server offers",
    "too many clients": "raise max_connections, stop what holds connections, or put PgBouncer between",
    "connection slots": "raise max_connections, stop what holds connections, or put PgBouncer between",
    "starting up": "wait until it has started",
    "shutting down": "start it again",
    "recovery": "wait until it has recovered, or name the primary",
    # Redis and Valkey
    "NOPERM": "give this user its rights (ACL SETUSER): all keys and channels, and the commands that Celery uses",
    "DENIED": "give Redis a password, or turn protected-mode off where only friends can reach it",
    "READONLY": "name the primary in REDIS_HOST or CELERY_BROKER_URL: this is a replica",
    "NOREPLICAS": "start the replicas of Redis that min-replicas-to-write asks for",
    "MASTERDOWN": "name the primary in REDIS_HOST or CELERY_BROKER_URL: this is a replica that has lost it",
    "OOM": "raise maxmemory of Redis, or remove what fills it",
    "MISCONF": "make room on the disk of Redis, or make it writable: it cannot save",
    "LOADING": "wait until Redis has read its data",
    "max number of clients": "raise maxclients of Redis, or stop what holds connections",
    "CLUSTERDOWN": "name a Redis that is no cluster",
    "DB index": "choose a database that is there: 0 to databases - 1, only 0 in a cluster",
}
_REFUSED_LOGIN = ("authentication", "no password supplied", "role ", "NOAUTH", "WRONGPASS", "invalid password", "AUTH")


def unreachable(subject: str) -> str:
    """What to do where it does not answer at all, or its own words say no more."""
    return _RIGHT[subject]


def of(subject: str, words: str, state: str | None = None) -> str:
    """What to do about these words, which a server said or which tell of it; `state` is PostgreSQL's SQLSTATE."""
    if state in _BY_STATE:
        return _BY_STATE[state]
    if subject in _LOGIN and any(each in words for each in _REFUSED_LOGIN):
        return _LOGIN[subject]
    if 'database "' in words and "does not exist" in words:
        return MIGRATE
    return next((to_do for found, to_do in _BY_WORDS.items() if found in words), unreachable(subject))
