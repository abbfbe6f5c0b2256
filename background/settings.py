"""Everything that can be configured, and the only place that reads the environment (or `.env`)."""

import errno
import tempfile
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

from pydantic import AnyHttpUrl, Field, PositiveInt, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from background.base import api_keys, redis_url
from background.base.api_keys import ApiKey
from background.base.errors import said
from background.base.hosts import host
from background.base.secret_files import SecretFiles, UnusableSecret
from background.base.signatures import key_of

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

LEAST_SECRET_BYTES = 16
MOST_TIME_LIMIT = 3650 * 86_400
"""PostgreSQL has an end of time, behind which a step may not end."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
"""A full disk may have room again later: no reason not to start."""


CONFIG = SettingsConfigDict(
    env_file=".env",
    # Some editors begin a file with a byte order mark.
    env_file_encoding="utf-8-sig",
    extra="ignore",
    allow_inf_nan=False,
    hide_input_in_errors=True,
    env_ignore_empty=True,
)


def _listed(value: str) -> list[str]:
    return [each.strip() for each in value.split(",")]


def _libpq_hosts(value: str) -> str:
    """What libpq takes: hosts with commas between them, or directories of Unix sockets. Raises `ValueError`."""
    return ",".join(each if each.startswith("/") else host(each) for each in value.split(",")) if value else value


class Settings(BaseSettings):
    """One field per variable; the variable's name is the field's in capitals.

    A secret, that is a `SecretStr`, may be read from a file instead: its name with `_FILE` at the end names it.
    """

    model_config = CONFIG

    postgres_host: str = "localhost"
    postgres_port: int = Field(5432, ge=1, le=65535)
    postgres_user: str = "postgres"
    postgres_password: SecretStr = SecretStr("postgres")
    postgres_db: str = "celery_jobs"
    database_url: SecretStr | None = None
    database_listen_url: SecretStr | None = None

    redis_host: str = "localhost"
    redis_port: int = Field(6379, ge=1, le=65535)
    redis_password: SecretStr | None = None
    celery_broker_url: SecretStr | None = None
    celery_result_backend: SecretStr | None = None

    api_host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=1, le=65535)
    flower_port: int = Field(5555, ge=1, le=65535)
    flower_basic_auth: SecretStr | None = None
    allowed_hosts: str | None = None
    requests_per_minute: PositiveInt = 120_000
    max_streams: PositiveInt = 500
    flower_url: AnyHttpUrl | None = None
    web_sources: bool = False

    data_dir: Path = Path("data")
    max_upload_bytes: PositiveInt = 20 * 1024 * 1024
    max_output_bytes: PositiveInt = 1024 * 1024
    retention_days: float | None = Field(None, gt=0, le=36500)

    step_seconds: float = Field(5, ge=0, le=3600)
    lease_seconds: float = Field(15, ge=1, le=3600)
    max_attempts: int = Field(3, ge=1, le=100)
    job_time_limit: int = Field(3600, ge=1, le=MOST_TIME_LIMIT)

    callback_secret: SecretStr | None = None
    callback_private: bool = False

    pipelines: str = "background.pipelines"

    log_format: Literal["text", "json"] = "text"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - what calls this decides what it hands over
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and that over `.env`; in either a secret may be named by its file."""
        files = SecretFiles(settings_cls, env_settings, dotenv_settings)
        return init_settings, files, env_settings, dotenv_settings

    @field_validator("database_url", "database_listen_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                url = make_url(value.get_secret_value())
            except (ArgumentError, ValueError):
                url = make_url("unreadable://")
            if url.get_backend_name() not in ("postgresql", "postgres"):
                raise ValueError("must be a URL such as postgresql://user:password@host:5432/name")
            _libpq_hosts(url.host or "")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _are_names(cls, value: str | None) -> str | None:
        if value is None or value == "*":
            return value
        try:
            return ",".join(f"{'*.' * each.startswith('*.')}{host(each.removeprefix('*.'))}" for each in _listed(value))
        except ValueError:
            raise ValueError("must be names of hosts, e.g. jobs.example.com,*.example.com, or * for any") from None

    @field_validator("celery_broker_url")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else SecretStr(redis_url.normalized(value.get_secret_value()))

    @field_validator("celery_result_backend")
    @classmethod
    def _is_backend(cls, value: SecretStr | None) -> SecretStr | None:
        """Others than Redis only Celery itself can judge."""
        if value is not None and value.get_secret_value().partition("://")[0] in redis_url.SCHEMES:
            return SecretStr(redis_url.normalized(value.get_secret_value()))
        return value

    @field_validator("api_host", "redis_host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        """An IPv6 address with or without brackets."""
        return host(value)

    @field_validator("postgres_host")
    @classmethod
    def _are_hosts(cls, value: str) -> str:
        return _libpq_hosts(value)

    @field_validator("flower_basic_auth")
    @classmethod
    def _are_logins(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not all(
            user and password
            for user, _, password in (each.partition(":") for each in value.get_secret_value().split(","))
        ):
            raise ValueError("must be user:password; several have commas between them")
        return value

    @field_validator("callback_secret")
    @classmethod
    def _can_sign(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            usable = value is None or len(key_of(value.get_secret_value())) >= LEAST_SECRET_BYTES
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(f"must have {LEAST_SECRET_BYTES} bytes or more, as they are or behind whsec_ in base64")
        return value

    @field_validator("data_dir")
    @classmethod
    def _can_be_written(cls, value: Path) -> Path:
        """Whether a directory, or the one in which it would be made, can be written to.

        A file without a name is tried: of /proc the rights alone say nothing.
        """
        found = value.absolute()
        try:
            while not found.exists():
                found = found.parent
        except OSError as error:
            raise ValueError(f"{found}: {error.strerror}") from None
        if not found.is_dir():
            raise ValueError(f"{found} is not a directory")
        try:
            tempfile.TemporaryFile(dir=found).close()
        except OSError as error:
            if error.errno not in _FULL:
                raise ValueError(f"{found} cannot be written to") from None
        return value

    @property
    def sqlalchemy_url(self) -> URL:
        """Where PostgreSQL is, with the driver named (SQLAlchemy 2.1 would choose psycopg 3 by itself)."""
        if self.database_url is not None:
            return make_url(self.database_url.get_secret_value()).set(drivername="postgresql+psycopg2")
        return URL.create(
            "postgresql+psycopg2",
            username=self.postgres_user,
            password=self.postgres_password.get_secret_value(),
            host=self.postgres_host,
            port=self.postgres_port,
            database=self.postgres_db,
        )

    @property
    def listen_url(self) -> URL | None:
        """Where PostgreSQL is found without a pooler, if that is somewhere else."""
        if self.database_listen_url is None:
            return None
        return make_url(self.database_listen_url.get_secret_value()).set(drivername="postgresql+psycopg2")

    @property
    def broker_url(self) -> str:
        """The Redis URL of the message queue, normalized (see `redis_url`)."""
        if self.celery_broker_url is not None:
            return self.celery_broker_url.get_secret_value()
        secret = self.redis_password.get_secret_value() if self.redis_password else ""
        login = f":{quote(secret, safe='')}@" if secret else ""
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
        return f"redis://{login}{host}:{self.redis_port}/0"

    @property
    def result_backend(self) -> str:
        """Where Celery keeps the results of canvas tasks; the broker unless told otherwise."""
        if self.celery_result_backend is not None:
            return self.celery_result_backend.get_secret_value()
        return self.broker_url


class KeySettings(BaseSettings):
    """The API's keys, or where they are. Apart from the others: no process but the API has any use for them."""

    model_config = CONFIG

    api_keys: SecretStr | None = None
    api_keys_file: Path | None = None

    @field_validator("api_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            api_keys.parse(value.get_secret_value())
        return value

    @field_validator("api_keys_file")
    @classmethod
    def _is_the_only_one(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("api_keys") is not None:
            raise ValueError("API_KEYS is set as well; only one of the two can be")
        return value

    @property
    def environment(self) -> dict[str, str]:
        """What gives another process the same keys."""
        given = {"API_KEYS": self.api_keys and self.api_keys.get_secret_value(), "API_KEYS_FILE": self.api_keys_file}
        return {name: str(value) for name, value in given.items() if value is not None}


@cache
def get_settings() -> Settings:
    """The settings of this process, read once.

    Raises `SystemExit` with one line that names the variable when a value cannot be used.
    """
    return _read(Settings)


@cache
def get_key_settings() -> KeySettings:
    """Where the API's keys are, read once. Raises `SystemExit` as `get_settings` does."""
    return _read(KeySettings)


def read_api_keys() -> tuple[ApiKey, ...]:
    """The keys of which every request needs one; none if everybody may ask. A file is read now, and each time.

    Raises `SystemExit` with one line that names the variable.
    """
    settings = get_key_settings()
    if settings.api_keys_file is None:
        return api_keys.parse(settings.api_keys.get_secret_value()) if settings.api_keys else ()
    try:
        return api_keys.parse(settings.api_keys_file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = error.strerror or "it cannot be read"
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except ValueError as error:
        reason = str(error)
    raise SystemExit(f"API_KEYS_FILE: {settings.api_keys_file}: {reason}")


def _read(kind: type[SettingsT]) -> SettingsT:
    try:
        return kind()
    except ValidationError as error:
        first = error.errors()[0]
        raise SystemExit(f"{str(first['loc'][0]).upper()}: {said(first)}") from None
    except UnusableSecret as error:
        raise SystemExit(str(error)) from None
    except UnicodeDecodeError as error:
        raise SystemExit(f".env: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
