"""Do the figures and tables of a run speak the page's language?"""

from __future__ import annotations

from collections.abc import Iterator

from qa.failures import Failure
from qa.pages.fences import Fence
from qa.pages.labels import texts
from qa.pages.page import Page
from qa.printable import is_printable
from qa.run.notebook import Notebook
from qa.run.store import Result

KEY = "labels"


def check(page: Page, notebook: Notebook | None, result: Result | None) -> Iterator[Failure]:
    """Every text with words of the other language has a label, and every label stands for a text.
    Nothing is said of a run that failed."""
    yield from _check_form(page)
    if notebook and not result:
        return
    shown = _shown(page, notebook, result) if notebook and result else ()
    labels, seen, used = page.labels, set[str](), set[str]()
    for text, fence in shown:
        if found := labels.find(text):
            used.add(found[0])
        elif text not in seen and labels.is_foreign(text):
            yield _without_label(page, text, fence)
        seen.add(text)
    for text in _written(page) & labels.texts.keys() - used:
        reason = f'label "{text}": no figure or table of this page holds this text'
        yield Failure(page.path, _line(page, text), reason, code="label-unused")


def _check_form(page: Page) -> Iterator[Failure]:
    for text, label in page.labels.texts.items():
        if text.count("{}") != label.count("{}"):
            reason = f'label "{text}": "{label}" has not as many {{}}'
            yield Failure(page.path, _line(page, text), reason, code="label-form")
        elif not is_printable(label):
            reason = f'label "{text}": holds a character that nobody sees'
            yield Failure(page.path, _line(page, text), reason, code="label-form")
    for text in _written(page) - page.labels.texts.keys():
        reason = f'label "{text}": YAML takes it for no text: write it in quotes'
        yield Failure(page.path, _line(page, text), reason, code="label-form")


def _written(page: Page) -> set[str]:
    """The texts as they stand in the front matter; YAML reads some, such as `yes`, as others."""
    return set(page.meta[KEY].lines) if KEY in page.meta else set()


def _line(page: Page, text: str) -> int:
    return int(page.meta[KEY].lines.get(text, page.meta_line(KEY)))


def _shown(page: Page, notebook: Notebook, result: Result) -> Iterator[tuple[str, Fence]]:
    for fence in page.cells:
        cell = notebook.cell(fence.options.get("name", ""))
        if cell and "remove-output" not in cell.tags:
            for output in result.cells[cell.name].outputs:
                yield from ((text, fence) for text in texts(output.get("data", {})))


def _without_label(page: Page, text: str, fence: Fence) -> Failure:
    shown = f'"{text}", which cell "{fence.options["name"]}" shows,'
    if page.language == "zh":
        reason = f"labels: {shown} has none: its Chinese, or itself again if it is a name"
        return Failure(page.path, page.meta_line(KEY), reason, code="label-missing")
    reason = f"{shown} is Chinese on a page in English: write its English below {KEY}"
    return Failure(page.path, fence.line, reason, code="label-foreign")
