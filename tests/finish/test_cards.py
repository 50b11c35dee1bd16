"""The picture that stands for a page where it is shared."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from qa.finish.built import BuiltSite, Language, Subject
from qa.finish.cards import NO_PICTURE, Cards, Picture, picture_of
from qa.memo import Memo

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}">'
    '<rect width="{0}" height="{1}" fill="{2}"/></svg>'
)
FIGURE = '<img src="../../runs/a/b/x-1-light.svg#only-light" alt="X" loading="lazy">'
DIAGRAM = '<div class="qa-diagram"><svg id="d" viewBox="0 0 {} {}"><rect/></svg></div>'
TITLES = {
    "zh": "如何发现并防止过拟合与欠拟合，并且在很长的标题里也一个字都不丢，无论它有多长多长？",
    "en": "How is one call metered, charged and settled, however long the title " * 3,
}


def webp() -> bytes:
    out = BytesIO()
    Image.new("RGB", (200, 100), "#ff0000").save(out, "WEBP")
    return out.getvalue()


RED = {
    "svg": Picture("svg", SVG.format(200, 100, "#ff0000").encode()),
    "webp": Picture("webp", webp()),
}


def drawn(folder: Path, language: str, picture: Picture, title: str) -> Image.Image:
    subject = Subject(
        Path("x.md"), title=title, description="Says more of it. " * 20, theme="Theme"
    )
    (folder / "a").mkdir(exist_ok=True)
    (folder / "a/b.html").write_text("")
    site = BuiltSite(folder, [Language(language, "", {"a/b": subject}, {}, None)], "", True)
    (page,) = site.pages
    made = Cards(site)
    made.asked.append((page, picture))
    made.write(Memo())
    return Image.open(BytesIO((folder / "cards/a/b.png").read_bytes())).convert("RGB")


def darkest(image: Image.Image, top: int, bottom: int) -> int:
    histogram = image.crop((64, top, 1136, bottom)).convert("L").histogram()
    return next(value for value, count in enumerate(histogram) if count)


@pytest.mark.parametrize("kind", ["svg", "webp"])
@pytest.mark.parametrize("language", TITLES)
def test_it_has_the_size_that_is_asked_for_and_shows_title_and_picture(
    tmp_path: Path, language: str, kind: str
) -> None:
    image = drawn(tmp_path, language, RED[kind], TITLES[language])
    assert image.size == (1200, 630)
    red_at = image.getpixel((600, 500))
    assert isinstance(red_at, tuple) and red_at[0] > 200 and max(red_at[1:]) < 60, "the picture"
    assert darkest(image, 100, 250) < 60, "the title"
    assert (tmp_path / "cards/a/b.png").stat().st_size < 100_000


def test_without_a_picture_it_shows_the_description(tmp_path: Path) -> None:
    blank = drawn(tmp_path, "en", NO_PICTURE, "Short")
    assert darkest(blank, 200, 600) < 120


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    broken = drawn(tmp_path, "en", Picture("svg", b"<svg"), "Short")
    assert broken.tobytes() == drawn(tmp_path, "en", NO_PICTURE, "Short").tobytes()


def test_what_is_known_is_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(Path("x.md"), title="T")
    (tmp_path / "b.html").write_text("")
    site = BuiltSite(
        tmp_path, [Language("en", "", {"b": subject}, {}, None)], "https://site.example/", True
    )
    made, memo = Cards(site), Memo(tmp_path / "memo")
    assert made.add(site.pages[0], "") == "cards/b.png"
    made.write(memo)
    before = (tmp_path / "cards/b.png").read_bytes()
    monkeypatch.setattr("typst.compile", None)
    made.write(memo)
    assert (tmp_path / "cards/b.png").read_bytes() == before


def test_a_figure_of_the_run_comes_before_a_diagram(tmp_path: Path) -> None:
    file = tmp_path / "runs/a/b/x-1-light.svg"
    file.parent.mkdir(parents=True)
    file.write_text(SVG.format(1, 1, "red"))
    found = picture_of(DIAGRAM.format(20, 10) + FIGURE, tmp_path, "a/b/index.html", "")
    assert found == Picture("svg", file.read_bytes())


def test_a_diagram_brings_its_colours_and_a_tall_one_is_passed_over(tmp_path: Path) -> None:
    article = DIAGRAM.format(10, 90) + DIAGRAM.format(90, 10)
    style = ".qa-diagram rect { fill: var(--md-code-bg-color, #f5f5f5) }"
    found = picture_of(article + FIGURE, tmp_path, "a/b/index.html", style)
    assert b"<style>rect { fill: #f5f5f5 }</style>" in found.content
    assert b'viewBox="0 0 90 10"' in found.content
    assert picture_of(DIAGRAM.format(10, 90), tmp_path, "a/b/index.html", "") == NO_PICTURE
