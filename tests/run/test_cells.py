"""Cells behave as in Jupyter: magics, output in its order, await, figures, values, processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qa.failures import Failures
from qa.run.store import Result
from tests.run.conftest import Runner


def shown(result: Result, cell: str = "c0") -> list[Any]:
    """Text of streams, and the data of displays."""
    return [output.get("text") or output["data"] for output in result.cells[cell].outputs]


def test_output_keeps_its_order(cells: Runner) -> None:
    code = """
import subprocess, sys
from IPython.display import display
print("one")
subprocess.run(["echo", "two"])
print("three", file=sys.stderr)
display({"text/plain": "four"}, raw=True)
print("five", end="")
"six"
"""
    assert shown(cells(code)) == [
        "one\ntwo\nthree\n",
        {"text/plain": "four"},
        "five",
        {"text/plain": "'six'"},
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("6 * 7", [{"text/plain": "42"}]),
        ("6 * 7;", []),
        ("None", []),
        ("x = 6 * 7", []),
        ("for x in (1, 2):\n    x", []),
        ("!echo {6 * 7}", ["42\n"]),
        ("!echo $HOME", ["/tmp/home\n"]),
        ("n = 3\n!echo $n", ["3\n"]),
        ("lines = !printf 'a\\nb\\n'\nlines[1]", [{"text/plain": "'b'"}]),
        ("%%bash\nfor n in 1 2; do echo $n; done", ["1\n2\n"]),
        ("%%writefile a.txt\nhello", ["Writing a.txt\n"]),
        ("%pwd", [{"text/plain": "'/tmp/work'"}]),
        ("import asyncio\nawait asyncio.sleep(0, 'slept')", [{"text/plain": "'slept'"}]),
        ("import pandas as pd\nlen(pd.DataFrame())", [{"text/plain": "0"}]),
        ("import os\nos.getuid()", [{"text/plain": "1000"}]),
    ],
)
def test_cell(cells: Runner, code: str, expected: list[Any]) -> None:
    assert shown(cells(code)) == expected


def test_variables_and_tasks_live_from_cell_to_cell(cells: Runner) -> None:
    result = cells(
        "import asyncio\nqueue = asyncio.Queue()\ntask = asyncio.create_task(queue.get())",
        "await queue.put(42)",
        "answer = await task",
    )
    assert result.values == {"answer": 42}


def test_a_loop_is_already_running_as_in_jupyter(cells: Runner) -> None:
    with pytest.raises(Failures, match="cannot be called from a running event loop"):
        cells("import asyncio\nwork = asyncio.sleep(0)\nasyncio.run(work)")


def test_figures_are_drawn_at_the_end_of_their_cell(cells: Runner) -> None:
    result = cells("import matplotlib.pyplot as plt\nplt.plot([1, 2]);", "plt.plot([2, 1]);")
    for cell in ("c0", "c1"):
        (figure,) = shown(result, cell)
        assert figure["image/svg+xml"].startswith("<svg")


def test_source_and_pickles_of_what_a_cell_defines(cells: Runner) -> None:
    code = """
import inspect
from multiprocessing import get_context

def double(x):
    return 2 * x  # twice

with get_context("fork").Pool(2) as pool:
    doubled = sum(pool.map(double, range(4)))
source = inspect.getsource(double)
"""
    values = cells(code).values
    assert values["doubled"] == 12
    assert values["source"] == "def double(x):\n    return 2 * x  # twice\n"


def test_each_run_has_its_own_randomness_modules_and_folder(cells: Runner) -> None:
    code = """
import os, random, sys
import numpy as np
drawn = f"{random.random()} {np.random.rand()}"
left = " ".join(sorted(os.listdir(".")))
assert "polluted" not in sys.modules
sys.modules["polluted"] = sys
open("left.txt", "w").write("left")
"""
    first, second = cells(code), cells(code)
    assert first.values["drawn"] != second.values["drawn"]
    assert first.values["left"] == second.values["left"] == ""


def test_what_must_raise_is_shown(cells: Runner, tmp_path: Path) -> None:
    result = cells("x = 1", "x = 2").cells
    assert result["c0"].outputs == []
    with pytest.raises(Failures) as caught:
        cells("def f():\n    raise KeyError('k')", "f()")
    (failure,) = caught.value.failures
    assert (failure.line, failure.reason) == (3, "cell \"c1\": KeyError: 'k'")


def test_input_is_not_waited_for(cells: Runner) -> None:
    with pytest.raises(Failures, match="EOFError"):
        cells("name = input()")


def test_processor_time_and_memory_are_measured(cells: Runner) -> None:
    burn = """
