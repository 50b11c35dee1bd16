"""Builds of the site: with the hooks, and a plain one of the same pages as they render them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from lxml import html

from qa import site_files
from qa.browser import find
from qa.finish.addresses import relative
from qa.prepare import prepare
from qa.project import Project
from qa.rendering import render_page
from qa.run import notebook as notebooks
from tests.mkdocs_build import MKDOCS

ROOT = Path(__file__).parents[2]
SERVED = "training/overfitting"
"""The page that is served alone and edited."""
EDITED = "training/evaluation"
"""The notebook that is edited for a build; one that needs little time shows the most overhead."""


def build(root: Path) -> tuple[float, float]:
    """Seconds on the clock, and of processor time of the process and its children."""
    clock = time.perf_counter()
    log = root / "build.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*MKDOCS, "build", "-q"], cwd=root, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a build in {root} failed:\n{log.read_text()[-4000:]}")
    return time.perf_counter() - clock, used.ru_utime + used.ru_stime


def make(root: Path) -> tuple[Path, Path]:
    """A copy of the site with all results, and a project without hooks of the same pages."""
    site, plain = root / "site", root / "plain"
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    without_hooks = re.sub(r"^hooks:.*\n", "", settings, flags=re.M)
    for project, text in ((site, settings), (plain, without_hooks)):
        for name in ("docs", "overrides", "notebooks"):
            shutil.copytree(ROOT / name, project / name)
        (project / "mkdocs.yml").write_text(text, encoding="utf-8")
    (site / "hooks").symlink_to(ROOT / "hooks")
    if (ROOT / ".cache/qa").exists():
        shutil.copytree(ROOT / ".cache/qa", site / ".cache/qa")
    prepared = prepare(Project(site))
    for path, page in prepared.by_path.items():
        header = path.read_text(encoding="utf-8").splitlines()[: page.first - 1]
        url = f"{'' if page.language == 'zh' else 'en/'}{page.name}/".removesuffix("index/")
        text = "\n".join([*header, render_page(prepared, path, relative("", url)) or ""])
        (plain / path.relative_to(site)).write_text(text, encoding="utf-8")
    site_files.write(prepared, plain / "docs")
    build(site)
    build(plain)
    for path in (site / "site").rglob("index.html"):
        other = plain / path.relative_to(site)
        assert _text(path) == _text(other), f"{path} differs in the plain build"
    return site, plain


def _text(page: Path) -> str:
    """Of its article, without what a plain build leaves for the browser to draw, and without
    spaces, of which it has more: one for each line break in Chinese."""
    article = html.parse(page).getroot().find(".//article")
    for drawn in [*article.find_class("qa-diagram"), *article.find_class("arithmatex")]:
        drawn.drop_tree()
    return "".join(article.text_content().split())


def edit_prose(site: Path, mark: str) -> None:
    path = site / f"docs/zh/{SERVED}.md"
    path.write_text(f"{path.read_text(encoding='utf-8').rstrip()} {mark}\n", encoding="utf-8")


def edit_code(site: Path, mark: str, notebook: str = SERVED) -> None:
    """A comment at the end of the last cell; the pair follows."""
    path = site / f"notebooks/{notebook}.py"
    path.write_text(f"{path.read_text(encoding='utf-8').rstrip()}\n# {mark}\n", encoding="utf-8")
    notebooks.write_pair(notebooks.read(path))


def own_seconds(site: Path) -> float:
    """Seconds of the cells of the newest run."""
    newest = max((site / ".cache/qa/results").glob("*.json"), key=lambda path: path.stat().st_mtime)
    cells = json.loads(newest.read_text(encoding="utf-8"))["cells"]
    return float(sum(cell["seconds"] for cell in cells.values()))


def serve(site: Path, edits: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds until a browser shows an edit of the prose, and one of the code, of the one page
    that is served; and those of the cells in the runs of the latter."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    chromium, log = find(), site / "serve.log"
    process = subprocess.Popen(
        [*MKDOCS, "serve", "-a", address],
        cwd=site,
        env=os.environ | {"QA_PAGE": SERVED},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    prose, code, own = [], [], []
    try:
        while f"http://{address}" not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(bypass_csp=True)
            page.goto(f"http://{address}/{SERVED}/")

            def until_seen(mark: str) -> float:
                seen = f"document.body?.textContent.includes('{mark}')"
                clock = time.perf_counter()
                page.wait_for_function(seen, polling=20, timeout=120_000)
                return time.perf_counter() - clock

            for number in range(edits + 1):
                time.sleep(1)
                edit_prose(site, f"prose-{number}-")
                prose.append(until_seen(f"prose-{number}-"))
                time.sleep(1)
                edit_code(site, f"code-{number}-")
                code.append(until_seen(f"code-{number}-"))
                own.append(own_seconds(site))
    finally:
        process.terminate()
        process.wait()
    return prose[1:], code[1:], own[1:]  # the first ones find the watcher and the caches cold
