"""Compare what was read from YAML with the form it must have; each fault has its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from qa.failures import Failure
from qa.files import word_fault
from qa.yaml_lines import Record


class Name:
    """The form of a text that may stand in addresses and ids."""


def check(path: Path, value: object, form: object, what: str, line: int = 1) -> Iterator[Failure]:
    """Where `value`, named `what`, differs from `form`.

    A form is `str` for a text, `Name` for one that becomes a part of addresses, `object` for
    anything, `True` for itself, `(True, "partly")` for one of them, `[form]` for a list, or a
    mapping, in which a key that ends in "?" may be left out, and "*" stands for all that are not
    named.
    """
    if isinstance(form, dict):
        if isinstance(value, Record):
            yield from _check_keys(path, value, form, what)
        else:
            names = _names(form) and f" with {_names(form)}"
            yield Failure(path, line, f"{what} is no mapping{names}", code="form")
    elif isinstance(form, list):
        if isinstance(value, list):
            for item in value:
                at = item.line if isinstance(item, Record) else line
                yield from check(path, item, form[0], f"an entry of {what}", at)
        else:
            yield Failure(path, line, f"{what} is no list", code="form")
    elif form in (str, Name) and not isinstance(value, str):
        yield Failure(path, line, f"{what} is no text", code="form")
    elif form in (str, Name) and not str(value).strip():
        yield Failure(path, line, f"{what} is empty", code="form")
    elif form is Name and (fault := word_fault(str(value))):
        yield Failure(path, line, f"{what}: {fault}", code="name")
    elif isinstance(form, tuple) or form is True:
        allowed = form if isinstance(form, tuple) else (form,)
        if not any(type(value) is type(each) and value == each for each in allowed):
            names = " or ".join(str(each).lower() for each in allowed)
            reason = f"{what} may only be {names}: leave it out otherwise"
            yield Failure(path, line, reason, code="form")


def _check_keys(
    path: Path, record: Record, form: dict[str, object], what: str
) -> Iterator[Failure]:
    inner = {key.removesuffix("?"): value for key, value in form.items()}
    for key in form:
        if not key.endswith(("?", "*")) and key not in record:
            yield Failure(path, record.line, f'{what} has no "{key}"', code="form")
    for key, value in record.items():
        at = record.lines.get(key, record.line)
        if key in inner or "*" in inner:
            yield from check(path, value, inner.get(key, inner.get("*")), key, at)
        else:
            hint = nearest(key, inner)
            yield Failure(path, at, f'{what} has an unknown key "{key}"{hint}', code="form")


def _names(form: dict[str, object]) -> str:
    return ", ".join(key for key in form if not key.endswith(("?", "*")))


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a reason: what a misspelt name may have meant, if anything is near."""
    found = get_close_matches(name, list(names), 1)
    return f'; did you mean "{found[0]}"?' if found else ""
