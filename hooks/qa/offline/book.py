"""The pages of a built site as the chapters of a book: HTML that pandoc reads."""

from __future__ import annotations

import posixpath
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from lxml import html
from lxml.html import HtmlElement
from PIL import Image

from qa.drawing.printed import DIAGRAM, standing_alone
from qa.failures import Failure, Failures
from qa.files import path_below

# What only a browser can use, the dark one of each pair of figures, and all else that would make
# pandoc look for another file.
LEFT_OUT = (
    "//script | //button | //*[contains(@class, 'headerlink')]"
    " | //*[@class='qa-unfold'] | //*[@class='qa-back'] | //details[@class='qa-code']/summary"
    " | //img[contains(@src, '#only-dark')]"
    " | //iframe | //video | //audio | //source | //track | //object | //embed | //link | //style"
)


@dataclass(frozen=True)
class Book:
    """`names` are those of the pages below `root`, a folder of `site`, in reading order; `address`
    is the hosted site, to which links lead that leave the book, or empty."""

    title: str
    language: str
    site: Path
    root: Path
    names: tuple[str, ...]
    diagram_style: str
    address: str = ""

    def chapters(self, work: Path) -> str:
        """As HTML: a part for each theme, with its answers as chapters. Pictures are files, some of
        them below `work`. Raises Failures for a picture that is none."""
        work.mkdir(parents=True, exist_ok=True)
        return "\n".join(
            html.tostring(self._chapter(name, work), encoding="unicode") for name in self.names
        )

    def _chapter(self, name: str, work: Path) -> HtmlElement:
        page = self.root / f"{name}.html"
        text = page.read_text(encoding="utf-8")
        article: HtmlElement = html.document_fromstring(text).find(".//article")
        for element in article.xpath(LEFT_OUT):
            element.drop_tree()
        for value in article.xpath("//a[contains(@class, 'qa-value')]"):
            value.drop_tag()
        for image in article.iter("img"):
            image.set("src", self._embeddable(page, image.get("src", ""), work))
        for diagram, svg in zip(
            article.xpath("//div[@class='qa-diagram']"), DIAGRAM.findall(text), strict=True
        ):
            file = f"{_identifier(name, diagram[0].get('id'))}.svg"
            path_below(work, file).write_text(
                standing_alone(svg, self.diagram_style), encoding="utf-8"
            )
            image = html.Element("img", src=file, alt=diagram[0].get("aria-label"))
            diagram.getparent().replace(diagram, image)
            image.tail = diagram.tail
        for formula in article.xpath("//*[@class='arithmatex']"):
            source = formula.findtext(".//annotation")
            formula[:] = []
            formula.text = f"\\[{source}\\]" if formula.tag == "div" else f"\\({source}\\)"
        for element in article.xpath("//*[@id]"):
            element.set("id", _identifier(name, element.get("id")))
        for term in article.xpath("//dt[@id]"):
            _move_inside(term)
        article.find(".//h1").set("id", _identifier(name, ""))
        # Pandoc keeps the classes of this element alone.
        for block in article.xpath("//details | //summary | //p[@class] | //aside | //figure"):
            block.set("class", f"{block.get('class', '')} {block.tag}".strip())
            block.tag = "div"
        if "/" in name and not name.endswith("/index"):
            _demote(article)
        for link in article.xpath("//a[@href]"):
            self._lead(link, name)
        return article

    def _embeddable(self, page: Path, source: str, work: Path) -> str:
        """The name below `work` of a picture in a form that e-readers know. Raises Failures."""
        path = (page.parent / unquote(source.partition("#")[0])).resolve()
        if not path.is_relative_to(self.site.resolve()) or not path.is_file():
            reason = f'picture "{source}" is no file of the site'
            raise Failures([Failure(page, 1, reason, code="picture-elsewhere")])
        name = f"{path.parent.name}-{path.stem}{path.suffix.replace('.webp', '.png')}"
        if path.suffix != ".webp":
            shutil.copyfile(path, path_below(work, name))
            return name
        try:
            with Image.open(path, formats=["WEBP"]) as image:
                image.save(path_below(work, name))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            reason = f'picture "{source}" cannot be decoded: {error}'
            raise Failures([Failure(page, 1, reason, code="picture-broken")]) from error
        return name

    def _lead(self, link: HtmlElement, name: str) -> None:
        """Into the book if the target stands there, else to the hosted site, or nowhere."""
        target = urlsplit(link.get("href"))
        if target.scheme in ("http", "https"):
            return
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(target.path)))
        other = path.removesuffix(".html") if target.path else name
        if other in self.names:
            link.set("href", f"#{_identifier(other, target.fragment)}")
        elif self.address:
            link.set("href", urljoin(self.address, path.removesuffix("index.html")))
        else:
            link.drop_tag()


def _identifier(name: str, anchor: str) -> str:
    """Pages have the same anchors; a book has each once."""
    return f"{name.replace('/', '-')}--{anchor}" if anchor else name.replace("/", "-")


def _demote(article: HtmlElement) -> None:
    """By one level: the theme stands above its answers."""
    for heading in article.xpath("//*[self::h1 or self::h2 or self::h3 or self::h4 or self::h5]"):
        heading.tag = f"h{int(heading.tag[1]) + 1}"


def _move_inside(term: HtmlElement) -> None:
    """Put the id of a defined term on what it holds: pandoc drops that of the term."""
    anchor = html.Element("span", id=term.attrib.pop("id"))
    anchor.text, term.text = term.text, None
    anchor.extend(list(term))
    term.append(anchor)
