"""Kubernetes manifests, each document against the strict schema of its kind."""

from __future__ import annotations

from collections.abc import Iterator

from qa.check import schemas
from qa.check.checker import Checker, Problem
from qa.check.documents import Document, Yaml11, read


def _find(text: str) -> Iterator[Problem]:
    documents, problems = read(text, Yaml11)
    yield from problems
    for document in documents:
        yield from _find_in(document)


def _find_in(document: Document) -> Iterator[Problem]:
    # Slow to import.
    import kubernetes_validate as engine

    manifest, version = document.value, engine.latest_version()
    if not isinstance(manifest, dict):
        yield Problem(document.line([]), "a manifest is a mapping")
        return
    for field in ("apiVersion", "kind"):
        if not isinstance(manifest.get(field), str):
            yield Problem(document.line([field]), f"{field}: a manifest needs it, as a string")
            return
    try:
        engine.validate(manifest, version, strict=True)
    except engine.ValidationError as error:
        yield from schemas.problems([error], document)
    except engine.SchemaNotFoundError:
        kind, group = manifest["kind"], manifest["apiVersion"]
        reason = (
            f"kind {kind} of {group} is not part of Kubernetes {version}: "
            "it cannot be checked, which needs a reason"
        )
        yield Problem(document.line(["kind"]), reason)


CHECKER = Checker("kubernetes", ("kubernetes-validate", "jsonschema", "PyYAML"), _find)
