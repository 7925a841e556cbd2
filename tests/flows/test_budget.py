"""Memory that photos share: never more than there is, and nobody waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.available_memory import available_memory
from flows.budget import SHARE_OF_MEMORY, MemoryBudget, memory_for
from flows.memory_needs import estimated_bytes
from restoration.resources import Resources
from storage.manifest import WorkItem

TOTAL = 100
SIZES = st.lists(st.integers(0, 150), min_size=1, max_size=40)


class Watched:
    """Photos that reserve, find out that they need something else, and give back."""

    def __init__(self) -> None:
        self.budget = MemoryBudget(TOTAL)
        self.most = 0
        self._held: dict[int, int] = {}
        self._watching = threading.Lock()

    def photo(self, number: int, estimated: int, needed: int) -> None:
        while True:
            reservation = self.budget.reserve(estimated)
            self._note(number, reservation.size)
            fits = reservation.resize(needed)
            self._note(number, reservation.size)
            self._note(number, 0)
            reservation.release()
            if fits:
                return
            estimated = needed

    def _note(self, number: int, size: int) -> None:
        with self._watching:
            self._held[number] = size
            self.most = max(self.most, sum(self._held.values()))


@given(SIZES, SIZES, st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_no_more_is_held_than_there_is_and_all_come_through(
    estimated: list[int], needed: list[int], threads: int
) -> None:
    watched = Watched()
    with ThreadPoolExecutor(threads) as pool:
        sizes = zip(estimated, needed, strict=False)
        for done in [pool.submit(watched.photo, *each) for each in _numbered(sizes)]:
            done.result()
    assert watched.most <= TOTAL
    assert watched.budget.free == TOTAL


def _numbered(sizes: object) -> list[tuple[int, int, int]]:
    return [(number, *each) for number, each in enumerate(sizes)]


def test_small_ones_wait_behind_a_large_one() -> None:
    budget, order = MemoryBudget(TOTAL), []
    first = budget.reserve(60)

    def ask(name: str, size: int) -> None:
        reservation = budget.reserve(size)
        order.append(name)
        reservation.release()

    with ThreadPoolExecutor(3) as pool:
        for count, (name, size) in enumerate([("large", 80), ("small", 10), ("tiny", 1)], 1):
            pool.submit(ask, name, size)
            while budget.waiting < count:  # each in its turn
                pass
        assert order == [], "there is room for the small ones, but not before the large one"
        first.release()
    assert order[0] == "large"
    assert budget.free == TOTAL


def test_who_needs_more_than_there_is_has_it_alone() -> None:
    budget = MemoryBudget(TOTAL)
    alone = budget.reserve(10 * TOTAL)
    assert (alone.size, budget.free) == (TOTAL, 0)
    assert alone.resize(20 * TOTAL), "it cannot have more"
    assert alone.resize(30)
    assert budget.free == 70


def test_what_does_not_fit_stays_as_it_is() -> None:
    budget = MemoryBudget(TOTAL)
    one, other = budget.reserve(50), budget.reserve(50)
    assert not one.resize(51)
    assert (one.size, budget.free) == (50, 0)
    other.release()
    assert one.resize(51)
    assert (one.size, budget.free) == (51, 49)


def test_an_estimate_grows_with_the_photo_and_with_its_file() -> None:
    def needs(megapixels: float, size: int) -> int:
        return estimated_bytes(WorkItem("a.tif", size, 0, "file", "", megapixels, ""))

    assert needs(1, 10**6) < needs(2, 10**6) < needs(100, 10**6) < 3e9
    assert needs(10, 10**6) < needs(10, 60 * 10**6), "16 bits, or pages"
    assert needs(0, 10**7) > needs(0, 10**6), "its size is all that is known"


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 32000 kB\nMemFree: 9 kB\nMemAvailable: 16000 kB\n"}
V1, V2 = "sys/fs/cgroup/memory", "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 16_000 * 1024),
        ({"proc/self/cgroup": "0::/a/b\n"}, 16_000 * 1024),
        (
            {"proc/self/cgroup": "0::/a/b\n", f"{V2}/a/b/memory.max": "max\n",
             f"{V2}/a/memory.max": "9000000\n", f"{V2}/a/memory.current": "5000000\n",
             f"{V2}/a/memory.stat": "anon 1\ninactive_file 1000000\n"},
            5_000_000,
        ),
        (  # in a container, which sees its own group at the top
            {"proc/self/cgroup": "4:memory:/docker/f00\n3:cpu:/\n",
             f"{V1}/memory.limit_in_bytes": "8000000\n",
             f"{V1}/memory.usage_in_bytes": "2000000\n",
             f"{V1}/memory.stat": "cache 7\ntotal_inactive_file 500000\n"},
            6_500_000,
        ),
        (
            {"proc/self/cgroup": "4:memory:/\n",
             f"{V1}/memory.limit_in_bytes": "9223372036854771712\n",
             f"{V1}/memory.usage_in_bytes": "1\n", f"{V1}/memory.stat": ""},
            16_000 * 1024,
        ),
        (  # over its limit
            {"proc/self/cgroup": "0::/\n", f"{V2}/memory.max": "10\n",
             f"{V2}/memory.current": "50\n", f"{V2}/memory.stat": ""},
            0,
        ),
    ],
    ids=["machine", "no files", "version 2", "version 1", "no limit", "over"],
)  # fmt: skip
def test_what_a_container_leaves_counts(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    assert available_memory(written(tmp_path, MEMINFO | files)) == expected


def test_half_of_what_is_available_unless_told() -> None:
    assert memory_for(Resources(memory_gb=1.5)) == 1_500_000_000
    assert 0 < memory_for(Resources()) <= SHARE_OF_MEMORY * 1e15
