"""What is filled into a page: results, lists, files, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from qa.pages.fences import Fence
from qa.run.exploring import Proof
from qa.run.notebook import Notebook
from qa.run.store import Result, Scalar


def _nothing(file: str, section: str) -> str:
    return ""


@dataclass(frozen=True)
class Content:
    """`values` are what `{{ }}` may name, `lists` make the lines of fences that list something (see
    qa.pages.lists), `included` returns the text of a file's section, `to_root` is the relative
    address of the site's root, `below_title` are lines that stand there, and `definitions` are the
    names of the cells that computed the values.
    """

    values: Mapping[str, Scalar]
    notebook: Notebook | None = None
    result: Result | None = None
    proof: Proof = field(default_factory=Proof)
    lists: Mapping[str, Callable[[Fence], list[str]]] = field(default_factory=dict)
    included: Callable[[str, str], str] = _nothing
    to_root: str = ""
    below_title: Iterable[str] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
