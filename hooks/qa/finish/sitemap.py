"""The list of all pages for search engines, each with its other languages (sitemaps.org)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from qa.files import path_below
from qa.finish.built import BuiltSite

NAMESPACES = {
    "xmlns": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "xmlns:xhtml": "http://www.w3.org/1999/xhtml",
}


def write(site: BuiltSite) -> None:
    """Of all pages that readers may find; `site` has an address."""
    root = ET.Element("urlset", NAMESPACES)
    for page in site.pages:
        if page.subject and page.subject.is_found:
            url = ET.SubElement(root, "url")
            ET.SubElement(url, "loc").text = site.full_address_of(page)
            if page.subject.dates:
                ET.SubElement(url, "lastmod").text = page.subject.dates[1]
            for language, other in site.alternates(page).items():
                link = {"rel": "alternate", "hreflang": language, "href": other}
                ET.SubElement(url, "xhtml:link", link)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
    path_below(site.folder, "sitemap.xml").write_text(text, encoding="utf-8")
