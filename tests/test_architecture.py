"""The tree is the architecture: which package may import what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("flows", "restoration", "storage")

# Third-party module → the only places (path prefixes) that may import it.
DOORS = {
    "prefect": (
        "flows/artifacts.py",
        "flows/audit_archive.py",
        "flows/cluster.py",
        "flows/embedded_server.py",
        "flows/pool.py",
        "flows/restore_archive.py",
    ),
    "prefect_dask": ("flows/cluster.py",),
    "dask": ("flows/cluster.py",),
    "distributed": ("flows/cluster.py",),
    "pydantic": ("flows/audit_archive.py", "flows/restore_archive.py"),
    "uvicorn": ("flows/embedded_server.py", "flows/report/serving.py"),
    "starlette": ("flows/report/guard.py", "flows/report/serving.py"),
    # Only the JavaScript that it ships is used, as a file.
    "plotly": (),
    # Scores are exported as Parquet for the same readers as the manifest; `restoration/` may not
    # import `storage/`, so one file of it has a door of its own.
    "pyarrow": ("storage/manifest/", "restoration/evaluation/export.py"),
    # SQL over the manifest; what else wants an answer asks `ManifestDatabase`.
    "duckdb": ("storage/manifest/database.py",),
    "fsspec": ("storage/manifest/database_files.py",),
    "jinja2": ("flows/comparison_page.py",),
    "bagit": ("flows/bagging.py",),
    "c2pa": ("restoration/codec/c2pa_signing.py",),
    "cryptography": ("restoration/codec/c2pa_signing.py",),
    "boto3": ("storage/s3/",),
    # XMP packets are XML from strangers; `restoration/` may not import `storage/`.
    "lxml": (
        "storage/s3/contents.py",
        "restoration/codec/metadata/provenance_record.py",
        "restoration/codec/metadata/xmp.py",
        "restoration/codec/metadata/xmp_extended.py",
        "restoration/codec/metadata/xmp_packet.py",
    ),
    "botocore": ("storage/s3/",),
    "types_boto3_s3": ("storage/s3/",),
    # Sheets and the picture grid need fonts, which OpenCV before 5 has only as bare strokes.
    "PIL": (
        "restoration/codec/",
        "restoration/contact_sheet.py",
        "restoration/evaluation/grid.py",
        "restoration/lettering.py",
    ),
    "imagecodecs": ("restoration/codec/",),
    "pyvips": ("restoration/codec/",),
    "tifffile": ("restoration/codec/",),
    "pillow_heif": ("restoration/codec/heic.py",),
    "safetensors": ("restoration/models.py", "restoration/training/"),
    "skimage": ("restoration/evaluation/",),
    "cleanvision": ("restoration/evaluation/assessment_peers.py",),
    "threadpoolctl": ("restoration/worker_process.py",),
    "torch": ("restoration/",),
    "cv2": ("restoration/",),
    "rich": ("flows/", "restoration/training/", "restoration/evaluation/"),
}
FORBIDDEN = {
    "restoration": {"storage", "flows"},
    "storage": {"restoration", "flows"},
}


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", list(modules()), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_table(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    tops = {name.partition(".")[0] for name in imported(path)}
    assert not tops & FORBIDDEN.get(relative.partition("/")[0], set())
    for module, places in DOORS.items():
        if module in tops:
            assert relative.startswith(places), f"{relative} must not import {module}"


def test_nothing_outside_flows_imports_flows() -> None:
    importers = [p for p in modules() if any(n.split(".")[0] == "flows" for n in imported(p))]
    assert {p.relative_to(ROOT).parts[0] for p in importers} == {"flows"}


def test_one_photos_way_and_its_batch_need_no_prefect() -> None:
    for name in ("photo", "rows", "batch", "planning", "progress", "stopping"):
        assert not any(n.startswith("prefect") for n in imported(ROOT / f"flows/{name}.py"))


LIGHT_COMMANDS = (
    "run",
    "report",
    "verify",
    "show",
    "review",
    "sheet",
    "query",
    "bag",
    "diff",
    "models",
)


@pytest.mark.parametrize("command", LIGHT_COMMANDS)
def test_a_command_that_only_asks_waits_for_neither_torch_nor_prefect(command: str) -> None:
    """`run` imports them while its server starts; mistakes in its options are said before."""
    script = (
        "import sys, flows.cli as cli\n"
        f"try: cli.main([{command!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'prefect'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert f"restore-archive {command}" in done.stdout
    assert done.stderr.splitlines()[-1] == "[]"


def test_training_needs_only_what_a_gpu_machine_has() -> None:
    allowed = {"torch", "numpy", "cv2", "safetensors", "rich", "PIL", "restoration"}
    for path in (ROOT / "restoration" / "training").rglob("*.py"):
        tops = {name.partition(".")[0] for name in imported(path)}
        assert tops - sys.stdlib_module_names <= allowed, path


def test_top_level_holds_what_it_should_and_nothing_else() -> None:
    expected = {
        "pyproject.toml", "flows", "restoration", "storage", "tests", "deploy", "README.md",
        ".ci", ".gitignore", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
    }  # fmt: skip
    ignorable = {".git", "build", "dist"}
    found = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.endswith((".egg-info", "_cache", ".hypothesis"))
        and path.name not in ignorable
        and not path.name.startswith((".venv", ".coverage", "restored-sample"))
    }
    assert found <= expected
