"""What the compose file and the image promise, read from their text; `tests/compose/probe.py` tries them."""

import re
from typing import Any

import pytest
import yaml

from background.settings import KeySettings, Settings
from tests.support import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = [name for name in SERVICES if name != "migrate"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_services_are_those_of_the_readme() -> None:
    assert set(SERVICES) == {"api", "worker", "flower", "redis", "postgres", "migrate"}
    assert SERVICES["postgres"]["image"] == "postgres:17"
    assert SERVICES["redis"]["image"] == "redis:7"
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
    assert SERVICES[name]["networks"] == ["celery-network"]


@pytest.mark.parametrize("name", ["api", "worker", "flower"])
def test_the_application_waits_for_what_it_needs(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "ports"} & set(SERVICES["worker"])


def test_redis_keeps_and_never_drops_messages() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_data_lies_in_named_volumes() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])


def test_every_setting_reaches_the_application() -> None:
    given = set(SERVICES["api"]["environment"])
    fixed_inside = {"POSTGRES_PORT", "REDIS_PORT", "API_PORT", "FLOWER_PORT", "DATA_DIR"}
    replaced = {"DATABASE_URL", "DATABASE_LISTEN_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}
    known = {*Settings.model_fields, *KeySettings.model_fields}
    assert given == {name.upper() for name in known} - fixed_inside - replaced


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "api"])
def test_only_the_api_gets_the_keys(name: str) -> None:
    assert not [each for each in SERVICES[name].get("environment", {}) if each.startswith("API_KEYS")]


def test_the_image_is_slim_locked_and_runs_as_an_ordinary_user() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == ["python:3.13-slim"] * 2
    assert "--require-hashes" in DOCKERFILE
    assert re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE) == ["playground"]
    assert not re.search(r"apt-get|build-essential|gcc", DOCKERFILE)
