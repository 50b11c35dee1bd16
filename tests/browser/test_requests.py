"""No page asks another host for anything, and its policy would refuse it."""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import Browser, Request

from tests.browser.conftest import SITE

PAGES = sorted(
    path.parent.relative_to(SITE).as_posix().removeprefix(".") for path in SITE.rglob("index.html")
)
FIRST_VISIT_BYTES = 300_000
"""Of a first visit to any page, compressed as servers do, before the reader scrolls or searches."""
TEXT = {".html", ".css", ".js", ".svg", ".json", ".xml"}


@pytest.mark.parametrize("name", PAGES)
def test_requests_stay_on_the_site(browser: Browser, address: str, name: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    refused: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith("data:"):
            asked.append(request.url)

    page.on("request", note)
    page.on("console", lambda m: refused.append(m.text) if "Security Policy" in m.text else None)
    page.goto(f"{address}{name}", wait_until="networkidle")
    first = {url.removeprefix(address).partition("?")[0].partition("#")[0] for url in asked}
    assert sum(map(_size, first)) <= FIRST_VISIT_BYTES
    # What is drawn needs no library; that of the search waits for who searches.
    assert not [file for file in first if file.startswith("vendor/") and file.endswith(".js")]
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_load_state("networkidle")
    assert not [url for url in asked if not url.startswith(address)]
    assert not refused
    context.close()


def _size(address: str) -> int:
    path = SITE / address
    content = (path / "index.html" if path.is_dir() else path).read_bytes()
    return len(gzip.compress(content) if path.is_dir() or path.suffix in TEXT else content)


@pytest.mark.parametrize(
    "attack",
    [
        "const s = document.createElement('script'); s.src = '{}'; document.head.append(s)",
        "const s = document.createElement('script'); s.text = 'window.attacked = 1';"
        " document.head.append(s)",
        "new Image().src = '{}'",
        "fetch('{}').catch(() => 0)",
        "const f = document.createElement('iframe'); f.src = '{}'; document.body.append(f)",
        "document.body.innerHTML += '<p onclick=\"window.attacked = 1\" id=x>'; x.click()",
        "const f = document.createElement('form'); f.action = '{}'; document.body.append(f);"
        " f.submit()",
    ],
)
def test_the_policy_refuses_what_is_not_the_site_s_own(
    browser: Browser, address: str, elsewhere: tuple[str, list[str]], attack: str
) -> None:
    other, reached = elsewhere
    page = browser.new_page()
    page.goto(f"{address}en/training/overfitting/", wait_until="networkidle")
    # From the page itself, as an injected script would; its policy does not hold for the tools of
    # the browser, so that the page is asked to run this from an event of its own.
    with page.expect_event("console", lambda m: "Security Policy" in m.text):
        page.evaluate(f"setTimeout(() => {{ {attack.format(other)} }})")
    page.wait_for_timeout(200)
    assert page.evaluate("window.attacked") is None
    assert reached == []
    page.close()
