"""The networks alone, on the same pixels as a run: what a user of torch gets.

Each photo whole, in eager mode, with all of torch's threads; decoding, tensors and what is not a
network are not counted. To be started in a fresh process, with glibc's settings as they are or as
`TUNED` has them: by default it gives large buffers back to the system and gets them anew for every
layer.

python -m tests.benchmarks.speed.bare WORK.json [--precision bf16] [--device cpu]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from restoration.cards import ModelCard
from restoration.catalogue import WEIGHTS_FOLDER, available_models
from restoration.colorize import AGREEING_SIDES
from restoration.models import read_network

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TUNED: Mapping[str, str] = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_TOP_PAD_": str(2**26),
    "MALLOC_ARENA_MAX": "1",
}
"""Environment in which glibc keeps what it got."""


@dataclass(frozen=True)
class Work:
    """A photo and the models that it went through."""

    path: Path
    models: tuple[str, ...]


@dataclass(frozen=True)
class BareTime:
    """What one model took for all photos.

    Attributes:
        model: its name.
        megapixels: of the photos that it saw, 10^6.
        wall_s: elapsed seconds in the network.
        cpu_s: processor seconds.
    """

    model: str
    megapixels: float
    wall_s: float
    cpu_s: float


def measured_apart(
    work: Sequence[Work], scratch: Path, *, precision: str, device: str, tuned: bool
) -> list[BareTime]:
    """Measure in a process of its own."""
    order = scratch / "bare.json"
    order.write_text(json.dumps([[str(each.path), each.models] for each in work]))
    said = subprocess.run(
        [sys.executable, "-m", __spec__.name, str(order),
         "--precision", precision, "--device", device],
        env={**os.environ, **(TUNED if tuned else {})}, check=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    return [BareTime(**each) for each in json.loads(said)]


def measure(work: Sequence[Work], *, precision: str, device: torch.device) -> list[BareTime]:
    """Run each photo through its networks; each network sees its first photo twice."""
    cards = {card.name: card for card in available_models()}
    networks: dict[str, torch.nn.Module] = {}
    times: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for each in work:
        picture = cv2.cvtColor(cv2.imread(str(each.path)), cv2.COLOR_BGR2RGB)
        megapixels = picture.shape[0] * picture.shape[1] / 1e6
        for name in each.models:
            inputs = [tensor.to(device) for tensor in inputs_of(picture, cards[name].task)]
            if name not in networks:
                networks[name] = _network(cards[name], device)
                _timed(networks[name], inputs, precision)  # the first call sets things up
            times[name].append((megapixels, *_timed(networks[name], inputs, precision)))
    return [BareTime(name, *map(sum, zip(*own, strict=True))) for name, own in times.items()]


def inputs_of(picture: np.ndarray, task: str) -> Iterator[Tensor]:
    """What a task's network sees of a picture (H, W, 3): tensors (1, C, H, W) in [0, 1]."""
    if task != "colorize":
        values = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        yield values.contiguous(memory_format=torch.channels_last)
        return
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    for side in AGREEING_SIDES:
        scale = side / min(luma.shape)
        small = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for seen in (small, small[:, ::-1].copy()):
            yield torch.from_numpy(seen)[None, None].float() / 255


def _network(card: ModelCard, device: torch.device) -> torch.nn.Module:
    network = read_network(WEIGHTS_FOLDER / card.file, sha256=card.sha256)
    return network.to(device).to(memory_format=torch.channels_last)


def _timed(
    network: Callable[[Tensor], Tensor], inputs: Sequence[Tensor], precision: str
) -> tuple[float, float]:
    """Elapsed and processor seconds of one pass over each input."""
    kind = inputs[0].device.type
    casting: AbstractContextManager[object] = nullcontext()
    if precision != "fp32":
        casting = torch.autocast(kind, DTYPES[precision])
    wait = torch.cuda.synchronize if kind == "cuda" else lambda: None
    with torch.inference_mode(), casting:
        wait()
        wall, cpu = time.perf_counter(), time.process_time()
        for tensor in inputs:
            network(tensor)
        wait()
        return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--precision", choices=DTYPES, default="fp32")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    work = [
        Work(Path(path), tuple(names)) for path, names in json.loads(arguments.work.read_text())
    ]
    times = measure(work, precision=arguments.precision, device=torch.device(arguments.device))
    print(json.dumps([vars(each) for each in times]))


if __name__ == "__main__":
    main()
