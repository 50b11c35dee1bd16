"""What the builder reads of others' making costs it little, whatever it is, and does nothing."""

from __future__ import annotations

import base64
import io
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from qa import yaml_lines as documents
from qa.failures import Failure, Failures
from qa.run.store import Store
from qa.yaml_lines import parse
from tests.attacks.attack import Attack
from tests.project import SampleProject
from tests.run.test_store import RESULT

SECONDS = 3.0
"""More than the builder may take for any of these, on a busy machine too."""


def forged(kind: str, content: str) -> str:
    """Code of a run whose own part of the engine sends what it likes."""
    return (
        "import sys\nfrom IPython.display import display\n"
        f"sys.modules['qa.run.inside.display'].shown = lambda data: ({kind!r}, {content!r})\n"
        "display({'text/plain': '1'}, raw=True)"
    )


def webp(width: int, height: int, size: int = 100) -> str:
    body = b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(size)
    chunk = b"WEBPVP8 " + struct.pack("<I", len(body)) + body
    return base64.b64encode(b"RIFF" + struct.pack("<I", len(chunk)) + chunk).decode()


POSTSCRIPT = base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n").decode()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image/png", POSTSCRIPT),
        ("image/webp", POSTSCRIPT),
        ("image/webp", webp(13_000, 13_000)),
        ("image/webp", webp(16_383, 1_000, 2_000_000)),
        ("text/html", "<script>steal()</script>"),
        ("text/html", "</div></div><h1>1</h1>"),
        ("text/html", "<div>" * 15_000 + "</div>" * 15_000),
        ("image/svg+xml", '<svg onload="steal()"></svg>'),
        ("image/svg+xml", "<svg >" + "<g>" * 20_000 + "</g>" * 20_000 + "</svg>"),
        ("text/plain", "\x1b]0;title\x07"),
        ("text/plain", "x" * 5_000_000),
        ("a/b\x1b[31m\n::error::lie", "1"),
    ],
)
def test_a_forged_output_is_refused(attack: Attack, kind: str, content: str) -> None:
    begin = time.process_time()
    (failure,) = attack.failures(forged(kind, content))
    assert "in its output" in failure or "flood" in failure or "too large" in failure
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize(
    "code",
    [
        "import base64\nfrom IPython.display import Image, display\n"
        f"display(Image(base64.b64decode({POSTSCRIPT!r}), format='png'))",
        "from IPython.display import display\ndisplay({'image/png': b'%!PS'}, raw=True)",
        "from IPython.display import display\ndisplay({'image/jpeg': '*'}, raw=True)",
    ],
)
def test_a_picture_is_read_by_the_one_decoder_of_its_kind(attack: Attack, code: str) -> None:
    (failure,) = attack.failures(code)
    assert "a picture in its output that is no " in failure


@pytest.mark.parametrize(
    "line", ["'[' * (56 << 20)", "'[],' * (18 << 20)", "'{\"a\":' * 100_000", "'9' * (20 << 20)"]
)
def test_a_message_of_brackets_costs_little(attack: Attack, line: str) -> None:
    code = f"""
        import os
        data = ({line}).encode() + b'\\n'
        for number in range(3, 64):
            try:
                os.write(number, data)
            except OSError:
                pass
        import time
        time.sleep(30)
        """
    begin = time.process_time()
    assert attack.failures(code)
    assert time.process_time() - begin < SECONDS


@pytest.mark.parametrize(
    "code",
    [
        "text = '\\ud800'\nprint(text)\ntext",
        "raise ValueError('\\ud800\\x00')",
        "globals()['a\\nb'] = 1\nglobals()[5] = 6\nglobals()['\\ud800'] = 7",
        "class A: pass\nA.__name__ = A.__qualname__ = 'x\\ud800\\n::error::lie'\na = A()",
        "from IPython.display import display\ndisplay({5: 6}, raw=True)",
        "from IPython.display import display\ndisplay({'text/plain': {'a': 1}}, raw=True)",
        "from IPython.display import display\ndisplay({'text/html': [1]}, raw=True)",
        "import decimal\nd = decimal.Decimal('sNaN')\ne = float('nan')\nf = 10 ** 10_000",
        "class S(str): pass\ns = S('a')\n"
        "class I(int):\n    def __repr__(self): return 1 / 0\ni = I(1)",
    ],
)
def test_any_text_and_any_value_ends_in_a_result_or_a_failure(attack: Attack, code: str) -> None:
    try:
        attack.run(code)
    except Failures as error:
        text = str(error)
        assert "fault in the" not in text
        assert text.isprintable() or "\n" in text
        assert "\n::" not in text.replace("    ", "")


COMMANDS = (
    "\x1b[2J", "\x1b]8;;https://x.example\x1b\\", "\x1bP1$q\x1b\\", "\x9b31m", "\x9d0;a\x9c",
    "\u202e", "\u2066", "\x00", "\x07", "\x08", "\r", "\ud800", "\u2028", "\x85", "\x0b",
)  # fmt: skip


