"""Where readers find the files of a built site."""

from __future__ import annotations

import posixpath
from urllib.parse import quote


def address_of(file: str, served: bool) -> str:
    """From the root of the site; a server, unlike a folder, looks for index.html itself."""
    folder, name = posixpath.split(quote(file))
    if served and name == "index.html":
        return f"{folder}/" if folder else ""
    return posixpath.join(folder, name)


def relative(target: str, here: str) -> str:
    """The way from one address below the root to another."""
    way = posixpath.relpath(target or ".", posixpath.dirname(here) or ".")
    return f"{way}/" if not target or target.endswith("/") else way
