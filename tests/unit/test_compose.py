"""What the compose file and the image promise, read from their text; `tests/compose/probe.py` tries them."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from background.settings import Settings
from tests.support import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = [name for name in SERVICES if name not in ("migrate", "secrets")]
OURS = [name for name in SERVICES if name not in ("redis", "postgres")]
SECRETS = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "API_KEYS", "FLOWER_BASIC_AUTH"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_services_are_those_that_documents_name() -> None:
    assert set(SERVICES) == {"api", "worker", "flower", "redis", "postgres", "migrate", "secrets"}
    assert SERVICES["postgres"]["image"] == "${POSTGRES_IMAGE:-postgres:17}"
    assert SERVICES["redis"]["image"] == "${REDIS_IMAGE:-redis:7}"
    assert SERVICES["postgres"]["container_name"] == "celery-postgres"
    assert SERVICES["redis"]["container_name"] == "celery-redis"
    assert COMPOSE["networks"]["celery-network"]["name"] == "celery-network"


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_published_on_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+", port), port


@pytest.mark.parametrize(
    ("name", "variable", "port"),
    [("api", "API", 8000), ("flower", "FLOWER", 5555), ("postgres", "POSTGRES", 5432), ("redis", "REDIS", 6379)],
)
def test_ports_can_be_moved(name: str, variable: str, port: int) -> None:
    assert SERVICES[name]["ports"] == [f"127.0.0.1:${{{variable}_PORT:-{port}}}:{port}"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_runs_on_is_watched_and_comes_back(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_has_more_than_he_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    assert service["pids_limit"]


def test_only_who_needs_it_reaches_a_server() -> None:
    reached = {name: set(service.get("networks", [])) for name, service in SERVICES.items()}
    assert {name for name in reached if reached[name] & reached["postgres"]} == {
        "api", "worker", "redis", "migrate", "postgres",
    }  # fmt: skip
    assert not reached["flower"] & reached["postgres"]
    assert not reached["migrate"] & reached["redis"]
    assert SERVICES["secrets"]["network_mode"] == "none"


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_secrets_are_files_and_only_of_those_who_need_them(name: str) -> None:
    service = SERVICES[name]
    assert not SECRETS & set(service.get("environment", {}))
    needed = {
        "api": {"postgres", "redis", "api"}, "worker": {"postgres", "redis"}, "flower": {"redis", "flower"},
        "postgres": {"postgres"}, "redis": {"redis"},
    }  # fmt: skip
    mounted = {volume for volume in service["volumes"] if "-secret:" in volume}
    assert mounted == {f"{secret}-secret:/secrets/{secret}:ro" for secret in needed[name]}


def test_keep(tmp_path: Path) -> None:
    """The script of the service `secrets`: random at first, then kept, and what .env says wins."""
    for name in ("postgres", "redis", "api", "flower"):
        (tmp_path / name).mkdir()
    script = SERVICES["secrets"]["command"][2].replace("$$", "$").replace("/secrets/", f"{tmp_path}/")
    files = [tmp_path / "postgres" / "password", tmp_path / "redis" / "password"]

    def run(**given: str) -> list[str]:
        subprocess.run(
            ["/bin/sh", "-euc", script], env={**os.environ, **dict.fromkeys(SECRETS, ""), **given}, check=True
        )
        return [path.read_text() for path in files]

    first = run()
    assert len(set(first)) == 2
    assert all(re.fullmatch("[0-9a-f]{48}", secret) for secret in first)
    assert run() == first
    odd = "a \\ $HOME 'b' \"c\" %s"
    assert run(REDIS_PASSWORD=odd) == [first[0], odd]
    assert run() == [first[0], odd]
    assert not list(tmp_path.rglob("*.new"))


@pytest.mark.parametrize("name", ["api", "worker"])
def test_the_application_waits_for_what_it_needs(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "ports"} & set(SERVICES["worker"])


def test_redis_keeps_and_never_drops_messages() -> None:
    configuration = SERVICES["redis"]["command"][2]
    assert "\nappendonly yes\n" in configuration
    assert "\nmaxmemory-policy noeviction\n" in configuration
    assert "requirepass" in configuration


def test_data_lies_in_named_volumes() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])


def test_every_setting_reaches_the_application() -> None:
    given = set(SERVICES["api"]["environment"])
    fixed_inside = {"POSTGRES_PORT", "REDIS_PORT", "API_PORT", "FLOWER_PORT", "DATA_DIR"}
    replaced = {"DATABASE_URL", "DATABASE_LISTEN_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}
    flowers = {"FLOWER_BASIC_AUTH"}
    files = {f"{name}_FILE" if name in SECRETS else name for name in (name.upper() for name in Settings.model_fields)}
    keys = {"API_KEYS_FILE"}
    assert given == (files | keys) - fixed_inside - replaced - {f"{name}_FILE" for name in flowers}


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in ("api", "secrets")])
def test_only_the_api_gets_the_keys(name: str) -> None:
    assert not [each for each in SERVICES[name].get("environment", {}) if each.startswith("API_KEYS")]


def test_the_image_is_slim_locked_and_runs_as_an_ordinary_user() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == ["${PYTHON_IMAGE}"] * 2
    assert "ARG PYTHON_IMAGE=python:3.13-slim\n" in DOCKERFILE
    assert "--require-hashes" in DOCKERFILE
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["playground"]
    assert not re.search(r"apt-get|build-essential|gcc", DOCKERFILE)
