"""One contestant and one canary: `python -m tests.comparison.contestants TOOL CANARY`.

It lays out the canary's notebook as the tool wants it and becomes the tool. This site's engine does
so in the current folder and isolates what it runs; the others are shut in from outside.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import jupytext

from qa.run.inside import sandbox
from qa.run.protocol import Limits
from tests import mkdocs_build
from tests.canaries.test_canaries import HOOKS, make
from tests.comparison.faults import CANARIES, NOTEBOOK

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".cache/bench/packages"
SECONDS = 10
"""What a cell may take, for each tool that has an option for it."""

MKDOCS = [*mkdocs_build.MKDOCS, "build", "--strict"]
MKDOCS_JUPYTER = """\
site_name: Canary
theme: mkdocs
plugins: [mkdocs-jupyter: {include: ["*.ipynb"], execute: true, allow_errors: false}]
"""
MARKDOWN_EXEC = """\
site_name: Canary
theme: mkdocs
plugins: [markdown-exec]
markdown_extensions: [pymdownx.superfences]
"""
JUPYTER_CACHE = f"""\
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor

cache = get_cache("cache")
cache.add_nb_to_project("docs/sum.ipynb")
result = load_executor("local-serial", cache=cache).run_and_cache(timeout={SECONDS})
raise SystemExit(not result.succeeded)
"""
"""Its command ends with 0 whatever happened, so that it would seem to catch nothing."""


def mkdocs_jupyter() -> list[str]:
    Path("mkdocs.yml").write_text(MKDOCS_JUPYTER)
    return MKDOCS


def markdown_exec() -> list[str]:
    cells = jupytext.read("docs/sum.ipynb").cells
    blocks = [f'```python exec="on" session="sum"\n{cell.source}\n```\n' for cell in cells]
    Path("docs/index.md").write_text("\n".join(["# Sum\n", *blocks]), encoding="utf-8")
    Path("docs/sum.ipynb").unlink()
    Path("mkdocs.yml").write_text(MARKDOWN_EXEC)
    os.environ["PYTHONPATH"] += os.pathsep + str(Path("docs").resolve())
    return MKDOCS


def nbclient() -> list[str]:
    command = str(PACKAGES / "bin/jupyter-execute")
    return [sys.executable, command, f"--timeout={SECONDS}", "docs/sum.ipynb"]


def nbmake() -> list[str]:
    limit = f"--nbmake-timeout={SECONDS}"
    return [sys.executable, "-m", "pytest", "--nbmake", limit, "docs/sum.ipynb"]


def jupyter_cache() -> list[str]:
    return [sys.executable, "-c", JUPYTER_CACHE]


OTHERS: dict[str, Callable[[], list[str]]] = {
    "mkdocs-jupyter": mkdocs_jupyter,
    "markdown-exec": markdown_exec,
    "nbclient": nbclient,
    "nbmake": nbmake,
    "jupyter-cache": jupyter_cache,
}
"""By the names of their packages: each prepares the current folder and returns its command."""


def takes(tool: str, canary: str) -> bool:
    """False if the tool refuses a cell of the canary for what is no fault: markdown-exec takes
    plain Python, without magics and top-level `await`, and knows no cell that must raise."""
    notebook = jupytext.read(_source(canary))
    return tool != "markdown-exec" or not any(
        "raises-exception" in cell.metadata.get("tags", ()) or not _is_plain(cell.source)
        for cell in notebook.cells
    )


def _is_plain(source: str) -> bool:
    try:
        compile(source, "cell", "exec")
    except SyntaxError:
        return False
    return True


def _source(canary: str) -> Path:
    return CANARIES / canary / "notebooks" / NOTEBOOK


def _lay_out(canary: str) -> None:
    companions = _source(canary).with_suffix("")
    if companions.exists():
        shutil.copytree(companions, "docs")
    Path("docs").mkdir(exist_ok=True)
    jupytext.write(jupytext.read(_source(canary)), "docs/sum.ipynb")


def _shut_in(run: Callable[[], None]) -> None:
    """Call `run` where it can hurt nothing: as an ordinary user who may read all files and write
    only into the current folder, which is in memory, and without a network.

    What `run` starts ends with it; this process leaves with its status.
    """
    folder = str(Path.cwd())
    limits = Limits(0, 0, memory=1 << 40)  # time and memory are watched from outside
    if init := sandbox.fork():
        os._exit(os.waitpid(init, 0)[1] != 0)
    sandbox.map_user()
    sandbox.raise_loopback()
    sandbox.mount("none", "/", flags=sandbox.MS_REC | sandbox.MS_PRIVATE)
    sandbox.set_readonly("/")
    sandbox.mount("tmpfs", folder, "tmpfs", sandbox.MS_NOSUID, "size=1g")
    sandbox.mount("proc", "/proc", "proc", sandbox.MS_NOSUID | sandbox.MS_NODEV)
    os.chdir(folder)
    if child := os.fork():
        while (ended := os.wait())[0] != child:
            pass  # an orphan
        os._exit(ended[1] != 0)
    sandbox.set_resource_limits(limits)
    sandbox.drop_privileges()
    run()


def main(tool: str, canary: str) -> None:
    if tool not in OTHERS:
        make(canary, Path("project"))
        os.chdir("project")
        os.environ |= {"QA_HOOKS": str(HOOKS)}
        os.execv(MKDOCS[0], MKDOCS)

    def run() -> None:
        home = Path("home").resolve()
        home.mkdir()
        os.environ |= {
            "HOME": str(home),
            "TMPDIR": str(home),
            "PYTHONPATH": str(PACKAGES),
            "JUPYTER_PATH": str(PACKAGES / "share/jupyter"),
        }
        _lay_out(canary)
        command = OTHERS[tool]()
        os.execv(command[0], command)

    _shut_in(run)


if __name__ == "__main__":
    main(*sys.argv[1:])
