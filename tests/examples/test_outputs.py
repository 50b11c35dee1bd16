"""What of a notebook's output reaches a page."""

import base64
import io

import pytest
from PIL import Image

from qa.examples import outputs

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
        '<image href="https://alert.example/a.png"/>',
        '<use xlink:href="https://alert.example/a.svg#b"/>',
    ],
)
def test_svg_loses_what_runs_or_leaves_it(inside: str) -> None:
    safe = outputs.safe_svg(SVG.format(inside + '<use xlink:href="#mark"/>'))
    assert "alert" not in safe
    assert 'href="#mark"' in safe


def test_svg_that_is_no_xml_is_refused() -> None:
    with pytest.raises(ValueError, match="not well-formed SVG"):
        outputs.safe_svg("<svg><rect></svg>")


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
