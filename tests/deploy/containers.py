"""The containers of deploy/, read from its files: what each runs, and with which settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))

# The forms of the Compose specification that compose.yaml uses: ${NAME}, ${NAME-default},
# ${NAME:-default} and ${NAME:?error}.
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<sign>:?[-?])(?P<rest>[^}]*))?\}")


@dataclass(frozen=True)
class Container:
    """One container.

    Attributes:
        image: with its tag.
        words: of the command.
        environment: as the file sets it.
    """

    image: str
    words: tuple[str, ...]
    environment: Mapping[str, str]


def example_env() -> dict[str, str]:
    """The variables of example.env."""
    return {name: value or "" for name, value in dotenv_values(DEPLOY / "example.env").items()}


def compose_services(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The services of compose.yaml as Compose reads them, by name."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(
        VARIABLE.sub(lambda found: _value(found, variables), COMPOSE.read_text())
    )["services"]
    return services


def compose_containers(variables: Mapping[str, str]) -> dict[str, Container]:
    """The containers of compose.yaml that have a command, by the name of their service."""
    return {
        name: Container(
            service["image"], tuple(shlex.split(service["command"])), service.get("environment", {})
        )
        for name, service in compose_services(variables).items()
        if "command" in service
    }


def kubernetes_documents() -> Iterator[dict[str, Any]]:
    """All documents of kubernetes/."""
    for path in KUBERNETES:
        yield from yaml.safe_load_all(path.read_text())


def kubernetes_containers() -> dict[str, Container]:
    """The containers of kubernetes/, by their component."""
    return {
        document["metadata"]["labels"]["app.kubernetes.io/component"]: Container(
            container["image"], tuple(container["command"]), {}
        )
        for document in kubernetes_documents()
        if document["kind"] == "Deployment"
        for container in document["spec"]["template"]["spec"]["containers"]
    }


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    value = variables.get(found["name"])
    sign, rest = found["sign"] or "", found["rest"]
    is_missing = value is None or (sign.startswith(":") and not value)
    if is_missing and sign.endswith("?"):
        raise KeyError(f"{found['name']} is needed")
    if is_missing and sign.endswith("-"):
        return str(rest)
    return value or ""
