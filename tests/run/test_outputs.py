"""What of a notebook's output reaches a page."""

import base64
import io
from xml.etree import ElementTree

import matplotlib
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from qa.run import outputs

NOT_DRAWN = {"RDF", "Work", "type", "date", "format", "creator", "Agent", "title"}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


@pytest.mark.parametrize(
    ("html", "safe"),
    [
        ("<b>1</b><script>alert(1)</script>", "<b>1</b>"),
        ('<td onclick="alert(1)" colspan="2">1</td>', "1"),
        ('<table class="x"><tr><td style="a">1</td></tr></table>', "<td>1</td>"),
        ('<img src="https://example.org/a.png">text', "text"),
        ('<a href="javascript:alert(1)">text</a>', "text"),
        ("<style>td {color: red}</style>1", "1"),
    ],
)
def test_html_keeps_tables_and_text_only(html: str, safe: str) -> None:
    cleaned = outputs.safe_html(html)
    assert safe in cleaned
    for bad in ("script", "onclick", "class", "style", "http", "javascript", "alert", "color"):
        assert bad not in cleaned


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
    safe = outputs.safe_svg(SVG.format(inside + '<use xlink:href="#mark"/>'))
    assert "alert" not in safe
    assert 'href="#mark"' in safe


def test_a_figure_of_matplotlib_is_drawn_the_same_after_cleaning() -> None:
    matplotlib.use("svg")
    fig, ax = plt.subplots()
    ax.imshow([[1, 2], [3, 4]])
    ax.fill_between([0, 1], [0, 1], hatch="/", label="\N{NO-BREAK SPACE}α & β < γ")
    ax.legend()
    buffer = io.StringIO()
    fig.savefig(buffer, format="svg")
    before, after = (
        [(element.tag, element.text, sorted(element.items())) for element in tree.iter()]
        for tree in (
            ElementTree.fromstring(buffer.getvalue()),
            ElementTree.fromstring(outputs.safe_svg(buffer.getvalue())),
        )
    )
    lost = [part for part in before if part not in after]
    tags = {tag.rpartition("}")[2] for tag, _, _ in lost}
    # What stands in `metadata` and `style` goes; the root has other attributes.
    assert tags - {"svg", "metadata", "style"} <= NOT_DRAWN, tags


def test_what_is_no_drawing_is_refused() -> None:
    with pytest.raises(outputs.UnsafeOutput, match="an SVG that cannot be drawn"):
        outputs.safe_svg("<b>no drawing</b>")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"text/html": "<script>1</script>"}, "a script"),
        ({"text/html": "<b onmouseover='1'>1</b>"}, r"a script \(onmouseover\)"),
        ({"text/html": "<iframe></iframe>"}, "a <iframe>"),
        ({"image/svg+xml": SVG.format("<script>1</script>")}, "a script"),
        ({"application/javascript": "1", "text/plain": "1"}, "a script"),
        ({"text/html": "<img src='https://example.org/a.png'>"}, "an address of another site"),
    ],
)
def test_an_output_that_would_do_something_is_named(data: dict[str, str], what: str) -> None:
    with pytest.raises(outputs.UnsafeOutput, match=f"^{what}.* in its output"):
        outputs.make_safe([{"output_type": "display_data", "data": data}])


def test_text_that_only_reads_like_a_script_passes() -> None:
    data = {"text/html": "<p>the turn on = 1; &lt;script&gt;</p>"}
    (output,) = outputs.make_safe([{"output_type": "display_data", "data": data}])
    assert output["data"]["text/html"] == data["text/html"]


def test_pixels_become_webp_on_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(buffer, "PNG")
    webp = base64.b64decode(outputs.png_to_webp(base64.b64encode(buffer.getvalue()).decode()))
    with Image.open(io.BytesIO(webp)) as image:
        assert image.format == "WEBP"
        assert image.getpixel((0, 0)) == (255, 255, 255)


def test_one_stream_in_pieces_becomes_one_output_without_colours() -> None:
    pieces = ["\x1b[31mred\x1b[0m ", "plain"]
    streams = [{"output_type": "stream", "name": "stdout", "text": text} for text in pieces]
    (safe,) = outputs.make_safe(streams)
    assert safe["text"] == "red plain"