import subprocess, sys, time
import numpy as np
block = np.ones(50 << 20)
code = "import time\\nwhile time.process_time() < 0.5: pass"
subprocess.run([sys.executable, "-c", code], check=True)
time.sleep(0.3)
"""
    result = cells(burn)
    assert 0.5 <= result.processor_seconds < result.seconds
    assert 390 << 20 < result.peak_memory_bytes < 600 << 20


SHOWN_AS_IN_JUPYTER = [
    ("6 * 7;  # not shown", []),
    ("6 * 7  # shown;", [{"text/plain": "42"}]),
    ("'a;'", [{"text/plain": "'a;'"}]),
    ("(6 *\n 7);  # not shown", []),
    ("f'{6}' ; # ;", []),
    ("for part in ('10%', '99%'):\n    print('\\r' + part, end='')", ["99%"]),
    ("!printf 'loading...\\rdone\\033[K\\n'", ["done\n"]),
    ("print('\\x1b]8;;https://x.example\\x1b\\\\link\\x1b]8;;\\x1b\\\\')", ["link\n"]),
    ("print('a\\x00b')", ["a\\x00b\n"]),
    ("import json\nprint(json.__file__)", ["json/__init__.py\n"]),
    ("import numpy\nnumpy.__file__", [{"text/plain": "'numpy/__init__.py'"}]),
    ("import sys\nprint(sys.prefix)", ["/python\n"]),
    (
        "from IPython.display import display\n"
        "shown = display({'text/plain': '1'}, raw=True, display_id=True)\n"
        "print(2)\n"
        "shown.update({'text/plain': '3'}, raw=True)",
        [{"text/plain": "3"}, "2\n"],
    ),
    (
        "from IPython.display import display, update_display\n"
        "for _ in range(2): display('1', display_id='a')\n"
        "update_display('2', display_id='a')",
        [{"text/plain": "'2'"}] * 2,
    ),
    ("from IPython.display import clear_output\nprint(1)\nclear_output()\nprint(2)", ["2\n"]),
    ("from IPython.display import clear_output\nprint(1)\nclear_output(wait=True)", ["1\n"]),
    (
        "from IPython.display import clear_output, display\n"
        "for n in range(3):\n    clear_output(wait=True)\n    display(n)\n    print(n)",
        [{"text/plain": "2"}, "2\n"],
    ),
    (
        "from IPython.display import Markdown, Latex, Math\nfrom IPython.display import display\n"
        "display(Markdown('# *a*'), Latex('$a$'), Math('b'))",
        [
            {"text/html": "<p><strong><em>a</em></strong></p>"},
            {"text/html": '<p><span class="arithmatex">\\(a\\)</span></p>'},
            {"text/html": '<p><span class="arithmatex">\\(\\displaystyle b\\)</span></p>'},
        ],
    ),
    (
        "class Both:\n"
        "    def _repr_html_(self): return '<b>1</b>'\n"
        "    def _repr_latex_(self): return '$1$'\n"
        "Both()",
        [{"text/html": "<b>1</b>"}],
    ),
    (
        "class Itself:\n    def _ipython_display_(self): print('itself')\nItself()",
        ["itself\n"],
    ),
    (
        "class Bundle:\n"
        "    def _repr_mimebundle_(self, **_):\n"
        "        return {'text/plain': '1', 'text/html': '<i>1</i>'}\n"
        "Bundle()",
        [{"text/html": "<i>1</i>"}],
    ),
]


@pytest.mark.parametrize(("code", "expected"), SHOWN_AS_IN_JUPYTER)
def test_what_is_shown_is_as_in_jupyter(cells: Runner, code: str, expected: list[Any]) -> None:
    assert shown(cells(code)) == expected


def test_pictures_of_several_kinds_are_shown(cells: Runner) -> None:
    code = """
