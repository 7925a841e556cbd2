"""How long the report's page takes in a browser, from the start of navigation.

When the summary is painted is the browser's own figure, the largest contentful paint (W3C). The
others are until what was asked for stands in the page. Medians of several visits, milliseconds.

python -m tests.benchmarks.report_page RESTORED/report/index.html [--visits 5]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

PAINTED = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries().at(-1).startTime))
        .observe({ type: 'largest-contentful-paint', buffered: true });
})"""
CHARTS = """() => document.querySelectorAll('.chart .main-svg').length
    >= document.querySelectorAll('.chart').length && performance.now()"""
SHOWN = """(hash) => new Promise((resolve) => {
    const main = document.getElementById('main');
    const started = performance.now();
    const observer = new MutationObserver(() => {
        if (main.hasAttribute('aria-busy')) return;
        observer.disconnect();
        requestAnimationFrame(() => resolve(performance.now() - started));
    });
    observer.observe(main, { attributes: true, attributeFilter: ['aria-busy'] });
    location.hash = hash;
})"""
STEPS = {
    "first page of the table": "#photos",
    "sorted, all rows read": "#photos?sort=-noise_sigma",
    "sorted by another column": "#photos?sort=camera",
    "searched": "#photos?q=box+000042",
    "filtered by a range": "#photos?noise_sigma=5..6&status=restored",
    "photo opened": "#photo/4242",
}


def visit(browser: Any, index: Path) -> dict[str, float]:
    """Milliseconds of each step."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(index.as_uri(), wait_until="commit")
    page.locator(".headline").wait_for()
    taken = {"summary painted": page.evaluate(PAINTED)}
    taken["charts drawn"] = page.wait_for_function(CHARTS).json_value()
    for name, step in STEPS.items():
        taken[name] = page.evaluate(SHOWN, step)
    memory = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    context.close()
    return {**taken, "heap, MB": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--visits", type=int, default=5)
    arguments = parser.parse_args()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
        visits = [visit(browser, arguments.index.resolve()) for _ in range(arguments.visits)]
        browser.close()
    for name in visits[0]:
        values = [each[name] for each in visits]
        print(f"{name:28} {statistics.median(values):8.0f}  (most {max(values):.0f})")


if __name__ == "__main__":
    main()
