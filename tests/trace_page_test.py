"""The page of a run, in a real browser: what it shows, how it is used, and what hostile text can't do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capsule import run_sync
from capsule.cli.trace import TRACE_FILE, trace
from capsule.events import AttemptStarted, RunEnded, RunStarted, TaskEnded, TaskStarted
from capsule.journal.page.document_test import HOSTILE
from capsule.journal.writer import Journal

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="needs Debian's chromium and chromium-driver"),
]

PROGRAM = """
from capsule import task
import urllib.request

@task(max_retries=1)
def fails(word):
    raise ValueError(word)

@task(allowed_hosts=["example.com"])
def asks():
    try:
        urllib.request.urlopen("http://denied.test/")
    except OSError:
        print("it was denied")

@task
def main(word):
    asks()
    fails(word)
    print(word)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--window-size=1300,850",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose names and texts are hostile."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "capsule.toml").touch()
    (folder / "main.py").write_text(PROGRAM)
    assert run_sync(folder / "main.py", [HOSTILE], cwd=folder, on_output=lambda *_: None).success
    return exported(folder)


def exported(folder: Path) -> Path:
    from capsule.journal import reader
    from capsule.launch.journals import close_journals

    close_journals()
    (found, *_) = reader.recent(folder / TRACE_FILE)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert trace(found.id, html=Path("run.html")) == 0
    return folder / "run.html"


def opened(browser: Any, page: Path) -> Any:
    browser.get(page.as_uri())
    return browser


def rows(browser: Any) -> list[str]:
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('.row')].map(row => row.querySelector('.label').innerText"
        ".replace(/\\s+/g, ' ').trim())"
    )
    return found


def press(browser: Any, *keys: str) -> None:
    element = browser.find_element("id", "rows")
    for key in keys:
        element.send_keys(key)


def details(browser: Any) -> str:
    return str(browser.find_element("id", "details").text)


def test_the_page_shows_the_tree_denials_attempts_errors_and_output(browser: Any, recorded: Path) -> None:
    opened(browser, recorded)
    shown = rows(browser)
    assert shown == ["▼ main #1", "asks #2 1 denied", "fails #3 2 attempts"]
    assert "fails" in details(browser), "what failed is what one looks at first"
    assert "Attempts (2)" in details(browser)
    assert 'File "main.py", line 7' in details(browser)
    browser.find_element("id", "task-2").click()
    assert "allowed_hosts" in details(browser)
    assert "denied.test" in details(browser)
    assert "it was denied" in details(browser)
    browser.find_element("tag name", "summary").click()
    assert "fails" in browser.find_element("id", "totals").text


def test_no_text_of_a_guest_becomes_markup_or_runs_or_is_fetched(browser: Any, recorded: Path) -> None:
    opened(browser, recorded)
    for task in ("task-1", "task-2", "task-3"):
        browser.find_element("id", task).click()
        assert (
            browser.execute_script("return document.querySelectorAll('img, iframe, object, link').length")
            == 0
        )
    assert "</script><script>alert(1)</script>" in details(browser)
    assert browser.execute_script("return document.scripts.length") == 2
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def test_the_pages_policy_stops_a_script_and_a_request_that_would_be_there_all_the_same(
    browser: Any, recorded: Path
) -> None:
    opened(browser, recorded)
    browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.body.append(s);"
        "const i = new Image(); i.src = 'http://127.0.0.1:9/x'; document.body.append(i);"
    )
    time.sleep(0.2)
    assert browser.execute_script("return window.ran") is None
    said = " ".join(entry["message"] for entry in browser.get_log("browser"))
    assert "script-src" in said
    assert "default-src" in said


def test_tasks_are_found_by_words_and_filters_with_the_tasks_that_started_them(
    browser: Any, recorded: Path
) -> None:
    opened(browser, recorded)
    browser.find_element("xpath", "//button[text()='Denied']").click()
    assert rows(browser) == ["▼ main #1", "asks #2 1 denied"]
    assert browser.find_element("id", "count").text == "1 of 3 tasks"
    browser.find_element("xpath", "//button[text()='Denied']").click()
    browser.find_element("id", "search").send_keys("task_error #3")
    until(lambda: rows(browser) == ["▼ main #1", "fails #3 2 attempts"])


def test_the_keyboard_is_enough(browser: Any, recorded: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    opened(browser, recorded)
    press(browser, Keys.HOME)
    assert details(browser).startswith("main")
    press(browser, Keys.ARROW_DOWN)
    assert details(browser).startswith("asks")
    press(browser, Keys.ARROW_LEFT)
    assert details(browser).startswith("main")
    press(browser, Keys.ARROW_LEFT)
    assert rows(browser) == ["▶ main #1 2 below"]
    press(browser, Keys.ARROW_RIGHT)
    assert len(rows(browser)) == 3
    grid = browser.find_element("id", "rows")
    assert grid.get_attribute("aria-activedescendant") == "task-1"
    press(browser, "/")
    assert browser.switch_to.active_element.get_attribute("id") == "search"


def test_ten_thousand_tasks_stay_usable(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "capsule.toml").touch()
    at = time.time()
    journal = Journal(tmp_path / TRACE_FILE, pytest.fail)
    journal.record(RunStarted("many", at, "main.py", "key", "main", "{}", 1))
    for number in range(1, 10_001):
        parent = None if number == 1 else 1 + (number - 2) // 100
        journal.record(TaskStarted("many", number, parent, f"task{number}", at + number / 100, "{}"))
        journal.record(AttemptStarted("many", number, 1, at + number / 100))
        journal.record(
            TaskEnded("many", number, at + number / 100 + 1, "succeeded", 1.0, 0, number, None, None)
        )
        if number % 1000 == 0:
            time.sleep(0.02)
    journal.record(RunEnded("many", at + 110, "succeeded", 110.0))
    journal.close(10)
    from selenium.webdriver.common.keys import Keys

    opened(browser, exported(tmp_path))
    assert 10 < len(rows(browser)) < 60, "only rows in sight are there"
    press(browser, Keys.END)
    assert details(browser).startswith("task101\n")
    assert rows(browser)[-1] == "task101 #101"
    press(browser, Keys.HOME)
    browser.find_element("id", "search").send_keys("task9876")
    until(lambda: "task9876 #9876" in rows(browser))


def until(holds: Any) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
