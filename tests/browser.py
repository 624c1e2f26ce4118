"""A reader's browser: Debian's Chromium without a window, driven by Playwright.

It has a new profile, and is told not to ask other hosts for anything on its own account. Where it or what drives it is
not installed, the tests that need it are skipped with the command that installs it.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page

ACTION_MILLISECONDS = 10_000
AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
# A host that Chromium takes for an ordinary one: pages from there have no https and so no clipboard to ask.
PLAIN_HOST = "badges.test"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """One browser for the whole run."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Debian's chromium not installed: apt-get install --no-install-recommends chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("PyPI's playwright not installed: pip install -r tests/requirements.txt")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@contextmanager
def reading(browser: "Browser", site_url: str, **options: Any) -> Iterator["Page"]:
    """Open a tab of a reader of its own; fail if it asked another host for anything or complained of anything.

    ``options`` are those of https://playwright.dev/python/docs/api/class-browser#browser-new-context. That an address
    is not found is a complaint too, unless it is the one opened, or the icon that Chromium looks for beside a JSON.
    """
    context = browser.new_context(base_url=site_url, **{"viewport": DESKTOP, **options})
    context.set_default_timeout(ACTION_MILLISECONDS)
    if PLAIN_HOST not in site_url:
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site_url)
    page = context.new_page()
    asked, complaints = list[str](), list[str]()

    def hear(message: "ConsoleMessage") -> None:
        if message.location["url"] not in (page.url, f"{site_url}/favicon.ico"):
            complaints.append(f"{message.location['url']}: {message.text}")

    def close(dialog: "Dialog") -> None:
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", close)
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", hear)
    try:
        yield page
    finally:
        context.close()
    elsewhere = [url for url in asked if not url.startswith(site_url)]
    assert not elsewhere, f"asked other hosts: {elsewhere}"
    assert not complaints, f"complained: {complaints}"


def violations(page: "Page") -> list[str]:
    """Return what axe-core finds against WCAG 2.2 A and AA and against good practice, each with its element."""
    if not AXE.exists():
        pytest.skip("npm's axe-core not installed: npm ci --prefix tests")
    page.evaluate(AXE.read_text("utf-8"))  # not as an element of the page, whose policy lets in no other script
    page.evaluate("{ axe.run(document, {resultTypes: ['violations']}).then((result) => (window.found = result)); }")
    page.wait_for_function("window.found")
    found: list[dict[str, Any]] = page.evaluate("window.found.violations")
    return [
        f"{rule['id']} {json.dumps(node['target'])}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def pasted(page: "Page") -> str:
    """Return what the clipboard holds."""
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def focused(page: "Page") -> str:
    """Return the words of what has the focus."""
    words: str = page.evaluate("document.activeElement.textContent.trim().replace(/\\s+/g, ' ')")
    return words


def tab_to(page: "Page", is_there: Callable[[str], bool], most: int = 80) -> None:
    """Press Tab until the words of what has the focus are those wanted, as someone without a mouse does."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if is_there(seen[-1]):
            return
    raise AssertionError(f"not reached with Tab: {seen}")
