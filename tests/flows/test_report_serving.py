"""The server of a report: who gets what from it, and what becomes of decisions."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.report.folder import report_folder
from flows.report.reviews import ReviewDesk, file_name
from flows.report.serving import MAX_BODY_BYTES, TOKEN_HEADER, ReportServer, listening
from restoration.errors import UsageError
from storage import LocalDestination, open_results
from storage.manifest import Decision, Status
from tests.flows.reports import REVIEW_RUN, called, latest_rows, report

NOISY, CLEAN = "a/Gräy noisy.JPG", "a/clean.png"


@dataclass
class Page:
    """A report that is served, and a browser's side of it."""

    folder: Path
    port: int
    key: str
    client: httpx.Client

    @property
    def restored(self) -> Path:
        return self.folder / "restored"

    def get(self, name: str, **more: Any) -> httpx.Response:
        return self.client.get(f"/{self.key}/{name}", **more)

    def post(self, name: str, body: object, **headers: str) -> httpx.Response:
        given = {TOKEN_HEADER: self.token, **headers}
        return self.client.post(f"/{self.key}/{name}", json=body, headers=given)

    @property
    def token(self) -> str:
        [summary] = called(self.get("data/summary.js").content)[1]
        token: str = summary["serve"]["token"]
        return token

    def decide(self, *decisions: dict[str, Any], reviewer: str = "Änne") -> httpx.Response:
        return self.post("decisions", decision_file(*decisions, reviewer=reviewer))


@contextmanager
def serving(folder: Path) -> Iterator[Page]:
    results = open_results(str(folder / "restored"))
    place = report_folder(results, None)
    report(folder)
    page = ReportServer(
        place,
        ReviewDesk(place, results),
        renew=lambda: report(folder),
        reviewer="me",
        hosts=("archive.example",),
    )
    server = page.server()
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
                yield Page(folder, port, page.key, client)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def page(reported: Path) -> Iterator[Page]:
    with serving(reported) as served:
        yield served


