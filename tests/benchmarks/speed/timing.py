"""Times of networks and other methods, each case in turn in a process that is set up for it.

How glibc keeps memory is decided once for a process, so there is one process that runs with its
settings as they are (what a user of torch gets) and one with ours; they work one at a time.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from typing import Any, Self

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import mkldnn

from restoration.allocator import keep_freed_memory
from restoration.catalogue import WEIGHTS_FOLDER, available_models
from restoration.models import read_network
from tests.benchmarks.speed import peers
from tests.benchmarks.speed.alternatives import ALTERNATIVES

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PEERS: dict[str, Callable[[], nn.Module]] = {
    "FFDNet": peers.ffdnet,
    "DRUNet": peers.drunet,
    "DnCNN": peers.dncnn,
}
SIGMA = 20.0
"""Of the noise in the pictures, 8-bit levels; it has a part in the time of no method here."""
MATRIX_SIDES = {"cpu": (512, 1024, 2048, 3072), "cuda": (4096, 8192)}


@dataclass(frozen=True)
class Case:
    """What is timed.

    Attributes:
        name: of a shipped model, one of `PEERS`, or one of `ALTERNATIVES` that is no network.
        precision: fp32, bf16 or fp16 (autocast); uint8 for what is no network.
        is_tuned: whether the process keeps the memory that it frees.
        lanes: photos that are done side by side, each by its share of the threads.
        shape: height and width of a photo, pixels.
        batch: photos in one call.
    """

    name: str
    precision: str
    is_tuned: bool
    lanes: int
    shape: tuple[int, int]
    batch: int = 1

    @property
    def megapixels(self) -> float:
        return self.lanes * self.batch * self.shape[0] * self.shape[1] / 1e6


@dataclass(frozen=True)
class Took:
    """Elapsed and processor seconds for each megapixel; on a GPU, its own clock's."""

    wall_s: float
    cpu_s: float


class Bench:
    """Runs cases in this process.

    Args:
        device: cpu or cuda.
        threads: of a processor, for all lanes together.
        seed: of pictures and random weights.
    """

    def __init__(self, device: str, threads: int, seed: int) -> None:
        self.device, self.threads, self.seed = device, threads, seed
        torch.manual_seed(seed)
        # Convolutions in fp32 may round their factors to TF32 on a GPU; so may what they are
        # measured against.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
        self._network = cache(self._new_network)
        self._calls: dict[Case, Callable[[], object]] = {}

    def run(self, case: Case) -> Took:
        """Time one run of a case; the first time, after another that sets things up."""
        cv2.setNumThreads(self.threads)
        if case not in self._calls:
            is_network = case.precision != "uint8"
            self._calls[case] = self._network_call(case) if is_network else self._method(case)
            self._calls[case]()
        call = self._calls[case]
        if self.device == "cuda" and case.precision != "uint8":
            return self._timed_on_gpu(call, case)
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return Took(wall / case.megapixels, cpu / case.megapixels)

    def matrix_product(self, precision: str) -> float:
        """The fastest product of two square matrices, GMAC/s: what arithmetic alone would take.

        In fp32 on a processor, the better of torch's two libraries: MKL, which holds back on AMD's,
        and oneDNN, which does the convolutions.
        """
        torch.set_num_threads(self.threads)
        best = 0.0
        for side in MATRIX_SIDES[self.device]:
            made = torch.rand(2, side, side, device=self.device).to(DTYPES[precision])
            products = [lambda a=made[0], b=made[1]: torch.mm(a, b)]
            if self.device == "cpu" and precision == "fp32":
                products.append(_through_onednn(side))
            for product in products:
                best = max(best, side**3 / 1e9 / min(self._seconds(product) for _ in range(6)))
        return best

    def _seconds(self, call: Callable[[], object]) -> float:
        if self.device == "cuda":
            return self._gpu_seconds(call)
        with torch.inference_mode():
            start = time.perf_counter()
            call()
            return time.perf_counter() - start

    def _new_network(self, name: str) -> nn.Module:
        if name in PEERS:
            network = PEERS[name]().eval().requires_grad_(False)
        else:
            (card,) = [card for card in available_models() if card.name == name]
            network = read_network(WEIGHTS_FOLDER / card.file, sha256=card.sha256)
        return network.to(self.device).to(memory_format=torch.channels_last)

    def _picture(self, case: Case, channels: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        values = torch.rand(case.batch, *case.shape, channels, generator=generator)
        return values.permute(0, 3, 1, 2).to(self.device)

    def _network_call(self, case: Case) -> Callable[[], object]:
        network = self._network(case.name)
        config = getattr(network, "config", None)
        picture = self._picture(case, config.in_channels if config else 3)

        def once() -> None:
            torch.set_num_threads(max(1, self.threads // case.lanes))  # of the calling thread
            with torch.inference_mode(), self._casting(case.precision):
                network(picture)

        if case.lanes == 1:
            return once
        pool = ThreadPoolExecutor(case.lanes)  # for as long as the process lasts

        def side_by_side() -> None:
            for each in [pool.submit(once) for _ in range(case.lanes)]:
                each.result()

        return side_by_side

    def _method(self, case: Case) -> Callable[[], object]:
        denoise = ALTERNATIVES[case.name](SIGMA, self.device)
        picture = (255 * self._picture(case, 3)[0].permute(1, 2, 0)).byte().cpu().numpy()
        return lambda: denoise(np.ascontiguousarray(picture))

    def _casting(self, precision: str) -> AbstractContextManager[object]:
        if precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device, DTYPES[precision])

    def _timed_on_gpu(self, call: Callable[[], object], case: Case) -> Took:
        cpu = time.process_time()
        seconds = self._gpu_seconds(call)
        return Took(seconds / case.megapixels, (time.process_time() - cpu) / case.megapixels)

    @staticmethod
    def _gpu_seconds(call: Callable[[], object]) -> float:
        """By the device's own clock, between the first kernel's start and the last one's end."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3


class BenchProcess:
    """A `Bench` in a process of its own, with glibc's settings or with ours."""

    def __init__(self, *, is_tuned: bool, device: str, threads: int, seed: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, is_tuned, device, threads, seed), daemon=True
        )
        self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.send(None)
        self._process.join()

    def run(self, case: Case) -> Took:
        return self._asked(case)

    def matrix_product(self, precision: str) -> float:
        return self._asked(precision)

    def _asked(self, question: Case | str) -> Any:
        self._ours.send(question)
        answer = self._ours.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


def in_turns(
    cases: Sequence[Case], processes: dict[bool, BenchProcess], repeats: int
) -> dict[Case, list[Took]]:
    """All cases once, then all again: what else the machine does meanwhile hits all of them."""
    times: dict[Case, list[Took]] = {case: [] for case in cases}
    for number in range(repeats):
        print(f"repetition {number + 1} of {repeats}", file=sys.stderr)
        for case in cases:
            times[case].append(processes[case.is_tuned].run(case))
    return times


def _through_onednn(side: int) -> Callable[[], object]:
    layer = mkldnn.to_mkldnn(nn.Linear(side, side, bias=False).requires_grad_(False))
    values = torch.rand(side, side).to_mkldnn()
    return lambda: layer(values)


def _serve(asked: Connection, is_tuned: bool, device: str, threads: int, seed: int) -> None:
    if is_tuned:
        keep_freed_memory()
    bench = Bench(device, threads, seed)
    while question := asked.recv():
        try:
            done = bench.run if isinstance(question, Case) else bench.matrix_product
            asked.send(done(question))
        except Exception as error:
            asked.send(error)
