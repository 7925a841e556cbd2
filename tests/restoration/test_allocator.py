"""Freed memory stays with the process until it is given back; in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys, torch
from restoration.allocator import give_back, keep_freed_memory

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

kept = keep_freed_memory() if sys.argv[1] == "keep" else False
before = resident_mb()
for _ in range(3):
    torch.ones(50_000_000)
after = resident_mb()
give_back()
print(kept, after - before, resident_mb() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is what this is about")
@pytest.mark.parametrize("keep", [True, False])
def test_freed_memory_is_kept_until_it_is_given_back(keep: bool) -> None:
    command = [sys.executable, "-c", PROGRAM, "keep" if keep else "default"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    kept, held, left = output.split()
    assert kept == str(keep)
    assert (float(held) > 150) == keep  # of 200 MB that were used and freed
    assert float(left) < 100
