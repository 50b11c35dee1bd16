"""Compare this engine with others on the same notebooks, and the build with a plain one.

Times on a busy machine mean little, so contestants alternate, and what counts are ratios within one
round: their median, and their spread from the least to the greatest.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from qa.run import environment
from tests.bench import builds, generated, profile
from tests.bench.builds import ROOT
from tests.bench.contestants import lay_out

CORES = len(os.sched_getaffinity(0))
PACKAGES = ROOT / ".cache/bench/packages"
OTHERS = ("nbclient", "jupyter-cache")

Series = Any
"""A value for each round: an array, or a list of numbers."""


def show(name: str, series: Series, goal: float | None = None) -> None:
    """Seconds, or a ratio of seconds, with the most it may be."""
    middle = float(np.median(series))
    text = f"  {name:58} {middle:8.2f} ({min(series):.2f} to {max(series):.2f})"
    if goal is not None:
        text += f"  goal {goal}: {'met' if middle <= goal else 'MISSED'}"
    print(text, flush=True)


def run(name: str, folder: Path, fonts: Path) -> tuple[float, float]:
    """Seconds of a contestant, in a process of its own, and those of the cells if it is ours."""
    variables = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(PACKAGES), str(ROOT)]),
        "MPLCONFIGDIR": str(fonts),
        # As the engine sets them for its runs.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    command = [sys.executable, "-m", "tests.bench.contestants", name, str(folder)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-4000:]}")
    report = json.loads(done.stdout.splitlines()[-1])
    for problem in report["failed"]:
        print(f"  ! {name} failed on {problem[:300]}")
    return report["seconds"], report["own"]


def cold(title: str, folder: Path, fonts: Path, rounds: int) -> None:
    """All contestants on one set of notebooks, with nothing in the store.

    The floor is the time of all cells, as measured in that very run of the engine, over the number
    of cores; the floor with imports adds the time to import the libraries of all of them once.
    """
    lay_out(folder)
    names = ("engine", *OTHERS, "imports")
    ran = defaultdict(list)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            ran[name].append(run(name, folder, fonts))
    seconds = {name: np.array(ran[name])[:, 0] for name in names}
    cells = np.array(ran["engine"])[:, 1]
    for name in names:
        show(f"{title}: {name}", seconds[name])
    engine = seconds["engine"]
    show(f"{title}: engine / floor", engine / (cells / CORES), 1.15)
    with_imports = (cells + seconds["imports"]) / CORES
    show(f"{title}: engine / floor with imports", engine / with_imports, 1.15)
    for name in OTHERS:
        show(f"{title}: {name} / engine", seconds[name] / engine)


def doubling(half: Path, whole: Path, fonts: Path, rounds: int) -> None:
    """What the engine needs beyond the time of the cells, for twice as many notebooks."""
    ran = np.array([[run("engine", f, fonts) for f in (half, whole)] for _ in range(rounds)])
    beyond = ran[:, :, 0] - ran[:, :, 1] / CORES
    show(f"{half.name} generated: engine beyond its floor", beyond[:, 0])
    show(f"{whole.name} generated: engine beyond its floor", beyond[:, 1])
    show("the latter / the former", beyond[:, 1] / beyond[:, 0], 2.0)


def warm(root: Path, rounds: int) -> None:
    site, plain = builds.make(root)
    times, own = defaultdict(list), []
    for number in range(rounds):
        times["plain"].append(builds.build(plain))
        times["nothing changed"].append(builds.build(site))
        builds.edit_code(site, f"edit {number}", builds.EDITED)
        times["one edit"].append(builds.build(site))
        own.append(builds.own_seconds(site))
    clock = {name: np.array(values)[:, 0] for name, values in times.items()}
    processor = {name: np.array(values)[:, 1] for name, values in times.items()}
    for name, values in clock.items():
        show(f"build, {name}", values)
    show("nothing changed / plain", clock["nothing changed"] / clock["plain"], 1.05)
    more = processor["nothing changed"] / processor["plain"]
    show("nothing changed / plain, processor time", more, 1.05)
    allowed = np.array(own) + 1.05 * clock["plain"]
    show("one edit / (its own time + 1.05 plain)", clock["one edit"] / allowed, 1.0)
    prose, code, cells = builds.serve(site, rounds)
    show("one page served: until an edit of prose is seen", prose, 2.0)
    show("one page served: until an edit of code is seen", code)
    show("one page served: the same beyond its cells", np.array(code) - cells, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, 20 notebooks")
    parser.add_argument("--profile", action="store_true", help="only say where the overhead goes")
    parser.add_argument("--only", choices=["runs", "builds"], help="one half of it")
    options = parser.parse_args()
    rounds, count = (1, 20) if options.quick else (3, 100)
    sys.path.insert(0, str(PACKAGES))
    versions = [f"{name} {version(name)}" for name in (*OTHERS, "ipykernel", "mkdocs")]
    print(f"{environment.processor()}, {CORES} cores; {', '.join(versions)}; rounds: {rounds}")
    with tempfile.TemporaryDirectory(prefix="qa-bench-") as folder:
        Path(folder).chmod(0o711)  # a database server drops root's rights and must reach its data
        half, whole = Path(folder, str(count // 2)), Path(folder, str(count))
        own, fonts = Path(folder, "own"), Path(folder, "fonts")
        generated.write(half, count // 2)
        generated.write(whole, count)
        if options.profile:
            profile.warm()
            profile.cold(whole)
            return
        if options.only != "builds":
            # A machine makes Matplotlib's list of fonts once.
            command = [sys.executable, "-c", "import matplotlib.font_manager"]
            subprocess.run(command, env=os.environ | {"MPLCONFIGDIR": str(fonts)}, check=True)
            shutil.copytree(ROOT / "notebooks", own / "notebooks")
            cold("the site's", own, fonts, rounds)
            cold(f"{count} generated", whole, fonts, rounds)
            doubling(half, whole, fonts, rounds)
        if options.only != "runs":
            warm(Path(folder, "builds"), rounds)


if __name__ == "__main__":
    main()
