"""What of a notebook's output reaches a page."""

from __future__ import annotations

import base64
import io
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from PIL import Image

from qa.run import outputs
from qa.run.inside import safe
from qa.run.inside.display import as_on_a_terminal
from qa.run.inside.safe import HTML, SVG, TEXT, WEBP, UnsafeOutput
from qa.run.inside.shown import shown

NOT_DRAWN = {"RDF", "Work", "type", "date", "format", "creator", "Agent", "title"}
DRAWING = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'
)


def picture(form: str, size: tuple[int, int] = (4, 4), **options: Any) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, form, **options)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<b>1</b><script>alert(1)</script>", "<b>1</b>"),
        ('<td onclick="alert(1)" colspan="2">1</td>', "1"),
        ('<table class="x"><tr><td style="a">1</td></tr></table>', "<td>1</td>"),
        ('<img src="https://example.org/a.png">text', "text"),
        ('<a href="javascript:alert(1)">text</a>', "text"),
        ("<style>td {color: red}</style>1", "1"),
        ('<td colspan="javascript:1">1</td>', "1"),
        ('<span class="md-header alert">1</span>', "<span>1</span>"),
    ],
)
def test_html_keeps_tables_and_text_only(html: str, kept: str) -> None:
    cleaned = safe.safe_html(html)
    assert kept in cleaned
    for bad in ("script", "onclick", "class", "style", "http", "javascript", "alert", "color"):
        assert bad not in cleaned
    assert safe.checked(HTML, cleaned) == cleaned


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<rect onload="alert(1)"/>',
        "<foreignObject><p>alert</p></foreignObject>",
        "<style>@import url(https://alert.example/a.css)</style>",
        '<image href="https://alert.example/a.png"/>',
        '<image href="//alert.example/a.png"/>',
        '<use xlink:href="https://alert.example/a.svg#b"/>',
        '<use href="data:image/svg+xml,alert"/>',
        "<rect style=\"fill: url( 'https://alert.example/a.svg')\"/>",
        '<a href="javascript:alert(1)"><text>a</text></a>',
        '<set attributeName="onload" to="alert(1)"/>',
    ],
)
def test_svg_loses_what_runs_or_leaves_it(inside: str) -> None:
    cleaned = safe.safe_svg(DRAWING.format(inside + '<use xlink:href="#mark"/>'))
    assert "alert" not in cleaned
    assert 'href="#mark"' in cleaned
    assert safe.checked(SVG, cleaned) == cleaned


def test_a_figure_of_matplotlib_is_drawn_the_same_after_cleaning() -> None:
    matplotlib.use("svg")
    fig, ax = plt.subplots()
    ax.imshow([[1, 2], [3, 4]])
    ax.fill_between([0, 1], [0, 1], hatch="/", label="\N{NO-BREAK SPACE}α & β < γ")
    ax.legend()
    buffer = io.StringIO()
    fig.savefig(buffer, format="svg")
    cleaned = safe.safe_svg(buffer.getvalue())
    before, after = (
        [(element.tag, element.text, sorted(element.items())) for element in tree.iter()]
        for tree in (ElementTree.fromstring(buffer.getvalue()), ElementTree.fromstring(cleaned))
    )
    lost = [part for part in before if part not in after]
    tags = {tag.rpartition("}")[2] for tag, _, _ in lost}
    # What stands in `metadata` and `style` goes; the root has other attributes.
    assert tags - {"svg", "metadata", "style"} <= NOT_DRAWN, tags
    assert safe.checked(SVG, cleaned) == cleaned


