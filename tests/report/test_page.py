"""The report's page in a real browser, from file://."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.decisions import parse_decisions
from flows.reviewing import apply_decisions
from storage import LocalDestination
from storage.manifest import Decision, Status, read_manifest, rows_of
from tests.report.conftest import PHOTOS, Visit
from tests.report.sample_report import sample_rows, write_sample

MakeVisit = Callable[..., Visit]


def archive_of(index: Path) -> Path:
    return index.parent.parent


def rows_at(index: Path) -> list[Any]:
    """The manifest's rows in the report's order."""
    rows = rows_of(read_manifest(LocalDestination(archive_of(index))))
    return sorted(rows, key=lambda row: row.source.encode("utf-8"))


def shown_names(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("table.photos tbody th").all_text_contents()]


def wait_for_count(page: Any, text: str) -> None:
    page.locator(".count").filter(has_text=re.compile(rf"^{re.escape(text)}")).wait_for()


def name_reviewer(page: Any, name: str = "A. Archivist") -> None:
    page.locator("#reviewer-dialog input").fill(name)
    page.get_by_role("button", name="Use this name").click()


def first_in_need(page: Any) -> None:
    page.locator("a.card").first.click()
    page.locator(".stage img").first.wait_for()


class TestSummary:
    def test_says_in_words_what_was_done(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample)
        rows = rows_at(sample)
        restored = sum(row.status is Status.RESTORED for row in rows)
        needing = sum(row.needs_review for row in rows)
        headline = page.locator(".headline").text_content()
        assert headline.startswith(f"Of {PHOTOS} photos, {restored} are restored")
        assert f"{needing}\u00a0need your eyes" in headline

    def test_charts_are_drawn_and_have_their_numbers_in_tables(
        self, visit: MakeVisit, sample: Path
    ) -> None:
        page = visit().go(sample)
        charts = page.locator(".chart")
        assert charts.count() == 7
        for number in range(charts.count()):
            charts.nth(number).locator(".main-svg").first.wait_for()
            assert charts.nth(number).get_attribute("aria-label")
        noise = page.locator(".chart-figure", has_text="Noise before and after").locator("table")
        cells = noise.locator("tbody td").all_text_contents()
        assert sum(int(cell.replace(",", "")) for cell in cells[::2]) == sum(
            row.noise_sigma is not None for row in rows_at(sample)
        )

    def test_a_bar_leads_to_its_photos(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample)
        chart = page.locator(".chart-figure", has_text="What was found")
        found = int(chart.locator("tbody tr").nth(1).locator("td").first.text_content())
        chart.locator(".main-svg").first.wait_for()
        chart.scroll_into_view_if_needed()
        box = chart.locator(".bars .point path").nth(1).bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_url(re.compile(r"#photos\?degradation=blur$"))
        wait_for_count(page, f"{found} photo")

    def test_is_a_page_or_two_of_paper(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample)
        page.locator(".chart .main-svg").first.wait_for()
        paper = page.pdf(format="A4")
        assert 1 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 2


class TestPhoto:
    def test_the_slider_moves_with_keys_and_pointer(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "review")
        first_in_need(page)
        before = page.locator(".layer-before")
        slider = page.get_by_role("slider", name="Slider between Original and Restored")
        slider.focus()
        page.keyboard.press("ArrowRight")
        assert before.evaluate("node => node.style.clipPath") == "inset(0px 49% 0px 0px)"
        page.keyboard.press("End")
        assert before.evaluate("node => node.style.clipPath") == "inset(0px 0% 0px 0px)"
        box = page.locator(".stage").bounding_box()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 40, steps=3)
        page.mouse.up()
        assert slider.input_value() == "25"
        assert before.evaluate("node => node.style.clipPath") == "inset(0px 75% 0px 0px)"

    def test_the_slider_follows_a_finger(self, visit: MakeVisit, sample: Path) -> None:
        page = visit(viewport={"width": 390, "height": 800}, has_touch=True).go(sample, "review")
        page.locator("a.card").first.tap()
        page.locator(".stage img").first.wait_for()
        box = page.locator(".stage").bounding_box()
        page.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"])
        assert page.get_by_role("slider").first.input_value() == "80"

    def test_zoom_and_panning_move_both_pictures(self, visit: MakeVisit, sample: Path) -> None:
        page = visit(viewport={"width": 500, "height": 700}).go(sample, "review")
        first_in_need(page)
        page.keyboard.press("z")
        boxes = "nodes => nodes.map(node => node.style.transform + node.style.width)"
        images = page.locator(".stage img")
        assert images.first.evaluate("node => node.style.width") == "640px"  # 100 %
        start = images.evaluate_all(boxes)
        box = page.locator(".stage").bounding_box()
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 20, box["y"] + 60, steps=3)
        page.mouse.up()
        moved = images.evaluate_all(boxes)
        assert moved[0] == moved[1] != start[0]
        page.keyboard.press("Shift+ArrowRight")
        panned = images.evaluate_all(boxes)
        assert panned[0] == panned[1] != moved[0]

    def test_keys_go_from_photo_to_photo_and_back(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "review")
        first_in_need(page)
        heading = page.locator("h1").text_content()
        page.keyboard.press("j")
        page.locator(".steps", has_text=re.compile("^.*2 of ")).wait_for()
        assert page.locator("h1").text_content() != heading
        assert page.evaluate("document.activeElement.tagName") == "H1"
        page.keyboard.press("ArrowLeft")
        page.locator(".steps", has_text=re.compile("^.*1 of ")).wait_for()
        assert page.locator("h1").text_content() == heading
        page.keyboard.press("Escape")
        page.locator(".gallery").wait_for()

    def test_tells_measures_with_units_and_provenance(self, visit: MakeVisit, sample: Path) -> None:
        row_number, row = next(
            (at, row) for at, row in enumerate(rows_at(sample)) if row.status is Status.RESTORED
        )
        page = visit().go(sample, f"photo/{row_number}")
        facts = page.locator(".photo-facts").text_content()
        for text in (row.run_id, row.restored_sha256, row.source_sha256, *row.models):
            assert text in facts
        noise = page.locator(".measures tr", has_text="Noise (sigma)").text_content()
        assert "8-bit levels" in noise
        assert "better" in noise

    def test_restored_and_colorized_can_be_chosen(self, visit: MakeVisit, sample: Path) -> None:
        rows = rows_at(sample)
        number = next(at for at, row in enumerate(rows) if row.colorized_path)
        page = visit().go(sample, f"photo/{number}")
        image = page.locator(".layer-after img")
        restored = image.get_attribute("src")
        page.keyboard.press("c")
        assert rows[number].colorized_sha256 in image.get_attribute("src") != restored
        assert page.locator(".corner-after").text_content() == "Colorized"


class TestPhotos:
    def test_filters_by_what_is_in_the_address(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "photos")
        wait_for_count(page, f"{PHOTOS} photos, 1 to 100")
        page.get_by_role("combobox", name="Status", exact=True).select_option("failed")
        failed = [row.source for row in rows_at(sample) if row.status is Status.FAILED]
        wait_for_count(page, f"{len(failed)} photos")
        assert shown_names(page) == failed
        page.get_by_role("button", name=re.compile("Remove the filter Status")).click()
        wait_for_count(page, f"{PHOTOS} photos")
        page.go_back()
        wait_for_count(page, f"{len(failed)} photos")

    def test_filters_by_ranges(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "photos")
        page.get_by_text("More filters").click()
        page.get_by_label("Noise before, least").fill("5")
        page.get_by_label("Noise before, most").fill("9.5")
        page.get_by_label("Noise before, most").press("Tab")
        expected = [row for row in rows_at(sample) if 5 <= (row.noise_sigma or 0) <= 9.5]
        wait_for_count(page, f"{len(expected)} photos")

    def test_sorts_with_unknown_values_last(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "photos")
        page.locator("[data-sort=noise_sigma]").click()
        page.locator("th[aria-sort=ascending]", has_text="Noise").wait_for()
        page.locator("[data-sort=noise_sigma]").click()
        page.locator("th[aria-sort=descending]", has_text="Noise").wait_for()
        known = [row for row in rows_at(sample) if row.noise_sigma is not None]
        known.sort(key=lambda row: -row.noise_sigma)
        assert shown_names(page)[:20] == [row.source for row in known[:20]]

    def test_searches_without_case_and_accents(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "photos")
        page.keyboard.press("/")
        page.keyboard.type("MARKTE – ete")
        found = [row.source for row in rows_at(sample) if "Märkte – été" in row.source]
        wait_for_count(page, f"{len(found)} photos")
        assert shown_names(page) == found
        assert page.locator("#announcement").text_content().startswith(f"{len(found)} photos")

    def test_a_folder_leads_to_its_photos(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample)
        page.get_by_role("link", name="1947/portraits").click()
        found = [row for row in rows_at(sample) if row.source.startswith("1947/portraits/")]
        wait_for_count(page, f"{len(found)} photo")

    def test_the_first_page_needs_the_first_chunk_only(
        self, visit: MakeVisit, tmp_path: Path
    ) -> None:
        index = write_sample(tmp_path, list(sample_rows(10_100)))
        reader = visit()
        page = reader.go(index, "photos")
        wait_for_count(page, "10,100 photos, 1 to 100")
        chunks = [url for url in reader.requests if "/rows-" in url]
        assert [url.rpartition("/")[2] for url in chunks] == ["rows-00000.js"]
        page.get_by_role("link", name="Last »").click()
        wait_for_count(page, "10,100 photos, 10,001 to 10,100")
        page.get_by_label("Search").fill("scan 010042")
        wait_for_count(page, "1 photo")


class TestDecisions:
    def test_are_exported_imported_and_applied(self, visit: MakeVisit, tmp_path: Path) -> None:
        index = write_sample(tmp_path / "here", list(sample_rows(60)), pictures=30)
        reader = visit()
        page = reader.go(index, "review")
        first_in_need(page)
        accepted = page.evaluate("restoreArchive.page.view.photo.source")
        page.keyboard.press("a")
        name_reviewer(page)
        page.locator(".steps", has_text="2 of ").wait_for()  # goes on by itself
        redone = page.evaluate("restoreArchive.page.view.photo.source")
        planned = page.evaluate("restoreArchive.page.view.photo.plan")
        page.get_by_label("Note").fill("less, please")
        page.keyboard.press("Escape")
        page.keyboard.press("d")
        page.get_by_label("Denoise").set_checked(True)
        page.get_by_label("Deblur").set_checked(False)
        page.get_by_label("Colorize").set_checked(False)
        page.get_by_label("Strength").fill("0.5")
        page.get_by_label("Passes").select_option("8")
        page.get_by_text("strength 0.5, 8 passes").wait_for()
        page.get_by_role("button", name="Ask to redo it").click()
        page.locator(".steps", has_text="3 of ").wait_for()
        page.goto(f"{index.as_uri()}#decisions")
        with page.expect_download() as download:
            page.get_by_role("button", name="Export").click()
        assert re.fullmatch(
            r"decisions-restored-archive-\d{4}-\d\d-\d\d\.json", download.value.suggested_filename
        )
        exported = tmp_path / download.value.suggested_filename
        download.value.save_as(exported)

        written = parse_decisions(exported.read_bytes())
        assert written.archive == str(archive_of(index))
        assert written.reviewer == "A. Archivist"
        by_source = {decision.source: decision for decision in written.decisions}
        rows = {row.source: row for row in rows_at(index)}
        assert set(by_source) == {accepted, redone}
        assert by_source[accepted].decision is Decision.ACCEPTED
        assert by_source[redone].decision is Decision.REDO
        assert by_source[redone].note == "less, please"
        settings = json.loads(by_source[redone].settings.text)
        if planned == "denoise":  # then that box was not changed
            settings["steps"] = ["denoise"]
        # The grain is left to the run.
        assert settings == {"steps": ["denoise"], "strength": 0.5, "passes": 8}
        for source, decision in by_source.items():
            assert decision.run_id == rows[source].run_id
            assert decision.restored_sha256 == rows[source].restored_sha256

        elsewhere = visit().go(index, "decisions")
        elsewhere.locator("input[type=file]").set_input_files(exported)
        elsewhere.get_by_text("2 decisions imported").wait_for()
        assert elsewhere.locator(".decisions tbody tr").count() == 2

        apply_decisions(LocalDestination(archive_of(index)), written.decisions, written.reviewer)
        latest = {row.source: row for row in rows_at(index) if row.review_decision}
        assert latest[accepted].review_decision is Decision.ACCEPTED
        assert latest[accepted].reviewer == "A. Archivist"
        assert latest[redone].review_decision is Decision.REDO

    def test_are_kept_and_can_be_undone(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "review")
        first_in_need(page)
        page.get_by_label("Go on to the next photo").uncheck()
        page.keyboard.press("r")
        name_reviewer(page)
        page.locator(".decision-state", has_text="Rejected").wait_for()
        page.reload()
        page.locator(".decision-state", has_text="Rejected").wait_for()
        assert page.locator("#decisions-count").text_content() == "1"
        page.keyboard.press("u")
        page.locator(".decision-state", has_text="Nothing decided").wait_for()
        assert page.locator("#decisions-count").text_content() == ""

    def test_of_two_tabs_are_all_kept(self, visit: MakeVisit, sample: Path) -> None:
        reader = visit()
        one = reader.go(sample, "photo/0")
        one.evaluate("restoreArchive.page.decisions.setReviewer('A. Archivist')")
        one.get_by_label("Go on to the next photo").uncheck()
        other = reader.context.new_page()
        other.goto(f"{sample.as_uri()}#photo/1")
        other.locator(".decision-form").wait_for()
        one.keyboard.press("a")
        other.keyboard.press("r")
        for tab in (one, other):
            tab.locator("#decisions-count", has_text="2").wait_for()
        other.evaluate("window.location.hash = '#photo/0'")
        other.locator(".decision-state", has_text="Accepted").wait_for()
        one.keyboard.press("u")
        other.locator(".decision-state", has_text="Nothing decided").wait_for()
        one.reload()
        one.locator("#decisions-count", has_text="1").wait_for()

    def test_a_key_that_is_held_decides_once(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "review")
        page.evaluate("restoreArchive.page.decisions.setReviewer('A. Archivist')")
        first_in_need(page)
        page.keyboard.down("a")
        page.locator(".steps", has_text="2 of ").wait_for()
        page.keyboard.down("a")
        page.keyboard.down("a")
        page.keyboard.up("a")
        page.keyboard.press("r")
        page.locator(".steps", has_text="3 of ").wait_for()
        made = page.evaluate("restoreArchive.page.decisions.all().map(each => each.decision)")
        assert made == ["accepted", "rejected"]
        page.keyboard.down("j")
        page.locator(".steps", has_text="4 of ").wait_for()
        page.keyboard.down("j")  # goes on while it is held
        page.locator(".steps", has_text="5 of ").wait_for()

    def test_redo_asks_only_for_what_was_changed(self, visit: MakeVisit, sample: Path) -> None:
        failed = next(at for at, row in enumerate(rows_at(sample)) if row.status is Status.FAILED)
        page = visit().go(sample, f"photo/{failed}")
        page.evaluate("restoreArchive.page.decisions.setReviewer('A. Archivist')")
        page.get_by_label("Go on to the next photo").uncheck()
        asked = "JSON.stringify(restoreArchive.page.decisions.all()[0].settings)"
        ask = page.get_by_role("button", name="Ask to redo it")
        page.keyboard.press("d")
        page.get_by_text("once more with the run’s options").wait_for()
        assert all(page.get_by_label(step).is_checked() for step in ("Denoise", "Colorize"))
        ask.click()
        page.locator(".decision-state", has_text="To be redone").wait_for()
        assert page.evaluate(asked) == "null"
        page.get_by_label("Colorize").uncheck()
        page.get_by_text("Asks for: only denoise and deblur").wait_for()
        ask.click()
        assert json.loads(page.evaluate(asked)) == {"steps": ["denoise", "deblur"]}
        page.get_by_role("button", name="As the run chooses").click()
        ask.click()
        assert page.evaluate(asked) == "null"

    def test_letters_in_a_note_decide_nothing(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "review")
        first_in_need(page)
        address = page.url
        page.keyboard.press("n")
        page.keyboard.type("a redo? j")
        assert page.get_by_label("Note").input_value() == "a redo? j"
        assert page.url == address
        assert page.locator("dialog[open]").count() == 0
        assert page.locator("#decisions-count").text_content() == ""

    def test_work_without_the_browsers_memory(self, visit: MakeVisit, sample: Path) -> None:
        reader = visit()
        reader.context.add_init_script(
            "Object.defineProperty(window, 'localStorage',"
            " {get() { throw new DOMException('denied', 'SecurityError'); }})"
        )
        page = reader.go(sample, "review")
        first_in_need(page)
        page.keyboard.press("a")
        name_reviewer(page)
        page.locator(".steps", has_text="2 of ").wait_for()
        page.locator(".sections a", has_text="Decisions").click()
        page.locator(".warning").wait_for()
        assert page.locator(".decisions tbody tr").count() == 1

    def test_of_a_file_are_exported_as_the_command_takes_them(
        self, visit: MakeVisit, sample: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "from elsewhere.json"
        decision = {
            "source": "a.jpg",
            "run_id": "r",
            "decision": "redo",
            "note": "\U0001f5bc" * 4000,
            "settings": {"steps": ["colorize", "denoise", "denoise"], "strength": None},
            "time": "2026-01-31T12:00:00+01:00",
        }
        content = {
            "restore_archive_decisions": 1,
            "archive": "another way to it",
            "reviewer": "A.\u00a0Archivist",
            "decisions": [decision],
        }
        file.write_text(json.dumps(content))
        page = visit().go(sample, "decisions")
        page.locator("input[type=file]").set_input_files(file)
        page.get_by_text("they are about another way to it").wait_for()
        written = page.evaluate("JSON.stringify(restoreArchive.page.decisions.file())")
        parsed = parse_decisions(written.encode())
        assert parsed.reviewer == "A. Archivist"
        [taken] = parsed.decisions
        assert taken.time == datetime(2026, 1, 31, 11, tzinfo=UTC)
        assert str(taken.settings) == "only denoise and colorize"

    @pytest.mark.parametrize(
        ("content", "answer"),
        [
            ("{", "This is no decision file"),
            ("{}", "This is no decision file of this version"),
            (
                '{"restore_archive_decisions": 1, "archive": "x", "decisions": [{"source": "a.jpg",'
                ' "run_id": "r", "decision": "accepted", "time": "2026-01-31T12:00:00"}]}',
                "Decision 1 of the file is not as it should be",
            ),
            (
                '{"restore_archive_decisions": 1, "archive": "x", "decisions": [{"source": "a.jpg",'
                ' "run_id": "r", "decision": "redo", "time": "2026-01-31T12:00:00Z",'
                ' "settings": {"passes": 3}}]}',
                "Decision 1 of the file is not as it should be",
            ),
        ],
    )
    def test_a_wrong_file_is_refused_with_a_reason(
        self, visit: MakeVisit, sample: Path, tmp_path: Path, content: str, answer: str
    ) -> None:
        file = tmp_path / "wrong.json"
        file.write_text(content)
        page = visit().go(sample, "decisions")
        page.locator("input[type=file]").set_input_files(file)
        page.locator(".message", has_text=answer).wait_for()


class TestTrouble:
    def test_an_address_of_no_section_is_the_summary(self, visit: MakeVisit, sample: Path) -> None:
        page = visit().go(sample, "photos?constructor=x")
        page.evaluate("window.location.hash = '#constructor'")
        page.locator("main.view-summary:not([aria-busy]) h1").wait_for()

    def test_a_missing_file_is_told(self, visit: MakeVisit, tmp_path: Path) -> None:
        index = write_sample(tmp_path, list(sample_rows(3)))
        (index.parent / "data" / "rows-00000.js").unlink()
        reader = visit()
        page = reader.go(index, "photos")
        page.get_by_role("alert").filter(has_text="data/rows-00000.js cannot be read").wait_for()
        assert all("ERR_FILE_NOT_FOUND" in text for text in reader.complaints)
        reader.complaints.clear()

    def test_data_of_another_report_are_told(self, visit: MakeVisit, tmp_path: Path) -> None:
        index = write_sample(tmp_path, list(sample_rows(3)))
        rows = index.parent / "data" / "rows-00000.js"
        rows.write_text(re.sub(r'"report":"\w+"', '"report":"other"', rows.read_text()))
        page = visit().go(index, "photos")
        page.get_by_role("alert").filter(has_text="The report was renewed").wait_for()
