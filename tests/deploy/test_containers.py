"""Each container's command, as a plain process: the whole installation of compose.yaml at once.

The commands, environments and health check are read from the files. Changed are host names, ports
and folders, and the settings for PostgreSQL and Redis, which have no place in a test environment:
Prefect keeps its records in SQLite and passes events in memory instead. That the original settings
are Prefect's own is checked in test_manifests.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import distributed
import httpx
import pyarrow.dataset as ds
import pytest

from tests.deploy.containers import DEPLOY, kubernetes_containers
from tests.deploy.rack import Rack
from tests.prefect_server import home_with
from tests.s3.server import BUCKET
from tests.scenes import encoded, noisy, scene


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory, prefect_database: Path) -> Iterator[Rack]:
    """All services that answer for themselves, and the deployments in their server."""
    rack = Rack(home_with(prefect_database, tmp_path_factory.mktemp("rack")))
    try:
        for name in ("prefect-server", "dask-scheduler", "s3"):
            rack.start(name)
        rack.start("dask-worker")
        rack.wait_until("prefect-server", lambda: rack.healthy("prefect-server"))
        for name in ("prefect-services", "flow-worker"):
            rack.start(name)
        rack.wait_until("flow-worker", lambda: bool(workers_of_the_pool(rack)))
        deploy = ("--no-prompt", "deploy", "--prefect-file", f"{DEPLOY}/prefect.yaml", "--all")
        automate = ("automation", "create", "--from-file", f"{DEPLOY}/automations.yaml")
        for words in (deploy, automate):
            done = rack.run("flow-worker", "prefect", *words)
            assert done.returncode == 0, done.stdout + done.stderr
        yield rack
    finally:
        rack.end()


def ask(rack: Rack, path: str, **what: Any) -> Any:
    """A request to the Prefect server; None where there is no such thing yet."""
    answer = httpx.post(f"{rack.prefect_url}{path}", json=what, timeout=60)
    return answer.json() if answer.status_code < 300 else None


def workers_of_the_pool(rack: Rack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(rack, "/work_pools/restore-archive/workers/filter") or []
    return [worker for worker in found if worker["status"] == "ONLINE"]


def test_the_flow_worker_makes_its_pool_and_serves_it(rack: Rack) -> None:
    (pool,) = ask(rack, "/work_pools/filter")
    assert (pool["name"], pool["type"]) == ("restore-archive", "process")
    assert len(workers_of_the_pool(rack)) == 1


def test_the_dask_worker_has_one_thread_and_one_gpu(rack: Rack) -> None:
    with distributed.Client(rack.workers) as client:
        client.wait_for_workers(1)
        (worker,) = client.scheduler_info()["workers"].values()
    assert worker["nthreads"] == 1
    assert worker["resources"] == {"GPU": 1}
    assert worker["memory_limit"] == 0


def test_kubernetes_runs_the_commands_of_compose(rack: Rack) -> None:
    there = kubernetes_containers()
    assert set(there) == {"dask-scheduler", "dask-worker", "flow-worker"}
    for name, container in there.items():
        words = " ".join(container.words).replace("restore-archive-dask:", "dask-scheduler:")
        for option in ("nthreads", "resources", "memory-limit"):
            words = words.replace(f"--{option}=", f"--{option} ")
        assert words.split() == list(rack.containers[name].words)


def test_the_services_plan_runs_of_a_schedule_that_is_turned_on(rack: Rack) -> None:
    name = "audit-archive/audit-archive"
    (deployment,) = ask(
        rack, "/deployments/filter", deployments={"name": {"any_": ["audit-archive"]}}
    )
    (schedule,) = deployment["schedules"]
    assert not schedule["active"]
    on = rack.run(
        "flow-worker", "prefect", "deployment", "schedule", "resume", name, schedule["id"]
    )
    assert on.returncode == 0, on.stdout + on.stderr

    def planned() -> bool:
        runs = ask(
            rack, "/flow_runs/filter", flow_runs={"deployment_id": {"any_": [deployment["id"]]}}
        )
        return any(run["auto_scheduled"] for run in runs)

    rack.wait_until("prefect-services", planned)


def test_a_folder_is_restored_by_the_dask_worker(rack: Rack, tmp_path: Path) -> None:
    photos, restored = tmp_path / "photos", tmp_path / "restored"
    photos.mkdir()
    (photos / "a.png").write_bytes(encoded(noisy(scene(120, 160), 25), "PNG"))
    done = rack.run(
        "flow-worker", sys.executable, "-m", "flows.cli", "run", str(photos), str(restored),
        "--workers", rack.workers,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = ds.dataset(restored / "manifest").to_table().to_pylist()
    assert row["status"] == "restored"
    assert (restored / row["restored_path"]).exists()


def test_a_bucket_is_restored_by_a_deployment(rack: Rack) -> None:
    with closing(rack.s3.client()) as s3:
        rack.wait_until("s3", lambda: bucket_exists(s3))
        data = encoded(noisy(scene(120, 160), 25), "PNG")
        s3.put_object(Bucket=BUCKET, Key="photos/a.png", Body=data)
        done = rack.run(
            "flow-worker", "prefect", "deployment", "run", "restore-archive/restore-archive",
            "--watch", "--param", f"source=s3://{BUCKET}/photos",
            "--param", f"destination=s3://{BUCKET}/restored", "--param", f"workers={rack.workers}",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        found = s3.list_objects_v2(Bucket=BUCKET, Prefix="restored/")["Contents"]
    keys = {entry["Key"] for entry in found}
    assert "restored/restored/a.png" in keys
    assert any(key.startswith("restored/manifest/") for key in keys)


def bucket_exists(s3: Any) -> bool:
    try:
        s3.head_bucket(Bucket=BUCKET)
    except Exception:  # not yet listening, or not yet made
        return False
    return True
