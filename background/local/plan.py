"""What has to be started on this machine, and on which ports: decided before anything starts."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlalchemy.engine import URL

from background.base.hosts import http_url
from background.local.checks import free_port, require_free
from background.local.children import LocalError
from background.local.permissions import close_off, kept_secret
from background.local.postgres import EmbeddedPostgres
from background.local.server import HOST, Server
from background.local.valkey import EmbeddedValkey
from background.settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """`settings` are those of the children, `env` what makes them so, `servers` what runs here for them.

    `secrets` are the files of the passwords that these servers were given, by the names of the settings.
    """

    settings: Settings
    env: dict[str, str]
    servers: list[Server]
    secrets: dict[str, Path]

    @property
    def api(self) -> str:
        """The address of the API, as seen from this machine."""
        return http_url(self.settings.api_host, self.settings.api_port)

    @property
    def flower(self) -> str:
        """The address of Flower."""
        return f"http://{HOST}:{self.settings.flower_port}"

    @property
    def postgres(self) -> str:
        """The URL of PostgreSQL without its password."""
        url = self.settings.sqlalchemy_url
        shown = URL.create("postgresql", username=url.username, host=url.host, port=url.port, database=url.database)
        return shown.render_as_string()

    @property
    def broker(self) -> str:
        """The URL of Redis without its password."""
        url = urlsplit(self.settings.broker_url)
        return url._replace(netloc=url.netloc.rpartition("@")[2], query="").geturl()


def make_plan(settings: Settings, home: Path, **changes: object) -> Plan:
    """Embedded servers, with their data below `home`, for those that `settings` name no other for.

    They have passwords of their own, made once and kept in `home`, unless `settings` have some. `changes` are further
    settings for the children. Raises `LocalError` where a port that was asked for is taken.
    """
    close_off(home / "logs")
    chosen = settings.model_fields_set
    servers: list[Server] = []
    secrets: dict[str, Path] = {}
    if not chosen & {"postgres_host", "database_url"}:
        port = _port(settings, "postgres_port", what="PostgreSQL")
        changes |= {"postgres_host": HOST, "postgres_port": port}
        if "postgres_password" not in chosen:
            secrets["postgres_password"] = home / "secrets" / "postgres-password"
    if not chosen & {"redis_host", "celery_broker_url"}:
        port = _port(settings, "redis_port", what="Valkey")
        changes |= {"redis_host": HOST, "redis_port": port}
        if "redis_password" not in chosen:
            secrets["redis_password"] = home / "secrets" / "redis-password"
    passwords = {name: SecretStr(kept_secret(path)) for name, path in secrets.items()}
    final = settings.model_copy(update=changes | passwords)
    if "postgres_host" in changes:
        servers.append(
            EmbeddedPostgres(
                home / "postgres",
                final.postgres_port,
                user=final.postgres_user,
                password=final.postgres_password.get_secret_value(),
                database=final.postgres_db,
                log=home / "logs" / "postgres.log",
            )
        )
    if "redis_host" in changes:
        password = final.redis_password
        servers.append(
            EmbeddedValkey(
                home / "valkey",
                final.redis_port,
                password=password.get_secret_value() if password else None,
                log=home / "logs" / "valkey.log",
            )
        )
    env = {name.upper(): str(value) for name, value in changes.items()}
    env |= {f"{name.upper()}_FILE": str(path) for name, path in secrets.items()}
    return Plan(settings=final, env=env, servers=servers, secrets=secrets)


def require_ports(settings: Settings) -> None:
    """Raises `LocalError` where the API or Flower cannot listen: people look for them there, so they never move."""
    require_free(settings.api_host, settings.api_port, what="the API", variable="API_PORT")
    require_free(HOST, settings.flower_port, what="Flower", variable="FLOWER_PORT")
    if settings.api_port == settings.flower_port:
        raise LocalError(f"Port {settings.api_port} is meant for the API and for Flower: set FLOWER_PORT.")


def _port(settings: Settings, field: str, *, what: str) -> int:
    """The port that was asked for, or else the usual one, or any other where that is taken."""
    port = int(getattr(settings, field))
    if field in settings.model_fields_set:
        require_free(HOST, port, what=what, variable=field.upper())
        return port
    return free_port(HOST, port)
