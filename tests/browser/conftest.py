"""The built site in real Chromium, served on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request

SITE = Path(__file__).parents[2] / "site"


class Host(SimpleHTTPRequestHandler):
    def send_error(self, code: int, *_: object, **__: object) -> None:
        """As hosts do that know one page for all missing addresses."""
        content = (SITE / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(host: type[Host]) -> Iterator[str]:
    """The address of the root of the built site on a server of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(host, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    assert (SITE / "index.html").exists(), "no built site: run make build"
    with serve(Host) as root:
        yield root


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that fails its test if it asks another host for anything, or a script of it throws."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    foreign: list[str] = []
    errors: list[str] = []

    def watch(request: Request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            foreign.append(request.url)

    page.on("request", watch)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not foreign
    assert not errors


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another origin on this machine, and what was asked of it."""
    reached: list[str] = []

    class Listener(Host):
        def do_GET(self) -> None:
            reached.append(self.path)
            self.send_response(200)
            self.end_headers()

    with serve(Listener) as root:
        yield f"{root}attack.js", reached
