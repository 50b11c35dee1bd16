"""Kubernetes manifests: the strict schema of each kind, then what the API server would refuse."""

from __future__ import annotations

from collections.abc import Iterator

from qa.check import kubernetes_references, kubernetes_values, schemas
from qa.check.checker import Checker
from qa.failures import Problem
from qa.yaml_lines import Document, Yaml11, read


def _find(text: str) -> Iterator[Problem]:
    documents, problems = read(text, Yaml11)
    yield from problems
    faults = [list(_find_in(document)) for document in documents]
    yield from (fault for found in faults for fault in found)
    # What lies within is looked at only where the schema holds.
    whole = [document for document, found in zip(documents, faults, strict=True) if not found]
    for document in whole:
        for meaning in (kubernetes_values, kubernetes_references):
            for path, reason in meaning.faults(document.value):
                yield _problem(document, path, reason)
    if len(whole) == len(documents):
        manifests = [document.value for document in documents]
        for number, path, reason in kubernetes_references.dangling(manifests):
            yield _problem(documents[number], path, reason)


def _problem(document: Document, path: list[str | int], reason: str) -> Problem:
    return Problem(document.line(path), f"{'.'.join(map(str, path))}: {reason}")


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
