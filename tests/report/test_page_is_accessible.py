"""The report's page for people who do not see it, do not point, or need contrast."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import Visit

MakeVisit = Callable[..., Visit]
ROUTES = ("summary", "review", "photos", "photo/0", "decisions")
STYLE = Path(__file__).parents[2] / "flows" / "report" / "site" / "style.css"
TEXT_COLOURS = (
    "text", "muted", "accent", "restored", "skipped", "failed", "withdrawn", "review",
)  # fmt: skip
GROUNDS = ("paper", "surface", "sunken")
WCAG_AA = 4.5
"""Contrast of text (WCAG 2.2, 1.4.3)."""

NAMELESS = """() => {
    const name = (node) => [
        node.getAttribute('aria-label'), node.textContent,
        ...(node.labels ? Array.from(node.labels, (label) => label.textContent) : []),
    ].some((text) => text && text.trim());
    return [...document.querySelectorAll('a, button, input, select, textarea, summary')]
        .filter((node) => !name(node)).map((node) => node.outerHTML);
}"""


def schemes() -> dict[str, dict[str, str]]:
    """The colours of each scheme, by name without `--`."""
    css = STYLE.read_text(encoding="utf-8")
    light, dark = re.findall(r":root[^{]*\{([^}]*)\}", css)[:2]
    colours = r"--([a-z-]+): (#[0-9a-f]{6});"
    bright = dict(re.findall(colours, light))
    return {"light": bright, "dark": {**bright, **dict(re.findall(colours, dark))}}


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 to 1 (WCAG 2.2, "relative luminance")."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def pairs() -> Iterator[tuple[str, str]]:
    yield from product(TEXT_COLOURS, GROUNDS)
    yield ("on-accent", "accent")
    yield ("paper", "text")  # pressed buttons


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme: str) -> None:
    colours = schemes()[scheme]
    weak = {
        (text, ground): round(contrast(colours[text], colours[ground]), 2)
        for text, ground in pairs()
        if contrast(colours[text], colours[ground]) < WCAG_AA
    }
    assert weak == {}


def test_schemes_differ_and_follow_the_system_or_the_reader(visit: MakeVisit, sample: Path) -> None:
    reader = visit(color_scheme="dark")
    page = reader.go(sample)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Theme: automatic").click()
    light = page.evaluate(paper)
    assert light != dark
    page.reload()
    page.get_by_role("button", name="Theme: light").wait_for()
    assert page.evaluate(paper) == light


@pytest.mark.parametrize("route", ROUTES)
def test_pictures_and_controls_have_names(visit: MakeVisit, sample: Path, route: str) -> None:
    page = visit().go(sample, route)
    page.locator("main:not([aria-busy])").wait_for()
    assert page.locator("img:not([alt])").count() == 0
    assert page.evaluate(NAMELESS) == []
    assert page.locator("main h1").count() == 1
    assert page.locator("header, nav, main, footer").count() >= 4
    assert page.locator("[tabindex]:not([tabindex='-1'])").count() == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(
    visit: MakeVisit, sample: Path, hostile: Path, route: str, width: int
) -> None:
    reader = visit(viewport={"width": width, "height": 800})
    for index in (sample, hostile):
        page = reader.go(index, route)
        page.locator("main:not([aria-busy])").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_focus_follows_the_address(visit: MakeVisit, sample: Path) -> None:
    page = visit().go(sample)
    page.locator(".sections a", has_text="Photos").click()
    page.locator("table.photos").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Photos"
    assert page.title().startswith("Photos")
    current = page.locator(".sections [aria-current=page]")
    assert current.text_content() == "Photos"


def test_the_skip_link_leads_to_the_content(visit: MakeVisit, sample: Path) -> None:
    page = visit().go(sample, "review")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.url.endswith("#review")


def test_keys_are_listed_in_a_dialog(visit: MakeVisit, sample: Path) -> None:
    page: Any = visit().go(sample)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    dialog.wait_for()
    assert "Accept" in dialog.text_content()
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_motion_is_only_for_those_who_did_not_ask_for_less() -> None:
    css = "".join(file.read_text() for file in STYLE.parent.glob("*.css"))
    block = re.search(r"@media \(prefers-reduced-motion: no-preference\) \{(.*?)\n\}", css, re.S)
    assert block is not None
    assert css.count("transition:") == block[1].count("transition:")
    assert "animation" not in css
    assert "scroll-behavior" not in css
