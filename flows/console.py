"""What commands print: lines that no file name can break, and bars for what takes long."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

LINE_EVERY_S = 10.0
"""Seconds between lines where there is no terminal."""


class QuietlyClosedConsole(Console):
    """A console whose reader may go away (`… | head`): then it goes quiet, and the work goes on.

    Rich's own answer is to end the process from whichever thread prints.
    """

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


def print_line(console: Console, line: str) -> None:
    """Print a line as it is: not broken, not coloured, without the control characters in it."""
    console.print(printable(line), highlight=False, markup=False, soft_wrap=True)


def printable(text: str) -> str:
    """A file name without control characters, so that it cannot drive the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_utf8(text: str) -> bool:
    """Whether a text can be written out: names of files may hold other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Bars:
    """How far a command has come: bars on a terminal, a line now and then elsewhere.

    They go to standard error, since results are on standard output.

    Args:
        quiet: neither.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = QuietlyClosedConsole(stderr=True, quiet=quiet)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
            transient=True,
            disable=quiet or not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._said = time.monotonic()

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, of: int) -> None:
        """`done` of `of` are done; `what` they are, such as "files read back", has its own bar."""
        if self._console.is_terminal:
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(what, total=None)
            task = self._tasks[what]
            self._progress.update(task, completed=done, total=of, visible=done < of)
        elif time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            print_line(self._console, f"{done:,}/{of:,} {what}")