import io
from IPython.display import Image, display
from PIL import Image as Picture

picture = Picture.new("RGB", (8, 4), "teal")
for form in ("JPEG", "PNG", "WEBP"):
    buffer = io.BytesIO()
    picture.save(buffer, form)
    display(Image(buffer.getvalue()))
picture
"""
    assert [list(each) for each in shown(cells(code))] == [["image/webp"]] * 4


@pytest.mark.parametrize("more", ["", "ax.scatter(range(20_000), range(20_000))"])
def test_figures_draw_chinese(cells: Runner, more: str) -> None:
    """As text of an SVG, which readers' own fonts draw, and as pixels."""
    code = f"""
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
{more}
ax.set_title("验证损失", weight="bold")
ax.plot([1, -1], label="训练，−1");
ax.legend();
"""
    (figure,) = shown(cells(code))
    assert list(figure) == ["image/webp" if more else "image/svg+xml"]
    assert more or "验证损失" in figure["image/svg+xml"]


def test_the_future_holds_for_later_cells(cells: Runner) -> None:
    later = "def f(x: undefined) -> undefined: pass\nkind = str(f.__annotations__['x'])"
    assert cells("from __future__ import annotations", later).values == {"kind": "undefined"}


@pytest.mark.parametrize(
    ("code", "line", "reason"),
    [
        ("class Foo: pass\nFoo()", 3, "its output says nothing to a reader (<__main__.Foo at 0x…"),
        ("[print]\nlambda: 0", 3, "its output says nothing to a reader (<function __main__.<lamb"),
        ("from IPython.display import HTML, display\ndisplay(HTML('<math></math>'))\nx = 1", 3,
         "a <math> in its output"),
        ("from IPython.display import HTML, display\ntry:\n    display(HTML('<svg></svg>'))\n"
         "except Exception:\n    pass", 4, "a <svg> in its output"),
        ("from IPython.display import Image\nImage(b'GIF89a' + bytes(20))", 3, "image/gif in its"),
        ("from IPython.display import JSON\nJSON({'a': 1})", 3, "application/json in its output"),
        ("from IPython.display import update_display\nupdate_display(1, display_id='x')", 3,
         "updates a display that this cell does not show"),
        ("class Foo:\n    def _repr_html_(self): return 1 / 0\nFoo()", 3,
         "ZeroDivisionError: division by zero"),
        ("print('x' * 100_001)", 2, "its output is too large for a page (100,002 characters"),
        ("from IPython.display import display\nfor _ in range(3): display('x' * 40_000)", 2,
         "its output is too large for a page (120,006 characters"),
        ("import pandas as pd\npd.DataFrame({'a': range(50_000)}).to_html()\n"
         "from IPython.display import HTML\nHTML(pd.DataFrame({'a': range(50_000)}).to_html())", 5,
         "its output is too large for a page ("),
        ("import pandas as pd\npd.DataFrame({'a': [1]}).style.background_gradient()", 3,
         "a style sheet in its output"),
        ("import matplotlib.pyplot as plt\nplt.title('\\U00012345');", 2,
         "no font here has the character \U00012345, which its figure shows as a box"),
        ("import matplotlib.pyplot as plt\nplt.plot([1])\nplt.title('a', family='SimHei');", 2,
         "matplotlib: findfont: Font family 'SimHei' not found."),
        ("from PIL import Image\nImage.new('1', (13_000, 13_000))", 3,
         "its picture is too large for a page (13,000 by 13,000 pixels"),
    ],
)  # fmt: skip
def test_what_a_page_cannot_show_is_a_fault(
    cells: Runner, code: str, line: int, reason: str
) -> None:
    with pytest.raises(Failures) as caught:
        cells(code)
    (failure,) = caught.value.failures
    assert failure.reason.startswith(f'cell "c0": {reason}'), failure.reason
    assert failure.line == line
