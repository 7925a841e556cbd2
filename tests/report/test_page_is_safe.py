"""Names from strangers in the report's page: they are text and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import Visit
from tests.report.sample_report import HOSTILE

MakeVisit = Callable[..., Visit]
ROUTES = ("summary", "review", "photos", "decisions")
SCRIPTS = "Array.from(document.scripts, script => script.getAttribute('src'))"


def assert_nothing_ran(reader: Visit) -> None:
    assert reader.page.evaluate("'hacked' in window") is False
    assert reader.dialogs == []
    own = reader.page.evaluate(SCRIPTS)
    assert all(source and source.startswith(("assets/", "data/")) for source in own)
    harmful = "document.querySelectorAll('[onerror], [onload], [onmouseover], [onclick]').length"
    assert reader.page.evaluate(harmful) == 0


def test_hostile_names_are_text_in_every_section(visit: MakeVisit, hostile: Path) -> None:
    reader = visit()
    for route in ROUTES:
        page = reader.go(hostile, route)
        page.locator("main:not([aria-busy])").wait_for()
        assert_nothing_ran(reader)
    page = reader.go(hostile, "photos")
    page.locator("table.photos").wait_for()
    shown = page.locator("table.photos tbody th").all_text_contents()
    assert sorted(shown) == sorted([*HOSTILE, "failed.jpg"])


def test_hostile_names_are_text_on_their_own_pages(visit: MakeVisit, hostile: Path) -> None:
    reader = visit()
    found = set()
    for row in range(len(HOSTILE) + 1):
        page = reader.go(hostile, f"photo/{row}")
        page.reload()  # or the wait would be for the photo before
        page.wait_for_selector("main.view-photo:not([aria-busy]) h1")
        page.get_by_text("The whole manifest row").click()
        source = page.evaluate("restoreArchive.page.view.photo.source")
        assert source.rpartition("/")[2] == page.locator("h1").text_content()
        found.add(source)
        assert_nothing_ran(reader)
    assert found == {*HOSTILE, "failed.jpg"}


def test_hostile_names_can_be_filtered_and_decided_on(visit: MakeVisit, hostile: Path) -> None:
    reader = visit()
    page = reader.go(hostile, "summary")
    cameras = page.locator(".long", has_text="Cameras and scanners")
    name = cameras.locator("tbody a").first.text_content()
    cameras.locator("tbody a").first.click()
    page.locator("table.photos").wait_for()
    assert name[:40] in page.locator(".chip").text_content()
    page.locator("table.photos tbody a").first.click()
    page.locator(".decision-form").wait_for()
    page.keyboard.press("a")
    page.locator("#reviewer-dialog input").fill("<img src=x onerror=window.hacked=9>")
    page.get_by_role("button", name="Use this name").click()
    page.locator("#decisions-count", has_text="1").wait_for()
    page = reader.go(hostile, "decisions")
    page.locator(".decisions").wait_for()
    assert_nothing_ran(reader)


@pytest.mark.parametrize(
    "route",
    [
        "photos?q=%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E",
        "photos?sort=__proto__",
        "photos?status=constructor&noise_sigma=x..y",
        "photos?page=-3",
        "review?reason=%3Cb%3E&page=99",
    ],
)
def test_an_address_may_not_do_harm(visit: MakeVisit, hostile: Path, route: str) -> None:
    reader = visit()
    reader.go(hostile, route)
    assert_nothing_ran(reader)


def test_scripts_in_the_page_are_refused_by_its_policy(visit: MakeVisit, hostile: Path) -> None:
    """The second line of defence holds from file://, too."""
    reader = visit()
    page = reader.go(hostile)
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.hacked = true';
            document.body.append(script);
            const image = document.createElement('img');
            image.setAttribute('onerror', 'window.hacked = true');
            image.setAttribute('src', 'data:image/png;base64,AAAA');
            return new Promise(resolve => {
                image.addEventListener('error', resolve);
                document.body.append(image);
            }).then(() => null);
        }"""
    )
    assert page.evaluate("'hacked' in window") is False
    assert len(reader.complaints) == 2
    assert all("Content Security Policy" in text for text in reader.complaints)
    reader.complaints.clear()


def test_attributes_that_run_are_refused_by_the_pages_own_code(
    visit: MakeVisit, hostile: Path
) -> None:
    page: Any = visit().go(hostile)
    refused = page.evaluate(
        """() => ['onclick', 'style', 'srcdoc', 'formaction'].filter((name) => {
            try { restoreArchive.page.dom.element('b', {[name]: 'x'}); } catch { return true; }
            return false;
        })"""
    )
    assert refused == ["onclick", "style", "srcdoc", "formaction"]
    links = page.evaluate(
        """['javascript:alert(1)', 'https://example.org', '//x', 'data:text/html,x', '#photos']
            .map((href) => restoreArchive.page.dom.element('a', {href}).getAttribute('href'))"""
    )
    assert links == [None, None, None, None, "#photos"]
