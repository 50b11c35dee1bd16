"""What a JSON schema finds wrong with a document, in few words and at the line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from qa.failures import Problem
from qa.yaml_lines import Document

UNKNOWN_FIELD = "there is no such field"


def problems(errors: Iterable[Any], document: Document) -> Iterator[Problem]:
    """`errors` are jsonschema.ValidationError."""
    from jsonschema.exceptions import best_match

    errors = list(errors)
    for error in errors:
        if not _follows(error, errors):
            # From "fits none of these" down to why the likeliest one does not fit.
            for path, reason in _faults(best_match([error])):
                where = ".".join(map(str, path))
                yield Problem(document.line(path), f"{where}: {reason}" if where else reason)


def _follows(error: Any, errors: list[Any]) -> bool:
    """One bad field makes its neighbours "unevaluated": those that are truly so are seen later."""
    path = list(error.absolute_path)
    return error.validator == "unevaluatedProperties" and any(
        other.validator != error.validator and list(other.absolute_path)[: len(path)] == path
        for other in errors
    )


def _faults(error: Any) -> Iterator[tuple[list[str | int], str]]:
    """Paths and reasons; each field that must not stand there is a fault of its own."""
    path = list(error.absolute_path)
    unknown = _unknown_fields(error)
    if unknown:
        for field in unknown:
            yield [*path, field], UNKNOWN_FIELD
    elif error.context:
        reasons = dict.fromkeys(_message(child) for child in error.context)
        yield path, f"it has none of the forms allowed: {'; '.join(reasons)}"
    else:
        yield path, _message(error)


def _unknown_fields(error: Any) -> list[str]:
    """The fields that a schema does not have; of alternatives, those that none of them has."""
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        return [field for field in error.instance if repr(field) in error.message]
    alternatives: dict[Any, set[str]] = {}
    for child in error.context:
        fields = alternatives.setdefault(child.relative_schema_path[0], set())
        if child.instance is error.instance:
            fields |= set(_unknown_fields(child))
    return sorted(set.intersection(*alternatives.values())) if alternatives else []


def _message(error: Any) -> str:
    if isinstance(error.instance, dict | list):
        # The whole value would hide what is said of it.
        return str(error.message.replace(repr(error.instance), "it"))
    return str(error.message)
