"""The training loop: a wall-clock budget, EMA weights, a log, a checkpoint to resume from."""

from __future__ import annotations

import json
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from restoration.networks import Network, NetworkConfig, header_of
from restoration.training.adversary import Adversary
from restoration.training.averaging import snapshot, update_average
from restoration.training.checkpoint import load_tensors, tensors_of, under
from restoration.training.data import PhotoSet
from restoration.training.muon import Muon
from restoration.training.tasks import TrainingTask


@dataclass(frozen=True)
class TrainingOptions:
    """How long and how fast to train.

    Attributes:
        minutes: wall-clock budget; the learning rate falls to zero over it (cosine).
        steps: budget in optimiser steps instead, for runs that must not depend on the machine.
        learning_rate: peak of the schedule, for what AdamW trains.
        muon_learning_rate: likewise, for what Muon trains; 0 leaves everything to AdamW.
        warmup_steps: steps of linear warm-up.
        ema_decay: decay per step of the averaged weights that are written.
        betas: AdamW's decays of the gradient's moments; a short second one forgets a bad batch in
            a hundred steps.
        weight_decay: AdamW's; with 0 it is Adam.
        clip_factor: a step whose gradient norm exceeds the running mean by this factor is
            scaled down to it, and left out beyond ten times that: one bad batch at a high rate
            otherwise throws a network without normalisation off for minutes.
        report_every_s: seconds between log lines and validations.
        checkpoint_every_s: seconds between checkpoints.
        seed: of weights and degradations.
        precision: fp32, bf16 (autocast; weights and optimiser stay fp32), or auto: bf16 where the
            device computes it natively.
    """

    minutes: float
    steps: int | None = None
    learning_rate: float = 1.2e-3
    muon_learning_rate: float = 0.02
    warmup_steps: int = 300
    ema_decay: float = 0.999
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    clip_factor: float = 2.0
    report_every_s: float = 60.0
    checkpoint_every_s: float = 120.0
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"


@dataclass(frozen=True)
class Progress:
    """Where a training run stands: one line of the log.

    Attributes:
        steps: optimiser steps so far.
        seconds: of the budget spent so far.
        loss: mean over the steps since the last line.
        psnr_db: validation score of the averaged weights.
        learning_rate: now.
        patches_per_second: since the last line.
    """

    steps: int
    seconds: float
    loss: float
    psnr_db: float
    learning_rate: float
    patches_per_second: float


@dataclass
class _State:
    """What a checkpoint holds."""

    network: Network
    average: dict[str, Tensor]
    optimizers: tuple[torch.optim.Optimizer, ...]
    steps: int = 0
    seconds: float = 0.0
    gradient_norm: float = 0.0
    """Running mean of the gradient's norm."""
    adversary: Adversary | None = None


def train(
    task: TrainingTask,
    photos: PhotoSet,
    output: Path,
    options: TrainingOptions,
    *,
    device: str = "cpu",
    initial: dict[str, Tensor] | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Train a network and write its averaged weights to `output` (fp16 safetensors).

    `output` with the suffix `.checkpoint` keeps the state of an unfinished run: the same call
    goes on from there. `output` with the suffix `.jsonl` is the log. A finished run removes its
    checkpoint.

    Args:
        task: what to train.
        photos: clean photographs.
        output: the weights file to write.
        options: budget and schedule.
        device: a torch device name.
        initial: weights to start from instead of random ones.
        report: called with each line of the log.
    """
    target = torch.device(device)
    state = _new_state(task, options, target, initial)
    checkpoint = output.with_suffix(".checkpoint")
    if checkpoint.exists():
        _load_checkpoint(state, checkpoint)
    log = output.with_suffix(".jsonl")
    batches = _prefetched(task, photos, seed=options.seed + state.steps)
    progress = _run(task, photos, state, options, batches, checkpoint, _reporter(log, report))
    save_weights(state.average, task.config, output, task=task.name)
    checkpoint.unlink(missing_ok=True)
    return progress


def save_weights(
    weights: dict[str, Tensor], config: NetworkConfig, path: Path, *, task: str
) -> None:
    """Write safetensors whose header names the task and the network's shape.

    Fractions are written as fp16; batch normalisation's count of batches stays whole.
    """
    stored = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in weights.items()
    }
    temporary = path.with_name(path.name + ".part")
    save_file(stored, temporary, metadata=header_of(config, task))
    temporary.chmod(0o644)  # safetensors writes 0600: an installed model is for every user
    temporary.replace(path)


def _run(
    task: TrainingTask,
    photos: PhotoSet,
    state: _State,
    options: TrainingOptions,
    batches: Iterator[tuple[Tensor, Tensor]],
    checkpoint: Path,
    report: Callable[[Progress], None],
) -> Progress:
    device = next(state.network.parameters()).device
    started = time.monotonic() - state.seconds
    reported, saved = state.seconds, state.seconds
    losses: list[float] = []
    progress = Progress(state.steps, state.seconds, math.nan, math.nan, 0.0, 0.0)
    while (spent := _share_spent(options, state)) < 1:
        schedule = _schedule(options, state.steps, spent)
        inputs, targets = next(batches)
        losses.append(_step(task, state, options, schedule, inputs.to(device), targets.to(device)))
        state.seconds = time.monotonic() - started
        is_last = _share_spent(options, state) >= 1
        if state.seconds - reported >= options.report_every_s or is_last:
            score = task.validate(_averaged(state), photos, device)
            speed = len(losses) * task.batch / max(state.seconds - reported, 1e-9)
            progress = Progress(
                state.steps,
                state.seconds,
                float(np.mean(losses)),
                score,
                options.learning_rate * schedule,
                speed,
            )
            report(progress)
            losses.clear()
            reported = state.seconds
        if state.seconds - saved >= options.checkpoint_every_s:
            _save_checkpoint(state, checkpoint)
            saved = state.seconds
    return progress


def _share_spent(options: TrainingOptions, state: _State) -> float:
    if options.steps is not None:
        return state.steps / options.steps
    return state.seconds / (options.minutes * 60)


def _step(
    task: TrainingTask,
    state: _State,
    options: TrainingOptions,
    schedule: float,
    inputs: Tensor,
    targets: Tensor,
) -> float:
    for optimizer in state.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * schedule
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    half = uses_bf16(options.precision, inputs.device)
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=half):
        output = state.network(inputs)
    loss = task.loss(output.float(), targets)
    if state.adversary is not None:
        state.adversary.learn(output, targets, schedule)
        loss = loss + state.adversary.loss(output)
    for optimizer in state.optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if _tame_gradient(state, options):
        for optimizer in state.optimizers:
            optimizer.step()
    state.steps += 1
    # A short memory at first: the average must not drag the random start along.
    decay = min(options.ema_decay, (1 + state.steps) / (10 + state.steps))
    update_average(state.average, state.network, decay)
    return float(loss.detach())


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Whether training on `device` computes in bfloat16.

    On a CPU with native bfloat16 products a step takes 0.4 times as long as in fp32; on one
    without them it takes longer.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cpu":
        capabilities = (
            torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        )
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return device.type == "cuda"


def _tame_gradient(state: _State, options: TrainingOptions) -> bool:
    """Clip the gradient relative to its usual size; False where the step is better left out."""
    warming_up = state.steps < options.warmup_steps
    bound = 1.0 if warming_up else options.clip_factor * state.gradient_norm
    norm = float(clip_grad_norm_(state.network.parameters(), bound))
    if not math.isfinite(norm):
        return False
    usual = state.gradient_norm or norm
    state.gradient_norm = 0.98 * usual + 0.02 * min(norm, 4 * usual)
    return warming_up or norm <= 10 * bound


def _schedule(options: TrainingOptions, step: int, fraction: float) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine to zero."""
    warmup = min(1.0, (step + 1) / options.warmup_steps)
    return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, fraction)))


