"""Formats whose schema check-jsonschema carries: Compose files and GitHub workflows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qa.check import schemas
from qa.check.checker import Checker, Problem
from qa.check.documents import Yaml12, read

DISTRIBUTIONS = ("check-jsonschema", "jsonschema", "regress", "PyYAML")


def _finder(schema: str) -> Callable[[str], Iterator[Problem]]:
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
            yield from schemas.problems(validator.iter_errors(document.value), document)

    return find


COMPOSE = Checker("compose", DISTRIBUTIONS, _finder("compose-spec"))
GITHUB_WORKFLOW = Checker("github-workflow", DISTRIBUTIONS, _finder("github-workflows"))
