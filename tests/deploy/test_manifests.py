"""The files of deploy/ before their schemas, their linters and the code that they speak of."""

from __future__ import annotations

import importlib
import subprocess
import sysconfig
from datetime import timedelta
from pathlib import Path
from typing import Any

import dask
import kubernetes_validate
import pytest
import yaml
from prefect.cli.deploy._models import (
    ConcurrencyLimitSpec,
    DeploymentConfig,
    PrefectYamlModel,
    RawScheduleConfig,
    WorkPoolConfig,
)
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.related import tags_as_related_resources
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.events.schemas.events import Resource
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.server.events.schemas.automations import EventTrigger as ServerEventTrigger
from prefect.settings import Settings
from prefect_redis.client import RedisMessagingSettings

from flows.worker_devices import THREAD_SETTINGS
from tests.deploy.containers import (
    COMPOSE,
    DEPLOY,
    VARIABLE,
    compose_containers,
    compose_services,
    example_env,
    kubernetes_containers,
    kubernetes_documents,
)

ROOT = DEPLOY.parent
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PREFECT: dict[str, Any] = yaml.safe_load((DEPLOY / "prefect.yaml").read_text())


def check(*words: str) -> None:
    """Run a linter of this environment."""
    program = Path(sysconfig.get_path("scripts")) / words[0]
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    check("hadolint", str(DEPLOY / "Dockerfile"))


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    kept = {
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        word
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_compose_follows_its_schema() -> None:
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE))


def test_compose_asks_for_no_variable_that_the_example_lacks() -> None:
    given = example_env()
    asked = {found["name"]: found["sign"] for found in VARIABLE.finditer(COMPOSE.read_text())}
    assert set(given) == set(asked)
    assert all(given[name] for name, sign in asked.items() if sign and sign.endswith("?"))
    with pytest.raises(KeyError, match="POSTGRES_PASSWORD"):
        compose_services({**given, "POSTGRES_PASSWORD": ""})


def test_compose_speaks_only_of_services_and_volumes_that_it_has() -> None:
    whole = yaml.safe_load(COMPOSE.read_text())
    services = compose_services(example_env())
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        for volume in service.get("volumes", ()):
            origin = volume.partition(":")[0]
            assert origin.startswith(("/", "./")) or origin in whole["volumes"], name
            if origin.startswith("./"):
                assert (DEPLOY / origin).exists(), name


def test_the_servers_settings_are_prefects(monkeypatch: pytest.MonkeyPatch) -> None:
    containers = compose_containers(example_env())
    environment = containers["prefect-server"].environment
    assert containers["prefect-services"].environment == environment
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    server = Settings().server
    redis = RedisMessagingSettings()
    url = server.database.connection_url
    assert url is not None
    assert {
        "PREFECT_API_DATABASE_CONNECTION_URL": url.get_secret_value(),
        "PREFECT_MESSAGING_BROKER": server.events.messaging_broker,
        "PREFECT_MESSAGING_CACHE": server.events.messaging_cache,
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": server.events.causal_ordering,
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": server.concurrency.lease_storage,
        "PREFECT_REDIS_MESSAGING_HOST": redis.host,
        "PREFECT_SERVER_DOCKET_URL": server.docket.url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": str(server.analytics_enabled).lower(),
        "DO_NOT_TRACK": "1",
    } == environment
    assert server.database.migrate_on_start
    for module, names in {
        server.events.messaging_broker: ("Publisher", "Consumer"),
        server.events.messaging_cache: ("Cache",),
        server.events.causal_ordering: ("CausalOrdering",),
        server.concurrency.lease_storage: ("ConcurrencyLeaseStorage",),
    }.items():
        for name in names:  # what Prefect looks for in each
            assert hasattr(importlib.import_module(module), name), (module, name)


def test_a_dask_worker_without_a_gpu_uses_all_cores() -> None:
    environment = compose_containers(example_env())["dask-worker"].environment
    settings = dask.config.collect_env(environment)["distributed"]["nanny"]["pre_spawn_environ"]
    assert settings == dict.fromkeys(THREAD_SETTINGS)  # None: as if Dask had never set it


@pytest.mark.parametrize(
    "document", kubernetes_documents(), ids=lambda document: document["metadata"]["name"]
)
def test_kubernetes_manifests_follow_their_schema(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, "1.33", strict=True)


