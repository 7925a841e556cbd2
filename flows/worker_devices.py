"""Which devices and cores of this machine the workers of a run get."""

from __future__ import annotations

import os
from typing import Final

from flows.workers import Workers
from restoration.device import gpu_count, resolve_device, resolve_precision
from restoration.errors import UsageError
from restoration.resources import Resources, available_cores

THREAD_SETTINGS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What Dask sets to 1 in a worker's environment unless told else; torch heeds the lowest."""
ANYWHERE: Final = 4
"""Processes without a GPU that any machine may start, however few its cores."""
# On a machine with GPUs, a process that is to work on the CPU must not take one.
_CPU: Final = {"CUDA_VISIBLE_DEVICES": ""}


def check_device(workers: Workers, device: str, resources: Resources) -> None:
    """See that this machine has the device, and that it calculates as it is asked to.

    Raises:
        UsageError: it has not, or does not; of the workers of a cluster each sees for itself.
    """
    if workers.kind != "cluster":
        resolve_precision(resources.precision, resolve_device(device))


def environments(count: int, device: str) -> list[dict[str, str]]:
    """The environment of each of `count` processes: its share of the cores, and a GPU, if any.

    Args:
        count: how many processes.
        device: auto, cpu or cuda.

    Raises:
        UsageError: more processes than GPUs, or without a GPU than cores.
    """
    gpus = 0 if device == "cpu" else gpu_count()
    cores = dict.fromkeys(THREAD_SETTINGS, str(max(1, available_cores() // count)))
    most = max(ANYWHERE, available_cores())
    if not gpus and count > most:
        raise UsageError(
            f"--workers local:{count}: at most {most} processes on this machine's "
            f"{available_cores()} core(s); each has its own networks and its share of the memory"
        )
    if not gpus:
        return [_CPU | cores] * count
    if count > gpus:
        raise UsageError(f"--workers local:{count}: this machine has {gpus} GPU(s), one for each")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = visible.split(",") if visible else [str(number) for number in range(gpus)]
    return [cores | {"CUDA_VISIBLE_DEVICES": name.strip()} for name in names[:count]]
