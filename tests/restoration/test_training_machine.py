"""Training as a process of its own: on a bare machine, stopped by a signal, on several devices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from restoration.networks import UNetConfig
from restoration.training.weights import save_weights
from tests.scenes import scene

ROOT = Path(__file__).parents[2]

# What a machine with a GPU may lack is not found there, as if it were not installed.
BARE = """
import importlib.machinery, runpy, sys

ALLOWED = {"torch", "numpy", "cv2", "PIL", "safetensors", "rich", "restoration"}
# What those import themselves is theirs to bring.
ALLOWED |= {"typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec",
            "filelock", "markdown_it", "mdurl", "pygments", "triton", "torchgen", "functorch"}

class Bare(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top.startswith("_") or top in ALLOWED:
            return super().find_spec(name, path, target)
        return None

sys.meta_path[:] = [*sys.meta_path[:2], Bare]  # after what is built in and frozen
for lacking in ("pyarrow", "prefect", "skimage", "scipy", "storage", "flows"):
    try:
        __import__(lacking)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{lacking} could be imported")
sys.argv = ["restoration.training", *sys.argv[1:]]
runpy.run_module("restoration.training", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, and weights of a tiny network to start from."""
    folder = tmp_path_factory.mktemp("material")
    (folder / "photos").mkdir()
    for i in range(24):
        Image.fromarray(scene(64, 70, seed=i)).save(folder / "photos" / f"{i:02}.png")
    config = UNetConfig(widths=(12, 16))
    save_weights(config.build().state_dict(), config, folder / "tiny.safetensors", task="denoise")
    return folder


def words(material: Path, output: Path, minutes: float) -> list[str]:
    return [
        "denoise", "--data", str(material / "photos"), "--init", str(material / "tiny.safetensors"),
        "--minutes", str(minutes), "--patch", "32", "--batch", "4", "--output", str(output),
    ]  # fmt: skip


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def test_training_needs_only_what_a_gpu_machine_has(material: Path, tmp_path: Path) -> None:
    arguments = words(material, tmp_path / "w.safetensors", 0.01)
    done = subprocess.run(
        [sys.executable, "-c", BARE, *arguments], cwd=tmp_path, env=environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "w.safetensors").exists()
    assert (tmp_path / "w.samples" / "over-time.png").exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="shows signal handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_writes_its_checkpoint_and_says_how_to_go_on(
    number: signal.Signals, material: Path, tmp_path: Path
) -> None:
    output = tmp_path / "w.safetensors"
    command = [sys.executable, "-m", "restoration.training"]
    process = subprocess.Popen(
        [*command, *words(material, output, 60)], cwd=tmp_path, env=environment(),
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("denoise, unet: "), "training begins after this line"
    while not _catches(process.pid, number):
        assert process.poll() is None
    process.send_signal(number)
    rest, _ = process.communicate()
    assert process.returncode == 130
    assert "the same command goes on" in rest
    assert output.with_suffix(".checkpoint").exists()
    done = subprocess.run(
        [*command, *words(material, output, 0.0001)], cwd=tmp_path, env=environment(), check=False
    )
    assert done.returncode == 0
    assert output.exists()
    assert not output.with_suffix(".checkpoint").exists()


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal (Python has one for SIGINT)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1) and bool(caught >> (number - 1) & 1)


def test_torchrun_trains_one_network_with_two_processes(material: Path, tmp_path: Path) -> None:
    output = tmp_path / "w.safetensors"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "restoration.training", *words(material, output, 0.02),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert output.exists()
    assert done.stdout.count("wrote") == 1, "only the first process speaks and writes"
    assert len((tmp_path / "w.csv").read_text(encoding="utf-8").splitlines()) == 2
