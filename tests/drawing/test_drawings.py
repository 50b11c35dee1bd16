"""What authors write becomes a picture, or a refusal at its line; nothing in it runs or leaves."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qa.drawing import drawings
from qa.drawing.drawings import CannotDraw, Drawing, Drawings, Sketch
from qa.finish.drawings import put_in, sketches

FLOWCHART = """flowchart TD
    A["你好 <br/> 世界"] -->|"a & b"| B{"x < y?"}
    B -. later .-> C[("store")]
    B ==> D(["end"])
    subgraph group["A group"]
        C --> D
    end"""
SEQUENCE = """sequenceDiagram
    actor A as 读者
    participant B as Server
    A->>+B: ask for a page that is not there at all
    alt known
        B-->>-A: 200
    else unknown
        B--xA: 404
    end
    Note over A,B: and so on
    par first
        A->>B: one
    and second
        A->>B: two
    end"""
STATES = """stateDiagram-v2
    [*] --> on
    on --> off: push
    state on {
        [*] --> warm
        warm --> [*]
    }
    state fork <<choice>>
    off --> fork
    fork --> [*]
    note right of off: dark"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawings:
    return Drawings(tmp_path_factory.mktemp("memo"))


def one(drawings: Drawings, sketch: Sketch) -> Drawing:
    drawings.draw([sketch])
    return drawings.known[sketch]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (FLOWCHART, ["你好", "世界", "a & b", "x < y?", "later", "store", "end", "A group"]),
        (SEQUENCE, ["读者", "Server", "known", "unknown", "200", "404", "and so on", "one", "two"]),
        (STATES, ["on", "off", "push", "warm", "dark"]),
    ],
)
def test_all_that_is_said_is_drawn(drawn: Drawings, source: str, words: list[str]) -> None:
    found = one(drawn, Sketch("diagram", source))
    assert found.reason == ""
    shown = [each.strip() for each in ElementTree.fromstring(found.drawn).itertext()]
    assert set(words) <= {each.strip("[]-") for each in shown}


@pytest.mark.parametrize("diagram", ['flowchart TD\n  A["{}"]', "sequenceDiagram\n  A->>B: {}"])
@pytest.mark.parametrize(
    "label",
    ["x < y", "p < 0.05 and q > 2", "a & b", "a*b*c", "a_b_c", "1. one", "List<int>", "x <- y"],
)
def test_a_label_is_shown_as_it_is_written(drawn: Drawings, diagram: str, label: str) -> None:
    found = one(drawn, Sketch("diagram", diagram.format(label)))
    shown = "".join(ElementTree.fromstring(found.drawn).itertext())
    assert label.replace(" ", "") in shown.replace(" ", "")


def test_a_label_that_would_be_lost_is_refused_at_its_line(drawn: Drawings) -> None:
    found = one(drawn, Sketch("diagram", "stateDiagram-v2\n  a --> b\n  b --> c: http://x.y"))
    assert (found.line, found.drawn) == (3, "")


@pytest.mark.parametrize(
    "label",
    [
        "<script>attack()</script>",
        "<img src=x onerror=attack()>",
        "<svg onload=attack()>",
        "</text></svg><script>attack()</script>",
        "#lt;script#gt;attack()#lt;/script#gt;",
        "<a href='javascript:attack()'>x</a>",
        "<style>@import 'https://example.com'</style>",
        "<foreignObject><iframe src='https://example.com'></foreignObject>",
        "&lt;script&gt;attack()&lt;/script&gt;",
        "<b onclick=attack()>bold</b>",
    ],
)
@pytest.mark.parametrize(
    "diagram",
    [
        'flowchart TD\n  A["{0}"] -->|"{0}"| B\n  subgraph "{0}"\n  C\n  end',
        "sequenceDiagram\n  participant A as {0}\n  A->>A: {0}\n  Note over A: {0}",
        "stateDiagram-v2\n  a: {0}\n  a --> b: {0}",
    ],
)
def test_a_label_is_text(drawn: Drawings, diagram: str, label: str) -> None:
    found = one(drawn, Sketch("diagram", diagram.format(label)))
    if found.reason:
        return
    for element in ElementTree.fromstring(found.drawn).iter():
        assert element.tag in {"svg", "g", "path", "rect", "circle", "ellipse", "line"} | {
            *("polygon", "polyline", "text", "tspan", "marker")
        }
        for name, value in element.items():
            assert not name.startswith("on") and "href" not in name
            assert "http" not in value and "script" not in value


def test_no_page_of_a_formula_names_another_host(drawn: Drawings) -> None:
    found = one(drawn, Sketch("formula", r"\text{<script src=https://example.com>} \& x"))
    assert found.drawn and "<script" not in found.drawn


def test_what_is_remembered_starts_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sketch = Sketch("formula", "x^2")
    first = one(Drawings(tmp_path), sketch)
    monkeypatch.setattr(drawings, "NODE", tmp_path / "nothing")
    assert one(Drawings(tmp_path), sketch) == first
    with pytest.raises(CannotDraw):
        one(Drawings(tmp_path), Sketch("formula", "x^3"))


@pytest.mark.parametrize("limit", ["time", "memory"])
def test_one_that_takes_too_much_does_not_take_the_others_with_it(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    hostile = Sketch(
        "diagram", "flowchart TD\n" + "\n".join(f"  A{n} --> B{n}" for n in range(900))
    )
    if limit == "time":
        monkeypatch.setattr(drawings, "SECONDS", 6)
        monkeypatch.setattr(drawings, "SECONDS_EACH", 0)
    else:
        monkeypatch.setattr(drawings, "MEBIBYTES", 40)
    drawn = Drawings()
    fine = [Sketch("formula", "x"), Sketch("formula", "y")]
    drawn.draw([fine[0], hostile, fine[1]])
    assert one(drawn, hostile).reason
    assert all(one(drawn, each).drawn for each in fine)


def test_ids_are_each_on_a_page_once(drawn: Drawings) -> None:
    page = (
        "<h2>One &amp; all</h2>"
        + '<pre class="qa-diagram"><code>flowchart TD\n A--&gt;B</code></pre>' * 2
    )
    drawn.draw(sketches(page))
    html = put_in(page, drawn.known)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids)) == 4
    assert set(re.findall(r"url\(#([^)]+)\)", html)) < set(ids)
    assert html.count('role="img" aria-label="One &amp; all"') == 2
    assert "<desc>A; B</desc>" in html
