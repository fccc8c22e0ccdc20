"""The Dockerfile and the examples in deploy/: what they name is there, and the commands they run are ours."""

from __future__ import annotations

import re
import shlex
import tomllib
from configparser import ConfigParser
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

import pytest
import typer
import yaml

from tuner.cli.app import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# The fields of KubeRay's API reference (v1.6) that we use; the templates in it are Kubernetes' own.
RAY_JOB = {"entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec"}
RAY_CLUSTER = {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"}
WORKERS = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}


def load(name):
    return yaml.safe_load((DEPLOY / name).read_text())


def dockerfile():
    """The Dockerfile's instructions: their names, and the rest of their lines."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


# ------------------------------------------------------------ the image


def test_the_image_stands_on_a_pinned_one_and_is_nobodys_root():
    instructions = dockerfile()
    stages = {rest.split(" AS ")[-1] for name, rest in instructions if name == "FROM"}
    bases = {rest.split()[0] for name, rest in instructions if name == "FROM"} - stages
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases)
    named = dict(instructions)
    assert named["USER"] == "10001:10001"
    assert {"HEALTHCHECK", "ENTRYPOINT", "CMD"} <= {*named}


def test_the_image_is_made_of_files_that_are_there_and_of_no_others():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    allowed = {line[1:] for line in ignore if line.startswith("!")}
    copied = [words for name, rest in dockerfile() if name == "COPY" for words in [shlex.split(rest)]]
    here = chain.from_iterable(
        [word for word in words[:-1] if not word.startswith("--")]
        for words in copied
        if not any(word.startswith("--from") for word in words)
    )
    assert {*here} == allowed
    assert all((ROOT / name).exists() for name in allowed)


def test_the_image_has_the_extras_that_there_are():
    (installed,) = re.findall(r"'\.\[([\w,]+)\]'", (ROOT / "Dockerfile").read_text())
    assert {*installed.split(",")} <= {*PROJECT["optional-dependencies"]}


# ------------------------------------------------------------ Kubernetes


def test_the_ray_job_has_fields_that_kuberay_knows():
    job = load("kuberay-rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert {*job["spec"]} <= RAY_JOB
    cluster = job["spec"]["rayClusterSpec"]
    assert {*cluster} <= RAY_CLUSTER
    assert cluster["authOptions"] == {"mode": "token"}
    assert {*cluster["headGroupSpec"]} == {"rayStartParams", "template"}
    for group in cluster["workerGroupSpecs"]:
        assert {*group} == WORKERS
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_the_versions_are_those_of_the_image():
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert f"ray=={load('kuberay-rayjob.yaml')['spec']['rayClusterSpec']['rayVersion']}" in pins
    assert {pod["containers"][0]["image"] for pod in pods()} == {f"registry.example.com/tuner:{PROJECT['version']}"}


def test_pods_run_as_nobody_in_particular_with_their_volumes_there():
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]
            values = " ".join(variable["value"] for variable in container.get("env", ()))
            assert not re.search(r"//[^/@]*:[^/@]*@", values), "a password stands in a URL"


def pods():
    cluster = load("kuberay-rayjob.yaml")["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    cron = load("cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]
    return [template["spec"] for template in [*(group["template"] for group in groups), cron]]


# ------------------------------------------------------------ the commands they run


def commands():
    """Every command of ours that a file of the deployment, or a page about it, runs."""
    yield from (
        service["command"] for service in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    )
    yield shlex.split(load("kuberay-rayjob.yaml")["spec"]["entrypoint"])
    yield pods()[-1]["containers"][0]["command"]
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(DEPLOY / "tuner.service")
    yield ["tuner", *shlex.split(unit["Service"]["ExecStart"])[1:]]
    yield from (shlex.split(found) for found in re.findall(r"\((tuner [^|)]*)", (DEPLOY / "slurm.sh").read_text()))
    for page in ("README.md", "docs/deploy.md", "docker-compose.yml", "deploy/cronjob.yaml"):
        for found in re.findall(
            r"^[# ]*(?:docker compose run --rm tuner )?(tuner [^\n`]*)", (ROOT / page).read_text(), re.MULTILINE
        ):
            yield shlex.split(re.split(r"\s{2,}|\s#", found)[0])


@pytest.mark.parametrize("words", [words for words in commands() if words[0] == "tuner"], ids=" ".join)
def test_every_command_is_one_that_the_command_line_knows(words):
    parse(typer.main.get_command(app), words[1:])


@pytest.mark.parametrize("words", ["tuner serve --hots x", "tuner sumbit a.yaml", "tuner token add me"])
def test_a_command_that_is_none_is_found(words):
    with pytest.raises(Exception, match=r"hots|sumbit|role"):
        parse(typer.main.get_command(app), words.split()[1:])


def parse(command, words):
    """Read a command line as far as running it; raises what the command line would say."""
    if not hasattr(command, "commands"):
        return command.make_context(command.name, [*words])
    known = [place for place, word in enumerate(words) if word in command.commands]
    assert known, f"no command of {command.name}: {words}"
    return parse(command.commands[words[known[0]]], words[known[0] + 1 :])


def test_nothing_else_lies_in_the_folder():
    known = ("*.yaml", "*.sh", "*.sql", "*.ini", "*.service", "healthy", "make-secrets", "with-pgpass", "secrets")
    assert all(any(fnmatch(file.name, kind) for kind in known) for file in DEPLOY.iterdir())