def test_what_is_no_drawing_is_refused() -> None:
    with pytest.raises(UnsafeOutput, match="an SVG that cannot be drawn"):
        safe.safe_svg("<b>no drawing</b>")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({HTML: "<script>1</script>"}, "a script in"),
        ({HTML: "<b onmouseover='1'>1</b>"}, r"a script \(onmouseover\) in"),
        ({HTML: "<iframe></iframe>"}, "a <iframe> in"),
        ({SVG: DRAWING.format("<script>1</script>")}, "a script in"),
        ({"application/javascript": "1", TEXT: "1"}, "a script in"),
        ({HTML: "<img src='https://example.org/a.png'>"}, "an address of another site"),
        # What the sanitiser would take away without a word:
        ({HTML: "<p>1</p><img src='data:image/png;base64,aaaa'>"}, "a <img> in"),
        ({HTML: "<svg><path d='M0 0'/></svg>", TEXT: "<Drawing>"}, "a <svg> in"),
        ({HTML: "<math><mi>x</mi></math>"}, "a <math> in"),
        ({HTML: "<video src='a.mp4'></video>"}, "a <video> in"),
        ({HTML: "<audio controls></audio>"}, "a <audio> in"),
        ({HTML: "<canvas></canvas>"}, "a <canvas> in"),
        ({HTML: "<input value='1'>"}, "a <input> in"),
        ({HTML: "<progress value='3' max='4'></progress>"}, "a <progress> in"),
        ({HTML: "<a href='#x'>1</a>"}, "a <a> in"),
        ({HTML: "<b style='color: red'>1</b>"}, r"a style \(color: red\) in"),
        ({HTML: "<style>#T_1 {background: red}</style><table></table>"}, "a style sheet in"),
        ({"text/markdown": "![x](data:image/png;base64,aaaa)"}, "a <img> in"),
        ({"image/gif": "R0lGODlh", TEXT: "<Image>"}, "image/gif in"),
        ({"application/pdf": "JVBERi0", TEXT: "a page"}, "application/pdf in"),
        ({"application/vnd.vega.v5+json": {"a": 1}, TEXT: "Chart"}, "application/vnd.vega"),
        ({TEXT: "<Foo at 0x7f0000000000>"}, "its output says nothing"),
        ({TEXT: "<__main__.Foo object at 0x7f0000000000>"}, "its output says nothing"),
        ({TEXT: "<IPython.core.display.HTML object>"}, "its output says nothing"),
        ({TEXT: "[<matplotlib.lines.Line2D at 0x7f0000000000>]"}, "its output says nothing"),
        ({TEXT: "{'f': <function f at 0x7f0000000000>,\n 'g': 1}"}, "its output says nothing"),
        ({HTML: "<td>&lt;Foo object at 0x7f0000000000&gt;</td>"}, "its output says nothing"),
        # What is too large:
        ({TEXT: "x" * 100_001}, "its output is too large for a page"),
        (
            {HTML: f"<table>{'<tr><td>1</td></tr>' * 20_000}</table>"},
            "its output is too large for a page",
        ),
        ({HTML: "<p>" * 3_000_000}, "its output is too large for a page"),
        ({SVG: DRAWING.format("<path d='M0 0'/>" * 20_000)}, "its output is too large for a page"),
        ({"image/png": picture("PNG", (5000, 4000))}, "its picture is too large for a page"),
        ({"image/png": "no base64"}, "a picture in its output that is no PNG"),
        ({"image/png": picture("JPEG")}, "a picture in its output that is no PNG"),
        ({TEXT: 1}, "text/plain in its output is no text, but of type int"),
        ({TEXT: None}, "text/plain in its output is no text, but of type NoneType"),
    ],
)
def test_an_output_that_a_page_cannot_show_is_named(data: dict[str, object], what: str) -> None:
    with pytest.raises(UnsafeOutput, match=f"^{what}"):
        shown(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({TEXT: "42"}, (TEXT, "42")),
        ({TEXT: "<class 'int'>"}, (TEXT, "<class 'int'>")),
        ({TEXT: ["a\n", "b"]}, (TEXT, "a\nb")),
        ({TEXT: "\ud800"}, (TEXT, "?")),
        ({TEXT: "a\x00\x1b[31mb\x1b[0m\u202ec"}, (TEXT, "a\\x00b\\u202ec")),
        ({TEXT: "\x1b]8;;https://x.example\x07link\x1b]8;;\x07"}, (TEXT, "link")),
        ({HTML: "<p>the turn on = 1; &lt;script&gt;</p>"},
         (HTML, "<p>the turn on = 1; &lt;script&gt;</p>")),
        ({HTML: "<h2>Title</h2>"}, (HTML, "<p><strong>Title</strong></p>")),
        ({HTML: "<p style='text-align: right'>1</p>"}, (HTML, "<p>1</p>")),
        ({"text/markdown": "**a** $x<y$", TEXT: "<IPython.core.display.Markdown object>"},
         (HTML, '<p><strong>a</strong> <span class="arithmatex">\\(x&lt;y\\)</span></p>')),
        ({"text/markdown": "| a |\n| - |\n| 1 |"},
         (HTML, "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n"
                "<td>1</td>\n</tr>\n</tbody>\n</table>")),
        ({"text/markdown": "costs $5 and $6 <b>"}, (HTML, "<p>costs $5 and $6 &lt;b&gt;</p>")),
        ({"text/latex": r"$\displaystyle \frac{1}{2}$", TEXT: "1/2"},
         (HTML, r'<p><span class="arithmatex">\(\displaystyle \frac{1}{2}\)</span></p>')),
        ({"text/latex": "\\begin{align}a&b\\end{align}"},
         (HTML, '<div class="arithmatex">\\[\\begin{align}a&amp;b\\end{align}\\]</div>')),
        ({"text/latex": r"\[x\]"}, (HTML, r'<div class="arithmatex">\[x\]</div>')),
    ],
)  # fmt: skip
def test_an_output_is_shown(data: dict[str, object], expected: tuple[str, str]) -> None:
    assert shown(data) == expected
    assert safe.checked(*expected) == expected[1]