def _new_state(
    task: TrainingTask,
    options: TrainingOptions,
    device: torch.device,
    initial: dict[str, Tensor] | None,
) -> _State:
    torch.manual_seed(options.seed)
    network = task.config.build()
    if initial is not None:
        network.load_state_dict({name: tensor.float() for name, tensor in initial.items()})
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    adversary = None
    if task.adversary is not None:
        bf16 = uses_bf16(options.precision, device)
        adversary = Adversary(task.adversary, task.config.out_channels, device, bf16=bf16)
    optimizers = _optimizers(network, options)
    return _State(network, snapshot(network), optimizers, adversary=adversary)


def _optimizers(network: Network, options: TrainingOptions) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the kernels of the inner convolutions, AdamW for everything else.

    After 2.5 minutes of denoise on two cores Muon is 0.7-1.2 dB ahead of AdamW alone.
    """
    inner = {
        id(module.weight)
        for module in network.modules()
        if options.muon_learning_rate
        and isinstance(module, nn.Conv2d)
        # The first and last convolutions speak pixels, whose directions are not alike.
        and min(module.in_channels, module.out_channels) >= 16
    }
    kernels = [p for p in network.parameters() if id(p) in inner]
    others = [p for p in network.parameters() if id(p) not in inner]
    adamw = torch.optim.AdamW(
        others,
        lr=options.learning_rate,
        betas=options.betas,
        weight_decay=options.weight_decay,
    )
    optimizers = (adamw, Muon(kernels, lr=options.muon_learning_rate)) if kernels else (adamw,)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers


def _averaged(state: _State) -> Network:
    network = state.network.config.build().to(next(iter(state.average.values())).device)
    network.load_state_dict(state.average)
    return network.eval()


def _prefetched(task: TrainingTask, photos: PhotoSet, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw batches in a thread, one ahead of the optimiser."""
    waiting: queue.Queue[tuple[Tensor, Tensor]] = queue.Queue(maxsize=2)

    def fill() -> None:
        rng = np.random.default_rng(seed)
        while True:
            waiting.put(task.draw_batch(photos, rng))

    threading.Thread(target=fill, daemon=True, name=f"{task.name}-batches").start()
    while True:
        yield waiting.get()


def _reporter(log: Path, report: Callable[[Progress], None]) -> Callable[[Progress], None]:
    def write(progress: Progress) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(progress)) + "\n")
        report(progress)

    return write


def _save_checkpoint(state: _State, path: Path) -> None:
    """Write weights, averages and optimiser moments as safetensors: no pickle is ever read."""
    tensors = tensors_of(state.network, state.optimizers)
    tensors |= {f"average.{name}": tensor for name, tensor in state.average.items()}
    if state.adversary is not None:
        own = state.adversary.tensors()
        tensors |= {f"adversary.{name}": tensor for name, tensor in own.items()}
    contiguous = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    temporary = path.with_name(path.name + ".part")
    metadata = {
        "steps": str(state.steps),
        "seconds": str(state.seconds),
        "gradient_norm": str(state.gradient_norm),
    }
    save_file(contiguous, temporary, metadata=metadata)
    temporary.replace(path)


def _load_checkpoint(state: _State, path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    load_tensors(state.network, state.optimizers, tensors)
    for name, tensor in under(tensors, "average.").items():
        state.average[name].copy_(tensor)
    if state.adversary is not None:
        state.adversary.load(under(tensors, "adversary."))
    state.steps, state.seconds = int(metadata["steps"]), float(metadata["seconds"])
    state.gradient_norm = float(metadata["gradient_norm"])
