"""Formats whose schema check-jsonschema carries: Compose files and GitHub workflows.

Then what they refer to within themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from qa.check import compose_references, schemas, workflow_references
from qa.check.checker import Checker
from qa.failures import Problem
from qa.yaml_lines import Yaml12, read

DISTRIBUTIONS = ("check-jsonschema", "jsonschema", "regress", "PyYAML")


References = Callable[[dict[str, Any]], Iterable[tuple[list[str | int], str]]]


def _finder(schema: str, references: References) -> Callable[[str], Iterator[Problem]]:
    def find(text: str) -> Iterator[Problem]:
        # Slow to import.
        from check_jsonschema.formats import FormatOptions
        from check_jsonschema.regex_variants import RegexImplementation, RegexVariantName
        from check_jsonschema.schema_loader import BuiltinSchemaLoader

        # The schemas' patterns are those of JavaScript, which the default variant reads.
        patterns = RegexImplementation(RegexVariantName.default)
        formats = FormatOptions(regex_impl=patterns)
        documents, problems = read(text, Yaml12)
        yield from problems
        for document in documents:
            validator = BuiltinSchemaLoader(f"vendor.{schema}").get_validator(
                "", document.value, formats, patterns, fill_defaults=False
            )
            errors = list(validator.iter_errors(document.value))
            yield from schemas.problems(errors, document)
            # What it refers to is looked up only where the schema holds.
            for path, reason in [] if errors else references(document.value):
                yield Problem(document.line(path), f"{'.'.join(map(str, path))}: {reason}")

    return find


COMPOSE = Checker("compose", DISTRIBUTIONS, _finder("compose-spec", compose_references.faults))
GITHUB_WORKFLOW = Checker(
    "github-workflow", DISTRIBUTIONS, _finder("github-workflows", workflow_references.faults)
)
