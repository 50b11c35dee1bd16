"""An e-book (EPUB 3) from the pages of a built site."""

from __future__ import annotations

import posixpath
import re
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pypandoc
from lxml import html
from lxml.html import HtmlElement
from PIL import Image

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
# From the text: the parser of HTML knows no capitals in the names of attributes.
DIAGRAM = re.compile(r'<div class="qa-diagram">(<svg.*?</svg>)</div>', re.DOTALL)
VARIABLE = re.compile(r"var\([\w-]+, *([^()]+)\)")
STYLE = """\
pre { font-size: 0.75em; white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: 0.85em; }
td, th { border: 1px solid #999; padding: 0.2em 0.5em; }
img { max-width: 100%; }
a.qa-value { color: inherit; text-decoration: none; }
"""


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

    def write(self, target: Path, work: Path) -> None:
        """Raises CalledProcessError if pandoc fails, and Failures for a picture that is none."""
        work.mkdir(parents=True, exist_ok=True)
        path_below(work, "style.css").write_text(STYLE, encoding="utf-8")
        chapters = [
            html.tostring(self._chapter(name, work), encoding="unicode") for name in self.names
        ]
        arguments = [
            "--mathml",
            "--toc",
            "--toc-depth=2",
            "--split-level=1",
            f"--css={work / 'style.css'}",
        ]
        metadata = {
            "title": self.title,
            "lang": self.language,
            "identifier": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, self.title)}",
        }
        arguments += [f"--metadata={key}:{value}" for key, value in metadata.items()]
        target.parent.mkdir(parents=True, exist_ok=True)
        # An empty home: nobody's own templates and styles change the book.
        subprocess.run(
            [
                pypandoc.get_pandoc_path(),
                "--from=html+tex_math_single_backslash",
                "--to=epub3",
                f"--output={target}",
                *arguments,
            ],
            input="\n".join(chapters).encode(),
            env={"HOME": str(work), "LC_ALL": "C.UTF-8"},
            check=True,
        )

    def _chapter(self, name: str, work: Path) -> HtmlElement:
        page = self.root / f"{name}.html"
        text = page.read_text(encoding="utf-8")
        article: HtmlElement = html.document_fromstring(text).find(".//article")
        for element in article.xpath(LEFT_OUT):
            element.drop_tree()
        for image in article.iter("img"):
            image.set("src", self._embeddable(page, image.get("src", ""), work))
        for diagram, svg in zip(
            article.xpath("//div[@class='qa-diagram']"), DIAGRAM.findall(text), strict=True
        ):
            file = path_below(work, f"{_identifier(name, diagram[0].get('id'))}.svg")
            path_below(work, file.name).write_text(self._standing_alone(svg), encoding="utf-8")
            image = html.Element("img", src=str(file), alt=diagram[0].get("aria-label"))
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
        for link in article.xpath("//a[@href]"):
            self._lead(link, name)
        return article

    def _standing_alone(self, svg: str) -> str:
        """A file, whose colours are those of a light page."""
        style = VARIABLE.sub(r"\1", self.diagram_style)
        start = '<svg class="qa-diagram" xmlns="http://www.w3.org/2000/svg"'
        return svg.replace("<svg", start, 1).replace(">", f"><style>{style}</style>", 1)

    def _embeddable(self, page: Path, source: str, work: Path) -> str:
        """The path of a picture in a form that e-readers know. Raises Failures."""
        path = (page.parent / unquote(source.partition("#")[0])).resolve()
        if not path.is_relative_to(self.site.resolve()) or not path.is_file():
            reason = f'picture "{source}" is no file of the site'
            raise Failures([Failure(page, 1, reason, code="picture-elsewhere")])
        if path.suffix != ".webp":
            return str(path)
        converted = path_below(work, f"{path.parent.name}-{path.stem}.png")
        try:
            with Image.open(path, formats=["WEBP"]) as image:
                image.save(converted)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            reason = f'picture "{source}" cannot be decoded: {error}'
            raise Failures([Failure(page, 1, reason, code="picture-broken")]) from error
        return str(converted)

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


def _move_inside(term: HtmlElement) -> None:
    """Put the id of a defined term on what it holds: pandoc drops that of the term."""
    anchor = html.Element("span", id=term.attrib.pop("id"))
    anchor.text, term.text = term.text, None
    anchor.extend(list(term))
    term.append(anchor)
