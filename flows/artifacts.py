"""What a run leaves in Prefect: progress while it works, a summary, a message when it fails."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.logging import get_run_logger

from flows.console import printable
from flows.progress import Counting, current_reporter, reporting_to
from storage.manifest import ManifestRow

if TYPE_CHECKING:
    from flows.run_summary import RunSummary

PROGRESS_KEY: Final = "restore-archive-progress"
SUMMARY_KEY: Final = "restore-archive-summary"
UPDATE_EVERY_S: Final = 10.0
"""Seconds between updates: each is a request that takes some 40 ms."""


class ArtifactReporter(Counting):
    """Counts what the progress artifact and the run's log say, and passes everything on.

    It makes no request: photos are reported from the thread that restores them, or from the one
    that hears of a cluster's workers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._next = current_reporter()

    def started(self, photos: Sequence[str]) -> None:
        """Pass it on."""
        self._next.started(photos)

    def planned(self, photos: int) -> None:
        """Count photos that wait."""
        super().planned(photos)
        self._next.planned(photos)

    def unchanged(self, photos: int) -> None:
        """Count photos that need nothing."""
        super().unchanged(photos)
        self._next.unchanged(photos)

    def done(self, row: ManifestRow, *, was_unchanged: bool = False) -> None:
        """Count a photo."""
        self.count(row, was_unchanged)
        self._next.done(row, was_unchanged=was_unchanged)

    def warned(self, line: str) -> None:
        """Write it into the run's log."""
        get_run_logger().warning(line)
        self._next.warned(line)


def attempted(call: Callable[..., Any], **arguments: Any) -> Any:  # noqa: ANN401 - of any call
    """Tell Prefect something for those who watch a run; a failure must not cost the run itself.

    Args:
        call: of Prefect.
        arguments: its arguments.

    Returns:
        What it returns; None where it failed, which is a warning in the run's log.
    """
    try:
        return call(**arguments)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        get_run_logger().warning("Prefect did not take %s: %s", call.__name__, reason)
        return None


@contextmanager
def progress_artifact(source: str) -> Iterator[None]:
    """Show the progress of the calls inside in Prefect's UI and in the run's log."""
    artifact = attempted(
        create_progress_artifact,
        progress=0.0,
        key=PROGRESS_KEY,
        description=f"restoring {printable(source)}",
    )
    reporter, ended = ArtifactReporter(), threading.Event()
    # Prefect's calls find their run in the context, which a new thread does not have.
    run_in_context = contextvars.copy_context().run
    thread = threading.Thread(
        target=run_in_context,
        args=(_keep_up_to_date, artifact, reporter, ended),
        name="progress",
        daemon=True,
    )
    thread.start()
    try:
        with reporting_to(reporter):
            yield
    finally:
        ended.set()
        thread.join(UPDATE_EVERY_S)  # no longer: a server that hangs must not hold the run up
    if artifact is not None:
        attempted(update_progress_artifact, artifact_id=artifact, progress=100.0)


def _keep_up_to_date(
    artifact: UUID | None, reporter: ArtifactReporter, ended: threading.Event
) -> None:
    told = 0
    while not ended.wait(UPDATE_EVERY_S):
        if reporter.finished == told:
            continue
        told = reporter.finished
        line = reporter.describe()
        get_run_logger().info("%d/%d photos  %s", told, reporter.total, line)
        if artifact is not None:
            share = 100 * told / max(reporter.total, 1)
            attempted(
                update_progress_artifact, artifact_id=artifact, progress=share, description=line
            )


def summary_artifact(summary: RunSummary, source: str, destination: str) -> None:
    """Leave the counts of a run and a table of its failures in Prefect's UI."""
    attempted(
        create_markdown_artifact,
        key=SUMMARY_KEY,
        markdown=summary_markdown(summary, source, destination),
        description=f"{summary.restored} restored, {summary.failed} failed",
    )


def summary_markdown(summary: RunSummary, source: str, destination: str) -> str:
    """The counts of a run and its first failures, as Markdown."""
    rate = summary.megapixels / max(summary.seconds, 1e-9)
    lines = [
        f"# Run {summary.run_id}",
        "",
        f"{as_cell(source)} → {as_cell(destination)}, {summary.seconds:.0f} s, "
        f"{rate:.2f} megapixels/s" + (", stopped early" if summary.stopped else ""),
        "",
        "| | photos |",
        "| --- | ---: |",
        *(f"| {name} | {count:,} |" for name, count in summary.counts()),
        "",
        *(line for remark in summary.remarks() for line in (as_cell(remark), "")),
        f"The manifest is in `{as_cell(destination)}/manifest`.",
    ]
    if summary.failures:
        lines += ["", "## Failures", "", "| photo | what went wrong |", "| --- | --- |"]
        for failure in summary.failures:
            photo, _, message = failure.removeprefix("failed: ").partition(": ")
            lines.append(f"| {as_cell(photo)} | {as_cell(message)} |")
        if summary.failed > len(summary.failures):
            lines.append(f"\n{summary.failed - len(summary.failures)} more are in the manifest.")
    return "\n".join(lines) + "\n"


def as_cell(text: str) -> str:
    """Text from outside as part of a Markdown table: shown as it is, never as markup."""
    escaped = printable(text)
    for character in "\\`*_{}[]<>#|~&":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


class Notifier(Protocol):
    """A Prefect notification block, such as `slack-webhook/archive` or `email/…`."""

    def notify(self, body: str, subject: str | None = None) -> Any:  # noqa: ANN401 - a block's own
        """Send a message."""


def tell_of_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Send a message through the notification block that the run names as `notify`, if any."""
    name = flow_run.parameters.get("notify")
    if not name:
        return
    block: Any = Block.load(name)
    notifier: Notifier = block
    notifier.notify(
        body=f"{flow.name}, run {flow_run.name}: {state.message or state.type.value}",
        subject=f"{flow.name}: {state.type.value.lower()}",
    )