@pytest.fixture(scope="module")
def still(reported_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page for tests that change nothing."""
    folder = tmp_path_factory.mktemp("served") / "reported"
    shutil.copytree(reported_run, folder)
    with serving(folder) as served:
        place = folder / "restored" / "report" / "decisions"
        place.mkdir()
        (place / "decisions-me.json").write_text(json.dumps(decision_file(reviewer="me")))
        yield served


def decision(row: Any, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "source": row.source,
        "run_id": row.run_id,
        "restored_sha256": row.restored_sha256,
        "decision": kind,
        "time": "2026-11-22T10:00:00Z",
        **more,
    }


def decision_file(*decisions: dict[str, Any], reviewer: str = "Änne") -> dict[str, Any]:
    return {
        "restore_archive_decisions": 1,
        "archive": "restored",
        "reviewer": reviewer,
        "decisions": list(decisions),
    }


def test_the_page_and_its_files_are_served(still: Page) -> None:
    index = still.get("index.html")
    assert index.status_code == 200
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    assert index.content == (still.restored / "report" / "index.html").read_bytes()
    assert still.client.get(f"/{still.key}").headers["location"] == f"/{still.key}/index.html"
    assert still.get("assets/plotly.min.js").headers["content-type"].startswith("text/javascript")
    [picture, *_] = (still.restored / "report" / "pictures").iterdir()
    shown = still.get(f"pictures/{picture.name}")
    assert shown.headers["content-type"] == "image/webp"
    assert shown.content == picture.read_bytes()
    [summary] = called(still.get("data/summary.js").content)[1]
    assert summary["serve"] == {"token": still.token, "reviewer": "me"}
    assert b'"serve":null' in (still.restored / "report" / "data" / "summary.js").read_bytes()


@pytest.mark.parametrize("name", ["index.html", "data/rows-00000.js", "nothing", "decisions"])
def test_all_answers_have_security_headers(still: Page, name: str) -> None:
    headers = still.get(name).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    "name",
    [
        "../manifest", "..%2f..%2flatest.parquet", "%2e%2e/latest.parquet", "/etc/passwd",
        "decisions/decisions-me.json", "data/../../latest.parquet", ".restore-archive/lock",
        "assets/%00", "data/rows-99999.js", "assets", "",
    ],
)  # fmt: skip
def test_nothing_else_is_served(still: Page, name: str) -> None:
    with socket.create_connection(("127.0.0.1", still.port)) as raw:  # httpx tidies paths
        request = (
            f"GET /{still.key}/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        raw.sendall(request.encode())
        status = int(raw.makefile("rb").readline().split()[1])
    assert status == (303 if name == "" else 404)


def test_without_the_key_there_is_nothing(still: Page) -> None:
    for path in ("/", "/index.html", f"/{still.key[:-1]}/index.html", f"//{still.key}/index.html"):
        assert still.client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "localhost.evil.example:80"}, 421),
        ({"host": "[::1"}, 421),
        ({"host": ""}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://localhost", "host": "localhost"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"host": "localhost:1234", "origin": "http://localhost:1234"}, 200),
        ({"host": "[::1]:1234"}, 200),
        ({"host": "Archive.Example"}, 200),
    ],
)
def test_strangers_get_nothing(still: Page, headers: dict[str, str], status: int) -> None:
    assert still.get("data/summary.js", headers=headers).status_code == status


def test_decisions_need_the_token(still: Page) -> None:
    token = {TOKEN_HEADER: still.token}
    assert still.get("decisions", headers=token).json() == {
        "files": [decision_file(reviewer="me")],
        "problems": [],
    }
    for wrong in ({}, {TOKEN_HEADER: "guess"}, {TOKEN_HEADER: "ä".encode()}):
        assert still.get("decisions", headers=wrong).status_code == 403
        assert still.post("decisions", {}, **{TOKEN_HEADER: "", **wrong}).status_code == 403
        assert still.post("apply", {}, **{TOKEN_HEADER: "", **wrong}).status_code == 403
    evil = {**token, "origin": "http://evil.example"}
    assert still.post("decisions", {}, **evil).status_code == 403


def test_decisions_are_saved_whole_for_each_reviewer(page: Page) -> None:
    rows = latest_rows(page.restored)
    first = page.decide(decision(rows[NOISY], "accepted"))
    assert first.json() == {"saved": f"decisions/{file_name('Änne')[10:]}", "decisions": 1}
    both = [decision(rows[NOISY], "rejected", note="</script>"), decision(rows[CLEAN], "accepted")]
    assert page.decide(*both).json()["decisions"] == 2
    assert page.decide(reviewer="bert").json() == {
        "saved": "decisions/decisions-bert.json", "decisions": 0,
    }  # fmt: skip
    files = page.get("decisions", headers={TOKEN_HEADER: page.token}).json()["files"]
    assert sorted(files, key=lambda file: file["reviewer"]) == [
        decision_file(reviewer="bert"),
        decision_file(*both),
    ]
    assert latest_rows(page.restored) == rows


def test_names_of_reviewers_make_names_of_files() -> None:
    names = [
        file_name(name) for name in ("bert", "Bert", "bert ", "../../x", "x", "Ä", "長", "b" * 99)
    ]
    assert len(set(names)) == len(names)
    assert names[0] == "decisions/decisions-bert.json"
    assert all(len(name) < 100 and name.count("/") == 1 for name in names)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "must be an object"),
        ({}, "restore_archive_decisions"),
        (decision_file(reviewer=" "), "reviewer is missing"),
        (decision_file(reviewer="a\nb"), "one line"),
        (decision_file({"source": "a.jpg"}), "decision 1"),
        ({**decision_file(), "more": 1}, "not known"),
    ],
)
def test_what_is_no_decision_file_is_one_clear_line(still: Page, body: object, said: str) -> None:
    answer = still.post("decisions", body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert len(list((still.restored / "report" / "decisions").iterdir())) == 1


def test_bodies_of_other_kinds_are_refused(still: Page) -> None:
    token = {TOKEN_HEADER: still.token}
    target = f"/{still.key}/decisions"
    form = still.client.post(target, data={"a": "b"}, headers=token)
    assert "application/json" in form.json()["error"]
    headers = {**token, "content-type": "application/json"}
    assert "no JSON" in still.client.post(target, content=b"{", headers=headers).json()["error"]
    deep = b"[" * 100_000
    assert "no JSON" in still.client.post(target, content=deep, headers=headers).json()["error"]
    assert still.client.put(target, headers=token).status_code == 405


def test_too_many_decisions_are_refused(still: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.report.serving.MAX_BODY_BYTES", 1 << 20)
    assert MAX_BODY_BYTES > 1 << 20
    answer = still.decide({"source": "x" * (1 << 20)})
    assert "more than 1 MiB" in answer.json()["error"]


def test_decisions_are_applied_and_the_report_is_renewed(page: Page) -> None:
    rows = latest_rows(page.restored)
    stale = {**decision(rows["a/b/noisy.png"], "accepted"), "run_id": "20000101T000000Z-000000"}
    page.decide(decision(rows[NOISY], "rejected"), decision(rows[CLEAN], "accepted"), stale)
    before = called(page.get("data/summary.js").content)[1][0]
    answer = page.post("apply", {"reviewer": "Änne"})
    assert answer.status_code == 200
    result = answer.json()
    assert (result["accepted"], result["rejected"], result["redo"]) == (1, 1, 0)
    [refused] = result["refused"]
    assert refused["source"] == "a/b/noisy.png"
    assert "look again" in refused["reason"]
    now = latest_rows(page.restored)
    assert now[CLEAN].review_decision is Decision.ACCEPTED
    assert now[NOISY].reviewer == "Änne"
    assert now[NOISY].status is Status.WITHDRAWN
    assert not (page.restored / "restored" / NOISY).exists()
    after = called(page.get("data/summary.js").content)[1][0]
    assert after["report"] != before["report"]
    assert after["totals"]["needs_review"] == before["totals"]["needs_review"] - 2
    assert after["serve"]["token"] == before["serve"]["token"]
    assert page.get("decisions", headers={TOKEN_HEADER: page.token}).json() == {
        "files": [],
        "problems": [],
    }


def test_there_is_nothing_to_apply(still: Page) -> None:
    for body, said in (
        ({"reviewer": "nobody"}, "nobody has no decisions"),
        ({"reviewer": ""}, "no decisions"),
        ({"reviewer": "a\nb"}, "one line"),
        ([], "reviewer is missing"),
        ({"reviewer": 1}, "reviewer is missing"),
    ):
        answer = still.post("apply", body)
        assert answer.status_code == 422
        assert said in answer.json()["error"]


def test_a_run_at_work_is_told_and_the_decisions_stay(page: Page) -> None:
    page.decide(decision(latest_rows(page.restored)[NOISY], "accepted"), reviewer="bert")
    with open_results(str(page.restored)).lock():
        answer = page.post("apply", {"reviewer": "bert"})
    assert answer.status_code == 409
    assert "another run writes" in answer.json()["error"]
    assert (page.restored / "report" / "decisions" / "decisions-bert.json").is_file()
    assert latest_rows(page.restored)[NOISY].run_id == REVIEW_RUN


@pytest.mark.parametrize("damaged", [b"{", b"{}", b"\xff", b"[" * 100_000])
def test_a_damaged_file_of_decisions_costs_no_others(tmp_path: Path, damaged: bytes) -> None:
    folder = LocalDestination(tmp_path / "report")
    desk = ReviewDesk(folder, LocalDestination(tmp_path))
    desk.save(decision_file(reviewer="bert"))
    desk.save(decision_file(reviewer="zoe"))
    folder.put("decisions/decisions-bert.json", damaged)
    kept = desk.files()
    assert kept.files == (decision_file(reviewer="zoe"),)
    [problem] = kept.problems
    assert problem.startswith("decisions/decisions-bert.json is damaged: ")
    assert "\n" not in problem
    assert (tmp_path / "report/decisions/decisions-bert.json").read_bytes() == damaged


def test_a_report_that_somebody_else_renewed_is_shown(page: Page) -> None:
    before = called(page.get("data/summary.js").content)[1][0]
    report(page.folder)
    after = called(page.get("data/summary.js").content)[1][0]
    assert after["report"] != before["report"]
    assert after["serve"] == before["serve"]
    assert after["report"] == called(page.get("data/rows-00000.js").content)[1][1]["report"]
    (page.restored / "report/data/summary.js").write_bytes(b"restoreArchive.summary({);")
    damaged = page.get("data/summary.js")
    assert damaged.status_code == 500
    assert "make the report again" in damaged.json()["error"]


def test_what_was_applied_is_said_though_the_report_cannot_be_renewed(page: Page) -> None:
    page.decide(decision(latest_rows(page.restored)[CLEAN], "accepted"), reviewer="bert")
    with LocalDestination(page.restored / "report").lock():
        answer = page.post("apply", {"reviewer": "bert"})
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    assert answer.json()["note"].startswith("the report could not be renewed (")
    assert latest_rows(page.restored)[CLEAN].review_decision is Decision.ACCEPTED


def test_a_port_that_is_taken_is_one_line() -> None:
    with (
        listening("127.0.0.1", 0) as listener,
        pytest.raises(UsageError, match="choose another with --port"),
    ):
        listening("127.0.0.1", listener.getsockname()[1])
    with pytest.raises(UsageError, match="cannot be used"):
        listening("no.such.host.invalid", 0)
