"""The machine that figures were measured on; figures without one say nothing.

python -m tests.benchmarks.speed.machine
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

INSTRUCTION_SETS = (
    *("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_bf16", "amx_int8", "amx_fp16"),
    *("asimd", "sve", "sve2", "i8mm", "bf16"),
)
"""What decides how fast a matrix product is, as /proc/cpuinfo spells it (x86-64, then ARM)."""


@dataclass(frozen=True)
class Machine:
    """What this process may use of the machine.

    Attributes:
        processor: its name, with family and model where the kernel tells them: clouds' names hide
            the generation.
        cores: that the scheduler gives this process, a container's quota respected.
        instruction_sets: those of `INSTRUCTION_SETS` that it has.
        memory_gb: a container's limit respected, 10^9 bytes.
        gpu: name; "" where torch sees none.
        gpu_memory_gb: 10^9 bytes.
        gpu_processors: streaming multiprocessors.
        torch: its version, which names the CUDA that it was built with.
        torch_threads: that it would use in a process where nobody says otherwise.
        load: processes that wanted to run, mean of the last minute: an idle machine has about 0.
    """

    processor: str
    cores: float
    instruction_sets: tuple[str, ...]
    memory_gb: float
    gpu: str
    gpu_memory_gb: float
    gpu_processors: int
    torch: str
    torch_threads: int
    load: float

    def __str__(self) -> str:
        sets = ", ".join(self.instruction_sets) or "no known instruction sets"
        gpu = (
            f"{self.gpu}, {self.gpu_memory_gb:.0f} GB, {self.gpu_processors} multiprocessors"
            if self.gpu
            else "no GPU"
        )
        return (
            f"machine: {self.processor}, {self.cores:g} cores ({sets}), {self.memory_gb:.0f} GB; "
            f"{gpu}; torch {self.torch}, {self.torch_threads} threads; load {self.load:.1f} before"
        )


def this_machine() -> Machine:
    """Look at the machine."""
    facts = cpu_facts(_text(Path("/proc/cpuinfo")))
    properties = torch.cuda.get_device_properties(0) if torch.cuda.is_available() else None
    return Machine(
        processor=processor_name(facts),
        cores=usable_cores(),
        instruction_sets=instruction_sets(facts),
        memory_gb=usable_memory_gb(),
        gpu=properties.name if properties else "",
        gpu_memory_gb=properties.total_memory / 1e9 if properties else 0.0,
        gpu_processors=properties.multi_processor_count if properties else 0,
        torch=torch.__version__,
        torch_threads=torch.get_num_threads(),
        load=os.getloadavg()[0],
    )


def cpu_facts(cpuinfo: str) -> dict[str, str]:
    """What /proc/cpuinfo says of the first core."""
    lines = (line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def processor_name(facts: dict[str, str]) -> str:
    name = facts.get("model name") or platform.processor() or platform.machine()
    if "cpu family" not in facts:
        return name
    return f"{name} (family {facts['cpu family']}, model {facts.get('model', '?')})"


def instruction_sets(facts: dict[str, str]) -> tuple[str, ...]:
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    return tuple(name for name in INSTRUCTION_SETS if name in flags)


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Cores that this process may keep busy: its affinity, or the quota of its container."""
    cores = float(len(os.sched_getaffinity(0)))
    quota, _, period = _text(cgroup / "cpu.max").strip().partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() else cores


def usable_memory_gb(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Memory that this process may use, 10^9 bytes."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _text(cgroup / "memory.max").strip()
    return min(there, int(limit) if limit.isdigit() else there) / 1e9


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    print(this_machine())
