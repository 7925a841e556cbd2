"""What a person sees of a run: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from restoration.training.options import Progress as TrainingProgress
from restoration.training.options import Tick


class Live:
    """Shows a run on a console, as a context manager.

    Args:
        console: where to; a live line is drawn only on a terminal.
        name: of the task.
    """

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._psnr = "-"
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("step {task.fields[steps]}  loss {task.fields[loss]}"),
                TextColumn("validation {task.fields[psnr]} dB"),
                TextColumn("{task.fields[speed]} images/s"),
                TextColumn("{task.fields[left]} left"),
                console=console,
            )
            self._task = self._bar.add_task(
                name, total=1.0, steps=0, loss="-", psnr="-", speed="-", left="?"
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tick(self, tick: Tick) -> None:
        """Update the live line."""
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=tick.share,
                steps=tick.steps,
                loss=f"{tick.loss:.5f}",
                psnr=self._psnr,
                speed=f"{tick.images_per_second:.0f}",
                left=duration(tick.seconds_left),
            )

    def report(self, progress: TrainingProgress) -> None:
        """Print the line of a validation."""
        self._psnr = f"{progress.psnr_db:.3f}"
        self._console.print(report_line(progress), highlight=False, soft_wrap=True)


def report_line(progress: TrainingProgress) -> str:
    """A validation as one line of text."""
    return (
        f"{progress.seconds / 60:6.1f} min  step {progress.steps:6d}  "
        f"loss {progress.loss:.5f}  validation {progress.psnr_db:.3f} dB  "
        f"{progress.images_per_second:.0f} images/s"
    )


def duration(seconds: float) -> str:
    """Seconds as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
