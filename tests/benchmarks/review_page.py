"""How fluent the Review tab is in Chromium with many clips: prints a table of medians, in milliseconds.

    python tests/benchmarks/review_page.py [CLIPS …]      # 10000 and 100000 without

The time of an empty tab, a dataset without clips, is what “at once” is measured against.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from browsing import chromium, opened, served
from crowds import crowd
from playwright.sync_api import Browser, Page

from studio.data.manifest import Dataset

TIMES = 5
SIZES = (10_000, 100_000)

SCRIPT = Path(__file__).with_suffix(".js")


def main() -> None:
    """Measure every size in a studio of its own, and print."""
    sizes = [int(word) for word in sys.argv[1:]] or SIZES
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        columns = {"empty": measured(Path(folder) / "empty", 0, browser)}
        columns |= {f"{size:,}": measured(Path(folder) / str(size), size, browser) for size in sizes}
    print(f"| ms, median of {TIMES} | " + " | ".join(f"{name} clips" for name in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for deed in next(reversed(columns.values())):
        print(f"| {deed} | " + " | ".join(_cell(found.get(deed)) for found in columns.values()) + " |")


def measured(workspace: Path, size: int, browser: Browser) -> dict[str, float]:
    """Medians by deed for a dataset of `size` clips."""
    folder = workspace / "recordings" / "my-voice"
    Dataset.create(folder) if not size else crowd(folder, size)
    with served(workspace) as studio:
        found = {"first rows": statistics.median(opening(browser, studio.url) for _ in range(TIMES))}
        if size:
            with opened(browser, studio.url) as page:
                page.add_script_tag(path=SCRIPT)
                run(page, "open")
                found |= deeds(page)
    return found


def opening(browser: Browser, url: str) -> float:
    """The first visit of the tab by a fresh visitor."""
    with opened(browser, url) as page:
        page.wait_for_timeout(1000)  # the rest of the page has come
        page.add_script_tag(path=SCRIPT)
        return run(page, "open")


def deeds(page: Page) -> dict[str, float]:
    """What a person does in the tab, each several times."""
    page.wait_for_timeout(1500)

    def often(deed: Callable[[int], float]) -> float:
        return statistics.median(deed(number) for number in range(TIMES))

    return {
        "next page": often(lambda _: run(page, "next")),
        "sort by a column": often(lambda number: run(page, "sort", ("duration", "pace", "snr")[number % 3])),
        "filter": often(
            lambda number: run(page, "filter", f"duration > {number} and heard ~ umbrella or {number + 11}")
        ),
        "edit saved": often(lambda number: run(page, "edit", f"edited {number}")),
        "next clip in hand": often(lambda _: run(page, "move")),
    }


def run(page: Page, deed: str, argument: str | None = None) -> float:
    """Milliseconds that `deed` of the script took in the page."""
    found: float = page.evaluate("([deed, argument]) => window.deeds[deed](argument)", [deed, argument])
    page.wait_for_timeout(300)
    return found


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


if __name__ == "__main__":
    main()