@pytest.mark.parametrize(
    ("kind", "form"), [("image/png", "PNG"), ("image/jpeg", "JPEG"), ("image/webp", "WEBP")]
)
def test_a_picture_becomes_webp(kind: str, form: str) -> None:
    name, content = shown({kind: picture(form), TEXT: "<PIL.Image.Image object>"})
    assert name == WEBP
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        assert (image.format, image.size) == ("WEBP", (4, 4))
    assert safe.checked(WEBP, content) == content


def test_pixels_stand_on_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(buffer, "PNG")
    _, content = shown({"image/png": buffer.getvalue()})
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        assert image.getpixel((0, 0)) == (255, 255, 255)


def test_a_picture_that_moves_is_refused() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsafeOutput, match="a picture that moves"):
        shown({"image/png": buffer.getvalue()})


def test_tables_of_pandas() -> None:
    table = pd.DataFrame({"a": [0.5]})
    kind, html = shown({HTML: table._repr_html_()})
    assert kind == HTML
    assert "<td>0.5</td>" in html
    _, html = shown({HTML: table.style.format("{:.0%}")._repr_html_()})
    assert ">50%</td>" in html
    with pytest.raises(UnsafeOutput, match="a style sheet in its output"):
        shown({HTML: table.style.background_gradient()._repr_html_()})
    with pytest.raises(UnsafeOutput, match="too large for a page"):
        shown({HTML: pd.DataFrame({"a": range(50_000)}).to_html()})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a\nb\n", "a\nb\n"),
        ("a\r\nb", "a\nb"),
        ("\r 10%|#         |\r100%|##########|\n", "100%|##########|\n"),
        ("loading...\rdone\x1b[K\n", "done\n"),
        ("loading...\rdone", "doneing..."),
        ("ab\x08c", "ac"),
        ("\x1b[31mred\x1b[0m\rx", "xed"),
        ("a\n\rb\rc\n", "a\nc\n"),
    ],
)
def test_a_line_that_is_written_over_ends_as_on_a_terminal(written: str, read: str) -> None:
    assert as_on_a_terminal(written) == read


STREAM = {"output_type": "stream", "name": "stdout", "text": "a"}


def display(kind: str, content: object) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {kind: content}, "metadata": {}}


@pytest.mark.parametrize(
    "output",
    [
        None,
        [],
        {},
        STREAM | {"text": 1},
        STREAM | {"text": "\x1b[31m"},
        STREAM | {"text": "\ud800"},
        STREAM | {"more": 1},
        {"output_type": "display_data", "data": {}, "metadata": {}},
        display(TEXT, ["a"]),
        display("image/png", picture("PNG")),
        display("text/markdown", "a"),
        display(TEXT, "a") | {"metadata": {"a": 1}},
        display(HTML, "<script>1</script>"),
        display(HTML, "<p onclick='1'>1</p>"),
        display(HTML, '<p onclick="1">1</p>'),
        display(HTML, '<span class="md-header">1</span>'),
        display(HTML, '<td colspan="x">1</td>'),
        display(HTML, "</div></div><p>1</p>"),
        display(HTML, "<div>" * 101 + "</div>" * 101),
        display(HTML, "<div>"),
        display(HTML, "<b><i></b></i>"),
        display(HTML, "<!-- -->"),
        display(HTML, "<p>\x00</p>"),
        display(HTML, "<style>p {}</style>"),
        display(HTML, "<a href='https://x.example'>1</a>"),
        display(HTML, "<p"),
        display(SVG, "<b>1</b>"),
        display(SVG, DRAWING.format("<script>1</script>")),
        display(SVG, DRAWING.format('<image href="https://x.example/a.png"></image>')),
        display(SVG, DRAWING.format('<image href="data:image/svg+xml;base64,a"></image>')),
        display(SVG, DRAWING.format('<rect style="fill: url(https://x.example)"></rect>')),
        display(SVG, '<!DOCTYPE svg [<!ENTITY a "b">]>' + DRAWING.format("&a;")),
        display(SVG, DRAWING.format("&a;")),
        display(WEBP, picture("PNG")),
        display(WEBP, picture("WEBP", lossless=True)),
        display(WEBP, picture("WEBP") + "AAAA"),
        display(WEBP, picture("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")),
        display(WEBP, "no base64"),
        display(WEBP, picture("WEBP", (16_000, 1_001))),
    ],
)
def test_what_the_sandbox_would_not_have_made_is_refused(output: object) -> None:
    with pytest.raises(UnsafeOutput):
        outputs.check(output)


@pytest.mark.parametrize(
    "output", [STREAM, display(TEXT, "a"), display(WEBP, picture("WEBP")), display(HTML, "a<br>b")]
)
def test_what_the_sandbox_makes_passes(output: dict[str, Any]) -> None:
    assert outputs.check(output) is output