def test_kubernetes_selectors_find_their_pods() -> None:
    documents = list(kubernetes_documents())
    pods = [d["spec"]["template"] for d in documents if d["kind"] == "Deployment"]
    for document in documents:
        spec = document["spec"]
        if document["kind"] == "Service":
            (pod,) = [
                p for p in pods if spec["selector"].items() <= p["metadata"]["labels"].items()
            ]
            ports = {p["name"]: p["containerPort"] for p in pod["spec"]["containers"][0]["ports"]}
            assert {ports[port["targetPort"]] for port in spec["ports"]} == {
                port["port"] for port in spec["ports"]
            }
        else:
            labels = spec["template"]["metadata"]["labels"].items()
            assert spec["selector"]["matchLabels"].items() <= labels


def test_kubernetes_runs_the_images_user() -> None:
    for document in kubernetes_documents():
        if document["kind"] == "Deployment":
            security = document["spec"]["template"]["spec"]["securityContext"]
            assert security["runAsNonRoot"]
            user = f"{security['runAsUser']}"
            assert f"--uid {user} " in DOCKERFILE
            assert f"\nUSER {user}\n" in DOCKERFILE


def test_images_are_those_that_the_dockerfile_builds() -> None:
    containers = [*compose_containers(example_env()).items(), *kubernetes_containers().items()]
    images = {c.image for name, c in containers if name != "s3"}
    assert images == {"restore-archive:latest", "restore-archive:cuda"}


def test_prefect_knows_the_automation() -> None:
    (given,) = yaml.safe_load((DEPLOY / "automations.yaml").read_text())["automations"]
    known = AutomationCore.model_validate(given)
    assert isinstance(known.trigger, EventTrigger)
    assert set(given) <= set(AutomationCore.model_fields)
    assert set(given["trigger"]) <= set(EventTrigger.model_fields)
    heartbeat = timedelta(seconds=Settings().flows.heartbeat_frequency or 0)
    assert known.trigger.within > 2 * heartbeat > timedelta(0)


def test_the_automation_is_about_the_runs_of_these_deployments() -> None:
    (given,) = yaml.safe_load((DEPLOY / "automations.yaml").read_text())["automations"]
    trigger = ServerEventTrigger.model_validate(given["trigger"])
    run = Resource({"prefect.resource.id": "prefect.flow-run.0"})
    for deployment in deployments():
        ours = tags_as_related_resources(set(deployment["tags"]))
        assert trigger.covers_resources(run, ours)
    assert not trigger.covers_resources(run, tags_as_related_resources({"another"}))


def deployments() -> list[dict[str, Any]]:
    return list(PREFECT["deployments"])


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    flow: Flow[..., Any] = load_flow_from_entrypoint(
        deployment["entrypoint"], use_placeholder_flow=False
    )
    return flow


def test_prefect_knows_every_word_of_its_file() -> None:
    PrefectYamlModel.model_validate(PREFECT)
    assert set(PREFECT) <= set(PrefectYamlModel.model_fields)
    for deployment in deployments():
        assert set(deployment) <= set(DeploymentConfig.model_fields)
        assert set(deployment["work_pool"]) <= set(WorkPoolConfig.model_fields)
        limit = deployment.get("concurrency_limit", {})
        assert set(limit) <= set(ConcurrencyLimitSpec.model_fields)
        assert deployment["name"] == flow_of(deployment).name, "as the README names it: NAME/NAME"


@pytest.mark.parametrize("deployment", deployments(), ids=lambda deployment: deployment["name"])
def test_parameters_are_those_of_the_flow(deployment: dict[str, Any]) -> None:
    flow = flow_of(deployment)
    assert set(deployment["parameters"]) <= set(flow.parameters.properties)
    flow.validate_parameters(deployment["parameters"])
    for schedule in deployment["schedules"]:
        RawScheduleConfig.model_validate(schedule)
        assert not schedule["active"], "a schedule starts when the places are the user's"
        CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


def test_workers_serve_the_pool_of_the_deployments() -> None:
    (pool,) = {deployment["work_pool"]["name"] for deployment in deployments()}
    for containers in (compose_containers(example_env()), kubernetes_containers()):
        words = containers["flow-worker"].words
        assert words[words.index("--pool") + 1] == pool
