"""Settings that are secret, read from the files that other variables name."""

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource


class UnusableSecret(Exception):
    """A secret cannot be had from its file; the text is one line that names the variable."""


class SecretFiles(PydanticBaseSettingsSource):
    """Every secret may come from a file: `POSTGRES_PASSWORD_FILE` names one that holds `POSTGRES_PASSWORD`.

    A field of type `SecretStr` is a secret. The line end at the end of the file is no part of it.
    """

    def __init__(self, settings_cls: type[BaseSettings], *given: PydanticBaseSettingsSource) -> None:
        """`given`: where variables are looked for, the one that wins first."""
        super().__init__(settings_cls)
        self._variables: dict[str, str | None] = {}
        for source in reversed(given):
            if isinstance(source, EnvSettingsSource):
                self._variables |= source.env_vars

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The secret, or `None` where no file is named. Raises `UnusableSecret`."""
        path = self._variables.get(f"{field_name}_file")
        if path is None or "SecretStr" not in str(field.annotation):
            return None, field_name, False
        name = f"{field_name}_file".upper()
        if self._variables.get(field_name) is not None:
            raise UnusableSecret(f"{name}: {field_name.upper()} is set as well, and only one of them can be meant")
        return _read_secret(name, path), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All secrets that come from files, by the names of their fields. Raises `UnusableSecret`."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _read_secret(name: str, path: str) -> str:
    try:
        text = Path(path).read_bytes().decode()
    except OSError as error:
        raise UnusableSecret(f"{name}: {path}: {error.strerror}") from None
    except ValueError:
        raise UnusableSecret(f"{name}: {path} is not UTF-8 text") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise UnusableSecret(f"{name}: {path} is empty")
    return secret
