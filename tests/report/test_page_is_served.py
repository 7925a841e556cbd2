"""The report's page as `restore-archive report --serve` shows it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from storage import LocalDestination
from storage.manifest import Decision, read_manifest, rows_of
from tests.report.conftest import Visit
from tests.report.sample_report import sample_rows, write_sample

MakeVisit = Callable[..., Visit]


@contextmanager
def served(archive: Path) -> Iterator[str]:
    """Address of a report's page, as the command says it."""
    command = [sys.executable, "-m", "flows.cli", "report", str(archive), "--no-pictures"]
    server = subprocess.Popen(
        [*command, "--serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "500", "BROWSER": "true"},
    )
    try:
        assert server.stdout is not None
        addresses = (re.search(r"http://\S+/index\.html", line) for line in server.stdout)
        found = next(filter(None, addresses), None)
        assert found is not None, "the server gave up"
        yield found[0]
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)


def test_decisions_are_saved_and_applied(visit: MakeVisit, tmp_path: Path) -> None:
    index = write_sample(tmp_path, list(sample_rows(40)))
    archive = index.parent.parent
    reader = visit()
    with served(archive) as address:
        page = reader.page
        page.goto(f"{address}#review")
        page.locator("a.card").first.click()
        page.locator(".decision-form").wait_for()
        source = page.evaluate("restoreArchive.page.view.photo.source")
        page.keyboard.press("a")
        page.locator("#reviewer-dialog input").fill("A. Archivist")
        page.get_by_role("button", name="Use this name").click()
        page.locator(".sections a", has_text="Decisions").click()
        page.get_by_text("1 decision saved by the server").wait_for()
        page.get_by_role("button", name="Apply to the archive").click()
        page.get_by_text("In the archive: 1 accepted, 0 rejected, 0 to be redone").wait_for()
        page.get_by_role("button", name="Load the new report").click()
        page.locator(".decision-actions").wait_for()
        assert page.locator("#decisions-count").text_content() == ""
        origin = address.partition("/")[0] + "//" + address.split("/")[2]
        assert all(url.startswith((origin, "data:", "blob:")) for url in reader.requests)
        page.goto("about:blank")
    reader.requests.clear()
    rows = rows_of(read_manifest(LocalDestination(archive)))
    [decided] = [row for row in rows if row.source == source and row.reviewer]
    assert decided.review_decision is Decision.ACCEPTED
    assert decided.reviewer == "A. Archivist"