@pytest.mark.parametrize("annotated", [False, True])
def test_a_failure_commands_no_terminal_and_no_log(
    monkeypatch: pytest.MonkeyPatch, annotated: bool
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", str(annotated).lower())
    lie = "".join(COMMANDS) + "\n::error file=a.py::lie\n  ::stop-commands::x\n##[error]lie"
    text = str(Failures([Failure(Path("a.py"), 1, f"reason {lie}", f"detail {lie}")]))
    for command in COMMANDS:
        assert command not in text
    lines = [line.strip() for line in text.splitlines()]
    commands = [line for line in lines if line.startswith("::")]
    assert "##[" not in text
    assert len(commands) == annotated
    assert all(line.startswith("::error file=a.py,line=1::reason") for line in commands)


CHAIN = list(zip("abcdefg", "bcdefgh", strict=True))
NINE = "[{}]".format(",".join(["*{0}"] * 9))
BOMB = "a: &a [" + ",".join("x" * 9) + "]\n"
BOMB += "".join(f"{name}: &{name} {NINE.format(before)}\n" for before, name in CHAIN)
MERGES = "a: &a {k: 1}\n"
MERGES += "".join(f"{name}: &{name} {{<<: {NINE.format(before)}}}\n" for before, name in CHAIN)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BOMB, 5),
        (MERGES, 6),
        ("a: &a [*a]", 1),
        ("x: 1\na: &a\n  b: *a", 3),
        ("x: 1\n" + "[" * 1_000_000, 2),
        ("- " * 100_000, 1),
        ("? " * 100_000, 1),
        ("{a: " * 100_000, 1),
        ("x: 1\ny: 2026-13-45", 2),
        ("x: 1\ny: " + "1" * 5_000, 2),
    ],
)
def test_yaml_that_would_grow_is_refused_at_its_line(text: str, line: int) -> None:
    begin = time.process_time()
    with pytest.raises(Failures) as caught:
        parse(Path("a.yml"), text)
    (failure,) = caught.value.failures
    assert failure.line == line
    _, problems = documents.read(text, documents.Yaml11)
    assert [problem.line for problem in problems] == [line] or "2026" in text
    assert time.process_time() - begin < SECONDS


def script(record: dict[str, Any]) -> None:
    data = {"text/html": "<script>steal()</script>"}
    shown = {"output_type": "display_data", "data": data, "metadata": {}}
    record["cells"]["sum"]["outputs"] = [shown]


def path_of_a_cell(record: dict[str, Any]) -> None:
    record["cells"]["../../x"] = record["cells"].pop("sum")


def text_of_a_number(record: dict[str, Any]) -> None:
    record["seconds"] = "1"


def list_of_a_value(record: dict[str, Any]) -> None:
    record["values"]["share"] = [1]


def lines_of_a_version(record: dict[str, Any]) -> None:
    record["distributions"] = {"numpy": "2\n```\n<script>steal()</script>"}


def time_of_no_day(record: dict[str, Any]) -> None:
    record["started"] = "<script>steal()</script>"


def unknown_field(record: dict[str, Any]) -> None:
    record["more"] = 1


@pytest.mark.parametrize(
    "edit",
    [script, path_of_a_cell, text_of_a_number, list_of_a_value, lines_of_a_version, time_of_no_day,
     unknown_field],
)  # fmt: skip
def test_an_edited_result_is_not_believed(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    store = Store(tmp_path)
    store.put("key", RESULT)
    record = json.loads((tmp_path / "key.json").read_text())
    edit(record)
    (tmp_path / "key.json").write_text(json.dumps(record))
    assert store.get("key") is None


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"key": "key", "cells": ' + "[" * 1_000_000])
def test_a_result_of_brackets_is_not_believed(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)
    assert Store(tmp_path).get("key") is None


def test_a_result_edited_under_its_own_key_puts_nothing_on_a_page(sample: SampleProject) -> None:
    for path in sample.path(".cache/qa/results").glob("*.json"):
        record = json.loads(path.read_text())
        for cell in record["cells"].values():
            for output in cell["outputs"]:
                if "text/html" in output.get("data", {}):
                    output["data"]["text/html"] = "<script>steal()</script>"
        path.write_text(json.dumps(record))
    done = sample.build()
    assert done.returncode == 0, done.stderr
    page = sample.path("site/training/sum/index.html").read_text()
    assert "steal()" not in page
    assert "<td>0.67</td>" in page  # it ran again


def test_a_large_picture_is_refused_before_it_is_decoded(attack: Attack) -> None:
    buffer = io.BytesIO()
    Image.new("1", (60_000, 10_000)).save(buffer, "PNG")
    png = base64.b64encode(buffer.getvalue()).decode()
    code = f"from IPython.display import display\ndisplay({{'image/png': {png!r}}}, raw=True)"
    (failure,) = attack.failures(code)
    assert "its picture is too large for a page" in failure
