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
from typing import Any

from flows.report.reviews import ReviewDesk
from storage import LocalDestination
from storage.manifest import Decision, Status, read_manifest, rows_of
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


def hold(page: Any, path: str, *, method: str) -> list[Any]:
    """Keeps back what the page asks the server for; returns the list that the requests come to."""
    held: list[Any] = []

    def keep(route: Any) -> None:
        if route.request.method == method:
            held.append(route)
        else:
            route.continue_()

    page.route(f"**/{path}", keep)
    return held


def sources_of(page: Any) -> list[str]:
    return list(page.evaluate("restoreArchive.page.decisions.all().map(each => each.source)"))


def empties(answer: Any, reviewer: str) -> bool:
    """Whether an answer is to a save that leaves a reviewer without decisions."""
    if answer.request.method != "POST":
        return False
    saved = answer.request.post_data_json
    return saved["reviewer"] == reviewer and saved.get("decisions") == []


DECIDE = """([row, source, run, sha256]) => restoreArchive.page.decisions.set({
    source, run_id: run, restored_sha256: sha256, decision: 'accepted', note: '', settings: null,
    time: new Date().toISOString(), row})"""


def test_what_was_not_applied_stays(visit: MakeVisit, tmp_path: Path) -> None:
    index = write_sample(tmp_path, list(sample_rows(12)))
    archive = index.parent.parent
    rows = rows_of(read_manifest(LocalDestination(archive)))
    applied, refused, late = [row for row in rows if row.status is Status.RESTORED][:3]
    reader = visit()
    with served(archive) as address:
        page = reader.page
        page.goto(f"{address}#decisions")
        page.locator(".decision-actions").wait_for()
        page.evaluate("restoreArchive.page.decisions.setReviewer('A. Archivist')")
        page.evaluate(DECIDE, [0, applied.source, applied.run_id, applied.restored_sha256])
        page.evaluate(DECIDE, [1, refused.source, "another run", refused.restored_sha256])
        held = hold(page, "apply", method="POST")
        with page.expect_request("**/apply"):
            page.get_by_role("button", name="Apply to the archive").click()
        page.evaluate(DECIDE, [2, late.source, late.run_id, late.restored_sha256])
        held.pop().continue_()
        page.get_by_text("In the archive: 1 accepted").wait_for()
        page.get_by_text("Refused, and still here").wait_for()
        page.get_by_text("2 decisions saved by the server").wait_for()
        assert sources_of(page) == [refused.source, late.source]
        page.goto("about:blank")
    reader.requests.clear()


def test_nothing_is_saved_over_what_was_not_read(visit: MakeVisit, tmp_path: Path) -> None:
    index = write_sample(tmp_path, list(sample_rows(12)))
    archive = index.parent.parent
    there, new = rows_of(read_manifest(LocalDestination(archive)))[:2]
    kept = {
        "restore_archive_decisions": 1,
        "archive": str(archive),
        "reviewer": "A. Archivist",
        "decisions": [
            {
                "source": there.source,
                "run_id": there.run_id,
                "restored_sha256": there.restored_sha256,
                "decision": "accepted",
                "time": "2026-01-31T12:00:00Z",
            }
        ],
    }
    desk = ReviewDesk(LocalDestination(index.parent), LocalDestination(archive))
    desk.save(kept)
    reader = visit()
    with served(archive) as address:
        page = reader.page
        page.route("**/decisions", lambda route: route.fulfill(status=500, body="{}"))
        page.goto(f"{address}#decisions")
        page.get_by_text("What the server has cannot be read").wait_for()
        page.evaluate("restoreArchive.page.decisions.setReviewer('A. Archivist')")
        with page.expect_response("**/decisions") as tried:
            page.evaluate(DECIDE, [0, new.source, new.run_id, new.restored_sha256])
        assert tried.value.request.method == "GET"
        page.unroute("**/decisions")
        page.evaluate("restoreArchive.page.decisions.setReviewer('A. Archivist')")  # as any change
        page.get_by_text("2 decisions saved by the server").wait_for()
        assert set(sources_of(page)) == {there.source, new.source}
        with page.expect_response(lambda answer: empties(answer, "A. Archivist")):
            page.evaluate("restoreArchive.page.decisions.setReviewer('B. Archivist')")
        page.goto("about:blank")
    assert all("500" in text for text in reader.complaints)
    reader.complaints.clear()
    reader.requests.clear()
    files: Any = desk.files().files
    assert {file["reviewer"]: len(file["decisions"]) for file in files} == {
        "A. Archivist": 0,
        "B. Archivist": 2,
    }
