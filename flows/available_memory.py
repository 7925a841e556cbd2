"""How much memory a process may take without harm: the machine's, or its container's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

FALLBACK_BYTES: Final = 4_000_000_000
"""Where the system does not tell."""

_UNLIMITED: Final = 1 << 60
"""Version 1 of control groups has a number of this order for no limit, version 2 a word."""


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that can be taken before the system swaps, or its container's limit is met.

    What Linux has for the taking is MemAvailable (proc(5)); a control group may leave less: its
    limit, or that of one above it, without what its processes hold, but for files that the kernel
    would drop first (Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst).

    Args:
        root: where `proc` and `sys` are.
    """
    free = [_machine(root), *_groups(root)]
    return max(0, min(free))


def _machine(root: Path) -> int:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:  # macOS, which tells the whole and not what is free
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return FALLBACK_BYTES


def _groups(root: Path) -> Iterator[int]:
    """What each control group that this process is in leaves it."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            files = ("memory.max", "memory.current", "inactive_file")
            yield from _chain(root / "sys/fs/cgroup", path, *files)
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _chain(root / "sys/fs/cgroup/memory", path, *files)


def _chain(mount: Path, path: str, limit: str, usage: str, droppable: str) -> Iterator[int]:
    """Of a group and those above it. In a container the path may be that outside: then the top."""
    relative = PurePosixPath(path.lstrip("/"))
    for folder in dict.fromkeys((relative, *relative.parents)):
        left = _left(mount / folder, limit, usage, droppable)
        if left is not None:
            yield left


def _left(folder: Path, limit: str, usage: str, droppable: str) -> int | None:
    """Bytes that a group may still take; None where it has no limit, or is not to be seen."""
    try:
        most = (folder / limit).read_text().strip()
        if not most.isdecimal() or int(most) >= _UNLIMITED:
            return None
        held = int((folder / usage).read_text())
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == droppable:
                held -= int(value)
        return int(most) - max(0, held)
    except (OSError, ValueError):
        return None
