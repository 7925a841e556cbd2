"""From the sample archive to a decision that is carried out, as a person goes about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.cli import main
from tests.flows.runs import latest, run
from tests.report.conftest import Visit

ARCHIVE = Path(__file__).parents[1] / "sample_archive"
NOISY = "farms/dust-bowl-home (noisy scan).jpg"
BLURRED = "alps/french-alpine-landscape (out of focus).png"


def shown(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("table.photos tbody th").all_text_contents()]


def counted(page: Any, text: str) -> None:
    page.locator(".count").filter(has_text=re.compile(rf"^{re.escape(text)}")).wait_for()


def opened(page: Any, index: Path, source: str) -> None:
    """Find a photo by its name and open it."""
    page.goto(f"{index.as_uri()}#photos")
    page.get_by_label("Search").fill(source.rpartition("/")[2])
    counted(page, "1 photo")
    page.locator("table.photos tbody th a").click()
    page.locator(".stage img").first.wait_for()


def looked_at(reader: Visit, index: Path, exported: Path) -> None:
    """Look around, reject one photo, have another redone, export."""
    page = reader.go(index)
    assert page.locator(".headline").text_content().startswith("Of 8 photos, 6 are restored")
    page.goto(f"{index.as_uri()}#photos?status=failed")
    counted(page, "1 photo")
    page.goto(f"{index.as_uri()}#photos")
    counted(page, "8 photos")
    page.locator("[data-sort=noise_sigma]").click()
    page.locator("th[aria-sort=ascending]", has_text="Noise").wait_for()
    page.locator("[data-sort=noise_sigma]").click()
    page.locator("th[aria-sort=descending]", has_text="Noise").wait_for()
    assert shown(page)[0] == NOISY

    opened(page, index, NOISY)
    page.get_by_role("slider", name="Slider between Original and Restored").focus()
    page.keyboard.press("End")
    clip = page.locator(".layer-before").evaluate("node => node.style.clipPath")
    assert clip == "inset(0px 0% 0px 0px)"
    page.keyboard.press("r")
    page.locator("#reviewer-dialog input").fill("A. Archivist")
    page.get_by_role("button", name="Use this name").click()
    page.locator(".decision-state", has_text="Rejected").wait_for()

    opened(page, index, BLURRED)
    page.keyboard.press("d")
    page.get_by_label("Colorize").set_checked(False)
    page.get_by_label("Strength").fill("0.5")
    page.get_by_role("button", name="Ask to redo it").click()
    page.goto(f"{index.as_uri()}#decisions")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    download.value.save_as(exported)


def test_decisions_made_in_the_report_are_carried_out(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    target, exported = tmp_path / "restored", tmp_path / "decisions.json"
    run(ARCHIVE, target)
    assert main(["report", str(target)]) == 0
    looked_at(visit(), target / "report" / "index.html", exported)

    assert main(["review", "apply", str(exported)]) == 0
    assert not (target / "restored" / NOISY).exists()
    assert not (target / "colorized" / NOISY).exists()
    assert (target / "colorized" / BLURRED).exists()

    run(ARCHIVE, target)
    assert (target / "restored" / NOISY).read_bytes() == (ARCHIVE / NOISY).read_bytes()
    rows = latest(ARCHIVE, target)
    assert rows[NOISY].reviewer == "A. Archivist"
    assert rows[BLURRED].plan == ("deblur",)
    assert rows[BLURRED].strength == 0.5
    assert rows[BLURRED].needs_review
    assert not (target / "colorized" / BLURRED).exists()
