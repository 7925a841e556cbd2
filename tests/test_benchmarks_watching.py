"""How the speed benchmarks watch a run: stages, processes, GPU, limits."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from restoration.assess import assess
from storage.manifest import ManifestRow
from tests.benchmarks.speed.gpu import parse
from tests.benchmarks.speed.gpu_profile import Span, busy_us, spans
from tests.benchmarks.speed.limits import disk, limit, processor, processor_roofs
from tests.benchmarks.speed.machine import cpu_facts, instruction_sets, processor_name, this_machine
from tests.benchmarks.speed.processes import Watch, kind_of
from tests.benchmarks.speed.sampled_run import StageSampler, book
from tests.benchmarks.speed.stages import COLUMNS, RULES, STAGES, ordered, stage_of
from tests.benchmarks.speed.whole_job import watched
from tests.scenes import noisy, scene


class TestMachine:
    CPUINFO = (
        "processor\t: 0\nmodel name\t: Some CPU\ncpu family\t: 26\nmodel\t\t: 2\n"
        "flags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor\t: 1\nmodel name\t: Other\n"
    )

    def test_the_first_core_is_described(self):
        facts = cpu_facts(self.CPUINFO)
        assert processor_name(facts) == "Some CPU (family 26, model 2)"
        assert instruction_sets(facts) == ("avx2", "avx512f", "avx512_bf16")

    def test_this_one_has_something(self):
        machine = this_machine()
        assert machine.cores > 0
        assert machine.memory_gb > 0
        assert torch.__version__ in str(machine)


class TestStages:
    @pytest.mark.parametrize(
        ("calls", "stage"),
        [
            (["flows.photo.prepare", "restoration.assess.assess"], "assess"),
            # What the judge has assessed again is measuring.
            (["restoration.restore._judge", "restoration.measures.measures_of",
              "restoration.assess.assess"], "measures"),
            (["restoration.restore.restore", "restoration.tiling.run_tiled"], "networks"),
            (["flows.publishing.restored", "restoration.codec.encoding.encode"], "encode"),
            (["flows.photo.prepare", "restoration.codec.process.decode"], "decode"),
            (["flows.hashing.sha256_of", "storage.local.read"], "read"),
            (["flows.publishing.put", "storage.local.put"], "put"),
            (["flows.batch.publish_part", "storage.manifest.parts.encode_rows"], "rest"),
            (["flows.publishing.put"], "rest"),
            (["restoration.assess.assess", "importlib._bootstrap._find_and_load"], "start"),
            (["restoration.assessment_of_something.run"], "rest"),
            (["prefect.flows.call", "flows.batch.run_batch", "json.loads"], "rest"),
            (["prefect.flows.call", "flows.batch.run", "restoration.assess.assess"], "assess"),
            (["flows.artifacts.progress", "prefect.artifacts.create", "httpx.send"], "Prefect"),
            (["threading.run", "prefect._internal.run"], "Prefect"),
        ],
    )  # fmt: skip
    def test_a_call_belongs_to_a_stage(self, calls, stage):
        assert stage_of(calls) == stage

    def test_rules_and_columns_name_what_there_is(self):
        for mark, stage in RULES:
            module = mark.removesuffix(".sha256_of")
            assert importlib.util.find_spec(module), module
            assert stage in STAGES
        fields = ManifestRow.__dataclass_fields__
        assert set(COLUMNS) <= set(fields)
        assert set(COLUMNS.values()) <= set(STAGES)

    def test_stages_come_in_a_photos_order(self):
        assert list(ordered({"put": 1.0, "decode": 2.0, "rest": 0.0})) == ["decode", "put"]

    def test_helpers_are_booked_with_whom_they_work_for(self):
        seconds = dict.fromkeys(STAGES, 0.0)
        book(seconds, {"networks": 3.0, "encode": 1.0}, 4.0)
        assert (seconds["networks"], seconds["encode"]) == (6.0, 2.0)
        book(seconds, {"networks": 0.0}, 5.0)
        assert seconds["rest"] == 5.0

    def test_a_thread_is_booked_on_what_it_does(self):
        picture = noisy(scene(600, 800), 20)
        sampler = StageSampler()
        thread = threading.Thread(target=lambda: [assess(picture) for _ in range(3)])
        thread.start()
        while thread.is_alive():
            sampler.look()
        assert sampler.seconds["assess"] > 0
        others = {"networks", "encode", "decode", "put"}
        assert sum(sampler.seconds[stage] for stage in others) == 0


class TestLimits:
    def test_the_busiest_is_named(self):
        cores = processor(cpu_s=19.0, wall_s=10.0, cores=2)
        slow_disk = disk(gigabytes=1.0, wall_s=10.0, gigabytes_per_s=0.2)
        said = limit([slow_disk, cores], photos_per_s=9.5)
        assert said == (
            "limit: the processor: 95 % of 2 cores busy: 9.5 photos/s of the 10 that it could do"
        )

    def test_waiting_is_named_too(self):
        said = limit([processor(cpu_s=5.0, wall_s=10.0, cores=1)], photos_per_s=1.0)
        assert said.startswith(
            "limit: nothing is busy all the time; closest is the processor: 50 %"
        )

    def test_roofs_of_stages_add_up_to_that_of_the_processor(self):
        roofs = processor_roofs({"networks": 8.0, "decode": 2.0, "put": 0.0}, photos=10, cores=2)
        assert [(roof.stage, roof.photos_per_s) for roof in roofs] == [
            ("networks", 2.5), ("decode", 10.0)
        ]  # fmt: skip
        assert sum(1 / roof.photos_per_s for roof in roofs) == pytest.approx(10 / (2 * 10))


class TestProcesses:
    @contextmanager
    def child(self, code: str) -> Iterator[subprocess.Popen[str]]:
        """A child that has said that it is ready, and waits."""
        process = subprocess.Popen(
            [sys.executable, "-c", f"import sys\n{code}\nprint(flush=True)\nsys.stdin.read()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.communicate()

    def test_memory_and_time_of_a_child_are_seen(self):
        code = (
            "import time\nheld = bytearray(80_000_000)\nheld[::4096] = b'x' * len(held[::4096])\n"
            "while time.process_time() < 0.1: pass"
        )
        with self.child(code) as process, Watch(process.pid, proportional=True) as watch:
            watch.look()
        assert 0.08 <= watch.peak_anonymous_gb < 0.5
        assert 0.08 <= watch.peak_proportional_gb < 0.5
        assert 0.08 <= watch.cpu_by_kind()["run"] < 60

    def test_grandchildren_count(self):
        grandchild = (
            "import sys; held = bytes([1]) * 80_000_000; print(flush=True); sys.stdin.read()"
        )
        code = (
            "import subprocess\n"
            f"below = subprocess.Popen([sys.executable, '-c', {grandchild!r}, "
            "'restoration.codec.child'], stdout=subprocess.PIPE)\nbelow.stdout.readline()"
        )
        with self.child(code) as process, Watch(process.pid) as watch:
            watch.look()
        assert 0.08 <= watch.peak_anonymous_gb < 0.5
        assert watch.cpu_by_kind()["decoder"] > 0

    def test_processes_are_told_apart(self):
        assert kind_of("python -P -m restoration.codec.child 5") == "decoder"
        assert kind_of("python -P -m flows.embedded_server") == "Prefect's server"
        assert kind_of("python -m flows.cli run photos out") == "run"

    def test_a_command_is_watched_to_its_end(self):
        run = watched([sys.executable, "-c", "raise SystemExit(1)"], {})
        assert run.wall_s > 0
        assert run.cpu_s > 0
        assert run.peak_anonymous_gb >= 0

    def test_a_command_that_fails_ends_the_benchmark(self):
        with pytest.raises(SystemExit, match="ended with 2"):
            watched([sys.executable, "-c", "raise SystemExit(2)"], {})


class TestGpu:
    def test_what_the_driver_says_is_read(self):
        assert parse(["97, 1000", "", "[N/A], 5", "0, 0"]) == [
            (0.97, 1000 * 2**20 / 1e9),
            (0.0, 0.0),
        ]

    @given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=20))
    def test_what_overlaps_counts_once(self, intervals):
        found = [Span("k", "kernel", start, start + length) for start, length in intervals]
        covered = {us for start, length in intervals for us in range(start, start + length)}
        assert busy_us(found) == len(covered)

    def test_only_what_the_gpu_did_is_taken_from_a_trace(self):
        event = {"name": "conv", "cat": "kernel", "ts": 5.0, "dur": 2.0}
        assert spans([event, {**event, "cat": "cuda_runtime"}, {"ph": "M"}]) == [
            Span("conv", "kernel", 5.0, 7.0)
        ]
