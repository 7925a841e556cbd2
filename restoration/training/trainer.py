"""The training loop: a budget, averaged weights, validation, a log, a checkpoint to resume from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from restoration.training import distributed
from restoration.training.averaging import update_average
from restoration.training.batches import Batches, batches_for
from restoration.training.data import PhotoSet
from restoration.training.distributed import Ranks
from restoration.training.journal import Journal
from restoration.training.optimization import schedule_at, set_rates, tame_gradients
from restoration.training.options import Progress, Tick, TrainingOptions, uses_bf16
from restoration.training.state import State, load_checkpoint, new_state, save_checkpoint
from restoration.training.stopping import TrainingStopped, stop_requested
from restoration.training.task import Forward, TrainingTask
from restoration.training.validation import Validator
from restoration.training.weights import save_weights

_TICK_EVERY_S = 1.0
_SEED_STRIDE = 1_000_003
"""Between processes, so that each draws batches of its own."""


@dataclass
class _Recent:
    """Losses and steps since the last report, summed on the device."""

    total: Tensor
    steps: int = 0
    since: float = field(default_factory=time.monotonic)

    def add(self, loss: Tensor) -> None:
        """Count a step."""
        self.total += loss
        self.steps += 1

    def mean(self) -> float:
        """Loss per step; waits for the device."""
        return float(self.total) / max(self.steps, 1)

    def rate(self, batch: int) -> float:
        """Images per second at `batch` images a step."""
        return self.steps * batch / max(time.monotonic() - self.since, 1e-9)

    def clear(self) -> None:
        """Begin anew."""
        self.total.zero_()
        self.steps, self.since = 0, time.monotonic()


@dataclass
class _Run:
    """A training run under way."""

    task: TrainingTask
    options: TrainingOptions
    state: State
    ranks: Ranks
    batches: Batches
    validator: Validator
    journal: Journal | None
    checkpoint: Path
    tick: Callable[[Tick], None]

    @property
    def share_spent(self) -> float:
        """Of the budget."""
        if self.options.steps is not None:
            return self.state.steps / self.options.steps
        return self.state.seconds / (self.options.minutes * 60)

    @property
    def images_per_step(self) -> int:
        """Patches of all processes."""
        return self.task.batch * self.ranks.count

    def validate(self, recent: _Recent, schedule: float) -> Progress:
        """Measure the averaged weights and log the result, in the process that does that."""
        network = self.state.averaged()
        progress = Progress(
            self.state.steps,
            self.state.seconds,
            recent.mean(),
            self.validator.scores(network) if self.journal else (),
            self.options.learning_rate * schedule,
            recent.rate(self.images_per_step),
        )
        if self.journal is not None:
            self.journal.add(progress, self.validator.sample(network))
        return progress

    def show_tick(self, recent: _Recent) -> None:
        """Report where the run stands between two validations."""
        share = max(self.share_spent, 1e-9)
        left = self.state.seconds * (1 - share) / share
        rate = recent.rate(self.images_per_step)
        self.tick(Tick(self.state.steps, share, left, recent.mean(), rate))


def train(
    task: TrainingTask,
    photos: PhotoSet,
    output: Path,
    options: TrainingOptions,
    *,
    device: str = "cpu",
    initial: dict[str, Tensor] | None = None,
    report: Callable[[Progress], None] = lambda _: None,
    tick: Callable[[Tick], None] = lambda _: None,
) -> Progress:
    """Train a network and write its averaged weights to `output` (fp16 safetensors).

    `output` with the suffix `.checkpoint` keeps the state of an unfinished run: the same call
    goes on from there; a finished run removes it. Beside it lie the log (`.csv`), its curves
    (`.png`) and restored pictures (`.samples/`), see `Journal`.

    Args:
        task: what to train.
        photos: clean photographs, pairs, or both.
        output: the weights file to write.
        options: budget and schedule.
        device: a torch device name.
        initial: weights to start from instead of random ones.
        report: called after each validation.
        tick: called about every second.

    Returns:
        The last validation's progress; after a resume at the end of the budget, a new one.

    Raises:
        TrainingStopped: SIGINT or SIGTERM came; the checkpoint is written.
        UsageError: a checkpoint or photographs that do not fit the task.
    """
    target = distributed.own_device(device)
    ranks = distributed.join(target)
    task = task.informed(photos.train)
    state = new_state(task, options, target, initial)
    checkpoint = output.with_suffix(".checkpoint")
    if checkpoint.exists():
        load_checkpoint(state, checkpoint)
    seed = options.seed + state.steps + _SEED_STRIDE * ranks.rank
    run = _Run(
        task,
        options,
        state,
        ranks,
        batches_for(task, photos, seed, target),
        task.validator(photos, target),
        Journal(output, resumed_at=state.steps, report=report) if ranks.is_first else None,
        checkpoint,
        tick,
    )
    with stop_requested() as stopping:
        progress = _loop(run, stopping)
    if ranks.is_first:
        save_weights(state.average, task.config, output, task=task.name)
        checkpoint.unlink(missing_ok=True)
    ranks.leave()
    return progress


def _loop(run: _Run, stopping: threading.Event) -> Progress:
    state, options, ranks = run.state, run.options, run.ranks
    forward = forward_of(state, options)
    started = time.monotonic() - state.seconds
    recent = _Recent(torch.zeros((), device=state.device))
    reported, saved, ticked = state.seconds, state.seconds, state.seconds
    progress: Progress | None = None
    while run.share_spent < 1:
        schedule = schedule_at(options, state.steps, run.share_spent)
        recent.add(_step(run, forward, schedule))
        stop = False
        if ranks.count == 1 or state.steps % distributed.SYNC_EVERY_STEPS == 0:
            spent = time.monotonic() - started
            state.seconds, stop = ranks.agree(spent, stopping.is_set(), state.device)
        is_last = run.share_spent >= 1
        if ranks.is_first and (stop or state.seconds - saved >= options.checkpoint_every_s):
            save_checkpoint(state, run.checkpoint)
            saved = state.seconds
        if stop:
            raise TrainingStopped(f"stopped after {state.steps} steps")
        if ranks.is_first and (is_last or state.seconds - reported >= options.report_every_s):
            progress = run.validate(recent, schedule)
            recent.clear()
            reported = ticked = state.seconds
        elif ranks.is_first and state.seconds - ticked >= _TICK_EVERY_S:
            run.show_tick(recent)
            ticked = state.seconds
    if progress is None:  # nothing was left to do, or this process does not validate
        return run.validate(recent, 0.0)
    return progress


def _step(run: _Run, forward: Forward, schedule: float) -> Tensor:
    """One optimiser step; returns its loss, still on the device."""
    state, options = run.state, run.options
    set_rates(state.optimizers, schedule)
    inputs, targets = run.batches()
    output, loss = run.task.objective(forward, inputs, targets)
    if state.adversary is not None:
        state.adversary.learn(output, targets, schedule, average=run.ranks.average)
        loss = loss + state.adversary.loss(output)
    for optimizer in state.optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in state.network.parameters() if p.grad is not None]
    run.ranks.average(gradients)
    tame_gradients(
        gradients,
        state.usual_norm,
        clip_factor=options.clip_factor,
        warming_up=state.steps < options.warmup_steps,
    )
    for optimizer in state.optimizers:
        optimizer.step()
    state.steps += 1
    # A short memory at first: the average must not drag the random start along.
    decay = min(options.ema_decay, (1 + state.steps) / (10 + state.steps))
    update_average(state.average, state.network, decay)
    return loss.detach()


def forward_of(state: State, options: TrainingOptions) -> Forward:
    """The network in the precision in which it is trained, compiled if the options say so."""
    device = state.device
    half = uses_bf16(options.precision, device)
    network = torch.compile(state.network) if options.compiled else state.network

    def forward(images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            output: Tensor = network(images)
        return output.float()

    return forward
