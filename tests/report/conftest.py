from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.sample_report import hostile_rows, sample_rows, write_sample

PHOTOS = 240
PICTURES = 24
SECONDS = 30.0
"""That a browser has for any one thing: machines are slow at times, and nothing waits for it."""


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a report; tests that write to its archive make their own."""
    rows = list(sample_rows(PHOTOS))
    return write_sample(tmp_path_factory.mktemp("sample"), rows, pictures=PICTURES)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a report of photos whose names would do harm."""
    return write_sample(tmp_path_factory.mktemp("hostile"), list(hostile_rows()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium on the PATH")
    # Chromium's sandbox refuses to run as root.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=sandbox)
        yield started
        started.close()


class Visit:
    """A page in a browser that remembers nothing, and what it complained of or asked for."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "accept_downloads": True, **options}
        )
        self.context.set_default_timeout(1000 * SECONDS)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", self._dismiss)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _dismiss(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def go(self, index: Path, route: str = "summary") -> Any:
        """Open a report's page; returns the browser's page once it shows what was asked for."""
        self.page.goto(f"{index.as_uri()}#{route}")
        view = re.split("[/?]", route)[0]
        self.page.wait_for_selector(f"main.view-{view}:not([aria-busy]) h1")
        return self.page


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Makes visits; each must have gone without complaints and without the network."""
    visits: list[Visit] = []

    def make(**options: Any) -> Visit:
        visits.append(Visit(browser, **options))
        return visits[-1]

    yield make
    for each in visits:
        each.context.close()
        assert each.complaints == []
        assert [
            url for url in each.requests if not url.startswith(("file:", "data:", "blob:"))
        ] == []
